import { asTxid, concatBytes } from "../../../src/core/base/index.ts";
import { standardScript } from "./draft.ts";
import type { Path } from "./locks.ts";
import type { Random } from "./random.ts";
import { type Draft, feeOf, type LockedCoin, type SpendInput, sizeOf } from "./spend.ts";

/** What mutations know about the chain. */
export type Surroundings = {
  readonly random: Random;
  /** Of the next block. */
  readonly height: number;
  readonly coins: readonly LockedCoin[];
  /** A coinbase output too young to be spent. */
  readonly immature: LockedCoin;
};

/**
 * One way to spoil a spend, or to bring it to a limit: before it is signed, after, or in the bytes. It changes what it is
 * given. Not every draft has what a mutation changes, and what is spoilt may still be valid: the real node says.
 */
export type Mutation = {
  readonly name: string;
  readonly before?: (draft: Draft, around: Surroundings) => void;
  readonly after?: (draft: Draft, around: Surroundings) => void;
  readonly raw?: (bytes: Uint8Array, around: Surroundings) => Uint8Array;
};

function flipBit(bytes: Uint8Array, random: Random): Uint8Array {
  if (bytes.length === 0) return random.bytes(1);
  const flipped = bytes.slice();
  const at = random.int(flipped.length);
  flipped[at] = (flipped[at] ?? 0) ^ (1 << random.int(8));
  return flipped;
}

function anyInput(draft: Draft, random: Random): SpendInput {
  return random.pick(draft.inputs);
}

/** An input whose path has the lock asked for, else any. */
function inputWith(draft: Draft, random: Random, lock: "delay" | "expiry"): SpendInput {
  const fitting = draft.inputs.filter(({ path }) => path[lock] !== undefined);
  return fitting.length > 0 ? random.pick(fitting) : anyInput(draft, random);
}

/** Replaces one item of a witness. */
function changeItem(draft: Draft, { random }: Surroundings, change: (item: Uint8Array) => Uint8Array): void {
  const { witness } = anyInput(draft, random);
  const at = random.int(witness.length);
  const item = witness[at];
  if (item !== undefined) witness[at] = change(item);
}

function isSignature(item: Uint8Array): boolean {
  return (item.length >= 68 && item.length <= 73 && item[0] === 0x30) || item.length === 64 || item.length === 65;
}

function changeSignature(draft: Draft, { random }: Surroundings, change: (item: Uint8Array) => Uint8Array): void {
  const { witness } = anyInput(draft, random);
  const at = witness.findIndex(isSignature);
  const item = witness[at];
  if (item !== undefined) witness[at] = change(item);
}

/** Leaves `fee` to the miner, taking it from or giving it to the first output. */
function payFee(draft: Draft, fee: bigint): void {
  const [first] = draft.outputs;
  if (first !== undefined) first.amountSat += feeOf(draft) - fee;
}

/** Has an input spend another coin by a path of its own, and the first output make up for the difference. */
function replaceCoin(draft: Draft, random: Random, coin: LockedCoin, path: Path): void {
  const input = anyInput(draft, random);
  if (draft.inputs.some((other) => other.coin === coin)) return;
  const fee = feeOf(draft);
  Object.assign(input, { coin, path, sequence: path.delay ?? 0xfffffffd });
  input.signing.hashType = coin.lock.signature === "ecdsa" ? 1 : 0;
  const [first] = draft.outputs;
  const change = feeOf(draft) - fee;
  if (first !== undefined) first.amountSat = first.amountSat + change > 0n ? first.amountSat + change : 1000n;
}

