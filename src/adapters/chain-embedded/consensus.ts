import { MAX_SATOSHI } from "../../core/base/index.ts";
import type { Transaction } from "../../core/bitcoin/index.ts";
import type { ChainTransaction } from "./chain-transaction.ts";
import { type Coin, outpointKey } from "./coins.ts";
import { type Rejection, rejection } from "./rejection.ts";

export const COINBASE_MATURITY = 100;
export const MAX_BLOCK_WEIGHT = 4_000_000;
const HALVING_BLOCKS = 150;
/** From here on a lock time counts seconds instead of blocks. */
const LOCKTIME_THRESHOLD = 500_000_000;
const SEQUENCE_FINAL = 0xffffffff;
const MAX_COINBASE_SCRIPT_BYTES = 100;
const NULL_INDEX = 0xffffffff;

/** What a block at `height` on the chain in hand is judged by. */
export type Position = {
  readonly height: number;
  /** Median time past of the block before. Source: BIP 113. */
  readonly medianTime: number;
  /** Median time past of the block before the one at a height. Source: BIP 68. */
  medianTimeBefore(height: number): number;
};

/** The amount that a block at `height` may make, in satoshi: regtest halves it every 150 blocks. */
export function subsidy(height: number): bigint {
  return 5_000_000_000n >> BigInt(Math.floor(height / HALVING_BLOCKS));
}

export function isCoinbase(transaction: Transaction): boolean {
  const [input, ...more] = transaction.inputs;
  return input !== undefined && more.length === 0 && input.index === NULL_INDEX && isZero(input.txid);
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}

/** What can be judged without the chain. Inputs and outputs are known to exist: the parser refuses else. */
export function checkStructure({ transaction, weight }: ChainTransaction): Rejection | undefined {
  if (weight > MAX_BLOCK_WEIGHT) return rejection("bad-txns-oversize");
  let total = 0n;
  for (const { amountSat } of transaction.outputs) {
    if (amountSat > MAX_SATOSHI) return rejection("bad-txns-vout-toolarge");
    total += amountSat;
  }
  if (total > MAX_SATOSHI) return rejection("bad-txns-txouttotal-toolarge");
  const spent = new Set(transaction.inputs.map(({ txid, index }) => outpointKey(txid, index)));
  if (spent.size < transaction.inputs.length) return rejection("bad-txns-inputs-duplicate");
  if (isCoinbase(transaction)) {
    const { length } = transaction.inputs[0]?.script ?? [];
    return length < 2 || length > MAX_COINBASE_SCRIPT_BYTES ? rejection("bad-cb-length") : undefined;
  }
  if (transaction.inputs.some(({ txid, index }) => index === NULL_INDEX && isZero(txid))) {
    return rejection("bad-txns-prevout-null");
  }
  return undefined;
}

/** Whether the lock time lets the transaction into a block. Source: BIP 113. */
export function isFinal({ lockTime, inputs }: Transaction, position: Position): boolean {
  const now = lockTime < LOCKTIME_THRESHOLD ? position.height : position.medianTime;
  return lockTime < now || lockTime === 0 || inputs.every(({ sequence }) => sequence === SEQUENCE_FINAL);
}

/** Whether each input's relative lock has passed; `coins` stand in the order of the inputs. Source: BIP 68. */
export function sequenceLocksMet(
  { version, inputs }: Transaction,
  coins: readonly Coin[],
  position: Position,
): boolean {
  if (version < 2) return true;
  return coins.every((coin, i) => {
    const sequence = inputs[i]?.sequence ?? SEQUENCE_FINAL;
    if (sequence >= 0x80000000) return true;
    const value = sequence & 0xffff;
    if ((sequence & 0x400000) === 0) return position.height >= coin.height + value;
    return position.medianTime >= position.medianTimeBefore(coin.height) + 512 * value;
  });
}

export type Fee = { readonly type: "fee"; readonly feeSat: bigint };

/** The fee of a transaction that spends `coins` in a block at `height`, or what is wrong with the amounts. */
export function checkAmounts(transaction: Transaction, coins: readonly Coin[], height: number): Fee | Rejection {
  let available = 0n;
  for (const coin of coins) {
    if (coin.coinbase && height - coin.height < COINBASE_MATURITY) {
      return rejection("bad-txns-premature-spend-of-coinbase");
    }
    available += coin.amountSat;
  }
  let paid = 0n;
  for (const { amountSat } of transaction.outputs) paid += amountSat;
  if (available < paid) return rejection("bad-txns-in-belowout");
  return { type: "fee", feeSat: available - paid };
}

/** The coins that a transaction spends, in the order of its inputs, or undefined where one is missing. */
export function coinsSpent(
  transaction: Transaction,
  lookup: (key: string) => Coin | undefined,
): readonly Coin[] | undefined {
  const coins: Coin[] = [];
  for (const { txid, index } of transaction.inputs) {
    const coin = lookup(outpointKey(txid, index));
    if (coin === undefined) return undefined;
    coins.push(coin);
  }
  return coins;
}
