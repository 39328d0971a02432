import { describe, expect, it } from "vitest";
import { type MemoryStore, memoryStore } from "../../src/adapters/store-memory/index.ts";
import { type PaymentHash, toHex } from "../../src/core/base/index.ts";
import { type Backup, openBackup, readBackup, takeBackup, writeBackup } from "../../src/node/backup.ts";
import { restoreInto } from "../../src/node/restore.ts";
import { CopyScene, near, PAID_MSAT } from "../support/copy-scene.ts";
import type { NodeNetwork, TestNode } from "../support/node-network.ts";
import { NodeSchedule } from "../support/node-schedule.ts";

/** What a node that dies now could have as its newest backup. */
async function backupOf({ store }: TestNode): Promise<Backup> {
  const backup = await takeBackup(await store.load(), store, { network: "regtest", createdAt: 0 });
  return readBackup(await writeBackup(backup));
}

async function restored(backup: Backup): Promise<MemoryStore> {
  const store = memoryStore();
  await restoreInto(store, backup);
  return store;
}

type UnderWay = { readonly id: string; readonly hash: PaymentHash; readonly payer: TestNode };

/** In an order of their own. */
function sorted<T>(rows: readonly T[]): T[] {
  const key = (row: T) =>
    JSON.stringify(row, (_, value) => {
      if (typeof value === "bigint") return `${value}`;
      return value instanceof Uint8Array ? toHex(value) : value;
    });
  return rows.toSorted((a, b) => (key(a) < key(b) ? -1 : 1));
}

/** The rows of a backup, without regard to the order of those that have none. */
function compared(backup: Backup): unknown {
  const { channels, peers, openInvoices, pendingPayments, coins, past, streams } = backup;
  return {
    ...backup,
    createdAt: 0,
    ...{ peers: sorted(peers), openInvoices: sorted(openInvoices) },
    ...{ pendingPayments: sorted(pendingPayments), coins: sorted(coins) },
    // What the peer has acknowledged is written with what comes next.
    streams: streams.map(({ peer, received, receivedDigest, sent }) => ({ peer, received, receivedDigest, sent })),
    channels: channels.map((rows) => ({
      ...rows,
      ...{ htlcs: sorted(rows.htlcs), revocationSlots: sorted(rows.revocationSlots) },
      ...{ revocationHashes: sorted(rows.revocationHashes), closeOffers: sorted(rows.closeOffers) },
      fees: [],
    })),
    past: {
      commitments: sorted(past.flatMap(({ commitments }) => commitments)),
      htlcs: sorted(past.flatMap(({ htlcs }) => htlcs)),
    },
  };
}

/** A payment each way is asked for, and no message is delivered yet. */
async function begun(scene: CopyScene): Promise<UnderWay[]> {
  const { alice, bob, world } = scene;
  const ways = [
    [alice, bob, "there"],
    [bob, alice, "back"],
  ] as const;
  const payments: UnderWay[] = [];
  for (const [payer, payee, id] of ways) {
    const invoice = await world.outcome(payee.node.createInvoice({}));
    if (!invoice.ok) throw new Error(invoice.error.type);
    payments.push({ id, hash: invoice.value.paymentHash, payer });
  }
  for (const { payer, id, hash } of payments) {
    payer.node.pay(0, { id, paymentHash: hash, amountMsat: PAID_MSAT }).catch(() => undefined);
  }
  await world.clock.run();
  return payments;
}

/** Delivers so many messages; false where there were fewer. */
async function delivered({ world }: CopyScene, messages: number): Promise<boolean> {
  for (let n = 0; n < messages; n++) {
    if (!world.network.deliverOne(n)) return false;
    await world.clock.run();
  }
  return true;
}

/** Runs `play` with a backup from after each so many messages of two payments, one each way. */
async function atEachMoment(prestage: boolean, every: number, play: (at: Moment) => Promise<void>): Promise<number> {
  for (let messages = prestage ? 1 : 0; ; messages += every) {
    const scene = await new CopyScene().open(1, 0, prestage);
    for (const node of [scene.alice, scene.bob]) for (let n = 0; n < 2; n++) await scene.pay(node, other(scene, node));
    const cheat = scene.bob.store.copy();
    const payments = await begun(scene);
    const more = await delivered(scene, messages);
    await play({ scene, payments, cheat, backup: await backupOf(scene.alice) });
    await scene.world.stop();
    if (!more) return messages;
  }
}

type Moment = {
  readonly scene: CopyScene;
  readonly payments: readonly UnderWay[];
  /** Bob's data before the two payments. */
  readonly cheat: MemoryStore;
  readonly backup: Backup;
};

function other({ alice, bob }: CopyScene, node: TestNode): TestNode {
  return node === alice ? bob : alice;
}

describe("a backup at a random moment", () => {
  it("has the rows that the store has, and so has what is restored from it", { timeout: 240_000 }, async () => {
    let standing = 0;
    for (let seed = 1; seed <= 3; seed++) {
      const schedule = new NodeSchedule(seed, ["alice", "bob"]);
      await schedule.begin();
      for (let n = 0; n < 100; n++) {
        await schedule.act();
        const node = schedule.world.nodes[n % 2];
        if (node !== undefined && n % 4 < 2) standing += await compareRows(schedule.world, node);
      }
      await schedule.world.stop();
    }
    expect(standing).toBeGreaterThan(20);
  });
});

