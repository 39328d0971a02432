// A copy of what a node needs most, small enough for a peer to keep, and its bytes:
//
//   1  version    32  salt
//   n  sealed with a key from seed and salt, the 33 bytes before it authenticated too:
//        4  length, big-endian    m  the lines of a backup, deflated    zeros up to one of three sizes
//
// A peer learns nothing but which of the three sizes it has: a copy is sealed anew each time, also where nothing has changed.

import { deflateRawSync, inflateRawSync } from "node:zlib";
import { concatBytes } from "../core/base/index.ts";
import { SEALED_SALT_BYTES, sealedFileKey } from "../core/crypto/index.ts";
import type { ChannelRows, HtlcRow } from "../core/payment-channel/index.ts";
import { MAX_COPY_BYTES } from "../core/wire/index.ts";
import type { Random } from "../ports/random.ts";
import { type Backup, type Pause, readBackup, writeBackup } from "./backup.ts";

const VERSION = 1;
const LABEL = "sluice copy";
const HEADER_BYTES = 1 + SEALED_SALT_BYTES;
const LENGTH_BYTES = 4;
const OVERHEAD = HEADER_BYTES + LENGTH_BYTES + 16;
/** What every copy is padded to. */
export const COPY_SIZES = [4_096, 16_384, MAX_COPY_BYTES] as const;
/** What no copy of ours comes near once it is inflated. */
const MAX_INFLATED = 32 * 1024 * 1024;
/** The deepest reorganisation that a node restored from a copy follows. */
const BLOCKS = 24;
/** More of them are found by any wallet of the same phrase, unless they are final keys' or far apart. */
const COINS = 500;

/** Tries to use the room well. */
const ROUNDS = 4;
/** No channel takes less. */
const LEAST_WEIGHT = 300;

/** A piece of a copy, what it holds at least, and how much room it takes, roughly. In bytes. */
type Piece = { readonly least: number; readonly weight: () => number; readonly put: (into: Contents) => void };
type Contents = { readonly channels: Map<number, ChannelRows>; coins: Backup["coins"] };

/**
 * The most useful part of a backup that has room in a copy: what is needed to recognise and punish for each channel, the one with the most
 * money of ours first; then the wallet's coins, the greatest first; then the HTLCs that stand, channel by channel in the same
 * order. About 90 channels have room. Of the past it has the revocation slots only.
 */
export async function makeCopy(backup: Backup, pause: Pause = async () => {}): Promise<Uint8Array> {
  const room = MAX_COPY_BYTES - OVERHEAD;
  const pieces = piecesOf(backup);
  let best = new Uint8Array(0);
  // What they take shows when they are deflated together; the weights only tell how many to try.
  for (let [budget, round] = [room, 0]; round < ROUNDS || best.length === 0; round++) {
    const chosen = await fitting(pieces, budget, pause);
    const contents: Contents = { channels: new Map(), coins: [] };
    for (const { put } of chosen) put(contents);
    const deflated = new Uint8Array(deflateRawSync(await writeBackup(reduced(backup, contents), pause)));
    const fits = deflated.length <= room;
    if (fits && deflated.length >= best.length) best = deflated;
    if (fits && (chosen.length === pieces.length || deflated.length > 0.95 * room)) break;
    budget = Math.floor((budget * room * 0.98) / deflated.length);
    await pause();
  }
  return best;
}

async function fitting(pieces: readonly Piece[], budget: number, pause: Pause): Promise<Piece[]> {
  const chosen: Piece[] = [];
  let left = budget;
  for (const piece of pieces) {
    if (left < LEAST_WEIGHT) break;
    if (piece.least > left) continue;
    const weight = piece.weight();
    await pause();
    if (weight > left) continue;
    left -= weight;
    chosen.push(piece);
  }
  return chosen;
}

function piecesOf({ channels, coins }: Backup): Piece[] {
  const ordered = [...channels].sort((a, b) => (worth(a) > worth(b) ? -1 : worth(a) < worth(b) ? 1 : 0));
  const greatest = coins
    .filter(({ spentHeight }) => spentHeight === undefined)
    .sort((a, b) => (a.amountSat > b.amountSat ? -1 : 1))
    .slice(0, COINS);
  return [
    ...ordered.map((rows) => {
      return piece(
        0,
        () => bare(rows),
        (into, made) => into.channels.set(rows.channel.index, made),
      );
    }),
    piece(
      0,
      () => greatest,
      (into, made) => {
        into.coins = made;
      },
    ),
    ...ordered.flatMap((rows) => {
      if (rows.htlcs.length === 0) return [];
      const put = (into: Contents, made: ChannelRows) => {
        if (into.channels.has(rows.channel.index)) into.channels.set(rows.channel.index, made);
      };
      // The channel's other rows, which are weighed twice this way, are few.
      return [piece(rows.htlcs.length * 32, () => withHtlcs(rows), put)];
    }),
  ];
}

