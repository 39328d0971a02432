import { err, ok, type Result } from "../base/index.ts";
import type { WireError } from "./wire-error.ts";

/** The first byte of a packet of the payment channel. */
export const PKT_FAMILY = 0;
const LAST_FRAME_FAMILY = 99;
export const PING_FAMILY = 100;
export const PONG_FAMILY = 101;
export const KEEP_COPY_FAMILY = 102;
export const ASK_COPY_FAMILY = 103;
export const KEPT_COPY_FAMILY = 104;
const LAST_UNCOUNTED_FAMILY = 127;

/** Copies of a peer's data: to be kept, asked for, and given back. */
export type CopyFamily = "keep_copy" | "ask_copy" | "kept_copy";

/** `other_uncounted` is gossip, and what a later version adds to the families that are never counted. */
export type PacketFamily = "pkt" | "frame" | "ping" | "pong" | CopyFamily | "other_uncounted";

/**
 * What a packet is, by its first byte: 0 a `pkt`, 1 to 99 a frame of the contract channel (both counted and
 * acknowledged), 100 a ping, 101 a pong, 102 to 104 copies, up to 127 others that are not counted. Errors: unknown_family above that;
 * undecodable for a packet of no bytes, which only acknowledges and belongs to no family.
 */
export function packetFamily(packet: Uint8Array): Result<PacketFamily, WireError> {
  const family = packet[0];
  if (family === undefined) return err({ type: "undecodable" });
  if (family === PKT_FAMILY) return ok("pkt");
  if (family <= LAST_FRAME_FAMILY) return ok("frame");
  if (family === PING_FAMILY) return ok("ping");
  if (family === PONG_FAMILY) return ok("pong");
  if (family === KEEP_COPY_FAMILY) return ok("keep_copy");
  if (family === ASK_COPY_FAMILY) return ok("ask_copy");
  if (family === KEPT_COPY_FAMILY) return ok("kept_copy");
  if (family <= LAST_UNCOUNTED_FAMILY) return ok("other_uncounted");
  return err({ type: "unknown_family", family });
}
