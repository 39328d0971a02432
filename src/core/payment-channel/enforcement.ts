// What a channel does about its anchor once somebody spends it, or once only the chain can help (seed 001 section 6;
// payment-channel design "On chain"):
//
//   anchor_spent         recognised; outputs of ours found             B2-36
//     revoked            the rows of that commitment are looked up     B2-37
//   output_spent         a preimage is learned from the witness        B2-39
//   block                deadlines; claims made, raised, given again; HTLCs reported as failed when that is buried;
//                        the channel is closed once everything is 100 blocks deep   B2-38
//
// Each of these may come again, and be taken back by a reorganisation.

import { equalBytes, invariant } from "../base/index.ts";
import {
  parseTransaction,
  payToWitnessPublicKeyHash,
  serializeTransaction,
  type Transaction,
  transactionId,
} from "../bitcoin/index.ts";
import { FIRST_REVOCATION_INDEX, lookupRevocation, sha256 } from "../crypto/index.ts";
import { recognise } from "./anchor-spend.ts";
import { outputsOf, type PublishedCommitment } from "./chain-outputs.ts";
import type { ChannelChange } from "./changes.ts";
import { claimable } from "./claims.ts";
import type { Context, Effect, Input } from "./input.ts";
import { moveTo, NOTHING, type StepResult, step, tell } from "./outcome.ts";
import { ownRevocationHash } from "./own-revocation.ts";
import { preimageOf } from "./preimages.ts";
import { depth, isRefunded, refundHeight, SETTLED_DEPTH } from "./refunds.ts";
import {
  type AnchorSpendRow,
  type ChainOutputRow,
  type CommitmentRow,
  type HtlcRow,
  isRejected,
  type Side,
} from "./rows.ts";
import { type ChannelState, isIn } from "./state.ts";
import { isConfirmed, isWorthClaiming, planSweeps } from "./sweeps.ts";

/** Confirmations after which nothing is watched any more. Spec: B2-38. */
export const BURIED_DEPTH = 100;

type AnchorSpent = Extract<Input, { type: "anchor_spent" }>;
type Evidence = Extract<Input, { type: "evidence" }>;
type OutputSpent = Extract<Input, { type: "output_spent" }>;

/** A transaction spends the anchor, in the mempool or in a block. Spec: B2-36. */
export function anchorSpent(state: ChannelState, { transaction, height }: AnchorSpent): StepResult {
  const txid = transactionId(transaction);
  const before = state.anchorSpend;
  if (before !== undefined && equalBytes(before.txid, txid)) {
    if (before.height === height || height === undefined) return NOTHING;
    return step([{ type: "anchor_spend", row: { ...before, height } }]);
  }
  // What the mempool has does not count against a block.
  if (before?.height !== undefined && height === undefined) return NOTHING;
  const found = recognise(state, transaction);
  const raw = serializeTransaction(transaction, { witness: true });
  const row = { txid, transaction: raw, height };
  switch (found.type) {
    case "close":
      return spent(state, { ...row, kind: "close", holder: undefined, number: -1 }, []);
    case "local_commitment":
    case "remote_commitment": {
      const { holder, number } = found.commitment;
      const outputs = outputsOf(state, transaction, published(state, found.commitment));
      return spent(state, { ...row, kind: "commitment", holder, number }, outputs);
    }
    case "revoked": {
      const { number } = found;
      // Whoever has the store looks its rows up, before the next block.
      return spent(state, { ...row, kind: "revoked", holder: undefined, number }, []);
    }
    case "unknown":
      return spent(state, { ...row, kind: "unknown", holder: undefined, number: -1 }, []);
    default:
      return found satisfies never;
  }
}

