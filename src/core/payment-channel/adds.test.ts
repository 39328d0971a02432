import { describe, expect, it } from "vitest";
import { ChannelPair, hashOf, type Party, rowsOf } from "../../../test/support/channel-pair.ts";
import type { Msat } from "../base/index.ts";
import { nextId } from "./adds.ts";
import { ownRevocationHash } from "./own-revocation.ts";
import { MAX_UNACKNOWLEDGED } from "./policy.ts";
import type { HtlcRow, Side } from "./rows.ts";

function add(id: bigint, amountMsat: bigint, more: { expiry?: number; paymentHash?: Uint8Array } = {}) {
  const { expiry = 300, paymentHash = hashOf(99) } = more;
  const hash = paymentHash as HtlcRow["paymentHash"];
  return {
    type: "update_add_htlc" as const,
    id,
    amountMsat: amountMsat as Msat,
    paymentHash: hash,
    expiry,
    route: new Uint8Array(0),
  };
}

function offering(amountMsat: bigint, more: { expiry?: number; paymentHash?: Uint8Array } = {}) {
  const { paymentHash, expiry, route } = add(0n, amountMsat, more);
  return { type: "offer" as const, amountMsat: amountMsat as Msat, paymentHash, expiry, route };
}

/** The party's channel with `count` more HTLCs of `offerer`, as a store would give it back. */
function crowded(party: Party, offerer: Side, count: number, amountMsat: bigint): void {
  const rows = rowsOf(party.channel);
  const first = nextId(party.channel, offerer);
  const htlcs = Array.from({ length: count }, (_, i) => ({
    ...add(first + 2n * BigInt(i), amountMsat),
    offerer,
    requestNumber: 0,
    addNumber: 1,
    removal: undefined,
    removedBy: "remote" as const,
    removeNumber: 0,
  }));
  const last = first + 2n * BigInt(count - 1);
  const paid = BigInt(count) * amountMsat;
  const totals =
    offerer === "local"
      ? { ...rows.totals, localLastId: last, localMsat: rows.totals.localMsat - paid }
      : { ...rows.totals, remoteLastId: last, remoteMsat: rows.totals.remoteMsat - paid };
  party.state = party.loaded({ ...rows, htlcs, totals });
}

