import { performance } from "node:perf_hooks";
import { duration } from "../format.ts";
import { type Output, type Progress, painter, progress } from "../terminal.ts";

const INDENT = "      ";

export type TimedStep = { readonly name: string; readonly ms: number };

/** Tells the steps in words as they happen, and keeps their times. */
export type Narrator = {
  readonly steps: readonly TimedStep[];
  /** A line of its own, not part of a step. */
  say(text: string): void;
  /** Names a step, runs it and tells how long it took. `name` is for programs, `title` for people. */
  step<T>(name: string, title: string, run: () => Promise<T>): Promise<T>;
  detail(text: string): void;
  progress(total: number): Progress;
};

export function narrator(output: Output, stepCount: number): Narrator {
  const steps: TimedStep[] = [];
  const paint = painter(output);
  const detail = (text: string): void => void output.write(`${INDENT}${text}\n`);
  return {
    steps,
    say: (text) => void output.write(`${text}\n`),
    async step(name, title, run) {
      output.write(`${paint("bold", `[${steps.length + 1}/${stepCount}] ${title}`)}\n`);
      const from = performance.now();
      const value = await run();
      const ms = Math.round((performance.now() - from) * 10) / 10;
      steps.push({ name, ms });
      detail(paint("dim", `done in ${duration(ms)}`));
      return value;
    },
    detail,
    progress: (total) => progress(output, { indent: INDENT, total }),
  };
}
