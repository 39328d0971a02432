import { createHash } from "node:crypto";
import { toHex } from "../core/base/index.ts";

/**
 * What happened in a world, in order: each message that arrived, each commit, each event and each tip of the chain. Two runs that have the
 * same digest went the same way.
 */
export class Trace {
  /** What happened, a line each, where lines are kept. */
  readonly lines: string[] = [];
  private readonly keep: boolean;
  private readonly hash = createHash("sha256");
  private count = 0;

  constructor(keep: boolean) {
    this.keep = keep;
  }

  note(line: string, bytes?: Uint8Array): void {
    this.count++;
    this.hash.update(line);
    this.hash.update("\n");
    if (bytes !== undefined) this.hash.update(bytes);
    if (this.keep) this.lines.push(line);
  }

  /** How many things happened. */
  get length(): number {
    return this.count;
  }

  /** SHA-256 of everything so far, in hexadecimal. */
  digest(): string {
    return this.hash.copy().digest("hex");
  }
}

/** Anything that a node tells, as JSON that a person can read: amounts as decimals, bytes in hexadecimal. */
export function plainText(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) => {
    if (typeof part === "bigint") return part.toString();
    if (part instanceof Uint8Array) return toHex(part);
    if (part instanceof Error) return `${part.name}: ${part.message}`;
    return part;
  });
}
