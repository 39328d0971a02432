import type { ChainOutputRow, ChannelRows, CommitmentRow, HtlcRow } from "../../src/core/payment-channel/index.ts";
import type { ChannelState } from "../../src/core/payment-channel/state.ts";

/** A commitment that the cheater could publish at some time. */
export type Held = {
  readonly rows: ChannelRows;
  readonly state: ChannelState;
  readonly row: CommitmentRow;
  readonly htlcs: readonly HtlcRow[];
  readonly raw: Uint8Array;
};

/** An output that may become the cheater's, of a commitment on chain. */
export type Prize = {
  /** The cheater's own number of the channel. */
  readonly channel: number;
  /** The commitment is the cheater's; else it is that of the node on the other side. */
  readonly isOwn: boolean;
  readonly output: ChainOutputRow;
  /** As the holder of the commitment sees it. */
  readonly htlc: HtlcRow | undefined;
  /** Blocks that the cheater waits before it may claim. */
  readonly delay: number;
};
