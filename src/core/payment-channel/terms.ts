// What each side says in open_channel, whoever funds the channel: how it is made, judged and stored. Spec: B2-8..B2-12, B2-34.
import { asChannelId, type ChannelId, concatBytes, equalBytes, type Msat, type Result } from "../base/index.ts";
import { commitmentFee, isStandardCloseScript } from "../bitcoin/index.ts";
import { sha256 } from "../crypto/index.ts";
import type { OpenChannel } from "../wire/index.ts";
import type { ChannelChange } from "./changes.ts";
import type { ChannelError } from "./errors.ts";
import type { Context } from "./input.ts";
import { violation } from "./outcome.ts";
import { ownRevocationHash } from "./own-revocation.ts";
import { feeRateFloor, maxOpeningFeeRate, maxRemoteOpeningFeeRate, openingFeeRate, reserveSat } from "./policy.ts";
import type { ChannelRow, TermsRow } from "./rows.ts";
import { lockOf } from "./state.ts";

/** The lasting id: fixed once both sides' fresh keys are known, and never derived from the funding. */
export function lastingId(temporaryId: ChannelId, initiatorKey: Uint8Array, responderKey: Uint8Array): ChannelId {
  const label = new TextEncoder().encode("sluice channel id");
  return asChannelId(sha256(concatBytes(label, temporaryId, initiatorKey, responderKey)));
}

/** What a command of the user asks for, as far as it can be judged before the peer has said anything. */
type Wish = {
  /** Of the whole anchor, and what of it is the initiator's. */
  readonly amountSat: bigint;
  readonly initiatorSat: bigint;
  readonly pushMsat: bigint;
  readonly feeRate?: number;
  readonly closeScript?: Uint8Array;
};

/** Refuses what the peer would have to refuse; the value is the fee rate of our commitment. Spec: B2-8, B2-12, B2-44..B2-46. */
export function judgeWish(wish: Wish, { policy, fees }: Context): Result<number, ChannelError> {
  const { amountSat, initiatorSat, pushMsat, closeScript } = wish;
  if (amountSat > policy.maxAmountSat) {
    return violation("amount_out_of_range", "B2-12", { limit: policy.maxAmountSat, actual: amountSat });
  }
  if (amountSat < policy.minAmountSat) {
    return violation("amount_out_of_range", "B2-46", { limit: policy.minAmountSat, actual: amountSat });
  }
  const feeRate = wish.feeRate ?? openingFeeRate(fees);
  const lowest = feeRateFloor(fees);
  const highest = maxOpeningFeeRate(fees);
  if (!Number.isInteger(feeRate) || feeRate < lowest || feeRate > highest) {
    return violation("fee_rate_unreasonable", "B2-44", {
      limit: feeRate > highest ? highest : lowest,
      actual: feeRate,
    });
  }
  const spare = initiatorSat - reserveSat(amountSat, undefined) - commitmentFee(feeRate, 0);
  if (pushMsat < 0n || pushMsat > spare * 1000n) {
    return violation("push_too_large", "B2-12", { limit: spare > 0n ? spare * 1000n : 0n, actual: pushMsat });
  }
  if (closeScript !== undefined && !isStandardCloseScript(closeScript)) return violation("bad_close_script", "B2-45");
  return { ok: true, value: feeRate };
}

type Asked = { readonly feeRate: number; readonly minDepth: number; readonly closeScript: Uint8Array | undefined };

export function ownTerms(context: Context, index: number, { feeRate, minDepth, closeScript }: Asked): TermsRow {
  const { policy, keys, signer } = context;
  return {
    side: "local",
    delay: policy.delay,
    minDepth,
    commitKey: signer.publicKey(keys.commitKey(index)),
    finalKey: signer.publicKey(keys.finalKey(index)),
    initialFeeRate: feeRate,
    channelReserveSat: undefined,
    closeScript,
    revocationHashes: policy.window,
  };
}

export function openChannelMessage(context: Context, row: ChannelRow, terms: TermsRow): OpenChannel {
  const hash = (number: number) => ownRevocationHash(context, row.index, number);
  return {
    type: "open_channel",
    delay: terms.delay,
    revocationHash: hash(0),
    nextRevocationHash: hash(1),
    commitKey: terms.commitKey,
    finalKey: terms.finalKey,
    anchor: row.initiator === "local" ? "will_create" : "wont_create",
    minDepth: terms.minDepth,
    initialFeeRate: terms.initialFeeRate,
    revocationWindow: Array.from({ length: terms.revocationHashes - 2 }, (_, i) => hash(i + 2)),
    ...(terms.channelReserveSat === undefined ? {} : { channelReserveSat: terms.channelReserveSat }),
    pushMsat: row.initiator === "local" ? row.pushMsat : (0n as Msat),
    prestage: row.prestage,
    ...(terms.closeScript === undefined ? {} : { closeScript: terms.closeScript }),
  };
}

export function termsChanges(terms: TermsRow): ChannelChange[] {
  return [
    { type: "terms", row: terms },
    { type: "fee", row: { owner: terms.side, number: 0, feeRate: terms.initialFeeRate } },
  ];
}

