import * as tiny from "tiny-secp256k1";
import { fromHex, invariant, toHex } from "../base/index.ts";
import { sha256 } from "./hashes.ts";
import { attempt, type Secp256k1 } from "./secp256k1-backend.ts";

const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

const isSecretKey = (bytes: Uint8Array) => bytes.length === 32 && tiny.isPrivate(bytes);
const isPublicKey = (bytes: Uint8Array) => bytes.length === 33 && tiny.isPointCompressed(bytes);

function requireSecret(secretKey: Uint8Array): void {
  invariant(isSecretKey(secretKey), "a secret key is a scalar from 1 to n - 1");
}

function requireSize32(bytes: Uint8Array): void {
  invariant(bytes.length === 32, `expected 32 bytes, got ${bytes.length}`);
}

function publicKey(secretKey: Uint8Array): Uint8Array {
  requireSecret(secretKey);
  const point = tiny.pointFromScalar(secretKey, true);
  invariant(point !== null, "a valid secret key has a public key");
  return point;
}

function multiplyPublic(point: Uint8Array, factor32: Uint8Array): Uint8Array | undefined {
  if (!isPublicKey(point) || !isSecretKey(factor32)) return undefined;
  return tiny.pointMultiply(point, factor32, true) ?? undefined;
}

/** The library lacks this operation. Only onion keys, used once, take this way; it isn't constant in time. */
function multiplySecret(secretKey: Uint8Array, factor32: Uint8Array): Uint8Array | undefined {
  requireSecret(secretKey);
  if (!isSecretKey(factor32)) return undefined;
  const product = (BigInt(`0x${toHex(secretKey)}`) * BigInt(`0x${toHex(factor32)}`)) % ORDER;
  return fromHex(product.toString(16).padStart(64, "0"));
}

/** libsecp256k1 as WebAssembly: runs everywhere, at about a quarter of the native speed. */
export const wasmSecp256k1: Secp256k1 = {
  name: "wasm",
  sign(hash32, secretKey) {
    requireSize32(hash32);
    requireSecret(secretKey);
    return tiny.sign(hash32, secretKey);
  },
  verify(signature64, hash32, publicKey33) {
    requireSize32(hash32);
    if (publicKey33.length !== 33) return false;
    return attempt(() => tiny.verify(hash32, publicKey33, signature64, true)) ?? false;
  },
  publicKey,
  isSecretKey,
  isPublicKey,
  ecdh(point, secretKey) {
    requireSecret(secretKey);
    const shared = multiplyPublic(point, secretKey);
    return shared === undefined ? undefined : sha256(shared);
  },
  tweakPublic(point, tweak32) {
    if (!isPublicKey(point)) return undefined;
    return attempt(() => tiny.pointAddScalar(point, tweak32, true)) ?? undefined;
  },
  multiplyPublic,
  addSecret(secretKey, tweak32) {
    requireSecret(secretKey);
    return attempt(() => tiny.privateAdd(secretKey, tweak32)) ?? undefined;
  },
  multiplySecret,
  schnorrSign(message32, secretKey, auxiliary32) {
    requireSize32(message32);
    requireSize32(auxiliary32);
    requireSecret(secretKey);
    return tiny.signSchnorr(message32, secretKey, auxiliary32);
  },
  schnorrVerify(signature64, message32, xOnly32) {
    requireSize32(message32);
    return attempt(() => tiny.verifySchnorr(message32, xOnly32, signature64)) ?? false;
  },
};
