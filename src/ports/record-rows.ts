import type { ChannelId, Msat, Satoshi } from "../core/base/index.ts";
import type {
  AnchorSpendRow,
  ChannelRow,
  Coverage,
  FundingRow,
  Side,
  StageRow,
  TotalsRow,
} from "../core/payment-channel/index.ts";

/**
 * What can become of an HTLC, in a fixed order. A failure is told by what its reason says, which whoever failed it chose:
 * nobody has an invoice of its hash and amount, it expired too soon, the channel was closing, or anything else.
 */
export const HTLC_OUTCOMES = [
  "fulfilled",
  "unknown_payment",
  "expiry_too_close",
  "channel_closing",
  "failed_otherwise",
] as const;
export type HtlcOutcome = (typeof HTLC_OUTCOMES)[number];

/** How many HTLCs of one side came to one outcome. */
export type TallyRow = {
  readonly channel: number;
  readonly offerer: Side;
  readonly outcome: HtlcOutcome;
  readonly count: number;
  readonly amountMsat: bigint;
};

/** The narrow row that says how far the tallies of a channel reach, and what else is counted. */
export type RecordRow = {
  readonly channel: number;
  /** HTLCs removed by messages of each side up to these numbers are in the tallies; no other is. */
  readonly countedUpTo: Coverage;
  /** Connections over which the channel was taken up, the first included. */
  readonly connections: number;
  /** The least that each side has had outside of HTLCs; undefined before there is a commitment. */
  readonly lowestLocalMsat: bigint | undefined;
  readonly lowestRemoteMsat: bigint | undefined;
};

/** What happens once or twice in the life of a channel. */
export type LifeRow = {
  readonly channel: number;
  /** Milliseconds since 1970. */
  readonly openedAt: number | undefined;
  /** When it was closed, abandoned, or failed. */
  readonly endedAt: number | undefined;
  /** What our wallet paid to have the anchor mined. */
  readonly fundingFeeSat: Satoshi | undefined;
};

/**
 * How far a channel had come at a moment. All numbers only grow, so that the time of any change is found by bisecting: it is
 * that of the first moment that has reached the change's number.
 */
export type MomentRow = {
  readonly channel: number;
  /** 0, 1, 2, ... in each channel, without gaps. */
  readonly ordinal: number;
  /** Milliseconds since 1970; never less than in the moment before. */
  readonly at: number;
  /** Every change that messages of each side made up to these numbers had happened. */
  readonly staged: Coverage;
  /** Every commitment that counts covers each side's messages up to these numbers. */
  readonly settled: Coverage;
  /** Numbers of the newest commitments, by holder; -1 before the first. */
  readonly commitments: { readonly local: number; readonly remote: number };
};

/** What is recorded of one channel. */
export type RecordRows = {
  /** Undefined before the first flush. */
  readonly record: RecordRow | undefined;
  readonly life: LifeRow | undefined;
  readonly tallies: readonly TallyRow[];
  readonly lastMoment: MomentRow | undefined;
};

/** A removal that a record does not count yet. */
export type UncountedHtlc = {
  readonly offerer: Side;
  readonly amountMsat: Msat;
  /** Undefined where it was fulfilled. */
  readonly failReason: Uint8Array | undefined;
  /** Whose message removed it, and its number in that side's packets. */
  readonly removedBy: Side;
  readonly removeNumber: number;
};

/** A channel, live or ended, as the books want it. */
export type ChannelHistory = RecordRows & {
  readonly channel: ChannelRow;
  readonly id: ChannelId;
  readonly stage: StageRow;
  readonly funding: FundingRow | undefined;
  readonly anchorSpend: AnchorSpendRow | undefined;
  readonly totals: TotalsRow;
};
