import type { ChannelId, Msat, PaymentHash, Satoshi, Txid } from "../base/index.ts";
import type { CommitmentBuffer, FundingInput, FundingShare, Transaction } from "../bitcoin/index.ts";
import type { KeyPaths, Signer } from "../crypto/index.ts";
import type { Pkt, PktMessage } from "../wire/index.ts";
import type { ChannelError } from "./errors.ts";
import type { ChannelPolicy, FeeEstimate } from "./policy.ts";
import type { AnchorSpendKind, CommitmentRow, HtlcRow, Side, Stage } from "./rows.ts";

/** Plain data that a step may look at, and the synchronous signer. */
export type Context = {
  readonly height: number;
  /** Whether `height` is the tip of the chain, as far as we know, and no block on the way there. */
  readonly caughtUp: boolean;
  /** The block with which we last caught up with more than one at once: how many came before says nothing of how long anything took. */
  readonly caughtUpAt?: number;
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly fees: FeeEstimate;
  readonly policy: ChannelPolicy;
  readonly keys: KeyPaths;
  readonly signer: Signer;
  /** The number that the first packet of this step gets, in our sequence to the peer. */
  readonly nextPacketNumber: number;
  /** How many of the peer's packets are processed, the one in hand included. */
  readonly acknowledge: number;
  /** Our packets that the peer has not acknowledged. */
  readonly unacknowledged: number;
  /** Both authenticates are exchanged, so that packets may be numbered. */
  readonly peerReady: boolean;
  /**
   * After a start the peer is still waited for: it could tell us that our data are an old copy, so that nothing is broadcast of our
   * own accord.
   */
  readonly peerAwaited?: boolean;
  /** Speeds up building commitments; cannot affect results. */
  readonly buffer?: CommitmentBuffer | undefined;
};

/** What the chain and the wallet know of an input that the peer brings. */
export type CheckedInput = {
  /** The output where it is unspent, mempool included. */
  readonly output:
    | {
        readonly amountSat: bigint;
        readonly script: Uint8Array;
        readonly confirmations: number;
        readonly coinbase: boolean;
      }
    | undefined;
  /** Our wallet has it. */
  readonly ours: boolean;
};

/** Which transaction the wallet signs inputs of. */
export type FundingPurpose = "funding" | "cancellation";

/** What reaches a channel. */
export type Input =
  | {
      readonly type: "packet";
      readonly message: PktMessage;
      /** Its number in the peer's sequence, and the acknowledge that it carries. */
      readonly number: number;
      readonly acknowledge: number;
    }
  /** Both authenticates are exchanged: send what is due, tell again what nobody acted on. */
  | { readonly type: "peer_ready" }
  /** The peer's authenticate shows a preimage that is to be ours, for commitment `number` of ours. */
  | { readonly type: "revocation_shown"; readonly number: bigint; readonly preimage: Uint8Array }
  /** Our data are known to be an old copy: see recovery.ts. */
  | { readonly type: "recover" }
  /** The wallet made (and holds back) the anchor transaction. */
  | {
      readonly type: "funded";
      readonly txid: Txid;
      readonly outputIndex: number;
      readonly transaction: Uint8Array;
    }
  | { readonly type: "funding_failed"; readonly error: ChannelError }
  /** The answer to `check_inputs`, in the order of the peer's inputs. May come more than once. */
  | { readonly type: "inputs_checked"; readonly inputs: readonly CheckedInput[] }
  /** What the wallet reserved for a channel that both fund. */
  | { readonly type: "contributed"; readonly share: FundingShare }
  /** The wallet's signatures, in the order of our inputs. */
  | {
      readonly type: "funding_signed";
      readonly purpose: FundingPurpose;
      readonly transaction: Transaction;
      readonly signatures: readonly Uint8Array[];
    }
  /**
   * A transaction in the block at `height` spends an input of the funding transaction in another way, or what the input comes from;
   * undefined: a reorganisation took that block away.
   */
  | { readonly type: "funding_conflict"; readonly height: number | undefined }
  /** Give up a channel that both fund, spending our inputs to `script` where the peer could still use them. */
  | { readonly type: "cancel_funding"; readonly script: Uint8Array }
  | {
      readonly type: "offer";
      readonly amountMsat: Msat;
      readonly paymentHash: PaymentHash;
      readonly expiry: number;
      readonly route: Uint8Array;
    }
  | { readonly type: "fulfill"; readonly id: bigint; readonly preimage: Uint8Array }
  | { readonly type: "fail_htlc"; readonly id: bigint; readonly reason: Uint8Array }
  /** Answers a request of the peer to add an HTLC, where the policy says `ask`. Spec: LS-17. */
  | { readonly type: "accept_add"; readonly id: bigint }
  | { readonly type: "reject_add"; readonly id: bigint; readonly reason: Uint8Array }
  /** Takes a request of ours to add an HTLC back. */
  | { readonly type: "withdraw_add"; readonly id: bigint }
  | { readonly type: "set_fee"; readonly feeRate: number }
  /** Close cooperatively, to `script` or to the final key. */
  | { readonly type: "close"; readonly script: Uint8Array | undefined }
  /** End of a batch, for a channel whose updates have stopped too: deadlines, claims, and how final the end is. */
  | { readonly type: "defend" }
  /** End of a batch: sign once for the whole group of changes. Spec: LS-25. */
  | { readonly type: "commit" }
  /** The anchor transaction is in the block at `height`; `output` is what it really has at the output index. */
  | {
      readonly type: "funding_confirmed";
      readonly height: number;
      readonly output: { readonly amountSat: bigint; readonly script: Uint8Array } | undefined;
      /** The whole transaction, with witness. */
      readonly transaction?: Uint8Array;
    }
  /** A reorganisation took the anchor's block away. */
  | { readonly type: "funding_unconfirmed" }
  /** A transaction spends the anchor: in the block at `height`, or in the mempool. Spec: B2-36. */
  | { readonly type: "anchor_spent"; readonly transaction: Transaction; readonly height: number | undefined }
  /** A reorganisation took the block with the anchor's spend away. */
  | { readonly type: "anchor_unspent" }
  /** Wanted while the anchor is spent by a revoked commitment of a holder that is not known yet: commitments of that number, of either side, and the HTLCs that they can hold. */
  | {
      readonly type: "evidence";
      readonly number: number;
      readonly commitments: readonly CommitmentRow[];
      readonly htlcs: readonly HtlcRow[];
    }
  /** Input `inputIndex` of a transaction spends output `index` of the anchor's spend; as with `anchor_spent`. */
  | {
      readonly type: "output_spent";
      readonly index: number;
      readonly transaction: Transaction;
      readonly inputIndex: number;
      readonly height: number | undefined;
    }
  /** A reorganisation took the block of that spend away. */
  | { readonly type: "output_unspent"; readonly index: number }
  /** The block at the context's height has been processed whole. Comes once for each height, more often only after a reorganisation. */
  | { readonly type: "block" }
  /** End the channel because of `error`. `notify`: tell the peer, unless the peer told us. Spec: B2-42. */
  | { readonly type: "fail"; readonly error: ChannelError; readonly notify: boolean };

