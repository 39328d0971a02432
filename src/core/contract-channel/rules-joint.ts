// What both parties sign: create, deposit, withdraw, close_mutual. Money comes and goes, and with it the state that knows of it.

import { equalBytes } from "../base/index.ts";
import { checkSums, type StateHeader, total } from "./header.ts";
import { type ChannelRow, credit, phaseOf } from "./ledger-rows.ts";
import { PARTIES, type Party } from "./parties.ts";
import {
  checkState,
  DONE,
  type OfType,
  type Outcome,
  type RuleContext,
  recordState,
  refuse,
  take,
  withFlow,
} from "./rule-context.ts";
import { type ChannelParameters, MAX_MAX_DELAY } from "./transaction.ts";
import { channelIdOf } from "./transaction-digest.ts";
import { EMPTY_ROOT } from "./tree.ts";
import { isUnits, units } from "./units.ts";

/** The state that a channel begins with: round 0, what each put in, no contracts. Nobody signs it. */
export function firstState(channelId: StateHeader["channelId"], { amounts }: ChannelParameters): StateHeader {
  const none = { initiator: units(0), responder: units(0) };
  return {
    channelId,
    round: 0n,
    balances: amounts,
    deposited: amounts,
    withdrawn: none,
    locked: units(0),
    root: EMPTY_ROOT,
  };
}

function checkParameters({ accounts, amounts, reserve, lockPeriod, maxDelay }: ChannelParameters): Outcome {
  if (equalBytes(accounts.initiator, accounts.responder)) return refuse({ type: "same_account" });
  const poor = PARTIES.find((party) => amounts[party] < reserve);
  if (poor !== undefined) return refuse({ type: "below_reserve", reserve, actual: amounts[poor] });
  if (lockPeriod < 1) return refuse({ type: "parameter_wrong", what: "lock_period", limit: 1, actual: lockPeriod });
  const delayIsFine = maxDelay >= 1 && maxDelay <= MAX_MAX_DELAY;
  return delayIsFine
    ? DONE
    : refuse({ type: "parameter_wrong", what: "max_delay", limit: MAX_MAX_DELAY, actual: maxDelay });
}

export function create(context: RuleContext, { parameters }: OfType<"create">): Outcome {
  const { rows, terms } = context;
  const id = channelIdOf(terms.domain, parameters);
  if (rows.isUsed(id)) return refuse({ type: "channel_id_used" });
  const checked = checkParameters(parameters);
  if (!checked.ok) return checked;
  const header = firstState(id, parameters);
  const sums = checkSums(header);
  if (!sums.ok) return sums;
  for (const party of PARTIES) {
    const taken = take(context, parameters.accounts[party], parameters.amounts[party]);
    if (!taken.ok) return taken;
  }
  const { deposited, withdrawn } = header;
  const row = { parameters, base: 0n, solo: 0, header, deposited, withdrawn, closing: undefined, unpaid: units(0) };
  rows.setChannel(id, row);
  context.emit({ type: "created", base: 0n });
  return DONE;
}

/** Sets the state that a deposit or a withdrawal carries, where it is newer; whichever is recorded then must not pay out less than 0. */
function recordWith(context: RuleContext, channel: ChannelRow, state: StateHeader): Outcome {
  const isNewer = state.round > channel.base;
  const header = isNewer ? state : channel.header;
  const checked = checkState(header, channel);
  if (!checked.ok) return checked;
  if (isNewer) recordState(context, { ...channel, base: state.round, solo: 0, header });
  else context.rows.setChannel(header.channelId, channel);
  return DONE;
}

function checkFlow(channel: ChannelRow, action: OfType<"deposit" | "withdraw">, sum: bigint): Outcome {
  const phase = phaseOf(channel);
  if (phase !== "open") return refuse({ type: "phase_wrong", phase });
  if (action.amount === 0n) return refuse({ type: "amount_zero" });
  return sum === action.before ? DONE : refuse({ type: "before_wrong", expected: sum, actual: action.before });
}

export function deposit(context: RuleContext, action: OfType<"deposit">, channel: ChannelRow): Outcome {
  const { party, amount } = action;
  const before = channel.deposited[party];
  const checked = checkFlow(channel, action, before);
  if (!checked.ok) return checked;
  const all = total(channel.deposited) + amount;
  if (!isUnits(all)) return refuse({ type: "deposits_too_large", limit: 2n ** 63n, actual: all });
  const recorded = recordWith(context, withFlow(channel, "deposited", party, units(before + amount)), action.state);
  if (!recorded.ok) return recorded;
  context.emit({ type: "deposited", party, amount });
  return take(context, channel.parameters.accounts[party], amount);
}

export function withdraw(context: RuleContext, action: OfType<"withdraw">, channel: ChannelRow): Outcome {
  const { party, amount, to } = action;
  const before = channel.withdrawn[party];
  const checked = checkFlow(channel, action, before);
  if (!checked.ok) return checked;
  const least = 2n * channel.parameters.reserve;
  const actual = everythingIn(channel) - amount;
  if (actual < least) return refuse({ type: "remainder_too_small", least, actual });
  const recorded = recordWith(context, withFlow(channel, "withdrawn", party, units(before + amount)), action.state);
  if (!recorded.ok) return recorded;
  credit(context.rows, to, amount);
  context.emit({ type: "withdrawn", party, amount, to });
  return DONE;
}

function everythingIn(channel: ChannelRow): bigint {
  return total(channel.deposited) - total(channel.withdrawn);
}

export function closeMutual(context: RuleContext, action: OfType<"close_mutual">, channel: ChannelRow): Outcome {
  const phase = phaseOf(channel);
  if (phase === "settled") return refuse({ type: "phase_wrong", phase });
  const { round, shares } = action;
  if (round <= channel.base) return refuse({ type: "round_not_higher", limit: channel.base, actual: round });
  const actual = total(shares) + context.transaction.fee;
  const expected = everythingIn(channel);
  if (actual !== expected) return refuse({ type: "shares_wrong", expected, actual });
  for (const party of PARTIES) credit(context.rows, accountIn(channel, party), shares[party]);
  context.rows.deleteChannel(channel.header.channelId);
  context.emit({ type: "closed", mutual: true });
  return DONE;
}

function accountIn(channel: ChannelRow, party: Party): Uint8Array {
  return channel.parameters.accounts[party];
}
