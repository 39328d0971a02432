import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { NodeNetwork, type TestNode } from "../../test/support/node-network.ts";
import { type Msat, type Satoshi, toHex } from "../core/base/index.ts";
import { parseTransaction, transactionId } from "../core/bitcoin/index.ts";
import type { OpenChannelRequest } from "./channels.ts";

const COIN = 1_000_000n;
const COINS = 3;
const REQUEST: OpenChannelRequest = {
  amountSat: 600_000n as Satoshi,
  pushMsat: 50_000_000n as Msat,
  dual: { wishedContributionSat: 400_000n as Satoshi },
};

let world: NodeNetwork;
let alice: TestNode;
let bob: TestNode;

async function begin(maxContributionSat = 2_000_000n): Promise<void> {
  world = new NodeNetwork(["alice", "bob"]);
  const [a, b] = world.nodes;
  if (a === undefined || b === undefined) throw new Error("two nodes");
  [alice, bob] = [a, b];
  bob.policy = { maxContributionSat: maxContributionSat as Satoshi };
  for (const node of world.nodes) {
    await node.start();
    await world.fund(node, COIN, COINS);
  }
  await world.outcome(alice.node.connect(bob.nodeId, bob.address));
}

beforeEach(() => begin());
afterEach(() => world.stop());

const stage = (node: TestNode) => node.up?.channel(0)?.stage;
const reserved = (node: TestNode) => node.node.balance().reservedSat;

async function open(request: OpenChannelRequest = REQUEST): Promise<void> {
  const opened = await world.outcome(alice.node.openChannel(bob.nodeId, request));
  if (!opened.ok) throw new Error(opened.error.type);
}

/** One thing after the other until `done`, so that a test can look in between. */
async function until(done: () => boolean): Promise<void> {
  for (let n = 0; n < 200 && !done(); n++) {
    await world.clock.run();
    if (!done()) world.network.deliverOne();
  }
  expect(done()).toBe(true);
}

/** Asks for the channel, and lets nothing arrive yet. */
async function ask(request: OpenChannelRequest = REQUEST): Promise<void> {
  void alice.node.openChannel(bob.nodeId, request);
  await world.clock.run();
}

async function mine(blocks: number): Promise<void> {
  for (let n = 0; n < blocks; n++) {
    world.chain.mine(1);
    await world.quiet();
  }
}

async function restart(node: TestNode): Promise<void> {
  if (node.up !== undefined) node.crash();
  await node.start();
  await world.advance(2_000);
}

async function pay(from: TestNode, to: TestNode, amountMsat: bigint): Promise<void> {
  const invoice = await world.outcome(to.node.createInvoice({ amountMsat: amountMsat as Msat }));
  if (!invoice.ok) throw new Error(invoice.error.type);
  const { paymentHash } = invoice.value;
  const id = toHex(paymentHash);
  const paid = await world.outcome(from.node.pay(0, { id, paymentHash, amountMsat: amountMsat as Msat }));
  expect(paid.ok).toBe(true);
  expect((await world.outcome(from.node.untilPaid(id)))?.state).toBe("succeeded");
}

function confirmed(): bigint {
  return world.nodes.reduce((sum, { node }) => sum + node.balance().confirmedSat, 0n);
}

