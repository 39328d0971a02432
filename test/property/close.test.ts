import { expect, it } from "vitest";
import type { Msat, Satoshi } from "../../src/core/base/index.ts";
import { FlowWorld } from "../support/flow.ts";

async function opened(): Promise<FlowWorld> {
  const flow = new FlowWorld();
  const { world, alice, bob } = flow;
  for (const node of world.nodes) await node.start();
  await world.fund(alice, 1_100_000n, 1);
  await world.outcome(alice.node.connect(bob.nodeId, bob.address));
  const request = { amountSat: 1_000_000n as Satoshi, pushMsat: 400_000_000n as Msat };
  const made = await world.outcome(alice.node.openChannel(bob.nodeId, request));
  if (!made.ok) throw new Error(made.error.type);
  await world.quiet();
  world.chain.mine(6);
  await world.quiet();
  return flow;
}

it.each([false, true])(
  "[LS-7] [LW-2] who was asked broadcasts and is gone for good; who asked finds the close on the chain (restarted: %s)",
  async (restarted) => {
    const { world, alice, bob } = await opened();
    const closing = alice.node.closeChannel(0);
    // Up to the moment at which Bob has agreed, and his answer is on its way.
    while (bob.node.channel(0)?.stage === "open") {
      await world.clock.run();
      if (bob.node.channel(0)?.stage === "open" && !world.network.deliverOne(0)) break;
    }
    expect((await closing).ok).toBe(true);
    // Alice has seen it in the mempool.
    expect([alice.node.channel(0)?.stage, bob.node.channel(0)?.stage]).toEqual(["close_agreed", "close_agreed"]);
    expect(world.chain.waiting()).toHaveLength(1);
    bob.crash();
    await world.quiet();
    if (restarted) {
      alice.crash();
      await alice.start();
    }
    world.chain.mine(1);
    await world.quiet();
    expect(alice.node.channel(0)).toMatchObject({ stage: "close_agreed", failure: undefined });
    world.chain.mine(5);
    await world.quiet();
    // What the channel held is free again: it is in the wallet.
    expect(alice.node.channel(0)?.stage).toBe("closed");
    expect(alice.node.balance().confirmedSat).toBeGreaterThan(1_097_000n - 400_000n);
    await world.stop();
  },
  60_000,
);
