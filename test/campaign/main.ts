// Runs random worlds and checks what has to hold in them. Usage: main.js [--seeds N] [--from S] [--workers K] [--json] [--keep-going]
//                                                              main.js --seed S [--keep 1,2,5] [--trace] [--no-shrink] [--json]
//
// The first form runs the seeds S to S + N - 1 and stops at the first that fails, unless it is told to keep going; the second replays one
// seed, or the steps of it that --keep names. A failing seed is shrunk. Exit code 1: something did not hold; 2: the command is wrong.
import { fork } from "node:child_process";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { generate, run, type Schedule, shrink, type Verdict } from "../../src/testing/index.ts";
import { CAMPAIGN } from "./scenario.ts";
import { settingOf } from "./setting.ts";

/** Runs that shrinking a schedule may take. */
const SHRINKING_RUNS = 150;
/** Seeds that a worker is given at once. */
const PORTION = 8;

type Found = { readonly seed: number; readonly verdict: Verdict; readonly cpuMs: number };
type Task = { readonly from: number; readonly count: number };

let stray: unknown;
process.on("unhandledRejection", (cause) => {
  stray = cause;
});

async function runSeed(seed: number): Promise<Found> {
  const before = process.cpuUsage();
  stray = undefined;
  let verdict = await run(CAMPAIGN, generate(CAMPAIGN, seed));
  await new Promise((resolve) => setImmediate(resolve));
  if (verdict.failure === undefined && stray !== undefined) {
    const problem = stray instanceof Error ? (stray.stack ?? stray.message) : String(stray);
    verdict = { ...verdict, failure: { invariant: "no promise is left to reject", problem, after: 0 } };
  }
  const { user, system } = process.cpuUsage(before);
  return { seed, verdict, cpuMs: (user + system) / 1000 };
}

/** A worker: seeds come in as messages, and each one's verdict goes out. */
function work(): void {
  process.on("message", (task: Task) => {
    void (async () => {
      for (let seed = task.from; seed < task.from + task.count; seed++) process.send?.(await runSeed(seed));
      process.send?.("more");
    })();
  });
  process.send?.("more");
}

type Options = {
  readonly seeds: number;
  readonly from: number;
  readonly workers: number;
  readonly json: boolean;
  readonly keepGoing: boolean;
};

/** Seeds that failed, in order, of those that were run; the first one is the lowest that fails unless it was told to keep going. */
async function campaign(
  options: Options,
): Promise<{ readonly run: number; readonly failed: Found[]; readonly cpuMs: number }> {
  const failed: Found[] = [];
  const begun = Date.now();
  let [next, done, cpuMs] = [options.from, 0, 0];
  const end = options.from + options.seeds;
  const told = { at: begun };
  const progress = (isLast: boolean): void => {
    if (!isLast && Date.now() - told.at < 2_000) return;
    told.at = Date.now();
    const seconds = (Date.now() - begun) / 1000;
    const rate = (done / seconds).toFixed(1);
    process.stderr.write(`${done} of ${options.seeds} seeds, ${rate} a second, ${failed.length} failed\n`);
  };
  const found = (result: Found): void => {
    done++;
    cpuMs += result.cpuMs;
    if (result.verdict.failure !== undefined) {
      failed.push(result);
      process.stderr.write(
        `seed ${result.seed}: ${result.verdict.failure.invariant}: ${result.verdict.failure.problem}\n`,
      );
    }
    progress(false);
  };
  const stop = (): boolean => next >= end || (failed.length > 0 && !options.keepGoing);

  if (options.workers <= 1) {
    while (!stop()) found(await runSeed(next++));
  } else {
    await Promise.all(
      Array.from({ length: options.workers }, () => {
        return new Promise<void>((resolve, reject) => {
          const worker = fork(fileURLToPath(import.meta.url), ["--worker"]);
          worker.on("message", (message: Found | "more") => {
            if (message !== "more") found(message);
            else if (stop()) worker.kill();
            else {
              const count = Math.min(PORTION, end - next);
              worker.send({ from: next, count } satisfies Task);
              next += count;
            }
          });
          worker.on("error", reject);
          worker.on("exit", (code) => {
            if (code === null || code === 0) resolve();
            else reject(new Error(`a worker ended with ${code}`));
          });
        });
      }),
    );
  }
  progress(true);
  failed.sort((a, b) => a.seed - b.seed);
  return { run: done, failed, cpuMs };
}

