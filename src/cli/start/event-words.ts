import { assertNever, type NodeEvent, toHex, txidToDisplay } from "../../node/index.ts";
import { grouped, satWithDecimals, shortened } from "../format.ts";

function because(reason: string | undefined): string {
  return reason === undefined ? "" : `: ${reason}`;
}

/** What happened in a node, as one line for people. */
export function eventWords(event: NodeEvent): string {
  switch (event.type) {
    case "peer_connected":
      return `peer ${shortened(toHex(event.peer))} connected`;
    case "peer_disconnected":
      return `peer ${shortened(toHex(event.peer))} disconnected${because(event.reason)}`;
    case "peer_ready":
      return `peer ${shortened(toHex(event.peer))} is ready`;
    case "channel_stage": {
      const { channel, channelId, peer, stage, failure } = event;
      const which = `channel ${channel} (${shortened(toHex(channelId))}) with ${shortened(toHex(peer))}`;
      return `${which} is ${stage.replaceAll("_", " ")}${because(failure)}`;
    }
    case "channel_stale": {
      const which = `channel ${event.channel} with ${shortened(toHex(event.peer))}`;
      return `${which} is in recovery: this is an old copy of the data; only the peer can close the channel now`;
    }
    case "channel_frozen": {
      const which = `channel ${event.channel} with ${shortened(toHex(event.peer))}`;
      return `${which} is frozen: it takes no updates any more, and its money is still defended: ${event.problem}`;
    }
    case "channel_damaged":
      return `channel ${event.channel} is damaged, and NOBODY DEFENDS IT: ${event.problem}`;
    case "copy_kept":
      return `keeping a copy for peer ${shortened(toHex(event.peer))}`;
    case "newer_copy": {
      const { peer, channels, createdAt } = event;
      const from = new Date(createdAt).toISOString();
      return `peer ${shortened(toHex(peer))} keeps a copy of ${from} with ${channels} channels that are not known here: restore from it`;
    }
    case "violation":
      return `peer ${shortened(toHex(event.peer))} broke a rule: ${event.problem}`;
    case "htlc_requested": {
      const { channel, id, amountMsat } = event;
      return `channel ${channel}: the peer asks to add HTLC ${id} of ${satWithDecimals(amountMsat)} sat`;
    }
    case "fee_unaffordable": {
      const { channel, wanted, feeRate } = event;
      return `channel ${channel} can't pay ${wanted} sat per 1000 bytes for its commitment; it has ${feeRate}`;
    }
    case "payment_ended":
      return `payment ${event.id} ${event.state}`;
    case "invoice_settled":
      return `received ${satWithDecimals(event.amountMsat)} sat for ${shortened(toHex(event.paymentHash))}`;
    case "withdrawal": {
      const what = `the withdrawal ${txidToDisplay(event.txid)} of ${grouped(event.amountSat)} sat`;
      if (event.state === "confirmed") return `${what} is in block ${event.height}`;
      if (event.state === "unconfirmed") return `${what} is in no block any more, and is given to the network again`;
      return `${what} can't be in any block: since block ${event.height} a coin that it spends is gone`;
    }
    case "block":
      return `block ${event.height}`;
    case "funding_conflict": {
      const where = event.height === undefined ? "in the mempool" : `in block ${event.height}`;
      return `channel ${event.channel}: another transaction spends an input of its funding, ${where}`;
    }
    case "anchor_spent":
      return `the anchor of channel ${event.channel} is spent: ${spentBy(event)}`;
    case "broadcast_rejected":
      return `the chain refused a transaction: ${event.reason}`;
    case "trouble":
      return `trouble: ${event.problem}`;
    case "stopped":
      return "the node has stopped";
    case "halted":
      return `the node stopped by itself: ${event.cause instanceof Error ? event.cause.message : String(event.cause)}`;
    default:
      return assertNever(event);
  }
}

function spentBy({ kind, holder, number }: Extract<NodeEvent, { type: "anchor_spent" }>): string {
  switch (kind) {
    case "close":
      return "a cooperative close";
    case "commitment":
      return `${holder === "local" ? "our" : "the peer's"} commitment ${number}`;
    case "revoked":
      return `commitment ${number}, which was revoked`;
    case "unknown":
      return "a transaction that this node knows nothing of";
    default:
      return assertNever(kind);
  }
}
