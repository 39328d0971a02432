import { afterEach, describe, expect, it } from "vitest";
import { ChannelPair } from "../../test/support/channel-pair.ts";
import { NodeNetwork, type TestNode } from "../../test/support/node-network.ts";
import { memoryStore } from "../adapters/store-memory/index.ts";
import type { Msat, Satoshi } from "../core/base/index.ts";
import type { Batch as StoreBatch } from "../ports/store.ts";
import { virtualClock } from "../testing/index.ts";
import { Journal } from "./journal.ts";
import { FLUSH_MS, Records } from "./records.ts";

const AMOUNT_SAT = 1_000_000n as Satoshi;
const PUSH_MSAT = 400_000_000n as Msat;

let world: NodeNetwork;
let alice: TestNode;
let bob: TestNode;
/** What alice's store was given, one entry a batch. */
let batches: StoreBatch["changes"][number]["type"][][] = [];

/** Has alice's store tell what it is given. */
function listen(): void {
  const { store } = alice;
  alice.store = {
    ...store,
    commit: (batch) => {
      batches.push(batch.changes.map(({ type }) => type));
      return store.commit(batch);
    },
  };
}

async function setUp(): Promise<void> {
  world = new NodeNetwork(["alice", "bob"]);
  [alice, bob] = world.nodes as [TestNode, TestNode];
  listen();
  await alice.start();
  await bob.start();
  await world.fund(alice, 1_100_000n, 2);
  await world.outcome(alice.node.connect(bob.nodeId, bob.address));
  await world.outcome(alice.node.openChannel(bob.nodeId, { amountSat: AMOUNT_SAT, pushMsat: PUSH_MSAT }));
}

async function openUp(): Promise<void> {
  world.chain.mine(6);
  await world.quiet();
  await world.advance(5_000);
  batches = [];
}

async function pay(payer: TestNode, payee: TestNode, id: string, amountMsat: bigint): Promise<void> {
  const invoice = await world.outcome(payee.node.createInvoice({ amountMsat: amountMsat as Msat }));
  if (!invoice.ok) throw new Error(invoice.error.type);
  const { paymentHash } = invoice.value;
  await world.outcome(payer.node.pay(0, { id, paymentHash, amountMsat: amountMsat as Msat }));
}

async function recordOf(node: TestNode) {
  const record = await world.outcome(node.node.records.channel(0));
  if (record === undefined) throw new Error("no record");
  return record;
}

const RECORD_TYPES = ["record", "tally", "life", "moment"];
const recordBatches = () => batches.filter((types) => types.some((type) => RECORD_TYPES.includes(type)));

afterEach(() => world.stop());

