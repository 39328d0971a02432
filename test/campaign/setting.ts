import { type Faults, pick, randomNumbers, subSeed } from "../../src/testing/index.ts";

/** What a world is about; each theme has the kinds of steps of the ones before it, but for the cheat's and the old data's. */
export type Theme =
  /** Honest nodes, and everything that goes wrong with machines and networks. No channel ends but by agreement. */
  | "transport"
  /** Honest nodes that also end channels alone, are away for long, and pay fees that jump. */
  | "endings"
  /** One node follows no rule. */
  | "cheater"
  /** One node comes back with old data. */
  | "stale";

export type Setting = {
  readonly seed: number;
  readonly theme: Theme;
  readonly names: readonly string[];
  readonly channels: readonly {
    readonly from: number;
    readonly to: number;
    readonly dual: boolean;
    readonly prestage: boolean;
  }[];
  /** Steps begin while the channels are being opened. */
  readonly opensUnderFire: boolean;
  readonly commitMs: { readonly least: number; readonly most: number };
  readonly faults: Faults;
  /** What each node makes its peers wait, in blocks. */
  readonly delays: readonly number[];
  readonly window: number;
  /** Satoshi per 1000 virtual bytes. */
  readonly estimate: number;
  /** What each node's view of the chain makes of that: no two differ by more than a factor of 2. */
  readonly feeFactors: readonly number[];
  /** Coins of each node. */
  readonly coins: number;
  /** What the cheater is good at: old commitments, or messages. */
  readonly cheat: "publish" | "tamper" | "both";
  /** The cheater is not heard of again after the steps. */
  readonly cheaterGoes: boolean;
  /** Users leave it to their nodes to end a channel with who is gone, as long as an HTLC of it may need the chain. */
  readonly usersWait: boolean;
  /** The cheater mines, and shows no preimage until the other side's claim is nearly final: then it undoes the blocks with it. */
  readonly thiefWaits: boolean;
  readonly steps: number;
};

const NAMES = ["alice", "bob", "carol", "dave", "erin"];

/** The world of a seed. */
export function settingOf(seed: number): Setting {
  const random = randomNumbers(subSeed(seed, "setting"));
  const theme = pick<Theme>(random, [
    ...Array<Theme>(7).fill("transport"),
    ...Array<Theme>(5).fill("endings"),
    ...Array<Theme>(6).fill("cheater"),
    ...Array<Theme>(2).fill("stale"),
  ]);
  const count = pick(random, theme === "cheater" ? [2, 2, 2, 3, 3, 4] : [2, 2, 2, 2, 3, 3, 3, 4, 4, 5]);
  const names = NAMES.slice(0, count);
  // A line, so that everybody has a peer, and perhaps one more, which may be a second one between two.
  const pairs = names.slice(1).map((_, at) => (random(2) === 0 ? [at, at + 1] : [at + 1, at]));
  if (random(3) === 0) {
    const from = random(count);
    pairs.push([from, (from + 1 + random(count - 1)) % count]);
  }
  const channels = pairs.map(([from = 0, to = 0]) => ({ from, to, dual: random(4) === 0, prestage: random(3) === 0 }));
  const rate = () => pick(random, [0, 0, 0.002, 0.01]);
  const isQuiet = random(2) === 0;
  return {
    seed,
    theme,
    names,
    channels,
    opensUnderFire: random(theme === "transport" ? 2 : 5) === 0,
    commitMs: pick(random, [
      { least: 0, most: 0 },
      { least: 1, most: 9 },
      { least: 0, most: 60 },
    ]),
    faults: isQuiet ? {} : { crashAtCommit: rate(), failCommit: rate(), crashAtMessage: rate(), dropAtMessage: rate() },
    delays: names.map(() => (theme === "transport" ? 144 : 20 + random(17))),
    window: pick(random, [2, 16]),
    estimate: 6_000 + random(3_001),
    coins: 3,
    cheat: pick<Setting["cheat"]>(random, ["publish", "publish", "tamper", "tamper", "both"]),
    cheaterGoes: random(3) > 0,
    steps: 40 + random(50),
    usersWait: random(2) === 0 && theme === "cheater",
    thiefWaits: random(2) === 0 && theme === "cheater",
    feeFactors: names.map(() => (71 + random(71)) / 100),
  };
}
