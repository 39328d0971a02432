import { execFileSync } from "node:child_process";
import { expect, it } from "vitest";
import { ALL_FAULTS, stormyWorld } from "../support/stormy-world.ts";

/** In a process of its own. */
function digestElsewhere(seed: number): string {
  const program = ".cache/processes/test/processes/stormy-world.js";
  return execFileSync(process.execPath, [program, `${seed}`], { encoding: "utf8" }).trim();
}

it("a world goes the same way in every process, to the byte", async () => {
  const here = (await stormyWorld(5, ALL_FAULTS)).trace.digest();
  expect(digestElsewhere(5)).toBe(here);
  expect(digestElsewhere(5)).toBe(here);
  expect(digestElsewhere(6)).not.toBe(here);
});
