import { asChannelId, assertNever, type ChannelId, concatBytes } from "../base/index.ts";
import { sha256 } from "../crypto/index.ts";
import { type LedgerDomain, taggedDigest } from "./actions.ts";
import { encodeShownContract, encodeToPay } from "./contract-fields.ts";
import type { FieldWriter } from "./fields.ts";
import { stateHash } from "./header.ts";
import type { Party } from "./parties.ts";
import type { Action, ChannelParameters, UnsignedTransaction } from "./transaction.ts";

/** 142 bytes: both accounts, salt, both amounts, reserve, lock period (2), greatest delay (4). */
export function writeParameters(fields: FieldWriter, parameters: ChannelParameters): void {
  const { accounts, salt, amounts, reserve, lockPeriod, maxDelay } = parameters;
  fields.bytes(accounts.initiator, 32).bytes(accounts.responder, 32).bytes(salt, 32);
  fields.wide(amounts.initiator).wide(amounts.responder).wide(reserve).number(lockPeriod, 2).number(maxDelay, 4);
}

export function writeParty(fields: FieldWriter, party: Party): void {
  fields.number(party === "initiator" ? 0 : 1, 1);
}

/** A channel's id: a digest over the ledger, both accounts, the salt and all parameters of `create`. 32 bytes. */
export function channelIdOf(domain: LedgerDomain, parameters: ChannelParameters): ChannelId {
  return asChannelId(taggedDigest("channel_id", domain, (fields) => writeParameters(fields, parameters)));
}

const NO_CHANNEL = asChannelId(new Uint8Array(32));

/** The channel that an action is about; 32 zero bytes for a transfer. */
export function channelOf(domain: LedgerDomain, action: Action): ChannelId {
  if (action.type === "transfer") return NO_CHANNEL;
  return action.type === "create" ? channelIdOf(domain, action.parameters) : action.channelId;
}

/** How many there are, and the hash of all: a digest has a fixed width. */
function writeBatch(fields: FieldWriter, contracts: readonly Uint8Array[]): void {
  fields.number(contracts.length, 1).bytes(sha256(concatBytes(...contracts)), 32);
}

function writeParametersOf(fields: FieldWriter, action: Action, domain: LedgerDomain): void {
  switch (action.type) {
    case "transfer":
      fields.bytes(action.to, 32).wide(action.amount);
      return;
    case "create":
      writeParameters(fields, action.parameters);
      return;
    case "deposit":
      writeParty(fields, action.party);
      fields.wide(action.amount).wide(action.before).bytes(stateHash(domain, action.state), 32);
      return;
    case "withdraw":
      writeParty(fields, action.party);
      fields.bytes(action.to, 32).wide(action.amount).wide(action.before).bytes(stateHash(domain, action.state), 32);
      return;
    case "snapshot_solo":
    case "close_solo":
    case "slash":
      fields.bytes(stateHash(domain, action.state.header), 32);
      return;
    case "resolve":
      fields.bytes(stateHash(domain, action.state.header), 32);
      writeBatch(fields, action.contracts.map(encodeShownContract));
      return;
    case "force_progress":
      fields.bytes(stateHash(domain, action.state.header), 32);
      writeBatch(fields, [encodeShownContract(action.contract)]);
      return;
    case "close_mutual":
      fields.wide(action.round).wide(action.shares.initiator).wide(action.shares.responder);
      return;
    case "settle":
      return;
    case "payout":
      writeBatch(fields, action.contracts.map(encodeToPay));
      return;
    default:
      assertNever(action);
  }
}

/**
 * What is signed of a transaction, and its id: a digest over tag, ledger, channel id, envelope (account, nonce, fee, ttl: 32, 8, 8 and 4
 * bytes) and the action's parameters. 32 bytes. Source: seed 003, "transaction_data".
 */
export function transactionDigest(domain: LedgerDomain, transaction: UnsignedTransaction): Uint8Array {
  const { from, nonce, fee, ttl, action } = transaction;
  return taggedDigest(action.type, domain, (fields) => {
    fields.bytes(channelOf(domain, action), 32).bytes(from, 32).wide(nonce).wide(fee).number(ttl, 4);
    writeParametersOf(fields, action, domain);
  });
}
