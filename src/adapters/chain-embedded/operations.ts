import { equalBytes } from "../../core/base/index.ts";
import { hash160, hash256, ripemd160, sha256 } from "../../core/crypto/index.ts";
import { isTrue, type Machine, pushBoolean, pushNumber, readNumber, type Step, withOperands } from "./machine.ts";
import { OP } from "./script.ts";
import type { ScriptError } from "./script-error.ts";
import { checkMultisig, checkSignature } from "./signature-operations.ts";

function hashing(hash: (bytes: Uint8Array) => Uint8Array): Step {
  return withOperands(1, (machine, [bytes = new Uint8Array(0)]) => {
    machine.stack.push(hash(bytes));
    return undefined;
  });
}

function onNumbers(use: (machine: Machine, a: number, b: number) => ScriptError | undefined): Step {
  return withOperands(2, (machine, operands) => {
    const [a, b] = operands.map((bytes) => readNumber(machine, bytes));
    return a === undefined || b === undefined ? "script_number" : use(machine, a, b);
  });
}

/** The step, and then VERIFY with the error of the joint opcode. */
function verifying(step: Step, error: ScriptError): Step {
  return (machine) => step(machine) ?? (isTrue(machine.stack.pop() ?? new Uint8Array(0)) ? undefined : error);
}

const equal = withOperands(2, (machine, [a = new Uint8Array(0), b = new Uint8Array(0)]) =>
  pushBoolean(machine, equalBytes(a, b)),
);
const numberEqual = onNumbers((machine, a, b) => pushBoolean(machine, a === b));

/** A lock reads its operand and leaves it on the stack. */
function lock(met: (machine: Machine, required: number) => boolean): Step {
  return (machine) => {
    const top = machine.stack.at(-1);
    if (top === undefined) return "invalid_stack_operation";
    const required = readNumber(machine, top, 5);
    if (required === undefined) return "script_number";
    if (required < 0) return "negative_locktime";
    return met(machine, required) ? undefined : "unsatisfied_locktime";
  };
}

/** Bit 31 of the operand turns CHECKSEQUENCEVERIFY off. Source: BIP 112. */
function sequenceDisabled(required: number): boolean {
  return Math.floor(required / 2 ** 31) % 2 === 1;
}

function fromAlternate(machine: Machine): ScriptError | undefined {
  const top = machine.alternate.pop();
  if (top === undefined) return "invalid_alternate_stack_operation";
  machine.stack.push(top);
  return undefined;
}

function duplicate(when: (top: Uint8Array) => boolean): Step {
  return (machine) => {
    const top = machine.stack.at(-1);
    if (top === undefined) return "invalid_stack_operation";
    if (when(top)) machine.stack.push(top);
    return undefined;
  };
}

function size(machine: Machine): ScriptError | undefined {
  const top = machine.stack.at(-1);
  return top === undefined ? "invalid_stack_operation" : pushNumber(machine, top.length);
}

/**
 * What each opcode does, but for pushes and conditionals, which the interpreter handles itself. They are those that channel
 * scripts, multisig and the miniscripts of wallets use.
 */
export const STEPS: ReadonlyMap<number, Step> = new Map<number, Step>([
  [OP.NOP, () => undefined],
  [OP.VERIFY, withOperands(1, (_, [top = new Uint8Array(0)]) => (isTrue(top) ? undefined : "verify"))],
  [OP.RETURN, () => "op_return"],
  [
    OP.TOALTSTACK,
    withOperands(1, (machine, operands) => {
      machine.alternate.push(...operands);
      return undefined;
    }),
  ],
  [OP.FROMALTSTACK, fromAlternate],
  [OP.DROP2, withOperands(2, () => undefined)],
  [OP.DROP, withOperands(1, () => undefined)],
  [OP.DUP, duplicate(() => true)],
  [OP.IFDUP, duplicate(isTrue)],
  [
    OP.SWAP,
    withOperands(2, (machine, operands) => {
      machine.stack.push(...operands.reverse());
      return undefined;
    }),
  ],
  [OP.SIZE, size],
  [OP.EQUAL, equal],
  [OP.EQUALVERIFY, verifying(equal, "equal_verify")],
  [
    OP.ZERONOTEQUAL,
    withOperands(1, (machine, [bytes = new Uint8Array(0)]) => {
      const value = readNumber(machine, bytes);
      return value === undefined ? "script_number" : pushBoolean(machine, value !== 0);
    }),
  ],
  [OP.ADD, onNumbers((machine, a, b) => pushNumber(machine, a + b))],
  [OP.BOOLAND, onNumbers((machine, a, b) => pushBoolean(machine, a !== 0 && b !== 0))],
  [OP.BOOLOR, onNumbers((machine, a, b) => pushBoolean(machine, a !== 0 || b !== 0))],
  [OP.NUMEQUAL, numberEqual],
  [OP.NUMEQUALVERIFY, verifying(numberEqual, "number_equal_verify")],
  [OP.RIPEMD160, hashing(ripemd160)],
  [OP.SHA256, hashing(sha256)],
  [OP.HASH160, hashing(hash160)],
  [OP.HASH256, hashing(hash256)],
  [OP.CHECKSIG, checkSignature],
  [OP.CHECKSIGVERIFY, verifying(checkSignature, "check_signature_verify")],
  [OP.CHECKMULTISIG, checkMultisig],
  [OP.CHECKMULTISIGVERIFY, verifying(checkMultisig, "check_multisig_verify")],
  [OP.CHECKLOCKTIMEVERIFY, lock((machine, required) => machine.context.checkLockTime(required))],
  [
    OP.CHECKSEQUENCEVERIFY,
    lock((machine, required) => sequenceDisabled(required) || machine.context.checkSequence(required)),
  ],
]);
