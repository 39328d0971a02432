// Longer than other files: one negotiation from every side, on one set of helpers.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ChannelPair, FEES, flipped, hashOf, type Party, rowsOf, secret } from "../../../test/support/channel-pair.ts";
import { asTxid, type Msat, type Satoshi, sat } from "../base/index.ts";
import { parseTransaction, payToWitnessPublicKeyHash, type Transaction, virtualSize } from "../bitcoin/index.ts";
import { midpoint, newestClose } from "./closing.ts";
import { lastWord } from "./force-close.ts";
import { step } from "./step.ts";

const CLOSE = { type: "close", script: undefined } as const;
const REASON = new Uint8Array([1]);

/** The channel when all that is left is to agree on the fee: nothing is under way. */
function drained(
  options: { pushMsat?: bigint; amountSat?: bigint } = { pushMsat: 400_000_000n },
  checked = true,
): ChannelPair {
  const pair = new ChannelPair();
  for (const party of [pair.alice, pair.bob]) party.checked = checked;
  pair.open(options);
  expect(pair.alice.run(CLOSE)).toBeUndefined();
  pair.deliver("alice");
  pair.bob.flush();
  pair.deliver("bob");
  expect([...pair.alice.saying(), ...pair.bob.saying()]).toEqual([]);
  return pair;
}

/** Has the party want to pay `feeSat` for the close. */
function wanting(party: Party, feeSat: bigint): void {
  let [low, high] = [0, 100_000];
  while (low < high) {
    const nextBlock = Math.floor((low + high) / 2);
    party.fees = { nextBlock, relay: 0, fallback: 1 };
    if ((firstFee(party) ?? 0n) < feeSat) low = nextBlock + 1;
    else high = nextBlock;
  }
  party.fees = { nextBlock: low, relay: 0, fallback: 1 };
  expect(firstFee(party)).toBe(feeSat);
}

/** Either side may start the negotiation, though ours does only where it opened the channel. */
function starting(party: Party) {
  const { channel } = party.channel;
  const state = { ...party.channel, channel: { ...channel, initiator: "local" as const } };
  const started = step(state, { type: "commit" }, party.context());
  if (!started.ok) throw new Error(started.error.type);
  return started.value;
}

function start(party: Party): void {
  const { changes, effects } = starting(party);
  party.take(changes, effects);
}

function firstFee(party: Party): bigint | undefined {
  for (const effect of starting(party).effects) {
    if (effect.type !== "send") continue;
    const { message } = effect.packet;
    if (message.type === "close_signature") return message.closeFeeSat;
  }
  return undefined;
}

/** Delivers until nothing is under way; the fees named, in the order of their arrival. */
function negotiate(pair: ChannelPair): bigint[] {
  const fees: bigint[] = [];
  for (let rounds = 0; rounds < 100; rounds++) {
    const underway = (["alice", "bob"] as const).filter((name) => pair[name].outgoing.length > 0);
    if (underway.length === 0) return fees;
    for (const from of underway) {
      fees.push(pair.next(from, "close_signature").closeFeeSat);
      expect(pair.deliver(from)).toBeUndefined();
    }
  }
  throw new Error("the negotiation does not end");
}

function agreed(pair: ChannelPair) {
  const { alice, bob } = pair;
  expect([alice.channel.stage.stage, bob.channel.stage.stage]).toEqual(["close_agreed", "close_agreed"]);
  const raw = alice.broadcasts.at(-1);
  if (raw === undefined) throw new Error("nothing is broadcast");
  expect(bob.broadcasts.at(-1)).toEqual(raw);
  const parsed = parseTransaction(raw);
  if (!parsed.ok) throw new Error("no transaction");
  return parsed.value;
}

