import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { concatBytes, InvariantBroken, toHex } from "../base/index.ts";
import {
  isStandardCloseScript,
  payToPublicKeyHash,
  payToScriptHash,
  payToWitnessPublicKeyHash,
  payToWitnessScriptHash,
  publicKeyHashOf,
  push,
  pushNumber,
  scriptHashOf,
  scriptNumber,
  witnessProgramOf,
  witnessProgramScript,
} from "./script.ts";

/** A script number read back as BIP 62 and consensus define it. */
function numberOf(bytes: Uint8Array): number {
  let value = 0;
  bytes.forEach((byte, i) => {
    value += (i === bytes.length - 1 ? byte & 0x7f : byte) * 256 ** i;
  });
  return ((bytes.at(-1) ?? 0) & 0x80) !== 0 ? -value : value;
}

describe("scriptNumber", () => {
  it.each([
    [0, ""],
    [1, "01"],
    [-1, "81"],
    [127, "7f"],
    [128, "8000"],
    [-128, "8080"],
    [255, "ff00"],
    [256, "0001"],
    [32_767, "ff7f"],
    [32_768, "008000"],
    [65_535, "ffff00"],
    [499_999_999, "ff64cd1d"],
    [2 ** 32, "0000000001"],
  ])("writes %i as %s", (value, expected) => expect(toHex(scriptNumber(value))).toBe(expected));

  it("is minimal and reads back", () => {
    fc.assert(
      fc.property(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), (value) => {
        const bytes = scriptNumber(value);
        expect(numberOf(bytes)).toBe(value);
        // The last byte carries more than a sign that the one before could have held.
        if (((bytes.at(-1) ?? 0xff) & 0x7f) === 0) expect((bytes.at(-2) ?? 0) & 0x80).toBe(0x80);
      }),
    );
  });

  it("refuses fractions and what the locks can't read", () => {
    for (const value of [0.5, Number.NaN, 2 ** 39, -(2 ** 39)])
      expect(() => scriptNumber(value)).toThrow(InvariantBroken);
  });
});

describe("push", () => {
  it("uses the shortest operation", () => {
    expect(toHex(push(new Uint8Array(0)))).toBe("00");
    expect(toHex(push(Uint8Array.of(1)))).toBe("51");
    expect(toHex(push(Uint8Array.of(16)))).toBe("60");
    expect(toHex(push(Uint8Array.of(17)))).toBe("0111");
    expect(toHex(push(Uint8Array.of(0x81)))).toBe("4f");
    expect(toHex(push(Uint8Array.of(0)))).toBe("0100");
    expect(toHex(push(new Uint8Array(75)).subarray(0, 2))).toBe("4b00");
    expect(toHex(push(new Uint8Array(76)).subarray(0, 3))).toBe("4c4c00");
    expect(toHex(push(new Uint8Array(255)).subarray(0, 3))).toBe("4cff00");
    expect(toHex(push(new Uint8Array(256)).subarray(0, 4))).toBe("4d000100");
    expect(toHex(push(new Uint8Array(520)).subarray(0, 4))).toBe("4d080200");
    expect(() => push(new Uint8Array(521))).toThrow(InvariantBroken);
    expect(toHex(pushNumber(144))).toBe("029000");
  });
});

describe("output scripts", () => {
  // The key and script hash of BIP 173's examples.
  it("pay to a key or a script as BIP 141 does", () => {
    const key = Uint8Array.of(
      0x02,
      ...Buffer.from("79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798", "hex"),
    );
    expect(toHex(payToWitnessPublicKeyHash(key))).toBe("0014751e76e8199196d454941c45d1b3a323f1433bd6");
    const checksig = concatBytes(push(key), Uint8Array.of(0xac));
    expect(toHex(payToWitnessScriptHash(checksig))).toBe(
      "00201863143c14c5166804bd19203356da136c985678cd4d27a1b8c6329604903262",
    );
    expect(() => payToWitnessPublicKeyHash(key.subarray(1))).toThrow(InvariantBroken);
  });

  it("are told apart", () => {
    const hash = new Uint8Array(20).fill(7);
    expect(publicKeyHashOf(payToPublicKeyHash(hash))).toEqual(hash);
    expect(scriptHashOf(payToScriptHash(hash))).toEqual(hash);
    expect(publicKeyHashOf(payToScriptHash(hash))).toBeUndefined();
    expect(scriptHashOf(payToPublicKeyHash(hash))).toBeUndefined();
    const program = { version: 16, program: hash };
    expect(witnessProgramOf(witnessProgramScript(program))).toEqual(program);
    expect(witnessProgramOf(payToPublicKeyHash(hash))).toBeUndefined();
  });
});

describe("isStandardCloseScript", () => {
  const program = (version: number, length: number) =>
    witnessProgramScript({ version, program: new Uint8Array(length) });

  it("[B2-45] takes what every node relays", () => {
    for (const script of [
      payToPublicKeyHash(new Uint8Array(20)),
      payToScriptHash(new Uint8Array(20)),
      program(0, 20),
      program(0, 32),
      program(1, 32),
      program(2, 2),
      program(16, 32),
    ]) {
      expect(isStandardCloseScript(script)).toBe(true);
    }
  });

  it("[B2-45] refuses everything else", () => {
    const p2pkh = payToPublicKeyHash(new Uint8Array(20));
    for (const script of [
      new Uint8Array(0),
      Uint8Array.of(0x6a),
      Uint8Array.of(0x6a, 0x01, 0x00),
      program(0, 21),
      program(0, 40),
      program(1, 33),
      program(16, 40),
      program(1, 1),
      witnessProgramScript({ version: 1, program: Uint8Array.of(0x4e, 0x73) }),
      concatBytes(Uint8Array.of(0x21), new Uint8Array(33), Uint8Array.of(0xac)),
      p2pkh.subarray(0, 24),
      concatBytes(p2pkh, Uint8Array.of(0)),
      new Uint8Array(10_000),
    ]) {
      expect(isStandardCloseScript(script)).toBe(false);
    }
  });
});
