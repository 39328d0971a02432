import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { NodeNetwork, type TestNode } from "../../test/support/node-network.ts";
import { equalBytes, type Msat, type Satoshi, toHex } from "../core/base/index.ts";
import {
  fundingSighash,
  parseTransaction,
  payToWitnessPublicKeyHash,
  planCancellation,
  signedFunding,
  type Transaction,
} from "../core/bitcoin/index.ts";
import { keyPaths, seedSigner } from "../core/crypto/index.ts";

const COIN = 1_000_000n;

let world: NodeNetwork;
let alice: TestNode;
let bob: TestNode;

beforeEach(async () => {
  world = new NodeNetwork(["alice", "bob"]);
  const [a, b] = world.nodes;
  if (a === undefined || b === undefined) throw new Error("two nodes");
  [alice, bob] = [a, b];
  for (const node of world.nodes) {
    await node.start();
    await world.fund(node, COIN, 2);
  }
  await world.outcome(alice.node.connect(bob.nodeId, bob.address));
});
afterEach(() => world.stop());

const stage = (node: TestNode) => node.up?.channel(0)?.stage;
const conflicts = () =>
  alice.events.flatMap((event) => (event.type === "funding_conflict" ? [[event.input, event.height]] : []));

async function mine(blocks: number, transactions?: readonly Uint8Array[]): Promise<void> {
  for (let n = 0; n < blocks; n++) {
    world.chain.mine(1, n === 0 && transactions !== undefined ? { transactions } : {});
    await world.quiet();
  }
}

/** Blocks that hold nothing of what waits. */
async function mineWithout(blocks: number): Promise<void> {
  for (let n = 0; n < blocks; n++) await mine(1, []);
}

async function restart(): Promise<void> {
  alice.crash();
  await alice.start();
  await world.advance(2_000);
}

/** Alice asks for a channel whose anchor needs both of her coins, or what is left of them. Returns the raw anchor. */
async function open(amountSat = 1_500_000n, pushMsat = 10_000_000n): Promise<Uint8Array> {
  const before = new Set(world.chain.waiting().map(({ txid }) => toHex(txid)));
  const request = { amountSat: amountSat as Satoshi, pushMsat: pushMsat as Msat };
  const opened = await world.outcome(alice.node.openChannel(bob.nodeId, request));
  expect(opened.ok).toBe(true);
  await world.quiet();
  const anchor = world.chain.waiting().find(({ txid }) => !before.has(toHex(txid)));
  if (anchor === undefined) throw new Error("no anchor waits");
  return anchor.raw;
}

function parsed(raw: Uint8Array): Transaction {
  const transaction = parseTransaction(raw);
  if (!transaction.ok) throw new Error(transaction.error.reason);
  return transaction.value;
}

/** What another wallet of her seed makes: it spends the transaction's first input, a coin of hers. */
function doubleSpend(raw: Uint8Array, replacedFeeSat = 0n): Uint8Array {
  const [spent] = parsed(raw).inputs;
  const publicKey = spent?.witness[1];
  if (spent === undefined || publicKey === undefined) throw new Error("no input of a wallet");
  const [signer, paths] = [seedSigner(alice.seed, 1), keyPaths(1)];
  const all = ([0, 1] as const).flatMap((kind) => Array.from({ length: 20 }, (_, at) => paths.walletKey(kind, at)));
  const key = all.find((one) => equalBytes(signer.publicKey(one), publicKey));
  if (key === undefined) throw new Error("not a key of hers");
  const input = { txid: spent.txid, index: spent.index, amountSat: COIN, publicKey };
  const script = payToWitnessPublicKeyHash(signer.publicKey(paths.walletKey(0, 0)));
  const plan = planCancellation({ inputs: [input], script, replacedFeeSat, feeRate: 2_000 });
  if (!plan.ok) throw new Error(plan.error.type);
  const hash = fundingSighash(plan.value, input);
  if (hash === undefined) throw new Error("the input is not there");
  return signedFunding(plan.value, [{ input, signature: signer.sign(key, hash) }]);
}

/** The newest `depth` blocks make place for one with these transactions, and `more`. */
async function replaced(depth: number, transactions: readonly Uint8Array[], more = depth): Promise<void> {
  const first = world.chain.blockAt(world.chain.tip.height - depth + 1);
  if (first === undefined) throw new Error("no block");
  world.chain.invalidate(first);
  world.chain.mine(1, { transactions });
  if (more > 0) world.chain.mine(more);
  await world.quiet();
}

async function endsInOneBlock(): Promise<void> {
  expect(stage(alice)).not.toBe("abandoned");
  await mine(1);
  expect(stage(alice)).toBe("abandoned");
  expect(alice.node.balance().reservedSat).toBe(0n);
}

