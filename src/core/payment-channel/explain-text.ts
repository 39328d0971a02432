// An explanation as lines for people.

import { assertNever, toHex, txidToDisplay } from "../base/index.ts";
import type {
  Act,
  EndKind,
  ExplainedEnd,
  ExplainedHtlc,
  ExplainedOutput,
  Explanation,
  ForceClose,
  HtlcSum,
  NextAct,
  Otherwise,
  OutputPlan,
  Trouble,
} from "./explain-data.ts";
import type { Side, Stage } from "./rows.ts";

/** Of a list that may be long, so many lines; how many more there are is said. The data has them all. */
const MOST_LINES = 20;

const STAGES: Readonly<Record<Stage, string>> = {
  awaiting_funding_response: "asked for; the peer has not answered how much it brings",
  awaiting_input_check: "being funded by both: the peer's coins are looked up on the chain",
  awaiting_sign_accept: "being funded by both: the peer has yet to sign",
  awaiting_sign_complete: "being funded by both: our signatures are out, the peer can broadcast the funding",
  awaiting_open_channel: "asked for; the peer has not answered",
  awaiting_open_anchor: "asked for by the peer, who has yet to fund it",
  awaiting_open_commit_sig: "being opened: the funding is held back until the peer has signed",
  awaiting_depth: "funded, waiting for confirmations",
  open: "open",
  close_agreed: "closed by both, waiting for the chain",
  closed: "closed and paid out; still watched",
  buried: "over",
  abandoned: "given up before any money was in it",
  failed: "failed: only the chain can settle it",
};

/** Lines, without their ends, that say what the explanation says. */
export function explanationLines(explanation: Explanation): string[] {
  const { channel, peer, stage, closing, failure, height, amountSat, localMsat, remoteMsat } = explanation;
  const state = closing ? "closing: no HTLC is added, those that stand drain" : STAGES[stage];
  const lines = [
    `Channel ${channel} with ${toHex(peer)}, at block ${height}`,
    `  ${state}`,
    `  of ${sats(amountSat)} sat: ours ${msats(localMsat)}, the peer's ${msats(remoteMsat)}, before commitment fees`,
  ];
  if (failure !== undefined) lines.push(`  because: ${failure}`);
  lines.push(...section("What has to happen", explanation.next, (next) => nextWords(next, explanation)));
  lines.push(...section("What is stuck", explanation.stuck, (trouble) => troubleWords(trouble, explanation)));
  const { deadline } = explanation;
  if (deadline !== undefined) {
    const { height: due, htlcId, reason, rule } = deadline;
    lines.push("", `This node goes to the chain at block ${due} (${blocks(due - height)}) if nothing changes:`);
    lines.push(`  HTLC ${htlcId}: ${reason} [${rule}]`);
  }
  if (explanation.forceClose !== undefined) lines.push(...forceCloseLines(explanation.forceClose, height));
  if (explanation.end !== undefined) lines.push(...endLines(explanation.end));
  lines.push(...section("HTLCs", explanation.htlcs, htlcWords));
  return lines;
}

function section<T>(title: string, items: readonly T[], words: (item: T) => string): string[] {
  if (items.length === 0) return [];
  const lines = items.slice(0, MOST_LINES).map((item) => `  ${words(item)}`);
  if (items.length > MOST_LINES) lines.push(`  and ${items.length - MOST_LINES} more`);
  return ["", `${title}:`, ...lines];
}

const ACTORS = { us: "this node", peer: "the peer", chain: "the chain", user: "you" } as const;

const OTHERWISE: Readonly<Record<Otherwise, string>> = {
  opening_ends: "else the opening ends",
  channel_fails: "else the channel fails",
  other_side_may_take_it: "after that the other side may take it",
};

function nextWords({ who, act, fromHeight, byHeight, byTime, otherwise }: NextAct, at: Explanation): string {
  const parts = [`${ACTORS[who]}: ${actWords(act)}`];
  if (fromHeight !== undefined && fromHeight > at.height + 1) parts.push(`from block ${fromHeight} on`);
  if (byHeight !== undefined) parts.push(`by block ${byHeight} (${blocks(byHeight - at.height)})`);
  if (byTime !== undefined) parts.push(`within ${duration(byTime - at.now)}`);
  if (otherwise !== undefined) parts.push(OTHERWISE[otherwise]);
  return parts.join(", ");
}

