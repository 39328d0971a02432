// Channels and commitments for tests: keys anybody can know, and arbitrary commitment parameters that add up.
import fc from "fast-check";
import { asTxid } from "../../src/core/base/index.ts";
import { anchorScript, type CommitmentHtlc, type CommitmentParams, numberMask } from "../../src/core/bitcoin/index.ts";
import { secp256k1, sha256 } from "../../src/core/crypto/index.ts";

export type KeyPair = { readonly secret: Uint8Array; readonly publicKey: Uint8Array };

/** 32 bytes that depend on `name` alone. */
export function bytes32(name: string): Uint8Array {
  return sha256(new TextEncoder().encode(name));
}

function keyPair(name: string): KeyPair {
  const secret = bytes32(`key ${name}`);
  return { secret, publicKey: secp256k1.publicKey(secret) };
}

/** The keys of a channel that Alice opened to Bob. */
export const ALICE = { commit: keyPair("alice commit"), final: keyPair("alice final") };
export const BOB = { commit: keyPair("bob commit"), final: keyPair("bob final") };

const arbitraryHtlc: fc.Arbitrary<Omit<CommitmentHtlc, "id">> = fc.record({
  direction: fc.constantFrom("offered" as const, "received" as const),
  // Few amounts, hashes and expiries, around the dust limit too, so that ties are frequent.
  amountMsat: fc.oneof(
    fc.constantFrom(1n, 545_999n, 546_000n, 546_999n, 547_000n, 10_000_000n),
    fc.bigInt(1n, 5_000_000_000n),
  ),
  paymentHash: fc.oneof(fc.constantFrom(bytes32("a"), bytes32("b")), fc.uint8Array({ minLength: 32, maxLength: 32 })),
  expiry: fc.oneof(fc.constantFrom(500, 501), fc.integer({ min: 0, max: 499_999_999 })),
});

/** What Alice holds; the funding is what balances and HTLCs add up to, filled up to whole satoshi for Alice. */
export const arbitraryCommitment: fc.Arbitrary<CommitmentParams> = fc
  .record({
    htlcs: fc.array(arbitraryHtlc, { maxLength: 12 }),
    ownMsat: fc.oneof(fc.bigInt(0n, 2_000_000n), fc.bigInt(0n, 4_000_000_000n)),
    othMsat: fc.oneof(fc.bigInt(0n, 2_000_000n), fc.bigInt(0n, 4_000_000_000n)),
    feeRate: fc.oneof(fc.integer({ min: 0, max: 10_000 }), fc.integer({ min: 0, max: 0xffff_ffff })),
    delay: fc.integer({ min: 0, max: 0xffff }),
    number: fc.bigInt(0n, 2n ** 48n - 1n),
    revocationHash: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  })
  .map(({ htlcs, ...rest }) =>
    commitmentOf({ ...rest, htlcs: htlcs.map((htlc, id) => ({ ...htlc, id: BigInt(id) })) }),
  );

type Contents = Pick<
  CommitmentParams,
  "htlcs" | "ownMsat" | "othMsat" | "feeRate" | "delay" | "number" | "revocationHash"
>;

export function commitmentOf(
  contents: Contents,
  outpoint = { txid: asTxid(bytes32("funding")), index: 0 },
): CommitmentParams {
  const { htlcs, othMsat } = contents;
  const inHtlcs = htlcs.reduce((sum, { amountMsat }) => sum + amountMsat, 0n);
  const amountSat = (contents.ownMsat + othMsat + inHtlcs + 999n) / 1000n;
  return {
    ...contents,
    ownMsat: amountSat * 1000n - othMsat - inHtlcs,
    funding: {
      txid: outpoint.txid,
      outputIndex: outpoint.index,
      amountSat,
      script: anchorScript(ALICE.commit.publicKey, BOB.commit.publicKey),
    },
    numberMask: numberMask(ALICE.commit.publicKey, BOB.commit.publicKey),
    ownFinalKey: ALICE.final.publicKey,
    othFinalKey: BOB.final.publicKey,
  };
}
