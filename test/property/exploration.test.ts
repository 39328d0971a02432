import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { ChannelPair } from "../support/channel-pair.ts";
import { type Configuration, type Explored, explore } from "../support/exploration.ts";
import { rememberVerifications } from "../support/exploration-memory.ts";

// Remembers what it built, as signing and verifying do (see exploration-memory.ts). Each answer is the real one.
vi.mock("../../src/core/bitcoin/commitment-buffer.ts", async (original) => {
  const real = await original<typeof import("../../src/core/bitcoin/commitment-buffer.ts")>();
  const { rememberingBuilds } = await import("../support/exploration-memory.ts");
  return { ...real, buildCommitment: rememberingBuilds(real.buildCommitment) };
});

beforeAll(rememberVerifications);
afterAll(() => {
  vi.restoreAllMocks();
});

const PUSH_MSAT = 400_000_000n;
const WINDOW = { window: 2 };

function run(name: string, configuration: Configuration): Explored {
  const pair = new ChannelPair({ alice: WINDOW, bob: WINDOW }).open({
    pushMsat: PUSH_MSAT,
    prestage: configuration.prestage ?? false,
  });
  const begun = Date.now();
  const explored = explore(pair, configuration);
  const { states, exactStates, transitions, atRest, steps } = explored;
  const numbered = exactStates === 0 ? "" : ` (${exactStates} by every number)`;
  const seconds = ((Date.now() - begun) / 1000).toFixed(1);
  console.info(
    `${name}: ${states} states${numbered}, ${transitions} transitions, ${atRest} states at rest, ${steps} production steps, ${seconds} s`,
  );
  return explored;
}

/**
 * The most that each can offer: reserve and half the fee of a commitment with this HTLC alone remain. With another HTLC in the
 * commitment it is too much, so that it matters in whose view an add is judged.
 */
const MOST = { alice: 600_000_000n - 10_740_000n, bob: 400_000_000n - 10_740_000n };
const ONE: Configuration = { alice: { amountsMsat: [MOST.alice] }, bob: { amountsMsat: [MOST.bob] } };
/** One after the other, the second where the first is gone or its money is not missed: of all that may cross, the hardest. */
const TWO: Configuration = {
  alice: { amountsMsat: [MOST.alice, MOST.alice] },
  bob: { amountsMsat: [MOST.bob, MOST.bob] },
};
/** Two at once of Alice's, of which one is dust, and one of Bob's. With a fourth it did not end within 4 GB. */
const THREE_AT_ONCE: Configuration = {
  alice: { amountsMsat: [20_000_000n, 545_999n] },
  bob: { amountsMsat: [30_000_000n] },
};
function withFee({ alice, bob }: Configuration, name: "alice" | "bob", feeRate: number): Configuration {
  const fee = { feeRate };
  return { alice: name === "alice" ? { ...alice, ...fee } : alice, bob: name === "bob" ? { ...bob, ...fee } : bob };
}

/**
 * Bounds that take less than a minute, and the far larger ones that EXPLORE=full asks for: about a quarter of an hour and a few GB,
 * with NODE_OPTIONS=--max-old-space-size=7000.
 */
