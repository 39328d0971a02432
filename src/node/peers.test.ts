import { describe, expect, it } from "vitest";
import { type MemoryNetwork, memoryNetwork } from "../adapters/p2p-memory/index.ts";
import { memoryStore } from "../adapters/store-memory/index.ts";
import { asNodeId, type NodeId } from "../core/base/index.ts";
import type { Batch as StoredBatch } from "../ports/store.ts";
import type { Connection, Transport } from "../ports/transport.ts";
import { World as SimulatedWorld, virtualClock } from "../testing/index.ts";
import { Events, type NodeEvent } from "./events.ts";
import { Journal } from "./journal.ts";
import { Peers } from "./peers.ts";

/** Any number of node ids; peers.ts does not mind whether they are points. */
function idOf(n: number): NodeId {
  const bytes = new Uint8Array(33).fill(2);
  new DataView(bytes.buffer).setUint32(29, n);
  return asNodeId(bytes);
}

/** The peers of one node, with nothing behind them; `hold` keeps its commits from ending. */
class Host {
  readonly store = memoryStore();
  readonly events: NodeEvent[] = [];
  readonly peers: Peers;
  /** Peers with a channel. */
  readonly withChannel = new Set<NodeId>();
  readonly address: { host: string; port: number };
  private hold: Promise<void> | undefined;
  private readonly journal: Journal;

  constructor(world: World, nodeId: NodeId, transport: Transport) {
    this.address = { host: `${nodeId[32]}`, port: 1 };
    const events = new Events();
    events.subscribe((event) => this.events.push(event));
    const { store } = this;
    const held = {
      ...store,
      commit: async (batch: StoredBatch) => {
        await this.hold;
        return store.commit(batch);
      },
    };
    const { clock } = world;
    this.journal = new Journal({ store: held, clock, sequence: 0, onHalt: (cause) => world.halts.push(cause) });
    this.peers = new Peers({
      nodeId,
      transport,
      clock,
      journal: this.journal,
      events,
      handlers: {
        onPacket: () => undefined,
        onViolation: () => undefined,
        onCopy: () => undefined,
        onAuthenticate: () => "judge",
        onReady: () => undefined,
        channels: () => [],
        hasChannels: ({ nodeId }) => [...this.withChannel].some((one) => one[32] === nodeId[32]),
        features: [],
      },
    });
  }

  /** Begins a commit, which ends when the returned function is called. */
  async startCommit(world: World): Promise<() => Promise<void>> {
    let release = (): void => undefined;
    this.hold = new Promise((resolve) => {
      release = resolve;
    });
    this.journal.post("other", (batch) => batch.change({ type: "channel_index", next: 1 }));
    await world.clock.run();
    return async () => {
      this.hold = undefined;
      release();
      await world.quiet();
    };
  }

  ready(peer: NodeId): boolean {
    return this.peers.session(peer)?.ready === true;
  }

  troubles(): string[] {
    return this.events.flatMap((event) => (event.type === "trouble" ? [event.problem] : []));
  }
}

class World {
  readonly clock = virtualClock();
  readonly network: MemoryNetwork = memoryNetwork({ clock: this.clock });
  readonly halts: unknown[] = [];

  async host(n: number): Promise<Host> {
    const host = new Host(this, idOf(n), this.network.transport(idOf(n)));
    await host.peers.listen(host.address);
    return host;
  }

  async quiet(): Promise<void> {
    do await this.clock.run();
    while (this.network.run() > 0);
  }

  async advance(ms: number): Promise<void> {
    for (let rest = ms; rest > 0; rest -= 50) {
      await this.clock.advance(Math.min(rest, 50));
      await this.quiet();
    }
  }

  /** A stranger's end of a connection to `host`. */
  async stranger(n: number, host: Host): Promise<{ readonly connection: Connection; readonly ended: () => boolean }> {
    let ended = false;
    const transport = this.network.transport(idOf(n));
    const connecting = transport.connect(idOf(1), host.address, () => ({
      onMessage: () => undefined,
      onEnd: () => {
        ended = true;
      },
    }));
    await this.quiet();
    return { connection: await connecting, ended: () => ended };
  }
}

async function connect(world: World, from: Host, to: NodeId, address: Host["address"]): Promise<void> {
  const connecting = from.peers.connect(to, address);
  await world.quiet();
  await connecting;
  await world.quiet();
}

