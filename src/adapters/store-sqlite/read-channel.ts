import { asChannelId, asNodeId, asPaymentHash, asTxid, msat, sat } from "../../core/base/index.ts";
import { sha256 } from "../../core/crypto/index.ts";
import {
  type ChannelRow,
  type ChannelRows,
  type ClearingRow,
  type CloseOfferRow,
  type CommitmentRow,
  type DualFundingRow,
  type FeeRow,
  type FundingRow,
  type FundingShareRow,
  type HtlcRow,
  otherSide,
  type Removal,
  type RemovalRequestRow,
  type Stage,
  type StageRow,
  type TermsRow,
  type TotalsRow,
} from "../../core/payment-channel/index.ts";
import {
  readBigInt,
  readBoolean,
  readBytes,
  readNumber,
  readOptional,
  readSide,
  readText,
  readUint64,
  readWord,
  sideToSql,
} from "./columns.ts";
import type { SqlEngine, SqlRow } from "./engine.ts";
import { onChainReader } from "./on-chain.ts";

const STAGES: Readonly<Record<Stage, true>> = {
  awaiting_funding_response: true,
  awaiting_input_check: true,
  awaiting_sign_accept: true,
  awaiting_sign_complete: true,
  awaiting_open_channel: true,
  awaiting_open_anchor: true,
  awaiting_open_commit_sig: true,
  awaiting_depth: true,
  open: true,
  close_agreed: true,
  closed: true,
  buried: true,
  abandoned: true,
  failed: true,
};

/** The channels that are not over: a row of each, and what reads the live ones of the rest. */
export type ChannelReader = {
  readonly rows: () => readonly SqlRow[];
  /** Throws where one of them holds what this program never writes. */
  readonly read: (row: SqlRow) => ChannelRows;
};

/** Prepares what reads the live rows of every channel that is not over. */
export function channelReader(engine: SqlEngine): ChannelReader {
  // In this order the engine doesn't begin with all channels that ever were, and a channel that lacks one of the rows is still named.
  const channels = engine.prepare(
    `SELECT channel.*, totals.*, stage.* FROM stage INDEXED BY stage_live
     LEFT JOIN channel USING (channel) LEFT JOIN totals USING (channel)
     WHERE stage NOT IN ('buried', 'abandoned') ORDER BY channel`,
  );
  const funding = engine.prepare("SELECT * FROM funding WHERE channel = ?");
  const dual = engine.prepare("SELECT * FROM dual_funding WHERE channel = ?");
  const shares = shareReader(engine);
  const ofChannel = (table: string) => engine.prepare(`SELECT * FROM ${table} WHERE channel = ? ORDER BY 1, 2`);
  const [terms, hashes, slots] = [ofChannel("terms"), ofChannel("revocation_hash"), ofChannel("revocation_slot")];
  const [clearings, offers] = [ofChannel("clearing"), ofChannel("close_offer")];
  const onChain = onChainReader(engine);
  const liveHtlcs = htlcReader(engine);
  const liveRequests = requestReader(engine);
  const liveCommitments = commitmentReader(engine);
  const liveFees = feeReader(engine);

  const read = (row: SqlRow): ChannelRows => {
    const channel = toChannel(row);
    const totals = toTotals(row);
    const { index } = channel;
    const found = funding.get(index);
    const foundDual = dual.get(index);
    return {
      channel,
      id: asChannelId(readBytes(row, "id")),
      terms: terms.all(index).map(toTerms),
      stage: toStage(row),
      funding: found && toFunding(found),
      dualFunding: foundDual && toDualFunding(foundDual),
      fundingShares: shares(index),
      totals,
      htlcs: liveHtlcs(index, totals),
      removalRequests: channel.prestage ? liveRequests(index) : [],
      fees: liveFees(index, totals),
      commitments: liveCommitments(index, totals),
      revocationHashes: hashes.all(index).map((r) => ({ number: readNumber(r, "number"), hash: readBytes(r, "hash") })),
      revocationSlots: slots.all(index).map(toSlot),
      clearings: clearings.all(index).map(toClearing),
      closeOffers: offers.all(index).map(toCloseOffer),
      ...onChain(index),
    };
  };
  return { rows: () => channels.all(), read };
}

/** What each side brings to a channel that both fund. */
function shareReader(engine: SqlEngine): (channel: number) => FundingShareRow[] {
  const shares = engine.prepare("SELECT * FROM funding_share WHERE channel = ? ORDER BY side");
  const inputs = engine.prepare("SELECT * FROM funding_input WHERE channel = ? AND side = ? ORDER BY position");
  return (channel) =>
    shares.all(channel).map((row) => {
      const side = readSide(row, "side");
      const rows = inputs.all(channel, sideToSql(side));
      return {
        side,
        contributionSat: readBigInt(row, "contribution_sat"),
        inputs: rows.map((input) => ({
          txid: asTxid(readBytes(input, "txid")),
          index: readNumber(input, "output_index"),
          amountSat: readBigInt(input, "amount_sat"),
          publicKey: readBytes(input, "public_key"),
        })),
        changeScript: readOptional(row, "change_script", readBytes),
        signatures: readBoolean(row, "signed") ? rows.map((input) => readBytes(input, "signature")) : undefined,
      };
    });
}