describe("close_clearing", () => {
  it("[B2-32] is sent once by each, and answered", () => {
    const pair = new ChannelPair().open();
    const { alice, bob } = pair;
    expect(alice.run(CLOSE)).toBeUndefined();
    expect(alice.ask(CLOSE)).toMatchObject({ type: "channel_closing", rule: "B2-32" });
    pair.deliver("alice");
    expect(bob.judge({ type: "close_clearing" })).toMatchObject({ type: "unexpected_message", rule: "B2-32" });
    bob.flush();
    expect(bob.saying()).toEqual(["close_clearing"]);
    expect(bob.ask(CLOSE)?.type).toBe("channel_closing");
  });

  it("[B2-32] may cross", () => {
    const pair = new ChannelPair().open();
    pair.alice.run(CLOSE);
    pair.bob.run(CLOSE);
    pair.settle();
    agreed(pair);
  });

  it("[B2-32] lets pending HTLCs end first, either way", () => {
    const pair = new ChannelPair().open({ pushMsat: 400_000_000n });
    pair.offer("alice", 1, 10_000_000n);
    pair.offer("bob", 2, 20_000_000n);
    pair.settle();
    pair.alice.run(CLOSE);
    pair.settle();
    expect(pair.alice.channel.stage.stage).toBe("open");
    pair.bob.run({ type: "fulfill", id: 0n, preimage: secret(1) });
    pair.settle();
    expect(pair.alice.channel.stage.stage).toBe("open");
    pair.alice.run({ type: "fail_htlc", id: 1n, reason: REASON });
    pair.settle();
    const { outputs } = agreed(pair);
    expect(outputs.map(({ amountSat }) => amountSat)).toEqual(outputs.map(({ amountSat }) => amountSat).sort());
  });

  it("[B2-32] has an HTLC that was offered before it came failed, and nobody told of it", () => {
    const pair = new ChannelPair().open({ pushMsat: 400_000_000n });
    const { alice, bob } = pair;
    expect(bob.run(CLOSE)).toBeUndefined();
    pair.offer("alice", 1, 10_000_000n);
    pair.deliver("alice");
    alice.flush();
    pair.deliver("alice");
    bob.flush();
    pair.deliver("bob");
    pair.deliver("bob");
    pair.deliver("bob");
    alice.flush();
    // Alice's close_clearing and her revocation: the HTLC clears at Bob's, in this step.
    while (alice.outgoing.length > 0) pair.deliver("alice");
    expect([...bob.channel.htlcs.keys()]).toEqual([0n]);
    expect(bob.cleared()).toEqual([]);
    expect(bob.run({ type: "peer_ready" })).toBeUndefined();
    expect(bob.cleared()).toEqual([]);
    const fulfilled = bob.ask({ type: "fulfill", id: 0n, preimage: secret(1) });
    expect(fulfilled).toMatchObject({ type: "channel_closing", rule: "B2-32", actual: 0n });
    bob.flush();
    expect(bob.saying()).toContain("update_fail_htlc");
    pair.settle();
    expect(alice.tells.at(-1)).toMatchObject({ type: "htlc_failed", id: 0n });
    agreed(pair);
  });

  it("[B2-45] pays to the script that each names, by default to its final key", () => {
    const pair = new ChannelPair().open({ pushMsat: 400_000_000n });
    const script = payToWitnessPublicKeyHash(new Uint8Array(33).fill(2));
    expect(pair.alice.ask({ type: "close", script: new Uint8Array([0x6a]) })).toMatchObject({
      type: "bad_close_script",
      rule: "B2-45",
    });
    pair.alice.run({ type: "close", script });
    pair.settle();
    const finalKey = pair.bob.channel.terms.local?.finalKey ?? new Uint8Array();
    const scripts = agreed(pair).outputs.map((output) => output.script);
    expect(scripts).toContainEqual(script);
    expect(scripts).toContainEqual(payToWitnessPublicKeyHash(finalKey));
    const other = new ChannelPair().open();
    expect(other.alice.judge({ type: "close_clearing", closeScript: new Uint8Array([0x6a]) })).toMatchObject({
      type: "remote_close_script",
      rule: "B2-45",
    });
  });

  it("[B2-13] [B2-4] is for an open channel and a peer that can be spoken to", () => {
    const pair = new ChannelPair();
    pair.propose();
    pair.answer();
    expect(pair.bob.ask(CLOSE)?.type).toBe("not_open");
    expect(pair.bob.judge({ type: "close_clearing" })?.type).toBe("unexpected_message");
    const { alice } = new ChannelPair().open();
    alice.ready = false;
    expect(alice.ask(CLOSE)?.type).toBe("peer_not_ready");
  });
});

