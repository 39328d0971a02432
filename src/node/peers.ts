import { type NodeId, toHex } from "../core/base/index.ts";
import type { Clock } from "../ports/clock.ts";
import type { OutboxRow, PeerRow, StreamRow } from "../ports/store.ts";
import {
  type Connection,
  type ConnectionEvents,
  type PeerAddress,
  type Transport,
  TransportError,
} from "../ports/transport.ts";
import type { Events } from "./events.ts";
import type { Batch, Journal } from "./journal.ts";
import { newStream, Session, type SessionHandlers } from "./session.ts";

const FIRST_RETRY_MS = 250;
const LAST_RETRY_MS = 30_000;

/** Everybody we know: sessions, and the connections that carry them. A peer with an address is dialled until it answers. */
export class Peers {
  private readonly sessions = new Map<string, Session>();
  private readonly retries = new Map<string, () => void>();
  private readonly transport: Transport;
  private readonly clock: Clock;
  private readonly journal: Journal;
  private readonly events: Events;
  private readonly handlers: SessionHandlers;
  private nextIndex = 0;
  private stopped = false;

  constructor(options: {
    transport: Transport;
    clock: Clock;
    journal: Journal;
    events: Events;
    handlers: SessionHandlers;
  }) {
    this.transport = options.transport;
    this.clock = options.clock;
    this.journal = options.journal;
    this.events = options.events;
    this.handlers = options.handlers;
  }

  /** Takes up a peer that was loaded. */
  adopt(peer: PeerRow, stream: StreamRow | undefined, outbox: readonly OutboxRow[]): Session {
    return this.add(peer, stream ?? newStream(peer.index), outbox, true);
  }

  private add(peer: PeerRow, stream: StreamRow, outbox: readonly OutboxRow[], stored: boolean): Session {
    const session = new Session({ peer, stream, outbox, handlers: this.handlers, stored });
    this.sessions.set(toHex(peer.nodeId), session);
    this.nextIndex = Math.max(this.nextIndex, peer.index + 1);
    return session;
  }

  session(nodeId: NodeId): Session | undefined {
    return this.sessions.get(toHex(nodeId));
  }

  all(): readonly Session[] {
    return [...this.sessions.values()];
  }

  listen(address: PeerAddress): Promise<PeerAddress> {
    return this.transport.listen(address, (connection) => this.connected(connection, undefined));
  }

  /** Connects, or rejects with TransportError. Once it has worked, the connection is made again whenever it is lost. */
  async connect(nodeId: NodeId, address: PeerAddress): Promise<void> {
    if (this.session(nodeId)?.connected === true) return;
    await this.transport.connect(nodeId, address, (connection) => this.connected(connection, address));
  }

  /** Dials every peer whose address is known. */
  start(): void {
    for (const session of this.sessions.values()) this.redial(session.nodeId, 0);
  }

  async stop(): Promise<void> {
    this.stopped = true;
    for (const cancel of this.retries.values()) cancel();
    this.retries.clear();
    await this.transport.close();
  }

  private connected(connection: Connection, address: PeerAddress | undefined): ConnectionEvents {
    const { remote } = connection;
    this.journal.post("peer", (batch) => {
      this.sessionFor(batch, remote, address).connect(batch, connection);
      batch.afterCommit(() => this.events.emit({ type: "peer_connected", peer: remote }));
    });
    return {
      onMessage: (_, message) =>
        this.journal.post("peer", (batch) => this.session(remote)?.receive(batch, connection, message)),
      onEnd: (_, reason) => {
        this.journal.post("peer", (batch) => this.disconnected(batch, connection, reason));
        this.redial(remote, FIRST_RETRY_MS);
      },
    };
  }

  private sessionFor(batch: Batch, nodeId: NodeId, address: PeerAddress | undefined): Session {
    const peer = { index: this.nextIndex, nodeId, address: undefined };
    const session = this.session(nodeId) ?? this.add(peer, newStream(peer.index), [], false);
    if (address !== undefined) session.locate(batch, address);
    return session;
  }

  /** A peer that only connected and said nothing is forgotten with its connection. */
  private disconnected(batch: Batch, connection: Connection, reason: TransportError | undefined): void {
    const { remote } = connection;
    const session = this.session(remote);
    session?.disconnect(connection);
    if (session?.isStranger === true && !session.connected) this.sessions.delete(toHex(remote));
    batch.afterCommit(() => this.events.emit({ type: "peer_disconnected", peer: remote, reason: reason?.message }));
  }

  private redial(nodeId: NodeId, delayMs: number): void {
    const key = toHex(nodeId);
    const address = this.sessions.get(key)?.peer.address;
    if (this.stopped || address === undefined) return;
    this.retries.get(key)?.();
    const cancel = this.clock.after(delayMs, () => {
      this.retries.delete(key);
      this.connect(nodeId, address).catch((cause: unknown) => {
        const problem = cause instanceof TransportError ? cause.message : String(cause);
        this.events.emit({ type: "trouble", problem: `connecting to ${key}: ${problem}` });
        this.redial(nodeId, Math.min(Math.max(2 * delayMs, FIRST_RETRY_MS), LAST_RETRY_MS));
      });
    });
    this.retries.set(key, cancel);
  }
}
