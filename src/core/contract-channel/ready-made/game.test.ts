import { describe, expect, it } from "vitest";
import {
  type Account,
  account,
  CHANNEL_ID,
  CONTRACT_ID,
  contractOf,
  program,
  resultOf,
} from "../../../../test/support/ready-made.ts";
import { concatBytes } from "../../base/index.ts";
import { sha256 } from "../../crypto/index.ts";
import { binaryPush, type ContractResult, intPush } from "../../vm/index.ts";
import { moveEvidence, moveMessage, stalledEvidence } from "./evidence.ts";
import {
  afterMove,
  type Choice,
  commitmentTo,
  encodeGameState,
  encodeMove,
  type GameState,
  gameAmount,
  gameRoot,
  type Move,
  moveDeadline,
  newGame,
  playerToMove,
} from "./game.ts";
import { endOfGame, type GameTerms } from "./terms.ts";

const [one, two, stranger] = [account(1), account(2), account(3)];
const TERMS: GameTerms = {
  type: "game",
  ...{ one: one.id, two: two.id },
  ...{ firstDeadline: 1_000, moveTime: 100, rounds: 2, draw: 4_000 },
};
const contract = contractOf(TERMS);
const END = endOfGame(TERMS);
const blinding = (byte: number) => new Uint8Array(32).fill(byte);

function must<T>(
  result: { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: unknown },
): T {
  if (!result.ok) throw new Error(JSON.stringify(result.error));
  return result.value;
}

function moverOf(state: GameState): Account {
  return playerToMove(state) === "one" ? one : two;
}

function signed(state: GameState, move: Move, by = moverOf(state), contractId = CONTRACT_ID): Uint8Array {
  return moveEvidence(by.sign(moveMessage(contractId, state, move)), state, move);
}

/** The moves of a round. */
function roundOf(first: Choice, second: Choice): Move[] {
  return [
    { type: "commit", commitment: commitmentTo(first, blinding(first)) },
    { type: "choose", choice: second },
    { type: "reveal", choice: first, blinding: blinding(first) },
  ];
}

/** All states of a game, the first one included. */
function statesOf(moves: readonly Move[], terms = TERMS): GameState[] {
  const states = [newGame(terms)];
  for (const move of moves) states.push(must(afterMove(terms, states.at(-1) ?? newGame(terms), move)));
  return states;
}

/** Plays a game by runs alone, each on the root that the run before has left; gives the last result. */
function play(moves: readonly Move[], terms = TERMS): ContractResult | string {
  const states = statesOf(moves, terms);
  const played = contractOf(terms);
  let root: Uint8Array | undefined = played.leaf.root;
  let last: ContractResult | string = "no move";
  for (const [i, move] of moves.entries()) {
    const state = states[i] ?? newGame(terms);
    const height = moveDeadline(terms, state) - 1;
    last = resultOf(played, { height, root, evidence: signed(state, move) });
    if (typeof last === "string") return last;
    expect(last.root).toEqual(gameRoot(states[i + 1] ?? state));
    if (i < moves.length - 1)
      expect(last).toMatchObject({ amount: terms.draw, nonce: 1, delay: endOfGame(terms) - height });
    root = last.root;
  }
  return last;
}

const ROCK = 0;
const PAPER = 1;
const SCISSORS = 2;

