import { derDecode, isLowS } from "../../core/crypto/index.ts";
import { type Machine, pushBoolean, readNumber, withOperands } from "./machine.ts";
import type { ScriptError } from "./script-error.ts";

const MAX_MULTISIG_KEYS = 20;
const MAX_OPERATIONS = 201;

/** Where an integer of a DER signature ends, or undefined where its encoding isn't the shortest positive one. */
function integerEnd(bytes: Uint8Array, at: number): number | undefined {
  const length = bytes[at + 1] ?? 0;
  const [first = 0, second = 0] = bytes.subarray(at + 2, at + 4);
  const end = at + 2 + length;
  if (bytes[at] !== 2 || length === 0 || end > bytes.length || first >= 0x80) return undefined;
  return first === 0 && length > 1 && second < 0x80 ? undefined : end;
}

/** Whether a signature, hash type included, is encoded as BIP 66 asks. Unlike `derDecode` it allows numbers of any size. */
function isStrictDer(signature: Uint8Array): boolean {
  if (signature.length < 9 || signature.length > 73) return false;
  const der = signature.subarray(0, -1);
  if (der[0] !== 0x30 || der[1] !== der.length - 2) return false;
  const afterR = integerEnd(der, 2);
  return afterR !== undefined && integerEnd(der, afterR) === der.length;
}

/** An empty signature is the one way to fail a check by policy, and is always well formed. */
function signatureEncodingError(machine: Machine, signature: Uint8Array): ScriptError | undefined {
  if (signature.length === 0) return undefined;
  if (!isStrictDer(signature)) return "signature_der";
  if (machine.rules === "consensus") return undefined;
  const compact = derDecode(signature.subarray(0, -1));
  if (compact !== undefined && !isLowS(compact)) return "signature_high_s";
  const hashType = (signature.at(-1) ?? 0) & 0x7f;
  return hashType >= 1 && hashType <= 3 ? undefined : "signature_hash_type";
}

function publicKeyEncodingError(machine: Machine, key: Uint8Array): ScriptError | undefined {
  if (machine.rules === "consensus") return undefined;
  const [prefix = 0] = key;
  const compressed = key.length === 33 && (prefix === 2 || prefix === 3);
  if (compressed) return undefined;
  return key.length === 65 && prefix === 4 ? "witness_public_key_type" : "public_key_type";
}

/** `signature key CHECKSIG`: whether the signature is the key's. */
export const checkSignature: (machine: Machine) => ScriptError | undefined = withOperands(
  2,
  (machine, [signature = new Uint8Array(0), key = new Uint8Array(0)]) => {
    const error = signatureEncodingError(machine, signature) ?? publicKeyEncodingError(machine, key);
    if (error !== undefined) return error;
    const valid = signature.length > 0 && machine.context.checkSignature(signature, key);
    if (!valid && machine.rules === "policy" && signature.length > 0) return "signature_null_fail";
    return pushBoolean(machine, valid);
  },
);

/** The elements that stand under a count on top of the stack, the deepest first, count and all taken off. */
function takeCounted(machine: Machine, maximum: number, tooMany: ScriptError): Uint8Array[] | ScriptError {
  const top = machine.stack.pop();
  if (top === undefined) return "invalid_stack_operation";
  const count = readNumber(machine, top);
  if (count === undefined) return "script_number";
  if (count < 0 || count > maximum) return tooMany;
  if (machine.stack.length < count) return "invalid_stack_operation";
  return machine.stack.splice(machine.stack.length - count, count);
}

/** Walks keys and signatures from the top, as Core does: which encodings are looked at depends on the order. */
function multisigValid(machine: Machine, signatures: Uint8Array[], keys: Uint8Array[]): boolean | ScriptError {
  let wanted = signatures.length;
  let left = keys.length;
  while (wanted > 0 && wanted <= left) {
    const signature = signatures[wanted - 1] ?? new Uint8Array(0);
    const key = keys[left - 1] ?? new Uint8Array(0);
    const error = signatureEncodingError(machine, signature) ?? publicKeyEncodingError(machine, key);
    if (error !== undefined) return error;
    if (signature.length > 0 && machine.context.checkSignature(signature, key)) wanted--;
    left--;
  }
  return wanted === 0;
}

/** `dummy signatures m keys n CHECKMULTISIG`: whether each signature is of one of the keys, both in the same order. */
export function checkMultisig(machine: Machine): ScriptError | undefined {
  const keys = takeCounted(machine, MAX_MULTISIG_KEYS, "public_key_count");
  if (typeof keys === "string") return keys;
  machine.operations += keys.length;
  if (machine.operations > MAX_OPERATIONS) return "operation_count";
  const signatures = takeCounted(machine, keys.length, "signature_count");
  if (typeof signatures === "string") return signatures;
  const dummy = machine.stack.pop();
  if (dummy === undefined) return "invalid_stack_operation";

  const valid = multisigValid(machine, signatures, keys);
  if (typeof valid === "string") return valid;
  if (!valid && machine.rules === "policy" && signatures.some((signature) => signature.length > 0)) {
    return "signature_null_fail";
  }
  // A rule of consensus since segwit. Source: BIP 147.
  if (dummy.length > 0) return "signature_null_dummy";
  return pushBoolean(machine, valid);
}
