import { readFileSync } from "node:fs";
import { type Assembly, assemble } from "../../core/vm/index.ts";
import { fromHex } from "../../node/index.ts";
import { EXIT } from "../exit-code.ts";
import { environmentFailure, Failure } from "../failure.ts";

/** Longest file that is read, in bytes. */
const GREATEST_FILE = 1 << 21;

/** The text of a file, or of standard input for `-`. */
export function readText(file: string): string {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file === "-" ? 0 : file);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw environmentFailure(
      "file",
      `${file} can't be read: ${why}. Check the file's name and its permissions.`,
      cause,
    );
  }
  if (bytes.length > GREATEST_FILE) {
    throw new Failure(
      EXIT.failed,
      "file_too_large",
      `${file} has ${bytes.length} bytes, and at most ${GREATEST_FILE} are read.`,
    );
  }
  return bytes.toString("utf8");
}

/** Assembles a file; its warnings go to standard error. */
export function assembleFile(file: string): Assembly {
  const assembled = assemble(readText(file));
  if (!assembled.ok) {
    const { place, problem } = assembled.error;
    throw new Failure(EXIT.failed, "source", `${file}:${place.line}:${place.column}: ${problem}`);
  }
  for (const { place, problem } of assembled.value.warnings) {
    process.stderr.write(`${file}:${place.line}:${place.column}: warning: ${problem}\n`);
  }
  return assembled.value;
}

/** A program that a file holds. */
export type ProgramFile = {
  readonly code: Uint8Array;
  /** Where in the file the instruction stands that begins at a byte, as FILE:LINE:COLUMN; undefined for byte code. */
  placeOf(position: number): string | undefined;
};

/** The program of a file: whose name ends in .fs, assembled; of any other, the hexadecimal text in it. */
export function readProgram(file: string): ProgramFile {
  if (file.endsWith(".fs")) {
    const { code, places } = assembleFile(file);
    const placeOf = (position: number) => {
      const found = places.findLast((one) => one.position <= position)?.place;
      return found === undefined ? undefined : `${file}:${found.line}:${found.column}`;
    };
    return { code, placeOf };
  }
  const code = fromHex(readText(file).replace(/\s+/g, ""));
  if (code !== undefined) return { code, placeOf: () => undefined };
  throw new Failure(
    EXIT.failed,
    "source",
    `${file} is not byte code in hexadecimal. The name of an assembler's source ends in .fs.`,
  );
}
