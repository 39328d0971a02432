import { describe, expect, it } from "vitest";
import { ALICE, BOB, bytes32 } from "../../../test/support/commitments.ts";
import { InvariantBroken, toHex } from "../base/index.ts";
import {
  anchorScript,
  htlcOfferedScript,
  htlcReceivedScript,
  REVOCATION_OFFSET,
  toSelfScript,
} from "./channel-scripts.ts";

const revocation = bytes32("revocation").subarray(0, 20);
const payment = bytes32("payment").subarray(0, 20);
const own = ALICE.final.publicKey;
const oth = BOB.final.publicKey;
const terms = { revocation, payment, ownFinalKey: own, othFinalKey: oth, delay: 144, expiry: 500_000 };

// What the design's assembly comes to, operation by operation: 144 is 9000, 500,000 is 20a107 as script numbers.
describe("channel scripts", () => {
  it("anchor: 2 of 2, keys ascending, whoever asks", () => {
    const [low, high] = [toHex(ALICE.commit.publicKey), toHex(BOB.commit.publicKey)].sort();
    const script = anchorScript(ALICE.commit.publicKey, BOB.commit.publicKey);
    expect(toHex(script)).toBe(`5221${low}21${high}52ae`);
    expect(anchorScript(BOB.commit.publicKey, ALICE.commit.publicKey)).toEqual(script);
    expect(script.length).toBe(71);
  });

  it("to-self", () => {
    expect(toHex(toSelfScript(terms))).toBe(
      `a914${toHex(revocation)}8763${`21${toHex(oth)}`}67${"029000"}b275${`21${toHex(own)}`}68ac`,
    );
  });

  it("HTLC offered", () => {
    expect(toHex(htlcOfferedScript(terms))).toBe(
      `82012088a97614${toHex(payment)}877c14${toHex(revocation)}879363${`21${toHex(oth)}`}67${"0320a107"}b1${"029000"}b26d${`21${toHex(own)}`}68ac`,
    );
  });

  it("HTLC received", () => {
    expect(toHex(htlcReceivedScript(terms))).toBe(
      `82012088a97614${toHex(payment)}8763${"029000"}b26d${`21${toHex(own)}`}6714${toHex(revocation)}8764${"0320a107"}b17568${`21${toHex(oth)}`}68ac`,
    );
  });

  it.each([0, 1, 16, 17, 127, 128, 144, 1008, 32_768, 65_535])(
    "know where the revocation hash stands, delay %i",
    (delay) => {
      const at = (script: Uint8Array, offset: number) => toHex(script.subarray(offset, offset + 20));
      const all = { ...terms, delay };
      expect(at(toSelfScript(all), REVOCATION_OFFSET.toSelf)).toBe(toHex(revocation));
      expect(at(htlcOfferedScript(all), REVOCATION_OFFSET.offered)).toBe(toHex(revocation));
      expect(at(htlcReceivedScript(all), REVOCATION_OFFSET.received(delay))).toBe(toHex(revocation));
    },
  );

  it("are never built with a wrong size, a lock in time, or a delay that no input can state", () => {
    for (const wrong of [
      { revocation: bytes32("r") },
      { payment: bytes32("p") },
      { ownFinalKey: own.subarray(1) },
      { othFinalKey: new Uint8Array(0) },
      { delay: 65_536 },
      { delay: -1 },
      { expiry: 500_000_000 },
      { expiry: -1 },
    ]) {
      expect(() => htlcOfferedScript({ ...terms, ...wrong })).toThrow(InvariantBroken);
      expect(() => htlcReceivedScript({ ...terms, ...wrong })).toThrow(InvariantBroken);
    }
  });
});
