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
  type CopyFamily,
  decodePing,
  decodePkt,
  decodeTransportMessage,
  encodeFeatures,
  encodePkt,
  encodePong,
  type Feature,
  hasFeature,
  joinPackets,
  namedChannel,
  packetFamily,
  type ReceivedPkt,
  type WireError,
  wireErrorRule,
} from "../core/wire/index.ts";
import type { Clock } from "../ports/clock.ts";
import type { OutboxRow, PeerRow, StreamRow } from "../ports/store.ts";
import type { Connection, PeerAddress } from "../ports/transport.ts";
import type { Batch } from "./journal.ts";

export type SessionHandlers = {
  /** A counted packet, decoded. */
  onPacket(batch: Batch, session: Session, packet: ReceivedPkt, number: number, acknowledge: number): void;
  /** The peer broke a rule. Where it names no channel, every channel with it fails. */
  onViolation(batch: Batch, session: Session, error: ChannelError, channel: ChannelId | undefined): void;
  /**
   * What the peer says of the channels with it, looked at before anything else of its authenticate. Says whether our own
   * data are known to be an old copy, so that numbers which don't fit are no fault of the peer's.
   */
  onAuthenticate(batch: Batch, session: Session, channels: readonly AuthenticateChannel[]): "judge" | "ours_are_old";
  /** Both authenticates are exchanged. */
  onReady(batch: Batch, session: Session): void;
  /** A packet about a copy, which is not counted: of ours that the peer keeps, or of its own. It may come before authenticate. */
  onCopy(batch: Batch, session: Session, family: CopyFamily, packet: Uint8Array): void;
  /** What authenticate says about the channels with this peer. */
  channels(session: Session): readonly AuthenticateChannel[];
  /** Whether a channel with this peer is neither closed nor abandoned. */
  hasChannels(session: Session): boolean;
  /** What we tell the peer that we can do. */
  readonly features: readonly Feature[];
};

/** Packets of so many milliseconds count as queued together; times further back than this are not told apart. */
const MARK_MS = 1_000;
const MARKS_KEPT_MS = 600_000;
/** No peer needs an answer to its pings more often. */
const PONG_INTERVAL_MS = 1_000;

