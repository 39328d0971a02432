export { apply, type ChannelChange } from "./changes.ts";
export { endpointMargin } from "./deadlines.ts";
export { acceptDual, beginDual, type DualRequest } from "./dual-funding.ts";
export { isUnsignedDual } from "./dual-funding-end.ts";
export { unconfirmedSweeps } from "./enforcement.ts";
export {
  CHANNEL_ERROR_TYPES,
  type ChannelError,
  type ChannelErrorType,
  describeError,
  type Reaction,
  reactionTo,
} from "./errors.ts";
export { explain } from "./explain.ts";
export type {
  Act,
  Actor,
  ExplainedEnd,
  ExplainedHtlc,
  ExplainedOutput,
  Explanation,
  ForceClose,
  NextAct,
  Otherwise,
  Outlook,
  OutputPlan,
  Patience,
  PlannedClaim,
  Trouble,
} from "./explain-data.ts";
export { explanationLines } from "./explain-text.ts";
export { feeShortfall } from "./fees.ts";
export { lastWord } from "./force-close.ts";
export {
  type CommitmentState,
  commitmentState,
  type HtlcStates,
  htlcStates,
} from "./htlc-states.ts";
export type { ChannelEvent, Context, Effect, Input, Tell } from "./input.ts";
export { accept, type Begun, begin, type OpenRequest } from "./opening.ts";
export type { Step, StepResult } from "./outcome.ts";
export { ownRevocationHash } from "./own-revocation.ts";
export { type ChannelPolicy, DEFAULT_POLICY, type FeeEstimate, fundingFeeRate } from "./policy.ts";
export { restoredStage } from "./recovery.ts";
export {
  type AnchorSpendKind,
  type AnchorSpendRow,
  addedBy,
  type ChainOutputRow,
  type ChannelRow,
  type ChannelRows,
  type ClearingRow,
  type CloseOfferRow,
  type CommitmentRow,
  type Coverage,
  type DualFundingRow,
  type FeeRow,
  type FundingRow,
  type FundingShareRow,
  type HtlcRow,
  type KnownPreimageRow,
  otherSide,
  type Removal,
  type RemovalRequestRow,
  type RevocationHashRow,
  type Side,
  type Stage,
  type StageRow,
  type SweepRow,
  type TermsRow,
  type TotalsRow,
} from "./rows.ts";
export { rowsOf } from "./rows-of.ts";
export { type Awaited, awaited } from "./stall.ts";
export { type ChannelState, load } from "./state.ts";
export { step } from "./step.ts";
