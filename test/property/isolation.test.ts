// What goes wrong inside of one channel: the others, and what the chain owes to that one, go on.
import { beforeEach, describe, expect, it, vi } from "vitest";
import {
  equalBytes,
  InvariantBroken,
  type Msat,
  type NodeId,
  type PaymentHash,
  type Satoshi,
} from "../../src/core/base/index.ts";
import { keyPaths, seedSigner } from "../../src/core/crypto/index.ts";
import { newestCommitment } from "../../src/core/payment-channel/force-close.ts";
import { type ChannelRows, type Input, load, ownRevocationHash } from "../../src/core/payment-channel/index.ts";
import type { ChannelState } from "../../src/core/payment-channel/state.ts";
import type { NodeEvent } from "../../src/node/events.ts";
import { type StoredNode, StoreError } from "../../src/ports/store.ts";
import { NodeNetwork, type TestNode } from "../support/node-network.ts";

/** Decides whether the code of a channel throws. The step of an opening has no state yet. */
type Fault = (what: Input["type"] | "begin" | "accept" | "broadcasts", state: ChannelState | undefined) => boolean;
const bug: { strikes: Fault } = vi.hoisted(() => ({ strikes: () => false }));

function strike(what: Parameters<Fault>[0], state: ChannelState | undefined): void {
  if (bug.strikes(what, state)) throw new InvariantBroken(`a planned bug in ${what}`);
}

vi.mock("../../src/core/crypto/signer.ts", async (original) =>
  (await import("../support/signers-once.ts")).signersOnce(original),
);
vi.mock("../../src/core/payment-channel/step.ts", async (original) => {
  const real = (await original()) as typeof import("../../src/core/payment-channel/step.ts");
  const step: typeof real.step = (state, input, context) => {
    strike(input.type, state);
    return real.step(state, input, context);
  };
  return { ...real, step };
});
vi.mock("../../src/core/payment-channel/opening.ts", async (original) => {
  const real = (await original()) as typeof import("../../src/core/payment-channel/opening.ts");
  const begin: typeof real.begin = (request, context) => {
    strike("begin", undefined);
    return real.begin(request, context);
  };
  const accept: typeof real.accept = (...parameters) => {
    strike("accept", undefined);
    return real.accept(...parameters);
  };
  return { ...real, begin, accept };
});
vi.mock("../../src/core/payment-channel/force-close.ts", async (original) => {
  const real = (await original()) as typeof import("../../src/core/payment-channel/force-close.ts");
  const lastWord: typeof real.lastWord = (state, context) => {
    strike("broadcasts", state);
    return real.lastWord(state, context);
  };
  return { ...real, lastWord };
});

vi.setConfig({ testTimeout: 60_000 });

beforeEach(() => {
  bug.strikes = () => false;
});

const DELAY = 20;
const EXPIRY = 60;
const AMOUNT_SAT = 1_000_000n as Satoshi;

type Damage = (stored: StoredNode) => StoredNode;

/** Alice with two channels to Bob and one to Carol, numbered 0, 1 and 2. */
class Three {
  damage: Damage = (stored) => stored;
  /** Reads of the rows of a revoked commitment that fail, by channel. */
  unreadable = new Map<number, { readonly error: StoreError; left: number }>();
  /** Of each backup of Alice's, whether it has all her channels. */
  readonly backups: boolean[] = [];
  readonly world: NodeNetwork = new NodeNetwork(["alice", "bob", "carol"], {
    policy: () => ({ delay: DELAY }),
    backups: true,
    onBackup: (isWhole, { name }) => name === "alice" && this.backups.push(isWhole),
    store: (store, { name }) => ({
      ...store,
      load: async () => (name === "alice" ? this.damage(await store.load()) : store.load()),
      published: (channel, number) => {
        const fault = name === "alice" ? this.unreadable.get(channel) : undefined;
        if (fault === undefined || fault.left-- <= 0) return store.published(channel, number);
        return Promise.reject(fault.error);
      },
    }),
  });
  readonly alice = this.named("alice");
  readonly bob = this.named("bob");
  readonly carol = this.named("carol");
  private payments = 0;

