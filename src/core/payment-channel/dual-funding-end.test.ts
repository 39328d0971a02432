import { describe, expect, it } from "vitest";
import { ChannelPair, hashOf, type Party } from "../../../test/support/channel-pair.ts";
import { DualPair, must } from "../../../test/support/dual-funding.ts";
import { parseTransaction, planFunding, transactionWeight } from "../bitcoin/index.ts";

const SCRIPT = Uint8Array.of(0, 20, ...new Uint8Array(20).fill(7));

function conflict(party: Party, height: number | undefined): void {
  must(party.run({ type: "funding_conflict", height }));
}

function at(party: Party, height: number): void {
  party.height = height;
  party.defends = true;
  party.flush();
}

/** The transaction spends the anchor, and is in no block. */
function mempoolHas(party: Party, raw: Uint8Array | undefined): void {
  const parsed = parseTransaction(raw ?? new Uint8Array());
  if (!parsed.ok) throw new Error(parsed.error.reason);
  must(party.run({ type: "anchor_spent", transaction: parsed.value, height: undefined }));
}

/** What becomes of each side once the peer could broadcast: Alice has sent her signatures, Bob has broadcast. */
describe.each(["alice", "bob"] as const)("a double-spend that %s sees", (name) => {
  function signed(): Party {
    const pair = new DualPair().signComplete();
    pair[name].tells.length = 0;
    return pair[name];
  }

  it("[LS-5] ends the channel once it is buried, and frees the coins", () => {
    const party = signed();
    const { stage } = party.channel.stage;
    conflict(party, 120);
    at(party, 124);
    expect(party.channel.stage.stage).toBe(stage);
    expect(party.tells).toEqual([]);
    at(party, 125);
    expect(party.channel.stage).toMatchObject({
      stage: "abandoned",
      failure: "funding conflict [LS-5], an input is spent in another way, actual 120",
    });
    expect(party.tells).toEqual([{ type: "release_funding" }]);
    expect(party.channel.commitments.local?.signature).toBeDefined();
  });

  it("[LS-5] fails what was offered over the channel, since nobody can take it any more", () => {
    const pair = new DualPair().signComplete();
    must(pair.deliver("bob"));
    pair.confirm();
    pair.settle();
    const party = pair[name];
    expect(pair.offer(name, 1, 5_000_000n)).toBeUndefined();
    pair.settle();
    must(party.run({ type: "funding_unconfirmed" }));
    party.tells.length = 0;
    conflict(party, party.height);
    at(party, party.height + 4);
    expect(party.tells).toEqual([]);
    at(party, party.height + 1);
    expect(party.channel.stage.stage).toBe("abandoned");
    const [htlc] = party.channel.htlcs.values();
    expect(party.tells).toMatchObject([
      { type: "release_funding" },
      { type: "htlc_failed", id: htlc?.id, paymentHash: hashOf(1) },
    ]);
  });

  it("[LS-5] is forgotten where a reorganisation takes it away", () => {
    const party = signed();
    conflict(party, 120);
    at(party, 123);
    conflict(party, undefined);
    at(party, 200);
    expect(party.channel.stage.stage).not.toBe("abandoned");
    // Another one then counts from its own height.
    conflict(party, 198);
    at(party, 202);
    expect(party.channel.stage.stage).not.toBe("abandoned");
    at(party, 203);
    expect(party.channel.stage.stage).toBe("abandoned");
  });

  it("[LS-5] of two inputs counts from the lower block, which is taken away last", () => {
    const party = signed();
    conflict(party, 120);
    conflict(party, 122);
    expect(party.channel.funding?.conflictHeight).toBe(120);
  });

  it("[LS-5] ends a channel that has failed, too", () => {
    const party = signed();
    must(party.run({ type: "fail", error: { type: "failed_by_user", rule: "B2-43" }, notify: false }));
    expect(party.channel.stage.stage).toBe("failed");
    expect(party.tells).toEqual([]);
    conflict(party, 120);
    at(party, 125);
    expect(party.channel.stage.stage).toBe("abandoned");
    expect(party.tells).toEqual([{ type: "release_funding" }]);
  });

  it("[LS-5] ends one whose commitment the mempool once had, for good", () => {
    const party = signed();
    must(party.run({ type: "fail", error: { type: "failed_by_user", rule: "B2-43" }, notify: false }));
    mempoolHas(party, party.broadcasts.at(-1));
    conflict(party, 120);
    at(party, 125);
    expect(party.channel.stage.stage).toBe("abandoned");
    at(party, 126);
    expect(party.channel.stage.stage).toBe("abandoned");
  });

  it("[B2-43] a failure alone frees nothing: the other side may hold all signatures", () => {
    const party = signed();
    const before = party.channel.stage.stage;
    party.now += 1e9;
    party.flush();
    expect(party.channel.stage.stage).toBe(before);
    must(party.run({ type: "fail", error: { type: "own_input_gone", rule: "LS-4" }, notify: false }));
    expect(party.channel.stage.stage).toBe("failed");
    expect(party.tells).toEqual([]);
  });
});

