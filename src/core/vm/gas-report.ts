import type { Result } from "../base/index.ts";
import type { Failure } from "./failure.ts";
import type { Finished, RunInput } from "./run.ts";
import { trace } from "./trace.ts";

/** What one opcode of a program cost in a run, all its executions together. */
export type GasRow = {
  readonly part: "evidence" | "code";
  readonly position: number;
  readonly opcode: number;
  readonly count: number;
  readonly time: number;
  readonly space: number;
};

/** What a run cost, place by place. */
export type GasReport = {
  /** In the order of the programs. The times add up to the time used; the spaces and the programs' lengths to the space used. */
  readonly rows: readonly GasRow[];
  readonly opcodes: number;
  readonly outcome: Result<Finished, Failure>;
};

/** Runs, and adds up what each place of the programs cost. What a failing opcode would have cost is not in it. */
export function gasReport(input: RunInput): GasReport {
  const rows = new Map<string, GasRow>();
  let opcodes = 0;
  const outcome = trace(input, ({ part, position, opcode, time, space }) => {
    const key = `${part} ${position}`;
    const known = rows.get(key) ?? { part, position, opcode, count: 0, time: 0, space: 0 };
    rows.set(key, { ...known, count: known.count + 1, time: known.time + time, space: known.space + space });
    opcodes++;
  });
  const order = (row: GasRow) => (row.part === "evidence" ? -1 : 1);
  const sorted = [...rows.values()].sort((a, b) => order(a) - order(b) || a.position - b.position);
  return { rows: sorted, opcodes, outcome };
}
