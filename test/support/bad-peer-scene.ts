import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect } from "vitest";
import { asPaymentHash, concatBytes, equalBytes, type Msat, type Satoshi } from "../../src/core/base/index.ts";
import { sha256 } from "../../src/core/crypto/index.ts";
import type { PktMessage } from "../../src/core/wire/index.ts";
import {
  addressToScript,
  Chain,
  type ChannelSummary,
  embeddedChain,
  type NodeEvent,
  openNode,
  type PeerAddress,
  type SluiceNode,
  systemClock,
} from "../../src/node/index.ts";
import { BadPeer } from "./bad-peer.ts";

type Kept = BadPeer["channels"][number];

/** Fields 60 and 91 of the outermost message, a number each: of no message that there is. */
export const EVEN_FIELD = Uint8Array.of(0xe0, 0x03, 0x01);
export const ODD_FIELD = Uint8Array.of(0xd8, 0x05, 0x01);
export const SIGNATURE = new Uint8Array(64).fill(7);
const NOBODYS_HASH = asPaymentHash(sha256(Uint8Array.of(99)));

export function bytesOf(seed: string, length: number): Uint8Array {
  const hashes = Array.from({ length: Math.ceil(length / 32) }, (_, i) => sha256(new TextEncoder().encode(seed + i)));
  return concatBytes(...hashes).slice(0, length);
}

/** A good node, a good friend of it, and peers that are not. */
export class Scene {
  readonly directory = mkdtempSync(join(tmpdir(), "sluice-bad-peer-"));
  readonly clock = systemClock();
  readonly chain = new Chain(this.clock);
  readonly events: NodeEvent[] = [];
  readonly peers: BadPeer[] = [];
  readonly failed: ChannelSummary[] = [];
  private paid = 0;
  private started: { node: SluiceNode; friend: SluiceNode; at: PeerAddress; toNode: number } | undefined;

  private get running() {
    if (this.started === undefined) throw new Error("the scene is not set");
    return this.started;
  }

  get node(): SluiceNode {
    return this.running.node;
  }

  private open(name: string): Promise<SluiceNode> {
    return openNode({
      directory: join(this.directory, name),
      chain: embeddedChain(this.chain, this.clock),
      listener: (event) => name === "node" && this.events.push(event),
    });
  }

  async start(): Promise<void> {
    this.chain.mine(101);
    const node = await this.open("node");
    const friend = await this.open("friend");
    const at = await node.listen({ host: "127.0.0.1", port: 0 });
    const script = addressToScript(await friend.newAddress(), "regtest");
    if (!script.ok) throw new Error(script.error.type);
    this.chain.fund(script.value, 4_000_000n);
    await this.mine(1, node, friend);
    await friend.connect(node.nodeId, at);
    const opened = await friend.openChannel(node.nodeId, { amountSat: 2_000_000n as Satoshi });
    if (!opened.ok) throw new Error(opened.error.type);
    await friend.untilChannel(opened.value, ({ stage }) => stage === "awaiting_depth");
    this.chain.mine(6);
    await friend.untilChannel(opened.value, ({ stage }) => stage === "open");
    this.started = { node, friend, at, toNode: opened.value };
  }

  private async mine(blocks: number, ...nodes: SluiceNode[]): Promise<void> {
    const height = this.chain.tip.height + blocks;
    const seen = nodes.map(
      (node) =>
        new Promise<void>((resolve) => {
          const unsubscribe = node.subscribe((event) => {
            if (event.type !== "block" || event.height < height) return;
            unsubscribe();
            resolve();
          });
        }),
    );
    this.chain.mine(blocks);
    await Promise.all(seen);
  }

  peer(name: string): BadPeer {
    const peer = new BadPeer(this.chain, name);
    this.peers.push(peer);
    return peer;
  }

  connect(peer: BadPeer, options: { silent?: boolean } = {}): Promise<void> {
    return peer.connect(this.node.nodeId, this.running.at, options);
  }

  /** The node's channels with a peer, the oldest first. */
  channelsWith(peer: BadPeer): ChannelSummary[] {
    return this.node.channels().filter((channel) => equalBytes(channel.peer, peer.nodeId));
  }

  private newestWith(peer: BadPeer): ChannelSummary {
    const newest = this.channelsWith(peer).at(-1);
    if (newest === undefined) throw new Error("there is no channel");
    return newest;
  }