const { EXPLORE } = process.env;
const SHARE: Record<string, Configuration> = {
  "one HTLC a side, a cut and a crash": { ...ONE, cuts: 1, crashes: 1 },
  "two HTLCs a side": TWO,
  "two HTLCs at once and another, in small batches": { ...THREE_AT_ONCE, smallBatches: true },
  "one HTLC a side, a higher fee rate, in small batches": { ...withFee(ONE, "alice", 5000), smallBatches: true },
};
const CLOSING_SHARE: Record<string, Configuration> = {
  "one HTLC a side, Alice may close": { ...ONE, alice: { ...ONE.alice, close: true } },
  "one HTLC, each asks for a fee rate, each may close": {
    alice: { amountsMsat: [MOST.alice], feeRate: 5000, close: true },
    bob: { feeRate: 2000, close: true },
    smallBatches: true,
  },
};
const FULL: Record<string, Configuration> = {
  "two HTLCs a side, a cut and a crash": { ...TWO, cuts: 1, crashes: 1 },
  "two HTLCs at once and another": THREE_AT_ONCE,
  "two HTLCs at once and another, in small batches, a cut": { ...THREE_AT_ONCE, smallBatches: true, cuts: 1 },
  "two HTLCs a side, a higher fee rate": withFee(TWO, "bob", 5000),
  "one HTLC a side, both fee rates change, a cut": {
    ...withFee(withFee(ONE, "alice", 5000), "bob", 2000),
    cuts: 1,
  },
};
const CLOSING_FULL: Record<string, Configuration> = {
  "one HTLC a side in small batches, each may close, a cut": {
    alice: { ...ONE.alice, close: true },
    bob: { ...ONE.bob, close: true },
    smallBatches: true,
    cuts: 1,
  },
  "one HTLC a side, each may close": {
    alice: { ...ONE.alice, close: true },
    bob: { ...ONE.bob, close: true },
  },
  "one HTLC a side, Bob may close, a cut and a crash": {
    ...ONE,
    bob: { ...ONE.bob, close: true },
    cuts: 1,
    crashes: 1,
  },
  "two HTLCs a side, Bob may close": { ...TWO, bob: { ...TWO.bob, close: true } },
  "one HTLC a side, Alice asks for a fee rate, Bob may close": withFee(
    { ...ONE, bob: { ...ONE.bob, close: true } },
    "alice",
    5000,
  ),
  "one HTLC a side, Bob asks for a fee rate, Alice may close": withFee(
    { ...ONE, alice: { ...ONE.alice, close: true } },
    "bob",
    5000,
  ),
};
/** Alice requests, Bob answers himself; in all that follows from it, either may see the HTLC expire. */
const ASKED: Configuration = {
  prestage: true,
  alice: { amountsMsat: [MOST.alice], withdraw: true, expire: true },
  bob: { answer: true, expire: true },
};
const BOTH: Configuration = {
  prestage: true,
  alice: { amountsMsat: [MOST.alice] },
  bob: { amountsMsat: [MOST.bob] },
};
const PRESTAGE_SHARE: Record<string, Configuration> = {
  "one HTLC, answered and withdrawn, expiring": ASKED,
  "one HTLC, answered, expiring, a cut and a crash, in small batches": {
    ...ASKED,
    smallBatches: true,
    cuts: 1,
    crashes: 1,
  },
  "one HTLC a side": BOTH,
  "one HTLC, answered, expiring, Bob may close": { ...ASKED, bob: { ...ASKED.bob, close: true }, smallBatches: true },
};
const PRESTAGE_FULL: Record<string, Configuration> = {
  "one HTLC, answered and withdrawn, expiring, a cut and a crash": { ...ASKED, cuts: 1, crashes: 1 },
  "one HTLC a side, answered and withdrawn, expiring, in small batches": {
    prestage: true,
    alice: { ...BOTH.alice, answer: true, withdraw: true, expire: true },
    bob: { ...BOTH.bob, answer: true, withdraw: true, expire: true },
    smallBatches: true,
  },
  "two HTLCs a side, in small batches": { ...TWO, prestage: true, smallBatches: true },
  "one HTLC a side, a cut and a crash": { ...BOTH, cuts: 1, crashes: 1 },
  "one HTLC, answered and withdrawn, expiring, each may close, a cut": {
    prestage: true,
    alice: { ...ASKED.alice, close: true },
    bob: { ...ASKED.bob, close: true },
    cuts: 1,
  },
};
const full = EXPLORE === "full";
const TIMEOUT = full ? 24 * 3_600_000 : 300_000;

describe("every interleaving of two honest parties, window 2", () => {
  for (const [name, configuration] of Object.entries(full ? { ...SHARE, ...FULL } : SHARE)) {
    it(
      `[B2-15] [B2-23] [B2-26] [LS-9] [LS-10] [LS-14] [LS-15] [LS-19] [LS-31] [LW-5] ${name}`,
      () => {
        expect(run(name, configuration).atRest).toBeGreaterThan(10);
      },
      TIMEOUT,
    );
  }

  for (const [name, configuration] of Object.entries(full ? { ...CLOSING_SHARE, ...CLOSING_FULL } : CLOSING_SHARE)) {
    it(
      `[B2-32] [B2-33] [LS-32] [LW-1] ${name}`,
      () => {
        expect(run(name, configuration).atRest).toBeGreaterThan(10);
      },
      TIMEOUT,
    );
  }

  for (const [name, configuration] of Object.entries(full ? { ...PRESTAGE_SHARE, ...PRESTAGE_FULL } : PRESTAGE_SHARE)) {
    it(
      `[LS-17] [LS-18] [LS-22] [LS-23] with pre-staging: ${name}`,
      () => {
        expect(run(name, configuration).atRest).toBeGreaterThan(5);
      },
      TIMEOUT,
    );
  }

  it(
    "comes to the same states where every number tells them apart",
    () => {
      const configurations: Configuration[] = [full ? { ...ONE, cuts: 1 } : ONE, full ? { ...ASKED, cuts: 1 } : ASKED];
      for (const configuration of configurations) {
        const merged = run("merged", configuration);
        const exact = run("exact", { ...configuration, exact: true });
        expect(exact.exactStates).toBeGreaterThan(exact.states);
        expect(exact.states).toBe(merged.states);
        expect(exact.nodeShapes).toBe(merged.nodeShapes);
      }
    },
    TIMEOUT,
  );
});

describe("the exploration finds what is wrong", () => {
  it("[B2-15] when packets get the acknowledge of the end of their batch", () => {
    expect(() => run("broken", { ...ONE, broken: "acknowledge of the flush" })).toThrow(/refuses/);
  });

  it("[B2-15] when packets get a new acknowledge as they are sent again", () => {
    expect(() => run("broken", { ...ONE, cuts: 1, broken: "acknowledge refreshed on resend" })).toThrow(/refuses/);
  });
});
