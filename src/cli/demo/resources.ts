export type Stoppable = { stop(): Promise<void> };

export type Resources = {
  /** Takes up what is being started, at once: what a signal interrupts while it starts is stopped, too. */
  own<T extends Stoppable>(starting: Promise<T>): Promise<T>;
  /** Stops everything, the newest first; rejects with the first failure, after all had their turn. */
  stopAll(): Promise<void>;
};

export function resources(): Resources {
  const owned: Promise<Stoppable | undefined>[] = [];
  return {
    own(starting) {
      // What did not start has nothing to stop, and its failure is the caller's.
      owned.push(starting.catch(() => undefined));
      return starting;
    },
    async stopAll() {
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
