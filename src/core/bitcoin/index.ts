export { type AddressNetwork, addressToScript, type BadAddress, scriptToAddress } from "./address.ts";

export {
  anchorScript,
  type HtlcTerms,
  htlcOfferedScript,
  htlcReceivedScript,
  type ToSelfTerms,
  toSelfScript,
} from "./channel-scripts.ts";
export {
  type Claim,
  type ClaimTooSmall,
  claimSighash,
  claimSize,
  claimTransaction,
  claimWitness,
  LEAST_CLAIM_SAT,
  type Spend,
} from "./claims.ts";
export { type BadClose, type Close, type CloseSide, closeTransaction } from "./close.ts";
export {
  type Coin,
  type CoinSelection,
  type InsufficientFunds,
  selectCoins,
  unsignedTransaction,
} from "./coin-selection.ts";
export {
  type AnchorSignature,
  type CommitmentHtlc,
  type CommitmentOutput,
  type CommitmentParams,
  commitmentOutputs,
  commitmentTransaction,
  type Funding,
  withAnchorWitness,
} from "./commitment.ts";
export {
  buildCommitment,
  type Commitment,
  type CommitmentBuffer,
  createCommitmentBuffer,
} from "./commitment-buffer.ts";
export { commitmentNumberOf, numberMask } from "./commitment-number.ts";
export { commitmentByteCount, commitmentFee, DUST_LIMIT_SAT, isDust, splitFee } from "./fee.ts";
export {
  type FundingInput,
  type FundingPlan,
  type FundingRole,
  type FundingShare,
  fundingInputScript,
  fundingSighash,
  isFundingSignature,
  planCancellation,
  planFunding,
  selectShare,
  signedFunding,
} from "./funding-transaction.ts";
export { p2wpkhSighash, p2wpkhWitness } from "./pay-to-public-key.ts";
export {
  isStandardCloseScript,
  OP,
  payToPublicKeyHash,
  payToWitnessPublicKeyHash,
  payToWitnessScriptHash,
  push,
  pushNumber,
  scriptNumber,
  type WitnessProgram,
  witnessProgramOf,
} from "./script.ts";
export { sighash } from "./sighash.ts";
export {
  type BadTransaction,
  type BadTransactionReason,
  parseTransaction,
  serializeTransaction,
  type Transaction,
  type TransactionInput,
  type TransactionOutput,
  transactionId,
  transactionWeight,
  virtualSize,
} from "./transaction.ts";
