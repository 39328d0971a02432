import { compareBytes, type Txid } from "../core/base/index.ts";
import { parseTransaction, type Transaction, transactionId } from "../core/bitcoin/index.ts";
import { type BitcoinChain, type Block, ChainError } from "../ports/bitcoin-chain.ts";
import type { Clock } from "../ports/clock.ts";
import type { ChainBlockRow } from "../ports/store.ts";
import type { Batch } from "./journal.ts";

/** The newest blocks of which the hash is kept: the deepest reorganisation that is followed. */
export const BLOCKS_KEPT = 200;
/** What a new node takes up of the past, so that a reorganisation right after its start finds the fork. */
const FIRST_BLOCKS = 12;
/** Blocks that don't fit together are asked for again this often: the chain may have changed between two calls. */
const RACES_ENDURED = 5;
const POLL_MS = 30_000;
const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 60_000;

export type ChainTransaction = { readonly txid: Txid; readonly transaction: Transaction };

/** A block as the node works on it; the coinbase comes first. */
export type ConnectedBlock = {
  readonly height: number;
  readonly hash: Uint8Array;
  /** Seconds since 1970, as the header says. */
  readonly time: number;
  readonly transactions: readonly ChainTransaction[];
};

/**
 * None of the blocks that the node has processed and still knows is on the best chain: the node behind the port follows
 * another chain, or a reorganisation went deeper than `BLOCKS_KEPT`. What it undid cannot be undone here.
 */
export class ReorganisationTooDeep extends ChainError {
  readonly oldestHeight: number;
  readonly newestHeight: number;
  constructor(oldestHeight: number, newestHeight: number) {
    super("wrong_network", `the best chain has none of the processed blocks ${oldestHeight} to ${newestHeight}`);
    this.name = "ReorganisationTooDeep";
    this.oldestHeight = oldestHeight;
    this.newestHeight = newestHeight;
  }
}

type ChainFollowerOptions = {
  readonly chain: BitcoinChain;
  readonly clock: Clock;
  /** The blocks that the store holds; none for a new node. */
  readonly blocks: readonly ChainBlockRow[];
  readonly submit: <T>(work: (batch: Batch) => T) => Promise<T>;
  /** Called within a work, once for each block of the best chain, in order. */
  readonly onConnect: (batch: Batch, block: ConnectedBlock) => void;
  /**
   * Awaited before each block, and before the node counts as caught up: what the blocks before brought up is to be known by then.
   * Where it rejects, the next try begins with it.
   */
  readonly beforeNext?: () => Promise<void>;
  /** Called within a work after the newest block of all that came together. */
  readonly onCaughtUp?: (batch: Batch) => void;
  /** Called within a work for each block that a reorganisation took away, the newest first. */
  readonly onDisconnect: (batch: Batch, height: number) => void;
  /** The chain could not be followed just now. After a `ReorganisationTooDeep` it is not followed any more. */
  readonly onTrouble: (error: ChainError) => void;
};

function sameHash(a: { readonly hash: Uint8Array } | undefined, hash: Uint8Array): boolean {
  return a !== undefined && compareBytes(a.hash, hash) === 0;
}

function parsed(block: Block): ChainTransaction[] {
  return block.transactions.map((bytes, position) => {
    const result = parseTransaction(bytes);
    if (!result.ok) {
      const { reason, at, length } = result.error;
      const what = `transaction ${position} of block ${block.height}`;
      throw new ChainError("bad_response", `${what} is unreadable: ${reason} at byte ${at} of ${length}`);
    }
    return { txid: transactionId(result.value), transaction: result.value };
  });
}

/**
 * Takes the node from block to block along the best chain, each in one journal work with its row, so that what the node
 * made of a block is durable exactly when the block counts as processed. Spec: LW-3.
 */
export class ChainFollower {
  private readonly options: ChainFollowerOptions;
  /** Consecutive heights, the newest last. */
  private readonly blocks: ChainBlockRow[];
  private unsubscribe: () => void = () => {};
  private endPause: () => void = () => {};
  private stopped = false;
  /** Why the journal took no more works. */
  private refusal: { readonly cause: unknown } | undefined;
  /** A round runs, or `start` has not ended. */
  private busy = true;
  private wanted = false;
  private caughtUp = false;
  /** Blocks since the tip was last reached. */
  private connected = 0;
  private arrivedAt = 0;
  private failures = 0;

  constructor(options: ChainFollowerOptions) {
    this.options = options;
    this.blocks = options.blocks.toSorted((a, b) => a.height - b.height);
  }

  /** The newest blocks processed, as they are stored. */
  get known(): readonly ChainBlockRow[] {
    return [...this.blocks];
  }

  /** Height of the newest block processed; 0 on a new node before `start`. */
  get height(): number {
    return this.blocks.at(-1)?.height ?? 0;
  }

  /** Whether the newest block processed is the tip, as far as the chain has said. */
  get isCaughtUp(): boolean {
    return this.caughtUp;
  }

  /** The height at which it last caught up with more than one block at once, or for the first time; 0 before. */
  get caughtUpAt(): number {
    return this.arrivedAt;
  }

  /**
   * Resolves when every block up to the tip is processed, and goes on following. A new node begins at the tip: nothing
   * older is looked at. Failures that pass are told to `onTrouble` and waited out; rejects with a `ChainError` that
   * nobody's waiting mends, or with what made the journal refuse a work.
   */
  async start(): Promise<void> {
    const { chain, onTrouble } = this.options;
    this.unsubscribe = chain.subscribe((event) => {
      if (event.type === "tip") this.wake();
    });
    for (let trouble = await this.round(); trouble !== undefined; trouble = await this.round()) {
      if (!trouble.retryable) {
        this.stop();
        throw trouble;
      }
      onTrouble(trouble);
      await new Promise<void>((resolve) => this.pause(this.retryDelay(), resolve));
    }
    this.rest(POLL_MS);
  }

