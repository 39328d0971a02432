// What a ledger tells of itself: plain data, the same whether it is asked in this process or over HTTP.

import type { ChannelId } from "../base/index.ts";
import type { LedgerEvent } from "./ledger-events.ts";
import type { ContractMark } from "./ledger-rows.ts";
import type { EvidenceRecord } from "./record.ts";
import type { Refusal } from "./refusal.ts";
import type { LedgerTerms } from "./rule-context.ts";

/** What holds of a ledger as long as it lives. */
export type LedgerDescription = {
  readonly terms: LedgerTerms;
  /** How accounts sign; contracts check signatures by the same scheme. */
  readonly scheme: "ed25519";
  /** Decimal places of the unit that people count in: 8 means that 10^8 units are one of it. */
  readonly unitScale: number;
  /** Bounds of the time between two ticks of the dispute clock, in milliseconds; `most` is undefined where ticks come on demand. */
  readonly tickMs: { readonly least: number; readonly most: number | undefined };
  /** A block with this many confirmations is not retracted. */
  readonly finality: number;
};

/** Where the ledger stands. */
export type LedgerTip = {
  /** Height of the newest block. */
  readonly height: number;
  /** Names it. 32 bytes. */
  readonly hash: Uint8Array;
  /** The dispute clock: what `height` is in the rules. Never goes back, but for a retraction. */
  readonly tick: number;
  /** Cursor of the newest entry of the log; 0 where there is none. */
  readonly cursor: number;
};

/** What became of a transaction. */
export type TransactionStatus =
  /** Never seen, or forgotten: to be submitted again. */
  | { readonly type: "unknown" }
  | { readonly type: "pending" }
  | { readonly type: "included"; readonly height: number; readonly confirmations: number }
  /** It was pending, and can't be included any more. */
  | { readonly type: "dropped"; readonly refusal: Refusal };

/** The answer to a transaction. */
export type SubmitResult =
  | { readonly type: "accepted"; readonly id: Uint8Array }
  /** Pending or included already: the same as accepted for the caller. */
  | { readonly type: "already_known"; readonly id: Uint8Array }
  | { readonly type: "refused"; readonly refusal: Refusal }
  /** Too much is pending; later there may be room. */
  | { readonly type: "busy" };

/** One entry of the log: a transaction of a channel was included, or its block was retracted. */
export type LedgerEntry = {
  /** Grows by every entry; never used again. */
  readonly cursor: number;
  readonly type: "included" | "retracted";
  readonly height: number;
  readonly transactionId: Uint8Array;
  readonly channelId: ChannelId;
  /** What the transaction did; of a retracted one, what no longer holds. */
  readonly events: readonly LedgerEvent[];
};

/** Which part of the log is asked for. */
export type LogPage = {
  /** Entries with a higher cursor; 0 for all. */
  readonly after: number;
  readonly channelId: ChannelId | undefined;
  readonly limit: number;
};

/** What the ledger keeps of one contract besides its leaf. */
export type ContractRows = {
  readonly record: EvidenceRecord | undefined;
  readonly mark: ContractMark | undefined;
  readonly isPaid: boolean;
};

/** Which contract: its leaf's hash, its id, and its slot. */
export type ContractName = { readonly leafHash: Uint8Array; readonly contractId: Uint8Array; readonly slot: number };
