#!/usr/bin/env node
import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { addChainCommand } from "./chain-serve.ts";
import { addDemoCommand } from "./demo/command.ts";
import { EXIT, EXIT_CODES_HELP } from "./exit-code.ts";
import { addExplainCommand } from "./explain.ts";
import { asFailure } from "./failure.ts";
import { addLedgerCommand } from "./ledger-serve.ts";
import { addRestoreCommand } from "./restore.ts";
import { addStartCommand } from "./start/command.ts";
import { addVmCommand } from "./vm/command.ts";

function version(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  const described: unknown = JSON.parse(text);
  return typeof described === "object" && described !== null && "version" in described ? String(described.version) : "";
}

function program(finish: (exitCode: number) => void): Command {
  const sluice = new Command("sluice")
    .description("Off-chain payments: a node, a demo of it, and the machine that runs contracts.")
    .version(version())
    .exitOverride()
    .showHelpAfterError("(--help says what can be given)")
    .addHelpText("after", `\nExamples:\n  sluice demo\n  sluice start --help\n  sluice vm --help\n${EXIT_CODES_HELP}`);
  addDemoCommand(sluice, finish);
  addStartCommand(sluice, finish);
  addExplainCommand(sluice, finish);
  addRestoreCommand(sluice, finish);
  addChainCommand(sluice, finish);
  addLedgerCommand(sluice, finish);
  addVmCommand(sluice, finish);
  return sluice;
}

/** Runs one command line; resolves with the exit code. */
async function main(argv: readonly string[]): Promise<number> {
  let exitCode: number = EXIT.ok;
  try {
    await program((code) => {
      exitCode = code;
    }).parseAsync(argv, { from: "user" });
    return exitCode;
  } catch (cause) {
    // Commander has printed its message already; help and version come this way, too.
    if (cause instanceof CommanderError) return cause.exitCode === 0 ? EXIT.ok : EXIT.usage;
    const failure = asFailure(cause);
    process.stderr.write(`${failure.message}\n`);
    return failure.exitCode;
  }
}

// A reader that went away (`sluice demo | head -1`) ends the command as the system's own tools end; the exit removes what is ours.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (cause: NodeJS.ErrnoException) => process.exit(cause.code === "EPIPE" ? 141 : EXIT.failed));
}

process.exitCode = await main(process.argv.slice(2));
