import { describe, expect, it } from "vitest";
import { asTxid, toHex } from "../../core/base/index.ts";
import {
  parseTransaction,
  payToWitnessScriptHash,
  serializeTransaction,
  type Transaction,
  transactionId,
} from "../../core/bitcoin/index.ts";
import type { ChainEvent, Outpoint } from "../../ports/bitcoin-chain.ts";
import { Chain, displayHash } from "./chain.ts";
import { FAUCET_WITNESS_SCRIPT } from "./faucet.ts";

const TRUE_SCRIPT = Uint8Array.of(0x51);
const ANYBODY = payToWitnessScriptHash(TRUE_SCRIPT);
const NOW = 1_750_000_000;

function newChain(blocks = 101): Chain {
  const chain = new Chain({ now: () => NOW * 1000 });
  chain.mine(blocks);
  return chain;
}

function fund(chain: Chain, amountSat: bigint): Outpoint {
  const funded = chain.fund(ANYBODY, amountSat);
  if (!funded.ok) throw new Error(funded.error.type);
  return funded.value;
}

type Options = { readonly sequence?: number; readonly lockTime?: number; readonly version?: number };

/** An output that anybody can spend, with TRUE unless another witness script is named. */
type Coin = Outpoint & { readonly witnessScript?: Uint8Array };

/** Spends such outputs to others. */
function spend(from: readonly Coin[], amounts: readonly bigint[], options: Options = {}): Uint8Array {
  const { sequence = 0xfffffffd, lockTime = 0, version = 2 } = options;
  const inputs = from.map(({ txid, index, witnessScript = TRUE_SCRIPT }) => ({
    txid,
    index,
    script: new Uint8Array(0),
    sequence,
    witness: [witnessScript],
  }));
  const outputs = amounts.map((amountSat) => ({ amountSat, script: ANYBODY }));
  return serializeTransaction({ version, inputs, outputs, lockTime }, { witness: true });
}

function parsed(raw: Uint8Array): Transaction {
  const result = parseTransaction(raw);
  if (!result.ok) throw new Error(result.error.reason);
  return result.value;
}

function outputOf(raw: Uint8Array, index = 0): Outpoint {
  return { txid: transactionId(parsed(raw)), index };
}

function coinbaseOf(chain: Chain, height: number): Coin {
  const transaction = chain.blockAt(height)?.transactions[0];
  if (transaction === undefined) throw new Error(`no block at ${height}`);
  return { txid: transaction.txid, index: 0, witnessScript: FAUCET_WITNESS_SCRIPT };
}

function blockAt(chain: Chain, height: number) {
  const block = chain.blockAt(height);
  if (block === undefined) throw new Error(`no block at ${height}`);
  return block;
}

const waitingIds = (chain: Chain): string[] => chain.waiting().map(({ key }) => key);

