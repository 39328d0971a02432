import { err, invariant, ok, type Result, toHex } from "../../core/base/index.ts";
import type { BlockRef, ChainEvent, Outpoint, UnspentOutput } from "../../ports/bitcoin-chain.ts";
import type { Clock } from "../../ports/clock.ts";
import { type Admission, admit, type Origin } from "./admission.ts";
import { grind, merkleRoot } from "./block-header.ts";
import { BlockTree, type ChainBlock, type Route } from "./block-tree.ts";
import { type ChainTransaction, parseChainTransaction } from "./chain-transaction.ts";
import { coinbaseTransaction } from "./coinbase.ts";
import { type Coin, Coins, outpointKey } from "./coins.ts";
import {
  COINBASE_MATURITY,
  checkAmounts,
  checkStructure,
  coinsSpent,
  isCoinbase,
  isFinal,
  MAX_BLOCK_WEIGHT,
  type Position,
  sequenceLocksMet,
  subsidy,
} from "./consensus.ts";
import { FAUCET_SCRIPT, type FaucetEmpty, faucetTransaction } from "./faucet.ts";
import { Mempool, type MempoolEntry } from "./mempool.ts";
import { feeAt, MIN_RELAY_FEE } from "./policy.ts";
import { type Rejection, rejection, scriptRejection } from "./rejection.ts";
import { verifyScripts } from "./spend.ts";

export type SubmitResult =
  | Admission
  | { readonly type: "already_known"; readonly where: "mempool" | "block" }
  | Rejection;

export type MineOptions = {
  /** Where the block's reward goes; the faucet unless given. */
  readonly script?: Uint8Array;
  /** What the first block holds, in order, valid by consensus alone; later ones then hold nothing. Else all take from the mempool. */
  readonly transactions?: readonly Uint8Array[];
};

/** Of a block with transactions that the caller chose: the first that is invalid there. */
export type BadBlock = { readonly type: "bad_block"; readonly index: number; readonly reason: string };

/** Most transactions whose scripts are remembered as valid; then all are forgotten. */
const MAX_REMEMBERED = 100_000;

/**
 * A Bitcoin chain in memory with the rules of regtest and one miner: whoever calls `mine`. It owns blocks, coins and
 * mempool; nothing in it is random, and time is the clock's, so that the same calls give the same chain, hash by hash.
 * Raw transactions may come from anybody; what else is passed is the owner's.
 *
 * Limits, beside those named where they apply: no limit on signature operations, no rules for version 3, nothing legacy
 * is spendable, and the floor of fees rises by nobody but the owner: see `mempoolMinimum`.
 */
export class Chain {
  readonly #clock: Pick<Clock, "now">;
  readonly #tree = new BlockTree();
  readonly #coins = new Coins(FAUCET_SCRIPT);
  readonly #mempool = new Mempool();
  readonly #knownValid = new Set<string>();
  readonly #listeners = new Set<(event: ChainEvent) => void>();
  #blocksMade = 0;
  #feeEstimate: number | undefined;
  #mempoolMinimum = MIN_RELAY_FEE;

  constructor(clock: Pick<Clock, "now">) {
    this.#clock = clock;
  }

  get tip(): ChainBlock {
    return this.#tree.tip;
  }

  /** The block of the best chain at `height`. */
  blockAt(height: number): ChainBlock | undefined {
    return this.#tree.at(height);
  }

  /** Any block ever made. */
  block(hash: Uint8Array): ChainBlock | undefined {
    return this.#tree.get(hash);
  }

  isActive(block: ChainBlock): boolean {
    return this.#tree.isActive(block);
  }

  /** Median time past of a block of the best chain, in seconds since 1970. */
  medianTime(height: number): number {
    return this.#tree.medianTime(height);
  }

  /** What waits for a block, in order of arrival. `key` is that of ChainTransaction. */
  waiting(): readonly MempoolEntry[] {
    return this.#mempool.all();
  }

  waitingTransaction(key: string): MempoolEntry | undefined {
    return this.#mempool.get(key);
  }

  /** Satoshi per 1000 virtual bytes; undefined until set, as on an empty regtest. */
  get feeEstimate(): number | undefined {
    return this.#feeEstimate;
  }

