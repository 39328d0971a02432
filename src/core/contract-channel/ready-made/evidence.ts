import { concatBytes, invariant } from "../../base/index.ts";
import { binaryPush, GRANULARITY, intPush } from "../../vm/index.ts";
import { uint32 } from "../fields.ts";
import { encodeGameState, encodeMove, type GameState, gameRoot, type Move } from "./game.ts";

/**
 * What is signed begins with these, 32 ASCII characters each, which stand in the sources, too. A message has more than 32 bytes, so that it is
 * never the digest of something else that an account signs.
 */
const TAGS = {
  decision: "sluice escrow arbiter's decision",
  total: "sluice stream total of the payer",
  close: "sluice stream close of the payee",
  move: "sluice two player game next move",
} as const;

/** What comes before the last part has a fixed width. */
function message(tag: string, contractId: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  return concatBytes(new TextEncoder().encode(tag), sized(contractId, 32, "a contract id"), ...parts);
}

function part(amount: number): number {
  invariant(Number.isInteger(amount) && amount >= 0 && amount <= GRANULARITY, `not a part of 10,000: ${amount}`);
  return amount;
}

function sized(bytes: Uint8Array, length: number, what: string): Uint8Array {
  invariant(bytes.length === length, `${what} has ${length} bytes, got ${bytes.length}`);
  return bytes;
}

const signature = (bytes: Uint8Array) => binaryPush(sized(bytes, 64, "a signature"));

/** Evidence for both hashlocks: a program that pushes the secret, 32 bytes. Source: AP-15. */
export function secretEvidence(secret: Uint8Array): Uint8Array {
  return binaryPush(sized(secret, 32, "a secret"));
}

/** What an escrow's arbiter signs to decide that the beneficiary gets `amount` of 10,000. 68 bytes. */
export function decisionMessage(contractId: Uint8Array, amount: number): Uint8Array {
  return message(TAGS.decision, contractId, uint32(part(amount)));
}

export function decisionEvidence(arbiterSignature: Uint8Array, amount: number): Uint8Array {
  return concatBytes(signature(arbiterSignature), intPush(part(amount)));
}

/** What a stream's payer signs to have paid `total` of 10,000 so far. 68 bytes. */
export function totalMessage(contractId: Uint8Array, total: number): Uint8Array {
  return message(TAGS.total, contractId, uint32(part(total)));
}

/** What a stream's payee signs to end it at `total` of 10,000. 68 bytes. */
export function closeMessage(contractId: Uint8Array, total: number): Uint8Array {
  return message(TAGS.close, contractId, uint32(part(total)));
}

/** Evidence of what was paid so far. It counts unless a higher total is shown below the expiry. */
export function totalEvidence(payerSignature: Uint8Array, total: number): Uint8Array {
  return concatBytes(signature(payerSignature), intPush(part(total)));
}

/** Evidence that ends a stream at once, with both signatures over the same total. */
export function closeEvidence(payeeSignature: Uint8Array, payerSignature: Uint8Array, total: number): Uint8Array {
  return concatBytes(signature(payeeSignature), totalEvidence(payerSignature, total));
}

/** What a player signs to make a move in a state. 100 to 132 bytes. */
export function moveMessage(contractId: Uint8Array, state: GameState, move: Move): Uint8Array {
  return message(TAGS.move, contractId, gameRoot(state), encodeMove(move));
}

export function moveEvidence(playerSignature: Uint8Array, state: GameState, move: Move): Uint8Array {
  return concatBytes(signature(playerSignature), binaryPush(encodeMove(move)), binaryPush(encodeGameState(state)));
}

/** Evidence that a game stands where the player to move has let the deadline pass. Needs no signature. */
export function stalledEvidence(state: GameState): Uint8Array {
  return binaryPush(encodeGameState(state));
}
