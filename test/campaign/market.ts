import type { MemoryStore } from "../../src/adapters/store-memory/index.ts";
import { equalBytes, type Msat, type PaymentHash, type Satoshi, toHex } from "../../src/core/base/index.ts";
import { addressToScript } from "../../src/core/bitcoin/index.ts";
import type { ChannelRows } from "../../src/core/payment-channel/index.ts";
import type { ChannelSummary } from "../../src/node/channel-summary.ts";
import type { NodeEvent } from "../../src/node/events.ts";
import type { Store } from "../../src/ports/store.ts";
import {
  Broken,
  pick,
  plainText,
  type RandomNumbers,
  type Trace,
  World,
  type WorldNode,
} from "../../src/testing/index.ts";
import type { Prize } from "./loot.ts";
import type { Setting } from "./setting.ts";

/** Of every channel, single-funded or the opener's part of one that both fund. */
const AMOUNT_SAT = 1_000_000n as Satoshi;
const PUSH_MSAT = 400_000_000n as Msat;
/** What a node contributes to a channel that it is asked to fund too. */
const CONTRIBUTION_SAT = 300_000n as Satoshi;
const COIN_SAT = 1_100_000n;

/** Blocks after its expiry at which an HTLC that a node offered has to be on chain, its grace and a few to notice. */
const PATIENCE = 8;

/** Blocks that the cheater may undo, as a miner: one less than what counts as final. */
export const UNDONE = 5;

const NOTHING = { channels: [] };

export type Attempt = {
  readonly id: string;
  readonly payer: WorldNode;
  readonly payee: WorldNode | undefined;
  /** In hexadecimal. */
  readonly channelId: string;
  readonly paymentHash: PaymentHash;
  /** What `pay` said: it was taken, or refused, or the node went before it could say. */
  said: "nothing" | "taken" | "refused";
};

/** What a node sends from its wallet, each to a script of its own. */
export type Sent = {
  readonly node: WorldNode;
  readonly script: Uint8Array;
  readonly amountSat: Satoshi | "all";
  /** As of an attempt to pay. */
  said: "nothing" | "refused" | { readonly txid: Uint8Array };
};

export type Invoice = { readonly owner: WorldNode; readonly paymentHash: PaymentHash; readonly amountMsat: Msat };

/** An open channel from one of its ends. */
export type Seat = { readonly node: WorldNode; readonly peer: WorldNode; readonly channel: ChannelSummary };

/** Nodes that trade, what they mean to have done, and why a channel between two of them may end alone. */
export class Market {
  readonly setting: Setting;
  readonly world: World;
  readonly invoices: Invoice[] = [];
  readonly attempts: Attempt[] = [];
  readonly sent: Sent[] = [];
  /** Who does what no honest node would. */
  readonly cheater: WorldNode | undefined;
  /** Who runs, or ran, on old data. */
  readonly stale = new Set<WorldNode>();
  /** Why a channel may fail, by its id; those of the cheater and of stale nodes always may. */
  readonly causes = new Map<string, Set<string>>();
  /** Nodes that stay down until a height. */
  readonly away = new Map<WorldNode, number>();
  /** Nodes that never come back. */
  readonly gone = new Set<WorldNode>();
  /** The highest fee estimate so far. */
  highestEstimate = 0;
  /** How payments were reported to have ended, by the payer's name and the id. */
  readonly ended = new Map<string, "succeeded" | "failed" | "unknown">();
  /** The cheater's channels at each of its commitments, by channel, the oldest first. */
  readonly past = new Map<number, ChannelRows[]>();
  /** What may become the cheater's of what was published, by itself and against it. */
  readonly loot: Prize[] = [];
  /** Copies of nodes' data as they were. */
  readonly old = new Map<WorldNode, WorldNode["store"]>();
  /** The height at which everybody had coins, on the best chain. */
  beganAt = 0;
  /** What the cheater does about its loot with each block. */
  thieve: (() => Promise<void>) | undefined;
  private readonly looked = new Map<WorldNode, number>();
  private made = 0;
  private asked = 0;

