import { describe, expect, it } from "vitest";
import { ChannelPair, flipped, hashOf, type Party, secret } from "../../../test/support/channel-pair.ts";
import type { PktMessage } from "../wire/index.ts";

const NO_REASON = new Uint8Array(0);
const REASON = new Uint8Array([5]);

function settling(id = 0n, n = 1): Extract<PktMessage, { type: "settle_request" }> {
  return { type: "settle_request", id, preimage: secret(n) };
}

const TIMING: PktMessage = { type: "timeout_request", id: 0n, reason: REASON };
const ACCEPTS: PktMessage[] = [
  { type: "settle_accept", id: 0n },
  { type: "timeout_accept", id: 0n },
];
const SETTLE = { type: "fulfill", id: 0n, preimage: secret(1) } as const;
const GIVE_BACK = { type: "fail_htlc", id: 0n, reason: REASON } as const;

/** Alice has offered HTLC 0 with secret 1, it has cleared, and nobody has decided about it. It expires at 300. */
function cleared(): ChannelPair {
  const pair = new ChannelPair().open({ pushMsat: 500_000_000n, prestage: true });
  pair.offer("alice", 1, 10_000_000n);
  pair.settle();
  expect(pair.bob.cleared()).toEqual([0n]);
  return pair;
}

function told(party: Party, type: string): number {
  return party.tells.filter((tell) => tell.type === type).length;
}

/** What is left of it once everything is said: the balances, and no HTLC. */
function expectEnd(pair: ChannelPair, aliceMsat: bigint): void {
  pair.settle();
  const { alice, bob } = pair;
  expect(alice.channel.htlcs.size + bob.channel.htlcs.size).toBe(0);
  expect(alice.channel.removalRequests.size + bob.channel.removalRequests.size).toBe(0);
  expect(alice.channel.totals.localMsat).toBe(aliceMsat);
  expect(bob.channel.totals.remoteMsat).toBe(aliceMsat);
}

