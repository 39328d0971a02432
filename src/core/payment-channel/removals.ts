// Removing an HTLC (seed 001 section 3.3). Only its receiver removes it, and only once its add has cleared:
//
//   update_fulfill_htlc -->   or   update_fail_htlc -->
//
// With pre-staging the receiver asks for it instead: see removal-requests.ts.

import type { PktMessage } from "../wire/index.ts";
import type { Context, Input } from "./input.ts";
import { type StepResult, send, step, tell, unexpected, violation } from "./outcome.ts";
import { removalObstacle, removalViolation } from "./removal-obstacle.ts";
import { requestRemoval } from "./removal-requests.ts";
import type { Removal } from "./rows.ts";
import { type ChannelState, hasLostAnchor, isLate } from "./state.ts";

type Fulfill = Extract<PktMessage, { type: "update_fulfill_htlc" }>;
type Fail = Extract<PktMessage, { type: "update_fail_htlc" }>;

/**
 * Settles an HTLC offered to us. The preimage leaves only for a cleared add. Where no message can carry it now, it is kept for
 * the peer's return, or for the chain. Spec: B2-22, B2-23, B2-40.
 */
export function fulfill(state: ChannelState, id: bigint, preimage: Uint8Array, context: Context): StepResult {
  const { stage } = state.stage;
  // A closed channel may still hold an HTLC that a preimage makes ours.
  const onChain = stage === "failed" || stage === "closed";
  const waits = stage === "open" && (!context.peerReady || hasLostAnchor(state));
  if (onChain || waits) return keepPreimage(state, id, preimage);
  return remove(state, id, { type: "fulfilled", preimage }, context);
}

function keepPreimage(state: ChannelState, id: bigint, preimage: Uint8Array): StepResult {
  const found = removalObstacle(state, id, "remote", { type: "fulfilled", preimage });
  if (typeof found === "string") return violation(found, "B2-23", { actual: id });
  return step(state.knownPreimages.has(id) ? [] : [{ type: "known_preimage", row: { htlcId: id, preimage } }]);
}

/** Gives an HTLC back that was offered to us. Spec: B2-22. */
export function failHtlc(state: ChannelState, id: bigint, reason: Uint8Array, context: Context): StepResult {
  return remove(state, id, { type: "failed", reason }, context);
}

function remove(state: ChannelState, id: bigint, removal: Removal, context: Context): StepResult {
  if (state.stage.stage !== "open") return violation("not_open", "B2-13", { detail: state.stage.stage });
  if (!context.peerReady) return violation("peer_not_ready", "B2-4");
  const found = removalObstacle(state, id, "remote", removal);
  if (typeof found === "string") return violation(found, "B2-23", { actual: id });
  if (removal.type === "fulfilled" && isLate(state, found))
    return violation("channel_closing", "B2-32", { actual: id });
  if (state.channel.prestage) return requestRemoval(state, found, removal, context);
  const message: PktMessage =
    removal.type === "fulfilled"
      ? { type: "update_fulfill_htlc", id, preimage: removal.preimage }
      : { type: "update_fail_htlc", id, reason: removal.reason };
  return step(
    [{ type: "htlc_removed", id, removal, removedBy: "local", removeNumber: context.nextPacketNumber }],
    [send(state, message)],
  );
}

/** The peer settles or fails what we offered. A preimage is passed on at once; a failure only when it has settled. */
export function receiveRemoval(
  state: ChannelState,
  message: Fulfill | Fail,
  input: Extract<Input, { type: "packet" }>,
): StepResult {
  if (state.stage.stage !== "open") return unexpected(message.type, state.stage.stage, "B2-13");
  const removal: Removal =
    message.type === "update_fulfill_htlc"
      ? { type: "fulfilled", preimage: message.preimage }
      : { type: "failed", reason: message.reason };
  const found = removalObstacle(state, message.id, "local", removal);
  if (typeof found === "string") return violation(removalViolation(found), "B2-23", { actual: message.id });
  const { id, paymentHash } = found;
  return step(
    [{ type: "htlc_removed", id, removal, removedBy: "remote", removeNumber: input.number }],
    removal.type === "fulfilled" ? [tell({ type: "htlc_fulfilled", id, paymentHash, preimage: removal.preimage })] : [],
  );
}
