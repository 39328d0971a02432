// Preimages that no message carries: learned while the peer is away, or for a channel that only the chain can settle any more
// (payment-channel design "Frozen, stale, restored": what is learned meanwhile is intent, and is numbered later).

import type { PktMessage } from "../wire/index.ts";
import type { Context } from "./input.ts";
import { NOTHING, type StepResult, step, tell } from "./outcome.ts";
import { preimageOf } from "./preimages.ts";
import { isRefunded } from "./refunds.ts";
import { isPreimage } from "./removal-obstacle.ts";
import { fulfill } from "./removals.ts";
import { type ChannelState, hasLostAnchor, isCleared } from "./state.ts";

/** Says the preimages that were learned while the peer was away, one at a time. Spec: B2-22. */
export function fulfillKnownIfDue(state: ChannelState, context: Context): StepResult {
  if (state.stage.stage !== "open" || !context.peerReady || hasLostAnchor(state)) return NOTHING;
  for (const [id, preimage] of state.knownPreimages) {
    const htlc = state.htlcs.get(id);
    if (htlc?.offerer !== "remote" || htlc.removal !== undefined || !isCleared(state, htlc)) continue;
    if (state.removalRequests.get(id)?.by !== "local") {
      const said = fulfill(state, id, preimage, context);
      if (!said.ok) return said;
      return step([...said.value.changes, { type: "known_preimage_dropped", htlcId: id }], said.value.effects);
    }
  }
  return NOTHING;
}

/** A preimage in a message that comes when the channel is over already: it is worth as much. Spec: B2-39. */
export function takeLatePreimage(state: ChannelState, message: PktMessage, { height }: Context): StepResult {
  if (message.type !== "update_fulfill_htlc" && message.type !== "settle_request") return NOTHING;
  const { id, preimage } = message;
  const htlc = state.htlcs.get(id);
  if (htlc?.offerer !== "local" || preimageOf(state, htlc) !== undefined) return NOTHING;
  if (!isPreimage(preimage, htlc.paymentHash) || isRefunded(state, htlc, height)) return NOTHING;
  const { paymentHash } = htlc;
  return step(
    [{ type: "known_preimage", row: { htlcId: id, preimage } }],
    [tell({ type: "htlc_fulfilled", id, paymentHash, preimage })],
  );
}
