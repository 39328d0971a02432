/** Something that reads bytes which others chose, and what must hold of it whatever they are. */
export type Target = {
  readonly name: string;
  /** What it is about, for `--list`. */
  readonly about: string;
  /** Inputs to start from: good ones, so that what lies behind the first checks is reached. */
  readonly seeds: () => readonly Uint8Array[] | Promise<readonly Uint8Array[]>;
  /** Words that mean something to it. */
  readonly dictionary?: readonly Uint8Array[];
  /** Bytes of the longest input that is tried. */
  readonly longest?: number;
  /**
   * Throws where something does not hold. What it returns names what came of the input, in a bounded number of words: an input
   * with a new outcome is kept, as one that reaches new code is.
   */
  readonly run: (input: Uint8Array) => Outcome | Promise<Outcome>;
  /** Ends what it keeps open between inputs. */
  readonly close?: () => Promise<void>;
};

export type Outcome = string | readonly string[];

export function textOf(input: Uint8Array): string {
  return new TextDecoder().decode(input);
}

export function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function words(...texts: readonly string[]): Uint8Array[] {
  return texts.map(bytesOf);
}

/** Takes what decides something from an input; after its end everything is 0. */
export class Choices {
  private readonly input: Uint8Array;
  private at = 0;

  constructor(input: Uint8Array) {
    this.input = input;
  }

  get done(): boolean {
    return this.at >= this.input.length;
  }

  byte(): number {
    return this.input[this.at++] ?? 0;
  }

  below(count: number): number {
    return count <= 256 ? this.byte() % count : this.uint(4) % count;
  }

  uint(bytes: number): number {
    let value = 0;
    for (let i = 0; i < bytes; i++) value = value * 256 + this.byte();
    return value;
  }

  pick<T>(from: readonly T[]): T {
    const picked = from[this.below(from.length)];
    if (picked === undefined) throw new Error("nothing to pick from");
    return picked;
  }

  take(count: number): Uint8Array {
    const taken = new Uint8Array(count);
    taken.set(this.input.subarray(this.at, this.at + count));
    this.at += count;
    return taken;
  }

  /** All that is left. */
  rest(): Uint8Array {
    return this.input.subarray(Math.min(this.at, this.input.length));
  }
}

/** Fails unless `action` throws nothing, or one of these. */
export function throwsOnly(action: () => unknown, ...kinds: readonly (new (...args: never[]) => Error)[]): string {
  try {
    action();
    return "ok";
  } catch (cause) {
    if (kinds.some((kind) => cause instanceof kind)) return (cause as Error).name;
    throw cause;
  }
}
