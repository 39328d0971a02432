// kill -9 between the steps of channels that end on chain: real processes on SQLite, and a real Bitcoin node.
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { Msat, NodeId, Satoshi } from "../../src/core/base/index.ts";
import type { NodeEvent } from "../../src/node/index.ts";
import { NodeProcess } from "../processes/parent.ts";
import { type Bitcoind, findBitcoind, startBitcoind } from "../support/bitcoind.ts";

const PROGRAM = fileURLToPath(new URL("../../.cache/processes/test/processes/node-process.js", import.meta.url));
const DELAY = 8;
/** Blocks for which payments are offered: a little more than their receiver asks for. */
const EXPIRY = 32;
const PAYMENTS = 12;
const PAID_MSAT = 5_000_000n;
/** What commitment and claims cost, one by one, at the rate of a node without an estimate, generously. */
const COST = 60_000n;

/** A node whose process is killed, and which listens at another port each time, so that its peer does not find it again. */
class Mortal {
  readonly directory: string;
  kills = 0;
  private readonly bitcoind: Bitcoind;
  private living: NodeProcess | undefined;

  constructor(directory: string, bitcoind: Bitcoind) {
    this.directory = directory;
    this.bitcoind = bitcoind;
  }

  get process(): NodeProcess {
    if (this.living === undefined) throw new Error("not started");
    return this.living;
  }

  async start(): Promise<{ nodeId: NodeId; port: number }> {
    this.living = new NodeProcess(PROGRAM);
    const { rpcUrl: url, cookieFile: file } = this.bitcoind;
    const chain = { url, auth: { type: "cookie", file } } as const;
    return this.living.call("open", { directory: this.directory, chain, policy: { delay: DELAY } });
  }

  async kill(): Promise<void> {
    await this.living?.kill();
  }

  async restart(): Promise<void> {
    this.kills++;
    await this.kill();
    await this.start();
  }

  /** Resolves with the next event for which `wanted` holds. */
  next(wanted: (event: NodeEvent) => boolean): Promise<NodeEvent> {
    return new Promise((resolve) => {
      const unsubscribe = this.process.subscribe((event) => {
        if (!wanted(event)) return;
        unsubscribe();
        resolve(event);
      });
    });
  }

  async stage(): Promise<string | undefined> {
    return (await this.process.call("channels"))[0]?.stage;
  }

  async untilStage(stage: string): Promise<void> {
    await this.process.until(async () => ((await this.stage()) === stage ? true : undefined));
  }

  async untilHeight(height: number): Promise<void> {
    await this.process.until(async () => ((await this.process.call("height")) >= height ? true : undefined));
  }

  async balance(): Promise<bigint> {
    return (await this.process.call("balance")).confirmedSat;
  }
}

