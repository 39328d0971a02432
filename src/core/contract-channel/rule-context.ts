import { equalBytes, err, ok, type Result } from "../base/index.ts";
import type { LedgerDomain } from "./actions.ts";
import { checkSums, payouts, type StateHeader, stateHash } from "./header.ts";
import type { LedgerEvent } from "./ledger-events.ts";
import { accountOf, type ChannelRow, type WorkingRows } from "./ledger-rows.ts";
import { PARTIES, type Party, withParty } from "./parties.ts";
import type { Refusal } from "./refusal.ts";
import type { Action, ChannelParameters, ShownState, Transaction } from "./transaction.ts";
import { isUnits, type Units } from "./units.ts";

/** What a ledger asks for and allows. */
export type LedgerTerms = {
  readonly domain: LedgerDomain;
  /** The least fee: for each transaction, for each contract in it, for each byte of it. */
  readonly fees: { readonly action: Units; readonly contract: Units; readonly byte: Units };
  /** The greatest gas of a contract that is run here, and of all contracts of one transaction. */
  readonly maxTimeGas: number;
  readonly maxSpaceGas: number;
  readonly maxBatchTimeGas: number;
};

/** Whether a signature (64 bytes) over a digest is good for an account: the ledger's scheme, the same for accounts and contracts. */
export type Verify = (signature64: Uint8Array, digest32: Uint8Array, account32: Uint8Array) => boolean;

/** What a rule is given. */
export type RuleContext = {
  readonly rows: WorkingRows;
  readonly terms: LedgerTerms;
  /** Tick of the block that the transaction is in. */
  readonly height: number;
  readonly verify: Verify;
  readonly transaction: Transaction;
  readonly emit: (event: LedgerEvent) => void;
};

export type Outcome = Result<undefined, Refusal>;

export const DONE: { readonly ok: true; readonly value: undefined } = ok(undefined);

export function refuse(refusal: Refusal): { readonly ok: false; readonly error: Refusal } {
  return err(refusal);
}

export type OfType<T extends Action["type"]> = Extract<Action, { type: T }>;

/** Which party of a channel an account is. */
export function partyOf({ accounts }: ChannelParameters, account: Uint8Array): Party | undefined {
  return PARTIES.find((party) => equalBytes(accounts[party], account));
}

/** What a state must be to count: of this channel, its sums right, and no payout below 0 as the channel now is. */
export function checkState(header: StateHeader, channel: ChannelRow): Outcome {
  if (!equalBytes(header.channelId, channel.header.channelId)) return refuse({ type: "other_channel" });
  const sums = checkSums(header);
  if (!sums.ok) return sums;
  const paid = payouts(header, channel);
  const short = PARTIES.find((party) => paid[party] < 0n);
  return short === undefined ? DONE : refuse({ type: "payout_negative", party: short, actual: paid[short] });
}

/** A state that both signed, of any round. */
export function checkCoSigned(context: RuleContext, channel: ChannelRow, shown: ShownState): Outcome {
  const { signatures, header } = shown;
  if (signatures === undefined) return refuse({ type: "state_not_recorded" });
  const state = checkState(header, channel);
  if (!state.ok) return state;
  const hash = stateHash(context.terms.domain, header);
  const { accounts } = channel.parameters;
  const by = PARTIES.find((party) => !context.verify(signatures[party], hash, accounts[party]));
  return by === undefined ? DONE : refuse({ type: "state_not_signed", by });
}

export function isRecorded(context: RuleContext, channel: ChannelRow, header: StateHeader): boolean {
  const { domain } = context.terms;
  return equalBytes(stateHash(domain, header), stateHash(domain, channel.header));
}

/** A state that both signed, of a round above the recorded base: the table's "Hdr.round > b". */
export function checkNewer(context: RuleContext, channel: ChannelRow, shown: ShownState): Outcome {
  const { round } = shown.header;
  if (round <= channel.base) return refuse({ type: "round_not_higher", limit: channel.base, actual: round });
  return checkCoSigned(context, channel, shown);
}

/** A state this many rounds above what it was closed with shows that the closer knew better: an honest party is at most 3 behind. AC-9. */
const ROUNDS_TO_FORFEIT = 4n;

/** The channel with a newer co-signed state: it erases every forced step. End and records stay. */
export function withNewer(channel: ChannelRow, header: StateHeader): ChannelRow {
  const { closing } = channel;
  const next: ChannelRow = { ...channel, base: header.round, solo: 0, header };
  if (closing === undefined || header.round < closing.closedAt + ROUNDS_TO_FORFEIT) return next;
  return { ...next, closing: { ...closing, forfeited: true } };
}

export function recordState(context: RuleContext, channel: ChannelRow): void {
  const { base, solo, header, closing } = channel;
  const before = context.rows.channel(header.channelId)?.closing;
  context.rows.setChannel(header.channelId, channel);
  if (closing?.forfeited === true && before?.forfeited !== true) context.emit({ type: "forfeited", by: closing.by });
  context.emit({ type: "state_recorded", base, solo, header });
}

/** The flows with one party's sum replaced. */
export function withFlow(channel: ChannelRow, flow: "deposited" | "withdrawn", party: Party, sum: Units): ChannelRow {
  return { ...channel, [flow]: withParty(channel[flow], party, sum) };
}

/** Takes from an account, if it has that much. */
export function take(context: RuleContext, account: Uint8Array, amount: bigint): Outcome {
  const row = accountOf(context.rows, account);
  const left = row.balance - amount;
  if (!isUnits(left)) return refuse({ type: "funds_missing", needed: amount, balance: row.balance });
  context.rows.setAccount(account, { ...row, balance: left });
  return DONE;
}
