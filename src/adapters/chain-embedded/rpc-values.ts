import { fromHex } from "../../core/base/index.ts";

/** A failed call, with Bitcoin Core's code for it. */
export class RpcError extends Error {
  readonly code: number;
  constructor(code: number, message: string) {
    super(message);
    this.name = "RpcError";
    this.code = code;
  }
}

export const RPC_CODE = {
  misc: -1,
  type: -3,
  notFound: -5,
  invalidParameter: -8,
  deserialization: -22,
  verify: -25,
  rejected: -26,
  alreadyInChain: -27,
  invalidRequest: -32600,
  methodNotFound: -32601,
  parse: -32700,
} as const;

/** An amount in satoshi that is written in bitcoin with eight decimals, as Core writes it. */
export class Amount {
  readonly sat: bigint;
  constructor(sat: bigint) {
    this.sat = sat;
  }
}

export type RpcValue =
  | string
  | number
  | boolean
  | null
  | undefined
  | Amount
  | readonly RpcValue[]
  | { readonly [name: string]: RpcValue };

/** JSON in which amounts are exact: a floating point number would end in exponents or be off by one. */
export function encodeJson(value: RpcValue): string {
  if (value instanceof Amount) {
    return `${value.sat / 100_000_000n}.${(value.sat % 100_000_000n).toString().padStart(8, "0")}`;
  }
  if (typeof value !== "object" || value === null) return JSON.stringify(value ?? null);
  if (isArray(value)) return `[${value.map(encodeJson).join(",")}]`;
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${encodeJson(member)}`).join(",")}}`;
}

function isArray(value: RpcValue): value is readonly RpcValue[] {
  return Array.isArray(value);
}

/** The parameters of a call, read by position; what is wrong with one throws RpcError. */
export type Params = readonly unknown[];

function present(params: Params, at: number): unknown {
  const value = params[at];
  if (value === undefined || value === null) throw new RpcError(RPC_CODE.misc, `parameter ${at + 1} is missing`);
  return value;
}

export function integerAt(params: Params, at: number, fallback?: number): number {
  const value = params[at] ?? fallback ?? present(params, at);
  if (typeof value === "number" && Number.isSafeInteger(value)) return value;
  throw new RpcError(RPC_CODE.type, `parameter ${at + 1} is not an integer`);
}

export function numberAt(params: Params, at: number, fallback: number): number {
  const value = params[at] ?? fallback;
  const parsed = typeof value === "string" ? Number(value) : value;
  if (typeof parsed === "number" && Number.isFinite(parsed) && parsed >= 0) return parsed;
  throw new RpcError(RPC_CODE.type, `parameter ${at + 1} is not an amount`);
}

export function booleanAt(params: Params, at: number, fallback: boolean): boolean {
  const value = params[at] ?? fallback;
  if (typeof value === "boolean") return value;
  throw new RpcError(RPC_CODE.type, `parameter ${at + 1} is not a boolean`);
}

export function stringAt(params: Params, at: number): string {
  const value = present(params, at);
  if (typeof value === "string") return value;
  throw new RpcError(RPC_CODE.type, `parameter ${at + 1} is not a string`);
}

/** `code` is that for text that isn't hexadecimal. */
export function hexAt(params: Params, at: number, code: number = RPC_CODE.invalidParameter): Uint8Array {
  const bytes = fromHex(stringAt(params, at));
  if (bytes === undefined) throw new RpcError(code, `parameter ${at + 1} is not hexadecimal`);
  return bytes;
}

/** A hash as people write it, in the order in which it is serialised. */
export function hashAt(params: Params, at: number): Uint8Array {
  const bytes = hexAt(params, at);
  if (bytes.length === 32) return bytes.reverse();
  throw new RpcError(RPC_CODE.invalidParameter, `parameter ${at + 1} must be of length 64`);
}
