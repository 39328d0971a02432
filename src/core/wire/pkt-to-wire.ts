import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { assertNever, concatBytes, invariant, MAX_SATOSHI } from "../base/index.ts";
import { toEight, toFour } from "./fixed64.ts";
import { open_channel_anchor_offer as AnchorOffer, pktSchema } from "./gen/pkt_pb.ts";
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
  MAX_UINT32,
  MAX_UINT64,
} from "./limits.ts";
import type {
  AddRequest,
  Authenticate,
  FundingShare,
  OpenChannel,
  Pkt,
  PktMessage,
  UpdateAddHtlc,
} from "./messages.ts";
import { PKT_FAMILY } from "./packet-family.ts";
import { cutProblem } from "./problem-text.ts";

type Member = Exclude<MessageInitShape<typeof pktSchema>["pkt"], undefined>;

/**
 * The packet of any message by the generated codec. What it writes is ours: a value that doesn't fit its field throws
 * InvariantBroken. Only fields of the `.proto` file are written, in the order of their numbers. Spec: B2-3.
 */
export function encodeGenerated({ channelId, message }: Pkt): Uint8Array {
  const pkt = create(pktSchema, { pkt: memberOf(message), ...(channelId && { channelId: sized(channelId, 32, 32) }) });
  return concatBytes(Uint8Array.of(PKT_FAMILY), toBinary(pktSchema, pkt));
}

function memberOf(message: PktMessage): Member {
  switch (message.type) {
    case "update_add_htlc":
      return { case: "updateAddHtlc", value: addHtlc(message) };
    case "add_request":
      return { case: "addRequest", value: addHtlc(message) };
    case "add_accept":
      return { case: "addAccept", value: { id: uint64(message.id) } };
    case "add_reject":
      return { case: "addReject", value: { id: uint64(message.id), ...optionalReason(message) } };
    case "add_withdraw":
      return { case: "addWithdraw", value: { id: uint64(message.id) } };
    case "settle_request":
      return { case: "settleRequest", value: { id: uint64(message.id), r: toFour(message.preimage) } };
    case "settle_accept":
      return { case: "settleAccept", value: { id: uint64(message.id) } };
    case "timeout_request":
      return { case: "timeoutRequest", value: { id: uint64(message.id), ...optionalReason(message) } };
    case "timeout_accept":
      return { case: "timeoutAccept", value: { id: uint64(message.id) } };
    case "update_fulfill_htlc":
      return { case: "updateFulfillHtlc", value: { id: uint64(message.id), r: toFour(message.preimage) } };
    case "update_fail_htlc":
      return {
        case: "updateFailHtlc",
        value: { id: uint64(message.id), reason: { info: sized(message.reason, 0, MAX_REASON_BYTES) } },
      };
    case "update_fee":
      return { case: "updateFee", value: { feeRate: uint32(message.feeRate) } };
    case "update_commit":
      return { case: "updateCommit", value: { sig: [toEight(message.signature)] } };
    case "update_revocation":
      return {
        case: "updateRevocation",
        value: {
          revocationPreimage: toFour(message.preimage),
          nextRevocationHash: toFour(message.nextRevocationHash),
        },
      };
    case "open_channel":
      return { case: "openChannel", value: openTerms(message) };
    case "open_anchor":
      return {
        case: "openAnchor",
        value: {
          txid: toFour(message.txid),
          outputIndex: uint32(message.outputIndex),
          amount: uint64(message.amountSat, MAX_SATOSHI),
          commitSig: toEight(message.commitSignature),
        },
      };
    case "open_commit_sig":
      return { case: "openCommitSig", value: { sig: toEight(message.signature) } };
    case "open_complete":
      return { case: "openComplete", value: {} };
    case "close_clearing":
      return { case: "closeClearing", value: closeScript(message) };
    case "close_signature":
      return {
        case: "closeSignature",
        value: { closeFee: uint64(message.closeFeeSat, MAX_SATOSHI), sig: toEight(message.signature) },
      };
    case "error":
      return { case: "error", value: { problem: cutProblem(message.problem) } };
    case "authenticate":
      return authenticate(message);
    case "funding_request": {
      const { terms, share, wishedSat, feeRate } = message;
      const wishedContribution = uint64(wishedSat, MAX_SATOSHI);
      const value = {
        terms: openTerms(terms),
        share: fundingShare(share),
        wishedContribution,
        feeRate: uint32(feeRate),
      };
      return { case: "fundingRequest", value };
    }
    case "funding_response": {
      const { terms, share, commitSignature } = message;
      const value = { terms: openTerms(terms), share: fundingShare(share), commitSig: toEight(commitSignature) };
      return { case: "fundingResponse", value };
    }
    case "funding_sign_accept": {
      const value = { inputSig: inputSignatures(message), commitSig: toEight(message.commitSignature) };
      return { case: "fundingSignAccept", value };
    }
    case "funding_sign_complete":
      return {
        case: "fundingSignComplete",
        value: { txid: toFour(message.txid), inputSig: inputSignatures(message) },
      };
    default:
      return assertNever(message);
  }
}

