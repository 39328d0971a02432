import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { NodeNetwork, type TestNode } from "../../test/support/node-network.ts";
import type { Msat, Satoshi } from "../core/base/index.ts";

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
    await world.fund(node, 1_000_000n);
  }
  await world.outcome(alice.node.connect(bob.nodeId, bob.address));
  await world.outcome(
    alice.node.openChannel(bob.nodeId, { amountSat: 500_000n as Satoshi, pushMsat: 200_000_000n as Msat }),
  );
  await mine(6);
});
afterEach(() => world.stop());

async function mine(blocks: number): Promise<void> {
  for (let n = 0; n < blocks; n++) {
    world.chain.mine(1);
    await world.quiet();
  }
}

/** The block with the anchor goes, no mempool has it any more, and the new blocks come without it. */
async function loseAnchor(): Promise<void> {
  const first = world.chain.blockAt(world.chain.tip.height - 5);
  if (first === undefined) throw new Error("no block");
  world.chain.invalidate(first);
  world.chain.forgetWaiting();
  world.chain.mine(7, { transactions: [] });
  await world.quiet();
}

describe("an anchor that a reorganisation took away, and every mempool has forgotten", () => {
  it("[B2-36] [B2-43] is given to the network again by the side that did not make it, which then gets what is its own", async () => {
    expect(bob.up?.channel(0)?.stage).toBe("open");
    alice.crash();
    await loseAnchor();
    bob.crash();
    await bob.start();
    await mine(2);
    await world.outcome(bob.node.failChannel(0));
    const before = bob.node.balance().confirmedSat;
    await mine(150);
    expect(bob.node.channel(0)?.stage).toBe("closed");
    // Less what its part of the commitment's fee and its claim cost.
    expect(bob.node.balance().confirmedSat - before).toBeGreaterThan(190_000n);
  });
});
