import { describe, expect, it } from "vitest";
import { asChannelId, concatBytes, InvariantBroken } from "../base/index.ts";
import { sha256 } from "../crypto/index.ts";
import { assemble } from "../vm/index.ts";
import { type ContractLeaf, factsHash, isProgramOf, NO_FACTS, NO_ROOT, runContract, shares, units } from "./index.ts";

const fill = (value: number): Uint8Array => new Uint8Array(32).fill(value);
const CHANNEL = asChannelId(fill(8));
const SECRET = fill(42);

function program(text: string): Uint8Array {
  const assembled = assemble(text);
  if (!assembled.ok) throw new InvariantBroken(JSON.stringify(assembled.error));
  return assembled.value.code;
}

function leafOf(code: Uint8Array, more: Partial<ContractLeaf> = {}): ContractLeaf {
  return {
    id: fill(1),
    codeHash: sha256(code),
    key: fill(0),
    root: NO_ROOT,
    stakes: { initiator: units(100), responder: units(1) },
    beneficiary: "responder",
    timeGas: 1000,
    spaceGas: 1000,
    prove: NO_FACTS,
    ...more,
  };
}

function runOf(code: string, evidence = "", more: Partial<ContractLeaf> = {}, facts: readonly Uint8Array[] = []) {
  const bytes = program(code);
  const leaf = leafOf(bytes, { ...more, prove: factsHash(facts) });
  const contract = { code: bytes, facts };
  expect(isProgramOf(leaf, contract)).toBe(true);
  return runContract({ channelId: CHANNEL, leaf, program: contract, evidence: program(evidence), height: 77 });
}

describe("a contract's run", () => {
  it("[AP-15] lets the evidence, a program itself, push the secret", () => {
    const evidence = `binary 32 ${Buffer.from(SECRET).toString("base64")}`;
    const hashlock = `hash binary 32 ${Buffer.from(sha256(SECRET)).toString("base64")} == if drop drop int 0 int 2 int 10000 nil else drop drop int 49 int 1 int 0 nil then`;
    expect(runOf(hashlock, evidence)).toStrictEqual({
      ok: true,
      value: { root: undefined, amount: 10_000, nonce: 2, delay: 0 },
    });
    expect(runOf(hashlock, "binary 3 YWJj")).toMatchObject({ ok: true, value: { amount: 0, nonce: 1, delay: 49 } });
  });

  it("gives the code an empty stack where it has no root and no facts", () => {
    expect(runOf("int 0 int 1 stack_size nil")).toMatchObject({ ok: true, value: { amount: 2 } });
  });

  it("gives the code its root, ids and facts where it has a root or facts", () => {
    // root' = SHA-256(root ++ id ++ channel ++ fact)
    const seal = "car car car car drop ++ ++ ++ hash";
    const withRoot = runOf(`${seal} int 0 swap int 1 swap int 5 swap`, "", { root: fill(3) }, [Uint8Array.of(1, 2, 3)]);
    // `car` leaves the head under the tail, so that ++ joins fact first.
    const joined = sha256(concatBytes(fill(3), fill(1), CHANNEL, Uint8Array.of(1, 2, 3)));
    expect(withRoot).toMatchObject({ ok: true, value: { root: joined } });
    const bare = runOf("car drop is_list int 0 swap int 1 swap nil", "", {}, [Uint8Array.of(9)]);
    expect(bare).toMatchObject({ ok: true, value: { amount: 1 } });
  });

  it("tells the height of the block that it is in", () => {
    expect(runOf("int 0 int 1 height nil")).toMatchObject({ ok: true, value: { amount: 77 } });
  });

  it("[AP-13] fails cleanly out of gas, of time or space", () => {
    expect(runOf("int 0 int 1 int 5 nil", "", { timeGas: 3 })).toMatchObject({
      ok: false,
      error: { type: "machine", failure: { reason: { type: "out_of_time" } } },
    });
    expect(runOf("int 0 int 1 int 5 nil", "", { spaceGas: 3 })).toMatchObject({
      ok: false,
      error: { type: "machine", failure: { reason: { type: "out_of_space" } } },
    });
  });

  it("fails on any other shape, and on an amount above 10,000", () => {
    expect(runOf("int 0 int 1 int 10001 nil")).toMatchObject({ ok: false, error: { type: "no_result" } });
    expect(runOf("int 0 int 1")).toMatchObject({ ok: false, error: { type: "no_result" } });
  });

  it("is not for another program", () => {
    const code = program("nop");
    const leaf = leafOf(code);
    expect(isProgramOf(leaf, { code, facts: [] })).toBe(true);
    expect(isProgramOf(leaf, { code: program("nop nop"), facts: [] })).toBe(false);
    expect(isProgramOf(leaf, { code, facts: [Uint8Array.of(1)] })).toBe(false);
  });

  it("divides the stakes to the unit, rounding the beneficiary's share down", () => {
    const leaf = leafOf(new Uint8Array(0));
    expect(shares(leaf, 10_000)).toStrictEqual({ initiator: 0n, responder: 101n });
    expect(shares(leaf, 0)).toStrictEqual({ initiator: 101n, responder: 0n });
    expect(shares(leaf, 3333)).toStrictEqual({ initiator: 68n, responder: 33n });
    expect(shares({ ...leaf, beneficiary: "initiator" }, 3333)).toStrictEqual({ initiator: 33n, responder: 68n });
  });
});
