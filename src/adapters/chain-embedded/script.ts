import { equalBytes } from "../../core/base/index.ts";
import { OP as SHARED } from "../../core/bitcoin/index.ts";

/** The opcodes that the embedded chain knows, by their values in Bitcoin's script language. */
export const OP = {
  ...SHARED,
  PUSHDATA4: 0x4e,
  RESERVED: 0x50,
  NOP: 0x61,
  VERIF: 0x65,
  VERNOTIF: 0x66,
  VERIFY: 0x69,
  RETURN: 0x6a,
  TOALTSTACK: 0x6b,
  FROMALTSTACK: 0x6c,
  IFDUP: 0x73,
  ZERONOTEQUAL: 0x92,
  BOOLAND: 0x9a,
  BOOLOR: 0x9b,
  NUMEQUAL: 0x9c,
  NUMEQUALVERIFY: 0x9d,
  RIPEMD160: 0xa6,
  SHA256: 0xa8,
  HASH256: 0xaa,
  CHECKSIGVERIFY: 0xad,
  CHECKMULTISIGVERIFY: 0xaf,
  NOP1: 0xb0,
  NOP10: 0xb9,
} as const;

/** One operation of a script; `data` where it pushes bytes that stand in the script. */
export type Operation = { readonly opcode: number; readonly data?: Uint8Array; readonly next: number };

function pushLength(script: Uint8Array, at: number, opcode: number): { length: number; start: number } | undefined {
  if (opcode < OP.PUSHDATA1) return { length: opcode, start: at + 1 };
  const width = opcode === OP.PUSHDATA1 ? 1 : opcode === OP.PUSHDATA2 ? 2 : 4;
  if (at + 1 + width > script.length) return undefined;
  let length = 0;
  for (let i = width; i > 0; i--) length = length * 256 + (script[at + i] ?? 0);
  return { length, start: at + 1 + width };
}

/** The operation at `at`, which is below the script's length; undefined where a push runs past the end. */
export function readOperation(script: Uint8Array, at: number): Operation | undefined {
  const opcode = script[at] ?? 0;
  if (opcode > OP.PUSHDATA4) return { opcode, next: at + 1 };
  const push = pushLength(script, at, opcode);
  if (push === undefined || push.start + push.length > script.length) return undefined;
  const next = push.start + push.length;
  return { opcode, data: script.subarray(push.start, next), next };
}

/** Whether `data` could not have been pushed by a shorter operation. Source: BIP 62 rule 3. */
export function isMinimalPush(opcode: number, data: Uint8Array): boolean {
  const [first = 0] = data;
  if (data.length === 0) return opcode === 0;
  if (data.length === 1 && ((first >= 1 && first <= 16) || first === 0x81)) return false;
  if (data.length < OP.PUSHDATA1) return opcode === data.length;
  if (data.length < 0x100) return opcode === OP.PUSHDATA1;
  return data.length >= 0x10000 || opcode === OP.PUSHDATA2;
}

/** Whether a script only pushes, from `at` on. A truncated push makes it false. */
export function isPushOnly(script: Uint8Array, at = 0): boolean {
  let position = at;
  while (position < script.length) {
    const operation = readOperation(script, position);
    if (operation === undefined || operation.opcode > OP.SIXTEEN) return false;
    position = operation.next;
  }
  return true;
}

/** A script number: little-endian, its sign in the top bit, at most `maximum` bytes; undefined where it breaks a rule. */
export function decodeScriptNumber(bytes: Uint8Array, maximum: number, minimal: boolean): number | undefined {
  if (bytes.length > maximum) return undefined;
  const last = bytes[bytes.length - 1];
  if (last === undefined) return 0;
  // A last byte of nothing but the sign is needed only where the byte before would otherwise be read as one.
  if (minimal && (last & 0x7f) === 0 && (bytes[bytes.length - 2] ?? 0) < 0x80) return undefined;
  let magnitude = last & 0x7f;
  for (let i = bytes.length - 2; i >= 0; i--) magnitude = magnitude * 256 + (bytes[i] ?? 0);
  return last >= 0x80 ? -magnitude : magnitude;
}

/** Pay to anchor: an output that anybody may spend with an empty witness. */
const PAY_TO_ANCHOR = Uint8Array.of(OP.ONE, 2, 0x4e, 0x73);

export function isPayToAnchor(script: Uint8Array): boolean {
  return equalBytes(script, PAY_TO_ANCHOR);
}