/** The rows of a new spend in place of those of one before, and the end of the channel's updates. */
function spent(state: ChannelState, row: AnchorSpendRow, outputs: readonly ChainOutputRow[]): StepResult {
  const changes: ChannelChange[] = [
    { type: "anchor_spend", row },
    ...outputs.map((output): ChannelChange => ({ type: "chain_output", row: output })),
  ];
  const { stage } = state.stage;
  if (row.kind === "close") {
    const moved = moveTo(state, { stage: "close_agreed" });
    return step([...changes, moved.change], moved.events);
  }
  // An anchor that we saw on chain is spent with our signature alone. Of another one we know nothing.
  const isProof = row.kind === "unknown" && state.funding?.confirmedHeight !== undefined && !state.stage.stale;
  const stale: Effect[] = isProof ? [{ type: "event", event: { type: "stale" } }] : [];
  if (stage === "failed" && !isProof) return step(changes, [report(row)]);
  const next = { stage: "failed", failure: state.stage.failure ?? REASONS[row.kind] } as const;
  const moved = moveTo(state, isProof ? { ...next, stale: true } : next);
  return step([...changes, moved.change], [report(row), ...moved.events, ...stale]);
}

const REASONS = {
  commitment: "a commitment is on chain [B2-36]",
  revoked: "a revoked commitment is on chain [B2-37]",
  unknown: "a commitment that we know nothing of is on chain: our data is older than the channel",
} as const;

function report({ kind, holder, number }: AnchorSpendRow): Effect {
  return { type: "event", event: { type: "anchor_spent", kind, holder, number } };
}

function published(state: ChannelState, commitment: CommitmentRow): PublishedCommitment {
  const { holder, coverage, revocationHash } = commitment;
  const htlcs = [...state.htlcs.values()].filter((htlc) => isIn(htlc, coverage));
  return { holder, revoked: false, revocationHash, htlcs };
}

/**
 * The rows of a revoked commitment: the one of the peer by that number, with every HTLC that the channel had then. Whose it
 * is shows in its outputs. Spec: B2-37.
 */
export function evidence(state: ChannelState, input: Evidence, context: Context): StepResult {
  const row = state.anchorSpend;
  if (row === undefined || row.kind !== "revoked" || row.number !== input.number || row.holder !== undefined) {
    return NOTHING;
  }
  const transaction = parsed(row.transaction);
  const { holder, outputs } = foundIn(state, transaction, input, context);
  return step([
    { type: "anchor_spend", row: { ...row, holder } },
    ...outputs.map((output): ChannelChange => ({ type: "chain_output", row: output })),
  ]);
}

/**
 * Where nothing is recognised there is nothing to be had by anybody, now or later: it counts as the peer's, so that nobody is asked for
 * its rows again.
 */
function foundIn(
  state: ChannelState,
  transaction: Transaction,
  input: Evidence,
  context: Context,
): { readonly holder: Side; readonly outputs: readonly ChainOutputRow[] } {
  for (const holder of ["remote", "local"] as const) {
    const commitment = revokedCommitment(state, holder, input, context);
    const outputs = commitment === undefined ? [] : outputsOf(state, transaction, commitment);
    if (outputs.length > 0) return { holder, outputs };
  }
  return { holder: "remote", outputs: [] };
}

/** A backup does not reach back for ever: without the row, a commitment's to-self still shows whose it is, and is punished. */
function revokedCommitment(
  state: ChannelState,
  holder: Side,
  { number, commitments, htlcs }: Evidence,
  context: Context,
): PublishedCommitment | undefined {
  const row = commitments.find((one) => one.holder === holder && one.number === number);
  const standing = row === undefined ? [] : htlcs.filter((htlc: HtlcRow) => isIn(htlc, row.coverage));
  if (holder === "local") {
    const revocationHash = ownRevocationHash(context, state.channel.index, number);
    return { holder, revoked: true, revocationHash, htlcs: standing };
  }
  const preimage = lookupRevocation(state.revocationSlots, FIRST_REVOCATION_INDEX - BigInt(number));
  if (preimage === undefined) return undefined;
  return { holder, revoked: true, revocationHash: sha256(preimage), htlcs: standing };
}

