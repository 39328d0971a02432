// A second machine, which does what the rules say in the plainest way: it cuts its program into pieces of bytes while it runs, as the rules are
// worded, and knows no cap but gas. Slow, and shares no code with the machine that it is compared with.
import { createHash } from "node:crypto";

/** A binary in hexadecimal, or a list. */
export type LetterValue = string | readonly LetterValue[];

export type LetterInput = {
  readonly evidence: Uint8Array;
  readonly code: Uint8Array;
  readonly version: number;
  readonly height: number;
  readonly timeGas: number;
  readonly spaceGas: number;
  readonly variableLimit: number;
  readonly functionLimit: number;
};

type State = {
  readonly input: LetterInput;
  time: number;
  space: number;
  peak: number;
  stack: LetterValue[];
  alt: LetterValue[];
  readonly variables: Map<number, LetterValue>;
  readonly functions: Map<string, Buffer>;
  definitions: number;
};

/** A run that the rules let fail. */
class Failed extends Error {}

function fail(): never {
  throw new Failed();
}

/** Bytes of the instruction at `at`; 1 where its fixed part is cut short. */
function width(piece: Buffer, at: number): { readonly bytes: number; readonly cut: boolean } {
  const rest = piece.length - at;
  const fixed = { 0: 5, 2: 5, 3: 2, 4: 3 }[piece[at] ?? 255] ?? 1;
  if (rest < fixed) return { bytes: 1, cut: true };
  return { bytes: piece[at] === 2 ? 5 + piece.readUInt32BE(at + 1) : fixed, cut: false };
}

function checkBalance(program: Buffer): void {
  let open = false;
  for (let at = 0; at < program.length; ) {
    const { bytes } = width(program, at);
    if (bytes > program.length - at) fail();
    const op = program[at];
    if (op === 110 || op === 114) {
      if (open) fail();
      open = true;
    } else if (op === 111) {
      if (!open) fail();
      open = false;
    }
    at += bytes;
  }
  if (open) fail();
}

/** Where `wanted` stands first; whole ifs on the way are left out where `skipIfs`. */
function find(piece: Buffer, from: number, wanted: number, skipIfs: boolean): number {
  for (let at = from; at < piece.length; ) {
    const { bytes, cut } = width(piece, at);
    if (cut) fail();
    if (skipIfs && piece[at] === 70) at = find(piece, at + 1, 72, true) + 1;
    else if (piece[at] === wanted) return at;
    else at += bytes;
  }
  return fail();
}

function memory(value: LetterValue): number {
  if (typeof value === "string") return value.length / 2;
  return value.reduce<number>((sum, element) => sum + 1 + memory(element), 1);
}

function hex32(number: bigint): string {
  return BigInt.asUintN(32, number).toString(16).padStart(8, "0");
}

function pop(s: State): LetterValue {
  return s.stack.pop() ?? fail();
}

function popInt(s: State): bigint {
  const value = pop(s);
  return typeof value === "string" && value.length === 8 ? BigInt(`0x${value}`) : fail();
}

function popBinary(s: State): string {
  const value = pop(s);
  return typeof value === "string" ? value : fail();
}

function popList(s: State): readonly LetterValue[] {
  const value = pop(s);
  return typeof value === "string" ? fail() : value;
}

function big(hex: string): bigint {
  return hex === "" ? 0n : BigInt(`0x${hex}`);
}

function same(a: LetterValue, b: LetterValue): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function cost(s: State, time: number, space: number): void {
  s.time -= time;
  s.space += space;
}

function arithmetic(s: State, op: number): void {
  if (s.stack.length < 2) fail();
  const top = popInt(s);
  const second = op === 57 ? big(popBinary(s)) : popInt(s);
  if (top === 0n && (op === 53 || op === 57)) fail();
  if (op === 56 && top > 31n) fail();
  const results: Record<number, () => bigint> = {
    50: () => second + top,
    51: () => second - top,
    52: () => second * top,
    53: () => second / top,
    54: () => BigInt(second > top),
    55: () => BigInt(second < top),
    56: () => (top === 0n ? 0n : second ** top),
    57: () => second % top,
    81: () => BigInt(second !== 0n && top !== 0n),
    82: () => BigInt(second !== 0n || top !== 0n),
    83: () => BigInt((second !== 0n) !== (top !== 0n)),
  };
  s.stack.push(hex32((results[op] ?? fail)()));
  cost(s, 1, -2);
}

function bits(s: State, op: number): void {
  const top = popBinary(s);
  const second = popBinary(s);
  const [a, b] = [big(second), big(top)];
  const length = Math.max(top.length, second.length) / 2;
  const result = op === 84 ? a & b : op === 85 ? a | b : a ^ b;
  s.stack.push(length === 0 ? "" : result.toString(16).padStart(2 * length, "0"));
  cost(s, 8 * length, -8 * (top.length / 2) - 1);
}

function key(s: State): number {
  const found = Number(popInt(s));
  return found < 1 || found > s.input.variableLimit ? fail() : found;
}

