// Which of the transactions that may spend the anchor a transaction is (seed 001 section 6.1; payment-channel design "On chain").
// Nobody spends the anchor without our signature, so that each is something that we signed, lately or long ago.

import { equalBytes, type Satoshi, type Txid } from "../base/index.ts";
import {
  commitmentNumberOf,
  commitmentTransaction,
  numberMask,
  type Transaction,
  transactionId,
} from "../bitcoin/index.ts";
import { closeAt } from "./closing.ts";
import type { CommitmentRow } from "./rows.ts";
import { commitmentParams } from "./snapshot.ts";
import { type ChannelState, oldestUnrevoked } from "./state.ts";

/** What spends the anchor, by who can have made it. */
export type AnchorSpend =
  /** A close at a fee for which we ever gave a signature. */
  | { readonly type: "close"; readonly feeSat: Satoshi }
  /** Our newest commitment. */
  | { readonly type: "local_commitment"; readonly commitment: CommitmentRow }
  /** A commitment of the peer that we signed and it has not revoked, of which there may be 16. */
  | { readonly type: "remote_commitment"; readonly commitment: CommitmentRow }
  /** The number of a commitment that was revoked: by the peer, or, where an old copy of our data was at work, by us. */
  | { readonly type: "revoked"; readonly number: number }
  /** Something that we signed and know nothing of: our data is older than what we did. */
  | { readonly type: "unknown" };

/** Recognises a transaction that spends the anchor. Spec: B2-36, B2-37. */
export function recognise(state: ChannelState, transaction: Transaction): AnchorSpend {
  const txid = transactionId(transaction);
  // The peer's offers too: we may have signed one of them when the negotiation ended without agreement.
  for (const { feeSat } of state.closeOffers) {
    if (isSame(closeAt(state, feeSat), txid)) return { type: "close", feeSat };
  }
  const { local, remote } = state.commitments;
  if (local !== undefined && isSame(transactionOf(state, local), txid)) {
    return { type: "local_commitment", commitment: local };
  }
  const number = numberOf(state, transaction);
  if (number === undefined) return { type: "unknown" };
  const unrevoked = remote.find((row) => BigInt(row.number) === number);
  if (unrevoked !== undefined && isSame(transactionOf(state, unrevoked), txid)) {
    return { type: "remote_commitment", commitment: unrevoked };
  }
  const oldest = Math.max(oldestUnrevoked(state, "remote")?.number ?? 0, local?.number ?? 0);
  return number < BigInt(oldest) ? { type: "revoked", number: Number(number) } : { type: "unknown" };
}

function isSame(transaction: Transaction | undefined, txid: Txid): boolean {
  return transaction !== undefined && equalBytes(transactionId(transaction), txid);
}

function transactionOf(state: ChannelState, row: CommitmentRow): Transaction {
  return commitmentTransaction(commitmentParams(state, row));
}

/** The number that a commitment's locks hide. Source: BOLT 3. */
function numberOf(state: ChannelState, { lockTime, inputs }: Transaction): bigint | undefined {
  const { terms, channel, funding } = state;
  const spent = inputs.find((input) => input.index === funding?.outputIndex && equalBytes(input.txid, funding.txid));
  if (terms.local === undefined || terms.remote === undefined || spent === undefined) return undefined;
  const [initiator, responder] =
    channel.initiator === "local" ? [terms.local, terms.remote] : [terms.remote, terms.local];
  return commitmentNumberOf(lockTime, spent.sequence, numberMask(initiator.commitKey, responder.commitKey));
}
