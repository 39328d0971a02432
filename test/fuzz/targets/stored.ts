// What comes back from disk: the store's file and rows, the log of inputs, backups. All of it is the program's own, until a disk or a
// hand damages it: then it is refused in words, or read as something that was written.
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { memoryStore } from "../../../src/adapters/store-memory/index.ts";
import { openEngine } from "../../../src/adapters/store-sqlite/engine.ts";
import { openSqliteStore } from "../../../src/adapters/store-sqlite/index.ts";
import { asPaymentHash, concatBytes, equalBytes, InvariantBroken } from "../../../src/core/base/index.ts";
import { SEALED_SALT_BYTES, sealedFileKey } from "../../../src/core/crypto/index.ts";
import { type ChannelRows, load } from "../../../src/core/payment-channel/index.ts";
import { openBackup, sealBackup, takeBackup } from "../../../src/node/backup.ts";
import { makeCopy, openCopy, sealCopy } from "../../../src/node/copy.ts";
import { InputLog } from "../../../src/node/input-log.ts";
import { replayed, toldReplay } from "../../../src/node/replay.ts";
import { restoreInto } from "../../../src/node/restore.ts";
import { type ReplayRow, type Store, type StoreChange, StoreError } from "../../../src/ports/store.ts";
import { ChannelPair } from "../../support/channel-pair.ts";
import { bytes, coinRow, invoiceRow, outboxRow, paymentRow, streamRow } from "../../support/store-rows.ts";
import { bytesOf, Choices, type Outcome, type Target, words } from "../target.ts";

/** Alice of a channel in the middle of its life, with everything that she wrote. */
function party() {
  const pair = new ChannelPair().open({ pushMsat: 400_000_000n });
  for (let n = 1; n <= 3; n++) pair.offer(n === 2 ? "bob" : "alice", n, 20_000_000n);
  pair.settle();
  return pair.alice;
}

const FOLDER = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();

function changesOf(alice: ReturnType<typeof party>): StoreChange[] {
  const channel = alice.channel.channel.index;
  const written = alice.changes.filter(({ type }) => type !== "acknowledged" && type !== "own_revocation_hash");
  return [
    { type: "channel_index", next: channel + 1 },
    { type: "peer", row: { index: 0, nodeId: alice.channel.channel.peer, address: { host: "::1", port: 1 } } },
    { type: "stream", row: streamRow(0) },
    { type: "outbox", row: outboxRow(0, 4) },
    ...written.map((change) => ({ type: "channel", channel, change }) as const),
    { type: "channel", channel, change: { type: "totals", row: alice.channel.totals } },
    { type: "invoice", row: invoiceRow(1) },
    { type: "payment", row: paymentRow("p") },
    { type: "coin", row: coinRow(1) },
    { type: "wallet_keys", row: { nextReceive: 3, nextChange: 2 } },
    { type: "block", row: { height: 100, hash: bytes(32, 7) } },
    ...replayRows(alice).map((row) => ({ type: "replay_row", row }) as const),
  ];
}

/** The log of one input, by the node's own hand. */
function replayRows(alice: ReturnType<typeof party>): ReplayRow[] {
  const rows: ReplayRow[] = [];
  const batch = {
    change: (change: StoreChange) => void (change.type === "replay_row" && rows.push(change.row)),
    afterCommit: () => undefined,
    atEnd: () => undefined,
  };
  const log = new InputLog({ inputs: 100, nextBatch: () => 1 });
  log.before(batch, alice.channel);
  const row = { ...alice.channel.stage, errorDue: true };
  log.ran(batch, alice.channel.channel.index, { type: "block" }, alice.context(), [{ type: "stage", row }]);
  return rows;
}

type Template = {
  readonly alice: ReturnType<typeof party>;
  readonly file: Uint8Array;
  readonly columns: readonly (readonly [string, string])[];
};
let template: Promise<Template> | undefined;