/** The opcodes that only look at the stacks, by what they do; each charges itself. */
const PLAIN: Readonly<Record<number, (s: State) => void>> = {
  10: () => {},
  12: () => {},
  20: (s) => cost(s, 1, -memory(pop(s)) - 2),
  21: (s) => {
    const value = pop(s);
    s.stack.push(value, value);
    cost(s, 1, memory(value));
  },
  22: (s) => {
    const [b, a] = [pop(s), pop(s)];
    s.stack.push(b, a);
    cost(s, 1, 0);
  },
  23: (s) => {
    const [c, b, a] = [pop(s), pop(s), pop(s)];
    s.stack.push(c, a, b);
    cost(s, 1, 0);
  },
  24: (s) => {
    const [c, b, a] = [pop(s), pop(s), pop(s)];
    s.stack.push(b, c, a);
    cost(s, 1, 0);
  },
  25: (s) => {
    const [b, a] = [pop(s), pop(s)];
    s.stack.push(a, b, a, b);
    cost(s, 1, memory(a) + memory(b));
  },
  26: (s) => {
    const n = Number(popInt(s));
    const value = pop(s);
    if (n > s.stack.length) fail();
    s.stack.splice(s.stack.length - n, 0, value);
    cost(s, 1, 0);
  },
  27: (s) => {
    const n = Number(popInt(s));
    if (n >= s.stack.length) fail();
    s.stack.push(...s.stack.splice(s.stack.length - 1 - n, 1));
    cost(s, 1, 0);
  },
  30: (s) => {
    s.alt.push(pop(s));
    cost(s, 1, 0);
  },
  31: (s) => {
    s.stack.push(s.alt.pop() ?? fail());
    cost(s, 1, 0);
  },
  32: (s) => {
    s.stack.push(s.alt.at(-1) ?? fail());
    cost(s, 1, 0);
  },
  40: (s) => {
    s.stack.push(
      createHash("sha256")
        .update(Buffer.from(popBinary(s), "hex"))
        .digest("hex"),
    );
    cost(s, 20, 0);
  },
  58: (s) => {
    const [b, a] = [pop(s), pop(s)];
    s.stack.push(a, b, hex32(BigInt(same(a, b))));
    cost(s, 1, 1);
  },
  59: (s) => {
    const [b, a] = [pop(s), pop(s)];
    s.stack.push(hex32(BigInt(same(a, b))));
    cost(s, 1, 1);
  },
  80: (s) => {
    s.stack.push(hex32(BigInt(popInt(s) === 0n)));
    cost(s, 1, 0);
  },
  90: (s) => {
    s.stack.push(hex32(BigInt(s.stack.length)));
    cost(s, 1, 2);
  },
  94: (s) => {
    s.stack.push(hex32(BigInt(s.input.height)));
    cost(s, 1, 2);
  },
  96: (s) => {
    s.stack.push(hex32(BigInt(s.time)));
    cost(s, 1, 2);
  },
  100: (s) => {
    s.stack.push(hex32(BigInt(s.input.variableLimit)));
    cost(s, 1, 2);
  },
  101: (s) => {
    s.stack.push(hex32(BigInt(s.definitions)));
    cost(s, 1, 2);
  },
  111: (s) => cost(s, 1, 0),
  120: (s) => {
    const at = key(s);
    s.variables.set(at, pop(s));
    cost(s, 1, 0);
  },
  121: (s) => {
    const value = s.variables.get(key(s)) ?? [];
    s.stack.push(value);
    cost(s, 1, memory(value) + 1);
  },
  130: (s) => {
    const list = popList(s);
    s.stack.push([pop(s), ...list]);
    cost(s, 1, 1);
  },
  131: (s) => {
    const [head, ...tail] = popList(s);
    s.stack.push(head ?? fail(), tail);
    cost(s, 1, -1);
  },
  132: (s) => {
    s.stack.push([]);
    cost(s, 1, 1);
  },
  134: (s) => {
    const [b, a] = [pop(s), pop(s)];
    if (typeof a === "string" && typeof b === "string") s.stack.push(a + b);
    else if (typeof a !== "string" && typeof b !== "string") s.stack.push([...a, ...b]);
    else fail();
    cost(s, 1, 1);
  },
  135: (s) => {
    const at = Number(popInt(s));
    const whole = popBinary(s);
    if (2 * at > whole.length) fail();
    s.stack.push(whole.slice(2 * at), whole.slice(0, 2 * at));
    cost(s, 1, -1);
  },
  136: (s) => {
    const list = popList(s);
    s.stack.push(list.toReversed());
    cost(s, list.length, 0);
  },
  137: (s) => {
    const value = pop(s);
    s.stack.push(value, hex32(BigInt(typeof value !== "string")));
    cost(s, 1, -1);
  },
};

const HASH_PUSH = Buffer.from("0200000020", "hex");

