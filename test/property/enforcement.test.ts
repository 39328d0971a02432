import { describe, expect, it } from "vitest";
import { parseTransaction } from "../../src/core/bitcoin/index.ts";
import { newestCommitment } from "../../src/core/payment-channel/force-close.ts";
import { ChainPair, expectWealth } from "../support/chain-pair.ts";
import { AMOUNT_SAT, FEES, type Party, rowsOf, secret } from "../support/channel-pair.ts";

/** What a few transactions cost at the harness's rates, generously. */
const COST = 12_000n;

/** The party's newest commitment at this moment, signed: to be published when it pleases. */
function commitmentOf(party: Party): Uint8Array {
  const raw = newestCommitment(party.channel, party.context());
  if (raw === undefined) throw new Error("there is a commitment");
  return raw;
}

function restart(party: Party): void {
  party.state = party.loaded(rowsOf(party.channel));
}

describe("failing a channel alone", () => {
  it("[LS-8] [B2-43] takes what is ours of our own commitment after the delay, and the peer its part at once", () => {
    const pair = new ChainPair().openOnChain();
    pair.fail("alice");
    pair.mine(1);
    expect(pair.alice.channel.anchorSpend).toMatchObject({ kind: "commitment", holder: "local" });
    expect(pair.bob.channel.anchorSpend).toMatchObject({ kind: "commitment", holder: "remote" });
    expect(pair.bob.channel.stage.stage).toBe("failed");
    expectWealth(pair, "bob", 400_000n, COST);
    pair.mine(143);
    expect(pair.wealth("alice")).toBe(0n);
    pair.mine(1);
    expectWealth(pair, "alice", 600_000n, COST);
    expect(pair.refused).toEqual([]);
    pair.mine(5);
    expect(pair.alice.channel.stage.stage).toBe("closed");
    pair.mine(94);
    expect([pair.alice.channel.stage.stage, pair.bob.channel.stage.stage]).toEqual(["buried", "buried"]);
  });

  it("[B2-38] follows the commitment through reorganisations, and another one that takes its place", () => {
    const pair = new ChainPair().openOnChain();
    pair.fail("alice");
    pair.mine(8);
    expect(pair.bob.channel.stage.stage).toBe("closed");
    pair.reorganise(5);
    expect(pair.bob.channel.anchorSpend?.height).toBe(pair.height - 2);
    pair.reorganise(3);
    expect(pair.alice.channel.anchorSpend?.height).toBeUndefined();
    pair.alice.flush();
    pair.bob.flush();
    expect([pair.alice.channel.stage.stage, pair.bob.channel.stage.stage]).toEqual(["failed", "failed"]);
    // Bob's own is mined instead.
    const raw = commitmentOf(pair.bob);
    expect(pair.chain.mine(1, { transactions: [raw] }).ok).toBe(true);
    pair.back("alice");
    pair.back("bob");
    expect(pair.alice.channel.anchorSpend).toMatchObject({ holder: "remote", height: pair.height });
    expectWealth(pair, "alice", 600_000n, COST);
    pair.mine(150);
    expectWealth(pair, "bob", 400_000n, COST);
  });

  it("[B2-36] recognises every commitment of the peer's that it has not revoked", () => {
    const pair = new ChainPair().openOnChain();
    const { alice, bob } = pair;
    // Bob takes signatures and lets his revocations wait on the way: each of his commitments can still be published.
    const held: Uint8Array[] = [commitmentOf(bob)];
    for (let n = 0; n < 5; n++) {
      expect(pair.offer("alice", n, 10_000_000n, pair.height + 200)).toBeUndefined();
      alice.flush();
      while (alice.outgoing.length > 0) pair.deliver("alice");
      held.push(commitmentOf(bob));
    }
    expect(alice.channel.commitments.remote).toHaveLength(6);
    expect(pair.publish(held[2] ?? new Uint8Array(0))).toBeUndefined();
    pair.mine(1);
    const { number } = alice.channel.commitments.remote[2] ?? { number: -1 };
    expect(alice.channel.anchorSpend).toMatchObject({ kind: "commitment", holder: "remote", number });
    expect([...alice.channel.chainOutputs.values()].filter(({ kind }) => kind === "received")).toHaveLength(2);
    // Bob had revoked it, as he knows: what is his of it he leaves.
    pair.away.add("bob");
    pair.mine(215);
    expectWealth(pair, "alice", 600_000n, 2n * COST);
    expect(pair.tells("alice", "htlc_failed").map(({ id }) => id)).toEqual([4n, 6n, 8n, 0n, 2n]);
  });
});

