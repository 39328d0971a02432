import type { Clock } from "../../ports/clock.ts";

/** The longest delay that setTimeout keeps: it fires at once on a longer one. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;

/** The clock of the machine. A pending timer keeps the process alive, as the work that waits for it should. */
export function systemClock(): Clock {
  return {
    now: () => Date.now(),
    after(ms, action) {
      let left = ms;
      let timer: NodeJS.Timeout;
      const wait = (): void => {
        const step = Math.min(left, LONGEST_TIMEOUT_MS);
        left -= step;
        timer = setTimeout(left > 0 ? wait : action, step);
      };
      wait();
      return () => clearTimeout(timer);
    },
    soon(action) {
      setImmediate(action);
    },
  };
}
