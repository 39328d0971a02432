// Adding an HTLC (seed 001 section 3.2). The message itself stages it: update_add_htlc -->
// With pre-staging it only asks, under the same rules: add_request -->   (see add-requests.ts)

import { equalBytes } from "../base/index.ts";
import { commitmentFee, splitFee } from "../bitcoin/index.ts";
import type { PktMessage } from "../wire/index.ts";
import { withLocalChange } from "./changes.ts";
import type { ChannelErrorType } from "./errors.ts";
import type { Context, Input } from "./input.ts";
import { NOTHING, type StepResult, send, step, tell, unexpected, violation } from "./outcome.ts";
import {
  type ChannelPolicy,
  dustCapSat,
  estimatedFeeRate,
  feeRateFloor,
  MAX_OFFERED,
  MAX_OFFERED_NON_DUST,
  MAX_UNACKNOWLEDGED,
  reserveSat,
} from "./policy.ts";
import { type HtlcRow, otherSide, type Side } from "./rows.ts";
import { type ChannelState, hasLostAnchor, lockOf } from "./state.ts";
import { type View, withAdd } from "./view.ts";

/** What the field of the message can say: 32 bits. */
const MAX_AMOUNT_MSAT = 0xffff_ffffn;

/** Twice as many HTLCs as may stand: a request that is rejected costs its sender nothing else. */
const MAX_ROWS = 2 * MAX_OFFERED;

type Add = Extract<PktMessage, { type: "update_add_htlc" | "add_request" }>;

/** A limit that an add would break, in words that fit both directions. */
type Excess = {
  readonly kind: "insufficient_balance" | "too_many_htlcs" | "dust_exposure";
  readonly rule: string;
  readonly limit: bigint | number;
  readonly actual: bigint | number;
};

/**
 * HTLCs of a side that we have to hold, this one included: with those that are removed, or rejected, and of which
 * commitments have yet to say so. The offerer holds all that its peer holds, so that the limit is the same for both.
 */
function rowsOffered({ htlcs }: ChannelState, offerer: Side): number {
  // Mostly there are not that many of both sides.
  if (htlcs.size < MAX_ROWS) return htlcs.size + 1;
  let rows = 1;
  for (const htlc of htlcs.values()) if (htlc.offerer === offerer) rows++;
  return rows;
}

/** What a side keeps in the worse of the two commitments once its fee share is paid, in satoshi. */
function afterFees(view: View, side: Side): bigint {
  const htlcs = view.local.offeredNonDust + view.remote.offeredNonDust;
  const fee = commitmentFee(Math.max(view.feeRate.local, view.feeRate.remote), htlcs);
  const ownMsat = view[side].balanceMsat;
  const othMsat = view[otherSide(side)].balanceMsat;
  return splitFee({ feeSat: fee, ownMsat, othMsat }).ownSat;
}

/** Whether `view`, which includes the add of `offerer`, keeps every limit. Spec: B2-18, B2-19, B2-54. */
function excess(state: ChannelState, view: View, offerer: Side, maxNonDust: number): Excess | undefined {
  const totals = view[offerer];
  const amountSat = state.funding?.amountSat ?? 0n;
  const reserve = reserveSat(amountSat, state.terms[otherSide(offerer)]?.channelReserveSat);
  if (totals.balanceMsat < 0n) {
    return { kind: "insufficient_balance", rule: "B2-18", limit: 0n, actual: totals.balanceMsat };
  }
  const left = afterFees(view, offerer);
  if (left < reserve) return { kind: "insufficient_balance", rule: "B2-18", limit: reserve, actual: left };
  if (totals.offered > MAX_OFFERED) {
    return { kind: "too_many_htlcs", rule: "B2-19", limit: MAX_OFFERED, actual: totals.offered };
  }
  if (totals.offeredNonDust > maxNonDust) {
    return { kind: "too_many_htlcs", rule: "B2-19", limit: maxNonDust, actual: totals.offeredNonDust };
  }
  const cap = dustCapSat(amountSat);
  if (view.dustMsat > cap * 1000n) {
    return { kind: "dust_exposure", rule: "B2-17", limit: cap, actual: (view.dustMsat + 999n) / 1000n };
  }
  return undefined;
}

