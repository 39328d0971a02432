import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { type Command, Option } from "commander";
import { EXIT, EXIT_CODES_HELP } from "../exit-code.ts";
import { asFailure } from "../failure.ts";
import { duration } from "../format.ts";
import { Interrupted, takeSignals } from "../interruption.ts";
import { jsonLine } from "../json-line.ts";
import { painter } from "../terminal.ts";
import { bitcoindDemoChain } from "./bitcoind-demo-chain.ts";
import type { Books } from "./books.ts";
import { DEMO_CHAINS, type DemoChain, type DemoChainName } from "./demo-chain.ts";
import { openFolder } from "./demo-folder.ts";
import { embeddedDemoChain } from "./embedded-demo-chain.ts";
import { narrator as makeNarrator } from "./narrator.ts";
import { resources as makeResources } from "./resources.ts";
import { playDemo, STEP_COUNT } from "./story.ts";

type DemoOptions = { readonly chain: DemoChainName; readonly keep?: string; readonly json: boolean };

function starter(name: DemoChainName, directory: string): () => Promise<DemoChain> {
  return name === "embedded" ? embeddedDemoChain : () => bitcoindDemoChain(join(directory, "bitcoind"));
}

/** Plays the demo from an empty folder to an empty machine, whatever happens in between. */
async function play(options: DemoOptions): Promise<number> {
  const output = options.json ? process.stderr : process.stdout;
  const narrator = makeNarrator(output, STEP_COUNT);
  const resources = makeResources();
  const interruption = takeSignals();
  const tally = { sent: 0, settled: 0, failed: 0 };
  const from = performance.now();
  let disturb: (cause: unknown) => void = () => {};
  const disturbed = new Promise<never>((_, reject) => {
    disturb = reject;
  });
  // Nobody waits for it any more while everything is being stopped.
  disturbed.catch(() => {});
  void interruption.came.then(disturb);
  let books: Books | undefined;
  let trouble: { readonly cause: unknown } | undefined;

  async function playInFolder(): Promise<void> {
    const folder = openFolder(options.keep);
    const { path: directory } = folder;
    narrator.say("Sluice: two nodes, one payment channel, 1,000 payments in both directions.");
    narrator.say(`Files are in ${directory} ${folder.kept ? "and stay there" : "and are removed at the end"}.\n`);
    try {
      const startChain = starter(options.chain, directory);
      const stage = { narrator, resources, tally, directory, startChain, disturb };
      books = await Promise.race([playDemo(stage), disturbed]);
    } finally {
      narrator.fallSilent();
      try {
        await resources.stopAll();
      } finally {
        folder.remove();
      }
    }
  }

  try {
    await playInFolder();
  } catch (cause) {
    trouble = { cause };
  }
  interruption.dispose();

  const conserved = books !== undefined && books.problems.length === 0;
  const ok = conserved && trouble === undefined;
  const end = describeEnd(trouble, conserved, options.keep !== undefined);
  const paint = painter(output);
  const took = duration(performance.now() - from);
  if (ok) narrator.say(`\n${paint("green", "Everything adds up")}, to the satoshi, in ${took}.`);
  else process.stderr.write(`\n${painter(process.stderr)("red", end.headline)} ${end.message}\n`);
  if (options.json) {
    const error = ok ? {} : { error: { step: narrator.current ?? null, code: end.code, message: end.message } };
    const { chain } = options;
    const report = { ok, chain, steps: narrator.steps, payments: tally, balances: books?.balances ?? null, conserved };
    process.stdout.write(`${jsonLine({ ...report, ...error })}\n`);
  }
  return end.exitCode;
}

type End = { readonly exitCode: number; readonly code: string; readonly headline: string; readonly message: string };

function describeEnd(trouble: { readonly cause: unknown } | undefined, conserved: boolean, kept: boolean): End {
  const headline = "The demo failed:";
  if (trouble === undefined) {
    if (conserved) return { exitCode: EXIT.ok, code: "ok", headline: "", message: "" };
    return { exitCode: EXIT.failed, code: "not_conserved", headline, message: "the balances do not add up." };
  }
  const { cause } = trouble;
  if (cause instanceof Interrupted) {
    const message = kept ? "Everything was stopped." : "Everything was stopped and removed.";
    return { exitCode: cause.exitCode, code: "interrupted", headline: `${cause.message}.`, message };
  }
  const { exitCode, code, message } = asFailure(cause);
  return { exitCode, code, headline, message };
}

const HELP = `
Examples:
  sluice demo                         on a chain in this process, nothing else needed
  sluice demo --json 2>/dev/null      one line of JSON for programs
  sluice demo --chain bitcoind        on Bitcoin Core, with a regtest chain of its own
  BITCOIND=/opt/bitcoin/bin/bitcoind sluice demo --chain bitcoind --keep ./demo
${EXIT_CODES_HELP}`;

export function addDemoCommand(program: Command, finish: (exitCode: number) => void): void {
  program
    .command("demo")
    .summary("two nodes, a channel, 1,000 payments, a close, and books that add up")
    .description(
      "Starts two nodes on this machine, with real sockets on loopback and real files in a temporary folder; opens a payment " +
        "channel, makes 1,000 payments in both directions and one that fails on purpose, closes the channel, and adds up " +
        "where every satoshi is. Takes a few seconds and leaves nothing behind.",
    )
    .addOption(
      new Option("--chain <kind>", "the Bitcoin chain to use; bitcoind is found by the variable BITCOIND, else on PATH")
        .choices(DEMO_CHAINS)
        .default("embedded"),
    )
    .option("--keep <dir>", "put all files there and keep them: a new or empty folder")
    .option("--json", "one line of JSON on standard output at the end; words go to standard error", false)
    .addHelpText("after", HELP)
    .action(async (options: DemoOptions) => finish(await play(options)));
}
