import type { Msat, PaymentHash } from "../base/index.ts";

/** Money that we are ready to receive. */
export type InvoiceRow = {
  /** SHA-256 of the preimage. */
  readonly paymentHash: PaymentHash;
  /** 32 bytes; leaves the node only when the HTLC is fulfilled. */
  readonly preimage: Uint8Array;
  /** What is asked for; undefined takes any amount. */
  readonly amountMsat: Msat | undefined;
  readonly description: string;
  readonly createdAt: number;
  readonly state: "open" | "settled" | "canceled";
  readonly receivedMsat: Msat | undefined;
  readonly endedAt: number | undefined;
};

/** Money that we send. A payment has one end, and a failed one never succeeds later. */
export type PaymentRow = {
  /** Chosen by the caller: the same id never pays twice. */
  readonly id: string;
  readonly paymentHash: PaymentHash;
  readonly amountMsat: Msat;
  /** Our number of the channel that carries it, and the HTLC's id there. */
  readonly channel: number;
  readonly htlcId: bigint;
  /** `unknown`: our data are older than its end, and nothing will be learned of it any more. */
  readonly state: "pending" | "succeeded" | "failed" | "unknown";
  /** Of `paymentHash`: there once the payment has succeeded, and only then. */
  readonly preimage: Uint8Array | undefined;
  readonly failure: string | undefined;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  readonly endedAt: number | undefined;
};
