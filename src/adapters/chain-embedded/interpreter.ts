import { equalBytes } from "../../core/base/index.ts";
import { scriptNumber } from "../../core/bitcoin/index.ts";
import { isTrue, type Machine, type SpendContext, TRUE } from "./machine.ts";
import { STEPS } from "./operations.ts";
import { isMinimalPush, OP, type Operation, readOperation } from "./script.ts";
import type { ScriptError, ScriptRules } from "./script-error.ts";

const MAX_SCRIPT_BYTES = 10_000;
export const MAX_ELEMENT_BYTES = 520;
const MAX_OPERATIONS = 201;
const MAX_STACK_ELEMENTS = 1000;

/** Opcodes that fail a script even where they aren't run: the string and bit operations that Bitcoin switched off. */
const DISABLED: ReadonlySet<number> = new Set([
  0x7e, 0x7f, 0x80, 0x81, 0x83, 0x84, 0x85, 0x86, 0x8d, 0x8e, 0x95, 0x96, 0x97, 0x98, 0x99,
]);

function runs(machine: Machine): boolean {
  return !machine.conditions.includes(false);
}

/** IF and NOTIF take their argument only in a branch that runs. By policy it is empty or a single 1. */
function openBranch(machine: Machine, whenTrue: boolean): ScriptError | undefined {
  if (!runs(machine)) {
    machine.conditions.push(false);
    return undefined;
  }
  const argument = machine.stack.pop();
  if (argument === undefined) return "unbalanced_conditional";
  if (machine.rules === "policy" && argument.length > 0 && !equalBytes(argument, TRUE)) return "minimal_if";
  machine.conditions.push(isTrue(argument) === whenTrue);
  return undefined;
}

function conditional(machine: Machine, opcode: number): ScriptError | undefined {
  if (opcode === OP.IF || opcode === OP.NOTIF) return openBranch(machine, opcode === OP.IF);
  if (opcode === OP.VERIF || opcode === OP.VERNOTIF) return "bad_opcode";
  const branch = machine.conditions.pop();
  if (branch === undefined) return "unbalanced_conditional";
  if (opcode === OP.ELSE) machine.conditions.push(!branch);
  return undefined;
}

function push(machine: Machine, { opcode }: Operation, data: Uint8Array): ScriptError | undefined {
  if (!runs(machine)) return undefined;
  if (machine.rules === "policy" && !isMinimalPush(opcode, data)) return "minimal_data";
  machine.stack.push(data);
  return undefined;
}

function execute(machine: Machine, opcode: number): ScriptError | undefined {
  if (opcode >= OP.IF && opcode <= OP.ENDIF) return conditional(machine, opcode);
  if (!runs(machine)) return undefined;
  if (opcode === OP.NEGATE1 || (opcode >= OP.ONE && opcode <= OP.SIXTEEN)) {
    machine.stack.push(scriptNumber(opcode - OP.RESERVED));
    return undefined;
  }
  const step = STEPS.get(opcode);
  if (step !== undefined) return step(machine);
  if (opcode < OP.NOP1 || opcode > OP.NOP10) return "bad_opcode";
  return machine.rules === "policy" ? "upgradable_nop" : undefined;
}

function runOperation(machine: Machine, operation: Operation): ScriptError | undefined {
  const { opcode, data } = operation;
  if (data !== undefined && data.length > MAX_ELEMENT_BYTES) return "push_size";
  if (opcode > OP.SIXTEEN) machine.operations++;
  if (machine.operations > MAX_OPERATIONS) return "operation_count";
  if (DISABLED.has(opcode)) return "disabled_opcode";
  const error = data === undefined ? execute(machine, opcode) : push(machine, operation, data);
  if (error !== undefined) return error;
  return machine.stack.length + machine.alternate.length > MAX_STACK_ELEMENTS ? "stack_size" : undefined;
}

/**
 * Runs a witness script over `stack`, which it changes: the error, or undefined where the script ran to its end. Whether it
 * left true is for the caller to look at. Opcodes that it lacks fail as unknown ones do. Source: BIP 141, BIP 143.
 */
export function runScript(
  script: Uint8Array,
  stack: Uint8Array[],
  rules: ScriptRules,
  context: SpendContext,
): ScriptError | undefined {
  if (script.length > MAX_SCRIPT_BYTES) return "script_size";
  const machine: Machine = { stack, alternate: [], conditions: [], operations: 0, rules, context };
  for (let at = 0; at < script.length; ) {
    const operation = readOperation(script, at);
    if (operation === undefined) return "bad_opcode";
    const error = runOperation(machine, operation);
    if (error !== undefined) return error;
    at = operation.next;
  }
  return machine.conditions.length > 0 ? "unbalanced_conditional" : undefined;
}
