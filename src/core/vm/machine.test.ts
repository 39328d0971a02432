import { createPrivateKey, createPublicKey, sign } from "node:crypto";
import { describe, expect, it } from "vitest";
import { fromHex } from "../base/index.ts";
import {
  assemble,
  describeFailure,
  type Finished,
  ledgerProfile,
  listOf,
  plainValue,
  type RunInput,
  readContractResult,
  referenceProfile,
  run,
} from "./index.ts";

function bytes(source: string): Uint8Array {
  const assembled = assemble(source);
  if (!assembled.ok) throw new Error(assembled.error.problem);
  return assembled.value.code;
}

const GAS = { timeGas: 1_000_000, spaceGas: 10_000_000 };

function input(code: string, changes: Partial<RunInput> = {}): RunInput {
  return {
    evidence: new Uint8Array(0),
    code: bytes(code),
    version: 2,
    height: 700,
    ...GAS,
    variableLimit: 20,
    functionLimit: 10,
    profile: ledgerProfile,
    ...changes,
  };
}

function good(code: string, changes: Partial<RunInput> = {}): Finished {
  const outcome = run(input(code, changes));
  if (!outcome.ok) throw new Error(describeFailure(outcome.error));
  return outcome.value;
}

function failure(code: string, changes: Partial<RunInput> = {}) {
  const outcome = run(input(code, changes));
  return outcome.ok ? undefined : outcome.error;
}

function stackOf(code: string, changes: Partial<RunInput> = {}) {
  return good(code, changes).stack.map((value) => plainValue(value));
}

/** Makes 2^n bytes by doubling, on top of the stack. */
function doubled(n: number): string {
  return `int4 0 >r ${"r@ r> ++ >r ".repeat(n - 2)} r>`;
}

describe("run", () => {
  it("says of a failure what failed, where and why", () => {
    expect(failure("int 1 drop +")).toEqual({
      part: "code",
      position: 2,
      opcode: 50,
      reason: { type: "stack_underflow", needed: 2, found: 0 },
    });
    const within = failure("f call : f int 1 nil + ; ", { evidence: bytes(": f int 1 nil + ;") });
    expect(within).toMatchObject({ part: "evidence", position: 3, opcode: 50, reason: { type: "operand" } });
    expect(describeFailure(within ?? never())).toBe("evidence, byte 3, + (opcode 50): takes two ints");
    expect(failure("#ff")).toMatchObject({ opcode: 255, reason: { type: "undefined_opcode" } });
    expect(failure("int 1 if int 2")).toMatchObject({ position: 1, reason: { type: "unclosed_if" } });
    expect(failure("#6e")).toMatchObject({ position: 0, reason: { type: "unclosed_function" } });
    expect(failure("", { spaceGas: -1 })).toMatchObject({ opcode: undefined, reason: { type: "out_of_space" } });
  });

  it("takes its limit of gas from the ledger, to the last unit", () => {
    expect(good("int 1 int 2 +", { timeGas: 3, spaceGas: 5 })).toMatchObject({
      timeLeft: 0,
      spacePeak: 5,
      spaceUsed: 3,
    });
    expect(failure("int 1 int 2 +", { timeGas: 2 })).toMatchObject({ position: 2, reason: { type: "out_of_time" } });
    const space = { type: "out_of_space", limit: 4, actual: 5 };
    expect(failure("int 1 int 2 +", { spaceGas: 4 })).toMatchObject({ position: 1, reason: space });
  });

  it("gives the code what the evidence left, with the facts between", () => {
    const evidence = bytes("int 5 int 6 >r int 7 A ! : f int 9 ;");
    const facts = listOf([Uint8Array.of(1, 2), 3]);
    expect(stackOf("r> A @ f call : f int 9 ;", { evidence, facts })).toEqual([
      "00000009",
      "00000007",
      "00000006",
      ["0102", "00000003"],
      "00000005",
    ]);
    // What a variable's fetch costs: a unit of time, and in space the list and a place on the stack.
    const without = good("");
    const withFacts = good("", { facts });
    expect(without.timeLeft - withFacts.timeLeft).toBe(1);
    expect(withFacts.spaceUsed - without.spaceUsed).toBe(1 + 3 + 5 + 1);
  });

  it("refuses evidence that could end the run, wherever the opcode stands", () => {
    expect(failure("", { evidence: bytes("int 1 if : f return ; else then") })).toMatchObject({
      part: "evidence",
      reason: { type: "return_in_evidence" },
    });
    // As bytes of an immediate it is no opcode.
    expect(stackOf("", { evidence: bytes("int1 11") })).toEqual(["0000000b"]);
    expect(stackOf("int 2", { evidence: bytes("int 1 return int 3"), profile: referenceProfile })).toHaveLength(2);
  });

  it("knows the opcodes of older versions only", () => {
    for (const code of ["int1 1", "int2 1", "int0 1", "int4 1 int4 1 =2"]) {
      expect(failure(code, { version: 1 })).toMatchObject({ reason: { type: "later_version", needed: 2, actual: 1 } });
    }
    expect(failure("def ;", { version: 0 })).toMatchObject({ reason: { type: "later_version", needed: 1, actual: 0 } });
    expect(stackOf("def ;", { version: 1 })).toHaveLength(1);
  });
});

