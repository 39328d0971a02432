import { describe, expect, it } from "vitest";
import { flipped, type Party, type PartyName } from "../../../test/support/channel-pair.ts";
import { DualPair, found, must } from "../../../test/support/dual-funding.ts";
import { asTxid, type Satoshi } from "../base/index.ts";
import { commitmentTransaction, type FundingInput, parseTransaction, transactionId } from "../bitcoin/index.ts";
import { secp256k1 } from "../crypto/index.ts";
import type { FundingRequest, FundingResponse, OpenChannel, PktMessage } from "../wire/index.ts";
import { describeError } from "./errors.ts";
import { commitment, commitmentParams } from "./snapshot.ts";

function stages(pair: DualPair): (string | undefined)[] {
  return [pair.alice.state?.stage.stage, pair.bob.state?.stage.stage];
}

/** The party holds the other's good signature on its own first commitment, which spends the funding output. */
function holdsRefund({ channel }: Party): boolean {
  const { commitments, terms, funding } = channel;
  const own = commitments.local;
  if (own?.signature === undefined || terms.remote === undefined || funding === undefined) return false;
  const [input] = commitmentTransaction(commitmentParams(channel, own)).inputs;
  expect(input).toMatchObject({ txid: funding.txid, index: funding.outputIndex });
  return secp256k1.verify(own.signature, commitment(channel, own, undefined).sighash, terms.remote.commitKey);
}

/** The message says something that only somebody who can sign for the party's coins can say. */
function carriesSignatures(message: PktMessage | undefined): boolean {
  return message?.type === "funding_sign_accept" || message?.type === "funding_sign_complete";
}