describe("close_signature", () => {
  const forged = (feeSat: bigint) => ({
    type: "close_signature" as const,
    closeFeeSat: feeSat as Satoshi,
    signature: new Uint8Array(64).fill(1),
  });

  it("[B2-33] [LS-32] comes only when both are clearing and no HTLC, signature or revocation is due", () => {
    const pair = new ChannelPair().open({ pushMsat: 400_000_000n });
    const refused = { type: "unexpected_message", rule: "B2-33" };
    expect(pair.bob.judge(forged(100n))).toMatchObject(refused);
    pair.offer("alice", 1, 1_000n);
    pair.settle();
    pair.alice.run(CLOSE);
    pair.settle();
    expect(pair.bob.judge(forged(100n))).toMatchObject(refused);
    expect(pair.alice.channel.closeOffers).toEqual([]);
    pair.bob.run({ type: "fail_htlc", id: 0n, reason: REASON });
    expect(pair.bob.judge(forged(100n))).toMatchObject(refused);
    pair.deliver("bob");
    expect(pair.bob.judge(forged(100n))).toMatchObject(refused);
    pair.bob.flush();
    pair.deliver("bob");
    pair.alice.flush();
    pair.deliver("alice");
    expect(pair.bob.judge(forged(100n))).toMatchObject(refused);
    pair.settle();
    agreed(pair);
  });

  it("[B2-33] waits for the peer to sign for a fee rate that we set: it may not be at work on an update", () => {
    const pair = drained();
    const { alice, bob } = pair;
    expect(alice.run({ type: "set_fee", feeRate: 5_000 })).toBeUndefined();
    alice.flush();
    expect(alice.saying()).toEqual(["update_fee"]);
    pair.settle();
    agreed(pair);
    expect(bob.channel.commitments.remote[0]?.feeRate).toBe(5_000);
  });

  it("[B2-33] ends update_fee: one that crosses the first of them changes nothing", () => {
    const pair = drained();
    const { alice, bob } = pair;
    alice.flush();
    expect(alice.saying()).toEqual(["close_signature"]);
    expect(bob.run({ type: "set_fee", feeRate: 5_000 })).toBeUndefined();
    bob.flush();
    expect(pair.deliver("bob")).toBeUndefined();
    expect(alice.ask({ type: "set_fee", feeRate: 5_000 })).toMatchObject({ type: "channel_closing", rule: "B2-33" });
    pair.settle();
    agreed(pair);
    expect(alice.channel.commitments.remote[0]?.feeRate).toBe(4_000);
  });

  it("[B2-33] ends update_fee for its sender: one after it is a violation", () => {
    const pair = drained();
    wanting(pair.alice, 100n);
    wanting(pair.bob, 1_000n);
    pair.alice.flush();
    pair.deliver("alice");
    pair.deliver("bob");
    const late = { type: "update_fee" as const, feeRate: 5_000 };
    expect(pair.alice.judge(late)).toMatchObject({ type: "unexpected_message", rule: "B2-33" });
  });

  it("[B2-33] names an even fee, at most the lower of the final commitments' by who says it, the higher by who hears it", () => {
    const pair = new ChannelPair().open({ pushMsat: 400_000_000n });
    pair.bob.run({ type: "set_fee", feeRate: 6_000 });
    pair.settle();
    pair.alice.run(CLOSE);
    pair.deliver("alice");
    pair.bob.flush();
    pair.deliver("bob");
    pair.alice.fees = { ...FEES, nextBlock: 100_000 };
    // 338 bytes at 4,000 and at 6,000.
    expect(firstFee(pair.alice)).toBe(1_352n);
    const { bob } = pair;
    const outside = { type: "close_fee_out_of_range", rule: "B2-33", limit: 2_028n };
    expect(bob.judge(forged(2_030n))).toMatchObject({ ...outside, actual: 2_030n });
    expect(bob.judge(forged(101n))).toMatchObject({ ...outside, actual: 101n });
    expect(bob.judge(forged(2n ** 63n))).toMatchObject({ type: "close_fee_out_of_range" });
    // In range, so that its signature is what is looked at.
    expect(bob.judge(forged(2_028n))?.type).toBe("bad_close_signature");
  });

  it("[B2-33] with one bit of its signature or its fee changed is a violation", () => {
    const pair = drained();
    pair.alice.flush();
    const message = pair.next("alice", "close_signature");
    const bad = { type: "bad_close_signature", rule: "B2-33" };
    expect(pair.bob.judge({ ...message, signature: flipped(message.signature) })).toMatchObject(bad);
    expect(pair.bob.judge({ ...message, closeFeeSat: (message.closeFeeSat + 2n) as Satoshi })).toMatchObject(bad);
    expect(pair.deliver("alice")).toBeUndefined();
  });

  it("[B2-55] starts from the estimate", () => {
    const pair = drained();
    pair.settle();
    const transaction = agreed(pair);
    const fee = 1_000_000n - transaction.outputs.reduce((sum, { amountSat }) => sum + amountSat, 0n);
    // Two satoshi at most for parity, one for a signature that turned out shorter.
    const atEstimate = BigInt(Math.ceil((2_000 * virtualSize(transaction)) / 1_000));
    expect(fee - atEstimate).toBeGreaterThanOrEqual(0n);
    expect(fee - atEstimate).toBeLessThanOrEqual(4n);
  });

  it("[B2-33] answers lie strictly between the two last offers", () => {
    const pair = drained();
    const { alice, bob } = pair;
    wanting(alice, 100n);
    wanting(bob, 1_000n);
    alice.flush();
    pair.deliver("alice");
    expect(pair.next("bob", "close_signature").closeFeeSat).toBe(1_000n);
    pair.deliver("bob");
    // (100 + 1000) / 2, made even.
    expect(pair.next("alice", "close_signature").closeFeeSat).toBe(550n);
    // Bob offered 1000 and Alice 550: what Alice takes next is strictly between, or 550.
    const refused = { type: "close_fee_out_of_range", rule: "B2-33", limit: 550n };
    for (const fee of [1_000n, 1_002n, 548n, 100n, 0n]) {
      expect(alice.judge(forged(fee))).toMatchObject({ ...refused, actual: fee });
    }
    for (const fee of [552n, 998n, 550n]) expect(alice.judge(forged(fee))?.type).toBe("bad_close_signature");
    negotiate(pair);
    agreed(pair);
  });

  it("[B2-33] [B2-55] takes a first offer that is within a factor of two of the own wish: the close of two messages", () => {
    const pair = drained();
    wanting(pair.alice, 400n);
    wanting(pair.bob, 800n);
    pair.alice.flush();
    expect(negotiate(pair)).toEqual([400n, 400n]);
    agreed(pair);
  });

  it("[LS-7] is two messages, after the first of which no update is taken, and the second a courtesy", () => {
    const pair = drained();
    const { alice, bob } = pair;
    wanting(alice, 400n);
    wanting(bob, 400n);
    alice.flush();
    expect(alice.saying()).toEqual(["close_signature"]);
    const request = pair.next("alice", "close_signature");
    expect(request.closeFeeSat).toBe(400n);
    // Nobody changes anything any more: not who asked, and not who was asked.
    const updates = [
      { type: "offer", amountMsat: 1_000_000n as Msat, paymentHash: hashOf(1), expiry: 300, route: REASON },
      { type: "set_fee", feeRate: 5_000 },
      { type: "close", script: undefined },
    ] as const;
    const add = { type: "update_add_htlc", id: 1n, amountMsat: 1_000_000n as Msat, paymentHash: hashOf(1) } as const;
    for (const update of updates) expect(alice.ask(update)?.type).toBe("channel_closing");
    expect(alice.judge({ ...add, expiry: 300, route: REASON })?.type).toBe("remote_add_while_closing");
    expect(alice.judge({ type: "update_commit", signature: request.signature })?.type).toBe("empty_commit");
    pair.deliver("alice");
    expect(bob.saying()).toEqual(["close_signature"]);
    for (const update of updates) expect(bob.ask(update)?.type).toMatch(/channel_closing|not_open/);
    expect(bob.judge({ type: "update_fee", feeRate: 5_000 })?.type).toBe("unexpected_message");
    // The answer is lost. Who was asked has broadcast all that it takes, and who asked finds it in a block.
    bob.outgoing.length = 0;
    const parsed = parseTransaction(bob.broadcasts.at(-1) ?? new Uint8Array(0));
    if (!parsed.ok) throw new Error("no close");
    expect(alice.run({ type: "anchor_spent", height: 120, transaction: parsed.value })).toBeUndefined();
    expect(alice.channel.stage).toMatchObject({ stage: "close_agreed", failure: undefined });
    alice.height = 125;
    alice.defends = true;
    alice.flush();
    expect(alice.channel.stage.stage).toBe("closed");
  });

  it("[LS-7] [B2-36] a spend of the anchor that is no close of ours is none, however far the negotiation is", () => {
    const pair = drained();
    const { alice, bob } = pair;
    wanting(alice, 100n);
    wanting(bob, 1_000n);
    alice.flush();
    pair.deliver("alice");
    const theirs = pair.next("bob", "close_signature");
    expect(theirs.closeFeeSat).toBe(1_000n);
    // Signed by Bob alone: nobody could have broadcast it.
    const unsigned = bob.loaded({ ...rowsOf(bob.channel), stage: bob.channel.stage });
    const close = newestClose(unsigned, bob.context());
    expect(close).toBeDefined();
    const spend = (transaction: Transaction) => {
      const result = step(alice.channel, { type: "anchor_spent", height: 120, transaction }, alice.context());
      if (!result.ok) throw new Error(result.error.type);
      return result.value.changes.flatMap((change) => (change.type === "stage" ? [change.row.stage] : []));
    };
    const parsed = parseTransaction(close ?? new Uint8Array(0));
    if (!parsed.ok) throw new Error("no close");
    expect(spend({ ...parsed.value, outputs: [] })).toEqual(["failed"]);
    // Alice's own offer of 100 satoshi, with Bob's signature, is one.
    expect(spend(parsed.value)).toEqual(["close_agreed"]);
  });

  it("[B2-33] first offers that cross meet in the middle", () => {
    const pair = drained();
    wanting(pair.alice, 100n);
    wanting(pair.bob, 1_000n);
    start(pair.alice);
    start(pair.bob);
    const fees = negotiate(pair);
    expect(fees.slice(0, 4)).toEqual([100n, 1_000n, 550n, 550n]);
    agreed(pair);
  });

  it("[B2-33] first offers of 100 and 102 that cross end, though nothing even lies between", () => {
    const pair = drained();
    wanting(pair.alice, 100n);
    wanting(pair.bob, 102n);
    start(pair.alice);
    start(pair.bob);
    // Each takes the other's: both closes are good, and none of the two messages that cross is a violation.
    expect(negotiate(pair)).toEqual([100n, 102n, 102n, 100n]);
    for (const party of [pair.alice, pair.bob]) {
      expect(party.channel.stage.stage).toBe("close_agreed");
      expect(party.broadcasts.length).toBeGreaterThan(0);
    }
  });

  it("[B2-33] converges from any two starting points, in turn or crossing, on one transaction", () => {
    const fee = fc.integer({ min: 2, max: 676 }).map((half) => BigInt(2 * half));
    fc.assert(
      fc.property(fee, fee, fc.boolean(), (a, b, crossing) => {
        fc.pre(!crossing || (a - b !== 2n && b - a !== 2n));
        const pair = drained({ pushMsat: 400_000_000n }, false);
        wanting(pair.alice, a);
        wanting(pair.bob, b);
        start(pair.alice);
        if (crossing) start(pair.bob);
        const fees = negotiate(pair);
        expect(fees.length).toBeLessThanOrEqual(24);
        agreed(pair);
      }),
      { numRuns: 15 },
    );
  }, 60_000);

  const POINTS = [0n, 2n, 100n, 102n, 104n, 1_350n, 1_352n] as const;
  it.each(POINTS)(
    "[B2-33] [LW-1] [LW-2] from %s satoshi agrees with every other starting point",
    (a) => {
      for (const b of POINTS) {
        for (const crossing of [false, true]) {
          const pair = drained({ pushMsat: 400_000_000n }, false);
          wanting(pair.alice, a);
          wanting(pair.bob, b);
          start(pair.alice);
          if (crossing) start(pair.bob);
          const fees = negotiate(pair);
          const [least, most] = a < b ? [a, b] : [b, a];
          for (const fee of fees) expect(fee >= least && fee <= most && fee % 2n === 0n).toBe(true);
          const both = [pair.alice, pair.bob];
          expect(both.map(({ channel }) => channel.stage.stage)).toEqual(["close_agreed", "close_agreed"]);
          // Offers that cross with nothing even in between are taken by both: two good closes, of which the chain takes one.
          if (crossing && most - least === 2n) continue;
          const closes = both.map((party) => [...party.broadcasts].filter((raw) => raw.length > 3));
          expect(closes[0]).toEqual(closes[1]);
          agreed(pair);
        }
      }
    },
    60_000,
  );

  it("[B2-33] goes on for 20 offers at most: then the peer's is taken", () => {
    const pair = new ChannelPair().open({ pushMsat: 400_000_000n });
    const { alice, bob } = pair;
    for (const party of [alice, bob]) expect(party.run({ type: "set_fee", feeRate: 25_000 })).toBeUndefined();
    pair.settle();
    alice.run(CLOSE);
    pair.deliver("alice");
    bob.flush();
    pair.deliver("bob");
    wanting(alice, 100n);
    alice.flush();
    expect(pair.next("alice", "close_signature").closeFeeSat).toBe(100n);
    // Bob creeps: each of his offers is two satoshi nearer than the one before.
    let theirs = 8_400n;
    for (let offers = 0; alice.channel.stage.stage === "open"; offers++) {
      expect(offers).toBeLessThan(12);
      pair.deliver("alice");
      bob.outgoing.length = 0;
      bob.sent = alice.received;
      wantingAs(bob, theirs);
      pair.deliver("bob");
      theirs -= 2n;
    }
    // The 21st says yes to the 20th.
    expect(alice.channel.closeOffers).toHaveLength(21);
    expect(alice.channel.closeOffers.at(-1)?.feeSat).toBe(theirs + 2n);
  });

  /** Has Bob sign for `feeSat` whatever was said before. */
  function wantingAs(bob: Party, feeSat: bigint): void {
    const stage = { ...bob.channel.stage, stage: "open" as const };
    bob.state = bob.loaded({ ...rowsOf(bob.channel), closeOffers: [], stage });
    wanting(bob, feeSat);
    start(bob);
  }

  it("[B2-33] leaves at least one output, however high the estimate is", () => {
    const pair = new ChannelPair({ alice: { minAmountSat: sat(20_000) } });
    pair.open({ amountSat: 20_000n, pushMsat: 9_900_000n });
    // Commitments at a rate that eats the channel up.
    for (const party of [pair.alice, pair.bob]) party.fees = { ...FEES, nextBlock: 5_800 };
    expect(pair.alice.run({ type: "set_fee", feeRate: 58_000 })).toBeUndefined();
    expect(pair.bob.run({ type: "set_fee", feeRate: 58_000 })).toBeUndefined();
    pair.settle();
    for (const party of [pair.alice, pair.bob]) party.fees = { ...FEES, nextBlock: 500_000 };
    pair.alice.run(CLOSE);
    pair.settle();
    // 338 bytes at 58,000 are 19,604: half of it would leave 298 of the richer side's 10,100.
    const { outputs } = agreed(pair);
    expect(outputs.length).toBeGreaterThan(0);
    expect(outputs.every(({ amountSat }) => amountSat >= 546n)).toBe(true);
  });

  it("[LW-1] spends the anchor and pays both in the order of BIP 69, dust dropped", () => {
    const pair = drained({ pushMsat: 545_000n });
    pair.settle();
    const { inputs, outputs } = agreed(pair);
    expect(inputs).toHaveLength(1);
    expect(inputs[0]?.txid).toEqual(asTxid(pair.alice.channel.funding?.txid ?? new Uint8Array(32)));
    expect(inputs[0]?.index).toBe(1);
    expect(outputs).toHaveLength(1);
  });
});

