import { type ChannelId, compareBytes, invariant, toHex } from "../base/index.ts";
import { type RevocationSlot, ripemd160 } from "../crypto/index.ts";
import { leastDeadline } from "./deadline-heights.ts";
import { MAX_UNREVOKED } from "./policy.ts";
import {
  type AnchorSpendRow,
  addedBy,
  type ChainOutputRow,
  type ChannelRow,
  type ChannelRows,
  type ClearingRow,
  type CloseOfferRow,
  type CommitmentRow,
  type Coverage,
  type DualFundingRow,
  type FeeRow,
  type FundingRow,
  type FundingShareRow,
  type HtlcRow,
  type RemovalRequestRow,
  type Side,
  type Stage,
  type StageRow,
  type SweepRow,
  type TermsRow,
  type TotalsRow,
} from "./rows.ts";
import { type HtlcAmount, isDustHtlc, type View, withFeeRate, withoutAdd, withoutRemoval } from "./view.ts";

/** A live HTLC with what scripts need of it, computed once. */
export type Htlc = HtlcRow & { readonly lock: string };

/** A change that one of our messages made and that the peer has not acknowledged yet. */
export type LocalChange =
  | { readonly type: "add"; readonly number: number; readonly htlc: HtlcAmount }
  /** Reserves the amount in every view, and is in no commitment. */
  | { readonly type: "add_request"; readonly number: number; readonly htlc: HtlcAmount }
  /** Puts an HTLC into commitments that every view counts already. */
  | { readonly type: "add_accept"; readonly number: number }
  | {
      readonly type: "remove";
      readonly number: number;
      readonly htlc: HtlcAmount;
      readonly outcome: "fulfilled" | "failed";
    }
  | { readonly type: "fee"; readonly number: number; readonly feeRate: number };

/**
 * The working copy of one channel. It is what the rows say, plus what follows from them: the two views and a few indexes.
 * Only `apply` changes it, in place. It holds no promise, socket, callback or clock.
 */
export type ChannelState = {
  id: ChannelId;
  readonly channel: ChannelRow;
  terms: { local: TermsRow | undefined; remote: TermsRow | undefined };
  stage: StageRow;
  funding: FundingRow | undefined;
  /** Where both parties fund it. */
  dualFunding: DualFundingRow | undefined;
  fundingShares: { local: FundingShareRow | undefined; remote: FundingShareRow | undefined };
  totals: TotalsRow;
  /** HTLCs that stand in some commitment that counts, are staged to, or are requested. */
  readonly htlcs: Map<bigint, Htlc>;
  /** Requests to remove them that wait to be accepted, by HTLC id. Empty on a plain channel. */
  readonly removalRequests: Map<bigint, RemovalRequestRow>;
  fees: FeeRow[];
  commitments: {
    /** Our newest; every older one is revoked, since we revoke in the step that verifies. */
    local: CommitmentRow | undefined;
    /** The peer's that we signed and it has not revoked, oldest first. */
    remote: CommitmentRow[];
  };
  /** The peer's hashes for commitments that we have not signed yet, by commitment number. */
  readonly revocationHashes: Map<number, Uint8Array>;
  revocationSlots: RevocationSlot[];
  clearing: { local: ClearingRow | undefined; remote: ClearingRow | undefined };
  closeOffers: CloseOfferRow[];
  anchorSpend: AnchorSpendRow | undefined;
  /** Those of the transaction that spends the anchor, by index. */
  readonly chainOutputs: Map<number, ChainOutputRow>;
  /** Claims of ours that are not replaced, oldest first, those of one height by txid: as they are stored. */
  sweeps: SweepRow[];
  /** Preimages that no message has carried, by HTLC: of HTLCs offered to us, or learned from the chain. */
  readonly knownPreimages: Map<bigint, Uint8Array>;

  // Derived
  /** Everything staged: our own view. */
  view: View;
  /** The peer's view: all its changes, and ours up to what it acknowledged. */
  acknowledgedView: View;
  /** Our changes beyond the peer's acknowledge, oldest first. */
  unacknowledged: LocalChange[];
  /** Numbers of the newest changes. `acknowledged` is our newest that the peer has acknowledged, fees included. */
  lastChange: { local: number; remote: number; acknowledged: number };
  /**
   * RIPEMD-160, in hexadecimal, of every revocation hash that a commitment which is not revoked uses or will use, of both
   * sides: no payment hash may be one of them, else the penalty of that commitment could be disabled.
   */
  readonly revocationLocks: Set<string>;
  /** The least height at which an HTLC takes the channel to the chain; Infinity where none does. */
  nextDeadline: number;
  /** How many live HTLCs, or staged ones, use a hash; keys are the hexadecimal RIPEMD-160 of the payment hash. */
  readonly locks: Map<string, number>;
};

