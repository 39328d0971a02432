// Two nodes in processes of their own, with SQLite, TCP and a chain, that open channels, pay both ways and end the channels in every way,
// while their processes, and the chain's, are killed at random moments. What is done is asked for again until it is done; what must
// have come of it is counted at the end.
import assert from "node:assert/strict";
import { copyFileSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { asPaymentHash, equalBytes, type Msat, type PaymentHash, type Satoshi } from "../../src/core/base/index.ts";
import { addressToScript } from "../../src/core/bitcoin/index.ts";
import type { ChannelSummary } from "../../src/node/index.ts";
import { type RandomNumbers, randomNumbers } from "../../src/testing/random-numbers.ts";
import { type ChainBooks, chainBooks } from "./kill-books.ts";
import { bitcoindKillChain, embeddedKillChain, type KillChain } from "./kill-chain.ts";
import { KilledNode } from "./killed-node.ts";

export type CampaignOptions = {
  readonly kills: number;
  readonly seed: number;
  readonly chain: "embedded" | "bitcoind";
  /** No channel is begun after this. */
  readonly seconds: number;
  readonly say: (line: string) => void;
};

export type CampaignReport = {
  readonly kills: Readonly<Record<string, number>>;
  readonly lives: Readonly<Record<string, number>>;
  readonly payments: { readonly succeeded: number; readonly failed: number; readonly neverMade: number };
  readonly starts: number;
  readonly blocks: number;
  readonly books: ChainBooks;
  readonly seconds: number;
};

const NAMES = ["alice", "bob"] as const;
type Name = (typeof NAMES)[number];
const other = (name: Name): Name => (name === "alice" ? "bob" : "alice");

const ENDINGS = ["restored", "forced", "cooperative", "forced", "cooperative"] as const;
type Ending = (typeof ENDINGS)[number];

const GIFT_SAT = 20_000_000n;
const GIFTS = 2;
const FUNDS_SAT = 1_000_000n;
const PUSH_MSAT = 400_000_000n;
/** Above dust by far, so that each has an output of its own where a channel is forced. */
const AMOUNT_MSAT = 10_000_000n;
const PAYMENTS = 25;
/** Moments of each phase at which something is killed: one process, or two. */
const KILLS_A_LIFE = { opening: 3, paying: 8, ending: 5 };
/** Blocks that both have to have seen before there are more. */
const STRIDE = 4;
const PATIENCE_MS = 300_000;
/** Outputs up to here may stay where they are: to claim one costs as much. */
const TINY_SAT = 3_000n;

/** A side that gives a channel up says so, and a restored node tells its peer in this way that it has lost its data. */
const EXPECTED = ["failed by user", "remote acknowledge [B2-5]"];

/** Short enough that a forced end takes a few hundred blocks. */
const POLICY = { delay: 12, maxContributionSat: FUNDS_SAT as Satoshi };

type Payment = { readonly from: Name; readonly id: string; readonly hash: PaymentHash };
type Channel = { readonly id: Uint8Array; readonly number: Record<Name, number> };

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

class Campaign {
  readonly kills: Record<string, number> = {};
  readonly lives: Record<string, number> = {};
  readonly payments = { succeeded: 0, failed: 0, neverMade: 0 };
  readonly nodes: Record<Name, KilledNode>;
  private readonly chain: KillChain;
  private readonly random: RandomNumbers;
  private readonly options: CampaignOptions;
  private readonly folder: string;
  /** Nodes whose data are too old to go on with: restored, closed, and left. */
  private readonly retired: KilledNode[] = [];
  private readonly givenSat: Record<Name, bigint> = { alice: 0n, bob: 0n };
  private readonly retiredSat: Record<Name, bigint> = { alice: 0n, bob: 0n };
  private readonly gifts: { readonly raw: Uint8Array; readonly script: Uint8Array }[] = [];
  /** What payments and gifts at openings have moved, as both ends say. */
  private readonly earnedMsat: Record<Name, bigint> = { alice: 0n, bob: 0n };
  private done = 0;

  constructor(options: CampaignOptions, chain: KillChain, folder: string) {
    this.options = options;
    this.chain = chain;
    this.random = randomNumbers(options.seed);
    this.folder = folder;
    this.nodes = { alice: this.fresh("alice"), bob: this.fresh("bob") };
  }

  private fresh(name: Name): KilledNode {
    const directory = join(this.folder, `${name}-${this.retired.length}`);
    return new KilledNode(name, { directory, chain: this.chain.access, policy: POLICY });
  }

  get starts(): number {
    return this.everybody().reduce((sum, node) => sum + node.starts, 0);
  }

  everybody(): KilledNode[] {
    return [...this.retired, this.nodes.alice, this.nodes.bob];
  }

  private async give(name: Name): Promise<void> {
    for (let n = 0; n < GIFTS; n++) {
      const address = await this.nodes[name].ask("newAddress");
      const script = addressToScript(address, "regtest");
      if (!script.ok) throw new Error(script.error.type);
      this.gifts.push({ raw: await this.chain.fund(address, GIFT_SAT), script: script.value });
      this.givenSat[name] += GIFT_SAT;
    }
  }

  private async meet(): Promise<void> {
    const { alice, bob } = this.nodes;
    await this.mine(6);
    await alice.ask("connect", bob.address.nodeId, bob.address.port);
  }

  async run(): Promise<ChainBooks> {
    for (const name of NAMES) await this.give(name);
    await this.meet();
    const begun = performance.now();
    const isOver = (): boolean =>
      this.done >= this.options.kills || performance.now() - begun > this.options.seconds * 1000;
    for (let life = 0; !isOver(); life++) await this.live(life);
    return this.settle();
  }

  /** One channel from its opening to its end. */
  private async live(life: number): Promise<void> {
    const begun = performance.now();
    const ending: Ending = ENDINGS[life % ENDINGS.length] ?? "cooperative";
    const isDual = life % 3 === 1;
    const opener = this.any(NAMES);
    const channel = await this.during("opening", () => this.open(opener, isDual));
    const payments = await this.invoices(life);
    const victim = this.any(NAMES);
    if (ending === "forced") await this.force(channel, payments, victim);
    else {
      await this.during("paying", () => this.payAll(channel, payments));
      await this.until("HTLCs are gone", async () => (await this.both(channel)).every(({ htlcs }) => htlcs === 0));
      await this.checkBalances(channel, payments, isDual ? undefined : opener);
      if (ending === "cooperative") await this.during("closing", () => this.close(channel, victim));
    }
    const moved = await this.outcomes(payments);
    this.note(this.lives, `${isDual ? "dual" : "single"} ${ending}`);
    if (!isDual) this.move(opener, PUSH_MSAT);
    for (const { from } of moved) this.move(from, AMOUNT_MSAT);
    if (ending === "restored") await this.restore(channel, victim);
    const seconds = ((performance.now() - begun) / 1000).toFixed(0);
    this.options.say(
      `life ${life}: ${isDual ? "funded by both" : `funded by ${opener}`}, ${ending}; ` +
        `${moved.length} of ${payments.length} payments arrived; ${this.done} kills so far; ${seconds} s`,
    );
  }

  private any<T>(from: readonly T[]): T {
    const picked = from[this.random(from.length)];
    if (picked === undefined) throw new Error("nothing to pick from");
    return picked;
  }

  private note(counts: Record<string, number>, what: string): void {
    counts[what] = (counts[what] ?? 0) + 1;
  }

  private move(from: Name, amountMsat: bigint): void {
    this.earnedMsat[from] -= amountMsat;
    this.earnedMsat[other(from)] += amountMsat;
  }

  /** Does something while processes are killed; it goes on until it is done. */
  private async during<T>(phase: "opening" | "paying" | "closing" | "forcing", work: () => Promise<T>): Promise<T> {
    const planned = phase === "opening" || phase === "paying" ? KILLS_A_LIFE[phase] : KILLS_A_LIFE.ending;
    const killing = (async () => {
      for (let n = 0; n < planned && this.done < this.options.kills; n++) {
        await pause(this.random(this.random(3) === 0 ? 1_500 : 300));
        await this.killSomething(phase);
      }
    })();
    const [result] = await Promise.all([work(), killing]);
    return result;
  }

  private async killSomething(phase: string): Promise<void> {
    const kind = this.random(this.chain.kill === undefined ? 10 : 13);
    if (kind < 4) await this.kill(phase, "alice");
    else if (kind < 8) await this.kill(phase, "bob");
    else if (kind < 10) await Promise.all(NAMES.map((name) => this.kill(phase, name)));
    else {
      this.killed(phase, "bitcoind");
      await this.chain.kill?.();
    }
  }

  private killed(phase: string, what: string): void {
    this.done++;
    this.note(this.kills, `${phase} ${what}`);
  }

  /** Sometimes at once again, while it starts. */
  private async kill(phase: string, name: Name): Promise<void> {
    this.killed(phase, name);
    const killed = this.nodes[name].kill();
    if (this.random(4) !== 0) return killed;
    await pause(this.random(600));
    this.killed("starting", name);
    await this.nodes[name].kill();
    return killed;
  }

  /** Waits until something is so; what is waited for in vain is said. */
  private async until(what: string, check: () => Promise<boolean>): Promise<void> {
    const begun = performance.now();
    while (!(await check())) {
      if (performance.now() - begun > PATIENCE_MS) {
        const states = await Promise.all(NAMES.map((name) => this.nodes[name].ask("channels")));
        const told = states.map((list) =>
          list.map(({ channel, stage, htlcs, failure, peerReady }) => ({ channel, stage, htlcs, failure, peerReady })),
        );
        throw new Error(`in vain: ${what}; ${JSON.stringify(told)}; ${this.troubles().join("; ")}`);
      }
      await pause(40);
    }
  }

  private troubles(): string[] {
    return this.everybody().flatMap(({ troubles }) => troubles);
  }

  private async channels(name: Name): Promise<ChannelSummary[]> {
    return this.nodes[name].ask("channels");
  }

  private async find(name: Name, id: Uint8Array): Promise<ChannelSummary | undefined> {
    return (await this.channels(name)).find(({ channelId }) => equalBytes(channelId, id));
  }

  private async both({ id }: Channel): Promise<ChannelSummary[]> {
    const found = await Promise.all(NAMES.map((name) => this.find(name, id)));
    return found.filter((one) => one !== undefined);
  }

  /** Mines block by block, so that nobody is left behind who only was killed. */
  private async mine(blocks: number): Promise<void> {
    await this.chain.mine(blocks);
    await this.until(`both see ${blocks} blocks`, async () => {
      const height = await this.chain.height();
      const heights = await Promise.all(NAMES.map((name) => this.nodes[name].ask("height")));
      return heights.every((one) => one >= height);
    });
  }

  /** A channel between the two that is open on both sides. */
  private async open(opener: Name, isDual: boolean): Promise<Channel> {
    const peer = this.nodes[other(opener)].address.nodeId;
    const ended = ["abandoned", "failed", "closed", "buried"];
    const before = new Set((await this.channels(opener)).map(({ channel }) => channel));
    const request = {
      amountSat: FUNDS_SAT as Satoshi,
      ...(isDual
        ? { dual: { wishedContributionSat: FUNDS_SAT as Satoshi, leastContributionSat: FUNDS_SAT as Satoshi } }
        : { pushMsat: PUSH_MSAT as Msat }),
    };
    let found: ChannelSummary | undefined;
    await this.until("a channel is open", async () => {
      const mine = (await this.channels(opener)).filter(({ channel }) => !before.has(channel));
      found = mine.find(({ stage }) => !ended.includes(stage));
      if (found === undefined) {
        // A call whose answer was killed may have opened one: the next look shows it.
        await this.attempt(opener, () => this.nodes[opener].ask("openChannel", peer, request));
        return false;
      }
      if (found.stage === "awaiting_depth" || found.stage === "awaiting_sign_complete") await this.mine(1);
      const theirs = await this.find(other(opener), found.channelId);
      return found.stage === "open" && theirs?.stage === "open";
    });
    if (found === undefined) throw new Error("no channel");
    const theirs = await this.find(other(opener), found.channelId);
    if (theirs === undefined) throw new Error("only one side has the channel");
    const number = { [opener]: found.channel, [other(opener)]: theirs.channel } as Record<Name, number>;
    return { id: found.channelId, number };
  }

  /** What is refused because the peer is away, or because it was done already, is asked for again after a look. */
  private async attempt(name: Name, action: () => Promise<unknown>): Promise<void> {
    try {
      await action();
    } catch (cause) {
      const message = cause instanceof Error ? cause.message : String(cause);
      const passing = ["peer_not_ready", "not_open", "channel_closing", "unknown_peer", "insufficient_funds"];
      if (!passing.includes(message)) throw new Error(`${name}: ${message}`, { cause });
      await pause(20);
    }
  }

  private async invoices(life: number): Promise<Payment[]> {
    const made: Payment[] = [];
    for (const from of NAMES) {
      const hashes = await this.nodes[other(from)].ask("invoices", PAYMENTS, AMOUNT_MSAT);
      made.push(...hashes.map((hash, n) => ({ from, id: `${life}-${from}-${n}`, hash: asPaymentHash(hash) })));
    }
    return made;
  }

  /** Both pay everything; what a kill broke off is asked for again, which pays nothing twice. */
  private async payAll(channel: Channel, payments: readonly Payment[]): Promise<void> {
    await Promise.all(
      NAMES.map(async (from) => {
        const mine = payments.filter((payment) => payment.from === from);
        const prefix = mine[0]?.id.replace(/\d+$/, "") ?? "";
        await this.nodes[from].ask("pay", {
          channel: channel.number[from],
          amountMsat: AMOUNT_MSAT,
          hashes: mine.map(({ hash }) => hash),
          inFlight: 5,
          prefix,
        });
      }),
    );
  }

  private async close(channel: Channel, by: Name): Promise<void> {
    await this.until("the channel is closed", async () => {
      const [a, b] = await this.both(channel);
      const stages = [a?.stage ?? "closed", b?.stage ?? "closed"];
      if (stages.every((stage) => stage === "closed" || stage === "buried")) return true;
      if (stages.includes("open")) await this.attempt(by, () => this.nodes[by].ask("closeChannel", channel.number[by]));
      else await this.mine(1);
      return false;
    });
  }

  /** One side gives the channel up in the middle of payments; the chain settles what stands. */
  private async force(channel: Channel, payments: readonly Payment[], by: Name): Promise<void> {
    let isForced = false;
    const paying = this.during("paying", () => this.payAll(channel, payments));
    const forcing = (async () => {
      await pause(100 + this.random(900));
      await this.attempt(by, () => this.nodes[by].ask("failChannel", channel.number[by]));
      isForced = true;
    })();
    await forcing;
    const mining = this.during("forcing", async () => {
      await this.until("the chain has settled everything", async () => {
        const stages = (await this.both(channel)).map(({ stage }) => stage);
        if (isForced && stages.every((stage) => stage === "closed" || stage === "buried")) return true;
        await this.mine(STRIDE);
        return false;
      });
    });
    await Promise.all([paying, mining]);
  }

  /** A payment has ended the same at both its ends, and once. The ones that arrived. */
  private async outcomes(payments: readonly Payment[]): Promise<Payment[]> {
    const arrived: Payment[] = [];
    for (const payment of payments) {
      const { from, id, hash } = payment;
      const sent = await this.nodes[from].ask("payment", id);
      const got = await this.nodes[other(from)].ask("invoice", hash);
      const state = sent?.state ?? "never made";
      assert.notEqual(state, "pending", `payment ${id} has ended`);
      assert.equal(got?.state, state === "succeeded" ? "settled" : "open", `payment ${id}: ${state} and ${got?.state}`);
      if (state === "succeeded") {
        assert.equal(got?.receivedMsat, AMOUNT_MSAT);
        this.payments.succeeded++;
        arrived.push(payment);
      } else if (state === "failed") this.payments.failed++;
      else this.payments.neverMade++;
    }
    return arrived;
  }

  /** Balances of both sides, exact, from what the payments say. */
  private async checkBalances(channel: Channel, payments: readonly Payment[], funder: Name | undefined): Promise<void> {
    const start = (name: Name): bigint => {
      if (funder === undefined) return FUNDS_SAT * 1000n;
      return funder === name ? FUNDS_SAT * 1000n - PUSH_MSAT : PUSH_MSAT;
    };
    const paid: Record<Name, bigint> = { alice: 0n, bob: 0n };
    for (const { from, id } of payments) {
      if ((await this.nodes[from].ask("payment", id))?.state === "succeeded") paid[from] += AMOUNT_MSAT;
    }
    for (const name of NAMES) {
      const own = await this.find(name, channel.id);
      const expected = start(name) - paid[name] + paid[other(name)];
      assert.equal(own?.localMsat, expected, `${name}'s balance`);
      const record = await this.nodes[name].ask("record", channel.number[name]);
      assert.equal(record?.sent.fulfilled.amountMsat, paid[name], `${name}'s books of what was sent`);
      assert.equal(record?.received.fulfilled.amountMsat, paid[other(name)], `${name}'s books of what was received`);
    }
  }

  /** The victim's machine is lost, but for its backup and its words. Its restoring is killed too. */
  private async restore(channel: Channel, victim: Name): Promise<void> {
    const node = this.nodes[victim];
    const { directory } = node;
    await node.stop();
    const seedPhrase = readFileSync(join(directory, "seed-phrase"), "utf8");
    const backup = `${directory}.backup`;
    rmSync(backup, { force: true });
    copyFileSync(join(directory, "backup.sluice"), backup);
    renameSync(directory, `${directory}.lost`);
    const restoring = node.inItsPlace(
      () => rmSync(directory, { recursive: true, force: true }),
      (process) => process.call("restore", { directory, seedPhrase, backup }),
    );
    if (this.done < this.options.kills) {
      await pause(this.random(800));
      this.killed("restoring", victim);
      await node.killInPlace();
    }
    await restoring;
    await node.start();
    const peer = this.nodes[other(victim)];
    // Who was dialled may not know where the other is. Nobody waits for them to be ready: the peer closes at what it is told.
    const dialled = victim === "bob" ? node.address : peer.address;
    this.nodes.alice.ask("connect", dialled.nodeId, dialled.port).catch(() => undefined);
    await this.during("closing", () =>
      this.until("the peer has closed", async () => {
        const stages = (await this.both(channel)).map(({ stage }) => stage);
        if (stages.every((stage) => stage === "closed" || stage === "buried")) return true;
        await this.mine(1);
        return false;
      }),
    );
    await this.retire(victim);
  }

  /** With restored data nothing can be begun: what is left is in the wallet, and its owner begins anew. */
  private async retire(name: Name): Promise<void> {
    await this.mine(20);
    this.retiredSat[name] += await this.wallet(name);
    const node = this.nodes[name];
    await node.stop();
    this.retired.push(node);
    rmSync(`${node.directory}.lost`, { recursive: true, force: true });
    this.nodes[name] = this.fresh(name);
    await this.give(name);
    await this.meet();
  }

  private async wallet(name: Name): Promise<bigint> {
    const { confirmedSat, unconfirmedSat, reservedSat } = await this.nodes[name].ask("balance");
    assert.equal(unconfirmedSat, 0n, `${name} waits for nothing`);
    assert.equal(reservedSat, 0n, `${name} holds nothing back`);
    return confirmedSat;
  }

  /** What both have in the end is what they were given, less what they paid, less fees: counted from the chain. */
  private async settle(): Promise<ChainBooks> {
    await this.mine(20);
    const books = await chainBooks(this.chain, this.gifts);
    let all = 0n;
    for (const name of NAMES) {
      const has = (await this.wallet(name)) + this.retiredSat[name];
      const expected = this.givenSat[name] + this.earnedMsat[name] / 1000n;
      const paid = expected - has;
      assert.ok(
        paid >= 0n && paid <= books.feesSat + TINY_SAT,
        `${name} has ${has} of ${expected}, fees ${books.feesSat}`,
      );
      all += has;
    }
    const unspent = books.unspentSat.reduce((sum, one) => sum + one, 0n);
    assert.equal(unspent + books.feesSat, this.givenSat.alice + this.givenSat.bob, "no money came or went");
    const left = unspent - all;
    const tiny = books.unspentSat.filter((one) => one <= TINY_SAT).reduce((sum, one) => sum + one, 0n);
    assert.ok(left >= 0n && left <= tiny, `${left} sat are in nobody's wallet, of outputs that may be: ${tiny}`);
    assert.deepEqual(
      this.troubles().filter((trouble) => !EXPECTED.some((one) => trouble.includes(one))),
      [],
      "nobody broke a rule, froze or halted",
    );
    return books;
  }
}

/** Runs a campaign of so many kills. Throws where something does not hold. */
export async function runCampaign(options: CampaignOptions): Promise<CampaignReport> {
  const begun = performance.now();
  const folder = mkdtempSync(join(tmpdir(), "sluice-kills-"));
  const chain = await (options.chain === "bitcoind" ? bitcoindKillChain() : embeddedKillChain());
  const campaign = new Campaign(options, chain, folder);
  try {
    const books = await campaign.run();
    const { kills, lives, payments, starts } = campaign;
    const blocks = await chain.height();
    return { kills, lives, payments, starts, blocks, books, seconds: (performance.now() - begun) / 1000 };
  } finally {
    await Promise.all(campaign.everybody().map((node) => node.end()));
    await chain.close();
    rmSync(folder, { recursive: true, force: true });
  }
}