/** Offers an HTLC. Refused when the peer would have to refuse it. Spec: B2-16..B2-21, LS-20, LS-21. */
export function offer(state: ChannelState, input: Extract<Input, { type: "offer" }>, context: Context): StepResult {
  const { amountMsat, paymentHash, expiry, route } = input;
  const { policy } = context;
  if (state.clearing.local !== undefined || state.clearing.remote !== undefined) {
    return violation("channel_closing", "B2-32");
  }
  if (state.stage.stage !== "open") return violation("not_open", "B2-13", { detail: state.stage.stage });
  if (hasLostAnchor(state)) return violation("not_open", "LW-3", { detail: "the anchor is not confirmed" });
  if (!context.peerReady) return violation("peer_not_ready", "B2-4");
  if (context.unacknowledged >= MAX_UNACKNOWLEDGED) {
    return violation("too_much_unacknowledged", "B2-6", { limit: MAX_UNACKNOWLEDGED, actual: context.unacknowledged });
  }
  if (amountMsat <= 0n) return violation("amount_zero", "B2-17", { limit: 1n, actual: amountMsat });
  if (amountMsat > MAX_AMOUNT_MSAT) {
    return violation("amount_out_of_range", "B2-12", { limit: MAX_AMOUNT_MSAT, actual: amountMsat });
  }
  const soonest = context.height + (state.terms.remote?.delay ?? 0);
  if (!Number.isInteger(expiry) || expiry < soonest)
    return violation("expiry_too_soon", "B2-20", { limit: soonest, actual: expiry });
  const latest = context.height + policy.expiryHorizon;
  if (expiry > latest) return violation("expiry_too_far", "B2-16", { limit: latest, actual: expiry });
  if (state.revocationLocks.has(lockOf(paymentHash))) return violation("payment_hash_is_revocation_hash", "B2-34");
  const low = lowFeeRate(state.view, context);
  if (low !== undefined) {
    const { side, limit, actual } = low;
    const detail = side === "local" ? "our commitment" : "the peer's commitment";
    return violation("fee_rate_too_low", "B2-25", { limit, actual, detail });
  }
  const { prestage } = state.channel;
  const htlc: HtlcRow = {
    id: nextId(state, "local"),
    offerer: "local",
    amountMsat,
    paymentHash,
    expiry,
    route,
    requestNumber: prestage ? context.nextPacketNumber : 0,
    addNumber: prestage ? 0 : context.nextPacketNumber,
    removal: undefined,
    removedBy: "remote",
    removeNumber: 0,
  };
  const rows = prestage ? rowsOffered(state, "local") : 0;
  if (rows > MAX_ROWS) return violation("too_many_htlcs", "B2-19", { limit: MAX_ROWS, actual: rows });
  const broken = excess(state, withAdd(state.view, htlc), "local", Math.min(policy.maxHtlcs, MAX_OFFERED_NON_DUST));
  if (broken !== undefined) return violation(broken.kind, broken.rule, { limit: broken.limit, actual: broken.actual });
  const type = prestage ? ("add_request" as const) : ("update_add_htlc" as const);
  const message = { type, id: htlc.id, amountMsat, paymentHash, expiry, route };
  return step([{ type: "htlc_added", row: htlc }], [send(state, message)]);
}

/**
 * A rate at which nothing is to be staked on a commitment: ours under the estimate, so that it would not confirm in time, the peer's
 * under what is relayed at all. Low rates keep us from offering; they never fail the channel.
 */
export function lowFeeRate(
  { feeRate }: View,
  { fees }: Pick<Context, "fees">,
): { readonly side: Side; readonly limit: number; readonly actual: number } | undefined {
  const [ours, theirs] = [estimatedFeeRate(fees), feeRateFloor(fees)];
  if (feeRate.local < ours) return { side: "local", limit: ours, actual: feeRate.local };
  if (feeRate.remote < theirs) return { side: "remote", limit: theirs, actual: feeRate.remote };
  return undefined;
}

