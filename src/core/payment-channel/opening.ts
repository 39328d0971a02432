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

import {
  asChannelId,
  type ChannelId,
  concatBytes,
  equalBytes,
  type Msat,
  type NodeId,
  type Result,
  type Satoshi,
} from "../base/index.ts";
import { anchorScript, commitmentFee, isStandardCloseScript, payToWitnessScriptHash } from "../bitcoin/index.ts";
import { FIRST_REVOCATION_INDEX, sha256 } from "../crypto/index.ts";
import type { PktMessage } from "../wire/index.ts";
import type { ChannelChange } from "./changes.ts";
import type { ChannelError } from "./errors.ts";
import type { Context, Effect, Input } from "./input.ts";
import { moveTo, NOTHING, type Step, type StepResult, send, step, tell, unexpected, violation } from "./outcome.ts";
import { estimatedFeeRate, feeRateFloor, maxOpeningFeeRate, ownFeeRate, reserveSat } from "./policy.ts";
import type { ChannelRow, CommitmentRow, FundingRow, TermsRow } from "./rows.ts";
import { signCommitment, verifyCommitment } from "./snapshot.ts";
import { type ChannelState, lockOf, newChannelState } from "./state.ts";

type OpenChannel = Extract<PktMessage, { type: "open_channel" }>;
type OpenAnchor = Extract<PktMessage, { type: "open_anchor" }>;

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
  readonly closeScript?: Uint8Array;
};

/** Our revocation hash for commitment `number` of ours. Spec: B2-34. */
export function ownRevocationHash(context: Pick<Context, "signer">, index: number, number: number): Uint8Array {
  return sha256(ownRevocationPreimage(context, index, number));
}

export function ownRevocationPreimage(context: Pick<Context, "signer">, index: number, number: number): Uint8Array {
  return context.signer.revocationPreimage(index, FIRST_REVOCATION_INDEX - BigInt(number));
}

/** The lasting id: fixed once both sides' fresh keys are known, and never derived from the funding. */
function lastingId(temporaryId: ChannelId, initiatorKey: Uint8Array, responderKey: Uint8Array): ChannelId {
  const label = new TextEncoder().encode("sluice channel id");
  return asChannelId(sha256(concatBytes(label, temporaryId, initiatorKey, responderKey)));
}

function ownTerms(context: Context, row: ChannelRow, feeRate: number, closeScript: Uint8Array | undefined): TermsRow {
  const { policy, keys, signer } = context;
  const depth = row.plannedAmountSat === undefined ? policy.minDepth : policy.minDepthOwn;
  return {
    side: "local",
    delay: policy.delay,
    minDepth: depth,
    commitKey: signer.publicKey(keys.commitKey(row.index)),
    finalKey: signer.publicKey(keys.finalKey(row.index)),
    initialFeeRate: feeRate,
    channelReserveSat: undefined,
    closeScript,
    revocationHashes: policy.window,
  };
}

function openChannelMessage(context: Context, row: ChannelRow, terms: TermsRow): OpenChannel {
  const hash = (number: number) => ownRevocationHash(context, row.index, number);
  return {
    type: "open_channel",
    delay: terms.delay,
    revocationHash: hash(0),
    nextRevocationHash: hash(1),
    commitKey: terms.commitKey,
    finalKey: terms.finalKey,
    anchor: row.initiator === "local" ? "will_create" : "wont_create",
    minDepth: terms.minDepth,
    initialFeeRate: terms.initialFeeRate,
    revocationWindow: Array.from({ length: terms.revocationHashes - 2 }, (_, i) => hash(i + 2)),
    ...(terms.channelReserveSat === undefined ? {} : { channelReserveSat: terms.channelReserveSat }),
    pushMsat: row.initiator === "local" ? row.pushMsat : (0n as Msat),
    ...(terms.closeScript === undefined ? {} : { closeScript: terms.closeScript }),
  };
}

function termsChanges(terms: TermsRow): ChannelChange[] {
  return [
    { type: "terms", row: terms },
    { type: "fee", row: { owner: terms.side, number: 0, feeRate: terms.initialFeeRate } },
  ];
}

function ownHashChanges(context: Context, index: number, terms: TermsRow): ChannelChange[] {
  return Array.from({ length: terms.revocationHashes }, (_, number) => ({
    type: "own_revocation_hash",
    hash: ownRevocationHash(context, index, number),
  }));
}

