import type { HtlcOutcome } from "../ports/record-rows.ts";

/** What we tell whoever offered an HTLC that we fail. */
export const FAILURE = {
  unknown: "unknown payment hash, or not its amount",
  expiry: "the expiry is too close",
} as const;

/** What the core says of an HTLC that came after our close_clearing. */
const CLOSING = "channel is closing";

/** The longest reason that is looked at, in bytes: what a peer sends may be of any length. */
const MAX_REASON = 256;

export function reasonText(reason: Uint8Array): string {
  return new TextDecoder().decode(reason.subarray(0, MAX_REASON));
}

/** What a removal counts as. Undefined as the reason: fulfilled. */
export function outcomeOf(failReason: Uint8Array | undefined): HtlcOutcome {
  if (failReason === undefined) return "fulfilled";
  switch (reasonText(failReason)) {
    case FAILURE.unknown:
      return "unknown_payment";
    case FAILURE.expiry:
      return "expiry_too_close";
    case CLOSING:
      return "channel_closing";
    default:
      return "failed_otherwise";
  }
}
