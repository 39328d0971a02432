import { assertNever, invariant, toHex } from "../../core/base/index.ts";
import type { ChannelChange } from "../../core/payment-channel/index.ts";
import type { CoinRow, StoreChange } from "../../ports/store.ts";
import { type ChannelTables, emptyChannelTables, type Tables } from "./tables.ts";
import type { Transaction } from "./transaction.ts";

/** Makes all changes within the transaction; throws InvariantBroken where they contradict the rows. */
export function writeChanges(tables: Tables, tx: Transaction, changes: readonly StoreChange[]): void {
  for (const change of changes) writeChange(tables, tx, change);
  for (const change of changes) {
    if (change.type !== "channel" || change.change.type !== "created") continue;
    const created = tables.channels.get(change.channel);
    if (created === undefined) continue;
    const { stage, totals } = created;
    invariant(stage.has(0) && totals.has(0), `channel ${change.channel} is created together with its stage and totals`);
  }
}

function writeChange(tables: Tables, tx: Transaction, change: StoreChange): void {
  switch (change.type) {
    case "channel":
      if (change.change.type === "created") tx.insert(tables.channels, change.channel, emptyChannelTables());
      writeChannel(channelTables(tables, change.channel), tx, change.channel, change.change);
      return;
    case "channel_removed":
      tx.remove(tables.channels, change.channel);
      return;
    case "channel_index":
      tx.set(tables.counters, "nextChannelIndex", change.next);
      return;
    case "peer":
      tx.set(tables.peers, change.row.index, change.row);
      return;
    case "stream":
      tx.set(tables.streams, change.row.peer, change.row);
      return;
    case "outbox": {
      const { peer, number } = change.row;
      if (!tables.outbox.has(peer)) tx.insert(tables.outbox, peer, new Map());
      tx.insert(tables.outbox.get(peer) ?? new Map(), number, change.row);
      return;
    }
    case "outbox_pruned": {
      const packets = tables.outbox.get(change.peer) ?? new Map();
      for (const number of [...packets.keys()]) if (number <= change.upTo) tx.remove(packets, number);
      return;
    }
    case "peer_copy":
      tx.set(tables.peerCopies, change.row.peer, change.row);
      return;
    case "peer_copy_removed":
      tx.remove(tables.peerCopies, change.peer);
      return;
    case "invoice":
      tx.set(tables.invoices, toHex(change.row.paymentHash), change.row);
      return;
    case "payment":
      tx.set(tables.payments, change.row.id, change.row);
      return;
    case "record":
      tx.set(channelTables(tables, change.row.channel).record, 0, change.row);
      return;
    case "tally": {
      const { channel, offerer, outcome } = change.row;
      tx.set(channelTables(tables, channel).tallies, `${offerer} ${outcome}`, change.row);
      return;
    }
    case "life":
      tx.set(channelTables(tables, change.row.channel).life, 0, change.row);
      return;
    case "moment":
      tx.insert(channelTables(tables, change.row.channel).moments, change.row.ordinal, change.row);
      return;
    case "replay_row": {
      const { channel, batch, place } = change.row;
      tx.insert(channelTables(tables, channel).replay, `${batch} ${place}`, change.row);
      return;
    }
    case "replay_pruned":
      pruneReplay(channelTables(tables, change.channel), tx, change);
      return;
    case "coin":
      tx.set(tables.coins, coinKey(change.row), change.row);
      return;
    case "coin_removed":
      tx.remove(tables.coins, coinKey(change));
      return;
    case "withdrawal":
      tx.set(tables.withdrawals, toHex(change.row.txid), change.row);
      return;
    case "withdrawal_removed":
      tx.remove(tables.withdrawals, toHex(change.txid));
      return;
    case "wallet_keys":
      tx.set(tables.counters, "nextReceive", change.row.nextReceive);
      tx.set(tables.counters, "nextChange", change.row.nextChange);
      return;
    case "block":
      tx.insert(tables.blocks, change.row.height, change.row);
      return;
    case "blocks_removed":
      for (const height of [...tables.blocks.keys()]) if (height >= change.height) tx.remove(tables.blocks, height);
      return;
    case "blocks_pruned":
      for (const height of [...tables.blocks.keys()]) if (height < change.below) tx.remove(tables.blocks, height);
      return;
    default:
      assertNever(change);
  }
}

/** Rows come in order, and so does what a map holds. */
function pruneReplay(
  { replay }: ChannelTables,
  tx: Transaction,
  { rows, checkpoints }: { readonly rows: number; readonly checkpoints: number },
): void {
  const all = [...replay.values()];
  const starts = all.flatMap(({ batch, place }) => (place === 0 ? [batch] : []));
  const enough = all.at(-rows)?.batch ?? 0;
  const first = Math.max(starts.findLast((batch) => batch <= enough) ?? 0, starts.at(-checkpoints) ?? 0);
  for (const [key, { batch }] of [...replay]) if (batch < first) tx.remove(replay, key);
}

