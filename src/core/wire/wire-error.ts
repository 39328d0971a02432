import { assertNever } from "../base/index.ts";

/**
 * Why bytes from a peer are not a message. `message` and `field` are the names in the `.proto` file, but for an unknown
 * field, which only has a number.
 */
export type WireError =
  /** Longer than a packet or a transport message may be; bytes. */
  | { readonly type: "packet_too_long"; readonly limit: number; readonly actual: number }
  /** Not protobuf, or not as this protocol writes it: cut short, a wrong wire type, a number too large, a field twice. */
  | { readonly type: "undecodable" }
  /** The first byte names no family of packets. */
  | { readonly type: "unknown_family"; readonly family: number }
  | { readonly type: "missing_field"; readonly message: string; readonly field: string }
  | { readonly type: "unknown_even_field"; readonly message: string; readonly field: number }
  /** Two members of a oneof, which can hold one. */
  | { readonly type: "two_members"; readonly message: string; readonly oneof: string }
  | { readonly type: "bad_public_key"; readonly message: string; readonly field: string }
  /** r or s is zero, or s is high. */
  | { readonly type: "bad_signature"; readonly message: string; readonly field: string }
  /** Seconds where blocks are asked for, or more blocks than the field can hold. */
  | { readonly type: "bad_locktime"; readonly message: string; readonly field: string }
  /** A byte string whose length is outside `minimum` to `maximum`. */
  | {
      readonly type: "bad_length";
      readonly message: string;
      readonly field: string;
      readonly minimum: number;
      readonly maximum: number;
      readonly actual: number;
    }
  /** A repeated field with fewer than `minimum` or more than `maximum` elements. */
  | {
      readonly type: "bad_count";
      readonly message: string;
      readonly field: string;
      readonly minimum: number;
      readonly maximum: number;
      readonly actual: number;
    }
  /** A number above `limit`. */
  | {
      readonly type: "number_too_large";
      readonly message: string;
      readonly field: string;
      readonly limit: bigint;
      readonly actual: bigint;
    };

/** The rule that the bytes break, by its id. */
export function wireErrorRule(error: WireError): string {
  switch (error.type) {
    case "unknown_even_field":
      return "B2-2";
    case "bad_public_key":
      return "B2-10";
    case "bad_locktime":
      return "B2-57";
    case "packet_too_long":
    case "undecodable":
    case "unknown_family":
      return "B2-1";
    case "missing_field":
    case "two_members":
    case "bad_signature":
    case "bad_length":
    case "bad_count":
    case "number_too_large":
      if (error.message.startsWith("funding_")) return "LS-1";
      return error.message === "open_channel" ? "B2-8" : "B2-1";
    default:
      return assertNever(error);
  }
}
