import { tcpTransport } from "../adapters/p2p-tcp/index.ts";
import { openSqliteStore } from "../adapters/store-sqlite/index.ts";
import { systemClock, systemRandom } from "../adapters/system/index.ts";
import { assertNever, err, type NodeId, ok, type Result } from "../core/base/index.ts";
import { keyPaths, seedFromPhrase, seedSigner } from "../core/crypto/index.ts";
import type { BitcoinNetwork } from "../ports/bitcoin-chain.ts";
import type { PeerAddress } from "../ports/transport.ts";
import { type Backup, type BackupError, openBackup } from "./backup.ts";
import { readBackupFile } from "./backup-file.ts";
import { isUsed, prepareDirectory, removeStore, writeSeed } from "./data-directory.ts";
import { type FetchError, fetchCopy } from "./fetch-copy.ts";
import { restoreInto } from "./restore.ts";

export type RestoreError =
  | BackupError
  | FetchError
  | { readonly type: "bad_seed_phrase" }
  /** Neither a backup nor a peer is named. */
  | { readonly type: "no_source" }
  /** A restored node forgets what the directory knows. */
  | { readonly type: "directory_used"; readonly path: string }
  | { readonly type: "unreadable"; readonly path: string; readonly reason: string };

/** A peer that may keep a copy for us. */
export type Keeper = { readonly peer: NodeId; readonly address: PeerAddress };

/** Where a backup can be from: the file, or the peer of this id. */
export type RestoreSource = { readonly type: "file" } | { readonly type: "peer"; readonly peer: NodeId };

/** What came back. */
export type Restored = {
  readonly from: RestoreSource;
  readonly network: BitcoinNetwork;
  /** When the backup was made, in milliseconds since 1970. */
  readonly createdAt: number;
  /** Channels, all in recovery mode. */
  readonly channels: number;
  /** Peers that gave nothing, and why. */
  readonly unanswered: readonly { readonly peer: NodeId; readonly error: FetchError }[];
};

export type RestoreOptions = {
  /** New, or empty but for a backup. */
  readonly directory: string;
  readonly seedPhrase: string;
  /** The backup file, the peers' copies, or both: the newest is taken. */
  readonly backup?: string | undefined;
  readonly keepers?: readonly Keeper[];
};

/**
 * Makes a data directory from the seed phrase and a backup file, or a copy that a peer keeps. Its channels are in recovery mode: a node that is
 * started on it broadcasts nothing for them, connects to their peers, which then close, and watches and punishes what they publish. Peers
 * that are asked notice nothing but that. Rejects with StoreError.
 */
export async function restoreNode(options: RestoreOptions): Promise<Result<Restored, RestoreError>> {
  const { directory, seedPhrase, backup: path, keepers = [] } = options;
  const seed = seedFromPhrase(seedPhrase);
  if (!seed.ok) return err({ type: "bad_seed_phrase" });
  if (isUsed(directory)) return err({ type: "directory_used", path: directory });
  const sources: Source[] = [];
  if (path !== undefined) {
    const found = await readSource(path, seed.value);
    if (!found.ok) return found;
    sources.push({ from: { type: "file" }, backup: found.value });
  }
  const asked = await askAll(keepers, seed.value);
  for (const { peer, copy } of asked) if (copy.ok) sources.push({ from: { type: "peer", peer }, backup: copy.value });
  const unanswered = asked.flatMap(({ peer, copy }) => (copy.ok ? [] : [{ peer, error: copy.error }]));
  const newest = sources.reduce<Source | undefined>(
    (best, one) => (best && !isNewer(one, best) ? best : one),
    undefined,
  );
  if (newest === undefined) return err(unanswered[0]?.error ?? { type: "no_source" });
  const written = await writeDirectory(directory, seedPhrase, newest.backup);
  if (!written.ok) return written;
  const { network, createdAt, channels } = newest.backup;
  return ok({ from: newest.from, network, createdAt, channels: channels.length, unanswered });
}

type Source = { readonly from: RestoreSource; readonly backup: Backup };

