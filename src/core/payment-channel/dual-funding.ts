// Opening a channel that both parties fund: the four messages of seed 000 (LS-1..LS-6). Negotiated by a feature bit.
//
//   requester                                 responder
//     beginDual --- funding_request --->        acceptDual         temporary id; inputs, terms
//                                               inputsChecked      the chain knows the requester's inputs
//                                               contributed        its coins are reserved
//     receiveFundingResponse <--- funding_response              inputs, terms, signature on the requester's refund
//     inputsChecked                                              the chain knows the responder's inputs
//     fundingSigned --- funding_sign_accept --> receiveSignAccept  signatures, and one on the responder's refund
//                                               fundingSigned      broadcasts
//     receiveSignComplete <--- funding_sign_complete            a courtesy: the chain is watched all the same
//     ... min_depth ...                        ... min_depth ...
//                <--- open_complete --->                          either may be first (B2-13)
//
// Each holds the other's signature on its own first commitment before a funding signature of its own leaves it (LS-3). Up to
// then either may stop with nothing at stake (LS-2), and its coins are free again; afterwards see dual-funding-end.ts.

import { type ChannelId, equalBytes, invariant, type Result, type Satoshi, txidToDisplay } from "../base/index.ts";
import type { FundingShare } from "../bitcoin/index.ts";
import type {
  FundingRequest,
  FundingResponse,
  FundingSignAccept,
  FundingSignComplete,
  OpenChannel,
} from "../wire/index.ts";
import type { ChannelChange } from "./changes.ts";
import { type ChannelError, describeError } from "./errors.ts";
import { firstCommitments } from "./first-commitments.ts";
import {
  fundingRow,
  judgeInput,
  judgePlan,
  judgeShare,
  judgeSignatures,
  plannedContribution,
  storedPlan,
  wholeTransaction,
} from "./funding-shares.ts";
import type { CheckedInput, Context, Effect } from "./input.ts";
import type { Begun, OpenRequest } from "./opening.ts";
import { end, moveTo, NOTHING, type StepResult, send, step, tell, tells, unexpected, violation } from "./outcome.ts";
import {
  type ChannelPolicy,
  LARGE_ANCHOR_SAT,
  LEAST_DUAL_DEPTH,
  maxOpeningFeeRate,
  maxRemoteOpeningFeeRate,
  openingFeeRate,
} from "./policy.ts";
import type { ChannelRow, DualFundingRow, FundingShareRow, TermsRow } from "./rows.ts";
import { signCommitment, verifyCommitment } from "./snapshot.ts";
import { type ChannelState, newChannelState } from "./state.ts";
import {
  judgeAmount,
  judgeTerms,
  judgeWish,
  lastingId,
  openChannelMessage,
  ownHashChanges,
  ownTerms,
  revocationHashChanges,
  termsChanges,
} from "./terms.ts";

export type DualRequest = Omit<OpenRequest, "amountSat"> & {
  /** What the wallet reserved for us. */
  readonly share: FundingShare;
  /** Of the funding transaction. */
  readonly fundingFeeRate: number;
  /** What the peer is wished to contribute, and the least with which we go on. */
  readonly wishedSat: Satoshi;
  readonly leastSat: Satoshi;
};

function depthOf(policy: ChannelPolicy, amountSat: bigint): number {
  if (amountSat > LARGE_ANCHOR_SAT) return Math.max(LEAST_DUAL_DEPTH.large, policy.minDepthLarge);
  return Math.max(LEAST_DUAL_DEPTH.small, policy.minDepth);
}

