import { concatBytes, equalBytes, invariant } from "../base/index.ts";
import { hash160, sha256 } from "../crypto/index.ts";

/** The operations that our scripts use. Source: Bitcoin script; BIP 65 and BIP 112 for the two locks. */
export const OP = {
  ZERO: 0x00,
  PUSHDATA1: 0x4c,
  PUSHDATA2: 0x4d,
  NEGATE1: 0x4f,
  ONE: 0x51,
  TWO: 0x52,
  SIXTEEN: 0x60,
  IF: 0x63,
  NOTIF: 0x64,
  ELSE: 0x67,
  ENDIF: 0x68,
  DROP2: 0x6d,
  DROP: 0x75,
  DUP: 0x76,
  SWAP: 0x7c,
  SIZE: 0x82,
  EQUAL: 0x87,
  EQUALVERIFY: 0x88,
  ADD: 0x93,
  HASH160: 0xa9,
  CHECKSIG: 0xac,
  CHECKMULTISIG: 0xae,
  CHECKLOCKTIMEVERIFY: 0xb1,
  CHECKSEQUENCEVERIFY: 0xb2,
} as const;

/** The largest element of a stack. Source: consensus, MAX_SCRIPT_ELEMENT_SIZE. */
const MAX_PUSH_BYTES = 520;
/** The largest operand of the two locks is 5 bytes with its sign. Source: BIP 65. */
const MAX_SCRIPT_NUMBER = 2 ** 39 - 1;

/** A number as script reads it: little-endian, as few bytes as can be, the top bit is the sign; zero is empty. */
export function scriptNumber(value: number): Uint8Array {
  invariant(Number.isInteger(value) && Math.abs(value) <= MAX_SCRIPT_NUMBER, `not a script number: ${value}`);
  const bytes: number[] = [];
  for (let left = Math.abs(value); left > 0; left = Math.floor(left / 256)) bytes.push(left % 256);
  const top = bytes.at(-1);
  if (top === undefined) return new Uint8Array(0);
  // A magnitude that fills its top bit needs a byte for the sign.
  if (top >= 0x80) bytes.push(value < 0 ? 0x80 : 0);
  else if (value < 0) bytes[bytes.length - 1] = top | 0x80;
  return Uint8Array.from(bytes);
}

/** The shortest operation that puts `data` on the stack. Source: BIP 62 rule 3, policy MINIMALDATA. */
export function push(data: Uint8Array): Uint8Array {
  const { length } = data;
  const first = data[0] ?? 0;
  invariant(length <= MAX_PUSH_BYTES, `a push of at most ${MAX_PUSH_BYTES} bytes, got ${length}`);
  if (length === 0) return Uint8Array.of(OP.ZERO);
  if (length === 1 && first >= 1 && first <= 16) return Uint8Array.of(OP.ONE + first - 1);
  if (length === 1 && first === 0x81) return Uint8Array.of(OP.NEGATE1);
  if (length < OP.PUSHDATA1) return concatBytes(Uint8Array.of(length), data);
  if (length <= 0xff) return concatBytes(Uint8Array.of(OP.PUSHDATA1, length), data);
  return concatBytes(Uint8Array.of(OP.PUSHDATA2, length & 0xff, length >> 8), data);
}

/** A number pushed in the shortest way. */
export function pushNumber(value: number): Uint8Array {
  return push(scriptNumber(value));
}

/** A script of operations (numbers) and ready pieces (bytes, as `push` gives them). */
export function assemble(...parts: readonly (number | Uint8Array)[]): Uint8Array {
  return concatBytes(...parts.map((part) => (typeof part === "number" ? Uint8Array.of(part) : part)));
}

/** The output script that pays to a witness script. 34 bytes. Source: BIP 141, P2WSH. */
export function payToWitnessScriptHash(script: Uint8Array): Uint8Array {
  return assemble(OP.ZERO, push(sha256(script)));
}