function parsed(raw: Uint8Array): Transaction {
  const transaction = parseTransaction(raw);
  invariant(transaction.ok, "a row holds a transaction that was parsed before");
  return transaction.value;
}

/** A reorganisation took the block of the anchor's spend away: it may come back, or another one in its place. */
export function anchorUnspent(state: ChannelState): StepResult {
  const { anchorSpend } = state;
  if (anchorSpend === undefined) return NOTHING;
  return step([{ type: "anchor_spend", row: { ...anchorSpend, height: undefined } }]);
}

/** Somebody claims an output: us, or the peer, who may have to show a preimage for it. Spec: B2-39. */
export function outputSpent(state: ChannelState, input: OutputSpent, context: Context): StepResult {
  const { transaction, inputIndex, height } = input;
  const witness = transaction.inputs[inputIndex]?.witness ?? [];
  const output = state.chainOutputs.get(input.index);
  if (output === undefined || (output.spend?.height !== undefined && height === undefined)) return NOTHING;
  const spend = { txid: transactionId(transaction), height, ours: paysUs(state, transaction, context) };
  const changes: ChannelChange[] = [{ type: "chain_output", row: { ...output, spend } }];
  const [, preimage] = witness;
  if (spend.ours || preimage?.length !== 32) return step(changes);
  return learned(state, preimage, changes, context);
}

/** Whether a transaction pays to our final key alone, as all our claims do, those that were replaced too. */
function paysUs(state: ChannelState, { outputs }: Transaction, { signer, keys }: Context): boolean {
  const script = payToWitnessPublicKeyHash(signer.publicKey(keys.finalKey(state.channel.index)));
  return outputs.every((output) => equalBytes(output.script, script));
}

/** A preimage that the chain shows serves every HTLC of its hash that we offered, at once. */
function learned(state: ChannelState, preimage: Uint8Array, changes: ChannelChange[], { height }: Context): StepResult {
  const hash = sha256(preimage);
  const effects: Effect[] = [];
  for (const htlc of state.htlcs.values()) {
    const { id, offerer, paymentHash } = htlc;
    if (offerer !== "local" || preimageOf(state, htlc) !== undefined || !equalBytes(paymentHash, hash)) continue;
    // Another HTLC of the same hash may have been claimed long after this one was ours again.
    if (isRefunded(state, htlc, height)) continue;
    changes.push({ type: "known_preimage", row: { htlcId: id, preimage } });
    effects.push(tell({ type: "htlc_fulfilled", id, paymentHash, preimage }));
  }
  return step(changes, effects);
}

/** A reorganisation took the block away that held the claim of an output. */
export function outputUnspent(state: ChannelState, index: number): StepResult {
  const output = state.chainOutputs.get(index);
  if (output?.spend === undefined) return NOTHING;
  return step([{ type: "chain_output", row: { ...output, spend: { ...output.spend, height: undefined } } }]);
}

/** Makes the claims that the next block may hold, and dearer ones of those that wait too long. Spec: B2-37..B2-40. */
export function sweepIfDue(state: ChannelState, context: Context): StepResult {
  const { anchorSpend } = state;
  // Of a chain that is being caught up with, what is claimed already comes yet.
  if (anchorSpend?.height === undefined || !context.caughtUp) return NOTHING;
  const { made, dropped } = planSweeps(state, anchorSpend, context);
  return step(
    [
      ...dropped.map(({ txid }): ChannelChange => ({ type: "sweep_dropped", txid })),
      ...made.map((row): ChannelChange => ({ type: "sweep", row })),
    ],
    made.map(({ transaction }): Effect => ({ type: "broadcast", transaction })),
  );
}

/** Claims of ours that the chain does not have yet, as far as we know: to be given to the network again. */
export function unconfirmedSweeps(state: ChannelState): Uint8Array[] {
  return state.sweeps.filter((sweep) => !isConfirmed(state, sweep)).map(({ transaction }) => transaction);
}