it("[B2-48] a responder whose own coins are in the funding transaction never forgets it, however long it takes", () => {
  const pair = new DualPair().signComplete();
  at(pair.bob, pair.bob.height + 10_000);
  expect(pair.bob.channel.stage.stage).toBe("awaiting_depth");
  expect(pair.bob.tells.map(({ type }) => type)).not.toContain("release_funding");
  must(pair.bob.run({ type: "fail", error: { type: "failed_by_user", rule: "B2-43" }, notify: false }));
  at(pair.bob, pair.bob.height + 10_000);
  expect(pair.bob.channel.stage.stage).toBe("failed");
});

describe("a failed opening for which the peer has our signatures and we have not its", () => {
  /** Alice has sent hers, and fails the channel. */
  function failed(change: Partial<Party> = {}): DualPair {
    const pair = new DualPair().signAccept();
    const { alice } = pair;
    Object.assign(alice, { defends: true, ...change });
    must(alice.run({ type: "fail", error: { type: "remote_acknowledge", rule: "B2-5" }, notify: true }));
    alice.flush();
    return pair;
  }
  const isAsked = (party: Party) => party.tells.some(({ type }) => type === "sign_funding");

  it("[LS-5] has our coins spent back, once, and ends as abandoned when that is buried", () => {
    const pair = failed();
    const { alice } = pair;
    expect(alice.channel.stage.stage).toBe("failed");
    must(pair.sign("alice"));
    const { cancellation } = alice.channel.dualFunding ?? {};
    expect(alice.broadcasts.at(-1)).toEqual(cancellation);
    const parsed = parseTransaction(cancellation ?? new Uint8Array());
    if (!parsed.ok) throw new Error(parsed.error.reason);
    const { inputs = [], changeScript } = alice.channel.fundingShares.local ?? {};
    expect(parsed.value.inputs.map(({ txid }) => txid)).toEqual(inputs.map(({ txid }) => txid));
    expect(parsed.value.outputs.map(({ script }) => script)).toEqual([changeScript]);
    at(alice, alice.height + 1);
    expect(isAsked(alice)).toBe(false);
    conflict(alice, 120);
    at(alice, 124);
    expect(alice.channel.stage.stage).toBe("failed");
    at(alice, 125);
    expect(alice.channel.stage.stage).toBe("abandoned");
    expect(alice.tells).toEqual([{ type: "release_funding" }]);
  });

  it("[LS-5] pays for that transaction alone; the user can have it pay for replacing the funding, whose fee the peer may have made", () => {
    const pair = failed();
    const { alice } = pair;
    must(pair.sign("alice"));
    const { inputs = [] } = alice.channel.fundingShares.local ?? {};
    const brought = inputs.reduce((sum, { amountSat }) => sum + amountSat, 0n);
    const fee = () => {
      const parsed = parseTransaction(alice.channel.dualFunding?.cancellation ?? new Uint8Array());
      if (!parsed.ok) throw new Error(parsed.error.reason);
      const vsize = Math.ceil(transactionWeight(parsed.value) / 4);
      return { feeSat: brought - (parsed.value.outputs[0]?.amountSat ?? 0n), vsize };
    };
    const alone = fee();
    // At most one byte less of signature for each input.
    expect(alone.feeSat).toBeGreaterThanOrEqual(BigInt(alone.vsize * 2));
    expect(alone.feeSat).toBeLessThanOrEqual(BigInt((alone.vsize + inputs.length) * 2));
    must(alice.run({ type: "cancel_funding", script: SCRIPT }));
    must(pair.sign("alice"));
    expect(fee().feeSat).toBeGreaterThan(2n * alone.feeSat);
    expect(alice.run({ type: "cancel_funding", script: SCRIPT })).toMatchObject({ type: "not_cancellable" });
  });

  it("[LS-5] waits until the chain is known, and then sees whether there is still something to cancel", () => {
    const pair = failed({ caughtUp: false });
    const { alice } = pair;
    expect(isAsked(alice)).toBe(false);
    conflict(alice, 101);
    alice.caughtUp = true;
    at(alice, 102);
    expect(isAsked(alice)).toBe(false);
    conflict(alice, undefined);
    at(alice, 103);
    expect(isAsked(alice)).toBe(true);
  });

  it("[LS-5] asks again with the next block where the wallet could not sign", () => {
    const pair = failed();
    const { alice } = pair;
    alice.tells.length = 0;
    must(alice.run({ type: "funding_failed", error: { type: "own_input_gone", rule: "LS-4" } }));
    expect(alice.channel.stage.stage).toBe("failed");
    at(alice, alice.height + 1);
    expect(isAsked(alice)).toBe(true);
  });

  it("is left alone on an old copy, where it may be open for long", () => {
    const pair = failed({ caughtUp: false });
    const { alice } = pair;
    const { stage } = alice.channel;
    alice.state = { ...alice.channel, stage: { ...stage, stale: true } };
    alice.caughtUp = true;
    at(alice, alice.height + 1);
    expect(isAsked(alice)).toBe(false);
  });
});

