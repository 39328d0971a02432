// A fixed share of what `npm run fuzz -- --target vm-program` does.
import { describe, expect, it } from "vitest";
import {
  type Checked,
  checkByTheLetter,
  checkGas,
  checkRun,
  checkSourceByTheLetter,
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

  // Branches and definitions that cut each other: ends of functions stand alone then, and calls before them take them away.
  it.each([
    ["int 1 if f call else #6e int 6 then #6f", true],
    ["int 0 if f call else #6e int 6 then #6f", false],
    ["int 1 if #6e else f call #6f int 3 then", false],
    ["int 0 if #6e else f call #6f int 3 then", true],
    ["int 0 if #6e else f call #6f then", true],
    ["int 0 if #6e int 5 else int 6 then int 7 #6f", true],
    ["int 1 if #6e int 5 else int 6 then int 7 #6f", false],
    ["int 1 if int 1 if f call else #6e int 6 then #6f else then int 4", true],
    ["int 1 if int 1 if f call else #6e int 6 then #6f else #6e int 7 then #6f", true],
    ["int 1 if int 1 if f call else #6e int 6 then #6f int 2 else #6e int 7 then #6f", true],
    ["int 1 if int 0 if f call else int 8 then else #6e int 7 then #6f int 9", true],
    ["int 1 if int 2 else int 3 else int 4 then int 5", true],
    ["int 0 if int 2 else int 3 else int 4 then int 5", false],
    ["int 1 if int 2 then int 3 else int 4 then", false],
    ["int 0 if int 2 then int 3 else int 4 then", true],
  ])("cuts %j as the letter of the rules does", (source, good) => {
    expect(checkSourceByTheLetter(`: f int 1 ; ${source}`)).toEqual({ good });
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
