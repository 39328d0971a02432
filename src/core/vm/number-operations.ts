import type { Reason } from "./failure.ts";
import { badOperand, createBinary, type Machine, peek, underflow } from "./machine.ts";
import { OP } from "./opcodes.ts";
import type { Cost, Operation } from "./operation.ts";
import { binaryBytes, binaryValue, isList, type Value } from "./value.ts";

const GREATEST_EXPONENT = 31;

/** The opcodes that turn two ints into one and can't fail otherwise. */
export const intOperations: readonly Cost[] = [
  { opcode: OP.add, time: 1, space: -2 },
  { opcode: OP.subtract, time: 1, space: -2 },
  { opcode: OP.multiply, time: 1, space: -2 },
  { opcode: OP.greater, time: 1, space: -2 },
  { opcode: OP.less, time: 1, space: -2 },
  { opcode: OP.and, time: 1, space: -2 },
  { opcode: OP.or, time: 1, space: -2 },
  { opcode: OP.xor, time: 1, space: -2 },
];

/** What one of `intOperations` makes of two ints. They are signed here, which the comparisons undo. */
export function onTwoInts(opcode: number, second: number, top: number): number {
  switch (opcode) {
    case OP.add:
      return (second + top) | 0;
    case OP.subtract:
      return (second - top) | 0;
    case OP.multiply:
      return Math.imul(second, top);
    case OP.greater:
      return second >>> 0 > top >>> 0 ? 1 : 0;
    case OP.less:
      return second >>> 0 < top >>> 0 ? 1 : 0;
    case OP.and:
      return second !== 0 && top !== 0 ? 1 : 0;
    case OP.or:
      return second !== 0 || top !== 0 ? 1 : 0;
    default:
      return (second !== 0) !== (top !== 0) ? 1 : 0;
  }
}

/** The two ints on top, or why there are none. */
function twoInts(m: Machine): { readonly second: number; readonly top: number } | Reason {
  if (m.depth < 2) return underflow(m, 2);
  const [second, top] = [peek(m, 1), peek(m, 0)];
  return typeof second === "number" && typeof top === "number" ? { second, top } : badOperand("two ints");
}

/** Puts the result of an opcode that takes two values. */
function replaceTwo(m: Machine, result: Value): void {
  m.depth--;
  m.stack[m.depth - 1] = result;
}

function divide(m: Machine): Reason | undefined {
  const ints = twoInts(m);
  if ("type" in ints) return ints;
  if (ints.top === 0) return { type: "division_by_zero" };
  replaceTwo(m, Math.floor((ints.second >>> 0) / (ints.top >>> 0)) | 0);
  return undefined;
}

/** Exponent 0 gives 0, as in the reference. */
function power(m: Machine): Reason | undefined {
  const ints = twoInts(m);
  if ("type" in ints) return ints;
  const actual = ints.top >>> 0;
  if (actual > GREATEST_EXPONENT) return { type: "exponent", limit: GREATEST_EXPONENT, actual };
  let result = actual === 0 ? 0 : 1;
  for (let i = 0; i < actual; i++) result = Math.imul(result, ints.second);
  replaceTwo(m, result);
  return undefined;
}

/** The remainder of a number of any length, big-endian; two bytes a step, so that each step stays below 2^48 and is exact. */
function remainderOf(digits: Uint8Array, divisor: number): number {
  let rest = 0;
  let at = 0;
  if (digits.length % 2 === 1) rest = (digits[at++] as number) % divisor;
  for (; at < digits.length; at += 2) {
    const number = rest * 65_536 + (digits[at] as number) * 256 + (digits[at + 1] as number);
    rest = number - Math.floor(number / divisor) * divisor;
  }
  return rest;
}

function remainder(m: Machine): Reason | undefined {
  if (m.depth < 2) return underflow(m, 2);
  const [second, top] = [peek(m, 1), peek(m, 0)];
  if (typeof top !== "number" || isList(second)) return badOperand("a binary, and an int on top");
  if (top === 0) return { type: "division_by_zero" };
  const divisor = top >>> 0;
  replaceTwo(m, (typeof second === "number" ? (second >>> 0) % divisor : remainderOf(second, divisor)) | 0);
  return undefined;
}

function not(m: Machine): Reason | undefined {
  const top = m.stack[m.depth - 1];
  if (typeof top !== "number") return m.depth < 1 ? underflow(m, 1) : badOperand("an int");
  m.stack[m.depth - 1] = top === 0 ? 1 : 0;
  return undefined;
}

/** Combines two binaries bit by bit, right-aligned, to the longer one's length. */
function onBits(combine: (a: number, b: number) => number): (m: Machine) => Reason | undefined {
  return (m) => {
    if (m.depth < 2) return underflow(m, 2);
    const [second, top] = [peek(m, 1), peek(m, 0)];
    if (isList(second) || isList(top)) return badOperand("two binaries");
    const [a, b] = [binaryBytes(second), binaryBytes(top)];
    const length = Math.max(a.length, b.length);
    const refused = createBinary(m, length);
    if (refused !== undefined) return refused;
    const bytes = new Uint8Array(length);
    for (let i = 1; i <= length; i++) bytes[length - i] = combine(a[a.length - i] ?? 0, b[b.length - i] ?? 0);
    replaceTwo(m, binaryValue(bytes));
    m.time -= 8 * length;
    m.space -= 8 * b.length;
    return undefined;
  };
}

export const numberOperations: readonly Operation[] = [
  { opcode: OP.divide, time: 1, space: -2, run: divide },
  { opcode: OP.power, time: 1, space: -2, run: power },
  { opcode: OP.remainder, time: 1, space: -2, run: remainder },
  { opcode: OP.not, time: 1, space: 0, run: not },
  { opcode: OP.band, time: 0, space: -1, run: onBits((a, b) => a & b) },
  { opcode: OP.bor, time: 0, space: -1, run: onBits((a, b) => a | b) },
  { opcode: OP.bxor, time: 0, space: -1, run: onBits((a, b) => a ^ b) },
];
