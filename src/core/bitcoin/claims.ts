// Spending the outputs of a commitment. Every path in one place: what its witness holds, which locks it needs, what it weighs.
import { assertNever, err, invariant, ok, type Result, type Txid } from "../base/index.ts";
import { feeForWeight } from "./fee.ts";
import { p2wpkhSighash, p2wpkhWitness } from "./pay-to-public-key.ts";
import { sighashAll } from "./sighash.ts";
import { type Transaction, transactionWeight, witnessSize } from "./transaction.ts";
import { MAX_WITNESS_SIGNATURE_BYTES, witnessSignature } from "./witness-signature.ts";

/**
 * One way to spend one kind of output. "Holder" is whose commitment it is, "other" its peer; `script` is the witness script; delays
 * are blocks, expiries heights, preimages 32 bytes.
 */
export type Spend =
  /** The other, at once: P2WPKH of its final key. */
  | { readonly type: "to_other"; readonly publicKey: Uint8Array }
  /** The holder, after the delay. */
  | { readonly type: "to_self"; readonly script: Uint8Array; readonly delay: number }
  /** The other, at once. */
  | { readonly type: "to_self_revoked"; readonly script: Uint8Array; readonly revocationPreimage: Uint8Array }
  /** HTLC offered by the holder: the other, at once. */
  | { readonly type: "offered_fulfilled"; readonly script: Uint8Array; readonly paymentPreimage: Uint8Array }
  | { readonly type: "offered_revoked"; readonly script: Uint8Array; readonly revocationPreimage: Uint8Array }
  /** HTLC offered by the holder: the holder, after expiry and delay both. */
  | { readonly type: "offered_timeout"; readonly script: Uint8Array; readonly delay: number; readonly expiry: number }
  /** HTLC received by the holder: the holder, after the delay. */
  | {
      readonly type: "received_fulfilled";
      readonly script: Uint8Array;
      readonly delay: number;
      readonly paymentPreimage: Uint8Array;
    }
  | { readonly type: "received_revoked"; readonly script: Uint8Array; readonly revocationPreimage: Uint8Array }
  /** HTLC received by the holder: the other, after expiry. */
  | { readonly type: "received_timeout"; readonly script: Uint8Array; readonly expiry: number };

export type Claim = {
  readonly txid: Txid;
  readonly index: number;
  readonly amountSat: bigint;
  readonly spend: Spend;
};

/** Replaceable, no relative lock; below 0xffffffff, which would switch CHECKLOCKTIMEVERIFY off. Source: BIP 125, BIP 68, BIP 65. */
const SEQUENCE_REPLACEABLE = 0xffff_fffd;
/** What stands in for the preimage where an HTLC script asks for 32 bytes and none is known. */
const NO_PREIMAGE = new Uint8Array(32);
const EMPTY = new Uint8Array(0);

/** The sequence that the input needs, and the least lock time that its transaction needs. Source: BIP 68, BIP 65. */
export function spendLocks(spend: Spend): { readonly sequence: number; readonly lockTime: number } {
  switch (spend.type) {
    case "to_other":
    case "to_self_revoked":
    case "offered_fulfilled":
    case "offered_revoked":
    case "received_revoked":
      return { sequence: SEQUENCE_REPLACEABLE, lockTime: 0 };
    case "to_self":
    case "received_fulfilled":
      return { sequence: spend.delay, lockTime: 0 };
    case "offered_timeout":
      return { sequence: spend.delay, lockTime: spend.expiry };
    case "received_timeout":
      return { sequence: SEQUENCE_REPLACEABLE, lockTime: spend.expiry };
    default:
      return assertNever(spend);
  }
}

/** What stands between signature and script: it selects the path. */
function selector(spend: Exclude<Spend, { type: "to_other" }>): Uint8Array {
  switch (spend.type) {
    case "to_self":
      return EMPTY;
    case "to_self_revoked":
    case "offered_revoked":
    case "received_revoked":
      return spend.revocationPreimage;
    case "offered_fulfilled":
    case "received_fulfilled":
      return spend.paymentPreimage;
    case "offered_timeout":
    case "received_timeout":
      return NO_PREIMAGE;
    default:
      return assertNever(spend);
  }
}

function witnessOf(spend: Spend, signature: Uint8Array): Uint8Array[] {
  return spend.type === "to_other" ? [signature, spend.publicKey] : [signature, selector(spend), spend.script];
}

/** The witness of a claim's input. `signature` is 64 bytes, r then s, over `claimSighash`. */
export function claimWitness(spend: Spend, signature: Uint8Array): Uint8Array[] {
  if (spend.type === "to_other") return p2wpkhWitness(signature, spend.publicKey);
  return witnessOf(spend, witnessSignature(signature));
}

/** Weight of the witness with the longest signature; a real one is a few units less. The rest of an input weighs 164. */
export function claimWitnessWeight(spend: Spend): number {
  return witnessSize(witnessOf(spend, new Uint8Array(MAX_WITNESS_SIGNATURE_BYTES)));
}

/** What a claim adds to a transaction, with the longest signature: serialised bytes, and virtual bytes (of a quarter unit, too). */
export function claimSize(spend: Spend): { readonly bytes: number; readonly virtual: number } {
  const witness = claimWitnessWeight(spend);
  return { bytes: 41 + witness, virtual: (164 + witness) / 4 };
}

/** The hash that the key of input `index` signs. */
export function claimSighash(transaction: Transaction, index: number, claim: Claim): Uint8Array {
  const { spend, amountSat } = claim;
  if (spend.type === "to_other") return p2wpkhSighash(transaction, index, spend.publicKey, amountSat);
  return sighashAll(transaction, index, spend.script, amountSat);
}

/**
 * The least that a claim may pay out: what the network relays to a P2WPKH. Below the channel's own dust limit, so that the smallest
 * output of a commitment can pay for its claim. Source: the dust threshold of Bitcoin Core.
 */
export const LEAST_CLAIM_SAT = 294n;

/** What is claimed doesn't pay for a transaction with an output above dust. */
export type ClaimTooSmall = { readonly type: "claim_too_small"; readonly amountSat: bigint; readonly feeSat: bigint };

/**
 * An unsigned transaction that spends `claims`, in their order, to one output. `feeRate` is in satoshi per 1000 virtual bytes, applied
 * to the largest size that the signatures can make.
 */
export function claimTransaction(
  claims: readonly Claim[],
  outputScript: Uint8Array,
  feeRate: number,
): Result<Transaction, ClaimTooSmall> {
  invariant(claims.length > 0, "a claim transaction claims something");
  const inputs = claims.map(({ txid, index, spend }) => {
    const { sequence } = spendLocks(spend);
    return {
      txid,
      index,
      script: EMPTY,
      sequence,
      witness: witnessOf(spend, new Uint8Array(MAX_WITNESS_SIGNATURE_BYTES)),
    };
  });
  const amountSat = claims.reduce((sum, claim) => sum + claim.amountSat, 0n);
  const lockTime = Math.max(...claims.map(({ spend }) => spendLocks(spend).lockTime));
  const full: Transaction = { version: 2, inputs, outputs: [{ amountSat, script: outputScript }], lockTime };
  const feeSat = feeForWeight(transactionWeight(full), feeRate);
  if (amountSat - feeSat < LEAST_CLAIM_SAT) return err({ type: "claim_too_small", amountSat, feeSat });
  return ok({
    ...full,
    inputs: inputs.map((input) => ({ ...input, witness: [] })),
    outputs: [{ amountSat: amountSat - feeSat, script: outputScript }],
  });
}
