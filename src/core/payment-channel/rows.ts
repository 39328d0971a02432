import type { ChannelId, Msat, NodeId, PaymentHash, Satoshi, Txid } from "../base/index.ts";
import type { FundingShare } from "../bitcoin/index.ts";
import type { RevocationSlot } from "../crypto/index.ts";

/** The parties of a channel, from where we stand. */
export type Side = "local" | "remote";

export function otherSide(side: Side): Side {
  return side === "local" ? "remote" : "local";
}

/** What never changes after the channel was begun. */
export type ChannelRow = {
  /** Our own number of the channel: names its keys, never reused. */
  readonly index: number;
  /** Names the channel before both open_channel are known; chosen by the initiator. */
  readonly temporaryId: ChannelId;
  readonly peer: NodeId;
  /** Who sent the first open_channel; id parity, the anchor and the number mask follow it. Spec: B2-9, LS-21. */
  readonly initiator: Side;
  /** What we mean to fund it with; undefined where the peer asked for the channel. */
  readonly plannedAmountSat: Satoshi | undefined;
  /** What the initiator gives to the responder at the start. */
  readonly pushMsat: Msat;
  /** HTLCs and their removals are requested and accepted before they are staged. Spec: LS-16, LS-17. */
  readonly prestage: boolean;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  /** Height of the chain at that moment. */
  readonly createdHeight: number;
};

/** What one party said in its open_channel. Spec: B2-8; seed 001 section 2.1. */
export type TermsRow = {
  readonly side: Side;
  /** Blocks that this party makes the *other* wait for its own outputs. */
  readonly delay: number;
  readonly minDepth: number;
  readonly commitKey: Uint8Array;
  readonly finalKey: Uint8Array;
  readonly initialFeeRate: number;
  /** What this party asks the other to keep. */
  readonly channelReserveSat: Satoshi | undefined;
  readonly closeScript: Uint8Array | undefined;
  /** Revocation hashes given in open_channel, for the commitments 0, 1, ... of this party. */
  readonly revocationHashes: number;
};

export type Stage =
  /** Requester of a channel that both fund: our request is sent. */
  | "awaiting_funding_response"
  /** Channel that both fund: the chain is being asked about the peer's inputs. */
  | "awaiting_input_check"
  /** Responder of a channel that both fund: our response is sent. */
  | "awaiting_sign_accept"
  /** Requester of a channel that both fund: our signatures are out, so that the peer can broadcast. */
  | "awaiting_sign_complete"
  /** Initiator: our open_channel is sent. */
  | "awaiting_open_channel"
  /** Responder: both open_channel are known. */
  | "awaiting_open_anchor"
  /** Initiator: our open_anchor is sent; the anchor transaction is held back. */
  | "awaiting_open_commit_sig"
  /** Both: the anchor may be on chain; open_complete is missing from one side or both. */
  | "awaiting_depth"
  | "open"
  /** A close transaction has both signatures. */
  | "close_agreed"
  /** On chain, with everything that was ours claimed, six blocks deep: over, and still watched. */
  | "closed"
  /** 100 blocks deep: nothing is watched any more. Spec: B2-38. */
  | "buried"
  /** Ended before any money was at stake. */
  | "abandoned"
  /** Ended by a violation, an error or the user: the newest commitment is what counts. */
  | "failed";

/** The narrow row that says where the channel stands. */
export type StageRow = {
  readonly stage: Stage;
  readonly openCompleteSent: boolean;
  readonly openCompleteReceived: boolean;
  /** Why it was abandoned or failed: a typed error's name, rule and numbers as text. */
  readonly failure: string | undefined;
  /** The peer is yet to be told of the failure: it was away. Spec: B2-42. */
  readonly errorDue: boolean;
  /** Which property of our own code did not hold: updates have stopped, for as long as the channel lives. */
  readonly frozen: string | undefined;
  /**
   * Recovery mode: our data of the channel are older than the channel, so that our newest commitment may be revoked. It is never
   * broadcast; the chain is watched, and the peer asked to close. For good.
   */
  readonly stale: boolean;
};

/** The anchor. Funding is a row of its own: a channel id never derives from it. */
export type FundingRow = {
  readonly txid: Txid;
  readonly outputIndex: number;
  readonly amountSat: Satoshi;
  /** The raw transaction where we made it or have seen it in a block, for broadcasting it again. */
  readonly transaction: Uint8Array | undefined;
  /** Height of the block that holds it on the best chain. */
  readonly confirmedHeight: number | undefined;
  /** Height of the lowest block that makes it impossible: with a transaction that spends an input of it in another way. */
  readonly conflictHeight: number | undefined;
};

