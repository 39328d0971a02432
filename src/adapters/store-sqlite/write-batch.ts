import { assertNever, invariant } from "../../core/base/index.ts";
import type { InvoiceRow, PaymentRow } from "../../core/payment/index.ts";
import type { TotalsRow } from "../../core/payment-channel/index.ts";
import type { CoinRow, PeerRow, StoreChange, StreamRow, WithdrawalRow } from "../../ports/store.ts";
import { booleanToSql, hashPrefixToSql, INVOICE_STATES, PAYMENT_STATES, placeToSql, uint64ToSql } from "./columns.ts";
import type { SqlEngine } from "./engine.ts";
import { outboxPosition } from "./outbox-position.ts";
import { replayWriter } from "./replay-rows.ts";
import { insert, upsert } from "./statements.ts";
import { channelRemover, channelWriter } from "./write-channel.ts";
import { recordWriter } from "./write-record.ts";

/**
 * Prepares what writes the changes of a batch; the caller makes them one transaction. Totals and stream rows change with
 * almost every step, so that of several for one key only the last is written.
 */
export function batchWriter(engine: SqlEngine): (changes: readonly StoreChange[]) => void {
  const writeChannel = channelWriter(engine);
  const removeChannel = channelRemover(engine);
  const writePeer = peerWriter(engine);
  const writeMoney = moneyWriter(engine);
  const writeRecord = recordWriter(engine);
  const writeReplay = replayWriter(engine);
  const checkCreated = createdCheck(engine);
  const setNextChannel = engine.prepare("UPDATE counter SET value = ? WHERE name = 'next_channel_index'");

  return (changes) => {
    const totals = new Map<number, TotalsRow>();
    const streams = new Map<number, StreamRow>();
    const created = new Set<number>();
    for (const change of changes) {
      switch (change.type) {
        case "channel":
          if (change.change.type === "totals") {
            totals.set(change.channel, change.change.row);
            break;
          }
          if (change.change.type === "created") created.add(change.channel);
          writeChannel(change.channel, change.change);
          break;
        case "channel_removed":
          totals.delete(change.channel);
          created.delete(change.channel);
          removeChannel(change.channel);
          break;
        case "stream":
          streams.set(change.row.peer, change.row);
          break;
        case "peer":
        case "outbox":
        case "outbox_pruned":
        case "peer_copy":
        case "peer_copy_removed":
          writePeer(change);
          break;
        case "channel_index":
          setNextChannel.run(change.next);
          break;
        case "record":
        case "tally":
        case "life":
        case "moment":
          writeRecord(change);
          break;
        case "replay_row":
        case "replay_pruned":
          writeReplay(change);
          break;
        default:
          writeMoney(change);
      }
    }
    for (const [channel, row] of totals) writeChannel(channel, { type: "totals", row });
    for (const row of streams.values()) writePeer({ type: "stream", row });
    for (const channel of created) checkCreated(channel);
  };
}

type OfType<T extends StoreChange["type"]> = Extract<StoreChange, { type: T }>;

type PeerChange = OfType<"peer" | "stream" | "outbox" | "outbox_pruned" | "peer_copy" | "peer_copy_removed">;

function peerWriter(engine: SqlEngine) {
  const setCopy = upsert(engine, "peer_copy", "peer", "bytes");
  const removeCopy = engine.prepare("DELETE FROM peer_copy WHERE peer = ?");
  const setPeer = upsert(engine, "peer", "peer", "node_id host port");
  const setStream = upsert(
    engine,
    "stream",
    "peer",
    "received received_digest sent acknowledged packet_acknowledge acknowledged_digest",
  );
  const addPacket = insert(engine, "outbox", "position acknowledge packet");
  const prune = engine.prepare("DELETE FROM outbox WHERE position BETWEEN ? AND ?");

  return (change: PeerChange): void => {
    switch (change.type) {
      case "outbox": {
        const { peer, number, acknowledge, packet } = change.row;
        addPacket.run(outboxPosition(peer, number), acknowledge, packet);
        return;
      }
      case "outbox_pruned":
        prune.run(outboxPosition(change.peer, 0), outboxPosition(change.peer, change.upTo));
        return;
      case "stream": {
        const { peer, received, receivedDigest, sent, acknowledged, packetAcknowledge, acknowledgedDigest } =
          change.row;
        setStream.run(peer, received, receivedDigest, sent, acknowledged, packetAcknowledge, acknowledgedDigest);
        return;
      }
      case "peer_copy":
        setCopy.run(change.row.peer, change.row.bytes);
        return;
      case "peer_copy_removed":
        removeCopy.run(change.peer);
        return;
      case "peer": {
        const { index, nodeId, address }: PeerRow = change.row;
        setPeer.run(index, nodeId, address?.host ?? null, address?.port ?? null);
        return;
      }
      default:
        assertNever(change);
    }
  };
}

/** A channel without its stage or its totals could not be loaded. */
function createdCheck(engine: SqlEngine): (channel: number) => void {
  const find = engine.prepare("SELECT 1 FROM stage JOIN totals USING (channel) WHERE channel = ?");
  return (channel) => {
    invariant(find.get(channel) !== undefined, `channel ${channel} is created together with its stage and totals`);
  };
}

