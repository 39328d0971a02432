import { expect } from "vitest";
import { concatBytes, toHex } from "../../src/core/base/index.ts";
import { sha256 } from "../../src/core/crypto/index.ts";
import { decodePkt, decodeTransportMessage, packetFamily } from "../../src/core/wire/index.ts";
import type { Batch, Store } from "../../src/ports/store.ts";
import type { Connection, ConnectionEvents, Transport } from "../../src/ports/transport.ts";

/** A counted packet as it went out, with the acknowledge that it carried. */
type Counted = { readonly packet: Uint8Array; readonly acknowledge: number };

/** What one node has sent to one peer, over all connections. */
class Stream {
  /** By number; the first is at 1. */
  readonly packets = new Map<number, Counted>();
  /** How many packets went out, those sent again counted each time. */
  transmissions = 0;
  authenticated = 0;
  /** What the sender's store has: packets of the peer processed, and the packets that it numbered. */
  readonly outbox = new Map<number, Counted>();
  processed = 0;

  digestUpTo(number: number): Uint8Array {
    let digest: Uint8Array = new Uint8Array(32);
    for (let n = 1; n <= number; n++) {
      const sent = this.packets.get(n);
      if (sent === undefined) throw new Error(`packet ${n} was never sent`);
      digest = sha256(concatBytes(digest, sent.packet));
    }
    return digest;
  }
}

/**
 * Listens to the plaintext of every connection between nodes and to what their stores are given, and checks as it goes what
 * B2-5 and B2-6 say. It knows nothing of sessions: numbers follow from the messages alone.
 */
export class WireTap {
  private readonly streams = new Map<string, Stream>();
  /** Store indexes of peers, by the node whose they are. */
  private readonly peers = new Map<string, string>();

  /** What did not hold, in the words of the check. A node would take it for trouble of its own. */
  readonly problems: string[] = [];

  private look(check: () => void): void {
    try {
      check();
    } catch (cause) {
      this.problems.push(cause instanceof Error ? cause.message : String(cause));
    }
  }

  private stream(from: string, to: string): Stream {
    const key = `${from}>${to}`;
    const found = this.streams.get(key) ?? new Stream();
    this.streams.set(key, found);
    return found;
  }

  /** Each packet number once, and how many times packets went out in all. */
  get counts(): { readonly packets: number; readonly transmissions: number } {
    let [packets, transmissions] = [0, 0];
    for (const stream of this.streams.values()) {
      packets += stream.packets.size;
      transmissions += stream.transmissions;
    }
    return { packets, transmissions };
  }

  /** Every counted packet, by stream and number. */
  sentPackets(): readonly Uint8Array[] {
    return [...this.streams.values()].flatMap(({ packets }) => [...packets.values()].map(({ packet }) => packet));
  }

  transport(transport: Transport, nodeId: Uint8Array): Transport {
    const self = toHex(nodeId);
    return {
      listen: (address, onConnection) =>
        transport.listen(address, (connection) => this.tapped(self, connection, onConnection).events),
      connect: async (remote, address, onConnection) => {
        let made: Connection | undefined;
        await transport.connect(remote, address, (connection) => {
          const tapped = this.tapped(self, connection, onConnection);
          made = tapped.connection;
          return tapped.events;
        });
        if (made === undefined) throw new Error("a connection was not handed over");
        return made;
      },
      close: () => transport.close(),
    };
  }

  private tapped(
    self: string,
    inner: Connection,
    onConnection: (connection: Connection) => ConnectionEvents,
  ): { connection: Connection; events: ConnectionEvents } {
    const peer = toHex(inner.remote);
    const out = this.stream(self, peer);
    const state = { authenticated: false, next: 0, last: 0 };
    const connection: Connection = {
      remote: inner.remote,
      outgoing: inner.outgoing,
      send: (message) => {
        this.look(() => this.sent(self, peer, out, state, message));
        inner.send(message);
      },
      close: () => inner.close(),
    };
    const events = onConnection(connection);
    let first = true;
    return {
      connection,
      events: {
        onMessage: (_, message) => {
          const decoded = decodeTransportMessage(message);
          if (first && decoded.ok) {
            first = false;
            state.next = decoded.value.acknowledge + 1;
          }
          events.onMessage(connection, message);
        },
        onEnd: (_, reason) => events.onEnd(connection, reason),
      },
    };
  }

