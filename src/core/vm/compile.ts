import { type Decoded, isTruncatedAt, opcodeAt } from "./decode.ts";
import type { Reason } from "./failure.ts";
import { isSmallInt, OP, SMALL_INT, sinceVersion, type Version } from "./opcodes.ts";
import { binaryValue, type Value } from "./value.ts";

/** What the compiled form has besides the opcodes: going on elsewhere, failing, and the ends. */
export const INNER = { jump: 256, stuck: 257, endOfFunction: 258, endOfProgram: 259 } as const;
export const COMPILED_OPCODES = 260;

/** Bytes that the push of a hash has, which takes the place of `recurse` in a function. */
const HASH_PUSH_BYTES = 37;

/**
 * A program or the body of a function as the machine runs it: opcodes, each followed by its operands.
 *
 * | opcode | operands |
 * | --- | --- |
 * | int (all pushes of ints) | the int |
 * | binary (and recurse) | index in `literals`, bytes |
 * | if | where to go on if false, time, bytes left out if true, bytes left out if false |
 * | call | 1 for a tail call, else 0 |
 * | : def | index in `definitions` |
 * | jump | where to go on |
 * | stuck | index in `reasons` |
 *
 * Where the reference machine cuts its program into pieces while it runs, this form has the cuts made beforehand: what a piece of program can
 * see of its surroundings is known from where it stands.
 */
export type Code = {
  readonly ops: Int32Array;
  /** For each opcode in `ops`, the byte of the source at which it stands. */
  readonly positions: Int32Array;
  readonly literals: readonly Value[];
  readonly reasons: readonly Reason[];
  /** Instructions from and to which a function's body goes. */
  readonly definitions: readonly { readonly from: number; readonly to: number }[];
};

/** What is compiled: instructions `from` to `to`, and where it is a function's body, the function's hash. */
export type Extent = { readonly from: number; readonly to: number; readonly hash: Uint8Array | undefined };

/** An `if` whose branches are being compiled. */
type OpenIf = {
  readonly elseAt: number;
  readonly thenAt: number;
  /** The end of the piece in which the `if` stands. */
  readonly end: number;
  /** Where in the output the place to go on is still to be filled in: of the if, then of the jump over the second branch. */
  hole: number;
  inElse: boolean;
};

/** Bytes of instructions `from` to `to`, with each `recurse` of a function as the push that takes its place. */
export function sizeOf(decoded: Decoded, from: number, to: number, inFunction: boolean): number {
  const bytes = (decoded.starts[to] as number) - (decoded.starts[from] as number);
  const recursions = (decoded.recursions[to] as number) - (decoded.recursions[from] as number);
  return inFunction ? bytes + recursions * (HASH_PUSH_BYTES - 1) : bytes;
}

/** A compilation under way. */
type Compilation = {
  readonly decoded: Decoded;
  readonly version: Version;
  readonly extent: Extent;
  readonly ops: number[];
  readonly positions: number[];
  readonly literals: Value[];
  readonly reasons: Reason[];
  readonly definitions: { from: number; to: number }[];
  readonly open: OpenIf[];
  /** By how many ifs are open: jumps to the end of the piece that stands there. */
  readonly exits: number[][];
  /** The next instruction, and the end of the piece that it stands in. */
  at: number;
  end: number;
};

/** Compiles a piece of a program. Linear in its length; never fails: what can't be run becomes an opcode that fails when it is reached. */
export function compile(decoded: Decoded, version: Version, extent: Extent): Code {
  const c: Compilation = {
    ...{ decoded, version, extent },
    ...{ ops: [], positions: [], literals: [], reasons: [], definitions: [], open: [], exits: [] },
    ...{ at: extent.from, end: extent.to },
  };
  while (c.at < c.end || c.open.length > 0) {
    if (c.at === c.end) endPiece(c);
    else instruction(c);
  }
  fillExits(c);
  emit(c, extent.to, extent.hash === undefined ? INNER.endOfProgram : INNER.endOfFunction);
  const { literals, reasons, definitions } = c;
  return { ops: Int32Array.from(c.ops), positions: Int32Array.from(c.positions), literals, reasons, definitions };
}

function emit(c: Compilation, k: number, opcode: number, ...operands: readonly number[]): void {
  const position = c.decoded.starts[k] as number;
  c.ops.push(opcode, ...operands);
  for (let i = 0; i <= operands.length; i++) c.positions.push(position);
}

/** What can't be run fails there; what follows in the piece is never reached. */
function stuck(c: Compilation, reason: Reason): void {
  emit(c, c.at, INNER.stuck, c.reasons.push(reason) - 1);
  c.at = c.end;
}

function fillExits(c: Compilation): void {
  for (const hole of c.exits[c.open.length] ?? []) c.ops[hole] = c.ops.length;
  c.exits[c.open.length] = [];
}

/** Goes on after the end of a branch: with the other branch, or with what follows the if. */
function endPiece(c: Compilation): void {
  fillExits(c);
  const open = c.open.at(-1);
  if (open === undefined) return;
  if (!open.inElse) {
    emit(c, open.elseAt, INNER.jump, 0);
    c.ops[open.hole] = c.ops.length;
    open.hole = c.ops.length - 1;
    open.inElse = true;
    c.at = open.elseAt + 1;
    c.end = open.thenAt;
  } else {
    c.ops[open.hole] = c.ops.length;
    c.open.pop();
    c.at = open.thenAt + 1;
    c.end = open.end;
  }
}

