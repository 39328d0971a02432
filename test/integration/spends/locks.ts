import { ECDH } from "node:crypto";
import { compareBytes, concatBytes } from "../../../src/core/base/index.ts";
import {
  anchorScript,
  htlcOfferedScript,
  htlcReceivedScript,
  OP,
  payToWitnessPublicKeyHash,
  payToWitnessScriptHash,
  push,
  pushNumber,
  scriptNumber,
  toSelfScript,
} from "../../../src/core/bitcoin/index.ts";
import { hash160, hash256, ripemd160, secp256k1, sha256 } from "../../../src/core/crypto/index.ts";
import type { Random } from "./random.ts";

/** One way to satisfy a lock. */
export type Path = {
  readonly name: string;
  /** Blocks that the output must be deep: the input's sequence. */
  readonly delay?: number;
  /** Height that must have passed: the transaction's lock time. */
  readonly expiry?: number;
  /** The items under the witness script. `sign` gives the signature of a secret key, hash type included. */
  stack(sign: (secret: Uint8Array) => Uint8Array): Uint8Array[];
};

export type Lock = {
  readonly kind: string;
  readonly output: Uint8Array;
  /** What stands on top of the witness stack; none for P2WPKH and taproot. */
  readonly witnessScript?: Uint8Array;
  readonly signature: "ecdsa" | "schnorr";
  /** P2PKH script of a P2WPKH output, else the witness script. */
  readonly scriptCode: Uint8Array;
  readonly paths: readonly [Path, ...Path[]];
  /** Not to be relied on: drawn at random, or beyond a limit. */
  readonly odd?: true;
};

export type Key = { readonly secret: Uint8Array; readonly public: Uint8Array };

/** A script of operations (numbers) and ready pieces (bytes, as `push` gives them). */
function assemble(...parts: readonly (number | Uint8Array)[]): Uint8Array {
  return concatBytes(...parts.map((part) => (typeof part === "number" ? Uint8Array.of(part) : part)));
}

const EMPTY = new Uint8Array(0);
const ONE = Uint8Array.of(1);
const MORE_OP = {
  VERIFY: 0x69,
  TOALTSTACK: 0x6b,
  FROMALTSTACK: 0x6c,
  IFDUP: 0x73,
  ZERONOTEQUAL: 0x92,
  BOOLAND: 0x9a,
  BOOLOR: 0x9b,
  NUMEQUAL: 0x9c,
  NUMEQUALVERIFY: 0x9d,
  RIPEMD160: 0xa6,
  SHA256: 0xa8,
  HASH256: 0xaa,
  CHECKSIGVERIFY: 0xad,
  CHECKMULTISIGVERIFY: 0xaf,
} as const;

export function randomKey(random: Random): Key {
  const secret = random.bytes(32);
  secret[0] = 1;
  return { secret, public: secp256k1.publicKey(secret) };
}

function witnessScriptLock(kind: string, script: Uint8Array, ...paths: readonly [Path, ...Path[]]): Lock {
  const output = payToWitnessScriptHash(script);
  return { kind, output, witnessScript: script, signature: "ecdsa", scriptCode: script, paths };
}

function odd(lock: Lock): Lock {
  return { ...lock, odd: true };
}

/** P2WSH of TRUE. */
export const ANYBODY: Lock = witnessScriptLock("anybody", Uint8Array.of(OP.ONE), { name: "anybody", stack: () => [] });

function channelLocks(random: Random): Lock[] {
  const [own, oth] = [randomKey(random), randomKey(random)];
  const [payment, revocation] = [random.bytes(32), random.bytes(32)];
  const delay = 1 + random.int(12);
  const expiry = 1 + random.int(120);
  const terms = {
    revocation: hash160(revocation),
    payment: hash160(payment),
    ownFinalKey: own.public,
    othFinalKey: oth.public,
    delay,
    expiry,
  };
  const [low, high] = compareBytes(own.public, oth.public) < 0 ? [own, oth] : [oth, own];
  return [
    witnessScriptLock("anchor", anchorScript(own.public, oth.public), {
      name: "both",
      stack: (sign) => [EMPTY, sign(low.secret), sign(high.secret)],
    }),
    witnessScriptLock(
      "to-self",
      toSelfScript(terms),
      { name: "own", delay, stack: (sign) => [sign(own.secret), EMPTY] },
      { name: "revoked", stack: (sign) => [sign(oth.secret), revocation] },
    ),
    witnessScriptLock(
      "htlc-offered",
      htlcOfferedScript(terms),
      { name: "payment", stack: (sign) => [sign(oth.secret), payment] },
      { name: "revoked", stack: (sign) => [sign(oth.secret), revocation] },
      { name: "timeout", delay, expiry, stack: (sign) => [sign(own.secret), new Uint8Array(32)] },
    ),
    witnessScriptLock(
      "htlc-received",
      htlcReceivedScript(terms),
      { name: "payment", delay, stack: (sign) => [sign(own.secret), payment] },
      { name: "revoked", stack: (sign) => [sign(oth.secret), revocation] },
      { name: "timeout", expiry, stack: (sign) => [sign(oth.secret), new Uint8Array(32)] },
    ),
  ];
}

