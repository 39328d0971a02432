import { type Command, InvalidArgumentError, Option } from "commander";
import {
  binaryValue,
  ledgerProfile,
  listOf,
  type RunInput,
  referenceProfile,
  type Value,
} from "../../core/vm/index.ts";
import { CONTRACT_FUNCTIONS, CONTRACT_VARIABLES, fromHex } from "../../node/index.ts";
import { type ProgramFile, readProgram } from "./program-file.ts";

/** The options of the commands that run a program, as commander gives them. */
export type RunOptions = {
  readonly input?: string;
  readonly profile: "ledger" | "reference";
  readonly opcodes: "0" | "1" | "2";
  readonly height: number;
  readonly timeGas: number;
  readonly spaceGas: number;
  readonly variables: number;
  readonly functions: number;
  readonly facts?: Value;
};

function readWhole(text: string): number {
  const number = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(number)) throw new InvalidArgumentError("Give a whole number, at most 2^53 - 1.");
  return number;
}

function readFacts(text: string): Value {
  const facts = text === "" ? [] : text.split(",").map(fromHex);
  const known = facts.filter((bytes) => bytes !== undefined);
  if (known.length < facts.length) throw new InvalidArgumentError("Give hexadecimal, separated by commas.");
  return listOf(known.map((bytes) => (bytes.length === 0 ? listOf([]) : binaryValue(bytes))));
}

export function addRunOptions(command: Command): Command {
  return command
    .option("--input <file>", "evidence: a program that runs first, as the contract's FILE")
    .addOption(
      new Option("--profile <name>", "signatures, hashing and caps").choices(["ledger", "reference"]).default("ledger"),
    )
    .addOption(new Option("--opcodes <version>", "version of the opcode set").choices(["0", "1", "2"]).default("2"))
    .option("--height <number>", "height that the opcode of this name pushes", readWhole, 0)
    .option("--time-gas <number>", "time gas of the run", readWhole, 100_000)
    .option("--space-gas <number>", "space gas of the run", readWhole, 100_000)
    .option("--variables <number>", "greatest key of a variable", readWhole, CONTRACT_VARIABLES)
    .option("--functions <number>", "definitions that a run may make", readWhole, CONTRACT_FUNCTIONS)
    .option(
      "--facts <hex,hex>",
      "a list that stands on the stack before the code: root (empty for none), contract id, channel id, ...",
      readFacts,
    );
}

const VERSIONS = { "0": 0, "1": 1, "2": 2 } as const;

/** A run as a command line asks for it. */
export type AskedRun = {
  readonly input: RunInput;
  readonly code: ProgramFile;
  readonly evidence: ProgramFile | undefined;
};

/** What the machine is given, of a contract's file and the options. */
export function askedRun(file: string, options: RunOptions): AskedRun {
  const evidence = options.input === undefined ? undefined : readProgram(options.input);
  const code = readProgram(file);
  const input = {
    evidence: evidence?.code ?? new Uint8Array(0),
    code: code.code,
    facts: options.facts,
    version: VERSIONS[options.opcodes],
    height: options.height,
    timeGas: options.timeGas,
    spaceGas: options.spaceGas,
    variableLimit: options.variables,
    functionLimit: options.functions,
    profile: options.profile === "ledger" ? ledgerProfile : referenceProfile,
  };
  return { input, code, evidence };
}
