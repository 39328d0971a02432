// HTLCs that we offered and that the chain gives back: since when, and whether that is final (payment-channel design "On chain").

import { type HtlcRow, isRejected } from "./rows.ts";
import type { ChannelState } from "./state.ts";

/** m_s: confirmations after which something that the chain did to an HTLC counts as final. */
export const SETTLED_DEPTH = 6;

/** Blocks from `height` to the tip, both counted; 0 for what is in no block. */
export function depth(height: number | undefined, tip: number): number {
  return height === undefined ? 0 : tip - height + 1;
}

/**
 * The block with which an HTLC became ours again: that of our claim, or that of a commitment in which it has no output. Undefined
 * where it has not. Of an unknown commitment nobody can say what it holds. Spec: B2-39.
 */
export function refundHeight(state: ChannelState, id: bigint): number | undefined {
  const { anchorSpend } = state;
  if (anchorSpend?.height === undefined || anchorSpend.kind === "unknown") return undefined;
  for (const { htlcId, spend } of state.chainOutputs.values()) {
    if (htlcId === id) return spend?.ours === true ? spend.height : undefined;
  }
  return anchorSpend.height;
}

/**
 * Whether an HTLC of ours was told to have failed, because of the chain or because the peer turned the request down: whatever is learned now
 * comes too late for it.
 */
export function isRefunded(state: ChannelState, htlc: HtlcRow, tip: number): boolean {
  if (htlc.offerer !== "local") return false;
  return isRejected(htlc) || depth(refundHeight(state, htlc.id), tip) >= SETTLED_DEPTH;
}
