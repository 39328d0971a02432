import { describe, expect, it } from "vitest";
import { duration, grouped, satWithDecimals, shortened } from "./format.ts";

describe("grouped", () => {
  it("puts a comma before every three digits but not in front", () => {
    expect([0, 999, 1000, 123456, 1234567n].map((value) => grouped(value))).toEqual([
      "0",
      "999",
      "1,000",
      "123,456",
      "1,234,567",
    ]);
    expect(grouped(-123456)).toBe("-123,456");
  });
});

describe("satWithDecimals", () => {
  it("keeps every millisatoshi", () => {
    expect([0n, 1n, 999n, 1_000n, 988_273_500n].map(satWithDecimals)).toEqual([
      "0.000",
      "0.001",
      "0.999",
      "1.000",
      "988,273.500",
    ]);
    expect(satWithDecimals(-1_234_567n)).toBe("-1,234.567");
    expect(satWithDecimals(-5n)).toBe("-0.005");
  });

  it("does not lose what a floating point number would", () => {
    expect(satWithDecimals(2_100_000_000_000_000_001n)).toBe("2,100,000,000,000,000.001");
  });
});

describe("duration", () => {
  it("changes to seconds where milliseconds would round to 1000", () => {
    expect([0, 0.4, 12.5, 999.4, 999.5, 3_444].map(duration)).toEqual([
      "0 ms",
      "0 ms",
      "13 ms",
      "999 ms",
      "1.0 s",
      "3.4 s",
    ]);
  });
});

describe("shortened", () => {
  it("leaves short ids whole", () => {
    expect(shortened("abcdef012345")).toBe("abcdef012345");
    expect(shortened("abcdef0123456")).toBe("abcdef012345…");
  });
});