describe("two nodes that fund a channel together", () => {
  it("[LS-1] [LS-5] [LS-6] open it, pay both ways, and close it", async () => {
    await open();
    expect([stage(alice), stage(bob)]).toEqual(["awaiting_depth", "awaiting_depth"]);
    expect(world.chain.waiting()).toHaveLength(1);
    await mine(2);
    expect([stage(alice), stage(bob)]).toEqual(["awaiting_depth", "awaiting_depth"]);
    await mine(1);
    expect([stage(alice), stage(bob)]).toEqual(["open", "open"]);
    expect(alice.node.channel(0)).toMatchObject({ amountSat: 1_000_000n, localMsat: 550_000_000n, initiator: "local" });
    expect(bob.node.channel(0)).toMatchObject({ localMsat: 450_000_000n, initiator: "remote" });
    await pay(alice, bob, 100_000_000n);
    await pay(bob, alice, 300_000_000n);
    expect(alice.node.channel(0)?.localMsat).toBe(750_000_000n);
    await world.outcome(alice.node.closeChannel(0));
    await mine(6);
    expect([stage(alice), stage(bob)]).toEqual(["closed", "closed"]);
    const fees = 2n * BigInt(COINS) * COIN - confirmed();
    expect(fees).toBeGreaterThan(0n);
    expect(fees).toBeLessThan(5_000n);
    // Each has paid for its own inputs: 200,000 sat more or less went from Bob to Alice, and 50,000 the other way.
    const bobs = bob.node.balance().confirmedSat - (BigInt(COINS) * COIN - 150_000n);
    expect(-bobs).toBeGreaterThan(0n);
    expect(-bobs).toBeLessThan(2_000n);
    expect(reserved(alice) + reserved(bob)).toBe(0n);
  });

  it("[LS-2] open it with the requester's money alone where the responder has none, or would give none", async () => {
    await open({ ...REQUEST, amountSat: 900_000n as Satoshi, dual: { wishedContributionSat: 2_900_000n as Satoshi } });
    // Bob's limit of 2,000,000 leaves him enough; 2,900,000 he has not, nor may he give it.
    await mine(6);
    expect(bob.node.channel(0)).toMatchObject({ stage: "open", amountSat: 2_900_000n });
    await open({ ...REQUEST, dual: { wishedContributionSat: 1_500_000n as Satoshi } });
    await mine(6);
    expect(bob.node.channel(1)).toMatchObject({ stage: "open", amountSat: 600_000n, localMsat: 50_000_000n });
  });

  it("[LS-2] stop where the responder brings less than the requester needs, and both have their coins", async () => {
    await open({
      ...REQUEST,
      dual: { wishedContributionSat: 2_500_000n as Satoshi, leastContributionSat: 2_000_001n as Satoshi },
    });
    expect([stage(alice), stage(bob)]).toEqual(["abandoned", "abandoned"]);
    expect(alice.node.channel(0)?.failure).toBe("contribution too small [LS-2], limit 2000001, actual 2000000");
    expect(reserved(alice) + reserved(bob)).toBe(0n);
    expect(world.chain.waiting()).toHaveLength(0);
  });

  it("refuse a request that the requester's wallet can't pay, and reserve nothing for it", async () => {
    const refused = await world.outcome(
      alice.node.openChannel(bob.nodeId, { ...REQUEST, amountSat: 3_000_000n as Satoshi }),
    );
    expect(refused).toMatchObject({ ok: false, error: { type: "insufficient_funds" } });
    const tooMuch = { ...REQUEST, dual: { wishedContributionSat: 4_000_000n as Satoshi } };
    expect(await world.outcome(alice.node.openChannel(bob.nodeId, tooMuch))).toMatchObject({
      ok: false,
      error: { type: "amount_out_of_range" },
    });
    expect(reserved(alice)).toBe(0n);
    expect(alice.node.channels()).toEqual([]);
  });

  it("[LS-2] hold no more of the responder's coins for one peer's unfinished requests than for one", async () => {
    await ask();
    await until(() => stage(bob) === "awaiting_sign_accept");
    void alice.node.openChannel(bob.nodeId, REQUEST);
    await world.quiet();
    expect(bob.node.channel(1)?.amountSat).toBe(600_000n);
    expect(bob.node.channel(0)?.amountSat).toBe(1_000_000n);
  });
});

