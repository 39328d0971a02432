import { type RandomNumbers, randomNumbers, subSeed } from "./random-numbers.ts";
import type { Trace } from "./trace.ts";

/** One thing that happens. What it chooses, it chooses with its own seed: leaving out another step changes nothing of that. */
export type Step = { readonly kind: string; readonly seed: number };

/** A run as data: a world's seed, and what happens in it. */
export type Schedule = { readonly seed: number; readonly steps: readonly Step[] };

/** What a scenario keeps. A world is enough. */
export type Subject = { readonly trace: Trace };

/** A kind of step. Where it does not apply, it does nothing. */
export type StepKind<W extends Subject> = (subject: W, random: RandomNumbers) => void | Promise<void>;

/** What is tried: how a run begins, what may happen, and what has to hold. */
export type Scenario<W extends Subject> = {
  readonly kinds: Readonly<Record<string, StepKind<W>>>;
  /** How many steps a run has, and how often each kind comes, relative to the others. May differ from seed to seed. */
  plan(seed: number): { readonly steps: number; readonly weights: Readonly<Record<string, number>> };
  begin(seed: number, options: { readonly keepTrace: boolean }): Promise<W>;
  /** Looked at after each step, if there is something to look at. Throws what does not hold: see `Broken`. */
  afterStep?(subject: W): void | Promise<void>;
  /** Ends the run and checks what has to hold then. */
  end(subject: W): Promise<void>;
};

/** Something that has to hold does not. */
export class Broken extends Error {
  /** The name of what has to hold. */
  readonly invariant: string;

  constructor(invariant: string, problem: string) {
    super(problem);
    this.name = "Broken";
    this.invariant = invariant;
  }
}

export type Verdict = {
  /** Digest of everything that happened: see `Trace`. */
  readonly digest: string;
  /** How many things happened. */
  readonly events: number;
  /** What happened, a line each, where that was asked for. */
  readonly lines: readonly string[];
  /** Undefined where everything held. `after`: how many steps had been run. */
  readonly failure: { readonly invariant: string; readonly problem: string; readonly after: number } | undefined;
};

/** The steps of a seed. */
export function generate<W extends Subject>(scenario: Scenario<W>, seed: number): Schedule {
  const { steps, weights } = scenario.plan(seed);
  const kinds = Object.entries(weights).filter(([, weight]) => weight > 0);
  const sum = kinds.reduce((total, [, weight]) => total + weight, 0);
  const random = randomNumbers(subSeed(seed, "steps"));
  const drawn = (): string => {
    let left = random(sum);
    for (const [kind, weight] of kinds) {
      if (left < weight) return kind;
      left -= weight;
    }
    throw new Error("a scenario has kinds of steps");
  };
  return { seed, steps: Array.from({ length: steps }, () => ({ kind: drawn(), seed: random(0x1_0000_0000) })) };
}

/** Runs a schedule. Whatever a step, an invariant or a node throws is the verdict, and nothing is thrown. */
export async function run<W extends Subject>(
  scenario: Scenario<W>,
  { seed, steps }: Schedule,
  options: { readonly keepTrace?: boolean } = {},
): Promise<Verdict> {
  let subject: W | undefined;
  let after = 0;
  let failure: Verdict["failure"];
  try {
    subject = await scenario.begin(seed, { keepTrace: options.keepTrace ?? false });
    for (const step of steps) {
      const act = scenario.kinds[step.kind];
      if (act === undefined) throw new Error(`there is no kind of step ${step.kind}`);
      subject.trace.note(`${after}. ${step.kind} ${step.seed}`);
      after++;
      await act(subject, randomNumbers(step.seed));
      await scenario.afterStep?.(subject);
    }
    await scenario.end(subject);
  } catch (cause) {
    const invariant = cause instanceof Broken ? cause.invariant : "nothing throws";
    const problem = cause instanceof Error ? (cause instanceof Broken ? cause.message : stackOf(cause)) : String(cause);
    failure = { invariant, problem, after };
  }
  const trace = subject?.trace;
  return { digest: trace?.digest() ?? "", events: trace?.length ?? 0, lines: trace?.lines ?? [], failure };
}

function stackOf(cause: Error): string {
  return (cause.stack ?? cause.message).split("\n").slice(0, 12).join("\n");
}

/**
 * Leaves out steps of a failing schedule for as long as the same invariant stays broken: halves first, then smaller parts, then single
 * steps. At most `runs` runs. Source: Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input" (ddmin, complements).
 */
export async function shrink<W extends Subject>(
  scenario: Scenario<W>,
  schedule: Schedule,
  options: { readonly runs?: number; readonly onProgress?: (steps: number, runs: number) => void } = {},
): Promise<{ readonly schedule: Schedule; readonly verdict: Verdict }> {
  let verdict = await run(scenario, schedule);
  const broken = verdict.failure?.invariant;
  let { steps } = schedule;
  if (broken === undefined) return { schedule, verdict };
  let left = (options.runs ?? 200) - 1;
  for (let parts = 2; steps.length > 0 && left > 0; ) {
    const size = Math.ceil(steps.length / parts);
    let smaller: readonly Step[] | undefined;
    for (let at = 0; at < steps.length && smaller === undefined && left > 0; at += size) {
      const tried = [...steps.slice(0, at), ...steps.slice(at + size)];
      const found = await run(scenario, { ...schedule, steps: tried });
      left--;
      if (found.failure?.invariant !== broken) continue;
      smaller = tried;
      verdict = found;
    }
    if (smaller !== undefined) {
      steps = smaller;
      parts = Math.max(2, parts - 1);
      options.onProgress?.(steps.length, left);
    } else if (size === 1) break;
    else parts = Math.min(steps.length, parts * 2);
  }
  return { schedule: { ...schedule, steps }, verdict };
}
