import { asChannelId, msat, sat } from "../../core/base/index.ts";
import type { CommitmentRow, HtlcRow, Side } from "../../core/payment-channel/index.ts";
import {
  type ChannelHistory,
  HTLC_OUTCOMES,
  type LifeRow,
  type MomentRow,
  type RecordRow,
  type RecordRows,
  type TallyRow,
  type UncountedHtlc,
} from "../../ports/record-rows.ts";
import { readBigInt, readBytes, readNumber, readOptional, readPlaced, readSide, sideToSql } from "./columns.ts";
import type { SqlEngine, SqlRow, SqlStatement } from "./engine.ts";
import { onChainReader } from "./on-chain.ts";
import { toChannel, toCommitment, toFunding, toHtlc, toStage, toTotals } from "./read-channel.ts";

/** Prepares what reads one channel, live or ended, for the books. */
export function historyReader(engine: SqlEngine): (channel: number) => ChannelHistory | undefined {
  const find = engine.prepare(
    `SELECT channel.*, stage.*, totals.* FROM channel JOIN stage USING (channel) JOIN totals USING (channel)
     WHERE channel = ?`,
  );
  const funding = engine.prepare("SELECT * FROM funding WHERE channel = ?");
  const readOnChain = onChainReader(engine);
  const readRecord = recordReader(engine);
  return (channel) => {
    const row = find.get(channel);
    if (row === undefined) return undefined;
    const funded = funding.get(channel);
    return {
      channel: toChannel(row),
      id: asChannelId(readBytes(row, "id")),
      stage: toStage(row),
      funding: funded && toFunding(funded),
      anchorSpend: readOnChain(channel).anchorSpend,
      totals: toTotals(row),
      ...readRecord(channel),
    };
  };
}

/** Prepares what reads the record of a channel as it was last flushed. */
export function recordReader(engine: SqlEngine): (channel: number) => RecordRows {
  const record = engine.prepare("SELECT * FROM record WHERE channel = ?");
  const life = engine.prepare("SELECT * FROM life WHERE channel = ?");
  const tallies = engine.prepare("SELECT * FROM tally WHERE channel = ? ORDER BY offerer, outcome");
  const lastMoment = engine.prepare("SELECT * FROM moment WHERE channel = ? ORDER BY ordinal DESC LIMIT 1");
  return (channel) => {
    const [recordRow, lifeRow, moment] = [record.get(channel), life.get(channel), lastMoment.get(channel)];
    return {
      record: recordRow && toRecord(recordRow),
      life: lifeRow && toLife(lifeRow),
      tallies: tallies.all(channel).map(toTally),
      lastMoment: moment && toMoment(moment),
    };
  };
}

/** Prepares what reads the removals that a record does not count. */
export function uncountedReader(
  engine: SqlEngine,
): (channel: number, record: RecordRow | undefined) => UncountedHtlc[] {
  const removed = engine.prepare("SELECT * FROM htlc WHERE channel = ? AND removed_by = ? AND remove_number > ?");
  return (channel, record) => {
    const { local, remote } = record?.countedUpTo ?? { local: 0, remote: 0 };
    return [...removed.all(channel, 0, local), ...removed.all(channel, 1, remote)].map((row) => ({
      offerer: readSide(row, "offerer"),
      amountMsat: msat(readBigInt(row, "amount_msat")),
      failReason: readOptional(row, "fail_reason", readBytes),
      removedBy: readSide(row, "removed_by"),
      removeNumber: readNumber(row, "remove_number"),
    }));
  };
}

type HtlcPage = { readonly offerer: Side; readonly before: bigint | undefined; readonly limit: number };

