import { describe, expect, it } from "vitest";
import {
  asChannelId,
  asPaymentHash,
  asTxid,
  concatBytes,
  fromHex,
  InvariantBroken,
  MAX_SATOSHI,
  msat,
  sat,
  toHex,
} from "../base/index.ts";
import { secp256k1 } from "../crypto/index.ts";
import type { OpenChannel, Pkt, PktMessage } from "./messages.ts";
import { decodePkt, encodePkt, namedChannel } from "./packet.ts";
import { type WireError, wireErrorRule } from "./wire-error.ts";

const hex = (text: string): Uint8Array => fromHex(text.replaceAll(" ", "")) ?? new Uint8Array();
const filled = (length: number, byte: number): Uint8Array => new Uint8Array(length).fill(byte);

const COMMIT_KEY = secp256k1.publicKey(filled(32, 1));
const FINAL_KEY = secp256k1.publicKey(filled(32, 2));
const CHANNEL = asChannelId(filled(32, 0x11));
const ONE_TO_32 = Uint8Array.from({ length: 32 }, (_, index) => index + 1);
const SIGNATURE = concatBytes(ONE_TO_32, filled(32, 0x22));

/** Protobuf by hand: fields of the wire types that the messages use. */
const varint = (value: number): number[] =>
  value < 128 ? [value] : [(value % 128) | 128, ...varint(Math.floor(value / 128))];
const number = (field: number, value: number): Uint8Array => Uint8Array.from([...varint(8 * field), ...varint(value)]);
const block = (field: number, ...parts: Uint8Array[]): Uint8Array => {
  const content = concatBytes(...parts);
  return concatBytes(Uint8Array.from([...varint(8 * field + 2), ...varint(content.length)]), content);
};
const words = (field: number, value: Uint8Array): Uint8Array => {
  const parts: Uint8Array[] = [];
  for (let i = 0; i < value.length / 8; i++) {
    parts.push(Uint8Array.of(8 * (i + 1) + 1), value.subarray(8 * i, 8 * i + 8));
  }
  return block(field, ...parts);
};
const pkt = (...fields: Uint8Array[]): Uint8Array => concatBytes(Uint8Array.of(0), ...fields);

/** The fields of an open_channel, each of which a test can replace. */
const opening = {
  delay: block(1, number(2, 144)),
  revocationHash: words(2, ONE_TO_32),
  commitKey: block(3, block(1, COMMIT_KEY)),
  finalKey: block(4, block(1, FINAL_KEY)),
  anchor: number(5, 1),
  minDepth: number(6, 3),
  feeRate: number(7, 20_000),
  nextRevocationHash: words(8, filled(32, 9)),
};
const openWith = (changed: Partial<Record<keyof typeof opening, Uint8Array>>, ...more: Uint8Array[]): Uint8Array =>
  pkt(block(20, ...Object.values({ ...opening, ...changed }), ...more));

const adding = {
  id: number(1, 7),
  amount: number(2, 5_000),
  hash: words(3, ONE_TO_32),
  expiry: block(4, number(2, 800_000)),
  route: block(5, block(1, Uint8Array.of(1, 2, 3))),
};
const addWith = (changed: Partial<Record<keyof typeof adding, Uint8Array>>, ...more: Uint8Array[]): Uint8Array =>
  pkt(block(2, ...Object.values({ ...adding, ...changed }), ...more));

const NOTHING = new Uint8Array();

function messageOf(packet: Uint8Array) {
  const decoded = decodePkt(packet);
  if (!decoded.ok) throw new Error(`refused: ${decoded.error.type}`);
  return decoded.value.message;
}

function expectError(packet: Uint8Array, error: WireError, rule: string): void {
  expect(decodePkt(packet)).toEqual({ ok: false, error });
  expect(wireErrorRule(error)).toBe(rule);
}

