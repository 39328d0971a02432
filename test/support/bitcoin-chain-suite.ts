import { createHash } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { asTxid, concatBytes, equalBytes, toHex } from "../../src/core/base/index.ts";
import { parseTransaction, transactionId } from "../../src/core/bitcoin/index.ts";
import type { BitcoinChain, Block, ChainEvent, Outpoint } from "../../src/ports/bitcoin-chain.ts";

/** What the suite needs of a chain besides the port: the hand that moves it. */
export type ChainFixture = {
  readonly chain: BitcoinChain;
  /** Adds `count` blocks to the best chain; they take what is in the mempool. */
  mine(count: number): Promise<void>;
  /** Puts a transaction into the mempool that pays `amountSat` to `script` in the output returned. */
  fund(script: Uint8Array, amountSat: bigint): Promise<Outpoint>;
  /** Replaces the last `depth` blocks by `depth + 1` blocks with nothing but a coinbase; what fell out is in the mempool again. */
  reorganise(depth: number): Promise<void>;
  /** Closes the chain, and all behind it where nobody else uses it. */
  close(): Promise<void>;
};

function sha256(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash("sha256").update(bytes).digest());
}

/** OP_TRUE behind P2WSH: a standard output that anybody can spend without a signature. */
const ANYONE = Uint8Array.of(0x51);
const ANYONE_SCRIPT = concatBytes(Uint8Array.of(0x00, 0x20), sha256(ANYONE));

function littleEndian(value: bigint, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn));
}

type Spend = { readonly transaction: Uint8Array; readonly outpoint: Outpoint };

/** Spends an output locked by ANYONE_SCRIPT to an equal one of `amountSat`. */
function spendAnyone(from: Outpoint, amountSat: bigint): Spend {
  const version = littleEndian(2n, 4);
  const input = concatBytes(
    from.txid,
    littleEndian(BigInt(from.index), 4),
    Uint8Array.of(0),
    littleEndian(0xfffffffdn, 4),
  );
  const output = concatBytes(littleEndian(amountSat, 8), Uint8Array.of(ANYONE_SCRIPT.length), ANYONE_SCRIPT);
  const body = concatBytes(Uint8Array.of(1), input, Uint8Array.of(1), output);
  const witness = Uint8Array.of(1, ANYONE.length, ...ANYONE);
  const lockTime = littleEndian(0n, 4);
  const txid = asTxid(sha256(sha256(concatBytes(version, body, lockTime))));
  return {
    transaction: concatBytes(version, Uint8Array.of(0, 1), body, witness, lockTime),
    outpoint: { txid, index: 0 },
  };
}

function contains(block: Block, transaction: Uint8Array): boolean {
  return block.transactions.some((one) => equalBytes(one, transaction));
}

/** Resolves with the first event that `wanted` accepts, among those sent from now on. */
function nextEvent(chain: BitcoinChain, wanted: (event: ChainEvent) => boolean): Promise<ChainEvent> {
  return new Promise((resolve) => {
    const unsubscribe = chain.subscribe((event) => {
      if (!wanted(event)) return;
      unsubscribe();
      resolve(event);
    });
  });
}

/**
 * The behaviour that the rest of the node relies on, whatever chain stands behind the port. `open` gives a chain on regtest
 * with at least 101 blocks, connected; blocks and transactions left by an earlier test do no harm.
 */
