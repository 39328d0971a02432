import type { RandomNumbers } from "../../src/testing/random-numbers.ts";

const NOTEWORTHY_BYTES = [0, 1, 2, 16, 31, 32, 33, 64, 0x7f, 0x80, 0xfc, 0xfd, 0xfe, 0xff];
const NOTEWORTHY_NUMBERS = [
  0n,
  1n,
  0x7fn,
  0xffn,
  0x7fffn,
  0xffffn,
  0x7fff_ffffn,
  0xffff_ffffn,
  499_999_999n,
  500_000_000n,
  2_100_000_000_000_000n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 1n,
];

export type Material = {
  readonly random: RandomNumbers;
  readonly inputs: readonly Uint8Array[];
  readonly dictionary: readonly Uint8Array[];
  readonly longest: number;
};

type Mutation = (input: Uint8Array, material: Material) => Uint8Array;

function spliced(input: Uint8Array, from: number, to: number, part: Uint8Array): Uint8Array {
  const out = new Uint8Array(input.length - (to - from) + part.length);
  out.set(input.subarray(0, from));
  out.set(part, from);
  out.set(input.subarray(to), from + part.length);
  return out;
}

/** The input with one byte replaced. */
function changed(input: Uint8Array, random: RandomNumbers, change: (byte: number) => number): Uint8Array {
  if (input.length === 0) return Uint8Array.of(random(256));
  const at = random(input.length);
  return input.with(at, change(input[at] ?? 0));
}

/** A part of an input: short ones more often than long ones. */
function range(input: Uint8Array, random: RandomNumbers): [from: number, to: number] {
  const from = random(input.length + 1);
  const most = Math.min(input.length - from, random(4) === 0 ? input.length : 16);
  return [from, from + random(most + 1)];
}

function number(random: RandomNumbers): Uint8Array {
  const value = NOTEWORTHY_NUMBERS[random(NOTEWORTHY_NUMBERS.length)] ?? 0n;
  const width = [2, 4, 8][random(3)] ?? 4;
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt.asUintN(8 * width, value + BigInt(random(3)) - 1n));
  const big = bytes.slice(8 - width);
  return random(2) === 0 ? big : big.reverse();
}

const MUTATIONS: readonly Mutation[] = [
  (input, { random }) => changed(input, random, (byte) => byte ^ (1 << random(8))),
  (input, { random }) => changed(input, random, () => random(256)),
  (input, { random }) => changed(input, random, () => NOTEWORTHY_BYTES[random(NOTEWORTHY_BYTES.length)] ?? 0),
  (input, { random }) => changed(input, random, (byte) => byte + random(2 * 16 + 1) - 16),
  // A number at a bound, in place of what stands there.
  (input, { random }) => {
    const part = number(random);
    const from = random(input.length + 1);
    return spliced(input, from, Math.min(input.length, from + part.length), part);
  },
  // Erased, repeated, moved.
  (input, { random }) => spliced(input, ...range(input, random), new Uint8Array(0)),
  (input, { random }) => input.slice(0, random(input.length + 1)),
  (input, { random }) => {
    const [from, to] = range(input, random);
    const at = random(input.length + 1);
    return spliced(input, at, at, input.subarray(from, to));
  },
  (input, { random }) => {
    const [from, to] = range(input, random);
    const rest = spliced(input, from, to, new Uint8Array(0));
    const at = random(rest.length + 1);
    return spliced(rest, at, at, input.subarray(from, to));
  },
  (input, { random }) => {
    const at = random(input.length + 1);
    return spliced(
      input,
      at,
      at,
      Uint8Array.from({ length: 1 + random(8) }, () => random(256)),
    );
  },
  // Crossed with another input.
  (input, { random, inputs }) => {
    const other = inputs[random(inputs.length)] ?? input;
    const [from, to] = range(other, random);
    const at = random(input.length + 1);
    const end = random(2) === 0 ? at : Math.min(input.length, at + to - from);
    return spliced(input, at, end, other.subarray(from, to));
  },
  (input, { random, inputs }) => {
    const other = inputs[random(inputs.length)] ?? input;
    const at = random(Math.min(input.length, other.length) + 1);
    return spliced(input, at, input.length, other.subarray(at));
  },
  (input, { random, dictionary }) => {
    const word = dictionary[random(Math.max(1, dictionary.length))] ?? number(random);
    const at = random(input.length + 1);
    return spliced(input, at, random(2) === 0 ? at : Math.min(input.length, at + word.length), word);
  },
];

/** The input after a few changes of all sorts. */
export function mutated(input: Uint8Array, material: Material): Uint8Array {
  const { random, longest } = material;
  let result = input;
  for (let left = 1 + random(random(3) === 0 ? 8 : 3); left > 0; left--) {
    result = MUTATIONS[random(MUTATIONS.length)]?.(result, material) ?? result;
  }
  return result.length > longest ? result.slice(0, longest) : result;
}

/** The input with parts left out for as long as `still` holds: large ones first. */
export async function shortened(
  input: Uint8Array,
  still: (input: Uint8Array) => boolean | Promise<boolean>,
  tries: number,
): Promise<Uint8Array> {
  let best = input;
  let left = tries;
  for (let size = Math.ceil(best.length / 2); size >= 1 && left > 0; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < best.length && left > 0; left--) {
      const shorter = spliced(best, at, Math.min(best.length, at + size), new Uint8Array(0));
      if (await still(shorter)) best = shorter;
      else at += size;
    }
  }
  return best;
}