const NO_DIGEST = new Uint8Array(32);
/** Twice what an honest peer can leave unacknowledged: beyond it a peer only wants us to hold much. */
const MAX_OUTBOX = 20_000;
/** The same for a peer without a channel, which can't ask for more than answers to its open_channel. */
const MAX_STRANGERS_OUTBOX = 100;
/** No honest count comes near it. What a peer without channels says about numbers that we forgot is believed up to here. */
const MAX_BELIEVED_COUNT = 2 ** 40;

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
  /** What the peer said at the last connection did not fit what we have: trying again soon would not help. */
  misfits = false;
  /** The peer has said since the start what it knows of us. */
  heard = false;
  /** As its last authenticate had them. */
  private peerFeatures: Uint8Array = new Uint8Array(0);
  /** The present connection is about to be ended. */
  private ending = false;
  /** Number of the newest packet given to the present connection. */
  private transmitted = 0;
  /** Its rows are in the store. They are written with its first channel, or address: a stranger leaves nothing there. */
  private stored: boolean;
  /** Packets up to this number may be in the store that were for the peer which had the index before. */
  private readonly leftover: number;
  /** The acknowledge that the peer last got from us on the present connection. */
  private told = 0;
  private readonly clock: Clock;
  /** When packets were queued on the present connection: those numbered from `number` on not before `at`. */
  private marks: { readonly number: number; readonly at: number }[] = [];
  /** What the connection was made anew for: our packets up to this number. */
  private retried = 0;
  private lastPong = Number.NEGATIVE_INFINITY;
  /** When the last connection with it ended; before the first one, when the session was made. */
  private lostAt: number;

  constructor(options: {
    peer: PeerRow;
    stream: StreamRow;
    outbox: readonly OutboxRow[];
    handlers: SessionHandlers;
    stored: boolean;
    leftover?: number;
    clock: Clock;
  }) {
    this.clock = options.clock;
    this.lostAt = options.clock.now();
    this.peer = options.peer;
    this.stored = options.stored;
    this.leftover = options.leftover ?? 0;
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

  /**
   * Nothing of it has to be remembered once the connection ends: there is no channel, and we don't dial it. If it comes
   * back, each side without a channel takes the other's numbers: see `begin`.
   */
  get isStranger(): boolean {
    return this.peer.address === undefined && !this.handlers.hasChannels(this);
  }

  /** Whether the peer, where it is ready, has said that it knows the feature. */
  peerHas(feature: Feature): boolean {
    return hasFeature(this.peerFeatures, feature);
  }

  /** Its rows, where it leaves any in the store. */
  get rows(): { readonly peer: PeerRow; readonly stream: StreamRow } | undefined {
    return this.stored ? { peer: this.peer, stream: this.stream } : undefined;
  }

  /** Tells connections apart. */
  get present(): object | undefined {
    return this.connection;
  }

  get connected(): boolean {
    return this.connection !== undefined;
  }

  /** The number of our newest packet. */
  get sent(): number {
    return this.stream.sent;
  }

  get nextPacketNumber(): number {
    return this.stream.sent + 1;
  }

  /** The peer's packets processed, the one in hand included. */
  get acknowledge(): number {
    return this.stream.received;
  }

  /** When both authenticates were exchanged, in the clock's milliseconds; undefined where they are not. */
  get readyAt(): number | undefined {
    return this.authenticated ? this.marks[0]?.at : undefined;
  }

  /** Since when it is not ready: the end of the last connection, or our start; undefined while it is. Milliseconds since 1970. */
  get awaySince(): number | undefined {
    return this.authenticated ? undefined : this.lostAt;
  }

  /** Since when the peer, on this connection, could have answered our packet of this number: to the second. */
  deliverableSince(number: number): number | undefined {
    if (!this.authenticated) return undefined;
    return (this.marks.findLast((mark) => mark.number <= number) ?? this.marks[0])?.at;
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
    if (this.authenticated) this.lostAt = this.clock.now();
    this.authenticated = false;
    this.ending = false;
    this.lastPong = Number.NEGATIVE_INFINITY;
    batch.afterCommit(() => {
      if (before !== connection) before?.close();
      if (this.connection === connection) this.authenticate(connection);
    });
  }

  /** Remembers where the peer listens. */
  locate(batch: Batch, address: PeerAddress): void {
    this.peer = { ...this.peer, address };
    if (this.stored) batch.change({ type: "peer", row: this.peer });
    else this.store(batch);
  }

  private store(batch: Batch): void {
    this.stored = true;
    const { index } = this.peer;
    if (this.leftover > 0) batch.change({ type: "outbox_pruned", peer: index, upTo: this.leftover });
    batch.change({ type: "peer", row: this.peer });
    batch.change({ type: "stream", row: this.stream });
    for (const row of this.outbox) batch.change({ type: "outbox", row });
  }

  disconnect(connection: Connection): void {
    if (this.connection !== connection) return;
    this.connection = undefined;
    if (this.authenticated) this.lostAt = this.clock.now();
    this.authenticated = false;
  }

  /**
   * Ends the connection, so that another is made and what waits is sent again; not a second time for what waited then already: it would not
   * help. Says whether it did.
   */
  retry(batch: Batch, waiting: number): boolean {
    if (!this.authenticated || this.ending || waiting <= this.retried) return false;
    this.retried = this.stream.sent;
    this.hangUp(batch);
    return true;
  }

  /** Looks at nothing more of this connection, and ends it when what the batch has to say is sent. */
  private hangUp(batch: Batch): void {
    const { connection } = this;
    if (connection === undefined || this.ending) return;
    this.ending = true;
    batch.afterCommit(() => {
      if (this.connection === connection) this.flush();
      connection.close();
      this.disconnect(connection);
    });
  }

  /** Numbers a packet and puts it into the outbox; it is sent after the commit. Spec: B2-6. */
  queue(batch: Batch, packet: Uint8Array): void {
    const number = this.stream.sent + 1;
    const row = { peer: this.peer.index, number, acknowledge: this.stream.received, packet };
    this.stream = { ...this.stream, sent: number };
    this.outbox.push(row);
    this.mark(number);
    if (this.stored) batch.change({ type: "outbox", row });
    this.touch(batch);
  }

  private mark(number: number): void {
    const at = this.clock.now();
    const last = this.marks.at(-1);
    if (last === undefined || at - last.at >= MARK_MS) this.marks.push({ number, at });
    const isOld = (mark: { readonly at: number } | undefined) => mark !== undefined && at - mark.at > MARKS_KEPT_MS;
    while (isOld(this.marks[1])) this.marks.shift();
  }

  /**
   * Runs one transport message of the peer, and returns how many packets it has. Messages of a connection that was replaced,
   * or is about to be ended, are ignored.
   */
  receive(batch: Batch, connection: Connection, message: Uint8Array): number {
    if (this.connection !== connection || this.ending) return 0;
    const decoded = decodeTransportMessage(message);
    if (!decoded.ok) {
      this.giveUp(batch, asChannelError(decoded.error));
      return 1;
    }
    const { packets, acknowledge } = decoded.value;
    for (const packet of packets) {
      if (this.ending) break;
      this.receivePacket(batch, packet, acknowledge);
    }
    return packets.length;
  }

  private receivePacket(batch: Batch, packet: Uint8Array, acknowledge: number): void {
    if (packet.length === 0) {
      if (this.authenticated) this.acknowledged(acknowledge);
      return;
    }
    const family = packetFamily(packet);
    if (!family.ok) {
      this.giveUp(batch, asChannelError(family.error));
      return;
    }
    if (family.value === "ping") {
      this.answerPing(batch, packet);
      return;
    }
    if (family.value === "keep_copy" || family.value === "ask_copy" || family.value === "kept_copy") {
      this.handlers.onCopy(batch, this, family.value, packet);
      return;
    }
    if (family.value === "pong" || family.value === "other_uncounted") return;
    if (!this.authenticated) this.receiveAuthenticate(batch, packet, acknowledge);
    else this.receiveCounted(batch, packet, acknowledge);
  }

  private answerPing(batch: Batch, packet: Uint8Array): void {
    const ping = decodePing(packet);
    const now = this.clock.now();
    if (!ping.ok || now - this.lastPong < PONG_INTERVAL_MS) return;
    this.lastPong = now;
    this.sendUncounted(batch, encodePong(ping.value));
  }

  /** Sends a packet that is not counted, once: on the present connection, or never. */
  sendUncounted(batch: Batch, packet: Uint8Array): void {
    const { connection } = this;
    batch.afterCommit(() => {
      if (this.connection !== connection) return;
      // The acknowledge of what is not counted tells nothing.
      for (const bytes of joinPackets(this.stream.received, [packet])) connection?.send(bytes);
    });
  }

  private receiveCounted(batch: Batch, packet: Uint8Array, acknowledge: number): void {
    const { packetAcknowledge, sent } = this.stream;
    if (acknowledge >= packetAcknowledge) this.acknowledged(acknowledge);
    const limit = this.handlers.hasChannels(this) ? MAX_OUTBOX : MAX_STRANGERS_OUTBOX;
    if (this.outbox.length >= limit) {
      // Not counted: it comes again once the peer acknowledges.
      this.hangUp(batch);
      return;
    }
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
    this.touch(batch);
    const decoded = decodePkt(packet);
    if (!decoded.ok) this.violate(batch, asChannelError(decoded.error), namedChannel(packet));
    else this.handlers.onPacket(batch, this, decoded.value, this.stream.received, acknowledge);
  }

  /** The first packet of the peer on this connection. Spec: B2-4..B2-6. */
  private receiveAuthenticate(batch: Batch, packet: Uint8Array, acknowledge: number): void {
    const decoded = decodePkt(packet);
    if (!decoded.ok || decoded.value.message.type !== "authenticate") {
      const detail = "the first packet of a connection is authenticate";
      this.giveUp(batch, { type: "remote_undecodable", rule: "B2-5", detail });
      return;
    }
    const { digest, features, channels } = decoded.value.message;
    const verdict = this.handlers.onAuthenticate(batch, this, channels);
    this.heard = true;
    const misfit = this.misfit(acknowledge, digest);
    this.misfits = misfit !== undefined && this.handlers.hasChannels(this);
    if (misfit !== undefined) {
      if (verdict === "ours_are_old" && this.handlers.hasChannels(this)) {
        this.hangUp(batch);
        return;
      }
      if (this.handlers.hasChannels(this) || acknowledge > MAX_BELIEVED_COUNT) {
        this.giveUp(batch, misfit);
        return;
      }
      this.renumber(batch, acknowledge, digest);
    }
    this.acknowledged(acknowledge);
    this.authenticated = true;
    this.peerFeatures = features;
    this.marks = [{ number: 0, at: this.clock.now() }];
    this.transmitted = acknowledge;
    this.handlers.onReady(batch, this);
    this.touch(batch);
  }

  /** What is wrong with what the peer says it has of our packets. */
  private misfit(acknowledge: number, digest: Uint8Array): ChannelError | undefined {
    const { acknowledged, sent } = this.stream;
    if (acknowledge > sent || acknowledge < acknowledged) {
      const limit = acknowledge > sent ? sent : acknowledged;
      return { type: "remote_acknowledge", rule: "B2-5", limit, actual: acknowledge };
    }
    if (equalBytes(this.digestAt(acknowledge), digest)) return undefined;
    return { type: "remote_digest", rule: "B2-6", actual: acknowledge };
  }

  /**
   * One of the two has forgotten the other, as is right between peers that have no channel: our packets are numbered from
   * where the peer believes they stand.
   */
  private renumber(batch: Batch, acknowledge: number, digest: Uint8Array): void {
    const { index: peer } = this.peer;
    if (this.stored) batch.change({ type: "outbox_pruned", peer, upTo: this.stream.sent });
    this.outbox = [];
    const numbers = { sent: acknowledge, acknowledged: acknowledge, packetAcknowledge: 0 };
    this.retried = 0;
    this.stream = { ...this.stream, ...numbers, acknowledgedDigest: digest };
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

  /** Where there is no channel that could fail, the connection ends: it is all that a stranger has. */
  private violate(batch: Batch, error: ChannelError, channel?: ChannelId): void {
    this.handlers.onViolation(batch, this, error, channel);
    if (!this.handlers.hasChannels(this)) this.hangUp(batch);
    this.touch(batch);
  }

  /** Like `violate`, where nothing that comes after on this connection could be made sense of. */
  private giveUp(batch: Batch, error: ChannelError): void {
    this.violate(batch, error);
    this.hangUp(batch);
  }

  /** Has the end of the batch write where the stream stands, and send what is new once that is durable. */
  private touch(batch: Batch): void {
    batch.atEnd(this, (end) => {
      end.afterCommit(() => this.flush());
      if (!this.stored) {
        if (!this.isStranger) this.store(end);
        return;
      }
      end.change({ type: "stream", row: this.stream });
      end.change({ type: "outbox_pruned", peer: this.peer.index, upTo: this.stream.acknowledged });
    });
  }

  private authenticate(connection: Connection): void {
    const { received, receivedDigest } = this.stream;
    const message = {
      type: "authenticate" as const,
      features: encodeFeatures(this.handlers.features),
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
