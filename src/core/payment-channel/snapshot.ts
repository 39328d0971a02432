import { invariant } from "../base/index.ts";
import {
  anchorScript,
  buildCommitment,
  type Commitment,
  type CommitmentBuffer,
  type CommitmentParams,
  numberMask,
} from "../bitcoin/index.ts";
import { secp256k1 } from "../crypto/index.ts";
import type { Context } from "./input.ts";
import { type CommitmentRow, type Coverage, otherSide, type Side } from "./rows.ts";
import { type ChannelState, isAddedIn, isIn } from "./state.ts";

type CommitmentContents = {
  readonly localMsat: bigint;
  readonly remoteMsat: bigint;
  readonly htlcs: CommitmentParams["htlcs"];
};

/** Balances and HTLCs of a commitment, from the numbers it covers alone. Spec: B2-15, LS-15. */
function contents(state: ChannelState, holder: Side, coverage: Coverage): CommitmentContents {
  const balance = { local: state.totals.localMsat, remote: state.totals.remoteMsat };
  const htlcs: CommitmentParams["htlcs"][number][] = [];
  for (const htlc of state.htlcs.values()) {
    const { offerer, removal } = htlc;
    if (!isAddedIn(htlc, coverage)) balance[offerer] += htlc.amountMsat;
    else if (isIn(htlc, coverage)) {
      htlcs.push({
        direction: offerer === holder ? "offered" : "received",
        id: htlc.id,
        amountMsat: htlc.amountMsat,
        paymentHash: htlc.paymentHash,
        expiry: htlc.expiry,
      });
    } else continue;
    // The totals count the removal already; here it has not happened.
    if (removal?.type === "fulfilled") balance[otherSide(offerer)] -= htlc.amountMsat;
    if (removal?.type === "failed") balance[offerer] -= htlc.amountMsat;
  }
  invariant(balance.local >= 0n && balance.remote >= 0n, "no commitment pays what its owner does not have");
  return { localMsat: balance.local, remoteMsat: balance.remote, htlcs };
}

/** What the row of a commitment says of its contents. */
export function holdings(
  state: ChannelState,
  holder: Side,
  coverage: Coverage,
): Pick<CommitmentRow, "localMsat" | "remoteMsat" | "htlcs"> {
  const { localMsat, remoteMsat, htlcs } = contents(state, holder, coverage);
  return { localMsat, remoteMsat, htlcs: htlcs.length };
}

type Unsigned = Omit<CommitmentRow, "signature">;

/** Everything that the transaction of a commitment is built from. Throws where the channel has no funding yet. */
export function commitmentParams(state: ChannelState, row: Unsigned): CommitmentParams {
  const { funding, terms } = state;
  invariant(funding !== undefined && terms.local !== undefined && terms.remote !== undefined, "the channel is funded");
  const { localMsat, remoteMsat, htlcs } = contents(state, row.holder, row.coverage);
  const own = terms[row.holder] ?? terms.local;
  const oth = terms[otherSide(row.holder)] ?? terms.remote;
  const initiator = state.channel.initiator === "local" ? terms.local : terms.remote;
  const responder = state.channel.initiator === "local" ? terms.remote : terms.local;
  return {
    funding: {
      txid: funding.txid,
      outputIndex: funding.outputIndex,
      amountSat: funding.amountSat,
      script: anchorScript(terms.local.commitKey, terms.remote.commitKey),
    },
    numberMask: numberMask(initiator.commitKey, responder.commitKey),
    number: BigInt(row.number),
    ownFinalKey: own.finalKey,
    othFinalKey: oth.finalKey,
    delay: oth.delay,
    revocationHash: row.revocationHash,
    feeRate: row.feeRate,
    ownMsat: row.holder === "local" ? localMsat : remoteMsat,
    othMsat: row.holder === "local" ? remoteMsat : localMsat,
    htlcs,
  };
}

export function commitment(state: ChannelState, row: Unsigned, buffer: CommitmentBuffer | undefined): Commitment {
  return buildCommitment(commitmentParams(state, row), buffer);
}

/** Our signature on a commitment of the peer. */
export function signCommitment(state: ChannelState, row: Unsigned, context: Context): Uint8Array {
  invariant(row.holder === "remote", "we sign the peer's commitments only; our own stay unsigned until broadcast");
  const { sighash } = commitment(state, row, context.buffer);
  return context.signer.sign(context.keys.commitKey(state.channel.index), sighash);
}

/** Whether the peer's signature on our commitment is good. Spec: B2-27. */
export function verifyCommitment(
  state: ChannelState,
  row: Unsigned,
  signature: Uint8Array,
  buffer: CommitmentBuffer | undefined,
): boolean {
  const key = state.terms.remote?.commitKey;
  invariant(key !== undefined && row.holder === "local", "the peer signs our commitments");
  return secp256k1.verify(signature, commitment(state, row, buffer).sighash, key);
}
