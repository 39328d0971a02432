import { createRequire } from "node:module";
import { invariant } from "../base/index.ts";
import { attempt, type Secp256k1 } from "./secp256k1-backend.ts";
import { wasmSecp256k1 } from "./secp256k1-wasm.ts";

/** What we use of `secp256k1/bindings.js`, which has no types of its own. All throw on input out of range. */
interface Bindings {
  privateKeyVerify(secretKey: Uint8Array): boolean;
  /** Changes its argument. */
  privateKeyTweakAdd(secretKey: Uint8Array, tweak: Uint8Array): Uint8Array;
  /** Changes its argument. */
  privateKeyTweakMul(secretKey: Uint8Array, factor: Uint8Array): Uint8Array;
  publicKeyVerify(publicKey: Uint8Array): boolean;
  publicKeyCreate(secretKey: Uint8Array): Uint8Array;
  publicKeyTweakAdd(publicKey: Uint8Array, tweak: Uint8Array): Uint8Array;
  publicKeyTweakMul(publicKey: Uint8Array, factor: Uint8Array): Uint8Array;
  ecdsaSign(hash: Uint8Array, secretKey: Uint8Array): { readonly signature: Uint8Array };
  ecdsaVerify(signature: Uint8Array, hash: Uint8Array, publicKey: Uint8Array): boolean;
  ecdh(publicKey: Uint8Array, secretKey: Uint8Array): Uint8Array;
}

function backend(bindings: Bindings): Secp256k1 {
  const isSecretKey = (bytes: Uint8Array) => bytes.length === 32 && bindings.privateKeyVerify(bytes);
  const requireSecret = (secretKey: Uint8Array) =>
    invariant(isSecretKey(secretKey), "a secret key is a scalar from 1 to n - 1");
  const requireSize32 = (bytes: Uint8Array) => invariant(bytes.length === 32, `expected 32 bytes, got ${bytes.length}`);

  return {
    name: "native",
    sign(hash32, secretKey) {
      requireSize32(hash32);
      requireSecret(secretKey);
      return bindings.ecdsaSign(hash32, secretKey).signature;
    },
    verify(signature64, hash32, publicKey33) {
      requireSize32(hash32);
      if (publicKey33.length !== 33) return false;
      return attempt(() => bindings.ecdsaVerify(signature64, hash32, publicKey33)) ?? false;
    },
    publicKey(secretKey) {
      requireSecret(secretKey);
      return bindings.publicKeyCreate(secretKey);
    },
    isSecretKey,
    isPublicKey: (bytes) => bytes.length === 33 && bindings.publicKeyVerify(bytes),
    ecdh(publicKey, secretKey) {
      requireSecret(secretKey);
      if (publicKey.length !== 33) return undefined;
      return attempt(() => bindings.ecdh(publicKey, secretKey));
    },
    tweakPublic(publicKey, tweak32) {
      if (publicKey.length !== 33) return undefined;
      return attempt(() => bindings.publicKeyTweakAdd(publicKey, tweak32));
    },
    multiplyPublic(publicKey, factor32) {
      if (publicKey.length !== 33) return undefined;
      return attempt(() => bindings.publicKeyTweakMul(publicKey, factor32));
    },
    addSecret(secretKey, tweak32) {
      requireSecret(secretKey);
      return attempt(() => bindings.privateKeyTweakAdd(new Uint8Array(secretKey), tweak32));
    },
    multiplySecret(secretKey, factor32) {
      requireSecret(secretKey);
      return attempt(() => bindings.privateKeyTweakMul(new Uint8Array(secretKey), factor32));
    },
    schnorrSign: wasmSecp256k1.schnorrSign,
    schnorrVerify: wasmSecp256k1.schnorrVerify,
  };
}

/**
 * libsecp256k1 as a native addon, or undefined where it isn't built for this machine. Loaded from `bindings.js` because
 * the package's main module falls back in silence to `elliptic`, which is slow and has had signing flaws. The addon lacks
 * BIP 340, which the WebAssembly backend lends.
 */
export const nativeSecp256k1: Secp256k1 | undefined = attempt(() =>
  backend(createRequire(import.meta.url)("secp256k1/bindings.js") as Bindings),
);