/** Begins a channel that both fund, as its requester. Spec: LS-1, B2-8, B2-12. */
export function beginDual(request: DualRequest, context: Context): Result<Begun, ChannelError> {
  const { share, wishedSat, leastSat, index, temporaryId, closeScript, prestage = false } = request;
  if (!context.peerReady) return violation("peer_not_ready", "B2-7");
  if (prestage && !context.policy.prestage) return violation("prestage_unavailable", "LS-16");
  if (leastSat > wishedSat) {
    return violation("amount_out_of_range", "LS-2", { limit: wishedSat, actual: leastSat, detail: "contribution" });
  }
  const amountSat = share.contributionSat + wishedSat;
  const judged = judgeWish({ ...request, amountSat, initiatorSat: share.contributionSat }, context);
  if (!judged.ok) return judged;
  const row: ChannelRow = {
    index,
    temporaryId,
    peer: request.peer,
    initiator: "local",
    plannedAmountSat: share.contributionSat as Satoshi,
    pushMsat: request.pushMsat,
    prestage,
    createdAt: context.now,
    createdHeight: context.height,
  };
  const state = newChannelState(temporaryId, row, "awaiting_funding_response");
  const feeRate = request.fundingFeeRate;
  const minDepth = depthOf(context.policy, amountSat);
  const terms = ownTerms(context, index, { feeRate: judged.value, minDepth, closeScript });
  const dual = { feeRate, wishedSat, leastSat, cancellation: undefined };
  const message: FundingRequest = {
    type: "funding_request",
    terms: openChannelMessage(context, row, terms),
    share: onWire(share),
    wishedSat,
    feeRate,
  };
  return {
    ok: true,
    value: {
      state,
      changes: [
        ...begunChanges(state, dual, context, terms),
        { type: "funding_share", row: { ...share, side: "local", signatures: undefined } },
      ],
      effects: [send(state, message)],
    },
  };
}

function begunChanges(state: ChannelState, dual: DualFundingRow, context: Context, terms: TermsRow): ChannelChange[] {
  return [
    { type: "created", row: state.channel, id: state.id },
    { type: "stage", row: state.stage },
    { type: "dual_funding", row: dual },
    ...termsChanges(terms),
    ...ownHashChanges(context, state.channel.index, terms),
  ];
}

/** Amounts that a share of ours, or one that was judged, puts into a message. */
function onWire({ contributionSat, inputs, changeScript }: FundingShare): FundingRequest["share"] {
  return {
    contributionSat: contributionSat as Satoshi,
    inputs: inputs.map(({ txid, index, amountSat, publicKey }) => ({
      txid,
      index,
      amountSat: amountSat as Satoshi,
      publicKey,
    })),
    changeScript,
  };
}

/** Takes up a peer's request. `index` is a fresh channel index of ours. Spec: LS-1, LS-2, B2-8..B2-12. */
export function acceptDual(
  peer: ChannelRow["peer"],
  index: number,
  temporaryId: ChannelId,
  message: FundingRequest,
  context: Context,
): Result<Begun, ChannelError> {
  const { terms: theirs, share, feeRate, wishedSat } = message;
  if (theirs.anchor !== "will_create") {
    return violation("remote_terms_unacceptable", "B2-9", { detail: "a funding_request must create the anchor" });
  }
  const row: ChannelRow = {
    index,
    temporaryId,
    peer,
    initiator: "remote",
    plannedAmountSat: undefined,
    pushMsat: theirs.pushMsat,
    prestage: theirs.prestage,
    createdAt: context.now,
    createdHeight: context.height,
  };
  const { relay } = context.fees;
  const highest = maxRemoteOpeningFeeRate(context.fees);
  if (feeRate < relay || feeRate > highest) {
    const limit = feeRate < relay ? relay : highest;
    return violation("remote_fee_rate_unreasonable", "LS-1", { limit, actual: feeRate, detail: "funding transaction" });
  }
  const ours = plannedContribution(context.policy, share.contributionSat, wishedSat);
  const amountSat = share.contributionSat + ours;
  const minDepth = depthOf(context.policy, amountSat);
  const terms = ownTerms(context, index, { feeRate: openingFeeRate(context.fees), minDepth, closeScript: undefined });
  const judged = judgeTerms(theirs, terms, index, context);
  if (!judged.ok) return judged;
  const distinct = judgeShare(share, []);
  if (!distinct.ok) return distinct;
  const anchor = { amountSat, initiatorSat: share.contributionSat, pushMsat: theirs.pushMsat };
  const reasonable = judgeAmount(anchor, judged.value, terms, context);
  if (!reasonable.ok) return reasonable;
  const state = newChannelState(temporaryId, row, "awaiting_input_check");
  const dual = { feeRate, wishedSat, leastSat: 0n, cancellation: undefined };
  return {
    ok: true,
    value: {
      state,
      changes: [
        ...begunChanges(state, dual, context, terms),
        ...termsChanges(judged.value),
        ...revocationHashChanges(theirs),
        { type: "funding_share", row: { ...share, side: "remote", signatures: undefined } },
      ],
      effects: [tell({ type: "check_inputs", inputs: share.inputs })],
    },
  };
}

