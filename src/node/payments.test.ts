import { beforeAll, describe, expect, it } from "vitest";
import { NodeNetwork, type TestNode } from "../../test/support/node-network.ts";
import { asPaymentHash, type Msat, type PaymentHash, type Satoshi } from "../core/base/index.ts";
import { sha256 } from "../core/crypto/index.ts";
import type { PayRequest } from "./payments.ts";

const AMOUNT = 5_000_000n as Msat;

/** Alice and Bob, and a channel between them in which both have money. */
class Pair {
  readonly world = new NodeNetwork(["alice", "bob"]);
  readonly alice: TestNode;
  readonly bob: TestNode;
  private made = 0;

  constructor() {
    const [alice, bob] = this.world.nodes;
    if (alice === undefined || bob === undefined) throw new Error("there are two nodes");
    this.alice = alice;
    this.bob = bob;
  }

  async open(): Promise<void> {
    const { world, alice, bob } = this;
    await alice.start();
    await bob.start();
    await world.fund(alice, 2_000_000n, 1);
    await world.outcome(alice.node.connect(bob.nodeId, bob.address));
    const request = { amountSat: 1_000_000n as Satoshi, pushMsat: 400_000_000n as Msat };
    const opened = await world.outcome(alice.node.openChannel(bob.nodeId, request));
    expect(opened).toEqual({ ok: true, value: 0 });
    world.chain.mine(6);
    await world.quiet();
    expect(alice.node.channel(0)?.stage).toBe("open");
  }

  async invoice(owner: TestNode, amountMsat?: Msat): Promise<PaymentHash> {
    const made = await this.world.outcome(owner.node.createInvoice(amountMsat === undefined ? {} : { amountMsat }));
    if (!made.ok) throw new Error(made.error.type);
    return made.value.paymentHash;
  }

  /** Pays from Alice to Bob unless told otherwise, and looks what came of it. */
  async pay(request: Omit<PayRequest, "id"> & { id?: string }, payer = this.alice) {
    const id = request.id ?? `payment ${this.made++}`;
    const said = await this.world.outcome(payer.node.pay(0, { ...request, id }));
    return { said, row: await payer.node.payment(id), id };
  }

  balances(): (bigint | undefined)[] {
    return [this.alice.node.channel(0)?.localMsat, this.bob.node.channel(0)?.localMsat];
  }

  settled(): PaymentHash[] {
    return this.bob.events.flatMap((event) => (event.type === "invoice_settled" ? [event.paymentHash] : []));
  }
}

const pair = new Pair();
beforeAll(() => pair.open());

