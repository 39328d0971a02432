import { once } from "node:events";
import { createServer, type Socket } from "node:net";

export type FakePublisher = {
  /** `tcp://127.0.0.1:port`. */
  readonly endpoint: string;
  /** Resolves once somebody has subscribed. */
  subscribed(): Promise<void>;
  /** Sends three parts to everybody, whatever they subscribed to: topic, body, sequence number. */
  publish(topic: string, body: Uint8Array): void;
  /** Ends all connections and takes no more. */
  close(): Promise<void>;
};

const GREETING = Buffer.alloc(64);
GREETING.set([0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 1]);
GREETING.write("NULL", 12);
const READY = Buffer.from("\x04\x19\x05READY\x0bSocket-Type\x00\x00\x00\x03PUB", "latin1");
/** A greeting and READY of a subscriber; what follows is its subscription. */
const BEFORE_SUBSCRIPTION = 64 + 27;

/** A ZeroMQ publisher that takes its subscriber's word for everything. Bodies have at most 255 bytes. */
export async function fakePublisher(): Promise<FakePublisher> {
  const sockets = new Set<Socket>();
  let tell = (): void => {};
  const subscribed = new Promise<void>((resolve) => {
    tell = resolve;
  });
  const server = createServer((socket) => {
    let received = 0;
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
    socket.on("data", (piece) => {
      received += piece.length;
      if (received > BEFORE_SUBSCRIPTION) tell();
    });
    socket.write(Buffer.concat([GREETING, READY]));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    endpoint: `tcp://127.0.0.1:${address.port}`,
    subscribed: () => subscribed,
    publish(topic, body) {
      const frames = [
        Buffer.of(1, topic.length),
        Buffer.from(topic),
        Buffer.of(1, body.length),
        body,
        Buffer.of(0, 4, 0, 0, 0, 0),
      ];
      for (const socket of sockets) socket.write(Buffer.concat(frames));
    },
    async close() {
      if (!server.listening) return;
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
