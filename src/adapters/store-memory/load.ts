import { invariant } from "../../core/base/index.ts";
import {
  addedBy,
  type ChannelRows,
  type CommitmentRow,
  type Coverage,
  type FeeRow,
  type HtlcRow,
  type Side,
  type SweepRow,
  type TotalsRow,
} from "../../core/payment-channel/index.ts";
import {
  type ChannelHistory,
  HTLC_OUTCOMES,
  type MomentRow,
  type RecordRows,
  type UncountedHtlc,
} from "../../ports/record-rows.ts";
import type { Store, StoredNode } from "../../ports/store.ts";
import type { ChannelTables, Tables } from "./tables.ts";
import { copyRow } from "./transaction.ts";

const SIDES: readonly Side[] = ["local", "remote"];

/** All that a starting node needs, sharing nothing with the tables. */
export function loadNode(tables: Tables): StoredNode {
  const { counters, blocks } = tables;
  const heights = new Set(blocks.keys());
  return {
    sequence: counters.get("sequence") ?? 0,
    nextChannelIndex: counters.get("nextChannelIndex") ?? 0,
    peers: byNumber(tables.peers.values(), (row) => row.index),
    streams: byNumber(tables.streams.values(), (row) => row.peer),
    outbox: sortedKeys(tables.outbox).flatMap((peer) =>
      byNumber(tables.outbox.get(peer)?.values() ?? [], (row) => row.number),
    ),
    channels: sortedKeys(tables.channels).flatMap((index) => liveChannel(tables.channels.get(index))),
    records: sortedKeys(tables.channels).flatMap((index) => liveRecord(index, tables.channels.get(index))),
    // What is in memory is as it was written.
    damaged: [],
    openInvoices: [...tables.invoices.values()].filter((row) => row.state === "open").map(copyRow),
    pendingPayments: [...tables.payments.values()].filter((row) => row.state === "pending").map(copyRow),
    coins: [...tables.coins]
      .filter(([, row]) => row.spentHeight === undefined || heights.has(row.spentHeight))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([, row]) => copyRow(row)),
    withdrawals: [...tables.withdrawals].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => copyRow(row)),
    walletKeys: { nextReceive: counters.get("nextReceive") ?? 0, nextChange: counters.get("nextChange") ?? 0 },
    blocks: byNumber(blocks.values(), (row) => row.height),
  };
}

function sortedKeys(table: ReadonlyMap<number, unknown>): number[] {
  return [...table.keys()].sort((a, b) => a - b);
}

/** Copies of the rows in ascending order. */
function byNumber<T>(rows: Iterable<T>, key: (row: T) => number): T[] {
  return [...rows].sort((a, b) => key(a) - key(b)).map(copyRow);
}

function liveChannel(tables: ChannelTables | undefined): ChannelRows[] {
  const [channel, id, stage] = [tables?.channel.get(0), tables?.id.get(0), tables?.stage.get(0)];
  const totals = tables?.totals.get(0);
  invariant(
    tables !== undefined && channel !== undefined && id !== undefined && stage !== undefined && totals !== undefined,
    "a channel is created with its id, stage and totals",
  );
  if (isEnded(stage)) return [];
  const funding = tables.funding.get(0);
  return [
    {
      channel: copyRow(channel),
      id: copyRow(id),
      terms: bySide(tables.terms.values(), (row) => row.side),
      stage: copyRow(stage),
      funding: copyRow(funding),
      dualFunding: copyRow(tables.dualFunding.get(0)),
      fundingShares: bySide(tables.fundingShares.values(), (row) => row.side),
      totals: copyRow(totals),
      htlcs: htlcsById(tables)
        .filter((row) => isLive(row, totals))
        .map(copyRow),
      removalRequests: [...tables.removalRequests.values()].sort((a, b) => (a.id < b.id ? -1 : 1)).map(copyRow),
      fees: SIDES.flatMap((side) => liveFees(tables, side, totals)),
      commitments: liveCommitments(tables, totals),
      revocationHashes: byNumber(tables.revocationHashes.values(), (row) => row.number),
      revocationSlots: byNumber(tables.revocationSlots.values(), (row) => row.slot),
      clearings: bySide(tables.clearings.values(), (row) => row.side),
      closeOffers: byNumber(tables.closeOffers.values(), (row) => row.ordinal),
      anchorSpend: copyRow(tables.anchorSpend.get(0)),
      chainOutputs: byNumber(tables.chainOutputs.values(), (row) => row.index),
      sweeps: [...tables.sweeps].sort(bySweep).map(([, row]) => copyRow(row)),
      knownPreimages: byNumber(tables.knownPreimages.values(), (row) => Number(BigInt.asIntN(64, row.htlcId))),
    },
  ];
}

function isEnded({ stage }: ChannelRows["stage"]): boolean {
  return stage === "buried" || stage === "abandoned";
}

function liveRecord(channel: number, tables: ChannelTables | undefined): StoredNode["records"][number][] {
  const stage = tables?.stage.get(0);
  if (tables === undefined || stage === undefined || isEnded(stage)) return [];
  return [{ channel, ...recordOf(tables), uncounted: uncounted(tables) }];
}

