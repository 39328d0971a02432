// Fuzzing of everything that reads what others wrote: see HELP.
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import { Corpus } from "./corpus.ts";
import type { Progress } from "./engine.ts";
import { IN_HAND_HEADER_BYTES, type Job, type Report } from "./job.ts";
import { TARGETS } from "./targets/index.ts";

const HELP = `npm run fuzz -- [options]

Changes inputs at random, guided by the code that they reach, and checks what must hold of every decoder and of a channel's step.
What breaks something is shortened, added to test/fuzz/corpus/TARGET/crashes.txt, and fails "npm test" from then on.

  --target NAME   this target only; may be given more than once (all of them when none is)
  --seconds N     for each target (default 60)
  --seed N        of the random numbers (default: by the clock; it is printed)
  --save          put what was found worth keeping into test/fuzz/corpus
  --list          say what targets there are
  --json          one line of JSON for each target, and nothing else
  --help          this

Exit codes: 0 nothing broke, 1 something did, 2 wrong usage.
Example: npm run fuzz -- --target step --seconds 600 --seed 7`;

/** Nothing takes so long: such an input never ends. */
const HANG_MS = 30_000;
const LONGEST_INPUT = 1 << 20;

type Result = {
  readonly target: string;
  readonly progress: Progress;
  readonly ms: number;
  readonly crashes: readonly { readonly input: string; readonly problem: string }[];
};

const corpus = new Corpus(fileURLToPath(new URL("../../../../test/fuzz/corpus", import.meta.url)));

function usage(problem: string): never {
  process.stderr.write(`${problem}\n\n${HELP}\n`);
  process.exit(2);
}

function options() {
  try {
    return parseArgs({
      options: {
        target: { type: "string", multiple: true },
        seconds: { type: "string", default: "60" },
        seed: { type: "string" },
        save: { type: "boolean", default: false },
        list: { type: "boolean", default: false },
        json: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    }).values;
  } catch (cause) {
    return usage(cause instanceof Error ? cause.message : String(cause));
  }
}

function whole(name: string, text: string): number {
  if (!/^\d{1,9}$/.test(text)) usage(`--${name} takes a whole number, not ${text}`);
  return Number(text);
}

function rate({ executions }: Progress, ms: number): string {
  return `${Math.round((1000 * executions) / Math.max(1, ms))}/s`;
}

function line(target: string, progress: Progress, ms: number): string {
  const { executions, kept, places, outcomes, crashes, slowestMs } = progress;
  const parts = [
    `${target.padEnd(24)}${String(executions).padStart(9)} runs`,
    rate(progress, ms).padStart(9),
    `${kept} kept`,
    `${places} places`,
    `${outcomes} outcomes`,
    `slowest ${slowestMs.toFixed(1)} ms`,
    `${crashes} broken`,
  ];
  return parts.join("  ");
}

/** Fuzzes one target in a thread. */
function fuzz(target: string, seconds: number, seed: number, save: boolean, say: (text: string) => void) {
  return new Promise<Result>((resolve, reject) => {
    const inHand = new SharedArrayBuffer(IN_HAND_HEADER_BYTES + LONGEST_INPUT);
    const kept = [...corpus.inputs(target), ...corpus.crashes(target)];
    const job: Job = { target, seconds, seed, corpus: kept, distil: save, inHand };
    const worker = new Worker(new URL("./worker.js", import.meta.url), { workerData: job });
    const crashes: { input: string; problem: string }[] = [];
    let progress: Progress = { executions: 0, kept: 0, places: 0, outcomes: 0, crashes: 0, slowestMs: 0 };
    let ms = 0;
    const crashed = (input: Uint8Array, problem: string): void => {
      crashes.push({ input: Buffer.from(input).toString("base64"), problem });
      corpus.addCrash(target, input, problem.split("\n")[0] ?? "");
      say(`${target}: BROKEN by ${Buffer.from(input).toString("base64")}\n${problem}`);
    };
    const counters = new Int32Array(inHand, 0, 2);
    let before = 0;
    const watch = setInterval(() => {
      const now = Atomics.load(counters, 0);
      if (now !== before || now === 0) {
        before = now;
        return;
      }
      const input = new Uint8Array(inHand, IN_HAND_HEADER_BYTES).slice(0, Atomics.load(counters, 1));
      crashed(input, `an input does not end within ${HANG_MS} ms`);
      void worker.terminate();
    }, HANG_MS);
    worker.on("message", (report: Report) => {
      if (report.type === "crash") crashed(report.input, report.problem);
      else if (report.type === "kept") corpus.save(target, report.inputs);
      else {
        ({ progress, ms } = report);
        if (report.type === "progress") say(line(target, progress, ms));
      }
    });
    worker.on("error", reject);
    worker.on("exit", () => {
      clearInterval(watch);
      resolve({ target, progress: { ...progress, crashes: crashes.length }, ms, crashes });
    });
  });
}

const chosen = options();
if (chosen.help) {
  process.stdout.write(`${HELP}\n`);
  process.exit(0);
}
if (chosen.list) {
  for (const { name, about } of TARGETS) process.stdout.write(`${name.padEnd(24)}${about}\n`);
  process.exit(0);
}
const names = chosen.target ?? TARGETS.map(({ name }) => name);
for (const name of names)
  if (!TARGETS.some((target) => target.name === name)) usage(`there is no target ${name}; --list names them`);
const seconds = whole("seconds", chosen.seconds);
const seed = chosen.seed === undefined ? Date.now() % 1_000_000 : whole("seed", chosen.seed);
const say = (text: string): void => {
  if (!chosen.json) process.stdout.write(`${text}\n`);
};

say(`${names.length} targets, ${seconds} s each, seed ${seed}, ${availableParallelism()} cores`);
let broken = 0;
for (const name of names) {
  const result = await fuzz(
    name,
    seconds,
    seed,
    chosen.save,
    process.stdout.isTTY
      ? say
      : (text) => {
          if (text.includes("BROKEN")) say(text);
        },
  );
  broken += result.crashes.length;
  if (chosen.json) process.stdout.write(`${JSON.stringify({ ...result, seed })}\n`);
  else say(line(name, result.progress, result.ms));
}
if (broken > 0) say(`\n${broken} inputs broke something; they are in test/fuzz/corpus, and "npm test" runs them.`);
process.exitCode = broken > 0 ? 1 : 0;
