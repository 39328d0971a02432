// Cooperative close (seed 001 section 4; seed 000 "Cooperative Channel Close"):
//
//   A                                   B
//     --- close_clearing (script) --->     no adds any more; the other answers with its own
//     <-- close_clearing (script) ----
//     ... HTLCs drain, all older commitments are revoked ...
//     --- close_signature (fee) ----->
//     <-- close_signature (fee) ------     midpoints until both name one fee
//     both hold both signatures: the one who agreed broadcasts, the other watches (LW-2)
//
// Seed 000's two-message close is the case in which the first offer is taken.

import { invariant, type Result, type Satoshi } from "../base/index.ts";
import {
  anchorScript,
  type Close,
  closeTransaction,
  commitmentFee,
  DUST_LIMIT_SAT,
  isStandardCloseScript,
  payToWitnessPublicKeyHash,
  serializeTransaction,
  type Transaction,
  virtualSize,
  withAnchorWitness,
} from "../bitcoin/index.ts";
import { secp256k1 } from "../crypto/index.ts";
import type { PktMessage } from "../wire/index.ts";
import type { ChannelChange } from "./changes.ts";
import { hasUnsignedChanges } from "./commits.ts";
import type { ChannelError } from "./errors.ts";
import { hasUncommittedFee } from "./fees.ts";
import type { Context, Effect, Input } from "./input.ts";
import { moveTo, NOTHING, type StepResult, send, step, unexpected, violation } from "./outcome.ts";
import { estimatedFeeRate } from "./policy.ts";
import type { ClearingRow, Side } from "./rows.ts";
import { type ChannelState, newest } from "./state.ts";

/** Offers after which the last valid signature is taken as it is. */
const MAX_OFFERS = 20;

/** Says that we want to close. Spec: B2-32. */
export function close(state: ChannelState, script: Uint8Array | undefined, context: Context): StepResult {
  if (state.stage.stage !== "open") return violation("not_open", "B2-13", { detail: state.stage.stage });
  if (state.clearing.local !== undefined) return violation("channel_closing", "B2-32");
  if (!context.peerReady) return violation("peer_not_ready", "B2-4");
  if (script !== undefined && !isStandardCloseScript(script)) return violation("bad_close_script", "B2-45");
  return sendClearing(state, script, context);
}

function sendClearing(state: ChannelState, script: Uint8Array | undefined, context: Context): StepResult {
  const row: ClearingRow = {
    side: "local",
    number: context.nextPacketNumber,
    acknowledge: context.acknowledge,
    script: script ?? defaultScript(state, "local"),
  };
  return step([{ type: "clearing", row }], [send(state, { type: "close_clearing", closeScript: row.script })]);
}

function defaultScript(state: ChannelState, side: Side): Uint8Array {
  const terms = state.terms[side];
  invariant(terms !== undefined, "both terms are known before a channel closes");
  return terms.closeScript ?? payToWitnessPublicKeyHash(terms.finalKey);
}

/** The peer wants to close: at most once, to a standard script. We answer with our own at the end of the batch. */
export function receiveClearing(
  state: ChannelState,
  message: Extract<PktMessage, { type: "close_clearing" }>,
  input: Extract<Input, { type: "packet" }>,
): StepResult {
  if (state.stage.stage !== "open" || state.clearing.remote !== undefined) {
    return unexpected("close_clearing", state.stage.stage, "B2-32");
  }
  const { closeScript } = message;
  if (closeScript !== undefined && !isStandardCloseScript(closeScript)) {
    return violation("remote_close_script", "B2-45", { detail: "not a standard script" });
  }
  const row: ClearingRow = {
    side: "remote",
    number: input.number,
    acknowledge: input.acknowledge,
    script: closeScript ?? defaultScript(state, "remote"),
  };
  return step([{ type: "clearing", row }]);
}

/** Answers a close_clearing, or starts the negotiation once everything has drained. */
export function closeIfDue(state: ChannelState, context: Context): StepResult {
  if (state.stage.stage !== "open" || !context.peerReady || state.clearing.remote === undefined) return NOTHING;
  if (state.clearing.local === undefined) return sendClearing(state, undefined, context);
  // The peer will sign for a fee rate of ours: a close_signature before that would find it at work on an update. The other way
  // round there is nothing to wait for, since update_fee ends with the first close_signature.
  if (!isDrained(state) || hasUncommittedFee(state) || state.closeOffers.length > 0) return NOTHING;
  // One side starts, so that first offers do not cross as a rule; the rules cover the crossing all the same.
  if (state.channel.initiator !== "local") return NOTHING;
  return sendOffer(state, firstOffer(state, context), context);
}

/** No HTLC in any commitment that counts, none being removed, and every older commitment revoked. Spec: LS-32. */
export function isDrained(state: ChannelState): boolean {
  return state.htlcs.size === 0 && state.commitments.remote.length === 1 && !hasUnsignedChanges(state);
}

