import { describe, expect, it } from "vitest";
import { moneyIn } from "../../../test/support/ledger-rows.ts";
import {
  CHANNEL,
  type Contract,
  contract,
  coSigned,
  FUNDS,
  fill,
  type LedgerScene,
  LOCK_PERIOD,
  ledgerScene,
  PEOPLE,
  pair,
  recorded,
  shown,
  stateOf,
  toPay,
  withRoot,
} from "../../../test/support/ledger-scene.ts";
import { sha256 } from "../crypto/index.ts";
import { type Action, isFinal, leafHash, type ShownState, settlement } from "./index.ts";

const { initiator, responder } = PEOPLE;
const ROOT = fill(77);

/**
 * A contract that counts: its root becomes SHA-256 of itself with every step; the evidence says amount, nonce and delay. Evidence that is one
 * int 9 keeps the root.
 */
const COUNTER = contract(6, `car drop >r int 9 == if drop drop r> else drop drop r> hash then`, { root: ROOT });
/** delay nonce amount mode: what the counter is told. */
const step = (amount: number, nonce: number, delay: number, mode = 0): string =>
  `int ${delay} int ${nonce} int ${amount} int ${mode}`;

const next = (one: Contract): Contract => withRoot(one, sha256(one.leaf.root));

function force(state: ShownState, one: Contract, evidence: string, among: readonly Contract[] = [one]): Action {
  return { type: "force_progress", channelId: CHANNEL, state, contract: shown(one, among, evidence) };
}

/** The contract after `count` steps. */
function steps(count: number): Contract {
  let one = COUNTER;
  for (let i = 0; i < count; i++) one = next(one);
  return one;
}

function open(round = 1): LedgerScene {
  const scene = ledgerScene();
  scene.do({ type: "snapshot_solo", channelId: CHANNEL, state: coSigned(stateOf(round, [COUNTER])) });
  return scene;
}

function closing(round = 1): LedgerScene {
  const scene = ledgerScene();
  scene.do({ type: "close_solo", channelId: CHANNEL, state: coSigned(stateOf(round, [COUNTER])) });
  return scene;
}

const now = (scene: LedgerScene): ShownState => recorded(scene.channel().header);

