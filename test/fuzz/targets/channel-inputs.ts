// What a channel's own node may give it, by what the bytes of an input choose.
import { asPaymentHash, asTxid, equalBytes, type Msat } from "../../../src/core/base/index.ts";
import { fundingInputScript } from "../../../src/core/bitcoin/index.ts";
import { FIRST_REVOCATION_INDEX } from "../../../src/core/crypto/index.ts";
import type { Input, Tell } from "../../../src/core/payment-channel/index.ts";
import { type ChannelPair, hashOf, type Party, secret } from "../../support/channel-pair.ts";
import { DualPair } from "../../support/dual-funding.ts";
import type { Choices } from "../target.ts";
import { BIG, NUMBERS } from "./alterations.ts";

/** Payments use the first so many secrets. */
const SECRETS = 24;

function offer(party: Party, choices: Choices): Input {
  const amountMsat = (choices.below(4) === 0 ? choices.pick(BIG) : BigInt(choices.uint(4) % 90_000_000)) as Msat;
  const expiry = choices.below(4) === 0 ? choices.pick(NUMBERS) : party.height + choices.below(600);
  const paymentHash = choices.below(12) === 0 ? asPaymentHash(choices.take(32)) : hashOf(choices.below(SECRETS));
  return { type: "offer", amountMsat, paymentHash, expiry, route: choices.take(choices.below(9)) };
}

/** The right preimage of an HTLC, or something else. */
function preimageOf(party: Party, id: bigint, choices: Choices): Uint8Array {
  const hash = party.channel.htlcs.get(id)?.paymentHash;
  const known = [...Array(SECRETS).keys()].find((n) => hash !== undefined && equalBytes(hashOf(n), hash));
  return choices.below(8) === 0 ? choices.take(32) : secret(known ?? 1);
}

/** Commands of the user and of the payment engine. */
export function command(party: Party, choices: Choices): Input {
  const id = choices.pick([...party.channel.htlcs.keys(), 0n, 1n, 99n]);
  switch (choices.below(16)) {
    case 0:
    case 1:
    case 2:
      return offer(party, choices);
    case 3:
    case 4:
    case 5:
      return { type: "fulfill", id, preimage: preimageOf(party, id, choices) };
    case 6:
      return { type: "fail_htlc", id, reason: choices.take(choices.below(20)) };
    case 7:
    case 8:
      return { type: "accept_add", id };
    case 9:
      return { type: "reject_add", id, reason: choices.take(choices.below(9)) };
    case 10:
      return { type: "withdraw_add", id };
    case 11:
      return { type: "set_fee", feeRate: choices.below(2) === 0 ? choices.pick(NUMBERS) : choices.uint(2) };
    case 12:
      return { type: "close", script: choices.below(2) === 0 ? undefined : choices.take(choices.below(45)) };
    case 13:
      return { type: "fail", error: { type: "failed_by_user", rule: "B2-43" }, notify: choices.below(2) === 0 };
    case 14:
      return { type: "peer_ready" };
    default:
      return { type: "defend" };
  }
}

function checked(tell: Extract<Tell, { type: "check_inputs" }>, choices: Choices): Input {
  const inputs = tell.inputs.map((input) => ({
    output:
      choices.below(8) === 0
        ? undefined
        : {
            amountSat: choices.below(8) === 0 ? choices.pick(BIG) : input.amountSat,
            script: choices.below(8) === 0 ? choices.take(22) : fundingInputScript(input),
            confirmations: choices.below(8) === 0 ? 0 : 6,
            coinbase: choices.below(8) === 0,
          },
    ours: choices.below(12) === 0,
  }));
  return { type: "inputs_checked", inputs };
}

/** What wallet and chain answer to a question of the channel that waits, or say by themselves while it opens. */
export function answer(party: Party, pair: ChannelPair, choices: Choices): Input | undefined {
  switch (choices.below(10)) {
    case 0:
      return { type: "funding_failed", error: { type: "insufficient_funds", rule: "B2-12" } };
    case 1:
      return { type: "cancel_funding", script: choices.take(22) };
    case 2:
      return { type: "funding_conflict", height: choices.below(2) === 0 ? undefined : party.height };
    default:
      break;
  }
  const [tell] = party.tells.splice(choices.below(Math.max(1, party.tells.length)), 1);
  switch (tell?.type) {
    case "fund":
      return {
        ...{ type: "funded", txid: asTxid(choices.take(32)), outputIndex: choices.below(4) },
        transaction: Uint8Array.of(1, 2, 3),
      };
    case "check_inputs":
      return checked(tell, choices);
    case "contribute": {
      if (!(pair instanceof DualPair) || tell.amountSat > 1_000_000n) return undefined;
      const share = pair.purses[party.name].share("responder", tell.amountSat, tell.feeRate);
      return { type: "contributed", share };
    }
    case "sign_funding": {
      if (!(pair instanceof DualPair)) return undefined;
      const { purpose, transaction } = tell;
      return { type: "funding_signed", purpose, transaction, signatures: pair.purses[party.name].sign(tell) };
    }
    default:
      return undefined;
  }
}

/** Changes what a party knows of the world; some of it is an input too. */
export function surroundings(party: Party, choices: Choices): Input | undefined {
  switch (choices.below(7)) {
    case 0:
      party.ready = !party.ready;
      return undefined;
    case 1:
      party.caughtUp = !party.caughtUp;
      return undefined;
    case 2:
      party.now += choices.uint(3);
      return undefined;
    case 3: {
      const nextBlock = choices.below(3) === 0 ? undefined : 1 + choices.uint(3);
      party.fees = { nextBlock, relay: 1 + choices.uint(2), fallback: 1 + choices.uint(2) };
      return undefined;
    }
    case 4:
      party.unacknowledged = choices.below(2) === 0 ? undefined : choices.pick(NUMBERS);
      return undefined;
    case 5: {
      const number = BigInt(choices.below(20));
      const { index } = party.channel.channel;
      const own = party.signer.revocationPreimage(index, FIRST_REVOCATION_INDEX - number);
      return { type: "revocation_shown", number, preimage: choices.below(2) === 0 ? own : choices.take(32) };
    }
    default:
      return choices.below(4) === 0 ? { type: "recover" } : undefined;
  }
}
