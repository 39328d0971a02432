import { describe, expect, it } from "vitest";
import { Ending } from "../support/endings.ts";

/** Endings tried; ENDINGS asks for a longer campaign, ENDING_SEED for those from a number on. */
const { ENDINGS, ENDING_SEED } = process.env;
const COUNT = Number(ENDINGS ?? 60);
const FIRST = Number(ENDING_SEED ?? 1);
const TIMEOUT = ENDINGS === undefined ? 180_000 : 24 * 3_600_000;

describe("channels that end on chain, in any way that signatures allow", () => {
  it(
    "[B2-36] [B2-37] [B2-38] [B2-39] [B2-40] [LS-24] cost an honest party nothing but its fees",
    () => {
      const failures: string[] = [];
      const kinds = { close: 0, current: 0, revoked: 0 };
      for (let seed = FIRST; seed < FIRST + COUNT; seed++) {
        const ending = new Ending(seed);
        try {
          ending.live();
          ending.end();
          ending.unwind();
          ending.check();
          kinds[ending.kind()]++;
        } catch (cause) {
          failures.push(`seed ${seed}: ${cause instanceof Error ? cause.message : String(cause)}\n${ending.report()}`);
        }
      }
      expect(failures.length, COUNT === 1 ? failures[0] : failures.map((text) => text.split("\n")[0]).join("\n")).toBe(
        0,
      );
      const { close, current, revoked } = kinds;
      console.info(`${close} closes, ${current} commitments that counted, ${revoked} older ones`);
      if (COUNT >= 60) expect(Math.min(close, current, revoked)).toBeGreaterThan(COUNT / 20);
    },
    TIMEOUT,
  );
});
