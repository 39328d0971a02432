// The funding transaction that two parties make together. Both build it by themselves from the two shares; nothing but their
// roles matters, so that swapping the perspective changes nothing. Spec: LS-1; payment-channel design "Opening and closing".
import { err, invariant, ok, type Result, type Txid } from "../base/index.ts";
import { secp256k1 } from "../crypto/index.ts";
import { compareInputs, compareOutputs } from "./bip69.ts";
import { compactSizeLength } from "./bytes-io.ts";
import {
  type Coin,
  type InsufficientFunds,
  MAX_P2WPKH_INPUT_WEIGHT,
  total,
  unsignedTransaction,
} from "./coin-selection.ts";
import { feeForWeight, isDust } from "./fee.ts";
import { p2wpkhSighash, p2wpkhWitness } from "./pay-to-public-key.ts";
import { payToWitnessPublicKeyHash } from "./script.ts";
import {
  outputSize,
  serializeTransaction,
  type Transaction,
  type TransactionOutput,
  transactionId,
} from "./transaction.ts";

/** An output paid to `publicKey` as P2WPKH, which is all that can go into a funding transaction of two parties. */
export type FundingInput = Coin & { readonly publicKey: Uint8Array };

/** What one party brings. */
export type FundingShare = {
  /** Its part of the 2-of-2. */
  readonly contributionSat: bigint;
  readonly inputs: readonly FundingInput[];
  /** Where its change goes; without it, all that is over goes to the fee. */
  readonly changeScript: Uint8Array | undefined;
};

export type FundingRole = "requester" | "responder";

/** A party's inputs do not pay for its contribution and its part of the fee. */
export type ShareTooSmall = {
  readonly type: "share_too_small";
  readonly role: FundingRole;
  readonly neededSat: bigint;
  readonly availableSat: bigint;
};

export type FundingPlan = {
  /** Without witnesses: version 2, lock time 0, sequences 0xfffffffd, the order of BIP 69. */
  readonly transaction: Transaction;
  readonly txid: Txid;
  /** Of the 2-of-2. */
  readonly outputIndex: number;
  readonly feeSat: bigint;
};

/** The 2-of-2, P2WSH: amount, length, script. */
const ANCHOR_OUTPUT_BYTES = 8 + 1 + 34;
/** Version, lock time, the counts of inputs and outputs (fewer than 253), and the witness marker. */
const OVERHEAD_WEIGHT = 4 * (4 + 4 + 1 + 1) + 2;
const COMMON_WEIGHT = OVERHEAD_WEIGHT + 4 * ANCHOR_OUTPUT_BYTES;
const ADDRESS_OUTPUT_BYTES = 8 + 1 + 22;

/** What a party pays for, by the largest size that its signatures can make: the requester also for what is nobody's own. */
function feeOf(role: FundingRole, inputs: number, changeBytes: number, feeRate: number): bigint {
  const own = inputs * MAX_P2WPKH_INPUT_WEIGHT + 4 * changeBytes;
  return feeForWeight(own + (role === "requester" ? COMMON_WEIGHT : 0), feeRate);
}

/** A party's change, if there is any, and its part of the fee: together with its contribution, all that its inputs hold. */
function settleShare(
  role: FundingRole,
  share: FundingShare,
  feeRate: number,
): Result<{ readonly change: TransactionOutput | undefined; readonly feeSat: bigint }, ShareTooSmall> {
  const { contributionSat, inputs, changeScript } = share;
  const availableSat = total(inputs);
  const left = availableSat - contributionSat;
  if (changeScript !== undefined) {
    const empty = { amountSat: 0n, script: changeScript };
    const feeSat = feeOf(role, inputs.length, outputSize(empty), feeRate);
    const amountSat = left - feeSat;
    if (!isDust(amountSat)) return ok({ change: { ...empty, amountSat }, feeSat });
  }
  const least = feeOf(role, inputs.length, 0, feeRate);
  if (left < least) {
    return err({ type: "share_too_small", role, neededSat: contributionSat + least, availableSat });
  }
  return ok({ change: undefined, feeSat: left });
}

/**
 * The funding transaction of two shares. The 2-of-2 `script` holds both contributions. Each party pays for the weight of its
 * inputs and of its change at `feeRate` (satoshi per 1000 virtual bytes), the requester for the rest too; change under the
 * dust limit goes to the fee. Inputs are distinct, which is for the caller to see to. Spec: LS-1, LW-1.
 */
