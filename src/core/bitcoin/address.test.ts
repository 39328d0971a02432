import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fromHex, toHex } from "../base/index.ts";
import { type AddressNetwork, addressToScript, scriptToAddress } from "./address.ts";
import { payToPublicKeyHash, payToScriptHash, witnessProgramScript } from "./script.ts";

function script(address: string, network: AddressNetwork): string {
  const result = addressToScript(address, network);
  return result.ok ? toHex(result.value) : result.error.reason;
}

// BIP 350, "Test vectors for v0-v16 native segregated witness addresses", which replaces the list of BIP 173.
const VALID: [string, AddressNetwork, string][] = [
  ["BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4", "main", "0014751e76e8199196d454941c45d1b3a323f1433bd6"],
  [
    "tb1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3q0sl5k7",
    "test",
    "00201863143c14c5166804bd19203356da136c985678cd4d27a1b8c6329604903262",
  ],
  [
    "bc1pw508d6qejxtdg4y5r3zarvary0c5xw7kw508d6qejxtdg4y5r3zarvary0c5xw7kt5nd6y",
    "main",
    "5128751e76e8199196d454941c45d1b3a323f1433bd6751e76e8199196d454941c45d1b3a323f1433bd6",
  ],
  ["BC1SW50QGDZ25J", "main", "6002751e"],
  ["bc1zw508d6qejxtdg4y5r3zarvaryvaxxpcs", "main", "5210751e76e8199196d454941c45d1b3a323"],
  [
    "tb1qqqqqp399et2xygdj5xreqhjjvcmzhxw4aywxecjdzew6hylgvsesrxh6hy",
    "signet",
    "0020000000c4a5cad46221b2a187905e5266362b99d5e91c6ce24d165dab93e86433",
  ],
  [
    "tb1pqqqqp399et2xygdj5xreqhjjvcmzhxw4aywxecjdzew6hylgvsesf3hn0c",
    "test",
    "5120000000c4a5cad46221b2a187905e5266362b99d5e91c6ce24d165dab93e86433",
  ],
  [
    "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
    "main",
    "512079be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
  ],
];
const INVALID: string[] = [
  "tc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq5zuyut",
  "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqh2y7hd",
  "tb1z0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqglt7rf",
  "BC1S0XLXVLHEMJA6C4DQV22UAPCTQUPFHLXM9H8Z3K2E72Q4K9HCZ7VQ54WELL",
  "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kemeawh",
  "tb1q0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq24jc47",
  "bc1p38j9r5y49hruaue7wxjce0updqjuyyx0kh56v8s25huc6995vvpql3jow4",
  "BC130XLXVLHEMJA6C4DQV22UAPCTQUPFHLXM9H8Z3K2E72Q4K9HCZ7VQ7ZWS8R",
  "bc1pw5dgrnzv",
  "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7v8n0nx0muaewav253zgeav",
  "BC1QR508D6QEJXTDG4Y5R3ZARVARYV98GJ9P",
  "tb1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq47Zagq",
  "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7v07qwwzcrf",
  "tb1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vpggkg4j",
  "bc1gmk9yu",
];

describe("addresses", () => {
  it.each(VALID)("reads and writes %s", (address, network, expected) => {
    expect(script(address, network)).toBe(expected);
    expect(scriptToAddress(fromHex(expected) ?? new Uint8Array(0), network)).toBe(address.toLowerCase());
  });

  it.each(INVALID)("refuses %s on every network", (address) => {
    for (const network of ["main", "test", "signet", "regtest"] as const) {
      expect(addressToScript(address, network)).toMatchObject({ ok: false, error: { type: "bad_address" } });
    }
  });

  it("reads and writes base58", () => {
    // The address of the block reward of block 0, and the first example of BIP 13.
    expect(script("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "main")).toBe(
      "76a91462e907b15cbf27d5425399ebf6f0fb50ebb88f1888ac",
    );
    expect(script("3P14159f73E4gFr7JterCCQh9QjiTjiZrG", "main")).toMatch(/^a914[0-9a-f]{40}87$/);
    expect(script("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb", "main")).toBe("malformed");
  });

  it("says that an address is another network's", () => {
    expect(script("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "regtest")).toBe("wrong_network");
    expect(script("tb1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3q0sl5k7", "regtest")).toBe("wrong_network");
  });

  it("are inverses on every network", () => {
    const hash = fc.uint8Array({ minLength: 20, maxLength: 20 });
    const arbitraryScript = fc.oneof(
      hash.map(payToPublicKeyHash),
      hash.map(payToScriptHash),
      hash.map((program) => witnessProgramScript({ version: 0, program })),
      fc
        .record({ version: fc.integer({ min: 1, max: 16 }), program: fc.uint8Array({ minLength: 2, maxLength: 40 }) })
        .map(witnessProgramScript),
    );
    fc.assert(
      fc.property(
        arbitraryScript,
        fc.constantFrom("main" as const, "test" as const, "regtest" as const),
        (bytes, network) => {
          expect(script(scriptToAddress(bytes, network) ?? "", network)).toBe(toHex(bytes));
        },
      ),
    );
  });

  it("never throw on what a user types", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ minLength: 1000, maxLength: 5000 })), (text) => {
        expect(addressToScript(text, "main").ok).toBe(false);
      }),
    );
  });

  it("don't exist for other scripts", () => {
    expect(scriptToAddress(Uint8Array.of(0x6a), "main")).toBeUndefined();
    expect(scriptToAddress(witnessProgramScript({ version: 0, program: new Uint8Array(21) }), "main")).toBeUndefined();
  });
});
