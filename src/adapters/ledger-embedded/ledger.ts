import { asChannelId, concatBytes } from "../../core/base/index.ts";
import {
  type AccountRow,
  type ChannelRow,
  type ContractName,
  type ContractRows,
  decodeTransaction,
  type LedgerDescription,
  type LedgerEntry,
  type LedgerTip,
  type LogPage,
  type SubmitResult,
  type TransactionStatus,
  transactionDigest,
  units,
} from "../../core/contract-channel/index.ts";
import { sha256 } from "../../core/crypto/index.ts";
import type { Clock } from "../../ports/clock.ts";
import { LedgerError } from "../../ports/ledger.ts";
import type { Random } from "../../ports/random.ts";
import { type Blocks, blocks } from "./blocks.ts";
import { FAUCET_LIMIT, faucetTransfer } from "./faucet.ts";
import { openFile, type Sql, using } from "./file.ts";
import { describe, type Genesis, genesis } from "./genesis.ts";
import { applyAt, type Pending, type Pool, pool } from "./pool.ts";
import { type StateRows, stateRows } from "./state-rows.ts";

export type EmbeddedLedgerOptions = {
  /** An existing directory of the ledger's own: `ledger.db` in it. Undefined: in memory, gone with the process. */
  readonly directory: string | undefined;
  readonly clock: Pick<Clock, "after">;
  readonly random: Random;
  /** A block that often, whether or not something waits. Undefined: only by `mine`. */
  readonly blockEveryMs?: number | undefined;
  /** How many of the newest blocks `retract` may take back; 0 by default. For tests of what depends on the ledger. */
  readonly retractable?: number;
};

/**
 * A ledger of one process: the rules of contract channels, blocks, and a file. Synchronous, and the owner of its file; a block is durable
 * before `mine` returns. `embeddedLedger` shows it as the port, `serveLedger` to other processes. Throws LedgerError.
 */
export type EmbeddedLedger = {
  readonly description: LedgerDescription;
  tip(): LedgerTip;
  account(id: Uint8Array): AccountRow;
  channel(id: Uint8Array): ChannelRow | undefined;
  contract(channel: Uint8Array, name: ContractName): ContractRows;
  submit(body: Uint8Array): SubmitResult;
  transaction(id: Uint8Array): TransactionStatus;
  log(page: LogPage): readonly LedgerEntry[];
  /** Makes blocks of what waits, one by default; gives the tip. */
  mine(count?: number): LedgerTip;
  /** Takes back the newest blocks; what was in them waits again. Throws beyond `retractable`. */
  retract(depth: number): LedgerTip;
  /** Sends money to an account in the next block: at most `FAUCET_LIMIT`. */
  faucet(account: Uint8Array, amount: bigint): SubmitResult;
  /** Calls `listener` after each change of the tip. */
  subscribe(listener: () => void): () => void;
  close(): void;
};

/** What one block takes at most. The rest waits for the next. */
const MAX_BLOCK_TRANSACTIONS = 1_000;
const MAX_BLOCK_BYTES = 8 << 20;

type Parts = { readonly sql: Sql; readonly rows: StateRows; readonly chain: Blocks; readonly waiting: Pool } & Genesis;

/** Includes what waits, in its order, as far as it fits; what can't be included any more is dropped. */
function fill({ waiting, rows, chain, terms }: Parts, height: number): readonly Uint8Array[] {
  const ids: Uint8Array[] = [];
  let bytes = 0;
  for (const { id, body, transaction } of waiting.waiting()) {
    bytes += body.length;
    if (ids.length >= MAX_BLOCK_TRANSACTIONS || bytes > MAX_BLOCK_BYTES) break;
    waiting.remove(id);
    const applied = applyAt(rows, transaction, terms, height);
    if (!applied.ok) {
      waiting.drop(id, applied.error);
      continue;
    }
    const { changes, channelId, events } = applied.value;
    rows.write(changes, height);
    chain.include(height, ids.length, { id, body, channelId, events });
    ids.push(id);
  }
  return ids;
}

/** Makes one block, durably. */
function makeBlock(parts: Parts, before: LedgerTip, retractable: number): void {
  const { sql, chain, rows } = parts;
  sql.transaction(() => {
    const height = before.height + 1;
    const ids = fill(parts, height);
    // With the cursor, a block in a retracted one's place is another block.
    const cursor = new TextEncoder().encode(String(before.cursor));
    chain.add(height, sha256(concatBytes(before.hash, cursor, ...ids)));
    chain.settle(height - retractable);
    rows.forget(height - retractable);
  })();
}