  constructor(setting: Setting, options: { readonly keepTrace: boolean }) {
    this.setting = setting;
    const { seed, names, commitMs, delays, theme, window } = setting;
    this.world = new World({
      seed,
      nodes: names,
      commitMs,
      keepTrace: options.keepTrace,
      taps: {
        backups: theme === "stale",
        store: (store, node) => (node === this.cheater ? this.remembering(store) : store),
        policy: ({ name }) => ({
          delay: delays[names.indexOf(name)] ?? 144,
          window,
          maxContributionSat: CONTRIBUTION_SAT,
        }),
      },
      blocks: 120,
    });
    if (theme === "cheater") this.cheater = this.world.nodes.at(-1);
  }

  /** A store that forgets no commitment that could be published. */
  private remembering(store: MemoryStore): Store {
    return {
      ...store,
      commit: async (batch) => {
        const moved = batch.changes.flatMap((change) =>
          change.type === "channel" && change.change.type === "commitment" && change.change.row.holder === "local"
            ? [change.channel]
            : [],
        );
        // Both are done before either call returns: the machine may be gone afterwards.
        const [, { channels }] = await Promise.all([store.commit(batch), moved.length > 0 ? store.load() : NOTHING]);
        for (const rows of channels) {
          const { index } = rows.channel;
          if (moved.includes(index)) this.past.set(index, [...(this.past.get(index) ?? []), rows]);
        }
      },
    };
  }

  get trace(): Trace {
    return this.world.trace;
  }

  get honest(): readonly WorldNode[] {
    return this.world.nodes.filter((node) => this.isHonest(node));
  }

  isHonest(node: WorldNode): boolean {
    return node !== this.cheater && !this.stale.has(node);
  }

  nodeOf(id: Uint8Array): WorldNode {
    const found = this.world.nodes.find(({ nodeId }) => toHex(nodeId) === toHex(id));
    if (found === undefined) throw new Error("a peer is a node of the world");
    return found;
  }

  /** Everybody runs, has coins, and has channels with those that the setting says. */
  async begin(): Promise<this> {
    const { world, setting } = this;
    for (const [at, node] of world.nodes.entries()) node.feeFactor = setting.feeFactors[at] ?? 1;
    this.estimate(setting.estimate);
    await world.start();
    for (const node of world.nodes) {
      const script = addressToScript(await world.outcome(node.node.newAddress()), "regtest");
      if (!script.ok) throw new Error(script.error.type);
      for (let n = 0; n < setting.coins; n++)
        if (!world.chain.fund(script.value, COIN_SAT).ok) throw new Error("no coins");
    }
    await world.mine(1);
    this.beganAt = world.chain.tip.height;
    for (const { from, to, dual, prestage } of setting.channels) {
      const [a, b] = [world.nodes[from], world.nodes[to]];
      if (a === undefined || b === undefined) throw new Error("a channel is between nodes");
      await world.connect(a, b);
      this.open(a, b, { dual, prestage });
    }
    if (!setting.opensUnderFire) await world.mine(7);
    world.faults = setting.faults;
    return this;
  }

  estimate(rate: number): void {
    this.highestEstimate = Math.max(this.highestEstimate, Math.round(rate * Math.max(...this.setting.feeFactors)));
    this.world.chain.feeEstimate = rate;
  }

  /** Opens a channel while the rest goes on. */
  open(a: WorldNode, b: WorldNode, { dual, prestage }: { readonly dual: boolean; readonly prestage: boolean }): void {
    if (this.asked++ > 12) return;
    const request = {
      amountSat: AMOUNT_SAT,
      prestage,
      ...(dual ? { dual: { wishedContributionSat: CONTRIBUTION_SAT } } : { pushMsat: PUSH_MSAT }),
    };
    a.up?.openChannel(b.nodeId, request).catch(() => undefined);
  }

