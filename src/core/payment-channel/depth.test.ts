import { describe, expect, it } from "vitest";
import { ChannelPair, hashOf, type Party, type PartyName, rowsOf } from "../../../test/support/channel-pair.ts";
import type { Msat, Satoshi } from "../base/index.ts";

/** Both at the anchor's broadcast, each asking for its own depth. */
function waiting(depths: { own: number; theirs: number }): ChannelPair {
  const pair = new ChannelPair({ alice: { minDepthOwn: depths.own }, bob: { minDepth: depths.theirs } });
  pair.propose({ pushMsat: 400_000_000n });
  pair.answer();
  pair.deliver("bob");
  pair.fund();
  pair.settle();
  return pair;
}

/** The chain is at `height`; the anchor is in the block at 101. */
function at(pair: ChannelPair, height: number): void {
  const [script] = pair.alice.tells.flatMap((tell) => (tell.type === "fund" ? [tell.script] : []));
  for (const party of [pair.alice, pair.bob]) {
    if (height === 101) {
      const output = { amountSat: party.channel.funding?.amountSat ?? 0n, script: script ?? new Uint8Array(0) };
      expect(party.run({ type: "funding_confirmed", height, output })).toBeUndefined();
    }
    party.height = height;
  }
  pair.settle();
}

function mayPay(party: Party): boolean {
  const offer = { amountMsat: 1_000_000n as Msat, paymentHash: hashOf(1), expiry: 400, route: new Uint8Array(0) };
  const refused = party.ask({ type: "offer", ...offer });
  if (refused !== undefined) expect(refused.type).toBe("not_open");
  return refused === undefined;
}

const NAMES: readonly PartyName[] = ["alice", "bob"];

describe("min_depth", () => {
  it.each([
    { own: 0, theirs: 0 },
    { own: 0, theirs: 1 },
    { own: 0, theirs: 3 },
    { own: 1, theirs: 0 },
    { own: 3, theirs: 1 },
    { own: 1, theirs: 3 },
    { own: 6, theirs: 6 },
  ])(
    "[B2-13] [B2-44] [LS-6] of $own by who funds and $theirs by the other opens at the greater, to the block",
    (depths) => {
      const pair = waiting(depths);
      expect(pair.bob.channel.terms.remote?.minDepth).toBe(depths.own);
      expect(pair.alice.channel.terms.remote?.minDepth).toBe(depths.theirs);
      // Its own money needs no block; what the peer has funded is looked at in one.
      const opensAt = Math.max(depths.own, depths.theirs, 1);
      const saidAtOnce = pair.alice.channel.stage.openCompleteSent;
      expect(saidAtOnce).toBe(depths.own === 0);
      expect(NAMES.map((name) => mayPay(pair[name]))).toEqual([false, false]);
      for (let depth = 1; depth <= opensAt; depth++) {
        at(pair, 100 + depth);
        const isOpen = depth === opensAt;
        expect(NAMES.map((name) => mayPay(pair[name]))).toEqual([isOpen, isOpen]);
      }
    },
  );

  it("[B2-44] of 144 is taken and of 145 is refused, by either side", () => {
    for (const [depth, taken] of [
      [144, true],
      [145, false],
    ] as const) {
      const responder = new ChannelPair({ alice: { minDepthOwn: depth } });
      responder.propose();
      expect(responder.answer()?.type).toBe(taken ? undefined : "remote_min_depth_unreasonable");
      const initiator = new ChannelPair({ bob: { minDepth: depth } });
      initiator.propose();
      expect(initiator.answer()).toBeUndefined();
      expect(initiator.deliver("bob")?.type).toBe(taken ? undefined : "remote_min_depth_unreasonable");
    }
  });
});

