import { type Command, InvalidArgumentError } from "commander";
import {
  describeFailure,
  disassemble,
  gasReport,
  type Failure as RunFailure,
  type RunInput,
  run,
  trace,
} from "../../core/vm/index.ts";
import { possibleEnds, readTerms, readyMade, toHex } from "../../node/index.ts";
import { EXIT, EXIT_CODES_HELP } from "../exit-code.ts";
import { asFailure, Failure } from "../failure.ts";
import { jsonLine } from "../json-line.ts";
import { assembleFile, readProgram, readText } from "./program-file.ts";
import { describedLines, gasLines, runFields, runLines, stepFields, traceHeading, traceLine } from "./report.ts";
import { type AskedRun, addRunOptions, askedRun, type RunOptions } from "./run-options.ts";
import { BadVectorFile, checkVectors, type Verdict } from "./vectors.ts";

type Json = { readonly json: boolean };

function print(lines: readonly string[]): void {
  process.stdout.write(lines.map((line) => `${line}\n`).join(""));
}

function failedRun(json: boolean, asked: AskedRun, failure: RunFailure): Failure {
  const message = describeFailure(failure);
  const place = asked[failure.part]?.placeOf(failure.position);
  if (json) print([jsonLine({ type: "failed_run", ...failure, place: place ?? null, message })]);
  const where = place === undefined || failure.opcode === undefined ? "" : ` (${place})`;
  return new Failure(EXIT.failed, "failed_run", `the run failed: ${message}${where}`);
}

function assembleCommand(file: string, { json }: Json): number {
  const { code, variables, functions } = assembleFile(file);
  if (!json) {
    print([toHex(code)]);
    // A word that is misspelt is a variable: so they are named, and the byte code stays alone on standard output.
    const named = [...variables].map(([name, key]) => `${JSON.stringify(name).slice(1, -1)} (${key})`);
    if (named.length > 0) process.stderr.write(`variables: ${named.join(", ")}\n`);
  } else {
    const names = { variables: Object.fromEntries(variables), functions: Object.fromEntries(functions) };
    print([JSON.stringify({ type: "assembly", code: toHex(code), ...names })]);
  }
  return EXIT.ok;
}

function disassembleCommand(file: string, { json }: Json): number {
  const lines = disassemble(readProgram(file).code);
  if (json) print(lines.map((line) => jsonLine({ type: "instruction", ...line })));
  else print(lines.map(({ text, depth, position }) => `${`${"  ".repeat(depth)}${text}`.padEnd(40)} % ${position}`));
  return EXIT.ok;
}

function runCommand(file: string, options: RunOptions & Json & { readonly gas: boolean }): number {
  const asked = askedRun(file, options);
  const { input } = asked;
  const report = options.gas ? gasReport(input) : undefined;
  const outcome = report?.outcome ?? run(input);
  if (report !== undefined)
    print(options.json ? [jsonLine({ type: "gas", ...report, outcome: undefined })] : gasLines(input, report));
  if (!outcome.ok) throw failedRun(options.json, asked, outcome.error);
  print(options.json ? [jsonLine(runFields(input, outcome.value))] : runLines(input, outcome.value));
  return EXIT.ok;
}

function traced(input: RunInput, options: Json & { readonly steps: number }): ReturnType<typeof run> {
  let lines: string[] = options.json ? [] : [traceHeading()];
  let steps = 0;
  const outcome = trace(input, (step) => {
    steps++;
    if (steps <= options.steps) lines.push(options.json ? jsonLine(stepFields(input, step)) : traceLine(input, step));
    if (lines.length < 1_000) return;
    print(lines);
    lines = [];
  });
  if (steps > options.steps && !options.json)
    lines.push(`${steps - options.steps} more are not shown: --steps shows them`);
  print(lines);
  return outcome;
}

function traceCommand(file: string, options: RunOptions & Json & { readonly steps: number }): number {
  const asked = askedRun(file, options);
  const { input } = asked;
  const outcome = traced(input, options);
  if (!outcome.ok) throw failedRun(options.json, asked, outcome.error);
  print(options.json ? [jsonLine(runFields(input, outcome.value))] : ["", ...runLines(input, outcome.value)]);
  return EXIT.ok;
}

function verdictsOf(file: string): Verdict[] {
  const text = readText(file);
  try {
    return checkVectors(JSON.parse(text));
  } catch (cause) {
    if (!(cause instanceof BadVectorFile || cause instanceof SyntaxError)) throw cause;
    throw new Failure(EXIT.usage, "vectors", `${file} is no file of vectors: ${cause.message}.`);
  }
}