function commandFor({ seed, steps }: Schedule): string {
  const all = generate(CAMPAIGN, seed).steps;
  const kept = steps.map((step) =>
    all.indexOf(all.find((each) => each.seed === step.seed && each.kind === step.kind) ?? step),
  );
  const keep = steps.length === all.length ? "" : ` --keep ${kept.length === 0 ? "none" : kept.join(",")}`;
  return `npm run campaign -- --seed ${seed}${keep} --trace --no-shrink`;
}

/** What a person needs to know of a failing schedule: printed, and given back. */
async function report(schedule: Schedule, shrinks: boolean) {
  const { verdict, schedule: small } = shrinks
    ? await shrink(CAMPAIGN, schedule, {
        runs: SHRINKING_RUNS,
        onProgress: (steps) => process.stderr.write(`shrunk to ${steps} steps\n`),
      })
    : { verdict: await run(CAMPAIGN, schedule), schedule };
  const command = commandFor(small);
  process.stderr.write(
    `seed ${schedule.seed}, ${small.steps.length} of ${generate(CAMPAIGN, schedule.seed).steps.length} steps:\n`,
  );
  for (const { kind, seed } of small.steps) process.stderr.write(`  ${kind} ${seed}\n`);
  const { failure, digest } = verdict;
  if (failure !== undefined) process.stderr.write(`${failure.invariant}: ${failure.problem}\n`);
  process.stderr.write(`the same again: ${command}\n`);
  return { seed: schedule.seed, steps: small.steps, failure, digest, command };
}

async function replay(
  schedule: Schedule,
  options: { readonly trace: boolean; readonly shrinks: boolean; readonly json: boolean },
) {
  const verdict = await run(CAMPAIGN, schedule, { keepTrace: options.trace });
  if (options.trace) for (const line of verdict.lines) console.log(line);
  const { failure, digest, events } = verdict;
  if (failure === undefined) {
    process.stderr.write(`seed ${schedule.seed} holds: ${events} events, digest ${digest}\n`);
    if (options.json)
      console.log(JSON.stringify({ seed: schedule.seed, digest, events, theme: settingOf(schedule.seed).theme }));
    return;
  }
  process.exitCode = 1;
  const told = await report(schedule, options.shrinks);
  if (options.json) console.log(JSON.stringify(told));
}

function chosen(seed: number, keep: string | undefined): Schedule {
  const schedule = generate(CAMPAIGN, seed);
  if (keep === undefined) return schedule;
  const numbers = keep === "none" ? [] : keep.split(",").map(Number);
  return { seed, steps: numbers.flatMap((number) => schedule.steps[number] ?? []) };
}

function whole(text: string | undefined, otherwise: number): number {
  const number = text === undefined ? otherwise : Number(text);
  if (Number.isSafeInteger(number) && number >= 0) return number;
  process.stderr.write(`not a whole number: ${text}\n`);
  process.exit(2);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seeds: { type: "string" },
      from: { type: "string" },
      workers: { type: "string" },
      seed: { type: "string" },
      keep: { type: "string" },
      trace: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      "keep-going": { type: "boolean", default: false },
      "no-shrink": { type: "boolean", default: false },
      worker: { type: "boolean", default: false },
    },
  });
  const { json } = values;
  if (values.worker) return work();
  if (values.seed !== undefined) {
    const shrinks = !values["no-shrink"];
    return replay(chosen(whole(values.seed, 0), values.keep), { trace: values.trace, shrinks, json });
  }
  const options: Options = {
    seeds: whole(values.seeds, 200),
    from: whole(values.from, 1),
    workers: whole(values.workers, availableParallelism()),
    json,
    keepGoing: values["keep-going"],
  };
  const begun = Date.now();
  const { run: count, failed, cpuMs } = await campaign(options);
  const seconds = (Date.now() - begun) / 1000;
  const [first] = failed;
  const told = first && (await report(generate(CAMPAIGN, first.seed), !values["no-shrink"]));
  const cpu = Math.round(cpuMs / Math.max(1, count));
  process.stderr.write(`${count} seeds in ${seconds.toFixed(1)} s, ${cpu} ms of CPU each, ${failed.length} failed\n`);
  if (json) {
    const failures = failed.map(({ seed, verdict }) => ({ seed, ...verdict.failure }));
    console.log(
      JSON.stringify({ seeds: count, from: options.from, seconds, cpuMsPerSeed: cpu, failures, first: told }),
    );
  }
  if (first !== undefined) process.exitCode = 1;
}

await main();
