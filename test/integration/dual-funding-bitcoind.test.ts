import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "../../src/adapters/system/index.ts";
import {
  bitcoindChain,
  type ChannelSummary,
  type Msat,
  type NodeEvent,
  openNode,
  type Satoshi,
  type SluiceNode,
  txidToDisplay,
} from "../../src/node/index.ts";
import { type Bitcoind, findBitcoind, startBitcoind } from "../support/bitcoind.ts";

type Mined = { vin: unknown[]; vout: { value: number }[] };

describe.skipIf(findBitcoind() === undefined)("a channel that both fund on a real Bitcoin node", () => {
  let bitcoind: Bitcoind;
  let alice: SluiceNode;
  let bob: SluiceNode;
  const folders: string[] = [];
  const events = new Map<SluiceNode, NodeEvent[]>();

  async function open(name: string, maxContributionSat: bigint): Promise<SluiceNode> {
    const directory = mkdtempSync(join(tmpdir(), `sluice-dual-${name}-`));
    folders.push(directory);
    const auth = { type: "cookie", file: bitcoind.cookieFile } as const;
    const options = { network: "regtest", pollMs: 50, requestTimeoutMs: 30_000, clock: systemClock() } as const;
    const chain = bitcoindChain({ url: bitcoind.rpcUrl, auth, ...options });
    const policy = { maxContributionSat: maxContributionSat as Satoshi };
    const heard: NodeEvent[] = [];
    const node = await openNode({ directory, chain, policy, listener: (event) => heard.push(event) });
    events.set(node, heard);
    return node;
  }

  /** Resolves when the check holds, looked at after each event of a node. */
  function when<T>(node: SluiceNode, look: () => T | undefined): Promise<T> {
    return new Promise((resolve) => {
      const found = look();
      if (found !== undefined) return resolve(found);
      const unsubscribe = node.subscribe(() => {
        const value = look();
        if (value === undefined) return;
        unsubscribe();
        resolve(value);
      });
    });
  }

  /** Mines and waits until both nodes have processed the last block. */
  async function mine(blocks: number): Promise<void> {
    await bitcoind.mine(blocks);
    const height = await bitcoind.rpc<number>("getblockcount");
    for (const node of [alice, bob]) await when(node, () => (node.height >= height ? true : undefined));
  }

  beforeAll(async () => {
    bitcoind = await startBitcoind();
    await bitcoind.mine(101);
  });
  afterAll(() => bitcoind.stop());

  beforeEach(async () => {
    alice = await open("alice", 0n);
    bob = await open("bob", 2_000_000n);
    for (const node of [alice, bob]) {
      await bitcoind.send(await node.newAddress(), 1_500_000n);
      await bitcoind.send(await node.newAddress(), 400_000n);
    }
    await mine(1);
    await alice.connect(bob.nodeId, await bob.listen({ host: "127.0.0.1", port: 0 }));
  });
  afterEach(async () => {
    await alice.stop();
    await bob.stop();
    for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
  });

  async function opened(): Promise<ChannelSummary> {
    const asked = await alice.openChannel(bob.nodeId, {
      amountSat: 1_600_000n as Satoshi,
      pushMsat: 100_000_000n as Msat,
      dual: { wishedContributionSat: 1_600_000n as Satoshi },
    });
    if (!asked.ok) throw new Error(asked.error.type);
    await bob.untilChannel(0, ({ stage }) => stage === "awaiting_depth");
    return alice.untilChannel(0, ({ stage }) => stage === "awaiting_depth");
  }

  /** Resolves with what waits for a block, once something does: nodes tell when they have broadcast, not when that is done. */
  async function waiting(): Promise<string[]> {
    for (;;) {
      const txids = await bitcoind.rpc<string[]>("getrawmempool");
      if (txids.length > 0) return txids;
    }
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

  it("[LS-1] [LS-5] [LS-6] is accepted, mined at the agreed rate, opens at 6 blocks, pays and closes", async () => {
    const { funding } = await opened();
    if (funding === undefined) throw new Error("no funding");
    const txid = txidToDisplay(funding.txid);
    expect(await waiting()).toEqual([txid]);
    const entry = await bitcoind.rpc<{ vsize: number; fees: { base: number } }>("getmempoolentry", [txid]);
    const feeSat = Math.round(entry.fees.base * 1e8);
    // The node has no estimate: 2,000 for each 1,000 virtual bytes. Four signatures may be up to two bytes shorter each.
    expect(feeSat).toBeGreaterThanOrEqual(2 * entry.vsize);
    expect(feeSat).toBeLessThan(2 * entry.vsize + 12);
    const raw = await bitcoind.rpc<Mined>("getrawtransaction", [txid, true]);
    expect(raw.vin).toHaveLength(4);
    expect(raw.vout).toHaveLength(3);
    expect(raw.vout[funding.outputIndex]?.value).toBe(0.032);
    await mine(5);
    expect([alice.channel(0)?.stage, bob.channel(0)?.stage]).toEqual(["awaiting_depth", "awaiting_depth"]);
    await mine(1);
    await alice.untilChannel(0, ({ stage }) => stage === "open");
    await bob.untilChannel(0, ({ stage }) => stage === "open");
    expect(alice.channel(0)).toMatchObject({ amountSat: 3_200_000n, localMsat: 1_500_000_000n });
    expect(bob.channel(0)).toMatchObject({ localMsat: 1_700_000_000n });
    await pay(alice, bob, 250_000_000n);
    await pay(bob, alice, 50_000_000n);
    await alice.closeChannel(0);
    await alice.untilChannel(0, ({ stage }) => stage === "close_agreed");
    await bob.untilChannel(0, ({ stage }) => stage === "close_agreed");
    expect(await waiting()).toHaveLength(1);
    await mine(6);
    await alice.untilChannel(0, ({ stage }) => stage === "closed");
    await bob.untilChannel(0, ({ stage }) => stage === "closed");
    const [ours, theirs] = [alice.balance(), bob.balance()];
    expect(ours.reservedSat + theirs.reservedSat).toBe(0n);
    const lostBy = [1_600_000n - ours.confirmedSat, 2_200_000n - theirs.confirmedSat];
    // From 1,900,000: Alice has paid 100,000 and 250,000 and got 50,000.
    for (const lost of lostBy) {
      expect(lost).toBeGreaterThan(0n);
      expect(lost).toBeLessThan(3_000n);
    }
  });

  it("[LS-5] ends where an input is spent in another way, by whoever sees it, with the coins free again", async () => {
    await opened();
    const [funding] = await waiting();
    expect(await alice.cancelFunding(0)).toMatchObject({ ok: true });
    const told = await when(bob, () =>
      events.get(bob)?.find((event) => event.type === "funding_conflict" && event.height === undefined),
    );
    expect(told).toMatchObject({ input: "remote", channel: 0 });
    // The network has taken it in place of the funding transaction.
    const [instead, ...more] = await waiting();
    expect(more).toEqual([]);
    expect(instead).not.toBe(funding);
    await mine(5);
    expect([alice.channel(0)?.stage, bob.channel(0)?.stage]).toEqual(["awaiting_depth", "awaiting_depth"]);
    await mine(1);
    await alice.untilChannel(0, ({ stage }) => stage === "abandoned");
    await bob.untilChannel(0, ({ stage }) => stage === "abandoned");
    expect(bob.balance()).toEqual({ confirmedSat: 1_900_000n, unconfirmedSat: 0n, reservedSat: 0n });
    const lost = 1_900_000n - alice.balance().confirmedSat;
    expect(lost).toBeGreaterThan(0n);
    expect(lost).toBeLessThan(5_000n);
  });
});
