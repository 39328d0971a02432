import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type Action,
  isFinal,
  type LedgerEvent,
  leafHash,
  otherParty,
  type Party,
  payouts,
  type StateHeader,
  units,
} from "../../src/core/contract-channel/index.ts";
import {
  hashlock,
  LADDER_LEAST,
  LADDER_MOST,
  ladder,
  NO_STEP,
  RUNGS,
  SECRETS,
  STEP,
  showing,
} from "../support/ledger-contracts.ts";
import {
  ACCOUNTS,
  bothSign,
  LOCK,
  PLAY_CHANNEL,
  PLAY_FUNDS,
  PLAY_PARAMETERS,
  type Play,
  play,
} from "../support/ledger-play.ts";
import { moneyIn } from "../support/ledger-rows.ts";
import { type Contract, pair, program, recorded, shown, toPay, treeOf, withRoot } from "../support/ledger-scene.ts";

/**
 * One state of a history that both signed: how much of the balances is the cheat's, and which contracts stand in it. Deposit and withdrawal
 * of the honest party come in the middle of the history, so that some states know of them and some do not.
 */
type Signed = { readonly round: number; readonly push: number; readonly list: number };
type Deed = {
  readonly kind: number;
  readonly state: number;
  readonly which: number;
  readonly evidence: number;
  readonly wait: number;
  readonly first: boolean;
  readonly useRecorded: boolean;
};

const deed: fc.Arbitrary<Deed> = fc.record({
  kind: fc.nat(9),
  state: fc.nat(9),
  which: fc.nat(3),
  evidence: fc.nat(4),
  wait: fc.nat(LOCK),
  first: fc.boolean(),
  useRecorded: fc.boolean(),
});

const history = fc
  .array(
    fc.record({ gap: fc.integer({ min: 1, max: 5 }), push: fc.integer({ min: -3_000, max: 3_000 }), list: fc.nat(3) }),
    { minLength: 2, maxLength: 9 },
  )
  .map((steps) => {
    let round = 0;
    return steps.map(({ gap, push, list }): Signed => {
      round += gap;
      return { round, push, list };
    });
  });

/** What the cheat may put on the stack. It does not know the honest party's secret until that is shown. */
function evidenceOf(cheat: Party): readonly Uint8Array[] {
  return [new Uint8Array(0), STEP, NO_STEP, showing(SECRETS[cheat]), program("int 0 int 9 int 10000 int 1")];
}

/** Contracts by the name of a list, as the cheat's position has it. */
function listsFor(cheat: Party): readonly (readonly Contract[])[] {
  const honest = otherParty(cheat);
  return [
    [],
    [hashlock(1, cheat, cheat, 900n), hashlock(2, honest, honest, 800n)],
    [hashlock(3, "nobody", cheat, 1_500n), ladder(4, cheat, 400n)],
    [hashlock(2, honest, honest, 800n), ladder(5, honest, 350n), hashlock(6, "nobody", cheat, 400n)],
  ];
}

/** The most that a contract gives the cheat, if the other does its part. */
function entitlement(one: Contract, cheat: Party): bigint {
  const stakes = one.leaf.stakes.initiator + one.leaf.stakes.responder;
  const isLadder = RUNGS.some((root) => one.leaf.root.join() === root.join());
  if (isLadder) {
    const most = one.leaf.beneficiary === cheat ? LADDER_MOST : 10_000n - LADDER_LEAST;
    // The other's share is what is left after rounding down.
    return (stakes * most + 9_999n) / 10_000n;
  }
  // A lock whose secret the cheat has is the cheat's; another one goes to whoever staked it, or to who has its secret.
  return one.slot === 1 ? stakes : one.leaf.stakes[cheat];
}

/** A game between a party that may do anything and one that defends itself. */
type Match = {
  readonly game: Play;
  readonly cheat: Party;
  readonly honest: Party;
  readonly states: readonly StateHeader[];
  readonly newest: StateHeader;
  readonly lists: Map<string, readonly Contract[]>;
};

const key = (list: readonly Contract[]): string => treeOf(list).root().join();

function headerOf(
  one: Signed,
  lists: readonly (readonly Contract[])[],
  cheat: Party,
  flows: Pick<StateHeader, "deposited" | "withdrawn">,
): StateHeader {
  const contracts = lists[one.list] ?? [];
  const left = (party: Party): bigint =>
    contracts.reduce((sum, { leaf }) => sum - leaf.stakes[party], flows.deposited[party] - flows.withdrawn[party]);
  const toCheat = BigInt(one.push);
  const push = cheat === "responder" ? toCheat : -toCheat;
  const locked = contracts.reduce((sum, { leaf }) => sum + leaf.stakes.initiator + leaf.stakes.responder, 0n);
  return {
    channelId: PLAY_CHANNEL,
    round: BigInt(one.round),
    balances: pair(left("initiator") - push, left("responder") + push),
    ...flows,
    locked: units(locked),
    root: treeOf(contracts).root(),
  };
}

