// Where every satoshi of the demo is at its end. Everything here is arithmetic on what was read from the chain, from the
// wallets, and from the demo's own list of payments; no figure is the rest of a subtraction from the total.
import { grouped } from "../format.ts";

export type Facts = {
  /** What the faucet gave to both wallets. */
  readonly faucetSat: bigint;
  /** The channel's amount, and what each side owns of it by the payments that were made. */
  readonly channelSat: bigint;
  readonly aliceMsat: bigint;
  readonly bobMsat: bigint;
  /** Inputs less outputs of the transactions that the chain holds. */
  readonly anchorFeeSat: bigint;
  readonly closeLossSat: bigint;
  readonly walletAliceSat: bigint;
  readonly walletBobSat: bigint;
};

/** All in satoshi; the first five add up to `sumSat`. */
export type Balances = {
  readonly aliceSat: bigint;
  readonly bobSat: bigint;
  readonly anchorFeeSat: bigint;
  readonly closeFeeSat: bigint;
  /** Thousandths of a satoshi of both sides that the chain can't carry: 0 or 1 satoshi, which goes to the miner too. */
  readonly roundingSat: bigint;
  readonly sumSat: bigint;
  readonly faucetSat: bigint;
};

export type Books = {
  readonly balances: Balances;
  /** What does not add up, in words; nothing where all does. */
  readonly problems: readonly string[];
};

function differs(what: string, actual: bigint, expected: bigint): string[] {
  if (actual === expected) return [];
  return [`${what}: ${grouped(actual)} sat, expected ${grouped(expected)} sat (${grouped(actual - expected)} off)`];
}

/** Adds up, and compares each wallet with what the payments say: its change, and its share less half of the close's fee. */
export function keepBooks(facts: Facts): Books {
  const { faucetSat, channelSat, aliceMsat, bobMsat, anchorFeeSat, closeLossSat, walletAliceSat, walletBobSat } = facts;
  const roundingSat = channelSat - aliceMsat / 1000n - bobMsat / 1000n;
  const closeFeeSat = closeLossSat - roundingSat;
  const sumSat = walletAliceSat + walletBobSat + anchorFeeSat + closeFeeSat + roundingSat;
  const changeSat = faucetSat - channelSat - anchorFeeSat;
  const problems = [
    ...differs("the sum of all", sumSat, faucetSat),
    ...differs("alice's wallet", walletAliceSat, changeSat + aliceMsat / 1000n - closeFeeSat / 2n),
    ...differs("bob's wallet", walletBobSat, bobMsat / 1000n - closeFeeSat / 2n),
  ];
  if (aliceMsat + bobMsat !== channelSat * 1000n) {
    problems.push(
      `the channel: ${grouped(aliceMsat + bobMsat)} msat on both sides, of ${grouped(channelSat * 1000n)} msat`,
    );
  }
  if (closeFeeSat <= 0n || closeFeeSat % 2n !== 0n) problems.push(`the close's fee is ${closeFeeSat} sat, not even`);
  const balances = {
    aliceSat: walletAliceSat,
    bobSat: walletBobSat,
    anchorFeeSat,
    closeFeeSat,
    roundingSat,
    sumSat,
    faucetSat,
  };
  return { balances, problems };
}

const LABELS: readonly (readonly [keyof Balances, string])[] = [
  ["aliceSat", "alice's wallet"],
  ["bobSat", "bob's wallet"],
  ["anchorFeeSat", "fee of the anchor transaction"],
  ["closeFeeSat", "fee of the closing transaction"],
  ["roundingSat", "parts of a satoshi, rounded down at the close"],
];

/** The balances as lines of two columns. */
export function balanceTable(balances: Balances): string[] {
  const rows: readonly (readonly [string, string])[] = [
    ...LABELS.map(([name, label]) => [label, grouped(balances[name])] as const),
    ["sum", grouped(balances.sumSat)],
    ["what the faucet gave", grouped(balances.faucetSat)],
  ];
  const left = Math.max(...rows.map(([label]) => label.length));
  const right = Math.max(...rows.map(([, amount]) => amount.length));
  const lines = rows.map(([label, amount]) => `${label.padEnd(left)}  ${amount.padStart(right)} sat`);
  return [...lines.slice(0, LABELS.length), "-".repeat(left + right + 6), ...lines.slice(LABELS.length)];
}