describe("HTLCs on chain", () => {
  it("[B2-39] [B2-40] on our commitment: ours after expiry and delay, theirs with the preimage, which we learn", () => {
    const pair = new ChainPair().openOnChain();
    const expiry = pair.height + 200;
    pair.standing("alice", 1, 50_000_000n, expiry);
    const known = pair.standing("alice", 2, 60_000_000n, expiry);
    const got = pair.standing("bob", 3, 30_000_000n, expiry);
    pair.standing("bob", 4, 20_000_000n, expiry);
    pair.fulfill("alice", got, 3);
    pair.alice.outgoing = [];
    pair.fail("alice");
    pair.mine(1);
    pair.fulfill("bob", known, 2);
    pair.bob.flush();
    pair.give();
    // In the mempool already.
    expect(pair.tells("alice", "htlc_fulfilled")).toMatchObject([{ id: known, preimage: secret(2) }]);
    pair.mine(144);
    expect(pair.alice.channel.sweeps.flatMap(({ claims }) => claims)).toHaveLength(2);
    expect(pair.tells("bob", "htlc_fulfilled")).toMatchObject([{ id: got, preimage: secret(3) }]);
    pair.mine(80);
    expect(pair.tells("alice", "htlc_failed").map(({ id }) => id)).toEqual([0n]);
    expect(pair.tells("bob", "htlc_failed")).toHaveLength(1);
    expectWealth(pair, "alice", 600_000n - 60_000n + 30_000n, COST);
    expectWealth(pair, "bob", 400_000n + 60_000n - 30_000n, COST);
    pair.mine(100);
    expect([pair.alice.channel.stage.stage, pair.bob.channel.stage.stage]).toEqual(["buried", "buried"]);
    expect(pair.refused).toEqual([]);
  });

  it("[LS-24] settles what was staged but never cleared as the chain has it", () => {
    const pair = new ChainPair().openOnChain();
    const expiry = pair.height + 200;
    const id = pair.standing("alice", 1, 50_000_000n, expiry);
    // The removal is told, and in no commitment of Alice's.
    pair.fulfill("bob", id, 1);
    pair.deliver("bob");
    expect(pair.tells("alice", "htlc_fulfilled")).toHaveLength(1);
    pair.fail("alice");
    pair.mine(4);
    expectWealth(pair, "bob", 450_000n, COST);
    pair.mine(150);
    expectWealth(pair, "alice", 550_000n, COST);
    expect(pair.tells("alice", "htlc_failed")).toEqual([]);
  });

  it("[B2-39] reports dust and what is in no commitment as failed, once the commitment is buried", () => {
    const pair = new ChainPair().openOnChain();
    pair.standing("alice", 1, 300_000n, pair.height + 200);
    expect(pair.offer("alice", 2, 5_000_000n, pair.height + 200)).toBeUndefined();
    pair.alice.flush();
    pair.alice.outgoing = [];
    pair.fail("bob");
    pair.mine(5);
    expect(pair.tells("alice", "htlc_failed")).toEqual([]);
    pair.mine(1);
    expect(pair.tells("alice", "htlc_failed").map(({ id }) => id)).toEqual([0n, 2n]);
  });
});

