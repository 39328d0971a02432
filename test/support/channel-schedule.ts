import { expect } from "vitest";
import type { Msat } from "../../src/core/base/index.ts";
import { commitmentFee, createCommitmentBuffer } from "../../src/core/bitcoin/index.ts";
import type { ChannelPolicy, ChannelRows, HtlcRow, Side } from "../../src/core/payment-channel/index.ts";
import { isRequested } from "../../src/core/payment-channel/rows.ts";
import {
  ChannelPair,
  hashOf,
  type Opening,
  type Packet,
  type Party,
  type PartyName,
  rowsOf,
  secret,
  text,
} from "./channel-pair.ts";

/** What one batch of a node takes in. */
export type Action =
  /** So many packets of the peer, as they come. */
  | { readonly type: "receive"; readonly packets: number }
  | { readonly type: "offer"; readonly amountMsat: bigint }
  /** As much as is taken, to the millisatoshi. */
  | { readonly type: "offer_most" }
  /** Settles or fails one of the HTLCs that wait for it. */
  | { readonly type: "decide"; readonly which: number; readonly fulfill: boolean }
  /** With pre-staging: takes back one of its requests, answers one of the peer's. */
  | { readonly type: "withdraw"; readonly which: number }
  | { readonly type: "answer"; readonly which: number; readonly accept: boolean }
  /** The party sees the chain grow. */
  | { readonly type: "blocks"; readonly blocks: number }
  | { readonly type: "fee"; readonly feeRate: number }
  /** The party's chain says something else about fees. */
  | { readonly type: "estimate"; readonly nextBlock: number }
  | { readonly type: "close" };

export type Event =
  | {
      readonly type: "batch";
      readonly party: PartyName;
      readonly actions: readonly Action[];
      /** The process dies before the batch is committed. */
      readonly crash: boolean;
    }
  | { readonly type: "cut" }
  | { readonly type: "connect" };

/** Everything that a node's store holds at a commit boundary. */
type Stored = {
  readonly rows: ChannelRows;
  readonly received: number;
  readonly sent: number;
  readonly packetAcknowledge: number;
  readonly told: number;
  readonly broadcasts: number;
  readonly offered: ReadonlyMap<bigint, Offered>;
  readonly height: number;
};

/** An HTLC as the payment engine of its offerer sees it. */
type Offered = {
  readonly number: number;
  readonly amountMsat: bigint;
  readonly end: "fulfilled" | "failed" | undefined;
};

/** A node with one channel: its store, and its outbox, which keeps every packet for as long as it may be asked for. */
class Node {
  readonly party: Party;
  readonly outbox: Packet[] = [];
  stored: Stored;
  offered = new Map<bigint, Offered>();
  private estimates: number[] = [];
  /** Tells that the payment engine has seen. */
  heard = 0;

  constructor(party: Party) {
    this.party = party;
    this.stored = this.snapshot();
  }

  snapshot(): Stored {
    const { party } = this;
    return {
      rows: structuredClone(rowsOf(party.channel)),
      received: party.received,
      sent: party.sent,
      packetAcknowledge: party.packetAcknowledge,
      told: party.tells.length,
      broadcasts: party.broadcasts.length,
      offered: new Map(this.offered),
      height: party.height,
    };
  }

  /** What the last few answers were counts as recent. */
  estimated(nextBlock: number): void {
    const { party } = this;
    this.estimates = [...this.estimates, nextBlock].slice(-3);
    const recent = { lowest: Math.min(...this.estimates), highest: Math.max(...this.estimates) };
    party.fees = { ...party.fees, nextBlock, recent };
  }

  /** What the channel told since the last time ends payments, each of them once. */
  hear(): void {
    for (const tell of this.party.tells.slice(this.heard)) {
      if (tell.type !== "htlc_fulfilled" && tell.type !== "htlc_failed") continue;
      const offered = this.offered.get(tell.id);
      expect(offered?.end).toBeUndefined();
      const end = tell.type === "htlc_fulfilled" ? "fulfilled" : "failed";
      if (offered !== undefined) this.offered.set(tell.id, { ...offered, end });
    }
    this.heard = this.party.tells.length;
  }

