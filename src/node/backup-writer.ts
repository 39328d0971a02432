import type { Clock } from "../ports/clock.ts";

/** A backup that is not the newest is at most so old, as long as the node runs. */
const INTERVAL_MS = 60_000;

/** Keeps the backup current: soon after a channel moved to another stage, else at most once a minute, and at the end. */
export class BackupWriter {
  private readonly clock: Clock;
  private readonly write: () => Promise<void>;
  private readonly onTrouble: (cause: unknown) => void;
  private changed = false;
  private waiting = false;
  private cancel: (() => void) | undefined;
  private stopped = false;
  /** One at a time. */
  private writing: Promise<void> = Promise.resolve();

  constructor(options: { clock: Clock; write: () => Promise<void>; onTrouble: (cause: unknown) => void }) {
    this.clock = options.clock;
    this.write = options.write;
    this.onTrouble = options.onTrouble;
  }

  /** Something that a backup has is another. */
  touch(): void {
    this.changed = true;
    if (this.stopped) return;
    this.cancel ??= this.clock.after(INTERVAL_MS, () => {
      this.cancel = undefined;
      void this.flush();
    });
  }

  /** A channel was opened, or is ending: a copy that lacks this is worth little. */
  urgent(): void {
    this.changed = true;
    if (this.stopped || this.waiting) return;
    this.waiting = true;
    this.clock.soon(() => {
      this.waiting = false;
      void this.flush();
    });
  }

  /** Writes what has changed; resolves when that is done, or has failed and was told. */
  private flush(): Promise<void> {
    this.writing = this.writing.then(async () => {
      if (!this.changed) return;
      this.changed = false;
      try {
        await this.write();
      } catch (cause) {
        this.onTrouble(cause);
        this.touch();
      }
    });
    return this.writing;
  }

  /** The last one. Nothing is written after it. */
  async stop(): Promise<void> {
    this.stopped = true;
    this.cancel?.();
    await this.flush();
  }

  /** Ends without writing: what is in memory may not be durable. */
  abandon(): void {
    this.stopped = true;
    this.changed = false;
    this.cancel?.();
  }
}
