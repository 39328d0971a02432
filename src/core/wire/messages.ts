import type { ChannelId, Msat, PaymentHash, Satoshi, Txid } from "../base/index.ts";

/** An HTLC offered. `expiry` is a block height, absolute; `id` counts upward by 2. Spec: seed 001 section 3.2. */
export type UpdateAddHtlc = {
  readonly type: "update_add_htlc";
  readonly id: bigint;
  /** At most 4,294,967,295. */
  readonly amountMsat: Msat;
  readonly paymentHash: PaymentHash;
  readonly expiry: number;
  /** The onion packet, opaque here; at most 4,096 bytes. */
  readonly route: Uint8Array;
};

/** An HTLC removed by its 32-byte preimage. Spec: seed 001 section 3.3. */
export type UpdateFulfillHtlc = {
  readonly type: "update_fulfill_htlc";
  readonly id: bigint;
  readonly preimage: Uint8Array;
};

/** An HTLC removed without payment; `reason` is encrypted for the origin, at most 4,096 bytes. Spec: B2-24. */
export type UpdateFailHtlc = { readonly type: "update_fail_htlc"; readonly id: bigint; readonly reason: Uint8Array };

/** Asks to add an HTLC, with the fields of update_add_htlc. Spec: LS-17; seed 000 "ADD HTLCs". */
export type AddRequest = Omit<UpdateAddHtlc, "type"> & { readonly type: "add_request" };

/** Stages an HTLC that the other side asked for. Spec: LS-17. */
export type AddAccept = { readonly type: "add_accept"; readonly id: bigint };

/** Turns down an HTLC that the other side asked for; `reason` as in update_fail_htlc, empty where absent. Spec: LS-17. */
export type AddReject = { readonly type: "add_reject"; readonly id: bigint; readonly reason: Uint8Array };

/** Takes an add_request back, unless it is accepted already. */
export type AddWithdraw = { readonly type: "add_withdraw"; readonly id: bigint };

/** Asks to settle an HTLC with its 32-byte preimage. Spec: LS-22; seed 000 "HTLC Settle". */
export type SettleRequest = { readonly type: "settle_request"; readonly id: bigint; readonly preimage: Uint8Array };

/** Stages the settlement that the other side asked for. */
export type SettleAccept = { readonly type: "settle_accept"; readonly id: bigint };

/** Asks to give an HTLC back; `reason` as in update_fail_htlc, empty where absent. Spec: LS-23; seed 000 "Timeout". */
export type TimeoutRequest = { readonly type: "timeout_request"; readonly id: bigint; readonly reason: Uint8Array };

/** Stages the refund that the other side asked for. */
export type TimeoutAccept = { readonly type: "timeout_accept"; readonly id: bigint };

/** The fee rate of the sender's next commitments, satoshi per 1,000 bytes. Spec: seed 001 section 3.4. */
export type UpdateFee = { readonly type: "update_fee"; readonly feeRate: number };

/** A signature for the receiver's next commitment. Spec: seed 001 section 3.5. */
export type UpdateCommit = { readonly type: "update_commit"; readonly signature: Uint8Array };

/** Revokes the sender's oldest unrevoked commitment; both fields have 32 bytes. Spec: seed 001 section 3.5. */
export type UpdateRevocation = {
  readonly type: "update_revocation";
  readonly preimage: Uint8Array;
  readonly nextRevocationHash: Uint8Array;
};

/** The terms of one side. Hashes have 32 bytes, keys are valid points of 33. Spec: B2-8; seed 001 section 2.1. */
export type OpenChannel = {
  readonly type: "open_channel";
  /** Blocks that the receiver must delay payments to itself: 0 to 65,535, what CSV can express. */
  readonly delay: number;
  readonly revocationHash: Uint8Array;
  readonly nextRevocationHash: Uint8Array;
  readonly commitKey: Uint8Array;
  readonly finalKey: Uint8Array;
  readonly anchor: "will_create" | "wont_create";
  /** Confirmations. */
  readonly minDepth: number;
  /** Satoshi per 1,000 bytes. */
  readonly initialFeeRate: number;
  /** Revocation hashes after `nextRevocationHash`, in order of use; at most 14. */
  readonly revocationWindow: readonly Uint8Array[];
  /** What the receiver must keep on its side, where the sender asks for more than the protocol does. */
  readonly channelReserveSat?: Satoshi;
  /** The receiver's part of the anchor. */
  readonly pushMsat: Msat;
  /** HTLCs are requested before they are staged. Spec: LS-16. */
  readonly prestage: boolean;
  /** 1 to 42 bytes. */
  readonly closeScript?: Uint8Array;
};

/** The funding output, and a signature for the receiver's first commitment. Spec: seed 001 section 2.2. */
export type OpenAnchor = {
  readonly type: "open_anchor";
  readonly txid: Txid;
  readonly outputIndex: number;
  readonly amountSat: Satoshi;
  readonly commitSignature: Uint8Array;
};

/** A signature for the receiver's first commitment. Spec: seed 001 section 2.3. */
export type OpenCommitSig = { readonly type: "open_commit_sig"; readonly signature: Uint8Array };

