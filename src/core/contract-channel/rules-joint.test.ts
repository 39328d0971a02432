import { describe, expect, it } from "vitest";
import { moneyIn } from "../../../test/support/ledger-rows.ts";
import {
  CHANNEL,
  channelIdFor,
  contract,
  coSigned,
  FUNDS,
  fill,
  ledgerScene,
  PARAMETERS,
  PEOPLE,
  pair,
  RESERVE,
  stateOf,
} from "../../../test/support/ledger-scene.ts";
import { type Action, firstState, type Party, settlement, units } from "./index.ts";

const { initiator, responder, stranger } = PEOPLE;
const create = (more: Partial<typeof PARAMETERS> = {}): Action => ({
  type: "create",
  parameters: { ...PARAMETERS, ...more },
});

describe("what every transaction needs", () => {
  const transfer: Action = { type: "transfer", to: responder.id, amount: units(5) };

  it("a ttl that has not passed: the last tick still counts", () => {
    const scene = ledgerScene();
    expect(scene.try(transfer, { ttl: 99 })).toStrictEqual({
      ok: false,
      error: { type: "ttl_passed", limit: 99, actual: 100 },
    });
    expect(scene.try(transfer, { ttl: 100 }).ok).toBe(true);
  });

  it("the account's next nonce: not one before, so that nothing counts twice, and not one after", () => {
    const scene = ledgerScene();
    const once = scene.transaction(transfer);
    scene.do(transfer);
    expect(scene.try(transfer, { nonce: once.nonce })).toMatchObject({
      error: { type: "nonce_wrong", expected: 2n, actual: 1n },
    });
    expect(scene.try(transfer, { nonce: 3n })).toMatchObject({ error: { expected: 2n, actual: 3n } });
  });

  it("the least fee, and an account that has it", () => {
    const scene = ledgerScene();
    expect(scene.try(transfer, { fee: 9n })).toMatchObject({ error: { type: "fee_too_low", least: 10n, actual: 9n } });
    expect(scene.try(transfer, { fee: FUNDS })).toMatchObject({ error: { type: "funds_missing", needed: FUNDS } });
    const before = scene.balance(initiator);
    scene.do(transfer, { fee: 33n });
    expect(scene.balance(initiator)).toBe(before - 33n - 5n);
  });

  it("the sender's own signature, for this ledger and these very words", () => {
    const scene = ledgerScene();
    expect(scene.try(transfer, { signers: [stranger] })).toStrictEqual({
      ok: false,
      error: { type: "signature_wrong", by: "sender" },
    });
    expect(scene.try({ type: "settle", channelId: CHANNEL }, { signers: [responder] })).toMatchObject({
      error: { type: "signature_wrong" },
    });
  });

  it("a sender who takes part, and a channel that is there", () => {
    const scene = ledgerScene();
    const close: Action = { type: "close_solo", channelId: CHANNEL, state: coSigned(stateOf(1)) };
    expect(scene.try(close, { from: stranger })).toStrictEqual({ ok: false, error: { type: "sender_no_party" } });
    const elsewhere = channelIdFor({ ...PARAMETERS, salt: fill(77) });
    expect(scene.try({ ...close, channelId: elsewhere })).toStrictEqual({
      ok: false,
      error: { type: "channel_unknown" },
    });
  });
});

describe("transfer", () => {
  it("moves money, and refuses none and more than there is", () => {
    const scene = ledgerScene();
    expect(scene.try({ type: "transfer", to: fill(5), amount: units(0) })).toMatchObject({
      error: { type: "amount_zero" },
    });
    expect(scene.try({ type: "transfer", to: fill(5), amount: units(FUNDS) })).toMatchObject({
      error: { type: "funds_missing", needed: FUNDS },
    });
    scene.do({ type: "transfer", to: fill(5), amount: units(70) });
    expect(scene.rows.account(fill(5))).toStrictEqual({ balance: 70n, nonce: 0n });
    scene.do({ type: "transfer", to: initiator.id, amount: units(70) });
    expect(moneyIn(scene.rows) + scene.burned).toBe(3n * FUNDS);
  });
});