  /** HTLCs that were told to be ours to decide about, and still are. */
  waiting(): HtlcRow[] {
    const { htlcs, removalRequests } = this.party.channel;
    const isDecided = (id: bigint) => removalRequests.get(id)?.by === "local";
    const told = new Map<bigint, HtlcRow>();
    for (const tell of this.party.tells) if (tell.type === "htlc_cleared") told.set(tell.htlc.id, tell.htlc);
    return [...told.values()].filter(
      ({ id }) => htlcs.get(id)?.removal === undefined && htlcs.has(id) && !isDecided(id),
    );
  }

  /** Requests of one side to add an HTLC that have no answer. */
  requests(offerer: Side): bigint[] {
    const requested = [...this.party.channel.htlcs.values()].filter(isRequested);
    return requested.filter((htlc) => htlc.offerer === offerer).map(({ id }) => id);
  }

  commit(): readonly Packet[] {
    this.hear();
    const made = this.party.outgoing.splice(0);
    this.outbox.push(...made);
    this.stored = this.snapshot();
    return made;
  }

  /** A new process: what the store has is all that there is. */
  crash(): void {
    const { party, stored } = this;
    party.outgoing = [];
    party.received = stored.received;
    party.sent = stored.sent;
    party.packetAcknowledge = stored.packetAcknowledge;
    party.state = party.loaded(structuredClone(stored.rows));
    party.tells.length = stored.told;
    party.broadcasts.length = stored.broadcasts;
    this.heard = stored.told;
    party.height = stored.height;
    this.offered = new Map(stored.offered);
  }
}

function offering(number: number, amountMsat: bigint, height: number) {
  const paymentHash = hashOf(number);
  const route = new Uint8Array(0);
  return { type: "offer" as const, amountMsat: amountMsat as Msat, paymentHash, expiry: height + 290, route };
}

/** The greatest amount above the dust limit that the party may offer now, or 1. */
function most(party: Party): bigint {
  let [good, bad] = [1n, 0x1_0000_0000n];
  while (bad - good > 1n) {
    const amountMsat = (good + bad) / 2n;
    if (amountMsat < 546_000n || party.ask(offering(0, amountMsat, party.height)) === undefined) good = amountMsat;
    else bad = amountMsat;
  }
  return good < 546_000n ? 1n : good;
}

const NAMES = ["alice", "bob"] as const;

function shared(
  opening: Opening,
  policies: { alice: Partial<ChannelPolicy>; bob: Partial<ChannelPolicy> },
  estimate: number,
) {
  const pair = new ChannelPair(policies);
  for (const name of NAMES) pair[name].fees = { ...pair[name].fees, nextBlock: estimate };
  return pair.open(opening);
}

/**
 * Two nodes with a channel under a schedule: batches in any order, packets that wait, connections that are cut and processes
 * that die. Throws where an honest node is taken for a cheater, or where something that always holds does not.
 */
export class Schedule {
  readonly nodes: Record<PartyName, Node>;
  private readonly wire: Record<PartyName, Packet[]> = { alice: [], bob: [] };
  private connected = true;
  private secrets = 0;

  constructor(options: {
    amountSat: bigint;
    pushMsat: bigint;
    prestage?: boolean;
    alice?: Partial<ChannelPolicy>;
    bob?: Partial<ChannelPolicy>;
    /** At the opening, for both. */
    estimate?: number;
  }) {
    const { amountSat, pushMsat, prestage = false, alice = {}, bob = {}, estimate = 2_000 } = options;
    const pair = shared({ amountSat, pushMsat, prestage }, { alice, bob }, estimate);
    // One of the two builds its commitments the fast way, the other plainly: their signatures have to fit.
    pair.alice.buffer = createCommitmentBuffer();
    this.nodes = { alice: new Node(pair.alice), bob: new Node(pair.bob) };
    for (const name of NAMES) this.nodes[name].outbox.length = pair[name].sent;
  }

  run(event: Event): void {
    switch (event.type) {
      case "batch":
        this.batch(event.party, event.actions, event.crash);
        return;
      case "cut":
        this.cut();
        return;
      case "connect":
        this.connect();
    }
  }

  private other(name: PartyName): PartyName {
    return name === "alice" ? "bob" : "alice";
  }

