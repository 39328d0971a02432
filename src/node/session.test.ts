import { describe, expect, it } from "vitest";
import { FakeConnection } from "../../test/support/fake-connection.ts";
import { type MemoryStore, memoryStore } from "../adapters/store-memory/index.ts";
import { asChannelId, asNodeId, concatBytes, type NodeId } from "../core/base/index.ts";
import { sha256 } from "../core/crypto/index.ts";
import { type ChannelError, describeError } from "../core/payment-channel/index.ts";
import { decodePkt, encodePing, encodePkt, encodeTransportMessage, type Feature } from "../core/wire/index.ts";
import { virtualClock } from "../testing/index.ts";
import { type Batch, Journal } from "./journal.ts";
import { newStream, Session } from "./session.ts";

const PEER = asNodeId(new Uint8Array(33).fill(2)) as NodeId;
const CHANNEL = asChannelId(new Uint8Array(32).fill(7));
const NOTHING = new Uint8Array(0);

/** A counted packet that says `text`. */
function packet(text: string): Uint8Array {
  return encodePkt({ channelId: CHANNEL, message: { type: "error", problem: text } });
}

function digestOf(...packets: readonly Uint8Array[]): Uint8Array {
  return packets.reduce((digest, one) => sha256(concatBytes(digest, one)), new Uint8Array(32));
}

function authenticate(digest: Uint8Array): Uint8Array {
  const message = { type: "authenticate" as const, features: NOTHING, digest, channels: [] };
  return encodePkt({ channelId: undefined, message });
}

/** One session over a store that is kept over its lives. */
class Life {
  readonly clock = virtualClock();
  readonly store: MemoryStore;
  readonly session: Session;
  readonly journal: Journal;
  /** What the session told: packets with their numbers and acknowledges, violations, ready. */
  readonly told: string[] = [];
  readonly halts: unknown[] = [];
  hasChannels = true;
  features: readonly Feature[] = [];
  /** Called with each packet, within the batch. */
  answer: (batch: Batch, session: Session, text: string) => void = () => undefined;
  connection = new FakeConnection(PEER);

  constructor(store: MemoryStore, session: Partial<ConstructorParameters<typeof Session>[0]>, sequence: number) {
    this.store = store;
    const { clock } = this;
    this.journal = new Journal({ store, clock, sequence, onHalt: (cause) => this.halts.push(cause) });
    this.session = new Session({
      peer: { index: 3, nodeId: PEER, address: undefined },
      stream: newStream(3),
      outbox: [],
      stored: false,
      clock,
      ...session,
      handlers: {
        onPacket: (batch, from, { message }, number, acknowledge) => {
          const text = message.type === "error" ? message.problem : message.type;
          this.told.push(`${number} ${text} (${acknowledge})`);
          this.answer(batch, from, text);
        },
        onViolation: (_batch, _session, error: ChannelError) => this.told.push(describeError(error)),
        onCopy: () => undefined,
        onAuthenticate: () => "judge",
        onReady: () => this.told.push("ready"),
        channels: () => [],
        hasChannels: () => this.hasChannels,
        features: this.features,
      },
    });
  }

  /** Runs a work and what follows from it. */
  async run(work: (batch: Batch) => void): Promise<void> {
    this.journal.post("other", work);
    await this.clock.run();
  }

  /** A new connection takes over, without an answer to its authenticate. */
  async connect(): Promise<void> {
    this.connection = new FakeConnection(PEER);
    await this.run((batch) => this.session.connect(batch, this.connection));
  }

  hear(acknowledge: number, ...packets: readonly Uint8Array[]): Promise<void> {
    const message = encodeTransportMessage(acknowledge, packets);
    return this.run((batch) => this.session.receive(batch, this.connection, message));
  }

  /** A new connection, with both authenticates exchanged; the peer has `acknowledge` packets with this digest. */
  async meet(acknowledge = 0, digest: Uint8Array = new Uint8Array(32)): Promise<void> {
    await this.connect();
    await this.hear(acknowledge, authenticate(digest));
    this.told.splice(0);
  }

  queue(...texts: readonly string[]): Promise<void> {
    return this.run((batch) => {
      for (const text of texts) this.session.queue(batch, packet(text));
    });
  }

  /** What the peer got since it last looked: acknowledge, then texts; a packet of no bytes is "". */
  heard(): [number, ...string[]][] {
    return this.connection.taken().map(({ acknowledge, packets }) => [acknowledge, ...packets.map(textOf)]);
  }

