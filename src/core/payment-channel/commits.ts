// Committing to staged changes (seed 001 section 3.5), in both directions at once and up to 16 deep:
//
//   A                                 B
//     --- update_commit (sig) ---->      verifies against its own rebuilt commitment
//     <-- update_revocation -------      old preimage, next hash; B never keeps a signature without revoking (LS-13)
//     <-- update_commit -----------      whenever B has new changes and a hash of A's
//     --- update_revocation ------>
//
// A commitment for P, signed by Q, holds what Q's messages staged before the update_commit, and what P's messages staged
// up to the acknowledge that the update_commit carries (B2-15). Both sides derive the same list from these two numbers.

import { equalBytes } from "../base/index.ts";
import { FIRST_REVOCATION_INDEX, insertRevocation, sha256 } from "../crypto/index.ts";
import type { PktMessage } from "../wire/index.ts";
import type { ChannelChange } from "./changes.ts";
import type { Context, Effect, Input } from "./input.ts";
import { NOTHING, type StepResult, send, step, tell, unexpected, violation } from "./outcome.ts";
import { ownRevocationHash, ownRevocationPreimage } from "./own-revocation.ts";
import { MAX_UNREVOKED } from "./policy.ts";
import { addedBy, type CommitmentRow, type Coverage } from "./rows.ts";
import { holdings, signCommitment, verifyCommitment } from "./snapshot.ts";
import { type ChannelState, feeRateFor, hasLostAnchor, isLate, isStaging, lockOf, newest } from "./state.ts";

type UpdateCommit = Extract<PktMessage, { type: "update_commit" }>;
type UpdateRevocation = Extract<PktMessage, { type: "update_revocation" }>;

/** Whether the peer's commitment lacks a change that we have to sign for. Spec: B2-26. */
export function hasUnsignedChanges(state: ChannelState): boolean {
  const last = newest(state, "remote");
  if (last === undefined) return false;
  return state.lastChange.local > last.coverage.local || state.lastChange.remote > last.coverage.remote;
}

/** Signs the peer's next commitment if there is something new and a hash for it. Once per batch. Spec: B2-26, LS-14, LS-25. */
export function commitIfDue(state: ChannelState, context: Context): StepResult {
  const last = newest(state, "remote");
  if (state.stage.stage !== "open" || last === undefined || !context.peerReady) return NOTHING;
  if (!hasUnsignedChanges(state) || state.commitments.remote.length >= MAX_UNREVOKED) return NOTHING;
  const number = last.number + 1;
  const revocationHash = state.revocationHashes.get(number);
  if (revocationHash === undefined) return NOTHING;
  const coverage = { local: context.nextPacketNumber - 1, remote: context.acknowledge };
  const row: CommitmentRow = {
    holder: "remote",
    number,
    coverage,
    feeRate: feeRateFor(state, "remote", coverage),
    revocationHash,
    signature: undefined,
    ...holdings(state, "remote", coverage),
  };
  const signature = signCommitment(state, row, context);
  return step([{ type: "commitment", row }], [send(state, { type: "update_commit", signature })]);
}

