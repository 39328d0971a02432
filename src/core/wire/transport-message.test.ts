import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fromHex, InvariantBroken, toHex } from "../base/index.ts";
import { decodeTransportMessage, encodeTransportMessage, joinPackets } from "./transport-message.ts";

const bytes = (hex: string): Uint8Array => fromHex(hex) ?? new Uint8Array();
const decodeHex = (hex: string) => decodeTransportMessage(bytes(hex));
const UNDECODABLE = { ok: false, error: { type: "undecodable" } };
const acknowledges = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const packet = fc.uint8Array({ maxLength: 300 });

describe("a transport message", () => {
  it("[B2-5] starts with acknowledge, little-endian, then packets after their LEB128 lengths", () => {
    const long = new Uint8Array(300).fill(7);
    const message = encodeTransportMessage(0x0102_0304_0506, [bytes("00ff"), new Uint8Array(), long]);
    expect(toHex(message)).toBe(`060504030201000002${"00ff"}00ac02${"07".repeat(300)}`);
  });

  it("[B2-5] comes back as it was", () => {
    fc.assert(
      fc.property(acknowledges, fc.array(packet, { minLength: 1, maxLength: 20 }), (acknowledge, packets) => {
        const message = encodeTransportMessage(acknowledge, packets);
        expect(decodeTransportMessage(message)).toEqual({ ok: true, value: { acknowledge, packets } });
      }),
    );
  });

  it("carries at least one packet", () => {
    expect(() => encodeTransportMessage(0, [])).toThrow(InvariantBroken);
    expect(decodeHex("0000000000000000")).toEqual(UNDECODABLE);
    expect(decodeHex("000000000000000000")).toEqual({
      ok: true,
      value: { acknowledge: 0, packets: [new Uint8Array()] },
    });
  });

  it("is refused where it is cut short", () => {
    for (const hex of [
      "",
      "00",
      "00000000000000",
      "00000000000000000200",
      "000000000000000080",
      "0000000000000000ff",
    ]) {
      expect(decodeHex(hex)).toEqual(UNDECODABLE);
    }
  });

  it("is refused where a length is not minimal or has more than three bytes", () => {
    for (const length of ["8000", "808000", "80808000", "ffffff00"]) {
      expect(decodeHex(`0000000000000000${length}`)).toEqual(UNDECODABLE);
    }
  });

  it("is refused where a packet or the whole is too long", () => {
    const whole = decodeTransportMessage(new Uint8Array(65_536));
    expect(whole).toEqual({ ok: false, error: { type: "packet_too_long", limit: 65_535, actual: 65_536 } });
    // 65,001 as LEB128.
    const inner = Uint8Array.from([...bytes("0000000000000000e9fb03"), ...new Uint8Array(65_001)]);
    const error = { type: "packet_too_long", limit: 65_000, actual: 65_001 };
    expect(decodeTransportMessage(inner)).toEqual({ ok: false, error });
  });

  it("[B2-5] is refused where acknowledge is above 2^53 - 1", () => {
    expect(decodeHex("ffffffffffff1f0000")).toMatchObject({
      ok: true,
      value: { acknowledge: Number.MAX_SAFE_INTEGER },
    });
    const limit = BigInt(Number.MAX_SAFE_INTEGER);
    for (const [hex, actual] of [
      ["000000000000200000", 2n ** 53n],
      ["ffffffffffffffff00", 2n ** 64n - 1n],
    ] as const) {
      const error = { type: "number_too_large", message: "transport_message", field: "acknowledge", limit, actual };
      expect(decodeHex(hex)).toEqual({ ok: false, error });
    }
  });

  it("never throws, whatever the bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 8, maxLength: 100 }), (random) => {
        const decoded = decodeTransportMessage(random);
        if (!decoded.ok) return;
        expect(encodeTransportMessage(decoded.value.acknowledge, decoded.value.packets)).toEqual(random);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("joining packets", () => {
  it("keeps every packet, in order, within the limit, and no two messages fit into one", () => {
    fc.assert(
      fc.property(fc.array(packet), fc.integer({ min: 310, max: 1_000 }), (packets, limit) => {
        const messages = joinPackets(9, packets, limit);
        const decoded = messages.map((message) => decodeTransportMessage(message));
        const groups = decoded.map((result) => (result.ok ? result.value.packets : []));
        expect(groups.flat()).toEqual(packets);
        expect(decoded.every((result) => result.ok && result.value.acknowledge === 9)).toBe(true);
        for (const [index, message] of messages.entries()) {
          expect(message.length).toBeLessThanOrEqual(limit);
          const next = groups[index + 1]?.[0];
          if (next === undefined) continue;
          const withNext = encodeTransportMessage(9, [...(groups[index] ?? []), next]);
          expect(withNext.length).toBeGreaterThan(limit);
        }
      }),
    );
  });

  it("gives no message for no packets, and one for a packet of the greatest length", () => {
    expect(joinPackets(0, [])).toEqual([]);
    expect(joinPackets(0, [new Uint8Array(65_000)]).map((message) => message.length)).toEqual([65_011]);
    expect(() => joinPackets(0, [new Uint8Array(65_001)])).toThrow(InvariantBroken);
  });
});
