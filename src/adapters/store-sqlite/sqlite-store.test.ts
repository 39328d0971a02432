import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  commitmentRow,
  createdChannel,
  htlcPreimage,
  htlcRow,
  invoiceRow,
  ofChannel,
  outboxRow,
  paymentRow,
  streamRow,
  totalsRow,
} from "../../../test/support/store-rows.ts";
import { InvariantBroken } from "../../core/base/index.ts";
import type { Batch, Store, StoreChange } from "../../ports/store.ts";
import { readNumber, readText } from "./columns.ts";
import { openEngine, type SqlEngine } from "./engine.ts";
import { openOn } from "./open.ts";

let directory: string;
let file: string;
let engine: SqlEngine;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "sluice-store-"));
  file = join(directory, "sluice.db");
  engine = openEngine(file);
});

afterEach(() => rmSync(directory, { recursive: true }));

function open(on: SqlEngine = engine): Store {
  return openOn(on, file, join(directory, "sluice.pid"));
}

const batch = (sequence: number, ...changes: readonly StoreChange[]): Batch => ({ sequence, changes });
const big = (number: number) => ({ type: "outbox", row: outboxRow(1, number, 40_000) }) as const;

class DiskError extends Error {
  readonly code = "SQLITE_IOERR_FSYNC";
}

/** The engine with something done before or instead of running the statements that `matches` accepts. */
function intercepted(matches: (sql: string) => boolean, run: (proceed: () => void) => void): SqlEngine {
  return {
    ...engine,
    prepare: (sql) => {
      const statement = engine.prepare(sql);
      if (!matches(sql)) return statement;
      return {
        run: (...values) => {
          let changes = 0;
          run(() => {
            changes = statement.run(...values).changes;
          });
          return { changes };
        },
        get: (...values) => {
          run(() => {});
          return statement.get(...values);
        },
        all: (...values) => statement.all(...values),
      };
    },
  };
}

describe("a full disk", () => {
  it("[LW-5] refuses the batch as a whole, and the store goes on once there is space", async () => {
    const store = open();
    await store.commit(batch(1, ...createdChannel(1), big(1)));
    const before = await store.load();
    const pages = readNumber(engine.prepare("PRAGMA page_count").get() ?? {}, "page_count");
    engine.exec(`PRAGMA max_page_count = ${pages + 2}`);
    const attempt = store.commit(
      batch(2, ...ofChannel(1, { type: "totals", row: totalsRow({ localMsat: 5n }) }), big(2)),
    );
    await expect(attempt).rejects.toMatchObject({ code: "full", outcome: "refused", retryable: true });
    await expect(store.commit(batch(2, big(2)))).rejects.toThrow(file);
    expect(await store.load()).toStrictEqual(before);
    await store.commit(batch(2));
    engine.exec("PRAGMA max_page_count = 1000000");
    await store.commit(batch(3, big(2)));
    expect((await store.load()).outbox).toHaveLength(2);
    await store.close();
  });
});

describe("a disk that fails", () => {
  it("[LW-5] refuses the batch when a row could not be written", async () => {
    let isBroken = false;
    const store = open(
      intercepted(
        (sql) => sql.includes("INTO stream"),
        (proceed) => {
          if (isBroken) throw new DiskError("disk I/O error");
          proceed();
        },
      ),
    );
    await store.commit(batch(1, ...createdChannel(1), { type: "stream", row: streamRow(1) }));
    const before = await store.load();
    isBroken = true;
    const changes = [{ type: "stream", row: streamRow(1, { sent: 9 }) }, big(1)] as const;
    await expect(store.commit(batch(2, ...changes))).rejects.toMatchObject({ code: "io", outcome: "refused" });
    expect(await store.load()).toStrictEqual(before);
    isBroken = false;
    await store.commit(batch(2, ...changes));
    expect(await store.sequence()).toBe(2);
    await store.close();
  });

  it.each([
    { when: "before anything reached the disk", written: false },
    { when: "after everything did", written: true },
  ])("[LW-5] says that it does not know when COMMIT fails $when, and finds out when asked", async ({ written }) => {
    let isBroken = false;
    const failing = intercepted(
      (sql) => sql === "COMMIT",
      (proceed) => {
        if (!isBroken || written) proceed();
        if (isBroken) throw new DiskError("disk I/O error");
      },
    );
    const store = open(failing);
    await store.commit(batch(1, big(1)));
    isBroken = true;
    await expect(store.commit(batch(2, big(2)))).rejects.toMatchObject({ code: "io", outcome: "unknown" });
    isBroken = false;
    expect(await store.sequence()).toBe(written ? 2 : 1);
    // What it said is final: nothing is left in the log that a restart could find.
    expect(statSync(`${file}-wal`).size).toBe(0);
    const again = written ? 3 : 2;
    await store.commit(batch(again, big(3)));
    await store.close();
    engine = openEngine(file);
    const reopened = open();
    const { outbox, sequence } = await reopened.load();
    expect(sequence).toBe(again);
    expect(outbox.map((row) => row.number)).toStrictEqual(written ? [1, 2, 3] : [1, 3]);
    await reopened.close();
  });

  it("answers nothing until it knows", async () => {
    let isBroken = false;
    const store = open(
      intercepted(
        (sql) => sql === "COMMIT" || sql.includes("wal_checkpoint"),
        (proceed) => {
          if (isBroken) throw new DiskError("disk I/O error");
          proceed();
        },
      ),
    );
    isBroken = true;
    await expect(store.commit(batch(1, big(1)))).rejects.toMatchObject({ outcome: "unknown" });
    for (const attempt of [store.sequence(), store.load(), store.commit(batch(1)), store.payment("a")]) {
      await expect(attempt).rejects.toMatchObject({ code: "io", outcome: "unknown" });
    }
    isBroken = false;
    expect(await store.sequence()).toBe(0);
    await store.close();
  });
});

