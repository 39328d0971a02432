import { once } from "node:events";
import { connect as connectSocket, createServer, type Server, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { recorder } from "../../../test/support/recorder.ts";
import { type TransportNode, transportSuite } from "../../../test/support/transport-suite.ts";
import { asNodeId, concatBytes, type NodeId } from "../../core/base/index.ts";
import {
  ACT_ONE_BYTES,
  ACT_TWO_BYTES,
  initiateHandshake,
  keyPaths,
  type NoiseTransport,
  seedSigner,
  sha256,
} from "../../core/crypto/index.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Random } from "../../ports/random.ts";
import type { PeerAddress, Transport } from "../../ports/transport.ts";
import { type VirtualClock, virtualClock } from "../../testing/index.ts";
import { systemClock } from "../system/index.ts";
import { ByteReader } from "./byte-reader.ts";
import { initiator, shakeHands } from "./handshake.ts";
import { tcpTransport } from "./index.ts";

const ANY_PORT: PeerAddress = { host: "127.0.0.1", port: 0 };
const NODE_KEY = keyPaths(1).nodeKey();

type CountingClock = VirtualClock & { /** How many timers are set. */ readonly pending: () => number };

function countingClock(): CountingClock {
  const clock = virtualClock();
  const timers = new Set<object>();
  return {
    ...clock,
    pending: () => timers.size,
    after(ms, action) {
      const timer = {};
      timers.add(timer);
      const cancel = clock.after(ms, () => {
        timers.delete(timer);
        action();
      });
      return () => {
        timers.delete(timer);
        cancel();
      };
    },
  };
}

/** Repeatable stand-in for the system's randomness: tests fail the same way twice. */
function countedRandom(): Random {
  let drawn = 0;
  return { bytes: (length) => sha256(Uint8Array.of(9, drawn >> 8, drawn++ & 0xff)).subarray(0, length) };
}

const signerOf = (name: number): ReturnType<typeof seedSigner> => seedSigner(new Uint8Array(64).fill(name));
const random = countedRandom();

function makeNode(name: number, options: { clock?: Clock; idleTimeoutMs?: number } = {}): TransportNode {
  const signer = signerOf(name);
  return {
    transport: tcpTransport({ signer, nodeKey: NODE_KEY, random, clock: systemClock(), ...options }),
    nodeId: asNodeId(signer.publicKey(NODE_KEY)),
  };
}

transportSuite("p2p-tcp", () => {
  let nodes = 0;
  return { anyPort: ANY_PORT, node: () => makeNode(++nodes), until: (promise) => promise };
});

/** What a hostile or broken peer does: bytes on a socket. */
type Stranger = { readonly socket: Socket; readonly closed: Promise<unknown>; readonly received: () => number };

async function strangerAt(address: PeerAddress): Promise<Stranger> {
  const socket = connectSocket(address);
  let received = 0;
  socket.on("data", (chunk) => {
    received += chunk.length;
  });
  socket.on("error", () => undefined);
  const closed = new Promise((resolve) => socket.once("close", resolve));
  await once(socket, "connect");
  return { socket, closed, received: () => received };
}

/** A peer that went through the handshake and then does what a test wants with its socket and keys. */
async function rawPeer(address: PeerAddress, remote: NodeId): Promise<{ socket: Socket; noise: NoiseTransport }> {
  const signer = signerOf(77);
  const socket = connectSocket(address);
  const keys = {
    localStatic: signer.publicKey(NODE_KEY),
    ecdh: (publicKey: Uint8Array) => signer.ecdh(NODE_KEY, publicKey),
    ephemeralSecret: random.bytes(32),
  };
  return new Promise((resolve, reject) => {
    shakeHands(
      socket,
      new ByteReader(),
      initiator(keys, remote),
      { clock: systemClock(), timeoutMs: 5000 },
      (outcome) => {
        if (!outcome.ok) return reject(outcome.error);
        socket.on("error", () => undefined);
        resolve({ socket, noise: outcome.value.noise });
      },
    );
  });
}

describe("p2p-tcp among strangers", () => {
  const transports: Transport[] = [];
  const servers: Server[] = [];
  const sockets: Socket[] = [];

  function node(name: number, options: { clock?: Clock; idleTimeoutMs?: number } = {}): TransportNode {
    const made = makeNode(name, options);
    transports.push(made.transport);
    return made;
  }

  /** A server that is no node. */
  async function server(onSocket: (socket: Socket) => void): Promise<PeerAddress> {
    const made = createServer((socket) => {
      sockets.push(socket);
      socket.on("error", () => undefined);
      onSocket(socket);
    }).listen(ANY_PORT);
    servers.push(made);
    await once(made, "listening");
    const bound = made.address();
    if (bound === null || typeof bound === "string") throw new Error("no TCP address");
    return { host: ANY_PORT.host, port: bound.port };
  }

  /** Bob listens; a stranger that proved a key is connected to him. */
  async function bobWithPeer(options: { clock?: CountingClock; idleTimeoutMs?: number } = {}) {
    const bob = node(2, options);
    const ofBob = recorder();
    const address = await bob.transport.listen(ANY_PORT, ofBob.onConnection);
    const peer = await rawPeer(address, bob.nodeId);
    sockets.push(peer.socket);
    const atBob = await ofBob.opened;
    return { bob, ofBob, atBob, address, ...peer };
  }

  /** Proves that a node still accepts. */
  async function accepts(to: NodeId, address: PeerAddress): Promise<void> {
    const honest = node(50);
    const connection = await honest.transport.connect(to, address, recorder().onConnection);
    expect(connection.remote).toEqual(to);
  }

  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    await Promise.all(transports.splice(0).map((transport) => transport.close()));
    await Promise.all(servers.splice(0).map((made) => new Promise((resolve) => made.close(resolve))));
  });

  it("hangs up on garbage at the handshake without a byte, and goes on listening", async () => {
    const bob = node(2);
    const remotes: NodeId[] = [];
    const ofBob = recorder(({ remote }) => remotes.push(remote));
    const address = await bob.transport.listen(ANY_PORT, ofBob.onConnection);
    const garbage = [
      new Uint8Array(ACT_ONE_BYTES),
      new Uint8Array(ACT_ONE_BYTES).fill(0xff),
      new TextEncoder().encode(`GET / HTTP/1.1\r\nHost: ${"a".repeat(100)}\r\n\r\n`),
      new Uint8Array(200_000).fill(3),
    ];
    for (const bytes of garbage) {
      const stranger = await strangerAt(address);
      stranger.socket.write(bytes);
      await stranger.closed;
      expect(stranger.received()).toBe(0);
    }
    await accepts(bob.nodeId, address);
    await ofBob.opened;
    expect(remotes).toEqual([makeNode(50).nodeId]);
  });

  it("tells the dialler of garbage, and of a peer that hangs up or resets, in its own words", async () => {
    const alice = node(1);
    const remote = node(2).nodeId;
    const answers: ((socket: Socket) => void)[] = [
      (socket) => socket.write(new Uint8Array(ACT_TWO_BYTES)),
      (socket) => socket.end(),
      (socket) => socket.resetAndDestroy(),
    ];
    const codes = ["handshake_failed", "handshake_failed", "lost"];
    for (const [i, answer] of answers.entries()) {
      const address = await server((socket) => void socket.once("data", () => answer(socket)));
      const failed = alice.transport.connect(remote, address, recorder().onConnection);
      await expect(failed).rejects.toMatchObject({ code: codes[i] });
    }
  });

  it("does not dial a node id that is no public key, an impossible port, or a name that is none", async () => {
    const alice = node(1);
    const address = await server(() => undefined);
    const noKey = alice.transport.connect(asNodeId(new Uint8Array(33)), address, recorder().onConnection);
    await expect(noKey).rejects.toMatchObject({ code: "handshake_failed" });
    const noPort = alice.transport.connect(alice.nodeId, { ...address, port: 70_000 }, recorder().onConnection);
    await expect(noPort).rejects.toMatchObject({ code: "refused" });
    const unusable = { code: "address_unusable", retryable: false };
    const bad = alice.transport.listen({ host: "127.0.0.1", port: 70_000 }, recorder().onConnection);
    await expect(bad).rejects.toMatchObject(unusable);
    // An address reserved for documentation (RFC 5737), which no machine has.
    const foreign = alice.transport.listen({ host: "192.0.2.1", port: 0 }, recorder().onConnection);
    await expect(foreign).rejects.toMatchObject(unusable);
  });

  it("turns away a caller that feeds its handshake too slowly", async () => {
    const clock = countingClock();
    const bob = node(2, { clock });
    const address = await bob.transport.listen(ANY_PORT, recorder().onConnection);
    const started = initiateHandshake(
      { localStatic: bob.nodeId, ecdh: () => undefined, ephemeralSecret: random.bytes(32) },
      bob.nodeId,
    );
    if (!started.ok) throw new Error(started.error.type);
    const slow = await strangerAt(address);
    slow.socket.write(started.value.actOne.subarray(0, 20));
    // Somebody behind the stranger in the queue of the system: once he is in, the stranger is accepted too.
    await accepts(bob.nodeId, address);
    await clock.advance(9_999);
    slow.socket.write(started.value.actOne.subarray(20));
    // Act two shows that it was within its time until now.
    while (slow.received() < ACT_TWO_BYTES) await once(slow.socket, "data");
    slow.socket.write(Uint8Array.of(0));
    await clock.advance(1);
    await slow.closed;
  });

  it("gives up on a node that never answers", async () => {
    const clock = countingClock();
    const alice = node(1, { clock });
    let dialled: () => void = () => undefined;
    const actOneCame = new Promise<void>((resolve) => {
      dialled = resolve;
    });
    const address = await server((socket) => void socket.once("data", dialled));
    const connecting = alice.transport.connect(node(2).nodeId, address, recorder().onConnection);
    const failed = expect(connecting).rejects.toMatchObject({ code: "timeout", retryable: true });
    await actOneCame;
    await clock.advance(10_000);
    await failed;
    expect(clock.pending()).toBe(0);
  });

  it("turns away the oldest of too many unfinished handshakes, and the honest get through", async () => {
    const bob = node(2);
    const address = await bob.transport.listen(ANY_PORT, recorder().onConnection);
    const strangers: Stranger[] = [];
    for (let i = 0; i < 64; i++) strangers.push(await strangerAt(address));
    sockets.push(...strangers.map(({ socket }) => socket));
    await accepts(bob.nodeId, address);
    await strangers[0]?.closed;
    expect(strangers.filter(({ socket }) => socket.destroyed)).toHaveLength(1);
  });

  it("closes while strangers sit in their handshakes", async () => {
    const bob = node(2);
    const address = await bob.transport.listen(ANY_PORT, recorder().onConnection);
    const stranger = await strangerAt(address);
    // Somebody behind the stranger in the queue of the system: once he is in, the stranger is accepted too.
    await accepts(bob.nodeId, address);
    const reset = once(stranger.socket, "end").catch((cause: NodeJS.ErrnoException) => cause.code);
    await bob.transport.close();
    // Not an end: a dialler that is turned away for no fault of its own may try again.
    expect(await reset).toBe("ECONNRESET");
    await stranger.closed;
  });

  it("ends at a bad header with bad_frame and delivers nothing more", async () => {
    const { ofBob, socket, noise } = await bobWithPeer();
    const [first, bad, after] = [1, 2, 3].map((value) => noise.encryptMessage(Uint8Array.of(value)));
    if (first === undefined || bad === undefined || after === undefined) throw new Error("no frames");
    bad[0] = (bad[0] ?? 0) ^ 1;
    socket.write(concatBytes(first, bad, after));
    expect(await ofBob.ended).toMatchObject({ code: "bad_frame", retryable: false });
    socket.write(after);
    expect(ofBob.messages).toEqual([Uint8Array.of(1)]);
    expect(ofBob.ends).toHaveLength(1);
  });

  it.each([
    ["a bad body", (noise: NoiseTransport) => noise.encryptMessage(Uint8Array.of(2)).fill(0, 18, 19)],
    ["an empty message", (noise: NoiseTransport) => noise.encryptMessage(new Uint8Array(0))],
    ["garbage", () => new Uint8Array(100_000).fill(0xa5)],
  ])("ends at %s with bad_frame", async (_, make) => {
    const { ofBob, atBob, socket, noise, address, bob } = await bobWithPeer();
    socket.write(noise.encryptMessage(Uint8Array.of(1)));
    socket.write(make(noise));
    socket.write(noise.encryptMessage(Uint8Array.of(3)));
    expect(await ofBob.ended).toMatchObject({ code: "bad_frame" });
    expect(ofBob.messages).toEqual([Uint8Array.of(1)]);
    atBob.send(Uint8Array.of(1));
    await accepts(bob.nodeId, address);
  });

  it("ends at a replayed message with bad_frame", async () => {
    const { ofBob, socket, noise } = await bobWithPeer();
    const frame = noise.encryptMessage(Uint8Array.of(1));
    socket.write(frame);
    socket.write(frame);
    expect(await ofBob.ended).toMatchObject({ code: "bad_frame" });
    expect(ofBob.messages).toHaveLength(1);
  });

  it("reads messages that arrive byte by byte", async () => {
    const { ofBob, socket, noise } = await bobWithPeer();
    const sent = [1, 300, 2].map((length) => new Uint8Array(length).fill(length));
    const stream = concatBytes(...sent.map((message) => noise.encryptMessage(message)));
    socket.setNoDelay(true);
    for (const byte of stream) await new Promise((resolve) => socket.write(Uint8Array.of(byte), resolve));
    expect(await ofBob.received(3)).toEqual(sent);
  });

  it("[B2-41] says lost when the peer's socket breaks, or ends within a message", async () => {
    const breaks: ((socket: Socket) => void)[] = [(socket) => socket.resetAndDestroy(), (socket) => socket.end()];
    for (const [i, hangUp] of breaks.entries()) {
      const { ofBob, socket, noise } = await bobWithPeer();
      socket.write(noise.encryptMessage(Uint8Array.of(1)));
      await ofBob.received(1);
      if (i === 1) socket.write(noise.encryptMessage(new Uint8Array(1000)).subarray(0, 500));
      hangUp(socket);
      expect(await ofBob.ended).toMatchObject({ code: "lost", retryable: true });
      expect(ofBob.ends).toHaveLength(1);
    }
  });

  it("takes the peer's FIN for an orderly end even if the peer would go on reading", async () => {
    const { ofBob, socket, noise } = await bobWithPeer();
    socket.write(noise.encryptMessage(Uint8Array.of(1)));
    socket.end();
    expect(await ofBob.ended).toBeUndefined();
    expect(ofBob.messages).toEqual([Uint8Array.of(1)]);
  });

  it("ends with backlog when a peer does not read", async () => {
    const { ofBob, atBob } = await bobWithPeer();
    const message = new Uint8Array(65_535);
    // The peer's socket is paused since its handshake. 64 MiB and what the system's buffers take.
    for (let i = 0; i < 2000 && ofBob.ends.length === 0; i++) {
      atBob.send(message);
      if (i % 200 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await ofBob.ended).toMatchObject({ code: "backlog", retryable: true });
    atBob.send(message);
  });

  it("does not wait for ever for a peer that neither reads nor hangs up after our close", async () => {
    const clock = countingClock();
    const { bob, ofBob, atBob } = await bobWithPeer({ clock });
    for (let i = 0; i < 300; i++) atBob.send(new Uint8Array(65_535));
    const closing = bob.transport.close();
    await clock.advance(5000);
    await closing;
    expect(ofBob.ends).toEqual([expect.objectContaining({ code: "timeout" })]);
    expect(clock.pending()).toBe(0);
  });

  it("leaves no timer behind after an orderly end", async () => {
    const clock = countingClock();
    const { ofBob, atBob, socket } = await bobWithPeer({ clock, idleTimeoutMs: 1000 });
    socket.resume();
    atBob.close();
    expect(await ofBob.ended).toBeUndefined();
    expect(clock.pending()).toBe(0);
  });

  it("ends a silent connection after the idle time, counted from what was heard last", async () => {
    const clock = countingClock();
    const { ofBob, socket, noise } = await bobWithPeer({ clock, idleTimeoutMs: 1000 });
    await clock.advance(999);
    socket.write(noise.encryptMessage(Uint8Array.of(1)));
    await ofBob.received(1);
    await clock.advance(999);
    expect(clock.pending()).toBe(1);
    await clock.advance(1);
    expect(await ofBob.ended).toMatchObject({ code: "timeout" });
    expect(clock.pending()).toBe(0);
  });

  it("keeps a silent connection where no idle time is set", async () => {
    const clock = countingClock();
    const { ofBob, socket, noise } = await bobWithPeer({ clock });
    await clock.advance(100 * 24 * 3600 * 1000);
    socket.write(noise.encryptMessage(Uint8Array.of(1)));
    await ofBob.received(1);
    expect(ofBob.ends).toEqual([]);
  });

  it("sends the messages of one turn in one write", async () => {
    const { atBob, socket } = await bobWithPeer();
    const chunks: number[] = [];
    const all = new Promise<void>((resolve) => {
      socket.on("data", (chunk) => {
        chunks.push(chunk.length);
        if (chunks.reduce((sum, length) => sum + length, 0) === 100 * 35) resolve();
      });
    });
    socket.resume();
    for (let i = 0; i < 100; i++) {
      atBob.send(Uint8Array.of(i));
      await Promise.resolve();
    }
    await all;
    expect(chunks).toEqual([3500]);
  });
});
