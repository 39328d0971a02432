import { equalBytes, toHex } from "../base/index.ts";
import { sha256 } from "../crypto/index.ts";
import { intPush } from "./assemble.ts";
import { widthAt } from "./decode.ts";
import { isSmallInt, OP, opcodeName, SMALL_INT } from "./opcodes.ts";

/** One instruction as the assembler reads it. */
export type Line = {
  /** Byte at which it stands. */
  readonly position: number;
  readonly text: string;
  /** How many functions and ifs it stands in. */
  readonly depth: number;
};

function base64(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

function intText(bytes: Uint8Array, form: string): string {
  const number = bytes.subarray(1).reduce((sum, byte) => sum * 256 + byte, 0);
  return equalBytes(intPush(number), bytes) ? `int ${number}` : `${form} ${number}`;
}

function raw(bytes: Uint8Array): string {
  return `#${toHex(bytes)}`;
}

/** One whole instruction; what has no word is written as its bytes. */
function textOf(bytes: Uint8Array): string {
  const opcode = bytes[0] as number;
  if (opcode === OP.int) return intText(bytes, "int4");
  if (opcode === OP.int1 || opcode === OP.int2) return intText(bytes, opcode === OP.int1 ? "int1" : "int2");
  if (isSmallInt(opcode)) return `int ${opcode - SMALL_INT}`;
  if (opcode === OP.binary && bytes.length > 5) return `binary ${bytes.length - 5} ${base64(bytes.subarray(5))}`;
  return opcode === OP.binary ? raw(bytes) : (opcodeName(opcode) ?? raw(bytes));
}

/** The instruction at a byte of a program, as `textOf` writes it; what is cut short, as the bytes that are left. */
export function instructionText(program: Uint8Array, position: number): string {
  const width = widthAt(program, position);
  if (width === undefined || width > program.length - position) return raw(program.subarray(position));
  return textOf(program.subarray(position, position + width));
}

type Piece = { readonly position: number; readonly bytes: Uint8Array };

/** A program cut into whole instructions; what is cut short at its end is one piece. */
function piecesOf(program: Uint8Array): { readonly pieces: Piece[]; readonly whole: boolean } {
  const pieces: Piece[] = [];
  for (let position = 0; position < program.length; ) {
    const width = widthAt(program, position);
    if (width === undefined || width > program.length - position) {
      return { pieces: [...pieces, { position, bytes: program.subarray(position) }], whole: false };
    }
    pieces.push({ position, bytes: program.subarray(position, position + width) });
    position += width;
  }
  return { pieces, whole: true };
}

/** Whether functions begin and end in turn, so that the assembler can read them as functions. */
function isBalanced(pieces: readonly Piece[]): boolean {
  let open = false;
  for (const { bytes } of pieces) {
    const begins = bytes[0] === OP.define || bytes[0] === OP.defineAndPush;
    if (begins ? open : bytes[0] === OP.functionEnd && !open) return false;
    if (begins || bytes[0] === OP.functionEnd) open = begins;
  }
  return !open;
}

/** The functions that `:` begins, by the hash of their body (hexadecimal): f1, f2 and so on, and the first of several that are the same. */
function functionsOf(program: Uint8Array, pieces: readonly Piece[]): Map<string, number> {
  const numbers = new Map<string, number>();
  let from: number | undefined;
  let count = 0;
  for (const { position, bytes } of pieces) {
    if (bytes[0] === OP.define) {
      from = position + 1;
      count++;
    } else if (bytes[0] === OP.functionEnd && from !== undefined) {
      const hash = toHex(sha256(program.subarray(from, position)));
      if (!numbers.has(hash)) numbers.set(hash, count);
      from = undefined;
    }
  }
  return numbers;
}

/** The instructions of a program in the assembler's notation. Any bytes whatever; assembled again, the lines give the same bytes. */
export function disassemble(program: Uint8Array): Line[] {
  const { pieces, whole } = piecesOf(program);
  const named = whole && isBalanced(pieces);
  const functions = named ? functionsOf(program, pieces) : new Map<string, number>();
  const lines: Line[] = [];
  let depth = 0;
  let count = 0;
  let inFunction = false;
  for (const { position, bytes } of pieces) {
    const opcode = bytes[0];
    let text = whole || position + bytes.length < program.length ? textOf(bytes) : instructionText(program, position);
    if (opcode === OP.define) text = named ? `: f${++count}` : raw(bytes);
    if (opcode === OP.functionEnd && !named) text = raw(bytes);
    // A function's hash is known to the assembler in the functions after it, and everywhere outside of functions.
    const number = opcode === OP.binary && bytes.length === 37 ? functions.get(toHex(bytes.subarray(5))) : undefined;
    if (number !== undefined && (!inFunction || number < count)) text = `f${number}`;
    const closes = opcode === OP.endIf || (opcode === OP.functionEnd && named);
    if (closes) depth = Math.max(0, depth - 1);
    lines.push({ position, text, depth: opcode === OP.else ? Math.max(0, depth - 1) : depth });
    if (opcode === OP.if || (named && (opcode === OP.define || opcode === OP.defineAndPush))) depth++;
    if (opcode === OP.define) inFunction = true;
    if (opcode === OP.functionEnd) inFunction = false;
  }
  return lines;
}
