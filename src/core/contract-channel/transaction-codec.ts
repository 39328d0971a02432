import { asChannelId, assertNever, err, type Result } from "../base/index.ts";
import { encodeShownContract, encodeToPay, readShownContract, readToPay } from "./contract-fields.ts";
import { decodeFields, type FieldReader, type FieldWriter, fieldWriter, type Malformed } from "./fields.ts";
import { readHeader, readRound, writeHeader } from "./header.ts";
import type { Pair, Party } from "./parties.ts";
import {
  type Action,
  type ActionType,
  type ChannelParameters,
  isCoSigned,
  MAX_BATCH,
  MAX_MAX_DELAY,
  type ShownState,
  type Transaction,
  type UnsignedTransaction,
} from "./transaction.ts";
import { writeParameters, writeParty } from "./transaction-digest.ts";

/** One transaction: 1 MiB. A contract at its largest fits in four times over. */
export const MAX_TRANSACTION_BYTES = 1 << 20;

/** The first byte of a transaction is the place of its action here. Never reordered, only added to. */
const ACTIONS: readonly ActionType[] = [
  "transfer",
  "create",
  "deposit",
  "withdraw",
  "snapshot_solo",
  "close_solo",
  "slash",
  "resolve",
  "force_progress",
  "close_mutual",
  "settle",
  "payout",
];

function writeState(fields: FieldWriter, { header, signatures }: ShownState): void {
  writeHeader(fields, header);
  fields.number(signatures === undefined ? 0 : 1, 1);
  if (signatures !== undefined) fields.bytes(signatures.initiator, 64).bytes(signatures.responder, 64);
}

function readState(fields: FieldReader): ShownState {
  const header = readHeader(fields);
  const signed = fields.number(1, "whether the state is signed");
  if (signed > 1) fields.fail("whether the state is signed");
  const read = (): Uint8Array => fields.bytes(64, "signature of a state");
  return { header, signatures: signed === 1 ? { initiator: read(), responder: read() } : undefined };
}

function writeAction(fields: FieldWriter, action: Action): void {
  if (action.type === "transfer") {
    fields.bytes(action.to, 32).wide(action.amount);
    return;
  }
  if (action.type === "create") {
    writeParameters(fields, action.parameters);
    return;
  }
  fields.bytes(action.channelId, 32);
  switch (action.type) {
    case "deposit":
    case "withdraw":
      writeParty(fields, action.party);
      if (action.type === "withdraw") fields.bytes(action.to, 32);
      fields.wide(action.amount).wide(action.before);
      writeHeader(fields, action.state);
      return;
    case "snapshot_solo":
    case "close_solo":
    case "slash":
      writeState(fields, action.state);
      return;
    case "resolve":
      writeState(fields, action.state);
      writeAll(fields, action.contracts.map(encodeShownContract));
      return;
    case "force_progress":
      writeState(fields, action.state);
      fields.raw(encodeShownContract(action.contract));
      return;
    case "close_mutual":
      fields.wide(action.round).wide(action.shares.initiator).wide(action.shares.responder);
      return;
    case "settle":
      return;
    case "payout":
      writeAll(fields, action.contracts.map(encodeToPay));
      return;
    default:
      assertNever(action);
  }
}

function writeAll(fields: FieldWriter, parts: readonly Uint8Array[]): void {
  fields.number(parts.length, 1);
  for (const part of parts) fields.raw(part);
}

function readAll<T>(fields: FieldReader, read: (fields: FieldReader) => T): T[] {
  const count = fields.number(1, "number of contracts");
  if (count < 1 || count > MAX_BATCH) fields.fail("number of contracts");
  return Array.from({ length: count }, () => read(fields));
}

function readParty(fields: FieldReader): Party {
  const side = fields.number(1, "party");
  if (side > 1) fields.fail("party");
  return side === 0 ? "initiator" : "responder";
}

