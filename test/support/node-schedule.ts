import { expect } from "vitest";
import { asPaymentHash, type Msat, type PaymentHash, type Satoshi, toHex } from "../../src/core/base/index.ts";
import { sha256 } from "../../src/core/crypto/index.ts";
import type { ChannelSummary } from "../../src/node/channel-summary.ts";
import { type RandomNumbers, randomNumbers } from "../../src/testing/index.ts";
import { NodeNetwork, type Taps, type TestNode } from "./node-network.ts";

const AMOUNT_SAT = 1_000_000n as Satoshi;
const PUSH_MSAT = 400_000_000n as Msat;

type Invoice = { readonly owner: TestNode; readonly paymentHash: PaymentHash; readonly amountMsat: Msat };

type Attempt = {
  readonly id: string;
  readonly payer: TestNode;
  readonly channelId: string;
  readonly paymentHash: PaymentHash;
  /** What `pay` said: it was taken, or refused, or the node went before it could say. */
  said: "nothing" | "taken" | "refused";
};

/** A channel as the two nodes of it know it. */
type Link = { readonly initiator: TestNode; readonly responder: TestNode; readonly channel: number };

/**
 * Random things that happen to honest nodes: payments of all kinds, packets delivered in any order between connections,
 * broken connections, crashes, commits that fail, blocks and reorganisations. Nothing of it may cost anybody anything.
 */
export class NodeSchedule {
  readonly world: NodeNetwork;
  private readonly random: RandomNumbers;
  private readonly links: Link[] = [];
  private readonly invoices: Invoice[] = [];
  private readonly attempts: Attempt[] = [];
  private made = 0;
  /** Channels asked for: every second one with pre-staging. */
  private asked: number;

  constructor(seed: number, names: readonly string[], taps: Taps = {}) {
    this.world = new NodeNetwork(names, taps);
    this.random = randomNumbers(seed);
    this.asked = seed;
  }

  private pick<T>(from: readonly T[]): T {
    const picked = from[this.random(from.length)];
    if (picked === undefined) throw new Error("nothing to pick from");
    return picked;
  }

  /** Everybody runs, has coins, and dials everybody before and (some) after them. */
  async begin(): Promise<void> {
    const { world } = this;
    world.chain.feeEstimate = this.estimate();
    for (const node of world.nodes) {
      await node.start();
      await world.fund(node, 1_100_000n, 20);
    }
    for (const [index, node] of world.nodes.entries()) {
      for (const other of world.nodes.slice(index + 1)) {
        await world.outcome(node.node.connect(other.nodeId, other.address));
        if (this.random(2) === 0) await world.outcome(other.node.connect(node.nodeId, node.address));
        this.open(node, other);
      }
    }
    // Half of the schedules begin with channels that are open, the others with channels that open under fire.
    if (this.random(2) === 0) return;
    await world.quiet();
    this.mine(8);
    await world.quiet();
  }

  /** Opens a channel while the rest goes on. */
  private open(initiator: TestNode, responder: TestNode): void {
    const request = { amountSat: AMOUNT_SAT, pushMsat: PUSH_MSAT, prestage: this.asked++ % 2 === 1 };
    initiator.up?.openChannel(responder.nodeId, request).then(
      (opened) => {
        if (opened.ok) this.links.push({ initiator, responder, channel: opened.value });
      },
      () => undefined,
    );
  }

  /**
   * Twice the highest is three times the lowest, so that an opening is never refused: an honest node may do that where its estimate is
   * far below that of the one that asks. Spec: B2-8.
   */
  private estimate(): number {
    return 6_000 + this.random(3_001);
  }

  /** One thing of the kinds that happen, then whatever the nodes make of it without the network. */
  async act(): Promise<void> {
    const { network, clock, nodes } = this.world;
    const what = this.random(100);
    if (what < 45) for (let n = 1 + this.random(8); n > 0; n--) network.deliverOne(this.random(64));
    else if (what < 75) for (let n = this.random(4); n >= 0; n--) this.payment();
    else if (what < 77) network.drop(this.pick(nodes).nodeId, this.pick(nodes).nodeId);
    else if (what < 78) this.pick(nodes).crash();
    else if (what < 80) this.failCommit(this.pick(nodes));
    else if (what < 88) for (const node of nodes) await this.restart(node);
    else if (what < 95) await clock.advance(this.random(2_000));
    // Each node learns of it when it next asks.
    else if (what < 96) this.world.chain.feeEstimate = this.estimate();
    else if (what < 97) this.open(this.pick(nodes), this.pick(nodes));
    else if (what < 99) this.mine(1 + this.random(2));
    else this.reorganise(1 + this.random(3));
    await clock.run();
  }

