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
  MAX_DELAY,
  PARAMETERS,
  PEOPLE,
  pair,
  recorded,
  shown,
  stateOf,
  toPay,
} from "../../../test/support/ledger-scene.ts";
import { sha256 } from "../crypto/index.ts";
import {
  type Action,
  type LedgerEvent,
  leafHash,
  type Party,
  type ShownContract,
  type ShownState,
  units,
} from "./index.ts";

const { initiator, responder } = PEOPLE;
const SECRET = fill(42);
const push = (bytes: Uint8Array): string => `binary ${bytes.length} ${Buffer.from(bytes).toString("base64")}`;
const ints = (...numbers: readonly number[]): string => numbers.map((number) => `int ${number}`).join(" ");
/** delay nonce amount root: the root is on top. */
const result = (amount: number, nonce: number, delay: number): string => `${ints(delay, nonce, amount)} nil`;

/** Pays the responder who shows the secret before tick 150; else everything goes back from then on. */
const EXPIRING = `
  height int 150 < not if ${result(0, 1, 0)} return else then
  stack_size int 0 =2 if int 150 height - int 1 int 0 nil return else then
  hash ${push(sha256(SECRET))} == if drop drop ${result(10_000, 2, 0)} return else drop drop then
  int 150 height - int 1 int 0 nil`;
/** Says what the evidence says: amount, nonce, delay under the code's root. */
const OPEN_BOOK = "nil";
const say = (amount: number, nonce: number, delay: number): string => ints(delay, nonce, amount);

const BET = contract(3, OPEN_BOOK);
const LOCK = contract(4, EXPIRING);

function resolving(state: ShownState, contracts: readonly ShownContract[]): Action {
  return { type: "resolve", channelId: CHANNEL, state, contracts };
}

function closedWith(contracts: readonly Contract[], round = 1): LedgerScene {
  const scene = ledgerScene();
  scene.do({ type: "close_solo", channelId: CHANNEL, state: coSigned(stateOf(round, contracts)) });
  return scene;
}

/** One contract resolved by what the evidence says. */
function resolve(scene: LedgerScene, one: Contract, evidence: string, among: readonly Contract[] = [one]): LedgerEvent {
  const events = scene.do(resolving(recorded(scene.channel().header), [shown(one, among, evidence)]), {
    from: responder,
  });
  const [event] = events;
  if (event === undefined || events.length > 1) throw new Error("one event");
  return event;
}

function recordOf(scene: LedgerScene, one: Contract) {
  return scene.rows.record(CHANNEL, leafHash(one.leaf));
}