describe("the four messages", () => {
  it("[LS-1] [LS-2] [LS-4] [LS-5] open a channel that holds what both brought", () => {
    const pair = new DualPair({ pushMsat: 10_000_000n });
    const { alice, bob } = pair;
    must(pair.request());
    expect(alice.saying()).toEqual(["funding_request"]);
    expect(pair.next("alice", "funding_request").share).toMatchObject({ contributionSat: 600_000n });
    must(pair.take());
    // Nothing is said before the chain knows the inputs, and the wallet has coins.
    expect(bob.saying()).toEqual([]);
    must(pair.check("bob"));
    expect(bob.saying()).toEqual([]);
    must(pair.contribute());
    expect(bob.saying()).toEqual(["funding_response"]);
    expect(stages(pair)).toEqual(["awaiting_funding_response", "awaiting_sign_accept"]);
    must(pair.deliver("bob"));
    expect(alice.saying()).toEqual([]);
    must(pair.check("alice"));
    expect(alice.saying()).toEqual([]);
    must(pair.sign("alice"));
    expect(alice.saying()).toEqual(["funding_sign_accept"]);
    must(pair.deliver("alice"));
    expect(bob.saying()).toEqual([]);
    must(pair.sign("bob"));
    expect(bob.saying()).toEqual(["funding_sign_complete"]);
    expect(stages(pair)).toEqual(["awaiting_sign_complete", "awaiting_depth"]);
    must(pair.deliver("bob"));
    expect(stages(pair)).toEqual(["awaiting_depth", "awaiting_depth"]);
    expect(bob.broadcasts).toHaveLength(1);
    expect(alice.broadcasts).toEqual(bob.broadcasts);
    const whole = parseTransaction(bob.broadcasts[0] ?? new Uint8Array());
    if (!whole.ok) throw new Error(whole.error.reason);
    expect(transactionId(whole.value)).toEqual(alice.channel.funding?.txid);
    expect(alice.channel.funding).toMatchObject({ amountSat: 1_000_000n });
    expect(alice.channel.id).toEqual(bob.channel.id);
    pair.confirm();
    expect(stages(pair)).toEqual(["open", "open"]);
    for (const [party, localMsat] of [[alice, 590_000_000n] as const, [bob, 410_000_000n] as const]) {
      expect(party.channel.totals.localMsat).toBe(localMsat);
    }
    must(pair.offer("alice", 1, 5_000_000n));
    must(pair.offer("bob", 2, 5_000_000n));
    pair.settle();
    expect(alice.cleared()).toEqual([1n]);
    expect(bob.cleared()).toEqual([0n]);
  });

  it("[LS-3] let no funding signature leave before its refund is signed, message by message", () => {
    const pair = new DualPair();
    const left: PartyName[] = [];
    const look = (): void => {
      for (const name of ["alice", "bob"] as const) {
        const sent = pair[name].outgoing.some(({ pkt }) => carriesSignatures(pkt.message));
        const published = pair[name].broadcasts.length > 0;
        if ((sent || published) && !left.includes(name)) {
          expect(holdsRefund(pair[name])).toBe(true);
          left.push(name);
        }
      }
    };
    for (const act of [
      () => pair.request(),
      () => pair.take(),
      () => pair.check("bob"),
      () => pair.contribute(),
      () => pair.deliver("bob"),
      () => pair.check("alice"),
      () => pair.sign("alice"),
      () => pair.deliver("alice"),
      () => pair.sign("bob"),
      () => pair.deliver("bob"),
    ]) {
      must(act());
      look();
    }
    expect(left).toEqual(["alice", "bob"]);
    expect(holdsRefund(pair.alice) && holdsRefund(pair.bob)).toBe(true);
  });

  it("[LS-6] [B2-13] wait for at least 3 blocks on both sides, 6 above 1,000,000 sat, whatever the policy says", () => {
    const of = (contributionSat: bigint, policy = {}) => {
      const pair = new DualPair({ contributionSat, policy }).signComplete();
      must(pair.deliver("bob"));
      return [pair.alice.channel.terms.local?.minDepth, pair.bob.channel.terms.local?.minDepth];
    };
    expect(of(600_000n)).toEqual([3, 3]);
    expect(of(600_001n)).toEqual([6, 6]);
    expect(of(600_000n, { minDepth: 0, minDepthOwn: 0, minDepthLarge: 0 })).toEqual([3, 3]);
    expect(of(900_000n, { minDepth: 8, minDepthLarge: 10 })).toEqual([10, 10]);
    const pair = new DualPair().signComplete();
    must(pair.deliver("bob"));
    pair.alice.flush();
    pair.bob.flush();
    expect([...pair.alice.saying(), ...pair.bob.saying()]).toEqual([]);
  });

  it("[LS-2] open a channel of the requester's money where the responder brings none", () => {
    const pair = new DualPair({ contributionSat: 600_000n, maxContributionSat: 0n });
    must(pair.request());
    must(pair.take());
    must(pair.check("bob"));
    expect(pair.bob.saying()).toEqual(["funding_response"]);
    must(pair.deliver("bob"));
    must(pair.check("alice"));
    must(pair.sign("alice"));
    must(pair.deliver("alice"));
    must(pair.sign("bob"));
    must(pair.deliver("bob"));
    expect(pair.alice.channel.totals).toMatchObject({ localMsat: 600_000_000n, remoteMsat: 0n });
    expect(pair.alice.channel.terms.local?.minDepth).toBe(3);
    pair.confirm();
    expect(stages(pair)).toEqual(["open", "open"]);
  });

  it("[LS-2] give what is wished, as far as the responder's policy and the greatest anchor allow", () => {
    const of = (options: ConstructorParameters<typeof DualPair>[0]) => {
      const pair = new DualPair(options);
      must(pair.request());
      must(pair.take());
      must(pair.check("bob"));
      return pair.asked("bob", "contribute").amountSat;
    };
    expect(of({ wishedSat: 400_000n })).toBe(400_000n);
    expect(of({ wishedSat: 400_000n, maxContributionSat: 300_000n })).toBe(300_000n);
    expect(of({ wishedSat: 400_000n, policy: { maxAmountSat: 1_000_000n as Satoshi } })).toBe(400_000n);
  });

  it("[LS-1] give nothing to a transaction that is dear by the responder's estimate, as after a jump", () => {
    // FEES has an estimate of 2,000.
    for (const [nextBlock, gives] of [
      [6_000, true],
      [6_001, false],
      [90_000, false],
    ] as const) {
      const pair = new DualPair();
      pair.alice.fees = { ...pair.alice.fees, nextBlock, recent: { lowest: 2_000, highest: nextBlock } };
      must(pair.request());
      expect(pair.next("alice", "funding_request").feeRate).toBe(Math.min(nextBlock, 25_000));
      must(pair.take());
      must(pair.check("bob"));
      expect(pair.bob.tells.some(({ type }) => type === "contribute")).toBe(gives);
      expect(pair.bob.channel.stage.failure).toBeUndefined();
      if (!gives) expect(pair.next("bob", "funding_response").share.contributionSat).toBe(0n);
    }
  });

  it("[LS-21] count the requester as the initiator", () => {
    const pair = new DualPair().signComplete();
    expect(pair.alice.channel.channel.initiator).toBe("local");
    expect(pair.bob.channel.channel.initiator).toBe("remote");
  });
});

