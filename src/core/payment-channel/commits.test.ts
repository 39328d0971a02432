import { describe, expect, it } from "vitest";
import { ChannelPair, flipped, hashOf, type Party, rowsOf, secret } from "../../../test/support/channel-pair.ts";
import { FIRST_REVOCATION_INDEX, lookupRevocation, sha256 } from "../crypto/index.ts";
import { ownRevocationHash, ownRevocationPreimage } from "./own-revocation.ts";
import type { Side } from "./rows.ts";
import { commitmentParams, signCommitment } from "./snapshot.ts";
import { newest } from "./state.ts";

/** Ids of the HTLCs in the newest commitment of `holder`, as the party has it. */
function committed(party: Party, holder: Side): bigint[] {
  const row = newest(party.channel, holder);
  return row === undefined ? [] : commitmentParams(party.channel, row).htlcs.map(({ id }) => id);
}

function open(): ChannelPair {
  return new ChannelPair().open({ pushMsat: 500_000_000n });
}

describe("the scenarios of seed 001 section 3", () => {
  it("[B2-49] [LS-25] both add, one signs, the other revokes and signs", () => {
    const pair = open();
    const { alice, bob } = pair;
    const [X, Y] = [0n, 1n];
    // A offers X; B has it staged.
    pair.offer("alice", 1, 10_000_000n);
    expect(alice.saying()).toEqual(["update_add_htlc"]);
    pair.deliver("alice");
    expect([...bob.channel.htlcs.keys()]).toEqual([X]);
    expect(committed(bob, "local")).toEqual([]);
    // B offers Y; A has both staged.
    pair.offer("bob", 2, 20_000_000n);
    pair.deliver("bob");
    expect([...alice.channel.htlcs.keys()]).toEqual([X, Y]);
    // A signs for its update and the one that it got. B has both, and revokes its old commitment in the same step.
    alice.flush();
    expect(alice.saying()).toEqual(["update_commit"]);
    pair.deliver("alice");
    expect(committed(bob, "local")).toEqual([X, Y]);
    expect(bob.saying()).toEqual(["update_revocation"]);
    // One signature of B's covers both.
    bob.flush();
    expect(bob.saying()).toEqual(["update_revocation", "update_commit"]);
    pair.deliver("bob");
    expect(alice.channel.totals.remoteUnrevoked).toBe(1);
    pair.deliver("bob");
    expect(committed(alice, "local")).toEqual([X, Y]);
    expect(alice.saying()).toEqual(["update_revocation"]);
    pair.deliver("alice");
    // Nothing is left to say.
    alice.flush();
    bob.flush();
    expect([...alice.saying(), ...bob.saying()]).toEqual([]);
    expect(bob.cleared()).toEqual([X]);
    expect(alice.cleared()).toEqual([Y]);
  });

  it("[B2-15] both sign at once: each signature covers what its signer had got", () => {
    const pair = open();
    const { alice, bob } = pair;
    const [X, Y] = [0n, 1n];
    pair.offer("bob", 2, 20_000_000n);
    pair.deliver("bob");
    // B signs without having seen anything of A's; A adds X and signs for X and Y.
    bob.flush();
    pair.offer("alice", 1, 10_000_000n);
    alice.flush();
    expect(bob.saying()).toEqual(["update_commit"]);
    expect(alice.saying()).toEqual(["update_add_htlc", "update_commit"]);
    // What each signature acknowledges is what its signer had: nothing of A's in SIG 0, B's Y in SIG 1.
    const [sigZero] = bob.outgoing;
    const [addX, sigOne] = alice.outgoing;
    expect(sigZero?.acknowledge).toBe((addX?.number ?? 0) - 1);
    expect(sigOne?.acknowledge).toBe((sigZero?.number ?? 0) - 1);
    // A takes B's signature: its commitment has B's update and not its own, which B did not acknowledge.
    pair.deliver("bob");
    expect(committed(alice, "local")).toEqual([Y]);
    expect(alice.saying()).toEqual(["update_add_htlc", "update_commit", "update_revocation"]);
    pair.deliver("alice");
    expect(committed(bob, "local")).toEqual([]);
    pair.deliver("alice");
    expect(committed(bob, "local").sort()).toEqual([X, Y]);
    pair.deliver("alice");
    expect(bob.saying()).toEqual(["update_revocation"]);
    // B signs again, now with A's update.
    bob.flush();
    expect(bob.saying()).toEqual(["update_revocation", "update_commit"]);
    pair.deliver("bob");
    pair.deliver("bob");
    expect(committed(alice, "local").sort()).toEqual([X, Y]);
    pair.deliver("alice");
    alice.flush();
    bob.flush();
    expect([...alice.saying(), ...bob.saying()]).toEqual([]);
    expect(bob.cleared()).toEqual([X]);
    expect(alice.cleared()).toEqual([Y]);
  });
});

