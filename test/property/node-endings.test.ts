import { describe, expect, it, vi } from "vitest";
import { cheated, EndingScene, EXPIRY, type Plan } from "../support/ending-scene.ts";
import type { TestNode } from "../support/node-network.ts";

vi.mock("../../src/core/crypto/signer.ts", async (original) =>
  (await import("../support/signers-once.ts")).signersOnce(original),
);

/** A way in which a channel ends. `begin` is called where the crashes are counted from. */
type Way = (begin: (scene: EndingScene) => void) => Promise<EndingScene>;

/** From the user's decision to the end. */
function forceClose(failing: "alice" | "bob", packets: number, prestage: boolean): Way {
  return async (begin) => {
    const scene = await new EndingScene().open(prestage);
    await scene.offer(packets);
    begin(scene);
    const node = failing === "alice" ? scene.alice : scene.bob;
    const channel = node.node.channels()[0]?.channel ?? 0;
    await failIt(scene, node, channel);
    await scene.mine(EXPIRY + 30);
    return scene;
  };
}

/** The peer publishes what it revoked, and Bob sees it in the mempool, in a block, or among the blocks that he missed. */
function punish(seen: "mempool" | "block" | "late"): Way {
  return async (begin) => {
    const { scene, revoked } = await cheated();
    if (seen === "late") scene.bob.crash();
    // What is left of a process that is gone writes nothing that counts.
    await scene.world.quiet();
    begin(scene);
    if (seen === "mempool") {
      scene.world.chain.submit(revoked);
      await scene.settle();
    } else await scene.mine(1, [revoked]);
    await scene.settle();
    await scene.mine(20);
    return scene;
  };
}

/** Claims that no miner takes, until they are dearer. */
const dearer: Way = async (begin) => {
  const scene = await new EndingScene().open();
  await scene.offer(16);
  begin(scene);
  await failIt(scene, scene.alice, scene.channel);
  await scene.mine(2);
  await scene.mine(8, []);
  await scene.mine(20);
  await scene.mine(8, []);
  await scene.mine(EXPIRY);
  return scene;
};

/** Both agree on a close, as far as one of them knows, and the other has gone to the chain. */
function crossing(packets: number): Way {
  return async (begin) => {
    const scene = await new EndingScene().open();
    const { world, alice, bob } = scene;
    begin(scene);
    const closing = alice.node.closeChannel(scene.channel).catch(() => undefined);
    await world.clock.run();
    for (let n = 0; n < packets; n++) {
      world.network.deliverOne();
      await world.clock.run();
    }
    world.network.drop(alice.nodeId, bob.nodeId);
    await scene.settle();
    await closing;
    const channel = bob.node.channels()[0]?.channel ?? 0;
    await failIt(scene, bob, channel);
    await scene.mine(40);
    return scene;
  };
}

/** The user's decision, and once more where it was not written. */
async function failIt(scene: EndingScene, node: TestNode, channel: number): Promise<void> {
  const asked = node.node.failChannel(channel).catch(() => undefined);
  await scene.settle();
  await asked;
  if (node.node.channel(channel)?.stage === "open") await scene.world.outcome(node.node.failChannel(channel));
  await scene.settle();
}

/** Where a crash decides which of two transactions there is, each has what is his at the fees of either. */
const COST = 3_000n;

function expectAsGood(actual: Seen, expected: Seen): void {
  expect(actual.stages).toEqual(expected.stages);
  for (const [n, [name, before]] of expected.balances.entries()) {
    const [, now] = actual.balances[n] ?? [name, 0n];
    expect(now, name).toBeGreaterThan(before - COST);
    expect(now, name).toBeLessThan(before + COST);
  }
}

type Seen = Awaited<ReturnType<EndingScene["outcome"]>>;

async function play(way: Way, plan: Plan | undefined) {
  const scene = await way((begun) => begun.plan(plan));
  const outcome = await scene.outcome();
  const { telling, commits, broadcasts, crashes } = scene;
  await scene.world.stop();
  return { outcome, telling, commits, broadcasts, crashes, here: [...scene.isUp] };
}