describe("the bytes of a message", () => {
  const goldens: readonly (readonly [PktMessage, string])[] = [
    [
      {
        type: "update_add_htlc",
        id: 300n,
        amountMsat: msat(1_000_000),
        paymentHash: asPaymentHash(ONE_TO_32),
        expiry: 800_000,
        route: hex("aabbcc"),
      },
      `00 12 3a 08ac02 10c0843d 1a24 09 0102030405060708 11 090a0b0c0d0e0f10 19 1112131415161718 21 191a1b1c1d1e1f20
       2204 1080ea30 2a05 0a03 aabbcc`,
    ],
    [
      { type: "update_fulfill_htlc", id: 0n, preimage: ONE_TO_32 },
      "00 1a 28 0800 1224 09 0102030405060708 11 090a0b0c0d0e0f10 19 1112131415161718 21 191a1b1c1d1e1f20",
    ],
    [
      { type: "update_fail_htlc", id: 2n ** 64n - 1n, reason: hex("0a0b") },
      "00 22 11 08ffffffffffffffffff01 1204 0a02 0a0b",
    ],
    [{ type: "update_fee", feeRate: 4_294_967_295 }, "00 2a 06 08ffffffff0f"],
    [
      { type: "update_commit", signature: SIGNATURE },
      `00 32 4a 0a48 09 0102030405060708 11 090a0b0c0d0e0f10 19 1112131415161718 21 191a1b1c1d1e1f20
       29 ${"22".repeat(8)} 31 ${"22".repeat(8)} 39 ${"22".repeat(8)} 41 ${"22".repeat(8)}`,
    ],
    [
      { type: "update_revocation", preimage: filled(32, 0xff), nextRevocationHash: filled(32, 0) },
      `00 3a 4c 0a24 ${["09", "11", "19", "21"].map((tag) => tag + "ff".repeat(8)).join("")}
       1224 ${["09", "11", "19", "21"].map((tag) => tag + "00".repeat(8)).join("")}`,
    ],
    [
      {
        type: "open_anchor",
        txid: asTxid(filled(32, 3)),
        outputIndex: 1,
        amountSat: sat(4_294_967),
        commitSignature: SIGNATURE,
      },
      `00 aa01 77 0a24 ${["09", "11", "19", "21"].map((tag) => tag + "03".repeat(8)).join("")} 1001 18b7928602
       2248 ${toHex(words(1, SIGNATURE).subarray(2))}`,
    ],
    [{ type: "open_commit_sig", signature: SIGNATURE }, `00 b201 4a ${toHex(words(1, SIGNATURE))}`],
    [{ type: "open_complete" }, "00 ba01 00"],
    [{ type: "close_clearing" }, "00 f201 00"],
    [{ type: "close_clearing", closeScript: hex("0014") }, "00 f201 05 aa06 02 0014"],
    [
      { type: "close_signature", closeFeeSat: sat(446), signature: SIGNATURE },
      `00 fa01 4d 08be03 ${toHex(words(2, SIGNATURE))}`,
    ],
    [
      {
        type: "add_request",
        id: 300n,
        amountMsat: msat(1_000_000),
        paymentHash: asPaymentHash(ONE_TO_32),
        expiry: 800_000,
        route: hex("aabbcc"),
      },
      `00 ba04 3a 08ac02 18c0843d 2a24 09 0102030405060708 11 090a0b0c0d0e0f10 19 1112131415161718 21 191a1b1c1d1e1f20
       3a04 1080ea30 4a05 0a03 aabbcc`,
    ],
    [{ type: "add_accept", id: 300n }, "00 ca04 03 08ac02"],
    [{ type: "add_reject", id: 300n, reason: hex("0a0b") }, "00 da04 09 08ac02 1a04 0a02 0a0b"],
    [{ type: "add_reject", id: 300n, reason: NOTHING }, "00 da04 03 08ac02"],
    [{ type: "add_withdraw", id: 300n }, "00 ea04 03 08ac02"],
    [{ type: "settle_request", id: 0n, preimage: ONE_TO_32 }, `00 fa04 28 0800 ${toHex(words(3, ONE_TO_32))}`],
    [{ type: "settle_accept", id: 1n }, "00 8a05 02 0801"],
    [{ type: "timeout_request", id: 1n, reason: hex("0a0b") }, "00 9a05 08 0801 1a04 0a02 0a0b"],
    [{ type: "timeout_request", id: 1n, reason: NOTHING }, "00 9a05 02 0801"],
    [{ type: "timeout_accept", id: 2n ** 64n - 1n }, "00 aa05 0b 08ffffffffffffffffff01"],
    [{ type: "error", problem: "é" }, "00 c202 04 0a02 c3a9"],
    [
      {
        type: "authenticate",
        features: hex("05"),
        digest: ONE_TO_32,
        channels: [
          { channelId: CHANNEL, commitmentNumber: 5n, lastRevocationPreimage: ONE_TO_32, lastRevokedNumber: 4n },
          { channelId: CHANNEL, commitmentNumber: 0n },
        ],
      },
      `00 9203 9d01 0a0105 ${toHex(words(3, ONE_TO_32))} 2a4c 0a20${"11".repeat(32)} 1805 ${toHex(words(5, ONE_TO_32))} 3804
       2a24 0a20${"11".repeat(32)} 1800`,
    ],
  ];

  it.each(goldens)("[B2-1] $type", (message, text) => {
    expect(toHex(encodePkt({ channelId: undefined, message }))).toBe(toHex(hex(text.replaceAll("\n", ""))));
    const withChannel = concatBytes(hex(text.replaceAll("\n", "")), hex(`aa0620${"11".repeat(32)}`));
    expect(toHex(encodePkt({ channelId: CHANNEL, message }))).toBe(toHex(withChannel));
    expect(decodePkt(withChannel)).toEqual({ ok: true, value: { channelId: CHANNEL, message } });
  });

  it("[B2-8] open_channel has the seed's fields and numbers, and ours after them", () => {
    const message: OpenChannel = {
      type: "open_channel",
      delay: 144,
      revocationHash: ONE_TO_32,
      nextRevocationHash: filled(32, 9),
      commitKey: COMMIT_KEY,
      finalKey: FINAL_KEY,
      anchor: "will_create",
      minDepth: 3,
      initialFeeRate: 20_000,
      revocationWindow: [filled(32, 4), filled(32, 5)],
      channelReserveSat: sat(10_000),
      pushMsat: msat(1),
      prestage: true,
      closeScript: hex("00140102"),
    };
    const window = [words(101, filled(32, 4)), words(101, filled(32, 5))];
    const ours = [...window, number(103, 10_000), number(105, 1), number(107, 1)];
    const packet = openWith({}, ...ours, block(109, hex("00140102")));
    expect(toHex(encodePkt({ channelId: undefined, message }))).toBe(toHex(packet));
    expect(messageOf(packet)).toEqual(message);
    expect(messageOf(openWith({ anchor: number(5, 2), minDepth: NOTHING }))).toEqual({
      type: "open_channel",
      delay: 144,
      revocationHash: ONE_TO_32,
      nextRevocationHash: filled(32, 9),
      commitKey: COMMIT_KEY,
      finalKey: FINAL_KEY,
      anchor: "wont_create",
      minDepth: 0,
      initialFeeRate: 20_000,
      revocationWindow: [],
      pushMsat: 0n,
      prestage: false,
    });
  });

  it("[B2-3] holds nothing but listed fields, whatever else the object carries", () => {
    const plain: PktMessage = { type: "update_fee", feeRate: 1 };
    const extra = { ...plain, $unknown: [{ no: 2, wireType: 0, data: Uint8Array.of(1) }], other: 1 };
    const encoded = encodePkt({ channelId: undefined, message: extra });
    expect(encoded).toEqual(encodePkt({ channelId: undefined, message: plain }));
  });

  it("throws InvariantBroken for a value of ours that doesn't fit", () => {
    const wrong: readonly PktMessage[] = [
      { type: "update_fee", feeRate: 2 ** 32 },
      { type: "update_fee", feeRate: 1.5 },
      { type: "update_commit", signature: filled(63, 1) },
      { type: "update_fulfill_htlc", id: -1n, preimage: ONE_TO_32 },
      { type: "update_fulfill_htlc", id: 2n ** 64n, preimage: ONE_TO_32 },
      { type: "update_fulfill_htlc", id: 0n, preimage: filled(31, 1) },
      { type: "update_fail_htlc", id: 0n, reason: filled(4_097, 1) },
      { type: "update_revocation", preimage: filled(33, 1), nextRevocationHash: ONE_TO_32 },
      {
        type: "update_add_htlc",
        id: 1n,
        amountMsat: msat(2n ** 32n),
        paymentHash: asPaymentHash(ONE_TO_32),
        expiry: 1,
        route: NOTHING,
      },
      {
        type: "update_add_htlc",
        id: 1n,
        amountMsat: msat(1),
        paymentHash: asPaymentHash(ONE_TO_32),
        expiry: 500_000_000,
        route: NOTHING,
      },
      {
        type: "update_add_htlc",
        id: 1n,
        amountMsat: msat(1),
        paymentHash: asPaymentHash(ONE_TO_32),
        expiry: 1,
        route: filled(4_097, 0),
      },
      { type: "close_clearing", closeScript: NOTHING },
    ];
    for (const message of wrong) expect(() => encodePkt({ channelId: undefined, message })).toThrow(InvariantBroken);
  });

  it("fits the greatest authenticate into a packet", () => {
    const last = { lastRevocationPreimage: ONE_TO_32, lastRevokedNumber: 2n ** 64n - 1n };
    const channel = { channelId: CHANNEL, commitmentNumber: 2n ** 64n - 1n, ...last };
    const largest = (count: number): Pkt => ({
      channelId: undefined,
      message: {
        type: "authenticate",
        features: filled(256, 1),
        digest: ONE_TO_32,
        channels: Array(count).fill(channel),
      },
    });
    expect(messageOf(encodePkt(largest(650)))).toEqual(largest(650).message);
    expect(() => encodePkt(largest(651))).toThrow(InvariantBroken);
  });
});

