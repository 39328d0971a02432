import { describe, expect, it } from "vitest";
import { virtualClock } from "../../test/support/virtual-clock.ts";
import { type BitcoinChain, ChainError, type ChainEvent } from "../ports/bitcoin-chain.ts";
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
  const source = new FeeSource({ chain, clock, fallback });
  return {
    clock,
    source,
    rates,
    listeners,
    asked: () => asked,
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
    expect(source.estimate).toEqual({ nextBlock: 5_000, relay: 1_500, fallback: 2_000 });
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
    expect(source.estimate).toEqual({ nextBlock: undefined, relay: 3_000, fallback: 2_000 });
    source.stop();
  });

  it("holds the last answer while the chain is away, and recovers", async () => {
    const { source, rates, fail, clock } = setup();
    await source.start();
    fail(true);
    rates.nextBlock = 1;
    await clock.advance(180_000);
    expect(source.estimate).toEqual({ nextBlock: 5_000, relay: 1_500, fallback: 2_000 });
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
});
