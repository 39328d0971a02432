import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type WatchedClock, watchedClock } from "../../../test/support/fake-bitcoind.ts";
import { concatBytes } from "../../core/base/index.ts";
import { type ZmqSubscriber, zmqSubscriber } from "./zmq-subscriber.ts";
import { zmtpGreeting, zmtpReady, zmtpSubscribe } from "./zmtp.ts";

const text = (value: string): Uint8Array => new Uint8Array(Buffer.from(value, "latin1"));
const frame = (body: Uint8Array, flags: number): Uint8Array => concatBytes(Uint8Array.of(flags, body.length), body);

function message(topic: string, body: Uint8Array): Uint8Array {
  return concatBytes(frame(text(topic), 1), frame(body, 1), frame(new Uint8Array(4), 0));
}

/** Counts, and lets a test wait for the next. */
function counter(): { count: number; more(): void; reached(count: number): Promise<void> } {
  let wake = (): void => {};
  const self = {
    count: 0,
    more() {
      self.count += 1;
      wake();
    },
    async reached(count: number) {
      while (self.count < count) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
  return self;
}

describe("a ZMQ subscriber", () => {
  let server: Server;
  let endpoint: string;
  let sockets: Socket[];
  let accepted: ReturnType<typeof counter>;
  let clock: WatchedClock;
  let subscriber: ZmqSubscriber;
  let subscribed: ReturnType<typeof counter>;
  let lost: ReturnType<typeof counter>;
  let received: ReturnType<typeof counter>;
  let bodies: Uint8Array[];
  let atMessage: () => void;

  beforeEach(async () => {
    sockets = [];
    [accepted, subscribed, lost, received] = [counter(), counter(), counter(), counter()];
    bodies = [];
    atMessage = () => {};
    server = createServer((socket) => {
      socket.on("error", () => {});
      sockets.push(socket);
      accepted.more();
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    endpoint = `tcp://127.0.0.1:${address.port}`;
    clock = watchedClock();
    subscriber = zmqSubscriber({
      endpoint,
      topic: "rawtx",
      clock,
      handshakeTimeoutMs: 5000,
      onSubscribed: subscribed.more,
      onLost: lost.more,
      onMessage(body) {
        bodies.push(body);
        atMessage();
        received.more();
      },
    });
  });
  afterEach(() => {
    subscriber.close();
    for (const socket of sockets) socket.destroy();
    server.close();
  });

  /** The publisher's socket of connection number `count`, from 1. */
  async function connection(count: number): Promise<Socket> {
    await accepted.reached(count);
    const socket = sockets[count - 1];
    if (socket === undefined) throw new Error("no connection");
    return socket;
  }

  async function read(socket: Socket, length: number): Promise<Uint8Array> {
    for (;;) {
      const bytes: Buffer | null = socket.read(length);
      if (bytes !== null) return new Uint8Array(bytes);
      await once(socket, "readable");
    }
  }

  async function shakeHands(socket: Socket): Promise<void> {
    expect(await read(socket, 64)).toEqual(zmtpGreeting());
    socket.write(zmtpGreeting());
    expect(await read(socket, zmtpReady().length)).toEqual(zmtpReady());
    socket.write(zmtpReady());
    expect(await read(socket, zmtpSubscribe("rawtx").length)).toEqual(zmtpSubscribe("rawtx"));
  }

  it("greets, subscribes, and passes on what bears its topic", async () => {
    subscriber.open();
    const socket = await connection(1);
    await shakeHands(socket);
    await subscribed.reached(1);
    socket.write(
      concatBytes(message("rawtx2", Uint8Array.of(1)), message("raw", Uint8Array.of(2)), frame(text("rawtx"), 0)),
    );
    socket.write(concatBytes(message("rawtx", Uint8Array.of(3)), message("rawtx", Uint8Array.of(4))));
    await received.reached(2);
    expect(bodies).toEqual([Uint8Array.of(3), Uint8Array.of(4)]);
    expect(clock.waiting()).toEqual([]);
  });

  it("does not connect before it is opened", async () => {
    expect(clock.waiting()).toEqual([]);
    expect(accepted.count).toBe(0);
  });

  it("says that it lost the publisher, connects again after a pause, and subscribes anew", async () => {
    subscriber.open();
    for (const round of [1, 2, 3]) {
      const socket = await connection(round);
      await shakeHands(socket);
      await subscribed.reached(round);
      socket.write(message("rawtx", Uint8Array.of(round)));
      await received.reached(round);
      socket.destroy();
      await lost.reached(round);
      await clock.armed(500);
      await clock.advance(500);
    }
    expect(bodies).toEqual([Uint8Array.of(1), Uint8Array.of(2), Uint8Array.of(3)]);
  });

  it("waits longer each time the publisher is away, up to half a minute", async () => {
    subscriber.open();
    for (const [i, pause] of [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000].entries()) {
      (await connection(i + 1)).destroy();
      await clock.armed(pause);
      await clock.advance(pause);
    }
    expect(lost.count).toBe(0);
  });

  it("gives up a peer that does not greet in time", async () => {
    subscriber.open();
    const socket = await connection(1);
    socket.resume();
    const ended = once(socket, "close");
    await clock.advance(4999);
    expect(clock.waiting()).toEqual([5000]);
    await clock.advance(1);
    await ended;
    await clock.armed(500);
  });

  it("hangs up on a peer that breaks the protocol, before or after the greeting", async () => {
    subscriber.open();
    const first = await connection(1);
    const firstEnded = once(first.resume(), "close");
    first.write("HTTP/1.1 400 Bad Request\r\n\r\n".padEnd(100));
    await firstEnded;
    await clock.armed(500);
    await clock.advance(500);
    const second = await connection(2);
    await shakeHands(second);
    await subscribed.reached(1);
    const secondEnded = once(second.resume(), "close");
    second.write(Uint8Array.of(2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff));
    await secondEnded;
    await lost.reached(1);
  });

  it("is silent once closed: connected, or between two attempts", async () => {
    subscriber.open();
    const socket = await connection(1);
    await shakeHands(socket);
    await subscribed.reached(1);
    const ended = once(socket.resume(), "close");
    subscriber.close();
    socket.write(message("rawtx", Uint8Array.of(1)));
    await ended;
    expect([received.count, lost.count, clock.waiting()]).toEqual([0, 0, []]);
  });

  it("passes on nothing after a message at which it is closed", async () => {
    subscriber.open();
    const socket = await connection(1);
    await shakeHands(socket);
    const ended = once(socket.resume(), "close");
    atMessage = () => subscriber.close();
    socket.write(concatBytes(message("rawtx", Uint8Array.of(1)), message("rawtx", Uint8Array.of(2))));
    await ended;
    expect(bodies).toEqual([Uint8Array.of(1)]);
  });

  it("does not connect again once closed between two attempts", async () => {
    subscriber.open();
    (await connection(1)).destroy();
    await clock.armed(500);
    subscriber.close();
    expect(clock.waiting()).toEqual([]);
  });
});
