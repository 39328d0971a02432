import type { NodeId } from "../../core/base/index.ts";
import { invariant } from "../../core/base/index.ts";
import { type Connection, type ConnectionEvents, MAX_MESSAGE_BYTES, TransportError } from "../../ports/transport.ts";
import type { Lane } from "./lanes.ts";

/** One node's end of a connection in memory. Its counterpart is `peer`. */
export class End implements Connection {
  readonly remote: NodeId;
  readonly outgoing: boolean;
  /** False from the moment at which this end closed, was told of the end, or was cut off. */
  open = true;
  readonly #inbox: Lane;
  readonly #forget: (end: End) => void;
  #peer: End | undefined;
  #events: ConnectionEvents | undefined;
  #handedOver = false;

  /** `forget` is called once, after the last event. */
  constructor(remote: NodeId, outgoing: boolean, inbox: Lane, forget: (end: End) => void) {
    this.remote = remote;
    this.outgoing = outgoing;
    this.#inbox = inbox;
    this.#forget = forget;
  }

  /** Makes two ends the ends of one connection. */
  static join(a: End, b: End): void {
    a.#peer = b;
    b.#peer = a;
  }

  /** Hands the connection to its owner: an end that was never handed over ends without a word. */
  handOver(onConnection: (connection: Connection) => ConnectionEvents): void {
    this.#handedOver = true;
    this.#events = onConnection(this);
  }

  send(message: Uint8Array): void {
    invariant(
      message.length >= 1 && message.length <= MAX_MESSAGE_BYTES,
      `a transport message has 1 to ${MAX_MESSAGE_BYTES} bytes, got ${message.length}`,
    );
    const peer = this.#peer;
    if (!this.open || !peer?.open) return;
    const copy = message.slice();
    peer.#inbox.push(() => peer.#events?.onMessage(peer, copy));
  }

  close(): void {
    if (!this.open) return;
    const peer = this.#peer;
    this.#finish(undefined);
    if (peer?.open) peer.#inbox.push(() => peer.#end(undefined));
  }

  /** Breaks the connection: what is under way in either direction is lost, and both ends notice, each in its own time. */
  drop(): void {
    const reason = (): TransportError => new TransportError("lost", "the connection was dropped");
    if (this.open) this.#finish(reason());
    const peer = this.#peer;
    if (peer?.open) peer.#finish(reason());
  }

  #finish(reason: TransportError | undefined): void {
    this.open = false;
    if (this.#handedOver) {
      this.#inbox.replace(() => this.#end(reason));
      return;
    }
    this.#inbox.clear();
    this.#forget(this);
  }

  #end(reason: TransportError | undefined): void {
    this.open = false;
    this.#events?.onEnd(this, reason);
    this.#forget(this);
  }
}
