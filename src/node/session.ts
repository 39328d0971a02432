// The session with one peer, over all connections and channels:
//
//   both connect
//     --- authenticate (acknowledge, digest) --->      not counted; acknowledge = packets of the peer processed
//     <-- authenticate -------------------------
//     --- packets the peer has not got --------->      bit for bit as they were, each with its acknowledge of then
//     <== counted packets, both ways ===========>

import { type ChannelId, concatBytes, equalBytes, type NodeId } from "../core/base/index.ts";
import { sha256 } from "../core/crypto/index.ts";
import type { ChannelError } from "../core/payment-channel/index.ts";
import type { AuthenticateChannel } from "../core/wire/index.ts";
import {
  decodePing,
  decodePkt,
  decodeTransportMessage,
  encodePkt,
  encodePong,
  joinPackets,
  namedChannel,
  type Pkt,
  packetFamily,
  type ReceivedPkt,
  type WireError,
  wireErrorRule,
} from "../core/wire/index.ts";
import type { OutboxRow, PeerRow, StreamRow } from "../ports/store.ts";
import type { Connection, PeerAddress } from "../ports/transport.ts";
import type { Batch } from "./journal.ts";

export type SessionHandlers = {
  /** A counted packet, decoded. */
  onPacket(batch: Batch, session: Session, packet: ReceivedPkt, number: number, acknowledge: number): void;
  /** The peer broke a rule. Where it names no channel, every channel with it fails. */
  onViolation(batch: Batch, session: Session, error: ChannelError, channel: ChannelId | undefined): void;
  /** Both authenticates are exchanged. */
  onReady(batch: Batch, session: Session): void;
  /** What authenticate says about the channels with this peer. */
  channels(session: Session): readonly AuthenticateChannel[];
};

const NO_DIGEST = new Uint8Array(32);

export function newStream(peer: number): StreamRow {
  return {
    peer,
    received: 0,
    receivedDigest: NO_DIGEST,
    sent: 0,
    acknowledged: 0,
    packetAcknowledge: 0,
    acknowledgedDigest: NO_DIGEST,
  };
}

function digestWith(digest: Uint8Array, packet: Uint8Array): Uint8Array {
  return sha256(concatBytes(digest, packet));
}

/** Why bytes of the peer are no message, as an error of the channels with it. */
function asChannelError(error: WireError): ChannelError {
  const detail = Object.entries(error)
    .map(([name, value]) => `${name} ${value}`)
    .join(", ");
  return { type: "remote_undecodable", rule: wireErrorRule(error), detail };
}

/** The stream of counted packets with one peer: numbers, acknowledges, the outbox, and what is sent when. */
export class Session {
  peer: PeerRow;
  private stream: StreamRow;
  private outbox: OutboxRow[];
  private readonly handlers: SessionHandlers;
  private connection: Connection | undefined;
  private authenticated = false;
  /** Number of the newest packet given to the present connection. */
  private transmitted = 0;
  /** The peer's row is in the store. It is written with the first packet: a stranger who only connects leaves nothing. */
  private stored: boolean;
  /** The acknowledge that the peer last got from us on the present connection. */
  private told = 0;

  constructor(options: {
    peer: PeerRow;
    stream: StreamRow;
    outbox: readonly OutboxRow[];
    handlers: SessionHandlers;
    stored: boolean;
  }) {
    this.peer = options.peer;
    this.stored = options.stored;
    this.stream = options.stream;
    this.outbox = [...options.outbox];
    this.handlers = options.handlers;
  }

  get nodeId(): NodeId {
    return this.peer.nodeId;
  }

  /** Both authenticates are exchanged on a live connection: packets may be numbered. */
  get ready(): boolean {
    return this.authenticated;
  }

  /** Nothing of it has to be remembered once the connection ends. */
  get isStranger(): boolean {
    return !this.stored;
  }

  get connected(): boolean {
    return this.connection !== undefined;
  }

  get nextPacketNumber(): number {
    return this.stream.sent + 1;
  }

  /** The peer's packets processed, the one in hand included. */
  get acknowledge(): number {
    return this.stream.received;
  }

  get unacknowledged(): number {
    return this.outbox.length;
  }

