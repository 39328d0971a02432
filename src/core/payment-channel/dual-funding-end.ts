// How a channel's funding comes to nothing: by time or by failure while nothing is signed, afterwards only on chain, where an input of
// the funding transaction is spent in another way and that is buried. The first is of channels that both parties fund, the second of all
// whose inputs we know.
import { invariant } from "../base/index.ts";
import { type FundingInput, parseTransaction, planCancellation, signedFunding } from "../bitcoin/index.ts";
import type { ChannelChange } from "./changes.ts";
import { describeError } from "./errors.ts";
import { storedPlan } from "./funding-shares.ts";
import type { Context, Effect, Input } from "./input.ts";
import { end, NOTHING, type StepResult, step, tell, tells, violation } from "./outcome.ts";
import { BURIED, estimatedFeeRate } from "./policy.ts";
import { preimageOf } from "./preimages.ts";
import type { DualFundingRow } from "./rows.ts";
import { type ChannelState, hasLostAnchor } from "./state.ts";
import { tellWaiting } from "./waiting-htlcs.ts";

/**
 * Milliseconds from the request until reserved coins are free again. The responder waits longer: were it the first to give
 * up, the requester's signatures could be out for nothing.
 */
export const LAPSE_MS = { local: 10 * 60_000, remote: 30 * 60_000 };

/** No funding signature of ours has left us: nothing is at stake. Spec: LS-2, LS-3. */
export function isUnsignedDual(state: ChannelState): boolean {
  const { stage } = state.stage;
  return stage === "awaiting_funding_response" || stage === "awaiting_input_check" || stage === "awaiting_sign_accept";
}

/** Frees coins that nobody came back for. */
export function lapseIfDue(state: ChannelState, context: Context): StepResult {
  const { createdAt, initiator } = state.channel;
  if (!isUnsignedDual(state) || context.now - createdAt < LAPSE_MS[initiator]) return NOTHING;
  const minutes = { limit: LAPSE_MS[initiator] / 60_000 };
  const reason = describeError({ type: "opening_timed_out", rule: "LS-2", ...minutes, detail: "minutes" });
  return end(state, "abandoned", reason, tells(true, context));
}

/** An input of the funding transaction is spent in another way, or no longer is. */
export function fundingConflict(state: ChannelState, height: number | undefined, context: Context): StepResult {
  const { funding } = state;
  const { stage } = state.stage;
  if (stage === "closed" || stage === "buried" || stage === "abandoned") return NOTHING;
  // An anchor of ours that is held back is as little at stake as what nobody has signed.
  if (isUnsignedDual(state) || stage === "awaiting_open_commit_sig") {
    return height === undefined ? NOTHING : end(state, "abandoned", conflictReason(height), tells(true, context));
  }
  if (funding === undefined || funding.confirmedHeight !== undefined) return NOTHING;
  const lowest = height !== undefined && funding.conflictHeight !== undefined && funding.conflictHeight < height;
  const row = { ...funding, conflictHeight: lowest ? funding.conflictHeight : height };
  const after = { ...state, funding: row };
  const back = hasLostAnchor(state) && !hasLostAnchor(after) ? tellWaiting(after, context.policy) : [];
  return step([{ type: "funding", row }], back);
}

function conflictReason(height: number): string {
  const detail = "an input is spent in another way";
  return describeError({ type: "funding_conflict", rule: "LS-5", actual: height, detail });
}

/** A buried conflict ends the channel: its funding transaction can't confirm any more, and the coins left are free. */
export function deadIfDue(state: ChannelState, context: Context): StepResult {
  const height = state.funding?.conflictHeight;
  const { stage } = state.stage;
  if (height === undefined || stage === "closed" || stage === "buried" || stage === "abandoned") return NOTHING;
  if (context.height - height + 1 < BURIED) return NOTHING;
  const reason = conflictReason(height);
  // Of an anchor that one side makes the other knows no inputs: it would wait, and offer and take payments, in vain.
  const ended = end(state, "abandoned", reason, tells(state.dualFunding === undefined && stage !== "failed", context));
  return ended.ok ? step(ended.value.changes, [...ended.value.effects, ...htlcsVoid(state, reason)]) : ended;
}

/** HTLCs that we offered in a channel whose anchor can't exist any more: nobody can take anything for them. */
function htlcsVoid(state: ChannelState, why: string): Effect[] {
  const reason = new TextEncoder().encode(why);
  return [...state.htlcs.values()].flatMap((htlc) => {
    const { id, offerer, paymentHash } = htlc;
    if (offerer !== "local" || preimageOf(state, htlc) !== undefined) return [];
    return [tell({ type: "htlc_failed", id, paymentHash, reason })];
  });
}