it.each(["alice", "bob"] as const)(
  "[LS-5] nothing is cancelled for %s, who can broadcast the funding transaction",
  (name) => {
    const pair = new DualPair().signComplete();
    must(pair.deliver("bob"));
    const party = pair[name];
    must(party.run({ type: "fail", error: { type: "failed_by_user", rule: "B2-43" }, notify: false }));
    at(party, party.height + 100);
    expect(party.channel.stage.stage).toBe("failed");
    expect(party.tells.map(({ type }) => type)).not.toContain("sign_funding");
  },
);

it("a block's spend of something else's input says nothing to a channel that one side funds", () => {
  const pair = new DualPair().open();
  conflict(pair.alice, 120);
  at(pair.alice, 200);
  expect(pair.alice.channel.stage.stage).toBe("open");
});

describe("cancelling", () => {
  const cancel = (party: Party) => party.run({ type: "cancel_funding", script: SCRIPT });

  it("[LS-2] before anything of ours is signed just ends the channel", () => {
    for (const pair of [new DualPair().respond()]) {
      for (const party of [pair.alice, pair.bob]) {
        party.tells.length = 0;
        must(cancel(party));
        expect(party.channel.stage).toMatchObject({ stage: "abandoned", failure: "failed by user [LS-2]" });
        expect(party.tells).toEqual([{ type: "release_funding" }]);
        expect(party.saying().at(-1)).toBe("error");
      }
    }
  });

  it.each(["alice", "bob"] as const)("[LS-5] afterwards has %s spend her own inputs at a higher fee", (name) => {
    const pair = new DualPair().signComplete();
    const party = pair[name];
    party.tells.length = 0;
    party.broadcasts.length = 0;
    must(cancel(party));
    must(pair.sign(name));
    const [raw] = party.broadcasts;
    expect(party.channel.dualFunding?.cancellation).toEqual(raw);
    const parsed = parseTransaction(raw ?? new Uint8Array());
    if (!parsed.ok) throw new Error(parsed.error.reason);
    const { local, remote } = party.channel.fundingShares;
    if (local === undefined || remote === undefined) throw new Error("no shares");
    expect(parsed.value.inputs.map(({ txid }) => txid)).toEqual(local.inputs.map(({ txid }) => txid));
    const brought = local.inputs.reduce((sum, { amountSat }) => sum + amountSat, 0n);
    const feeSat = brought - (parsed.value.outputs[0]?.amountSat ?? 0n);
    const [requester, responder] = name === "alice" ? [local, remote] : [remote, local];
    const plan = planFunding({ script: new Uint8Array(34), feeRate: 2_000, requester, responder });
    if (!plan.ok) throw new Error("no plan");
    const vsize = Math.ceil(transactionWeight(parsed.value) / 4);
    // More than what it replaces, and that for each byte of its own too.
    expect(feeSat).toBeGreaterThan(plan.value.feeSat + BigInt(vsize));
    expect(parsed.value.outputs).toHaveLength(1);
    expect(parsed.value.outputs[0]?.script).toEqual(SCRIPT);
    // It ends the channel as any double-spend does.
    conflict(party, 120);
    at(party, 125);
    expect(party.channel.stage.stage).toBe("abandoned");
  });

  it("[LS-5] is possible after the channel has failed", () => {
    const pair = new DualPair().signAccept();
    must(pair.alice.run({ type: "fail", error: { type: "failed_by_user", rule: "B2-43" }, notify: false }));
    must(cancel(pair.alice));
    must(pair.sign("alice"));
    expect(pair.alice.broadcasts).toHaveLength(2);
  });

  it("[LS-5] is refused where there is nothing to cancel", () => {
    const refused = { type: "not_cancellable", rule: "LS-5" };
    expect(cancel(new DualPair().open().alice)).toMatchObject({ ...refused, detail: "only one side funds it" });
    const once = new DualPair().signComplete();
    must(cancel(once.alice));
    must(once.sign("alice"));
    expect(cancel(once.alice)).toMatchObject({ ...refused, detail: "it is being cancelled" });
    const spent = new DualPair().signComplete();
    conflict(spent.alice, 120);
    expect(cancel(spent.alice)).toMatchObject(refused);
    const confirmed = new DualPair().signComplete();
    must(confirmed.deliver("bob"));
    confirmed.confirm();
    expect(cancel(confirmed.alice)).toMatchObject({ ...refused, detail: "it is open" });
    const none = new DualPair({ maxContributionSat: 0n });
    must(none.request());
    must(none.take());
    must(none.check("bob"));
    must(none.deliver("bob"));
    must(none.check("alice"));
    must(none.sign("alice"));
    must(none.deliver("alice"));
    must(none.sign("bob"));
    expect(cancel(none.bob)).toMatchObject({ ...refused, detail: "no input of it is ours" });
  });

  it("[LS-5] that comes too late leaves the channel as it is", () => {
    const pair = new DualPair().signComplete();
    must(pair.deliver("bob"));
    must(cancel(pair.alice));
    must(pair.sign("alice"));
    pair.confirm();
    expect(pair.alice.channel.stage.stage).toBe("open");
  });
});

