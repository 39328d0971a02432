// Who has to act next on a channel, and until when. What the peer owes by the protocol is what stall.ts waits for; what only the
// chain can settle in time is what deadlines.ts says; nothing is decided here.

import { assertNever } from "../base/index.ts";
import { isDrained } from "./closing.ts";
import { hasUnsignedChanges } from "./commits.ts";
import { deadline, htlcDeadline } from "./deadlines.ts";
import { LAPSE_MS } from "./dual-funding-end.ts";
import { BURIED_DEPTH } from "./enforcement.ts";
import type { Act, Actor, ExplainedEnd, ExplainedOutput, NextAct, Outlook } from "./explain-data.ts";
import { ANCHOR_PATIENCE, BURIED, OPEN_COMPLETE_MARGIN } from "./policy.ts";
import { preimageOf } from "./preimages.ts";
import { SETTLED_DEPTH } from "./refunds.ts";
import { addedBy, isRequested, otherSide } from "./rows.ts";
import { type ChannelState, type Htlc, isCleared } from "./state.ts";

type Limits = Partial<Pick<NextAct, "fromHeight" | "byHeight" | "byTime" | "otherwise">>;

function next(who: Actor, act: Act, limits: Limits = {}): NextAct {
  const { fromHeight, byHeight, byTime, otherwise } = limits;
  return { who, act, fromHeight, byHeight, byTime, otherwise };
}

/** Everything that somebody has to do, the most urgent first: what has a time, what has a height, the rest. */
export function nextActs(state: ChannelState, outlook: Outlook, end: ExplainedEnd | undefined): NextAct[] {
  const acts = end === undefined ? actsBeforeEnd(state, outlook) : actsAtEnd(state, outlook, end);
  return acts.sort((a, b) => compare(a.byTime, b.byTime) || compare(a.byHeight, b.byHeight));
}

function compare(a: number | undefined, b: number | undefined): number {
  if (a === b) return 0;
  return (a ?? Number.POSITIVE_INFINITY) - (b ?? Number.POSITIVE_INFINITY);
}

function actsBeforeEnd(state: ChannelState, outlook: Outlook): NextAct[] {
  const { stage } = state.stage;
  if (isBeingCancelled(state)) return cancelActs(state, outlook);
  switch (stage) {
    case "awaiting_funding_response":
      return [opening(state, outlook, "funding_response")];
    case "awaiting_input_check":
      return [next("us", { type: "check_inputs" }, lapse(state))];
    case "awaiting_sign_accept":
      return [opening(state, outlook, "funding_sign_accept")];
    case "awaiting_sign_complete":
      return [
        next("peer", { type: "continue_opening", message: "funding_sign_complete" }),
        ...anchorDepth(state, outlook),
      ];
    case "awaiting_open_channel":
      return [opening(state, outlook, "open_channel")];
    case "awaiting_open_anchor":
      return [opening(state, outlook, "open_anchor")];
    case "awaiting_open_commit_sig":
      return [opening(state, outlook, "open_commit_sig")];
    case "awaiting_depth":
      return [...absence(state, outlook), ...anchorDepth(state, outlook)];
    case "open":
      return openActs(state, outlook);
    case "close_agreed":
      return [next("chain", { type: "confirm_end", what: "close" })];
    case "failed":
      if (state.stage.stale) return [...absence(state, outlook), next("peer", { type: "end_for_us" })];
      return state.commitments.local?.signature === undefined
        ? []
        : [next("chain", { type: "confirm_end", what: "commitment" })];
    case "closed":
    case "buried":
    case "abandoned":
      return [];
    default:
      return assertNever(stage);
  }
}

/** An opening whose coins we spend back, or a channel whose funding somebody has spent in another way. */
function isBeingCancelled({ stage: { stage }, funding, dualFunding: dual }: ChannelState): boolean {
  if (funding === undefined || funding.confirmedHeight !== undefined) return false;
  if (funding.conflictHeight !== undefined) return stage !== "closed" && stage !== "buried" && stage !== "abandoned";
  const waits = stage === "awaiting_sign_complete" || stage === "awaiting_depth" || stage === "failed";
  return waits && dual?.cancellation !== undefined;
}

function cancelActs({ funding }: ChannelState, { height }: Outlook): NextAct[] {
  const conflict = funding?.conflictHeight;
  if (conflict === undefined) return [next("chain", { type: "confirm_end", what: "cancellation" })];
  return [next("chain", { type: "bury", have: height - conflict + 1, need: BURIED })];
}

function lapse({ channel }: ChannelState): Limits {
  return { byTime: channel.createdAt + LAPSE_MS[channel.initiator], otherwise: "opening_ends" };
}

