import { describe, expect, it } from "vitest";
import { ChannelPair, hashOf, type Party, secret } from "../../../test/support/channel-pair.ts";
import { type Msat, msat } from "../base/index.ts";
import type { PktMessage } from "../wire/index.ts";
import type { ChannelPolicy } from "./policy.ts";
import { commitmentParams } from "./snapshot.ts";
import { newest } from "./state.ts";

const ASK = { alice: { prestageAdds: "ask" }, bob: { prestageAdds: "ask" } } as const;

function open(policy: { alice?: Partial<ChannelPolicy>; bob?: Partial<ChannelPolicy> } = ASK): ChannelPair {
  return new ChannelPair(policy).open({ pushMsat: 500_000_000n, prestage: true });
}

function requesting(id: bigint, amountMsat = 10_000_000n): Extract<PktMessage, { type: "add_request" }> {
  const route = new Uint8Array(0);
  return { type: "add_request", id, amountMsat: msat(amountMsat), paymentHash: hashOf(77), expiry: 300, route };
}

/** Alice has requested HTLC 0, and Bob has got it. */
function requested(policy?: Parameters<typeof open>[0]): ChannelPair {
  const pair = open(policy);
  pair.offer("alice", 1, 10_000_000n);
  pair.deliver("alice");
  return pair;
}

function committed(party: Party, holder: "local" | "remote"): bigint[] {
  const row = newest(party.channel, holder);
  return row === undefined ? [] : commitmentParams(party.channel, row).htlcs.map(({ id }) => id);
}

const REASON = new Uint8Array([5]);

describe("a channel with pre-staging", () => {
  it("[LS-16] is opened where both say so, and as asked", () => {
    const pair = new ChannelPair();
    pair.propose({ prestage: true });
    expect(pair.next("alice", "open_channel").prestage).toBe(true);
    pair.answer();
    expect(pair.next("bob", "open_channel").prestage).toBe(true);
    const altered = pair.deliverAltered("bob", "open_channel", (message) => ({ ...message, prestage: false }));
    expect(altered).toMatchObject({ type: "remote_terms_unacceptable", rule: "LS-16" });

    pair.propose();
    pair.answer();
    const added = pair.deliverAltered("bob", "open_channel", (message) => ({ ...message, prestage: true }));
    expect(added).toMatchObject({ type: "remote_terms_unacceptable", rule: "LS-16" });
  });

  it("[LS-16] is refused by policy, on either side", () => {
    const pair = new ChannelPair({ bob: { prestage: false } });
    pair.propose({ prestage: true });
    expect(pair.answer()).toMatchObject({ type: "remote_terms_unacceptable", rule: "LS-16" });
    const unwilling = new ChannelPair({ alice: { prestage: false } });
    expect(() => unwilling.propose({ prestage: true })).toThrow("prestage_unavailable");
  });

  it("[LS-17] has its own messages, and a plain one has the others", () => {
    const prestaged = open();
    const plain = new ChannelPair().open({ pushMsat: 500_000_000n });
    const reason = new Uint8Array(0);
    const preimage = secret(1);
    const own: PktMessage[] = [
      requesting(0n),
      { type: "add_accept", id: 0n },
      { type: "add_reject", id: 0n, reason },
      { type: "add_withdraw", id: 0n },
      { type: "settle_request", id: 0n, preimage },
      { type: "settle_accept", id: 0n },
      { type: "timeout_request", id: 0n, reason },
      { type: "timeout_accept", id: 0n },
    ];
    const others: PktMessage[] = [
      { ...requesting(0n), type: "update_add_htlc" },
      { type: "update_fulfill_htlc", id: 0n, preimage },
      { type: "update_fail_htlc", id: 0n, reason },
    ];
    for (const message of own) expect(plain.bob.judge(message)).toMatchObject({ type: "unexpected_message" });
    for (const message of others) expect(prestaged.bob.judge(message)).toMatchObject({ type: "unexpected_message" });
    for (const [type, input] of [
      ["not_prestaged", { type: "accept_add", id: 0n }],
      ["not_prestaged", { type: "reject_add", id: 0n, reason }],
      ["not_prestaged", { type: "withdraw_add", id: 0n }],
    ] as const) {
      plain.offer("alice", 1, 1_000_000n);
      expect(plain.alice.ask(input)?.type).toBe(type);
    }
  });

  it("[LS-13] none of its messages counts before it is open", () => {
    const pair = new ChannelPair();
    pair.propose({ prestage: true });
    pair.answer();
    for (const message of [
      requesting(0n),
      { type: "add_accept", id: 0n },
      { type: "add_reject", id: 0n, reason: REASON },
      { type: "add_withdraw", id: 0n },
      { type: "settle_request", id: 0n, preimage: secret(1) },
      { type: "settle_accept", id: 0n },
      { type: "timeout_request", id: 0n, reason: REASON },
      { type: "timeout_accept", id: 0n },
    ] as const) {
      expect(pair.bob.judge(message)).toMatchObject({ type: "unexpected_message", rule: "B2-13" });
    }
  });
});

