import { describe, expect, it } from "vitest";
import { moneyIn } from "../../../test/support/ledger-rows.ts";
import {
  CHANNEL,
  channelIdFor,
  contract,
  coSigned,
  FUNDS,
  fill,
  type LedgerScene,
  LOCK_PERIOD,
  ledgerScene,
  PARAMETERS,
  PEOPLE,
  pair,
  RESERVE,
  recorded,
  shown,
  stateOf,
  withRoot,
} from "../../../test/support/ledger-scene.ts";
import { type Action, type ActionType, firstState, type ShownState, stateHash, units } from "./index.ts";

const { initiator, responder, stranger } = PEOPLE;
type Solo = Extract<ActionType, "snapshot_solo" | "close_solo" | "slash">;
const solo = (type: Solo, state: ShownState): Action => ({ type, channelId: CHANNEL, state });
const settle: Action = { type: "settle", channelId: CHANNEL };

/** A channel that the initiator has closed with a state of this round. */
function closed(round = 1): LedgerScene {
  const scene = ledgerScene();
  scene.do(solo("close_solo", coSigned(stateOf(round))));
  return scene;
}

describe.each<Solo>(["snapshot_solo", "close_solo", "slash"])("a state shown to %s", (type) => {
  const sceneFor = (): LedgerScene => (type === "slash" ? closed(2) : ledgerScene());

  it("is signed by both", () => {
    const hash = stateHash({ chainHash: fill(1), ledgerId: fill(2) }, stateOf(3));
    const good = { initiator: initiator.sign(hash), responder: responder.sign(hash) };
    const scene = sceneFor();
    for (const by of ["initiator", "responder"] as const) {
      const state = { header: stateOf(3), signatures: { ...good, [by]: stranger.sign(hash) } };
      expect(scene.try(solo(type, state))).toStrictEqual({ ok: false, error: { type: "state_not_signed", by } });
    }
    expect(scene.try(solo(type, recorded(stateOf(3))))).toMatchObject({ error: { type: "state_not_recorded" } });
    expect(scene.try(solo(type, { header: stateOf(3), signatures: good })).ok).toBe(true);
  });

  it("is of this channel, and of this ledger", () => {
    const other = { ...stateOf(3), channelId: channelIdFor({ ...PARAMETERS, salt: fill(1) }) };
    expect(sceneFor().try(solo(type, coSigned(other)))).toMatchObject({ error: { type: "other_channel" } });
    const elsewhere = coSigned(stateOf(3), { chainHash: fill(1), ledgerId: fill(3) });
    expect(sceneFor().try(solo(type, elsewhere))).toMatchObject({ error: { type: "state_not_signed" } });
  });

  it("has the right sums, and pays nobody less than nothing", () => {
    const scene = sceneFor();
    const wrong = { ...stateOf(3), balances: pair(10_001, 5_000) };
    expect(scene.try(solo(type, coSigned(wrong)))).toMatchObject({
      error: { type: "sum_wrong", expected: 15_000n, actual: 15_001n },
    });
    const early = stateOf(3, [], { deposited: pair(10_000, 5_500), balances: pair(15_200, 300) });
    expect(scene.try(solo(type, coSigned(early)))).toMatchObject({
      error: { type: "payout_negative", party: "responder", actual: -200n },
    });
  });

  it("is newer than the recorded base", () => {
    const scene = type === "slash" ? closed(5) : ledgerScene();
    if (type !== "slash") scene.do(solo("snapshot_solo", coSigned(stateOf(5))));
    for (const round of [4, 5]) {
      const push = { push: 1n };
      expect(scene.try(solo(type, coSigned(stateOf(round, [], push))))).toMatchObject({
        error: { type: "round_not_higher", limit: 5n, actual: BigInt(round) },
      });
    }
    expect(scene.try(solo(type, coSigned(stateOf(6)))).ok).toBe(true);
  });
});

describe("snapshot_solo", () => {
  it("records a state and starts no timer", () => {
    const scene = ledgerScene();
    const state = stateOf(7, [], { push: 50n });
    expect(scene.do(solo("snapshot_solo", coSigned(state)))).toStrictEqual([
      { type: "state_recorded", base: 7n, solo: 0, header: state },
    ]);
    expect(scene.channel()).toMatchObject({ base: 7n, solo: 0, header: state, closing: undefined });
  });

  it("is for open channels", () => {
    expect(closed(1).try(solo("snapshot_solo", coSigned(stateOf(3))))).toStrictEqual({
      ok: false,
      error: { type: "phase_wrong", phase: "closing" },
    });
  });
});

describe("close_solo", () => {
  it("[AC-19] [AC-26] starts the lock period with a co-signed state", () => {
    const scene = ledgerScene();
    const events = scene.do(solo("close_solo", coSigned(stateOf(7))), { from: responder });
    expect(events.at(-1)).toStrictEqual({ type: "closing", by: "responder", end: 100 + LOCK_PERIOD });
    expect(scene.channel()).toMatchObject({
      base: 7n,
      closing: { by: "responder", end: 120, closedAt: 7n, forfeited: false, settled: false },
    });
  });

  it("takes the recorded state without signatures: the first one, too", () => {
    const scene = ledgerScene();
    expect(scene.try(solo("close_solo", recorded(firstState(CHANNEL, PARAMETERS)))).ok).toBe(true);
    const other = ledgerScene();
    expect(other.try(solo("close_solo", recorded({ ...firstState(CHANNEL, PARAMETERS), round: 1n })))).toMatchObject({
      error: { type: "state_not_recorded" },
    });
  });

  it("is for open channels", () => {
    expect(closed(1).try(solo("close_solo", coSigned(stateOf(3))))).toMatchObject({ error: { type: "phase_wrong" } });
  });
});

