import { InvariantBroken, invariant, toHex } from "../../core/base/index.ts";
import { type Batch, type Store, StoreError } from "../../ports/store.ts";
import { commitmentPage, historyOf, htlcPage, loadNode, momentPage, publishedOf } from "./load.ts";
import { type ChannelTables, emptyTables, type Tables } from "./tables.ts";
import { copyRow, transaction } from "./transaction.ts";
import { writeChanges } from "./write.ts";

/** How the next commit fails. `written` says what `sequence()` and a restart will find. */
export type CommitFault = { readonly outcome: "refused" } | { readonly outcome: "unknown"; readonly written: boolean };

/** A store that lives as long as the objects that hold it: for tests and the simulator. */
export type MemoryStore = Store & {
  /**
   * The machine crashes and starts again: the new store has what was committed, and the old one refuses every call but
   * `close`. Also opens a closed store again. A fault that was planned is forgotten.
   */
  reopen(): MemoryStore;
  /** What is committed now, in a store of its own: an old copy, later. */
  copy(): MemoryStore;
  /** Has the next commit reject with StoreError `io` and this outcome. */
  failNextCommit(fault: CommitFault): void;
};

/** A new and empty store in memory. */
export function memoryStore(): MemoryStore {
  return storeOn(emptyTables());
}

function storeOn(tables: Tables): MemoryStore {
  let end: "closed" | "crashed" | undefined;
  let fault: CommitFault | undefined;
  const sequence = () => tables.counters.get("sequence") ?? 0;

  function requireOpen(): void {
    if (end !== undefined) throw new InvariantBroken(`the store is ${end}`);
  }

  function commit(batch: Batch): void {
    requireOpen();
    if (batch.sequence !== sequence() + 1 && (sequence() !== 0 || batch.sequence < 1)) {
      const message = `batch ${batch.sequence} does not follow batch ${sequence()}`;
      throw new StoreError("out_of_order", message, "refused");
    }
    const planned = fault;
    fault = undefined;
    if (planned?.outcome === "refused") throw new StoreError("io", "a planned fault", "refused");
    if (planned?.outcome !== "unknown" || planned.written) write(batch);
    if (planned !== undefined) throw new StoreError("io", "a planned fault", "unknown");
  }

  function write(batch: Batch): void {
    const tx = transaction();
    try {
      writeChanges(tables, tx, batch.changes);
      tx.set(tables.counters, "sequence", batch.sequence);
    } catch (cause) {
      tx.rollback();
      throw cause;
    }
  }

  function read<T>(reader: () => T): T {
    requireOpen();
    return reader();
  }

  function ofChannel<T, U>(channel: number, otherwise: U, reader: (tables: ChannelTables) => T): T | U {
    return read(() => {
      const found = tables.channels.get(channel);
      return found === undefined ? otherwise : reader(found);
    });
  }

  return {
    load: async () => read(() => loadNode(tables)),
    commit: async (batch) => commit(batch),
    sequence: async () => read(sequence),
    payment: async (id) => read(() => copyRow(tables.payments.get(id))),
    invoice: async (paymentHash) => read(() => copyRow(tables.invoices.get(toHex(paymentHash)))),
    history: async (channel) => ofChannel(channel, undefined, historyOf),
    htlcs: async (channel, page) => ofChannel(channel, [], (found) => htlcPage(found, page)),
    commitments: async (channel, page) => ofChannel(channel, [], (found) => commitmentPage(found, page)),
    moments: async (channel, page) => ofChannel(channel, [], (found) => momentPage(found, page)),
    peerCopy: async (peer) => read(() => copyRow(tables.peerCopies.get(peer)?.bytes)),
    replayRows: async (channel) => ofChannel(channel, [], ({ replay }) => [...replay.values()].map(copyRow)),
    published: async (channel, number) => read(() => publishedOf(tables.channels.get(channel), number)),
    close: async () => {
      end ??= "closed";
    },
    reopen: () => {
      invariant(end !== "crashed", "a store is reopened once: its tables have one owner");
      end = "crashed";
      return storeOn(tables);
    },
    copy: () => read(() => storeOn(structuredClone(tables))),
    failNextCommit: (next) => {
      requireOpen();
      fault = next;
    },
  };
}
