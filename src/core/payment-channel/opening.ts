// Opening with a single funder, in the order of seed 001 section 2 (B2-7):
//
//   initiator                          responder
//     begin       --- open_channel --->  accept        temporary id
//     receiveOpenChannel <- open_channel               both now know the channel's lasting id
//     funded      --- open_anchor  --->  receiveOpenAnchor    the anchor is held back (B2-11)
//     receiveOpenCommitSig <- open_commit_sig
//     broadcast the anchor (B2-47)
//     ... min_depth ...                ... min_depth ...
//                 <-- open_complete -->                either may be first (B2-13)

import { type ChannelId, equalBytes, type Msat, type NodeId, type Result, type Satoshi } from "../base/index.ts";
import { anchorScript, payToWitnessScriptHash } from "../bitcoin/index.ts";
import type { OpenAnchor, OpenChannel } from "../wire/index.ts";
import type { ChannelError } from "./errors.ts";
import { firstCommitments } from "./first-commitments.ts";
import type { Context, Effect, Input } from "./input.ts";
import { moveTo, NOTHING, type Step, type StepResult, send, step, tell, unexpected, violation } from "./outcome.ts";
import { estimatedFeeRate, LARGE_ANCHOR_SAT, openingFeeRate } from "./policy.ts";
import type { ChannelRow, FundingRow } from "./rows.ts";
import { signCommitment, verifyCommitment } from "./snapshot.ts";
import { type ChannelState, hasLostAnchor, newChannelState } from "./state.ts";
import {
  judgeAmount,
  judgeReserve,
  judgeTerms,
  judgeWish,
  lastingId,
  neededSat,
  openChannelMessage,
  ownHashChanges,
  ownTerms,
  revocationHashChanges,
  termsChanges,
} from "./terms.ts";
import { tellWaiting } from "./waiting-htlcs.ts";

/** A channel that has just come to be: its working copy is `state` with `changes` applied. */
export type Begun = Step & { readonly state: ChannelState };

export type OpenRequest = {
  readonly peer: NodeId;
  /** Fresh, of this node's own counting, committed with the channel's first row. */
  readonly index: number;
  /** 32 random bytes. */
  readonly temporaryId: ChannelId;
  readonly amountSat: Satoshi;
  /** Given to the peer at the start. */
  readonly pushMsat: Msat;
  readonly feeRate?: number;
  /** HTLCs are to be requested before they are staged; by default they are not. Spec: LS-16. */
  readonly prestage?: boolean;
  readonly closeScript?: Uint8Array;
};

/** Begins a channel that we fund. Refuses what the peer would have to refuse. Spec: B2-7..B2-9, B2-12. */
export function begin(request: OpenRequest, context: Context): Result<Begun, ChannelError> {
  const { amountSat, pushMsat, index, closeScript, prestage = false } = request;
  if (!context.peerReady) return violation("peer_not_ready", "B2-7");
  if (prestage && !context.policy.prestage) return violation("prestage_unavailable", "LS-16");
  const judged = judgeWish({ ...request, initiatorSat: amountSat }, context);
  if (!judged.ok) return judged;
  const row: ChannelRow = {
    index,
    temporaryId: request.temporaryId,
    peer: request.peer,
    initiator: "local",
    plannedAmountSat: amountSat,
    pushMsat,
    prestage,
    createdAt: context.now,
    createdHeight: context.height,
  };
  const state = newChannelState(request.temporaryId, row);
  const asked = { feeRate: judged.value, minDepth: context.policy.minDepthOwn, closeScript };
  const terms = ownTerms(context, row.index, asked);
  return {
    ok: true,
    value: {
      state,
      changes: [
        { type: "created", row, id: state.id },
        { type: "stage", row: state.stage },
        ...termsChanges(terms),
        ...ownHashChanges(context, index, terms),
      ],
      effects: [send(state, openChannelMessage(context, row, terms))],
    },
  };
}

/** Answers a peer's first open_channel. `index` is a fresh channel index of ours. Spec: B2-7..B2-10. */
export function accept(
  peer: NodeId,
  index: number,
  temporaryId: ChannelId,
  message: OpenChannel,
  context: Context,
): Result<Begun, ChannelError> {
  if (message.anchor !== "will_create") {
    return violation("remote_terms_unacceptable", "B2-9", { detail: "the first open_channel must create the anchor" });
  }
  const row: ChannelRow = {
    index,
    temporaryId,
    peer,
    initiator: "remote",
    plannedAmountSat: undefined,
    pushMsat: message.pushMsat,
    prestage: message.prestage,
    createdAt: context.now,
    createdHeight: context.height,
  };
  const asked = { feeRate: openingFeeRate(context.fees), minDepth: context.policy.minDepth, closeScript: undefined };
  const terms = ownTerms(context, row.index, asked);
  const judged = judgeTerms(message, terms, index, context);
  if (!judged.ok) return judged;
  const state = newChannelState(temporaryId, row);
  return {
    ok: true,
    value: {
      state,
      changes: [
        { type: "created", row, id: temporaryId },
        { type: "stage", row: state.stage },
        ...termsChanges(terms),
        ...ownHashChanges(context, index, terms),
        ...termsChanges(judged.value),
        ...revocationHashChanges(message),
        { type: "named", id: lastingId(temporaryId, message.commitKey, terms.commitKey) },
      ],
      effects: [send(state, openChannelMessage(context, row, terms))],
    },
  };
}