describe("an agreed close", () => {
  it("[LW-2] can be made again after a restart, by either side, and is the same", () => {
    const pair = drained();
    pair.settle();
    agreed(pair);
    for (const party of [pair.alice, pair.bob]) {
      party.state = party.loaded(rowsOf(party.channel));
      expect(lastWord(party.channel, party.context())).toEqual(party.broadcasts.at(-1));
    }
    expect(lastWord(new ChannelPair().open().alice.channel, pair.alice.context())).toBeUndefined();
  });

  it("[LW-2] [B2-38] [B2-56] ends the channel once it is buried, not when it is undone before", () => {
    const pair = drained();
    pair.settle();
    const { alice } = pair;
    alice.defends = true;
    const parsed = parseTransaction(alice.broadcasts.at(-1) ?? new Uint8Array(0));
    if (!parsed.ok) throw new Error("a close was broadcast");
    const transaction = parsed.value;
    const at = (height: number) => {
      alice.height = height;
      alice.flush();
      return alice.channel.stage.stage;
    };
    alice.run({ type: "anchor_spent", transaction, height: 120 });
    expect(alice.channel.anchorSpend).toMatchObject({ kind: "close", height: 120 });
    expect(at(124)).toBe("close_agreed");
    alice.run({ type: "anchor_unspent" });
    expect(at(125)).toBe("close_agreed");
    alice.run({ type: "anchor_spent", transaction, height: 124 });
    expect(at(128)).toBe("close_agreed");
    expect(at(129)).toBe("closed");
    expect(alice.judge({ type: "close_clearing" })).toBeUndefined();
    alice.run({ type: "anchor_unspent" });
    expect(at(130)).toBe("close_agreed");
    alice.run({ type: "anchor_spent", transaction, height: 131 });
    expect(at(229)).toBe("closed");
    expect(at(230)).toBe("buried");
  });

  it("[B2-56] is not undone by an error or a command that comes after it", () => {
    const pair = drained();
    pair.settle();
    const { alice } = pair;
    alice.run({ type: "fail", error: { type: "failed_by_user", rule: "B2-43" }, notify: true });
    expect(alice.judge({ type: "error", problem: "late" })).toBeUndefined();
    expect(alice.channel.stage.stage).toBe("close_agreed");
    expect(alice.saying()).toEqual([]);
    expect(alice.judge({ type: "update_fee", feeRate: 5_000 })?.type).toBe("unexpected_message");
  });
});