describe("what is left when everything else is settled", () => {
  it("[B2-40] is still an HTLC whose preimage may be learned until it expires", () => {
    const pair = new ChainPair().openOnChain();
    const id = pair.standing("alice", 1, 50_000_000n, pair.height + 200);
    pair.fail("alice");
    pair.mine(170);
    expect(pair.bob.channel.stage.stage).toBe("failed");
    pair.fulfill("bob", id, 1);
    pair.bob.flush();
    pair.mine(1);
    expectWealth(pair, "bob", 450_000n, COST);
    expect(pair.tells("alice", "htlc_fulfilled")).toHaveLength(1);
    pair.mine(5);
    expect(pair.bob.channel.stage.stage).toBe("closed");
  });

  it("is smaller than what the wallet does with its own output, however late", () => {
    const pair = new ChainPair().openOnChain();
    pair.fail("alice");
    pair.mine(7);
    expect(pair.bob.channel.stage.stage).toBe("closed");
    const toOther = [...pair.bob.channel.chainOutputs.values()].find(({ kind }) => kind === "to_other");
    const { anchorSpend } = pair.bob.channel;
    if (toOther === undefined || anchorSpend === undefined) throw new Error("Bob has an output of the commitment");
    const transaction = {
      version: 2,
      inputs: [{ txid: anchorSpend.txid, index: toOther.index, script: new Uint8Array(0), sequence: 0, witness: [] }],
      outputs: [{ amountSat: 1_000n, script: new Uint8Array(22) }],
      lockTime: 0,
    };
    const spent = { type: "output_spent" as const, index: toOther.index, transaction, inputIndex: 0 };
    pair.bob.run({ ...spent, height: pair.height });
    pair.bob.flush();
    expect(pair.bob.channel.stage.stage).toBe("closed");
  });

  it.each(["alice", "bob"] as const)(
    "[B2-39] is an HTLC just above dust, which pays for its own claim: %s fails",
    (who) => {
      const pair = new ChainPair().openOnChain();
      const expiry = pair.height + 160;
      pair.standing("alice", 1, 546_000n, expiry);
      pair.fail(who);
      pair.mine(170);
      expect(pair.tells("alice", "htlc_failed")).toHaveLength(1);
      expect(pair.alice.channel.stage.stage).toBe("closed");
      expect(pair.refused).toEqual([]);
    },
  );

  it("[B2-39] is no payment that was reported as failed: a preimage of its hash comes too late for it", () => {
    const pair = new ChainPair().openOnChain();
    // Two of one hash; the first is dust, and so it is Alice's again with the commitment.
    pair.standing("alice", 1, 300_000n, pair.height + 200);
    const id = pair.standing("alice", 1, 50_000_000n, pair.height + 200);
    pair.fail("alice");
    pair.mine(8);
    expect(pair.tells("alice", "htlc_failed").map((tell) => tell.id)).toEqual([0n]);
    pair.fulfill("bob", id, 1);
    pair.bob.flush();
    pair.mine(1);
    expect(pair.tells("alice", "htlc_fulfilled").map((tell) => tell.id)).toEqual([id]);
    // Nor does a message that was long on its way.
    const message = { type: "update_fulfill_htlc" as const, id: 0n, preimage: secret(1) };
    expect(pair.alice.judge(message)).toBeUndefined();
    pair.alice.run({ type: "packet", message, number: pair.alice.received + 1, acknowledge: pair.alice.sent });
    expect(pair.tells("alice", "htlc_fulfilled")).toHaveLength(1);
  });
});

describe("a request that the peer turned down", () => {
  it("[LS-17] [B2-39] has failed, whatever the chain or a late message says of another HTLC of its hash", () => {
    const pair = new ChainPair({ bob: { prestageAdds: "ask" } }).openOnChain(400_000_000n, true);
    const { alice, bob } = pair;
    const expiry = pair.height + 200;
    const ask = (): bigint => {
      expect(pair.offer("alice", 1, 50_000_000n, expiry)).toBeUndefined();
      pair.settle();
      return alice.channel.totals.localLastId;
    };
    const taken = ask();
    expect(bob.run({ type: "accept_add", id: taken })).toBeUndefined();
    pair.settle();
    const refused = ask();
    expect(bob.run({ type: "reject_add", id: refused, reason: new Uint8Array(1) })).toBeUndefined();
    pair.deliver("bob");
    expect(pair.tells("alice", "htlc_failed").map(({ id }) => id)).toEqual([refused]);
    expect(alice.channel.htlcs.has(refused)).toBe(true);
    alice.ready = false;
    bob.ready = false;
    pair.fail("alice");
    pair.mine(1);
    const message = { type: "settle_request" as const, id: refused, preimage: secret(1) };
    alice.run({ type: "packet", message, number: alice.received + 1, acknowledge: alice.sent });
    expect(pair.tells("alice", "htlc_fulfilled")).toEqual([]);
    pair.fulfill("bob", taken, 1);
    bob.flush();
    pair.mine(8);
    expect(pair.tells("alice", "htlc_fulfilled").map(({ id }) => id)).toEqual([taken]);
    expect(pair.tells("alice", "htlc_failed").map(({ id }) => id)).toEqual([refused]);
  });
});

