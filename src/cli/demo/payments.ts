import type { Msat, SluiceNode } from "../../node/index.ts";
import { msat, toHex } from "../../node/index.ts";
import { EXIT } from "../exit-code.ts";
import { Failure } from "../failure.ts";
import { describeRequestError } from "../request-error.ts";

export const PAYMENTS_EACH_WAY = 500;
/** So many at most are under way in each direction. */
export const LANES_EACH_WAY = 50;

/** Counts of what the demo paid, good at every moment. */
export type Tally = { sent: number; settled: number; failed: number };

/** One end of the channel: the node, and its own number of the channel. */
export type End = { readonly name: string; readonly node: SluiceNode; readonly channel: number };

/** One way through the channel, and the amounts that go it. */
export type Direction = { readonly from: End; readonly to: End; readonly amountOf: (payment: number) => Msat };

/** Between 1,000 and 1,500 satoshi, worth an output each, and with thousandths, as on chain amounts never are. */
export function amountFromAlice(payment: number): Msat {
  return msat(1_000_000 + 1_001 * payment);
}

export function amountFromBob(payment: number): Msat {
  return msat(1_000_000 + 907 * payment);
}

/** The sum of the first `count` payments. */
export function sumOf(amountOf: (payment: number) => Msat, count: number): bigint {
  let sum = 0n;
  for (let payment = 0; payment < count; payment++) sum += amountOf(payment);
  return sum;
}

/** Has the payee make an invoice, pays it, and waits until the money has arrived. */
async function payOne({ from, to, amountOf }: Direction, payment: number, tally: Tally): Promise<void> {
  const amountMsat = amountOf(payment);
  const invoice = await to.node.createInvoice({ amountMsat });
  if (!invoice.ok)
    throw new Failure(EXIT.failed, invoice.error.type, `no invoice: ${describeRequestError(invoice.error)}`);
  const id = `${from.name}-${payment}`;
  const offered = await from.node.pay(from.channel, { id, paymentHash: invoice.value.paymentHash, amountMsat });
  if (!offered.ok) {
    const why = describeRequestError(offered.error);
    throw new Failure(EXIT.failed, offered.error.type, `${from.name} could not send payment ${payment}: ${why}`);
  }
  tally.sent++;
  const ended = await from.node.untilPaid(id);
  if (ended?.state === "succeeded") {
    tally.settled++;
    return;
  }
  tally.failed++;
  const why = ended?.failure ?? "no reason was given";
  throw new Failure(EXIT.failed, "payment_failed", `payment ${payment} of ${from.name} failed: ${why}`);
}

/** Makes all payments of both directions, with a bounded number under way; `onSettled` is called after each. */
export async function payBothWays(
  directions: readonly Direction[],
  tally: Tally,
  onSettled: () => void,
): Promise<void> {
  const lanes = directions.flatMap((direction) => {
    let next = 0;
    return Array.from({ length: LANES_EACH_WAY }, async () => {
      while (next < PAYMENTS_EACH_WAY) {
        await payOne(direction, next++, tally);
        onSettled();
      }
    });
  });
  await Promise.all(lanes);
}

/** Pays a hash that nobody has an invoice for, which has to fail. Resolves with the reason that the payee gave. */
export async function payNobody(
  from: End,
  paymentHash: Parameters<SluiceNode["invoice"]>[0],
  tally: Tally,
): Promise<string> {
  const id = `nobody-${toHex(paymentHash)}`;
  const offered = await from.node.pay(from.channel, { id, paymentHash, amountMsat: msat(1_000_000) });
  if (!offered.ok) {
    throw new Failure(EXIT.failed, offered.error.type, `could not be offered: ${describeRequestError(offered.error)}`);
  }
  tally.sent++;
  const ended = await from.node.untilPaid(id);
  if (ended?.state !== "failed") {
    throw new Failure(EXIT.failed, "paid_nobody", "a payment that nobody waits for did not fail");
  }
  tally.failed++;
  return ended.failure ?? "no reason was given";
}
