// Commitment fees (seed 001 section 3.6). Fees are whole, even satoshi, so that each side's half is whole too.
import { invariant } from "../base/index.ts";

/** An output below this many satoshi is not built: HTLCs, to-self, to-other and those of the close alike. Spec: B2-17, B2-31. */
export const DUST_LIMIT_SAT = 546n;

const FIXED_BYTES = 338;
const HTLC_BYTES = 32;

/** Whether an amount makes no output. Spec: B2-17. */
export function isDust(amountSat: bigint): boolean {
  return amountSat < DUST_LIMIT_SAT;
}

/** Bytes that the fee of a commitment is charged for, both to-final outputs assumed. Not its true size. Spec: B2-30, B2-53. */
export function commitmentByteCount(nonDustHtlcs: number): number {
  return FIXED_BYTES + HTLC_BYTES * nonDustHtlcs;
}

/**
 * The fee in satoshi of a commitment with so many HTLCs that are not dust, truncated to an even number. `feeRate` is in satoshi per
 * 1000 bytes, at most 32 bits. Spec: B2-30.
 */
export function commitmentFee(feeRate: number, nonDustHtlcs: number): bigint {
  invariant(Number.isInteger(feeRate) && feeRate >= 0 && feeRate <= 0xffff_ffff, `not a fee rate: ${feeRate}`);
  const fee = Math.floor((commitmentByteCount(nonDustHtlcs) * feeRate) / 1000);
  return BigInt(fee - (fee % 2));
}

/**
 * What is left of two balances after the fee, in satoshi: half each where both can pay it; else who can't pays all that it has
 * and the other what remains, as far as it can. Swapping the two sides swaps the answers, so both parties derive the same.
 *
 * `feeSat` is even. Balances are in millisatoshi; a part of a satoshi pays nothing and is lost to the fee. Outputs under the dust limit
 * are for the caller to drop. Spec: B2-31; seed 001 section 3.6.
 */
export function splitFee(of: { readonly feeSat: bigint; readonly ownMsat: bigint; readonly othMsat: bigint }): {
  readonly ownSat: bigint;
  readonly othSat: bigint;
} {
  const { feeSat } = of;
  invariant(feeSat >= 0n && feeSat % 2n === 0n, `a fee is even, got ${feeSat}`);
  invariant(of.ownMsat >= 0n && of.othMsat >= 0n, "no balance is negative");
  const half = feeSat / 2n;
  const ownSat = of.ownMsat / 1000n;
  const othSat = of.othMsat / 1000n;
  if (ownSat >= half && othSat >= half) return { ownSat: ownSat - half, othSat: othSat - half };
  if (ownSat < half) return { ownSat: 0n, othSat: afterPaying(othSat, feeSat - ownSat) };
  return { ownSat: afterPaying(ownSat, feeSat - othSat), othSat: 0n };
}

function afterPaying(balanceSat: bigint, feeSat: bigint): bigint {
  return balanceSat > feeSat ? balanceSat - feeSat : 0n;
}

/** The fee of `weight` units at `feeRate` satoshi per 1000 virtual bytes, rounded up. */
export function feeForWeight(weight: number, feeRate: number): bigint {
  return BigInt(Math.ceil((Math.ceil(weight / 4) * feeRate) / 1000));
}
