import type { Result } from "../base/index.ts";
import { err, ok } from "../base/index.ts";
import { advance } from "./advance.ts";
import { INNER } from "./compile.ts";
import type { Failure } from "./failure.ts";
import type { Machine } from "./machine.ts";
import { type Finished, finished, type RunInput, start } from "./run.ts";
import type { Value } from "./value.ts";

/** One opcode that has run. */
export type Step = {
  readonly part: "evidence" | "code";
  /** Byte of that program at which the opcode stands. */
  readonly position: number;
  readonly opcode: number;
  /** Functions that are being run and have not ended; a tail call takes the caller's place. */
  readonly callDepth: number;
  /** Time gas that it cost, and the change of space. */
  readonly time: number;
  readonly space: number;
  readonly timeLeft: number;
  readonly spaceUsed: number;
  /** How many values are on the stack now, and the topmost of them, the top first. */
  readonly stackSize: number;
  readonly stackTop: readonly Value[];
};

const SHOWN_VALUES = 8;

function isOpcode(m: Machine): boolean {
  const next = m.code.ops[m.at];
  return next !== INNER.jump && next !== INNER.endOfProgram;
}

/**
 * A run one opcode at a time: the same machine, stopped after each. `visit` is called after each opcode that ran; one that fails is not
 * visited, and is in the result. The end of a function is an opcode, with its cost.
 */
export function trace(input: RunInput, visit: (step: Step) => void): Result<Finished, Failure> {
  const started = start(input);
  if (!started.ok) return started;
  const m = started.value;
  while (m.running) {
    const { time, space, program, code } = m;
    const position = code.positions[m.at] as number;
    const shown = isOpcode(m);
    const callDepth = m.frames.length;
    const failure = advance(m, 1);
    if (failure !== undefined) return err(failure);
    if (!shown) continue;
    visit({
      part: program.part,
      position,
      opcode: program.decoded.bytes[position] as number,
      callDepth,
      time: time - m.time,
      space: m.space - space,
      timeLeft: m.time,
      spaceUsed: m.space,
      stackSize: m.depth,
      stackTop: m.stack.slice(Math.max(0, m.depth - SHOWN_VALUES), m.depth).reverse(),
    });
  }
  return ok(finished(m));
}
