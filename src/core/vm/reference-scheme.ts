import { concatBytes } from "../base/index.ts";
import { derDecode, secp256k1, sha256 } from "../crypto/index.ts";
import { binaryBytes, elements, isList, type List, type Value } from "./value.ts";

// Erlang's external term format: https://www.erlang.org/doc/apps/erts/erl_ext_dist.html
const TERM_VERSION = 131;
const TERM_BINARY = 109;
const TERM_LIST = 108;
const TERM_NIL = 106;

// The serialisation that the reference signs.
const SIGNED_BINARY = 0;
const SIGNED_LIST = 1;

/** Bytes that grow at the end. */
type Output = { bytes: Uint8Array; length: number };

function append(out: Output, bytes: Uint8Array): void {
  const length = out.length + bytes.length;
  if (length > out.bytes.length) {
    const grown = new Uint8Array(2 * length);
    grown.set(out.bytes.subarray(0, out.length));
    out.bytes = grown;
  }
  out.bytes.set(bytes, out.length);
  out.length = length;
}

function header(tag: number, number: number): Uint8Array {
  return Uint8Array.of(tag, number >>> 24, number >>> 16, number >>> 8, number);
}

/** Calls back for each binary within `root`, and for each list before what it holds and after. Needs no stack of the engine. */
function walk(root: Value, leaf: (bytes: Uint8Array) => void, enter: (list: List) => void, leave: () => void): void {
  const waiting: (Value | undefined)[] = [root];
  while (waiting.length > 0) {
    const value = waiting.pop();
    if (value === undefined) leave();
    else if (!isList(value)) leaf(binaryBytes(value));
    else {
      enter(value);
      waiting.push(undefined);
      for (const element of elements(value).reverse()) waiting.push(element);
    }
  }
}

/** SHA-256 of a value in Erlang's external term format: how the reference hashes a list. 32 bytes. */
export function hashReferenceTerm(value: Value): Uint8Array {
  const out: Output = { bytes: Uint8Array.of(TERM_VERSION), length: 1 };
  walk(
    value,
    (bytes) => {
      append(out, header(TERM_BINARY, bytes.length));
      append(out, bytes);
    },
    ({ length }) => {
      if (length > 0) append(out, header(TERM_LIST, length));
    },
    () => append(out, Uint8Array.of(TERM_NIL)),
  );
  return sha256(out.bytes.subarray(0, out.length));
}

/** The bytes over which the reference signs: each value with its kind and its length. */
function signedBytes(value: Value): Uint8Array {
  const out: Output = { bytes: new Uint8Array(0), length: 0 };
  /** Where the headers of the lists stand that are not at their end yet. */
  const open: number[] = [];
  walk(
    value,
    (bytes) => {
      append(out, header(SIGNED_BINARY, bytes.length));
      append(out, bytes);
    },
    () => {
      open.push(out.length);
      append(out, header(SIGNED_LIST, 0));
    },
    () => {
      const start = open.pop() ?? 0;
      out.bytes.set(header(SIGNED_LIST, out.length - start - 5), start);
    },
  );
  return out.bytes.subarray(0, out.length);
}

const FIELD = 2n ** 256n - 2n ** 32n - 977n;
const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

function toInteger(bytes: Uint8Array): bigint {
  return bytes.reduce((number, byte) => (number << 8n) | BigInt(byte), 0n);
}

function toBytes32(number: bigint): Uint8Array {
  return Uint8Array.from({ length: 32 }, (_, i) => Number((number >> BigInt(8 * (31 - i))) & 0xffn));
}

/** The compressed form of a public key that is compressed, uncompressed or hybrid (SEC 1, 2.3.4); undefined for anything else. */
function compressed(key: Uint8Array): Uint8Array | undefined {
  if (key.length === 33) return secp256k1.isPublicKey(key) ? key : undefined;
  const form = key[0];
  if (key.length !== 65 || !(form === 4 || form === 6 || form === 7)) return undefined;
  const x = toInteger(key.subarray(1, 33));
  const y = toInteger(key.subarray(33));
  const parity = Number(y & 1n);
  if (x >= FIELD || y >= FIELD || (y * y - x * x * x - 7n) % FIELD !== 0n) return undefined;
  if (form !== 4 && form !== 6 + parity) return undefined;
  return Uint8Array.of(2 + parity, ...key.subarray(1, 33));
}

/** The same signature with the lower of the two s that are valid: the reference takes either, our backend takes this one. */
function withLowS(signature64: Uint8Array): Uint8Array {
  const s = toInteger(signature64.subarray(32));
  if (s <= ORDER / 2n || s >= ORDER) return signature64;
  return concatBytes(signature64.subarray(0, 32), toBytes32(ORDER - s));
}

/**
 * ECDSA on secp256k1 as the reference checks it: a DER signature over SHA-256 of the serialised data, either s. Undefined where the key is
 * none or the signature is a list: the reference crashes there.
 */
export function verifyReferenceSignature(signature: Value, data: Value, key: Value): boolean | undefined {
  if (isList(signature) || isList(key)) return undefined;
  const point = compressed(binaryBytes(key));
  if (point === undefined) return undefined;
  const compact = derDecode(binaryBytes(signature));
  return compact !== undefined && secp256k1.verify(withLowS(compact), sha256(signedBytes(data)), point);
}
