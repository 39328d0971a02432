import type { InsufficientFunds } from "../core/bitcoin/index.ts";
import type { ChannelError } from "../core/payment-channel/index.ts";
import type { AmountBelowDust } from "./wallet.ts";

/** Why a node does not do what it was asked for. */
export type RequestError =
  | ChannelError
  | { readonly type: "unknown_peer" }
  | { readonly type: "unknown_channel" }
  /** Its rows can't be read: see `SluiceNode.damagedChannels`. */
  | { readonly type: "channel_damaged"; readonly problem: string }
  | { readonly type: "invoice_exists" }
  | AmountBelowDust
  | InsufficientFunds
  /** The chain's node refused a withdrawal, for this reason of its own: nothing came of it. */
  | { readonly type: "withdrawal_refused"; readonly reason: string }
  /** More characters than the field may have. */
  | {
      readonly type: "too_long";
      readonly field: "description" | "id" | "reason";
      readonly limit: number;
      readonly actual: number;
    };
