// The loop: change an input that is kept, run it, keep it where it reached something new. Coverage is asked for after a batch of
// inputs; where the batch reached something new, its inputs are run again one by one to find which did.
import type { RandomNumbers } from "../../src/testing/random-numbers.ts";
import type { Coverage, Seen } from "./coverage.ts";
import { mutated, shortened } from "./mutate.ts";
import type { Outcome, Target } from "./target.ts";

/** One input that broke something. */
export type Crash = { readonly input: Uint8Array; readonly problem: string };

export type Progress = {
  readonly executions: number;
  readonly kept: number;
  /** Places of the program's text that were reached, and different outcomes. */
  readonly places: number;
  readonly outcomes: number;
  readonly crashes: number;
  readonly slowestMs: number;
};

export type EngineOptions = {
  readonly target: Target;
  readonly coverage: Coverage;
  readonly random: RandomNumbers;
  /** Inputs besides the target's own seeds. */
  readonly corpus: readonly Uint8Array[];
  /** Told of each input before it runs. */
  readonly begin: (input: Uint8Array) => void;
  readonly onCrash: (crash: Crash) => void;
};

/** An input takes longer than this by far only where something is wrong with how its cost grows. */
const SLOW_MS = 2_000;
const SMALLEST_BATCH = 8;
const LARGEST_BATCH = 1_024;
const BATCH_MS = 200;
const SHORTENING_TRIES = 400;
/** So long the inputs that are worth keeping are made shorter; after that they are kept as they are. */
const DISTILLING_MS = 5_000;
const DEFAULT_LONGEST = 4_096;