/** Takes the newest block back; gives what was in it. */
function takeBlock({ sql, chain, rows, terms }: Parts, height: number): readonly Pending[] {
  const bodies = chain.bodies(height);
  sql.transaction(() => {
    chain.retract(height);
    rows.undo(height);
  })();
  return bodies.flatMap(({ body }) => {
    const decoded = decodeTransaction(body);
    if (!decoded.ok) throw new LedgerError("corrupt", "a block of the ledger's file holds what is no transaction");
    return [{ id: transactionDigest(terms.domain, decoded.value), transaction: decoded.value, body }];
  });
}

function submitTo({ waiting, chain, terms }: Parts, body: Uint8Array): SubmitResult {
  const decoded = decodeTransaction(body);
  if (!decoded.ok) return { type: "refused", refusal: decoded.error };
  const id = transactionDigest(terms.domain, decoded.value);
  if (waiting.has(id) || chain.height(id) !== undefined) return { type: "already_known", id };
  const added = waiting.add({ id, transaction: decoded.value, body });
  if (added.ok) return { type: "accepted", id };
  return added.error === "busy" ? { type: "busy" } : { type: "refused", refusal: added.error };
}

function statusIn({ waiting, chain }: Parts, id: Uint8Array, tip: LedgerTip): TransactionStatus {
  if (waiting.has(id)) return { type: "pending" };
  const height = chain.height(id);
  if (height !== undefined) return { type: "included", height, confirmations: tip.height - height + 1 };
  const refusal = waiting.dropped(id);
  return refusal === undefined ? { type: "unknown" } : { type: "dropped", refusal };
}

/** Opens a ledger, or makes it. Throws LedgerError: `locked`, `corrupt` or `io`. */
export function openLedger(options: EmbeddedLedgerOptions): EmbeddedLedger {
  const { sql, file } = openFile(options.directory);
  try {
    return using(file, () => ledgerOn(sql, file, options));
  } catch (cause) {
    sql.close();
    throw cause;
  }
}

function ledgerOn(sql: Sql, file: string, options: EmbeddedLedgerOptions): EmbeddedLedger {
  const { blockEveryMs, retractable = 0, clock, random } = options;
  const rows = stateRows(sql);
  const found = genesis(sql, rows, (length) => random.bytes(length));
  const chain = blocks(sql);
  const waiting = pool(rows, found.terms);
  const parts: Parts = { sql, rows, chain, waiting, ...found };
  const listeners = new Set<() => void>();
  let tip = chain.tip();
  let isOpen = true;

  function changed(returned: readonly Pending[]): void {
    tip = chain.tip();
    waiting.rebuild(tip.height + 1, returned);
  }

  function notify(): LedgerTip {
    for (const listener of listeners) listener();
    return tip;
  }

  function mine(count = 1): LedgerTip {
    for (let made = 0; made < count; made++) {
      using(file, () => makeBlock(parts, tip, retractable));
      changed([]);
    }
    return notify();
  }

  function retract(depth: number): LedgerTip {
    let returned: readonly Pending[] = [];
    for (let taken = 0; taken < depth; taken++) {
      if (taken >= retractable || !chain.isUndoable(tip.height)) {
        throw new LedgerError("io", `${taken} blocks were retracted; the one at ${tip.height} stays for ever`);
      }
      returned = [...using(file, () => takeBlock(parts, tip.height)), ...returned];
      tip = chain.tip();
    }
    changed(returned);
    return notify();
  }

  function schedule(): () => void {
    if (blockEveryMs === undefined) return () => {};
    return clock.after(blockEveryMs, () => {
      mine();
      cancelTimer = schedule();
    });
  }

  changed([]);
  let cancelTimer = schedule();
  return {
    description: describe(found.terms, { blockEveryMs, retractable }),
    tip: () => tip,
    account: (id) => using(file, () => rows.account(id) ?? { balance: units(0), nonce: 0n }),
    channel: (id) => using(file, () => rows.channel(asChannelId(id))),
    contract: (id, name) => using(file, () => contractIn(rows, id, name)),
    submit: (body) => using(file, () => submitTo(parts, body)),
    transaction: (id) => using(file, () => statusIn(parts, id, tip)),
    log: (page) => using(file, () => chain.log(page)),
    mine,
    retract,
    faucet(account, amount) {
      if (amount < 1n || amount > FAUCET_LIMIT) {
        return { type: "refused", refusal: { type: "funds_missing", needed: amount, balance: FAUCET_LIMIT } };
      }
      const from = { rows: waiting.rows(), terms: found.terms, secret: found.faucetSecret };
      return using(file, () => submitTo(parts, faucetTransfer(from, account, amount)));
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    close() {
      if (!isOpen) return;
      isOpen = false;
      cancelTimer();
      listeners.clear();
      sql.close();
    },
  };
}

function contractIn(rows: StateRows, id: Uint8Array, { leafHash, contractId, slot }: ContractName): ContractRows {
  const channel = asChannelId(id);
  return {
    record: rows.record(channel, leafHash),
    mark: rows.mark(channel, contractId),
    isPaid: rows.isPaid(channel, slot),
  };
}
