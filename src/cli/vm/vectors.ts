import {
  assemble,
  describeFailure,
  type Finished,
  plainValue,
  type RunInput,
  referenceProfile,
  run,
  type Version,
} from "../../core/vm/index.ts";
import { fromHex, toHex } from "../../node/index.ts";

/** What became of one vector. */
export type Verdict = {
  readonly name: string;
  /** `differs`: under `hazard/`, where the machine may be stricter than the reference. */
  readonly outcome: "passed" | "failed" | "differs";
  /** What was expected and what came instead; empty where it passed. */
  readonly detail: string;
};

/** A file of vectors that can't be read, with the place within it. */
export class BadVectorFile extends Error {
  constructor(place: string, expected: string) {
    super(`${place} is not ${expected}`);
    this.name = "BadVectorFile";
  }
}

/** An object of JSON. The names that are asked for by themselves are those of the formats. */
type Fields = Readonly<Record<string, unknown>> & {
  readonly format?: unknown;
  readonly vectors?: unknown;
  readonly expected?: unknown;
  readonly kind?: unknown;
  readonly why?: unknown;
};

function fieldsOf(value: unknown, place: string): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new BadVectorFile(place, "an object");
  return Object.fromEntries(Object.entries(value));
}

function textOf(fields: Fields, name: string, place: string): string {
  const value = fields[name];
  if (typeof value !== "string") throw new BadVectorFile(`${place}.${name}`, "a text");
  return value;
}

function wholeOf(fields: Fields, name: string, place: string): number {
  const value = fields[name];
  if (typeof value !== "number" || !Number.isInteger(value)) {
    throw new BadVectorFile(`${place}.${name}`, "a whole number");
  }
  return value;
}

function bytesOf(fields: Fields, name: string, place: string): Uint8Array {
  const bytes = fromHex(textOf(fields, name, place));
  if (bytes === undefined) throw new BadVectorFile(`${place}.${name}`, "hexadecimal");
  return bytes;
}

function versionOf(fields: Fields, place: string): Version {
  const version = wholeOf(fields, "version", place);
  if (version !== 0 && version !== 1 && version !== 2) throw new BadVectorFile(`${place}.version`, "0, 1 or 2");
  return version;
}

function inputOf(fields: Fields, evidenceField: string, place: string): RunInput {
  return {
    evidence: bytesOf(fields, evidenceField, place),
    code: bytesOf(fields, "code_hex", place),
    version: versionOf(fields, place),
    height: wholeOf(fields, "height", place),
    timeGas: wholeOf(fields, "time_gas", place),
    spaceGas: wholeOf(fields, "space_gas", place),
    variableLimit: wholeOf(fields, "var_limit", place),
    functionLimit: wholeOf(fields, "fun_limit", place),
    profile: referenceProfile,
  };
}

/** A finished run in the fields of `chalang-vectors/1` and `chalang-bench/1`. */
function describedRun(input: RunInput, finished: Finished): Fields {
  return {
    stack: finished.stack.map(plainValue),
    alt: finished.secondStack.map(plainValue),
    time_gas_left: finished.timeLeft,
    time_gas_used: input.timeGas - finished.timeLeft,
    space_used: finished.spaceUsed,
    space_peak: finished.spacePeak,
    functions: finished.definitions,
    vars: Object.fromEntries([...finished.variables].map(([key, value]) => [String(key), plainValue(value)])),
  };
}

function sameJson(a: unknown, b: unknown): boolean {
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return a === b;
  const [left, right] = [Object.entries(a), Object.entries(b)];
  if (Array.isArray(a) !== Array.isArray(b) || left.length !== right.length) return false;
  const others = new Map(right);
  return left.every(([name, value]) => others.has(name) && sameJson(value, others.get(name)));
}

/** What is expected and not so, in words; empty where all is. Only the fields that the vector states count. */
function differences(expected: Fields, actual: Fields): string {
  const known = Object.keys(expected).filter((name) => name in actual);
  const different = known.filter((name) => !sameJson(expected[name], actual[name]));
  return different
    .map((name) => `${name}: expected ${JSON.stringify(expected[name])}, got ${JSON.stringify(actual[name])}`)
    .join("; ");
}

function checkRun(name: string, input: RunInput, expected: Fields): Verdict {
  const isHazard = name.startsWith("hazard/");
  const outcome = run(input);
  const { kind, why } = expected;
  const shouldSucceed = kind === undefined || kind === "ok";
  let detail = "";
  if (outcome.ok && !shouldSucceed)
    detail = `expected a failed run (${String(why ?? "no reason given")}), and it succeeded`;
  else if (!outcome.ok && shouldSucceed) detail = `expected success, and it failed: ${describeFailure(outcome.error)}`;
  else if (outcome.ok) detail = differences(expected, describedRun(input, outcome.value));
  return { name, outcome: detail === "" ? "passed" : isHazard ? "differs" : "failed", detail };
}

function checkAssembly(vector: Fields, place: string): Verdict {
  const name = textOf(vector, "name", place);
  const expected = fieldsOf(vector.expected, `${place}.expected`);
  const assembled = assemble(textOf(vector, "source", place));
  const wanted = expected.kind === "ok" ? textOf(expected, "code_hex", `${place}.expected`) : "an error";
  const got = assembled.ok ? toHex(assembled.value.code) : "an error";
  if (got === wanted) return { name, outcome: "passed", detail: "" };
  const why = assembled.ok ? "" : `: ${assembled.error.problem}`;
  return { name, outcome: "failed", detail: `expected ${wanted}, got ${got}${why}` };
}

/**
 * Runs every vector of a file under the reference profile. The formats are `chalang-vectors/1`, `chalang-asm-vectors/1` and `chalang-bench/1`.
 * Throws BadVectorFile for anything else.
 */
export function checkVectors(file: unknown): Verdict[] {
  const fields = fieldsOf(file, "the file");
  const { format, vectors } = fields;
  if (format === "chalang-bench/1") {
    const input = inputOf(fields, "scriptsig_hex", "the file");
    return [checkRun("bench", input, fieldsOf(fields.expected, "expected"))];
  }
  if (format !== "chalang-vectors/1" && format !== "chalang-asm-vectors/1") {
    throw new BadVectorFile(
      `the format ${JSON.stringify(format)}`,
      "one that is known: chalang-vectors/1, chalang-asm-vectors/1, chalang-bench/1",
    );
  }
  if (!Array.isArray(vectors)) throw new BadVectorFile("vectors", "a list");
  return vectors.map((vector: unknown, i) => {
    const place = `vectors[${i}]`;
    const one = fieldsOf(vector, place);
    if (format === "chalang-asm-vectors/1") return checkAssembly(one, place);
    const expected = fieldsOf(one.expected, `${place}.expected`);
    return checkRun(textOf(one, "name", place), inputOf(one, "scriptsig_hex", place), expected);
  });
}