/** Opens the channel, and does the joint deposit and withdrawal that half of the history knows of. */
function newMatch(cheat: Party, signed: readonly Signed[]): Match {
  const game = play();
  const honest = otherParty(cheat);
  const lists = listsFor(cheat);
  game.send({ type: "create", parameters: PLAY_PARAMETERS }, { from: "initiator" });
  const early = { deposited: PLAY_PARAMETERS.amounts, withdrawn: pair(0, 0) };
  const late = {
    deposited: { ...early.deposited, [honest]: units(early.deposited[honest] + 1_200n) },
    withdrawn: { ...early.withdrawn, [cheat]: units(700n) },
  };
  const middle = Math.floor(signed.length / 2);
  const states = signed.map((one, index) => headerOf(one, lists, cheat, index < middle ? early : late));
  const turning = states[middle];
  if (turning === undefined) throw new Error("a history has a middle");
  const flow = { channelId: PLAY_CHANNEL, before: units(0), state: turning };
  const deposit: Action = {
    ...flow,
    type: "deposit",
    party: honest,
    amount: units(1_200n),
    before: early.deposited[honest],
  };
  const withdraw: Action = { ...flow, type: "withdraw", party: cheat, amount: units(700n), to: ACCOUNTS[cheat] };
  for (const action of [deposit, withdraw]) {
    // Each is signed with the state that knows of both; the first to come finds it a deposit ahead, or is taken with it.
    const sent = game.send(action, { from: honest });
    if (!sent.ok)
      throw new Error(`refused: ${JSON.stringify(sent.error, (_, v) => (typeof v === "bigint" ? String(v) : v))}`);
  }
  const newest = states.at(-1);
  if (newest === undefined) throw new Error("a history has an end");
  return { game, cheat, honest, states, newest, lists: new Map(lists.map((list) => [key(list), list])) };
}

function note({ game, lists }: Match, action: Action): void {
  const row = game.rows.channel(PLAY_CHANNEL);
  if (row === undefined || action.type !== "force_progress") return;
  const from = lists.get(action.state.header.root.join()) ?? [];
  const { slot } = action.contract.proof;
  const moved = RUNGS.map((root) => from.map((one) => (one.slot === slot ? withRoot(one, root) : one)));
  for (const list of [from.filter((one) => one.slot !== slot), ...moved]) lists.set(key(list), list);
}

function submit(match: Match, action: Action | undefined, from: Party): readonly LedgerEvent[] {
  if (action === undefined) return [];
  const events = match.game.events(action, { from, fee: 700n });
  note(match, action);
  return events;
}

/** What the cheat does: anything, with any state that both ever signed. */
function cheating(match: Match, one: Deed): Action | undefined {
  const { game, states, cheat, lists } = match;
  const channelId = PLAY_CHANNEL;
  const row = game.rows.channel(channelId);
  if (row === undefined) return undefined;
  const header = states[one.state % states.length] ?? row.header;
  const state = one.useRecorded ? recorded(row.header) : bothSign(header);
  if (one.kind < 3)
    return { type: (["snapshot_solo", "close_solo", "slash"] as const)[one.kind] ?? "slash", channelId, state };
  if (one.kind === 3) return { type: "settle", channelId };
  const among = lists.get((one.kind === 4 ? row.header : state.header).root.join()) ?? [];
  const chosen = among[one.which % Math.max(1, among.length)];
  if (chosen === undefined) return undefined;
  if (one.kind === 4) return { type: "payout", channelId, contracts: among.map((each) => toPay(each, among)) };
  const contract = shown(chosen, among, evidenceOf(cheat)[one.evidence] ?? new Uint8Array(0));
  if (one.kind < 7) return { type: "resolve", channelId, state, contracts: [contract] };
  return { type: "force_progress", channelId, state, contract };
}

