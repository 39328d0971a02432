import { describe, expect, it } from "vitest";
import { ChannelPair, secret } from "../../../test/support/channel-pair.ts";

describe("a channel from opening to close", () => {
  it("[B2-7] [B2-13] opens in the order of the seed", () => {
    const pair = new ChannelPair().open();
    expect(pair.alice.channel.id).toEqual(pair.bob.channel.id);
    expect(pair.alice.broadcasts).toHaveLength(1);
  });

  it("pays in both directions and closes", () => {
    const pair = new ChannelPair().open({ pushMsat: 400_000_000n });
    expect(pair.offer("alice", 1, 10_000_000n)).toBeUndefined();
    expect(pair.offer("bob", 2, 20_000_000n)).toBeUndefined();
    pair.settle();
    expect(pair.bob.cleared()).toEqual([0n]);
    expect(pair.alice.cleared()).toEqual([1n]);
    expect(pair.bob.run({ type: "fulfill", id: 0n, preimage: secret(1) })).toBeUndefined();
    expect(pair.alice.run({ type: "fail_htlc", id: 1n, reason: new Uint8Array([1]) })).toBeUndefined();
    pair.settle();
    expect(pair.alice.channel.htlcs.size).toBe(0);
    expect(pair.alice.channel.view.local.balanceMsat).toBe(590_000_000n);
    expect(pair.bob.channel.view.local.balanceMsat).toBe(410_000_000n);
    expect(pair.alice.run({ type: "close", script: undefined })).toBeUndefined();
    pair.settle();
    expect(pair.alice.channel.stage.stage).toBe("close_agreed");
    expect(pair.alice.broadcasts.at(-1)).toEqual(pair.bob.broadcasts.at(-1));
  });
});
