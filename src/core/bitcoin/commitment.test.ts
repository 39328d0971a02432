import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ALICE, arbitraryCommitment, BOB, bytes32, commitmentOf } from "../../../test/support/commitments.ts";
import { concatBytes, equalBytes, InvariantBroken, toHex } from "../base/index.ts";
import { hash160, secp256k1, sha256 } from "../crypto/index.ts";
import {
  type CommitmentParams,
  commitmentOutputs,
  commitmentTransaction,
  compareCommitmentOutputs,
  withAnchorWitness,
} from "./commitment.ts";
import { buildCommitment, createCommitmentBuffer } from "./commitment-buffer.ts";
import { commitmentNumberOf, numberLocks, numberMask } from "./commitment-number.ts";
import { sighashAll } from "./sighash.ts";

const plain = commitmentOf({
  htlcs: [],
  ownMsat: 600_000_500n,
  othMsat: 399_999_500n,
  feeRate: 1000,
  delay: 144,
  number: 0n,
  revocationHash: bytes32("revocation"),
});

function htlc(id: number, over: Partial<CommitmentParams["htlcs"][number]> = {}): CommitmentParams["htlcs"][number] {
  const paymentHash = bytes32(`payment ${id}`);
  return { direction: "offered", id: BigInt(id), amountMsat: 1_000_000n, paymentHash, expiry: 600, ...over };
}

function withHtlcs(...htlcs: CommitmentParams["htlcs"]): CommitmentParams {
  return commitmentOf({ ...plain, htlcs, ownMsat: 600_000_000n, othMsat: 400_000_000n });
}

describe("commitmentOutputs", () => {
  it("[B2-17] rounds each output down to satoshi and splits the fee", () => {
    expect(commitmentOutputs(plain).map(({ type, amountSat }) => [type, amountSat])).toEqual([
      ["to_other", 399_999n - 169n],
      ["to_self", 600_000n - 169n],
    ]);
  });

  it("[B2-17] [B2-53] drops what is under 546 satoshi, and asks no fee for a dropped HTLC", () => {
    const dust = htlc(0, { amountMsat: 545_999n });
    const least = htlc(1, { amountMsat: 546_000n });
    const params = withHtlcs(dust, least);
    expect(commitmentOutputs(params).map(({ amountSat }) => amountSat)).toEqual([
      546n,
      400_000n - 185n,
      600_000n - 185n,
    ]);
    expect(buildCommitment(params).feeSat).toBe(370n);
  });

  it("[B2-31] drops a to-final output that the fee made dust", () => {
    const params = commitmentOf({ ...plain, ownMsat: 999_286_000n, othMsat: 714_000n });
    expect(commitmentOutputs(params).map(({ type }) => type)).toEqual(["to_self"]);
    const one = commitmentOf({ ...plain, ownMsat: 999_285_000n, othMsat: 715_000n });
    expect(commitmentOutputs(one).map(({ type, amountSat }) => [type, amountSat])).toEqual([
      ["to_other", 546n],
      ["to_self", 999_116n],
    ]);
  });

  it("[LW-6] [LW-1] have one order, with expiry, id and direction behind BIP 69", () => {
    const paymentHash = bytes32("same");
    const params = withHtlcs(
      htlc(4, { paymentHash, expiry: 500 }),
      htlc(2, { paymentHash }),
      htlc(3, { paymentHash }),
      htlc(1, { paymentHash, direction: "received" }),
    );
    const expected = commitmentOutputs(params);
    expect(
      expected
        .map((output) => (output.type === "htlc" ? output.htlcId : output.type))
        .filter((id) => id === 2n || id === 3n),
    ).toEqual([2n, 3n]);
    fc.assert(
      fc.property(fc.shuffledSubarray([...params.htlcs], { minLength: 4, maxLength: 4 }), (htlcs) => {
        expect(commitmentOutputs({ ...params, htlcs })).toEqual(expected);
      }),
    );
    for (const a of expected) for (const b of expected) expect(compareCommitmentOutputs(a, b) === 0).toBe(a === b);
  });

  it("[LW-1] are the same in whatever order the HTLCs are given, and sorted", () => {
    fc.assert(
      fc.property(arbitraryCommitment, (params) => {
        const outputs = commitmentOutputs(params);
        expect(commitmentOutputs({ ...params, htlcs: params.htlcs.toReversed() })).toEqual(outputs);
        expect(outputs.toSorted(compareCommitmentOutputs)).toEqual(outputs);
      }),
    );
  });

  it("[B2-17] [B2-30] [B2-31] [B2-53] conserve the funding: outputs, fee, dust and parts of a satoshi add up", () => {
    fc.assert(
      fc.property(arbitraryCommitment, (params) => {
        const outputs = commitmentOutputs(params);
        const paid = outputs.reduce((sum, { amountSat }) => sum + amountSat, 0n);
        const { feeSat } = buildCommitment(params);
        const dust = params.htlcs.filter(({ amountMsat }) => amountMsat < 546_000n);
        const kept = params.htlcs.filter(({ amountMsat }) => amountMsat >= 546_000n);
        const balances = params.ownMsat / 1000n + params.othMsat / 1000n;
        const parts =
          (params.ownMsat % 1000n) +
          (params.othMsat % 1000n) +
          kept.reduce((sum, { amountMsat }) => sum + (amountMsat % 1000n), 0n);
        const lost = dust.reduce((sum, { amountMsat }) => sum + amountMsat, 0n) + parts;
        const charged = feeSat < balances ? feeSat : balances;
        const droppedFinal = params.funding.amountSat - paid - charged - lost / 1000n;
        expect(lost % 1000n).toBe(0n);
        expect(outputs.every(({ amountSat }) => amountSat >= 546n)).toBe(true);
        // At most two to-final outputs are dropped as dust.
        expect(droppedFinal >= 0n && droppedFinal <= 2n * 545n).toBe(true);
        expect(outputs.filter(({ type }) => type === "htlc").length).toBe(kept.length);
      }),
    );
  });

  it("are never built from amounts that don't add up", () => {
    for (const buffer of [undefined, createCommitmentBuffer()]) {
      expect(() => buildCommitment({ ...plain, ownMsat: plain.ownMsat + 1n }, buffer)).toThrow(InvariantBroken);
      expect(() => buildCommitment({ ...plain, htlcs: [htlc(0)] }, buffer)).toThrow(InvariantBroken);
    }
  });

  it("[B2-45] pay the other's final key", () => {
    const output = commitmentOutputs(plain).find(({ type }) => type === "to_other");
    expect(toHex(output?.script ?? new Uint8Array(0))).toBe(`0014${toHex(hash160(BOB.final.publicKey))}`);
  });
});

