import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InvariantBroken } from "../base/index.ts";
import { commitmentByteCount, commitmentFee, feeForWeight, splitFee } from "./fee.ts";

describe("commitmentFee", () => {
  it("[B2-30] of 402 bytes at 1112 is 446", () => {
    expect(commitmentByteCount(2)).toBe(402);
    expect(commitmentFee(1112, 2)).toBe(446n);
  });

  it("[B2-30] is truncated, to an even number", () => {
    expect(commitmentByteCount(0)).toBe(338);
    expect(commitmentFee(1000, 0)).toBe(338n);
    expect(commitmentFee(1004, 0)).toBe(338n);
    expect(commitmentFee(1006, 0)).toBe(340n);
    expect(commitmentFee(0, 100)).toBe(0n);
  });

  it("[B2-30] is exact up to the largest rate a message holds", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xffff_ffff }), fc.integer({ min: 0, max: 3000 }), (rate, htlcs) => {
        const exact = (BigInt(rate) * (338n + 32n * BigInt(htlcs))) / 1000n;
        expect(commitmentFee(rate, htlcs)).toBe(exact - (exact % 2n));
      }),
    );
  });

  it("takes no fraction and no negative rate", () => {
    for (const rate of [-1, 1.5, Number.NaN, 2 ** 32]) expect(() => commitmentFee(rate, 0)).toThrow(InvariantBroken);
  });
});

describe("splitFee", () => {
  it("[B2-31] takes half from each where both can pay it", () => {
    expect(splitFee({ feeSat: 446n, ownMsat: 1_000_999n, othMsat: 223_000n })).toEqual({ ownSat: 777n, othSat: 0n });
  });

  it("[B2-31] takes all from who can't pay half, and the rest from the other", () => {
    expect(splitFee({ feeSat: 446n, ownMsat: 222_999n, othMsat: 1_000_000n })).toEqual({ ownSat: 0n, othSat: 776n });
    expect(splitFee({ feeSat: 446n, ownMsat: 1_000_000n, othMsat: 0n })).toEqual({ ownSat: 554n, othSat: 0n });
  });

  it("[B2-31] takes all that there is where it doesn't suffice", () => {
    expect(splitFee({ feeSat: 446n, ownMsat: 100_000n, othMsat: 346_000n })).toEqual({ ownSat: 0n, othSat: 0n });
    expect(splitFee({ feeSat: 446n, ownMsat: 100_000n, othMsat: 345_000n })).toEqual({ ownSat: 0n, othSat: 0n });
    expect(splitFee({ feeSat: 446n, ownMsat: 100_000n, othMsat: 347_000n })).toEqual({ ownSat: 0n, othSat: 1n });
    expect(splitFee({ feeSat: 446n, ownMsat: 222_000n, othMsat: 222_000n })).toEqual({ ownSat: 0n, othSat: 0n });
  });

  it("[B2-31] is the same for both sides, pays the fee if it can be paid, and never takes more", () => {
    const balance = fc.oneof(fc.bigInt(0n, 2_000_000n), fc.bigInt(0n, 10n ** 15n));
    fc.assert(
      fc.property(fc.bigInt(0n, 2_000n), balance, balance, (half, ownMsat, othMsat) => {
        const feeSat = 2n * half;
        const { ownSat, othSat } = splitFee({ feeSat, ownMsat, othMsat });
        expect(splitFee({ feeSat, ownMsat: othMsat, othMsat: ownMsat })).toEqual({ ownSat: othSat, othSat: ownSat });
        const before = ownMsat / 1000n + othMsat / 1000n;
        expect(before - ownSat - othSat).toBe(before < feeSat ? before : feeSat);
        expect(ownSat >= 0n && othSat >= 0n && ownSat <= ownMsat / 1000n && othSat <= othMsat / 1000n).toBe(true);
      }),
    );
  });

  it("splits no odd fee and no negative balance", () => {
    expect(() => splitFee({ feeSat: 3n, ownMsat: 0n, othMsat: 0n })).toThrow(InvariantBroken);
    expect(() => splitFee({ feeSat: -2n, ownMsat: 0n, othMsat: 0n })).toThrow(InvariantBroken);
    expect(() => splitFee({ feeSat: 2n, ownMsat: -1n, othMsat: 0n })).toThrow(InvariantBroken);
  });
});

it("feeForWeight rounds up", () => {
  expect(feeForWeight(4, 1000)).toBe(1n);
  expect(feeForWeight(5, 1000)).toBe(2n);
  expect(feeForWeight(564, 1001)).toBe(142n);
});