describe("an HTLC under way", () => {
  it("[LS-10] [LS-19] [LS-28] [LS-31] is told of only when it is in both commitments and all before are revoked", () => {
    const pair = open();
    const { alice, bob } = pair;
    pair.offer("alice", 1, 10_000_000n);
    alice.flush();
    pair.deliver("alice");
    expect(bob.cleared()).toEqual([]);
    pair.deliver("alice");
    // In B's own commitment, its old one is revoked: still in transit.
    expect(committed(bob, "local")).toEqual([0n]);
    expect(bob.cleared()).toEqual([]);
    bob.flush();
    expect(bob.cleared()).toEqual([]);
    pair.deliver("bob");
    pair.deliver("bob");
    // A has revoked; B does not know yet.
    expect(bob.cleared()).toEqual([]);
    pair.deliver("alice");
    expect(bob.cleared()).toEqual([0n]);
  });

  it("[LS-10] fails upstream only when its removal has settled, while a preimage is passed on at once", () => {
    const pair = open();
    const { alice, bob } = pair;
    pair.offer("alice", 1, 10_000_000n);
    pair.offer("alice", 2, 10_000_000n);
    pair.settle();
    bob.run({ type: "fail_htlc", id: 0n, reason: new Uint8Array([7]) });
    bob.run({ type: "fulfill", id: 2n, preimage: secret(2) });
    const told = () => alice.tells.map(({ type }) => type).filter((type) => type !== "htlc_cleared");
    pair.deliver("bob");
    pair.deliver("bob");
    expect(told()).toEqual(["fund", "htlc_fulfilled"]);
    bob.flush();
    pair.deliver("bob");
    expect(committed(alice, "local")).toEqual([]);
    alice.flush();
    pair.deliver("alice");
    pair.deliver("alice");
    expect(told()).toEqual(["fund", "htlc_fulfilled"]);
    expect(bob.saying()).toEqual(["update_revocation"]);
    pair.deliver("bob");
    expect(told()).toEqual(["fund", "htlc_fulfilled", "htlc_failed"]);
    expect(alice.tells.at(-1)).toMatchObject({ type: "htlc_failed", id: 0n, reason: new Uint8Array([7]) });
    expect(alice.channel.htlcs.size).toBe(0);
  });

  it("[LS-9] [LS-26] leaves each side at its own commitment number", () => {
    const pair = open();
    pair.alice.run({ type: "set_fee", feeRate: 5_000 });
    pair.settle();
    expect(pair.alice.channel.totals).toMatchObject({ localUnrevoked: 1, remoteUnrevoked: 0 });
    expect(pair.bob.channel.totals).toMatchObject({ localUnrevoked: 0, remoteUnrevoked: 1 });
  });
});

describe("heights that differ", () => {
  /** Alice's commitment is 12 updates ahead of Bob's: only hers changed. */
  function apart(): ChannelPair {
    const pair = open();
    for (let n = 0; n < 12; n++) {
      expect(pair.alice.run({ type: "set_fee", feeRate: 5_000 + n })).toBeUndefined();
      pair.settle();
    }
    return pair;
  }

  it("[LS-26] are each party's own, and what each has revoked is what the other can punish", () => {
    const pair = apart();
    const { alice, bob } = pair;
    expect(alice.channel.totals).toMatchObject({ localUnrevoked: 12, remoteUnrevoked: 0 });
    expect(bob.channel.totals).toMatchObject({ localUnrevoked: 0, remoteUnrevoked: 12 });
    expect(alice.channel.revocationSlots).toEqual([]);
    const chain = bob.channel.revocationSlots;
    for (let number = 0; number < 12; number++) {
      const index = FIRST_REVOCATION_INDEX - BigInt(number);
      expect(lookupRevocation(chain, index)).toEqual(ownRevocationPreimage(alice, alice.channel.channel.index, number));
    }
    expect(lookupRevocation(chain, FIRST_REVOCATION_INDEX - 12n)).toBeUndefined();
  });

  it("[LS-26] stay apart over restarts, payments both ways and a close", () => {
    const pair = apart();
    const { alice, bob } = pair;
    const reload = () => {
      for (const party of [alice, bob]) party.state = party.loaded(rowsOf(party.channel));
    };
    reload();
    expect(pair.offer("alice", 1, 10_000_000n)).toBeUndefined();
    expect(pair.offer("bob", 2, 20_000_000n)).toBeUndefined();
    pair.settle();
    const heights = (party: Party) => [party.channel.totals.localUnrevoked, party.channel.totals.remoteUnrevoked];
    expect(heights(alice)).toEqual([...heights(bob)].reverse());
    expect(heights(alice)[0]).toBeGreaterThan((heights(alice)[1] ?? 0) + 10);
    reload();
    expect(bob.run({ type: "fulfill", id: 0n, preimage: secret(1) })).toBeUndefined();
    expect(alice.run({ type: "fail_htlc", id: 1n, reason: new Uint8Array(1) })).toBeUndefined();
    pair.settle();
    expect(bob.run({ type: "close", script: undefined })).toBeUndefined();
    pair.settle();
    expect([alice.channel.stage.stage, bob.channel.stage.stage]).toEqual(["close_agreed", "close_agreed"]);
    expect(alice.broadcasts.at(-1)).toEqual(bob.broadcasts.at(-1));
  });
});

