import { describe, expect, it } from "vitest";
import { encodeFeatures, hasFeature } from "./features.ts";

describe("features", () => {
  it("are bits, of which a reader asks for those that it knows", () => {
    expect(encodeFeatures([])).toEqual(new Uint8Array(0));
    expect(encodeFeatures(["prestage"])).toEqual(Uint8Array.of(0b10));
    expect(hasFeature(Uint8Array.of(0b10), "prestage")).toBe(true);
    expect(hasFeature(Uint8Array.of(0b1111_1111, 0xff), "prestage")).toBe(true);
    expect(hasFeature(Uint8Array.of(0b1111_1101, 0xff), "prestage")).toBe(false);
    expect(hasFeature(new Uint8Array(0), "prestage")).toBe(false);
  });
});