function actWords(act: Act): string {
  switch (act.type) {
    case "continue_opening":
      return `send ${act.message}`;
    case "check_inputs":
      return "look up the peer's coins";
    case "confirm_anchor":
      return `confirm the anchor, ${act.have} of the ${plural(act.need, "confirmation")} that ${act.asker === "local" ? "this node" : "the peer"} asks for`;
    case "open_complete":
      return "say that the channel is open (open_complete)";
    case "come_back":
      return "be connected again";
    case "revoke":
      return `revoke its commitment ${act.commitment}; commitment ${act.newest} is signed`;
    case "sign":
      return `sign the other's next commitment, ${plural(act.changes, "change")}`;
    case "answer_add":
      return `accept or reject HTLC ${act.htlcId}`;
    case "answer_removal":
      return `accept that HTLC ${act.htlcId} is removed`;
    case "settle":
      return `fulfil or fail HTLC ${act.htlcId}`;
    case "tell_preimage":
      return `tell the preimage of HTLC ${act.htlcId}, which is known`;
    case "answer_close":
      return "answer the close";
    case "agree_on_close":
      return "offer a fee for the close, or take the other's";
    case "decide_on_frozen":
      return "fail the channel, or report what happened and wait";
    case "end_for_us":
      return "put its newest commitment on chain: ours is too old, and must not be";
    case "confirm_end":
      return `confirm ${END_WORDS[act.what]}`;
    case "claim":
      return `claim output ${act.output}, ${sats(act.amountSat)} sat`;
    case "confirm_claim":
      return `confirm the claim ${txidToDisplay(act.txid)} of ${plural(act.outputs.length, "output")}`;
    case "bury":
      return `bury it, ${act.have} of ${act.need} confirmations`;
    default:
      return assertNever(act);
  }
}

const END_WORDS: Readonly<Record<EndKind, string>> = {
  cancellation: "the transaction that spends our coins back, before the peer's funding",
  close: "the close",
  commitment: "the commitment",
  revoked: "the revoked commitment",
  unknown: "the unknown transaction that spends the anchor",
};

const SIDES: Readonly<Record<Side, string>> = { local: "our", remote: "the peer's" };

function troubleWords(trouble: Trouble, { now, height }: Explanation): string {
  switch (trouble.type) {
    case "frozen":
      return `frozen, a defect of this program: ${trouble.why}. There are no updates; the money is watched over`;
    case "catching_up":
      return "blocks are missing yet: what the chain did since is not known";
    case "peer_away":
      return trouble.since === undefined
        ? "the peer is away"
        : `the peer is away, for ${duration(now - trouble.since)}: nothing moves until it is back`;
    case "peer_stalls":
      return `the peer is there and has not done its part for ${duration(now - trouble.since)}; the channel fails in ${duration(trouble.giveUpAt - now)}`;
    case "error_due":
      return "the peer was away when the channel failed, and is yet to be told";
    case "fee_rate_too_low":
      return `the fee rate of ${SIDES[trouble.side]} commitment is ${trouble.feeRate} and should be ${trouble.least} at least: nothing is offered`;
    case "fee_unaffordable":
      return `our commitment's fee rate is ${trouble.feeRate} and should be ${trouble.wanted}, of which we can't pay half: receive something, close, or wait`;
    case "window_exhausted":
      return `changes wait: ${plural(trouble.unrevoked, "commitment")} of the peer signed and not revoked, ${trouble.limit} at most`;
    case "too_much_unacknowledged":
      return `${trouble.packets} packets are not acknowledged, ${trouble.limit} at most: nothing is offered`;
    case "anchor_reorganised":
      return "the anchor is in no block any more: nothing is offered until it is back";
    case "funding_conflict":
      return `an input of the funding was spent in another way at block ${trouble.height}: the channel ends at ${trouble.need} confirmations, ${trouble.have} now`;
    case "htlc_overdue":
      return `HTLC ${trouble.htlcId} is overdue since block ${trouble.since}${toChain(trouble.goesToChainAt, height)}`;
    case "data_too_old":
      return "the anchor is spent by what this data knows nothing of: it is older than the channel. Only what pays the wallet comes back";
    case "own_revoked":
      return "a commitment of ours that was revoked is on chain, from an old copy of this data: the peer may take all of it";
    case "not_worth_claiming":
      return `output ${trouble.output} holds ${sats(trouble.amountSat)} sat and its claim costs ${sats(trouble.feeSat)}: it waits for lower fees`;
    default:
      return assertNever(trouble);
  }
}

function toChain(due: number | undefined, height: number): string {
  if (due === undefined) return "";
  return due > height ? `; the channel goes to the chain at block ${due}` : "; only the chain can settle it";
}

