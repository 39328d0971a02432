import { invariant } from "../../core/base/index.ts";
import type { ChannelRows, FeeRow, HtlcRow, Side, TotalsRow } from "../../core/payment-channel/index.ts";
import type { StoredNode } from "../../ports/store.ts";
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
    openInvoices: [...tables.invoices.values()].filter((row) => row.state === "open").map(copyRow),
    pendingPayments: [...tables.payments.values()].filter((row) => row.state === "pending").map(copyRow),
    coins: [...tables.coins]
      .filter(([, row]) => row.spentHeight === undefined || heights.has(row.spentHeight))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([, row]) => copyRow(row)),
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
  if (stage.stage === "closed" || stage.stage === "abandoned") return [];
  const funding = tables.funding.get(0);
  return [
    {
      channel: copyRow(channel),
      id: copyRow(id),
      terms: bySide(tables.terms.values(), (row) => row.side),
      stage: copyRow(stage),
      funding: copyRow(funding),
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
    },
  ];
}

function bySide<T>(rows: Iterable<T>, side: (row: T) => Side): T[] {
  return byNumber(rows, (row) => SIDES.indexOf(side(row)));
}

export function htlcsById(tables: ChannelTables): HtlcRow[] {
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