/** What one party brings into a funding transaction of two. Spec: LS-1, LS-2. */
export type FundingShareRow = FundingShare & {
  readonly side: Side;
  /** For each input in order, 64 bytes; undefined until that party has signed. */
  readonly signatures: readonly Uint8Array[] | undefined;
};

/** A funding transaction that both parties make. */
export type DualFundingRow = {
  /** Satoshi per 1000 virtual bytes. */
  readonly feeRate: number;
  /** What the requester wishes the responder to contribute, and the least that it goes on with (of ours only). */
  readonly wishedSat: bigint;
  readonly leastSat: bigint;
  /** Our own raw transaction that spends our inputs of it in another way. */
  readonly cancellation: Uint8Array | undefined;
};

/**
 * What a commitment holds, by message numbers: every change staged by a message of `local` numbered up to `local`, and
 * every one of `remote` up to `remote`. Both sides derive the same list from these two numbers. Spec: B2-15.
 */
export type Coverage = { readonly local: number; readonly remote: number };

/** One commitment that was signed. Spec: B2-14, LS-12. */
export type CommitmentRow = {
  /** Whose commitment: the one who can broadcast it. */
  readonly holder: Side;
  readonly number: number;
  readonly coverage: Coverage;
  readonly feeRate: number;
  /** SHA-256 of the revocation preimage of this commitment. */
  readonly revocationHash: Uint8Array;
  /** The other party's signature; kept for our own commitments only. */
  readonly signature: Uint8Array | undefined;
  /** What it holds, for the books: balances outside of HTLCs, before the fee, and how many HTLCs, dust included. Spec: LW-8. */
  readonly localMsat: bigint;
  readonly remoteMsat: bigint;
  readonly htlcs: number;
};

/** How an HTLC was removed. */
export type Removal =
  /** Its SHA-256 is the HTLC's payment hash. */
  | { readonly type: "fulfilled"; readonly preimage: Uint8Array }
  | { readonly type: "failed"; readonly reason: Uint8Array };

/**
 * One HTLC, inserted by its add or the request to add it, and updated by what stages the add and the removal. Both are
 * staged by a message of one side, and a commitment has them if it covers that side's messages up to it: see `addedBy`.
 * Spec: B2-14, LS-16, LS-22.
 */
export type HtlcRow = {
  readonly id: bigint;
  readonly offerer: Side;
  readonly amountMsat: Msat;
  readonly paymentHash: PaymentHash;
  /** Absolute height from which it is expired. */
  readonly expiry: number;
  readonly route: Uint8Array;
  /** Number, in the offerer's packets, of its add_request; 0 on a plain channel, where nothing is requested. */
  readonly requestNumber: number;
  /** Number, in the packets of `addedBy`, of the message that staged the add; 0 while it is only requested, or rejected. */
  readonly addNumber: number;
  readonly removal: Removal | undefined;
  /** Whose message staged the removal; the addressee while there is none. */
  readonly removedBy: Side;
  /** Number, in the packets of `removedBy`, of the message that staged the removal; 0 while there is none. */
  readonly removeNumber: number;
};

/** Whose message stages the add: the offerer's own on a plain channel, the addressee's add_accept after a request. Spec: LS-17. */
export function addedBy({ offerer, requestNumber }: HtlcRow): Side {
  return requestNumber === 0 ? offerer : otherSide(offerer);
}

/** Requested, and neither accepted nor rejected. Spec: LS-16. */
export function isRequested({ requestNumber, addNumber, removal }: HtlcRow): boolean {
  return requestNumber > 0 && addNumber === 0 && removal === undefined;
}

/** Requested, and turned down or taken back: it never was in a commitment. Spec: LS-17. */
export function isRejected({ addNumber, removal }: HtlcRow): boolean {
  return addNumber === 0 && removal !== undefined;
}

/**
 * A request to remove an HTLC that is not accepted yet, at most one per HTLC: where the requests of both sides cross, that of the
 * HTLC's receiver stands. Spec: LS-22, LS-23.
 */
export type RemovalRequestRow = {
  readonly id: bigint;
  /** Who asks. */
  readonly by: Side;
  /** Number, in the packets of `by`, of the message that asks. */
  readonly number: number;
  readonly removal: Removal;
};

/** A fee rate for its owner's commitment, staged by message `number` of the owner (0: from open_channel). */
export type FeeRow = { readonly owner: Side; readonly number: number; readonly feeRate: number };