const NON_SIGNATURE: readonly Mutation[] = [
  {
    name: "bit of an item",
    after: (draft, around) => changeItem(draft, around, (item) => flipBit(item, around.random)),
  },
  {
    name: "item replaced",
    after: (draft, around) =>
      changeItem(draft, around, () => around.random.bytes(around.random.pick([0, 1, 20, 31, 32, 33, 80]))),
  },
  { name: "item cut", after: (draft, around) => changeItem(draft, around, (item) => item.slice(1)) },
  {
    name: "item longer",
    after: (draft, around) =>
      changeItem(draft, around, (item) => concatBytes(item, Uint8Array.of(around.random.int(2)))),
  },
  { name: "item of 81 bytes", after: (draft, around) => changeItem(draft, around, () => new Uint8Array(81).fill(1)) },
  { name: "item of 521 bytes", after: (draft, around) => changeItem(draft, around, () => new Uint8Array(521).fill(1)) },
  {
    name: "extra item",
    after: (draft, { random }) => {
      const { witness } = anyInput(draft, random);
      const extra = random.pick([new Uint8Array(0), Uint8Array.of(1), Uint8Array.of(0x50, 1), random.bytes(33)]);
      witness.splice(random.int(witness.length + 1), 0, extra);
    },
  },
  {
    name: "missing item",
    after: (draft, { random }) => {
      const { witness } = anyInput(draft, random);
      witness.splice(random.int(witness.length), 1);
    },
  },
  {
    name: "no witness",
    after: (draft, { random }) => {
      anyInput(draft, random).witness = [];
    },
  },
  {
    name: "items swapped",
    after: (draft, { random }) => {
      const { witness } = anyInput(draft, random);
      const at = random.int(Math.max(witness.length - 1, 1));
      const [a, b] = witness.slice(at, at + 2);
      if (a !== undefined && b !== undefined) witness.splice(at, 2, b, a);
    },
  },
  {
    name: "branch not minimal",
    after: (draft, { random }) => {
      for (const { witness } of draft.inputs) {
        const at = witness.findIndex((item) => item.length <= 1);
        if (at >= 0)
          witness[at] = random.pick([[0], [2], [1, 0], [0x80], [0, 0]].map((bytes) => Uint8Array.from(bytes)));
      }
    },
  },
  {
    name: "paths mixed",
    before: (draft, { random }) => {
      const input = anyInput(draft, random);
      input.path = random.pick(input.coin.lock.paths);
    },
  },
  {
    name: "odd lock",
    before: (draft, { random, coins }) => {
      const coin = random.pick(coins.filter(({ lock }) => lock.odd === true));
      replaceCoin(draft, random, coin, random.pick(coin.lock.paths));
    },
  },
  {
    name: "path of a lock still closed",
    before: (draft, { random, height, coins }) => {
      const closed = coins.filter(({ lock, height: made }) =>
        lock.paths.some(({ delay = 0, expiry = 0 }) => made + delay > height || expiry >= height),
      );
      if (closed.length === 0) return;
      const coin = random.pick(closed);
      const path = coin.lock.paths.find(
        ({ delay = 0, expiry = 0 }) => coin.height + delay > height || expiry >= height,
      );
      if (path === undefined) return;
      replaceCoin(draft, random, coin, path);
      draft.lockTime = path.expiry ?? draft.lockTime;
    },
  },
];

const SIGNATURES: readonly Mutation[] = [
  {
    name: "bit of a signature",
    after: (draft, around) => changeSignature(draft, around, (item) => flipBit(item, around.random)),
  },
  { name: "empty signature", after: (draft, around) => changeSignature(draft, around, () => new Uint8Array(0)) },
  {
    name: "signature longer",
    after: (draft, around) => changeSignature(draft, around, (item) => concatBytes(item, Uint8Array.of(1))),
  },
  {
    name: "high s",
    before: (draft, { random }) => {
      anyInput(draft, random).signing.highS = true;
    },
  },
  {
    name: "wrong key",
    before: (draft, { random }) => {
      anyInput(draft, random).signing.wrongKey = true;
    },
  },
  {
    name: "wrong amount signed",
    before: (draft, { random }) => {
      anyInput(draft, random).signing.amountError = random.pick([1n, -1n, 546n]);
    },
  },
  {
    name: "unknown hash type",
    before: (draft, { random }) => {
      anyInput(draft, random).signing.hashType = random.pick([0, 4, 0x1f, 0x41, 0x80, 0x84, 0xff]);
    },
  },
  {
    name: "other hash type written",
    before: (draft, { random }) => {
      anyInput(draft, random).signing.writtenType = random.pick([0, 1, 2, 3, 0x81, 0x82, 0x83]);
    },
  },
  {
    name: "loose encoding",
    before: (draft, { random }) => {
      anyInput(draft, random).signing.encode = random.pick([
        (der: Uint8Array) => concatBytes(der, Uint8Array.of(0)),
        (der: Uint8Array) => {
          const r = der.subarray(4, 4 + (der[3] ?? 0));
          const padded = concatBytes(
            Uint8Array.of(0x30, der.length - 1, 2, r.length + 1, 0),
            r,
            der.subarray(4 + r.length),
          );
          return padded;
        },
        (der: Uint8Array) => {
          const copy = der.slice();
          copy[1] = (copy[1] ?? 0) + 1;
          return copy;
        },
        (der: Uint8Array) => {
          const copy = der.slice();
          copy[4] = 0x80;
          return copy;
        },
        () => Uint8Array.of(0x30, 6, 2, 1, 0, 2, 1, 0),
        () => Uint8Array.of(0x30, 6, 2, 1, 1, 2, 1, 1),
        // Numbers of more than 256 bits are encoded well, and no signature.
        () => concatBytes(Uint8Array.of(0x30, 39, 2, 34, 1), new Uint8Array(33), Uint8Array.of(2, 1, 1)),
      ]);
    },
  },
  {
    name: "uncompressed key",
    after: (draft, { random }) => {
      const { witness } = anyInput(draft, random);
      const last = witness.length - 1;
      const key = witness[last];
      if (key?.length === 33)
        witness[last] = concatBytes(Uint8Array.of(random.pick([4, 6, 7])), key.slice(1), random.bytes(32));
    },
  },
  {
    name: "output changed after signing",
    after: (draft, { random }) => {
      random.pick(draft.outputs).amountSat -= 1n;
    },
  },
  {
    name: "sequence changed after signing",
    after: (draft, { random }) => {
      const input = anyInput(draft, random);
      input.sequence = (input.sequence ^ 1) >>> 0;
    },
  },
  {
    name: "lock time changed after signing",
    after: (draft) => {
      draft.lockTime = Math.max(0, draft.lockTime - 1);
    },
  },
  {
    name: "version changed after signing",
    after: (draft) => {
      draft.version = 3 - draft.version;
    },
  },
];

