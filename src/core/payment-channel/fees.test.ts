import { describe, expect, it } from "vitest";
import { ChannelPair, rowsOf } from "../../../test/support/channel-pair.ts";
import { commitmentFee, commitmentOutputs } from "../bitcoin/index.ts";
import { commitmentParams } from "./snapshot.ts";
import { newest } from "./state.ts";

function open(): ChannelPair {
  return new ChannelPair().open({ pushMsat: 500_000_000n });
}

function fee(feeRate: number) {
  return { type: "update_fee" as const, feeRate };
}

describe("update_fee", () => {
  it("[B2-30] 402 bytes at 1112 cost 446 satoshi", () => {
    expect(commitmentFee(1112, 2)).toBe(446n);
  });

  it("[B2-25] changes the commitments of its sender alone", () => {
    const pair = open();
    expect(pair.alice.run({ type: "set_fee", feeRate: 5_000 })).toBeUndefined();
    pair.settle();
    for (const [party, own] of [[pair.alice, "local"] as const, [pair.bob, "remote"] as const]) {
      const other = own === "local" ? "remote" : "local";
      expect(newest(party.channel, own)?.feeRate).toBe(5_000);
      expect(newest(party.channel, other)?.feeRate).toBe(4_000);
      expect(party.channel.view.feeRate).toEqual({ [own]: 5_000, [other]: 4_000 });
    }
  });

  it("[B2-52] takes effect with the signature of who has got it, not before", () => {
    const pair = open();
    const { alice, bob } = pair;
    pair.offer("bob", 1, 1_000_000n);
    alice.run({ type: "set_fee", feeRate: 5_000 });
    bob.flush();
    pair.deliver("bob");
    // Signed before Bob got the new rate.
    expect(pair.deliver("bob")).toBeUndefined();
    expect(alice.channel.commitments.local).toMatchObject({ number: 1, feeRate: 4_000 });
    pair.deliver("alice");
    bob.flush();
    pair.deliver("bob");
    expect(alice.channel.commitments.local).toMatchObject({ number: 2, feeRate: 5_000 });
  });

  it("[B2-25] several in a row: the newest acknowledged counts", () => {
    const pair = open();
    for (const feeRate of [5_000, 6_000, 7_000]) pair.alice.run({ type: "set_fee", feeRate });
    pair.deliver("alice");
    pair.deliver("alice");
    pair.bob.flush();
    pair.deliver("bob");
    expect(pair.alice.channel.commitments.local?.feeRate).toBe(6_000);
    pair.settle();
    expect(pair.alice.channel.commitments.local?.feeRate).toBe(7_000);
    expect(pair.bob.channel.commitments.remote[0]?.feeRate).toBe(7_000);
  });

  it("[B2-25] is between our floor and ten times the estimate, and a whole number", () => {
    const { alice } = open();
    const set = (feeRate: number) => alice.ask({ type: "set_fee", feeRate });
    expect(set(1_349)).toMatchObject({ type: "fee_rate_unreasonable", rule: "B2-25", limit: 1_350, actual: 1_349 });
    expect(set(1_350)).toBeUndefined();
    expect(set(25_000)).toBeUndefined();
    expect(set(25_001)).toMatchObject({ type: "fee_rate_unreasonable", limit: 25_000, actual: 25_001 });
    expect(set(2_000.5)?.type).toBe("fee_rate_unreasonable");
    expect(set(Number.NaN)?.type).toBe("fee_rate_unreasonable");
    alice.fees = { ...alice.fees, nextBlock: 6_000 };
    expect(set(60_000)).toBeUndefined();
    expect(set(60_001)).toMatchObject({ limit: 60_000, actual: 60_001 });
  });

  it("[B2-25] that is too high is a violation; one that is too low is not", () => {
    const { bob } = open();
    const numbers = { rule: "B2-25", limit: 25_000, actual: 25_001 };
    expect(bob.judge(fee(25_001))).toMatchObject({ type: "remote_fee_rate_unreasonable", ...numbers });
    expect(bob.judge(fee(25_000))).toBeUndefined();
    expect(bob.judge(fee(0))).toBeUndefined();
    expect(bob.judge(fee(0xffff_ffff))?.type).toBe("remote_fee_rate_unreasonable");
  });

  it("[B2-25] that its sender could not pay half of is refused both ways", () => {
    // Half of 338 bytes at 25,000 is 4225.
    const pair = new ChannelPair().open({ pushMsat: 4_225_000n });
    expect(pair.bob.ask({ type: "set_fee", feeRate: 25_000 })).toBeUndefined();
    expect(pair.alice.judge(fee(25_000))).toBeUndefined();
    const poor = new ChannelPair().open({ pushMsat: 4_224_999n });
    expect(poor.bob.ask({ type: "set_fee", feeRate: 25_000 })).toMatchObject({
      type: "insufficient_balance",
      rule: "B2-18",
      limit: 0n,
      actual: -1n,
    });
    expect(poor.alice.judge(fee(25_000))).toMatchObject({
      type: "remote_cannot_pay_fee",
      rule: "B2-25",
      limit: 0n,
      actual: -1n,
    });
  });

  it("[B2-31] may cross an add so that its sender can't pay half: it pays all it has, the other the rest", () => {
    const pair = new ChannelPair().open({ pushMsat: 4_300_000n });
    const { bob } = pair;
    // Half of 338 bytes at 25,000 is 4225. Alice's add, unseen by Bob, makes it 4625.
    expect(bob.run({ type: "set_fee", feeRate: 25_000 })).toBeUndefined();
    expect(pair.offer("alice", 1, 983_700_000n)).toBeUndefined();
    pair.settle();
    expect(bob.cleared()).toEqual([0n]);
    const row = newest(bob.channel, "local");
    if (row === undefined) throw new Error("no commitment");
    const outputs = commitmentOutputs(commitmentParams(bob.channel, row));
    expect(outputs.map(({ type, amountSat }) => [type, amountSat])).toEqual([
      ["to_other", 12_000n - (9_250n - 4_300n)],
      ["htlc", 983_700n],
    ]);
    // Nothing more is added until that changes.
    expect(pair.offer("alice", 2, 1n)).toMatchObject({ type: "insufficient_balance", limit: 10_000n, actual: 7_049n });
  });

  it("[B2-13] [B2-4] is for an open channel and a peer that can be spoken to", () => {
    const pair = new ChannelPair();
    pair.propose();
    pair.answer();
    expect(pair.bob.ask({ type: "set_fee", feeRate: 5_000 })?.type).toBe("not_open");
    expect(pair.bob.judge(fee(5_000))?.type).toBe("unexpected_message");
    const { alice } = open();
    alice.ready = false;
    expect(alice.ask({ type: "set_fee", feeRate: 5_000 })?.type).toBe("peer_not_ready");
  });

  it("a peer that floods us with rates and never revokes makes the state no larger", () => {
    const pair = open();
    for (let n = 0; n < 200; n++) {
      const number = pair.bob.received + 1;
      const pkt = { channelId: pair.bob.channel.id, message: fee(4_000 + n) };
      expect(pair.bob.receive({ pkt, number, acknowledge: pair.bob.sent })).toBeUndefined();
      pair.bob.flush();
    }
    expect(pair.bob.channel.fees).toHaveLength(2);
    expect(pair.bob.channel.commitments.remote).toHaveLength(16);
    expect(pair.bob.loaded(rowsOf(pair.bob.channel)).fees).toEqual(pair.bob.channel.fees);
  });
});
