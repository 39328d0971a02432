import { asChannelId, asNodeId, asPaymentHash, asTxid, equalBytes, msat, sat } from "../../core/base/index.ts";
import { sha256 } from "../../core/crypto/index.ts";
import type { InvoiceRow, PaymentRow } from "../../core/payment/index.ts";
import type {
  CoinRow,
  DamagedChannel,
  OutboxRow,
  PeerRow,
  StoredNode,
  StreamRow,
  WithdrawalRow,
} from "../../ports/store.ts";
import {
  hashPrefixToSql,
  INVOICE_STATES,
  PAYMENT_STATES,
  readBigInt,
  readBoolean,
  readBytes,
  readNumber,
  readOptional,
  readPlaced,
  readText,
  readUint64,
  readWord,
} from "./columns.ts";
import type { SqlEngine, SqlRow } from "./engine.ts";
import { isOfEngine } from "./errors.ts";
import { outboxPlace } from "./outbox-position.ts";
import { channelReader } from "./read-channel.ts";
import { recordReader, uncountedReader } from "./read-history.ts";

const KEY_KINDS: Readonly<Record<CoinRow["keyKind"], true>> = { receive: true, change: true, final: true };

/** Prepares what reads all that a starting node needs. */
export function nodeReader(engine: SqlEngine): () => StoredNode {
  const counters = engine.prepare("SELECT name, value FROM counter");
  const peers = engine.prepare("SELECT * FROM peer ORDER BY peer");
  const streams = engine.prepare("SELECT * FROM stream ORDER BY peer");
  const outbox = engine.prepare("SELECT * FROM outbox ORDER BY position");
  const invoices = engine.prepare("SELECT * FROM invoice INDEXED BY invoice_open WHERE state = 0 ORDER BY key");
  const payments = engine.prepare("SELECT * FROM payment INDEXED BY payment_pending WHERE state = 0 ORDER BY key");
  const coins = engine.prepare(
    `SELECT * FROM coin WHERE spent_height IS NULL OR spent_height IN (SELECT height FROM block)
     ORDER BY txid, output_index`,
  );
  const withdrawals = engine.prepare("SELECT * FROM withdrawal ORDER BY txid");
  const blocks = engine.prepare("SELECT * FROM block ORDER BY height");
  const readChannels = liveChannelsReader(engine);

  return () => {
    const counter = new Map(counters.all().map((row) => [readText(row, "name"), readNumber(row, "value")]));
    const count = (name: string) => counter.get(name) ?? 0;
    return {
      sequence: count("sequence"),
      nextChannelIndex: count("next_channel_index"),
      peers: peers.all().map(toPeer),
      streams: streams.all().map(toStream),
      outbox: outbox.all().map(toOutbox),
      ...readChannels(),
      openInvoices: invoices.all().map(toInvoice),
      pendingPayments: payments.all().map(toPayment),
      coins: coins.all().map(toCoin),
      withdrawals: withdrawals.all().map(toWithdrawal),
      walletKeys: { nextReceive: count("next_receive"), nextChange: count("next_change") },
      blocks: blocks.all().map((row) => ({ height: readNumber(row, "height"), hash: readBytes(row, "hash") })),
    };
  };
}

/** Channels that are not over with their records, each by itself: what is wrong with the rows of one says nothing of the others. */
function liveChannelsReader(engine: SqlEngine): () => Pick<StoredNode, "channels" | "records" | "damaged"> {
  const { rows: all, read } = channelReader(engine);
  const readRecord = recordReader(engine);
  const readUncounted = uncountedReader(engine);
  return () => {
    const channels: StoredNode["channels"][number][] = [];
    const records: StoredNode["records"][number][] = [];
    const damaged: DamagedChannel[] = [];
    for (const row of all()) {
      const channel = readNumber(row, "channel");
      try {
        const found = read(row);
        const written = readRecord(channel);
        records.push({ channel, ...written, uncounted: readUncounted(channel, written.record) });
        channels.push(found);
      } catch (cause) {
        if (isOfEngine(cause)) throw cause;
        damaged.push(toDamaged(row, cause instanceof Error ? cause.message : String(cause)));
      }
    }
    return { channels, records, damaged };
  };
}

/** As much as can be read. */
function toDamaged(row: SqlRow, problem: string): DamagedChannel {
  const whole = <T>(read: () => T): T | undefined => {
    try {
      return read();
    } catch {
      return undefined;
    }
  };
  return {
    channel: readNumber(row, "channel"),
    channelId: whole(() => asChannelId(readBytes(row, "id"))),
    peer: whole(() => asNodeId(readBytes(row, "peer"))),
    stale: whole(() => readBoolean(row, "stale")) ?? false,
    problem,
  };
}

