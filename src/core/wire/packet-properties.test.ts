import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { asChannelId, asPaymentHash, asTxid, equalBytes, MAX_SATOSHI, msat, sat } from "../base/index.ts";
import { secp256k1 } from "../crypto/index.ts";
import { MAX_EXPIRY_HEIGHT, MAX_UINT32, MAX_UINT64 } from "./limits.ts";
import type { FundingShare, OpenChannel, Pkt, PktMessage } from "./messages.ts";
import { decodePkt, encodePkt, namedChannel } from "./packet.ts";
import { decodeGenerated } from "./pkt-from-wire.ts";
import { decodeHot, encodeHot } from "./pkt-hot-path.ts";
import { encodeGenerated } from "./pkt-to-wire.ts";
import { decodeTransportMessage } from "./transport-message.ts";

const keys = [1, 2, 3].map((byte) => secp256k1.publicKey(new Uint8Array(32).fill(byte)));

const bytes = (minLength: number, maxLength = minLength) => fc.uint8Array({ minLength, maxLength });
const hash = bytes(32);
const key = fc.constantFrom(...keys);
/** r and s not zero, s low. */
const signature = bytes(64).map((random) => random.with(0, 1).with(32, 1));
const uint64 = fc.bigInt({ min: 0n, max: MAX_UINT64 });
const uint32 = fc.nat({ max: MAX_UINT32 });
const satoshi = fc.bigInt({ min: 0n, max: MAX_SATOSHI }).map(sat);
const channelId = hash.map(asChannelId);
const script = bytes(1, 42);

const hotMessage: fc.Arbitrary<PktMessage> = fc.oneof(
  fc.record({
    type: fc.constant("update_add_htlc" as const),
    id: uint64,
    amountMsat: uint32.map(msat),
    paymentHash: hash.map(asPaymentHash),
    expiry: fc.nat({ max: MAX_EXPIRY_HEIGHT }),
    route: bytes(0, 300),
  }),
  fc.record({ type: fc.constant("update_fulfill_htlc" as const), id: uint64, preimage: hash }),
  fc.record({ type: fc.constant("update_commit" as const), signature }),
  fc.record({ type: fc.constant("update_revocation" as const), preimage: hash, nextRevocationHash: hash }),
);

const openChannel: fc.Arbitrary<OpenChannel> = fc.record(
  {
    type: fc.constant("open_channel" as const),
    delay: fc.nat({ max: 65_535 }),
    revocationHash: hash,
    nextRevocationHash: hash,
    commitKey: key,
    finalKey: key,
    anchor: fc.constantFrom("will_create" as const, "wont_create" as const),
    minDepth: uint32,
    initialFeeRate: uint32,
    revocationWindow: fc.array(hash, { maxLength: 14 }),
    channelReserveSat: satoshi,
    pushMsat: fc.bigInt({ min: 0n, max: MAX_SATOSHI * 1000n }).map(msat),
    prestage: fc.boolean(),
    closeScript: script,
  },
  {
    requiredKeys: [
      "type",
      "delay",
      "revocationHash",
      "nextRevocationHash",
      "commitKey",
      "finalKey",
      "anchor",
      "minDepth",
      "initialFeeRate",
      "revocationWindow",
      "pushMsat",
      "prestage",
    ],
  },
);

const share: fc.Arbitrary<FundingShare> = fc.record({
  contributionSat: satoshi,
  inputs: fc.array(fc.record({ txid: hash.map(asTxid), index: uint32, amountSat: satoshi, publicKey: key }), {
    maxLength: 20,
  }),
  changeScript: fc.option(script, { nil: undefined }),
});
const inputSignatures = fc.array(signature, { maxLength: 20 });
const funding: fc.Arbitrary<PktMessage> = fc.oneof(
  fc.record({
    type: fc.constant("funding_request" as const),
    terms: openChannel,
    share,
    wishedSat: satoshi,
    feeRate: uint32,
  }),
  fc.record({
    type: fc.constant("funding_response" as const),
    terms: openChannel,
    share,
    commitSignature: signature,
  }),
  fc.record({ type: fc.constant("funding_sign_accept" as const), inputSignatures, commitSignature: signature }),
  fc.record({ type: fc.constant("funding_sign_complete" as const), txid: hash.map(asTxid), inputSignatures }),
);

const authenticate: fc.Arbitrary<PktMessage> = fc.record({
  type: fc.constant("authenticate" as const),
  features: bytes(0, 8),
  digest: hash,
  channels: fc.array(
    fc.record(
      { channelId, commitmentNumber: uint64, lastRevocationPreimage: hash, lastRevokedNumber: uint64 },
      { requiredKeys: ["channelId", "commitmentNumber"] },
    ),
    { maxLength: 5 },
  ),
});

