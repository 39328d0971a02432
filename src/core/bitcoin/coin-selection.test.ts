import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ALICE, BOB, bytes32 } from "../../../test/support/commitments.ts";
import { asTxid } from "../base/index.ts";
import { secp256k1 } from "../crypto/index.ts";
import { compareInputs, compareOutputs } from "./bip69.ts";
import { type Coin, selectCoins, unsignedTransaction } from "./coin-selection.ts";
import { p2wpkhSighash, p2wpkhWitness } from "./pay-to-public-key.ts";
import { payToWitnessPublicKeyHash, payToWitnessScriptHash } from "./script.ts";
import { transactionWeight, virtualSize } from "./transaction.ts";

const changeScript = payToWitnessPublicKeyHash(ALICE.final.publicKey);
const script = payToWitnessScriptHash(BOB.final.publicKey);

function coins(...amounts: readonly bigint[]): Coin[] {
  return amounts.map((amountSat, i) => ({ txid: asTxid(bytes32(`coin ${i}`)), index: i, amountSat }));
}

function select(amounts: readonly bigint[], wanted: bigint, feeRate: number) {
  return selectCoins({ coins: coins(...amounts), outputs: [{ amountSat: wanted, script }], feeRate, changeScript });
}

// Fixed parts 42 units, a P2WPKH input 272, the P2WSH output 172, the change 124.
const ONE_INPUT_NO_CHANGE = 122n;
const ONE_INPUT_CHANGE = 153n;

describe("selectCoins", () => {
  it("takes the largest coins first and gives change", () => {
    const result = select([1_000n, 50_000n, 20_000n], 40_000n, 1000);
    if (!result.ok) throw new Error(result.error.type);
    expect(result.value.inputs.map(({ amountSat }) => amountSat)).toEqual([50_000n]);
    expect(result.value.feeSat).toBe(ONE_INPUT_CHANGE);
    const change = result.value.outputs[result.value.changeIndex ?? -1];
    expect(change).toEqual({ amountSat: 10_000n - ONE_INPUT_CHANGE, script: changeScript });
  });

  it("gives change that would be dust to the fee", () => {
    const least = select([10_000n], 10_000n - ONE_INPUT_CHANGE - 546n, 1000);
    expect(least).toMatchObject({ ok: true, value: { feeSat: ONE_INPUT_CHANGE } });
    const dust = select([10_000n], 10_000n - ONE_INPUT_CHANGE - 545n, 1000);
    expect(dust).toMatchObject({ ok: true, value: { feeSat: ONE_INPUT_CHANGE + 545n } });
    if (dust.ok) expect(dust.value.changeIndex).toBeUndefined();
  });

  it("needs the fee too", () => {
    expect(select([10_000n], 10_000n - ONE_INPUT_NO_CHANGE, 1000)).toMatchObject({ ok: true });
    expect(select([10_000n], 10_001n - ONE_INPUT_NO_CHANGE, 1000)).toEqual({
      ok: false,
      error: { type: "insufficient_funds", neededSat: 10_001n, availableSat: 10_000n },
    });
    expect(select([], 1n, 1000)).toMatchObject({ ok: false, error: { availableSat: 0n } });
  });

  it("spends no coin that costs more than it brings", () => {
    const result = select([10_000n, 67n, 60n, 60n], 9_950n, 1000);
    expect(result).toMatchObject({ ok: false, error: { availableSat: 10_000n } });
  });

  it("gives change an index even where an output is its equal", () => {
    // 141 vbytes with two P2WPKH outputs.
    const outputs = [{ amountSat: 9_930n, script: changeScript }];
    const result = selectCoins({ coins: coins(20_001n), outputs, feeRate: 1000, changeScript });
    expect(result).toMatchObject({ ok: true, value: { feeSat: 141n, outputs: [outputs[0], outputs[0]] } });
    if (result.ok) expect(result.value.changeIndex).toBe(1);
  });

  it("reckons the size of many inputs as the transaction has it", () => {
    for (const count of [1, 252, 253, 300]) {
      const all = coins(...Array.from({ length: count }, () => 1_000n));
      const spent = unsignedTransaction(all, [{ amountSat: 1n, script }]);
      const witness = [new Uint8Array(72), new Uint8Array(33)];
      const size = virtualSize({ ...spent, inputs: spent.inputs.map((input) => ({ ...input, witness })) });
      const exact = BigInt(count * 1_000 - size);
      expect(
        selectCoins({ coins: all, outputs: [{ amountSat: exact, script }], feeRate: 1000, changeScript }),
      ).toMatchObject({ ok: true, value: { feeSat: BigInt(size) } });
      expect(
        selectCoins({ coins: all, outputs: [{ amountSat: exact + 1n, script }], feeRate: 1000, changeScript }).ok,
      ).toBe(false);
    }
  });

  it("pays the rate by true size, loses nothing, and doesn't depend on the order of coins", () => {
    const amount = fc.bigInt(1n, 1_000_000n);
    fc.assert(
      fc.property(
        fc.array(amount, { maxLength: 30 }),
        fc.array(amount, { minLength: 1, maxLength: 3 }),
        fc.integer({ min: 0, max: 50_000 }),
        (amounts, wanted, feeRate) => {
          const outputs = wanted.map((amountSat) => ({ amountSat, script }));
          const all = coins(...amounts);
          const result = selectCoins({ coins: all, outputs, feeRate, changeScript });
          expect(selectCoins({ coins: all.toReversed(), outputs, feeRate, changeScript })).toEqual(result);
          if (!result.ok) {
            expect(result.error.neededSat > result.error.availableSat).toBe(true);
            return;
          }
          const { inputs, outputs: paid, feeSat, changeIndex } = result.value;
          const sum = (of: readonly { amountSat: bigint }[]) =>
            of.reduce((total, { amountSat }) => total + amountSat, 0n);
          expect(sum(inputs)).toBe(sum(paid) + feeSat);
          expect(inputs.toSorted(compareInputs)).toEqual(inputs);
          expect(paid.toSorted(compareOutputs)).toEqual(paid);
          expect(paid.length).toBe(outputs.length + (changeIndex === undefined ? 0 : 1));
          const transaction = unsignedTransaction(inputs, paid);
          const signed = transaction.inputs.map((input, i) => {
            const hash = p2wpkhSighash(transaction, i, ALICE.final.publicKey, inputs[i]?.amountSat ?? 0n);
            return {
              ...input,
              witness: p2wpkhWitness(secp256k1.sign(hash, ALICE.final.secret), ALICE.final.publicKey),
            };
          });
          const size = Math.ceil(transactionWeight({ ...transaction, inputs: signed }) / 4);
          const due = Math.ceil((size * feeRate) / 1000);
          expect(Number(feeSat)).toBeGreaterThanOrEqual(due);
          // More only by shorter signatures, or by change that was dust after its own cost.
          const spare = Math.ceil((inputs.length * feeRate) / 1000) + Math.ceil((33 * feeRate) / 1000) + 546;
          expect(Number(feeSat)).toBeLessThanOrEqual(due + spare);
        },
      ),
      { numRuns: 60 },
    );
  });
});
