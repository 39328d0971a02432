import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { concatBytes, toHex } from "../../core/base/index.ts";
import { type ZmtpItem, zmtpGreeting, zmtpReader, zmtpReady, zmtpSubscribe } from "./zmtp.ts";

const text = (value: string): Uint8Array => new Uint8Array(Buffer.from(value, "latin1"));

/** A publisher's side, written after the specification: frames with a length of 1 byte, or of 8. */
function frame(body: Uint8Array, flags = 0, long = body.length > 255): Uint8Array {
  if (!long) return concatBytes(Uint8Array.of(flags, body.length), body);
  const head = new Uint8Array(9);
  head[0] = flags | 2;
  new DataView(head.buffer).setBigUint64(1, BigInt(body.length));
  return concatBytes(head, body);
}

function message(...parts: Uint8Array[]): Uint8Array {
  return concatBytes(...parts.map((part, i) => frame(part, i + 1 < parts.length ? 1 : 0)));
}

function publisherGreeting(change: (greeting: Uint8Array) => void = () => {}): Uint8Array {
  const greeting = new Uint8Array(64);
  greeting.set([0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 1]);
  greeting.set(text("NULL"), 12);
  change(greeting);
  return greeting;
}

const READY = frame(concatBytes(text("\x05READY\x0bSocket-Type"), Uint8Array.of(0, 0, 0, 3), text("PUB")), 4);

/** Feeds all pieces; the items read, or the error that ended it. */
function readAll(pieces: readonly Uint8Array[]): ZmtpItem[] | string {
  const read = zmtpReader();
  const items: ZmtpItem[] = [];
  for (const piece of pieces) {
    const result = read(piece);
    if (!result.ok) return result.error.type;
    items.push(...result.value);
  }
  return items;
}

const afterGreeting = (...bytes: Uint8Array[]): ZmtpItem[] | string =>
  readAll([publisherGreeting(), concatBytes(...bytes)]);

describe("what a subscriber says", () => {
  it("is as RFC 23 lays it out", () => {
    const greeting = `ff000000000000000 17f 03 00 ${toHex(text("NULL"))} ${"00".repeat(16)} 00 ${"00".repeat(31)}`;
    expect(toHex(zmtpGreeting())).toBe(greeting.replaceAll(" ", ""));
    expect(zmtpReady()).toEqual(
      concatBytes(Uint8Array.of(4, 25), text("\x05READY\x0bSocket-Type"), Uint8Array.of(0, 0, 0, 3), text("SUB")),
    );
    expect(zmtpSubscribe("rawtx")).toEqual(concatBytes(Uint8Array.of(0, 6, 1), text("rawtx")));
  });
});

describe("what a publisher says", () => {
  const parts = [text("rawtx"), new Uint8Array(300).fill(5), Uint8Array.of(1, 0, 0, 0)];

  it("is read", () => {
    expect(afterGreeting(READY, message(...parts), message(text("hashblock")))).toEqual([
      { type: "greeting" },
      { type: "ready" },
      { type: "message", parts },
      { type: "message", parts: [text("hashblock")] },
    ]);
  });

  it("is read the same in pieces of any length", () => {
    const stream = concatBytes(
      publisherGreeting(),
      READY,
      message(...parts),
      message(...parts),
      message(new Uint8Array(0)),
    );
    const whole = readAll([stream]);
    expect(whole).toHaveLength(5);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 120 }), { minLength: 1, maxLength: 20 }), (lengths) => {
        const pieces: Uint8Array[] = [];
        for (let at = 0, i = 0; at < stream.length; i++) {
          const length = lengths[i % lengths.length] ?? 1;
          pieces.push(stream.subarray(at, at + length));
          at += length;
        }
        expect(readAll(pieces)).toEqual(whole);
      }),
    );
    expect(readAll(Array.from(stream, (byte) => Uint8Array.of(byte)))).toEqual(whole);
  });

  it("may use the long form of a length for a short frame", () => {
    expect(afterGreeting(frame(text("x"), 0, true))).toEqual([
      { type: "greeting" },
      { type: "message", parts: [text("x")] },
    ]);
  });

  it("may have commands between the parts and after", () => {
    const other = frame(text("\x04PING\x00\x01"), 4);
    expect(afterGreeting(frame(text("a"), 1), other, frame(text("b")), frame(new Uint8Array(0), 4))).toEqual([
      { type: "greeting" },
      { type: "command" },
      { type: "message", parts: [text("a"), text("b")] },
      { type: "command" },
    ]);
  });

  it("is not kept alive by the items that were read from it", () => {
    const items = afterGreeting(message(...parts), message(...parts));
    const [, first] = items;
    if (typeof first !== "object" || first.type !== "message") throw new Error("no message");
    expect(first.parts.map((part) => part.buffer.byteLength)).toEqual(parts.map((part) => part.length));
  });

  it("must start with a greeting of version 3 without encryption", () => {
    const changes: ((greeting: Uint8Array) => void)[] = [
      (greeting) => greeting.fill(0),
      (greeting) => greeting.fill(0xfe, 0, 1),
      (greeting) => greeting.fill(0, 9, 10),
      (greeting) => greeting.fill(2, 10, 11),
      (greeting) => greeting.set(text("PLAIN"), 12),
      (greeting) => greeting.set(text("NULLS"), 12),
    ];
    for (const change of changes) expect(readAll([publisherGreeting(change)])).toBe("not_zmtp");
    expect(readAll([text("HTTP/1.1 400 Bad Request\r\n".padEnd(80))])).toBe("not_zmtp");
  });

  it("must not use reserved flags, nor a command with more to follow", () => {
    for (const flags of [8, 0x80, 0xff, 5, 7]) expect(afterGreeting(Uint8Array.of(flags, 0))).toBe("bad_frame");
  });

  it("must not announce a frame longer than any transaction: its length alone is refused", () => {
    const long = (length: bigint): Uint8Array => {
      const head = new Uint8Array(9);
      head[0] = 2;
      new DataView(head.buffer).setBigUint64(1, length);
      return head;
    };
    for (const length of [4_000_001n, 2n ** 53n, 2n ** 64n - 1n])
      expect(afterGreeting(long(length))).toBe("frame_too_long");
    expect(afterGreeting(long(4_000_000n))).toEqual([{ type: "greeting" }]);
  });

  it("must not have more parts than bitcoind sends", () => {
    const part = frame(text("x"), 1);
    expect(afterGreeting(part, part, part)).toEqual([{ type: "greeting" }]);
    expect(afterGreeting(part, part, part, part)).toBe("too_many_parts");
  });

  it("may be anything, and nothing is thrown", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void afterGreeting(bytes)));
  });
});