/** Every place at which one of them can die; those of commits that say no more than that there was a block only where `all` are wanted. */
function plans({ telling, commits, broadcasts, here }: Awaited<ReturnType<typeof play>>, all: boolean): Plan[] {
  const upTo = (count: number) => Array.from({ length: count }, (_, n) => n + 1);
  return here.flatMap((name) => {
    const places = all ? upTo(commits[name] ?? 0) : (telling[name] ?? []);
    const both = places.flatMap((commit) => [true, false].map((written) => ({ name, commit, written })));
    const given = upTo(broadcasts[name] ?? 0).flatMap((broadcast) =>
      [true, false].map((gives) => ({ name, broadcast, given: gives })),
    );
    // Without all, each place once: which way it goes is taken in turns.
    return [...both, ...given].filter((_, n) => all || n % 2 === (n % 4 < 2 ? 0 : 1));
  });
}

/** Who fails the channel, after how many packets, with pre-staging or without. ALL_ENDINGS asks for every case. */
const { ALL_ENDINGS } = process.env;
const ALL = ALL_ENDINGS !== undefined;
const WAYS: readonly (readonly [name: string, way: Way, always: boolean])[] = [
  ...(["alice", "bob"] as const).flatMap((failing) =>
    [0, 4, 8, 12, 16].flatMap((packets) =>
      [false, true].map((prestage) => {
        const name = `${failing} fails it after ${packets} packets${prestage ? ", pre-staging" : ""}`;
        const isSome = failing === "alice" ? packets === 12 && !prestage : packets === 16 && prestage;
        return [name, forceClose(failing, packets, prestage), isSome] as const;
      }),
    ),
  ),
  ["a revoked commitment in the mempool", punish("mempool"), true],
  ["a revoked commitment in a block", punish("block"), false],
  ["a revoked commitment among the blocks that were missed", punish("late"), true],
  ["claims that are made dearer", dearer, true],
  ...[0, 1, 2, 3, 4, 5].map(
    (packets) => [`a close that crosses it after ${packets} packets`, crossing(packets), packets === 2] as const,
  ),
];

function expectEnded({ payments, stages }: Seen): void {
  expect(stages).toEqual(stages.map(() => "closed"));
  expect(Object.values(payments)).not.toContain("pending");
}

describe("whole nodes that end a channel alone", () => {
  it.each(WAYS.filter(([, , always]) => ALL || always))(
    "[B2-37] [B2-43] [LW-4] [LW-5] come to the same end wherever one of them dies: %s",
    async (name, way) => {
      const undisturbed = await play(way, undefined);
      expectEnded(undisturbed.outcome);
      const tried = plans(undisturbed, ALL);
      expect(tried.length).toBeGreaterThan(2);
      const started = performance.now();
      for (const plan of tried) {
        const { outcome, crashes } = await play(way, plan);
        expect({ plan, crashes }).toEqual({ plan, crashes: 1 });
        if (name.startsWith("a close")) expectAsGood(outcome, undisturbed.outcome);
        else expect({ plan, ...outcome }).toEqual({ plan, ...undisturbed.outcome });
      }
      if (ALL) console.log(`${name}: ${tried.length} crashes in ${Math.round((performance.now() - started) / 1000)} s`);
    },
    ALL ? 24 * 3_600_000 : 120_000,
  );
});