/** Compares what a node's backup has with its store, and with what is restored; gives how many HTLCs it has. */
async function compareRows(world: NodeNetwork, { up, seed, store }: TestNode): Promise<number> {
  // A commit that was planned to fail may be the one that the backup waits for.
  const taking = up?.backup().catch(() => undefined);
  await world.clock.run();
  const bytes = await taking;
  if (bytes === undefined) return 0;
  const opened = openBackup(bytes, seed);
  if (!opened.ok) throw new Error(opened.error.type);
  const taken = opened.value;
  const stored = await takeBackup(await store.load(), store, taken);
  expect(compared(taken)).toEqual(compared(stored));
  const copy = await restored(taken);
  const again = await takeBackup(await copy.load(), copy, taken);
  expect(compared({ ...again, ...promised(again, taken) })).toEqual(compared(taken));
  return taken.channels.flatMap(({ htlcs }) => htlcs).length;
}

/** What a restored store has in another way, on purpose. */
function promised(again: Backup, { channels, streams, coins }: Backup): Partial<Backup> {
  expect(again.coins.filter(({ reservedFor }) => reservedFor !== undefined && reservedFor >= 0)).toEqual([]);
  expect(again.channels.every(({ stage }) => stage.stale)).toBe(true);
  return {
    sequence: again.sequence - 1,
    nextChannelIndex: again.nextChannelIndex - 100,
    channels: again.channels.map((rows, at) => ({ ...rows, stage: channels[at]?.stage ?? rows.stage })),
    streams,
    coins,
  };
}

/** What the channel and the wallet hold for Alice before the two payments. */
const ALICE = 600_000n + 100_000n;

describe.each([false, true])("a backup from any moment of a payment (pre-staging: %s)", (prestage) => {
  it("has the money where the peer's books have it, if the node dies there and then", {
    timeout: 240_000,
  }, async () => {
    const states = new Set<string>();
    const moments = await atEachMoment(prestage, 3, async ({ scene, payments, backup }) => {
      const { alice, bob } = scene;
      for (const htlc of backup.channels.flatMap(({ htlcs }) => htlcs)) {
        states.add(`${htlc.offerer} ${htlc.removal === undefined ? "stands" : "is removed"}`);
      }
      await scene.comeBack(alice, await restored(backup));
      await scene.settle();
      await scene.mine(400);
      expect(alice.events.filter(({ type }) => type === "anchor_spent").at(-1)).toMatchObject({ holder: "remote" });
      let paid = 0n;
      for (const { id, hash, payer } of payments) {
        const sent = await payer.node.payment(id);
        const isPaid =
          payer === bob ? sent?.state === "succeeded" : (await bob.node.invoice(hash))?.state === "settled";
        // What ended before the backup is history, and not in it.
        if (payer === alice && sent !== undefined) expect(sent.state).toBe(isPaid ? "succeeded" : "failed");
        if (isPaid) paid += payer === alice ? 20_000n : -20_000n;
      }
      near(scene.confirmed(alice), ALICE - paid);
      near(scene.confirmed(bob), 400_000n + paid);
      expect(alice.node.channel(0)).toMatchObject({ stage: "closed", stale: true });
    });
    expect(moments).toBeGreaterThanOrEqual(4);
    for (const side of ["local", "remote"]) {
      expect([...states]).toEqual(expect.arrayContaining([`${side} stands`, `${side} is removed`]));
    }
  });

  it("gives back the money, if the node went on and died later", { timeout: 240_000 }, async () => {
    await atEachMoment(prestage, 6, async ({ scene, backup }) => {
      const { alice, bob, world } = scene;
      await world.quiet();
      await scene.pay(alice, bob);
      await scene.comeBack(alice, await restored(backup));
      await scene.settle();
      await scene.mine(20);
      near(scene.confirmed(alice), ALICE - 20_000n);
      await scene.mine(150);
      near(scene.confirmed(bob), 420_000n);
      expect(scene.broadcasts.get("alice")).toEqual([]);
    });
  });

  it("[B2-37] punishes what was revoked before it", { timeout: 240_000 }, async () => {
    await atEachMoment(prestage, 6, async ({ scene, backup, cheat }) => {
      const { alice, bob, world } = scene;
      await world.quiet();
      alice.crash();
      const { remoteUnrevoked } = backup.channels[0]?.totals ?? { remoteUnrevoked: 0 };
      const published = (await cheat.load()).channels[0]?.commitments[0]?.number ?? 0;
      await scene.comeBack(bob, cheat);
      expect((await world.outcome(bob.node.failChannel(0))).ok).toBe(true);
      await scene.mine(1);
      alice.store = await restored(backup);
      await alice.start();
      await scene.mine(160);
      if (published < remoteUnrevoked) {
        near(scene.confirmed(alice), 1_000_000n + 100_000n);
        expect(scene.confirmed(bob)).toBe(0n);
      } else {
        near(scene.confirmed(alice), ALICE);
        near(scene.confirmed(bob), 400_000n);
      }
    });
  });
});
