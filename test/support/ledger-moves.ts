// Random moves on a ledger: everything that two parties may submit, sound and unsound.

import fc from "fast-check";
import {
  type Action,
  type ChannelRow,
  payouts,
  type ShownState,
  type StateHeader,
  units,
} from "../../src/core/contract-channel/index.ts";
import { hashlock, ladder, NO_STEP, RUNGS, SECRETS, STEP, showing } from "./ledger-contracts.ts";
import { bothSign, LOCK, PLAY_CHANNEL, PLAY_PARAMETERS, type Play, play } from "./ledger-play.ts";
import { type Contract, pair, program, recorded, shown, toPay, treeOf, withRoot } from "./ledger-scene.ts";

const PARTIES = ["initiator", "responder"] as const;
const OPEN_LADDER = ladder(1, "responder", 500n);

/** Lists of contracts that states of the play hold, those after forced steps included: a state names its list by its root. */
const LISTS: readonly (readonly Contract[])[] = [
  [],
  [OPEN_LADDER],
  [OPEN_LADDER, hashlock(2, "responder", "responder", 700n)],
  [hashlock(3, "nobody", "initiator", 900n), ladder(4, "initiator", 300n)],
];
const EVIDENCE = [
  new Uint8Array(0),
  STEP,
  NO_STEP,
  showing(SECRETS.responder),
  program("fail"),
  showing(SECRETS.nobody),
];

/** A state with these contracts. Where a party has too little for them, its sums are wrong, and nobody may take it. */
function state(round: number, list: number, push: bigint, more: Partial<StateHeader>): StateHeader {
  const contracts = LISTS[list] ?? [];
  const deposited = more.deposited ?? PLAY_PARAMETERS.amounts;
  const withdrawn = more.withdrawn ?? pair(0, 0);
  const left = (party: "initiator" | "responder"): bigint =>
    contracts.reduce((sum, { leaf }) => sum - leaf.stakes[party], deposited[party] - withdrawn[party]);
  const atLeast0 = (value: bigint): bigint => (value < 0n ? 0n : value);
  const balances = pair(atLeast0(left("initiator") - push), atLeast0(left("responder") + push));
  const locked = contracts.reduce((sum, { leaf }) => sum + leaf.stakes.initiator + leaf.stakes.responder, 0n);
  const root = treeOf(contracts).root();
  return { channelId: PLAY_CHANNEL, round: BigInt(round), balances, deposited, withdrawn, locked: units(locked), root };
}

export type Move = {
  readonly kind: number;
  readonly from: (typeof PARTIES)[number];
  readonly round: number;
  readonly list: number;
  readonly push: number;
  readonly evidence: number;
  readonly which: number;
  readonly amount: number;
  readonly wait: number;
  readonly twist: number;
  readonly useRecorded: boolean;
};

export const anyMove: fc.Arbitrary<Move> = fc.record({
  // What takes a channel far comes more often.
  kind: fc.constantFrom(0, 1, 2, 3, 4, 4, 5, 6, 6, 6, 6, 7, 7, 7, 8, 8, 8, 8, 8, 8, 9, 9, 10, 11),
  from: fc.constantFrom(...PARTIES),
  round: fc.nat(24),
  list: fc.constantFrom(0, 1, 1, 2, 2, 3, 3),
  push: fc.integer({ min: -2_000, max: 2_000 }),
  evidence: fc.constantFrom(0, 1, 1, 1, 1, 2, 2, 3, 4, 5),
  which: fc.nat(3),
  amount: fc.integer({ min: 0, max: 3_000 }),
  wait: fc.constantFrom(0, 0, 0, 0, 0, 1, 1, LOCK),
  twist: fc.nat(30),
  useRecorded: fc.boolean(),
});

/** A play, and which contracts stand under each root that a state of it ever had. */
export type World = { readonly game: Play; readonly lists: Map<string, readonly Contract[]> };

function rootOf(list: readonly Contract[]): string {
  return treeOf(list).root().join();
}

export function newWorld(): World {
  return { game: play(), lists: new Map(LISTS.map((list) => [rootOf(list), list])) };
}

/** Notes what the recorded state holds after a forced step: the contract is gone, or on another rung. */
export function noteStep({ game, lists }: World, action: Action): void {
  const row = game.rows.channel(PLAY_CHANNEL);
  if (row === undefined || action.type !== "force_progress") return;
  const from = lists.get(action.state.header.root.join()) ?? [];
  const { slot } = action.contract.proof;
  const options = RUNGS.map((root) => from.map((one) => (one.slot === slot ? withRoot(one, root) : one)));
  const found = [from.filter((one) => one.slot !== slot), ...options].find(
    (list) => rootOf(list) === row.header.root.join(),
  );
  if (found !== undefined) lists.set(row.header.root.join(), found);
}