  /** The process ends here, and another begins with what is stored. */
  async restart(): Promise<Life> {
    const store = this.store.reopen();
    const { peers, streams, outbox, sequence } = await store.load();
    const [peer, stream] = [peers[0], streams[0]];
    if (peer === undefined || stream === undefined) throw new Error("the peer is not in the store");
    return new Life(store, { peer, stream, outbox, stored: true }, sequence);
  }
}

function textOf(bytes: Uint8Array): string {
  if (bytes.length === 0) return "";
  const decoded = decodePkt(bytes);
  if (!decoded.ok) return bytes[0] === 101 ? "pong" : decoded.error.type;
  const { message } = decoded.value;
  return message.type === "error" ? message.problem : message.type;
}

function life(): Life {
  return new Life(memoryStore(), {}, 0);
}

describe("the start of a connection", () => {
  it("[B2-5] authenticate says how many packets were processed, and their digest", async () => {
    const one = life();
    await one.connect();
    const [first] = one.connection.taken();
    expect(first).toEqual({ acknowledge: 0, packets: [authenticate(new Uint8Array(32))] });
    await one.hear(0, authenticate(new Uint8Array(32)));
    const packets = ["a", "b"].map(packet);
    await one.hear(0, ...packets);
    await one.connect();
    expect(one.connection.taken()).toEqual([{ acknowledge: 2, packets: [authenticate(digestOf(...packets))] }]);
    const next = await one.restart();
    await next.connect();
    expect(next.connection.taken()).toEqual([{ acknowledge: 2, packets: [authenticate(digestOf(...packets))] }]);
  });

  it("[B2-4] sends nothing but authenticate before the peer's has come", async () => {
    const one = life();
    await one.meet();
    await one.queue("a");
    await one.connect();
    expect(one.heard()).toEqual([[0, "authenticate"]]);
    expect(one.session.ready).toBe(false);
    await one.hear(0, authenticate(new Uint8Array(32)));
    expect(one.session.ready).toBe(true);
    expect(one.heard()).toEqual([[0, "a"]]);
  });

  it("authenticates first, even where the peer was faster", async () => {
    const one = life();
    const { session, connection } = one;
    await one.run((batch) => {
      session.connect(batch, connection);
      session.receive(batch, connection, encodeTransportMessage(0, [authenticate(new Uint8Array(32)), packet("a")]));
      session.queue(batch, packet("b"));
    });
    expect(one.heard()).toEqual([
      [1, "authenticate"],
      [1, "b"],
    ]);
    expect(one.told).toEqual(["ready", "1 a (0)"]);
  });

  it("[B2-5] refuses another first packet, and hangs up", async () => {
    const one = life();
    await one.connect();
    await one.hear(0, packet("a"), packet("b"));
    expect(one.told).toEqual(["remote undecodable [B2-5], the first packet of a connection is authenticate"]);
    expect(one.connection.closed).toBe(true);
    expect(one.session.connected).toBe(false);
  });

  it("[B2-5] [B2-6] refuses numbers and digests that can't be, where there is a channel", async () => {
    const one = life();
    await one.meet();
    const [a, b] = [packet("a"), packet("b")];
    await one.queue("a", "b");
    const tell = async (acknowledge: number, digest: Uint8Array): Promise<void> => {
      await one.connect();
      await one.hear(acknowledge, authenticate(digest), packet("after"));
      expect(one.connection.closed).toBe(one.told.at(-1) !== "1 after (1)");
    };
    await tell(3, digestOf(a, b));
    await tell(2, digestOf(a));
    await tell(1, digestOf(a));
    await tell(0, new Uint8Array(32));
    expect(one.told).toEqual([
      "remote acknowledge [B2-5], limit 2, actual 3",
      "remote digest [B2-6], actual 2",
      "ready",
      "1 after (1)",
      "remote acknowledge [B2-5], limit 1, actual 0",
    ]);
  });
});

