import { encodePing, joinPackets } from "../core/wire/index.ts";
import type { Clock } from "../ports/clock.ts";
import type { Connection } from "../ports/transport.ts";

/** A connection on which nothing was heard for so long is asked whether it lives, and given as long to answer. */
const IDLE_MS = 30_000;

/**
 * Finds out that a connection is dead, which TCP alone may take hours for. Whatever arrives shows that it lives; a lost
 * connection costs nothing but the time to make another (B2-41).
 */
export class KeepAlive {
  private readonly clock: Clock;
  private readonly connection: Connection;
  private readonly onDead: () => void;
  private heardAt: number;
  private askedAt: number | undefined;
  private cancel: () => void;

  /** `onDead` is called once, when no answer came; ending the connection is for its owner. */
  constructor(options: { clock: Clock; connection: Connection; onDead: () => void }) {
    this.clock = options.clock;
    this.connection = options.connection;
    this.onDead = options.onDead;
    this.heardAt = this.clock.now();
    this.cancel = this.clock.after(IDLE_MS, () => this.look());
  }

  /** Something arrived. */
  heard(): void {
    this.heardAt = this.clock.now();
    this.askedAt = undefined;
  }

  stop(): void {
    this.cancel();
  }

  private look(): void {
    const now = this.clock.now();
    const since = this.askedAt ?? this.heardAt;
    if (now - since < IDLE_MS) {
      this.cancel = this.clock.after(since + IDLE_MS - now, () => this.look());
    } else if (this.askedAt !== undefined) {
      this.onDead();
    } else {
      this.askedAt = now;
      // The acknowledge of what is not counted tells nothing.
      for (const bytes of joinPackets(0, [encodePing(new Uint8Array(0))])) this.connection.send(bytes);
      this.cancel = this.clock.after(IDLE_MS, () => this.look());
    }
  }
}