function opening(state: ChannelState, { patience }: Outlook, message: string): NextAct {
  const act = { type: "continue_opening", message } as const;
  if (patience !== undefined) return next("peer", act, { byTime: patience.giveUpAt, otherwise: "opening_ends" });
  return next("peer", act, state.dualFunding === undefined ? {} : lapse(state));
}

/** The peer has to be there before anything else can happen. */
function absence(state: ChannelState, { peerReady }: Outlook): NextAct[] {
  if (peerReady) return [];
  const due = deadline(state);
  return [next("peer", { type: "come_back" }, due && { byHeight: due.height - 1, otherwise: "channel_fails" })];
}

function anchorDepth(state: ChannelState, { height }: Outlook): NextAct[] {
  const { funding, terms, channel, stage } = state;
  const acts: NextAct[] = [];
  const confirmed = funding?.confirmedHeight;
  const have = confirmed === undefined ? 0 : Math.max(height - confirmed + 1, 0);
  if (!stage.openCompleteSent) {
    const patience = channel.initiator === "remote" && state.dualFunding === undefined && confirmed === undefined;
    const limits: Limits = patience
      ? { byHeight: channel.createdHeight + ANCHOR_PATIENCE - 1, otherwise: "opening_ends" }
      : {};
    const need = terms.local?.minDepth ?? 0;
    if (have < need) acts.push(next("chain", { type: "confirm_anchor", asker: "local", have, need }, limits));
    else acts.push(next("us", { type: "open_complete" }));
  }
  if (stage.openCompleteReceived) return acts;
  const need = terms.remote?.minDepth ?? 0;
  const byHeight = confirmed === undefined ? undefined : confirmed + need + OPEN_COMPLETE_MARGIN - 1;
  const limits: Limits = byHeight === undefined ? {} : { byHeight, otherwise: "channel_fails" };
  if (have < need) acts.push(next("chain", { type: "confirm_anchor", asker: "remote", have, need }));
  else acts.push(next("peer", { type: "open_complete" }, limits));
  return acts;
}

function openActs(state: ChannelState, outlook: Outlook): NextAct[] {
  const acts = absence(state, outlook);
  if (state.stage.frozen !== undefined) acts.push(next("user", { type: "decide_on_frozen" }));
  acts.push(...owedByPeer(state, outlook));
  if (state.stage.frozen === undefined) acts.push(...owedByUs(state));
  for (const htlc of state.htlcs.values()) acts.push(...htlcActs(state, htlc, outlook));
  acts.push(...closeActs(state, outlook));
  return acts;
}

type Owed = { readonly number: number; readonly act: Act };

/** What the peer owes for messages of ours. The time that it has is that of the oldest. */
function owedByPeer(state: ChannelState, { patience }: Outlook): NextAct[] {
  const owed: Owed[] = [];
  const [oldest, second] = state.commitments.remote;
  if (oldest !== undefined && second !== undefined) {
    const newest = state.commitments.remote.at(-1) ?? second;
    const act = { type: "revoke", commitment: oldest.number, newest: newest.number } as const;
    owed.push({ number: second.coverage.local + 1, act });
  }
  const unsigned = unsignedChanges(state);
  const [first] = unsigned;
  if (first !== undefined) {
    owed.push({ number: Math.min(...unsigned), act: { type: "sign", changes: unsigned.length } });
  }
  for (const { id, by, number } of state.removalRequests.values()) {
    if (by === "local" && state.htlcs.get(id)?.offerer === "remote") {
      owed.push({ number, act: { type: "answer_removal", htlcId: id } });
    }
  }
  const { local, remote } = state.clearing;
  if (local !== undefined && remote === undefined) owed.push({ number: local.number, act: { type: "answer_close" } });
  const oldestNumber = Math.min(...owed.map(({ number }) => number));
  return owed.map(({ number, act }) => {
    const timed = patience !== undefined && number === oldestNumber;
    return next("peer", act, timed ? { byTime: patience.giveUpAt, otherwise: "channel_fails" } : {});
  });
}

/** Numbers of our messages with changes that our newest commitment lacks. */
function unsignedChanges(state: ChannelState): number[] {
  const covered = state.commitments.local?.coverage.local ?? 0;
  const numbers: number[] = [];
  for (const htlc of state.htlcs.values()) {
    if (addedBy(htlc) === "local") numbers.push(htlc.addNumber);
    if (htlc.removedBy === "local") numbers.push(htlc.removeNumber);
  }
  // One that crossed the first close_signature is never signed for.
  const fees = state.closeOffers.length > 0 ? [] : state.fees;
  for (const { owner, number } of fees) if (owner === "local") numbers.push(number);
  return numbers.filter((number) => number > covered);
}