/** Begins a channel that we fund. Refuses what the peer would have to refuse. Spec: B2-7..B2-9, B2-12. */
export function begin(request: OpenRequest, context: Context): Result<Begun, ChannelError> {
  const { amountSat, pushMsat, index, closeScript } = request;
  const { policy, fees } = context;
  if (!context.peerReady) return violation("peer_not_ready", "B2-7");
  if (amountSat > policy.maxAmountSat) {
    return violation("amount_out_of_range", "B2-12", { limit: policy.maxAmountSat, actual: amountSat });
  }
  if (amountSat < policy.minAmountSat) {
    return violation("amount_out_of_range", "B2-46", { limit: policy.minAmountSat, actual: amountSat });
  }
  const feeRate = request.feeRate ?? ownFeeRate(fees, 0);
  const lowest = feeRateFloor(fees);
  const highest = maxOpeningFeeRate(fees);
  if (!Number.isInteger(feeRate) || feeRate < lowest || feeRate > highest) {
    return violation("fee_rate_unreasonable", "B2-44", {
      limit: feeRate > highest ? highest : lowest,
      actual: feeRate,
    });
  }
  const spare = amountSat - reserveSat(amountSat, undefined) - commitmentFee(feeRate, 0);
  if (pushMsat < 0n || pushMsat > spare * 1000n) {
    return violation("push_too_large", "B2-12", { limit: spare > 0n ? spare * 1000n : 0n, actual: pushMsat });
  }
  if (closeScript !== undefined && !isStandardCloseScript(closeScript)) return violation("bad_close_script", "B2-45");
  const row: ChannelRow = {
    index,
    temporaryId: request.temporaryId,
    peer: request.peer,
    initiator: "local",
    plannedAmountSat: amountSat,
    pushMsat,
    createdAt: context.now,
  };
  const state = newChannelState(request.temporaryId, row);
  const terms = ownTerms(context, row, feeRate, closeScript);
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
    createdAt: context.now,
  };
  const feeRate = ownFeeRate(context.fees, 0);
  const terms = ownTerms(context, row, feeRate, undefined);
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

/** The peer's terms, if we can live with them. Spec: B2-8, B2-44; payment-channel design "On chain". */
function judgeTerms(
  message: OpenChannel,
  own: TermsRow,
  index: number,
  context: Context,
): Result<TermsRow, ChannelError> {
  const { policy, fees } = context;
  const ownLocks = Array.from({ length: own.revocationHashes }, (_, i) => lockOf(ownRevocationHash(context, index, i)));
  if (message.delay > policy.maxDelay) {
    return violation("remote_delay_unreasonable", "B2-8", { limit: policy.maxDelay, actual: message.delay });
  }
  if (message.minDepth > policy.maxMinDepth) {
    return violation("remote_min_depth_unreasonable", "B2-8", { limit: policy.maxMinDepth, actual: message.minDepth });
  }
  const lowest = feeRateFloor(fees);
  const highest = maxOpeningFeeRate(fees);
  if (message.initialFeeRate < lowest || message.initialFeeRate > highest) {
    const limit = message.initialFeeRate < lowest ? lowest : highest;
    return violation("remote_fee_rate_unreasonable", "B2-8", { limit, actual: message.initialFeeRate });
  }
  if (message.closeScript !== undefined && !isStandardCloseScript(message.closeScript)) {
    return violation("remote_close_script", "B2-45", { detail: "not a standard script" });
  }
  if (equalBytes(message.commitKey, own.commitKey) || equalBytes(message.finalKey, own.finalKey)) {
    return violation("remote_terms_unacceptable", "B2-10", { detail: "the peer's key is our own" });
  }
  const hashes = windowHashes(message);
  const locks = new Set(hashes.map(lockOf));
  if (locks.size !== hashes.length || ownLocks.some((lock) => locks.has(lock))) {
    return violation("remote_hash_collision", "B2-34", { detail: "a revocation hash stands twice" });
  }
  return {
    ok: true,
    value: {
      side: "remote",
      delay: message.delay,
      minDepth: message.minDepth,
      commitKey: message.commitKey,
      finalKey: message.finalKey,
      initialFeeRate: message.initialFeeRate,
      channelReserveSat: message.channelReserveSat,
      closeScript: message.closeScript,
      revocationHashes: hashes.length,
    },
  };
}

function windowHashes(message: OpenChannel): Uint8Array[] {
  return [message.revocationHash, message.nextRevocationHash, ...message.revocationWindow];
}