describe("create", () => {
  it("[AC-24] opens at round 0 with what each put in, the fee at the initiator's cost", () => {
    const scene = ledgerScene({ open: false });
    const events = scene.do(create(), { fee: 50n });
    expect(scene.balance(initiator)).toBe(FUNDS - 10_000n - 50n);
    expect(scene.balance(responder)).toBe(FUNDS - 5_000n);
    expect(events).toStrictEqual([{ type: "created", base: 0n }]);
    expect(scene.channel()).toMatchObject({
      base: 0n,
      solo: 0,
      header: firstState(CHANNEL, PARAMETERS),
      deposited: pair(10_000, 5_000),
      withdrawn: pair(0, 0),
      closing: undefined,
    });
  });

  it.each<[string, Partial<typeof PARAMETERS>, string]>([
    ["an amount of the initiator below the reserve", { amounts: pair(99, 5000) }, "below_reserve"],
    ["an amount of the responder below the reserve", { amounts: pair(5000, 99) }, "below_reserve"],
    ["more than the initiator has", { amounts: pair(FUNDS, 100) }, "funds_missing"],
    ["more than the responder has", { amounts: pair(100, FUNDS + 1n) }, "funds_missing"],
    ["one account twice", { accounts: { initiator: initiator.id, responder: initiator.id } }, "same_account"],
    ["no lock period", { lockPeriod: 0 }, "parameter_wrong"],
    ["no greatest delay", { maxDelay: 0 }, "parameter_wrong"],
    ["a greatest delay whose ends do not fit a record", { maxDelay: 2 ** 31 }, "parameter_wrong"],
    ["sums of 2^63", { amounts: pair(2n ** 63n - 1n, 1), reserve: units(0) }, "deposits_too_large"],
  ])("refuses %s", (_, more, type) => {
    const scene = ledgerScene({ open: false });
    const signers = more.accounts === undefined ? {} : { signers: [initiator, initiator] };
    expect(scene.try(create(more), signers)).toMatchObject({ ok: false, error: { type } });
    expect(scene.balance(responder)).toBe(FUNDS);
  });

  it("takes amounts of just the reserve, and all that the responder has", () => {
    const scene = ledgerScene({ open: false });
    expect(scene.try(create({ amounts: pair(RESERVE, FUNDS) })).ok).toBe(true);
  });

  it("needs both signatures, and none counts for other parameters", () => {
    const scene = ledgerScene({ open: false });
    expect(scene.try(create(), { signers: [initiator, initiator] })).toMatchObject({
      error: { type: "signature_wrong", by: "responder" },
    });
    expect(scene.try(create(), { signers: [stranger, responder] })).toMatchObject({ error: { by: "initiator" } });
    const given = scene.transaction(create());
    expect(scene.transaction(create({ maxDelay: 7 })).signatures).not.toStrictEqual(given.signatures);
  });

  it("never uses an id again, also when the channel is gone: old signatures would count anew", () => {
    const scene = ledgerScene();
    expect(scene.try(create())).toStrictEqual({ ok: false, error: { type: "channel_id_used" } });
    scene.do({ type: "close_mutual", channelId: CHANNEL, round: 1n, shares: pair(10_000 - 10, 5_000) });
    expect(scene.try(create())).toStrictEqual({ ok: false, error: { type: "channel_id_used" } });
  });
});

function depositOf(party: Party, amount: bigint, round: bigint, before?: bigint): Action {
  const was = PARAMETERS.amounts[party];
  const deposited = { ...PARAMETERS.amounts, [party]: units(was + amount) };
  const state = stateOf(round, [], { deposited });
  return { type: "deposit", channelId: CHANNEL, party, amount: units(amount), before: units(before ?? was), state };
}

