import type { ChannelId, NodeId, PaymentHash, Satoshi, Txid } from "../core/base/index.ts";
import type { InvoiceRow, PaymentRow } from "../core/payment/index.ts";
import type { ChannelChange, ChannelRows, CommitmentRow, HtlcRow, Side } from "../core/payment-channel/index.ts";
import type {
  ChannelHistory,
  LifeRow,
  MomentRow,
  RecordRow,
  RecordRows,
  TallyRow,
  UncountedHtlc,
} from "./record-rows.ts";
import type { PeerAddress } from "./transport.ts";

/** A peer, and where the stream of counted packets with it stands. Spec: B2-5, B2-6. */
export type PeerRow = {
  /** Our own number of the peer. */
  readonly index: number;
  readonly nodeId: NodeId;
  readonly address: PeerAddress | undefined;
};

/** The narrow row of a peer that changes with every batch. */
export type StreamRow = {
  readonly peer: number;
  /** Packets of the peer that are processed. */
  readonly received: number;
  /** Rolling digest of them. 32 bytes. */
  readonly receivedDigest: Uint8Array;
  /** The number of our newest packet. */
  readonly sent: number;
  /** The peer has processed our packets up to here; the outbox holds the rest. */
  readonly acknowledged: number;
  /** The greatest acknowledge that a counted packet carried; authenticate may have said more already. */
  readonly packetAcknowledge: number;
  /** Rolling digest of our packets up to `acknowledged`. 32 bytes. */
  readonly acknowledgedDigest: Uint8Array;
};

/** A packet that the peer has not acknowledged: sent again bit for bit after a reconnect. */
export type OutboxRow = {
  readonly peer: number;
  readonly number: number;
  /** Fixed when the packet was created, never refreshed. */
  readonly acknowledge: number;
  readonly packet: Uint8Array;
};

/** An output that the wallet can spend, or could. */
export type CoinRow = {
  readonly txid: Txid;
  readonly outputIndex: number;
  readonly amountSat: Satoshi;
  /** Which key spends it: BIP 84's receiving or change key of that index, or the final key of our channel of that index. */
  readonly keyKind: "receive" | "change" | "final";
  readonly keyIndex: number;
  readonly coinbase: boolean;
  /** Height of the block that made it; undefined while unconfirmed. */
  readonly height: number | undefined;
  /** Channel whose anchor it is reserved for. */
  readonly reservedFor: number | undefined;
  /** Height of the block in which it was spent; undefined while it is not. */
  readonly spentHeight: number | undefined;
};

/** A transaction of the wallet's that its user asked for: kept until its end is buried. */
export type WithdrawalRow = {
  readonly txid: Txid;
  /** With its witness, as it is given to the network. */
  readonly transaction: Uint8Array;
  /** The output that pays what was asked for; another one is change. */
  readonly outputIndex: number;
  readonly feeSat: Satoshi;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  /** Height of the block that has it; undefined while none does. */
  readonly height: number | undefined;
  /** Height at which the chain had no input for it any more: spent in another way, or gone with the block that made it. */
  readonly conflictHeight: number | undefined;
};

/** What a peer has us keep for it: the newest, opaque to us. */
export type PeerCopyRow = {
  /** Our own number of the peer. */
  readonly peer: number;
  readonly bytes: Uint8Array;
};

/** How many wallet keys were handed out. */
export type WalletKeysRow = { readonly nextReceive: number; readonly nextChange: number };

/** A block that the node has processed; the newest few are kept to find the fork after a reorganisation. */
export type ChainBlockRow = { readonly height: number; readonly hash: Uint8Array };

/** A checkpoint of a channel (place 0), or an input that it was given in a batch. Bodies are the node's, and opaque here. */
export type ReplayRow = {
  readonly channel: number;
  /** The batch that it is written in. */
  readonly batch: number;
  /** 0 for a checkpoint, which comes before the batch's inputs. */
  readonly place: number;
  readonly body: Uint8Array;
};

/** One change in a batch: one member per kind of row. */
export type StoreChange =
  /**
   * A channel is created together with its stage and totals. Kinds `acknowledged` and `own_revocation_hash` follow from
   * other rows and are not written.
   */
  | { readonly type: "channel"; readonly channel: number; readonly change: ChannelChange }
  /** All rows of the channel go: a peer proposed it, and it ended before we had signed anything. */
  | { readonly type: "channel_removed"; readonly channel: number }
  /** The channel's number is used up, whether or not a channel came of it. */
  | { readonly type: "channel_index"; readonly next: number }
  | { readonly type: "peer"; readonly row: PeerRow }
  | { readonly type: "stream"; readonly row: StreamRow }
  | { readonly type: "outbox"; readonly row: OutboxRow }
  /** Removes the peer's outbox rows numbered up to and including `upTo`. */
  | { readonly type: "outbox_pruned"; readonly peer: number; readonly upTo: number }
  /** Inserts, or replaces. */
  | { readonly type: "peer_copy"; readonly row: PeerCopyRow }
  | { readonly type: "peer_copy_removed"; readonly peer: number }
  | { readonly type: "invoice"; readonly row: InvoiceRow }
  | { readonly type: "payment"; readonly row: PaymentRow }
  /** Inserts the coin, or replaces it. */
  | { readonly type: "coin"; readonly row: CoinRow }
  | { readonly type: "record"; readonly row: RecordRow }
  | { readonly type: "tally"; readonly row: TallyRow }
  | { readonly type: "life"; readonly row: LifeRow }
  /** Its ordinal follows that of the channel's moment before. */
  | { readonly type: "moment"; readonly row: MomentRow }
  | { readonly type: "replay_row"; readonly row: ReplayRow }
  /**
   * Removes the channel's oldest rows, up to a checkpoint that stays: as many as leave `rows` rows at least, and in any case all
   * before the newest `checkpoints` checkpoints.
   */
  | { readonly type: "replay_pruned"; readonly channel: number; readonly rows: number; readonly checkpoints: number }
  | { readonly type: "coin_removed"; readonly txid: Txid; readonly outputIndex: number }
  /** Inserts the withdrawal, or replaces it. */
  | { readonly type: "withdrawal"; readonly row: WithdrawalRow }
  | { readonly type: "withdrawal_removed"; readonly txid: Txid }
  | { readonly type: "wallet_keys"; readonly row: WalletKeysRow }
  | { readonly type: "block"; readonly row: ChainBlockRow }
  /** Removes the blocks from `height` upward: the chain was reorganised. */
  | { readonly type: "blocks_removed"; readonly height: number }
  /** Removes the blocks under the height `below`: the rows are deep enough not to be needed. */
  | { readonly type: "blocks_pruned"; readonly below: number };

