import { assertNever, type ChannelId, equalBytes, invariant, type Txid } from "../base/index.ts";
import type { RevocationSlot } from "../crypto/index.ts";
import { deadlineHeight, leastDeadline } from "./deadline-heights.ts";
import {
  type AnchorSpendRow,
  addedBy,
  type ChainOutputRow,
  type ChannelRow,
  type ClearingRow,
  type CloseOfferRow,
  type CommitmentRow,
  type Coverage,
  type DualFundingRow,
  type FeeRow,
  type FundingRow,
  type FundingShareRow,
  type HtlcRow,
  isRequested,
  type KnownPreimageRow,
  type Removal,
  type RemovalRequestRow,
  type RevocationHashRow,
  type Side,
  type StageRow,
  type SweepRow,
  type TermsRow,
  type TotalsRow,
} from "./rows.ts";
import {
  amountOf,
  type ChannelState,
  isSettled,
  isStaging,
  type LocalChange,
  liveFees,
  lockOf,
  oldestUnrevoked,
  orderedSweeps,
} from "./state.ts";
import { withAdd, withFeeRate, withRemoval } from "./view.ts";

/** What a step changes: one member per kind of row. The journal hands them to the store as they are. */
export type ChannelChange =
  | { readonly type: "created"; readonly row: ChannelRow; readonly id: ChannelId }
  /** The channel gets its lasting id, once both open_channel are known. */
  | { readonly type: "named"; readonly id: ChannelId }
  | { readonly type: "terms"; readonly row: TermsRow }
  | { readonly type: "stage"; readonly row: StageRow }
  | { readonly type: "funding"; readonly row: FundingRow }
  | { readonly type: "dual_funding"; readonly row: DualFundingRow }
  /** Inserted with its inputs, or its signatures set. */
  | { readonly type: "funding_share"; readonly row: FundingShareRow }
  | { readonly type: "totals"; readonly row: TotalsRow }
  | { readonly type: "htlc_added"; readonly row: HtlcRow }
  /** The addressee's message `addNumber` accepts a requested HTLC. */
  | { readonly type: "htlc_accepted"; readonly id: bigint; readonly addNumber: number }
  | {
      readonly type: "htlc_removed";
      readonly id: bigint;
      readonly removal: Removal;
      readonly removedBy: Side;
      readonly removeNumber: number;
    }
  /** A side asks for the removal of an HTLC; a request of the other side for it lapses. */
  | { readonly type: "removal_requested"; readonly row: RemovalRequestRow }
  | { readonly type: "fee"; readonly row: FeeRow }
  | { readonly type: "commitment"; readonly row: CommitmentRow }
  /** The peer revoked its oldest commitment: the slot that its preimage goes to. */
  | { readonly type: "revoked"; readonly number: number; readonly slot: RevocationSlot }
  | { readonly type: "revocation_hash"; readonly row: RevocationHashRow }
  /** A revocation hash that we gave. Not stored: it follows from our chain. */
  | { readonly type: "own_revocation_hash"; readonly hash: Uint8Array }
  | { readonly type: "clearing"; readonly row: ClearingRow }
  | { readonly type: "close_offer"; readonly row: CloseOfferRow }
  /** Inserts or replaces. With another transaction than before, what was known of the outputs of that one is void. */
  | { readonly type: "anchor_spend"; readonly row: AnchorSpendRow }
  | { readonly type: "chain_output"; readonly row: ChainOutputRow }
  | { readonly type: "sweep"; readonly row: SweepRow }
  | { readonly type: "sweep_dropped"; readonly txid: Txid }
  | { readonly type: "known_preimage"; readonly row: KnownPreimageRow }
  /** A message carries it now. */
  | { readonly type: "known_preimage_dropped"; readonly htlcId: bigint }
  /** The peer has processed our messages up to here. Not stored: the session with the peer knows it. */
  | { readonly type: "acknowledged"; readonly acknowledge: number };

/** Applies what a step returned to the working copy, in place. The only thing that changes a state. */
export function apply(state: ChannelState, changes: readonly ChannelChange[]): void {
  for (const change of changes) {
    const id = htlcOf(change);
    if (id === undefined) applyOne(state, change);
    else movingDeadline(state, id, () => applyOne(state, change));
  }
}

/** The one HTLC whose deadline a change may move. Those that settle go in `afterCommitmentMoved`. */
function htlcOf(change: ChannelChange): bigint | undefined {
  switch (change.type) {
    case "htlc_added":
    case "removal_requested":
      return change.row.id;
    case "htlc_accepted":
    case "htlc_removed":
      return change.id;
    case "known_preimage":
      return change.row.htlcId;
    case "known_preimage_dropped":
      return change.htlcId;
    default:
      return undefined;
  }
}

