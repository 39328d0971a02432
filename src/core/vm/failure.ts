import { assertNever } from "../base/index.ts";
import { opcodeName } from "./opcodes.ts";

/** Why a run failed, with the numbers. */
export type Reason =
  | { readonly type: "stack_underflow"; readonly needed: number; readonly found: number }
  | { readonly type: "second_stack_empty" }
  /** `expected`: what the opcode takes. */
  | { readonly type: "operand"; readonly expected: string }
  | { readonly type: "division_by_zero" }
  | { readonly type: "exponent"; readonly limit: number; readonly actual: number }
  | { readonly type: "split_range"; readonly length: number; readonly actual: number }
  | { readonly type: "variable_key"; readonly limit: number; readonly actual: number }
  | { readonly type: "undefined_opcode" }
  | { readonly type: "later_version"; readonly needed: number; readonly actual: number }
  | { readonly type: "truncated_immediate" }
  | { readonly type: "unclosed_if" }
  | { readonly type: "unclosed_function" }
  | { readonly type: "nested_function" }
  | { readonly type: "function_end_alone" }
  | { readonly type: "undefined_function" }
  | { readonly type: "function_limit"; readonly limit: number }
  | { readonly type: "fail" }
  | { readonly type: "return_in_evidence" }
  | { readonly type: "out_of_time" }
  | { readonly type: "out_of_space"; readonly limit: number; readonly actual: number }
  | { readonly type: "stack_limit"; readonly limit: number }
  | { readonly type: "value_limit"; readonly limit: number; readonly actual: number }
  | { readonly type: "created_limit"; readonly limit: number; readonly actual: number };

/** A failed run: what happened, and where. */
export type Failure = {
  readonly part: "evidence" | "code";
  /** Byte of that program at which the opcode stands. */
  readonly position: number;
  /** Undefined where the run failed before its first opcode. */
  readonly opcode: number | undefined;
  readonly reason: Reason;
};

/** A reason in words. */
export function describeReason(reason: Reason): string {
  switch (reason.type) {
    case "stack_underflow":
      return `the stack has ${reason.found} of the ${reason.needed} values that are needed`;
    case "second_stack_empty":
      return "the second stack is empty";
    case "operand":
      return `takes ${reason.expected}`;
    case "division_by_zero":
      return "division by zero";
    case "exponent":
      return `the exponent is ${reason.actual}, and at most ${reason.limit} is allowed`;
    case "split_range":
      return `a binary of ${reason.length} bytes can't be split after ${reason.actual}`;
    case "variable_key":
      return `the variable's key is ${reason.actual}, and keys go from 1 to ${reason.limit}`;
    case "undefined_opcode":
      return "no such opcode, or one that can't stand here";
    case "later_version":
      return `is there from version ${reason.needed} on, and the contract's is ${reason.actual}`;
    case "truncated_immediate":
      return "the program ends within this instruction";
    case "unclosed_if":
      return "an if without its else or its then in the same program, function or branch";
    case "unclosed_function":
      return "a function without its end in the same program or branch";
    case "nested_function":
      return "a function within a function";
    case "function_end_alone":
      return "the end of a function that was not begun";
    case "undefined_function":
      return "no function with this hash has been defined";
    case "function_limit":
      return `more than ${reason.limit} definitions`;
    case "fail":
      return "the program says fail";
    case "return_in_evidence":
      return "evidence may not return";
    case "out_of_time":
      return "out of time gas";
    case "out_of_space":
      return `out of space gas: ${reason.actual} used, ${reason.limit} allowed`;
    case "stack_limit":
      return `more than ${reason.limit} values on a stack`;
    case "value_limit":
      return `a value of ${reason.actual} bytes, and at most ${reason.limit} are allowed`;
    case "created_limit":
      return `the run has made ${reason.actual} bytes of values, and at most ${reason.limit} are allowed`;
    default:
      return assertNever(reason);
  }
}

/** A failure in words, such as `code, byte 3, + (opcode 50): the stack has 1 of the 2 values that are needed`. */
export function describeFailure({ part, position, opcode, reason }: Failure): string {
  if (opcode === undefined) return `${part}, before its first opcode: ${describeReason(reason)}`;
  const name = opcodeName(opcode);
  const what = name === undefined ? `opcode ${opcode}` : `${name} (opcode ${opcode})`;
  return `${part}, byte ${position}, ${what}: ${describeReason(reason)}`;
}
