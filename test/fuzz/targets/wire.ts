import assert from "node:assert/strict";
import { concatBytes, equalBytes } from "../../../src/core/base/index.ts";
import {
  decodeKeepCopy,
  decodeKeptCopy,
  decodePing,
  decodePkt,
  decodeTransportMessage,
  encodeAskCopy,
  encodeFeatures,
  encodeKeepCopy,
  encodeKeptCopy,
  encodePing,
  encodePkt,
  encodePong,
  encodeTransportMessage,
  type Feature,
  hasFeature,
  joinPackets,
  namedChannel,
  type PacketFamily,
  type Pkt,
  packetFamily,
  type ReceivedPkt,
  wireErrorRule,
} from "../../../src/core/wire/index.ts";
import { decodePong } from "../../../src/core/wire/ping.ts";
import { decodeGenerated } from "../../../src/core/wire/pkt-from-wire.ts";
import { decodeHot, encodeHot } from "../../../src/core/wire/pkt-hot-path.ts";
import { encodeGenerated } from "../../../src/core/wire/pkt-to-wire.ts";
import type { Outcome, Target } from "../target.ts";
import { samplePackets } from "./samples.ts";

function isKnown(pkt: ReceivedPkt): pkt is Pkt {
  return pkt.message.type !== "unknown_odd";
}

/** What is decoded holds none of the bytes that it was read from. */
function isCopy(input: Uint8Array, decode: (bytes: Uint8Array) => unknown): void {
  const bytes = input.slice();
  const decoded = decode(bytes);
  bytes.fill(0xa5);
  assert.deepEqual(decoded, decode(input));
}

function packet(input: Uint8Array): Outcome {
  const decoded = decodePkt(input);
  const named = namedChannel(input);
  const hot = decodeHot(input);
  const generated = input[0] === 0 ? decodeGenerated(input.subarray(1)) : undefined;
  if (hot !== undefined) assert.deepEqual(generated, { ok: true, value: hot }, "both codecs read the same");
  if (!decoded.ok) {
    assert.match(wireErrorRule(decoded.error), /^[A-Z0-9]{2}-\d+$/);
    return Object.entries(decoded.error)
      .filter(([name]) => name === "type" || name === "message")
      .map(([, value]) => String(value))
      .join(" ");
  }
  const { value } = decoded;
  if (value.channelId !== undefined) assert.ok(named !== undefined && equalBytes(named, value.channelId));
  isCopy(input, decodePkt);
  if (!isKnown(value)) return "unknown_odd";
  const again = encodePkt(value);
  assert.deepEqual(decodePkt(again), decoded, "what is encoded is read again");
  const quick = encodeHot(value);
  if (quick !== undefined) assert.deepEqual(quick, encodeGenerated(value), "both codecs write the same");
  return `${value.message.type} ${hot === undefined ? "generated" : "hot"}`;
}

/** Packets that are bytes after their first one. */
const UNCOUNTED: Partial<
  Record<PacketFamily, { decode: typeof decodePing; encode: (bytes: Uint8Array) => Uint8Array }>
> = {
  ping: { decode: decodePing, encode: encodePing },
  pong: { decode: decodePong, encode: encodePong },
  keep_copy: { decode: decodeKeepCopy, encode: encodeKeepCopy },
  kept_copy: { decode: decodeKeptCopy, encode: encodeKeptCopy },
};

const FEATURES: readonly Feature[] = ["prestage", "dual_funding"];

function transport(input: Uint8Array): Outcome {
  const decoded = decodeTransportMessage(input);
  if (!decoded.ok) return decoded.error.type;
  const { acknowledge, packets } = decoded.value;
  assert.deepEqual(encodeTransportMessage(acknowledge, packets), input, "there is one encoding");
  const joined = joinPackets(acknowledge, packets, 65_535);
  assert.deepEqual(concatBytes(...joined), input);
  const outcomes = packets.map((one) => {
    const family = packetFamily(one);
    if (!family.ok) return family.error.type;
    const codec = UNCOUNTED[family.value];
    if (codec === undefined) return family.value;
    const payload = codec.decode(one);
    if (!payload.ok) return payload.error.type;
    assert.deepEqual(codec.encode(payload.value), one);
    return family.value;
  });
  const features = FEATURES.filter((feature) => hasFeature(input, feature));
  for (const feature of FEATURES) {
    assert.equal(hasFeature(encodeFeatures(features), feature), features.includes(feature));
  }
  return outcomes;
}

export const WIRE: readonly Target[] = [
  { name: "packet", about: "packets of the payment channel, by both codecs", seeds: samplePackets, run: packet },
  {
    name: "transport-message",
    about: "what a decrypted message holds: acknowledge, packets, pings, features",
    seeds: () => [
      encodeTransportMessage(3, [new Uint8Array(0)]),
      encodeTransportMessage(2 ** 40, [encodePing(new Uint8Array(3)), encodePong(new Uint8Array(64))]),
      encodeTransportMessage(7, [Uint8Array.of(1, 2), new Uint8Array(300)]),
      encodeTransportMessage(0, [encodeAskCopy(), encodeKeepCopy(new Uint8Array(9)), encodeKeptCopy(undefined)]),
    ],
    longest: 66_000,
    run: transport,
  },
];
