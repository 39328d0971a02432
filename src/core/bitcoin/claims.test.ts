import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ALICE, bytes32 } from "../../../test/support/commitments.ts";
import { asTxid } from "../base/index.ts";
import { secp256k1 } from "../crypto/index.ts";
import {
  type Claim,
  claimSighash,
  claimTransaction,
  claimWitness,
  claimWitnessWeight,
  type Spend,
  spendLocks,
} from "./claims.ts";
import { payToWitnessPublicKeyHash } from "./script.ts";
import { transactionWeight, witnessSize } from "./transaction.ts";

const script = new Uint8Array(140).fill(1);
const paymentPreimage = bytes32("payment");
const revocationPreimage = bytes32("revocation");
const SPENDS: Spend[] = [
  { type: "to_other", publicKey: ALICE.final.publicKey },
  { type: "to_self", script, delay: 144 },
  { type: "to_self_revoked", script, revocationPreimage },
  { type: "offered_fulfilled", script, paymentPreimage },
  { type: "offered_revoked", script, revocationPreimage },
  { type: "offered_timeout", script, delay: 144, expiry: 700 },
  { type: "received_fulfilled", script, delay: 144, paymentPreimage },
  { type: "received_revoked", script, revocationPreimage },
  { type: "received_timeout", script, expiry: 800 },
];
const toOther = claimOf({ type: "to_other", publicKey: ALICE.final.publicKey }, 0);
const destination = payToWitnessPublicKeyHash(ALICE.final.publicKey);

function claimOf(spend: Spend, index: number): Claim {
  return { txid: asTxid(bytes32("commitment")), index, amountSat: 10_000n, spend };
}

describe("claims", () => {
  it.each(SPENDS)("weigh what their witness weighs: $type", (spend) => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (hash) => {
        const witness = claimWitness(spend, secp256k1.sign(hash, ALICE.final.secret));
        const spare = claimWitnessWeight(spend) - witnessSize(witness);
        expect(spare >= 0 && spare <= 6).toBe(true);
      }),
      { numRuns: 20 },
    );
  });

  it("state the locks that their scripts ask for", () => {
    const locks = SPENDS.map((spend) => [spend.type, spendLocks(spend).sequence, spendLocks(spend).lockTime]);
    expect(locks).toEqual([
      ["to_other", 0xffff_fffd, 0],
      ["to_self", 144, 0],
      ["to_self_revoked", 0xffff_fffd, 0],
      ["offered_fulfilled", 0xffff_fffd, 0],
      ["offered_revoked", 0xffff_fffd, 0],
      ["offered_timeout", 144, 700],
      ["received_fulfilled", 144, 0],
      ["received_revoked", 0xffff_fffd, 0],
      ["received_timeout", 0xffff_fffd, 800],
    ]);
  });

  it("go together in one transaction that pays for its true size and waits for the last expiry", () => {
    const claims = SPENDS.map(claimOf);
    const result = claimTransaction(claims, destination, 5000);
    if (!result.ok) throw new Error(result.error.type);
    const unsigned = result.value;
    const witnesses = claims.map((claim, i) => {
      return claimWitness(claim.spend, secp256k1.sign(claimSighash(unsigned, i, claim), ALICE.final.secret));
    });
    const inputs = unsigned.inputs.map((input, i) => ({ ...input, witness: witnesses[i] ?? [] }));
    const size = transactionWeight({ ...unsigned, inputs }) / 4;
    const fee = 90_000n - (unsigned.outputs[0]?.amountSat ?? 0n);
    expect(Number(fee) / size).toBeGreaterThanOrEqual(5);
    expect(Number(fee) / size).toBeLessThan(5.1);
    expect(unsigned.lockTime).toBe(800);
  });

  it("are refused where the fee leaves dust", () => {
    const result = claimTransaction([toOther], destination, 89_000);
    expect(result).toMatchObject({ ok: false, error: { type: "claim_too_small", amountSat: 10_000n } });
    expect(claimTransaction([toOther], destination, 80_000).ok).toBe(true);
  });
});