describe("slash", () => {
  it("[AC-19] replaces an outdated state, and does not move the end: no endless slashing", () => {
    const scene = closed(1);
    scene.height = 119;
    const newer = stateOf(2, [], { push: 100n });
    scene.do(solo("slash", coSigned(newer)), { from: responder });
    expect(scene.channel()).toMatchObject({ base: 2n, solo: 0, header: newer, closing: { end: 120 } });
    scene.do(solo("slash", coSigned(stateOf(3))), { from: responder });
    expect(scene.channel().closing?.end).toBe(120);
  });

  it("ends with the lock period", () => {
    const scene = closed(1);
    scene.height = 120;
    expect(scene.try(solo("slash", coSigned(stateOf(2))))).toStrictEqual({
      ok: false,
      error: { type: "too_late", limit: 120, actual: 120 },
    });
  });

  it("is for channels that close", () => {
    expect(ledgerScene().try(solo("slash", coSigned(stateOf(2))))).toStrictEqual({
      ok: false,
      error: { type: "phase_wrong", phase: "open" },
    });
    const scene = ledgerScene();
    scene.do(solo("close_solo", coSigned(stateOf(1, [contract(0, "nop")]))));
    scene.height = 120;
    scene.do(settle);
    expect(scene.try(solo("slash", coSigned(stateOf(2))))).toMatchObject({ error: { phase: "settled" } });
  });

  it("[AC-9] by 4 rounds costs the closer its reserve, once; by 3 it does not", () => {
    for (const [rounds, lost] of [
      [[4], 0n],
      [[5], RESERVE],
      [[5, 9], RESERVE],
      [[4, 5], RESERVE],
    ] as const) {
      const scene = closed(1);
      const events = rounds.flatMap((round) => scene.do(solo("slash", coSigned(stateOf(round))), { from: responder }));
      expect(events.filter(({ type }) => type === "forfeited")).toHaveLength(lost === 0n ? 0 : 1);
      scene.height = 120;
      const before = [scene.balance(initiator), scene.balance(responder)] as const;
      scene.do(settle, { from: responder, fee: 10n });
      expect(scene.balance(initiator) - before[0]).toBe(10_000n - lost);
      expect(scene.balance(responder) - before[1] + 10n).toBe(5_000n + lost);
    }
  });

  it("[AC-9] takes no more than the closer has", () => {
    const scene = closed(1);
    scene.do(solo("slash", coSigned(stateOf(9, [], { balances: pair(60, 14_940) }))), { from: responder });
    scene.height = 120;
    const before = scene.balance(initiator);
    scene.do(settle, { from: responder });
    expect(scene.balance(initiator) - before).toBe(0n);
  });

  it("[AC-9] counts from base and forced steps as they were at the close", () => {
    const step = contract(0, "car drop hash int 1 swap int 0 swap int 5 swap", { root: fill(1) });
    const first = ledgerScene();
    first.do({
      type: "force_progress",
      channelId: CHANNEL,
      state: coSigned(stateOf(1, [step])),
      contract: shown(step, [step], ""),
    });
    expect(first.channel()).toMatchObject({ base: 1n, solo: 1 });
    first.do(solo("close_solo", recorded(first.channel().header)));
    expect(first.channel().closing?.closedAt).toBe(2n);
    first.do(solo("slash", coSigned(stateOf(5))), { from: responder });
    expect(first.channel().closing?.forfeited).toBe(false);
    first.do(solo("slash", coSigned(stateOf(6))), { from: responder });
    expect(first.channel().closing?.forfeited).toBe(true);
    expect(withRoot(step, fill(2)).leaf.root).toStrictEqual(fill(2));
  });
});

describe("settle", () => {
  it("pays the balances when the end is there, not a block before", () => {
    const scene = closed(1);
    scene.height = 119;
    expect(scene.try(settle)).toStrictEqual({ ok: false, error: { type: "too_early", least: 120, actual: 119 } });
    scene.height = 120;
    const before = [scene.balance(initiator), scene.balance(responder)] as const;
    const events = scene.do(settle, { from: responder, fee: 10n });
    expect(events).toStrictEqual([
      { type: "settled", paid: pair(10_000, 5_000), unpaid: 0n },
      { type: "closed", mutual: false },
    ]);
    expect(scene.balance(initiator) - before[0]).toBe(10_000n);
    expect(scene.balance(responder) - before[1]).toBe(5_000n - 10n);
    expect(scene.rows.channel(CHANNEL)).toBeUndefined();
    expect(moneyIn(scene.rows) + scene.burned).toBe(3n * FUNDS);
  });

  it("leaves a channel with contracts until they are paid, and pays the balances once", () => {
    const scene = ledgerScene();
    scene.do(solo("close_solo", coSigned(stateOf(1, [contract(0, "nop")]))));
    scene.height = 120;
    scene.do(settle);
    expect(scene.channel()).toMatchObject({ unpaid: 1_000n, closing: { settled: true } });
    expect(scene.try(settle)).toStrictEqual({ ok: false, error: { type: "phase_wrong", phase: "settled" } });
  });

  it("is for channels that close", () => {
    expect(ledgerScene().try(settle)).toStrictEqual({ ok: false, error: { type: "phase_wrong", phase: "open" } });
  });

  it("gives what was put in and taken out since the state was signed", () => {
    const scene = ledgerScene();
    const amount = units(300);
    scene.do({
      type: "deposit",
      channelId: CHANNEL,
      party: "initiator",
      amount,
      before: units(10_000),
      state: stateOf(0),
    });
    scene.do(solo("close_solo", coSigned(stateOf(1))));
    scene.height = 120;
    const before = scene.balance(initiator);
    scene.do(settle, { from: responder });
    expect(scene.balance(initiator) - before).toBe(10_300n);
  });
});