/**
 * Tells of the HTLCs that we offered and that have just become ours again for good: claimed by us, or without an output in
 * the commitment. Others upstream are failed because of it, so that it waits for six blocks. Spec: B2-39.
 */
export function failedHtlcsSettled(state: ChannelState, { height: tip }: Context): StepResult {
  if (state.anchorSpend?.height === undefined) return NOTHING;
  const effects: Effect[] = [];
  for (const htlc of state.htlcs.values()) {
    const { id, offerer, paymentHash } = htlc;
    if (offerer !== "local" || preimageOf(state, htlc) !== undefined) continue;
    // It was told when it was.
    if (isRejected(htlc)) continue;
    if (isLost(state, htlc, tip)) effects.push(tell({ type: "htlc_lost", id, paymentHash }));
    if (depth(refundHeight(state, id), tip) !== SETTLED_DEPTH) continue;
    const reason = new TextEncoder().encode("resolved on chain");
    effects.push(tell({ type: "htlc_failed", id, paymentHash, reason }));
  }
  return step([], effects);
}

/**
 * Of a commitment that we know nothing of nobody can say whether it still has the HTLC, or what the peer did with it before. Once it is
 * buried and the HTLC has expired, nothing will be learned of it any more.
 */
function isLost({ anchorSpend }: ChannelState, { expiry }: HtlcRow, tip: number): boolean {
  if (anchorSpend?.kind !== "unknown" || anchorSpend.height === undefined) return false;
  return tip === Math.max(anchorSpend.height + BURIED_DEPTH - 1, expiry);
}

/** Moves between the stages that say how final the end is, back too where a reorganisation undid it. Spec: B2-38, LW-2. */
export function closedIfDue(state: ChannelState, context: Context): StepResult {
  const { anchorSpend } = state;
  const { stage } = state.stage;
  // A spend that only the mempool had, of an anchor that can't confirm any more.
  if (anchorSpend === undefined || stage === "abandoned") return NOTHING;
  const ended = anchorSpend.kind === "close" ? "close_agreed" : "failed";
  const settled = resolvedDepth(state, anchorSpend, context);
  // Kept for good where the data are an old copy: no new channel may be begun with its keys.
  const isBuried = settled >= BURIED_DEPTH && !state.stage.stale;
  const next = isBuried ? "buried" : settled >= SETTLED_DEPTH ? "closed" : ended;
  if (next === stage || stage === "buried") return NOTHING;
  const moved = moveTo(state, { stage: next });
  return step([moved.change], moved.events);
}

/** How deep the shallowest of all that had to happen is; 0 where something is still to be claimed. */
function resolvedDepth(state: ChannelState, anchorSpend: AnchorSpendRow, context: Context): number {
  const { kind, holder, height } = anchorSpend;
  if (kind === "revoked" && holder === undefined) return 0;
  let least = depth(height, context.height);
  for (const output of state.chainOutputs.values()) {
    const { spend } = output;
    if (claimable(state, anchorSpend, output) === undefined) {
      // What is not ours, or the wallet's to spend, says nothing about how final the end is.
      if (kind === "commitment" && awaitsPreimage(state, output, context)) return 0;
    } else if (spend !== undefined) least = Math.min(least, depth(spend.height, context.height));
    else if (isWorthClaiming(state, anchorSpend, output, context)) return 0;
  }
  return least;
}

/** Whether an HTLC offered to us may still become ours: until its expiry whoever we are to pay for it may show the preimage. */
function awaitsPreimage(state: ChannelState, { htlcId, spend }: ChainOutputRow, { height }: Context): boolean {
  const htlc = htlcId === undefined ? undefined : state.htlcs.get(htlcId);
  if (htlc === undefined || htlc.offerer === "local" || spend?.height !== undefined) return false;
  return htlc.removal === undefined && preimageOf(state, htlc) === undefined && height < htlc.expiry;
}
