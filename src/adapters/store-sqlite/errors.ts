import { InvariantBroken } from "../../core/base/index.ts";
import { StoreError } from "../../ports/store.ts";
import { UnreadableRow } from "./columns.ts";

/** What was being done: only a failed COMMIT leaves open whether the batch was written. */
export type Doing = "open" | "read" | "write" | "commit";

function sqliteCode(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" && code.startsWith("SQLITE_") ? code : "";
}

/** Whether the engine itself failed, or said that the file is damaged: nothing that only some rows are the reason of. */
export function isOfEngine(error: unknown): boolean {
  return sqliteCode(error) !== "";
}

/** The error as the port has it. Our own broken invariants stay what they are, but what breaks one in a row read is the file. */
export function toStoreError(cause: unknown, file: string, doing: Doing): Error {
  if (cause instanceof StoreError || (cause instanceof InvariantBroken && doing !== "read")) return cause;
  const reason = cause instanceof Error ? cause.message : String(cause);
  const code = sqliteCode(cause);
  const isOneOf = (...codes: string[]) => codes.some((known) => code === known || code.startsWith(`${known}_`));

  if (
    cause instanceof UnreadableRow ||
    cause instanceof InvariantBroken ||
    isOneOf("SQLITE_CORRUPT", "SQLITE_NOTADB")
  ) {
    return corrupt(file, reason, cause);
  }
  // Before the first batch there is no statement of ours that could be wrong, but the tables may be someone else's.
  if (doing === "open" && code === "SQLITE_ERROR") return corrupt(file, reason, cause);
  if (cause instanceof TypeError || cause instanceof RangeError || isOneOf("SQLITE_CONSTRAINT", "SQLITE_MISMATCH")) {
    return new InvariantBroken(
      `what is to be ${doing === "read" ? "read" : "written"} does not fit ${file}: ${reason}`,
    );
  }
  if (isOneOf("SQLITE_BUSY", "SQLITE_LOCKED")) {
    return new StoreError("locked", `${file} is in use by another process`, "refused", { cause });
  }
  if (isOneOf("SQLITE_FULL")) {
    // The frame that makes a transaction count is the last one written, so nothing was.
    const message = `No space is left for ${file} (${reason}). Nothing was written; make space and try again.`;
    return new StoreError("full", message, "refused", { cause });
  }
  const outcome = doing === "commit" ? "unknown" : "refused";
  const advice = "Check that the file and its directory can be read and written, and the disk.";
  const name = code === "" ? "" : ` (${code})`;
  return new StoreError("io", `Could not ${doing} ${file}: ${reason}${name}. ${advice}`, outcome, { cause });
}

/** The file can't be trusted. */
export function corrupt(file: string, reason: string, cause?: unknown): StoreError {
  const message =
    `${file} is damaged: ${reason}. Keep a copy of the whole directory, check the disk, and start from ` +
    "a backup in recovery mode; do not start from an older copy as if nothing had happened.";
  return new StoreError("corrupt", message, "refused", { cause });
}