describe("the books of a channel", () => {
  it("[LW-8] tell what was paid, when, at which cost, and how it ended", async () => {
    await setUp();
    const opening = await recordOf(alice);
    expect(opening).toMatchObject({ stage: "awaiting_depth", firstActivityAt: undefined, end: undefined });
    await openUp();
    const openAt = world.clock.now();
    await pay(alice, bob, "a", 100_000_000n);
    await world.advance(10_000);
    const failed = { id: "none", paymentHash: new Uint8Array(32) as never, amountMsat: 7_000n as Msat };
    await world.outcome(alice.node.pay(0, failed));
    await world.advance(10_000);
    await pay(bob, alice, "b", 30_000_000n);
    const record = await recordOf(alice);
    const none = { count: 0, amountMsat: 0n };
    const failure = { count: 1, amountMsat: 7_000n };
    const causes = { unknown_payment: failure, expiry_too_close: none, channel_closing: none, failed_otherwise: none };
    expect(record).toMatchObject({
      channel: 0,
      initiator: "local",
      stage: "open",
      firstActivityAt: openAt,
      lastActivityAt: world.clock.now(),
      sent: { fulfilled: { count: 1, amountMsat: 100_000_000n }, failed: failure, causes },
      received: { fulfilled: { count: 1, amountMsat: 30_000_000n }, failed: none },
      localMsat: 530_000_000n,
      remoteMsat: 470_000_000n,
      lowestRemoteMsat: 400_000_000n,
      lowestLocalMsat: 499_993_000n,
      connections: 1,
    });
    expect(record.openedAt).toBeLessThan(openAt);
    expect(record.fundingFeeSat).toBeGreaterThan(100n);
    expect((await recordOf(bob)).received).toEqual(record.sent);
    expect((await recordOf(bob)).localCommitments).toBe(record.remoteCommitments);

    const sent = await world.outcome(alice.node.records.htlcs(0, { direction: "sent" }));
    const at = (ms: number) => ({ addedAt: ms, clearedAt: ms, removedAt: ms, settledAt: ms });
    expect(sent).toMatchObject([
      { id: 2n, direction: "sent", outcome: "unknown_payment", amountMsat: 7_000n, ...at(openAt + 10_000) },
      { id: 0n, direction: "sent", outcome: "fulfilled", amountMsat: 100_000_000n, ...at(openAt) },
    ]);
    expect(sent[0]?.failReason).toMatch(/unknown payment hash/);
    expect(await world.outcome(alice.node.records.htlcs(0, { direction: "sent", before: 2n, limit: 5 }))).toHaveLength(
      1,
    );
    expect(await world.outcome(alice.node.records.htlcs(0, { direction: "received", limit: 0 }))).toEqual([]);

    const held = await world.outcome(alice.node.records.commitments(0, { holder: "remote" }));
    expect(held[0]).toMatchObject({ holder: "remote", localMsat: 530_000_000n, remoteMsat: 470_000_000n, htlcs: 0 });
    expect(held.map(({ number }) => number)).toEqual(held.map((_, place) => held.length - 1 - place));
    const withHtlc = held.findLast(({ htlcs }) => htlcs === 1);
    expect(withHtlc).toMatchObject({ localMsat: 500_000_000n, remoteMsat: 400_000_000n, signedAt: openAt });
    expect(
      await world.outcome(alice.node.records.commitments(0, { holder: "remote", before: 2, limit: 1 })),
    ).toMatchObject([{ number: 1 }]);

    await world.outcome(alice.node.closeChannel(0));
    world.chain.mine(1);
    await world.quiet();
    expect((await recordOf(alice)).end?.type).toBe("cooperative");
    world.chain.mine(6);
    await world.quiet();
    const closed = await recordOf(alice);
    expect(closed).toMatchObject({ stage: "closed", endedAt: world.clock.now(), sent: record.sent });
    expect(closed.end?.txid).toHaveLength(32);
    expect(closed.end?.feeSat).toBeGreaterThan(100n);
    const [theirs, coins] = [(await recordOf(bob)).localMsat / 1000n, 530_000n - (closed.end?.feeSat ?? 0n) / 2n];
    expect([theirs, closed.localMsat / 1000n >= coins]).toEqual([470_000n, true]);
    // Ended, and found again after a start.
    alice.crash();
    await alice.start();
    expect(await recordOf(alice)).toEqual(closed);
    expect(await world.outcome(alice.node.records.channel(9))).toBeUndefined();
  }, 60_000);

  it("[LW-8] tell of a channel that came to nothing, and forget a spend that a reorganisation took back", async () => {
    await setUp();
    await openUp();
    await world.outcome(alice.node.closeChannel(0));
    world.chain.mine(1);
    await world.quiet();
    expect((await recordOf(alice)).end?.txid).toBeDefined();
    const block = world.chain.blockAt(world.chain.tip.height);
    if (block !== undefined) world.chain.invalidate(block);
    await world.quiet();
    expect((await recordOf(alice)).end).toEqual({ type: "cooperative", txid: undefined, feeSat: undefined });
  });
});

