import type { NodeId } from "../../core/base/index.ts";
import { equalBytes } from "../../core/base/index.ts";
import type { Clock } from "../../ports/clock.ts";
import {
  type Connection,
  type ConnectionEvents,
  type PeerAddress,
  type Transport,
  TransportError,
} from "../../ports/transport.ts";
import { End } from "./end.ts";
import { createLanes, type Lane, type Lanes } from "./lanes.ts";

/**
 * A network of nodes within one process. It has no timers and no randomness: nothing arrives but by `deliverOne` and
 * `run`, so that a test decides every interleaving and can repeat it.
 *
 * Every connection has two directions, each of them first in, first out. A connection attempt, its acceptance, each
 * message and the end of a connection are one delivery each.
 */
export type MemoryNetwork = {
  /** The transport of one node. Addresses are compared as they are written. */
  transport(node: NodeId): Transport;
  /** How many directions could deliver something now. */
  choices(): number;
  /**
   * Delivers what comes next in one direction, and returns false if nothing could be delivered. The directions are
   * numbered by the age of what comes next: 0, as without `choice`, is the oldest; numbers wrap around.
   */
  deliverOne(choice?: number): boolean;
  /** Delivers the oldest until nothing can be delivered, the replies included. Returns the number of deliveries. */
  run(): number;
  /** Stops what `from` sends to `to`, over all their connections, until `release`. The nodes notice nothing. */
  hold(from: NodeId, to: NodeId): void;
  release(from: NodeId, to: NodeId): void;
  /** What `from` sends to `to` from now on can be delivered only `ms` milliseconds of the network's clock later. */
  delay(from: NodeId, to: NodeId, ms: number): void;
  /** The next time at which the clock alone makes something deliverable. */
  nextDue(): number | undefined;
  /**
   * Breaks all connections between two nodes and returns how many. What was under way is lost; both ends get `onEnd` with
   * `lost`, each as a delivery of its own, so that one may notice long before the other.
   */
  drop(a: NodeId, b: NodeId): number;
};

type Listener = { readonly transport: MemoryTransport; onConnection(connection: Connection): ConnectionEvents };

type Shared = { readonly lanes: Lanes; readonly listeners: Map<string, Listener>; nextPort: number };

function keyOf(address: PeerAddress): string {
  return `${address.host}:${address.port}`;
}

class MemoryTransport implements Transport {
  readonly node: NodeId;
  readonly ends = new Set<End>();
  readonly #shared: Shared;
  readonly #dials = new Set<(reason: TransportError) => void>();
  #closed: Promise<void> | undefined;
  #resolveClosed: (() => void) | undefined;

  constructor(node: NodeId, shared: Shared) {
    this.node = node;
    this.#shared = shared;
  }

  async listen(address: PeerAddress, onConnection: (connection: Connection) => ConnectionEvents): Promise<PeerAddress> {
    if (this.#closed !== undefined) throw closedError();
    const port = address.port === 0 ? this.#shared.nextPort++ : address.port;
    const bound = { host: address.host, port };
    const key = keyOf(bound);
    if (this.#shared.listeners.has(key)) throw new TransportError("address_in_use", `${key} is in use`);
    this.#shared.listeners.set(key, { transport: this, onConnection });
    return bound;
  }

  connect(
    remote: NodeId,
    address: PeerAddress,
    onConnection: (connection: Connection) => ConnectionEvents,
  ): Promise<Connection> {
    if (this.#closed !== undefined) return Promise.reject(closedError());
    const toRemote = this.#shared.lanes.lane(this.node, remote, true);
    const toUs = this.#shared.lanes.lane(remote, this.node, false);
    const connected = new Promise<Connection>((resolve, reject) => {
      this.#dials.add(reject);
      toRemote.push(() => {
        if (!this.#dials.delete(reject)) return;
        const end = this.#dial(remote, address, toRemote, toUs);
        if (end instanceof TransportError) return reject(end);
        end.handOver(onConnection);
        resolve(end);
      });
    });
    connected.then(
      () => toUs.open(),
      () => undefined,
    );
    return connected;
  }

  #dial(remote: NodeId, address: PeerAddress, toRemote: Lane, toUs: Lane): End | TransportError {
    const listener = this.#shared.listeners.get(keyOf(address));
    if (listener === undefined) return new TransportError("refused", `nobody listens at ${keyOf(address)}`);
    const other = listener.transport;
    if (!equalBytes(other.node, remote)) {
      return new TransportError("handshake_failed", `the node at ${keyOf(address)} has another node id`);
    }
    const end = new End(remote, true, toUs, (gone) => this.#forget(gone));
    const peer = new End(this.node, false, toRemote, (gone) => other.#forget(gone));
    End.join(end, peer);
    this.ends.add(end);
    other.ends.add(peer);
    toRemote.push(() => peer.handOver(listener.onConnection));
    return end;
  }

  #forget(end: End): void {
    this.ends.delete(end);
    if (this.ends.size === 0) this.#resolveClosed?.();
  }

  close(): Promise<void> {
    this.#closed ??= new Promise((resolve) => {
      this.#resolveClosed = resolve;
      for (const [key, listener] of this.#shared.listeners) {
        if (listener.transport === this) this.#shared.listeners.delete(key);
      }
      for (const reject of this.#dials) reject(closedError());
      this.#dials.clear();
      for (const end of [...this.ends]) end.close();
      if (this.ends.size === 0) resolve();
    });
    return this.#closed;
  }
}

function closedError(): TransportError {
  return new TransportError("lost", "the transport was closed");
}

/** Makes a network without nodes. Only `delay` and `nextDue` need the clock. */
export function memoryNetwork(options: { readonly clock?: Clock } = {}): MemoryNetwork {
  const lanes = createLanes(options.clock);
  const transports: MemoryTransport[] = [];
  const shared: Shared = { lanes, listeners: new Map(), nextPort: 1 };
  return {
    transport(node) {
      const transport = new MemoryTransport(node, shared);
      transports.push(transport);
      return transport;
    },
    choices: lanes.choices,
    deliverOne: (choice = 0) => lanes.deliverOne(choice),
    run() {
      let count = 0;
      while (lanes.deliverOne(0)) count++;
      return count;
    },
    hold: lanes.hold,
    release: lanes.release,
    delay: lanes.delay,
    nextDue: lanes.nextDue,
    drop(a, b) {
      const ends = transports
        .filter((transport) => equalBytes(transport.node, a))
        .flatMap((transport) => [...transport.ends].filter((end) => equalBytes(end.remote, b)));
      for (const end of ends) end.drop();
      return ends.length;
    },
  };
}
