import { compareBytes, type NodeId, toHex } from "../core/base/index.ts";
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
import { Inbox } from "./inbox.ts";
import type { Batch, Journal } from "./journal.ts";
import { KeepAlive } from "./keep-alive.ts";
import { newStream, Session, type SessionHandlers } from "./session.ts";

const FIRST_RETRY_MS = 250;
const LAST_RETRY_MS = 30_000;
const YIELD_MS = 1_000;
/** Connections of peers without a channel, whom we did not dial. One more, and the oldest is ended. */
const MAX_STRANGERS = 256;

/** Everybody we know: sessions, and the connections that carry them. A peer with an address is dialled until it answers. */
export class Peers {
  private readonly sessions = new Map<string, Session>();
  /** The newest connection with each peer, until it ends. */
  private readonly connections = new Map<string, Connection>();
  /** Connections that were made by strangers, the oldest first. */
  private readonly strangers = new Set<Connection>();
  /** Indexes of peers that were forgotten, and how many packets the store may still hold under them. */
  private readonly freeIndexes = new Map<number, number>();
  private readonly retries = new Map<string, () => void>();
  /** Those whom we dial and who have dialled us. */
  private readonly dialUs = new Set<string>();
  private readonly nodeId: NodeId;
  private readonly transport: Transport;
  private readonly clock: Clock;
  private readonly journal: Journal;
  private readonly events: Events;
  private readonly handlers: SessionHandlers;
  private nextIndex = 0;
  private stopped = false;

  constructor(options: {
    /** Our own. */
    nodeId: NodeId;
    transport: Transport;
    clock: Clock;
    journal: Journal;
    events: Events;
    handlers: SessionHandlers;
  }) {
    this.nodeId = options.nodeId;
    this.transport = options.transport;
    this.clock = options.clock;
    this.journal = options.journal;
    this.events = options.events;
    this.handlers = options.handlers;
  }

  /** Takes up a peer that was loaded. */
  adopt(peer: PeerRow, stream: StreamRow | undefined, outbox: readonly OutboxRow[]): void {
    const { handlers } = this;
    this.nextIndex = Math.max(this.nextIndex, peer.index + 1);
    this.add(
      new Session({ peer, stream: stream ?? newStream(peer.index), outbox, handlers, stored: true, clock: this.clock }),
    );
  }

  private add(session: Session): Session {
    this.sessions.set(toHex(session.nodeId), session);
    return session;
  }

  /** A session under an index that nobody has: a number that only grew would end one day. */
  private create(nodeId: NodeId): Session {
    const [free] = this.freeIndexes;
    const [index, leftover] = free ?? [this.nextIndex++, 0];
    this.freeIndexes.delete(index);
    const { handlers } = this;
    const peer = { index, nodeId, address: undefined };
    const { clock } = this;
    return this.add(
      new Session({ peer, stream: newStream(index), outbox: [], handlers, stored: false, leftover, clock }),
    );
  }

  private forget({ peer, sent }: Session): void {
    this.sessions.delete(toHex(peer.nodeId));
    this.freeIndexes.set(peer.index, sent);
  }

  session(nodeId: NodeId): Session | undefined {
    return this.sessions.get(toHex(nodeId));
  }

  all(): readonly Session[] {
    return [...this.sessions.values()];
  }

  /** What is stored of them. */
  rows(): { readonly peers: readonly PeerRow[]; readonly streams: readonly StreamRow[] } {
    const stored = this.all().flatMap((session) => session.rows ?? []);
    return { peers: stored.map(({ peer }) => peer), streams: stored.map(({ stream }) => stream) };
  }

  listen(address: PeerAddress): Promise<PeerAddress> {
    return this.transport.listen(address, (connection) => this.connected(connection, undefined));
  }

  /** Connects, or rejects with TransportError. Once it has worked, the connection is made again whenever it is lost. */
  async connect(nodeId: NodeId, address: PeerAddress): Promise<void> {
    if (this.connections.has(toHex(nodeId))) return;
    await this.transport.connect(nodeId, address, (connection) => this.connected(connection, address));
  }

  /** Forgets whom there is nothing with any more, and dials every peer whose address is known. */
  start(): void {
    for (const session of this.all()) {
      if (session.isStranger) this.forget(session);
      else this.redial(session.nodeId, 0);
    }
  }

