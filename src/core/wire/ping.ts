import { concatBytes, err, invariant, ok, type Result } from "../base/index.ts";
import { PING_FAMILY, PONG_FAMILY } from "./packet-family.ts";
import type { WireError } from "./wire-error.ts";

const MAX_PAYLOAD_BYTES = 64;

/** A packet that asks for a pong with the same payload of at most 64 bytes. Not counted. */
export function encodePing(payload: Uint8Array): Uint8Array {
  return packet(PING_FAMILY, payload);
}

export function encodePong(payload: Uint8Array): Uint8Array {
  return packet(PONG_FAMILY, payload);
}

/** The payload of a ping, for the pong. Errors: undecodable, bad_length. */
export function decodePing(bytes: Uint8Array): Result<Uint8Array, WireError> {
  return payloadOf(bytes, PING_FAMILY, "ping");
}

/** The payload of a pong, which its reader compares with its ping's. Errors: undecodable, bad_length. */
export function decodePong(bytes: Uint8Array): Result<Uint8Array, WireError> {
  return payloadOf(bytes, PONG_FAMILY, "pong");
}

function packet(family: number, payload: Uint8Array): Uint8Array {
  invariant(payload.length <= MAX_PAYLOAD_BYTES, `a ping carries at most 64 bytes, got ${payload.length}`);
  return concatBytes(Uint8Array.of(family), payload);
}

function payloadOf(bytes: Uint8Array, family: number, message: string): Result<Uint8Array, WireError> {
  if (bytes[0] !== family) return err({ type: "undecodable" });
  const actual = bytes.length - 1;
  if (actual <= MAX_PAYLOAD_BYTES) return ok(bytes.slice(1));
  return err({ type: "bad_length", message, field: "payload", minimum: 0, maximum: MAX_PAYLOAD_BYTES, actual });
}
