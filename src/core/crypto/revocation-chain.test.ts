import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fromHex, InvariantBroken, toHex } from "../base/index.ts";
import {
  FIRST_REVOCATION_INDEX,
  insertRevocation,
  lookupRevocation,
  type RevocationSlot,
  type RevocationSlots,
  revocationPath,
  revocationPreimage,
} from "./revocation-chain.ts";

function hex(text: string): Uint8Array {
  const bytes = fromHex(text);
  if (bytes === undefined) throw new Error("bad figure in a test");
  return bytes;
}

const ZERO_SEED = new Uint8Array(32);
const ONES_SEED = new Uint8Array(32).fill(0xff);
const FIRST_48 = 2n ** 48n - 1n;

const seeds = fc.uint8Array({ minLength: 32, maxLength: 32 });
const indexes = fc.bigInt({ min: 0n, max: FIRST_REVOCATION_INDEX });

const indexAt = (position: number) => FIRST_REVOCATION_INDEX - BigInt(position);
const zeros = (index: bigint) => /0*$/.exec(index.toString(2))?.[0].length ?? 0;

function put(slots: RevocationSlots, row: RevocationSlot): RevocationSlots {
  return [...slots.filter(({ slot }) => slot !== row.slot), row];
}

/** BOLT 3, appendix D, "Generation Tests": seed, index, preimage. */
const GENERATION: readonly (readonly [Uint8Array, bigint, string])[] = [
  [ZERO_SEED, FIRST_48, "02a40c85b6f28da08dfdbe0926c53fab2de6d28c10301f8f7c4073d5e42e3148"],
  [ONES_SEED, FIRST_48, "7cc854b54e3e0dcdb010d7a3fee464a9687be6e8db3be6854c475621e007a5dc"],
  [ONES_SEED, 0xaaaaaaaaaaan, "56f4008fb007ca9acf0e15b054d5c9fd12ee06cea347914ddbaed70d1c13a528"],
  [ONES_SEED, 0x555555555555n, "9015daaeb06dba4ccc05b91b2f73bd54405f2be9f217fbacd3c5ac2e62327d31"],
  [new Uint8Array(32).fill(1), 1n, "915c75942a26bb3a433a8ce2cb0427c29ec6c1775cfc78328b57f6ba7bfeaa9c"],
];

/** Preimages of the storage tests by position: the right ones, and those of other chains. */
const RIGHT = [
  "7cc854b54e3e0dcdb010d7a3fee464a9687be6e8db3be6854c475621e007a5dc",
  "c7518c8ae4660ed02894df8976fa1a3659c1a8b4b5bec0c4b872abeba4cb8964",
  "2273e227a5b7449b6e70f1fb4652864038b1cbf9cd7c043a7d6456b7fc275ad8",
  "27cddaa5624534cb6cb9d7da077cf2b22ab21e9b506fd4998a51d54502e99116",
  "c65716add7aa98ba7acb236352d665cab17345fe45b55fb879ff80e6bd0c41dd",
  "969660042a28f32d9be17344e09374b379962d03db1574df5a8a5a47e19ce3f2",
  "a5a64476122ca0925fb344bdc1854c1c0a59fc614298e50a33e331980a220f32",
  "05cde6323d949933f7f7b78776bcc1ea6d9b31447732e3802e1f7ac44b650e17",
];
const WRONG_1 = "02a40c85b6f28da08dfdbe0926c53fab2de6d28c10301f8f7c4073d5e42e3148";
const WRONG_2 = "dddc3a8d14fddf2b68fa8c7fbad2748274937479dd0f8930d5ebb4ab6bd866a3";
const WRONG_3 = "c51a18b13e8527e579ec56365482c62f180b7d5760b46e9477dae59e87ed423a";
const WRONG_4 = "ba65d7b0ef55a3ba300d4e87af29868f394f8f138d78a7011669c79b37b936f4";
const WRONG_5 = "631373ad5f9ef654bb3dade742d09504c567edd24320d2fcd68e3cc47e2ff6a6";
const WRONG_6 = "b7e76a83668bde38b373970155c868a653304308f9896692f904a23731224bb1";
const WRONG_7 = "e7971de736e01da8ed58b94c2fc216cb1dca9e326f3a96e7194fe8ea8af6c0a3";
const WRONG_8 = "a7efbc61aac46d34f77778bac22c8a20c6a46ca460addc49009bda875ec88fa4";