describe("deadlines", () => {
  it("[B2-16] goes to the chain three blocks after the expiry of an HTLC that it offered, and not before", () => {
    const pair = new ChainPair().openOnChain();
    const expiry = pair.height + 170;
    pair.standing("alice", 1, 50_000_000n, expiry);
    pair.mine(172);
    expect(pair.height).toBe(expiry + 2);
    expect(pair.alice.channel.stage.stage).toBe("open");
    pair.mine(1);
    expect(pair.alice.channel.stage).toMatchObject({ stage: "failed", failure: expect.stringContaining("B2-16") });
  });

  it("[LS-20] [LS-24] goes to the chain D + 18 blocks before the expiry of an HTLC whose preimage the peer does not take", () => {
    const pair = new ChainPair().openOnChain();
    const expiry = pair.height + 400;
    const id = pair.standing("alice", 1, 50_000_000n, expiry);
    pair.bob.ready = false;
    pair.fulfill("bob", id, 1);
    pair.mine(400 - 144 - 18 - 1);
    expect(pair.bob.channel.stage.stage).toBe("open");
    pair.mine(1);
    expect(pair.height).toBe(expiry - 144 - 18);
    expect(pair.bob.channel.stage).toMatchObject({ stage: "failed", failure: expect.stringContaining("LS-24") });
    // Alice would take the HTLC back at once when she could.
    pair.mine(1);
    pair.mine(146);
    expect(pair.height).toBeLessThan(expiry);
    expectWealth(pair, "bob", 450_000n, COST);
    expect(pair.tells("alice", "htlc_fulfilled")).toHaveLength(1);
  });

  it("does not go to the chain for dust that is worth nothing there", () => {
    const pair = new ChainPair().openOnChain();
    const id = pair.standing("alice", 1, 300_000n, pair.height + 300);
    pair.bob.ready = false;
    pair.fulfill("bob", id, 1);
    pair.mine(301);
    expect(pair.bob.channel.stage.stage).toBe("open");
  });
});

describe("an anchor that a reorganisation took away", () => {
  it("[LW-3] [LS-19] is nothing to reveal a preimage for, until it is back", () => {
    const pair = new ChainPair().openOnChain();
    const { alice, bob } = pair;
    const expiry = pair.height + 300;
    const told = pair.standing("alice", 1, 50_000_000n, expiry);
    expect(bob.cleared()).toEqual([told]);
    pair.reorganise(6);
    expect(bob.channel.funding?.confirmedHeight).toBeUndefined();
    // What Bob knows already is kept, and what Alice offers now he is not asked about.
    pair.fulfill("bob", told, 1);
    const late = pair.standing("alice", 2, 60_000_000n, expiry);
    for (const party of [alice, bob]) party.run({ type: "peer_ready" });
    pair.settle();
    expect(bob.cleared()).toEqual([told]);
    expect(pair.tells("alice", "htlc_fulfilled")).toEqual([]);
    restart(bob);
    pair.mine(1);
    pair.settle();
    expect(bob.cleared()).toEqual([told, late]);
    expect(pair.tells("alice", "htlc_fulfilled").map(({ id }) => id)).toEqual([told]);
  });
});

/** Delivers one message after the other, each side saying what is due in between, until `count` are delivered or none is left. */
function exchange(pair: ChainPair, count: number): boolean {
  for (let n = 0; n < count; n++) {
    pair.alice.flush();
    pair.bob.flush();
    const from = (["alice", "bob"] as const).find((name) => pair[name].outgoing.length > 0);
    if (from === undefined) return false;
    expect(pair.deliver(from)).toBeUndefined();
  }
  return true;
}