/** The key under which payment hashes and revocation hashes are compared: what scripts push. */
export function lockOf(hash: Uint8Array): string {
  return toHex(ripemd160(hash));
}

function emptyTotals(): TotalsRow {
  return {
    localMsat: 0n,
    remoteMsat: 0n,
    localLastId: -1n,
    remoteLastId: -1n,
    localUnrevoked: 0,
    remoteUnrevoked: 0,
    settledUpTo: { local: 0, remote: 0 },
  };
}

const NO_TOTALS = { balanceMsat: 0n, offered: 0, offeredNonDust: 0 };

const EMPTY_VIEW: View = {
  local: NO_TOTALS,
  remote: NO_TOTALS,
  dustMsat: 0n,
  feeRate: { local: 0, remote: 0 },
};

/** A channel of which nothing but its static row is known. */
export function newChannelState(
  id: ChannelId,
  channel: ChannelRow,
  stage: Stage = channel.initiator === "local" ? "awaiting_open_channel" : "awaiting_open_anchor",
): ChannelState {
  return {
    id,
    channel,
    terms: { local: undefined, remote: undefined },
    stage: {
      stage,
      openCompleteSent: false,
      openCompleteReceived: false,
      failure: undefined,
      errorDue: false,
      frozen: undefined,
      stale: false,
    },
    funding: undefined,
    dualFunding: undefined,
    fundingShares: { local: undefined, remote: undefined },
    totals: emptyTotals(),
    htlcs: new Map(),
    removalRequests: new Map(),
    fees: [],
    commitments: { local: undefined, remote: [] },
    revocationHashes: new Map(),
    revocationSlots: [],
    clearing: { local: undefined, remote: undefined },
    closeOffers: [],
    anchorSpend: undefined,
    chainOutputs: new Map(),
    sweeps: [],
    knownPreimages: new Map(),
    view: EMPTY_VIEW,
    acknowledgedView: EMPTY_VIEW,
    unacknowledged: [],
    lastChange: { local: 0, remote: 0, acknowledged: 0 },
    revocationLocks: new Set(),
    nextDeadline: Number.POSITIVE_INFINITY,
    locks: new Map(),
  };
}

/**
 * The working copy that the rows describe. `acknowledged` is the peer's acknowledge as the session with it has it: our
 * changes beyond it are not in the peer's view yet. `ownHash` gives our revocation hash for a commitment number.
 */
export function load(rows: ChannelRows, acknowledged: number, ownHash: (number: number) => Uint8Array): ChannelState {
  const state = newChannelState(rows.id, rows.channel);
  for (const terms of rows.terms) state.terms[terms.side] = terms;
  state.stage = rows.stage;
  state.funding = rows.funding;
  state.dualFunding = rows.dualFunding;
  for (const share of rows.fundingShares) state.fundingShares[share.side] = share;
  state.totals = rows.totals;
  for (const commitment of [...rows.commitments].sort((a, b) => a.number - b.number)) {
    if (commitment.holder === "local") state.commitments.local = commitment;
    else state.commitments.remote.push(commitment);
  }
  state.fees = liveFees(
    [...rows.fees].sort((a, b) => a.number - b.number),
    state.commitments.local?.coverage.local ?? 0,
  );
  for (const { number, hash } of rows.revocationHashes) state.revocationHashes.set(number, hash);
  state.revocationSlots = [...rows.revocationSlots];
  for (const clearing of rows.clearings) state.clearing[clearing.side] = clearing;
  state.closeOffers = [...rows.closeOffers].sort((a, b) => a.ordinal - b.ordinal);
  state.anchorSpend = rows.anchorSpend;
  for (const output of rows.chainOutputs) state.chainOutputs.set(output.index, output);
  state.sweeps = orderedSweeps(rows.sweeps);
  for (const { htlcId, preimage } of rows.knownPreimages) state.knownPreimages.set(htlcId, preimage);
  for (const row of rows.htlcs) {
    const htlc = { ...row, lock: lockOf(row.paymentHash) };
    state.htlcs.set(row.id, htlc);
    state.locks.set(htlc.lock, (state.locks.get(htlc.lock) ?? 0) + 1);
  }
  for (const request of rows.removalRequests) state.removalRequests.set(request.id, request);
  deriveViews(state, acknowledged);
  state.nextDeadline = leastDeadline(state);
  const unused = state.revocationHashes.values();
  for (const hash of unused) state.revocationLocks.add(lockOf(hash));
  for (const { revocationHash } of state.commitments.remote) state.revocationLocks.add(lockOf(revocationHash));
  const first = state.commitments.local?.number ?? 0;
  const given = state.terms.local?.revocationHashes ?? 0;
  invariant(given <= MAX_UNREVOKED, `a channel gives at most ${MAX_UNREVOKED} hashes ahead, got ${given}`);
  for (let number = first; number < first + given; number++) state.revocationLocks.add(lockOf(ownHash(number)));
  return state;
}

