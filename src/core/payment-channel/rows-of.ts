import type { ChannelRows } from "./rows.ts";
import type { ChannelState } from "./state.ts";

/** What is live of a channel, as a store hands it back: the other way round than `load`. Shares its rows, and no list, with the state. */
export function rowsOf(state: ChannelState): ChannelRows {
  const { terms, fundingShares, commitments, clearing } = state;
  return {
    channel: state.channel,
    id: state.id,
    terms: both(terms),
    stage: state.stage,
    funding: state.funding,
    dualFunding: state.dualFunding,
    fundingShares: both(fundingShares),
    totals: state.totals,
    htlcs: [...state.htlcs.values()].map(({ lock: _, ...row }) => row),
    removalRequests: [...state.removalRequests.values()],
    fees: [...state.fees],
    commitments: [commitments.local, ...commitments.remote].filter((row) => row !== undefined),
    revocationHashes: [...state.revocationHashes].map(([number, hash]) => ({ number, hash })),
    revocationSlots: [...state.revocationSlots],
    clearings: both(clearing),
    closeOffers: [...state.closeOffers],
    anchorSpend: state.anchorSpend,
    chainOutputs: [...state.chainOutputs.values()],
    sweeps: [...state.sweeps],
    knownPreimages: [...state.knownPreimages].map(([htlcId, preimage]) => ({ htlcId, preimage })),
  };
}

function both<T>({ local, remote }: { readonly local: T | undefined; readonly remote: T | undefined }): T[] {
  return [local, remote].filter((row) => row !== undefined);
}
