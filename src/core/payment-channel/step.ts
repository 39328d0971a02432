import { assertNever } from "../base/index.ts";
import type { PktMessage } from "../wire/index.ts";
import {
  acceptAdd,
  answerAdds,
  receiveAddAccept,
  receiveAddReject,
  receiveAddWithdraw,
  rejectAdd,
  withdrawAdd,
} from "./add-requests.ts";
import { offer, receiveAdd } from "./adds.ts";
import type { ChannelChange } from "./changes.ts";
import { close, closeIfDue, newestClose, receiveClearing, receiveCloseSignature } from "./closing.ts";
import { commitIfDue, receiveCommit, receiveRevocation } from "./commits.ts";
import { deadline } from "./deadlines.ts";
import {
  contributed,
  fundingSigned,
  inputsChecked,
  receiveFundingResponse,
  receiveSignAccept,
  receiveSignComplete,
} from "./dual-funding.ts";
import {
  cancelFunding,
  cancelIfDue,
  cancellationSigned,
  deadIfDue,
  fundingConflict,
  isUnsignedDual,
  lapseIfDue,
} from "./dual-funding-end.ts";
import {
  anchorSpent,
  anchorUnspent,
  closedIfDue,
  evidence,
  failedHtlcsSettled,
  outputSpent,
  outputUnspent,
  sweepIfDue,
} from "./enforcement.ts";
import { describeError } from "./errors.ts";
import { feeIfDue, receiveFee, setFee } from "./fees.ts";
import { newestCommitment } from "./force-close.ts";
import type { Context, Effect, Input } from "./input.ts";
import { fulfillKnownIfDue, takeLatePreimage } from "./known-preimages.ts";
import {
  completeIfDue,
  funded,
  fundingConfirmed,
  receiveOpenAnchor,
  receiveOpenChannel,
  receiveOpenCommitSig,
  receiveOpenComplete,
} from "./opening.ts";
import {
  end,
  moveTo,
  NOTHING,
  step as outcome,
  type StepResult,
  send,
  type Telling,
  tell,
  tells,
  unexpected,
} from "./outcome.ts";
import { ANCHOR_PATIENCE, type ChannelPolicy } from "./policy.ts";
import { recover, revocationShown } from "./recovery.ts";
import { receiveRemovalAccept, receiveSettleRequest, receiveTimeoutRequest, tendRemovals } from "./removal-requests.ts";
import { failHtlc, fulfill, receiveRemoval } from "./removals.ts";
import { type ChannelState, isCleared, isLate } from "./state.ts";
import { tellWaiting } from "./waiting-htlcs.ts";

/**
 * What a channel does with an input: a pure function. The state is only read; `apply` makes the changes, and only where
 * the result is ok. A returned error says which rule the input breaks, and nothing of it happened.
 */
export function step(state: ChannelState, input: Input, context: Context): StepResult {
  switch (input.type) {
    case "packet":
      return receive(state, input, context);
    case "peer_ready":
      return tellAgain(state, context.policy);
    case "revocation_shown":
      return revocationShown(state, input, context);
    case "recover":
      return recover(state, context);
    case "funded":
      return funded(state, input, context);
    case "inputs_checked":
      return inputsChecked(state, input.inputs, context);
    case "contributed":
      return contributed(state, input.share, context);
    case "funding_signed":
      if (input.purpose === "cancellation") return cancellationSigned(state, input);
      return fundingSigned(state, input.signatures, context);
    case "funding_conflict":
      return fundingConflict(state, input.height, context);
    case "cancel_funding":
      return cancelFunding(state, input.script, context);
    case "funding_failed":
      if (state.stage.stage !== "awaiting_open_channel" && !isUnsignedDual(state)) return NOTHING;
      return end(state, "abandoned", describeError(input.error), tells(true, context));
    case "offer":
      return offer(state, input, context);
    case "fulfill":
      return fulfill(state, input.id, input.preimage, context);
    case "fail_htlc":
      return failHtlc(state, input.id, input.reason, context);
    case "accept_add":
      return acceptAdd(state, input.id, context);
    case "reject_add":
      return rejectAdd(state, input.id, input.reason, context);
    case "withdraw_add":
      return withdrawAdd(state, input.id, context);
    case "set_fee":
      return setFee(state, input.feeRate, context);
    case "close":
      return close(state, input.script, context);
    case "commit":
      return endOfBatch(state, context);
    case "funding_confirmed":
      return fundingConfirmed(state, input, context);
    case "funding_unconfirmed":
      return fundingUnconfirmed(state);
    case "anchor_spent":
      return anchorSpent(state, input);
    case "anchor_unspent":
      return anchorUnspent(state);
    case "evidence":
      return evidence(state, input, context);
    case "output_spent":
      return outputSpent(state, input, context);
    case "output_unspent":
      return outputUnspent(state, input.index);
    case "block":
      return failedHtlcsSettled(state, context);
    case "defend":
      return defend(state, context);
    case "fail":
      return fail(state, describeError(input.error), tells(input.notify, context), context);
    default:
      return assertNever(input);
  }
}

