import type { Batch, Journal } from "./journal.ts";

/** What one turn takes: a turn of the busiest peer must not keep the others waiting for long. */
const MESSAGES_PER_TURN = 256;
const PACKETS_PER_TURN = 1024;
/** What may wait. An honest peer has at most 10,000 packets on their way, of up to some 4,200 bytes. */
const MAX_WAITING_BYTES = 64 * 1024 * 1024;
const MAX_STRANGERS_WAITING_BYTES = 1024 * 1024;
/** What a message costs besides its bytes. */
const MESSAGE_OVERHEAD_BYTES = 256;

/** The messages of one connection that wait for the journal, in which it has one work at a time. */
export class Inbox {
  private readonly journal: Journal;
  private readonly receive: (batch: Batch, message: Uint8Array) => number;
  private readonly isStranger: () => boolean;
  private readonly onFull: (bytes: number) => void;
  private waiting: Uint8Array[] = [];
  private taken = 0;
  private bytes = 0;
  private scheduled = false;
  private full = false;

  /** `receive` processes a message and returns how many packets it had. `onFull` is called once; nothing is taken then. */
  constructor(options: {
    journal: Journal;
    receive: (batch: Batch, message: Uint8Array) => number;
    isStranger: () => boolean;
    onFull: (bytes: number) => void;
  }) {
    this.journal = options.journal;
    this.receive = options.receive;
    this.isStranger = options.isStranger;
    this.onFull = options.onFull;
  }

  push(message: Uint8Array): void {
    if (this.full) return;
    this.waiting.push(message);
    this.bytes += message.length + MESSAGE_OVERHEAD_BYTES;
    if (this.bytes > MAX_STRANGERS_WAITING_BYTES && this.bytes > this.limit()) {
      this.full = true;
      this.waiting = [];
      this.onFull(this.bytes);
    } else this.schedule();
  }

  private limit(): number {
    return this.isStranger() ? MAX_STRANGERS_WAITING_BYTES : MAX_WAITING_BYTES;
  }

  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    this.journal.post("peer", (batch) => this.turn(batch));
  }

  private turn(batch: Batch): void {
    this.scheduled = false;
    let packets = 0;
    for (let messages = 0; messages < MESSAGES_PER_TURN && packets < PACKETS_PER_TURN; messages++) {
      const message = this.waiting[this.taken];
      if (message === undefined) break;
      this.taken++;
      this.bytes -= message.length + MESSAGE_OVERHEAD_BYTES;
      packets += this.receive(batch, message);
    }
    const rest = this.waiting.length - this.taken;
    // Cut seldom, so that a long queue costs no more a message than a short one.
    if (rest <= this.taken) {
      this.waiting = rest === 0 ? [] : this.waiting.slice(this.taken);
      this.taken = 0;
    }
    if (rest > 0) this.schedule();
  }
}
