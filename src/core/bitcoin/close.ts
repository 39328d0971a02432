// The transaction of a mutual close (seed 001 section 4.2). Both sides build it by themselves: it depends on nothing but its arguments,
// and swapping the two sides changes nothing.
import { err, ok, type Result } from "../base/index.ts";
import { compareOutputs } from "./bip69.ts";
import type { Funding } from "./commitment.ts";
import { isDust, splitFee } from "./fee.ts";
import { sighashAll } from "./sighash.ts";
import type { Transaction } from "./transaction.ts";

export type CloseSide = {
  /** The output script that this side wants to be paid to. */
  readonly script: Uint8Array;
  /** Settled balance in millisatoshi. */
  readonly msat: bigint;
};

export type Close = {
  readonly transaction: Transaction;
  /** What both commit keys sign. 32 bytes. */
  readonly sighash: Uint8Array;
};

export type BadClose =
  | { readonly type: "close_fee_not_even"; readonly feeSat: bigint }
  /** The fee leaves neither side an output of 546 satoshi. */
  | { readonly type: "close_without_output"; readonly feeSat: bigint; readonly fundingSat: bigint };

/** No lock, and no invitation to replace: a replacement is negotiated, and then signed by both, or it isn't valid. */
const SEQUENCE_FINAL = 0xffff_ffff;

/**
 * The close that pays `feeSat`, shared by the rule of the commitments: each side's floor(msat / 1000) less its share, dust dropped, in
 * the order of BIP 69. Spec: B2-31, B2-33, B2-45, B2-55, LW-1.
 */
export function closeTransaction(close: {
  readonly funding: Funding;
  readonly own: CloseSide;
  readonly oth: CloseSide;
  readonly feeSat: bigint;
}): Result<Close, BadClose> {
  const { funding, own, oth, feeSat } = close;
  if (feeSat < 0n || feeSat % 2n !== 0n) return err({ type: "close_fee_not_even", feeSat });
  const { ownSat, othSat } = splitFee({ feeSat, ownMsat: own.msat, othMsat: oth.msat });
  const outputs = [
    { amountSat: ownSat, script: own.script },
    { amountSat: othSat, script: oth.script },
  ].filter(({ amountSat }) => !isDust(amountSat));
  if (outputs.length === 0) return err({ type: "close_without_output", feeSat, fundingSat: funding.amountSat });
  const { txid, outputIndex: index } = funding;
  const transaction: Transaction = {
    version: 2,
    inputs: [{ txid, index, script: new Uint8Array(0), sequence: SEQUENCE_FINAL, witness: [] }],
    outputs: outputs.sort(compareOutputs),
    lockTime: 0,
  };
  return ok({ transaction, sighash: sighashAll(transaction, 0, funding.script, funding.amountSat) });
}
