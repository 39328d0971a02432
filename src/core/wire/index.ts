export { decodeKeepCopy, decodeKeptCopy, encodeAskCopy, encodeKeepCopy, encodeKeptCopy } from "./copies.ts";
export { encodeFeatures, type Feature, hasFeature } from "./features.ts";
export { MAX_AUTHENTICATE_CHANNELS, MAX_COPY_BYTES, MAX_FUNDING_INPUTS } from "./limits.ts";
export type {
  AddAccept,
  AddReject,
  AddRequest,
  AddWithdraw,
  Authenticate,
  AuthenticateChannel,
  CloseClearing,
  CloseSignature,
  ErrorMessage,
  FundingInput,
  FundingRequest,
  FundingResponse,
  FundingShare,
  FundingSignAccept,
  FundingSignComplete,
  OpenAnchor,
  OpenChannel,
  OpenCommitSig,
  OpenComplete,
  Pkt,
  PktMessage,
  ReceivedPkt,
  SettleAccept,
  SettleRequest,
  TimeoutAccept,
  TimeoutRequest,
  UnknownOdd,
  UpdateAddHtlc,
  UpdateCommit,
  UpdateFailHtlc,
  UpdateFee,
  UpdateFulfillHtlc,
  UpdateRevocation,
} from "./messages.ts";
export { decodePkt, encodePkt, namedChannel } from "./packet.ts";
export { type CopyFamily, type PacketFamily, packetFamily } from "./packet-family.ts";
export { decodePing, encodePing, encodePong } from "./ping.ts";
export {
  decodeTransportMessage,
  encodeTransportMessage,
  joinPackets,
  type TransportMessage,
} from "./transport-message.ts";
export { type WireError, wireErrorRule } from "./wire-error.ts";
