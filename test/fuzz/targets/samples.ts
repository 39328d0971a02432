// A good message of every type: what fuzzing of packets starts from.
import { asChannelId, asPaymentHash, asTxid, msat, sat } from "../../../src/core/base/index.ts";
import { secp256k1 } from "../../../src/core/crypto/index.ts";
import { encodePkt, type OpenChannel, type PktMessage } from "../../../src/core/wire/index.ts";

const fill = (byte: number, length = 32): Uint8Array => new Uint8Array(length).fill(byte);
const key = (n: number): Uint8Array => secp256k1.publicKey(fill(n));
const signature = fill(7, 64);

const terms: OpenChannel = {
  type: "open_channel",
  delay: 144,
  revocationHash: fill(1),
  nextRevocationHash: fill(2),
  commitKey: key(1),
  finalKey: key(2),
  anchor: "will_create",
  minDepth: 3,
  initialFeeRate: 5_000,
  revocationWindow: [fill(3), fill(4)],
  channelReserveSat: sat(10_000),
  pushMsat: msat(1_000),
  prestage: true,
  closeScript: fill(9, 22),
};
const share = {
  contributionSat: sat(100_000),
  inputs: [{ txid: asTxid(fill(5)), index: 1, amountSat: sat(120_000), publicKey: key(3) }],
  changeScript: fill(9, 22),
};
const add = {
  id: 2n,
  amountMsat: msat(1_000_000),
  paymentHash: asPaymentHash(fill(6)),
  expiry: 300,
  route: fill(8, 5),
};

export const SAMPLES: { readonly [T in PktMessage["type"]]: Extract<PktMessage, { type: T }> } = {
  update_add_htlc: { type: "update_add_htlc", ...add },
  update_fulfill_htlc: { type: "update_fulfill_htlc", id: 2n, preimage: fill(1) },
  update_fail_htlc: { type: "update_fail_htlc", id: 2n, reason: fill(1, 4) },
  add_request: { type: "add_request", ...add },
  add_accept: { type: "add_accept", id: 2n },
  add_reject: { type: "add_reject", id: 2n, reason: fill(1, 4) },
  add_withdraw: { type: "add_withdraw", id: 2n },
  settle_request: { type: "settle_request", id: 2n, preimage: fill(1) },
  settle_accept: { type: "settle_accept", id: 2n },
  timeout_request: { type: "timeout_request", id: 2n, reason: fill(1, 4) },
  timeout_accept: { type: "timeout_accept", id: 2n },
  update_fee: { type: "update_fee", feeRate: 5_000 },
  update_commit: { type: "update_commit", signature },
  update_revocation: { type: "update_revocation", preimage: fill(1), nextRevocationHash: fill(2) },
  open_channel: terms,
  open_anchor: {
    type: "open_anchor",
    txid: asTxid(fill(5)),
    outputIndex: 1,
    amountSat: sat(1_000_000),
    commitSignature: signature,
  },
  open_commit_sig: { type: "open_commit_sig", signature },
  open_complete: { type: "open_complete" },
  close_clearing: { type: "close_clearing", closeScript: fill(9, 22) },
  close_signature: { type: "close_signature", closeFeeSat: sat(500), signature },
  error: { type: "error", problem: "no" },
  authenticate: {
    type: "authenticate",
    features: fill(0xa, 1),
    digest: fill(1),
    channels: [
      {
        channelId: asChannelId(fill(2)),
        commitmentNumber: 5n,
        lastRevocationPreimage: fill(3),
        lastRevokedNumber: 4n,
      },
    ],
  },
  funding_request: { type: "funding_request", terms, share, wishedSat: sat(50_000), feeRate: 2_000 },
  funding_response: { type: "funding_response", terms, share, commitSignature: signature },
  funding_sign_accept: {
    type: "funding_sign_accept",
    inputSignatures: [signature],
    commitSignature: signature,
  },
  funding_sign_complete: { type: "funding_sign_complete", txid: asTxid(fill(5)), inputSignatures: [signature] },
};

/** Messages whose numbers are the greatest that may be: one bit more is too much. */
const GREATEST: readonly PktMessage[] = [
  {
    ...{ type: "update_add_htlc", id: 2n ** 53n - 1n, amountMsat: msat(0xffff_ffff) },
    ...{ paymentHash: asPaymentHash(fill(6)), expiry: 499_999_999, route: fill(8, 0) },
  },
  { type: "update_fulfill_htlc", id: 2n ** 64n - 1n, preimage: fill(1) },
  { type: "update_fee", feeRate: 0xffff_ffff },
  {
    ...terms,
    delay: 65_535,
    minDepth: 0xffff_ffff,
    initialFeeRate: 0xffff_ffff,
    revocationWindow: Array(14).fill(fill(3)),
  },
  { type: "close_signature", closeFeeSat: sat(2_100_000_000_000_000n), signature },
];

export const MESSAGE_TYPES = Object.keys(SAMPLES) as PktMessage["type"][];

const CHANNEL = asChannelId(fill(4));

export function samplePackets(): Uint8Array[] {
  return [...Object.values(SAMPLES), ...GREATEST].map((message) =>
    encodePkt({ channelId: message.type === "authenticate" ? undefined : CHANNEL, message }),
  );
}