  private named(name: string): TestNode {
    const node = this.world.nodes.find((one) => one.name === name);
    if (node === undefined) throw new Error(name);
    return node;
  }

  async open(): Promise<this> {
    const { world, alice, bob, carol } = this;
    for (const node of [alice, bob, carol]) await node.start();
    await world.fund(alice, 1_100_000n, 3);
    for (const node of [bob, carol]) await world.outcome(alice.node.connect(node.nodeId, node.address));
    for (const peer of [bob, bob, carol]) {
      const request = { amountSat: AMOUNT_SAT, pushMsat: 400_000_000n as Msat };
      const opened = await world.outcome(alice.node.openChannel(peer.nodeId, request));
      if (!opened.ok) throw new Error(opened.error.type);
    }
    await this.mine(8);
    expect(alice.node.channels().map(({ stage }) => stage)).toEqual(["open", "open", "open"]);
    return this;
  }

  async mine(blocks: number): Promise<void> {
    for (let n = 0; n < blocks; n++) {
      this.world.chain.mine(1);
      await this.world.advance(1_000);
    }
  }

  /** The channel of Alice's, as its peer numbers it. */
  other(channel: number): number {
    return channel === 2 ? 0 : channel;
  }

  peerOf(channel: number): TestNode {
    return channel === 2 ? this.carol : this.bob;
  }

  /** A payment; where it `waits`, nobody hears of it yet. Returns its id, or how it was refused. */
  async pay(channel: number, from: "alice" | "peer", waits = false): Promise<string> {
    const payer = from === "alice" ? this.alice : this.peerOf(channel);
    const payee = from === "alice" ? this.peerOf(channel) : this.alice;
    const making = payee.node.createInvoice({});
    await this.world.clock.run();
    const made = await making;
    if (!made.ok) throw new Error(made.error.type);
    const { paymentHash } = made.value;
    const id = `${payer.name} ${++this.payments}`;
    const amountMsat = 10_000_000n as Msat;
    const expiry = this.world.chain.tip.height + EXPIRY;
    const number = from === "alice" ? channel : this.other(channel);
    const paying = payer.node.pay(number, { id, paymentHash, amountMsat, expiry });
    if (waits) await this.world.clock.run();
    else await this.world.quiet();
    const paid = await paying;
    return paid.ok ? id : paid.error.type;
  }

  async expectPays(channel: number): Promise<void> {
    for (const from of ["alice", "peer"] as const) {
      const payer = from === "alice" ? this.alice : this.peerOf(channel);
      const id = await this.pay(channel, from);
      expect((await payer.node.payment(id))?.state, `channel ${channel}, ${id}`).toBe("succeeded");
    }
  }

  /** That channels pay both ways, close alone and together, and that what is theirs comes to Alice. */
  async expectOthersWork(channels: readonly number[]): Promise<void> {
    for (const channel of channels) await this.expectPays(channel);
    const [first, ...rest] = channels;
    if (first === undefined) return;
    await this.world.outcome(this.alice.node.failChannel(first));
    for (const channel of rest) await this.world.outcome(this.alice.node.closeChannel(channel));
    await this.mine(DELAY + 12);
    expect(channels.map((channel) => this.alice.node.channel(channel)?.stage)).toEqual(channels.map(() => "closed"));
  }

  private context(name: "alice" | "bob" | "carol") {
    return { signer: seedSigner(this.world.node(name).seed, 1), keys: keyPaths(1) };
  }

  /** The peer's commitment of this moment. */
  async commitmentOf(channel: number): Promise<Uint8Array> {
    const peer = this.peerOf(channel);
    const rows = (await peer.store.load()).channels[this.other(channel)];
    const context = this.context(peer === this.bob ? "bob" : "carol");
    if (rows === undefined) throw new Error("the peer has the channel");
    const state = load(rows, 0, (number) => ownRevocationHash(context, rows.channel.index, number));
    const raw = newestCommitment(state, context);
    if (raw === undefined) throw new Error("Alice has signed it");
    return raw;
  }

  /** Has the code of Alice's channel throw at these inputs. */
  breakChannel(channel: number, ...whats: readonly Parameters<Fault>[0][]): void {
    const peer = this.peerOf(channel).nodeId;
    bug.strikes = (what, state) =>
      whats.includes(what) && state?.channel.index === channel && equalBytes(state.channel.peer, peer);
  }

