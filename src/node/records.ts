// What channels did, for the books: counted in memory as it happens, written now and then.
//
//   steps of a batch -> counts; at its end -> a moment
//   the first after a quiet second is written with its own batch, the rest at most a second later
//
// A flush is a few rows in an ordinary batch. It says up to which numbers removals are counted: after a crash those above
// are counted from their HTLC rows, none twice and none never. Moments that a crash took are made up for by one that has the
// time of the last that was written, which was at most FLUSH_MS and a batch before.

import type { Satoshi } from "../core/base/index.ts";
import type { ChannelState, Coverage, Side, Stage } from "../core/payment-channel/index.ts";
import type { Clock } from "../ports/clock.ts";
import type { HtlcOutcome, LifeRow, MomentRow, RecordRow, TallyRow, UncountedHtlc } from "../ports/record-rows.ts";
import type { StoredNode } from "../ports/store.ts";
import { outcomeOf } from "./failures.ts";
import type { Batch, Journal } from "./journal.ts";

/** What is recorded is durable this long after it happened, and one batch, at the latest. */
export const FLUSH_MS = 1_000;
/** Moments that gather in memory, over all channels, before they are written whatever the time. */
const MAX_GATHERED = 4_096;

/** How far a channel has come: a moment without its place and time. */
type Progress = Pick<MomentRow, "staged" | "settled" | "commitments">;

const BEFORE_ALL: Progress = {
  staged: { local: 0, remote: 0 },
  settled: { local: 0, remote: 0 },
  commitments: { local: -1, remote: -1 },
};

/** What is known of one channel, and what of it is not written yet. */
type Book = {
  record: RecordRow;
  life: LifeRow;
  readonly tallies: Map<string, TallyRow>;
  /** The newest moment, written or not. */
  last: MomentRow | undefined;
  /** Not written yet, the oldest first. */
  gathered: MomentRow[];
  readonly changedTallies: Set<string>;
  recordChanged: boolean;
  lifeChanged: boolean;
  /** Is not left to gather: it is rare, and nothing else could tell it after a crash. */
  urgent: boolean;
  flushedAt: number;
};

/** The books of all live channels. They follow what channels do, and nothing follows them. */
export class Records {
  private readonly books = new Map<number, Book>();
  /** Those with something to write. */
  private readonly changed = new Set<Book>();
  private gathered = 0;
  private readonly clock: Clock;
  private readonly journal: Journal;
  private cancel: (() => void) | undefined;

  constructor(options: { clock: Clock; journal: Journal }) {
    this.clock = options.clock;
    this.journal = options.journal;
  }

  /** Opens the book of a channel: a new one, or one that was loaded; then what a crash took is counted. */
  open(state: ChannelState, stored?: StoredNode["records"][number]): void {
    const book = emptyBook(state.channel.index);
    this.books.set(state.channel.index, book);
    if (stored === undefined) return;
    book.record = stored.record ?? book.record;
    book.life = stored.life ?? book.life;
    book.last = stored.lastMoment;
    for (const row of stored.tallies) book.tallies.set(tallyKey(row.offerer, row.outcome), row);
    for (const htlc of stored.uncounted) this.count(book, htlc, outcomeOf(htlc.failReason));
    this.progress(book, state, book.last?.at ?? state.channel.createdAt);
    if (this.changed.has(book)) this.arm();
  }

  /** None once the channel has ended. */
  private bookOf({ channel }: ChannelState): Book | undefined {
    return this.books.get(channel.index);
  }

  /** The HTLC of this id has been removed. */
  removed(state: ChannelState, id: bigint): void {
    const [book, htlc] = [this.bookOf(state), state.htlcs.get(id)];
    if (book === undefined || htlc?.removal === undefined) return;
    const { removal } = htlc;
    const outcome = outcomeOf(removal.type === "failed" ? removal.reason : undefined);
    this.count(book, htlc, outcome);
  }

  private count(book: Book, htlc: Omit<UncountedHtlc, "failReason">, outcome: HtlcOutcome): void {
    const { record, tallies } = book;
    const { offerer, amountMsat, removedBy, removeNumber } = htlc;
    const key = tallyKey(offerer, outcome);
    const before = tallies.get(key) ?? { channel: record.channel, offerer, outcome, count: 0, amountMsat: 0n };
    tallies.set(key, { ...before, count: before.count + 1, amountMsat: before.amountMsat + amountMsat });
    const upTo = Math.max(record.countedUpTo[removedBy], removeNumber);
    book.record = { ...record, countedUpTo: { ...record.countedUpTo, [removedBy]: upTo } };
    book.recordChanged = true;
    book.changedTallies.add(key);
    this.changed.add(book);
  }

  /** A connection with the peer took the channel up. */
  connected(state: ChannelState): void {
    const book = this.bookOf(state);
    if (book === undefined) return;
    book.record = { ...book.record, connections: book.record.connections + 1 };
    book.recordChanged = true;
    this.hurry(book);
  }

  /** The wallet paid this to have the anchor mined. */
  funded(state: ChannelState, fundingFeeSat: Satoshi): void {
    this.live(state, { fundingFeeSat });
  }

  /** The channel has come to another stage. */
  stage(state: ChannelState, stage: Stage): void {
    const now = this.clock.now();
    if (stage === "open") this.live(state, { openedAt: now });
    else if (stage === "closed" || stage === "abandoned" || stage === "failed") this.live(state, { endedAt: now });
  }

  private live(state: ChannelState, change: Partial<LifeRow>): void {
    const book = this.bookOf(state);
    if (book === undefined) return;
    book.life = { ...book.life, ...change };
    book.lifeChanged = true;
    this.hurry(book);
  }

