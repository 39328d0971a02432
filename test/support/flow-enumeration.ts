import { expect } from "vitest";
import { type Flow, FlowWorld, type Trouble } from "./flow.ts";
import type { Taps } from "./node-network.ts";

type Options = Pick<Taps, "newStore">;

/** What comes of a flow to which nothing happens. */
async function undisturbed(flow: Flow, options: Options): Promise<unknown> {
  const world = new FlowWorld(options);
  const result = await world.run(flow, { type: "none" });
  expect(world.struck).toBe(false);
  const { packets, transmissions } = world.tap.counts;
  expect(transmissions).toBe(packets);
  return result;
}

/** What was sent in all the runs: each number once, and every time that a packet went out. */
export type Sent = { runs: number; packets: number; transmissions: number };

/** Has the trouble of each number come, from 1 on until a run ends before it does, and compares what comes of the flow. */
async function every(flow: Flow, options: Options, trouble: (n: number) => Trouble): Promise<Sent> {
  const expected = await undisturbed(flow, options);
  const sent = { runs: 0, packets: 0, transmissions: 0 };
  for (let n = 1; ; n++) {
    const world = new FlowWorld(options);
    const strikes = trouble(n);
    const result = await world.run(flow, strikes).catch((cause: unknown) => {
      throw new Error(`${JSON.stringify(strikes)}: ${cause instanceof Error ? cause.message : cause}`, { cause });
    });
    if (!world.struck) return sent;
    expect({ strikes, result }).toEqual({ strikes, result: expected });
    sent.runs++;
    sent.packets += world.tap.counts.packets;
    sent.transmissions += world.tap.counts.transmissions;
  }
}

/** The connection breaks after each delivery. */
export function everyCut(flow: Flow, arrives: "nothing" | "of_alice" | "of_bob", options: Options = {}): Promise<Sent> {
  return every(flow, options, (after) => ({ type: "cut", after, arrives }));
}

/** The process dies at each of its commits: right after it is durable, or right before. */
export function everyCrash(flow: Flow, name: "alice" | "bob", written: boolean, options: Options = {}): Promise<Sent> {
  return every(flow, options, (commit) => ({ type: "crash", name, commit, written }));
}
