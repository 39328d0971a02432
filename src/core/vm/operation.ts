import type { Reason } from "./failure.ts";
import type { Machine } from "./machine.ts";

/** What an opcode always costs. What depends on its operands comes on top. */
export type Cost = { readonly opcode: number; readonly time: number; readonly space: number };

/**
 * One opcode: what it always costs, and what it does. `time` is taken and `space` added after it ran; the rest it charges itself. It finds
 * `at` after its own opcode, and takes its operands from there.
 */
export type Operation = Cost & { run(m: Machine): Reason | undefined };