describe("an input of our own anchor that is spent in another way", () => {
  it("[LS-5] [B2-47] is told, and ends the channel once it is buried, over a restart too", async () => {
    const anchor = await open();
    await mine(1, [doubleSpend(anchor)]);
    const { height } = world.chain.tip;
    expect(conflicts()).toContainEqual(["local", height]);
    expect(alice.node.explain(0)?.stuck).toContainEqual({
      ...{ type: "funding_conflict", height },
      ...{ have: 1, need: 6 },
    });
    expect(alice.node.explain(0)?.next).toMatchObject([{ who: "chain", act: { type: "bury", have: 1, need: 6 } }]);
    await restart();
    await mine(4);
    await endsInOneBlock();
    expect(alice.node.balance().confirmedSat).toBeGreaterThan(2n * COIN - 1_000n);
    // All of it can be spent again.
    await open(1_900_000n);
  });

  it("[LS-5] ends a channel that has failed, too", async () => {
    const anchor = await open();
    expect(await world.outcome(alice.node.failChannel(0))).toMatchObject({ ok: true });
    await mine(1, [doubleSpend(anchor)]);
    await mine(4);
    expect(stage(alice)).toBe("failed");
    await endsInOneBlock();
  });

  it("[LS-5] is undone by a reorganisation, after which the channel opens", async () => {
    const anchor = await open();
    await mine(1, [doubleSpend(anchor)]);
    await mine(2);
    await restart();
    await replaced(3, [], 0);
    // Neither is in a block.
    await mineWithout(8);
    expect(stage(alice)).toBe("awaiting_depth");
    await mine(1, [anchor]);
    await mine(6);
    expect([stage(alice), stage(bob)]).toEqual(["open", "open"]);
    await mine(6);
    expect([stage(alice), stage(bob)]).toEqual(["open", "open"]);
  });

  it.each([false, true])("[LS-5] [LW-3] after a reorganisation fails what was offered (restart: %s)", async (again) => {
    const anchor = await open();
    await mine(6);
    expect([stage(alice), stage(bob)]).toEqual(["open", "open"]);
    const invoice = await world.outcome(bob.node.createInvoice({ amountMsat: 1_000_000n as Msat }));
    if (!invoice.ok) throw new Error(invoice.error.type);
    const { paymentHash } = invoice.value;
    void alice.node.pay(0, { id: "p", paymentHash, amountMsat: 1_000_000n as Msat });
    await world.clock.run();
    bob.crash();
    await world.quiet();
    await replaced(6, [doubleSpend(anchor)], 3);
    if (again) await restart();
    expect((await world.outcome(alice.node.payment("p")))?.state).toBe("pending");
    await mine(2);
    expect((await world.outcome(alice.node.payment("p")))?.state).toBe("failed");
    expect(stage(alice)).toBe("abandoned");
    expect(alice.node.balance().reservedSat).toBe(0n);
    // He is told when he is back: he could not know, and takes no payment on it any more.
    await bob.start();
    await world.advance(60_000);
    expect(stage(bob)).toBe("failed");
  });
});

describe("an input of our own anchor whose origin is gone", () => {
  /** A withdrawal whose change the next channel needs. */
  async function withdrawn(): Promise<Uint8Array> {
    const script = payToWitnessPublicKeyHash(Uint8Array.from([2, ...new Uint8Array(31), 7]));
    expect(await world.outcome(alice.node.withdraw(script, 300_000n as Satoshi))).toMatchObject({ ok: true });
    const [withdrawal] = world.chain.waiting();
    if (withdrawal === undefined) throw new Error("nothing waits");
    return withdrawal.raw;
  }

  it("[LS-5] ends the channel: a coin of ours that an unconfirmed transaction makes", async () => {
    const withdrawal = await withdrawn();
    await open();
    await mine(1, [doubleSpend(withdrawal)]);
    expect(conflicts()).toContainEqual(["local", world.chain.tip.height]);
    await restart();
    await mine(4);
    await endsInOneBlock();
  });

  it("[LS-5] ends the channel: a coin of a block that a reorganisation takes away", async () => {
    const withdrawal = await withdrawn();
    await mine(1);
    await open();
    await replaced(1, [doubleSpend(withdrawal)]);
    await mine(3);
    await endsInOneBlock();
  });

  it("[LS-5] counts for nothing while only the mempool has what replaced it: the anchor could confirm", async () => {
    const withdrawal = await withdrawn();
    const anchor = await open();
    expect(world.chain.submit(doubleSpend(withdrawal, 100_000n))).toMatchObject({ type: "admitted" });
    await world.quiet();
    expect(world.chain.waiting()).toHaveLength(1);
    await mineWithout(8);
    expect(stage(alice)).toBe("awaiting_depth");
    await mine(1, [withdrawal, anchor]);
    await mine(6);
    expect([stage(alice), stage(bob)]).toEqual(["open", "open"]);
  });

  it("[LS-5] counts from the block where the mempool had first what replaced it", async () => {
    const withdrawal = await withdrawn();
    await open();
    const other = doubleSpend(withdrawal, 100_000n);
    expect(world.chain.submit(other)).toMatchObject({ type: "admitted" });
    await world.quiet();
    await mineWithout(3);
    await mine(1, [other]);
    await mine(4);
    await endsInOneBlock();
  });

  it("[LS-5] counts for nothing where a reorganisation brings it back", async () => {
    const withdrawal = await withdrawn();
    const anchor = await open();
    await mine(1, [doubleSpend(withdrawal)]);
    await mine(2);
    await replaced(3, [withdrawal, anchor]);
    await mine(8);
    expect([stage(alice), stage(bob)]).toEqual(["open", "open"]);
  });
});

describe("an anchor that a reorganisation took away, and every mempool has forgotten", () => {
  it("[B2-36] [B2-43] is given to the network again by the side that did not make it, which then gets what is its own", async () => {
    await open(500_000n, 200_000_000n);
    await mine(6);
    expect(stage(bob)).toBe("open");
    alice.crash();
    const first = world.chain.blockAt(world.chain.tip.height - 5);
    if (first === undefined) throw new Error("no block");
    world.chain.invalidate(first);
    world.chain.forgetWaiting();
    world.chain.mine(7, { transactions: [] });
    await world.quiet();
    bob.crash();
    await bob.start();
    await mine(2);
    await world.outcome(bob.node.failChannel(0));
    const before = bob.node.balance().confirmedSat;
    await mine(150);
    expect(stage(bob)).toBe("closed");
    // Less what its part of the commitment's fee and its claim cost.
    expect(bob.node.balance().confirmedSat - before).toBeGreaterThan(190_000n);
  });
});