/** An output brought into a funding transaction, paid to `publicKey` as P2WPKH. Spec: LS-1. */
export type FundingInput = {
  readonly txid: Txid;
  readonly index: number;
  readonly amountSat: Satoshi;
  readonly publicKey: Uint8Array;
};

/** What a party brings into a funding transaction of two. Spec: LS-1, LS-2. */
export type FundingShare = {
  readonly contributionSat: Satoshi;
  /** At most 20. */
  readonly inputs: readonly FundingInput[];
  /** 1 to 42 bytes; without it there is no change. */
  readonly changeScript: Uint8Array | undefined;
};

/** Asks for a channel that both parties fund. Spec: LS-1; seed 000, Funding Request. */
export type FundingRequest = {
  readonly type: "funding_request";
  readonly terms: OpenChannel;
  readonly share: FundingShare;
  /** What the sender wishes the receiver to contribute. */
  readonly wishedSat: Satoshi;
  /** Of the funding transaction: satoshi per 1,000 virtual bytes. */
  readonly feeRate: number;
};

/** The terms are committed, and the receiver's first commitment is signed. Spec: LS-2; seed 000, Funding Response. */
export type FundingResponse = {
  readonly type: "funding_response";
  readonly terms: OpenChannel;
  readonly share: FundingShare;
  readonly commitSignature: Uint8Array;
};

/** Signatures for the sender's inputs in the order of its share, and for the receiver's first commitment. Spec: LS-4. */
export type FundingSignAccept = {
  readonly type: "funding_sign_accept";
  /** At most 20. */
  readonly inputSignatures: readonly Uint8Array[];
  readonly commitSignature: Uint8Array;
};

/** The funding transaction is out: its id, and signatures for the sender's inputs in the order of its share. Spec: LS-5. */
export type FundingSignComplete = {
  readonly type: "funding_sign_complete";
  readonly txid: Txid;
  /** At most 20. */
  readonly inputSignatures: readonly Uint8Array[];
};

/** The anchor is as deep as the sender asked for. Spec: seed 001 section 2.4. */
export type OpenComplete = { readonly type: "open_complete" };

/** No more HTLCs are added; `closeScript` (1 to 42 bytes) is where the sender's part goes. Spec: seed 001 section 4.1. */
export type CloseClearing = { readonly type: "close_clearing"; readonly closeScript?: Uint8Array };

/** A fee offered for the close, and a signature for the close that pays it. Spec: seed 001 section 4.2. */
export type CloseSignature = {
  readonly type: "close_signature";
  readonly closeFeeSat: Satoshi;
  readonly signature: Uint8Array;
};

/**
 * The sender failed the channel of the packet. `problem` is for people only: text that the peer chose, cut to 1,024 UTF-16
 * units, "" where absent. Spec: B2-42; seed 001 section 6.3.
 */
export type ErrorMessage = { readonly type: "error"; readonly problem: string };

/** What `authenticate` says about one channel. */
export type AuthenticateChannel = {
  readonly channelId: ChannelId;
  /** Of the sender's newest commitment. */
  readonly commitmentNumber: bigint;
  /** The last revocation preimage that the sender has from the receiver, 32 bytes; absent before the first. */
  readonly lastRevocationPreimage?: Uint8Array;
  /** The number of the receiver's commitment that it revoked; older nodes don't say it. */
  readonly lastRevokedNumber?: bigint;
};

/** The first packet of a connection, each way; not counted. Spec: B2-5; seed 001 section 1.2. */
export type Authenticate = {
  readonly type: "authenticate";
  /** A bit field of at most 256 bytes. */
  readonly features: Uint8Array;
  /** The rolling digest of the peer's stream up to this packet's acknowledge, 32 bytes. */
  readonly digest: Uint8Array;
  /** At most 650. */
  readonly channels: readonly AuthenticateChannel[];
};

/**
 * Every message of the payment channel. A signature has 64 bytes: r, then s, big-endian, neither zero, s low (BIP 146).
 * Byte strings that a decoder returns are copies of its input.
 */
export type PktMessage =
  | UpdateAddHtlc
  | UpdateFulfillHtlc
  | UpdateFailHtlc
  | AddRequest
  | AddAccept
  | AddReject
  | AddWithdraw
  | SettleRequest
  | SettleAccept
  | TimeoutRequest
  | TimeoutAccept
  | UpdateFee
  | UpdateCommit
  | UpdateRevocation
  | OpenChannel
  | OpenAnchor
  | OpenCommitSig
  | OpenComplete
  | CloseClearing
  | CloseSignature
  | ErrorMessage
  | Authenticate
  | FundingRequest
  | FundingResponse
  | FundingSignAccept
  | FundingSignComplete;

/** A message of a later version that asks to be ignored. It is counted like any other. Spec: B2-2. */
export type UnknownOdd = { readonly type: "unknown_odd"; readonly field: number };

/** A message and the channel that it is for; `channelId` is undefined only where a message is for none (authenticate). */
export type Pkt = { readonly channelId: ChannelId | undefined; readonly message: PktMessage };

/** What a decoder returns: a `Pkt`, or a message to ignore. */
export type ReceivedPkt = { readonly channelId: ChannelId | undefined; readonly message: PktMessage | UnknownOdd };