describe("buildCommitment", () => {
  it("gives the hash of the transaction, with and without a buffer that has seen other commitments", () => {
    const buffer = createCommitmentBuffer();
    fc.assert(
      fc.property(arbitraryCommitment, fc.nat({ max: 12 }), (params, kept) => {
        const transaction = commitmentTransaction(params);
        const hash = toHex(sighashAll(transaction, 0, params.funding.script, params.funding.amountSat));
        expect(toHex(buildCommitment(params).sighash)).toBe(hash);
        expect(buildCommitment(params, buffer)).toEqual(buildCommitment(params));
        // The next commitments of both sides: a new revocation hash, some HTLCs gone, and the mirror image.
        const next = commitmentOf({
          ...params,
          htlcs: params.htlcs.slice(0, kept),
          revocationHash: sha256(params.revocationHash),
        });
        expect(buildCommitment(next, buffer)).toEqual(buildCommitment(next));
        const mirrored = mirror(next, params.revocationHash);
        expect(buildCommitment(mirrored, buffer)).toEqual(buildCommitment(mirrored));
        expect(buildCommitment(params, buffer)).toEqual(buildCommitment(params));
      }),
    );
  });

  it("[B2-15] takes nothing from an HTLC that only has the same id", () => {
    const buffer = createCommitmentBuffer();
    const first = withHtlcs(htlc(7));
    for (const change of [
      { amountMsat: 1_001_000n },
      { expiry: 601 },
      { paymentHash: bytes32("x") },
      { direction: "received" as const },
    ]) {
      buildCommitment(first, buffer);
      const other = withHtlcs(htlc(7, change));
      expect(buildCommitment(other, buffer)).toEqual(buildCommitment(other));
      expect(buildCommitment(other).sighash).not.toEqual(buildCommitment(first).sighash);
    }
    const paymentHash = bytes32("payment 7");
    const shared = withHtlcs(htlc(7, { paymentHash }));
    const expected = buildCommitment(shared);
    buildCommitment(shared, buffer);
    paymentHash.fill(0);
    const zero = withHtlcs(htlc(7, { paymentHash }));
    expect(buildCommitment(zero, buffer)).toEqual(buildCommitment(zero));
    expect(buildCommitment(zero).sighash).not.toEqual(expected.sighash);
  });

  it("[LW-1] orders outputs of equal amounts by script: P2WPKH first, then by hash", () => {
    const htlcs = [htlc(0), htlc(1), htlc(2, { direction: "received" }), htlc(3, { direction: "received" })];
    const buffer = createCommitmentBuffer();
    for (let i = 0; i < 20; i++) {
      const revocationHash = bytes32(`revocation ${i}`);
      const params = commitmentOf({ ...plain, htlcs, ownMsat: 1_233_000n, othMsat: 1_233_000n, revocationHash });
      const outputs = commitmentOutputs(params);
      expect(outputs.map(({ amountSat }) => amountSat)).toEqual(Array.from({ length: 6 }, () => 1000n));
      expect(outputs[0]?.type).toBe("to_other");
      expect(buildCommitment(params, buffer)).toEqual(buildCommitment(params));
    }
  });

  it("keeps no script of HTLCs that are gone", () => {
    const buffer = createCommitmentBuffer();
    for (let id = 0; id < 500; id++) buildCommitment(withHtlcs(htlc(id)), buffer);
    const held = buffer.families.flatMap(({ offered, received }) => [...offered.keys(), ...received.keys()]);
    expect(held.length).toBeLessThan(100);
    expect(held).toContain(499n);
  });

  it("[B2-19] builds the largest commitments: 1,150 HTLCs each way", () => {
    const htlcs = Array.from({ length: 2300 }, (_, id) =>
      htlc(id, { direction: id % 2 === 0 ? "offered" : "received" }),
    );
    const params = commitmentOf({ ...plain, htlcs, ownMsat: 600_000_000n, othMsat: 400_000_000n });
    expect(commitmentOutputs(params).length).toBe(2302);
    expect(buildCommitment(params, createCommitmentBuffer())).toEqual(buildCommitment(params));
    expect(buildCommitment(params).feeSat).toBe(73_938n);
  });

  it("[B2-15] differs for the two sides, each of which derives both", () => {
    const params = withHtlcs(htlc(0), htlc(1, { direction: "received" }));
    const seenByBob = mirror(mirror(params, params.revocationHash), params.revocationHash);
    expect(buildCommitment(seenByBob)).toEqual(buildCommitment(params));
    expect(buildCommitment(mirror(params, params.revocationHash)).sighash).not.toEqual(buildCommitment(params).sighash);
  });
});

