// What can be claimed of the outputs of a commitment on chain, by whose commitment it is (payment-channel design "Scripts" and
// "On chain"; seed 001 section 6.2). Every path of a commitment's holder is delayed, and none of its peer's is:
//
//                      our commitment                 the peer's, not revoked      the peer's, revoked
//   to-self            ours after the delay           -                            ours at once
//   to-other           -                              ours: the wallet's           ours: the wallet's
//   HTLC we offered    ours after expiry and delay    ours after expiry            ours at once
//   HTLC offered us    ours with R after the delay    ours with R at once          ours at once

import { assertNever, invariant } from "../base/index.ts";
import type { Spend } from "../bitcoin/index.ts";
import { FIRST_REVOCATION_INDEX, lookupRevocation } from "../crypto/index.ts";
import { preimageOf } from "./preimages.ts";
import type { AnchorSpendRow, ChainOutputRow } from "./rows.ts";
import type { ChannelState } from "./state.ts";

/** A way in which an output is ours, now or later. */
export type Claimable = {
  readonly spend: Spend;
  /** The lowest height that a block with the claim can have. */
  readonly from: number;
  /** The lowest height that a block with the other party's claim can have; undefined where it has none. */
  readonly contestedFrom: number | undefined;
};

/** What we may do with an output, or undefined where nothing, or nothing yet. Spec: B2-37, B2-39, B2-40. */
export function claimable(
  state: ChannelState,
  anchorSpend: AnchorSpendRow,
  output: ChainOutputRow,
): Claimable | undefined {
  const { kind, holder, height } = anchorSpend;
  if (height === undefined || holder === undefined) return undefined;
  if (kind === "revoked") return holder === "remote" ? penalty(state, anchorSpend, output, height) : undefined;
  return holder === "local" ? ofOurs(state, output, height) : ofTheirs(state, output, height);
}

/** From our own commitment: all of it after the delay that the peer imposed on us. */
function ofOurs(state: ChannelState, output: ChainOutputRow, confirmed: number): Claimable | undefined {
  const script = output.witnessScript;
  const delay = delayOf(state, "local");
  const matured = confirmed + delay;
  switch (output.kind) {
    case "to_other":
      return undefined;
    case "to_self":
      return script === undefined
        ? undefined
        : { spend: { type: "to_self", script, delay }, from: matured, contestedFrom: undefined };
    case "offered": {
      const expiry = expiryOf(state, output);
      if (script === undefined || expiry === undefined) return undefined;
      const from = Math.max(matured, expiry + 1);
      return { spend: { type: "offered_timeout", script, delay, expiry }, from, contestedFrom: confirmed };
    }
    case "received": {
      const expiry = expiryOf(state, output);
      const paymentPreimage = paymentPreimageOf(state, output);
      if (script === undefined || expiry === undefined || paymentPreimage === undefined) return undefined;
      const spend: Spend = { type: "received_fulfilled", script, delay, paymentPreimage };
      return { spend, from: matured, contestedFrom: expiry + 1 };
    }
    default:
      return assertNever(output.kind);
  }
}

/** From a commitment of the peer that it has not revoked. */
function ofTheirs(state: ChannelState, output: ChainOutputRow, confirmed: number): Claimable | undefined {
  const { witnessScript: script, kind } = output;
  const expiry = expiryOf(state, output);
  if (script === undefined || expiry === undefined || kind === "to_self" || kind === "to_other") return undefined;
  const matured = confirmed + delayOf(state, "remote");
  if (kind === "received") {
    return { spend: { type: "received_timeout", script, expiry }, from: expiry + 1, contestedFrom: matured };
  }
  const paymentPreimage = paymentPreimageOf(state, output);
  if (paymentPreimage === undefined) return undefined;
  const spend: Spend = { type: "offered_fulfilled", script, paymentPreimage };
  return { spend, from: confirmed, contestedFrom: Math.max(expiry + 1, matured) };
}

/** From a commitment that the peer revoked: every output, at once. */
function penalty(
  state: ChannelState,
  { number }: AnchorSpendRow,
  output: ChainOutputRow,
  confirmed: number,
): Claimable | undefined {
  const script = output.witnessScript;
  if (script === undefined) return undefined;
  const revocationPreimage = lookupRevocation(state.revocationSlots, FIRST_REVOCATION_INDEX - BigInt(number));
  invariant(revocationPreimage !== undefined, `the peer revealed the preimage of its commitment ${number}`);
  const contestedFrom = confirmed + delayOf(state, "remote");
  switch (output.kind) {
    case "to_other":
      return undefined;
    case "to_self":
      return { spend: { type: "to_self_revoked", script, revocationPreimage }, from: confirmed, contestedFrom };
    case "offered":
      return { spend: { type: "offered_revoked", script, revocationPreimage }, from: confirmed, contestedFrom };
    case "received":
      return { spend: { type: "received_revoked", script, revocationPreimage }, from: confirmed, contestedFrom };
    default:
      return assertNever(output.kind);
  }
}

/** Blocks that the holder of a commitment waits for its own outputs: what the other side asked for. */
function delayOf(state: ChannelState, holder: "local" | "remote"): number {
  const terms = holder === "local" ? state.terms.remote : state.terms.local;
  invariant(terms !== undefined, "both terms are known once there is a commitment");
  return terms.delay;
}

function expiryOf(state: ChannelState, { htlcId }: ChainOutputRow): number | undefined {
  return htlcId === undefined ? undefined : state.htlcs.get(htlcId)?.expiry;
}

function paymentPreimageOf(state: ChannelState, { htlcId }: ChainOutputRow): Uint8Array | undefined {
  const htlc = htlcId === undefined ? undefined : state.htlcs.get(htlcId);
  return htlc && preimageOf(state, htlc);
}
