import { concatBytes } from "../../core/base/index.ts";
import type { Transaction, TransactionInput, TransactionOutput } from "../../core/bitcoin/index.ts";
import { sha256 } from "../../core/crypto/index.ts";
import type { Coin } from "./coins.ts";

const NONE = 2;
const SINGLE = 3;
const ANYONE_CAN_PAY = 0x80;

function uint32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

function uint64(value: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value, true);
  return bytes;
}

function varBytes(bytes: Uint8Array): Uint8Array {
  const { length } = bytes;
  const size = length < 0xfd ? [length] : length <= 0xffff ? [0xfd, length & 0xff, length >> 8] : undefined;
  return size === undefined
    ? concatBytes(Uint8Array.of(0xfe), uint32(length), bytes)
    : concatBytes(Uint8Array.from(size), bytes);
}

function encodeOutput({ amountSat, script }: TransactionOutput): Uint8Array {
  return concatBytes(uint64(amountSat), varBytes(script));
}

function encodeOutpoint({ txid, index }: TransactionInput): Uint8Array {
  return concatBytes(txid, uint32(index));
}

function hashAll<T>(items: readonly T[], encode: (item: T) => Uint8Array): Uint8Array {
  return sha256(concatBytes(...items.map(encode)));
}

/** The five hashes over all inputs, or nothing where only one is signed for. */
function inputHashes({ inputs }: Transaction, coins: readonly Coin[]): Uint8Array {
  return concatBytes(
    hashAll(inputs, encodeOutpoint),
    hashAll(coins, ({ amountSat }) => uint64(amountSat)),
    hashAll(coins, ({ script }) => varBytes(script)),
    hashAll(inputs, ({ sequence }) => uint32(sequence)),
  );
}

const TAG = sha256(new TextEncoder().encode("TapSighash"));

/**
 * The 32 bytes that a key path spend signs; undefined where the hash type is unknown or SINGLE has no output beside the
 * input. `coins` are those of all inputs in order; `annex` is that of the witness, its prefix included.
 * Source: BIP 341, common signature message.
 */
export function taprootSighash(
  transaction: Transaction,
  inputIndex: number,
  coins: readonly Coin[],
  hashType: number,
  annex?: Uint8Array,
): Uint8Array | undefined {
  const input = transaction.inputs[inputIndex];
  const coin = coins[inputIndex];
  const outputType = hashType & 3;
  const anyone = hashType >= ANYONE_CAN_PAY;
  const known = hashType <= SINGLE || (hashType > ANYONE_CAN_PAY && hashType <= ANYONE_CAN_PAY + SINGLE);
  const single = outputType === SINGLE ? transaction.outputs[inputIndex] : undefined;
  if (input === undefined || coin === undefined || !known || (outputType === SINGLE && single === undefined)) {
    return undefined;
  }
  const parts = [TAG, TAG, Uint8Array.of(0, hashType), uint32(transaction.version), uint32(transaction.lockTime)];
  if (!anyone) parts.push(inputHashes(transaction, coins));
  if (outputType !== NONE && outputType !== SINGLE) parts.push(hashAll(transaction.outputs, encodeOutput));
  parts.push(Uint8Array.of(annex === undefined ? 0 : 1));
  if (anyone) parts.push(encodeOutpoint(input), uint64(coin.amountSat), varBytes(coin.script), uint32(input.sequence));
  else parts.push(uint32(inputIndex));
  if (annex !== undefined) parts.push(sha256(varBytes(annex)));
  if (single !== undefined) parts.push(sha256(encodeOutput(single)));
  return sha256(concatBytes(...parts));
}