/** BOLT 3, appendix D, "Storage Tests": which positions differ from the right ones, and where the insert fails. */
const STORAGE: readonly (readonly [string, Readonly<Record<number, string>>, number | undefined])[] = [
  ["correct sequence", {}, undefined],
  ["#1 incorrect", { 0: WRONG_1 }, 1],
  ["#2 incorrect (#1 derived from incorrect)", { 0: WRONG_1, 1: WRONG_2 }, 3],
  ["#3 incorrect", { 2: WRONG_3 }, 3],
  ["#4 incorrect (1,2,3 derived from incorrect)", { 0: WRONG_1, 1: WRONG_2, 2: WRONG_3, 3: WRONG_4 }, 7],
  ["#5 incorrect", { 4: WRONG_5 }, 5],
  ["#6 incorrect (5 derived from incorrect)", { 4: WRONG_5, 5: WRONG_6 }, 7],
  ["#7 incorrect", { 6: WRONG_7 }, 7],
  ["#8 incorrect", { 7: WRONG_8 }, 7],
];

describe("revocationPreimage", () => {
  it("[B2-34] gives the first preimage of an all-zero seed", () => {
    expect(FIRST_REVOCATION_INDEX).toBe(18446744073709551615n);
    expect(toHex(revocationPreimage(ZERO_SEED, FIRST_REVOCATION_INDEX))).toBe(
      "f85a0f7f237ed2139855703db4264de380ec731f64a3d832c22a5f2ef615f1d5",
    );
  });

  it.each(GENERATION)("[B2-34] passes BOLT 3's generation vectors (%#)", (seed, index, expected) => {
    expect(toHex(revocationPreimage(seed, index))).toBe(expected);
    expect(toHex(revocationPath(seed).preimage(index))).toBe(expected);
  });

  it("refuses indexes out of range and seeds of another size", () => {
    expect(() => revocationPreimage(ZERO_SEED, -1n)).toThrow(InvariantBroken);
    expect(() => revocationPreimage(ZERO_SEED, 2n ** 64n)).toThrow(InvariantBroken);
    expect(() => revocationPreimage(new Uint8Array(31), 0n)).toThrow(InvariantBroken);
    expect(() => revocationPath(ZERO_SEED).preimage(2n ** 64n)).toThrow(InvariantBroken);
  });
});

describe("revocationPath", () => {
  it("gives the same as revocationPreimage in any order of indexes", () => {
    fc.assert(
      fc.property(seeds, fc.array(indexes, { minLength: 1, maxLength: 8 }), (seed, order) => {
        const path = revocationPath(seed);
        for (const index of order) expect(path.preimage(index)).toEqual(revocationPreimage(seed, index));
      }),
    );
  });

  it("gives the same as revocationPreimage counting down", () => {
    const path = revocationPath(ONES_SEED);
    for (let step = 0n; step < 300n; step++) {
      const index = FIRST_REVOCATION_INDEX - step;
      expect(path.preimage(index)).toEqual(revocationPreimage(ONES_SEED, index));
    }
  });

  it("is not spoilt by a caller that changes what it got", () => {
    const path = revocationPath(ONES_SEED);
    path.preimage(0n).fill(0);
    path.preimage(6n).fill(0);
    expect(path.preimage(0n)).toEqual(ONES_SEED);
    expect(path.preimage(6n)).toEqual(revocationPreimage(ONES_SEED, 6n));
  });
});