describe("a request to settle", () => {
  it("[LS-22] tells its preimage at once and once, and is staged by the offerer's accept", () => {
    const pair = cleared();
    const { alice, bob } = pair;
    bob.run(SETTLE);
    expect(bob.saying()).toEqual(["settle_request"]);
    pair.deliver("bob");
    expect(alice.tells.at(-1)).toEqual({
      type: "htlc_fulfilled",
      id: 0n,
      paymentHash: hashOf(1),
      preimage: secret(1),
    });
    // The money is the offerer's until it accepts, in every view.
    expect(alice.channel.view.remote.balanceMsat).toBe(500_000_000n);
    alice.flush();
    expect(alice.saying()).toEqual(["settle_accept", "update_commit"]);
    expect(alice.channel.htlcs.get(0n)).toMatchObject({ removedBy: "local", removeNumber: alice.sent - 1 });
    expect(alice.channel.view.remote.balanceMsat).toBe(510_000_000n);
    expect(bob.channel.view.local.balanceMsat).toBe(500_000_000n);
    pair.deliver("alice");
    expect(bob.channel.htlcs.get(0n)).toMatchObject({ removedBy: "remote" });
    expect(bob.channel.view.local.balanceMsat).toBe(510_000_000n);
    expectEnd(pair, 490_000_000n);
    expect(told(alice, "htlc_fulfilled")).toBe(1);
  });

  it("[LS-22] is of a cleared HTLC that the other side offered, with its preimage; else the channel fails", () => {
    const pair = new ChannelPair().open({ pushMsat: 500_000_000n, prestage: true });
    const { alice, bob } = pair;
    pair.offer("alice", 1, 10_000_000n);
    pair.deliver("alice");
    const notCleared = () => {
      expect(bob.ask(SETTLE)?.type).toBe("htlc_not_cleared");
      expect(bob.ask(GIVE_BACK)?.type).toBe("htlc_not_cleared");
      expect(alice.judge(settling())?.type).toBe("remote_htlc_not_cleared");
      expect(alice.judge(TIMING)?.type).toBe("remote_htlc_not_cleared");
    };
    notCleared();
    bob.flush();
    while (bob.outgoing.length > 0) pair.deliver("bob");
    notCleared();
    pair.settle();
    expect(bob.ask({ ...SETTLE, preimage: flipped(secret(1)) })?.type).toBe("wrong_preimage");
    expect(alice.judge({ ...settling(), preimage: flipped(secret(1)) })).toMatchObject({
      type: "remote_wrong_preimage",
      rule: "LS-22",
    });
    expect(bob.judge(settling())?.type).toBe("remote_unknown_htlc");
    for (const id of [1n, 2n]) {
      expect(alice.judge(settling(id))?.type).toBe("remote_unknown_htlc");
      expect(alice.judge({ ...TIMING, id } as PktMessage)?.type).toBe("remote_unknown_htlc");
    }
    expect(alice.judge(settling())).toBeUndefined();
  });

  it("[LS-22] comes once for each HTLC, and then no other request", () => {
    for (const first of [SETTLE, GIVE_BACK]) {
      const pair = cleared();
      const { alice, bob } = pair;
      bob.run(first);
      for (const again of [SETTLE, GIVE_BACK]) {
        expect(bob.ask(again)).toEqual({ type: "removal_requested", rule: "LS-22", actual: 0n });
      }
      pair.deliver("bob");
      for (const message of [settling(), TIMING]) {
        expect(alice.judge(message)).toEqual({ type: "remote_removal_requested", rule: "LS-22", actual: 0n });
      }
    }
  });

  it("[LS-18] for what is staged already counts as accepting it; for the other removal the channel fails", () => {
    for (const [own, same, other] of [
      [SETTLE, settling(), TIMING],
      [GIVE_BACK, TIMING, settling()],
    ] as const) {
      const pair = cleared();
      const { alice, bob } = pair;
      bob.run(own);
      pair.deliver("bob");
      alice.flush();
      const before = alice.tells.length;
      const number = alice.received + 1;
      const pkt = { channelId: alice.channel.id, message: same };
      expect(alice.receive({ pkt, number, acknowledge: alice.sent })).toBeUndefined();
      expect(alice.tells.length).toBe(before);
      expect(alice.judge(other)?.type).toBe("remote_already_removed");
    }
  });

  it("[LS-24] survives a crash on either side, with its preimage", () => {
    const pair = cleared();
    const { alice, bob } = pair;
    bob.run(SETTLE);
    // `Party.run` compares what a store gives back after each step; here it is what the requests are.
    const request = { id: 0n, number: bob.sent, removal: { type: "fulfilled", preimage: secret(1) } };
    expect([...bob.channel.removalRequests.values()]).toEqual([{ ...request, by: "local" }]);
    pair.deliver("bob");
    expect([...alice.channel.removalRequests.values()]).toEqual([{ ...request, by: "remote" }]);
  });

  it("[LS-19] leaves nothing to decide: the HTLC is not told of again", () => {
    const pair = cleared();
    const { bob } = pair;
    bob.run(SETTLE);
    bob.run({ type: "peer_ready" });
    expect(bob.cleared()).toEqual([0n]);
  });
});

describe("a request to give back", () => {
  it("[LS-23] by the receiver is accepted, and the failure told when it has settled", () => {
    const pair = cleared();
    const { alice, bob } = pair;
    bob.run(GIVE_BACK);
    pair.deliver("bob");
    alice.flush();
    expect(alice.saying()).toEqual(["timeout_accept", "update_commit"]);
    expect(told(alice, "htlc_failed")).toBe(0);
    expectEnd(pair, 500_000_000n);
    expect(alice.tells.at(-1)).toEqual({ type: "htlc_failed", id: 0n, paymentHash: hashOf(1), reason: REASON });
  });

  it("[LS-20] [LS-23] by the offerer comes at the expiry and not before, once", () => {
    const pair = cleared();
    const { alice, bob } = pair;
    alice.height = 299;
    alice.flush();
    expect(alice.saying()).toEqual([]);
    alice.height = bob.height = 300;
    alice.flush();
    alice.flush();
    expect(alice.saying()).toEqual(["timeout_request"]);
    pair.deliver("alice");
    bob.flush();
    expect(bob.saying()).toEqual(["timeout_accept", "update_commit"]);
    expect(bob.channel.htlcs.get(0n)).toMatchObject({ removedBy: "local" });
    expectEnd(pair, 500_000_000n);
    expect(told(alice, "htlc_failed")).toBe(1);
  });

  it("[LS-23] by the offerer, early by our chain, waits: until it has expired for us we may settle", () => {
    const early = cleared();
    early.alice.height = 300;
    early.alice.flush();
    early.deliver("alice");
    early.bob.flush();
    expect(early.bob.saying()).toEqual([]);
    early.bob.height = 299;
    early.bob.flush();
    expect(early.bob.saying()).toEqual([]);
    // A second one while the first waits is none that an honest peer sends.
    expect(early.bob.judge({ type: "timeout_request", id: 0n, reason: NO_REASON })?.type).toBe(
      "remote_removal_requested",
    );
    early.bob.run(SETTLE);
    early.bob.height = 300;
    early.bob.flush();
    expect(early.bob.saying()).toEqual(["settle_request"]);
    expectEnd(early, 490_000_000n);
    expect(told(early.alice, "htlc_fulfilled")).toBe(1);
  });
});

