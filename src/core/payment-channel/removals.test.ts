import { describe, expect, it } from "vitest";
import { ChannelPair, flipped, rowsOf, secret } from "../../../test/support/channel-pair.ts";
import { asPaymentHash, type Msat } from "../base/index.ts";
import { sha256 } from "../crypto/index.ts";

function fulfilling(id: bigint, n: number) {
  return { type: "update_fulfill_htlc" as const, id, preimage: secret(n) };
}

function failing(id: bigint) {
  return { type: "update_fail_htlc" as const, id, reason: new Uint8Array([1]) };
}

/** Alice offered HTLC 0 with secret 1, and it has cleared. */
function cleared(): ChannelPair {
  const pair = new ChannelPair().open({ pushMsat: 500_000_000n });
  pair.offer("alice", 1, 10_000_000n);
  pair.settle();
  return pair;
}

describe("a removal", () => {
  it("[B2-22] is by the receiver of the HTLC alone", () => {
    const { alice, bob } = cleared();
    const unknown = { rule: "B2-23", actual: 0n };
    expect(alice.ask({ type: "fulfill", id: 0n, preimage: secret(1) })).toMatchObject({
      type: "unknown_htlc",
      ...unknown,
    });
    expect(alice.ask({ type: "fail_htlc", id: 0n, reason: new Uint8Array(1) })).toMatchObject({ type: "unknown_htlc" });
    expect(bob.judge(fulfilling(0n, 1))).toMatchObject({ type: "remote_unknown_htlc", ...unknown });
    expect(bob.judge(failing(0n))).toMatchObject({ type: "remote_unknown_htlc", ...unknown });
    expect(alice.judge(fulfilling(0n, 1))).toBeUndefined();
    expect(alice.judge(failing(0n))).toBeUndefined();
  });

  it("[B2-23] is of an HTLC that there is", () => {
    const { alice, bob } = cleared();
    for (const id of [1n, 2n, 2n ** 64n - 1n]) {
      expect(bob.ask({ type: "fulfill", id, preimage: secret(1) })).toMatchObject({ type: "unknown_htlc", actual: id });
      expect(alice.judge(fulfilling(id, 1))).toMatchObject({ type: "remote_unknown_htlc", actual: id });
      expect(alice.judge(failing(id))).toMatchObject({ type: "remote_unknown_htlc", actual: id });
    }
  });

  it("[B2-23] is by the preimage, of 32 bytes, to the bit", () => {
    const { alice, bob } = cleared();
    for (const preimage of [secret(2), flipped(secret(1)), new Uint8Array(0)]) {
      expect(bob.ask({ type: "fulfill", id: 0n, preimage })).toMatchObject({ type: "wrong_preimage", rule: "B2-23" });
      const refused = alice.judge({ ...fulfilling(0n, 1), preimage });
      expect(refused).toMatchObject({ type: "remote_wrong_preimage", rule: "B2-23", actual: 0n });
    }
  });

  it("[B2-23] is not by 33 bytes, even where they have the hash: scripts take 32", () => {
    const pair = new ChannelPair().open();
    const preimage = new Uint8Array(33).fill(7);
    const paymentHash = asPaymentHash(sha256(preimage));
    const route = new Uint8Array(0);
    pair.alice.run({ type: "offer", amountMsat: 1_000_000n as Msat, paymentHash, expiry: 300, route });
    pair.settle();
    expect(pair.bob.ask({ type: "fulfill", id: 0n, preimage })?.type).toBe("wrong_preimage");
    expect(pair.alice.judge({ ...fulfilling(0n, 1), preimage })?.type).toBe("remote_wrong_preimage");
  });

  it("[B2-23] happens once: a second of either kind is refused both ways, before and after it is signed for", () => {
    const pair = cleared();
    const { alice, bob } = pair;
    const preimage = secret(1);
    const checkRefused = (own: string, theirs: string) => {
      expect(bob.ask({ type: "fulfill", id: 0n, preimage })?.type).toBe(own);
      expect(bob.ask({ type: "fail_htlc", id: 0n, reason: new Uint8Array(1) })?.type).toBe(own);
      expect(alice.judge(fulfilling(0n, 1))?.type).toBe(theirs);
      expect(alice.judge(failing(0n))?.type).toBe(theirs);
    };
    bob.run({ type: "fulfill", id: 0n, preimage });
    pair.deliver("bob");
    checkRefused("already_removed", "remote_already_removed");
    bob.flush();
    pair.deliver("bob");
    checkRefused("already_removed", "remote_already_removed");
    pair.settle();
    checkRefused("unknown_htlc", "remote_unknown_htlc");
    expect(alice.channel.view.local.balanceMsat).toBe(490_000_000n);
  });

  it("[B2-22] [LS-10] waits until the add has cleared, at either end, whatever single commitment holds it", () => {
    const pair = new ChannelPair().open({ pushMsat: 500_000_000n });
    const { alice, bob } = pair;
    const early = () => {
      expect(alice.judge(fulfilling(0n, 1))).toMatchObject({
        type: "remote_htlc_not_cleared",
        rule: "B2-23",
        actual: 0n,
      });
      expect(alice.judge(failing(0n))?.type).toBe("remote_htlc_not_cleared");
    };
    const refused = () => {
      expect(bob.ask({ type: "fulfill", id: 0n, preimage: secret(1) })?.type).toBe("htlc_not_cleared");
      expect(bob.ask({ type: "fail_htlc", id: 0n, reason: new Uint8Array(1) })?.type).toBe("htlc_not_cleared");
    };
    pair.offer("alice", 1, 10_000_000n);
    early();
    alice.flush();
    early();
    pair.deliver("alice");
    refused();
    pair.deliver("alice");
    // In Bob's commitment: B2-23's own words would let it go.
    refused();
    bob.flush();
    refused();
    early();
    pair.deliver("bob");
    early();
    pair.deliver("bob");
    // In both, everything before revoked, as far as Alice knows; Bob has not got Alice's revocation.
    expect(alice.judge(fulfilling(0n, 1))).toBeUndefined();
    refused();
    pair.deliver("alice");
    expect(bob.ask({ type: "fulfill", id: 0n, preimage: secret(1) })).toBeUndefined();
  });

  it("[B2-23] can't create money by being made twice while commitments differ", () => {
    // Bob fulfils, Alice signs for it, and Bob's old commitment, still unrevoked, has the HTLC: B2-23's own check would pass.
    const pair = cleared();
    const { alice, bob } = pair;
    bob.run({ type: "fulfill", id: 0n, preimage: secret(1) });
    bob.flush();
    pair.deliver("bob");
    pair.deliver("bob");
    alice.flush();
    expect(alice.channel.commitments.remote).toHaveLength(2);
    expect(alice.judge(fulfilling(0n, 1))?.type).toBe("remote_already_removed");
    const { local, remote } = alice.channel.view;
    expect(local.balanceMsat + remote.balanceMsat).toBe(1_000_000_000n);
  });

  it("[B2-4] [B2-22] keeps a preimage while the peer is away, and says it when the peer is back", () => {
    const pair = cleared();
    const { alice, bob } = pair;
    bob.ready = false;
    expect(bob.ask({ type: "fulfill", id: 0n, preimage: secret(2) })?.type).toBe("wrong_preimage");
    expect(bob.ask({ type: "fulfill", id: 2n, preimage: secret(1) })?.type).toBe("unknown_htlc");
    expect(bob.run({ type: "fulfill", id: 0n, preimage: secret(1) })).toBeUndefined();
    expect(bob.run({ type: "fulfill", id: 0n, preimage: secret(1) })).toBeUndefined();
    bob.flush();
    expect(bob.saying()).toEqual([]);
    bob.state = bob.loaded(rowsOf(bob.channel));
    bob.ready = true;
    bob.run({ type: "peer_ready" });
    pair.settle();
    expect(alice.tells.at(-1)).toMatchObject({ type: "htlc_fulfilled", id: 0n, preimage: secret(1) });
    expect(bob.channel.htlcs.size + bob.channel.knownPreimages.size).toBe(0);
  });

  it("[B2-39] takes a preimage from a message for a channel that is over, once", () => {
    const { alice } = cleared();
    alice.run({ type: "fail", error: { type: "failed_by_user", rule: "B2-43" }, notify: false });
    const said = (n: number) =>
      alice.receive({
        pkt: { channelId: alice.channel.id, message: fulfilling(0n, n) },
        number: alice.received + 1,
        acknowledge: alice.packetAcknowledge,
      });
    for (const n of [2, 1, 1]) expect(said(n)).toBeUndefined();
    const told = alice.tells.filter(({ type }) => type === "htlc_fulfilled");
    expect(told).toMatchObject([{ id: 0n, preimage: secret(1) }]);
  });

  it("[B2-13] [B2-4] is made on an open channel with a peer that can be spoken to", () => {
    const { alice, bob } = cleared();
    bob.ready = false;
    const reason = new Uint8Array(0);
    expect(bob.ask({ type: "fail_htlc", id: 0n, reason })?.type).toBe("peer_not_ready");
    const error = { type: "failed_by_user", rule: "B2-43" } as const;
    bob.run({ type: "fail", error, notify: false });
    expect(bob.ask({ type: "fail_htlc", id: 0n, reason })?.type).toBe("not_open");
    const pair = new ChannelPair();
    pair.propose();
    pair.answer();
    expect(pair.bob.judge(fulfilling(0n, 1))?.type).toBe("unexpected_message");
    expect(alice.judge(failing(0n))).toBeUndefined();
  });

  it("[B2-24] carries its reason as it is", () => {
    const pair = cleared();
    const reason = new Uint8Array([0, 255, 7]);
    pair.bob.run({ type: "fail_htlc", id: 0n, reason });
    pair.settle();
    expect(pair.alice.tells.at(-1)).toMatchObject({ type: "htlc_failed", id: 0n, reason });
  });

  it("pays the receiver when fulfilled and the offerer when failed", () => {
    const pair = cleared();
    pair.offer("alice", 2, 30_000_000n);
    pair.settle();
    pair.bob.run({ type: "fulfill", id: 0n, preimage: secret(1) });
    pair.bob.run({ type: "fail_htlc", id: 2n, reason: new Uint8Array(1) });
    pair.settle();
    expect(pair.alice.channel.totals).toMatchObject({ localMsat: 490_000_000n, remoteMsat: 510_000_000n });
    expect(pair.bob.channel.totals).toMatchObject({ localMsat: 510_000_000n, remoteMsat: 490_000_000n });
  });
});
