import type { Secp256k1 } from "./secp256k1-backend.ts";
import { nativeSecp256k1 } from "./secp256k1-native.ts";
import { wasmSecp256k1 } from "./secp256k1-wasm.ts";

/** Every backend that loads on this machine, the fastest first. */
export function backends(): readonly Secp256k1[] {
  return nativeSecp256k1 === undefined ? [wasmSecp256k1] : [nativeSecp256k1, wasmSecp256k1];
}

/** The backend in use: native where it loads, else WebAssembly. Its `name` says which. */
export const secp256k1: Secp256k1 = nativeSecp256k1 ?? wasmSecp256k1;