  /** The acknowledge of the peer's newest counted packet: what its view of our changes reaches to. */
  get packetAcknowledge(): number {
    return this.stream.packetAcknowledge;
  }

  /**
   * A new connection takes the place of the old one. Uncommitted input of the old one is discarded in the same step that
   * reads the count for authenticate; else a message would be processed twice.
   */
  connect(batch: Batch, connection: Connection): void {
    const before = this.connection;
    this.connection = connection;
    this.authenticated = false;
    batch.afterCommit(() => {
      if (before !== connection) before?.close();
      if (this.connection === connection) this.authenticate(connection);
    });
  }

  /** Remembers where the peer listens. */
  locate(batch: Batch, address: PeerAddress): void {
    this.peer = { ...this.peer, address };
    batch.change({ type: "peer", row: this.peer });
    this.stored = true;
  }

  disconnect(connection: Connection): void {
    if (this.connection !== connection) return;
    this.connection = undefined;
    this.authenticated = false;
  }

  /** Ends the connection; queued messages are flushed first. */
  hangUp(): void {
    this.connection?.close();
  }

  /** Numbers a packet and puts it into the outbox; it is sent after the commit. Spec: B2-6. */
  queue(batch: Batch, pkt: Pkt): void {
    const number = this.stream.sent + 1;
    const row = { peer: this.peer.index, number, acknowledge: this.stream.received, packet: encodePkt(pkt) };
    this.stream = { ...this.stream, sent: number };
    this.outbox.push(row);
    batch.change({ type: "outbox", row });
    this.touch(batch);
  }

  /** Runs one transport message of the peer. Messages of a connection that was replaced are ignored. */
  receive(batch: Batch, connection: Connection, message: Uint8Array): void {
    if (this.connection !== connection) return;
    const decoded = decodeTransportMessage(message);
    if (!decoded.ok) {
      this.violate(batch, asChannelError(decoded.error));
      return;
    }
    for (const packet of decoded.value.packets) {
      if (this.connection !== connection) return;
      this.receivePacket(batch, packet, decoded.value.acknowledge);
    }
  }

  private receivePacket(batch: Batch, packet: Uint8Array, acknowledge: number): void {
    if (packet.length === 0) {
      if (this.authenticated) this.acknowledged(acknowledge);
      return;
    }
    const family = packetFamily(packet);
    if (!family.ok) {
      this.violate(batch, asChannelError(family.error));
      return;
    }
    if (family.value === "ping") {
      this.answerPing(packet);
      return;
    }
    if (family.value === "pong" || family.value === "other_uncounted") return;
    if (!this.authenticated) this.receiveAuthenticate(batch, packet, acknowledge);
    else this.receiveCounted(batch, packet, acknowledge);
  }

  private answerPing(packet: Uint8Array): void {
    const ping = decodePing(packet);
    if (ping.ok) this.transmit(this.stream.received, [encodePong(ping.value)]);
  }

  private receiveCounted(batch: Batch, packet: Uint8Array, acknowledge: number): void {
    const { packetAcknowledge, sent } = this.stream;
    // Counted and recorded even where it breaks a rule: an uncounted one would come again for ever.
    this.stream = {
      ...this.stream,
      received: this.stream.received + 1,
      receivedDigest: digestWith(this.stream.receivedDigest, packet),
      packetAcknowledge: Math.max(packetAcknowledge, Math.min(acknowledge, sent)),
    };
    if (acknowledge < packetAcknowledge || acknowledge > sent) {
      const limit = acknowledge > sent ? sent : packetAcknowledge;
      this.violate(batch, { type: "remote_acknowledge", rule: "B2-5", limit, actual: acknowledge });
      return;
    }
    this.acknowledged(acknowledge);
    this.touch(batch);
    const decoded = decodePkt(packet);
    if (!decoded.ok) this.handlers.onViolation(batch, this, asChannelError(decoded.error), namedChannel(packet));
    else this.handlers.onPacket(batch, this, decoded.value, this.stream.received, acknowledge);
  }

