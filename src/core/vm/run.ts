import { err, ok, type Result } from "../base/index.ts";
import { advance, exceeded } from "./advance.ts";
import { compile } from "./compile.ts";
import { decode } from "./decode.ts";
import type { Failure } from "./failure.ts";
import type { Machine, Program } from "./machine.ts";
import { OP, type Version } from "./opcodes.ts";
import type { Profile } from "./profile.ts";
import { toInt } from "./state-operations.ts";
import type { Value } from "./value.ts";

/** What a run is given. */
export type RunInput = {
  /** Byte code that runs first; its stacks, variables, functions and gas are the code's. */
  readonly evidence: Uint8Array;
  readonly code: Uint8Array;
  /** A list that stands on the stack between the two. */
  readonly facts?: Value | undefined;
  readonly version: Version;
  /** Height in blocks, or ticks of the ledger's clock. */
  readonly height: number;
  /** Both gas limits are whole numbers; 0 may remain. */
  readonly timeGas: number;
  readonly spaceGas: number;
  /** Variables have the keys 1 to this. */
  readonly variableLimit: number;
  /** Definitions that a run may make, of the same function again too. */
  readonly functionLimit: number;
  readonly profile: Profile;
};

/** What a run that did not fail leaves behind. */
export type Finished = {
  /** The top first. */
  readonly stack: readonly Value[];
  /** The second stack, the top first. */
  readonly secondStack: readonly Value[];
  readonly variables: ReadonlyMap<number, Value>;
  readonly definitions: number;
  readonly timeLeft: number;
  /** May be negative: what opcodes are said to free is not always what others were said to use. */
  readonly spaceUsed: number;
  readonly spacePeak: number;
  /** Bytes counted against the cap on what a run makes. */
  readonly createdBytes: number;
};

function prepare(part: Program["part"], bytes: Uint8Array, input: RunInput): Result<Program, Failure> {
  const decoded = decode(bytes);
  if (!decoded.ok) {
    const { position, reason } = decoded.error;
    return err({ part, position, opcode: bytes[position], reason });
  }
  const { starts, count } = decoded.value;
  if (part === "evidence" && !input.profile.evidenceMayReturn) {
    const position = starts.subarray(0, count).find((start) => bytes[start] === OP.return);
    if (position !== undefined)
      return err({ part, position, opcode: OP.return, reason: { type: "return_in_evidence" } });
  }
  const main = compile(decoded.value, input.version, { from: 0, to: count, hash: undefined });
  return ok({ part, decoded: decoded.value, main });
}

/** A machine before its first opcode. */
export function start(input: RunInput): Result<Machine, Failure> {
  const evidence = prepare("evidence", input.evidence, input);
  if (!evidence.ok) return evidence;
  const code = prepare("code", input.code, input);
  if (!code.ok) return code;
  const { profile, version, height, timeGas, spaceGas, functionLimit, variableLimit, facts } = input;
  const space = input.evidence.length + input.code.length;
  // One literal, and not put together of parts: the engine then gives it the layout of an object whose fields are known.
  const machine: Machine = {
    profile,
    version,
    height: toInt(height),
    spaceLimit: spaceGas,
    functionLimit,
    variableLimit,
    stack: [],
    depth: 0,
    secondStack: [],
    variables: [],
    functions: new Map(),
    called: new Map(),
    definitions: 0,
    time: timeGas,
    space,
    spacePeak: space,
    createdBytes: 0,
    program: evidence.value,
    code: evidence.value.main,
    at: 0,
    frames: [],
    rest: { facts, code: code.value },
    running: true,
  };
  const reason = exceeded(machine);
  return reason === undefined ? ok(machine) : err({ part: "evidence", position: 0, opcode: undefined, reason });
}

/** What a machine that has ended leaves behind. */
export function finished(m: Machine): Finished {
  return {
    stack: m.stack.slice(0, m.depth).reverse(),
    secondStack: m.secondStack.slice().reverse(),
    variables: new Map(m.variables.flatMap((value, key) => (value === undefined ? [] : [[key, value] as const]))),
    definitions: m.definitions,
    timeLeft: m.time,
    spaceUsed: m.space,
    spacePeak: m.spacePeak,
    createdBytes: m.createdBytes,
  };
}

/** Opcodes at a time. A small whole number: counting down from infinity makes the loop half as fast (measured). */
const SLICE = 1 << 16;

/**
 * Runs the evidence, then the code on what the evidence left. Ends within its gas and its profile's limits for any bytes whatever, and never
 * throws. Source: AP-13; the opcodes' costs stand in the tables of operations.
 */
export function run(input: RunInput): Result<Finished, Failure> {
  const machine = start(input);
  if (!machine.ok) return machine;
  const m = machine.value;
  while (m.running) {
    const failure = advance(m, SLICE);
    if (failure !== undefined) return err(failure);
  }
  return ok(finished(m));
}
