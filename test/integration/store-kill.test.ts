import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { openSqliteStore } from "../../src/adapters/store-sqlite/index.ts";
import { StoreError } from "../../src/ports/store.ts";

const KILLS = 20;
const root = fileURLToPath(new URL("../..", import.meta.url));
const writer = fileURLToPath(new URL("store-writer.mjs", import.meta.url));

let work: string;
let directory: string;
let child: ChildProcess | undefined;

beforeAll(() => {
  work = mkdtempSync(join(tmpdir(), "sluice-store-kill-"));
  directory = mkdtempSync(join(work, "data-"));
  // The child can't run TypeScript.
  writeFileSync(join(work, "package.json"), '{ "type": "module" }');
  symlinkSync(join(root, "node_modules"), join(work, "node_modules"));
  execFileSync(
    join(root, "node_modules", ".bin", "tsc"),
    [
      "src/adapters/store-sqlite/index.ts",
      ...["--ignoreConfig", "--noCheck", "--rootDir", "src", "--outDir", join(work, "out"), "--target", "es2023"],
      ...["--module", "nodenext", "--allowImportingTsExtensions", "--rewriteRelativeImportExtensions"],
    ],
    { cwd: root },
  );
});

afterAll(() => {
  child?.kill("SIGKILL");
  rmSync(work, { recursive: true });
});

/** Starts the writer; `durable` is told the number of each batch that it says is durable. */
function start(durable: (sequence: number) => void): ChildProcess {
  const module = join(work, "out", "adapters", "store-sqlite", "index.js");
  child = spawn(process.execPath, [writer, module, directory], { stdio: ["ignore", "pipe", "inherit"] });
  if (child.stdout === null) throw new Error("no output");
  createInterface({ input: child.stdout }).on("line", (line) => durable(Number(line)));
  return child;
}

/** Runs the writer, kills it when it has committed `batches`, and gives the last number that it said. */
async function runAndKill(batches: number): Promise<number> {
  let [last, seen] = [0, 0];
  const process = start((sequence) => {
    last = sequence;
    if (++seen === batches) process.kill("SIGKILL");
  });
  const [code, signal] = await once(process, "close");
  expect([code, signal]).toStrictEqual([null, "SIGKILL"]);
  return last;
}

it(`[AC-4][LW-5] has every batch that was durable, and none by halves, after each of ${KILLS} kills`, async () => {
  for (let kill = 1; kill <= KILLS; kill++) {
    const durable = await runAndKill(3 * kill);
    // At once: the lock has gone with the process.
    const store = await openSqliteStore({ directory });
    const { sequence, channels, outbox } = await store.load();
    expect(sequence).toBeGreaterThanOrEqual(durable);
    // One batch can be durable before the writer says so.
    expect(sequence).toBeLessThanOrEqual(durable + 1);
    const [channel] = channels;
    expect(channel?.totals.localMsat).toBe(BigInt(sequence));
    expect(channel?.htlcs.map((htlc) => htlc.id)).toStrictEqual([BigInt(2 * sequence)]);
    expect(channel?.commitments.map((commitment) => commitment.number)).toStrictEqual([sequence]);
    expect(outbox.map((row) => row.number)).toStrictEqual(Array.from({ length: 20 }, (_, i) => 20 * sequence + i));
    const past = await store.htlcs(1, { offerer: "local", before: undefined, limit: 1_000_000 });
    const ids = Array.from({ length: sequence }, (_, i) => BigInt(2 * (sequence - i)));
    expect(past.map((htlc) => htlc.id)).toStrictEqual(ids);
    expect(past.filter((htlc) => htlc.removal === undefined)).toHaveLength(1);
    await store.close();
  }
});

it("keeps a second process out of the directory while the first lives, and names it", async () => {
  const first = await new Promise<ChildProcess>((resolve) => {
    const process: ChildProcess = start(() => resolve(process));
  });
  const error = await openSqliteStore({ directory }).catch((cause: unknown) => cause);
  expect(error).toBeInstanceOf(StoreError);
  expect(error).toMatchObject({ code: "locked", message: expect.stringContaining(`process ${first.pid}`) });
  expect(error).toMatchObject({ message: expect.stringContaining(directory) });
  first.kill("SIGKILL");
  await once(first, "close");
  await (await openSqliteStore({ directory })).close();
});