describe("what a batch costs", () => {
  /** Bytes that one payment writes to the log in a channel with so many payments behind it. */
  async function bytesPerPayment(history: number): Promise<number> {
    const store = open();
    const added = Array.from({ length: history }, (_, i) => i + 1).flatMap((n) =>
      ofChannel(
        1,
        { type: "htlc_added", row: htlcRow(BigInt(2 * n), { addNumber: n }) },
        {
          type: "htlc_removed",
          id: BigInt(2 * n),
          removal: { type: "fulfilled", preimage: htlcPreimage(BigInt(2 * n)) },
          removedBy: "remote",
          removeNumber: n,
        },
        { type: "commitment", row: commitmentRow("local", n) },
      ),
    );
    await store.commit(batch(1, ...createdChannel(1), ...added));
    engine.prepare("PRAGMA wal_checkpoint(TRUNCATE)").get();
    const id = BigInt(2 * history + 2);
    await store.commit(
      batch(
        2,
        ...ofChannel(
          1,
          { type: "htlc_added", row: htlcRow(id, { addNumber: history + 1 }) },
          { type: "commitment", row: commitmentRow("local", history + 1) },
          { type: "totals", row: totalsRow({ settledUpTo: { local: history, remote: history } }) },
        ),
      ),
    );
    const written = statSync(`${file}-wal`).size;
    expect((await store.load()).channels[0]?.htlcs.map((htlc) => htlc.id)).toStrictEqual([id]);
    await store.close();
    rmSync(file);
    engine = openEngine(file);
    return written;
  }

  it("[LW-7] a payment writes a few rows, however many came before", async () => {
    const [first, later] = [await bytesPerPayment(0), await bytesPerPayment(5000)];
    expect(first).toBeGreaterThan(4096);
    expect(first).toBeLessThan(10 * 4200);
    expect(later).toBeLessThan(12 * 4200);
  });

  it("[LW-7] starting reads no history: every table that holds some is read through an index", async () => {
    const prepared: string[] = [];
    const recording: SqlEngine = {
      ...engine,
      prepare: (sql) => {
        prepared.push(sql);
        return engine.prepare(sql);
      },
    };
    const store = open(recording);
    const reads = prepared.filter((sql) => sql.startsWith("SELECT"));
    expect(reads.length).toBeGreaterThan(20);
    const plans = reads.flatMap((sql) => {
      const values = [...sql.matchAll(/\?/g)].map(() => 0);
      return engine.prepare(`EXPLAIN QUERY PLAN ${sql}`).all(...values);
    });
    const scans = plans.map((row) => readText(row, "detail")).filter((detail) => detail.startsWith("SCAN"));
    expect(
      scans.filter((detail) => /htlc|commitment|fee|invoice|payment|coin|channel/.test(detail)).sort(),
    ).toStrictEqual(["SCAN invoice USING INDEX invoice_open", "SCAN payment USING INDEX payment_pending"]);
    await store.close();
  });

  it("[LW-8] pages of history come in the order of the key or of an index: nothing is sorted", async () => {
    const pages: string[] = [];
    const store = open({
      ...engine,
      prepare: (sql) => {
        if (/^SELECT .* FROM (htlc|commitment|moment|tally|payment|invoice)\b/s.test(sql)) pages.push(sql);
        return engine.prepare(sql);
      },
    });
    expect(pages.length).toBeGreaterThan(8);
    for (const sql of pages) {
      const values = [...sql.matchAll(/\?/g)].map(() => 0);
      const plan = engine.prepare(`EXPLAIN QUERY PLAN ${sql}`).all(...values);
      const details = plan.map((row) => readText(row, "detail"));
      expect([sql, ...details].filter((detail) => detail.includes("TEMP B-TREE"))).toStrictEqual([]);
    }
    await store.close();
  });
});

it("refuses what it could not give back", async () => {
  const store = open();
  for (const row of [outboxRow(2 ** 20, 1), outboxRow(1, 2 ** 43), outboxRow(-1, 1)]) {
    await expect(store.commit(batch(1, { type: "outbox", row }))).rejects.toThrow(InvariantBroken);
  }
  const tooMuch = totalsRow({ localMsat: 2n ** 63n });
  const changes = [...createdChannel(1), ...ofChannel(1, { type: "totals", row: tooMuch })];
  await expect(store.commit(batch(1, ...changes))).rejects.toThrow(InvariantBroken);
  const fraction = { ...streamRow(1), sent: 0.5 };
  await expect(store.commit(batch(1, { type: "stream", row: fraction }))).rejects.toThrow(InvariantBroken);
  await store.commit(batch(1, { type: "invoice", row: invoiceRow(1) }, { type: "payment", row: paymentRow("a") }));
  await store.close();
});
