import { create, fromBinary, isFieldSet } from "@bufbuild/protobuf";
import { asChannelId, asPaymentHash, assertNever, asTxid, err, msat, ok, type Result } from "../base/index.ts";
import { type FieldChecks, fieldChecks } from "./field-checks.ts";
import {
  open_channel_anchor_offer as AnchorOffer,
  type add_request,
  type authenticate,
  authenticate_channel_stateSchema,
  type close_clearing,
  close_clearingSchema,
  type fail_reason,
  type funding_request,
  type funding_response,
  type funding_share,
  funding_shareSchema,
  type funding_sign_accept,
  type open_anchor,
  type open_channel,
  open_channelSchema,
  type pkt,
  pktSchema,
  type signature,
  type update_add_htlc,
} from "./gen/pkt_pb.ts";
import {
  MAX_AUTHENTICATE_CHANNELS,
  MAX_CLOSE_SCRIPT_BYTES,
  MAX_DELAY_BLOCKS,
  MAX_EXPIRY_HEIGHT,
  MAX_FEATURES_BYTES,
  MAX_FUNDING_INPUTS,
  MAX_REASON_BYTES,
  MAX_REVOCATION_WINDOW,
  MAX_ROUTE_BYTES,
} from "./limits.ts";
import type {
  Authenticate,
  CloseClearing,
  FundingRequest,
  FundingResponse,
  FundingShare,
  FundingSignAccept,
  OpenAnchor,
  OpenChannel,
  PktMessage,
  ReceivedPkt,
  UnknownOdd,
  UpdateAddHtlc,
} from "./messages.ts";
import { cutProblem } from "./problem-text.ts";
import { checkShape } from "./protobuf-shape.ts";
import type { WireError } from "./wire-error.ts";

type Member = Exclude<pkt["pkt"], { case: undefined }>;

/** A packet without its family byte, of any message, by the generated codec. */
export function decodeGenerated(body: Uint8Array): Result<ReceivedPkt, WireError> {
  const malformed = checkShape(pktSchema, body);
  if (malformed !== undefined) return err(malformed);
  const decoded = fromBinary(pktSchema, body);
  const message = messageOf(decoded);
  if (!message.ok) return message;
  if (!isFieldSet(decoded, pktSchema.field.channelId)) return ok({ channelId: undefined, message: message.value });
  const check = fieldChecks("pkt");
  const channelId = asChannelId(check.bytes("channel_id", decoded.channelId, 32, 32));
  const error = check.error();
  return error === undefined ? ok({ channelId, message: message.value }) : err(error);
}

function messageOf(decoded: pkt): Result<PktMessage | UnknownOdd, WireError> {
  if (decoded.pkt.case === undefined) {
    // A member of a later version is a field that we don't know; an even one was refused before.
    const unknown = decoded.$unknown?.[0];
    if (unknown === undefined) return err({ type: "missing_field", message: "pkt", field: "pkt" });
    return ok({ type: "unknown_odd", field: unknown.no });
  }
  const name = pktSchema.field[decoded.pkt.case].name;
  const check = fieldChecks(name);
  const message = memberOf(decoded.pkt, check);
  const error = check.error();
  return error === undefined ? ok(message) : err(error);
}

