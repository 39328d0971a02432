import { toHex } from "../node/index.ts";

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** Names in snake_case, bytes as hexadecimal, amounts as decimal strings, since they may be above 2^53; errors as their message. */
function plain(value: unknown): unknown {
  if (typeof value === "bigint") return value.toString();
  if (value instanceof Uint8Array) return toHex(value);
  if (value instanceof Error) return value.message;
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [snakeCase(name), plain(inner)]));
}

/** A value as one line of JSON for programs, without the line's end. */
export function jsonLine(value: unknown): string {
  return JSON.stringify(plain(value));
}
