import { existsSync } from "node:fs";
import { tcpTransport } from "../adapters/p2p-tcp/index.ts";
import { openSqliteStore } from "../adapters/store-sqlite/index.ts";
import { systemClock, systemRandom } from "../adapters/system/index.ts";
import { keyPaths, seedSigner } from "../core/crypto/index.ts";
import type { ChannelPolicy } from "../core/payment-channel/index.ts";
import type { BitcoinChain } from "../ports/bitcoin-chain.ts";
import { openBackup } from "./backup.ts";
import { readBackupFile, writeBackupFile } from "./backup-file.ts";
import type { CopyPolicy } from "./copies.ts";
import { backupPath, describeDataDirectoryError, openSeed, prepareDirectory } from "./data-directory.ts";
import type { Listener } from "./events.ts";
import { type SluiceNode, startNode } from "./node.ts";

export type OpenNodeOptions = {
  /** Holds the seed phrase and the store; made where it is missing. */
  readonly directory: string;
  readonly chain: BitcoinChain;
  /**
   * Where the encrypted backup is kept current; by default `backup.sluice` in the directory. As long as channels are damaged, backups
   * without them go to a file of that name and `.incomplete`.
   */
  readonly backup?: string;
  /** Copies of the data with peers, and those of peers here; by default both. */
  readonly copies?: CopyPolicy;
  readonly policy?: Partial<ChannelPolicy>;
  /** Satoshi per 1000 virtual bytes, where the chain has no estimate. */
  readonly fallbackFeeRate?: number;
  /** Keeps at least so many inputs of each channel, so that it can be replayed; absent: none. */
  readonly replayInputs?: number;
  /** Called for each event from the start on. */
  readonly listener?: Listener;
};

/** The data directory can't be used; the message says why and what to do. */
export class DataDirectoryUnusable extends Error {
  constructor(message: string) {
    super(message);
    this.name = "DataDirectoryUnusable";
  }
}

/**
 * A node on a data directory, a Bitcoin chain and TCP. Rejects with DataDirectoryUnusable, StoreError (locked, corrupt, full)
 * or ChainError.
 */
export async function openNode(options: OpenNodeOptions): Promise<SluiceNode> {
  const { directory, chain } = options;
  const clock = systemClock();
  const random = systemRandom();
  const prepared = prepareDirectory(directory);
  if (!prepared.ok) throw new DataDirectoryUnusable(describeDataDirectoryError(prepared.error));
  const store = await openSqliteStore({ directory });
  try {
    const seed = openSeed(directory, (await store.sequence()) === 0, random);
    if (!seed.ok) throw new DataDirectoryUnusable(describeDataDirectoryError(seed.error));
    const backup = options.backup ?? backupPath(directory);
    await requireOlder(backup, seed.value, await store.sequence());
    const coin = chain.network === "main" ? 0 : 1;
    const signer = seedSigner(seed.value, coin);
    const nodeKey = keyPaths(coin).nodeKey();
    const transport = tcpTransport({ signer, nodeKey, random, clock });
    const { policy, fallbackFeeRate, replayInputs, listener } = options;
    return await startNode({
      store,
      chain,
      transport,
      clock,
      random,
      seed: seed.value,
      writeBackup: (bytes, isWhole) => writeBackupFile(isWhole ? backup : `${backup}.incomplete`, bytes),
      copies: options.copies ?? { send: true, keep: true },
      ...(policy === undefined ? {} : { policy }),
      ...(fallbackFeeRate === undefined ? {} : { fallbackFeeRate }),
      ...(replayInputs === undefined ? {} : { replayInputs }),
      ...(listener === undefined ? {} : { listener }),
    });
  } catch (cause) {
    await store.close();
    throw cause;
  }
}

/**
 * Throws where a node on this store would put its backup in the place of something better: of its own newer one, which shows that the data
 * are an old copy, or of another node's. What is there and is no whole backup may be replaced.
 */
async function requireOlder(path: string, seed: Uint8Array, sequence: number): Promise<void> {
  if (!existsSync(path)) return;
  const opened = openBackup(await readBackupFile(path), seed);
  if (!opened.ok) {
    if (opened.error.type !== "backup_of_another_seed") return;
    throw new DataDirectoryUnusable(`${path} is the backup of another seed phrase: choose another place for this one`);
  }
  if (opened.value.sequence <= sequence) return;
  throw new DataDirectoryUnusable(
    `${path} is newer than the data: they are an old copy, which must not be used; restore a new directory from the backup`,
  );
}
