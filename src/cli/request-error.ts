import { describeError, type RequestError } from "../node/index.ts";
import { grouped } from "./format.ts";

/** Why a node refused a request, with the numbers. */
export function describeRequestError(error: RequestError): string {
  switch (error.type) {
    case "unknown_peer":
      return "the peer was never connected: connect first";
    case "unknown_channel":
      return "there is no channel of that number";
    case "channel_damaged":
      return `the channel is damaged: ${error.problem}`;
    case "invoice_exists":
      return "an invoice of that payment hash exists already";
    case "amount_below_dust":
      return `${grouped(error.amountSat)} sat is too little: nodes relay no output under ${grouped(error.dustSat)} sat`;
    case "withdrawal_refused":
      return `the chain's node refused the transaction: ${error.reason}`;
    case "too_long":
      return `the ${error.field} has ${error.actual} characters, at most ${error.limit} are allowed`;
    case "insufficient_funds":
      if ("rule" in error) return describeError(error);
      return `the wallet has ${grouped(error.availableSat)} sat to spend, ${grouped(error.neededSat)} sat are needed`;
    default:
      return describeError(error);
  }
}