  private batch(name: PartyName, actions: readonly Action[], crash: boolean): void {
    const node = this.nodes[name];
    for (const action of actions) this.act(node, name, action);
    node.party.flush();
    if (crash) {
      node.crash();
      this.cut();
      return;
    }
    const made = node.commit();
    this.checkRevealed(name, made);
    if (this.connected) this.wire[name].push(...made);
  }

  private act(node: Node, name: PartyName, action: Action): void {
    const { party } = node;
    if (action.type === "receive") {
      const arrived = this.wire[this.other(name)].splice(0, action.packets);
      for (const packet of arrived) {
        const error = party.receive(packet);
        if (error !== undefined) {
          throw new Error(`${name} refuses ${packet.pkt.message.type}: ${JSON.stringify(error, text)}`);
        }
      }
    } else if (action.type === "offer") this.offer(node, action.amountMsat);
    else if (action.type === "offer_most") this.offer(node, most(party));
    else if (action.type === "decide") {
      this.decide(name, action.which, action.fulfill);
    } else if (action.type === "withdraw" || action.type === "answer") this.request(node, action);
    else if (action.type === "blocks") party.height += action.blocks;
    else if (action.type === "fee") party.run({ type: "set_fee", feeRate: action.feeRate });
    else if (action.type === "estimate") node.estimated(action.nextBlock);
    else party.run({ type: "close", script: undefined });
  }

  private request(node: Node, action: Extract<Action, { type: "withdraw" | "answer" }>): void {
    const { party } = node;
    const ids = node.requests(action.type === "withdraw" ? "local" : "remote");
    const id = ids[action.which % Math.max(ids.length, 1)];
    if (id === undefined || !party.ready) return;
    // A request that has become impossible is rejected at the end of the batch.
    if (action.type === "withdraw") party.run({ type: "withdraw_add", id });
    else if (action.accept) party.run({ type: "accept_add", id });
    else party.run({ type: "reject_add", id, reason: new Uint8Array([2]) });
  }

  private offer(node: Node, amountMsat: bigint): void {
    const number = ++this.secrets;
    if (node.party.run(offering(number, amountMsat, node.party.height)) !== undefined) return;
    node.offered.set(node.party.channel.totals.localLastId, { number, amountMsat, end: undefined });
  }

  private decide(name: PartyName, which: number, fulfill: boolean): void {
    const { party } = this.nodes[name];
    const waiting = this.nodes[name].waiting();
    const htlc = waiting[which % Math.max(waiting.length, 1)];
    if (htlc === undefined || !party.ready) return;
    const offered = this.nodes[this.other(name)].offered.get(htlc.id);
    const preimage = secret(offered?.number ?? 0);
    const error = fulfill
      ? party.run({ type: "fulfill", id: htlc.id, preimage })
      : party.run({ type: "fail_htlc", id: htlc.id, reason: new Uint8Array([1]) });
    // A cleared HTLC can be removed by whoever was told of it, until a close is agreed on, for which it must be gone.
    if (error !== undefined) throw new Error(`${name} can't decide: ${JSON.stringify(error, text)}`);
  }

  /** The connection goes; what was on the wire goes with it. */
  private cut(): void {
    this.connected = false;
    for (const name of NAMES) {
      this.wire[name].length = 0;
      this.nodes[name].party.ready = false;
    }
  }

  /** A new connection: each sends again what the other's store has not got, bit for bit. */
  private connect(): void {
    if (this.connected) return;
    this.connected = true;
    for (const name of NAMES)
      this.wire[name].push(...this.nodes[name].outbox.slice(this.nodes[this.other(name)].party.received));
    for (const name of NAMES) {
      const { party } = this.nodes[name];
      party.ready = true;
      expect(party.run({ type: "peer_ready" })).toBeUndefined();
      party.flush();
      this.wire[name].push(...this.nodes[name].commit());
    }
  }

