import {
  type ChannelId,
  type Msat,
  type NodeId,
  type PaymentHash,
  type Satoshi,
  sat,
  type Txid,
} from "../core/base/index.ts";
import { parseTransaction } from "../core/bitcoin/index.ts";
import {
  addedBy,
  type CommitmentRow,
  type FundingRow,
  type HtlcRow,
  type Side,
  type Stage,
} from "../core/payment-channel/index.ts";
import type { ChannelHistory, HtlcOutcome, MomentRow, TallyRow } from "../ports/record-rows.ts";
import type { Store } from "../ports/store.ts";
import { outcomeOf, reasonText } from "./failures.ts";
import type { Records } from "./records.ts";

/** Rows of a page where nothing is said, and at most. */
const DEFAULT_PAGE = 100;
const MAX_PAGE = 1_000;

/** HTLCs that came to an end: how many, and what they held. */
export type Tally = { readonly count: number; readonly amountMsat: bigint };

/** HTLCs of one direction by outcome; those under way are in none. */
export type DirectionTotals = {
  readonly fulfilled: Tally;
  readonly failed: Tally;
  /** The parts of `failed`. The word of whoever failed it is all that tells one cause from another. */
  readonly causes: { readonly [cause in Exclude<HtlcOutcome, "fulfilled">]: Tally };
};

/** What one channel has done, live or ended. Times are milliseconds since 1970. Spec: LW-8. */
export type ChannelRecord = {
  readonly channel: number;
  readonly channelId: ChannelId;
  readonly peer: NodeId;
  readonly initiator: Side;
  readonly stage: Stage;
  readonly failure: string | undefined;
  readonly createdAt: number;
  readonly openedAt: number | undefined;
  /** The first HTLC or change of fee, and the newest change of anything. */
  readonly firstActivityAt: number | undefined;
  readonly lastActivityAt: number | undefined;
  /** When it was closed, abandoned or failed. */
  readonly endedAt: number | undefined;
  readonly sent: DirectionTotals;
  readonly received: DirectionTotals;
  readonly localMsat: bigint;
  readonly remoteMsat: bigint;
  /** The least that each side has had outside of HTLCs, at the ends of batches. What a crash took is not seen. */
  readonly lowestLocalMsat: bigint | undefined;
  readonly lowestRemoteMsat: bigint | undefined;
  /** Commitments of ours that the peer signed, and of the peer's that we signed. */
  readonly localCommitments: number;
  readonly remoteCommitments: number;
  /** Times that a connection took the channel up. */
  readonly connections: number;
  /** What our wallet paid to have the anchor mined. */
  readonly fundingFeeSat: Satoshi | undefined;
  /** How it ended; undefined while it goes on. `feeSat` is that of the whole transaction. */
  readonly end:
    | {
        /** Forced: by a commitment; punished: by one that had been revoked; unknown: by something newer than our data. */
        readonly type: "cooperative" | "forced" | "punished" | "unknown" | "failed" | "abandoned";
        readonly txid: Txid | undefined;
        readonly feeSat: Satoshi | undefined;
      }
    | undefined;
};

/** One HTLC. A time is undefined while it has not come. Spec: LW-8. */
export type HtlcRecord = {
  readonly id: bigint;
  readonly direction: "sent" | "received";
  readonly amountMsat: Msat;
  readonly paymentHash: PaymentHash;
  /** Absolute height from which it is expired. */
  readonly expiry: number;
  readonly outcome: HtlcOutcome | "pending";
  readonly failReason: string | undefined;
  /** The message that added it, or accepted the request to, was processed. */
  readonly addedAt: number | undefined;
  /** In every commitment that counts. */
  readonly clearedAt: number | undefined;
  /** The message that removed it was processed. */
  readonly removedAt: number | undefined;
  /** Gone from every commitment that counts. */
  readonly settledAt: number | undefined;
};

/** One commitment that was signed. Spec: LW-8. */
export type CommitmentRecord = {
  /** Who can broadcast it, or could. */
  readonly holder: Side;
  readonly number: number;
  readonly signedAt: number | undefined;
  /** Satoshi per 1000 bytes. */
  readonly feeRate: number;
  /** Outside of HTLCs, before the fee. */
  readonly localMsat: bigint;
  readonly remoteMsat: bigint;
  /** HTLCs in it, those too small for an output included. */
  readonly htlcs: number;
};

/** How far a channel had come at a moment, for drawing it over time. */
export type { MomentRow as Moment } from "../ports/record-rows.ts";

