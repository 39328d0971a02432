import { statSync } from "node:fs";
import { join, resolve } from "node:path";
import Database from "better-sqlite3";
import { LedgerError } from "../../ports/ledger.ts";

export type SqlValue = bigint | number | string | Uint8Array | null;
export type SqlRow = Readonly<Record<string, SqlValue>>;
export type Sql = Database.Database;

/**
 * Everything that the ledger knows. Its state is a table of keys and values, so that what a block has changed can be undone key by key;
 * `value` is JSON, or empty.
 */
const SCHEMA = `
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE state (key BLOB PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
-- What stood under a key before a block changed it; NULL for nothing.
CREATE TABLE undo (height INTEGER NOT NULL, place INTEGER NOT NULL, key BLOB NOT NULL, value TEXT,
  PRIMARY KEY (height, place)) STRICT, WITHOUT ROWID;
-- undoable: what it changed is in undo.
CREATE TABLE block (height INTEGER PRIMARY KEY, hash BLOB NOT NULL, undoable INTEGER NOT NULL) STRICT;
CREATE INDEX block_undoable ON block (height) WHERE undoable = 1;
CREATE TABLE included (id BLOB PRIMARY KEY, height INTEGER NOT NULL, place INTEGER NOT NULL, body BLOB NOT NULL)
  STRICT, WITHOUT ROWID;
CREATE INDEX included_height ON included (height, place);
-- AUTOINCREMENT: a cursor is never used again.
CREATE TABLE log (cursor INTEGER PRIMARY KEY AUTOINCREMENT, retracted INTEGER NOT NULL, height INTEGER NOT NULL,
  id BLOB NOT NULL, channel BLOB NOT NULL, events TEXT NOT NULL) STRICT;
CREATE INDEX log_channel ON log (channel, cursor);
`;
const VERSION = 1;

function missing(name: string, what: string): LedgerError {
  return new LedgerError("corrupt", `column ${name} of the ledger's file does not hold ${what}`);
}

/** The engine gives a Buffer; outside it nobody should see one. */
export function bytesIn(row: SqlRow | undefined, name: string): Uint8Array {
  const value = row?.[name];
  if (!(value instanceof Uint8Array)) throw missing(name, "bytes");
  return new Uint8Array(value);
}

export function textIn(row: SqlRow | undefined, name: string): string {
  const value = row?.[name];
  if (typeof value !== "string") throw missing(name, "text");
  return value;
}

export function numberIn(row: SqlRow | undefined, name: string): number {
  const value = row?.[name];
  if (typeof value !== "number") throw missing(name, "a number");
  return value;
}

/** Every commit is synced before it returns, and nobody else opens the file. */
function makeDurable(sql: Sql, file: string): void {
  sql.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT;");
  const mode = sql.pragma("journal_mode = WAL", { simple: true });
  sql.exec("PRAGMA synchronous = FULL");
  const synchronous = sql.pragma("synchronous", { simple: true });
  if (mode === "wal" && synchronous === 2) return;
  throw new LedgerError(
    "io",
    `${file} can't be made durable: journal_mode is ${String(mode)}, synchronous is ${String(synchronous)}`,
  );
}

function migrate(sql: Sql, file: string): void {
  const version = sql.pragma("user_version", { simple: true });
  if (version === VERSION) return;
  if (version !== 0) throw new LedgerError("io", `${file} was written by a newer version of this program`);
  sql.exec(`BEGIN IMMEDIATE;\n${SCHEMA}\nPRAGMA user_version = ${VERSION};\nCOMMIT;`);
}

function toLedgerError(cause: unknown, file: string): unknown {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  if (code.startsWith("SQLITE_BUSY") || code.startsWith("SQLITE_LOCKED")) {
    return new LedgerError("locked", `${file} is in use by another process. Stop that one first.`, { cause });
  }
  if (code.startsWith("SQLITE_CORRUPT") || code.startsWith("SQLITE_NOTADB")) {
    return new LedgerError("corrupt", `${file} is damaged: keep a copy, and check the disk`, { cause });
  }
  if (!code.startsWith("SQLITE_")) return cause;
  return new LedgerError(
    "io",
    `Could not use ${file} (${code}). Check that its directory can be written, and the disk.`,
    { cause },
  );
}

/** Runs what uses the file, with errors as the port has them. */
export function using<T>(file: string, action: () => T): T {
  try {
    return action();
  } catch (cause) {
    throw toLedgerError(cause, file);
  }
}

/** Opens `ledger.db` of an existing directory, or makes it; without a directory, a ledger in memory. Throws LedgerError. */
export function openFile(directory: string | undefined): { readonly sql: Sql; readonly file: string } {
  const file = directory === undefined ? ":memory:" : join(resolve(directory), "ledger.db");
  if (directory !== undefined && statSync(directory, { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw new LedgerError("io", `The directory ${resolve(directory)} does not exist; create it`);
  }
  return using(file, () => {
    const sql = new Database(file, { timeout: 0 });
    try {
      if (directory !== undefined) makeDurable(sql, file);
      migrate(sql, file);
      return { sql, file };
    } catch (cause) {
      sql.close();
      throw cause;
    }
  });
}