describe("resolve", () => {
  it("records a final result, and publishes its evidence, for the other party learns the secret there", () => {
    const scene = closedWith([LOCK]);
    const event = resolve(scene, LOCK, push(SECRET));
    const record = { nonce: 2, height: 100, until: 100, amount: 10_000 };
    expect(event).toMatchObject({ type: "resolved", contractId: LOCK.leaf.id, leafHash: leafHash(LOCK.leaf), record });
    expect(event.type === "resolved" && event.evidence).toStrictEqual(shown(LOCK, [LOCK], push(SECRET)).evidence);
    expect(recordOf(scene, LOCK)).toStrictEqual(record);
  });

  it("waits a result's delay, at least to a lock period after the end, and at most the greatest delay", () => {
    for (const [delay, until] of [
      [1, 140],
      [40, 140],
      [41, 141],
      [MAX_DELAY, 300],
      [MAX_DELAY + 1, 300],
      [2 ** 32 - 1, 300],
    ] as const) {
      const scene = closedWith([BET]);
      expect(resolve(scene, BET, say(5_000, 1, delay))).toMatchObject({ type: "resolved", record: { until } });
    }
  });

  it("replaces a record by a higher nonce, before it counts", () => {
    const scene = closedWith([BET]);
    resolve(scene, BET, say(5_000, 3, 100));
    for (const nonce of [2, 3]) {
      expect(resolve(scene, BET, say(9_000, nonce, 0))).toMatchObject({ type: "passed", why: "nonce_not_higher" });
    }
    scene.height = 199;
    expect(resolve(scene, BET, say(7_000, 4, 0))).toMatchObject({ record: { nonce: 4, until: 199, amount: 7_000 } });
    const late = closedWith([BET]);
    resolve(late, BET, say(5_000, 3, 100));
    late.height = 200;
    expect(resolve(late, BET, say(7_000, 4, 0))).toMatchObject({ type: "passed", why: "too_late" });
    expect(recordOf(late, BET)).toMatchObject({ nonce: 3 });
  });

  it("never replaces a final record", () => {
    const scene = closedWith([BET]);
    resolve(scene, BET, say(5_000, 3, 0));
    expect(resolve(scene, BET, say(9_000, 9, 0))).toMatchObject({ type: "passed", why: "record_final" });
    scene.height += 1;
    expect(resolve(scene, BET, say(9_000, 9, 0))).toMatchObject({ type: "passed", why: "record_final" });
  });

  it("records only final results while the channel is open", () => {
    const scene = ledgerScene();
    scene.do({ type: "snapshot_solo", channelId: CHANNEL, state: coSigned(stateOf(1, [BET])) });
    expect(resolve(scene, BET, say(5_000, 1, 1))).toMatchObject({ type: "passed", why: "delay_while_open" });
    expect(resolve(scene, BET, say(5_000, 1, 0))).toMatchObject({ type: "resolved" });
  });

  it("takes a result with a delay until a lock period after the end, or before its own time, and a final one always", () => {
    const [book, other] = [contract(1, OPEN_BOOK), contract(2, OPEN_BOOK)];
    const both = [book, other];
    const scene = closedWith(both);
    scene.height = 139;
    expect(resolve(scene, book, say(1, 1, 50), both)).toMatchObject({ type: "resolved", record: { until: 189 } });
    scene.height = 140;
    expect(resolve(scene, other, say(1, 1, 50), both)).toMatchObject({ type: "passed", why: "too_late" });
    expect(resolve(scene, book, say(1, 2, 50), both)).toMatchObject({ type: "resolved", record: { until: 190 } });
    expect(resolve(scene, other, say(1, 1, 0), both)).toMatchObject({ type: "resolved" });
  });

  it("goes on when the balances are paid", () => {
    const scene = closedWith([BET]);
    scene.height = 120;
    scene.do({ type: "settle", channelId: CHANNEL });
    expect(resolve(scene, BET, say(1, 1, 5))).toMatchObject({ type: "resolved", record: { until: 140 } });
  });

  it("[AP-13] charges a run that fails its fee, and records nothing: nobody loses by the other's empty gas", () => {
    const scene = closedWith([LOCK]);
    const before = scene.balance(responder);
    expect(resolve(scene, LOCK, `${"int 1 drop ".repeat(2_000)}`)).toMatchObject({
      type: "run_failed",
      contractId: LOCK.leaf.id,
    });
    expect(before - scene.balance(responder)).toBe(15n);
    expect(recordOf(scene, LOCK)).toBeUndefined();
    expect(resolve(scene, LOCK, push(SECRET))).toMatchObject({ type: "resolved" });
  });

  it("keeps a secret that was shown in time: it is not run again at another height, and survives a slash", () => {
    const scene = closedWith([LOCK]);
    scene.height = 110;
    resolve(scene, LOCK, push(SECRET));
    scene.do({ type: "slash", channelId: CHANNEL, state: coSigned(stateOf(2, [LOCK])) }, { from: responder });
    scene.height = 160;
    const late = resolve(scene, LOCK, "");
    expect(late).toMatchObject({ type: "passed", why: "record_final" });
    scene.do({ type: "settle", channelId: CHANNEL });
    const before = scene.balance(responder);
    scene.do({ type: "payout", channelId: CHANNEL, contracts: [{ ...toPay(LOCK, [LOCK]), program: undefined }] });
    expect(scene.balance(responder) - before).toBe(1_000n);
  });

  it("goes on with the others where one contract of a batch fails or is final already", () => {
    const three = [contract(1, OPEN_BOOK), contract(2, "fail"), contract(5, OPEN_BOOK)];
    const scene = closedWith(three);
    const [one, , last] = three;
    if (one === undefined || last === undefined) throw new Error("three");
    resolve(scene, one, say(1, 1, 0), three);
    const events = scene.do(
      resolving(
        recorded(scene.channel().header),
        three.map((each) => shown(each, three, say(2, 2, 0))),
      ),
    );
    expect(events.map(({ type }) => type)).toStrictEqual(["passed", "run_failed", "resolved"]);
    expect(recordOf(scene, last)).toMatchObject({ amount: 2 });
  });

  it("takes any state that both signed, an old one too; a record dies with its root", () => {
    const scene = closedWith([BET], 5);
    const moved = { ...BET, leaf: { ...BET.leaf, root: fill(3), prove: BET.leaf.prove } };
    const old = contract(7, OPEN_BOOK);
    const both = [old, BET];
    scene.do(resolving(coSigned(stateOf(2, both)), [shown(BET, both, say(1, 1, 0))]));
    expect(recordOf(scene, BET)).toMatchObject({ amount: 1 });
    expect(recordOf(scene, moved)).toBeUndefined();
  });

  it.each<[string, (scene: LedgerScene) => Action, string]>([
    ["a state nobody signed", () => resolving(recorded(stateOf(2, [BET])), [shown(BET, [BET])]), "state_not_recorded"],
    [
      "a contract that is not in the state",
      (scene) => resolving(recorded(scene.channel().header), [shown(BET, [BET, LOCK])]),
      "contract_not_proven",
    ],
    [
      "another program",
      (scene) =>
        resolving(recorded(scene.channel().header), [{ ...shown(BET, [BET]), program: contract(0, "nop").program }]),
      "program_wrong",
    ],
    [
      "other facts",
      (scene) =>
        resolving(recorded(scene.channel().header), [
          { ...shown(BET, [BET]), program: { ...BET.program, facts: [fill(1)] } },
        ]),
      "program_wrong",
    ],
    ["no contract", (scene) => resolving(recorded(scene.channel().header), []), "batch_size"],
    [
      "101 contracts",
      (scene) => resolving(recorded(scene.channel().header), new Array<ShownContract>(101).fill(shown(BET, [BET]))),
      "batch_size",
    ],
  ])("refuses %s", (_, action, type) => {
    const scene = closedWith([BET]);
    expect(scene.try(action(scene))).toMatchObject({ ok: false, error: { type } });
  });

  it("takes 100 contracts", () => {
    const scene = closedWith([BET]);
    const hundred = new Array<ShownContract>(100).fill(shown(BET, [BET], say(1, 1, 0)));
    const events = scene.do(resolving(recorded(scene.channel().header), hundred));
    expect(events.filter(({ type }) => type === "resolved")).toHaveLength(1);
  });

  it("asks a fee for each contract", () => {
    const scene = closedWith([BET]);
    const two = [shown(BET, [BET]), shown(BET, [BET])];
    expect(scene.try(resolving(recorded(scene.channel().header), two), { fee: 19n })).toMatchObject({
      error: { type: "fee_too_low", least: 20n },
    });
  });

  it("[AP-13] refuses more gas than the ledger has, which is never a failed run", () => {
    for (const [more, what, limit] of [
      [{ timeGas: 10_001 }, "time", 10_000],
      [{ spaceGas: 10_001 }, "space", 10_000],
    ] as const) {
      const heavy = contract(3, OPEN_BOOK, more);
      const scene = closedWith([heavy]);
      const action = resolving(recorded(scene.channel().header), [shown(heavy, [heavy], say(1, 1, 0))]);
      expect(scene.try(action)).toMatchObject({ error: { type: "gas_above_ledger", what, limit, actual: 10_001 } });
    }
    const full = contract(3, OPEN_BOOK, { timeGas: 10_000 });
    const scene = closedWith([full]);
    const eleven = new Array<ShownContract>(11).fill(shown(full, [full], say(1, 1, 0)));
    expect(scene.try(resolving(recorded(scene.channel().header), eleven))).toMatchObject({
      error: { what: "time_in_all", limit: 100_000, actual: 110_000 },
    });
    expect(scene.try(resolving(recorded(scene.channel().header), eleven.slice(1))).ok).toBe(true);
  });
});

