// The shares of a channel that both parties fund: how they are judged, and what both build from them. Spec: LS-1..LS-5.
import { equalBytes, invariant, type Result, type Satoshi, txidToDisplay } from "../base/index.ts";
import {
  anchorScript,
  DUST_LIMIT_SAT,
  type FundingInput,
  type FundingPlan,
  type FundingShare,
  fundingInputScript,
  isFundingSignature,
  isStandardCloseScript,
  payToWitnessScriptHash,
  planFunding,
  signedFunding,
} from "../bitcoin/index.ts";
import type { ChannelError } from "./errors.ts";
import type { CheckedInput } from "./input.ts";
import { violation } from "./outcome.ts";
import type { ChannelPolicy } from "./policy.ts";
import type { FundingRow, FundingShareRow, Side } from "./rows.ts";
import type { ChannelState } from "./state.ts";

/** Blocks on a coinbase before it can be spent. Source: consensus, COINBASE_MATURITY. */
const COINBASE_MATURITY = 100;

/** What we put in: what is wished, as far as policy and the greatest anchor allow. */
export function plannedContribution(policy: ChannelPolicy, theirsSat: bigint, wishedSat: bigint): bigint {
  let planned = wishedSat;
  for (const limit of [policy.maxContributionSat, policy.maxAmountSat - theirsSat]) {
    if (limit < planned) planned = limit;
  }
  return planned > 0n ? planned : 0n;
}

function keyOf({ txid, index }: FundingInput): string {
  return `${txidToDisplay(txid)}:${index}`;
}

/** Whether inputs are distinct, from each other and from `own`, and change can be relayed. */
export function judgeShare(share: FundingShare, own: readonly FundingInput[]): Result<undefined, ChannelError> {
  const seen = new Set(own.map(keyOf));
  for (const input of share.inputs) {
    const key = keyOf(input);
    if (seen.has(key)) return violation("remote_input_repeated", "LS-1", { detail: key });
    seen.add(key);
  }
  if (share.changeScript !== undefined && !isStandardCloseScript(share.changeScript)) {
    return violation("remote_change_script", "LS-1", { detail: "not a standard script" });
  }
  return { ok: true, value: undefined };
}

type Shares = Readonly<Record<Side, FundingShare>>;

/** The funding transaction of two shares, from where we stand. */
export function planOf(
  state: ChannelState,
  shares: Shares,
  keys: Readonly<Record<Side, Uint8Array>>,
): Result<FundingPlan, ChannelError> {
  const isRequester = state.channel.initiator === "local";
  const planned = planFunding({
    script: payToWitnessScriptHash(anchorScript(keys.local, keys.remote)),
    feeRate: state.dualFunding?.feeRate ?? 0,
    requester: isRequester ? shares.local : shares.remote,
    responder: isRequester ? shares.remote : shares.local,
  });
  if (planned.ok) return planned;
  const { role, neededSat: limit, availableSat: actual } = planned.error;
  const own = (role === "requester") === isRequester;
  return violation(own ? "insufficient_funds" : "remote_share_too_small", "LS-1", { limit, actual });
}

/** A script of the size of most, which nothing is paid to. */
const ANY_SCRIPT = new Uint8Array(22);

/**
 * The plan, where the peer's share is yet to be judged. Change for which it names no script would be fee. That is its own money, and lost with the
 * transaction only: whoever is never going to sign could name any fee, which we would have to exceed to replace the transaction. Spec: LS-1, LS-5.
 */
export function judgePlan(...[state, shares, keys]: Parameters<typeof planOf>): ReturnType<typeof planOf> {
  const planned = planOf(state, shares, keys);
  if (!planned.ok || shares.remote.changeScript !== undefined) return planned;
  const changed = planOf(state, { ...shares, remote: { ...shares.remote, changeScript: ANY_SCRIPT } }, keys);
  if (!changed.ok) return changed;
  const change = changed.value.transaction.outputs.find(({ script }) => script === ANY_SCRIPT);
  if (change === undefined) return planned;
  const numbers = { limit: DUST_LIMIT_SAT - 1n, actual: change.amountSat };
  return violation("remote_change_script", "LS-1", { ...numbers, detail: "no script for its change" });
}

export function fundingRow({ txid, outputIndex }: FundingPlan, amountSat: bigint): FundingRow {
  const heights = { confirmedHeight: undefined, conflictHeight: undefined };
  return { txid, outputIndex, amountSat: amountSat as Satoshi, transaction: undefined, ...heights };
}

/**
 * Amount and script must be what the chain has, since signatures commit to both. An unconfirmed output could be replaced by
 * its owner, and what spends it with it, at no cost. Spec: LS-1.
 */
export function judgeInput(input: FundingInput, checked: CheckedInput | undefined): ChannelError | undefined {
  const detail = keyOf(input);
  const rule = "LS-1";
  if (checked?.ours === true) return { type: "remote_input_is_ours", rule, detail };
  const output = checked?.output;
  if (output === undefined) return { type: "remote_input_unspendable", rule, detail };
  if (!equalBytes(output.script, fundingInputScript(input))) return { type: "remote_input_not_p2wpkh", rule, detail };
  if (output.amountSat !== input.amountSat) {
    return { type: "remote_input_amount", rule, limit: output.amountSat, actual: input.amountSat, detail };
  }
  const { confirmations } = output;
  if (confirmations < 1) {
    return { type: "remote_input_unconfirmed", rule, limit: 1, actual: confirmations, detail };
  }
  if (output.coinbase && confirmations < COINBASE_MATURITY) {
    return { type: "remote_input_immature", rule, limit: COINBASE_MATURITY, actual: confirmations, detail };
  }
  return undefined;
}

/** The plan again, from what is stored. */
export function storedPlan(state: ChannelState): FundingPlan {
  const { local, remote } = state.fundingShares;
  const keys = { local: state.terms.local?.commitKey, remote: state.terms.remote?.commitKey };
  invariant(local !== undefined && remote !== undefined, "both shares are stored");
  invariant(keys.local !== undefined && keys.remote !== undefined, "both terms are stored");
  const planned = planOf(state, { local, remote }, { local: keys.local, remote: keys.remote });
  invariant(planned.ok, "the funding transaction was planned before");
  return planned.value;
}

/** Whether there is one good signature for each of the peer's inputs. */
export function judgeSignatures(
  state: ChannelState,
  signatures: readonly Uint8Array[],
): Result<FundingShareRow, ChannelError> {
  const share = state.fundingShares.remote;
  invariant(share !== undefined, "the peer's share is stored");
  const { inputs } = share;
  if (signatures.length !== inputs.length) {
    const numbers = { limit: inputs.length, actual: signatures.length };
    return violation("bad_funding_signature", "LS-4", { ...numbers, detail: "one for each input" });
  }
  const { transaction } = storedPlan(state);
  for (const [at, input] of inputs.entries()) {
    if (!isFundingSignature(transaction, input, signatures[at] ?? new Uint8Array(64))) {
      return violation("bad_funding_signature", "LS-4", { actual: at, detail: keyOf(input) });
    }
  }
  return { ok: true, value: { ...share, signatures } };
}

export function wholeTransaction(local: FundingShareRow, remote: FundingShareRow, plan: FundingPlan): Uint8Array {
  const signed = [local, remote].flatMap(({ inputs, signatures }) => {
    invariant(signatures !== undefined, "both parties have signed");
    return inputs.map((input, at) => ({ input, signature: signatures[at] ?? new Uint8Array(64) }));
  });
  return signedFunding(plan.transaction, signed);
}
