import type { LedgerTip } from "../../core/contract-channel/index.ts";
import type { Clock } from "../../ports/clock.ts";

const FIRST_RETRY_MS = 100;
const LONGEST_RETRY_MS = 5_000;

export type TipWatch = { subscribe(listener: () => void): () => void; close(): void };

/**
 * Tells listeners that the tip may be another. Asks as long as somebody listens; after an outage there is a hint, whatever happened meanwhile.
 * `next` gives the tip when it is another than the one given, or when its own time is over.
 */
export function tipWatch(
  next: (known: LedgerTip | undefined) => Promise<LedgerTip>,
  clock: Pick<Clock, "after">,
): TipWatch {
  const listeners = new Set<() => void>();
  let isRunning = false;
  let isOpen = true;
  let wake: (() => void) | undefined;

  function hint(): void {
    for (const listener of [...listeners]) {
      try {
        listener();
      } catch {
        // A listener's own fault must not end the process.
      }
    }
  }

  function pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = clock.after(ms, resolve);
      wake = () => {
        cancel();
        resolve();
      };
    });
  }

  async function watch(): Promise<void> {
    let known: LedgerTip | undefined;
    let wasAway = false;
    let retryMs = FIRST_RETRY_MS;
    while (isOpen && listeners.size > 0) {
      try {
        const tip = await next(known);
        const isNew = known === undefined || Buffer.compare(known.hash, tip.hash) !== 0;
        known = tip;
        retryMs = FIRST_RETRY_MS;
        // Who has just come to listen does not know how old what it has asked is.
        if (isOpen && (isNew || wasAway)) hint();
        wasAway = false;
      } catch {
        wasAway = true;
        if (isOpen) await pause(retryMs);
        retryMs = Math.min(2 * retryMs, LONGEST_RETRY_MS);
      }
    }
    isRunning = false;
  }

  return {
    subscribe(listener) {
      listeners.add(listener);
      if (!isRunning && isOpen) {
        isRunning = true;
        void watch();
      }
      return () => void listeners.delete(listener);
    },
    close() {
      isOpen = false;
      listeners.clear();
      wake?.();
    },
  };
}
