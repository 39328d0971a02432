import { asChannelId, assertNever, type ChannelId, fromHex, invariant, toHex } from "../base/index.ts";
import type { StateHeader } from "./header.ts";
import type { Pair, Party } from "./parties.ts";
import type { EvidenceRecord } from "./record.ts";
import type { ChannelParameters } from "./transaction.ts";
import { type Units, units } from "./units.ts";

/** A balance inside the ledger. */
export type AccountRow = {
  readonly balance: Units;
  /** Transactions of this account so far: the next one carries this number. */
  readonly nonce: bigint;
};

/** What a solo close has set going. */
export type Closing = {
  readonly by: Party;
  /** From then on the recorded state is final. A slash does not move it. */
  readonly end: number;
  /** base + solo as they were then. */
  readonly closedAt: bigint;
  /** A state 4 or more rounds above `closedAt` has replaced the closer's: its reserve goes to the other. AC-9. */
  readonly forfeited: boolean;
  /** The balances are paid, and only contracts are left. */
  readonly settled: boolean;
};

/** A channel as the ledger knows it. */
export type ChannelRow = {
  readonly parameters: ChannelParameters;
  /** Round of the newest state known here that both signed. */
  readonly base: bigint;
  /** Forced steps since. Any co-signed round above `base` erases them all. */
  readonly solo: number;
  /** The recorded state. After forced steps its round is base + solo, and nobody has signed it. */
  readonly header: StateHeader;
  readonly deposited: Pair<Units>;
  readonly withdrawn: Pair<Units>;
  readonly closing: Closing | undefined;
  /** Stakes that are not paid yet. Counts once the channel is settled. */
  readonly unpaid: Units;
};

/** What forced steps leave of a contract, whatever its root. */
export type ContractMark = {
  /** No payout without evidence before this; 0 where nothing was forced after a close. */
  readonly until: number;
  /** The base that `steps` are counted from. */
  readonly base: bigint;
  readonly steps: Pair<number>;
};

/** The phases of the ledger's table. */
export type ChannelPhase = "open" | "closing" | "settled";

export function phaseOf({ closing }: ChannelRow): ChannelPhase {
  if (closing === undefined) return "open";
  return closing.settled ? "settled" : "closing";
}

/** What the rules read. Ids have 32 bytes. */
export type LedgerRows = {
  account(id: Uint8Array): AccountRow | undefined;
  channel(id: ChannelId): ChannelRow | undefined;
  /** Whether a channel of this id is there, or ever was: ids are never used again, or old signatures would count anew. */
  isUsed(id: ChannelId): boolean;
  record(channel: ChannelId, leafHash: Uint8Array): EvidenceRecord | undefined;
  mark(channel: ChannelId, contractId: Uint8Array): ContractMark | undefined;
  isPaid(channel: ChannelId, slot: number): boolean;
};

/** One row to write. `channel_deleted` takes everything of the channel away but the fact that its id is used. */
export type LedgerChange =
  | { readonly type: "account"; readonly id: Uint8Array; readonly row: AccountRow }
  | { readonly type: "channel"; readonly id: ChannelId; readonly row: ChannelRow }
  | {
      readonly type: "record";
      readonly channel: ChannelId;
      readonly leafHash: Uint8Array;
      readonly row: EvidenceRecord;
    }
  | { readonly type: "mark"; readonly channel: ChannelId; readonly contractId: Uint8Array; readonly row: ContractMark }
  | { readonly type: "paid"; readonly channel: ChannelId; readonly slot: number }
  | { readonly type: "channel_deleted"; readonly id: ChannelId };

/** Rows with what a transaction has changed so far laid over them. */
export type WorkingRows = LedgerRows & {
  setAccount(id: Uint8Array, row: AccountRow): void;
  setChannel(id: ChannelId, row: ChannelRow): void;
  setRecord(channel: ChannelId, leafHash: Uint8Array, row: EvidenceRecord): void;
  setMark(channel: ChannelId, contractId: Uint8Array, row: ContractMark): void;
  setPaid(channel: ChannelId, slot: number): void;
  deleteChannel(id: ChannelId): void;
  /** In the order in which they are to be written. */
  changes(): LedgerChange[];
};

const NEW_ACCOUNT: AccountRow = { balance: units(0), nonce: 0n };