it("[LW-8] [B2-43] tell a forced close from a cooperative one, with its transaction and fee", async () => {
  await setUp();
  await openUp();
  await world.outcome(alice.node.failChannel(0));
  expect((await recordOf(alice)).end).toEqual({ type: "failed", txid: undefined, feeSat: undefined });
  world.chain.mine(7);
  await world.quiet();
  for (const node of [alice, bob]) {
    const { end, stage } = await recordOf(node);
    expect(end).toMatchObject({ type: "forced", feeSat: expect.any(BigInt) });
    expect(end?.txid).toHaveLength(32);
    expect(stage).toBe(node === alice ? "failed" : "closed");
  }
});

describe("writing the books", () => {
  it("[LW-9] costs a few rows a second, however much is paid, and none later than a second", async () => {
    await setUp();
    await openUp();
    await pay(alice, bob, "0", 1_000_000n);
    // The first after a quiet second goes with its own batch.
    expect(recordBatches()).toHaveLength(1);
    expect(recordBatches()[0]).toContain("channel");
    for (let n = 1; n < 30; n++) await pay(alice, bob, `${n}`, 1_000_000n);
    expect(batches.length).toBeGreaterThan(100);
    expect(recordBatches()).toHaveLength(1);
    await world.advance(FLUSH_MS);
    expect(recordBatches()).toHaveLength(2);
    expect(recordBatches()[1]?.filter((type) => type === "tally")).toHaveLength(1);
    // Nothing to write, nothing written.
    const before = batches.length;
    await world.advance(10 * FLUSH_MS);
    expect(batches.length).toBe(before);
  }, 60_000);

  it("[LW-9] is done when the node stops", async () => {
    await setUp();
    await openUp();
    for (let n = 0; n < 3; n++) await pay(alice, bob, `${n}`, 1_000_000n);
    await world.outcome(alice.node.stop());
    const { records } = await alice.store.reopen().load();
    expect(records[0]?.uncounted).toEqual([]);
    expect(records[0]?.tallies).toMatchObject([{ count: 3, amountMsat: 3_000_000n }]);
  });

  it("[LW-9] counts after a crash what was not written, and dates it a second early at most", async () => {
    await setUp();
    await openUp();
    await pay(alice, bob, "written", 1_000_000n);
    await world.advance(FLUSH_MS - 1);
    const lostAt = world.clock.now();
    for (let n = 0; n < 5; n++) await pay(alice, bob, `${n}`, 2_000_000n);
    alice.crash();
    await world.clock.advance(3_600_000);
    await alice.start();
    await world.advance(5_000);
    expect((await recordOf(alice)).sent.fulfilled).toEqual({ count: 6, amountMsat: 11_000_000n });
    const [newest] = await world.outcome(alice.node.records.htlcs(0, { direction: "sent", limit: 1 }));
    for (const time of [newest?.addedAt, newest?.clearedAt, newest?.removedAt, newest?.settledAt]) {
      expect(time).toBe(lostAt - FLUSH_MS + 1);
    }
    expect((await recordOf(alice)).connections).toBe(2);
  });

  it("[LW-9] is not put off once 4,096 moments have gathered", async () => {
    const clock = virtualClock();
    const written: number[] = [];
    const store = {
      ...memoryStore(),
      commit: async ({ changes }: StoreBatch) =>
        void written.push(changes.filter(({ type }) => type === "moment").length),
    };
    const journal = new Journal({ store, clock, sequence: 0, onHalt: (cause) => expect(cause).toBeUndefined() });
    const records = new Records({ clock, journal });
    const { channel: state } = new ChannelPair().open().alice;
    records.open(state);
    for (let n = 1; n <= 4_200; n++) {
      journal.post("other", (batch) => {
        state.lastChange.local++;
        records.note(batch, state, false);
      });
      if (n % 50 === 0) await clock.run();
    }
    await clock.run();
    // Those of the first batch go with it; then they gather up to the batch that is one too many; the rest has its second.
    expect(written).toEqual([50, 4_100]);
    await clock.advance(FLUSH_MS);
    expect(written).toEqual([50, 4_100, 50]);
  });
});
