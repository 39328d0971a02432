// Changing the fee rate of the sender's own commitment (seed 001 section 3.4): update_fee -->
//
// Each side keeps the rate of its own commitment near twice the estimate, without being asked: see `feeIfDue`. Nothing is
// remembered for it beside the rates themselves. Source: decision 0015.

import { commitmentByteCount, commitmentFee } from "../bitcoin/index.ts";
import type { PktMessage } from "../wire/index.ts";
import { peerView } from "./adds.ts";
import type { Context, Input } from "./input.ts";
import { NOTHING, type StepResult, send, step, unexpected, violation } from "./outcome.ts";
import { feeRateFloor, maxUpdateFeeRate, sufficientFeeRate, wantedFeeRate } from "./policy.ts";
import type { Side } from "./rows.ts";
import type { ChannelState } from "./state.ts";
import { type View, withFeeRate } from "./view.ts";

function htlcsIn(view: View): number {
  return view.local.offeredNonDust + view.remote.offeredNonDust;
}

/** What the side lacks for half the fee of its own commitment, in satoshi; 0 where it can pay. */
function shortage(view: View, side: Side): bigint {
  const half = commitmentFee(view.feeRate[side], htlcsIn(view)) / 2n;
  const own = view[side].balanceMsat / 1000n;
  return half > own ? half - own : 0n;
}

/** Stages a new fee rate for our own commitment. Spec: B2-25, B2-51. */
export function setFee(state: ChannelState, feeRate: number, context: Context): StepResult {
  if (state.stage.stage !== "open") return violation("not_open", "B2-13", { detail: state.stage.stage });
  if (state.closeOffers.length > 0) return violation("channel_closing", "B2-33");
  if (!context.peerReady) return violation("peer_not_ready", "B2-4");
  const lowest = feeRateFloor(context.fees);
  const highest = maxUpdateFeeRate(context.fees, state.view.feeRate);
  if (!Number.isInteger(feeRate) || feeRate < lowest || feeRate > highest) {
    return violation("fee_rate_unreasonable", "B2-25", {
      limit: feeRate > highest ? highest : lowest,
      actual: feeRate,
    });
  }
  const missing = shortage(withFeeRate(state.view, "local", feeRate), "local");
  if (missing > 0n) return violation("insufficient_balance", "B2-18", { limit: 0n, actual: -missing });
  return stage(state, feeRate, context);
}

function stage(state: ChannelState, feeRate: number, context: Context): StepResult {
  return step(
    [{ type: "fee", row: { owner: "local", number: context.nextPacketNumber, feeRate } }],
    [send(state, { type: "update_fee", feeRate })],
  );
}

/** A fee rate of ours that the peer has not signed for. */
export function hasUncommittedFee(state: ChannelState): boolean {
  const covered = state.commitments.local?.coverage.local ?? 0;
  return state.fees.some((fee) => fee.owner === "local" && fee.number > covered);
}

/** Whether a rate is so far under a wanted one that a message is worth it: then less than one and a half estimates are left. */
function isTooLow(feeRate: number, wanted: number): boolean {
  return feeRate * 4 < wanted * 3;
}

/** The highest rate of which we can pay half, by what a peer that got all our messages will check. */
function highestPayable(view: View): number {
  const ownSat = view.local.balanceMsat / 1000n;
  return Number((2n * ownSat * 1000n) / BigInt(commitmentByteCount(htlcsIn(view))));
}

/** HTLCs may take long to drain, but once none is left the final commitments' rates are what the close is bounded by. */
function isNegotiating({ closeOffers, clearing, htlcs }: ChannelState): boolean {
  if (closeOffers.length > 0) return true;
  return clearing.local !== undefined && clearing.remote !== undefined && htlcs.size === 0;
}

/**
 * Brings the rate of our own commitment near what the estimate asks for. Up at once, as far as we can pay; down only when it
 * is well above what the last half hour asked for; never while an earlier change waits for the peer's signature. Spec: B2-25, B2-51.
 */
export function feeIfDue(state: ChannelState, context: Context): StepResult {
  const { view } = state;
  if (!context.policy.automaticFees || !context.peerReady || state.stage.stage !== "open") return NOTHING;
  if (isNegotiating(state) || hasUncommittedFee(state)) return NOTHING;
  const feeRate = view.feeRate.local;
  const payable = highestPayable(view);
  const raised = Math.min(wantedFeeRate(context.fees, view.feeRate, htlcsIn(view)), payable);
  if (isTooLow(feeRate, raised) && raised >= feeRateFloor(context.fees)) return stage(state, raised, context);
  const lowered = sufficientFeeRate(context.fees, htlcsIn(view));
  return feeRate * 2 > lowered * 3 && lowered <= payable ? stage(state, lowered, context) : NOTHING;
}

/** What our commitment's rate should be and can't, since we could not pay half the fee; undefined where it is near enough. */
export function feeShortfall(
  state: ChannelState,
  context: Pick<Context, "fees" | "policy">,
): { readonly wanted: number; readonly feeRate: number } | undefined {
  const { view } = state;
  if (!context.policy.automaticFees || state.stage.stage !== "open" || isNegotiating(state)) return undefined;
  const wanted = wantedFeeRate(context.fees, view.feeRate, htlcsIn(view));
  const short = isTooLow(view.feeRate.local, wanted) && highestPayable(view) < wanted;
  return short ? { wanted, feeRate: view.feeRate.local } : undefined;
}

/** The peer's new rate for its own commitment. A low one only keeps us from offering HTLCs; it never fails the channel. */
export function receiveFee(
  state: ChannelState,
  message: Extract<PktMessage, { type: "update_fee" }>,
  input: Extract<Input, { type: "packet" }>,
  context: Context,
): StepResult {
  const { feeRate } = message;
  if (state.stage.stage !== "open") return unexpected("update_fee", state.stage.stage, "B2-13");
  if (state.closeOffers.some((offer) => offer.side === "remote")) {
    return unexpected("update_fee after close_signature", state.stage.stage, "B2-33");
  }
  // It crosses our first close_signature: both sides leave it at the fee rates that are signed for.
  if (state.closeOffers.length > 0) return NOTHING;
  const highest = maxUpdateFeeRate(context.fees, state.view.feeRate);
  if (feeRate > highest) {
    return violation("remote_fee_rate_unreasonable", "B2-25", { limit: highest, actual: feeRate });
  }
  const view = withFeeRate(peerView(state, input.acknowledge), "remote", feeRate);
  const missing = shortage(view, "remote");
  if (missing > 0n) return violation("remote_cannot_pay_fee", "B2-25", { limit: 0n, actual: -missing });
  return step([{ type: "fee", row: { owner: "remote", number: input.number, feeRate } }]);
}
