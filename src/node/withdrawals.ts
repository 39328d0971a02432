import { invariant, type Satoshi, sat, type Txid, toHex } from "../core/base/index.ts";
import { parseTransaction, type Transaction } from "../core/bitcoin/index.ts";
import type { Outpoint } from "../ports/bitcoin-chain.ts";
import type { WithdrawalRow } from "../ports/store.ts";
import { BLOCKS_KEPT, type ChainTransaction } from "./chain-follower.ts";
import type { Batch } from "./journal.ts";
import type { WalletCoins } from "./wallet-coins.ts";

/** A transaction that pays from the wallet to a script. See decision 0046. */
export type Withdrawal = {
  readonly txid: Txid;
  readonly script: Uint8Array;
  readonly amountSat: Satoshi;
  readonly feeSat: Satoshi;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  /**
   * Unconfirmed: in no block, and given to the network again with each. Confirmed: in the block at `height`. Conflicted: from the
   * block at `height` on it can't be in any, because an input of it is spent in another way or gone; its other coins are free.
   * A reorganisation may change each of them.
   */
  readonly state: "unconfirmed" | "confirmed" | "conflicted";
  readonly height: number | undefined;
  /** What the chain's node answered when it was given the transaction last, where it refused; a new start forgets it. */
  readonly refusal: string | undefined;
};

type Held = {
  readonly row: WithdrawalRow;
  readonly transaction: Transaction;
  readonly refusal: string | undefined;
};

/** The wallet's withdrawals, until their ends are buried. They change within journal works only, as the wallet's coins do. */
export class Withdrawals {
  private readonly held = new Map<string, Held>();
  /** Those that whoever made them is giving to the network for the first time. */
  private readonly fresh = new Set<string>();
  private readonly coins: WalletCoins;
  private readonly onChange: (batch: Batch, withdrawal: Withdrawal) => void;

  constructor(options: {
    rows: readonly WithdrawalRow[];
    coins: WalletCoins;
    /** Called within a work when one is in another state. */
    onChange: (batch: Batch, withdrawal: Withdrawal) => void;
  }) {
    this.coins = options.coins;
    this.onChange = options.onChange;
    const rows = options.rows.toSorted((a, b) => a.createdAt - b.createdAt);
    for (const row of rows) {
      const parsed = parseTransaction(row.transaction);
      invariant(parsed.ok, "a withdrawal is stored as it was made");
      this.held.set(toHex(row.txid), { row, transaction: parsed.value, refusal: undefined });
    }
    for (const { row, transaction } of [...this.held.values()].reverse()) {
      if (row.conflictHeight === undefined) this.coins.resume({ txid: row.txid, transaction }, row.height);
    }
  }

  /** In the order in which they were made. */
  list(): Withdrawal[] {
    return [...this.held.values()].map(withdrawalOf);
  }

  /** One that was just made. The network has its first answer still to give: see `answered`. */
  add(batch: Batch, row: WithdrawalRow, transaction: Transaction): void {
    this.fresh.add(toHex(row.txid));
    this.put(batch, { row, transaction, refusal: undefined });
  }

  /** The network has answered, or could not be asked. */
  answered(txid: Txid): void {
    this.fresh.delete(toHex(txid));
  }

  /** Those to be given to the network: in no block, able to be, and with inputs that nothing else of ours spends. */
  due(): Txid[] {
    return [...this.held.values()].map(({ row }) => row.txid).filter((txid) => this.dueBytes(txid) !== undefined);
  }

  /** What to give to the network; undefined where it is not due, or not any more. */
  dueBytes(txid: Txid): Uint8Array | undefined {
    const held = this.held.get(toHex(txid));
    if (held === undefined || this.fresh.has(toHex(txid))) return undefined;
    const { row, transaction } = held;
    if (row.height !== undefined || row.conflictHeight !== undefined) return undefined;
    return this.coins.isTracked(txid) || this.coins.isFree(transaction) ? row.transaction : undefined;
  }

  /**
   * The network's answer to what was given again. Returns the inputs of which a chain has to be asked whether they are there still, for
   * `settleInput`.
   */
  givenAgain(batch: Batch, txid: Txid, refusal: string | undefined): Outpoint[] {
    const held = this.held.get(toHex(txid));
    if (held === undefined) return [];
    this.held.set(toHex(txid), { ...held, refusal });
    if (refusal !== undefined) return this.coins.doubtsOf(held.transaction);
    this.coins.retake(batch, { txid, transaction: held.transaction });
    return [];
  }

  /** Whether the chain has the output, for it is of a transaction that the mempool does not have. */
  settleInput(batch: Batch, outpoint: Outpoint, unspent: boolean, height: number): void {
    this.coins.settleInput(batch, outpoint, unspent);
    this.review(batch, height);
  }

  /** The network refused it when it was made: nothing came of it, and its coins are free. */
  refused(batch: Batch, txid: Txid, height: number): void {
    if (!this.held.has(toHex(txid))) return;
    this.coins.abandon(batch, txid);
    this.remove(batch, txid);
    this.review(batch, height);
  }

  /** After the coins have taken up the block. */
  connectBlock(batch: Batch, height: number, transactions: readonly ChainTransaction[]): void {
    if (this.held.size === 0) return;
    for (const { txid } of transactions) {
      const held = this.held.get(toHex(txid));
      if (held !== undefined) this.move(batch, held, { height, conflictHeight: undefined });
    }
    this.review(batch, height);
    for (const { row } of [...this.held.values()]) {
      if ((row.height ?? row.conflictHeight ?? height) <= height - BLOCKS_KEPT) this.remove(batch, row.txid);
    }
  }

  /** After the coins have undone the block. */
  disconnectBlock(batch: Batch, height: number): void {
    for (const held of [...this.held.values()]) {
      if (held.row.height === height) this.move(batch, held, { height: undefined, conflictHeight: undefined });
    }
    this.review(batch, height - 1);
  }

  /** Finds out which of those that are in no block can be in one. */
  private review(batch: Batch, height: number): void {
    for (const held of [...this.held.values()]) {
      const { conflictHeight } = held.row;
      if (held.row.height !== undefined) continue;
      const lacks = this.coins.lacksInput(held.transaction);
      if (lacks === (conflictHeight !== undefined)) continue;
      this.move(batch, held, { height: undefined, conflictHeight: lacks ? height : undefined });
    }
  }

  private move(batch: Batch, held: Held, to: Pick<WithdrawalRow, "height" | "conflictHeight">): void {
    const moved = { ...held, row: { ...held.row, ...to }, refusal: undefined };
    this.put(batch, moved);
    this.onChange(batch, withdrawalOf(moved));
  }

  private put(batch: Batch, held: Held): void {
    this.held.set(toHex(held.row.txid), held);
    batch.change({ type: "withdrawal", row: held.row });
  }

  private remove(batch: Batch, txid: Txid): void {
    this.held.delete(toHex(txid));
    batch.change({ type: "withdrawal_removed", txid });
  }
}

function withdrawalOf({ row, transaction, refusal }: Held): Withdrawal {
  const { txid, feeSat, createdAt, height, conflictHeight } = row;
  const output = transaction.outputs[row.outputIndex];
  invariant(output !== undefined, "a withdrawal pays something");
  const { script, amountSat } = output;
  const paid = { txid, script, amountSat: sat(amountSat), feeSat, createdAt, refusal };
  if (height !== undefined) return { ...paid, state: "confirmed", height };
  return { ...paid, state: conflictHeight === undefined ? "unconfirmed" : "conflicted", height: conflictHeight };
}
