import { InvariantBroken } from "../../core/base/index.ts";
import { type Batch, type Store, StoreError } from "../../ports/store.ts";
import { readNumber, UnreadableRow } from "./columns.ts";
import type { SqlEngine } from "./engine.ts";
import { type Doing, toStoreError } from "./errors.ts";
import { publishedReader } from "./read-channel.ts";
import { commitmentPageReader, historyReader, htlcPageReader, momentPageReader } from "./read-history.ts";
import { invoiceReader, nodeReader, paymentReader, peerCopyReader } from "./read-node.ts";
import { replayReader } from "./replay-rows.ts";
import { batchWriter } from "./write-batch.ts";

/** The store on an engine that is open, ours alone and of this program's version. `onClose` runs while it still is ours. */
export function sqliteStore(engine: SqlEngine, file: string, onClose: () => void): Store {
  const attempt = <T>(doing: Doing, action: () => T): T => {
    try {
      return action();
    } catch (cause) {
      throw toStoreError(cause, file, doing);
    }
  };
  const readers = {
    load: nodeReader(engine),
    payment: paymentReader(engine),
    invoice: invoiceReader(engine),
    history: historyReader(engine),
    htlcs: htlcPageReader(engine),
    commitments: commitmentPageReader(engine),
    moments: momentPageReader(engine),
    peerCopy: peerCopyReader(engine),
    replayRows: replayReader(engine),
    published: publishedReader(engine),
  };
  const transaction = transactionOn(engine);
  const write = batchWriter(engine);
  const setSequence = engine.prepare("UPDATE counter SET value = ? WHERE name = 'sequence'");
  const getSequence = engine.prepare("SELECT value FROM counter WHERE name = 'sequence'");
  const emptyLog = engine.prepare("PRAGMA wal_checkpoint(TRUNCATE)");
  const readSequence = () => attempt("read", () => readNumber(getSequence.get() ?? {}, "value"));

  let sequence = readSequence();
  let isSettled = true;
  let isOpen = true;

  /** Before anything else after a COMMIT that failed: makes what the engine says about it final, also for a restart. */
  function settle(): void {
    if (!isOpen) throw new InvariantBroken("the store is closed");
    if (isSettled) return;
    // The log may hold the batch although the engine dropped it. This moves what counts into the file, syncs it, and
    // empties the log.
    try {
      const busy = readNumber(emptyLog.get() ?? {}, "busy");
      if (busy !== 0) throw new UnreadableRow("busy", "0");
    } catch (cause) {
      const message = `It is not known yet whether the last batch was written to ${file}, which still can't be synced`;
      throw new StoreError("io", message, "unknown", { cause });
    }
    sequence = readSequence();
    isSettled = true;
  }

  function read<T>(reader: () => T): T {
    settle();
    return attempt("read", reader);
  }

  function commit(batch: Batch): void {
    settle();
    if (batch.sequence !== sequence + 1 && (sequence !== 0 || batch.sequence < 1)) {
      const message = `batch ${batch.sequence} does not follow batch ${sequence}, the newest in ${file}`;
      throw new StoreError("out_of_order", message, "refused");
    }
    attempt("write", () => {
      transaction.begin();
      try {
        write(batch.changes);
        setSequence.run(batch.sequence);
      } catch (cause) {
        transaction.rollback();
        throw cause;
      }
    });
    try {
      transaction.commit();
    } catch (cause) {
      transaction.rollback();
      const error = toStoreError(cause, file, "commit");
      isSettled = error instanceof StoreError && error.outcome === "refused";
      throw error;
    }
    sequence = batch.sequence;
  }

  return {
    load: async () => read(readers.load),
    commit: async (batch) => commit(batch),
    sequence: async () => read(() => sequence),
    payment: async (id) => read(() => readers.payment(id)),
    invoice: async (paymentHash) => read(() => readers.invoice(paymentHash)),
    history: async (channel) => read(() => readers.history(channel)),
    htlcs: async (channel, page) => read(() => readers.htlcs(channel, page)),
    commitments: async (channel, page) => read(() => readers.commitments(channel, page)),
    moments: async (channel, page) => read(() => readers.moments(channel, page)),
    peerCopy: async (peer) => read(() => readers.peerCopy(peer)),
    replayRows: async (channel) => read(() => readers.replayRows(channel)),
    published: async (channel, number) => read(() => readers.published(channel, number)),
    close: async () => {
      if (!isOpen) return;
      isOpen = false;
      onClose();
      // Writes the log back and removes it.
      attempt("write", () => engine.close());
    },
  };
}

function transactionOn(engine: SqlEngine) {
  const begin = engine.prepare("BEGIN IMMEDIATE");
  const commit = engine.prepare("COMMIT");
  const rollback = engine.prepare("ROLLBACK");
  return {
    begin: () => void begin.run(),
    commit: () => void commit.run(),
    rollback: () => {
      try {
        rollback.run();
      } catch {
        // After some errors the engine has rolled back by itself, and says that there is nothing to roll back.
      }
    },
  };
}
