// Closing without the peer: our newest commitment, which stays unsigned until then (B2-29, B2-43).

import { commitmentTransaction, serializeTransaction, withAnchorWitness } from "../bitcoin/index.ts";
import { newestClose } from "./closing.ts";
import type { Context } from "./input.ts";
import { commitment, commitmentParams } from "./snapshot.ts";
import type { ChannelState } from "./state.ts";

/** Our newest commitment with both signatures; undefined before the peer has signed one. Spec: LS-8, B2-43. */
export function newestCommitment(
  state: ChannelState,
  context: Pick<Context, "signer" | "keys">,
): Uint8Array | undefined {
  const { local } = state.commitments;
  const { terms } = state;
  if (local?.signature === undefined || terms.local === undefined || terms.remote === undefined) return undefined;
  const { sighash } = commitment(state, local, undefined);
  const signature = context.signer.sign(context.keys.commitKey(state.channel.index), sighash);
  const transaction = withAnchorWitness(
    commitmentTransaction(commitmentParams(state, local)),
    { commitKey: terms.local.commitKey, signature },
    { commitKey: terms.remote.commitKey, signature: local.signature },
  );
  return serializeTransaction(transaction, { witness: true });
}

/**
 * What has to be on chain and is not yet, as far as we know, for broadcasting it again: the agreed close, or our newest
 * commitment. Never a commitment where our data is too old to say which is the newest, or where the peer gave us all of the
 * channel by publishing one that it had revoked. Spec: B2-29, B2-43, B2-56.
 */
export function lastWord(state: ChannelState, context: Pick<Context, "signer" | "keys">): Uint8Array | undefined {
  const { stage, stale } = state.stage;
  const seen = state.anchorSpend;
  // Of several closes that both signed, another would only stand in the way of the one that the network has.
  if (seen?.kind === "close" || seen?.kind === "revoked") return seen.transaction;
  if (stage === "close_agreed") return newestClose(state, context);
  return stage === "failed" && !stale && seen?.kind !== "unknown" ? newestCommitment(state, context) : undefined;
}
