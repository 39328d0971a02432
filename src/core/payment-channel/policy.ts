import type { Satoshi } from "../base/index.ts";

/** What this node asks for and puts up with. Plain data; amounts in satoshi, times in blocks. */
export type ChannelPolicy = {
  /** Blocks we make the other side wait for its own outputs. */
  readonly delay: number;
  /** The longest delay we accept for our own outputs. Spec: B2-8. */
  readonly maxDelay: number;
  /** Confirmations before we call the channel open where the peer funded it. */
  readonly minDepth: number;
  /** The same for anchors above 1,000,000 satoshi. */
  readonly minDepthLarge: number;
  /** Confirmations where all the money is ours. Spec: B2-44. */
  readonly minDepthOwn: number;
  /** The deepest min_depth we accept from a peer. */
  readonly maxMinDepth: number;
  /** The greatest anchor. Spec: B2-12. */
  readonly maxAmountSat: Satoshi;
  /** The smallest anchor that we accept. Spec: B2-46. */
  readonly minAmountSat: Satoshi;
  /** What we put into a channel that a peer asks us to fund with it, at the most. Spec: LS-2. */
  readonly maxContributionSat: Satoshi;
  /** HTLCs worth an output that each side may offer. */
  readonly maxHtlcs: number;
  /** How far ahead an expiry may lie. */
  readonly expiryHorizon: number;
  /** Whether we have channels with pre-staging at all. Spec: LS-16. */
  readonly prestage: boolean;
  /**
   * Who says yes to an HTLC that a peer requests: `accept`, the channel, where its limits allow; `ask`, whoever is told of
   * the request. Limits reject it in either case. Spec: LS-17.
   */
  readonly prestageAdds: "accept" | "ask";
  /** Revocation hashes given ahead, the two of the seed included: 2 to 16. Spec: LS-14. */
  readonly window: number;
  /** Our commitments' fee rates follow the estimate; else they stay as opened until the user sets them. Spec: B2-25. */
  readonly automaticFees: boolean;
};

/** Seed 001 section 2.2: amounts in millisatoshi fit 32 bits. Spec: B2-12. */
export const MAX_ANCHOR_SAT: Satoshi = 4_294_967n as Satoshi;

/** The greatest number of HTLCs a party may offer, dust included. Spec: B2-19. */
export const MAX_OFFERED = 1500;

/**
 * The greatest number of HTLCs worth an output per side: with 1,150 on each, the commitment still is a standard
 * transaction (a node accepts 2,321 HTLC outputs).
 */
export const MAX_OFFERED_NON_DUST = 1150;

/** Commitments of one party that are signed and not revoked, the current one included. Spec: LS-14. */
export const MAX_UNREVOKED = 16;

/** Messages that the peer has not acknowledged, beyond which nothing new is offered. */
export const MAX_UNACKNOWLEDGED = 10_000;

/** Blocks beyond the depth that a peer asked for, after which its open_complete is overdue: heights differ. Spec: B2-48. */
export const OPEN_COMPLETE_MARGIN = 144;

/** Blocks after which an anchor that is in none of them is not expected any more, where it is the peer's money: two weeks. */
export const ANCHOR_PATIENCE = 2016;

export const DEFAULT_POLICY: ChannelPolicy = {
  delay: 144,
  maxDelay: 1008,
  minDepth: 3,
  minDepthLarge: 6,
  minDepthOwn: 0,
  maxMinDepth: 144,
  maxAmountSat: MAX_ANCHOR_SAT,
  minAmountSat: 20_000n as Satoshi,
  maxContributionSat: 0n as Satoshi,
  maxHtlcs: 1000,
  expiryHorizon: 4032,
  prestage: true,
  prestageAdds: "accept",
  window: 16,
  automaticFees: true,
};

/** Confirmations after which nothing on chain is expected to be undone. */
export const BURIED = 6;

/** What we wait for where both parties fund, whatever the policy says: the peer can take its part back until then. */
export const LEAST_DUAL_DEPTH = { small: 3, large: 6 };

/** Anchors above it are buried deeper before they count. */
export const LARGE_ANCHOR_SAT = 1_000_000n;

/** Fees as the chain reports them, in satoshi per 1000 virtual bytes. */
export type FeeEstimate = {
  /** For inclusion in the next blocks; undefined where the node has no estimate, as on an empty regtest. */
  readonly nextBlock: number | undefined;
  /** The lowest rate that the node relays. */
  readonly relay: number;
  /** What to use where there is no estimate. */
  readonly fallback: number;
  /** The extremes of the last half hour, fallbacks counted; absent where only the present is known. */
  readonly recent?: { readonly lowest: number; readonly highest: number };
};