/** In the order in which a state has them, whether they were just made or loaded. */
export function orderedSweeps(sweeps: readonly SweepRow[]): SweepRow[] {
  return sweeps.toSorted((a, b) => a.createdHeight - b.createdHeight || compareBytes(a.txid, b.txid));
}

function deriveViews(state: ChannelState, acknowledged: number): void {
  state.view = fullView(state);
  const changes: LocalChange[] = [];
  for (const row of state.htlcs.values()) {
    const htlc = amountOf(row);
    const { offerer, requestNumber, addNumber, removal, removedBy, removeNumber } = row;
    const adder = addedBy(row);
    noteLastChange(state, adder, addNumber);
    if (requestNumber === 0 && offerer === "local") changes.push({ type: "add", number: addNumber, htlc });
    if (requestNumber > 0 && offerer === "local") changes.push({ type: "add_request", number: requestNumber, htlc });
    if (requestNumber > 0 && adder === "local" && addNumber > 0)
      changes.push({ type: "add_accept", number: addNumber });
    if (removal === undefined) continue;
    noteLastChange(state, removedBy, removeNumber);
    if (removedBy === "local") changes.push({ type: "remove", number: removeNumber, htlc, outcome: removal.type });
  }
  for (const { owner, number, feeRate } of state.fees) {
    if (owner === "local" && number > 0) changes.push({ type: "fee", number, feeRate });
    if (owner === "remote") noteLastChange(state, "remote", number);
  }
  changes.sort((a, b) => a.number - b.number);
  const seen = changes.findLast((change) => isStaging(change) && change.number <= acknowledged);
  state.lastChange.acknowledged = seen?.number ?? 0;
  state.unacknowledged = changes.filter((change) => change.number > acknowledged);
  state.acknowledgedView = withoutLocalChanges(state, state.unacknowledged);
}

/** Whether the change is one that a commitment can have. */
export function isStaging({ type }: LocalChange): boolean {
  return type !== "add_request";
}

export function amountOf({ id, offerer, amountMsat }: HtlcRow): HtlcAmount {
  return { id, offerer, amountMsat };
}

function noteLastChange(state: ChannelState, side: Side, number: number): void {
  state.lastChange[side] = Math.max(state.lastChange[side], number);
}

function newestFeeRate(state: ChannelState, side: Side): number {
  return state.fees.findLast((fee) => fee.owner === side)?.feeRate ?? 0;
}

/**
 * The fee rows that a commitment to come can still need, of rows in the order of their numbers: the peer's newest, since we
 * sign up to everything that we got; of ours, the one that our newest commitment covers and all after it.
 */
export function liveFees(fees: readonly FeeRow[], covered: number): FeeRow[] {
  const theirs = fees.filter((fee) => fee.owner === "remote").slice(-1);
  const ours = fees.filter((fee) => fee.owner === "local");
  const current = ours.findLastIndex((fee) => fee.number <= covered);
  return [...theirs, ...ours.slice(Math.max(current, 0))];
}

