// At which height an HTLC takes its channel to the chain (see deadlines.ts), and the least of all, which a state keeps: it is asked for at
// the end of every batch, whatever stands in the channel.
import { type Preimages, preimageOf } from "./preimages.ts";
import { type HtlcRow, isRequested, type TermsRow } from "./rows.ts";
import { isDustHtlc } from "./view.ts";

/** M: blocks for our commitment to confirm, and for its delayed claim after it. */
export const CLAIM_MARGIN = 18;
/** g: blocks after the expiry in which we still wait for the peer. */
export const GRACE = 3;

/** As much of a state as deadlines follow from. */
export type Deadlines = Preimages & {
  readonly terms: { readonly remote: TermsRow | undefined };
  readonly htlcs: ReadonlyMap<bigint, HtlcRow>;
};

/** The height at which an HTLC that has not settled needs the chain; Infinity where it never does. Spec: B2-16, LS-20, LS-24. */
export function deadlineHeight(state: Deadlines, htlc: HtlcRow): number {
  if (isRequested(htlc)) return Number.POSITIVE_INFINITY;
  if (htlc.offerer === "local") return htlc.expiry + GRACE;
  // Dust has no output, so that the chain could do nothing for it.
  if (isDustHtlc(htlc) || preimageOf(state, htlc) === undefined) return Number.POSITIVE_INFINITY;
  return htlc.expiry - (state.terms.remote?.delay ?? 0) - CLAIM_MARGIN;
}

/** The least of all. */
export function leastDeadline(state: Deadlines): number {
  let least = Number.POSITIVE_INFINITY;
  for (const htlc of state.htlcs.values()) least = Math.min(least, deadlineHeight(state, htlc));
  return least;
}
