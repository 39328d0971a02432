// Enforcement by whole nodes, on SQLite and TCP, against a real Bitcoin node.
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "../../src/adapters/system/index.ts";
import {
  bitcoindChain,
  type Msat,
  openNode,
  type Satoshi,
  type SluiceNode,
  txidToDisplay,
} from "../../src/node/index.ts";
import { type Bitcoind, findBitcoind, startBitcoind } from "../support/bitcoind.ts";

const DELAY = 8;
/** What anchor, commitment and claims cost at the rate of a node without an estimate, generously. */
const COST = 10_000n;

describe.skipIf(findBitcoind() === undefined)("whole nodes that enforce a channel on a real Bitcoin node", () => {
  let bitcoind: Bitcoind;
  let alice: SluiceNode;
  let bob: SluiceNode;
  const folders: string[] = [];

  async function start(directory: string): Promise<SluiceNode> {
    const auth = { type: "cookie", file: bitcoind.cookieFile } as const;
    const options = { network: "regtest", pollMs: 50, requestTimeoutMs: 30_000, clock: systemClock() } as const;
    const chain = bitcoindChain({ url: bitcoind.rpcUrl, auth, ...options });
    return openNode({ directory, chain, policy: { delay: DELAY } });
  }

  function folder(name: string): string {
    const directory = mkdtempSync(join(tmpdir(), `sluice-enforce-${name}-`));
    folders.push(directory);
    return directory;
  }

  /** Resolves when the node has processed the last block; it looks at each event and after each poll. */
  async function caughtUp(node: SluiceNode): Promise<void> {
    const height = await bitcoind.rpc<number>("getblockcount");
    while (node.height < height) await bitcoind.rpc("getblockcount");
  }

  async function mine(blocks: number, ...nodes: readonly SluiceNode[]): Promise<void> {
    for (let n = 0; n < blocks; n++) {
      await bitcoind.mine(1);
      for (const node of nodes) await caughtUp(node);
    }
  }

  /** Resolves with what waits for a block, once something does. */
  async function waiting(): Promise<string[]> {
    for (;;) {
      const txids = await bitcoind.rpc<string[]>("getrawmempool");
      if (txids.length > 0) return txids;
    }
  }

  /** Resolves once the peer of the node's channel is there. */
  function ready(node: SluiceNode): Promise<void> {
    return new Promise((resolve) => {
      const unsubscribe = node.subscribe(() => look());
      const look = (): void => {
        if (node.channel(0)?.peerReady !== true) return;
        unsubscribe();
        resolve();
      };
      look();
    });
  }

  async function pay(from: SluiceNode, to: SluiceNode, amountMsat: bigint): Promise<void> {
    const invoice = await to.createInvoice({ amountMsat: amountMsat as Msat });
    if (!invoice.ok) throw new Error(invoice.error.type);
    const { paymentHash } = invoice.value;
    const id = Buffer.from(paymentHash).toString("hex");
    const sent = await from.pay(0, { id, paymentHash, amountMsat: amountMsat as Msat });
    if (!sent.ok) throw new Error(sent.error.type);
    expect((await from.untilPaid(id))?.state).toBe("succeeded");
  }

  async function opened(): Promise<void> {
    await alice.connect(bob.nodeId, await bob.listen({ host: "127.0.0.1", port: 0 }));
    const asked = await alice.openChannel(bob.nodeId, {
      amountSat: 1_000_000n as Satoshi,
      pushMsat: 400_000_000n as Msat,
    });
    if (!asked.ok) throw new Error(asked.error.type);
    await alice.untilChannel(0, ({ stage }) => stage === "awaiting_depth" || stage === "open");
    await bob.untilChannel(0, ({ stage }) => stage === "awaiting_depth");
    await waiting();
    await mine(6, alice, bob);
    for (const node of [alice, bob]) await node.untilChannel(0, ({ stage }) => stage === "open");
    await pay(alice, bob, 100_000_000n);
  }

  beforeAll(async () => {
    // A mempool that is lost by a restart.
    bitcoind = await startBitcoind(["-persistmempool=0"]);
    await bitcoind.mine(110);
  });
  afterAll(() => bitcoind.stop());

  beforeEach(async () => {
    alice = await start(folder("alice"));
    bob = await start(folder("bob"));
    await bitcoind.send(await alice.newAddress(), 1_500_000n);
    await mine(1, alice, bob);
  });
  afterEach(async () => {
    await alice.stop();
    await bob.stop();
    for (const directory of folders.splice(0)) rmSync(directory, { recursive: true });
  });

  it("[B2-43] [LW-4] [B2-38] fail it alone, have all that is theirs in their wallets, and forget it at 100 blocks", async () => {
    await opened();
    expect(await alice.failChannel(0)).toMatchObject({ ok: true });
    expect(await waiting()).toHaveLength(1);
    await mine(1, alice, bob);
    // Bob's part of it is a coin of his at once.
    const bobs = bob.balance().confirmedSat;
    expect(bobs).toBeGreaterThan(500_000n - COST);
    expect(bobs).toBeLessThanOrEqual(500_000n);
    expect(alice.balance().confirmedSat).toBeLessThan(500_000n);
    await mine(DELAY - 1, alice, bob);
    expect(await waiting()).toHaveLength(1);
    await mine(5, alice, bob);
    expect([alice.channel(0)?.stage, bob.channel(0)?.stage]).toEqual(["failed", "closed"]);
    await mine(1, alice, bob);
    await alice.untilChannel(0, ({ stage }) => stage === "closed");
    const { confirmedSat } = alice.balance();
    expect(confirmedSat).toBeGreaterThan(1_000_000n - COST);
    expect(confirmedSat).toBeLessThan(1_000_000n);
    await mine(94, alice, bob);
    expect([alice.channel(0)?.stage ?? "buried", bob.channel(0)?.stage ?? "buried"]).toEqual(["buried", "buried"]);
    const [directory = ""] = folders;
    await alice.stop();
    alice = await start(directory);
    expect(alice.channels()).toEqual([]);
    expect(alice.balance().confirmedSat).toBe(confirmedSat);
    // They are coins like any other.
    const spent = await bob.withdraw(new Uint8Array([0, 20, ...new Uint8Array(20).fill(1)]), "all");
    expect(spent).toMatchObject({ ok: true });
    expect(await waiting()).toHaveLength(1);
    await mine(1, alice, bob);
    expect(bob.balance().confirmedSat).toBe(0n);
  });

  it("[B2-37] [LW-4] take all of the channel from a peer that publishes from an old copy of its data", async () => {
    await opened();
    await bob.stop();
    const [, old = ""] = folders;
    const copy = folder("copy");
    cpSync(old, copy, { recursive: true });
    bob = await start(old);
    await alice.connect(bob.nodeId, await bob.listen({ host: "127.0.0.1", port: 0 }));
    await ready(bob);
    await pay(bob, alice, 300_000_000n);
    await bob.stop();
    // It talks to nobody, so that nobody tells it.
    bob = await start(copy);
    expect(await bob.failChannel(0)).toMatchObject({ ok: true });
    const [revoked] = await waiting();
    await mine(1, alice, bob);
    expect(await waiting()).not.toContain(revoked);
    await mine(6, alice, bob);
    await alice.untilChannel(0, ({ stage }) => stage === "closed");
    expect(alice.balance().confirmedSat).toBeGreaterThan(1_500_000n - COST);
    expect(bob.balance().confirmedSat).toBe(0n);
  });

  it("[B2-38] bring the funding transaction back that a reorganisation took away, and offer nothing meanwhile", async () => {
    await opened();
    const { funding } = alice.channel(0) ?? {};
    if (funding === undefined) throw new Error("no funding");
    const height = await bitcoind.rpc<number>("getblockcount");
    const first = await bitcoind.rpc<string>("getblockhash", [height - 5]);
    await bitcoind.rpc("invalidateblock", [first]);
    await bitcoind.restart();
    expect(await bitcoind.rpc("getrawmempool")).toEqual([]);
    // Empty blocks, until the nodes go over to them.
    for (let n = 0; n < 7; n++) {
      await bitcoind.rpc("generateblock", [await bitcoind.rpc<string>("getnewaddress"), []]);
    }
    for (const node of [alice, bob]) await caughtUp(node);
    expect(alice.channel(0)?.funding?.confirmedHeight).toBeUndefined();
    expect([alice.channel(0)?.stage, bob.channel(0)?.stage]).toEqual(["open", "open"]);
    expect(await waiting()).toContain(txidToDisplay(funding.txid));
    const invoice = await alice.createInvoice({ amountMsat: 1_000_000n as Msat });
    if (!invoice.ok) throw new Error(invoice.error.type);
    const { paymentHash } = invoice.value;
    const request = { id: "early", paymentHash, amountMsat: 1_000_000n as Msat };
    expect(await bob.pay(0, request)).toMatchObject({ ok: false, error: { type: "not_open" } });
    await mine(6, alice, bob);
    await pay(bob, alice, 10_000_000n);
    expect(bob.channel(0)).toMatchObject({ localMsat: 490_000_000n });
  });
});
