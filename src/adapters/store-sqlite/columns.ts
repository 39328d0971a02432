import type { Side } from "../../core/payment-channel/index.ts";
import type { SqlRow, SqlValue } from "./engine.ts";

/** A value in the file that this program never writes. */
export class UnreadableRow extends Error {
  constructor(column: string, wanted: string) {
    super(`column ${column} does not hold ${wanted}`);
    this.name = "UnreadableRow";
  }
}

/** SQLite's integers are signed; ids and indexes are unsigned 64 bit numbers and keep their bits. */
export function uint64ToSql(value: bigint): bigint {
  return BigInt.asIntN(64, value);
}

export function sideToSql(side: Side): number {
  return side === "local" ? 0 : 1;
}

export function booleanToSql(value: boolean): number {
  return value ? 1 : 0;
}

function column(row: SqlRow, name: string): SqlValue {
  const value = row[name];
  if (value === undefined) throw new UnreadableRow(name, "anything");
  return value;
}

export function readBigInt(row: SqlRow, name: string): bigint {
  const value = column(row, name);
  if (typeof value !== "bigint") throw new UnreadableRow(name, "an integer");
  return value;
}

export function readUint64(row: SqlRow, name: string): bigint {
  return BigInt.asUintN(64, readBigInt(row, name));
}

export function readNumber(row: SqlRow, name: string): number {
  const value = Number(readBigInt(row, name));
  if (!Number.isSafeInteger(value)) throw new UnreadableRow(name, "an integer below 2^53");
  return value;
}

export function readBoolean(row: SqlRow, name: string): boolean {
  return readNumber(row, name) !== 0;
}

export function readSide(row: SqlRow, name: string): Side {
  return readNumber(row, name) === 0 ? "local" : "remote";
}

export function readText(row: SqlRow, name: string): string {
  const value = column(row, name);
  if (typeof value !== "string") throw new UnreadableRow(name, "text");
  return value;
}

/** One of the words that `known` lists. */
export function readWord<T extends string>(row: SqlRow, name: string, known: Readonly<Record<T, true>>): T {
  const value = readText(row, name);
  if (!isKey(value, known)) throw new UnreadableRow(name, "a known word");
  return value;
}

function isKey<T extends string>(value: string, known: Readonly<Record<T, true>>): value is T {
  return Object.hasOwn(known, value);
}

export function readBytes(row: SqlRow, name: string): Uint8Array {
  const value = column(row, name);
  if (!(value instanceof Uint8Array)) throw new UnreadableRow(name, "bytes");
  // The engine gives a Buffer; outside it nobody should see one.
  return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
}

/** What `read` gives, or undefined where the column is NULL. */
export function readOptional<T>(row: SqlRow, name: string, read: (row: SqlRow, name: string) => T): T | undefined {
  return column(row, name) === null ? undefined : read(row, name);
}
