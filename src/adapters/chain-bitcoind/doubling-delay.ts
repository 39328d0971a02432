const FIRST_MS = 500;
const LONGEST_MS = 30_000;

/** How long to wait before the next attempt: twice as long each time, up to half a minute. */
export function doublingDelay(): { next(): number; reset(): void } {
  let ms = FIRST_MS;
  return {
    next() {
      const now = ms;
      ms = Math.min(2 * ms, LONGEST_MS);
      return now;
    },
    reset() {
      ms = FIRST_MS;
    },
  };
}
