import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bytesFromHex, readBlockHash, readFields, satoshiFromBtc } from "./answers.ts";

/** As bitcoind writes it: eight decimals, always. */
function written(amountSat: bigint): string {
  return `${amountSat / 100_000_000n}.${(amountSat % 100_000_000n).toString().padStart(8, "0")}`;
}

describe("an amount of bitcoin in JSON", () => {
  it("is read to the satoshi, up to all the bitcoin there is", () => {
    const amount = fc.oneof(
      fc.bigInt(0n, 2_100_000_000_000_000n),
      fc.bigInt(2_099_999_999_000_000n, 2_100_000_000_000_000n),
    );
    fc.assert(
      fc.property(amount, (amountSat) => {
        expect(satoshiFromBtc(JSON.parse(written(amountSat)))).toBe(amountSat);
      }),
      { numRuns: 5000 },
    );
  });

  it("is read in the other forms that JSON allows", () => {
    expect(satoshiFromBtc(JSON.parse("1e-8"))).toBe(1n);
    expect(satoshiFromBtc(JSON.parse("0"))).toBe(0n);
    expect(satoshiFromBtc(JSON.parse("21000000"))).toBe(2_100_000_000_000_000n);
  });

  it("is refused unless it is a whole number of satoshi that can exist", () => {
    for (const value of [
      -1,
      -1e-8,
      21_000_000.00000001,
      1e300,
      Number.NaN,
      Number.POSITIVE_INFINITY,
      0.000000001,
      1.000000005,
    ]) {
      expect(satoshiFromBtc(value)).toBeUndefined();
    }
    for (const value of ["1.0", null, undefined, {}, [], true]) expect(satoshiFromBtc(value)).toBeUndefined();
  });
});

describe("bytes in JSON", () => {
  it("are read from hexadecimal digits", () => {
    expect(bytesFromHex("")).toEqual(new Uint8Array(0));
    expect(bytesFromHex("00ffA0")).toEqual(Uint8Array.of(0, 255, 160));
  });

  it("are refused from anything else", () => {
    for (const value of ["0", "0g", "00 11", "zz00", "0011zz", 12, null]) expect(bytesFromHex(value)).toBeUndefined();
  });
});

describe("the fields of an answer", () => {
  const bad = (field: string) =>
    expect.objectContaining({ code: "bad_response", message: expect.stringContaining(field) });

  it("are read by kind", () => {
    const fields = readFields("m", { a: "x", b: 7, c: true, d: 0.5, e: "ff", f: { g: 1 } });
    expect(fields.text("a")).toBe("x");
    expect(fields.whole("b")).toBe(7);
    expect(fields.flag("c")).toBe(true);
    expect(fields.amount("d")).toBe(50_000_000n);
    expect(fields.bytes("e")).toEqual(Uint8Array.of(255));
    expect(fields.fields("f").whole("g")).toBe(1);
  });

  it("are refused where they are missing or of another kind, by name", () => {
    const fields = readFields("m", { a: 1, b: -1, c: "true", d: "0.5", e: "f", f: null });
    const reads = [
      () => fields.text("a"),
      () => fields.whole("b"),
      () => fields.flag("c"),
      () => fields.amount("d"),
      () => fields.bytes("e"),
      () => fields.fields("f"),
      () => fields.text("missing"),
    ];
    for (const read of reads) expect(read).toThrow(bad("m"));
    for (const value of [null, undefined, 1, "x"]) expect(() => readFields("m", value)).toThrow(bad("object"));
  });

  it("read a displayed hash backwards", () => {
    const hash = readBlockHash("m", `01${"00".repeat(31)}`);
    expect(hash[31]).toBe(1);
    for (const value of ["01", "0g".repeat(32), 5, null])
      expect(() => readBlockHash("m", value)).toThrow(bad("block hash"));
  });
});
