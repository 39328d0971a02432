// What has to hold before an HTLC is removed, or its removal is requested. B2-23 as the seed has it ("in its current
// commitment") lets a double fulfil create money; hence the stricter check.
import { equalBytes } from "../base/index.ts";
import { sha256 } from "../crypto/index.ts";
import type { ChannelErrorType } from "./errors.ts";
import type { Removal, Side } from "./rows.ts";
import { type ChannelState, type Htlc, isCleared } from "./state.ts";

export type RemovalObstacle = "unknown_htlc" | "htlc_not_cleared" | "already_removed" | "wrong_preimage";

/** Why the HTLC that `offerer` offered can't be removed this way now. */
export function removalObstacle(
  state: ChannelState,
  id: bigint,
  offerer: Side,
  removal: Removal,
): Htlc | RemovalObstacle {
  const htlc = state.htlcs.get(id);
  if (htlc === undefined || htlc.offerer !== offerer) return "unknown_htlc";
  if (htlc.removal !== undefined) return "already_removed";
  if (!isCleared(state, htlc)) return "htlc_not_cleared";
  if (removal.type === "fulfilled" && !isPreimage(removal.preimage, htlc.paymentHash)) return "wrong_preimage";
  return htlc;
}

/** Scripts take a preimage of 32 bytes only, whatever else may have the same hash. */
export function isPreimage(preimage: Uint8Array, paymentHash: Uint8Array): boolean {
  return preimage.length === 32 && equalBytes(sha256(preimage), paymentHash);
}

const AS_VIOLATION: Record<RemovalObstacle, ChannelErrorType> = {
  unknown_htlc: "remote_unknown_htlc",
  htlc_not_cleared: "remote_htlc_not_cleared",
  already_removed: "remote_already_removed",
  wrong_preimage: "remote_wrong_preimage",
};

export function removalViolation(obstacle: RemovalObstacle): ChannelErrorType {
  return AS_VIOLATION[obstacle];
}