  told<T extends NodeEvent["type"]>(type: T): Extract<NodeEvent, { type: T }>[] {
    return this.alice.events.filter((event): event is Extract<NodeEvent, { type: T }> => event.type === type);
  }

  async restart(): Promise<void> {
    this.alice.crash();
    await this.alice.start();
    for (const node of [this.bob, this.carol]) {
      await this.world.outcome(this.alice.node.connect(node.nodeId, node.address));
    }
  }

  /** Alice and the rest are as alive as at first, and nobody halted. */
  async end(): Promise<void> {
    for (const { events } of [this.alice, this.bob, this.carol]) {
      expect(events.filter(({ type }) => type === "halted")).toEqual([]);
    }
    await this.world.stop();
  }
}

async function isSettled({ node }: TestNode, paymentHash: PaymentHash | undefined): Promise<boolean> {
  const invoice = paymentHash && (await node.invoice(paymentHash));
  return invoice?.state === "settled";
}

describe("a bug in the updates of one channel", () => {
  it.each([
    ["its peer's messages", "packet"],
    ["payments over it", "offer"],
    ["what a batch ends with", "commit"],
    ["a reconnect", "peer_ready"],
  ] as const)(
    "[B2-13] leaves the others working, and goes to the chain in time for what it holds: %s",
    async (_, what) => {
      const three = await new Three().open();
      const { alice, world } = three;
      const standing = await three.pay(0, "alice", true);
      const owed = alice.node.channel(0)?.localMsat ?? 0n;
      three.breakChannel(0, what);
      if (what === "peer_ready") await three.restart();
      else if (what === "offer") expect(await three.pay(0, "alice", true)).toBe("frozen");
      else if (what === "packet") await world.quiet();
      else await three.pay(0, "alice");
      expect(three.told("channel_frozen")).toMatchObject([{ channel: 0, problem: `a planned bug in ${what}` }]);
      expect(alice.node.channel(0)).toMatchObject({ stage: "open", failure: `a planned bug in ${what}` });
      // It is no better after another start.
      await three.restart();
      expect(await three.pay(0, "alice")).toBe("frozen");
      await three.expectOthersWork([1, 2]);
      const before = alice.node.balance().confirmedSat;
      await three.mine(EXPIRY + DELAY + 12);
      // At Alice's deadline or at Bob's, for the HTLC that can't be settled any more.
      const failure = three.told("channel_stage").find(({ channel, stage }) => channel === 0 && stage === "failed");
      expect(failure?.failure).toMatch(/B2-16|B2-36/);
      expect(alice.node.channel(0)?.stage).toBe("closed");
      const ended = await alice.node.payment(standing);
      expect(ended?.state).toBe((await isSettled(three.bob, ended?.paymentHash)) ? "succeeded" : "failed");
      expect(alice.node.balance().confirmedSat).toBeGreaterThan(before + owed / 1000n - 20_000n);
      expect(world.chain.tip.height).toBe(alice.node.height);
      await three.end();
    },
  );

  it("[B2-37] leaves the punishment of its peer running", async () => {
    const three = await new Three().open();
    const { alice, world } = three;
    const revoked = await three.commitmentOf(0);
    await three.expectPays(0);
    three.breakChannel(0, "packet", "commit", "offer");
    await three.pay(0, "peer");
    expect(three.told("channel_frozen")).toHaveLength(1);
    const before = alice.node.balance().confirmedSat;
    expect(world.chain.submit(revoked).type).toBe("admitted");
    await three.mine(10);
    expect(alice.node.channel(0)?.stage).toBe("closed");
    expect(alice.node.balance().confirmedSat).toBeGreaterThan(before + AMOUNT_SAT - 20_000n);
    await three.expectOthersWork([1, 2]);
    await three.end();
  });
});