function isOver(state: ChannelState): boolean {
  const { stage } = state.stage;
  return stage === "failed" || stage === "abandoned" || stage === "closed" || stage === "buried";
}

function receive(state: ChannelState, input: Extract<Input, { type: "packet" }>, context: Context): StepResult {
  const seen: ChannelChange = { type: "acknowledged", acknowledge: input.acknowledge };
  // What the peer sent before it knew that the channel is over says nothing about it any more, but for preimages.
  const result = isOver(state)
    ? takeLatePreimage(state, input.message, context)
    : receiveMessage(state, input.message, input, context);
  if (!result.ok) return result;
  return outcome([seen, ...result.value.changes], result.value.effects);
}

function receiveMessage(
  state: ChannelState,
  message: PktMessage,
  input: Extract<Input, { type: "packet" }>,
  context: Context,
): StepResult {
  switch (message.type) {
    case "open_channel":
      return receiveOpenChannel(state, message, context);
    case "open_anchor":
      return receiveOpenAnchor(state, message, context);
    case "open_commit_sig":
      return receiveOpenCommitSig(state, message.signature, context);
    case "open_complete":
      return receiveOpenComplete(state);
    case "update_add_htlc":
    case "update_fulfill_htlc":
    case "update_fail_htlc":
      if (state.channel.prestage) return unexpected(`${message.type} with pre-staging`, state.stage.stage, "LS-17");
      if (message.type === "update_add_htlc") return receiveAdd(state, message, input, context.policy);
      return receiveRemoval(state, message, input);
    case "add_request":
    case "add_accept":
    case "add_reject":
    case "add_withdraw":
    case "settle_request":
    case "settle_accept":
    case "timeout_request":
    case "timeout_accept":
      if (!state.channel.prestage) return unexpected(`${message.type} without pre-staging`, state.stage.stage, "LS-17");
      return receivePrestaging(state, message, input, context);
    case "update_fee":
      return receiveFee(state, message, input, context);
    case "update_commit":
      return receiveCommit(state, message, input, context);
    case "update_revocation":
      return receiveRevocation(state, message);
    case "close_clearing":
      return receiveClearing(state, message, input);
    case "close_signature":
      return receiveCloseSignature(state, message, context);
    case "funding_request":
      return unexpected("second funding_request", state.stage.stage, "LS-1");
    case "funding_response":
      return receiveFundingResponse(state, message, context);
    case "funding_sign_accept":
      return receiveSignAccept(state, message, context);
    case "funding_sign_complete":
      return receiveSignComplete(state, message);
    case "error":
      // The peer has failed the channel: so do we, and send no error back (B2-42).
      return fail(state, `the peer failed the channel: ${message.problem}`, "never", context);
    case "authenticate":
      return unexpected("authenticate with a channel id", state.stage.stage, "B2-5");
    default:
      return assertNever(message);
  }
}

type Prestaging = Extract<PktMessage, { type: `add_${string}` | `settle_${string}` | `timeout_${string}` }>;

function receivePrestaging(
  state: ChannelState,
  message: Prestaging,
  input: Extract<Input, { type: "packet" }>,
  context: Context,
): StepResult {
  switch (message.type) {
    case "add_request":
      return receiveAdd(state, message, input, context.policy);
    case "add_accept":
      return receiveAddAccept(state, message, input);
    case "add_reject":
      return receiveAddReject(state, message, input);
    case "add_withdraw":
      return receiveAddWithdraw(state, message, context);
    case "settle_request":
      return receiveSettleRequest(state, message, input);
    case "timeout_request":
      return receiveTimeoutRequest(state, message, input);
    case "settle_accept":
    case "timeout_accept":
      return receiveRemovalAccept(state, message, input);
    default:
      return assertNever(message);
  }
}

const DUE = [
  forgetIfDue,
  lapseIfDue,
  completeIfDue,
  fulfillKnownIfDue,
  answerAdds,
  tendRemovals,
  closeIfDue,
  feeIfDue,
  commitIfDue,
] as const;

/** One signature for all changes of the batch, after what is due besides has been said. Spec: LS-25. */
function endOfBatch(state: ChannelState, context: Context): StepResult {
  const late = failLateHtlcs(state, context);
  if (late !== undefined) return late;
  for (const due of DUE) {
    const result = due(state, context);
    if (!result.ok || result.value.changes.length > 0) return result;
  }
  return NOTHING;
}

