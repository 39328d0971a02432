export type Stoppable = { stop(): Promise<void> };

export type Resources = {
  /** Starts something and takes it up at once: what is interrupted while it starts is stopped, too. Rejects after `stopAll`. */
  own<T extends Stoppable>(start: () => Promise<T>): Promise<T>;
  /** Stops everything, the newest first; rejects with the first failure, after all had their turn. */
  stopAll(): Promise<void>;
};

export function resources(): Resources {
  const owned: Promise<Stoppable | undefined>[] = [];
  let closed = false;
  return {
    async own(start) {
      if (closed) throw new Error("nothing is started any more");
      const starting = start();
      // What did not start has nothing to stop, and its failure is the caller's.
      owned.push(starting.catch(() => undefined));
      return starting;
    },
    async stopAll() {
      closed = true;
      const failures: unknown[] = [];
      for (const one of owned.splice(0).toReversed()) {
        try {
          await (await one)?.stop();
        } catch (cause) {
          failures.push(cause);
        }
      }
      if (failures.length > 0) throw failures[0];
    },
  };
}
