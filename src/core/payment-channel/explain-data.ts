// What `explain` says of a channel, as data: amounts are bigint, heights and times numbers, so that a program can use them
// as they are; who writes JSON turns amounts into decimal strings. No secret is in it: of a preimage, only whether it is known.

import type { ChannelId, NodeId, PaymentHash, Txid } from "../base/index.ts";
import type { Deadline } from "./deadlines.ts";
import type { HtlcStates } from "./htlc-states.ts";
import type { Context } from "./input.ts";
import type { AnchorSpendKind, ChainOutputRow, Side, Stage } from "./rows.ts";

/** How long a peer that is there has not done its part. Milliseconds since 1970. Source: decision 0016. */
export type Patience = {
  readonly since: number;
  /** From when on it counts as stalling. */
  readonly overdueAt: number;
  /** When the channel fails. */
  readonly giveUpAt: number;
};

/** What `explain` has to know besides the channel's state. */
export type Outlook = Pick<
  Context,
  "height" | "caughtUp" | "now" | "fees" | "policy" | "unacknowledged" | "peerReady"
> & {
  /** Since when the peer has not been there, or since the node's start where it was not there yet; milliseconds since 1970. */
  readonly peerAwaySince: number | undefined;
  /** Undefined while the peer owes nothing, or nothing that has a time. */
  readonly patience: Patience | undefined;
};

/** Who: this node by itself, its peer, the chain, or the person who runs the node. */
export type Actor = "us" | "peer" | "chain" | "user";

/** What somebody has to do. */
export type Act =
  /** The next message of the opening. Spec: B2-7, LS-1. */
  | { readonly type: "continue_opening"; readonly message: string }
  /** To look the peer's inputs up. Spec: LS-4. */
  | { readonly type: "check_inputs" }
  /** Confirmations of the anchor that a side asks for. Spec: B2-13. */
  | { readonly type: "confirm_anchor"; readonly asker: Side; readonly have: number; readonly need: number }
  | { readonly type: "open_complete" }
  /** To be connected again. */
  | { readonly type: "come_back" }
  /** To revoke its commitment of that number; those after it up to `newest` are signed. Spec: B2-28. */
  | { readonly type: "revoke"; readonly commitment: number; readonly newest: number }
  /** To sign the next commitment with so many changes that it lacks. Spec: B2-26. */
  | { readonly type: "sign"; readonly changes: number }
  /** To accept or reject an HTLC that is requested. Spec: LS-17. */
  | { readonly type: "answer_add"; readonly htlcId: bigint }
  /** To accept a removal that is requested. Spec: LS-22, LS-23. */
  | { readonly type: "answer_removal"; readonly htlcId: bigint }
  /** To fulfil the HTLC or to fail it. Spec: B2-22, B2-24. */
  | { readonly type: "settle"; readonly htlcId: bigint }
  /** To tell the preimage, which is known. Spec: B2-22. */
  | { readonly type: "tell_preimage"; readonly htlcId: bigint }
  /** To answer a close_clearing. Spec: B2-32. */
  | { readonly type: "answer_close" }
  /** To offer a fee for the close, or to agree on one. Spec: B2-33. */
  | { readonly type: "agree_on_close" }
  /** To fail a channel that is frozen, or to leave it. */
  | { readonly type: "decide_on_frozen" }
  /** To put its newest commitment on chain: ours is of an old copy of the data, and must not be. */
  | { readonly type: "end_for_us" }
  /**
   * To put what ends the channel into a block; `commitment` is ours and no one has shown another, `cancellation` spends our coins back where
   * the funding transaction is in no block. Spec: B2-29, B2-43, LS-5.
   */
  | { readonly type: "confirm_end"; readonly what: EndKind }
  /** To claim an output of the commitment on chain. Spec: B2-37, B2-39, B2-40. */
  | { readonly type: "claim"; readonly output: number; readonly amountSat: bigint }
  /** To put a claim into a block. */
  | { readonly type: "confirm_claim"; readonly outputs: readonly number[]; readonly txid: Txid }
  /** Confirmations until the end is final (6), or until nothing is watched any more (100). Spec: B2-38. */
  | { readonly type: "bury"; readonly have: number; readonly need: number };

export type EndKind = AnchorSpendKind | "cancellation";

