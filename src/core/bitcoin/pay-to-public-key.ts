// Spending P2WPKH outputs: the wallet's coins and to-other. Source: BIP 141, BIP 143.
import { hash160 } from "../crypto/index.ts";
import { payToPublicKeyHash } from "./script.ts";
import { sighashAll } from "./sighash.ts";
import type { Transaction } from "./transaction.ts";
import { witnessSignature } from "./witness-signature.ts";

/** The hash to sign for an input that spends `amountSat` paid to `publicKey`. */
export function p2wpkhSighash(
  transaction: Transaction,
  index: number,
  publicKey: Uint8Array,
  amountSat: bigint,
): Uint8Array {
  return sighashAll(transaction, index, payToPublicKeyHash(hash160(publicKey)), amountSat);
}

/** `signature` is 64 bytes, r then s. */
export function p2wpkhWitness(signature: Uint8Array, publicKey: Uint8Array): Uint8Array[] {
  return [witnessSignature(signature), publicKey];
}