/** Running totals with every staged change counted; bookkeeping besides. */
export type TotalsRow = {
  readonly localMsat: bigint;
  readonly remoteMsat: bigint;
  /** Highest HTLC id used by each side, or -1. */
  readonly localLastId: bigint;
  readonly remoteLastId: bigint;
  /** Numbers of the oldest commitments that can still be broadcast. */
  readonly localUnrevoked: number;
  readonly remoteUnrevoked: number;
  /** Every HTLC removed by messages up to these numbers is gone from all commitments that count. */
  readonly settledUpTo: Coverage;
};

/** A revocation hash of the peer for a commitment that we have not signed yet. Spec: LS-14. */
export type RevocationHashRow = { readonly number: number; readonly hash: Uint8Array };

/** Who wants to close, and where the money goes. Spec: B2-32. */
export type ClearingRow = {
  readonly side: Side;
  /** Number of its close_clearing in that side's packets. */
  readonly number: number;
  /** How many packets of the other side its sender had processed. */
  readonly acknowledge: number;
  readonly script: Uint8Array;
};

/** A close_signature sent or received. Spec: B2-33, B2-56. */
export type CloseOfferRow = {
  readonly side: Side;
  readonly ordinal: number;
  readonly feeSat: Satoshi;
  readonly signature: Uint8Array;
};

/** What spends the anchor, by who can have made it. */
export type AnchorSpendKind =
  /** A close at a fee for which we ever gave a signature. */
  | "close"
  /** The newest commitment of ours, or one of the peer's that it has not revoked, of which there may be 16. */
  | "commitment"
  /** A commitment that its holder revoked. */
  | "revoked"
  /** Something that we signed and know nothing of: our data is older than what we did. */
  | "unknown";

/** The transaction that spends the anchor. */
export type AnchorSpendRow = {
  readonly txid: Txid;
  readonly transaction: Uint8Array;
  readonly kind: AnchorSpendKind;
  /** Whose commitment it is; undefined for a close, for the unknown, and for a revoked one until its rows are looked up. */
  readonly holder: Side | undefined;
  /** The commitment's number; -1 where it is none, or none that we know. */
  readonly number: number;
  /** Height of the block that holds it on the best chain; undefined while it is in the mempool only. */
  readonly height: number | undefined;
};

/** What a witness showed when an output was spent. */
export type OutputSpend = {
  readonly txid: Txid;
  /** Height of its block; undefined while it is in the mempool only. */
  readonly height: number | undefined;
  /** Whether the transaction is one of our claims. */
  readonly ours: boolean;
};

/** An output of a commitment on chain that holds money of ours, or may. `kind` is as the holder of the commitment sees it. */
export type ChainOutputRow = {
  readonly txid: Txid;
  readonly index: number;
  readonly amountSat: Satoshi;
  readonly kind: "to_self" | "to_other" | "offered" | "received";
  readonly htlcId: bigint | undefined;
  /** Undefined for to-other, which is P2WPKH. */
  readonly witnessScript: Uint8Array | undefined;
  readonly spend: OutputSpend | undefined;
};

/** A transaction of ours that claims outputs. */
export type SweepRow = {
  readonly txid: Txid;
  readonly transaction: Uint8Array;
  /** Satoshi per 1000 virtual bytes. */
  readonly feeRate: number;
  readonly feeSat: Satoshi;
  /** Indexes of the outputs of the anchor's spend that it claims. */
  readonly claims: readonly number[];
  /** Height at which it was made. */
  readonly createdHeight: number;
};

/** A preimage for an HTLC offered to us, learned when no message could be numbered or the channel had ended. */
export type KnownPreimageRow = { readonly htlcId: bigint; readonly preimage: Uint8Array };

/** All rows of one channel as a store hands them back: live HTLCs, unrevoked commitments, newest fees. */
export type ChannelRows = {
  readonly channel: ChannelRow;
  readonly id: ChannelId;
  readonly terms: readonly TermsRow[];
  readonly stage: StageRow;
  readonly funding: FundingRow | undefined;
  readonly dualFunding: DualFundingRow | undefined;
  readonly fundingShares: readonly FundingShareRow[];
  readonly totals: TotalsRow;
  readonly htlcs: readonly HtlcRow[];
  readonly removalRequests: readonly RemovalRequestRow[];
  readonly fees: readonly FeeRow[];
  readonly commitments: readonly CommitmentRow[];
  readonly revocationHashes: readonly RevocationHashRow[];
  readonly revocationSlots: readonly RevocationSlot[];
  readonly clearings: readonly ClearingRow[];
  readonly closeOffers: readonly CloseOfferRow[];
  readonly anchorSpend: AnchorSpendRow | undefined;
  readonly chainOutputs: readonly ChainOutputRow[];
  readonly sweeps: readonly SweepRow[];
  readonly knownPreimages: readonly KnownPreimageRow[];
};