describe("insertRevocation", () => {
  it.each(STORAGE)("[B2-34] passes BOLT 3's storage vector: %s", (_, changed, failsAt) => {
    let slots: RevocationSlots = [];
    const inserted: [bigint, Uint8Array][] = [];
    for (const [position, right] of RIGHT.slice(0, (failsAt ?? RIGHT.length) + 1).entries()) {
      const index = FIRST_48 - BigInt(position);
      const preimage = hex(changed[position] ?? right);
      const result = insertRevocation(slots, index, preimage);
      expect(result.ok).toBe(position !== failsAt);
      if (!result.ok) {
        expect(result.error).toMatchObject({ type: "revocation_not_derivable", index });
        break;
      }
      slots = put(slots, result.value);
      inserted.push([index, preimage]);
      for (const [earlier, expected] of inserted) expect(lookupRevocation(slots, earlier)).toEqual(expected);
    }
    expect(inserted).toHaveLength(failsAt ?? RIGHT.length);
  });

  it("[B2-34] keeps every preimage of a run in at most 65 slots, whatever order the rows are in", () => {
    fc.assert(
      fc.property(seeds, indexes, fc.integer({ min: 1, max: 40 }), (seed, start, length) => {
        let slots: RevocationSlots = [];
        const indexOf = (position: number) => start - BigInt(position);
        const count = start < BigInt(length) ? Number(start) + 1 : length;
        for (let position = 0; position < count; position++) {
          const result = insertRevocation(slots, indexOf(position), revocationPreimage(seed, indexOf(position)));
          if (!result.ok) throw new Error("refused an honest preimage");
          slots = put(slots, result.value).toReversed();
        }
        expect(slots.length).toBeLessThanOrEqual(7);
        for (let position = 0; position < count; position++) {
          expect(lookupRevocation(slots, indexOf(position))).toEqual(revocationPreimage(seed, indexOf(position)));
        }
      }),
    );
  });

  it("holds nothing that was not revoked", () => {
    let slots: RevocationSlots = [];
    expect(lookupRevocation(slots, FIRST_REVOCATION_INDEX)).toBeUndefined();
    for (let step = 0n; step < 40n; step++) {
      const index = FIRST_REVOCATION_INDEX - step;
      const result = insertRevocation(slots, index, revocationPreimage(ONES_SEED, index));
      if (!result.ok) throw new Error("refused an honest preimage");
      slots = put(slots, result.value);
      for (let later = 1n; later < 40n; later++) expect(lookupRevocation(slots, index - later)).toBeUndefined();
    }
  });

  it("goes down to index 0, whose slot is 64", () => {
    let slots: RevocationSlots = [];
    for (const index of [3n, 2n, 1n, 0n]) {
      const result = insertRevocation(slots, index, revocationPreimage(ONES_SEED, index));
      if (!result.ok) throw new Error("refused an honest preimage");
      slots = put(slots, result.value);
    }
    expect(slots.map(({ slot }) => slot).sort((a, b) => a - b)).toEqual([0, 1, 64]);
    expect(lookupRevocation(slots, 2n ** 63n)).toEqual(revocationPreimage(ONES_SEED, 2n ** 63n));
  });

  it("[B2-34] notices one flipped bit as soon as a later slot covers it", () => {
    fc.assert(
      fc.property(seeds, fc.nat(62), fc.nat(255), (seed, position, bit) => {
        let slots: RevocationSlots = [];
        // 63 steps below 2^64 - 1 comes an index that ends in six zeros, which covers all those before it.
        for (let step = 0; step < 64; step++) {
          const index = FIRST_REVOCATION_INDEX - BigInt(step);
          const preimage = revocationPreimage(seed, index);
          if (step === position) preimage[bit >> 3] = (preimage[bit >> 3] ?? 0) ^ (1 << (bit & 7));
          const before = slots;
          const result = insertRevocation(slots, index, preimage);
          // The first index after the flip whose preimage yields it, or the flip itself where it yields others.
          const covers = step > position && index >> BigInt(zeros(index)) === indexAt(position) >> BigInt(zeros(index));
          const shows = covers || (step === position && zeros(index) > 0);
          expect(result.ok).toBe(!shows);
          if (!result.ok) {
            expect(result.error.index).toBe(index);
            expect(slots).toBe(before);
            return;
          }
          slots = put(slots, result.value);
        }
        throw new Error("never noticed");
      }),
    );
  });

  it("throws unless each index is one less than the one before", () => {
    const row: RevocationSlot = { slot: 0, index: 9n, preimage: revocationPreimage(ONES_SEED, 9n) };
    for (const index of [9n, 10n, 7n]) {
      expect(() => insertRevocation([row], index, revocationPreimage(ONES_SEED, index))).toThrow(InvariantBroken);
    }
    expect(() => insertRevocation([row], 8n, new Uint8Array(31))).toThrow(InvariantBroken);
  });

  it("keeps its own copy of the preimage", () => {
    const preimage = revocationPreimage(ONES_SEED, 9n);
    const result = insertRevocation([], 9n, preimage);
    preimage.fill(0);
    expect(result.ok && result.value.preimage).toEqual(revocationPreimage(ONES_SEED, 9n));
  });
});