describe("a message out of its turn", () => {
  it("[LS-1] [LS-2] [LS-4] [LS-5] early, late or twice is a violation", () => {
    const model = new DualPair().signAccept();
    const accept = model.next("alice", "funding_sign_accept");
    must(model.deliver("alice"));
    must(model.sign("bob"));
    const completeMessage = model.next("bob", "funding_sign_complete");
    const first = new DualPair();
    must(first.request());
    const request = first.next("alice", "funding_request");
    const response = new DualPair().respond().next("bob", "funding_response");
    const refused = (party: Party, ...messages: PktMessage[]) => {
      for (const message of messages) expect(party.judge(message)?.type).toBe("unexpected_message");
    };
    const pair = new DualPair();
    must(pair.request());
    refused(pair.alice, request, accept, completeMessage, { type: "open_complete" });
    must(pair.take());
    refused(pair.bob, request, response, accept, completeMessage, { type: "open_complete" });
    must(pair.check("bob"));
    refused(pair.bob, request, response, accept, completeMessage);
    must(pair.contribute());
    refused(pair.bob, request, response, completeMessage, { type: "open_complete" });
    must(pair.deliver("bob"));
    refused(pair.alice, request, response, accept, completeMessage, { type: "open_complete" });
    must(pair.check("alice"));
    must(pair.sign("alice"));
    refused(pair.alice, request, response, accept);
    must(pair.deliver("alice"));
    refused(pair.bob, accept, request, response, completeMessage);
    must(pair.sign("bob"));
    refused(pair.bob, accept, request, response, completeMessage, { type: "open_anchor", ...ANCHOR });
    must(pair.deliver("bob"));
    refused(pair.alice, accept, request, response, completeMessage);
    pair.confirm();
    refused(pair.alice, accept, request, response, completeMessage);
    refused(pair.bob, accept, request, response, completeMessage);
  });

  const ANCHOR = {
    txid: asTxid(new Uint8Array(32)),
    outputIndex: 0,
    amountSat: 1n as Satoshi,
    commitSignature: new Uint8Array(64),
  };

  it("[LS-2] a response after the requester stopped says nothing any more", () => {
    const pair = new DualPair().respond();
    pair.alice.run({ type: "fail", error: { type: "failed_by_user", rule: "B2-43" }, notify: true });
    expect(pair.alice.channel.stage.stage).toBe("abandoned");
    expect(pair.alice.tells.map(({ type }) => type)).toEqual(["release_funding"]);
    must(pair.deliver("bob"));
    expect(pair.alice.saying()).toEqual(["error"]);
    expect(pair.alice.broadcasts).toEqual([]);
  });

  it("an answer of chain or wallet that comes late or twice changes nothing", () => {
    const pair = new DualPair().respond();
    const inputs = pair.purses.alice.coins.map((coin) => found(coin));
    must(pair.bob.run({ type: "inputs_checked", inputs }));
    expect(pair.bob.saying()).toEqual(["funding_response"]);
    must(pair.deliver("bob"));
    must(pair.check("alice"));
    const tell = pair.alice.tells.find(({ type }) => type === "sign_funding");
    must(pair.sign("alice"));
    must(pair.alice.run({ type: "inputs_checked", inputs: [] }));
    if (tell?.type !== "sign_funding") throw new Error("not asked");
    const { purpose, transaction } = tell;
    must(pair.alice.run({ type: "funding_signed", purpose, transaction, signatures: pair.purses.alice.sign(tell) }));
    expect(pair.alice.saying()).toEqual(["funding_sign_accept"]);
    must(pair.bob.run({ type: "fail", error: { type: "failed_by_user", rule: "B2-43" }, notify: false }));
    pair.bob.tells.length = 0;
    must(pair.bob.run({ type: "contributed", share: pair.purses.bob.share("responder", 1_000n, 1_000) }));
    expect(pair.bob.tells).toEqual([{ type: "release_funding" }]);
  });
});

