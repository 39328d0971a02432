// The transactions with which we take what is ours of a commitment on chain: which outputs go together, at which fee, and when
// one is replaced by a dearer one (payment-channel design "On chain", "Penalties batch"). All pay to our final key.

import type { Satoshi } from "../base/index.ts";
import {
  type Claim,
  claimSighash,
  claimSize,
  claimTransaction,
  claimWitness,
  LEAST_CLAIM_SAT,
  payToWitnessPublicKeyHash,
  type Spend,
  serializeTransaction,
  type Transaction,
  transactionId,
} from "../bitcoin/index.ts";
import { type Claimable, claimable } from "./claims.ts";
import type { Context } from "./input.ts";
import { estimatedFeeRate } from "./policy.ts";
import type { AnchorSpendRow, ChainOutputRow, SweepRow } from "./rows.ts";
import type { ChannelState } from "./state.ts";

/** m_c: blocks before somebody else can take an output from when on its claim is in a hurry, and goes alone. */
const HURRY_BLOCKS = 12;
/** Blocks that we saw come, after which a claim that is in none is made dearer, whatever the estimate says. */
const PATIENCE_BLOCKS = 3;
/** Serialised bytes of one claim transaction, under the 100,000 of the rule, and its inputs. Spec: B2-37. */
const MAX_SWEEP_BYTES = 99_000;
const MAX_SWEEP_INPUTS = 350;
/** Inputs of one penalty for HTLCs in a hurry: until the cheater can take any of them, and from then on. */
const HURRIED_PENALTY_INPUTS = { before: 20, after: 4 };
/** How much dearer a replacement is, at least: below, replacing is not worth its noise. */
const STEP = 1.25;
/** How many times the estimate a claim comes to by waiting alone: nobody else can take it. */
const PATIENT_CAP = 4;

/** An output that a block at the next height may hold a claim of. */
type Ready = { readonly output: ChainOutputRow; readonly claimable: Claimable };

/** What the sweeps come to at this height: rows that are new, in place of those that are over. */
export type SweepPlan = {
  readonly made: readonly SweepRow[];
  /** Replaced, or with an input that somebody else has spent. */
  readonly dropped: readonly SweepRow[];
};

/** Plans the claims of a channel whose anchor is spent. Spec: B2-37, B2-39, B2-40. */
export function planSweeps(state: ChannelState, anchorSpend: AnchorSpendRow, context: Context): SweepPlan {
  const ready = readyOutputs(state, anchorSpend, context.height);
  const made: SweepRow[] = [];
  const dropped: SweepRow[] = [];
  const taken = new Set<number>();
  for (const sweep of state.sweeps) {
    if (isConfirmed(state, sweep)) continue;
    const group = sweep.claims.flatMap((index) => ready.get(index) ?? []);
    if (group.length < sweep.claims.length) {
      dropped.push(sweep);
      continue;
    }
    for (const index of sweep.claims) taken.add(index);
    const dearer = replacement(state, group, sweep, context);
    if (dearer === undefined) continue;
    dropped.push(sweep);
    made.push(dearer);
  }
  const free = [...ready.values()].filter(({ output }) => !taken.has(output.index));
  for (const group of grouped(free, context)) {
    const sweep = build(state, group, rateFor(group, context), context);
    if (sweep !== undefined) made.push(sweep);
  }
  return { made, dropped };
}

function readyOutputs(state: ChannelState, anchorSpend: AnchorSpendRow, height: number): Map<number, Ready> {
  const ready = new Map<number, Ready>();
  for (const output of state.chainOutputs.values()) {
    if (output.spend?.height !== undefined) continue;
    const found = claimable(state, anchorSpend, output);
    if (found !== undefined && found.from <= height + 1) ready.set(output.index, { output, claimable: found });
  }
  return ready;
}

/** Whether all that it claims is claimed by us in a block, be it by this transaction or by one that it replaced. */
export function isConfirmed(state: ChannelState, { claims }: SweepRow): boolean {
  return claims.every((index) => {
    const spend = state.chainOutputs.get(index)?.spend;
    return spend?.ours === true && spend.height !== undefined;
  });
}

