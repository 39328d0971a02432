import { concatBytes } from "../../../src/core/base/index.ts";
import type { Path } from "./locks.ts";
import type { Random } from "./random.ts";
import type { Draft, LockedCoin, SpendInput } from "./spend.ts";

const ECDSA_TYPES = [1, 1, 1, 1, 2, 3, 0x81, 0x82, 0x83];
const TAPROOT_TYPES = [0, 0, 0, 0, 1, 2, 3, 0x81, 0x82, 0x83];

/** An output script of a standard kind. */
export function standardScript(random: Random): Uint8Array {
  const witness = (version: number, length: number): Uint8Array =>
    concatBytes(Uint8Array.of(version === 0 ? 0 : 0x50 + version, length), random.bytes(length));
  switch (random.int(8)) {
    case 0:
      return concatBytes(Uint8Array.of(0x76, 0xa9, 20), random.bytes(20), Uint8Array.of(0x88, 0xac));
    case 1:
      return concatBytes(Uint8Array.of(0xa9, 20), random.bytes(20), Uint8Array.of(0x87));
    case 2:
      return witness(1, 32);
    case 3:
      // Up to 40 bytes would be standard for Core; Knots takes no output script above 34.
      return witness(2 + random.int(15), 10 + random.int(23));
    case 4:
    case 5:
      return witness(0, 32);
    default:
      return witness(0, 20);
  }
}

/** The paths of a coin whose locks have passed for a block at `height`. */
export function openPaths({ lock, height: made }: LockedCoin, height: number): Path[] {
  return lock.paths.filter(({ delay = 0, expiry = 0 }) => made + delay <= height && expiry < height);
}

function spendInput(random: Random, coin: LockedCoin, path: Path, singleAllowed: boolean): SpendInput {
  const types = coin.lock.signature === "ecdsa" ? ECDSA_TYPES : TAPROOT_TYPES;
  // SINGLE without an output beside the input is an error in taproot, and none before.
  const allowed = types.filter((type) => singleAllowed || coin.lock.signature === "ecdsa" || (type & 3) !== 3);
  const sequence = path.delay ?? random.pick([0xfffffffd, 0xfffffffe, 0, 0x80000000]);
  const signing = { hashType: random.pick(allowed), amountError: 0n, highS: false, wrongKey: false };
  return { coin, path, sequence, scriptSig: new Uint8Array(0), signing, witness: [] };
}

/** A transaction with nothing wrong that spends one to three of `coins` in a block at `height`, not signed yet. */
export function validDraft(random: Random, coins: readonly LockedCoin[], height: number): Draft {
  const count = random.pick([1, 1, 1, 1, 2, 3]);
  const outputCount = random.pick([1, 1, 2, 3]);
  const chosen = new Map<LockedCoin, Path>();
  while (chosen.size < count) {
    const coin = random.pick(coins);
    const paths = openPaths(coin, height);
    if (paths.length > 0 && coin.lock.odd !== true) chosen.set(coin, random.pick(paths));
  }
  const inputs = [...chosen].map(([coin, path], i) => spendInput(random, coin, path, i < outputCount));
  const expiry = Math.max(...inputs.map(({ path }) => path.expiry ?? 0));
  // Any lock time that has passed will do; it only counts where some input isn't final.
  const lockTime = expiry > 0 || random.chance(0.2) ? Math.max(expiry, random.int(height)) : 0;
  const fee = BigInt(inputs.length * (2000 + random.int(3000)));
  const available = inputs.reduce((sum, { coin }) => sum + coin.amountSat, 0n) - fee;
  const share = available / BigInt(outputCount);
  const outputs = Array.from({ length: outputCount }, () => ({ amountSat: share, script: standardScript(random) }));
  if (random.chance(0.1)) {
    const data = random.bytes(random.int(76));
    outputs.push({ amountSat: 0n, script: concatBytes(Uint8Array.of(0x6a, data.length), data) });
  }
  return {
    version: random.pick([2, 2, 2, 2, 2, 1].slice(0, inputs.some(({ path }) => path.delay) ? 5 : 6)),
    lockTime,
    inputs,
    outputs,
  };
}