describe("a negotiation that breaks off", () => {
  it("[B2-43] [B2-56] uses the newest close_signature that the peer gave", () => {
    const pair = drained();
    const { alice, bob } = pair;
    wanting(alice, 100n);
    wanting(bob, 1_000n);
    alice.flush();
    pair.deliver("alice");
    expect(bob.broadcasts).toEqual([]);
    pair.deliver("bob");
    alice.run({ type: "fail", error: { type: "failed_by_user", rule: "B2-43" }, notify: true });
    expect(alice.channel.stage).toMatchObject({ stage: "close_agreed", failure: "failed by user [B2-43]" });
    expect(alice.saying()).toEqual(["close_signature", "error"]);
    const parsed = parseTransaction(alice.broadcasts.at(-1) ?? new Uint8Array());
    const paid = parsed.ok ? parsed.value.outputs.reduce((sum, { amountSat }) => sum + amountSat, 0n) : 0n;
    expect(1_000_000n - paid).toBe(1_000n);
    expect(lastWord(alice.channel, alice.context())).toEqual(alice.broadcasts.at(-1));
  });

  it("[B2-43] without one falls back to the newest commitment", () => {
    const pair = drained();
    pair.alice.flush();
    pair.alice.run({ type: "fail", error: { type: "failed_by_user", rule: "B2-43" }, notify: true });
    expect(pair.alice.channel.stage.stage).toBe("failed");
  });
});

describe("the midpoint", () => {
  it("[B2-33] is even and strictly between, wherever there is such a fee", () => {
    const fee = fc.bigInt(0n, 2n ** 53n).map((half) => 2n * half);
    fc.assert(
      fc.property(fee, fee, (a, b) => {
        const middle = midpoint(a, b);
        expect(middle).toBe(midpoint(b, a));
        const [low, high] = a < b ? [a, b] : [b, a];
        if (high - low <= 2n) expect(middle).toBeUndefined();
        else expect(middle !== undefined && middle % 2n === 0n && middle > low && middle < high).toBe(true);
      }),
    );
    expect(midpoint(100n, 102n)).toBeUndefined();
    expect(midpoint(100n, 104n)).toBe(102n);
    expect(midpoint(100n, 106n)).toBe(102n);
  });
});