  set feeEstimate(rate: number | undefined) {
    this.#feeEstimate = rate;
  }

  /** Satoshi per 1000 virtual bytes below which nothing is relayed, as if the mempool were full: never below the relay fee. */
  get mempoolMinimum(): number {
    return this.#mempoolMinimum;
  }

  /** What waits at less leaves, and what spends it. A cheap parent is not kept for its child, as a real mempool may. */
  set mempoolMinimum(rate: number) {
    this.#mempoolMinimum = Math.max(rate, MIN_RELAY_FEE);
    const pays = ({ feeSat, virtualSize }: MempoolEntry) => feeSat >= feeAt(this.#mempoolMinimum, virtualSize);
    if (this.#mempool.all().every(pays)) return;
    for (const entry of this.#mempool.drain()) if (pays(entry)) this.#readmit(entry, "waited");
  }

  /** Nothing waits any more, as after a restart of a node that keeps no mempool: whoever wants it submits it again. */
  forgetWaiting(): void {
    this.#mempool.drain();
  }

  /** The output if nothing spends it: in the best chain, and by default in the mempool too. */
  unspent(
    { txid, index }: Outpoint,
    options: { readonly mempool: boolean } = { mempool: true },
  ): UnspentOutput | undefined {
    const key = outpointKey(txid, index);
    if (options.mempool && this.#mempool.spender(key) !== undefined) return undefined;
    const confirmed = this.#coins.get(key);
    const coin =
      confirmed ?? (options.mempool ? this.#mempool.coin(toHex(txid), index, this.tip.height + 1) : undefined);
    if (coin === undefined) return undefined;
    const { amountSat, script, coinbase } = coin;
    return { amountSat, script, coinbase, confirmations: this.tip.height + 1 - coin.height };
  }

  /** Whether `submit` would take a transaction, without taking it. */
  test(raw: Uint8Array): SubmitResult {
    const parsed = parseChainTransaction(raw);
    if (!parsed.ok) {
      const { reason } = parsed.error;
      return rejection(reason === "amount_too_large" ? "bad-txns-vout-toolarge" : `TX decode failed: ${reason}`);
    }
    if (this.#tree.confirming(parsed.value.key) !== undefined) return { type: "already_known", where: "block" };
    const known = this.#mempool.get(parsed.value.key);
    if (known !== undefined && toHex(known.wtxid) === toHex(parsed.value.wtxid)) {
      return { type: "already_known", where: "mempool" };
    }
    return this.#admit(parsed.value, "new");
  }

  /** Puts a transaction into the mempool, in place of what it replaces. */
  submit(raw: Uint8Array): SubmitResult {
    const result = this.test(raw);
    if (result.type !== "admitted") return result;
    this.#take(result);
    this.#emit({ type: "mempool", transaction: result.entry.raw });
    return result;
  }

  /** Adds `count` blocks to the best chain. Where a chosen transaction is invalid, none. */
  mine(count: number, options: MineOptions = {}): Result<readonly BlockRef[], BadBlock> {
    invariant(Number.isSafeInteger(count) && count >= 1, `not a number of blocks: ${count}`);
    const chosen = options.transactions && this.#parseChosen(options.transactions);
    if (chosen?.ok === false) return chosen;
    const made: BlockRef[] = [];
    for (let i = 0; i < count; i++) {
      const transactions = chosen === undefined ? this.#mempool.template() : i === 0 ? chosen.value : [];
      const block = this.#mineBlock(options.script ?? FAUCET_SCRIPT, transactions);
      if (!block.ok) return block;
      made.push({ height: block.value.height, hash: block.value.hash });
    }
    this.#emit({ type: "tip" });
    return ok(made);
  }

  /**
   * Puts a transaction into the mempool whose first output pays `amountSat` to `script`, from mined coins: at least 101
   * blocks must have been mined to the faucet.
   */
  fund(script: Uint8Array, amountSat: bigint): Result<Outpoint, FaucetEmpty | Rejection> {
    const built = faucetTransaction(this.#faucetCoins(), script, amountSat);
    if ("type" in built) return err(built);
    const result = this.submit(built.raw);
    if (result.type === "rejected") return err(result);
    return ok({ txid: built.txid, index: 0 });
  }

  /**
   * Refuses a block of any chain, and all that stand on it: where it was on the best chain, the longest other one becomes
   * the best, and its transactions wait again. The first block can't be refused.
   */
  invalidate(block: ChainBlock): void {
    invariant(block.height > 0, "the first block is never refused");
    this.#tree.refuse(block);
    const returned: ChainTransaction[] = [];
    // One block at a time, as Core does it: children come back before their parents, whose limits then don't count them.
    while (this.#tree.isActive(block)) {
      const tip = this.#tree.dropTip();
      this.#coins.disconnect(tip.transactions, tip.undo);
      returned.push(...this.#giveBack(tip.transactions.slice(1)));
    }
    this.#activateBest(returned);
  }

  /** The reverse of `invalidate`, for the block and those before and after it. */
  reconsider(block: ChainBlock): void {
    this.#tree.forgive(block);
    this.#activateBest([]);
  }

  /** Calls `listener` after each change, until the function returned is called. What it throws is ignored. */
  subscribe(listener: (event: ChainEvent) => void): () => void {
    // One of its own for each call, so that the same listener may subscribe twice.
    const own = (event: ChainEvent): void => listener(event);
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  #emit(event: ChainEvent): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(event);
      } catch {
        // A listener's own fault must not change what the chain did.
      }
    }
  }

  #position(): Position {
    const { height } = this.tip;
    return {
      height: height + 1,
      medianTime: this.#tree.medianTime(height),
      medianTimeBefore: (at) => this.#tree.medianTime(Math.max(at - 1, 0)),
    };
  }

  #admit(candidate: ChainTransaction, origin: Origin): Admission | Rejection {
    const position = this.#position();
    const inMempool = (key: string): Coin | undefined => {
      const [txid = "", index = ""] = key.split(":");
      return this.#mempool.coin(txid, Number(index), position.height);
    };
    const around = {
      mempool: this.#mempool,
      position,
      minimumRate: this.#mempoolMinimum,
      lookup: (key: string) => this.#coins.get(key) ?? inMempool(key),
      knownValid: ({ wtxid }: ChainTransaction) => this.#knownValid.has(toHex(wtxid)),
    };
    return admit(candidate, around, origin);
  }

  #take({ entry, evicted }: Admission): void {
    for (const old of evicted) this.#mempool.remove(old);
    this.#mempool.add(entry);
    if (this.#knownValid.size >= MAX_REMEMBERED) this.#knownValid.clear();
    this.#knownValid.add(toHex(entry.wtxid));
  }

  #parseChosen(raws: readonly Uint8Array[]): Result<readonly ChainTransaction[], BadBlock> {
    const chosen: ChainTransaction[] = [];
    for (const [index, raw] of raws.entries()) {
      const parsed = parseChainTransaction(raw);
      if (!parsed.ok) return err({ type: "bad_block", index, reason: parsed.error.reason });
      chosen.push(parsed.value);
    }
    return ok(chosen);
  }

  /** The fee of a transaction at its place in the next block, or what is wrong with it there. */
  #checkInBlock(candidate: ChainTransaction, position: Position): ReturnType<typeof checkAmounts> {
    const { transaction } = candidate;
    const structure = checkStructure(candidate);
    if (structure !== undefined) return structure;
    if (isCoinbase(transaction)) return rejection("bad-cb-multiple");
    if (!isFinal(transaction, position)) return rejection("bad-txns-nonfinal");
    const coins = coinsSpent(transaction, (key) => this.#coins.get(key));
    if (coins === undefined) return rejection("bad-txns-inputs-missingorspent");
    const fee = checkAmounts(transaction, coins, position.height);
    if (fee.type === "rejected") return fee;
    if (!sequenceLocksMet(transaction, coins, position)) return rejection("bad-txns-nonfinal");
    if (this.#knownValid.has(toHex(candidate.wtxid))) return fee;
    const error = verifyScripts(transaction, coins, "consensus");
    return error === undefined ? fee : scriptRejection(error, "block");
  }

  /** Moves the coins through `transactions`; on an invalid one, back. */
  #connectChecked(transactions: readonly ChainTransaction[]): Result<{ fees: bigint; undo: Coin[] }, BadBlock> {
    const position = this.#position();
    const undo: Coin[] = [];
    let fees = 0n;
    let weight = 0;
    for (const [index, candidate] of transactions.entries()) {
      weight += candidate.weight;
      const room = weight <= MAX_BLOCK_WEIGHT - 4 * 1000;
      const checked = room ? this.#checkInBlock(candidate, position) : rejection("bad-blk-weight");
      if (checked.type === "rejected") {
        this.#coins.disconnect(transactions.slice(0, index), undo);
        return err({ type: "bad_block", index, reason: checked.reason });
      }
      fees += checked.feeSat;
      undo.push(...this.#coins.connect(candidate, position.height, false));
    }
    return ok({ fees, undo });
  }

  #mineBlock(script: Uint8Array, transactions: readonly ChainTransaction[]): Result<ChainBlock, BadBlock> {
    const connected = this.#connectChecked(transactions);
    if (!connected.ok) return connected;
    const { fees, undo } = connected.value;
    const height = this.tip.height + 1;
    this.#blocksMade += 1;
    const coinbase = coinbaseTransaction(height, this.#blocksMade, subsidy(height) + fees, script, transactions);
    this.#coins.connect(coinbase, height, true);
    const all = [coinbase, ...transactions];
    const { header, hash } = grind({
      version: 0x20000000,
      previousHash: this.tip.hash,
      merkleRoot: merkleRoot(all.map(({ txid }) => txid)),
      time: Math.max(this.#tree.medianTime(this.tip.height) + 1, Math.floor(this.#clock.now() / 1000)),
    });
    const block = { height, hash, header, transactions: all, undo };
    this.#tree.extend(block);
    this.#mempool.confirm(transactions);
    return ok(block);
  }

  /** Confirmed coins that are mature and unspent first, then change that waits. */
  *#faucetCoins(): Generator<Coin> {
    const height = this.tip.height + 1;
    for (const coin of this.#coins.watched()) {
      const mature = !coin.coinbase || height - coin.height >= COINBASE_MATURITY;
      if (mature && this.#mempool.spender(outpointKey(coin.txid, coin.index)) === undefined) yield coin;
    }
    for (const entry of this.#mempool.all()) {
      for (const [index, { script }] of entry.transaction.outputs.entries()) {
        const free = this.#mempool.spender(outpointKey(entry.txid, index)) === undefined;
        const coin = free && toHex(script) === toHex(FAUCET_SCRIPT) && this.#mempool.coin(entry.key, index, height);
        if (coin) yield coin;
      }
    }
  }

  /** `returned` are transactions of blocks that were disconnected before. */
  #activateBest(returned: readonly ChainTransaction[]): void {
    const route = this.#tree.activateBest();
    this.#moveCoins(route);
    const more = this.#giveBack(route.disconnect.toReversed().flatMap(({ transactions }) => transactions.slice(1)));
    this.#emit({ type: "tip" });
    for (const { key, raw } of [...returned, ...more]) {
      if (this.#mempool.get(key) !== undefined) this.#emit({ type: "mempool", transaction: raw });
    }
  }

  /** Offers to the mempool what blocks held, and what it held itself again: some of it may have become invalid. */
  #giveBack(returned: readonly ChainTransaction[]): readonly ChainTransaction[] {
    const waited = this.#mempool.drain();
    for (const entry of returned) this.#readmit(entry, "returned");
    for (const entry of waited) this.#readmit(entry, "waited");
    return returned;
  }

  #moveCoins({ disconnect, connect }: Route): void {
    for (const { transactions, undo } of disconnect) this.#coins.disconnect(transactions, undo);
    for (const { transactions, height } of connect) {
      for (const [i, transaction] of transactions.entries()) this.#coins.connect(transaction, height, i === 0);
    }
  }

  /** What the new chain holds or no longer allows is dropped. */
  #readmit(candidate: ChainTransaction, origin: Origin): void {
    if (this.#tree.confirming(candidate.key) !== undefined) return;
    const result = this.#admit(candidate, origin);
    if (result.type === "admitted") this.#take(result);
  }
}

/** How people write the hash of a block or transaction: reversed, hexadecimal. */
export function displayHash(hash: Uint8Array): string {
  return toHex(hash.toReversed());
}