describe("an HTLC that gets stuck", () => {
  it("[LS-20] [LS-30] at any message before its add is complete goes to the chain when it has expired", () => {
    for (let count = 0; ; count++) {
      const pair = new ChainPair().openOnChain();
      const expiry = pair.height + 160;
      expect(pair.offer("alice", 1, 50_000_000n, expiry)).toBeUndefined();
      if (!exchange(pair, count)) break;
      pair.mine(162);
      expect(pair.alice.channel.stage.stage).toBe("open");
      pair.mine(1);
      expect(pair.alice.channel.stage).toMatchObject({ stage: "failed", failure: expect.stringContaining("B2-16") });
      pair.mine(150);
      expectWealth(pair, "alice", 600_000n, COST);
      expect(pair.tells("alice", "htlc_failed").map(({ id }) => id)).toEqual([0n]);
    }
  }, 60_000);

  it("[LS-24] [LS-30] at any message before its settlement is complete goes to the chain with the preimage", () => {
    for (let count = 0; ; count++) {
      const pair = new ChainPair().openOnChain();
      const expiry = pair.height + 170;
      const id = pair.standing("alice", 1, 50_000_000n, expiry);
      pair.fulfill("bob", id, 1);
      if (!exchange(pair, count)) throw new Error("the settlement comes to an end before");
      // What is left of it is Alice's to wait for.
      if (pair.bob.channel.htlcs.size === 0) break;
      pair.mine(7);
      expect(pair.bob.channel.stage.stage).toBe("open");
      pair.mine(1);
      expect(pair.bob.channel.stage).toMatchObject({ stage: "failed", failure: expect.stringContaining("LS-24") });
      pair.mine(150);
      expectWealth(pair, "bob", 450_000n, COST);
      expectWealth(pair, "alice", 550_000n, COST);
      expect(pair.tells("alice", "htlc_fulfilled").map(({ preimage }) => preimage)).toEqual([secret(1)]);
    }
  }, 60_000);
});

describe("a revoked commitment", () => {
  const cheated = (): { pair: ChainPair; revoked: Uint8Array } => {
    const pair = new ChainPair().openOnChain();
    const expiry = pair.height + 300;
    pair.standing("alice", 1, 50_000_000n, expiry);
    const held = pair.standing("bob", 2, 30_000_000n, expiry);
    const revoked = commitmentOf(pair.alice);
    pair.fulfill("alice", held, 2);
    pair.settle();
    pair.standing("alice", 3, 20_000_000n, expiry);
    return { pair, revoked };
  };

  it("[B2-37] [LW-4] costs the cheater all of the channel's money", () => {
    const { pair, revoked } = cheated();
    pair.away.add("alice");
    expect(pair.publish(revoked)).toBeUndefined();
    pair.mine(2);
    expect(pair.bob.channel.anchorSpend).toMatchObject({ kind: "revoked", holder: "remote" });
    expectWealth(pair, "bob", AMOUNT_SAT, COST);
    pair.mine(5);
    expect(pair.tells("bob", "htlc_failed")).toEqual([]);
    expect(pair.bob.channel.stage.stage).toBe("closed");
    expect(pair.refused).toEqual([]);
  });

  it("[B2-37] is punished through a restart at every block and a reorganised penalty", () => {
    const { pair, revoked } = cheated();
    pair.away.add("alice");
    pair.publish(revoked);
    for (let block = 0; block < 4; block++) {
      restart(pair.bob);
      pair.mine(1);
    }
    expectWealth(pair, "bob", AMOUNT_SAT, COST);
    pair.reorganise(3);
    expect(pair.wealth("bob")).toBeLessThan(AMOUNT_SAT - COST);
    restart(pair.bob);
    pair.mine(4);
    expectWealth(pair, "bob", AMOUNT_SAT, COST);
  });

  it("[B2-37] is punished by a node that was away for as many blocks as it can afford", () => {
    const { pair, revoked } = cheated();
    pair.away.add("bob");
    expect(pair.publish(revoked)).toBeUndefined();
    pair.away.add("alice");
    pair.mine(142);
    restart(pair.bob);
    pair.back("bob");
    pair.mine(1);
    expectWealth(pair, "bob", AMOUNT_SAT, COST);
  });

  it.each([
    ["[case ours-revoked/to-self] [case ours-revoked/to-other]", false],
    ["[case ours-revoked/to-self +restart] [case ours-revoked/to-other +restart]", true],
  ] as const)(
    "[B2-29] %s of our own, by an old copy of our data, is nothing that we take anything of",
    (_, restarts) => {
      const { pair, revoked } = cheated();
      pair.away.add("bob");
      pair.publish(revoked);
      for (let block = 0; block < 200; block++) {
        if (restarts) restart(pair.alice);
        pair.mine(1);
      }
      expect(pair.alice.channel.anchorSpend).toMatchObject({ kind: "revoked", holder: "local" });
      expect(pair.wealth("alice")).toBe(0n);
    },
  );
});

