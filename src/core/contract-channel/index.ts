export type { LedgerDomain } from "./actions.ts";
export {
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
export type { Pair, Party } from "./parties.ts";
export { decodeRecord, type EvidenceRecord, encodeRecord, isFinal } from "./record.ts";
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
