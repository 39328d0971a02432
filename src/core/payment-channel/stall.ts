// What a channel waits for from its peer. How long is for the node to say, which knows the time and the connection: a lost
// connection never fails a channel (B2-41), a peer that is there and does not do its part may.

import { assertNever } from "../base/index.ts";
import { isDrained } from "./closing.ts";
import { OPEN_COMPLETE_MARGIN } from "./policy.ts";
import { addedBy, isRequested } from "./rows.ts";
import type { ChannelState } from "./state.ts";

export type Awaited =
  /** Our packet of this number: to be signed for, revoked for, or answered. The oldest of them. */
  | { readonly type: "answer"; readonly number: number }
  /** The next step of an opening in which nothing is at stake yet. */
  | { readonly type: "opening" }
  /** The peer's open_complete, long after the depth that it asked for. Spec: B2-48. */
  | { readonly type: "open_complete" }
  /** Agreement on a close: everything has drained. */
  | { readonly type: "close" };

/** What the peer owes the channel by the protocol, or undefined. A channel at rest is owed nothing. */
export function awaited(state: ChannelState, height: number): Awaited | undefined {
  const { stage } = state.stage;
  switch (stage) {
    case "awaiting_funding_response":
    case "awaiting_open_channel":
    case "awaiting_open_anchor":
    case "awaiting_open_commit_sig":
      return { type: "opening" };
    // Of a channel that both fund: we wait for our own chain; or have a time for it that is longer than the requester's; or
    // for a courtesy.
    case "awaiting_input_check":
    case "awaiting_sign_accept":
    case "awaiting_sign_complete":
      return undefined;
    case "awaiting_depth":
      return isOpenCompleteOverdue(state, height) ? { type: "open_complete" } : undefined;
    case "open": {
      const number = oldestUnanswered(state);
      if (number !== undefined) return { type: "answer", number };
      const isClosing = state.clearing.local !== undefined && state.clearing.remote !== undefined;
      return isClosing && isDrained(state) ? { type: "close" } : undefined;
    }
    case "close_agreed":
    case "closed":
    case "buried":
    case "abandoned":
    case "failed":
      return undefined;
    default:
      return assertNever(stage);
  }
}

function isOpenCompleteOverdue({ stage, funding, terms }: ChannelState, height: number): boolean {
  const confirmed = funding?.confirmedHeight;
  if (!stage.openCompleteSent || stage.openCompleteReceived || confirmed === undefined) return false;
  return height - confirmed + 1 >= (terms.remote?.minDepth ?? 0) + OPEN_COMPLETE_MARGIN;
}

/**
 * The number of our oldest packet that the peer owes something for. It has a hash of ours for every commitment that it may have to
 * sign, since we revoke in the step that takes its signature: while it is there, nothing keeps it.
 */
function oldestUnanswered(state: ChannelState): number | undefined {
  const covered = state.commitments.local?.coverage.local ?? 0;
  const { clearing, closeOffers } = state;
  const numbers: number[] = [];
  // An update_commit's own number is one above what it covers of our packets.
  const unrevoked = state.commitments.remote[1];
  if (unrevoked !== undefined) numbers.push(unrevoked.coverage.local + 1);
  for (const htlc of state.htlcs.values()) {
    const { offerer, requestNumber, addNumber, removedBy, removeNumber } = htlc;
    if (addedBy(htlc) === "local" && addNumber > covered) numbers.push(addNumber);
    if (removedBy === "local" && removeNumber > covered) numbers.push(removeNumber);
    // Whoever is asked for an HTLC may take its time, until a close waits for the answer.
    if (offerer === "local" && isRequested(htlc) && clearing.remote !== undefined) numbers.push(requestNumber);
  }
  for (const { id, by, number } of state.removalRequests.values()) {
    // What its receiver asks for, the offerer accepts at once; the other way round it may have to wait for its chain.
    if (by === "local" && state.htlcs.get(id)?.offerer === "remote") numbers.push(number);
  }
  // One that crossed the first close_signature is never signed for.
  for (const { owner, number } of closeOffers.length > 0 ? [] : state.fees) {
    if (owner === "local" && number > covered) numbers.push(number);
  }
  if (clearing.local !== undefined && clearing.remote === undefined) numbers.push(clearing.local.number);
  return numbers.length === 0 ? undefined : Math.min(...numbers);
}