/** What happens where it is not done by then. */
export type Otherwise =
  /** Reserved coins are free again, and the channel is abandoned. */
  | "opening_ends"
  /** The channel fails: our commitment is broadcast. */
  | "channel_fails"
  /** The HTLC can go back to who offered it, or the peer can take the output. */
  | "other_side_may_take_it";

export type NextAct = {
  readonly who: Actor;
  readonly act: Act;
  /** The lowest height at which it can happen; undefined where it can at once. */
  readonly fromHeight: number | undefined;
  /** The last height by which it has to have happened; undefined where there is none. */
  readonly byHeight: number | undefined;
  /** Milliseconds since 1970, where a time is given for it in place of a height. */
  readonly byTime: number | undefined;
  readonly otherwise: Otherwise | undefined;
};

/** What is stuck, and why. */
export type Trouble =
  /** A property of our own code did not hold: there are no updates any more. */
  | { readonly type: "frozen"; readonly why: string }
  /** Blocks are missing yet: what is said of the chain is of the past. */
  | { readonly type: "catching_up" }
  /** Spec: B2-41. */
  | { readonly type: "peer_away"; readonly since: number | undefined }
  /** The peer is there, and has not done its part for a minute or more. Spec: B2-41, B2-48. */
  | { readonly type: "peer_stalls"; readonly since: number; readonly giveUpAt: number }
  /** The peer was away when the channel failed and is yet to be told. Spec: B2-42. */
  | { readonly type: "error_due" }
  /** Nothing is offered at this rate, of the commitment of that side. Satoshi per 1000 bytes. Spec: B2-25. */
  | { readonly type: "fee_rate_too_low"; readonly side: Side; readonly feeRate: number; readonly least: number }
  /** We can't pay half the fee at the rate that our commitment should have. Spec: B2-25. */
  | { readonly type: "fee_unaffordable"; readonly feeRate: number; readonly wanted: number }
  /** Changes wait for the peer to revoke: `unrevoked` commitments are signed, and it has given no hash for another. Spec: LS-14. */
  | { readonly type: "window_exhausted"; readonly unrevoked: number; readonly limit: number }
  /** Nothing is offered while so many packets are not acknowledged. Spec: B2-6. */
  | { readonly type: "too_much_unacknowledged"; readonly packets: number; readonly limit: number }
  /** A reorganisation took the anchor out of the chain: nothing is offered until it is back. Spec: LW-3. */
  | { readonly type: "anchor_reorganised" }
  /** An input of the funding transaction is spent in another way. Spec: LS-5. */
  | { readonly type: "funding_conflict"; readonly height: number; readonly have: number; readonly need: number }
  /** An HTLC that we offered has expired, or one that we could take has come to the point where only the chain helps. */
  | {
      readonly type: "htlc_overdue";
      readonly htlcId: bigint;
      readonly since: number;
      readonly goesToChainAt: number | undefined;
    }
  /** Something is on chain that we know nothing of: this data is older than the channel. */
  | { readonly type: "data_too_old" }
  /** A commitment that *we* had revoked is on chain: the peer may take all of it. */
  | { readonly type: "own_revoked" }
  /** What an output holds does not pay for its claim at today's fees; looked at again with each block. */
  | {
      readonly type: "not_worth_claiming";
      readonly output: number;
      readonly amountSat: bigint;
      readonly feeSat: bigint;
    };

/** What it would cost to have our newest commitment on chain in the next block. */
export type ForceClose = {
  /** The number of that commitment. */
  readonly commitment: number;
  /** The fee of the commitment, and our part of it. Spec: B2-30, B2-31. */
  readonly feeSat: bigint;
  readonly ownFeeSat: bigint;
  /** Our balance outside of HTLCs, and what of it is paid out: nothing where that would be dust. Spec: B2-31. */
  readonly balanceMsat: bigint;
  readonly toSelfSat: bigint;
  /** The height from which that can be spent; undefined where it is dust. */
  readonly toSelfFrom: number | undefined;
  /** What our claims would cost at today's estimate, by as many transactions as there are heights from which they can go. */
  readonly claimFeesSat: bigint;
  /** The outputs that are ours, or become ours by waiting. */
  readonly claims: readonly PlannedClaim[];
  /** HTLCs too small for an output: the chain gives them to nobody. Spec: B2-17. */
  readonly dust: { readonly incoming: HtlcSum; readonly outgoing: HtlcSum };
  /** HTLCs with an output. Of the incoming, `takeable` are those whose preimage we know. */
  readonly atStake: { readonly incoming: HtlcSum; readonly takeable: HtlcSum; readonly outgoing: HtlcSum };
  /** What goes to fees for certain: our part, what is dropped as dust or as parts of a satoshi, and the claims. */
  readonly costMsat: bigint;
};

