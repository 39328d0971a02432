import { expect, it } from "vitest";
import { account, CONTRACT_ID, contractOf, resultOf } from "../../../../test/support/ready-made.ts";
import { asPaymentHash } from "../../base/index.ts";
import { sha256 } from "../../crypto/index.ts";
import type { ReadyMade } from "./contracts.ts";
import {
  closeEvidence,
  closeMessage,
  decisionEvidence,
  decisionMessage,
  moveEvidence,
  moveMessage,
  secretEvidence,
  stalledEvidence,
  totalEvidence,
  totalMessage,
} from "./evidence.ts";
import { afterMove, commitmentTo, type GameState, gameRoot, type Move, newGame } from "./game.ts";
import type { GameTerms } from "./terms.ts";

const [one, two] = [account(1), account(2)];
const SECRET = new Uint8Array(32).fill(5);
const BLINDING = new Uint8Array(32).fill(6);
const paymentHash = asPaymentHash(sha256(SECRET));
const expiry = 4_000_000_000;
const GAME: GameTerms = {
  ...{ type: "game", one: one.id, two: two.id },
  ...{ firstDeadline: 4_000_000_000, moveTime: 100_000, rounds: 21, draw: 4_000 },
};

type Run = readonly [what: string, evidence: Uint8Array, height?: number, root?: Uint8Array];

function totals(total: number): Run[] {
  const payer = one.sign(totalMessage(CONTRACT_ID, total));
  const payee = two.sign(closeMessage(CONTRACT_ID, total));
  return [
    [`total ${total}`, totalEvidence(payer, total)],
    [`close ${total}`, closeEvidence(payee, payer, total)],
  ];
}

/** Every move of some round, the last round included, and a claim in place of it. */
function gameRuns(round: number, choices: readonly [0 | 1 | 2, 0 | 1 | 2]): Run[] {
  const runs: Run[] = [];
  let state: GameState = { ...newGame(GAME), step: 3 * round };
  const moves: readonly Move[] = [
    { type: "commit", commitment: commitmentTo(choices[0], BLINDING) },
    { type: "choose", choice: choices[1] },
    { type: "reveal", choice: choices[0], blinding: BLINDING },
  ];
  for (const move of moves) {
    const by = move.type === "choose" ? two : one;
    const root = gameRoot(state);
    runs.push([move.type, moveEvidence(by.sign(moveMessage(CONTRACT_ID, state, move)), state, move), 1, root]);
    runs.push(["stalled", stalledEvidence(state), GAME.firstDeadline + 99_999_999, root]);
    const next = afterMove(GAME, state, move);
    if (!next.ok) throw new Error(next.error.type);
    state = next.value;
  }
  return runs;
}

const HONEST: readonly (readonly [ReadyMade, readonly Run[]])[] = [
  [contractOf({ type: "hashlock", paymentHash }), [["secret", secretEvidence(SECRET)]]],
  [contractOf({ type: "hashlock_with_expiry", paymentHash, expiry }), [["secret", secretEvidence(SECRET)]]],
  [
    contractOf({ type: "escrow", arbiter: one.id, expiry, otherwise: 0 }),
    [0, 10_000].map(
      (amount): Run => [`decision ${amount}`, decisionEvidence(one.sign(decisionMessage(CONTRACT_ID, amount)), amount)],
    ),
  ],
  [contractOf({ type: "stream", payer: one.id, payee: two.id, expiry }), [0, 10_000].flatMap(totals)],
  [
    contractOf(GAME),
    [...gameRuns(0, [1, 0]), ...gameRuns(20, [0, 1]), ...gameRuns(20, [1, 1]), ...gameRuns(20, [1, 0])],
  ],
];

it.each(HONEST)("[AP-13] every honest run of $terms.type fits the gas with a tenth to spare", (contract, runs) => {
  const { timeGas, spaceGas } = contract.leaf;
  const gas = { timeGas: Math.floor(timeGas / 1.1), spaceGas: Math.floor(spaceGas / 1.1) };
  const nothing: readonly Run[] = [
    ["nothing", new Uint8Array(0)],
    ["nothing at the end", new Uint8Array(0), 2 ** 32 - 1],
  ];
  for (const [what, evidence, height = 700, root] of [...runs, ...nothing]) {
    const result = resultOf(contract, { height, evidence, root, gas });
    expect(typeof result === "string" ? `${what}: ${result}` : "").toBe("");
  }
});