describe("a revoked commitment whose rows say nothing of it", () => {
  const published = () => {
    const pair = new ChainPair().openOnChain();
    pair.standing("alice", 1, 50_000_000n, pair.height + 300);
    const revoked = commitmentOf(pair.alice);
    pair.standing("alice", 2, 20_000_000n, pair.height + 300);
    // Her store has none.
    pair.alice.changes.length = 0;
    return { pair, revoked };
  };

  it("[B2-37] shows by its to-self whose it is", () => {
    const { pair, revoked } = published();
    pair.away.add("bob");
    pair.publish(revoked);
    pair.mine(1);
    expect(pair.alice.channel.anchorSpend).toMatchObject({ kind: "revoked", holder: "local" });
    expect([...pair.alice.channel.chainOutputs.values()].map(({ kind }) => kind)).toEqual(["to_self"]);
  });

  it("[B2-37] [B2-38] is looked up once where nothing is recognised, and is over when it is buried", () => {
    const { pair, revoked } = published();
    const { alice } = pair;
    const parsed = parseTransaction(revoked);
    if (!parsed.ok) throw new Error(parsed.error.reason);
    const nobodys = [{ amountSat: 900_000n, script: new Uint8Array([0x51]) }];
    const spent = { type: "anchor_spent", transaction: { ...parsed.value, outputs: nobodys } } as const;
    expect(alice.run({ ...spent, height: alice.height })).toBeUndefined();
    const { number } = alice.channel.anchorSpend ?? { number: -1 };
    const evidence = { type: "evidence", number, commitments: [], htlcs: [] } as const;
    expect(alice.run(evidence)).toBeUndefined();
    expect(alice.channel.anchorSpend).toMatchObject({ kind: "revoked", holder: "remote" });
    expect(alice.channel.chainOutputs.size).toBe(0);
    const stages = [4, 5, 98, 99].map((depth) => {
      alice.height = (alice.channel.anchorSpend?.height ?? 0) + depth;
      alice.flush();
      return alice.channel.stage.stage;
    });
    expect(stages).toEqual(["failed", "closed", "closed", "buried"]);
  });
});

