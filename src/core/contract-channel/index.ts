export type { LedgerDomain } from "./actions.ts";
export { type Applied, applyTransaction, leastFee } from "./apply.ts";
export {
  CONTRACT_FUNCTIONS,
  CONTRACT_VARIABLES,
  type ContractProgram,
  type FailedRun,
  isProgramOf,
  runContract,
  shares,
} from "./contract-run.ts";
export type { Malformed } from "./fields.ts";
export {
  type BadSums,
  checkSums,
  decodeHeader,
  encodeHeader,
  type Flows,
  HEADER_BYTES,
  payouts,
  type StateHeader,
  stateHash,
} from "./header.ts";
export { type Json, type JsonCodec, readJson } from "./json-codec.ts";
export {
  type ContractLeaf,
  contractId,
  decodeLeaf,
  encodeLeaf,
  factsHash,
  LEAF_BYTES,
  leafHash,
  NO_FACTS,
  NO_ROOT,
} from "./leaf.ts";
export type { LedgerEvent } from "./ledger-events.ts";
export {
  accountJson,
  channelJson,
  contractRowsJson,
  descriptionJson,
  entryJson,
  eventsJson,
  markJson,
  recordJson,
  statusJson,
  submitResultJson,
  tipJson,
} from "./ledger-json.ts";
export {
  type AccountRow,
  type ChannelPhase,
  type ChannelRow,
  type Closing,
  type ContractMark,
  type LedgerChange,
  type LedgerRows,
  layOver,
  type WorkingRows,
  workingRows,
} from "./ledger-rows.ts";
export type {
  ContractName,
  ContractRows,
  LedgerDescription,
  LedgerEntry,
  LedgerTip,
  LogPage,
  SubmitResult,
  TransactionStatus,
} from "./ledger-view.ts";
export { otherParty, type Pair, type Party } from "./parties.ts";
export { type ReadyMade, readTerms, readyMade, sourceOf } from "./ready-made/contracts.ts";
export { type PossibleEnd, possibleEnds } from "./ready-made/describe.ts";
export {
  closeEvidence,
  closeMessage,
  decisionEvidence,
  decisionMessage,
  moveEvidence,
  moveMessage,
  secretEvidence,
  stalledEvidence,
  totalEvidence,
  totalMessage,
} from "./ready-made/evidence.ts";
export {
  afterMove,
  type BadMove,
  type Choice,
  commitmentTo,
  type GameState,
  gameAmount,
  gameRoot,
  type Move,
  moveDeadline,
  newGame,
  type Player,
  playerToMove,
} from "./ready-made/game.ts";
export type { BadTerm, GameTerms, Terms } from "./ready-made/terms.ts";
export { decodeRecord, type EvidenceRecord, encodeRecord, isFinal } from "./record.ts";
export type { Passed, Refusal } from "./refusal.ts";
export type { LedgerTerms, Verify } from "./rule-context.ts";
export { firstState } from "./rules-joint.ts";
export { settlement } from "./rules-solo.ts";
export {
  type Action,
  type ActionType,
  type ChannelParameters,
  type ContractToPay,
  isCoSigned,
  type ShownContract,
  type ShownState,
  type Transaction,
  type UnsignedTransaction,
} from "./transaction.ts";
export { decodeTransaction, encodeTransaction, MAX_TRANSACTION_BYTES } from "./transaction-codec.ts";
export { channelIdOf, transactionDigest } from "./transaction-digest.ts";
export {
  type ContractTree,
  contractTree,
  EMPTY_LEAF,
  EMPTY_ROOT,
  encodeProof,
  isProven,
  TREE_DEPTH,
  TREE_SLOTS,
  type TreeProof,
} from "./tree.ts";
export { type Units, units } from "./units.ts";
