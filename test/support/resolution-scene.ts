import { expect } from "vitest";
import { newestCommitment } from "../../src/core/payment-channel/force-close.ts";
import { ChainPair, type PairChain } from "./chain-pair.ts";
import { type Party, type PartyName, rowsOf } from "./channel-pair.ts";

export const DELAY = 10;
export const LIFE = 60;
/** What the transactions of a scene cost at the harness's rates, generously. */
export const COST = 25_000n;

/** Whose transaction is published: `newer` and `older` are the peer's, of two that we signed and it has not revoked. */
export type Published = "ours" | "peers" | "older" | "newer" | "revoked";

/** Name of an HTLC, its secret and its amount in satoshi. Those of us first. */
export const HTLCS = {
  waiting: { n: 1, sat: 50_000n, by: "we" },
  taken: { n: 2, sat: 41_000n, by: "we" },
  told: { n: 3, sat: 42_000n, by: "we" },
  refused: { n: 4, sat: 43_000n, by: "we" },
  dust: { n: 5, sat: 300n, by: "we" },
  unknown: { n: 6, sat: 20_000n, by: "peer" },
  known: { n: 7, sat: 21_000n, by: "peer" },
  fulfilling: { n: 8, sat: 22_000n, by: "peer" },
  failing: { n: 9, sat: 23_000n, by: "peer" },
  theirDust: { n: 10, sat: 301n, by: "peer" },
  late: { n: 11, sat: 24_000n, by: "we" },
} as const;
export type HtlcName = keyof typeof HTLCS;

/** A channel with half of its money on each side. */
export function opened<C extends PairChain>(chain: C | undefined): ChainPair<C> {
  const pair = new ChainPair<C>({ alice: { delay: DELAY }, bob: { delay: DELAY } }, chain);
  for (const party of [pair.alice, pair.bob]) party.checked = false;
  return pair.openOnChain(500_000_000n);
}

export function mineOne(pair: ChainPair<PairChain>, restarts: boolean): void {
  if (restarts) for (const party of [pair.alice, pair.bob]) party.state = party.loaded(rowsOf(party.channel));
  pair.mine(1);
}

/** A channel whose anchor is spent, and everything that came of it. */
export class ResolutionScene<C extends PairChain> {
  readonly pair: ChainPair<C>;
  readonly we: Party;
  readonly peer: Party;
  readonly ids = new Map<HtlcName, bigint>();
  readonly expiry: number;
  /** Height of the block with the commitment. */
  confirmed = 0;
  private readonly restarts: boolean;

  constructor(we: PartyName, restarts: boolean, chain?: C) {
    this.pair = opened(chain);
    this.restarts = restarts;
    this.we = this.pair[we];
    this.peer = this.pair.other(we);
    this.expiry = this.pair.height + LIFE;
  }

  id(name: HtlcName): bigint {
    const id = this.ids.get(name);
    if (id === undefined) throw new Error(`${name} was never offered`);
    return id;
  }

  private add(name: HtlcName): void {
    const { n, sat, by } = HTLCS[name];
    const from = by === "we" ? this.we : this.peer;
    this.ids.set(name, this.pair.standing(from.name, n, sat * 1000n, this.expiry));
  }

  private stageTheirs(): void {
    this.pair.fulfill(this.peer.name, this.id("told"), HTLCS.told.n);
    expect(this.peer.run({ type: "fail_htlc", id: this.id("refused"), reason: new Uint8Array(1) })).toBeUndefined();
  }

  private stageOurs(): void {
    this.pair.fulfill(this.we.name, this.id("fulfilling"), HTLCS.fulfilling.n);
    expect(this.we.run({ type: "fail_htlc", id: this.id("failing"), reason: new Uint8Array(1) })).toBeUndefined();
    const { n, sat } = HTLCS.late;
    expect(this.pair.offer(this.we.name, n, sat * 1000n, this.expiry)).toBeUndefined();
    this.ids.set("late", this.we.channel.totals.localLastId);
  }

