// Contracts run in one place, and what a run comes to is said by a flag.
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { asChannelId } from "../../src/core/base/index.ts";
import { type ContractLeaf, factsHash, NO_ROOT, runContract, units } from "../../src/core/contract-channel/index.ts";
import { sha256 } from "../../src/core/crypto/index.ts";
import { randomNumbers } from "../../src/testing/index.ts";
import { anyProgram } from "../support/chalang-programs.ts";
import { program } from "../support/ready-made.ts";

const SOURCES = new URL("../../src/", import.meta.url);
const bytes = (byte: number) => new Uint8Array(32).fill(byte);

function runOf(code: Uint8Array, evidence: Uint8Array, gas = 1_000) {
  const leaf: ContractLeaf = {
    ...{ id: bytes(1), codeHash: sha256(code), key: bytes(0), root: NO_ROOT, prove: factsHash([]) },
    stakes: { initiator: units(100), responder: units(0) },
    beneficiary: "responder",
    ...{ timeGas: gas, spaceGas: gas },
  };
  return runContract({ channelId: asChannelId(bytes(2)), leaf, program: { code, facts: [] }, evidence, height: 700 });
}

describe("the run of a contract", () => {
  it("[AP-11] is made in one place: nothing else in the sources runs the machine, but the command that tries programs out", () => {
    const files = readdirSync(SOURCES, { recursive: true, encoding: "utf8" }).map((name) => name.replaceAll("\\", "/"));
    const running = files.filter((name) => {
      if (!name.endsWith(".ts") || name.endsWith(".test.ts") || name.startsWith("core/vm/")) return false;
      const imports = readFileSync(new URL(name, SOURCES), "utf8").matchAll(
        /import \{([^}]*)\} from "[^"]*vm\/index\.ts"/g,
      );
      const names = [...imports].flatMap(([, list]) => (list ?? "").split(",").map((one) => one.trim().split(" ")[0]));
      return names.some((one) => one === "run" || one === "trace" || one === "gasReport");
    });
    expect(running.sort()).toEqual(["cli/vm/command.ts", "cli/vm/vectors.ts", "core/contract-channel/contract-run.ts"]);
  });

  it("[AP-11] says by a flag whether it succeeded, whatever the delay is", () => {
    for (const delay of [0, 1, 49, 50, 51, 2 ** 32 - 1]) {
      const result = runOf(program(`int4 ${delay} int 1 int 0 nil`), new Uint8Array(0));
      expect(result).toEqual({ ok: true, value: { root: undefined, amount: 0, nonce: 1, delay } });
    }
    expect(runOf(program("int 50 int 1 int 10001 nil"), new Uint8Array(0))).toMatchObject({ ok: false });
  });

  it("[AP-11] [AP-13] returns an error for everything that is wrong, and throws nothing", () => {
    const kinds = new Set<string>();
    for (let seed = 0; seed < 1_500; seed++) {
      const random = randomNumbers(seed);
      const result = runOf(anyProgram(random, 20), anyProgram(random, 5), 1 + random(1_000));
      kinds.add(result.ok ? "ok" : result.error.type === "machine" ? result.error.failure.reason.type : "no_result");
    }
    for (const kind of ["no_result", "out_of_time", "out_of_space", "stack_underflow", "operand", "return_in_evidence"])
      expect(kinds).toContain(kind);
  });
});
