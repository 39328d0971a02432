// A channel in the words of its operator: where it stands, who must act next and until when, what is stuck, and what it would
// cost to end it now. It looks, and changes nothing; what it says is what the rules of the other files come to.

import { deadline, htlcDeadline } from "./deadlines.ts";
import { explainedEnd, forceClose } from "./explain-chain.ts";
import type { ExplainedHtlc, Explanation, Outlook } from "./explain-data.ts";
import { nextActs } from "./explain-next.ts";
import { troubles } from "./explain-stuck.ts";
import { htlcStates } from "./htlc-states.ts";
import { preimageOf } from "./preimages.ts";
import type { ChannelState, Htlc } from "./state.ts";
import { isDustHtlc } from "./view.ts";

/** Explains the channel as of the moment that `outlook` gives. Never fails, whatever the stage. */
export function explain(state: ChannelState, outlook: Outlook): Explanation {
  const { channel, stage, clearing, funding, view } = state;
  const end = explainedEnd(state, outlook);
  const isLive = stage.stage === "open";
  return {
    channel: channel.index,
    channelId: state.id,
    peer: channel.peer,
    initiator: channel.initiator,
    stage: stage.stage,
    closing: isLive && (clearing.local !== undefined || clearing.remote !== undefined),
    failure: stage.failure,
    height: outlook.height,
    now: outlook.now,
    amountSat: funding?.amountSat ?? channel.plannedAmountSat ?? 0n,
    localMsat: view.local.balanceMsat,
    remoteMsat: view.remote.balanceMsat,
    next: nextActs(state, outlook, end),
    deadline: isLive ? deadline(state) : undefined,
    stuck: troubles(state, outlook, end),
    forceClose: forceClose(state, outlook),
    htlcs: [...state.htlcs.values()].map((htlc) => explainedHtlc(state, htlc, isLive)),
    end,
  };
}

function explainedHtlc(state: ChannelState, htlc: Htlc, isLive: boolean): ExplainedHtlc {
  const { id, offerer, amountMsat, paymentHash, expiry } = htlc;
  return {
    id,
    direction: offerer === "local" ? "outgoing" : "incoming",
    amountMsat,
    paymentHash,
    expiry,
    dust: isDustHtlc(htlc),
    preimageKnown: preimageOf(state, htlc) !== undefined,
    ...htlcStates(state, htlc),
    deadline: isLive ? htlcDeadline(state, htlc) : undefined,
  };
}