  private hurry(book: Book): void {
    book.urgent = true;
    this.changed.add(book);
  }

  /** The end of a batch in which the channel may have moved. One that is frozen has not: what it holds is not stored. */
  note(batch: Batch, state: ChannelState, isFrozen: boolean): void {
    const book = this.bookOf(state);
    if (book === undefined) return;
    const now = this.clock.now();
    if (!isFrozen) this.progress(book, state, now);
    if (!this.changed.has(book)) return;
    if (this.gathered >= MAX_GATHERED) batch.atEnd(this, (end) => this.flush(end));
    else if (book.urgent || now - book.flushedAt >= FLUSH_MS) batch.atEnd(book, (end) => this.write(end, book));
    else this.arm();
  }

  private progress(book: Book, state: ChannelState, now: number): void {
    const { lastChange, totals, commitments } = state;
    if (commitments.local === undefined) return;
    this.lowest(book, totals);
    const { last } = book;
    const before: Progress = last ?? BEFORE_ALL;
    const next: Progress = {
      // Of what is settled already, a start knows no more than that it is.
      staged: greater(greater(before.staged, totals.settledUpTo), lastChange),
      settled: greater(before.settled, totals.settledUpTo),
      commitments: greater(before.commitments, {
        local: commitments.local.number,
        remote: commitments.remote.at(-1)?.number ?? -1,
      }),
    };
    const same = (part: keyof Progress) =>
      before[part].local === next[part].local && before[part].remote === next[part].remote;
    if (same("staged") && same("settled") && same("commitments")) return;
    const { channel } = book.record;
    const moment = { channel, ordinal: (last?.ordinal ?? -1) + 1, at: Math.max(now, last?.at ?? now), ...next };
    book.last = moment;
    book.gathered.push(moment);
    this.gathered++;
    this.changed.add(book);
  }

  private lowest(book: Book, { localMsat, remoteMsat }: ChannelState["totals"]): void {
    const { record } = book;
    const lowestLocalMsat = least(record.lowestLocalMsat, localMsat);
    const lowestRemoteMsat = least(record.lowestRemoteMsat, remoteMsat);
    if (lowestLocalMsat === record.lowestLocalMsat && lowestRemoteMsat === record.lowestRemoteMsat) return;
    book.record = { ...record, lowestLocalMsat, lowestRemoteMsat };
    book.recordChanged = true;
    this.changed.add(book);
  }

  private arm(): void {
    this.cancel ??= this.clock.after(FLUSH_MS, () => {
      this.cancel = undefined;
      if (this.changed.size > 0) this.journal.post("other", (batch) => this.flush(batch));
    });
  }

  /** Writes what has gathered. */
  flush(batch: Batch): void {
    for (const book of this.changed) this.write(batch, book);
  }

  private write(batch: Batch, book: Book): void {
    const { record, life, tallies } = book;
    for (const row of book.gathered) batch.change({ type: "moment", row });
    for (const key of book.changedTallies) {
      const row = tallies.get(key);
      if (row !== undefined) batch.change({ type: "tally", row });
    }
    if (book.recordChanged) batch.change({ type: "record", row: record });
    if (book.lifeChanged) batch.change({ type: "life", row: life });
    this.gathered -= book.gathered.length;
    book.gathered = [];
    book.changedTallies.clear();
    book.recordChanged = false;
    book.lifeChanged = false;
    book.urgent = false;
    book.flushedAt = this.clock.now();
    this.changed.delete(book);
  }

  /** The channel has ended: its last rows are written with this batch. */
  close(batch: Batch, state: ChannelState): void {
    const book = this.bookOf(state);
    if (book !== undefined) this.hurry(book);
    batch.afterCommit(() => this.books.delete(state.channel.index));
  }

  /** The channel leaves no rows, so that there is nothing to keep books for. */
  forget({ channel }: ChannelState): void {
    const book = this.books.get(channel.index);
    if (book === undefined) return;
    this.books.delete(channel.index);
    this.changed.delete(book);
    this.gathered -= book.gathered.length;
    // It may be about to be written at the end of this batch.
    book.gathered = [];
    book.changedTallies.clear();
    book.recordChanged = false;
    book.lifeChanged = false;
  }

  /** Resolves once everything that happened before is written. Rejects where the journal has ended. */
  async settled(): Promise<void> {
    if (this.changed.size > 0) await this.journal.submit("other", (batch) => this.flush(batch));
  }

  stop(): void {
    this.cancel?.();
    this.cancel = undefined;
  }
}

function emptyBook(channel: number): Book {
  return {
    record: {
      channel,
      countedUpTo: { local: 0, remote: 0 },
      connections: 0,
      lowestLocalMsat: undefined,
      lowestRemoteMsat: undefined,
    },
    life: {
      channel,
      openedAt: undefined,
      endedAt: undefined,
      fundingFeeSat: undefined,
    },
    tallies: new Map(),
    last: undefined,
    gathered: [],
    changedTallies: new Set(),
    recordChanged: false,
    lifeChanged: false,
    urgent: false,
    flushedAt: Number.NEGATIVE_INFINITY,
  };
}

function tallyKey(offerer: Side, outcome: HtlcOutcome): string {
  return `${offerer} ${outcome}`;
}

function least(a: bigint | undefined, b: bigint): bigint {
  return a === undefined || b < a ? b : a;
}

function greater(a: Coverage, b: Coverage): Coverage {
  return { local: Math.max(a.local, b.local), remote: Math.max(a.remote, b.remote) };
}
