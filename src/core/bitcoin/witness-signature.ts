import { concatBytes } from "../base/index.ts";
import { derEncode } from "../crypto/index.ts";
import { SIGHASH_ALL } from "./sighash.ts";

/** The longest `witnessSignature` of a low-S signature: two integers of 33 and 32 bytes, their headers, the hash type. */
export const MAX_WITNESS_SIGNATURE_BYTES = 72;

/** A signature (64 bytes, r then s) as a witness holds it: DER and the hash type, which is always ALL. */
export function witnessSignature(signature: Uint8Array): Uint8Array {
  return concatBytes(derEncode(signature), Uint8Array.of(SIGHASH_ALL));
}

/** An input of native segwit without its witness: outpoint, empty script, sequence; four weight units a byte. */
export const SEGWIT_INPUT_WEIGHT = 4 * (36 + 1 + 4);