describe("a bug in what one channel does about the chain", () => {
  it.each(["block", "defend", "anchor_spent", "funding_confirmed"] as const)(
    "[LW-4] leaves the blocks to the others, and their defence: %s",
    async (what) => {
      const three = await new Three().open();
      const { alice, world } = three;
      const revoked = await three.commitmentOf(2);
      await three.expectPays(2);
      three.breakChannel(0, what);
      if (what === "anchor_spent") await world.outcome(three.bob.node.failChannel(0));
      if (what === "funding_confirmed") {
        world.chain.invalidate(world.chain.blockAt(world.chain.tip.height - 7) ?? world.chain.tip);
        await three.mine(9);
      }
      await three.mine(1);
      expect(three.told("channel_frozen")).toMatchObject([{ channel: 0, problem: `a planned bug in ${what}` }]);
      const before = alice.node.balance().confirmedSat;
      world.chain.submit(revoked);
      await three.mine(10);
      expect(alice.node.channel(2)?.stage).toBe("closed");
      expect(alice.node.balance().confirmedSat).toBeGreaterThan(before + AMOUNT_SAT - 20_000n);
      expect(alice.node.height).toBe(world.chain.tip.height);
      await three.restart();
      await three.expectOthersWork([1]);
      await three.end();
    },
  );

  it("[LW-4] leaves the others' transactions to be given again, at a start too", async () => {
    const three = await new Three().open();
    const { alice, world } = three;
    three.breakChannel(0, "broadcasts");
    // Two commitments that the network forgets.
    for (const channel of [0, 1]) await world.outcome(alice.node.failChannel(channel));
    world.chain.mine(1, { transactions: [] });
    await world.quiet();
    await three.restart();
    expect(three.told("trouble").map(({ problem }) => problem)).toContainEqual(
      expect.stringContaining("nothing is broadcast for channel 0: a planned bug in broadcasts"),
    );
    await three.mine(DELAY + 12);
    expect(alice.node.channel(1)?.stage).toBe("closed");
    await three.expectOthersWork([2]);
    await three.end();
  });

  it("[B2-37] leaves the punishment of another peer running where the rows of one can't be read for good", async () => {
    const three = await new Three().open();
    const { alice, world } = three;
    const revoked = [await three.commitmentOf(0), await three.commitmentOf(2)];
    for (const channel of [0, 2]) await three.expectPays(channel);
    three.unreadable.set(0, { error: new StoreError("corrupt", "a planned fault", "refused"), left: 1 });
    const before = alice.node.balance().confirmedSat;
    for (const raw of revoked) expect(world.chain.submit(raw).type).toBe("admitted");
    await three.mine(10);
    expect(three.told("trouble").map(({ problem }) => problem)).toContainEqual(
      expect.stringContaining("what channel 0 has of its revoked commitment 0 can't be read: a planned fault"),
    );
    // The slots alone punish the to-self, and that is all that there was.
    expect([0, 2].map((channel) => alice.node.channel(channel)?.stage)).toEqual(["closed", "closed"]);
    expect(alice.node.balance().confirmedSat).toBeGreaterThan(before + 2n * AMOUNT_SAT - 40_000n);
    await three.end();
  });

  it("[B2-37] does not hold up the chain for ever for a disk that does not give the rows", async () => {
    const three = await new Three().open();
    const { alice, world } = three;
    const revoked = await three.commitmentOf(0);
    await three.expectPays(0);
    three.unreadable.set(0, { error: new StoreError("io", "a planned fault", "refused"), left: 1_000_000 });
    world.chain.submit(revoked);
    for (let n = 0; n < 10; n++) {
      world.chain.mine(1);
      await world.advance(60_000);
    }
    await three.mine(8);
    expect(alice.node.height).toBe(world.chain.tip.height);
    expect(alice.node.channel(0)?.stage).toBe("closed");
    await three.end();
  });
});

describe("a bug in an opening", () => {
  it("[B2-13] refuses that one channel, on either side", async () => {
    const three = await new Three().open();
    const { alice, bob, world } = three;
    await world.fund(alice, 2_000_000n, 1);
    bug.strikes = (what) => what === "begin";
    const request = { amountSat: AMOUNT_SAT };
    const begun = await world.outcome(alice.node.openChannel(bob.nodeId, request));
    expect(begun).toMatchObject({ ok: false, error: { type: "frozen", detail: "a planned bug in begin" } });
    bug.strikes = (what) => what === "accept";
    const asked = await world.outcome(alice.node.openChannel(bob.nodeId, request));
    expect(asked.ok).toBe(true);
    expect(alice.node.channel(3)?.stage).toBe("abandoned");
    bug.strikes = () => false;
    await three.expectOthersWork([0, 1, 2]);
    await three.end();
  });
});

