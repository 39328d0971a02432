import { expect } from "vitest";
import { toHex } from "../../src/core/base/index.ts";
import { parseTransaction } from "../../src/core/bitcoin/index.ts";
import type { ChannelSummary } from "../../src/node/channel-summary.ts";
import { NodeNetwork, type Taps, type TestNode } from "./node-network.ts";
import { WireTap } from "./wire-tap.ts";

/** What goes wrong once while a flow runs. Deliveries and commits are counted from the flow's first step on. */
export type Trouble =
  | { readonly type: "none" }
  /**
   * The connection breaks after the delivery `after`. What was under way is lost, but where `arrives` says whose all still
   * arrives before the other notices.
   */
  | { readonly type: "cut"; readonly after: number; readonly arrives: "nothing" | "of_alice" | "of_bob" }
  /** The process dies at its commit number `commit`, right after it is durable or right before. */
  | { readonly type: "crash"; readonly name: "alice" | "bob"; readonly commit: number; readonly written: boolean };

/**
 * One thing that somebody wants. `act` may be called again where `done` does not hold yet: after a crash the one who wanted
 * it asks again, as it would do in life.
 */
export type FlowStep = {
  act(world: FlowWorld): void | Promise<void>;
  done(world: FlowWorld): boolean | Promise<boolean>;
};

/** A row of the table: what happens before, what happens under fire, and what must come of it is what comes without. */
export type Flow = {
  readonly name: string;
  prepare(world: FlowWorld): Promise<void>;
  readonly steps: readonly FlowStep[];
};

/** Blocks before anything happens: the faucet has coins to spend. */
const MATURE = 106;

/** A delivery of one message between Alice and Bob, or of a connection being made. */
const MAX_DELIVERIES = 5_000;

/** Alice and Bob on one chain, where one thing goes wrong at a place that the test names. */
export class FlowWorld {
  readonly tap = new WireTap();
  readonly world: NodeNetwork;
  readonly alice: TestNode;
  readonly bob: TestNode;
  /** Satoshi per 1000 virtual bytes, as each node's chain says. */
  readonly estimates = new Map<string, number>();
  /** Payments and invoices by the name that the flow gave them. */
  readonly invoices = new Map<string, { readonly owner: TestNode; readonly paymentHash: Uint8Array }>();
  readonly payments = new Map<string, TestNode>();
  deliveries = 0;
  readonly commits = { alice: 0, bob: 0 };
  /** Set once the trouble has come. */
  struck = false;
  /** Channels that had agreed on their close when they were last seen, as they are once it is buried. */
  private readonly closing = new Map<string, ChannelSummary>();
  private trouble: Trouble = { type: "none" };
  private armed = false;

  constructor(taps: Pick<Taps, "newStore"> = {}) {
    const all: Taps = {
      ...taps,
      transport: (transport, { nodeId }) => this.tap.transport(transport, nodeId),
      store: (store, node) => {
        const { commit } = store;
        const counting: typeof store = {
          ...store,
          commit: (batch) => {
            this.beforeCommit(node);
            return commit(batch);
          },
        };
        return this.tap.store(counting, node.nodeId);
      },
      chain: (chain, { name }) => ({ ...chain, feeEstimate: async () => this.estimates.get(name) }),
    };
    this.world = new NodeNetwork(["alice", "bob"], all, MATURE);
    const [alice, bob] = this.world.nodes;
    if (alice === undefined || bob === undefined) throw new Error("there are no two nodes");
    this.alice = alice;
    this.bob = bob;
  }

  private beforeCommit({ name, store }: TestNode): void {
    if (!this.armed || (name !== "alice" && name !== "bob")) return;
    this.commits[name]++;
    const { trouble } = this;
    if (trouble.type !== "crash" || trouble.name !== name || trouble.commit !== this.commits[name]) return;
    this.struck = true;
    store.failNextCommit({ outcome: "unknown", written: trouble.written });
  }

  /** Runs a flow with a trouble, and gives what came of it. */
  async run(flow: Flow, trouble: Trouble): Promise<unknown> {
    const { world } = this;
    for (const node of world.nodes) await node.start();
    await flow.prepare(this);
    await world.quiet();
    this.trouble = trouble;
    this.armed = true;
    for (const step of flow.steps) await this.reach(step, flow.name);
    this.armed = false;
    await this.calm();
    for (const { name, events } of world.nodes) {
      const bad = events.filter(({ type }) => type === "violation" || type === "broadcast_rejected");
      if (bad.length > 0) throw new Error(`${name} in ${flow.name}: ${JSON.stringify(bad, plain)}`);
    }
    expect(this.tap.problems).toEqual([]);
    const result = await this.result();
    await world.stop();
    return result;
  }

  private async reach(step: FlowStep, flow: string): Promise<void> {
    for (let rounds = 0; rounds < 60; rounds++) {
      await this.revive();
      await step.act(this);
      await this.settle();
      await this.revive();
      if (await step.done(this)) return;
      await this.world.clock.advance(500);
    }
    expect(this.tap.problems).toEqual([]);
    throw new Error(
      `${flow} does not come to its end: ${JSON.stringify(this.trouble)} ${JSON.stringify(this.seen(), plain)}`,
    );
  }

