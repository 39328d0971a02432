import { describe, expect, it } from "vitest";
import { InvariantBroken } from "../base/index.ts";
import { decodeKeepCopy, decodeKeptCopy, encodeAskCopy, encodeKeepCopy, encodeKeptCopy } from "./copies.ts";
import { packetFamily } from "./packet-family.ts";

describe("packets with a copy", () => {
  it("carry up to 64,000 bytes, and the answer perhaps none", () => {
    for (const length of [1, 4_096, 64_000]) {
      const copy = new Uint8Array(length).fill(9);
      expect(decodeKeepCopy(encodeKeepCopy(copy))).toEqual({ ok: true, value: copy });
      expect(decodeKeptCopy(encodeKeptCopy(copy))).toEqual({ ok: true, value: copy });
    }
    expect(decodeKeptCopy(encodeKeptCopy(undefined))).toEqual({ ok: true, value: new Uint8Array(0) });
    expect(() => encodeKeepCopy(new Uint8Array(0))).toThrow(InvariantBroken);
    for (const encode of [encodeKeepCopy, encodeKeptCopy]) {
      expect(() => encode(new Uint8Array(64_001))).toThrow(InvariantBroken);
    }
  });

  it("are refused where they are too long, empty or another's", () => {
    expect(decodeKeepCopy(new Uint8Array(64_002).fill(102))).toMatchObject({ error: { type: "bad_length" } });
    expect(decodeKeptCopy(new Uint8Array(64_002).fill(104))).toMatchObject({ error: { type: "bad_length" } });
    expect(decodeKeepCopy(Uint8Array.of(102))).toMatchObject({ error: { type: "bad_length", minimum: 1 } });
    expect(decodeKeepCopy(encodeKeptCopy(Uint8Array.of(1)))).toEqual({ ok: false, error: { type: "undecodable" } });
    expect(decodeKeptCopy(new Uint8Array())).toEqual({ ok: false, error: { type: "undecodable" } });
  });

  it("belong to families of their own", () => {
    const families = [encodeKeepCopy(Uint8Array.of(1)), encodeAskCopy(), encodeKeptCopy(undefined)].map(packetFamily);
    expect(families).toEqual(["keep_copy", "ask_copy", "kept_copy"].map((value) => ({ ok: true, value })));
  });
});
