import type { MemoryStore } from "../adapters/store-memory/index.ts";
import type { Clock } from "../ports/clock.ts";
import type { Batch, Store } from "../ports/store.ts";

/** What happens to a commit. After a crash, and where the store can't say, the batch is `written` or not. */
export type CommitTrouble =
  | { readonly type: "crash"; readonly written: boolean }
  | { readonly type: "refused" }
  | { readonly type: "unknown"; readonly written: boolean };

/** A store whose commits take time, and may be lost with the machine. */
export type SimulatedStore = Store & {
  /** The machine goes. The batch that is being written is there afterwards, or it is not. */
  crash(written: boolean): void;
  isWriting(): boolean;
};

/** What a simulated store asks of its world, for each batch. */
export type StoreWorld = {
  readonly clock: Clock;
  delayMs(): number;
  trouble(): CommitTrouble | undefined;
  /** Ends the life of the node that writes. */
  crash(): void;
  committed(batch: Batch): void;
  /** Has the next commit of `store` fail. */
  readonly failNextCommit: MemoryStore["failNextCommit"];
};

function crashed(): Error {
  return new Error("the machine has crashed");
}

/** Puts time and trouble before the commits of `store`, which does each at once. */
export function simulatedStore(store: Store, world: StoreWorld): SimulatedStore {
  let writing: { readonly batch: Batch; readonly stop: () => void } | undefined;

  async function write(batch: Batch): Promise<void> {
    await store.commit(batch);
    world.committed(batch);
  }

  function writeLater(batch: Batch, ms: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const cancel = world.clock.after(ms, () => {
        writing = undefined;
        write(batch).then(resolve, reject);
      });
      const stop = (): void => {
        cancel();
        reject(crashed());
      };
      writing = { batch, stop };
    });
  }

  return {
    ...store,
    commit: (batch) => {
      const trouble = world.trouble();
      if (trouble?.type === "crash") {
        if (trouble.written) write(batch).catch(() => undefined);
        world.crash();
        return Promise.reject(crashed());
      }
      if (trouble !== undefined) {
        const { type } = trouble;
        world.failNextCommit(type === "refused" ? { outcome: type } : { outcome: type, written: trouble.written });
      }
      const ms = world.delayMs();
      return ms === 0 ? write(batch) : writeLater(batch, ms);
    },
    crash: (written) => {
      if (writing === undefined) return;
      const { batch, stop } = writing;
      writing = undefined;
      // Whoever waits for it is gone.
      if (written) write(batch).catch(() => undefined);
      stop();
    },
    isWriting: () => writing !== undefined,
  };
}
