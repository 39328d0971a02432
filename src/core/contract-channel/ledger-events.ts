import type { ChannelId } from "../base/index.ts";
import type { StateHeader } from "./header.ts";
import type { Pair, Party } from "./parties.ts";
import type { EvidenceRecord } from "./record.ts";
import type { Passed } from "./refusal.ts";
import type { Units } from "./units.ts";

/** Something that a transaction did to a channel: what a party has to know to act, and cannot take back. */
export type LedgerEvent =
  | { readonly type: "created"; readonly base: bigint }
  | { readonly type: "deposited"; readonly party: Party; readonly amount: Units }
  | { readonly type: "withdrawn"; readonly party: Party; readonly amount: Units; readonly to: Uint8Array }
  /** The recorded state is another one. `solo` is above 0 where it was forced. */
  | { readonly type: "state_recorded"; readonly base: bigint; readonly solo: number; readonly header: StateHeader }
  | { readonly type: "closing"; readonly by: Party; readonly end: number }
  /** The closer's reserve goes to the other. AC-9. */
  | { readonly type: "forfeited"; readonly by: Party }
  /** The other party learns from the evidence what it needs elsewhere. */
  | {
      readonly type: "resolved";
      readonly contractId: Uint8Array;
      readonly leafHash: Uint8Array;
      readonly evidence: Uint8Array;
      readonly record: EvidenceRecord;
    }
  | {
      readonly type: "forced";
      readonly contractId: Uint8Array;
      readonly slot: number;
      readonly evidence: Uint8Array;
      /** The contract's new root; undefined where it is over, and the balances have its stakes. */
      readonly root: Uint8Array | undefined;
      /** When it can be paid out without evidence; 0 while the channel is open. */
      readonly until: number;
    }
  /** A run failed: its fee is spent, and nothing else. */
  | { readonly type: "run_failed"; readonly contractId: Uint8Array; readonly reason: string }
  | { readonly type: "passed"; readonly contractId: Uint8Array; readonly why: Passed }
  | { readonly type: "settled"; readonly paid: Pair<Units>; readonly unpaid: Units }
  | {
      readonly type: "contract_paid";
      readonly contractId: Uint8Array;
      readonly slot: number;
      readonly paid: Pair<Units>;
    }
  /** Nothing is left in the channel. */
  | { readonly type: "closed"; readonly mutual: boolean };

/** Events of one transaction, all of one channel; none where it is no channel's. */
export type ChannelEvents = { readonly channelId: ChannelId | undefined; readonly events: readonly LedgerEvent[] };
