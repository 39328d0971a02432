// Recovery mode: what a channel does whose data are an old copy (payment-channel design "Frozen, stale, restored"). The peer may hold
// revocations that the copy knows nothing of, and would take everything if we broadcast what seems our newest commitment.
//
//   revocation_shown     the peer's authenticate has a preimage of ours for a commitment that we hold unrevoked: the proof
//   anchor_spent         a commitment that we signed and know nothing of: a proof too (enforcement.ts)
//   recover              another channel of the same copy was proven old, or the data come from a backup
//
// Nothing less is a proof: whoever could freeze us with a number would keep every HTLC whose preimage we hold.

import { equalBytes } from "../base/index.ts";
import type { Context, Effect, Input } from "./input.ts";
import { moveTo, NOTHING, type StepResult, send, step, tells } from "./outcome.ts";
import { ownRevocationPreimage } from "./own-revocation.ts";
import type { StageRow } from "./rows.ts";
import type { ChannelState } from "./state.ts";

/** Why a channel in recovery mode failed. */
const STALE = "our data are older than the channel: the peer has to close it";

/**
 * The peer shows the last revocation preimage that it has of us. Where it is that of a commitment which we hold unrevoked, our data are
 * old; nobody but us could have revealed it. A preimage that is not ours proves nothing.
 */
export function revocationShown(
  state: ChannelState,
  { number, preimage }: Extract<Input, { type: "revocation_shown" }>,
  context: Context,
): StepResult {
  const newest = state.commitments.local?.number ?? 0;
  if (number < BigInt(newest) || number > BigInt(Number.MAX_SAFE_INTEGER)) return NOTHING;
  const ours = ownRevocationPreimage(context, state.channel.index, Number(number));
  return equalBytes(preimage, ours) ? enterRecovery(state, context) : NOTHING;
}

/** Another channel of the same data is proven old. What had failed before says nothing that is revoked since. */
export function recover(state: ChannelState, context: Context): StepResult {
  return state.stage.stage === "failed" ? NOTHING : enterRecovery(state, context);
}

/** Whether there is nothing any more that an old copy could do wrong: a close stays valid. */
function isSafe({ stage, stale }: StageRow): boolean {
  return stale || stage === "close_agreed" || stage === "closed" || stage === "buried" || stage === "abandoned";
}

/**
 * The stage of a channel that comes from a backup: in recovery mode whatever it was, since nobody knows what came after. An agreed close
 * and what is over stay what they are.
 */
export function restoredStage(row: StageRow): StageRow {
  if (row.stage === "close_agreed" || row.stage === "closed" || row.stage === "failed") return { ...row, stale: true };
  return { ...row, stage: "failed", failure: STALE, errorDue: true, stale: true };
}

function enterRecovery(state: ChannelState, context: Context): StepResult {
  if (isSafe(state.stage)) return NOTHING;
  const telling = tells(true, context);
  const { change, events } = moveTo(state, {
    stage: "failed",
    stale: true,
    failure: STALE,
    errorDue: telling === "later",
  });
  const told: Effect[] = telling === "now" ? [send(state, { type: "error", problem: STALE })] : [];
  return step([change], [...told, ...events, { type: "event", event: { type: "stale" } }]);
}
