import { concatBytes, invariant } from "../base/index.ts";
import { isUnits, type Units } from "./units.ts";

/** Fixed-width fields, big-endian, put one after the other. */
export type FieldWriter = {
  bytes(value: Uint8Array, length: number): FieldWriter;
  /** An unsigned number of `width` bytes. */
  number(value: number, width: 1 | 2 | 4): FieldWriter;
  /** 8 bytes, unsigned. */
  wide(value: bigint): FieldWriter;
  /** A length of `width` bytes, and as many bytes. */
  sized(value: Uint8Array, width: 2 | 4): FieldWriter;
  /** Bytes that were written elsewhere. */
  raw(value: Uint8Array): FieldWriter;
  done(): Uint8Array;
};

export function fieldWriter(): FieldWriter {
  const parts: Uint8Array[] = [];
  const writer: FieldWriter = {
    bytes(value, length) {
      invariant(value.length === length, `a field has ${length} bytes, got ${value.length}`);
      parts.push(value);
      return writer;
    },
    number(value, width) {
      invariant(Number.isInteger(value) && value >= 0 && value < 256 ** width, `${value} fits ${width} bytes`);
      parts.push(Uint8Array.from({ length: width }, (_, i) => Math.floor(value / 256 ** (width - 1 - i)) % 256));
      return writer;
    },
    wide(value) {
      invariant(value >= 0n && value < 2n ** 64n, `${value} fits 8 bytes`);
      const bytes = new Uint8Array(8);
      new DataView(bytes.buffer).setBigUint64(0, value);
      parts.push(bytes);
      return writer;
    },
    sized(value, width) {
      writer.number(value.length, width);
      parts.push(value);
      return writer;
    },
    raw(value) {
      parts.push(value);
      return writer;
    },
    done: () => concatBytes(...parts),
  };
  return writer;
}

/** Why some bytes are not what they should be. */
export type Malformed = {
  readonly type: "malformed";
  /** What was being read. */
  readonly what: string;
  readonly at: number;
};

/** Ends a decoding from within; never leaves this room. */
class FieldProblem extends Error {
  readonly problem: Malformed;
  constructor(what: string, at: number) {
    super(what);
    this.problem = { type: "malformed", what, at };
  }
}

/** Reads fixed-width fields. A field that is not there, or too large, ends the decoding with what it was. */
export type FieldReader = {
  bytes(length: number, what: string): Uint8Array;
  number(width: 1 | 2 | 4, what: string): number;
  wide(what: string): bigint;
  /** An amount below 2^63. */
  units(what: string): Units;
  /** A length of `width` bytes, at most `limit`, and as many bytes. */
  sized(width: 2 | 4, limit: number, what: string): Uint8Array;
  fail(what: string): never;
};

function fieldReader(bytes: Uint8Array): { reader: FieldReader; left(): number } {
  let at = 0;
  const fail = (what: string): never => {
    throw new FieldProblem(what, at);
  };
  const take = (length: number, what: string): Uint8Array => {
    if (bytes.length - at < length) return fail(what);
    at += length;
    return bytes.slice(at - length, at);
  };
  const number = (width: number, what: string): number =>
    take(width, what).reduce((value, byte) => value * 256 + byte, 0);
  const wide = (what: string): bigint => new DataView(take(8, what).buffer).getBigUint64(0);
  const reader: FieldReader = {
    bytes: take,
    number,
    wide,
    units(what) {
      const value = wide(what);
      return isUnits(value) ? value : fail(what);
    },
    sized(width, limit, what) {
      const length = number(width, what);
      return length > limit ? fail(what) : take(length, what);
    },
    fail,
  };
  return { reader, left: () => bytes.length - at };
}

/** Decodes with `read`, which must take every byte. */
export function decodeFields<T>(
  bytes: Uint8Array,
  read: (fields: FieldReader) => T,
): { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: Malformed } {
  const { reader, left } = fieldReader(bytes);
  try {
    const value = read(reader);
    if (left() > 0) reader.fail("the end");
    return { ok: true, value };
  } catch (cause) {
    if (cause instanceof FieldProblem) return { ok: false, error: cause.problem };
    throw cause;
  }
}

/** An unsigned number in 4 bytes, big-endian. */
export function uint32(value: number): Uint8Array {
  return fieldWriter().number(value, 4).done();
}
