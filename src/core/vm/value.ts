/** The empty list. */
export type Nil = { readonly head: undefined; readonly tail: undefined; readonly memory: 1; readonly length: 0 };
/** A list of one element or more. `memory` and `length` are of the whole list, worked out once, when it is made. */
export type Cell = { readonly head: Value; readonly tail: List; readonly memory: number; readonly length: number };
export type List = Nil | Cell;

/**
 * What the machine works on: binaries and proper lists. A binary of exactly four bytes is always a number, its bytes read big-endian
 * as a *signed* 32-bit integer, so that engines keep it in a register; every other binary is its bytes, which are never changed.
 */
export type Value = number | Uint8Array | List;

export const NIL: Nil = { head: undefined, tail: undefined, memory: 1, length: 0 };

export function isList(value: Value): value is List {
  return typeof value === "object" && !(value instanceof Uint8Array);
}

/** Bytes of a binary; of a list 1, and for each element 1 and its own memory. The measure of space gas and of the cap on one value. */
export function memoryOf(value: Value): number {
  if (typeof value === "number") return 4;
  return value instanceof Uint8Array ? value.length : value.memory;
}

export function cons(head: Value, tail: List): Cell {
  return { head, tail, memory: tail.memory + 1 + memoryOf(head), length: tail.length + 1 };
}

/** The value of some bytes, which the caller must not change afterwards. */
export function binaryValue(bytes: Uint8Array): Value {
  if (bytes.length !== 4) return bytes;
  return new DataView(bytes.buffer, bytes.byteOffset, 4).getInt32(0);
}

/** The bytes of a binary. */
export function binaryBytes(value: number | Uint8Array): Uint8Array {
  return typeof value === "number" ? Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value) : value;
}

/** A list's elements, the head first. */
export function elements(list: List): Value[] {
  const found: Value[] = [];
  for (let at = list; at.tail !== undefined; at = at.tail) found.push(at.head);
  return found;
}

/** The list of some elements, the first at the head. */
export function listOf(values: readonly Value[]): List {
  return values.reduceRight<List>((tail, value) => cons(value, tail), NIL);
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let at = 0; at < a.length; at++) if (a[at] !== b[at]) return false;
  return true;
}

/** Which cells a comparison has already found or assumed equal: each points towards the one that stands for its class. */
type Classes = Map<List, List>;

function representative(classes: Classes, list: List): List {
  let at = list;
  for (let next = classes.get(at); next !== undefined; next = classes.get(at)) {
    const further = classes.get(next);
    if (further !== undefined) classes.set(at, further);
    at = next;
  }
  return at;
}

/**
 * Whether two values are the same, deeply. Lists may share parts, so that a few cells unfold to a large tree: cells once compared are one
 * class from then on, and the work is bounded by the number of cells and not by the size of the tree.
 */
export function equalValues(first: Value, second: Value): boolean {
  if (first === second) return true;
  if (typeof first === "number" || typeof second === "number") return false;
  if (first instanceof Uint8Array || second instanceof Uint8Array) {
    return first instanceof Uint8Array && second instanceof Uint8Array && sameBytes(first, second);
  }
  const classes: Classes = new Map();
  const waiting: [Value, Value][] = [[first, second]];
  for (let pair = waiting.pop(); pair !== undefined; pair = waiting.pop()) {
    const [a, b] = pair;
    if (a === b) continue;
    if (typeof a === "number" || typeof b === "number") return false;
    if (a instanceof Uint8Array || b instanceof Uint8Array) {
      if (!(a instanceof Uint8Array && b instanceof Uint8Array && sameBytes(a, b))) return false;
      continue;
    }
    if (a.length !== b.length || a.memory !== b.memory) return false;
    const [x, y] = [representative(classes, a), representative(classes, b)];
    if (x === y) continue;
    classes.set(x, y);
    if (a.tail !== undefined && b.tail !== undefined) waiting.push([a.tail, b.tail], [a.head, b.head]);
  }
  return true;
}
