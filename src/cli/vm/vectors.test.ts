import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { BadVectorFile, checkVectors } from "./vectors.ts";

function read(name: string): {
  readonly format: string;
  readonly vectors: readonly { readonly name: string; readonly expected: unknown }[];
} {
  return JSON.parse(readFileSync(new URL(`../../../test/vectors/chalang/${name}`, import.meta.url), "utf8"));
}

function summary(file: unknown) {
  const verdicts = checkVectors(file);
  const count = (outcome: string) => verdicts.filter((verdict) => verdict.outcome === outcome).length;
  const others = verdicts.filter(({ outcome }) => outcome !== "passed");
  return { passed: count("passed"), failed: count("failed"), differs: count("differs"), others };
}

describe("vectors of the reference machine", () => {
  it("agrees with every run", () => {
    expect(summary(read("vectors-public.json"))).toEqual({ passed: 822, failed: 0, differs: 0, others: [] });
  });

  it("agrees with every assembly", () => {
    expect(summary(read("asm-public.json"))).toEqual({ passed: 115, failed: 0, differs: 0, others: [] });
  });

  it("compares values whole, however many and however deep", () => {
    const gas = { version: 2, height: 1, time_gas: 900, space_gas: 900, var_limit: 1, fun_limit: 1, scriptsig_hex: "" };
    const nested = [[[[[]]]]];
    const code = "84848284828482848215";
    const vector = { name: "x", ...gas, code_hex: code, expected: { stack: [nested, nested] } };
    expect(checkVectors({ format: "chalang-vectors/1", vectors: [vector] })).toMatchObject([{ outcome: "passed" }]);
  });

  it("notices what is not as expected, and allows it under hazard/", () => {
    const file = read("vectors-public.json");
    const good = file.vectors.find(({ name }) => name === "prog/fact-10");
    const changed = { ...good, expected: { ...Object(good?.expected), space_peak: 775 } };
    const failing = { ...good, expected: { kind: "error", why: "x" } };
    expect(checkVectors({ format: file.format, vectors: [good, changed, failing] })).toMatchObject([
      { outcome: "passed" },
      { outcome: "failed", detail: "space_peak: expected 775, got 774" },
      { outcome: "failed", detail: "expected a failed run (x), and it succeeded" },
    ]);
    const hazard = { ...changed, name: "hazard/other" };
    expect(checkVectors({ format: file.format, vectors: [hazard] })).toMatchObject([{ outcome: "differs" }]);
  });

  it.each([
    [[], "the file is not an object"],
    [{ format: "chalang-vectors/2" }, 'the format "chalang-vectors/2" is not one that is known'],
    [{ format: "chalang-vectors/1" }, "vectors is not a list"],
    [{ format: "chalang-vectors/1", vectors: [7] }, "vectors[0] is not an object"],
    [{ format: "chalang-asm-vectors/1", vectors: [{ name: "a", expected: {} }] }, "vectors[0].source is not a text"],
  ])("refuses %j", (file, message) => {
    expect(() => checkVectors(file)).toThrow(BadVectorFile);
    expect(() => checkVectors(file)).toThrow(message);
  });
});