/** Bob's judgement of Alice's request with something changed. */
function taken(change: (message: FundingRequest) => Partial<FundingRequest>, policy = {}) {
  const pair = new DualPair({ policy });
  must(pair.request());
  return pair.take((message) => ({ ...message, ...change(message) }));
}

/** Alice's judgement of Bob's response with something changed. */
function answered(change: (message: FundingResponse) => Partial<FundingResponse>) {
  const pair = new DualPair().respond();
  const message = pair.next("bob", "funding_response");
  return pair.alice.judge({ ...message, ...change(message) });
}

describe("what a peer brings", () => {
  const withTerms = (change: Partial<OpenChannel>) => (message: { terms: OpenChannel }) => ({
    terms: { ...message.terms, ...change },
  });

  it("[B2-8] [B2-9] has terms that are judged as those of any channel", () => {
    for (const judge of [taken, answered]) {
      expect(judge(withTerms({ delay: 1_009 }))?.type).toBe("remote_delay_unreasonable");
      expect(judge(withTerms({ minDepth: 145 }))?.type).toBe("remote_min_depth_unreasonable");
      expect(judge(withTerms({ initialFeeRate: 1_349 }))?.type).toBe("remote_fee_rate_unreasonable");
      expect(judge(withTerms({ closeScript: Uint8Array.of(0x6a) }))?.type).toBe("remote_close_script");
      expect(judge(withTerms({ channelReserveSat: 50_001n as Satoshi }))).toMatchObject({
        type: "remote_reserve_unreasonable",
        limit: 50_000n,
      });
    }
    expect(taken(withTerms({ anchor: "wont_create" }))?.rule).toBe("B2-9");
    expect(answered(withTerms({ anchor: "will_create" }))?.rule).toBe("B2-9");
    expect(answered(withTerms({ pushMsat: 1n as OpenChannel["pushMsat"] }))?.rule).toBe("B2-9");
  });

  it("[LS-1] has a fee rate between what is relayed and what could be asked for commitments", () => {
    const bad = { type: "remote_fee_rate_unreasonable", rule: "LS-1" };
    expect(taken(() => ({ feeRate: 999 }))).toMatchObject({ ...bad, limit: 1_000, actual: 999 });
    expect(taken(() => ({ feeRate: 25_001 }))).toMatchObject({ ...bad, limit: 25_000, actual: 25_001 });
    expect(taken(() => ({ feeRate: 25_000 }))).toBeUndefined();
    expect(taken(() => ({ feeRate: 1_000 }))).toBeUndefined();
  });

  it("[LS-1] has inputs that are distinct, from each other and from ours", () => {
    const type = "remote_input_repeated";
    const twice = (message: FundingRequest | FundingResponse) => {
      const [first] = message.share.inputs;
      return { share: { ...message.share, inputs: first === undefined ? [] : [first, first] } };
    };
    expect(taken(twice)).toMatchObject({ type, rule: "LS-1" });
    expect(answered(twice)).toMatchObject({ type, rule: "LS-1" });
    const mine = new DualPair().respond().alice.channel.fundingShares.local?.inputs ?? [];
    expect(
      answered((message) => ({ share: { ...message.share, inputs: mine as typeof message.share.inputs } })),
    ).toMatchObject({ type });
  });

  it("[LS-1] has change that nodes relay, of at most 34 bytes of script", () => {
    const change = (changeScript: Uint8Array) => (message: { share: FundingRequest["share"] }) => ({
      share: { ...message.share, changeScript },
    });
    const witness = (length: number) => Uint8Array.of(0x52, length, ...new Uint8Array(length).fill(1));
    for (const judge of [taken, answered]) {
      for (const script of [Uint8Array.of(0x6a, 1, 1), witness(33), witness(40), Uint8Array.of(0x51)]) {
        expect(judge(change(script))).toMatchObject({ type: "remote_change_script", rule: "LS-1" });
      }
    }
    expect(taken(change(witness(32)))).toBeUndefined();
  });

  it("[LS-1] has change where there is some: as a fee that is never paid it would only make cancelling dear", () => {
    const refused = { type: "remote_change_script", rule: "LS-1", detail: "no script for its change" };
    const none = <T extends FundingRequest | FundingResponse>({ share }: T) => ({
      share: { ...share, changeScript: undefined },
    });
    // Bob's coin of 700,000, less his contribution and 99 virtual bytes at 2 satoshi.
    expect(answered(none)).toMatchObject({ ...refused, limit: 545n, actual: 299_802n });
    const requested = (amountSat: bigint) => {
      const pair = new DualPair();
      must(pair.request());
      must(
        pair.take((message) => {
          const inputs = message.share.inputs.map((input) => ({ ...input, amountSat: amountSat as Satoshi }));
          return { ...message, share: { ...message.share, inputs, changeScript: undefined } };
        }),
      );
      must(pair.check("bob"));
      return pair.contribute();
    };
    const fee = 2n * BigInt(Math.ceil((272 + 214 + 4 * 31) / 4));
    expect(requested(600_000n + fee + 546n)).toMatchObject({ ...refused, actual: 546n });
    expect(requested(600_000n + fee + 545n)).toBeUndefined();
  });

  it("[B2-12] [B2-46] makes an anchor of the right size, and pays for the requester's reserve and gift", () => {
    const contribution = (contributionSat: bigint) => (message: FundingRequest) => ({
      share: { ...message.share, contributionSat: contributionSat as Satoshi },
      wishedSat: 0n as Satoshi,
    });
    expect(taken(contribution(4_294_968n))?.type).toBe("anchor_too_large");
    expect(taken(contribution(19_999n))).toMatchObject({ type: "anchor_too_small", rule: "B2-46" });
    const poor = (message: FundingRequest) => ({
      share: { ...message.share, contributionSat: 11_000n as Satoshi },
      wishedSat: 989_000n as Satoshi,
    });
    expect(taken(poor)).toMatchObject({ type: "anchor_too_small", rule: "B2-12", actual: 11_000n });
    expect(taken(withTerms({ pushMsat: 590_000_000n as OpenChannel["pushMsat"] }))?.type).toBe("anchor_too_small");
  });

  it("[LS-2] is no more than was wished", () => {
    const more = { type: "remote_terms_unacceptable", rule: "LS-2", limit: 400_000n, actual: 400_001n };
    const contributionSat = 400_001n as Satoshi;
    expect(answered((message) => ({ share: { ...message.share, contributionSat } }))).toMatchObject(more);
  });

  it("[LS-1] pays for its contribution and its part of the fee", () => {
    const first = (message: FundingRequest | FundingResponse, amountSat: bigint) => ({
      share: {
        ...message.share,
        inputs: message.share.inputs.map((input, n) => ({
          ...input,
          amountSat: (n === 0 ? amountSat : 0n) as Satoshi,
        })),
      },
    });
    expect(answered((message) => first(message, 400_000n))).toMatchObject({
      type: "remote_share_too_small",
      rule: "LS-1",
      actual: 400_000n,
    });
    const pair = new DualPair();
    must(pair.request());
    must(pair.take((message) => ({ ...message, ...first(message, 600_000n) })));
    must(
      pair.bob.run({
        type: "inputs_checked",
        inputs: [found(pair.bob.channel.fundingShares.remote?.inputs[0] as FundingInput)],
      }),
    );
    const { amountSat, feeRate } = pair.asked("bob", "contribute");
    const share = pair.purses.bob.share("responder", amountSat, feeRate);
    expect(pair.bob.run({ type: "contributed", share })).toMatchObject({ type: "remote_share_too_small" });
    const nothing = (message: FundingResponse) => ({ share: { ...message.share, inputs: [] } });
    expect(answered(nothing)).toMatchObject({ type: "remote_share_too_small", actual: 0n });
  });

  it("[LS-3] comes with a good signature on our refund", () => {
    const bad = { type: "bad_commitment_signature", rule: "LS-3" };
    expect(answered((m) => ({ commitSignature: flipped(m.commitSignature) }))).toMatchObject(bad);
    // Of another funding transaction: one satoshi more of theirs.
    const other = (m: FundingResponse) => {
      const contributionSat = (m.share.contributionSat - 1n) as Satoshi;
      return { share: { ...m.share, contributionSat } };
    };
    expect(answered(other)).toMatchObject(bad);
    const pair = new DualPair().signAccept();
    const message = pair.next("alice", "funding_sign_accept");
    expect(pair.bob.judge({ ...message, commitSignature: flipped(message.commitSignature) })).toMatchObject(bad);
  });
});