  /**
   * A preimage leaves only once the add is in our commitment, and in the oldest of the peer's that is not revoked. From the
   * packets alone, independently of what the state says.
   */
  private checkRevealed(name: PartyName, made: readonly Packet[]): void {
    const peer = this.other(name);
    const theirs = this.nodes[peer].outbox.slice(0, this.nodes[name].stored.received).filter((p) => p !== undefined);
    const ours = this.nodes[name].outbox.filter((p) => p !== undefined);
    for (const { pkt } of made) {
      const { message } = pkt;
      if (message.type !== "update_fulfill_htlc" && message.type !== "settle_request") continue;
      // What staged the add: the peer's message, or our answer to it.
      const staged = message.type === "settle_request" ? "add_accept" : "update_add_htlc";
      const by = staged === "add_accept" ? ours : theirs;
      const add = by.find(({ pkt: { message: m } }) => m.type === staged && m.id === message.id);
      expect(add).toBeDefined();
      const number = add?.number ?? Number.POSITIVE_INFINITY;
      const ourCommitment = theirs.findLast(({ pkt: { message: m } }) => m.type === "update_commit");
      const revoked = theirs.filter(({ pkt: { message: m } }) => m.type === "update_revocation").length;
      const signed = ours.filter((p) => p.pkt.message.type === "update_commit")[revoked - 1];
      const covers = (commit: Packet | undefined, signedByPeer: boolean) =>
        commit !== undefined &&
        ((by === theirs) === signedByPeer ? commit.number > number : commit.acknowledge >= number);
      expect(covers(ourCommitment, true)).toBe(true);
      expect(covers(signed, false)).toBe(true);
    }
  }

  /** Everything is delivered and decided until nothing is left to do. */
  settle(fulfill: (id: bigint) => boolean): void {
    this.connect();
    for (let rounds = 0; rounds < 500; rounds++) {
      const before = NAMES.map((name) => this.nodes[name].party.changes.length);
      for (const name of NAMES) {
        const waiting = this.nodes[name].waiting();
        const actions: Action[] = waiting.map(({ id }) => ({ type: "decide", which: 0, fulfill: fulfill(id) }));
        for (const _ of this.nodes[name].requests("remote")) actions.push({ type: "answer", which: 0, accept: true });
        this.batch(name, [{ type: "receive", packets: 1000 }, ...actions], false);
      }
      const moved = NAMES.some((name, i) => this.nodes[name].party.changes.length !== before[i]);
      if (!moved && NAMES.every((name) => this.wire[name].length === 0)) return;
    }
    throw new Error("the channel does not settle");
  }

  /** What holds when nothing is left to do. */
  checkSettled(amountSat: bigint): void {
    const [alice, bob] = [this.nodes.alice.party.channel, this.nodes.bob.party.channel];
    expect(alice.htlcs.size + bob.htlcs.size).toBe(0);
    expect(alice.view.local.balanceMsat).toBe(bob.view.remote.balanceMsat);
    expect(alice.view.remote.balanceMsat).toBe(bob.view.local.balanceMsat);
    expect(alice.totals.localMsat + alice.totals.remoteMsat).toBe(amountSat * 1000n);
    expect(alice.commitments.local?.number).toBe(bob.commitments.remote[0]?.number);
    expect(bob.commitments.local?.number).toBe(alice.commitments.remote[0]?.number);
    expect(alice.commitments.remote.length + bob.commitments.remote.length).toBe(2);
    for (const name of NAMES) for (const { end } of this.nodes[name].offered.values()) expect(end).toBeDefined();
  }

  /** Where each party's own rate stands when nothing is left to do, unless it is closing: near what it wants, or it can't pay that. */
  checkFees(): void {
    for (const name of NAMES) {
      const { party } = this.nodes[name];
      const { view, stage, commitments, fees } = party.channel;
      if (stage.stage !== "open") continue;
      const rate = view.feeRate.local;
      expect(fees.filter(({ owner }) => owner === "local")).toHaveLength(1);
      expect(commitments.local?.feeRate).toBe(rate);
      const { nextBlock = 0, recent = { lowest: nextBlock, highest: nextBlock } } = party.fees;
      const wanted = Math.min(2 * nextBlock, Math.max(25_000, 5 * recent.lowest, view.feeRate.remote));
      const short = (commitmentFee(wanted, 0) / 2n) * 1000n > view.local.balanceMsat - 2_000n;
      expect(rate >= 0.75 * wanted || short).toBe(true);
      expect(rate <= 3 * recent.highest + 1 || short).toBe(true);
    }
  }
}