function addHtlc(message: UpdateAddHtlc | AddRequest) {
  return {
    id: uint64(message.id),
    amountMsat: Number(uint64(message.amountMsat, BigInt(MAX_UINT32))),
    rHash: toFour(message.paymentHash),
    expiry: blocks(message.expiry, MAX_EXPIRY_HEIGHT),
    route: { info: sized(message.route, 0, MAX_ROUTE_BYTES) },
  };
}

/** An empty reason is left out, so that there is one encoding of it. */
function optionalReason({ reason }: { readonly reason: Uint8Array }): { reason?: { info: Uint8Array } } {
  return reason.length === 0 ? {} : { reason: { info: sized(reason, 0, MAX_REASON_BYTES) } };
}

function openTerms(message: OpenChannel) {
  const { channelReserveSat, revocationWindow } = message;
  invariant(revocationWindow.length <= MAX_REVOCATION_WINDOW, `a window has ${revocationWindow.length} hashes`);
  return {
    delay: blocks(message.delay, MAX_DELAY_BLOCKS),
    revocationHash: toFour(message.revocationHash),
    commitKey: { key: sized(message.commitKey, 33, 33) },
    finalKey: { key: sized(message.finalKey, 33, 33) },
    anch: message.anchor === "will_create" ? AnchorOffer.WILL_CREATE_ANCHOR : AnchorOffer.WONT_CREATE_ANCHOR,
    minDepth: uint32(message.minDepth),
    initialFeeRate: uint32(message.initialFeeRate),
    nextRevocationHash: toFour(message.nextRevocationHash),
    revocationWindow: revocationWindow.map(toFour),
    ...(channelReserveSat !== undefined && { channelReserve: uint64(channelReserveSat, MAX_SATOSHI) }),
    pushMsat: uint64(message.pushMsat, MAX_SATOSHI * 1000n),
    ...(message.prestage && { prestage: true }),
    ...closeScript(message),
  };
}

function fundingShare({ contributionSat, inputs, changeScript }: FundingShare) {
  invariant(inputs.length <= MAX_FUNDING_INPUTS, `a share has ${inputs.length} inputs`);
  return {
    contribution: uint64(contributionSat, MAX_SATOSHI),
    input: inputs.map(({ txid, index, amountSat, publicKey }) => ({
      txid: toFour(txid),
      outputIndex: uint32(index),
      amount: uint64(amountSat, MAX_SATOSHI),
      key: { key: sized(publicKey, 33, 33) },
    })),
    ...(changeScript !== undefined && { changeScript: sized(changeScript, 1, MAX_CLOSE_SCRIPT_BYTES) }),
  };
}

function inputSignatures({ inputSignatures: signatures }: { readonly inputSignatures: readonly Uint8Array[] }) {
  invariant(signatures.length <= MAX_FUNDING_INPUTS, `a share has ${signatures.length} signatures`);
  return signatures.map(toEight);
}

function authenticate({ features, digest, channels }: Authenticate): Member {
  invariant(channels.length <= MAX_AUTHENTICATE_CHANNELS, `authenticate names ${channels.length} channels`);
  return {
    case: "authenticate",
    value: {
      features: sized(features, 0, MAX_FEATURES_BYTES),
      digest: toFour(digest),
      channel: channels.map(({ channelId, commitmentNumber, lastRevocationPreimage, lastRevokedNumber }) => ({
        channelId: sized(channelId, 32, 32),
        commitmentNumber: uint64(commitmentNumber),
        ...(lastRevocationPreimage && { lastRevocationPreimage: toFour(lastRevocationPreimage) }),
        ...(lastRevokedNumber !== undefined && { lastRevokedNumber: uint64(lastRevokedNumber) }),
      })),
    },
  };
}

function closeScript({ closeScript }: { readonly closeScript?: Uint8Array }): { closeScript?: Uint8Array } {
  return closeScript === undefined ? {} : { closeScript: sized(closeScript, 1, MAX_CLOSE_SCRIPT_BYTES) };
}

function blocks(value: number, limit: number) {
  return { locktime: { case: "blocks" as const, value: uint32(value, limit) } };
}

function sized(bytes: Uint8Array, minimum: number, maximum: number): Uint8Array {
  const { length } = bytes;
  invariant(length >= minimum && length <= maximum, `a field of ${minimum} to ${maximum} bytes got ${length}`);
  return bytes;
}

function uint32(value: number, limit = MAX_UINT32): number {
  invariant(Number.isInteger(value) && value >= 0 && value <= limit, `not a number from 0 to ${limit}: ${value}`);
  return value;
}

function uint64(value: bigint, limit = MAX_UINT64): bigint {
  invariant(value >= 0n && value <= limit, `not a number from 0 to ${limit}: ${value}`);
  return value;
}
