import { InvariantBroken, invariant, toHex } from "../../core/base/index.ts";
import { type Batch, type Store, StoreError } from "../../ports/store.ts";
import { htlcsById, loadNode } from "./load.ts";
import { emptyTables, type Tables } from "./tables.ts";
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
    if (batch.sequence !== sequence() + 1) {
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

  return {
    load: async () => read(() => loadNode(tables)),
    commit: async (batch) => commit(batch),
    sequence: async () => read(sequence),
    payment: async (id) => read(() => copyRow(tables.payments.get(id))),
    invoice: async (paymentHash) => read(() => copyRow(tables.invoices.get(toHex(paymentHash)))),
    htlcs: async (channel, { after, limit }) =>
      read(() => {
        const found = tables.channels.get(channel);
        const rows = found === undefined ? [] : htlcsById(found);
        return rows
          .filter((row) => after === undefined || row.id > after)
          .slice(0, limit)
          .map(copyRow);
      }),
    close: async () => {
      end ??= "closed";
    },
    reopen: () => {
      invariant(end !== "crashed", "a store is reopened once: its tables have one owner");
      end = "crashed";
      return storeOn(tables);
    },
    failNextCommit: (next) => {
      requireOpen();
      fault = next;
    },
  };
}
