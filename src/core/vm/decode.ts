import { err, ok, type Result } from "../base/index.ts";
import type { Reason } from "./failure.ts";
import { OP } from "./opcodes.ts";

/**
 * A program cut into instructions, and the check that it needs before a run. Instruction k is the bytes from `starts[k]` to `starts[k + 1]`.
 *
 * The three links are what the machine's own search finds when it starts at instruction k: the next `else`, `then` or end of a function, or -1
 * where there is none or an instruction is cut short on the way. The searches for `else` and `then` skip whole inner ifs, up to
 * *their* `then`, and nothing else. So the search for `else` passes over a `then`, and the second of two `else` is found by nobody.
 */
export type Decoded = {
  readonly bytes: Uint8Array;
  readonly count: number;
  readonly starts: Int32Array;
  readonly nextElse: Int32Array;
  readonly nextThen: Int32Array;
  readonly nextFunctionEnd: Int32Array;
  /** How many `recurse` stand before instruction k. */
  readonly recursions: Int32Array;
};

/** Why a program can't be run at all, and where. */
export type BadProgram = { readonly position: number; readonly reason: Reason };

/** Bytes of an instruction with its immediate (which may be more than there are), or undefined where the program ends before the immediate's fixed part does. */
export function widthAt(bytes: Uint8Array, position: number): number | undefined {
  const rest = bytes.length - position;
  switch (bytes[position]) {
    case OP.int:
      return rest < 5 ? undefined : 5;
    case OP.int1:
      return rest < 2 ? undefined : 2;
    case OP.int2:
      return rest < 3 ? undefined : 3;
    case OP.binary:
      return rest < 5 ? undefined : 5 + readUint32(bytes, position + 1);
    default:
      return 1;
  }
}

function readUint32(bytes: Uint8Array, at: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset + at, 4).getUint32(0);
}

/** Whether an instruction's immediate is cut short by the end of the program. It counts as one byte then. */
function isTruncated(bytes: Uint8Array, position: number): boolean {
  return widthAt(bytes, position) === undefined;
}

/** The opcode of instruction k. */
export function opcodeAt({ bytes, starts }: Decoded, k: number): number {
  return bytes[starts[k] as number] as number;
}

export function isTruncatedAt({ bytes, starts }: Decoded, k: number): boolean {
  return isTruncated(bytes, starts[k] as number);
}

/** Where the instructions start; an error where functions do not alternate with their ends, or a binary is longer than the program. */
function cut(bytes: Uint8Array): Result<number[], BadProgram> {
  const starts: number[] = [];
  let opened: number | undefined;
  for (let position = 0; position < bytes.length; ) {
    const width = widthAt(bytes, position) ?? 1;
    if (width > bytes.length - position) return err({ position, reason: { type: "truncated_immediate" } });
    const opcode = bytes[position];
    if (opcode === OP.define || opcode === OP.defineAndPush) {
      if (opened !== undefined) return err({ position, reason: { type: "nested_function" } });
      opened = position;
    } else if (opcode === OP.functionEnd) {
      if (opened === undefined) return err({ position, reason: { type: "function_end_alone" } });
      opened = undefined;
    }
    starts.push(position);
    position += width;
  }
  if (opened !== undefined) return err({ position: opened, reason: { type: "unclosed_function" } });
  return ok(starts);
}

/** Cuts a program into instructions and checks that its functions are balanced and not nested. Linear in its length. */
export function decode(bytes: Uint8Array): Result<Decoded, BadProgram> {
  const found = cut(bytes);
  if (!found.ok) return found;
  const count = found.value.length;
  const starts = Int32Array.from([...found.value, bytes.length]);
  const nextElse = new Int32Array(count + 1).fill(-1);
  const nextThen = new Int32Array(count + 1).fill(-1);
  const nextFunctionEnd = new Int32Array(count + 1).fill(-1);
  const recursions = new Int32Array(count + 1);
  const decoded = { bytes, count, starts, nextElse, nextThen, nextFunctionEnd, recursions };
  for (let k = 0; k < count; k++)
    recursions[k + 1] = Number(recursions[k]) + Number(opcodeAt(decoded, k) === OP.recurse);
  for (let k = count - 1; k >= 0; k--) {
    if (isTruncatedAt(decoded, k)) continue;
    const opcode = opcodeAt(decoded, k);
    nextFunctionEnd[k] = opcode === OP.functionEnd ? k : (nextFunctionEnd[k + 1] as number);
    const inner = nextThen[k + 1] as number;
    const onward = opcode !== OP.if ? k + 1 : inner < 0 ? count : inner + 1;
    nextElse[k] = opcode === OP.else ? k : (nextElse[onward] as number);
    nextThen[k] = opcode === OP.endIf ? k : (nextThen[onward] as number);
  }
  return ok(decoded);
}
