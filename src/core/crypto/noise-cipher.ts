import { createCipheriv, createDecipheriv } from "node:crypto";
import { hkdfSha256 } from "./hashes.ts";

/** Bytes that authentication adds to a ciphertext. */
export const TAG_BYTES = 16;

const NOTHING = new Uint8Array(0);

/** 32 bits of zeros, then the counter in 64 bits little-endian. Ours never passes 1000. Source: BOLT 8. */
function nonceBytes(counter: number): Uint8Array {
  const nonce = new Uint8Array(12);
  nonce[4] = counter & 0xff;
  nonce[5] = counter >> 8;
  return nonce;
}

/** Encrypts into `out`, which takes the ciphertext and its tag: `plaintext.length + 16` bytes. */
export function sealInto(
  out: Uint8Array,
  key: Uint8Array,
  counter: number,
  plaintext: Uint8Array,
  associated: Uint8Array = NOTHING,
): void {
  const cipher = createCipheriv("chacha20-poly1305", key, nonceBytes(counter), { authTagLength: TAG_BYTES });
  if (associated.length > 0) cipher.setAAD(associated, { plaintextLength: plaintext.length });
  out.set(cipher.update(plaintext));
  cipher.final();
  out.set(cipher.getAuthTag(), plaintext.length);
}

/** The plaintext of a ciphertext that ends in its tag, or undefined where the tag is wrong. */
export function open(
  key: Uint8Array,
  counter: number,
  sealed: Uint8Array,
  associated: Uint8Array = NOTHING,
): Uint8Array | undefined {
  const length = sealed.length - TAG_BYTES;
  const decipher = createDecipheriv("chacha20-poly1305", key, nonceBytes(counter), { authTagLength: TAG_BYTES });
  decipher.setAuthTag(sealed.subarray(length));
  if (associated.length > 0) decipher.setAAD(associated, { plaintextLength: length });
  const plaintext = decipher.update(sealed.subarray(0, length));
  try {
    decipher.final();
  } catch {
    return undefined;
  }
  return new Uint8Array(plaintext.buffer, plaintext.byteOffset, plaintext.length);
}

/** The two keys that BOLT 8 takes from one HKDF. 32 bytes each. */
export function hkdfPair(salt: Uint8Array, ikm: Uint8Array): readonly [Uint8Array, Uint8Array] {
  const both = hkdfSha256(salt, ikm, 64);
  return [both.slice(0, 32), both.slice(32)];
}