function coinKey({ txid, outputIndex }: Pick<CoinRow, "txid" | "outputIndex">): string {
  return `${toHex(txid)}:${outputIndex.toString().padStart(10, "0")}`;
}

function channelTables(tables: Tables, channel: number): ChannelTables {
  const found = tables.channels.get(channel);
  invariant(found !== undefined, `channel ${channel} is created before it changes`);
  return found;
}

function writeChannel(tables: ChannelTables, tx: Transaction, channel: number, change: ChannelChange): void {
  switch (change.type) {
    case "created":
      invariant(change.row.index === channel, "a channel is created under its own index");
      tx.insert(tables.channel, 0, change.row);
      tx.insert(tables.id, 0, change.id);
      return;
    case "named":
      tx.set(tables.id, 0, change.id);
      return;
    case "terms":
      tx.set(tables.terms, change.row.side, change.row);
      return;
    case "stage":
      tx.set(tables.stage, 0, change.row);
      return;
    case "funding":
      tx.set(tables.funding, 0, change.row);
      return;
    case "dual_funding":
      tx.set(tables.dualFunding, 0, change.row);
      return;
    case "funding_share":
      tx.set(tables.fundingShares, change.row.side, change.row);
      return;
    case "totals":
      tx.set(tables.totals, 0, change.row);
      return;
    case "htlc_added":
      invariant(change.row.removal === undefined, `HTLC ${change.row.id} is added before it is removed`);
      tx.insert(tables.htlcs, change.row.id, change.row);
      return;
    case "htlc_removed": {
      const { id, removal, removedBy, removeNumber } = change;
      const htlc = tables.htlcs.get(id);
      invariant(
        htlc !== undefined && htlc.removal === undefined,
        `HTLC ${id} of channel ${channel} is there and removed once`,
      );
      tx.set(tables.htlcs, id, { ...htlc, removal, removedBy, removeNumber });
      tx.remove(tables.removalRequests, id);
      return;
    }
    case "htlc_accepted": {
      const { id, addNumber } = change;
      const htlc = tables.htlcs.get(id);
      invariant(
        htlc !== undefined && htlc.addNumber === 0 && htlc.removal === undefined,
        `HTLC ${id} of channel ${channel} is requested, and accepted once`,
      );
      tx.set(tables.htlcs, id, { ...htlc, addNumber });
      return;
    }
    case "removal_requested": {
      const { id } = change.row;
      const waits = tables.htlcs.get(id)?.removal === undefined && tables.htlcs.has(id);
      invariant(waits, `HTLC ${id} of channel ${channel} is there, and not removed`);
      tx.set(tables.removalRequests, id, change.row);
      return;
    }
    case "fee":
      tx.insert(tables.fees, `${change.row.owner} ${change.row.number}`, change.row);
      return;
    case "commitment":
      tx.insert(tables.commitments, `${change.row.holder} ${change.row.number}`, change.row);
      if (change.row.holder === "remote") useRevocationHashes(tables, tx, change.row.number);
      return;
    case "revoked":
      tx.set(tables.revocationSlots, `${change.slot.slot}`, change.slot);
      return;
    case "revocation_hash":
      tx.set(tables.revocationHashes, `${change.row.number}`, change.row);
      return;
    case "clearing":
      tx.set(tables.clearings, change.row.side, change.row);
      return;
    case "close_offer":
      tx.insert(tables.closeOffers, `${change.row.ordinal}`, change.row);
      return;
    case "anchor_spend": {
      const before = tables.anchorSpend.get(0);
      if (before !== undefined && toHex(before.txid) !== toHex(change.row.txid)) {
        clear(tables.chainOutputs, tx);
        clear(tables.sweeps, tx);
      }
      tx.set(tables.anchorSpend, 0, change.row);
      return;
    }
    case "chain_output":
      tx.set(tables.chainOutputs, `${change.row.index}`, change.row);
      return;
    case "sweep":
      tx.insert(tables.sweeps, toHex(change.row.txid), change.row);
      return;
    case "sweep_dropped":
      tx.remove(tables.sweeps, toHex(change.txid));
      return;
    case "known_preimage":
      tx.set(tables.knownPreimages, `${change.row.htlcId}`, change.row);
      return;
    case "known_preimage_dropped":
      tx.remove(tables.knownPreimages, `${change.htlcId}`);
      return;
    case "own_revocation_hash":
    case "acknowledged":
      return;
    default:
      assertNever(change);
  }
}

function clear<T>(table: Map<string, T>, tx: Transaction): void {
  for (const key of [...table.keys()]) tx.remove(table, key);
}

/** Only hashes of commitments that are not signed yet are kept. */
function useRevocationHashes(tables: ChannelTables, tx: Transaction, upTo: number): void {
  for (const [key, { number }] of [...tables.revocationHashes])
    if (number <= upTo) tx.remove(tables.revocationHashes, key);
}