describe("a request to add", () => {
  it("[LS-17] is in no commitment, reserves its amount, and is no reason to sign", () => {
    const pair = requested();
    const { alice, bob } = pair;
    pair.settle();
    expect(alice.channel.view.local.balanceMsat).toBe(490_000_000n);
    expect(bob.channel.view.remote.balanceMsat).toBe(490_000_000n);
    expect([alice.channel.commitments.local?.number, bob.channel.commitments.local?.number]).toEqual([0, 0]);
    expect(bob.requested()).toEqual([0n]);
    // A commitment for other reasons has the amount still with Alice.
    pair.offer("bob", 2, 5_000_000n);
    pair.settle();
    alice.run({ type: "accept_add", id: 1n });
    pair.settle();
    for (const party of [alice, bob]) {
      expect(committed(party, "local")).toEqual([1n]);
      const row = newest(party.channel, "local");
      if (row === undefined) throw new Error("no commitment");
      const { ownMsat, othMsat } = commitmentParams(party.channel, row);
      expect(party === alice ? ownMsat : othMsat).toBe(500_000_000n);
    }
  });

  it("[LS-17] [B2-18] can't promise what another one has reserved", () => {
    const pair = open();
    const { alice, bob } = pair;
    expect(pair.offer("alice", 1, 480_000_000n)).toBeUndefined();
    expect(pair.offer("alice", 2, 20_000_000n)).toMatchObject({ type: "insufficient_balance" });
    pair.deliver("alice");
    expect(bob.judge(requesting(2n, 20_000_000n))).toMatchObject({ type: "remote_insufficient_balance" });
    // Rejected, it gives the amount back; in Alice's view once she knows.
    bob.run({ type: "reject_add", id: 0n, reason: REASON });
    expect(bob.judge(requesting(2n, 20_000_000n), bob.sent - 1)).toMatchObject({ type: "remote_insufficient_balance" });
    expect(bob.judge(requesting(2n, 20_000_000n))).toBeUndefined();
    pair.settle();
    expect(pair.offer("alice", 2, 20_000_000n)).toBeUndefined();
    expect(alice.channel.view.local.balanceMsat).toBe(480_000_000n);
  });

  it("[LS-17] is staged by the accept: the accept's number is what commitments cover", () => {
    const pair = requested();
    const { alice, bob } = pair;
    // Alice signs for something else after Bob has accepted and before she knows.
    bob.run({ type: "accept_add", id: 0n });
    pair.offer("bob", 2, 5_000_000n);
    alice.run({ type: "set_fee", feeRate: 5_000 });
    bob.flush();
    expect(bob.saying()).toEqual(["add_accept", "add_request", "update_commit"]);
    pair.deliver("alice");
    pair.deliver("bob");
    expect(alice.channel.htlcs.get(0n)).toMatchObject({ addNumber: bob.sent - 2, offerer: "local" });
    alice.flush();
    pair.deliver("bob");
    pair.deliver("bob");
    expect(committed(alice, "local")).toEqual([0n]);
    pair.settle();
    for (const party of [alice, bob])
      for (const side of ["local", "remote"] as const) {
        expect(committed(party, side)).toEqual([0n]);
      }
    expect(bob.cleared()).toEqual([0n]);
  });

  it("[LS-17] is accepted or rejected once, by its addressee, while it is pre-staged", () => {
    const answers = (id: bigint): PktMessage[] => [
      { type: "add_accept", id },
      { type: "add_reject", id, reason: REASON },
    ];
    for (const answer of ["accept_add", "reject_add"] as const) {
      const pair = requested();
      const { alice, bob } = pair;
      const refusals = (id: bigint, party: Party) => [
        party.ask({ type: "accept_add", id })?.type,
        party.ask({ type: "reject_add", id, reason: REASON })?.type,
      ];
      // Not by its offerer, and nothing that is not requested.
      expect(refusals(0n, alice)).toEqual(["not_prestaged", "not_prestaged"]);
      expect(refusals(2n, bob)).toEqual(["not_prestaged", "not_prestaged"]);
      for (const message of answers(0n)) expect(bob.judge(message)?.type).toBe("remote_not_prestaged");
      for (const message of answers(2n)) {
        expect(alice.judge(message)).toEqual({ type: "remote_not_prestaged", rule: "LS-17", actual: 2n });
      }
      for (const message of answers(0n)) expect(alice.judge(message)).toBeUndefined();
      expect(bob.run({ type: answer, id: 0n, reason: REASON })).toBeUndefined();
      pair.deliver("bob");
      const checkOver = () => {
        expect(refusals(0n, bob)).toEqual(["not_prestaged", "not_prestaged"]);
        for (const message of answers(0n)) expect(alice.judge(message)?.type).toBe("remote_not_prestaged");
      };
      checkOver();
      pair.settle();
      checkOver();
    }
  });

  it("[LS-17] [B2-5] is not answered by who has not acknowledged it: the money it is made of could be missing", () => {
    const pair = open({ alice: {}, bob: {} });
    const { alice } = pair;
    // All that Alice has comes back with her accept of Bob's request; she promises it anew at once.
    expect(pair.offer("alice", 1, 480_000_000n)).toBeUndefined();
    pair.settle();
    pair.bob.run({ type: "fail_htlc", id: 0n, reason: REASON });
    pair.deliver("bob");
    const before = alice.sent;
    alice.flush();
    expect(pair.offer("alice", 2, 480_000_000n)).toBeUndefined();
    for (const message of [
      { type: "add_accept", id: 2n },
      { type: "add_reject", id: 2n, reason: REASON },
    ] as const) {
      for (const acknowledge of [before, alice.sent - 1]) {
        expect(alice.judge(message, acknowledge)).toMatchObject({
          type: "remote_acknowledge",
          rule: "LS-17",
          limit: alice.sent,
          actual: acknowledge,
        });
      }
      expect(alice.judge(message, alice.sent)).toBeUndefined();
    }
  });

  it("[LS-17] [LS-29] that is rejected has failed at once, and leaves once commitments cover that", () => {
    const pair = requested();
    const { alice, bob } = pair;
    bob.run({ type: "reject_add", id: 0n, reason: REASON });
    pair.deliver("bob");
    const failed = { type: "htlc_failed", id: 0n, paymentHash: hashOf(1), reason: REASON };
    expect(alice.tells).toEqual([expect.objectContaining({ type: "fund" }), failed]);
    expect(alice.channel.htlcs.size + bob.channel.htlcs.size).toBe(2);
    pair.settle();
    expect(alice.channel.htlcs.size + bob.channel.htlcs.size).toBe(0);
    expect(alice.channel.locks.size + bob.channel.locks.size).toBe(0);
    expect(alice.tells.filter(({ type }) => type === "htlc_failed")).toHaveLength(1);
    expect(alice.channel.totals.localMsat).toBe(500_000_000n);
  });

  it("[LS-18] for what is staged already counts as accepting it; for anything else the id is wrong", () => {
    const pair = requested();
    const { bob } = pair;
    const { amountMsat, expiry, paymentHash, route } = bob.channel.htlcs.get(0n) ?? requesting(0n);
    const again: PktMessage = { type: "add_request", id: 0n, amountMsat, expiry, paymentHash, route };
    const wrongId = { type: "remote_htlc_id", rule: "LS-21", limit: 2n, actual: 0n };
    expect(bob.judge(again)).toEqual(wrongId);
    bob.run({ type: "accept_add", id: 0n });
    const before = bob.changes.length;
    const pkt = { channelId: bob.channel.id, message: again };
    expect(bob.receive({ pkt, number: bob.received + 1, acknowledge: bob.sent })).toBeUndefined();
    expect(bob.changes.slice(before)).toEqual([{ type: "acknowledged", acknowledge: bob.sent }]);
    expect(bob.judge({ ...again, amountMsat: (amountMsat + 1n) as Msat })).toEqual(wrongId);
    expect(bob.judge({ ...again, expiry: expiry + 1 })).toEqual(wrongId);
    expect(bob.judge({ ...again, paymentHash: hashOf(2) })).toEqual(wrongId);
    expect(bob.judge({ ...again, route: REASON })).toEqual(wrongId);
    expect(bob.judge(requesting(2n))).toBeUndefined();
  });

  it("can be taken back, which is answered by a reject", () => {
    const pair = requested();
    const { alice, bob } = pair;
    expect(bob.ask({ type: "withdraw_add", id: 0n })?.type).toBe("not_prestaged");
    expect(alice.run({ type: "withdraw_add", id: 0n })).toBeUndefined();
    pair.deliver("alice");
    expect(bob.saying()).toEqual(["add_reject"]);
    pair.settle();
    expect(alice.tells.map(({ type }) => type)).toContain("htlc_failed");
    expect(alice.ask({ type: "withdraw_add", id: 0n })?.type).toBe("not_prestaged");
    expect(alice.channel.totals.localMsat).toBe(500_000_000n);
  });

  it("is taken back in vain once the answer is out", () => {
    for (const answer of ["accept_add", "reject_add"] as const) {
      const pair = requested();
      const { alice, bob } = pair;
      bob.run({ type: answer, id: 0n, reason: REASON });
      alice.run({ type: "withdraw_add", id: 0n });
      pair.settle();
      expect(bob.saying()).toEqual([]);
      expect([...alice.channel.htlcs.keys()]).toEqual(answer === "accept_add" ? [0n] : []);
      // Nor is one of an id that was used; one that never was can't be.
      expect(bob.judge({ type: "add_withdraw", id: 0n })).toBeUndefined();
      for (const id of [1n, 2n]) {
        expect(bob.judge({ type: "add_withdraw", id })).toMatchObject({ type: "remote_unknown_htlc", actual: id });
      }
    }
  });
});