export function ownHashChanges(context: Context, index: number, terms: TermsRow): ChannelChange[] {
  return Array.from({ length: terms.revocationHashes }, (_, number) => ({
    type: "own_revocation_hash",
    hash: ownRevocationHash(context, index, number),
  }));
}

/** The peer's terms, if we can live with them. Spec: B2-8, B2-44; payment-channel design "On chain". */
export function judgeTerms(
  message: OpenChannel,
  own: TermsRow,
  index: number,
  context: Context,
): Result<TermsRow, ChannelError> {
  const { policy, fees } = context;
  const ownLocks = Array.from({ length: own.revocationHashes }, (_, i) => lockOf(ownRevocationHash(context, index, i)));
  if (message.delay > policy.maxDelay) {
    return violation("remote_delay_unreasonable", "B2-8", { limit: policy.maxDelay, actual: message.delay });
  }
  if (message.minDepth > policy.maxMinDepth) {
    return violation("remote_min_depth_unreasonable", "B2-8", { limit: policy.maxMinDepth, actual: message.minDepth });
  }
  const lowest = feeRateFloor(fees);
  const highest = maxRemoteOpeningFeeRate(fees);
  if (message.initialFeeRate < lowest || message.initialFeeRate > highest) {
    const limit = message.initialFeeRate < lowest ? lowest : highest;
    return violation("remote_fee_rate_unreasonable", "B2-8", { limit, actual: message.initialFeeRate });
  }
  if (message.closeScript !== undefined && !isStandardCloseScript(message.closeScript)) {
    return violation("remote_close_script", "B2-45", { detail: "not a standard script" });
  }
  if (equalBytes(message.commitKey, own.commitKey) || equalBytes(message.finalKey, own.finalKey)) {
    return violation("remote_terms_unacceptable", "B2-10", { detail: "the peer's key is our own" });
  }
  if (message.prestage && !policy.prestage) {
    return violation("remote_terms_unacceptable", "LS-16", { detail: "pre-staging is not to be had here" });
  }
  const hashes = windowHashes(message);
  const locks = new Set(hashes.map(lockOf));
  if (locks.size !== hashes.length || ownLocks.some((lock) => locks.has(lock))) {
    return violation("remote_hash_collision", "B2-34", { detail: "a revocation hash stands twice" });
  }
  return {
    ok: true,
    value: {
      side: "remote",
      delay: message.delay,
      minDepth: message.minDepth,
      commitKey: message.commitKey,
      finalKey: message.finalKey,
      initialFeeRate: message.initialFeeRate,
      channelReserveSat: message.channelReserveSat,
      closeScript: message.closeScript,
      revocationHashes: hashes.length,
    },
  };
}

function windowHashes(message: OpenChannel): Uint8Array[] {
  return [message.revocationHash, message.nextRevocationHash, ...message.revocationWindow];
}

export function revocationHashChanges(message: OpenChannel): ChannelChange[] {
  return windowHashes(message).map((hash, number) => ({ type: "revocation_hash", row: { number, hash } }));
}

/** What the initiator has to bring: the dearer first commitment's fee, its reserve, and what it gives away. */
export function neededSat(amountSat: bigint, pushMsat: bigint, initiator: TermsRow, responder: TermsRow): bigint {
  const fee = commitmentFee(Math.max(initiator.initialFeeRate, responder.initialFeeRate), 0);
  return fee + reserveSat(amountSat, responder.channelReserveSat) + (pushMsat + 999n) / 1000n;
}

/** The peer may ask us to keep up to 5 % of the anchor, or what the protocol asks in any case. */
export function judgeReserve(amountSat: bigint, asked: bigint | undefined): Result<undefined, ChannelError> {
  const limit = reserveSat(amountSat, amountSat / 20n);
  if (asked === undefined || asked <= limit) return { ok: true, value: undefined };
  return violation("remote_reserve_unreasonable", "B2-8", { limit, actual: asked });
}

/** Whether an anchor of this size, of which `initiatorSat` are the initiator's, can be one of ours. Spec: B2-12, B2-46. */
export function judgeAmount(
  anchor: { readonly amountSat: bigint; readonly initiatorSat: bigint; readonly pushMsat: Msat },
  initiator: TermsRow,
  responder: TermsRow,
  { policy }: Context,
): Result<undefined, ChannelError> {
  const { amountSat, initiatorSat, pushMsat } = anchor;
  if (amountSat > policy.maxAmountSat) {
    return violation("anchor_too_large", "B2-12", { limit: policy.maxAmountSat, actual: amountSat });
  }
  if (amountSat < policy.minAmountSat) {
    return violation("anchor_too_small", "B2-46", { limit: policy.minAmountSat, actual: amountSat });
  }
  const needed = neededSat(amountSat, pushMsat, initiator, responder);
  if (initiatorSat < needed) return violation("anchor_too_small", "B2-12", { limit: needed, actual: initiatorSat });
  const remote = initiator.side === "remote" ? initiator : responder;
  return judgeReserve(amountSat, remote.channelReserveSat);
}
