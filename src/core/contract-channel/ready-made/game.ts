import { assertNever, concatBytes, equalBytes, err, ok, type Result } from "../../base/index.ts";
import { sha256 } from "../../crypto/index.ts";
import { uint32 } from "../fields.ts";
import { type GameTerms, movesInAll } from "./terms.ts";

/** 0 rock, 1 paper, 2 scissors: each beats the one before it. */
export type Choice = 0 | 1 | 2;

/** Where a game stands. Its hash is the contract's root. */
export type GameState = {
  /** How many moves were made. */
  readonly step: number;
  /** Rounds in all, plus those that player one has won, less those that player two has won. */
  readonly lead: number;
  /** What player two has chosen in this round; 0 before. */
  readonly choice: Choice;
  /** What player one has committed to in this round, 32 bytes; zeros before. */
  readonly commitment: Uint8Array;
};

/** Player one commits, player two chooses, player one reveals. */
export type Move =
  | { readonly type: "commit"; readonly commitment: Uint8Array }
  | { readonly type: "choose"; readonly choice: Choice }
  | {
      readonly type: "reveal";
      readonly choice: Choice;
      /** 32 random bytes, without which the commitment could be guessed. */
      readonly blinding: Uint8Array;
    };

export type Player = "one" | "two";

/** Why a move can't be made in a state. */
export type BadMove =
  | { readonly type: "game_is_over" }
  | { readonly type: "other_move_expected"; readonly expected: Move["type"] }
  | { readonly type: "not_what_was_committed" };

const NO_COMMITMENT = new Uint8Array(32);
const KINDS = ["commit", "choose", "reveal"] as const;

export function newGame({ rounds }: GameTerms): GameState {
  return { step: 0, lead: rounds, choice: 0, commitment: NO_COMMITMENT };
}

/** The state as it is hashed and shown to the contract: 44 bytes. */
export function encodeGameState({ step, lead, choice, commitment }: GameState): Uint8Array {
  return concatBytes(uint32(step), uint32(lead), uint32(choice), commitment);
}

export function gameRoot(state: GameState): Uint8Array {
  return sha256(encodeGameState(state));
}

/** What player one commits to, for a choice and 32 random bytes. */
export function commitmentTo(choice: Choice, blinding: Uint8Array): Uint8Array {
  return sha256(concatBytes(uint32(choice), blinding));
}

/** A move as it is signed and shown to the contract. */
export function encodeMove(move: Move): Uint8Array {
  switch (move.type) {
    case "commit":
      return move.commitment;
    case "choose":
      return uint32(move.choice);
    case "reveal":
      return concatBytes(uint32(move.choice), move.blinding);
    default:
      return assertNever(move);
  }
}

function expectedMove({ step }: GameState): Move["type"] {
  return KINDS[step % KINDS.length] ?? "commit";
}

/** Who is to move. */
export function playerToMove(state: GameState): Player {
  return expectedMove(state) === "choose" ? "two" : "one";
}

/** The next move counts below this height; from it on the player who waits can claim the game. */
export function moveDeadline(terms: GameTerms, { step }: GameState): number {
  return terms.firstDeadline + step * terms.moveTime;
}

function afterReveal(state: GameState, choice: Choice): GameState {
  const won = (choice + 3 - state.choice) % 3;
  const lead = state.lead + (won === 1 ? 1 : won === 2 ? -1 : 0);
  return { step: state.step + 1, lead, choice: 0, commitment: NO_COMMITMENT };
}

/** The state after a move, as the contract's code has it. */
export function afterMove(terms: GameTerms, state: GameState, move: Move): Result<GameState, BadMove> {
  if (state.step >= movesInAll(terms)) return err({ type: "game_is_over" });
  const expected = expectedMove(state);
  if (move.type !== expected) return err({ type: "other_move_expected", expected });
  const step = state.step + 1;
  switch (move.type) {
    case "commit":
      return ok({ ...state, step, choice: 0, commitment: move.commitment });
    case "choose":
      return ok({ ...state, step, choice: move.choice });
    case "reveal": {
      const isKept = equalBytes(commitmentTo(move.choice, move.blinding), state.commitment);
      return isKept ? ok(afterReveal(state, move.choice)) : err({ type: "not_what_was_committed" });
    }
    default:
      return assertNever(move);
  }
}

/** The beneficiary's part of 10,000 once all moves are made; undefined before. */
export function gameAmount(terms: GameTerms, { step, lead }: GameState): number | undefined {
  if (step < movesInAll(terms)) return undefined;
  if (lead === terms.rounds) return terms.draw;
  return lead > terms.rounds ? 10_000 : 0;
}
