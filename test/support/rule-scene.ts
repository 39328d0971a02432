import { expect } from "vitest";
import {
  asPaymentHash,
  equalBytes,
  type Msat,
  type PaymentHash,
  type Satoshi,
  toHex,
} from "../../src/core/base/index.ts";
import { sha256 } from "../../src/core/crypto/index.ts";
import type { PktMessage } from "../../src/core/wire/index.ts";
import type { ChannelSummary } from "../../src/node/channel-summary.ts";
import { BadPeer, type Heard, type Kept } from "./bad-peer.ts";
import { NodeNetwork, type Taps, type TestNode } from "./node-network.ts";

export type VictimOptions = {
  readonly amountSat?: bigint;
  readonly pushMsat?: bigint;
  /** Whether the peer has paid once, so that there is a commitment worth keeping. */
  readonly used?: boolean;
};

const NO_HASH = sha256(Uint8Array.of(99));

/** A production node and a peer that a test drives by hand, in one process; the two have two channels with each other. */
export class RuleScene {
  readonly world: NodeNetwork;
  readonly peer: BadPeer;
  readonly test: TestNode;
  /** The channel in which a rule is broken, and one that has nothing to do with it. */
  private channels: { readonly victim: Kept; readonly bystander: Kept } | undefined;
  private made = 0;

  constructor(taps: Taps = {}) {
    const world = new NodeNetwork(["node"], taps, 106);
    this.world = world;
    this.peer = new BadPeer(world.chain, "peer", (nodeId) => world.network.transport(nodeId));
    const [node] = world.nodes;
    if (node === undefined) throw new Error("there is no node");
    this.test = node;
  }

  get victim(): Kept {
    if (this.channels === undefined) throw new Error("the scene is not set");
    return this.channels.victim;
  }

  get bystander(): Kept {
    if (this.channels === undefined) throw new Error("the scene is not set");
    return this.channels.bystander;
  }

  async start(options: VictimOptions = {}): Promise<this> {
    const { world, peer, test } = this;
    await test.start();
    await world.fund(test, 1_100_000n, 1);
    await this.connect();
    const victim = peer.propose(test.nodeId, options);
    await world.quiet();
    const bystander = peer.propose(test.nodeId);
    await world.quiet();
    this.channels = { victim, bystander };
    world.chain.mine(6);
    await world.quiet();
    for (const kept of [victim, bystander]) peer.confirm(kept, world.chain.tip.height - 5);
    await world.quiet();
    if (options.used !== false) await this.peerPays(5_000_000n);
    expect(this.stages()).toEqual(["open", "open"]);
    return this;
  }

  async connect(options: { readonly silent?: boolean } = {}): Promise<void> {
    await this.world.outcome(this.peer.connect(this.test.nodeId, this.test.address, options));
  }

  async hangUp(): Promise<void> {
    await this.world.outcome(this.peer.hangUp());
  }

  /** The peer's machine pays the node, to the end. */
  private async peerPays(amountMsat: bigint): Promise<void> {
    const { world, peer, victim } = this;
    const invoice = await world.outcome(this.test.node.createInvoice({ amountMsat: amountMsat as Msat }));
    if (!invoice.ok) throw new Error(invoice.error.type);
    const { paymentHash } = invoice.value;
    const offer = { amountMsat: amountMsat as Msat, paymentHash, expiry: this.expiry, route: new Uint8Array(0) };
    expect(peer.run(victim, { type: "offer", ...offer })).toBeUndefined();
    peer.flush(victim);
    await world.quiet();
    expect(victim.state.htlcs.size).toBe(0);
  }

  /** The node offers the peer an HTLC in the victim's channel. */
  async nodePays(secret: Uint8Array, amountMsat = 1_000_000n): Promise<PaymentHash> {
    const paymentHash = asPaymentHash(sha256(secret));
    const request = { id: `payment ${this.made++}`, paymentHash, amountMsat: amountMsat as Msat };
    const paid = await this.world.outcome(this.test.node.pay(this.summary(this.victim).channel, request));
    if (!paid.ok) throw new Error(paid.error.type);
    return paymentHash;
  }

  /** The node opens a channel that the peer answers. */
  async nodeOpens(): Promise<void> {
    const request = { amountSat: 500_000n as Satoshi };
    const opened = await this.world.outcome(this.test.node.openChannel(this.peer.nodeId, request));
    if (!opened.ok) throw new Error(opened.error.type);
  }

  get expiry(): number {
    return this.world.chain.tip.height + 200;
  }

  /** The next add of the peer in the victim's channel. */
  add(change: Partial<Extract<PktMessage, { type: "update_add_htlc" }>> = {}): PktMessage {
    const { state } = this.victim;
    const last = state.totals.localLastId;
    return {
      type: "update_add_htlc",
      id: last < 0n ? 0n : last + 2n,
      amountMsat: 1_000_000n as Msat,
      paymentHash: asPaymentHash(NO_HASH),
      expiry: this.expiry,
      route: new Uint8Array(0),
      ...change,
    };
  }

  /** Sends so many adds. */
  adds(count: number, amountMsat: bigint, from = 0): void {
    const { state } = this.victim;
    const first = state.totals.localLastId < 0n ? 0n : state.totals.localLastId + 2n;
    for (let n = from; n < from + count; n++) {
      this.peer.send(this.add({ id: first + 2n * BigInt(n), amountMsat: amountMsat as Msat }));
    }
  }

  summary(kept: Kept): ChannelSummary {
    const found = this.test.node.channels().find(({ channelId }) => equalBytes(channelId, kept.state.id));
    if (found === undefined) throw new Error("the node has no such channel");
    return found;
  }

  stages(): string[] {
    return [this.victim, this.bystander].map((kept) => this.summary(kept).stage);
  }

  violations(): string[] {
    return this.test.events.flatMap((event) => (event.type === "violation" ? [event.problem] : []));
  }

  /** The errors that the peer has heard, with the channel that each names. */
  errors(): readonly { readonly channelId: string; readonly problem: string }[] {
    return this.peer.heard.flatMap((heard: Heard) =>
      heard.message.type === "error" && "channelId" in heard
        ? [{ channelId: toHex(heard.channelId ?? new Uint8Array(0)), problem: heard.message.problem }]
        : [],
    );
  }

  /** A new life of the node. */
  async restart(): Promise<void> {
    this.test.crash();
    await this.test.start();
    await this.world.quiet();
  }

  async stop(): Promise<void> {
    await this.world.stop();
  }
}

/** What must stay as it was when a channel fails. */
export function worth({ localMsat, remoteMsat, htlcs, htlcsMsat, localCommitment, remoteCommitment }: ChannelSummary) {
  return { localMsat, remoteMsat, htlcs, htlcsMsat, localCommitment, remoteCommitment };
}
