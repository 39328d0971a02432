import { describe, expect, it, vi } from "vitest";
import { CopyScene, near, PAID_MSAT } from "../../test/support/copy-scene.ts";
import type { TestNode } from "../../test/support/node-network.ts";
import { RuleScene } from "../../test/support/rule-scene.ts";
import type { Satoshi } from "../core/base/index.ts";
import { FIRST_REVOCATION_INDEX, lookupRevocation } from "../core/crypto/index.ts";

// Whole lives of channels on chain: hundreds of blocks each.
vi.setConfig({ testTimeout: 30_000 });

function stale(node: TestNode): boolean[] {
  return node.node.channels().map((channel) => channel.stale);
}

describe("a node that runs on an old copy", () => {
  it.each(["alice", "bob"] as const)(
    "[B2-43] is told so by its peer, broadcasts nothing, and gets its money (%s)",
    async (who) => {
      const scene = await new CopyScene().open();
      const { world, alice, bob } = scene;
      const [old, other] = who === "alice" ? [alice, bob] : [bob, alice];
      await scene.pay(alice, bob);
      const copy = old.store.copy();
      await scene.pay(alice, bob);
      await scene.pay(bob, alice);
      await scene.pay(alice, bob);
      const before = new Map([old, other].map((node) => [node, scene.confirmed(node)]));
      await scene.comeBack(old, copy);
      await scene.settle();
      await world.quiet();
      expect(old.node.channel(0)).toMatchObject({
        stage: "failed",
        stale: true,
        failure: "our data are older than the channel: the peer has to close it",
      });
      expect(old.events).toContainEqual(expect.objectContaining({ type: "channel_stale", channel: 0 }));
      expect(old.events.filter(({ type }) => type === "violation")).toEqual([]);
      expect(other.node.channel(0)).toMatchObject({ stage: "failed", stale: false });
      expect(await world.outcome(old.node.failChannel(0))).toMatchObject({
        ok: false,
        error: { type: "data_too_old" },
      });
      await scene.mine(260);
      expect(scene.broadcasts.get(old.name)).toEqual([]);
      // 600,000 less three payments and one back for Alice; the opening's fee is the initiator's.
      const share = { alice: 560_000n, bob: 440_000n };
      for (const node of [old, other]) {
        near(scene.confirmed(node) - (before.get(node) ?? 0n), share[node.name as "alice" | "bob"]);
      }
      expect(other.node.channel(0)?.stage).toBe("buried");
      // Kept, so that the node remembers that it is old.
      expect(old.node.channel(0)).toMatchObject({ stage: "closed", stale: true });
      await world.stop();
    },
  );

  it("says to whoever connects to its peer that there is no use in waiting", async () => {
    const scene = await new CopyScene().open();
    const { world, alice, bob } = scene;
    await scene.pay(alice, bob);
    const copy = alice.store.copy();
    await scene.pay(alice, bob);
    await scene.comeBack(alice, copy);
    await scene.settle();
    world.network.drop(alice.nodeId, bob.nodeId);
    await world.quiet();
    const refused = expect(world.outcome(alice.node.connect(bob.nodeId, bob.address))).rejects;
    await refused.toMatchObject({ name: "TransportError", code: "handshake_failed" });
    await world.stop();
  });

  it("puts every channel into recovery with the one that proves it, with other peers too, and opens no other", async () => {
    const scene = await new CopyScene().open(2, 1);
    const { world, alice, bob, carol } = scene;
    for (const channel of [0, 1]) await scene.pay(alice, bob, channel);
    await scene.pay(alice, carol, 2);
    const copy = alice.store.copy();
    // Of the three, one goes on.
    await scene.pay(alice, bob, 1);
    await scene.comeBack(alice, copy);
    await scene.settle();
    expect(stale(alice)).toEqual([true, true, true]);
    expect([...bob.node.channels(), ...carol.node.channels()].map(({ stage }) => stage)).toEqual(
      Array(3).fill("failed"),
    );
    const request = { amountSat: 100_000n as Satoshi };
    const opened = await world.outcome(alice.node.openChannel(bob.nodeId, request));
    expect(opened).toMatchObject({ ok: false, error: { type: "data_too_old" } });
    await scene.mine(120);
    expect(scene.broadcasts.get("alice")).toEqual([]);
    near(scene.confirmed(alice), 3n * 600_000n - 80_000n + 3n * 100_000n);
    // Over a restart, and when all is buried.
    alice.crash();
    await alice.start();
    expect(stale(alice)).toEqual([true, true, true]);
    expect((await world.outcome(alice.node.openChannel(bob.nodeId, request))).ok).toBe(false);
    await world.stop();
  });

  it("learns it from the chain where the peer hides, and takes what is to-other", async () => {
    const scene = await new CopyScene().open(2);
    const { world, alice, bob } = scene;
    await scene.pay(alice, bob);
    const copy = alice.store.copy();
    await scene.pay(alice, bob);
    alice.crash();
    await world.quiet();
    expect((await world.outcome(bob.node.failChannel(0))).ok).toBe(true);
    bob.crash();
    const before = 100_000n;
    alice.store = copy;
    scene.broadcasts.set("alice", []);
    await alice.start();
    await scene.mine(8);
    await scene.settle();
    expect(alice.node.channel(0)).toMatchObject({ stage: "closed", stale: true });
    // The other channel's newest commitment may be revoked as well.
    expect(stale(alice)).toEqual([true, true]);
    await scene.mine(20);
    expect(scene.broadcasts.get("alice")).toEqual([]);
    near(scene.confirmed(alice), 560_000n + 2n * before);
    await world.stop();
  });

  it("says of a payment that its data don't see the end of that nobody knows, once that is so", async () => {
    const scene = await new CopyScene().open();
    const { world, alice, bob } = scene;
    const invoice = await world.outcome(bob.node.createInvoice({}));
    if (!invoice.ok) throw new Error(invoice.error.type);
    const request = { id: "gone", paymentHash: invoice.value.paymentHash, amountMsat: PAID_MSAT };
    alice.node.pay(0, request).catch(() => undefined);
    await world.clock.run();
    const copy = alice.store.copy();
    await world.quiet();
    await scene.pay(alice, bob);
    expect((await alice.node.payment("gone"))?.state).toBe("succeeded");
    await scene.comeBack(alice, copy);
    await scene.settle();
    await scene.mine(230);
    expect(alice.node.channel(0)).toMatchObject({ stage: "closed", stale: true });
    // The HTLC has not expired: its preimage might still show somewhere.
    expect((await alice.node.payment("gone"))?.state).toBe("pending");
    await scene.mine(20);
    expect(await alice.node.payment("gone")).toMatchObject({
      state: "unknown",
      failure: expect.stringContaining("older"),
    });
    expect(alice.events.filter(({ type }) => type === "payment_ended").at(-1)).toMatchObject({ state: "unknown" });
    alice.crash();
    await alice.start();
    expect((await alice.node.payment("gone"))?.state).toBe("unknown");
    await world.stop();
  });

  it("gets what a peer pays to a channel that its data know nothing of, and has its coins for an opening back", async () => {
    const scene = await new CopyScene().open();
    const { world, alice, bob } = scene;
    // An opening that never goes on, and one that the copy has not seen at all.
    const lost = alice.node.openChannel(bob.nodeId, { amountSat: 50_000n as Satoshi });
    await world.clock.run();
    const copy = alice.store.copy();
    await world.outcome(lost);
    await scene.mine(6);
    await world.fund(alice, 600_000n, 1);
    const younger = await world.outcome(alice.node.openChannel(bob.nodeId, { amountSat: 500_000n as Satoshi }));
    expect(younger).toMatchObject({ ok: true, value: 2 });
    await scene.mine(6);
    await scene.pay(alice, bob);
    await scene.comeBack(alice, copy);
    await scene.settle();
    expect(bob.node.channels().map(({ stage }) => stage)).toEqual(["failed", "failed", "failed"]);
    await scene.mine(20);
    expect(scene.broadcasts.get("alice")).toEqual([]);
    expect(alice.node.balance().reservedSat).toBe(0n);
    // Change, the rest of each channel, and what was funded later.
    near(scene.confirmed(alice), 1_100_000n + 600_000n - 400_000n - 20_000n);
    await world.stop();
  });

  it("waits a minute for its peer before a deadline makes it broadcast, and no longer", async () => {
    const scene = await new CopyScene().open();
    const { world, alice, bob } = scene;
    const held = await world.outcome(bob.node.createInvoice({}));
    if (!held.ok) throw new Error(held.error.type);
    // The add arrives, and what follows doesn't.
    const offered = alice.node.pay(0, { id: "held", paymentHash: held.value.paymentHash, amountMsat: PAID_MSAT });
    await world.clock.run();
    bob.crash();
    await world.outcome(offered);
    const { expiry } = alice.node.channel(0)?.liveHtlcs[0] ?? { expiry: 0 };
    alice.crash();
    world.chain.mine(expiry + 3 - world.chain.tip.height);
    scene.broadcasts.set("alice", []);
    await alice.start();
    await world.quiet();
    expect(alice.node.channel(0)?.stage).toBe("open");
    expect(scene.broadcasts.get("alice")).toEqual([]);
    await world.advance(61_000);
    expect(alice.node.channel(0)?.stage).toBe("failed");
    expect(scene.broadcasts.get("alice")).toHaveLength(1);
    await world.stop();
  });
});

