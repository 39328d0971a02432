import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ALICE, BOB, bytes32 } from "../../../test/support/commitments.ts";
import { asTxid } from "../base/index.ts";
import { anchorScript } from "./channel-scripts.ts";
import { type CloseSide, closeTransaction } from "./close.ts";
import { payToWitnessPublicKeyHash } from "./script.ts";
import { sighashAll } from "./sighash.ts";

function closeOf(ownMsat: bigint, othMsat: bigint, feeSat: bigint) {
  const own: CloseSide = { script: payToWitnessPublicKeyHash(ALICE.final.publicKey), msat: ownMsat };
  const oth: CloseSide = { script: payToWitnessPublicKeyHash(BOB.final.publicKey), msat: othMsat };
  const script = anchorScript(ALICE.commit.publicKey, BOB.commit.publicKey);
  const amountSat = (ownMsat + othMsat + 999n) / 1000n;
  return { funding: { txid: asTxid(bytes32("funding")), outputIndex: 1, amountSat, script }, own, oth, feeSat };
}

function amounts(ownMsat: bigint, othMsat: bigint, feeSat: bigint): bigint[] {
  const result = closeTransaction(closeOf(ownMsat, othMsat, feeSat));
  return result.ok ? result.value.transaction.outputs.map(({ amountSat }) => amountSat) : [];
}

describe("closeTransaction", () => {
  it("[LW-1] pays both scripts, sorted, without locks", () => {
    const close = closeOf(600_000_500n, 399_999_500n, 200n);
    const result = closeTransaction(close);
    if (!result.ok) throw new Error(result.error.type);
    const { transaction, sighash } = result.value;
    expect(transaction).toEqual({
      version: 2,
      inputs: [{ txid: close.funding.txid, index: 1, script: new Uint8Array(0), sequence: 0xffff_ffff, witness: [] }],
      outputs: [
        { amountSat: 399_899n, script: close.oth.script },
        { amountSat: 599_900n, script: close.own.script },
      ],
      lockTime: 0,
    });
    expect(sighash).toEqual(sighashAll(transaction, 0, close.funding.script, close.funding.amountSat));
  });

  it("[B2-55] splits the fee by the rule of commitments", () => {
    expect(amounts(1_000_000n, 99_000n, 200n)).toEqual([899n]);
    expect(amounts(1_000_000n, 646_000n, 200n)).toEqual([546n, 900n]);
    expect(amounts(1_000_000n, 645_999n, 200n)).toEqual([900n]);
  });

  it("keeps at least one output, and takes no odd fee", () => {
    expect(closeTransaction(closeOf(645_000n, 645_000n, 200n))).toEqual({
      ok: false,
      error: { type: "close_without_output", feeSat: 200n, fundingSat: 1290n },
    });
    expect(closeTransaction(closeOf(10n ** 9n, 0n, 201n))).toEqual({
      ok: false,
      error: { type: "close_fee_not_even", feeSat: 201n },
    });
    expect(closeTransaction(closeOf(10n ** 9n, 0n, -2n)).ok).toBe(false);
  });

  it("[LW-1] is the same whichever side builds it, and creates nothing", () => {
    const balance = fc.oneof(fc.bigInt(0n, 3_000_000n), fc.bigInt(0n, 10n ** 12n));
    fc.assert(
      fc.property(balance, balance, fc.bigInt(0n, 2_000n), (ownMsat, othMsat, half) => {
        const close = closeOf(ownMsat, othMsat, 2n * half);
        const result = closeTransaction(close);
        expect(closeTransaction({ ...close, own: close.oth, oth: close.own })).toEqual(result);
        if (!result.ok) return;
        const paid = result.value.transaction.outputs.reduce((sum, { amountSat }) => sum + amountSat, 0n);
        expect(paid + close.feeSat <= close.funding.amountSat).toBe(true);
        // Two parts of a satoshi and two dust outputs at most.
        expect(close.funding.amountSat - paid - close.feeSat <= 2n * 545n + 2n).toBe(true);
      }),
    );
  });
});