/** What waits for a connection, or for a revocation hash. */
function owedByUs(state: ChannelState): NextAct[] {
  const signed = state.commitments.remote.at(-1)?.coverage;
  if (signed === undefined || !hasUnsignedChanges(state)) return [];
  let changes = 0;
  const count = (side: "local" | "remote", number: number) => {
    if (number > signed[side]) changes++;
  };
  for (const htlc of state.htlcs.values()) {
    count(addedBy(htlc), htlc.addNumber);
    if (htlc.removal !== undefined) count(htlc.removedBy, htlc.removeNumber);
  }
  for (const { owner, number } of state.fees) if (owner === "remote") count("remote", number);
  return [next("us", { type: "sign", changes })];
}

function htlcActs(state: ChannelState, htlc: Htlc, { policy }: Outlook): NextAct[] {
  const { id: htlcId, offerer, expiry } = htlc;
  if (isRequested(htlc)) {
    const act = { type: "answer_add", htlcId } as const;
    const asks = policy.prestageAdds === "ask" ? "user" : "us";
    return [next(offerer === "local" ? "peer" : asks, act, { byHeight: expiry - 1 })];
  }
  if (htlc.removal !== undefined || !isCleared(state, htlc)) return [];
  const due = htlcDeadline(state, htlc);
  const toChain: Limits = due === undefined ? {} : { byHeight: due.height - 1, otherwise: "channel_fails" };
  const request = state.removalRequests.get(htlcId);
  if (request !== undefined) {
    // What we ask of an HTLC's offerer is among what the peer owes.
    if (request.by === "local" && offerer === "remote") return [];
    return [next(request.by === "local" ? "peer" : "us", { type: "answer_removal", htlcId }, toChain)];
  }
  if (offerer === "local") return [next("peer", { type: "settle", htlcId }, toChain)];
  if (preimageOf(state, htlc) !== undefined) return [next("us", { type: "tell_preimage", htlcId }, toChain)];
  return [next("us", { type: "settle", htlcId }, { byHeight: expiry - 1, otherwise: "other_side_may_take_it" })];
}

function closeActs(state: ChannelState, { patience }: Outlook): NextAct[] {
  const { local, remote } = state.clearing;
  if (remote === undefined) return [];
  if (local === undefined) return [next("us", { type: "answer_close" })];
  if (!isDrained(state)) return [];
  const last = state.closeOffers.at(-1)?.side;
  const turn = last === undefined ? state.channel.initiator : otherSide(last);
  const limits: Limits = patience === undefined ? {} : { byTime: patience.giveUpAt, otherwise: "channel_fails" };
  return [next(turn === "local" ? "us" : "peer", { type: "agree_on_close" }, limits)];
}

function actsAtEnd(state: ChannelState, { height }: Outlook, end: ExplainedEnd): NextAct[] {
  if (state.stage.stage === "buried") return [];
  if (end.height === undefined) return [next("chain", { type: "confirm_end", what: end.kind })];
  const acts = end.outputs.flatMap(outputActs);
  if (acts.length > 0) return [...acts, ...waitingClaims(end.outputs)];
  const waiting = waitingClaims(end.outputs);
  if (waiting.length > 0) return waiting;
  const spends = end.outputs.flatMap(({ plan }) => (plan.type === "spent" ? [plan.height] : []));
  const shallowest = Math.max(end.height, ...spends.map((spent) => spent ?? height + 1));
  const have = height - shallowest + 1;
  return [next("chain", { type: "bury", have, need: have >= SETTLED_DEPTH ? BURIED_DEPTH : SETTLED_DEPTH })];
}

function outputActs({ index, amountSat, plan }: ExplainedOutput): NextAct[] {
  if (plan.type !== "claim_from" || plan.feeSat >= amountSat) return [];
  const { from, contestedFrom } = plan;
  const act = { type: "claim", output: index, amountSat } as const;
  if (contestedFrom === undefined) return [next("us", act, { fromHeight: from })];
  return [next("us", act, { fromHeight: from, byHeight: contestedFrom - 1, otherwise: "other_side_may_take_it" })];
}

/** Claims that are out, one act for each transaction. */
function waitingClaims(outputs: readonly ExplainedOutput[]): NextAct[] {
  const claims = new Map<string, NextAct>();
  for (const { index, plan } of outputs) {
    if (plan.type !== "claim_out") continue;
    const key = plan.txid.join();
    const before = claims.get(key);
    const known = before?.act.type === "confirm_claim" ? before.act.outputs : [];
    const ends = [before?.byHeight, plan.contestedFrom && plan.contestedFrom - 1].filter((end) => end !== undefined);
    const limits: Limits =
      ends.length === 0 ? {} : { byHeight: Math.min(...ends), otherwise: "other_side_may_take_it" };
    claims.set(key, next("chain", { type: "confirm_claim", outputs: [...known, index], txid: plan.txid }, limits));
  }
  return [...claims.values()];
}
