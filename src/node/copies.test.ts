import { describe, expect, it, vi } from "vitest";
import { CopyScene, near } from "../../test/support/copy-scene.ts";
import type { TestNode } from "../../test/support/node-network.ts";
import { RuleScene } from "../../test/support/rule-scene.ts";
import { memoryStore } from "../adapters/store-memory/index.ts";
import { equalBytes } from "../core/base/index.ts";
import { encodeAskCopy, encodeKeepCopy, encodeKeptCopy } from "../core/wire/index.ts";
import type { Backup } from "./backup.ts";
import { COPY_SIZES, openCopy } from "./copy.ts";
import { fetchCopy } from "./fetch-copy.ts";
import { restoreInto } from "./restore.ts";

// Whole lives of channels on chain: hundreds of blocks each.
vi.setConfig({ testTimeout: 30_000 });

const BOTH = { send: true, keep: true };
const [SMALL] = COPY_SIZES;

/** What `keeper` keeps for `owner`. */
async function keptBy(keeper: TestNode, owner: TestNode): Promise<Uint8Array | undefined> {
  const { peers } = await keeper.store.load();
  const row = peers.find(({ nodeId }) => equalBytes(nodeId, owner.nodeId));
  return row && keeper.store.peerCopy(row.index);
}

function opened(copy: Uint8Array | undefined, { seed }: TestNode): Backup {
  const found = copy && openCopy(copy, seed);
  if (found === undefined) throw new Error("there is no copy");
  return found;
}

/** Alice has two channels with Bob and one with Carol, and all keep copies for each other. */
async function scene(): Promise<CopyScene> {
  const made = await new CopyScene({ copies: () => BOTH }).open(2, 1);
  await made.pay(made.alice, made.bob);
  await made.settle();
  return made;
}

async function fetched(made: CopyScene, from: TestNode): Promise<Backup> {
  const { alice, world } = made;
  const transport = world.network.transport(alice.nodeId);
  const asking = fetchCopy({
    ...{ transport, clock: world.clock, seed: alice.seed },
    ...{ peer: from.nodeId, address: from.address },
  });
  const copy = await world.outcome(asking);
  await world.outcome(transport.close());
  if (!copy.ok) throw new Error(copy.error.type);
  return copy.value;
}