/** The fees of the two final commitments: an offer is at most the lower by its sender, the higher by its receiver. */
function finalFees(state: ChannelState): { lower: bigint; higher: bigint } {
  const local = commitmentFee(newest(state, "local")?.feeRate ?? 0, 0);
  const remote = commitmentFee(newest(state, "remote")?.feeRate ?? 0, 0);
  return local < remote ? { lower: local, higher: remote } : { lower: remote, higher: local };
}

function even(value: bigint): bigint {
  return value - (value % 2n);
}

/** What the close costs by the estimate, within the rule. Spec: B2-33, B2-55. */
function firstOffer(state: ChannelState, context: Context): Satoshi {
  const sample = closing(state, 0n as Satoshi);
  const vbytes = sample.ok ? virtualSize(signed(state, sample.value.transaction, LONGEST, LONGEST)) : 0;
  const wanted = even(BigInt(Math.ceil((estimatedFeeRate(context.fees) * vbytes) / 1000)) + 1n);
  return least(wanted, least(finalFees(state).lower, highestPayable(state))) as Satoshi;
}

function least(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}

/** A fee at which the richer side's output is sure to remain. */
function highestPayable({ totals }: ChannelState): bigint {
  const poorer = least(totals.localMsat, totals.remoteMsat);
  const richerSat = (totals.localMsat + totals.remoteMsat - poorer) / 1000n;
  return richerSat > DUST_LIMIT_SAT ? even(richerSat - DUST_LIMIT_SAT) : 0n;
}

/** In the place of a signature, for its size. */
const LONGEST = new Uint8Array(64).fill(0xff);

function keyOf(state: ChannelState, side: Side): Uint8Array {
  const key = state.terms[side]?.commitKey;
  invariant(key !== undefined, "both terms are known before a channel closes");
  return key;
}

/** The close at a fee: the same for both sides, whichever builds it. Spec: LW-1. */
function closing(state: ChannelState, feeSat: Satoshi): Result<Close, ChannelError> {
  const { funding, clearing, totals } = state;
  if (funding === undefined || clearing.local === undefined || clearing.remote === undefined) {
    return violation("unexpected_message", "B2-33", { detail: "close_signature before close_clearing" });
  }
  const { txid, outputIndex, amountSat } = funding;
  const script = anchorScript(keyOf(state, "local"), keyOf(state, "remote"));
  const built = closeTransaction({
    funding: { txid, outputIndex, amountSat, script },
    own: { script: clearing.local.script, msat: totals.localMsat },
    oth: { script: clearing.remote.script, msat: totals.remoteMsat },
    feeSat,
  });
  if (built.ok) return built;
  return violation("close_fee_out_of_range", "B2-33", { actual: feeSat, detail: built.error.type });
}

function signed(state: ChannelState, transaction: Transaction, local: Uint8Array, remote: Uint8Array): Transaction {
  return withAnchorWitness(
    transaction,
    { commitKey: keyOf(state, "local"), signature: local },
    { commitKey: keyOf(state, "remote"), signature: remote },
  );
}

function signClose(state: ChannelState, close: Close, context: Pick<Context, "signer" | "keys">): Uint8Array {
  return context.signer.sign(context.keys.commitKey(state.channel.index), close.sighash);
}

function sendOffer(state: ChannelState, feeSat: Satoshi, context: Context): StepResult {
  const built = closing(state, feeSat);
  if (!built.ok) return built;
  const signature = signClose(state, built.value, context);
  return step(
    [{ type: "close_offer", row: { side: "local", ordinal: state.closeOffers.length, feeSat, signature } }],
    [send(state, { type: "close_signature", closeFeeSat: feeSat, signature })],
  );
}

function lastOffer(state: ChannelState, side: Side): bigint | undefined {
  return state.closeOffers.findLast((offer) => offer.side === side)?.feeSat;
}

function isStrictlyBetween(value: bigint, a: bigint, b: bigint): boolean {
  return a < b ? value > a && value < b : value > b && value < a;
}

/** The even midpoint strictly between two fees, or undefined where there is none (100 and 102). */
export function midpoint(a: bigint, b: bigint): bigint | undefined {
  const middle = (a + b) / 2n;
  const [low, high] = a < b ? [a, b] : [b, a];
  const candidate = middle % 2n === 0n ? middle : middle - 1n;
  if (candidate > low && candidate < high) return candidate;
  return candidate + 2n > low && candidate + 2n < high ? candidate + 2n : undefined;
}