/** The next id of a side: even for the channel's initiator, odd for its responder, each two above the last. Spec: LS-21. */
export function nextId(state: ChannelState, side: Side): bigint {
  const last = side === "local" ? state.totals.localLastId : state.totals.remoteLastId;
  if (last >= 0n) return last + 2n;
  return side === state.channel.initiator ? 0n : 1n;
}

const AS_VIOLATION: Record<Excess["kind"], ChannelErrorType> = {
  insufficient_balance: "remote_insufficient_balance",
  too_many_htlcs: "remote_too_many_htlcs",
  dust_exposure: "remote_dust_exposure",
};

/** A peer's add, judged in the peer's view: its own changes, and ours up to this message's acknowledge. */
export function receiveAdd(
  state: ChannelState,
  message: Add,
  input: Extract<Input, { type: "packet" }>,
  policy: ChannelPolicy,
): StepResult {
  const { prestage } = state.channel;
  if (state.stage.stage !== "open") return unexpected(message.type, state.stage.stage, "B2-13");
  if (isStagedAlready(state, message)) return NOTHING;
  if (state.clearing.remote !== undefined || hasCommittedToClearing(state)) {
    return violation("remote_add_while_closing", "B2-32");
  }
  if (message.amountMsat === 0n) return violation("remote_amount_zero", "B2-17", { limit: 1n, actual: 0n });
  const expected = nextId(state, "remote");
  if (message.id !== expected) {
    return violation("remote_htlc_id", "LS-21", { limit: expected, actual: message.id });
  }
  if (state.revocationLocks.has(lockOf(message.paymentHash))) {
    return violation("remote_hash_collision", "B2-34", { detail: "a payment hash that is a revocation hash" });
  }
  const htlc: HtlcRow = {
    id: message.id,
    offerer: "remote",
    amountMsat: message.amountMsat,
    paymentHash: message.paymentHash,
    expiry: message.expiry,
    route: message.route,
    requestNumber: prestage ? input.number : 0,
    addNumber: prestage ? 0 : input.number,
    removal: undefined,
    removedBy: "local",
    removeNumber: 0,
  };
  const rows = prestage ? rowsOffered(state, "remote") : 0;
  if (rows > MAX_ROWS) return violation("remote_too_many_htlcs", "B2-19", { limit: MAX_ROWS, actual: rows });
  const view = withAdd(peerView(state, input.acknowledge), htlc);
  const broken = excess(state, view, "remote", MAX_OFFERED_NON_DUST);
  if (broken !== undefined) {
    return violation(AS_VIOLATION[broken.kind], broken.rule, { limit: broken.limit, actual: broken.actual });
  }
  const asks = prestage && policy.prestageAdds === "ask";
  return step([{ type: "htlc_added", row: htlc }], asks ? [tell({ type: "add_requested", htlc })] : []);
}

/** A request for what is staged already, which counts as accepting it. Spec: LS-18. */
function isStagedAlready(state: ChannelState, message: Add): boolean {
  const htlc = message.type === "add_request" ? state.htlcs.get(message.id) : undefined;
  if (htlc === undefined || htlc.offerer !== "remote" || htlc.addNumber === 0) return false;
  const { amountMsat, expiry, paymentHash, route } = message;
  const isSame = amountMsat === htlc.amountMsat && expiry === htlc.expiry;
  return isSame && equalBytes(paymentHash, htlc.paymentHash) && equalBytes(route, htlc.route);
}

/** Whether the peer has signed a commitment after it had processed our close_clearing. Spec: B2-32. */
function hasCommittedToClearing(state: ChannelState): boolean {
  const ours = state.clearing.local?.number;
  return ours !== undefined && (state.commitments.local?.coverage.local ?? 0) >= ours;
}

/** The peer's view as of an acknowledge that is not applied yet. */
export function peerView(state: ChannelState, acknowledge: number): View {
  let view = state.acknowledgedView;
  for (const change of state.unacknowledged) {
    if (change.number > acknowledge) break;
    view = withLocalChange(view, change);
  }
  return view;
}
