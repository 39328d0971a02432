import { performance } from "node:perf_hooks";
import { duration } from "../format.ts";
import { type Output, type Progress, painter, progress } from "../terminal.ts";

const INDENT = "      ";

export type TimedStep = { readonly name: string; readonly ms: number };

/** Tells the steps in words as they happen, and keeps their times. */
export type Narrator = {
  readonly steps: readonly TimedStep[];
  /** The step that runs, or where it failed. */
  readonly current: string | undefined;
  /** A line of its own, not part of a step. */
  say(text: string): void;
  /** Names a step, runs it and tells how long it took. `name` is for programs, `title` for people. */
  step<T>(name: string, title: string, run: () => Promise<T>): Promise<T>;
  detail(text: string): void;
  progress(total: number): Progress;
  /** Tells of no step any more: one that begins rejects, and one that runs is silent. */
  fallSilent(): void;
};

export function narrator(output: Output, stepCount: number): Narrator {
  const steps: TimedStep[] = [];
  let current: string | undefined;
  const paint = painter(output);
  let silent = false;
  let bar: Progress | undefined;
  const detail = (text: string): void => {
    if (!silent) output.write(`${INDENT}${text}\n`);
  };
  return {
    steps,
    get current() {
      return current;
    },
    say: (text) => void output.write(`${text}\n`),
    async step(name, title, run) {
      if (silent) throw new Error("the demo has ended");
      output.write(`${paint("bold", `[${steps.length + 1}/${stepCount}] ${title}`)}\n`);
      current = name;
      const from = performance.now();
      const value = await run();
      if (silent) return value;
      const ms = Math.round((performance.now() - from) * 10) / 10;
      steps.push({ name, ms });
      current = undefined;
      detail(paint("dim", `done in ${duration(ms)}`));
      return value;
    },
    detail,
    progress(total) {
      bar = progress(output, { indent: INDENT, total });
      return bar;
    },
    fallSilent() {
      silent = true;
      bar?.end();
    },
  };
}
