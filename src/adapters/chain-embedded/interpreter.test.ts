import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { concatBytes } from "../../core/base/index.ts";
import { pushNumber, scriptNumber } from "../../core/bitcoin/index.ts";
import { runScript } from "./interpreter.ts";
import type { SpendContext } from "./machine.ts";
import { decodeScriptNumber, isMinimalPush, isPushOnly, OP, readOperation } from "./script.ts";
import type { ScriptError, ScriptRules } from "./script-error.ts";

const CONTEXT: SpendContext = {
  checkSignature: (signature) => signature.length > 9,
  checkLockTime: (required) => required <= 100,
  checkSequence: (required) => required <= 10,
};

type Run = { readonly error: ScriptError | undefined; readonly stack: number[][] };

function run(
  script: readonly number[],
  stack: readonly (readonly number[])[] = [],
  rules: ScriptRules = "policy",
): Run {
  const items = stack.map((item) => Uint8Array.from(item));
  const error = runScript(Uint8Array.from(script), items, rules, CONTEXT);
  return { error, stack: items.map((item) => [...item]) };
}

describe("runScript", () => {
  it("fails unknown, reserved and disabled opcodes, the last even where they don't run", () => {
    for (const opcode of [0x50, 0x62, 0x89, 0xb3 + 20, 0xff]) {
      expect(run([opcode]).error).toBe("bad_opcode");
      expect(run([0x00, OP.IF, opcode, OP.ENDIF, OP.ONE])).toEqual({ error: undefined, stack: [[1]] });
    }
    expect(run([0x00, OP.IF, 0x7e, OP.ENDIF]).error).toBe("disabled_opcode");
    expect(run([0x00, OP.IF, OP.VERIF, OP.ENDIF]).error).toBe("bad_opcode");
  });

  it("asks policy, not consensus, for minimal branches, numbers, pushes and no reserved NOP", () => {
    const cases: [number[], number[][], ScriptError][] = [
      [[OP.IF, OP.ENDIF], [[2]], "minimal_if"],
      [[OP.IF, OP.ENDIF], [[0]], "minimal_if"],
      [[0x01, 0x05], [], "minimal_data"],
      [[0x4c, 0x01, 0xaa], [], "minimal_data"],
      [[OP.ZERONOTEQUAL], [[1, 0]], "script_number"],
      [[OP.NOP1], [], "upgradable_nop"],
      [[OP.CHECKSIG], [[0x30, 6, 2, 1, 1, 2, 1, 1, 1], []], "public_key_type"],
    ];
    for (const [script, stack, error] of cases) {
      expect(run(script, stack).error).toBe(error);
      expect(run(script, stack, "consensus").error).toBeUndefined();
    }
  });

  it("fails numbers of more than four bytes by consensus, of more than five in locks", () => {
    expect(run([OP.ADD], [[1, 2, 3, 4, 5], [1]], "consensus").error).toBe("script_number");
    expect(run([OP.CHECKLOCKTIMEVERIFY], [[0, 0, 0, 0, 1]]).error).toBe("unsatisfied_locktime");
    expect(run([OP.CHECKLOCKTIMEVERIFY], [[0, 0, 0, 0, 0, 1]]).error).toBe("script_number");
    expect(run([OP.CHECKLOCKTIMEVERIFY], [[0x81]]).error).toBe("negative_locktime");
    expect(run([OP.CHECKSEQUENCEVERIFY], [[0, 0, 0, 0x80, 0]]).error).toBeUndefined();
    expect(run([OP.CHECKSEQUENCEVERIFY], [[11]]).error).toBe("unsatisfied_locktime");
  });

  it("bounds scripts, pushes, operations and stack", () => {
    expect(run(Array(10_001).fill(OP.NOP)).error).toBe("script_size");
    expect(run([OP.PUSHDATA2, 0x09, 0x02, ...Array(521).fill(0)]).error).toBe("push_size");
    expect(run(Array(201).fill(OP.NOP)).error).toBeUndefined();
    expect(run(Array(202).fill(OP.NOP)).error).toBe("operation_count");
    expect(run(Array(1000).fill(OP.ONE)).error).toBeUndefined();
    expect(run(Array(1001).fill(OP.ONE)).error).toBe("stack_size");
    expect(run([OP.ONE, OP.TOALTSTACK, ...Array(1000).fill(OP.ONE)]).error).toBe("stack_size");
  });

  it("wants balanced conditionals and whole pushes", () => {
    for (const script of [[OP.IF], [OP.ONE, OP.IF], [OP.ENDIF], [OP.ELSE], [OP.ONE, OP.IF, OP.ELSE]]) {
      expect(run(script).error).toBe("unbalanced_conditional");
    }
    for (const script of [[0x02, 1], [OP.PUSHDATA1], [OP.PUSHDATA4, 1, 0, 0]])
      expect(run(script).error).toBe("bad_opcode");
  });

  it("counts the keys of CHECKMULTISIG as operations", () => {
    const keys = [...pushNumber(0), ...Array(20).fill(OP.ONE), ...pushNumber(20)];
    const one = [0x00, ...keys, OP.CHECKMULTISIG, OP.DROP];
    const many = Array.from({ length: 9 }, () => one).flat();
    expect(run(many).error).toBeUndefined();
    expect(run([...many, ...one]).error).toBe("operation_count");
    expect(run([0x00, 0x00, 0x01, 21, OP.CHECKMULTISIG]).error).toBe("public_key_count");
    expect(run([OP.ONE, 0x00, 0x00, OP.CHECKMULTISIG]).error).toBe("signature_null_dummy");
  });

  it("never throws, whatever the script", () => {
    const bytes = fc.uint8Array({ maxLength: 60 });
    const rules = fc.constantFrom<ScriptRules>("policy", "consensus");
    fc.assert(
      fc.property(bytes, fc.array(fc.uint8Array({ maxLength: 6 }), { maxLength: 6 }), rules, (script, stack, which) => {
        runScript(script, stack, which, CONTEXT);
      }),
    );
  });
});