  /** No work is submitted afterwards. A pending `start` resolves. */
  stop(): void {
    this.stopped = true;
    this.unsubscribe();
    this.endPause();
  }

  private wake(): void {
    this.wanted = true;
    if (!this.busy && !this.stopped) void this.follow();
  }

  private async follow(): Promise<void> {
    this.busy = true;
    this.endPause();
    while (this.wanted) {
      this.wanted = false;
      let trouble: ChainError | undefined;
      try {
        trouble = await this.round();
      } catch {
        // Only a refused work is thrown, and whoever refused it has told.
        return;
      }
      if (trouble === undefined) continue;
      this.options.onTrouble(trouble);
      if (trouble instanceof ReorganisationTooDeep) return this.stop();
      return this.rest(this.retryDelay());
    }
    this.rest(POLL_MS);
  }

  /** Ends a round: the next comes with an event, at the latest in `ms`. */
  private rest(ms: number): void {
    this.busy = false;
    if (this.stopped) return;
    // An event during a round that failed waits for the next try, or events would defeat the delay.
    if (this.wanted && ms === POLL_MS) this.wake();
    else this.pause(ms, () => this.wake());
  }

  /** Calls `after` in `ms`, or as soon as the pause is ended. */
  private pause(ms: number, after: () => void): void {
    const end = (): void => {
      this.endPause = () => {};
      cancel();
      after();
    };
    const cancel = this.options.clock.after(ms, end);
    this.endPause = end;
  }

  private retryDelay(): number {
    return Math.min(FIRST_RETRY_MS * 2 ** this.failures++, LONGEST_RETRY_MS);
  }

  /** Goes to the tip; returns what went wrong with the chain. Throws when the journal refuses a work. */
  private async round(): Promise<ChainError | undefined> {
    if (this.stopped) return undefined;
    try {
      await this.catchUp();
      this.failures = 0;
      return undefined;
    } catch (cause) {
      if (this.refusal !== undefined) throw this.refusal.cause;
      if (this.stopped) return undefined;
      if (cause instanceof ChainError) return cause;
      return new ChainError("bad_response", "the chain failed in an unforeseen way", { cause });
    }
  }

  private async catchUp(): Promise<void> {
    const { chain } = this.options;
    for (let races = 0; races <= RACES_ENDURED; ) {
      const last = this.blocks.at(-1);
      if (last === undefined) {
        if (!(await this.begin())) races++;
      } else {
        await this.options.beforeNext?.();
        const tip = await chain.tip();
        if (this.stopped) return;
        if (sameHash(tip, last.hash)) return await this.arrive();
        const next = await chain.block(last.height + 1);
        if (next !== undefined && sameHash({ hash: next.previousHash }, last.hash)) await this.connect(next);
        else if (!(await this.walkBack())) {
          if (next === undefined) return;
          races++;
        }
      }
      if (this.stopped) return;
    }
    throw new ChainError("bad_response", `blocks above height ${this.height} do not fit together`);
  }

  private async arrive(): Promise<void> {
    if (this.caughtUp) return;
    this.caughtUp = true;
    if (this.arrivedAt === 0 || this.connected > 1) this.arrivedAt = this.height;
    this.connected = 0;
    await this.write((batch) => this.options.onCaughtUp?.(batch));
  }

  /** Takes the newest blocks as processed. False: the chain changed in between. */
  private async begin(): Promise<boolean> {
    const { chain } = this.options;
    const tip = await chain.tip();
    const rows: ChainBlockRow[] = [];
    let expected = tip.hash;
    for (let height = tip.height; height >= 0 && rows.length < FIRST_BLOCKS; height--) {
      const block = await chain.block(height);
      if (block === undefined || !sameHash(block, expected)) return false;
      rows.unshift({ height, hash: block.hash });
      expected = block.previousHash;
    }
    await this.write((batch) => {
      for (const row of rows) batch.change({ type: "block", row });
      this.blocks.push(...rows);
    });
    return true;
  }

  private async connect(block: Block): Promise<void> {
    const { height, hash, time } = block;
    const transactions = parsed(block);
    this.caughtUp = false;
    await this.write((batch) => {
      this.blocks.push({ height, hash });
      this.connected++;
      batch.change({ type: "block", row: { height, hash } });
      const excess = this.blocks.length - BLOCKS_KEPT;
      if (excess > 0) {
        this.blocks.splice(0, excess);
        batch.change({ type: "blocks_pruned", below: height - BLOCKS_KEPT + 1 });
      }
      this.options.onConnect(batch, { height, hash, time, transactions });
    });
  }

  /** Undoes the blocks that are not on the best chain. False: all are. */
  private async walkBack(): Promise<boolean> {
    let stays = this.blocks.length;
    for (const row of this.blocks.toReversed()) {
      if (sameHash(await this.options.chain.block(row.height), row.hash)) break;
      if (this.stopped) return true;
      stays--;
    }
    if (stays === this.blocks.length) return false;
    if (stays === 0) throw new ReorganisationTooDeep(this.blocks[0]?.height ?? 0, this.height);
    this.caughtUp = false;
    await this.write((batch) => {
      const removed = this.blocks.splice(stays);
      batch.change({ type: "blocks_removed", height: this.height + 1 });
      for (const { height } of removed.toReversed()) this.options.onDisconnect(batch, height);
    });
    return true;
  }

  private async write(work: (batch: Batch) => void): Promise<void> {
    if (this.stopped) return;
    try {
      await this.options.submit(work);
    } catch (cause) {
      this.refusal = { cause };
      this.stop();
      throw cause;
    }
  }
}
