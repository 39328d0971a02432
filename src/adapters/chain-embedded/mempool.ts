import { invariant, toHex } from "../../core/base/index.ts";
import type { ChainTransaction } from "./chain-transaction.ts";
import { type Coin, coinsOf, outpointKey } from "./coins.ts";
import { MAX_BLOCK_WEIGHT } from "./consensus.ts";
import { feeAt, MIN_RELAY_FEE, rateOf } from "./policy.ts";
import { type Rejection, rejection } from "./rejection.ts";

const MAX_CHAIN = 25;
const MAX_CHAIN_VIRTUAL_SIZE = 101_000;
/** A child of one unconfirmed parent may exceed the two limits by one transaction of this size. */
const EXTRA_CHILD_VIRTUAL_SIZE = 10_000;
const MAX_REPLACED = 100;
/** Room in a block for its header and coinbase. */
const RESERVED_WEIGHT = 8000;

export type MempoolEntry = ChainTransaction & { readonly feeSat: bigint };

type Related = ReadonlyMap<string, MempoolEntry>;

function totalSize(entries: Iterable<MempoolEntry>): number {
  let size = 0;
  for (const entry of entries) size += entry.virtualSize;
  return size;
}

/** The transactions that wait for a block, in order of arrival: each after those that it spends. */
export class Mempool {
  readonly #entries = new Map<string, MempoolEntry>();
  /** By outpoint, the entry that spends it. */
  readonly #spenders = new Map<string, MempoolEntry>();

  get(key: string): MempoolEntry | undefined {
    return this.#entries.get(key);
  }

  /** The entry that spends an outpoint. */
  spender(outpoint: string): MempoolEntry | undefined {
    return this.#spenders.get(outpoint);
  }