/**
 * What a channel tells the payment engine or the wallet, in the same batch. The end of an HTLC (`htlc_fulfilled`, `htlc_failed`) is told
 * for good but for one case: a reorganisation that takes blocks away after an HTLC was told to have failed because of the chain has it told
 * once more when it is six blocks deep again, and one of six blocks or more may have it end otherwise. Whoever is told keeps the first end, by
 * channel and id: what follows from it, such as failing the HTLC that it was forwarded for, has happened by then.
 */
export type Tell =
  /** The peer asks to add an HTLC, and the policy is to ask: accept or reject it. Spec: LS-17. */
  | { readonly type: "add_requested"; readonly htlc: HtlcRow }
  /** An HTLC offered to us is irrevocably committed: settle it, fail it, or forward it. Spec: LS-19. */
  | { readonly type: "htlc_cleared"; readonly htlc: HtlcRow }
  /** The peer revealed the preimage of an HTLC that we offered. */
  | {
      readonly type: "htlc_fulfilled";
      readonly id: bigint;
      readonly paymentHash: PaymentHash;
      readonly preimage: Uint8Array;
    }
  /** An HTLC that we offered was failed and is gone from every commitment that counts, or was rejected before it was in one. */
  | {
      readonly type: "htlc_failed";
      readonly id: bigint;
      readonly paymentHash: PaymentHash;
      readonly reason: Uint8Array;
    }
  /** What became of an HTLC that we offered will never be known: our data are older than its end. */
  | { readonly type: "htlc_lost"; readonly id: bigint; readonly paymentHash: PaymentHash }
  /** The wallet is to make a transaction that pays `amountSat` to `script`, and to hold it back. */
  | { readonly type: "fund"; readonly script: Uint8Array; readonly amountSat: Satoshi; readonly feeRate: number }
  /** The wallet is to reserve coins for our share of a funding transaction; `amountSat` is our part of the anchor. */
  | { readonly type: "contribute"; readonly amountSat: bigint; readonly feeRate: number }
  /** The chain is to be asked about the peer's inputs. */
  | { readonly type: "check_inputs"; readonly inputs: readonly FundingInput[] }
  /** The wallet is to sign these inputs, and no other, of a transaction. */
  | {
      readonly type: "sign_funding";
      readonly purpose: FundingPurpose;
      readonly transaction: Transaction;
      readonly inputs: readonly FundingInput[];
    }
  /** The anchor will not be used: its coins are free again. */
  | { readonly type: "release_funding" };

export type ChannelEvent =
  | { readonly type: "stage_changed"; readonly stage: Stage; readonly failure: string | undefined }
  | { readonly type: "renamed"; readonly from: ChannelId; readonly to: ChannelId }
  /** The anchor is spent, and by what. */
  | {
      readonly type: "anchor_spent";
      readonly kind: AnchorSpendKind;
      readonly holder: Side | undefined;
      readonly number: number;
    }
  /** It is proven that our data are older than the channel. */
  | { readonly type: "stale" };

/** What is to be done once the batch is committed. Each is idempotent. */
export type Effect =
  /** Packets get consecutive numbers from `nextPacketNumber`, in the order of the effects. */
  | { readonly type: "send"; readonly packet: Pkt }
  | { readonly type: "broadcast"; readonly transaction: Uint8Array }
  | { readonly type: "tell"; readonly tell: Tell }
  | { readonly type: "event"; readonly event: ChannelEvent };
