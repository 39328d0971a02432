import { err, type Msat, ok, type PaymentHash, type Result, toHex } from "../core/base/index.ts";
import { sha256 } from "../core/crypto/index.ts";
import type { InvoiceRow, PaymentRow } from "../core/payment/index.ts";
import { type ChannelError, endpointMargin, type HtlcRow, type Tell } from "../core/payment-channel/index.ts";
import type { Clock } from "../ports/clock.ts";
import type { ChannelRunner } from "./channel-runner.ts";
import type { Events } from "./events.ts";
import { FAILURE, reasonText } from "./failures.ts";
import type { Batch } from "./journal.ts";

export type PayRequest = {
  /** Chosen by the caller; a second request of the same id pays nothing and gets the first one's payment. */
  readonly id: string;
  readonly paymentHash: PaymentHash;
  readonly amountMsat: Msat;
  /** Height at which the offer expires; by default far enough for the peer to settle it on chain. */
  readonly expiry?: number;
};

export type InvoiceRequest = {
  readonly amountMsat?: Msat;
  readonly description?: string;
  /** 32 unguessable bytes. */
  readonly preimage: Uint8Array;
};

type Waiting = { readonly resolve: (payment: PaymentRow) => void; readonly reject: (cause: Error) => void };

/**
 * Blocks from now to the expiry of a payment to its last hop: delay, deadline margin and grace, and 75 in which the peer may be
 * away while its removal is under way.
 */
const OFFERED_EXPIRY = 240;

/** Why nobody can say whether a payment succeeded. */
const LOST = "our data are older than what became of it: ask the recipient";

/** The life of payments and invoices. Works only inside journal batches; the channels carry what it decides. */
export class Payments {
  private readonly pending = new Map<string, PaymentRow>();
  /** The id of the pending payment that an HTLC of ours carries. */
  private readonly byHtlc = new Map<string, string>();
  private readonly invoices = new Map<string, InvoiceRow>();
  private readonly waiting = new Map<string, Waiting[]>();
  private readonly clock: Clock;
  private readonly events: Events;

  constructor(options: {
    openInvoices: readonly InvoiceRow[];
    pendingPayments: readonly PaymentRow[];
    clock: Clock;
    events: Events;
  }) {
    this.clock = options.clock;
    this.events = options.events;
    for (const invoice of options.openInvoices) this.invoices.set(toHex(invoice.paymentHash), invoice);
    for (const payment of options.pendingPayments) {
      this.pending.set(payment.id, payment);
      this.byHtlc.set(htlcKey(payment.channel, payment.htlcId), payment.id);
    }
  }

  /** What is open of them, as it is stored. */
  rows(): { readonly openInvoices: readonly InvoiceRow[]; readonly pendingPayments: readonly PaymentRow[] } {
    const pending = [...this.byHtlc.values()].map((id) => this.pending.get(id));
    return {
      openInvoices: [...this.invoices.values()],
      pendingPayments: pending.filter((payment) => payment !== undefined),
    };
  }

  pendingPayment(id: string): PaymentRow | undefined {
    return this.pending.get(id);
  }

  /** Makes ready to receive the payment whose secret is `preimage`. */
  invoice(batch: Batch, request: InvoiceRequest): Result<InvoiceRow, { readonly type: "invoice_exists" }> {
    const paymentHash = sha256(request.preimage) as PaymentHash;
    const key = toHex(paymentHash);
    if (this.invoices.has(key)) return err({ type: "invoice_exists" });
    const row: InvoiceRow = {
      paymentHash,
      preimage: request.preimage,
      amountMsat: request.amountMsat,
      description: request.description ?? "",
      createdAt: this.clock.now(),
      state: "open",
      receivedMsat: undefined,
      endedAt: undefined,
    };
    this.invoices.set(key, row);
    batch.change({ type: "invoice", row });
    return ok(row);
  }

  /** Offers the payment on a channel. An error paid nothing, and the id may be used again. */
  pay(batch: Batch, runner: ChannelRunner, request: PayRequest, height: number): Result<PaymentRow, ChannelError> {
    const { id, paymentHash, amountMsat } = request;
    const known = this.pending.get(id);
    if (known !== undefined) return ok(known);
    const expiry = request.expiry ?? height + OFFERED_EXPIRY;
    const refused = runner.run(batch, { type: "offer", amountMsat, paymentHash, expiry, route: new Uint8Array(0) });
    if (refused !== undefined) return err(refused);
    const row: PaymentRow = {
      id,
      paymentHash,
      amountMsat,
      channel: runner.index,
      htlcId: runner.state.totals.localLastId,
      state: "pending",
      preimage: undefined,
      failure: undefined,
      createdAt: this.clock.now(),
      endedAt: undefined,
    };
    this.pending.set(id, row);
    this.byHtlc.set(htlcKey(row.channel, row.htlcId), id);
    batch.change({ type: "payment", row });
    return ok(row);
  }

