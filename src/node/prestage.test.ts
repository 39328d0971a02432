import { describe, expect, it } from "vitest";
import { NodeNetwork, type TestNode } from "../../test/support/node-network.ts";
import type { Msat, PaymentHash, Satoshi } from "../core/base/index.ts";
import type { ChannelPolicy } from "../core/payment-channel/index.ts";

const AMOUNT = 5_000_000n as Msat;

/** Alice and Bob with a channel with pre-staging. */
class Pair {
  readonly world: NodeNetwork;
  readonly alice: TestNode;
  readonly bob: TestNode;
  private made = 0;

  constructor(policies: { alice?: Partial<ChannelPolicy>; bob?: Partial<ChannelPolicy> } = {}) {
    const policy = ({ name }: TestNode) => (name === "alice" ? policies.alice : policies.bob) ?? {};
    this.world = new NodeNetwork(["alice", "bob"], { policy });
    const [alice, bob] = this.world.nodes;
    if (alice === undefined || bob === undefined) throw new Error("there are two nodes");
    this.alice = alice;
    this.bob = bob;
  }

  async meet(): Promise<this> {
    const { world, alice, bob } = this;
    await alice.start();
    await bob.start();
    await world.fund(alice, 2_000_000n, 2);
    await world.outcome(alice.node.connect(bob.nodeId, bob.address));
    return this;
  }

  request() {
    const { world, alice, bob } = this;
    const request = { amountSat: 1_000_000n as Satoshi, pushMsat: 400_000_000n as Msat, prestage: true };
    return world.outcome(alice.node.openChannel(bob.nodeId, request));
  }

  async open(): Promise<this> {
    await this.meet();
    expect(await this.request()).toEqual({ ok: true, value: 0 });
    this.world.chain.mine(6);
    await this.world.quiet();
    for (const { node } of [this.alice, this.bob]) {
      expect(node.channel(0)).toMatchObject({ stage: "open", prestage: true });
    }
    return this;
  }

  /** Pays, and says under which id. */
  async pay(payer: TestNode, payee: TestNode, paymentHash?: PaymentHash): Promise<string> {
    const invoice = await this.world.outcome(payee.node.createInvoice({ amountMsat: AMOUNT }));
    if (!invoice.ok) throw new Error(invoice.error.type);
    const id = `payment ${this.made++}`;
    const request = { id, paymentHash: paymentHash ?? invoice.value.paymentHash, amountMsat: AMOUNT };
    const said = await this.world.outcome(payer.node.pay(0, request));
    expect(said.ok).toBe(true);
    return id;
  }

  asked({ events }: TestNode): bigint[] {
    return events.flatMap((event) => (event.type === "htlc_requested" ? [event.id] : []));
  }

  async expectPayment(payer: TestNode, id: string, expected: object): Promise<void> {
    expect(await payer.node.payment(id)).toMatchObject(expected);
  }

  balances(): (bigint | undefined)[] {
    return [this.alice.node.channel(0)?.localMsat, this.bob.node.channel(0)?.localMsat];
  }

  violations(): unknown[] {
    return [this.alice, this.bob].flatMap(({ events }) => events.filter(({ type }) => type === "violation"));
  }
}