export type HtlcSum = { readonly count: number; readonly msat: bigint };

export type PlannedClaim = {
  readonly kind: ChainOutputRow["kind"];
  readonly htlcId: bigint | undefined;
  readonly amountSat: bigint;
  /** The lowest height of a block with our claim, and of one with the peer's where it has one. */
  readonly from: number;
  readonly contestedFrom: number | undefined;
};

/** A live HTLC. States are for our signatures, as in seed 000. Spec: LS-16, LS-22, LS-23. */
export type ExplainedHtlc = HtlcStates & {
  readonly id: bigint;
  readonly direction: "incoming" | "outgoing";
  readonly amountMsat: bigint;
  readonly paymentHash: PaymentHash;
  /** Block height. */
  readonly expiry: number;
  /** Too small for an output. */
  readonly dust: boolean;
  readonly preimageKnown: boolean;
  /** When this node goes to the chain because of it, if nothing changes. Spec: B2-16, LS-24. */
  readonly deadline: Deadline | undefined;
};

/** What is planned for an output of the commitment on chain. */
export type OutputPlan =
  | { readonly type: "spent"; readonly ours: boolean; readonly txid: Txid; readonly height: number | undefined }
  /** A claim of ours is out. Rate in satoshi per 1000 virtual bytes. */
  | {
      readonly type: "claim_out";
      readonly txid: Txid;
      readonly feeRate: number;
      readonly feeSat: bigint;
      readonly since: number;
      readonly contestedFrom: number | undefined;
    }
  /** To be claimed by a block of that height or a later one. */
  | {
      readonly type: "claim_from";
      readonly from: number;
      readonly contestedFrom: number | undefined;
      readonly feeSat: bigint;
    }
  /** Ours only with a preimage that we don't know. */
  | { readonly type: "needs_preimage" }
  /** Pays to a key of the wallet: nothing needs to be claimed. */
  | { readonly type: "in_wallet" }
  /** The commitment is in no block, so that nothing can be claimed of it. */
  | { readonly type: "unconfirmed" }
  | { readonly type: "not_ours" };

export type ExplainedOutput = Pick<ChainOutputRow, "index" | "kind" | "htlcId" | "amountSat"> & {
  readonly plan: OutputPlan;
};

/** What spends the anchor, and what comes of it. */
export type ExplainedEnd = {
  readonly kind: AnchorSpendKind;
  readonly holder: Side | undefined;
  /** The number of the commitment, or -1. */
  readonly commitment: number;
  readonly txid: Txid;
  readonly height: number | undefined;
  readonly outputs: readonly ExplainedOutput[];
};

/** A channel at a moment: where it stands, what has to happen, what is stuck, and what ending it would cost. */
export type Explanation = {
  /** The node's own number of the channel. */
  readonly channel: number;
  readonly channelId: ChannelId;
  readonly peer: NodeId;
  readonly initiator: Side;
  readonly stage: Stage;
  /** Of an open channel: it is being closed. */
  readonly closing: boolean;
  /** Why it failed or was abandoned. */
  readonly failure: string | undefined;
  /** The moment: height of the chain and milliseconds since 1970. */
  readonly height: number;
  readonly now: number;
  readonly amountSat: bigint;
  /** Outside of HTLCs, before commitment fees. */
  readonly localMsat: bigint;
  readonly remoteMsat: bigint;
  /** The most urgent first. */
  readonly next: readonly NextAct[];
  /** When, and because of which HTLC, this node goes to the chain if nothing changes. */
  readonly deadline: Deadline | undefined;
  readonly stuck: readonly Trouble[];
  /** Undefined before there is a commitment that counts, and once the anchor is spent. */
  readonly forceClose: ForceClose | undefined;
  readonly htlcs: readonly ExplainedHtlc[];
  /** Undefined while nothing spends the anchor. */
  readonly end: ExplainedEnd | undefined;
};
