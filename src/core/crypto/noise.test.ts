import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fromHex, InvariantBroken, type Result, toHex } from "../base/index.ts";
import { type HandshakeKeys, initiateHandshake, respondToHandshake } from "./noise-handshake.ts";
import { MAX_TRANSPORT_MESSAGE, NoiseTransport, TRANSPORT_HEADER_BYTES } from "./noise-transport.ts";
import { secp256k1 } from "./secp256k1.ts";

// The figures are those of BOLT 8, appendix A.

function hex(text: string): Uint8Array {
  const bytes = fromHex(text);
  if (bytes === undefined) throw new Error("bad figure in a test");
  return bytes;
}

function must<T>(result: Result<T, unknown>): T {
  if (!result.ok) throw new Error(JSON.stringify(result.error));
  return result.value;
}

function keys(staticSecret: number, ephemeralSecret: number): HandshakeKeys {
  const secret = new Uint8Array(32).fill(staticSecret);
  return {
    localStatic: secp256k1.publicKey(secret),
    ecdh: (publicKey) => secp256k1.ecdh(publicKey, secret),
    ephemeralSecret: new Uint8Array(32).fill(ephemeralSecret),
  };
}

const INITIATOR = keys(0x11, 0x12);
const RESPONDER = keys(0x21, 0x22);
const RESPONDER_ID = "028d7500dd4c12685d1f568b4c2b5048e8534b873319f3a8daa612b469132ec7f7";
const INITIATOR_ID = "034f355bdcb7cc0af728ef3cceb9615d90684bb5b2ca5f859ab0f0b704075871aa";
const ACT_1 = "00036360e856310ce5d294e8be33fc807077dc56ac80d95d9cd4ddbd21325eff73f70df6086551151f58b8afe6c195782c6a";
const ACT_2 = "0002466d7fcae563e5cb09a0d1870bb580344804617879a14949cf22285f1bae3f276e2470b93aac583c9ef6eafca3f730ae";
const ACT_3 =
  "00b9e3a702e93e3a9948c2ed6e5fd7590a6e1c3a0344cfc9d5b57357049aa22355361aa02e55a8fc28fef5bd6d71ad0c38228dc68b1c466263b47fdf31e560e139ba";
const CHAINING_KEY = hex("919219dbb2920afa8db80f9a51787a840bcf111ed8d588caf9ab4be716e42b01");
const SENDING_KEY = hex("969ab31b4d288cedf6218839b27a3e2140827047f2c0f01bf5c04435d43511a9");
const RECEIVING_KEY = hex("bb9020b8965f4df047e07f955f3c4b88418984aadc5cdb35096b9ea8fa5c3442");
const HELLO = hex("68656c6c6f");

function connected(): { initiator: NoiseTransport; responder: NoiseTransport } {
  const initiator = must(initiateHandshake(INITIATOR, RESPONDER.localStatic));
  const responder = must(respondToHandshake(RESPONDER, initiator.actOne));
  const { actThree, transport } = must(initiator.readAct2(responder.actTwo));
  return { initiator: transport, responder: must(responder.readAct3(actThree)).transport };
}

function receive(transport: NoiseTransport, message: Uint8Array): Uint8Array {
  const header = message.subarray(0, TRANSPORT_HEADER_BYTES);
  const body = message.subarray(TRANSPORT_HEADER_BYTES);
  expect(must(transport.decryptLength(header))).toBe(body.length);
  return must(transport.decryptBody(body));
}

