import { asPaymentHash, type Msat, type Satoshi } from "../../src/core/base/index.ts";
import { keyPaths, seedSigner, sha256 } from "../../src/core/crypto/index.ts";
import { newestCommitment } from "../../src/core/payment-channel/force-close.ts";
import { load, ownRevocationHash } from "../../src/core/payment-channel/index.ts";
import type { BitcoinChain } from "../../src/ports/bitcoin-chain.ts";
import { type StoreChange, StoreError } from "../../src/ports/store.ts";
import { NodeNetwork, type TestNode } from "./node-network.ts";

const AMOUNT_SAT = 1_000_000n as Satoshi;
const PUSH_MSAT = 400_000_000n as Msat;

/** Blocks for which payments are offered: enough for their final recipient, and no more than the test has to wait. */
export const EXPIRY = 60;

/**
 * Where a node dies, counted from the moment that this is planned: when it writes its n-th batch, which is written or not, and of which
 * no effect is performed; or when it gives its n-th transaction to the chain, which gets it or not, and nothing after it.
 */
export type Plan = { readonly name: string } & (
  | { readonly commit: number; readonly written: boolean }
  | { readonly broadcast: number; readonly given: boolean }
);

/** Two whole nodes with an open channel, and payments that are under way when the channel ends. */
export class EndingScene {
  readonly world: NodeNetwork;
  readonly alice: TestNode;
  readonly bob: TestNode;
  /** Commits of each node since `plan`, and transactions that it gave to the chain. */
  commits: Record<string, number> = {};
  broadcasts: Record<string, number> = {};
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
          const { planned } = this;
          if (planned?.name === name && "commit" in planned && planned.commit === count) {
            store.failNextCommit({ outcome: "unknown", written: planned.written });
            this.planned = undefined;
            this.crashes++;
          }
          return store.commit(batch);
        },
      }),
      chain: (chain, node) => this.mortal(chain, node),
    });
    const [alice, bob] = this.world.nodes;
    if (alice === undefined || bob === undefined) throw new Error("two nodes");
    this.alice = alice;
    this.bob = bob;
  }

  /** Gives transactions to the chain as a node does that may be gone before the next. */
  private mortal(chain: BitcoinChain, node: TestNode): BitcoinChain {
    const broadcast = async (raw: Uint8Array) => {
      const count = (this.broadcasts[node.name] ?? 0) + 1;
      this.broadcasts[node.name] = count;
      const { planned } = this;
      if (planned?.name !== node.name || !("broadcast" in planned) || planned.broadcast !== count) {
        return chain.broadcast(raw);
      }
      this.planned = undefined;
      this.crashes++;
      if (planned.given) await chain.broadcast(raw);
      node.crash();
      throw new Error("the process is gone");
    };
    return { ...chain, network: chain.network, broadcast };
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
    if (alice.node.channel(this.channel)?.stage !== "open") throw new Error("the channel is open");
    return this;
  }

  plan(plan: Plan | undefined): void {
    this.commits = {};
    this.broadcasts = {};
    for (const name of Object.keys(this.telling)) delete this.telling[name];
    this.planned = plan;
  }

  /** Blocks one after the other; who dies of one comes back before the next. */
  async mine(blocks: number, transactions?: readonly Uint8Array[]): Promise<void> {
    for (let n = 0; n < blocks; n++) {
      this.world.chain.mine(1, transactions === undefined ? {} : { transactions });
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
    const hashes: Awaited<ReturnType<EndingScene["hashFor"]>>[] = [];
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
    const here = this.world.nodes.filter(({ up }) => up !== undefined);
    for (const [node, n] of [
      [this.alice, 0],
      [this.bob, 1],
      [this.alice, 2],
      [this.alice, 3],
      [this.bob, 4],
    ] as const) {
      const id = `${node.name} ${n}`;
      if (here.includes(node)) payments[id] = (await node.node.payment(id))?.state;
    }
    return {
      payments,
      balances: here.map(({ name, node }) => [name, node.balance().confirmedSat] as const),
      stages: here.map(({ node }) => node.channels()[0]?.stage),
    };
  }
}

/** Alice's commitment of the start, which she has revoked: a payment came after it, and others stand. She herself is gone. */
export async function cheated(): Promise<{ scene: EndingScene; revoked: Uint8Array }> {
  const scene = await new EndingScene().open();
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
  if ((await alice.node.payment("before"))?.state !== "succeeded") throw new Error("Alice pays");
  await scene.offer(8);
  alice.crash();
  scene.isUp.delete("alice");
  return { scene, revoked };
}

function isTelling(change: StoreChange): boolean {
  return change.type === "payment" || (change.type === "channel" && change.change.type !== "totals");
}