/** Initiator: the responder's terms. Asks the wallet for the anchor. */
export function receiveOpenChannel(state: ChannelState, message: OpenChannel, context: Context): StepResult {
  const own = state.terms.local;
  const amountSat = state.channel.plannedAmountSat;
  if (state.stage.stage !== "awaiting_open_channel" || own === undefined || amountSat === undefined) {
    return unexpected("open_channel", state.stage.stage, "B2-7");
  }
  if (message.anchor !== "wont_create") {
    return violation("remote_terms_unacceptable", "B2-9", { detail: "both offer to create the anchor" });
  }
  if (message.pushMsat !== 0n) {
    return violation("remote_terms_unacceptable", "B2-9", { detail: "push_msat from the side that does not fund" });
  }
  if (message.prestage !== state.channel.prestage) {
    return violation("remote_terms_unacceptable", "LS-16", { detail: "pre-staging on one side only" });
  }
  if (state.terms.remote !== undefined) return unexpected("second open_channel", state.stage.stage, "B2-7");
  const judged = judgeTerms(message, own, state.channel.index, context);
  if (!judged.ok) return judged;
  const excessive = judgeReserve(amountSat, message.channelReserveSat);
  if (!excessive.ok) return excessive;
  const needed = neededSat(amountSat, state.channel.pushMsat, own, judged.value);
  if (amountSat < needed) {
    return violation("remote_terms_unacceptable", "B2-12", { limit: amountSat, actual: needed });
  }
  const script = payToWitnessScriptHash(anchorScript(own.commitKey, message.commitKey));
  const id = lastingId(state.channel.temporaryId, own.commitKey, message.commitKey);
  const event: Effect = { type: "event", event: { type: "renamed", from: state.id, to: id } };
  return step(
    [...termsChanges(judged.value), ...revocationHashChanges(message), { type: "named", id }],
    [event, tell({ type: "fund", script, amountSat, feeRate: estimatedFeeRate(context.fees) })],
  );
}

/** Initiator: the wallet made the anchor and holds it back; the peer's first commitment is signed. */
export function funded(state: ChannelState, input: Extract<Input, { type: "funded" }>, context: Context): StepResult {
  const amountSat = state.channel.plannedAmountSat;
  if (state.stage.stage !== "awaiting_open_channel" || amountSat === undefined) {
    return step([], [tell({ type: "release_funding" })]);
  }
  const { txid, outputIndex, transaction } = input;
  const funding: FundingRow = {
    txid,
    outputIndex,
    amountSat,
    transaction,
    confirmedHeight: undefined,
    conflictHeight: undefined,
  };
  const { changes, remote, funded: after } = firstCommitments(state, funding, 0n, context);
  const commitSignature = signCommitment(after, remote, context);
  const moved = moveTo(state, { stage: "awaiting_open_commit_sig" });
  return step(
    [...changes, { type: "commitment", row: remote }, moved.change],
    [send(state, { type: "open_anchor", txid, outputIndex, amountSat, commitSignature }), ...moved.events],
  );
}

/** Responder: the anchor's outpoint and the signature on our first commitment. Spec: B2-11, B2-12. */
export function receiveOpenAnchor(state: ChannelState, message: OpenAnchor, context: Context): StepResult {
  const { terms, channel } = state;
  if (state.stage.stage !== "awaiting_open_anchor" || terms.local === undefined || terms.remote === undefined) {
    return unexpected("open_anchor", state.stage.stage, "B2-7");
  }
  const judged = judgeAmount(
    { amountSat: message.amountSat, initiatorSat: message.amountSat, pushMsat: channel.pushMsat },
    terms.remote,
    terms.local,
    context,
  );
  if (!judged.ok) return judged;
  const funding: FundingRow = {
    txid: message.txid,
    outputIndex: message.outputIndex,
    amountSat: message.amountSat,
    transaction: undefined,
    confirmedHeight: undefined,
    conflictHeight: undefined,
  };
  const { changes, local, remote, funded: after } = firstCommitments(state, funding, 0n, context);
  if (!verifyCommitment(after, local, message.commitSignature, context.buffer)) {
    return violation("bad_commitment_signature", "B2-11", { actual: 0, detail: "open_anchor" });
  }
  const signature = signCommitment(after, remote, context);
  const large = message.amountSat > LARGE_ANCHOR_SAT;
  const minDepth = large ? Math.max(context.policy.minDepthLarge, terms.local.minDepth) : terms.local.minDepth;
  const moved = moveTo(state, { stage: "awaiting_depth" });
  return step(
    [
      ...changes,
      { type: "terms", row: { ...terms.local, minDepth } },
      { type: "commitment", row: { ...local, signature: message.commitSignature } },
      { type: "commitment", row: remote },
      moved.change,
    ],
    [send(state, { type: "open_commit_sig", signature }), ...moved.events],
  );
}

