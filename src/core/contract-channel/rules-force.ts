// force_progress: one party runs a step of a contract on the ledger, and its result stands. AC-22.

import { equalBytes } from "../base/index.ts";
import type { ContractResult } from "../vm/index.ts";
import { runContract, shares } from "./contract-run.ts";
import type { StateHeader } from "./header.ts";
import { type ContractLeaf, leafHash, NO_ROOT } from "./leaf.ts";
import { type ChannelRow, type ContractMark, credit, phaseOf } from "./ledger-rows.ts";
import { PARTIES, type Party, withParty } from "./parties.ts";
import { isFinal } from "./record.ts";
import {
  checkNewer,
  DONE,
  isRecorded,
  type OfType,
  type Outcome,
  type RuleContext,
  recordState,
  refuse,
  withNewer,
} from "./rule-context.ts";
import { checkContracts, contractUntil, evidenceEnd, failureText } from "./rules-contracts.ts";
import { afterPayment } from "./rules-solo.ts";
import type { ShownContract } from "./transaction.ts";
import { EMPTY_LEAF, rootOf } from "./tree.ts";
import { isUnits, type Units, units } from "./units.ts";

/** Steps of one contract by one signer from one base. */
const MAX_STEPS = 64;

type Force = OfType<"force_progress">;

/** Whether it is still time, and the state may be stepped from. Gives the channel with that state. */
function checkBase(context: RuleContext, { state, contract }: Force, channel: ChannelRow): ChannelRow | Outcome {
  const { height } = context;
  const end = evidenceEnd(channel);
  if (end !== undefined) {
    const limit = Math.max(end, contractUntil(context, channel, contract.leaf));
    if (height >= limit) return refuse({ type: "too_late", limit, actual: height });
  }
  const isNewer = state.header.round > channel.base && state.signatures !== undefined;
  if (!isNewer && isRecorded(context, channel, state.header)) return channel;
  const newer = checkNewer(context, channel, state);
  if (!newer.ok) return newer;
  const { closing } = channel;
  if (closing !== undefined && height >= closing.end)
    return refuse({ type: "too_late", limit: closing.end, actual: height });
  return withNewer(channel, state.header);
}

/** The mark of the contract with one more step of this signer, or none where there were too many. */
function stepped(context: RuleContext, base: ChannelRow, leaf: ContractLeaf, by: Party): ContractMark | undefined {
  const known = context.rows.mark(base.header.channelId, leaf.id);
  const steps = known?.base === base.base ? known.steps : { initiator: 0, responder: 0 };
  if (steps[by] >= MAX_STEPS) return undefined;
  const { closing, parameters } = base;
  const until = closing === undefined ? 0 : context.height + parameters.lockPeriod;
  return { until, base: base.base, steps: withParty(steps, by, steps[by] + 1) };
}

/** The state after the step, of a contract that goes on or is over. */
function nextHeader(
  base: ChannelRow,
  { leaf, proof }: ShownContract,
  { isOver, root, amount }: { readonly isOver: boolean; readonly root: Uint8Array; readonly amount: number },
): StateHeader {
  const { header } = base;
  const round = base.base + BigInt(base.solo + 1);
  const hash = isOver ? EMPTY_LEAF : leafHash({ ...leaf, root });
  const after = { ...header, round, root: rootOf(hash, proof) };
  if (!isOver) return after;
  const share = shares(leaf, amount);
  const { balances, locked } = header;
  return {
    ...after,
    balances: {
      initiator: units(balances.initiator + share.initiator),
      responder: units(balances.responder + share.responder),
    },
    locked: units(locked - stakesOf(leaf)),
  };
}

function stakesOf({ stakes }: ContractLeaf): bigint {
  return stakes.initiator + stakes.responder;
}

/** Whether a contract's stakes are part of what the channel still holds for contracts. */
function checkStakes(leaf: ContractLeaf, locked: Units): Outcome {
  const actual = stakesOf(leaf);
  return isUnits(locked - actual) ? DONE : refuse({ type: "stakes_above_locked", locked, actual });
}

function apply(
  context: RuleContext,
  base: ChannelRow,
  contract: ShownContract,
  { result, mark }: { readonly result: ContractResult; readonly mark: ContractMark },
): void {
  const { leaf, proof, evidence } = contract;
  const isSettled = phaseOf(base) === "settled";
  const isOver = result.delay === 0 && result.nonce > 0;
  const root = result.root ?? NO_ROOT;
  const header = nextHeader(base, contract, { isOver, root, amount: result.amount });
  const next: ChannelRow = { ...base, solo: base.solo + 1, header };
  const { channelId } = header;
  context.rows.setMark(channelId, leaf.id, mark);
  recordState(context, next);
  const shown = isOver ? undefined : root;
  context.emit({ type: "forced", contractId: leaf.id, slot: proof.slot, evidence, root: shown, until: mark.until });
  if (!isOver || !isSettled) return;
  const paid = shares(leaf, result.amount);
  for (const party of PARTIES) credit(context.rows, base.parameters.accounts[party], paid[party]);
  context.rows.setPaid(channelId, proof.slot);
  context.emit({ type: "contract_paid", contractId: leaf.id, slot: proof.slot, paid });
  afterPayment(context, { ...next, unpaid: units(base.unpaid - stakesOf(leaf)) });
}

function isRow(value: ChannelRow | Outcome): value is ChannelRow {
  return "header" in value;
}

export function forceProgress(context: RuleContext, action: Force, channel: ChannelRow, by: Party): Outcome {
  const { contract } = action;
  const { leaf, program, evidence, proof } = contract;
  const { channelId } = channel.header;
  const base = checkBase(context, action, channel);
  if (!isRow(base)) return base;
  const checked = checkContracts(context, [contract], base.header.root);
  if (!checked.ok) return checked;
  if (context.rows.isPaid(channelId, proof.slot)) return refuse({ type: "contract_paid", index: 0 });
  const record = context.rows.record(channelId, leafHash(leaf));
  if (record !== undefined && isFinal(record)) return refuse({ type: "record_final" });
  const fits = checkStakes(leaf, phaseOf(base) === "settled" ? base.unpaid : base.header.locked);
  if (!fits.ok) return fits;
  const mark = stepped(context, base, leaf, by);
  if (mark === undefined) return refuse({ type: "steps_used_up", limit: MAX_STEPS });
  const ran = runContract({ channelId, leaf, program, evidence, height: context.height });
  if (!ran.ok) {
    context.emit({ type: "run_failed", contractId: leaf.id, reason: failureText(ran.error) });
    return DONE;
  }
  if (equalBytes(ran.value.root ?? NO_ROOT, leaf.root)) {
    context.emit({ type: "passed", contractId: leaf.id, why: "root_unchanged" });
    return DONE;
  }
  apply(context, base, contract, { result: ran.value, mark });
  return DONE;
}