describe("what the chain says of a peer's inputs", () => {
  type Alter = Parameters<DualPair["check"]>[1];
  /** Both sides look alike at what the other brings. */
  function both(alter: Alter) {
    const responder = new DualPair();
    must(responder.request());
    must(responder.take());
    const requester = new DualPair().respond();
    must(requester.deliver("bob"));
    return [responder.check("bob", alter), requester.check("alice", alter)];
  }
  const altered =
    (change: Parameters<typeof found>[1]): Alter =>
    (checked) =>
      checked.map((one) => ({ ...one, output: one.output === undefined ? undefined : { ...one.output, ...change } }));

  it.each<[string, Alter, object]>([
    ["is ours", (all) => all.map((one) => ({ ...one, ours: true })), { type: "remote_input_is_ours" }],
    [
      "is spent or unknown",
      (all) => all.map((one) => ({ ...one, output: undefined })),
      { type: "remote_input_unspendable" },
    ],
    ["is not answered for", () => [], { type: "remote_input_unspendable" }],
    ["has another amount", altered({ amountSat: 5n }), { type: "remote_input_amount", limit: 5n }],
    [
      "is not P2WPKH of the key",
      altered({ script: Uint8Array.of(0, 20, ...new Uint8Array(20)) }),
      { type: "remote_input_not_p2wpkh" },
    ],
    ["is not segwit", altered({ script: new Uint8Array(25).fill(0x76) }), { type: "remote_input_not_p2wpkh" }],
    [
      "is taproot",
      altered({ script: Uint8Array.of(0x51, 32, ...new Uint8Array(32)) }),
      { type: "remote_input_not_p2wpkh" },
    ],
    ["is unconfirmed", altered({ confirmations: 0 }), { type: "remote_input_unconfirmed", limit: 1, actual: 0 }],
    [
      "is an immature coinbase",
      altered({ coinbase: true, confirmations: 99 }),
      { type: "remote_input_immature", limit: 100, actual: 99 },
    ],
  ])("[LS-1] one that %s is refused", (_, alter, error) => {
    for (const refused of both(alter)) expect(refused).toMatchObject({ ...error, rule: "LS-1" });
  });

  it("[LS-1] a mature coinbase will do", () => {
    expect(both(altered({ coinbase: true, confirmations: 100 }))).toEqual([undefined, undefined]);
  });

  it("waits for a peer that can be told, and is asked for again when there is one", () => {
    const pair = new DualPair();
    must(pair.request());
    must(pair.take());
    pair.bob.ready = false;
    must(pair.check("bob"));
    expect(pair.bob.tells).toEqual([]);
    pair.bob.ready = true;
    must(pair.bob.run({ type: "peer_ready" }));
    must(pair.check("bob"));
    must(pair.contribute());
    expect(pair.bob.saying()).toEqual(["funding_response"]);
  });
});