describe("damaged rows of one channel", () => {
  const without =
    (channel: number) =>
    ({ channels, ...stored }: StoredNode) => ({
      ...stored,
      channels: channels.filter((rows) => rows.channel.index !== channel),
      records: stored.records.filter((record) => record.channel !== channel),
    });
  /** The store finds that it can't read it, or gives what the channel can't be. */
  const ways: readonly (readonly [string, Damage])[] = [
    [
      "which the store can't read",
      (stored) => {
        const rows = stored.channels.find((one) => one.channel.index === 0);
        const problem = "column stage does not hold a known word";
        const damaged = { channel: 0, channelId: rows?.id, peer: rows?.channel.peer, stale: false, problem };
        return { ...without(0)(stored), damaged: [damaged] };
      },
    ],
    [
      "which fit together in no way",
      (stored) => ({
        ...stored,
        channels: stored.channels.map((rows) =>
          rows.channel.index === 0 ? ({ ...rows, totals: undefined } as unknown as ChannelRows) : rows,
        ),
      }),
    ],
    [
      "whose peer is not known",
      (stored) => ({
        ...stored,
        channels: stored.channels.map((rows) =>
          rows.channel.index === 0
            ? { ...rows, channel: { ...rows.channel, peer: new Uint8Array(33).fill(2) as NodeId } }
            : rows,
        ),
      }),
    ],
  ];

  it.each(ways)("[LW-5] don't keep the node from starting and defending the others: rows %s", async (_, damage) => {
    const three = await new Three().open();
    const { alice, world } = three;
    const revoked = await three.commitmentOf(2);
    await three.expectPays(2);
    three.damage = damage;
    await three.restart();
    expect(three.told("channel_damaged")).toMatchObject([{ channel: 0, problem: expect.any(String) }]);
    expect(alice.node.damagedChannels()).toMatchObject([{ channel: 0 }]);
    expect(alice.node.channels().map(({ channel }) => channel)).toEqual([1, 2]);
    expect(await three.pay(0, "alice")).toBe("channel_damaged");
    expect(await world.outcome(alice.node.failChannel(0))).toMatchObject({ error: { type: "channel_damaged" } });
    world.chain.submit(revoked);
    await three.mine(10);
    expect(alice.node.channel(2)?.stage).toBe("closed");
    await three.expectOthersWork([1]);
    await three.end();
  });

  it("[B2-42] end that channel at its peer's next message, and what the peer's commitment pays to us arrives", async () => {
    const three = await new Three().open();
    const { alice, bob } = three;
    three.damage = ways[0]?.[1] ?? ((stored) => stored);
    await three.restart();
    // Nothing was said of it yet: it may be repaired.
    expect(bob.node.channel(0)?.stage).toBe("open");
    const before = alice.node.balance().confirmedSat;
    await three.pay(0, "peer");
    expect(bob.node.channel(0)).toMatchObject({
      stage: "failed",
      failure: expect.stringContaining("the data of the channel are damaged"),
    });
    await three.mine(2);
    expect(alice.node.balance().confirmedSat).toBeGreaterThan(before + 590_000n);
    await three.expectOthersWork([1, 2]);
    await three.end();
  });

  it("[LW-5] stand in the backup of before, which is not replaced by one without them", async () => {
    const three = await new Three().open();
    const { world, alice } = three;
    await world.advance(120_000);
    expect(new Set(three.backups)).toEqual(new Set([true]));
    three.backups.length = 0;
    three.damage = ways[0]?.[1] ?? ((stored) => stored);
    await three.restart();
    await three.expectPays(1);
    await world.advance(120_000);
    expect(new Set(three.backups)).toEqual(new Set([false]));
    expect(alice.node.damagedChannels()).toHaveLength(1);
    await three.end();
  });
});