function walletLocks(random: Random): Lock[] {
  const key = randomKey(random);
  const keyHash: Lock = {
    kind: "p2wpkh",
    output: payToWitnessPublicKeyHash(key.public),
    signature: "ecdsa",
    scriptCode: assemble(OP.DUP, OP.HASH160, push(hash160(key.public)), OP.EQUALVERIFY, OP.CHECKSIG),
    paths: [{ name: "key", stack: (sign) => [sign(key.secret), key.public] }],
  };
  const taproot: Lock = {
    kind: "p2tr",
    output: assemble(OP.ONE, push(key.public.slice(1))),
    signature: "schnorr",
    scriptCode: EMPTY,
    paths: [{ name: "key", stack: (sign) => [sign(key.secret)] }],
  };
  const keys = Array.from({ length: 1 + random.int(5) }, () => randomKey(random));
  const wanted = 1 + random.int(keys.length);
  const multisig = assemble(
    pushNumber(wanted),
    ...keys.map((one) => push(one.public)),
    pushNumber(keys.length),
    OP.CHECKMULTISIG,
  );
  const signers = keys.slice();
  while (signers.length > wanted) signers.splice(random.int(signers.length), 1);
  return [
    keyHash,
    taproot,
    witnessScriptLock("multisig", multisig, {
      name: "signers",
      stack: (sign) => [EMPTY, ...signers.map(({ secret }) => sign(secret))],
    }),
  ];
}

/** The shapes that miniscript compiles wallets' policies to, and the conditionals that take their argument from the witness. */
function policyLocks(random: Random): Lock[] {
  const [a, b] = [randomKey(random), randomKey(random)];
  const secret = random.bytes(32);
  const delay = 1 + random.int(12);
  const hash = random.pick([
    { op: MORE_OP.SHA256, of: sha256 },
    { op: MORE_OP.RIPEMD160, of: ripemd160 },
    { op: MORE_OP.HASH256, of: hash256 },
    { op: OP.HASH160, of: hash160 },
  ]);
  const branch = assemble(
    ...[OP.IF, push(a.public)],
    ...[OP.ELSE, pushNumber(delay), OP.CHECKSEQUENCEVERIFY, OP.DROP, push(b.public), OP.ENDIF, OP.CHECKSIG],
  );
  const locked = assemble(
    ...[OP.SIZE, pushNumber(32), OP.EQUALVERIFY, hash.op, push(hash.of(secret)), OP.EQUALVERIFY],
    ...[push(a.public), OP.CHECKSIG, MORE_OP.IFDUP, OP.NOTIF],
    ...[pushNumber(delay), OP.CHECKSEQUENCEVERIFY, MORE_OP.ZERONOTEQUAL, OP.ENDIF],
  );
  const join = random.pick([MORE_OP.BOOLOR, MORE_OP.BOOLAND, OP.ADD]);
  const either = assemble(
    ...[push(a.public), OP.CHECKSIG, MORE_OP.TOALTSTACK, push(b.public), OP.CHECKSIG, MORE_OP.FROMALTSTACK],
    join,
  );
  const oneIsEnough: Path[] = [
    { name: "first", stack: (sign) => [EMPTY, sign(a.secret)] },
    { name: "second", stack: (sign) => [sign(b.secret), EMPTY] },
  ];
  const number = random.pick([1, 17, -4, 200, -0x800000]);
  const counted = assemble(
    ...[push(a.public), MORE_OP.CHECKSIGVERIFY, push(b.public), OP.CHECKSIG, OP.SWAP, OP.DUP, OP.ADD],
    ...[pushNumber(2 * number), MORE_OP.NUMEQUALVERIFY],
  );
  const verified = assemble(
    ...[OP.ONE, push(a.public), push(b.public), OP.TWO, MORE_OP.CHECKMULTISIGVERIFY],
    ...[hash.op, push(hash.of(secret)), OP.EQUAL, MORE_OP.VERIFY, pushNumber(random.pick([1, 2, 127, 128, 256]))],
  );
  return [
    witnessScriptLock(
      "branch",
      branch,
      { name: "if", stack: (sign) => [sign(a.secret), ONE] },
      { name: "else", delay, stack: (sign) => [sign(b.secret), EMPTY] },
    ),
    witnessScriptLock(
      "hash-lock",
      locked,
      { name: "key", stack: (sign) => [sign(a.secret), secret] },
      { name: "delay", delay, stack: () => [EMPTY, secret] },
    ),
    witnessScriptLock(
      "either",
      either,
      { name: "both", stack: (sign) => [sign(b.secret), sign(a.secret)] },
      ...(join === MORE_OP.BOOLAND ? [] : oneIsEnough),
    ),
    witnessScriptLock("counted", counted, {
      name: "number",
      stack: (sign) => [scriptNumber(number), sign(b.secret), sign(a.secret)],
    }),
    witnessScriptLock("verified", verified, {
      name: "one of two",
      stack: (sign) => [secret, EMPTY, sign(random.pick([a, b]).secret)],
    }),
  ];
}

