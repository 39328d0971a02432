import { describe, expect, it } from "vitest";
import { type BitcoinChain, ChainError, type ChainEvent } from "../ports/bitcoin-chain.ts";
import { virtualClock } from "../testing/index.ts";
import { FeeSource } from "./fee-source.ts";

function setup(fallback?: number) {
  const clock = virtualClock();
  const listeners = new Set<(event: ChainEvent) => void>();
  const rates: { nextBlock: number | undefined; relay: number } = { nextBlock: 5_000, relay: 1_500 };
  let failing = false;
  let asked = 0;
  const unused = async (): Promise<never> => {
    throw new Error("not asked here");
  };
  const chain: BitcoinChain = {
    network: "regtest",
    connect: async () => {},
    tip: unused,
    block: unused,
    broadcast: unused,
    unspent: unused,
    close: unused,
    async feeEstimate(blocks) {
      asked++;
      expect(blocks).toBe(2);
      return rates.nextBlock;
    },
    async relayFee() {
      if (failing) throw new ChainError("unreachable", "connection refused");
      return rates.relay;
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  let changes = 0;
  const source = new FeeSource({ chain, clock, fallback, onChange: () => changes++ });
  return {
    clock,
    source,
    rates,
    listeners,
    asked: () => asked,
    changes: () => changes,
    fail: (value: boolean) => {
      failing = value;
    },
    announce: () => {
      for (const listener of listeners) listener({ type: "tip" });
    },
  };
}

describe("FeeSource", () => {
  it("can be read before anything is known", () => {
    expect(setup().source.estimate).toEqual({ nextBlock: undefined, relay: 1_000, fallback: 2_000 });
    expect(setup(7_000).source.estimate.fallback).toBe(7_000);
  });

  it("knows the chain's rates once started", async () => {
    const { source } = setup();
    await source.start();
    expect(source.estimate).toMatchObject({ nextBlock: 5_000, relay: 1_500, fallback: 2_000 });
    source.stop();
  });

  it("asks again with each block and every minute", async () => {
    const { source, rates, announce, clock } = setup();
    await source.start();
    rates.nextBlock = 9_000;
    announce();
    await clock.run();
    expect(source.estimate.nextBlock).toBe(9_000);
    rates.nextBlock = undefined;
    rates.relay = 3_000;
    await clock.advance(59_999);
    expect(source.estimate.nextBlock).toBe(9_000);
    await clock.advance(1);
    expect(source.estimate).toMatchObject({ nextBlock: undefined, relay: 3_000, fallback: 2_000 });
    source.stop();
  });

  it("holds the last answer while the chain is away, and recovers", async () => {
    const { source, rates, fail, clock } = setup();
    await source.start();
    fail(true);
    rates.nextBlock = 1;
    await clock.advance(180_000);
    expect(source.estimate).toMatchObject({ nextBlock: 5_000, relay: 1_500, fallback: 2_000 });
    fail(false);
    await clock.advance(60_000);
    expect(source.estimate.nextBlock).toBe(1);
    source.stop();
  });

  it("starts even when the chain is away", async () => {
    const { source, fail } = setup();
    fail(true);
    await expect(source.start()).resolves.toBeUndefined();
    expect(source.estimate.relay).toBe(1_000);
    source.stop();
  });

  it("asks once for a burst of blocks, and once more for those that came meanwhile", async () => {
    const { source, announce, asked, clock } = setup();
    await source.start();
    const before = asked();
    for (let i = 0; i < 20; i++) announce();
    await clock.run();
    expect(asked() - before).toBe(2);
    source.stop();
  });

  it("asks nothing after stop", async () => {
    const { source, announce, asked, clock, listeners } = setup();
    await source.start();
    source.stop();
    announce();
    await clock.advance(1_000_000);
    expect(asked()).toBe(1);
    expect(listeners.size).toBe(0);
  });

  it("[B2-25] knows the extremes of the last half hour, fallbacks counted", async () => {
    const { source, rates, clock } = setup();
    await source.start();
    await clock.advance(5 * 60_000);
    expect(source.estimate.recent).toEqual({ lowest: 5_000, highest: 5_000 });
    for (const rate of [9_000, undefined, 4_000]) {
      rates.nextBlock = rate;
      await clock.advance(60_000);
    }
    expect(source.estimate.recent).toEqual({ lowest: 2_000, highest: 9_000 });
    // The 9,000 is a half hour old at the end of the 31st minute.
    await clock.advance(27 * 60_000 + 59_999);
    expect(source.estimate.recent).toEqual({ lowest: 2_000, highest: 9_000 });
    await clock.advance(1);
    expect(source.estimate.recent).toEqual({ lowest: 2_000, highest: 4_000 });
    await clock.advance(60_000);
    expect(source.estimate.recent).toEqual({ lowest: 4_000, highest: 4_000 });
    source.stop();
  });

  it("[B2-25] knows no lowest estimate for five minutes after the start: a peer may still go by one from before", async () => {
    const { source, rates, clock } = setup();
    await source.start();
    rates.nextBlock = 9_000;
    await clock.advance(4 * 60_000 + 59_999);
    expect(source.estimate.recent).toEqual({ lowest: 0, highest: 9_000 });
    await clock.advance(1);
    expect(source.estimate.recent).toEqual({ lowest: 5_000, highest: 9_000 });
    source.stop();
  });

  it("[B2-51] tells of a change, and of nothing else", async () => {
    const { source, rates, clock, changes, fail } = setup();
    await source.start();
    expect(changes()).toBe(1);
    await clock.advance(4 * 60_000);
    expect(changes()).toBe(1);
    // From now on the lowest of late is known.
    await clock.advance(10 * 60_000);
    expect(changes()).toBe(2);
    rates.nextBlock = 6_000;
    await clock.advance(60_000);
    expect(changes()).toBe(3);
    rates.relay = 2_000;
    await clock.advance(60_000);
    expect(changes()).toBe(4);
    fail(true);
    rates.nextBlock = 7_000;
    await clock.advance(60_000);
    expect(changes()).toBe(4);
    fail(false);
    await clock.advance(60_000);
    expect(changes()).toBe(5);
    // What was recent no longer is: first the 5,000, then the 6,000.
    await clock.advance(40 * 60_000);
    expect(changes()).toBe(7);
    source.stop();
  });
});