describe("copies with peers", () => {
  it("are kept by each peer with a channel, sealed, of one size, and others each time", async () => {
    const made = await scene();
    const { alice, bob, carol, world } = made;
    const first = await keptBy(bob, alice);
    expect(opened(first, alice).channels.map(({ channel }) => channel.index)).toEqual([0, 1, 2]);
    expect(opened(await keptBy(carol, alice), alice).channels).toHaveLength(3);
    for (const [keeper, owner] of [
      [alice, bob],
      [alice, carol],
      [bob, alice],
    ] as const) {
      expect((await keptBy(keeper, owner))?.length).toBe(SMALL);
    }
    expect(first && openCopy(first, bob.seed)).toBeUndefined();
    expect(await keptBy(bob, carol)).toBeUndefined();
    await world.advance(120_000);
    const second = await keptBy(bob, alice);
    expect(second).not.toEqual(first);
    expect(opened(second, alice).channels).toEqual(opened(first, alice).channels);
    await world.stop();
  });

  it("give a node that lost everything its money back, with the phrase and one peer", async () => {
    const made = await scene();
    const { alice, bob, carol } = made;
    alice.crash();
    const copy = await fetched(made, bob);
    expect(bob.node.channels().map(({ stage }) => stage)).toEqual(["open", "open"]);
    const store = memoryStore();
    await restoreInto(store, copy);
    await made.comeBack(alice, store);
    await made.settle();
    expect([...bob.node.channels(), ...carol.node.channels()].map(({ stage }) => stage)).toEqual(
      Array(3).fill("failed"),
    );
    await made.mine(170);
    expect(made.broadcasts.get("alice")).toEqual([]);
    near(made.confirmed(alice), 3n * 600_000n - 20_000n + 3n * 100_000n);
    // Nothing that it knows now may take the place of what others keep.
    expect(opened(await keptBy(carol, alice), alice).createdAt).toBeLessThanOrEqual(copy.createdAt);
  });

  it("[B2-37] punish what a peer had revoked by then", async () => {
    const made = await new CopyScene({ copies: () => BOTH }).open(1, 1);
    const { alice, bob, carol, world } = made;
    await made.pay(bob, alice);
    const cheat = bob.store.copy();
    for (let n = 0; n < 2; n++) await made.pay(alice, bob);
    await made.settle();
    alice.crash();
    const copy = await fetched(made, carol);
    await made.comeBack(bob, cheat);
    expect((await world.outcome(bob.node.failChannel(0))).ok).toBe(true);
    await made.mine(1);
    const store = memoryStore();
    await restoreInto(store, copy);
    await made.comeBack(alice, store);
    await made.settle();
    await made.mine(170);
    expect(alice.node.channel(0)).toMatchObject({ stage: "closed", stale: true });
    near(made.confirmed(alice), 1_000_000n + 600_000n + 2n * 100_000n);
    expect(made.confirmed(bob)).toBe(0n);
    await world.stop();
  });

  it("prove to a node that it runs on an old copy, where the peer in question hides it", async () => {
    const made = await new CopyScene({ copies: () => BOTH }).open(1, 1);
    const { alice, bob, world } = made;
    const old = alice.store.copy();
    await made.pay(alice, bob);
    await made.settle();
    bob.crash();
    // Whoever is away for long has more batches of blocks than its copy had of anything.
    world.chain.mine(60);
    await made.comeBack(alice, old);
    await world.advance(2_000);
    expect(alice.node.channels().map(({ stale }) => stale)).toEqual([true, true]);
    expect(made.broadcasts.get("alice")).toEqual([]);
    await world.stop();
  });

  it("are not sent on by a node that runs on an old copy: what peers have is better", async () => {
    const made = await new CopyScene({ copies: () => BOTH }).open(1, 1);
    const { alice, bob, carol, world } = made;
    const old = alice.store.copy();
    await made.pay(alice, bob);
    await made.settle();
    const kept = await keptBy(carol, alice);
    await made.comeBack(alice, old);
    await made.settle();
    await made.mine(3);
    await made.settle();
    expect(await keptBy(carol, alice)).toEqual(kept);
    await world.stop();
  });

  it("change nothing where a peer gives back an older one, garbage, or another's", async () => {
    const made = await scene();
    const { alice, bob, carol, world } = made;
    const older = await keptBy(bob, alice);
    const anothers = await keptBy(alice, bob);
    await made.pay(alice, carol, 2);
    await made.settle();
    for (const bytes of [older, anothers, older?.map((byte, at) => (at === 900 ? byte ^ 1 : byte)), Uint8Array.of(1)]) {
      const { index } = (await bob.store.load()).peers.find(({ nodeId }) => equalBytes(nodeId, alice.nodeId)) ?? {};
      if (bytes === undefined || index === undefined) throw new Error("there is a copy");
      bob.crash();
      const sequence = (await bob.store.sequence()) + 1;
      await bob.store.commit({ sequence, changes: [{ type: "peer_copy", row: { peer: index, bytes } }] });
      await bob.start();
      await made.settle();
    }
    expect(alice.node.channels().map(({ stage, stale }) => [stage, stale])).toEqual(Array(3).fill(["open", false]));
    const told = alice.events.filter((event) => event.type === "trouble" && event.problem.includes("not ours"));
    expect(told).toHaveLength(3);
    // And it has a good one again.
    expect(opened(await keptBy(bob, alice), alice).channels).toHaveLength(3);
    await world.stop();
  });

  it("are gone with the last channel, once that is buried", async () => {
    const made = await scene();
    const { alice, bob, carol, world } = made;
    expect((await world.outcome(alice.node.closeChannel(2))).ok).toBe(true);
    await made.mine(50);
    expect(await keptBy(carol, alice)).toBeDefined();
    await made.mine(60);
    expect(carol.node.channels().map(({ stage }) => stage)).toEqual(["buried"]);
    expect(await keptBy(carol, alice)).toBeUndefined();
    expect(await keptBy(bob, alice)).toBeDefined();
    await world.stop();
  });

  it.each([
    ["send", false],
    ["keep", false],
  ] as const)("are not exchanged where %s is off", async (which, value) => {
    const policy = (node: TestNode) => (node.name === "alice" ? { ...BOTH, [which]: value } : BOTH);
    const made = await new CopyScene({ copies: policy }).open(1);
    const { alice, bob, world } = made;
    await made.settle();
    expect((await keptBy(bob, alice)) !== undefined).toBe(which === "keep");
    expect((await keptBy(alice, bob)) !== undefined).toBe(which === "send");
    await world.stop();
  });
});

