import type { Code } from "./compile.ts";
import type { Decoded } from "./decode.ts";
import type { Reason } from "./failure.ts";
import type { Version } from "./opcodes.ts";
import type { Profile } from "./profile.ts";
import { isList, memoryOf, type Value } from "./value.ts";

/** A program of a run, ready. */
export type Program = { readonly part: "evidence" | "code"; readonly decoded: Decoded; readonly main: Code };

/** A function that the run has defined. */
export type FunctionBody = {
  readonly hash: Uint8Array;
  readonly program: Program;
  readonly code: Code;
  /** Bytes of the body with each `recurse` as the push that takes its place. */
  readonly size: number;
};

/** Where a call returns to. */
export type Frame = { readonly program: Program; readonly code: Code; readonly at: number };

/** A run under way. Everything in it is changed in place by the opcodes. */
export type Machine = {
  readonly profile: Profile;
  readonly version: Version;
  /** The height that the opcode pushes, as an int of the machine. */
  readonly height: number;
  readonly spaceLimit: number;
  readonly functionLimit: number;
  readonly variableLimit: number;
  /** The values of the stack are the first `depth` of it, the top last; what comes after them means nothing. */
  readonly stack: Value[];
  depth: number;
  readonly secondStack: Value[];
  /** By key; index 0 is not used. */
  readonly variables: (Value | undefined)[];
  /** By the hash, in hexadecimal. */
  readonly functions: Map<string, FunctionBody>;
  /** The same by the very object that was called before: a literal in the program, mostly. */
  readonly called: Map<Value, FunctionBody>;
  definitions: number;
  /** What is left of the time gas. */
  time: number;
  space: number;
  spacePeak: number;
  createdBytes: number;
  program: Program;
  code: Code;
  /** The next opcode or operand in `code.ops`. */
  at: number;
  readonly frames: Frame[];
  /** What comes after the program that runs: the facts, then the code. */
  rest: { readonly facts: Value | undefined; readonly code: Program } | undefined;
  running: boolean;
};

/** Puts a value on the stack. */
export function push(m: Machine, value: Value): void {
  m.stack[m.depth++] = value;
}

/** The value `below` values under the top; the caller has checked that it is there. */
export function peek(m: Machine, below: number): Value {
  return m.stack[m.depth - 1 - below] as Value;
}

export function underflow(m: Machine, needed: number): Reason {
  return { type: "stack_underflow", needed, found: m.depth };
}

export function badOperand(expected: string): Reason {
  return { type: "operand", expected };
}

/** A binary of this length or less is not counted when it is made. */
const UNCOUNTED_BYTES = 32;
const CELL_BYTES = 64;

/** Counts bytes that a run has made. */
export function countCreated(m: Machine, bytes: number): Reason | undefined {
  m.createdBytes += bytes;
  const limit = m.profile.limits.createdBytes;
  return m.createdBytes > limit ? { type: "created_limit", limit, actual: m.createdBytes } : undefined;
}

export function checkValueSize(m: Machine, bytes: number): Reason | undefined {
  const limit = m.profile.limits.valueBytes;
  return bytes > limit ? { type: "value_limit", limit, actual: bytes } : undefined;
}

/** Whether a run may make a binary of so many bytes now; counts it. To be asked before the bytes are allocated. */
export function createBinary(m: Machine, bytes: number): Reason | undefined {
  return bytes <= UNCOUNTED_BYTES ? undefined : (checkValueSize(m, bytes) ?? countCreated(m, bytes));
}

/** Whether a run may make so many list cells now; counts them. */
export function createCells(m: Machine, cells: number): Reason | undefined {
  return cells === 0 ? undefined : countCreated(m, cells * CELL_BYTES);
}

/** Whether a value that has just been made fits the cap on one value. */
export function checkMade(m: Machine, value: Value): Reason | undefined {
  return isList(value) ? checkValueSize(m, memoryOf(value)) : undefined;
}
