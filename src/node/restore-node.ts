import { openSqliteStore } from "../adapters/store-sqlite/index.ts";
import { assertNever, err, ok, type Result } from "../core/base/index.ts";
import { seedFromPhrase } from "../core/crypto/index.ts";
import type { BitcoinNetwork } from "../ports/bitcoin-chain.ts";
import { type BackupError, openBackup } from "./backup.ts";
import { readBackupFile } from "./backup-file.ts";
import { isUsed, prepareDirectory, writeSeed } from "./data-directory.ts";
import { restoreInto } from "./restore.ts";

export type RestoreError =
  | BackupError
  | { readonly type: "bad_seed_phrase" }
  /** A restored node forgets what the directory knows. */
  | { readonly type: "directory_used"; readonly path: string }
  | { readonly type: "unreadable"; readonly path: string; readonly reason: string };

/** What came back. */
export type Restored = {
  readonly network: BitcoinNetwork;
  /** When the backup was made, in milliseconds since 1970. */
  readonly createdAt: number;
  /** Channels, all in recovery mode. */
  readonly channels: number;
};

/**
 * Makes a data directory from the seed phrase and a backup file. Its channels are in recovery mode: a node that is started on it broadcasts
 * nothing for them, connects to their peers, which then close, and watches and punishes what they publish. Rejects with StoreError.
 */
export async function restoreNode(options: {
  /** New, or empty but for a backup. */
  readonly directory: string;
  readonly seedPhrase: string;
  readonly backup: string;
}): Promise<Result<Restored, RestoreError>> {
  const { directory, seedPhrase, backup: path } = options;
  const seed = seedFromPhrase(seedPhrase);
  if (!seed.ok) return err({ type: "bad_seed_phrase" });
  if (isUsed(directory)) return err({ type: "directory_used", path: directory });
  let bytes: Uint8Array;
  try {
    bytes = await readBackupFile(path);
  } catch (cause) {
    return err({ type: "unreadable", path, reason: reasonOf(cause) });
  }
  const opened = openBackup(bytes, seed.value);
  if (!opened.ok) return opened;
  const prepared = prepareDirectory(directory);
  if (!prepared.ok) return err({ type: "unreadable", path: directory, reason: prepared.error.type });
  const store = await openSqliteStore({ directory });
  try {
    await restoreInto(store, opened.value);
    writeSeed(directory, seedPhrase.trim().toLowerCase().split(/\s+/).join(" "));
  } catch (cause) {
    if (cause instanceof Error && "syscall" in cause) {
      return err({ type: "unreadable", path: directory, reason: reasonOf(cause) });
    }
    throw cause;
  } finally {
    await store.close();
  }
  const { network, createdAt, channels } = opened.value;
  return ok({ network, createdAt, channels: channels.length });
}

function reasonOf(cause: unknown): string {
  return cause instanceof Error && "code" in cause ? String(cause.code) : "unknown";
}

/** The error as a sentence that says what to do. */
export function describeRestoreError(error: RestoreError): string {
  switch (error.type) {
    case "bad_seed_phrase":
      return "that is not a seed phrase of BIP 39: check the words";
    case "directory_used":
      return `${error.path} holds a node already: restore into a new directory`;
    case "unreadable":
      return `${error.path} can't be used (${error.reason})`;
    case "not_a_backup":
      return "the file is not a backup of Sluice: choose another one";
    case "backup_version":
      return `the backup has version ${error.actual}; this program knows version ${error.limit}: use the newer one`;
    case "backup_length":
      return `the backup has ${error.actual} bytes where ${error.limit} should be: it is cut off or too long; use another copy`;
    case "backup_of_another_seed":
      return "the backup was made with another seed phrase, or its beginning is damaged";
    case "backup_damaged":
      return "the backup is damaged: use another copy";
    default:
      return assertNever(error);
  }
}