describe("packets", () => {
  it("are numbered over connections and lives, and sent after the commit", async () => {
    const one = life();
    await one.meet();
    one.heard();
    one.journal.post("other", (batch) => {
      one.session.queue(batch, packet("a"));
      expect(one.heard()).toEqual([]);
    });
    await one.clock.run();
    expect(one.heard()).toEqual([[0, "a"]]);
    expect(one.session.nextPacketNumber).toBe(2);
    const next = await one.restart();
    expect(next.session.nextPacketNumber).toBe(2);
  });

  it("are not sent when the commit fails", async () => {
    const one = life();
    await one.meet();
    one.heard();
    one.store.failNextCommit({ outcome: "unknown", written: true });
    await one.queue("a");
    expect(one.halts).toHaveLength(1);
    expect(one.heard()).toEqual([]);
    const next = await one.restart();
    await next.meet();
    expect(next.heard().slice(1)).toEqual([[0, "a"]]);
  });

  it("[B2-6] are sent again bit for bit, with the acknowledge that each was created with", async () => {
    const one = life();
    await one.meet();
    await one.queue("a", "b");
    await one.hear(0, packet("x"));
    await one.queue("c");
    await one.hear(0, packet("y"), packet("z"));
    await one.queue("d", "e");
    await one.connect();
    one.connection.taken();
    await one.hear(1, authenticate(digestOf(packet("a"))));
    const again = one.connection.taken();
    expect(again).toEqual([
      { acknowledge: 0, packets: [packet("b")] },
      { acknowledge: 1, packets: [packet("c")] },
      { acknowledge: 3, packets: [packet("d"), packet("e")] },
    ]);
    const next = await one.restart();
    await next.connect();
    next.connection.taken();
    await next.hear(1, authenticate(digestOf(packet("a"))));
    expect(next.connection.taken()).toEqual(again);
  });

  it("leave the outbox once they are acknowledged, by whatever carries it", async () => {
    const one = life();
    await one.meet();
    await one.queue("a", "b", "c", "d");
    const left = async () => [one.session.unacknowledged, (await one.store.load()).outbox.map(({ number }) => number)];
    await one.hear(1, NOTHING);
    expect(await left()).toEqual([3, [1, 2, 3, 4]]);
    await one.hear(2, packet("x"));
    expect(await left()).toEqual([2, [3, 4]]);
    await one.connect();
    await one.hear(3, authenticate(digestOf(...["a", "b", "c"].map(packet))));
    expect(await left()).toEqual([1, [4]]);
    // What an empty packet says of the future, or of the past, changes nothing.
    await one.hear(9, NOTHING);
    await one.hear(1, NOTHING);
    expect(one.session.unacknowledged).toBe(1);
    expect(one.told.filter((text) => text.includes("acknowledge"))).toEqual([]);
  });

  it("[B2-5] carry an acknowledge that never falls and is never above what was sent", async () => {
    const one = life();
    await one.meet();
    await one.queue("a", "b", "c");
    await one.hear(2, packet("x"));
    await one.hear(1, packet("y"));
    await one.hear(4, packet("z"));
    await one.hear(3, packet("w"));
    expect(one.told).toEqual([
      "1 x (2)",
      "remote acknowledge [B2-5], limit 2, actual 1",
      "remote acknowledge [B2-5], limit 3, actual 4",
      "4 w (3)",
    ]);
    expect(one.session.acknowledge).toBe(4);
  });

  it("[B2-6] that come again after authenticate may carry less than it said", async () => {
    const one = life();
    await one.meet();
    await one.queue("a", "b");
    await one.meet(2, digestOf(packet("a"), packet("b")));
    await one.hear(0, packet("x"));
    expect(one.told).toEqual(["1 x (0)"]);
    expect(one.session.packetAcknowledge).toBe(0);
  });

  it("of a connection that was replaced are discarded, and processed when they come again", async () => {
    const one = life();
    await one.meet();
    const before = one.connection;
    const late = encodeTransportMessage(0, [packet("x")]);
    one.connection = new FakeConnection(PEER);
    await one.run((batch) => {
      one.session.connect(batch, one.connection);
      one.session.receive(batch, before, late);
    });
    expect(before.closed).toBe(true);
    expect(one.heard()).toEqual([[0, "authenticate"]]);
    await one.hear(0, authenticate(new Uint8Array(32)), packet("x"));
    expect(one.told).toEqual(["ready", "1 x (0)"]);
    // The end of the old connection does not end the new one.
    one.session.disconnect(before);
    expect(one.session.ready).toBe(true);
  });
});

describe("what the peer is told", () => {
  it("an empty packet acknowledges what nothing else does, once", async () => {
    const one = life();
    await one.meet();
    one.heard();
    await one.hear(0, packet("x"), packet("y"));
    expect(one.heard()).toEqual([[2, ""]]);
    await one.hear(0, NOTHING);
    expect(one.heard()).toEqual([]);
    one.answer = (batch, session) => session.queue(batch, packet("answer"));
    await one.hear(0, packet("z"));
    expect(one.heard()).toEqual([[3, "answer"]]);
  });

  it("a pong follows the commit, and does not stand for an acknowledge", async () => {
    const one = life();
    await one.meet();
    one.heard();
    await one.hear(0, packet("x"), encodePing(Uint8Array.of(1)));
    expect(one.heard().toSorted(([, a], [, b]) => (a ?? "").localeCompare(b ?? ""))).toEqual([
      [1, ""],
      [1, "pong"],
    ]);
    one.store.failNextCommit({ outcome: "refused" });
    await one.hear(0, packet("y"), encodePing(Uint8Array.of(1)));
    expect(one.heard()).toEqual([]);
  });
});

