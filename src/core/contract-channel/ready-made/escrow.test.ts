import { describe, expect, it } from "vitest";
import {
  account,
  CHANNEL_ID,
  CONTRACT_ID,
  contractOf,
  program,
  resultOf,
} from "../../../../test/support/ready-made.ts";
import { concatBytes } from "../../base/index.ts";
import { binaryPush, intPush } from "../../vm/index.ts";
import { decisionEvidence, decisionMessage, totalMessage } from "./evidence.ts";

const LATEST = 2 ** 32 - 1;
const E = 700_000;
const arbiter = account(1);
const stranger = account(2);
const escrowUntil = (expiry: number) => contractOf({ type: "escrow", arbiter: arbiter.id, expiry, otherwise: 2_500 });
const contract = escrowUntil(E);

function decision(amount: number, contractId = CONTRACT_ID): Uint8Array {
  return decisionEvidence(arbiter.sign(decisionMessage(contractId, amount)), amount);
}

describe("escrow", () => {
  it.each([0, 1, 5_000, 9_999, 10_000])("pays the beneficiary %i of 10,000 as the arbiter decides", (amount) => {
    const decided = { root: undefined, amount, nonce: 2, delay: 0 };
    expect(resultOf(contract, { height: E - 1, evidence: decision(amount) })).toEqual(decided);
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
  ])("with expiry %i, at height %i: counts a decision below the expiry only", (expiry, height, delay) => {
    const otherwise = { root: undefined, amount: 2_500, nonce: 1, delay };
    expect(resultOf(escrowUntil(expiry), { height })).toEqual(otherwise);
    const decided = resultOf(escrowUntil(expiry), { height, evidence: decision(10_000) });
    if (delay > 0) expect(decided).toMatchObject({ amount: 10_000, nonce: 2, delay: 0 });
    else expect(decided).toEqual(otherwise);
  });

  const signed = (message: Uint8Array, by = arbiter) => by.sign(message);
  const good = signed(decisionMessage(CONTRACT_ID, 5_000));
  it.each([
    ["a decision about another contract of the channel", decision(5_000, new Uint8Array(32).fill(9))],
    ["a decision about the channel", decision(5_000, CHANNEL_ID)],
    ["another's decision", decisionEvidence(signed(decisionMessage(CONTRACT_ID, 5_000), stranger), 5_000)],
    ["a decision with another outcome", decisionEvidence(good, 5_001)],
    ["something else that the arbiter has signed", decisionEvidence(signed(totalMessage(CONTRACT_ID, 5_000)), 5_000)],
    ["a decision of more than all", concatBytes(binaryPush(signed(messageOf(10_001))), intPush(10_001))],
    [
      "a decision that is no int",
      concatBytes(binaryPush(signed(messageOf("00001388ff"))), binaryPush(hex("00001388ff"))),
    ],
    ["a decision that is a list", concatBytes(binaryPush(good), program("nil"))],
    ["a signature alone", binaryPush(good)],
    ["an outcome alone", intPush(5_000)],
    ["a signature that is cut", concatBytes(binaryPush(good.subarray(1)), intPush(5_000))],
    ["a signature that is a list", concatBytes(program("nil"), intPush(5_000))],
    ["more than a decision", concatBytes(intPush(1), decision(5_000))],
    ["a result", program("int 0 int 2 int 10000 nil")],
  ])("fails on %s", (_, evidence) => {
    expect(resultOf(contract, { height: E - 1, evidence })).toBeTypeOf("string");
  });

  it("takes no notice of variables, functions and a second stack that the evidence has filled", () => {
    const meddling = program(": f nop ; int 9 int 1 ! int 9 int 2 ! int 9 >r");
    const evidence = concatBytes(meddling, decision(7_000));
    expect(resultOf(contract, { height: 1, evidence })).toMatchObject({ amount: 7_000, nonce: 2, delay: 0 });
    expect(resultOf(contract, { height: 1, evidence: meddling })).toMatchObject({ amount: 2_500, delay: E - 1 });
  });

  it("takes an outcome in any encoding of the int", () => {
    const as4Bytes = concatBytes(binaryPush(good), binaryPush(hex("00001388")));
    expect(resultOf(contract, { height: 1, evidence: as4Bytes })).toMatchObject({ amount: 5_000 });
  });

  it("makes every decision final, so that the first one that is included counts", () => {
    for (const amount of [0, 10_000]) {
      expect(resultOf(contract, { height: 1, evidence: decision(amount) })).toMatchObject({ nonce: 2, delay: 0 });
    }
  });
});

function hex(digits: string): Uint8Array {
  return Uint8Array.from(Buffer.from(digits, "hex"));
}

/** What an arbiter that is not ours may sign: the tag, the id, and any bytes. */
function messageOf(outcome: number | string): Uint8Array {
  const bytes = typeof outcome === "string" ? hex(outcome) : hex(outcome.toString(16).padStart(8, "0"));
  return concatBytes(new TextEncoder().encode("sluice escrow arbiter's decision"), CONTRACT_ID, bytes);
}