  /** Sends something from a node's wallet. */
  withdraw(node: WorldNode, amountSat: Satoshi | "all"): void {
    const { up } = node;
    if (up === undefined) return;
    const script = Uint8Array.of(0, 20, ...new Uint8Array(20).fill(9));
    new DataView(script.buffer).setUint32(2, this.sent.length);
    const sent: Sent = { node, script, amountSat, said: "nothing" };
    this.sent.push(sent);
    up.withdraw(script, amountSat).then(
      (said) => {
        sent.said = said.ok ? { txid: said.value } : "refused";
      },
      () => undefined,
    );
  }

  /** Channels of nodes that are up, from either end, in the order of nodes and numbers. */
  seats(of: readonly WorldNode[] = this.world.nodes): Seat[] {
    return of.flatMap((node) =>
      (node.up?.channels() ?? []).map((channel) => ({ node, peer: this.nodeOf(channel.peer), channel })),
    );
  }

  openSeats(of?: readonly WorldNode[]): Seat[] {
    return this.seats(of).filter(({ channel }) => channel.stage === "open");
  }

  /** The channel may fail from now on, for this reason. */
  mayFail(channelId: Uint8Array, cause: string): void {
    const key = toHex(channelId);
    this.causes.set(key, (this.causes.get(key) ?? new Set()).add(cause));
  }

  payment(random: RandomNumbers): void {
    const seats = this.openSeats();
    if (seats.length === 0) return;
    // Whoever cheats needs something to cheat with.
    const cheaters = random(2) === 0 ? seats.filter((seat) => this.isOfCheater(seat)) : [];
    const seat = pick(random, cheaters.length > 0 ? cheaters : seats);
    const kind = random(12);
    const amount = this.amount(random);
    const expiry = this.expiry(random, seat);
    if (kind === 0) {
      this.pay(seat, undefined, this.unknownHash(), amount, expiry, false);
      return;
    }
    const { peer } = seat;
    const again = this.invoices.filter(({ owner }) => owner === peer);
    if (kind <= 2 && again.length > 0) {
      const { paymentHash, amountMsat } = pick(random, again);
      const before = this.attempts.find((attempt) => toHex(attempt.paymentHash) === toHex(paymentHash));
      // Over the channel of the first time, so that it is known which one an invoice was paid over.
      if (before !== undefined && before.channelId !== toHex(seat.channel.channelId)) return;
      this.pay(seat, peer, paymentHash, amountMsat, expiry, false);
      return;
    }
    const paid = kind === 3 ? ((amount / 2n) as Msat) : amount;
    this.payInvoice(seat, { amount, paid, expiry, twice: random(4) === 0 });
  }

  /** A payment to an invoice of its own. */
  payInvoice(
    seat: Seat,
    {
      amount,
      paid,
      expiry,
      twice,
    }: { readonly amount: Msat; readonly paid: Msat; readonly expiry: number | undefined; readonly twice: boolean },
  ): void {
    const { peer } = seat;
    peer.up?.createInvoice({ amountMsat: amount }).then(
      (invoice) => {
        if (!invoice.ok) return;
        const { paymentHash } = invoice.value;
        this.invoices.push({ owner: peer, paymentHash, amountMsat: amount });
        this.pay(seat, peer, paymentHash, paid, expiry, twice);
      },
      () => undefined,
    );
  }

  isOfCheater({ node, peer }: Seat): boolean {
    return node === this.cheater || peer === this.cheater;
  }

  private amount(random: RandomNumbers): Msat {
    const from = pick(random, [
      1n,
      300_000n,
      545_999n,
      546_000n,
      900_001n,
      5_000_000n,
      20_000_999n,
      60_000_000n,
      300_000_000n,
    ]);
    return (from + BigInt(random(1_000))) as Msat;
  }

