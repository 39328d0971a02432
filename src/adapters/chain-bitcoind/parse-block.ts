import { createHash } from "node:crypto";
import { err, ok, type Result } from "../../core/base/index.ts";

export type RawBlock = {
  /** 32 bytes, in the order of the serialised header. */
  readonly hash: Uint8Array;
  readonly previousHash: Uint8Array;
  /** Seconds since 1970. */
  readonly time: number;
  /** As serialised, witness included. Copies: to keep one does not keep the block. */
  readonly transactions: readonly Uint8Array[];
};

/** `at` is the offset at which the bytes stop being a block. */
export type MalformedBlock = { readonly type: "malformed_block"; readonly at: number };

const HEADER_LENGTH = 80;

/** Walks over serialised data without copying. A step beyond the end leaves `at` at `NaN`, which every later step keeps. */
type Walk = { readonly view: DataView; at: number };

function skip(walk: Walk, length: number): void {
  walk.at = walk.at + length <= walk.view.byteLength ? walk.at + length : Number.NaN;
}

function byteAt(walk: Walk, ahead: number): number | undefined {
  return walk.at + ahead < walk.view.byteLength ? walk.view.getUint8(walk.at + ahead) : undefined;
}

/** A compact size. What exceeds 32 bits cannot be a length within a block and ends the walk as well. */
function compactSize(walk: Walk): number {
  const first = byteAt(walk, 0);
  const start = walk.at + 1;
  skip(walk, 1);
  if (first === undefined) return 0;
  if (first < 0xfd) return first;
  skip(walk, first === 0xfd ? 2 : first === 0xfe ? 4 : 9);
  if (first === 0xff || Number.isNaN(walk.at)) {
    walk.at = Number.NaN;
    return 0;
  }
  return first === 0xfd ? walk.view.getUint16(start, true) : walk.view.getUint32(start, true);
}

function skipMany(walk: Walk, skipOne: () => void): void {
  const count = compactSize(walk);
  for (let i = 0; i < count && !Number.isNaN(walk.at); i++) skipOne();
}

function skipBytes(walk: Walk): void {
  skip(walk, compactSize(walk));
}

/** Moves over one transaction. Format: BIP 144. */
function skipTransaction(walk: Walk): void {
  skip(walk, 4);
  // A marker of 0, where a count of inputs would stand, and a flag of 1: the transaction has witnesses.
  const hasWitness = byteAt(walk, 0) === 0 && byteAt(walk, 1) === 1;
  if (hasWitness) skip(walk, 2);
  let inputs = 0;
  skipMany(walk, () => {
    inputs += 1;
    skip(walk, 36);
    skipBytes(walk);
    skip(walk, 4);
  });
  skipMany(walk, () => {
    skip(walk, 8);
    skipBytes(walk);
  });
  if (hasWitness) {
    for (let i = 0; i < inputs && !Number.isNaN(walk.at); i++) skipMany(walk, () => skipBytes(walk));
  }
  skip(walk, 4);
}

/**
 * Splits a serialised block into its header's fields and its transactions, which stay unread. The hash is computed, so it vouches
 * for the header. Every count is spent on bytes that are there, so the work is bounded by the length of the block.
 */
export function parseBlock(bytes: Uint8Array): Result<RawBlock, MalformedBlock> {
  if (bytes.length < HEADER_LENGTH) return err({ type: "malformed_block", at: bytes.length });
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const header = bytes.subarray(0, HEADER_LENGTH);
  const once = createHash("sha256").update(header).digest();
  const walk: Walk = { view, at: HEADER_LENGTH };
  const count = compactSize(walk);
  const transactions: Uint8Array[] = [];
  let start = Number.isNaN(walk.at) ? HEADER_LENGTH : walk.at;
  for (let i = 0; i < count && !Number.isNaN(walk.at); i++) {
    start = walk.at;
    skipTransaction(walk);
    if (!Number.isNaN(walk.at)) transactions.push(bytes.slice(start, walk.at));
  }
  if (walk.at !== bytes.length) {
    return err({ type: "malformed_block", at: Number.isNaN(walk.at) ? start : walk.at });
  }
  return ok({
    hash: new Uint8Array(createHash("sha256").update(once).digest()),
    previousHash: bytes.slice(4, 36),
    time: view.getUint32(68, true),
    transactions,
  });
}
