import type { Reason } from "./failure.ts";
import { badOperand, type Machine, peek, push, underflow } from "./machine.ts";
import { OP } from "./opcodes.ts";
import type { Operation } from "./operation.ts";
import { memoryOf, NIL } from "./value.ts";

/** A count as an int of the machine: mod 2^32. */
export function toInt(count: number): number {
  return (count % 2 ** 32) | 0;
}

/** The variable's key on top, from 1 to the limit; `more` values stand under it. */
function keyOnTop(m: Machine, more: number): { readonly key: number } | Reason {
  if (m.depth < 1 + more) return underflow(m, 1 + more);
  const top = peek(m, 0);
  if (typeof top !== "number") return badOperand("the key of a variable on top, an int");
  const key = top >>> 0;
  if (key < 1 || key > m.variableLimit) return { type: "variable_key", limit: m.variableLimit, actual: key };
  return { key };
}

function setVariable(m: Machine): Reason | undefined {
  const found = keyOnTop(m, 1);
  if ("type" in found) return found;
  m.variables[found.key] = peek(m, 1);
  m.depth -= 2;
  return undefined;
}

function fetchVariable(m: Machine): Reason | undefined {
  const found = keyOnTop(m, 0);
  if ("type" in found) return found;
  const value = m.variables[found.key] ?? NIL;
  m.stack[m.depth - 1] = value;
  m.space += memoryOf(value);
  return undefined;
}

function pushing(read: (m: Machine) => number): (m: Machine) => undefined {
  return (m) => {
    push(m, toInt(read(m)));
  };
}

function nothing(): undefined {}

function fail(): Reason {
  return { type: "fail" };
}

export const stateOperations: readonly Operation[] = [
  { opcode: OP.print, time: 0, space: 0, run: nothing },
  { opcode: OP.nop, time: 0, space: 0, run: nothing },
  { opcode: OP.fail, time: 0, space: 0, run: fail },
  { opcode: OP.stackSize, time: 1, space: 2, run: pushing((m) => m.depth) },
  { opcode: OP.height, time: 1, space: 2, run: pushing((m) => m.height) },
  { opcode: OP.gas, time: 1, space: 2, run: pushing((m) => m.time) },
  { opcode: OP.manyVariables, time: 1, space: 2, run: pushing((m) => m.variableLimit) },
  { opcode: OP.manyFunctions, time: 1, space: 2, run: pushing((m) => m.definitions) },
  { opcode: OP.set, time: 1, space: 0, run: setVariable },
  { opcode: OP.fetch, time: 1, space: 1, run: fetchVariable },
];
