// npm run fuzz:vm -- [--runs N] [--seed N]: random programs, a million by default. Each is checked to end within its gas and caps; every fourth is
// also compared with the second machine, traced, run with other gas, or disassembled and assembled, in turn. A failure says its seed.
import {
  type Checked,
  checkByTheLetter,
  checkGas,
  checkRun,
  checkText,
  checkTrace,
} from "../support/chalang-checks.ts";

function option(name: string, otherwise: number): number {
  const at = process.argv.indexOf(`--${name}`);
  const value = at < 0 ? otherwise : Number(process.argv[at + 1]);
  if (!Number.isSafeInteger(value) || value < 0) throw new Error(`--${name} takes a whole number`);
  return value;
}

const runs = option("runs", 1_000_000);
const first = option("seed", 0);
const ROTATING: readonly ((seed: number) => Checked)[] = [checkByTheLetter, checkTrace, checkGas, checkText];
const REPORTS = 20;

const begun = performance.now();
let good = 0;
let slowestMs = 0;
let slowestSeed = first;
for (let done = 0; done < runs; done++) {
  const seed = first + done;
  const before = performance.now();
  if (checkRun(seed).good) good++;
  const ms = performance.now() - before;
  if (ms > slowestMs) {
    slowestMs = ms;
    slowestSeed = seed;
  }
  if (done % 4 === 0) ROTATING[(done / 4) % ROTATING.length]?.(seed);
  if ((done + 1) % Math.ceil(runs / REPORTS) === 0 || done + 1 === runs) {
    const seconds = ((performance.now() - begun) / 1000).toFixed(0);
    const slowest = `slowest ${slowestMs.toFixed(1)} ms (seed ${slowestSeed})`;
    console.log(
      `${done + 1} runs, ${good} to their end, ${done + 1 - good} failed as they should; ${slowest}; ${seconds} s`,
    );
  }
}
