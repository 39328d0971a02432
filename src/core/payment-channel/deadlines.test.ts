import { describe, expect, it, vi } from "vitest";
import { ChannelPair, secret } from "../../../test/support/channel-pair.ts";
import { deadlineHeight, GRACE } from "./deadline-heights.ts";
import { deadline } from "./deadlines.ts";
import { step } from "./step.ts";

/** Alice offers three HTLCs, the second of which expires first; Bob waits 144 blocks for his own outputs. */
function three() {
  const pair = new ChannelPair().open({ pushMsat: 400_000_000n });
  const expiries = [700, 500, 600];
  for (const [n, expiry] of expiries.entries()) {
    expect(pair.offer("alice", n + 1, 10_000_000n, expiry)).toBeUndefined();
    pair.settle();
  }
  return pair;
}

describe("the least deadline", () => {
  it("[B2-16] [LS-24] is kept as HTLCs come, are fulfilled and settle", () => {
    const pair = three();
    const { alice, bob } = pair;
    expect([alice.channel.nextDeadline, bob.channel.nextDeadline]).toEqual([500 + GRACE, Number.POSITIVE_INFINITY]);
    const [first, second] = [...bob.channel.htlcs.keys()];
    if (first === undefined || second === undefined) throw new Error("there are three");
    // Known, and not said: each is due 162 blocks before its expiry.
    bob.ready = false;
    for (const [id, n, least] of [
      [first, 1, 700 - 162],
      [second, 2, 500 - 162],
    ] as const) {
      expect(bob.run({ type: "fulfill", id, preimage: secret(n) })).toBeUndefined();
      expect(bob.channel.nextDeadline).toBe(least);
    }
    bob.ready = true;
    pair.settle();
    expect([alice.channel.nextDeadline, bob.channel.nextDeadline]).toEqual([600 + GRACE, Number.POSITIVE_INFINITY]);
    for (const { channel } of [alice, bob]) {
      const heights = [...channel.htlcs.values()].map((htlc) => deadlineHeight(channel, htlc));
      expect(channel.nextDeadline).toBe(Math.min(...heights));
      expect(deadline(channel)?.height ?? Number.POSITIVE_INFINITY).toBe(channel.nextDeadline);
    }
  });

  it("is all that the end of a batch looks at until something is due", () => {
    const { alice } = three();
    const looked = vi.spyOn(alice.channel.htlcs, "values");
    for (const height of [400, 500 + GRACE - 1]) {
      const result = step(alice.channel, { type: "defend" }, { ...alice.context(), height });
      expect(result).toMatchObject({ ok: true, value: { changes: [] } });
    }
    expect(looked).not.toHaveBeenCalled();
    const due = step(alice.channel, { type: "defend" }, { ...alice.context(), height: 500 + GRACE });
    expect(due).toMatchObject({ ok: true, value: { changes: [{ type: "stage" }] } });
  });
});
