import { describe, expect, it } from "vitest";
import { fill } from "../../../test/support/ledger-scene.ts";
import type { LedgerTip } from "../../core/contract-channel/index.ts";
import { virtualClock } from "../../testing/index.ts";
import { tipWatch } from "./tip-watch.ts";

const tip = (height: number): LedgerTip => ({ height, hash: fill(height), tick: height, cursor: 0 });

describe("watching the tip over HTTP", () => {
  it("gives a hint after an outage, whatever happened meanwhile, and asks less and less often", async () => {
    const clock = virtualClock();
    let isAway = true;
    let asked = 0;
    const held: ((tip: LedgerTip) => void)[] = [];
    const watch = tipWatch((known) => {
      asked += 1;
      if (isAway) return Promise.reject(new Error("away"));
      if (known === undefined) return Promise.resolve(tip(1));
      return new Promise((resolve) => held.push(resolve));
    }, clock);
    let hints = 0;
    watch.subscribe(() => {
      hints += 1;
      throw new Error("a listener's own fault");
    });
    await clock.advance(60_000);
    expect(hints).toBe(0);
    expect(asked).toBeLessThan(20);
    isAway = false;
    await clock.advance(5_000);
    expect(hints).toBe(1);
    held.shift()?.(tip(2));
    await clock.run();
    expect(hints).toBe(2);
    // The time of a request is over: the same tip is no news.
    held.shift()?.(tip(2));
    await clock.run();
    expect(hints).toBe(2);
    watch.close();
    held.shift()?.(tip(3));
    await clock.run();
    expect(hints).toBe(2);
  });
});
