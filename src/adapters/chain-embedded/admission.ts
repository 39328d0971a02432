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

/** The first script error by relay policy, told apart by whether a block with it would be invalid too. */
function checkScripts(transaction: ChainTransaction, coins: readonly Coin[]): Rejection | undefined {
  const policy = verifyScripts(transaction.transaction, coins, "policy");
  if (policy === undefined) return undefined;
  const consensus = verifyScripts(transaction.transaction, coins, "consensus");
  return scriptRejection(consensus ?? policy, consensus !== undefined);
}

function checkMempoolCopy(transaction: ChainTransaction, mempool: Mempool): Rejection | undefined {
  const copy = mempool.get(transaction.key);
  if (copy === undefined) return undefined;
  const same = equalBytes(copy.wtxid, transaction.wtxid);
  return rejection(same ? "txn-already-in-mempool" : "txn-same-nonwitness-data-in-mempool");
}

/**
 * Whether the mempool takes a transaction. The checks stand in the order of Bitcoin Core's, so that of several reasons the
 * same one is given. `feeFree` is for what a reorganisation gives back.
 */
export function admit(
  candidate: ChainTransaction,
  around: Surroundings,
  options: { readonly feeFree: boolean },
): Admission | Rejection {
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
  if (!options.feeFree && fee.feeSat < feeAt(MIN_RELAY_FEE, virtualSize)) return rejection("min relay fee not met");

  const entry = { ...candidate, feeSat: fee.feeSat };
  const evicted = mempool.replacedBy(entry);
  if ("type" in evicted) return evicted;
  const late =
    mempool.chainError(entry, evicted) ?? (around.knownValid(candidate) ? undefined : checkScripts(candidate, coins));
  return late ?? { type: "admitted", entry, evicted: [...evicted.values()] };
}