  /** The first packet of the peer on this connection. Spec: B2-4..B2-6. */
  private receiveAuthenticate(batch: Batch, packet: Uint8Array, acknowledge: number): void {
    const decoded = decodePkt(packet);
    if (!decoded.ok || decoded.value.message.type !== "authenticate") {
      this.violate(batch, {
        type: "remote_undecodable",
        rule: "B2-5",
        detail: "the first packet of a connection is authenticate",
      });
      this.hangUp();
      return;
    }
    const { acknowledged, sent } = this.stream;
    if (acknowledge > sent || acknowledge < acknowledged) {
      const limit = acknowledge > sent ? sent : acknowledged;
      this.violate(batch, { type: "remote_acknowledge", rule: "B2-5", limit, actual: acknowledge });
      this.hangUp();
      return;
    }
    const digest = this.digestAt(acknowledge);
    if (!equalBytes(digest, decoded.value.message.digest)) {
      this.violate(batch, { type: "remote_digest", rule: "B2-6", actual: acknowledge });
      this.hangUp();
      return;
    }
    this.acknowledged(acknowledge);
    this.authenticated = true;
    this.transmitted = acknowledge;
    this.handlers.onReady(batch, this);
    this.touch(batch);
  }

  /** The rolling digest of our packets up to `number`, which the outbox still reaches back to. */
  private digestAt(number: number): Uint8Array {
    let digest = this.stream.acknowledgedDigest;
    for (const row of this.outbox) {
      if (row.number > number) break;
      digest = digestWith(digest, row.packet);
    }
    return digest;
  }

  /** The peer has processed our packets up to `acknowledge`: they need not be sent again. */
  private acknowledged(acknowledge: number): void {
    if (acknowledge <= this.stream.acknowledged || acknowledge > this.stream.sent) return;
    const acknowledgedDigest = this.digestAt(acknowledge);
    const kept = this.outbox.findIndex((row) => row.number > acknowledge);
    this.outbox = kept === -1 ? [] : this.outbox.slice(kept);
    // Not worth a commit of its own: a store that lags behind only sends again what the peer then says it has.
    this.stream = { ...this.stream, acknowledged: acknowledge, acknowledgedDigest };
  }

  private violate(batch: Batch, error: ChannelError): void {
    this.handlers.onViolation(batch, this, error, undefined);
    this.touch(batch);
  }

  /** Has the end of the batch write where the stream stands, and send what is new once that is durable. */
  private touch(batch: Batch): void {
    batch.atEnd(this, (end) => {
      const { peer, acknowledged } = this.stream;
      if (!this.stored) end.change({ type: "peer", row: this.peer });
      this.stored = true;
      end.change({ type: "stream", row: this.stream });
      end.change({ type: "outbox_pruned", peer, upTo: acknowledged });
      end.afterCommit(() => this.flush());
    });
  }

  private authenticate(connection: Connection): void {
    const { received, receivedDigest } = this.stream;
    const message = {
      type: "authenticate" as const,
      features: new Uint8Array(0),
      digest: receivedDigest,
      channels: this.handlers.channels(this),
    };
    this.told = received;
    for (const bytes of joinPackets(received, [encodePkt({ channelId: undefined, message })])) connection.send(bytes);
    this.flush();
  }

  /** Sends what the present connection has not got; packets of equal acknowledge go together. */
  private flush(): void {
    if (!this.authenticated || this.connection === undefined) return;
    let group: OutboxRow[] = [];
    const first = this.outbox[0]?.number ?? 0;
    for (const row of this.outbox.slice(Math.max(0, this.transmitted + 1 - first))) {
      if (group[0] !== undefined && group[0].acknowledge !== row.acknowledge) {
        this.transmitRows(group);
        group = [];
      }
      group.push(row);
    }
    this.transmitRows(group);
    // Nothing else tells the peer soon that its packets have arrived.
    if (this.told < this.stream.received) this.transmit(this.stream.received, [new Uint8Array(0)]);
  }

  private transmitRows(rows: readonly OutboxRow[]): void {
    const last = rows.at(-1);
    if (last === undefined) return;
    this.transmit(
      last.acknowledge,
      rows.map((row) => row.packet),
    );
    this.transmitted = last.number;
  }

  private transmit(acknowledge: number, packets: readonly Uint8Array[]): void {
    this.told = Math.max(this.told, acknowledge);
    for (const bytes of joinPackets(acknowledge, packets)) this.connection?.send(bytes);
  }
}