describe("force_progress", () => {
  it("[AC-22] runs the step, and its new state stands: the parties can go on from there", () => {
    const scene = open();
    const events = scene.do(force(now(scene), COUNTER, step(0, 0, 5)));
    const { header } = scene.channel();
    expect(scene.channel()).toMatchObject({ base: 1n, solo: 1 });
    expect(header).toStrictEqual({ ...stateOf(1, [steps(1)]), round: 2n });
    expect(events.at(-1)).toMatchObject({ type: "forced", slot: 6, root: steps(1).leaf.root, until: 0 });
    scene.do(force(now(scene), steps(1), step(0, 0, 5)), { from: responder });
    expect(scene.channel()).toMatchObject({ base: 1n, solo: 2, header: { round: 3n } });
    // base + solo + 1 is the round they go on with.
    scene.do({ type: "snapshot_solo", channelId: CHANNEL, state: coSigned(stateOf(4, [steps(3)])) });
    expect(scene.channel()).toMatchObject({ base: 4n, solo: 0 });
  });

  it("[AC-22] gives the balances what a final step says", () => {
    const scene = open();
    const events = scene.do(force(now(scene), COUNTER, step(2_500, 1, 0)));
    expect(scene.channel().header).toStrictEqual({ ...stateOf(2), balances: pair(9_750, 5_250) });
    expect(events.at(-1)).toMatchObject({ type: "forced", root: undefined });
  });

  it("is final only with a nonce", () => {
    const scene = open();
    scene.do(force(now(scene), COUNTER, step(10_000, 0, 0)));
    expect(scene.channel().header).toStrictEqual({ ...stateOf(2, [steps(1)]), round: 2n });
  });

  it("goes on from a newer state that both signed, which becomes the base", () => {
    const scene = open(1);
    scene.do(force(now(scene), COUNTER, step(0, 0, 5)));
    scene.do(force(coSigned(stateOf(8, [COUNTER])), COUNTER, step(0, 0, 5)));
    expect(scene.channel()).toMatchObject({ base: 8n, solo: 1, header: { round: 9n } });
  });

  it("loses all its steps, fifty or more, to one co-signed round above the base", () => {
    const scene = open(1);
    for (let i = 0; i < 50; i++) scene.do(force(now(scene), steps(i), step(0, 0, 5)));
    expect(scene.channel()).toMatchObject({ base: 1n, solo: 50 });
    scene.do({ type: "close_solo", channelId: CHANNEL, state: now(scene) });
    scene.do({ type: "slash", channelId: CHANNEL, state: coSigned(stateOf(2)) }, { from: responder });
    expect(scene.channel()).toMatchObject({ base: 2n, solo: 0, header: stateOf(2) });
  });

  it("ends after 64 steps of one signer since the base, and not for the other, or from a new base", () => {
    const scene = open(1);
    for (let i = 0; i < 64; i++) scene.do(force(now(scene), steps(i), step(0, 0, 5)));
    expect(scene.try(force(now(scene), steps(64), step(0, 0, 5)))).toStrictEqual({
      ok: false,
      error: { type: "steps_used_up", limit: 64 },
    });
    scene.do(force(now(scene), steps(64), step(0, 0, 5)), { from: responder });
    scene.do({ type: "snapshot_solo", channelId: CHANNEL, state: coSigned(stateOf(2, [COUNTER])) });
    expect(scene.try(force(now(scene), COUNTER, step(0, 0, 5))).ok).toBe(true);
  });

  it("[AP-13] costs its fee and does nothing where the run fails or the root stays", () => {
    for (const [evidence, type] of [
      ["fail", "run_failed"],
      [step(10_000, 5, 0, 9), "passed"],
    ] as const) {
      const scene = closing();
      const newer = coSigned(stateOf(8, [COUNTER]));
      const before = scene.balance(initiator);
      expect(scene.do(force(newer, COUNTER, evidence))).toMatchObject([{ type }]);
      expect(before - scene.balance(initiator)).toBe(15n);
      // Not even the newer state that it was shown with.
      expect(scene.channel()).toMatchObject({ base: 1n, solo: 0, closing: { forfeited: false } });
    }
  });

  it("refuses a contract with a final record", () => {
    const scene = closing();
    const book = contract(6, "drop drop int 0 int 1 int 7 nil", { root: ROOT });
    const both = [book];
    const other = ledgerScene();
    other.do({ type: "close_solo", channelId: CHANNEL, state: coSigned(stateOf(1, both)) });
    other.do({ type: "resolve", channelId: CHANNEL, state: now(other), contracts: [shown(book, both, "int 1")] });
    const record = other.rows.record(CHANNEL, leafHash(book.leaf));
    expect(record !== undefined && isFinal(record)).toBe(true);
    expect(other.try(force(now(other), book, "int 1"))).toStrictEqual({ ok: false, error: { type: "record_final" } });
    expect(scene.try(force(now(scene), COUNTER, step(0, 0, 5))).ok).toBe(true);
  });

  it.each<[string, (scene: LedgerScene) => Action, string]>([
    ["a state nobody signed", () => force(recorded(stateOf(2, [COUNTER])), COUNTER, ""), "state_not_recorded"],
    ["a state that is not newer", () => force(coSigned(stateOf(1, [])), COUNTER, ""), "round_not_higher"],
    ["what is not in the state", (scene) => force(now(scene), steps(1), step(0, 0, 5)), "contract_not_proven"],
    [
      "another program",
      (scene) => {
        const action = force(now(scene), COUNTER, "");
        if (action.type !== "force_progress") throw new Error("force");
        return { ...action, contract: { ...action.contract, program: contract(0, "nop").program } };
      },
      "program_wrong",
    ],
  ])("refuses %s", (_, action, type) => {
    const scene = open(1);
    expect(scene.try(action(scene))).toMatchObject({ ok: false, error: { type } });
  });

  it("refuses more gas than the ledger has", () => {
    const heavy = contract(6, "nop", { root: ROOT, timeGas: 10_001 });
    const scene = ledgerScene();
    scene.do({ type: "snapshot_solo", channelId: CHANNEL, state: coSigned(stateOf(1, [heavy])) });
    expect(scene.try(force(now(scene), heavy, ""))).toMatchObject({ error: { type: "gas_above_ledger" } });
  });

  it("refuses a contract whose stakes are not all locked, before it is run", () => {
    const header = { ...stateOf(1, [COUNTER]), locked: stateOf(1).locked, balances: pair(10_000, 5_000) };
    const scene = ledgerScene();
    scene.do({ type: "snapshot_solo", channelId: CHANNEL, state: coSigned(header) });
    expect(scene.try(force(now(scene), COUNTER, step(0, 1, 0)))).toStrictEqual({
      ok: false,
      error: { type: "stakes_above_locked", locked: 0n, actual: 1_000n },
    });
  });
});