describe("what can't be made sense of", () => {
  it("ends the connection where a message can't be read, after the peer was told why", async () => {
    const one = life();
    await one.meet();
    one.heard();
    await one.run((batch) => {
      one.session.receive(batch, one.connection, new Uint8Array(9).fill(0xff));
      one.session.queue(batch, packet("why"));
      one.session.receive(batch, one.connection, encodeTransportMessage(0, [packet("more")]));
    });
    expect(one.told).toHaveLength(1);
    expect(one.told[0]).toContain("number_too_large");
    expect(one.heard()).toEqual([[0, "why"]]);
    expect(one.connection.closed).toBe(true);
  });

  it("counts a packet that can't be read, so that it does not come for ever", async () => {
    const one = life();
    await one.meet();
    await one.hear(0, Uint8Array.of(0, 0xff), packet("y"));
    expect(one.told).toEqual(["remote undecodable [B2-1], type undecodable", "2 y (0)"]);
  });

  it("holds no more than 20,000 packets for a peer that does not acknowledge", async () => {
    const one = life();
    await one.meet();
    one.answer = (batch, session) => session.queue(batch, packet("answer"));
    const asking = Array.from({ length: 1_000 }, () => packet("x"));
    for (let n = 0; n < 21; n++) await one.hear(0, ...asking);
    expect(one.session.unacknowledged).toBe(20_000);
    expect(one.session.acknowledge).toBe(20_000);
    expect(one.connection.closed).toBe(true);
    expect(one.told.filter((text) => !text.includes(" x "))).toEqual([]);
  });
});

describe("a peer without a channel", () => {
  function stranger(leftover = 0): Life {
    const one = new Life(memoryStore(), { leftover }, 0);
    one.hasChannels = false;
    return one;
  }

  it("leaves nothing in the store, whatever it says", async () => {
    const one = stranger();
    await one.meet();
    one.answer = (batch, session) => session.queue(batch, packet("no"));
    await one.hear(0, packet("x"));
    expect(one.heard().at(-1)).toEqual([1, "no"]);
    await one.hear(0, Uint8Array.of(0, 0xff), packet("y"));
    expect(one.connection.closed).toBe(true);
    expect(one.told).toEqual(["1 x (0)", "remote undecodable [B2-1], type undecodable"]);
    expect(await one.store.sequence()).toBe(0);
    expect(one.session.isStranger).toBe(true);
  });

  it("is stored with its first channel: numbers, digest and what it has not acknowledged", async () => {
    const one = stranger();
    await one.meet();
    one.answer = (batch, session, text) => {
      session.queue(batch, packet(`answer to ${text}`));
      one.hasChannels = text === "y";
    };
    await one.hear(0, packet("x"));
    await one.hear(0, packet("y"));
    const { peers, streams, outbox } = await one.store.load();
    expect(peers).toEqual([{ index: 3, nodeId: PEER, address: undefined }]);
    expect(streams).toMatchObject([
      { peer: 3, received: 2, sent: 2, receivedDigest: digestOf(packet("x"), packet("y")) },
    ]);
    expect(outbox.map(({ packet: bytes }) => textOf(bytes))).toEqual(["answer to x", "answer to y"]);
  });

  it("gets an index whose former packets are gone", async () => {
    const before = new Life(memoryStore(), {}, 0);
    await before.meet();
    await before.queue("old", "older");
    const { sequence } = await before.store.load();
    const one = new Life(before.store, { leftover: before.session.sent }, sequence);
    await one.meet();
    await one.queue("new");
    const { outbox, streams } = await one.store.load();
    expect(outbox.map(({ packet: bytes }) => textOf(bytes))).toEqual(["new"]);
    expect(streams).toMatchObject([{ sent: 1 }]);
  });

  it("holds 100 packets at most that are not acknowledged", async () => {
    const one = stranger();
    await one.meet();
    one.answer = (batch, session) => session.queue(batch, packet("no"));
    await one.hear(0, ...Array.from({ length: 200 }, () => packet("x")));
    expect(one.session.unacknowledged).toBe(100);
    expect(one.connection.closed).toBe(true);
  });

  it("is believed about numbers that one of the two has forgotten, and both go on from there", async () => {
    const one = stranger();
    await one.connect();
    const forgotten = digestOf(packet("long"), packet("ago"));
    await one.hear(2, authenticate(forgotten));
    expect(one.told).toEqual(["ready"]);
    expect(one.session.nextPacketNumber).toBe(3);
    one.hasChannels = true;
    await one.queue("a");
    expect(one.heard().at(-1)).toEqual([0, "a"]);
    await one.meet(3, digestOf(packet("long"), packet("ago"), packet("a")));
    expect(one.session.unacknowledged).toBe(0);
    // The other way round: we remember what the peer has forgotten.
    one.hasChannels = false;
    await one.queue("b");
    await one.meet(0);
    expect(one.session.nextPacketNumber).toBe(1);
    await one.hear(0, packet("x"));
    one.hasChannels = true;
    await one.queue("c");
    const { streams, outbox } = await one.store.load();
    expect(streams).toMatchObject([{ sent: 1, received: 1 }]);
    expect(outbox.map(({ packet: bytes }) => textOf(bytes))).toEqual(["c"]);
  });

  it("is not believed where its number is absurd", async () => {
    const one = stranger();
    await one.connect();
    await one.hear(2 ** 52, authenticate(new Uint8Array(32)));
    expect(one.told).toEqual(["remote acknowledge [B2-5], limit 0, actual 4503599627370496"]);
    expect(one.connection.closed).toBe(true);
  });
});

