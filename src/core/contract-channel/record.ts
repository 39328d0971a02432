import type { Result } from "../base/index.ts";
import { decodeFields, fieldWriter, type Malformed } from "./fields.ts";

/**
 * What the ledger keeps of one contract's best evidence. It is never run again at another height, and survives a change of round. Keyed by the
 * leaf's hash, so that it dies with its root.
 */
export type EvidenceRecord = {
  readonly nonce: number;
  /** When it was recorded. */
  readonly height: number;
  /** From then on it counts. Equal to `height`: at once, and nothing replaces it. */
  readonly until: number;
  /** The beneficiary's share of the stakes, in parts of 10,000. */
  readonly amount: number;
};

export function isFinal(record: EvidenceRecord): boolean {
  return record.until === record.height;
}

/** 14 bytes: nonce, height, until of 4 each, amount of 2. */
export function encodeRecord({ nonce, height, until, amount }: EvidenceRecord): Uint8Array {
  return fieldWriter().number(nonce, 4).number(height, 4).number(until, 4).number(amount, 2).done();
}

export function decodeRecord(bytes: Uint8Array): Result<EvidenceRecord, Malformed> {
  return decodeFields(bytes, (fields) => ({
    nonce: fields.number(4, "nonce"),
    height: fields.number(4, "height"),
    until: fields.number(4, "until"),
    amount: fields.number(2, "amount"),
  }));
}