describe("peers that we dial", () => {
  it("[B2-4] are dialled again when the connection is lost, at once less often and never after the end", async () => {
    const world = new World();
    const [one, two] = [await world.host(1), await world.host(2)];
    await connect(world, one, idOf(2), two.address);
    expect(one.ready(idOf(2))).toBe(true);
    world.network.drop(idOf(1), idOf(2));
    await world.quiet();
    expect(one.ready(idOf(2))).toBe(false);
    await world.advance(1_000);
    expect(one.ready(idOf(2))).toBe(true);
    await Promise.all([two.peers.stop(), world.quiet()]);
    await world.advance(600_000);
    // 250 ms, doubled up to 30 s: some 25 attempts in ten minutes.
    const attempts = one.troubles().length;
    expect(attempts).toBeGreaterThan(20);
    expect(attempts).toBeLessThan(30);
    await Promise.all([one.peers.stop(), world.quiet()]);
    await world.advance(600_000);
    expect(one.troubles()).toHaveLength(attempts);
    expect(world.halts).toEqual([]);
  });

  it("are dialled again even where a commit takes longer than the pause", async () => {
    const world = new World();
    const [one, two] = [await world.host(1), await world.host(2)];
    await connect(world, one, idOf(2), two.address);
    const release = await one.startCommit(world);
    world.network.drop(idOf(1), idOf(2));
    await world.quiet();
    await world.advance(5_000);
    await release();
    await world.advance(2_000);
    expect(one.ready(idOf(2))).toBe(true);
  });

  it("and that dial us too, end up with one connection", async () => {
    for (const first of [0, 2, 3]) {
      const world = new World();
      const [one, two] = [await world.host(1), await world.host(first)];
      await connect(world, one, idOf(first), two.address);
      world.network.drop(idOf(1), idOf(first));
      await world.quiet();
      await connect(world, two, idOf(1), one.address);
      await world.advance(5_000);
      // Both lose it, and both dial, again and again.
      for (let n = 0; n < 5; n++) {
        world.network.drop(idOf(1), idOf(first));
        await world.advance(5_000);
        expect([one.ready(idOf(first)), two.ready(idOf(1))]).toEqual([true, true]);
      }
      const connected = one.events.filter(({ type }) => type === "peer_connected").length;
      await world.advance(60_000);
      expect(one.events.filter(({ type }) => type === "peer_connected")).toHaveLength(connected);
    }
  });

  it("connecting to who is connected does nothing, and what can't be reached is told", async () => {
    const world = new World();
    const [one, two] = [await world.host(1), await world.host(2)];
    await connect(world, one, idOf(2), two.address);
    await connect(world, one, idOf(2), two.address);
    expect(one.events.filter(({ type }) => type === "peer_connected")).toHaveLength(1);
    const nobody = one.peers.connect(idOf(3), { host: "nowhere", port: 1 });
    const refused = expect(nobody).rejects.toMatchObject({ code: "refused" });
    await world.quiet();
    await refused;
    await world.advance(60_000);
    expect(one.troubles()).toEqual([]);
  });
});

describe("strangers", () => {
  it("who only connect leave nothing: no row, no session, no index", async () => {
    const world = new World();
    const one = await world.host(1);
    for (let n = 100; n < 130; n++) {
      const { connection } = await world.stranger(n, one);
      expect(one.peers.session(idOf(n))?.peer.index).toBe(0);
      connection.close();
      await world.quiet();
    }
    expect(one.peers.all()).toEqual([]);
    expect(await one.store.sequence()).toBe(0);
  });

  it("are 256 at most: one more, and the oldest goes; who has a channel stays", async () => {
    const world = new World();
    const one = await world.host(1);
    const friend = await world.stranger(200, one);
    one.withChannel.add(idOf(200));
    const strangers = [];
    for (let n = 1_000; n < 1_260; n++) strangers.push(await world.stranger(n, one));
    expect(strangers.findIndex(({ ended }) => !ended())).toBe(4);
    expect(strangers.slice(4).filter(({ ended }) => ended())).toEqual([]);
    expect(friend.ended()).toBe(false);
    expect(one.peers.all()).toHaveLength(257);
  });

  it("have one connection each: the newest", async () => {
    const world = new World();
    const one = await world.host(1);
    const connections = [];
    for (let n = 0; n < 20; n++) connections.push(await world.stranger(7, one));
    expect(connections.filter(({ ended }) => !ended())).toEqual(connections.slice(-1));
    expect(one.peers.all()).toHaveLength(1);
  });

  it("who send more than can be processed are cut off", async () => {
    const world = new World();
    const one = await world.host(1);
    const two = await world.host(2);
    await connect(world, one, idOf(2), two.address);
    const { connection, ended } = await world.stranger(7, one);
    const release = await one.startCommit(world);
    for (let n = 0; n < 40; n++) connection.send(new Uint8Array(60_000).fill(0xff));
    await world.quiet();
    expect(ended()).toBe(true);
    expect(one.troubles()).toEqual([expect.stringContaining("1084608 bytes")]);
    await release();
    expect(one.ready(idOf(2))).toBe(true);
  });

  it("of the last life are forgotten at the start, and their indexes used again", async () => {
    const world = new World();
    const one = await world.host(1);
    const row = (index: number) => ({ index, nodeId: idOf(50 + index), address: undefined });
    for (const index of [0, 1, 2]) one.peers.adopt(row(index), undefined, []);
    one.withChannel.add(idOf(51));
    one.peers.start();
    expect(one.peers.all().map(({ peer }) => peer.index)).toEqual([1]);
    const indexes = [];
    for (const n of [101, 102, 103]) {
      await world.stranger(n, one);
      indexes.push(one.peers.session(idOf(n))?.peer.index);
    }
    expect(indexes).toEqual([0, 2, 3]);
  });
});

describe("connecting to a peer that breaks a rule before it has authenticated", () => {
  it("rejects with what was wrong, and does not wait for ever", async () => {
    const world = new SimulatedWorld({ nodes: ["alice", "bob"] });
    const [alice, bob] = [world.node("alice"), world.node("bob")];
    // Something that is no authenticate: a counted packet of an unknown kind.
    bob.tap = { sending: () => [Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 3)] };
    await world.start();
    const refused = expect(world.outcome(alice.node.connect(bob.nodeId, bob.address))).rejects;
    await refused.toMatchObject({ name: "TransportError", code: "handshake_failed" });
    await world.stop();
  });
});
