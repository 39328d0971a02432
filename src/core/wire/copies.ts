import { concatBytes, err, invariant, ok, type Result } from "../base/index.ts";
import { MAX_COPY_BYTES } from "./limits.ts";
import { ASK_COPY_FAMILY, KEEP_COPY_FAMILY, KEPT_COPY_FAMILY } from "./packet-family.ts";
import type { WireError } from "./wire-error.ts";

/** A packet that asks to keep these bytes, 1 to 64,000, in the place of those before. Not counted. */
export function encodeKeepCopy(copy: Uint8Array): Uint8Array {
  invariant(copy.length > 0 && copy.length <= MAX_COPY_BYTES, `a copy of ${copy.length} bytes`);
  return concatBytes(Uint8Array.of(KEEP_COPY_FAMILY), copy);
}

/** A packet that asks for the bytes that are kept. Not counted. */
export function encodeAskCopy(): Uint8Array {
  return Uint8Array.of(ASK_COPY_FAMILY);
}

/** The answer to it: the bytes, or none where none are kept. Not counted. */
export function encodeKeptCopy(copy: Uint8Array | undefined): Uint8Array {
  const bytes = copy ?? new Uint8Array(0);
  invariant(bytes.length <= MAX_COPY_BYTES, `a copy of ${bytes.length} bytes`);
  return concatBytes(Uint8Array.of(KEPT_COPY_FAMILY), bytes);
}

/** The bytes to be kept. Errors: undecodable, bad_length. */
export function decodeKeepCopy(packet: Uint8Array): Result<Uint8Array, WireError> {
  return bodyOf(packet, KEEP_COPY_FAMILY, "keep_copy", 1);
}

/** The bytes that were kept, none where there are none. Errors: undecodable, bad_length. */
export function decodeKeptCopy(packet: Uint8Array): Result<Uint8Array, WireError> {
  return bodyOf(packet, KEPT_COPY_FAMILY, "kept_copy", 0);
}

function bodyOf(packet: Uint8Array, family: number, message: string, minimum: number): Result<Uint8Array, WireError> {
  if (packet[0] !== family) return err({ type: "undecodable" });
  const actual = packet.length - 1;
  if (actual >= minimum && actual <= MAX_COPY_BYTES) return ok(packet.slice(1));
  return err({ type: "bad_length", message, field: "copy", minimum, maximum: MAX_COPY_BYTES, actual });
}
