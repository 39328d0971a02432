import { txidFromDisplay } from "../../core/base/index.ts";
import { ChainError } from "../../ports/bitcoin-chain.ts";

const SAT_PER_BTC = 100_000_000;
const MAX_BTC = 21_000_000;

/**
 * An amount in satoshi from the JSON number of bitcoin that the node writes, or undefined if it is no such amount.
 *
 * Exact, although the number went through a double: the node writes at most eight decimals, so the double is the one nearest
 * to n / 10^8 for a whole n of at most 2.1 * 10^15. Reading and multiplying each round by 2^-53 of the value at most,
 * together less than half a satoshi, so rounding gives n; and dividing n again gives the very double that was read,
 * which the last check demands.
 */
export function satoshiFromBtc(value: unknown): bigint | undefined {
  if (typeof value !== "number" || !(value >= 0 && value <= MAX_BTC)) return undefined;
  const amount = Math.round(value * SAT_PER_BTC);
  return amount / SAT_PER_BTC === value ? BigInt(amount) : undefined;
}

/** The bytes of hexadecimal digits, or undefined. Blocks pass through here: megabytes, so the built-in decoder. */
export function bytesFromHex(value: unknown): Uint8Array | undefined {
  if (typeof value !== "string") return undefined;
  const bytes = Buffer.from(value, "hex");
  // The decoder stops silently at the first character that is not a digit.
  if (bytes.length * 2 !== value.length) return undefined;
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** The fields of an answer to `method`; each reader throws ChainError `bad_response` unless the field is as it should be. */
export type Fields = {
  text(name: string): string;
  whole(name: string): number;
  flag(name: string): boolean;
  /** Satoshi. */
  amount(name: string): bigint;
  bytes(name: string): Uint8Array;
  fields(name: string): Fields;
};

function unexpected(method: string, what: string): ChainError {
  return new ChainError("bad_response", `the node's answer to ${method} has no usable ${what}`);
}

export function readFields(method: string, value: unknown): Fields {
  if (typeof value !== "object" || value === null) throw unexpected(method, "object");
  const object = value as Readonly<Record<string, unknown>>;
  const field = <T>(name: string, read: (value: unknown) => T | undefined): T => {
    const found = read(object[name]);
    if (found === undefined) throw unexpected(method, name);
    return found;
  };
  return {
    text: (name) => field(name, (v) => (typeof v === "string" ? v : undefined)),
    whole: (name) => field(name, (v) => (typeof v === "number" && Number.isSafeInteger(v) && v >= 0 ? v : undefined)),
    flag: (name) => field(name, (v) => (typeof v === "boolean" ? v : undefined)),
    amount: (name) => field(name, satoshiFromBtc),
    bytes: (name) => field(name, bytesFromHex),
    fields: (name) =>
      readFields(
        method,
        field(name, (v) => v),
      ),
  };
}

/** A displayed block hash as the 32 bytes of the serialised header. */
export function readBlockHash(method: string, value: unknown): Uint8Array {
  const hash = typeof value === "string" ? txidFromDisplay(value) : undefined;
  if (hash === undefined) throw unexpected(method, "block hash");
  return hash;
}