describe("a requester that hears nothing more", () => {
  it("[LS-5] sees the funding transaction in a block and goes on", async () => {
    await ask();
    await until(() => stage(bob) === "awaiting_depth" && world.chain.waiting().length === 1);
    bob.crash();
    expect(stage(alice)).toBe("awaiting_sign_complete");
    await mine(3);
    expect(stage(alice)).toBe("awaiting_depth");
    await restart(alice);
    await restart(bob);
    await world.advance(2_000);
    expect([stage(alice), stage(bob)]).toEqual(["open", "open"]);
    await pay(bob, alice, 100_000_000n);
  });

  it("[LS-5] knows it in the mempool after a reorganisation, from the block that had it", async () => {
    await ask();
    await until(() => stage(bob) === "awaiting_depth" && world.chain.waiting().length === 1);
    bob.crash();
    await mine(2);
    const block = world.chain.blockAt(world.chain.tip.height - 1);
    if (block === undefined) throw new Error("no block");
    world.chain.invalidate(block);
    await world.quiet();
    await mine(4);
    expect(stage(alice)).toBe("awaiting_depth");
    expect(alice.node.channel(0)?.funding?.confirmedHeight).toBeDefined();
    await restart(bob);
    await world.advance(2_000);
    expect([stage(alice), stage(bob)]).toEqual(["open", "open"]);
  });

  it("[LS-5] cancels: her coins come back once that is buried, and the responder gives up too", async () => {
    await ask();
    await until(() => stage(alice) === "awaiting_sign_complete");
    bob.crash();
    expect(reserved(alice)).toBe(COIN);
    expect(await world.outcome(alice.node.cancelFunding(0))).toEqual({ ok: true, value: undefined });
    expect(world.chain.waiting()).toHaveLength(1);
    // It is broadcast again after a restart, which it survives.
    await restart(alice);
    await mine(5);
    expect(stage(alice)).toBe("awaiting_sign_complete");
    await mine(1);
    expect(stage(alice)).toBe("abandoned");
    const lost = BigInt(COINS) * COIN - alice.node.balance().confirmedSat;
    expect(lost).toBeGreaterThan(0n);
    expect(lost).toBeLessThan(3_000n);
    expect(reserved(alice)).toBe(0n);
    // What she sent is still on its way to Bob, who has seen the chain before.
    await restart(bob);
    await world.advance(2_000);
    expect(stage(bob)).toBe("abandoned");
    expect(bob.node.balance()).toMatchObject({ confirmedSat: BigInt(COINS) * COIN, reservedSat: 0n });
    expect(bob.events.filter(({ type }) => type === "halted" || type === "violation")).toEqual([]);
  });
});

describe("an opening that fails when only the responder can broadcast it", () => {
  async function signed(): Promise<void> {
    await ask();
    await until(() => stage(alice) === "awaiting_sign_complete");
    expect(stage(bob)).toBe("awaiting_sign_accept");
  }

  async function comesBack(): Promise<void> {
    expect(stage(alice)).toBe("failed");
    expect(world.chain.waiting()).toHaveLength(1);
    await mine(5);
    expect(stage(alice)).toBe("failed");
    await mine(1);
    expect(stage(alice)).toBe("abandoned");
    expect(reserved(alice)).toBe(0n);
    const lost = BigInt(COINS) * COIN - alice.node.balance().confirmedSat;
    expect(lost).toBeGreaterThan(0n);
    expect(lost).toBeLessThan(3_000n);
    expect(alice.events.filter(({ type }) => type === "halted" || type === "violation")).toEqual([]);
  }

  it("[LS-5] gives her coins back by itself where the responder has given it up, and will never broadcast", async () => {
    await signed();
    expect(await world.outcome(bob.node.cancelFunding(0))).toMatchObject({ ok: true });
    await world.advance(2_000);
    expect(stage(bob)).toBe("abandoned");
    await comesBack();
    expect(bob.events.filter(({ type }) => type === "halted" || type === "violation")).toEqual([]);
  });

  it("[LS-5] gives her coins back where she fails it because the responder is gone, over a restart too", async () => {
    await signed();
    bob.crash();
    expect(await world.outcome(alice.node.failChannel(0))).toMatchObject({ ok: true });
    await restart(alice);
    await comesBack();
  });

  it("[LS-5] ends on chain where the responder broadcasts all the same, and that confirms first", async () => {
    await ask();
    await until(() => stage(bob) === "awaiting_depth" && world.chain.waiting().length === 1);
    const [funding] = world.chain.waiting();
    if (funding === undefined) throw new Error("nothing waits");
    bob.crash();
    expect(await world.outcome(alice.node.failChannel(0))).toMatchObject({ ok: true });
    await world.quiet();
    world.chain.mine(1, { transactions: [funding.raw] });
    await world.quiet();
    await mine(1);
    expect(alice.events.filter(({ type }) => type === "anchor_spent")).toMatchObject([{ kind: "commitment" }]);
    await mine(144 + 6);
    expect(stage(alice)).toBe("closed");
    expect(reserved(alice)).toBe(0n);
  });
});

