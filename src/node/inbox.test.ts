import { describe, expect, it } from "vitest";
import { memoryStore } from "../adapters/store-memory/index.ts";
import { virtualClock } from "../testing/index.ts";
import { Inbox } from "./inbox.ts";
import { Journal } from "./journal.ts";

function setUp(options: { packets: number; isStranger?: boolean }) {
  const clock = virtualClock();
  const journal = new Journal({ store: memoryStore(), clock, sequence: 0, onHalt: () => undefined });
  /** What was taken, one list a batch. */
  const batches: number[][] = [];
  const full: number[] = [];
  journal.post("other", () => undefined);
  const inbox = new Inbox({
    journal,
    receive: (batch, message) => {
      batch.atEnd(inbox, (end) => end.afterCommit(() => batches.push(taken.splice(0))));
      taken.push(message[0] ?? -1);
      return options.packets;
    },
    isStranger: () => options.isStranger ?? false,
    onFull: (bytes) => full.push(bytes),
  });
  const taken: number[] = [];
  return { clock, inbox, batches, full };
}

describe("the inbox of a connection", () => {
  it("hands everything over in order, 256 messages a turn", async () => {
    const { clock, inbox, batches } = setUp({ packets: 1 });
    const all = Array.from({ length: 600 }, (_, n) => n % 256);
    for (const n of all) inbox.push(Uint8Array.of(n));
    await clock.run();
    expect(batches.map((batch) => batch.length)).toEqual([256, 256, 88]);
    expect(batches.flat()).toEqual(all);
  });

  it("ends a turn after 1,024 packets", async () => {
    const { clock, inbox, batches } = setUp({ packets: 600 });
    for (let n = 0; n < 5; n++) inbox.push(Uint8Array.of(n));
    await clock.run();
    expect(batches).toEqual([[0, 1], [2, 3], [4]]);
  });

  it("is full for a stranger at a mebibyte that waits, and takes nothing any more", async () => {
    const { clock, inbox, batches, full } = setUp({ packets: 1, isStranger: true });
    for (let n = 0; n < 40; n++) inbox.push(new Uint8Array(60_000));
    expect(full).toEqual([18 * 60_256]);
    await clock.run();
    expect(batches).toEqual([]);
  });

  it("counts what waits, not what has been", async () => {
    const { clock, inbox, batches, full } = setUp({ packets: 1, isStranger: true });
    for (let n = 0; n < 100; n++) {
      for (let i = 0; i < 10; i++) inbox.push(new Uint8Array(60_000));
      await clock.run();
    }
    expect(full).toEqual([]);
    expect(batches.flat()).toHaveLength(1_000);
  });

  it("holds much more for a peer with a channel", () => {
    const { inbox, full } = setUp({ packets: 1 });
    for (let n = 0; n < 1_000; n++) inbox.push(new Uint8Array(60_000));
    expect(full).toEqual([]);
    for (let n = 0; n < 200; n++) inbox.push(new Uint8Array(60_000));
    expect(full).toHaveLength(1);
  });
});