/** Blocks until somebody else can take one of the outputs; at most 0 where he can already. */
function blocksLeft(group: readonly Ready[], height: number): number {
  return Math.min(...group.map(({ claimable: { contestedFrom } }) => (contestedFrom ?? Infinity) - height - 1));
}

/**
 * Those in a hurry each alone, since one input that somebody else spends kills a batch; the others in full batches. Of a revoked
 * commitment, whose HTLCs may be 2,300, only the holder's own output goes alone: nobody but us can take any of them before
 * the delay is over, and from then on what he takes costs its small group a block, in which the rest is claimed anew.
 */
function grouped(ready: readonly Ready[], context: Context): Ready[][] {
  const { before, after } = HURRIED_PENALTY_INPUTS;
  const alone: Ready[][] = [];
  const penalties: { readonly before: Ready[]; readonly after: Ready[] } = { before: [], after: [] };
  const patient: Ready[] = [];
  for (const one of ready) {
    const left = blocksLeft([one], context.height);
    if (left > HURRY_BLOCKS) patient.push(one);
    else if (!isPenalty(one) || one.output.kind === "to_self") alone.push([one]);
    else penalties[left > 0 ? "before" : "after"].push(one);
  }
  // Dear ones with dear ones: what a group may pay is by what it claims.
  const dearest = (ones: readonly Ready[]) => ones.toSorted((a, b) => Number(b.output.amountSat - a.output.amountSat));
  return [
    ...alone,
    ...batches(dearest(penalties.before), before, context.fees.relay),
    ...batches(dearest(penalties.after), after, context.fees.relay),
    ...batches(patient, MAX_SWEEP_INPUTS, rateFor([], context)),
  ];
}

/** Batches of at most so many inputs, of what is worth its input at a rate. */
function batches(ready: readonly Ready[], inputs: number, feeRate: number): Ready[][] {
  const full: Ready[][] = [];
  let batch: Ready[] = [];
  let bytes = 0;
  for (const one of ready) {
    if (!isWorth(one, feeRate)) continue;
    const size = claimSize(one.claimable.spend).bytes;
    if (batch.length >= inputs || bytes + size > MAX_SWEEP_BYTES) {
      full.push(batch);
      batch = [];
      bytes = 0;
    }
    batch.push(one);
    bytes += size;
  }
  return batch.length > 0 ? [...full, batch] : full;
}

function isPenalty({ claimable: { spend } }: Ready): boolean {
  return spend.type.endsWith("_revoked");
}

/** Whether an output is worth more than its input costs at a rate. Looked at again with each block: fees fall too. */
function isWorth({ output, claimable: { spend } }: Ready, feeRate: number): boolean {
  return output.amountSat > inputFee(spend, feeRate);
}

/** What one claim more costs in a transaction that is made anyway, in satoshi. */
export function inputFee(spend: Spend, feeRate: number): bigint {
  return BigInt(Math.ceil((claimSize(spend).virtual * feeRate) / 1000));
}

/** Whether there is something to claim of the output, now or later, that is worth the lowest fee. */
export function isWorthClaiming(
  state: ChannelState,
  anchorSpend: AnchorSpendRow,
  output: ChainOutputRow,
  context: Context,
): boolean {
  const found = claimable(state, anchorSpend, output);
  return found !== undefined && isWorth({ output, claimable: found }, context.fees.relay);
}

/**
 * Blocks until a claim should be in one. What we take back after its expiry is not lost where the peer is first: it shows the preimage,
 * which is worth as much to us as long as there is time to use it. Nobody need outbid a peer that could have come long ago.
 */
function blocksToDeadline(group: readonly Ready[], height: number): number {
  const deadlines = group.map(({ claimable: { spend, from, contestedFrom = Infinity } }) =>
    spend.type.endsWith("_timeout") ? Math.max(contestedFrom, from + HURRY_BLOCKS + 1) : contestedFrom,
  );
  return Math.min(...deadlines) - height - 1;
}

