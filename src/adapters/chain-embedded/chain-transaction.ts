import { err, ok, type Result, type Txid, toHex } from "../../core/base/index.ts";
import {
  type BadTransaction,
  parseTransaction,
  serializeTransaction,
  type Transaction,
  transactionId,
  transactionWeight,
} from "../../core/bitcoin/index.ts";
import { hash256 } from "../../core/crypto/index.ts";

/** A transaction with what the chain asks of it again and again. */
export type ChainTransaction = {
  readonly transaction: Transaction;
  /** Serialised with witness. */
  readonly raw: Uint8Array;
  readonly txid: Txid;
  /** `txid` in hexadecimal, serialised order: the key of maps. */
  readonly key: string;
  /** Hash with witness. Source: BIP 141. */
  readonly wtxid: Uint8Array;
  readonly weight: number;
  /** Weight divided by four, rounded up. */
  readonly virtualSize: number;
};

export function chainTransaction(transaction: Transaction): ChainTransaction {
  const raw = serializeTransaction(transaction, { witness: true });
  const txid = transactionId(transaction);
  const weight = transactionWeight(transaction);
  return {
    transaction,
    raw,
    txid,
    key: toHex(txid),
    wtxid: hash256(raw),
    weight,
    virtualSize: Math.ceil(weight / 4),
  };
}

export function parseChainTransaction(raw: Uint8Array): Result<ChainTransaction, BadTransaction> {
  const parsed = parseTransaction(raw);
  return parsed.ok ? ok(chainTransaction(parsed.value)) : err(parsed.error);
}
