import { COMPILED_OPCODES, type Code, INNER } from "./compile.ts";
import type { Failure, Reason } from "./failure.ts";
import { flowOperations } from "./flow-operations.ts";
import { badOperand, type Machine, type Program } from "./machine.ts";
import { intOperations, numberOperations, onTwoInts } from "./number-operations.ts";
import { OP } from "./opcodes.ts";
import type { Cost, Operation } from "./operation.ts";
import { stackOperations } from "./stack-operations.ts";
import { stateOperations } from "./state-operations.ts";
import { memoryOf, type Value } from "./value.ts";
import { valueOperations } from "./value-operations.ts";

/** What the loop below does itself, since it is what tight loops are made of, besides `intOperations`. */
const LOOP_OPERATIONS: readonly Cost[] = [
  { opcode: OP.int, time: 1, space: 1 },
  { opcode: OP.drop, time: 1, space: -2 },
  { opcode: OP.dup, time: 1, space: 0 },
  { opcode: OP.swap, time: 1, space: 0 },
  { opcode: OP.if, time: 0, space: -1 },
  { opcode: INNER.jump, time: 0, space: 0 },
];

const OPERATIONS: readonly Operation[] = [
  ...stackOperations,
  ...numberOperations,
  ...valueOperations,
  ...stateOperations,
  ...flowOperations,
];

function undefinedOpcode(): Reason {
  return { type: "undefined_opcode" };
}

const TIME = new Int32Array(COMPILED_OPCODES);
const SPACE = new Int32Array(COMPILED_OPCODES);
for (const { opcode, time, space } of [...LOOP_OPERATIONS, ...intOperations, ...OPERATIONS]) {
  TIME[opcode] = time;
  SPACE[opcode] = space;
}
const RUN: Operation["run"][] = new Array<Operation["run"]>(COMPILED_OPCODES).fill(undefinedOpcode);
for (const { opcode, run } of OPERATIONS) RUN[opcode] = run;

function needs(depth: number, needed: number): Reason {
  return { type: "stack_underflow", needed, found: depth };
}

/** Why the values on top are not so many ints. */
function notInts(depth: number, needed: number): Reason {
  return depth < needed ? needs(depth, needed) : badOperand(needed === 1 ? "an int" : "two ints");
}

/** Which limit is exceeded, if one is. */
export function exceeded(m: Machine): Reason | undefined {
  if (m.time < 0) return { type: "out_of_time" };
  if (m.space > m.spaceLimit) return { type: "out_of_space", limit: m.spaceLimit, actual: m.space };
  const limit = m.profile.limits.stackItems;
  return m.depth > limit ? { type: "stack_limit", limit } : undefined;
}

/**
 * Runs at most so many opcodes (jumps and ends of programs count too). What failed, if something did: then the run is over.
 *
 * The registers are local variables while it runs, and ints are not boxed, so that a tight loop allocates nothing. An opcode that is not in
 * the switch finds them in the machine.
 */
export function advance(m: Machine, steps: number): Failure | undefined {
  const { stack, spaceLimit } = m;
  const { stackItems } = m.profile.limits;
  let { code, program, at, depth, time, space, spacePeak } = m;
  let { ops } = code;
  let failure: Failure | undefined;
  let elsewhere = false;
  for (let left = m.running ? steps : 0; left > 0; left--) {
    if (elsewhere) {
      program = m.program;
      code = m.code;
      ops = code.ops;
      elsewhere = false;
    }
    const place = at;
    const opcode = ops[at++] as number;
    let reason: Reason | undefined;
    // Nothing is read from below the stack: an index of -1 would make the engine treat every read as that of an object's property.
    switch (opcode) {
      case OP.int:
        stack[depth++] = ops[at++] as number;
        break;
      case OP.drop:
        if (depth < 1) reason = needs(depth, 1);
        else space -= memoryOf(stack[--depth] as Value);
        break;
      case OP.dup:
        if (depth < 1) reason = needs(depth, 1);
        else {
          const top = stack[depth - 1] as Value;
          stack[depth++] = top;
          space += memoryOf(top);
        }
        break;
      case OP.swap:
        if (depth < 2) reason = needs(depth, 2);
        else {
          const top = stack[depth - 1] as Value;
          stack[depth - 1] = stack[depth - 2] as Value;
          stack[depth - 2] = top;
        }
        break;
      case OP.add:
      case OP.subtract:
      case OP.multiply:
      case OP.greater:
      case OP.less:
      case OP.and:
      case OP.or:
      case OP.xor: {
        const top = depth < 2 ? undefined : stack[depth - 1];
        const second = depth < 2 ? undefined : stack[depth - 2];
        if (typeof top !== "number" || typeof second !== "number") reason = notInts(depth, 2);
        else stack[--depth - 1] = onTwoInts(opcode, second, top);
        break;
      }
      case OP.if: {
        const top = depth < 1 ? undefined : stack[depth - 1];
        if (typeof top !== "number") reason = notInts(depth, 1);
        else {
          depth--;
          time -= ops[at + 1] as number;
          space -= ops[top !== 0 ? at + 2 : at + 3] as number;
          at = top !== 0 ? at + 4 : (ops[at] as number);
        }
        break;
      }
      case INNER.jump:
        at = ops[at] as number;
        break;
      default:
        m.at = at;
        m.depth = depth;
        m.time = time;
        m.space = space;
        reason = (RUN[opcode] as Operation["run"])(m);
        at = m.at;
        depth = m.depth;
        time = m.time;
        space = m.space;
        elsewhere = m.code !== code;
        if (!m.running) left = 0;
    }
    time -= TIME[opcode] as number;
    space += SPACE[opcode] as number;
    if (space > spacePeak) spacePeak = space;
    if (reason !== undefined || time < 0 || space > spaceLimit || depth > stackItems) {
      m.time = time;
      m.space = space;
      m.depth = depth;
      failure = failureAt(program, code, place, reason ?? exceeded(m) ?? { type: "out_of_time" });
      break;
    }
  }
  m.at = at;
  m.depth = depth;
  m.time = time;
  m.space = space;
  m.spacePeak = spacePeak;
  return failure;
}

function failureAt({ part, decoded }: Program, code: Code, place: number, reason: Reason): Failure {
  const position = code.positions[place] as number;
  return { part, position, opcode: decoded.bytes[position], reason };
}
