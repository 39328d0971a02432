import { describe, expect, it } from "vitest";
import { assemble, gasReport, ledgerProfile, type RunInput, type Step, trace, valueText } from "./index.ts";

function input(source: string, changes: Partial<RunInput> = {}): RunInput {
  const assembled = assemble(source);
  if (!assembled.ok) throw new Error(assembled.error.problem);
  const gas = { timeGas: 10_000, spaceGas: 10_000, variableLimit: 5, functionLimit: 5 };
  const { code } = assembled.value;
  return { evidence: new Uint8Array(0), code, version: 2, height: 1, ...gas, profile: ledgerProfile, ...changes };
}

function stepsOf(run: RunInput) {
  const steps: Step[] = [];
  const outcome = trace(run, (step) => steps.push(step));
  return { steps, outcome };
}

describe("trace", () => {
  it("shows each opcode with its place, its cost and the stack after it", () => {
    const { steps } = stepsOf(input("int 1 int 2 + "));
    expect(steps).toMatchObject([
      { part: "code", position: 0, opcode: 141, time: 1, space: 1, timeLeft: 9_999, spaceUsed: 4, stackTop: [1] },
      { part: "code", position: 1, opcode: 142, time: 1, space: 1, stackSize: 2, stackTop: [2, 1] },
      { part: "code", position: 2, opcode: 50, time: 1, space: -2, stackTop: [3] },
    ]);
  });

  it("follows ifs and calls, with the ends of functions, and without the jumps between branches", () => {
    const { steps } = stepsOf(input(": f int 1 if int 2 else int 3 then drop ; f call"));
    expect(steps.map(({ opcode, callDepth }) => [opcode, callDepth])).toEqual([
      ...[
        [110, 0],
        [2, 0],
        [113, 0],
      ],
      ...[
        [141, 1],
        [70, 1],
        [142, 1],
        [20, 1],
        [111, 1],
      ],
    ]);
  });

  it("ends before the opcode that fails, which is in the outcome", () => {
    const { steps, outcome } = stepsOf(input("int 1 fail int 2"));
    expect(steps).toHaveLength(1);
    expect(outcome).toMatchObject({ ok: false, error: { position: 1, opcode: 13 } });
  });
});

describe("gasReport", () => {
  it("adds up what each place cost", () => {
    const { rows, opcodes } = gasReport(
      input("int 3 f call : f drop ; f call", { evidence: input(": f drop ; int 2").code }),
    );
    expect(opcodes).toBe(12);
    const dropped = rows.filter(({ opcode }) => opcode === 20);
    // Both calls run the function that was defined last: in the evidence once, then in the code.
    expect(dropped).toMatchObject([
      { part: "evidence", position: 1, count: 1, time: 1, space: -6 },
      { part: "code", count: 1, time: 1, space: -6 },
    ]);
  });
});

describe("valueText", () => {
  it("writes ints, bytes and lists, cut to the width", () => {
    expect(valueText(-1)).toBe("4294967295");
    expect(valueText(Uint8Array.of(1, 255))).toBe("0x01ff");
    expect(valueText(new Uint8Array(0))).toBe('""');
    expect(valueText(new Uint8Array(100))).toBe(`0x${"0".repeat(30)}…`);
  });
});
