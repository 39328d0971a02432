// What an independent observer remembers of a channel that is to end on chain, and what it comes to by arithmetic.
import { toHex } from "../../src/core/base/index.ts";
import { commitmentFee, isDust, parseTransaction, type Transaction } from "../../src/core/bitcoin/index.ts";
import type { HtlcRow } from "../../src/core/payment-channel/index.ts";
import type { ChannelState } from "../../src/core/payment-channel/state.ts";
import type { Party, PartyName } from "./channel-pair.ts";
import { shares } from "./onchain-oracle.ts";

/** A commitment that its holder could publish at some time, with what an independent observer says that it holds. */
export type Held = {
  readonly holder: PartyName;
  readonly number: number;
  readonly raw: Uint8Array;
  readonly state: ChannelState;
  readonly revocationHash: Uint8Array;
  readonly feeRate: number;
  readonly msat: Record<PartyName, bigint>;
  readonly htlcs: readonly HtlcRow[];
  /** Whether it holds an HTLC, or what one that has ended came to. */
  readonly has: (id: bigint) => boolean;
};

/** An HTLC, as the payment engines of its two ends know it. */
export type Offered = {
  readonly n: number;
  readonly from: PartyName;
  readonly amountMsat: bigint;
  readonly expiry: number;
};

export type Spender = { readonly transaction: Transaction; readonly height: number };

export function other(name: PartyName): PartyName {
  return name === "alice" ? "bob" : "alice";
}

export function sumOf(outputs: readonly { readonly amountSat: bigint }[]): bigint {
  return outputs.reduce((sum, { amountSat }) => sum + amountSat, 0n);
}

/** What a commitment pays a party and its peer outside of HTLCs, and its HTLCs that are not dust. */
export function sharesOf({ feeRate, msat, htlcs }: Held, name: PartyName) {
  const worth = htlcs.filter(({ amountMsat }) => !isDust(amountMsat / 1000n));
  const feeSat = commitmentFee(feeRate, worth.length);
  return { ...shares(msat[name], msat[other(name)], feeSat), htlcs: worth };
}

export function parsed(raw: Uint8Array): Transaction {
  const transaction = parseTransaction(raw);
  if (!transaction.ok) throw new Error(transaction.error.reason);
  return transaction.value;
}

/** What a party's rows say of the end, for a report. */
export function rowsAsText({ channel, tells }: Party): string {
  const rows = {
    stage: channel.stage,
    spend: channel.anchorSpend,
    outputs: [...channel.chainOutputs.values()],
    sweeps: channel.sweeps.length,
    tells: tells.filter(({ type }) => type.startsWith("htlc_f")),
  };
  return JSON.stringify(rows, (key, value: unknown) => {
    if (key === "transaction" || key === "witnessScript") return undefined;
    if (value instanceof Uint8Array) return toHex(value).slice(0, 8);
    return typeof value === "bigint" ? `${value}` : value;
  });
}
