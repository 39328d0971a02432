import { sat, type Txid, toHex } from "../core/base/index.ts";
import { type Transaction, type TransactionInput, transactionId } from "../core/bitcoin/index.ts";
import type { Outpoint } from "../ports/bitcoin-chain.ts";
import type { CoinRow } from "../ports/store.ts";
import { BLOCKS_KEPT, type ChainTransaction } from "./chain-follower.ts";
import type { Batch } from "./journal.ts";
import type { WalletKeys } from "./wallet-keys.ts";

/** Stands in `reservedFor` for a transaction that `Wallet.send` made; channels are numbered from 0. */
export const WITHDRAWAL = -1;

/** Source: consensus, COINBASE_MATURITY. */
const COINBASE_MATURITY = 100;
/** Nodes relay a transaction with at most so many unconfirmed ones in its ancestry, itself included. Source: Bitcoin Core policy. */
const MAX_ANCESTRY = 25;

export type CoinState =
  /** Can be spent. */
  | "confirmed"
  | "unconfirmed"
  /** A block's reward that is not 100 blocks deep. */
  | "immature"
  /** Held for a transaction that the network does not have, or for a channel that both parties fund. */
  | "reserved"
  /** Spent by an unconfirmed transaction. */
  | "spending";

/** A transaction that pays the wallet, spends from it, or conflicts with one that does. */
type Tracked = { readonly id: string; readonly transaction: Transaction; height: number | undefined };

function keyOf(txid: Txid, index: number): string {
  return `${toHex(txid)}:${index}`;
}

function keyOfCoin(coin: CoinRow): string {
  return keyOf(coin.txid, coin.outputIndex);
}

function keyOfInput(input: TransactionInput): string {
  return keyOf(input.txid, input.index);
}

/** The outpoints that a transaction spends; the input of a coinbase spends none. */
function spends(transaction: Transaction): string[] {
  return isCoinbase(transaction) ? [] : transaction.inputs.map(keyOfInput);
}

function isCoinbase({ inputs }: Transaction): boolean {
  const [input] = inputs;
  return input !== undefined && input.index === 0xffff_ffff && input.txid.every((byte) => byte === 0);
}

/**
 * The wallet's coins as the chain has them. Transactions are held only since the start: what became of an unconfirmed
 * one of before is to be asked (`doubts`). Every change is written to the batch; spent coins deeper than `BLOCKS_KEPT`
 * leave the memory, their rows stay as history.
 */
export class WalletCoins {
  private readonly keys: WalletKeys;
  private readonly coins = new Map<string, CoinRow>();
  private readonly spent = new Set<string>();
  private readonly tracked = new Map<string, Tracked>();
  /** By outpoint. */
  private readonly spenders = new Map<string, Tracked>();
  /**
   * Reserved coins that vanished, with what the transactions that made them spent: whether such a transaction is impossible for good
   * shows when a block spends that in another way. One each time that something reserved is double-spent, until the node ends.
   */
  private readonly lost = new Map<string, readonly string[]>();
  private height: number;

  constructor(options: { coins: readonly CoinRow[]; keys: WalletKeys; height: number }) {
    this.keys = options.keys;
    this.height = options.height;
    for (const coin of options.coins) this.hold(coin);
  }

  /** Those that are not spent, and those that one of the newest blocks spends. */
  rows(): CoinRow[] {
    return [...this.coins.values()];
  }

  /** Coins that no block spends. */
  unspent(): CoinRow[] {
    return [...this.coins.values()].filter((coin) => coin.spentHeight === undefined);
  }

  /** The coin, spent in one of the newest blocks or not. */
  find(txid: Txid, index: number): CoinRow | undefined {
    return this.coins.get(keyOf(txid, index));
  }

  /** Of a coin that no block spends. */
  stateOf(coin: CoinRow): CoinState {
    if (this.spenders.has(keyOfCoin(coin))) return "spending";
    if (coin.reservedFor !== undefined) return "reserved";
    if (coin.height === undefined) return "unconfirmed";
    return coin.coinbase && this.height + 1 - coin.height < COINBASE_MATURITY ? "immature" : "confirmed";
  }