describe("the window", () => {
  function burst(policy: { window: number }): ChannelPair {
    const pair = new ChannelPair({ bob: policy }).open();
    for (let n = 0; n < 20; n++) {
      pair.offer("alice", n, 1_000_000n);
      pair.alice.flush();
    }
    return pair;
  }

  it.each([
    [16, 15],
    [3, 2],
    [2, 1],
  ])("[LS-14] of %i hashes lets %i signatures out before a revocation is back", (window, inFlight) => {
    const pair = burst({ window });
    const { alice, bob } = pair;
    expect(alice.saying().filter((type) => type === "update_commit")).toHaveLength(inFlight);
    expect(alice.channel.commitments.remote).toHaveLength(window);
    // One revocation lets one more out, for all that waits.
    while (bob.saying()[0] !== "update_revocation") pair.deliver("alice");
    pair.deliver("bob");
    const before = alice.saying().filter((type) => type === "update_commit").length;
    alice.flush();
    alice.flush();
    expect(alice.saying().filter((type) => type === "update_commit")).toHaveLength(before + 1);
    pair.settle();
    expect(bob.cleared()).toHaveLength(20);
    expect(alice.channel.commitments.remote).toHaveLength(1);
  });

  it("[LS-14] [LS-27] is 16 even with more hashes at hand: so many signed states there may be, and not one", () => {
    const pair = open();
    const { alice, bob } = pair;
    const rows = rowsOf(alice.channel);
    const more = [16, 17].map((number) => ({ number, hash: ownRevocationHash(bob, 4, number) }));
    alice.state = alice.loaded({ ...rows, revocationHashes: [...rows.revocationHashes, ...more] });
    for (let n = 0; n < 20; n++) {
      pair.offer("alice", n, 1_000_000n);
      alice.flush();
    }
    expect(alice.channel.commitments.remote).toHaveLength(16);
  });

  it("[LS-14] is not outgrown by a peer that never revokes: it gets no further signature", () => {
    const pair = burst({ window: 16 });
    const { alice } = pair;
    const signed = alice.channel.commitments.remote.length;
    for (let n = 20; n < 30; n++) {
      pair.offer("alice", n, 1_000_000n);
      alice.flush();
    }
    expect(alice.channel.commitments.remote).toHaveLength(signed);
    alice.state = alice.loaded(rowsOf(alice.channel));
    alice.flush();
    expect(alice.channel.commitments.remote).toHaveLength(signed);
  });
});