describe("caps of the ledger's profile", () => {
  it("[AP-13] holds so many values on each stack", () => {
    expect(good("int 1 ".repeat(1024)).stack).toHaveLength(1024);
    const reason = { type: "stack_limit", limit: 1024 };
    expect(failure("int 1 ".repeat(1025))).toMatchObject({ position: 1024, reason });
    expect(good("int 1 >r ".repeat(1024)).secondStack).toHaveLength(1024);
    expect(failure("int 1 >r ".repeat(1025))).toMatchObject({ position: 2049, reason });
  });

  it("[AP-13] holds one value to 64 KiB, however cheap its making is", () => {
    expect(good(`${doubled(16)} drop`).createdBytes).toBe(2 ** 17 - 64);
    expect(failure(`${doubled(17)}`)).toMatchObject({ reason: { type: "value_limit", limit: 65536, actual: 131072 } });
    expect(failure(doubled(24), { timeGas: 1000, spaceGas: 1000 })).toMatchObject({ reason: { type: "value_limit" } });
  });

  it("[AP-13] measures a list as if nothing of it were shared", () => {
    const tree = `nil >r ${"r@ r> cons >r ".repeat(20)}`;
    expect(failure(tree)).toMatchObject({ reason: { type: "value_limit", limit: 65536 } });
    expect(good(tree, { profile: referenceProfile }).secondStack).toHaveLength(1);
  });

  it("[AP-13] counts all that a run makes, and gives nothing back", () => {
    const cells = "nil int 1 nil cons drop ";
    expect(good("int 1 nil cons drop ".repeat(4096)).createdBytes).toBe(262_144);
    expect(failure("int 1 nil cons drop ".repeat(4097))).toMatchObject({
      reason: { type: "created_limit", limit: 262_144 },
    });
    expect(good(cells).createdBytes).toBe(64);
    const small = `binary 32 ${btoa("x".repeat(32))}`;
    expect(good(`${small} ${small}`).createdBytes).toBe(0);
    expect(good(`binary 33 ${btoa("x".repeat(33))}`).createdBytes).toBe(33);
    expect(good(`${small} ${small} ++ dup >r int 16 split`).createdBytes).toBe(64 + 48);
    const literal = `binary 60000 ${btoa("x".repeat(60_000))} drop `;
    expect(failure(literal.repeat(5))).toMatchObject({ reason: { type: "created_limit" } });
  });

  it("[AP-13] does not overflow on deep calls, deep lists or many open ifs", () => {
    const deep = ": down int 1 - dup if recurse call else then ; int 20000 down call";
    expect(stackOf(deep, { timeGas: 10_000_000 })).toEqual(["00000000"]);
    const nested = `nil ${"nil cons ".repeat(4000)}`;
    expect(stackOf(`${nested} >r nil ${"nil cons ".repeat(90)} r> =2`)).toEqual(["00000000"]);
    expect(stackOf(`${"int 1 if ".repeat(5000)} int 7 ${"else then ".repeat(5000)}`, { timeGas: 10 ** 9 })).toEqual([
      "00000007",
    ]);
    expect(failure("int 1 if ".repeat(20_000))).toMatchObject({ reason: { type: "unclosed_if" } });
  });

  it("compares lists that unfold to large trees by their cells", () => {
    const tree = `nil >r ${"r@ r> cons >r ".repeat(13)} r> `;
    expect(stackOf(`${tree} ${tree} =2`)).toEqual(["00000001"]);
    expect(stackOf(`${tree} int 1 nil cons ${tree} drop drop ${tree.replace("nil", "int 1 nil cons")} =2`)).toEqual([
      "00000000",
    ]);
  });
});

function never(): never {
  throw new Error("no failure");
}

