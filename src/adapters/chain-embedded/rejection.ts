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

/** `mandatory` where a block with the transaction would be invalid too. */
export function scriptRejection(error: ScriptError, mandatory: boolean): Rejection {
  const rule = mandatory ? "mandatory-script-verify-flag-failed" : "non-mandatory-script-verify-flag";
  return { type: "rejected", reason: `${rule} (${SCRIPT_ERROR_TEXT[error]})`, scriptError: error };
}