function readParameters(fields: FieldReader): ChannelParameters {
  const accounts: Pair<Uint8Array> = { initiator: fields.bytes(32, "account"), responder: fields.bytes(32, "account") };
  const salt = fields.bytes(32, "salt");
  const amounts = { initiator: fields.units("amount"), responder: fields.units("amount") };
  const reserve = fields.units("reserve");
  const lockPeriod = fields.number(2, "lock period");
  if (lockPeriod === 0) fields.fail("lock period");
  const maxDelay = fields.number(4, "greatest delay");
  if (maxDelay < 1 || maxDelay > MAX_MAX_DELAY) fields.fail("greatest delay");
  return { accounts, salt, amounts, reserve, lockPeriod, maxDelay };
}

function readAction(fields: FieldReader, type: ActionType): Action {
  if (type === "transfer") return { type, to: fields.bytes(32, "account"), amount: fields.units("amount") };
  if (type === "create") return { type, parameters: readParameters(fields) };
  const channelId = asChannelId(fields.bytes(32, "channel id"));
  switch (type) {
    case "deposit":
    case "withdraw": {
      const party = readParty(fields);
      const to = type === "withdraw" ? fields.bytes(32, "account") : undefined;
      const rest = { amount: fields.units("amount"), before: fields.units("sum before"), state: readHeader(fields) };
      return to === undefined
        ? { type: "deposit", channelId, party, ...rest }
        : { type: "withdraw", channelId, party, to, ...rest };
    }
    case "snapshot_solo":
    case "close_solo":
    case "slash":
      return { type, channelId, state: readState(fields) };
    case "resolve":
      return { type, channelId, state: readState(fields), contracts: readAll(fields, readShownContract) };
    case "force_progress":
      return { type, channelId, state: readState(fields), contract: readShownContract(fields) };
    case "close_mutual": {
      const round = readRound(fields);
      return { type, channelId, round, shares: { initiator: fields.units("share"), responder: fields.units("share") } };
    }
    case "settle":
      return { type, channelId };
    case "payout":
      return { type, channelId, contracts: readAll(fields, readToPay) };
    default:
      return assertNever(type);
  }
}

/** Action (1), account (32), nonce (8), fee (8), ttl (4), the action's fields, one signature or two (64 each). */
export function encodeTransaction(transaction: Transaction): Uint8Array {
  const fields = fieldWriter();
  const { from, nonce, fee, ttl, action, signatures } = transaction;
  fields.number(ACTIONS.indexOf(action.type), 1).bytes(from, 32).wide(nonce).wide(fee).number(ttl, 4);
  writeAction(fields, action);
  for (const signature of signatures) fields.bytes(signature, 64);
  return fields.done();
}

/** Reads what `encodeTransaction` writes; nothing else has the same meaning. At most `MAX_TRANSACTION_BYTES`. */
export function decodeTransaction(bytes: Uint8Array): Result<Transaction, Malformed> {
  if (bytes.length > MAX_TRANSACTION_BYTES) return err({ type: "malformed", what: "a transaction of 1 MiB", at: 0 });
  return decodeFields(bytes, (fields) => {
    const type = ACTIONS[fields.number(1, "action")];
    if (type === undefined) return fields.fail("action");
    const from = fields.bytes(32, "account");
    const nonce = fields.wide("nonce");
    const fee = fields.units("fee");
    const ttl = fields.number(4, "ttl");
    const action = readAction(fields, type);
    const count = isCoSigned(action) ? 2 : 1;
    const signatures = Array.from({ length: count }, () => fields.bytes(64, "signature"));
    return { from, nonce, fee, ttl, action, signatures };
  });
}

/** Bytes of a transaction once it is signed: what a fee is worked out of. */
export function transactionBytes(transaction: UnsignedTransaction): number {
  const count = isCoSigned(transaction.action) ? 2 : 1;
  const signatures = Array.from({ length: count }, () => new Uint8Array(64));
  return encodeTransaction({ ...transaction, signatures }).length;
}
