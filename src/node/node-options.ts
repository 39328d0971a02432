import type { ChannelPolicy } from "../core/payment-channel/index.ts";
import type { BitcoinChain } from "../ports/bitcoin-chain.ts";
import type { Clock } from "../ports/clock.ts";
import type { Random } from "../ports/random.ts";
import type { Store } from "../ports/store.ts";
import type { Transport } from "../ports/transport.ts";
import type { CopyPolicy } from "./copies.ts";
import type { Listener } from "./events.ts";

/** What a node is made of. */
export type NodeOptions = {
  readonly store: Store;
  readonly chain: BitcoinChain;
  /** Made for the node's own key: `keyPaths(coin).nodeKey()` of the same seed. */
  readonly transport: Transport;
  readonly clock: Clock;
  readonly random: Random;
  /** 64 bytes, as a seed phrase yields them. */
  readonly seed: Uint8Array;
  readonly policy?: Partial<ChannelPolicy>;
  /** Satoshi per 1000 virtual bytes, where the chain has no estimate. */
  readonly fallbackFeeRate?: number;
  /**
   * Takes the bytes of the newest backup, whole or not at all. Without it no backup is made. One that is not `isWhole` lacks channels whose
   * rows are damaged: it must not take the place of one that has them. See `openBackup`.
   */
  readonly writeBackup?: (bytes: Uint8Array, isWhole: boolean) => Promise<void>;
  /** Copies of the data with peers, and those of peers here. Absent: neither. */
  readonly copies?: CopyPolicy | undefined;
  /**
   * Keeps what channels are given, so that they can be replayed: at least so many of the newest inputs of each, 1 to 100,000. They take room
   * and time: see decision 0028. Absent: none are kept.
   */
  readonly replayInputs?: number | undefined;
  /** Called for each event from the start on, what is caught up with included; `subscribe` comes too late for those. */
  readonly listener?: Listener;
};
