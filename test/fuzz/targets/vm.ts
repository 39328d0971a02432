import assert from "node:assert/strict";
import { BadVectorFile, checkVectors } from "../../../src/cli/vm/vectors.ts";
import { equalBytes } from "../../../src/core/base/index.ts";
import {
  assemble,
  disassemble,
  gasReport,
  ledgerProfile,
  memoryOf,
  plainValue,
  readContractResult,
  referenceProfile,
  run,
  trace,
  valueText,
} from "../../../src/core/vm/index.ts";
import {
  type Checked,
  checkByTheLetter,
  checkGas,
  checkRun,
  checkText,
  checkTrace,
} from "../../support/chalang-checks.ts";
import { bytesOf, Choices, type Outcome, type Target, textOf, words } from "../target.ts";

const ROTATING: readonly ((seed: number) => Checked)[] = [checkByTheLetter, checkTrace, checkGas, checkText];

/** A program made at random of a seed; one in four is also compared, traced, run with other gas, or disassembled. */
function program(input: Uint8Array): Outcome {
  const choices = new Choices(input);
  const seed = choices.uint(6);
  const { good } = checkRun(seed);
  const which = choices.below(16);
  if (which < ROTATING.length) ROTATING[which]?.(seed);
  return `${good}`;
}

const VERSIONS = [2, 2, 1, 0] as const;

/** Bytes as they come, as evidence and as code. */
function bytes(input: Uint8Array): Outcome {
  const choices = new Choices(input);
  const profile = choices.below(2) === 0 ? ledgerProfile : referenceProfile;
  const version = choices.pick(VERSIONS);
  const evidence = choices.take(choices.below(8) === 0 ? choices.below(60) : 0);
  const limits = { timeGas: 20_000, spaceGas: 20_000, variableLimit: 9, functionLimit: 9 };
  const runInput = { evidence, code: choices.rest(), version, height: 7, profile, ...limits };
  const outcome = run(runInput);
  let steps = 0;
  const traced = trace(runInput, ({ timeLeft, stackSize }) => {
    steps++;
    assert.ok(timeLeft >= 0 && stackSize <= profile.limits.stackItems);
  });
  assert.deepEqual(traced, outcome, "step by step it does the same as at once");
  assert.equal(gasReport(runInput).opcodes, steps);
  const lines = disassemble(runInput.code).map(({ position, text }) => `${text} % ${position}`);
  const again = assemble(lines.join("\n"));
  assert.ok(again.ok, "what is disassembled assembles");
  assert.ok(equalBytes(again.value.code, runInput.code));
  if (!outcome.ok) return outcome.error.reason.type;
  for (const value of outcome.value.stack) {
    assert.ok(memoryOf(value) <= profile.limits.valueBytes);
    plainValue(value);
    valueText(value);
  }
  const result = readContractResult(outcome.value.stack);
  return `ran ${result.ok}`;
}

/** What assembles disassembles to a source of the same bytes. */
function source(input: Uint8Array): Outcome {
  const assembled = assemble(textOf(input));
  if (!assembled.ok) {
    const { place } = assembled.error;
    assert.ok(place.line >= 1 && place.column >= 1);
    return "problem";
  }
  const { code } = assembled.value;
  const again = assemble(
    disassemble(code)
      .map(({ text }) => text)
      .join("\n"),
  );
  assert.ok(again.ok && equalBytes(again.value.code, code));
  return `assembled ${assembled.value.warnings.length > 0}`;
}

/** A file for `sluice vm check`. */
function vectors(input: Uint8Array): Outcome {
  let file: unknown;
  try {
    file = JSON.parse(textOf(input));
  } catch {
    return "no JSON";
  }
  try {
    return checkVectors(file).map(({ outcome }) => outcome);
  } catch (cause) {
    if (!(cause instanceof BadVectorFile)) throw cause;
    return cause.message.replaceAll(/\d+|"[^"]*"/g, "#").slice(0, 60);
  }
}

const RUN = {
  ...{ name: "a", scriptsig_hex: "", code_hex: "8d8d32", version: 2, height: 1 },
  ...{ time_gas: 100, space_gas: 100, var_limit: 5, fun_limit: 5 },
  expected: { kind: "ok", stack: [2] },
};

const WORDS = ["int ", "binary ", ": ", " ; ", "if ", "else ", "then ", "dup ", "drop ", "macro ", "call ", "( ", " )"];

export const VM: readonly Target[] = [
  {
    name: "vm-program",
    about: "random programs of the contract machine, against a second machine, traced, with other gas",
    seeds: () => [0, 1, 2, 3].map((which) => Uint8Array.of(0, 0, 0, 0, 0, which, which)),
    longest: 7,
    run: program,
  },
  {
    name: "vm-bytes",
    about: "any bytes as byte code",
    seeds: () => [
      Uint8Array.of(0, 0, 1, 141, 142, 50),
      Uint8Array.of(0, 0, 1, 110, 21, 50, 111, 141, 112),
      Uint8Array.of(1, 0, 1, 2, 0, 0, 0, 2, 9, 9, 40),
    ],
    longest: 400,
    run: bytes,
  },
  {
    name: "vm-source",
    about: "sources for the assembler",
    seeds: () => [
      bytesOf(": square dup * ;\n5 square call 25 =="),
      bytesOf("binary 2 AQI= hash % comment\nmacro two int 2 ; two two +"),
      bytesOf("int4 7 int1 1 if drop else dup then"),
    ],
    dictionary: words(...WORDS, "%", "\n", "-1", "4294967296", "def ", "recurse "),
    longest: 600,
    run: source,
  },
  {
    name: "vm-vectors",
    about: "files for `sluice vm check`",
    seeds: () => [
      bytesOf(JSON.stringify({ format: "chalang-vectors/1", vectors: [RUN] })),
      bytesOf(JSON.stringify({ ...RUN, format: "chalang-bench/1" })),
      bytesOf(
        JSON.stringify({
          format: "chalang-asm-vectors/1",
          vectors: [{ name: "a", source: "int 5", expected: { kind: "ok", code_hex: "0000000005" } }],
        }),
      ),
    ],
    dictionary: words('"expected":', '"stack":', "null", "{}", "[]", "-1", "1e15", "9007199254740991", "__proto__"),
    longest: 1_000,
    run: vectors,
  },
];