export function describeBitcoinChain(name: string, open: () => Promise<ChainFixture>): void {
  describe(`${name} as a BitcoinChain`, () => {
    let fixture: ChainFixture;
    let chain: BitcoinChain;

    beforeEach(async () => {
      fixture = await open();
      chain = fixture.chain;
    });
    afterEach(() => fixture.close());

    async function blockAt(height: number): Promise<Block> {
      const block = await chain.block(height);
      if (block === undefined) throw new Error(`no block at height ${height}`);
      return block;
    }

    async function fundedAnyone(amountSat: bigint): Promise<Outpoint> {
      const outpoint = await fixture.fund(ANYONE_SCRIPT, amountSat);
      await fixture.mine(1);
      return outpoint;
    }

    describe("blocks", () => {
      it("gives the tip, which moves with each block", async () => {
        const before = await chain.tip();
        await fixture.mine(3);
        const after = await chain.tip();
        expect(after.height).toBe(before.height + 3);
        expect(after.hash).toHaveLength(32);
        expect(equalBytes(after.hash, before.hash)).toBe(false);
      });

      it("gives the block of each height, linked by the hash of the one before", async () => {
        const tip = await chain.tip();
        const genesis = await blockAt(0);
        expect(genesis.previousHash).toEqual(new Uint8Array(32));
        const first = await blockAt(1);
        expect(first.previousHash).toEqual(genesis.hash);
        const last = await blockAt(tip.height);
        expect({ height: last.height, hash: last.hash }).toEqual(tip);
        expect(last.previousHash).toEqual((await blockAt(tip.height - 1)).hash);
      });

      it("has no block above the tip", async () => {
        const tip = await chain.tip();
        expect(await chain.block(tip.height + 1)).toBeUndefined();
        expect(await chain.block(tip.height + 1_000_000)).toBeUndefined();
      });

      it("gives the time of a block in seconds", async () => {
        await fixture.mine(1);
        const tip = await chain.tip();
        const [last, before] = [await blockAt(tip.height), await blockAt(tip.height - 1)];
        expect(Number.isSafeInteger(last.time)).toBe(true);
        expect(last.time).toBeGreaterThan(0);
        expect(last.time).toBeLessThan(2 ** 32);
        expect(before.time).toBeGreaterThan(0);
      });

      it("gives the transactions of a block byte by byte, the witness included, after the coinbase", async () => {
        const spend = spendAnyone(await fundedAnyone(60_000n), 59_000n);
        expect(await chain.broadcast(spend.transaction)).toEqual({ type: "accepted" });
        await fixture.mine(1);
        const block = await blockAt((await chain.tip()).height);
        expect(contains(block, spend.transaction)).toBe(true);
        const coinbase = toHex(block.transactions[0] ?? new Uint8Array());
        const nullOutpoint = `${"00".repeat(32)}ffffffff`;
        expect(
          coinbase.slice(8).startsWith(`000101${nullOutpoint}`) || coinbase.slice(8).startsWith(`01${nullOutpoint}`),
        ).toBe(true);
      });

      it("shows a reorganisation by heights that hold other blocks than before", async () => {
        await fixture.mine(3);
        const before = await chain.tip();
        const kept = await blockAt(before.height - 2);
        const dropped = await blockAt(before.height - 1);
        await fixture.reorganise(2);
        const after = await chain.tip();
        expect(after.height).toBe(before.height + 1);
        expect(await blockAt(kept.height)).toEqual(kept);
        const replacement = await blockAt(dropped.height);
        expect(equalBytes(replacement.hash, dropped.hash)).toBe(false);
        expect(replacement.previousHash).toEqual(kept.hash);
        expect((await blockAt(before.height)).previousHash).toEqual(replacement.hash);
      });
    });

    describe("unspent outputs", () => {
      it("counts confirmations, from 0 in the mempool", async () => {
        const outpoint = await fixture.fund(ANYONE_SCRIPT, 12_345n);
        const inMempool = { amountSat: 12_345n, script: ANYONE_SCRIPT, confirmations: 0, coinbase: false };
        expect(await chain.unspent(outpoint)).toEqual(inMempool);
        await fixture.mine(1);
        expect(await chain.unspent(outpoint)).toEqual({ ...inMempool, confirmations: 1 });
        await fixture.mine(2);
        expect(await chain.unspent(outpoint)).toEqual({ ...inMempool, confirmations: 3 });
      });

      it("keeps every satoshi of an amount", async () => {
        for (const amountSat of [100_000_001n, 29_999_999n, 70_000_003n]) {
          const outpoint = await fixture.fund(ANYONE_SCRIPT, amountSat);
          expect((await chain.unspent(outpoint))?.amountSat).toBe(amountSat);
        }
      });

      it("does not show what the mempool or a block spends", async () => {
        const outpoint = await fundedAnyone(50_000n);
        const spend = spendAnyone(outpoint, 49_000n);
        await chain.broadcast(spend.transaction);
        expect(await chain.unspent(outpoint)).toBeUndefined();
        expect(await chain.unspent(spend.outpoint)).toMatchObject({ amountSat: 49_000n, confirmations: 0 });
        await fixture.mine(1);
        expect(await chain.unspent(outpoint)).toBeUndefined();
        expect(await chain.unspent(spend.outpoint)).toMatchObject({ confirmations: 1 });
      });

      it("tells the output of a coinbase, which can't be spent at once", async () => {
        await fixture.mine(1);
        const [raw] = (await blockAt((await chain.tip()).height)).transactions;
        const coinbase = parseTransaction(raw ?? new Uint8Array());
        if (!coinbase.ok) throw new Error(coinbase.error.type);
        const [output] = coinbase.value.outputs;
        expect(await chain.unspent({ txid: transactionId(coinbase.value), index: 0 })).toEqual({
          amountSat: output?.amountSat,
          script: output?.script,
          confirmations: 1,
          coinbase: true,
        });
      });

      it("does not show what does not exist", async () => {
        const outpoint = await fundedAnyone(50_000n);
        expect(await chain.unspent({ txid: outpoint.txid, index: 1000 })).toBeUndefined();
        expect(await chain.unspent({ txid: asTxid(new Uint8Array(32).fill(7)), index: 0 })).toBeUndefined();
      });

      it("goes back to the mempool with a reorganisation", async () => {
        const outpoint = await fundedAnyone(50_000n);
        await fixture.reorganise(1);
        expect(await chain.unspent(outpoint)).toMatchObject({ confirmations: 0 });
      });
    });

    describe("broadcast", () => {
      it("accepts a transaction, again while it waits, and knows it when it is mined", async () => {
        const { transaction } = spendAnyone(await fundedAnyone(50_000n), 49_000n);
        expect(await chain.broadcast(transaction)).toEqual({ type: "accepted" });
        expect(["accepted", "already_known"]).toContain((await chain.broadcast(transaction)).type);
        await fixture.mine(1);
        expect(await chain.broadcast(transaction)).toEqual({ type: "already_known" });
      });

      it("accepts it again after a reorganisation dropped its block", async () => {
        const { transaction } = spendAnyone(await fundedAnyone(50_000n), 49_000n);
        await chain.broadcast(transaction);
        await fixture.mine(1);
        await fixture.reorganise(1);
        expect(["accepted", "already_known"]).toContain((await chain.broadcast(transaction)).type);
      });

      const rejected = { type: "rejected", reason: expect.stringMatching(/./) };

      it("rejects what spends nothing known, says why, and takes no offence", async () => {
        const unknown = { txid: asTxid(new Uint8Array(32).fill(9)), index: 0 };
        expect(await chain.broadcast(spendAnyone(unknown, 49_000n).transaction)).toEqual(rejected);
        expect((await chain.broadcast(spendAnyone(await fundedAnyone(50_000n), 49_000n).transaction)).type).toBe(
          "accepted",
        );
      });

      it("rejects what spends more than there is", async () => {
        const outpoint = await fundedAnyone(50_000n);
        expect(await chain.broadcast(spendAnyone(outpoint, 50_001n).transaction)).toEqual(rejected);
        expect(await chain.unspent(outpoint)).toBeDefined();
      });

      it("rejects what pays less than the relay fee", async () => {
        const outpoint = await fundedAnyone(50_000n);
        expect(await chain.broadcast(spendAnyone(outpoint, 50_000n).transaction)).toEqual(rejected);
      });

      it("rejects a conflict that does not pay more than what it would replace", async () => {
        const outpoint = await fundedAnyone(50_000n);
        expect(await chain.broadcast(spendAnyone(outpoint, 48_000n).transaction)).toEqual({ type: "accepted" });
        expect(await chain.broadcast(spendAnyone(outpoint, 48_001n).transaction)).toEqual(rejected);
      });

      it("replaces by a conflict that pays enough more", async () => {
        const outpoint = await fundedAnyone(50_000n);
        const [first, second] = [spendAnyone(outpoint, 49_000n), spendAnyone(outpoint, 40_000n)];
        expect(await chain.broadcast(first.transaction)).toEqual({ type: "accepted" });
        expect(await chain.broadcast(second.transaction)).toEqual({ type: "accepted" });
        expect(await chain.unspent(first.outpoint)).toBeUndefined();
        expect(await chain.unspent(second.outpoint)).toMatchObject({ amountSat: 40_000n });
      });

      it("rejects a wrong witness", async () => {
        const { transaction } = spendAnyone(await fundedAnyone(50_000n), 49_000n);
        const wrong = transaction.slice();
        wrong[wrong.length - 5] = 0x52;
        expect(await chain.broadcast(wrong)).toEqual(rejected);
      });

      it("rejects bytes that are no transaction", async () => {
        for (const bytes of [new Uint8Array(0), Uint8Array.of(1), new Uint8Array(300).fill(0xff)]) {
          expect(await chain.broadcast(bytes)).toEqual(rejected);
        }
      });
    });

    describe("fees", () => {
      it("gives an estimate in satoshi per 1000 virtual bytes, or none", async () => {
        for (const blocks of [1, 6, 144, 100_000]) {
          const rate = await chain.feeEstimate(blocks);
          if (rate === undefined) continue;
          expect(Number.isSafeInteger(rate)).toBe(true);
          expect(rate).toBeGreaterThan(0);
        }
      });

      it("gives the lowest relayed rate in satoshi per 1000 virtual bytes", async () => {
        const rate = await chain.relayFee();
        expect(Number.isSafeInteger(rate)).toBe(true);
        expect(rate).toBeGreaterThan(0);
        expect(rate).toBeLessThan(1_000_000);
      });
    });

    describe("events", () => {
      const isTip = (event: ChainEvent): boolean => event.type === "tip";

      it("says that the tip changed, and the new tip can then be read", async () => {
        const before = await chain.tip();
        const seen = nextEvent(chain, isTip);
        await fixture.mine(1);
        await seen;
        expect((await chain.tip()).height).toBe(before.height + 1);
      });

      it("says so on a reorganisation", async () => {
        await fixture.mine(2);
        const settled = await chain.tip();
        const seen = nextEvent(chain, isTip);
        await fixture.reorganise(2);
        await seen;
        expect(equalBytes((await chain.tip()).hash, settled.hash)).toBe(false);
      });

      it("shows a transaction that enters the mempool, with its witness", async () => {
        const { transaction } = spendAnyone(await fundedAnyone(50_000n), 49_000n);
        const seen = nextEvent(
          chain,
          (event) => event.type === "mempool" && equalBytes(event.transaction, transaction),
        );
        await chain.broadcast(transaction);
        await seen;
      });

      it("goes on past a listener that throws", async () => {
        const unsubscribe = chain.subscribe(() => {
          throw new Error("a listener's own fault");
        });
        for (let i = 0; i < 2; i++) {
          const seen = nextEvent(chain, isTip);
          await fixture.mine(1);
          await seen;
        }
        unsubscribe();
      });

      it("calls nobody who has unsubscribed", async () => {
        let calls = 0;
        const unsubscribe = chain.subscribe(() => {
          calls += 1;
        });
        unsubscribe();
        unsubscribe();
        const seen = nextEvent(chain, isTip);
        await fixture.mine(1);
        await seen;
        expect(calls).toBe(0);
      });

      it("can be closed twice", async () => {
        await chain.close();
        await chain.close();
      });
    });
  });
}
