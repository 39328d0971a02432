import { describe, expect, it } from "vitest";
import { NodeSchedule } from "../support/node-schedule.ts";

/** Schedules tried; NODE_SCHEDULES asks for a longer campaign, NODE_SEED for the first seed. */
const { NODE_SCHEDULES, NODE_SEED } = process.env;
const SCHEDULES = Number(NODE_SCHEDULES ?? 6);
const FIRST_SEED = Number(NODE_SEED ?? 1);
const ACTS = 300;

describe("honest nodes under any schedule", () => {
  for (let seed = FIRST_SEED; seed < FIRST_SEED + SCHEDULES; seed++) {
    it(`[B2-4] [B2-6] [B2-41] [LW-3] [LW-5] lose nothing, NODE_SEED=${seed}`, async () => {
      const schedule = new NodeSchedule(seed, seed % 3 === 0 ? ["alice", "bob", "carol"] : ["alice", "bob"]);
      await schedule.begin();
      for (let n = 0; n < ACTS; n++) await schedule.act();
      expect(schedule.tried).toBeGreaterThan(20);
      await schedule.settle();
      await schedule.check();
      await schedule.world.stop();
    }, 120_000);
  }
});
