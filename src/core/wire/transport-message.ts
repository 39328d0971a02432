import { err, invariant, ok, type Result } from "../base/index.ts";
import { MAX_PACKET_BYTES } from "./limits.ts";
import type { WireError } from "./wire-error.ts";

/** The longest transport message: BOLT 8 writes its length in two bytes. */
const MAX_TRANSPORT_MESSAGE_BYTES = 65_535;

const HEADER_BYTES = 8;
const TWO_TO_32 = 2 ** 32;

/** A decrypted message of the transport: packets that share one acknowledge. */
export type TransportMessage = {
  /** How many of the receiver's packets the sender had processed when it made these. Spec: B2-5. */
  readonly acknowledge: number;
  /** At least one; one of no bytes only acknowledges. After decoding these are views of the message. */
  readonly packets: readonly Uint8Array[];
};

/** `acknowledge` as 8 bytes little-endian, then each packet after its length as an unsigned LEB128 varint. */
export function encodeTransportMessage(acknowledge: number, packets: readonly Uint8Array[]): Uint8Array {
  invariant(Number.isSafeInteger(acknowledge) && acknowledge >= 0, `not a count: ${acknowledge}`);
  invariant(packets.length > 0, "a transport message carries at least one packet");
  let length = HEADER_BYTES;
  for (const packet of packets) length += framedLength(packet);
  invariant(length <= MAX_TRANSPORT_MESSAGE_BYTES, `a transport message of ${length} bytes`);
  const message = new Uint8Array(length);
  const view = new DataView(message.buffer);
  view.setUint32(0, acknowledge % TWO_TO_32, true);
  view.setUint32(4, Math.floor(acknowledge / TWO_TO_32), true);
  let at = HEADER_BYTES;
  for (const packet of packets) {
    let rest = packet.length;
    for (; rest >= 0x80; rest >>>= 7) message[at++] = (rest & 0x7f) | 0x80;
    message[at++] = rest;
    message.set(packet, at);
    at += packet.length;
  }
  return message;
}

/**
 * Reads a transport message. Errors: undecodable (cut short, no packet, a length that isn't minimal), packet_too_long,
 * number_too_large for an acknowledge above 2^53 - 1.
 */
export function decodeTransportMessage(bytes: Uint8Array): Result<TransportMessage, WireError> {
  if (bytes.length > MAX_TRANSPORT_MESSAGE_BYTES) {
    return err({ type: "packet_too_long", limit: MAX_TRANSPORT_MESSAGE_BYTES, actual: bytes.length });
  }
  if (bytes.length <= HEADER_BYTES) return err({ type: "undecodable" });
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER_BYTES);
  const acknowledge = view.getUint32(4, true) * TWO_TO_32 + view.getUint32(0, true);
  if (!Number.isSafeInteger(acknowledge)) {
    const actual = view.getBigUint64(0, true);
    const limit = BigInt(Number.MAX_SAFE_INTEGER);
    return err({ type: "number_too_large", message: "transport_message", field: "acknowledge", limit, actual });
  }
  const packets: Uint8Array[] = [];
  for (let at = HEADER_BYTES; at < bytes.length; ) {
    const length = readLength(bytes, at);
    if (length === undefined) return err({ type: "undecodable" });
    if (length > MAX_PACKET_BYTES) return err({ type: "packet_too_long", limit: MAX_PACKET_BYTES, actual: length });
    const start = at + lengthOfVarint(length);
    at = start + length;
    if (at > bytes.length) return err({ type: "undecodable" });
    packets.push(bytes.subarray(start, at));
  }
  return ok({ acknowledge, packets });
}

/**
 * Packets with one acknowledge as transport messages of at most `limit` bytes, in order, as few as will do. No packets
 * give no messages.
 */
export function joinPackets(
  acknowledge: number,
  packets: readonly Uint8Array[],
  limit = MAX_TRANSPORT_MESSAGE_BYTES,
): Uint8Array[] {
  const messages: Uint8Array[] = [];
  let start = 0;
  let length = HEADER_BYTES;
  for (const [index, packet] of packets.entries()) {
    const framed = framedLength(packet);
    invariant(HEADER_BYTES + framed <= limit, `a packet of ${packet.length} bytes in a message of ${limit}`);
    if (length + framed > limit) {
      messages.push(encodeTransportMessage(acknowledge, packets.slice(start, index)));
      start = index;
      length = HEADER_BYTES;
    }
    length += framed;
  }
  if (start < packets.length) messages.push(encodeTransportMessage(acknowledge, packets.slice(start)));
  return messages;
}

function framedLength(packet: Uint8Array): number {
  invariant(packet.length <= MAX_PACKET_BYTES, `a packet of ${packet.length} bytes`);
  return lengthOfVarint(packet.length) + packet.length;
}

function lengthOfVarint(value: number): number {
  if (value < 0x80) return 1;
  return value < 0x4000 ? 2 : 3;
}

/** A minimal LEB128 number of at most three bytes, or undefined. */
function readLength(bytes: Uint8Array, at: number): number | undefined {
  let value = 0;
  for (let i = 0; i < 3; i++) {
    const byte = bytes[at + i];
    if (byte === undefined) return undefined;
    value |= (byte & 0x7f) << (7 * i);
    if (byte < 0x80) return byte === 0 && i > 0 ? undefined : value;
  }
  return undefined;
}
