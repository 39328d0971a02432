// A fixed share of what `npm run fuzz:vm` does.
import { describe, expect, it } from "vitest";
import {
  type Checked,
  checkByTheLetter,
  checkGas,
  checkRun,
  checkText,
  checkTrace,
} from "../support/chalang-checks.ts";

/** How many of so many programs ran to their end. */
function goodOf(check: (seed: number) => Checked, programs: number): number {
  let good = 0;
  for (let seed = 0; seed < programs; seed++) if (check(seed).good) good++;
  return good;
}

describe("Chalang machine, on random programs", { timeout: 120_000 }, () => {
  it("does what a machine does that is written by the letter of the rules", () => {
    // That many must run to their end, or the comparison says little; so below.
    expect(goodOf(checkByTheLetter, 1_500)).toBeGreaterThan(400);
  });

  it("[AP-13] ends within gas and caps", () => {
    expect(goodOf(checkRun, 4_000)).toBeGreaterThan(1_200);
  });

  it("[AP-13] does the same step by step, with gas reports that add up", () => {
    expect(goodOf(checkTrace, 300)).toBeGreaterThan(70);
  });

  it("[AP-13] does the same with more gas, and fails with less than it used", () => {
    expect(goodOf(checkGas, 600)).toBeGreaterThan(60);
  });

  it("assembles what it has disassembled to the same bytes", () => {
    expect(goodOf(checkText, 800)).toBe(800);
  });
});