  /** Resolves when the pending payment has ended. */
  ended(id: string): Promise<PaymentRow> {
    return new Promise((resolve, reject) => {
      const waiting = this.waiting.get(id) ?? [];
      waiting.push({ resolve, reject });
      this.waiting.set(id, waiting);
    });
  }

  /** The node has ended: what payments become is in the store, for its next start. */
  abandonWaiting(cause: Error): void {
    for (const waiting of this.waiting.values()) for (const { reject } of waiting) reject(cause);
    this.waiting.clear();
  }

  /** What a channel tells about its HTLCs. */
  told(batch: Batch, runner: ChannelRunner, tell: Tell, height: number): void {
    switch (tell.type) {
      case "htlc_cleared":
        this.receive(batch, runner, tell.htlc, height);
        return;
      case "htlc_fulfilled":
        this.end(batch, runner, tell.id, { state: "succeeded", preimage: tell.preimage, failure: undefined });
        return;
      case "htlc_failed": {
        const failure = reasonText(tell.reason);
        this.end(batch, runner, tell.id, { state: "failed", preimage: undefined, failure });
        return;
      }
      case "htlc_lost":
        this.end(batch, runner, tell.id, { state: "unknown", preimage: undefined, failure: LOST });
        return;
      default:
        return;
    }
  }

  /** An HTLC offered to us is ours to settle or to fail. */
  private receive(batch: Batch, runner: ChannelRunner, htlc: HtlcRow, height: number): void {
    const key = toHex(htlc.paymentHash);
    const invoice = this.invoices.get(key);
    const soonest = height + endpointMargin(runner.state.terms.remote?.delay ?? 0);
    const failure =
      invoice === undefined || !isAmount(invoice, htlc.amountMsat)
        ? FAILURE.unknown
        : htlc.expiry < soonest
          ? FAILURE.expiry
          : undefined;
    if (invoice === undefined || failure !== undefined) {
      const reason = new TextEncoder().encode(failure);
      runner.run(batch, { type: "fail_htlc", id: htlc.id, reason });
      return;
    }
    if (runner.run(batch, { type: "fulfill", id: htlc.id, preimage: invoice.preimage }) !== undefined) return;
    const endedAt = this.clock.now();
    const row: InvoiceRow = { ...invoice, state: "settled", receivedMsat: htlc.amountMsat, endedAt };
    this.invoices.delete(key);
    batch.change({ type: "invoice", row });
    const { paymentHash, amountMsat } = htlc;
    batch.afterCommit(() => this.events.emit({ type: "invoice_settled", paymentHash, amountMsat }));
  }

  private end(
    batch: Batch,
    runner: ChannelRunner,
    htlcId: bigint,
    outcome: Pick<PaymentRow, "preimage" | "failure"> & { readonly state: "succeeded" | "failed" | "unknown" },
  ): void {
    const key = htlcKey(runner.index, htlcId);
    const id = this.byHtlc.get(key);
    const payment = id === undefined ? undefined : this.pending.get(id);
    if (id === undefined || payment === undefined) return;
    const row: PaymentRow = { ...payment, ...outcome, endedAt: this.clock.now() };
    this.byHtlc.delete(key);
    batch.change({ type: "payment", row });
    batch.afterCommit(() => {
      // Not before: whoever does not find it here finds its end in the store.
      this.pending.delete(id);
      for (const { resolve } of this.waiting.get(id) ?? []) resolve(row);
      this.waiting.delete(id);
      this.events.emit({ type: "payment_ended", id, state: outcome.state });
    });
  }
}

function htlcKey(channel: number, htlcId: bigint): string {
  return `${channel}/${htlcId}`;
}

/** A payer may give up to twice what is asked, so that nobody on the way learns the exact amount. */
function isAmount(invoice: InvoiceRow, amountMsat: Msat): boolean {
  const { amountMsat: asked } = invoice;
  return asked === undefined || (amountMsat >= asked && amountMsat <= 2n * asked);
}
