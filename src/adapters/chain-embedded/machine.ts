import { scriptNumber } from "../../core/bitcoin/index.ts";
import { decodeScriptNumber } from "./script.ts";
import type { ScriptError, ScriptRules } from "./script-error.ts";

/** What a script can ask about the transaction that runs it. */
export type SpendContext = {
  /** ECDSA with the hash type in the signature's last byte; the encoding of both was checked before. */
  checkSignature(signature: Uint8Array, publicKey: Uint8Array): boolean;
  /** Source: BIP 65. */
  checkLockTime(required: number): boolean;
  /** Source: BIP 112. */
  checkSequence(required: number): boolean;
};

/** The state of one script run; a step that fails gives the error and leaves the rest undefined. */
export type Machine = {
  readonly stack: Uint8Array[];
  readonly alternate: Uint8Array[];
  /** One entry an open IF: whether its branch in hand runs. */
  readonly conditions: boolean[];
  operations: number;
  readonly rules: ScriptRules;
  readonly context: SpendContext;
};

export type Step = (machine: Machine) => ScriptError | undefined;

export const TRUE: Uint8Array = Uint8Array.of(1);
export const FALSE: Uint8Array = new Uint8Array(0);

/** Any byte set makes it true, except for a last byte of only the sign: negative zero. */
export function isTrue(bytes: Uint8Array): boolean {
  return bytes.some((byte, i) => byte !== 0 && !(i === bytes.length - 1 && byte === 0x80));
}

/** Takes `count` elements off the stack, the deepest first, and gives them to `use`. */
export function withOperands(
  count: number,
  use: (machine: Machine, operands: Uint8Array[]) => ScriptError | undefined,
): Step {
  return (machine) => {
    if (machine.stack.length < count) return "invalid_stack_operation";
    return use(machine, machine.stack.splice(machine.stack.length - count, count));
  };
}

/** The number in an element, or undefined where it is too long or, by policy, not minimal. */
export function readNumber(machine: Machine, bytes: Uint8Array, maximum = 4): number | undefined {
  return decodeScriptNumber(bytes, maximum, machine.rules === "policy");
}

export function pushNumber(machine: Machine, value: number): undefined {
  machine.stack.push(scriptNumber(value));
}

export function pushBoolean(machine: Machine, value: boolean): undefined {
  machine.stack.push(value ? TRUE : FALSE);
}