/**
 * What is recorded of channels, read from the store page by page. Times are exact to the batch; those of changes that were not
 * written before a crash are at most a second early. Every method rejects with StoreError, or NodeHalted after the node's end.
 */
export class ChannelRecords {
  private readonly store: Store;
  private readonly records: Records;

  constructor(options: { store: Store; records: Records }) {
    this.store = options.store;
    this.records = options.records;
  }

  /** The channel of this number of ours; undefined where there never was one. */
  async channel(channel: number): Promise<ChannelRecord | undefined> {
    await this.records.settled();
    const history = await this.store.history(channel);
    if (history === undefined) return undefined;
    const times = new Times(this.store, channel, history.lastMoment);
    const firstActivityAt = await times.of(({ staged }) => staged.local + staged.remote, 1);
    return channelRecord(history, firstActivityAt);
  }

  /** HTLCs of one direction, the newest first: at most `limit` (100, at most 1000) below the id `before`. */
  async htlcs(
    channel: number,
    page: { readonly direction: "sent" | "received"; readonly before?: bigint; readonly limit?: number },
  ): Promise<HtlcRecord[]> {
    const times = await this.times(channel);
    const offerer = page.direction === "sent" ? "local" : "remote";
    const rows = await this.store.htlcs(channel, { offerer, before: page.before, limit: pageLimit(page.limit) });
    const found: HtlcRecord[] = [];
    for (const row of rows) found.push(await htlcRecord(row, times));
    return found;
  }

  /** Commitments of one holder, the newest first: at most `limit` (100, at most 1000) below the number `before`. */
  async commitments(
    channel: number,
    page: { readonly holder: Side; readonly before?: number; readonly limit?: number },
  ): Promise<CommitmentRecord[]> {
    const times = await this.times(channel);
    const { holder, before } = page;
    const rows = await this.store.commitments(channel, { holder, before, limit: pageLimit(page.limit) });
    const found: CommitmentRecord[] = [];
    for (const row of rows) found.push(await commitmentRecord(row, times));
    return found;
  }

  /** How far the channel had come when, in order of time: at most `limit` (100, at most 1000) from the ordinal `from` on. */
  async moments(
    channel: number,
    page: { readonly from?: number; readonly limit?: number } = {},
  ): Promise<readonly MomentRow[]> {
    await this.records.settled();
    return this.store.moments(channel, { from: page.from ?? 0, limit: pageLimit(page.limit) });
  }

  private async times(channel: number): Promise<Times> {
    await this.records.settled();
    return new Times(this.store, channel, (await this.store.history(channel))?.lastMoment);
  }
}

function pageLimit(limit: number | undefined): number {
  return Math.max(0, Math.min(MAX_PAGE, Math.floor(limit ?? DEFAULT_PAGE)));
}

/** Finds when a channel reached a number, by bisecting its moments. */
class Times {
  private readonly store: Store;
  private readonly channel: number;
  private readonly last: MomentRow | undefined;
  /** The rows of a page are near each other in time: most bisections pass the same moments. */
  private readonly seen = new Map<number, MomentRow>();

  constructor(store: Store, channel: number, last: MomentRow | undefined) {
    this.store = store;
    this.channel = channel;
    this.last = last;
  }

  /** The time of the first moment at which `reached` is not below `number`; undefined where that has not come. */
  async of(reached: (moment: MomentRow) => number, number: number): Promise<number | undefined> {
    if (this.last === undefined || reached(this.last) < number) return undefined;
    let [low, first] = [0, this.last];
    while (low < first.ordinal) {
      const middle = await this.moment(Math.floor((low + first.ordinal) / 2));
      if (middle === undefined) return undefined;
      if (reached(middle) >= number) first = middle;
      else low = middle.ordinal + 1;
    }
    return first.at;
  }

  private async moment(ordinal: number): Promise<MomentRow | undefined> {
    const known = this.seen.get(ordinal);
    if (known !== undefined) return known;
    const [found] = await this.store.moments(this.channel, { from: ordinal, limit: 1 });
    if (found !== undefined) this.seen.set(ordinal, found);
    return found;
  }
}

