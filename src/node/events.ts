import type { ChannelId, NodeId, PaymentHash, Txid } from "../core/base/index.ts";
import type { AnchorSpendKind, Side, Stage } from "../core/payment-channel/index.ts";
import type { DamagedChannel } from "../ports/store.ts";
import type { Withdrawal } from "./withdrawals.ts";

/** What happened, once it is durable. Logs, metrics and waiting callers read it; nothing in the node depends on it. */
export type NodeEvent =
  | { readonly type: "peer_connected"; readonly peer: NodeId }
  | { readonly type: "peer_disconnected"; readonly peer: NodeId; readonly reason: string | undefined }
  /** Both authenticates are exchanged: channels with the peer can move. */
  | { readonly type: "peer_ready"; readonly peer: NodeId }
  | {
      readonly type: "channel_stage";
      /** Our own number of the channel. */
      readonly channel: number;
      readonly channelId: ChannelId;
      readonly peer: NodeId;
      readonly stage: Stage;
      readonly failure: string | undefined;
    }
  /** A peer asks to add an HTLC, and waits for `acceptRequest` or `rejectRequest`. Told again after a reconnect. Spec: LS-17. */
  | {
      readonly type: "htlc_requested";
      /** Our own number of the channel. */
      readonly channel: number;
      readonly id: bigint;
      readonly amountMsat: bigint;
      readonly paymentHash: PaymentHash;
      /** Block height. */
      readonly expiry: number;
    }
  /**
   * An input of a funding transaction that both parties, or we alone, make is spent in another way, or what it comes from: by a
   * transaction of the mempool, or of the block at `height`. Once that is buried the channel ends as abandoned. Of the mempool, best effort.
   */
  | {
      readonly type: "funding_conflict";
      readonly channel: number;
      readonly channelId: ChannelId;
      readonly txid: Txid;
      /** Whose input it is. */
      readonly input: Side;
      readonly height: number | undefined;
    }
  /** The anchor of a channel is spent, in a block or in the mempool, and by what. Spec: B2-36. */
  | {
      readonly type: "anchor_spent";
      readonly channel: number;
      readonly channelId: ChannelId;
      readonly peer: NodeId;
      readonly kind: AnchorSpendKind;
      readonly holder: Side | undefined;
      readonly number: number;
    }
  /**
   * It is proven that our data of the channel are older than the channel: the node runs on an old copy. All its channels are in recovery
   * mode from now on, in which nothing is broadcast for them; told once for each.
   */
  | { readonly type: "channel_stale"; readonly channel: number; readonly channelId: ChannelId; readonly peer: NodeId }
  /**
   * A property of our own code did not hold for a channel: its updates have stopped for good, and its money is defended on chain as before.
   * Spec: B2-13.
   */
  | {
      readonly type: "channel_frozen";
      readonly channel: number;
      readonly channelId: ChannelId;
      readonly peer: NodeId;
      readonly problem: string;
    }
  /**
   * A channel can't be taken up because its rows are damaged, and nobody defends it: see `damagedChannels`. Told at each start, to the
   * listener that the node was started with.
   */
  | ({ readonly type: "channel_damaged" } & DamagedChannel)
  /**
   * The data are an old copy, and a peer keeps a copy with channels that they know nothing of: to be restored from it. `createdAt` is in
   * milliseconds since 1970.
   */
  | { readonly type: "newer_copy"; readonly peer: NodeId; readonly createdAt: number; readonly channels: number }
  /** A copy of the peer's data is kept: told of the first one on each connection. */
  | { readonly type: "copy_kept"; readonly peer: NodeId }
  /** A peer broke a rule, or a message of it could not be read. */
  | { readonly type: "violation"; readonly peer: NodeId; readonly problem: string }
  /** Our commitment of the channel should pay `wanted`, in satoshi per 1000 bytes, and we can't: it pays `feeRate`. Spec: B2-25. */
  | {
      readonly type: "fee_unaffordable";
      /** Our own number of the channel. */
      readonly channel: number;
      readonly wanted: number;
      readonly feeRate: number;
    }
  | { readonly type: "payment_ended"; readonly id: string; readonly state: "succeeded" | "failed" | "unknown" }
  | { readonly type: "invoice_settled"; readonly paymentHash: PaymentHash; readonly amountMsat: bigint }
  /** A withdrawal is in a block, can't be in one any more, or is in none again after a reorganisation: see `SluiceNode.withdrawals`. */
  | ({ readonly type: "withdrawal" } & Withdrawal)
  | { readonly type: "block"; readonly height: number }
  | { readonly type: "broadcast_rejected"; readonly reason: string }
  | { readonly type: "trouble"; readonly problem: string }
  /** The node was told to stop, and has. */
  | { readonly type: "stopped" }
  /** The node stopped by itself: what it writes can't be made durable. */
  | { readonly type: "halted"; readonly cause: unknown };

export type Listener = (event: NodeEvent) => void;

/** Hands events to those who listen. One that throws disturbs nobody else: the others are told of it. */
export class Events {
  private readonly listeners = new Set<Listener>();

  subscribe(listener: Listener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  emit(event: NodeEvent): void {
    for (const listener of [...this.listeners]) {
      try {
        listener(event);
      } catch (cause) {
        this.listeners.delete(listener);
        this.emit({ type: "trouble", problem: `a listener threw and is not called again: ${nameOf(cause)}` });
      }
    }
  }
}

function nameOf(cause: unknown): string {
  return cause instanceof Error ? `${cause.name}: ${cause.message}` : typeof cause;
}
