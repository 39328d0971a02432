import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { bytes, createdChannel, htlcRow, ofChannel, outboxRow } from "../../../test/support/store-rows.ts";
import { StoreError } from "../../ports/store.ts";
import { readNumber } from "./columns.ts";
import { openEngine, type SqlEngine } from "./engine.ts";
import { openSqliteStore } from "./index.ts";
import { openOn } from "./open.ts";

const RECORD = {
  connections: 1,
  lowestLocalMsat: undefined,
  lowestRemoteMsat: undefined,
  countedUpTo: { local: 0, remote: 0 },
};

let directory: string;
let file: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "sluice-store-"));
  file = join(directory, "sluice.db");
});

afterEach(() => rmSync(directory, { recursive: true }));

/** A store with 200 HTLCs, closed again. */
async function fill(): Promise<void> {
  const store = await openSqliteStore({ directory });
  const htlcs = Array.from({ length: 200 }, (_, i) => htlcRow(BigInt(2 * i), { route: bytes(100, i) }));
  const changes = htlcs.flatMap((row) => ofChannel(1, { type: "htlc_added", row }));
  await store.commit({
    sequence: 1,
    changes: [...createdChannel(1), ...changes, { type: "outbox", row: outboxRow(1, 1) }],
  });
  await store.close();
}

async function openError(): Promise<StoreError> {
  const error = await openSqliteStore({ directory }).then(
    async (store) => {
      await store.close();
      throw new Error("it opened");
    },
    (cause: unknown) => cause,
  );
  if (!(error instanceof StoreError)) throw error;
  return error;
}

/** Overwrites the table's first page. */
function damage(table: string): void {
  const engine = openEngine(file);
  const found = engine.prepare("SELECT rootpage FROM sqlite_schema WHERE name = ?").get(table);
  const page = readNumber(found ?? { rootpage: 1n }, "rootpage") - 1;
  engine.close();
  const content = readFileSync(file);
  content.fill(0xa5, page * 4096, (page + 1) * 4096);
  writeFileSync(file, content);
}

describe("durability", () => {
  it("[AC-4] syncs each commit, after every open anew", async () => {
    for (const _ of ["new", "there already"]) {
      const engine = openEngine(file);
      const store = openOn(engine, file, join(directory, "sluice.pid"));
      expect(engine.prepare("PRAGMA synchronous").get()).toStrictEqual({ synchronous: 2n });
      expect(engine.prepare("PRAGMA journal_mode").get()).toStrictEqual({ journal_mode: "wal" });
      await store.close();
    }
  });

  it("[AC-4] does not open where syncing can't be had", () => {
    const engine = openEngine(file);
    const stubborn: SqlEngine = { ...engine, exec: (sql) => engine.exec(sql.replace("FULL", "NORMAL")) };
    expect(() => openOn(stubborn, file, join(directory, "sluice.pid"))).toThrow(/synchronous is 1/);
  });

  it("leaves one file when it is closed", async () => {
    await fill();
    expect(readdirSync(directory)).toStrictEqual(["sluice.db"]);
  });
});

describe("the lock", () => {
  it("lets nobody else open the directory, and names it and the process", async () => {
    const store = await openSqliteStore({ directory });
    const error = await openError();
    expect(error).toMatchObject({ code: "locked", outcome: "refused", retryable: false });
    expect(error.message).toContain(directory);
    expect(error.message).toContain(`process ${process.pid}`);
    await store.commit({ sequence: 1, changes: [] });
    await store.close();
    await (await openSqliteStore({ directory })).close();
  });

  it("is there before the first batch, and without a file that says whose it is", async () => {
    const store = await openSqliteStore({ directory });
    rmSync(join(directory, "sluice.pid"));
    expect((await openError()).message).toMatch(/in use by another process/);
    await store.close();
  });

  it("is not held up by what a killed process left", async () => {
    writeFileSync(join(directory, "sluice.pid"), "1\n");
    await (await openSqliteStore({ directory })).close();
  });
});