function memberOf(member: Member, check: FieldChecks): PktMessage {
  switch (member.case) {
    case "updateAddHtlc":
      return addHtlc(member.value, check);
    case "updateFulfillHtlc":
      return { type: "update_fulfill_htlc", id: member.value.id, preimage: check.hash("r", member.value.r) };
    case "addRequest":
      return { ...addHtlc(member.value, check), type: "add_request" };
    case "addAccept":
      return { type: "add_accept", id: member.value.id };
    case "addReject":
      return { type: "add_reject", id: member.value.id, reason: optionalReason(member.value.reason, check) };
    case "addWithdraw":
      return { type: "add_withdraw", id: member.value.id };
    case "settleRequest":
      return { type: "settle_request", id: member.value.id, preimage: check.hash("r", member.value.r) };
    case "settleAccept":
      return { type: "settle_accept", id: member.value.id };
    case "timeoutRequest":
      return { type: "timeout_request", id: member.value.id, reason: optionalReason(member.value.reason, check) };
    case "timeoutAccept":
      return { type: "timeout_accept", id: member.value.id };
    case "updateFailHtlc": {
      const reason = check.bytes("reason", member.value.reason?.info, 0, MAX_REASON_BYTES);
      return { type: "update_fail_htlc", id: member.value.id, reason };
    }
    case "updateFee":
      return { type: "update_fee", feeRate: member.value.feeRate };
    case "updateCommit":
      return { type: "update_commit", signature: check.signature("sig", check.list("sig", member.value.sig, 1, 1)[0]) };
    case "updateRevocation":
      return {
        type: "update_revocation",
        preimage: check.hash("revocation_preimage", member.value.revocationPreimage),
        nextRevocationHash: check.hash("next_revocation_hash", member.value.nextRevocationHash),
      };
    case "openChannel":
      return openChannel(member.value, check);
    case "openAnchor":
      return openAnchor(member.value, check);
    case "openCommitSig":
      return { type: "open_commit_sig", signature: check.signature("sig", member.value.sig) };
    case "openComplete":
      return { type: "open_complete" };
    case "closeClearing":
      return closeClearing(member.value, check);
    case "closeSignature": {
      const closeFeeSat = check.satoshi("close_fee", member.value.closeFee);
      return { type: "close_signature", closeFeeSat, signature: check.signature("sig", member.value.sig) };
    }
    case "error":
      return { type: "error", problem: cutProblem(member.value.problem) };
    case "authenticate":
      return authenticateOf(member.value, check);
    case "fundingRequest":
      return fundingRequest(member.value, check);
    case "fundingResponse":
      return fundingResponse(member.value, check);
    case "fundingSignAccept":
      return fundingSignAccept(member.value, check);
    case "fundingSignComplete": {
      const txid = asTxid(check.hash("txid", member.value.txid));
      return { type: "funding_sign_complete", txid, inputSignatures: inputSignatures(member.value.inputSig, check) };
    }
    default:
      return assertNever(member);
  }
}

function optionalReason(reason: fail_reason | undefined, check: FieldChecks): Uint8Array {
  return reason === undefined ? new Uint8Array(0) : check.bytes("reason", reason.info, 0, MAX_REASON_BYTES);
}

function addHtlc(value: update_add_htlc | add_request, check: FieldChecks): UpdateAddHtlc {
  return {
    type: "update_add_htlc",
    id: value.id,
    amountMsat: msat(value.amountMsat),
    paymentHash: asPaymentHash(check.hash("r_hash", value.rHash)),
    expiry: check.blocks("expiry", value.expiry, MAX_EXPIRY_HEIGHT),
    route: check.bytes("route", value.route?.info, 0, MAX_ROUTE_BYTES),
  };
}

function openChannel(value: open_channel, check: FieldChecks): OpenChannel {
  const { field } = open_channelSchema;
  const window = check.list("revocation_window", value.revocationWindow, 0, MAX_REVOCATION_WINDOW);
  return {
    type: "open_channel",
    delay: check.blocks("delay", value.delay, MAX_DELAY_BLOCKS),
    revocationHash: check.hash("revocation_hash", value.revocationHash),
    nextRevocationHash: check.hash("next_revocation_hash", value.nextRevocationHash),
    commitKey: check.publicKey("commit_key", value.commitKey),
    finalKey: check.publicKey("final_key", value.finalKey),
    anchor: value.anch === AnchorOffer.WILL_CREATE_ANCHOR ? "will_create" : "wont_create",
    minDepth: value.minDepth,
    initialFeeRate: value.initialFeeRate,
    revocationWindow: window.map((hash) => check.hash("revocation_window", hash)),
    ...(isFieldSet(value, field.channelReserve) && {
      channelReserveSat: check.satoshi("channel_reserve", value.channelReserve),
    }),
    pushMsat: check.msat("push_msat", value.pushMsat),
    prestage: value.prestage,
    ...(isFieldSet(value, field.closeScript) && { closeScript: closeScriptOf(value.closeScript, check) }),
  };
}