export function accountOf(rows: LedgerRows, id: Uint8Array): AccountRow {
  return rows.account(id) ?? NEW_ACCOUNT;
}

/** Pays into an account. Whoever keeps the rows sees to it that all money together stays below 2^63. */
export function credit(rows: WorkingRows, id: Uint8Array, amount: bigint): void {
  const account = accountOf(rows, id);
  if (amount > 0n) rows.setAccount(id, { ...account, balance: units(account.balance + amount) });
}

/** Rows with changes laid over them, which go no further until somebody writes them. */
export function workingRows(under: LedgerRows): WorkingRows {
  const accounts = new Map<string, AccountRow>();
  const channels = new Map<string, ChannelRow>();
  const deleted = new Set<string>();
  const records = new Map<string, EvidenceRecord>();
  const marks = new Map<string, ContractMark>();
  const paid = new Set<string>();
  const within = (channel: ChannelId, rest: Uint8Array | number): string =>
    `${toHex(channel)} ${typeof rest === "number" ? rest : toHex(rest)}`;
  const isGone = (channel: ChannelId): boolean => deleted.has(toHex(channel));
  const split = (key: string): [ChannelId, string] => {
    const [channel = "", rest = ""] = key.split(" ");
    return [asChannelId(bytesOf(channel)), rest];
  };
  return {
    account: (id) => accounts.get(toHex(id)) ?? under.account(id),
    channel: (id) => (isGone(id) ? undefined : (channels.get(toHex(id)) ?? under.channel(id))),
    isUsed: (id) => channels.has(toHex(id)) || isGone(id) || under.isUsed(id),
    record: (channel, leaf) =>
      isGone(channel) ? undefined : (records.get(within(channel, leaf)) ?? under.record(channel, leaf)),
    mark: (channel, id) => (isGone(channel) ? undefined : (marks.get(within(channel, id)) ?? under.mark(channel, id))),
    isPaid: (channel, slot) => !isGone(channel) && (paid.has(within(channel, slot)) || under.isPaid(channel, slot)),
    setAccount: (id, row) => void accounts.set(toHex(id), row),
    setChannel: (id, row) => void channels.set(toHex(id), row),
    setRecord: (channel, leaf, row) => void records.set(within(channel, leaf), row),
    setMark: (channel, id, row) => void marks.set(within(channel, id), row),
    setPaid: (channel, slot) => void paid.add(within(channel, slot)),
    deleteChannel: (id) => void deleted.add(toHex(id)),
    changes() {
      const changes: LedgerChange[] = [];
      for (const [id, row] of accounts) changes.push({ type: "account", id: bytesOf(id), row });
      for (const [id, row] of channels) changes.push({ type: "channel", id: asChannelId(bytesOf(id)), row });
      for (const [key, row] of records) {
        const [channel, leaf] = split(key);
        changes.push({ type: "record", channel, leafHash: bytesOf(leaf), row });
      }
      for (const [key, row] of marks) {
        const [channel, id] = split(key);
        changes.push({ type: "mark", channel, contractId: bytesOf(id), row });
      }
      for (const key of paid) {
        const [channel, slot] = split(key);
        changes.push({ type: "paid", channel, slot: Number(slot) });
      }
      for (const id of deleted) changes.push({ type: "channel_deleted", id: asChannelId(bytesOf(id)) });
      return changes;
    },
  };
}

/** Lays changes over rows, in their order. */
export function layOver(rows: WorkingRows, changes: readonly LedgerChange[]): void {
  for (const change of changes) {
    switch (change.type) {
      case "account":
        rows.setAccount(change.id, change.row);
        break;
      case "channel":
        rows.setChannel(change.id, change.row);
        break;
      case "record":
        rows.setRecord(change.channel, change.leafHash, change.row);
        break;
      case "mark":
        rows.setMark(change.channel, change.contractId, change.row);
        break;
      case "paid":
        rows.setPaid(change.channel, change.slot);
        break;
      case "channel_deleted":
        rows.deleteChannel(change.id);
        break;
      default:
        assertNever(change);
    }
  }
}

function bytesOf(hex: string): Uint8Array {
  const bytes = fromHex(hex);
  invariant(bytes !== undefined, "a key is hexadecimal");
  return bytes;
}
