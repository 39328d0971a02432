/**
 * A codec by hand for the four messages that make up a payment, several times as fast as the generated one and with the
 * same bytes. It knows one layout, the one that `encodeGenerated` writes; for everything else, errors included, it
 * answers undefined and the generated codec decides.
 */
import { asChannelId, asPaymentHash, type ChannelId, msat } from "../base/index.ts";
import { isUsableSignature } from "./field-checks.ts";
import { MAX_EXPIRY_HEIGHT, MAX_ROUTE_BYTES, MAX_UINT32 } from "./limits.ts";
import type { Pkt, PktMessage, UpdateAddHtlc, UpdateCommit, UpdateFulfillHtlc, UpdateRevocation } from "./messages.ts";
import { PKT_FAMILY } from "./packet-family.ts";
import { type Cursor, readVarint } from "./protobuf-scan.ts";

const ADD_HTLC = tag(2, 2);
const FULFILL_HTLC = tag(3, 2);
const COMMIT = tag(6, 2);
const REVOCATION = tag(7, 2);
/** Field 101 takes a tag of two bytes; then the length. */
const CHANNEL_ID = [0xaa, 0x06, 32] as const;
const CHANNEL_ID_BYTES = CHANNEL_ID.length + 32;

function tag(field: number, wireType: number): number {
  return 8 * field + wireType;
}

/** The packet, or undefined where the generated codec has to write it. */
export function encodeHot({ channelId, message }: Pkt): Uint8Array | undefined {
  switch (message.type) {
    case "update_add_htlc":
      return encodeAdd(message, channelId);
    case "update_fulfill_htlc":
      return encodeFulfill(message, channelId);
    case "update_commit":
      return encodeCommit(message, channelId);
    case "update_revocation":
      return encodeRevocation(message, channelId);
    default:
      return undefined;
  }
}

function encodeAdd(message: UpdateAddHtlc, channelId: ChannelId | undefined): Uint8Array | undefined {
  const id = Number(message.id);
  const amount = Number(message.amountMsat);
  const { expiry, paymentHash, route } = message;
  if (!isCount(id) || !isCount(amount, MAX_UINT32) || !isCount(expiry, MAX_EXPIRY_HEIGHT)) return undefined;
  if (paymentHash.length !== 32 || route.length > MAX_ROUTE_BYTES) return undefined;
  const routing = 1 + varintLength(route.length) + route.length;
  const locktime = 1 + varintLength(expiry);
  const body =
    1 +
    varintLength(id) +
    (1 + varintLength(amount)) +
    WORDS_OF_32 +
    (2 + locktime) +
    (1 + varintLength(routing) + routing);
  const writer = openPacket(ADD_HTLC, body, channelId);
  if (writer === undefined) return undefined;
  putVarint(writer, tag(1, 0), id);
  putVarint(writer, tag(2, 0), amount);
  putWords(writer, tag(3, 2), paymentHash);
  putVarint(writer, tag(4, 2), locktime);
  putVarint(writer, tag(2, 0), expiry);
  putVarint(writer, tag(5, 2), routing);
  putVarint(writer, tag(1, 2), route.length);
  writer.bytes.set(route, writer.at);
  return writer.bytes;
}

function encodeFulfill(message: UpdateFulfillHtlc, channelId: ChannelId | undefined): Uint8Array | undefined {
  const id = Number(message.id);
  if (!isCount(id) || message.preimage.length !== 32) return undefined;
  const writer = openPacket(FULFILL_HTLC, 1 + varintLength(id) + WORDS_OF_32, channelId);
  if (writer === undefined) return undefined;
  putVarint(writer, tag(1, 0), id);
  putWords(writer, tag(2, 2), message.preimage);
  return writer.bytes;
}

function encodeCommit({ signature }: UpdateCommit, channelId: ChannelId | undefined): Uint8Array | undefined {
  const writer = signature.length === 64 ? openPacket(COMMIT, WORDS_OF_64, channelId) : undefined;
  if (writer === undefined) return undefined;
  putWords(writer, tag(1, 2), signature);
  return writer.bytes;
}

function encodeRevocation(message: UpdateRevocation, channelId: ChannelId | undefined): Uint8Array | undefined {
  const { nextRevocationHash, preimage } = message;
  if (preimage.length !== 32 || nextRevocationHash.length !== 32) return undefined;
  const writer = openPacket(REVOCATION, 2 * WORDS_OF_32, channelId);
  if (writer === undefined) return undefined;
  putWords(writer, tag(1, 2), preimage);
  putWords(writer, tag(2, 2), nextRevocationHash);
  return writer.bytes;
}

type Writer = { readonly bytes: Uint8Array; at: number };

/** Tag, length and words of 8 bytes after a tag each: a hash or preimage, and a signature. */
const WORDS_OF_32 = 2 + 4 * 9;
const WORDS_OF_64 = 2 + 8 * 9;

function isCount(value: number, limit = Number.MAX_SAFE_INTEGER): boolean {
  return Number.isInteger(value) && value >= 0 && value <= limit;
}

function varintLength(value: number): number {
  let length = 1;
  for (let rest = value; rest >= 128; rest /= 128) length++;
  return length;
}

/** A packet of the right size, filled but for its body. */
function openPacket(member: number, bodyLength: number, channelId: ChannelId | undefined): Writer | undefined {
  if (channelId !== undefined && channelId.length !== 32) return undefined;
  const start = 2 + varintLength(bodyLength);
  const bodyEnd = start + bodyLength;
  const bytes = new Uint8Array(bodyEnd + (channelId === undefined ? 0 : CHANNEL_ID_BYTES));
  const writer = { bytes, at: 1 };
  bytes[0] = PKT_FAMILY;
  putVarint(writer, member, bodyLength);
  if (channelId !== undefined) {
    bytes.set(CHANNEL_ID, bodyEnd);
    bytes.set(channelId, bodyEnd + CHANNEL_ID.length);
  }
  return writer;
}