/** Prepares what reads the HTLCs that a side offered, live and past, page by page, the newest first. */
export function htlcPageReader(engine: SqlEngine): (channel: number, page: HtlcPage) => HtlcRow[] {
  const lastIds = engine.prepare("SELECT local_last_id, remote_last_id FROM totals WHERE channel = ?");
  // Ids from 2^63 on are negative in the file, hence two ranges, the negative one first. The ids of a side have no gaps
  // below its last one: a page walks over no more HTLCs of the other side than it has itself.
  const inRange = (sign: string): SqlStatement =>
    engine.prepare(
      `SELECT * FROM htlc WHERE channel = ? AND id ${sign} 0 AND id <= ? AND offerer = ? ORDER BY id DESC LIMIT ?`,
    );
  const [low, high] = [inRange(">="), inRange("<")];
  const limitOfLow = 2n ** 63n;
  return (channel, { offerer, before, limit }) => {
    const totals = lastIds.get(channel);
    const last = totals && readOptional(totals, `${offerer}_last_id`, readBigInt);
    if (last === undefined || before === 0n) return [];
    const newest = BigInt.asUintN(64, last);
    const from = before === undefined || before > newest ? newest : before - 1n;
    const side = sideToSql(offerer);
    const first = from >= limitOfLow ? high.all(channel, BigInt.asIntN(64, from), side, limit) : [];
    const start = from >= limitOfLow ? limitOfLow - 1n : from;
    const second = first.length < limit ? low.all(channel, start, side, limit - first.length) : [];
    return [...first, ...second].map(toHtlc);
  };
}

type CommitmentPage = { readonly holder: Side; readonly before: number | undefined; readonly limit: number };

/** Prepares what reads the commitments of a holder page by page, the newest first. */
export function commitmentPageReader(engine: SqlEngine): (channel: number, page: CommitmentPage) => CommitmentRow[] {
  const find = engine.prepare(
    "SELECT * FROM commitment WHERE channel = ? AND holder = ? AND number < ? ORDER BY number DESC LIMIT ?",
  );
  return (channel, { holder, before, limit }) =>
    find.all(channel, sideToSql(holder), before ?? Number.MAX_SAFE_INTEGER, limit).map(toCommitment);
}

/** Prepares what reads the moments of a channel page by page, in order. */
export function momentPageReader(
  engine: SqlEngine,
): (channel: number, page: { readonly from: number; readonly limit: number }) => MomentRow[] {
  const find = engine.prepare("SELECT * FROM moment WHERE channel = ? AND ordinal >= ? ORDER BY ordinal LIMIT ?");
  return (channel, { from, limit }) => find.all(channel, from, limit).map(toMoment);
}

function toRecord(row: SqlRow): RecordRow {
  return {
    channel: readNumber(row, "channel"),
    countedUpTo: { local: readNumber(row, "counted_local"), remote: readNumber(row, "counted_remote") },
    connections: readNumber(row, "connections"),
    lowestLocalMsat: readOptional(row, "lowest_local_msat", readBigInt),
    lowestRemoteMsat: readOptional(row, "lowest_remote_msat", readBigInt),
  };
}

function toLife(row: SqlRow): LifeRow {
  const funding = readOptional(row, "funding_fee_sat", readBigInt);
  return {
    channel: readNumber(row, "channel"),
    openedAt: readOptional(row, "opened_at", readNumber),
    endedAt: readOptional(row, "ended_at", readNumber),
    fundingFeeSat: funding === undefined ? undefined : sat(funding),
  };
}

function toTally(row: SqlRow): TallyRow {
  return {
    channel: readNumber(row, "channel"),
    offerer: readSide(row, "offerer"),
    outcome: readPlaced(row, "outcome", HTLC_OUTCOMES),
    count: readNumber(row, "count"),
    amountMsat: readBigInt(row, "amount_msat"),
  };
}

function toMoment(row: SqlRow): MomentRow {
  const both = (name: string) => ({
    local: readNumber(row, `${name}_local`),
    remote: readNumber(row, `${name}_remote`),
  });
  return {
    channel: readNumber(row, "channel"),
    ordinal: readNumber(row, "ordinal"),
    at: readNumber(row, "at"),
    staged: both("staged"),
    settled: both("settled"),
    commitments: both("commitment"),
  };
}
