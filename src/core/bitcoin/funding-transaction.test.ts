import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { asTxid, toHex } from "../base/index.ts";
import { secp256k1, sha256 } from "../crypto/index.ts";
import { compareInputs, compareOutputs } from "./bip69.ts";
import { feeForWeight } from "./fee.ts";
import {
  type FundingInput,
  type FundingShare,
  fundingSighash,
  isFundingSignature,
  planCancellation,
  planFunding,
  selectShare,
  signedFunding,
} from "./funding-transaction.ts";
import { payToWitnessScriptHash } from "./script.ts";
import { parseTransaction, transactionId, transactionWeight } from "./transaction.ts";

const SCRIPT = payToWitnessScriptHash(Uint8Array.of(0x51));
const SECRET = sha256(Uint8Array.of(7));
const KEY = secp256k1.publicKey(SECRET);
const [CHANGE, OTHER_CHANGE] = [new Uint8Array(22).fill(1), new Uint8Array(34).fill(2)];
const NOTHING: FundingShare = { contributionSat: 0n, inputs: [], changeScript: undefined };

function input(seed: number, amountSat: bigint): FundingInput {
  return { txid: asTxid(sha256(Uint8Array.of(seed, seed >> 8))), index: seed % 5, amountSat, publicKey: KEY };
}

function planned(requester: FundingShare, responder: FundingShare = NOTHING, feeRate = 1000) {
  const plan = planFunding({ script: SCRIPT, feeRate, requester, responder });
  if (!plan.ok) throw new Error(JSON.stringify(plan.error, (_, value) => `${value}`));
  return plan.value;
}

/** The transaction with the longest witnesses that there can be. */
function signed(plan: ReturnType<typeof planned>): number {
  const witness = [new Uint8Array(72), new Uint8Array(33)];
  return transactionWeight({
    ...plan.transaction,
    inputs: plan.transaction.inputs.map((one) => ({ ...one, witness })),
  });
}

const share = (first: number, changeScript: Uint8Array) =>
  fc
    .record({
      amounts: fc.array(fc.bigInt(1_000n, 3_000_000n), { minLength: 1, maxLength: 20 }),
      contribution: fc.bigInt(0n, 5_000_000n),
      change: fc.boolean(),
    })
    .map(
      ({ amounts, contribution, change }): FundingShare => ({
        contributionSat: contribution,
        inputs: amounts.map((amountSat, n) => input(first + n, amountSat)),
        changeScript: change ? changeScript : undefined,
      }),
    );

const sum = (of: readonly { readonly amountSat: bigint }[]) => of.reduce((all, { amountSat }) => all + amountSat, 0n);

