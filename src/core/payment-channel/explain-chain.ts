// What a force close would cost now, and what becomes of the outputs of a commitment that is on chain. Both by the claims that
// would really be made: see claims.ts.

import { commitmentFee, commitmentTransaction, splitFee } from "../bitcoin/index.ts";
import { outputsOf } from "./chain-outputs.ts";
import { type Claimable, claimable } from "./claims.ts";
import type {
  ExplainedEnd,
  ExplainedOutput,
  ForceClose,
  HtlcSum,
  Outlook,
  OutputPlan,
  PlannedClaim,
} from "./explain-data.ts";
import { estimatedFeeRate } from "./policy.ts";
import { preimageOf } from "./preimages.ts";
import type { AnchorSpendRow, ChainOutputRow, CommitmentRow, HtlcRow } from "./rows.ts";
import { commitmentParams } from "./snapshot.ts";
import { type ChannelState, isIn } from "./state.ts";
import { claimVirtualSize, inputFee } from "./sweeps.ts";
import { isDustHtlc } from "./view.ts";

/** What our newest commitment would come to in the next block. Spec: B2-29, B2-31, B2-43. */
export function forceClose(state: ChannelState, outlook: Outlook): ForceClose | undefined {
  const { local } = state.commitments;
  const { stage, stale } = state.stage;
  const isOver = stage === "close_agreed" || stage === "closed" || stage === "buried" || stage === "abandoned";
  if (
    local?.signature === undefined ||
    state.anchorSpend !== undefined ||
    state.funding === undefined ||
    isOver ||
    stale
  ) {
    return undefined;
  }
  const htlcs = [...state.htlcs.values()].filter((htlc) => isIn(htlc, local.coverage));
  const planned = plannedClaims(state, local, htlcs, outlook.height + 1);
  const claims = planned.filter((claim) => isWorth(claim, outlook));
  const feeSat = commitmentFee(local.feeRate, htlcs.filter((htlc) => !isDustHtlc(htlc)).length);
  const { ownSat } = splitFee({ feeSat, ownMsat: local.localMsat, othMsat: local.remoteMsat });
  const toSelf = planned.find(({ output }) => output.kind === "to_self");
  const claimFeesSat = claimFees(claims, outlook);
  const unclaimedSat = planned.reduce((sum, one) => sum + (claims.includes(one) ? 0n : one.output.amountSat), 0n);
  return {
    commitment: local.number,
    feeSat,
    ownFeeSat: local.localMsat / 1000n - ownSat,
    balanceMsat: local.localMsat,
    toSelfSat: toSelf?.output.amountSat ?? 0n,
    toSelfFrom: toSelf?.claim.from,
    claimFeesSat,
    claims: claims.map(plannedClaim),
    ...htlcSums(state, htlcs),
    costMsat: local.localMsat - (toSelf?.output.amountSat ?? 0n) * 1000n + (claimFeesSat + unclaimedSat) * 1000n,
  };
}

type Planned = { readonly output: ChainOutputRow; readonly claim: Claimable };

function plannedClaim({ output: { kind, htlcId, amountSat }, claim: { from, contestedFrom } }: Planned): PlannedClaim {
  return { kind, htlcId, amountSat, from, contestedFrom };
}

/** The claims of our commitment if a block of that height has it. */
function plannedClaims(state: ChannelState, row: CommitmentRow, htlcs: readonly HtlcRow[], height: number): Planned[] {
  const transaction = commitmentTransaction(commitmentParams(state, row));
  const published = { holder: "local", revoked: false, revocationHash: row.revocationHash, htlcs } as const;
  const outputs = outputsOf(state, transaction, published);
  return outputs.flatMap((output) => {
    const { txid } = output;
    const spend: AnchorSpendRow = {
      txid,
      transaction: new Uint8Array(0),
      kind: "commitment",
      holder: "local",
      number: row.number,
      height,
    };
    const claim = claimable(state, spend, output);
    return claim === undefined ? [] : [{ output, claim }];
  });
}

function isWorth({ output, claim }: Planned, outlook: Outlook): boolean {
  return output.amountSat > inputFee(claim.spend, estimatedFeeRate(outlook.fees));
}

/** One transaction for all that can go at one height. */
function claimFees(claims: readonly Planned[], { fees }: Outlook): bigint {
  let sum = 0n;
  for (const from of new Set(claims.map(({ claim }) => claim.from))) {
    const spends = claims.flatMap(({ claim }) => (claim.from === from ? [claim.spend] : []));
    sum += BigInt(Math.ceil((claimVirtualSize(spends) * estimatedFeeRate(fees)) / 1000));
  }
  return sum;
}

function htlcSums(state: ChannelState, htlcs: readonly HtlcRow[]): Pick<ForceClose, "dust" | "atStake"> {
  const isOutgoing = ({ offerer }: HtlcRow) => offerer === "local";
  const dust = htlcs.filter(isDustHtlc);
  const rest = htlcs.filter((htlc) => !isDustHtlc(htlc));
  const incoming = rest.filter((htlc) => !isOutgoing(htlc));
  return {
    dust: { incoming: sum(dust.filter((htlc) => !isOutgoing(htlc))), outgoing: sum(dust.filter(isOutgoing)) },
    atStake: {
      incoming: sum(incoming),
      takeable: sum(incoming.filter((htlc) => preimageOf(state, htlc) !== undefined)),
      outgoing: sum(rest.filter(isOutgoing)),
    },
  };
}

function sum(htlcs: readonly HtlcRow[]): HtlcSum {
  return { count: htlcs.length, msat: htlcs.reduce((total, { amountMsat }) => total + amountMsat, 0n) };
}

/** What spends the anchor, with what is planned for each output that concerns us. */
export function explainedEnd(state: ChannelState, outlook: Outlook): ExplainedEnd | undefined {
  const spend = state.anchorSpend;
  if (spend === undefined) return undefined;
  const { kind, holder, number, txid, height } = spend;
  const outputs = [...state.chainOutputs.values()]
    .sort((a, b) => a.index - b.index)
    .map((output): ExplainedOutput => {
      const { index, htlcId, amountSat } = output;
      return { index, kind: output.kind, htlcId, amountSat, plan: planFor(state, spend, output, outlook) };
    });
  return { kind, holder, commitment: number, txid, height, outputs };
}

function planFor(
  state: ChannelState,
  anchorSpend: AnchorSpendRow,
  output: ChainOutputRow,
  outlook: Outlook,
): OutputPlan {
  const { spend, index, kind } = output;
  const claim = claimable(state, anchorSpend, output);
  const sweep = state.sweeps.find(({ claims }) => claims.includes(index));
  // A claim of ours in the mempool is one that may yet be made dearer.
  if (spend !== undefined && !(spend.ours && spend.height === undefined && sweep !== undefined)) {
    return { type: "spent", ours: spend.ours, txid: spend.txid, height: spend.height };
  }
  if (kind === "to_other") return { type: "in_wallet" };
  if (anchorSpend.height === undefined) return { type: "unconfirmed" };
  if (claim === undefined) return { type: anchorSpend.kind === "revoked" ? "not_ours" : "needs_preimage" };
  const { from, contestedFrom } = claim;
  if (sweep === undefined)
    return { type: "claim_from", from, contestedFrom, feeSat: inputFee(claim.spend, estimatedFeeRate(outlook.fees)) };
  const { txid, feeRate, feeSat, createdHeight } = sweep;
  return { type: "claim_out", txid, feeRate, feeSat, since: createdHeight, contestedFrom };
}
