import { describe, expect, it } from "vitest";
import { ChannelPair, FEES, flipped, type Party } from "../../../test/support/channel-pair.ts";
import { asChannelId, asNodeId, type Msat, type Satoshi } from "../base/index.ts";
import { isStandardCloseScript } from "../bitcoin/index.ts";
import { secp256k1 } from "../crypto/index.ts";
import type { OpenAnchor, OpenChannel } from "../wire/index.ts";
import { accept, begin, type OpenRequest } from "./opening.ts";
import { ownRevocationHash } from "./own-revocation.ts";

function beginning(change: Partial<OpenRequest>, alter: (party: Party) => void = () => {}) {
  const { alice } = new ChannelPair();
  alter(alice);
  const request = {
    peer: asNodeId(new Uint8Array(33).fill(2)),
    index: 1,
    temporaryId: asChannelId(new Uint8Array(32)),
    amountSat: 1_000_000n as Satoshi,
    pushMsat: 0n as Msat,
    ...change,
  };
  const result = begin(request, alice.context());
  return result.ok ? undefined : result.error;
}

/** Bob's answer to an open_channel of Alice's with something changed. */
function answered(change: (message: OpenChannel) => Partial<OpenChannel>) {
  const pair = new ChannelPair();
  pair.propose();
  const message = pair.next("alice", "open_channel");
  return pair.answer({ ...message, ...change(message) });
}

/** Alice's judgement of Bob's open_channel with something changed. */
function judged(change: (message: OpenChannel) => Partial<OpenChannel>, options: { pushMsat?: bigint } = {}) {
  const pair = new ChannelPair();
  pair.propose(options);
  pair.answer();
  const message = pair.next("bob", "open_channel");
  return pair.alice.judge({ ...message, ...change(message) });
}

/** Alice and Bob up to Alice's open_anchor, which is under way. */
function anchored(options: { pushMsat?: bigint; amountSat?: bigint } = {}): ChannelPair {
  const pair = new ChannelPair();
  pair.propose(options);
  pair.answer();
  pair.deliver("bob");
  pair.fund();
  return pair;
}

function anchor(change: (message: OpenAnchor) => Partial<OpenAnchor>, options: { pushMsat?: bigint } = {}) {
  const pair = anchored(options);
  const message = pair.next("alice", "open_anchor");
  return pair.bob.judge({ ...message, ...change(message) });
}