describe("a funding signature", () => {
  it("[LS-4] is one for each input, good, and for that input", () => {
    const pair = new DualPair({ contributionSat: 2_100_000n }).signAccept();
    const message = pair.next("alice", "funding_sign_accept");
    const [first, second] = message.inputSignatures;
    if (first === undefined || second === undefined) throw new Error("two inputs");
    const judge = (inputSignatures: Uint8Array[]) => pair.bob.judge({ ...message, inputSignatures });
    const bad = { type: "bad_funding_signature", rule: "LS-4" };
    expect(judge([first, flipped(second)])).toMatchObject({ ...bad, actual: 1 });
    expect(judge([second, first])).toMatchObject({ ...bad, actual: 0 });
    expect(judge([first])).toMatchObject({ ...bad, limit: 2, actual: 1 });
    expect(judge([])).toMatchObject({ ...bad, limit: 2, actual: 0 });
    expect(judge([first, second, second])).toMatchObject({ ...bad, limit: 2, actual: 3 });
    expect(judge([first, second])).toBeUndefined();
    expect(pair.bob.broadcasts).toEqual([]);
  });

  it("[LS-5] of the responder is judged too, and so is the id that it is for", () => {
    const pair = new DualPair().signComplete();
    const message = pair.next("bob", "funding_sign_complete");
    const other = { ...message, txid: flipped(message.txid) };
    expect(pair.alice.judge(other)).toMatchObject({ type: "funding_txid_mismatch", rule: "LS-5" });
    const bad = { type: "bad_funding_signature", rule: "LS-4" };
    const inputSignatures = message.inputSignatures.map(flipped);
    expect(pair.alice.judge({ ...message, inputSignatures })).toMatchObject(bad);
    expect(pair.alice.judge({ ...message, inputSignatures: [] })).toMatchObject(bad);
  });
});

