import type { NodeId, PaymentHash } from "../../src/core/base/index.ts";
import type { InvoiceRow, PaymentRow } from "../../src/core/payment/index.ts";
import type { ChannelPolicy } from "../../src/core/payment-channel/index.ts";
import type { ChannelRecord, ChannelSummary, NodeEvent, OpenChannelRequest } from "../../src/node/index.ts";

export type OpenOptions = {
  readonly directory: string;
  readonly chain: {
    readonly url: string;
    /** How often to look for news; 50 ms where nothing else is said. */
    readonly pollMs?: number;
    /** Where the node publishes. */
    readonly zmq?: { readonly hashBlock: string; readonly rawTx: string };
    readonly auth:
      | { readonly type: "cookie"; readonly file: string }
      | { readonly type: "password"; readonly user: string; readonly password: string };
  };
  readonly policy?: Partial<ChannelPolicy>;
  readonly port?: number;
  /** Ends of payments are not reported as events: at thousands a second that would be a part of what is measured. */
  readonly quiet?: boolean;
};

export type PayOptions = {
  readonly channel: number;
  readonly amountMsat: bigint;
  readonly hashes: readonly Uint8Array[];
  readonly inFlight: number;
  /** The payment's id is the prefix and its position. */
  readonly prefix: string;
  /** Blocks from now for which payments are offered; by default what a node chooses. */
  readonly expiryBlocks?: number;
};

export type PayReport = {
  readonly ms: number;
  readonly latencies: readonly number[];
  readonly failed: number;
  /** The types of the errors with which offers were refused. */
  readonly refused: readonly string[];
  readonly cpuMs: number;
};

/** What a node process can be asked. Arguments and results are copied as structured clones. */
export type Methods = {
  /** Resolves once the node listens; `openNodeMs` is what openNode took of that. */
  open(options: OpenOptions): Promise<{ nodeId: NodeId; port: number; openNodeMs: number }>;
  connect(nodeId: NodeId, port: number): Promise<void>;
  newAddress(): Promise<string>;
  balance(): Promise<{ confirmedSat: bigint; unconfirmedSat: bigint; reservedSat: bigint }>;
  channels(): Promise<ChannelSummary[]>;
  openChannel(peer: NodeId, request: OpenChannelRequest): Promise<number>;
  closeChannel(channel: number): Promise<void>;
  /** Goes to the chain alone. */
  failChannel(channel: number): Promise<void>;
  invoices(count: number, amountMsat: bigint): Promise<PaymentHash[]>;
  pay(options: PayOptions): Promise<PayReport>;
  payment(id: string): Promise<PaymentRow | undefined>;
  invoice(paymentHash: PaymentHash): Promise<InvoiceRow | undefined>;
  record(channel: number): Promise<ChannelRecord | undefined>;
  cpuMs(): Promise<number>;
  height(): Promise<number>;
  /** Instead of `open`: makes a data directory of a backup. */
  restore(options: { directory: string; seedPhrase: string; backup: string }): Promise<void>;
  stop(): Promise<void>;
};

export type Call = { readonly id: number; readonly method: keyof Methods; readonly args: readonly unknown[] };

export type Answer =
  | { readonly type: "result"; readonly id: number; readonly value: unknown }
  | { readonly type: "error"; readonly id: number; readonly message: string }
  | { readonly type: "event"; readonly event: NodeEvent };