/** The other side's commitment with the same contents. */
function mirror(params: CommitmentParams, revocationHash: Uint8Array): CommitmentParams {
  return {
    ...params,
    ownFinalKey: params.othFinalKey,
    othFinalKey: params.ownFinalKey,
    ownMsat: params.othMsat,
    othMsat: params.ownMsat,
    revocationHash,
    htlcs: params.htlcs.map((one) => ({ ...one, direction: one.direction === "offered" ? "received" : "offered" })),
  };
}

describe("commitment numbers", () => {
  it("are masked with the last six bytes of the hash of both keys, the initiator's first", () => {
    const hash = sha256(concatBytes(ALICE.commit.publicKey, BOB.commit.publicKey));
    expect(plain.numberMask).toBe(BigInt(`0x${toHex(hash.subarray(26))}`));
    expect(numberMask(BOB.commit.publicKey, ALICE.commit.publicKey)).not.toBe(plain.numberMask);
  });

  it("read back, and look neither like a height nor like a relative lock", () => {
    const bits = fc.bigInt(0n, 2n ** 48n - 1n);
    fc.assert(
      fc.property(bits, bits, (number, mask) => {
        const { lockTime, sequence } = numberLocks(number, mask);
        expect(commitmentNumberOf(lockTime, sequence, mask)).toBe(number);
        expect(lockTime >= 500_000_000 && lockTime < 0x2100_0000).toBe(true);
        expect(sequence >= 0x8000_0000 && sequence < 0x8100_0000).toBe(true);
      }),
    );
  });

  it("stand as BOLT 3 places them", () => {
    // BOLT 3, appendix C: the obscured number of commitment 42 with mask 0x2bb038521914.
    expect(numberLocks(42n, 0x2bb038521914n)).toEqual({ lockTime: 542_251_326, sequence: 0x80_2bb038 });
    expect(commitmentNumberOf(0, 0xffff_ffff, 1n)).toBeUndefined();
    expect(commitmentNumberOf(0x2000_0000, 0xffff_ffff, 1n)).toBeUndefined();
    expect(() => numberLocks(2n ** 48n, 0n)).toThrow(InvariantBroken);
  });
});

describe("withAnchorWitness", () => {
  it("[B2-45] puts the signatures in the order of the keys, whichever is given first", () => {
    const { sighash } = buildCommitment(plain);
    const a = { commitKey: ALICE.commit.publicKey, signature: secp256k1.sign(sighash, ALICE.commit.secret) };
    const b = { commitKey: BOB.commit.publicKey, signature: secp256k1.sign(sighash, BOB.commit.secret) };
    const signed = withAnchorWitness(commitmentTransaction(plain), a, b);
    expect(withAnchorWitness(commitmentTransaction(plain), b, a)).toEqual(signed);
    const witness = signed.inputs[0]?.witness ?? [];
    expect(witness.map((item) => item.length).at(0)).toBe(0);
    expect(witness.length).toBe(4);
    expect(equalBytes(witness[3] ?? new Uint8Array(0), plain.funding.script)).toBe(true);
    expect([witness[1]?.at(-1), witness[2]?.at(-1)]).toEqual([1, 1]);
  });
});
