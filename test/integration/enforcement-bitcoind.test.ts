// What the embedded chain can't prove about enforcement: sizes, replacements and reorganisations, by a real node.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { toHex } from "../../src/core/base/index.ts";
import { createCommitmentBuffer, parseTransaction, type Transaction } from "../../src/core/bitcoin/index.ts";
import { newestCommitment } from "../../src/core/payment-channel/force-close.ts";
import { type Bitcoind, findBitcoind, SILENT, startBitcoind } from "../support/bitcoind.ts";
import { BlockingBitcoind } from "../support/bitcoind-blocking.ts";
import { ChainPair, expectWealth } from "../support/chain-pair.ts";
import { AMOUNT_SAT, type Party, secret } from "../support/channel-pair.ts";

const DELAY = 20;
const COST = 12_000n;
const MOST = 1_150;

function commitmentOf(party: Party): Uint8Array {
  const raw = newestCommitment(party.channel, party.context());
  if (raw === undefined) throw new Error("there is a commitment");
  return raw;
}

function parsed(raw: Uint8Array): Transaction {
  const transaction = parseTransaction(raw);
  if (!transaction.ok) throw new Error(transaction.error.reason);
  return transaction.value;
}

describe.skipIf(findBitcoind() === undefined)("enforcement on a real Bitcoin node", () => {
  let bitcoind: Bitcoind;
  let chain: BlockingBitcoind;
  let pair: ChainPair<BlockingBitcoind>;

  beforeAll(async () => {
    bitcoind = await startBitcoind([SILENT]);
    await bitcoind.mine(150);
    chain = new BlockingBitcoind(bitcoind);
  });
  afterAll(async () => {
    await chain?.stop();
    await bitcoind?.stop();
  });

  beforeEach(() => {
    // What a test before left, should it have failed.
    chain.mine(1);
    const policy = { delay: DELAY, maxHtlcs: MOST };
    pair = new ChainPair({ alice: policy, bob: policy }, chain);
    for (const party of [pair.alice, pair.bob]) party.checked = false;
  });

  /** What waits for a block, as people write it. */
  const waiting = () => chain.rpc<string[]>("getrawmempool").toSorted();
  const displayed = (txid: Uint8Array) => toHex(txid.toReversed());

  /** Bob holds a commitment of his that he revokes, with an HTLC each way; the channel goes on. */
  function cheated(): Uint8Array {
    pair.openOnChain();
    const expiry = pair.height + 300;
    pair.standing("alice", 1, 50_000_000n, expiry);
    const held = pair.standing("bob", 2, 30_000_000n, expiry);
    const revoked = commitmentOf(pair.bob);
    pair.fulfill("alice", held, 2);
    pair.settle();
    pair.standing("alice", 3, 20_000_000n, expiry);
    return revoked;
  }

  it("[B2-37] takes 2,300 HTLCs of a cheater in seven transactions under 100,000 bytes, before he can do anything", () => {
    const amountSat = 4_000_000n;
    for (const party of [pair.alice, pair.bob]) party.buffer = createCommitmentBuffer();
    pair.openOnChain(1_900_000_000n, false, amountSat);
    const expiry = pair.height + 300;
    for (let n = 0; n < MOST; n++) {
      for (const from of ["alice", "bob"] as const) {
        const offered = pair.offer(from, n + (from === "bob" ? 2_000 : 0), 900_000n + BigInt(n), expiry + (n % 5));
        expect(offered).toBeUndefined();
      }
    }
    pair.settle();
    const revoked = commitmentOf(pair.bob);
    expect(parsed(revoked).outputs).toHaveLength(2 * MOST + 2);
    pair.fulfill("bob", 0n, 0);
    pair.settle();
    pair.away.add("bob");
    expect(pair.publish(revoked)).toBeUndefined();
    pair.mine(1);
    const { sweeps } = pair.alice.channel;
    // Each is in the mempool by now.
    expect(pair.refused).toEqual([]);
    expect(waiting()).toEqual(sweeps.map(({ txid }) => displayed(txid)).toSorted());
    expect(sweeps.flatMap(({ claims }) => claims)).toHaveLength(2 * MOST + 1);
    for (const { transaction, claims } of sweeps) {
      expect(transaction.length).toBeLessThan(100_000);
      expect(claims.length).toBeLessThanOrEqual(352);
    }
    expect(sweeps).toHaveLength(7);
    // How much of them goes into a block is the miner's policy; their owner has 20.
    pair.mine(4);
    expect(waiting()).toEqual([]);
    const fees = pair.alice.channel.sweeps.reduce((sum, { feeSat }) => sum + feeSat, 0n);
    expect(fees).toBeLessThan((amountSat * 2n) / 10n);
    pair.mine(6);
    expect(pair.alice.channel.stage.stage).toBe("closed");
    // The cheater's own commitment has paid a fee too, which was his.
    expect(pair.wealth("alice")).toBeGreaterThan(amountSat - fees - 300_000n);
    expect(pair.wealth("bob")).toBe(0n);
  });

  it("replaces a claim by a dearer one in the network's mempool, each time that it waits too long", () => {
    pair.openOnChain();
    const expiry = pair.height + 60;
    const id = pair.standing("alice", 1, 50_000_000n, expiry);
    pair.bob.ready = false;
    pair.fulfill("bob", id, 1);
    pair.fail("alice");
    pair.mine(1);
    const rates = new Set<number>();
    const old: string[] = [];
    let newest = "";
    for (let n = 0; n < 16; n++) {
      const [sweep, ...more] = pair.bob.channel.sweeps;
      if (sweep === undefined) throw new Error("Bob claims");
      expect(more).toEqual([]);
      if (!rates.has(sweep.feeRate) && newest !== "") old.push(newest);
      rates.add(sweep.feeRate);
      newest = displayed(sweep.txid);
      expect(waiting()).toContain(displayed(sweep.txid));
      for (const txid of old) expect(waiting()).not.toContain(txid);
      // At half of what it claims no fee goes any further.
      expect(sweep.feeSat).toBeLessThanOrEqual(25_000n);
      chain.mine(1, { transactions: [] });
      pair.back("alice");
      pair.back("bob");
    }
    expect(rates.size).toBeGreaterThan(3);
    expect(pair.refused).toEqual([]);
    // The preimage was in the mempool only.
    expect(pair.tells("alice", "htlc_fulfilled")).toMatchObject([{ id, preimage: secret(1) }]);
    pair.mine(1);
    expectWealth(pair, "bob", 450_000n, 30_000n);
  });

  it("[B2-37] [B2-38] punishes again after a reorganisation of penalty and commitment", () => {
    const revoked = cheated();
    pair.away.add("bob");
    expect(pair.publish(revoked)).toBeUndefined();
    pair.mine(3);
    expectWealth(pair, "alice", AMOUNT_SAT, COST);
    pair.reorganise(2);
    expect(pair.wealth("alice")).toBeLessThan(AMOUNT_SAT - COST);
    pair.mine(1);
    expectWealth(pair, "alice", AMOUNT_SAT, COST);
    pair.reorganise(2);
    expect(pair.alice.channel.anchorSpend?.height).toBeUndefined();
    pair.mine(2);
    expectWealth(pair, "alice", AMOUNT_SAT, COST);
    pair.mine(110);
    expect(pair.alice.channel.stage.stage).toBe("buried");
    expect(pair.refused).toEqual([]);
  });

  it("[B2-38] takes what is ours of the newest commitment where a reorganisation puts it in a revoked one's place", () => {
    const revoked = cheated();
    pair.away.add("bob");
    pair.publish(revoked);
    pair.mine(2);
    expectWealth(pair, "alice", AMOUNT_SAT, COST);
    pair.reorganise(2);
    expect(chain.mine(1, { transactions: [commitmentOf(pair.bob)] }).ok).toBe(true);
    pair.away.delete("bob");
    pair.back("alice");
    pair.back("bob");
    expect(pair.alice.channel.anchorSpend).toMatchObject({ kind: "commitment", holder: "remote" });
    pair.mine(310);
    expectWealth(pair, "alice", 630_000n, 2n * COST);
    expectWealth(pair, "bob", 370_000n, COST);
    expect([pair.alice.channel.stage.stage, pair.bob.channel.stage.stage]).toEqual(["closed", "buried"]);
  });

  it("takes nothing new on an anchor that a reorganisation took away, keeps its state, and goes on once it is back", () => {
    pair.openOnChain();
    const id = pair.standing("alice", 1, 50_000_000n, pair.height + 100);
    pair.reorganise(6);
    expect(pair.alice.channel.funding?.confirmedHeight).toBeUndefined();
    // Alice made it, and knows that nobody spends it in another way.
    expect(pair.offer("bob", 2, 10_000_000n, pair.height + 100)).toMatchObject({ type: "not_open" });
    expect(pair.bob.channel.htlcs.size).toBe(1);
    pair.mine(6);
    pair.fulfill("bob", id, 1);
    pair.settle();
    expect(pair.offer("bob", 2, 10_000_000n, pair.height + 100)).toBeUndefined();
    pair.settle();
    expect([pair.alice.channel.stage.stage, pair.bob.channel.stage.stage]).toEqual(["open", "open"]);
  });
});
