import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { InvariantBroken } from "../../src/core/base/index.ts";
import {
  type Action,
  type ChannelParameters,
  channelIdOf,
  encodeTransaction,
  firstState,
  isCoSigned,
  type LedgerEntry,
  type LedgerTerms,
  leafHash,
  leastFee,
  type SubmitResult,
  stateHash,
  transactionDigest,
  units,
} from "../../src/core/contract-channel/index.ts";
import type { Ledger } from "../../src/ports/ledger.ts";
import { type Account, contract, fill, PARAMETERS, PEOPLE, pair, program, treeOf } from "./ledger-scene.ts";

/** What the suite needs of a ledger besides the port: the hand that moves it. */
export type LedgerFixture = {
  readonly ledger: Ledger;
  /** Makes blocks of what waits. */
  mine(count: number): Promise<void>;
  /** Sends money to an account in the next block. */
  faucet(account: Uint8Array, amount: bigint): Promise<void>;
  /** Replaces the last `depth` blocks by `depth` empty ones; what was in them waits again, but for what its sender takes back. */
  retract(depth: number): Promise<void>;
  /** Ends the ledger's process and starts it again on what it has kept, and the port with it where it has to. */
  restart(): Promise<void>;
  close(): Promise<void>;
};

const { initiator, responder, stranger } = PEOPLE;

/** A party that submits transactions to a ledger. */
type Sender = {
  send(action: Action, from?: Account): Promise<SubmitResult>;
  /** The same, in a block; gives its id. */
  include(action: Action, from?: Account): Promise<Uint8Array>;
};

function sender(fixture: LedgerFixture, terms: LedgerTerms): Sender {
  const nonces = new Map<Account, bigint>();
  async function body(action: Action, from: Account): Promise<{ id: Uint8Array; bytes: Uint8Array }> {
    const nonce = nonces.get(from) ?? (await fixture.ledger.account(from.id)).nonce;
    nonces.set(from, nonce + 1n);
    const draft = { from: from.id, nonce, fee: units(0), ttl: 1_000_000, action };
    const unsigned = { ...draft, fee: units(leastFee(terms, draft)) };
    const id = transactionDigest(terms.domain, unsigned);
    const signers = isCoSigned(action) ? [initiator, responder] : [from];
    const signatures = signers.map((signer) => signer.sign(id));
    return { id, bytes: encodeTransaction({ ...unsigned, signatures }) };
  }
  return {
    async send(action, from = initiator) {
      return fixture.ledger.submit((await body(action, from)).bytes);
    },
    async include(action, from = initiator) {
      const { id, bytes } = await body(action, from);
      const result = await fixture.ledger.submit(bytes);
      if (result.type !== "accepted") throw new InvariantBroken(`not accepted: ${JSON.stringify(result, plain)}`);
      await fixture.mine(1);
      return id;
    },
  };
}

function plain(_: string, value: unknown): unknown {
  return typeof value === "bigint" ? value.toString() : value;
}

/** All entries after a cursor, page by page. */
async function entriesAfter(ledger: Ledger, after: number, limit = 2): Promise<LedgerEntry[]> {
  const all: LedgerEntry[] = [];
  let at = after;
  for (;;) {
    const page = await ledger.log({ after: at, channelId: undefined, limit });
    const last = page.at(-1);
    if (last === undefined) return all;
    all.push(...page);
    at = last.cursor;
  }
}

/** Resolves with the next hint that the tip has changed. */
function nextHint(ledger: Ledger): Promise<void> {
  return new Promise((resolve) => {
    const end = ledger.subscribe(() => {
      end();
      resolve();
    });
  });
}

/**
 * What the rest of the node relies on, whatever ledger stands behind the port. `open` gives a ledger of its own for each test, with a faucet,
 * blocks on demand, and at least 5 blocks that may be retracted.
 */
