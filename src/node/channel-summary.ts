import type { ChannelId, NodeId, Txid } from "../core/base/index.ts";
import type { Side, Stage } from "../core/payment-channel/index.ts";
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
  readonly initiator: Side;
  readonly peerReady: boolean;
  readonly amountSat: bigint;
  /** Outside of HTLCs, before commitment fees. */
  readonly localMsat: bigint;
  readonly remoteMsat: bigint;
  /** HTLCs under way, and what they hold. */
  readonly htlcs: number;
  readonly htlcsMsat: bigint;
  readonly funding:
    | { readonly txid: Txid; readonly outputIndex: number; readonly confirmedHeight: number | undefined }
    | undefined;
  /** Numbers of the newest commitments. */
  readonly localCommitment: number;
  readonly remoteCommitment: number;
};

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
    initiator: state.channel.initiator,
    peerReady: runner.session.ready,
    amountSat: funding?.amountSat ?? state.channel.plannedAmountSat ?? 0n,
    localMsat: view.local.balanceMsat,
    remoteMsat: view.remote.balanceMsat,
    htlcs: standing.length,
    htlcsMsat: standing.reduce((sum, { amountMsat }) => sum + amountMsat, 0n),
    funding:
      funding === undefined
        ? undefined
        : { txid: funding.txid, outputIndex: funding.outputIndex, confirmedHeight: funding.confirmedHeight },
    localCommitment: state.commitments.local?.number ?? -1,
    remoteCommitment: state.commitments.remote.at(-1)?.number ?? -1,
  };
}
