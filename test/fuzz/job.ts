// What the main thread and the one that runs a target tell each other.
import type { Progress } from "./engine.ts";

export type Job = {
  readonly target: string;
  readonly seconds: number;
  readonly seed: number;
  readonly corpus: readonly Uint8Array[];
  /** Whether to say at the end which inputs are worth keeping. */
  readonly distil: boolean;
  /** How often an input was begun, its length, and its bytes. */
  readonly inHand: SharedArrayBuffer;
};

export type Report =
  | { readonly type: "progress" | "done"; readonly progress: Progress; readonly ms: number }
  | { readonly type: "crash"; readonly input: Uint8Array; readonly problem: string }
  | { readonly type: "kept"; readonly inputs: readonly Uint8Array[] };

export const IN_HAND_HEADER_BYTES = 8;