/** What tells problems apart: the kind of error, what was asserted, and the function that met it. */
function kindOf(problem: string): string {
  const lines = problem.split("\n");
  const name = /^\w+/.exec(problem)?.[0] ?? "";
  const where = lines.find((line) => /^\s+at .*\.cache\/processes\//.test(line)) ?? "";
  const what = name.startsWith("Assertion") ? (lines[0] ?? "").replaceAll(/[0-9a-f]{8,}|\d+/g, "#") : "";
  return `${name} ${what} ${/at (?:async )?([\w.<> ]+)/.exec(where)?.[1] ?? problem.slice(0, 40)}`;
}

function problemOf(cause: unknown): string {
  return cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
}

export class Engine {
  private readonly options: EngineOptions;
  private readonly seen: Seen = new Map();
  private readonly outcomes = new Set<string>();
  private readonly inputs: Uint8Array[] = [];
  private readonly problems = new Set<string>();
  private executions = 0;
  private places = 0;
  private crashes = 0;
  private slowestMs = 0;
  private batch = SMALLEST_BATCH;

  constructor(options: EngineOptions) {
    this.options = options;
  }

  get progress(): Progress {
    const { executions, places, crashes, slowestMs } = this;
    return { executions, kept: this.inputs.length, places, outcomes: this.outcomes.size, crashes, slowestMs };
  }

  /** Runs what is kept. */
  async begin(): Promise<void> {
    const { target, corpus, coverage } = this.options;
    coverage.reset();
    for (const input of [...(await target.seeds()), ...corpus]) await this.keepIfNew(input);
    if (this.inputs.length === 0) this.inputs.push(new Uint8Array(0));
  }

  /** Runs one batch of new inputs. */
  async round(): Promise<void> {
    const { target, coverage, random } = this.options;
    const { inputs } = this;
    const longest = target.longest ?? DEFAULT_LONGEST;
    const material = { random, inputs, dictionary: target.dictionary ?? [], longest };
    const begun = performance.now();
    const tried: Uint8Array[] = [];
    for (let n = 0; n < this.batch && performance.now() - begun < 2 * BATCH_MS; n++) {
      // The newer half is chosen as often as all: what was found last leads on.
      const from = random(2) === 0 ? 0 : inputs.length >> 1;
      const input = mutated(inputs[from + random(inputs.length - from)] ?? new Uint8Array(0), material);
      tried.push(input);
      await this.execute(input);
    }
    const ms = performance.now() - begun;
    if (coverage.peek(this.seen) === 0) {
      if (ms < BATCH_MS) this.batch = Math.min(LARGEST_BATCH, 2 * this.batch);
      return;
    }
    await this.search(tried, true);
  }

  /** Finds which of the inputs reach something new, half by half. `known`: together they do. */
  private async search(tried: readonly Uint8Array[], known: boolean): Promise<void> {
    const [first] = tried;
    if (first === undefined) return;
    if (tried.length === 1) return this.keepIfNew(first);
    if (!known) {
      for (const input of tried) await this.execute(input);
      if (this.options.coverage.peek(this.seen) === 0) return;
    }
    const half = tried.length >> 1;
    await this.search(tried.slice(0, half), false);
    await this.search(tried.slice(half), false);
  }

  /** Whether something came of it that never did before. */
  private noted(outcome: Outcome): boolean {
    const before = this.outcomes.size;
    for (const one of typeof outcome === "string" ? [outcome] : outcome) this.outcomes.add(one);
    return this.outcomes.size > before;
  }

  private async keepIfNew(input: Uint8Array): Promise<void> {
    const outcome = await this.execute(input);
    if (outcome === undefined) return;
    const added = this.options.coverage.take(this.seen);
    this.places += added;
    if (added > 0) this.inputs.push(input);
  }

  /** Runs one input; undefined where it broke something. */
  private async execute(input: Uint8Array): Promise<Outcome | undefined> {
    const { target, begin } = this.options;
    this.executions++;
    begin(input);
    const begun = performance.now();
    try {
      const outcome = target.run(input);
      const settled = outcome instanceof Promise ? await outcome : outcome;
      const ms = performance.now() - begun;
      this.slowestMs = Math.max(this.slowestMs, ms);
      if (ms > SLOW_MS) await this.slow(input);
      if (this.noted(settled)) this.inputs.push(input);
      return settled;
    } catch (cause) {
      await this.crashed(input, problemOf(cause));
      // What broke is no way to anything else: its code counts as reached.
      this.options.coverage.take(this.seen);
      return undefined;
    }
  }

  /** The machine may have been busy: it is slow if it takes so much of a processor every time. */
  private async slow(input: Uint8Array): Promise<void> {
    const times: number[] = [];
    for (let n = 0; n < 3; n++) {
      const before = process.cpuUsage();
      await this.options.target.run(input);
      const { user, system } = process.cpuUsage(before);
      times.push((user + system) / 1000);
    }
    const least = Math.min(...times);
    if (least > SLOW_MS) await this.crashed(input, `an input takes ${least.toFixed(0)} ms of CPU`);
  }

  private async crashed(input: Uint8Array, problem: string): Promise<void> {
    const kind = kindOf(problem);
    if (this.problems.has(kind)) return;
    this.problems.add(kind);
    this.crashes++;
    const { target, begin } = this.options;
    const same = async (shorter: Uint8Array): Promise<boolean> => {
      begin(shorter);
      try {
        await target.run(shorter);
        return false;
      } catch (cause) {
        return kindOf(problemOf(cause)) === kind;
      }
    };
    const shortest = await shortened(input, same, SHORTENING_TRIES);
    this.options.onCrash({ input: shortest, problem });
  }

  /** The inputs that are worth keeping: the shortest first, each of which reaches what none before does, and as short as that allows. */
  async distilled(): Promise<Uint8Array[]> {
    const { coverage, target, begin } = this.options;
    const seen: Seen = new Map();
    const outcomes = new Set<string>();
    const chosen: Uint8Array[] = [];
    const begun = performance.now();
    const namesOf = async (input: Uint8Array): Promise<readonly string[]> => {
      begin(input);
      coverage.reset();
      const outcome = await target.run(input);
      return typeof outcome === "string" ? [outcome] : outcome;
    };
    for (const input of [...this.inputs].sort((a, b) => a.length - b.length)) {
      const before: Seen = new Map([...seen].map(([key, places]) => [key, places.slice()]));
      const names = await namesOf(input);
      const added = coverage.take(seen);
      const fresh = names.filter((name) => !outcomes.has(name));
      if (added === 0 && fresh.length === 0) continue;
      for (const name of names) outcomes.add(name);
      const alike = async (shorter: Uint8Array): Promise<boolean> => {
        try {
          const others = await namesOf(shorter);
          return coverage.peek(before) >= added && fresh.every((name) => others.includes(name));
        } catch {
          return false;
        }
      };
      const tries = performance.now() - begun < DISTILLING_MS ? 60 : 0;
      chosen.push(await shortened(input, alike, tries));
    }
    return chosen;
  }
}
