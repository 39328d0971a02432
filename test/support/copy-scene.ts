import { expect } from "vitest";
import type { MemoryStore } from "../../src/adapters/store-memory/index.ts";
import { type Msat, type Satoshi, toHex } from "../../src/core/base/index.ts";
import { parseTransaction, transactionId } from "../../src/core/bitcoin/index.ts";
import { NodeNetwork, type Taps, type TestNode } from "./node-network.ts";

/** What a few transactions cost at the harness's rates, generously. */
const COST = 12_000n;

/** What `pay` pays. */
export const PAID_MSAT = 20_000_000n as Msat;

/** Alice and Bob with channels between them in which both have money, and Carol with one to Alice. */
export class CopyScene {
  /** Everything that a node gave to the network, by its name. */
  readonly broadcasts = new Map<string, string[]>();
  readonly world: NodeNetwork;
  readonly alice: TestNode;
  readonly bob: TestNode;
  readonly carol: TestNode;
  private made = 0;

  constructor(taps: Taps = {}) {
    this.world = new NodeNetwork(["alice", "bob", "carol"], {
      backups: true,
      chain: (chain, { name }) => ({
        ...chain,
        network: chain.network,
        broadcast: (transaction) => {
          const parsed = parseTransaction(transaction);
          const txid = parsed.ok ? toHex(transactionId(parsed.value)) : "?";
          this.broadcasts.set(name, [...(this.broadcasts.get(name) ?? []), txid]);
          return chain.broadcast(transaction);
        },
      }),
      ...taps,
    });
    const [alice, bob, carol] = this.world.nodes;
    if (alice === undefined || bob === undefined || carol === undefined) throw new Error("there are three nodes");
    this.alice = alice;
    this.bob = bob;
    this.carol = carol;
  }

  /** So many channels with Bob, numbered from 0, and one with Carol where it is wished. */
  async open(withBob = 1, withCarol = 0, prestage = false): Promise<this> {
    const { world, alice, bob, carol } = this;
    for (const node of [alice, bob, carol]) await node.start();
    await world.fund(alice, 1_100_000n, withBob + withCarol);
    for (const [peer, count] of [
      [bob, withBob],
      [carol, withCarol],
    ] as const) {
      if (count === 0) continue;
      await world.outcome(alice.node.connect(peer.nodeId, peer.address));
      for (let n = 0; n < count; n++) {
        const request = { amountSat: 1_000_000n as Satoshi, pushMsat: 400_000_000n as Msat, prestage };
        expect((await world.outcome(alice.node.openChannel(peer.nodeId, request))).ok).toBe(true);
      }
    }
    await this.mine(6);
    expect(alice.node.channels().map(({ stage }) => stage)).toEqual(Array(withBob + withCarol).fill("open"));
    return this;
  }

  async mine(blocks: number): Promise<void> {
    for (let n = 0; n < blocks; n++) {
      this.world.chain.mine(1);
      await this.world.quiet();
    }
  }

  async pay(payer: TestNode, payee: TestNode, channel = 0): Promise<void> {
    const invoice = await this.world.outcome(payee.node.createInvoice({}));
    if (!invoice.ok) throw new Error(invoice.error.type);
    const request = { id: `payment ${this.made++}`, paymentHash: invoice.value.paymentHash, amountMsat: PAID_MSAT };
    const said = await this.world.outcome(payer.node.pay(channel, request));
    expect(said.ok).toBe(true);
    expect((await payer.node.payment(request.id))?.state).toBe("succeeded");
  }

  /** The machine goes, and comes back with an old copy of its data. */
  async comeBack(node: TestNode, store: MemoryStore): Promise<void> {
    node.crash();
    node.store = store;
    this.broadcasts.set(node.name, []);
    await node.start();
  }

  async settle(): Promise<void> {
    await this.world.advance(120_000);
  }

  confirmed(node: TestNode): bigint {
    return node.node.balance().confirmedSat;
  }
}

/** The amount, less what a few transactions cost. */
export function near(actual: bigint, expected: bigint): void {
  expect(actual).toBeLessThanOrEqual(expected);
  expect(actual).toBeGreaterThan(expected - COST);
}
