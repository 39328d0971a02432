import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { asTxid, concatBytes, fromHex, MAX_SATOSHI, toHex, txidToDisplay } from "../base/index.ts";
import {
  parseTransaction,
  serializeTransaction,
  type Transaction,
  transactionId,
  transactionWeight,
  virtualSize,
} from "./transaction.ts";

function hex(text: string): Uint8Array {
  const bytes = fromHex(text);
  if (bytes === undefined) throw new Error("not hexadecimal");
  return bytes;
}

// The signed P2SH-P2WPKH transaction of BIP 143.
const SIGNED =
  "01000000000101db6b1b20aa0fd7b23880be2ecbd4a98130974cf4748fb66092ac4d3ceb1a5477010000001716001479091972186c449eb1ded22b78e40d009bdf0089feffffff02b8b4eb0b000000001976a914a457b684d7f0d539a46a45bbc043f35b59d0d96388ac0008af2f000000001976a914fd270b1ee6abcaea97fea7ad0402e8bd8ad6d77c88ac02473044022047ac8e878352d3ebbde1c94ce3a10d057c24175747116f8288e5d794d12d482f0220217f36a485cae903c713331d877c1f64677e3622ad4010726870540656fe9dcb012103ad1d8e89212f0b92c74d23bb710c00662ad1470198ac48c43f7d6f93a2a2687392040000";

const bytes = (maxLength: number) => fc.uint8Array({ maxLength });
const uint32 = fc.integer({ min: 0, max: 0xffff_ffff });
const arbitraryTransaction: fc.Arbitrary<Transaction> = fc.record({
  version: uint32,
  inputs: fc.array(
    fc.record({
      txid: fc.uint8Array({ minLength: 32, maxLength: 32 }).map(asTxid),
      index: uint32,
      script: bytes(300),
      sequence: uint32,
      witness: fc.array(bytes(300), { maxLength: 4 }),
    }),
    { minLength: 1, maxLength: 4 },
  ),
  outputs: fc.array(fc.record({ amountSat: fc.bigInt(0n, MAX_SATOSHI), script: bytes(60) }), {
    minLength: 1,
    maxLength: 4,
  }),
  lockTime: uint32,
});

function parsed(input: Uint8Array): Transaction {
  const result = parseTransaction(input);
  if (!result.ok) throw new Error(result.error.reason);
  return result.value;
}

describe("parseTransaction and serializeTransaction", () => {
  it("reads the signed example of BIP 143 and writes it again", () => {
    const transaction = parsed(hex(SIGNED));
    expect(transaction.inputs[0]?.witness.map((item) => item.length)).toEqual([71, 33]);
    expect(transaction.outputs.map(({ amountSat }) => amountSat)).toEqual([199_996_600n, 800_000_000n]);
    expect(transaction.lockTime).toBe(1170);
    expect(toHex(serializeTransaction(transaction, { witness: true }))).toBe(SIGNED);
    expect(txidToDisplay(transactionId(transaction))).toBe(
      "ef48d9d0f595052e0f8cdcf825f7a5e50b6a388a81f206f3f4846e5ecd7a0c23",
    );
  });

  it("are inverses, with and without witness", () => {
    fc.assert(
      fc.property(arbitraryTransaction, (transaction) => {
        expect(parsed(serializeTransaction(transaction, { witness: true }))).toEqual(transaction);
        const stripped = { ...transaction, inputs: transaction.inputs.map((input) => ({ ...input, witness: [] })) };
        expect(parsed(serializeTransaction(transaction, { witness: false }))).toEqual(stripped);
      }),
    );
  });

  it("accepts one encoding of each transaction: whatever is accepted is written back byte for byte", () => {
    const valid = fc
      .tuple(arbitraryTransaction, fc.boolean())
      .map(([tx, witness]) => serializeTransaction(tx, { witness }));
    const mutated = fc.tuple(valid, fc.nat(), fc.integer({ min: 0, max: 255 })).map(([input, at, byte]) => {
      const copy = input.slice();
      copy[at % copy.length] = byte;
      return copy;
    });
    fc.assert(
      fc.property(fc.oneof(mutated, bytes(200)), (input) => {
        const result = parseTransaction(input);
        if (result.ok) expect(toHex(serializeTransaction(result.value, { witness: true }))).toBe(toHex(input));
        else expect(result.error.at).toBeLessThanOrEqual(input.length);
      }),
      { numRuns: 1000 },
    );
  });

  it("refuses every truncation and anything after the end", () => {
    const signed = hex(SIGNED);
    for (let length = 0; length < signed.length; length++) {
      expect(parseTransaction(signed.subarray(0, length)).ok).toBe(false);
    }
    expect(parseTransaction(concatBytes(signed, Uint8Array.of(0)))).toEqual({
      ok: false,
      error: { type: "bad_transaction", reason: "trailing_bytes", at: signed.length, length: signed.length + 1 },
    });
  });

  const input = `${"11".repeat(32)}0000000000ffffffff`;
  const output = "010000000000000000";
  it.each([
    ["no_inputs", `02000000000100${"01"}${output}00000000`],
    ["unknown_witness_flag", `020000000002${"01"}${input}01${output}00000000`],
    ["superfluous_witness", `020000000001${"01"}${input}01${output}0000000000`],
    ["no_outputs", `0200000001${input}0000000000`],
    ["compact_size_not_canonical", `02000000fd0100${input}01${output}00000000`],
    ["compact_size_not_canonical", `02000000fe01000000${input}01${output}00000000`],
    ["count_exceeds_input", `02000000ffffffffffffffffff${input}01${output}00000000`],
    ["count_exceeds_input", `02000000feffffff7f${input}01${output}00000000`],
    ["amount_too_large", `0200000001${input}010140075af0750700${"00"}00000000`],
    ["truncated", `0200000001${input}01${output}0000`],
  ])("says %s", (reason, text) => {
    expect(parseTransaction(hex(text))).toMatchObject({ ok: false, error: { type: "bad_transaction", reason } });
  });

  it("refuses what no block could hold before it reads it", () => {
    expect(parseTransaction(new Uint8Array(4_000_001))).toMatchObject({
      ok: false,
      error: { reason: "too_long", at: 0 },
    });
  });

  it("doesn't keep the input alive or share memory with it", () => {
    const signed = hex(SIGNED);
    const transaction = parsed(signed);
    signed.fill(0);
    expect(toHex(serializeTransaction(transaction, { witness: true }))).toBe(SIGNED);
  });
});

describe("transactionWeight", () => {
  it("is three times the size without witness plus the size with it", () => {
    fc.assert(
      fc.property(arbitraryTransaction, (transaction) => {
        const size = (witness: boolean) => serializeTransaction(transaction, { witness }).length;
        expect(transactionWeight(transaction)).toBe(3 * size(false) + size(true));
      }),
    );
  });

  it("of the signed example is what its bytes say", () => {
    const size = SIGNED.length / 2;
    const witness = 2 + 1 + 72 + 34;
    expect(transactionWeight(parsed(hex(SIGNED)))).toBe(4 * (size - witness) + witness);
    expect(virtualSize(parsed(hex(SIGNED)))).toBe(170);
  });
});
