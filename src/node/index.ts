export { type BitcoindChain, type BitcoindOptions, bitcoindChain } from "../adapters/chain-bitcoind/index.ts";
export { Chain, embeddedChain, serveChain } from "../adapters/chain-embedded/index.ts";
export { embeddedLedger, openLedger, serveLedger } from "../adapters/ledger-embedded/index.ts";
export { httpLedger } from "../adapters/ledger-http/index.ts";
export { DEFAULT_PORT } from "../adapters/p2p-tcp/index.ts";
export { systemClock, systemRandom } from "../adapters/system/index.ts";
export {
  asNodeId,
  asPaymentHash,
  assertNever,
  equalBytes,
  fromHex,
  type Msat,
  msat,
  type NodeId,
  type Result,
  type Satoshi,
  sat,
  toHex,
  txidToDisplay,
} from "../core/base/index.ts";
export { addressToScript, parseTransaction, type Transaction, transactionId } from "../core/bitcoin/index.ts";
export {
  CONTRACT_FUNCTIONS,
  CONTRACT_VARIABLES,
  possibleEnds,
  readTerms,
  readyMade,
} from "../core/contract-channel/index.ts";
export {
  type Act,
  type Actor,
  describeError,
  type ExplainedEnd,
  type ExplainedHtlc,
  type ExplainedOutput,
  type Explanation,
  explanationLines,
  type ForceClose,
  type NextAct,
  type Otherwise,
  type OutputPlan,
  type PlannedClaim,
  type Trouble,
} from "../core/payment-channel/index.ts";
export { type BitcoinChain, type BitcoinNetwork, ChainError, type Outpoint } from "../ports/bitcoin-chain.ts";
export { type Ledger, LedgerError } from "../ports/ledger.ts";
export { type DamagedChannel, StoreError } from "../ports/store.ts";
export { type PeerAddress, TransportError } from "../ports/transport.ts";
export type {
  ChannelRecord,
  ChannelRecords,
  CommitmentRecord,
  DirectionTotals,
  HtlcRecord,
  Moment,
  Tally,
} from "./channel-records.ts";
export type { ChannelSummary, CommitmentSummary, HtlcSummary } from "./channel-summary.ts";
export type { OpenChannelRequest } from "./channels.ts";
export type { CopyPolicy } from "./copies.ts";
export type { Listener, NodeEvent } from "./events.ts";
export { type ExplainedChannels, type ExplainStoppedOptions, explainStopped } from "./explain-stopped.ts";
export { SluiceNode, startNode } from "./node.ts";
export { NodeHalted } from "./node-halted.ts";
export type { NodeOptions } from "./node-options.ts";
export { DataDirectoryUnusable, type OpenNodeOptions, openNode } from "./open-node.ts";
export type { Replay, ReplayDifference, ReplayedStep, ReplayTo } from "./replay.ts";
export type { RequestError } from "./request-error.ts";
export {
  describeRestoreError,
  type Keeper,
  type Restored,
  type RestoreError,
  type RestoreOptions,
  type RestoreSource,
  restoreNode,
} from "./restore-node.ts";
export type { Withdrawal } from "./withdrawals.ts";