/** What is written at once or not at all. */
export type Batch = {
  /** One above the batch before; a store refuses any other. A new store begins with any, as one that is restored does. */
  readonly sequence: number;
  readonly changes: readonly StoreChange[];
};

/** A channel that is not over, with rows that can't be read: as much of it as can. */
export type DamagedChannel = {
  readonly channel: number;
  readonly channelId: ChannelId | undefined;
  readonly peer: NodeId | undefined;
  /** It says of itself that the data are an old copy: see `StageRow.stale`. */
  readonly stale: boolean;
  /** What is wrong with it. */
  readonly problem: string;
};

/** Everything that a starting node needs; the size follows what is live, not what has been. */
export type StoredNode = {
  readonly sequence: number;
  readonly nextChannelIndex: number;
  readonly peers: readonly PeerRow[];
  readonly streams: readonly StreamRow[];
  /** In order of peer and number. */
  readonly outbox: readonly OutboxRow[];
  /** Channels that are not closed or abandoned, each with its live HTLCs and unrevoked commitments. */
  readonly channels: readonly ChannelRows[];
  /** Of the same channels, in the same order. */
  readonly records: readonly (RecordRows & {
    readonly channel: number;
    /** Removals that the record does not count, in no order: those since its last flush. */
    readonly uncounted: readonly UncountedHtlc[];
  })[];
  /** Channels that would be among them if their rows could be read. */
  readonly damaged: readonly DamagedChannel[];
  readonly openInvoices: readonly InvoiceRow[];
  readonly pendingPayments: readonly PaymentRow[];
  /** Coins not spent, or spent in a block of `blocks`. */
  readonly coins: readonly CoinRow[];
  /** In the order of their ids. */
  readonly withdrawals: readonly WithdrawalRow[];
  readonly walletKeys: WalletKeysRow;
  readonly blocks: readonly ChainBlockRow[];
};

/**
 * Where the node's rows live. There is no second truth.
 *
 * Obligations of an implementation: `commit` writes all of a batch or nothing, and when its promise resolves the batch
 * survives the loss of power. `load` gives all channels but those whose own rows hold what was never written, which it names as damaged. A rejected `commit` with `outcome: "refused"` wrote nothing; with `outcome: "unknown"` the
 * caller reads `sequence()` to learn whether it was written. Batches are in order, one at a time. A store has one owner:
 * opening it a second time fails with `locked`.
 */
export interface Store {
  load(): Promise<StoredNode>;
  commit(batch: Batch): Promise<void>;
  /** The sequence number of the newest batch written; 0 for a new store. */
  sequence(): Promise<number>;
  payment(id: string): Promise<PaymentRow | undefined>;
  invoice(paymentHash: PaymentHash): Promise<InvoiceRow | undefined>;
  /** A channel, live or ended, with what is recorded of it. */
  history(channel: number): Promise<ChannelHistory | undefined>;
  /** HTLCs that one side of a channel offered, live and past, the newest first: at most `limit` below id `before`. */
  htlcs(
    channel: number,
    page: { readonly offerer: Side; readonly before: bigint | undefined; readonly limit: number },
  ): Promise<readonly HtlcRow[]>;
  /** Commitments of one holder, the newest first: at most `limit` below number `before`. */
  commitments(
    channel: number,
    page: { readonly holder: Side; readonly before: number | undefined; readonly limit: number },
  ): Promise<readonly CommitmentRow[]>;
  /** Moments of a channel in order: at most `limit` from ordinal `from` on. */
  moments(channel: number, page: { readonly from: number; readonly limit: number }): Promise<readonly MomentRow[]>;
  /** What is kept for a peer, by our own number of it. */
  peerCopy(peer: number): Promise<Uint8Array | undefined>;
  /** What is logged of a channel, in order. */
  replayRows(channel: number): Promise<readonly ReplayRow[]>;
  /**
   * The commitments of that number of either side, and every HTLC that stands in one of them, however long ago: what a
   * revoked commitment is punished by. Spec: B2-14, B2-37.
   */
  published(
    channel: number,
    number: number,
  ): Promise<{ readonly commitments: readonly CommitmentRow[]; readonly htlcs: readonly HtlcRow[] }>;
  close(): Promise<void>;
}

export type StoreErrorCode = "locked" | "corrupt" | "full" | "newer_version" | "out_of_order" | "io";

/** The store could not do it. `outcome` says what became of a batch. */
export class StoreError extends Error {
  readonly code: StoreErrorCode;
  readonly outcome: "refused" | "unknown";
  readonly retryable: boolean;
  constructor(code: StoreErrorCode, message: string, outcome: "refused" | "unknown", options?: { cause?: unknown }) {
    super(message, options);
    this.name = "StoreError";
    this.code = code;
    this.outcome = outcome;
    this.retryable = code === "full" || code === "io";
  }
}
