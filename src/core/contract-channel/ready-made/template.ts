import { equalBytes, invariant } from "../../base/index.ts";
import { assemble } from "../../vm/index.ts";

/** A parameter's bytes in the code: an int or a binary. */
type Width = 4 | 32;
/** The parameters of a source by the names of their macros. */
export type Parameters = Readonly<Record<string, Width>>;
/** Their values, each of its parameter's width. */
export type Values = ReadonlyMap<string, Uint8Array>;

/** Byte code with holes for parameters. All codes made of one template have the same length. */
export type Template = {
  readonly base: Uint8Array;
  /** Where each parameter stands. */
  readonly holes: ReadonlyMap<string, { readonly width: Width; readonly places: readonly number[] }>;
};

function base64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}

function pushText(value: Uint8Array): string {
  return value.length === 4
    ? `int4 ${new DataView(value.buffer, value.byteOffset).getUint32(0)}`
    : `binary ${value.length} ${base64(value)}`;
}

/** The source with the macro of each parameter standing for this value. */
export function withValues(source: string, values: Values): string {
  let text = source;
  for (const [name, value] of values) {
    const line = new RegExp(`^macro ${name} (?:int4|binary 32) \\S+ ;$`, "m");
    invariant(line.test(text), `the source has no line for the parameter ${name}`);
    text = text.replace(line, `macro ${name} ${pushText(value)} ;`);
  }
  return text;
}

function codeOf(source: string, values: Values): Uint8Array {
  const assembled = assemble(withValues(source, values));
  invariant(assembled.ok, "a ready-made contract's source assembles");
  return assembled.value.code;
}

function all(parameters: Parameters, byte: number): Map<string, Uint8Array> {
  return new Map(Object.entries(parameters).map(([name, width]) => [name, new Uint8Array(width).fill(byte)]));
}

/** Finds the holes by giving the parameters bits 0, and then one after the other bits 1. */
export function templateOf(source: string, parameters: Parameters): Template {
  const zeros = all(parameters, 0);
  const base = codeOf(source, zeros);
  const holes = new Map(
    Object.entries(parameters).map(([name, width]) => {
      const changed = codeOf(source, new Map(zeros).set(name, new Uint8Array(width).fill(0xff)));
      const different = Array.from(base.keys()).filter((at) => base[at] !== changed[at]);
      invariant(different.length > 0, `the parameter ${name} is in the code`);
      return [name, { width, places: different.filter((_, i) => i % width === 0) }];
    }),
  );
  const template = { base, holes };
  const others = all(parameters, 0x5a);
  invariant(
    equalBytes(fill(template, others), codeOf(source, others)),
    "nothing else in the code is made of a parameter",
  );
  return template;
}

/** The code with these values of all its parameters. */
export function fill({ base, holes }: Template, values: Values): Uint8Array {
  const code = base.slice();
  for (const [name, { width, places }] of holes) {
    const value = values.get(name);
    invariant(value?.length === width, `the parameter ${name} has ${width} bytes`);
    for (const at of places) code.set(value, at);
  }
  return code;
}

/** The values with which the template becomes this code, or undefined. */
export function valuesIn(template: Template, code: Uint8Array): Values | undefined {
  if (code.length !== template.base.length) return undefined;
  const values = new Map<string, Uint8Array>();
  for (const [name, { width, places }] of template.holes) {
    const at = places[0] ?? 0;
    values.set(name, code.slice(at, at + width));
  }
  return equalBytes(fill(template, values), code) ? values : undefined;
}
