import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { environmentFailure } from "../failure.ts";

export type DemoFolder = {
  readonly path: string;
  readonly kept: boolean;
  /** Removes it, unless it is kept. */
  remove(): void;
};

function makeKept(named: string): string {
  const path = resolve(named);
  mkdirSync(path, { recursive: true, mode: 0o700 });
  if (readdirSync(path).length > 0) {
    throw environmentFailure("not_empty", `${path} is not empty: name a new folder with --keep.`);
  }
  return path;
}

function makeTemporary(): string {
  try {
    return mkdtempSync(join(tmpdir(), "sluice-demo-"));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const message = `No temporary folder can be made in ${tmpdir()}: ${why}. Set the variable TMPDIR to another place, or use --keep.`;
    throw environmentFailure("no_temporary_folder", message, cause);
  }
}

/** The folder that the user wants to keep, else a temporary one that is gone when the process ends, however it does. */
export function openFolder(keep: string | undefined): DemoFolder {
  if (keep !== undefined) return { path: makeKept(keep), kept: true, remove() {} };
  const path = makeTemporary();
  const remove = (): void => rmSync(path, { recursive: true, force: true });
  process.once("exit", remove);
  return {
    path,
    kept: false,
    remove() {
      remove();
      process.off("exit", remove);
    },
  };
}
