// What a backup holds, and its bytes:
//
//   8  "SLUICEBK"    1  version    32  salt    8  check of the seed    4  length of the rest, big-endian
//   n  JSON, sealed with a key from seed and salt; the 53 bytes before it are authenticated too
//
// It is a consistent picture of the live channels as of one moment, plus what settled before it and is needed to punish: old commitments
// and their HTLCs, the newest first, up to a bound. No message waiting to be sent is in it: a restored node numbers nothing.

import { concatBytes, err, ok, type Result } from "../core/base/index.ts";
import { SEALED_CHECK_BYTES, SEALED_SALT_BYTES, sealedFileKey } from "../core/crypto/index.ts";
import type { ChannelRows, CommitmentRow, HtlcRow, Side } from "../core/payment-channel/index.ts";
import type { BitcoinNetwork } from "../ports/bitcoin-chain.ts";
import type { Random } from "../ports/random.ts";
import type { Store, StoredNode } from "../ports/store.ts";

/** Rows of the past that a backup has at most, of each kind. The revocation slots punish the greater part of what is older. */
const MAX_PAST = 10_000;
const PAGE = 1_000;
/** Nobody writes a greater one; read in one piece. */
export const MAX_BACKUP_BYTES = 256 * 1024 * 1024;

const MAGIC = new TextEncoder().encode("SLUICEBK");
const VERSION = 1;
const SALT_AT = MAGIC.length + 1;
const CHECK_AT = SALT_AT + SEALED_SALT_BYTES;
const LENGTH_AT = CHECK_AT + SEALED_CHECK_BYTES;
const HEADER_BYTES = LENGTH_AT + 4;
const LABEL = "sluice backup";

/** What settled before the moment of the backup, of one channel. */
export type ChannelPast = {
  readonly channel: number;
  readonly commitments: readonly CommitmentRow[];
  readonly htlcs: readonly HtlcRow[];
};

export type Backup = Pick<
  StoredNode,
  | "nextChannelIndex"
  | "peers"
  | "streams"
  | "channels"
  | "openInvoices"
  | "pendingPayments"
  | "coins"
  | "walletKeys"
  | "blocks"
> & {
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

/** Reads what a backup needs. Rejects with StoreError. */
export async function takeBackup(store: Store, network: BitcoinNetwork, createdAt: number): Promise<Backup> {
  const stored = await store.load();
  const { nextChannelIndex, peers, streams, channels, openInvoices, pendingPayments, coins, walletKeys, blocks } =
    stored;
  const past: ChannelPast[] = [];
  const room = { commitments: MAX_PAST, htlcs: MAX_PAST };
  for (const rows of channels) {
    const found = await pastOf(store, rows, room);
    room.commitments -= found.commitments.length;
    room.htlcs -= found.htlcs.length;
    past.push(found);
  }
  const node = { nextChannelIndex, peers, streams, channels, openInvoices, pendingPayments, coins, walletKeys, blocks };
  return { ...node, network, createdAt, past, missing: stored.damaged.map(({ channel }) => channel) };
}

/**
 * Rows that had settled when `rows` were read, the newest first. They don't change any more, so that it does not matter what is
 * committed while they are being read.
 */
async function pastOf(
  store: Store,
  { channel, totals }: ChannelRows,
  room: { readonly commitments: number; readonly htlcs: number },
): Promise<ChannelPast> {
  const commitments: CommitmentRow[] = [];
  const htlcs: HtlcRow[] = [];
  for (const holder of ["remote", "local"] as const) {
    const read = (before: number | undefined) => store.commitments(channel.index, { holder, before, limit: PAGE });
    const unrevoked = holder === "local" ? totals.localUnrevoked : totals.remoteUnrevoked;
    let page = await read(unrevoked);
    while (page.length > 0 && commitments.length < room.commitments) {
      commitments.push(...page);
      page = await read(page.at(-1)?.number);
    }
  }
  for (const offerer of ["remote", "local"] as const) {
    const read = (before: bigint | undefined) => store.htlcs(channel.index, { offerer, before, limit: PAGE });
    let page = await read(undefined);
    while (page.length > 0 && htlcs.length < room.htlcs) {
      htlcs.push(...page.filter((htlc) => isPast(htlc, totals.settledUpTo)));
      page = await read(page.at(-1)?.id);
    }
  }
  return {
    channel: channel.index,
    commitments: commitments.slice(0, room.commitments),
    htlcs: htlcs.slice(0, room.htlcs),
  };
}

function isPast({ removal, removedBy, removeNumber }: HtlcRow, settledUpTo: Readonly<Record<Side, number>>): boolean {
  return removal !== undefined && removeNumber <= settledUpTo[removedBy];
}

/** The bytes of a backup file, which only the seed opens. */
export function sealBackup(backup: Backup, seed: Uint8Array, random: Random): Uint8Array {
  const plaintext = new TextEncoder().encode(JSON.stringify(backup, replacer));
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
  // Sealed with our own key: what it says is what this program wrote.
  const backup: Backup = JSON.parse(new TextDecoder().decode(plaintext), reviver);
  return ok(backup);
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