describe("what an HTLC may cost", () => {
  it("[B2-17] is more than nothing", () => {
    const pair = new ChannelPair().open();
    expect(pair.alice.ask(offering(0n))).toMatchObject({ type: "amount_zero", rule: "B2-17", limit: 1n, actual: 0n });
    expect(pair.bob.judge(add(0n, 0n))).toMatchObject({ type: "remote_amount_zero", rule: "B2-17", actual: 0n });
    expect(pair.bob.judge(add(0n, 1n))).toBeUndefined();
  });

  it("[B2-12] fits 32 bits", () => {
    const { alice } = new ChannelPair().open();
    expect(alice.ask(offering(0x1_0000_0000n))).toMatchObject({
      type: "amount_out_of_range",
      rule: "B2-12",
      limit: 0xffff_ffffn,
      actual: 0x1_0000_0000n,
    });
  });

  it("[B2-18] leaves its sender the reserve after the whole fee where the other can pay no part of it", () => {
    // 1,000,000 - 1480 (370 bytes at 4000) - reserve of 1 %.
    const pair = new ChannelPair().open();
    const { alice, bob } = pair;
    expect(alice.ask(offering(988_520_000n))).toBeUndefined();
    expect(bob.judge(add(0n, 988_520_000n))).toBeUndefined();
    const numbers = { rule: "B2-18", limit: 10_000n, actual: 9_999n };
    expect(alice.ask(offering(988_520_001n))).toMatchObject({ type: "insufficient_balance", ...numbers });
    expect(bob.judge(add(0n, 988_520_001n))).toMatchObject({ type: "remote_insufficient_balance", ...numbers });
  });

  it("[B2-18] [B2-31] leaves its sender the reserve after half the fee where both can pay", () => {
    const { alice, bob } = new ChannelPair().open({ pushMsat: 400_000_000n });
    expect(alice.ask(offering(589_260_000n))).toBeUndefined();
    expect(bob.judge(add(0n, 589_260_000n))).toBeUndefined();
    expect(alice.ask(offering(589_260_001n))).toMatchObject({ limit: 10_000n, actual: 9_999n });
    expect(bob.judge(add(0n, 589_260_001n))).toMatchObject({ limit: 10_000n, actual: 9_999n });
  });

  it("[B2-18] is more than the sender has in no case", () => {
    const { alice, bob } = new ChannelPair().open({ pushMsat: 5_000n });
    expect(bob.ask(offering(5_001n))).toMatchObject({ type: "insufficient_balance", limit: 0n, actual: -1n });
    expect(alice.judge(add(1n, 5_001n))).toMatchObject({ type: "remote_insufficient_balance", limit: 0n, actual: -1n });
    expect(alice.judge(add(1n, 2n ** 63n))?.type).toBe("remote_insufficient_balance");
  });

  it("[B2-18] counts the dearer of the two commitments", () => {
    const pair = new ChannelPair().open({ pushMsat: 400_000_000n });
    expect(pair.bob.run({ type: "set_fee", feeRate: 20_000 })).toBeUndefined();
    pair.settle();
    // Half of 370 bytes at 20,000 is 3700.
    expect(pair.alice.ask(offering(586_300_000n))).toBeUndefined();
    expect(pair.bob.judge(add(0n, 586_300_000n))).toBeUndefined();
    expect(pair.alice.ask(offering(586_300_001n))).toMatchObject({ limit: 10_000n, actual: 9_999n });
    expect(pair.bob.judge(add(0n, 586_300_001n))).toMatchObject({ limit: 10_000n, actual: 9_999n });
  });

  it("[B2-54] who can't pay the fee adds nothing, not even dust, until fees or HTLCs change", () => {
    const pair = new ChannelPair().open();
    expect(pair.offer("alice", 1, 988_520_000n)).toBeUndefined();
    pair.settle();
    expect(pair.alice.ask(offering(1n))).toMatchObject({ type: "insufficient_balance", rule: "B2-18", actual: 9_999n });
    expect(pair.bob.judge(add(2n, 1n))).toMatchObject({ type: "remote_insufficient_balance", actual: 9_999n });
    expect(pair.alice.run({ type: "set_fee", feeRate: 2_000 })).toBeUndefined();
    expect(pair.bob.run({ type: "fail_htlc", id: 0n, reason: new Uint8Array(1) })).toBeUndefined();
    pair.settle();
    expect(pair.alice.ask(offering(1n))).toBeUndefined();
  });

  it("[B2-18] keeps the reserve that the peer asked for, where that is more", () => {
    const pair = new ChannelPair();
    pair.propose({ pushMsat: 400_000_000n });
    pair.answer({ ...pair.next("alice", "open_channel"), channelReserveSat: 50_000n as never });
    const { remote } = pair.bob.channel.terms;
    expect(remote?.channelReserveSat).toBe(50_000n);
    pair.deliver("bob");
    pair.fund();
    pair.settle();
    pair.confirm();
    expect(pair.bob.ask(offering(349_260_000n))).toBeUndefined();
    expect(pair.bob.ask(offering(349_260_001n))).toMatchObject({ limit: 50_000n, actual: 49_999n });
  });
});

