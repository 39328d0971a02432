import { describe, expect, it } from "vitest";
import { ChannelPair } from "../../../test/support/channel-pair.ts";
import { asTxid, invariant, type Satoshi } from "../base/index.ts";
import { parseTransaction } from "../bitcoin/index.ts";
import type { AnchorSpendRow, ChainOutputRow } from "./rows.ts";
import { planSweeps } from "./sweeps.ts";

const TXID = asTxid(new Uint8Array(32).fill(5));
/** Block of the revoked commitment. */
const CONFIRMED = 1_000;

/** Bob, and Alice's commitment 0, which she has revoked, with so many HTLCs of 5,000 satoshi beside her own output of 50,000. */
function punishing(htlcs: number) {
  const { alice, bob } = new ChannelPair().open({ pushMsat: 400_000_000n });
  const pair = { alice, bob };
  const state = structuredClone(bob.channel);
  const { signer } = alice;
  const preimage = signer.revocationPreimage(alice.channel.channel.index, 0xffff_ffff_ffff_ffffn);
  state.revocationSlots = [{ slot: 0, index: 0xffff_ffff_ffff_ffffn, preimage }];
  const anchorSpend: AnchorSpendRow = {
    txid: TXID,
    transaction: new Uint8Array(0),
    kind: "revoked",
    holder: "remote",
    number: 0,
    height: CONFIRMED,
  };
  const output = (index: number): ChainOutputRow => ({
    txid: TXID,
    index,
    amountSat: (index === 0 ? 50_000n : 5_000n) as Satoshi,
    kind: index === 0 ? "to_self" : index % 2 === 0 ? "offered" : "received",
    htlcId: undefined,
    witnessScript: new Uint8Array(index === 0 ? 70 : 125).fill(1),
    spend: undefined,
  });
  for (let index = 0; index <= htlcs; index++) state.chainOutputs.set(index, output(index));
  const plan = (height: number, caughtUpAt = 0) =>
    planSweeps(state, anchorSpend, { ...pair.bob.context(), height, caughtUpAt }).made;
  return { state, plan, delay: state.terms.local?.delay ?? 0 };
}

describe("claims that wait", () => {
  it("are made dearer for three blocks that came, not for those that we caught up with", () => {
    const { state, plan } = punishing(3);
    const [first] = plan(CONFIRMED);
    invariant(first !== undefined, "a claim");
    state.sweeps = [first];
    expect(plan(CONFIRMED + 2)).toEqual([]);
    expect(plan(CONFIRMED + 3)[0]?.feeRate).toBeGreaterThanOrEqual(first.feeRate * 1.25);
    expect(plan(CONFIRMED + 9, CONFIRMED + 9)).toEqual([]);
    expect(plan(CONFIRMED + 11, CONFIRMED + 9)).toEqual([]);
    expect(plan(CONFIRMED + 12, CONFIRMED + 9)[0]?.feeRate).toBeGreaterThanOrEqual(first.feeRate * 1.25);
  });
});

describe("penalties", () => {
  it("[B2-37] take at most 350 outputs and 100,000 bytes in one transaction", () => {
    const made = punishing(800).plan(CONFIRMED);
    expect(made.map(({ claims }) => claims.length)).toEqual([350, 350, 101]);
    for (const { transaction } of made) expect(transaction.length).toBeLessThan(100_000);
  });

  it("go in small groups once the cheater's delay is nearly over, his own output alone", () => {
    const { plan, delay } = punishing(90);
    expect(plan(CONFIRMED + delay - 20).map(({ claims }) => claims.length)).toEqual([91]);
    const late = plan(CONFIRMED + delay - 12);
    expect(late.map(({ claims }) => claims.length)).toEqual([1, 20, 20, 20, 20, 10]);
    expect(late[0]?.claims).toEqual([0]);
    expect(late.flatMap(({ claims }) => claims).toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: 91 }, (_, n) => n),
    );
    for (const { transaction } of late) expect(parseTransaction(transaction).ok).toBe(true);
  });

  it("are in smaller groups yet when he can take what is in them: one that he takes spoils the others for a block", () => {
    const { plan, delay } = punishing(10);
    expect(plan(CONFIRMED + delay).map(({ claims }) => claims.length)).toEqual([1, 4, 4, 2]);
  });
});