describe("game", () => {
  it.each([
    [ROCK, ROCK, "draw"],
    [PAPER, ROCK, "one"],
    [SCISSORS, ROCK, "two"],
    [ROCK, PAPER, "two"],
    [PAPER, PAPER, "draw"],
    [SCISSORS, PAPER, "one"],
    [ROCK, SCISSORS, "one"],
    [PAPER, SCISSORS, "two"],
    [SCISSORS, SCISSORS, "draw"],
  ] as const)("of one round, %i against %i: %s", (first, second, winner) => {
    const terms = { ...TERMS, rounds: 1 };
    const amount = { one: 10_000, two: 0, draw: 4_000 }[winner];
    expect(play(roundOf(first, second), terms)).toMatchObject({ amount, nonce: 2, delay: 0 });
    expect(gameAmount(terms, statesOf(roundOf(first, second), terms).at(-1) ?? newGame(terms))).toBe(amount);
  });

  it.each<[readonly [Choice, Choice], readonly [Choice, Choice], number]>([
    [[PAPER, ROCK], [PAPER, ROCK], 10_000],
    [[PAPER, ROCK], [ROCK, ROCK], 10_000],
    [[PAPER, ROCK], [ROCK, PAPER], 4_000],
    [[ROCK, ROCK], [SCISSORS, SCISSORS], 4_000],
    [[ROCK, PAPER], [ROCK, ROCK], 0],
    [[ROCK, PAPER], [ROCK, PAPER], 0],
  ])("of two rounds, %j and %j: %i", (first, second, amount) => {
    const moves = [...roundOf(...first), ...roundOf(...second)];
    expect(play(moves)).toMatchObject({ amount, nonce: 2, delay: 0 });
  });

  it("of as many rounds as there can be ends, too, and within its gas", () => {
    const terms = { ...TERMS, rounds: 21 };
    const moves = Array.from({ length: 21 }, (_, i) => roundOf((i % 3) as Choice, ((i * i) % 3) as Choice)).flat();
    expect(play(moves, terms)).toMatchObject({ nonce: 2, delay: 0 });
  });

  const MOVES = [...roundOf(PAPER, ROCK), ...roundOf(ROCK, PAPER)];
  const STATES = statesOf(MOVES);
  const steps = MOVES.map((move, step) => ({ step, move, state: STATES[step] ?? newGame(TERMS) }));

  it.each(steps)("takes move $step ($move.type) below its deadline, and a claim from it on", ({ state, move }) => {
    const deadline = moveDeadline(TERMS, state);
    const root = gameRoot(state);
    const claim = { root, amount: playerToMove(state) === "two" ? 10_000 : 0, nonce: 2, delay: 0 };
    for (const height of [0, deadline - 1]) {
      expect(resultOf(contract, { height, root, evidence: signed(state, move) })).not.toBeTypeOf("string");
      expect(resultOf(contract, { height, root, evidence: stalledEvidence(state) })).toBeTypeOf("string");
    }
    for (const height of [deadline, deadline + 1, END - 1]) {
      expect(resultOf(contract, { height, root, evidence: stalledEvidence(state) })).toEqual(claim);
      // A move that comes too late is a claim against its player.
      expect(resultOf(contract, { height, root, evidence: signed(state, move) })).toEqual(claim);
    }
  });

  it("waits until its end where nothing is shown, and is a draw then, whatever is shown", () => {
    const root = contract.leaf.root;
    for (const height of [0, END - 2, END - 1]) {
      expect(resultOf(contract, { height })).toEqual({ root, amount: 4_000, nonce: 1, delay: END - height });
    }
    const [state, move] = [newGame(TERMS), MOVES[0]];
    for (const height of [END, END + 1, 2 ** 32 - 1]) {
      const draw = { root, amount: 4_000, nonce: 1, delay: 0 };
      expect(resultOf(contract, { height })).toEqual(draw);
      expect(resultOf(contract, { height, evidence: stalledEvidence(state) })).toEqual(draw);
      if (move !== undefined) expect(resultOf(contract, { height, evidence: signed(state, move) })).toEqual(draw);
    }
  });

  it("keeps its root in every run that is no move, so that nothing can be forced with it", () => {
    const late = STATES[4] ?? newGame(TERMS);
    const root = gameRoot(late);
    for (const at of [{ height: 0 }, { height: END - 1, evidence: stalledEvidence(late) }, { height: END }]) {
      expect(resultOf(contract, { ...at, root })).toMatchObject({ root });
    }
  });

  it("counts heights up to the last", () => {
    const terms = { ...TERMS, firstDeadline: 2 ** 32 - 1 - 6 * 100 };
    const last = contractOf(terms);
    expect(endOfGame(terms)).toBe(2 ** 32 - 1);
    expect(resultOf(last, { height: 2 ** 32 - 2 })).toMatchObject({ delay: 1 });
    expect(resultOf(last, { height: 2 ** 32 - 1 })).toMatchObject({ delay: 0 });
    const state = newGame(terms);
    expect(resultOf(last, { height: 2 ** 32 - 2, evidence: stalledEvidence(state) })).toMatchObject({ amount: 0 });
    const zero = contractOf({ ...TERMS, firstDeadline: 0 });
    expect(resultOf(zero, { height: 0, evidence: stalledEvidence(state) })).toMatchObject({ amount: 0, delay: 0 });
  });

  const [start, chosen, revealed] = [STATES[0], STATES[1], STATES[2]].map((state) => state ?? newGame(TERMS)) as [
    GameState,
    GameState,
    GameState,
  ];
  const [commit, choose, reveal] = MOVES as [Move, Move, Move, ...Move[]];
  const raw = (by: Account, state: GameState, move: Uint8Array) =>
    concatBytes(
      binaryPush(
        by.sign(
          concatBytes(new TextEncoder().encode("sluice two player game next move"), CONTRACT_ID, gameRoot(state), move),
        ),
      ),
      binaryPush(move),
      binaryPush(encodeGameState(state)),
    );
  const other = { ...start, lead: 9 };

  it.each<[string, GameState, Uint8Array]>([
    ["a move of the other player", start, signed(start, commit, two)],
    ["a move of a stranger", chosen, signed(chosen, choose, stranger)],
    ["a choice by player one", chosen, signed(chosen, choose, one)],
    ["a move in another game", start, signed(start, commit, one, CHANNEL_ID)],
    ["a state that is not the root's", start, signed(other, commit)],
    ["another state's move", STATES[3] ?? start, signed(start, commit)],
    ["an older move on this state", STATES[3] ?? start, replayed(start, STATES[3] ?? start, commit)],
    ["a reveal in place of a commitment", start, signed(start, reveal)],
    ["a choice in place of a reveal", revealed, signed(revealed, choose, one)],
    ["a commitment in place of a choice", chosen, signed(chosen, commit, two)],
    ["a reveal of another choice", revealed, signed(revealed, { type: "reveal", choice: 0, blinding: blinding(1) })],
    ["a choice that is none", chosen, raw(two, chosen, Uint8Array.of(0, 0, 0, 3))],
    ["the largest choice", chosen, raw(two, chosen, new Uint8Array(4).fill(255))],
    ["a choice of one byte", chosen, raw(two, chosen, Uint8Array.of(1))],
    ["a choice of no byte", chosen, raw(two, chosen, new Uint8Array(0))],
    ["a commitment of 31 bytes", start, raw(one, start, new Uint8Array(31))],
    ["a commitment of 33 bytes", start, raw(one, start, new Uint8Array(33))],
    ["a commitment of 4 bytes", start, raw(one, start, new Uint8Array(4))],
    ["a state without a move", start, stalledEvidence(start)],
    ["a move without a signature", start, concatBytes(binaryPush(encodeMove(commit)), stalledEvidence(start))],
    ["more than a move", start, concatBytes(intPush(1), signed(start, commit))],
    ["a state that is a list", start, program("nil")],
    [
      "a move that is a list",
      start,
      concatBytes(binaryPush(new Uint8Array(64)), program("nil"), stalledEvidence(start)),
    ],
    ["a result", start, program("int 0 int 2 int 10000 nil")],
  ])("fails on %s", (_, state, evidence) => {
    const height = moveDeadline(TERMS, state) - 1;
    expect(resultOf(contract, { height, root: gameRoot(state), evidence })).toBeTypeOf("string");
  });

  it.each([
    ["a choice that is none", 3, 32],
    ["a blinding of 31 bytes", 1, 31],
    ["a blinding of 33 bytes", 1, 33],
    ["no blinding", 1, 0],
  ])("fails on what was committed to badly: %s", (_, choice, length) => {
    const revealing = concatBytes(Uint8Array.of(0, 0, 0, choice), new Uint8Array(length));
    const state: GameState = { ...revealed, commitment: sha256(revealing) };
    const evidence = raw(one, state, revealing);
    expect(resultOf(contract, { height: 0, root: gameRoot(state), evidence })).toBeTypeOf("string");
  });

  it("takes no notice of variables, functions and a second stack that the evidence has filled", () => {
    const meddling = program(
      `: f nop ; int 9 >r ${Array.from({ length: 7 }, (_, i) => `int 9 int ${i + 1} !`).join(" ")}`,
    );
    const result = resultOf(contract, { height: 1, evidence: concatBytes(meddling, signed(start, commit)) });
    expect(result).toEqual(resultOf(contract, { height: 1, evidence: signed(start, commit) }));
  });

  it("says of its own moves what is wrong with them", () => {
    expect(afterMove(TERMS, start, choose)).toEqual({
      ok: false,
      error: { type: "other_move_expected", expected: "commit" },
    });
    expect(afterMove(TERMS, revealed, { type: "reveal", choice: 2, blinding: blinding(2) })).toMatchObject({
      error: { type: "not_what_was_committed" },
    });
    expect(afterMove(TERMS, STATES.at(-1) ?? start, commit)).toMatchObject({ error: { type: "game_is_over" } });
    expect(gameAmount(TERMS, start)).toBeUndefined();
  });
});

/** A move that was signed in one state, shown with another. */
function replayed(signedIn: GameState, shown: GameState, move: Move): Uint8Array {
  return moveEvidence(moverOf(signedIn).sign(moveMessage(CONTRACT_ID, signedIn, move)), shown, move);
}