describe("push_msat", () => {
  it.each([0n, 1n, 999n, 545_999n, 546_000n, 400_000_001n, 988_648_000n])(
    "[B2-12] of %s is the responder's from the first commitment on, to the millisatoshi",
    (pushMsat) => {
      const pair = new ChannelPair().open({ pushMsat });
      const left = 1_000_000_000n - pushMsat;
      expect(pair.alice.channel.totals).toMatchObject({ localMsat: left, remoteMsat: pushMsat });
      expect(pair.bob.channel.totals).toMatchObject({ localMsat: pushMsat, remoteMsat: left });
    },
  );

  it("[B2-12] is taken by a responder as far as the initiator keeps its reserve and the fee, and no further", () => {
    for (const [pushMsat, problem] of [
      [988_648_000n, undefined],
      [988_648_001n, "anchor_too_small"],
    ] as const) {
      const pair = new ChannelPair();
      pair.propose({ pushMsat: 0n });
      // What Alice would have refused to ask for.
      const message = pair.next("alice", "open_channel");
      expect(pair.answer({ ...message, pushMsat: pushMsat as Msat })).toBeUndefined();
      pair.deliver("bob");
      pair.fund();
      const answer = pair.deliver("alice");
      // The balances differ from what Alice signed for, so that what is good is only the amount.
      expect(answer?.type).toBe(problem ?? "bad_commitment_signature");
    }
  });
});

describe("channel_reserve", () => {
  /** Each side asks the other to keep so much. */
  function asking(alice: bigint, bob: bigint): ChannelPair {
    const pair = new ChannelPair();
    pair.propose({ pushMsat: 400_000_000n });
    pair.answer({ ...pair.next("alice", "open_channel"), channelReserveSat: alice as Satoshi });
    const answer = pair.next("bob", "open_channel");
    expect(
      pair.deliverAltered("bob", "open_channel", () => ({ ...answer, channelReserveSat: bob as Satoshi })),
    ).toBeUndefined();
    pair.fund();
    pair.settle();
    pair.confirm();
    // Each knows what it has asked for.
    for (const [party, asked] of [
      [pair.alice, alice],
      [pair.bob, bob],
    ] as const) {
      const rows = rowsOf(party.channel);
      const terms = rows.terms.map((row) =>
        row.side === "local" ? { ...row, channelReserveSat: asked as Satoshi } : row,
      );
      party.state = party.loaded({ ...rows, terms });
    }
    return pair;
  }

  it.each([
    { alice: 0n, bob: 0n, bobKeeps: 10_000n, aliceKeeps: 10_000n },
    { alice: 50_000n, bob: 20_000n, bobKeeps: 50_000n, aliceKeeps: 20_000n },
    { alice: 9_999n, bob: 10_001n, bobKeeps: 10_000n, aliceKeeps: 10_001n },
  ])("[B2-18] asked for with $alice and $bob is kept in every add, by who offers it and who takes it", (asked) => {
    const pair = asking(asked.alice, asked.bob);
    for (const [name, keeps] of [
      ["alice", asked.aliceKeeps],
      ["bob", asked.bobKeeps],
    ] as const) {
      const party = pair[name];
      const receiver = pair.other(name);
      // Half of the fee of a commitment with this one HTLC: (338 + 32) * 4,000 / 1000 / 2.
      const most = party.channel.totals.localMsat - (keeps + 740n) * 1000n;
      const offer = (amountMsat: bigint) =>
        party.ask({
          type: "offer",
          amountMsat: amountMsat as Msat,
          paymentHash: hashOf(1),
          expiry: 300,
          route: new Uint8Array(0),
        });
      const judged = (amountMsat: bigint) =>
        receiver.judge({
          type: "update_add_htlc",
          id: name === "alice" ? 0n : 1n,
          amountMsat: amountMsat as Msat,
          paymentHash: hashOf(1),
          expiry: 300,
          route: new Uint8Array(0),
        });
      expect(offer(most)).toBeUndefined();
      expect(judged(most)).toBeUndefined();
      const numbers = { limit: keeps, actual: keeps - 1n };
      expect(offer(most + 1n)).toMatchObject({ type: "insufficient_balance", ...numbers });
      expect(judged(most + 1n)).toMatchObject({ type: "remote_insufficient_balance", ...numbers });
    }
  });
});
