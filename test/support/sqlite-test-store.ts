import type { CommitFault, MemoryStore } from "../../src/adapters/store-memory/index.ts";
import { openSqliteStore } from "../../src/adapters/store-sqlite/index.ts";
import { type Store, StoreError } from "../../src/ports/store.ts";

/** The SQLite store of a directory with what tests do to a store in memory: crash and open again, and fail a commit. */
export function sqliteTestStore(directory: string): MemoryStore {
  let fault: CommitFault | undefined;
  let crashed = false;
  let opened: Promise<Store> | undefined;
  const open = (): Promise<Store> => {
    if (crashed) throw new Error("the store is crashed");
    opened ??= openSqliteStore({ directory });
    return opened;
  };
  return {
    load: async () => (await open()).load(),
    commit: async (batch) => {
      const store = await open();
      const planned = fault;
      fault = undefined;
      if (planned?.outcome === "refused") throw new StoreError("io", "a planned fault", "refused");
      if (planned?.outcome !== "unknown" || planned.written) await store.commit(batch);
      if (planned !== undefined) throw new StoreError("io", "a planned fault", "unknown");
    },
    sequence: async () => (await open()).sequence(),
    payment: async (id) => (await open()).payment(id),
    invoice: async (paymentHash) => (await open()).invoice(paymentHash),
    history: async (channel) => (await open()).history(channel),
    htlcs: async (channel, page) => (await open()).htlcs(channel, page),
    commitments: async (channel, page) => (await open()).commitments(channel, page),
    moments: async (channel, page) => (await open()).moments(channel, page),
    peerCopy: async (peer) => (await open()).peerCopy(peer),
    replayRows: async (channel) => (await open()).replayRows(channel),
    published: async (channel, number) => (await open()).published(channel, number),
    close: async () => (await opened)?.close(),
    reopen: () => {
      // Everything committed is synced, so that closing the file changes nothing of what a crash leaves.
      crashed = true;
      const before = opened;
      const next = sqliteTestStore(directory);
      const load = async () => {
        await (await before)?.close();
        return next.load();
      };
      return { ...next, load };
    },
    copy: () => {
      throw new Error("a store in files is copied with its directory");
    },
    failNextCommit: (next) => {
      fault = next;
    },
  };
}