/**
 * The rule counts fewer bytes than a commitment has from 15 HTLCs on (0.75 of the nominal rate at 803), hence a floor
 * above the relay minimum: 1,350 per thousand bytes for each satoshi per virtual byte.
 */
export function feeRateFloor(fees: FeeEstimate): number {
  return Math.ceil((1350 * fees.relay) / 1000);
}

/** The estimate for the next block in the rule's unit; a missing one counts as the larger of floor and fallback. */
export function estimatedFeeRate(fees: FeeEstimate): number {
  return Math.max(fees.nextBlock ?? fees.fallback, feeRateFloor(fees));
}

/** Our own commitment's rate: twice the estimate, 2.7 times once it may hold many HTLCs. Spec: B2-25. */
export function ownFeeRate(fees: FeeEstimate, htlcs: number): number {
  return Math.ceil(estimatedFeeRate(fees) * (htlcs > 14 ? 2.7 : 2));
}

/** The highest rate at which our user may open a channel, and at which we put something into a funding transaction. Spec: B2-44, LS-1. */
export function maxOpeningFeeRate(fees: FeeEstimate): number {
  return Math.max(3 * estimatedFeeRate(fees), ownFeeRate(fees, 0));
}

/** What both sides of a channel ask for their own commitments, in satoshi per 1000 bytes of the rule. */
type FeeRates = Readonly<Record<"local" | "remote", number>>;

/**
 * The highest rate that a peer's update_fee may ask: ten times the highest estimate of late, since that of an honest peer may lag behind
 * ours, and always what we ask for ourselves. Spec: B2-25.
 */
export function maxUpdateFeeRate(fees: FeeEstimate, rates: FeeRates): number {
  const highest = Math.max(estimatedFeeRate(fees), fees.recent?.highest ?? 0);
  return Math.max(10 * highest, ALWAYS_ACCEPTED_FEE_RATE, rates.local);
}

/** No rate up to here is too high, however low the estimate. Spec: B2-25; payment-channel design "On chain". */
const ALWAYS_ACCEPTED_FEE_RATE = 25_000;

/**
 * What our commitment's rate should be now. Above what any peer accepts, it is at most five times the lowest estimate of the last half
 * hour, as a peer whose estimate lags behind would take more for an abuse; or what the peer asks for itself.
 */
export function wantedFeeRate(fees: FeeEstimate, rates: FeeRates, htlcs: number): number {
  return Math.min(ownFeeRate(fees, htlcs), Math.max(acceptableFeeRate(fees), rates.remote));
}

/** What a peer takes for no abuse though its estimate lags behind a jump that we have seen. */
function acceptableFeeRate(fees: FeeEstimate): number {
  const lowest = Math.max(fees.recent?.lowest ?? estimatedFeeRate(fees), feeRateFloor(fees));
  return Math.max(Math.floor(5 * lowest), ALWAYS_ACCEPTED_FEE_RATE);
}

/** The rate at which a funding transaction of two is made and its coins are chosen. Spec: LS-1. */
export function fundingFeeRate({ fees }: { readonly fees: FeeEstimate }): number {
  return Math.min(estimatedFeeRate(fees), acceptableFeeRate(fees));
}

const NO_RATES: FeeRates = { local: 0, remote: 0 };

/** Our first commitment's rate, where nobody says otherwise: as of any later one, but that no peer asks for anything yet. */
export function openingFeeRate(fees: FeeEstimate): number {
  return wantedFeeRate(fees, NO_RATES, 0);
}

/** The highest rate that a peer's first commitment or funding transaction may have: what it may ask for later, or estimates that differ by half could open nothing. Spec: B2-8. */
export function maxRemoteOpeningFeeRate(fees: FeeEstimate): number {
  return maxUpdateFeeRate(fees, NO_RATES);
}

/** What it should not be far above: by the highest estimate of the last half hour, so that a dip changes nothing. */
export function sufficientFeeRate(fees: FeeEstimate, htlcs: number): number {
  const highest = Math.max(fees.recent?.highest ?? 0, estimatedFeeRate(fees));
  return ownFeeRate({ ...fees, nextBlock: highest }, htlcs);
}

/** What a side keeps at least: 1 % of the anchor, 5,000 satoshi, or what the other asked. */
export function reserveSat(amountSat: bigint, asked: bigint | undefined): bigint {
  const own = amountSat / 100n > 5000n ? amountSat / 100n : 5000n;
  return asked !== undefined && asked > own ? asked : own;
}

/** How much of one commitment may be HTLCs too small for an output: 1 % of the anchor or 10,000 satoshi. */
export function dustCapSat(amountSat: bigint): bigint {
  return amountSat / 100n > 10_000n ? amountSat / 100n : 10_000n;
}