describe("two nodes with pre-staging", () => {
  it("[LS-16] [LS-22] [LS-23] pay each other, fail what nobody knows, and close", async () => {
    const pair = await new Pair().open();
    const { alice, bob, world } = pair;
    const there = await pair.pay(alice, bob);
    const back = await pair.pay(bob, alice);
    const unknown = await pair.pay(alice, bob, new Uint8Array(32).fill(7) as PaymentHash);
    await pair.expectPayment(alice, there, { state: "succeeded" });
    await pair.expectPayment(bob, back, { state: "succeeded" });
    await pair.expectPayment(alice, unknown, { state: "failed", failure: "unknown payment hash, or not its amount" });
    expect(pair.balances()).toEqual([600_000_000n, 400_000_000n]);
    expect(alice.node.channel(0)?.liveHtlcs).toEqual([]);
    expect(pair.asked(bob)).toEqual([]);
    expect(await world.outcome(bob.node.closeChannel(0))).toEqual({ ok: true, value: undefined });
    expect(alice.node.channel(0)?.stage).toBe("close_agreed");
    expect(pair.violations()).toEqual([]);
    await world.stop();
  });

  it("[LS-17] asks, where it is told to ask, and shows what waits", async () => {
    const pair = await new Pair({ bob: { prestageAdds: "ask" } }).open();
    const { alice, bob, world } = pair;
    const accepted = await pair.pay(alice, bob);
    const rejected = await pair.pay(alice, bob);
    const withdrawn = await pair.pay(alice, bob);
    expect(pair.asked(bob)).toEqual([0n, 2n, 4n]);
    const waits = { add: "add_prestage", removal: undefined, inLocal: false, inRemote: false, amountMsat: AMOUNT };
    expect(bob.node.channel(0)?.liveHtlcs).toMatchObject([0n, 2n, 4n].map((id) => ({ id, ...waits })));
    expect(alice.node.channel(0)?.liveHtlcs[0]).toMatchObject({ direction: "outgoing", ...waits });
    expect(pair.balances()[0]).toBe(585_000_000n);

    expect((await world.outcome(bob.node.acceptRequest(0, 0n))).ok).toBe(true);
    expect((await world.outcome(bob.node.rejectRequest(0, 2n, "not today"))).ok).toBe(true);
    expect((await world.outcome(alice.node.withdrawRequest(0, 4n))).ok).toBe(true);
    await pair.expectPayment(alice, accepted, { state: "succeeded" });
    await pair.expectPayment(alice, rejected, { state: "failed", failure: "not today" });
    await pair.expectPayment(alice, withdrawn, { state: "failed", failure: "withdrawn" });
    expect(pair.balances()).toEqual([595_000_000n, 405_000_000n]);
    for (const { node } of [alice, bob]) expect(node.channel(0)?.liveHtlcs).toEqual([]);

    const gone = { ok: false, error: { type: "not_prestaged", rule: "LS-17", actual: 4n } };
    expect(await world.outcome(bob.node.acceptRequest(0, 4n))).toEqual(gone);
    expect(await world.outcome(alice.node.withdrawRequest(0, 4n))).toEqual(gone);
    const long = { type: "too_long", field: "reason", limit: 256, actual: 257 };
    expect(await world.outcome(bob.node.rejectRequest(0, 4n, "x".repeat(257)))).toEqual({ ok: false, error: long });
    expect(pair.violations()).toEqual([]);
    await world.stop();
  });

  it("[LS-17] [LW-5] keeps requests over a crash of either side, and is asked about them again", async () => {
    const pair = await new Pair({ bob: { prestageAdds: "ask" } }).open();
    const { alice, bob, world } = pair;
    const id = await pair.pay(alice, bob);
    for (const node of [bob, alice]) {
      node.crash();
      await node.start();
      await world.advance(60_000);
      if (node === bob) await world.outcome(alice.node.connect(bob.nodeId, bob.address));
    }
    expect(pair.asked(bob).length).toBeGreaterThan(1);
    expect(new Set(pair.asked(bob))).toEqual(new Set([0n]));
    expect((await world.outcome(bob.node.acceptRequest(0, 0n))).ok).toBe(true);
    await pair.expectPayment(alice, id, { state: "succeeded" });
    await world.stop();
  });

  it("[LS-20] [B2-32] rejects what waits when it expires, and when the channel closes", async () => {
    const pair = await new Pair({ bob: { prestageAdds: "ask" } }).open();
    const { alice, bob, world } = pair;
    const expires = await pair.pay(alice, bob);
    world.chain.mine(240);
    await world.quiet();
    await pair.expectPayment(alice, expires, { state: "failed" });
    const closes = await pair.pay(alice, bob);
    expect((await world.outcome(bob.node.closeChannel(0))).ok).toBe(true);
    await pair.expectPayment(alice, closes, { state: "failed", failure: "channel closing [B2-32]" });
    expect(alice.node.channel(0)?.stage).toBe("close_agreed");
    expect(pair.violations()).toEqual([]);
    await world.stop();
  });

  it("[LS-16] need both to have it: neither asks a peer that lacks it, nor gives it where it does not want it", async () => {
    const lacking = await new Pair({ bob: { prestage: false } }).meet();
    const detail = "the peer does not have it";
    expect(await lacking.request()).toEqual({
      ok: false,
      error: { type: "prestage_unavailable", rule: "LS-16", detail },
    });
    await lacking.world.stop();
    const unwilling = await new Pair({ alice: { prestage: false } }).meet();
    expect(await unwilling.request()).toMatchObject({ ok: false, error: { type: "prestage_unavailable" } });
    await unwilling.world.stop();
  });
});
