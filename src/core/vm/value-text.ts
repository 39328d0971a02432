import { toHex } from "../base/index.ts";
import { binaryBytes, elements, isList, type Value } from "./value.ts";

/** A value for JSON: a binary in hexadecimal, a list as an array. */
export type PlainValue = string | readonly PlainValue[];

type Unfinished = { readonly target: PlainValue[]; readonly rest: Value[] };

/** A value for JSON, whole. Parts that lists share are written out. Needs no stack of the engine, however deep the lists. */
export function plainValue(value: Value): PlainValue {
  return plainValueTo(value, Number.POSITIVE_INFINITY);
}

/** The same, but a list within more than `deepest` others is only said to be there, by "…": what reads JSON has its limits. */
export function plainValueTo(value: Value, deepest: number): PlainValue {
  const top: PlainValue[] = [];
  const open: Unfinished[] = [{ target: top, rest: [value] }];
  for (let at = open.at(-1); at !== undefined; at = open.at(-1)) {
    const next = at.rest.pop();
    if (next === undefined) open.pop();
    else if (isList(next) && open.length > deepest) at.target.push("…");
    else if (isList(next)) {
      const inner: PlainValue[] = [];
      at.target.push(inner);
      open.push({ target: inner, rest: elements(next).reverse() });
    } else at.target.push(toHex(binaryBytes(next)));
  }
  return top[0] ?? "";
}

const LONGEST = 32;

/** A value for people, cut to about `width` characters: an int as a number, a binary in hexadecimal, a list in brackets. */
export function valueText(value: Value, width: number = LONGEST): string {
  if (typeof value === "number") return String(value >>> 0);
  let text = "";
  // What is still to be written, the next one last: a value, or text.
  const waiting: (Value | { readonly text: string })[] = [value];
  while (waiting.length > 0 && text.length <= width) {
    const next = waiting.pop();
    if (next === undefined) break;
    if (typeof next === "object" && "text" in next) text += next.text;
    else if (typeof next === "number") text += String(next >>> 0);
    else if (next instanceof Uint8Array) text += next.length === 0 ? '""' : `0x${toHex(next.subarray(0, width))}`;
    else {
      waiting.push({ text: "]" });
      const shown: Value[] = [];
      for (let at = next; at.tail !== undefined && shown.length <= width; at = at.tail) shown.push(at.head);
      for (const [i, element] of shown.reverse().entries()) {
        waiting.push(element);
        if (i < shown.length - 1) waiting.push({ text: " " });
      }
      waiting.push({ text: "[" });
    }
  }
  return text.length > width || waiting.length > 0 ? `${text.slice(0, width)}…` : text;
}
