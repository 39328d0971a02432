import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { asChannelId, asTxid, concatBytes, MAX_SATOSHI, type Msat, sat } from "../base/index.ts";
import { secp256k1 } from "../crypto/index.ts";
import { encodeFeatures, hasFeature } from "./features.ts";
import { toEight, toFour } from "./fixed64.ts";
import { open_channel_anchor_offer as AnchorOffer, pktSchema } from "./gen/pkt_pb.ts";
import type { FundingRequest, FundingShare, OpenChannel, PktMessage } from "./messages.ts";
import { decodePkt, encodePkt } from "./packet.ts";
import { wireErrorRule } from "./wire-error.ts";

const KEY = secp256k1.publicKey(new Uint8Array(32).fill(1));
const SIGNATURE = new Uint8Array(64).fill(0x11);
const CHANNEL = asChannelId(new Uint8Array(32).fill(5));
const hash = (byte: number) => new Uint8Array(32).fill(byte);

const TERMS: OpenChannel = {
  type: "open_channel",
  delay: 144,
  revocationHash: hash(1),
  nextRevocationHash: hash(2),
  commitKey: KEY,
  finalKey: KEY,
  anchor: "will_create",
  minDepth: 3,
  initialFeeRate: 2_000,
  revocationWindow: [hash(3)],
  pushMsat: 7n as Msat,
  prestage: false,
};
const input = (n: number) => ({ txid: asTxid(hash(n)), index: n, amountSat: sat(50_000 + n), publicKey: KEY });
const SHARE: FundingShare = {
  contributionSat: sat(90_000),
  inputs: [input(1), input(2)],
  changeScript: new Uint8Array(22).fill(9),
};
const REQUEST: FundingRequest = {
  type: "funding_request",
  terms: TERMS,
  share: SHARE,
  wishedSat: sat(60_000),
  feeRate: 1_350,
};

function decoded(packet: Uint8Array) {
  const result = decodePkt(packet);
  return result.ok ? result.value.message : result.error;
}

/** What a decoder makes of a member that our encoder would not write. */
function raw(member: Exclude<MessageInitShape<typeof pktSchema>["pkt"], undefined>) {
  return decoded(concatBytes(Uint8Array.of(0), toBinary(pktSchema, create(pktSchema, { pkt: member }))));
}

const wireTerms = {
  delay: { locktime: { case: "blocks" as const, value: 144 } },
  revocationHash: toFour(hash(1)),
  nextRevocationHash: toFour(hash(2)),
  commitKey: { key: KEY },
  finalKey: { key: KEY },
  anch: AnchorOffer.WILL_CREATE_ANCHOR,
  initialFeeRate: 2_000,
};
const wireInput = { txid: toFour(hash(1)), outputIndex: 1, amount: 5n, key: { key: KEY } };
type WireShare = { contribution?: bigint; input?: (typeof wireInput)[]; changeScript?: Uint8Array };
const requestWith = (share: WireShare) =>
  raw({
    case: "fundingRequest",
    value: { terms: wireTerms, share: { contribution: 1n, ...share }, feeRate: 1_000 },
  });

