// Changing the fee rate of the sender's own commitment (seed 001 section 3.4): update_fee -->

import { commitmentFee } from "../bitcoin/index.ts";
import type { PktMessage } from "../wire/index.ts";
import { peerView } from "./adds.ts";
import type { Context, Input } from "./input.ts";
import { NOTHING, type StepResult, send, step, unexpected, violation } from "./outcome.ts";
import { feeRateFloor, maxUpdateFeeRate } from "./policy.ts";
import type { Side } from "./rows.ts";
import type { ChannelState } from "./state.ts";
import { type View, withFeeRate } from "./view.ts";

/** What the side lacks for half the fee of its own commitment, in satoshi; 0 where it can pay. */
function shortage(view: View, side: Side): bigint {
  const htlcs = view.local.offeredNonDust + view.remote.offeredNonDust;
  const half = commitmentFee(view.feeRate[side], htlcs) / 2n;
  const own = view[side].balanceMsat / 1000n;
  return half > own ? half - own : 0n;
}

/** Stages a new fee rate for our own commitment. Spec: B2-25, B2-51. */
export function setFee(state: ChannelState, feeRate: number, context: Context): StepResult {
  if (state.stage.stage !== "open") return violation("not_open", "B2-13", { detail: state.stage.stage });
  if (state.closeOffers.length > 0) return violation("channel_closing", "B2-33");
  if (!context.peerReady) return violation("peer_not_ready", "B2-4");
  const lowest = feeRateFloor(context.fees);
  const highest = maxUpdateFeeRate(context.fees);
  if (!Number.isInteger(feeRate) || feeRate < lowest || feeRate > highest) {
    return violation("fee_rate_unreasonable", "B2-25", {
      limit: feeRate > highest ? highest : lowest,
      actual: feeRate,
    });
  }
  const missing = shortage(withFeeRate(state.view, "local", feeRate), "local");
  if (missing > 0n) return violation("insufficient_balance", "B2-18", { limit: 0n, actual: -missing });
  return step(
    [{ type: "fee", row: { owner: "local", number: context.nextPacketNumber, feeRate } }],
    [send(state, { type: "update_fee", feeRate })],
  );
}

/** The peer's new rate for its own commitment. A low one only stops adds; it never fails the channel. */
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
  const highest = maxUpdateFeeRate(context.fees);
  if (feeRate > highest) {
    return violation("remote_fee_rate_unreasonable", "B2-25", { limit: highest, actual: feeRate });
  }
  const view = withFeeRate(peerView(state, input.acknowledge), "remote", feeRate);
  const missing = shortage(view, "remote");
  if (missing > 0n) return violation("remote_cannot_pay_fee", "B2-25", { limit: 0n, actual: -missing });
  return step([{ type: "fee", row: { owner: "remote", number: input.number, feeRate } }]);
}
