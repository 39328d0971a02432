import type { Clock } from "../ports/clock.ts";
import type { Store, StoreChange } from "../ports/store.ts";

/** What the works of one batch collect: rows to write, and what to do once they are durable. */
export interface Batch {
  change(change: StoreChange): void;
  /** Called after the commit, in order; never called when it fails. */
  afterCommit(action: () => void): void;
  /** Called when all works of the batch have run, before the commit; once per `key`. May add changes and more keys. */
  atEnd(key: object, action: (batch: Batch) => void): void;
}

/**
 * How much of a kind one batch takes; a quantum keeps many payments from travelling as one block in lockstep. A work of
 * `peer` is a turn of one connection, of many packets.
 */
export type Lane = "peer" | "payment" | "other";

const QUANTUM: Record<Lane, number> = { peer: 16, payment: 64, other: 1024 };

type Work = { readonly run: (batch: Batch) => void; readonly refuse: (cause: unknown) => void };

class CollectingBatch implements Batch {
  readonly changes: StoreChange[] = [];
  readonly actions: (() => void)[] = [];
  private readonly ends = new Map<object, (batch: Batch) => void>();

  change(change: StoreChange): void {
    this.changes.push(change);
  }

  afterCommit(action: () => void): void {
    this.actions.push(action);
  }

  atEnd(key: object, action: (batch: Batch) => void): void {
    this.ends.set(key, action);
  }

  runEnds(): void {
    while (this.ends.size > 0) {
      const round = [...this.ends.values()];
      this.ends.clear();
      for (const action of round) action(this);
    }
  }
}

/**
 * Runs everything that changes the node, one batch at a time: the works that wait are run, their rows are committed in one
 * store transaction, and only then are their effects performed. Nothing else writes to the store. A failed commit halts the
 * journal, since the working copies are ahead of the store then; a new start reads the truth. So does what a work or an
 * effect throws: works return what they refuse.
 */
export class Journal {
  private readonly store: Store;
  private readonly clock: Clock;
  private readonly onHalt: (cause: unknown) => void;
  private readonly onCommit: () => void;
  private readonly lanes: Record<Lane, Work[]> = { peer: [], payment: [], other: [] };
  private sequence: number;
  private running = false;
  private scheduled = false;
  private halted: { readonly cause: unknown } | undefined;
  /** It was stopped while all was well: what was run is durable, and nothing else will be. */
  private complete = false;
  private idle: (() => void)[] = [];

  constructor(options: {
    store: Store;
    clock: Clock;
    sequence: number;
    onHalt: (cause: unknown) => void;
    /** Called when a batch is durable. */
    onCommit?: () => void;
  }) {
    this.store = options.store;
    this.clock = options.clock;
    this.sequence = options.sequence;
    this.onHalt = options.onHalt;
    this.onCommit = options.onCommit ?? (() => {});
  }

  /** The number of the batch under way, or of the next one. */
  get nextBatch(): number {
    return this.sequence + 1;
  }

  /** Queues a work. Resolves with what it returned once its batch is durable; rejects where the batch is not. */
  submit<T>(lane: Lane, work: (batch: Batch) => T): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.halted !== undefined) {
        reject(this.halted.cause);
        return;
      }
      this.lanes[lane].push({
        run: (batch) => {
          const value = work(batch);
          batch.afterCommit(() => resolve(value));
        },
        refuse: reject,
      });
      this.schedule();
    });
  }

  /** Like `submit` for a caller that has nothing to wait for. */
  post(lane: Lane, work: (batch: Batch) => void): void {
    if (this.halted !== undefined) return;
    this.lanes[lane].push({ run: work, refuse: () => {} });
    this.schedule();
  }

  /**
   * What `read` gives when everything that was run is durable, between two batches; after `stop` too. Rejects once a commit has failed:
   * the working copies are ahead of the store then.
   */
  async durable<T>(read: () => T): Promise<T> {
    if (this.complete) {
      await this.settled();
      if (this.complete) return read();
    }
    return new Promise((resolve, reject) => {
      if (this.halted !== undefined) {
        reject(this.halted.cause);
        return;
      }
      const run = (batch: Batch) => batch.afterCommit(() => resolve(read()));
      this.lanes.other.push({ run, refuse: reject });
      this.schedule();
    });
  }

  /** The number of the newest batch that is durable. */
  get newest(): number {
    return this.sequence;
  }

  /** Resolves when nothing waits and nothing runs. */
  settled(): Promise<void> {
    if (!this.running && !this.scheduled) return Promise.resolve();
    return new Promise((resolve) => this.idle.push(resolve));
  }

  /** Refuses everything from now on. What is being committed is finished. */
  async stop(cause: unknown): Promise<void> {
    if (this.halted === undefined) {
      this.refuseAll(cause);
      this.complete = true;
    }
    await this.settled();
  }

  private schedule(): void {
    if (this.scheduled || this.running) return;
    this.scheduled = true;
    this.clock.soon(() => {
      this.scheduled = false;
      this.running = true;
      void this.runBatch().finally(() => {
        this.running = false;
        if (this.waiting() > 0) this.schedule();
        else for (const resolve of this.idle.splice(0)) resolve();
      });
    });
  }

  private waiting(): number {
    return this.lanes.peer.length + this.lanes.payment.length + this.lanes.other.length;
  }

  private take(): Work[] {
    const { other, peer, payment } = this.lanes;
    return [...other.splice(0, QUANTUM.other), ...peer.splice(0, QUANTUM.peer), ...payment.splice(0, QUANTUM.payment)];
  }

  private async runBatch(): Promise<void> {
    const works = this.take();
    const batch = new CollectingBatch();
    try {
      for (const work of works) work.run(batch);
      batch.runEnds();
      if (batch.changes.length > 0) {
        await this.store.commit({ sequence: this.sequence + 1, changes: batch.changes });
        this.sequence++;
        this.onCommit();
      }
      for (const action of batch.actions) action();
    } catch (cause) {
      for (const work of works) work.refuse(cause);
      this.refuseAll(cause);
      this.complete = false;
      this.onHalt(cause);
    }
  }

  private refuseAll(cause: unknown): void {
    this.halted = { cause };
    for (const lane of Object.values(this.lanes)) for (const work of lane.splice(0)) work.refuse(cause);
  }
}
