import { err, ok, type Result } from "../base/index.ts";
import type { PktMessage } from "../wire/index.ts";
import type { ChannelChange } from "./changes.ts";
import type { ChannelError, ChannelErrorType } from "./errors.ts";
import type { Context, Effect, Tell } from "./input.ts";
import type { Stage, StageRow } from "./rows.ts";
import type { ChannelState } from "./state.ts";

/** What a step gives back: rows to change and, once they are durable, things to do. */
export type Step = { readonly changes: readonly ChannelChange[]; readonly effects: readonly Effect[] };
export type StepResult = Result<Step, ChannelError>;

export function step(changes: readonly ChannelChange[], effects: readonly Effect[] = []): StepResult {
  return ok({ changes, effects });
}

export const NOTHING: StepResult = step([]);

/** A broken rule with its numbers. */
export function violation(
  type: ChannelErrorType,
  rule: string,
  numbers: { limit?: bigint | number; actual?: bigint | number; detail?: string } = {},
): { readonly ok: false; readonly error: ChannelError } {
  return err({ type, rule, ...numbers });
}

export function unexpected(message: string, stage: Stage, rule: string): StepResult {
  return violation("unexpected_message", rule, { detail: `${message} while ${stage}` });
}

/**
 * An answer that acknowledges less than what it answers is refused. A commitment could have the answer's change, and yet lack what
 * the request was made of: money that an earlier message of ours brought back. Spec: LS-17, B2-5.
 */
export function answersUnseen(
  request: number,
  { acknowledge }: { readonly acknowledge: number },
): ReturnType<typeof violation> | undefined {
  if (acknowledge >= request) return undefined;
  const detail = "an answer to what is not acknowledged";
  return violation("remote_acknowledge", "LS-17", { limit: request, actual: acknowledge, detail });
}

export function send(state: ChannelState, message: PktMessage): Effect {
  return { type: "send", packet: { channelId: state.id, message } };
}

export function tell(message: Tell): Effect {
  return { type: "tell", tell: message };
}

/** The change and the event of moving to another stage. */
export function moveTo(state: ChannelState, next: Partial<StageRow>): { change: ChannelChange; events: Effect[] } {
  const row = { ...state.stage, ...next };
  const moved = row.stage !== state.stage.stage;
  return {
    change: { type: "stage", row },
    events: moved ? [{ type: "event", event: { type: "stage_changed", stage: row.stage, failure: row.failure } }] : [],
  };
}

/** When the peer is told of a failure: it must not be where it told us. Spec: B2-42. */
export type Telling = "now" | "later" | "never";

export function tells(notify: boolean, context: Context): Telling {
  if (!notify) return "never";
  return context.peerReady ? "now" : "later";
}

/** The channel is over, but for what the newest commitment or an agreed close still does on chain. */
export function end(
  state: ChannelState,
  stage: "failed" | "abandoned" | "close_agreed",
  reason: string,
  telling: Telling,
): StepResult {
  const moved = moveTo(state, { stage, failure: reason, errorDue: telling === "later" });
  const effects: Effect[] = telling === "now" ? [send(state, { type: "error", problem: reason })] : [];
  const reserved = state.channel.initiator === "local" || state.dualFunding !== undefined;
  if (stage === "abandoned" && reserved) effects.push(tell({ type: "release_funding" }));
  return step([moved.change], [...effects, ...moved.events]);
}
