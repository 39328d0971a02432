import { concatBytes } from "../base/index.ts";
import { hkdfSha256, sha256 } from "./hashes.ts";
import { open, sealInto, TAG_BYTES } from "./noise-cipher.ts";

/** Bytes of salt that a sealed file needs, never used twice. */
export const SEALED_SALT_BYTES = 32;
/** Bytes that tell whether a seed is the right one. */
export const SEALED_CHECK_BYTES = 8;

/** The key of one file. Its salt is the file's own, so that no key is used twice and one nonce is enough. */
export type SealedFileKey = {
  /** The same for the same seed, label and salt; says nothing of the key. */
  readonly check: Uint8Array;
  /** ChaCha20-Poly1305 of `plaintext`, with `header` authenticated beside it. 16 bytes longer. Source: RFC 8439. */
  seal(plaintext: Uint8Array, header: Uint8Array): Uint8Array;
  /** The plaintext, or undefined where a byte of either is another than when it was sealed. */
  open(sealed: Uint8Array, header: Uint8Array): Uint8Array | undefined;
};

/** The key of the file with this salt, from the wallet's 64 byte seed (HKDF, RFC 5869). */
export function sealedFileKey(seed64: Uint8Array, label: string, salt: Uint8Array): SealedFileKey {
  const key = hkdfSha256(concatBytes(new TextEncoder().encode(label), salt), seed64, 32);
  return {
    check: sha256(concatBytes(key, Uint8Array.of(1))).slice(0, SEALED_CHECK_BYTES),
    seal(plaintext, header) {
      const out = new Uint8Array(plaintext.length + TAG_BYTES);
      sealInto(out, key, 0, plaintext, header);
      return out;
    },
    open: (sealed, header) => (sealed.length < TAG_BYTES ? undefined : open(key, 0, sealed, header)),
  };
}