  /** Where channels end on chain, HTLCs must not take for ever. Some are too near for the payee to enforce: it has to turn them down. */
  expiry(random: RandomNumbers, { peer }: Seat): number | undefined {
    const { theme, delays, names } = this.setting;
    if (theme === "transport") return undefined;
    const longest = Math.max(...delays);
    const height = this.world.chain.tip.height;
    const [isNear, above] = [random(8) === 0, random(30)];
    // The payer's own node offers nothing nearer.
    const nearest = delays[names.indexOf(peer.name)] ?? longest;
    return isNear ? height + nearest + (above % 6) : height + longest + 30 + above;
  }

  private unknownHash(): PaymentHash {
    const bytes = new Uint8Array(32).fill(7);
    new DataView(bytes.buffer).setUint32(0, this.made++);
    return bytes as PaymentHash;
  }

  pay(
    { node, channel }: Seat,
    payee: WorldNode | undefined,
    paymentHash: PaymentHash,
    amountMsat: Msat,
    expiry: number | undefined,
    twice: boolean,
  ): Attempt | undefined {
    const { up } = node;
    if (up === undefined) return undefined;
    const id = `${node.name} ${this.made++}`;
    const attempt: Attempt = {
      id,
      payer: node,
      payee,
      channelId: toHex(channel.channelId),
      paymentHash,
      said: "nothing",
    };
    this.attempts.push(attempt);
    const request = { id, paymentHash, amountMsat, ...(expiry === undefined ? {} : { expiry }) };
    const ask = () =>
      up.pay(channel.channel, request).then(
        (said) => {
          if (attempt.said !== "taken") attempt.said = said.ok ? "taken" : "refused";
        },
        () => undefined,
      );
    void ask();
    // Asked for again at once, it still is one payment.
    if (twice) void ask();
    return attempt;
  }

  /** Those come back that may: nobody who is away or gone. */
  async revive(): Promise<void> {
    const { height } = this.world.chain.tip;
    for (const node of this.world.nodes) {
      if (node.up !== undefined || this.gone.has(node) || (this.away.get(node) ?? 0) > height) continue;
      this.away.delete(node);
      await node.revive();
    }
  }

  /** What nodes have told since this was last asked for. */
  news(): { readonly node: WorldNode; readonly event: NodeEvent }[] {
    return this.world.nodes.flatMap((node) => {
      const from = this.looked.get(node) ?? 0;
      this.looked.set(node, node.events.length);
      return node.events.slice(from).map((event) => ({ node, event }));
    });
  }

  /** Machines, networks and fees trouble nobody any more. */
  calm(): void {
    const { world, setting } = this;
    world.faults = {};
    this.away.clear();
    this.estimate(setting.estimate);
    world.chain.mempoolMinimum = 0;
    for (const node of world.nodes) {
      node.unplan();
      node.tap = {};
      for (const other of world.nodes) {
        world.mend(node, other);
        world.delay(node, other, 0);
      }
    }
  }

  /** Time and blocks until nothing is under way: see `isSettled`. */
  async settle(): Promise<void> {
    const { world, cheater, setting } = this;
    if (cheater !== undefined && setting.cheaterGoes) {
      this.gone.add(cheater);
      if (cheater.up !== undefined) cheater.crash();
    }
    // Whoever waits for the end may undo it.
    let left = setting.thiefWaits ? UNDONE + 1 : 0;
    for (let round = 0; round < 400; round++) {
      await this.revive();
      // Long enough for everybody to be found again, and now and then for a peer that says nothing.
      if (round < 5) await world.advance(5_000);
      else await world.advance(round % 20 === 15 ? 700_000 : 500);
      if (round % 5 === 3) this.leave(({ peer }) => this.gone.has(peer));
      // A channel that old data know nothing of is never heard of again; and a cheater whose authenticate never came answers pings for ever.
      if (round === 30) {
        this.leave(({ peer, channel }) => this.stale.has(peer) || (peer === cheater && !channel.peerReady));
      }
      await this.thieve?.();
      if (round > 3 && (await this.isSettled()) && left-- <= 0) return;
      await world.mine(1);
    }
    throw new Broken("everything ends", this.report());
  }

