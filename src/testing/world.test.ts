import { describe, expect, it } from "vitest";
import { ALL_FAULTS, payBob, stormyWorld, worldOfTwo } from "../../test/support/stormy-world.ts";
import { toHex } from "../core/base/index.ts";
import type { SluiceNode } from "../node/index.ts";
import { type Faults, World } from "./index.ts";

function channelsOf(node: SluiceNode): unknown {
  return node.channels().map(({ stage, localMsat, remoteMsat, htlcs }) => ({ stage, localMsat, remoteMsat, htlcs }));
}

describe("a world", () => {
  it("is the same to the byte for the same seed, and another for another", async () => {
    const [one, again, other] = [
      await stormyWorld(7, ALL_FAULTS),
      await stormyWorld(7, ALL_FAULTS),
      await stormyWorld(8, ALL_FAULTS),
    ];
    expect(one.trace.length).toBeGreaterThan(150);
    expect(one.trace.lines).toEqual(again.trace.lines);
    expect(one.trace.digest()).toBe(again.trace.digest());
    expect(other.trace.digest()).not.toBe(one.trace.digest());
  });

  it.each(Object.keys(ALL_FAULTS) as (keyof Faults)[])("loses nothing to %s, which happens", async (fault) => {
    const world = await stormyWorld(3, { [fault]: 0.05 });
    const happened = world.trace.lines.filter((line) => /crashes|"halted"|"peer_disconnected"/.test(line));
    expect(happened.length).toBeGreaterThan(1);
    const [alice, bob] = [world.node("alice"), world.node("bob")];
    for (let n = 0; n < 40; n++) expect((await alice.node.payment(`payment ${n}`))?.state).not.toBe("pending");
    const [ours, theirs] = [alice.node.channel(0), bob.node.channel(0)];
    expect(channelsOf(alice.node)).toMatchObject([{ stage: "open", htlcs: 0 }]);
    expect(theirs?.remoteMsat).toBe(ours?.localMsat);
    expect(theirs?.localMsat).toBe(ours?.remoteMsat);
    expect(ours?.localMsat).toBeLessThan(600_000_000n);
  });

  it("keeps names apart that begin with the same letter", () => {
    const { nodes } = new World({ nodes: ["a1", "a2"] });
    expect(new Set(nodes.map(({ nodeId }) => toHex(nodeId))).size).toBe(2);
  });

  it.each([true, false])("has what was being written when the machine went, or not: %s", async (written) => {
    const world = await worldOfTwo({ commitMs: { least: 10, most: 10 } });
    const bob = world.node("bob");
    const asked = bob.node.createInvoice({}).catch(() => undefined);
    await world.clock.run();
    expect(bob.isWriting).toBe(true);
    const before = await bob.store.sequence();
    bob.crash(written);
    expect(await bob.store.sequence()).toBe(before + (written ? 1 : 0));
    expect((await bob.store.load()).openInvoices).toHaveLength(written ? 1 : 0);
    expect(await asked).toBeUndefined();
    await bob.start();
    expect(channelsOf(bob.node)).toMatchObject([{ stage: "open" }]);
  });

  it("crashes at the commit, and at the message, that is planned", async () => {
    const world = await worldOfTwo();
    const bob = world.node("bob");
    bob.planCommit(1, { type: "crash", written: true });
    await world.outcome(bob.node.createInvoice({}));
    expect(bob.up).toBeDefined();
    const second = bob.node.createInvoice({}).catch(() => "gone");
    expect(await world.outcome(second)).toBe("gone");
    expect(bob.up).toBeUndefined();
    expect((await bob.store.load()).openInvoices).toHaveLength(2);
    await bob.start();
    bob.planMessage(0, "crash");
    await world.advance(5_000);
    expect(bob.up).toBeUndefined();
  });

  it("has each node see fees in its own way", async () => {
    const world = await worldOfTwo();
    const [alice, bob] = [world.node("alice"), world.node("bob")];
    world.chain.feeEstimate = 20_000;
    bob.feeFactor = 0.5;
    await world.mine(1);
    const [ours = 0n, theirs = 0n] = [alice, bob].map(({ node }) => node.explain(0)?.forceClose?.claimFeesSat);
    expect(ours).toBeGreaterThan(0n);
    expect(2n * theirs - ours).toBeLessThanOrEqual(1n);
    expect(2n * theirs - ours).toBeGreaterThanOrEqual(0n);
  });

  it("hides peers from each other while they are cut off, and delivers late", async () => {
    const world = await worldOfTwo();
    const [alice, bob] = [world.node("alice"), world.node("bob")];
    world.cut(alice, bob);
    await payBob(world, "cut");
    await world.advance(1_000);
    expect((await alice.node.payment("cut"))?.state).toBe("pending");
    world.mend(alice, bob);
    world.delay(alice, bob, 300);
    await world.advance(100);
    await payBob(world, "late");
    await world.advance(250);
    expect((await alice.node.payment("late"))?.state).toBe("pending");
    await world.advance(5_000);
    expect((await alice.node.payment("cut"))?.state).toBe("succeeded");
    expect((await alice.node.payment("late"))?.state).toBe("succeeded");
  });

  it("passes what a node says through a tap", async () => {
    const world = await worldOfTwo();
    const [alice, bob] = [world.node("alice"), world.node("bob")];
    world.drop(alice, bob);
    let eaten = 0;
    alice.tap = {
      sending: (_, message) => {
        if (message.length < 200) return [message];
        eaten++;
        return [];
      },
    };
    await world.advance(5_000);
    await payBob(world, "never");
    await world.advance(5_000);
    expect(eaten).toBeGreaterThan(0);
    expect((await alice.node.payment("never"))?.state).toBe("pending");
  });

  it("takes blocks back and brings others", async () => {
    const world = await worldOfTwo();
    const { height } = world.chain.tip;
    const tip = toHex(world.chain.tip.hash);
    await world.reorganise(3);
    expect(world.chain.tip.height).toBe(height + 1);
    expect(toHex(world.chain.blockAt(height)?.hash ?? new Uint8Array())).not.toBe(tip);
    expect(world.nodes.map(({ node }) => node.height)).toEqual([height + 1, height + 1]);
  });

  it("says what a promise waits for that nothing settles", async () => {
    const world = await worldOfTwo();
    await expect(world.outcome(new Promise(() => undefined))).rejects.toThrow("waits for a block");
  });
});
