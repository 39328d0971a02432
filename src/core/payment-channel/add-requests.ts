// Adding an HTLC with pre-staging (seed 000 "ADD HTLCs"; LS-16, LS-17). The answer stages it, not the request:
//
//   offerer                      addressee
//     --- add_request ------------>      reserves the amount in every view; in no commitment
//     --- add_withdraw ----------->      may follow, to take it back
//     <-- add_accept -------------       stages it: it is in both parties' next commitments
//     or
//     <-- add_reject -------------       gives the amount back; counts as a change, so that commitments cover it

import type { PktMessage } from "../wire/index.ts";
import type { ChannelChange } from "./changes.ts";
import { type ChannelError, describeError } from "./errors.ts";
import type { Context, Effect, Input } from "./input.ts";
import { answersUnseen, NOTHING, type StepResult, send, step, tell, unexpected, violation } from "./outcome.ts";
import { isRequested, type Side } from "./rows.ts";
import type { ChannelState, Htlc } from "./state.ts";

type Received<T extends PktMessage["type"]> = Extract<PktMessage, { type: T }>;
type Packet = Extract<Input, { type: "packet" }>;

/** The HTLC of `offerer` that is requested, and neither accepted nor rejected. */
function requested(state: ChannelState, id: bigint, offerer: Side): Htlc | undefined {
  const htlc = state.htlcs.get(id);
  return htlc?.offerer === offerer && isRequested(htlc) ? htlc : undefined;
}

/** Why we may not say anything about requests now. */
function silence(state: ChannelState, context: Context): ReturnType<typeof violation> | undefined {
  if (state.stage.stage !== "open") return violation("not_open", "B2-13", { detail: state.stage.stage });
  if (!context.peerReady) return violation("peer_not_ready", "B2-4");
  return undefined;
}

/** Why a request of the peer can't be accepted, whoever may want it. Spec: LS-20, B2-32. */
function hindrance(state: ChannelState, htlc: Htlc, { height, policy }: Context): ChannelError | undefined {
  if (state.clearing.local !== undefined || state.clearing.remote !== undefined) {
    return { type: "channel_closing", rule: "B2-32" };
  }
  if (htlc.expiry <= height) return { type: "expiry_too_soon", rule: "LS-20", limit: height + 1, actual: htlc.expiry };
  const latest = height + policy.expiryHorizon;
  if (htlc.expiry > latest) return { type: "expiry_too_far", rule: "B2-16", limit: latest, actual: htlc.expiry };
  // What the protocol allows was checked when the request came; this is what we have room for.
  const offered = state.view.remote.offeredNonDust;
  if (offered <= policy.maxHtlcs) return undefined;
  return { type: "too_many_htlcs", rule: "B2-19", limit: policy.maxHtlcs, actual: offered };
}

type Answer = { readonly change: ChannelChange; readonly effect: Effect };

function acceptance(state: ChannelState, { id }: Htlc, number: number): Answer {
  return { change: { type: "htlc_accepted", id, addNumber: number }, effect: send(state, { type: "add_accept", id }) };
}

function rejection(state: ChannelState, { id }: Htlc, number: number, reason: Uint8Array): Answer {
  return {
    change: {
      type: "htlc_removed",
      id,
      removal: { type: "failed", reason },
      removedBy: "local",
      removeNumber: number,
    },
    effect: send(state, { type: "add_reject", id, reason }),
  };
}

/** Accepts a request of the peer, where the channel does not do so by itself. Spec: LS-17. */
export function acceptAdd(state: ChannelState, id: bigint, context: Context): StepResult {
  const silent = silence(state, context);
  if (silent !== undefined) return silent;
  const htlc = requested(state, id, "remote");
  if (htlc === undefined) return violation("not_prestaged", "LS-17", { actual: id });
  const error = hindrance(state, htlc, context);
  if (error !== undefined) return { ok: false, error };
  const { change, effect } = acceptance(state, htlc, context.nextPacketNumber);
  return step([change], [effect]);
}