describe("deposit", () => {
  it("[AC-17] adds to what was put in, and records the state that knows of it", () => {
    const scene = ledgerScene();
    const before = scene.balance(responder);
    const events = scene.do(depositOf("responder", 700n, 3n));
    expect(scene.balance(responder)).toBe(before - 700n);
    expect(scene.channel()).toMatchObject({ base: 3n, solo: 0, deposited: pair(10_000, 5_700) });
    expect(scene.channel().header.balances).toStrictEqual(pair(10_000, 5_700));
    expect(events.map(({ type }) => type)).toStrictEqual(["state_recorded", "deposited"]);
  });

  it("counts once, though its signatures stay good: the sum before is stated", () => {
    const scene = ledgerScene();
    scene.do(depositOf("initiator", 700n, 3n));
    expect(scene.try(depositOf("initiator", 700n, 4n))).toMatchObject({
      error: { type: "before_wrong", expected: 10_700n, actual: 10_000n },
    });
  });

  it("keeps a newer state that is recorded, and gives the depositor its money all the same", () => {
    const scene = ledgerScene();
    scene.do({ type: "snapshot_solo", channelId: CHANNEL, state: coSigned(stateOf(5)) });
    scene.do(depositOf("responder", 700n, 3n));
    expect(scene.channel()).toMatchObject({ base: 5n, deposited: pair(10_000, 5_700) });
    scene.do({ type: "close_solo", channelId: CHANNEL, state: coSigned(stateOf(5)) });
    scene.height += 20;
    const before = scene.balance(responder);
    scene.do({ type: "settle", channelId: CHANNEL });
    expect(scene.balance(responder) - before).toBe(5_700n);
  });

  it("[AC-17] is not voided by a snapshot past it", () => {
    const scene = ledgerScene();
    scene.do(depositOf("responder", 700n, 3n));
    // Both had signed round 4 before the responder's deposit came in.
    scene.do({ type: "snapshot_solo", channelId: CHANNEL, state: coSigned(stateOf(4)) });
    scene.do({ type: "close_solo", channelId: CHANNEL, state: coSigned(stateOf(4)) });
    scene.height += 20;
    const before = scene.balance(responder);
    scene.do({ type: "settle", channelId: CHANNEL });
    expect(scene.balance(responder) - before).toBe(5_700n);
  });

  it.each<[string, Action, string]>([
    ["nothing", depositOf("initiator", 0n, 3n), "amount_zero"],
    ["more than there is", depositOf("initiator", FUNDS, 3n), "funds_missing"],
    ["another sum before", depositOf("initiator", 5n, 3n, 9_999n), "before_wrong"],
    ["sums of 2^63", depositOf("initiator", 2n ** 63n - 15_000n, 3n), "deposits_too_large"],
  ])("refuses %s", (_, action, type) => {
    const scene = ledgerScene();
    expect(scene.try(action)).toMatchObject({ ok: false, error: { type } });
  });

  it("takes a state that does not know of it: the depositor has its money beside it", () => {
    const scene = ledgerScene();
    scene.do({ ...depositOf("initiator", 5n, 3n), state: stateOf(3) } as Action);
    expect(settlement(scene.channel())).toStrictEqual(pair(10_005, 5_000));
  });

  it("refuses a state of another channel, with wrong sums, or one that pays somebody less than nothing", () => {
    const scene = ledgerScene();
    const given = depositOf("initiator", 5n, 3n);
    if (given.type !== "deposit") throw new Error("a deposit");
    const { state } = given;
    const other = { ...given, state: { ...state, channelId: channelIdFor({ ...PARAMETERS, salt: fill(1) }) } };
    expect(scene.try(other)).toMatchObject({ error: { type: "other_channel" } });
    expect(scene.try({ ...given, state: { ...state, locked: units(1) } })).toMatchObject({
      error: { type: "sum_wrong", expected: 15_005n, actual: 15_006n },
    });
    // It counts a deposit of the responder that never came, and has spent it.
    const spent = stateOf(3, [], { deposited: pair(10_005, 5_500), balances: pair(15_205, 300) });
    expect(scene.try({ ...given, state: spent })).toMatchObject({
      error: { type: "payout_negative", party: "responder", actual: -200n },
    });
  });

  it("needs both signatures, and an open channel", () => {
    const scene = ledgerScene();
    expect(scene.try(depositOf("initiator", 5n, 3n), { signers: [initiator, initiator] })).toMatchObject({
      error: { type: "signature_wrong", by: "responder" },
    });
    scene.do({ type: "close_solo", channelId: CHANNEL, state: coSigned(stateOf(1)) });
    expect(scene.try(depositOf("initiator", 5n, 3n))).toStrictEqual({
      ok: false,
      error: { type: "phase_wrong", phase: "closing" },
    });
  });
});

function withdrawalOf(party: Party, amount: bigint, round: bigint, before = 0n): Action {
  const withdrawn = { ...pair(0, 0), [party]: units(amount) };
  const state = stateOf(round, [], { withdrawn });
  return {
    type: "withdraw",
    channelId: CHANNEL,
    party,
    to: fill(55),
    amount: units(amount),
    before: units(before),
    state,
  };
}

