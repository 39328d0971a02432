import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { asChannelId, concatBytes, equalBytes } from "../base/index.ts";
import { sha256 } from "../crypto/index.ts";
import { decodeFields } from "./fields.ts";
import {
  type ContractLeaf,
  contractId,
  contractTree,
  decodeLeaf,
  EMPTY_LEAF,
  EMPTY_ROOT,
  encodeLeaf,
  encodeProof,
  factsHash,
  isProven,
  LEAF_BYTES,
  leafHash,
  NO_FACTS,
  TREE_DEPTH,
  TREE_SLOTS,
  units,
} from "./index.ts";
import { readProof } from "./tree.ts";

const hash = fc.uint8Array({ minLength: 32, maxLength: 32 }).filter((bytes) => !equalBytes(bytes, EMPTY_LEAF));
const slot = fc.nat(TREE_SLOTS - 1);
const leaves = fc.uniqueArray(fc.tuple(slot, hash), { selector: ([at]) => at, minLength: 1, maxLength: 12 });

/** The whole tree, level by level. */
function rootByTheLetter(filled: readonly (readonly [number, Uint8Array])[]): Uint8Array {
  let level = Array.from({ length: TREE_SLOTS }, () => EMPTY_LEAF);
  for (const [at, leaf] of filled) level[at] = leaf;
  for (let depth = 0; depth < TREE_DEPTH; depth++) {
    const below = level;
    level = Array.from({ length: below.length / 2 }, (_, i) =>
      sha256(concatBytes(below[2 * i] ?? EMPTY_LEAF, below[2 * i + 1] ?? EMPTY_LEAF)),
    );
  }
  return level[0] ?? EMPTY_LEAF;
}

describe("the tree of contracts", () => {
  it("has the root of all 4096 leaves", () => {
    expect(contractTree().root()).toStrictEqual(EMPTY_ROOT);
    expect(rootByTheLetter([])).toStrictEqual(EMPTY_ROOT);
    fc.assert(
      fc.property(leaves, (filled) => {
        expect(contractTree(filled).root()).toStrictEqual(rootByTheLetter(filled));
      }),
      { numRuns: 10 },
    );
  });

  it("forgets what is taken out", () => {
    fc.assert(
      fc.property(leaves, leaves, (stay, go) => {
        const tree = contractTree([...go, ...stay]);
        for (const [at] of go) if (!stay.some(([other]) => other === at)) tree.set(at, EMPTY_LEAF);
        expect(tree.root()).toStrictEqual(contractTree(stay).root());
      }),
      { numRuns: 50 },
    );
  });

  it("proves each leaf where it stands, and nothing else", () => {
    fc.assert(
      fc.property(leaves, hash, slot, (filled, stranger, elsewhere) => {
        const tree = contractTree(filled);
        for (const [at, leaf] of filled) {
          const proof = tree.proof(at);
          expect(decodeFields(encodeProof(proof), readProof)).toStrictEqual({ ok: true, value: proof });
          expect(isProven(leaf, proof, tree.root())).toBe(true);
          expect(isProven(stranger, proof, tree.root())).toBe(equalBytes(stranger, leaf));
          if (elsewhere !== at) expect(isProven(leaf, { ...proof, slot: elsewhere }, tree.root())).toBe(false);
        }
      }),
      { numRuns: 50 },
    );
  });

  it("does not prove that a slot is empty: no contract is there", () => {
    const tree = contractTree([[5, leafHash(LEAF)]]);
    expect(isProven(EMPTY_LEAF, tree.proof(6), tree.root())).toBe(false);
  });

  it("has one way to write a proof", () => {
    const tree = contractTree([[0, leafHash(LEAF)]]);
    const padded = { slot: 0, mask: 1, siblings: [EMPTY_LEAF] };
    expect(isProven(leafHash(LEAF), padded, tree.root())).toBe(true);
    expect(decodeFields(encodeProof(padded), readProof)).toMatchObject({ ok: false, error: { what: "sibling" } });
    for (const wrong of [
      { slot: 4096, mask: 0 },
      { slot: 0, mask: 4096 },
    ]) {
      expect(decodeFields(encodeProof({ ...wrong, siblings: [] }), readProof).ok).toBe(false);
    }
    expect(decodeFields(encodeProof({ slot: 0, mask: 3, siblings: [EMPTY_ROOT] }), readProof).ok).toBe(false);
  });
});

const fill = (value: number): Uint8Array => new Uint8Array(32).fill(value);

const LEAF: ContractLeaf = {
  id: fill(1),
  codeHash: fill(2),
  key: fill(3),
  root: fill(4),
  stakes: { initiator: units(5), responder: units(6) },
  beneficiary: "responder",
  timeGas: 1000,
  spaceGas: 2000,
  prove: fill(7),
};

describe("a contract's leaf", () => {
  it("has 185 bytes, decodes to itself, and hashes to SHA-256 of them", () => {
    const encoded = encodeLeaf(LEAF);
    expect(encoded).toHaveLength(LEAF_BYTES);
    expect(decodeLeaf(encoded)).toStrictEqual({ ok: true, value: LEAF });
    expect(leafHash(LEAF)).toStrictEqual(sha256(encoded));
  });

  it("names one of two beneficiaries, and stakes below 2^63 together", () => {
    const encoded = encodeLeaf(LEAF);
    encoded[144] = 2;
    expect(decodeLeaf(encoded)).toMatchObject({ ok: false, error: { what: "beneficiary" } });
    const rich = encodeLeaf({ ...LEAF, stakes: { initiator: units(2n ** 63n - 1n), responder: units(1) } });
    expect(decodeLeaf(rich)).toMatchObject({ ok: false, error: { what: "stakes" } });
  });

  it("has an id that follows from channel, round and place", () => {
    const channel = asChannelId(fill(9));
    const ids = [contractId(channel, 1n, 0), contractId(channel, 1n, 1), contractId(channel, 2n, 0)];
    expect(new Set(ids.map((id) => id.join())).size).toBe(3);
    expect(ids[1]).toStrictEqual(sha256(concatBytes(channel, Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1))));
  });

  it("tells lists of facts apart however they are cut", () => {
    expect(factsHash([])).toBe(NO_FACTS);
    const ab = Uint8Array.of(1, 2);
    const hashes = [[ab], [Uint8Array.of(1), Uint8Array.of(2)], [ab, new Uint8Array(0)], [new Uint8Array(0), ab]];
    expect(new Set(hashes.map((facts) => factsHash(facts).join())).size).toBe(4);
  });
});
