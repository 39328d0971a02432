// What a party signs: digests of 32 bytes, one tag for each kind of thing. Everything is of fixed width, so that no two
// actions have the same bytes. A contract's moves are longer than 32 bytes, so that no move is the digest of an action.

import { invariant } from "../base/index.ts";
import { sha256 } from "../crypto/index.ts";
import { type FieldWriter, fieldWriter } from "./fields.ts";

/** Which ledger a signature is for. Each has 32 bytes. Source: seed 003, channel_open; the ledger's description. */
export type LedgerDomain = { readonly chainHash: Uint8Array; readonly ledgerId: Uint8Array };

/** What stands first in the digest of each thing that is signed or named, in ASCII. */
export const TAGS = {
  channel_id: "sluice.channel_id",
  state: "sluice.state",
  transfer: "sluice.transfer",
  create: "sluice.channel_create",
  deposit: "sluice.channel_deposit",
  withdraw: "sluice.channel_withdraw",
  snapshot_solo: "sluice.channel_snapshot_solo",
  close_solo: "sluice.channel_close_solo",
  slash: "sluice.channel_slash",
  resolve: "sluice.channel_resolve",
  force_progress: "sluice.channel_force_progress",
  close_mutual: "sluice.channel_close_mutual",
  settle: "sluice.channel_settle",
  payout: "sluice.channel_payout",
} as const;

export type Tag = keyof typeof TAGS;

const TAG_BYTES = 32;

function tagBytes(tag: Tag): Uint8Array {
  const bytes = new Uint8Array(TAG_BYTES);
  const text = TAGS[tag];
  invariant(text.length <= TAG_BYTES, "a tag has at most 32 characters");
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

/**
 * SHA-256 over the tag (32 bytes, padded with zeros), chain hash, ledger id, and what `write` adds: first the channel id, then
 * parameters of fixed width. 32 bytes.
 */
export function taggedDigest(
  tag: Tag,
  { chainHash, ledgerId }: LedgerDomain,
  write: (fields: FieldWriter) => void,
): Uint8Array {
  const fields = fieldWriter().bytes(tagBytes(tag), TAG_BYTES).bytes(chainHash, 32).bytes(ledgerId, 32);
  write(fields);
  return sha256(fields.done());
}
