// Until when an HTLC may stand before only the chain can settle it in time (payment-channel design "Margins"; seed 001
// section 3.1). All in blocks; D is the delay that the peer imposes on us.

import { CLAIM_MARGIN, deadlineHeight, GRACE } from "./deadline-heights.ts";
import type { HtlcRow } from "./rows.ts";
import { type ChannelState, isSettled } from "./state.ts";

/** When, and because of which HTLC, a channel has to go to the chain. */
export type Deadline = {
  readonly height: number;
  readonly htlcId: bigint;
  readonly rule: string;
  readonly reason: string;
};

/**
 * The earliest height at which the newest commitment has to be broadcast, if nothing changes: D + M before the expiry of an HTLC
 * that we can fulfil, as long as its removal has not settled; g after the expiry of one that we offered. Spec: B2-16, LS-20, LS-24.
 */
export function deadline(state: ChannelState): Deadline | undefined {
  let first: Deadline | undefined;
  for (const htlc of state.htlcs.values()) {
    const found = htlcDeadline(state, htlc);
    if (found !== undefined && (first === undefined || found.height < first.height)) first = found;
  }
  return first;
}

/** The same for one HTLC. */
export function htlcDeadline(state: ChannelState, htlc: HtlcRow): Deadline | undefined {
  const height = isSettled(state, htlc) ? Number.POSITIVE_INFINITY : deadlineHeight(state, htlc);
  if (height === Number.POSITIVE_INFINITY) return undefined;
  const { id: htlcId, offerer } = htlc;
  return offerer === "local"
    ? { height, htlcId, rule: "B2-16", reason: "an HTLC that we offered has expired" }
    : { height, htlcId, rule: "LS-24", reason: "the peer does not take a preimage in time" };
}

/** Blocks that an HTLC needs before its expiry so that its final recipient can still enforce it. */
export function endpointMargin(delay: number): number {
  return delay + CLAIM_MARGIN + GRACE;
}