/** The obvious defence, in one block: the newest state against an older one, and every secret for the contracts that stand. */
function defend(match: Match): void {
  const { game, honest, newest, lists } = match;
  const channelId = PLAY_CHANNEL;
  const state = bothSign(newest);
  let row = game.rows.channel(channelId);
  if (row === undefined) return;
  if (row.base < newest.round) {
    submit(match, { type: row.closing === undefined ? "snapshot_solo" : "slash", channelId, state }, honest);
  }
  row = game.rows.channel(channelId);
  if (row?.closing === undefined) return;
  const among = lists.get(row.header.root.join()) ?? [];
  for (const one of among) {
    const record = game.rows.record(channelId, leafHash(one.leaf));
    const secret = one.leaf.beneficiary === honest ? showing(SECRETS[honest]) : new Uint8Array(0);
    // A lock that nobody opens has to be resolved on nothing, or it waits for ever.
    if (record !== undefined && (isFinal(record) || secret.length === 0)) continue;
    const contract = shown(one, among, secret);
    submit(match, { type: "resolve", channelId, state: recorded(row.header), contracts: [contract] }, honest);
  }
  submit(match, { type: "settle", channelId }, honest);
  const left = game.rows.channel(channelId);
  if (left?.closing?.settled !== true) return;
  const open = lists.get(left.header.root.join()) ?? [];
  submit(match, { type: "payout", channelId, contracts: open.map((each) => toPay(each, open)) }, honest);
}

/**
 * The cheat's deeds in their order, and the honest party awake in every block but a few: it never sleeps for a whole lock period. Then the
 * honest party closes, if nobody has, and both go on until nothing is left.
 */
function playOut(match: Match, deeds: readonly Deed[], sleeps: readonly number[]): void {
  const { game, honest, cheat, newest } = match;
  let asleep = 0;
  let nextSleep = 0;
  const block = (now: readonly Deed[]): void => {
    const awake = asleep === 0;
    if (awake) asleep = Math.min(sleeps[nextSleep++ % sleeps.length] ?? 0, LOCK - 2);
    else asleep -= 1;
    const before = now.filter(({ first }) => first);
    for (const one of before) submit(match, cheating(match, one), cheat);
    if (awake) defend(match);
    for (const one of now) if (!one.first) submit(match, cheating(match, one), cheat);
    game.height += 1;
  };
  for (const one of deeds) {
    block([one]);
    for (let waited = 0; waited < one.wait; waited++) block([]);
  }
  if (game.rows.channel(PLAY_CHANNEL)?.closing === undefined) {
    submit(match, { type: "close_solo", channelId: PLAY_CHANNEL, state: bothSign(newest) }, honest);
    submit(
      match,
      {
        type: "close_solo",
        channelId: PLAY_CHANNEL,
        state: recorded(game.rows.channel(PLAY_CHANNEL)?.header ?? newest),
      },
      honest,
    );
  }
  for (let more = 0; more < 60 && game.rows.channel(PLAY_CHANNEL) !== undefined; more++)
    block(deeds.slice(more % deeds.length, (more % deeds.length) + 2));
}

describe("a party that may sign and submit anything", () => {
  it.each<Party>(["initiator", "responder"])(
    "[AC-19] [AC-29] as the %s takes no more than the newest state gives it",
    (cheat) => {
      const seen = new Map<string, number>();
      fc.assert(
        fc.property(
          history,
          fc.array(deed, { minLength: 4, maxLength: 25 }),
          fc.array(fc.nat(LOCK), { minLength: 1, maxLength: 5 }),
          (signed, deeds, sleeps) => {
            const match = newMatch(cheat, signed);
            const { game, newest } = match;
            const account = (): bigint => game.rows.account(ACCOUNTS[cheat])?.balance ?? 0n;
            const before = account() + game.burned[cheat];
            const row = game.rows.channel(PLAY_CHANNEL);
            if (row === undefined) throw new Error("the channel is open");
            const contracts = match.lists.get(newest.root.join()) ?? [];
            const most = contracts.reduce((sum, one) => sum + entitlement(one, cheat), payouts(newest, row)[cheat]);
            playOut(match, deeds, sleeps);
            const took = account() + game.burned[cheat] - before;
            expect(took <= most, `took ${took} of ${most}`).toBe(true);
            const rest = game.rows.channel(PLAY_CHANNEL);
            seen.set(
              rest === undefined ? "closed" : "open",
              (seen.get(rest === undefined ? "closed" : "open") ?? 0) + 1,
            );
            expect(moneyIn(game.rows) + game.burned.initiator + game.burned.responder).toBe(2n * PLAY_FUNDS);
          },
        ),
        { numRuns: 60, endOnFailure: true },
      );
      // The honest party has its money, too: most channels come to their end.
      expect(seen.get("closed") ?? 0).toBeGreaterThan(3 * (seen.get("open") ?? 0));
    },
    60_000,
  );
});