/** The state that a move shows: one that both signed, with some of them wrong in one way, or what the ledger has recorded. */
function shownState({ game }: World, { round, list, push, twist, useRecorded }: Move): ShownState {
  const row = game.rows.channel(PLAY_CHANNEL);
  if (useRecorded && row !== undefined) return recorded(row.header);
  const flows = row ?? { deposited: PLAY_PARAMETERS.amounts, withdrawn: pair(0, 0) };
  const { deposited, withdrawn } = flows;
  const header = state(round, list, BigInt(push), twist % 3 === 0 ? {} : { deposited, withdrawn });
  if (twist === 1) return bothSign({ ...header, locked: units(header.locked + 1n) });
  if (twist === 2) return recorded(header);
  if (twist === 4)
    return bothSign({
      ...header,
      deposited: pair(header.deposited.initiator + 9_000n, header.deposited.responder),
      balances: pair(0, header.balances.initiator + header.balances.responder + 9_000n),
    });
  return bothSign(header);
}

function flowAction(world: World, type: "deposit" | "withdraw", one: Move): Action {
  const row = world.game.rows.channel(PLAY_CHANNEL);
  const deposited = row?.deposited ?? PLAY_PARAMETERS.amounts;
  const withdrawn = row?.withdrawn ?? pair(0, 0);
  const before = (type === "deposit" ? deposited : withdrawn)[one.from];
  const after = { ...(type === "deposit" ? deposited : withdrawn), [one.from]: units(before + BigInt(one.amount)) };
  const sums = type === "deposit" ? { deposited: after, withdrawn } : { deposited, withdrawn: after };
  const header = state(one.round >> 3, one.list, 0n, sums);
  const action = { channelId: PLAY_CHANNEL, party: one.from, amount: units(one.amount), before, state: header };
  return type === "deposit" ? { type, ...action } : { type, ...action, to: new Uint8Array(32).fill(90) };
}

function contractAction(world: World, type: "resolve" | "force_progress" | "payout", one: Move): Action | undefined {
  const row = world.game.rows.channel(PLAY_CHANNEL);
  const given = type === "payout" && row !== undefined ? recorded(row.header) : shownState(world, one);
  const among = world.lists.get(given.header.root.join()) ?? [];
  const chosen = among[one.which % Math.max(1, among.length)];
  if (chosen === undefined) return undefined;
  const contract = shown(chosen, among, EVIDENCE[one.evidence] ?? new Uint8Array(0));
  const channelId = PLAY_CHANNEL;
  if (type === "payout") return { type, channelId, contracts: among.map((each) => toPay(each, among)) };
  if (type === "force_progress") return { type, channelId, state: given, contract };
  return { type, channelId, state: given, contracts: [contract, contract] };
}

/** The action of a move as things stand, or none. */
export function actionOf(world: World, one: Move): Action | undefined {
  const row = world.game.rows.channel(PLAY_CHANNEL);
  switch (one.kind) {
    case 0:
      return { type: "transfer", to: new Uint8Array(32).fill(91), amount: units(one.amount) };
    case 1:
      return { type: "create", parameters: PLAY_PARAMETERS };
    case 2:
      return flowAction(world, "deposit", one);
    case 3:
      return flowAction(world, "withdraw", one);
    case 4:
    case 5:
    case 6: {
      const type = (["snapshot_solo", "close_solo", "slash"] as const)[one.kind - 4] ?? "slash";
      // Closes come early, so that there is something left to slash them with.
      const round = type === "close_solo" ? one.round >> 3 : one.round;
      return { type, channelId: PLAY_CHANNEL, state: shownState(world, { ...one, round }) };
    }
    case 7:
      return contractAction(world, "resolve", one);
    case 8:
      return contractAction(world, "force_progress", one);
    case 9:
      return contractAction(world, "payout", one);
    case 10:
      return { type: "settle", channelId: PLAY_CHANNEL };
    default: {
      const left = row === undefined ? 0n : payoutsSum(row) + row.header.locked - 1_000n;
      const twisted = one.twist === 3 ? 1n : 0n;
      const round = BigInt(one.round);
      // Rare, or no channel would live long.
      if (left < 0n || one.wait > 0 || one.twist > 6) return undefined;
      return {
        type: "close_mutual",
        channelId: PLAY_CHANNEL,
        round,
        shares: pair(left - left / 3n + twisted, left / 3n),
      };
    }
  }
}

function payoutsSum(row: ChannelRow): bigint {
  const { initiator, responder } = payouts(row.header, row);
  return initiator + responder;
}
