import { ed25519Verify, sha256 } from "../crypto/index.ts";
import { hashReferenceTerm, verifyReferenceSignature } from "./reference-scheme.ts";
import { binaryBytes, isList, type Value } from "./value.ts";

/** What bounds the cost of a run besides gas. Exceeding one fails the run. */
export type Limits = {
  /** Values on each of the two stacks. */
  readonly stackItems: number;
  /** Memory of one value, as the machine counts it: a binary's bytes; of a list 1, and for each element 1 and its own memory. */
  readonly valueBytes: number;
  /**
   * Bytes of values made in a run: the length of each binary of more than 32 bytes, whenever one is made, and 64 for each list cell.
   * Nothing is given back.
   */
  readonly createdBytes: number;
};

/** What differs between the ledger's contracts and the reference machine's vectors. */
export type Profile = {
  readonly name: "ledger" | "reference";
  readonly limits: Limits;
  /** Whether evidence may hold the opcode `return`, which then ends the evidence only. */
  readonly evidenceMayReturn: boolean;
  /** What the opcode `hash` takes, for its error. */
  readonly hashTakes: string;
  /** SHA-256 of a value, 32 bytes; undefined where its type can't be hashed. */
  hash(value: Value): Uint8Array | undefined;
  /** What the opcode `verify_sig` takes, for its error. */
  readonly verifySigTakes: string;
  /** Whether a signature is good; undefined where an operand is not of the right kind. */
  verifySig(signature: Value, data: Value, key: Value): boolean | undefined;
};

function hashBinary(value: Value): Uint8Array | undefined {
  return isList(value) ? undefined : sha256(binaryBytes(value));
}

function verifyLedgerSignature(signature: Value, data: Value, key: Value): boolean | undefined {
  if (!(signature instanceof Uint8Array && signature.length === 64)) return undefined;
  if (!(key instanceof Uint8Array && key.length === 32) || isList(data)) return undefined;
  return ed25519Verify(signature, binaryBytes(data), key);
}

const KIB = 1024;

/** Contracts on the embedded ledger: signatures are ed25519, an account id is the public key. */
export const ledgerProfile: Profile = {
  name: "ledger",
  limits: { stackItems: 1024, valueBytes: 64 * KIB, createdBytes: 256 * KIB },
  evidenceMayReturn: false,
  hashTakes: "a binary",
  hash: hashBinary,
  verifySigTakes: "a signature of 64 bytes, a binary and an account id of 32 bytes",
  verifySig: verifyLedgerSignature,
};

const REFERENCE_LIMIT = 64 * KIB * KIB;

/** What the vectors of the reference machine assume. For them and for measurements only. */
export const referenceProfile: Profile = {
  name: "reference",
  limits: { stackItems: REFERENCE_LIMIT, valueBytes: REFERENCE_LIMIT, createdBytes: REFERENCE_LIMIT },
  evidenceMayReturn: true,
  hashTakes: "a value",
  hash: (value) => (isList(value) ? hashReferenceTerm(value) : hashBinary(value)),
  verifySigTakes: "a DER signature, a value and a secp256k1 public key",
  verifySig: verifyReferenceSignature,
};
