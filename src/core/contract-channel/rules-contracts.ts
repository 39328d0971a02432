// Contracts in batches: resolve records what evidence gives, payout pays. One bad contract keeps nobody from the others.

import { assertNever } from "../base/index.ts";
import { describeFailure } from "../vm/index.ts";
import { type FailedRun, isProgramOf, runContract, shares } from "./contract-run.ts";
import { total } from "./header.ts";
import { type ContractLeaf, leafHash } from "./leaf.ts";
import { type ChannelRow, credit, phaseOf } from "./ledger-rows.ts";
import { PARTIES, type Pair } from "./parties.ts";
import { type EvidenceRecord, isFinal } from "./record.ts";
import type { Passed } from "./refusal.ts";
import {
  checkCoSigned,
  DONE,
  isRecorded,
  type OfType,
  type Outcome,
  type RuleContext,
  refuse,
} from "./rule-context.ts";
import { afterPayment } from "./rules-solo.ts";
import { type ContractToPay, MAX_BATCH, type ShownContract } from "./transaction.ts";
import { isProven } from "./tree.ts";
import { type Units, units } from "./units.ts";

/** What must hold of every contract of a batch, whatever others do meanwhile: it is proven, its program is its own, and it may be run here. */
export function checkContracts({ terms }: RuleContext, contracts: readonly ContractToPay[], root: Uint8Array): Outcome {
  if (contracts.length < 1 || contracts.length > MAX_BATCH) {
    return refuse({ type: "batch_size", limit: MAX_BATCH, actual: contracts.length });
  }
  let timeGas = 0;
  for (const [index, { leaf, proof, program }] of contracts.entries()) {
    if (!isProven(leafHash(leaf), proof, root)) return refuse({ type: "contract_not_proven", index });
    if (program === undefined) continue;
    if (!isProgramOf(leaf, program)) return refuse({ type: "program_wrong", index });
    const { maxTimeGas, maxSpaceGas } = terms;
    if (leaf.timeGas > maxTimeGas) {
      return refuse({ type: "gas_above_ledger", what: "time", limit: maxTimeGas, actual: leaf.timeGas });
    }
    if (leaf.spaceGas > maxSpaceGas) {
      return refuse({ type: "gas_above_ledger", what: "space", limit: maxSpaceGas, actual: leaf.spaceGas });
    }
    timeGas += leaf.timeGas;
  }
  const limit = terms.maxBatchTimeGas;
  return timeGas > limit ? refuse({ type: "gas_above_ledger", what: "time_in_all", limit, actual: timeGas }) : DONE;
}

/** For people: why a run gave nothing. */
export function failureText(failed: FailedRun): string {
  switch (failed.type) {
    case "machine":
      return describeFailure(failed.failure);
    case "no_result":
      return failed.reason.type;
    default:
      return assertNever(failed);
  }
}

/** When evidence for contracts ends, unless a contract's own time is later: a lock period after the recorded state is final. */
export function evidenceEnd({ closing, parameters }: ChannelRow): number | undefined {
  return closing === undefined ? undefined : closing.end + parameters.lockPeriod;
}

/** Until when the contract may be forced and answered. */
export function contractUntil({ rows }: RuleContext, channel: ChannelRow, leaf: ContractLeaf): number {
  const { channelId } = channel.header;
  const record = rows.record(channelId, leafHash(leaf));
  const mark = rows.mark(channelId, leaf.id);
  return Math.max(mark?.until ?? 0, record?.until ?? 0);
}

type Judged = EvidenceRecord | Passed;

/** The record that a result makes at this height, or why it makes none. */
function judge(
  context: RuleContext,
  channel: ChannelRow,
  leaf: ContractLeaf,
  { nonce, amount, delay }: { readonly nonce: number; readonly amount: number; readonly delay: number },
): Judged {
  const { rows, height } = context;
  const before = rows.record(channel.header.channelId, leafHash(leaf));
  if (before !== undefined) {
    if (isFinal(before)) return "record_final";
    if (nonce <= before.nonce) return "nonce_not_higher";
    if (height >= before.until) return "too_late";
  }
  if (delay === 0) return { nonce, height, until: height, amount };
  const end = evidenceEnd(channel);
  if (end === undefined) return "delay_while_open";
  const ownUntil = contractUntil(context, channel, leaf);
  if (height >= end && height >= ownUntil) return "too_late";
  // Not before a forced step has had its answer: else evidence with a short delay would cut that short.
  const forced = rows.mark(channel.header.channelId, leaf.id)?.until ?? 0;
  const until = Math.max(height + Math.min(delay, channel.parameters.maxDelay), end, forced);
  return { nonce, height, until, amount };
}