describe("a view", () => {
  it("[B2-15] judges an add by what its sender could know, not by what we know", () => {
    const pair = new ChannelPair().open();
    const { alice, bob } = pair;
    expect(pair.offer("alice", 1, 500_000_000n)).toBeUndefined();
    pair.settle();
    expect(bob.run({ type: "fail_htlc", id: 0n, reason: new Uint8Array(1) })).toBeUndefined();
    // Bob's failure gives Alice 500,000 sat back: an add that counts on it must acknowledge it.
    const without = bob.sent - 1;
    expect(bob.judge(add(2n, 600_000_000n), without)?.type).toBe("remote_insufficient_balance");
    expect(bob.judge(add(2n, 600_000_000n), bob.sent)).toBeUndefined();
    expect(alice.ask(offering(600_000_000n))?.type).toBe("insufficient_balance");
    pair.deliver("bob");
    expect(alice.ask(offering(600_000_000n))).toBeUndefined();
  });

  it("[B2-6] is that of the acknowledge with which the add was made, not of one it gets later", () => {
    const pair = new ChannelPair().open({ pushMsat: 400_000_000n });
    const { alice, bob } = pair;
    expect(bob.run({ type: "set_fee", feeRate: 25_000 })).toBeUndefined();
    // All that Alice may offer, as far as she knows; then Bob's new rate reaches her, in the same batch.
    expect(pair.offer("alice", 1, 589_260_000n)).toBeUndefined();
    pair.deliver("bob");
    const message = pair.next("alice", "update_add_htlc");
    expect(alice.outgoing[0]?.acknowledge).toBe(bob.sent - 1);
    const late = bob.judge(message, bob.sent);
    expect(late).toMatchObject({ type: "remote_insufficient_balance", limit: 10_000n, actual: 6_115n });
    expect(bob.judge(message, bob.sent - 1)).toBeUndefined();
    pair.settle();
    expect(bob.cleared()).toEqual([0n]);
  });

  it("[B2-15] lets HTLCs cross that together would be more than either allows", () => {
    // Both fill the cap for dust at once: each add is fine in its sender's view.
    const pair = new ChannelPair().open({ pushMsat: 500_000_000n });
    for (let n = 0; n < 18; n++) {
      expect(pair.offer("alice", n, 545_999n)).toBeUndefined();
      expect(pair.offer("bob", 100 + n, 545_999n)).toBeUndefined();
    }
    pair.settle();
    expect(pair.alice.channel.view.dustMsat).toBe(36n * 545_999n);
    expect(pair.offer("alice", 200, 1n)).toMatchObject({ type: "dust_exposure" });
  });
});

describe("how many HTLCs there may be", () => {
  it("[B2-19] at most 1,500 by one side, dust counted", () => {
    const pair = new ChannelPair().open();
    crowded(pair.alice, "local", 1499, 1n);
    crowded(pair.bob, "remote", 1499, 1n);
    expect(pair.alice.ask(offering(1n))).toBeUndefined();
    expect(pair.bob.judge(add(2998n, 1n))).toBeUndefined();
    const full = new ChannelPair().open();
    crowded(full.alice, "local", 1500, 1n);
    crowded(full.bob, "remote", 1500, 1n);
    const numbers = { rule: "B2-19", limit: 1500, actual: 1501 };
    expect(full.alice.ask(offering(1n))).toMatchObject({ type: "too_many_htlcs", ...numbers });
    expect(full.bob.judge(add(3000n, 1n))).toMatchObject({ type: "remote_too_many_htlcs", ...numbers });
  });

  it("[B2-19] at most 1,150 that are worth an output, 1,000 by our own policy", () => {
    const pair = new ChannelPair().open({ amountSat: 4_000_000n });
    crowded(pair.alice, "local", 1000, 546_000n);
    expect(pair.alice.ask(offering(546_000n))).toMatchObject({ type: "too_many_htlcs", limit: 1000, actual: 1001 });
    crowded(pair.bob, "remote", 1149, 546_000n);
    expect(pair.bob.judge(add(2298n, 546_000n))).toBeUndefined();
  });

  it("[B2-19] refuses a peer's HTLC number 1,151", () => {
    const { bob } = new ChannelPair().open({ amountSat: 4_000_000n });
    crowded(bob, "remote", 1150, 546_000n);
    const numbers = { rule: "B2-19", limit: 1150, actual: 1151 };
    expect(bob.judge(add(2300n, 546_000n))).toMatchObject({ type: "remote_too_many_htlcs", ...numbers });
    expect(bob.judge(add(2300n, 545_999n))).toBeUndefined();
  });

  it("[B2-17] [B2-53] at most 1 % of the anchor in dust, whoever offers it", () => {
    const pair = new ChannelPair().open({ pushMsat: 500_000_000n });
    for (let n = 0; n < 9; n++) {
      expect(pair.offer("alice", n, 545_999n)).toBeUndefined();
      expect(pair.offer("bob", 50 + n, 545_999n)).toBeUndefined();
    }
    pair.settle();
    // 18 * 545,999 = 9,827,982.
    expect(pair.alice.ask(offering(172_018n))).toBeUndefined();
    expect(pair.bob.judge(add(18n, 172_018n))).toBeUndefined();
    const numbers = { rule: "B2-17", limit: 10_000n, actual: 10_001n };
    expect(pair.alice.ask(offering(172_019n))).toMatchObject({ type: "dust_exposure", ...numbers });
    expect(pair.bob.judge(add(18n, 172_019n))).toMatchObject({ type: "remote_dust_exposure", ...numbers });
  });

  it("[B2-6] none while 10,000 of our packets wait for an acknowledge", () => {
    const { alice } = new ChannelPair().open();
    alice.unacknowledged = MAX_UNACKNOWLEDGED;
    expect(alice.ask(offering(1n))).toMatchObject({ type: "too_much_unacknowledged", limit: 10_000, actual: 10_000 });
    alice.unacknowledged = MAX_UNACKNOWLEDGED - 1;
    expect(alice.ask(offering(1n))).toBeUndefined();
  });
});

