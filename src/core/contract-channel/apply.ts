import { assertNever, type ChannelId, ok, type Result } from "../base/index.ts";
import type { LedgerEvent } from "./ledger-events.ts";
import { accountOf, type ChannelRow, type LedgerChange, type LedgerRows, workingRows } from "./ledger-rows.ts";
import { PARTIES, type Party } from "./parties.ts";
import type { Refusal } from "./refusal.ts";
import {
  DONE,
  type LedgerTerms,
  type Outcome,
  partyOf,
  type RuleContext,
  refuse,
  type Verify,
} from "./rule-context.ts";
import { payout, resolve } from "./rules-contracts.ts";
import { forceProgress } from "./rules-force.ts";
import { closeMutual, create, deposit, withdraw } from "./rules-joint.ts";
import { closeSolo, settle, slash, snapshotSolo } from "./rules-solo.ts";
import { transfer } from "./rules-transfer.ts";
import { type Action, isCoSigned, type Transaction, type UnsignedTransaction } from "./transaction.ts";
import { transactionBytes } from "./transaction-codec.ts";
import { channelOf, transactionDigest } from "./transaction-digest.ts";
import { isUnits } from "./units.ts";

/** What a transaction does. Its fee is in no account any more. */
export type Applied = {
  readonly changes: readonly LedgerChange[];
  /** Undefined for a transfer. */
  readonly channelId: ChannelId | undefined;
  readonly events: readonly LedgerEvent[];
};

/** Contracts that a transaction has the ledger run, or at most. */
function contractsIn(action: Action): number {
  if (action.type === "resolve" || action.type === "payout") return action.contracts.length;
  return action.type === "force_progress" ? 1 : 0;
}

/** The least fee of a transaction, signatures included in its length. */
export function leastFee({ fees }: LedgerTerms, transaction: UnsignedTransaction): bigint {
  const bytes = BigInt(transactionBytes(transaction));
  return fees.action + fees.contract * BigInt(contractsIn(transaction.action)) + fees.byte * bytes;
}

function checkSignatures(context: RuleContext, channel: ChannelRow | undefined): Outcome {
  const { transaction, terms, verify } = context;
  const { action, from, signatures } = transaction;
  const accounts = action.type === "create" ? action.parameters.accounts : channel?.parameters.accounts;
  // In the order of the signatures.
  const signers: readonly (Party | "sender")[] = isCoSigned(action) ? PARTIES : ["sender"];
  const digest = transactionDigest(terms.domain, transaction);
  for (const [index, by] of signers.entries()) {
    const account = by === "sender" ? from : accounts?.[by];
    const signature = signatures[index];
    const isGood = account !== undefined && signature !== undefined && verify(signature, digest, account);
    if (!isGood) return refuse({ type: "signature_wrong", by });
  }
  return DONE;
}

/** What is checked of every transaction: ttl, nonce, fee, that the signer takes part, and its signature for this very ledger. */
function admit(context: RuleContext, channel: ChannelRow | undefined): Outcome {
  const { transaction, height, rows, terms } = context;
  const { from, nonce, fee, ttl, action } = transaction;
  if (height > ttl) return refuse({ type: "ttl_passed", limit: ttl, actual: height });
  const account = accountOf(rows, from);
  if (nonce !== account.nonce) return refuse({ type: "nonce_wrong", expected: account.nonce, actual: nonce });
  const least = leastFee(terms, transaction);
  if (fee < least) return refuse({ type: "fee_too_low", least, actual: fee });
  const parameters = action.type === "create" ? action.parameters : channel?.parameters;
  if (action.type !== "transfer" && parameters === undefined) return refuse({ type: "channel_unknown" });
  if (parameters !== undefined && partyOf(parameters, from) === undefined) return refuse({ type: "sender_no_party" });
  const signed = checkSignatures(context, channel);
  if (!signed.ok) return signed;
  // A mutual close pays its fee out of the channel.
  const left = account.balance - (action.type === "close_mutual" ? 0n : fee);
  if (!isUnits(left)) return refuse({ type: "funds_missing", needed: fee, balance: account.balance });
  rows.setAccount(from, { balance: left, nonce: nonce + 1n });
  return DONE;
}

function act(context: RuleContext, channel: ChannelRow | undefined): Outcome {
  const { action, from } = context.transaction;
  if (action.type === "transfer") return transfer(context, action);
  if (action.type === "create") return create(context, action);
  const by = channel === undefined ? undefined : partyOf(channel.parameters, from);
  if (channel === undefined || by === undefined) return refuse({ type: "channel_unknown" });
  switch (action.type) {
    case "deposit":
      return deposit(context, action, channel);
    case "withdraw":
      return withdraw(context, action, channel);
    case "snapshot_solo":
      return snapshotSolo(context, action, channel);
    case "close_solo":
      return closeSolo(context, action, channel, by);
    case "slash":
      return slash(context, action, channel);
    case "resolve":
      return resolve(context, action, channel);
    case "force_progress":
      return forceProgress(context, action, channel, by);
    case "close_mutual":
      return closeMutual(context, action, channel);
    case "settle":
      return settle(context, channel);
    case "payout":
      return payout(context, action, channel);
    default:
      return assertNever(action);
  }
}

/**
 * The ledger's rules: what a transaction does to the rows at a height, or the precondition that it breaks. Pure, so that a node can tell
 * beforehand what the ledger will say. A refused transaction changes nothing and costs nothing; one whose contract fails has done
 * nothing but pay its fee. Source: AC-9, AC-17, AC-19, AC-22; seed 003, "Channel closing" and "On-chain enforcement".
 */
export function applyTransaction(
  under: LedgerRows,
  transaction: Transaction,
  { terms, height, verify }: { readonly terms: LedgerTerms; readonly height: number; readonly verify: Verify },
): Result<Applied, Refusal> {
  const rows = workingRows(under);
  const events: LedgerEvent[] = [];
  const context: RuleContext = { rows, terms, height, verify, transaction, emit: (event) => void events.push(event) };
  const isTransfer = transaction.action.type === "transfer";
  const channelId = channelOf(terms.domain, transaction.action);
  const channel = isTransfer ? undefined : rows.channel(channelId);
  const admitted = admit(context, channel);
  if (!admitted.ok) return admitted;
  const acted = act(context, channel);
  if (!acted.ok) return acted;
  return ok({ changes: rows.changes(), channelId: isTransfer ? undefined : channelId, events });
}
