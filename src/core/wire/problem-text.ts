import { MAX_PROBLEM_LENGTH } from "./limits.ts";

const HIGH_SURROGATE = /[\ud800-\udbff]$/;

/** The start of a text that an `error` may carry, not ending inside a character. */
export function cutProblem(text: string): string {
  return text.length <= MAX_PROBLEM_LENGTH ? text : text.slice(0, MAX_PROBLEM_LENGTH).replace(HIGH_SURROGATE, "");
}