function define(s: State, piece: Buffer, op: number): Buffer {
  if (op === 114 && s.input.version < 1) fail();
  const end = find(piece, 1, 111, false);
  const body = piece.subarray(1, end);
  const hash = createHash("sha256").update(body).digest();
  const parts: Buffer[] = [];
  for (let at = 0; at < body.length; ) {
    const { bytes } = width(body, at);
    parts.push(body[at] === 112 ? Buffer.concat([HASH_PUSH, hash]) : body.subarray(at, at + bytes));
    at += bytes;
  }
  const expanded = Buffer.concat(parts);
  if (s.definitions + 1 > s.input.functionLimit) fail();
  s.definitions++;
  s.functions.set(hash.toString("hex"), expanded);
  if (op === 114) s.stack.push(hash.toString("hex"));
  cost(s, expanded.length + 62, 2 * (expanded.length + 32));
  return piece.subarray(end + 1);
}

function branch(s: State, piece: Buffer): Buffer[] {
  const condition = popInt(s);
  const elseAt = find(piece, 1, 71, true);
  const thenAt = find(piece, elseAt + 1, 72, true);
  const [first, second] = [piece.subarray(1, elseAt), piece.subarray(elseAt + 1, thenAt)];
  const [taken, left] = condition === 0n ? [second, first] : [first, second];
  cost(s, first.length + second.length, -left.length - 1);
  return [taken, piece.subarray(thenAt + 1)];
}

function isFunctionEnd(piece: Buffer | undefined): boolean {
  return piece?.length === 1 && piece[0] === 111;
}

function call(s: State, pieces: readonly Buffer[]): Buffer[] {
  let [piece = Buffer.alloc(0), ...rest] = pieces;
  while (piece[1] === 111 || (piece.length === 1 && isFunctionEnd(rest[0]))) {
    if (piece[1] === 111) piece = Buffer.concat([piece.subarray(0, 1), piece.subarray(2)]);
    else rest = rest.slice(1);
  }
  const name = pop(s);
  const body = (typeof name === "string" ? s.functions.get(name) : undefined) ?? fail();
  cost(s, body.length + 10, body.length + 2);
  return [body, Buffer.from([111]), piece.subarray(1), ...rest];
}

/** The push at the start of a piece, or undefined where there is none. */
function literal(s: State, piece: Buffer): Buffer | undefined {
  const op = piece[0] ?? 0;
  const { bytes, cut } = width(piece, 0);
  const isSmall = op >= 140 && op <= 175;
  if (!isSmall && op !== 0 && (op > 4 || op === 1)) return undefined;
  if (cut || ((isSmall || op > 2) && s.input.version < 2) || bytes > piece.length) fail();
  const immediate = piece.subarray(op === 2 ? 5 : 1, bytes).toString("hex");
  s.stack.push(isSmall ? hex32(BigInt(op - 140)) : op === 2 ? immediate : immediate.padStart(8, "0"));
  cost(s, op === 2 ? immediate.length / 2 : 1, 1);
  return piece.subarray(bytes);
}

function step(s: State, pieces: readonly Buffer[]): Buffer[] {
  const [piece = Buffer.alloc(0), ...rest] = pieces;
  const op = piece[0] ?? 0;
  const afterLiteral = literal(s, piece);
  if (afterLiteral !== undefined) return [afterLiteral, ...rest];
  if (op === 11) return [];
  if (op === 70) return [...branch(s, piece), ...rest];
  if (op === 110 || op === 114) return [define(s, piece, op), ...rest];
  if (op === 113) return call(s, pieces);
  if ((op >= 50 && op <= 57) || (op >= 81 && op <= 83)) arithmetic(s, op);
  else if (op >= 84 && op <= 86) bits(s, op);
  else {
    if (op === 59 && s.input.version < 2) fail();
    (PLAIN[op] ?? fail)(s);
  }
  return [piece.subarray(1), ...rest];
}

function runProgram(s: State, program: Buffer): void {
  checkBalance(program);
  let pieces: Buffer[] = [program];
  for (;;) {
    if (s.time < 0 || s.space > s.input.spaceGas) fail();
    s.peak = Math.max(s.peak, s.space);
    while (pieces[0]?.length === 0) pieces = pieces.slice(1);
    if (pieces.length === 0) return;
    pieces = step(s, pieces);
  }
}

/** What a run leaves behind, or undefined for a failed run. */
export function runByTheLetter(input: LetterInput) {
  const space = input.evidence.length + input.code.length;
  const s: State = {
    ...{
      input,
      time: input.timeGas,
      space,
      peak: space,
      stack: [],
      alt: [],
      variables: new Map(),
      functions: new Map(),
    },
    definitions: 0,
  };
  try {
    runProgram(s, Buffer.from(input.evidence));
    runProgram(s, Buffer.from(input.code));
  } catch (cause) {
    if (cause instanceof Failed) return undefined;
    throw cause;
  }
  const variables = [...s.variables].sort(([a], [b]) => a - b);
  const { time, peak, definitions } = s;
  return { stack: s.stack.toReversed(), alt: s.alt.toReversed(), time, space: s.space, peak, definitions, variables };
}
