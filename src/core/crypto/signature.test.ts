import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fromHex, InvariantBroken, toHex } from "../base/index.ts";
import { secp256k1 } from "./secp256k1.ts";
import { derDecode, derEncode, isLowS } from "./signature.ts";

function hex(text: string): Uint8Array {
  const bytes = fromHex(text.replaceAll(" ", ""));
  if (bytes === undefined) throw new Error("bad figure in a test");
  return bytes;
}
const number32 = (value: bigint) => hex(value.toString(16).padStart(64, "0"));
const signatures = fc.uint8Array({ minLength: 64, maxLength: 64 });

/** BIP 143, native P2WPKH example: DER signature of the second input, its key, its signature hash. */
const BIP143 = {
  der: "304402203609e17b84f6a7d30c80bfa610b5b4542f32a8a0d5447a12fb1366d7f01cc44a0220573a954c4518331561406f90300e8f3358f51928d43c212a8caed02de67eebee",
  key: "025476c2e83188368da1ff3e292e7acafcdb3566bb0ad253f62fc70f07aeee6357",
  hash: "c37af31116d1b27caf68aae9e3ac82f1477929014d5b917657d0eb49478cb670",
};

describe("DER", () => {
  it("reads and writes the signature of BIP 143's example", () => {
    const compact = derDecode(hex(BIP143.der));
    if (compact === undefined) throw new Error("refused");
    expect(toHex(derEncode(compact))).toBe(BIP143.der);
    expect(secp256k1.verify(compact, hex(BIP143.hash), hex(BIP143.key))).toBe(true);
  });

  it("reads back every signature it writes", () => {
    const small = fc.tuple(fc.bigInt({ min: 0n, max: 70000n }), fc.bigInt({ min: 0n, max: 2n ** 256n - 1n }));
    const short = small.map(([r, s]) => Uint8Array.of(...number32(r), ...number32(s)));
    fc.assert(
      fc.property(fc.oneof(signatures, short), (compact) => {
        const der = derEncode(compact);
        expect(der.length).toBeGreaterThanOrEqual(8);
        expect(der.length).toBeLessThanOrEqual(72);
        expect(derDecode(der)).toEqual(compact);
      }),
    );
  });

  it("has one encoding for a signature: whatever is read is written back the same", () => {
    const nearly = fc
      .tuple(signatures, fc.nat(71), fc.nat(255))
      .map(([compact, at, byte]) => derEncode(compact).with(Math.min(at, derEncode(compact).length - 1), byte));
    fc.assert(
      fc.property(fc.oneof(nearly, fc.uint8Array({ maxLength: 80 })), (bytes) => {
        const compact = derDecode(bytes);
        if (compact !== undefined) expect(derEncode(compact)).toEqual(bytes);
      }),
      { numRuns: 2000 },
    );
  });

  it.each([
    ["nothing", ""],
    ["too short", "30 05 02 01 01 02 00"],
    ["another tag", "31 06 02 01 01 02 01 01"],
    ["total too long", "30 07 02 01 01 02 01 01"],
    ["total too short", "30 05 02 01 01 02 01 01"],
    ["total in long form", "30 81 06 02 01 01 02 01 01"],
    ["indefinite length", "30 80 02 01 01 02 01 01 00 00"],
    ["r isn't an integer", "30 06 03 01 01 02 01 01"],
    ["s isn't an integer", "30 06 02 01 01 03 01 01"],
    ["r is empty", "30 06 02 00 02 02 01 01"],
    ["s is empty", "30 06 02 02 01 01 02 00"],
    ["r is negative", "30 06 02 01 81 02 01 01"],
    ["s is negative", "30 06 02 01 01 02 01 81"],
    ["r is padded", "30 07 02 02 00 01 02 01 01"],
    ["s is padded", "30 07 02 01 01 02 02 00 01"],
    ["r runs past the end", "30 06 02 05 01 02 01 01"],
    ["s runs past the end", "30 06 02 01 01 02 02 01"],
    ["bytes after s", "30 07 02 01 01 02 01 01 00"],
    ["a hash type after it", "30 06 02 01 01 02 01 01 01"],
    ["r of 257 bits", `30 26 02 21 01 ${"00".repeat(32)} 02 01 01`],
    ["r of 34 bytes", `30 27 02 22 00 80 ${"00".repeat(32)} 02 01 01`],
    ["100 bytes", `30 62 02 2f ${"01".repeat(47)} 02 2f ${"01".repeat(47)}`],
  ])("refuses as BIP 66 asks: %s", (_, text) => {
    expect(derDecode(hex(text))).toBeUndefined();
  });

  it("accepts the shortest and the longest", () => {
    expect(derDecode(hex("30 06 02 01 01 02 01 7f"))).toEqual(Uint8Array.of(...number32(1n), ...number32(127n)));
    expect(derDecode(hex("30 08 02 02 00 80 02 02 00 ff"))).toEqual(
      Uint8Array.of(...number32(128n), ...number32(255n)),
    );
    expect(derEncode(new Uint8Array(64).fill(0xff))).toHaveLength(72);
    expect(() => derEncode(new Uint8Array(63))).toThrow(InvariantBroken);
  });
});

describe("isLowS", () => {
  it("draws the line at half the order", () => {
    const half = (0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n - 1n) / 2n;
    const withS = (s: bigint) => Uint8Array.of(...number32(1n), ...number32(s));
    expect(isLowS(withS(1n))).toBe(true);
    expect(isLowS(withS(half))).toBe(true);
    expect(isLowS(withS(half + 1n))).toBe(false);
    expect(isLowS(withS(2n ** 256n - 1n))).toBe(false);
  });
});
