/** Bits of authenticate's `features`: bit n stands in byte n / 8, with the value 2 to the power n mod 8. Odd, as all that is ours. */
const BITS = {
  /** Channels with pre-staging. Spec: LS-16. */
  prestage: 1,
  /** Channels that both parties fund: funding_request and what follows it. Spec: LS-1. */
  dual_funding: 3,
  /** Keeps a copy of what a peer with a channel wants kept. */
  keeps_copies: 5,
} as const;

/** Something that a node can do and a peer may not know of: used where both have it. */
export type Feature = keyof typeof BITS;

/** The field of authenticate: as many bytes as its highest bit needs. */
export function encodeFeatures(features: readonly Feature[]): Uint8Array {
  const bits = features.map((feature) => BITS[feature]);
  const bytes = new Uint8Array(Math.ceil((Math.max(-1, ...bits) + 1) / 8));
  for (const bit of bits) bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) | (1 << (bit & 7));
  return bytes;
}

/** Whether a peer's field says that it has the feature. Bits that we don't know mean nothing. */
export function hasFeature(bytes: Uint8Array, feature: Feature): boolean {
  const bit = BITS[feature];
  return ((bytes[bit >> 3] ?? 0) & (1 << (bit & 7))) !== 0;
}