/** The estimate; in a hurry it doubles every three blocks. Satoshi per 1000 virtual bytes. */
function rateFor(group: readonly Ready[], context: Context): number {
  const estimate = estimatedFeeRate(context.fees);
  const left = group.length === 0 ? Infinity : blocksToDeadline(group, context.height);
  if (left > HURRY_BLOCKS) return estimate;
  return Math.ceil(estimate * STEP ** (HURRY_BLOCKS - Math.max(left, 0)));
}

/** The same claims at a higher fee, where that is due and the network would take it for the old one. Source: BIP 125. */
function replacement(
  state: ChannelState,
  group: readonly Ready[],
  sweep: SweepRow,
  context: Context,
): SweepRow | undefined {
  const waited = context.height - Math.max(sweep.createdHeight, context.caughtUpAt ?? 0);
  const highest = PATIENT_CAP * estimatedFeeRate(context.fees);
  const patient = waited >= PATIENCE_BLOCKS ? Math.min(Math.ceil(sweep.feeRate * STEP), highest) : 0;
  const wanted = Math.max(rateFor(group, context), patient);
  if (wanted < sweep.feeRate * STEP) return undefined;
  const dearer = build(state, group, Math.max(wanted, sweep.feeRate + 2 * context.fees.relay), context);
  return dearer !== undefined && dearer.feeSat > sweep.feeSat ? dearer : undefined;
}

/** What the fee may take of the amount: a cheater's money may go to miners rather than back to him. */
function highestFee(group: readonly Ready[], amountSat: bigint): bigint {
  const most = group.some(isPenalty) ? (amountSat * 9n) / 10n : amountSat / 2n;
  const rest = amountSat - LEAST_CLAIM_SAT;
  return most < rest ? most : rest;
}

/** The signed transaction, or undefined where the amount doesn't pay for it. */
function build(state: ChannelState, group: readonly Ready[], feeRate: number, context: Context): SweepRow | undefined {
  const { keys, signer, height } = context;
  const key = keys.finalKey(state.channel.index);
  const script = payToWitnessPublicKeyHash(signer.publicKey(key));
  const claims: Claim[] = group.map(({ output: { txid, index, amountSat }, claimable: { spend } }) => ({
    txid,
    index,
    amountSat,
    spend,
  }));
  const amountSat = claims.reduce((sum, claim) => sum + claim.amountSat, 0n);
  const rate = capped(claims, highestFee(group, amountSat), feeRate);
  const unsigned = rate < context.fees.relay ? undefined : claimTransaction(claims, script, rate);
  if (unsigned?.ok !== true) return undefined;
  const inputs = unsigned.value.inputs.map((input, at) => {
    const claim = claims[at];
    if (claim === undefined) return input;
    const signature = signer.sign(key, claimSighash(unsigned.value, at, claim));
    return { ...input, witness: claimWitness(claim.spend, signature) };
  });
  const transaction: Transaction = { ...unsigned.value, inputs };
  const paidSat = transaction.outputs.reduce((sum, output) => sum + output.amountSat, 0n);
  return {
    txid: transactionId(transaction),
    transaction: serializeTransaction(transaction, { witness: true }),
    feeRate: rate,
    feeSat: (amountSat - paidSat) as Satoshi,
    claims: claims.map(({ index }) => index),
    createdHeight: height,
  };
}

/** The rate, or what the highest fee comes to where that is less. */
function capped(claims: readonly Claim[], highestFeeSat: bigint, feeRate: number): number {
  const size = claimVirtualSize(claims.map(({ spend }) => spend));
  // Sizes and fees are rounded up: what is left must not fall below the least output by one satoshi.
  return Math.min(feeRate, Math.floor(((Number(highestFeeSat) - 1) * 1000) / Math.ceil(size)));
}

/** Virtual bytes, of a quarter unit too, of a transaction that claims in these ways, with the longest signatures. */
export function claimVirtualSize(spends: readonly Spend[]): number {
  return spends.reduce((sum, spend) => sum + claimSize(spend).virtual, OVERHEAD_VBYTES);
}

/** Version, counts, lock time and one P2WPKH output. */
const OVERHEAD_VBYTES = 42;
