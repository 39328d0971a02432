/**
 * The operations on the curve that the project uses. Every backend gives the same results bit for bit.
 *
 * A secret key is always our own: an invalid one, or a hash or message that hasn't 32 bytes, throws InvariantBroken. What a peer
 * may have chosen (public keys, signatures, tweaks) never throws: the answer is false or undefined. No input is changed.
 */
export interface Secp256k1 {
  readonly name: "native" | "wasm";
  /** ECDSA: 64 bytes, r then s, big-endian, low-S, nonce by RFC 6979. */
  sign(hash32: Uint8Array, secretKey: Uint8Array): Uint8Array;
  /** True only for a low-S signature of 64 bytes by a valid compressed key. Source: BIP 146, LOW_S. */
  verify(signature64: Uint8Array, hash32: Uint8Array, publicKey33: Uint8Array): boolean;
  /** The compressed public key. 33 bytes. */
  publicKey(secretKey: Uint8Array): Uint8Array;
  /** 32 bytes, big-endian, from 1 to n - 1. */
  isSecretKey(bytes: Uint8Array): boolean;
  /** 33 bytes that encode a point on the curve. Spec: B2-10. */
  isPublicKey(bytes: Uint8Array): boolean;
  /** SHA-256 of the compressed shared point, 32 bytes; undefined for an invalid public key. Source: BOLT 8. */
  ecdh(publicKey: Uint8Array, secretKey: Uint8Array): Uint8Array | undefined;
  /** `publicKey + tweak * G`; undefined for an invalid key, a tweak of n or more, or an infinite sum. A tweak of 0 is allowed. */
  tweakPublic(publicKey: Uint8Array, tweak32: Uint8Array): Uint8Array | undefined;
  /** `publicKey * factor`; undefined for an invalid key or a factor outside 1 to n - 1. */
  multiplyPublic(publicKey: Uint8Array, factor32: Uint8Array): Uint8Array | undefined;
  /** `secretKey + tweak` mod n; undefined for a tweak of n or more or a sum of 0. A tweak of 0 is allowed. */
  addSecret(secretKey: Uint8Array, tweak32: Uint8Array): Uint8Array | undefined;
  /** `secretKey * factor` mod n; undefined for a factor outside 1 to n - 1. */
  multiplySecret(secretKey: Uint8Array, factor32: Uint8Array): Uint8Array | undefined;
  /** BIP 340 signature, 64 bytes. `auxiliary32` is randomness, or 32 zero bytes for a deterministic signature. */
  schnorrSign(message32: Uint8Array, secretKey: Uint8Array, auxiliary32: Uint8Array): Uint8Array;
  /** BIP 340 verification; false for anything malformed. */
  schnorrVerify(signature64: Uint8Array, message32: Uint8Array, xOnly32: Uint8Array): boolean;
}

/** The result of `operation`, or undefined where the library throws: that's how the libraries report input out of range. */
export function attempt<T>(operation: () => T): T | undefined {
  try {
    return operation();
  } catch {
    return undefined;
  }
}