describe("fees of claims", () => {
  it("takes back what has expired at the estimate at first, though the peer could have come long ago, and dearer each block", () => {
    const pair = new ChainPair().openOnChain();
    const expiry = pair.height + 200;
    const id = pair.standing("alice", 1, 50_000_000n, expiry);
    pair.bob.ready = false;
    pair.fail("alice");
    while (pair.height < expiry - 1) pair.mine(1);
    const ofHtlc = () =>
      pair.alice.channel.sweeps.find(({ claims }) =>
        claims.some((index) => pair.alice.channel.chainOutputs.get(index)?.htlcId === id),
      )?.feeRate ?? 0;
    const rates: number[] = [];
    // Nobody mines what Alice gives.
    for (let n = 0; n < 16; n++) {
      pair.chain.mine(1, { transactions: [] });
      pair.back("alice");
      rates.push(ofHtlc());
    }
    expect(rates.find((rate) => rate > 0)).toBe(Math.max(FEES.nextBlock ?? 0, 1_350));
    for (let n = 1; n < rates.length; n++) expect(rates[n]).toBeGreaterThanOrEqual(rates[n - 1] ?? 0);
    expect(rates.at(-1)).toBeGreaterThan(4 * Math.max(FEES.nextBlock ?? 0, 1_350));
  });

  it("raises a claim that does not confirm, and one in a hurry most", () => {
    const pair = new ChainPair().openOnChain();
    const expiry = pair.height + 200;
    const id = pair.standing("alice", 1, 50_000_000n, expiry);
    pair.bob.ready = false;
    pair.fulfill("bob", id, 1);
    pair.fail("alice");
    pair.mine(1);
    const rates: number[] = [];
    // Nobody mines what Bob gives.
    for (let n = 0; n < 16; n++) {
      pair.chain.mine(1, { transactions: [] });
      pair.back("bob");
      pair.back("alice");
      rates.push(pair.bob.channel.sweeps.at(-1)?.feeRate ?? 0);
    }
    expect(rates[0]).toBe(Math.max(FEES.nextBlock ?? 0, 1_350));
    for (let n = 1; n < rates.length; n++) expect(rates[n]).toBeGreaterThanOrEqual(rates[n - 1] ?? 0);
    expect(rates.at(-1)).toBeGreaterThan(2 * (rates[0] ?? 0));
    expect(pair.bob.channel.sweeps).toHaveLength(1);
    expect(pair.refused).toEqual([]);
    pair.mine(1);
    expectWealth(pair, "bob", 450_000n, COST);
  });

  it("claims alone, and dearer, what somebody else can take soon", () => {
    const pair = new ChainPair().openOnChain();
    const expiry = pair.height + 170;
    const ids = [pair.standing("alice", 1, 50_000_000n, expiry), pair.standing("alice", 2, 20_000_000n, expiry)];
    pair.bob.ready = false;
    for (const [n, id] of ids.entries()) pair.fulfill("bob", id, n + 1);
    pair.fail("alice");
    pair.away.add("bob");
    pair.mine(161);
    pair.back("bob");
    expect(pair.bob.channel.sweeps.map(({ claims }) => claims.length)).toEqual([1, 1]);
    for (const { feeRate } of pair.bob.channel.sweeps) expect(feeRate).toBeGreaterThan(FEES.nextBlock ?? 0);
  });

  it("[B2-37] claims the rest again when somebody else has taken one input of a batch", () => {
    const pair = new ChainPair().openOnChain();
    const taken = pair.standing("alice", 1, 50_000_000n, pair.height + 150);
    const rest = pair.standing("alice", 2, 20_000_000n, pair.height + 300);
    pair.bob.ready = false;
    pair.fulfill("bob", taken, 1);
    pair.fulfill("bob", rest, 2);
    pair.fail("alice");
    pair.mine(1);
    expect(pair.bob.channel.sweeps.map(({ claims }) => claims.length)).toEqual([2]);
    const ofTaken = () => {
      const output = [...pair.alice.channel.chainOutputs.values()].find(({ htlcId }) => htlcId === taken);
      return pair.alice.channel.sweeps.find(({ claims }) => claims.length === 1 && claims[0] === output?.index);
    };
    // No miner takes what Bob gives, and then one takes Alice's.
    for (let n = 0; n < 160 && ofTaken() === undefined; n++) {
      pair.chain.mine(1, { transactions: [] });
      pair.back("bob");
      pair.back("alice");
    }
    expect(pair.chain.mine(1, { transactions: [ofTaken()?.transaction ?? new Uint8Array(0)] }).ok).toBe(true);
    pair.back("bob");
    pair.back("alice");
    pair.mine(1);
    expectWealth(pair, "bob", 420_000n, COST);
  });

  it("leaves what costs more than it is worth, until fees fall", () => {
    const pair = new ChainPair().openOnChain(1_000_000n);
    pair.bob.fees = { nextBlock: 20_000, relay: 1_000, fallback: 2_000 };
    pair.fail("bob");
    pair.mine(160);
    expect(pair.bob.channel.sweeps).toEqual([]);
  });
});