export function describeLedger(name: string, open: () => Promise<LedgerFixture>): void {
  describe(`${name} as a Ledger`, () => {
    let fixture: LedgerFixture;
    let ledger: Ledger;
    let terms: LedgerTerms;
    let by: Sender;

    beforeEach(async () => {
      fixture = await open();
      ledger = fixture.ledger;
      terms = (await ledger.describe()).terms;
      by = sender(fixture, terms);
      for (const { id } of [initiator, responder, stranger]) await fixture.faucet(id, 1_000_000n);
      await fixture.mine(1);
    });
    afterEach(() => fixture.close());

    const parameters: ChannelParameters = { ...PARAMETERS, lockPeriod: 3 };
    const create: Action = { type: "create", parameters };
    const channelId = (): ReturnType<typeof channelIdOf> => channelIdOf(terms.domain, parameters);

    it("describes itself, the same each time", async () => {
      const description = await ledger.describe();
      expect(await ledger.describe()).toStrictEqual(description);
      expect(description).toMatchObject({
        scheme: "ed25519",
        terms: { domain: { chainHash: expect.any(Uint8Array) } },
      });
      expect(description.finality).toBeGreaterThanOrEqual(1);
    });

    it("counts ticks up with its blocks, and names each block", async () => {
      const before = await ledger.tip();
      await fixture.mine(3);
      const after = await ledger.tip();
      expect(after).toMatchObject({ height: before.height + 3, tick: before.tick + 3 });
      expect(after.hash).not.toStrictEqual(before.hash);
    });

    it("tells balance and nonce, and nothing of an account never seen", async () => {
      expect(await ledger.account(fill(200))).toStrictEqual({ balance: 0n, nonce: 0n });
      expect(await ledger.account(initiator.id)).toStrictEqual({ balance: 1_000_000n, nonce: 0n });
      await by.include({ type: "transfer", to: fill(200), amount: units(77) });
      expect(await ledger.account(fill(200))).toMatchObject({ balance: 77n });
      expect(await ledger.account(initiator.id)).toStrictEqual({ balance: 1_000_000n - 77n - 10n, nonce: 1n });
    });

    it("takes a transaction once, and tells what becomes of it", async () => {
      const draft = { from: initiator.id, nonce: 0n, fee: units(10), ttl: 100_000 };
      const unsigned = { ...draft, action: { type: "transfer" as const, to: responder.id, amount: units(5) } };
      const id = transactionDigest(terms.domain, unsigned);
      const body = encodeTransaction({ ...unsigned, signatures: [initiator.sign(id)] });
      expect(await ledger.transaction(id)).toStrictEqual({ type: "unknown" });
      expect(await ledger.submit(body)).toStrictEqual({ type: "accepted", id });
      expect(await ledger.submit(body)).toStrictEqual({ type: "already_known", id });
      expect(await ledger.transaction(id)).toStrictEqual({ type: "pending" });
      await fixture.mine(1);
      const { height } = await ledger.tip();
      expect(await ledger.transaction(id)).toStrictEqual({ type: "included", height, confirmations: 1 });
      await fixture.mine(4);
      expect(await ledger.transaction(id)).toStrictEqual({ type: "included", height, confirmations: 5 });
      expect(await ledger.submit(body)).toStrictEqual({ type: "already_known", id });
    });

    it("refuses with the rule's own numbers, and garbage as garbage", async () => {
      expect(await by.send({ type: "transfer", to: fill(1), amount: units(2_000_000) })).toStrictEqual({
        type: "refused",
        refusal: { type: "funds_missing", needed: 2_000_000n, balance: 999_990n },
      });
      expect(await ledger.submit(Uint8Array.of(1, 2, 3))).toMatchObject({
        type: "refused",
        refusal: { type: "malformed" },
      });
      expect(await ledger.submit(new Uint8Array((1 << 20) + 1))).toMatchObject({
        type: "refused",
        refusal: { type: "malformed", what: "a transaction of 1 MiB" },
      });
    });

    it("takes what follows from what waits, in the order of nonces without gaps", async () => {
      const fresh = PEOPLE.stranger;
      await by.send({ type: "transfer", to: fill(9), amount: units(1) }, fresh);
      expect(await by.send({ type: "transfer", to: fill(9), amount: units(2) }, fresh)).toMatchObject({
        type: "accepted",
      });
      const gap = sender(fixture, terms);
      await gap.send({ type: "settle", channelId: channelId() }, responder);
      expect(await gap.send({ type: "transfer", to: fill(9), amount: units(4) }, responder)).toMatchObject({
        type: "refused",
        refusal: { type: "nonce_wrong", expected: 0n, actual: 1n },
      });
      await fixture.mine(1);
      expect((await ledger.account(fill(9))).balance).toBe(3n);
    });

    it("drops what can't be included any more, and says why", async () => {
      await by.include(create);
      const state = { header: firstState(channelId(), parameters), signatures: undefined };
      await by.include({ type: "close_solo", channelId: channelId(), state });
      const { tick } = await ledger.tip();
      await fixture.mine(2);
      const id = await by.include({ type: "settle", channelId: channelId() });
      expect(await ledger.transaction(id)).toMatchObject({ type: "included" });
      await fixture.retract(2);
      expect(await ledger.transaction(id)).toStrictEqual({
        type: "dropped",
        refusal: { type: "too_early", least: tick + 3, actual: tick + 2 },
      });
      expect(await ledger.channel(channelId())).toMatchObject({ closing: { settled: false } });
    });

    it("[AC-19] keeps a channel from create to settle, and its log tells all of it", async () => {
      await by.include(create);
      const header = firstState(channelId(), parameters);
      expect(await ledger.channel(channelId())).toMatchObject({ base: 0n, solo: 0, header, closing: undefined });
      const state = { header, signatures: undefined };
      await by.include({ type: "close_solo", channelId: channelId(), state });
      const { tick } = await ledger.tip();
      expect(await ledger.channel(channelId())).toMatchObject({ closing: { by: "initiator", end: tick + 3 } });
      const settle: Action = { type: "settle", channelId: channelId() };
      expect(await by.send(settle, responder)).toMatchObject({
        refusal: { type: "too_early", least: tick + 3, actual: tick + 1 },
      });
      await fixture.mine(2);
      await sender(fixture, terms).include(settle, responder);
      expect(await ledger.channel(channelId())).toBeUndefined();
      const entries = await entriesAfter(ledger, 0);
      expect(entries.map(({ events }) => events.map(({ type }) => type))).toStrictEqual([
        ["created"],
        ["state_recorded", "closing"],
        ["settled", "closed"],
      ]);
      expect(entries.map(({ cursor }) => cursor)).toStrictEqual(
        [...entries].map(({ cursor }) => cursor).sort((a, b) => a - b),
      );
      expect((await ledger.tip()).cursor).toBe(entries.at(-1)?.cursor);
      expect(await ledger.log({ after: 0, channelId: channelId(), limit: 50 })).toStrictEqual(entries);
      const other = channelIdOf(terms.domain, { ...parameters, salt: fill(44) });
      expect(await ledger.log({ after: 0, channelId: other, limit: 50 })).toStrictEqual([]);
    });

    it("[AC-22] runs contracts, publishes evidence, and tells what it keeps of them", async () => {
      const one = contract(3, "nil");
      await by.include(create);
      const first = firstState(channelId(), parameters);
      const balances = pair(first.balances.initiator - 1_000n, first.balances.responder);
      const header = { ...first, round: 1n, balances, locked: units(1_000), root: treeOf([one]).root() };
      const hash = stateHash(terms.domain, header);
      const signatures = { initiator: initiator.sign(hash), responder: responder.sign(hash) };
      const evidence = program("int 0 int 4 int 2500");
      const proof = treeOf([one]).proof(3);
      await by.include({
        type: "resolve",
        channelId: channelId(),
        state: { header, signatures },
        contracts: [{ leaf: one.leaf, proof, program: one.program, evidence }],
      });
      const name = { leafHash: leafHash(one.leaf), contractId: one.leaf.id, slot: 3 };
      const { height } = await ledger.tip();
      const record = { nonce: 4, height, until: height, amount: 2_500 };
      expect(await ledger.contract(channelId(), name)).toStrictEqual({ record, mark: undefined, isPaid: false });
      expect((await entriesAfter(ledger, 0)).at(-1)?.events).toStrictEqual([
        { type: "resolved", contractId: one.leaf.id, leafHash: name.leafHash, evidence, record },
      ]);
    });

    it("takes back what a block did, says so in the log, and goes on", async () => {
      await by.include({ type: "transfer", to: fill(9), amount: units(1) }, stranger);
      const id = await by.include(create);
      const { cursor } = await ledger.tip();
      expect(cursor).toBeGreaterThan(0);
      await fixture.retract(1);
      // Its transaction waits again, and comes into the next block.
      await fixture.mine(1);
      const news = await entriesAfter(ledger, cursor);
      expect(news.map(({ type }) => type)).toStrictEqual(["retracted", "included"]);
      for (const entry of news) {
        expect(entry).toMatchObject({ transactionId: id, channelId: channelId(), events: [{ type: "created" }] });
        expect(entry.cursor).toBeGreaterThan(cursor);
      }
      expect(await ledger.channel(channelId())).toBeDefined();
      expect((await ledger.account(fill(9))).balance).toBe(1n);
    });

    it("gives a hint of every new tip, and after an unsubscription none", async () => {
      let hints = 0;
      const end = ledger.subscribe(() => hints++);
      const seen = await ledger.tip();
      for (let hint = nextHint(ledger); (await ledger.tip()).height < seen.height + 1; ) {
        await fixture.mine(1);
        await hint;
      }
      const hint = nextHint(ledger);
      await fixture.mine(1);
      await hint;
      end();
      expect(hints).toBeGreaterThan(0);
      const before = hints;
      const last = nextHint(ledger);
      await fixture.mine(1);
      await last;
      expect(hints).toBe(before);
    });

    it("keeps everything over a restart: who goes on from its cursor misses nothing and sees nothing twice", async () => {
      const id = await by.include(create);
      const description = await ledger.describe();
      const tip = await ledger.tip();
      const balance = await ledger.account(initiator.id);
      const channel = await ledger.channel(channelId());
      await fixture.restart();
      ledger = fixture.ledger;
      expect(await ledger.describe()).toStrictEqual(description);
      expect(await ledger.tip()).toStrictEqual(tip);
      expect(await ledger.account(initiator.id)).toStrictEqual(balance);
      expect(await ledger.channel(channelId())).toStrictEqual(channel);
      expect(await ledger.transaction(id)).toMatchObject({ type: "included", confirmations: 1 });
      expect(await entriesAfter(ledger, tip.cursor)).toStrictEqual([]);
      await by.include({
        type: "close_solo",
        channelId: channelId(),
        state: { header: firstState(channelId(), parameters), signatures: undefined },
      });
      expect(await entriesAfter(ledger, tip.cursor)).toMatchObject([{ type: "included", channelId: channelId() }]);
    });

    it("may be closed twice", async () => {
      await ledger.close();
      await ledger.close();
    });
  });
}
