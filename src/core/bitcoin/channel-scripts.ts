// The scripts of a payment channel, written from the view of the holder ("own") of the commitment in which they stand; "other" is
// its peer. `revocation` is HASH160 of the revocation preimage, `payment` HASH160 of the payment preimage: 20 bytes each,
// RIPEMD-160 of the SHA-256 hashes that the wire carries. Spec: LS-8, B2-45.
//
// No script may hold the same value as `payment` and as `revocation`: whoever refuses such a hash does so before it comes here.
import { compareBytes, invariant } from "../base/index.ts";
import { assemble, OP, push, pushNumber } from "./script.ts";

/** Blocks that a holder waits. The 16 bits of a relative lock. Source: BIP 68. */
const MAX_DELAY_BLOCKS = 0xffff;
/** From here on a lock time is a time and no height. Source: BIP 65. */
const LOCK_TIME_THRESHOLD = 500_000_000;

export type ToSelfTerms = {
  readonly revocation: Uint8Array;
  readonly ownFinalKey: Uint8Array;
  readonly othFinalKey: Uint8Array;
  /** Blocks that the holder waits, as the other side asked. */
  readonly delay: number;
};

export type HtlcTerms = ToSelfTerms & {
  readonly payment: Uint8Array;
  /** A height. */
  readonly expiry: number;
};

function key(publicKey: Uint8Array): Uint8Array {
  invariant(publicKey.length === 33, `a compressed public key has 33 bytes, got ${publicKey.length}`);
  return push(publicKey);
}

function hash(hash160: Uint8Array): Uint8Array {
  invariant(hash160.length === 20, `a HASH160 has 20 bytes, got ${hash160.length}`);
  return push(hash160);
}

function delayBlocks(delay: number): Uint8Array {
  invariant(delay >= 0 && delay <= MAX_DELAY_BLOCKS, `a delay of 0 to ${MAX_DELAY_BLOCKS} blocks, got ${delay}`);
  return pushNumber(delay);
}

function height(expiry: number): Uint8Array {
  invariant(expiry >= 0 && expiry < LOCK_TIME_THRESHOLD, `a height, got ${expiry}`);
  return pushNumber(expiry);
}

/** The channel's funding: 2 of 2, the keys in ascending byte order whichever way they are given. 71 bytes. Spec: B2-12. */
export function anchorScript(commitKey: Uint8Array, otherCommitKey: Uint8Array): Uint8Array {
  const [first, second] = anchorKeyOrder(commitKey, otherCommitKey);
  return assemble(OP.TWO, key(first), key(second), OP.TWO, OP.CHECKMULTISIG);
}

/** The two commit keys as the script of the anchor lists them, and their signatures with them. */
export function anchorKeyOrder(a: Uint8Array, b: Uint8Array): readonly [Uint8Array, Uint8Array] {
  return compareBytes(a, b) <= 0 ? [a, b] : [b, a];
}

/** The holder after the delay, or the other with the revocation preimage at once. */
export function toSelfScript({ revocation, ownFinalKey, othFinalKey, delay }: ToSelfTerms): Uint8Array {
  return assemble(
    ...[OP.HASH160, hash(revocation), OP.EQUAL],
    ...[OP.IF, key(othFinalKey)],
    ...[OP.ELSE, delayBlocks(delay), OP.CHECKSEQUENCEVERIFY, OP.DROP, key(ownFinalKey)],
    ...[OP.ENDIF, OP.CHECKSIG],
  );
}

/**
 * An HTLC that the holder offered: the other with the payment preimage or the revocation preimage, or the holder after expiry and
 * delay. Every path asks for an element of 32 bytes, so that a preimage which works in one channel works in every other.
 */
export function htlcOfferedScript({
  revocation,
  payment,
  ownFinalKey,
  othFinalKey,
  delay,
  expiry,
}: HtlcTerms): Uint8Array {
  return assemble(
    ...[OP.SIZE, pushNumber(32), OP.EQUALVERIFY],
    ...[OP.HASH160, OP.DUP, hash(payment), OP.EQUAL, OP.SWAP, hash(revocation), OP.EQUAL, OP.ADD],
    ...[OP.IF, key(othFinalKey)],
    ...[OP.ELSE, height(expiry), OP.CHECKLOCKTIMEVERIFY, delayBlocks(delay), OP.CHECKSEQUENCEVERIFY, OP.DROP2],
    ...[key(ownFinalKey), OP.ENDIF, OP.CHECKSIG],
  );
}

/**
 * An HTLC that the holder received: the holder with the payment preimage after the delay, or the other with the revocation preimage
 * at once, or the other after expiry.
 */
export function htlcReceivedScript({
  revocation,
  payment,
  ownFinalKey,
  othFinalKey,
  delay,
  expiry,
}: HtlcTerms): Uint8Array {
  return assemble(
    ...[OP.SIZE, pushNumber(32), OP.EQUALVERIFY],
    ...[OP.HASH160, OP.DUP, hash(payment), OP.EQUAL],
    ...[OP.IF, delayBlocks(delay), OP.CHECKSEQUENCEVERIFY, OP.DROP2, key(ownFinalKey)],
    ...[OP.ELSE, hash(revocation), OP.EQUAL, OP.NOTIF, height(expiry), OP.CHECKLOCKTIMEVERIFY, OP.DROP, OP.ENDIF],
    ...[key(othFinalKey), OP.ENDIF, OP.CHECKSIG],
  );
}

/** SIZE <32> EQUALVERIFY HASH160 DUP, then `payment` with its length byte. */
const AFTER_PAYMENT = 6 + 21;

/** Where the 20 bytes of `payment` stand in the script of an HTLC. */
export const PAYMENT_OFFSET = AFTER_PAYMENT - 20;

/** Where the 20 bytes of `revocation` stand in each script: all that changes from one commitment to the next. */
export const REVOCATION_OFFSET = {
  toSelf: 2,
  offered: AFTER_PAYMENT + 3,
  received: (delay: number): number => AFTER_PAYMENT + 2 + delayBlocks(delay).length + 2 + 34 + 2,
} as const;
