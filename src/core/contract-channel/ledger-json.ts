import type { ChannelId } from "../base/index.ts";
import { MAX_PROGRAM_BYTES } from "./contract-fields.ts";
import type { StateHeader } from "./header.ts";
import {
  amount,
  bytesOf,
  bytesUpTo,
  flag,
  type JsonCodec,
  list,
  natural,
  object,
  optional,
  tagged,
  text,
  wide,
  word,
} from "./json-codec.ts";
import type { LedgerEvent } from "./ledger-events.ts";
import type { AccountRow, ChannelRow, Closing, ContractMark } from "./ledger-rows.ts";
import type {
  ContractRows,
  LedgerDescription,
  LedgerEntry,
  LedgerTip,
  SubmitResult,
  TransactionStatus,
} from "./ledger-view.ts";
import type { Pair, Party } from "./parties.ts";
import type { EvidenceRecord } from "./record.ts";
import type { Passed, Refusal } from "./refusal.ts";
import type { LedgerTerms } from "./rule-context.ts";
import type { ChannelParameters } from "./transaction.ts";

const hash = bytesOf(32);
const channelId = bytesOf<ChannelId>(32);
const party = word<Party>(["initiator", "responder"]);

function pairOf<T>(codec: JsonCodec<T>): JsonCodec<Pair<T>> {
  return object<Pair<T>>({ initiator: codec, responder: codec });
}

const header = object<StateHeader>({
  channelId,
  round: wide,
  balances: pairOf(amount),
  deposited: pairOf(amount),
  withdrawn: pairOf(amount),
  locked: amount,
  root: hash,
});

const parameters = object<ChannelParameters>({
  accounts: pairOf(hash),
  salt: hash,
  amounts: pairOf(amount),
  reserve: amount,
  lockPeriod: natural,
  maxDelay: natural,
});

const closing = object<Closing>({ by: party, end: natural, closedAt: wide, forfeited: flag, settled: flag });

export const accountJson: JsonCodec<AccountRow> = object<AccountRow>({ balance: amount, nonce: wide });

export const channelJson: JsonCodec<ChannelRow> = object<ChannelRow>({
  parameters,
  base: wide,
  solo: natural,
  header,
  deposited: pairOf(amount),
  withdrawn: pairOf(amount),
  closing: optional(closing),
  unpaid: amount,
});

export const recordJson: JsonCodec<EvidenceRecord> = object<EvidenceRecord>({
  nonce: natural,
  height: natural,
  until: natural,
  amount: natural,
});

export const markJson: JsonCodec<ContractMark> = object<ContractMark>({
  until: natural,
  base: wide,
  steps: pairOf(natural),
});

export const contractRowsJson: JsonCodec<ContractRows> = object<ContractRows>({
  record: optional(recordJson),
  mark: optional(markJson),
  isPaid: flag,
});

const PASSED: readonly Passed[] = [
  "record_final",
  "nonce_not_higher",
  "too_late",
  "delay_while_open",
  "root_unchanged",
  "already_paid",
  "still_waiting",
  "program_missing",
  "stakes_above_locked",
];

const event = tagged<LedgerEvent>({
  created: { base: wide },
  deposited: { party, amount },
  withdrawn: { party, amount, to: hash },
  state_recorded: { base: wide, solo: natural, header },
  closing: { by: party, end: natural },
  forfeited: { by: party },
  resolved: { contractId: hash, leafHash: hash, evidence: bytesUpTo(MAX_PROGRAM_BYTES), record: recordJson },
  forced: {
    contractId: hash,
    slot: natural,
    evidence: bytesUpTo(MAX_PROGRAM_BYTES),
    root: optional(hash),
    until: natural,
  },
  run_failed: { contractId: hash, reason: text(500) },
  passed: { contractId: hash, why: word(PASSED) },
  settled: { paid: pairOf(amount), unpaid: amount },
  contract_paid: { contractId: hash, slot: natural, paid: pairOf(amount) },
  closed: { mutual: flag },
});

/** A transaction has at most one event for each of its 100 contracts, and a few of its channel. */
const MAX_EVENTS = 200;

export const eventsJson: JsonCodec<readonly LedgerEvent[]> = list(event, MAX_EVENTS);

export const entryJson: JsonCodec<LedgerEntry> = object<LedgerEntry>({
  cursor: natural,
  type: word(["included", "retracted"]),
  height: natural,
  transactionId: hash,
  channelId,
  events: eventsJson,
});

const signer = word<Party | "sender">(["initiator", "responder", "sender"]);
const rounds = { limit: wide, actual: wide };
const numbers = { limit: natural, actual: natural };

const refusal = tagged<Refusal>({
  malformed: { what: text(200), at: natural },
  sum_wrong: { expected: wide, actual: wide },
  deposits_too_large: rounds,
  ttl_passed: numbers,
  nonce_wrong: { expected: wide, actual: wide },
  fee_too_low: { least: wide, actual: wide },
  funds_missing: { needed: wide, balance: wide },
  signature_wrong: { by: signer },
  sender_no_party: {},
  same_account: {},
  channel_unknown: {},
  channel_id_used: {},
  other_channel: {},
  phase_wrong: { phase: word(["open", "closing", "settled"]) },
  parameter_wrong: { what: word(["lock_period", "max_delay"]), ...numbers },
  below_reserve: { reserve: wide, actual: wide },
  amount_zero: {},
  before_wrong: { expected: wide, actual: wide },
  remainder_too_small: { least: wide, actual: wide },
  payout_negative: { party, actual: wide },
  state_not_signed: { by: party },
  state_not_recorded: {},
  round_not_higher: rounds,
  shares_wrong: { expected: wide, actual: wide },
  too_late: numbers,
  too_early: { least: natural, actual: natural },
  batch_size: numbers,
  contract_not_proven: { index: natural },
  program_wrong: { index: natural },
  contract_paid: { index: natural },
  gas_above_ledger: { what: word(["time", "space", "time_in_all"]), ...numbers },
  record_final: {},
  steps_used_up: { limit: natural },
  stakes_above_locked: { locked: wide, actual: wide },
});

export const statusJson: JsonCodec<TransactionStatus> = tagged<TransactionStatus>({
  unknown: {},
  pending: {},
  included: { height: natural, confirmations: natural },
  dropped: { refusal },
});

export const submitResultJson: JsonCodec<SubmitResult> = tagged<SubmitResult>({
  accepted: { id: hash },
  already_known: { id: hash },
  refused: { refusal },
  busy: {},
});

export const tipJson: JsonCodec<LedgerTip> = object<LedgerTip>({
  height: natural,
  hash,
  tick: natural,
  cursor: natural,
});

const terms = object<LedgerTerms>({
  domain: object<LedgerTerms["domain"]>({ chainHash: hash, ledgerId: hash }),
  fees: object<LedgerTerms["fees"]>({ action: amount, contract: amount, byte: amount }),
  maxTimeGas: natural,
  maxSpaceGas: natural,
  maxBatchTimeGas: natural,
});

export const descriptionJson: JsonCodec<LedgerDescription> = object<LedgerDescription>({
  terms,
  scheme: word(["ed25519"]),
  unitScale: natural,
  tickMs: object<LedgerDescription["tickMs"]>({ least: natural, most: optional(natural) }),
  finality: natural,
});