function instruction(c: Compilation): void {
  const opcode = opcodeAt(c.decoded, c.at);
  const needed = sinceVersion(opcode);
  if (isTruncatedAt(c.decoded, c.at)) stuck(c, { type: "truncated_immediate" });
  else if (needed > c.version) stuck(c, { type: "later_version", needed, actual: c.version });
  else if (opcode === OP.int || opcode === OP.int1 || opcode === OP.int2) int(c);
  else if (opcode === OP.binary) binary(c);
  else if (opcode === OP.recurse) recurse(c);
  else if (opcode === OP.if) branch(c);
  else if (opcode === OP.call) call(c);
  else if (opcode === OP.define || opcode === OP.defineAndPush) define(c, opcode);
  else if (isSmallInt(opcode)) {
    emit(c, c.at, OP.int, opcode - SMALL_INT);
    c.at++;
  } else if (PLAIN.has(opcode)) {
    emit(c, c.at, opcode);
    c.at++;
  } else stuck(c, { type: "undefined_opcode" });
}

function int(c: Compilation): void {
  const { bytes, starts } = c.decoded;
  let number = 0;
  const end = starts[c.at + 1] as number;
  for (let at = (starts[c.at] as number) + 1; at < end; at++) number = (number << 8) | (bytes[at] as number);
  emit(c, c.at, OP.int, number);
  c.at++;
}

function binary(c: Compilation): void {
  const { bytes, starts } = c.decoded;
  const literal = bytes.slice((starts[c.at] as number) + 5, starts[c.at + 1]);
  emit(c, c.at, OP.binary, c.literals.push(binaryValue(literal)) - 1, literal.length);
  c.at++;
}

function recurse(c: Compilation): void {
  const { hash } = c.extent;
  if (hash === undefined) {
    stuck(c, { type: "undefined_opcode" });
    return;
  }
  emit(c, c.at, OP.binary, c.literals.push(hash) - 1, hash.length);
  c.at++;
}

function branch(c: Compilation): void {
  const { decoded } = c;
  const elseAt = decoded.nextElse[c.at + 1] as number;
  const thenAt = elseAt < 0 || elseAt >= c.end ? -1 : (decoded.nextThen[elseAt + 1] as number);
  if (thenAt < 0 || thenAt >= c.end) {
    stuck(c, { type: "unclosed_if" });
    return;
  }
  const inFunction = c.extent.hash !== undefined;
  const first = sizeOf(decoded, c.at + 1, elseAt, inFunction);
  const second = sizeOf(decoded, elseAt + 1, thenAt, inFunction);
  emit(c, c.at, OP.if, 0, first + second, second, first);
  c.open.push({ elseAt, thenAt, end: c.end, hole: c.ops.length - 4, inElse: false });
  c.at++;
  c.end = elseAt;
}

function define(c: Compilation, opcode: number): void {
  const from = c.at + 1;
  const to = c.decoded.nextFunctionEnd[from] as number;
  if (to < 0 || to >= c.end) {
    stuck(c, { type: "unclosed_function" });
    return;
  }
  emit(c, c.at, opcode, c.definitions.push({ from, to }) - 1);
  c.at = to + 1;
}

/**
 * A call takes away the ends of functions that follow it: the one of the function whose body it ends, which makes it a tail call, and any that
 * stand in the program right after it (a branch may cut a definition in two, and then its end stands alone).
 */
function call(c: Compilation): void {
  const site = c.at++;
  while (c.at < c.end && opcodeAt(c.decoded, c.at) === OP.functionEnd) c.at++;
  let left = c.open.length;
  if (c.at === c.end) while (left > 0 && restIsFunctionEnd(c, left - 1)) left--;
  const isTail = c.at === c.end && left === 0 && c.extent.hash !== undefined;
  emit(c, site, OP.call, isTail ? 1 : 0);
  if (left === c.open.length) return;
  emit(c, site, INNER.jump, 0);
  const exits = c.exits[left] ?? [];
  exits.push(c.ops.length - 1);
  c.exits[left] = exits;
}

/** Whether all that stands in the piece after an open if is the end of a function. */
function restIsFunctionEnd(c: Compilation, index: number): boolean {
  const open = c.open[index];
  if (open === undefined || open.end !== open.thenAt + 2) return false;
  return opcodeAt(c.decoded, open.thenAt + 1) === OP.functionEnd;
}

const SPECIAL: ReadonlySet<number> = new Set([
  OP.int,
  OP.binary,
  OP.int1,
  OP.int2,
  OP.if,
  OP.else,
  OP.endIf,
  OP.define,
  OP.recurse,
  OP.call,
  OP.defineAndPush,
]);
/** The opcodes that are compiled to themselves. */
const PLAIN: ReadonlySet<number> = new Set(Object.values(OP).filter((opcode) => !SPECIAL.has(opcode)));