describe("blocks", () => {
  it("begin with the first block of regtest", () => {
    // Source: Bitcoin Core, chain parameters of regtest.
    const chain = new Chain({ now: () => 0 });
    expect(displayHash(chain.tip.hash)).toBe("0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206");
  });

  it("are the same for the same calls", () => {
    const run = (): string => {
      const chain = newChain();
      fund(chain, 50_000n);
      chain.mine(2);
      return toHex(chain.tip.hash);
    };
    expect(run()).toBe(run());
  });

  it("differ after a reorganisation to what is otherwise the same", () => {
    const chain = newChain();
    const dropped = chain.tip;
    chain.invalidate(dropped);
    chain.mine(1);
    expect(chain.tip.height).toBe(dropped.height);
    expect(toHex(chain.tip.hash)).not.toBe(toHex(dropped.hash));
  });

  it("have times above the median of eleven, and not before the clock's", () => {
    const chain = newChain(50);
    for (let height = 1; height <= 50; height++) {
      const { time } = blockAt(chain, height).header;
      expect(time).toBeGreaterThan(chain.medianTime(height - 1));
      expect(time).toBeGreaterThanOrEqual(NOW);
    }
  });

  it("pay 50 bitcoin and the fees, half as much after 150 blocks", () => {
    const chain = newChain(150);
    expect(chain.unspent(coinbaseOf(chain, 149))?.amountSat).toBe(5_000_000_000n);
    expect(chain.unspent(coinbaseOf(chain, 150))?.amountSat).toBe(2_500_000_000n);
    chain.submit(spend([coinbaseOf(chain, 1)], [4_999_000_000n]));
    chain.mine(1);
    expect(chain.unspent(coinbaseOf(chain, 151))?.amountSat).toBe(2_501_000_000n);
  });

  it("with a chosen transaction that is invalid are not made, and nothing moves", () => {
    const chain = newChain();
    const [coin, other] = [fund(chain, 50_000n), fund(chain, 60_000n)];
    chain.mine(1);
    const { tip } = chain;
    const good = spend([coin], [40_000n]);
    const child = spend([outputOf(good)], [30_000n]);
    for (const bad of [spend([coin], [1_000n]), spend([other], [60_001n]), spend([outputOf(child, 1)], [1n])]) {
      const mined = chain.mine(1, { transactions: [good, child, bad] });
      expect(mined).toMatchObject({ ok: false, error: { type: "bad_block", index: 2 } });
      expect(chain.tip).toBe(tip);
      expect(chain.unspent(coin)).toMatchObject({ amountSat: 50_000n });
      expect(chain.unspent(outputOf(good))).toBeUndefined();
    }
    expect(chain.mine(1, { transactions: [good, child] }).ok).toBe(true);
    expect(chain.unspent(outputOf(child))).toMatchObject({ amountSat: 30_000n });
  });

  it("take what relay refuses, where it is chosen", () => {
    const chain = newChain();
    const coin = fund(chain, 50_000n);
    chain.mine(1);
    const free = spend([coin], [50_000n]);
    expect(chain.submit(free)).toEqual({ type: "rejected", reason: "min relay fee not met" });
    expect(chain.mine(1, { transactions: [free] }).ok).toBe(true);
  });

  it("evict what conflicts with them, and its children", () => {
    const chain = newChain();
    const coin = fund(chain, 50_000n);
    chain.mine(1);
    const waiting = spend([coin], [40_000n]);
    const child = spend([outputOf(waiting)], [30_000n]);
    chain.submit(waiting);
    chain.submit(child);
    chain.mine(1, { transactions: [spend([coin], [20_000n])] });
    expect(chain.waiting()).toEqual([]);
  });

  it("take a parent of a low rate for its child's sake, and leave out what has no room", () => {
    const chain = newChain();
    const coins = Array.from({ length: 14 }, () => fund(chain, 100_000_000n));
    chain.mine(1);
    // Twelve of about 390,000 weight units each, of which a block holds ten.
    const large = coins.slice(2).map((coin, i) => spend([coin], [...Array(2250).fill(20_000n), BigInt(1_000_000 + i)]));
    for (const raw of large) expect(chain.submit(raw).type).toBe("admitted");
    const [first, second] = coins;
    if (first === undefined || second === undefined) throw new Error("no coins");
    const parent = spend([first], [99_999_800n]);
    const child = spend([outputOf(parent)], [10_000n]);
    for (const raw of [parent, child]) expect(chain.submit(raw).type).toBe("admitted");
    chain.mine(1);
    const mined = chain.tip.transactions.map(({ key }) => key);
    expect(mined).toContain(toHex(transactionId(parsed(parent))));
    expect(mined).toContain(toHex(transactionId(parsed(child))));
    expect(chain.tip.transactions).toHaveLength(1 + 2 + 10);
    expect(chain.waiting()).toHaveLength(2);
  });
});

describe("locks", () => {
  it("keep a coinbase for 100 blocks", () => {
    const chain = newChain(99);
    const raw = spend([coinbaseOf(chain, 1)], [4_999_000_000n]);
    expect(chain.submit(raw)).toEqual({ type: "rejected", reason: "bad-txns-premature-spend-of-coinbase" });
    chain.mine(1);
    expect(chain.submit(raw).type).toBe("admitted");
  });

  it("of a transaction pass at their height, and by the median time past", () => {
    const chain = newChain();
    const coin = fund(chain, 50_000n);
    chain.mine(1);
    const { height } = chain.tip;
    const at = (lockTime: number) => chain.test(spend([coin], [40_000n], { lockTime }));
    expect(at(height + 1)).toMatchObject({ reason: "non-final" });
    expect(at(height).type).toBe("admitted");
    const median = chain.medianTime(height);
    expect(at(median)).toMatchObject({ reason: "non-final" });
    expect(at(median - 1).type).toBe("admitted");
  });

  it("of an input pass with the blocks or the time since its coin", () => {
    const chain = newChain();
    const coin = fund(chain, 50_000n);
    chain.mine(3);
    const following = (sequence: number, version = 2) => chain.test(spend([coin], [40_000n], { sequence, version }));
    expect(following(3).type).toBe("admitted");
    expect(following(4)).toMatchObject({ reason: "non-BIP68-final" });
    expect(following(4, 1).type).toBe("admitted");
    expect(following(0x400001)).toMatchObject({ reason: "non-BIP68-final" });
    expect(following(0x400000).type).toBe("admitted");
  });
});

