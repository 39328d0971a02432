import type { ChannelChange } from "./changes.ts";
import type { Context } from "./input.ts";
import { ownRevocationHash } from "./own-revocation.ts";
import type { CommitmentRow, FundingRow } from "./rows.ts";
import type { ChannelState } from "./state.ts";

/** Balances of the first commitments, and our and the peer's commitment 0. `responderSat` of the anchor are the responder's own. */
export function firstCommitments(
  state: ChannelState,
  funding: FundingRow,
  responderSat: bigint,
  context: Context,
): { changes: ChannelChange[]; local: Omit<CommitmentRow, "signature">; remote: CommitmentRow; funded: ChannelState } {
  const { channel, terms, revocationHashes } = state;
  const responderMsat = responderSat * 1000n + channel.pushMsat;
  const initiatorMsat = funding.amountSat * 1000n - responderMsat;
  const totals = {
    ...state.totals,
    localMsat: channel.initiator === "local" ? initiatorMsat : responderMsat,
    remoteMsat: channel.initiator === "local" ? responderMsat : initiatorMsat,
  };
  const changes: ChannelChange[] = [
    { type: "funding", row: funding },
    { type: "totals", row: totals },
  ];
  const coverage = { local: 0, remote: 0 };
  const holds = { localMsat: totals.localMsat, remoteMsat: totals.remoteMsat, htlcs: 0 };
  const local = {
    holder: "local" as const,
    number: 0,
    coverage,
    feeRate: terms.local?.initialFeeRate ?? 0,
    revocationHash: ownRevocationHash(context, channel.index, 0),
    ...holds,
  };
  const remote: CommitmentRow = {
    holder: "remote",
    number: 0,
    coverage,
    feeRate: terms.remote?.initialFeeRate ?? 0,
    revocationHash: revocationHashes.get(0) ?? new Uint8Array(32),
    signature: undefined,
    ...holds,
  };
  return { changes, local, remote, funded: { ...state, funding, totals } };
}
