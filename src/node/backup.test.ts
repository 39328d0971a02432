import { describe, expect, it, vi } from "vitest";
import { CopyScene, near } from "../../test/support/copy-scene.ts";
import type { TestNode } from "../../test/support/node-network.ts";
import { type MemoryStore, memoryStore } from "../adapters/store-memory/index.ts";
import { systemRandom } from "../adapters/system/index.ts";
import { concatBytes, type Satoshi } from "../core/base/index.ts";
import { type Backup, openBackup, sealBackup, takeBackup } from "./backup.ts";
import { restoreInto } from "./restore.ts";

// Whole lives of channels on chain: hundreds of blocks each.
vi.setConfig({ testTimeout: 30_000 });

const SEED = new Uint8Array(64).fill(5);

function opened(node: TestNode): Backup {
  const { backup } = node;
  if (backup === undefined) throw new Error(`${node.name} has no backup`);
  const found = openBackup(backup, node.seed);
  if (!found.ok) throw new Error(found.error.type);
  return found.value;
}

async function restored(backup: Backup): Promise<MemoryStore> {
  const store = memoryStore();
  expect((await restoreInto(store, backup)).ok).toBe(true);
  return store;
}

/** A scene with payments both ways, and Alice's newest backup. */
async function backedUp() {
  const scene = await new CopyScene().open();
  for (let n = 0; n < 3; n++) await scene.pay(scene.alice, scene.bob);
  await scene.pay(scene.bob, scene.alice);
  await scene.settle();
  return { scene, backup: opened(scene.alice) };
}

describe("the bytes of a backup", () => {
  it("hold what they were made of, and open with the seed alone", async () => {
    const { scene, backup } = await backedUp();
    const bytes = await sealBackup(backup, SEED, systemRandom());
    expect(openBackup(bytes, SEED)).toEqual({ ok: true, value: backup });
    expect(Buffer.from(bytes).includes("funding")).toBe(false);
    const wrong = openBackup(bytes, new Uint8Array(64).fill(6));
    expect(wrong).toEqual({ ok: false, error: { type: "backup_of_another_seed" } });
    await scene.world.stop();
  });

  it("are refused with one bit changed, cut off or too long, wherever", async () => {
    const { scene, backup } = await backedUp();
    const bytes = await sealBackup(backup, SEED, systemRandom());
    const types = new Set<string>();
    for (let at = 0; at < bytes.length; at += at < 60 ? 1 : 997) {
      const changed = bytes.slice();
      changed[at] = (changed[at] ?? 0) ^ 1;
      for (const one of [changed, bytes.slice(0, at), concatBytes(bytes, new Uint8Array(at + 1))]) {
        const found = openBackup(one, SEED);
        if (found.ok) throw new Error(`byte ${at} does not count`);
        types.add(found.error.type);
      }
    }
    expect([...types].sort()).toEqual([
      "backup_damaged",
      "backup_length",
      "backup_of_another_seed",
      "backup_version",
      "not_a_backup",
    ]);
    await scene.world.stop();
  });
});

describe("a node's backup", () => {
  it("is made when a channel opens, a minute after a payment at the latest, and at the end", async () => {
    const scene = await new CopyScene().open();
    const { world, alice, bob } = scene;
    expect(opened(alice).channels.map(({ stage }) => stage.stage)).toEqual(["open"]);
    await scene.pay(alice, bob);
    const before = opened(alice).channels[0]?.commitments[0]?.number;
    await world.advance(60_000);
    const after = opened(alice).channels[0]?.commitments[0]?.number ?? 0;
    expect(after).toBeGreaterThan(before ?? 0);
    await scene.pay(alice, bob);
    await world.stop();
    expect(opened(alice).channels[0]?.commitments[0]?.number).toBeGreaterThan(after);
  });

  it("that can't be written is told of, and written when it can", async () => {
    const scene = await new CopyScene().open();
    const { world, alice, bob } = scene;
    const before = alice.backup;
    alice.backupFault = () => {
      throw new Error("the disk is full");
    };
    await scene.pay(alice, bob);
    await world.advance(60_000);
    expect(alice.events).toContainEqual({
      type: "trouble",
      problem: "the backup could not be written: the disk is full",
    });
    expect(alice.backup).toBe(before);
    alice.backupFault = undefined;
    await world.advance(60_000);
    expect(alice.backup).not.toBe(before);
    await world.stop();
  });

  it("[B2-37] has every revoked commitment with its HTLCs, as the store has them", async () => {
    const { scene, backup } = await backedUp();
    const { store } = scene.alice;
    const copy = await restored(backup);
    const newest = scene.alice.node.channel(0)?.remoteCommitment ?? 0;
    expect(newest).toBeGreaterThan(5);
    for (let number = 0; number <= newest; number++) {
      const known = await copy.published(0, number);
      expect(known).toEqual(await store.published(0, number));
      expect(known.commitments.length).toBeGreaterThan(0);
    }
    const again = await takeBackup(await copy.load(), copy, backup);
    expect(again.past).toEqual(backup.past);
    expect(again.channels.map(({ stage }) => stage)).toMatchObject([{ stage: "failed", stale: true, errorDue: true }]);
    await scene.world.stop();
  });
});

