import { HDKey } from "@scure/bip32";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fromHex, toHex } from "../base/index.ts";
import { childKey, masterKey } from "./derived-key.ts";

const HARDENED = 0x80000000;

function derived(seed: Uint8Array, path: readonly number[]) {
  const { secret, chainCode } = path.reduce(childKey, masterKey(seed));
  return { secret: toHex(secret), chainCode: toHex(chainCode) };
}

describe("keys by BIP 32", () => {
  it("are those of its test vectors 1 and 3, whose key begins with a zero", () => {
    const one = fromHex("000102030405060708090a0b0c0d0e0f") ?? new Uint8Array();
    expect(derived(one, [])).toEqual({
      secret: "e8f32e723decf4051aefac8e2c93c9c5b214313817cdb01a1494b917c8436b35",
      chainCode: "873dff81c02f525623fd1fe5167eac3a55a049de3d314bb42ee227ffed37d508",
    });
    expect(derived(one, [HARDENED, 1, HARDENED + 2, 2, 1_000_000_000]).secret).toBe(
      "471b76e389e528d6de6d816857e012c5455051cad6660850e58372a6c3e6e7c8",
    );
    const three = fromHex(
      "4b381541583be4423346c643850da4b320e46a87ae3d2a4e6da11eba819cd4acba45d239319ac14f863b8d5ab5a0d0c64d2e8a1e7d1457df2e5a3c51c73235be",
    );
    expect(derived(three ?? new Uint8Array(), []).secret).toMatch(/^00ddb80b067e0d/);
  });

  it("are those of another implementation, for any seed and path", () => {
    const index = fc.oneof(fc.nat(0x7fffffff), fc.integer({ min: HARDENED, max: 0xffffffff }));
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 64, maxLength: 64 }), fc.array(index, { maxLength: 4 }), (bytes, path) => {
        const other = path.reduce((key, n) => key.deriveChild(n), HDKey.fromMasterSeed(bytes));
        const { privateKey, chainCode } = other;
        expect(derived(bytes, path)).toEqual({
          secret: toHex(privateKey ?? new Uint8Array()),
          chainCode: toHex(chainCode ?? new Uint8Array()),
        });
      }),
      { numRuns: 30 },
    );
  });
});