describe("update_commit", () => {
  it("[B2-26] without a change is neither sent nor taken", () => {
    const pair = open();
    pair.alice.flush();
    expect(pair.alice.saying()).toEqual([]);
    const forged = { type: "update_commit" as const, signature: new Uint8Array(64).fill(1) };
    expect(pair.bob.judge(forged)).toMatchObject({ type: "empty_commit", rule: "B2-26", actual: 1 });
    pair.offer("alice", 1, 1_000n);
    pair.settle();
    expect(pair.bob.judge(forged)).toMatchObject({ type: "empty_commit", actual: 2 });
  });

  it("[B2-26] for a fee rate alone comes from the other side only", () => {
    const pair = open();
    pair.alice.run({ type: "set_fee", feeRate: 5_000 });
    pair.alice.flush();
    expect(pair.alice.saying()).toEqual(["update_fee"]);
    pair.deliver("alice");
    pair.bob.flush();
    expect(pair.bob.saying()).toEqual(["update_commit"]);
    expect(pair.deliver("bob")).toBeUndefined();
    expect(pair.alice.channel.commitments.local).toMatchObject({ number: 1, feeRate: 5_000 });
  });

  it("[B2-26] may change nothing but the revocation hash: dust has no output", () => {
    const pair = open();
    pair.offer("alice", 1, 1n);
    pair.settle();
    expect(pair.bob.channel.commitments.local?.number).toBe(1);
    expect(pair.bob.cleared()).toEqual([0n]);
  });

  it("[LS-13] [B2-27] is answered by a revocation in the step that takes it, with the old preimage and the next hash", () => {
    const pair = open();
    pair.offer("alice", 1, 1_000n);
    pair.alice.flush();
    pair.deliver("alice");
    pair.deliver("alice");
    const { preimage, nextRevocationHash } = pair.next("bob", "update_revocation");
    expect(preimage).toEqual(ownRevocationPreimage(pair.bob, 4, 0));
    // 16 hashes, 0 to 15, were given at the start.
    expect(nextRevocationHash).toEqual(ownRevocationHash(pair.bob, 4, 16));
    expect(pair.bob.channel.commitments.local?.number).toBe(1);
  });

  it("[B2-27] [LS-13] with one bit of its signature turned is a violation", () => {
    const pair = open();
    pair.offer("alice", 1, 1_000_000n);
    pair.alice.flush();
    pair.deliver("alice");
    const message = pair.next("alice", "update_commit");
    const bad = { type: "bad_commitment_signature", rule: "B2-27", actual: 1 };
    expect(pair.bob.judge({ ...message, signature: flipped(message.signature) })).toMatchObject(bad);
    expect(pair.bob.judge({ ...message, signature: new Uint8Array(64) })).toMatchObject(bad);
    expect(pair.deliver("alice")).toBeUndefined();
  });

  it.each(["amountMsat", "paymentHash", "expiry"] as const)(
    "[B2-27] [LS-15] does not fit an add whose %s differs",
    (field) => {
      const pair = open();
      pair.offer("alice", 1, 1_000_000n);
      pair.alice.flush();
      const other = { amountMsat: 2_000_000n as never, paymentHash: hashOf(2), expiry: 301 };
      expect(pair.deliverAltered("alice", "update_add_htlc", (m) => ({ ...m, [field]: other[field] }))).toBeUndefined();
      expect(pair.deliver("alice")?.type).toBe("bad_commitment_signature");
    },
  );

  it("[B2-15] is for what its acknowledge says: another acknowledge is another commitment", () => {
    const pair = open();
    pair.offer("alice", 1, 1_000_000n);
    pair.offer("bob", 2, 1_000_000n);
    pair.deliver("bob");
    pair.alice.flush();
    pair.deliver("alice");
    const commit = pair.next("alice", "update_commit");
    expect(pair.bob.judge(commit, pair.bob.sent - 1)?.type).toBe("bad_commitment_signature");
    expect(pair.bob.judge(commit, pair.bob.sent)).toBeUndefined();
  });

  it("[B2-26] twice, or an old one again, is a violation", () => {
    const pair = open();
    pair.offer("alice", 1, 1_000_000n);
    pair.alice.flush();
    pair.deliver("alice");
    const message = pair.next("alice", "update_commit");
    pair.deliver("alice");
    expect(pair.bob.judge(message)?.type).toBe("empty_commit");
    pair.settle();
    pair.offer("alice", 2, 1_000_000n);
    pair.deliver("alice");
    expect(pair.bob.judge(message)).toMatchObject({ type: "bad_commitment_signature", actual: 2 });
  });

  it("[B2-13] before the channel is open is a violation", () => {
    const pair = new ChannelPair();
    pair.propose();
    pair.answer();
    const message = { type: "update_commit" as const, signature: new Uint8Array(64) };
    expect(pair.bob.judge(message)).toMatchObject({ type: "unexpected_message", rule: "B2-13" });
    const revocation = { preimage: secret(1), nextRevocationHash: hashOf(1) };
    expect(pair.bob.judge({ type: "update_revocation", ...revocation })?.type).toBe("unexpected_message");
  });

  it("[B2-29] is made for the peer's commitments only: ours stay unsigned", () => {
    const { alice } = open();
    const local = alice.channel.commitments.local;
    if (local === undefined) throw new Error("no commitment");
    expect(() => signCommitment(alice.channel, local, alice.context())).toThrow("our own stay unsigned");
  });
});

