import { concatBytes, equalBytes, err, ok, type Result } from "../../core/base/index.ts";

/**
 * The part of ZMTP 3.0 (the wire protocol of ZeroMQ, rfc.zeromq.org/spec/23) that a subscriber without encryption needs:
 *
 *     subscriber                        publisher
 *     greeting (64 bytes)         <->   greeting
 *     READY Socket-Type=SUB       <->   READY Socket-Type=PUB or XPUB
 *     message 0x01 topic           ->
 *                                 <-    messages: topic, body, sequence number
 */

const GREETING_LENGTH = 64;
const FLAG_MORE = 1;
const FLAG_LONG = 2;
const FLAG_COMMAND = 4;
const RESERVED_FLAGS = 0xf8;

/** What bitcoind publishes has three parts: topic, body, sequence number. */
const MAX_PARTS = 3;
/** A transaction is shorter than a block's 4,000,000 bytes. */
const MAX_FRAME = 4_000_000;

const NULL_MECHANISM = ascii("NULL");
const READY = ascii("READY");

function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}

/** Signature, version 3.0, mechanism NULL, not a server. */
export function zmtpGreeting(): Uint8Array {
  const greeting = new Uint8Array(GREETING_LENGTH);
  greeting[0] = 0xff;
  greeting[8] = 1;
  greeting[9] = 0x7f;
  greeting[10] = 3;
  greeting.set(NULL_MECHANISM, 12);
  return greeting;
}

function shortFrame(flags: number, body: Uint8Array): Uint8Array {
  return concatBytes(Uint8Array.of(flags, body.length), body);
}

export function zmtpReady(): Uint8Array {
  const property = concatBytes(Uint8Array.of(11), ascii("Socket-Type"), Uint8Array.of(0, 0, 0, 3), ascii("SUB"));
  return shortFrame(FLAG_COMMAND, concatBytes(Uint8Array.of(READY.length), READY, property));
}

export function zmtpSubscribe(topic: string): Uint8Array {
  return shortFrame(0, concatBytes(Uint8Array.of(1), ascii(topic)));
}

export type ZmtpItem =
  | { readonly type: "greeting" }
  | { readonly type: "ready" }
  /** Any other command: none concerns a subscriber of version 3.0, but ERROR, after which the peer hangs up. */
  | { readonly type: "command" }
  | { readonly type: "message"; readonly parts: readonly Uint8Array[] };

export type ZmtpError = { readonly type: "not_zmtp" | "bad_frame" | "frame_too_long" | "too_many_parts" };

function isGreeting(bytes: Uint8Array): boolean {
  const mechanism = bytes.subarray(12, 32);
  const isNull = mechanism.every((byte, i) => byte === (NULL_MECHANISM[i] ?? 0));
  return bytes[0] === 0xff && bytes[9] === 0x7f && (bytes[10] ?? 0) >= 3 && isNull;
}

type Frame = { readonly flags: number; readonly start: number; readonly end: number };

/** The frame at the start of `bytes`; or how many bytes are needed to know more. */
function readFrame(bytes: Uint8Array): Result<Frame | number, ZmtpError> {
  if (bytes.length < 2) return ok(2);
  const flags = bytes[0] ?? 0;
  const command = (flags & FLAG_COMMAND) !== 0;
  if ((flags & RESERVED_FLAGS) !== 0 || (command && (flags & FLAG_MORE) !== 0)) return err({ type: "bad_frame" });
  const start = (flags & FLAG_LONG) === 0 ? 2 : 9;
  if (bytes.length < start) return ok(start);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const length = start === 2 ? BigInt(bytes[1] ?? 0) : view.getBigUint64(1);
  if (length > BigInt(MAX_FRAME)) return err({ type: "frame_too_long" });
  const end = start + Number(length);
  return ok(bytes.length < end ? end : { flags, start, end });
}

function isReady(command: Uint8Array): boolean {
  return equalBytes(command.subarray(0, 1 + READY.length), concatBytes(Uint8Array.of(READY.length), READY));
}

/**
 * Reads what a publisher sends, in pieces of any length. Holds at most one message and one piece at a time. After an error the
 * connection is of no more use.
 */
export function zmtpReader(): (piece: Uint8Array) => Result<ZmtpItem[], ZmtpError> {
  let pieces: Uint8Array[] = [];
  let have = 0;
  let need = GREETING_LENGTH;
  let greeted = false;
  let parts: Uint8Array[] = [];

  function takeFrame(flags: number, body: Uint8Array, items: ZmtpItem[]): ZmtpError | undefined {
    if ((flags & FLAG_COMMAND) !== 0) {
      items.push({ type: isReady(body) ? "ready" : "command" });
      return undefined;
    }
    if (parts.length === MAX_PARTS) return { type: "too_many_parts" };
    parts.push(body);
    if ((flags & FLAG_MORE) === 0) {
      items.push({ type: "message", parts });
      parts = [];
    }
    return undefined;
  }

  return (piece) => {
    pieces.push(piece);
    have += piece.length;
    const items: ZmtpItem[] = [];
    if (have < need) return ok(items);
    let rest = concatBytes(...pieces);
    if (!greeted) {
      if (!isGreeting(rest)) return err({ type: "not_zmtp" });
      greeted = true;
      items.push({ type: "greeting" });
      rest = rest.subarray(GREETING_LENGTH);
    }
    for (;;) {
      const frame = readFrame(rest);
      if (!frame.ok) return frame;
      if (typeof frame.value === "number") {
        need = frame.value;
        break;
      }
      const { flags, start, end } = frame.value;
      const error = takeFrame(flags, rest.slice(start, end), items);
      if (error !== undefined) return err(error);
      rest = rest.subarray(end);
    }
    pieces = [rest.slice()];
    have = rest.length;
    return ok(items);
  };
}
