import { err, ok, type Result, toHex } from "../../core/base/index.ts";
import {
  type Applied,
  applyTransaction,
  type LedgerRows,
  type LedgerTerms,
  layOver,
  type Refusal,
  type Transaction,
  workingRows,
} from "../../core/contract-channel/index.ts";
import { ed25519Verify } from "../../core/crypto/index.ts";

/** A transaction that waits for a block. */
export type Pending = { readonly id: Uint8Array; readonly transaction: Transaction; readonly body: Uint8Array };

/** What may wait at once: of all accounts, of one, and in bytes. */
const MAX_PENDING = 5_000;
const MAX_PENDING_OF_ACCOUNT = 64;
const MAX_PENDING_BYTES = 64 << 20;
/** How many refused transactions are remembered, the newest. */
const MAX_DROPPED = 1_000;

export function applyAt(
  rows: LedgerRows,
  transaction: Transaction,
  terms: LedgerTerms,
  height: number,
): Result<Applied, Refusal> {
  return applyTransaction(rows, transaction, { terms, height, verify: ed25519Verify });
}

/**
 * What waits for a block, in the order of arrival. Each was tried on top of those before it, as the next block would include it; so those of one
 * account stand in the order of their nonces, without gaps.
 */
export type Pool = {
  has(id: Uint8Array): boolean;
  dropped(id: Uint8Array): Refusal | undefined;
  /** Tries the transaction on top of all that waits. */
  add(pending: Pending): Result<undefined, Refusal | "busy">;
  waiting(): readonly Pending[];
  /** The rows as they would be after the next block. */
  rows(): LedgerRows;
  remove(id: Uint8Array): void;
  drop(id: Uint8Array, refusal: Refusal): void;
  /** After the rows underneath have changed: tries everything again in its order, with what came back from blocks first. */
  rebuild(height: number, returned: readonly Pending[]): void;
};

export function pool(under: LedgerRows, terms: LedgerTerms): Pool {
  let waiting = new Map<string, Pending>();
  let perAccount = new Map<string, number>();
  let bytes = 0;
  let rows = workingRows(under);
  let next = 1;
  const dropped = new Map<string, Refusal>();

  function drop(id: Uint8Array, refusal: Refusal): void {
    dropped.delete(toHex(id));
    dropped.set(toHex(id), refusal);
    const oldest = dropped.size > MAX_DROPPED ? dropped.keys().next() : undefined;
    if (oldest?.done === false) dropped.delete(oldest.value);
  }

  function isFull({ transaction, body }: Pending): boolean {
    if (waiting.size >= MAX_PENDING || bytes + body.length > MAX_PENDING_BYTES) return true;
    return (perAccount.get(toHex(transaction.from)) ?? 0) >= MAX_PENDING_OF_ACCOUNT;
  }

  function count({ transaction, body }: Pending, by: 1 | -1): void {
    const from = toHex(transaction.from);
    const own = (perAccount.get(from) ?? 0) + by;
    if (own === 0) perAccount.delete(from);
    else perAccount.set(from, own);
    bytes += by * body.length;
  }

  function add(pending: Pending): Result<undefined, Refusal | "busy"> {
    if (isFull(pending)) return err("busy");
    const applied = applyAt(rows, pending.transaction, terms, next);
    if (!applied.ok) return applied;
    layOver(rows, applied.value.changes);
    waiting.set(toHex(pending.id), pending);
    count(pending, 1);
    dropped.delete(toHex(pending.id));
    return ok(undefined);
  }

  return {
    has: (id) => waiting.has(toHex(id)),
    dropped: (id) => dropped.get(toHex(id)),
    add,
    waiting: () => [...waiting.values()],
    rows: () => rows,
    remove(id) {
      const pending = waiting.get(toHex(id));
      if (pending !== undefined) count(pending, -1);
      waiting.delete(toHex(id));
    },
    drop,
    rebuild(height, returned) {
      const again = [...returned, ...waiting.values()];
      waiting = new Map();
      perAccount = new Map();
      bytes = 0;
      rows = workingRows(under);
      next = height;
      for (const pending of again) {
        const added = add(pending);
        // What there is no room for is forgotten: its sender asks, and submits it again.
        if (!added.ok && added.error !== "busy") drop(pending.id, added.error);
      }
    },
  };
}
