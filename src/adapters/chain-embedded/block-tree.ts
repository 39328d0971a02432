import { asTxid, concatBytes, fromHex, invariant, toHex } from "../../core/base/index.ts";
import { hash256 } from "../../core/crypto/index.ts";
import { type BlockHeader, encodeHeader, merkleRoot, REGTEST_BITS } from "./block-header.ts";
import { type ChainTransaction, chainTransaction } from "./chain-transaction.ts";
import type { Undo } from "./coins.ts";

/** A block whose transactions were found valid where it stands. */
export type ChainBlock = {
  readonly height: number;
  readonly hash: Uint8Array;
  readonly header: BlockHeader;
  /** The coinbase first. */
  readonly transactions: readonly ChainTransaction[];
  readonly undo: Undo;
};

const MEDIAN_SPAN = 11;

/** The first block of regtest, whose coinbase can't be spent. Source: Bitcoin Core, chain parameters. */
function genesis(): ChainBlock {
  const headline = new TextEncoder().encode("The Times 03/Jan/2009 Chancellor on brink of second bailout for banks");
  const key = fromHex(
    "04678afdb0fe5548271967f1a67130b7105cd6a828e03909a67962e0ea1f61deb649f6bc3f4cef38c4f35504e51ec112de5c384df7ba0b8d578a4c702b6bf11d5f",
  );
  invariant(key !== undefined, "the key of the first block is hexadecimal");
  const coinbase = chainTransaction({
    version: 1,
    inputs: [
      {
        txid: asTxid(new Uint8Array(32)),
        index: 0xffffffff,
        script: concatBytes(Uint8Array.of(0x04, 0xff, 0xff, 0x00, 0x1d, 0x01, 0x04, headline.length), headline),
        sequence: 0xffffffff,
        witness: [],
      },
    ],
    outputs: [{ amountSat: 5_000_000_000n, script: concatBytes(Uint8Array.of(key.length), key, Uint8Array.of(0xac)) }],
    lockTime: 0,
  });
  const header = {
    version: 1,
    previousHash: new Uint8Array(32),
    merkleRoot: merkleRoot([coinbase.txid]),
    time: 1_296_688_602,
    bits: REGTEST_BITS,
    nonce: 2,
  };
  return { height: 0, hash: hash256(encodeHeader(header)), header, transactions: [coinbase], undo: [] };
}

/** The steps from one best chain to another. */
export type Route = {
  /** Leave the best chain, the tip first. */
  readonly disconnect: readonly ChainBlock[];
  /** Join it, the lowest first. */
  readonly connect: readonly ChainBlock[];
};

/** All blocks ever made, which of them are refused, and the best chain: the longest without a refused block. */
export class BlockTree {
  /** In the order of their making, hence each after the one before it. */
  readonly #blocks = new Map<string, ChainBlock>();
  readonly #refused = new Set<string>();
  #active: ChainBlock[] = [];
  readonly #confirmed = new Map<string, ChainBlock>();

  constructor() {
    const first = genesis();
    this.#blocks.set(toHex(first.hash), first);
    this.#active.push(first);
  }

  get tip(): ChainBlock {
    const tip = this.#active.at(-1);
    invariant(tip !== undefined, "the first block is never disconnected");
    return tip;
  }

  /** The block of the best chain at `height`. */
  at(height: number): ChainBlock | undefined {
    return this.#active[height];
  }

  get(hash: Uint8Array): ChainBlock | undefined {
    return this.#blocks.get(toHex(hash));
  }

  isActive(block: ChainBlock): boolean {
    return this.#active[block.height] === block;
  }

  /** The block of the best chain that holds a transaction. `key` is that of ChainTransaction. */
  confirming(key: string): ChainBlock | undefined {
    return this.#confirmed.get(key);
  }

  /** Median of the times of a block of the best chain and the ten before it. Source: BIP 113. */
  medianTime(height: number): number {
    const times = this.#active
      .slice(Math.max(0, height + 1 - MEDIAN_SPAN), height + 1)
      .map(({ header }) => header.time);
    times.sort((a, b) => a - b);
    return times[Math.floor(times.length / 2)] ?? 0;
  }

  /** Puts a new block onto the tip. */
  extend(block: ChainBlock): void {
    this.#blocks.set(toHex(block.hash), block);
    this.#push(block);
  }

  refuse(block: ChainBlock): void {
    this.#refused.add(toHex(block.hash));
  }

  /** Forgives a block, those that it stands on and those that stand on it. */
  forgive(block: ChainBlock): void {
    for (const key of [...this.#refused]) {
      const other = this.#blocks.get(key);
      if (other === undefined) continue;
      if (this.#standsOn(other, block) || this.#standsOn(block, other)) this.#refused.delete(key);
    }
  }

  /** Takes the tip off the best chain, which thereby may no longer be the longest. */
  dropTip(): ChainBlock {
    const { tip } = this;
    this.#active.pop();
    for (const { key } of tip.transactions) this.#confirmed.delete(key);
    return tip;
  }

  /** Makes the longest chain without a refused block the best one; of equal ones, the first made. */
  activateBest(): Route {
    const best = this.#best();
    const connect: ChainBlock[] = [];
    for (let block = best; !this.isActive(block); block = this.#before(block)) connect.unshift(block);
    const disconnect: ChainBlock[] = [];
    while (this.tip.height > best.height - connect.length) disconnect.push(this.dropTip());
    for (const block of connect) this.#push(block);
    return { disconnect, connect };
  }

  #push(block: ChainBlock): void {
    this.#active.push(block);
    for (const { key } of block.transactions) this.#confirmed.set(key, block);
  }

  #best(): ChainBlock {
    const tainted = new Set<string>();
    let best: ChainBlock | undefined;
    for (const [key, block] of this.#blocks) {
      if (this.#refused.has(key) || tainted.has(toHex(block.header.previousHash))) {
        tainted.add(key);
        continue;
      }
      if (best === undefined || block.height > best.height) best = block;
    }
    invariant(best !== undefined, "the first block is never refused");
    return best;
  }

  #before(block: ChainBlock): ChainBlock {
    const before = this.#blocks.get(toHex(block.header.previousHash));
    invariant(before !== undefined, "a block stands on one that is known");
    return before;
  }

  #standsOn(block: ChainBlock, base: ChainBlock): boolean {
    let at = block;
    while (at.height > base.height) at = this.#before(at);
    return at === base;
  }
}
