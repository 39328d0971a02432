// A contract's own tests. Run: node --test examples/contracts/door-code.test.mjs
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { assemble, binaryPush, describeFailure, ledgerProfile, readContractResult, run } from "sluice/contracts";

const read = (name) => readFileSync(new URL(name, import.meta.url), "utf8");
const text = (characters) => new TextEncoder().encode(characters);

/** Byte code of a source; its warnings are errors here. */
function codeOf(source) {
  const assembled = assemble(source);
  if (!assembled.ok) throw new Error(`${assembled.error.place.line}: ${assembled.error.problem}`);
  assert.deepEqual(assembled.value.warnings, []);
  return assembled.value.code;
}

const code = codeOf(read("door-code.fs"));
const shown = codeOf(read("door-code-shown.fs"));
const nothing = new Uint8Array(0);
const EXPIRY = 700;
const GAS = { timeGas: 200, spaceGas: 250 };

/** The result at a height, or why the run failed. The machine is as a ledger has it. */
function resultOf(evidence, height, gas = GAS) {
  const limits = { variableLimit: 256, functionLimit: 256, profile: ledgerProfile };
  const ran = run({ evidence, code, version: 2, height, ...gas, ...limits });
  if (!ran.ok) return describeFailure(ran.error);
  const result = readContractResult(ran.value.stack);
  return result.ok ? result.value : result.error.type;
}

const ALL = { root: undefined, amount: 10_000, nonce: 2, delay: 0 };
const tenth = (delay) => ({ root: undefined, amount: 1_000, nonce: 1, delay });

test("pays all for the code, below the expiry", () => {
  for (const height of [0, EXPIRY - 1]) assert.deepEqual(resultOf(shown, height), ALL);
  for (const height of [EXPIRY, EXPIRY + 1, 2 ** 32 - 1]) assert.deepEqual(resultOf(shown, height), tenth(0));
});

test("waits for the expiry where nothing is given", () => {
  for (const height of [0, EXPIRY - 1]) assert.deepEqual(resultOf(nothing, height), tenth(EXPIRY - height));
  assert.deepEqual(resultOf(nothing, EXPIRY), tenth(0));
});

test("fails on anything else", () => {
  for (const evidence of [
    binaryPush(text("that door code has 32 characters")),
    binaryPush(text("this door code has 32 characters and more")),
    codeOf("int 7"),
    codeOf("nil"),
    codeOf("int 0 int 2 int 10000 nil"),
  ]) {
    const result = resultOf(evidence, 1);
    assert.equal(typeof result, "string", JSON.stringify(result));
  }
});

test("pays for the code whatever else the evidence leaves behind", () => {
  const meddling = codeOf("int 9 >r int 9 int 1 ! : f nop ; int 3");
  assert.deepEqual(resultOf(new Uint8Array([...meddling, ...shown]), 1, { timeGas: 1_000, spaceGas: 1_000 }), ALL);
});

test("needs a tenth less than its gas", () => {
  const less = { timeGas: Math.floor(GAS.timeGas / 1.1), spaceGas: Math.floor(GAS.spaceGas / 1.1) };
  assert.deepEqual(resultOf(shown, 1, less), ALL);
});