describe("a node whose peer is silent, or that was away", () => {
  it("[B2-16] [LS-24] goes to the chain by itself at the deadline, and its payments end as they should", async () => {
    const scene = await new EndingScene().open();
    const { world, alice, bob } = scene;
    await scene.offer(12);
    // Bob is gone for good.
    bob.crash();
    scene.isUp.delete("bob");
    for (let n = 0; n < EXPIRY + 40; n++) {
      world.chain.mine(1);
      await world.advance(30_000);
    }
    const failure = alice.events.find((event) => event.type === "channel_stage" && event.stage === "failed");
    expect(failure).toMatchObject({ failure: expect.stringContaining("B2-16") });
    const states = await Promise.all([0, 2, 3].map(async (n) => (await alice.node.payment(`alice ${n}`))?.state));
    expect(states).toEqual(["failed", "failed", "failed"]);
    expect(alice.node.channel(scene.channel)?.stage).toBe("closed");
    // All that is not Bob's: 600,000 and its change, less fees and the payment of Bob's that has cleared.
    expect(alice.node.balance().confirmedSat).toBeGreaterThan(690_000n);
    await world.stop();
  });

  it("[B2-36] [B2-39] catches up with the end of a channel and claims once it has", async () => {
    const scene = await new EndingScene().open();
    const { world, alice, bob } = scene;
    await scene.offer(16);
    bob.crash();
    scene.isUp.delete("bob");
    await world.outcome(alice.node.failChannel(scene.channel));
    await scene.mine(12);
    const refused = bob.events.length;
    await bob.start();
    await scene.mine(EXPIRY + 30);
    const outcome = await scene.outcome();
    expect(outcome.stages).toEqual(["closed", "closed"]);
    expect(outcome.payments["alice 0"]).toBe("succeeded");
    expect(bob.events.slice(refused).filter(({ type }) => type === "broadcast_rejected")).toEqual([]);
    await world.stop();
  });
});

describe("a payment that the chain failed", () => {
  it.each([false, true])(
    "[B2-38] [B2-39] is told of once, though a reorganisation has the channel say it again (restarted: %s)",
    async (restarted) => {
      const scene = await new EndingScene().open();
      const { world, alice, bob } = scene;
      // Bob never hears of it: it is in no commitment of his, and fails when his is six blocks deep.
      await scene.offer(0);
      await failIt(scene, bob, 0);
      await scene.mine(6);
      const ended = () => alice.events.filter((event) => event.type === "payment_ended" && event.id === "alice 0");
      expect(ended()).toMatchObject([{ state: "failed" }]);
      const row = await alice.node.payment("alice 0");
      for (const depth of [1, 3, 5]) {
        const gone = world.chain.blockAt(world.chain.tip.height - depth + 1);
        if (gone === undefined) throw new Error("no such block");
        world.chain.invalidate(gone);
        if (restarted) {
          alice.crash();
          await alice.start();
        }
        await scene.mine(depth + 2);
        expect(ended()).toHaveLength(1);
        expect(await alice.node.payment("alice 0")).toEqual(row);
      }
      expect(alice.events.filter(({ type }) => type === "halted")).toEqual([]);
      await world.stop();
    },
  );
});

describe("a revoked commitment before a whole node", () => {
  async function expectPunished({ world, bob }: EndingScene): Promise<void> {
    // All but fees.
    expect(bob.node.balance().confirmedSat).toBeGreaterThan(985_000n);
    expect(bob.events.filter(({ type }) => type === "halted")).toEqual([]);
    expect(bob.node.channels()[0]?.stage).toBe("closed");
    await world.stop();
  }

  it("[B2-37] is punished when it is seen in the mempool first", async () => {
    const { scene, revoked } = await cheated();
    expect(scene.world.chain.submit(revoked).type).toBe("admitted");
    await scene.settle();
    await scene.mine(12);
    await expectPunished(scene);
  });

  it("[B2-37] is looked up before the next block when a node catches up with it", async () => {
    const { scene, revoked } = await cheated();
    scene.bob.crash();
    scene.world.chain.mine(1, { transactions: [revoked] });
    scene.world.chain.mine(15);
    await scene.bob.start();
    await scene.mine(8);
    await expectPunished(scene);
  });

  it("[B2-37] is punished though the store could not be read when it was seen, and the process lives on", async () => {
    const { scene, revoked } = await cheated();
    scene.unreadable = 3;
    scene.world.chain.submit(revoked);
    await scene.settle();
    for (let n = 0; n < 12; n++) {
      scene.world.chain.mine(1);
      await scene.world.advance(60_000);
    }
    expect(scene.unreadable).toBe(0);
    await expectPunished(scene);
  });

  it("[B2-36] [B2-37] is punished where another commitment was in the mempool before", async () => {
    const { scene, revoked } = await cheated();
    await scene.world.outcome(scene.bob.node.failChannel(0));
    // A miner takes the cheater's all the same.
    scene.world.chain.mine(1, { transactions: [revoked] });
    await scene.settle();
    await scene.mine(12);
    await expectPunished(scene);
  });
});