describe("unknown fields", () => {
  const evenAt: readonly (readonly [string, Uint8Array, string, number])[] = [
    ["pkt, beside a member", concatBytes(addWith({}), number(8, 1)), "pkt", 8],
    ["pkt, as the member", pkt(block(60, NOTHING)), "pkt", 60],
    ["a member", openWith({}, number(12, 0)), "open_channel", 12],
    ["a nested message", addWith({ route: block(5, block(1, NOTHING), number(4, 1)) }), "routing", 4],
    ["a locktime", openWith({ delay: block(1, number(2, 1), number(6, 1)) }), "locktime", 6],
    ["a repeated message", pkt(block(6, block(1, words(1, SIGNATURE).subarray(2), number(10, 1)))), "signature", 10],
    [
      "a message in a repeated one",
      pkt(
        block(
          50,
          words(3, ONE_TO_32),
          block(5, block(1, CHANNEL), number(3, 0), block(5, words(1, ONE_TO_32).subarray(2), number(6, 0))),
        ),
      ),
      "sha256_hash",
      6,
    ],
  ];

  it.each(evenAt)("[B2-2] that are even are an error in %s", (_, packet, message, field) => {
    expectError(packet, { type: "unknown_even_field", message, field }, "B2-2");
  });

  it("[B2-2] that are odd are ignored, whatever their wire type", () => {
    const unknown = [number(9, 1), block(11, number(4, 1)), hex("69 0102030405060708"), hex("7d 01020304")];
    const inMember = addWith({ expiry: block(4, number(2, 800_000), ...unknown) }, ...unknown);
    const packet = concatBytes(inMember, ...unknown);
    expect(messageOf(packet)).toEqual(messageOf(addWith({})));
  });

  it("[B2-2] a member that is odd and unknown is a message to ignore, with its channel", () => {
    const packet = pkt(block(99, number(2, 1)), block(101, CHANNEL));
    const message = { type: "unknown_odd", field: 99 };
    expect(decodePkt(packet)).toEqual({ ok: true, value: { channelId: CHANNEL, message } });
  });
});

