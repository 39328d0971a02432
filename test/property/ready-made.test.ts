// Ready-made contracts under evidence that nobody meant: pieces of honest evidence, old signatures, and opcodes, put together at random. Whatever
// comes out is a failed run, or an outcome that the contract intends at that height for what the evidence knows.
import { describe, expect, it } from "vitest";
import { asPaymentHash, concatBytes, equalBytes } from "../../src/core/base/index.ts";
import type { ReadyMade } from "../../src/core/contract-channel/ready-made/contracts.ts";
import {
  closeMessage,
  decisionMessage,
  moveMessage,
  totalMessage,
} from "../../src/core/contract-channel/ready-made/evidence.ts";
import {
  afterMove,
  commitmentTo,
  encodeGameState,
  encodeMove,
  gameAmount,
  gameRoot,
  type Move,
  moveDeadline,
  newGame,
  playerToMove,
} from "../../src/core/contract-channel/ready-made/game.ts";
import { endOfGame, type GameTerms } from "../../src/core/contract-channel/ready-made/terms.ts";
import { sha256 } from "../../src/core/crypto/index.ts";
import { binaryPush, type ContractResult, intPush } from "../../src/core/vm/index.ts";
import { type RandomNumbers, randomNumbers } from "../../src/testing/index.ts";
import { anyProgram } from "../support/chalang-programs.ts";
import { account, CHANNEL_ID, CONTRACT_ID, contractOf, program, resultOf } from "../support/ready-made.ts";

const [one, two, arbiter] = [account(1), account(2), account(3)];
const OTHER_ID = new Uint8Array(32).fill(0xc2);
const SECRET = new Uint8Array(32).fill(5);
const E = 1_000;

/** Whole numbers, opcodes and definitions that go anywhere. */
const GLUE: readonly Uint8Array[] = [
  ...["dup", "drop", "swap", "rot", "tuck", "2dup", ">r", "r>", "r@", "hash", "++", "nil", "cons", "car", "is_list"],
  ...["int 4 split", "int 32 split", "reverse", "not", "stack_size", "height", "gas", "many_vars", "verify_sig"],
  ...["int 0", "int 1", "int 2", "int 10000", "int 10001", "int4 4294967295", "#0200000000", "=2", "==", "+", "-"],
  ...["int 7 int 1 !", "int 7 int 2 !", "int 3 !", "int 1 @", "int 2 @", ": f nop ; f call", ": g drop ; g call"],
  ...["int 0 int 2 int 10000 nil", "int 0 int 10002 int 10000 nil", "int 1 if int 5 else int 6 then", "print"],
].map(program);

function oneOf<T>(random: RandomNumbers, items: readonly T[]): T {
  return items[random(items.length)] as T;
}

/** Evidence near one of those that are meant, or far from all. */
function anyEvidence(random: RandomNumbers, meant: readonly (readonly Uint8Array[])[]): Uint8Array {
  if (random(12) === 0) return anyProgram(random, 12);
  const parts = [...oneOf(random, meant)];
  const pieces = [...meant.flat(), ...GLUE];
  for (let changes = random(5); changes > 0; changes--) {
    const at = random(parts.length + 1);
    switch (random(4)) {
      case 0:
        parts.splice(at, 1);
        break;
      case 1:
        parts.splice(at, 1, oneOf(random, pieces));
        break;
      default:
        parts.splice(at, 0, oneOf(random, pieces));
    }
  }
  return concatBytes(...parts);
}

type Intended = { readonly [name: string]: (result: ContractResult) => boolean };

/** Runs evidence at random heights; every outcome is one of those intended, and each of those came up. */
function fuzz(
  contract: ReadyMade,
  runs: number,
  heights: readonly number[],
  meant: readonly (readonly Uint8Array[])[],
  intended: (height: number) => Intended,
  root: Uint8Array = contract.leaf.root,
): Map<string, number> {
  const seen = new Map<string, number>();
  for (let seed = 0; seed < runs; seed++) {
    const random = randomNumbers(seed);
    const height = oneOf(random, heights);
    const evidence = anyEvidence(random, meant);
    const result = resultOf(contract, { height, evidence, root });
    const names =
      typeof result === "string"
        ? ["failed"]
        : Object.entries(intended(height)).flatMap(([name, is]) => (is(result) ? [name] : []));
    const [name] = names;
    if (name === undefined) expect({ seed, height, result, evidence }).toBe("an outcome that is intended");
    else seen.set(name, (seen.get(name) ?? 0) + 1);
  }
  return seen;
}

