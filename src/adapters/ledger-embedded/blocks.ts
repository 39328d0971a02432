import { asChannelId } from "../../core/base/index.ts";
import {
  eventsJson,
  type LedgerEntry,
  type LedgerEvent,
  type LedgerTip,
  type LogPage,
  readJson,
} from "../../core/contract-channel/index.ts";
import { LedgerError } from "../../ports/ledger.ts";
import { bytesIn, numberIn, type Sql, type SqlRow, type SqlValue, textIn } from "./file.ts";

/** Entries of one page of the log, and characters of their events. */
const MAX_PAGE = 100;
const MAX_PAGE_LENGTH = 1 << 20;

export type Included = {
  readonly id: Uint8Array;
  readonly body: Uint8Array;
  /** Undefined for a transfer, which is in no log. */
  readonly channelId: Uint8Array | undefined;
  readonly events: readonly LedgerEvent[];
};

/** Blocks, what is in them, and the log, in the ledger's file. */
export type Blocks = {
  tip(): LedgerTip;
  height(id: Uint8Array): number | undefined;
  /** What is in the block, in its order. */
  bodies(height: number): readonly { readonly id: Uint8Array; readonly body: Uint8Array }[];
  include(height: number, place: number, included: Included): void;
  add(height: number, hash: Uint8Array): void;
  /** Takes the newest block away, and says so in the log. */
  retract(height: number): void;
  isUndoable(height: number): boolean;
  /** The blocks up to this height stay for ever. */
  settle(height: number): void;
  log(page: LogPage): readonly LedgerEntry[];
};

export function blocks(sql: Sql): Blocks {
  const select = (text: string) => sql.prepare<SqlValue[], SqlRow>(text);
  const newestBlock = select("SELECT height, hash FROM block ORDER BY height DESC LIMIT 1");
  const newestEntry = select("SELECT coalesce(max(cursor), 0) AS cursor FROM log");
  const addBlock = sql.prepare("INSERT INTO block (height, hash, undoable) VALUES (?, ?, 1)");
  const dropBlock = sql.prepare("DELETE FROM block WHERE height = ?");
  const undoable = select("SELECT undoable FROM block WHERE height = ?");
  const settle = sql.prepare("UPDATE block SET undoable = 0 WHERE height <= ? AND undoable = 1");
  const addIncluded = sql.prepare("INSERT INTO included (id, height, place, body) VALUES (?, ?, ?, ?)");
  const heightOf = select("SELECT height FROM included WHERE id = ?");
  const includedAt = select("SELECT id, body FROM included WHERE height = ? ORDER BY place");
  const dropIncluded = sql.prepare("DELETE FROM included WHERE height = ?");
  const addEntry = sql.prepare("INSERT INTO log (retracted, height, id, channel, events) VALUES (?, ?, ?, ?, ?)");
  const lastRetracted = select("SELECT coalesce(max(cursor), 0) AS cursor FROM log WHERE height = ? AND retracted = 1");
  const entriesAt = select("SELECT * FROM log WHERE height = ? AND retracted = 0 AND cursor > ? ORDER BY cursor DESC");
  const pageOfAll = select("SELECT * FROM log WHERE cursor > ? ORDER BY cursor LIMIT ?");
  const pageOfOne = select("SELECT * FROM log WHERE channel = ? AND cursor > ? ORDER BY cursor LIMIT ?");
  return {
    tip() {
      const block = newestBlock.get();
      const height = numberIn(block, "height");
      const cursor = numberIn(newestEntry.get(), "cursor");
      return { height, hash: bytesIn(block, "hash"), tick: height, cursor };
    },
    height(id) {
      const row = heightOf.get(id);
      return row === undefined ? undefined : numberIn(row, "height");
    },
    bodies: (height) => includedAt.all(height).map((row) => ({ id: bytesIn(row, "id"), body: bytesIn(row, "body") })),
    include(height, place, { id, body, channelId, events }) {
      addIncluded.run(id, height, place, body);
      if (channelId !== undefined) addEntry.run(0, height, id, channelId, JSON.stringify(eventsJson.to(events)));
    },
    add: (height, hash) => void addBlock.run(height, hash),
    retract(height) {
      const before = numberIn(lastRetracted.get(height), "cursor");
      for (const row of entriesAt.all(height, before)) {
        addEntry.run(1, height, bytesIn(row, "id"), bytesIn(row, "channel"), textIn(row, "events"));
      }
      dropIncluded.run(height);
      dropBlock.run(height);
    },
    isUndoable: (height) => numberIn(undoable.get(height), "undoable") === 1,
    settle: (height) => void settle.run(height),
    log({ after, channelId, limit }) {
      const most = Math.max(1, Math.min(limit, MAX_PAGE));
      const found = channelId === undefined ? pageOfAll.all(after, most) : pageOfOne.all(channelId, after, most);
      let length = 0;
      const fitting = found.filter((row, index) => {
        length += textIn(row, "events").length;
        return index === 0 || length <= MAX_PAGE_LENGTH;
      });
      return fitting.map(toEntry);
    },
  };
}

function toEntry(row: SqlRow): LedgerEntry {
  const json: unknown = JSON.parse(textIn(row, "events"));
  const events = readJson(eventsJson, json);
  if (!events.ok) throw new LedgerError("corrupt", `the ledger's log lacks ${events.error.what}`);
  return {
    cursor: numberIn(row, "cursor"),
    type: numberIn(row, "retracted") === 0 ? "included" : "retracted",
    height: numberIn(row, "height"),
    transactionId: bytesIn(row, "id"),
    channelId: asChannelId(bytesIn(row, "channel")),
    events: events.value,
  };
}
