import { afterEach, describe, expect, it } from "vitest";
import { BadPeer } from "../../test/support/bad-peer.ts";
import { NodeNetwork, type TestNode } from "../../test/support/node-network.ts";
import { asPaymentHash, type Msat, type Satoshi } from "../core/base/index.ts";
import { sha256 } from "../core/crypto/index.ts";
import type { ChannelSummary } from "./channel-summary.ts";

const MINUTE = 60_000;

let scene: Scene | undefined;

afterEach(() => scene?.world.stop());

/** A node, and a peer that a test drives by hand, over a network and a clock that stand still unless moved. */
class Scene {
  readonly world = new NodeNetwork(["alice"]);
  readonly peer: BadPeer;

  constructor() {
    const { network, chain } = this.world;
    this.peer = new BadPeer(chain, "mallory", (nodeId) => network.transport(nodeId));
  }

  static async set(): Promise<Scene> {
    const set = new Scene();
    scene = set;
    await set.alice.start();
    await set.meet();
    return set;
  }

  get alice(): TestNode {
    const [alice] = this.world.nodes;
    if (alice === undefined) throw new Error("there is one node");
    return alice;
  }

  meet(): Promise<void> {
    return this.world.outcome(this.peer.connect(this.alice.nodeId, this.alice.address));
  }

  pass(ms: number): Promise<void> {
    return this.world.advance(ms);
  }

  async mine(blocks: number): Promise<void> {
    this.world.chain.mine(blocks);
    await this.world.quiet();
  }

  channel(): ChannelSummary {
    const channel = this.alice.node.channels().at(-1);
    if (channel === undefined) throw new Error("there is no channel");
    return channel;
  }

  /** A channel that the peer funded and that waits for its anchor. */
  async propose(): Promise<BadPeer["channels"][number]> {
    const kept = this.peer.propose(this.alice.nodeId);
    await this.world.quiet();
    return kept;
  }

  async open(): Promise<BadPeer["channels"][number]> {
    const kept = await this.propose();
    await this.mine(3);
    this.peer.confirm(kept, this.world.chain.tip.height - 2);
    await this.world.quiet();
    expect(this.channel().stage).toBe("open");
    return kept;
  }

  /** Alice offers something. */
  async pay(id: string): Promise<void> {
    const paymentHash = asPaymentHash(sha256(new TextEncoder().encode(id)));
    const request = { id, paymentHash, amountMsat: 1_000_000n as Msat };
    const paid = await this.world.outcome(this.alice.node.pay(this.channel().channel, request));
    expect(paid.ok).toBe(true);
  }

  async restart(): Promise<void> {
    this.alice.crash();
    await this.world.quiet();
    await this.alice.start();
  }
}

describe("a peer that signs nothing", () => {
  it("is explained with the very moment at which the channel fails", async () => {
    const { set } = await stalledScene();
    const began = set.world.clock.now();
    await set.pass(MINUTE);
    await set.meet();
    const again = set.world.clock.now();
    await set.pass(2 * MINUTE);
    const said = set.alice.node.explain(0);
    const giveUpAt = again + 10 * MINUTE;
    expect(again).toBe(began + MINUTE);
    expect(said?.stuck).toEqual([{ type: "peer_stalls", since: again, giveUpAt }]);
    expect(said?.next).toContainEqual(
      expect.objectContaining({ who: "peer", act: { type: "sign", changes: 1 }, byTime: giveUpAt }),
    );
    await set.pass(giveUpAt - 1 - set.world.clock.now());
    expect(set.channel().stage).toBe("open");
    await set.pass(1);
    expect(set.channel().stage).toBe("failed");
  });

  it("[B2-41] loses its connection after a minute, once, and the channel after ten more on the new one", async () => {
    const { set, peer, alice } = await stalledScene();
    await set.pass(MINUTE - 1);
    expect(peer.connected).toBe(true);
    await set.pass(1);
    expect(peer.connected).toBe(false);
    expect(set.channel().stage).toBe("open");
    await set.meet();
    await set.pass(10 * MINUTE - 1);
    expect(peer.connected).toBe(true);
    expect(set.channel().stage).toBe("open");
    await set.pass(1);
    const failure = "remote stalled [B2-41], it signs or revokes nothing, in seconds, limit 600, actual 600";
    expect(set.channel()).toMatchObject({ stage: "failed", failure });
    expect(peer.errors()).toEqual([failure]);
    expect(alice.events.some(({ type }) => type === "violation")).toBe(false);
  });

  it("[B2-41] is not blamed for the time that it was offline, and has its time anew with each connection", async () => {
    const { set, peer } = await stalledScene();
    await set.pass(MINUTE);
    await set.pass(600 * MINUTE);
    expect(set.channel().stage).toBe("open");
    await set.meet();
    await set.pass(10 * MINUTE - 1);
    await set.world.outcome(peer.hangUp());
    await set.pass(MINUTE);
    await set.meet();
    await set.pass(10 * MINUTE - 1);
    expect(set.channel().stage).toBe("open");
    await set.pass(1);
    expect(set.channel().stage).toBe("failed");
  });

  it("has its time anew when it is we who were away", async () => {
    const { set, peer } = await stalledScene();
    await set.pass(MINUTE);
    await set.meet();
    await set.pass(9 * MINUTE);
    await set.restart();
    await set.meet();
    // The new process has not made the connection anew yet.
    await set.pass(MINUTE - 1);
    expect(peer.connected).toBe(true);
    await set.pass(1);
    expect(peer.connected).toBe(false);
    await set.meet();
    await set.pass(10 * MINUTE - 1);
    expect(set.channel().stage).toBe("open");
    await set.pass(1);
    expect(set.channel().stage).toBe("failed");
  });

  it("leaves a channel at rest alone, for as long as it answers pings", async () => {
    const set = await Scene.set();
    await set.open();
    await set.pay("settled later");
    set.peer.obedient = false;
    await set.pass(60 * MINUTE);
    expect(set.peer.connected).toBe(true);
    expect(set.channel().stage).toBe("open");
    set.peer.livesOn = false;
    await set.pass(MINUTE);
    expect(set.peer.connected).toBe(false);
    expect(set.alice.events.filter(({ type }) => type === "trouble")).toHaveLength(1);
  });
});

