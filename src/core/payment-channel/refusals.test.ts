import { describe, expect, it } from "vitest";
import { ChannelPair, hashOf, type Party, rowsOf, secret } from "../../../test/support/channel-pair.ts";
import type { Msat, Satoshi } from "../base/index.ts";
import { asChannelId, asNodeId } from "../base/index.ts";
import { sha256 } from "../crypto/index.ts";
import { type ChannelErrorType, reactionTo } from "./errors.ts";
import type { Input } from "./input.ts";
import { begin, type OpenRequest } from "./opening.ts";
import { ownRevocationHash } from "./own-revocation.ts";
import type { HtlcRow } from "./rows.ts";

type Offer = Extract<Input, { type: "offer" }>;

/** What somebody asks of a party that it has to refuse. */
type Refusal = {
  readonly type: ChannelErrorType;
  readonly rule: string;
  readonly asked: string;
  readonly channel?: () => ChannelPair;
  readonly before?: (pair: ChannelPair) => void;
  readonly input: (pair: ChannelPair) => Input;
};

function offering(change: Partial<Offer> = {}): Offer {
  const route = new Uint8Array(0);
  return { type: "offer", amountMsat: 1_000_000n as Msat, paymentHash: hashOf(99), expiry: 300, route, ...change };
}

function msat(amountMsat: bigint): () => Offer {
  return () => offering({ amountMsat: amountMsat as Msat });
}

const CLOSE: Input = { type: "close", script: undefined };
const FULFILL: Input = { type: "fulfill", id: 1n, preimage: secret(1) };
const FAIL: Input = { type: "fail_htlc", id: 1n, reason: new Uint8Array(0) };

/** Bob has offered Alice an HTLC that cleared. */
function withHtlc(): ChannelPair {
  const pair = new ChannelPair().open({ pushMsat: 300_000_000n });
  expect(pair.offer("bob", 1, 2_000_000n)).toBeUndefined();
  pair.settle();
  return pair;
}

function anchored(): ChannelPair {
  const pair = new ChannelPair();
  pair.propose();
  pair.answer();
  pair.deliver("bob");
  pair.fund();
  pair.settle();
  return pair;
}

function away({ alice }: ChannelPair): void {
  alice.ready = false;
}

function closing({ alice, bob }: ChannelPair): void {
  for (const party of [alice, bob]) expect(party.run(CLOSE)).toBeUndefined();
}

/** Everything that can be asked of a channel, in each of the states that forbid it all. */
function inAnyCase(
  type: ChannelErrorType,
  rule: string,
  channel: () => ChannelPair,
  before?: (pair: ChannelPair) => void,
): readonly Refusal[] {
  const asked: readonly (readonly [string, Input])[] = [
    ["an offer", offering()],
    ["a fulfil", FULFILL],
    ["a fail", FAIL],
    ["a fee rate", { type: "set_fee", feeRate: 3_000 }],
    ["a close", CLOSE],
  ];
  return asked.map(([what, input]) => ({
    type,
    rule,
    asked: what,
    channel,
    ...(before === undefined ? {} : { before }),
    input: () => input,
  }));
}

