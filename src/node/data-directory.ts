import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { err, ok, type Result } from "../core/base/index.ts";
import { seedFromPhrase, seedPhrase } from "../core/crypto/index.ts";
import type { Random } from "../ports/random.ts";

/** Why a data directory can't be used. */
export type DataDirectoryError =
  | { readonly type: "seed_missing"; readonly path: string }
  | { readonly type: "bad_seed_phrase"; readonly path: string }
  | { readonly type: "unreadable"; readonly path: string; readonly reason: string };

const SEED_FILE = "seed-phrase";

/** The seed of a data directory; a new directory gets a new phrase of 24 words, readable by its owner only. */
export function openSeed(directory: string, random: Random): Result<Uint8Array, DataDirectoryError> {
  const path = join(directory, SEED_FILE);
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    if (!existsSync(path)) {
      // A store without its seed is somebody's money: a new seed beside it would hide that.
      if (existsSync(join(directory, "sluice.db"))) return err({ type: "seed_missing", path });
      writeFileSync(path, `${seedPhrase(random.bytes(32))}\n`, { mode: 0o600, flag: "wx", flush: true });
    }
    const seed = seedFromPhrase(readFileSync(path, "utf8"));
    return seed.ok ? ok(seed.value) : err({ type: "bad_seed_phrase", path });
  } catch (cause) {
    const reason = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown";
    return err({ type: "unreadable", path, reason });
  }
}

/** The error as a sentence that says what to do. */
export function describeDataDirectoryError(error: DataDirectoryError): string {
  switch (error.type) {
    case "seed_missing":
      return `${error.path} is missing beside a store that was made with it: put the seed phrase back`;
    case "bad_seed_phrase":
      return `${error.path} is not a seed phrase of BIP 39: restore the words that were written down`;
    case "unreadable":
      return `${error.path} can't be used (${error.reason}): check that the directory is yours and writable`;
  }
}
