import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import { ByteReader } from "../../../src/adapters/p2p-tcp/byte-reader.ts";
import { TcpConnection } from "../../../src/adapters/p2p-tcp/connection.ts";
import { responder, shakeHands } from "../../../src/adapters/p2p-tcp/handshake.ts";
import { asNodeId, concatBytes, equalBytes } from "../../../src/core/base/index.ts";
import {
  type HandshakeKeys,
  initiateHandshake,
  NoiseTransport,
  respondToHandshake,
  secp256k1,
} from "../../../src/core/crypto/index.ts";
import type { TransportError } from "../../../src/ports/transport.ts";
import { Choices, type Outcome, type Target } from "../target.ts";

function keysOf(byte: number): HandshakeKeys {
  const secret = new Uint8Array(32).fill(byte);
  return {
    localStatic: secp256k1.publicKey(secret),
    ecdh: (publicKey) => secp256k1.ecdh(publicKey, secret),
    ephemeralSecret: new Uint8Array(32).fill(byte + 1),
  };
}

const OURS = keysOf(1);
const THEIRS = keysOf(3);

function goodHandshake() {
  const initiator = initiateHandshake(THEIRS, OURS.localStatic);
  if (!initiator.ok) throw new Error(initiator.error.type);
  const answer = respondToHandshake(OURS, initiator.value.actOne);
  if (!answer.ok) throw new Error(answer.error.type);
  const last = initiator.value.readAct2(answer.value.actTwo);
  if (!last.ok) throw new Error(last.error.type);
  return { actOne: initiator.value.actOne, actTwo: answer.value.actTwo, actThree: last.value.actThree };
}

const GOOD = goodHandshake();

/** The acts that a stranger sends to either side; only the good ones are taken. */
function acts(input: Uint8Array): Outcome {
  const two = input.subarray(1);
  if ((input[0] ?? 0) % 2 === 0) {
    const initiator = initiateHandshake(THEIRS, OURS.localStatic);
    if (!initiator.ok) throw new Error(initiator.error.type);
    const read = initiator.value.readAct2(two);
    assert.equal(read.ok, equalBytes(two, GOOD.actTwo));
    return read.ok ? "act two" : `${read.error.type} 2`;
  }
  const one = respondToHandshake(OURS, two.subarray(0, 50));
  if (!one.ok) return `${one.error.type} 1`;
  const three = one.value.readAct3(two.subarray(50));
  assert.equal(three.ok, equalBytes(two, concatBytes(GOOD.actOne, GOOD.actThree)));
  return three.ok ? "act three" : `${three.error.type} 3`;
}

/** What a connection needs of a socket. */
class FakeSocket extends EventEmitter {
  connecting = false;
  destroyed = false;
  writableLength = 0;
  readonly written: Uint8Array[] = [];

  setNoDelay(): void {}
  setKeepAlive(): void {}
  resume(): void {}
  pause(): void {}
  end(): void {}
  write(bytes: Uint8Array): boolean {
    this.written.push(bytes);
    return true;
  }
  destroy(): void {
    this.destroyed = true;
  }
  resetAndDestroy(): void {
    this.destroyed = true;
  }
}

const CLOCK = { now: () => 0, after: () => () => {}, soon: () => {} };
const NEXT_TURN = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Cuts bytes into chunks and hands them on. */
function inChunks(bytes: Uint8Array, choices: Choices, socket: FakeSocket): void {
  for (let at = 0; at < bytes.length && !socket.destroyed; ) {
    const length = 1 + choices.below(choices.below(4) === 0 ? 4_000 : 60);
    socket.emit("data", bytes.subarray(at, at + length));
    at += length;
  }
}

/** A stranger's bytes on a socket that awaits a handshake. */
function handshakeBytes(input: Uint8Array): Outcome {
  const choices = new Choices(input);
  const socket = new FakeSocket();
  const outcomes: string[] = [];
  const bytes = new ByteReader();
  shakeHands(socket as unknown as Socket, bytes, responder(OURS), { clock: CLOCK, timeoutMs: 1 }, (outcome) => {
    outcomes.push(outcome.ok ? "established" : outcome.error.code);
  });
  inChunks(input.subarray(4), choices, socket);
  if (outcomes.length === 0) socket.emit("end");
  assert.equal(outcomes.length, 1, "it ends once");
  assert.equal(outcomes[0] === "established", !socket.destroyed);
  return outcomes;
}

const KEY = (byte: number) => new Uint8Array(32).fill(byte);

/** Frames of a peer, some of them changed on the way, in chunks of any size. */
async function frames(input: Uint8Array): Promise<Outcome> {
  const choices = new Choices(input);
  const sender = new NoiseTransport(KEY(1), KEY(2), KEY(3));
  const noise = new NoiseTransport(KEY(1), KEY(3), KEY(2));
  const messages: Uint8Array[] = [];
  let stream: Uint8Array = new Uint8Array(0);
  const count = 1 + choices.below(5);
  for (let n = 0; n < count; n++) {
    const message = choices.take(choices.below(6) === 0 ? 0 : 1 + choices.below(choices.below(8) === 0 ? 65_535 : 80));
    messages.push(message);
    stream = concatBytes(stream, sender.encryptMessage(message));
  }
  const where = choices.below(4) === 0 ? choices.uint(3) % stream.length : undefined;
  const damaged = stream.slice();
  if (where !== undefined) damaged[where] = (damaged[where] ?? 0) ^ (1 << choices.below(8));
  const socket = new FakeSocket();
  const got: Uint8Array[] = [];
  let ended: TransportError | undefined;
  const established = { type: "established", remote: asNodeId(THEIRS.localStatic), noise } as const;
  const options = { clock: CLOCK, idleTimeoutMs: undefined };
  const connection = new TcpConnection(socket as unknown as Socket, false, new ByteReader(), established, options);
  connection.start(
    {
      onMessage: (_, message) => void got.push(message),
      onEnd: (_, reason) => {
        ended = reason;
      },
    },
    () => undefined,
  );
  await NEXT_TURN();
  inChunks(damaged, choices, socket);
  socket.emit("close");
  await NEXT_TURN();
  let at = 0;
  const intact = messages.findIndex((message) => {
    at += message.length + 34;
    return message.length === 0 || (where !== undefined && where < at);
  });
  assert.deepEqual(
    got,
    intact === -1 ? messages : messages.slice(0, intact),
    "what came before the damage, and no more",
  );
  assert.equal(ended?.code, intact === -1 ? "lost" : "bad_frame");
  return `${ended?.code} ${got.length}`;
}

export const NOISE: readonly Target[] = [
  {
    name: "noise-acts",
    about: "the acts of the handshake, each side",
    seeds: () => [
      concatBytes(Uint8Array.of(0), GOOD.actTwo),
      concatBytes(Uint8Array.of(1), GOOD.actOne, GOOD.actThree),
    ],
    longest: 200,
    run: acts,
  },
  {
    name: "noise-handshake",
    about: "bytes on a socket that awaits a handshake",
    seeds: () => [
      concatBytes(new Uint8Array(4), GOOD.actOne, GOOD.actThree),
      concatBytes(Uint8Array.of(1, 2, 3, 4), GOOD.actOne, GOOD.actThree, new Uint8Array(30)),
    ],
    longest: 300,
    run: handshakeBytes,
  },
  {
    name: "noise-frames",
    about: "encrypted frames, damaged and cut anywhere, through the connection",
    seeds: () => [new Uint8Array(20), Uint8Array.from({ length: 200 }, (_, i) => (i * 37) & 0xff)],
    longest: 2_000,
    run: frames,
  },
];
