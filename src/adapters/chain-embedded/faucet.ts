import { concatBytes } from "../../core/base/index.ts";
import { payToWitnessScriptHash, push, type Transaction } from "../../core/bitcoin/index.ts";
import { type ChainTransaction, chainTransaction } from "./chain-transaction.ts";
import type { Coin } from "./coins.ts";
import { dustThreshold, feeAt } from "./policy.ts";
import { OP } from "./script.ts";

/** Leaves true: anybody can spend what it locks, so that the faucet needs no key. The push makes it the faucet's own. */
export const FAUCET_WITNESS_SCRIPT: Uint8Array = concatBytes(
  push(new TextEncoder().encode("sluice faucet")),
  Uint8Array.of(OP.DROP, OP.ONE),
);
/** Mined coins go here unless told otherwise. */
export const FAUCET_SCRIPT: Uint8Array = payToWitnessScriptHash(FAUCET_WITNESS_SCRIPT);

/** In satoshi per 1000 virtual bytes. */
const FAUCET_RATE = 2000;

export type FaucetEmpty = { readonly type: "faucet_empty"; readonly availableSat: bigint; readonly neededSat: bigint };

function build(coins: readonly Coin[], outputs: Transaction["outputs"]): ChainTransaction {
  const inputs = coins.map(({ txid, index }) => ({
    txid,
    index,
    script: new Uint8Array(0),
    sequence: 0xfffffffd,
    witness: [FAUCET_WITNESS_SCRIPT],
  }));
  return chainTransaction({ version: 2, inputs, outputs, lockTime: 0 });
}

/**
 * A transaction whose first output pays `amountSat` to `script` from as many of `coins`, in order, as it takes; the rest
 * goes back to the faucet.
 */
export function faucetTransaction(
  coins: Iterable<Coin>,
  script: Uint8Array,
  amountSat: bigint,
): ChainTransaction | FaucetEmpty {
  const chosen: Coin[] = [];
  let availableSat = 0n;
  let neededSat = amountSat;
  for (const coin of coins) {
    chosen.push(coin);
    availableSat += coin.amountSat;
    const payment = { amountSat, script };
    const { virtualSize } = build(chosen, [payment, { amountSat: 0n, script: FAUCET_SCRIPT }]);
    neededSat = amountSat + feeAt(FAUCET_RATE, virtualSize);
    const change = { amountSat: availableSat - neededSat, script: FAUCET_SCRIPT };
    if (change.amountSat < 0n) continue;
    return build(chosen, change.amountSat < dustThreshold(change) ? [payment] : [payment, change]);
  }
  return { type: "faucet_empty", availableSat, neededSat };
}
