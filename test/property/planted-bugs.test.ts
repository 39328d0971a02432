import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { PLANTED_BUGS } from "../planted/bugs.ts";

describe("the list of planted bugs", () => {
  it("names each once, and fits the source as it is now", () => {
    expect(new Set(PLANTED_BUGS.map(({ name }) => name)).size).toBe(PLANTED_BUGS.length);
    for (const { name, edits } of PLANTED_BUGS) {
      expect(edits.length).toBeGreaterThan(0);
      for (const { file, find, replace } of edits) {
        const found = readFileSync(new URL(`../../${file}`, import.meta.url), "utf8").split(find).length - 1;
        expect({ name, file, found }).toEqual({ name, file, found: 1 });
        expect(replace).not.toBe(find);
      }
    }
  });
});
