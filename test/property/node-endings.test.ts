import { describe, expect, it } from "vitest";
import { asPaymentHash, type Msat, type Satoshi } from "../../src/core/base/index.ts";
import { keyPaths, seedSigner, sha256 } from "../../src/core/crypto/index.ts";
import { newestCommitment } from "../../src/core/payment-channel/force-close.ts";
import { load, ownRevocationHash } from "../../src/core/payment-channel/index.ts";
import { type StoreChange, StoreError } from "../../src/ports/store.ts";
import { NodeNetwork, type TestNode } from "../support/node-network.ts";

const AMOUNT_SAT = 1_000_000n as Satoshi;
const PUSH_MSAT = 400_000_000n as Msat;

/** Blocks for which payments are offered: enough for their final recipient, and no more than the test has to wait. */
const EXPIRY = 60;

/** What a crash at one commit means: the node dies when it writes its n-th batch from the moment that this is planned. */
type Plan = { readonly name: string; readonly commit: number; readonly written: boolean };

/** Two whole nodes with an open channel, and payments that are under way when the channel ends. */
class Scene {
  readonly world: NodeNetwork;
  readonly alice: TestNode;
  readonly bob: TestNode;
  /** Commits of each node since `plan`. */
  commits: Record<string, number> = {};
  channel = 0;
  crashes = 0;
  /** The commits since `plan` that say more than that there was a block. */
  readonly telling: Record<string, number[]> = {};
  /** How often Bob's store refuses to give a published commitment. */
  unreadable = 0;
  private planned: Plan | undefined;

  constructor() {
    this.world = new NodeNetwork(["alice", "bob"], {
      policy: () => ({ delay: 20 }),
      store: (store, { name }) => ({
        ...store,
        published: (channel, number) => {
          if (name !== "bob" || this.unreadable === 0) return store.published(channel, number);
          this.unreadable--;
          return Promise.reject(new StoreError("io", "a planned fault", "refused"));
        },
        commit: (batch) => {
          const count = (this.commits[name] ?? 0) + 1;
          this.commits[name] = count;
          if (batch.changes.some(isTelling)) this.telling[name] = [...(this.telling[name] ?? []), count];
          if (this.planned?.name === name && this.planned.commit === count) {
            store.failNextCommit({ outcome: "unknown", written: this.planned.written });
            this.planned = undefined;
            this.crashes++;
          }
          return store.commit(batch);
        },
      }),
    });
    const [alice, bob] = this.world.nodes;
    if (alice === undefined || bob === undefined) throw new Error("two nodes");
    this.alice = alice;
    this.bob = bob;
  }

  async open(prestage = false): Promise<this> {
    const { world, alice, bob } = this;
    await alice.start();
    await bob.start();
    await world.fund(alice, 1_100_000n, 1);
    await world.outcome(alice.node.connect(bob.nodeId, bob.address));
    const request = { amountSat: AMOUNT_SAT, pushMsat: PUSH_MSAT, prestage };
    const opened = await world.outcome(alice.node.openChannel(bob.nodeId, request));
    if (!opened.ok) throw new Error(opened.error.type);
    this.channel = opened.value;
    await this.mine(8);
    expect(alice.node.channel(this.channel)?.stage).toBe("open");
    return this;
  }

  plan(plan: Plan | undefined): void {
    this.commits = {};
    for (const name of Object.keys(this.telling)) delete this.telling[name];
    this.planned = plan;
  }

  /** Blocks one after the other; who dies of one comes back before the next. */
  async mine(blocks: number): Promise<void> {
    for (let n = 0; n < blocks; n++) {
      this.world.chain.mine(1);
      await this.settle();
    }
  }

  async settle(): Promise<void> {
    await this.world.quiet();
    for (const node of this.world.nodes) {
      while (node.up === undefined && this.isUp.has(node.name)) {
        node.crash();
        await node.start().catch(() => undefined);
        await this.world.quiet();
      }
    }
  }

  /** Nodes that are started again when they die. */
  readonly isUp = new Set(["alice", "bob"]);

  /** Bob's invoice; with `known` false a payment that nobody can take. */
  async hashFor(owner: TestNode, n: number, known = true): Promise<ReturnType<typeof asPaymentHash>> {
    if (!known) return asPaymentHash(sha256(Uint8Array.of(n)));
    const made = await this.world.outcome(owner.node.createInvoice({}));
    if (!made.ok) throw new Error(made.error.type);
    return made.value.paymentHash;
  }

  /** Both offer to each other; of what they say, so many packets arrive, and then nothing. */
  async offer(packets: number): Promise<void> {
    const { world, alice, bob } = this;
    const offers = [
      [alice, bob, 50_000_000n],
      [bob, alice, 30_000_000n],
      [alice, bob, 200_000n],
      [alice, bob, 7_000_000n],
      [bob, alice, 9_000_001n],
    ] as const;
    const hashes: Awaited<ReturnType<Scene["hashFor"]>>[] = [];
    for (const [n, [, payee]] of offers.entries()) hashes.push(await this.hashFor(payee, n, n !== 3));
    const expiry = world.chain.tip.height + EXPIRY;
    for (const [n, [payer, , amount]] of offers.entries()) {
      const paymentHash = hashes[n];
      if (paymentHash === undefined) throw new Error("a hash for each");
      const channel = payer === alice ? this.channel : (bob.node.channels()[0]?.channel ?? 0);
      const amountMsat = amount as Msat;
      const paying = payer.node.pay(channel, { id: `${payer.name} ${n}`, paymentHash, amountMsat, expiry });
      await world.clock.run();
      const paid = await paying;
      if (!paid.ok) throw new Error(paid.error.type);
    }
    for (let n = 0; n < packets; n++) {
      world.network.deliverOne(n * 7);
      await world.clock.run();
    }
    world.network.drop(alice.nodeId, bob.nodeId);
    await world.clock.run();
  }

