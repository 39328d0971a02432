import type { NodeId } from "../core/base/index.ts";

/** Where a node listens. */
export type PeerAddress = { readonly host: string; readonly port: number };

/**
 * One encrypted, authenticated connection. Messages arrive whole and in order; a lost connection is an end, never an
 * error of the channel. Spec: B2-1, B2-41.
 */
export interface Connection {
  /** The peer's proven static key. */
  readonly remote: NodeId;
  /** True where we made the connection. */
  readonly outgoing: boolean;
  /**
   * Queues one transport message of 1 to MAX_MESSAGE_BYTES bytes; another length throws InvariantBroken. The bytes may be
   * changed as soon as it returned. After `close` or the end it does nothing.
   */
  send(message: Uint8Array): void;
  /** Ends the connection; queued messages are flushed first, and `onMessage` is not called any more. Idempotent. */
  close(): void;
}

/** The greatest transport message, as BOLT 8 has it. */
export const MAX_MESSAGE_BYTES = 65_535;

/** Neither is ever called from within a call of `send`, `close` or `connect`. */
export type ConnectionEvents = {
  /** Called for each transport message, in order. The bytes are the receiver's to keep. */
  onMessage(connection: Connection, message: Uint8Array): void;
  /** Called exactly once and last, also after our own `close`. `reason` is undefined for an orderly end. */
  onEnd(connection: Connection, reason: TransportError | undefined): void;
};

/**
 * Makes and accepts connections. Obligations: `onMessage` is never called before the promise of `connect` was resolved or
 * `onConnection` returned; keys of the handshake come from the Signer and the Random port handed to the constructor.
 */
export interface Transport {
  /**
   * Accepts connections until `close`. Resolves with the address in use (port 0 picks a free one); rejects with
   * TransportError. A caller whose handshake fails is turned away without anybody being told.
   */
  listen(address: PeerAddress, onConnection: (connection: Connection) => ConnectionEvents): Promise<PeerAddress>;
  /** Connects to `remote` at `address`; rejects with TransportError. */
  connect(
    remote: NodeId,
    address: PeerAddress,
    onConnection: (connection: Connection) => ConnectionEvents,
  ): Promise<Connection>;
  /**
   * Ends listening and every connection as `Connection.close` does, and rejects what is still connecting with `lost`.
   * Resolves after the last `onEnd`. A closed transport can neither listen nor connect again. Idempotent.
   */
  close(): Promise<void>;
}

export type TransportErrorCode =
  /** Nobody could be reached at the address. */
  | "refused"
  /** The peer did not answer in time. */
  | "timeout"
  /** The peer did not prove the expected key, or speaks another protocol. */
  | "handshake_failed"
  /** The peer sent what does not decrypt, or an empty message. */
  | "bad_frame"
  /** The connection broke, or our transport was closed. */
  | "lost"
  /** The peer does not read what we send: too many bytes are queued. */
  | "backlog"
  /** Somebody listens at the address already. */
  | "address_in_use"
  /** We cannot listen at this address for another reason. */
  | "address_unusable";

export class TransportError extends Error {
  readonly code: TransportErrorCode;
  readonly retryable: boolean;
  constructor(code: TransportErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = "TransportError";
    this.code = code;
    this.retryable = code === "refused" || code === "timeout" || code === "lost" || code === "backlog";
  }
}