/** Initiator: our first commitment is signed, so the anchor may go out. Spec: B2-11, B2-47. */
export function receiveOpenCommitSig(state: ChannelState, signature: Uint8Array, context: Context): StepResult {
  if (state.stage.stage !== "awaiting_open_commit_sig" || state.funding?.transaction === undefined) {
    return unexpected("open_commit_sig", state.stage.stage, "B2-7");
  }
  const { local } = firstCommitments(state, state.funding, 0n, context);
  if (!verifyCommitment(state, local, signature, context.buffer)) {
    return violation("bad_commitment_signature", "B2-11", { actual: 0, detail: "open_commit_sig" });
  }
  const moved = moveTo(state, { stage: "awaiting_depth" });
  return step(
    [{ type: "commitment", row: { ...local, signature } }, moved.change],
    [{ type: "broadcast", transaction: state.funding.transaction }, ...moved.events],
  );
}

/** Whether the anchor is as deep as we ask for. Only our own money needs no block: the peer's is looked at on chain first. */
function isDeepEnough(state: ChannelState, height: number): boolean {
  const { funding, terms, channel } = state;
  const needed = terms.local?.minDepth ?? 0;
  if (funding === undefined) return false;
  if (needed === 0 && channel.initiator === "local") return true;
  return funding.confirmedHeight !== undefined && height - funding.confirmedHeight + 1 >= needed;
}

/** Sends open_complete once it is due and the peer can be spoken to. Spec: B2-13. */
export function completeIfDue(state: ChannelState, context: Context): StepResult {
  const { stage, openCompleteSent, openCompleteReceived } = state.stage;
  if (stage !== "awaiting_depth" || openCompleteSent || !context.peerReady) return NOTHING;
  if (!isDeepEnough(state, context.height)) return NOTHING;
  const moved = moveTo(state, { openCompleteSent: true, stage: openCompleteReceived ? "open" : stage });
  return step([moved.change], [send(state, { type: "open_complete" }), ...moved.events]);
}

export function receiveOpenComplete(state: ChannelState): StepResult {
  const { stage, openCompleteSent, openCompleteReceived } = state.stage;
  // Without funding_sign_complete, which is a courtesy, the peer may be ahead of us in seeing the anchor in a block.
  const awaited = stage === "awaiting_depth" || stage === "awaiting_sign_complete";
  if (!awaited || openCompleteReceived) return unexpected("open_complete", stage, "B2-13");
  const moved = moveTo(state, { openCompleteReceived: true, stage: openCompleteSent ? "open" : stage });
  return step([moved.change], moved.events);
}

/** Bytes of a transaction that nodes relay. A longer one could not be given to the network again. Source: BIP 141, 400,000 weight units. */
const LARGEST_KEPT_ANCHOR = 100_000;

/** The anchor as a block has it. Its maker decides how large it is, and it goes into every backup. */
function kept(transaction: Uint8Array | undefined): Uint8Array | undefined {
  return transaction !== undefined && transaction.length <= LARGEST_KEPT_ANCHOR ? transaction : undefined;
}

/** The anchor is in a block. Its output is checked before anything is built on it: amount and script to the bit. */
export function fundingConfirmed(
  state: ChannelState,
  input: Extract<Input, { type: "funding_confirmed" }>,
  { policy }: Context,
): StepResult {
  const { funding, terms } = state;
  if (funding === undefined || terms.local === undefined || terms.remote === undefined) return NOTHING;
  const script = payToWitnessScriptHash(anchorScript(terms.local.commitKey, terms.remote.commitKey));
  const { output } = input;
  if (output === undefined || output.amountSat !== funding.amountSat || !equalBytes(output.script, script)) {
    return violation("anchor_wrong_on_chain", "B2-12", { limit: funding.amountSat, actual: output?.amountSat ?? 0n });
  }
  const row = { ...funding, confirmedHeight: input.height, conflictHeight: undefined };
  const back = hasLostAnchor(state) ? tellWaiting({ ...state, funding: row }, policy) : [];
  // Whoever has it can give it to the network again, should a reorganisation take it away and its maker be gone. The block may also tell
  // us what the peer did not: its signatures, and that it has broadcast at all (LS-5).
  const known = { ...row, transaction: funding.transaction ?? kept(input.transaction) };
  if (state.dualFunding === undefined) return step([{ type: "funding", row: known }], back);
  const waits = state.stage.stage === "awaiting_sign_complete";
  const moved = moveTo(state, { stage: waits ? "awaiting_depth" : state.stage.stage });
  return step([{ type: "funding", row: known }, ...(waits ? [moved.change] : [])], [...moved.events, ...back]);
}
