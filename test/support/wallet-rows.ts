import { asTxid, type Txid, toHex } from "../../src/core/base/index.ts";
import { parseTransaction, type Transaction, transactionId } from "../../src/core/bitcoin/index.ts";
import { keyPaths, seedSigner } from "../../src/core/crypto/index.ts";
import type { ChainTransaction } from "../../src/node/chain-follower.ts";
import type { Batch } from "../../src/node/journal.ts";
import { Wallet } from "../../src/node/wallet.ts";
import type { CoinRow, StoreChange, WalletKeysRow, WithdrawalRow } from "../../src/ports/store.ts";

export const walletPaths = keyPaths(1);
export const walletSigner = seedSigner(new Uint8Array(64).fill(7), 1);
/** A script that is not the wallet's. */
export const ELSEWHERE = Uint8Array.of(0x00, 0x20, ...new Uint8Array(32).fill(9));

type Output = { readonly script: Uint8Array; readonly amountSat: bigint };
type Outpoint = { readonly txid: Txid; readonly index: number };

let serial = 0;

/** An unsigned transaction, unlike any other, that spends `outpoints`, or else one that nobody knows. */
export function transactionOf(outputs: readonly Output[], outpoints: readonly Outpoint[] = []): Transaction {
  const unknown = new Uint8Array(32);
  new DataView(unknown.buffer).setUint32(0, ++serial);
  const spent = outpoints.length > 0 ? outpoints : [{ txid: asTxid(unknown), index: 7 }];
  const spend = { script: new Uint8Array(0), sequence: 0, witness: [] };
  return { version: 2, inputs: spent.map((outpoint) => ({ ...outpoint, ...spend })), outputs, lockTime: serial };
}

export function coinbaseOf(script: Uint8Array, amountSat: bigint): Transaction {
  return transactionOf([{ script, amountSat }], [{ txid: asTxid(new Uint8Array(32)), index: 0xffff_ffff }]);
}

export function withId(transaction: Transaction): ChainTransaction {
  return { txid: transactionId(transaction), transaction };
}

export function parse(bytes: Uint8Array): Transaction {
  return unwrap(parseTransaction(bytes));
}

export function unwrap<T>(result: { ok: true; value: T } | { ok: false; error: unknown }): T {
  if (!result.ok) throw new Error(`expected a value: ${JSON.stringify(result.error, (_, v) => String(v))}`);
  return result.value;
}

/** Applies the wallet's rows as a store does, and opens a wallet from them as a start does. */
export class WalletRows implements Batch {
  readonly coins = new Map<string, CoinRow>();
  readonly withdrawals = new Map<string, WithdrawalRow>();
  keys: WalletKeysRow = { nextReceive: 0, nextChange: 0 };
  writes = 0;

  change(change: StoreChange): void {
    this.writes++;
    if (change.type === "coin") this.coins.set(`${toHex(change.row.txid)}:${change.row.outputIndex}`, change.row);
    else if (change.type === "coin_removed") this.coins.delete(`${toHex(change.txid)}:${change.outputIndex}`);
    else if (change.type === "withdrawal") this.withdrawals.set(toHex(change.row.txid), change.row);
    else if (change.type === "withdrawal_removed") this.withdrawals.delete(toHex(change.txid));
    else if (change.type === "wallet_keys") this.keys = change.row;
    else throw new Error(`the wallet does not write ${change.type}`);
  }
  afterCommit(): void {}
  atEnd(): void {}

  open(height: number, channelIndexes = 0): Wallet {
    return new Wallet({
      coins: [...this.coins.values()],
      withdrawals: [...this.withdrawals.values()],
      keys: this.keys,
      channelIndexes,
      signer: walletSigner,
      paths: walletPaths,
      network: "regtest",
      height,
      now: () => this.writes,
      onWithdrawal: () => undefined,
    });
  }
}
