/** A whole number from 0 to `below` - 1. */
export type RandomNumbers = (below: number) => number;

/** The same numbers for the same seed, good enough to choose what happens next. Source: Mulberry32. */
export function randomNumbers(seed: number): RandomNumbers {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** A seed of its own for each thing that is named, so that what one takes from its stream moves no other's. */
export function subSeed(seed: number, name: string): number {
  // FNV-1a over the name, from the seed.
  let hash = (0x811c9dc5 ^ seed) >>> 0;
  for (let at = 0; at < name.length; at++) hash = Math.imul(hash ^ name.charCodeAt(at), 0x01000193) >>> 0;
  return randomNumbers(hash)(0x1_0000_0000);
}

/** One of them, each as likely. Throws where there is none. */
export function pick<T>(random: RandomNumbers, from: readonly T[]): T {
  const picked = from[random(from.length)];
  if (picked === undefined) throw new Error("nothing to pick from");
  return picked;
}
