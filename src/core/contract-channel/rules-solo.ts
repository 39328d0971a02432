// What a party does alone with a state: snapshot_solo, close_solo, slash, settle.

import { payouts } from "./header.ts";
import { type ChannelRow, type Closing, credit, phaseOf } from "./ledger-rows.ts";
import { otherParty, PARTIES, type Pair, type Party } from "./parties.ts";
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
import { type Units, units } from "./units.ts";

export function snapshotSolo(
  context: RuleContext,
  { state }: OfType<"snapshot_solo" | "close_solo" | "slash">,
  channel: ChannelRow,
): Outcome {
  const phase = phaseOf(channel);
  if (phase !== "open") return refuse({ type: "phase_wrong", phase });
  const newer = checkNewer(context, channel, state);
  if (!newer.ok) return newer;
  recordState(context, withNewer(channel, state.header));
  return DONE;
}

export function closeSolo(
  context: RuleContext,
  { state }: OfType<"snapshot_solo" | "close_solo" | "slash">,
  channel: ChannelRow,
  by: Party,
): Outcome {
  const phase = phaseOf(channel);
  if (phase !== "open") return refuse({ type: "phase_wrong", phase });
  const isNewer = state.header.round > channel.base && state.signatures !== undefined;
  if (isNewer || !isRecorded(context, channel, state.header)) {
    const newer = checkNewer(context, channel, state);
    if (!newer.ok) return newer;
  }
  const closed = isNewer ? withNewer(channel, state.header) : channel;
  const end = context.height + channel.parameters.lockPeriod;
  const closedAt = closed.base + BigInt(closed.solo);
  const closing: Closing = { by, end, closedAt, forfeited: false, settled: false };
  recordState(context, { ...closed, closing });
  context.emit({ type: "closing", by, end });
  return DONE;
}

export function slash(
  context: RuleContext,
  { state }: OfType<"snapshot_solo" | "close_solo" | "slash">,
  channel: ChannelRow,
): Outcome {
  const { closing } = channel;
  if (closing === undefined || closing.settled) return refuse({ type: "phase_wrong", phase: phaseOf(channel) });
  if (context.height >= closing.end) return refuse({ type: "too_late", limit: closing.end, actual: context.height });
  const newer = checkNewer(context, channel, state);
  if (!newer.ok) return newer;
  recordState(context, withNewer(channel, state.header));
  return DONE;
}

/** What each party gets when the channel is settled, contracts aside: a forfeited reserve has changed hands. */
export function settlement(channel: ChannelRow): Pair<Units> {
  const paid = payouts(channel.header, channel);
  const { closing } = channel;
  const { initiator, responder } = paid;
  if (closing?.forfeited !== true) return { initiator: units(initiator), responder: units(responder) };
  // The states of a sound pair leave the closer its reserve; where one did not, nobody is paid below 0.
  const rest = paid[closing.by] - channel.parameters.reserve;
  const lost = rest < 0n ? paid[closing.by] : channel.parameters.reserve;
  const after = { initiator, responder };
  after[closing.by] -= lost;
  after[otherParty(closing.by)] += lost;
  return { initiator: units(after.initiator), responder: units(after.responder) };
}

export function settle(context: RuleContext, channel: ChannelRow): Outcome {
  const { closing, header, parameters } = channel;
  if (closing === undefined || closing.settled) return refuse({ type: "phase_wrong", phase: phaseOf(channel) });
  if (context.height < closing.end) return refuse({ type: "too_early", least: closing.end, actual: context.height });
  const paid = settlement(channel);
  for (const party of PARTIES) credit(context.rows, parameters.accounts[party], paid[party]);
  context.emit({ type: "settled", paid, unpaid: header.locked });
  afterPayment(context, { ...channel, closing: { ...closing, settled: true }, unpaid: header.locked });
  return DONE;
}

/** Keeps a settled channel while stakes are unpaid, and no longer. */
export function afterPayment(context: RuleContext, channel: ChannelRow): void {
  if (channel.unpaid > 0n) {
    context.rows.setChannel(channel.header.channelId, channel);
    return;
  }
  context.rows.deleteChannel(channel.header.channelId);
  context.emit({ type: "closed", mutual: false });
}
