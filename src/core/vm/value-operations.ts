import { concatBytes } from "../base/index.ts";
import type { Reason } from "./failure.ts";
import {
  badOperand,
  checkMade,
  countCreated,
  createBinary,
  createCells,
  type Machine,
  peek,
  push,
  underflow,
} from "./machine.ts";
import { OP } from "./opcodes.ts";
import type { Operation } from "./operation.ts";
import { binaryBytes, binaryValue, cons, elements, equalValues, isList, type List, memoryOf, NIL } from "./value.ts";

function hash(m: Machine): Reason | undefined {
  if (m.depth < 1) return underflow(m, 1);
  const top = peek(m, 0);
  // Where a list can be hashed it is written out whole, shared parts each time: else a loop over one would cost next to no gas.
  const refused = isList(top) ? countCreated(m, memoryOf(top)) : undefined;
  if (refused !== undefined) return refused;
  const digest = m.profile.hash(top);
  if (digest === undefined) return badOperand(m.profile.hashTakes);
  m.stack[m.depth - 1] = digest;
  return undefined;
}

function verifySig(m: Machine): Reason | undefined {
  if (m.depth < 3) return underflow(m, 3);
  const good = m.profile.verifySig(peek(m, 2), peek(m, 1), peek(m, 0));
  if (good === undefined) return badOperand(m.profile.verifySigTakes);
  m.depth -= 2;
  m.stack[m.depth - 1] = good ? 1 : 0;
  return undefined;
}

function equal(m: Machine): Reason | undefined {
  if (m.depth < 2) return underflow(m, 2);
  push(m, equalValues(peek(m, 1), peek(m, 0)) ? 1 : 0);
  return undefined;
}

function equalTaking(m: Machine): Reason | undefined {
  if (m.depth < 2) return underflow(m, 2);
  const same = equalValues(peek(m, 1), peek(m, 0));
  m.depth--;
  m.stack[m.depth - 1] = same ? 1 : 0;
  return undefined;
}

function consCell(m: Machine): Reason | undefined {
  if (m.depth < 2) return underflow(m, 2);
  const tail = peek(m, 0);
  if (!isList(tail)) return badOperand("a value, and a list on top");
  const cell = cons(peek(m, 1), tail);
  m.depth--;
  m.stack[m.depth - 1] = cell;
  return createCells(m, 1) ?? checkMade(m, cell);
}

function car(m: Machine): Reason | undefined {
  if (m.depth < 1) return underflow(m, 1);
  const list = peek(m, 0);
  if (!isList(list) || list.tail === undefined) return badOperand("a list that is not empty");
  m.stack[m.depth - 1] = list.head;
  push(m, list.tail);
  return undefined;
}

function nil(m: Machine): undefined {
  push(m, NIL);
}

/** The elements of one list before another's. The cells of `end` are shared, those of `start` made anew. */
function joinLists(m: Machine, start: List, end: List): Reason | undefined {
  const refused = createCells(m, start.length);
  if (refused !== undefined) return refused;
  const joined = elements(start).reduceRight<List>((tail, head) => cons(head, tail), end);
  m.depth--;
  m.stack[m.depth - 1] = joined;
  return checkMade(m, joined);
}

function append(m: Machine): Reason | undefined {
  if (m.depth < 2) return underflow(m, 2);
  const [start, end] = [peek(m, 1), peek(m, 0)];
  if (isList(start) && isList(end)) return joinLists(m, start, end);
  if (isList(start) || isList(end)) return badOperand("two binaries or two lists");
  const [a, b] = [binaryBytes(start), binaryBytes(end)];
  const refused = createBinary(m, a.length + b.length);
  if (refused !== undefined) return refused;
  m.depth--;
  m.stack[m.depth - 1] = binaryValue(concatBytes(a, b));
  return undefined;
}

function split(m: Machine): Reason | undefined {
  if (m.depth < 2) return underflow(m, 2);
  const [whole, place] = [peek(m, 1), peek(m, 0)];
  if (isList(whole) || typeof place !== "number") return badOperand("a binary, and an int on top");
  const bytes = binaryBytes(whole);
  const actual = place >>> 0;
  if (actual > bytes.length) return { type: "split_range", length: bytes.length, actual };
  // What is cut off shares the bytes of the whole.
  m.stack[m.depth - 2] = binaryValue(bytes.subarray(actual));
  m.stack[m.depth - 1] = binaryValue(bytes.subarray(0, actual));
  return createBinary(m, actual) ?? createBinary(m, bytes.length - actual);
}

function reverse(m: Machine): Reason | undefined {
  if (m.depth < 1) return underflow(m, 1);
  const list = peek(m, 0);
  if (!isList(list)) return badOperand("a list");
  const refused = createCells(m, list.length);
  if (refused !== undefined) return refused;
  m.stack[m.depth - 1] = elements(list).reduce<List>((tail, head) => cons(head, tail), NIL);
  m.time -= list.length;
  return undefined;
}

function isListOnTop(m: Machine): Reason | undefined {
  if (m.depth < 1) return underflow(m, 1);
  push(m, isList(peek(m, 0)) ? 1 : 0);
  return undefined;
}

export const valueOperations: readonly Operation[] = [
  { opcode: OP.hash, time: 20, space: 0, run: hash },
  { opcode: OP.verifySig, time: 20, space: 0, run: verifySig },
  { opcode: OP.equal, time: 1, space: 1, run: equal },
  { opcode: OP.equalTaking, time: 1, space: 1, run: equalTaking },
  { opcode: OP.cons, time: 1, space: 1, run: consCell },
  { opcode: OP.car, time: 1, space: -1, run: car },
  { opcode: OP.nil, time: 1, space: 1, run: nil },
  { opcode: OP.append, time: 1, space: 1, run: append },
  { opcode: OP.split, time: 1, space: -1, run: split },
  { opcode: OP.reverse, time: 0, space: 0, run: reverse },
  { opcode: OP.isList, time: 1, space: -1, run: isListOnTop },
];
