// What must hold of the machine for any program: each check takes a seed, makes a program of it, and throws where something does not hold.
import { strict as assert } from "node:assert";
import { toHex } from "../../src/core/base/index.ts";
import {
  assemble,
  disassemble,
  gasReport,
  ledgerProfile,
  memoryOf,
  type Profile,
  plainValue,
  type RunInput,
  referenceProfile,
  run,
  trace,
} from "../../src/core/vm/index.ts";
import { type RandomNumbers, randomNumbers } from "../../src/testing/index.ts";
import { runByTheLetter } from "./chalang-by-the-letter.ts";
import { anyProgram } from "./chalang-programs.ts";

/** Whether the program ran to its end; a failed run is as good an outcome. */
export type Checked = { readonly good: boolean };

/** Without a cap that random programs reach, and without what the second machine does not know. */
const uncapped: Profile = { ...referenceProfile, hash: ledgerProfile.hash, verifySig: () => undefined };

const GAS = [100, 1_000, 10_000, 10_000, 10_000, 10_000];

function inputOf(random: RandomNumbers, profile: Profile): RunInput {
  const pick = () => GAS[random(GAS.length)] as number;
  return {
    evidence: random(6) === 0 ? anyProgram(random, 6) : new Uint8Array(0),
    code: anyProgram(random, 4 + random(30)),
    version: ([0, 1] as const)[random(12)] ?? 2,
    height: random(1 << 30),
    timeGas: pick() + random(20),
    spaceGas: 20 * pick() + random(400),
    variableLimit: random(4) === 0 ? random(5) : 20,
    functionLimit: random(4) === 0 ? random(5) : 20,
    profile,
  };
}

function described(seed: number, { evidence, code, profile, ...rest }: RunInput): string {
  return `seed ${seed}, ${profile.name}: ${JSON.stringify({ evidence: toHex(evidence), code: toHex(code), ...rest })}`;
}

function comparable(input: RunInput): ReturnType<typeof runByTheLetter> {
  const outcome = run(input);
  if (!outcome.ok) return undefined;
  const { stack, secondStack, timeLeft, spaceUsed, spacePeak, definitions, variables } = outcome.value;
  return {
    stack: stack.map(plainValue),
    alt: secondStack.map(plainValue),
    time: timeLeft,
    space: spaceUsed,
    peak: spacePeak,
    definitions,
    variables: [...variables].map(([key, value]) => [key, plainValue(value)]),
  };
}

/** The machine does what one does that is written by the letter of the rules. */
export function checkByTheLetter(seed: number): Checked {
  return compareByTheLetter(inputOf(randomNumbers(seed), uncapped), seed);
}

function compareByTheLetter(input: RunInput, seed: number): Checked {
  const expected = runByTheLetter(input);
  assert.deepEqual(comparable(input), expected, described(seed, input));
  return { good: expected !== undefined };
}

/** The same for a program that somebody wrote, with all the gas that it may want. */
export function checkSourceByTheLetter(source: string): Checked {
  const code = assemble(source);
  assert(code.ok, source);
  const limits = { timeGas: 10_000, spaceGas: 10_000, variableLimit: 9, functionLimit: 9 };
  const input = {
    evidence: new Uint8Array(0),
    code: code.value.code,
    version: 2,
    height: 1,
    profile: uncapped,
  } as const;
  return compareByTheLetter({ ...input, ...limits }, 0);
}

/** A run ends within its gas and never throws. The cheapest of the checks. */
export function checkRun(seed: number): Checked {
  const input = inputOf(randomNumbers(seed), ledgerProfile);
  const outcome = run(input);
  if (!outcome.ok) return { good: false };
  const { timeLeft, spacePeak, stack, secondStack, createdBytes, variables } = outcome.value;
  const { limits } = input.profile;
  assert(timeLeft >= 0 && spacePeak <= input.spaceGas, described(seed, input));
  assert(stack.length <= limits.stackItems && secondStack.length <= limits.stackItems, described(seed, input));
  assert(createdBytes <= limits.createdBytes, described(seed, input));
  for (const value of [...stack, ...secondStack, ...variables.values()]) {
    assert(memoryOf(value) <= limits.valueBytes, described(seed, input));
  }
  return { good: true };
}

/** Step by step, a run does the same as at once, within its limits at each step, and its gas report adds up. */
export function checkTrace(seed: number): Checked {
  const input = inputOf(randomNumbers(seed), ledgerProfile);
  const { limits } = input.profile;
  let steps = 0;
  const traced = trace(input, ({ timeLeft, spaceUsed, stackSize, stackTop }) => {
    steps++;
    const within = timeLeft >= 0 && spaceUsed <= input.spaceGas && stackSize <= limits.stackItems;
    assert(within && stackTop.every((value) => memoryOf(value) <= limits.valueBytes), described(seed, input));
  });
  // Every byte of a function that runs has been paid by its call.
  assert(steps <= input.evidence.length + input.code.length + input.timeGas, described(seed, input));
  assert.deepEqual(run(input), traced, described(seed, input));
  const { rows, opcodes, outcome } = gasReport(input);
  const sum = (field: "count" | "time" | "space") => rows.reduce((total, row) => total + row[field], 0);
  assert.deepEqual(outcome, traced, described(seed, input));
  assert.equal(sum("count"), opcodes);
  if (outcome.ok) {
    assert.equal(sum("time"), input.timeGas - outcome.value.timeLeft, described(seed, input));
    assert.equal(
      sum("space") + input.evidence.length + input.code.length,
      outcome.value.spaceUsed,
      described(seed, input),
    );
  }
  return { good: outcome.ok };
}

/** With more gas a run does the same; with less than it used it fails for that. */
export function checkGas(seed: number): Checked {
  const input = inputOf(randomNumbers(seed), ledgerProfile);
  const outcome = run(input);
  // What gas is left is data to a program with this opcode: with other gas, it may do something else.
  if (!outcome.ok || [...input.evidence, ...input.code].includes(96)) return { good: false };
  const { timeLeft, spacePeak } = outcome.value;
  const used = input.timeGas - timeLeft;
  const more = run({ ...input, timeGas: input.timeGas + 7, spaceGas: input.spaceGas + 7 });
  assert.deepEqual(more, { ok: true, value: { ...outcome.value, timeLeft: timeLeft + 7 } }, described(seed, input));
  const exact = run({ ...input, timeGas: used, spaceGas: spacePeak });
  assert.deepEqual(exact, { ok: true, value: { ...outcome.value, timeLeft: 0 } }, described(seed, input));
  const lessTime = run({ ...input, timeGas: used - 1 });
  assert(!lessTime.ok && lessTime.error.reason.type === "out_of_time", described(seed, input));
  const lessSpace = run({ ...input, spaceGas: spacePeak - 1 });
  assert(!lessSpace.ok && lessSpace.error.reason.type === "out_of_space", described(seed, input));
  return { good: true };
}

/** What is disassembled assembles to the same bytes, and without a warning. */
export function checkText(seed: number): Checked {
  const random = randomNumbers(seed);
  const program = anyProgram(random, 1 + random(40));
  const source = disassemble(program).map(({ position, text }) => `${text} % ${position}`);
  const again = assemble(source.join("\n"));
  const message = `seed ${seed}: ${toHex(program)}\n${source.join("\n")}`;
  assert(again.ok && again.value.warnings.length === 0, message);
  assert.equal(toHex(again.value.code), toHex(program), message);
  return { good: true };
}
