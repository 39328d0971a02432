import fc from "fast-check";
import { expect, it } from "vitest";
import { decodeRecord, encodeRecord, isFinal } from "./index.ts";

it("a record has 14 bytes and decodes to itself", () => {
  const number = fc.nat(2 ** 32 - 1);
  const record = fc.record(
    { nonce: number, height: number, until: number, amount: fc.nat(10_000) },
    { noNullPrototype: true },
  );
  fc.assert(
    fc.property(record, (one) => {
      const encoded = encodeRecord(one);
      expect(encoded).toHaveLength(14);
      expect(decodeRecord(encoded)).toStrictEqual({ ok: true, value: one });
    }),
  );
  const bytes = encodeRecord({ nonce: 1, height: 2, until: 3, amount: 10_000 });
  expect([...bytes]).toStrictEqual([0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0x27, 0x10]);
  expect(decodeRecord(bytes.subarray(1)).ok).toBe(false);
});

it("a record is final where it counts at once", () => {
  const record = { nonce: 1, height: 5, amount: 0 };
  expect(isFinal({ ...record, until: 5 })).toBe(true);
  expect(isFinal({ ...record, until: 6 })).toBe(false);
});
