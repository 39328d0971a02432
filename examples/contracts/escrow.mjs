// A ready-made escrow: made, shown, decided. Run: node examples/contracts/escrow.mjs
import { generateKeyPairSync, sign } from "node:crypto";
import {
  asChannelId,
  contractId,
  decisionEvidence,
  decisionMessage,
  possibleEnds,
  readTerms,
  readyMade,
  runContract,
  shares,
  units,
} from "sluice/contracts";

/** The value of a result, or an error that says what was refused. */
function must(result) {
  if (!result.ok) throw new Error(JSON.stringify(result.error));
  return result.value;
}

// An account of the embedded ledger is an ed25519 public key, 32 bytes.
const arbiter = generateKeyPairSync("ed25519");
const account = new Uint8Array(arbiter.publicKey.export({ format: "der", type: "spki" }).subarray(-32));

// Terms become code, its gas, and all else of the contract that does not depend on the channel.
const escrow = must(readyMade({ type: "escrow", arbiter: account, expiry: 700_000, otherwise: 2_500 }));
for (const { when, beneficiaryGets } of possibleEnds(escrow.terms)) console.log(`${when}: ${beneficiaryGets}`);

// Whoever is offered a code sees what it is before agreeing to it. (A game's root has to be looked at, too.)
const offered = readTerms(escrow.program.code);
console.log(`the offered code is ${offered === undefined ? "not known" : `an ${offered.type}`}`);

// In a channel it has an id, stakes and a beneficiary.
const channelId = asChannelId(new Uint8Array(32).fill(8));
const leaf = {
  ...escrow.leaf,
  id: contractId(channelId, 5n, 0),
  stakes: { initiator: units(9_000n), responder: units(1_000n) },
  beneficiary: "responder",
};
const runAt = (height, evidence) => must(runContract({ channelId, leaf, program: escrow.program, evidence, height }));

// Without a decision it waits, and 8,000 of 10,000 are the responder's if the arbiter says so in time.
const decision = decisionEvidence(
  new Uint8Array(sign(null, decisionMessage(leaf.id, 8_000), arbiter.privateKey)),
  8_000,
);
for (const [height, evidence, what] of [
  [699_990, new Uint8Array(0), "undecided, 10 below the expiry"],
  [699_999, decision, "decided just below the expiry"],
  [700_000, decision, "decided too late"],
]) {
  const { amount, delay } = runAt(height, evidence);
  const { initiator, responder } = shares(leaf, amount);
  console.log(`${what}: ${initiator} and ${responder}${delay > 0 ? `, in ${delay} ticks` : ""}`);
}