/**
 * The way out for who has signed: to spend its own inputs in another way. Whichever of the two transactions confirms decides,
 * so that the channel goes on as it is until then. Refused where there is nothing to cancel.
 */
export function cancelFunding(state: ChannelState, script: Uint8Array, context: Context): StepResult {
  const { dualFunding: dual, funding } = state;
  const { stage } = state.stage;
  const refused = (detail: string) => violation("not_cancellable", "LS-5", { detail });
  if (dual === undefined) return refused("only one side funds it");
  if (isUnsignedDual(state)) {
    return end(state, "abandoned", describeError({ type: "failed_by_user", rule: "LS-2" }), tells(true, context));
  }
  const waits = stage === "awaiting_sign_complete" || stage === "awaiting_depth" || stage === "failed";
  if (!waits || funding === undefined) return refused(`it is ${stage}`);
  if (funding.confirmedHeight !== undefined) return refused("its funding transaction is in a block");
  if (funding.conflictHeight !== undefined) return refused("it is being cancelled");
  if (inputsOf(state).length === 0) return refused("no input of it is ours");
  const replacedFeeSat = storedPlan(state).feeSat;
  // One that was made for a funding transaction which nobody may have broadcast pays less, and may be replaced.
  if ((cancellationFee(state) ?? 0n) > replacedFeeSat) return refused("it is being cancelled");
  return signCancellation(state, dual, script, replacedFeeSat, context);
}

function inputsOf({ fundingShares }: ChannelState): readonly FundingInput[] {
  return fundingShares.local?.inputs ?? [];
}

/** What the cancellation that is kept pays, in satoshi. */
function cancellationFee(state: ChannelState): bigint | undefined {
  const raw = state.dualFunding?.cancellation;
  if (raw === undefined) return undefined;
  const parsed = parseTransaction(raw);
  invariant(parsed.ok, "a cancellation is a transaction of ours");
  const paid = parsed.value.outputs.reduce((sum, { amountSat }) => sum + amountSat, 0n);
  return inputsOf(state).reduce((sum, { amountSat }) => sum + amountSat, 0n) - paid;
}

function signCancellation(
  state: ChannelState,
  dual: DualFundingRow,
  script: Uint8Array,
  replacedFeeSat: bigint,
  context: Context,
): StepResult {
  const inputs = inputsOf(state);
  const feeRate = Math.max(dual.feeRate, estimatedFeeRate(context.fees));
  const planned = planCancellation({ inputs, script, replacedFeeSat, feeRate });
  if (!planned.ok) {
    const { neededSat: limit, availableSat: actual } = planned.error;
    return violation("insufficient_funds", "LS-5", { limit, actual });
  }
  return step([], [tell({ type: "sign_funding", purpose: "cancellation", transaction: planned.value, inputs })]);
}

/**
 * A failed opening whose funding transaction only the peer can complete: it has our signatures, and we have not its. A peer that has
 * given it up as well never broadcasts, so that nothing else would end it. Spec: LS-5.
 */
function isStranded({ stage, dualFunding: dual, funding }: ChannelState): boolean {
  if (stage.stage !== "failed" || stage.stale || dual === undefined || funding === undefined) return false;
  if (funding.transaction !== undefined || funding.confirmedHeight !== undefined) return false;
  return funding.conflictHeight === undefined && dual.cancellation === undefined;
}

/**
 * Has our coins of a stranded opening spent back to where their change was to go, for what such a transaction costs by itself. Where the
 * network has the funding transaction already it does not take this one, and need not: that one confirms, and our commitment after it.
 */
export function cancelIfDue(state: ChannelState, context: Context): StepResult {
  const { dualFunding: dual, fundingShares } = state;
  const script = fundingShares.local?.changeScript;
  if (!isStranded(state) || dual === undefined || script === undefined || !context.caughtUp) return NOTHING;
  const signing = signCancellation(state, dual, script, 0n, context);
  // Coins that don't pay for it stay where they are.
  return signing.ok ? signing : NOTHING;
}

/** The cancellation is kept, to be broadcast until it or the funding transaction is in a block. */
export function cancellationSigned(
  state: ChannelState,
  { transaction, signatures }: Extract<Input, { type: "funding_signed" }>,
): StepResult {
  const { dualFunding: dual, fundingShares } = state;
  invariant(dual !== undefined && fundingShares.local !== undefined, "only a share of ours is cancelled");
  const { inputs } = fundingShares.local;
  const signed = inputs.map((input, at) => ({ input, signature: signatures[at] ?? new Uint8Array(64) }));
  const cancellation = signedFunding(transaction, signed);
  const change: ChannelChange = { type: "dual_funding", row: { ...dual, cancellation } };
  return step([change], [{ type: "broadcast", transaction: cancellation }]);
}
