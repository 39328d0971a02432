import { describe, expect, it } from "vitest";
import { COMPILED_OPCODES } from "./compile.ts";
import { flowOperations } from "./flow-operations.ts";
import { intOperations, numberOperations } from "./number-operations.ts";
import { OP, OPCODE_WORDS, SMALL_INT } from "./opcodes.ts";
import { stackOperations } from "./stack-operations.ts";
import { stateOperations } from "./state-operations.ts";
import { valueOperations } from "./value-operations.ts";

describe("opcodes", () => {
  it("[AP-11] have each a number and a word of their own", () => {
    const numbers = Object.values(OP);
    expect(new Set(numbers).size).toBe(numbers.length);
    expect(Math.max(...numbers)).toBeLessThan(SMALL_INT);
    expect(new Set(OPCODE_WORDS.map(([word]) => word)).size).toBe(OPCODE_WORDS.length);
    expect(OPCODE_WORDS.map(([, opcode]) => opcode).sort((a, b) => a - b)).toEqual(numbers.sort((a, b) => a - b));
  });

  it("[AP-11] are done by one operation each", () => {
    const tables = [intOperations, stackOperations, numberOperations, valueOperations, stateOperations, flowOperations];
    const done = tables.flat().map(({ opcode }) => opcode);
    expect(new Set(done).size).toBe(done.length);
    expect(done.filter((opcode) => opcode < 0 || opcode >= COMPILED_OPCODES)).toEqual([]);
  });
});