describe("a funding transaction of two parties", () => {
  it("[LS-1] [LW-1] is the same to both, loses no satoshi, and pays the agreed rate", () => {
    let plans = 0;
    fc.assert(
      fc.property(
        share(0, CHANGE),
        fc.oneof(share(100, OTHER_CHANGE), fc.constant(NOTHING)),
        fc.integer({ min: 250, max: 50_000 }),
        (requester, responder, feeRate) => {
          const plan = planFunding({ script: SCRIPT, feeRate, requester, responder });
          // As the other party builds it: from a message, so from other objects in another order.
          const turned = (one: FundingShare) => ({ ...one, inputs: one.inputs.toReversed().map((i) => ({ ...i })) });
          const again = planFunding({
            responder: turned(responder),
            requester: turned(requester),
            feeRate,
            script: SCRIPT.slice(),
          });
          expect(again).toEqual(plan);
          if (!plan.ok) {
            const poor = plan.error.role === "requester" ? requester : responder;
            expect(sum(poor.inputs)).toBe(plan.error.availableSat);
            expect(plan.error.neededSat).toBeGreaterThan(plan.error.availableSat);
            return;
          }
          plans++;
          const { transaction, outputIndex, feeSat, txid } = plan.value;
          const spent = sum([...requester.inputs, ...responder.inputs]);
          expect(sum(transaction.outputs) + feeSat).toBe(spent);
          const anchor = requester.contributionSat + responder.contributionSat;
          expect(transaction.outputs[outputIndex]).toEqual({ amountSat: anchor, script: SCRIPT });
          expect(txid).toEqual(transactionId(transaction));
          expect(transaction).toMatchObject({ version: 2, lockTime: 0 });
          expect(transaction.inputs.every((one) => one.sequence === 0xffff_fffd && one.script.length === 0)).toBe(true);
          expect(transaction.inputs).toEqual(transaction.inputs.toSorted(compareInputs));
          expect(transaction.outputs).toEqual(transaction.outputs.toSorted(compareOutputs));
          const least = feeForWeight(signed(plan.value), feeRate);
          expect(feeSat).toBeGreaterThanOrEqual(least);
          // With change on both sides nothing is paid but the rate, rounded up once for each.
          const changes = transaction.outputs.length - 1;
          if (changes === 2) expect(feeSat).toBeLessThanOrEqual(least + 2n + BigInt(Math.ceil(feeRate / 1000)));
        },
      ),
      { numRuns: 300 },
    );
    expect(plans).toBeGreaterThan(20);
  });

  it("has each pay for its own inputs and change, the requester for the rest", () => {
    const both = planned(
      { contributionSat: 100_000n, inputs: [input(1, 200_000n)], changeScript: CHANGE },
      { contributionSat: 50_000n, inputs: [input(2, 100_000n), input(3, 100_000n)], changeScript: OTHER_CHANGE },
    );
    // Inputs of 272 weight units; outputs of 31, 43 and 43 bytes; 42 units that are nobody's.
    const mine = BigInt(Math.ceil((272 + 4 * 31 + 42 + 4 * 43) / 4));
    const theirs = BigInt(Math.ceil((2 * 272 + 4 * 43) / 4));
    const amountOf = (script: Uint8Array) => both.transaction.outputs.find((one) => one.script === script)?.amountSat;
    expect(amountOf(CHANGE)).toBe(100_000n - mine);
    expect(amountOf(OTHER_CHANGE)).toBe(150_000n - theirs);
    expect(both.feeSat).toBe(mine + theirs);
  });

  it("makes no change of dust: it goes to the fee", () => {
    const of = (amountSat: bigint, change: { changeScript: Uint8Array | undefined } = { changeScript: CHANGE }) =>
      planned({ contributionSat: 100_000n, inputs: [input(1, amountSat)], ...change });
    const fee = BigInt(Math.ceil((272 + 4 * 31 + 42 + 4 * 43) / 4));
    expect(of(100_000n + fee + 546n).transaction.outputs.map(({ amountSat }) => amountSat)).toEqual([546n, 100_000n]);
    expect(of(100_000n + fee + 545n).transaction.outputs).toHaveLength(1);
    expect(of(100_000n + fee + 545n).feeSat).toBe(fee + 545n);
    // Without a script for it there is none, however much it would be.
    const least = fee - 31n;
    expect(of(200_000n, { changeScript: undefined })).toMatchObject({ feeSat: 100_000n });
    expect(of(100_000n + least).feeSat).toBe(least);
    const poor = { contributionSat: 100_000n, inputs: [input(1, 100_000n + least - 1n)], changeScript: CHANGE };
    expect(planFunding({ script: SCRIPT, feeRate: 1000, requester: poor, responder: NOTHING })).toEqual({
      ok: false,
      error: {
        type: "share_too_small",
        role: "requester",
        neededSat: 100_000n + least,
        availableSat: 100_000n + least - 1n,
      },
    });
  });

  it("finds its 2-of-2 where a change output pays to the same script", () => {
    const requester = { contributionSat: 100_000n, inputs: [input(1, 300_000n)], changeScript: CHANGE };
    const responder = { contributionSat: 100_000n, inputs: [input(2, 160_000n)], changeScript: SCRIPT };
    const { transaction, outputIndex } = planned(requester, responder);
    expect(transaction.outputs[outputIndex]).toEqual({ amountSat: 200_000n, script: SCRIPT });
  });

  it("asks of a contribution from nothing that it be nothing", () => {
    const requester = { contributionSat: 100_000n, inputs: [input(1, 200_000n)], changeScript: CHANGE };
    const refused = planFunding({
      script: SCRIPT,
      feeRate: 1000,
      requester,
      responder: { ...NOTHING, contributionSat: 1n },
    });
    expect(refused).toMatchObject({ ok: false, error: { role: "responder", neededSat: 1n, availableSat: 0n } });
    expect(planned(requester).transaction.inputs).toHaveLength(1);
  });
});

