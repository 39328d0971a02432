import { type Awaited, awaited, type ChannelError, type Patience } from "../core/payment-channel/index.ts";
import type { Clock } from "../ports/clock.ts";
import type { ChannelRunner } from "./channel-runner.ts";
import type { Batch, Journal } from "./journal.ts";

/** After so long without an answer the connection is made anew: something may be lost that nobody knows of. */
const RETRY_MS = 60_000;
/** After so long on one connection the peer is taken at its word: it does not mean to go on. */
const GIVE_UP_MS = 600_000;

const OWED: Record<Awaited["type"], string> = {
  answer: "it signs or revokes nothing",
  opening: "the opening does not go on",
  open_complete: "open_complete is overdue",
  close: "no agreement on the close",
};

/**
 * Gives up on peers that are there and don't do their part. Time counts from when both authenticates were exchanged, and anew on
 * each connection; only an opening, in which nothing is at stake yet, has its time whether or not the peer is there. One timer for all
 * channels: nothing is due sooner than `RETRY_MS` after it began, so that looking as often misses nothing. Source: decision 0016.
 */
export class StallWatch {
  private readonly clock: Clock;
  private readonly journal: Journal;
  private readonly runners: () => readonly ChannelRunner[];
  private readonly height: () => number;
  /** Since when something without a packet number is awaited: from the first look that saw it. */
  private seen = new Map<ChannelRunner, Seen>();
  private startedAt = 0;
  private cancel: () => void = () => {};
  private stopped = false;

  constructor(options: {
    clock: Clock;
    journal: Journal;
    /** Those that are neither closed nor abandoned. */
    runners: () => readonly ChannelRunner[];
    height: () => number;
  }) {
    this.clock = options.clock;
    this.journal = options.journal;
    this.runners = options.runners;
    this.height = options.height;
  }

  /** What waited before has its time anew: the process was away, and not the peer. */
  start(): void {
    this.startedAt = this.clock.now();
    this.cancel = this.clock.after(RETRY_MS, () => this.wake());
  }

  stop(): void {
    this.stopped = true;
    this.cancel();
  }

  /** How long the peer has been waited for, and until when it is; undefined where nothing that has a time is awaited. */
  patience(runner: ChannelRunner): Patience | undefined {
    const waiting = awaited(runner.state, this.height());
    const since = waiting && this.begun(runner, waiting, this.seen.get(runner));
    if (waiting === undefined || since === undefined) return undefined;
    return { since, overdueAt: since + RETRY_MS, giveUpAt: since + GIVE_UP_MS };
  }

  private wake(): void {
    this.journal.post("other", (batch) => {
      const now = this.clock.now();
      const next = this.look(batch, now);
      batch.afterCommit(() => {
        if (this.stopped) return;
        this.cancel = this.clock.after(Math.max(next - this.clock.now(), 0), () => this.wake());
      });
    });
  }

  /** Does what is due, and says when to look again. */
  private look(batch: Batch, now: number): number {
    let next = now + RETRY_MS;
    const seen = this.seen;
    this.seen = new Map();
    for (const runner of this.runners()) {
      const waiting = runner.look(batch, (state) => awaited(state, this.height()));
      if (waiting === undefined) continue;
      const since = this.since(runner, waiting, seen.get(runner), now);
      if (since === undefined) continue;
      const waited = now - since;
      if (waited >= GIVE_UP_MS) runner.fail(batch, stalled(waiting, waited), true);
      else {
        const retries = waiting.type === "answer" && waited >= RETRY_MS;
        if (retries) runner.session.retry(batch, waiting.number);
        next = Math.min(next, since + (waited >= RETRY_MS ? GIVE_UP_MS : RETRY_MS));
      }
    }
    return next;
  }

  /** Remembers since when it is awaited. */
  private since(runner: ChannelRunner, waiting: Awaited, before: Seen | undefined, now: number): number | undefined {
    const begun = this.begun(runner, waiting, before);
    if (!isTimedByLooking(waiting) || runner.frozenBecause !== undefined) return begun;
    if (runner.session.readyAt === undefined) return undefined;
    const at = begun ?? now;
    this.seen.set(runner, { type: waiting.type, at });
    return at;
  }

  /** Since when it is awaited; undefined where it has no time, or no look has seen it yet. */
  private begun({ state, session, frozenBecause }: ChannelRunner, waiting: Awaited, before: Seen | undefined) {
    if (waiting.type === "opening") return Math.max(state.channel.createdAt, this.startedAt);
    // It is we who do nothing.
    if (frozenBecause !== undefined) return undefined;
    if (waiting.type === "answer") return session.deliverableSince(waiting.number);
    const { readyAt } = session;
    return readyAt !== undefined && before?.type === waiting.type ? Math.max(before.at, readyAt) : undefined;
  }
}

/** What has no packet of ours to count its time from. */
function isTimedByLooking({ type }: Awaited): boolean {
  return type === "open_complete" || type === "close";
}

type Seen = { readonly type: Awaited["type"]; readonly at: number };

function stalled({ type }: Awaited, waitedMs: number): ChannelError {
  const rule = type === "opening" || type === "open_complete" ? "B2-48" : "B2-41";
  const seconds = { limit: GIVE_UP_MS / 1000, actual: Math.floor(waitedMs / 1000) };
  return { type: "remote_stalled", rule, detail: `${OWED[type]}, in seconds`, ...seconds };
}
