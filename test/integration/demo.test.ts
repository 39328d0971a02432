// The compiled command as its users run it: real processes, their output and their exit codes.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findBitcoind } from "../support/bitcoind.ts";
import { COMMAND, compileCommand } from "../support/compiled-command.ts";

const { BITCOIND = "" } = process.env;
const bitcoind = BITCOIND === "" ? findBitcoind() : BITCOIND;

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "sluice-command-"));
  compileCommand();
});

const children = new Set<ChildProcess>();

afterAll(() => {
  // What a test that failed has left running.
  for (const child of children) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

type Ended = { readonly code: number | null; readonly stdout: string; readonly stderr: string };

/** Starts the command with temporary files in `folder`, and with no bitcoind to be found unless `env` names one. */
function start(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const child = spawn(process.execPath, [COMMAND, ...args], {
    env: { PATH: "/nowhere", HOME: folder, TMPDIR: folder, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  children.add(child);
  child.once("close", () => children.delete(child));
  const texts = { stdout: "", stderr: "" };
  child.stdout.on("data", (data: Buffer) => {
    texts.stdout += data.toString();
  });
  child.stderr.on("data", (data: Buffer) => {
    texts.stderr += data.toString();
  });
  const ended = once(child, "close").then(([code]): Ended => ({ code, ...texts }));
  /** Resolves with the first line of a stream that holds `text`; rejects where it ends without. */
  function untilLine(stream: "stdout" | "stderr", text: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const lines = createInterface({ input: child[stream] });
      lines.on("line", (line) => line.includes(text) && resolve(line));
      lines.on("close", () => reject(new Error(`no "${text}": ${JSON.stringify(texts)}`)));
    });
  }
  return { child, ended, untilLine };
}

const run = (args: readonly string[], env?: Readonly<Record<string, string>>): Promise<Ended> => start(args, env).ended;

function leftBehind(): string[] {
  return readdirSync(folder).filter((name) => name.startsWith("sluice-demo-"));
}

const STEPS = ["chain", "nodes", "fund", "connect", "open", "pay", "fail", "close", "check"];

function expectGoodReport({ code, stdout, stderr }: Ended, chain: string): void {
  expect(stderr).toContain("Everything adds up");
  expect(stdout).toMatch(/^\{.*\}\n$/);
  const report = JSON.parse(stdout);
  expect(Object.keys(report)).toEqual(["ok", "chain", "steps", "payments", "balances", "conserved"]);
  expect(report).toMatchObject({
    ok: true,
    chain,
    conserved: true,
    payments: { sent: 1001, settled: 1000, failed: 1 },
  });
  expect(report.steps.map(({ name }: { name: string }) => name)).toEqual(STEPS);
  for (const { ms } of report.steps) expect(ms).toBeGreaterThanOrEqual(0);
  const { faucet_sat, sum_sat, ...parts } = report.balances;
  expect(Object.keys(parts)).toEqual(["alice_sat", "bob_sat", "anchor_fee_sat", "close_fee_sat", "rounding_sat"]);
  const sum = Object.values<string>(parts).reduce((total, amount) => total + BigInt(amount), 0n);
  expect(sum).toBe(5_000_000n);
  expect([sum_sat, faucet_sat]).toEqual(["5000000", "5000000"]);
  expect(code).toBe(0);
  expect(leftBehind()).toEqual([]);
}

describe("sluice demo", () => {
  it("adds up on the embedded chain and leaves nothing behind", async () => {
    expectGoodReport(await run(["demo", "--json"]), "embedded");
  });

  it("runs twice at once", async () => {
    const both = await Promise.all([run(["demo", "--json"]), run(["demo", "--json"])]);
    for (const one of both) expectGoodReport({ ...one }, "embedded");
  });

  it.skipIf(bitcoind === undefined)("adds up on a real bitcoind", async () => {
    expectGoodReport(await run(["demo", "--json", "--chain", "bitcoind"], { BITCOIND: bitcoind ?? "" }), "bitcoind");
  });

  it("tells its steps in words, without colours where there is no terminal", async () => {
    const keep = join(folder, "kept");
    const { code, stdout, stderr } = await run(["demo", "--keep", keep]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    for (let step = 1; step <= STEPS.length; step++) expect(stdout).toContain(`\n[${step}/${STEPS.length}] `);
    expect(stdout).toContain(" 50 %  500 of 1,000, ");
    expect(stdout).not.toContain("\u001b");
    expect(stdout).not.toContain("\r");
    expect(readdirSync(keep).sort()).toEqual(["alice", "bob"]);
  });

  async function interruptAt(text: string, chain: string): Promise<void> {
    const demo = start(["demo", "--json", "--chain", chain], { BITCOIND: bitcoind ?? "" });
    await demo.untilLine("stderr", text);
    demo.child.kill("SIGINT");
    const { code, stdout, stderr } = await demo.ended;
    expect(JSON.parse(stdout)).toMatchObject({ ok: false, conserved: false, error: { code: "interrupted" } });
    expect(stderr).toContain("Interrupted by Ctrl-C. Everything was stopped and removed.");
    expect(code).toBe(130);
    expect(leftBehind()).toEqual([]);
  }

  it.each(["[1/9]", "[2/9]", " 30 %", "[8/9]"])("ends in good order when it is interrupted at %j", (text) =>
    interruptAt(text, "embedded"),
  );

  it.skipIf(bitcoind === undefined).each(["[1/9]", "[5/9]"])(
    "ends in good order, bitcoind included, when it is interrupted at %j",
    (text) => interruptAt(text, "bitcoind"),
  );

  it("says how to name a bitcoind where there is none", async () => {
    const { code, stdout, stderr } = await run(["demo", "--json", "--chain", "bitcoind"]);
    expect(code).toBe(3);
    expect(stderr).toContain("BITCOIND=/path/to/bitcoind");
    expect(JSON.parse(stdout)).toMatchObject({ ok: false, error: { step: "chain", code: "no_bitcoind" } });
  });

  it("says what a program in bitcoind's place did wrong", async () => {
    const fake = join(folder, "fake-bitcoind");
    writeFileSync(fake, "#!/bin/sh\necho out of order\nexit 7\n", { mode: 0o755 });
    const { code, stderr } = await run(["demo", "--chain", "bitcoind"], { BITCOIND: fake });
    expect(code).toBe(3);
    expect(stderr).toContain(`${fake} ended with 7 while it was starting. It said:\n  out of order`);
    expect(leftBehind()).toEqual([]);
  });

  it("names the folder that it can't use", async () => {
    const missing = await run(["demo"], { TMPDIR: join(folder, "missing") });
    expect(missing.code).toBe(3);
    expect(missing.stderr).toContain("Set the variable TMPDIR");
    const full = await run(["demo", "--keep", folder]);
    expect(full.code).toBe(3);
    expect(full.stderr).toContain(`${folder} is not empty`);
  });
});

describe.concurrent("sluice", () => {
  it.each([
    [[]],
    [["nonsense"]],
    [["demo", "--chian", "bitcoind"]],
    [["demo", "--chain", "lightning"]],
    [["demo", "extra"]],
    [["start"]],
    [["start", "--data-dir", "x", "--listen", "9745"]],
    [["start", "--data-dir", "x", "--rpc-user", "u"]],
    [["start", "--data-dir", "x", "--rpc-user", "u", "--rpc-cookie", "c"]],
    [["start", "--data-dir", "x", "--chain", "embedded", "--rpc-url", "http://127.0.0.1:1"]],
    [["chain", "serve", "--port", "70000"]],
  ])("ends with 2 for %j", async (args) => {
    const { code, stdout, stderr } = await run(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).not.toBe("");
  });

  it.each([[["--help"]], [["demo", "--help"]], [["start", "--help"]], [["chain", "serve", "--help"]]])(
    "has examples and exit codes in the help of %j",
    async (args) => {
      const { code, stdout } = await run(args);
      expect(code).toBe(0);
      expect(stdout).toMatch(/Examples:\n {2}sluice /);
      expect(stdout).toContain("Exit codes:");
      if (args.length > 1) expect(stdout).toContain("--json");
    },
  );
});

describe("sluice start", () => {
  const embedded = (name: string): string[] => [
    ...["start", "--json", "--chain", "embedded", "--listen", "127.0.0.1:0"],
    ...["--data-dir", join(folder, name)],
  ];

  it("runs until it is told to end, and locks its directory meanwhile", async () => {
    const first = start(embedded("locked"));
    const line = JSON.parse(await first.untilLine("stdout", "started"));
    expect(line.node_id).toMatch(/^0[23][0-9a-f]{64}$/);
    expect(line.address).toMatch(/^127\.0\.0\.1:\d+$/);
    const second = await run(embedded("locked"));
    expect(second.code).toBe(3);
    expect(second.stderr).toContain(`in use by process ${first.child.pid}`);
    expect(JSON.parse(second.stdout)).toMatchObject({ type: "error", code: "store_locked" });
    first.child.kill("SIGTERM");
    const { code, stdout, stderr } = await first.ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "")).toMatchObject({ type: "stopped" });
    const third = start(embedded("locked"));
    expect(JSON.parse(await third.untilLine("stdout", "started")).node_id).toBe(line.node_id);
    third.child.kill("SIGINT");
    expect((await third.ended).code).toBe(0);
  });

  /** A directory that a node has used. */
  async function used(name: string): Promise<string> {
    const node = start(embedded(name));
    await node.untilLine("stdout", "started");
    node.child.kill("SIGTERM");
    expect((await node.ended).code).toBe(0);
    return join(folder, name);
  }

  it("refuses a damaged store", async () => {
    writeFileSync(join(await used("damaged"), "sluice.db"), "no database at all".repeat(1000));
    const { code, stdout, stderr } = await run(embedded("damaged"));
    expect(code).toBe(3);
    expect(stderr).toContain("sluice.db is damaged");
    expect(JSON.parse(stdout)).toMatchObject({ type: "error", code: "store_corrupt" });
  });

  it.each(["seed-phrase", "sluice.db"])("refuses a directory that has lost its %s", async (file) => {
    const lost = join(await used(`without-${file}`), file);
    rmSync(lost);
    const { code, stdout, stderr } = await run(embedded(`without-${file}`));
    expect(code).toBe(3);
    expect(stderr).toContain(lost);
    expect(JSON.parse(stdout)).toMatchObject({ type: "error", code: "data_directory" });
    expect(existsSync(lost)).toBe(false);
  });

  it("says that bitcoind is absent, and makes no directory for nothing", async () => {
    const args = ["start", "--data-dir", join(folder, "absent"), "--rpc-user", "u", "--rpc-url", "http://127.0.0.1:1"];
    const unreachable = await run(args, { SLUICE_RPC_PASSWORD: "secret" });
    expect(unreachable.code).toBe(3);
    expect(unreachable.stderr).toContain("cannot reach http://127.0.0.1:1/: ECONNREFUSED. Start bitcoind");
    const noCookie = await run(["start", "--data-dir", join(folder, "absent")]);
    expect(noCookie.code).toBe(3);
    expect(noCookie.stderr).toContain(".cookie: the node is not running");
    expect(existsSync(join(folder, "absent"))).toBe(false);
  });
});

describe("sluice chain serve", () => {
  it("serves a chain to nodes that know its password and network", async () => {
    const server = start(["chain", "serve", "--port", "0", "--json"]);
    const { url, user, password } = JSON.parse(await server.untilLine("stdout", "started"));
    const args = ["start", "--json", "--listen", "127.0.0.1:0", "--rpc-url", url, "--rpc-user", user];
    const data = ["--data-dir", join(folder, "on-served-chain")];

    const wrong = await run([...args, ...data], { SLUICE_RPC_PASSWORD: "guess" });
    expect(wrong.code).toBe(3);
    expect(wrong.stderr).toContain("does not accept the credentials");
    expect(wrong.stderr).not.toContain("guess");
    const other = await run([...args, ...data, "--network", "signet"], { SLUICE_RPC_PASSWORD: password });
    expect(other.code).toBe(3);
    expect(other.stderr).toContain("the node is on regtest, we are on signet");

    const node = start([...args, ...data], { SLUICE_RPC_PASSWORD: password });
    await node.untilLine("stdout", "started");
    const mined = node.untilLine("stdout", '"type":"block"');
    const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
    const body = JSON.stringify({ method: "generatetoscript", params: [1, "0014".padEnd(44, "0")] });
    const answer = await fetch(url, { method: "POST", headers: { authorization }, body });
    expect(answer.status).toBe(200);
    expect(JSON.parse(await mined)).toMatchObject({ type: "block", height: 1 });
    node.child.kill("SIGTERM");
    expect((await node.ended).code).toBe(0);
    server.child.kill("SIGINT");
    expect((await server.ended).code).toBe(0);
  });
});
