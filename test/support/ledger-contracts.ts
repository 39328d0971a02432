// Contracts for properties of the ledger: what each may give is known.

import { sha256 } from "../../src/core/crypto/index.ts";
import { type Contract, contract, fill, pair, program, withRoot } from "./ledger-scene.ts";

const text = (bytes: Uint8Array): string => `binary ${bytes.length} ${Buffer.from(bytes).toString("base64")}`;
const result = (amount: number, nonce: number, delay: number): string => `int ${delay} int ${nonce} int ${amount} nil`;

export const SECRETS = { initiator: fill(51), responder: fill(52), nobody: fill(53) } as const;
export type Knower = keyof typeof SECRETS;

/** Evidence that shows a secret. */
export function showing(secret: Uint8Array): Uint8Array {
  return program(text(secret));
}

/** Pays the beneficiary for a secret; without it everything is the other's after a long time. */
export function hashlock(
  slot: number,
  knower: Knower,
  beneficiary: "initiator" | "responder",
  stake: bigint,
): Contract {
  const source = `
    stack_size int 0 =2 if ${result(0, 1, 7)} return else then
    hash ${text(sha256(SECRETS[knower]))} == if drop drop ${result(10_000, 2, 0)} return else drop drop then
    ${result(0, 1, 6)}`;
  const stakes = beneficiary === "initiator" ? pair(0, stake) : pair(stake, 0);
  return contract(slot, source, { beneficiary, stakes });
}

/** The ladder's three states. */
export const RUNGS = [fill(60), sha256(fill(60)), sha256(sha256(fill(60)))] as const;
const [GROUND, FIRST, SECOND] = RUNGS;

/** One case of the ladder: this evidence in this state gives this. */
function rung(evidence: number, root: Uint8Array, outcome: string, next: Uint8Array): string {
  const seen = Uint8Array.of(0, 0, 0, evidence, ...root);
  return `${text(seen)} == if drop drop ${outcome} ${text(next)} return else drop then`;
}

/**
 * A contract with three states, which anybody may step on with evidence that is one int 1: on the ground it gives 3,000, on the first rung
 * 6,000, and the step from the first to the second ends it with 5,000. Anything else fails.
 */
export function ladder(slot: number, beneficiary: "initiator" | "responder", stake: bigint): Contract {
  const source = `
    car drop ++
    ${rung(1, GROUND, "int 2 int 1 int 3000", FIRST)}
    ${rung(0, GROUND, "int 2 int 1 int 3000", GROUND)}
    ${rung(1, FIRST, "int 0 int 3 int 5000", SECOND)}
    ${rung(0, FIRST, "int 3 int 2 int 6000", FIRST)}
    fail`;
  return withRoot(contract(slot, source, { beneficiary, stakes: pair(stake, stake) }), GROUND);
}

/** The most of the stakes that any run of a ladder gives its beneficiary, and the least, in parts of 10,000. */
export const LADDER_MOST = 6_000n;
export const LADDER_LEAST = 3_000n;
export const STEP: Uint8Array = program("int 1");
export const NO_STEP: Uint8Array = program("int 0");