async function htlcRecord(row: HtlcRow, times: Times): Promise<HtlcRecord> {
  const { id, offerer, amountMsat, paymentHash, expiry, addNumber, removal, removedBy, removeNumber } = row;
  const adder = addedBy(row);
  // Of one that was requested, and rejected or not accepted yet, there is no such message.
  const added = addNumber === 0 ? Number.POSITIVE_INFINITY : addNumber;
  const reason = removal?.type === "failed" ? removal.reason : undefined;
  const removed = removal === undefined ? Number.POSITIVE_INFINITY : removeNumber;
  return {
    id,
    direction: offerer === "local" ? "sent" : "received",
    amountMsat,
    paymentHash,
    expiry,
    outcome: removal === undefined ? "pending" : outcomeOf(reason),
    failReason: reason === undefined ? undefined : reasonText(reason),
    addedAt: await times.of(({ staged }) => staged[adder], added),
    clearedAt: await times.of(({ settled }) => settled[adder], added),
    removedAt: await times.of(({ staged }) => staged[removedBy], removed),
    settledAt: await times.of(({ settled }) => settled[removedBy], removed),
  };
}

async function commitmentRecord(row: CommitmentRow, times: Times): Promise<CommitmentRecord> {
  const { holder, number, feeRate, localMsat, remoteMsat, htlcs } = row;
  const signedAt = await times.of(({ commitments }) => commitments[holder], number);
  return { holder, number, signedAt, feeRate, localMsat, remoteMsat, htlcs };
}

function directionTotals(tallies: readonly TallyRow[], offerer: Side): DirectionTotals {
  const of = (outcome: HtlcOutcome): Tally => {
    const row = tallies.find((tally) => tally.offerer === offerer && tally.outcome === outcome);
    return { count: row?.count ?? 0, amountMsat: row?.amountMsat ?? 0n };
  };
  const causes = {
    unknown_payment: of("unknown_payment"),
    expiry_too_close: of("expiry_too_close"),
    channel_closing: of("channel_closing"),
    failed_otherwise: of("failed_otherwise"),
  };
  const failed = Object.values(causes).reduce((sum, { count, amountMsat }) => ({
    count: sum.count + count,
    amountMsat: sum.amountMsat + amountMsat,
  }));
  return { fulfilled: of("fulfilled"), failed, causes };
}

type End = NonNullable<ChannelRecord["end"]>;

const BY_SPEND = { close: "cooperative", commitment: "forced", revoked: "punished", unknown: "unknown" } as const;

/** How the channel ended, by what spent its anchor on the best chain, or by what was decided before anything did. */
function endOf({ stage: { stage }, anchorSpend, funding }: ChannelHistory): End | undefined {
  if (anchorSpend?.height !== undefined) {
    const { kind, txid, transaction } = anchorSpend;
    return { type: BY_SPEND[kind], txid, feeSat: feeOf(transaction, funding) };
  }
  const decided = stage === "close_agreed" || stage === "closed" || stage === "buried" ? "cooperative" : stage;
  if (decided !== "cooperative" && decided !== "failed" && decided !== "abandoned") return undefined;
  return { type: decided, txid: undefined, feeSat: undefined };
}

/**
 * The fee of the transaction that spends the anchor, where the anchor is all that it spends. An anchor that does not hold what
 * the peer said it does may be spent for more than we count on.
 */
function feeOf(transaction: Uint8Array, funding: FundingRow | undefined): Satoshi | undefined {
  const parsed = parseTransaction(transaction);
  if (funding === undefined || !parsed.ok || parsed.value.inputs.length !== 1) return undefined;
  const left = parsed.value.outputs.reduce((sum, output) => sum - output.amountSat, funding.amountSat as bigint);
  return left < 0n ? undefined : sat(left);
}

function channelRecord(history: ChannelHistory, firstActivityAt: number | undefined): ChannelRecord {
  const { channel, id, stage, totals, record, life, tallies, lastMoment } = history;
  return {
    channel: channel.index,
    channelId: id,
    peer: channel.peer,
    initiator: channel.initiator,
    stage: stage.stage,
    failure: stage.failure,
    createdAt: channel.createdAt,
    openedAt: life?.openedAt,
    firstActivityAt,
    lastActivityAt: lastMoment?.at,
    endedAt: life?.endedAt,
    sent: directionTotals(tallies, "local"),
    received: directionTotals(tallies, "remote"),
    localMsat: totals.localMsat,
    remoteMsat: totals.remoteMsat,
    lowestLocalMsat: record?.lowestLocalMsat,
    lowestRemoteMsat: record?.lowestRemoteMsat,
    localCommitments: (lastMoment?.commitments.local ?? -1) + 1,
    remoteCommitments: (lastMoment?.commitments.remote ?? -1) + 1,
    connections: record?.connections ?? 0,
    fundingFeeSat: life?.fundingFeeSat,
    end: endOf(history),
  };
}
