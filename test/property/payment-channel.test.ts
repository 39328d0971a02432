import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Action, type Event, Schedule } from "../support/channel-schedule.ts";

/** Schedules tried per property; CHANNEL_SCHEDULES asks for a longer campaign, CHANNEL_SEED for a run of before. */
const { CHANNEL_SCHEDULES, CHANNEL_SEED } = process.env;
const PARAMETERS = {
  numRuns: Number(CHANNEL_SCHEDULES ?? 60),
  ...(CHANNEL_SEED === undefined ? {} : { seed: Number(CHANNEL_SEED) }),
};
const TIMEOUT = CHANNEL_SCHEDULES === undefined ? 180_000 : 24 * 3_600_000;

/** Around what divides amounts: one, the dust limit, and much. */
const amount = fc.oneof(
  fc.constantFrom(1n, 999n, 545_999n, 546_000n, 10_000_000n),
  fc.bigInt({ min: 1n, max: 3_000_000n }),
  fc.bigInt({ min: 1n, max: 100_000_000n }),
);

const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ type: fc.constant("receive"), packets: fc.integer({ min: 1, max: 6 }) }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant("offer"), amountMsat: amount }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("offer_most") }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant("decide"), which: fc.nat(20), fulfill: fc.boolean() }) },
  // Of these, all but the blocks do something with pre-staging alone.
  { weight: 1, arbitrary: fc.record({ type: fc.constant("withdraw"), which: fc.nat(20) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("answer"), which: fc.nat(20), accept: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("blocks"), blocks: fc.constantFrom(1, 145, 300) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("fee"), feeRate: fc.integer({ min: 1_350, max: 25_000 }) }) },
);

/** A place between the lowest and the highest estimate of a test. */
const moving: fc.Arbitrary<Action> = fc.record({
  type: fc.constant("estimate"),
  nextBlock: fc.double({ min: 0, max: 1, noNaN: true }),
});

function event(actions: fc.Arbitrary<Action>): fc.Arbitrary<Event> {
  const party = fc.constantFrom("alice", "bob");
  return fc.oneof(
    {
      weight: 20,
      arbitrary: fc.record({
        type: fc.constant("batch"),
        party,
        actions: fc.array(actions, { minLength: 1, maxLength: 6 }),
        crash: fc.nat(15).map((n) => n === 0),
      }),
    },
    { weight: 1, arbitrary: fc.record({ type: fc.constant("cut") }) },
    { weight: 5, arbitrary: fc.record({ type: fc.constant("connect") }) },
  );
}

const policy = fc.record({
  window: fc.constantFrom(2, 3, 16),
  prestageAdds: fc.constantFrom("accept" as const, "ask"),
});
const setup = fc.record({
  prestage: fc.boolean(),
  amountSat: fc.constantFrom(30_000n, 100_000n, 4_294_967n),
  pushMsat: fc.constantFrom(0n, 1n, 9_999_999n),
  alice: policy,
  bob: policy,
});

describe("two honest parties under any schedule", () => {
  it(
    "[B2-15] [LS-9] [LS-10] [LS-17] [LS-23] [LW-5] agree, conserve every millisatoshi and never take the other for a cheater",
    () => {
      fc.assert(
        fc.property(
          setup,
          fc.array(event(action), { maxLength: 60 }),
          fc.bigInt(0n, 3n),
          (options, events, pattern) => {
            const schedule = new Schedule(options);
            for (const each of events) schedule.run(each);
            schedule.settle((id) => (id >> 1n) % 4n >= pattern);
            schedule.checkSettled(options.amountSat);
          },
        ),
        PARAMETERS,
      );
    },
    TIMEOUT,
  );

  it(
    "[B2-25] [B2-51] [B2-52] keep their fee rates near their estimates, which differ and move, and never fail for it",
    () => {
      fc.assert(
        fc.property(
          fc.constantFrom(
            // Every rate that follows from these is one that any peer accepts.
            { amounts: [30_000n, 100_000n, 4_294_967n] as const, lowest: 1_350, highest: 9_000 },
            // As different as two honest estimates may be.
            { amounts: [1_000_000n, 4_294_967n] as const, lowest: 30_000, highest: 100_000 },
          ),
          setup,
          fc.array(event(fc.oneof({ weight: 8, arbitrary: action }, { weight: 2, arbitrary: moving })), {
            maxLength: 60,
          }),
          fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 3, maxLength: 3 }),
          fc.boolean(),
          ({ amounts, lowest, highest }, options, events, last, closes) => {
            const estimate = (place: number) => Math.round(lowest + place * (highest - lowest));
            const amountSat = amounts.find((amount) => amount >= options.amountSat) ?? 4_294_967n;
            const policy = { automaticFees: true };
            const schedule = new Schedule({
              ...options,
              amountSat,
              estimate: Math.max(lowest, 2_000),
              alice: { ...options.alice, ...policy },
              bob: { ...options.bob, ...policy },
            });
            const placed = (each: Action): Action =>
              each.type === "estimate" ? { ...each, nextBlock: estimate(each.nextBlock) } : each;
            for (const each of events) {
              schedule.run(each.type === "batch" ? { ...each, actions: each.actions.map(placed) } : each);
            }
            for (const party of ["alice", "bob"] as const) {
              if (closes) schedule.run({ type: "batch", party, actions: [{ type: "close" }], crash: false });
              const actions = last.map((place) => ({ type: "estimate" as const, nextBlock: estimate(place) }));
              schedule.run({ type: "batch", party, actions, crash: false });
            }
            schedule.settle((id) => id % 4n < 2n);
            schedule.checkSettled(amountSat);
            schedule.checkFees();
          },
        ),
        PARAMETERS,
      );
    },
    TIMEOUT,
  );

  it(
    "[B2-32] [B2-33] [LS-32] [LW-1] close to the same transaction, whoever asks for it and whenever",
    () => {
      const closing = fc.oneof(
        { weight: 8, arbitrary: action },
        { weight: 1, arbitrary: fc.record({ type: fc.constant("close" as const) }) },
      );
      fc.assert(
        fc.property(setup, fc.array(event(closing), { maxLength: 40 }), (options, events) => {
          const schedule = new Schedule(options);
          for (const each of events) schedule.run(each);
          schedule.run({ type: "connect" });
          schedule.run({ type: "batch", party: "bob", actions: [{ type: "close" }], crash: false });
          schedule.settle((id) => id % 4n < 2n);
          schedule.checkSettled(options.amountSat);
          const { alice, bob } = schedule.nodes;
          expect(alice.party.channel.stage.stage).toBe("close_agreed");
          expect(bob.party.channel.stage.stage).toBe("close_agreed");
          expect(alice.party.broadcasts.at(-1)).toEqual(bob.party.broadcasts.at(-1));
        }),
        PARAMETERS,
      );
    },
    TIMEOUT,
  );
});
