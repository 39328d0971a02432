import { SCRIPT_ERROR_TEXT, type ScriptError } from "./script-error.ts";

/**
 * Why a transaction is refused. `reason` is the word of Bitcoin Core for it, and `scriptError` says which script rule it
 * was, where it was one.
 */
export type Rejection = {
  readonly type: "rejected";
  readonly reason: string;
  readonly scriptError?: ScriptError;
};

export function rejection(reason: string): Rejection {
  return { type: "rejected", reason };
}

export function scriptRejection(error: ScriptError, where: "mempool" | "block"): Rejection {
  const reason = `${where}-script-verify-flag-failed (${SCRIPT_ERROR_TEXT[error]})`;
  return { type: "rejected", reason, scriptError: error };
}
