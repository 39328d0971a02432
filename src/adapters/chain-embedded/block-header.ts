import { compareBytes, concatBytes } from "../../core/base/index.ts";
import { hash256 } from "../../core/crypto/index.ts";

/** The fields of an 80-byte block header; hashes in serialised order. */
export type BlockHeader = {
  readonly version: number;
  readonly previousHash: Uint8Array;
  readonly merkleRoot: Uint8Array;
  /** Seconds since 1970. */
  readonly time: number;
  readonly bits: number;
  readonly nonce: number;
};

/** The difficulty of regtest: half of all hashes meet it. */
export const REGTEST_BITS = 0x207fffff;

export function encodeHeader(header: BlockHeader): Uint8Array {
  const bytes = new Uint8Array(80);
  const view = new DataView(bytes.buffer);
  view.setInt32(0, header.version, true);
  bytes.set(header.previousHash, 4);
  bytes.set(header.merkleRoot, 36);
  view.setUint32(68, header.time, true);
  view.setUint32(72, header.bits, true);
  view.setUint32(76, header.nonce, true);
  return bytes;
}

/** A hash is a little-endian number, and regtest's target is 7fffff followed by zeros. */
const TARGET = concatBytes(Uint8Array.of(0x7f, 0xff, 0xff), new Uint8Array(29));

function meetsTarget(hash: Uint8Array): boolean {
  return compareBytes(hash.toReversed(), TARGET) <= 0;
}

/** The header with the lowest nonce that meets regtest's target, and its hash: two tries on average. */
export function grind(header: Omit<BlockHeader, "nonce" | "bits">): { header: BlockHeader; hash: Uint8Array } {
  for (let nonce = 0; ; nonce++) {
    const candidate = { ...header, bits: REGTEST_BITS, nonce };
    const hash = hash256(encodeHeader(candidate));
    if (meetsTarget(hash)) return { header: candidate, hash };
  }
}

/** The root over one hash at least; an odd last one is paired with itself. */
export function merkleRoot(hashes: readonly Uint8Array[]): Uint8Array {
  let level = hashes;
  while (level.length > 1) {
    const above: Uint8Array[] = [];
    for (let i = 0; i < level.length; i += 2) {
      const left = level[i] ?? new Uint8Array(32);
      above.push(hash256(concatBytes(left, level[i + 1] ?? left)));
    }
    level = above;
  }
  return level[0] ?? new Uint8Array(32);
}