function checkCommand(file: string, { json }: Json): number {
  const verdicts = verdictsOf(file);
  const count = (outcome: Verdict["outcome"]) => verdicts.filter((verdict) => verdict.outcome === outcome).length;
  const [passed, failed, differ] = [count("passed"), count("failed"), count("differs")];
  const others = verdicts.filter(({ outcome }) => outcome !== "passed");
  if (json)
    print([
      ...others.map((verdict) => jsonLine({ type: "vector", ...verdict })),
      jsonLine({ type: "checked", passed, failed, differ }),
    ]);
  else {
    print(others.map(({ outcome, name, detail }) => `${outcome}: ${name}: ${detail}`));
    if (differ > 0)
      print([`${differ} under hazard/ differ, which they may: the machine is bounded where the reference is not`]);
    print([`${passed} passed, ${failed} failed`]);
  }
  return failed === 0 ? EXIT.ok : EXIT.failed;
}

/** What a code is, where it is a ready-made contract's. */
function describeCommand(file: string, { json }: Json): number {
  const terms = readTerms(readProgram(file).code);
  const made = terms === undefined ? undefined : readyMade(terms);
  if (terms === undefined || made?.ok !== true) {
    throw new Failure(
      EXIT.failed,
      "not_ready_made",
      `${file} holds no ready-made contract's code: run it, or trace it.`,
    );
  }
  const ends = possibleEnds(terms);
  const { codeHash, timeGas, spaceGas } = made.value.leaf;
  if (json) print([jsonLine({ type: "ready_made", terms, ends, codeHash, timeGas, spaceGas })]);
  else print(describedLines({ terms, ends, codeHash, timeGas, spaceGas }));
  return EXIT.ok;
}

function readSteps(text: string): number {
  const steps = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isNaN(steps)) throw new InvalidArgumentError("Give a whole number.");
  return steps;
}

const FILES = `
A FILE whose name ends in .fs is assembler source; any other holds byte code in
hexadecimal. - is standard input.
`;

export function addVmCommand(program: Command, finish: (exitCode: number) => void): void {
  const vm = program
    .command("vm")
    .description("the contract machine: write, run and trace contracts")
    .addHelpText(
      "after",
      "\nExamples:\n  sluice vm run contract.fs --input evidence.fs\n  sluice vm trace contract.fs --help",
    );
  const does = <O extends Json>(act: (file: string, options: O) => number) => {
    return (file: string, options: O) => {
      try {
        finish(act(file, options));
      } catch (cause) {
        const failure = asFailure(cause);
        process.stderr.write(`${failure.message}\n`);
        if (options.json && failure.code !== "failed_run") {
          print([jsonLine({ type: "error", code: failure.code, message: failure.message })]);
        }
        finish(failure.exitCode);
      }
    };
  };
  const help = (example: string) => `${FILES}\nExample:\n  ${example}\n${EXIT_CODES_HELP}`;
  addRunOptions(
    vm
      .command("run")
      .argument("<file>", "the contract")
      .summary("runs a contract")
      .description("Runs a contract's code, after its evidence."),
  )
    .option("--gas", "what each place of the programs cost, the dearest first", false)
    .option("--json", "the outcome is a JSON object with a type", false)
    .addHelpText("after", help("sluice vm run hashlock.fs --input secret.fs --height 700"))
    .action(does(runCommand));
  addRunOptions(
    vm
      .command("trace")
      .argument("<file>", "the contract")
      .summary("runs a contract step by step")
      .description("Runs a contract and shows every opcode: its cost, what is left, and the stack after it."),
  )
    .option("--steps <number>", "most opcodes that are shown", readSteps, 10_000)
    .option("--json", "each line is a JSON object with a type", false)
    .addHelpText("after", help("sluice vm trace hashlock.fs --input secret.fs"))
    .action(does(traceCommand));
  vm.command("asm")
    .argument("<file>", "assembler source")
    .summary("assembles a source")
    .description("Prints the byte code of an assembler source in hexadecimal.")
    .option("--json", "the byte code, variables and functions as a JSON object", false)
    .addHelpText("after", `\nExample:\n  sluice vm asm hashlock.fs > hashlock.hex\n${EXIT_CODES_HELP}`)
    .action(does(assembleCommand));
  vm.command("disasm")
    .argument("<file>", "byte code")
    .summary("shows byte code as source")
    .description(
      "Prints byte code as source that assembles to the same bytes, with the byte at which each line stands.",
    )
    .option("--json", "each line is a JSON object with a type", false)
    .addHelpText("after", help("sluice vm disasm hashlock.hex"))
    .action(does(disassembleCommand));
  vm.command("describe")
    .argument("<file>", "a contract's code")
    .summary("says what a ready-made contract pays to whom")
    .description(
      "Says of the code of a ready-made contract what its terms are and how it can end. Any other code is an error: what it does can't be told without running it.",
    )
    .option("--json", "a JSON object with a type", false)
    .addHelpText("after", help("sluice vm describe offered.hex"))
    .action(does(describeCommand));
  vm.command("check")
    .argument("<file>", "vectors in JSON")
    .summary("runs a file of vectors")
    .description("Runs a file of vectors under the reference profile, and says which do not come out as expected.")
    .option("--json", "each line is a JSON object with a type", false)
    .addHelpText("after", `\nExample:\n  sluice vm check test/vectors/chalang/vectors-public.json\n${EXIT_CODES_HELP}`)
    .action(does(checkCommand));
}
