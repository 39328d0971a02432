import { concatBytes, fromHex, toHex } from "../../core/base/index.ts";
import { derDecode, isLowS, secp256k1 } from "../../core/crypto/index.ts";

const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const FIELD = 2n ** 256n - 2n ** 32n - 977n;

function toNumber(bytes: Uint8Array): bigint {
  return BigInt(`0x${toHex(bytes)}`);
}

/** The compressed form of a public key as consensus reads it: compressed, uncompressed or hybrid; undefined where it is none. */
function compressed(key: Uint8Array): Uint8Array | undefined {
  if (key.length === 33) return key;
  const [prefix = 0] = key;
  if (key.length !== 65 || (prefix !== 4 && prefix !== 6 && prefix !== 7)) return undefined;
  const [x, y] = [toNumber(key.subarray(1, 33)), toNumber(key.subarray(33))];
  const odd = (key[64] ?? 0) & 1;
  if (x >= FIELD || y >= FIELD || (y * y - x * x * x - 7n) % FIELD !== 0n) return undefined;
  if (prefix !== 4 && prefix !== 6 + odd) return undefined;
  return concatBytes(Uint8Array.of(2 + odd), key.subarray(1, 33));
}

/** The signature with the lower of the two values of s, which are both valid by consensus. */
function lowS(signature64: Uint8Array): Uint8Array | undefined {
  if (isLowS(signature64)) return signature64;
  const s = toNumber(signature64.subarray(32));
  if (s >= ORDER) return undefined;
  const lower = fromHex((ORDER - s).toString(16).padStart(64, "0"));
  return lower === undefined ? undefined : concatBytes(signature64.subarray(0, 32), lower);
}

/** Whether a DER signature without its hash type is the key's over `hash`, as consensus has it: s may be high. */
export function verifyEcdsa(der: Uint8Array, hash: Uint8Array, publicKey: Uint8Array): boolean {
  const decoded = derDecode(der);
  const signature = decoded === undefined ? undefined : lowS(decoded);
  const key = compressed(publicKey);
  return signature !== undefined && key !== undefined && secp256k1.verify(signature, hash, key);
}