/** Keeps the least deadline right while one HTLC's may change. All are looked at only where it was the least and is later now. */
function movingDeadline(state: ChannelState, id: bigint, change: () => void): void {
  const before = deadlineOf(state, id);
  change();
  const after = deadlineOf(state, id);
  if (after <= state.nextDeadline) state.nextDeadline = after;
  else if (before === state.nextDeadline) state.nextDeadline = leastDeadline(state);
}

function deadlineOf(state: ChannelState, id: bigint): number {
  const htlc = state.htlcs.get(id);
  return htlc === undefined ? Number.POSITIVE_INFINITY : deadlineHeight(state, htlc);
}

function applyOne(state: ChannelState, change: ChannelChange): void {
  switch (change.type) {
    case "created":
      return;
    case "named":
      state.id = change.id;
      return;
    case "terms":
      state.terms[change.row.side] = change.row;
      return;
    case "stage":
      state.stage = change.row;
      return;
    case "funding":
      state.funding = change.row;
      return;
    case "dual_funding":
      state.dualFunding = change.row;
      return;
    case "funding_share":
      state.fundingShares[change.row.side] = change.row;
      return;
    case "totals":
      applyTotals(state, change.row);
      return;
    case "htlc_added":
      applyAdd(state, change.row);
      return;
    case "htlc_removed":
      applyRemoval(state, change);
      return;
    case "htlc_accepted":
      applyAccept(state, change.id, change.addNumber);
      return;
    case "removal_requested":
      state.removalRequests.set(change.row.id, change.row);
      return;
    case "fee":
      applyFee(state, change.row);
      return;
    case "commitment":
      applyCommitment(state, change.row);
      return;
    case "revoked":
      applyRevoked(state);
      state.revocationSlots = [...state.revocationSlots.filter((s) => s.slot !== change.slot.slot), change.slot];
      afterCommitmentMoved(state);
      return;
    case "revocation_hash":
      state.revocationHashes.set(change.row.number, change.row.hash);
      state.revocationLocks.add(lockOf(change.row.hash));
      return;
    case "own_revocation_hash":
      state.revocationLocks.add(lockOf(change.hash));
      return;
    case "clearing":
      state.clearing[change.row.side] = change.row;
      return;
    case "close_offer":
      state.closeOffers.push(change.row);
      return;
    case "anchor_spend":
      applyAnchorSpend(state, change.row);
      return;
    case "chain_output":
      state.chainOutputs.set(change.row.index, change.row);
      return;
    case "sweep":
      state.sweeps = orderedSweeps([...state.sweeps, change.row]);
      return;
    case "sweep_dropped":
      state.sweeps = state.sweeps.filter(({ txid }) => !equalBytes(txid, change.txid));
      return;
    case "known_preimage":
      state.knownPreimages.set(change.row.htlcId, change.row.preimage);
      return;
    case "known_preimage_dropped":
      state.knownPreimages.delete(change.htlcId);
      return;
    case "acknowledged":
      applyAcknowledge(state, change.acknowledge);
      return;
    default:
      assertNever(change);
  }
}

function applyAnchorSpend(state: ChannelState, row: AnchorSpendRow): void {
  if (state.anchorSpend !== undefined && !equalBytes(state.anchorSpend.txid, row.txid)) {
    state.chainOutputs.clear();
    state.sweeps = [];
  }
  state.anchorSpend = row;
}

/** Set only while the channel opens; afterwards the row follows from what `apply` does. */
function applyTotals(state: ChannelState, row: TotalsRow): void {
  state.totals = row;
  const balances = (view: ChannelState["view"]) => ({
    ...view,
    local: { ...view.local, balanceMsat: row.localMsat },
    remote: { ...view.remote, balanceMsat: row.remoteMsat },
  });
  invariant(state.htlcs.size === 0, "totals are set while a channel opens");
  state.view = balances(state.view);
  state.acknowledgedView = balances(state.acknowledgedView);
}

function applyAdd(state: ChannelState, row: HtlcRow): void {
  invariant(!state.htlcs.has(row.id), `HTLC ${row.id} is added once`);
  const lock = lockOf(row.paymentHash);
  state.htlcs.set(row.id, { ...row, lock });
  state.locks.set(lock, (state.locks.get(lock) ?? 0) + 1);
  const requested = row.requestNumber > 0;
  if (!requested) state.lastChange[row.offerer] = row.addNumber;
  state.view = withAdd(state.view, row);
  if (row.offerer === "local") {
    state.totals = { ...state.totals, localLastId: row.id };
    const htlc = amountOf(row);
    state.unacknowledged.push(
      requested
        ? { type: "add_request", number: row.requestNumber, htlc }
        : { type: "add", number: row.addNumber, htlc },
    );
  } else {
    state.totals = { ...state.totals, remoteLastId: row.id };
    state.acknowledgedView = withAdd(state.acknowledgedView, row);
  }
  balancesToTotals(state);
}