function putVarint(writer: Writer, tag: number, value: number): void {
  const { bytes } = writer;
  bytes[writer.at++] = tag;
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes[writer.at++] = (rest % 128) | 0x80;
  bytes[writer.at++] = rest;
}

function putWords(writer: Writer, outerTag: number, value: Uint8Array): void {
  const { bytes } = writer;
  putVarint(writer, outerTag, (value.length / 8) * 9);
  let at = writer.at;
  for (let i = 0; i < value.length; i++) {
    if (i % 8 === 0) bytes[at++] = tag(1 + i / 8, 1);
    bytes[at++] = value[i] ?? 0;
  }
  writer.at = at;
}

/** The message of a packet, or undefined where the generated codec has to read or refuse it. */
export function decodeHot(packet: Uint8Array): Pkt | undefined {
  const outer = { bytes: packet, at: 2, end: packet.length };
  const length = readVarint(outer);
  if (packet[0] !== PKT_FAMILY || length === undefined || length > outer.end - outer.at) return undefined;
  const body = { bytes: packet, at: outer.at, end: outer.at + length };
  const message = decodeBody(packet[1], body);
  if (message === undefined || body.at !== body.end) return undefined;
  if (body.end === packet.length) return { channelId: undefined, message };
  const namesChannel = CHANNEL_ID.every((byte, index) => packet[body.end + index] === byte);
  if (!namesChannel || body.end + CHANNEL_ID_BYTES !== packet.length) return undefined;
  return { channelId: asChannelId(packet.slice(body.end + CHANNEL_ID.length)), message };
}

function decodeBody(member: number | undefined, body: Cursor): PktMessage | undefined {
  switch (member) {
    case ADD_HTLC:
      return decodeAdd(body);
    case FULFILL_HTLC:
      return decodeFulfill(body);
    case COMMIT:
      return decodeCommit(body);
    case REVOCATION:
      return decodeRevocation(body);
    default:
      return undefined;
  }
}

function decodeAdd(body: Cursor): UpdateAddHtlc | undefined {
  const id = takeVarint(body, tag(1, 0));
  const amount = takeVarint(body, tag(2, 0), MAX_UINT32);
  const hash = takeWords(body, tag(3, 2), 32);
  const locktime = takeVarint(body, tag(4, 2));
  const afterLocktime = body.at + (locktime ?? 0);
  const expiry = takeVarint(body, tag(2, 0), MAX_EXPIRY_HEIGHT);
  if (body.at !== afterLocktime) return undefined;
  const routing = takeVarint(body, tag(5, 2));
  const afterRouting = body.at + (routing ?? 0);
  const routeLength = takeVarint(body, tag(1, 2), MAX_ROUTE_BYTES);
  if (id === undefined || amount === undefined || hash === undefined || expiry === undefined) return undefined;
  if (routeLength === undefined || body.at + routeLength !== afterRouting || afterRouting !== body.end)
    return undefined;
  const route = body.bytes.slice(body.at, body.end);
  body.at = body.end;
  const paymentHash = asPaymentHash(hash);
  return { type: "update_add_htlc", id: BigInt(id), amountMsat: msat(amount), paymentHash, expiry, route };
}

function decodeFulfill(body: Cursor): UpdateFulfillHtlc | undefined {
  const id = takeVarint(body, tag(1, 0));
  const preimage = takeWords(body, tag(2, 2), 32);
  if (id === undefined || preimage === undefined) return undefined;
  return { type: "update_fulfill_htlc", id: BigInt(id), preimage };
}

function decodeCommit(body: Cursor): UpdateCommit | undefined {
  const signature = takeWords(body, tag(1, 2), 64);
  if (signature === undefined || !isUsableSignature(signature)) return undefined;
  return { type: "update_commit", signature };
}

function decodeRevocation(body: Cursor): UpdateRevocation | undefined {
  const preimage = takeWords(body, tag(1, 2), 32);
  const nextRevocationHash = takeWords(body, tag(2, 2), 32);
  if (preimage === undefined || nextRevocationHash === undefined) return undefined;
  return { type: "update_revocation", preimage, nextRevocationHash };
}

/** The varint, exact and at most `limit`, after a tag of one byte; undefined for anything else. */
function takeVarint(cursor: Cursor, tag: number, limit = Number.MAX_SAFE_INTEGER): number | undefined {
  if (cursor.bytes[cursor.at] !== tag) return undefined;
  cursor.at++;
  const value = readVarint(cursor);
  return value === undefined || value > limit ? undefined : value;
}

/** The bytes of a sha256_hash, rval or signature: fixed64 fields in order. */
function takeWords(cursor: Cursor, outerTag: number, size: number): Uint8Array | undefined {
  const { bytes } = cursor;
  const encoded = (size / 8) * 9;
  if (takeVarint(cursor, outerTag) !== encoded || encoded > cursor.end - cursor.at) return undefined;
  const value = new Uint8Array(size);
  let at = cursor.at;
  for (let i = 0; i < size; i++) {
    if (i % 8 === 0 && bytes[at++] !== tag(1 + i / 8, 1)) return undefined;
    value[i] = bytes[at++] ?? 0;
  }
  cursor.at = at;
  return value;
}
