// Rows for the tests of stores. What a test is not about has some value, different in every column.
import { asChannelId, asNodeId, asPaymentHash, asTxid, msat, sat } from "../../src/core/base/index.ts";
import { serializeTransaction, type Transaction, transactionId } from "../../src/core/bitcoin/index.ts";
import { sha256 } from "../../src/core/crypto/index.ts";
import type { InvoiceRow, PaymentRow } from "../../src/core/payment/index.ts";
import {
  type ChainOutputRow,
  type ChannelChange,
  type ChannelRow,
  type CommitmentRow,
  type FundingShareRow,
  type HtlcRow,
  otherSide,
  type StageRow,
  type SweepRow,
  type TotalsRow,
} from "../../src/core/payment-channel/index.ts";
import type { CoinRow, OutboxRow, StoreChange, StreamRow, WithdrawalRow } from "../../src/ports/store.ts";

/** `length` bytes that differ for each `seed`. */
export function bytes(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i < 4 ? seed >>> (8 * i) : i + seed) & 0xff);
}

export function ofChannel(channel: number, ...changes: readonly ChannelChange[]): StoreChange[] {
  return changes.map((change) => ({ type: "channel", channel, change }));
}

export function channelRow(index: number, rest: Partial<ChannelRow> = {}): ChannelRow {
  return {
    index,
    temporaryId: asChannelId(bytes(32, 1000 + index)),
    peer: asNodeId(bytes(33, 2000 + index)),
    initiator: "local",
    plannedAmountSat: sat(1_000_000),
    pushMsat: msat(5),
    prestage: false,
    createdAt: 1_700_000_000_123,
    createdHeight: 800_000,
    ...rest,
  };
}

export const OPEN: StageRow = {
  stage: "open",
  openCompleteSent: true,
  openCompleteReceived: false,
  failure: undefined,
  errorDue: false,
  frozen: undefined,
  stale: false,
};

export function totalsRow(rest: Partial<TotalsRow> = {}): TotalsRow {
  return {
    localMsat: 10n,
    remoteMsat: 20n,
    localLastId: -1n,
    remoteLastId: -1n,
    localUnrevoked: 0,
    remoteUnrevoked: 0,
    settledUpTo: { local: 0, remote: 0 },
    ...rest,
  };
}

/** What makes a channel that can be loaded. */
export function createdChannel(index: number, stage: StageRow = OPEN, rest: Partial<ChannelRow> = {}): StoreChange[] {
  return ofChannel(
    index,
    { type: "created", row: channelRow(index, rest), id: asChannelId(bytes(32, 3000 + index)) },
    { type: "stage", row: stage },
    { type: "totals", row: totalsRow() },
  );
}

/** What settles the HTLC of this id. */
export function htlcPreimage(id: bigint): Uint8Array {
  return bytes(32, Number(id % 1_000_000n));
}

export function htlcRow(id: bigint, rest: Partial<HtlcRow> = {}): HtlcRow {
  const offerer = rest.offerer ?? (id % 2n === 0n ? "local" : "remote");
  return {
    id,
    offerer,
    amountMsat: msat(123_456),
    paymentHash: asPaymentHash(sha256(htlcPreimage(id))),
    expiry: 800_000,
    route: bytes(7, 9),
    requestNumber: 0,
    addNumber: 1,
    removal: undefined,
    removedBy: otherSide(offerer),
    removeNumber: 0,
    ...rest,
  };
}

/** Two inputs, not signed. */
export function fundingShareRow(side: FundingShareRow["side"], rest: Partial<FundingShareRow> = {}): FundingShareRow {
  const input = (n: number) => ({
    txid: asTxid(bytes(32, 8000 + n)),
    index: n,
    amountSat: 60_000n + BigInt(n),
    publicKey: bytes(33, 8100 + n),
  });
  return {
    side,
    contributionSat: 100_000n,
    inputs: [input(1), input(2)],
    changeScript: bytes(22, 8200),
    signatures: undefined,
    ...rest,
  };
}

