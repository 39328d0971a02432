import { invariant } from "./invariant.ts";

declare const satoshi: unique symbol;
declare const milliSatoshi: unique symbol;

/** An on chain amount: whole satoshi, never negative. */
export type Satoshi = bigint & { readonly [satoshi]: true };
/** An off chain amount: thousandths of a satoshi, never negative. */
export type Msat = bigint & { readonly [milliSatoshi]: true };

/** 21 million bitcoin in satoshi: no valid amount is larger. */
export const MAX_SATOSHI: Satoshi = 2_100_000_000_000_000n as Satoshi;

/** A whole, non-negative number of satoshi as a branded amount; throws InvariantBroken on anything else. */
export function sat(amount: bigint | number): Satoshi {
  const value = BigInt(amount);
  invariant(value >= 0n && value <= MAX_SATOSHI, `not an amount in satoshi: ${value}`);
  return value as Satoshi;
}

/** A whole, non-negative number of millisatoshi as a branded amount; throws InvariantBroken on anything else. */
export function msat(amount: bigint | number): Msat {
  const value = BigInt(amount);
  invariant(value >= 0n && value <= MAX_SATOSHI * 1000n, `not an amount in millisatoshi: ${value}`);
  return value as Msat;
}

export function toMsat(amount: Satoshi): Msat {
  return (amount * 1000n) as Msat;
}

/** Rounds down to whole satoshi, as every on chain amount does. Spec: B2-17; seed 001 section 3.2. */
export function floorToSat(amount: Msat): Satoshi {
  return (amount / 1000n) as Satoshi;
}