describe("the messages of a channel that both fund", () => {
  it.each<PktMessage>([
    REQUEST,
    { ...REQUEST, share: { contributionSat: sat(0), inputs: [], changeScript: undefined } },
    { type: "funding_response", terms: { ...TERMS, anchor: "wont_create" }, share: SHARE, commitSignature: SIGNATURE },
    { type: "funding_sign_accept", inputSignatures: [SIGNATURE, SIGNATURE], commitSignature: SIGNATURE },
    { type: "funding_sign_complete", txid: asTxid(hash(4)), inputSignatures: [] },
  ])("[LS-1] [LS-2] [LS-4] [LS-5] come back as they were", (message) => {
    expect(decodePkt(encodePkt({ channelId: CHANNEL, message }))).toEqual({
      ok: true,
      value: { channelId: CHANNEL, message },
    });
  });

  it("[B2-2] have odd numbers, so that a node that does not know them may ignore them", () => {
    const packet = encodePkt({
      channelId: undefined,
      message: { type: "funding_sign_complete", txid: asTxid(hash(0)), inputSignatures: [] },
    });
    // Member 67, with field 1 in it: a hash of four fixed64.
    expect([...packet.subarray(0, 6)]).toEqual([0, 0x9a, 0x04, 0x26, 0x0a, 0x24]);
    expect(encodePkt({ channelId: undefined, message: REQUEST }).subarray(1, 3)).toEqual(Uint8Array.of(0xea, 0x03));
  });

  it("hold at most 20 inputs and 20 signatures", () => {
    const twenty = Array.from({ length: 20 }, () => wireInput);
    expect(requestWith({ input: twenty })).toMatchObject({ type: "funding_request" });
    const tooMany = { type: "bad_count", field: "input", maximum: 20, actual: 21 };
    expect(requestWith({ input: [...twenty, wireInput] })).toMatchObject(tooMany);
    const error = { type: "bad_count", message: "funding_request", field: "input", minimum: 0 } as const;
    expect(wireErrorRule({ ...error, maximum: 20, actual: 21 })).toBe("LS-1");
    const inputSig = Array.from({ length: 21 }, () => toEight(SIGNATURE));
    const signatures = { type: "bad_count", field: "input_sig", maximum: 20, actual: 21 };
    expect(raw({ case: "fundingSignAccept", value: { inputSig, commitSig: toEight(SIGNATURE) } })).toMatchObject(
      signatures,
    );
    expect(raw({ case: "fundingSignComplete", value: { txid: toFour(hash(1)), inputSig } })).toMatchObject(signatures);
  });

  it("are refused where a field can't be right", () => {
    const long = { type: "bad_length", field: "change_script", minimum: 1, maximum: 42 };
    expect(requestWith({ changeScript: new Uint8Array(43) })).toMatchObject({ ...long, actual: 43 });
    expect(requestWith({ changeScript: new Uint8Array(0) })).toMatchObject({ ...long, actual: 0 });
    const over = { type: "number_too_large", limit: MAX_SATOSHI };
    expect(requestWith({ contribution: MAX_SATOSHI + 1n })).toMatchObject({ ...over, field: "contribution" });
    expect(requestWith({ input: [{ ...wireInput, amount: 2n ** 64n - 1n }] })).toMatchObject({
      ...over,
      field: "amount",
    });
    const badKey = { type: "bad_public_key", message: "funding_request", field: "key" } as const;
    expect(requestWith({ input: [{ ...wireInput, key: { key: new Uint8Array(33) } }] })).toEqual(badKey);
    expect(wireErrorRule(badKey)).toBe("B2-10");
    const high = toEight(new Uint8Array(64).fill(0xff));
    expect(raw({ case: "fundingSignAccept", value: { inputSig: [high], commitSig: toEight(SIGNATURE) } })).toEqual({
      type: "bad_signature",
      message: "funding_sign_accept",
      field: "input_sig",
    });
    const seconds = { locktime: { case: "seconds" as const, value: 1 } };
    expect(
      raw({
        case: "fundingRequest",
        value: { terms: { ...wireTerms, delay: seconds }, share: { contribution: 1n }, feeRate: 1_000 },
      }),
    ).toMatchObject({ type: "bad_locktime", field: "delay" });
  });

  it("are refused cut short at any byte", () => {
    const packet = encodePkt({ channelId: undefined, message: REQUEST });
    for (let length = 0; length < packet.length; length++) {
      expect(decodePkt(packet.subarray(0, length)).ok).toBe(false);
    }
  });
});

describe("a feature", () => {
  it("[B2-3] is one bit, and bits that nobody knows mean nothing", () => {
    const features = encodeFeatures(["dual_funding"]);
    expect(features).toEqual(Uint8Array.of(8));
    expect(hasFeature(features, "dual_funding")).toBe(true);
    expect(hasFeature(new Uint8Array(256).fill(0xff), "dual_funding")).toBe(true);
    expect(hasFeature(Uint8Array.of(0xf7, 0xff), "dual_funding")).toBe(false);
    expect(hasFeature(new Uint8Array(0), "dual_funding")).toBe(false);
  });
});