function piece<T>(least: number, make: () => T, put: (into: Contents, made: T) => void): Piece {
  let made: { readonly value: T } | undefined;
  let known: number | undefined;
  const value = () => {
    made ??= { value: make() };
    return made.value;
  };
  const weight = () => {
    known ??= weigh(value());
    return known;
  };
  return { least, weight, put: (into) => put(into, value()) };
}

/** About two thirds of what JSON takes are left once it is deflated: most of it are keys, hashes and preimages. */
function weigh(holds: unknown): number {
  const plain = JSON.stringify(holds, (_, value: unknown) => {
    if (typeof value === "bigint") return `${value}`;
    return value instanceof Uint8Array ? Buffer.from(value).toString("base64") : value;
  });
  return Math.ceil((plain.length * 2) / 3);
}

/** What is ours of the channel, or may be. Millisatoshi. */
function worth({ totals, htlcs }: ChannelRows): bigint {
  const standing = htlcs.filter(({ removal }) => removal === undefined);
  return standing.reduce((sum, { amountMsat }) => sum + amountMsat, totals.localMsat);
}

/** What is needed to recognise what is on chain, and to punish what was revoked. Nothing is ever broadcast or signed from it. */
function bare(rows: ChannelRows): ChannelRows {
  return {
    ...rows,
    funding: rows.funding && { ...rows.funding, transaction: undefined },
    commitments: rows.commitments.map((row) => ({ ...row, signature: undefined })),
    ...{ htlcs: [], removalRequests: [], knownPreimages: [], revocationHashes: [] },
  };
}

function withHtlcs(rows: ChannelRows): ChannelRows {
  const { htlcs, removalRequests, knownPreimages } = rows;
  return { ...bare(rows), htlcs: htlcs.map(withoutTexts), removalRequests, knownPreimages };
}

/** Routes and reasons are long, and of no use on chain. */
function withoutTexts(row: HtlcRow): HtlcRow {
  const nothing = new Uint8Array(0);
  const removal = row.removal?.type === "failed" ? { ...row.removal, reason: nothing } : row.removal;
  return { ...row, route: nothing, removal };
}

function reduced(backup: Backup, { channels, coins }: Contents): Backup {
  const kept = backup.channels.flatMap(({ channel }) => channels.get(channel.index) ?? []);
  const peers = new Set(kept.map(({ channel }) => Buffer.from(channel.peer).toString("hex")));
  const standing = kept.flatMap(({ channel, htlcs }) => htlcs.map((htlc) => ({ channel: channel.index, ...htlc })));
  const hashes = new Set(standing.map(({ paymentHash }) => Buffer.from(paymentHash).toString("hex")));
  const ids = new Set(standing.map(({ channel, id }) => `${channel}/${id}`));
  return {
    ...backup,
    ...{ channels: kept, coins, past: [], streams: [] },
    peers: backup.peers.filter(({ nodeId }) => peers.has(Buffer.from(nodeId).toString("hex"))),
    openInvoices: backup.openInvoices.filter((row) => hashes.has(Buffer.from(row.paymentHash).toString("hex"))),
    pendingPayments: backup.pendingPayments.filter(({ channel, htlcId }) => ids.has(`${channel}/${htlcId}`)),
    blocks: backup.blocks.slice(-BLOCKS),
  };
}

/** The bytes that a peer gets, of what `makeCopy` made. Each time others. */
export function sealCopy(copy: Uint8Array, seed: Uint8Array, random: Random): Uint8Array {
  const salt = random.bytes(SEALED_SALT_BYTES);
  const header = concatBytes(Uint8Array.of(VERSION), salt);
  const size = COPY_SIZES.find((bytes) => bytes >= copy.length + OVERHEAD) ?? MAX_COPY_BYTES;
  const plaintext = new Uint8Array(size - HEADER_BYTES - 16);
  new DataView(plaintext.buffer).setUint32(0, copy.length);
  plaintext.set(copy, LENGTH_BYTES);
  return concatBytes(header, sealedFileKey(seed, LABEL, salt).seal(plaintext, header));
}

/** What a peer gives back; undefined where it is not something that this node sealed, whole and with this seed. */
export function openCopy(bytes: Uint8Array, seed: Uint8Array): Backup | undefined {
  if (bytes.length < OVERHEAD || bytes.length > MAX_COPY_BYTES || bytes[0] !== VERSION) return undefined;
  const header = bytes.slice(0, HEADER_BYTES);
  const plaintext = sealedFileKey(seed, LABEL, header.slice(1)).open(bytes.slice(HEADER_BYTES), header);
  if (plaintext === undefined) return undefined;
  const length = new DataView(plaintext.buffer, plaintext.byteOffset).getUint32(0);
  const deflated = plaintext.slice(LENGTH_BYTES, LENGTH_BYTES + length);
  try {
    return readBackup(inflateRawSync(deflated, { maxOutputLength: MAX_INFLATED }));
  } catch {
    // Sealed by another version of this program.
    return undefined;
  }
}