async function stalledScene() {
  const set = await Scene.set();
  await set.open();
  set.peer.obedient = false;
  await set.pay("stalled");
  return { set, peer: set.peer, alice: set.alice };
}

describe("an opening that does not go on", () => {
  it("[B2-48] is given up after ten minutes, whether or not the peer is there, and leaves no row", async () => {
    for (const isThere of [true, false]) {
      const set = await Scene.set();
      set.peer.obedient = false;
      await set.propose();
      expect(set.channel().stage).toBe("awaiting_open_anchor");
      expect((await set.alice.store.load()).channels).toHaveLength(1);
      if (!isThere) await set.world.outcome(set.peer.hangUp());
      await set.pass(10 * MINUTE - 1);
      expect(set.channel().stage).toBe("awaiting_open_anchor");
      await set.pass(1);
      const failure = "remote stalled [B2-48], the opening does not go on, in seconds, limit 600, actual 600";
      expect(set.channel()).toMatchObject({ stage: "abandoned", failure });
      expect(set.peer.errors()).toEqual(isThere ? [failure] : []);
      expect(await set.alice.store.load()).toMatchObject({ channels: [], nextChannelIndex: 1 });
      await set.restart();
      expect(set.alice.node.channels()).toEqual([]);
      if (isThere) await set.world.stop();
    }
  });

  it("[B2-48] that we fund gives its coins back", async () => {
    const set = await Scene.set();
    const { world, alice, peer } = set;
    await world.fund(alice, 1_000_000n, 1);
    peer.obedient = false;
    const opened = await world.outcome(alice.node.openChannel(peer.nodeId, { amountSat: 500_000n as Satoshi }));
    expect(opened.ok).toBe(true);
    await set.pass(10 * MINUTE - 1);
    expect(set.channel().stage).toBe("awaiting_open_channel");
    await set.pass(1);
    expect(set.channel().stage).toBe("abandoned");
    const again = await world.outcome(alice.node.withdraw(new Uint8Array([0, 20, ...new Uint8Array(20)]), "all"));
    expect(again.ok).toBe(true);
  });

  it("[B2-48] for want of open_complete, long after its depth, is given up after ten minutes on one connection", async () => {
    const set = await Scene.set();
    set.peer.tamper = (message) => {
      if (message.type === "open_anchor") set.peer.obedient = false;
      return message;
    };
    await set.propose();
    await set.mine(3);
    expect(set.channel().stage).toBe("awaiting_depth");
    // The peer asked for no depth; in the first of the three it is deep enough.
    await set.mine(140);
    await set.pass(20 * MINUTE);
    expect(set.channel().stage).toBe("awaiting_depth");
    await set.mine(1);
    await set.pass(10 * MINUTE - 1);
    expect(set.channel().stage).toBe("awaiting_depth");
    // Seen with the next look, which is at most a minute later.
    await set.pass(MINUTE + 1);
    expect(set.channel()).toMatchObject({ stage: "failed", failure: expect.stringContaining("open_complete") });
  });
});

describe("a close on which there is no agreement", () => {
  it("[B2-33] [B2-43] fails the channel where the peer has signed none", async () => {
    const set = await Scene.set();
    await set.open();
    set.peer.obedient = false;
    await set.world.outcome(set.alice.node.closeChannel(set.channel().channel));
    set.peer.send({ type: "close_clearing" });
    await set.world.quiet();
    expect(set.channel().closing).toBe(true);
    await set.pass(10 * MINUTE - 1);
    expect(set.channel().stage).toBe("open");
    await set.pass(MINUTE + 1);
    expect(set.channel()).toMatchObject({ stage: "failed", failure: expect.stringContaining("no agreement") });
  });

  it("[B2-33] [B2-56] takes the close that the peer signed last", async () => {
    const set = await Scene.set();
    const { peer, world } = set;
    await set.open();
    // Alice finds the peer's offer too low and names another.
    world.chain.feeEstimate = 9_000;
    await set.mine(1);
    peer.tamper = (message) => {
      if (message.type === "close_signature") peer.obedient = false;
      return message;
    };
    await world.outcome(set.alice.node.closeChannel(set.channel().channel));
    expect(peer.heard.at(-1)?.message.type).toBe("close_signature");
    expect(set.channel().stage).toBe("open");
    await set.pass(10 * MINUTE - 1);
    expect(set.channel().stage).toBe("open");
    await set.pass(MINUTE + 1);
    expect(set.channel().stage).toBe("close_agreed");
    await set.mine(6);
    expect(set.channel().stage).toBe("closed");
  });
});