  private failCommit({ up, store }: TestNode): void {
    if (up === undefined) return;
    const written = this.random(2) === 0;
    store.failNextCommit(this.random(2) === 0 ? { outcome: "refused" } : { outcome: "unknown", written });
  }

  private async restart(node: TestNode): Promise<void> {
    if (node.up !== undefined) return;
    node.crash();
    await node.start();
  }

  private mine(blocks: number): void {
    this.world.chain.mine(blocks);
  }

  /** The newest blocks are replaced by others, one more of them. */
  private reorganise(depth: number): void {
    const { chain } = this.world;
    const fork = chain.blockAt(chain.tip.height - depth + 1);
    if (fork === undefined) return;
    chain.invalidate(fork);
    chain.mine(depth + 1);
  }

  private payment(): void {
    const open = this.links.flatMap((link) => {
      const seen = link.initiator.up?.channel(link.channel);
      return seen === undefined ? [] : [{ ...link, id: toHex(seen.channelId) }];
    });
    if (open.length === 0) return;
    const { initiator, responder, id } = this.pick(open);
    const [payer, payee] = this.random(2) === 0 ? [initiator, responder] : [responder, initiator];
    const kind = this.random(10);
    if (kind === 0) this.pay(payer, id, asPaymentHash(sha256(Uint8Array.of(this.made++ % 256))), this.amount());
    else if (kind === 1 && this.invoices.length > 0) {
      const { paymentHash, amountMsat } = this.pick(this.invoices);
      this.pay(payer, id, paymentHash, amountMsat);
    } else this.invoiceAndPay(payer, payee, id, kind === 2);
  }

  private amount(): Msat {
    return BigInt(1 + this.random(this.pick([1_000, 1_000_000, 40_000_000]))) as Msat;
  }

  private invoiceAndPay(payer: TestNode, payee: TestNode, channelId: string, tooLittle: boolean): void {
    const amountMsat = (this.amount() + 2n) as Msat;
    payee.up?.createInvoice({ amountMsat }).then(
      (made) => {
        if (!made.ok) return;
        const { paymentHash } = made.value;
        this.invoices.push({ owner: payee, paymentHash, amountMsat });
        this.pay(payer, channelId, paymentHash, tooLittle ? ((amountMsat / 2n) as Msat) : amountMsat);
      },
      () => undefined,
    );
  }

  private numberOf(node: TestNode, channelId: string): number | undefined {
    return node.up?.channels().find((channel) => toHex(channel.channelId) === channelId)?.channel;
  }

  private pay(payer: TestNode, channelId: string, paymentHash: PaymentHash, amountMsat: Msat): void {
    const channel = this.numberOf(payer, channelId);
    const { up } = payer;
    if (channel === undefined || up === undefined) return;
    const id = `${payer.name} ${this.made++}`;
    const attempt: Attempt = { id, payer, channelId, paymentHash, said: "nothing" };
    this.attempts.push(attempt);
    const request = { id, paymentHash, amountMsat };
    const note = (paying: ReturnType<typeof up.pay>) =>
      paying.then(
        (said) => {
          if (attempt.said !== "taken") attempt.said = said.ok ? "taken" : "refused";
        },
        () => undefined,
      );
    void note(up.pay(channel, request));
    // Asked for again at once, it still is one payment.
    if (this.random(4) === 0) void note(up.pay(channel, request));
  }

  /** Everybody is up and connected, the channels open, and nothing is under way. */
  async settle(): Promise<void> {
    const { world } = this;
    for (const node of world.nodes) await this.restart(node);
    for (let rounds = 0; rounds < 40; rounds++) {
      await world.advance(2_000);
      for (const node of world.nodes) await this.restart(node);
      if (rounds < 12) this.mine(1);
      if (rounds > 12 && this.links.every((link) => this.isSettled(link))) return;
    }
    throw new Error(`the nodes do not settle: ${this.report()}`);
  }