describe("a restored node", () => {
  it("has the coins free that were set aside for an opening", async () => {
    const scene = await new CopyScene().open(1);
    const { world, alice, bob } = scene;
    await world.fund(alice, 300_000n, 1);
    world.network.hold(bob.nodeId, alice.nodeId);
    const dual = { wishedContributionSat: 0n as Satoshi };
    alice.node.openChannel(bob.nodeId, { amountSat: 200_000n as Satoshi, dual }).catch(() => undefined);
    await world.quiet();
    expect(alice.node.balance().reservedSat).toBeGreaterThan(0n);
    const backup = await takeBackup(await alice.store.load(), alice.store, { network: "regtest", createdAt: 0 });
    world.network.release(bob.nodeId, alice.nodeId);
    await scene.comeBack(alice, await restored(backup));
    expect(alice.node.balance().reservedSat).toBe(0n);
    await world.stop();
  });

  it.each(["that was current", "from before some payments"])(
    "has its peer close, and gets its money (from a backup %s)",
    async (which) => {
      const { scene, backup } = await backedUp();
      const { world, alice, bob } = scene;
      if (which !== "that was current") {
        await scene.pay(alice, bob);
        await scene.pay(alice, bob);
      }
      await scene.comeBack(alice, await restored(backup));
      expect(alice.node.channel(0)).toMatchObject({ stage: "failed", stale: true });
      await scene.settle();
      expect(bob.node.channel(0)).toMatchObject({ stage: "failed", stale: false });
      await scene.mine(160);
      expect(scene.broadcasts.get("alice")).toEqual([]);
      const paid = which === "that was current" ? 40_000n : 80_000n;
      near(scene.confirmed(alice), 600_000n - paid + 100_000n);
      near(scene.confirmed(bob), 400_000n + paid);
      expect(alice.node.channel(0)).toMatchObject({ stage: "closed", stale: true });
      expect((await world.outcome(alice.node.openChannel(bob.nodeId, { amountSat: 100_000n as Satoshi }))).ok).toBe(
        false,
      );
      await world.stop();
    },
  );

  it.each(["all", "no"] as const)(
    "[B2-37] punishes a peer that publishes what it has revoked (%s rows of the past)",
    async (past) => {
      const scene = await new CopyScene().open();
      const { world, alice, bob } = scene;
      await scene.pay(bob, alice);
      const cheat = bob.store.copy();
      for (let n = 0; n < 3; n++) await scene.pay(alice, bob);
      await scene.settle();
      const backup = opened(alice);
      alice.crash();
      await scene.comeBack(bob, cheat);
      expect((await world.outcome(bob.node.failChannel(0))).ok).toBe(true);
      await scene.mine(1);
      alice.store = await restored(past === "all" ? backup : { ...backup, past: [] });
      await alice.start();
      await scene.mine(10);
      expect(alice.node.channel(0)).toMatchObject({ stage: "closed", stale: true });
      const spent = alice.events.find(({ type }) => type === "anchor_spent");
      expect(spent).toMatchObject({ kind: "revoked" });
      // Everything of the channel.
      near(scene.confirmed(alice), 1_000_000n + 100_000n);
      await scene.mine(200);
      expect(scene.confirmed(bob)).toBe(0n);
      await world.stop();
    },
  );
});
