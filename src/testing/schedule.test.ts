import { describe, expect, it } from "vitest";
import { Broken, generate, run, type Scenario, shrink, Trace } from "./index.ts";

/** A counter that breaks when a 7 and an 11 are added, however many other numbers are. */
type Counter = { readonly trace: Trace; readonly added: number[] };

const scenario: Scenario<Counter> = {
  kinds: {
    add: (counter, random) => {
      const number = random(20);
      counter.added.push(number);
      counter.trace.note(`adds ${number}`);
    },
    look: async () => undefined,
    throw: () => {
      throw new TypeError("a step's own fault");
    },
  },
  plan: (seed) => ({ steps: seed === 0 ? 0 : 60, weights: { add: 3, look: 1, throw: 0 } }),
  begin: async (_, { keepTrace }) => ({ trace: new Trace(keepTrace), added: [] }),
  end: async ({ added }) => {
    if (added.includes(7) && added.includes(11)) throw new Broken("no seven with eleven", added.join(" "));
  },
};

describe("a schedule", () => {
  it("follows from its seed, with steps of every kind that has a weight", () => {
    const [one, again, other] = [generate(scenario, 1), generate(scenario, 1), generate(scenario, 2)];
    expect(one).toEqual(again);
    expect(other).not.toEqual(one);
    expect(one.steps).toHaveLength(60);
    expect(new Set(one.steps.map(({ kind }) => kind))).toEqual(new Set(["add", "look"]));
    expect(generate(scenario, 0).steps).toEqual([]);
    expect(JSON.parse(JSON.stringify(one))).toEqual(one);
  });

  it("has the same verdict each time, with lines where they are asked for", async () => {
    const schedule = generate(scenario, 3);
    const [one, again] = [await run(scenario, schedule), await run(scenario, schedule, { keepTrace: true })];
    expect(again.digest).toBe(one.digest);
    expect(one.lines).toEqual([]);
    expect(again.lines).toHaveLength(one.events);
  });

  it("does with a step what it would do without the others", async () => {
    const { steps, seed } = generate(scenario, 4);
    const whole = await run(scenario, { seed, steps }, { keepTrace: true });
    const half = await run(scenario, { seed, steps: steps.slice(30) }, { keepTrace: true });
    const added = (lines: readonly string[]) => lines.filter((line) => line.startsWith("adds"));
    expect(added(whole.lines).slice(-added(half.lines).length)).toEqual(added(half.lines));
  });

  it("shrinks to what breaks it, within the runs that it is given", async () => {
    const seed = await firstBroken();
    const found = await shrink(scenario, generate(scenario, seed));
    expect(found.schedule.steps).toHaveLength(2);
    expect(found.verdict.failure?.invariant).toBe("no seven with eleven");
    expect((await run(scenario, found.schedule)).digest).toBe(found.verdict.digest);
    const few = await shrink(scenario, generate(scenario, seed), { runs: 3 });
    expect(few.schedule.steps.length).toBeGreaterThan(2);
    expect(few.verdict.failure).toBeDefined();
  });

  it("tells a step's own fault, and a kind that there is not, as a failure", async () => {
    const failing = (kind: string) => run(scenario, { seed: 1, steps: [{ kind, seed: 1 }] });
    expect((await failing("throw")).failure).toMatchObject({ invariant: "nothing throws", after: 1 });
    expect((await failing("throw")).failure?.problem).toContain("a step's own fault");
    expect((await failing("dance")).failure?.problem).toContain("no kind of step dance");
  });
});

async function firstBroken(): Promise<number> {
  for (let seed = 1; ; seed++) if ((await run(scenario, generate(scenario, seed))).failure !== undefined) return seed;
}