  private sent(
    self: string,
    peer: string,
    out: Stream,
    state: { authenticated: boolean; next: number; last: number },
    message: Uint8Array,
  ): void {
    const decoded = decodeTransportMessage(message);
    if (!decoded.ok) throw new Error("a node sends what is no message");
    const { acknowledge, packets } = decoded.value;
    for (const packet of packets) {
      if (packet.length === 0) {
        expect(acknowledge).toBeLessThanOrEqual(out.processed);
        continue;
      }
      const family = packetFamily(packet);
      if (!family.ok || family.value !== "pkt") continue;
      if (!state.authenticated) {
        state.authenticated = true;
        this.checkAuthenticate(self, peer, out, packet, acknowledge);
      } else this.checkCounted(out, state, packet, acknowledge);
    }
  }

  /** Its count is what was processed, which the digest proves, and never falls. Spec: B2-5. */
  private checkAuthenticate(self: string, peer: string, out: Stream, packet: Uint8Array, acknowledge: number): void {
    const decoded = decodePkt(packet);
    if (!decoded.ok || decoded.value.message.type !== "authenticate") {
      throw new Error("what comes first on a connection is not authenticate");
    }
    expect(acknowledge).toBe(out.processed);
    expect(acknowledge).toBeGreaterThanOrEqual(out.authenticated);
    out.authenticated = acknowledge;
    expect(toHex(decoded.value.message.digest)).toBe(toHex(this.stream(peer, self).digestUpTo(acknowledge)));
  }

  /** The same number is the same bytes with the same acknowledge, as the store has them. Spec: B2-6. */
  private checkCounted(out: Stream, state: { next: number; last: number }, packet: Uint8Array, acknowledge: number) {
    if (state.next === 0) throw new Error("a packet is sent before the peer's authenticate has come");
    const number = state.next++;
    out.transmissions++;
    const stored = out.outbox.get(number);
    if (stored === undefined) throw new Error(`packet ${number} is sent and not stored`);
    const before = out.packets.get(number) ?? stored;
    if (toHex(before.packet) !== toHex(packet)) throw new Error(`packet ${number} has other bytes than before`);
    if (before.acknowledge !== acknowledge) {
      throw new Error(`packet ${number} has acknowledge ${acknowledge}, and had ${before.acknowledge}`);
    }
    expect(acknowledge).toBeGreaterThanOrEqual(state.last);
    state.last = acknowledge;
    out.packets.set(number, stored);
  }

  /** A store whose commits are looked at once they are durable. */
  store(store: Store, nodeId: Uint8Array): Store {
    const self = toHex(nodeId);
    return {
      load: async () => {
        const stored = await store.load();
        for (const { index, nodeId: peer } of stored.peers) this.peers.set(`${self}/${index}`, toHex(peer));
        return stored;
      },
      commit: async (batch) => {
        try {
          await store.commit(batch);
        } catch (cause) {
          if ((await store.sequence()) === batch.sequence) this.look(() => this.written(self, batch));
          throw cause;
        }
        this.look(() => this.written(self, batch));
      },
      sequence: () => store.sequence(),
      payment: (id) => store.payment(id),
      invoice: (paymentHash) => store.invoice(paymentHash),
      history: (channel) => store.history(channel),
      htlcs: (channel, page) => store.htlcs(channel, page),
      commitments: (channel, page) => store.commitments(channel, page),
      moments: (channel, page) => store.moments(channel, page),
      peerCopy: (peer) => store.peerCopy(peer),
      replayRows: (channel) => store.replayRows(channel),
      published: (channel, number) => store.published(channel, number),
      close: () => store.close(),
    };
  }

  /** A batch is durable, whatever its node was told. */
  private written(self: string, { changes }: Batch): void {
    for (const change of changes) {
      if (change.type === "peer") this.peers.set(`${self}/${change.row.index}`, toHex(change.row.nodeId));
    }
    for (const change of changes) {
      if (change.type === "stream") this.streamOf(self, change.row.peer).processed = change.row.received;
      if (change.type !== "outbox") continue;
      const { number, packet, acknowledge } = change.row;
      const { outbox } = this.streamOf(self, change.row.peer);
      if (outbox.has(number)) throw new Error(`packet ${number} is numbered twice`);
      outbox.set(number, { packet: packet.slice(), acknowledge });
    }
  }

  private streamOf(self: string, index: number): Stream {
    const peer = this.peers.get(`${self}/${index}`);
    if (peer === undefined) throw new Error("a stream is written before its peer");
    return this.stream(self, peer);
  }
}
