import type { ChannelId, NodeId, PaymentHash, Txid } from "../core/base/index.ts";
import {
  type ChannelState,
  type CommitmentState,
  commitmentState,
  type HtlcStates,
  htlcStates,
  type Side,
  type Stage,
} from "../core/payment-channel/index.ts";
import type { ChannelRunner } from "./channel-runner.ts";

/** A channel as people and programs want to see it. */
export type ChannelSummary = {
  /** The node's own number of the channel; never changes. */
  readonly channel: number;
  readonly channelId: ChannelId;
  readonly peer: NodeId;
  readonly stage: Stage;
  /** Somebody wants to close it, and HTLCs are draining. */
  readonly closing: boolean;
  /** Why it failed, was abandoned, or why its updates stopped. */
  readonly failure: string | undefined;
  /** Recovery mode: our data are older than the channel. Nothing is broadcast; the peer has to close it. */
  readonly stale: boolean;
  readonly initiator: Side;
  readonly peerReady: boolean;
  readonly amountSat: bigint;
  /** Outside of HTLCs, before commitment fees. */
  readonly localMsat: bigint;
  readonly remoteMsat: bigint;
  /** HTLCs are requested before they are added. */
  readonly prestage: boolean;
  /** HTLCs under way, and what they hold. */
  readonly htlcs: number;
  readonly htlcsMsat: bigint;
  /** Those, and the ones that are removed and still stand in some commitment that counts. */
  readonly liveHtlcs: readonly HtlcSummary[];
  readonly funding:
    | { readonly txid: Txid; readonly outputIndex: number; readonly confirmedHeight: number | undefined }
    | undefined;
  /** Numbers of the newest commitments. */
  readonly localCommitment: number;
  readonly remoteCommitment: number;
  /** Commitments that can be broadcast, and the next one of each side where changes wait for it. */
  readonly commitments: readonly CommitmentSummary[];
};

/** An HTLC with its states in the words of seed 000. */
export type HtlcSummary = {
  readonly id: bigint;
  readonly direction: "incoming" | "outgoing";
  readonly amountMsat: bigint;
  /** Block height. */
  readonly expiry: number;
  readonly paymentHash: PaymentHash;
} & HtlcStates;

export type CommitmentSummary = { readonly holder: Side; readonly number: number; readonly state: CommitmentState };

const SIDES: readonly Side[] = ["local", "remote"];

function commitments(state: ChannelState): CommitmentSummary[] {
  const { local, remote } = state.commitments;
  const rows = { local: local === undefined ? [] : [local], remote };
  return SIDES.flatMap((holder) => {
    const numbers = rows[holder].map(({ number }) => number);
    const next = (numbers.at(-1) ?? -1) + 1;
    return [...numbers, next].flatMap((number) => {
      const is = commitmentState(state, holder, number);
      return is === undefined ? [] : [{ holder, number, state: is }];
    });
  });
}

export function summary(runner: ChannelRunner): ChannelSummary {
  const { state } = runner;
  const { funding, view, clearing } = state;
  const standing = [...state.htlcs.values()].filter(({ removal }) => removal === undefined);
  return {
    channel: runner.index,
    channelId: state.id,
    peer: runner.peer,
    stage: state.stage.stage,
    closing: state.stage.stage === "open" && (clearing.local !== undefined || clearing.remote !== undefined),
    failure: state.stage.failure ?? runner.frozenBecause,
    stale: state.stage.stale,
    initiator: state.channel.initiator,
    peerReady: runner.session.ready,
    amountSat: funding?.amountSat ?? state.channel.plannedAmountSat ?? 0n,
    localMsat: view.local.balanceMsat,
    remoteMsat: view.remote.balanceMsat,
    prestage: state.channel.prestage,
    htlcs: standing.length,
    htlcsMsat: standing.reduce((sum, { amountMsat }) => sum + amountMsat, 0n),
    funding:
      funding === undefined
        ? undefined
        : { txid: funding.txid, outputIndex: funding.outputIndex, confirmedHeight: funding.confirmedHeight },
    localCommitment: state.commitments.local?.number ?? -1,
    remoteCommitment: state.commitments.remote.at(-1)?.number ?? -1,
    liveHtlcs: [...state.htlcs.values()].map((htlc) => ({
      id: htlc.id,
      direction: htlc.offerer === "local" ? ("outgoing" as const) : ("incoming" as const),
      amountMsat: htlc.amountMsat,
      expiry: htlc.expiry,
      paymentHash: htlc.paymentHash,
      ...htlcStates(state, htlc),
    })),
    commitments: commitments(state),
  };
}
