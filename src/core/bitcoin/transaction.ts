import { asTxid, err, MAX_SATOSHI, ok, type Result, type Txid } from "../base/index.ts";
import { hash256 } from "../crypto/index.ts";
import {
  compactSizeLength,
  fail,
  type Reader,
  type ReadFailure,
  readBytes,
  readCount,
  readEnd,
  readerOf,
  readUint32,
  readUint64,
  readVarBytes,
  varBytesLength,
  type Writer,
  writeBytes,
  writeCompactSize,
  writerOf,
  writeUint32,
  writeUint64,
  writeVarBytes,
  written,
} from "./bytes-io.ts";

export type TransactionInput = {
  readonly txid: Txid;
  readonly index: number;
  /** scriptSig; empty for native segwit. */
  readonly script: Uint8Array;
  readonly sequence: number;
  readonly witness: readonly Uint8Array[];
};

export type TransactionOutput = {
  readonly amountSat: bigint;
  /** scriptPubKey. */
  readonly script: Uint8Array;
};

/** A Bitcoin transaction. Numbers are unsigned, 32 bits. */
export type Transaction = {
  readonly version: number;
  readonly inputs: readonly TransactionInput[];
  readonly outputs: readonly TransactionOutput[];
  readonly lockTime: number;
};

export type BadTransaction = {
  readonly type: "bad_transaction";
  readonly reason: BadTransactionReason;
  /** Offset at which reading stopped. */
  readonly at: number;
  /** Length of the input. */
  readonly length: number;
};

export type BadTransactionReason =
  | ReadFailure
  | "too_long"
  | "unknown_witness_flag"
  | "superfluous_witness"
  | "no_inputs"
  | "no_outputs"
  | "amount_too_large";

/** No block, hence no transaction, is longer: 4,000,000 weight units, a byte weighs at least one. Source: BIP 141. */
const MAX_TRANSACTION_BYTES = 4_000_000;
const OUTPOINT_BYTES = 36;
/** Outpoint, empty script, sequence. */
const LEAST_INPUT_BYTES = OUTPOINT_BYTES + 1 + 4;
/** Amount, empty script. */
const LEAST_OUTPUT_BYTES = 9;
/** Marker 0 (no inputs to an old reader) and flag 1. Source: BIP 144. */
const WITNESS_MARKER = Uint8Array.of(0x00, 0x01);

function hasWitness(transaction: Transaction): boolean {
  return transaction.inputs.some((input) => input.witness.length > 0);
}

function strippedSize(transaction: Transaction): number {
  let size = 8 + compactSizeLength(transaction.inputs.length) + compactSizeLength(transaction.outputs.length);
  for (const input of transaction.inputs) size += OUTPOINT_BYTES + varBytesLength(input.script) + 4;
  for (const output of transaction.outputs) size += outputSize(output);
  return size;
}

/** Bytes of a stack of witness items as serialised, its count included. */
export function witnessSize(witness: readonly Uint8Array[]): number {
  let size = compactSizeLength(witness.length);
  for (const item of witness) size += varBytesLength(item);
  return size;
}

/** Bytes that the witnesses add: 0 where no input has one. */
function witnessesSize(transaction: Transaction): number {
  if (!hasWitness(transaction)) return 0;
  let size = WITNESS_MARKER.length;
  for (const input of transaction.inputs) size += witnessSize(input.witness);
  return size;
}

/** Serialised size of an output in bytes. */
export function outputSize(output: TransactionOutput): number {
  return 8 + varBytesLength(output.script);
}

export function writeOutput(to: Writer, output: TransactionOutput): void {
  writeUint64(to, output.amountSat);
  writeVarBytes(to, output.script);
}

/**
 * The transaction's bytes; with `witness`, in the format of BIP 144 where any input has a witness. Without it, the bytes
 * that the txid hashes.
 */