describe("an expiry", () => {
  it("[B2-16] [B2-20] is refused when too soon or too far, or no height at all", () => {
    const { alice } = new ChannelPair().open();
    const at = (expiry: number) => alice.ask(offering(1n, { expiry }));
    expect(at(110 + 143)).toMatchObject({ type: "expiry_too_soon", rule: "B2-20", limit: 254, actual: 253 });
    expect(at(110 + 144)).toBeUndefined();
    expect(at(110 + 4032)).toBeUndefined();
    expect(at(110 + 4033)).toMatchObject({ type: "expiry_too_far", rule: "B2-16", limit: 4142, actual: 4143 });
    expect(at(Number.NaN)?.type).toBe("expiry_too_soon");
    expect(at(300.5)?.type).toBe("expiry_too_soon");
    // In seconds.
    expect(at(500_000_000)?.type).toBe("expiry_too_far");
  });

  it("[LS-20] of a peer's HTLC fails the HTLC and not the channel: heights differ between peers", () => {
    const { bob } = new ChannelPair().open();
    expect(bob.judge(add(0n, 1n, { expiry: 1 }))).toBeUndefined();
  });
});

describe("an HTLC's id", () => {
  it("[LS-21] [B2-21] counts upward by two: even by the initiator, odd by the responder", () => {
    const pair = new ChannelPair().open({ pushMsat: 500_000_000n });
    for (let n = 0; n < 3; n++) {
      pair.offer("alice", n, 1_000n);
      pair.offer("bob", 10 + n, 1_000n);
    }
    const ids = (outgoing: Party["outgoing"]) =>
      outgoing.map(({ pkt: { message } }) => (message.type === "update_add_htlc" ? message.id : undefined));
    expect(ids(pair.alice.outgoing)).toEqual([0n, 2n, 4n]);
    expect(ids(pair.bob.outgoing)).toEqual([1n, 3n, 5n]);
  });

  it.each([1n, 2n, 4n, 2n ** 53n, 2n ** 64n - 2n])("[LS-21] a first one of %s is refused", (id) => {
    const { bob } = new ChannelPair().open();
    const numbers = { rule: "LS-21", limit: 0n, actual: id };
    expect(bob.judge(add(id, 1_000n))).toMatchObject({ type: "remote_htlc_id", ...numbers });
  });

  it("[B2-21] is never used again, not even when its HTLC is gone", () => {
    const pair = new ChannelPair().open();
    pair.offer("alice", 1, 1_000n);
    pair.settle();
    expect(pair.bob.judge(add(0n, 1_000n))).toMatchObject({ type: "remote_htlc_id", limit: 2n, actual: 0n });
    pair.bob.run({ type: "fail_htlc", id: 0n, reason: new Uint8Array(1) });
    pair.settle();
    expect(pair.bob.channel.htlcs.size).toBe(0);
    expect(pair.bob.judge(add(0n, 1_000n))).toMatchObject({ type: "remote_htlc_id", limit: 2n, actual: 0n });
  });
});