describe("a double-spend of an input of an anchor that one side made", () => {
  function told(party: Party): string[] {
    return party.tells.map(({ type }) => type);
  }
  /** Alice's anchor was in a block, and a reorganisation took it away; both have offered an HTLC. */
  function reorganised(): ChannelPair {
    const pair = new ChannelPair().open({ pushMsat: 300_000_000n });
    expect(pair.offer("alice", 1, 5_000_000n)).toBeUndefined();
    expect(pair.offer("bob", 2, 5_000_000n)).toBeUndefined();
    pair.settle();
    must(pair.alice.run({ type: "funding_unconfirmed" }));
    pair.alice.tells.length = 0;
    return pair;
  }

  it("[LS-5] while it is held back ends the opening at once, and tells the peer", () => {
    const pair = new ChannelPair();
    pair.propose({});
    pair.answer();
    pair.deliver("bob");
    pair.fund();
    const { alice } = pair;
    expect(alice.channel.stage.stage).toBe("awaiting_open_commit_sig");
    conflict(alice, 120);
    expect(alice.channel.stage.stage).toBe("abandoned");
    expect(told(alice)).toContain("release_funding");
    expect(alice.saying()).toContain("error");
    expect(alice.broadcasts).toEqual([]);
  });

  it("[LS-5] [LW-3] ends the channel once it is buried, fails what was offered over it, and tells the peer", () => {
    const { alice } = reorganised();
    conflict(alice, 120);
    at(alice, 124);
    expect(alice.channel.stage.stage).toBe("open");
    expect(alice.tells).toEqual([]);
    at(alice, 125);
    expect(alice.channel.stage.stage).toBe("abandoned");
    expect(alice.tells).toMatchObject([{ type: "release_funding" }, { type: "htlc_failed", paymentHash: hashOf(1) }]);
    expect(alice.saying()).toContain("error");
  });

  it("[LW-3] stakes nothing on it meanwhile, and goes on where a reorganisation undoes it", () => {
    const { alice } = reorganised();
    const { id } = [...alice.channel.htlcs.values()].find(({ offerer }) => offerer === "remote") ?? {};
    conflict(alice, 120);
    const offer = { amountMsat: 1_000_000n, paymentHash: hashOf(3), expiry: 300, route: new Uint8Array(0) } as const;
    expect(alice.ask({ type: "offer", ...offer } as Parameters<Party["ask"]>[0])).toMatchObject({ type: "not_open" });
    must(alice.run({ type: "peer_ready" }));
    expect(told(alice)).toEqual([]);
    conflict(alice, undefined);
    // Her own money needs no block: what waited is told at once.
    expect(alice.tells).toMatchObject([{ type: "htlc_cleared", htlc: { id } }]);
    at(alice, 200);
    expect(alice.channel.stage.stage).toBe("open");
  });

  it("[LS-5] counts for nothing while the anchor is in a block", () => {
    const { alice } = new ChannelPair().open({});
    conflict(alice, 120);
    expect(alice.channel.funding?.conflictHeight).toBeUndefined();
  });

  it("[LS-5] ends a channel that has failed, of which the peer knows", () => {
    const { alice } = reorganised();
    must(alice.run({ type: "fail", error: { type: "failed_by_user", rule: "B2-43" }, notify: false }));
    mempoolHas(alice, alice.broadcasts.at(-1));
    const said = alice.saying().length;
    conflict(alice, 120);
    at(alice, 125);
    expect(alice.channel.stage.stage).toBe("abandoned");
    expect(alice.saying()).toHaveLength(said);
  });
});
