import { err, ok, type PaymentHash, type Result } from "../../base/index.ts";
import { GRANULARITY } from "../../vm/index.ts";

/** What a ready-made contract is about. Accounts and the payment hash have 32 bytes; heights are ticks of the ledger's clock. */
export type Terms =
  | { readonly type: "hashlock"; readonly paymentHash: PaymentHash }
  | { readonly type: "hashlock_with_expiry"; readonly paymentHash: PaymentHash; readonly expiry: number }
  | {
      readonly type: "escrow";
      /** Account whose signature divides the stakes. */
      readonly arbiter: Uint8Array;
      readonly expiry: number;
      /** The beneficiary's part of 10,000 where the arbiter has not decided below the expiry. */
      readonly otherwise: number;
    }
  | {
      readonly type: "stream";
      readonly payer: Uint8Array;
      /** The beneficiary. */
      readonly payee: Uint8Array;
      readonly expiry: number;
    }
  | GameTerms;

/** Rock, paper, scissors in rounds of three moves. Move number k, from 0, is made below the height `firstDeadline` + k x `moveTime`. */
export type GameTerms = {
  readonly type: "game";
  /** Who commits and reveals, and is the beneficiary. */
  readonly one: Uint8Array;
  /** Who chooses openly. */
  readonly two: Uint8Array;
  readonly firstDeadline: number;
  readonly moveTime: number;
  readonly rounds: number;
  /** The beneficiary's part of 10,000 in a draw. */
  readonly draw: number;
};

/** Which term is out of bounds, and the bounds. */
export type BadTerm =
  | {
      readonly type: "term_range";
      readonly term: string;
      readonly least: number;
      readonly most: number;
      readonly actual: number;
    }
  | { readonly type: "term_length"; readonly term: string; readonly expected: 32; readonly actual: number }
  /** The end of a game is a height of more than 32 bits. */
  | { readonly type: "end_out_of_range"; readonly most: number; readonly actual: number }
  /** A party of a stream or of a game on both sides: its signatures would be the other's too. */
  | { readonly type: "same_account" };

const MOST_UINT32 = 2 ** 32 - 1;
const MOVES_PER_ROUND = 3;
/** A ledger takes 64 forced steps of a contract from one party: all moves of a game fit. */
const MOST_ROUNDS = 21;

export function movesInAll({ rounds }: GameTerms): number {
  return MOVES_PER_ROUND * rounds;
}

/** From this height on a game that nobody has won is a draw. */
export function endOfGame(terms: GameTerms): number {
  return terms.firstDeadline + movesInAll(terms) * terms.moveTime;
}

function rangeOf(term: string, actual: number, least: number, most: number): BadTerm | undefined {
  const isInside = Number.isInteger(actual) && actual >= least && actual <= most;
  return isInside ? undefined : { type: "term_range", term, least, most, actual };
}

function lengthOf(term: string, { length }: Uint8Array): BadTerm | undefined {
  return length === 32 ? undefined : { type: "term_length", term, expected: 32, actual: length };
}

function twoAccounts(first: Uint8Array, second: Uint8Array): BadTerm | undefined {
  return first.every((byte, i) => byte === second[i]) ? { type: "same_account" } : undefined;
}

function problemOfGame(terms: GameTerms): BadTerm | undefined {
  const { one, two, firstDeadline, moveTime, rounds, draw } = terms;
  const problem =
    lengthOf("one", one) ??
    lengthOf("two", two) ??
    twoAccounts(one, two) ??
    rangeOf("firstDeadline", firstDeadline, 0, MOST_UINT32) ??
    rangeOf("moveTime", moveTime, 1, MOST_UINT32) ??
    rangeOf("rounds", rounds, 1, MOST_ROUNDS) ??
    rangeOf("draw", draw, 0, GRANULARITY);
  if (problem !== undefined) return problem;
  const actual = endOfGame(terms);
  return actual > MOST_UINT32 ? { type: "end_out_of_range", most: MOST_UINT32, actual } : undefined;
}

function problemOf(terms: Terms): BadTerm | undefined {
  switch (terms.type) {
    case "hashlock":
      return lengthOf("paymentHash", terms.paymentHash);
    case "hashlock_with_expiry":
      return lengthOf("paymentHash", terms.paymentHash) ?? rangeOf("expiry", terms.expiry, 0, MOST_UINT32);
    case "escrow":
      return (
        lengthOf("arbiter", terms.arbiter) ??
        rangeOf("expiry", terms.expiry, 0, MOST_UINT32) ??
        rangeOf("otherwise", terms.otherwise, 0, GRANULARITY)
      );
    case "stream":
      return (
        lengthOf("payer", terms.payer) ??
        lengthOf("payee", terms.payee) ??
        twoAccounts(terms.payer, terms.payee) ??
        rangeOf("expiry", terms.expiry, 0, MOST_UINT32)
      );
    default:
      return problemOfGame(terms);
  }
}

/** The terms, if a contract can be made of them. */
export function checkTerms(terms: Terms): Result<Terms, BadTerm> {
  const problem = problemOf(terms);
  return problem === undefined ? ok(terms) : err(problem);
}
