import { invariant } from "../../core/base/index.ts";
import type { InvoiceRow, PaymentRow } from "../../core/payment/index.ts";
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

/** The first 48 bits of a hash: enough to find it among a store's, in a third of the room. */
export function hashPrefixToSql(hash: Uint8Array): number {
  return hash.subarray(0, 6).reduce((value, byte) => value * 256 + byte, 0);
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

/** A column holds the place of its word in such a list: never reordered, only added to. */
export const INVOICE_STATES: readonly InvoiceRow["state"][] = ["open", "settled", "canceled"];
export const PAYMENT_STATES: readonly PaymentRow["state"][] = ["pending", "succeeded", "failed", "unknown"];

export function placeToSql<T extends string>(word: T, list: readonly T[]): number {
  const place = list.indexOf(word);
  invariant(place >= 0, `${word} has a place in its list`);
  return place;
}

/** The word whose place the column holds. */
export function readPlaced<T extends string>(row: SqlRow, name: string, list: readonly T[]): T {
  const word = list[readNumber(row, name)];
  if (word === undefined) throw new UnreadableRow(name, "the place of a known word");
  return word;
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
