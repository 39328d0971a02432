// Runs one target in a thread of its own, so that the main one can tell when an input never ends.
import { parentPort, workerData } from "node:worker_threads";
import { randomNumbers } from "../../src/testing/random-numbers.ts";
import { Coverage } from "./coverage.ts";
import { Engine } from "./engine.ts";
import { IN_HAND_HEADER_BYTES, type Job, type Report } from "./job.ts";

const PROGRESS_MS = 2_000;

async function work(job: Job): Promise<void> {
  const say = (report: Report): void => parentPort?.postMessage(report);
  const counters = new Int32Array(job.inHand, 0, 2);
  const bytes = new Uint8Array(job.inHand, IN_HAND_HEADER_BYTES);
  const coverage = new Coverage((url) => url.includes("/.cache/processes/src/"));
  // Imported only now, so that its blocks are counted.
  const { TARGETS } = await import("./targets/index.ts");
  const target = TARGETS.find(({ name }) => name === job.target);
  if (target === undefined) throw new Error(`there is no target ${job.target}`);
  const engine = new Engine({
    target,
    coverage,
    random: randomNumbers(job.seed),
    corpus: job.corpus,
    begin(input) {
      bytes.set(input.subarray(0, bytes.length));
      Atomics.store(counters, 1, input.length);
      Atomics.add(counters, 0, 1);
    },
    onCrash: ({ input, problem }) => say({ type: "crash", input, problem }),
  });
  const begun = performance.now();
  const ms = (): number => performance.now() - begun;
  await engine.begin();
  let next = PROGRESS_MS;
  while (ms() < job.seconds * 1000) {
    await engine.round();
    if (ms() < next) continue;
    say({ type: "progress", progress: engine.progress, ms: ms() });
    next = ms() + PROGRESS_MS;
  }
  say({ type: "done", progress: engine.progress, ms: ms() });
  if (job.distil) say({ type: "kept", inputs: await engine.distilled() });
  coverage.stop();
  await target.close?.();
}

await work(workerData as Job);