describe("handshake", () => {
  it("passes BOLT 8's successful handshake, both sides", () => {
    expect(toHex(RESPONDER.localStatic)).toBe(RESPONDER_ID);
    const initiator = must(initiateHandshake(INITIATOR, hex(RESPONDER_ID)));
    expect(toHex(initiator.actOne)).toBe(ACT_1);
    const responder = must(respondToHandshake(RESPONDER, hex(ACT_1)));
    expect(toHex(responder.actTwo)).toBe(ACT_2);
    const { actThree, transport } = must(initiator.readAct2(hex(ACT_2)));
    expect(toHex(actThree)).toBe(ACT_3);
    const last = must(responder.readAct3(hex(ACT_3)));
    expect(toHex(last.remoteStatic)).toBe(INITIATOR_ID);
    // The keys show in what they encrypt: each side's output is what the published keys give.
    const published = new NoiseTransport(CHAINING_KEY, SENDING_KEY, RECEIVING_KEY);
    const publishedPeer = new NoiseTransport(CHAINING_KEY, RECEIVING_KEY, SENDING_KEY);
    expect(transport.encryptMessage(HELLO)).toEqual(published.encryptMessage(HELLO));
    expect(last.transport.encryptMessage(HELLO)).toEqual(publishedPeer.encryptMessage(HELLO));
  });

  it.each([
    ["act2 short read", ACT_2.slice(0, -2), { type: "handshake_length", act: 2, expected: 50, actual: 49 }],
    ["act2 bad version", `01${ACT_2.slice(2)}`, { type: "handshake_version", act: 2, version: 1 }],
    ["act2 bad key serialization", `0004${ACT_2.slice(4)}`, { type: "handshake_public_key", act: 2 }],
    ["act2 bad MAC", `${ACT_2.slice(0, -2)}af`, { type: "handshake_tag", act: 2 }],
  ])("passes BOLT 8's failing initiator test: %s", (_, act, error) => {
    const initiator = must(initiateHandshake(INITIATOR, hex(RESPONDER_ID)));
    expect(initiator.readAct2(hex(act))).toEqual({ ok: false, error });
  });

  it.each([
    ["act1 short read", ACT_1.slice(0, -2), { type: "handshake_length", act: 1, expected: 50, actual: 49 }],
    ["act1 bad version", `01${ACT_1.slice(2)}`, { type: "handshake_version", act: 1, version: 1 }],
    ["act1 bad key serialization", `0004${ACT_1.slice(4)}`, { type: "handshake_public_key", act: 1 }],
    ["act1 bad MAC", `${ACT_1.slice(0, -2)}6b`, { type: "handshake_tag", act: 1 }],
  ])("passes BOLT 8's failing responder test: %s", (_, act, error) => {
    expect(respondToHandshake(RESPONDER, hex(act))).toEqual({ ok: false, error });
  });

  it.each([
    ["act3 bad version", `01${ACT_3.slice(2)}`, { type: "handshake_version", act: 3, version: 1 }],
    ["act3 short read", ACT_3.slice(0, -2), { type: "handshake_length", act: 3, expected: 66, actual: 65 }],
    ["act3 bad MAC for ciphertext", `00c9${ACT_3.slice(4)}`, { type: "handshake_tag", act: 3 }],
    [
      "act3 bad rs",
      "00bfe3a702e93e3a9948c2ed6e5fd7590a6e1c3a0344cfc9d5b57357049aa2235536ad09a8ee351870c2bb7f78b754a26c6cef79a98d25139c856d7efd252c2ae73c",
      { type: "handshake_public_key", act: 3 },
    ],
    ["act3 bad MAC", `${ACT_3.slice(0, -2)}bb`, { type: "handshake_tag", act: 3 }],
  ])("passes BOLT 8's failing responder test: %s", (_, act, error) => {
    const responder = must(respondToHandshake(RESPONDER, hex(ACT_1)));
    expect(responder.readAct3(hex(act))).toEqual({ ok: false, error });
  });

  it("refuses to call a node whose id is no public key", () => {
    const error = { type: "handshake_public_key", act: 1 };
    expect(initiateHandshake(INITIATOR, new Uint8Array(33))).toEqual({ ok: false, error });
  });

  it("fails when the initiator wanted another node", () => {
    const initiator = must(initiateHandshake(INITIATOR, keys(0x31, 1).localStatic));
    const error = { type: "handshake_tag", act: 1 };
    expect(respondToHandshake(RESPONDER, initiator.actOne)).toEqual({ ok: false, error });
  });

  it("answers garbage with an error, never an exception", () => {
    const acts = fc.oneof(fc.uint8Array({ maxLength: 80 }), fc.uint8Array({ minLength: 50, maxLength: 66 }));
    const good = hex(ACT_3);
    fc.assert(
      fc.property(acts, fc.nat(65), fc.integer({ min: 1, max: 255 }), (garbage, at, change) => {
        expect(respondToHandshake(RESPONDER, garbage).ok).toBe(false);
        expect(must(initiateHandshake(INITIATOR, hex(RESPONDER_ID))).readAct2(garbage).ok).toBe(false);
        const responder = must(respondToHandshake(RESPONDER, hex(ACT_1)));
        expect(responder.readAct3(good.with(at, (good[at] ?? 0) ^ change)).ok).toBe(false);
      }),
    );
  });
});

