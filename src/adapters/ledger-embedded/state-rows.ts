import { assertNever, type ChannelId, concatBytes } from "../../core/base/index.ts";
import {
  accountJson,
  channelJson,
  type JsonCodec,
  type LedgerChange,
  type LedgerRows,
  markJson,
  readJson,
  recordJson,
} from "../../core/contract-channel/index.ts";
import { LedgerError } from "../../ports/ledger.ts";
import { bytesIn, numberIn, type Sql, type SqlRow, type SqlValue, textIn } from "./file.ts";

/** First byte of a key: what it is of. Then 32 bytes of an id, then what is within a channel. */
const KIND = { account: 1, channel: 2, used: 3, record: 4, mark: 5, paid: 6 } as const;

function key(kind: keyof typeof KIND, ...parts: readonly Uint8Array[]): Uint8Array {
  return concatBytes(Uint8Array.of(KIND[kind]), ...parts);
}

function slotBytes(slot: number): Uint8Array {
  return Uint8Array.of(slot >> 8, slot & 0xff);
}

/** The ledger's rows in its file. Writing notes what stood there before, so that a block can be taken back. */
export type StateRows = LedgerRows & {
  /** Within a transaction of the file. */
  write(changes: readonly LedgerChange[], height: number): void;
  /** Takes back what a block has written. */
  undo(height: number): void;
  /** Forgets how to take back the blocks up to a height. */
  forget(height: number): void;
};

export function stateRows(sql: Sql): StateRows {
  const get = sql.prepare<SqlValue[], SqlRow>("SELECT value FROM state WHERE key = ?");
  const set = sql.prepare(
    "INSERT INTO state (key, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
  );
  const remove = sql.prepare("DELETE FROM state WHERE key = ?");
  const within = sql.prepare<SqlValue[], SqlRow>("SELECT key FROM state WHERE key >= ? AND key <= ?");
  const addUndo = sql.prepare("INSERT INTO undo (height, place, key, value) VALUES (?, ?, ?, ?)");
  const countUndo = sql.prepare<SqlValue[], SqlRow>("SELECT count(*) AS count FROM undo WHERE height = ?");
  const getUndo = sql.prepare<SqlValue[], SqlRow>(
    "SELECT key, value, value IS NOT NULL AS had_value FROM undo WHERE height = ? ORDER BY place DESC",
  );
  const dropUndo = sql.prepare("DELETE FROM undo WHERE height = ?");
  const dropUndoUpTo = sql.prepare("DELETE FROM undo WHERE height <= ?");

  function read<T>(codec: JsonCodec<T>, at: Uint8Array): T | undefined {
    const row = get.get(at);
    if (row === undefined) return undefined;
    const json: unknown = JSON.parse(textIn(row, "value"));
    const found = readJson(codec, json);
    if (!found.ok) throw new LedgerError("corrupt", `a row of the ledger's file lacks ${found.error.what}`);
    return found.value;
  }
  const has = (at: Uint8Array): boolean => get.get(at) !== undefined;

  function put(at: Uint8Array, value: string | undefined, height: number): void {
    const row = get.get(at);
    const before = row === undefined ? null : textIn(row, "value");
    const place = numberIn(countUndo.get(height), "count");
    addUndo.run(height, place, at, before);
    if (value === undefined) remove.run(at);
    else set.run(at, value);
  }

  function drop(id: ChannelId, height: number): void {
    put(key("channel", id), undefined, height);
    for (const kind of ["record", "mark", "paid"] as const) {
      const from = key(kind, id);
      for (const row of within.all(from, concatBytes(from, new Uint8Array(33).fill(0xff)))) {
        put(bytesIn(row, "key"), undefined, height);
      }
    }
  }

  function writeOne(change: LedgerChange, height: number): void {
    switch (change.type) {
      case "account":
        put(key("account", change.id), JSON.stringify(accountJson.to(change.row)), height);
        break;
      case "channel":
        put(key("channel", change.id), JSON.stringify(channelJson.to(change.row)), height);
        if (!has(key("used", change.id))) put(key("used", change.id), "", height);
        break;
      case "record":
        put(key("record", change.channel, change.leafHash), JSON.stringify(recordJson.to(change.row)), height);
        break;
      case "mark":
        put(key("mark", change.channel, change.contractId), JSON.stringify(markJson.to(change.row)), height);
        break;
      case "paid":
        put(key("paid", change.channel, slotBytes(change.slot)), "", height);
        break;
      case "channel_deleted":
        drop(change.id, height);
        break;
      default:
        assertNever(change);
    }
  }

  return {
    account: (id) => read(accountJson, key("account", id)),
    channel: (id) => read(channelJson, key("channel", id)),
    isUsed: (id) => has(key("used", id)),
    record: (channel, leaf) => read(recordJson, key("record", channel, leaf)),
    mark: (channel, id) => read(markJson, key("mark", channel, id)),
    isPaid: (channel, slot) => has(key("paid", channel, slotBytes(slot))),
    write(changes, height) {
      for (const change of changes) writeOne(change, height);
    },
    undo(height) {
      for (const row of getUndo.all(height)) {
        if (numberIn(row, "had_value") === 0) remove.run(bytesIn(row, "key"));
        else set.run(bytesIn(row, "key"), textIn(row, "value"));
      }
      dropUndo.run(height);
    },
    forget: (height) => void dropUndoUpTo.run(height),
  };
}