const REFUSALS: readonly Refusal[] = [
  ...inAnyCase("not_open", "B2-13", anchored),
  // But for a fulfil, which is kept: see the removals.
  ...inAnyCase("peer_not_ready", "B2-4", withHtlc, away).filter(({ asked }) => asked !== "a fulfil"),
  {
    type: "not_open",
    rule: "LW-3",
    asked: "an offer while the anchor is not in the chain",
    before: ({ bob }) => void bob.run({ type: "funding_unconfirmed" }),
    input: () => offering(),
  },
  {
    type: "channel_closing",
    rule: "B2-32",
    asked: "an offer while we close",
    before: closing,
    input: () => offering(),
  },
  {
    type: "channel_closing",
    rule: "B2-32",
    asked: "a second close",
    before: closing,
    input: () => CLOSE,
  },
  { type: "amount_zero", rule: "B2-17", asked: "an offer of nothing", input: msat(0n) },
  { type: "amount_out_of_range", rule: "B2-12", asked: "an offer of 2^32", input: msat(0x1_0000_0000n) },
  { type: "insufficient_balance", rule: "B2-18", asked: "an offer of all there is", input: msat(1_000_000_000n) },
  {
    type: "insufficient_balance",
    rule: "B2-18",
    asked: "a fee rate that can't be paid",
    channel: () => new ChannelPair().open({ amountSat: 30_000n, pushMsat: 23_000_000n }),
    before: (pair) => {
      // Bob's HTLCs make Alice's commitment dear.
      for (let n = 0; n < 12; n++) expect(pair.offer("bob", n, 546_000n)).toBeUndefined();
      pair.settle();
    },
    input: () => ({ type: "set_fee", feeRate: 25_000 }),
  },
  {
    type: "too_many_htlcs",
    rule: "B2-19",
    asked: "an offer beyond our own policy",
    channel: () => {
      const policy = { maxHtlcs: 2 };
      return new ChannelPair({ alice: policy, bob: policy }).open({ pushMsat: 400_000_000n });
    },
    before: (pair) => {
      for (const from of ["alice", "bob"] as const) {
        for (const n of [1, 2]) expect(pair.offer(from, n, 600_000n)).toBeUndefined();
      }
    },
    input: () => offering(),
  },
  {
    type: "dust_exposure",
    rule: "B2-17",
    asked: "an offer that makes more dust than is good",
    before: ({ alice, bob }) => {
      for (const party of [alice, bob]) {
        for (let n = 0; n < 18; n++) {
          expect(party.run(offering({ amountMsat: 545_000n as Msat, paymentHash: hashOf(n) }))).toBeUndefined();
        }
      }
    },
    input: msat(545_000n),
  },
  {
    type: "expiry_too_soon",
    rule: "B2-20",
    asked: "an offer that expires soon",
    input: () => offering({ expiry: 250 }),
  },
  { type: "expiry_too_soon", rule: "B2-20", asked: "half a block", input: () => offering({ expiry: 300.5 }) },
  { type: "expiry_too_far", rule: "B2-16", asked: "one that expires late", input: () => offering({ expiry: 9_000 }) },
  {
    type: "payment_hash_is_revocation_hash",
    rule: "B2-34",
    asked: "an offer whose hash takes the penalty away",
    input: ({ alice }) => {
      const { index } = alice.channel.channel;
      return offering({ paymentHash: ownRevocationHash(alice, index, 3) as HtlcRow["paymentHash"] });
    },
  },
  {
    type: "too_much_unacknowledged",
    rule: "B2-6",
    asked: "an offer while 10,000 packets wait",
    before: ({ alice, bob }) => {
      alice.unacknowledged = 10_000;
      bob.unacknowledged = 10_000;
    },
    input: () => offering(),
  },
  {
    type: "fee_rate_too_low",
    rule: "B2-25",
    asked: "an offer on a commitment that would not confirm",
    before: ({ alice, bob }) => {
      for (const party of [alice, bob]) party.fees = { nextBlock: 20_000, relay: 1_000, fallback: 2_000 };
    },
    input: () => offering(),
  },
  { type: "unknown_htlc", rule: "B2-23", asked: "a fulfil of nothing", input: () => FULFILL },
  { type: "unknown_htlc", rule: "B2-23", asked: "a fail of nothing", input: () => FAIL },
  {
    type: "htlc_not_cleared",
    rule: "B2-23",
    asked: "a fulfil of what is only staged",
    channel: () => {
      const pair = new ChannelPair().open({ pushMsat: 300_000_000n });
      pair.offer("bob", 1, 2_000_000n);
      pair.deliver("bob");
      return pair;
    },
    input: () => FULFILL,
  },
  {
    type: "already_removed",
    rule: "B2-23",
    asked: "a fail of what is fulfilled",
    channel: withHtlc,
    before: ({ alice }) => void expect(alice.run(FULFILL)).toBeUndefined(),
    input: () => FAIL,
  },
  {
    type: "wrong_preimage",
    rule: "B2-23",
    asked: "a fulfil with another secret",
    channel: withHtlc,
    input: () => ({ type: "fulfill", id: 1n, preimage: secret(2) }),
  },
  { type: "fee_rate_unreasonable", rule: "B2-25", asked: "a rate under the floor", input: () => fee(1_349) },
  { type: "fee_rate_unreasonable", rule: "B2-25", asked: "a rate above all", input: () => fee(25_001) },
  { type: "fee_rate_unreasonable", rule: "B2-25", asked: "a broken rate", input: () => fee(3_000.5) },
  {
    type: "bad_close_script",
    rule: "B2-45",
    asked: "a close to what no node relays",
    input: () => ({ type: "close", script: Uint8Array.of(0x6a) }),
  },
];

