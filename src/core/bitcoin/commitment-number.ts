// How a commitment's number stands, masked, in its lock time and sequence, so that a revoked one names itself. Source: BOLT 3.
import { concatBytes, invariant } from "../base/index.ts";
import { sha256 } from "../crypto/index.ts";

/** 48 bits. */
const MAX_NUMBER = 2n ** 48n - 1n;
const LOW_24_BITS = 0xff_ffffn;
/** As a lock time, a moment of 1987 and later: always past. */
const LOCK_TIME_TAG = 0x20;
/** As a sequence, no relative lock (BIP 68, disable flag). */
const SEQUENCE_TAG = 0x80;

/**
 * The 48 bits that hide commitment numbers from those who don't know both keys: the last six bytes of the hash of the keys of who opened
 * the channel and of who answered.
 */
export function numberMask(initiatorCommitKey: Uint8Array, responderCommitKey: Uint8Array): bigint {
  let mask = 0n;
  for (const byte of sha256(concatBytes(initiatorCommitKey, responderCommitKey)).subarray(26))
    mask = mask * 256n + BigInt(byte);
  return mask;
}

/** Lock time and sequence of commitment `number`. */
export function numberLocks(number: bigint, mask: bigint): { readonly lockTime: number; readonly sequence: number } {
  invariant(number >= 0n && number <= MAX_NUMBER, `a commitment number has 48 bits, got ${number}`);
  const hidden = number ^ mask;
  return {
    lockTime: LOCK_TIME_TAG * 2 ** 24 + Number(hidden & LOW_24_BITS),
    sequence: SEQUENCE_TAG * 2 ** 24 + Number(hidden >> 24n),
  };
}

/** The number of the commitment with this lock time and sequence, or undefined where they don't hold one. */
export function commitmentNumberOf(lockTime: number, sequence: number, mask: bigint): bigint | undefined {
  if (lockTime >>> 24 !== LOCK_TIME_TAG || sequence >>> 24 !== SEQUENCE_TAG) return undefined;
  const hidden = (BigInt(sequence) & LOW_24_BITS) * 2n ** 24n + (BigInt(lockTime) & LOW_24_BITS);
  return hidden ^ mask;
}
