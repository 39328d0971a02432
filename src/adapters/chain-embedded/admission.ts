import { equalBytes } from "../../core/base/index.ts";
import type { ChainTransaction } from "./chain-transaction.ts";
import type { Coin } from "./coins.ts";
import {
  checkAmounts,
  checkStructure,
  coinsSpent,
  isCoinbase,
  isFinal,
  type Position,
  sequenceLocksMet,
} from "./consensus.ts";
import type { Mempool, MempoolEntry } from "./mempool.ts";
import { checkStandard, checkStandardInputs, feeAt, MIN_RELAY_FEE } from "./policy.ts";
import { type Rejection, rejection, scriptRejection } from "./rejection.ts";
import { verifyScripts } from "./spend.ts";

/** What a transaction is judged against. */
export type Surroundings = {
  readonly mempool: Mempool;
  /** Of the next block. */
  readonly position: Position;
  /** Satoshi per 1000 virtual bytes that a new transaction pays at least, where it is above the relay fee. */
  readonly minimumRate: number;
  /** An output of the best chain or of the mempool, spent by the mempool or not. */
  lookup(outpoint: string): Coin | undefined;
  /** Whether a transaction's scripts were found valid before: they always are, for its inputs name what they spend. */
  knownValid(transaction: ChainTransaction): boolean;
};

export type Admission = {
  readonly type: "admitted";
  readonly entry: MempoolEntry;
  /** What leaves the mempool for it. */
  readonly evicted: readonly MempoolEntry[];
};

function checkScripts(transaction: ChainTransaction, coins: readonly Coin[]): Rejection | undefined {
  const error = verifyScripts(transaction.transaction, coins, "policy");
  return error === undefined ? undefined : scriptRejection(error, "mempool");
}

function checkMempoolCopy(transaction: ChainTransaction, mempool: Mempool): Rejection | undefined {
  const copy = mempool.get(transaction.key);
  if (copy === undefined) return undefined;
  const same = equalBytes(copy.wtxid, transaction.wtxid);
  return rejection(same ? "txn-already-in-mempool" : "txn-same-nonwitness-data-in-mempool");
}

/**
 * `new`: somebody sent it. After a reorganisation: `returned` from a block that was disconnected, asked for no fee; `waited`
 * before in the mempool, asked for no fee and, as its parents may have returned with others of theirs, only for its own ancestry.
 */
export type Origin = "new" | "returned" | "waited";

/**
 * Whether the mempool takes a transaction. The checks stand in the order of Bitcoin Core's, so that of several reasons the
 * same one is given.
 */
export function admit(candidate: ChainTransaction, around: Surroundings, origin: Origin): Admission | Rejection {
  const { transaction, virtualSize } = candidate;
  const { mempool, position } = around;
  const early =
    checkStructure(candidate) ??
    (isCoinbase(transaction) ? rejection("coinbase") : undefined) ??
    checkStandard(candidate) ??
    (isFinal(transaction, position) ? undefined : rejection("non-final")) ??
    checkMempoolCopy(candidate, mempool);
  if (early !== undefined) return early;

  const coins = coinsSpent(transaction, (key) => around.lookup(key));
  if (coins === undefined) return rejection("bad-txns-inputs-missingorspent");
  if (!sequenceLocksMet(transaction, coins, position)) return rejection("non-BIP68-final");
  const fee = checkAmounts(transaction, coins, position.height);
  if (fee.type === "rejected") return fee;
  const nonstandard = checkStandardInputs(transaction, coins);
  if (nonstandard !== undefined) return nonstandard;
  if (origin === "new" && around.minimumRate > MIN_RELAY_FEE && fee.feeSat < feeAt(around.minimumRate, virtualSize)) {
    return rejection("mempool min fee not met");
  }
  if (origin === "new" && fee.feeSat < feeAt(MIN_RELAY_FEE, virtualSize)) return rejection("min relay fee not met");

  const entry = { ...candidate, feeSat: fee.feeSat };
  const conflicts = mempool.conflicts(entry);
  const tooLong = mempool.hasLongAncestry(entry) || (origin !== "waited" && mempool.makesLargeFamily(entry, conflicts));
  if (tooLong) return rejection("too-long-mempool-chain");
  const evicted = mempool.replacement(entry, conflicts);
  if ("type" in evicted) return evicted;
  const failed = around.knownValid(candidate) ? undefined : checkScripts(candidate, coins);
  return failed ?? { type: "admitted", entry, evicted: [...evicted.values()] };
}