const message: fc.Arbitrary<PktMessage> = fc.oneof(
  { weight: 3, arbitrary: hotMessage },
  openChannel,
  authenticate,
  funding,
  fc.record({ type: fc.constant("update_fail_htlc" as const), id: uint64, reason: bytes(0, 300) }),
  fc.record({
    type: fc.constant("add_request" as const),
    id: uint64,
    amountMsat: uint32.map(msat),
    paymentHash: hash.map(asPaymentHash),
    expiry: fc.nat({ max: MAX_EXPIRY_HEIGHT }),
    route: bytes(0, 300),
  }),
  fc.record({
    type: fc.constantFrom("add_accept" as const, "add_withdraw", "settle_accept", "timeout_accept"),
    id: uint64,
  }),
  fc.record({ type: fc.constantFrom("add_reject" as const, "timeout_request"), id: uint64, reason: bytes(0, 300) }),
  fc.record({ type: fc.constant("settle_request" as const), id: uint64, preimage: hash }),
  fc.record({ type: fc.constant("update_fee" as const), feeRate: uint32 }),
  fc.record({
    type: fc.constant("open_anchor" as const),
    txid: hash.map(asTxid),
    outputIndex: uint32,
    amountSat: satoshi,
    commitSignature: signature,
  }),
  fc.record({ type: fc.constant("open_commit_sig" as const), signature }),
  fc.constant<PktMessage>({ type: "open_complete" }),
  fc.record({ type: fc.constant("close_clearing" as const), closeScript: script }, { requiredKeys: ["type"] }),
  fc.record({ type: fc.constant("close_signature" as const), closeFeeSat: satoshi, signature }),
  fc.record({
    type: fc.constant("error" as const),
    problem: fc.string({ unit: "grapheme", maxLength: 100 }).filter((text) => text.length <= 1_024),
  }),
);

/** Each packet that has one byte less, one twice, or one a little different. */
function* neighbours(packet: Uint8Array): Generator<Uint8Array> {
  for (const [at, byte] of packet.entries()) {
    yield Uint8Array.from([...packet.subarray(0, at), ...packet.subarray(at + 1)]);
    yield Uint8Array.from([...packet.subarray(0, at + 1), ...packet.subarray(at)]);
    for (const other of [0, byte + 1, byte - 1, byte + 2, byte + 8, byte ^ 0x80, 0xff]) yield packet.with(at, other);
  }
}

const packetOf = (content: fc.Arbitrary<PktMessage>): fc.Arbitrary<Pkt> =>
  fc.record({ channelId: fc.option(channelId, { nil: undefined }), message: content });

describe("every message", () => {
  it("[B2-1] comes back as it was, from one encoding", () => {
    fc.assert(
      fc.property(packetOf(message), (pkt) => {
        const packet = encodePkt(pkt);
        expect(packet[0]).toBe(0);
        expect(encodePkt(pkt)).toEqual(packet);
        expect(decodePkt(packet)).toEqual({ ok: true, value: pkt });
        expect(namedChannel(packet)).toEqual(pkt.channelId);
      }),
      { numRuns: 400 },
    );
  });

  it("shares no memory with the packet that it was read from", () => {
    fc.assert(
      fc.property(packetOf(message), (pkt) => {
        const packet = encodePkt(pkt);
        const decoded = decodePkt(packet);
        packet.fill(0xff);
        expect(decoded).toEqual({ ok: true, value: pkt });
      }),
    );
  });

  it("is refused wherever it is cut short, but between its fields", () => {
    fc.assert(
      fc.property(packetOf(message), fc.nat(), (pkt, place) => {
        const packet = encodePkt(pkt);
        const cut = packet.subarray(0, place % packet.length);
        const decoded = decodePkt(cut);
        const onlyChannelIdIsGone = cut.length === packet.length - 35 && pkt.channelId !== undefined;
        expect(decoded.ok).toBe(onlyChannelIdIsGone);
      }),
      { numRuns: 500 },
    );
  });
});