/** The chain's answer about the peer's inputs. Until the peer can be spoken to, and so be told, it is asked for again. */
export function inputsChecked(state: ChannelState, inputs: readonly CheckedInput[], context: Context): StepResult {
  const { local, remote } = state.fundingShares;
  if (state.stage.stage !== "awaiting_input_check" || remote === undefined || !context.peerReady) return NOTHING;
  for (const [at, input] of remote.inputs.entries()) {
    const error = judgeInput(input, inputs[at]);
    if (error !== undefined) return { ok: false, error };
  }
  if (local !== undefined) return askForSignatures(state, local);
  const amountSat = plannedContribution(context.policy, remote.contributionSat, state.dualFunding?.wishedSat ?? 0n);
  const feeRate = state.dualFunding?.feeRate ?? 0;
  // What is dear by our estimate is for the requester alone to pay.
  if (amountSat === 0n || feeRate > maxOpeningFeeRate(context.fees)) return contributed(state, NO_SHARE, context);
  return step([], [tell({ type: "contribute", amountSat, feeRate })]);
}

const NO_SHARE: FundingShare = { contributionSat: 0n, inputs: [], changeScript: undefined };

/** Responder: the wallet reserved our part, which may be nothing. The terms are committed with the answer. Spec: LS-2. */
export function contributed(state: ChannelState, share: FundingShare, context: Context): StepResult {
  const { terms, channel, fundingShares } = state;
  const theirs = fundingShares.remote;
  const { local, remote } = terms;
  if (state.stage.stage !== "awaiting_input_check" || channel.initiator === "local") {
    return step([], [tell({ type: "release_funding" })]);
  }
  invariant(theirs !== undefined && local !== undefined && remote !== undefined, "a request is stored whole");
  const amountSat = theirs.contributionSat + share.contributionSat;
  const anchor = { amountSat, initiatorSat: theirs.contributionSat, pushMsat: channel.pushMsat };
  const reasonable = judgeAmount(anchor, remote, local, context);
  if (!reasonable.ok) return reasonable;
  const keys = { local: local.commitKey, remote: remote.commitKey };
  const planned = judgePlan(state, { local: share, remote: theirs }, keys);
  if (!planned.ok) return planned;
  const own = { ...local, minDepth: depthOf(context.policy, amountSat) };
  const funding = fundingRow(planned.value, amountSat);
  const { changes, remote: commitment, funded } = firstCommitments(state, funding, share.contributionSat, context);
  const message: FundingResponse = {
    type: "funding_response",
    terms: openChannelMessage(context, channel, own),
    share: onWire(share),
    commitSignature: signCommitment(funded, commitment, context),
  };
  const id = lastingId(channel.temporaryId, remote.commitKey, local.commitKey);
  const renamed: Effect = { type: "event", event: { type: "renamed", from: state.id, to: id } };
  const moved = moveTo(state, { stage: "awaiting_sign_accept" });
  return step(
    [
      ...changes,
      { type: "terms", row: own },
      { type: "funding_share", row: { ...share, side: "local", signatures: undefined } },
      { type: "commitment", row: commitment },
      { type: "named", id },
      moved.change,
    ],
    [send(state, message), renamed, ...moved.events],
  );
}

