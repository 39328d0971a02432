import { describe, expect, it } from "vitest";
import { memoryStore } from "../adapters/store-memory/index.ts";
import type { StoreChange, Batch as StoredBatch } from "../ports/store.ts";
import { virtualClock } from "../testing/index.ts";
import { type Batch, Journal } from "./journal.ts";

/** A change that can be told from others. */
function change(next: number): StoreChange {
  return { type: "channel_index", next };
}

function setUp(before: () => Promise<void> = async () => undefined) {
  const clock = virtualClock();
  const memory = memoryStore();
  const committed: StoredBatch[] = [];
  const store = {
    ...memory,
    commit: async (batch: StoredBatch) => {
      await before();
      await memory.commit(batch);
      committed.push(batch);
    },
  };
  const halts: unknown[] = [];
  const journal = new Journal({ store, clock, sequence: 0, onHalt: (cause) => halts.push(cause) });
  const numbers = () => committed.map(({ changes }) => changes.map((one) => "next" in one && one.next));
  return { clock, memory, committed, halts, journal, numbers };
}

/** What a promise came to, without waiting for it. */
function watch<T>(promise: Promise<T>): { result: T | undefined; cause: unknown; done: boolean } {
  const seen: { result: T | undefined; cause: unknown; done: boolean } = {
    result: undefined,
    cause: undefined,
    done: false,
  };
  promise.then(
    (result) => Object.assign(seen, { result, done: true }),
    (cause: unknown) => Object.assign(seen, { cause, done: true }),
  );
  return seen;
}

