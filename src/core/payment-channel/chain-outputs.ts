// The outputs of a commitment on chain that hold money of ours, or may: found by rebuilding scripts, never by trusting a
// position. What may be claimed of them, and from when, is in claims.ts.

import { invariant, type Satoshi, type Txid, toHex } from "../base/index.ts";
import {
  htlcOfferedScript,
  htlcReceivedScript,
  isDust,
  payToWitnessPublicKeyHash,
  payToWitnessScriptHash,
  type Transaction,
  toSelfScript,
  transactionId,
} from "../bitcoin/index.ts";
import { ripemd160 } from "../crypto/index.ts";
import { type ChainOutputRow, type HtlcRow, otherSide, type Side, type TermsRow } from "./rows.ts";
import type { ChannelState } from "./state.ts";

/** A commitment that spends the anchor, with what its scripts are built from. */
export type PublishedCommitment = {
  readonly holder: Side;
  readonly revoked: boolean;
  /** SHA-256 of the preimage that revokes it. */
  readonly revocationHash: Uint8Array;
  /** The HTLCs that stand in it. */
  readonly htlcs: readonly HtlcRow[];
};

/** An output as the commitment has it, before it is looked for in a transaction. */
type Expected = Pick<ChainOutputRow, "kind" | "htlcId" | "witnessScript"> & {
  readonly script: Uint8Array;
  /** Undefined where the fee decides. */
  readonly amountSat: bigint | undefined;
};

/**
 * The outputs in `transaction` in which the commitment has something for us, in their order: everything but the other
 * party's own outputs, which are ours too once the commitment is revoked. Spec: B2-37, B2-39, B2-40.
 */
export function outputsOf(
  state: ChannelState,
  transaction: Transaction,
  commitment: PublishedCommitment,
): ChainOutputRow[] {
  const wanted = new Map<string, Expected[]>();
  for (const expected of expectedOutputs(state, commitment)) {
    const key = keyOf(expected.script, expected.amountSat);
    wanted.set(key, [...(wanted.get(key) ?? []), expected]);
  }
  const txid = transactionId(transaction);
  return transaction.outputs.flatMap(({ script, amountSat }, index) => {
    // Equal outputs are worth the same and are claimed in the same way, so that any order of them is right.
    const found = wanted.get(keyOf(script, amountSat))?.shift() ?? wanted.get(keyOf(script, undefined))?.shift();
    return found === undefined ? [] : [outputRow(txid, index, amountSat, found)];
  });
}

function outputRow(txid: Txid, index: number, amountSat: bigint, expected: Expected): ChainOutputRow {
  const { kind, htlcId, witnessScript } = expected;
  return { txid, index, amountSat: amountSat as Satoshi, kind, htlcId, witnessScript, spend: undefined };
}

function keyOf(script: Uint8Array, amountSat: bigint | undefined): string {
  return `${toHex(script)}/${amountSat ?? ""}`;
}

function termsOf(state: ChannelState, side: Side): TermsRow {
  const terms = state.terms[side];
  invariant(terms !== undefined, "both terms are known once there is a commitment");
  return terms;
}

function expectedOutputs(state: ChannelState, commitment: PublishedCommitment): Expected[] {
  const { holder, revoked, revocationHash, htlcs } = commitment;
  const own = termsOf(state, holder);
  const oth = termsOf(state, otherSide(holder));
  const terms = {
    revocation: ripemd160(revocationHash),
    ownFinalKey: own.finalKey,
    othFinalKey: oth.finalKey,
    delay: oth.delay,
  };
  const expected: Expected[] = [];
  if (holder === "local" || revoked) {
    const witnessScript = toSelfScript(terms);
    const script = payToWitnessScriptHash(witnessScript);
    expected.push({ kind: "to_self", htlcId: undefined, witnessScript, script, amountSat: undefined });
  }
  if (holder === "remote") {
    const script = payToWitnessPublicKeyHash(oth.finalKey);
    expected.push({ kind: "to_other", htlcId: undefined, witnessScript: undefined, script, amountSat: undefined });
  }
  for (const { id, offerer, amountMsat, paymentHash, expiry } of htlcs) {
    if (isDust(amountMsat / 1000n)) continue;
    const htlc = { ...terms, payment: ripemd160(paymentHash), expiry };
    const witnessScript = offerer === holder ? htlcOfferedScript(htlc) : htlcReceivedScript(htlc);
    const kind = offerer === holder ? "offered" : "received";
    const script = payToWitnessScriptHash(witnessScript);
    expected.push({ kind, htlcId: id, witnessScript, script, amountSat: amountMsat / 1000n });
  }
  return expected;
}
