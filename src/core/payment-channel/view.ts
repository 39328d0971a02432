import { floorToSat } from "../base/index.ts";
import { isDust } from "../bitcoin/index.ts";
import { type HtlcRow, otherSide, type Side } from "./rows.ts";

/** What one side owns and offers, in one view of the channel. */
export type SideTotals = {
  /** Millisatoshi outside of HTLCs, before commitment fees. */
  readonly balanceMsat: bigint;
  /** HTLCs offered, dust included. */
  readonly offered: number;
  /** HTLCs offered that are worth an output. */
  readonly offeredNonDust: number;
};

/**
 * The channel as one party sees it at a moment: its own changes and those of the other that it has processed. A change is
 * judged in its sender's view, since only that is what the sender could know.
 */
export type View = {
  readonly local: SideTotals;
  readonly remote: SideTotals;
  /** Sum of the HTLCs, of either side, that are too small for an output. */
  readonly dustMsat: bigint;
  /** The newest fee rate of each side's own commitment. */
  readonly feeRate: { readonly local: number; readonly remote: number };
};

/** What a view has to know of an HTLC. */
export type HtlcAmount = Pick<HtlcRow, "id" | "offerer" | "amountMsat">;

/** Dust is judged on the amount alone, so that it is the same in every commitment. Spec: B2-17, B2-53. */
export function isDustHtlc(htlc: HtlcAmount): boolean {
  return isDust(floorToSat(htlc.amountMsat));
}

/** `balance` is added to what `side` owns outside of HTLCs, and `count` HTLCs to those that it offers. */
function changed(view: View, side: Side, htlc: HtlcAmount, balance: bigint, count: 1 | -1): View {
  const dust = isDustHtlc(htlc);
  const totals = view[side];
  return {
    ...view,
    [side]: {
      balanceMsat: totals.balanceMsat + balance,
      offered: totals.offered + count,
      offeredNonDust: totals.offeredNonDust + (dust ? 0 : count),
    },
    dustMsat: dust ? view.dustMsat + BigInt(count) * htlc.amountMsat : view.dustMsat,
  };
}

export function withAdd(view: View, htlc: HtlcAmount): View {
  return changed(view, htlc.offerer, htlc, -htlc.amountMsat, 1);
}

/** The view after the HTLC's removal: the money goes to its receiver when fulfilled, back to its offerer when failed. */
export function withRemoval(view: View, htlc: HtlcAmount, outcome: "fulfilled" | "failed"): View {
  const without = changed(view, htlc.offerer, htlc, outcome === "failed" ? htlc.amountMsat : 0n, -1);
  return outcome === "failed" ? without : credited(without, otherSide(htlc.offerer), htlc.amountMsat);
}

function credited(view: View, side: Side, amountMsat: bigint): View {
  const totals = view[side];
  return { ...view, [side]: { ...totals, balanceMsat: totals.balanceMsat + amountMsat } };
}

/** The view before the HTLC's add. */
export function withoutAdd(view: View, htlc: HtlcAmount): View {
  return changed(view, htlc.offerer, htlc, htlc.amountMsat, -1);
}

/** The view before the HTLC's removal. */
export function withoutRemoval(view: View, htlc: HtlcAmount, outcome: "fulfilled" | "failed"): View {
  const before = changed(view, htlc.offerer, htlc, outcome === "failed" ? -htlc.amountMsat : 0n, 1);
  return outcome === "failed" ? before : credited(before, otherSide(htlc.offerer), -htlc.amountMsat);
}

export function withFeeRate(view: View, side: Side, feeRate: number): View {
  return { ...view, feeRate: { ...view.feeRate, [side]: feeRate } };
}