describe("script numbers and pushes", () => {
  it("decode to what was encoded, from the one minimal form", () => {
    fc.assert(
      fc.property(fc.integer({ min: -(2 ** 31) + 1, max: 2 ** 31 - 1 }), (value) => {
        const bytes = scriptNumber(value);
        expect(decodeScriptNumber(bytes, 4, true)).toBe(value);
        // One more byte is needed only where the top bit before it is in use.
        const longer = decodeScriptNumber(concatBytes(bytes, Uint8Array.of(0)), 5, true);
        expect(longer === undefined).toBe((bytes.at(-1) ?? 0) < 0x80);
      }),
    );
    expect(decodeScriptNumber(Uint8Array.of(0x80), 4, false)).toBe(-0);
    expect(decodeScriptNumber(Uint8Array.of(0xff, 0x80), 4, true)).toBe(-255);
  });

  it("are told minimal or not", () => {
    for (const value of [-1, 0, 1, 16, 17, 127, 128, 255, 70_000]) {
      const operation = readOperation(pushNumber(value), 0);
      if (operation?.data !== undefined) expect(isMinimalPush(operation.opcode, operation.data)).toBe(true);
    }
    expect(isMinimalPush(1, Uint8Array.of(16))).toBe(false);
    expect(isMinimalPush(1, Uint8Array.of(0x81))).toBe(false);
    expect(isMinimalPush(OP.PUSHDATA1, new Uint8Array(75))).toBe(false);
    expect(isMinimalPush(OP.PUSHDATA1, new Uint8Array(76))).toBe(true);
    expect(isMinimalPush(OP.PUSHDATA2, new Uint8Array(255))).toBe(false);
    expect(isMinimalPush(OP.PUSHDATA2, new Uint8Array(256))).toBe(true);
    expect(isPushOnly(Uint8Array.of(1, 7, OP.SIXTEEN))).toBe(true);
    expect(isPushOnly(Uint8Array.of(1, 7, OP.NOP))).toBe(false);
    expect(isPushOnly(Uint8Array.of(2, 7))).toBe(false);
  });
});
