import { describe, expect, it } from "vitest";
import { ChannelPair, FEES, hashOf, type Party, rowsOf } from "../../../test/support/channel-pair.ts";
import type { Msat } from "../base/index.ts";
import { commitmentFee, commitmentOutputs } from "../bitcoin/index.ts";
import { feeShortfall } from "./fees.ts";
import type { FeeEstimate } from "./policy.ts";
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

/** A channel whose two sides follow their estimates, at first 2,000 with rates of 4,000. */
function following(options: { pushMsat?: bigint; amountSat?: bigint } = {}): ChannelPair {
  const policy = { automaticFees: true };
  return new ChannelPair({ alice: policy, bob: policy }).open({ pushMsat: 500_000_000n, ...options });
}

/** What the party asks for once its estimate is `fees`; undefined where it asks for nothing. */
function asks(party: Party, fees: Partial<FeeEstimate>): number | undefined {
  party.fees = { ...FEES, ...fees };
  party.flush();
  const message = party.outgoing.at(-1)?.pkt.message;
  return message?.type === "update_fee" ? message.feeRate : undefined;
}

describe("a fee rate that follows the estimate", () => {
  it("[B2-25] [B2-51] rises when less than three quarters of twice the estimate are left", () => {
    const pair = following();
    expect(asks(pair.alice, { nextBlock: 2_666 })).toBeUndefined();
    expect(asks(pair.alice, { nextBlock: 2_667 })).toBe(5_334);
    pair.settle();
    expect(pair.alice.channel.commitments.local?.feeRate).toBe(5_334);
    expect(pair.bob.channel.commitments.local?.feeRate).toBe(4_000);
  });

  it("falls when it is more than one and a half of what the highest of the last half hour asks for", () => {
    expect(asks(following().alice, { nextBlock: 1_350 })).toBeUndefined();
    const pair = following();
    expect(asks(pair.alice, { nextBlock: 12_000 })).toBe(24_000);
    pair.settle();
    expect(asks(pair.alice, { nextBlock: 2_000, recent: { lowest: 2_000, highest: 12_000 } })).toBeUndefined();
    expect(asks(pair.alice, { nextBlock: 2_000, recent: { lowest: 2_000, highest: 8_000 } })).toBeUndefined();
    expect(asks(pair.alice, { nextBlock: 2_000, recent: { lowest: 2_000, highest: 7_999 } })).toBe(15_998);
    pair.settle();
    expect(asks(pair.alice, { nextBlock: 2_000 })).toBe(4_000);
  });

  it("says nothing while the estimate jitters by a third", () => {
    const pair = following();
    for (const nextBlock of [2_600, 1_500, 2_500, 1_350, 2_666, 2_000]) {
      expect(asks(pair.alice, { nextBlock, recent: { lowest: 1_350, highest: 2_666 } })).toBeUndefined();
    }
  });

  it("[B2-25] rises from the fifteenth HTLC on, and stays when there are fewer again", () => {
    const pair = following();
    for (let n = 0; n < 14; n++) pair.offer("alice", n, 1_000_000n);
    pair.alice.flush();
    expect(pair.alice.saying()).not.toContain("update_fee");
    pair.offer("alice", 14, 1_000_000n);
    expect(asks(pair.alice, {})).toBeUndefined();
    expect(pair.alice.saying().slice(-2)).toEqual(["update_fee", "update_commit"]);
    pair.settle();
    const rates = { local: 5_400, remote: 5_400 };
    expect(pair.alice.channel.view.feeRate).toEqual(rates);
    for (const id of pair.bob.cleared()) pair.bob.run({ type: "fail_htlc", id, reason: new Uint8Array(0) });
    pair.settle();
    expect(pair.alice.channel.view).toMatchObject({ feeRate: rates, local: { offered: 0 } });
  });

  it("counts no dust among the HTLCs", () => {
    const pair = following();
    for (let n = 0; n < 15; n++) pair.offer("alice", n, 545_999n);
    pair.settle();
    expect(pair.alice.channel.view.feeRate.local).toBe(4_000);
  });

  it("waits with the next change until the peer has signed for the last", () => {
    const pair = following();
    expect(asks(pair.alice, { nextBlock: 4_000 })).toBe(8_000);
    pair.alice.outgoing.splice(0);
    expect(asks(pair.alice, { nextBlock: 8_000 })).toBeUndefined();
    pair.alice.flush();
    expect(pair.alice.saying()).toEqual([]);
  });

  it("[B2-25] makes no jump above 25,000 to more than five times what a peer with an older estimate may know", () => {
    expect(asks(following().alice, { nextBlock: 30_000, recent: { lowest: 2_000, highest: 30_000 } })).toBe(25_000);
    expect(asks(following().alice, { nextBlock: 30_000, recent: { lowest: 8_000, highest: 30_000 } })).toBe(40_000);
    expect(asks(following().alice, { nextBlock: 30_000, recent: { lowest: 29_000, highest: 30_000 } })).toBe(60_000);
    // Who has just seen a fall takes what it would have taken before.
    const { bob } = following();
    bob.fees = { ...FEES, recent: { lowest: 2_000, highest: 30_000 } };
    expect(bob.judge(fee(300_000))).toBeUndefined();
    expect(bob.judge(fee(300_001))?.type).toBe("remote_fee_rate_unreasonable");
  });

  it("[B2-25] is no abuse where it is what the receiver asks for itself, so that the other may follow it there", () => {
    // Just started: what the estimate was before isn't known.
    const unknown = { nextBlock: 90_000, recent: { lowest: 0, highest: 90_000 } };
    expect(asks(following().bob, unknown)).toBe(25_000);
    const pair = following();
    const { alice, bob } = pair;
    bob.fees = { ...FEES, nextBlock: 20_000, recent: { lowest: 0, highest: 20_000 } };
    expect(asks(alice, { nextBlock: 90_000, recent: { lowest: 90_000, highest: 90_000 } })).toBe(180_000);
    pair.settle();
    expect(asks(bob, unknown)).toBe(180_000);
    // Alice would take no more than 100,000 by what she was told since.
    alice.fees = { ...FEES, nextBlock: 10_000 };
    expect(alice.judge(fee(180_000))).toBeUndefined();
    expect(alice.judge(fee(180_001))).toMatchObject({ type: "remote_fee_rate_unreasonable", limit: 180_000 });
  });

  it("[B2-25] is as high as its owner can pay half of, where that is no more", () => {
    // Bob has 5,000 satoshi: half of 338 bytes at 29,585.
    const pair = following({ pushMsat: 5_000_000n });
    const { bob } = pair;
    expect(asks(bob, { nextBlock: 50_000 })).toBe(29_585);
    pair.alice.fees = bob.fees;
    pair.settle();
    expect(bob.channel.commitments.local?.feeRate).toBe(29_585);
    expect(feeShortfall(bob.channel, bob.context())).toEqual({ wanted: 100_000, feeRate: 29_585 });
    // It has no more to give, and says it no more often.
    expect(asks(bob, { nextBlock: 60_000 })).toBeUndefined();
    expect(feeShortfall(bob.channel, bob.context())).toEqual({ wanted: 120_000, feeRate: 29_585 });
    expect(feeShortfall(pair.alice.channel, pair.alice.context())).toBeUndefined();
    bob.fees = { ...FEES, nextBlock: 19_723 };
    expect(feeShortfall(bob.channel, bob.context())).toBeUndefined();
  });

  it("[B2-25] stays where it is when its owner can pay nothing worth a message", () => {
    // 760 satoshi pay half of 338 bytes at 4,497.
    const pair = following({ pushMsat: 760_000n });
    expect(asks(pair.bob, { nextBlock: 50_000 })).toBeUndefined();
    expect(feeShortfall(pair.bob.channel, pair.bob.context())).toEqual({ wanted: 100_000, feeRate: 4_000 });
  });

  it("[B2-13] [B2-33] is left alone before the channel is open, while the peer is away, and once the close is negotiated", () => {
    const high = { nextBlock: 9_000 };
    const opening = new ChannelPair({ alice: { automaticFees: true } });
    opening.propose();
    expect(asks(opening.alice, high)).toBeUndefined();
    const away = following();
    away.alice.ready = false;
    expect(asks(away.alice, high)).toBeUndefined();
    const closing = following();
    closing.offer("bob", 1, 1_000_000n);
    closing.settle();
    closing.bob.run({ type: "close", script: undefined });
    closing.settle();
    // HTLCs may take long: until they are gone the rate matters.
    expect(asks(closing.alice, high)).toBe(18_000);
    closing.settle();
    closing.alice.run({ type: "fail_htlc", id: 1n, reason: new Uint8Array(0) });
    closing.alice.flush();
    while (closing.alice.channel.htlcs.size > 0) {
      if (closing.alice.outgoing.length > 0) closing.deliver("alice");
      else closing.deliver("bob");
      closing.bob.flush();
    }
    expect(asks(closing.alice, { nextBlock: 24_000 })).toBeUndefined();
    closing.settle();
    expect(closing.alice.channel.stage.stage).toBe("close_agreed");
  });

  it("is set by hand where the policy says so", () => {
    const { alice } = open();
    expect(asks(alice, { nextBlock: 9_000 })).toBeUndefined();
    expect(feeShortfall(alice.channel, { ...alice.context(), fees: { ...FEES, nextBlock: 500_000 } })).toBeUndefined();
  });
});