describe("a double-spend", () => {
  async function cancelled(): Promise<void> {
    await open();
    expect(await world.outcome(alice.node.cancelFunding(0))).toMatchObject({ ok: true });
  }
  const conflicts = (node: TestNode) =>
    node.events.flatMap((event) => (event.type === "funding_conflict" ? [[event.input, event.height]] : []));

  it("[LS-5] of the peer's is told when the mempool has it and when a block has, and frees our coins when buried", async () => {
    await cancelled();
    expect(conflicts(bob)).toEqual([["remote", undefined]]);
    expect(conflicts(alice)).toEqual([["local", undefined]]);
    expect(reserved(bob)).toBe(COIN);
    const height = world.chain.tip.height + 1;
    await mine(1);
    expect(conflicts(bob)).toEqual([
      ["remote", undefined],
      ["remote", height],
    ]);
    await restart(bob);
    await mine(4);
    expect(stage(bob)).toBe("awaiting_depth");
    expect(reserved(bob)).toBe(COIN);
    await mine(1);
    expect([stage(alice), stage(bob)]).toEqual(["abandoned", "abandoned"]);
    expect(bob.node.balance()).toEqual({ confirmedSat: BigInt(COINS) * COIN, unconfirmedSat: 0n, reservedSat: 0n });
    expect(reserved(alice)).toBe(0n);
  });

  it("[LS-5] that a reorganisation replaces by the funding transaction leaves the channel to open", async () => {
    await open();
    const [waiting] = world.chain.waiting();
    if (waiting === undefined) throw new Error("nothing waits");
    expect(await world.outcome(alice.node.cancelFunding(0))).toMatchObject({ ok: true });
    await mine(3);
    const block = world.chain.blockAt(world.chain.tip.height - 2);
    if (block === undefined) throw new Error("no block");
    world.chain.invalidate(block);
    world.chain.mine(1, { transactions: [waiting.raw] });
    world.chain.mine(4);
    await world.quiet();
    expect([stage(alice), stage(bob)]).toEqual(["open", "open"]);
    await mine(6);
    expect([stage(alice), stage(bob)]).toEqual(["open", "open"]);
    await pay(alice, bob, 100_000_000n);
  });

  it("[LS-5] of a confirmed funding transaction can't be: cancelling is refused", async () => {
    await open();
    await mine(1);
    expect(await world.outcome(alice.node.cancelFunding(0))).toMatchObject({
      ok: false,
      error: { type: "not_cancellable" },
    });
  });
});

describe("coins that are reserved", () => {
  it("[LS-2] are free again where the peer is gone for too long", async () => {
    await ask();
    await until(() => stage(bob) === "awaiting_sign_accept");
    alice.crash();
    expect(reserved(bob)).toBe(COIN);
    await world.advance(29 * 60_000);
    await mine(1);
    expect(reserved(bob)).toBe(COIN);
    await world.advance(60_000);
    await mine(1);
    expect(bob.node.channel(0)).toMatchObject({ stage: "abandoned" });
    expect(reserved(bob)).toBe(0n);
    // The requester comes back, hears of it, and has her coins too.
    await restart(alice);
    await mine(1);
    expect(stage(alice) === undefined || stage(alice) === "abandoned").toBe(true);
    expect(reserved(alice)).toBe(0n);
  });

  it("[LS-2] are free at once where the user gives up", async () => {
    await ask();
    expect(reserved(alice)).toBe(COIN);
    expect(await world.outcome(alice.node.cancelFunding(0))).toMatchObject({ ok: true });
    expect([stage(alice), stage(bob)]).toEqual(["abandoned", "abandoned"]);
    expect(reserved(alice) + reserved(bob)).toBe(0n);
  });
});

it("[LS-5] the funding transaction that both know is the one that the network takes", async () => {
  await open();
  const [waiting] = world.chain.waiting();
  const parsed = parseTransaction(waiting?.raw ?? new Uint8Array());
  if (!parsed.ok) throw new Error(parsed.error.reason);
  expect(transactionId(parsed.value)).toEqual(alice.node.channel(0)?.funding?.txid);
  expect(parsed.value.inputs).toHaveLength(2);
  expect(parsed.value.outputs).toHaveLength(3);
});
