import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { stoppedNode } from "../../test/support/stopped-node.ts";
import { EXIT } from "./exit-code.ts";
import { addExplainCommand } from "./explain.ts";

let folder: string;
let out: string;
let err: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sluice-explain-"));
  [out, err] = ["", ""];
  vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    out += String(text);
    return true;
  });
  vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    err += String(text);
    return true;
  });
});

afterEach(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true, force: true });
});

async function explain(...args: readonly string[]): Promise<number> {
  let code = -1;
  const program = new Command().exitOverride();
  addExplainCommand(program, (exitCode) => {
    code = exitCode;
  });
  await program.parseAsync(["explain", "--data-dir", folder, ...args], { from: "user" });
  return code;
}

describe("sluice explain", () => {
  it("says what the channels of a stopped node wait for, as text", async () => {
    await stoppedNode(folder);
    expect(await explain()).toBe(EXIT.ok);
    expect(err).toBe("");
    expect(out).toMatch(/^Channel 7 with 0[23][0-9a-f]{64}, at block 120\n {2}open\n/);
    expect(out).toMatch(/ours 700,000\.000, the peer's 300,000\.000/);
    expect(out).toMatch(/What is stuck:\n.*\n.*the peer is away/);
  });

  it("says it as one line of JSON for each channel, priced by the rate that is given", async () => {
    await stoppedNode(folder);
    expect(await explain("7", "--json", "--fee-rate", "2000")).toBe(EXIT.ok);
    const cheap = JSON.parse(out);
    expect(cheap).toMatchObject({ channel: 7, stage: "open", height: 120, local_msat: "700000000" });
    expect(cheap.stuck.map(({ type }: { type: string }) => type)).toEqual(["catching_up", "peer_away"]);
    expect(cheap.force_close).toMatchObject({ to_self_from: 120 + 1 + 144 });
    out = "";
    await explain("--json", "--fee-rate", "40000");
    expect(out.trim().split("\n")).toHaveLength(1);
    expect(JSON.parse(out).force_close).not.toEqual(cheap.force_close);
  });

  it("tells no secret", async () => {
    await stoppedNode(folder);
    await explain();
    await explain("--json");
    const [first = "?"] = readFileSync(join(folder, "seed-phrase"), "utf8").split(" ");
    expect(out).not.toMatch(new RegExp(`\\b${first}\\b.*\\b${first}\\b`));
    expect(out).not.toMatch(/preimage"?: ?"[0-9a-f]{64}/);
  });

  it("fails where there is no such channel, no node, or no sense", async () => {
    expect(await explain()).toBe(EXIT.environment);
    expect(err).toMatch(/no node has used this directory/);
    await stoppedNode(folder);
    expect(await explain("3")).toBe(EXIT.failed);
    expect(err).toMatch(/There is no channel 3 that is not over\. Those that are: 7\./);
    await expect(explain("-1")).rejects.toMatchObject({ code: expect.stringMatching(/commander/) });
    await expect(explain("--fee-rate", "0")).rejects.toMatchObject({ code: "commander.invalidArgument" });
    expect(out).toBe("");
  });
});
