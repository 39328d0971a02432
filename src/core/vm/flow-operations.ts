import { toHex } from "../base/index.ts";
import { sha256 } from "../crypto/index.ts";
import { compile, INNER, sizeOf } from "./compile.ts";
import type { Reason } from "./failure.ts";
import { type FunctionBody, type Machine, peek, push, underflow } from "./machine.ts";
import { OP } from "./opcodes.ts";
import type { Operation } from "./operation.ts";
import { memoryOf, type Value } from "./value.ts";

function stuck(m: Machine): Reason {
  return m.code.reasons[m.code.ops[m.at] as number] as Reason;
}

/** Makes a function of what stands between an opcode that defines and the next end. */
function defineFunction(m: Machine): FunctionBody | Reason {
  const { program, code } = m;
  const extent = code.definitions[code.ops[m.at++] as number];
  const { bytes, starts } = program.decoded;
  if (extent === undefined) return { type: "unclosed_function" };
  if (m.definitions >= m.functionLimit) return { type: "function_limit", limit: m.functionLimit };
  m.definitions++;
  const { from, to } = extent;
  const hash = sha256(bytes.subarray(starts[from], starts[to]));
  const size = sizeOf(program.decoded, from, to, true);
  const body = { hash, program, size, code: compile(program.decoded, m.version, { from, to, hash }) };
  m.functions.set(toHex(hash), body);
  m.time -= size;
  m.space += 2 * size;
  return body;
}

function define(m: Machine): Reason | undefined {
  const made = defineFunction(m);
  return "type" in made ? made : undefined;
}

function defineAndPush(m: Machine): Reason | undefined {
  const made = defineFunction(m);
  if ("type" in made) return made;
  push(m, made.hash);
  return undefined;
}

/** The function that a value names. Found by the object first, since a loop calls by the same literal again and again. */
function lookUp(m: Machine, hash: Value): FunctionBody | undefined {
  const known = m.called.get(hash);
  if (known !== undefined || !(hash instanceof Uint8Array && hash.length === 32)) return known;
  const body = m.functions.get(toHex(hash));
  if (body !== undefined) m.called.set(hash, body);
  return body;
}

function call(m: Machine): Reason | undefined {
  if (m.depth < 1) return underflow(m, 1);
  const body = lookUp(m, peek(m, 0));
  if (body === undefined) return { type: "undefined_function" };
  m.depth--;
  const isTail = m.code.ops[m.at] === 1;
  if (!isTail) m.frames.push({ program: m.program, code: m.code, at: m.at + 1 });
  m.program = body.program;
  m.code = body.code;
  m.at = 0;
  m.time -= body.size;
  m.space += body.size;
  return undefined;
}

function endFunction(m: Machine): undefined {
  const frame = m.frames.pop();
  if (frame === undefined) return;
  m.program = frame.program;
  m.code = frame.code;
  m.at = frame.at;
}

/** Ends the program that runs, however deep in functions. After the evidence come the facts and the code; after the code, nothing. */
function endProgram(m: Machine): undefined {
  m.frames.length = 0;
  const { rest } = m;
  m.rest = undefined;
  if (rest === undefined) {
    m.running = false;
    return;
  }
  m.program = rest.code;
  m.code = rest.code.main;
  m.at = 0;
  if (rest.facts !== undefined) {
    push(m, rest.facts);
    m.time -= 1;
    m.space += memoryOf(rest.facts) + 1;
  }
}

function nothing(): undefined {}

export const flowOperations: readonly Operation[] = [
  { opcode: OP.return, time: 0, space: 0, run: endProgram },
  { opcode: OP.define, time: 62, space: 64, run: define },
  { opcode: OP.defineAndPush, time: 62, space: 64, run: defineAndPush },
  { opcode: OP.functionEnd, time: 1, space: 0, run: nothing },
  { opcode: OP.call, time: 10, space: 2, run: call },
  { opcode: INNER.stuck, time: 0, space: 0, run: stuck },
  { opcode: INNER.endOfFunction, time: 1, space: 0, run: endFunction },
  { opcode: INNER.endOfProgram, time: 0, space: 0, run: endProgram },
];
