import { invariant } from "../../core/base/index.ts";

const NOTHING = new Uint8Array(0);

/**
 * Cuts a stream of chunks into pieces of known length. What spans chunks is copied once, into a buffer of the piece's
 * length; what lies within one chunk isn't copied. So a peer that sends single bytes costs no more memory than the piece.
 */
export class ByteReader {
  #chunk: Uint8Array = NOTHING;
  #at = 0;
  #piece: Uint8Array | undefined;
  #filled = 0;

  /** Takes the next chunk; the previous one has to be used up, that is, `take` has returned undefined. */
  push(chunk: Uint8Array): void {
    invariant(this.#at === this.#chunk.length, "the chunk before is used up");
    this.#chunk = chunk;
    this.#at = 0;
  }

  /** The next `length` bytes, or undefined until more chunks came; ask for the same length again then. */
  take(length: number): Uint8Array | undefined {
    const available = this.#chunk.length - this.#at;
    if (this.#piece === undefined && available >= length) return this.#skip(length);
    this.#piece ??= new Uint8Array(length);
    invariant(this.#piece.length === length, "a piece keeps its length");
    const part = this.#skip(Math.min(available, length - this.#filled));
    this.#piece.set(part, this.#filled);
    this.#filled += part.length;
    if (this.#filled < length) return undefined;
    const piece = this.#piece;
    this.#piece = undefined;
    this.#filled = 0;
    return piece;
  }

  /** True where bytes came that no piece was made of yet. */
  get pending(): boolean {
    return this.#filled > 0 || this.#at < this.#chunk.length;
  }

  #skip(length: number): Uint8Array {
    const part = this.#chunk.subarray(this.#at, this.#at + length);
    this.#at += length;
    return part;
  }
}