describe("the codec by hand", () => {
  it("writes the bytes of the generated codec", () => {
    fc.assert(
      fc.property(packetOf(hotMessage), (pkt) => {
        const generated = encodeGenerated(pkt);
        const hasLargeId = "id" in pkt.message && pkt.message.id > BigInt(Number.MAX_SAFE_INTEGER);
        expect(encodeHot(pkt)).toEqual(hasLargeId ? undefined : generated);
      }),
      { numRuns: 500 },
    );
  });

  it("writes small numbers as the generated codec does, at every length of a varint", () => {
    for (let bits = 0; bits < 53; bits++) {
      for (const id of [2n ** BigInt(bits) - 1n, 2n ** BigInt(bits)]) {
        const pkt: Pkt = {
          channelId: undefined,
          message: { type: "update_fulfill_htlc", id, preimage: new Uint8Array(32) },
        };
        const packet = encodeHot(pkt);
        expect(packet).toEqual(encodeGenerated(pkt));
        expect(decodeHot(packet ?? new Uint8Array())).toEqual(pkt);
      }
    }
  });

  it("reads what it wrote, so that the usual packet doesn't take the slow path", () => {
    fc.assert(
      fc.property(packetOf(hotMessage), (pkt) => {
        const packet = encodeHot(pkt);
        fc.pre(packet !== undefined);
        expect(decodeHot(packet)).toEqual(pkt);
      }),
    );
  });

  it("agrees with the generated codec on every packet that is one byte away from a good one", () => {
    let readByHand = 0;
    for (const packet of fc.sample(packetOf(hotMessage), { numRuns: 6, seed: 1 }).map(encodePkt)) {
      for (const neighbour of neighbours(packet)) {
        const hot = decodeHot(neighbour);
        if (hot === undefined) continue;
        readByHand++;
        expect(decodeGenerated(neighbour.subarray(1))).toEqual({ ok: true, value: hot });
      }
    }
    expect(readByHand).toBeGreaterThan(1_000);
  });

  it("leaves to the generated codec what it can't write", () => {
    const huge: Pkt = {
      channelId: undefined,
      message: { type: "update_fulfill_htlc", id: MAX_UINT64, preimage: new Uint8Array(32) },
    };
    expect(encodeHot(huge)).toBeUndefined();
    expect(decodePkt(encodePkt(huge))).toEqual({ ok: true, value: huge });
  });
});

/** A packet with some bytes overwritten, removed or put in. */
const mutated = fc
  .tuple(
    packetOf(message),
    fc.array(fc.tuple(fc.nat(), fc.constantFrom("set", "remove", "insert"), fc.nat({ max: 255 })), {
      minLength: 1,
      maxLength: 4,
    }),
  )
  .map(([pkt, edits]) => {
    const packet = [...encodePkt(pkt)];
    for (const [place, kind, byte] of edits) {
      const at = place % packet.length;
      if (kind === "set") packet[at] = byte;
      else if (kind === "remove" && packet.length > 1) packet.splice(at, 1);
      else packet.splice(at, 0, byte);
    }
    return Uint8Array.from(packet);
  });

describe("any bytes", () => {
  const judge = (packet: Uint8Array): void => {
    const decoded = decodePkt(packet);
    namedChannel(packet);
    if (!decoded.ok || decoded.value.message.type === "unknown_odd") return;
    const { channelId: id, message: read } = decoded.value;
    const again = encodePkt({ channelId: id, message: read });
    expect(decodePkt(again)).toEqual(decoded);
    const hot = decodeHot(packet);
    if (hot !== undefined) expect(decodeGenerated(packet.subarray(1))).toEqual({ ok: true, value: hot });
  };

  it("[B2-1] give a message or an error, never an exception, and both codecs agree", () => {
    fc.assert(fc.property(mutated, judge), { numRuns: 3_000 });
  });

  it("[B2-1] at random too", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (random) => judge(Uint8Array.from([0, ...random]))),
      { numRuns: 2_000 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (random) => {
        judge(random);
        decodeTransportMessage(random);
      }),
    );
  });

  it("are looked at in linear time: a full packet of the smallest fields, or of nested groups", () => {
    const unknownOdd = Uint8Array.from({ length: 64_999 }, (_, at) => (at % 2 === 1 ? 0x08 : 0));
    expect(decodePkt(unknownOdd)).toMatchObject({ ok: true, value: { message: { type: "unknown_odd", field: 1 } } });
    const groups = new Uint8Array(65_000).fill(0x0b);
    groups[0] = 0;
    expect(decodePkt(groups)).toEqual({ ok: false, error: { type: "undecodable" } });
  });

  it("keep their packet as it was", () => {
    fc.assert(
      fc.property(mutated, (packet) => {
        const before = packet.slice();
        decodePkt(packet);
        expect(equalBytes(packet, before)).toBe(true);
      }),
    );
  });
});
