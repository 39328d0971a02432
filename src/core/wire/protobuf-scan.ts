/** A place in bytes that ends at `end`. */
export type Cursor = { readonly bytes: Uint8Array; at: number; readonly end: number };

/** One field as it stands on the wire. `value` is the number of a varint; a content runs from `start` to `end`. */
export type RawField = {
  readonly number: number;
  readonly wireType: number;
  readonly value: number;
  readonly start: number;
  readonly end: number;
};

export const VARINT = 0;
export const FIXED64 = 1;
export const LENGTH_DELIMITED = 2;
const FIXED32 = 5;

/** A varint of 64 bits takes ten bytes, of which the last holds one bit. */
const LONGEST_VARINT = 10;
/** A tag has 32 bits. */
const LONGEST_TAG = 5;

/**
 * Reads a varint of at most 64 bits and `longest` bytes, or undefined. Above 2^53 the result is rounded, but never to less
 * than 2^53.
 */
export function readVarint(cursor: Cursor, longest = LONGEST_VARINT): number | undefined {
  let value = 0;
  let scale = 1;
  for (let i = 0; i < longest && cursor.at < cursor.end; i++) {
    const byte = cursor.bytes[cursor.at++] ?? 0;
    if (i === LONGEST_VARINT - 1 && byte > 1) return undefined;
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return value;
    scale *= 128;
  }
  return undefined;
}

/**
 * Reads the field at the cursor, or undefined where the bytes are malformed. Groups, which were deprecated before the
 * protocol was written and occur nowhere in it, count as malformed.
 */
export function readRawField(cursor: Cursor): RawField | undefined {
  const tag = readVarint(cursor, LONGEST_TAG);
  if (tag === undefined || tag > 0xffff_ffff || tag < 8) return undefined;
  const wireType = tag % 8;
  const number = Math.floor(tag / 8);
  let value = 0;
  let start = cursor.at;
  let length = 0;
  if (wireType === VARINT || wireType === LENGTH_DELIMITED) {
    const read = readVarint(cursor);
    if (read === undefined) return undefined;
    value = read;
  }
  if (wireType === LENGTH_DELIMITED) {
    start = cursor.at;
    length = value;
  } else if (wireType === FIXED64) length = 8;
  else if (wireType === FIXED32) length = 4;
  else if (wireType !== VARINT) return undefined;
  if (length > cursor.end - cursor.at) return undefined;
  cursor.at += length;
  return { number, wireType, value, start, end: cursor.at };
}
