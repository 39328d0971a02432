import { describe, expect, it } from "vitest";
import { account, contractOf, resultOf } from "../../../../test/support/ready-made.ts";
import { asPaymentHash, fromHex, toHex } from "../../base/index.ts";
import { sha256 } from "../../crypto/index.ts";
import { assemble } from "../../vm/index.ts";
import { NO_ROOT } from "../leaf.ts";
import { readTerms, readyMade, sourceOf } from "./contracts.ts";
import { possibleEnds } from "./describe.ts";
import { gameRoot, newGame } from "./game.ts";
import { escrowSource, gameSource, hashlockExpirySource, hashlockSource, streamSource } from "./gen/sources.ts";
import { templateOf } from "./template.ts";
import type { Terms } from "./terms.ts";

const hash = (byte: number) => new Uint8Array(32).fill(byte);
const ALL: readonly Terms[] = [
  { type: "hashlock", paymentHash: asPaymentHash(hash(1)) },
  { type: "hashlock_with_expiry", paymentHash: asPaymentHash(hash(0xff)), expiry: 2 ** 32 - 1 },
  { type: "escrow", arbiter: hash(0), expiry: 0, otherwise: 10_000 },
  { type: "stream", payer: hash(0), payee: hash(1), expiry: 258 },
  { type: "game", one: hash(2), two: hash(3), firstDeadline: 1, moveTime: 70_000, rounds: 21, draw: 5_000 },
];