/** A channel with these contracts whose balances are paid, at the height where evidence ends. */
function settledWith(contracts: readonly Contract[]): LedgerScene {
  const scene = closedWith(contracts);
  scene.height = 120;
  scene.do({ type: "settle", channelId: CHANNEL });
  scene.height = 140;
  return scene;
}

function pay(scene: LedgerScene, contracts: readonly Contract[], among = contracts): readonly LedgerEvent[] {
  return scene.do({ type: "payout", channelId: CHANNEL, contracts: contracts.map((one) => toPay(one, among)) });
}

describe("payout", () => {
  it("pays what the record says, its rounding the other's, once it counts", () => {
    const odd = contract(3, OPEN_BOOK, { stakes: pair(1_000, 1), beneficiary: "initiator" });
    const scene = closedWith([odd]);
    resolve(scene, odd, say(3_333, 1, 60));
    scene.height = 120;
    scene.do({ type: "settle", channelId: CHANNEL });
    scene.height = 159;
    expect(pay(scene, [odd])).toMatchObject([{ type: "passed", why: "still_waiting" }]);
    scene.height = 160;
    const before = scene.balance(responder);
    expect(pay(scene, [odd])).toMatchObject([
      { type: "contract_paid", contractId: odd.leaf.id, slot: 3, paid: pair(333, 668) },
      { type: "closed", mutual: false },
    ]);
    expect(scene.balance(responder) - before).toBe(668n);
    expect(scene.rows.channel(CHANNEL)).toBeUndefined();
    expect(moneyIn(scene.rows) + scene.burned).toBe(3n * FUNDS);
  });

  it("pays a final record at once", () => {
    const scene = closedWith([BET]);
    resolve(scene, BET, say(10_000, 1, 0));
    scene.height = 120;
    scene.do({ type: "settle", channelId: CHANNEL });
    expect(pay(scene, [BET])).toMatchObject([{ type: "contract_paid", paid: pair(0, 1_000) }, { type: "closed" }]);
  });

  it("runs a contract without a record on nothing, a lock period after the end", () => {
    const scene = settledWith([LOCK]);
    scene.height = 139;
    expect(pay(scene, [LOCK])).toMatchObject([{ type: "passed", why: "still_waiting" }]);
    scene.height = 149;
    // Before its expiry the contract asks for time.
    expect(pay(scene, [LOCK])).toMatchObject([{ type: "passed", why: "still_waiting" }]);
    scene.height = 150;
    expect(pay(scene, [LOCK])).toMatchObject([{ type: "contract_paid", paid: pair(1_000, 0) }, { type: "closed" }]);
  });

  it("[AP-13] returns each stake of a contract that never had a good run", () => {
    const bad = contract(3, "fail", { stakes: pair(700, 300) });
    const scene = settledWith([bad]);
    expect(pay(scene, [bad])).toMatchObject([{ type: "contract_paid", paid: pair(700, 300) }, { type: "closed" }]);
  });

  it("pays each contract once, and the rest stays", () => {
    const two = [contract(1, result(10_000, 1, 0)), contract(2, result(0, 1, 0))];
    const [first, second] = two;
    if (first === undefined || second === undefined) throw new Error("two");
    const scene = settledWith(two);
    expect(pay(scene, [first], two)).toMatchObject([{ paid: pair(0, 1_000) }]);
    expect(pay(scene, [first], two)).toMatchObject([{ type: "passed", why: "already_paid" }]);
    expect(scene.channel().unpaid).toBe(1_000n);
    expect(pay(scene, [first, second], two).map(({ type }) => type)).toStrictEqual([
      "passed",
      "contract_paid",
      "closed",
    ]);
  });

  it("pays no more than is locked, whatever the leaves of a wrong state say", () => {
    const greedy = contract(1, result(10_000, 1, 0));
    const honest = contract(2, result(10_000, 1, 0), { stakes: pair(600, 0) });
    const header = { ...stateOf(1, [greedy, honest]), locked: units(1_500), balances: pair(8_500, 5_000) };
    const scene = ledgerScene();
    scene.do({ type: "close_solo", channelId: CHANNEL, state: coSigned(header) });
    scene.height = 140;
    scene.do({ type: "settle", channelId: CHANNEL });
    const events = pay(scene, [greedy, honest]);
    expect(events).toMatchObject([{ type: "contract_paid" }, { type: "passed", why: "stakes_above_locked" }]);
    expect(scene.channel().unpaid).toBe(500n);
    expect(moneyIn(scene.rows) + scene.burned).toBe(3n * FUNDS);
  });

  it("needs a program only where there is no record", () => {
    const scene = settledWith([BET]);
    const bare = { ...toPay(BET, [BET]), program: undefined };
    expect(scene.do({ type: "payout", channelId: CHANNEL, contracts: [bare] })).toMatchObject([
      { type: "passed", why: "program_missing" },
    ]);
  });

  it.each<[string, (scene: LedgerScene) => Action, string]>([
    [
      "what is not in the final state",
      () => ({ type: "payout", channelId: CHANNEL, contracts: [toPay(LOCK, [LOCK])] }),
      "contract_not_proven",
    ],
    [
      "another program",
      () => ({
        type: "payout",
        channelId: CHANNEL,
        contracts: [{ ...toPay(BET, [BET]), program: LOCK.program }],
      }),
      "program_wrong",
    ],
    ["no contract", () => ({ type: "payout", channelId: CHANNEL, contracts: [] }), "batch_size"],
  ])("refuses %s", (_, action, type) => {
    const scene = settledWith([BET]);
    expect(scene.try(action(scene))).toMatchObject({ ok: false, error: { type } });
  });

  it("is for settled channels", () => {
    const action: Action = { type: "payout", channelId: CHANNEL, contracts: [toPay(BET, [BET])] };
    expect(closedWith([BET]).try(action)).toStrictEqual({
      ok: false,
      error: { type: "phase_wrong", phase: "closing" },
    });
    const open = ledgerScene();
    open.do({ type: "snapshot_solo", channelId: CHANNEL, state: coSigned(stateOf(1, [BET])) });
    expect(open.try(action)).toStrictEqual({ ok: false, error: { type: "phase_wrong", phase: "open" } });
  });
});

describe("the lock period", () => {
  it("leaves a whole one to answer evidence of the last moment", () => {
    for (const party of ["initiator", "responder"] as const satisfies readonly Party[]) {
      const scene = closedWith([BET]);
      scene.height = 100 + LOCK_PERIOD - 1;
      scene.do(resolving(recorded(scene.channel().header), [shown(BET, [BET], say(10_000, 1, 1))]), {
        from: PEOPLE[party],
      });
      scene.height = 100 + 2 * LOCK_PERIOD - 1;
      expect(resolve(scene, BET, say(0, 2, 0))).toMatchObject({ type: "resolved" });
    }
    expect(PARAMETERS.lockPeriod).toBe(LOCK_PERIOD);
    expect(initiator.id).not.toStrictEqual(responder.id);
  });
});