export function commitmentRow(
  holder: CommitmentRow["holder"],
  number: number,
  rest: Partial<CommitmentRow> = {},
): CommitmentRow {
  return {
    holder,
    number,
    coverage: { local: 3 * number, remote: 2 * number },
    feeRate: 1000 + number,
    revocationHash: bytes(32, 4000 + number),
    signature: holder === "local" ? bytes(64, 5000 + number) : undefined,
    localMsat: BigInt(6000 + number),
    remoteMsat: BigInt(7000 + number),
    htlcs: number % 484,
    ...rest,
  };
}

export function streamRow(peer: number, rest: Partial<StreamRow> = {}): StreamRow {
  return {
    peer,
    received: 3,
    receivedDigest: bytes(32, 1),
    sent: 4,
    acknowledged: 2,
    packetAcknowledge: 1,
    acknowledgedDigest: bytes(32, 2),
    ...rest,
  };
}

export function outboxRow(peer: number, number: number, length = 20): OutboxRow {
  return { peer, number, acknowledge: number + 7, packet: bytes(length, number) };
}

export function invoiceRow(seed: number, rest: Partial<InvoiceRow> = {}): InvoiceRow {
  const preimage = bytes(32, seed);
  return {
    paymentHash: asPaymentHash(sha256(preimage)),
    preimage,
    amountMsat: msat(77),
    description: "a chair, 2 €",
    createdAt: 1_700_000_000_000,
    state: "open",
    receivedMsat: undefined,
    endedAt: undefined,
    ...rest,
  };
}

/** What the payments of `paymentRow` pay for. */
export const PAID_PREIMAGE = bytes(32, 6000);

export function paymentRow(id: string, rest: Partial<PaymentRow> = {}): PaymentRow {
  return {
    id,
    paymentHash: asPaymentHash(sha256(PAID_PREIMAGE)),
    amountMsat: msat(88),
    channel: 1,
    htlcId: 4n,
    state: "pending",
    preimage: undefined,
    failure: undefined,
    createdAt: 1_700_000_000_001,
    endedAt: undefined,
    ...rest,
  };
}

export function coinRow(seed: number, rest: Partial<CoinRow> = {}): CoinRow {
  return {
    txid: asTxid(bytes(32, seed)),
    outputIndex: 1,
    amountSat: sat(50_000),
    keyKind: "receive",
    keyIndex: 6,
    coinbase: false,
    height: 100,
    reservedFor: undefined,
    spentHeight: undefined,
    ...rest,
  };
}

export function withdrawalRow(seed: number, rest: Partial<WithdrawalRow> = {}): WithdrawalRow {
  return {
    txid: asTxid(bytes(32, seed)),
    transaction: bytes(120, seed),
    outputIndex: 1,
    feeSat: sat(300),
    createdAt: 1_700_000_000_000,
    height: 101,
    conflictHeight: undefined,
    ...rest,
  };
}

export function chainOutputRow(index: number, rest: Partial<ChainOutputRow> = {}): ChainOutputRow {
  return {
    txid: asTxid(bytes(32, 20)),
    index,
    amountSat: sat(7_000),
    kind: "offered",
    htlcId: 3n,
    witnessScript: bytes(130, index),
    spend: undefined,
    ...rest,
  };
}

/** A claim of these outputs, as a transaction that can be read. */
export function sweepRow(claims: readonly number[], rest: Partial<SweepRow> = {}): SweepRow {
  const { txid } = chainOutputRow(0);
  const inputs = claims.map((index) => ({
    txid,
    index,
    script: new Uint8Array(0),
    sequence: 0,
    witness: [bytes(71, index)],
  }));
  const outputs = [{ amountSat: 6_000n, script: bytes(22, 1) }];
  const transaction: Transaction = { version: 2, inputs, outputs, lockTime: 0 };
  return {
    txid: transactionId(transaction),
    transaction: serializeTransaction(transaction, { witness: true }),
    feeRate: 2_000,
    feeSat: sat(1_000),
    claims,
    createdHeight: 5,
    ...rest,
  };
}
