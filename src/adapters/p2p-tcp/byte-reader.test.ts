import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { concatBytes, InvariantBroken } from "../../core/base/index.ts";
import { ByteReader } from "./byte-reader.ts";

describe("ByteReader", () => {
  it("gives the same pieces however the stream was cut", () => {
    const chunks = fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 20 });
    const lengths = fc.array(fc.integer({ min: 1, max: 70 }), { maxLength: 40 });
    fc.assert(
      fc.property(chunks, lengths, (parts, wanted) => {
        const reader = new ByteReader();
        const pieces: Uint8Array[] = [];
        for (const part of parts) {
          reader.push(part);
          for (;;) {
            const piece = reader.take(wanted[pieces.length] ?? 3);
            if (piece === undefined) break;
            pieces.push(piece.slice());
          }
        }
        const stream = concatBytes(...parts);
        const read = concatBytes(...pieces);
        expect(read).toEqual(stream.subarray(0, read.length));
        expect(pieces.map((piece) => piece.length)).toEqual(pieces.map((_, i) => wanted[i] ?? 3));
        expect(stream.length - read.length).toBeLessThan(wanted[pieces.length] ?? 3);
        expect(reader.pending).toBe(stream.length > read.length);
      }),
    );
  });

  it("does not copy what lies within one chunk", () => {
    const reader = new ByteReader();
    const chunk = Uint8Array.of(1, 2, 3, 4);
    reader.push(chunk);
    expect(reader.take(3)?.buffer).toBe(chunk.buffer);
  });

  it("refuses a chunk while the one before is not used up", () => {
    const reader = new ByteReader();
    reader.push(Uint8Array.of(1, 2));
    expect(() => reader.push(Uint8Array.of(3))).toThrow(InvariantBroken);
  });
});