describe("a commitment that pays too little", () => {
  it("[B2-25] keeps us from offering: ours under the estimate, the peer's under what is relayed", () => {
    const { alice } = open();
    const offer = { type: "offer", amountMsat: 1_000_000n, paymentHash: hashOf(1), expiry: 300 } as const;
    const ask = () => alice.ask({ ...offer, amountMsat: offer.amountMsat as Msat, route: new Uint8Array(0) });
    alice.fees = { ...FEES, nextBlock: 4_000 };
    expect(ask()).toBeUndefined();
    alice.fees = { ...FEES, nextBlock: 4_001 };
    expect(ask()).toMatchObject({ type: "fee_rate_too_low", rule: "B2-25", limit: 4_001, actual: 4_000 });
    alice.fees = FEES;
    alice.run({ type: "packet", message: fee(1_350), number: alice.received + 1, acknowledge: alice.sent });
    expect(ask()).toBeUndefined();
    alice.run({ type: "packet", message: fee(1_349), number: alice.received + 2, acknowledge: alice.sent });
    expect(ask()).toMatchObject({ type: "fee_rate_too_low", limit: 1_350, actual: 1_349 });
    // What is under way goes on, and the peer may offer.
    expect(alice.channel.stage.stage).toBe("open");
  });

  it("[B2-54] who can't pay its share offers nothing, not the least amount, until the fee has changed", () => {
    const pair = new ChannelPair().open({ pushMsat: 12_000_000n });
    expect(pair.offer("bob", 1, 1n)).toBeUndefined();
    pair.settle();
    // Half of 338 bytes at 25,000 is 4,225, which leaves Bob less than his reserve of 10,000.
    pair.bob.run({ type: "set_fee", feeRate: 25_000 });
    pair.settle();
    const numbers = { rule: "B2-18", limit: 10_000n, actual: 7_774n };
    expect(pair.offer("bob", 2, 1n)).toMatchObject({ type: "insufficient_balance", ...numbers });
    expect(pair.alice.judge(offered(3n))).toMatchObject({ type: "remote_insufficient_balance", ...numbers });
    pair.bob.run({ type: "set_fee", feeRate: 4_000 });
    pair.settle();
    expect(pair.offer("bob", 2, 1n)).toBeUndefined();
  });
});

function offered(id: bigint) {
  const route = new Uint8Array(0);
  return { type: "update_add_htlc" as const, id, amountMsat: 1n as Msat, paymentHash: hashOf(77), expiry: 300, route };
}
