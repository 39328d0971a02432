import { MAX_SATOSHI, type Msat, msat, type Satoshi, sat } from "../base/index.ts";
import { isLowS, secp256k1 } from "../crypto/index.ts";
import { type EightWords, type FourWords, fromEight, fromFour } from "./fixed64.ts";
import type { bitcoin_pubkey, locktime } from "./gen/pkt_pb.ts";
import type { WireError } from "./wire-error.ts";

/** A compact signature that relays: neither r nor s is zero, and s is low. Source: BIP 146. */
export function isUsableSignature(signature64: Uint8Array): boolean {
  return signature64.subarray(0, 32).some(Boolean) && signature64.subarray(32).some(Boolean) && isLowS(signature64);
}

/**
 * Takes the fields of one received message out of their wire types and remembers the first that breaks a rule. Each
 * function returns a value of the right type in any case; it is worth something only where `error` ends up undefined.
 */
export type FieldChecks = {
  readonly error: () => WireError | undefined;
  /** A copy of the bytes. */
  readonly bytes: (field: string, value: Uint8Array | undefined, minimum: number, maximum: number) => Uint8Array;
  readonly hash: (field: string, value: FourWords | undefined) => Uint8Array;
  readonly publicKey: (field: string, value: bitcoin_pubkey | undefined) => Uint8Array;
  readonly signature: (field: string, value: EightWords | undefined) => Uint8Array;
  readonly blocks: (field: string, value: locktime | undefined, limit: number) => number;
  readonly satoshi: (field: string, value: bigint) => Satoshi;
  readonly msat: (field: string, value: bigint) => Msat;
  /** The elements of a repeated field, or none where they are too few or too many. */
  readonly list: <T>(field: string, values: readonly T[], minimum: number, maximum: number) => readonly T[];
};

export function fieldChecks(message: string): FieldChecks {
  let first: WireError | undefined;
  const fail = (error: WireError): void => {
    first ??= error;
  };
  const missing = (field: string): void => fail({ type: "missing_field", message, field });
  const atMost = (field: string, actual: bigint, limit: bigint): bigint => {
    if (actual <= limit) return actual;
    fail({ type: "number_too_large", message, field, limit, actual });
    return 0n;
  };
  const bytes: FieldChecks["bytes"] = (field, value, minimum, maximum) => {
    const actual = value?.length ?? 0;
    if (value === undefined) missing(field);
    else if (actual < minimum || actual > maximum)
      fail({ type: "bad_length", message, field, minimum, maximum, actual });
    else return value.slice();
    return new Uint8Array(minimum);
  };
  return {
    error: () => first,
    bytes,
    hash: (field, value) => {
      if (value !== undefined) return fromFour(value);
      missing(field);
      return new Uint8Array(32);
    },
    publicKey: (field, value) => {
      if (value === undefined) missing(field);
      else if (!secp256k1.isPublicKey(value.key)) fail({ type: "bad_public_key", message, field });
      else return value.key.slice();
      return new Uint8Array(33);
    },
    signature: (field, value) => {
      if (value === undefined) missing(field);
      const compact = value === undefined ? new Uint8Array(64) : fromEight(value);
      if (!isUsableSignature(compact)) fail({ type: "bad_signature", message, field });
      return compact;
    },
    blocks: (field, value, limit) => {
      const lock = value?.locktime;
      if (lock?.case === undefined) missing(field);
      else if (lock.case === "seconds" || lock.value > limit) fail({ type: "bad_locktime", message, field });
      else return lock.value;
      return 0;
    },
    satoshi: (field, value) => sat(atMost(field, value, MAX_SATOSHI)),
    msat: (field, value) => msat(atMost(field, value, MAX_SATOSHI * 1000n)),
    list: (field, values, minimum, maximum) => {
      const actual = values.length;
      if (actual >= minimum && actual <= maximum) return values;
      fail({ type: "bad_count", message, field, minimum, maximum, actual });
      return [];
    },
  };
}