describe("settle and timeout exclude each other", () => {
  it("[LS-22] [LS-23] where the requests cross, the receiver's stands and the offerer's lapses", () => {
    for (const [own, left] of [
      [SETTLE, 490_000_000n],
      [GIVE_BACK, 500_000_000n],
    ] as const) {
      const pair = cleared();
      const { alice, bob } = pair;
      alice.height = bob.height = 300;
      alice.flush();
      bob.run(own);
      expect([alice.saying(), bob.saying()]).toEqual([
        ["timeout_request"],
        [own === SETTLE ? "settle_request" : "timeout_request"],
      ]);
      pair.deliver("alice");
      bob.flush();
      expect(bob.saying()).toHaveLength(1);
      pair.deliver("bob");
      alice.flush();
      expect(alice.saying()[0]).toBe(own === SETTLE ? "settle_accept" : "timeout_accept");
      expectEnd(pair, left);
      expect(told(alice, "htlc_fulfilled") + told(alice, "htlc_failed")).toBe(1);
    }
  });

  it("[LS-22] [LS-23] nobody accepts what was not asked, or what lapsed", () => {
    const pair = cleared();
    const { alice, bob } = pair;
    const refused = (party: Party) => ACCEPTS.map((message) => party.judge(message)?.type);
    const none = "remote_removal_not_requested";
    expect(refused(alice)).toEqual([none, none]);
    expect(refused(bob)).toEqual([none, none]);
    alice.height = bob.height = 300;
    alice.flush();
    expect(refused(alice)).toEqual([none, undefined]);
    bob.run(SETTLE);
    expect(refused(bob)).toEqual([undefined, none]);
    // Once it has asked to settle, the receiver accepts no timeout.
    pair.deliver("bob");
    expect(alice.judge({ type: "timeout_accept", id: 0n })).toEqual({
      type: none,
      rule: "LS-22",
      actual: 0n,
      detail: "timeout_accept",
    });
    alice.flush();
    expect(alice.judge({ type: "timeout_accept", id: 0n })?.type).toBe("remote_already_removed");
    pair.settle();
    for (const party of [alice, bob]) {
      expect(refused(party)).toEqual(["remote_unknown_htlc", "remote_unknown_htlc"]);
    }
  });

  it("[LS-22] [LS-23] [B2-5] nobody accepts what it has not acknowledged", () => {
    const pair = cleared();
    const { alice, bob } = pair;
    bob.run(SETTLE);
    const [accept] = ACCEPTS;
    if (accept === undefined) throw new Error("there are accepts");
    expect(bob.judge(accept, bob.sent - 1)).toMatchObject({ type: "remote_acknowledge", limit: bob.sent });
    expect(bob.judge(accept, bob.sent)).toBeUndefined();
    alice.height = 300;
    alice.flush();
    expect(alice.judge({ type: "timeout_accept", id: 0n }, alice.sent - 1)?.type).toBe("remote_acknowledge");
  });

  it("[LS-23] [LS-22] once it has accepted a timeout, the receiver does not settle", () => {
    const pair = cleared();
    const { alice, bob } = pair;
    alice.height = bob.height = 300;
    alice.flush();
    pair.deliver("alice");
    bob.flush();
    expect(bob.ask(SETTLE)?.type).toBe("already_removed");
    pair.deliver("bob");
    expect(alice.judge(settling())?.type).toBe("remote_already_removed");
    expectEnd(pair, 500_000_000n);
  });

  it("[LS-13] accepts before the other side can be spoken to, or after the channel has failed, are not made", () => {
    const pair = cleared();
    const { alice, bob } = pair;
    bob.run(SETTLE);
    pair.deliver("bob");
    alice.ready = false;
    alice.flush();
    expect(alice.saying()).toEqual([]);
    alice.run({ type: "fail", error: { type: "failed_by_user", rule: "B2-43" }, notify: false });
    alice.ready = true;
    alice.flush();
    expect(alice.saying()).toEqual([]);
  });
});
