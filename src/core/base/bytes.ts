import { invariant } from "./invariant.ts";

declare const txid: unique symbol;
declare const paymentHash: unique symbol;
declare const channelId: unique symbol;
declare const nodeId: unique symbol;

/** A transaction id in the byte order of the serialised transaction (the reverse of how it is displayed). 32 bytes. */
export type Txid = Uint8Array & { readonly [txid]: true };
/** SHA-256 of a payment's 32-byte secret. 32 bytes. */
export type PaymentHash = Uint8Array & { readonly [paymentHash]: true };
/** Names a channel between two peers. 32 bytes. */
export type ChannelId = Uint8Array & { readonly [channelId]: true };
/** A node's static public key. 33 bytes, compressed. */
export type NodeId = Uint8Array & { readonly [nodeId]: true };

function sized(bytes: Uint8Array, length: number, what: string): Uint8Array {
  invariant(bytes.length === length, `${what} has ${length} bytes, got ${bytes.length}`);
  return bytes;
}

export function asTxid(bytes: Uint8Array): Txid {
  return sized(bytes, 32, "a txid") as Txid;
}

export function asPaymentHash(bytes: Uint8Array): PaymentHash {
  return sized(bytes, 32, "a payment hash") as PaymentHash;
}

export function asChannelId(bytes: Uint8Array): ChannelId {
  return sized(bytes, 32, "a channel id") as ChannelId;
}

export function asNodeId(bytes: Uint8Array): NodeId {
  return sized(bytes, 33, "a node id") as NodeId;
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** Lower-case hexadecimal. Core uses it for map keys and messages only. */
export function toHex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += HEX[byte];
  return text;
}

/** The bytes of a hexadecimal string of even length, or undefined. */
export function fromHex(text: string): Uint8Array | undefined {
  if (text.length % 2 !== 0 || /[^0-9a-fA-F]/.test(text)) return undefined;
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return compareBytes(a, b) === 0;
}

/** Lexicographic order; a prefix comes first. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const joined = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

/** The bytes of a txid as people write it: reversed, hexadecimal. */
export function txidToDisplay(id: Txid): string {
  return toHex(id.slice().reverse());
}

/** Reads a displayed txid, or undefined where it is not 64 hexadecimal digits. */
export function txidFromDisplay(text: string): Txid | undefined {
  const bytes = text.length === 64 ? fromHex(text) : undefined;
  return bytes === undefined ? undefined : asTxid(bytes.reverse());
}