function isResult(root: Uint8Array | undefined, amount: number, nonce: number, delay: number) {
  return (result: ContractResult): boolean => {
    const sameRoot =
      root === undefined || result.root === undefined ? root === result.root : equalBytes(root, result.root);
    return sameRoot && result.amount === amount && result.nonce === nonce && result.delay === delay;
  };
}

/** Only what is intended came out, and all of that came up so often. */
function expectAll(seen: ReadonlyMap<string, number>, names: readonly string[], least = 5): void {
  expect([...seen.keys()].sort()).toEqual([...names].sort());
  for (const [name, count] of seen) expect(`${name}: ${count >= least}`).toBe(`${name}: true`);
}

const HEIGHTS = [0, 1, E - 2, E - 1, E, E + 1, 2 ** 32 - 1];
const RUNS = 1_500;

describe("ready-made contracts under evidence that nobody meant", { timeout: 120_000 }, () => {
  const paymentHash = asPaymentHash(sha256(SECRET));
  const guesses = [[binaryPush(new Uint8Array(32).fill(6))], [binaryPush(paymentHash)], [intPush(5)]];
  const withSecret = [
    ...guesses,
    [binaryPush(SECRET)],
    [binaryPush(SECRET.subarray(0, 16)), binaryPush(SECRET.subarray(16)), program("++")],
  ];

  it("[AP-2] hashlock: pays for the secret only", () => {
    const contract = contractOf({ type: "hashlock", paymentHash });
    const wrong = {
      nothing: isResult(undefined, 0, 1, 50),
      wrong: isResult(undefined, 0, 1, 49),
    };
    expectAll(
      fuzz(contract, RUNS, HEIGHTS, guesses, () => wrong),
      ["failed", "nothing", "wrong"],
    );
    const right = { ...wrong, right: isResult(undefined, 10_000, 2, 0) };
    expectAll(
      fuzz(contract, RUNS, HEIGHTS, withSecret, () => right),
      ["failed", "nothing", "wrong", "right"],
    );
  });

  it("[AP-2] hashlock with expiry: pays for the secret below the expiry only", () => {
    const contract = contractOf({ type: "hashlock_with_expiry", paymentHash, expiry: E });
    const without = (height: number): Intended =>
      height < E ? { waits: isResult(undefined, 0, 1, E - height) } : { back: isResult(undefined, 0, 1, 0) };
    expectAll(fuzz(contract, RUNS, HEIGHTS, guesses, without), ["failed", "waits", "back"]);
    const right = (height: number): Intended =>
      height < E ? { ...without(height), right: isResult(undefined, 10_000, 2, 0) } : without(height);
    expectAll(fuzz(contract, RUNS, HEIGHTS, withSecret, right), ["failed", "waits", "back", "right"]);
  });

  it("escrow: divides as the arbiter has signed for this contract", () => {
    const contract = contractOf({ type: "escrow", arbiter: arbiter.id, expiry: E, otherwise: 1_234 });
    const sign = (amount: number, id = CONTRACT_ID, by = arbiter) =>
      [binaryPush(by.sign(decisionMessage(id, amount))), intPush(amount)] as const;
    const meant = [
      [],
      sign(7),
      sign(8_000),
      sign(10_000, OTHER_ID),
      sign(10_000, CHANNEL_ID),
      sign(9_999, CONTRACT_ID, one),
    ];
    const intended = (height: number): Intended =>
      height < E
        ? {
            waits: isResult(undefined, 1_234, 1, E - height),
            seven: isResult(undefined, 7, 2, 0),
            most: isResult(undefined, 8_000, 2, 0),
          }
        : { otherwise: isResult(undefined, 1_234, 1, 0) };
    expectAll(fuzz(contract, RUNS, HEIGHTS, meant, intended), ["failed", "waits", "otherwise", "seven", "most"]);
  });

  it("stream: pays what the payer has signed, and ends where the payee says", () => {
    const contract = contractOf({ type: "stream", payer: one.id, payee: two.id, expiry: E });
    const paid = (total: number, id = CONTRACT_ID) =>
      [binaryPush(one.sign(totalMessage(id, total))), intPush(total)] as const;
    const closed = (total: number, id = CONTRACT_ID) =>
      [binaryPush(two.sign(closeMessage(id, total))), ...paid(total, id)] as const;
    const alien = [
      binaryPush(one.sign(closeMessage(CONTRACT_ID, 9_000))),
      binaryPush(two.sign(totalMessage(CONTRACT_ID, 9_000))),
    ];
    const meant = [
      [],
      paid(10),
      paid(300),
      closed(300),
      paid(9_999, OTHER_ID),
      closed(9_999, OTHER_ID),
      [...alien, intPush(9_000)],
    ];
    const intended = (height: number): Intended =>
      height < E
        ? {
            waits: isResult(undefined, 0, 1, E - height),
            ten: isResult(undefined, 10, 11, E - height),
            more: isResult(undefined, 300, 301, E - height),
            ended: isResult(undefined, 300, 10_002, 0),
          }
        : { over: isResult(undefined, 0, 1, 0) };
    const seen = fuzz(contract, RUNS, HEIGHTS, meant, intended);
    expectAll(seen, ["failed", "waits", "ten", "more", "ended", "over"]);
  });

  const TERMS: GameTerms = {
    ...{ type: "game", one: one.id, two: two.id },
    ...{ firstDeadline: E, moveTime: 10, rounds: 1, draw: 4_000 },
  };
  const BLINDING = new Uint8Array(32).fill(6);
  const MOVES: readonly Move[] = [
    { type: "commit", commitment: commitmentTo(1, BLINDING) },
    { type: "choose", choice: 0 },
    { type: "reveal", choice: 1, blinding: BLINDING },
  ];
  const states = [newGame(TERMS)];
  for (const [i, move] of MOVES.entries()) {
    const next = afterMove(TERMS, states[i] ?? newGame(TERMS), move);
    if (next.ok) states.push(next.value);
  }

  it.each([0, 1, 2])("game, move %i: made by whose turn it is, or lost by whoever lets the time pass", (step) => {
    const contract = contractOf(TERMS);
    const end = endOfGame(TERMS);
    const state = states[step] ?? newGame(TERMS);
    const next = states[step + 1] ?? state;
    const [root, deadline] = [gameRoot(state), moveDeadline(TERMS, state)];
    // Every move of the game, signed by both players, in every state, of this game and of another: only one of them may count here.
    const meant: (readonly Uint8Array[])[] = [[], [binaryPush(encodeGameState(state))]];
    for (const [i, move] of MOVES.entries()) {
      const made = states[i] ?? state;
      for (const by of [one, two]) {
        const isTurn = by === (playerToMove(made) === "one" ? one : two);
        for (const id of isTurn ? [CONTRACT_ID, OTHER_ID] : [CONTRACT_ID]) {
          const signature = binaryPush(by.sign(moveMessage(id, made, move)));
          meant.push([signature, binaryPush(encodeMove(move)), binaryPush(encodeGameState(state))]);
        }
      }
    }
    const amount = gameAmount(TERMS, next);
    const loser = playerToMove(state) === "two" ? 10_000 : 0;
    const intended = (height: number): Intended => {
      if (height >= end) return { draw: isResult(root, 4_000, 1, 0) };
      const waits = { waits: isResult(root, 4_000, 1, end - height) };
      if (height >= deadline) return { ...waits, lost: isResult(root, loser, 2, 0) };
      const isMade =
        amount === undefined
          ? isResult(gameRoot(next), 4_000, 1, end - height)
          : isResult(gameRoot(next), amount, 2, 0);
      return { ...waits, made: isMade };
    };
    const heights = [0, deadline - 1, deadline, deadline + 1, end - 1, end, end + 1, 2 ** 32 - 1];
    const seen = fuzz(contract, RUNS, heights, meant, intended, root);
    expectAll(seen, ["failed", "waits", "made", "lost", "draw"]);
  });
});