describe("withdraw", () => {
  it("[AC-17] pays out of the channel, and records the state that knows of it", () => {
    const scene = ledgerScene();
    scene.do(withdrawalOf("initiator", 4_000n, 2n));
    expect(scene.rows.account(fill(55))?.balance).toBe(4_000n);
    expect(scene.channel()).toMatchObject({ base: 2n, withdrawn: pair(4_000, 0) });
    expect(scene.channel().header.balances).toStrictEqual(pair(6_000, 5_000));
  });

  it("counts once", () => {
    const scene = ledgerScene();
    scene.do(withdrawalOf("initiator", 4_000n, 2n));
    expect(scene.try(withdrawalOf("initiator", 4_000n, 3n))).toMatchObject({
      error: { type: "before_wrong", expected: 4_000n, actual: 0n },
    });
  });

  it("leaves twice the reserve", () => {
    const scene = ledgerScene();
    const all = (amount: bigint, left: bigint): Action => {
      const state = { ...stateOf(2), withdrawn: pair(amount, 0), balances: pair(left, 100) };
      return { ...withdrawalOf("initiator", 100n, 2n), amount: units(amount), state } as Action;
    };
    expect(scene.try(all(14_801n, 99n))).toMatchObject({
      error: { type: "remainder_too_small", least: 200n, actual: 199n },
    });
    expect(scene.try(all(14_800n, 100n)).ok).toBe(true);
  });

  it("is refused where a newer state is recorded that pays too little for it, not clamped", () => {
    const scene = ledgerScene();
    scene.do({ type: "snapshot_solo", channelId: CHANNEL, state: coSigned(stateOf(5, [], { push: 7_000n })) });
    expect(scene.try(withdrawalOf("initiator", 4_000n, 2n))).toMatchObject({
      error: { type: "payout_negative", party: "initiator", actual: -1_000n },
    });
    scene.do(withdrawalOf("initiator", 3_000n, 2n));
    expect(scene.channel().base).toBe(5n);
  });

  it.each<[string, Action, string]>([
    ["nothing", withdrawalOf("initiator", 0n, 2n), "amount_zero"],
    ["another sum before", withdrawalOf("initiator", 5n, 2n, 1n), "before_wrong"],
  ])("refuses %s", (_, action, type) => {
    expect(ledgerScene().try(action)).toMatchObject({ ok: false, error: { type } });
  });

  it("needs both signatures, and an open channel", () => {
    const scene = ledgerScene();
    expect(scene.try(withdrawalOf("initiator", 5n, 2n), { signers: [initiator, stranger] })).toMatchObject({
      error: { type: "signature_wrong", by: "responder" },
    });
    scene.do({ type: "close_solo", channelId: CHANNEL, state: coSigned(stateOf(1)) });
    expect(scene.try(withdrawalOf("initiator", 5n, 2n))).toMatchObject({ error: { type: "phase_wrong" } });
  });
});

describe("close_mutual", () => {
  const close = (round: bigint, shares = pair(9_000, 5_990)): Action => ({
    type: "close_mutual",
    channelId: CHANNEL,
    round,
    shares,
  });

  it("[AC-19] pays both at once, the fee out of the channel, and nothing is left of it", () => {
    const scene = ledgerScene();
    const before = [scene.balance(initiator), scene.balance(responder)] as const;
    expect(scene.do(close(1n), { fee: 10n })).toStrictEqual([{ type: "closed", mutual: true }]);
    expect(scene.balance(initiator) - before[0]).toBe(9_000n);
    expect(scene.balance(responder) - before[1]).toBe(5_990n);
    expect(scene.rows.channel(CHANNEL)).toBeUndefined();
    expect(moneyIn(scene.rows) + scene.burned).toBe(3n * FUNDS);
  });

  it("goes while a solo close runs, and not once it is settled", () => {
    const scene = ledgerScene();
    scene.do({ type: "close_solo", channelId: CHANNEL, state: coSigned(stateOf(1, [contract(0, "nop")])) });
    const other = ledgerScene();
    other.do({ type: "close_solo", channelId: CHANNEL, state: coSigned(stateOf(1)) });
    expect(other.try(close(2n), { fee: 10n }).ok).toBe(true);
    scene.height += 20;
    scene.do({ type: "settle", channelId: CHANNEL });
    expect(scene.try(close(3n))).toStrictEqual({ ok: false, error: { type: "phase_wrong", phase: "settled" } });
  });

  it("shares out everything that is left, not a unit more or less", () => {
    const scene = ledgerScene();
    expect(scene.try(close(1n), { fee: 11n })).toStrictEqual({
      ok: false,
      error: { type: "shares_wrong", expected: 15_000n, actual: 15_001n },
    });
    expect(scene.try(close(1n, pair(9_000, 5_989)), { fee: 10n })).toMatchObject({ error: { actual: 14_999n } });
  });

  it("needs a round above the recorded base, and both signatures", () => {
    const scene = ledgerScene();
    scene.do({ type: "snapshot_solo", channelId: CHANNEL, state: coSigned(stateOf(5)) });
    expect(scene.try(close(5n), { fee: 10n })).toMatchObject({
      error: { type: "round_not_higher", limit: 5n, actual: 5n },
    });
    expect(scene.try(close(6n), { fee: 10n, signers: [initiator, initiator] })).toMatchObject({
      error: { type: "signature_wrong", by: "responder" },
    });
    expect(scene.try(close(6n), { fee: 10n }).ok).toBe(true);
  });
});