  /** Users end their channels with who does not answer any more. */
  private leave(isLeft: (seat: Seat) => boolean): void {
    const { height } = this.world.chain.tip;
    for (const seat of this.seats(this.honest)) {
      const { node, peer, channel } = seat;
      const { stage, liveHtlcs } = channel;
      if (!isLeft(seat) || stage === "failed" || this.isChannelSettled(channel)) continue;
      if (this.setting.usersWait && liveHtlcs.some(({ expiry }) => height < expiry + PATIENCE)) continue;
      const late = liveHtlcs.find(({ direction, inLocal }) => direction === "outgoing" && inLocal);
      if (this.setting.usersWait && late !== undefined) {
        throw new Broken(
          "everything ends",
          `${node.name} leaves an HTLC to ${peer.name} that expired at ${late.expiry}`,
        );
      }
      node.up?.failChannel(channel.channel).catch(() => undefined);
    }
  }

  /** The height of the block of the best chain with a transaction. */
  heightOf(txid: Uint8Array): number | undefined {
    const { chain } = this.world;
    for (let { height } = chain.tip; height > 0; height--) {
      if (chain.blockAt(height)?.transactions.some((one) => equalBytes(one.txid, txid))) return height;
    }
    return undefined;
  }

  private async isSettled(): Promise<boolean> {
    if (this.world.chain.waiting().length > 0) return false;
    for (const node of this.world.nodes) {
      if (this.gone.has(node)) continue;
      if (node.up === undefined) return false;
      if (node.up.withdrawals().some(({ state }) => state === "unconfirmed") && this.isHonest(node)) return false;
      if (node !== this.cheater && !node.up.channels().every((channel) => this.isChannelSettled(channel))) return false;
    }
    for (const { id, payer } of this.attempts) {
      if (payer !== this.cheater && (await payer.store.payment(id))?.state === "pending") return false;
    }
    return true;
  }

  /**
   * Failed before its one funder, the peer, gave the anchor to the network: it is waited for 2,016 blocks, longer than a world lasts. Of two
   * funders' channels none begins with this balance.
   */
  waitsForAnchor({ stage, initiator, funding, localMsat }: ChannelSummary): boolean {
    const isMissing = stage === "failed" && funding !== undefined && funding.confirmedHeight === undefined;
    return isMissing && initiator === "remote" && localMsat === PUSH_MSAT;
  }

  private isChannelSettled(channel: ChannelSummary): boolean {
    const { stage, liveHtlcs, peerReady, closing, stale, funding, initiator } = channel;
    if (this.waitsForAnchor(channel)) return true;
    if (stage === "open") return liveHtlcs.length === 0 && peerReady && !closing;
    // A copy from before the peer named the anchor: what spends it can't be known for what it is.
    if (stale && funding === undefined) return true;
    // Its own anchor is nowhere, and the coins for it are free: nobody knows whether the opening was given up.
    if (stale && initiator === "local" && funding?.confirmedHeight === undefined) return true;
    return stage === "closed" || stage === "buried" || stage === "abandoned";
  }

  report(): string {
    const channels = this.seats().map(({ node, peer, channel }) => {
      const { stage, failure, localMsat, remoteMsat, liveHtlcs, stale, channelId, peerReady, closing } = channel;
      const id = toHex(channelId).slice(0, 8);
      return `${node.name}/${channel.channel} ${peer.name} ${id} ${plainText({ stage, failure, localMsat, remoteMsat, liveHtlcs: liveHtlcs.length, stale, peerReady, closing })}`;
    });
    return channels.join("\n");
  }
}
