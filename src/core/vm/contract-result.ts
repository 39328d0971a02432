import { assertNever, err, ok, type Result } from "../base/index.ts";
import { isList, type Value } from "./value.ts";

/** The whole stakes: an amount is in parts of this. */
export const GRANULARITY = 10_000;

/** What a contract's run says. Source: AP-2, AP-9; seed 004. */
export type ContractResult = {
  /** The contract's new root, 32 bytes, or undefined for none. */
  readonly root: Uint8Array | undefined;
  /** The beneficiary's share of the stakes, in parts of `GRANULARITY`. */
  readonly amount: number;
  readonly nonce: number;
  /** Ticks of the ledger's clock until the result counts; 0: at once. */
  readonly delay: number;
};

/** Why a stack is not the result of a contract. */
export type NoContractResult =
  | { readonly type: "too_few_values"; readonly needed: number; readonly found: number }
  | { readonly type: "root_shape" }
  | { readonly type: "not_an_int"; readonly what: "amount" | "nonce" | "delay" }
  | { readonly type: "amount_above_granularity"; readonly limit: number; readonly actual: number };

/** The same in words. */
export function describeNoContractResult(problem: NoContractResult): string {
  switch (problem.type) {
    case "too_few_values":
      return `the stack has ${problem.found} of the ${problem.needed} values`;
    case "root_shape":
      return "the root, on top, has neither 32 bytes nor is it the empty list";
    case "not_an_int":
      return `the ${problem.what} is not an int`;
    case "amount_above_granularity":
      return `the amount is ${problem.actual}, and at most ${problem.limit} is allowed`;
    default:
      return assertNever(problem);
  }
}

function readRoot(value: Value | undefined): Result<Uint8Array | undefined, NoContractResult> {
  if (value instanceof Uint8Array && value.length === 32) return ok(value);
  const isNil = value !== undefined && isList(value) && value.length === 0;
  return isNil ? ok(undefined) : err({ type: "root_shape" });
}

/**
 * Reads a contract's result from a stack, the top first: root (32 bytes, or the empty list), amount, nonce, delay. What lies under them does
 * not matter. Any other shape is a failed run.
 */
export function readContractResult(stack: readonly Value[]): Result<ContractResult, NoContractResult> {
  const [first, amount, nonce, delay] = stack;
  if (stack.length < 4) return err({ type: "too_few_values", needed: 4, found: stack.length });
  const root = readRoot(first);
  if (!root.ok) return root;
  if (typeof amount !== "number") return err({ type: "not_an_int", what: "amount" });
  if (typeof nonce !== "number") return err({ type: "not_an_int", what: "nonce" });
  if (typeof delay !== "number") return err({ type: "not_an_int", what: "delay" });
  const actual = amount >>> 0;
  if (actual > GRANULARITY) return err({ type: "amount_above_granularity", limit: GRANULARITY, actual });
  return ok({ root: root.value, amount: actual, nonce: nonce >>> 0, delay: delay >>> 0 });
}