/** What was made by a node in recovery knows less, however late it was made. */
function isNewer(one: Source, other: Source): boolean {
  const inRecovery = ({ backup }: Source) => backup.channels.some(({ stage }) => stage.stale);
  if (inRecovery(one) !== inRecovery(other)) return inRecovery(other);
  return one.backup.sequence > other.backup.sequence;
}

async function readSource(path: string, seed: Uint8Array): Promise<Result<Backup, RestoreError>> {
  try {
    return openBackup(await readBackupFile(path), seed);
  } catch (cause) {
    return err({ type: "unreadable", path, reason: reasonOf(cause) });
  }
}

/** The node's own key is that of a test network: the main network is refused so far. */
const COIN = 1;

async function askAll(
  keepers: readonly Keeper[],
  seed: Uint8Array,
): Promise<{ readonly peer: NodeId; readonly copy: Result<Backup, FetchError> }[]> {
  if (keepers.length === 0) return [];
  const clock = systemClock();
  const transport = tcpTransport({
    ...{ signer: seedSigner(seed, COIN), nodeKey: keyPaths(COIN).nodeKey() },
    ...{ random: systemRandom(), clock },
  });
  try {
    const asking = keepers.map(async ({ peer, address }) => {
      return { peer, copy: await fetchCopy({ transport, clock, peer, address, seed }) };
    });
    return await Promise.all(asking);
  } finally {
    await transport.close();
  }
}

async function writeDirectory(
  directory: string,
  seedPhrase: string,
  backup: Backup,
): Promise<Result<undefined, RestoreError>> {
  const prepared = prepareDirectory(directory);
  if (!prepared.ok) return err({ type: "unreadable", path: directory, reason: prepared.error.type });
  try {
    const restored = await fill(directory, backup, seedPhrase.trim().toLowerCase().split(/\s+/).join(" "));
    if (!restored.ok) {
      removeStore(directory);
      return restored;
    }
  } catch (cause) {
    removeStore(directory);
    if (cause instanceof Error && "syscall" in cause) {
      return err({ type: "unreadable", path: directory, reason: reasonOf(cause) });
    }
    throw cause;
  }
  return ok(undefined);
}

async function fill(directory: string, backup: Backup, phrase: string): Promise<Result<undefined, BackupError>> {
  const store = await openSqliteStore({ directory });
  try {
    const restored = await restoreInto(store, backup);
    if (restored.ok) writeSeed(directory, phrase);
    return restored;
  } finally {
    await store.close();
  }
}

function reasonOf(cause: unknown): string {
  return cause instanceof Error && "code" in cause ? String(cause.code) : "unknown";
}

/** The error as a sentence that says what to do. */
export function describeRestoreError(error: RestoreError): string {
  switch (error.type) {
    case "bad_seed_phrase":
      return "that is not a seed phrase of BIP 39: check the words";
    case "no_source":
      return "neither a backup nor a peer is named: give the file, a peer that keeps a copy, or both";
    case "peer_unreachable":
      return `the peer can't be reached: ${error.reason}`;
    case "peer_silent":
      return "the peer does not answer: it does not keep copies, or not for this node";
    case "no_copy":
      return "the peer has no copy for this node: it never had one, or its channels with this node ended long ago";
    case "copy_unusable":
      return "what the peer gave is no copy of this seed phrase, or damaged: ask another peer";
    case "directory_used":
      return `${error.path} holds a node already: restore into a new directory`;
    case "unreadable":
      return `${error.path} can't be used (${error.reason})`;
    case "not_a_backup":
      return "the file is not a backup of Sluice: choose another one";
    case "backup_version":
      return `the backup has version ${error.actual}; this program knows version ${error.limit}: use the newer one`;
    case "backup_length":
      return `the backup has ${error.actual} bytes where ${error.limit} should be: it is cut off or too long; use another copy`;
    case "backup_of_another_seed":
      return "the backup was made with another seed phrase, or its beginning is damaged";
    case "backup_damaged":
      return "the backup is damaged: use another copy";
    default:
      return assertNever(error);
  }
}