  /** Sets up every HTLC, and publishes. */
  publish(published: Published): this {
    const { pair, we, peer } = this;
    for (const name of Object.keys(HTLCS) as HtlcName[]) if (name !== "late") this.add(name);
    if (published === "revoked") return this.cheat();
    this.stageTheirs();
    // The peer's two removals arrive, and nothing after them.
    pair.deliver(peer.name);
    pair.deliver(peer.name);
    this.stageOurs();
    if (published === "older" || published === "newer") we.flush();
    if (published === "newer") {
      while (we.outgoing.length > 0) pair.deliver(we.name);
      peer.flush();
    }
    expect(we.channel.commitments.remote).toHaveLength(published === "older" || published === "newer" ? 2 : 1);
    we.outgoing = [];
    peer.outgoing = [];
    we.ready = false;
    peer.ready = false;
    pair.fail(published === "ours" ? we.name : peer.name);
    return this.play();
  }

  private cheat(): this {
    const { pair, we, peer } = this;
    const revoked = newestCommitment(peer.channel, peer.context());
    if (revoked === undefined) throw new Error("there is a commitment");
    this.stageTheirs();
    pair.settle();
    this.stageOurs();
    pair.settle();
    // An older copy of its data knows nothing of it being revoked; it has nothing that it can do before the delay is over.
    pair.away.add(peer.name);
    expect(pair.publish(revoked)).toBeUndefined();
    expect(we.channel.stage.stage).toBe("failed");
    return this.play();
  }

  /** Blocks until all is over. Preimages come to be known once the commitment is in a block. */
  private play(): this {
    const { pair, we, peer } = this;
    this.mine(1);
    this.confirmed = pair.height;
    pair.fulfill(we.name, this.id("known"), HTLCS.known.n);
    pair.fulfill(peer.name, this.id("taken"), HTLCS.taken.n);
    for (const party of [we, peer]) if (!pair.away.has(party.name)) party.flush();
    this.mine(LIFE + DELAY);
    return this;
  }

  mine(blocks: number): void {
    for (let n = 0; n < blocks; n++) mineOne(this.pair, this.restarts);
  }

  /** Who has the HTLC's output, and in a block of which height. */
  outcome(name: HtlcName): { by: "us" | "peer" | "nobody"; height: number | undefined } | undefined {
    const output = [...this.we.channel.chainOutputs.values()].find(({ htlcId }) => htlcId === this.id(name));
    if (output === undefined) return undefined;
    const { spend } = output;
    return { by: spend === undefined ? "nobody" : spend.ours ? "us" : "peer", height: spend?.height };
  }

  /** What was told of the HTLC to whoever offered it: once, or it is a list. */
  told(name: HtlcName): string {
    const party = HTLCS[name].by === "we" ? this.we : this.peer;
    const told = party.tells.flatMap((tell) =>
      (tell.type === "htlc_fulfilled" || tell.type === "htlc_failed") && tell.id === this.id(name) ? [tell.type] : [],
    );
    return told.join();
  }
}

/** A party with an old copy of its data, whose peer fails the channel: what is published it knows nothing of. */
export function stale<C extends PairChain>(
  pair: ChainPair<C>,
  we: PartyName,
  restarts: boolean,
  blocks: number,
): ChainPair<C> {
  const peer = pair.other(we);
  const expiry = pair.height + LIFE;
  const known = pair.standing(peer.name, 3, 20_000_000n, expiry);
  pair.standing(we, 2, 30_000_000n, expiry);
  pair.standing(we, 4, 50_000_000n, expiry);
  const old = rowsOf(structuredClone(pair[we].channel));
  const later = pair.standing(we, 1, 50_000_000n, expiry);
  pair.fulfill(peer.name, later, 1);
  pair.settle();
  pair[we].state = pair[we].loaded(old);
  const { length } = pair[we].broadcasts;
  pair.fail(peer.name);
  mineOne(pair, restarts);
  pair.fulfill(we, known, 3);
  for (let n = 1; n < blocks; n++) mineOne(pair, restarts);
  expect(pair[we].channel).toMatchObject({ anchorSpend: { kind: "unknown" } });
  expect(pair[we].broadcasts).toHaveLength(length);
  return pair;
}