describe("the mempool", () => {
  it("knows what it has, and what is in a block, even when that is spent", () => {
    const chain = newChain();
    const raw = spend([coinbaseOf(chain, 1)], [4_999_000_000n]);
    chain.submit(raw);
    expect(chain.submit(raw)).toEqual({ type: "already_known", where: "mempool" });
    chain.mine(1);
    chain.submit(spend([outputOf(raw)], [4_998_000_000n]));
    chain.mine(1);
    expect(chain.submit(raw)).toEqual({ type: "already_known", where: "block" });
  });

  it("refuses to replace more than a hundred", () => {
    const chain = newChain(105);
    const families = [1, 2, 3, 4, 5].map((height) => {
      const parent = spend([coinbaseOf(chain, height)], [...Array(24).fill(100_000_000n)]);
      chain.submit(parent);
      for (let i = 0; i < 24; i++) chain.submit(spend([outputOf(parent, i)], [99_999_000n]));
      return coinbaseOf(chain, height);
    });
    expect(chain.waiting()).toHaveLength(5 * 25);
    expect(chain.submit(spend(families, [1_000n]))).toMatchObject({ reason: "too many potential replacements" });
    expect(chain.submit(spend(families.slice(1), [1_000n])).type).toBe("admitted");
    expect(chain.waiting()).toHaveLength(26);
  });

  it("refuses a 26th of a chain, and a 26th child but for one small extra", () => {
    const chain = newChain(102);
    let last = spend([coinbaseOf(chain, 1)], [4_900_000_000n]);
    expect(chain.submit(last).type).toBe("admitted");
    for (let i = 2; i <= 26; i++) {
      last = spend([outputOf(last)], [BigInt(4_900_000_000 - i * 1000)]);
      if (i < 26) expect(chain.submit(last).type).toBe("admitted");
      else expect(chain.submit(last)).toMatchObject({ reason: "too-long-mempool-chain" });
    }
    const parent = spend([coinbaseOf(chain, 2)], Array(30).fill(100_000_000n));
    chain.submit(parent);
    const children = Array.from({ length: 26 }, (_, i) => chain.submit(spend([outputOf(parent, i)], [99_999_000n])));
    expect(children.filter(({ type }) => type === "admitted")).toHaveLength(25);
  });

  it("forgets nothing that a refused transaction wanted to replace", () => {
    const chain = newChain();
    const first = spend([coinbaseOf(chain, 1)], [4_999_000_000n]);
    chain.submit(first);
    const before = waitingIds(chain);
    expect(chain.submit(spend([coinbaseOf(chain, 1)], [4_998_999_999n])).type).toBe("rejected");
    expect(chain.test(spend([coinbaseOf(chain, 1)], [4_000_000_000n])).type).toBe("admitted");
    expect(waitingIds(chain)).toEqual(before);
  });
});

describe("a reorganisation", () => {
  it("gives transactions back, those that depend on each other too, and drops what the new branch rules out", () => {
    const chain = newChain(103);
    const [kept, lost] = [
      spend([coinbaseOf(chain, 1)], [4_999_000_000n]),
      spend([coinbaseOf(chain, 2)], [4_999_000_000n]),
    ];
    const child = spend([outputOf(kept)], [4_998_000_000n]);
    const before = chain.tip;
    chain.submit(kept);
    chain.mine(1);
    chain.submit(child);
    chain.submit(lost);
    chain.mine(2);
    chain.invalidate(blockAt(chain, before.height + 1));
    expect(chain.tip).toBe(before);
    expect(chain.waiting()).toHaveLength(3);
    const rival = spend([coinbaseOf(chain, 2)], [4_000_000_000n]);
    chain.mine(4, { transactions: [rival] });
    expect(waitingIds(chain)).toEqual([kept, child].map((raw) => toHex(outputOf(raw).txid)));
    expect(chain.unspent(outputOf(rival))).toMatchObject({ confirmations: 4 });
    chain.mine(1);
    expect(chain.unspent(outputOf(child))).toMatchObject({ amountSat: 4_998_000_000n, confirmations: 1 });
  });

  it("drops what spends a coinbase that is gone or young again", () => {
    const chain = newChain(100);
    const gone = spend([coinbaseOf(chain, 1)], [4_999_000_000n]);
    chain.submit(gone);
    chain.submit(spend([outputOf(gone)], [4_998_000_000n]));
    chain.invalidate(blockAt(chain, 100));
    expect(chain.waiting()).toEqual([]);
    expect(chain.test(spend([coinbaseOf(chain, 1)], [4_999_000_000n]))).toMatchObject({
      reason: "bad-txns-premature-spend-of-coinbase",
    });
  });

  it("to the first block and back restores every coin", () => {
    const chain = newChain(104);
    for (let i = 0; i < 4; i++) fund(chain, 1_000_000n);
    chain.mine(3);
    const { tip } = chain;
    const mature = coinbaseOf(chain, 50);
    const second = blockAt(chain, 1);
    chain.invalidate(second);
    expect(chain.tip.height).toBe(0);
    expect(chain.unspent(mature)).toBeUndefined();
    chain.mine(3);
    chain.reconsider(second);
    expect(chain.tip).toBe(tip);
    expect(chain.unspent(mature)).toMatchObject({ amountSat: 5_000_000_000n });
    expect(chain.fund(ANYBODY, 1_000_000n).ok).toBe(true);
  });

  it("stays on the first of two chains of the same length", () => {
    const chain = newChain(3);
    const first = chain.tip;
    chain.invalidate(first);
    chain.mine(1);
    const rival = chain.tip;
    chain.reconsider(first);
    expect(chain.tip).toBe(first);
    expect(chain.block(rival.hash)).toBe(rival);
    expect(chain.isActive(rival)).toBe(false);
  });
});

