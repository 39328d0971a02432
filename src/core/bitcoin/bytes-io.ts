import { invariant } from "../base/index.ts";

/** Bytes being written, little-endian, into a buffer whose size is known beforehand. */
export type Writer = { readonly bytes: Uint8Array; readonly view: DataView; at: number };

export function writerOf(bytes: Uint8Array): Writer {
  return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length), at: 0 };
}

export function writeUint32(to: Writer, value: number): void {
  to.view.setUint32(to.at, value, true);
  to.at += 4;
}

export function writeUint64(to: Writer, value: bigint): void {
  to.view.setBigUint64(to.at, value, true);
  to.at += 8;
}

export function writeBytes(to: Writer, bytes: Uint8Array): void {
  to.bytes.set(bytes, to.at);
  to.at += bytes.length;
}

/** How many bytes `value` takes as a compact size: 1, 3 or 5. Nothing in a transaction counts further. */
export function compactSizeLength(value: number): number {
  if (value < 0xfd) return 1;
  return value <= 0xffff ? 3 : 5;
}

export function writeCompactSize(to: Writer, value: number): void {
  if (value < 0xfd) {
    to.view.setUint8(to.at, value);
  } else if (value <= 0xffff) {
    to.view.setUint8(to.at, 0xfd);
    to.view.setUint16(to.at + 1, value, true);
  } else {
    to.view.setUint8(to.at, 0xfe);
    to.view.setUint32(to.at + 1, value, true);
  }
  to.at += compactSizeLength(value);
}

/** Length, then the bytes. */
export function writeVarBytes(to: Writer, bytes: Uint8Array): void {
  writeCompactSize(to, bytes.length);
  writeBytes(to, bytes);
}

export function varBytesLength(bytes: Uint8Array): number {
  return compactSizeLength(bytes.length) + bytes.length;
}

/** The bytes written; a size computed wrongly is ours, hence thrown. */
export function written(from: Writer): Uint8Array {
  invariant(from.at === from.bytes.length, `wrote ${from.at} of ${from.bytes.length} bytes`);
  return from.bytes;
}

export type ReadFailure = "truncated" | "trailing_bytes" | "compact_size_not_canonical" | "count_exceeds_input";

/**
 * Bytes being read. The first failure stays and every later read gives zeros and empty arrays, so that a decoder reads
 * straight on and asks once at its end. `F` is what else the decoder may find wrong.
 */
export type Reader<F extends string = never> = {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  at: number;
  failure: ReadFailure | F | undefined;
};

export function readerOf<F extends string = never>(bytes: Uint8Array): Reader<F> {
  return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length), at: 0, failure: undefined };
}

export function fail<F extends string>(from: Reader<F>, failure: ReadFailure | F): void {
  from.failure ??= failure;
}

/** Whether `count` more bytes are there. */
function has<F extends string>(from: Reader<F>, count: number): boolean {
  if (from.failure === undefined && count > from.bytes.length - from.at) fail(from, "truncated");
  return from.failure === undefined;
}

export function readUint32<F extends string>(from: Reader<F>): number {
  if (!has(from, 4)) return 0;
  from.at += 4;
  return from.view.getUint32(from.at - 4, true);
}

export function readUint64<F extends string>(from: Reader<F>): bigint {
  if (!has(from, 8)) return 0n;
  from.at += 8;
  return from.view.getBigUint64(from.at - 8, true);
}

/** A copy, so that keeping a part doesn't keep the whole input alive. */
export function readBytes<F extends string>(from: Reader<F>, count: number): Uint8Array {
  if (!has(from, count)) return new Uint8Array(0);
  from.at += count;
  return from.bytes.slice(from.at - count, from.at);
}

/** A compact size in its shortest form. The 9-byte form always counts more than any input holds. */
function readCompactSize<F extends string>(from: Reader<F>): number {
  if (!has(from, 1)) return 0;
  const first = from.view.getUint8(from.at);
  const length = first < 0xfd ? 1 : first === 0xfd ? 3 : 5;
  if (first === 0xff) fail(from, "count_exceeds_input");
  if (!has(from, length)) return 0;
  const value =
    length === 1
      ? first
      : length === 3
        ? from.view.getUint16(from.at + 1, true)
        : from.view.getUint32(from.at + 1, true);
  if (compactSizeLength(value) !== length) {
    fail(from, "compact_size_not_canonical");
    return 0;
  }
  from.at += length;
  return value;
}

/** A count of items of at least `leastSize` bytes each; refused before anything is allocated where they can't all be there. */
export function readCount<F extends string>(from: Reader<F>, leastSize: number): number {
  const count = readCompactSize(from);
  if (count * leastSize > from.bytes.length - from.at) fail(from, "count_exceeds_input");
  return from.failure === undefined ? count : 0;
}

export function readVarBytes<F extends string>(from: Reader<F>): Uint8Array {
  return readBytes(from, readCount(from, 1));
}

/** The whole input must have been read. */
export function readEnd<F extends string>(from: Reader<F>): void {
  if (from.at !== from.bytes.length) fail(from, "trailing_bytes");
}
