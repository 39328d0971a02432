// What of a channel is stuck, and why: each by the check that makes it stick.

import { lowFeeRate } from "./adds.ts";
import { hasUnsignedChanges } from "./commits.ts";
import { htlcDeadline } from "./deadlines.ts";
import type { ExplainedEnd, Outlook, Trouble } from "./explain-data.ts";
import { feeShortfall } from "./fees.ts";
import { BURIED, MAX_UNACKNOWLEDGED, MAX_UNREVOKED } from "./policy.ts";
import { type ChannelState, hasLostAnchor } from "./state.ts";

/** What keeps the channel from going on, the gravest first. */
export function troubles(state: ChannelState, outlook: Outlook, end: ExplainedEnd | undefined): Trouble[] {
  const { stage, frozen, errorDue, openCompleteSent } = state.stage;
  if (stage === "buried" || stage === "abandoned") return [];
  const found: Trouble[] = [];
  if (end?.kind === "unknown" || state.stage.stale) found.push({ type: "data_too_old" });
  if (end?.kind === "revoked" && end.holder === "local") found.push({ type: "own_revoked" });
  if (frozen !== undefined) found.push({ type: "frozen", why: frozen });
  if (!outlook.caughtUp) found.push({ type: "catching_up" });
  found.push(...conflict(state, outlook));
  // An opening that failed may never have had one.
  const hadAnchor = stage === "open" || (stage === "failed" && openCompleteSent);
  if (hasLostAnchor(state) && state.funding?.conflictHeight === undefined && hadAnchor && end === undefined) {
    found.push({ type: "anchor_reorganised" });
  }
  if (errorDue) found.push({ type: "error_due" });
  if (end === undefined && stage !== "failed" && stage !== "close_agreed") found.push(...peerTroubles(outlook));
  if (stage === "open") found.push(...updateTroubles(state, outlook));
  for (const { index, amountSat, plan } of end?.outputs ?? []) {
    if (plan.type !== "claim_from" || plan.feeSat < amountSat) continue;
    found.push({ type: "not_worth_claiming", output: index, amountSat, feeSat: plan.feeSat });
  }
  return found;
}

function conflict({ funding }: ChannelState, { height: tip }: Outlook): Trouble[] {
  const height = funding?.conflictHeight;
  return height === undefined ? [] : [{ type: "funding_conflict", height, have: tip - height + 1, need: BURIED }];
}

function peerTroubles({ peerReady, peerAwaySince: since, patience, now }: Outlook): Trouble[] {
  if (!peerReady) return [{ type: "peer_away", since }];
  if (patience === undefined || now < patience.overdueAt) return [];
  return [{ type: "peer_stalls", since: patience.since, giveUpAt: patience.giveUpAt }];
}

function updateTroubles(state: ChannelState, outlook: Outlook): Trouble[] {
  const found: Trouble[] = [];
  const { remote } = state.commitments;
  const following = (remote.at(-1)?.number ?? -1) + 1;
  const isFull = remote.length >= MAX_UNREVOKED || !state.revocationHashes.has(following);
  if (isFull && hasUnsignedChanges(state)) {
    found.push({ type: "window_exhausted", unrevoked: remote.length, limit: MAX_UNREVOKED });
  }
  if (outlook.unacknowledged >= MAX_UNACKNOWLEDGED) {
    found.push({ type: "too_much_unacknowledged", packets: outlook.unacknowledged, limit: MAX_UNACKNOWLEDGED });
  }
  const isClosing = state.clearing.local !== undefined || state.clearing.remote !== undefined;
  const low = isClosing ? undefined : lowFeeRate(state.view, outlook);
  if (low !== undefined) {
    found.push({ type: "fee_rate_too_low", side: low.side, feeRate: low.actual, least: low.limit });
  }
  const short = feeShortfall(state, outlook);
  if (short !== undefined) found.push({ type: "fee_unaffordable", feeRate: short.feeRate, wanted: short.wanted });
  return [...found, ...overdue(state, outlook)];
}

function overdue(state: ChannelState, { height }: Outlook): Trouble[] {
  return [...state.htlcs.values()].flatMap((htlc): Trouble[] => {
    const { id: htlcId, offerer, expiry } = htlc;
    const due = htlcDeadline(state, htlc)?.height;
    const since = offerer === "local" ? expiry : due;
    if (since === undefined || height < since || (due === undefined && htlc.removal !== undefined)) return [];
    return [{ type: "htlc_overdue", htlcId, since, goesToChainAt: due }];
  });
}
