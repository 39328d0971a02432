// Random programs for the machine: bytes without sense, opcodes without order, programs that mostly run, and those with something changed.
import { createHash } from "node:crypto";
import type { RandomNumbers } from "../../src/testing/index.ts";

type Kind = "int" | "binary" | "list";

/** What stands on the stack as far as the program's own pushes go, the top last. */
type Kinds = Kind[];

const STRUCTURE = [70, 71, 72, 110, 111, 112, 113, 114];
const OPCODES = [
  ...[10, 11, 12, 13, 20, 21, 22, 23, 24, 25, 26, 27, 30, 31, 32, 40, 41, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59],
  ...[80, 81, 82, 83, 84, 85, 86, 90, 94, 96, 100, 101, 120, 121, 130, 131, 132, 134, 135, 136, 137],
];

function bytes(random: RandomNumbers, length: number): number[] {
  return Array.from({ length }, () => random(256));
}

function uint32(number: number): number[] {
  return [number >>> 24, (number >>> 16) & 255, (number >>> 8) & 255, number & 255];
}

function pushInt(random: RandomNumbers): number[] {
  switch (random(6)) {
    case 0:
      return [0, ...bytes(random, 4)];
    case 1:
      return [3, random(256)];
    case 2:
      return [4, ...bytes(random, 2)];
    default:
      return [140 + random(random(3) === 0 ? 36 : 5)];
  }
}

function pushBinary(random: RandomNumbers): number[] {
  const length = random(4) === 0 ? 4 : random(40);
  return [2, ...uint32(length), ...bytes(random, length)];
}

/** Opcodes by what they take from the top, the top last, and what they leave. */
const TYPED: readonly (readonly [opcode: number, takes: readonly Kind[], leaves: readonly Kind[]])[] = [
  ...[50, 51, 52, 54, 55, 81, 82, 83].map((opcode) => [opcode, ["int", "int"], ["int"]] as const),
  [80, ["int"], ["int"]],
  [22, ["int", "int"], ["int", "int"]],
  [25, ["int", "int"], ["int", "int", "int", "int"]],
  [24, ["int", "int", "int"], ["int", "int", "int"]],
  [23, ["int", "int", "int"], ["int", "int", "int"]],
  [21, ["int"], ["int", "int"]],
  [40, ["binary"], ["binary"]],
  [57, ["binary", "int"], ["int"]],
  [134, ["binary", "binary"], ["binary"]],
  [134, ["list", "list"], ["list"]],
  [136, ["list"], ["list"]],
  [130, ["int", "list"], ["list"]],
  [130, ["binary", "list"], ["list"]],
  [130, ["list", "list"], ["list"]],
  [137, ["list"], ["list", "int"]],
  [59, ["list", "list"], ["int"]],
  [58, ["binary", "binary"], ["binary", "binary", "int"]],
  [21, ["binary"], ["binary", "binary"]],
  [21, ["list"], ["list", "list"]],
  [132, [], ["list"]],
  [90, [], ["int"]],
  [94, [], ["int"]],
  [96, [], ["int"]],
  [100, [], ["int"]],
  [101, [], ["int"]],
];

function fits(kinds: Kinds, takes: readonly Kind[]): boolean {
  return takes.length <= kinds.length && takes.every((kind, i) => kinds[kinds.length - takes.length + i] === kind);
}

/** What a program's parts know of each other. */
type Context = { readonly random: RandomNumbers; readonly functions: number[][]; inFunction: boolean };

/** A part that takes nothing from below, and leaves nothing. */
function neutral(context: Context, size: number): number[] {
  const kinds: Kinds = [];
  const code = block(context, kinds, size);
  return [...code, ...kinds.map(() => 20)];
}

function define(context: Context, size: number): number[] {
  const { random } = context;
  if (context.inFunction || context.functions.length > 3) return [];
  context.inFunction = true;
  const work = neutral(context, size);
  context.inFunction = false;
  const count = [141, 51, 21];
  // Both loops end when the int on top is used up; the first one by a tail call, with its own hash or an empty function's.
  const bodies = [
    [...work, ...count, 70, 112, 71, 2, 0, 0, 0, 32, ...EMPTY_HASH, 72, 113],
    [...work, ...count, 70, 112, 113, 71, 72],
    [...work],
  ];
  const body = bodies[random(bodies.length)] ?? [];
  const hash = [...createHash("sha256").update(Uint8Array.from(body)).digest()];
  context.functions.push(hash);
  return random(2) === 0 ? [110, ...body, 111] : [114, ...body, 111, 20];
}

