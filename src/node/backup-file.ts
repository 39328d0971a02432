import { open, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { MAX_BACKUP_BYTES } from "./backup.ts";

async function synced(path: string, flags: string, write?: Uint8Array): Promise<void> {
  const file = await open(path, flags, 0o600);
  try {
    if (write !== undefined) await file.writeFile(write);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Puts a backup in place of the one before: whole or not at all, and there after a loss of power. Rejects as `node:fs` does. */
export async function writeBackupFile(path: string, bytes: Uint8Array): Promise<void> {
  const unfinished = `${path}.new`;
  try {
    await synced(unfinished, "w", bytes);
  } catch (cause) {
    // On a full disk, half of one is in the way of everything else.
    await rm(unfinished, { force: true }).catch(() => undefined);
    throw cause;
  }
  await rename(unfinished, path);
  await synced(dirname(path), "r");
}

/** The bytes of a backup, of one that is too long only the first too many. Rejects as `node:fs` does. */
export async function readBackupFile(path: string): Promise<Uint8Array> {
  const { size } = await stat(path);
  const bytes = new Uint8Array(Math.min(size, MAX_BACKUP_BYTES + 1));
  const file = await open(path, "r");
  try {
    let at = 0;
    for (let read = 1; read > 0 && at < bytes.length; at += read) {
      ({ bytesRead: read } = await file.read(bytes, at, bytes.length - at, at));
    }
    return bytes.subarray(0, at);
  } finally {
    await file.close();
  }
}
