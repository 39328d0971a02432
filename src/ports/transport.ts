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
  /** Queues one transport message of 1 to MAX_MESSAGE_BYTES bytes. After the end it does nothing. */
  send(message: Uint8Array): void;
  /** Ends the connection; queued messages are flushed first. Idempotent. */
  close(): void;
}

/** The greatest transport message, as BOLT 8 has it. */
export const MAX_MESSAGE_BYTES = 65_535;

export type ConnectionEvents = {
  /** Called for each transport message, in order. */
  onMessage(connection: Connection, message: Uint8Array): void;
  /** Called exactly once, also after our own `close`. `reason` is undefined for an orderly end. */
  onEnd(connection: Connection, reason: TransportError | undefined): void;
};

/**
 * Makes and accepts connections. Obligations: `onMessage` is never called before the promise of `connect` was resolved or
 * `onConnection` returned; keys of the handshake come from the Signer and the Random port handed to the constructor.
 */
export interface Transport {
  /** Accepts connections until `close`. Resolves with the address in use (port 0 picks a free one). */
  listen(address: PeerAddress, onConnection: (connection: Connection) => ConnectionEvents): Promise<PeerAddress>;
  /** Connects to `remote` at `address`; rejects with TransportError. */
  connect(
    remote: NodeId,
    address: PeerAddress,
    onConnection: (connection: Connection) => ConnectionEvents,
  ): Promise<Connection>;
  /** Ends listening and every connection. */
  close(): Promise<void>;
}

export type TransportErrorCode = "refused" | "timeout" | "handshake_failed" | "bad_frame" | "lost" | "address_in_use";

export class TransportError extends Error {
  readonly code: TransportErrorCode;
  readonly retryable: boolean;
  constructor(code: TransportErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = "TransportError";
    this.code = code;
    this.retryable = code === "refused" || code === "timeout" || code === "lost";
  }
}
