import { describe, expect, it } from "vitest";
import type { Side } from "../../src/core/payment-channel/index.ts";
import type { HtlcRecord } from "../../src/node/channel-records.ts";
import { outcomeOf } from "../../src/node/failures.ts";
import { FLUSH_MS } from "../../src/node/records.ts";
import { HTLC_OUTCOMES } from "../../src/ports/record-rows.ts";
import type { TestNode } from "../support/node-network.ts";
import { NodeSchedule } from "../support/node-schedule.ts";

/** Schedules tried; NODE_SCHEDULES asks for a longer campaign, NODE_SEED for the first seed. */
const { NODE_SCHEDULES, NODE_SEED } = process.env;
const SCHEDULES = Number(NODE_SCHEDULES ?? 4);
const FIRST_SEED = Number(NODE_SEED ?? 1);
const ACTS = 250;

/** Counts every HTLC row of the store anew. */
async function tallied(node: TestNode, channel: number, offerer: Side) {
  const rows = await node.store.htlcs(channel, { offerer, before: undefined, limit: 1_000_000 });
  const ends = rows.flatMap(({ removal, amountMsat }) =>
    removal === undefined
      ? []
      : [{ outcome: outcomeOf(removal.type === "failed" ? removal.reason : undefined), amountMsat }],
  );
  const of = (outcomes: readonly string[]) => {
    const found = ends.filter(({ outcome }) => outcomes.includes(outcome));
    return { count: found.length, amountMsat: found.reduce((sum, { amountMsat }) => sum + amountMsat, 0n) };
  };
  const [fulfilled, ...failures] = HTLC_OUTCOMES;
  const causes = Object.fromEntries(failures.map((outcome) => [outcome, of([outcome])]));
  return { fulfilled: of([fulfilled]), failed: of(failures), causes };
}

/** What a record says is what the rows come to. Looks at the store alone, and at the node where it is up. */
async function checkRecords(schedule: NodeSchedule, node: TestNode): Promise<number> {
  const { world } = schedule;
  let ended = 0;
  for (const { channel } of node.node.channels()) {
    const record = await world.outcome(node.node.records.channel(channel));
    expect(record?.sent).toEqual(await tallied(node, channel, "local"));
    expect(record?.received).toEqual(await tallied(node, channel, "remote"));
    ended += (record?.sent.fulfilled.count ?? 0) + (record?.received.failed.count ?? 0);
    await checkTimes(schedule, node, channel);
  }
  return ended;
}

async function checkTimes({ world }: NodeSchedule, { node }: TestNode, channel: number): Promise<void> {
  const moments = await world.outcome(node.records.moments(channel, { limit: 1_000 }));
  expect(moments.map(({ ordinal }) => ordinal)).toEqual(moments.map((_, place) => place));
  for (const direction of ["sent", "received"] as const) {
    const htlcs: HtlcRecord[] = [];
    for (let page = await world.outcome(node.records.htlcs(channel, { direction, limit: 7 })); page.length > 0; ) {
      htlcs.push(...page);
      const before = page.at(-1)?.id ?? 0n;
      page = await world.outcome(node.records.htlcs(channel, { direction, before, limit: 7 }));
    }
    for (const { outcome, addedAt, clearedAt, removedAt, settledAt } of htlcs) {
      const times = [addedAt, clearedAt, removedAt, settledAt].filter((time) => time !== undefined);
      // One that was only requested was never added.
      if (outcome === "fulfilled") expect(addedAt).toBeDefined();
      if (addedAt === undefined) expect(clearedAt).toBeUndefined();
      expect(times).toEqual(times.toSorted((a, b) => a - b));
      expect(times.every((time) => time <= world.clock.now())).toBe(true);
    }
    // The newest first is also the latest first.
    const added = htlcs.map(({ addedAt }) => addedAt).filter((time) => time !== undefined);
    expect(added).toEqual(added.toSorted((a, b) => b - a));
  }
}

describe("what is recorded of honest nodes under any schedule", () => {
  for (let seed = FIRST_SEED; seed < FIRST_SEED + SCHEDULES; seed++) {
    it(`[LW-8] [LW-9] counts every HTLC once, whatever crashed when, NODE_SEED=${seed}`, async () => {
      const schedule = new NodeSchedule(seed, ["alice", "bob"]);
      await schedule.begin();
      schedule.world.chain.mine(8);
      await schedule.world.quiet();
      for (let n = 0; n < ACTS; n++) {
        await schedule.act();
        const node = schedule.world.nodes[n % 2];
        // Crashes at any time, more often than the schedule has them: what was not flushed is counted at the start.
        if (n % 17 !== 0 || node?.up === undefined) continue;
        node.crash();
        await node.start();
        await schedule.world.quiet();
        await checkRecords(schedule, node);
      }
      await schedule.settle();
      let ended = 0;
      for (const node of schedule.world.nodes) ended += await checkRecords(schedule, node);
      expect(ended).toBeGreaterThan(20);
      // Nothing waits longer than it may.
      await schedule.world.advance(2 * FLUSH_MS);
      for (const node of schedule.world.nodes) {
        const { records } = await node.store.load();
        expect(records.flatMap(({ uncounted }) => uncounted)).toEqual([]);
      }
      await schedule.world.stop();
    }, 120_000);
  }
});
