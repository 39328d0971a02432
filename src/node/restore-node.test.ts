import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CopyScene } from "../../test/support/copy-scene.ts";
import { openSqliteStore } from "../adapters/store-sqlite/index.ts";
import { systemRandom } from "../adapters/system/index.ts";
import { seedFromPhrase, seedPhrase } from "../core/crypto/index.ts";
import { type Backup, sealBackup, takeBackup } from "./backup.ts";
import { writeBackupFile } from "./backup-file.ts";
import { describeRestoreError, restoreNode } from "./restore-node.ts";

const PHRASE = seedPhrase(new Uint8Array(32).fill(3));

describe("restoring a data directory", () => {
  let folder: string;
  let file: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "sluice-restore-"));
    file = join(folder, "backup.sluice");
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const restore = (name: string, change: { seedPhrase?: string; backup?: string } = {}) =>
    restoreNode({ directory: join(folder, name), seedPhrase: PHRASE, backup: file, ...change });

  function seedOf(phrase: string): Uint8Array {
    const seed = seedFromPhrase(phrase);
    if (!seed.ok) throw new Error(seed.error.type);
    return seed.value;
  }

  it("writes every row that the backup has, with all channels in recovery, and the phrase", async () => {
    const scene = await new CopyScene().open(2, 1);
    const { world, alice, bob } = scene;
    for (const channel of [0, 1]) await scene.pay(alice, bob, channel);
    expect((await world.outcome(alice.node.closeChannel(1))).ok).toBe(true);
    const backup = await takeBackup(await alice.store.load(), alice.store, {
      network: "regtest",
      createdAt: 1_700_000_000_000,
    });
    await writeBackupFile(file, await sealBackup(backup, seedOf(PHRASE), systemRandom()));
    expect(await restore("new", { seedPhrase: `  ${PHRASE.toUpperCase()}\n` })).toEqual({
      ok: true,
      value: {
        ...{ from: { type: "file" }, unanswered: [] },
        ...{ network: "regtest", createdAt: 1_700_000_000_000, channels: 3 },
      },
    });
    expect(readFileSync(join(folder, "new", "seed-phrase"), "utf8").trim()).toBe(PHRASE);
    const store = await openSqliteStore({ directory: join(folder, "new") });
    const again = await takeBackup(await store.load(), store, backup);
    await store.close();
    expect(again.channels.map(({ stage }) => [stage.stage, stage.stale])).toEqual([
      ["failed", true],
      ["close_agreed", true],
      ["failed", true],
    ]);
    const channels = again.channels.map((rows, at) => ({ ...rows, stage: backup.channels[at]?.stage }));
    const streams = backup.streams.map((row) => ({ ...row, received: 0, receivedDigest: new Uint8Array(32) }));
    const nextChannelIndex = again.nextChannelIndex - 100;
    const sequence = again.sequence - 1;
    const coins = backup.coins.map((row) => ({ ...row, reservedFor: undefined }));
    expect({ ...again, sequence, channels, nextChannelIndex }).toEqual({ ...backup, streams, coins });
    await world.stop();
  });

  it("refuses what is no backup of this phrase, says why, and leaves nothing", async () => {
    const scene = await new CopyScene().open();
    const backup = await takeBackup(await scene.alice.store.load(), scene.alice.store, {
      network: "regtest",
      createdAt: 0,
    });
    await scene.world.stop();
    const bytes = await sealBackup(backup, seedOf(PHRASE), systemRandom());
    const cases = [
      [bytes.slice(0, -1), {}, "backup_length"],
      [bytes.map((byte, at) => (at === 700 ? byte ^ 4 : byte)), {}, "backup_damaged"],
      [new Uint8Array(0), {}, "not_a_backup"],
      [bytes, { seedPhrase: seedPhrase(new Uint8Array(32).fill(4)) }, "backup_of_another_seed"],
      [bytes, { seedPhrase: "abandon abandon zebra" }, "bad_seed_phrase"],
      [bytes, { backup: join(folder, "nothing") }, "unreadable"],
    ] as const;
    for (const [content, change, type] of cases) {
      await writeBackupFile(file, content);
      const said = await restore("new", change);
      if (said.ok) throw new Error(`${type} was taken`);
      expect(said.error.type).toBe(type);
      expect(describeRestoreError(said.error)).not.toMatch(/abandon|zebra/);
    }
    expect(existsSync(join(folder, "new"))).toBe(false);
    await writeBackupFile(file, bytes);
    expect((await restore("new")).ok).toBe(true);
    expect(await restore("new")).toMatchObject({ ok: false, error: { type: "directory_used" } });
  });

  it("takes back what it began where a backup holds no whole node, whatever its seal says, so that another copy can be used", async () => {
    const scene = await new CopyScene().open();
    const backup = await takeBackup(await scene.alice.store.load(), scene.alice.store, {
      network: "regtest",
      createdAt: 0,
    });
    await scene.world.stop();
    const [channel] = backup.channels;
    const cut = [
      { ...backup, channels: [{ ...channel, terms: undefined }] },
      { ...backup, channels: [{ ...channel, totals: { ...channel?.totals, localMsat: "many" } }] },
      { ...backup, blocks: undefined },
    ];
    for (const one of cut) {
      await writeBackupFile(file, await sealBackup(one as unknown as Backup, seedOf(PHRASE), systemRandom()));
      expect(await restore("new")).toEqual({ ok: false, error: { type: "backup_damaged" } });
    }
    await writeBackupFile(file, await sealBackup(backup, seedOf(PHRASE), systemRandom()));
    expect((await restore("new")).ok).toBe(true);
  });

  it("reads a file that was written whole, for its owner only, over a half of one", async () => {
    writeFileSync(`${file}.new`, "half");
    await writeBackupFile(file, Uint8Array.of(1, 2, 3));
    expect(readdirSync(folder)).toEqual(["backup.sluice"]);
    expect([...readFileSync(file)]).toEqual([1, 2, 3]);
    await writeBackupFile(file, Uint8Array.of(4));
    expect([...readFileSync(file)]).toEqual([4]);
    rmSync(file);
    await writeBackupFile(file, Uint8Array.of(5));
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });
});