describe("the order of opening", () => {
  it("[B2-7] [B2-11] [B2-47] is that of the seed, and the anchor goes out only once its refund is signed", () => {
    const pair = new ChannelPair();
    const { alice, bob } = pair;
    pair.propose();
    expect(alice.saying()).toEqual(["open_channel"]);
    pair.answer();
    expect(bob.saying()).toEqual(["open_channel"]);
    pair.deliver("bob");
    expect(alice.tells).toMatchObject([{ type: "fund", amountSat: 1_000_000n }]);
    pair.fund();
    expect(alice.saying()).toEqual(["open_anchor"]);
    expect(alice.broadcasts).toEqual([]);
    pair.deliver("alice");
    expect(bob.saying()).toEqual(["open_commit_sig"]);
    pair.deliver("bob");
    expect(alice.broadcasts).toEqual([new Uint8Array([1, 2, 3])]);
    expect([alice.channel.stage.stage, bob.channel.stage.stage]).toEqual(["awaiting_depth", "awaiting_depth"]);
    // Alice's own money needs no depth; Bob waits for three blocks.
    alice.flush();
    bob.flush();
    expect(alice.saying()).toEqual(["open_complete"]);
    expect(bob.saying()).toEqual([]);
  });

  it("[B2-7] names the channel after both sides' fresh keys, at both ends alike", () => {
    const pair = anchored();
    expect(pair.alice.channel.id).toEqual(pair.bob.channel.id);
    expect(pair.alice.channel.id).not.toEqual(pair.alice.channel.channel.temporaryId);
  });

  it("[B2-7] refuses each message out of its turn", () => {
    const pair = new ChannelPair();
    const { alice, bob } = pair;
    pair.propose();
    const opening = pair.next("alice", "open_channel");
    const openAnchor = anchored().next("alice", "open_anchor");
    const commitSig = { type: "open_commit_sig" as const, signature: new Uint8Array(64) };
    const refused = (party: Party, ...messages: Parameters<Party["judge"]>[0][]) => {
      for (const message of messages) expect(party.judge(message)).toMatchObject({ type: "unexpected_message" });
    };
    refused(alice, openAnchor, commitSig, { type: "open_complete" });
    pair.answer();
    const theirs = pair.next("bob", "open_channel");
    refused(bob, opening, commitSig, { type: "open_complete" });
    pair.deliver("bob");
    refused(alice, theirs, openAnchor, commitSig, { type: "open_complete" });
    pair.fund();
    refused(alice, theirs, openAnchor, { type: "open_complete" });
    pair.deliver("alice");
    refused(bob, opening, openAnchor, commitSig);
    pair.deliver("bob");
    refused(alice, theirs, openAnchor, commitSig);
    pair.settle();
    pair.confirm();
    refused(alice, theirs, openAnchor, commitSig, { type: "open_complete" });
    refused(bob, opening, openAnchor, commitSig, { type: "open_complete" });
  });

  it("[B2-9] has exactly one side create the anchor: who sent the first open_channel", () => {
    const type = "remote_terms_unacceptable";
    expect(answered(() => ({ anchor: "wont_create" }))).toMatchObject({ type, rule: "B2-9" });
    expect(judged(() => ({ anchor: "will_create" }))).toMatchObject({ type, rule: "B2-9" });
    expect(judged(() => ({ pushMsat: 1n as Msat }))).toMatchObject({ type, rule: "B2-9" });
  });

  it("[B2-4] begins with a peer that can be spoken to", () => {
    const error = beginning({}, (alice) => {
      alice.ready = false;
    });
    expect(error?.type).toBe("peer_not_ready");
  });
});

