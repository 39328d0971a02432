import { connect, type Socket } from "node:net";
import { assertNever } from "../../core/base/index.ts";
import type { Clock } from "../../ports/clock.ts";
import { doublingDelay } from "./doubling-delay.ts";
import { type ZmtpItem, zmtpGreeting, zmtpReader, zmtpReady, zmtpSubscribe } from "./zmtp.ts";

export type ZmqSubscriberOptions = {
  /** As in bitcoind's own options: `tcp://host:port`. */
  readonly endpoint: string;
  readonly topic: "hashblock" | "rawtx";
  readonly clock: Clock;
  /** How long the publisher may take to connect and to greet us. */
  readonly handshakeTimeoutMs: number;
  /** Subscribed, the first time or again: what was published before is lost. */
  readonly onSubscribed: () => void;
  /** Was subscribed and is no longer. */
  readonly onLost: () => void;
  readonly onMessage: (body: Uint8Array) => void;
};

/** A dead peer behind a silent network shows itself after this long. */
const KEEP_ALIVE_MS = 60_000;

function parseEndpoint(endpoint: string): { host: string; port: number } {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  if (url?.protocol !== "tcp:" || url.hostname === "" || url.port === "") {
    throw new TypeError("an endpoint for ZMQ is written tcp://host:port");
  }
  return { host: url.hostname.replace(/^\[|\]$/g, ""), port: Number(url.port) };
}

export type ZmqSubscriber = { open(): void; close(): void };

/**
 * Receives one topic of a ZeroMQ publisher, from `open` to `close`. Connects again after a pause that grows, for ever. Throws
 * TypeError for an unusable endpoint.
 */
export function zmqSubscriber(options: ZmqSubscriberOptions): ZmqSubscriber {
  const { clock, topic } = options;
  const address = parseEndpoint(options.endpoint);
  const delay = doublingDelay();
  let stop = (): void => {};
  let closed = false;

  function take(socket: Socket, item: ZmtpItem): void {
    switch (item.type) {
      case "greeting":
        socket.write(zmtpReady());
        break;
      case "ready":
        delay.reset();
        socket.write(zmtpSubscribe(topic));
        options.onSubscribed();
        break;
      case "command":
        break;
      case "message": {
        const [name, body] = item.parts;
        if (name === undefined || body === undefined) break;
        if (Buffer.from(name).toString("latin1") === topic) options.onMessage(body);
        break;
      }
      default:
        assertNever(item);
    }
  }

  function open(): void {
    const socket = connect(address);
    const read = zmtpReader();
    const cancelTimeout = clock.after(options.handshakeTimeoutMs, () => socket.destroy());
    stop = () => socket.destroy();
    // The subscription must not wait for the acknowledgement of what went before it.
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    socket.on("connect", () => socket.write(zmtpGreeting()));
    // A "close" follows, where it is dealt with.
    socket.on("error", () => {});
    let ready = false;
    socket.on("close", () => {
      cancelTimeout();
      if (closed) return;
      stop = clock.after(delay.next(), open);
      if (ready) options.onLost();
    });
    socket.on("data", (piece) => {
      const items = read(piece);
      if (!items.ok) {
        socket.destroy();
        return;
      }
      for (const item of items.value) {
        if (closed) return;
        take(socket, item);
        if (item.type !== "ready") continue;
        ready = true;
        cancelTimeout();
      }
    });
  }

  return {
    open,
    close() {
      closed = true;
      stop();
    },
  };
}
