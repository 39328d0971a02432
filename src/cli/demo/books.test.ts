import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { balanceTable, type Facts, keepBooks } from "./books.ts";

/** A demo that went well: the wallets hold what was not spent and what the close paid out. */
function facts(of: {
  readonly faucetSat: bigint;
  readonly channelSat: bigint;
  readonly aliceMsat: bigint;
  readonly anchorFeeSat: bigint;
  readonly halfFeeSat: bigint;
}): Facts {
  const { faucetSat, channelSat, aliceMsat, anchorFeeSat, halfFeeSat } = of;
  const bobMsat = channelSat * 1000n - aliceMsat;
  const aliceOutput = aliceMsat / 1000n - halfFeeSat;
  const bobOutput = bobMsat / 1000n - halfFeeSat;
  return {
    faucetSat,
    channelSat,
    aliceMsat,
    bobMsat,
    anchorFeeSat,
    closeLossSat: channelSat - aliceOutput - bobOutput,
    walletAliceSat: faucetSat - channelSat - anchorFeeSat + aliceOutput,
    walletBobSat: bobOutput,
  };
}

const GOOD = facts({
  faucetSat: 5_000_000n,
  channelSat: 2_000_000n,
  aliceMsat: 988_273_500n,
  anchorFeeSat: 306n,
  halfFeeSat: 169n,
});

describe("keepBooks", () => {
  it("finds every satoshi, and names the one that rounding takes", () => {
    const { balances, problems } = keepBooks(GOOD);
    expect(problems).toEqual([]);
    expect(balances).toEqual({
      aliceSat: 3_987_798n,
      bobSat: 1_011_557n,
      anchorFeeSat: 306n,
      closeFeeSat: 338n,
      roundingSat: 1n,
      sumSat: 5_000_000n,
      faucetSat: 5_000_000n,
    });
  });

  it("rounds nothing where both sides own whole satoshi", () => {
    const whole = facts({ ...GOOD, aliceMsat: 988_273_000n, halfFeeSat: 169n });
    expect(keepBooks(whole)).toMatchObject({ problems: [], balances: { roundingSat: 0n, closeFeeSat: 338n } });
  });

  it("adds up for any amounts that a channel can have", () => {
    const amounts = fc.record({
      channelSat: fc.bigInt({ min: 20_000n, max: 16_777_215n }),
      share: fc.bigInt({ min: 0n, max: 1_000_000n }),
      anchorFeeSat: fc.bigInt({ min: 1n, max: 50_000n }),
      halfFeeSat: fc.bigInt({ min: 1n, max: 2_000n }),
    });
    fc.assert(
      fc.property(amounts, ({ channelSat, share, ...fees }) => {
        const kept = 2_546_000n;
        const aliceMsat = kept + ((channelSat * 1000n - 2n * kept) * share) / 1_000_000n;
        const { balances, problems } = keepBooks(facts({ faucetSat: 50_000_000n, channelSat, aliceMsat, ...fees }));
        expect(problems).toEqual([]);
        expect([0n, 1n]).toContain(balances.roundingSat);
        expect(balances.closeFeeSat).toBe(2n * fees.halfFeeSat);
      }),
    );
  });

  it.each(["faucetSat", "channelSat", "anchorFeeSat", "closeLossSat", "walletAliceSat", "walletBobSat"] as const)(
    "notices one satoshi too many or too few in %s",
    (name) => {
      for (const by of [1n, -1n]) expect(keepBooks({ ...GOOD, [name]: GOOD[name] + by }).problems).not.toEqual([]);
    },
  );

  it.each(["aliceMsat", "bobMsat"] as const)("notices one millisatoshi too many or too few in %s", (name) => {
    for (const by of [1n, -1n]) expect(keepBooks({ ...GOOD, [name]: GOOD[name] + by }).problems).not.toEqual([]);
  });

  it("notices money that went to the wrong wallet, though the sum is right", () => {
    const moved = { walletAliceSat: GOOD.walletAliceSat + 1n, walletBobSat: GOOD.walletBobSat - 1n };
    const { balances, problems } = keepBooks({ ...GOOD, ...moved });
    expect(balances.sumSat).toBe(balances.faucetSat);
    expect(problems).toEqual([
      "alice's wallet: 3,987,799 sat, expected 3,987,798 sat (1 off)",
      "bob's wallet: 1,011,556 sat, expected 1,011,557 sat (-1 off)",
    ]);
  });
});

it("shows the balances as a table whose columns line up", () => {
  const lines = balanceTable(keepBooks(GOOD).balances);
  expect(new Set(lines.map((line) => line.length)).size).toBe(1);
  expect(lines.at(-2)).toMatch(/^sum +5,000,000 sat$/);
  expect(lines.at(-1)).toMatch(/^what the faucet gave +5,000,000 sat$/);
});
