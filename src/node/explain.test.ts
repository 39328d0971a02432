import { afterEach, describe, expect, it } from "vitest";
import { NodeNetwork, type TestNode } from "../../test/support/node-network.ts";
import type { Msat, Satoshi } from "../core/base/index.ts";
import { explanationLines } from "../core/payment-channel/index.ts";

const MINUTE = 60_000;

let world: NodeNetwork;

afterEach(() => world.stop());

/** Alice and Bob, and a channel between them whose anchor is in no block yet. */
async function opened(): Promise<{ alice: TestNode; bob: TestNode }> {
  world = new NodeNetwork(["alice", "bob"]);
  const [alice, bob] = world.nodes;
  if (alice === undefined || bob === undefined) throw new Error("there are two nodes");
  await alice.start();
  await bob.start();
  await world.fund(alice, 2_000_000n, 2);
  await world.outcome(alice.node.connect(bob.nodeId, bob.address));
  const request = { amountSat: 1_000_000n as Satoshi, pushMsat: 400_000_000n as Msat };
  expect(await world.outcome(alice.node.openChannel(bob.nodeId, request))).toEqual({ ok: true, value: 0 });
  return { alice, bob };
}

async function mine(blocks: number): Promise<void> {
  world.chain.mine(blocks);
  await world.quiet();
}

describe("a node", () => {
  it("explains a channel while it opens, is open, is left by its peer, fails and is claimed", async () => {
    const { alice, bob } = await opened();
    expect(alice.node.explain(7)).toBeUndefined();
    expect(bob.node.explain(0)).toMatchObject({
      stage: "awaiting_depth",
      next: [{ who: "chain", act: { type: "confirm_anchor", asker: "local", have: 0, need: 3 } }],
    });
    await mine(6);
    expect(alice.node.explain(0)).toMatchObject({ stage: "open", next: [], stuck: [], height: alice.node.height });

    const at = world.clock.now();
    bob.crash();
    await world.quiet();
    await world.advance(5 * MINUTE);
    const left = alice.node.explain(0);
    expect(left).toMatchObject({
      now: at + 5 * MINUTE,
      next: [{ who: "peer", act: { type: "come_back" } }],
      stuck: [{ type: "peer_away", since: at }],
    });
    expect(left && explanationLines(left)).toContain("  the peer is away, for 5 min: nothing moves until it is back");

    const close = left?.forceClose;
    await world.outcome(alice.node.failChannel(0));
    await mine(1);
    const failed = alice.node.explain(0);
    expect(failed?.stuck).toMatchObject([{ type: "error_due" }]);
    expect(failed?.end).toMatchObject({ kind: "commitment", holder: "local", height: alice.node.height });
    expect(failed?.next).toMatchObject([{ who: "us", act: { type: "claim" }, fromHeight: close?.toSelfFrom }]);
    await mine(143);
    await mine(1);
    expect(alice.node.explain(0)?.end?.outputs).toMatchObject([
      { kind: "to_self", plan: { type: "spent", ours: true } },
    ]);
  });

  it("explains the same after a restart", async () => {
    const { alice } = await opened();
    await mine(6);
    const before = alice.node.explain(0);
    alice.crash();
    await alice.start();
    await world.quiet();
    const { stuck: _, next: __, ...after } = alice.node.explain(0) ?? {};
    const { stuck: ___, next: ____, ...first } = before ?? {};
    expect(after).toEqual(first);
  });
});