describe("a payment hash that is a revocation hash", () => {
  it("[B2-34] of either side, used or to be used, is neither offered nor taken", () => {
    const pair = new ChannelPair().open();
    const { alice, bob } = pair;
    for (const number of [0, 1, 15]) {
      for (const [owner, index] of [[alice, 7] as const, [bob, 4] as const]) {
        const paymentHash = ownRevocationHash(owner, index, number);
        expect(alice.ask(offering(1_000n, { paymentHash }))?.type).toBe("payment_hash_is_revocation_hash");
        expect(bob.judge(add(0n, 1_000n, { paymentHash }))).toMatchObject({
          type: "remote_hash_collision",
          rule: "B2-34",
        });
      }
    }
  });

  it("[B2-34] stays refused for a hash that was given later, and after a restart", () => {
    const pair = new ChannelPair().open();
    pair.offer("alice", 1, 1_000n);
    pair.settle();
    for (const party of [pair.alice, pair.bob]) {
      party.state = party.loaded(rowsOf(party.channel));
      for (const [owner, index] of [[pair.alice, 7] as const, [pair.bob, 4] as const]) {
        const paymentHash = ownRevocationHash(owner, index, 16);
        expect(party.ask(offering(1_000n, { paymentHash }))?.type).toBe("payment_hash_is_revocation_hash");
      }
    }
  });
});

describe("when nothing may be added", () => {
  it("[B2-13] before the channel is open", () => {
    const pair = new ChannelPair();
    pair.propose();
    pair.answer();
    expect(pair.alice.ask(offering(1n))).toMatchObject({ type: "not_open", detail: "awaiting_open_channel" });
    expect(pair.bob.judge(add(0n, 1n))).toMatchObject({ type: "unexpected_message", rule: "B2-13" });
  });

  it("[B2-4] while the peer can't be spoken to", () => {
    const { alice } = new ChannelPair().open();
    alice.ready = false;
    expect(alice.ask(offering(1n))).toMatchObject({ type: "peer_not_ready", rule: "B2-4" });
  });

  it("[LW-3] while a reorganisation keeps the anchor out of the chain, for who did not fund it", () => {
    const pair = new ChannelPair().open({ pushMsat: 500_000_000n });
    for (const party of [pair.alice, pair.bob]) expect(party.run({ type: "funding_unconfirmed" })).toBeUndefined();
    expect(pair.bob.ask(offering(1n))).toMatchObject({ type: "not_open", rule: "LW-3" });
    // Alice's own money needed no confirmation to begin with.
    expect(pair.alice.ask(offering(1n))).toBeUndefined();
    pair.confirm();
    expect(pair.bob.ask(offering(1n))).toBeUndefined();
  });

  it("[B2-32] once either side said that it closes", () => {
    const pair = new ChannelPair().open({ pushMsat: 500_000_000n });
    expect(pair.alice.run({ type: "close", script: undefined })).toBeUndefined();
    expect(pair.alice.ask(offering(1n))).toMatchObject({ type: "channel_closing", rule: "B2-32" });
    pair.deliver("alice");
    expect(pair.bob.ask(offering(1n))).toMatchObject({ type: "channel_closing", rule: "B2-32" });
    expect(pair.bob.judge(add(0n, 1n))).toMatchObject({ type: "remote_add_while_closing", rule: "B2-32" });
  });

  it("[B2-32] by a peer that has signed for our close_clearing, even where it did not send its own", () => {
    const pair = new ChannelPair().open({ pushMsat: 500_000_000n });
    pair.offer("bob", 1, 1_000n);
    expect(pair.alice.run({ type: "close", script: undefined })).toBeUndefined();
    // An add that may have crossed is taken, and failed later.
    expect(pair.alice.judge(add(1n, 1n))).toBeUndefined();
    pair.deliver("alice");
    const answer = pair.bob.outgoing.length;
    pair.bob.flush();
    const types = pair.bob.saying().slice(answer);
    expect(types).toEqual(["close_clearing", "update_commit"]);
    // Bob holds his close_clearing back, and signs.
    pair.deliver("bob");
    pair.bob.outgoing.shift();
    const commit = pair.bob.outgoing.shift();
    if (commit === undefined) throw new Error("no commit");
    expect(pair.alice.receive(commit)).toBeUndefined();
    expect(pair.alice.channel.clearing.remote).toBeUndefined();
    expect(pair.alice.judge(add(3n, 1n))).toMatchObject({ type: "remote_add_while_closing", rule: "B2-32" });
  });
});
