import type { NodeId } from "../../src/core/base/index.ts";
import { decodeTransportMessage } from "../../src/core/wire/index.ts";
import type { Connection } from "../../src/ports/transport.ts";

/** A connection whose other end is the test. */
export class FakeConnection implements Connection {
  readonly remote: NodeId;
  readonly outgoing = false;
  readonly sent: Uint8Array[] = [];
  closed = false;

  constructor(remote: NodeId) {
    this.remote = remote;
  }

  send(message: Uint8Array): void {
    if (!this.closed) this.sent.push(message);
  }

  close(): void {
    this.closed = true;
  }

  /** Takes what was sent since, one entry a transport message. */
  taken(): { readonly acknowledge: number; readonly packets: readonly Uint8Array[] }[] {
    return this.sent.splice(0).map((bytes) => {
      const decoded = decodeTransportMessage(bytes);
      if (!decoded.ok) throw new Error(decoded.error.type);
      return decoded.value;
    });
  }
}
