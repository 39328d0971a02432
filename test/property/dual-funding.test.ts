import { afterEach, describe, expect, it } from "vitest";
import type { Msat, Satoshi } from "../../src/core/base/index.ts";
import { NodeNetwork, type TestNode } from "../support/node-network.ts";

const COIN = 1_000_000n;

let world: NodeNetwork;
let alice: TestNode;
let bob: TestNode;

async function begin(): Promise<void> {
  world = new NodeNetwork(["alice", "bob"]);
  const [a, b] = world.nodes;
  if (a === undefined || b === undefined) throw new Error("two nodes");
  [alice, bob] = [a, b];
  bob.policy = { maxContributionSat: COIN as Satoshi };
  for (const node of world.nodes) {
    await node.start();
    await world.fund(node, COIN, 2);
  }
  await world.outcome(alice.node.connect(bob.nodeId, bob.address));
}

afterEach(() => world.stop());

const stage = (node: TestNode) => node.up?.channel(0)?.stage;

function ask(): void {
  const dual = { wishedContributionSat: 400_000n as Satoshi };
  const asked = alice.node.openChannel(bob.nodeId, {
    amountSat: 600_000n as Satoshi,
    pushMsat: 50_000_000n as Msat,
    dual,
  });
  asked.catch(() => undefined);
}

/** Runs what a node does by itself, then has one message arrive. */
async function act(): Promise<void> {
  await world.clock.run();
  world.network.deliverOne();
}

async function restart(node: TestNode): Promise<void> {
  if (node.up !== undefined) return;
  node.crash();
  await node.start();
}

async function recover(): Promise<void> {
  for (let rounds = 0; rounds < 6; rounds++) {
    for (const node of world.nodes) await restart(node);
    await world.advance(2_000);
  }
}

const BREAKS: Record<string, (node: TestNode) => void> = {
  "a crash": (node) => node.crash(),
  "a lost connection": () => void world.network.drop(alice.nodeId, bob.nodeId),
  "a commit that is refused": (node) => node.store.failNextCommit({ outcome: "refused" }),
  "a commit of which nobody knows": (node) => node.store.failNextCommit({ outcome: "unknown", written: false }),
  "a commit that was written all the same": (node) => node.store.failNextCommit({ outcome: "unknown", written: true }),
};

describe("a channel that both fund, whatever breaks at whatever moment", () => {
  it.each(Object.keys(BREAKS))(
    "[LS-3] [LW-5] %s costs nobody anything, and the channel opens",
    async (kind) => {
      await begin();
      ask();
      let count = 0;
      while (stage(alice) !== "awaiting_depth" || stage(bob) !== "awaiting_depth") {
        await act();
        count++;
      }
      expect(count).toBeGreaterThan(4);
      for (let at = 0; at <= count; at++) {
        for (const who of ["alice", "bob"] as const) {
          const where = `${kind} of ${who} after ${at} of ${count}`;
          await world.stop();
          await begin();
          ask();
          for (let n = 0; n < at; n++) await act();
          BREAKS[kind]?.(who === "alice" ? alice : bob);
          await world.quiet();
          await recover();
          world.chain.mine(7);
          await recover();
          const [ours, theirs] = world.nodes.map(({ node }) => node.channels().at(0));
          const reserved = world.nodes.reduce((sum, { node }) => sum + node.balance().reservedSat, 0n);
          expect(reserved, where).toBe(0n);
          const violations = world.nodes.flatMap(({ events }) => events.filter(({ type }) => type === "violation"));
          expect(violations, where).toEqual([]);
          // What was broken before the request was durable was never asked for.
          if (ours === undefined && theirs === undefined && at === 0) continue;
          expect([ours?.stage, theirs?.stage], where).toEqual(["open", "open"]);
          expect([ours?.localMsat, theirs?.localMsat], where).toEqual([550_000_000n, 450_000_000n]);
        }
      }
    },
    240_000,
  );
});
