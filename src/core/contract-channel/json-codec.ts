// Values as JSON and back, for the edge: snake_case, bytes in hexadecimal, numbers that may pass 2^53 as decimal strings. Every
// reading bounds what it takes.

import { fromHex, type Result, toHex } from "../base/index.ts";
import type { Malformed } from "./fields.ts";
import { isUnits, type Units } from "./units.ts";

export type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json };

/** How one kind of value is written, and read again. `from` ends a reading by `JsonProblem`; see `readJson`. */
export type JsonCodec<T> = { to(value: T): Json; from(json: unknown): T };

/** Ends a reading from within; never leaves this room. */
class JsonProblem extends Error {}

function fail(what: string): never {
  throw new JsonProblem(what);
}

/** What some JSON says, or what in it is not as it should be. */
export function readJson<T>(codec: JsonCodec<T>, json: unknown): Result<T, Malformed> {
  try {
    return { ok: true, value: codec.from(json) };
  } catch (cause) {
    if (cause instanceof JsonProblem) return { ok: false, error: { type: "malformed", what: cause.message, at: 0 } };
    throw cause;
  }
}

function sized<T extends Uint8Array>(what: string, fits: (length: number) => boolean): JsonCodec<T> {
  return {
    to: (value) => toHex(value),
    from(json) {
      const bytes = typeof json === "string" && fits(json.length / 2) ? fromHex(json) : undefined;
      return (bytes ?? fail(what)) as T;
    },
  };
}

/** Bytes of exactly this length. The type may be a branded one. */
export function bytesOf<T extends Uint8Array = Uint8Array>(length: number): JsonCodec<T> {
  return sized(`${length} bytes in hexadecimal`, (actual) => actual === length);
}

export function bytesUpTo(limit: number): JsonCodec<Uint8Array> {
  return sized(`at most ${limit} bytes in hexadecimal`, (actual) => actual <= limit);
}

export const wide: JsonCodec<bigint> = {
  to: (value) => value.toString(),
  from: (json) =>
    typeof json === "string" && /^-?\d{1,20}$/.test(json) ? BigInt(json) : fail("a whole number as text"),
};

export const amount: JsonCodec<Units> = {
  to: (value) => value.toString(),
  from(json) {
    const value = wide.from(json);
    return isUnits(value) ? value : fail("an amount");
  },
};

export const natural: JsonCodec<number> = {
  to: (value) => value,
  from: (json) => (typeof json === "number" && Number.isSafeInteger(json) && json >= 0 ? json : fail("a whole number")),
};

export const flag: JsonCodec<boolean> = {
  to: (value) => value,
  from: (json) => (typeof json === "boolean" ? json : fail("true or false")),
};

export function text(limit: number): JsonCodec<string> {
  return {
    to: (value) => value.slice(0, limit),
    from: (json) => (typeof json === "string" && json.length <= limit ? json : fail("a text")),
  };
}

export function word<T extends string>(known: readonly T[]): JsonCodec<T> {
  return { to: (value) => value, from: (json) => known.find((one) => one === json) ?? fail(known.join(" or ")) };
}

/** null for undefined. */
export function optional<T>(codec: JsonCodec<T>): JsonCodec<T | undefined> {
  return {
    to: (value) => (value === undefined ? null : codec.to(value)),
    from: (json) => (json === null ? undefined : codec.from(json)),
  };
}

export function list<T>(codec: JsonCodec<T>, limit: number): JsonCodec<readonly T[]> {
  return {
    to: (values) => values.map((value) => codec.to(value)),
    from: (json) =>
      Array.isArray(json) && json.length <= limit
        ? json.map((one: unknown) => codec.from(one))
        : fail(`a list of at most ${limit}`),
  };
}

type Fields<T> = { readonly [K in keyof T]-?: JsonCodec<T[K]> };

function snake(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** An object with these fields, in their order. What else stands in it is passed over. */
export function object<T extends object>(fields: Fields<T>): JsonCodec<T> {
  const names = Object.keys(fields) as (keyof T & string)[];
  return {
    to: (value) => Object.fromEntries(names.map((name) => [snake(name), fields[name].to(value[name])])),
    from(json) {
      if (typeof json !== "object" || json === null) return fail("an object");
      const given = json as Record<string, unknown>;
      const read = names.map((name) => {
        const key = snake(name);
        return [name, fields[name].from(Object.hasOwn(given, key) ? given[key] : fail(key))] as const;
      });
      return Object.fromEntries(read) as T;
    },
  };
}

type Tagged = { readonly type: string };
type Variants<T extends Tagged> = {
  readonly [K in T["type"]]: Fields<Omit<Extract<T, { type: K }>, "type">>;
};

/** A union whose members are told apart by `type`. */
export function tagged<T extends Tagged>(variants: Variants<T>): JsonCodec<T> {
  const codecs = new Map<string, JsonCodec<object>>(
    Object.entries<Fields<object>>(variants).map(([type, fields]) => [type, object(fields)]),
  );
  return {
    to(value) {
      const rest = codecs.get(value.type)?.to(value);
      return { type: value.type, ...(rest as { readonly [name: string]: Json }) };
    },
    from(json) {
      const type = typeof json === "object" && json !== null && "type" in json ? json.type : undefined;
      const codec = typeof type === "string" ? codecs.get(type) : undefined;
      return codec === undefined ? fail("a known type") : ({ type, ...codec.from(json) } as T);
    },
  };
}