describe("a payment", () => {
  it("moves the money, gives the payer the preimage, and settles the invoice", async () => {
    const before = pair.balances();
    const paymentHash = await pair.invoice(pair.bob, AMOUNT);
    const { said, row } = await pair.pay({ paymentHash, amountMsat: AMOUNT });
    expect(said).toMatchObject({ ok: true, value: { state: "pending" } });
    expect(row).toMatchObject({ state: "succeeded", failure: undefined, amountMsat: AMOUNT });
    expect(sha256(row?.preimage ?? new Uint8Array(0))).toEqual(paymentHash);
    expect(pair.balances()).toEqual([(before[0] ?? 0n) - AMOUNT, (before[1] ?? 0n) + AMOUNT]);
    expect(pair.settled()).toContainEqual(paymentHash);
    expect(await pair.bob.node.invoice(paymentHash)).toMatchObject({ state: "settled", receivedMsat: AMOUNT });
  });

  it("goes the other way too", async () => {
    const paymentHash = await pair.invoice(pair.alice, AMOUNT);
    const { row } = await pair.pay({ paymentHash, amountMsat: AMOUNT }, pair.bob);
    expect(row?.state).toBe("succeeded");
  });

  it.each([
    ["a hash that nobody knows", async () => asPaymentHash(sha256(Uint8Array.of(1))), AMOUNT],
    ["less than is asked", () => pair.invoice(pair.bob, AMOUNT), AMOUNT - 1n],
    ["more than twice what is asked", () => pair.invoice(pair.bob, AMOUNT), 2n * AMOUNT + 1n],
  ] as const)("of %s fails, and costs nothing", async (_, hash, amountMsat) => {
    const before = pair.balances();
    const { row } = await pair.pay({ paymentHash: await hash(), amountMsat: amountMsat as Msat });
    expect(row).toMatchObject({ state: "failed", failure: "unknown payment hash, or not its amount" });
    expect(row?.preimage).toBeUndefined();
    expect(pair.balances()).toEqual(before);
  });

  it.each([
    ["what is asked", AMOUNT, AMOUNT],
    ["twice of it", AMOUNT, 2n * AMOUNT],
    ["anything, where nothing is asked", undefined, 1n],
  ] as const)("may give %s", async (_, asked, amountMsat) => {
    const paymentHash = await pair.invoice(pair.bob, asked as Msat | undefined);
    const { row } = await pair.pay({ paymentHash, amountMsat: amountMsat as Msat });
    expect(row?.state).toBe("succeeded");
  });

  it("that expires too soon for its receiver to be safe fails", async () => {
    const paymentHash = await pair.invoice(pair.bob, AMOUNT);
    const tooSoon = pair.alice.node.height + 144 + 21 - 1;
    const early = await pair.pay({ paymentHash, amountMsat: AMOUNT, expiry: tooSoon });
    expect(early.row).toMatchObject({ state: "failed", failure: "the expiry is too close" });
    const late = await pair.pay({ paymentHash, amountMsat: AMOUNT, expiry: tooSoon + 1 });
    expect(late.row?.state).toBe("succeeded");
  });

  it("of an invoice that is paid already fails", async () => {
    const paymentHash = await pair.invoice(pair.bob, AMOUNT);
    expect((await pair.pay({ paymentHash, amountMsat: AMOUNT })).row?.state).toBe("succeeded");
    expect((await pair.pay({ paymentHash, amountMsat: AMOUNT })).row?.state).toBe("failed");
  });

  it("that a channel refuses does not exist, and its id may be used again", async () => {
    const paymentHash = await pair.invoice(pair.bob);
    const refused = await pair.pay({ id: "again", paymentHash, amountMsat: 4_000_000_000n as Msat });
    expect(refused.said).toMatchObject({ ok: false, error: { type: "insufficient_balance", rule: "B2-18" } });
    expect(refused.row).toBeUndefined();
    expect(await pair.alice.node.untilPaid("again")).toBeUndefined();
    const paid = await pair.pay({ id: "again", paymentHash, amountMsat: AMOUNT });
    expect(paid.row?.state).toBe("succeeded");
  });

  it("with the id of another is that other, at the same time and afterwards", async () => {
    const before = pair.balances();
    const hashes = [await pair.invoice(pair.bob, AMOUNT), await pair.invoice(pair.bob, AMOUNT)];
    const { node } = pair.alice;
    const paying = [0, 1, 0].map((which) =>
      node.pay(0, { id: "one", paymentHash: hashes[which] ?? asPaymentHash(new Uint8Array(32)), amountMsat: AMOUNT }),
    );
    const said = await pair.world.outcome(Promise.all(paying));
    for (const one of said) expect(one).toMatchObject({ ok: true, value: { id: "one", paymentHash: hashes[0] } });
    const later = await pair.pay({
      id: "one",
      paymentHash: hashes[1] ?? asPaymentHash(new Uint8Array(32)),
      amountMsat: AMOUNT,
    });
    expect(later.said).toMatchObject({ ok: true, value: { state: "succeeded", paymentHash: hashes[0] } });
    expect(pair.balances()[0]).toBe((before[0] ?? 0n) - AMOUNT);
  });

  it("can be waited for, before it has ended and after", async () => {
    const paymentHash = await pair.invoice(pair.bob, AMOUNT);
    const { node } = pair.alice;
    const { world } = pair;
    const waited: (string | undefined)[] = [];
    const sent = node.pay(0, { id: "waited for", paymentHash, amountMsat: AMOUNT }).then(() => {
      for (let n = 0; n < 2; n++) void node.untilPaid("waited for").then((row) => waited.push(row?.state));
    });
    await world.clock.run();
    await sent;
    expect(waited).toEqual([]);
    await world.quiet();
    expect(waited).toEqual(["succeeded", "succeeded"]);
    expect((await node.untilPaid("waited for"))?.state).toBe("succeeded");
  });

  it("[LS-19] that its receiver had not acted on when it went down is settled when it is back", async () => {
    const { world, alice, bob } = pair;
    const paymentHash = await pair.invoice(bob, AMOUNT);
    void alice.node.pay(0, { id: "interrupted", paymentHash, amountMsat: AMOUNT });
    await world.clock.run();
    // The add and its commit arrive, and Bob's answers never do.
    world.network.hold(bob.nodeId, alice.nodeId);
    await world.quiet();
    bob.crash();
    world.network.release(bob.nodeId, alice.nodeId);
    await bob.start();
    await world.quiet();
    await world.advance(2_000);
    expect((await alice.node.payment("interrupted"))?.state).toBe("succeeded");
    expect(await bob.node.invoice(paymentHash)).toMatchObject({ state: "settled" });
  });
});