describe("the terms", () => {
  it("[B2-8] [B2-44] a delay is at most 1,008 blocks, a min_depth at most 144", () => {
    for (const judge of [answered, judged]) {
      expect(judge(() => ({ delay: 1008, minDepth: 144 }))).toBeUndefined();
      const delay = { type: "remote_delay_unreasonable", rule: "B2-8", limit: 1008, actual: 1009 };
      expect(judge(() => ({ delay: 1009 }))).toMatchObject(delay);
      const depth = { type: "remote_min_depth_unreasonable", rule: "B2-8", limit: 144, actual: 145 };
      expect(judge(() => ({ minDepth: 145 }))).toMatchObject(depth);
    }
  });

  it("[B2-8] [B2-44] a fee rate is between our floor and, of the peer's, what it could ask for later, of ours three times the estimate", () => {
    for (const judge of [answered, judged]) {
      const rate = (initialFeeRate: number) => judge(() => ({ initialFeeRate }));
      expect(rate(1_350)).toBeUndefined();
      expect(rate(25_000)).toBeUndefined();
      const bad = { type: "remote_fee_rate_unreasonable", rule: "B2-8" };
      expect(rate(1_349)).toMatchObject({ ...bad, limit: 1_350, actual: 1_349 });
      expect(rate(25_001)).toMatchObject({ ...bad, limit: 25_000, actual: 25_001 });
      expect(rate(0xffff_ffff)).toMatchObject({ ...bad, limit: 25_000 });
    }
    const bad = { type: "fee_rate_unreasonable", rule: "B2-44" };
    expect(beginning({ feeRate: 1_349 })).toMatchObject({ ...bad, limit: 1_350, actual: 1_349 });
    expect(beginning({ feeRate: 6_001 })).toMatchObject({ ...bad, limit: 6_000, actual: 6_001 });
    expect(beginning({ feeRate: 2_000.5 })?.type).toBe("fee_rate_unreasonable");
    expect(beginning({ feeRate: 6_000 })).toBeUndefined();
  });

  it("[B2-8] estimates may differ by a factor of 3.7, and one may have jumped, and the channel opens", () => {
    const jumped = { nextBlock: 90_000, recent: { lowest: 9_000, highest: 90_000 } };
    for (const [ours, theirs] of [
      [{ nextBlock: 30_000 }, { nextBlock: 8_200 }],
      [{ nextBlock: 8_200 }, { nextBlock: 30_000 }],
      [jumped, { nextBlock: 6_000 }],
      [{ nextBlock: 6_000 }, jumped],
    ] as const) {
      const pair = new ChannelPair();
      pair.alice.fees = { ...FEES, ...ours };
      pair.bob.fees = { ...FEES, ...theirs };
      pair.open();
      expect([pair.alice.channel.stage.stage, pair.bob.channel.stage.stage]).toEqual(["open", "open"]);
    }
  });

  it("[B2-44] a missing estimate counts as the larger of fallback and floor", () => {
    const empty = { ...FEES, nextBlock: undefined };
    const begun = (fallback: number) => {
      const { alice } = new ChannelPair();
      alice.fees = { ...empty, fallback };
      const pair = new ChannelPair();
      pair.alice.fees = alice.fees;
      pair.propose();
      return pair.next("alice", "open_channel").initialFeeRate;
    };
    expect(begun(5_000)).toBe(10_000);
    expect(begun(1)).toBe(2_700);
  });

  it("[B2-10] keys are fresh, and nobody's are the other's", () => {
    expect(answered(() => ({ commitKey: bobKey("commitKey") }))?.type).toBe("remote_terms_unacceptable");
    expect(answered(() => ({ finalKey: bobKey("finalKey") }))).toMatchObject({ rule: "B2-10" });
    const pair = anchored();
    const { local, remote } = pair.alice.channel.terms;
    for (const key of [local?.commitKey, local?.finalKey, remote?.commitKey, remote?.finalKey]) {
      expect(key !== undefined && secp256k1.isPublicKey(key)).toBe(true);
    }
  });

  function bobKey(which: "commitKey" | "finalKey"): Uint8Array {
    const pair = new ChannelPair();
    pair.propose();
    pair.answer();
    return pair.next("bob", "open_channel")[which];
  }

  it("[B2-45] a close script is standard", () => {
    const closeScript = new Uint8Array([0x6a, 1, 1]);
    expect(isStandardCloseScript(closeScript)).toBe(false);
    for (const judge of [answered, judged]) {
      expect(judge(() => ({ closeScript }))).toMatchObject({ type: "remote_close_script", rule: "B2-45" });
    }
    expect(beginning({ closeScript })).toMatchObject({ type: "bad_close_script", rule: "B2-45" });
  });

  it("[B2-34] [LS-14] gives as many revocation hashes as the window holds, all of them different", () => {
    const pair = new ChannelPair({ alice: { window: 5 } });
    pair.propose();
    const { revocationHash, nextRevocationHash, revocationWindow } = pair.next("alice", "open_channel");
    const hashes = [revocationHash, nextRevocationHash, ...revocationWindow];
    expect(hashes).toEqual([0, 1, 2, 3, 4].map((number) => ownRevocationHash(pair.alice, 7, number)));
  });

  it("[B2-34] a revocation hash that stands twice, or is ours, is a violation", () => {
    const twice = { type: "remote_hash_collision", rule: "B2-34" };
    for (const [judge, ours] of [
      [answered, ownRevocationHash(new ChannelPair().bob, 4, 3)] as const,
      [judged, ownRevocationHash(new ChannelPair().alice, 7, 3)] as const,
    ]) {
      expect(judge((m) => ({ nextRevocationHash: m.revocationHash }))).toMatchObject(twice);
      expect(judge((m) => ({ revocationWindow: [m.revocationHash] }))).toMatchObject(twice);
      expect(judge((m) => ({ revocationWindow: [...m.revocationWindow, m.nextRevocationHash] }))).toMatchObject(twice);
      expect(judge(() => ({ revocationHash: ours }))).toMatchObject(twice);
      expect(judge(() => ({ revocationWindow: [ours] }))).toMatchObject(twice);
    }
  });
});