describe("a damaged file", () => {
  beforeEach(fill);

  it.each<[string, () => void]>([
    [
      "a header that is garbage",
      () => writeFileSync(file, Buffer.concat([bytes(4096, 1), readFileSync(file).subarray(4096)])),
    ],
    [
      "something else entirely",
      () => writeFileSync(file, "this is not a database, but it is long enough to be one".repeat(99)),
    ],
    ["an end that is cut off", () => truncateSync(file, Math.floor(readFileSync(file).length / 8192) * 4096)],
    ["less than a page", () => truncateSync(file, 1000)],
    ["a page of totals that is garbage", () => damage("totals")],
    ["a page of the outbox that is garbage", () => damage("outbox")],
    ["a schema that is garbage", () => damage("sqlite_schema")],
  ])("is told from a sound one: %s", async (_, harm) => {
    harm();
    const before = readFileSync(file);
    const error = await openError();
    expect(error).toMatchObject({ code: "corrupt", retryable: false });
    expect(error.message).toContain(file);
    expect(error.message).toContain("backup");
    expect(readFileSync(file).equals(before)).toBe(true);
  });

  it("is noticed when its HTLCs are read", async () => {
    damage("htlc");
    const store = await openSqliteStore({ directory });
    await expect(store.load()).rejects.toMatchObject({ code: "corrupt" });
    await store.close();
  });

  it.each([
    ["a word that means nothing", "UPDATE stage SET stage = 'sleeping' WHERE channel = 1", {}],
    ["a hash that is too short", "UPDATE htlc SET lock = x'00' WHERE id = 0", {}],
    ["an amount that is none", "UPDATE htlc SET amount_msat = -1 WHERE id = 0", {}],
    ["a peer that is none", "UPDATE channel SET peer = x'00' WHERE channel = 1", { peer: undefined }],
    ["an id that is none", "UPDATE channel SET id = x'00' WHERE channel = 1", { channelId: undefined }],
    ["a row that is gone", "DELETE FROM totals WHERE channel = 1", {}],
    ["a row of the books", "UPDATE record SET connections = -9223372036854775808 WHERE channel = 1", {}],
  ])("costs the channel alone in whose rows stands what can't: %s", async (_, sql, unreadable) => {
    const before = await openSqliteStore({ directory });
    const record = { ...RECORD, channel: 1 };
    await before.commit({ sequence: 2, changes: [...createdChannel(2), { type: "record", row: record }] });
    const channels = new Map((await before.load()).channels.map((rows) => [rows.channel.index, rows]));
    await before.close();
    const engine = openEngine(file);
    engine.exec(`PRAGMA foreign_keys = OFF; ${sql}`);
    engine.close();
    const store = await openSqliteStore({ directory });
    const loaded = await store.load();
    expect(loaded.channels).toStrictEqual([channels.get(2)]);
    expect(loaded.records.map(({ channel }) => channel)).toEqual([2]);
    const one = channels.get(1);
    expect(loaded.damaged).toStrictEqual([
      {
        channel: 1,
        channelId: one?.id,
        peer: one?.channel.peer,
        stale: false,
        problem: expect.any(String),
        ...unreadable,
      },
    ]);
    await store.close();
  });
});

describe("a file of another version", () => {
  it("is refused when it is newer, and left as it is", async () => {
    await fill();
    const engine = openEngine(file);
    engine.exec("PRAGMA user_version = 1000");
    engine.close();
    const error = await openError();
    expect(error).toMatchObject({ code: "newer_version", retryable: false });
    expect(error.message).toContain("1000");
  });

  it("is refused when it is somebody else's", async () => {
    const engine = openEngine(file);
    engine.exec("CREATE TABLE theirs (a INTEGER); PRAGMA user_version = 1");
    engine.close();
    expect((await openError()).code).toBe("corrupt");
  });
});

describe("a directory that can't be used", () => {
  it.each<[string, () => void, RegExp]>([
    ["is missing", () => rmSync(directory, { recursive: true }), /does not exist; create it/],
    [
      "is a file",
      () => {
        rmSync(directory, { recursive: true });
        writeFileSync(directory, "");
      },
      /is not a directory/,
    ],
    ["has a directory in the file's place", () => mkdirSync(file), /SQLITE_CANTOPEN.*can be read and written/],
  ])("is named with what to do when it %s", async (_, arrange, message) => {
    arrange();
    const error = await openError();
    expect(error).toMatchObject({ code: "io", outcome: "refused" });
    expect(error.message).toMatch(message);
    expect(error.message).toContain(directory);
    rmSync(directory, { recursive: true, force: true });
    mkdirSync(directory);
  });
});
