import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  asChannelId,
  asPaymentHash,
  concatBytes,
  equalBytes,
  type Msat,
  type Satoshi,
  toHex,
} from "../../src/core/base/index.ts";
import { sha256 } from "../../src/core/crypto/index.ts";
import { encodePing, encodePkt, encodeTransportMessage, type PktMessage } from "../../src/core/wire/index.ts";
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
import { BadPeer } from "../support/bad-peer.ts";

type Kept = BadPeer["channels"][number];

/** Field 60 and 61 of the outermost message, a number each. */
const EVEN_FIELD = Uint8Array.of(0xe0, 0x03, 0x01);
const ODD_FIELD = Uint8Array.of(0xe8, 0x03, 0x01);
const SIGNATURE = new Uint8Array(64).fill(7);
const NOBODYS_HASH = asPaymentHash(sha256(Uint8Array.of(99)));

function bytesOf(seed: string, length: number): Uint8Array {
  const hashes = Array.from({ length: Math.ceil(length / 32) }, (_, i) => sha256(new TextEncoder().encode(seed + i)));
  return concatBytes(...hashes).slice(0, length);
}

/** A good node, a good friend of it, and peers that are not. */
class Scene {
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

const scene = new Scene();
beforeAll(() => scene.start());
afterAll(() => scene.stop());

function add(peer: BadPeer, change: Partial<Extract<PktMessage, { type: "update_add_htlc" }>> = {}): PktMessage {
  const expiry = scene.chain.tip.height + 200;
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

type Case = {
  readonly name: string;
  readonly deviate: (peer: BadPeer, kept: Kept) => void | Promise<void>;
  /** What the node tells, and the peer where it can. */
  readonly problem: string | RegExp;
};

const afterOpen: readonly Case[] = [
  {
    name: "[B2-1] garbage in the place of a transport message",
    deviate: (peer) => peer.sendMessages([concatBytes(new Uint8Array(8), Uint8Array.of(0xff, 0xff, 0xff, 0xff, 1))]),
    problem: "remote undecodable [B2-1], type undecodable",
  },
  {
    name: "[B2-1] an acknowledge beyond all counts",
    deviate: (peer) => peer.sendMessages([concatBytes(new Uint8Array(8).fill(0xff), Uint8Array.of(0))]),
    problem:
      "remote undecodable [B2-1], type number_too_large, message transport_message, field acknowledge, limit 9007199254740991, actual 18446744073709551615",
  },
  {
    name: "[B2-1] a packet longer than any",
    deviate: (peer) =>
      peer.sendMessages([concatBytes(new Uint8Array(8), Uint8Array.of(0xe9, 0xfb, 0x03), new Uint8Array(100))]),
    problem: "remote undecodable [B2-1], type packet_too_long, limit 65000, actual 65001",
  },
  {
    name: "[B2-1] a packet of no family",
    deviate: (peer) => peer.sendPacket(Uint8Array.of(200, 1, 2, 3)),
    problem: "remote undecodable [B2-1], type unknown_family, family 200",
  },
  {
    name: "[B2-1] garbage in the place of a packet",
    deviate: (peer) => peer.sendPacket(concatBytes(Uint8Array.of(0), bytesOf("garbage", 500))),
    problem: "remote undecodable [B2-1], type undecodable",
  },
  {
    name: "[B2-2] an unknown even field",
    deviate: (peer) => {
      const channelId = peer.channels[0]?.state.id;
      peer.sendPacket(concatBytes(encodePkt({ channelId, message: add(peer) }), EVEN_FIELD));
    },
    problem: "remote undecodable [B2-2], type unknown_even_field, message pkt, field 60",
  },
  {
    name: "[B2-1] a signature whose r is zero",
    deviate: (peer) =>
      void peer.send({ type: "update_commit", signature: concatBytes(new Uint8Array(32), SIGNATURE.slice(32)) }),
    problem: "remote undecodable [B2-1], type bad_signature, message update_commit, field sig",
  },
  {
    name: "[B2-27] a wrong signature",
    deviate: (peer) => {
      peer.send(add(peer));
      peer.send({ type: "update_commit", signature: SIGNATURE });
    },
    problem: "bad commitment signature [B2-27], actual 3",
  },
  {
    name: "[B2-27] a signature whose r is not of the field",
    deviate: (peer) => {
      peer.send(add(peer));
      const r = new Uint8Array(32).fill(0xff);
      peer.send({ type: "update_commit", signature: concatBytes(r, SIGNATURE.slice(32)) });
    },
    problem: "bad commitment signature [B2-27], actual 3",
  },
  {
    name: "[B2-26] a commit to nothing",
    deviate: (peer) => void peer.send({ type: "update_commit", signature: SIGNATURE }),
    problem: "empty commit [B2-26], actual 3",
  },
  {
    name: "[B2-28] a revocation of what is in force",
    deviate: (peer) =>
      void peer.send({ type: "update_revocation", preimage: bytesOf("p", 32), nextRevocationHash: bytesOf("h", 32) }),
    problem: /^revocation without commit \[B2-28\], actual \d+$/,
  },
  {
    name: "[LS-21] a packet sent twice",
    deviate: (peer) => {
      const packet = peer.send(add(peer));
      peer.sendPacket(packet);
    },
    problem: "remote htlc id [LS-21], limit 4, actual 2",
  },
  {
    name: "[LS-21] a transport message sent twice",
    deviate: (peer) => {
      const packet = encodePkt({ channelId: peer.channels[0]?.state.id, message: add(peer) });
      const message = encodeTransportMessage(peer.received, [packet, Uint8Array.of(100, 1)]);
      peer.sendMessages([message, message]);
    },
    problem: "remote htlc id [LS-21], limit 4, actual 2",
  },
  {
    name: "[B2-6] a packet sent again after it was acknowledged",
    deviate: async (peer) => {
      const packet = peer.send(add(peer));
      await peer.hangUp();
      await scene.connect(peer);
      peer.sendPacket(packet);
    },
    problem: "remote htlc id [LS-21], limit 4, actual 2",
  },
  {
    name: "[B2-5] an acknowledge of what was never sent",
    deviate: (peer) => void peer.send(add(peer), { acknowledge: peer.received + 1 }),
    problem: /^remote acknowledge \[B2-5\], limit (\d+), actual \d+$/,
  },
  {
    name: "[B2-5] an acknowledge that falls",
    deviate: (peer) => {
      peer.send(add(peer));
      peer.send(add(peer, { id: 4n }), { acknowledge: peer.received - 1 });
    },
    problem: /^remote acknowledge \[B2-5\], limit \d+, actual \d+$/,
  },
  {
    name: "[B2-5] a second authenticate on a connection",
    deviate: (peer) => peer.authenticate(),
    problem: "unexpected message [B2-5], authenticate for no channel",
  },
  {
    name: "[B2-5] an authenticate for a channel",
    deviate: (peer) =>
      void peer.send({ type: "authenticate", features: new Uint8Array(0), digest: peer.receivedDigest, channels: [] }),
    problem: "unexpected message [B2-5], authenticate with a channel id while open",
  },
  {
    name: "[B2-5] a message for no channel",
    deviate: (peer) => void peer.send(add(peer), { channelId: undefined }),
    problem: "unexpected message [B2-5], update_add_htlc for no channel",
  },
  {
    name: "[B2-13] open_complete again",
    deviate: (peer) => void peer.send({ type: "open_complete" }),
    problem: "unexpected message [B2-13], open_complete while open",
  },
  {
    name: "[B2-17] an HTLC of nothing",
    deviate: (peer) => void peer.send(add(peer, { amountMsat: 0n as Msat })),
    problem: "remote amount zero [B2-17], limit 1, actual 0",
  },
  {
    name: "[B2-18] an HTLC of more than there is",
    deviate: (peer) => void peer.send(add(peer, { amountMsat: 0xffff_ffffn as Msat })),
    problem: /^remote insufficient balance \[B2-18\], limit 0, actual -\d+$/,
  },
  {
    name: "[B2-34] a payment hash that is a revocation hash",
    deviate: (peer, kept) => {
      const [hash] = kept.state.revocationHashes.values();
      peer.send(add(peer, { paymentHash: asPaymentHash(hash ?? new Uint8Array(32)) }));
    },
    problem: "remote hash collision [B2-34], a payment hash that is a revocation hash",
  },
  {
    name: "[B2-23] a removal of an HTLC that is not there",
    deviate: (peer) => void peer.send({ type: "update_fail_htlc", id: 1n, reason: new Uint8Array(0) }),
    problem: "remote unknown htlc [B2-23], actual 1",
  },
  {
    name: "[B2-23] a removal of an HTLC of its own",
    deviate: (peer) => {
      peer.send(add(peer));
      peer.send({ type: "update_fulfill_htlc", id: 2n, preimage: new Uint8Array(32) });
    },
    problem: "remote unknown htlc [B2-23], actual 2",
  },
  {
    name: "[B2-25] an unreasonable fee",
    deviate: (peer) => void peer.send({ type: "update_fee", feeRate: 25_001 }),
    problem: "remote fee rate unreasonable [B2-25], limit 25000, actual 25001",
  },
  {
    name: "[B2-45] a close to a script that no node relays",
    deviate: (peer) => void peer.send({ type: "close_clearing", closeScript: Uint8Array.of(0x6a) }),
    problem: "remote close script [B2-45], not a standard script",
  },
  {
    name: "[B2-33] a close_signature out of the blue",
    deviate: (peer) => void peer.send({ type: "close_signature", closeFeeSat: 100n as Satoshi, signature: SIGNATURE }),
    problem: /^unexpected message \[B2-33\]|^bad close signature \[B2-33\]|^close/,
  },
];

describe("a peer that breaks a rule of an open channel", () => {
  it.each(afterOpen)("$name", async ({ name, deviate, problem }) => {
    const { peer, kept } = await scene.withChannel(name);
    const [before] = scene.channelsWith(peer);
    if (before === undefined) throw new Error("there is no channel");
    expect(before.localCommitment).toBe(2);
    peer.obedient = false;
    await deviate(peer, kept);
    const told = await scene.violation(peer);
    if (typeof problem === "string") expect(told).toBe(problem);
    else expect(told).toMatch(problem);
    await scene.hasFailed(before, told);
    expect((await peer.hears("error")).problem).toBe(told);
    await scene.paysFriend();
  });
});

const atAuthenticate: readonly Case[] = [
  {
    name: "[B2-5] what comes first is no authenticate",
    deviate: (peer) => void peer.send(add(peer)),
    problem: "remote undecodable [B2-5], the first packet of a connection is authenticate",
  },
  {
    name: "[B2-5] an acknowledge above what was sent",
    deviate: (peer) => peer.authenticate({ acknowledge: 1_000_000 }),
    problem: /^remote acknowledge \[B2-5\], limit \d+, actual 1000000$/,
  },
  {
    name: "[B2-5] an acknowledge below one before",
    deviate: (peer) => peer.authenticate({ acknowledge: 1 }),
    problem: /^remote acknowledge \[B2-5\], limit \d+, actual 1$/,
  },
  {
    name: "[B2-6] a wrong digest",
    deviate: (peer) => peer.authenticate({ digest: bytesOf("digest", 32) }),
    problem: /^remote digest \[B2-6\], actual \d+$/,
  },
];

describe("a peer that breaks a rule at the start of a connection", () => {
  it.each(atAuthenticate)("$name", async ({ name, deviate, problem }) => {
    const { peer, kept } = await scene.withChannel(name);
    const [before] = scene.channelsWith(peer);
    if (before === undefined) throw new Error("there is no channel");
    await peer.hangUp();
    await scene.connect(peer, { silent: true });
    await deviate(peer, kept);
    const told = await scene.violation(peer);
    expect(told).toMatch(problem);
    await scene.hasFailed(before, told);
    await peer.until(() => !peer.connected);
    await scene.paysFriend();
  });
});

type Proposal = Extract<PktMessage, { type: "open_channel" }>;

const atOpening: readonly { name: string; change: (message: Proposal) => PktMessage; problem: string }[] = [
  {
    name: "[B2-10] a key that is no point",
    change: (message) => ({ ...message, commitKey: concatBytes(Uint8Array.of(2), new Uint8Array(32).fill(0xff)) }),
    problem: "remote undecodable [B2-10], type bad_public_key, message open_channel, field commit_key",
  },
  {
    name: "[B2-8] an unreasonable delay",
    change: (message) => ({ ...message, delay: 1009 }),
    problem: "remote delay unreasonable [B2-8], limit 1008, actual 1009",
  },
  {
    name: "[B2-8] an unreasonable fee",
    change: (message) => ({ ...message, initialFeeRate: 6_001 }),
    problem: "remote fee rate unreasonable [B2-8], limit 6000, actual 6001",
  },
  {
    name: "[B2-8] an unreasonable depth",
    change: (message) => ({ ...message, minDepth: 145 }),
    problem: "remote min depth unreasonable [B2-8], limit 144, actual 145",
  },
  {
    name: "[B2-9] an anchor that nobody creates",
    change: (message) => ({ ...message, anchor: "wont_create" }),
    problem: "remote terms unacceptable [B2-9], the first open_channel must create the anchor",
  },
  {
    name: "[B2-34] a revocation hash that stands twice",
    change: (message) => ({ ...message, nextRevocationHash: message.revocationHash }),
    problem: "remote hash collision [B2-34], a revocation hash stands twice",
  },
];

function tamperProposal(peer: BadPeer, change: (message: Proposal) => PktMessage): void {
  peer.tamper = (message) => (message.type === "open_channel" ? change(message) : message);
}

describe("a peer that proposes what is against the rules", () => {
  it.each(atOpening)("$name: no channel comes of it, and the one it has goes on", async ({ name, change, problem }) => {
    const { peer } = await scene.withChannel(name);
    tamperProposal(peer, change);
    peer.propose(scene.node.nodeId);
    expect((await peer.hears("error")).problem).toBe(problem);
    expect(await scene.violation(peer)).toBe(problem);
    expect(scene.channelsWith(peer).map(({ stage }) => stage)).toEqual(["open"]);
    await scene.paysFriend();
  });

  it.each(atOpening)("$name: a stranger is told, and may do better", async ({ name, change, problem }) => {
    const peer = scene.peer(`stranger ${name}`);
    await scene.connect(peer);
    tamperProposal(peer, change);
    peer.propose(scene.node.nodeId);
    expect((await peer.hears("error")).problem).toBe(problem);
    expect(scene.channelsWith(peer)).toEqual([]);
    await peer.hangUp();
    await scene.connect(peer);
    peer.tamper = (message) => message;
    await scene.openChannel(peer);
    await scene.paysFriend();
  });

  const anchors: readonly {
    name: string;
    change: Partial<Extract<PktMessage, { type: "open_anchor" }>>;
    problem: RegExp;
  }[] = [
    {
      name: "[B2-12] is too large",
      change: { amountSat: 4_294_968n as Satoshi },
      problem: /^anchor too large \[B2-12\], limit 4294967, actual 4294968$/,
    },
    {
      name: "[B2-46] is too small",
      change: { amountSat: 19_999n as Satoshi },
      problem: /^anchor too small \[B2-46\], limit 20000, actual 19999$/,
    },
    {
      name: "[B2-12] holds less than it gives away",
      change: { amountSat: 300_000n as Satoshi },
      problem: /^anchor too small \[B2-12\], limit \d+, actual 300000$/,
    },
    {
      name: "[B2-11] comes with a wrong signature",
      change: { commitSignature: SIGNATURE },
      problem: /^bad commitment signature \[B2-11\], open_anchor, actual 0$/,
    },
  ];
  it.each(anchors)("an anchor that $name", async ({ name, change, problem }) => {
    const peer = scene.peer(name);
    await scene.connect(peer);
    peer.tamper = (message) => (message.type === "open_anchor" ? { ...message, ...change } : message);
    peer.propose(scene.node.nodeId);
    const told = await scene.violation(peer);
    expect(told).toMatch(problem);
    expect((await peer.hears("error")).problem).toBe(told);
    expect(scene.channelsWith(peer).map(({ stage, failure }) => [stage, failure])).toEqual([["abandoned", told]]);
    await scene.paysFriend();
  });

  it("[B2-12] an anchor that holds less than was said", async () => {
    const peer = scene.peer("short anchor");
    await scene.connect(peer);
    peer.anchorLacksSat = 1n;
    const kept = peer.propose(scene.node.nodeId);
    await peer.until(() => kept.state.stage.stage === "awaiting_depth");
    const [before] = scene.channelsWith(peer);
    scene.chain.mine(1);
    const told = await scene.violation(peer);
    expect(told).toBe("anchor wrong on chain [B2-12], limit 1000000, actual 999999");
    if (before !== undefined) await scene.hasFailed(before, told);
    expect((await peer.hears("error")).problem).toBe(told);
    await scene.paysFriend();
  });
});

describe("what concerns one channel does not touch another", () => {
  async function twoChannels(
    name: string,
  ): Promise<{ peer: BadPeer; channels: readonly [ChannelSummary, ChannelSummary] }> {
    const { peer } = await scene.withChannel(name);
    await scene.openChannel(peer);
    const [first, second] = scene.channelsWith(peer);
    if (first === undefined || second === undefined) throw new Error("there are no two channels");
    peer.obedient = false;
    return { peer, channels: [first, second] };
  }

  it("[B2-2] an undecodable packet fails the channel that it names", async () => {
    const { peer, channels } = await twoChannels("names one");
    const channelId = peer.channels[1]?.state.id;
    peer.sendPacket(concatBytes(encodePkt({ channelId, message: { type: "open_complete" } }), EVEN_FIELD));
    await scene.hasFailed(channels[1], await scene.violation(peer));
    expect(scene.node.channel(channels[0].channel)?.stage).toBe("open");
    await scene.paysFriend();
  });

  it("[B2-1] an undecodable packet that names no channel fails all with its sender", async () => {
    const { peer, channels } = await twoChannels("names none");
    peer.sendPacket(Uint8Array.of(0, 0xff));
    const told = await scene.violation(peer);
    for (const channel of channels) await scene.hasFailed(channel, told);
    await scene.paysFriend();
  });

  it("[B2-2] an undecodable packet that names somebody else's channel fails nothing", async () => {
    const [victim, { peer }] = [await scene.withChannel("victim"), await scene.withChannel("intruder")];
    const channelId = victim.kept.state.id;
    peer.obedient = false;
    peer.sendPacket(concatBytes(encodePkt({ channelId, message: { type: "open_complete" } }), EVEN_FIELD));
    peer.send({ type: "error", problem: "yours is broken" }, { channelId });
    peer.send(add(peer), { channelId });
    await peer.until(() => peer.errors().length === 2);
    expect(peer.errors()).toEqual([
      "remote undecodable [B2-2], type unknown_even_field, message pkt, field 60",
      "unknown channel",
    ]);
    expect(scene.channelsWith(victim.peer).map(({ stage }) => stage)).toEqual(["open"]);
    expect(scene.channelsWith(peer).map(({ stage }) => stage)).toEqual(["open"]);
    await scene.paysFriend();
  });

  it("[B2-2] what is odd and unknown is counted and ignored", async () => {
    const { peer } = await scene.withChannel("odd");
    peer.obedient = false;
    const channelId = peer.channels[0]?.state.id;
    const odd = concatBytes(Uint8Array.of(0), ODD_FIELD);
    peer.sendPacket(odd);
    peer.sendPacket(concatBytes(encodePkt({ channelId, message: add(peer) }), ODD_FIELD));
    peer.send(add(peer, { id: 4n }));
    await peer.hangUp();
    await scene.connect(peer);
    expect(scene.violations(peer)).toEqual([]);
    expect(scene.channelsWith(peer).map(({ stage, htlcs }) => [stage, htlcs])).toEqual([["open", 2]]);
  });

  it("[B2-42] an error fails its channel, and is not answered with one", async () => {
    const { peer, channels } = await twoChannels("error");
    peer.send({ type: "error", problem: "I do not like you" });
    await scene.hasFailed(channels[0], "the peer failed the channel: I do not like you");
    // The answer to what comes after shows that nothing was said before.
    peer.send(add(peer), { channelId: asChannelId(bytesOf("nothing", 32)) });
    await peer.until(() => peer.errors().length > 0);
    expect(peer.errors()).toEqual(["unknown channel"]);
    expect(scene.violations(peer)).toEqual([]);
    expect(scene.node.channel(channels[1].channel)?.stage).toBe("open");
    await scene.paysFriend();
  });
});

describe("a peer that wants to cost much", () => {
  it("has few channels that are not in a block", async () => {
    const peer = scene.peer("flood of open_channel");
    await scene.connect(peer);
    for (let n = 0; n < 60; n++) peer.propose(scene.node.nodeId);
    await peer.until(() => peer.errors().length === 40);
    expect(new Set(peer.errors())).toEqual(
      new Set(["remote terms unacceptable [B2-8], unconfirmed channels of this peer, limit 20, actual 21"]),
    );
    expect(scene.channelsWith(peer)).toHaveLength(20);
    await scene.paysFriend();
  });

  it("sends 10,000 packets in one message", async () => {
    const { peer } = await scene.withChannel("tiny packets");
    peer.obedient = false;
    const odd = concatBytes(Uint8Array.of(0), ODD_FIELD);
    const message = encodeTransportMessage(
      peer.received,
      Array.from({ length: 10_000 }, () => odd),
    );
    peer.sendMessages([message, message, message]);
    const heard = peer.heard.length;
    const ping = encodeTransportMessage(0, [encodePing(Uint8Array.of(1, 2, 3))]);
    peer.sendMessages([ping]);
    peer.send(add(peer), { channelId: asChannelId(bytesOf("nothing", 32)) });
    await scene.paysFriend();
    await peer.until(() => peer.heard.length > heard);
    expect(peer.errors()).toEqual(["unknown channel"]);
    expect(scene.channelsWith(peer).map(({ stage }) => stage)).toEqual(["open"]);
  });

  it("[B2-6] does not acknowledge what it makes the node say", async () => {
    const { peer } = await scene.withChannel("never acknowledges");
    peer.obedient = false;
    const acknowledge = peer.received;
    const channelId = asChannelId(bytesOf("nothing", 32));
    const packet = encodePkt({ channelId, message: { type: "open_complete" } });
    const message = encodeTransportMessage(
      acknowledge,
      Array.from({ length: 1_000 }, () => packet),
    );
    for (let n = 0; n < 25; n++) peer.sendMessages([message]);
    await peer.until(() => !peer.connected);
    expect(peer.errors().length).toBeLessThanOrEqual(20_000);
    expect(scene.channelsWith(peer).map(({ stage }) => stage)).toEqual(["open"]);
    await scene.paysFriend();
  });

  it("claims as much as a message can hold", async () => {
    const { peer } = await scene.withChannel("claims");
    await peer.hangUp();
    await scene.connect(peer, { silent: true });
    const channels = Array.from({ length: 750 }, (_, n) => ({
      channelId: asChannelId(bytesOf(`${n}`, 32)),
      commitmentNumber: 0xffff_ffff_ffff_ffffn,
      lastRevocationPreimage: bytesOf("preimage", 32),
    }));
    peer.authenticate({ channels });
    peer.obedient = false;
    peer.send(add(peer, { amountMsat: 1n as Msat, expiry: 499_999_999, route: new Uint8Array(4_096) }));
    await peer.hangUp();
    await scene.connect(peer);
    expect(scene.channelsWith(peer).map(({ stage, htlcs }) => [stage, htlcs])).toEqual([["open", 1]]);
    await scene.paysFriend();
  });

  it("[B2-41] is cut off and comes back, and may go on where it was", async () => {
    const { peer, kept } = await scene.withChannel("comes back");
    for (let n = 0; n < 20; n++) {
      await scene.connect(peer);
      await scene.connect(peer, { silent: true });
    }
    await scene.connect(peer);
    expect(peer.run(kept, { type: "close", script: undefined })).toBeUndefined();
    peer.flush(kept);
    await peer.until(() => kept.state.stage.stage === "close_agreed");
  });
});

describe("afterwards", () => {
  it("[B2-43] [AC-4] the channels that failed are there with their newest commitments, and the node goes on", async () => {
    expect(scene.failed.length).toBeGreaterThan(30);
    const kept = (channel: ChannelSummary | undefined) =>
      channel && {
        channelId: toHex(channel.channelId),
        stage: channel.stage,
        failure: channel.failure,
        localCommitment: channel.localCommitment,
        remoteCommitment: channel.remoteCommitment,
      };
    await scene.restart();
    for (const channel of scene.failed) expect(kept(scene.node.channel(channel.channel))).toEqual(kept(channel));
    await scene.paysFriend();
  });
});