/** Turns down a request of the peer. Spec: LS-17. */
export function rejectAdd(state: ChannelState, id: bigint, reason: Uint8Array, context: Context): StepResult {
  const silent = silence(state, context);
  if (silent !== undefined) return silent;
  const htlc = requested(state, id, "remote");
  if (htlc === undefined) return violation("not_prestaged", "LS-17", { actual: id });
  const { change, effect } = rejection(state, htlc, context.nextPacketNumber, reason);
  return step([change], [effect]);
}

/** Takes a request of ours back. The peer answers with a reject, unless it has accepted already. */
export function withdrawAdd(state: ChannelState, id: bigint, context: Context): StepResult {
  const silent = silence(state, context);
  if (silent !== undefined) return silent;
  if (requested(state, id, "local") === undefined) return violation("not_prestaged", "LS-17", { actual: id });
  return step([], [send(state, { type: "add_withdraw", id })]);
}

/** Answers the peer's requests: those that can't be accepted in any case, the others where the policy leaves it to us. Spec: LS-20. */
export function answerAdds(state: ChannelState, context: Context): StepResult {
  if (!state.channel.prestage || silence(state, context) !== undefined) return NOTHING;
  const answers: Answer[] = [];
  for (const htlc of state.htlcs.values()) {
    if (htlc.offerer !== "remote" || !isRequested(htlc)) continue;
    const number = context.nextPacketNumber + answers.length;
    const error = hindrance(state, htlc, context);
    if (error !== undefined) {
      answers.push(rejection(state, htlc, number, new TextEncoder().encode(describeError(error))));
    } else if (context.policy.prestageAdds === "accept") answers.push(acceptance(state, htlc, number));
  }
  return step(
    answers.map(({ change }) => change),
    answers.map(({ effect }) => effect),
  );
}

/** The peer accepts what we requested. Late ones too: what has expired meanwhile is staged, and then times out. */
export function receiveAddAccept(state: ChannelState, { id }: Received<"add_accept">, input: Packet): StepResult {
  if (state.stage.stage !== "open") return unexpected("add_accept", state.stage.stage, "B2-13");
  const htlc = requested(state, id, "local");
  if (htlc === undefined) return violation("remote_not_prestaged", "LS-17", { actual: id });
  return answersUnseen(htlc.requestNumber, input) ?? step([{ type: "htlc_accepted", id, addNumber: input.number }]);
}

/** The peer turns down what we requested. It never stood in a commitment, so that its payment has ended. Spec: LS-17, LS-29. */
export function receiveAddReject(
  state: ChannelState,
  { id, reason }: Received<"add_reject">,
  input: Packet,
): StepResult {
  if (state.stage.stage !== "open") return unexpected("add_reject", state.stage.stage, "B2-13");
  const htlc = requested(state, id, "local");
  if (htlc === undefined) return violation("remote_not_prestaged", "LS-17", { actual: id });
  const unseen = answersUnseen(htlc.requestNumber, input);
  if (unseen !== undefined) return unseen;
  const { paymentHash } = htlc;
  return step(
    [
      {
        type: "htlc_removed",
        id,
        removal: { type: "failed", reason },
        removedBy: "remote",
        removeNumber: input.number,
      },
    ],
    [tell({ type: "htlc_failed", id, paymentHash, reason })],
  );
}

/** The peer takes a request back. It has no effect where it crosses our answer. */
export function receiveAddWithdraw(
  state: ChannelState,
  { id }: Received<"add_withdraw">,
  context: Context,
): StepResult {
  if (state.stage.stage !== "open") return unexpected("add_withdraw", state.stage.stage, "B2-13");
  const htlc = requested(state, id, "remote");
  if (htlc !== undefined) {
    const { change, effect } = rejection(state, htlc, context.nextPacketNumber, new TextEncoder().encode("withdrawn"));
    return step([change], [effect]);
  }
  const last = state.totals.remoteLastId;
  if (id <= last && (last - id) % 2n === 0n) return NOTHING;
  return violation("remote_unknown_htlc", "LS-17", { limit: last, actual: id });
}
