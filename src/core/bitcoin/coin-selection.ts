// Which of the wallet's coins pay for a transaction. Pure and deterministic: the largest first.
import { err, ok, type Result, type Txid } from "../base/index.ts";
import { compareInputs, compareOutputs } from "./bip69.ts";
import { compactSizeLength } from "./bytes-io.ts";
import { feeForWeight, isDust } from "./fee.ts";
import { type Transaction, type TransactionOutput, transactionWeight, witnessSize } from "./transaction.ts";
import { MAX_WITNESS_SIGNATURE_BYTES, SEGWIT_INPUT_WEIGHT } from "./witness-signature.ts";

/** An output of the wallet's, paid to one of its keys as P2WPKH. */
export type Coin = { readonly txid: Txid; readonly index: number; readonly amountSat: bigint };

export type CoinSelection<C extends Coin> = {
  /** In the order of BIP 69. */
  readonly inputs: readonly C[];
  /** In the order of BIP 69, change included. */
  readonly outputs: readonly TransactionOutput[];
  readonly feeSat: bigint;
  /** Where the change stands among the outputs; absent where it would have been dust and went to the fee. */
  readonly changeIndex?: number;
};

export type InsufficientFunds = {
  readonly type: "insufficient_funds";
  /** The outputs and the fee for spending all coins that are worth their own fee. */
  readonly neededSat: bigint;
  readonly availableSat: bigint;
};

/** Replaceable. Source: BIP 125. */
const SEQUENCE_REPLACEABLE = 0xffff_fffd;
const EMPTY = new Uint8Array(0);
const LARGEST_P2WPKH_WITNESS = [new Uint8Array(MAX_WITNESS_SIGNATURE_BYTES), new Uint8Array(33)];
/** By the largest size that a signature can make. */
export const MAX_P2WPKH_INPUT_WEIGHT = SEGWIT_INPUT_WEIGHT + witnessSize(LARGEST_P2WPKH_WITNESS);

/** A transaction without witness, in the given order: version 2, lock time 0, replaceable. */
export function unsignedTransaction(
  inputs: readonly { readonly txid: Txid; readonly index: number }[],
  outputs: readonly TransactionOutput[],
): Transaction {
  return {
    version: 2,
    inputs: inputs.map(({ txid, index }) => ({
      txid,
      index,
      script: EMPTY,
      sequence: SEQUENCE_REPLACEABLE,
      witness: [],
    })),
    outputs: outputs.map(({ amountSat, script }) => ({ amountSat, script })),
    lockTime: 0,
  };
}

/** The fee with so many P2WPKH inputs, by the largest size that their signatures can make. */
function feeOf(inputs: number, outputs: readonly TransactionOutput[], feeRate: number): bigint {
  // Without inputs the transaction has a count of one byte and no witness marker.
  const rest = transactionWeight(unsignedTransaction([], outputs)) + 4 * (compactSizeLength(inputs) - 1) + 2;
  return feeForWeight(rest + inputs * MAX_P2WPKH_INPUT_WEIGHT, feeRate);
}

export function total(of: readonly { readonly amountSat: bigint }[]): bigint {
  return of.reduce((sum, { amountSat }) => sum + amountSat, 0n);
}

/** With change where what is left over pays for its output and is no dust. */
function settle<C extends Coin>(
  coins: readonly C[],
  outputs: readonly TransactionOutput[],
  feeRate: number,
  changeScript: Uint8Array,
): CoinSelection<C> {
  const inputs = coins.toSorted(compareInputs);
  const left = total(inputs) - total(outputs);
  const empty = { amountSat: 0n, script: changeScript };
  const feeSat = feeOf(inputs.length, [...outputs, empty], feeRate);
  if (isDust(left - feeSat)) return { inputs, outputs: outputs.toSorted(compareOutputs), feeSat: left };
  const change = { ...empty, amountSat: left - feeSat };
  const all = [...outputs, change].sort(compareOutputs);
  return { inputs, outputs: all, feeSat, changeIndex: all.indexOf(change) };
}

/**
 * Coins that pay for `outputs` at `feeRate` satoshi per 1000 virtual bytes: the largest first, until they suffice. Which coins may be
 * spent (confirmed, not reserved) is the caller's to say. The answer doesn't depend on the order of `coins`.
 */
export function selectCoins<C extends Coin>(wanted: {
  readonly coins: readonly C[];
  readonly outputs: readonly TransactionOutput[];
  readonly feeRate: number;
  readonly changeScript: Uint8Array;
}): Result<CoinSelection<C>, InsufficientFunds> {
  const { outputs, feeRate } = wanted;
  const coins = wanted.coins.toSorted((a, b) =>
    a.amountSat === b.amountSat ? compareInputs(a, b) : a.amountSat < b.amountSat ? 1 : -1,
  );
  const outputsSat = total(outputs);
  const chosen: C[] = [];
  let neededSat = outputsSat + feeOf(0, outputs, feeRate);
  let availableSat = 0n;
  for (const coin of coins) {
    const more = outputsSat + feeOf(chosen.length + 1, outputs, feeRate);
    // From here on every coin costs more to spend than it brings.
    if (coin.amountSat <= more - neededSat) break;
    chosen.push(coin);
    availableSat += coin.amountSat;
    neededSat = more;
    if (availableSat >= neededSat) return ok(settle(chosen, outputs, feeRate, wanted.changeScript));
  }
  return err({ type: "insufficient_funds", neededSat, availableSat });
}