describe("a peer that would misuse copies", () => {
  async function withPeer(): Promise<{ made: RuleScene; kept: () => Promise<Uint8Array | undefined> }> {
    const made = new RuleScene({ copies: () => BOTH });
    made.peer.features = ["keeps_copies"];
    await made.start();
    const kept = async () => {
      const { peers } = await made.test.store.load();
      const row = peers.find(({ nodeId }) => equalBytes(nodeId, made.peer.nodeId));
      return row && made.test.store.peerCopy(row.index);
    };
    return { made, kept };
  }
  const filled = (byte: number, length = SMALL) => encodeKeepCopy(new Uint8Array(length).fill(byte));

  it("has one kept in half a minute, however many it sends, and none that is too long or empty", async () => {
    const { made, kept } = await withPeer();
    const { peer, world } = made;
    for (let second = 0; second < 65; second++) {
      peer.say(filled(second));
      await world.advance(1_000);
    }
    expect((await kept())?.[0]).toBe(60);
    await world.advance(60_000);
    peer.say(new Uint8Array(64_002).fill(102));
    peer.say(Uint8Array.of(102));
    await world.quiet();
    expect((await kept())?.[0]).toBe(60);
    expect(made.stages()).toEqual(["open", "open"]);
    await made.stop();
  });

  it("gets its own back, once in ten seconds, before authenticate too", async () => {
    const { made } = await withPeer();
    const { peer, world } = made;
    peer.say(filled(7));
    await world.advance(1_000);
    await made.hangUp();
    await made.connect({ silent: true });
    peer.copies.length = 0;
    for (let n = 0; n < 5; n++) peer.say(encodeAskCopy());
    await world.quiet();
    expect(peer.copies).toEqual([encodeKeptCopy(new Uint8Array(SMALL).fill(7))]);
    await world.advance(10_000);
    peer.say(encodeAskCopy());
    await world.quiet();
    expect(peer.copies).toHaveLength(2);
    // Whoever lost everything does not wait because it asked just before.
    await made.hangUp();
    await made.connect({ silent: true });
    peer.say(encodeAskCopy());
    await world.quiet();
    expect(peer.copies).toHaveLength(3);
    await made.stop();
  });

  it("learns nothing by giving back what it was not asked for, or twice", async () => {
    const { made } = await withPeer();
    const { peer, world } = made;
    for (let n = 0; n < 4; n++) peer.say(encodeKeptCopy(new Uint8Array(SMALL).fill(n)));
    await world.quiet();
    const told = made.test.events.filter((event) => event.type === "trouble");
    expect(told).toHaveLength(1);
    expect(made.stages()).toEqual(["open", "open"]);
    await made.stop();
  });

  it("that never answers is sent copies after a minute", async () => {
    const { made } = await withPeer();
    const { peer, world } = made;
    await world.advance(180_000);
    const sent = peer.copies.filter(([family]) => family === 102);
    expect(sent.length).toBeGreaterThanOrEqual(2);
    expect(sent.length).toBeLessThanOrEqual(3);
    expect(sent.every(({ length }) => length === SMALL + 1)).toBe(true);
    await made.stop();
  });

  it("has nothing kept without a channel that is in a block", async () => {
    const made = new RuleScene({ copies: () => BOTH });
    const { peer, test, world } = made;
    await test.start();
    await made.connect();
    const before = await test.store.sequence();
    peer.say(filled(1));
    await world.quiet();
    peer.propose(test.nodeId);
    await world.quiet();
    peer.say(filled(2));
    await world.advance(1_000);
    const { peers } = await test.store.load();
    for (const { index } of peers) expect(await test.store.peerCopy(index)).toBeUndefined();
    expect(await test.store.sequence()).toBeGreaterThan(before);
    await world.stop();
  });
});
