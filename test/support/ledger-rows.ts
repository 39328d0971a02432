import { type ChannelId, fromHex, toHex } from "../../src/core/base/index.ts";
import type {
  AccountRow,
  ChannelRow,
  ContractMark,
  EvidenceRecord,
  LedgerChange,
  LedgerRows,
} from "../../src/core/contract-channel/index.ts";

/** A ledger's rows in memory, and nothing else: no blocks. */
export type MemoryRows = LedgerRows & {
  write(changes: readonly LedgerChange[]): void;
  accounts(): readonly (readonly [id: Uint8Array, row: AccountRow])[];
  channels(): readonly ChannelRow[];
  /** A copy that goes its own way. */
  copy(): MemoryRows;
};

type Tables = {
  readonly accounts: Map<string, AccountRow>;
  readonly channels: Map<string, ChannelRow>;
  readonly used: Set<string>;
  readonly records: Map<string, EvidenceRecord>;
  readonly marks: Map<string, ContractMark>;
  readonly paid: Set<string>;
};

const within = (channel: Uint8Array, rest: Uint8Array | number): string =>
  `${toHex(channel)}/${typeof rest === "number" ? rest : toHex(rest)}`;

function rowsOn(tables: Tables): MemoryRows {
  const { accounts, channels, used, records, marks, paid } = tables;
  function drop(id: ChannelId): void {
    channels.delete(toHex(id));
    for (const map of [records, marks]) for (const key of map.keys()) if (key.startsWith(toHex(id))) map.delete(key);
    for (const key of paid) if (key.startsWith(toHex(id))) paid.delete(key);
  }
  function write(change: LedgerChange): void {
    switch (change.type) {
      case "account":
        accounts.set(toHex(change.id), change.row);
        return;
      case "channel":
        channels.set(toHex(change.id), change.row);
        used.add(toHex(change.id));
        return;
      case "record":
        records.set(within(change.channel, change.leafHash), change.row);
        return;
      case "mark":
        marks.set(within(change.channel, change.contractId), change.row);
        return;
      case "paid":
        paid.add(within(change.channel, change.slot));
        return;
      case "channel_deleted":
        drop(change.id);
        return;
      default:
        change satisfies never;
    }
  }
  return {
    account: (id) => accounts.get(toHex(id)),
    channel: (id) => channels.get(toHex(id)),
    isUsed: (id) => used.has(toHex(id)),
    record: (channel, leaf) => records.get(within(channel, leaf)),
    mark: (channel, id) => marks.get(within(channel, id)),
    isPaid: (channel, slot) => paid.has(within(channel, slot)),
    write(changes) {
      for (const change of changes) write(change);
    },
    accounts: () => [...accounts].map(([id, row]) => [fromHex(id) ?? new Uint8Array(0), row] as const),
    channels: () => [...channels.values()],
    copy: () =>
      rowsOn({
        accounts: new Map(accounts),
        channels: new Map(channels),
        used: new Set(used),
        records: new Map(records),
        marks: new Map(marks),
        paid: new Set(paid),
      }),
  };
}

export function memoryRows(): MemoryRows {
  return rowsOn({
    accounts: new Map(),
    channels: new Map(),
    used: new Set(),
    records: new Map(),
    marks: new Map(),
    paid: new Set(),
  });
}

/** What a channel still holds. */
export function heldBy(channel: ChannelRow): bigint {
  if (channel.closing?.settled === true) return channel.unpaid;
  const { deposited, withdrawn } = channel;
  return deposited.initiator + deposited.responder - withdrawn.initiator - withdrawn.responder;
}

/** All money of the ledger. */
export function moneyIn(rows: MemoryRows): bigint {
  const inAccounts = rows.accounts().reduce((sum, [, { balance }]) => sum + balance, 0n);
  return rows.channels().reduce((sum, channel) => sum + heldBy(channel), inAccounts);
}