describe("the answer of the channel itself", () => {
  it("[LS-17] is yes by default, before it signs", () => {
    const pair = requested({});
    pair.bob.flush();
    expect(pair.bob.saying()).toEqual(["add_accept", "update_commit"]);
    expect(pair.bob.requested()).toEqual([]);
  });

  it("[LS-20] is no to what has expired, or lies too far ahead; one that expires meanwhile is staged, and times out", () => {
    for (const policy of [{}, ASK]) {
      const pair = requested(policy);
      const { alice, bob } = pair;
      bob.height = 300;
      expect(bob.ask({ type: "accept_add", id: 0n })).toEqual({
        type: "expiry_too_soon",
        rule: "LS-20",
        limit: 301,
        actual: 300,
      });
      bob.flush();
      expect(bob.saying()).toContain("add_reject");
      pair.settle();
      expect(alice.channel.htlcs.size).toBe(0);
    }
    const far = requested({ bob: { ...ASK.bob, expiryHorizon: 100 } });
    expect(far.bob.ask({ type: "accept_add", id: 0n })).toMatchObject({ type: "expiry_too_far", limit: 210 });

    const late = requested();
    late.bob.run({ type: "accept_add", id: 0n });
    late.alice.height = late.bob.height = 400;
    late.settle();
    expect(late.alice.tells.map(({ type }) => type)).toContain("htlc_failed");
    expect(late.alice.channel.totals.localMsat).toBe(500_000_000n);
  });

  it("[B2-19] is no where there is no room for it by our policy", () => {
    const pair = open({ bob: { maxHtlcs: 2 } });
    for (const n of [1, 2, 3]) pair.offer("alice", n, 1_000_000n);
    for (const _ of [1, 2]) pair.deliver("alice");
    pair.bob.flush();
    expect(pair.bob.saying().filter((type) => type === "add_accept")).toHaveLength(2);
    pair.settle();
    expect([...pair.bob.channel.htlcs.keys()]).toEqual([0n, 2n]);
  });

  it("[B2-32] is no while the channel closes, whoever asked to close, and the close comes", () => {
    for (const closer of ["alice", "bob"] as const) {
      const pair = requested();
      const { alice, bob } = pair;
      pair.offer("alice", 2, 2_000_000n);
      pair[closer].run({ type: "close", script: undefined });
      if (closer === "bob") {
        expect(bob.ask({ type: "accept_add", id: 0n })).toMatchObject({ type: "channel_closing", rule: "B2-32" });
      }
      pair.settle();
      expect(alice.channel.stage.stage).toBe("close_agreed");
      expect(alice.tells.filter(({ type }) => type === "htlc_failed")).toHaveLength(2);
      expect(alice.channel.totals.localMsat).toBe(500_000_000n);
    }
  });

  it("[LS-17] comes once both can speak again, and so does the question", () => {
    const pair = requested();
    const { bob } = pair;
    bob.ready = false;
    for (const input of [
      { type: "accept_add", id: 0n },
      { type: "reject_add", id: 0n, reason: REASON },
    ] as const) {
      expect(bob.ask(input)?.type).toBe("peer_not_ready");
    }
    bob.flush();
    expect(bob.saying()).toEqual([]);
    bob.ready = true;
    bob.run({ type: "peer_ready" });
    expect(bob.requested()).toEqual([0n, 0n]);
    bob.run({ type: "accept_add", id: 0n });
    bob.run({ type: "peer_ready" });
    expect(bob.requested()).toEqual([0n, 0n]);
  });

  it("[B2-19] bounds what rejected requests leave behind: 3,000 of a side, of which 1,500 may stand", () => {
    const pair = open({ alice: {}, bob: { prestageAdds: "ask" } });
    const { alice, bob } = pair;
    alice.checked = bob.checked = false;
    for (let n = 0; n < 3000; n++) {
      expect(pair.offer("alice", n, 1000n)).toBeUndefined();
      pair.deliver("alice");
      bob.run({ type: "reject_add", id: BigInt(2 * n), reason: REASON });
      pair.deliver("bob");
    }
    expect(bob.channel.htlcs.size).toBe(3000);
    expect(pair.offer("alice", 1, 1000n)).toEqual({ type: "too_many_htlcs", rule: "B2-19", limit: 3000, actual: 3001 });
    expect(bob.judge(requesting(6000n, 1000n))).toEqual({
      type: "remote_too_many_htlcs",
      rule: "B2-19",
      limit: 3000,
      actual: 3001,
    });
    pair.settle();
    expect(bob.channel.htlcs.size).toBe(0);
    expect(pair.offer("alice", 1, 1000n)).toBeUndefined();
  });
});