describe("the anchor", () => {
  it("[B2-12] [B2-46] is between 20,000 and 4,294,967 satoshi", () => {
    const out = (amountSat: bigint) => beginning({ amountSat: amountSat as Satoshi });
    expect(out(4_294_967n)).toBeUndefined();
    expect(out(4_294_968n)).toMatchObject({ type: "amount_out_of_range", rule: "B2-12", limit: 4_294_967n });
    expect(out(19_999n)).toMatchObject({ type: "amount_out_of_range", rule: "B2-46", limit: 20_000n });
    const of = (amountSat: bigint) => anchor(() => ({ amountSat: amountSat as Satoshi }));
    const large = { type: "anchor_too_large", rule: "B2-12", limit: 4_294_967n, actual: 4_294_968n };
    expect(of(4_294_968n)).toMatchObject(large);
    expect(of(2_100_000_000_000_000n)?.type).toBe("anchor_too_large");
    expect(of(19_999n)).toMatchObject({ type: "anchor_too_small", rule: "B2-46", limit: 20_000n, actual: 19_999n });
    expect(of(0n)?.type).toBe("anchor_too_small");
  });

  it("[B2-12] holds both first commitments' fees, the initiator's reserve and what it gives away", () => {
    // 1,000,000 - 10,000 - 1352.
    expect(beginning({ pushMsat: 988_648_000n as Msat })).toBeUndefined();
    const tooMuch = { type: "push_too_large", rule: "B2-12", limit: 988_648_000n, actual: 988_648_001n };
    expect(beginning({ pushMsat: 988_648_001n as Msat })).toMatchObject(tooMuch);
    expect(new ChannelPair().open({ pushMsat: 988_648_000n }).bob.channel.stage.stage).toBe("open");
    const asked = (pushMsat: bigint) => {
      const pair = new ChannelPair();
      pair.propose();
      pair.answer({ ...pair.next("alice", "open_channel"), pushMsat: pushMsat as Msat });
      pair.deliver("bob");
      pair.fund();
      return pair.bob.judge(pair.next("alice", "open_anchor"));
    };
    // What Alice would have to refuse to begin, Bob refuses to take.
    const small = { type: "anchor_too_small", rule: "B2-12", limit: 1_000_001n, actual: 1_000_000n };
    expect(asked(988_648_001n)).toMatchObject(small);
    expect(asked(2_100_000_000_000_000_000n)?.type).toBe("anchor_too_small");
  });

  it("[B2-12] is judged alike at both ends where the responder's fee rate is the higher one", () => {
    // At 6,000 the first fee is 2028: 676 more than at Alice's 4,000.
    const limit = 988_648_000n - 676_000n;
    const judge = (pushMsat: bigint) => judged(() => ({ initialFeeRate: 6_000 }), { pushMsat });
    expect(judge(limit)).toBeUndefined();
    // A part of a satoshi is a whole one.
    const refused = { type: "remote_terms_unacceptable", rule: "B2-12", limit: 1_000_000n, actual: 1_000_001n };
    expect(judge(limit + 1n)).toMatchObject(refused);
  });

  it("[B2-8] is no hostage: a reserve above 5 % of it is refused by either side", () => {
    const ask = (channelReserveSat: bigint) => ({ channelReserveSat: channelReserveSat as Satoshi });
    const refused = { type: "remote_reserve_unreasonable", rule: "B2-8", limit: 50_000n, actual: 50_001n };
    expect(judged(() => ask(50_000n))).toBeUndefined();
    expect(judged(() => ask(50_001n))).toMatchObject(refused);
    const responder = (reserve: bigint) => {
      const pair = new ChannelPair();
      pair.propose();
      pair.answer({ ...pair.next("alice", "open_channel"), ...ask(reserve) });
      pair.deliver("bob");
      pair.fund();
      return pair.bob.judge(pair.next("alice", "open_anchor"));
    };
    expect(responder(50_001n)).toMatchObject(refused);
    expect(responder(50_000n)).toBeUndefined();
  });

  it("[B2-11] with a bad signature fails the channel on either side, and stays at home", () => {
    const bad = { type: "bad_commitment_signature", rule: "B2-11", actual: 0 };
    expect(anchor((m) => ({ commitSignature: flipped(m.commitSignature) }))).toMatchObject(bad);
    expect(anchor((m) => ({ amountSat: (m.amountSat + 1n) as Satoshi }))).toMatchObject(bad);
    expect(anchor((m) => ({ outputIndex: m.outputIndex + 1 }))).toMatchObject(bad);
    expect(anchor((m) => ({ txid: flipped(m.txid) }))).toMatchObject(bad);
    const pair = anchored();
    pair.deliver("alice");
    const message = pair.next("bob", "open_commit_sig");
    expect(pair.alice.judge({ ...message, signature: flipped(message.signature) })).toMatchObject(bad);
    expect(pair.alice.broadcasts).toEqual([]);
  });

  it("[B2-12] is looked at on chain before anything is built on it: amount and script to the bit", () => {
    const pair = anchored();
    pair.settle();
    const { bob } = pair;
    const script =
      pair.alice.tells.flatMap((tell) => (tell.type === "fund" ? [tell.script] : []))[0] ?? new Uint8Array();
    const confirmed = (output: { amountSat: bigint; script: Uint8Array } | undefined) =>
      bob.ask({ type: "funding_confirmed", height: 101, output });
    const wrong = { type: "anchor_wrong_on_chain", rule: "B2-12", limit: 1_000_000n };
    expect(confirmed(undefined)).toMatchObject({ ...wrong, actual: 0n });
    expect(confirmed({ amountSat: 999_999n, script })).toMatchObject({ ...wrong, actual: 999_999n });
    expect(confirmed({ amountSat: 1_000_001n, script })).toMatchObject({ ...wrong, actual: 1_000_001n });
    expect(confirmed({ amountSat: 1_000_000n, script: flipped(script) })).toMatchObject(wrong);
    expect(confirmed({ amountSat: 1_000_000n, script })).toBeUndefined();
  });
});

