import { createHmac, hash, hkdfSync } from "node:crypto";

/**
 * One-shot hash. The digest is taken as a binary (Latin-1) string, one character a byte, and copied: measured faster
 * than asking for a buffer, and what comes back is a plain Uint8Array.
 */
function digest(algorithm: "sha256" | "ripemd160", bytes: Uint8Array, length: number): Uint8Array {
  const text = hash(algorithm, bytes, "binary");
  const result = new Uint8Array(length);
  for (let i = 0; i < length; i++) result[i] = text.charCodeAt(i);
  return result;
}

/** SHA-256. 32 bytes. */
export function sha256(bytes: Uint8Array): Uint8Array {
  return digest("sha256", bytes, 32);
}

/** SHA-256 applied twice: transaction ids and signature hashes. 32 bytes. */
export function hash256(bytes: Uint8Array): Uint8Array {
  return sha256(sha256(bytes));
}

/** RIPEMD-160. 20 bytes. */
export function ripemd160(bytes: Uint8Array): Uint8Array {
  return digest("ripemd160", bytes, 20);
}

/** RIPEMD-160 of SHA-256: the script operator HASH160. 20 bytes. */
export function hash160(bytes: Uint8Array): Uint8Array {
  return ripemd160(sha256(bytes));
}

/** HMAC-SHA-256 (RFC 2104). 32 bytes. */
export function hmacSha256(key: Uint8Array, data: Uint8Array): Uint8Array {
  return new Uint8Array(createHmac("sha256", key).update(data).digest());
}

/** HKDF-SHA-256 (RFC 5869) with empty info, as BOLT 8 uses it. `length` bytes, at most 8160. */
export function hkdfSha256(salt: Uint8Array, ikm: Uint8Array, length: number): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", ikm, salt, new Uint8Array(0), length));
}
