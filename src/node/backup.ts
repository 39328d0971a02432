// What a backup holds, and its bytes:
//
//   8  "SLUICEBK"    1  version    32  salt    8  check of the seed    4  length of the rest, big-endian
//   n  lines of JSON, sealed with a key from seed and salt; the 53 bytes before it are authenticated too
//
// It is a consistent picture of the live channels as of one moment, plus what settled before it and is needed to punish: old commitments
// and their HTLCs, the newest first, up to a bound. No message waiting to be sent is in it: a restored node numbers nothing. Nor is what was
// kept to be replayed. Preimages are: those of open invoices and of HTLCs are money.
//
// The first line is the node, each of the others a channel, or a page of a channel's past, so that none takes long to write.

import { concatBytes, err, ok, type Result } from "../core/base/index.ts";
import { SEALED_CHECK_BYTES, SEALED_SALT_BYTES, sealedFileKey } from "../core/crypto/index.ts";
import type { ChannelRows, CommitmentRow, HtlcRow, Side, TotalsRow } from "../core/payment-channel/index.ts";
import type { BitcoinNetwork } from "../ports/bitcoin-chain.ts";
import type { Random } from "../ports/random.ts";
import type { Store, StoredNode } from "../ports/store.ts";

/** Rows of the past that a backup has at most, of each kind. The revocation slots punish the greater part of what is older. */
const MAX_PAST = 10_000;
const PAGE = 500;
/** Nobody writes a greater one; read in one piece. */
export const MAX_BACKUP_BYTES = 256 * 1024 * 1024;

const MAGIC = new TextEncoder().encode("SLUICEBK");
const VERSION = 1;
const SALT_AT = MAGIC.length + 1;
const CHECK_AT = SALT_AT + SEALED_SALT_BYTES;
const LENGTH_AT = CHECK_AT + SEALED_CHECK_BYTES;
const HEADER_BYTES = LENGTH_AT + 4;
const LABEL = "sluice backup";

/** The rows of a node that a backup has, as of one moment. */
export type Snapshot = Pick<
  StoredNode,
  | "sequence"
  | "nextChannelIndex"
  | "peers"
  | "streams"
  | "channels"
  | "openInvoices"
  | "pendingPayments"
  | "coins"
  | "walletKeys"
  | "blocks"
  | "damaged"
>;

/** A page of what settled before the moment of the backup, of one channel. */
export type ChannelPast = {
  readonly channel: number;
  readonly commitments: readonly CommitmentRow[];
  readonly htlcs: readonly HtlcRow[];
};

/** `sequence` tells which of two backups of a node is the newer. */
export type Backup = Omit<Snapshot, "damaged"> & {
  readonly network: BitcoinNetwork;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  readonly past: readonly ChannelPast[];
  /** Numbers of live channels that are not in it: their rows are damaged. */
  readonly missing: readonly number[];
};

export type BackupError =
  | { readonly type: "not_a_backup" }
  | { readonly type: "backup_version"; readonly limit: number; readonly actual: number }
  | { readonly type: "backup_length"; readonly limit: number; readonly actual: number }
  /** It was made with another seed phrase. */
  | { readonly type: "backup_of_another_seed" }
  | { readonly type: "backup_damaged" };

/** Called between pieces of work, so that nothing else waits for all of it. */
export type Pause = () => Promise<void>;

/** A backup of the rows, with what settled before them read from the store meanwhile. Rejects with StoreError. */
export async function takeBackup(
  snapshot: Snapshot,
  store: Store,
  { network, createdAt }: Pick<Backup, "network" | "createdAt">,
  pause: Pause = async () => {},
): Promise<Backup> {
  const { sequence, nextChannelIndex, peers, streams, channels, openInvoices, pendingPayments } = snapshot;
  const { coins, walletKeys, blocks, damaged } = snapshot;
  const past: ChannelPast[] = [];
  let room = { commitments: MAX_PAST, htlcs: MAX_PAST };
  // Each gets its share, and what a channel with a short past leaves is for those with a longer one.
  const byLength = [...channels].sort((a, b) => a.totals.remoteUnrevoked - b.totals.remoteUnrevoked);
  for (const [before, rows] of byLength.entries()) {
    const rest = byLength.length - before;
    const share = { commitments: Math.floor(room.commitments / rest), htlcs: Math.floor(room.htlcs / rest) };
    for await (const page of pastOf(store, rows, share)) {
      room = { commitments: room.commitments - page.commitments.length, htlcs: room.htlcs - page.htlcs.length };
      past.push(page);
      await pause();
    }
  }
  const node = { nextChannelIndex, peers, streams, channels, openInvoices, pendingPayments, coins, walletKeys, blocks };
  const missing = damaged.map(({ channel }) => channel);
  return { sequence, ...node, network, createdAt, past, missing };
}

/**
 * Rows that had settled when `rows` were read, the newest first. They don't change any more, so that it does not matter what is
 * committed while they are being read.
 */
async function* pastOf(
  store: Store,
  { channel: { index: channel }, totals }: ChannelRows,
  share: { readonly commitments: number; readonly htlcs: number },
): AsyncGenerator<ChannelPast> {
  let room = share.commitments;
  for (const holder of ["remote", "local"] as const) {
    let before: number | undefined = holder === "local" ? totals.localUnrevoked : totals.remoteUnrevoked;
    while (room > 0 && before !== undefined) {
      const commitments: readonly CommitmentRow[] = await store.commitments(channel, {
        holder,
        before,
        limit: Math.min(PAGE, room),
      });
      if (commitments.length > 0) yield { channel, commitments, htlcs: [] };
      before = commitments.at(-1)?.number;
      room -= commitments.length;
    }
  }
  yield* pastHtlcs(store, channel, totals, share.htlcs);
}