  /**
   * Whether an unconfirmed coin can be built upon: what has to confirm before it spends confirmed coins of ours, so that
   * nobody else can make a conflict, and is not more than nodes relay.
   */
  isOwnUnconfirmed(coin: CoinRow): boolean {
    const made = this.tracked.get(toHex(coin.txid));
    if (made === undefined) return false;
    const ancestry = new Set([made]);
    for (const { transaction } of ancestry) {
      for (const input of transaction.inputs) {
        const from = this.coins.get(keyOfInput(input));
        if (from === undefined) return false;
        if (from.height !== undefined) continue;
        const parent = this.tracked.get(toHex(from.txid));
        if (parent === undefined) return false;
        ancestry.add(parent);
      }
      if (ancestry.size >= MAX_ANCESTRY) return false;
    }
    return true;
  }

  reserve(batch: Batch, coin: CoinRow, reservedFor: number): void {
    this.put(batch, { ...coin, reservedFor });
  }

  release(batch: Batch, reservedFor: number): void {
    for (const coin of this.unspent()) {
      if (coin.reservedFor === reservedFor) this.put(batch, { ...coin, reservedFor: undefined });
    }
  }

  /** Takes up a withdrawal of before the start: in the block at `height`, or in none. What it spends and made is in the rows. */
  resume({ txid, transaction }: ChainTransaction, height: number | undefined): void {
    const keys = spends(transaction);
    // Of two that spend the same, the one that was made later was taken up before.
    if (keys.some((key) => this.spenders.has(key))) return;
    // One that lost its coins to another transaction has to be taken by the mempool first.
    if (height === undefined && keys.some((key) => this.coins.get(key)?.reservedFor !== WITHDRAWAL)) return;
    const tracked = { id: toHex(txid), transaction, height };
    this.tracked.set(tracked.id, tracked);
    for (const key of keys) this.spenders.set(key, tracked);
  }

  /** Whether the transaction counts as being in the mempool, or is in a block. */
  isTracked(txid: Txid): boolean {
    return this.tracked.has(toHex(txid));
  }

  /** Whether an input of ours is not there any more: spent in a block, or gone. */
  lacksInput(transaction: Transaction): boolean {
    return spends(transaction).some((key) => {
      const coin = this.coins.get(key);
      return coin === undefined || coin.spentHeight !== undefined;
    });
  }

  /** The transaction of a block because of which an input can't come to be, if that is known. */
  lostTo(transaction: Transaction): Txid | undefined {
    const from = spends(transaction).flatMap((key) => this.lost.get(key) ?? []);
    // Grows while it is gone through: what a lost coin was made of may be lost in turn. No transaction spends what is made of it.
    for (const key of from) {
      const spender = this.spenders.get(key);
      if (spender?.height !== undefined) return transactionId(spender.transaction);
      from.push(...(this.lost.get(key) ?? []));
    }
    return undefined;
  }

  /** Whether no other transaction of ours was made with its inputs. */
  isFree(transaction: Transaction): boolean {
    return spends(transaction).every((key) => this.coins.get(key)?.reservedFor === undefined);
  }

  /** A withdrawal that another transaction had taken the place of is in the mempool after all. */
  retake(batch: Batch, { txid, transaction }: ChainTransaction): void {
    if (this.isTracked(txid) || this.lacksInput(transaction) || !this.isFree(transaction)) return;
    for (const key of spends(transaction)) {
      const coin = this.coins.get(key);
      if (coin !== undefined) this.reserve(batch, coin, WITHDRAWAL);
    }
    this.noteUnconfirmed(batch, { txid, transaction });
  }

  /** Unconfirmed coins that it spends and that may be gone with a transaction that we did not keep. */
  doubtsOf(transaction: Transaction): Outpoint[] {
    return transaction.inputs.filter((input) => this.isFromBefore(this.coins.get(keyOfInput(input))));
  }