const RANDOM_OPS = [
  ...[0x00, 0x4f, 0x51, 0x52, 0x53, 0x60, 0x61, 0x63, 0x64, 0x67, 0x68, 0x69, 0x6a, 0x6b, 0x6c, 0x6d, 0x73, 0x75, 0x76],
  ...[
    0x7c, 0x82, 0x87, 0x88, 0x92, 0x93, 0x9a, 0x9b, 0x9c, 0x9d, 0xa6, 0xa8, 0xa9, 0xaa, 0xac, 0xad, 0xae, 0xaf, 0xb1,
    0xb2,
  ],
  // What the interpreter fails on purpose: reserved, disabled, unknown, and free for later.
  ...[0x50, 0x62, 0x65, 0x7e, 0x95, 0xb0, 0xb5, 0xba, 0xff],
];

/** A short script of operations drawn at random, over a stack drawn at random. Few can be spent. */
function randomLock(random: Random): Lock {
  const parts: (number | Uint8Array)[] = [];
  for (let left = 1 + random.int(10); left > 0; left--) {
    const kind = random.int(10);
    if (kind < 3) parts.push(push(random.bytes(random.int(4))));
    else if (kind === 3) parts.push(concatBytes(Uint8Array.of(0x4c, 1), random.bytes(1)));
    else if (kind === 4) parts.push(OP.IF, pushNumber(random.int(3)), OP.ELSE, random.pick(RANDOM_OPS), OP.ENDIF);
    else parts.push(random.pick(RANDOM_OPS));
  }
  if (random.chance(0.5)) parts.push(pushNumber(1));
  const items = Array.from({ length: random.int(5) }, () =>
    random.pick([EMPTY, ONE, Uint8Array.of(2), Uint8Array.of(0), Uint8Array.of(0x80), random.bytes(random.int(5))]),
  );
  return odd(
    witnessScriptLock("random script", assemble(...parts), { name: "random stack", stack: () => items.slice() }),
  );
}

/** Consensus lets a witness script hold a key of 65 bytes; relay doesn't. */
function longKeyLock(random: Random): Lock {
  const key = randomKey(random);
  const form = random.pick(["uncompressed", "hybrid"] as const);
  const long = new Uint8Array(Buffer.from(ECDH.convertKey(key.public, "secp256k1", undefined, undefined, form)));
  return odd(
    witnessScriptLock("long key", assemble(push(long), OP.CHECKSIG), {
      name: "key",
      stack: (sign) => [sign(key.secret)],
    }),
  );
}

/** P2WSH of TRUE, and witness scripts at the limits of what relay carries. */
function oddLocks(random: Random): Lock[] {
  const padded = (size: number): Uint8Array => {
    const parts: (number | Uint8Array)[] = [];
    let left = size - 1;
    for (; left >= 78; left -= 78) parts.push(push(random.bytes(75)), OP.DROP);
    // Single operations fill the rest up.
    for (; left > 0; left -= 1) parts.push(0x61);
    return assemble(...parts, OP.ONE);
  };
  return [
    longKeyLock(random),
    ANYBODY,
    witnessScriptLock("script of 3600", padded(3600), { name: "nothing", stack: () => [] }),
    odd(witnessScriptLock("script of 3601", padded(3601), { name: "nothing", stack: () => [] })),
    witnessScriptLock("item of 80", assemble(OP.DROP, OP.ONE), { name: "80", stack: () => [random.bytes(80)] }),
    odd(witnessScriptLock("item of 81", assemble(OP.DROP, OP.ONE), { name: "81", stack: () => [random.bytes(81)] })),
    witnessScriptLock("100 items", assemble(...Array.from({ length: 50 }, () => OP.DROP2), OP.ONE), {
      name: "100",
      stack: () => Array.from({ length: 100 }, () => ONE),
    }),
    odd(
      witnessScriptLock("101 items", assemble(...Array.from({ length: 50 }, () => OP.DROP2)), {
        name: "101",
        stack: () => Array.from({ length: 101 }, () => ONE),
      }),
    ),
  ];
}

/** One lock of each kind, with keys, hashes and delays of its own; odd ones now and then. */
export function randomLocks(random: Random): Lock[] {
  return [
    ...channelLocks(random),
    ...walletLocks(random),
    ...policyLocks(random),
    ...Array.from({ length: 3 }, () => randomLock(random)),
    ...(random.chance(0.05) ? oddLocks(random) : []),
  ];
}