/** Verifies the signature on our next commitment and revokes the one before, in one step. Spec: B2-27, LS-13. */
export function receiveCommit(
  state: ChannelState,
  message: UpdateCommit,
  input: Extract<Input, { type: "packet" }>,
  context: Context,
): StepResult {
  const last = state.commitments.local;
  const given = state.terms.local?.revocationHashes ?? 0;
  if (state.stage.stage !== "open" || last === undefined) {
    return unexpected("update_commit", state.stage.stage, "B2-13");
  }
  const coverage = { local: input.acknowledge, remote: input.number - 1 };
  const seen = state.unacknowledged.findLast((change) => isStaging(change) && change.number <= input.acknowledge);
  const ourLast = seen?.number ?? state.lastChange.acknowledged;
  if (ourLast <= last.coverage.local && state.lastChange.remote <= last.coverage.remote) {
    return violation("empty_commit", "B2-26", { actual: last.number + 1 });
  }
  const number = last.number + 1;
  const row = {
    holder: "local" as const,
    number,
    coverage,
    feeRate: feeRateFor(state, "local", coverage),
    revocationHash: ownRevocationHash(context, state.channel.index, number),
    ...holdings(state, "local", coverage),
  };
  if (!verifyCommitment(state, row, message.signature, context.buffer)) {
    return violation("bad_commitment_signature", "B2-27", { actual: number });
  }
  const preimage = ownRevocationPreimage(context, state.channel.index, last.number);
  const nextRevocationHash = ownRevocationHash(context, state.channel.index, last.number + given);
  const after = bounds(coverage, state.commitments.remote[0]?.coverage);
  return step(
    [
      { type: "commitment", row: { ...row, signature: message.signature } },
      { type: "own_revocation_hash", hash: nextRevocationHash },
    ],
    [send(state, { type: "update_revocation", preimage, nextRevocationHash }), ...tellCleared(state, after)],
  );
}

/** Takes the peer's oldest commitment out of use. Spec: B2-28, B2-34. */
export function receiveRevocation(state: ChannelState, message: UpdateRevocation): StepResult {
  const [oldest, next] = state.commitments.remote;
  if (state.stage.stage !== "open" || oldest === undefined || state.commitments.local === undefined) {
    return unexpected("update_revocation", state.stage.stage, "B2-13");
  }
  if (next === undefined) return violation("revocation_without_commit", "B2-28", { actual: oldest.number });
  if (!equalBytes(sha256(message.preimage), oldest.revocationHash)) {
    return violation("wrong_revocation_preimage", "B2-28", { actual: oldest.number });
  }
  const index = FIRST_REVOCATION_INDEX - BigInt(oldest.number);
  const slot = insertRevocation(state.revocationSlots, index, message.preimage);
  if (!slot.ok) return violation("revocation_not_derivable", "B2-34", { actual: oldest.number });
  const lock = lockOf(message.nextRevocationHash);
  if (state.revocationLocks.has(lock) || state.locks.has(lock)) {
    return violation("remote_hash_collision", "B2-34", { detail: "the next revocation hash is in use" });
  }
  const given = state.terms.remote?.revocationHashes ?? 0;
  const number = oldest.number + given;
  const changes: ChannelChange[] = [
    { type: "revoked", number: oldest.number, slot: slot.value },
    { type: "revocation_hash", row: { number, hash: message.nextRevocationHash } },
  ];
  return step(changes, tellCleared(state, bounds(state.commitments.local.coverage, next.coverage)));
}

/** What the oldest commitments that count both cover. */
function bounds(local: Coverage, remote: Coverage | undefined): Coverage {
  return {
    local: Math.min(local.local, remote?.local ?? 0),
    remote: Math.min(local.remote, remote?.remote ?? 0),
  };
}

/** Tells of the HTLCs that clear, and the failures that settle, when the bounds move to `after`. Spec: LS-10, LS-19. */
function tellCleared(state: ChannelState, after: Coverage): Effect[] {
  const before = state.totals.settledUpTo;
  const effects: Effect[] = [];
  for (const htlc of state.htlcs.values()) {
    const { offerer, addNumber, removal, removedBy, removeNumber, id, paymentHash } = htlc;
    if (offerer === "remote") {
      const side = addedBy(htlc);
      const clears = addNumber > before[side] && addNumber <= after[side];
      if (clears && !isLate(state, htlc) && !hasLostAnchor(state)) effects.push(tell({ type: "htlc_cleared", htlc }));
    } else if (removal?.type === "failed" && addNumber > 0) {
      const settles = removeNumber > before[removedBy] && removeNumber <= after[removedBy];
      if (settles) effects.push(tell({ type: "htlc_failed", id, paymentHash, reason: removal.reason }));
    }
  }
  return effects;
}