function forceCloseLines(close: ForceClose, height: number): string[] {
  const { feeSat, ownFeeSat, toSelfSat, toSelfFrom, claimFeesSat, claims, dust, atStake, costMsat } = close;
  const lines = [
    "",
    `A force close now (commitment ${close.commitment}) costs ${msats(costMsat)} sat:`,
    `  ${sats(ownFeeSat)} of ${sats(feeSat)} sat of the commitment's fee, about ${sats(claimFeesSat)} sat for ${plural(claims.length, "claim")}`,
    toSelfFrom === undefined
      ? `  our balance of ${msats(close.balanceMsat)} sat is too small for an output and is lost`
      : `  ${sats(toSelfSat)} sat can be spent from block ${toSelfFrom} on (${blocks(toSelfFrom - height)})`,
  ];
  const last = Math.max(0, ...claims.map(({ from }) => from));
  if (last > (toSelfFrom ?? 0)) lines.push(`  the last claim can go at block ${last} (${blocks(last - height)})`);
  if (atStake.incoming.count > 0) {
    lines.push(
      `  incoming: ${sumWords(atStake.incoming)}, of which we know the preimages of ${sumWords(atStake.takeable)}`,
    );
  }
  if (atStake.outgoing.count > 0)
    lines.push(`  outgoing: ${sumWords(atStake.outgoing)}, ours again unless the peer takes them`);
  for (const direction of ["incoming", "outgoing"] as const) {
    if (dust[direction].count > 0) lines.push(`  ${direction} dust that goes to nobody: ${sumWords(dust[direction])}`);
  }
  return lines;
}

function sumWords({ count, msat }: HtlcSum): string {
  return `${plural(count, "HTLC")} of ${msats(msat)} sat`;
}

function endLines({ kind, holder, commitment, txid, height, outputs }: ExplainedEnd): string[] {
  const whose = holder === undefined ? "" : ` (${SIDES[holder]} number ${commitment})`;
  const where = height === undefined ? "in the mempool" : `in block ${height}`;
  const title = `On chain: ${END_WORDS[kind]}${whose}, ${txidToDisplay(txid)}, ${where}`;
  const lines = section(title, outputs, outputWords);
  return lines.length === 0 ? ["", title] : lines;
}

function outputWords({ index, kind, htlcId, amountSat, plan }: ExplainedOutput): string {
  const what = htlcId === undefined ? kind.replace("_", "-") : `HTLC ${htlcId} (${kind})`;
  return `output ${index}, ${what}, ${sats(amountSat)} sat: ${planWords(plan)}`;
}

function planWords(plan: OutputPlan): string {
  switch (plan.type) {
    case "spent": {
      const where = plan.height === undefined ? "in the mempool" : `in block ${plan.height}`;
      return `${plan.ours ? "claimed by us" : "taken by the other side"} ${where}`;
    }
    case "claim_out":
      return `our claim is out since block ${plan.since} for ${sats(plan.feeSat)} sat${contest(plan.contestedFrom)}`;
    case "claim_from":
      return `ours from block ${plan.from} on, for about ${sats(plan.feeSat)} sat${contest(plan.contestedFrom)}`;
    case "needs_preimage":
      return "ours only with a preimage that is not known";
    case "in_wallet":
      return "pays the wallet";
    case "unconfirmed":
      return "waits for the commitment to confirm";
    case "not_ours":
      return "not ours";
    default:
      return assertNever(plan);
  }
}

function contest(from: number | undefined): string {
  return from === undefined ? "" : `; the other side may claim it from block ${from} on`;
}

function htlcWords(htlc: ExplainedHtlc): string {
  const { id, direction, amountMsat, expiry, add, removal, dust, preimageKnown, deadline } = htlc;
  const parts = [
    `HTLC ${id}, ${direction}, ${msats(amountMsat)} sat, expires at block ${expiry}: ${words(removal ?? add)}`,
  ];
  if (dust) parts.push("dust");
  if (preimageKnown) parts.push("the preimage is known");
  if (deadline !== undefined) parts.push(`to the chain at block ${deadline.height}`);
  return parts.join(", ");
}

function words(name: string): string {
  return name.replaceAll("_", " ");
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

function blocks(count: number): string {
  return count < 0 ? `${plural(-count, "block")} ago` : `in ${plural(count, "block")}`;
}

/** With commas between groups of three digits. */
function sats(value: bigint): string {
  return value.toString().replace(/\B(?=(\d{3})+$)/g, ",");
}

function msats(msat: bigint): string {
  const absolute = msat < 0n ? -msat : msat;
  return `${msat < 0n ? "-" : ""}${sats(absolute / 1000n)}.${(absolute % 1000n).toString().padStart(3, "0")}`;
}

/** `40 s`, `9 min` or `3 h 12 min`; nothing is less than 0 s. */
function duration(ms: number): string {
  const seconds = Math.max(Math.round(ms / 1000), 0);
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 120) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} days ${hours % 24} h`;
}
