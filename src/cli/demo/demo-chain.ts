import type { BitcoinChain } from "../../node/index.ts";

/** A regtest chain that nobody else uses: the demo mines its blocks and takes coins from it. */
export interface DemoChain {
  /** What it is, for people. */
  readonly description: string;
  /** A view for one node, which closes it when it stops. */
  view(): Promise<BitcoinChain>;
  /** Puts a payment into the mempool. */
  fund(address: string, amountSat: bigint): Promise<void>;
  /** Adds blocks with what waits in the mempool; resolves with the new height. */
  mine(blocks: number): Promise<number>;
  stop(): Promise<void>;
}

export const DEMO_CHAINS = ["embedded", "bitcoind"] as const;
export type DemoChainName = (typeof DEMO_CHAINS)[number];

/** Until the first block's reward can be spent. */
export const BLOCKS_FOR_FAUCET = 101;