  /** What everybody has at the end. */
  async outcome() {
    const payments: Record<string, string | undefined> = {};
    for (const [node, n] of [
      [this.alice, 0],
      [this.bob, 1],
      [this.alice, 2],
      [this.alice, 3],
      [this.bob, 4],
    ] as const) {
      const id = `${node.name} ${n}`;
      payments[id] = (await node.node.payment(id))?.state;
    }
    const stage = ({ node }: TestNode) => node.channels()[0]?.stage;
    return {
      payments,
      alice: this.alice.node.balance().confirmedSat,
      bob: this.bob.node.balance().confirmedSat,
      stages: [stage(this.alice), stage(this.bob)],
    };
  }
}

function isTelling(change: StoreChange): boolean {
  return change.type === "payment" || (change.type === "channel" && change.change.type !== "totals");
}

/** From the user's decision to the end, with a crash at one commit. */
async function forceClose(failing: "alice" | "bob", packets: number, plan: Plan | undefined, prestage: boolean) {
  const scene = await new Scene().open(prestage);
  await scene.offer(packets);
  scene.plan(plan);
  const node = failing === "alice" ? scene.alice : scene.bob;
  const channel = node.node.channels()[0]?.channel ?? 0;
  const asked = node.node.failChannel(channel).catch(() => undefined);
  await scene.settle();
  await asked;
  // The failure itself may be what was not written.
  if (node.node.channel(channel)?.stage === "open") await scene.world.outcome(node.node.failChannel(channel));
  await scene.mine(EXPIRY + 30);
  const outcome = await scene.outcome();
  await scene.world.stop();
  return { outcome, telling: scene.telling, crashes: scene.crashes };
}

/** Who fails the channel, after how many packets, with pre-staging or without. ALL_ENDINGS asks for every case. */
const { ALL_ENDINGS } = process.env;
const CASES = (["alice", "bob"] as const).flatMap((failing) =>
  [0, 4, 8, 12, 16].flatMap((packets) => [false, true].map((prestage) => [failing, packets, prestage] as const)),
);
const TRIED = CASES.filter(([failing, packets, prestage]) => {
  const some = failing === "alice" ? packets === 12 && !prestage : packets === 16 && prestage;
  return ALL_ENDINGS !== undefined || some;
});

describe("whole nodes that end a channel alone", () => {
  it.each(TRIED)(
    "[B2-43] [LW-4] [LW-5] come to the same end whatever commit one of them dies of: %s, %i packets, pre-staging %s",
    async (failing, packets, prestage) => {
      const undisturbed = await forceClose(failing, packets, undefined, prestage);
      expect(undisturbed.outcome.stages).toEqual(["closed", "closed"]);
      expect(Object.values(undisturbed.outcome.payments)).not.toContain("pending");
      for (const name of ["alice", "bob"]) {
        const commits = undisturbed.telling[name] ?? [];
        expect(commits.length).toBeGreaterThan(2);
        for (const [at, commit] of commits.entries()) {
          const plan = { name, commit, written: at % 2 === 0 };
          const { outcome, crashes } = await forceClose(failing, packets, plan, prestage);
          expect(crashes).toBe(1);
          expect({ plan, ...outcome }).toEqual({ plan, ...undisturbed.outcome });
        }
      }
    },
    120_000,
  );
});

describe("a node whose peer is silent, or that was away", () => {
  it("[B2-16] [LS-24] goes to the chain by itself at the deadline, and its payments end as they should", async () => {
    const scene = await new Scene().open();
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
    const scene = await new Scene().open();
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

describe("a revoked commitment before a whole node", () => {
  /** Alice's commitment of the start, in the mempool or in blocks, after a payment and while others stand. */
  async function cheated(): Promise<{ scene: Scene; revoked: Uint8Array }> {
    const scene = await new Scene().open();
    const { world, alice, bob } = scene;
    const old = (await alice.store.load()).channels[0];
    if (old === undefined) throw new Error("Alice has a channel");
    const signer = seedSigner(alice.seed, 1);
    const ownHash = (number: number) => ownRevocationHash({ signer }, old.channel.index, number);
    const revoked = newestCommitment(load(old, 0, ownHash), { signer, keys: keyPaths(1) });
    if (revoked === undefined) throw new Error("the peer has signed it");
    const paymentHash = await scene.hashFor(bob, 0);
    const request = { id: "before", paymentHash, amountMsat: 100_000_000n as Msat };
    await world.outcome(alice.node.pay(scene.channel, request));
    expect((await alice.node.payment("before"))?.state).toBe("succeeded");
    await scene.offer(8);
    alice.crash();
    scene.isUp.delete("alice");
    return { scene, revoked };
  }

  async function expectPunished({ world, bob }: Scene): Promise<void> {
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
