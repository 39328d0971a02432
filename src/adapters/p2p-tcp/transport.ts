import { createServer, type Server, Socket } from "node:net";
import { invariant, type NodeId } from "../../core/base/index.ts";
import type { HandshakeKeys, KeyReference, Signer } from "../../core/crypto/index.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Random } from "../../ports/random.ts";
import {
  type Connection,
  type ConnectionEvents,
  type PeerAddress,
  type Transport,
  TransportError,
} from "../../ports/transport.ts";
import { ByteReader } from "./byte-reader.ts";
import { TcpConnection } from "./connection.ts";
import { type Attempt, type Established, initiator, type Role, responder, shakeHands } from "./handshake.ts";

/** Where peers listen unless told otherwise. */
export const DEFAULT_PORT = 9745;

const HANDSHAKE_TIMEOUT_MS = 10_000;
/**
 * Strangers that may be within a handshake at once; one more turns the oldest away. An honest handshake takes two round
 * trips, so that it gets through even while somebody holds all places.
 */
const MAX_INCOMING_HANDSHAKES = 64;

export type TcpTransportOptions = {
  readonly signer: Signer;
  /** Our static key; its public key is our node id. */
  readonly nodeKey: KeyReference;
  readonly random: Random;
  readonly clock: Clock;
  /** From the first packet to the last act, in milliseconds; 10 s where not given. */
  readonly handshakeTimeoutMs?: number;
  /** Ends a connection on which nothing arrived for so many milliseconds with `timeout`; never where not given. */
  readonly idleTimeoutMs?: number;
};

type OnConnection = (connection: Connection) => ConnectionEvents;

class TcpTransport implements Transport {
  readonly #options: TcpTransportOptions;
  readonly #nodeId: Uint8Array;
  readonly #servers = new Set<Server>();
  /** Handshakes of strangers, the oldest first. */
  readonly #incoming = new Set<Attempt>();
  readonly #outgoing = new Set<Attempt>();
  readonly #connections = new Set<TcpConnection>();
  /** All that `close` waits for: servers and sockets until their close event, connections until their last event. */
  readonly #alive = new Set<object>();
  #closed: Promise<void> | undefined;
  #resolveClosed: (() => void) | undefined;

  constructor(options: TcpTransportOptions) {
    this.#options = options;
    this.#nodeId = options.signer.publicKey(options.nodeKey);
  }

