import { describe, expect, it } from "vitest";
import { ChannelPair, type Party } from "../../../test/support/channel-pair.ts";
import { awaited } from "./stall.ts";

function waits(party: Party, height = party.height) {
  return awaited(party.channel, height);
}

function open(): ChannelPair {
  return new ChannelPair().open({ pushMsat: 400_000_000n });
}

/** The type and number of the party's newest packet under way. */
function newest(party: Party): [string | undefined, number] {
  const packet = party.outgoing.at(-1);
  return [packet?.pkt.message.type, packet?.number ?? -1];
}

describe("what a channel waits for", () => {
  it("[B2-41] is nothing while it is at rest", () => {
    const { alice, bob } = open();
    expect(waits(alice)).toBeUndefined();
    expect(waits(bob)).toBeUndefined();
  });

  it("[B2-41] is a signature for a staged change of ours, and the revocation of what we signed, by the oldest packet", () => {
    const pair = open();
    const { alice, bob } = pair;
    pair.offer("alice", 1, 1_000_000n);
    const [, add] = newest(alice);
    expect(waits(alice)).toEqual({ type: "answer", number: add });
    pair.offer("alice", 2, 1_000_000n);
    alice.flush();
    const [type, commit] = newest(alice);
    expect(type).toBe("update_commit");
    expect(waits(alice)).toEqual({ type: "answer", number: add });
    // Bob owes Alice something, and Alice owes Bob nothing yet.
    pair.deliver("alice");
    pair.deliver("alice");
    expect(waits(bob)).toBeUndefined();
    pair.deliver("alice");
    // His revocation alone leaves the adds to be signed for.
    pair.deliver("bob");
    expect(waits(alice)).toEqual({ type: "answer", number: add });
    bob.flush();
    const [, theirs] = newest(bob);
    expect(waits(bob)).toEqual({ type: "answer", number: theirs });
    pair.deliver("bob");
    expect(waits(alice)).toBeUndefined();
    pair.deliver("alice");
    expect(waits(bob)).toBeUndefined();
    expect(commit).toBe(add + 2);
  });

  it("[B2-41] is the revocation alone where all changes are signed for", () => {
    const pair = open();
    const { alice, bob } = pair;
    pair.offer("bob", 1, 1_000_000n);
    bob.flush();
    pair.deliver("bob");
    pair.deliver("bob");
    alice.flush();
    const [type, number] = newest(alice);
    expect(type).toBe("update_commit");
    expect(waits(alice)).toEqual({ type: "answer", number });
    pair.settle();
    expect(waits(alice)).toBeUndefined();
    alice.run({ type: "fail_htlc", id: 1n, reason: new Uint8Array(0) });
    expect(waits(alice)).toEqual({ type: "answer", number: newest(alice)[1] });
  });

  it("[B2-41] [LS-22] with pre-staging is the accept of what a receiver asks, and an answer that a close waits for", () => {
    const policy = { prestageAdds: "ask" } as const;
    const pair = new ChannelPair({ bob: policy }).open({ pushMsat: 400_000_000n, prestage: true });
    const { alice, bob } = pair;
    pair.offer("alice", 1, 1_000_000n);
    pair.settle();
    expect(waits(alice)).toBeUndefined();
    bob.run({ type: "accept_add", id: 0n });
    expect(waits(bob)).toEqual({ type: "answer", number: newest(bob)[1] });
    pair.settle();
    expect([waits(alice), waits(bob)]).toEqual([undefined, undefined]);
    bob.run({ type: "fail_htlc", id: 0n, reason: new Uint8Array(0) });
    expect(waits(bob)).toEqual({ type: "answer", number: newest(bob)[1] });
    pair.settle();
    expect(waits(bob)).toBeUndefined();
    // Alice may be ahead of Bob's chain: what she asks for after the expiry may have to wait.
    pair.offer("alice", 2, 1_000_000n);
    pair.settle();
    bob.run({ type: "accept_add", id: 2n });
    pair.settle();
    alice.height = 300;
    alice.flush();
    expect(alice.saying()).toEqual(["timeout_request"]);
    expect(waits(alice)).toBeUndefined();
    alice.height = 110;
    pair.offer("alice", 3, 1_000_000n);
    const [, asked] = newest(alice);
    pair.deliver("alice");
    pair.deliver("alice");
    bob.run({ type: "close", script: undefined });
    expect(waits(alice)).toBeUndefined();
    pair.deliver("bob");
    expect(waits(alice)).toEqual({ type: "answer", number: asked });
  });

  it("[B2-25] is a signature for a fee rate of ours, but not for one that crossed a close_signature", () => {
    const pair = open();
    const { alice, bob } = pair;
    bob.run({ type: "set_fee", feeRate: 5_000 });
    expect(waits(bob)).toEqual({ type: "answer", number: newest(bob)[1] });
    pair.settle();
    alice.run({ type: "close", script: undefined });
    const [, clearing] = newest(alice);
    expect(waits(alice)).toEqual({ type: "answer", number: clearing });
    pair.deliver("alice");
    bob.flush();
    pair.deliver("bob");
    alice.flush();
    bob.run({ type: "set_fee", feeRate: 6_000 });
    expect(waits(bob)?.type).toBe("answer");
    expect(newest(alice)[0]).toBe("close_signature");
    pair.settle();
    expect(bob.channel.stage.stage).toBe("close_agreed");
    expect(waits(bob)).toBeUndefined();
  });

  it("[B2-33] is agreement on the close, once both want it and everything has drained", () => {
    const pair = open();
    const { alice, bob } = pair;
    pair.offer("alice", 1, 1_000_000n);
    pair.settle();
    bob.run({ type: "close", script: undefined });
    pair.settle();
    expect(waits(alice)).toBeUndefined();
    expect(waits(bob)).toBeUndefined();
    bob.run({ type: "fail_htlc", id: 0n, reason: new Uint8Array(0) });
    bob.flush();
    while (bob.channel.htlcs.size > 0 || alice.channel.htlcs.size > 0) {
      pair.deliver(alice.outgoing.length > 0 ? "alice" : "bob");
      if (alice.channel.htlcs.size > 0) alice.flush();
      if (bob.channel.htlcs.size > 0) bob.flush();
    }
    expect(waits(alice)).toEqual({ type: "close" });
    alice.flush();
    expect(waits(alice)).toEqual({ type: "close" });
    pair.settle();
    expect(alice.channel.stage.stage).toBe("close_agreed");
    expect(waits(alice)).toBeUndefined();
  });

  it("[B2-48] is the next step of an opening until the anchor may be out, then open_complete, long after its depth", () => {
    const pair = new ChannelPair();
    const { alice, bob } = pair;
    pair.propose();
    expect(waits(alice)).toEqual({ type: "opening" });
    pair.answer();
    expect(waits(bob)).toEqual({ type: "opening" });
    pair.deliver("bob");
    pair.fund();
    expect(waits(alice)).toEqual({ type: "opening" });
    pair.settle();
    expect(waits(alice, 1_000_000)).toBeUndefined();
    expect(waits(bob, 1_000_000)).toBeUndefined();
    const { funding } = alice.channel;
    if (funding === undefined) throw new Error("Alice funded it");
    alice.channel.funding = { ...funding, confirmedHeight: 101 };
    // Bob asked for 3: in 103 it is that deep.
    expect(waits(alice, 103 + 143)).toBeUndefined();
    expect(waits(alice, 103 + 144)).toEqual({ type: "open_complete" });
    alice.channel.stage = { ...alice.channel.stage, openCompleteSent: false };
    expect(waits(alice, 103 + 144)).toBeUndefined();
    alice.channel.stage = { ...alice.channel.stage, openCompleteSent: true, openCompleteReceived: true };
    expect(waits(alice, 103 + 144)).toBeUndefined();
  });

  it("is nothing once the channel has ended", () => {
    const pair = open();
    pair.offer("alice", 1, 1_000_000n);
    pair.alice.run({ type: "fail", error: { type: "remote_stalled", rule: "B2-41" }, notify: true });
    expect(pair.alice.saying()).toContain("error");
    expect(pair.alice.channel.stage).toMatchObject({ stage: "failed", failure: "remote stalled [B2-41]" });
    expect(waits(pair.alice)).toBeUndefined();
  });
});