  all(): readonly MempoolEntry[] {
    return [...this.#entries.values()];
  }

  /** An output of a waiting transaction, spent or not; it will be in a block at `height` at the earliest. */
  coin(key: string, index: number, height: number): Coin | undefined {
    const entry = this.#entries.get(key);
    return entry && coinsOf(entry, height, false).find((coin) => coin.index === index);
  }

  /** The waiting transactions that `entry` spends from, directly or not. */
  ancestors(entry: ChainTransaction): Related {
    const found = new Map<string, MempoolEntry>();
    const left: ChainTransaction[] = [entry];
    for (let next = left.pop(); next !== undefined; next = left.pop()) {
      for (const { txid } of next.transaction.inputs) {
        const parent = this.#entries.get(toHex(txid));
        if (parent === undefined || found.has(parent.key)) continue;
        found.set(parent.key, parent);
        left.push(parent);
      }
    }
    return found;
  }

  /** `entry` and the waiting transactions that spend from it, directly or not. */
  withDescendants(entry: MempoolEntry): Related {
    const found = new Map<string, MempoolEntry>([[entry.key, entry]]);
    const left = [entry];
    for (let next = left.pop(); next !== undefined; next = left.pop()) {
      for (const index of next.transaction.outputs.keys()) {
        const child = this.#spenders.get(outpointKey(next.txid, index));
        if (child === undefined || found.has(child.key)) continue;
        found.set(child.key, child);
        left.push(child);
      }
    }
    return found;
  }

  /** The waiting transactions that spend an output which `entry` spends too. */
  conflicts(entry: ChainTransaction): Related {
    const found = new Map<string, MempoolEntry>();
    for (const { txid, index } of entry.transaction.inputs) {
      const spender = this.#spenders.get(outpointKey(txid, index));
      if (spender !== undefined) found.set(spender.key, spender);
    }
    return found;
  }

  /** Whether `entry` has too many waiting ancestors, or too large ones. */
  hasLongAncestry(entry: MempoolEntry): boolean {
    const ancestors = this.ancestors(entry);
    return ancestors.size + 1 > MAX_CHAIN || totalSize(ancestors.values()) + entry.virtualSize > MAX_CHAIN_VIRTUAL_SIZE;
  }

  /**
   * Whether `entry` would give some waiting transaction too many descendants, or too large ones. What a single conflict
   * takes up is left out of account; a small child of a single parent may come on top, so that either side of a contract can
   * always add one.
   */
  makesLargeFamily(entry: MempoolEntry, conflicts: Related): boolean {
    const ancestors = [...this.ancestors(entry).values()];
    const [conflict, ...more] = conflicts.values();
    const replaced = conflict !== undefined && more.length === 0 ? [...this.withDescendants(conflict).values()] : [];
    const extra = ancestors.length <= 1 && entry.virtualSize <= EXTRA_CHILD_VIRTUAL_SIZE;
    const count = MAX_CHAIN + (replaced.length > 0 ? 1 : 0);
    const size = MAX_CHAIN_VIRTUAL_SIZE + totalSize(replaced);
    return ancestors.some((ancestor) => {
      const family = [...this.withDescendants(ancestor).values(), entry];
      const fits = family.length <= count && totalSize(family) <= size;
      // The extra child is allowed by the plain limits, not by those that a conflict raised.
      const fitsExtra =
        extra &&
        family.length <= MAX_CHAIN + 1 &&
        totalSize(family) <= MAX_CHAIN_VIRTUAL_SIZE + EXTRA_CHILD_VIRTUAL_SIZE;
      return !fits && !fitsExtra;
    });
  }

  /**
   * What `entry` evicts by replacing `conflicts`, or why it may not: its rate must be above that of each, its fee above
   * that of all evicted by the relay fee for its own size, and it must not spend from what it evicts, nor from what waits
   * unless the evicted do. Source: BIP 125, without its rule 1, as nodes relay today.
   */
  replacement(entry: MempoolEntry, conflicts: Related): Related | Rejection {
    if (conflicts.size === 0) return conflicts;
    for (const key of this.ancestors(entry).keys()) {
      if (conflicts.has(key)) return rejection("bad-txns-spends-conflicting-tx");
    }
    const rate = rateOf(entry.feeSat, entry.virtualSize);
    for (const conflict of conflicts.values()) {
      if (rate <= rateOf(conflict.feeSat, conflict.virtualSize)) return rejection("insufficient fee");
    }
    const evicted = new Map([...conflicts.values()].flatMap((conflict) => [...this.withDescendants(conflict)]));
    if (evicted.size > MAX_REPLACED) return rejection("too many potential replacements");
    const spentByEvicted = [...evicted.values()].flatMap(({ transaction }) => transaction.inputs);
    const known = new Set(spentByEvicted.map(({ txid }) => toHex(txid)));
    for (const { txid } of entry.transaction.inputs) {
      const key = toHex(txid);
      if (!known.has(key) && this.#entries.has(key)) return rejection("replacement-adds-unconfirmed");
    }
    let least = feeAt(MIN_RELAY_FEE, entry.virtualSize);
    for (const { feeSat } of evicted.values()) least += feeSat;
    return entry.feeSat < least ? rejection("insufficient fee") : evicted;
  }

  add(entry: MempoolEntry): void {
    this.#entries.set(entry.key, entry);
    for (const { txid, index } of entry.transaction.inputs) this.#spenders.set(outpointKey(txid, index), entry);
  }

  remove(entry: MempoolEntry): void {
    this.#entries.delete(entry.key);
    for (const { txid, index } of entry.transaction.inputs) this.#spenders.delete(outpointKey(txid, index));
  }

  /** Takes out what a block confirmed, and what can no longer be valid beside it. */
  confirm(transactions: readonly ChainTransaction[]): void {
    for (const { key } of transactions) {
      const entry = this.#entries.get(key);
      if (entry !== undefined) this.remove(entry);
    }
    for (const { transaction } of transactions) {
      for (const { txid, index } of transaction.inputs) {
        const conflict = this.#spenders.get(outpointKey(txid, index));
        if (conflict === undefined) continue;
        for (const entry of this.withDescendants(conflict).values()) this.remove(entry);
      }
    }
  }

  /** Takes out everything, in order of arrival. */
  drain(): readonly MempoolEntry[] {
    const entries = this.all();
    this.#entries.clear();
    this.#spenders.clear();
    return entries;
  }

  /** What a miner takes: by rate, each with the ancestors that it needs, until a block is full. Parents come first. */
  template(): readonly MempoolEntry[] {
    const order = new Map(this.all().map(({ key }, place) => [key, place]));
    const byRate = this.all().toSorted((a, b) =>
      Number(rateOf(b.feeSat, b.virtualSize) - rateOf(a.feeSat, a.virtualSize)),
    );
    const taken = new Map<string, MempoolEntry>();
    let room = MAX_BLOCK_WEIGHT - RESERVED_WEIGHT;
    for (const entry of byRate) {
      const family = [...this.ancestors(entry).values(), entry].filter(({ key }) => !taken.has(key));
      const weight = family.reduce((sum, one) => sum + one.weight, 0);
      if (weight > room) continue;
      room -= weight;
      for (const one of family) taken.set(one.key, one);
    }
    const place = ({ key }: MempoolEntry): number => {
      const at = order.get(key);
      invariant(at !== undefined, "what is taken was waiting");
      return at;
    };
    return [...taken.values()].sort((a, b) => place(a) - place(b));
  }
}
