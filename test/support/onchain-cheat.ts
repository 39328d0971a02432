// What the peer of an honest party can publish and claim: real transactions, with signatures that the two have given.
import { type Satoshi, toHex } from "../../src/core/base/index.ts";
import {
  anchorScript,
  type Claim,
  claimSighash,
  claimTransaction,
  claimWitness,
  commitmentOutputs,
  commitmentTransaction,
  payToWitnessPublicKeyHash,
  type Spend,
  serializeTransaction,
  sighash,
  type Transaction,
  transactionId,
  withAnchorWitness,
} from "../../src/core/bitcoin/index.ts";
import { FIRST_REVOCATION_INDEX, type Signer } from "../../src/core/crypto/index.ts";
import { closeAt } from "../../src/core/payment-channel/closing.ts";
import type { CommitmentRow } from "../../src/core/payment-channel/index.ts";
import { commitment, commitmentParams } from "../../src/core/payment-channel/snapshot.ts";
import type { ChannelState } from "../../src/core/payment-channel/state.ts";
import { type Party, secret } from "./channel-pair.ts";
import { otherPlayer, type Player, type Published, type PublishedOutput, type Way } from "./onchain-chain.ts";

const SIGHASH_ALL = 1;
/** Satoshi per 1000 virtual bytes: what is claimed pays for it, and no honest claim pays as much. */
const CHEAT_RATE = 5_000;

/** The two parties, as players. */
export type Players = {
  readonly honest: Party;
  readonly cheat: Party;
  readonly signers: Record<Player, Signer>;
};

function commitKey(players: Players, of: Player) {
  const { keys, channel } = players[of];
  return keys.commitKey(channel.channel.index);
}

function publicCommitKey(players: Players, of: Player): Uint8Array {
  return players.signers[of].publicKey(commitKey(players, of));
}

function signed(
  players: Players,
  unsigned: Transaction,
  hash: Uint8Array,
): Pick<Published, "raw" | "transaction" | "txid"> {
  const of = (player: Player) => {
    const signer = players.signers[player];
    const key = commitKey(players, player);
    return { commitKey: signer.publicKey(key), signature: signer.sign(key, hash) };
  };
  const transaction = withAnchorWitness(unsigned, of("honest"), of("cheat"));
  const raw = serializeTransaction(transaction, { witness: true });
  return { raw, transaction, txid: toHex(transactionId(transaction)) };
}

/** A commitment that a state of the honest party describes. */
export function publishedCommitment(
  players: Players,
  state: ChannelState,
  row: CommitmentRow,
  revoked: boolean,
): Published {
  const holder: Player = row.holder === "local" ? "honest" : "cheat";
  const params = commitmentParams(state, row);
  const { channel, signer } = players[holder];
  const outputs = commitmentOutputs(params).map((output, index): PublishedOutput => {
    const { amountSat } = output;
    if (output.type !== "htlc") {
      const script = output.type === "to_self" ? output.witnessScript : new Uint8Array(0);
      return { index, amountSat, kind: output.type, script, htlc: undefined };
    }
    const { htlcId: id, expiry, witnessScript: script, direction } = output;
    const paymentHash = state.htlcs.get(id)?.paymentHash;
    if (paymentHash === undefined) throw new Error(`no HTLC ${id}`);
    const offerer = direction === "offered" ? holder : otherPlayer(holder);
    return { index, amountSat, kind: direction, script, htlc: { id, expiry, paymentHash, offerer } };
  });
  return {
    type: "commitment",
    holder,
    revoked,
    delay: params.delay,
    revocationPreimage: revoked
      ? signer.revocationPreimage(channel.channel.index, FIRST_REVOCATION_INDEX - BigInt(row.number))
      : undefined,
    ...signed(players, commitmentTransaction(params), commitment(state, row, undefined).sighash),
    outputs,
  };
}

/** A close at a fee to which the state has agreed. */
export function publishedClose(players: Players, state: ChannelState, feeSat: bigint): Published {
  const transaction = closeAt(state, feeSat as Satoshi);
  const { funding } = state;
  if (transaction === undefined || funding === undefined) throw new Error(`no close at ${feeSat}`);
  const script = anchorScript(publicCommitKey(players, "honest"), publicCommitKey(players, "cheat"));
  return {
    type: "close",
    holder: "cheat",
    revoked: false,
    delay: 0,
    revocationPreimage: undefined,
    ...signed(players, transaction, sighash(transaction, 0, script, funding.amountSat, SIGHASH_ALL)),
    outputs: [],
  };
}

function spendOf({ kind, script, htlc }: PublishedOutput, { holder, delay }: Published, way: Way): Spend {
  if (way === "delayed") return { type: "to_self", script, delay };
  if (htlc === undefined) throw new Error(`no ${way} for ${kind}`);
  const paymentPreimage = secret(Number(htlc.id));
  const { expiry } = htlc;
  const isHolder = holder === "cheat";
  if (way === "timeout") {
    return isHolder ? { type: "offered_timeout", script, delay, expiry } : { type: "received_timeout", script, expiry };
  }
  return isHolder
    ? { type: "received_fulfilled", script, delay, paymentPreimage }
    : { type: "offered_fulfilled", script, paymentPreimage };
}

/** The peer's claim of one output. */
export function cheatClaim(players: Players, published: Published, output: PublishedOutput, way: Way): Uint8Array {
  const { keys, channel } = players.cheat;
  const signer = players.signers.cheat;
  const key = keys.finalKey(channel.channel.index);
  const spend = spendOf(output, published, way);
  const { index, amountSat } = output;
  const claim: Claim = { txid: transactionId(published.transaction), index, amountSat, spend };
  // What is worth little can't pay much.
  const rate = Math.min(CHEAT_RATE, Math.floor(Number(amountSat) * 2));
  const made = claimTransaction([claim], payToWitnessPublicKeyHash(signer.publicKey(key)), rate);
  if (!made.ok) throw new Error(`${amountSat} do not pay for a claim`);
  const signature = signer.sign(key, claimSighash(made.value, 0, claim));
  const inputs = made.value.inputs.map((input) => ({ ...input, witness: claimWitness(spend, signature) }));
  return serializeTransaction({ ...made.value, inputs }, { witness: true });
}
