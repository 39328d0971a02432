import { StoreError } from "../../ports/store.ts";
import { readNumber } from "./columns.ts";
import type { SqlEngine } from "./engine.ts";

/**
 * The tables. One kind of row is one table, and what changes often is narrow (LW-7). Sides are 0 local, 1 remote.
 *
 * Rows that are history stay where they are and cost nothing at start: everything that `load` reads is found by the
 * primary key, or by an index whose order follows the order of writing. Only what somebody else chooses or what is random
 * (payment.id, invoice.hash_prefix) has an index in random order.
 */
const FIRST = `
CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO counter (name, value)
VALUES ('sequence', 0), ('next_channel_index', 0), ('next_receive', 0), ('next_change', 0);

CREATE TABLE peer (peer INTEGER PRIMARY KEY, node_id BLOB NOT NULL, host TEXT, port INTEGER) STRICT;
CREATE TABLE stream (
  peer INTEGER PRIMARY KEY,
  received INTEGER NOT NULL, received_digest BLOB NOT NULL,
  sent INTEGER NOT NULL,
  acknowledged INTEGER NOT NULL, packet_acknowledge INTEGER NOT NULL, acknowledged_digest BLOB NOT NULL
) STRICT;
CREATE TABLE peer_copy (peer INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT;
-- position = peer * 2^43 + number: one tree in the order of sending, pruned by range.
CREATE TABLE outbox (position INTEGER PRIMARY KEY, acknowledge INTEGER NOT NULL, packet BLOB NOT NULL) STRICT;

CREATE TABLE channel (
  channel INTEGER PRIMARY KEY,
  id BLOB NOT NULL, temporary_id BLOB NOT NULL, peer BLOB NOT NULL, initiator INTEGER NOT NULL,
  planned_amount_sat INTEGER, push_msat INTEGER NOT NULL, prestage INTEGER NOT NULL,
  created_at INTEGER NOT NULL, created_height INTEGER NOT NULL
) STRICT;
CREATE TABLE terms (
  channel INTEGER NOT NULL REFERENCES channel, side INTEGER NOT NULL,
  delay INTEGER NOT NULL, min_depth INTEGER NOT NULL,
  commit_key BLOB NOT NULL, final_key BLOB NOT NULL, initial_fee_rate INTEGER NOT NULL,
  channel_reserve_sat INTEGER, close_script BLOB, revocation_hashes INTEGER NOT NULL,
  PRIMARY KEY (channel, side)
) STRICT, WITHOUT ROWID;
CREATE TABLE stage (
  channel INTEGER PRIMARY KEY REFERENCES channel,
  stage TEXT NOT NULL, open_complete_sent INTEGER NOT NULL, open_complete_received INTEGER NOT NULL, failure TEXT,
  error_due INTEGER NOT NULL, frozen TEXT, stale INTEGER NOT NULL
) STRICT;
CREATE INDEX stage_live ON stage (channel) WHERE stage NOT IN ('buried', 'abandoned');
CREATE TABLE funding (
  channel INTEGER PRIMARY KEY REFERENCES channel,
  txid BLOB NOT NULL, output_index INTEGER NOT NULL, amount_sat INTEGER NOT NULL, raw_transaction BLOB,
  confirmed_height INTEGER, conflict_height INTEGER
) STRICT;
-- Where both parties fund the channel. Inputs are written once; their signatures come later.
CREATE TABLE dual_funding (
  channel INTEGER PRIMARY KEY REFERENCES channel,
  fee_rate INTEGER NOT NULL, wished_sat INTEGER NOT NULL, least_sat INTEGER NOT NULL,
  cancellation BLOB
) STRICT;
CREATE TABLE funding_share (
  channel INTEGER NOT NULL REFERENCES channel, side INTEGER NOT NULL,
  contribution_sat INTEGER NOT NULL, change_script BLOB, signed INTEGER NOT NULL,
  PRIMARY KEY (channel, side)
) STRICT, WITHOUT ROWID;
CREATE TABLE funding_input (
  channel INTEGER NOT NULL REFERENCES channel, side INTEGER NOT NULL, position INTEGER NOT NULL,
  txid BLOB NOT NULL, output_index INTEGER NOT NULL, amount_sat INTEGER NOT NULL, public_key BLOB NOT NULL,
  signature BLOB,
  PRIMARY KEY (channel, side, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE totals (
  channel INTEGER PRIMARY KEY REFERENCES channel,
  local_msat INTEGER NOT NULL, remote_msat INTEGER NOT NULL,
  local_last_id INTEGER, remote_last_id INTEGER,
  local_unrevoked INTEGER NOT NULL, remote_unrevoked INTEGER NOT NULL,
  settled_local INTEGER NOT NULL, settled_remote INTEGER NOT NULL
) STRICT;

-- lock: the payment hash; once fulfilled (removed and no fail_reason) the preimage, of which the hash follows.
-- Live: remove_number is NULL, or above the number up to which the changes of the side removed_by are settled. Of an HTLC
-- that is only requested, add_number is 0; request_number is NULL on a plain channel. Not WITHOUT ROWID: there, a row with a
-- route of more than about 1,000 bytes would take a page of its own.
CREATE TABLE htlc (
  key INTEGER PRIMARY KEY,
  channel INTEGER NOT NULL REFERENCES channel, id INTEGER NOT NULL, offerer INTEGER NOT NULL,
  amount_msat INTEGER NOT NULL, expiry INTEGER NOT NULL, add_number INTEGER NOT NULL,
  removed_by INTEGER, remove_number INTEGER, request_number INTEGER,
  lock BLOB NOT NULL, route BLOB NOT NULL, fail_reason BLOB
) STRICT;
CREATE UNIQUE INDEX htlc_id ON htlc (channel, id);
CREATE INDEX htlc_removed ON htlc (channel, removed_by, remove_number);
-- A request to remove an HTLC, the newest; it waits while the HTLC is not removed. Only where there is pre-staging.
CREATE TABLE removal_request (
  channel INTEGER NOT NULL REFERENCES channel, id INTEGER NOT NULL,
  side INTEGER NOT NULL, number INTEGER NOT NULL, preimage BLOB, fail_reason BLOB,
  PRIMARY KEY (channel, id)
) STRICT, WITHOUT ROWID;

-- Live: number is not below totals.*_unrevoked.
CREATE TABLE commitment (
  channel INTEGER NOT NULL REFERENCES channel, holder INTEGER NOT NULL, number INTEGER NOT NULL,
  covers_local INTEGER NOT NULL, covers_remote INTEGER NOT NULL, fee_rate INTEGER NOT NULL,
  revocation_hash BLOB NOT NULL, signature BLOB,
  local_msat INTEGER NOT NULL, remote_msat INTEGER NOT NULL, htlcs INTEGER NOT NULL,
  PRIMARY KEY (channel, holder, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE fee (
  channel INTEGER NOT NULL REFERENCES channel, owner INTEGER NOT NULL, number INTEGER NOT NULL,
  fee_rate INTEGER NOT NULL,
  PRIMARY KEY (channel, owner, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE revocation_hash (
  channel INTEGER NOT NULL REFERENCES channel, number INTEGER NOT NULL, hash BLOB NOT NULL,
  PRIMARY KEY (channel, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE revocation_slot (
  channel INTEGER NOT NULL REFERENCES channel, slot INTEGER NOT NULL,
  chain_index INTEGER NOT NULL, preimage BLOB NOT NULL,
  PRIMARY KEY (channel, slot)
) STRICT, WITHOUT ROWID;
CREATE TABLE clearing (
  channel INTEGER NOT NULL REFERENCES channel, side INTEGER NOT NULL,
  number INTEGER NOT NULL, acknowledge INTEGER NOT NULL, script BLOB NOT NULL,
  PRIMARY KEY (channel, side)
) STRICT, WITHOUT ROWID;
-- Records, for people: nothing that a channel does depends on them.
CREATE TABLE record (
  channel INTEGER PRIMARY KEY REFERENCES channel,
  counted_local INTEGER NOT NULL, counted_remote INTEGER NOT NULL, connections INTEGER NOT NULL,
  lowest_local_msat INTEGER, lowest_remote_msat INTEGER
) STRICT;
CREATE TABLE tally (
  channel INTEGER NOT NULL REFERENCES channel, offerer INTEGER NOT NULL, outcome INTEGER NOT NULL,
  count INTEGER NOT NULL, amount_msat INTEGER NOT NULL,
  PRIMARY KEY (channel, offerer, outcome)
) STRICT, WITHOUT ROWID;
CREATE TABLE life (
  channel INTEGER PRIMARY KEY REFERENCES channel,
  opened_at INTEGER, ended_at INTEGER, funding_fee_sat INTEGER
) STRICT;
CREATE TABLE moment (
  channel INTEGER NOT NULL REFERENCES channel, ordinal INTEGER NOT NULL, at INTEGER NOT NULL,
  staged_local INTEGER NOT NULL, staged_remote INTEGER NOT NULL,
  settled_local INTEGER NOT NULL, settled_remote INTEGER NOT NULL,
  commitment_local INTEGER NOT NULL, commitment_remote INTEGER NOT NULL,
  PRIMARY KEY (channel, ordinal)
) STRICT, WITHOUT ROWID;
CREATE TABLE close_offer (
  channel INTEGER NOT NULL REFERENCES channel, ordinal INTEGER NOT NULL,
  side INTEGER NOT NULL, fee_sat INTEGER NOT NULL, signature BLOB NOT NULL,
  PRIMARY KEY (channel, ordinal)
) STRICT, WITHOUT ROWID;

CREATE TABLE anchor_spend (
  channel INTEGER PRIMARY KEY REFERENCES channel,
  txid BLOB NOT NULL, raw_transaction BLOB NOT NULL, kind TEXT NOT NULL, holder INTEGER, number INTEGER NOT NULL,
  height INTEGER
) STRICT;
CREATE TABLE chain_output (
  channel INTEGER NOT NULL REFERENCES channel, output_index INTEGER NOT NULL,
  txid BLOB NOT NULL, amount_sat INTEGER NOT NULL, kind TEXT NOT NULL, htlc_id INTEGER, witness_script BLOB,
  spend_txid BLOB, spend_height INTEGER, spend_ours INTEGER,
  PRIMARY KEY (channel, output_index)
) STRICT, WITHOUT ROWID;
CREATE TABLE sweep (
  channel INTEGER NOT NULL REFERENCES channel, txid BLOB NOT NULL,
  raw_transaction BLOB NOT NULL, fee_rate INTEGER NOT NULL, fee_sat INTEGER NOT NULL, created_height INTEGER NOT NULL,
  PRIMARY KEY (channel, txid)
) STRICT;
CREATE TABLE known_preimage (
  channel INTEGER NOT NULL REFERENCES channel, htlc_id INTEGER NOT NULL, preimage BLOB NOT NULL,
  PRIMARY KEY (channel, htlc_id)
) STRICT, WITHOUT ROWID;

-- Tables in order of writing plus an index in random order: the row's later update then touches pages that are near each
-- other, where WITHOUT ROWID would touch a random page twice. The payment hash follows from the preimage: its first 48
-- bits are enough to find it by. payment.lock is the hash, once the payment has succeeded the preimage. States are places
-- in the lists of columns.ts; ended_after is in milliseconds after created_at.
CREATE TABLE invoice (
  key INTEGER PRIMARY KEY,
  hash_prefix INTEGER NOT NULL, preimage BLOB NOT NULL, amount_msat INTEGER, description TEXT NOT NULL,
  created_at INTEGER NOT NULL, state INTEGER NOT NULL, received_msat INTEGER, ended_after INTEGER
) STRICT;
CREATE INDEX invoice_hash ON invoice (hash_prefix);
CREATE INDEX invoice_open ON invoice (key) WHERE state = 0;
CREATE TABLE payment (
  key INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE, lock BLOB NOT NULL, amount_msat INTEGER NOT NULL,
  channel INTEGER NOT NULL, htlc_id INTEGER NOT NULL,
  state INTEGER NOT NULL, failure TEXT, created_at INTEGER NOT NULL, ended_after INTEGER
) STRICT;
CREATE INDEX payment_pending ON payment (key) WHERE state = 0;

CREATE TABLE coin (
  txid BLOB NOT NULL, output_index INTEGER NOT NULL,
  amount_sat INTEGER NOT NULL, key_kind TEXT NOT NULL, key_index INTEGER NOT NULL, coinbase INTEGER NOT NULL,
  height INTEGER, reserved_for INTEGER, spent_height INTEGER,
  PRIMARY KEY (txid, output_index)
) STRICT, WITHOUT ROWID;
CREATE INDEX coin_spent ON coin (spent_height);
CREATE TABLE withdrawal (
  txid BLOB PRIMARY KEY NOT NULL, raw_transaction BLOB NOT NULL, output_index INTEGER NOT NULL, fee_sat INTEGER NOT NULL,
  created_at INTEGER NOT NULL, height INTEGER, conflict_height INTEGER
) STRICT;
CREATE TABLE block (height INTEGER PRIMARY KEY, hash BLOB NOT NULL) STRICT;
`;

const REPLAY = `
-- What channels were given, for replaying them; empty unless asked for. Place 0 is a checkpoint.
CREATE TABLE replay (
  channel INTEGER NOT NULL REFERENCES channel, batch INTEGER NOT NULL, place INTEGER NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY (channel, batch, place)
) STRICT, WITHOUT ROWID;
`;

/** Each brings a store from the version that is its place in the list to the next one. Never changed, only added to. */
const MIGRATIONS: readonly string[] = [FIRST, REPLAY];

/** Brings the file to this program's version, in one transaction. `user_version` counts the migrations done. */
export function migrate(engine: SqlEngine, file: string): void {
  const version = readNumber(engine.prepare("PRAGMA user_version").get() ?? {}, "user_version");
  if (version > MIGRATIONS.length) {
    throw new StoreError(
      "newer_version",
      `${file} has version ${version}; this program knows versions up to ${MIGRATIONS.length}. Use the newer program that wrote it.`,
      "refused",
    );
  }
  if (version === MIGRATIONS.length) return;
  const script = MIGRATIONS.slice(version).join("\n");
  engine.exec(`BEGIN IMMEDIATE;\n${script}\nPRAGMA user_version = ${MIGRATIONS.length};\nCOMMIT;`);
}