describe.skipIf(findBitcoind() === undefined)("kill -9 while a channel ends on chain", () => {
  let bitcoind: Bitcoind;
  let alice: Mortal;
  let bob: Mortal;
  const folders: string[] = [];

  function folder(name: string): string {
    const directory = mkdtempSync(join(tmpdir(), `sluice-killed-${name}-`));
    folders.push(directory);
    return directory;
  }

  async function mine(blocks: number): Promise<void> {
    for (let n = 0; n < blocks; n++) {
      await bitcoind.mine(1);
      const height = await bitcoind.rpc<number>("getblockcount");
      for (const node of [alice, bob]) await node.untilHeight(height);
    }
  }

  async function opened(): Promise<void> {
    alice = new Mortal(folder("alice"), bitcoind);
    bob = new Mortal(folder("bob"), bitcoind);
    await alice.start();
    const { nodeId, port } = await bob.start();
    await bitcoind.send(await alice.process.call("newAddress"), 1_500_000n);
    await mine(1);
    await alice.process.call("connect", nodeId, port);
    const request = { amountSat: 1_000_000n as Satoshi, pushMsat: 400_000_000n as Msat };
    await alice.process.call("openChannel", nodeId, request);
    for (const node of [alice, bob]) await node.untilStage("awaiting_depth");
    await mine(6);
    for (const node of [alice, bob]) await node.untilStage("open");
  }

  async function pay(from: Mortal, to: Mortal, prefix: string, count: number, expiryBlocks: number) {
    const hashes = await to.process.call("invoices", count, PAID_MSAT);
    const inFlight = count;
    return from.process.call("pay", { channel: 0, amountMsat: PAID_MSAT, hashes, inFlight, prefix, expiryBlocks });
  }

  beforeAll(async () => {
    bitcoind = await startBitcoind();
    await bitcoind.mine(110);
  });
  afterAll(() => bitcoind.stop());
  afterEach(async () => {
    await alice.kill();
    await bob.kill();
    for (const directory of folders.splice(0)) rmSync(directory, { recursive: true });
  });

  it("[B2-39] [B2-43] [LW-4] [LW-5] brings a force close with HTLCs both ways to its end all the same", async () => {
    await opened();
    const before = { alice: await alice.balance(), bob: await bob.balance() };
    // Both are killed while payments are under way, and from then on they don't find each other.
    const moving = Promise.all([
      alice.next(({ type }) => type === "payment_ended" || type === "invoice_settled"),
      bob.next(({ type }) => type === "payment_ended" || type === "invoice_settled"),
    ]);
    const paying = [pay(alice, bob, "a", PAYMENTS, EXPIRY), pay(bob, alice, "b", PAYMENTS, EXPIRY)];
    for (const one of paying) one.catch(() => undefined);
    await moving;
    await Promise.all([alice.kill(), bob.kill()]);
    await Promise.all([alice.start(), bob.start()]);
    const standing = (await alice.process.call("channels"))[0]?.liveHtlcs ?? [];
    await alice.process.call("failChannel", 0);
    // Killed with the decision on disk, whatever of it the network has got.
    await alice.restart();
    for (let n = 0; n < EXPIRY + DELAY + 16; n++) {
      const victim = n % 2 === 0 ? bob : alice;
      const other = victim === bob ? alice : bob;
      const news = victim.next(({ type }) => type !== "block" && type !== "trouble").then(() => true);
      const seen = victim.next(({ type }) => type === "block").then(() => false);
      await bitcoind.mine(1);
      const height = await bitcoind.rpc<number>("getblockcount");
      if (n % 9 === 8) await victim.restart();
      // At what the block brought for the channel, or at the block itself.
      else if ((await Promise.race([news, seen])) || n % 9 === 4) await victim.restart();
      await victim.untilHeight(height);
      await other.untilHeight(height);
    }
    for (const node of [alice, bob]) await node.untilStage("closed");
    const succeeded = async (payer: Mortal, prefix: string): Promise<number> => {
      const states: (string | undefined)[] = [];
      for (let n = 0; n < PAYMENTS; n++) states.push((await payer.process.call("payment", `${prefix}${n}`))?.state);
      expect(states).not.toContain("pending");
      return states.filter((state) => state === "succeeded").length;
    };
    const paidToBob = BigInt((await succeeded(alice, "a")) - (await succeeded(bob, "b"))) * (PAID_MSAT / 1000n);
    const gained = { alice: (await alice.balance()) - before.alice, bob: (await bob.balance()) - before.bob };
    expect(gained.alice).toBeLessThanOrEqual(600_000n - paidToBob);
    expect(gained.alice).toBeGreaterThan(600_000n - paidToBob - COST);
    expect(gained.bob).toBeLessThanOrEqual(400_000n + paidToBob);
    expect(gained.bob).toBeGreaterThan(400_000n + paidToBob - COST);
    expect(alice.kills + bob.kills).toBeGreaterThan(10);
    const incoming = standing.filter(({ direction }) => direction === "incoming").length;
    console.log(`${alice.kills + bob.kills} kills; ${incoming} of ${standing.length} HTLCs were the peer's`);
  }, 600_000);

  it("[B2-37] [LW-4] [LW-5] takes all from a peer that publishes what it revoked, killed at every event", async () => {
    await opened();
    await pay(alice, bob, "a", 2, EXPIRY + 20);
    await bob.kill();
    const copy = folder("copy");
    cpSync(bob.directory, copy, { recursive: true });
    const { nodeId, port } = await bob.start();
    await alice.process.call("connect", nodeId, port);
    await pay(alice, bob, "c", 4, EXPIRY + 20);
    await bob.kill();
    bob = new Mortal(copy, bitcoind);
    await bob.start();
    const before = await alice.balance();
    const spent = alice.next(({ type }) => type === "anchor_spent");
    await bob.process.call("failChannel", 0);
    expect(await spent).toMatchObject({ kind: "revoked" });
    await alice.restart();
    for (let n = 0; n < 10; n++) {
      const first = alice.next(() => true);
      await bitcoind.mine(1);
      const height = await bitcoind.rpc<number>("getblockcount");
      if (n % 3 !== 2) await first;
      await alice.restart();
      await alice.untilHeight(height);
    }
    await alice.untilStage("closed");
    const gained = (await alice.balance()) - before;
    expect(gained).toBeGreaterThan(1_000_000n - COST);
    expect(gained).toBeLessThan(1_000_000n);
    expect(await bob.balance()).toBe(0n);
    expect(alice.kills).toBe(11);
  }, 600_000);
});