function resolveOne(context: RuleContext, channel: ChannelRow, contract: ShownContract): void {
  const { leaf, program, evidence } = contract;
  const { channelId } = channel.header;
  const ran = runContract({ channelId, leaf, program, evidence, height: context.height });
  if (!ran.ok) {
    context.emit({ type: "run_failed", contractId: leaf.id, reason: failureText(ran.error) });
    return;
  }
  const judged = judge(context, channel, leaf, ran.value);
  if (typeof judged === "string") {
    context.emit({ type: "passed", contractId: leaf.id, why: judged });
    return;
  }
  const hash = leafHash(leaf);
  context.rows.setRecord(channelId, hash, judged);
  context.emit({ type: "resolved", contractId: leaf.id, leafHash: hash, evidence, record: judged });
}

export function resolve(context: RuleContext, { state, contracts }: OfType<"resolve">, channel: ChannelRow): Outcome {
  if (!isRecorded(context, channel, state.header)) {
    const signed = checkCoSigned(context, channel, state);
    if (!signed.ok) return signed;
  }
  const checked = checkContracts(context, contracts, state.header.root);
  if (!checked.ok) return checked;
  for (const contract of contracts) resolveOne(context, channel, contract);
  return DONE;
}

/** How a contract's stakes are to be paid now, or why they are not. */
function paymentOf(context: RuleContext, channel: ChannelRow, { leaf, program }: ContractToPay): Pair<Units> | Passed {
  const { rows, height } = context;
  const { channelId } = channel.header;
  const record = rows.record(channelId, leafHash(leaf));
  if (record !== undefined) {
    return isFinal(record) || height >= record.until ? shares(leaf, record.amount) : "still_waiting";
  }
  const end = evidenceEnd(channel) ?? 0;
  if (height < Math.max(end, contractUntil(context, channel, leaf))) return "still_waiting";
  if (program === undefined) return "program_missing";
  const ran = runContract({ channelId, leaf, program, evidence: new Uint8Array(0), height });
  // It never had a good run: who exhausts its gas on purpose gains nothing.
  if (!ran.ok) return leaf.stakes;
  return ran.value.delay === 0 ? shares(leaf, ran.value.amount) : "still_waiting";
}

/** The channel after one contract, paid or not. */
function payOne(context: RuleContext, channel: ChannelRow, contract: ContractToPay): ChannelRow {
  const { leaf, proof } = contract;
  const { channelId } = channel.header;
  const pass = (why: Passed): ChannelRow => {
    context.emit({ type: "passed", contractId: leaf.id, why });
    return channel;
  };
  if (context.rows.isPaid(channelId, proof.slot)) return pass("already_paid");
  const paid = paymentOf(context, channel, contract);
  if (typeof paid === "string") return pass(paid);
  const left = channel.unpaid - total(paid);
  if (left < 0n) return pass("stakes_above_locked");
  context.rows.setPaid(channelId, proof.slot);
  for (const party of PARTIES) credit(context.rows, channel.parameters.accounts[party], paid[party]);
  context.emit({ type: "contract_paid", contractId: leaf.id, slot: proof.slot, paid });
  return { ...channel, unpaid: units(left) };
}

export function payout(context: RuleContext, { contracts }: OfType<"payout">, channel: ChannelRow): Outcome {
  const phase = phaseOf(channel);
  if (phase !== "settled") return refuse({ type: "phase_wrong", phase });
  const checked = checkContracts(context, contracts, channel.header.root);
  if (!checked.ok) return checked;
  const paid = contracts.reduce((now, contract) => payOne(context, now, contract), channel);
  afterPayment(context, paid);
  return DONE;
}