  listen(address: PeerAddress, onConnection: OnConnection): Promise<PeerAddress> {
    return new Promise((resolve, reject) => {
      if (this.#closed !== undefined) return reject(closedError());
      const server = createServer((socket) => this.#accept(socket, onConnection));
      this.#alive.add(server);
      server.on("close", () => this.#gone(server));
      const onError = (cause: NodeJS.ErrnoException): void => {
        this.#gone(server);
        reject(listenError(address, cause));
      };
      server.once("error", onError);
      server.once("listening", () => {
        server.off("error", onError);
        // Later errors concern one caller that could not be accepted, for lack of file descriptors say.
        server.on("error", () => undefined);
        if (this.#closed !== undefined) {
          server.close();
          return reject(closedError());
        }
        this.#servers.add(server);
        const bound = server.address();
        invariant(bound !== null && typeof bound === "object", "a TCP server has an address");
        resolve({ host: address.host, port: bound.port });
      });
      try {
        server.listen({ host: address.host, port: address.port });
      } catch (cause) {
        onError(asError(cause));
      }
    });
  }

  connect(remote: NodeId, address: PeerAddress, onConnection: OnConnection): Promise<Connection> {
    return new Promise((resolve, reject) => {
      if (this.#closed !== undefined) return reject(closedError());
      const socket = new Socket();
      this.#watch(socket);
      try {
        socket.connect({ host: address.host, port: address.port });
      } catch (cause) {
        const { message } = asError(cause);
        socket.destroy();
        return reject(new TransportError("refused", `cannot connect to ${keyOf(address)}: ${message}`, { cause }));
      }
      this.#shake(socket, initiator(this.#keys(), remote), this.#outgoing, onConnection, resolve, reject);
    });
  }

  #accept(socket: Socket, onConnection: OnConnection): void {
    this.#watch(socket);
    if (this.#closed !== undefined) {
      socket.destroy();
      return;
    }
    const [oldest] = this.#incoming;
    if (oldest !== undefined && this.#incoming.size >= MAX_INCOMING_HANDSHAKES) {
      oldest.abort(new TransportError("lost", "too many unfinished handshakes"));
    }
    const ignore = (): void => undefined;
    this.#shake(socket, responder(this.#keys()), this.#incoming, onConnection, ignore, ignore);
  }

  #shake(
    socket: Socket,
    role: Role,
    attempts: Set<Attempt>,
    onConnection: OnConnection,
    resolve: (connection: Connection) => void,
    reject: (reason: TransportError) => void,
  ): void {
    const { clock, handshakeTimeoutMs: timeoutMs = HANDSHAKE_TIMEOUT_MS } = this.#options;
    const bytes = new ByteReader();
    const attempt = shakeHands(socket, bytes, role, { clock, timeoutMs }, (outcome) => {
      attempts.delete(attempt);
      if (!outcome.ok) return reject(outcome.error);
      const connection = this.#open(socket, attempts === this.#outgoing, bytes, outcome.value, onConnection);
      resolve(connection);
    });
    attempts.add(attempt);
  }

  #open(
    socket: Socket,
    outgoing: boolean,
    bytes: ByteReader,
    established: Established,
    onConnection: OnConnection,
  ): Connection {
    const { clock, idleTimeoutMs } = this.#options;
    const connection = new TcpConnection(socket, outgoing, bytes, established, { clock, idleTimeoutMs });
    this.#connections.add(connection);
    this.#alive.add(connection);
    connection.start(onConnection(connection), () => {
      this.#connections.delete(connection);
      this.#gone(connection);
    });
    return connection;
  }

  /** Keeps count of a socket, and keeps an error of it from being an uncaught exception at any time. */
  #watch(socket: Socket): void {
    this.#alive.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => this.#gone(socket));
  }

  #keys(): HandshakeKeys {
    const { signer, nodeKey, random } = this.#options;
    return {
      localStatic: this.#nodeId,
      ecdh: (publicKey) => signer.ecdh(nodeKey, publicKey),
      ephemeralSecret: random.bytes(32),
    };
  }

  #gone(what: object): void {
    this.#alive.delete(what);
    if (this.#alive.size === 0) this.#resolveClosed?.();
  }

  close(): Promise<void> {
    this.#closed ??= new Promise((resolve) => {
      this.#resolveClosed = resolve;
      for (const server of this.#servers) server.close();
      for (const attempt of [...this.#incoming, ...this.#outgoing]) attempt.abort(closedError());
      for (const connection of this.#connections) connection.close();
      if (this.#alive.size === 0) resolve();
    });
    return this.#closed;
  }
}

function closedError(): TransportError {
  return new TransportError("lost", "the transport was closed");
}

function keyOf(address: PeerAddress): string {
  return `${address.host}:${address.port}`;
}

function asError(cause: unknown): NodeJS.ErrnoException {
  return cause instanceof Error ? cause : new Error(String(cause));
}

function listenError(address: PeerAddress, cause: NodeJS.ErrnoException): TransportError {
  if (cause.code === "EADDRINUSE")
    return new TransportError("address_in_use", `${keyOf(address)} is in use`, { cause });
  return new TransportError("address_unusable", `cannot listen at ${keyOf(address)}: ${cause.message}`, { cause });
}

/**
 * Connections over TCP, encrypted and authenticated as BOLT 8 says. A message is on its way at the end of the turn in which it
 * was sent, together with all others of that turn.
 *
 * Limits against strangers and faulty peers: 64 unfinished handshakes, 64 MiB queued for a peer that doesn't read
 * (`backlog`), 5 s for the other side to hang up after `close`. How many authenticated connections a node keeps, and how
 * many of one peer, is the node's decision. Spec: B2-1, B2-41.
 */
export function tcpTransport(options: TcpTransportOptions): Transport {
  return new TcpTransport(options);
}
