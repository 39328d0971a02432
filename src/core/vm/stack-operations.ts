import type { Reason } from "./failure.ts";
import { badOperand, createBinary, type Machine, peek, push, underflow } from "./machine.ts";
import { OP } from "./opcodes.ts";
import type { Operation } from "./operation.ts";
import { memoryOf, type Value } from "./value.ts";

function pushBinary(m: Machine): Reason | undefined {
  const literal = m.code.literals[m.code.ops[m.at++] as number] as Value;
  const bytes = m.code.ops[m.at++] as number;
  push(m, literal);
  m.time -= bytes;
  return createBinary(m, bytes);
}

function tuck(m: Machine): Reason | undefined {
  if (m.depth < 3) return underflow(m, 3);
  const top = peek(m, 0);
  m.stack[m.depth - 1] = peek(m, 1);
  m.stack[m.depth - 2] = peek(m, 2);
  m.stack[m.depth - 3] = top;
  return undefined;
}

function rot(m: Machine): Reason | undefined {
  if (m.depth < 3) return underflow(m, 3);
  const third = peek(m, 2);
  m.stack[m.depth - 3] = peek(m, 1);
  m.stack[m.depth - 2] = peek(m, 0);
  m.stack[m.depth - 1] = third;
  return undefined;
}

function dupTwo(m: Machine): Reason | undefined {
  if (m.depth < 2) return underflow(m, 2);
  const [second, top] = [peek(m, 1), peek(m, 0)];
  push(m, second);
  push(m, top);
  m.space += memoryOf(second) + memoryOf(top);
  return undefined;
}

/** The number on top, which says how many values are meant; `more` values stand under it besides those. */
function takeCount(m: Machine, more: number): { readonly count: number } | Reason {
  if (m.depth < 1 + more) return underflow(m, 1 + more);
  const top = peek(m, 0);
  if (typeof top !== "number") return badOperand("an int on top");
  const count = top >>> 0;
  if (count > m.depth - 1 - more) return underflow(m, count + 1 + more);
  m.depth--;
  return { count };
}

function tuckn(m: Machine): Reason | undefined {
  const taken = takeCount(m, 1);
  if ("type" in taken) return taken;
  const value = peek(m, 0);
  const place = m.depth - 1 - taken.count;
  m.stack.copyWithin(place + 1, place, m.depth - 1);
  m.stack[place] = value;
  return undefined;
}

function pickn(m: Machine): Reason | undefined {
  const taken = takeCount(m, 1);
  if ("type" in taken) return taken;
  const place = m.depth - 1 - taken.count;
  const value = m.stack[place] as Value;
  m.stack.copyWithin(place, place + 1, m.depth);
  m.stack[m.depth - 1] = value;
  return undefined;
}

function toSecondStack(m: Machine): Reason | undefined {
  if (m.depth < 1) return underflow(m, 1);
  m.depth--;
  m.secondStack.push(m.stack[m.depth] as Value);
  const limit = m.profile.limits.stackItems;
  return m.secondStack.length > limit ? { type: "stack_limit", limit } : undefined;
}

function fromSecondStack(m: Machine): Reason | undefined {
  const value = m.secondStack.pop();
  if (value === undefined) return { type: "second_stack_empty" };
  push(m, value);
  return undefined;
}

function copyFromSecondStack(m: Machine): Reason | undefined {
  const value = m.secondStack.at(-1);
  if (value === undefined) return { type: "second_stack_empty" };
  push(m, value);
  return undefined;
}

export const stackOperations: readonly Operation[] = [
  { opcode: OP.binary, time: 0, space: 1, run: pushBinary },
  { opcode: OP.tuck, time: 1, space: 0, run: tuck },
  { opcode: OP.rot, time: 1, space: 0, run: rot },
  { opcode: OP.dupTwo, time: 1, space: 0, run: dupTwo },
  { opcode: OP.tuckn, time: 1, space: 0, run: tuckn },
  { opcode: OP.pickn, time: 1, space: 0, run: pickn },
  { opcode: OP.toSecondStack, time: 1, space: 0, run: toSecondStack },
  { opcode: OP.fromSecondStack, time: 1, space: 0, run: fromSecondStack },
  { opcode: OP.copySecondStack, time: 1, space: 0, run: copyFromSecondStack },
];