  async stop(): Promise<void> {
    this.stopped = true;
    for (const cancel of this.retries.values()) cancel();
    this.retries.clear();
    await this.transport.close();
  }

  private connected(connection: Connection, address: PeerAddress | undefined): ConnectionEvents {
    const { remote } = connection;
    const key = toHex(remote);
    const before = this.connections.get(key);
    this.connections.set(key, connection);
    before?.close();
    if (address === undefined && this.session(remote)?.isStranger !== false) this.admit(connection);
    if (address === undefined && this.session(remote)?.peer.address !== undefined) this.dialUs.add(key);
    this.journal.post("peer", (batch) => {
      this.sessionFor(batch, remote, address).connect(batch, connection);
      batch.afterCommit(() => this.events.emit({ type: "peer_connected", peer: remote }));
    });
    const inbox = new Inbox({
      journal: this.journal,
      receive: (batch, message) => this.session(remote)?.receive(batch, connection, message) ?? 0,
      isStranger: () => this.session(remote)?.isStranger !== false,
      onFull: (bytes) => {
        connection.close();
        this.events.emit({ type: "trouble", problem: `${key} is cut off: ${bytes} bytes of it wait to be processed` });
      },
    });
    const keepAlive = new KeepAlive({
      clock: this.clock,
      connection,
      onDead: () => {
        connection.close();
        this.events.emit({ type: "trouble", problem: `${key} does not answer: its connection is ended` });
      },
    });
    return {
      onMessage: (_, message) => {
        keepAlive.heard();
        inbox.push(message);
      },
      onEnd: (_, reason) => {
        keepAlive.stop();
        this.strangers.delete(connection);
        if (this.connections.get(key) === connection) this.connections.delete(key);
        this.journal.post("peer", (batch) => this.disconnected(batch, connection, reason));
        this.redial(remote, this.session(remote)?.misfits === true ? LAST_RETRY_MS : FIRST_RETRY_MS);
      },
    };
  }

  /** Makes room among the strangers. An honest one has a channel before long. */
  private admit(connection: Connection): void {
    this.strangers.add(connection);
    for (const oldest of this.strangers) {
      if (this.strangers.size <= MAX_STRANGERS) return;
      this.strangers.delete(oldest);
      if (this.session(oldest.remote)?.isStranger !== false) oldest.close();
    }
  }

  private sessionFor(batch: Batch, nodeId: NodeId, address: PeerAddress | undefined): Session {
    const session = this.session(nodeId) ?? this.create(nodeId);
    if (address !== undefined) session.locate(batch, address);
    return session;
  }

  /** A peer without a channel is forgotten with its connection, unless we dial it. */
  private disconnected(batch: Batch, connection: Connection, reason: TransportError | undefined): void {
    const { remote } = connection;
    const session = this.session(remote);
    session?.disconnect(connection);
    if (session?.isStranger === true && !session.connected) this.forget(session);
    batch.afterCommit(() => this.events.emit({ type: "peer_disconnected", peer: remote, reason: reason?.message }));
  }

  private redial(nodeId: NodeId, delayMs: number): void {
    const key = toHex(nodeId);
    const address = this.sessions.get(key)?.peer.address;
    if (this.stopped || address === undefined) return;
    this.retries.get(key)?.();
    const cancel = this.clock.after(delayMs + this.yieldMs(nodeId), () => {
      this.retries.delete(key);
      this.connect(nodeId, address).catch((cause: unknown) => {
        if (this.stopped) return;
        const problem = cause instanceof TransportError ? cause.message : String(cause);
        this.events.emit({ type: "trouble", problem: `connecting to ${key}: ${problem}` });
        this.redial(nodeId, Math.min(Math.max(2 * delayMs, FIRST_RETRY_MS), LAST_RETRY_MS));
      });
    });
    this.retries.set(key, cancel);
  }

  /** Two nodes that dial each other in step would take each other's connection away for ever: the greater id waits. */
  private yieldMs(nodeId: NodeId): number {
    return this.dialUs.has(toHex(nodeId)) && compareBytes(this.nodeId, nodeId) > 0 ? YIELD_MS : 0;
  }
}
