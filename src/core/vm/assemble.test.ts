import { describe, expect, it } from "vitest";
import { toHex } from "../base/index.ts";
import { assemble, disassemble } from "./index.ts";

function hexOf(source: string): string | undefined {
  const assembled = assemble(source);
  return assembled.ok ? toHex(assembled.value.code) : undefined;
}

describe("assemble", () => {
  it.each([
    ["int 1 bogus\n  zed +", { line: 2, column: 3 }, '"zed" is no opcode'],
    ["int\n 1.5", { line: 2, column: 2 }, "1.5 is not a whole number"],
    ["int 4294967296", { line: 1, column: 5 }, "int takes 0 to 4294967295"],
    ["int0 36", { line: 1, column: 6 }, "int0 takes 0 to 35"],
    ["dup ( a comment", { line: 1, column: 5 }, "not closed with )"],
    ['dup\n." text', { line: 2, column: 1 }, "not closed with"],
    ['." "', { line: 1, column: 1 }, "a text can't be empty"],
    ["dup : f dup", { line: 1, column: 5 }, "the function is not closed with ;"],
    ["macro m dup", { line: 1, column: 1 }, "the macro is not closed with ;"],
    ["macro", { line: 1, column: 1 }, "macro takes a name"],
    ["macro m ; macro m ;", { line: 1, column: 17 }, "two macros m"],
    [": f dup ; : f drop ;", { line: 1, column: 13 }, "two functions f"],
    ["binary 3 YWI=", { line: 1, column: 8 }, "the binary has 2 bytes, not 3"],
    ["binary 2 YWI", { line: 1, column: 10 }, "not base64"],
    ["#123", { line: 1, column: 1 }, "an even number of hexadecimal digits"],
    ["macro m zed ; dup\nm", { line: 2, column: 1 }, '"zed" is no opcode'],
  ])("says where %j is wrong", (source, place, problem) => {
    expect(assemble(source)).toMatchObject({ ok: false, error: { place, problem: expect.stringContaining(problem) } });
  });

  it("does not let macros grow without end", () => {
    const doubling = Array.from({ length: 40 }, (_, i) => `macro m${i + 1} m${i} m${i} ;`);
    expect(assemble(`macro m0 dup ; ${doubling.join(" ")} m40`)).toMatchObject({
      error: { problem: "the macros make more than 65536 words" },
    });
  });

  it("refuses a text that is too long before it looks at it", () => {
    expect(assemble(" ".repeat((1 << 20) + 1))).toMatchObject({
      error: { problem: expect.stringContaining("characters") },
    });
  });

  it("warns of what is allowed and hardly meant", () => {
    const warnings = (source: string) => {
      const assembled = assemble(source);
      return assembled.ok ? assembled.value.warnings : undefined;
    };
    expect(warnings("int 1 dup")).toEqual([]);
    expect(warnings(": f g call ; : g dup ; f call")).toMatchObject([
      { place: { line: 1, column: 5 }, problem: expect.stringContaining("g is defined after f") },
    ]);
    expect(warnings("dup\r\ndrop")).toMatchObject([{ problem: expect.stringContaining("carriage return") }]);
    expect(warnings("int1 256")).toMatchObject([{ problem: "256 does not fit into 1 bytes and becomes 0" }]);
    expect(warnings(": f int1 256 ; f")).toHaveLength(1);
  });

  it("writes numbers that do not fit as the reference does: cut to their bytes", () => {
    expect(hexOf("int1 256 int2 -1 int4 4294967297")).toBe("030004ffff0000000001");
  });

  it("names variables and functions with their keys and hashes", () => {
    expect(assemble("int 3 X ! Y @ : f dup ; f")).toMatchObject({
      value: {
        variables: new Map([
          ["X", 1],
          ["Y", 2],
        ]),
        functions: new Map([["f", "2f0fd1e89b8de1d57292742ec380ea47066e307ad645f5bc3adad8a06ff58608"]]),
      },
    });
  });

  it("says where in the source each instruction stands, a macro's where it is used", () => {
    const assembled = assemble("macro m dup drop ;\n: f int 5 m ;\n f binary 3 YWJj");
    expect(assembled.ok && assembled.value.places).toEqual([
      { position: 0, place: { line: 2, column: 1 } },
      { position: 1, place: { line: 2, column: 5 } },
      { position: 2, place: { line: 2, column: 11 } },
      { position: 3, place: { line: 2, column: 11 } },
      { position: 4, place: { line: 2, column: 13 } },
      { position: 5, place: { line: 3, column: 2 } },
      { position: 42, place: { line: 3, column: 4 } },
    ]);
  });

  it("takes bytes as they are after #", () => {
    expect(hexOf("int 1 #FF00 dup")).toBe("8dff0015");
  });
});

describe("disassemble", () => {
  function textOf(hex: string): string[] {
    return disassemble(Uint8Array.from(Buffer.from(hex, "hex"))).map(
      ({ text, depth }) => `${"  ".repeat(depth)}${text}`,
    );
  }

  it("shows functions by name where the assembler knows them", () => {
    const source = ": f1 dup * ; : f2 f1 call ; int 3 f2 call";
    expect(textOf(hexOf(source) ?? "")).toEqual([
      ...[": f1", "  dup", "  *", ";"],
      ...[": f2", "  f1", "  call", ";"],
      ...["int 3", "f2", "call"],
    ]);
  });

  it("shows bytes where there is no word", () => {
    expect(textOf("0200000000ff6e0005")).toEqual(["#0200000000", "#ff", "#6e", "#0005"]);
    expect(textOf("00000000050301")).toEqual(["int4 5", "int1 1"]);
    expect(textOf("6f46148d")).toEqual(["#6f", "if", "  drop", "  int 1"]);
  });
});
