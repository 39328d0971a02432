import { invariant } from "../base/index.ts";

declare const ledgerUnits: unique symbol;

/** An amount in the ledger's unit, from 0 to 2^63 - 1. What a unit is worth, the ledger's description says. */
export type Units = bigint & { readonly [ledgerUnits]: true };

/** The largest amount: sums of deposits stay below 2^63, so that signed numbers of 64 bits hold every one. */
export const MAX_UNITS: Units = (2n ** 63n - 1n) as Units;

export function isUnits(value: bigint): value is Units {
  return value >= 0n && value <= MAX_UNITS;
}

/** A whole number as a branded amount; throws InvariantBroken on one that is negative or 2^63 and more. */
export function units(amount: bigint | number): Units {
  const value = BigInt(amount);
  invariant(isUnits(value), `not an amount of a ledger: ${value}`);
  return value;
}