/** Of both sides in turns, so that a busy one leaves room for the other. */
async function* pastHtlcs(
  store: Store,
  channel: number,
  { settledUpTo }: TotalsRow,
  share: number,
): AsyncGenerator<ChannelPast> {
  let room = share;
  const next = new Map<Side, bigint | undefined>([
    ["remote", undefined],
    ["local", undefined],
  ]);
  while (next.size > 0) {
    for (const [offerer, before] of [...next]) {
      const page = await store.htlcs(channel, { offerer, before, limit: PAGE });
      const htlcs = page.filter((htlc) => isPast(htlc, settledUpTo)).slice(0, room);
      room -= htlcs.length;
      if (htlcs.length > 0) yield { channel, commitments: [], htlcs };
      if (page.length < PAGE || room === 0) next.delete(offerer);
      else next.set(offerer, page.at(-1)?.id);
    }
  }
}

/** The others are among the channel's live rows: `ChannelRows`. */
function isPast({ removal, removedBy, removeNumber }: HtlcRow, settledUpTo: Readonly<Record<Side, number>>): boolean {
  return removal !== undefined && removeNumber <= settledUpTo[removedBy];
}

type Line =
  | { readonly type: "node"; readonly node: Omit<Backup, "channels" | "past"> }
  | { readonly type: "channel"; readonly rows: ChannelRows }
  | { readonly type: "past"; readonly page: ChannelPast };

function* linesOf({ channels, past, ...node }: Backup): Generator<Line> {
  yield { type: "node", node };
  for (const rows of channels) yield { type: "channel", rows };
  for (const page of past) yield { type: "past", page };
}

/** The lines of a backup, each with its line feed. */
export async function writeBackup(backup: Backup, pause: Pause = async () => {}): Promise<Uint8Array> {
  const encoder = new TextEncoder();
  const lines: Uint8Array[] = [];
  for (const line of linesOf(backup)) {
    lines.push(encoder.encode(`${JSON.stringify(line, replacer)}\n`));
    await pause();
  }
  return concatBytes(...lines);
}

/** What was written. Sealed with our own key, it is what this program wrote: it throws where it is not. */
export function readBackup(bytes: Uint8Array): Backup {
  let node: Omit<Backup, "channels" | "past"> | undefined;
  const channels: ChannelRows[] = [];
  const past: ChannelPast[] = [];
  for (const text of new TextDecoder().decode(bytes).split("\n")) {
    if (text === "") continue;
    const line: Line = JSON.parse(text, reviver);
    if (line.type === "node") node = line.node;
    else if (line.type === "channel") channels.push(line.rows);
    else past.push(line.page);
  }
  if (node === undefined) throw new SyntaxError("a backup has no line of its node");
  return { ...node, channels, past };
}

/** The bytes of a backup file, which only the seed opens. */
export async function sealBackup(backup: Backup, seed: Uint8Array, random: Random, pause?: Pause): Promise<Uint8Array> {
  const plaintext = await writeBackup(backup, pause);
  const salt = random.bytes(SEALED_SALT_BYTES);
  const key = sealedFileKey(seed, LABEL, salt);
  const header = concatBytes(MAGIC, Uint8Array.of(VERSION), salt, key.check, new Uint8Array(4));
  const length = plaintext.length + 16;
  new DataView(header.buffer).setUint32(LENGTH_AT, length);
  return concatBytes(header, key.seal(plaintext, header));
}

/** What the bytes of a backup file hold. */
export function openBackup(bytes: Uint8Array, seed: Uint8Array): Result<Backup, BackupError> {
  if (bytes.length > MAX_BACKUP_BYTES) {
    return err({ type: "backup_length", limit: MAX_BACKUP_BYTES, actual: bytes.length });
  }
  if (bytes.length < HEADER_BYTES || MAGIC.some((byte, at) => bytes[at] !== byte)) return err({ type: "not_a_backup" });
  const version = bytes[MAGIC.length] ?? 0;
  if (version !== VERSION) return err({ type: "backup_version", limit: VERSION, actual: version });
  const header = bytes.slice(0, HEADER_BYTES);
  const limit = HEADER_BYTES + new DataView(header.buffer).getUint32(LENGTH_AT);
  if (bytes.length !== limit) return err({ type: "backup_length", limit, actual: bytes.length });
  const key = sealedFileKey(seed, LABEL, header.slice(SALT_AT, CHECK_AT));
  if (key.check.some((byte, at) => header[CHECK_AT + at] !== byte)) return err({ type: "backup_of_another_seed" });
  const plaintext = key.open(bytes.slice(HEADER_BYTES), header);
  if (plaintext === undefined) return err({ type: "backup_damaged" });
  // Sealed with our own key: what it says is what this program wrote, or another version of it.
  try {
    return ok(readBackup(plaintext));
  } catch {
    return err({ type: "backup_damaged" });
  }
}

function replacer(_: string, value: unknown): unknown {
  if (typeof value === "bigint") return { $integer: value.toString() };
  if (value instanceof Uint8Array) return { $bytes: Buffer.from(value).toString("base64") };
  return value;
}

function reviver(_: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if ("$integer" in value) return BigInt(String(value.$integer));
  if ("$bytes" in value) return new Uint8Array(Buffer.from(String(value.$bytes), "base64"));
  return value;
}