describe("the faucet", () => {
  it("says what it lacks", () => {
    expect(newChain(99).fund(ANYBODY, 1_000n)).toMatchObject({
      ok: false,
      error: { type: "faucet_empty", availableSat: 0n },
    });
    expect(newChain(100).fund(ANYBODY, 5_000_000_000n)).toMatchObject({
      ok: false,
      error: { type: "faucet_empty", availableSat: 5_000_000_000n },
    });
  });

  it("joins several coins, and refuses dust as relay does", () => {
    const chain = newChain(105);
    const outpoint = fund(chain, 12_000_000_000n);
    expect(chain.unspent(outpoint)).toMatchObject({ amountSat: 12_000_000_000n });
    expect(chain.fund(ANYBODY, 329n)).toEqual({ ok: false, error: { type: "rejected", reason: "dust" } });
  });
});

describe("events", () => {
  it("follow each change, once it is complete", () => {
    const chain = newChain();
    const seen: string[] = [];
    const listener = (event: ChainEvent): void => {
      seen.push(event.type === "tip" ? `tip ${chain.tip.height}` : `mempool ${chain.waiting().length}`);
    };
    const unsubscribe = chain.subscribe(listener);
    fund(chain, 50_000n);
    chain.mine(2);
    chain.invalidate(blockAt(chain, 102));
    unsubscribe();
    chain.mine(1);
    expect(seen).toEqual(["mempool 1", "tip 103", "tip 101", "mempool 1"]);
  });
});

describe("a mempool that is full", () => {
  it("forgets what waits, blocks' transactions that came back too, and takes them again", () => {
    const chain = newChain();
    const coin = fund(chain, 20_000n);
    chain.mine(1);
    const raw = spend([coin], [19_000n]);
    chain.submit(raw);
    chain.mine(1);
    chain.invalidate(chain.tip);
    expect(chain.waiting()).toHaveLength(1);
    chain.forgetWaiting();
    expect(chain.waiting()).toHaveLength(0);
    expect(chain.submit(raw).type).toBe("admitted");
  });

  it("drops what pays less than its minimum, with what spends it, and takes nothing below", () => {
    const chain = newChain();
    const [coin, other] = [fund(chain, 50_000n), fund(chain, 50_000n)];
    chain.mine(1);
    const cheap = spend([coin], [49_800n]);
    const child = spend([outputOf(cheap)], [20_000n]);
    const dear = spend([other], [30_000n]);
    for (const raw of [cheap, child, dear]) expect(chain.submit(raw).type).toBe("admitted");
    chain.mempoolMinimum = 5_000;
    expect(chain.waiting().map(({ raw }) => raw)).toEqual([dear]);
    expect(chain.submit(cheap)).toEqual({ type: "rejected", reason: "mempool min fee not met" });
    chain.mempoolMinimum = 0;
    expect(chain.mempoolMinimum).toBe(1_000);
    expect(chain.submit(cheap).type).toBe("admitted");
  });
});

describe("garbage", () => {
  it("is refused as such", () => {
    const chain = newChain(1);
    for (const raw of [new Uint8Array(0), new Uint8Array(100), new Uint8Array(100).fill(255)]) {
      expect(chain.submit(raw)).toMatchObject({ type: "rejected", reason: expect.stringMatching(/^TX decode failed/) });
      expect(chain.mine(1, { transactions: [raw] })).toMatchObject({ ok: false, error: { index: 0 } });
    }
    expect(chain.unspent({ txid: asTxid(new Uint8Array(32)), index: 0 })).toBeUndefined();
  });
});
