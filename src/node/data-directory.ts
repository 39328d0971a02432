// What lies in a data directory: `sluice.db`, the store, and `seed-phrase`, 24 words from which every key derives. The store is
// made and locked first, the phrase after it; so a phrase without a store has lost it, whenever the power went.

import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { assertNever, err, ok, type Result } from "../core/base/index.ts";
import { seedFromPhrase, seedPhrase } from "../core/crypto/index.ts";
import type { Random } from "../ports/random.ts";

/** Why a data directory can't be used. */
export type DataDirectoryError =
  /** A store that was used, without the phrase it was made with: a new one beside it would hide somebody's money. */
  | { readonly type: "seed_missing"; readonly path: string }
  /**
   * A phrase without its store. A new store would count channels from 0 again and use their keys and revocation secrets a
   * second time.
   */
  | { readonly type: "store_missing"; readonly path: string }
  | { readonly type: "bad_seed_phrase"; readonly path: string }
  | { readonly type: "unreadable"; readonly path: string; readonly reason: string };

const SEED_FILE = "seed-phrase";
export const STORE_FILE = "sluice.db";

function unreadable(path: string, cause: unknown): { readonly ok: false; readonly error: DataDirectoryError } {
  const reason = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown";
  return err({ type: "unreadable", path, reason });
}

/** Makes the directory where it is missing, readable by its owner only. To be called before the store is opened. */
export function prepareDirectory(directory: string): Result<undefined, DataDirectoryError> {
  const store = join(directory, STORE_FILE);
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const size = statSync(store, { throwIfNoEntry: false })?.size ?? 0;
    const isLost = size === 0 && existsSync(join(directory, SEED_FILE));
    return isLost ? err({ type: "store_missing", path: store }) : ok(undefined);
  } catch (cause) {
    return unreadable(directory, cause);
  }
}

/** Whole or not at all, and there after a loss of power: nothing is ever built on a phrase that may be gone. */
function writeDurably(directory: string, path: string, text: string): void {
  const unfinished = `${path}.new`;
  writeFileSync(unfinished, text, { mode: 0o600, flush: true });
  renameSync(unfinished, path);
  const folder = openSync(directory, "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/** The seed of the directory whose store is open; a store in which nothing was written yet gets a new phrase. 64 bytes. */
export function openSeed(
  directory: string,
  storeIsNew: boolean,
  random: Random,
): Result<Uint8Array, DataDirectoryError> {
  const path = join(directory, SEED_FILE);
  try {
    if (!existsSync(path)) {
      if (!storeIsNew) return err({ type: "seed_missing", path });
      writeDurably(directory, path, `${seedPhrase(random.bytes(32))}\n`);
    }
    const seed = seedFromPhrase(readFileSync(path, "utf8"));
    return seed.ok ? ok(seed.value) : err({ type: "bad_seed_phrase", path });
  } catch (cause) {
    return unreadable(path, cause);
  }
}

/** Where the backup of a directory lies unless told otherwise. */
export function backupPath(directory: string): string {
  return join(directory, "backup.sluice");
}

/** Whether a node was ever started there. */
export function isUsed(directory: string): boolean {
  return [SEED_FILE, STORE_FILE].some((name) => existsSync(join(directory, name)));
}

/** Takes away what was begun there and is of no use, so that it can be begun again. What can't be removed stays. */
export function removeStore(directory: string): void {
  for (const name of [STORE_FILE, `${STORE_FILE}-wal`, `${STORE_FILE}-journal`, SEED_FILE, `${SEED_FILE}.new`]) {
    try {
      rmSync(join(directory, name), { force: true });
    } catch {
      // Whoever looks there finds it.
    }
  }
}

/** Puts a phrase beside a store that was made for it. Throws as `node:fs` does. */
export function writeSeed(directory: string, phrase: string): void {
  writeDurably(directory, join(directory, SEED_FILE), `${phrase}\n`);
}

/** The error as a sentence that says what to do. */
export function describeDataDirectoryError(error: DataDirectoryError): string {
  switch (error.type) {
    case "seed_missing":
      return `${error.path} is missing beside a store that was made with it: put the seed phrase back`;
    case "store_missing":
      return `${error.path} is missing or empty beside its seed phrase: put the store back; starting anew with this phrase would use the keys of its channels twice`;
    case "bad_seed_phrase":
      return `${error.path} is not a seed phrase of BIP 39: restore the words that were written down`;
    case "unreadable":
      return `${error.path} can't be used (${error.reason}): check that the directory is yours and writable`;
    default:
      return assertNever(error);
  }
}