  /** Such a coin of a transaction that the mempool does not have: it is there, or it is gone with all that spends it. */
  settleInput(batch: Batch, { txid, index }: Outpoint, unspent: boolean): void {
    const key = keyOf(txid, index);
    if (!unspent && this.isFromBefore(this.coins.get(key))) this.vanish(batch, key);
  }

  private isFromBefore(coin: CoinRow | undefined): boolean {
    if (coin === undefined || coin.height !== undefined || coin.spentHeight !== undefined) return false;
    return !this.tracked.has(toHex(coin.txid));
  }

  /** Adopts a transaction of the mempool. It replaces those that it conflicts with, as it did there. */
  noteUnconfirmed(batch: Batch, { txid, transaction }: ChainTransaction): void {
    const id = toHex(txid);
    // Published with its block, not waiting for one: the block itself brings it.
    if (isCoinbase(transaction) || this.tracked.has(id) || !this.concerns(transaction)) return;
    // A block spends what it spends: it is in that block, or can't be in any.
    if (spends(transaction).some((key) => this.isSpentByBlock(key))) return;
    if (transaction.outputs.some((_, index) => this.coins.get(keyOf(txid, index))?.height !== undefined)) return;
    this.track(batch, { id, transaction, height: undefined });
    this.receive(batch, txid, transaction, undefined);
  }

  /** The transaction will not be in a block: what it spent is unspent, what it made is gone. */
  abandon(batch: Batch, txid: Txid): void {
    const tracked = this.tracked.get(toHex(txid));
    if (tracked !== undefined && tracked.height === undefined) this.drop(batch, tracked);
  }

  connectBlock(batch: Batch, height: number, transactions: readonly ChainTransaction[]): void {
    this.height = height;
    for (const { txid, transaction } of transactions) {
      if (!this.concerns(transaction)) continue;
      this.track(batch, { id: toHex(txid), transaction, height });
      for (const key of spends(transaction)) {
        const coin = this.coins.get(key);
        if (coin !== undefined) this.put(batch, { ...coin, spentHeight: height });
      }
      this.receive(batch, txid, transaction, height);
    }
    this.forget(height - BLOCKS_KEPT);
  }

  disconnectBlock(batch: Batch, height: number): void {
    this.height = height - 1;
    for (const tracked of this.tracked.values()) if (tracked.height === height) tracked.height = undefined;
    for (const coin of [...this.coins.values()]) {
      if (coin.height === height && coin.coinbase) this.vanish(batch, keyOfCoin(coin));
      else if (coin.height === height) this.put(batch, { ...coin, height: undefined, spentHeight: undefined });
      else if (coin.spentHeight === height) this.put(batch, { ...coin, spentHeight: undefined });
    }
    // The reward of a block that is gone can't come back.
    for (const tracked of [...this.tracked.values()]) {
      if (tracked.height === undefined && isCoinbase(tracked.transaction)) this.drop(batch, tracked);
    }
  }

  /**
   * Coins of which only the mempool knows what became: reserved for a withdrawal, or unconfirmed, by a transaction from
   * before the start.
   */
  doubts(): Outpoint[] {
    const doubtful = this.unspent().filter((coin) => this.isDoubtful(coin));
    return doubtful.map(({ txid, outputIndex }) => ({ txid, index: outputIndex }));
  }

  /** `unspent`: chain and mempool have the output, and nothing in them spends it. */
  settleDoubt(batch: Batch, { txid, index }: Outpoint, unspent: boolean): void {
    const key = keyOf(txid, index);
    const coin = this.coins.get(key);
    if (coin === undefined || !this.isDoubtful(coin)) return;
    if (unspent && coin.reservedFor === WITHDRAWAL) this.put(batch, { ...coin, reservedFor: undefined });
    if (!unspent && coin.reservedFor === undefined) this.vanish(batch, key);
  }