/** HTLCs that are not removed, or whose removal is not settled yet. */
function htlcReader(engine: SqlEngine): (channel: number, totals: TotalsRow) => HtlcRow[] {
  const standing = engine.prepare("SELECT * FROM htlc WHERE channel = ? AND removed_by IS NULL");
  const unsettled = engine.prepare("SELECT * FROM htlc WHERE channel = ? AND removed_by = ? AND remove_number > ?");
  return (channel, { settledUpTo: { local, remote } }) =>
    [...standing.all(channel), ...unsettled.all(channel, 0, local), ...unsettled.all(channel, 1, remote)]
      .map(toHtlc)
      .sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** Requests to remove HTLCs that are not removed. */
function requestReader(engine: SqlEngine): (channel: number) => RemovalRequestRow[] {
  // From the few HTLCs that stand to their requests, not from all requests that ever were.
  const waiting = engine.prepare(
    `SELECT id, side, number, preimage AS lock, removal_request.fail_reason FROM htlc INDEXED BY htlc_removed CROSS JOIN removal_request USING (channel, id)
     WHERE htlc.channel = ? AND htlc.removed_by IS NULL`,
  );
  return (channel) =>
    waiting
      .all(channel)
      .map((row) => ({
        id: readUint64(row, "id"),
        by: readSide(row, "side"),
        number: readNumber(row, "number"),
        removal: toRemoval(row),
      }))
      .sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** Ours that is newest (each verified one revokes the one before), and the peer's that it has not revoked. */
function commitmentReader(engine: SqlEngine): (channel: number, totals: TotalsRow) => CommitmentRow[] {
  const own = engine.prepare("SELECT * FROM commitment WHERE channel = ? AND holder = 0 ORDER BY number DESC LIMIT 1");
  const remote = engine.prepare(
    "SELECT * FROM commitment WHERE channel = ? AND holder = 1 AND number >= ? ORDER BY number",
  );
  return (channel, { remoteUnrevoked }) =>
    [...own.all(channel), ...remote.all(channel, remoteUnrevoked)].map(toCommitment);
}

/** For each side the newest that every commitment covers, and those after it. */
function feeReader(engine: SqlEngine): (channel: number, totals: TotalsRow) => FeeRow[] {
  const live = engine.prepare(
    `SELECT * FROM fee WHERE channel = ? AND owner = ? AND number >= coalesce((SELECT max(number) FROM fee AS covered
       WHERE covered.channel = fee.channel AND covered.owner = fee.owner AND covered.number <= ?), 0) ORDER BY number`,
  );
  return (channel, { settledUpTo }) =>
    [...live.all(channel, 0, settledUpTo.local), ...live.all(channel, 1, settledUpTo.remote)].map((row) => ({
      owner: readSide(row, "owner"),
      number: readNumber(row, "number"),
      feeRate: readNumber(row, "fee_rate"),
    }));
}

/** Prepares what reads the commitments of a number, and every HTLC that stands in one of them, however long ago. */
export function publishedReader(
  engine: SqlEngine,
): (
  channel: number,
  number: number,
) => { readonly commitments: readonly CommitmentRow[]; readonly htlcs: readonly HtlcRow[] } {
  const found = engine.prepare("SELECT * FROM commitment WHERE channel = ? AND number = ? ORDER BY holder");
  const standing = engine.prepare(
    `SELECT * FROM htlc WHERE channel = ? AND EXISTS (
       SELECT 1 FROM commitment WHERE commitment.channel = htlc.channel AND number = ?
         AND add_number > 0
         AND add_number <= iif((offerer = 0) = (request_number IS NULL), covers_local, covers_remote)
         AND (remove_number IS NULL OR remove_number > iif(removed_by = 0, covers_local, covers_remote)))`,
  );
  return (channel, number) => ({
    commitments: found.all(channel, number).map(toCommitment),
    htlcs: standing
      .all(channel, number)
      .map(toHtlc)
      .sort((a, b) => (a.id < b.id ? -1 : 1)),
  });
}

export function toChannel(row: SqlRow): ChannelRow {
  const planned = readOptional(row, "planned_amount_sat", readBigInt);
  return {
    index: readNumber(row, "channel"),
    temporaryId: asChannelId(readBytes(row, "temporary_id")),
    peer: asNodeId(readBytes(row, "peer")),
    initiator: readSide(row, "initiator"),
    plannedAmountSat: planned === undefined ? undefined : sat(planned),
    pushMsat: msat(readBigInt(row, "push_msat")),
    prestage: readBoolean(row, "prestage"),
    createdAt: readNumber(row, "created_at"),
    createdHeight: readNumber(row, "created_height"),
  };
}

function toTerms(row: SqlRow): TermsRow {
  const reserve = readOptional(row, "channel_reserve_sat", readBigInt);
  return {
    side: readSide(row, "side"),
    delay: readNumber(row, "delay"),
    minDepth: readNumber(row, "min_depth"),
    commitKey: readBytes(row, "commit_key"),
    finalKey: readBytes(row, "final_key"),
    initialFeeRate: readNumber(row, "initial_fee_rate"),
    channelReserveSat: reserve === undefined ? undefined : sat(reserve),
    closeScript: readOptional(row, "close_script", readBytes),
    revocationHashes: readNumber(row, "revocation_hashes"),
  };
}

export function toStage(row: SqlRow): StageRow {
  return {
    stage: readWord(row, "stage", STAGES),
    openCompleteSent: readBoolean(row, "open_complete_sent"),
    openCompleteReceived: readBoolean(row, "open_complete_received"),
    failure: readOptional(row, "failure", readText),
    errorDue: readBoolean(row, "error_due"),
    frozen: readOptional(row, "frozen", readText),
    stale: readBoolean(row, "stale"),
  };
}

export function toFunding(row: SqlRow): FundingRow {
  return {
    txid: asTxid(readBytes(row, "txid")),
    outputIndex: readNumber(row, "output_index"),
    amountSat: sat(readBigInt(row, "amount_sat")),
    transaction: readOptional(row, "raw_transaction", readBytes),
    confirmedHeight: readOptional(row, "confirmed_height", readNumber),
    conflictHeight: readOptional(row, "conflict_height", readNumber),
  };
}

function toDualFunding(row: SqlRow): DualFundingRow {
  return {
    feeRate: readNumber(row, "fee_rate"),
    wishedSat: readBigInt(row, "wished_sat"),
    leastSat: readBigInt(row, "least_sat"),
    cancellation: readOptional(row, "cancellation", readBytes),
  };
}

export function toTotals(row: SqlRow): TotalsRow {
  return {
    localMsat: readBigInt(row, "local_msat"),
    remoteMsat: readBigInt(row, "remote_msat"),
    localLastId: readOptional(row, "local_last_id", readUint64) ?? -1n,
    remoteLastId: readOptional(row, "remote_last_id", readUint64) ?? -1n,
    localUnrevoked: readNumber(row, "local_unrevoked"),
    remoteUnrevoked: readNumber(row, "remote_unrevoked"),
    settledUpTo: { local: readNumber(row, "settled_local"), remote: readNumber(row, "settled_remote") },
  };
}

function toRemoval(row: SqlRow): Removal {
  const reason = readOptional(row, "fail_reason", readBytes);
  return reason === undefined ? { type: "fulfilled", preimage: readBytes(row, "lock") } : { type: "failed", reason };
}

export function toHtlc(row: SqlRow): HtlcRow {
  const removeNumber = readOptional(row, "remove_number", readNumber);
  const removal = removeNumber === undefined ? undefined : toRemoval(row);
  const lock = readBytes(row, "lock");
  const offerer = readSide(row, "offerer");
  return {
    id: readUint64(row, "id"),
    offerer,
    amountMsat: msat(readBigInt(row, "amount_msat")),
    paymentHash: asPaymentHash(removal?.type === "fulfilled" ? sha256(lock) : lock),
    expiry: readNumber(row, "expiry"),
    route: readBytes(row, "route"),
    requestNumber: readOptional(row, "request_number", readNumber) ?? 0,
    addNumber: readNumber(row, "add_number"),
    removal,
    removedBy: readOptional(row, "removed_by", readSide) ?? otherSide(offerer),
    removeNumber: removeNumber ?? 0,
  };
}

export function toCommitment(row: SqlRow): CommitmentRow {
  return {
    holder: readSide(row, "holder"),
    number: readNumber(row, "number"),
    coverage: { local: readNumber(row, "covers_local"), remote: readNumber(row, "covers_remote") },
    feeRate: readNumber(row, "fee_rate"),
    revocationHash: readBytes(row, "revocation_hash"),
    signature: readOptional(row, "signature", readBytes),
    localMsat: readBigInt(row, "local_msat"),
    remoteMsat: readBigInt(row, "remote_msat"),
    htlcs: readNumber(row, "htlcs"),
  };
}

function toSlot(row: SqlRow): ChannelRows["revocationSlots"][number] {
  return {
    slot: readNumber(row, "slot"),
    index: readUint64(row, "chain_index"),
    preimage: readBytes(row, "preimage"),
  };
}

function toClearing(row: SqlRow): ClearingRow {
  return {
    side: readSide(row, "side"),
    number: readNumber(row, "number"),
    acknowledge: readNumber(row, "acknowledge"),
    script: readBytes(row, "script"),
  };
}

function toCloseOffer(row: SqlRow): CloseOfferRow {
  return {
    side: readSide(row, "side"),
    ordinal: readNumber(row, "ordinal"),
    feeSat: sat(readBigInt(row, "fee_sat")),
    signature: readBytes(row, "signature"),
  };
}
