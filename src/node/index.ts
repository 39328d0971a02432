export { type BitcoindOptions, bitcoindChain } from "../adapters/chain-bitcoind/index.ts";
export { embeddedChain } from "../adapters/chain-embedded/index.ts";
export type { ChannelSummary } from "./channel-summary.ts";
export type { OpenChannelRequest } from "./channels.ts";
export type { NodeEvent } from "./events.ts";
export { NodeHalted, type NodeOptions, type RequestError, SluiceNode, startNode } from "./node.ts";
export { DataDirectoryUnusable, type OpenNodeOptions, openNode } from "./open-node.ts";