describe("its signatures", () => {
  const first = input(1, 300_000n);
  const second = input(2, 200_000n);
  const { transaction } = planned({ contributionSat: 400_000n, inputs: [first, second], changeScript: CHANGE });
  const sign = (of: FundingInput) => secp256k1.sign(fundingSighash(transaction, of) ?? new Uint8Array(32), SECRET);

  it("spend the one input that they are for, at the amount that it has", () => {
    expect(isFundingSignature(transaction, first, sign(first))).toBe(true);
    expect(isFundingSignature(transaction, first, sign(second))).toBe(false);
    expect(isFundingSignature(transaction, { ...first, amountSat: 300_001n }, sign(first))).toBe(false);
    expect(isFundingSignature(transaction, input(3, 300_000n), sign(first))).toBe(false);
    const other = secp256k1.publicKey(sha256(Uint8Array.of(8)));
    expect(isFundingSignature(transaction, { ...first, publicKey: other }, sign(first))).toBe(false);
  });

  it("make it whole, each at its place", () => {
    const pairs = [second, first].map((one) => ({ input: one, signature: sign(one) }));
    const whole = parseTransaction(signedFunding(transaction, pairs));
    if (!whole.ok) throw new Error(whole.error.reason);
    expect(transactionId(whole.value)).toEqual(transactionId(transaction));
    expect(whole.value.inputs.every(({ witness }) => witness.length === 2 && witness[1]?.length === 33)).toBe(true);
    expect(() => signedFunding(transaction, pairs.slice(1))).toThrow("every input");
  });
});

describe("coins for a share", () => {
  it("are the fewest largest that pay for it and leave room for change", () => {
    const coins = [input(1, 10_000n), input(2, 60_000n), input(3, 50_000n), input(4, 400n)];
    const select = (contributionSat: bigint, most = 20) =>
      selectShare({ coins, role: "responder", contributionSat, feeRate: 1000, most });
    const one = select(59_000n);
    expect(one.ok && one.value).toEqual([coins[1]]);
    const two = select(60_000n);
    expect(two.ok && new Set(two.value)).toEqual(new Set([coins[1], coins[2]]));
    expect(select(100_000n, 1)).toMatchObject({ ok: false, error: { availableSat: 60_000n } });
    expect(select(120_101n)).toMatchObject({ ok: false, error: { type: "insufficient_funds" } });
  });

  it("always make a funding transaction", () => {
    fc.assert(
      fc.property(
        fc.array(fc.bigInt(1n, 1_000_000n), { maxLength: 40 }),
        fc.bigInt(1n, 4_000_000n),
        fc.integer({ min: 250, max: 20_000 }),
        (amounts, contributionSat, feeRate) => {
          const coins = amounts.map((amountSat, n) => input(n, amountSat));
          const chosen = selectShare({ coins, role: "requester", contributionSat, feeRate, most: 20 });
          if (!chosen.ok) {
            expect(chosen.error.neededSat).toBeGreaterThan(chosen.error.availableSat);
            return;
          }
          expect(chosen.value.length).toBeLessThanOrEqual(20);
          expect(new Set(chosen.value.map(({ txid }) => toHex(txid))).size).toBe(chosen.value.length);
          const requester = { contributionSat, inputs: chosen.value, changeScript: CHANGE };
          expect(planFunding({ script: SCRIPT, feeRate, requester, responder: NOTHING }).ok).toBe(true);
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe("a cancellation", () => {
  it("pays more than what it replaces, in all and for each byte", () => {
    const inputs = [input(1, 100_000n), input(2, 30_000n)];
    const plan = planned({ contributionSat: 120_000n, inputs, changeScript: CHANGE }, NOTHING, 5_000);
    const cancel = planCancellation({ inputs, script: CHANGE, replacedFeeSat: plan.feeSat, feeRate: 1000 });
    if (!cancel.ok) throw new Error("no money");
    const feeSat = 130_000n - sum(cancel.value.outputs);
    const weight = signed({ ...plan, transaction: cancel.value });
    expect(feeSat).toBe(plan.feeSat + feeForWeight(weight, 1000));
    expect(weight).toBeLessThan(signed(plan));
    expect(cancel.value.inputs.map(({ txid }) => toHex(txid)).sort()).toEqual(
      inputs.map(({ txid }) => toHex(txid)).sort(),
    );
  });

  it("is not made where the coins do not pay for it", () => {
    const cancel = planCancellation({
      inputs: [input(1, 1_000n)],
      script: CHANGE,
      replacedFeeSat: 900n,
      feeRate: 1000,
    });
    expect(cancel).toMatchObject({ ok: false, error: { type: "insufficient_funds", availableSat: 1_000n } });
  });
});