function openAnchor(value: open_anchor, check: FieldChecks): OpenAnchor {
  return {
    type: "open_anchor",
    txid: asTxid(check.hash("txid", value.txid)),
    outputIndex: value.outputIndex,
    amountSat: check.satoshi("amount", value.amount),
    commitSignature: check.signature("commit_sig", value.commitSig),
  };
}

function closeClearing(value: close_clearing, check: FieldChecks): CloseClearing {
  if (!isFieldSet(value, close_clearingSchema.field.closeScript)) return { type: "close_clearing" };
  return { type: "close_clearing", closeScript: closeScriptOf(value.closeScript, check) };
}

function closeScriptOf(script: Uint8Array, check: FieldChecks): Uint8Array {
  return check.bytes("close_script", script, 1, MAX_CLOSE_SCRIPT_BYTES);
}

/** A missing message is an empty one here: `checkShape` has refused it before. */
function fundingShare(value: funding_share | undefined, check: FieldChecks): FundingShare {
  const hasChange = value !== undefined && isFieldSet(value, funding_shareSchema.field.changeScript);
  return {
    contributionSat: check.satoshi("contribution", value?.contribution ?? 0n),
    inputs: check.list("input", value?.input ?? [], 0, MAX_FUNDING_INPUTS).map((input) => ({
      txid: asTxid(check.hash("txid", input.txid)),
      index: input.outputIndex,
      amountSat: check.satoshi("amount", input.amount),
      publicKey: check.publicKey("key", input.key),
    })),
    changeScript: hasChange ? check.bytes("change_script", value.changeScript, 1, MAX_CLOSE_SCRIPT_BYTES) : undefined,
  };
}

function fundingRequest(value: funding_request, check: FieldChecks): FundingRequest {
  return {
    type: "funding_request",
    terms: openChannel(value.terms ?? create(open_channelSchema), check),
    share: fundingShare(value.share, check),
    wishedSat: check.satoshi("wished_contribution", value.wishedContribution),
    feeRate: value.feeRate,
  };
}

function fundingResponse(value: funding_response, check: FieldChecks): FundingResponse {
  return {
    type: "funding_response",
    terms: openChannel(value.terms ?? create(open_channelSchema), check),
    share: fundingShare(value.share, check),
    commitSignature: check.signature("commit_sig", value.commitSig),
  };
}

function fundingSignAccept(value: funding_sign_accept, check: FieldChecks): FundingSignAccept {
  return {
    type: "funding_sign_accept",
    inputSignatures: inputSignatures(value.inputSig, check),
    commitSignature: check.signature("commit_sig", value.commitSig),
  };
}

function inputSignatures(values: readonly signature[], check: FieldChecks): Uint8Array[] {
  return check.list("input_sig", values, 0, MAX_FUNDING_INPUTS).map((value) => check.signature("input_sig", value));
}

function authenticateOf(value: authenticate, check: FieldChecks): Authenticate {
  const states = check.list("channel", value.channel, 0, MAX_AUTHENTICATE_CHANNELS);
  return {
    type: "authenticate",
    features: check.bytes("features", value.features, 0, MAX_FEATURES_BYTES),
    digest: check.hash("digest", value.digest),
    channels: states.map((state) => ({
      channelId: asChannelId(check.bytes("channel_id", state.channelId, 32, 32)),
      commitmentNumber: state.commitmentNumber,
      ...(state.lastRevocationPreimage && {
        lastRevocationPreimage: check.hash("last_revocation_preimage", state.lastRevocationPreimage),
      }),
      ...(isFieldSet(state, authenticate_channel_stateSchema.field.lastRevokedNumber) && {
        lastRevokedNumber: state.lastRevokedNumber,
      }),
    })),
  };
}