/** The output script that pays to a compressed public key. 22 bytes. Source: BIP 141, P2WPKH. */
export function payToWitnessPublicKeyHash(publicKey: Uint8Array): Uint8Array {
  invariant(publicKey.length === 33, `a compressed public key has 33 bytes, got ${publicKey.length}`);
  return assemble(OP.ZERO, push(hash160(publicKey)));
}

/** The script that a P2PKH output holds, and that a signature for a P2WPKH input commits to. 25 bytes. Source: BIP 143. */
export function payToPublicKeyHash(publicKeyHash: Uint8Array): Uint8Array {
  invariant(publicKeyHash.length === 20, `a public key hash has 20 bytes, got ${publicKeyHash.length}`);
  return assemble(OP.DUP, OP.HASH160, push(publicKeyHash), OP.EQUALVERIFY, OP.CHECKSIG);
}

/** 23 bytes. Source: BIP 16. */
export function payToScriptHash(scriptHash: Uint8Array): Uint8Array {
  invariant(scriptHash.length === 20, `a script hash has 20 bytes, got ${scriptHash.length}`);
  return assemble(OP.HASH160, push(scriptHash), OP.EQUAL);
}

export type WitnessProgram = { readonly version: number; readonly program: Uint8Array };

/** The output script of a witness program. Source: BIP 141. */
export function witnessProgramScript({ version, program }: WitnessProgram): Uint8Array {
  return assemble(version === 0 ? OP.ZERO : OP.ONE + version - 1, Uint8Array.of(program.length), program);
}

/** Version and program of a witness output script, or undefined for any other script. Source: BIP 141. */
export function witnessProgramOf(script: Uint8Array): WitnessProgram | undefined {
  const [opcode = 0, size = 0] = script;
  if (script.length < 4 || script.length > 42 || size !== script.length - 2) return undefined;
  if (opcode !== OP.ZERO && (opcode < OP.ONE || opcode > OP.SIXTEEN)) return undefined;
  return { version: opcode === OP.ZERO ? 0 : opcode - OP.ONE + 1, program: script.slice(2) };
}

/** The hash in a P2PKH output script, or undefined for any other script. */
export function publicKeyHashOf(script: Uint8Array): Uint8Array | undefined {
  const hash = script.slice(3, 23);
  return hash.length === 20 && equalBytes(script, payToPublicKeyHash(hash)) ? hash : undefined;
}

/** The hash in a P2SH output script, or undefined for any other script. */
export function scriptHashOf(script: Uint8Array): Uint8Array | undefined {
  const hash = script.slice(2, 22);
  return hash.length === 20 && equalBytes(script, payToScriptHash(hash)) ? hash : undefined;
}

/** A pay-to-anchor output: anyone may spend it, and some nodes don't relay it with an amount. */
const PAY_TO_ANCHOR_PROGRAM = Uint8Array.of(0x4e, 0x73);
/** BIP 141 allows 40 bytes, but a script of more than 34 bytes is refused by some nodes ("bad-txns-vout-script-toolarge"). */
const MAX_CLOSE_PROGRAM_BYTES = 32;

/**
 * Whether a mutual close may pay to `script`: P2WPKH, P2WSH, P2TR and later witness versions, P2PKH, P2SH. Nodes relay these,
 * and 546 satoshi is no dust to any of them; another script could make a signed close worthless. Spec: B2-45.
 */
export function isStandardCloseScript(script: Uint8Array): boolean {
  const witness = witnessProgramOf(script);
  if (witness === undefined) return publicKeyHashOf(script) !== undefined || scriptHashOf(script) !== undefined;
  const { version, program } = witness;
  if (version === 0) return program.length === 20 || program.length === 32;
  if (version === 1 && equalBytes(program, PAY_TO_ANCHOR_PROGRAM)) return false;
  return program.length <= MAX_CLOSE_PROGRAM_BYTES;
}