describe("a packet is refused", () => {
  it("[B2-1] where it is longer than 65,000 bytes", () => {
    const error: WireError = { type: "packet_too_long", limit: 65_000, actual: 65_001 };
    expectError(new Uint8Array(65_001), error, "B2-1");
  });

  it("[B2-1] where it is of another family, or malformed", () => {
    const truncatedInside = hex("00 12 03 0807 ff");
    const overlong = hex("00 2a 0b 08 8080808080808080807f");
    const above64Bits = pkt(block(3, hex("08 ffffffffffffffffff02"), words(2, ONE_TO_32)));
    const tagOfSixBytes = hex("00 92 80 80 80 80 00 00");
    const fieldZero = hex("00 02 00");
    const group = hex("00 ba01 00 6b 6c");
    const wrongWireType = pkt(block(5, block(1, NOTHING)));
    const above32Bits = pkt(block(5, number(1, 2 ** 32)));
    for (const packet of [
      NOTHING,
      hex("01"),
      truncatedInside,
      overlong,
      above64Bits,
      tagOfSixBytes,
      fieldZero,
      group,
      wrongWireType,
      above32Bits,
    ]) {
      expectError(packet, { type: "undecodable" }, "B2-1");
    }
  });

  it("[B2-1] where a nested message reaches past the one around it", () => {
    // The route's length covers the channel id that follows the add.
    const packet = pkt(hex("12 04 0807 2a7f"), block(101, CHANNEL), filled(200, 0));
    expectError(packet, { type: "undecodable" }, "B2-1");
  });

  it("[B2-1] where it has no member, or two, or one twice", () => {
    expectError(hex("00"), { type: "missing_field", message: "pkt", field: "pkt" }, "B2-1");
    expectError(pkt(block(101, CHANNEL)), { type: "missing_field", message: "pkt", field: "pkt" }, "B2-1");
    const two: WireError = { type: "two_members", message: "pkt", oneof: "pkt" };
    expectError(concatBytes(addWith({}), block(23, NOTHING)), two, "B2-1");
    expectError(pkt(block(23, NOTHING), block(23, NOTHING)), two, "B2-1");
  });

  it("[B2-1] where a field comes twice, which a protobuf decoder would merge", () => {
    expectError(addWith({}, number(1, 8)), { type: "undecodable" }, "B2-1");
    expectError(addWith({}, words(3, ONE_TO_32)), { type: "undecodable" }, "B2-1");
  });

  it.each(Object.keys(opening) as (keyof typeof opening)[])(
    "[B2-8] without open_channel's %s, if it is required",
    (name) => {
      const decoded = decodePkt(openWith({ [name]: NOTHING }));
      if (name === "minDepth") expect(decoded.ok).toBe(true);
      else expect(decoded).toMatchObject({ ok: false, error: { type: "missing_field", message: "open_channel" } });
    },
  );

  it.each(Object.keys(adding) as (keyof typeof adding)[])("[B2-1] without update_add_htlc's %s", (name) => {
    const decoded = decodePkt(addWith({ [name]: NOTHING }));
    expect(decoded).toMatchObject({ ok: false, error: { type: "missing_field", message: "update_add_htlc" } });
  });

  it("[B2-1] where a hash lacks one of its four parts, or a locktime is empty", () => {
    const short = words(3, ONE_TO_32.subarray(0, 24));
    expectError(addWith({ hash: short }), { type: "missing_field", message: "sha256_hash", field: "d" }, "B2-1");
    const error: WireError = { type: "missing_field", message: "update_add_htlc", field: "expiry" };
    expectError(addWith({ expiry: block(4, NOTHING) }), error, "B2-1");
  });

  it("[B2-8] where anch is neither of its two values", () => {
    for (const value of [0, 3, 2 ** 32 + 1]) {
      const error: WireError = { type: "missing_field", message: "open_channel", field: "anch" };
      expectError(openWith({ anchor: number(5, value) }), error, "B2-8");
    }
  });

  it("[B2-10] where a public key is not a point, or has another form than the compressed one", () => {
    const offCurve = concatBytes(Uint8Array.of(2), filled(32, 0xff));
    const noPrefix = concatBytes(Uint8Array.of(4), COMMIT_KEY.subarray(1));
    for (const key of [offCurve, noPrefix, filled(33, 0)]) {
      const commit: WireError = { type: "bad_public_key", message: "open_channel", field: "commit_key" };
      expectError(openWith({ commitKey: block(3, block(1, key)) }), commit, "B2-10");
      expectError(openWith({ finalKey: block(4, block(1, key)) }), { ...commit, field: "final_key" }, "B2-10");
    }
  });

  it("[B2-10] where a public key has not 33 bytes", () => {
    for (const length of [0, 32, 34, 65]) {
      const key = concatBytes(COMMIT_KEY, filled(32, 2)).subarray(0, length);
      const error: WireError = { type: "bad_public_key", message: "open_channel", field: "commit_key" };
      expectError(openWith({ commitKey: block(3, block(1, key)) }), error, "B2-10");
    }
  });

  it("[B2-57] where a locktime is in seconds or a time, or a delay is more than CSV expresses", () => {
    const delay: WireError = { type: "bad_locktime", message: "open_channel", field: "delay" };
    for (const bad of [number(1, 144), number(2, 65_536), number(2, 500_000_000)]) {
      expectError(openWith({ delay: block(1, bad) }), delay, "B2-57");
    }
    for (const blocks of [0, 65_535]) {
      expect(messageOf(openWith({ delay: block(1, number(2, blocks)) }))).toMatchObject({ delay: blocks });
    }
    const expiry: WireError = { type: "bad_locktime", message: "update_add_htlc", field: "expiry" };
    for (const bad of [number(1, 800_000), number(2, 500_000_000), number(2, 2 ** 32 - 1)]) {
      expectError(addWith({ expiry: block(4, bad) }), expiry, "B2-57");
    }
    expect(messageOf(addWith({ expiry: block(4, number(2, 499_999_999)) }))).toMatchObject({ expiry: 499_999_999 });
    const both: WireError = { type: "two_members", message: "locktime", oneof: "locktime" };
    expectError(addWith({ expiry: block(4, number(1, 5), number(2, 5)) }), both, "B2-1");
  });

  it("[B2-1] where a signature has a zero part or a high s", () => {
    const halfOrder = hex("7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0");
    const lowest = concatBytes(ONE_TO_32, halfOrder);
    expect(messageOf(pkt(block(6, words(1, lowest))))).toEqual({ type: "update_commit", signature: lowest });
    const high = concatBytes(ONE_TO_32, halfOrder.with(31, 0xa1));
    const noR = concatBytes(filled(32, 0), ONE_TO_32);
    const noS = concatBytes(ONE_TO_32, filled(32, 0));
    for (const bad of [high, noR, noS]) {
      const error: WireError = { type: "bad_signature", message: "update_commit", field: "sig" };
      expectError(pkt(block(6, words(1, bad))), error, "B2-1");
      expectError(pkt(block(22, words(1, bad))), { ...error, message: "open_commit_sig" }, "B2-1");
    }
  });

  it("[B2-1] where an update_commit has not exactly one signature", () => {
    const sig = words(1, SIGNATURE);
    for (const [actual, packet] of [
      [0, pkt(block(6, NOTHING))],
      [2, pkt(block(6, sig, sig))],
    ] as const) {
      const error = {
        type: "bad_count",
        message: "update_commit",
        field: "sig",
        minimum: 1,
        maximum: 1,
        actual,
      } as const;
      expectError(packet, error, "B2-1");
    }
  });

  it("[B2-1] where a byte string or a list is too long or too short", () => {
    const long = (message: string, field: string, maximum: number, minimum = 0, actual = maximum + 1): WireError => ({
      type: "bad_length",
      message,
      field,
      minimum,
      maximum,
      actual,
    });
    expectError(
      addWith({ route: block(5, block(1, filled(4_097, 0))) }),
      long("update_add_htlc", "route", 4_096),
      "B2-1",
    );
    expectError(
      pkt(block(4, number(1, 0), block(2, block(1, filled(4_097, 0))))),
      long("update_fail_htlc", "reason", 4_096),
      "B2-1",
    );
    for (const [member, message] of [
      [75, "add_reject"],
      [83, "timeout_request"],
    ] as const) {
      const packet = pkt(block(member, number(1, 0), block(3, block(1, filled(4_097, 0)))));
      expectError(packet, long(message, "reason", 4_096), "B2-1");
    }
    expectError(openWith({}, block(109, filled(43, 0))), long("open_channel", "close_script", 42, 1), "B2-8");
    expectError(pkt(block(30, block(101, NOTHING))), long("close_clearing", "close_script", 42, 1, 0), "B2-1");
    expectError(
      pkt(block(50, block(1, filled(257, 0)), words(3, ONE_TO_32))),
      long("authenticate", "features", 256),
      "B2-1",
    );
    for (const actual of [0, 31, 33]) {
      const error = long("pkt", "channel_id", 32, 32, actual);
      expectError(pkt(block(23, NOTHING), block(101, filled(actual, 1))), error, "B2-1");
    }
    const window = Array.from({ length: 15 }, () => words(101, ONE_TO_32));
    const tooMany = { type: "bad_count", field: "revocation_window", minimum: 0, maximum: 14, actual: 15 } as const;
    expectError(openWith({}, ...window), { ...tooMany, message: "open_channel" }, "B2-8");
  });

  it("[B2-1] where an amount is more than there can be", () => {
    const over = Number(MAX_SATOSHI) + 1;
    const error = { type: "number_too_large", limit: MAX_SATOSHI, actual: BigInt(over) } as const;
    const closing = pkt(block(31, number(1, over), words(2, SIGNATURE)));
    expectError(closing, { ...error, message: "close_signature", field: "close_fee" }, "B2-1");
    expectError(
      openWith({}, number(103, over)),
      { ...error, message: "open_channel", field: "channel_reserve" },
      "B2-8",
    );
  });
});