/** Requester: the responder's inputs, terms and signature on our first commitment. Spec: LS-2, LS-3. */
export function receiveFundingResponse(state: ChannelState, message: FundingResponse, context: Context): StepResult {
  const { channel, dualFunding: dual } = state;
  const own = state.terms.local;
  const share = state.fundingShares.local;
  if (state.stage.stage !== "awaiting_funding_response" || !own || !share || !dual) {
    return unexpected("funding_response", state.stage.stage, "LS-2");
  }
  const { terms: theirs, share: responder } = message;
  const judged = judgeResponse(state, own, message, context);
  if (!judged.ok) return judged;
  const contributionSat = responder.contributionSat;
  if (contributionSat < dual.leastSat) {
    const numbers = { limit: dual.leastSat, actual: contributionSat };
    const reason = describeError({ type: "contribution_too_small", rule: "LS-2", ...numbers });
    return end(state, "abandoned", reason, tells(true, context));
  }
  const amountSat = share.contributionSat + contributionSat;
  const anchor = { amountSat, initiatorSat: share.contributionSat, pushMsat: channel.pushMsat };
  const reasonable = judgeAmount(anchor, own, judged.value, context);
  if (!reasonable.ok) return reasonable;
  const keys = { local: own.commitKey, remote: theirs.commitKey };
  const planned = judgePlan(state, { local: share, remote: responder }, keys);
  if (!planned.ok) return planned;
  const funding = fundingRow(planned.value, amountSat);
  const known = { ...state, terms: { local: own, remote: judged.value } };
  const { changes, local, funded } = firstCommitments(known, funding, contributionSat, context);
  if (!verifyCommitment(funded, local, message.commitSignature, context.buffer)) {
    return violation("bad_commitment_signature", "LS-3", { actual: 0, detail: "funding_response" });
  }
  const id = lastingId(channel.temporaryId, own.commitKey, theirs.commitKey);
  const renamed: Effect = { type: "event", event: { type: "renamed", from: state.id, to: id } };
  const moved = moveTo(state, { stage: "awaiting_input_check" });
  return step(
    [
      ...termsChanges(judged.value),
      ...revocationHashChanges(theirs),
      ...changes,
      { type: "terms", row: { ...own, minDepth: depthOf(context.policy, amountSat) } },
      { type: "funding_share", row: { ...responder, side: "remote", signatures: undefined } },
      { type: "commitment", row: { ...local, signature: message.commitSignature } },
      { type: "named", id },
      moved.change,
    ],
    [renamed, ...moved.events, tell({ type: "check_inputs", inputs: responder.inputs })],
  );
}

/** The responder's terms, if they can be agreed to. */
function judgeResponse(
  state: ChannelState,
  own: TermsRow,
  { terms, share }: { readonly terms: OpenChannel; readonly share: FundingShare },
  context: Context,
): Result<TermsRow, ChannelError> {
  if (terms.anchor !== "wont_create" || terms.pushMsat !== 0n) {
    return violation("remote_terms_unacceptable", "B2-9", { detail: "a funding_response creates and gives nothing" });
  }
  if (terms.prestage !== state.channel.prestage) {
    return violation("remote_terms_unacceptable", "LS-16", { detail: "pre-staging on one side only" });
  }
  const distinct = judgeShare(share, state.fundingShares.local?.inputs ?? []);
  if (!distinct.ok) return distinct;
  const wished = state.dualFunding?.wishedSat ?? 0n;
  if (share.contributionSat > wished) {
    const numbers = { limit: wished, actual: share.contributionSat };
    return violation("remote_terms_unacceptable", "LS-2", { ...numbers, detail: "more than was wished" });
  }
  return judgeTerms(terms, own, state.channel.index, context);
}

/** The wallet signs what we listed, and nothing else: the peer may have listed what is ours. */
function askForSignatures(state: ChannelState, { inputs }: FundingShare): StepResult {
  const { transaction } = storedPlan(state);
  return step([], [tell({ type: "sign_funding", purpose: "funding", transaction, inputs })]);
}

/** Our signatures on the funding transaction: they leave us only with the peer's signature on our refund. Spec: LS-3. */
export function fundingSigned(state: ChannelState, signatures: readonly Uint8Array[], context: Context): StepResult {
  const { stage } = state.stage;
  const { local } = state.fundingShares;
  const refund = state.commitments.local?.signature;
  if (local === undefined || refund === undefined) return NOTHING;
  const signed: FundingShareRow = { ...local, signatures };
  if (stage === "awaiting_input_check") return sendSignAccept(state, signed, context);
  return stage === "awaiting_sign_accept" ? complete(state, signed) : NOTHING;
}