describe("open_complete", () => {
  function waiting(amountSat: bigint, policy = {}): ChannelPair {
    const pair = new ChannelPair({ bob: policy });
    pair.propose({ amountSat });
    pair.answer();
    pair.deliver("bob");
    pair.fund();
    pair.settle();
    return pair;
  }

  function confirmedAt(pair: ChannelPair, height: number): void {
    const { bob } = pair;
    const script =
      pair.alice.tells.flatMap((tell) => (tell.type === "fund" ? [tell.script] : []))[0] ?? new Uint8Array();
    const amountSat = bob.channel.funding?.amountSat ?? 0n;
    expect(bob.run({ type: "funding_confirmed", height, output: { amountSat, script } })).toBeUndefined();
  }

  it.each([
    [1_000_000n, 3],
    [1_000_001n, 6],
  ])("[B2-13] [LS-6] for %i satoshi comes at %i confirmations, from who did not fund", (amountSat, depth) => {
    const pair = waiting(amountSat);
    const { bob } = pair;
    confirmedAt(pair, 101);
    bob.height = 101 + depth - 2;
    bob.flush();
    expect(bob.saying()).toEqual([]);
    bob.height++;
    bob.flush();
    expect(bob.saying()).toEqual(["open_complete"]);
    bob.flush();
    expect(bob.saying()).toEqual(["open_complete"]);
  });

  it("[B2-13] is undone by a reorganisation that comes before it", () => {
    const pair = waiting(1_000_000n);
    const { bob } = pair;
    confirmedAt(pair, 101);
    bob.run({ type: "funding_unconfirmed" });
    bob.height = 200;
    bob.flush();
    expect(bob.saying()).toEqual([]);
    confirmedAt(pair, 199);
    bob.flush();
    expect(bob.saying()).toEqual([]);
    bob.height = 201;
    bob.flush();
    expect(bob.saying()).toEqual(["open_complete"]);
  });

  it("[B2-13] of a peer's anchor waits for a look at the chain whatever the policy says", () => {
    const pair = waiting(1_000_000n, { minDepth: 0 });
    pair.bob.flush();
    expect(pair.bob.saying()).toEqual([]);
    confirmedAt(pair, 100);
    pair.bob.flush();
    expect(pair.bob.saying()).toEqual(["open_complete"]);
  });

  it("[B2-13] opens the channel once it was both sent and received, in either order", () => {
    const pair = waiting(1_000_000n);
    const { alice, bob } = pair;
    // Alice's came first.
    expect(bob.channel.stage).toMatchObject({ stage: "awaiting_depth", openCompleteReceived: true });
    expect(alice.channel.stage).toMatchObject({ stage: "awaiting_depth", openCompleteSent: true });
    expect(bob.judge({ type: "open_complete" })).toMatchObject({ type: "unexpected_message", rule: "B2-13" });
    confirmedAt(pair, 101);
    bob.height = 103;
    bob.flush();
    expect(bob.channel.stage.stage).toBe("open");
    pair.deliver("bob");
    expect(alice.channel.stage.stage).toBe("open");
  });

  it("[B2-4] waits for a peer that can be spoken to", () => {
    const pair = waiting(1_000_000n);
    confirmedAt(pair, 101);
    pair.bob.height = 103;
    pair.bob.ready = false;
    pair.bob.flush();
    expect(pair.bob.saying()).toEqual([]);
  });
});