/** What keeps the money safe, whatever else of the channel has stopped. */
function defend(state: ChannelState, context: Context): StepResult {
  for (const due of [deadlineIfDue, sweepIfDue, closedIfDue, deadIfDue]) {
    const result = due(state, context);
    if (!result.ok || result.value.changes.length > 0) return result;
  }
  return cancelIfDue(state, context);
}

/** Goes to the chain while there is still time for it to settle what the peer does not. Spec: B2-16, LS-20, LS-24. */
function deadlineIfDue(state: ChannelState, context: Context): StepResult {
  if (state.stage.stage !== "open" || state.anchorSpend !== undefined || context.peerAwaited === true) return NOTHING;
  if (context.height < state.nextDeadline) return NOTHING;
  const due = deadline(state);
  if (due === undefined || context.height < due.height) return NOTHING;
  const { rule, reason, htlcId, height } = due;
  const problem = `${reason} [${rule}], HTLC ${htlcId}, limit ${height}, actual ${context.height}`;
  return fail(state, problem, tells(true, context), context);
}

/** Fails, one at a time, the HTLCs that came after our close_clearing. Spec: B2-32. */
function failLateHtlcs(state: ChannelState, context: Context): StepResult | undefined {
  if (state.clearing.local === undefined || state.stage.stage !== "open" || !context.peerReady) return undefined;
  // There, what comes late is rejected instead.
  if (state.channel.prestage) return undefined;
  for (const htlc of state.htlcs.values()) {
    if (isLate(state, htlc) && htlc.removal === undefined && isCleared(state, htlc)) {
      return failHtlc(state, htlc.id, new TextEncoder().encode("channel is closing"), context);
    }
  }
  return undefined;
}

/**
 * After a reconnect nobody may remember what was told before: say again what waits for an answer. A peer that was away
 * when the channel failed is told so.
 */
function tellAgain(state: ChannelState, policy: ChannelPolicy): StepResult {
  const { errorDue, failure } = state.stage;
  const changes = errorDue ? [moveTo(state, { errorDue: false }).change] : [];
  const effects: Effect[] = errorDue ? [send(state, { type: "error", problem: failure ?? "" })] : [];
  const { inputs } = state.fundingShares.remote ?? {};
  if (state.stage.stage === "awaiting_input_check" && inputs) effects.push(tell({ type: "check_inputs", inputs }));
  return outcome(changes, [...effects, ...tellWaiting(state, policy)]);
}

/**
 * Before an anchor could be broadcast nothing is at stake; afterwards the newest commitment is what counts, unless the peer
 * signed a close. Spec: B2-43, B2-56.
 */
function fail(state: ChannelState, reason: string, telling: Telling, context: Context): StepResult {
  if (isOver(state) || state.stage.stage === "close_agreed") return NOTHING;
  const close = newestClose(state, context);
  if (close !== undefined) {
    const ended = end(state, "close_agreed", reason, telling);
    if (!ended.ok) return ended;
    return outcome(ended.value.changes, [{ type: "broadcast", transaction: close }, ...ended.value.effects]);
  }
  // A responder whose peer holds its signature can't know whether the anchor goes out.
  const commitment = isUnsignedDual(state) ? undefined : newestCommitment(state, context);
  if (commitment === undefined) return end(state, "abandoned", reason, telling);
  const ended = end(state, "failed", reason, telling);
  if (!ended.ok || state.anchorSpend !== undefined) return ended;
  return outcome(ended.value.changes, [{ type: "broadcast", transaction: commitment }, ...ended.value.effects]);
}

/**
 * Gives up waiting for the peer's anchor. Nothing was updated yet, so that the channel holds nothing of ours but what the peer may have
 * promised for the start; an anchor that we made is waited for as long as it takes. Spec: B2-48.
 */
function forgetIfDue(state: ChannelState, context: Context): StepResult {
  const { channel, stage, funding } = state;
  const waits = stage.stage === "awaiting_depth" || stage.stage === "failed";
  // We said open_complete only when it was in a block: what the peer gave us at the start is ours then.
  if (!waits || stage.openCompleteSent || channel.initiator !== "remote" || funding === undefined) return NOTHING;
  // Our own coins are in it, and the peer could still have it confirmed.
  if ((state.fundingShares.local?.inputs.length ?? 0) > 0) return NOTHING;
  if (funding.confirmedHeight !== undefined || state.anchorSpend !== undefined) return NOTHING;
  const waited = context.height - channel.createdHeight;
  if (waited < ANCHOR_PATIENCE) return NOTHING;
  const reason = `the anchor is in no block [B2-48], limit ${ANCHOR_PATIENCE}, actual ${waited}`;
  return end(state, "abandoned", reason, context.peerReady && stage.stage !== "failed" ? "now" : "never");
}

function fundingUnconfirmed(state: ChannelState): StepResult {
  if (state.funding === undefined) return NOTHING;
  return outcome([{ type: "funding", row: { ...state.funding, confirmedHeight: undefined } }]);
}
