import type { NodeId } from "../core/base/index.ts";
import type { Connection, ConnectionEvents, Transport } from "../ports/transport.ts";

/** What stands between a node and its connections. Messages are whole transport messages, in the clear. */
export type MessageTap = {
  /** What is sent in place of a message, in this order; nothing at all where it is empty. `send` sends more at any later time. */
  sending?(peer: NodeId, message: Uint8Array, send: (message: Uint8Array) => void): readonly Uint8Array[];
  /** Called before the node gets it; false where it never does. */
  receiving?(peer: NodeId, message: Uint8Array): boolean;
};

/** A transport every message of which goes by `tap`. */
export function tappedTransport(transport: Transport, tap: MessageTap): Transport {
  function tapped(
    inner: Connection,
    onConnection: (connection: Connection) => ConnectionEvents,
  ): { readonly connection: Connection; readonly events: ConnectionEvents } {
    const { remote, outgoing } = inner;
    const send = (message: Uint8Array): void => inner.send(message);
    const connection: Connection = {
      remote,
      outgoing,
      send: (message) => {
        if (tap.sending === undefined) send(message);
        else for (const each of tap.sending(remote, message, send)) send(each);
      },
      close: () => inner.close(),
    };
    const events = onConnection(connection);
    return {
      connection,
      events: {
        onMessage: (_, message) => {
          if (tap.receiving?.(remote, message) !== false) events.onMessage(connection, message);
        },
        onEnd: (_, reason) => events.onEnd(connection, reason),
      },
    };
  }

  return {
    listen: (address, onConnection) =>
      transport.listen(address, (connection) => tapped(connection, onConnection).events),
    connect: async (remote, address, onConnection) => {
      let made: Connection | undefined;
      const inner = await transport.connect(remote, address, (connection) => {
        const both = tapped(connection, onConnection);
        made = both.connection;
        return both.events;
      });
      return made ?? inner;
    },
    close: () => transport.close(),
  };
}