describe("NoiseTransport", () => {
  it("passes BOLT 8's message encryption test, across two key rotations", () => {
    const expected = new Map([
      [0, "cf2b30ddf0cf3f80e7c35a6e6730b59fe802473180f396d88a8fb0db8cbcf25d2f214cf9ea1d95"],
      [1, "72887022101f0b6753e0c7de21657d35a4cb2a1f5cde2650528bbc8f837d0f0d7ad833b1a256a1"],
      [500, "178cb9d7387190fa34db9c2d50027d21793c9bc2d40b1e14dcf30ebeeeb220f48364f7a4c68bf8"],
      [501, "1b186c57d44eb6de4c057c49940d79bb838a145cb528d6e8fd26dbe50a60ca2c104b56b60e45bd"],
      [1000, "4a2f3cc3b5e78ddb83dcb426d9863d9d9a723b0337c89dd0b005d89f8d3c05c52b76b29b740f09"],
      [1001, "2ecd8c8a5629d0d02ab457a0fdd0f7b90a192cd46be5ecb6ca570bfc5e268338b1a16cf4ef2d36"],
    ]);
    const { initiator, responder } = connected();
    for (let number = 0; number <= 1001; number++) {
      const message = initiator.encryptMessage(HELLO);
      const figure = expected.get(number);
      if (figure !== undefined) expect(toHex(message)).toBe(figure);
      if (toHex(receive(responder, message)) !== toHex(HELLO)) throw new Error(`message ${number} came out wrong`);
    }
  });

  it("carries messages of any length, both ways at once", () => {
    const { initiator, responder } = connected();
    for (const length of [0, 1, 255, 256, 1000, MAX_TRANSPORT_MESSAGE]) {
      const plaintext = new Uint8Array(length).fill(length & 0xff);
      const message = initiator.encryptMessage(plaintext);
      expect(message).toHaveLength(length + 34);
      expect(receive(initiator, responder.encryptMessage(HELLO))).toEqual(HELLO);
      const received = receive(responder, message);
      expect(received.constructor).toBe(Uint8Array);
      expect(received).toEqual(plaintext);
    }
    expect(() => initiator.encryptMessage(new Uint8Array(MAX_TRANSPORT_MESSAGE + 1))).toThrow(InvariantBroken);
  });

  it("refuses any changed, repeated or reordered message", () => {
    const bad = { ok: false, error: { type: "bad_transport_tag" } };
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 100 }),
        fc.nat(133),
        fc.integer({ min: 1, max: 255 }),
        (text, at, change) => {
          const { initiator, responder } = connected();
          const first = initiator.encryptMessage(text);
          const second = initiator.encryptMessage(text);
          expect(responder.decryptLength(second.subarray(0, 18))).toEqual(bad);
          const spot = at % first.length;
          const changed = first.with(spot, (first[spot] ?? 0) ^ change);
          const length = responder.decryptLength(changed.subarray(0, 18));
          if (spot < 18) expect(length).toEqual(bad);
          else expect(responder.decryptBody(changed.subarray(18))).toEqual(bad);
        },
      ),
      { numRuns: 50 },
    );
    const { initiator, responder } = connected();
    const message = initiator.encryptMessage(HELLO);
    receive(responder, message);
    expect(responder.decryptLength(message.subarray(0, 18))).toEqual(bad);
  });

  it("throws when its owner mixes up headers and bodies", () => {
    const { initiator, responder } = connected();
    const message = initiator.encryptMessage(HELLO);
    expect(() => responder.decryptBody(message.subarray(18))).toThrow(InvariantBroken);
    expect(() => responder.decryptLength(message)).toThrow(InvariantBroken);
    must(responder.decryptLength(message.subarray(0, 18)));
    expect(() => responder.decryptLength(message.subarray(0, 18))).toThrow(InvariantBroken);
    expect(() => responder.decryptBody(message.subarray(19))).toThrow(InvariantBroken);
  });
});