/** What the record of a channel is as of its last flush. */
function recordOf(tables: ChannelTables): RecordRows {
  return {
    record: copyRow(tables.record.get(0)),
    life: copyRow(tables.life.get(0)),
    tallies: HTLC_OUTCOMES.flatMap((outcome) => [...tables.tallies.values()].filter((row) => row.outcome === outcome))
      .sort((a, b) => SIDES.indexOf(a.offerer) - SIDES.indexOf(b.offerer))
      .map(copyRow),
    lastMoment: copyRow(tables.moments.get(tables.moments.size - 1)),
  };
}

/** The same of a channel that is live or ended. */
export function historyOf(tables: ChannelTables): ChannelHistory {
  const [channel, id, stage] = [tables.channel.get(0), tables.id.get(0), tables.stage.get(0)];
  const totals = tables.totals.get(0);
  invariant(
    channel !== undefined && id !== undefined && stage !== undefined && totals !== undefined,
    "a channel is created with its id, stage and totals",
  );
  return {
    ...copyRow({ channel, id, stage, funding: tables.funding.get(0), anchorSpend: tables.anchorSpend.get(0), totals }),
    ...recordOf(tables),
  };
}

export function htlcPage(tables: ChannelTables, page: Parameters<Store["htlcs"]>[1]): HtlcRow[] {
  const { offerer, before, limit } = page;
  return htlcsById(tables)
    .filter((row) => row.offerer === offerer && (before === undefined || row.id < before))
    .reverse()
    .slice(0, limit)
    .map(copyRow);
}

export function commitmentPage(tables: ChannelTables, page: Parameters<Store["commitments"]>[1]): CommitmentRow[] {
  const { holder, before, limit } = page;
  return byNumber(tables.commitments.values(), (row) => row.number)
    .filter((row) => row.holder === holder && (before === undefined || row.number < before))
    .reverse()
    .slice(0, limit);
}

export function momentPage(tables: ChannelTables, page: Parameters<Store["moments"]>[1]): MomentRow[] {
  return byNumber(tables.moments.values(), (row) => row.ordinal)
    .filter((row) => row.ordinal >= page.from)
    .slice(0, page.limit);
}

function uncounted(tables: ChannelTables): UncountedHtlc[] {
  const counted = tables.record.get(0)?.countedUpTo ?? { local: 0, remote: 0 };
  return htlcsById(tables)
    .filter(({ removal, removedBy, removeNumber }) => removal !== undefined && removeNumber > counted[removedBy])
    .map(({ offerer, amountMsat, removal, removedBy, removeNumber }) => ({
      offerer,
      amountMsat,
      failReason: removal?.type === "failed" ? copyRow(removal.reason) : undefined,
      removedBy,
      removeNumber,
    }));
}

function bySweep([a, one]: [string, SweepRow], [b, other]: [string, SweepRow]): number {
  return one.createdHeight - other.createdHeight || (a < b ? -1 : 1);
}

function bySide<T>(rows: Iterable<T>, side: (row: T) => Side): T[] {
  return byNumber(rows, (row) => SIDES.indexOf(side(row)));
}

function htlcsById(tables: ChannelTables): HtlcRow[] {
  return [...tables.htlcs.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** Not removed, or its removal is not settled yet. */
function isLive(row: HtlcRow, { settledUpTo }: TotalsRow): boolean {
  return row.removal === undefined || row.removeNumber > settledUpTo[row.removedBy];
}

/** The newest that every commitment covers, and those after it. */
function liveFees(tables: ChannelTables, owner: Side, { settledUpTo }: TotalsRow): FeeRow[] {
  const fees = byNumber(tables.fees.values(), (row) => row.number).filter((row) => row.owner === owner);
  const covered = fees.findLast((row) => row.number <= settledUpTo[owner]);
  return fees.filter((row) => row.number >= (covered?.number ?? 0));
}

/** Ours that is newest (each verified one revokes the one before), and the peer's that it has not revoked. */
function liveCommitments(tables: ChannelTables, { remoteUnrevoked }: TotalsRow): ChannelRows["commitments"] {
  const all = byNumber(tables.commitments.values(), (row) => row.number);
  const remote = all.filter((row) => row.holder === "remote" && row.number >= remoteUnrevoked);
  return [...all.filter((row) => row.holder === "local").slice(-1), ...remote];
}

/** The commitments of that number, and every HTLC that stands in one of them. */
export function publishedOf(
  tables: ChannelTables | undefined,
  number: number,
): { readonly commitments: readonly CommitmentRow[]; readonly htlcs: readonly HtlcRow[] } {
  if (tables === undefined) return { commitments: [], htlcs: [] };
  const commitments = SIDES.flatMap((side) => tables.commitments.get(`${side} ${number}`) ?? []);
  const htlcs = htlcsById(tables).filter((htlc) => commitments.some(({ coverage }) => standsIn(htlc, coverage)));
  return { commitments: commitments.map(copyRow), htlcs: htlcs.map(copyRow) };
}

function standsIn(row: HtlcRow, coverage: Coverage): boolean {
  const { addNumber, removal, removedBy, removeNumber } = row;
  const isAdded = addNumber > 0 && addNumber <= coverage[addedBy(row)];
  return isAdded && (removal === undefined || removeNumber > coverage[removedBy]);
}
