import { equalBytes, err, invariant, ok, type Result } from "../base/index.ts";
import { sha256 } from "./hashes.ts";

/** Index of the first revocation preimage of a channel; each later one is one less. Spec: B2-34; seed 001 section 5. */
export const FIRST_REVOCATION_INDEX: bigint = 2n ** 64n - 1n;

const INDEX_BITS = 64;
const NODE_BYTES = 32;

/**
 * A revocation preimage kept by the receiver. `slot` is the number of trailing zero bits of `index`, 0 to 64: the preimage
 * yields those of all indexes that differ from `index` in these bits only. 32 bytes.
 */
export interface RevocationSlot {
  readonly slot: number;
  readonly index: bigint;
  readonly preimage: Uint8Array;
}

/** All that the receiver keeps of the peer's chain: at most one row per slot, in any order. Spec: B2-34. */
export type RevocationSlots = readonly RevocationSlot[];

/** The peer's preimage isn't from the chain of those before it: `slot` couldn't be derived from the one for `index`. */
export interface RevocationNotDerivable {
  readonly type: "revocation_not_derivable";
  readonly slot: number;
  readonly index: bigint;
}

/** Derives preimages of one seed; cheap for indexes near the one before, since shared steps are kept. */
export interface RevocationPath {
  /** Same result as `revocationPreimage` with the path's seed. The bytes are the caller's. */
  preimage(index: bigint): Uint8Array;
}

function requireIndex(index: bigint): void {
  invariant(index >= 0n && index <= FIRST_REVOCATION_INDEX, `not a revocation index: ${index}`);
}

function requirePreimage(bytes: Uint8Array): void {
  invariant(bytes.length === NODE_BYTES, `a revocation preimage has 32 bytes, got ${bytes.length}`);
}

function isSet(index: bigint, bit: number): boolean {
  return ((index >> BigInt(bit)) & 1n) === 1n;
}

function trailingZeros(index: bigint): number {
  let zeros = 0;
  while (zeros < INDEX_BITS && !isSet(index, zeros)) zeros++;
  return zeros;
}

/** One step of the chain: bit B is bit B mod 8 of byte B div 8. */
function flipAndHash(node: Uint8Array, bit: number): Uint8Array {
  const flipped = new Uint8Array(node);
  flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return sha256(flipped);
}

/** From a node that covers the lowest `bits` bits to the one for `index`; the bits of `index` above them play no part. */
function derive(node: Uint8Array, bits: number, index: bigint): Uint8Array {
  let result = node;
  for (let bit = bits - 1; bit >= 0; bit--) if (isSet(index, bit)) result = flipAndHash(result, bit);
  return new Uint8Array(result);
}

/**
 * The preimage for `index` (0 to 2^64 - 1) of the chain from a 32-byte seed. The highest set bit comes first: the loop of
 * seed 001 section 5 runs the other way, which can't be stored compactly; this is the order of BOLT 3. Spec: B2-34.
 */
export function revocationPreimage(seed: Uint8Array, index: bigint): Uint8Array {
  requirePreimage(seed);
  requireIndex(index);
  return derive(seed, INDEX_BITS, index);
}

/** A chain that remembers the nodes on the way to the last preimage: counting down costs about one hash a step. */
export function revocationPath(seed: Uint8Array): RevocationPath {
  requirePreimage(seed);
  // Row b is the node after the bits from 63 down to b; row 64 is the seed. One flat buffer, for there is a path per channel.
  const nodes = new Uint8Array((INDEX_BITS + 1) * NODE_BYTES);
  const node = (bit: number) => nodes.subarray(bit * NODE_BYTES, (bit + 1) * NODE_BYTES);
  nodes.set(seed, INDEX_BITS * NODE_BYTES);
  for (let bit = INDEX_BITS - 1; bit >= 0; bit--) nodes.set(seed, bit * NODE_BYTES);
  let last = 0n;

  return {
    preimage(index) {
      requireIndex(index);
      const changed = (index ^ last) === 0n ? 0 : (index ^ last).toString(2).length;
      for (let bit = changed - 1; bit >= 0; bit--) {
        const above = node(bit + 1);
        nodes.set(isSet(index, bit) ? flipAndHash(above, bit) : above, bit * NODE_BYTES);
      }
      last = index;
      return node(0).slice();
    },
  };
}

/**
 * Checks the preimage that the peer revealed for `index` against all kept before, by deriving every lower slot from it, and
 * returns the row to put in place of its slot's. The first index may be any; each later one is one less than that before
 * (else InvariantBroken: the count is ours). Whether it matches the revoked commitment's hash (B2-28) is for the caller to
 * check: a chain that's wrong from one preimage on shows only when a slot covers it. Spec: B2-34; source: BOLT 3.
 */
export function insertRevocation(
  slots: RevocationSlots,
  index: bigint,
  preimage: Uint8Array,
): Result<RevocationSlot, RevocationNotDerivable> {
  requireIndex(index);
  requirePreimage(preimage);
  let lowest: bigint | undefined;
  for (const kept of slots) if (lowest === undefined || kept.index < lowest) lowest = kept.index;
  invariant(lowest === undefined || index === lowest - 1n, `revocation ${index} doesn't follow ${lowest}`);

  const slot = trailingZeros(index);
  for (const kept of slots) {
    if (kept.slot >= slot) continue;
    if (!equalBytes(derive(preimage, slot, kept.index), kept.preimage)) {
      return err({ type: "revocation_not_derivable", slot: kept.slot, index });
    }
  }
  return ok({ slot, index, preimage: new Uint8Array(preimage) });
}

/** The preimage for `index`, or undefined where the slots don't hold it (it isn't revoked yet). */
export function lookupRevocation(slots: RevocationSlots, index: bigint): Uint8Array | undefined {
  requireIndex(index);
  for (const kept of slots) {
    const shift = BigInt(kept.slot);
    if (index >> shift === kept.index >> shift) return derive(kept.preimage, kept.slot, index);
  }
  return undefined;
}
