import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InvariantBroken, toHex } from "../base/index.ts";
import { seedFromPhrase, seedPhrase } from "./seed-phrase.ts";

/** BIP 39's vectors (the reference implementation's vectors.json), passphrase "TREZOR". */
const ABANDON = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about";
const ABANDON_SEED =
  "c55257c360c07c72029aebc1b53c05ed0362ada38ead3e3e9efa3708e53495531f09a6987599d18264c1e1c92f2cf141630c7a3c4ab7c81b2f001698e7463b04";
const ZOO = `${"zoo ".repeat(23)}vote`;
const ZOO_SEED =
  "dd48c104698c30cfe2b6142103248622fb7bb0ff692eebb00089b32d22484e1613912f0a5b694407be899ffd31ed3992c456cdf60f5d4564b8ba3f05a69890ad";

describe("seed phrase", () => {
  it("passes BIP 39's vectors", () => {
    expect(seedPhrase(new Uint8Array(16))).toBe(ABANDON);
    expect(seedPhrase(new Uint8Array(32).fill(0xff))).toBe(ZOO);
    for (const [phrase, expected] of [
      [ABANDON, ABANDON_SEED],
      [ZOO, ZOO_SEED],
    ] as const) {
      const seed = seedFromPhrase(phrase, "TREZOR");
      expect(seed.ok && toHex(seed.value)).toBe(expected);
    }
  });

  it("makes a phrase that it reads", () => {
    const sizes = fc.constantFrom(16, 32).chain((size) => fc.uint8Array({ minLength: size, maxLength: size }));
    fc.assert(
      fc.property(sizes, (entropy) => {
        expect(seedFromPhrase(seedPhrase(entropy)).ok).toBe(true);
      }),
      { numRuns: 10 },
    );
    expect(() => seedPhrase(new Uint8Array(15))).toThrow(InvariantBroken);
  });

  it("forgives case and white space", () => {
    const typed = ` ${ABANDON.toUpperCase().replaceAll(" ", "  \n")} `;
    expect(seedFromPhrase(typed, "TREZOR")).toEqual(seedFromPhrase(ABANDON, "TREZOR"));
  });

  it.each(["", "abandon", ABANDON.replace("about", "abandon"), `${ABANDON} about`, ABANDON.replace("about", "aboot")])(
    "refuses %j without repeating it",
    (phrase) => {
      expect(seedFromPhrase(phrase)).toEqual({ ok: false, error: { type: "bad_seed_phrase" } });
    },
  );
});
