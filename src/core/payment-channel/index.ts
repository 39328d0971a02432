export { apply, type ChannelChange } from "./changes.ts";
export { agreedClose } from "./closing.ts";
export { acceptDual, beginDual, type DualRequest, fundingFeeRate } from "./dual-funding.ts";
export { isUnsignedDual } from "./dual-funding-end.ts";
export {
  CHANNEL_ERROR_TYPES,
  type ChannelError,
  type ChannelErrorType,
  describeError,
  type Reaction,
  reactionTo,
} from "./errors.ts";
export { feeShortfall } from "./fees.ts";
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
export { type ChannelPolicy, DEFAULT_POLICY, type FeeEstimate } from "./policy.ts";
export {
  addedBy,
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
  otherSide,
  type Removal,
  type RemovalRequestRow,
  type RevocationHashRow,
  type Side,
  type Stage,
  type StageRow,
  type TermsRow,
  type TotalsRow,
} from "./rows.ts";
export { type Awaited, awaited } from "./stall.ts";
export { type ChannelState, load } from "./state.ts";
export { step } from "./step.ts";
