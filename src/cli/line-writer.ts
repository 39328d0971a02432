import { asFailure, type Failure } from "./failure.ts";
import { jsonLine } from "./json-line.ts";
import { type Output, painter } from "./terminal.ts";

/** Where a command that runs until it is ended writes what happens: lines of words, or lines of JSON with a `type` each. */
export type LineWriter = {
  line(words: string, fields: { readonly type: string }): void;
  /** Words go to standard error in any case, and a program reads `type` `error` too. */
  failed(failure: Failure): void;
};

function lineWriter(options: { readonly json: boolean }): LineWriter {
  const out: Output = process.stdout;
  const dim = painter(out);
  return {
    line(words, fields) {
      const at = new Date().toISOString();
      if (options.json) out.write(`${jsonLine({ at, ...fields })}\n`);
      else out.write(`${dim("dim", at)}  ${words}\n`);
    },
    failed({ code, message }) {
      process.stderr.write(`${message}\n`);
      if (options.json) out.write(`${jsonLine({ at: new Date().toISOString(), type: "error", code, message })}\n`);
    },
  };
}

/** Runs a command that writes lines, and ends the program with its exit code, or with that of the failure that it tells. */
export async function reporting(
  options: { readonly json: boolean },
  finish: (exitCode: number) => void,
  run: (writer: LineWriter) => Promise<number>,
): Promise<void> {
  const writer = lineWriter(options);
  try {
    finish(await run(writer));
  } catch (cause) {
    const failure = asFailure(cause);
    writer.failed(failure);
    finish(failure.exitCode);
  }
}
