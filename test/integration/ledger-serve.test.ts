import { type ChildProcess, spawn } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { httpLedger } from "../../src/adapters/ledger-http/index.ts";
import { systemClock } from "../../src/adapters/system/index.ts";
import type { Ledger } from "../../src/ports/ledger.ts";
import { fill } from "../support/ledger-scene.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const MAIN = join(ROOT, ".cache/processes/src/cli/main.js");

let directory: string;
const children: ChildProcess[] = [];
const clients: Ledger[] = [];

// The command reads its version where the package is.
beforeAll(() => copyFileSync(join(ROOT, "package.json"), join(ROOT, ".cache/processes/package.json")));

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "sluice-serve-"));
});
afterEach(async () => {
  for (const client of clients.splice(0)) await client.close();
  for (const child of children.splice(0)) await ended(child, "SIGKILL");
  rmSync(directory, { recursive: true });
});

type Served = { readonly child: ChildProcess; readonly url: string; readonly lines: readonly { type: string }[] };

/** Starts `sluice ledger serve`, and resolves when it says where it listens. */
function serve(...more: readonly string[]): Promise<Served> {
  const child = spawn(process.execPath, [MAIN, "ledger", "serve", "--data-dir", directory, "--json", ...more]);
  children.push(child);
  const lines: { type: string }[] = [];
  let errors = "";
  child.stderr.on("data", (chunk: Buffer) => {
    errors += chunk.toString();
  });
  return new Promise((resolve, reject) => {
    child.on("exit", (code) => reject(new Error(`ended with ${code}: ${errors}`)));
    createInterface({ input: child.stdout }).on("line", (text) => {
      const line = JSON.parse(text) as { type: string; url: string };
      lines.push(line);
      if (line.type === "started") resolve({ child, url: line.url, lines });
    });
  });
}

function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve(child.exitCode);
  return new Promise((resolve) => {
    child.once("exit", (code) => resolve(code));
    child.kill(signal);
  });
}

function client({ url }: Served): Ledger {
  const ledger = httpLedger({ url, clock: systemClock(), requestTimeoutMs: 20_000 });
  clients.push(ledger);
  return ledger;
}

async function post({ url }: Served, path: string, body: object): Promise<void> {
  const headers = { "content-type": "application/json" };
  const answer = await fetch(new URL(path, url), { method: "POST", headers, body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(await answer.text());
}

const money = (served: Served, amount: string): Promise<void> =>
  post(served, "/v1/faucet", { account: Buffer.from(fill(8)).toString("hex"), amount });

it("keeps every block that it has told of, however it is killed", async () => {
  let expected = 0n;
  let height = 0;
  for (let kill = 0; kill < 4; kill++) {
    const served = await serve("--port", "0", "--mining", "--faucet");
    const ledger = client(served);
    expect(await ledger.tip()).toMatchObject({ height });
    expect((await ledger.account(fill(8))).balance).toBe(expected);
    for (const amount of [5n, 7n]) {
      await money(served, String(amount));
      await post(served, "/v1/blocks", { count: 1 });
      expected += amount;
      height += 1;
    }
    // Still waiting for a block: it may be lost.
    await money(served, "1000");
    await ended(served.child, "SIGKILL");
  }
  const served = await serve("--port", "0");
  expect((await client(served).account(fill(8))).balance).toBe(expected);
  expect(await ended(served.child, "SIGTERM")).toBe(0);
  expect(served.lines.at(-1)?.type).toBe("stopped");
});

it("is shared by several processes, makes blocks by itself, and lets no second one open its directory", async () => {
  const served = await serve("--port", "0", "--block-every", "0.05", "--faucet");
  const [one, other] = [client(served), client(served)];
  const seen = new Promise<void>((resolve) => {
    other.subscribe(() => {
      other.account(fill(8)).then(
        ({ balance }) => balance === 42n && resolve(),
        // The last hint's question may find the server ended.
        () => undefined,
      );
    });
  });
  await money(served, "42");
  await seen;
  expect((await one.account(fill(8))).balance).toBe(42n);
  expect(await one.describe()).toStrictEqual(await other.describe());
  await expect(serve("--port", "0")).rejects.toThrow(/ended with 3: .*in use by another process/s);
  await expect(post(served, "/v1/blocks", { count: 1 })).rejects.toThrow(/not found/i);
});
