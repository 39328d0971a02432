import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { Corpus } from "../fuzz/corpus.ts";
import { DECODERS, NO_DECODERS } from "../fuzz/decoders.ts";
import { TARGETS } from "../fuzz/targets/index.ts";

const SOURCE = fileURLToPath(new URL("../../src", import.meta.url));
const corpus = new Corpus(fileURLToPath(new URL("../fuzz/corpus", import.meta.url)));

/** Names under which this project's functions read bytes, text or rows. */
const NAMED_AS_DECODER =
  /^(?:decode|parse|read|open|load|from|assemble|disassemble)(?:[A-Z]\w*)?$|Decode$|^[a-z]+From[A-Z]\w*$|^readerOf$/;

/** File under src/ and name of every function that others can import. */
function exportedFunctions(): string[] {
  const files = readdirSync(SOURCE, { recursive: true, encoding: "utf8" });
  return files
    .filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts") && !file.includes("/gen/"))
    .flatMap((file) =>
      [...readFileSync(join(SOURCE, file), "utf8").matchAll(/^export (?:async )?function\*? (\w+)/gm)].map(
        ([, name]) => `${file} ${name}`,
      ),
    );
}

afterAll(async () => {
  for (const target of TARGETS) await target.close?.();
});

describe("every decoder", () => {
  const exported = exportedFunctions();
  const known = [...Object.values(DECODERS).flat(), ...Object.keys(NO_DECODERS)];

  it("is fuzzed, or said to be none", () => {
    const decoders = exported.filter((one) => NAMED_AS_DECODER.test(one.split(" ")[1] ?? ""));
    expect(decoders.filter((one) => !known.includes(one))).toEqual([]);
  });

  it("that the table names exists, and so does its target", () => {
    expect(known.filter((one) => !exported.includes(one))).toEqual([]);
    expect(Object.keys(DECODERS).sort()).toEqual(TARGETS.map(({ name }) => name).sort());
    expect(corpus.names().filter((name) => !(name in DECODERS))).toEqual([]);
  });
});

describe("every input that is kept, and every one that once broke something", () => {
  it.each(TARGETS.map((target) => ({ name: target.name, target })))(
    "$name",
    async ({ name, target }) => {
      const inputs = [...(await target.seeds()), ...corpus.inputs(name), ...corpus.crashes(name)];
      expect(inputs.length).toBeGreaterThan(0);
      for (const input of inputs) {
        try {
          await target.run(input);
        } catch (cause) {
          throw new Error(`broken by ${Buffer.from(input).toString("base64")}`, { cause });
        }
      }
    },
    60_000,
  );
});