export function invoiceReader(engine: SqlEngine): (paymentHash: Uint8Array) => InvoiceRow | undefined {
  const find = engine.prepare("SELECT * FROM invoice WHERE hash_prefix = ?");
  return (paymentHash) =>
    find
      .all(hashPrefixToSql(paymentHash))
      .map(toInvoice)
      .find((row) => equalBytes(row.paymentHash, paymentHash));
}

export function peerCopyReader(engine: SqlEngine): (peer: number) => Uint8Array | undefined {
  const find = engine.prepare("SELECT bytes FROM peer_copy WHERE peer = ?");
  return (peer) => {
    const row = find.get(peer);
    return row && readBytes(row, "bytes");
  };
}

export function paymentReader(engine: SqlEngine): (id: string) => PaymentRow | undefined {
  const find = engine.prepare("SELECT * FROM payment WHERE id = ?");
  return (id) => {
    const row = find.get(id);
    return row && toPayment(row);
  };
}

function toPeer(row: SqlRow): PeerRow {
  const host = readOptional(row, "host", readText);
  return {
    index: readNumber(row, "peer"),
    nodeId: asNodeId(readBytes(row, "node_id")),
    address: host === undefined ? undefined : { host, port: readNumber(row, "port") },
  };
}

function toStream(row: SqlRow): StreamRow {
  return {
    peer: readNumber(row, "peer"),
    received: readNumber(row, "received"),
    receivedDigest: readBytes(row, "received_digest"),
    sent: readNumber(row, "sent"),
    acknowledged: readNumber(row, "acknowledged"),
    packetAcknowledge: readNumber(row, "packet_acknowledge"),
    acknowledgedDigest: readBytes(row, "acknowledged_digest"),
  };
}

function toOutbox(row: SqlRow): OutboxRow {
  return {
    ...outboxPlace(readBigInt(row, "position")),
    acknowledge: readNumber(row, "acknowledge"),
    packet: readBytes(row, "packet"),
  };
}

function toInvoice(row: SqlRow): InvoiceRow {
  const amount = readOptional(row, "amount_msat", readBigInt);
  const received = readOptional(row, "received_msat", readBigInt);
  const preimage = readBytes(row, "preimage");
  const createdAt = readNumber(row, "created_at");
  return {
    paymentHash: asPaymentHash(sha256(preimage)),
    preimage,
    amountMsat: amount === undefined ? undefined : msat(amount),
    description: readText(row, "description"),
    createdAt,
    state: readPlaced(row, "state", INVOICE_STATES),
    receivedMsat: received === undefined ? undefined : msat(received),
    endedAt: readEnd(row, createdAt),
  };
}

/** Times are kept apart from each other by little, which takes less room than a second time. */
function readEnd(row: SqlRow, createdAt: number): number | undefined {
  const after = readOptional(row, "ended_after", readNumber);
  return after === undefined ? undefined : createdAt + after;
}

function toPayment(row: SqlRow): PaymentRow {
  const state = readPlaced(row, "state", PAYMENT_STATES);
  const lock = readBytes(row, "lock");
  const createdAt = readNumber(row, "created_at");
  return {
    id: readText(row, "id"),
    paymentHash: asPaymentHash(state === "succeeded" ? sha256(lock) : lock),
    amountMsat: msat(readBigInt(row, "amount_msat")),
    channel: readNumber(row, "channel"),
    htlcId: readUint64(row, "htlc_id"),
    state,
    preimage: state === "succeeded" ? lock : undefined,
    failure: readOptional(row, "failure", readText),
    createdAt,
    endedAt: readEnd(row, createdAt),
  };
}

function toCoin(row: SqlRow): CoinRow {
  return {
    txid: asTxid(readBytes(row, "txid")),
    outputIndex: readNumber(row, "output_index"),
    amountSat: sat(readBigInt(row, "amount_sat")),
    keyKind: readWord(row, "key_kind", KEY_KINDS),
    keyIndex: readNumber(row, "key_index"),
    coinbase: readBoolean(row, "coinbase"),
    height: readOptional(row, "height", readNumber),
    reservedFor: readOptional(row, "reserved_for", readNumber),
    spentHeight: readOptional(row, "spent_height", readNumber),
  };
}

function toWithdrawal(row: SqlRow): WithdrawalRow {
  return {
    txid: asTxid(readBytes(row, "txid")),
    transaction: readBytes(row, "raw_transaction"),
    outputIndex: readNumber(row, "output_index"),
    feeSat: sat(readBigInt(row, "fee_sat")),
    createdAt: readNumber(row, "created_at"),
    height: readOptional(row, "height", readNumber),
    conflictHeight: readOptional(row, "conflict_height", readNumber),
  };
}