describe("update_revocation", () => {
  /** Alice has signed for an HTLC, and Bob's revocation is under way. */
  function revoking(pair = open()): ChannelPair {
    pair.offer("alice", 1, 1_000_000n);
    pair.alice.flush();
    pair.deliver("alice");
    pair.deliver("alice");
    return pair;
  }

  it("[B2-28] with another preimage is a violation", () => {
    const pair = revoking();
    const message = pair.next("bob", "update_revocation");
    const bad = { type: "wrong_revocation_preimage", rule: "B2-28", actual: 0 };
    expect(pair.alice.judge({ ...message, preimage: flipped(message.preimage) })).toMatchObject(bad);
    expect(pair.alice.judge({ ...message, preimage: ownRevocationPreimage(pair.bob, 4, 1) })).toMatchObject(bad);
    expect(pair.deliver("bob")).toBeUndefined();
  });

  it("[B2-28] of a commitment that is the only one left is a violation: unasked, or twice", () => {
    const pair = revoking();
    const message = pair.next("bob", "update_revocation");
    pair.deliver("bob");
    const next = { ...message, preimage: ownRevocationPreimage(pair.bob, 4, 1) };
    const numbers = { rule: "B2-28", actual: 1 };
    expect(pair.alice.judge(next)).toMatchObject({ type: "revocation_without_commit", ...numbers });
    expect(pair.alice.judge(message)).toMatchObject({ type: "revocation_without_commit", ...numbers });
  });

  it("[B2-34] keeps what punishes every commitment revoked so far", () => {
    const pair = open();
    for (let n = 0; n < 10; n++) {
      pair.offer("alice", n, 1_000n);
      pair.settle();
    }
    const { revocationSlots, totals } = pair.alice.channel;
    expect(totals.remoteUnrevoked).toBe(10);
    expect(revocationSlots.length).toBeLessThanOrEqual(5);
    for (let number = 0; number < 10; number++) {
      const preimage = lookupRevocation(revocationSlots, FIRST_REVOCATION_INDEX - BigInt(number));
      expect(preimage).toEqual(ownRevocationPreimage(pair.bob, 4, number));
    }
    expect(lookupRevocation(revocationSlots, FIRST_REVOCATION_INDEX - 10n)).toBeUndefined();
  });

  it("[B2-34] whose preimage is not of one chain with those before is a violation", () => {
    const pair = new ChannelPair();
    const { bob } = pair;
    // Fits each hash that was given, but follows from no seed.
    const chainless = (_: number, index: bigint) => sha256(new TextEncoder().encode(`${index}`));
    Object.assign(bob, { signer: { ...bob.signer, revocationPreimage: chainless } });
    pair.open({ pushMsat: 500_000_000n });
    revoking(pair);
    pair.settle();
    pair.offer("alice", 2, 1_000_000n);
    pair.alice.flush();
    pair.deliver("alice");
    pair.deliver("alice");
    expect(pair.deliver("bob")).toMatchObject({ type: "revocation_not_derivable", rule: "B2-34", actual: 1 });
  });

  it("[B2-34] whose next hash is in use is a violation: a payment's of either side, or a revocation's", () => {
    const pair = open();
    pair.offer("bob", 2, 1_000_000n);
    pair.settle();
    revoking(pair);
    const message = pair.next("bob", "update_revocation");
    const taken = [
      hashOf(1),
      hashOf(2),
      // The one in hand, one that waits, and two of ours.
      ownRevocationHash(pair.bob, 4, 1),
      ownRevocationHash(pair.bob, 4, 15),
      ownRevocationHash(pair.alice, 7, 1),
      ownRevocationHash(pair.alice, 7, 16),
    ];
    for (const nextRevocationHash of taken) {
      const refused = pair.alice.judge({ ...message, nextRevocationHash });
      expect(refused).toMatchObject({ type: "remote_hash_collision", rule: "B2-34" });
    }
    // Staged only.
    pair.offer("alice", 3, 1_000_000n);
    expect(pair.alice.judge({ ...message, nextRevocationHash: hashOf(3) })?.type).toBe("remote_hash_collision");
    expect(pair.alice.judge({ ...message, nextRevocationHash: hashOf(4) })).toBeUndefined();
  });

  it("[B2-34] may name the hash of an HTLC that is gone from every commitment that counts, not before", () => {
    const pair = revoking();
    pair.settle();
    pair.bob.run({ type: "fulfill", id: 0n, preimage: secret(1) });
    pair.settle();
    pair.offer("alice", 2, 1_000_000n);
    pair.alice.flush();
    pair.deliver("alice");
    pair.deliver("alice");
    const message = pair.next("bob", "update_revocation");
    expect(pair.alice.judge({ ...message, nextRevocationHash: hashOf(1) })).toBeUndefined();
    expect(pair.alice.judge({ ...message, nextRevocationHash: hashOf(2) })?.type).toBe("remote_hash_collision");
  });
});
