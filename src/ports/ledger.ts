import type { ChannelId } from "../core/base/index.ts";
import type {
  AccountRow,
  ChannelRow,
  ContractName,
  ContractRows,
  LedgerDescription,
  LedgerEntry,
  LedgerTip,
  LogPage,
  SubmitResult,
  TransactionStatus,
} from "../core/contract-channel/index.ts";

/**
 * A ledger of accounts that knows contract channels.
 *
 * Obligations of an implementation: its rules are those of `applyTransaction`, to the unit, with the tick of the including block as height.
 * Every call may be repeated. What reads answers from one block, and after `submit` of an included transaction from one that has it.
 * `submit` is idempotent; `accepted` promises nothing but that the ledger will try: who needs the transaction asks for its status,
 * and submits it again when that is `unknown`. Transactions of one account are taken in the order of their nonces, without gaps.
 *
 * The log has an entry for every included transaction of a channel, in the order of inclusion, and where a block is retracted one
 * `retracted` entry for each, the last first. A cursor stays good for ever: who stores the last one that it has acted on misses nothing and
 * sees nothing twice, over restarts on either side. Blocks with `finality` confirmations are not retracted. Events of `subscribe` are
 * hints and carry no state; after an outage there is one. Failures to reach the ledger throw `LedgerError`.
 */
export interface Ledger {
  /** The same for ever: whoever asks for it twice may keep the first answer. */
  describe(): Promise<LedgerDescription>;
  tip(): Promise<LedgerTip>;
  /** Balance and nonce; zero of an account that the ledger has never seen. */
  account(id: Uint8Array): Promise<AccountRow>;
  /** The channel as it stands; undefined where there is none, or none any more. */
  channel(id: ChannelId): Promise<ChannelRow | undefined>;
  /** What the rules say of a contract depends on this. */
  contract(channel: ChannelId, name: ContractName): Promise<ContractRows>;
  /** Takes an encoded transaction; answers `refused` for bytes that are none, and for what would be refused in the next block. */
  submit(transaction: Uint8Array): Promise<SubmitResult>;
  /** What became of the transaction with this id (its digest). */
  transaction(id: Uint8Array): Promise<TransactionStatus>;
  /** The next entries of the log, of one channel or of all: at most `limit` of them, and one at least where there is one. */
  log(page: LogPage): Promise<readonly LedgerEntry[]>;
  /** Calls `listener` after each change of the tip, until the returned function is called. What a listener throws is dropped. */
  subscribe(listener: () => void): () => void;
  /** Ends all activity: no listener is called afterwards. May be called again. */
  close(): Promise<void>;
}

export type LedgerErrorCode = "unreachable" | "bad_response" | "locked" | "corrupt" | "other_ledger" | "io";

/** The ledger could not be asked, or its file not be used. `retryable` says whether the same may work later without anybody's help. */
export class LedgerError extends Error {
  readonly code: LedgerErrorCode;
  readonly retryable: boolean;
  constructor(code: LedgerErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = "LedgerError";
    this.code = code;
    this.retryable = code === "unreachable" || code === "io";
  }
}
