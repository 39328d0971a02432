import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import { invariant } from "../base/index.ts";

/** p = 2^255 - 19, little-endian, with the sign bit clear. */
const FIELD = Uint8Array.from([0xed, ...new Array<number>(30).fill(0xff), 0x7f]);
/** What stands before the 32 bytes of the key in its SubjectPublicKeyInfo. Source: RFC 8410. */
const KEY_INFO = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/** What stands before the 32 bytes of a secret in its PrivateKeyInfo. Source: RFC 8410. */
const SECRET_INFO = [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/**
 * Whether the encoding of a point is the only one of that point: y below p, and no sign bit where x is 0, so where y is 1 or -1. Without
 * this, one key would have two encodings, of which implementations differ over the second.
 */
function isCanonical(key: Uint8Array): boolean {
  const signed = (key[31] as number) >= 0x80;
  const y = Uint8Array.from(key);
  y[31] = (y[31] as number) & 0x7f;
  let at = 31;
  while (at > 0 && y[at] === FIELD[at]) at--;
  if ((y[at] as number) >= (FIELD[at] as number)) return false;
  const isOne = y[0] === 1 && y.subarray(1).every((byte) => byte === 0);
  const isMinusOne = y[0] === 0xec && y.subarray(1, 31).every((byte) => byte === 0xff) && y[31] === 0x7f;
  return !(signed && (isOne || isMinusOne));
}

/**
 * Whether an ed25519 signature (64 bytes, R then S) over `message` is good for a public key (32 bytes). Strict: S below the group's order, R
 * compared as encoded, the key's point in its one encoding, no multiplication by the cofactor. False for anything malformed.
 * Source: RFC 8032, 5.1.7, with the equation [S]B = R + [k]A.
 */
export function ed25519Verify(signature64: Uint8Array, message: Uint8Array, publicKey32: Uint8Array): boolean {
  if (signature64.length !== 64 || publicKey32.length !== 32 || !isCanonical(publicKey32)) return false;
  try {
    const key = Buffer.from([...KEY_INFO, ...publicKey32]);
    return verify(null, message, createPublicKey({ key, format: "der", type: "spki" }), signature64);
  } catch {
    return false;
  }
}

function secretKey(secret32: Uint8Array): KeyObject {
  invariant(secret32.length === 32, `an ed25519 secret has 32 bytes, got ${secret32.length}`);
  return createPrivateKey({ key: Buffer.from([...SECRET_INFO, ...secret32]), format: "der", type: "pkcs8" });
}

/** The public key of a secret of 32 bytes: the account id on a ledger with this scheme. 32 bytes. Source: RFC 8032, 5.1.5. */
export function ed25519PublicKey(secret32: Uint8Array): Uint8Array {
  const info = createPublicKey(secretKey(secret32)).export({ format: "der", type: "spki" });
  return new Uint8Array(info.subarray(-32));
}

/** The signature over a message, always the same one. 64 bytes. Source: RFC 8032, 5.1.6. */
export function ed25519Sign(secret32: Uint8Array, message: Uint8Array): Uint8Array {
  return new Uint8Array(sign(null, message, secretKey(secret32)));
}