describe("a requester", () => {
  it("[LS-2] that gets less than it wants stops, with nothing at stake", () => {
    const pair = new DualPair({ leastSat: 200_000n, maxContributionSat: 100_000n }).respond();
    must(pair.deliver("bob"));
    expect(pair.alice.channel.stage).toMatchObject({
      stage: "abandoned",
      failure: describeError({ type: "contribution_too_small", rule: "LS-2", limit: 200_000, actual: 100_000 }),
    });
    expect(pair.alice.saying()).toEqual(["error"]);
    expect(pair.alice.tells).toEqual([{ type: "release_funding" }]);
    expect(pair.alice.broadcasts).toEqual([]);
    // Bob gets his coins back too.
    must(pair.deliver("alice"));
    expect(pair.bob.channel.stage.stage).toBe("abandoned");
    expect(pair.bob.tells).toContainEqual({ type: "release_funding" });
  });

  it("[LS-5] [LS-6] goes on without sign-complete, once it sees the funding transaction in a block", () => {
    const pair = new DualPair().signComplete();
    pair.bob.outgoing.length = 0;
    pair.confirm();
    expect(stages(pair)).toEqual(["open", "open"]);
    expect(pair.alice.broadcasts).toEqual([]);
    must(pair.offer("alice", 1, 5_000_000n));
    pair.settle();
  });

  it("[LS-5] bears a sign-complete that comes after the block, and an open_complete before it", () => {
    const pair = new DualPair().signComplete();
    const { alice } = pair;
    const late = pair.next("bob", "funding_sign_complete");
    const { funding, terms } = alice.channel;
    expect(alice.judge({ type: "open_complete" })).toBeUndefined();
    expect(terms.remote).toBeDefined();
    const transaction = pair.bob.broadcasts[0] ?? new Uint8Array();
    const parsed = parseTransaction(transaction);
    const output = parsed.ok ? parsed.value.outputs[funding?.outputIndex ?? 0] : undefined;
    must(alice.run({ type: "funding_confirmed", height: 101, output, transaction }));
    expect(alice.channel.stage.stage).toBe("awaiting_depth");
    // The block told what the peer has not: enough to broadcast after a reorganisation.
    expect(alice.channel.funding?.transaction).toEqual(transaction);
    expect(alice.judge(late)).toBeUndefined();
    must(pair.deliver("bob"));
    expect(alice.broadcasts).toEqual([]);
    expect(alice.judge(late)?.type).toBe("unexpected_message");
  });

  it("[LS-1] [B2-12] [B2-44] asks for nothing that the peer would have to refuse", () => {
    const asked = (options: ConstructorParameters<typeof DualPair>[0], change = {}) =>
      new DualPair(options).request(change);
    expect(asked({ contributionSat: 1_000_000n, wishedSat: 3_294_968n })).toMatchObject({
      type: "amount_out_of_range",
      rule: "B2-12",
    });
    expect(asked({ contributionSat: 10_000n, wishedSat: 0n })?.type).toBe("amount_out_of_range");
    expect(asked({ wishedSat: 100n, leastSat: 101n })).toMatchObject({ type: "amount_out_of_range", rule: "LS-2" });
    expect(asked({ pushMsat: 600_000_000n })?.type).toBe("push_too_large");
    expect(asked({}, { feeRate: 1_000_000 })?.type).toBe("fee_rate_unreasonable");
    const pair = new DualPair();
    pair.alice.ready = false;
    expect(pair.request()?.type).toBe("peer_not_ready");
  });
});

