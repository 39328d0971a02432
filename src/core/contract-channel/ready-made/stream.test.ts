import { describe, expect, it } from "vitest";
import { account, CONTRACT_ID, contractOf, program, resultOf } from "../../../../test/support/ready-made.ts";
import { concatBytes } from "../../base/index.ts";
import { binaryPush, intPush } from "../../vm/index.ts";
import { closeEvidence, closeMessage, totalEvidence, totalMessage } from "./evidence.ts";

const LATEST = 2 ** 32 - 1;
const E = 700_000;
const payer = account(1);
const payee = account(2);
const streamUntil = (expiry: number) => contractOf({ type: "stream", payer: payer.id, payee: payee.id, expiry });
const contract = streamUntil(E);

function paid(total: number, contractId = CONTRACT_ID): Uint8Array {
  return totalEvidence(payer.sign(totalMessage(contractId, total)), total);
}

function closed(total: number, contractId = CONTRACT_ID): Uint8Array {
  const [one, other] = [payee.sign(closeMessage(contractId, total)), payer.sign(totalMessage(contractId, total))];
  return closeEvidence(one, other, total);
}

describe("stream of payments", () => {
  it("gives a higher total a higher nonce, and the end of the stream the highest", () => {
    const runs = [0, 1, 2, 5_000, 9_999, 10_000].map((total) =>
      resultOf(contract, { height: E - 10, evidence: paid(total) }),
    );
    expect(runs).toEqual(
      [0, 1, 2, 5_000, 9_999, 10_000].map((amount) => ({ root: undefined, amount, nonce: amount + 1, delay: 10 })),
    );
    for (const amount of [0, 3, 10_000]) {
      const ended = { root: undefined, amount, nonce: 10_002, delay: 0 };
      expect(resultOf(contract, { height: E - 10, evidence: closed(amount) })).toEqual(ended);
    }
    expect(resultOf(contract, { height: E - 10 })).toEqual({ root: undefined, amount: 0, nonce: 1, delay: 10 });
  });

  it.each([
    [0, 0, 0],
    [1, 0, 1],
    [E, E - 2, 2],
    [E, E - 1, 1],
    [E, E, 0],
    [E, E + 1, 0],
    [LATEST, LATEST - 1, 1],
    [LATEST, LATEST, 0],
  ])("with expiry %i, at height %i: counts what is shown below the expiry only", (expiry, height, delay) => {
    const bounded = streamUntil(expiry);
    const nothing = { root: undefined, amount: 0, nonce: 1, delay };
    expect(resultOf(bounded, { height })).toEqual(nothing);
    const some = resultOf(bounded, { height, evidence: paid(700) });
    const ended = resultOf(bounded, { height, evidence: closed(700) });
    expect(some).toEqual(delay > 0 ? { ...nothing, amount: 700, nonce: 701 } : nothing);
    expect(ended).toEqual(delay > 0 ? { ...nothing, amount: 700, nonce: 10_002, delay: 0 } : nothing);
  });

  const ofPayer = (total: number) => payer.sign(totalMessage(CONTRACT_ID, total));
  const ofPayee = (total: number) => payee.sign(closeMessage(CONTRACT_ID, total));
  it.each([
    ["a total of another stream", paid(5, new Uint8Array(32).fill(9))],
    ["an end of another stream", closed(5, new Uint8Array(32).fill(9))],
    ["a total with another's signature", totalEvidence(payee.sign(totalMessage(CONTRACT_ID, 5)), 5)],
    ["a total in place of an end", closeEvidence(payee.sign(totalMessage(CONTRACT_ID, 5)), ofPayer(5), 5)],
    ["an end in place of a total", totalEvidence(payer.sign(closeMessage(CONTRACT_ID, 5)), 5)],
    ["an end that the payer has signed", closeEvidence(payer.sign(closeMessage(CONTRACT_ID, 5)), ofPayer(5), 5)],
    ["an end without the payer", concatBytes(binaryPush(ofPayee(5)), intPush(5))],
    ["an end at an older total than was signed", closeEvidence(ofPayee(6), ofPayer(5), 5)],
    ["a higher total than was signed", totalEvidence(ofPayer(5), 6)],
    ["a signature alone", binaryPush(ofPayer(5))],
    ["a total alone", intPush(5)],
    ["two signatures of the payer", closeEvidence(ofPayer(5), ofPayer(5), 5)],
    ["more than an end", concatBytes(intPush(1), closed(5))],
    ["something under a total", concatBytes(intPush(1), paid(5))],
    ["a total that is a list", concatBytes(binaryPush(ofPayer(5)), program("nil"))],
    ["a result", program("int 0 int 10002 int 10000 nil")],
  ])("fails on %s", (_, evidence) => {
    expect(resultOf(contract, { height: E - 1, evidence })).toBeTypeOf("string");
  });

  it("takes no notice of variables and a second stack that the evidence has filled", () => {
    const meddling = program("int 9 int 1 ! int 9000 int 2 ! int 9 >r");
    expect(resultOf(contract, { height: 1, evidence: concatBytes(meddling, paid(4)) })).toMatchObject({ amount: 4 });
    expect(resultOf(contract, { height: 1, evidence: meddling })).toMatchObject({ amount: 0, nonce: 1 });
  });
});