describe("hashes and signatures", () => {
  const secret = createPrivateKey({
    key: Buffer.concat([fromHex("302e020100300506032b657004220420") ?? Buffer.alloc(0), Buffer.alloc(32, 9)]),
    format: "der",
    type: "pkcs8",
  });
  const account = createPublicKey(secret).export({ format: "der", type: "spki" }).subarray(-32);
  const data = Buffer.from("outcome 1");
  const binary = (content: Uint8Array) => `binary ${content.length} ${Buffer.from(content).toString("base64")}`;
  const check = (signature: Uint8Array, message: string, key: Uint8Array) =>
    `${binary(signature)} ${message} ${binary(key)} verify_sig`;

  it("takes the ledger's signatures: 64 bytes, and an account id of 32", () => {
    const signature = new Uint8Array(sign(null, data, secret));
    expect(stackOf(check(signature, binary(data), account))).toEqual(["00000001"]);
    expect(stackOf(check(signature.with(3, 1 ^ (signature[3] ?? 0)), binary(data), account))).toEqual(["00000000"]);
    expect(stackOf(check(signature, "int 7", account))).toEqual(["00000000"]);
    for (const bad of [
      check(signature.subarray(1), binary(data), account),
      check(signature, binary(data), account.subarray(1)),
      check(signature, "nil", account),
    ]) {
      expect(failure(bad)).toMatchObject({ opcode: 41, reason: { type: "operand" } });
    }
  });

  it("hashes binaries, and lists for the reference only", () => {
    expect(stackOf("int 5 hash")).toEqual(["221f8af2372a95064f2ef7d7712216a9ab46e7ef98482fd237e106f83eaa7569"]);
    expect(failure("nil hash")).toMatchObject({ opcode: 40, reason: { type: "operand", expected: "a binary" } });
    expect(stackOf("nil hash", { profile: referenceProfile })).toHaveLength(1);
  });
});

describe("caps of the reference profile", () => {
  it("[AP-13] count a list that is hashed with all that it unfolds to, so that hashing it again and again ends", () => {
    const tree = `nil >r ${"r@ r> cons >r ".repeat(12)}`;
    const size = 2 ** 13 - 1;
    const profile = { ...referenceProfile, limits: { ...referenceProfile.limits, createdBytes: 12 * 64 + 3 * size } };
    expect(good(tree + "r@ hash drop ".repeat(3), { profile }).createdBytes).toBe(12 * 64 + 3 * size);
    expect(failure(tree + "r@ hash drop ".repeat(4), { profile })).toMatchObject({
      opcode: 40,
      reason: { type: "created_limit" },
    });
  });
});

describe("readContractResult", () => {
  function resultOf(code: string) {
    return readContractResult(good(code).stack);
  }

  it("[AP-2] reads root, amount, nonce and delay from the top", () => {
    expect(resultOf("int 99 int 0 int 2 int 10000 nil")).toEqual({
      ok: true,
      value: { root: undefined, amount: 10_000, nonce: 2, delay: 0 },
    });
    expect(resultOf("int 0 int 1 int 0 int 3 hash")).toMatchObject({ ok: true, value: { root: { length: 32 } } });
    expect(resultOf("int4 4294967295 int4 4294967294 int 0 nil")).toMatchObject({
      value: { nonce: 4_294_967_294, delay: 4_294_967_295 },
    });
  });

  it.each([
    ["int 1 int 0 nil", "too_few_values"],
    ["int 0 int 2 int 10001 nil", "amount_above_granularity"],
    ["int 0 int 2 int4 4294967295 nil", "amount_above_granularity"],
    ["int 0 int 2 nil nil", "not_an_int"],
    ["int 0 binary 3 YWJj int 0 nil", "not_an_int"],
    ["int 0 int 2 int 5 int 5", "root_shape"],
    ["int 0 int 2 int 5 int 5 nil cons", "root_shape"],
  ])("refuses %s", (code, type) => {
    expect(resultOf(code)).toMatchObject({ ok: false, error: { type } });
  });
});

describe("the hashlock of seed 004", () => {
  const secret = new Uint8Array(32).fill(5);
  const hash = stackOf(`binary 32 ${btoa(String.fromCharCode(...secret))} hash`)[0] as string;
  const hash64 = Buffer.from(hash, "hex").toString("base64");
  const code = `
    stack_size int 0 == >r drop drop r>
    if int 50 int 1 int 0 nil return else then
    hash binary 32 ${hash64} =2
    if int 0 int 2 int 10000 nil else int 49 int 1 int 0 nil then`;

  it.each([
    ["", { root: undefined, amount: 0, nonce: 1, delay: 50 }],
    [`binary 32 ${btoa(String.fromCharCode(...secret))}`, { root: undefined, amount: 10_000, nonce: 2, delay: 0 }],
    ["int 7", { root: undefined, amount: 0, nonce: 1, delay: 49 }],
  ])("[AP-2] [AP-15] given %j, pays or says why not", (evidence, value) => {
    const limits = { timeGas: 1000, spaceGas: 1000 };
    expect(readContractResult(good(code, { evidence: bytes(evidence), ...limits }).stack)).toEqual({ ok: true, value });
  });
});