const LOCKS: readonly Mutation[] = [
  {
    name: "sequence too low",
    before: (draft, { random }) => {
      const input = inputWith(draft, random, "delay");
      input.sequence = Math.max(0, (input.path.delay ?? 1) - 1);
    },
  },
  {
    name: "sequence higher than needed",
    before: (draft, { random, height }) => {
      const input = inputWith(draft, random, "delay");
      input.sequence = Math.max(0, height - input.coin.height + random.int(3) - 1);
    },
  },
  {
    name: "sequence in seconds",
    before: (draft, { random }) => {
      const input = inputWith(draft, random, "delay");
      input.sequence = 0x400000 + random.int(20);
    },
  },
  {
    name: "sequence off",
    before: (draft, { random }) => {
      const input = inputWith(draft, random, "delay");
      input.sequence = random.pick([0x80000000 + (input.path.delay ?? 0), 0xffffffff, 0xfffffffd]);
    },
  },
  {
    name: "sequence with bits that don't count",
    before: (draft, { random }) => {
      const input = inputWith(draft, random, "delay");
      input.sequence = (input.path.delay ?? 0) + random.pick([0x10000, 0x200000, 0x3f0000]);
    },
  },
  {
    name: "version 1",
    before: (draft) => {
      draft.version = 1;
    },
  },
  {
    name: "lock time too low",
    before: (draft, { random }) => {
      draft.lockTime = Math.max(0, (inputWith(draft, random, "expiry").path.expiry ?? 1) - 1);
    },
  },
  {
    name: "lock time at the tip",
    before: (draft, { random, height }) => {
      draft.lockTime = height + random.int(3) - 1;
    },
  },
  {
    name: "lock time in seconds",
    before: (draft, { random }) => {
      draft.lockTime = random.pick([500_000_000, 499_999_999, 1_500_000_000, 0xffffffff]);
    },
  },
  {
    name: "all inputs final",
    before: (draft) => {
      for (const input of draft.inputs) input.sequence = 0xffffffff;
      draft.lockTime = Math.max(draft.lockTime, 1);
    },
  },
];