  private isDoubtful(coin: CoinRow): boolean {
    if (coin.spentHeight !== undefined || this.spenders.has(keyOfCoin(coin))) return false;
    return this.isFromBefore(coin) || coin.reservedFor === WITHDRAWAL;
  }

  private hold(coin: CoinRow): void {
    const key = keyOfCoin(coin);
    this.coins.set(key, coin);
    if (coin.spentHeight === undefined) this.spent.delete(key);
    else this.spent.add(key);
  }

  private put(batch: Batch, row: CoinRow): void {
    this.hold(row);
    batch.change({ type: "coin", row });
  }

  /** Whether the transaction touches the wallet, or something that does. */
  private concerns(transaction: Transaction): boolean {
    return (
      transaction.outputs.some(({ script }) => this.keys.find(script) !== undefined) ||
      spends(transaction).some((key) => this.coins.has(key) || this.spenders.has(key))
    );
  }

  private isSpentByBlock(key: string): boolean {
    return this.spent.has(key) || this.spenders.get(key)?.height !== undefined;
  }

  /** Takes note of what a transaction spends; another unconfirmed one that spends the same is dropped. */
  private track(batch: Batch, tracked: Tracked): void {
    const keys = spends(tracked.transaction);
    for (const key of keys) {
      const other = this.spenders.get(key);
      if (other !== undefined && other.id !== tracked.id) this.drop(batch, other);
    }
    this.tracked.set(tracked.id, tracked);
    for (const key of keys) this.spenders.set(key, tracked);
  }

  private untrack(tracked: Tracked): void {
    this.tracked.delete(tracked.id);
    for (const key of spends(tracked.transaction)) this.spenders.delete(key);
  }

  private receive(batch: Batch, txid: Txid, transaction: Transaction, height: number | undefined): void {
    transaction.outputs.forEach(({ amountSat, script }, outputIndex) => {
      const key = this.keys.find(script);
      if (key === undefined) return;
      // Another wallet of the same seed is ahead of us.
      this.keys.used(batch, key);
      const known = this.coins.get(keyOf(txid, outputIndex));
      const coinbase = isCoinbase(transaction);
      this.lost.delete(keyOf(txid, outputIndex));
      const fresh = { txid, outputIndex, amountSat: sat(amountSat), ...key, coinbase, height };
      this.put(batch, known ? { ...known, height } : { ...fresh, reservedFor: undefined, spentHeight: undefined });
    });
  }

  /** Ends an unconfirmed transaction: its outputs go, with all that was built on them, and its coins are free. */
  private drop(batch: Batch, tracked: Tracked): void {
    this.untrack(tracked);
    const spent = spends(tracked.transaction);
    tracked.transaction.outputs.forEach((_, index) => {
      const key = `${tracked.id}:${index}`;
      if (this.coins.get(key)?.reservedFor !== undefined) this.lost.set(key, spent);
      this.vanish(batch, key);
    });
    for (const key of spent) {
      const coin = this.coins.get(key);
      if (coin?.reservedFor === WITHDRAWAL) this.put(batch, { ...coin, reservedFor: undefined });
    }
  }

  /** Removes an output that does not exist any more, where it is a coin, and what spends it. */
  private vanish(batch: Batch, key: string): void {
    const coin = this.coins.get(key);
    if (coin !== undefined) {
      this.coins.delete(key);
      this.spent.delete(key);
      batch.change({ type: "coin_removed", txid: coin.txid, outputIndex: coin.outputIndex });
    }
    const spender = this.spenders.get(key);
    if (spender !== undefined) this.drop(batch, spender);
  }

  /** Drops from memory what no reorganisation that is followed can undo. */
  private forget(deep: number): void {
    for (const key of this.spent) {
      const spentHeight = this.coins.get(key)?.spentHeight;
      if (spentHeight === undefined || spentHeight > deep) continue;
      this.coins.delete(key);
      this.spent.delete(key);
    }
    for (const tracked of this.tracked.values()) {
      if (tracked.height !== undefined && tracked.height <= deep) this.untrack(tracked);
    }
  }
}
