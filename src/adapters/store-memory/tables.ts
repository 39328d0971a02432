import type { InvoiceRow, PaymentRow } from "../../core/payment/index.ts";
import type { ChannelRows, HtlcRow, RemovalRequestRow } from "../../core/payment-channel/index.ts";
import type { LifeRow, MomentRow, RecordRow, TallyRow } from "../../ports/record-rows.ts";
import type {
  ChainBlockRow,
  CoinRow,
  OutboxRow,
  PeerCopyRow,
  PeerRow,
  ReplayRow,
  StreamRow,
  WithdrawalRow,
} from "../../ports/store.ts";

type One<K extends keyof ChannelRows> = NonNullable<ChannelRows[K]>;
type Each<
  K extends
    | "terms"
    | "fundingShares"
    | "fees"
    | "commitments"
    | "revocationHashes"
    | "revocationSlots"
    | "clearings"
    | "closeOffers"
    | "chainOutputs"
    | "sweeps"
    | "knownPreimages",
> = Map<string, ChannelRows[K][number]>;

/** All rows of one channel. Maps stand for tables, and their keys for primary keys; rows of which there is one have key 0. */
export type ChannelTables = {
  readonly channel: Map<0, One<"channel">>;
  readonly id: Map<0, One<"id">>;
  readonly stage: Map<0, One<"stage">>;
  readonly funding: Map<0, One<"funding">>;
  readonly dualFunding: Map<0, One<"dualFunding">>;
  readonly fundingShares: Each<"fundingShares">;
  readonly totals: Map<0, One<"totals">>;
  readonly htlcs: Map<bigint, HtlcRow>;
  readonly removalRequests: Map<bigint, RemovalRequestRow>;
  readonly terms: Each<"terms">;
  readonly fees: Each<"fees">;
  readonly commitments: Each<"commitments">;
  readonly revocationHashes: Each<"revocationHashes">;
  readonly revocationSlots: Each<"revocationSlots">;
  readonly clearings: Each<"clearings">;
  readonly closeOffers: Each<"closeOffers">;
  readonly record: Map<0, RecordRow>;
  readonly life: Map<0, LifeRow>;
  readonly tallies: Map<string, TallyRow>;
  readonly moments: Map<number, MomentRow>;
  /** By batch and place, in order of both. */
  readonly replay: Map<string, ReplayRow>;
  readonly anchorSpend: Map<0, One<"anchorSpend">>;
  readonly chainOutputs: Each<"chainOutputs">;
  readonly sweeps: Each<"sweeps">;
  readonly knownPreimages: Each<"knownPreimages">;
};

export type Tables = {
  readonly counters: Map<"sequence" | "nextChannelIndex" | "nextReceive" | "nextChange", number>;
  readonly peers: Map<number, PeerRow>;
  readonly streams: Map<number, StreamRow>;
  /** By peer, then by number. */
  readonly outbox: Map<number, Map<number, OutboxRow>>;
  readonly peerCopies: Map<number, PeerCopyRow>;
  readonly channels: Map<number, ChannelTables>;
  readonly invoices: Map<string, InvoiceRow>;
  readonly payments: Map<string, PaymentRow>;
  readonly coins: Map<string, CoinRow>;
  readonly withdrawals: Map<string, WithdrawalRow>;
  readonly blocks: Map<number, ChainBlockRow>;
};

export function emptyChannelTables(): ChannelTables {
  return {
    channel: new Map(),
    id: new Map(),
    stage: new Map(),
    funding: new Map(),
    dualFunding: new Map(),
    fundingShares: new Map(),
    totals: new Map(),
    htlcs: new Map(),
    removalRequests: new Map(),
    terms: new Map(),
    fees: new Map(),
    commitments: new Map(),
    revocationHashes: new Map(),
    revocationSlots: new Map(),
    clearings: new Map(),
    closeOffers: new Map(),
    record: new Map(),
    life: new Map(),
    tallies: new Map(),
    moments: new Map(),
    replay: new Map(),
    anchorSpend: new Map(),
    chainOutputs: new Map(),
    sweeps: new Map(),
    knownPreimages: new Map(),
  };
}

export function emptyTables(): Tables {
  return {
    counters: new Map(),
    peers: new Map(),
    streams: new Map(),
    outbox: new Map(),
    peerCopies: new Map(),
    channels: new Map(),
    invoices: new Map(),
    payments: new Map(),
    coins: new Map(),
    withdrawals: new Map(),
    blocks: new Map(),
  };
}
