import { invariant } from "../base/index.ts";
import type { sha256_hash, signature } from "./gen/pkt_pb.ts";

/** The fields of sha256_hash and of rval. */
export type FourWords = Omit<sha256_hash, "$typeName" | "$unknown">;
/** The fields of signature. */
export type EightWords = Omit<signature, "$typeName" | "$unknown">;

/** 32 bytes as the four fixed64 of sha256_hash and rval: on the wire they are the bytes in order. */
export function toFour(bytes: Uint8Array): FourWords {
  invariant(bytes.length === 32, `a hash or preimage has 32 bytes, got ${bytes.length}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, 32);
  const at = (index: number) => view.getBigUint64(8 * index, true);
  return { a: at(0), b: at(1), c: at(2), d: at(3) };
}

export function fromFour(four: FourWords): Uint8Array {
  return joined([four.a, four.b, four.c, four.d]);
}

/** A compact signature (64 bytes, r then s) as the eight fixed64 of signature. */
export function toEight(bytes: Uint8Array): EightWords {
  invariant(bytes.length === 64, `a signature has 64 bytes, got ${bytes.length}`);
  const r = toFour(bytes.subarray(0, 32));
  const s = toFour(bytes.subarray(32));
  return { r1: r.a, r2: r.b, r3: r.c, r4: r.d, s1: s.a, s2: s.b, s3: s.c, s4: s.d };
}

export function fromEight(eight: EightWords): Uint8Array {
  return joined([eight.r1, eight.r2, eight.r3, eight.r4, eight.s1, eight.s2, eight.s3, eight.s4]);
}

function joined(words: readonly bigint[]): Uint8Array {
  const bytes = new Uint8Array(8 * words.length);
  const view = new DataView(bytes.buffer);
  for (const [index, word] of words.entries()) view.setBigUint64(8 * index, word, true);
  return bytes;
}
