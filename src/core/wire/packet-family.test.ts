import { describe, expect, it } from "vitest";
import { InvariantBroken } from "../base/index.ts";
import { packetFamily } from "./packet-family.ts";
import { decodePing, decodePong, encodePing, encodePong } from "./ping.ts";

const familyOf = (first: number) => packetFamily(Uint8Array.of(first, 1, 2));

describe("the family of a packet", () => {
  it.each([
    [0, "pkt"],
    [1, "frame"],
    [99, "frame"],
    [100, "ping"],
    [101, "pong"],
    [102, "keep_copy"],
    [103, "ask_copy"],
    [104, "kept_copy"],
    [105, "other_uncounted"],
    [127, "other_uncounted"],
  ] as const)("with first byte %i is %s", (first, family) => {
    expect(familyOf(first)).toEqual({ ok: true, value: family });
  });

  it("is an error from 128 on, and for no bytes", () => {
    expect(familyOf(128)).toEqual({ ok: false, error: { type: "unknown_family", family: 128 } });
    expect(packetFamily(new Uint8Array())).toEqual({ ok: false, error: { type: "undecodable" } });
  });
});

describe("ping and pong", () => {
  it("carry a payload of at most 64 bytes", () => {
    for (const length of [0, 1, 64]) {
      const payload = new Uint8Array(length).fill(7);
      expect(decodePing(encodePing(payload))).toEqual({ ok: true, value: payload });
      expect(decodePong(encodePong(payload))).toEqual({ ok: true, value: payload });
    }
    expect(() => encodePing(new Uint8Array(65))).toThrow(InvariantBroken);
    const error = { type: "bad_length", message: "ping", field: "payload", minimum: 0, maximum: 64, actual: 65 };
    expect(decodePing(new Uint8Array(66).fill(100))).toEqual({ ok: false, error });
  });

  it("are told apart by their first byte", () => {
    expect([...encodePing(Uint8Array.of(5))]).toEqual([100, 5]);
    expect([...encodePong(Uint8Array.of(5))]).toEqual([101, 5]);
    expect(decodePing(encodePong(Uint8Array.of(5)))).toEqual({ ok: false, error: { type: "undecodable" } });
    expect(decodePong(new Uint8Array())).toEqual({ ok: false, error: { type: "undecodable" } });
  });
});
