// The commitment transaction: what the holder may broadcast to close the channel alone (seed 001 sections 2.3 and 3.6; design
// "Scripts"). This file builds it plainly; commitment-buffer.ts computes the same signature hash fast.
import { asTxid, invariant, type Txid } from "../base/index.ts";
import { ripemd160 } from "../crypto/index.ts";
import { compareOutputs } from "./bip69.ts";
import {
  anchorKeyOrder,
  anchorScript,
  htlcOfferedScript,
  htlcReceivedScript,
  toSelfScript,
} from "./channel-scripts.ts";
import { numberLocks } from "./commitment-number.ts";
import { commitmentFee, isDust, splitFee } from "./fee.ts";
import { payToWitnessPublicKeyHash, payToWitnessScriptHash } from "./script.ts";
import type { Transaction } from "./transaction.ts";
import { witnessSignature } from "./witness-signature.ts";

/** The output of the funding transaction that a channel lives on. */
export type Funding = {
  readonly txid: Txid;
  readonly outputIndex: number;
  readonly amountSat: bigint;
  /** The 2-of-2 witness script. */
  readonly script: Uint8Array;
};

export type CommitmentHtlc = {
  /** As the holder of the commitment sees it. */
  readonly direction: "offered" | "received";
  readonly id: bigint;
  readonly amountMsat: bigint;
  /** SHA-256 of the payment preimage. */
  readonly paymentHash: Uint8Array;
  readonly expiry: number;
};

/** All that a commitment is made of, from the view of its holder ("own"). */
export type CommitmentParams = {
  readonly funding: Funding;
  /** 48 bits: `numberMask`. */
  readonly numberMask: bigint;
  /** The commitment's number, 48 bits. */
  readonly number: bigint;
  readonly ownFinalKey: Uint8Array;
  readonly othFinalKey: Uint8Array;
  /** Blocks that the holder waits. */
  readonly delay: number;
  /** SHA-256 of the preimage with which the holder will revoke this commitment. */
  readonly revocationHash: Uint8Array;
  /** Satoshi per 1000 bytes. */
  readonly feeRate: number;
  /** Outside of HTLCs, before fees. With the HTLCs, the two add up to the funding to the millisatoshi. */
  readonly ownMsat: bigint;
  readonly othMsat: bigint;
  readonly htlcs: readonly CommitmentHtlc[];
};

export type CommitmentOutput = {
  readonly amountSat: bigint;
  /** scriptPubKey. */
  readonly script: Uint8Array;
} & (
  | { readonly type: "to_self"; readonly witnessScript: Uint8Array }
  | { readonly type: "to_other" }
  | {
      readonly type: "htlc";
      readonly htlcId: bigint;
      readonly direction: "offered" | "received";
      readonly expiry: number;
      readonly witnessScript: Uint8Array;
    }
);

/** Throws unless the amounts add up to the funding: nothing else is ever built, let alone signed. */
export function checkConserved(params: CommitmentParams): void {
  let total = params.ownMsat + params.othMsat;
  for (const { amountMsat } of params.htlcs) total += amountMsat;
  const funding = params.funding.amountSat * 1000n;
  invariant(total === funding, `a commitment of ${total} millisatoshi on a funding of ${funding}`);
}

/** Fee by the rule, and what each side's output gets before dust is dropped. Spec: B2-30, B2-31, B2-53. */
export function commitmentBalances(params: CommitmentParams, nonDustHtlcs: number) {
  const feeSat = commitmentFee(params.feeRate, nonDustHtlcs);
  return { feeSat, ...splitFee({ feeSat, ownMsat: params.ownMsat, othMsat: params.othMsat }) };
}

function htlcOutput(params: CommitmentParams, revocation: Uint8Array, htlc: CommitmentHtlc): CommitmentOutput {
  const { ownFinalKey, othFinalKey, delay } = params;
  const { id: htlcId, direction, expiry } = htlc;
  const terms = { revocation, payment: ripemd160(htlc.paymentHash), ownFinalKey, othFinalKey, delay, expiry };
  const witnessScript = direction === "offered" ? htlcOfferedScript(terms) : htlcReceivedScript(terms);
  const script = payToWitnessScriptHash(witnessScript);
  return { type: "htlc", htlcId, direction, expiry, amountSat: htlc.amountMsat / 1000n, script, witnessScript };
}

/** BIP 69; outputs equal by it, which are equal in every byte, by expiry, id and direction, so that the order is total. Spec: LW-1. */
export function compareCommitmentOutputs(a: CommitmentOutput, b: CommitmentOutput): number {
  const order = compareOutputs(a, b);
  if (order !== 0 || a.type !== "htlc" || b.type !== "htlc") return order;
  if (a.expiry !== b.expiry) return a.expiry - b.expiry;
  if (a.htlcId !== b.htlcId) return a.htlcId < b.htlcId ? -1 : 1;
  return a.direction === b.direction ? 0 : a.direction === "offered" ? -1 : 1;
}

/** The outputs that are not dust, in their final order. An output's place in the list is its index. Spec: B2-17, B2-31, B2-53, LW-6. */
export function commitmentOutputs(params: CommitmentParams): CommitmentOutput[] {
  checkConserved(params);
  const { ownFinalKey, othFinalKey, delay } = params;
  const revocation = ripemd160(params.revocationHash);
  const htlcs = params.htlcs.filter(({ amountMsat }) => !isDust(amountMsat / 1000n));
  const { ownSat, othSat } = commitmentBalances(params, htlcs.length);
  const outputs = htlcs.map((htlc) => htlcOutput(params, revocation, htlc));
  if (!isDust(ownSat)) {
    const witnessScript = toSelfScript({ revocation, ownFinalKey, othFinalKey, delay });
    const script = payToWitnessScriptHash(witnessScript);
    outputs.push({ type: "to_self", amountSat: ownSat, script, witnessScript });
  }
  if (!isDust(othSat)) {
    outputs.push({ type: "to_other", amountSat: othSat, script: payToWitnessPublicKeyHash(othFinalKey) });
  }
  return outputs.sort(compareCommitmentOutputs);
}

/** The transaction without its witness. */
export function commitmentTransaction(params: CommitmentParams): Transaction {
  const { txid, outputIndex } = params.funding;
  const { lockTime, sequence } = numberLocks(params.number, params.numberMask);
  return {
    version: 2,
    inputs: [{ txid: asTxid(txid), index: outputIndex, script: new Uint8Array(0), sequence, witness: [] }],
    outputs: commitmentOutputs(params).map(({ amountSat, script }) => ({ amountSat, script })),
    lockTime,
  };
}

/** A commit key and its signature: 64 bytes, r then s. */
export type AnchorSignature = { readonly commitKey: Uint8Array; readonly signature: Uint8Array };

/** `transaction`, a commitment or a close, with the two signatures that spend the funding, in the order of their keys. Spec: B2-45. */
export function withAnchorWitness(transaction: Transaction, a: AnchorSignature, b: AnchorSignature): Transaction {
  const [first] = anchorKeyOrder(a.commitKey, b.commitKey);
  const signatures = first === a.commitKey ? [a, b] : [b, a];
  const [input] = transaction.inputs;
  invariant(input !== undefined && transaction.inputs.length === 1, "the funding is the only input");
  const script = anchorScript(a.commitKey, b.commitKey);
  const witness = [new Uint8Array(0), ...signatures.map(({ signature }) => witnessSignature(signature)), script];
  return { ...transaction, inputs: [{ ...input, witness }] };
}