const FORM: readonly Mutation[] = [
  {
    name: "script in the input",
    before: (draft, { random }) => {
      anyInput(draft, random).scriptSig = random.pick(
        [[0x51], [0x01, 0x00], [0x00], [0x61], [0x02, 0x01]].map((bytes) => Uint8Array.from(bytes)),
      );
    },
  },
  {
    name: "unknown version",
    before: (draft, { random }) => {
      draft.version = random.pick([0, 4, 0xffffffff]);
    },
  },
  {
    name: "unknown output spent",
    before: (draft, { random }) => {
      const input = anyInput(draft, random);
      const missing = random.chance(0.5) ? { txid: asTxid(random.bytes(32)) } : { index: 100_000 };
      input.coin = { ...input.coin, ...missing };
    },
  },
  {
    name: "null output spent",
    before: (draft, { random }) => {
      const input = anyInput(draft, random);
      input.coin = { ...input.coin, txid: asTxid(new Uint8Array(32)), index: 0xffffffff };
    },
  },
  {
    name: "output spent twice",
    before: (draft, { random }) => {
      const input = anyInput(draft, random);
      draft.inputs.push({ ...input, signing: { ...input.signing } });
    },
  },
  {
    name: "immature coinbase",
    before: (draft, { random, immature }) => {
      const input = anyInput(draft, random);
      const [path] = immature.lock.paths;
      Object.assign(input, { coin: immature, path, sequence: 0xfffffffd });
    },
  },
  {
    name: "output of no standard kind",
    before: (draft, { random }) => {
      const odd = [
        Uint8Array.of(0x51),
        concatBytes(Uint8Array.of(0x00, 31), random.bytes(31)),
        concatBytes(Uint8Array.of(0x76, 0xa9, 19), random.bytes(19), Uint8Array.of(0x88, 0xac)),
        concatBytes(Uint8Array.of(0x51, 41), random.bytes(41)),
        random.bytes(1 + random.int(40)),
        new Uint8Array(0),
      ];
      random.pick(draft.outputs).script = random.pick(odd);
    },
  },
  {
    name: "data outputs",
    before: (draft, { random }) => {
      const data = (length: number): Uint8Array => concatBytes(Uint8Array.of(0x6a, 0x4c, length), random.bytes(length));
      const scripts = random.pick([
        [data(80)],
        [data(81)],
        [data(76), data(77)],
        [Uint8Array.of(0x6a)],
        [Uint8Array.of(0x6a, 0xac)],
      ]);
      draft.outputs.push(...scripts.map((script) => ({ amountSat: 0n, script })));
    },
  },
  {
    name: "hardly any bytes",
    before: (draft, { random }) => {
      draft.inputs.length = 1;
      draft.outputs = [{ amountSat: 0n, script: concatBytes(Uint8Array.of(0x6a), new Uint8Array(random.int(6))) }];
    },
  },
];

/** What each kind of output must be worth, as Core computes it: 3 satoshi for each byte of it and of its spending. */
function dustLimit(script: Uint8Array): bigint {
  const witness = script[0] === 0 || ((script[0] ?? 0) >= 0x51 && (script[0] ?? 0) <= 0x60);
  return BigInt(3 * (9 + script.length + (witness ? 67 : 148)));
}

const AMOUNTS: readonly Mutation[] = [
  {
    name: "dust or nearly",
    before: (draft, { random }) => {
      const script = standardScript(random);
      draft.outputs.push({ amountSat: dustLimit(script) - 1n + BigInt(random.int(3)), script });
      payFee(draft, 5000n * BigInt(draft.inputs.length));
    },
  },
  {
    name: "nothing to an output",
    before: (draft, { random }) => {
      draft.outputs.push({ amountSat: 0n, script: standardScript(random) });
    },
  },
  {
    name: "low fee",
    before: (draft, { random }) => payFee(draft, BigInt(random.int(400))),
  },
  {
    name: "fee of exactly one per byte, or one less",
    after: (draft, { random }) => {
      if (draft.inputs.some(({ signing }) => signing.hashType !== 0x82)) return;
      payFee(draft, BigInt(sizeOf(draft) - random.int(2)));
    },
    before: (draft) => {
      // These sign no output, so that the fee can be set once the size is known.
      for (const { signing } of draft.inputs) signing.hashType = 0x82;
    },
  },
  {
    name: "more paid than there is",
    before: (draft, { random }) => {
      payFee(draft, BigInt(-random.pick([0, 1, 1000])));
    },
  },
  {
    name: "amount above all money",
    before: (draft, { random }) => {
      random.pick(draft.outputs).amountSat = random.pick([
        2_100_000_000_000_001n,
        2_100_000_000_000_000n,
        2n ** 63n,
        2n ** 64n - 1n,
      ]);
    },
  },
];

const BYTES: readonly Mutation[] = [
  {
    name: "bit of the bytes",
    // All but the version: 3 has rules of its own, which the embedded chain lacks.
    raw: (bytes, { random }) => concatBytes(bytes.slice(0, 4), flipBit(bytes.slice(4), random)),
  },
  { name: "bytes cut", raw: (bytes, { random }) => bytes.slice(0, random.int(bytes.length)) },
  { name: "bytes added", raw: (bytes, { random }) => concatBytes(bytes, random.bytes(1 + random.int(4))) },
];

export const MUTATIONS: readonly Mutation[] = [
  ...NON_SIGNATURE,
  ...SIGNATURES,
  ...LOCKS,
  ...FORM,
  ...AMOUNTS,
  ...BYTES,
];