async function makeTemplate(): Promise<Template> {
  const alice = party();
  const directory = mkdtempSync(join(FOLDER, "sluice-fuzz-"));
  try {
    const store = await openSqliteStore({ directory });
    await store.commit({ sequence: 1, changes: changesOf(alice) });
    await store.close();
    const file = join(directory, "sluice.db");
    const engine = openEngine(file);
    const columns = engine
      .prepare(
        "SELECT t.name || '.' || c.name FROM sqlite_schema t, pragma_table_info(t.name) c WHERE t.type = 'table'",
      )
      .all()
      .map((row) => String(Object.values(row)[0]).split("."))
      .map(([table = "", column = ""]) => [table, column] as const);
    engine.exec("PRAGMA journal_mode = DELETE");
    engine.close();
    return { alice, file: new Uint8Array(readFileSync(file)), columns };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

let directory: string | undefined;

function place(file: Uint8Array): { directory: string; file: string } {
  directory ??= mkdtempSync(join(FOLDER, "sluice-fuzz-"));
  for (const name of ["sluice.db", "sluice.db-wal", "sluice.db-journal", "sluice.pid"]) {
    rmSync(join(directory, name), { force: true });
  }
  writeFileSync(join(directory, "sluice.db"), file);
  return { directory, file: join(directory, "sluice.db") };
}

async function storeOutcome<T>(action: () => Promise<T>): Promise<{ value: T | undefined; word: string }> {
  try {
    return { value: await action(), word: "ok" };
  } catch (cause) {
    if (!(cause instanceof StoreError)) throw cause;
    assert.ok(["corrupt", "newer_version", "io"].includes(cause.code), `${cause.code} of a damaged file`);
    return { value: undefined, word: cause.code };
  }
}

/** Every question that a node asks its store. What is loaded makes a channel, or breaks an invariant of it. */
async function readAll(store: Store, channel: number): Promise<string> {
  const loaded = await storeOutcome(() => store.load());
  const rest = [
    () => store.payment("p"),
    () => store.invoice(asPaymentHash(bytes(32, 1))),
    () => store.history(channel),
    () => store.htlcs(channel, { offerer: "local", before: undefined, limit: 10 }),
    () => store.htlcs(channel, { offerer: "remote", before: undefined, limit: 10 }),
    () => store.commitments(channel, { holder: "remote", before: undefined, limit: 10 }),
    () => store.moments(channel, { from: 0, limit: 10 }),
    () => store.replayRows(channel),
    () => store.published(channel, 0),
  ];
  const found = [loaded.word];
  for (const question of rest) found.push((await storeOutcome<unknown>(question)).word);
  for (const rows of loaded.value?.channels ?? []) found.push(makes(rows));
  return [...new Set(found)].join(" ");
}

const OWN_HASH = (number: number): Uint8Array => bytes(32, number);

function makes(rows: ChannelRows): string {
  try {
    const state = load(rows, 3, OWN_HASH);
    assert.equal(state.htlcs.size, new Set(rows.htlcs.map(({ id }) => id)).size);
    return "channel";
  } catch (cause) {
    if (cause instanceof InvariantBroken) return "broken";
    throw cause;
  }
}

/** Bytes of the file are changed: each choice is a place and what stands there then. */
async function damagedFile(input: Uint8Array): Promise<Outcome> {
  template ??= makeTemplate();
  const { file, alice } = await template;
  const choices = new Choices(input);
  const copy = choices.below(16) === 0 ? file.slice(0, choices.uint(3) % file.length) : file.slice();
  while (!choices.done && copy.length > 0) copy[choices.uint(3) % copy.length] = choices.byte();
  const at = place(copy);
  const { value: store, word } = await storeOutcome(() => openSqliteStore({ directory: at.directory }));
  if (store === undefined) return word;
  const read = await readAll(store, alice.channel.channel.index);
  await storeOutcome(() => store.close());
  return read;
}

const VALUES = [null, 0n, -1n, 1n, 255n, 2n ** 31n, 2n ** 53n, 2n ** 63n - 1n, -(2n ** 63n), "", "open", "x"] as const;

/** Single values are changed, as far as the tables' own rules allow. */
async function damagedRows(input: Uint8Array): Promise<Outcome> {
  template ??= makeTemplate();
  const { file, columns, alice } = await template;
  const choices = new Choices(input);
  const at = place(file);
  const engine = openEngine(at.file);
  engine.exec("PRAGMA ignore_check_constraints = ON");
  let written = 0;
  for (let n = 0; n < 6 && !choices.done; n++) {
    const [table, column] = columns[choices.uint(2) % columns.length] ?? ["", ""];
    const which = choices.below(VALUES.length + 4);
    const value = VALUES[which] ?? choices.take([0, 1, 31, 33][which - VALUES.length] ?? 0);
    try {
      const many =
        choices.below(3) === 0 ? "" : `WHERE rowid = (SELECT rowid FROM "${table}" LIMIT 1 OFFSET ${choices.below(4)})`;
      written += engine.prepare(`UPDATE "${table}" SET "${column}" = ? ${many}`).run(value).changes;
    } catch {
      // What the tables refuse can't stand in them.
    }
  }
  engine.close();
  if (written === 0) return "nothing";
  const { value: store, word } = await storeOutcome(() => openSqliteStore({ directory: at.directory }));
  if (store === undefined) return word;
  const read = await readAll(store, alice.channel.channel.index);
  await storeOutcome(() => store.close());
  return read;
}

/** The log of a channel's inputs, with bytes changed: replayed as far as it can be read. */
async function damagedLog(input: Uint8Array): Promise<Outcome> {
  template ??= makeTemplate();
  const { alice } = await template;
  const choices = new Choices(input);
  const rows = replayRows(alice).map((row) => ({ ...row, body: row.body.slice() }));
  const damaged = choices.below(3);
  if (damaged === 2) rows.push({ ...(rows[1] as ReplayRow), place: 2, body: choices.rest().slice() });
  const body = rows[damaged]?.body ?? new Uint8Array(0);
  while (!choices.done) body[choices.uint(2) % body.length] = choices.byte();
  const options = { signer: alice.signer, keys: alice.keys, to: undefined };
  const replay = replayed(rows, options);
  if (replay === undefined) return "nothing";
  const told = toldReplay(replay);
  return `${told.steps.length} ${told.difference?.what}`;
}

const SEED = new Uint8Array(64).fill(3);
const RANDOM = { bytes: (length: number) => new Uint8Array(length).fill(4) };

async function goodBackup() {
  template ??= makeTemplate();
  const { alice } = await template;
  const store = memoryStore();
  await store.commit({ sequence: 1, changes: changesOf(alice) });
  return takeBackup(await store.load(), store, { network: "regtest", createdAt: 1_700_000_000_000 });
}

async function backupBytes(input: Uint8Array): Promise<Outcome> {
  const opened = openBackup(input, SEED);
  return opened.ok ? "backup" : opened.error.type;
}

/** What a peer hands out as the copy that it kept. */
async function copyBytes(input: Uint8Array): Promise<Outcome> {
  const opened = openCopy(input, SEED);
  const isOurs = equalBytes((await goodBackups()).copy, input);
  assert.equal(opened !== undefined, isOurs, "nothing opens but what was sealed");
  return `${isOurs}`;
}

/** A file that holds any text under the right key: as another version of this program may write it. */
function sealed(plaintext: Uint8Array): Uint8Array {
  const salt = RANDOM.bytes(SEALED_SALT_BYTES);
  const key = sealedFileKey(SEED, "sluice backup", salt);
  const header = concatBytes(bytesOf("SLUICEBK"), Uint8Array.of(1), salt, key.check, new Uint8Array(4));
  new DataView(header.buffer).setUint32(header.length - 4, plaintext.length + 16);
  return concatBytes(header, key.seal(plaintext, header));
}

async function backupInside(input: Uint8Array): Promise<Outcome> {
  const opened = openBackup(sealed(input), SEED);
  if (!opened.ok) return opened.error.type;
  const store = memoryStore();
  const { value, word } = await storeOutcome(() => restoreInto(store, opened.value));
  if (value?.ok !== true) return value?.error.type ?? word;
  const found = (await store.load()).channels.map(makes);
  assert.ok(!found.includes("broken"), "what is restored can be started");
  return `${found.length}`;
}

type Backups = { readonly files: readonly Uint8Array[]; readonly copy: Uint8Array };
let backups: Promise<Backups> | undefined;

/** A backup without channels, short enough to be changed everywhere, and a whole one. */
async function makeBackups(): Promise<Backups> {
  const good = await goodBackup();
  const small = { ...good, channels: [], past: [], blocks: [], coins: [] };
  const files = await Promise.all([small, good].map((one) => sealBackup(one, SEED, RANDOM)));
  return { files, copy: sealCopy(await makeCopy(small), SEED, RANDOM) };
}

function goodBackups(): Promise<Backups> {
  backups ??= makeBackups();
  return backups;
}

async function insides(): Promise<Uint8Array[]> {
  return (await goodBackups()).files.map((file) => {
    const header = file.slice(0, 53);
    const key = sealedFileKey(SEED, "sluice backup", header.slice(9, 41));
    const plaintext = key.open(file.slice(53), header);
    if (plaintext === undefined) throw new Error("the backup opens");
    return plaintext;
  });
}

export const STORED: readonly Target[] = [
  {
    name: "store-file",
    about: "the store's file with bytes changed, or cut short",
    seeds: () => [
      Uint8Array.of(1, 0, 0, 20, 9),
      Uint8Array.of(0, 0, 16, 0),
      Uint8Array.of(1, 0, 32, 0, 7, 0, 40, 1, 1),
    ],
    longest: 60,
    run: damagedFile,
  },
  {
    name: "store-rows",
    about: "the store's rows with values changed",
    seeds: () => Array.from({ length: 60 }, (_, i) => Uint8Array.of(0, i * 4, i % 16, 0, 0)),
    longest: 60,
    run: damagedRows,
  },
  {
    name: "input-log",
    about: "the log of a channel's inputs with bytes changed",
    seeds: () => [Uint8Array.of(0), Uint8Array.of(1, 0, 9, 9), Uint8Array.of(2, 1, 2, 3)],
    longest: 200,
    run: damagedLog,
  },
  {
    name: "backup-file",
    about: "a backup's bytes",
    seeds: async () => (await goodBackups()).files,
    longest: 40_000,
    run: backupBytes,
  },
  {
    name: "peers-copy",
    about: "what a peer hands out as the copy that it kept",
    seeds: async () => [(await goodBackups()).copy],
    longest: 70_000,
    run: copyBytes,
  },
  {
    name: "backup-inside",
    about: "what stands in a backup, under the right key, as another version may have written it; restored",
    seeds: insides,
    dictionary: words("null", '{"$integer":"', '{"$bytes":"', "[]", "{}", '"remote"', "-1", "1e30", '"x"'),
    longest: 40_000,
    run: backupInside,
  },
];