describe("how long a peer could have answered a packet", () => {
  it("[B2-41] counts from its queueing, or from when both authenticates of the present connection were exchanged", async () => {
    const one = life();
    const { clock, session } = one;
    expect([session.readyAt, session.deliverableSince(1)]).toEqual([undefined, undefined]);
    const start = clock.now();
    await one.connect();
    await clock.advance(5_000);
    expect(session.readyAt).toBeUndefined();
    await one.hear(0, authenticate(new Uint8Array(32)));
    expect(session.readyAt).toBe(start + 5_000);
    await clock.advance(5_000);
    await one.queue("1");
    await clock.advance(999);
    await one.queue("2");
    await clock.advance(1);
    await one.queue("3", "4");
    const since = (number: number) => (session.deliverableSince(number) ?? 0) - start;
    // Within a second, times are not told apart.
    expect([1, 2, 3, 4, 5].map(since)).toEqual([10_000, 10_000, 11_000, 11_000, 11_000]);
    await clock.advance(1_000_000);
    await one.connect();
    expect(session.deliverableSince(1)).toBeUndefined();
    await one.hear(0, authenticate(new Uint8Array(32)));
    expect([1, 2, 3, 4].map(since)).toEqual([1_011_000, 1_011_000, 1_011_000, 1_011_000]);
  });

  it("is kept for ten minutes, however much is sent", async () => {
    const one = life();
    await one.meet();
    const start = one.clock.now();
    for (let n = 1; n <= 700; n++) {
      await one.queue(`${n}`);
      await one.clock.advance(1_000);
    }
    expect(one.session.deliverableSince(700)).toBe(start + 699_000);
    expect(one.session.deliverableSince(101)).toBe(start + 100_000);
    // Older ones are at least ten minutes old: no more need be known of them.
    expect(one.session.deliverableSince(50)).toBeLessThanOrEqual(start + 100_000);
  });
});

describe("a connection that is made anew", () => {
  it("[B2-41] is ended once for what waits, and again only for what was queued since", async () => {
    const one = life();
    const retry = async (number: number) => {
      let done = false;
      await one.run((batch) => {
        done = one.session.retry(batch, number);
      });
      return done;
    };
    await one.connect();
    expect(await retry(1)).toBe(false);
    await one.hear(0, authenticate(new Uint8Array(32)));
    await one.queue("1", "2");
    expect(await retry(1)).toBe(true);
    expect(one.connection.closed).toBe(true);
    expect(one.session.ready).toBe(false);
    expect(await retry(1)).toBe(false);
    await one.meet(1, digestOf(packet("1")));
    expect(await retry(2)).toBe(false);
    expect(one.connection.closed).toBe(false);
    await one.queue("3");
    expect(await retry(3)).toBe(true);
  });
});

describe("a ping", () => {
  it("is answered once a second, however many come", async () => {
    const one = life();
    await one.meet();
    const pings = Array.from({ length: 50 }, (_, n) => encodePing(Uint8Array.of(n)));
    one.connection.taken();
    await one.hear(0, ...pings);
    await one.hear(0, ...pings);
    await one.clock.advance(999);
    await one.hear(0, ...pings);
    expect(one.heard()).toEqual([[0, "pong"]]);
    await one.clock.advance(1);
    await one.hear(0, ...pings);
    expect(one.heard()).toEqual([[0, "pong"]]);
  });
});
