import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { runCampaign as RunCampaign } from "../processes/kill-campaign.ts";
import type { TwoProcesses as Two } from "../processes/two-processes.ts";
import { findBitcoind } from "../support/bitcoind.ts";

const PAYMENTS = 1_000;
const { SLUICE_KILLS = "20", SLUICE_SEED } = process.env;
const KILLS = Number(SLUICE_KILLS);
const AMOUNT_MSAT = 250_000n;
const PUSH_MSAT = 300_000_000n;
const AMOUNT_SAT = 1_000_000n;

/** Small, seeded, and good enough to choose moments. */
function generator(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

describe("kill -9 in the middle of payments", () => {
  let two: Two;
  let closeChain: () => Promise<void>;

  beforeAll(async () => {
    const program = new URL("../../.cache/processes/test/processes/two-processes.js", import.meta.url);
    const { embeddedSharedChain, TwoProcesses } = (await import(
      program.href
    )) as typeof import("../processes/two-processes.ts");
    const chain = await embeddedSharedChain();
    closeChain = () => chain.close();
    two = new TwoProcesses(chain);
    await two.openChannel({ amountSat: AMOUNT_SAT, pushMsat: PUSH_MSAT });
  });

  afterAll(async () => {
    await two.close();
    await closeChain();
  });

  it(`[B2-4] [B2-6] [LW-5] [LW-9] loses nothing and pays nothing twice over ${KILLS} kills`, async () => {
    const seed = Number(SLUICE_SEED ?? Date.now() % 1_000_000);
    console.log(`kills with SLUICE_SEED=${seed}`);
    const random = generator(seed);
    const hashes = await two.bob.call("invoices", PAYMENTS, AMOUNT_MSAT);
    const options = { channel: 0, amountMsat: AMOUNT_MSAT, hashes, inFlight: 20, prefix: "kill-" };
    for (let kill = 0; kill < KILLS; kill++) {
      let left = 1 + random(Math.floor(PAYMENTS / KILLS));
      const victim = random(2) === 0 ? "alice" : "bob";
      let unsubscribe = () => {};
      const reached = new Promise<void>((resolve) => {
        unsubscribe = two.alice.subscribe((event) => {
          if (event.type === "payment_ended" && --left === 0) resolve();
        });
      });
      // A second call for the same ids pays nothing twice; the one of a killed process ends with it.
      const paying = two.alice.call("pay", options).catch(() => undefined);
      await Promise.race([reached, paying]);
      unsubscribe();
      await two.restart(victim);
    }
    const report = await two.alice.call("pay", options);
    expect(report.refused).toEqual([]);
    expect(report.failed).toBe(0);
    for (let i = 0; i < PAYMENTS; i++) {
      expect((await two.alice.call("payment", `kill-${i}`))?.state).toBe("succeeded");
    }
    const paid = AMOUNT_MSAT * BigInt(PAYMENTS);
    const settled = async (name: "alice" | "bob") =>
      two[name].until(async () => {
        const [channel] = await two[name].call("channels");
        return channel?.htlcs === 0 ? channel : undefined;
      });
    const alice = await settled("alice");
    const bob = await settled("bob");
    expect(alice.localMsat).toBe(AMOUNT_SAT * 1000n - PUSH_MSAT - paid);
    expect(alice.remoteMsat).toBe(PUSH_MSAT + paid);
    expect(bob.localMsat).toBe(alice.remoteMsat);
    expect(bob.stage).toBe("open");
    expect(alice.stage).toBe("open");
    const tally = { count: PAYMENTS, amountMsat: paid };
    expect((await two.alice.call("record", 0))?.sent.fulfilled).toEqual(tally);
    expect((await two.bob.call("record", 0))?.received.fulfilled).toEqual(tally);
  });

  it("closes cooperatively afterwards", async () => {
    await two.alice.call("closeChannel", 0);
    await two.untilStage("close_agreed");
    await two.chain.mine(6);
    await two.untilStage("closed");
  });
});

describe("kill -9 in every phase of channels", () => {
  // A fixed share of what `npm run kills` does: a channel that ends with the loss of a machine, and one that is forced.
  const kills = 25;

  it(`[B2-4] [B2-6] [LS-1] [LW-5] [LW-9] leaves every payment ended alike at both ends, once, and the money on chain exact, over ${kills} kills`, async () => {
    const program = new URL("../../.cache/processes/test/processes/kill-campaign.js", import.meta.url);
    const { runCampaign } = (await import(program.href)) as { runCampaign: typeof RunCampaign };
    const seed = Number(SLUICE_SEED ?? Date.now() % 1_000_000);
    const chain = findBitcoind() === undefined ? "embedded" : "bitcoind";
    console.log(`kills with SLUICE_SEED=${seed}, chain ${chain}`);
    const report = await runCampaign({ kills, seed, chain, seconds: 100_000, say: console.log });
    expect(report.payments.succeeded).toBeGreaterThan(0);
  }, 600_000);
});
