import type { Malformed } from "./fields.ts";
import type { BadSums } from "./header.ts";
import type { ChannelPhase } from "./ledger-rows.ts";
import type { Party } from "./parties.ts";

/** A precondition that does not hold: the transaction does nothing, and costs nothing. Numbers in the ledger's unit, ticks or bytes. */
export type Refusal =
  | Malformed
  | BadSums
  | { readonly type: "ttl_passed"; readonly limit: number; readonly actual: number }
  | { readonly type: "nonce_wrong"; readonly expected: bigint; readonly actual: bigint }
  | { readonly type: "fee_too_low"; readonly least: bigint; readonly actual: bigint }
  | { readonly type: "funds_missing"; readonly needed: bigint; readonly balance: bigint }
  | { readonly type: "signature_wrong"; readonly by: Party | "sender" }
  | { readonly type: "sender_no_party" }
  | { readonly type: "same_account" }
  | { readonly type: "channel_unknown" }
  | { readonly type: "channel_id_used" }
  | { readonly type: "other_channel" }
  | { readonly type: "phase_wrong"; readonly phase: ChannelPhase }
  | {
      readonly type: "parameter_wrong";
      readonly what: "lock_period" | "max_delay";
      readonly limit: number;
      readonly actual: number;
    }
  | { readonly type: "below_reserve"; readonly reserve: bigint; readonly actual: bigint }
  | { readonly type: "amount_zero" }
  | { readonly type: "before_wrong"; readonly expected: bigint; readonly actual: bigint }
  | { readonly type: "remainder_too_small"; readonly least: bigint; readonly actual: bigint }
  | { readonly type: "payout_negative"; readonly party: Party; readonly actual: bigint }
  | { readonly type: "state_not_signed"; readonly by: Party }
  | { readonly type: "state_not_recorded" }
  | { readonly type: "round_not_higher"; readonly limit: bigint; readonly actual: bigint }
  | { readonly type: "shares_wrong"; readonly expected: bigint; readonly actual: bigint }
  /** `limit` is the tick from which it is too late. */
  | { readonly type: "too_late"; readonly limit: number; readonly actual: number }
  | { readonly type: "too_early"; readonly least: number; readonly actual: number }
  | { readonly type: "batch_size"; readonly limit: number; readonly actual: number }
  | { readonly type: "contract_not_proven"; readonly index: number }
  | { readonly type: "program_wrong"; readonly index: number }
  | { readonly type: "contract_paid"; readonly index: number }
  /** The ledger runs no contract with more gas than this: never a failed run. */
  | {
      readonly type: "gas_above_ledger";
      readonly what: "time" | "space" | "time_in_all";
      readonly limit: number;
      readonly actual: number;
    }
  | { readonly type: "record_final" }
  | { readonly type: "steps_used_up"; readonly limit: number }
  | { readonly type: "stakes_above_locked"; readonly locked: bigint; readonly actual: bigint };

/** Why a contract of a transaction was passed over. The transaction counts, its fee is paid, and the others go on. */
export type Passed =
  | "record_final"
  | "nonce_not_higher"
  | "too_late"
  | "delay_while_open"
  | "root_unchanged"
  | "already_paid"
  | "still_waiting"
  | "program_missing"
  | "stakes_above_locked";
