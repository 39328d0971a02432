// What a supervisor sees of a node that can't write any more: a message, an exit code, and a restart that goes on. Decision 0006.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { embeddedSharedChain, type SharedChain } from "../processes/two-processes.ts";
import { COMMAND, compileCommand } from "../support/compiled-command.ts";

/** Kilobytes that a file of the node may have: a few dozen commits. */
const LIMIT_KB = 600;

describe("sluice start on a disk that takes no more", () => {
  let folder: string;
  let chain: SharedChain;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "sluice-halt-"));
    compileCommand();
    chain = await embeddedSharedChain();
  });
  afterAll(async () => {
    await chain.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** The command in a shell that lets its files grow no further; resolves with its last words, once it has ended. */
  async function run(limitKb: number | "unlimited", news: (line: string, stop: () => void) => void) {
    const auth = chain.access.auth;
    if (auth.type !== "password") throw new Error("the embedded chain has a password");
    const args = [
      "start",
      "--data-dir",
      join(folder, "data"),
      "--listen",
      "127.0.0.1:0",
      "--rpc-url",
      chain.access.url,
    ];
    const command = [
      "-c",
      `ulimit -f ${limitKb}; exec "$0" "$@"`,
      process.execPath,
      COMMAND,
      ...args,
      "--rpc-user",
      auth.user,
    ];
    const child = spawn("bash", command, {
      env: { ...process.env, HOME: folder, SLUICE_RPC_PASSWORD: auth.password },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let stderr = "";
    child.stderr.on("data", (data: Buffer) => {
      stderr += data.toString();
    });
    createInterface({ input: child.stdout }).on("line", (line) => news(line, () => child.kill("SIGTERM")));
    const [code] = await once(child, "close");
    return { code, stderr };
  }

  it("[LW-5] ends with a message and exit code 3, and goes on where it stood once there is room", async () => {
    let reached = 0;
    const mine = (line: string): void => {
      const height = /^.*block (\d+)$/.exec(line)?.[1];
      if (height !== undefined) reached = Number(height);
      if (height !== undefined || line.includes("listens at")) void chain.mine(1);
    };
    const halted = await run(LIMIT_KB, mine);
    expect(halted.code).toBe(3);
    expect(halted.stderr).toContain("The node stopped by itself: ");
    expect(halted.stderr).toContain(join(folder, "data"));
    expect(reached).toBeGreaterThan(110);
    const heights: number[] = [];
    const ended = await run("unlimited", (line, stop) => {
      const height = /^.*block (\d+)$/.exec(line)?.[1];
      if (height !== undefined) heights.push(Number(height));
      if (line.includes("listens at")) stop();
    });
    expect(ended.code).toBe(0);
    // The first block that was not written, and no other before it.
    expect(heights[0]).toBe(reached + 1);
  });
});
