import type { Connection, ConnectionEvents, TransportError } from "../../src/ports/transport.ts";

/** Records what a connection's owner is told, and lets a test wait for it. */
export type Recorder = {
  /** To be handed to `listen` or `connect`; for one connection. */
  readonly onConnection: (connection: Connection) => ConnectionEvents;
  readonly messages: Uint8Array[];
  /** Every call of `onEnd`. */
  readonly ends: (TransportError | undefined)[];
  readonly opened: Promise<Connection>;
  readonly ended: Promise<TransportError | undefined>;
  /** Resolves with all messages once there are `count`. */
  received(count: number): Promise<Uint8Array[]>;
};

/** `react` is called in `onConnection`, `onMessage` where each message arrives. */
export function recorder(
  react: (connection: Connection) => void = () => undefined,
  onMessage: (connection: Connection, message: Uint8Array) => void = () => undefined,
): Recorder {
  const messages: Uint8Array[] = [];
  const ends: (TransportError | undefined)[] = [];
  const waiting: { readonly count: number; readonly resolve: (messages: Uint8Array[]) => void }[] = [];
  let open: (connection: Connection) => void = () => undefined;
  let end: (reason: TransportError | undefined) => void = () => undefined;
  const opened = new Promise<Connection>((resolve) => {
    open = resolve;
  });
  const ended = new Promise<TransportError | undefined>((resolve) => {
    end = resolve;
  });
  const tell = (): void => {
    for (const { count, resolve } of waiting) if (messages.length >= count) resolve(messages);
  };
  return {
    messages,
    ends,
    opened,
    ended,
    received(count) {
      return new Promise((resolve) => {
        waiting.push({ count, resolve });
        tell();
      });
    },
    onConnection(connection) {
      open(connection);
      react(connection);
      return {
        onMessage(from, message) {
          messages.push(message);
          onMessage(from, message);
          tell();
        },
        onEnd(_, reason) {
          ends.push(reason);
          end(reason);
        },
      };
    },
  };
}