/** Requester. From here on the responder can broadcast. Spec: LS-4. */
function sendSignAccept(state: ChannelState, signed: FundingShareRow, context: Context): StepResult {
  const { funding, fundingShares } = state;
  invariant(funding !== undefined && signed.signatures !== undefined, "the funding transaction is planned and signed");
  const responderSat = fundingShares.remote?.contributionSat ?? 0n;
  const { remote } = firstCommitments(state, funding, responderSat, context);
  const message: FundingSignAccept = {
    type: "funding_sign_accept",
    inputSignatures: signed.signatures,
    commitSignature: signCommitment(state, remote, context),
  };
  const moved = moveTo(state, { stage: "awaiting_sign_complete" });
  return step(
    [{ type: "commitment", row: remote }, { type: "funding_share", row: signed }, moved.change],
    [send(state, message), ...moved.events],
  );
}

/** Responder: what it takes to broadcast, and our refund. Spec: LS-3, LS-4. */
export function receiveSignAccept(state: ChannelState, message: FundingSignAccept, context: Context): StepResult {
  const { funding, fundingShares } = state;
  const own = fundingShares.local;
  if (state.stage.stage !== "awaiting_sign_accept" || funding === undefined || own === undefined) {
    return unexpected("funding_sign_accept", state.stage.stage, "LS-4");
  }
  if (state.commitments.local !== undefined) {
    return unexpected("second funding_sign_accept", state.stage.stage, "LS-4");
  }
  const { local } = firstCommitments(state, funding, own.contributionSat, context);
  if (!verifyCommitment(state, local, message.commitSignature, context.buffer)) {
    return violation("bad_commitment_signature", "LS-3", { actual: 0, detail: "funding_sign_accept" });
  }
  const judged = judgeSignatures(state, message.inputSignatures);
  if (!judged.ok) return judged;
  const asked = askForSignatures(state, own);
  if (!asked.ok) return asked;
  return step(
    [
      { type: "commitment", row: { ...local, signature: message.commitSignature } },
      { type: "funding_share", row: judged.value },
    ],
    asked.value.effects,
  );
}

/** Responder: broadcasts, and tells the requester as a courtesy. Spec: LS-5, B2-47. */
function complete(state: ChannelState, signed: FundingShareRow): StepResult {
  const { funding, fundingShares } = state;
  invariant(funding !== undefined && fundingShares.remote !== undefined, "the funding transaction is planned");
  const plan = storedPlan(state);
  const transaction = wholeTransaction(signed, fundingShares.remote, plan);
  const { txid } = plan;
  const message: FundingSignComplete = {
    type: "funding_sign_complete",
    txid,
    inputSignatures: signed.signatures ?? [],
  };
  const moved = moveTo(state, { stage: "awaiting_depth" });
  return step(
    [{ type: "funding_share", row: signed }, { type: "funding", row: { ...funding, transaction } }, moved.change],
    [send(state, message), { type: "broadcast", transaction }, ...moved.events],
  );
}

/** Requester: the whole transaction, so that we can broadcast it too. It may come after the block. Spec: LS-5. */
export function receiveSignComplete(state: ChannelState, message: FundingSignComplete): StepResult {
  const { funding, fundingShares, stage } = state;
  const { local, remote } = fundingShares;
  const awaited = stage.stage === "awaiting_sign_complete" || stage.stage === "awaiting_depth";
  const early = !awaited || stage.openCompleteReceived || state.channel.initiator !== "local";
  if (early || !funding || !local || !remote || remote.signatures !== undefined) {
    return unexpected("funding_sign_complete", stage.stage, "LS-5");
  }
  if (!equalBytes(message.txid, funding.txid)) {
    return violation("funding_txid_mismatch", "LS-5", { detail: txidToDisplay(message.txid) });
  }
  const judged = judgeSignatures(state, message.inputSignatures);
  if (!judged.ok) return judged;
  const transaction = wholeTransaction(local, judged.value, storedPlan(state));
  const moved = moveTo(state, { stage: "awaiting_depth" });
  const confirmed = funding.confirmedHeight !== undefined;
  const broadcast: Effect[] = confirmed ? [] : [{ type: "broadcast", transaction }];
  return step(
    [{ type: "funding_share", row: judged.value }, { type: "funding", row: { ...funding, transaction } }, moved.change],
    [...broadcast, ...moved.events],
  );
}