describe("the wallet's answer", () => {
  it("that comes after the channel ended frees the coins again", () => {
    const pair = new ChannelPair();
    pair.propose();
    pair.answer();
    pair.deliver("bob");
    pair.alice.run({ type: "fail", error: { type: "failed_by_user", rule: "B2-43" }, notify: true });
    pair.fund();
    expect(pair.alice.channel.stage.stage).toBe("abandoned");
    expect(pair.alice.tells.map(({ type }) => type)).toEqual(["fund", "release_funding", "release_funding"]);
    expect(pair.alice.channel.funding).toBeUndefined();
  });

  it("that there is no money abandons the channel and tells the peer, but only while that is the question", () => {
    const error = { type: "insufficient_funds", rule: "B2-12", limit: 1_000_000n, actual: 5n } as const;
    const pair = new ChannelPair();
    pair.propose();
    pair.answer();
    pair.deliver("bob");
    pair.alice.run({ type: "funding_failed", error });
    expect(pair.alice.channel.stage).toMatchObject({
      stage: "abandoned",
      failure: "insufficient funds [B2-12], limit 1000000, actual 5",
    });
    expect(pair.alice.saying()).toEqual(["error"]);
    const open = new ChannelPair().open();
    expect(open.alice.run({ type: "funding_failed", error })).toBeUndefined();
    expect(open.alice.channel.stage.stage).toBe("open");
  });

  it("[B2-4] is not told to a peer whose packets can't be numbered", () => {
    const pair = new ChannelPair();
    pair.propose();
    pair.answer();
    pair.deliver("bob");
    pair.alice.ready = false;
    pair.alice.run({ type: "funding_failed", error: { type: "insufficient_funds", rule: "B2-12" } });
    expect(pair.alice.saying()).toEqual([]);
  });
});

describe("an open_channel", () => {
  it("[B2-35] carries hashes, and nothing that the hashes come from", () => {
    const pair = new ChannelPair();
    pair.propose();
    const text = JSON.stringify(pair.next("alice", "open_channel"), (_, value: unknown) =>
      value instanceof Uint8Array ? [...value].join() : typeof value === "bigint" ? `${value}` : value,
    );
    for (let number = 0; number < 16; number++) {
      const preimage = pair.alice.signer.revocationPreimage(7, 2n ** 64n - 1n - BigInt(number));
      expect(text).not.toContain([...preimage].join());
    }
  });

  it("is answered by a channel of our own index, which is used for this one alone", () => {
    const pair = new ChannelPair();
    pair.propose();
    const message = pair.next("alice", "open_channel");
    const peer = asNodeId(new Uint8Array(33).fill(3));
    const id = asChannelId(new Uint8Array(32).fill(9));
    const keyOf = (index: number) => {
      const begun = accept(peer, index, id, message, pair.bob.context());
      return begun.ok ? begun.value.changes.find((change) => change.type === "named") : undefined;
    };
    expect(keyOf(4)).toEqual(keyOf(4));
    expect(keyOf(4)).not.toEqual(keyOf(5));
  });
});
