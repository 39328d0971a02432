import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { asChannelId, concatBytes } from "../base/index.ts";
import { sha256 } from "../crypto/index.ts";
import {
  checkSums,
  decodeHeader,
  encodeHeader,
  HEADER_BYTES,
  payouts,
  type StateHeader,
  stateHash,
  type Units,
  units,
} from "./index.ts";

const bytes32 = (fill: number): Uint8Array => new Uint8Array(32).fill(fill);
const pair = (initiator: bigint | number, responder: bigint | number) => ({
  initiator: units(initiator),
  responder: units(responder),
});

const HEADER: StateHeader = {
  channelId: asChannelId(bytes32(1)),
  round: 7n,
  balances: pair(60, 30),
  deposited: pair(100, 50),
  withdrawn: pair(20, 5),
  locked: units(35),
  root: bytes32(2),
};

const amount = fc.bigInt(0n, 2n ** 63n - 1n).map((value): Units => units(value));
const amounts = fc.record({ initiator: amount, responder: amount }, { noNullPrototype: true });
const header: fc.Arbitrary<StateHeader> = fc.record(
  {
    channelId: fc.uint8Array({ minLength: 32, maxLength: 32 }).map(asChannelId),
    round: fc.bigInt(0n, 2n ** 62n - 1n),
    balances: amounts,
    deposited: amounts,
    withdrawn: amounts,
    locked: amount,
    root: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  },
  { noNullPrototype: true },
);

describe("a state's header", () => {
  it("has 128 bytes in a fixed order, and decodes to itself", () => {
    fc.assert(
      fc.property(header, (one) => {
        const encoded = encodeHeader(one);
        expect(encoded).toHaveLength(HEADER_BYTES);
        expect(decodeHeader(encoded)).toStrictEqual({ ok: true, value: one });
      }),
    );
    const view = new DataView(encodeHeader(HEADER).buffer);
    const wide = Array.from({ length: 8 }, (_, i) => view.getBigUint64(32 + 8 * i));
    expect(wide).toStrictEqual([7n, 60n, 30n, 100n, 50n, 20n, 5n, 35n]);
  });

  it("is refused when a byte is missing, one is too many, or an amount is 2^63", () => {
    const encoded = encodeHeader(HEADER);
    expect(decodeHeader(encoded.subarray(1))).toMatchObject({ ok: false, error: { type: "malformed" } });
    expect(decodeHeader(concatBytes(encoded, bytes32(0)))).toMatchObject({ error: { what: "the end", at: 128 } });
    const tooLarge = encoded.slice();
    tooLarge[40] = 0x80;
    expect(decodeHeader(tooLarge)).toMatchObject({ error: { what: "balances" } });
    // Steps forced from any round still have to fit.
    const tooLate = encoded.slice();
    tooLate[32] = 0x40;
    expect(decodeHeader(tooLate)).toMatchObject({ error: { what: "round" } });
  });

  it("hashes to its tag, the ledger and the header", () => {
    const domain = { chainHash: bytes32(3), ledgerId: bytes32(4) };
    const tag = concatBytes(new TextEncoder().encode("sluice.state"), new Uint8Array(20));
    expect(stateHash(domain, HEADER)).toStrictEqual(
      sha256(concatBytes(tag, domain.chainHash, domain.ledgerId, encodeHeader(HEADER))),
    );
    expect(stateHash({ ...domain, ledgerId: bytes32(5) }, HEADER)).not.toStrictEqual(stateHash(domain, HEADER));
  });
});

describe("the sums of a header", () => {
  it("must be what was put in and not taken out, to the unit", () => {
    expect(checkSums(HEADER).ok).toBe(true);
    expect(checkSums({ ...HEADER, locked: units(34) })).toStrictEqual({
      ok: false,
      error: { type: "sum_wrong", expected: 125n, actual: 124n },
    });
    expect(checkSums({ ...HEADER, locked: units(36) })).toMatchObject({ error: { actual: 126n } });
  });

  it("stay below 2^63", () => {
    const most = 2n ** 63n - 1n;
    const none = { ...HEADER, withdrawn: pair(0, 0), locked: units(0) };
    const full = { ...none, deposited: pair(most, 0), balances: pair(most, 0) };
    expect(checkSums(full).ok).toBe(true);
    expect(checkSums({ ...full, deposited: pair(most, 1), balances: pair(most, 1) })).toStrictEqual({
      ok: false,
      error: { type: "deposits_too_large", limit: 2n ** 63n, actual: 2n ** 63n },
    });
  });

  it("[AC-17] give each what it put in and took out after the state was signed", () => {
    expect(payouts(HEADER, HEADER)).toStrictEqual({ initiator: 60n, responder: 30n });
    const flows = { deposited: pair(100, 90), withdrawn: pair(25, 5) };
    expect(payouts(HEADER, flows)).toStrictEqual({ initiator: 55n, responder: 70n });
    // A deposit that the state counts and the ledger has not seen.
    expect(payouts(HEADER, { deposited: pair(30, 50), withdrawn: pair(20, 5) }).initiator).toBe(-10n);
  });
});