function revocationHashChanges(message: OpenChannel): ChannelChange[] {
  return windowHashes(message).map((hash, number) => ({ type: "revocation_hash", row: { number, hash } }));
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

/** What an anchor has to hold: the dearer first commitment's fee, the initiator's reserve, and what it gives away. */
function neededSat(amountSat: bigint, pushMsat: bigint, initiator: TermsRow, responder: TermsRow): bigint {
  const fee = commitmentFee(Math.max(initiator.initialFeeRate, responder.initialFeeRate), 0);
  return fee + reserveSat(amountSat, responder.channelReserveSat) + (pushMsat + 999n) / 1000n;
}

/** The peer may ask us to keep up to 5 % of the anchor, or what the protocol asks in any case. */
function judgeReserve(amountSat: bigint, asked: bigint | undefined): Result<undefined, ChannelError> {
  const limit = reserveSat(amountSat, amountSat / 20n);
  if (asked === undefined || asked <= limit) return { ok: true, value: undefined };
  return violation("remote_reserve_unreasonable", "B2-8", { limit, actual: asked });
}

/** Balances of the first commitments, and our and the peer's commitment 0. */
function firstCommitments(
  state: ChannelState,
  funding: FundingRow,
  context: Context,
): { changes: ChannelChange[]; local: Omit<CommitmentRow, "signature">; remote: CommitmentRow; funded: ChannelState } {
  const { channel, terms, revocationHashes } = state;
  const initiatorMsat = funding.amountSat * 1000n - channel.pushMsat;
  const totals = {
    ...state.totals,
    localMsat: channel.initiator === "local" ? initiatorMsat : channel.pushMsat,
    remoteMsat: channel.initiator === "local" ? channel.pushMsat : initiatorMsat,
  };
  const changes: ChannelChange[] = [
    { type: "funding", row: funding },
    { type: "totals", row: totals },
  ];
  const coverage = { local: 0, remote: 0 };
  const local = {
    holder: "local" as const,
    number: 0,
    coverage,
    feeRate: terms.local?.initialFeeRate ?? 0,
    revocationHash: ownRevocationHash(context, channel.index, 0),
  };
  const remote: CommitmentRow = {
    holder: "remote",
    number: 0,
    coverage,
    feeRate: terms.remote?.initialFeeRate ?? 0,
    revocationHash: revocationHashes.get(0) ?? new Uint8Array(32),
    signature: undefined,
  };
  return { changes, local, remote, funded: { ...state, funding, totals } };
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
    spentHeight: undefined,
  };
  const { changes, remote, funded: after } = firstCommitments(state, funding, context);
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
  const judged = judgeAmount(message.amountSat, channel.pushMsat, terms.local, terms.remote, context);
  if (!judged.ok) return judged;
  const funding: FundingRow = {
    txid: message.txid,
    outputIndex: message.outputIndex,
    amountSat: message.amountSat,
    transaction: undefined,
    confirmedHeight: undefined,
    spentHeight: undefined,
  };
  const { changes, local, remote, funded: after } = firstCommitments(state, funding, context);
  if (!verifyCommitment(after, local, message.commitSignature, context.buffer)) {
    return violation("bad_commitment_signature", "B2-11", { actual: 0, detail: "open_anchor" });
  }
  const signature = signCommitment(after, remote, context);
  const large = message.amountSat > 1_000_000n;
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

function judgeAmount(
  amountSat: Satoshi,
  pushMsat: Msat,
  own: TermsRow,
  theirs: TermsRow,
  context: Context,
): Result<undefined, ChannelError> {
  const { policy } = context;
  if (amountSat > policy.maxAmountSat) {
    return violation("anchor_too_large", "B2-12", { limit: policy.maxAmountSat, actual: amountSat });
  }
  if (amountSat < policy.minAmountSat) {
    return violation("anchor_too_small", "B2-46", { limit: policy.minAmountSat, actual: amountSat });
  }
  const needed = neededSat(amountSat, pushMsat, theirs, own);
  if (amountSat < needed) return violation("anchor_too_small", "B2-12", { limit: needed, actual: amountSat });
  return judgeReserve(amountSat, theirs.channelReserveSat);
}

/** Initiator: our first commitment is signed, so the anchor may go out. Spec: B2-11, B2-47. */
export function receiveOpenCommitSig(state: ChannelState, signature: Uint8Array, context: Context): StepResult {
  if (state.stage.stage !== "awaiting_open_commit_sig" || state.funding?.transaction === undefined) {
    return unexpected("open_commit_sig", state.stage.stage, "B2-7");
  }
  const { local } = firstCommitments(state, state.funding, context);
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
  if (stage !== "awaiting_depth" || openCompleteReceived) return unexpected("open_complete", stage, "B2-13");
  const moved = moveTo(state, { openCompleteReceived: true, stage: openCompleteSent ? "open" : stage });
  return step([moved.change], moved.events);
}

/** The anchor is in a block. Its output is checked before anything is built on it: amount and script to the bit. */
export function fundingConfirmed(
  state: ChannelState,
  input: Extract<Input, { type: "funding_confirmed" }>,
): StepResult {
  const { funding, terms } = state;
  if (funding === undefined || terms.local === undefined || terms.remote === undefined) return NOTHING;
  const script = payToWitnessScriptHash(anchorScript(terms.local.commitKey, terms.remote.commitKey));
  const { output } = input;
  if (output === undefined || output.amountSat !== funding.amountSat || !equalBytes(output.script, script)) {
    return violation("anchor_wrong_on_chain", "B2-12", { limit: funding.amountSat, actual: output?.amountSat ?? 0n });
  }
  return step([{ type: "funding", row: { ...funding, confirmedHeight: input.height } }]);
}