export function planFunding(funding: {
  readonly script: Uint8Array;
  readonly feeRate: number;
  readonly requester: FundingShare;
  readonly responder: FundingShare;
}): Result<FundingPlan, ShareTooSmall> {
  const { script, feeRate, requester, responder } = funding;
  const ours = settleShare("requester", requester, feeRate);
  if (!ours.ok) return ours;
  const theirs = settleShare("responder", responder, feeRate);
  if (!theirs.ok) return theirs;
  const anchor = { amountSat: requester.contributionSat + responder.contributionSat, script };
  const inputs = [...requester.inputs, ...responder.inputs].sort(compareInputs);
  const outputs = [anchor, ours.value.change, theirs.value.change]
    .filter((output) => output !== undefined)
    .sort(compareOutputs);
  invariant(compactSizeLength(inputs.length) === 1, `a funding transaction has fewer inputs than ${inputs.length}`);
  const transaction = unsignedTransaction(inputs, outputs);
  return ok({
    transaction,
    txid: transactionId(transaction),
    outputIndex: outputs.indexOf(anchor),
    feeSat: ours.value.feeSat + theirs.value.feeSat,
  });
}

/** The hash that signs `input`, wherever it stands in the transaction; undefined where it does not. */
export function fundingSighash(transaction: Transaction, input: FundingInput): Uint8Array | undefined {
  const index = transaction.inputs.findIndex((one) => compareInputs(one, input) === 0);
  return index === -1 ? undefined : p2wpkhSighash(transaction, index, input.publicKey, input.amountSat);
}

/** Whether a signature (64 bytes, r then s) spends `input` in the transaction, and nothing else. Source: BIP 143. */
export function isFundingSignature(transaction: Transaction, input: FundingInput, signature: Uint8Array): boolean {
  const hash = fundingSighash(transaction, input);
  return hash !== undefined && secp256k1.verify(signature, hash, input.publicKey);
}

/** The raw transaction, with a signature for each of its inputs; throws InvariantBroken where one is missing. */
export function signedFunding(
  transaction: Transaction,
  signed: readonly { readonly input: FundingInput; readonly signature: Uint8Array }[],
): Uint8Array {
  const inputs = transaction.inputs.map((input) => {
    const found = signed.find((one) => compareInputs(one.input, input) === 0);
    invariant(found !== undefined, "every input of the funding transaction is signed");
    return { ...input, witness: p2wpkhWitness(found.signature, found.input.publicKey) };
  });
  return serializeTransaction({ ...transaction, inputs }, { witness: true });
}

/**
 * Coins for a share: the largest first, at most `most`, until they pay for the contribution and the party's part of the fee
 * with change to a P2WPKH output. Which coins may be spent is the caller's to say.
 */
export function selectShare<C extends Coin>(wanted: {
  readonly coins: readonly C[];
  readonly role: FundingRole;
  readonly contributionSat: bigint;
  readonly feeRate: number;
  readonly most: number;
}): Result<readonly C[], InsufficientFunds> {
  const { role, contributionSat, feeRate, most } = wanted;
  const coins = wanted.coins.toSorted((a, b) =>
    a.amountSat === b.amountSat ? compareInputs(a, b) : a.amountSat < b.amountSat ? 1 : -1,
  );
  const chosen: C[] = [];
  let neededSat = contributionSat + feeOf(role, 0, ADDRESS_OUTPUT_BYTES, feeRate);
  for (const coin of coins.slice(0, most)) {
    chosen.push(coin);
    neededSat = contributionSat + feeOf(role, chosen.length, ADDRESS_OUTPUT_BYTES, feeRate);
    if (total(chosen) >= neededSat) return ok(chosen.sort(compareInputs));
  }
  return err({ type: "insufficient_funds", neededSat, availableSat: total(chosen) });
}

/**
 * A transaction that makes the funding transaction worthless by spending `inputs` of it to `script`. It pays what that one
 * pays and its own weight at `feeRate` besides, so that nodes take it in the other's place (BIP 125, rules 3 and 4).
 */
export function planCancellation(cancellation: {
  readonly inputs: readonly FundingInput[];
  readonly script: Uint8Array;
  readonly replacedFeeSat: bigint;
  readonly feeRate: number;
}): Result<Transaction, InsufficientFunds> {
  const { inputs, script, replacedFeeSat, feeRate } = cancellation;
  const weight = OVERHEAD_WEIGHT + inputs.length * MAX_P2WPKH_INPUT_WEIGHT + 4 * outputSize({ amountSat: 0n, script });
  const feeSat = replacedFeeSat + feeForWeight(weight, feeRate);
  const availableSat = total(inputs);
  const amountSat = availableSat - feeSat;
  if (isDust(amountSat)) return err({ type: "insufficient_funds", neededSat: feeSat, availableSat });
  return ok(unsignedTransaction(inputs.toSorted(compareInputs), [{ amountSat, script }]));
}

/** The output script of an input's coin. */
export function fundingInputScript({ publicKey }: FundingInput): Uint8Array {
  return payToWitnessPublicKeyHash(publicKey);
}
