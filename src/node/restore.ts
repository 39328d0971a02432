import { err, ok, type Result } from "../core/base/index.ts";
import { type ChannelRows, load, restoredStage, type StageRow } from "../core/payment-channel/index.ts";
import { type CoinRow, type Store, type StoreChange, StoreError, type StreamRow } from "../ports/store.ts";
import type { Backup, BackupError, ChannelPast } from "./backup.ts";

/**
 * Numbers of channels that are left out: those that were opened after the backup was made have used their keys and revocation
 * secrets. A backup is made with each opening, so that there is hardly ever one.
 */
export const INDEXES_SKIPPED = 100;

/**
 * Writes a backup into a new store. Every channel is in recovery mode there, whatever the backup says, since nobody knows what happened after
 * it was made: nothing is broadcast from it, the peers are asked to close, and what they publish is watched. Error: backup_damaged, where
 * the backup is no whole one, whatever its seal says; the store is of no use then. Rejects with StoreError.
 */
export async function restoreInto(store: Store, backup: Backup): Promise<Result<undefined, BackupError>> {
  try {
    // Numbers go on: what is written from here on is newer than the backup.
    await store.commit({ sequence: backup.sequence + 1, changes: changesOf(backup) });
    // What a start would do: better to hear now than then that nothing can be made of it.
    const { channels, damaged } = await store.load();
    for (const rows of channels) load(rows, 0, () => NO_HASH);
    return damaged.length === 0 ? ok(undefined) : err({ type: "backup_damaged" });
  } catch (cause) {
    if (cause instanceof StoreError && cause.code !== "corrupt") throw cause;
    return err({ type: "backup_damaged" });
  }
}

const NO_HASH = new Uint8Array(32);

function changesOf(backup: Backup): StoreChange[] {
  const { nextChannelIndex, peers, streams, openInvoices, pendingPayments, coins, walletKeys, blocks } = backup;
  const changes: StoreChange[] = [{ type: "channel_index", next: nextChannelIndex + INDEXES_SKIPPED }];
  for (const row of peers) changes.push({ type: "peer", row });
  for (const row of streams) changes.push({ type: "stream", row: forgotten(row) });
  for (const rows of backup.channels) {
    const past = backup.past.filter(({ channel }) => channel === rows.channel.index);
    for (const change of channelChanges(rows, past)) {
      changes.push({ type: "channel", channel: rows.channel.index, change });
    }
  }
  for (const row of openInvoices) changes.push({ type: "invoice", row });
  for (const row of pendingPayments) changes.push({ type: "payment", row });
  // No opening goes on: the coins that were set aside for one are free.
  const free = (row: CoinRow) => (row.reservedFor !== undefined && row.reservedFor >= 0 ? undefined : row.reservedFor);
  for (const row of coins) changes.push({ type: "coin", row: { ...row, reservedFor: free(row) } });
  changes.push({ type: "wallet_keys", row: walletKeys });
  for (const row of blocks) changes.push({ type: "block", row });
  return changes;
}

/** Our acknowledge is below what the peer can have forgotten: that tells it to close. */
function forgotten(row: StreamRow): StreamRow {
  return { ...row, received: 0, receivedDigest: new Uint8Array(32) };
}

type Change = Extract<StoreChange, { type: "channel" }>["change"];

function channelChanges(rows: ChannelRows, past: readonly ChannelPast[]): Change[] {
  const stage: StageRow = restoredStage(rows.stage);
  const changes: Change[] = [
    { type: "created", row: rows.channel, id: rows.id },
    { type: "stage", row: stage },
    { type: "totals", row: rows.totals },
  ];
  for (const row of rows.terms) changes.push({ type: "terms", row });
  if (rows.funding !== undefined) changes.push({ type: "funding", row: rows.funding });
  if (rows.dualFunding !== undefined) changes.push({ type: "dual_funding", row: rows.dualFunding });
  for (const row of rows.fundingShares) changes.push({ type: "funding_share", row });
  for (const row of rows.fees) changes.push({ type: "fee", row });
  for (const row of [...past.flatMap((page) => page.commitments), ...rows.commitments])
    changes.push({ type: "commitment", row });
  for (const row of rows.revocationHashes) changes.push({ type: "revocation_hash", row });
  for (const slot of rows.revocationSlots) changes.push({ type: "revoked", number: 0, slot });
  for (const htlc of [...past.flatMap((page) => page.htlcs), ...rows.htlcs]) {
    const { id, removal, removedBy, removeNumber } = htlc;
    changes.push({ type: "htlc_added", row: { ...htlc, removal: undefined, removeNumber: 0 } });
    if (removal !== undefined) changes.push({ type: "htlc_removed", id, removal, removedBy, removeNumber });
  }
  for (const row of rows.removalRequests) changes.push({ type: "removal_requested", row });
  for (const row of rows.clearings) changes.push({ type: "clearing", row });
  for (const row of rows.closeOffers) changes.push({ type: "close_offer", row });
  if (rows.anchorSpend !== undefined) changes.push({ type: "anchor_spend", row: rows.anchorSpend });
  for (const row of rows.chainOutputs) changes.push({ type: "chain_output", row });
  for (const row of rows.sweeps) changes.push({ type: "sweep", row });
  for (const row of rows.knownPreimages) changes.push({ type: "known_preimage", row });
  return changes;
}
