import type { Clock } from "../ports/clock.ts";

/** A clock that is moved by hand. */
export type VirtualClock = Clock & {
  /**
   * Moves time on by `ms`. Timers fall due in order of time, those of one moment in the order they were set; before the
   * first and after each, everything that waits for a turn runs as in `run`.
   */
  advance(ms: number): Promise<void>;
  /** Runs what `soon` queued, and the promises that follow from it, until nothing is left. Time stands still. */
  run(): Promise<void>;
  /** When the next timer falls due, in milliseconds since 1970; undefined where none is set. */
  nextDue(): number | undefined;
};

type Timer = { readonly due: number; readonly action: () => void };

/** Midnight before the first of January 2026, so that a test that prints times shows plain ones. */
const START_MS = Date.UTC(2026, 0, 1);

/** Resolves when every promise that can be settled without outside help has been. */
function promisesSettled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** What an action throws comes out of the `run` or `advance` that called it. */
export function virtualClock(): VirtualClock {
  let now = START_MS;
  const timers = new Set<Timer>();
  const queue: (() => void)[] = [];

  async function run(): Promise<void> {
    await promisesSettled();
    for (let action = queue.shift(); action !== undefined; action = queue.shift()) {
      action();
      await promisesSettled();
    }
  }

  function nextTimer(until: number): Timer | undefined {
    let next: Timer | undefined;
    for (const timer of timers) {
      if (timer.due <= until && (next === undefined || timer.due < next.due)) next = timer;
    }
    return next;
  }

  return {
    now: () => now,
    after(ms, action) {
      const timer = { due: now + Math.max(0, ms), action };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    soon: (action) => {
      queue.push(action);
    },
    run,
    nextDue: () => nextTimer(Number.POSITIVE_INFINITY)?.due,
    async advance(ms) {
      const until = now + ms;
      await run();
      for (let timer = nextTimer(until); timer !== undefined; timer = nextTimer(until)) {
        timers.delete(timer);
        now = Math.max(now, timer.due);
        timer.action();
        await run();
      }
      now = until;
    },
  };
}
