import type { HtlcRow, RemovalRequestRow } from "./rows.ts";

/** Where the preimages are that we know: what a state has of them. */
export type Preimages = {
  readonly removalRequests: ReadonlyMap<bigint, RemovalRequestRow>;
  readonly knownPreimages: ReadonlyMap<bigint, Uint8Array>;
};

/** The preimage of an HTLC, however we came to know it: staged, asked for, or kept. */
export function preimageOf(state: Preimages, { id, removal }: HtlcRow): Uint8Array | undefined {
  if (removal?.type === "fulfilled") return removal.preimage;
  const asked = state.removalRequests.get(id)?.removal;
  return asked?.type === "fulfilled" ? asked.preimage : state.knownPreimages.get(id);
}