function applyAccept(state: ChannelState, id: bigint, addNumber: number): void {
  const htlc = state.htlcs.get(id);
  invariant(htlc !== undefined && isRequested(htlc), `HTLC ${id} is requested, and accepted once`);
  state.htlcs.set(id, { ...htlc, addNumber });
  const side = addedBy(htlc);
  state.lastChange[side] = addNumber;
  if (side === "local") state.unacknowledged.push({ type: "add_accept", number: addNumber });
}

function applyRemoval(
  state: ChannelState,
  { id, removal, removedBy, removeNumber }: Extract<ChannelChange, { type: "htlc_removed" }>,
): void {
  const htlc = state.htlcs.get(id);
  invariant(htlc !== undefined && htlc.removal === undefined, `HTLC ${id} is removed once`);
  state.htlcs.set(id, { ...htlc, removal, removedBy, removeNumber });
  state.removalRequests.delete(id);
  state.lastChange[removedBy] = removeNumber;
  state.view = withRemoval(state.view, htlc, removal.type);
  if (removedBy === "local") {
    state.unacknowledged.push({ type: "remove", number: removeNumber, htlc: amountOf(htlc), outcome: removal.type });
  } else {
    state.acknowledgedView = withRemoval(state.acknowledgedView, htlc, removal.type);
  }
  balancesToTotals(state);
}

function applyFee(state: ChannelState, row: FeeRow): void {
  state.fees = liveFees([...state.fees, row], state.commitments.local?.coverage.local ?? 0);
  state.view = withFeeRate(state.view, row.owner, row.feeRate);
  if (row.number === 0 || row.owner === "remote") {
    state.acknowledgedView = withFeeRate(state.acknowledgedView, row.owner, row.feeRate);
  } else {
    state.unacknowledged.push({ type: "fee", number: row.number, feeRate: row.feeRate });
  }
  // A fee of ours changes only our own commitment, which the peer signs: it is no reason for us to sign (B2-26).
  if (row.owner === "remote") state.lastChange.remote = Math.max(state.lastChange.remote, row.number);
}

function balancesToTotals(state: ChannelState): void {
  state.totals = {
    ...state.totals,
    localMsat: state.view.local.balanceMsat,
    remoteMsat: state.view.remote.balanceMsat,
  };
}

function applyRevoked(state: ChannelState): void {
  const revoked = state.commitments.remote.shift();
  if (revoked !== undefined) state.revocationLocks.delete(lockOf(revoked.revocationHash));
}

function applyCommitment(state: ChannelState, row: CommitmentRow): void {
  if (row.holder === "local") {
    // Ours before is revoked in the step that verified this one.
    const revoked = state.commitments.local;
    if (revoked !== undefined) state.revocationLocks.delete(lockOf(revoked.revocationHash));
    state.commitments.local = row;
  } else {
    state.commitments.remote.push(row);
    state.revocationHashes.delete(row.number);
  }
  afterCommitmentMoved(state);
}

function applyAcknowledge(state: ChannelState, acknowledge: number): void {
  let seen = 0;
  for (const change of state.unacknowledged) {
    if (change.number > acknowledge) break;
    state.acknowledgedView = withLocalChange(state.acknowledgedView, change);
    if (isStaging(change)) state.lastChange.acknowledged = change.number;
    seen++;
  }
  if (seen > 0) state.unacknowledged.splice(0, seen);
}

/** The peer's view once it has processed a change of ours. */
export function withLocalChange(view: ChannelState["view"], change: LocalChange): ChannelState["view"] {
  switch (change.type) {
    case "add":
    case "add_request":
      return withAdd(view, change.htlc);
    case "add_accept":
      return view;
    case "remove":
      return withRemoval(view, change.htlc, change.outcome);
    case "fee":
      return withFeeRate(view, "local", change.feeRate);
    default:
      return assertNever(change);
  }
}

/** Drops what no commitment that counts holds any more, and moves the marks that say so. */
function afterCommitmentMoved(state: ChannelState): void {
  const local = oldestUnrevoked(state, "local");
  const remote = oldestUnrevoked(state, "remote");
  if (local === undefined || remote === undefined) return;
  const settledUpTo: Coverage = {
    local: Math.min(local.coverage.local, remote.coverage.local),
    remote: Math.min(local.coverage.remote, remote.coverage.remote),
  };
  let leastIsGone = false;
  for (const htlc of state.htlcs.values()) {
    if (!isSettled(state, htlc)) continue;
    if (deadlineHeight(state, htlc) === state.nextDeadline) leastIsGone = true;
    state.htlcs.delete(htlc.id);
    const uses = (state.locks.get(htlc.lock) ?? 1) - 1;
    if (uses === 0) state.locks.delete(htlc.lock);
    else state.locks.set(htlc.lock, uses);
  }
  if (leastIsGone) state.nextDeadline = leastDeadline(state);
  state.fees = liveFees(state.fees, local.coverage.local);
  state.totals = { ...state.totals, localUnrevoked: local.number, remoteUnrevoked: remote.number, settledUpTo };
}
