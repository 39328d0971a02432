import { describe, expect, it } from "vitest";
import { ChainPair } from "../../../test/support/chain-pair.ts";
import { ChannelPair, FEES, flipped, type Party, secret } from "../../../test/support/channel-pair.ts";
import { DualPair } from "../../../test/support/dual-funding.ts";
import { commitmentFee } from "../bitcoin/index.ts";
import { explain } from "./explain.ts";
import type { Act, Explanation, NextAct, Outlook, Trouble } from "./explain-data.ts";
import { explanationLines } from "./explain-text.ts";
import { DEFAULT_POLICY, MAX_UNACKNOWLEDGED } from "./policy.ts";
import type { ChannelState } from "./state.ts";

function explained(party: Party, outlook: Partial<Outlook> = {}): Explanation {
  const said = explain(party.channel, {
    ...party.context(),
    peerAwaySince: undefined,
    patience: undefined,
    ...outlook,
  });
  // Whatever there is to say, there are words for it.
  for (const line of explanationLines(said)) expect(line).not.toMatch(/undefined|NaN|Infinity|\[object/);
  return said;
}

function text(said: Explanation): string {
  return explanationLines(said).join("\n");
}

function acts(said: Explanation, who: NextAct["who"]): Act[] {
  return said.next.filter((next) => next.who === who).map(({ act }) => act);
}

function trouble<T extends Trouble["type"]>(said: Explanation, type: T): Trouble | undefined {
  return said.stuck.find((one) => one.type === type);
}

describe("explain, of an opening", () => {
  it("names the message that the peer owes, and until when", () => {
    const pair = new ChannelPair();
    pair.propose();
    const giveUpAt = pair.alice.now + 600_000;
    const patience = { since: pair.alice.now, overdueAt: pair.alice.now + 60_000, giveUpAt };
    const asked = explained(pair.alice, { patience });
    expect(asked.next).toMatchObject([
      {
        who: "peer",
        act: { type: "continue_opening", message: "open_channel" },
        byTime: giveUpAt,
        otherwise: "opening_ends",
      },
    ]);
    expect(asked.forceClose).toBeUndefined();
    expect(text(asked)).toContain("the peer: send open_channel, within 10 min, else the opening ends");
    pair.answer();
    expect(acts(explained(pair.bob), "peer")).toEqual([{ type: "continue_opening", message: "open_anchor" }]);
    pair.deliver("bob");
    pair.fund();
    expect(acts(explained(pair.alice), "peer")).toEqual([{ type: "continue_opening", message: "open_commit_sig" }]);
  });

  it("[B2-13] [B2-48] counts confirmations, then waits for open_complete until it is overdue", () => {
    const pair = new ChannelPair();
    pair.propose();
    pair.answer();
    pair.deliver("bob");
    pair.fund();
    pair.settle();
    const waiting = explained(pair.bob);
    const patience = pair.bob.channel.channel.createdHeight + 2015;
    expect(waiting.next[0]).toMatchObject({
      who: "chain",
      act: { type: "confirm_anchor", asker: "local", have: 0, need: 3 },
      byHeight: patience,
    });
    expect(waiting.forceClose).toBeDefined();
    pair.alice.state = { ...pair.alice.channel, funding: confirmed(pair.alice.channel, 101) };
    const early = explained(pair.alice, { height: 102 });
    expect(early.next).toMatchObject([
      { who: "chain", act: { type: "confirm_anchor", asker: "remote", have: 2, need: 3 } },
    ]);
    const deep = explained(pair.alice, { height: 103 });
    expect(deep.next).toMatchObject([
      { who: "peer", act: { type: "open_complete" }, byHeight: 101 + 3 + 144 - 1, otherwise: "channel_fails" },
    ]);
  });
});

function confirmed({ funding }: ChannelState, confirmedHeight: number | undefined): ChannelState["funding"] {
  if (funding === undefined) throw new Error("the channel has no funding");
  return { ...funding, confirmedHeight };
}

describe("explain, of an open channel", () => {
  it("says that nobody has to do anything where nothing waits", () => {
    const pair = new ChannelPair().open({ pushMsat: 300_000_000n });
    const said = explained(pair.alice);
    expect(said).toMatchObject({ stage: "open", closing: false, next: [], stuck: [], htlcs: [], deadline: undefined });
    expect(said).toMatchObject({ localMsat: 700_000_000n, remoteMsat: 300_000_000n, amountSat: 1_000_000n });
  });

  it("[B2-26] [B2-28] follows an HTLC through who owes what, to the one who settles it", () => {
    const pair = new ChannelPair().open({ pushMsat: 300_000_000n });
    expect(pair.offer("alice", 1, 50_000_000n)).toBeUndefined();
    expect(acts(explained(pair.alice), "us")).toEqual([{ type: "sign", changes: 1 }]);
    pair.alice.flush();
    const patience = { since: 0, overdueAt: 60_000, giveUpAt: 600_000 };
    const signed = explained(pair.alice, { patience, now: 30_000 });
    expect(signed.next.filter(({ byTime }) => byTime === 600_000).map(({ act }) => act)).toEqual([
      { type: "sign", changes: 1 },
    ]);
    expect(acts(signed, "peer")).toContainEqual({ type: "revoke", commitment: 0, newest: 1 });
    expect(signed.stuck).toEqual([]);
    const stalling = explained(pair.alice, { patience, now: 90_000 });
    expect(trouble(stalling, "peer_stalls")).toEqual({ type: "peer_stalls", since: 0, giveUpAt: 600_000 });
    pair.settle();
    const standing = explained(pair.alice);
    const deadline = { height: 303, htlcId: 0n, rule: "B2-16" };
    expect(standing.next).toMatchObject([
      { who: "peer", act: { type: "settle", htlcId: 0n }, byHeight: 302, otherwise: "channel_fails" },
    ]);
    expect(standing.deadline).toMatchObject(deadline);
    expect(standing.htlcs).toMatchObject([
      { id: 0n, direction: "outgoing", add: "add_cleared", dust: false, deadline },
    ]);
    const atBob = explained(pair.bob);
    expect(atBob.next).toMatchObject([
      { who: "us", act: { type: "settle", htlcId: 0n }, byHeight: 299, otherwise: "other_side_may_take_it" },
    ]);
    expect(atBob.deadline).toBeUndefined();
  });

  it("[LS-24] goes to the chain for an HTLC whose preimage is known and that the peer is not there to be told", () => {
    const pair = new ChannelPair().open({ pushMsat: 300_000_000n });
    pair.offer("alice", 1, 50_000_000n);
    pair.settle();
    pair.bob.ready = false;
    expect(pair.bob.run({ type: "fulfill", id: 0n, preimage: secret(1) })).toBeUndefined();
    const said = explained(pair.bob, { peerAwaySince: pair.bob.now - 7_200_000 });
    const height = 300 - 144 - 18;
    expect(said.deadline).toMatchObject({ height, rule: "LS-24" });
    expect(said.next).toMatchObject([
      { who: "peer", act: { type: "come_back" }, byHeight: height - 1, otherwise: "channel_fails" },
      { who: "us", act: { type: "tell_preimage", htlcId: 0n }, byHeight: height - 1 },
    ]);
    expect(trouble(said, "peer_away")).toEqual({ type: "peer_away", since: pair.bob.now - 7_200_000 });
    expect(text(said)).toContain("the peer is away, for 2 h 0 min");
    expect(said.htlcs).toMatchObject([{ preimageKnown: true }]);
    // The preimage itself is nowhere.
    expect(text(said)).not.toContain(Buffer.from(secret(1)).toString("hex"));
    expect(JSON.stringify(said, plain)).not.toContain(Buffer.from(secret(1)).toString("hex"));
    const late = explained(pair.bob, { height });
    expect(trouble(late, "htlc_overdue")).toEqual({
      type: "htlc_overdue",
      htlcId: 0n,
      since: height,
      goesToChainAt: height,
    });
  });

  it("[B2-16] calls an HTLC of ours overdue from its expiry on", () => {
    const pair = new ChannelPair().open({ pushMsat: 300_000_000n });
    pair.offer("alice", 1, 50_000_000n);
    pair.settle();
    expect(explained(pair.alice, { height: 299 }).stuck).toEqual([]);
    const said = explained(pair.alice, { height: 300 });
    expect(said.stuck).toEqual([{ type: "htlc_overdue", htlcId: 0n, since: 300, goesToChainAt: 303 }]);
    expect(text(said)).toContain("HTLC 0 is overdue since block 300; the channel goes to the chain at block 303");
  });

  it("[LS-14] says that changes wait for a revocation", () => {
    const pair = new ChannelPair({ alice: { window: 2 }, bob: { window: 2 } }).open({ pushMsat: 300_000_000n });
    for (const n of [1, 2]) {
      pair.offer("alice", n, 5_000_000n);
      pair.alice.flush();
    }
    const said = explained(pair.alice);
    expect(trouble(said, "window_exhausted")).toEqual({ type: "window_exhausted", unrevoked: 2, limit: 16 });
    expect(acts(said, "peer")[0]).toEqual({ type: "revoke", commitment: 0, newest: 1 });
  });

  it("[B2-25] says which fee rate is too low, and which can't be paid", () => {
    const pair = new ChannelPair().open({ pushMsat: 300_000_000n });
    const fees = { nextBlock: 10_000, relay: 1_000, fallback: 2_000 };
    expect(explained(pair.alice, { fees }).stuck).toEqual([
      { type: "fee_rate_too_low", side: "local", feeRate: 4_000, least: 10_000 },
    ]);
    // The same check refuses what is offered.
    pair.alice.fees = fees;
    expect(pair.offer("alice", 1, 5_000_000n)).toMatchObject({
      type: "fee_rate_too_low",
      limit: 10_000,
      actual: 4_000,
    });
    const poor = new ChannelPair({ bob: { automaticFees: true } }).open();
    const short = explained(poor.bob, { fees });
    expect(trouble(short, "fee_unaffordable")).toEqual({ type: "fee_unaffordable", feeRate: 4_000, wanted: 20_000 });
  });

  it("[LW-3] says that a reorganisation took the anchor", () => {
    const pair = new ChannelPair().open();
    pair.bob.run({ type: "funding_unconfirmed" });
    expect(explained(pair.bob).stuck).toEqual([{ type: "anchor_reorganised" }]);
    // All the money is Alice's, who asks for no depth.
    pair.alice.run({ type: "funding_unconfirmed" });
    expect(explained(pair.alice).stuck).toEqual([]);
  });

  it("[B2-6] says that too much is not acknowledged, and that blocks are missing", () => {
    const pair = new ChannelPair().open();
    const said = explained(pair.alice, { unacknowledged: MAX_UNACKNOWLEDGED, caughtUp: false });
    expect(said.stuck).toEqual([
      { type: "catching_up" },
      { type: "too_much_unacknowledged", packets: MAX_UNACKNOWLEDGED, limit: MAX_UNACKNOWLEDGED },
    ]);
  });

  it("leaves the decision about a frozen channel to its operator", () => {
    const pair = new ChannelPair().open();
    pair.alice.state = { ...pair.alice.channel, stage: { ...pair.alice.channel.stage, frozen: "money is conserved" } };
    const said = explained(pair.alice);
    expect(said.stuck).toEqual([{ type: "frozen", why: "money is conserved" }]);
    expect(said.next).toMatchObject([{ who: "user", act: { type: "decide_on_frozen" } }]);
    expect(text(said)).toContain("frozen, a defect of this program: money is conserved");
  });

  it("[LS-17] [LS-22] names who has to answer a request", () => {
    const pair = new ChannelPair({ bob: { prestageAdds: "ask" } }).open({ pushMsat: 300_000_000n, prestage: true });
    pair.offer("alice", 1, 5_000_000n);
    pair.settle();
    expect(explained(pair.bob).next).toMatchObject([
      { who: "user", act: { type: "answer_add", htlcId: 0n }, byHeight: 299 },
    ]);
    expect(explained(pair.alice).next).toMatchObject([{ who: "peer", act: { type: "answer_add", htlcId: 0n } }]);
    expect(explained(pair.alice).htlcs).toMatchObject([{ add: "add_prestage" }]);
    pair.bob.run({ type: "accept_add", id: 0n });
    pair.settle();
    pair.bob.run({ type: "fulfill", id: 0n, preimage: secret(1) });
    expect(explained(pair.bob).next).toMatchObject([{ who: "peer", act: { type: "answer_removal", htlcId: 0n } }]);
    expect(explained(pair.bob).htlcs).toMatchObject([{ removal: "settle_prestage" }]);
  });

  it("[B2-32] [B2-33] follows a close", () => {
    const pair = new ChannelPair().open({ pushMsat: 300_000_000n });
    pair.offer("alice", 1, 50_000_000n);
    pair.settle();
    pair.alice.run({ type: "close", script: undefined });
    const asked = explained(pair.alice);
    expect(asked.closing).toBe(true);
    expect(acts(asked, "peer")).toContainEqual({ type: "answer_close" });
    pair.settle();
    expect(acts(explained(pair.alice), "peer")).toEqual([{ type: "settle", htlcId: 0n }]);
    pair.bob.run({ type: "fulfill", id: 0n, preimage: secret(1) });
    while (pair.alice.channel.closeOffers.length === 0) {
      for (const name of ["alice", "bob"] as const) {
        pair.alice.flush();
        pair.bob.flush();
        if (pair.alice.channel.closeOffers.length === 0) pair.deliver(name);
      }
    }
    const giveUpAt = pair.alice.now + 600_000;
    const offered = explained(pair.alice, {
      patience: { since: pair.alice.now, overdueAt: pair.alice.now + 60_000, giveUpAt },
    });
    expect(offered.next).toMatchObject([{ who: "peer", act: { type: "agree_on_close" }, byTime: giveUpAt }]);
    pair.settle();
    const agreed = explained(pair.alice);
    expect(agreed.stage).toBe("close_agreed");
    expect(agreed.next).toMatchObject([{ who: "chain", act: { type: "confirm_end", what: "close" } }]);
    expect(agreed.forceClose).toBeUndefined();
  });
});

describe("explain, of what a force close costs", () => {
  it("[B2-31] counts our part of the fee, and when the rest can be spent", () => {
    const pair = new ChannelPair().open({ pushMsat: 300_000_000n });
    const { alice } = pair;
    const close = explained(alice).forceClose;
    const feeSat = commitmentFee(4_000, 0);
    expect(close).toMatchObject({ feeSat, ownFeeSat: feeSat / 2n, balanceMsat: 700_000_000n });
    expect(close?.toSelfSat).toBe(700_000n - feeSat / 2n);
    expect(close?.toSelfFrom).toBe(alice.height + 1 + 144);
    expect(close?.claims).toHaveLength(1);
    expect(close?.costMsat).toBe((feeSat / 2n + (close?.claimFeesSat ?? 0n)) * 1000n);
  });

  it("[B2-17] names what HTLCs have at stake, and the dust that nobody gets", () => {
    const pair = new ChannelPair().open({ pushMsat: 300_000_000n });
    pair.offer("alice", 1, 50_000_000n);
    pair.offer("alice", 2, 100_000n);
    pair.offer("bob", 3, 20_000_000n, 400);
    pair.offer("bob", 4, 30_000_000n, 400);
    pair.settle();
    pair.alice.ready = false;
    pair.alice.run({ type: "fulfill", id: 3n, preimage: secret(4) });
    const said = explained(pair.alice);
    expect(said.forceClose).toMatchObject({
      atStake: {
        incoming: { count: 2, msat: 50_000_000n },
        takeable: { count: 1, msat: 30_000_000n },
        outgoing: { count: 1, msat: 50_000_000n },
      },
      dust: { incoming: { count: 0, msat: 0n }, outgoing: { count: 1, msat: 100_000n } },
    });
    const matured = pair.alice.height + 1 + 144;
    const claims = said.forceClose?.claims.map(({ kind, htlcId, from }) => ({ kind, htlcId, from }));
    expect(claims).toHaveLength(3);
    expect(claims).toContainEqual({ kind: "to_self", htlcId: undefined, from: matured });
    expect(claims).toContainEqual({ kind: "received", htlcId: 3n, from: matured });
    expect(claims).toContainEqual({ kind: "offered", htlcId: 0n, from: 301 });
    expect(text(said)).toContain("outgoing dust that goes to nobody: 1 HTLC of 100.000 sat");
  });

  it("[B2-31] loses a balance that makes no output", () => {
    const pair = new ChannelPair().open();
    const close = explained(pair.bob).forceClose;
    expect(close).toMatchObject({ balanceMsat: 0n, toSelfSat: 0n, toSelfFrom: undefined, claims: [], costMsat: 0n });
  });

  it("says what really comes to pass: the same height, and the same amounts to the satoshi", () => {
    const pair = new ChainPair().openOnChain();
    const height = pair.height;
    const before = explained(pair.alice).forceClose;
    pair.fail("alice");
    pair.mine(1);
    expect(explained(pair.alice).forceClose).toBeUndefined();
    pair.mine((before?.toSelfFrom ?? 0) - height - 2);
    expect(pair.wealth("alice")).toBe(0n);
    pair.mine(1);
    expect(pair.wealth("alice")).toBe((before?.balanceMsat ?? 0n) / 1000n - (before?.costMsat ?? 0n) / 1000n);
  });
});

describe("explain, of an end on chain", () => {
  it("[B2-39] [B2-40] plans every output of our commitment until it is buried", () => {
    const pair = new ChainPair().openOnChain();
    const incoming = pair.standing("bob", 1, 30_000_000n, pair.height + 400);
    const outgoing = pair.standing("alice", 2, 20_000_000n, pair.height + 400);
    pair.fail("alice");
    const failed = explained(pair.alice);
    expect(failed.next).toMatchObject([{ who: "chain", act: { type: "confirm_end", what: "commitment" } }]);
    pair.give();
    const seen = explained(pair.alice);
    expect(seen.end).toMatchObject({ kind: "commitment", holder: "local", height: undefined });
    expect(seen.end?.outputs.map(({ plan }) => plan.type)).toEqual(["unconfirmed", "unconfirmed", "unconfirmed"]);
    pair.mine(1);
    const said = explained(pair.alice);
    const matured = pair.height + 144;
    const plans = new Map(said.end?.outputs.map(({ htlcId, plan }) => [htlcId, plan]));
    expect(plans.get(undefined)).toMatchObject({ type: "claim_from", from: matured, contestedFrom: undefined });
    expect(plans.get(incoming)).toEqual({ type: "needs_preimage" });
    expect(plans.get(outgoing)).toMatchObject({ type: "claim_from", contestedFrom: pair.height });
    expect(acts(said, "us")).toHaveLength(2);
    expect(text(said)).toContain("ours only with a preimage that is not known");
    pair.mine(143);
    const out = explained(pair.alice);
    expect(out.end?.outputs.find(({ kind }) => kind === "to_self")?.plan).toMatchObject({ type: "claim_out" });
    expect(acts(out, "chain")).toMatchObject([{ type: "confirm_claim" }]);
    pair.mine(300);
    const settled = explained(pair.alice);
    expect(settled.next).toMatchObject([{ act: { type: "bury", need: 100 } }]);
    expect(settled.end?.outputs.map(({ plan }) => plan.type)).toEqual(["spent", "spent", "spent"]);
    pair.mine(100);
    expect(explained(pair.alice)).toMatchObject({ stage: "buried", next: [], stuck: [] });
  });

  it("[B2-37] claims all of a revoked commitment at once, before its holder can", () => {
    const pair = new ChainPair().openOnChain();
    const raw = pair.commitmentOf("alice");
    pair.standing("bob", 1, 30_000_000n, pair.height + 400);
    pair.away.add("bob");
    expect(pair.chain.mine(1, { transactions: [raw] }).ok).toBe(true);
    pair.back("bob");
    const said = explained(pair.bob);
    expect(said.end).toMatchObject({ kind: "revoked", holder: "remote", commitment: 0 });
    const types = said.end?.outputs.map(({ kind, plan }) => [kind, plan.type]) ?? [];
    expect(types).toContainEqual(["to_self", "claim_out"]);
    expect(types).toContainEqual(["to_other", "in_wallet"]);
    expect(said.next).toMatchObject([
      {
        who: "chain",
        act: { type: "confirm_claim" },
        byHeight: pair.height + 144 - 1,
        otherwise: "other_side_may_take_it",
      },
    ]);
  });

  it("says that a revoked commitment of our own is the peer's, and that an unknown one is beyond this data", () => {
    const pair = new ChainPair().openOnChain();
    const raw = pair.commitmentOf("alice");
    pair.standing("alice", 1, 30_000_000n, pair.height + 400);
    pair.away.add("alice");
    expect(pair.chain.mine(1, { transactions: [raw] }).ok).toBe(true);
    pair.back("alice");
    const said = explained(pair.alice);
    expect(said.stuck).toContainEqual({ type: "own_revoked" });
    expect(said.end?.outputs.every(({ plan }) => plan.type === "not_ours")).toBe(true);

    const old = new ChainPair().openOnChain();
    const spend = {
      txid: said.end?.txid ?? old.alice.channel.funding?.txid,
      transaction: raw,
      kind: "unknown",
      holder: undefined,
      number: -1,
      height: old.height,
    } as const;
    if (spend.txid === undefined) throw new Error("there is a transaction");
    old.alice.state = { ...old.alice.channel, anchorSpend: { ...spend, txid: spend.txid } };
    expect(explained(old.alice).stuck).toContainEqual({ type: "data_too_old" });
  });

  it("says that an output is not worth its claim", () => {
    const pair = new ChainPair().openOnChain();
    pair.standing("alice", 1, 600_000n, pair.height + 200);
    pair.fail("alice");
    pair.mine(1);
    const said = explained(pair.alice, { fees: { ...FEES, nextBlock: 20_000 } });
    expect(said.stuck).toMatchObject([{ type: "not_worth_claiming", amountSat: 600n }]);
    expect(acts(said, "us")).toHaveLength(1);
    expect(explained(pair.alice).stuck).toEqual([]);
  });
});

describe("explain, of what has gone wrong", () => {
  it("[B2-42] gives the reason of a failure, and that the peer is yet to be told", () => {
    const pair = new ChannelPair().open({ pushMsat: 300_000_000n });
    pair.offer("alice", 1, 5_000_000n);
    pair.alice.flush();
    pair.deliver("alice");
    pair.bob.ready = false;
    const error = pair.deliverAltered("alice", "update_commit", (message) => ({
      ...message,
      signature: flipped(message.signature),
    }));
    if (error === undefined) throw new Error("the signature is refused");
    pair.bob.run({ type: "fail", error, notify: true });
    const said = explained(pair.bob);
    expect(said.failure).toContain("bad commitment signature");
    expect(said.stuck).toEqual([{ type: "error_due" }]);
    expect(text(said)).toContain("because: bad commitment signature [B2-27]");
  });

  it("[LS-5] says that a failed opening of two ends with the spend of our coins, and how deep that is", () => {
    const pair = new DualPair().signAccept();
    const { alice } = pair;
    alice.defends = true;
    expect(acts(explained(alice), "peer")).toEqual([{ type: "continue_opening", message: "funding_sign_complete" }]);
    alice.run({ type: "fail", error: { type: "failed_by_user", rule: "B2-43" }, notify: true });
    alice.flush();
    pair.sign("alice");
    const cancelled = explained(alice);
    expect(cancelled.next).toMatchObject([{ who: "chain", act: { type: "confirm_end", what: "cancellation" } }]);
    expect(text(cancelled)).toContain("the chain: confirm the transaction that spends our coins back");
    alice.run({ type: "funding_conflict", height: alice.height - 2 });
    const said = explained(alice);
    expect(said.stuck).toEqual([{ type: "funding_conflict", height: alice.height - 2, have: 3, need: 6 }]);
    expect(said.next).toMatchObject([{ who: "chain", act: { type: "bury", have: 3, need: 6 } }]);
  });

  it("waits for the peer where our data are an old copy, and prices no broadcast of ours", () => {
    const pair = new ChannelPair().open({ pushMsat: 300_000_000n });
    const { stage } = pair.alice.channel;
    pair.alice.state = { ...pair.alice.channel, stage: { ...stage, stage: "failed", stale: true } };
    const said = explained(pair.alice);
    expect(said).toMatchObject({ stuck: [{ type: "data_too_old" }], forceClose: undefined });
    expect(said.next).toMatchObject([{ who: "peer", act: { type: "end_for_us" } }]);
  });

  it("cuts long lists in the text, and not in the data", () => {
    const pair = new ChannelPair({ alice: { maxHtlcs: DEFAULT_POLICY.maxHtlcs } }).open({ pushMsat: 300_000_000n });
    for (let n = 1; n <= 25; n++) pair.offer("alice", n, 1_000_000n);
    pair.settle();
    const said = explained(pair.alice);
    expect(said.htlcs).toHaveLength(25);
    expect(said.next).toHaveLength(25);
    expect(explanationLines(said).filter((line) => line === "  and 5 more")).toHaveLength(2);
  });
});

function plain(_: string, value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
  return typeof value === "bigint" ? value.toString() : value;
}
