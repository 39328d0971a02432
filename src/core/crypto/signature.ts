import { compareBytes, concatBytes, invariant } from "../base/index.ts";

/** (n - 1) / 2, the largest s of a low-S signature, big-endian. */
const HALF_ORDER = Uint8Array.from([
  0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x5d, 0x57, 0x6e,
  0x73, 0x57, 0xa4, 0x50, 0x1d, 0xdf, 0xe9, 0x2f, 0x46, 0x68, 0x1b, 0x20, 0xa0,
]);

const SEQUENCE = 0x30;
const INTEGER = 0x02;
/** Two integers of one byte each. */
const SHORTEST = 8;
/** Two integers of 33 bytes each. */
const LONGEST = 72;

/** A number of 32 bytes as a DER integer: no leading zeros, but one where the top bit would read as a sign. */
function encodeInteger(number32: Uint8Array): Uint8Array {
  let start = 0;
  while (start < 31 && number32[start] === 0) start++;
  const digits = number32.subarray(start);
  const sign = (digits[0] ?? 0) >= 0x80 ? [0] : [];
  return Uint8Array.from([INTEGER, digits.length + sign.length, ...sign, ...digits]);
}

/** The DER encoding of a compact signature (r then s, 64 bytes), 8 to 72 bytes, without a hash type. */
export function derEncode(signature64: Uint8Array): Uint8Array {
  invariant(signature64.length === 64, `a compact signature has 64 bytes, got ${signature64.length}`);
  const r = encodeInteger(signature64.subarray(0, 32));
  const s = encodeInteger(signature64.subarray(32));
  return concatBytes(Uint8Array.of(SEQUENCE, r.length + s.length), r, s);
}

/** The integer at `at` written right-aligned into `out`, and where it ends; undefined unless minimal and of at most 256 bits. */
function decodeInteger(bytes: Uint8Array, at: number, out: Uint8Array): number | undefined {
  const length = bytes[at + 1] ?? 0;
  const start = at + 2;
  const end = start + length;
  if (bytes[at] !== INTEGER || length === 0 || length > 33 || end > bytes.length) return undefined;
  const first = bytes[start] ?? 0;
  if (first >= 0x80) return undefined;
  const padded = first === 0 && length > 1;
  if (padded && (bytes[start + 1] ?? 0) < 0x80) return undefined;
  const digits = bytes.subarray(padded ? start + 1 : start, end);
  if (digits.length > 32) return undefined;
  out.set(digits, 32 - digits.length);
  return end;
}

/**
 * The compact signature (64 bytes) of a DER encoding without a hash type, or undefined unless it is strict as BIP 66 asks:
 * one encoding for each signature. Whether r, s and the signature are valid is for `verify`.
 */
export function derDecode(bytes: Uint8Array): Uint8Array | undefined {
  if (bytes.length < SHORTEST || bytes.length > LONGEST) return undefined;
  if (bytes[0] !== SEQUENCE || bytes[1] !== bytes.length - 2) return undefined;
  const signature = new Uint8Array(64);
  const afterR = decodeInteger(bytes, 2, signature.subarray(0, 32));
  if (afterR === undefined) return undefined;
  const afterS = decodeInteger(bytes, afterR, signature.subarray(32));
  return afterS === bytes.length ? signature : undefined;
}

/** Whether s of a compact signature is at most half the group order; relay policy asks for it. Source: BIP 146, LOW_S. */
export function isLowS(signature64: Uint8Array): boolean {
  invariant(signature64.length === 64, `a compact signature has 64 bytes, got ${signature64.length}`);
  return compareBytes(signature64.subarray(32), HALF_ORDER) <= 0;
}