describe("the journal", () => {
  it("commits all that waits as one batch, and numbers the batches", async () => {
    const { clock, committed, journal, numbers } = setUp();
    for (const n of [1, 2, 3]) journal.post("other", (batch) => batch.change(change(n)));
    await clock.run();
    journal.post("other", (batch) => batch.change(change(4)));
    await clock.run();
    expect(numbers()).toEqual([[1, 2, 3], [4]]);
    expect(committed.map(({ sequence }) => sequence)).toEqual([1, 2]);
  });

  it("commits nothing where nothing changed, and performs the effects all the same", async () => {
    const { clock, committed, journal } = setUp();
    const done: string[] = [];
    const submitted = watch(journal.submit("other", (batch) => batch.afterCommit(() => done.push("effect"))));
    await clock.run();
    expect(committed).toEqual([]);
    expect(done).toEqual(["effect"]);
    expect(submitted.done).toBe(true);
  });

  it("[AC-4] performs effects after the commit, in order, and resolves where their work stands among them", async () => {
    const seen: string[] = [];
    const { clock, journal } = setUp(async () => void seen.push("commit"));
    const work = (name: string) => (batch: Batch) => {
      seen.push(name);
      batch.change(change(1));
      batch.afterCommit(() => seen.push(`effect of ${name}`));
      batch.atEnd(work, () => batch.afterCommit(() => seen.push("effect of the end")));
    };
    void journal.submit("other", work("first")).then(() => seen.push("resolved"));
    journal.post("other", work("second"));
    await clock.run();
    expect(seen).toEqual([
      "first",
      "second",
      "commit",
      "effect of first",
      "effect of second",
      "effect of the end",
      "resolved",
    ]);
  });

  it("runs what is due at the end once for each key, and again where the end brings more about", async () => {
    const { clock, journal, numbers } = setUp();
    const [one, other] = [{}, {}];
    for (let n = 0; n < 5; n++) {
      journal.post("other", (batch) => {
        batch.atEnd(one, (end) => {
          end.change(change(1));
          end.atEnd(other, () => end.change(change(2)));
        });
      });
    }
    await clock.run();
    expect(numbers()).toEqual([[1, 2]]);
  });

  it("takes what is no payment first, and 64 payments at a time", async () => {
    const { clock, journal, numbers } = setUp();
    for (let n = 0; n < 100; n++) journal.post("payment", (batch) => batch.change(change(1_000 + n)));
    for (let n = 0; n < 20; n++) journal.post("peer", (batch) => batch.change(change(100 + n)));
    journal.post("other", (batch) => batch.change(change(1)));
    await clock.run();
    expect(numbers().map((batch) => batch.length)).toEqual([1 + 16 + 64, 4 + 36]);
    expect(numbers()[0]?.slice(0, 3)).toEqual([1, 100, 101]);
    expect(numbers()[1]?.slice(0, 5)).toEqual([116, 117, 118, 119, 1_064]);
  });

  it.each(["refused", "unknown"] as const)(
    "halts when a commit is %s: nothing of it happens, and all is refused",
    async (outcome) => {
      const { clock, memory, halts, journal } = setUp();
      const effects: string[] = [];
      memory.failNextCommit(outcome === "refused" ? { outcome } : { outcome, written: true });
      const inBatch = watch(
        journal.submit("other", (batch) => {
          batch.change(change(1));
          batch.afterCommit(() => effects.push("effect"));
        }),
      );
      const payments = Array.from({ length: 70 }, () => watch(journal.submit("payment", () => undefined)));
      await clock.run();
      expect(halts).toEqual([expect.objectContaining({ code: "io", outcome })]);
      expect(effects).toEqual([]);
      for (const { cause, done } of [inBatch, ...payments]) {
        expect(done).toBe(true);
        expect(cause).toBe(halts[0]);
      }
      let ran = false;
      journal.post("other", () => {
        ran = true;
      });
      await expect(journal.submit("other", () => undefined)).rejects.toBe(halts[0]);
      await journal.settled();
      await clock.run();
      expect(ran).toBe(false);
      expect(halts).toHaveLength(1);
    },
  );

  it("halts when a work throws, and writes nothing of its batch", async () => {
    const { clock, committed, halts, journal } = setUp();
    const cause = new Error("a bug");
    const good = watch(journal.submit("other", (batch) => batch.change(change(1))));
    const bad = watch(
      journal.submit("other", () => {
        throw cause;
      }),
    );
    await clock.run();
    expect(committed).toEqual([]);
    expect(halts).toEqual([cause]);
    expect([good.cause, bad.cause]).toEqual([cause, cause]);
  });

  it("halts when an effect throws: its batch is durable, and what came before it has happened", async () => {
    const { clock, committed, halts, journal } = setUp();
    const cause = new Error("a bug");
    const before = watch(journal.submit("other", (batch) => batch.change(change(1))));
    journal.post("other", (batch) =>
      batch.afterCommit(() => {
        throw cause;
      }),
    );
    const after = watch(journal.submit("other", () => undefined));
    await clock.run();
    expect(committed).toHaveLength(1);
    expect(before).toMatchObject({ done: true, cause: undefined });
    expect(after.cause).toBe(cause);
    expect(halts).toEqual([cause]);
  });

  it("reads what is durable: after the commit under way, after a stop, and never after a failure", async () => {
    let fail = false;
    const { clock, committed, journal } = setUp(async () => {
      if (fail) throw new Error("no disk");
    });
    let copy = 0;
    const write = (next: number) =>
      journal.post("other", (batch) => {
        copy = next;
        batch.change(change(next));
      });
    const read = () => ({ copy, committed: committed.length, newest: journal.newest });
    write(1);
    const first = watch(journal.durable(read));
    write(2);
    await clock.run();
    expect(first.result).toEqual({ copy: 2, committed: 1, newest: 1 });
    const stopped = setUp();
    stopped.journal.post("other", (batch) => batch.change(change(7)));
    const stopping = stopped.journal.stop(new Error("stopped"));
    await stopped.clock.run();
    await stopping;
    expect(await stopped.journal.durable(() => stopped.journal.newest)).toBe(0);
    fail = true;
    write(3);
    const failed = watch(journal.durable(read));
    await clock.run();
    expect(failed.cause).toMatchObject({ message: "no disk" });
    await expect(journal.durable(read)).rejects.toThrow("no disk");
    await journal.stop(new Error("stopped"));
    await expect(journal.durable(read)).rejects.toThrow("no disk");
  });

  it("stops after the commit that is under way, whose effects it performs, and refuses the rest", async () => {
    let release = (): void => undefined;
    const { clock, journal, committed } = setUp(() => new Promise((resolve) => (release = resolve)));
    const running = watch(journal.submit("other", (batch) => batch.change(change(1))));
    await clock.run();
    const waiting = watch(journal.submit("other", (batch) => batch.change(change(2))));
    const cause = new Error("stopped");
    const stopped = watch(journal.stop(cause));
    await clock.run();
    expect(waiting.cause).toBe(cause);
    expect(stopped.done).toBe(false);
    release();
    await clock.run();
    expect(running).toMatchObject({ done: true, cause: undefined });
    expect(stopped.done).toBe(true);
    expect(committed).toHaveLength(1);
    await expect(journal.submit("other", () => undefined)).rejects.toBe(cause);
  });

  it("is settled when nothing waits, what its effects brought about included", async () => {
    const { clock, journal, numbers } = setUp();
    await journal.settled();
    journal.post("other", (batch) => batch.afterCommit(() => journal.post("other", (next) => next.change(change(2)))));
    const settled = watch(journal.settled());
    expect(settled.done).toBe(false);
    await clock.run();
    expect(settled.done).toBe(true);
    expect(numbers()).toEqual([[2]]);
  });
});
