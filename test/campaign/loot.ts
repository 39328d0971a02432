import type { Transaction } from "../../src/core/bitcoin/index.ts";
import type { ChannelRows, CommitmentRow, HtlcRow } from "../../src/core/payment-channel/index.ts";
import type { ChannelState } from "../../src/core/payment-channel/state.ts";

/** A commitment that the cheater could publish at some time. */
export type Held = {
  readonly rows: ChannelRows;
  readonly state: ChannelState;
  readonly row: CommitmentRow;
  readonly htlcs: readonly HtlcRow[];
  readonly raw: Uint8Array;
};

/** One that it did publish. */
export type Loot = Held & { readonly transaction: Transaction };
