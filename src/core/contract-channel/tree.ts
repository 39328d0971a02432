// The contracts of a state stand in a binary tree of fixed depth by slot, so that one change costs its path, and one contract
// can be shown alone.

import { concatBytes, equalBytes, invariant } from "../base/index.ts";
import { sha256 } from "../crypto/index.ts";
import { type FieldReader, type FieldWriter, fieldWriter } from "./fields.ts";
import { isZero } from "./leaf.ts";

export const TREE_DEPTH = 12;
/** Slots are numbered from 0. */
export const TREE_SLOTS = 4096;

function node(left: Uint8Array, right: Uint8Array): Uint8Array {
  return sha256(concatBytes(left, right));
}

/** The roots of empty trees of each height: 32 zero bytes for a leaf, then the hash of two of the height below. */
const EMPTY: readonly Uint8Array[] = Array.from({ length: TREE_DEPTH }).reduce<Uint8Array[]>(
  (levels) => {
    const below = levels.at(-1) ?? new Uint8Array(32);
    return [...levels, node(below, below)];
  },
  [new Uint8Array(32)],
);

function emptyAt(level: number): Uint8Array {
  const found = EMPTY[level];
  invariant(found !== undefined, `a tree has levels 0 to ${TREE_DEPTH}, not ${level}`);
  return found;
}

/** The leaf of a slot that holds no contract. */
export const EMPTY_LEAF: Uint8Array = emptyAt(0);
/** The root of a state without contracts. */
export const EMPTY_ROOT: Uint8Array = emptyAt(TREE_DEPTH);

/** What leads from a leaf to the root. */
export type TreeProof = {
  readonly slot: number;
  /** Bit k: the sibling at level k (0 beside the leaf) is not that of an empty tree. */
  readonly mask: number;
  /** The siblings whose bits are set, from the leaf up. 32 bytes each. */
  readonly siblings: readonly Uint8Array[];
};

/** The root of the tree in which `leaf` stands where the proof says. */
export function rootOf(leaf: Uint8Array, { slot, mask, siblings }: TreeProof): Uint8Array {
  let at = leaf;
  let used = 0;
  for (let level = 0; level < TREE_DEPTH; level++) {
    const sibling = (mask >> level) & 1 ? siblings[used++] : emptyAt(level);
    invariant(sibling !== undefined, "a proof has a sibling for each bit of its mask");
    at = (slot >> level) & 1 ? node(sibling, at) : node(at, sibling);
  }
  return at;
}

/** Whether the leaf stands in the tree of that root. An empty leaf proves nothing. */
export function isProven(leaf: Uint8Array, proof: TreeProof, root: Uint8Array): boolean {
  return !isZero(leaf) && equalBytes(rootOf(leaf, proof), root);
}

export function writeProof(fields: FieldWriter, proof: TreeProof): void {
  fields.number(proof.slot, 2).number(proof.mask, 2);
  for (const sibling of proof.siblings) fields.bytes(sibling, 32);
}

/** Slot and mask, 2 bytes each, then the siblings. There is one way to write a proof: a sibling of an empty tree is not shipped. */
export function readProof(fields: FieldReader): TreeProof {
  const slot = fields.number(2, "slot");
  if (slot >= TREE_SLOTS) fields.fail("slot");
  const mask = fields.number(2, "mask of siblings");
  if (mask >= 1 << TREE_DEPTH) fields.fail("mask of siblings");
  const siblings: Uint8Array[] = [];
  for (let level = 0; level < TREE_DEPTH; level++) {
    if (((mask >> level) & 1) === 0) continue;
    const sibling = fields.bytes(32, "sibling");
    if (equalBytes(sibling, emptyAt(level))) fields.fail("sibling");
    siblings.push(sibling);
  }
  return { slot, mask, siblings };
}

export function encodeProof(proof: TreeProof): Uint8Array {
  const fields = fieldWriter();
  writeProof(fields, proof);
  return fields.done();
}

/** A tree that changes: setting a slot costs its path. */
export type ContractTree = {
  root(): Uint8Array;
  /** `EMPTY_LEAF` takes the contract out. */
  set(slot: number, leaf: Uint8Array): void;
  leaf(slot: number): Uint8Array;
  proof(slot: number): TreeProof;
};

/** A tree without contracts, or with these leaves. */
export function contractTree(leaves: Iterable<readonly [slot: number, leaf: Uint8Array]> = []): ContractTree {
  // Only what is not empty, by level and place.
  const levels = Array.from({ length: TREE_DEPTH + 1 }, () => new Map<number, Uint8Array>());
  const get = (level: number, place: number): Uint8Array => levels[level]?.get(place) ?? emptyAt(level);
  const put = (level: number, place: number, value: Uint8Array): void => {
    if (equalBytes(value, emptyAt(level))) levels[level]?.delete(place);
    else levels[level]?.set(place, value);
  };
  const inTree = (slot: number): void =>
    invariant(Number.isInteger(slot) && slot >= 0 && slot < TREE_SLOTS, `not a slot: ${slot}`);
  const tree: ContractTree = {
    root: () => get(TREE_DEPTH, 0),
    set(slot, leaf) {
      inTree(slot);
      invariant(leaf.length === 32, "a leaf has 32 bytes");
      put(0, slot, leaf);
      for (let level = 0; level < TREE_DEPTH; level++) {
        const left = (slot >> level) & ~1;
        put(level + 1, left >> 1, node(get(level, left), get(level, left | 1)));
      }
    },
    leaf: (slot) => get(0, slot),
    proof(slot) {
      inTree(slot);
      const places = Array.from({ length: TREE_DEPTH }, (_, level) => levels[level]?.get((slot >> level) ^ 1));
      const mask = places.reduce((bits, sibling, level) => (sibling === undefined ? bits : bits | (1 << level)), 0);
      return { slot, mask, siblings: places.filter((sibling) => sibling !== undefined) };
    },
  };
  for (const [slot, leaf] of leaves) tree.set(slot, leaf);
  return tree;
}