describe("the text of an error", () => {
  const problemOf = (content: Uint8Array): string => {
    const message = messageOf(pkt(block(40, block(1, content))));
    return message.type === "error" ? message.problem : "not an error";
  };

  it("[B2-42] never fails to be read: bytes that aren't UTF-8 are replaced, a long text is cut", () => {
    expect(problemOf(hex("61 ff 62 c3"))).toBe("a\ufffdb\ufffd");
    expect(problemOf(filled(60_000, 0x61))).toBe("a".repeat(1_024));
    expect(messageOf(pkt(block(40, NOTHING)))).toEqual({ type: "error", problem: "" });
  });

  it("is not cut inside a character, and ours is cut too", () => {
    const problem = `${"a".repeat(1_023)}\u{1f600}`;
    const sent = encodePkt({ channelId: CHANNEL, message: { type: "error", problem } });
    expect(messageOf(sent)).toEqual({ type: "error", problem: "a".repeat(1_023) });
    expect(problemOf(new TextEncoder().encode(problem))).toBe("a".repeat(1_023));
  });
});

describe("the channel that a refused packet names", () => {
  it("is read where the packet's own fields can be", () => {
    expect(namedChannel(concatBytes(openWith({}, number(12, 0)), block(101, CHANNEL)))).toEqual(CHANNEL);
    expect(namedChannel(pkt(block(60, NOTHING), block(101, CHANNEL)))).toEqual(CHANNEL);
  });

  it("is undefined where there is none, two, or one that is malformed", () => {
    const named = block(101, CHANNEL);
    const unreadable = [pkt(number(2, 1)), pkt(named, named), pkt(block(101, filled(31, 1))), pkt(number(101, 32))];
    for (const packet of [...unreadable, pkt(named, hex("ff")), NOTHING, new Uint8Array(65_001)]) {
      expect(namedChannel(packet)).toBeUndefined();
    }
  });
});