describe("force_progress after a solo close", () => {
  it("moves the contract's own time only, to a lock period from now", () => {
    const scene = closing();
    scene.height = 139;
    scene.do(force(now(scene), COUNTER, step(0, 0, 5)));
    expect(scene.rows.mark(CHANNEL, COUNTER.leaf.id)).toMatchObject({ until: 159 });
    expect(scene.channel().closing?.end).toBe(120);
    scene.height = 158;
    scene.do(force(now(scene), steps(1), step(0, 0, 5)), { from: responder });
    scene.height = 178;
    expect(scene.try(force(now(scene), steps(2), step(0, 0, 5)))).toStrictEqual({
      ok: false,
      error: { type: "too_late", limit: 178, actual: 178 },
    });
  });

  it("is too late a lock period after the end, where nothing moved the contract's time", () => {
    const scene = closing();
    scene.height = 140;
    expect(scene.try(force(now(scene), COUNTER, step(0, 0, 5)))).toStrictEqual({
      ok: false,
      error: { type: "too_late", limit: 140, actual: 140 },
    });
  });

  it("is in time before what the contract's evidence waits for", () => {
    const scene = closing();
    scene.do({
      type: "resolve",
      channelId: CHANNEL,
      state: now(scene),
      contracts: [shown(COUNTER, [COUNTER], step(9, 1, 90))],
    });
    scene.height = 189;
    expect(scene.try(force(now(scene), COUNTER, step(0, 0, 5))).ok).toBe(true);
  });

  it("takes a newer state before the end, and none after", () => {
    const newer = coSigned(stateOf(3, [COUNTER]));
    const scene = closing();
    scene.height = 120;
    expect(scene.try(force(newer, COUNTER, step(0, 0, 5)))).toStrictEqual({
      ok: false,
      error: { type: "too_late", limit: 120, actual: 120 },
    });
    scene.height = 119;
    scene.do(force(newer, COUNTER, step(0, 0, 5)));
    expect(scene.channel()).toMatchObject({ base: 3n, solo: 1 });
  });

  it("[AC-9] does not spare the closer its reserve: a state 4 rounds newer counts however it comes", () => {
    for (const [round, forfeited] of [
      [4, false],
      [5, true],
    ] as const) {
      const scene = closing();
      scene.do(force(coSigned(stateOf(round, [COUNTER])), COUNTER, step(0, 0, 5)));
      expect(scene.channel().closing?.forfeited).toBe(forfeited);
    }
  });

  it("keeps the record of a contract that a step made another, which does not count for the new one", () => {
    const scene = closing();
    scene.do({
      type: "resolve",
      channelId: CHANNEL,
      state: now(scene),
      contracts: [shown(COUNTER, [COUNTER], step(10_000, 1, 30))],
    });
    scene.do(force(now(scene), COUNTER, step(0, 0, 5)), { from: responder });
    scene.height = 200;
    scene.do({ type: "settle", channelId: CHANNEL });
    const one = steps(1);
    const pay = scene.do({ type: "payout", channelId: CHANNEL, contracts: [toPay(one, [one])] });
    // The empty run underflows: it never had a good one.
    expect(pay).toMatchObject([{ type: "contract_paid", paid: pair(1_000, 0) }, { type: "closed" }]);
  });

  it("leaves a whole lock period to answer a step, whatever short delay evidence names", () => {
    const scene = closing();
    scene.height = 139;
    scene.do(force(now(scene), COUNTER, step(0, 0, 5)));
    const [one] = [steps(1)];
    scene.height = 140;
    scene.do({ type: "settle", channelId: CHANNEL });
    const events = scene.do({
      type: "resolve",
      channelId: CHANNEL,
      state: now(scene),
      contracts: [shown(one, [one], step(10_000, 1, 1))],
    });
    expect(events).toMatchObject([{ type: "resolved", record: { until: 139 + LOCK_PERIOD } }]);
    scene.height = 158;
    const early = scene.do({ type: "payout", channelId: CHANNEL, contracts: [toPay(one, [one])] });
    expect(early).toMatchObject([{ type: "passed", why: "still_waiting" }]);
    expect(scene.try(force(now(scene), one, step(0, 0, 5)), { from: responder }).ok).toBe(true);
  });

  it("waits for the contract's own time before it pays without evidence", () => {
    const scene = closing();
    scene.height = 130;
    scene.do(force(now(scene), COUNTER, step(0, 0, 5)));
    scene.do({ type: "settle", channelId: CHANNEL });
    const one = steps(1);
    scene.height = 149;
    const action: Action = { type: "payout", channelId: CHANNEL, contracts: [toPay(one, [one])] };
    expect(scene.do(action)).toMatchObject([{ why: "still_waiting" }]);
    scene.height = 150;
    expect(scene.do(action)).toMatchObject([{ type: "contract_paid" }, { type: "closed" }]);
  });

  it("gives a final step to the balances before the settlement, and pays it out after", () => {
    const before = closing();
    before.do(force(now(before), COUNTER, step(4_000, 1, 0)));
    expect(settlement(before.channel())).toStrictEqual(pair(9_600, 5_400));
    const other = contract(2, "nop");
    const both = [COUNTER, other];
    const scene = ledgerScene();
    scene.do({ type: "close_solo", channelId: CHANNEL, state: coSigned(stateOf(1, both)) });
    scene.height = 130;
    scene.do({ type: "settle", channelId: CHANNEL });
    const had = [scene.balance(initiator), scene.balance(responder)] as const;
    const events = scene.do(force(now(scene), COUNTER, step(4_000, 1, 0), both), { fee: 15n });
    expect(events.at(-1)).toMatchObject({ type: "contract_paid", paid: pair(600, 400) });
    expect(scene.balance(initiator) - had[0]).toBe(600n - 15n);
    expect(scene.balance(responder) - had[1]).toBe(400n);
    expect(scene.channel().unpaid).toBe(1_000n);
    expect(scene.try(force(now(scene), COUNTER, step(4_000, 1, 0), [other]))).toMatchObject({ ok: false });
    expect(moneyIn(scene.rows) + scene.burned).toBe(3n * FUNDS);
  });

  it("deletes the channel with the last contract", () => {
    const scene = closing();
    scene.height = 130;
    scene.do({ type: "settle", channelId: CHANNEL });
    expect(scene.do(force(now(scene), COUNTER, step(4_000, 1, 0))).at(-1)).toStrictEqual({
      type: "closed",
      mutual: false,
    });
    expect(scene.rows.channel(CHANNEL)).toBeUndefined();
  });

  it("never steps a contract that is paid", () => {
    // The same contract in two slots: a record that counts pays the first, the second goes on.
    const twin = { ...COUNTER, slot: 7 };
    const both = [COUNTER, twin];
    const scene = ledgerScene();
    scene.do({ type: "close_solo", channelId: CHANNEL, state: coSigned(stateOf(1, both)) });
    scene.do({
      type: "resolve",
      channelId: CHANNEL,
      state: now(scene),
      contracts: [shown(COUNTER, both, step(10_000, 1, 40))],
    });
    scene.height = 139;
    scene.do({ type: "settle", channelId: CHANNEL });
    scene.do(force(now(scene), twin, step(0, 0, 5), both));
    scene.height = 140;
    const two = [COUNTER, { ...steps(1), slot: 7 }];
    scene.do({ type: "payout", channelId: CHANNEL, contracts: [toPay(COUNTER, two)] });
    expect(scene.try(force(now(scene), COUNTER, step(10_000, 2, 0), two))).toStrictEqual({
      ok: false,
      error: { type: "contract_paid", index: 0 },
    });
  });
});