  /** Opens a channel in all honesty, and pays once, so that there is a commitment worth keeping. */
  async openChannel(peer: BadPeer): Promise<Kept> {
    const kept = peer.propose(this.node.nodeId);
    await peer.until(() => kept.state.stage.stage === "awaiting_depth");
    const { channel } = this.newestWith(peer);
    await this.mine(3, this.node);
    peer.confirm(kept, this.chain.tip.height - 2);
    await peer.until(() => kept.state.stage.stage === "open");
    await this.node.untilChannel(channel, ({ stage }) => stage === "open");
    const invoice = await this.node.createInvoice({ amountMsat: 5_000_000n as Msat });
    if (!invoice.ok) throw new Error(invoice.error.type);
    const { paymentHash } = invoice.value;
    const expiry = this.chain.tip.height + 168;
    const amountMsat = 5_000_000n as Msat;
    const refused = peer.run(kept, { type: "offer", amountMsat, paymentHash, expiry, route: new Uint8Array(0) });
    if (refused !== undefined) throw new Error(refused.type);
    peer.flush(kept);
    await peer.until(() => kept.state.htlcs.size === 0 && kept.state.commitments.remote.length === 1);
    return kept;
  }

  async withChannel(name: string): Promise<{ peer: BadPeer; kept: Kept }> {
    const peer = this.peer(name);
    await this.connect(peer);
    return { peer, kept: await this.openChannel(peer) };
  }

  /** Resolves with the first violation of a peer that was told, now or later. */
  violation(peer: BadPeer): Promise<string> {
    return new Promise((resolve) => {
      const look = (event: NodeEvent): boolean => {
        if (event.type !== "violation" || !equalBytes(event.peer, peer.nodeId)) return false;
        resolve(event.problem);
        return true;
      };
      if (this.events.some(look)) return;
      const unsubscribe = this.node.subscribe((event) => look(event) && unsubscribe());
    });
  }

  violations(peer: BadPeer): string[] {
    return this.events.flatMap((event) =>
      event.type === "violation" && equalBytes(event.peer, peer.nodeId) ? [event.problem] : [],
    );
  }

  /** The next add of the peer in its first channel. */
  add(peer: BadPeer, change: Partial<Extract<PktMessage, { type: "update_add_htlc" }>> = {}): PktMessage {
    const expiry = this.chain.tip.height + 200;
    const route = new Uint8Array(0);
    const id = (peer.channels[0]?.state.totals.localLastId ?? 0n) + 2n;
    return {
      type: "update_add_htlc",
      id,
      amountMsat: 1_000_000n as Msat,
      paymentHash: NOBODYS_HASH,
      expiry,
      route,
      ...change,
    };
  }

  /** The node goes on for others. */
  async paysFriend(): Promise<void> {
    const { node, friend, toNode } = this.running;
    expect(this.events.filter(({ type }) => type === "halted")).toEqual([]);
    const invoice = await node.createInvoice({ amountMsat: 1_000_000n as Msat });
    if (!invoice.ok) throw new Error(invoice.error.type);
    const id = `friend ${this.paid++}`;
    const { paymentHash } = invoice.value;
    const sent = await friend.pay(toNode, { id, paymentHash, amountMsat: 1_000_000n as Msat });
    expect(sent.ok).toBe(true);
    expect((await friend.untilPaid(id))?.state).toBe("succeeded");
  }

  /** The channel is over with this reason, and its newest commitment is still there. */
  async hasFailed(before: ChannelSummary, problem: string): Promise<void> {
    const after = await this.node.untilChannel(before.channel, ({ stage }) => stage === "failed");
    expect(after.failure).toBe(problem);
    expect(after.localCommitment).toBe(before.localCommitment);
    expect(after.remoteCommitment).toBeGreaterThanOrEqual(before.remoteCommitment);
    this.failed.push(after);
  }

  /** Starts the node again from what it stored. */
  async restart(): Promise<void> {
    await this.node.stop();
    const node = await this.open("node");
    await node.listen(this.running.at);
    this.started = { ...this.running, node };
    await this.running.friend.untilReady(node.nodeId);
  }

  async stop(): Promise<void> {
    for (const peer of this.peers) await peer.close();
    await this.running.node.stop();
    await this.running.friend.stop();
    rmSync(this.directory, { recursive: true });
  }
}

/** The scene of a test file: there from before its first test to after its last. */
export function setScene(): Scene {
  const scene = new Scene();
  beforeAll(() => scene.start());
  afterAll(() => scene.stop());
  return scene;
}
