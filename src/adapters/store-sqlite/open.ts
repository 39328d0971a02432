import { readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { type Store, StoreError } from "../../ports/store.ts";
import { readNumber, readText } from "./columns.ts";
import { openEngine, type SqlEngine } from "./engine.ts";
import { corrupt, toStoreError } from "./errors.ts";
import { migrate } from "./migrations.ts";
import { sqliteStore } from "./sqlite-store.ts";

export type SqliteStoreOptions = {
  /** An existing directory of the node's own; the store is `sluice.db` in it. */
  readonly directory: string;
};

/**
 * Opens the store of a data directory, or makes it, and locks it until `close` or the end of the process, however that
 * ends. Rejects with StoreError: `locked`, `corrupt`, `newer_version`, `full`, or `io` where the directory can't be used.
 *
 * Nothing else in this process may open `sluice.db`, not even to copy it: closing any descriptor of a file drops the
 * process's locks on it.
 */
export async function openSqliteStore({ directory }: SqliteStoreOptions): Promise<Store> {
  const path = resolve(directory);
  const file = join(path, "sluice.db");
  const pidFile = join(path, "sluice.pid");
  try {
    requireDirectory(path);
    return openOn(openEngine(file), file, pidFile);
  } catch (cause) {
    const error = toStoreError(cause, file, "open");
    throw error instanceof StoreError && error.code === "locked" ? lockedBy(path, pidFile, error) : error;
  }
}

/** The same on an engine that was opened already, which is closed where this throws. */
export function openOn(engine: SqlEngine, file: string, pidFile: string): Store {
  try {
    lock(engine);
    makeDurable(engine, file);
    check(engine, file);
    migrate(engine, file);
    const store = sqliteStore(engine, file, () => rmSync(pidFile, { force: true }));
    notePid(pidFile);
    return store;
  } catch (cause) {
    engine.close();
    throw cause;
  }
}

function requireDirectory(path: string): void {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found?.isDirectory()) return;
  const problem = found === undefined ? "does not exist; create it" : "is not a directory";
  throw new StoreError("io", `The data directory ${path} ${problem}`, "refused");
}

/**
 * Has the operating system lock the file for as long as it is open. In this mode SQLite also keeps the index of its log in
 * our memory in place of a file shared with others.
 */
function lock(engine: SqlEngine): void {
  engine.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT;");
}

/** Every commit is synced before it returns. The engine's own default in WAL mode is NORMAL, which is not enough. */
function makeDurable(engine: SqlEngine, file: string): void {
  const mode = readText(engine.prepare("PRAGMA journal_mode = WAL").get() ?? {}, "journal_mode");
  engine.exec("PRAGMA synchronous = FULL");
  const synchronous = readNumber(engine.prepare("PRAGMA synchronous").get() ?? {}, "synchronous");
  if (mode === "wal" && synchronous === 2) return;
  const message = `${file} can't be made durable: journal_mode is ${mode}, synchronous is ${synchronous}`;
  throw new StoreError("io", message, "refused");
}

/**
 * Looks through the tables whose size follows what is live. Those that hold history too are left out, or starting would
 * take longer with every payment ever made: in them, a damaged page is noticed when it is read. A file cut short and a
 * damaged header are noticed by the first statement.
 */
function check(engine: SqlEngine, file: string): void {
  const tables = engine.prepare(
    `SELECT name FROM sqlite_schema
     WHERE type = 'table' AND name NOT IN ('htlc', 'commitment', 'moment', 'invoice', 'payment', 'replay')`,
  );
  for (const row of tables.all()) {
    const table = readText(row, "name").replaceAll("'", "''");
    const report = readText(engine.prepare(`PRAGMA quick_check('${table}')`).get() ?? {}, "quick_check");
    if (report !== "ok") throw corrupt(file, report);
  }
}

/** Only for the message of `lockedBy`: the lock itself is the operating system's. */
function notePid(pidFile: string): void {
  try {
    writeFileSync(pidFile, `${process.pid}\n`);
  } catch {
    // A full disk is no reason not to start.
  }
}

function lockedBy(path: string, pidFile: string, cause: StoreError): StoreError {
  let owner = "another process";
  try {
    const pid = readFileSync(pidFile, "utf8").trim();
    if (/^\d{1,10}$/.test(pid)) owner = `process ${pid}`;
  } catch {
    // The owner has not written it yet.
  }
  return new StoreError("locked", `The data directory ${path} is in use by ${owner}. Stop that one first.`, "refused", {
    cause,
  });
}