/** Our own view from the totals and the live HTLCs. */
function fullView(state: ChannelState): View {
  const count = { local: 0, remote: 0 };
  const nonDust = { local: 0, remote: 0 };
  let dustMsat = 0n;
  for (const htlc of state.htlcs.values()) {
    if (htlc.removal !== undefined) continue;
    count[htlc.offerer]++;
    if (isDustHtlc(htlc)) dustMsat += htlc.amountMsat;
    else nonDust[htlc.offerer]++;
  }
  const { localMsat, remoteMsat } = state.totals;
  return {
    local: { balanceMsat: localMsat, offered: count.local, offeredNonDust: nonDust.local },
    remote: { balanceMsat: remoteMsat, offered: count.remote, offeredNonDust: nonDust.remote },
    dustMsat,
    feeRate: { local: newestFeeRate(state, "local"), remote: newestFeeRate(state, "remote") },
  };
}

/** Our view with changes of ours taken back again: what the peer sees that has not got them. */
function withoutLocalChanges(state: ChannelState, changes: readonly LocalChange[]): View {
  let view = state.view;
  for (const change of [...changes].reverse()) {
    if (change.type === "add" || change.type === "add_request") view = withoutAdd(view, change.htlc);
    else if (change.type === "remove") view = withoutRemoval(view, change.htlc, change.outcome);
  }
  const firstFee = changes.find((change) => change.type === "fee")?.number;
  const before = state.fees.findLast(
    (fee) => fee.owner === "local" && (firstFee === undefined || fee.number < firstFee),
  );
  return withFeeRate(view, "local", before?.feeRate ?? 0);
}

/** Whether the HTLC stands in a commitment that covers these message numbers. */
export function isIn(htlc: HtlcRow, coverage: Coverage): boolean {
  return isAddedIn(htlc, coverage) && (htlc.removal === undefined || htlc.removeNumber > coverage[htlc.removedBy]);
}

/** Whether a commitment that covers these message numbers has the HTLC's add. None has one that is only requested. */
export function isAddedIn(htlc: HtlcRow, coverage: Coverage): boolean {
  return htlc.addNumber > 0 && htlc.addNumber <= coverage[addedBy(htlc)];
}

/** The commitment of `holder` that is oldest among those that can still be broadcast. */
export function oldestUnrevoked(state: ChannelState, holder: Side): CommitmentRow | undefined {
  return holder === "local" ? state.commitments.local : state.commitments.remote[0];
}

export function newest(state: ChannelState, holder: Side): CommitmentRow | undefined {
  return holder === "local" ? state.commitments.local : state.commitments.remote.at(-1);
}

function isCoveredByAll(state: ChannelState, side: Side, number: number): boolean {
  const local = oldestUnrevoked(state, "local");
  const remote = oldestUnrevoked(state, "remote");
  if (local === undefined || remote === undefined) return false;
  return number <= local.coverage[side] && number <= remote.coverage[side];
}

/** In both newest commitments, and every earlier one without it revoked. Spec: LS-10, LS-19. */
export function isCleared(state: ChannelState, htlc: HtlcRow): boolean {
  return htlc.addNumber > 0 && isCoveredByAll(state, addedBy(htlc), htlc.addNumber);
}

/** Offered or requested after the peer could know that we are closing: it must go, and nobody is told of it. Spec: B2-32. */
export function isLate(state: ChannelState, htlc: HtlcRow): boolean {
  const ours = state.clearing.local;
  return htlc.offerer === "remote" && ours !== undefined && (htlc.requestNumber || htlc.addNumber) > ours.acknowledge;
}

/** Gone from both newest commitments, and every earlier one with it revoked. Spec: LS-10. */
export function isSettled(state: ChannelState, htlc: HtlcRow): boolean {
  return htlc.removal !== undefined && isCoveredByAll(state, htlc.removedBy, htlc.removeNumber);
}

/** The fee rate of a commitment: its holder's newest that it covers. Spec: B2-52. */
export function feeRateFor(state: ChannelState, holder: Side, coverage: Coverage): number {
  const fee = state.fees.findLast((row) => row.owner === holder && row.number <= coverage[holder]);
  invariant(fee !== undefined, "a commitment has a fee rate");
  return fee.feeRate;
}

/**
 * A reorganisation took the anchor out of the chain, and it is not ours alone, or it can't come into it any more: nothing is staked on
 * it until it is back.
 */
export function hasLostAnchor(state: ChannelState): boolean {
  if (state.funding?.conflictHeight !== undefined) return true;
  return (state.terms.local?.minDepth ?? 0) > 0 && state.funding?.confirmedHeight === undefined;
}
