// Signature hashes of segwit version 0. Source: BIP 143.
import { invariant } from "../base/index.ts";
import { hash256 } from "../crypto/index.ts";
import { varBytesLength, writeBytes, writerOf, writeUint32, writeUint64, writeVarBytes, written } from "./bytes-io.ts";
import {
  outputSize,
  type Transaction,
  type TransactionInput,
  type TransactionOutput,
  writeOutput,
} from "./transaction.ts";

export const SIGHASH_ALL = 0x01;
const SIGHASH_NONE = 0x02;
const SIGHASH_SINGLE = 0x03;
const SIGHASH_ANYONECANPAY = 0x80;
/** The bits of the type that say which outputs are signed. */
const OUTPUT_BITS = 0x1f;

const ZERO_HASH = new Uint8Array(32);

type Prevout = Pick<TransactionInput, "txid" | "index">;

/** Hash of all outpoints spent. */
export function hashPrevouts(inputs: readonly Prevout[]): Uint8Array {
  const to = writerOf(new Uint8Array(36 * inputs.length));
  for (const { txid, index } of inputs) {
    writeBytes(to, txid);
    writeUint32(to, index);
  }
  return hash256(written(to));
}

/** Hash of the sequence numbers of all inputs. */
export function hashSequence(inputs: readonly Pick<TransactionInput, "sequence">[]): Uint8Array {
  const to = writerOf(new Uint8Array(4 * inputs.length));
  for (const { sequence } of inputs) writeUint32(to, sequence);
  return hash256(written(to));
}

/** Hash of outputs as serialised, without their count. */
export function hashOutputs(outputs: readonly TransactionOutput[]): Uint8Array {
  const to = writerOf(new Uint8Array(outputs.reduce((size, output) => size + outputSize(output), 0)));
  for (const output of outputs) writeOutput(to, output);
  return hash256(written(to));
}

/** What a signature of segwit version 0 signs. The three hashes are those of the functions above, or 32 zero bytes. */
export type WitnessV0Message = {
  readonly version: number;
  readonly hashPrevouts: Uint8Array;
  readonly hashSequence: Uint8Array;
  readonly input: Prevout & Pick<TransactionInput, "sequence">;
  readonly scriptCode: Uint8Array;
  readonly amountSat: bigint;
  readonly hashOutputs: Uint8Array;
  readonly lockTime: number;
  readonly hashType: number;
};

/** The 32-byte hash to sign. */
export function hashWitnessV0(message: WitnessV0Message): Uint8Array {
  const to = writerOf(new Uint8Array(156 + varBytesLength(message.scriptCode)));
  writeUint32(to, message.version);
  writeBytes(to, message.hashPrevouts);
  writeBytes(to, message.hashSequence);
  writeBytes(to, message.input.txid);
  writeUint32(to, message.input.index);
  writeVarBytes(to, message.scriptCode);
  writeUint64(to, message.amountSat);
  writeUint32(to, message.input.sequence);
  writeBytes(to, message.hashOutputs);
  writeUint32(to, message.lockTime);
  writeUint32(to, message.hashType);
  return hash256(written(to));
}

/**
 * The hash that a signature on input `inputIndex` signs, for any hash type. `scriptCode` is the witness script, or the P2PKH script
 * of the key hash for P2WPKH; `amountSat` is the amount of the output spent.
 */
export function sighash(
  transaction: Transaction,
  inputIndex: number,
  scriptCode: Uint8Array,
  amountSat: bigint,
  hashType: number,
): Uint8Array {
  const { inputs, outputs } = transaction;
  const input = inputs[inputIndex];
  invariant(input !== undefined, `input ${inputIndex} of ${inputs.length}`);
  const anyoneCanPay = (hashType & SIGHASH_ANYONECANPAY) !== 0;
  const signed = hashType & OUTPUT_BITS;
  const single = signed === SIGHASH_SINGLE ? outputs[inputIndex] : undefined;
  const allOutputs = signed !== SIGHASH_SINGLE && signed !== SIGHASH_NONE;
  return hashWitnessV0({
    version: transaction.version,
    hashPrevouts: anyoneCanPay ? ZERO_HASH : hashPrevouts(inputs),
    hashSequence: anyoneCanPay || !allOutputs ? ZERO_HASH : hashSequence(inputs),
    input,
    scriptCode,
    amountSat,
    hashOutputs: allOutputs ? hashOutputs(outputs) : single === undefined ? ZERO_HASH : hashOutputs([single]),
    lockTime: transaction.lockTime,
    hashType,
  });
}

/** The hash that signs everything: the one type that we use. */
export function sighashAll(
  transaction: Transaction,
  inputIndex: number,
  scriptCode: Uint8Array,
  amountSat: bigint,
): Uint8Array {
  return sighash(transaction, inputIndex, scriptCode, amountSat, SIGHASH_ALL);
}