describe("a peer that would have a node believe that it is old", () => {
  /** A scene, and what its peer has of the node: the number and preimage of the commitment that it revoked last. */
  async function reconnecting() {
    const scene = await new RuleScene().start();
    const { state } = scene.victim;
    const { localCommitment } = scene.summary(scene.victim);
    const preimage = lookupRevocation(state.revocationSlots, FIRST_REVOCATION_INDEX - BigInt(localCommitment - 1));
    if (preimage === undefined) throw new Error("the node has revoked a commitment");
    await scene.hangUp();
    await scene.connect({ silent: true });
    const show = (number: bigint, shown = preimage) => [
      { channelId: state.id, commitmentNumber: 9n, lastRevocationPreimage: shown, lastRevokedNumber: number },
    ];
    return { scene, show, newest: BigInt(localCommitment), bystander: scene.bystander.state.id };
  }

  it.each([
    ["what it has, as it is right", (newest: bigint) => newest - 1n, undefined],
    ["the preimage before, for the newest", (newest: bigint) => newest, undefined],
    ["another one", (newest: bigint) => newest, new Uint8Array(32).fill(7)],
    ["the highest number", () => 2n ** 64n - 1n, undefined],
  ] as const)("freezes nothing by showing %s", async (_, number, preimage) => {
    const { scene, show, newest } = await reconnecting();
    scene.peer.authenticate({ channels: show(number(newest), preimage) });
    await scene.world.quiet();
    expect(scene.stages()).toEqual(["open", "open"]);
    expect(scene.test.node.channels().map(({ stale }) => stale)).toEqual([false, false]);
    await scene.stop();
  });

  it("shows a preimage of another channel in vain", async () => {
    const { scene, show, newest, bystander } = await reconnecting();
    scene.peer.authenticate({ channels: show(newest - 1n).map((one) => ({ ...one, channelId: bystander })) });
    await scene.world.quiet();
    expect(scene.stages()).toEqual(["open", "open"]);
    await scene.stop();
  });

  it.each(["acknowledge", "digest"] as const)(
    "[B2-5] [B2-6] has its channels failed, and our newest commitments broadcast, for a wrong %s without proof",
    async (lie) => {
      const { scene, show, newest } = await reconnecting();
      const wrong = lie === "acknowledge" ? { acknowledge: scene.peer.received + 50 } : { digest: new Uint8Array(32) };
      scene.peer.authenticate({ ...wrong, channels: show(newest) });
      await scene.world.quiet();
      expect(scene.violations()).toHaveLength(1);
      expect(scene.stages()).toEqual(["failed", "failed"]);
      expect(scene.test.node.channels().map(({ stale }) => stale)).toEqual([false, false]);
      expect(scene.world.chain.waiting()).toHaveLength(2);
      await scene.stop();
    },
  );

  it("that has lost its data says a lower acknowledge than we forgot: our newest commitments are broadcast", async () => {
    const { scene } = await reconnecting();
    scene.peer.authenticate({ acknowledge: 0, digest: new Uint8Array(32) });
    await scene.world.quiet();
    expect(scene.stages()).toEqual(["failed", "failed"]);
    expect(scene.world.chain.waiting()).toHaveLength(2);
    await scene.stop();
  });
});
