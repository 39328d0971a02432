// Which channels a peer may begin, and which make room for another when there are too many.
import { err, type Result } from "../core/base/index.ts";
import { type Begun, type ChannelError, isUnsignedDual } from "../core/payment-channel/index.ts";
import type { ReceivedPkt } from "../core/wire/index.ts";
import type { ChannelRunner } from "./channel-runner.ts";
import type { Session } from "./session.ts";

/** Blocks after which an anchor in none of them is late: its channel makes room for others when there is none left. */
const LATE_ANCHOR = 144;

/** The packets with which a peer begins a channel. */
export type FirstMessage = Extract<ReceivedPkt["message"], { type: "open_channel" | "funding_request" }>;

export function isFirst(message: ReceivedPkt["message"]): message is FirstMessage {
  return message.type === "open_channel" || message.type === "funding_request";
}

/** Nothing is at stake yet in a channel that a peer asked for. */
export function isUnsigned(state: ChannelRunner["state"]): boolean {
  return state.stage.stage === "awaiting_open_anchor" || isUnsignedDual(state);
}

/** A peer asks for what it has not said that it can do. */
export function unannounced(session: Session, message: FirstMessage): ChannelError | undefined {
  const { prestage } = message.type === "open_channel" ? message : message.terms;
  if (!prestage || session.peerHas("prestage")) return undefined;
  return { type: "remote_terms_unacceptable", rule: "LS-16", detail: "pre-staging that authenticate did not announce" };
}

/** We have not signed yet, or the peer's anchor should long be in a block. */
export function isLittleLoss({ state }: ChannelRunner, height: number): boolean {
  const late = height - state.channel.createdHeight >= LATE_ANCHOR;
  return isUnsigned(state) || (late && state.dualFunding === undefined);
}

export function isUnconfirmed({ state }: ChannelRunner): boolean {
  const { stage } = state.stage;
  const opening = isUnsigned(state) || stage === "awaiting_depth";
  return opening && state.channel.initiator === "remote" && state.funding?.confirmedHeight === undefined;
}

export function tooMany(limit: number, actual: number, detail: string): ChannelError | undefined {
  return actual > limit ? { type: "remote_terms_unacceptable", rule: "B2-8", limit, actual, detail } : undefined;
}

/** What begins a channel touches nothing else: whatever it throws ends that channel alone, before there is one. */
export function guarded(begin: () => Result<Begun, ChannelError>): Result<Begun, ChannelError> {
  try {
    return begin();
  } catch (cause) {
    const detail = cause instanceof Error ? cause.message : String(cause);
    return err({ type: "frozen", rule: "B2-13", detail });
  }
}
