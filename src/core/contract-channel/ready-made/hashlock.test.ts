import { describe, expect, it } from "vitest";
import { contractOf, program, resultOf } from "../../../../test/support/ready-made.ts";
import { asPaymentHash, concatBytes } from "../../base/index.ts";
import { sha256 } from "../../crypto/index.ts";
import { binaryPush } from "../../vm/index.ts";
import { secretEvidence } from "./evidence.ts";

const LATEST = 2 ** 32 - 1;
const SECRET = new Uint8Array(32).fill(5);
const hashOf = (secret: Uint8Array) => asPaymentHash(sha256(secret));

/** Values that are no secret, and evidence that gives more than it should. */
const WRONG: readonly (readonly [string, Uint8Array])[] = [
  ["another secret", secretEvidence(new Uint8Array(32).fill(6))],
  ["the hash itself", secretEvidence(sha256(SECRET))],
  ["an int", program("int 7")],
  ["the empty binary", binaryPush(new Uint8Array(0))],
  ["the empty list", program("nil")],
  ["the secret in a list", concatBytes(secretEvidence(SECRET), program("nil cons"))],
  ["the secret under something else", concatBytes(secretEvidence(SECRET), program("int 1"))],
  ["the hash of the secret by a function", concatBytes(secretEvidence(SECRET), program(": f hash ; f call"))],
  ["a result", program("int 0 int 2 int 10000 nil")],
];
/** Other programs that leave the secret on top. */
const RIGHT: readonly (readonly [string, Uint8Array])[] = [
  ["alone", secretEvidence(SECRET)],
  ["over a result", concatBytes(program("int 49 int 1 int 0 nil"), secretEvidence(SECRET))],
  ["put together", concatBytes(binaryPush(SECRET.subarray(0, 7)), binaryPush(SECRET.subarray(7)), program("++"))],
  ["with other things in all places", concatBytes(program("int 9 >r int 9 int 1 ! : f nop ;"), secretEvidence(SECRET))],
];
/** Secrets of another length, whose hash is the contract's: nobody is to be paid for one that another chain refuses. */
const LENGTHS = [0, 1, 4, 31, 33, 36, 64, 500].map((length) => new Uint8Array(length).fill(5));

describe("hashlock", () => {
  const contract = contractOf({ type: "hashlock", paymentHash: hashOf(SECRET) });

  it("[AP-2] pays for the secret, and says why not without it, at any height", () => {
    for (const height of [0, 700, LATEST]) {
      expect(resultOf(contract, { height })).toEqual({ root: undefined, amount: 0, nonce: 1, delay: 50 });
      const right = resultOf(contract, { height, evidence: secretEvidence(SECRET) });
      expect(right).toEqual({ root: undefined, amount: 10_000, nonce: 2, delay: 0 });
    }
  });

  it.each(WRONG)("[AP-2] takes %s for a wrong secret", (_, evidence) => {
    expect(resultOf(contract, { height: 1, evidence })).toEqual({ root: undefined, amount: 0, nonce: 1, delay: 49 });
  });

  it.each(RIGHT)("[AP-2] [AP-15] takes any program that leaves the secret on top: %s", (_, evidence) => {
    expect(resultOf(contract, { height: 1, evidence })).toMatchObject({ amount: 10_000, delay: 0 });
  });

  it.each(LENGTHS)("[AP-2] takes no secret of another length than 32 bytes (%#)", (...bytes) => {
    const secret = Uint8Array.from(bytes);
    const other = contractOf({ type: "hashlock", paymentHash: hashOf(secret) });
    expect(resultOf(other, { height: 1, evidence: binaryPush(secret) })).toMatchObject({ amount: 0, delay: 49 });
  });
});

describe("hashlock with expiry", () => {
  const contractUntil = (expiry: number) =>
    contractOf({ type: "hashlock_with_expiry", paymentHash: hashOf(SECRET), expiry });
  const E = 700_000;
  const contract = contractUntil(E);
  const paid = { root: undefined, amount: 10_000, nonce: 2, delay: 0 };
  const back = { root: undefined, amount: 0, nonce: 1, delay: 0 };
  const waiting = (delay: number) => ({ root: undefined, amount: 0, nonce: 1, delay });

  it.each([
    [0, 0, back, back],
    [1, 0, paid, waiting(1)],
    [E, 0, paid, waiting(E)],
    [E, E - 2, paid, waiting(2)],
    [E, E - 1, paid, waiting(1)],
    [E, E, back, back],
    [E, E + 1, back, back],
    [E, LATEST, back, back],
    [LATEST, 0, paid, waiting(LATEST)],
    [LATEST, LATEST - 1, paid, waiting(1)],
    [LATEST, LATEST, back, back],
  ])("[AP-2] with expiry %i, at height %i", (expiry, height, withSecret, without) => {
    const bounded = contractUntil(expiry);
    expect(resultOf(bounded, { height, evidence: secretEvidence(SECRET) })).toEqual(withSecret);
    expect(resultOf(bounded, { height })).toEqual(without);
    for (const [, evidence] of WRONG) expect(resultOf(bounded, { height, evidence })).toEqual(without);
  });

  it.each(RIGHT)("[AP-2] [AP-15] takes any program that leaves the secret on top: %s", (_, evidence) => {
    expect(resultOf(contract, { height: E - 1, evidence })).toEqual(paid);
    expect(resultOf(contract, { height: E, evidence })).toEqual(back);
  });

  it.each(LENGTHS)("[AP-2] takes no secret of another length than 32 bytes (%#)", (...bytes) => {
    const secret = Uint8Array.from(bytes);
    const other = contractOf({ type: "hashlock_with_expiry", paymentHash: hashOf(secret), expiry: E });
    expect(resultOf(other, { height: E - 3, evidence: binaryPush(secret) })).toEqual(waiting(3));
  });

  it("[AP-13] fails where the evidence has used up the gas, so that nothing is recorded", () => {
    const wasteful = concatBytes(program(`int 1 ${"hash ".repeat(45)} drop`), secretEvidence(SECRET));
    expect(resultOf(contract, { height: 1, evidence: wasteful })).toMatch(/out of time gas/);
    const large = concatBytes(binaryPush(new Uint8Array(850)), secretEvidence(SECRET));
    expect(resultOf(contract, { height: 1, evidence: large })).toMatch(/out of space gas/);
  });
});