describe("ready-made contracts", () => {
  it.each(ALL)("$type: the code is that of its source, and says its terms", (terms) => {
    const {
      program: { code },
      leaf: { codeHash },
    } = contractOf(terms);
    const assembled = assemble(sourceOf(terms));
    expect(assembled.ok && toHex(assembled.value.code)).toBe(toHex(code));
    expect(assembled.ok && assembled.value.warnings).toEqual([]);
    expect(codeHash).toEqual(sha256(code));
    expect(readTerms(code)).toEqual(terms);
  });

  it.each(ALL)("$type: a code with one byte changed is not taken for it, or has other terms", (terms) => {
    const { code } = contractOf(terms).program;
    for (const at of code.keys()) {
      const read = readTerms(code.with(at, (code[at] ?? 0) ^ 0x80));
      expect(read).not.toEqual(terms);
    }
    expect(readTerms(code.subarray(1))).toBeUndefined();
    expect(readTerms(new Uint8Array(code.length))).toBeUndefined();
  });

  it.each(ALL)("$type: says how it can end", (terms) => {
    const ends = possibleEnds(terms);
    expect(ends.length).toBeGreaterThan(0);
    for (const { when, beneficiaryGets } of ends) expect(`${when}: ${beneficiaryGets}`).not.toMatch(/undefined|NaN/);
  });

  it("has codes that do not change: both parties of a contract have to know them", () => {
    const hashes = [hashlockSource, hashlockExpirySource, escrowSource, streamSource, gameSource].map((source) => {
      const assembled = assemble(source);
      return assembled.ok ? toHex(sha256(assembled.value.code)) : "";
    });
    expect(hashes).toEqual([
      "d121179344bd341e5f387fc52c9668d88ac1911fd2770f3c1d227cedae4c35c5",
      "7e4f940475b2abb5e366f008afb1f5c85ffbb8eff89ae03342a5c310b9f00f22",
      "195dc9661834ae04773310fb2f6b1cf7db420168b430098af83a4417d13b55a9",
      "78e42fb4285dadcc806a2a8520827949f755aee76ee5a40d7bde846e02c7e9e3",
      "763f0acbb3f2421721ce8988c3f428cd0d6aa4d10f6f9f0d85475e14174dcc32",
    ]);
  });

  it("says shares as people do", () => {
    const shares = [0, 1, 2_500, 10_000].map(
      (otherwise) => possibleEnds({ ...terms(2), otherwise })[1]?.beneficiaryGets,
    );
    expect(shares).toEqual(["nothing", "0.01 % of the stakes", "25 % of the stakes", "all stakes"]);
  });

  it("tells the code its id only where it asks for it, and begins a game with the root of its first state", () => {
    const facts = ALL.map((terms) => contractOf(terms)).map(
      ({ program, leaf }) => program.facts.length > 0 || leaf.root !== NO_ROOT,
    );
    expect(facts).toEqual([false, false, true, true, true]);
    const [, , , , game] = ALL;
    if (game?.type === "game") expect(contractOf(game).leaf.root).toEqual(gameRoot(newGame(game)));
  });

  it("has an end from which on a run without evidence is final, and not before", () => {
    for (const terms of ALL) {
      const contract = contractOf(terms);
      const { end } = contract;
      if (end === undefined) continue;
      expect(resultOf(contract, { height: end })).toMatchObject({ delay: 0 });
      if (end > 0) expect(resultOf(contract, { height: end - 1 })).toMatchObject({ delay: 1 });
    }
  });

  it.each<[string, Terms, object]>([
    [
      "a short hash",
      { type: "hashlock", paymentHash: hash(1).subarray(1) as never },
      { term: "paymentHash", actual: 31 },
    ],
    ["an expiry of 33 bits", { ...terms(1), expiry: 2 ** 32 }, { term: "expiry", most: 2 ** 32 - 1 }],
    ["an expiry that is no whole number", { ...terms(1), expiry: 0.5 }, { term: "expiry", actual: 0.5 }],
    ["more than all", { ...terms(2), otherwise: 10_001 }, { term: "otherwise", most: 10_000 }],
    ["a long arbiter", { ...terms(2), arbiter: new Uint8Array(33) }, { term: "arbiter", expected: 32 }],
    ["one account on both sides of a stream", { ...terms(3), payee: hash(0) }, { type: "same_account" }],
    ["one account on both sides of a game", { ...terms(4), two: hash(2) }, { type: "same_account" }],
    ["no round", { ...terms(4), rounds: 0 }, { term: "rounds", least: 1 }],
    ["more rounds than moves can be forced", { ...terms(4), rounds: 22 }, { term: "rounds", most: 21 }],
    ["no time for a move", { ...terms(4), moveTime: 0 }, { term: "moveTime", least: 1 }],
    ["an end of 33 bits", { ...terms(4), firstDeadline: 2 ** 32 - 1 }, { type: "end_out_of_range" }],
  ])("refuses %s", (_, bad, error) => {
    expect(readyMade(bad)).toMatchObject({ ok: false, error });
  });

  it("does not take a code for a contract whose terms are out of bounds", () => {
    const escrow = contractOf({ type: "escrow", arbiter: account(1).id, expiry: 7, otherwise: 10_000 });
    const withOtherwise = (hex: string) =>
      fromHex(toHex(escrow.program.code).replaceAll("00002710", hex)) ?? escrow.program.code;
    expect(readTerms(withOtherwise("00002711"))).toBeUndefined();
    expect(readTerms(withOtherwise("0000270f"))).toMatchObject({ otherwise: 9_999 });
  });
});

describe("templateOf", () => {
  it("finds a parameter wherever it stands, and refuses one that code is made of", () => {
    const source = "macro P int4 7 ;\nP P + drop";
    expect(templateOf(source, { P: 4 })).toEqual({
      base: fromHex("0000000000000000000032" + "14"),
      holes: new Map([["P", { width: 4, places: [1, 6] }]]),
    });
    expect(() => templateOf("macro P int4 7 ;\n: f P ; f call", { P: 4 })).toThrow("nothing else");
    expect(() => templateOf("macro P int4 7 ;\nint 1", { P: 4 })).toThrow("is in the code");
    expect(() => templateOf("P", { P: 4 })).toThrow("no line for the parameter");
  });
});

type Of<K extends Terms["type"]> = Extract<Terms, { readonly type: K }>;
function terms(index: 1): Of<"hashlock_with_expiry">;
function terms(index: 2): Of<"escrow">;
function terms(index: 3): Of<"stream">;
function terms(index: 4): Of<"game">;
function terms(index: number): Terms {
  const found = ALL[index];
  if (found === undefined) throw new Error("no such terms");
  return found;
}
