// What a commitment has to hold, by arithmetic of its own: nothing here asks the code that builds commitments or claims them.
import type { CommitmentRow } from "../../src/core/payment-channel/index.ts";
import type { ChannelState } from "../../src/core/payment-channel/state.ts";
import type { Published } from "./onchain-chain.ts";
import { type Signed, standingOf } from "./onchain-positions.ts";

const DUST_SAT = 546n;

/** A party's output in satoshi and the other's, once the fee is paid: half each, or what one can and the rest by the other. */
export function shares(ours: bigint, theirs: bigint, feeSat: bigint): { readonly own: bigint; readonly peer: bigint } {
  const [own, peer] = [ours / 1000n, theirs / 1000n];
  const half = feeSat / 2n;
  const ownPays = own < half ? own : peer < half ? feeSat - peer : half;
  const peerPays = peer < half ? peer : own < half ? feeSat - own : half;
  const left = (has: bigint, pays: bigint) => (has - pays < DUST_SAT ? 0n : has - pays);
  return { own: left(own, ownPays), peer: left(peer, peerPays) };
}

/** Seed 001 section 3.6: 338 bytes and 32 more for each HTLC that is not dust, rounded down to even. */
function feeOf(feeRate: number, htlcs: number): bigint {
  const fee = (BigInt(feeRate) * BigInt(338 + 32 * htlcs)) / 1000n;
  return fee - (fee % 2n);
}

/** What the party has in a commitment outside of HTLCs, in millisatoshi. */
export function balanceIn(
  startMsat: bigint,
  state: ChannelState,
  settledMsat: bigint,
  { coverage }: CommitmentRow,
): bigint {
  let sum = startMsat + settledMsat;
  for (const htlc of state.htlcs.values()) {
    const standing = standingOf(htlc, coverage);
    if (htlc.offerer === "local" && (standing === "standing" || standing === "fulfilled")) sum -= htlc.amountMsat;
    if (htlc.offerer === "remote" && standing === "fulfilled") sum += htlc.amountMsat;
  }
  return sum;
}

/** The outputs in satoshi that a commitment has to have: both balances' (0 where it is dust) and each HTLC's, by its id. */
export type Contents = { readonly own: bigint; readonly peer: bigint; readonly htlcs: ReadonlyMap<bigint, bigint> };

export function contentsOf(startMsat: bigint, anchorSat: bigint, { row, state, settledMsat }: Signed): Contents {
  const htlcs = new Map<bigint, bigint>();
  let inHtlcs = 0n;
  for (const htlc of state.htlcs.values()) {
    if (standingOf(htlc, row.coverage) !== "standing") continue;
    inHtlcs += htlc.amountMsat;
    if (htlc.amountMsat / 1000n >= DUST_SAT) htlcs.set(htlc.id, htlc.amountMsat / 1000n);
  }
  const ownMsat = balanceIn(startMsat, state, settledMsat, row);
  const peerMsat = anchorSat * 1000n - inHtlcs - ownMsat;
  return { ...shares(ownMsat, peerMsat, feeOf(row.feeRate, htlcs.size)), htlcs };
}

/** What is wrong with the outputs of a published transaction, of which `own` is the honest party's. */
export function misbuilt({ outputs, holder }: Published, { own, peer, htlcs }: Contents): string | undefined {
  const found = { own: 0n, peer: 0n };
  const missing = new Map(htlcs);
  for (const { kind, amountSat, htlc } of outputs) {
    const isOwn = (kind === "to_self") === (holder === "honest");
    if (htlc === undefined) found[isOwn ? "own" : "peer"] += amountSat;
    else if (missing.get(htlc.id) === amountSat) missing.delete(htlc.id);
    else return `HTLC ${htlc.id} has an output of ${amountSat}`;
  }
  if (missing.size > 0) return `HTLCs ${[...missing.keys()].join()} have no output`;
  if (found.own !== own || found.peer !== peer) return `${found.own} and ${found.peer}, not ${own} and ${peer}`;
  return undefined;
}