/** The peer's signature for a fee: agreement, or a step towards it. Spec: B2-33, B2-55, B2-56. */
export function receiveCloseSignature(
  state: ChannelState,
  message: Extract<PktMessage, { type: "close_signature" }>,
  context: Context,
): StepResult {
  const { closeFeeSat, signature } = message;
  // Two answers that crossed, each taking the other's fee: both closes are good, and the chain takes one of them.
  if (state.stage.stage === "close_agreed") return NOTHING;
  if (state.stage.stage !== "open") return unexpected("close_signature", state.stage.stage, "B2-33");
  if (!isDrained(state)) return unexpected("close_signature before the HTLCs are gone", state.stage.stage, "B2-33");
  const ours = lastOffer(state, "local");
  const theirs = lastOffer(state, "remote");
  const { higher } = finalFees(state);
  if (closeFeeSat > higher || closeFeeSat % 2n !== 0n) {
    return violation("close_fee_out_of_range", "B2-33", { limit: higher, actual: closeFeeSat });
  }
  const converges =
    ours === undefined || theirs === undefined || closeFeeSat === ours || isStrictlyBetween(closeFeeSat, ours, theirs);
  if (!converges) return violation("close_fee_out_of_range", "B2-33", { limit: ours ?? 0n, actual: closeFeeSat });
  const built = closing(state, closeFeeSat);
  if (!built.ok) return built;
  if (!secp256k1.verify(signature, built.value.sighash, keyOf(state, "remote"))) {
    return violation("bad_close_signature", "B2-33", { actual: closeFeeSat });
  }
  const ordinal = state.closeOffers.length;
  const received = {
    type: "close_offer" as const,
    row: { side: "remote" as const, ordinal, feeSat: closeFeeSat, signature },
  };
  const answer = answerTo(state, closeFeeSat, ours, context);
  if (answer !== closeFeeSat) return counter(state, received, answer, context);
  return agree(state, received, built.value, ours === closeFeeSat, context);
}

type OfferChange = Extract<ChannelChange, { type: "close_offer" }>;

/** What we say to a fee: the same where we take it. */
function answerTo(state: ChannelState, theirs: Satoshi, ours: bigint | undefined, context: Context): Satoshi {
  if (ours === theirs) return theirs;
  if (ours === undefined) {
    const wanted = firstOffer(state, context);
    const acceptable = theirs * 2n >= wanted && theirs <= wanted * 2n;
    return acceptable ? theirs : wanted;
  }
  const offers = state.closeOffers.length + 1;
  if (offers >= MAX_OFFERS) return theirs;
  return (midpoint(ours, theirs) as Satoshi | undefined) ?? theirs;
}

function counter(state: ChannelState, received: OfferChange, feeSat: Satoshi, context: Context): StepResult {
  const built = closing(state, feeSat);
  if (!built.ok) return built;
  const signature = signClose(state, built.value, context);
  const row = { side: "local" as const, ordinal: received.row.ordinal + 1, feeSat, signature };
  return step(
    [received, { type: "close_offer", row }],
    [send(state, { type: "close_signature", closeFeeSat: feeSat, signature })],
  );
}

/** Both named one fee. Who takes the other's offer says so and broadcasts; both may, it is the same transaction. */
function agree(
  state: ChannelState,
  received: OfferChange,
  close: Close,
  alreadySaid: boolean,
  context: Context,
): StepResult {
  const { feeSat, ordinal } = received.row;
  const local = signClose(state, close, context);
  const transaction = signed(state, close.transaction, local, received.row.signature);
  const moved = moveTo(state, { stage: "close_agreed" });
  const effects: Effect[] = alreadySaid
    ? []
    : [send(state, { type: "close_signature", closeFeeSat: feeSat, signature: local })];
  const own: OfferChange = {
    type: "close_offer",
    row: { side: "local", ordinal: ordinal + 1, feeSat, signature: local },
  };
  return step(
    [received, ...(alreadySaid ? [] : [own]), moved.change],
    [
      ...effects,
      { type: "broadcast", transaction: serializeTransaction(transaction, { witness: true }) },
      ...moved.events,
    ],
  );
}

/** The close at a fee, unsigned; undefined where there is none. For recognising it on chain. */
export function closeAt(state: ChannelState, feeSat: Satoshi): Transaction | undefined {
  const built = closing(state, feeSat);
  return built.ok ? built.value.transaction : undefined;
}

/** The close by the peer's newest close_signature, signed by us too: what counts when the channel fails. Spec: B2-43, B2-56. */
export function newestClose(state: ChannelState, context: Pick<Context, "signer" | "keys">): Uint8Array | undefined {
  const offer = state.closeOffers.findLast((row) => row.side === "remote");
  if (offer === undefined) return undefined;
  const built = closing(state, offer.feeSat);
  if (!built.ok) return undefined;
  const local = signClose(state, built.value, context);
  return serializeTransaction(signed(state, built.value.transaction, local, offer.signature), { witness: true });
}