describe("while nothing is signed", () => {
  const STEPS = ["request", "take", "respond", "response", "checked"] as const;
  /** A pair that has gone so far, and who of the two has coins reserved. */
  function until(step: (typeof STEPS)[number]): { pair: DualPair; who: PartyName } {
    const pair = new DualPair();
    if (step === "respond" || step === "response" || step === "checked") pair.respond();
    else must(pair.request());
    if (step === "take") must(pair.take());
    if (step === "response" || step === "checked") must(pair.deliver("bob"));
    if (step === "checked") must(pair.check("alice"));
    return { pair, who: step === "take" || step === "respond" ? "bob" : "alice" };
  }

  it.each(STEPS)("[LS-2] [B2-43] a failure at '%s' abandons the channel and frees the coins", (step) => {
    for (const error of [
      { type: "failed_by_user", rule: "B2-43" },
      { type: "own_input_gone", rule: "LS-4" },
    ] as const) {
      const { pair, who } = until(step);
      const party = pair[who];
      party.tells.length = 0;
      const ended =
        error.type === "failed_by_user" ? { type: "fail" as const, notify: true } : { type: "funding_failed" as const };
      must(party.run({ ...ended, error } as Parameters<Party["run"]>[0]));
      expect(party.channel.stage).toMatchObject({ stage: "abandoned", failure: describeError(error) });
      expect(party.tells).toEqual([{ type: "release_funding" }]);
      expect(party.saying().at(-1)).toBe("error");
    }
  });

  it.each(STEPS)("[LS-2] time that runs out at '%s' does so too", (step) => {
    const { pair, who } = until(step);
    const party = pair[who];
    party.tells.length = 0;
    party.now += (who === "alice" ? 10 : 30) * 60_000 - 1;
    party.flush();
    expect(party.tells).toEqual([]);
    party.now++;
    party.flush();
    expect(party.channel.stage).toMatchObject({ stage: "abandoned" });
    expect(party.channel.stage.failure).toContain(describeError({ type: "opening_timed_out", rule: "LS-2" }));
    expect(party.tells).toEqual([{ type: "release_funding" }]);
  });

  it.each(STEPS)("[LS-2] an input that a block spends at '%s' does so too", (step) => {
    const { pair, who } = until(step);
    const party = pair[who];
    party.tells.length = 0;
    must(party.run({ type: "funding_conflict", height: 120 }));
    expect(party.channel.stage.stage).toBe("abandoned");
    expect(party.channel.stage.failure).toContain("funding conflict [LS-5]");
    expect(party.tells).toEqual([{ type: "release_funding" }]);
  });
});
