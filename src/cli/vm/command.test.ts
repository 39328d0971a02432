import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { addVmCommand } from "./command.ts";

let folder: string;
let out: string;
let err: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sluice-vm-"));
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

/** Runs `sluice vm` with files of this content; resolves with the exit code. */
async function vmCommand(files: Readonly<Record<string, string>>, ...args: readonly string[]): Promise<number> {
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
  let code = -1;
  const program = new Command().exitOverride();
  addVmCommand(program, (exitCode) => {
    code = exitCode;
  });
  const paths = args.map((arg) => (arg in files ? join(folder, arg) : arg));
  await program.parseAsync(["vm", ...paths], { from: "user" });
  return code;
}

describe("sluice vm", () => {
  it("runs a contract on its evidence, for people and for programs", async () => {
    const files = { "c.fs": "dup + >r int 0 int 2 r> nil", "e.fs": "int 2500" };
    expect(await vmCommand(files, "run", "c.fs", "--input", "e.fs")).toBe(0);
    expect(out).toContain("as a contract's result: amount 5,000 of 10,000, nonce 2, delay 0, root none");
    out = "";
    expect(await vmCommand(files, "run", "c.fs", "--input", "e.fs", "--json")).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      type: "run",
      stack: [[], "00001388", "00000002", "00000000"],
      time_used: 8,
      contract_result: { amount: 5000, delay: 0 },
    });
  });

  it("says why a run failed, with exit code 1", async () => {
    expect(await vmCommand({ "c.hex": "8d 32\n" }, "run", "c.hex", "--json")).toBe(1);
    expect(err).toBe("the run failed: code, byte 1, + (opcode 50): the stack has 1 of the 2 values that are needed\n");
    expect(JSON.parse(out)).toMatchObject({
      type: "failed_run",
      position: 1,
      opcode: 50,
      reason: { type: "stack_underflow" },
    });
  });

  it("says where in the source a run failed, of the evidence too", async () => {
    const files = { "c.fs": "int 1\n  +", "e.fs": "\n drop" };
    expect(await vmCommand(files, "run", "c.fs")).toBe(1);
    expect(err).toBe(
      `the run failed: code, byte 1, + (opcode 50): the stack has 1 of the 2 values that are needed (${join(folder, "c.fs")}:2:3)\n`,
    );
    expect(await vmCommand(files, "trace", "c.fs", "--input", "e.fs", "--json")).toBe(1);
    expect(JSON.parse(out)).toMatchObject({ part: "evidence", place: `${join(folder, "e.fs")}:2:2` });
    err = "";
    expect(await vmCommand(files, "run", "c.fs", "--space-gas", "0")).toBe(1);
    expect(err).toBe("the run failed: evidence, before its first opcode: out of space gas: 2 used, 0 allowed\n");
  });

  it("says why what is left is no contract's result", async () => {
    const files = { "c.fs": "int 0 int 1 int 10001 nil" };
    expect(await vmCommand(files, "run", "c.fs")).toBe(0);
    expect(out).toContain("whose run would have failed: the amount is 10001, and at most 10000 is allowed\n");
    out = "";
    expect(await vmCommand(files, "run", "c.fs", "--json")).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      contract_result: null,
      no_contract_result: { type: "amount_above_granularity", actual: 10_001 },
    });
    out = "";
    expect(await vmCommand({ "c.fs": "int 7" }, "run", "c.fs")).toBe(0);
    expect(out).toContain("the stack has 1 of the 4 values");
  });

  it("puts facts on the stack, of which an empty one is the empty list", async () => {
    expect(await vmCommand({ "c.fs": "" }, "run", "c.fs", "--facts", ",00ff", "--json")).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ stack: [[[], "00ff"]] });
  });

  it("traces, and shows the gas of each place", async () => {
    const files = { "c.fs": ": f int 1 drop ; f call" };
    expect(await vmCommand(files, "trace", "c.fs")).toBe(0);
    expect(out.split("\n").map((line) => line.trimEnd())).toContain(
      "code         1    int 1                                1     99891      +1       116  1",
    );
    out = "";
    expect(await vmCommand(files, "trace", "c.fs", "--json", "--steps", "2")).toBe(0);
    expect(
      out
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line).type),
    ).toEqual(["step", "step", "run"]);
    out = "";
    expect(await vmCommand(files, "run", "c.fs", "--gas")).toBe(0);
    expect(out).toMatch(/all +6 +\d+ /);
  });

  it("assembles and disassembles, with places for errors", async () => {
    expect(await vmCommand({ "c.fs": "int 300 Amount !" }, "asm", "c.fs")).toBe(0);
    expect(out).toBe("04012c8d78\n");
    expect(err).toBe("variables: Amount (1)\n");
    out = "";
    expect(await vmCommand({ "c.hex": "04012c8d78" }, "disasm", "c.hex")).toBe(0);
    expect(out.split("\n").map((line) => line.split("%")[0]?.trim())).toEqual(["int 300", "int 1", "!", ""]);
    expect(await vmCommand({ "b.fs": "dup\n zap" }, "asm", "b.fs")).toBe(1);
    expect(err).toContain('b.fs:2:2: "zap" is no opcode');
  });

  it("says what a ready-made contract pays to whom, and of another code that it can't", async () => {
    const sources = new URL("../../core/contract-channel/ready-made/sources/", import.meta.url);
    const escrow = readFileSync(new URL("escrow.fs", sources), "utf8");
    expect(await vmCommand({ "c.fs": escrow }, "describe", "c.fs")).toBe(0);
    expect(out).toContain("a ready-made contract: escrow\n");
    expect(out).toMatch(/otherwise: +0\n/);
    expect(out).toContain("  nothing, if height 700000 is reached without that\n");
    out = "";
    expect(await vmCommand({ "c.fs": escrow }, "describe", "c.fs", "--json")).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      type: "ready_made",
      terms: { type: "escrow", expiry: 700_000 },
      time_gas: 1_000,
    });
    out = "";
    expect(await vmCommand({ "c.fs": "int 1" }, "describe", "c.fs", "--json")).toBe(1);
    expect(JSON.parse(out)).toMatchObject({ type: "error", code: "not_ready_made" });
  });

  it("checks vectors, and ends with how many passed and failed", async () => {
    const vector = { name: "a", source: "dup", expected: { kind: "ok", code_hex: "15" } };
    const file = (vectors: readonly unknown[]) => JSON.stringify({ format: "chalang-asm-vectors/1", vectors });
    expect(await vmCommand({ "v.json": file([vector]) }, "check", "v.json")).toBe(0);
    expect(out).toBe("1 passed, 0 failed\n");
    out = "";
    expect(await vmCommand({ "v.json": file([vector, { ...vector, source: "drop" }]) }, "check", "v.json")).toBe(1);
    expect(out).toBe("failed: a: expected 15, got 14\n1 passed, 1 failed\n");
    expect(await vmCommand({ "v.json": "{" }, "check", "v.json")).toBe(2);
  });

  it("ends with 3 where a file can't be read", async () => {
    expect(await vmCommand({}, "run", join(folder, "none.fs"))).toBe(3);
    expect(err).toContain("none.fs can't be read: ENOENT");
  });
});
