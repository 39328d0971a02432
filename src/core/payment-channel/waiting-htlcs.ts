import type { Effect } from "./input.ts";
import { tell } from "./outcome.ts";
import type { ChannelPolicy } from "./policy.ts";
import { isRequested } from "./rows.ts";
import { type ChannelState, hasLostAnchor, isCleared, isLate } from "./state.ts";

/**
 * Tells of the HTLCs offered to us that wait for a decision, which nobody may remember after a reconnect, and nobody was asked for
 * while the anchor was lost: what is staked on it then may never be worth anything. Spec: LS-19, LW-3.
 */
export function tellWaiting(state: ChannelState, policy: ChannelPolicy): Effect[] {
  if (hasLostAnchor(state)) return [];
  const effects: Effect[] = [];
  for (const htlc of state.htlcs.values()) {
    if (htlc.offerer !== "remote" || htlc.removal !== undefined || isLate(state, htlc)) continue;
    if (isCleared(state, htlc)) {
      const isDecided = state.removalRequests.get(htlc.id)?.by === "local" || state.knownPreimages.has(htlc.id);
      if (!isDecided) effects.push(tell({ type: "htlc_cleared", htlc }));
    } else if (isRequested(htlc) && policy.prestageAdds === "ask") effects.push(tell({ type: "add_requested", htlc }));
  }
  return effects;
}
