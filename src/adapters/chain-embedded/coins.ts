import { invariant, type Txid, toHex } from "../../core/base/index.ts";
import type { ChainTransaction } from "./chain-transaction.ts";
import { OP } from "./script.ts";

/** An output that may be spent. */
export type Coin = {
  readonly txid: Txid;
  readonly index: number;
  readonly amountSat: bigint;
  readonly script: Uint8Array;
  /** Height of its block; for an output in the mempool, the height of the next block. */
  readonly height: number;
  readonly coinbase: boolean;
};

export function outpointKey(txid: Txid, index: number): string {
  return `${toHex(txid)}:${index}`;
}

/** Never spendable, so never kept: RETURN, or longer than any script may be. */
function isUnspendable(script: Uint8Array): boolean {
  return script[0] === OP.RETURN || script.length > 10_000;
}

/** The outputs that a transaction makes at `height`. */
export function coinsOf({ txid, transaction }: ChainTransaction, height: number, coinbase: boolean): Coin[] {
  return transaction.outputs.flatMap(({ amountSat, script }, index) =>
    isUnspendable(script) ? [] : [{ txid, index, amountSat, script, height, coinbase }],
  );
}

/** What undoes a block: the coins that it spent, in the order in which it spent them. */
export type Undo = readonly Coin[];

/** The unspent outputs of the best chain. */
export class Coins {
  readonly #coins = new Map<string, Coin>();
  /** Keys of the coins locked by `#watched`, oldest first. */
  readonly #watchedKeys = new Set<string>();
  readonly #watched: string;

  /** `watched` is the one script whose coins can be listed. */
  constructor(watched: Uint8Array) {
    this.#watched = toHex(watched);
  }

  get(key: string): Coin | undefined {
    return this.#coins.get(key);
  }

  get size(): number {
    return this.#coins.size;
  }

  *watched(): Generator<Coin> {
    for (const key of this.#watchedKeys) {
      const coin = this.#coins.get(key);
      if (coin !== undefined) yield coin;
    }
  }

  /** Spends and makes what a transaction does; its inputs must be there. Gives what it spent. */
  connect(entry: ChainTransaction, height: number, coinbase: boolean): Coin[] {
    const spent = coinbase
      ? []
      : entry.transaction.inputs.map(({ txid, index }) => this.#take(outpointKey(txid, index)));
    for (const coin of coinsOf(entry, height, coinbase)) this.#put(coin);
    return spent;
  }

  /** The reverse of `connect` of each of `entries` in order, which together spent `undo`. */
  disconnect(entries: readonly ChainTransaction[], undo: Undo): void {
    for (const entry of entries.toReversed()) {
      for (const coin of coinsOf(entry, 0, false)) {
        const key = outpointKey(coin.txid, coin.index);
        // Spent within the block: its place is among what `undo` gives back.
        if (this.#coins.has(key)) this.#take(key);
      }
    }
    const made = new Set(entries.map((entry) => entry.key));
    for (const coin of undo) if (!made.has(toHex(coin.txid))) this.#put(coin);
  }

  #put(coin: Coin): void {
    const key = outpointKey(coin.txid, coin.index);
    this.#coins.set(key, coin);
    if (toHex(coin.script) === this.#watched) this.#watchedKeys.add(key);
  }

  #take(key: string): Coin {
    const coin = this.#coins.get(key);
    invariant(coin !== undefined, "a coin that is spent was there");
    this.#coins.delete(key);
    this.#watchedKeys.delete(key);
    return coin;
  }
}
