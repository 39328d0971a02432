// A disk that is soon full, for processes of their own.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export type SmallDisk = {
  /** A folder on it. Only processes that are started by `launcher` see what is there. */
  readonly folder: string;
  /** What stands before the command of a process that lives on the disk. */
  launcher(): readonly string[];
  /** Makes room, for processes that are started from now on at the latest. */
  makeRoom(): void;
  close(): Promise<void>;
};

/**
 * A file system of so many kilobytes in memory, where this user may have a name space of his own: then writes fail with ENOSPC. Elsewhere a
 * limit to the size of any one file, with EFBIG.
 */
export async function smallDisk(kilobytes: number): Promise<SmallDisk> {
  const folder = mkdtempSync(join(tmpdir(), "sluice-small-disk-"));
  const holder = await nameSpaceWith(folder, kilobytes);
  return holder === undefined ? limitedFiles(folder, kilobytes) : fileSystem(folder, holder);
}

async function nameSpaceWith(folder: string, kilobytes: number): Promise<ChildProcess | undefined> {
  const script = 'mount -t tmpfs -o size="$1k" none "$0" && echo mounted && exec cat';
  const holder = spawn("unshare", ["-Urm", "sh", "-c", script, folder, String(kilobytes)], {
    stdio: ["pipe", "pipe", "ignore"],
  });
  return new Promise((resolve) => {
    holder.once("error", () => resolve(undefined));
    holder.once("exit", () => resolve(undefined));
    holder.stdout.once("data", () => resolve(holder));
  });
}

function fileSystem(folder: string, holder: ChildProcess): SmallDisk {
  const launcher = ["nsenter", "-U", "--preserve-credentials", "-m", "-t", String(holder.pid), "--"];
  return {
    folder,
    launcher: () => launcher,
    makeRoom() {
      const [command = "", ...rest] = launcher;
      execFileSync(command, [...rest, "mount", "-o", "remount,size=100m", folder]);
    },
    async close() {
      const ended = once(holder, "exit");
      holder.kill("SIGKILL");
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function limitedFiles(folder: string, kilobytes: number): SmallDisk {
  // Shells count in 512 or in 1024 bytes: at most twice what is asked for.
  let launcher: readonly string[] = ["/bin/sh", "-c", `ulimit -f ${kilobytes}; exec "$0" "$@"`];
  return {
    folder,
    launcher: () => launcher,
    makeRoom() {
      launcher = ["/bin/sh", "-c", 'exec "$0" "$@"'];
    },
    close: async () => rmSync(folder, { recursive: true, force: true }),
  };
}