export function serializeTransaction(transaction: Transaction, options: { readonly witness: boolean }): Uint8Array {
  const extended = options.witness && hasWitness(transaction);
  const size = strippedSize(transaction) + (extended ? witnessesSize(transaction) : 0);
  const to = writerOf(new Uint8Array(size));
  writeUint32(to, transaction.version);
  if (extended) writeBytes(to, WITNESS_MARKER);
  writeCompactSize(to, transaction.inputs.length);
  for (const input of transaction.inputs) {
    writeBytes(to, input.txid);
    writeUint32(to, input.index);
    writeVarBytes(to, input.script);
    writeUint32(to, input.sequence);
  }
  writeCompactSize(to, transaction.outputs.length);
  for (const output of transaction.outputs) writeOutput(to, output);
  if (extended) {
    for (const { witness } of transaction.inputs) {
      writeCompactSize(to, witness.length);
      for (const item of witness) writeVarBytes(to, item);
    }
  }
  writeUint32(to, transaction.lockTime);
  return written(to);
}

type Failure = Exclude<BadTransactionReason, ReadFailure>;

function readInput(from: Reader<Failure>): Omit<TransactionInput, "witness"> & { witness: Uint8Array[] } {
  const txid = readBytes(from, 32);
  return {
    txid: asTxid(txid.length === 32 ? txid : new Uint8Array(32)),
    index: readUint32(from),
    script: readVarBytes(from),
    sequence: readUint32(from),
    witness: [],
  };
}

function readOutput(from: Reader<Failure>): TransactionOutput {
  const amountSat = readUint64(from);
  if (amountSat > MAX_SATOSHI) fail(from, "amount_too_large");
  return { amountSat, script: readVarBytes(from) };
}

/** Whether the witness format follows. Four bytes of version are read; a marker of 0 can't be a count of inputs. */
function readMarker(from: Reader<Failure>): boolean {
  if (from.bytes[from.at] !== WITNESS_MARKER[0]) return false;
  const marker = readBytes(from, WITNESS_MARKER.length);
  if (marker[1] !== WITNESS_MARKER[1]) fail(from, "unknown_witness_flag");
  return true;
}

/**
 * Reads a transaction that fills `bytes` exactly, with or without witness. One encoding is accepted for each transaction:
 * shortest counts, and no witness format without a witness. Every count is checked against what is left before anything is allocated.
 * Source: BIP 144.
 */
export function parseTransaction(bytes: Uint8Array): Result<Transaction, BadTransaction> {
  const from = readerOf<Failure>(bytes);
  if (bytes.length > MAX_TRANSACTION_BYTES) fail(from, "too_long");
  const version = readUint32(from);
  const extended = readMarker(from);
  const inputs = Array.from({ length: readCount(from, LEAST_INPUT_BYTES) }, () => readInput(from));
  if (inputs.length === 0) fail(from, "no_inputs");
  const outputs = Array.from({ length: readCount(from, LEAST_OUTPUT_BYTES) }, () => readOutput(from));
  if (outputs.length === 0) fail(from, "no_outputs");
  if (extended) {
    for (const input of inputs) {
      for (let left = readCount(from, 1); left > 0; left--) input.witness.push(readVarBytes(from));
    }
    if (inputs.every((input) => input.witness.length === 0)) fail(from, "superfluous_witness");
  }
  const lockTime = readUint32(from);
  readEnd(from);
  if (from.failure !== undefined) {
    return err({ type: "bad_transaction", reason: from.failure, at: from.at, length: bytes.length });
  }
  return ok({ version, inputs, outputs, lockTime });
}

/** Hash of the transaction without witness, in serialised order. */
export function transactionId(transaction: Transaction): Txid {
  return asTxid(hash256(serializeTransaction(transaction, { witness: false })));
}

/** Weight units: four for each byte without witness, one for each byte of witness. Source: BIP 141. */
export function transactionWeight(transaction: Transaction): number {
  return 4 * strippedSize(transaction) + witnessesSize(transaction);
}

/** Weight divided by four, rounded up: what fee rates count. Source: BIP 141. */
export function virtualSize(transaction: Transaction): number {
  return Math.ceil(transactionWeight(transaction) / 4);
}
