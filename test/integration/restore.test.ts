// A node loses its disk, and is restored by the command as its users run it: real processes, their output and their exit codes.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { toHex } from "../../src/core/base/index.ts";
import type { SharedChain, TwoProcesses as Two } from "../processes/two-processes.ts";

const ROOT = new URL("../..", import.meta.url).pathname;
const MAIN = join(ROOT, "dist/cli/main.js");
const PAID_MSAT = 50_000_000n;

type Run = { readonly code: number | null; readonly lines: readonly Line[]; readonly stderr: string };
type Line = { readonly type: string; readonly stage?: string; readonly [name: string]: unknown };

function sluice(...args: string[]): Run {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...args], { encoding: "utf8" });
  const lines = args.includes("--json") ? stdout.trim().split("\n").filter(Boolean) : [];
  return { code: status, lines: lines.map((line): Line => JSON.parse(line)), stderr };
}

describe("a node whose disk is gone", () => {
  let chain: SharedChain;
  let two: Two;
  let fresh: string;
  let words: string;
  let backup: string;
  let bobAt: string;

  beforeAll(() => {
    const built = spawnSync("npx", ["tsc", "-p", "tsconfig.build.json"], { cwd: ROOT, encoding: "utf8" });
    if (built.status !== 0) throw new Error(`the command does not compile:\n${built.stdout}`);
  });

  beforeEach(async () => {
    const program = new URL("../../.cache/processes/test/processes/two-processes.js", import.meta.url);
    const made = (await import(program.href)) as typeof import("../processes/two-processes.ts");
    chain = await made.embeddedSharedChain();
    two = new made.TwoProcesses(chain);
    const folder = mkdtempSync(join(tmpdir(), "sluice-restored-"));
    [fresh, words, backup] = [join(folder, "new"), join(folder, "words"), join(folder, "backup.sluice")];
    let told = (): void => {};
    const kept = new Promise<void>((resolve) => {
      told = resolve;
    });
    two.bob.subscribe((event) => event.type === "copy_kept" && told());
    await two.openChannel({ amountSat: 1_000_000n, pushMsat: 300_000_000n });
    const hashes = await two.bob.call("invoices", 3, PAID_MSAT);
    const paying = { channel: 0, amountMsat: PAID_MSAT, hashes, inFlight: 1, prefix: "p" };
    expect(await two.alice.call("pay", paying)).toMatchObject({ failed: 0, refused: [] });
    await kept;
    const bob = two.bobListens;
    bobAt = `${toHex(bob.nodeId)}@127.0.0.1:${bob.port}`;
  });

  afterEach(async () => {
    await two.close();
    await chain.close();
    rmSync(join(fresh, ".."), { recursive: true, force: true });
  });

  /** Alice's machine goes with her disk; the words were written down, and the backup copied away. */
  async function lost(): Promise<void> {
    const directory = join(two.directory, "alice");
    copyFileSync(join(directory, "seed-phrase"), words);
    copyFileSync(join(directory, "backup.sluice"), backup);
    await two.alice.kill();
    rmSync(directory, { recursive: true });
  }

  /** Runs the restored node with the command until its channel is closed, and gives what its wallet has then. */
  async function closed(): Promise<bigint> {
    const { url, auth } = chain.access;
    const user = auth.type === "password" ? auth : { user: "", password: "" };
    const args = ["start", "--data-dir", fresh, "--listen", "127.0.0.1:0", "--json"];
    const child = spawn(process.execPath, [MAIN, ...args, "--rpc-url", url, "--rpc-user", user.user], {
      env: { ...process.env, SLUICE_RPC_PASSWORD: user.password },
      stdio: ["ignore", "pipe", "inherit"],
    });
    const exit = once(child, "exit");
    for await (const text of createInterface({ input: child.stdout })) {
      const line: Line = JSON.parse(text);
      // The peer's commitment comes into the mempool, and then has to be buried.
      if (line.type === "anchor_spent") await chain.mine(6);
      if (line.type === "channel_stage" && line.stage === "closed") child.kill("SIGTERM");
    }
    expect(await exit).toEqual([0, null]);
    await two.reopenAlice(fresh);
    const { confirmedSat } = await two.alice.call("balance");
    expect(await two.alice.call("channels")).toMatchObject([{ stage: "closed", stale: true }]);
    return confirmedSat;
  }

  it("is restored from the phrase and a backup file, and gets its money", async () => {
    await lost();
    const run = sluice("restore", "--data-dir", fresh, "--backup", backup, "--seed-phrase", words, "--json");
    expect(run).toMatchObject({ code: 0, stderr: "" });
    expect(run.lines).toMatchObject([
      { type: "restored", from: "file", network: "regtest", channels: 1, data_dir: fresh },
    ]);
    const money = await closed();
    // 2,000,000 less 300,000 given at the start and 150,000 paid, but for what transactions cost.
    expect(money).toBeGreaterThan(1_530_000n);
    expect(money).toBeLessThanOrEqual(1_550_000n);
  });

  it("is restored from the phrase and the copy that its peer keeps, and gets its money", async () => {
    await lost();
    const run = sluice("restore", "--data-dir", fresh, "--from-peer", bobAt, "--seed-phrase", words, "--json");
    expect(run).toMatchObject({ code: 0, stderr: "" });
    expect(run.lines).toMatchObject([{ type: "restored", from: "peer", peer: bobAt.slice(0, 66), channels: 1 }]);
    expect(readFileSync(join(fresh, "seed-phrase"), "utf8")).toBe(readFileSync(words, "utf8"));
    const money = await closed();
    expect(money).toBeGreaterThan(1_530_000n);
    expect(money).toBeLessThanOrEqual(1_550_000n);
  });

  it("is told what is wrong, and nothing is left behind", async () => {
    await lost();
    const nobody = `${bobAt.slice(0, 66)}@127.0.0.1:1`;
    const base = ["restore", "--data-dir", fresh, "--seed-phrase", words];
    const cases: readonly (readonly [readonly string[], number, RegExp])[] = [
      [base, 2, /--backup, a peer with --from-peer/],
      [[...base, "--from-peer", "02ab@host:1"], 2, /66 hexadecimal digits/],
      [[...base, "--from-peer", nobody], 3, /can't be reached/],
      [[...base, "--backup", words], 3, /not a backup/],
      [[...base, "--backup", join(fresh, "none")], 3, /ENOENT/],
      [["restore", "--data-dir", fresh, "--seed-phrase", backup, "--backup", backup], 3, /not a seed phrase/],
      [["restore", "--data-dir", fresh, "--seed-phrase", join(fresh, "none"), "--backup", backup], 3, /ENOENT/],
    ];
    for (const [args, code, text] of cases) {
      const run = sluice(...args);
      expect([args, run.code]).toEqual([args, code]);
      expect(run.stderr).toMatch(text);
    }
    expect(existsSync(fresh)).toBe(false);
    // The one peer that answers is enough, and the other is named; with a file, the newer counts.
    const both = sluice(...base, "--from-peer", nobody, "--backup", backup, "--json");
    expect(both).toMatchObject({ code: 0, lines: [{ type: "unanswered" }, { type: "restored", from: "file" }] });
    expect(sluice(...base, "--backup", backup).stderr).toMatch(/holds a node already/);
    const help = spawnSync(process.execPath, [MAIN, "restore", "--help"], { encoding: "utf8" });
    expect(help.stdout).toMatch(/--from-peer <id@host:port>/);
  });

  it("does not start on older data beside a newer backup, or write over another node's", async () => {
    await lost();
    const before = readFileSync(backup);
    const start = (dataDir: string) =>
      sluice("start", "--data-dir", dataDir, "--chain", "embedded", "--backup", backup);
    const other = start(join(fresh, "..", "other"));
    expect(other).toMatchObject({ code: 3, stderr: expect.stringMatching(/of another seed phrase/) });
    sluice("restore", "--data-dir", fresh, "--backup", backup, "--seed-phrase", words);
    rmSync(join(fresh, "sluice.db"));
    const run = start(fresh);
    expect(run.code).toBe(3);
    expect(readFileSync(backup)).toEqual(before);
  });
});
