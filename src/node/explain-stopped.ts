import { existsSync } from "node:fs";
import { join } from "node:path";
import { openSqliteStore } from "../adapters/store-sqlite/index.ts";
import { systemClock, systemRandom } from "../adapters/system/index.ts";
import { equalBytes } from "../core/base/index.ts";
import { type Signer, seedSigner } from "../core/crypto/index.ts";
import {
  type ChannelRows,
  DEFAULT_POLICY,
  type Explanation,
  explain,
  type FeeEstimate,
  load,
  ownRevocationHash,
} from "../core/payment-channel/index.ts";
import type { DamagedChannel, StoredNode } from "../ports/store.ts";
import { describeDataDirectoryError, openSeed, STORE_FILE } from "./data-directory.ts";
import { DataDirectoryUnusable } from "./open-node.ts";

export type ExplainStoppedOptions = {
  /** Of a node that is not running. */
  readonly directory: string;
  /** Satoshi per 1000 virtual bytes: what the chain would ask for now. */
  readonly feeRate: number;
};

export type ExplainedChannels = {
  readonly channels: readonly Explanation[];
  readonly damaged: readonly DamagedChannel[];
};

/**
 * Explains every channel of a stopped node that is not over, as of the last block that it saw: without its peers and its chain,
 * which is said among what is stuck. Takes the lock of the directory meanwhile, so that no node can start, and writes no row.
 * Rejects with DataDirectoryUnusable or StoreError (`locked` while the node runs).
 */
export async function explainStopped({ directory, feeRate }: ExplainStoppedOptions): Promise<ExplainedChannels> {
  // Opening a store makes it where it is missing.
  const file = join(directory, STORE_FILE);
  if (!existsSync(file)) throw new DataDirectoryUnusable(`${file} does not exist: no node has used this directory`);
  const store = await openSqliteStore({ directory });
  try {
    const seed = openSeed(directory, false, systemRandom());
    if (!seed.ok) throw new DataDirectoryUnusable(describeDataDirectoryError(seed.error));
    const fees = { nextBlock: feeRate, relay: Math.min(feeRate, LOWEST_RELAY), fallback: feeRate };
    const stored = await store.load();
    const around = { signer: seedSigner(seed.value, COIN), fees, now: systemClock().now() };
    return { channels: stored.channels.map((rows) => explained(stored, rows, around)), damaged: stored.damaged };
  } finally {
    await store.close();
  }
}

/** Satoshi per 1000 virtual bytes. Source: Bitcoin Core, DEFAULT_MIN_RELAY_TX_FEE. */
const LOWEST_RELAY = 1_000;
/** Of test networks: the main network is refused so far. */
const COIN = 1;

function explained(
  stored: StoredNode,
  rows: ChannelRows,
  { signer, fees, now }: { readonly signer: Signer; readonly fees: FeeEstimate; readonly now: number },
): Explanation {
  const peer = stored.peers.find(({ nodeId }) => equalBytes(nodeId, rows.channel.peer))?.index;
  const acknowledged = stored.streams.find((stream) => stream.peer === peer)?.packetAcknowledge ?? 0;
  const state = load(rows, acknowledged, (number) => ownRevocationHash({ signer }, rows.channel.index, number));
  return explain(state, {
    height: stored.blocks.at(-1)?.height ?? 0,
    caughtUp: false,
    now,
    fees,
    policy: DEFAULT_POLICY,
    unacknowledged: stored.outbox.filter((row) => row.peer === peer).length,
    peerReady: false,
    peerAwaySince: undefined,
    patience: undefined,
  });
}