  private sides({ initiator, responder, channel }: Link): [ChannelSummary, ChannelSummary] | undefined {
    const ours = initiator.up?.channel(channel);
    const theirs = responder.up?.channels().find(({ channelId }) => ours && toHex(channelId) === toHex(ours.channelId));
    return ours === undefined || theirs === undefined ? undefined : [ours, theirs];
  }

  private isSettled(link: Link): boolean {
    const sides = this.sides(link);
    return sides?.every(({ stage, htlcs, peerReady }) => stage === "open" && htlcs === 0 && peerReady) ?? false;
  }

  private report(): string {
    const text = (_: string, value: unknown) => {
      if (value instanceof Uint8Array) return toHex(value).slice(0, 8);
      return typeof value === "bigint" ? `${value}` : value;
    };
    const told = this.world.nodes.map(({ name, events }) => ({
      name,
      events: events
        .filter(
          (event) => event.type === "violation" || (event.type === "channel_stage" && event.failure !== undefined),
        )
        .slice(-5),
    }));
    return JSON.stringify({ told, links: this.links.map((link) => this.sides(link)) }, text, 1);
  }

  /** What must hold of honest nodes, whatever happened to them. */
  async check(): Promise<void> {
    for (const { name, events } of this.world.nodes) {
      const violations = events.filter(({ type }) => type === "violation");
      if (violations.length > 0) throw new Error(`${name} sees a rule broken: ${this.report()}`);
    }
    const succeeded = await this.checkPayments();
    await this.checkInvoices(succeeded);
    this.checkBalances(succeeded);
  }

  private async checkPayments(): Promise<readonly (Attempt & { readonly amountMsat: bigint })[]> {
    const succeeded: (Attempt & { readonly amountMsat: bigint })[] = [];
    for (const attempt of this.attempts) {
      const row = await attempt.payer.node.payment(attempt.id);
      if (attempt.said === "taken") expect(row).toBeDefined();
      if (attempt.said === "refused") expect(row).toBeUndefined();
      if (row === undefined) continue;
      expect(row.state).not.toBe("pending");
      if (row.state === "succeeded") {
        expect(sha256(row.preimage ?? new Uint8Array(0))).toEqual(row.paymentHash);
        succeeded.push({ ...attempt, amountMsat: row.amountMsat });
      }
    }
    return succeeded;
  }

  private async checkInvoices(succeeded: readonly { readonly paymentHash: PaymentHash }[]): Promise<void> {
    const paid = new Set(succeeded.map(({ paymentHash }) => toHex(paymentHash)));
    expect(paid.size).toBe(succeeded.length);
    for (const { owner, paymentHash } of this.invoices) {
      const row = await owner.node.invoice(paymentHash);
      expect(row?.state).toBe(paid.has(toHex(paymentHash)) ? "settled" : "open");
    }
  }

  /** To the millisatoshi, on both sides. */
  private checkBalances(succeeded: readonly (Attempt & { readonly amountMsat: bigint })[]): void {
    for (const link of this.links) {
      const [ours, theirs] = this.sides(link) ?? [];
      if (ours === undefined || theirs === undefined) throw new Error("a channel is missing");
      const over = succeeded.filter(({ channelId }) => channelId === toHex(ours.channelId));
      const sum = (payer: TestNode) =>
        over.filter((attempt) => attempt.payer === payer).reduce((total, { amountMsat }) => total + amountMsat, 0n);
      const local = AMOUNT_SAT * 1000n - PUSH_MSAT - sum(link.initiator) + sum(link.responder);
      expect(ours.localMsat).toBe(local);
      expect(ours.localMsat + ours.remoteMsat).toBe(AMOUNT_SAT * 1000n);
      expect(theirs.localMsat).toBe(ours.remoteMsat);
      expect(theirs.remoteMsat).toBe(ours.localMsat);
      expect(theirs.localCommitment).toBe(ours.remoteCommitment);
      expect(theirs.remoteCommitment).toBe(ours.localCommitment);
    }
  }

  /** How many payments were tried, so that a test can tell that something happened. */
  get tried(): number {
    return this.attempts.length;
  }
}
