// The rows of a channel whose anchor is spent: few, and written by blocks rather than by payments.

import { asTxid, invariant, sat } from "../../core/base/index.ts";
import { parseTransaction } from "../../core/bitcoin/index.ts";
import type {
  AnchorSpendKind,
  AnchorSpendRow,
  ChainOutputRow,
  ChannelChange,
  ChannelRows,
  SweepRow,
} from "../../core/payment-channel/index.ts";
import {
  booleanToSql,
  readBigInt,
  readBoolean,
  readBytes,
  readNumber,
  readOptional,
  readSide,
  readUint64,
  readWord,
  sideToSql,
  uint64ToSql,
} from "./columns.ts";
import type { SqlEngine, SqlRow } from "./engine.ts";
import { insert, upsert } from "./statements.ts";

export type OnChainChange = Extract<
  ChannelChange,
  { type: "anchor_spend" | "chain_output" | "sweep" | "sweep_dropped" | "known_preimage" | "known_preimage_dropped" }
>;

const KINDS: Readonly<Record<AnchorSpendKind, true>> = { close: true, commitment: true, revoked: true, unknown: true };
const OUTPUT_KINDS: Readonly<Record<ChainOutputRow["kind"], true>> = {
  to_self: true,
  to_other: true,
  offered: true,
  received: true,
};

/** Prepares what writes one of these changes. */
export function onChainWriter(engine: SqlEngine): (channel: number, change: OnChainChange) => void {
  const spendBefore = engine.prepare("SELECT txid FROM anchor_spend WHERE channel = ?");
  const clear = ["chain_output", "sweep"].map((table) => engine.prepare(`DELETE FROM ${table} WHERE channel = ?`));
  const setSpend = upsert(engine, "anchor_spend", "channel", "txid raw_transaction kind holder number height");
  const setOutput = upsert(
    engine,
    "chain_output",
    "channel output_index",
    "txid amount_sat kind htlc_id witness_script spend_txid spend_height spend_ours",
  );
  const addSweep = insert(engine, "sweep", "channel txid raw_transaction fee_rate fee_sat created_height");
  const dropSweep = engine.prepare("DELETE FROM sweep WHERE channel = ? AND txid = ?");
  const dropPreimage = engine.prepare("DELETE FROM known_preimage WHERE channel = ? AND htlc_id = ?");
  const setPreimage = upsert(engine, "known_preimage", "channel htlc_id", "preimage");

  const writeSpend = (channel: number, row: AnchorSpendRow): void => {
    const before = spendBefore.get(channel);
    const isOther = before !== undefined && Buffer.compare(readBytes(before, "txid"), row.txid) !== 0;
    if (isOther) for (const statement of clear) statement.run(channel);
    const holder = row.holder === undefined ? null : sideToSql(row.holder);
    setSpend.run(channel, row.txid, row.transaction, row.kind, holder, row.number, row.height ?? null);
  };
  const writeOutput = (channel: number, row: ChainOutputRow): void => {
    const { index, txid, amountSat, kind, htlcId, witnessScript, spend } = row;
    const id = htlcId === undefined ? null : uint64ToSql(htlcId);
    const spent =
      spend === undefined ? [null, null, null] : [spend.txid, spend.height ?? null, booleanToSql(spend.ours)];
    setOutput.run(channel, index, txid, amountSat, kind, id, witnessScript ?? null, ...spent);
  };
  return (channel, change) => {
    switch (change.type) {
      case "anchor_spend":
        return writeSpend(channel, change.row);
      case "chain_output":
        return writeOutput(channel, change.row);
      case "sweep": {
        const { txid, transaction, feeRate, feeSat, createdHeight } = change.row;
        addSweep.run(channel, txid, transaction, feeRate, feeSat, createdHeight);
        return;
      }
      case "sweep_dropped":
        dropSweep.run(channel, change.txid);
        return;
      case "known_preimage":
        setPreimage.run(channel, uint64ToSql(change.row.htlcId), change.row.preimage);
        return;
      case "known_preimage_dropped":
        dropPreimage.run(channel, uint64ToSql(change.htlcId));
        return;
      default:
        return change satisfies never;
    }
  };
}

type OnChainRows = Pick<ChannelRows, "anchorSpend" | "chainOutputs" | "sweeps" | "knownPreimages">;

/** Prepares what reads these rows of one channel. */
export function onChainReader(engine: SqlEngine): (channel: number) => OnChainRows {
  const spend = engine.prepare("SELECT * FROM anchor_spend WHERE channel = ?");
  const outputs = engine.prepare("SELECT * FROM chain_output WHERE channel = ? ORDER BY output_index");
  const sweeps = engine.prepare("SELECT * FROM sweep WHERE channel = ? ORDER BY created_height, txid");
  const preimages = engine.prepare("SELECT * FROM known_preimage WHERE channel = ? ORDER BY htlc_id");
  return (channel) => {
    const found = spend.get(channel);
    return {
      anchorSpend: found && toAnchorSpend(found),
      chainOutputs: outputs.all(channel).map(toChainOutput),
      sweeps: sweeps.all(channel).map(toSweep),
      knownPreimages: preimages
        .all(channel)
        .map((row) => ({ htlcId: readUint64(row, "htlc_id"), preimage: readBytes(row, "preimage") })),
    };
  };
}

function toAnchorSpend(row: SqlRow): AnchorSpendRow {
  return {
    txid: asTxid(readBytes(row, "txid")),
    transaction: readBytes(row, "raw_transaction"),
    kind: readWord(row, "kind", KINDS),
    holder: readOptional(row, "holder", readSide),
    number: readNumber(row, "number"),
    height: readOptional(row, "height", readNumber),
  };
}

function toChainOutput(row: SqlRow): ChainOutputRow {
  const spender = readOptional(row, "spend_txid", readBytes);
  return {
    txid: asTxid(readBytes(row, "txid")),
    index: readNumber(row, "output_index"),
    amountSat: sat(readBigInt(row, "amount_sat")),
    kind: readWord(row, "kind", OUTPUT_KINDS),
    htlcId: readOptional(row, "htlc_id", readUint64),
    witnessScript: readOptional(row, "witness_script", readBytes),
    spend: spender && {
      txid: asTxid(spender),
      height: readOptional(row, "spend_height", readNumber),
      ours: readBoolean(row, "spend_ours"),
    },
  };
}

/** What it claims stands in its inputs, all of which spend the transaction that spent the anchor. */
function toSweep(row: SqlRow): SweepRow {
  const transaction = readBytes(row, "raw_transaction");
  const parsed = parseTransaction(transaction);
  invariant(parsed.ok, "a sweep was a transaction when it was written");
  return {
    txid: asTxid(readBytes(row, "txid")),
    transaction,
    feeRate: readNumber(row, "fee_rate"),
    feeSat: sat(readBigInt(row, "fee_sat")),
    claims: parsed.value.inputs.map(({ index }) => index),
    createdHeight: readNumber(row, "created_height"),
  };
}
