// The speed of the contract machine, on the loop that the reference machine was measured with: test/vectors/chalang/bench.json.
import { readFileSync } from "node:fs";
import { fromHex } from "../src/core/base/index.ts";
import { describeFailure, plainValue, referenceProfile, run } from "../src/core/vm/index.ts";

/** The fields of a file of the format chalang-bench/1 that are used here. */
type Loop = {
  readonly code_hex: string;
  readonly time_gas: number;
  readonly space_gas: number;
  readonly height: number;
  readonly var_limit: number;
  readonly fun_limit: number;
  readonly opcodes_executed_exact: number;
  readonly expected: { readonly stack: readonly string[]; readonly time_gas_used: number; readonly space_peak: number };
  readonly reference: { readonly opcodes_per_second_median: number };
};

export type ChalangRow = {
  readonly opcodes: number;
  readonly runs: number;
  readonly bestPerSecond: number;
  readonly medianPerSecond: number;
  /** By CPU time instead of wall time: what counts where the machine is shared. */
  readonly medianPerCpuSecond: number;
  readonly referencePerSecond: number;
};

const RUNS = 15;

function middle(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN;
}

/** Runs the loop as often as the reference did, and checks each result. */
export function chalangRow(): ChalangRow {
  const loop: Loop = JSON.parse(readFileSync("test/vectors/chalang/bench.json", "utf8"));
  const code = fromHex(loop.code_hex) ?? new Uint8Array(0);
  const walls: number[] = [];
  const cpus: number[] = [];
  for (let i = 0; i < RUNS; i++) {
    const [wall, cpu] = [performance.now(), process.cpuUsage()];
    const outcome = run({
      evidence: new Uint8Array(0),
      code,
      version: 2,
      height: loop.height,
      timeGas: loop.time_gas,
      spaceGas: loop.space_gas,
      variableLimit: loop.var_limit,
      functionLimit: loop.fun_limit,
      profile: referenceProfile,
    });
    walls.push((performance.now() - wall) / 1000);
    cpus.push(process.cpuUsage(cpu).user / 1e6);
    if (!outcome.ok) throw new Error(describeFailure(outcome.error));
    const { stack, timeLeft, spacePeak } = outcome.value;
    const got = JSON.stringify([stack.map((value) => plainValue(value)), loop.time_gas - timeLeft, spacePeak]);
    const { expected } = loop;
    const wanted = JSON.stringify([expected.stack, expected.time_gas_used, expected.space_peak]);
    if (got !== wanted) throw new Error(`the loop gave ${got}, not ${wanted}`);
  }
  const opcodes = loop.opcodes_executed_exact;
  return {
    opcodes,
    runs: RUNS,
    bestPerSecond: Math.round(opcodes / Math.min(...walls)),
    medianPerSecond: Math.round(opcodes / middle(walls)),
    medianPerCpuSecond: Math.round(opcodes / middle(cpus)),
    referencePerSecond: loop.reference.opcodes_per_second_median,
  };
}

/** The row as a table for people. */
export function printChalangRow(row: ChalangRow): void {
  const millions = (perSecond: number) => Number((perSecond / 1e6).toFixed(1));
  console.log(`Chalang, ${row.opcodes} opcodes of a tight loop, ${row.runs} runs, millions of opcodes a second:`);
  console.table([
    {
      best: millions(row.bestPerSecond),
      median: millions(row.medianPerSecond),
      "median by CPU": millions(row.medianPerCpuSecond),
      "reference (its own machine)": millions(row.referencePerSecond),
    },
  ]);
}
