import { err, invariant, ok, type Result } from "../base/index.ts";
import { hkdfPair, open, sealInto, TAG_BYTES } from "./noise-cipher.ts";

/** The longest plaintext of one transport message, in bytes. Source: BOLT 8. */
export const MAX_TRANSPORT_MESSAGE = 65535;
/** Bytes of the encrypted length that precedes each message. */
export const TRANSPORT_HEADER_BYTES: number = 2 + TAG_BYTES;

const MESSAGES_PER_KEY = 1000;

/** A header or body that the key doesn't authenticate: close the connection without another message. */
export interface BadTransportTag {
  readonly type: "bad_transport_tag";
}

/** One direction's key, its counter and its chaining key; a new key after each 1000 uses. Source: BOLT 8, key rotation. */
class DirectionKey {
  #chainingKey: Uint8Array;
  #key: Uint8Array;
  #counter = 0;

  constructor(chainingKey: Uint8Array, key: Uint8Array) {
    this.#chainingKey = chainingKey;
    this.#key = key;
  }

  sealInto(out: Uint8Array, plaintext: Uint8Array): void {
    sealInto(out, this.#key, this.#counter, plaintext);
    this.#advance();
  }

  open(sealed: Uint8Array): Uint8Array | undefined {
    const plaintext = open(this.#key, this.#counter, sealed);
    if (plaintext !== undefined) this.#advance();
    return plaintext;
  }

  #advance(): void {
    this.#counter++;
    if (this.#counter < MESSAGES_PER_KEY) return;
    [this.#chainingKey, this.#key] = hkdfPair(this.#chainingKey, this.#key);
    this.#counter = 0;
  }
}

/**
 * Both directions of a connection after its handshake: owns the keys, does no I/O. The order of calls is the order on the wire.
 * Most of a call's cost is the set-up of its two ciphers, so that one long message is far cheaper than many short ones.
 */
export class NoiseTransport {
  readonly #sending: DirectionKey;
  readonly #receiving: DirectionKey;
  /** Length of the body that comes next, or undefined where a header does. */
  #bodyLength: number | undefined;

  /** Three times 32 bytes, as the handshake yields them. Source: BOLT 8, end of act three. */
  constructor(chainingKey: Uint8Array, sendingKey: Uint8Array, receivingKey: Uint8Array) {
    this.#sending = new DirectionKey(chainingKey, sendingKey);
    this.#receiving = new DirectionKey(chainingKey, receivingKey);
  }

  /** Header and body of one message, `plaintext.length + 34` bytes. More than 65,535 bytes throw InvariantBroken. */
  encryptMessage(plaintext: Uint8Array): Uint8Array {
    const { length } = plaintext;
    invariant(length <= MAX_TRANSPORT_MESSAGE, `a transport message has at most 65535 bytes, got ${length}`);
    const message = new Uint8Array(TRANSPORT_HEADER_BYTES + length + TAG_BYTES);
    this.#sending.sealInto(message, Uint8Array.of(length >> 8, length & 0xff));
    this.#sending.sealInto(message.subarray(TRANSPORT_HEADER_BYTES), plaintext);
    return message;
  }

  /** The number of bytes of the body that follows an 18-byte header, its tag included: 16 to 65,551. */
  decryptLength(header: Uint8Array): Result<number, BadTransportTag> {
    invariant(this.#bodyLength === undefined, "a body is due before the next header");
    invariant(header.length === TRANSPORT_HEADER_BYTES, `a header has 18 bytes, got ${header.length}`);
    const [high, low] = this.#receiving.open(header) ?? [];
    if (high === undefined || low === undefined) return err({ type: "bad_transport_tag" });
    this.#bodyLength = high * 256 + low + TAG_BYTES;
    return ok(this.#bodyLength);
  }

  /** The plaintext of a body, which has exactly the length that `decryptLength` gave. */
  decryptBody(body: Uint8Array): Result<Uint8Array, BadTransportTag> {
    invariant(body.length === this.#bodyLength, `a body has ${this.#bodyLength} bytes, got ${body.length}`);
    const plaintext = this.#receiving.open(body);
    if (plaintext === undefined) return err({ type: "bad_transport_tag" });
    this.#bodyLength = undefined;
    return ok(plaintext);
  }
}