  /** Everything that can happen at this moment happens, one delivery at a time. */
  async settle(): Promise<void> {
    const { clock, network } = this.world;
    for (;;) {
      await clock.run();
      await this.revive();
      if (!network.deliverOne(0)) return;
      await clock.run();
      if (!this.armed) continue;
      this.deliveries++;
      if (this.deliveries > MAX_DELIVERIES) throw new Error("the nodes talk without end");
      const { trouble } = this;
      if (trouble.type === "cut" && trouble.after === this.deliveries) await this.cut(trouble.arrives);
    }
  }

  private async cut(arrives: "nothing" | "of_alice" | "of_bob"): Promise<void> {
    this.struck = true;
    const { alice, bob } = this;
    const { clock, network } = this.world;
    if (arrives !== "nothing") {
      const [silent, heard] = arrives === "of_alice" ? [bob, alice] : [alice, bob];
      network.hold(silent.nodeId, heard.nodeId);
      do await clock.run();
      while (network.run() > 0);
      network.release(silent.nodeId, heard.nodeId);
    }
    network.drop(alice.nodeId, bob.nodeId);
  }

  /** Starts again who has died. */
  private async revive(): Promise<void> {
    for (const node of this.world.nodes) {
      if (node.up !== undefined) continue;
      node.crash();
      await node.start();
    }
  }

  /** Until both are connected and no timer of a moment is left. */
  private async calm(): Promise<void> {
    for (let rounds = 0; rounds < 10; rounds++) {
      await this.settle();
      const connected = [this.alice, this.bob].every((node) =>
        this.channels(node).every(({ stage, peerReady }) => peerReady || stage === "closed"),
      );
      if (connected) return;
      await this.world.clock.advance(500);
    }
    throw new Error("the nodes do not find each other again");
  }

  private seen(): unknown {
    return this.world.nodes.map(({ name, up, events }) => ({
      name,
      channels: up?.channels(),
      events: events.slice(-4),
    }));
  }

  /** The channels of a node in the order of their making. One that closed is not loaded again by the node's next life. */
  channels(node: TestNode): readonly ChannelSummary[] {
    const live = node.up?.channels() ?? [];
    const isLive = (channel: number) => live.some((one) => one.channel === channel);
    for (const channel of live) this.closing.delete(`${node.name}/${channel.channel}`);
    for (const channel of live) {
      if (channel.stage === "close_agreed" || channel.stage === "closed") {
        this.closing.set(`${node.name}/${channel.channel}`, { ...channel, stage: "closed", peerReady: true });
      }
    }
    const gone = [...this.closing].flatMap(([key, one]) =>
      key.startsWith(node.name) && !isLive(one.channel) ? [one] : [],
    );
    return [...live, ...gone].sort((a, b) => a.channel - b.channel);
  }

  private async result(): Promise<unknown> {
    const { alice, bob } = this;
    const channels = this.channels(alice).map((ours) => {
      const theirs = this.channels(bob).find(({ channelId }) => toHex(channelId) === toHex(ours.channelId));
      if (theirs === undefined) throw new Error("Bob does not know a channel of Alice's");
      expect(theirs.localMsat).toBe(ours.remoteMsat);
      expect(theirs.remoteMsat).toBe(ours.localMsat);
      expect(theirs.localCommitment).toBe(ours.remoteCommitment);
      expect(theirs.remoteCommitment).toBe(ours.localCommitment);
      expect(ours.localMsat + ours.remoteMsat + ours.htlcsMsat).toBe(ours.amountSat * 1000n);
      const { stage, failure, closing, initiator, localMsat, remoteMsat, htlcs } = ours;
      expect([theirs.stage, theirs.failure, theirs.closing, theirs.htlcs]).toEqual([stage, failure, closing, htlcs]);
      return { stage, failure, closing, initiator, localMsat, remoteMsat, htlcs, close: this.closeOf(ours) };
    });
    expect(this.channels(bob)).toHaveLength(channels.length);
    const payments = await Promise.all(
      [...this.payments].map(async ([id, payer]) => [id, (await payer.node.payment(id))?.state]),
    );
    const invoices = await Promise.all(
      [...this.invoices].map(async ([name, { owner, paymentHash }]) => {
        const row = await owner.node.invoice(paymentHash as never);
        return [name, row?.state, row?.receivedMsat];
      }),
    );
    return { channels, payments, invoices };
  }

  /** Amounts that the channel's close pays on chain, the smaller first. */
  private closeOf({ funding }: ChannelSummary): readonly bigint[] | undefined {
    const { chain } = this.world;
    if (funding === undefined) return undefined;
    for (let height = chain.tip.height; height > MATURE; height--) {
      for (const { raw } of chain.blockAt(height)?.transactions ?? []) {
        const parsed = parseTransaction(raw);
        if (!parsed.ok) continue;
        const { inputs, outputs } = parsed.value;
        const spends = inputs.some(
          ({ txid, index }) => toHex(txid) === toHex(funding.txid) && index === funding.outputIndex,
        );
        if (spends) return outputs.map(({ amountSat }) => amountSat).sort((a, b) => Number(a - b));
      }
    }
    return undefined;
  }
}

function plain(_: string, value: unknown): unknown {
  if (value instanceof Uint8Array) return toHex(value).slice(0, 8);
  return typeof value === "bigint" ? `${value}` : value;
}