type MoneyChange =
  | "invoice"
  | "payment"
  | "coin"
  | "coin_removed"
  | "withdrawal"
  | "withdrawal_removed"
  | "wallet_keys"
  | "block"
  | "blocks_removed"
  | "blocks_pruned";

/** Invoices, payments, the wallet and what it knows of the chain. */
function moneyWriter(engine: SqlEngine) {
  const writeInvoice = invoiceWriter(engine);
  const writePayment = paymentWriter(engine);
  const writeCoin = coinWriter(engine);
  const removeCoin = engine.prepare("DELETE FROM coin WHERE txid = ? AND output_index = ?");
  const writeWithdrawal = withdrawalWriter(engine);
  const removeWithdrawal = engine.prepare("DELETE FROM withdrawal WHERE txid = ?");
  const setKeys = engine.prepare(
    `UPDATE counter SET value = CASE name WHEN 'next_receive' THEN ? ELSE ? END
     WHERE name IN ('next_receive', 'next_change')`,
  );
  const addBlock = insert(engine, "block", "height hash");
  const pruneBlocks = engine.prepare("DELETE FROM block WHERE height < ?");
  const removeBlocks = engine.prepare("DELETE FROM block WHERE height >= ?");

  return (change: OfType<MoneyChange>): void => {
    switch (change.type) {
      case "invoice":
        writeInvoice(change.row);
        return;
      case "payment":
        writePayment(change.row);
        return;
      case "coin":
        writeCoin(change.row);
        return;
      case "coin_removed":
        removeCoin.run(change.txid, change.outputIndex);
        return;
      case "withdrawal":
        writeWithdrawal(change.row);
        return;
      case "withdrawal_removed":
        removeWithdrawal.run(change.txid);
        return;
      case "wallet_keys":
        setKeys.run(change.row.nextReceive, change.row.nextChange);
        return;
      case "block":
        addBlock.run(change.row.height, change.row.hash);
        return;
      case "blocks_removed":
        removeBlocks.run(change.height);
        return;
      case "blocks_pruned":
        pruneBlocks.run(change.below);
        return;
      default:
        assertNever(change);
    }
  };
}

function invoiceWriter(engine: SqlEngine): (row: InvoiceRow) => void {
  const columns = "amount_msat description created_at state received_msat ended_after";
  const add = insert(engine, "invoice", `hash_prefix preimage ${columns}`);
  const update = engine.prepare(
    `UPDATE invoice SET ${columns.replaceAll(" ", " = ?, ")} = ? WHERE hash_prefix = ? AND preimage = ?`,
  );
  return (row) => {
    const { paymentHash, preimage, amountMsat, description, createdAt, receivedMsat, endedAt } = row;
    const state = placeToSql(row.state, INVOICE_STATES);
    const end = [receivedMsat ?? null, after(createdAt, endedAt)];
    const values = [amountMsat ?? null, description, createdAt, state, ...end];
    const key = [hashPrefixToSql(paymentHash), preimage];
    if (update.run(...values, ...key).changes === 0) add.run(...key, ...values);
  };
}

function after(createdAt: number, endedAt: number | undefined): number | null {
  return endedAt === undefined ? null : endedAt - createdAt;
}

function paymentWriter(engine: SqlEngine): (row: PaymentRow) => void {
  const set = upsert(engine, "payment", "id", "lock amount_msat channel htlc_id state failure created_at ended_after");
  return (row) => {
    const { id, paymentHash, amountMsat, channel, htlcId, state, preimage, failure, createdAt, endedAt } = row;
    invariant((preimage !== undefined) === (state === "succeeded"), "a payment that succeeded has a preimage");
    const outcome = [placeToSql(state, PAYMENT_STATES), failure ?? null];
    const times = [createdAt, after(createdAt, endedAt)];
    set.run(id, preimage ?? paymentHash, amountMsat, channel, uint64ToSql(htlcId), ...outcome, ...times);
  };
}

function coinWriter(engine: SqlEngine): (row: CoinRow) => void {
  const set = upsert(
    engine,
    "coin",
    "txid output_index",
    "amount_sat key_kind key_index coinbase height reserved_for spent_height",
  );
  return (row) => {
    const { txid, outputIndex, amountSat, keyKind, keyIndex, height, reservedFor, spentHeight } = row;
    const [coinbase, heights] = [
      booleanToSql(row.coinbase),
      [height ?? null, reservedFor ?? null, spentHeight ?? null],
    ];
    set.run(txid, outputIndex, amountSat, keyKind, keyIndex, coinbase, ...heights);
  };
}

function withdrawalWriter(engine: SqlEngine): (row: WithdrawalRow) => void {
  const set = upsert(
    engine,
    "withdrawal",
    "txid",
    "raw_transaction output_index fee_sat created_at height conflict_height",
  );
  return ({ txid, transaction, outputIndex, feeSat, createdAt, height, conflictHeight }) =>
    set.run(txid, transaction, outputIndex, feeSat, createdAt, height ?? null, conflictHeight ?? null);
}
