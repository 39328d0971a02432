import { FIRST_REVOCATION_INDEX, sha256 } from "../crypto/index.ts";
import type { Context } from "./input.ts";

/** Our revocation hash for commitment `number` of ours. Spec: B2-34. */
export function ownRevocationHash(context: Pick<Context, "signer">, index: number, number: number): Uint8Array {
  return sha256(ownRevocationPreimage(context, index, number));
}

export function ownRevocationPreimage(context: Pick<Context, "signer">, index: number, number: number): Uint8Array {
  return context.signer.revocationPreimage(index, FIRST_REVOCATION_INDEX - BigInt(number));
}