const EMPTY_HASH = [...createHash("sha256").digest()];

function callOne(context: Context): number[] {
  const { random, functions } = context;
  const hash = functions[random(functions.length)];
  if (hash === undefined) return [];
  return [140 + 1 + random(6), 2, 0, 0, 0, 32, ...hash, 113, 20];
}

function compound(context: Context, size: number): number[] {
  const { random } = context;
  switch (random(6)) {
    case 0:
      return [...pushInt(random), 70, ...neutral(context, size), 71, ...neutral(context, size), 72];
    case 1:
      return define(context, size);
    case 2:
      return callOne(context);
    case 3:
      return [...pushBinary(random), 141 + random(4), 120];
    case 4:
      return [...pushInt(random), 30, 32, 31, 51, 20];
    default:
      return [141 + random(4), 121, 20];
  }
}

function block(context: Context, kinds: Kinds, size: number): number[] {
  const { random } = context;
  const code: number[] = [];
  for (let left = size; left > 0; left--) {
    const possible = TYPED.filter(([, takes]) => fits(kinds, takes));
    const chosen = possible[random(possible.length)];
    const choice = random(8);
    if (choice === 0) code.push(...compound(context, size >> 1));
    else if (choice < 4 || chosen === undefined) {
      const isInt = random(3) > 0;
      code.push(...(isInt ? pushInt(random) : pushBinary(random)));
      kinds.push(isInt ? "int" : "binary");
    } else {
      const [opcode, takes, leaves] = chosen;
      code.push(opcode);
      kinds.splice(kinds.length - takes.length, takes.length, ...leaves);
    }
  }
  return code;
}

/** A program that mostly runs to its end: operands fit, functions are defined, loops end. */
function sensibleProgram(random: RandomNumbers, size: number): Uint8Array {
  const context: Context = { random, functions: [], inFunction: false };
  const opening = [110, 111];
  return Uint8Array.from([...opening, ...block(context, [], size)]);
}

/** Opcodes in any order, with many ifs, definitions and calls, cut across each other. */
function disorderlyProgram(random: RandomNumbers, size: number): Uint8Array {
  const code: number[] = [];
  let open = false;
  for (let left = size; left > 0; left--) {
    const choice = random(10);
    if (choice < 4) {
      const opcode = STRUCTURE[random(STRUCTURE.length)] as number;
      const defines = opcode === 110 || opcode === 114;
      // Mostly balanced: else nothing would run at all.
      if (random(40) > 0 && ((defines && open) || (opcode === 111 && !open))) continue;
      if (defines) open = true;
      if (opcode === 111) open = false;
      if (opcode === 113) code.push(2, 0, 0, 0, 32, ...EMPTY_HASH);
      code.push(opcode);
    } else if (choice < 8) code.push(...pushInt(random));
    else if (choice < 9) code.push([12, 10, 21, 90, 111, 20][open ? random(6) : random(4)] as number);
    else code.push(OPCODES[random(OPCODES.length)] as number);
  }
  if (open) code.push(111);
  // The empty function is there to be called, and ints to be taken.
  return Uint8Array.from([110, 111, 141, 140, 141, 140, ...code]);
}

/** Bytes without any order. */
function randomProgram(random: RandomNumbers, size: number): Uint8Array {
  return Uint8Array.from(bytes(random, random(size + 1)));
}

/** The program with a byte changed, left out, added or its end cut off. */
function mutated(random: RandomNumbers, program: Uint8Array): Uint8Array {
  const at = random(program.length + 1);
  const [before, after] = [program.subarray(0, at), program.subarray(at)];
  switch (random(4)) {
    case 0:
      return Uint8Array.from([...before, random(256), ...after.subarray(1)]);
    case 1:
      return Uint8Array.from([...before, ...after.subarray(1)]);
    case 2:
      return Uint8Array.from([...before, random(256), ...after]);
    default:
      return before;
  }
}

/** One of all these. */
export function anyProgram(random: RandomNumbers, size: number): Uint8Array {
  switch (random(8)) {
    case 0:
      return randomProgram(random, size);
    case 1:
      return disorderlyProgram(random, size);
    case 2:
      return mutated(random, disorderlyProgram(random, size));
    case 3:
      return mutated(random, sensibleProgram(random, size));
    default:
      return sensibleProgram(random, size);
  }
}