function fee(feeRate: number): Input {
  return { type: "set_fee", feeRate };
}

/** Refused before there is a channel. */
const OPENINGS: readonly {
  type: ChannelErrorType;
  rule: string;
  asked: string;
  request: Partial<OpenRequest>;
  ready?: boolean;
}[] = [
  { type: "peer_not_ready", rule: "B2-7", asked: "with nobody there", request: {}, ready: false },
  { type: "amount_out_of_range", rule: "B2-12", asked: "too large", request: { amountSat: 4_294_968n as Satoshi } },
  { type: "amount_out_of_range", rule: "B2-46", asked: "too small", request: { amountSat: 19_999n as Satoshi } },
  { type: "push_too_large", rule: "B2-12", asked: "with a gift of all", request: { pushMsat: 1_000_000_000n as Msat } },
  { type: "push_too_large", rule: "B2-12", asked: "with a debt", request: { pushMsat: -1n as Msat } },
  { type: "fee_rate_unreasonable", rule: "B2-44", asked: "at a low rate", request: { feeRate: 1_349 } },
  { type: "fee_rate_unreasonable", rule: "B2-44", asked: "at a high rate", request: { feeRate: 6_001 } },
  { type: "bad_close_script", rule: "B2-45", asked: "to nowhere", request: { closeScript: Uint8Array.of(0x6a) } },
];

function parties(pair: ChannelPair, { type, rule, asked }: Refusal): readonly Party[] {
  // What was offered to Alice is hers to remove, and the anchor's loss concerns who did not make it.
  if (/fulfil|fail/.test(asked) || type === "unknown_htlc") return [pair.alice];
  if (rule === "LW-3") return [pair.bob];
  return asked === "a fee rate that can't be paid" || rule === "B2-4" ? [pair.alice] : [pair.alice, pair.bob];
}

describe("what we refuse to do ourselves, with nothing changed", () => {
  it.each(REFUSALS)("[$rule] $type: $asked", (refusal) => {
    expect(reactionTo(refusal)).toBe("refuse");
    const pair = refusal.channel?.() ?? new ChannelPair().open({ pushMsat: 400_000_000n });
    refusal.before?.(pair);
    for (const party of parties(pair, refusal)) {
      const rows = structuredClone(rowsOf(party.channel));
      const [said, sent, changes] = [party.saying(), party.sent, party.changes.length];
      expect(party.run(refusal.input(pair))).toMatchObject({ type: refusal.type, rule: refusal.rule });
      expect(rowsOf(party.channel)).toEqual(rows);
      expect([party.saying(), party.sent, party.changes.length]).toEqual([said, sent, changes]);
    }
  });

  it.each(OPENINGS)("[$rule] $type: to open a channel $asked", ({ type, rule, request, ready = true }) => {
    expect(reactionTo({ type, rule })).toBe("refuse");
    const { alice } = new ChannelPair();
    alice.ready = ready;
    const asked: OpenRequest = {
      peer: asNodeId(new Uint8Array(33).fill(2)),
      index: 7,
      temporaryId: asChannelId(sha256(new Uint8Array(1))),
      amountSat: 1_000_000n as Satoshi,
      pushMsat: 0n as Msat,
      ...request,
    };
    const answer = begin(asked, alice.context());
    expect(answer).toMatchObject({ ok: false, error: { type, rule } });
  });
});
