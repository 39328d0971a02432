// Removing an HTLC with pre-staging (seed 000 "HTLC Settle", "Timeout"; LS-22, LS-23). The accept stages it:
//
//   receiver                     offerer
//     --- settle_request --------->      its preimage is used at once
//     <-- settle_accept -----------
//     or
//     --- timeout_request -------->      gives it back, for whatever reason
//     <-- timeout_accept ----------
//     or, once it has expired
//     <-- timeout_request ---------
//     --- timeout_accept --------->
//
// There are never two removals, and no honest pair waits for ever (decision 0011): where both ask, what the receiver asks
// stands, and what the offerer asked lapses. So the offerer accepts what the receiver asks, whatever it asked itself, and
// the receiver, once it has asked, accepts nothing.

import { assertNever, equalBytes } from "../base/index.ts";
import type { PktMessage } from "../wire/index.ts";
import type { ChannelChange } from "./changes.ts";
import type { Context, Effect, Input } from "./input.ts";
import { answersUnseen, NOTHING, type StepResult, send, step, tell, unexpected, violation } from "./outcome.ts";
import { removalObstacle, removalViolation } from "./removal-obstacle.ts";
import type { Removal, RemovalRequestRow, Side } from "./rows.ts";
import { type ChannelState, type Htlc, isCleared } from "./state.ts";

type Received<T extends PktMessage["type"]> = Extract<PktMessage, { type: T }>;
type Packet = Extract<Input, { type: "packet" }>;

type Asking = { readonly change: ChannelChange; readonly effect: Effect };

function asking(state: ChannelState, id: bigint, removal: Removal, number: number): Asking {
  const message: PktMessage =
    removal.type === "fulfilled"
      ? { type: "settle_request", id, preimage: removal.preimage }
      : { type: "timeout_request", id, reason: removal.reason };
  return {
    change: { type: "removal_requested", row: { id, by: "local", number, removal } },
    effect: send(state, message),
  };
}

/** Asks to settle an HTLC that was offered to us and has cleared, or to give it back. A request of the offerer lapses. */
export function requestRemoval(state: ChannelState, htlc: Htlc, removal: Removal, context: Context): StepResult {
  const { id } = htlc;
  if (state.removalRequests.get(id)?.by === "local") return violation("removal_requested", "LS-22", { actual: id });
  const { change, effect } = asking(state, id, removal, context.nextPacketNumber);
  return step([change], [effect]);
}

/** Accepts what the peer asks for, and asks for our expired HTLCs back. Spec: LS-20, LS-22, LS-23. */
export function tendRemovals(state: ChannelState, context: Context): StepResult {
  if (!state.channel.prestage || !context.peerReady || state.stage.stage !== "open") return NOTHING;
  const done: Asking[] = [];
  for (const htlc of state.htlcs.values()) {
    const number = context.nextPacketNumber + done.length;
    const request = state.removalRequests.get(htlc.id);
    const isExpired = context.height >= htlc.expiry;
    if (request?.by === "remote") {
      // Its offerer may be ahead of us by some blocks. Until we see it expired too, we may still settle it.
      if (htlc.offerer === "local" || isExpired) done.push(acceptance(state, request, number));
    } else if (request === undefined && htlc.offerer === "local" && htlc.removal === undefined) {
      if (!isExpired || !isCleared(state, htlc)) continue;
      done.push(asking(state, htlc.id, { type: "failed", reason: new Uint8Array(0) }, number));
    }
  }
  return step(
    done.map(({ change }) => change),
    done.map(({ effect }) => effect),
  );
}

function acceptance(state: ChannelState, { id, removal }: RemovalRequestRow, number: number): Asking {
  return {
    change: { type: "htlc_removed", id, removal, removedBy: "local", removeNumber: number },
    effect: send(state, { type: acceptOf(removal), id }),
  };
}

/** Whether it is what was staged already. */
function isSame(removal: Removal, staged: Removal | undefined): boolean {
  if (removal.type === "failed") return staged?.type === "failed";
  return staged?.type === "fulfilled" && equalBytes(removal.preimage, staged.preimage);
}

/** The peer settles what we offered: what its preimage is worth, it is worth now. Spec: LS-22. */
export function receiveSettleRequest(
  state: ChannelState,
  { id, preimage }: Received<"settle_request">,
  input: Packet,
): StepResult {
  return receiveRequest(state, id, { type: "fulfilled", preimage }, "local", input);
}

/** The peer gives back what we offered, or asks for the return of what it offered itself. Spec: LS-23. */
export function receiveTimeoutRequest(
  state: ChannelState,
  { id, reason }: Received<"timeout_request">,
  input: Packet,
): StepResult {
  const offerer = state.htlcs.get(id)?.offerer ?? "local";
  // What we have asked for stands: this crossed it, and lapses.
  if (offerer === "remote" && state.removalRequests.get(id)?.by === "local") return NOTHING;
  return receiveRequest(state, id, { type: "failed", reason }, offerer, input);
}

function receiveRequest(
  state: ChannelState,
  id: bigint,
  removal: Removal,
  offerer: Side,
  { number, message }: Packet,
): StepResult {
  if (state.stage.stage !== "open") return unexpected(message.type, state.stage.stage, "B2-13");
  const found = removalObstacle(state, id, offerer, removal);
  // To ask for what is staged already counts as accepting it (LS-18).
  if (found === "already_removed" && isSame(removal, state.htlcs.get(id)?.removal)) return NOTHING;
  if (typeof found === "string") return violation(removalViolation(found), "LS-22", { actual: id });
  if (state.removalRequests.get(id)?.by === "remote") {
    return violation("remote_removal_requested", "LS-22", { actual: id });
  }
  const { paymentHash } = found;
  return step(
    [{ type: "removal_requested", row: { id, by: "remote", number, removal } }],
    removal.type === "fulfilled" ? [tell({ type: "htlc_fulfilled", id, paymentHash, preimage: removal.preimage })] : [],
  );
}

/** The peer accepts a removal that we asked for, and stages it. What we did not ask for, or what lapsed, it can't accept. */
export function receiveRemovalAccept(
  state: ChannelState,
  { type, id }: Received<"settle_accept" | "timeout_accept">,
  input: Packet,
): StepResult {
  if (state.stage.stage !== "open") return unexpected(type, state.stage.stage, "B2-13");
  const htlc = state.htlcs.get(id);
  if (htlc === undefined) return violation("remote_unknown_htlc", "LS-22", { actual: id });
  if (htlc.removal !== undefined) return violation("remote_already_removed", "LS-22", { actual: id });
  const request = state.removalRequests.get(id);
  if (request?.by !== "local" || acceptOf(request.removal) !== type) {
    return violation("remote_removal_not_requested", "LS-22", { actual: id, detail: type });
  }
  const unseen = answersUnseen(request.number, input);
  if (unseen !== undefined) return unseen;
  const { removal } = request;
  return step([{ type: "htlc_removed", id, removal, removedBy: "remote", removeNumber: input.number }]);
}

function acceptOf({ type }: Removal): "settle_accept" | "timeout_accept" {
  switch (type) {
    case "fulfilled":
      return "settle_accept";
    case "failed":
      return "timeout_accept";
    default:
      return assertNever(type);
  }
}
