import { createHmac } from "node:crypto";
import { concatBytes, invariant } from "../base/index.ts";
import { secp256k1 } from "./secp256k1.ts";

/** A secret key, 32 bytes, with the chain code, 32 bytes, that derives others from it. Source: BIP 32. */
export type DerivedKey = { readonly secret: Uint8Array; readonly chainCode: Uint8Array };

const MASTER_KEY = new TextEncoder().encode("Bitcoin seed");
const HARDENED = 0x80000000;

function halves(key: Uint8Array, data: Uint8Array): readonly [Uint8Array, Uint8Array] {
  const digest = new Uint8Array(createHmac("sha512", key).update(data).digest());
  return [digest.slice(0, 32), digest.slice(32)];
}

/** The key at the root. Source: BIP 32, "Master key generation". */
export function masterKey(seed: Uint8Array): DerivedKey {
  const [secret, chainCode] = halves(MASTER_KEY, seed);
  invariant(secp256k1.isSecretKey(secret), "a seed gives a key but for 1 in 2^127");
  return { secret, chainCode };
}

/** The child of a number, from 2^31 on a hardened one. Source: BIP 32, "Private parent key -> private child key". */
export function childKey({ secret, chainCode }: DerivedKey, index: number): DerivedKey {
  const number = new Uint8Array(4);
  new DataView(number.buffer).setUint32(0, index);
  const parent = index >= HARDENED ? concatBytes(Uint8Array.of(0), secret) : secp256k1.publicKey(secret);
  const [tweak, childCode] = halves(chainCode, concatBytes(parent, number));
  const child = secp256k1.addSecret(secret, tweak);
  invariant(child !== undefined, "a child is a key but for 1 in 2^127");
  return { secret: child, chainCode: childCode };
}
