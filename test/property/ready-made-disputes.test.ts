// Ready-made contracts in disputes on a ledger: one party does what it should, not at once but within a few ticks; the other does anything it can, at
// any time. Whoever does what it should gets what is due to it.
import { describe, expect, it } from "vitest";
import { asPaymentHash, InvariantBroken } from "../../src/core/base/index.ts";
import {
  afterMove,
  type Choice,
  closeEvidence,
  closeMessage,
  commitmentTo,
  decisionEvidence,
  decisionMessage,
  type GameState,
  type GameTerms,
  gameAmount,
  gameRoot,
  type Move,
  moveDeadline,
  moveEvidence,
  moveMessage,
  newGame,
  type Party,
  playerToMove,
  secretEvidence,
  stalledEvidence,
  type Terms,
  totalEvidence,
  totalMessage,
} from "../../src/core/contract-channel/index.ts";
import { sha256 } from "../../src/core/crypto/index.ts";
import { type RandomNumbers, randomNumbers } from "../../src/testing/index.ts";
import { PEOPLE } from "../support/ledger-scene.ts";
import { account } from "../support/ready-made.ts";
import { type Dispute, type Divided, dispute, divided } from "../support/ready-made-dispute.ts";

const START = 100;
const E = 150;
/** The honest party looks at the ledger this often, in ticks. */
const REACTION = 3;
const NOTHING = new Uint8Array(0);

/** What the rules refuse, or there is no channel left for, is nothing. */
function attempt<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch (cause) {
    if (cause instanceof InvariantBroken) return undefined;
    throw cause;
  }
}

function oneOf<T>(random: RandomNumbers, items: readonly T[]): T {
  return items[random(items.length)] as T;
}

/** What a party does each time that it looks. */
type Plan = (one: Dispute, height: number) => void;
/** Evidence that the other party could show now. */
type Tricks = (one: Dispute) => readonly Uint8Array[];

/** Settling and paying, which both do once it can be. */
function finish(one: Dispute): void {
  const { closing } = one.scene.channel();
  if (closing === undefined || one.scene.height < closing.end) return;
  if (closing.settled) attempt(() => one.payout());
  else attempt(() => one.settle());
}

function close(one: Dispute, by: Party): void {
  if (one.scene.channel().closing === undefined) attempt(() => one.close(by));
}

function mischief(random: RandomNumbers, one: Dispute, tricks: Tricks, party: Party): void {
  const evidence = oneOf(random, [NOTHING, ...tricks(one)]);
  switch (random(8)) {
    case 0:
      close(one, party);
      break;
    case 1:
      finish(one);
      break;
    case 2:
    case 3:
    case 4:
      attempt(() => one.resolve(evidence, party));
      break;
    default:
      attempt(() => one.force(evidence, party));
  }
}

type How = { readonly plan: Plan; readonly tricks: Tricks; readonly moods?: readonly number[] };

/** Plays one dispute to its end; the honest party looks every few ticks, before or after the other has acted. */
function played(seed: number, terms: Terms, honest: Party, { plan, tricks, moods = MOODS }: How): Divided {
  const random = randomNumbers(seed);
  const one = dispute(terms);
  const other = honest === "initiator" ? "responder" : "initiator";
  // Some do little: then what the honest party does alone is enough.
  const mood = oneOf(random, moods);
  const looksAt = random(REACTION);
  for (let height = START; height < 400; height++) {
    one.at(height);
    const first = random(2) === 0;
    if (first && random(mood) === 0) mischief(random, one, tricks, other);
    if (height % REACTION === looksAt && one.outcome() === undefined) plan(one, height);
    if (!first && random(mood) === 0 && one.outcome() === undefined) mischief(random, one, tricks, other);
    const outcome = one.outcome();
    if (outcome !== undefined) return outcome;
  }
  throw new Error("the stakes were not paid");
}

const DISPUTES = 8;
const GAMES = 24;
/** One tick in so many the other party does something: often, now and then, hardly. */
const MOODS = [3, 8, 40] as const;

/** Runs many; what each comes to must be as expected. Gives how often each outcome came up. */
function outcomes(
  terms: (seed: number) => Terms,
  honest: Party,
  play: () => { plan: Plan; tricks: Tricks; check(d: Divided): boolean },
) {
  const seen = new Map<string, number>();
  for (let seed = 0; seed < DISPUTES; seed++) {
    const { check, ...how } = play();
    const outcome = played(seed, terms(seed), honest, how);
    if (!check(outcome)) expect({ seed, outcome }).toBe("what is due");
    const key = String(outcome.responder);
    seen.set(key, (seen.get(key) ?? 0) + 1);
  }
  return seen;
}

const SECRET = new Uint8Array(32).fill(42);
const HASHLOCK: Terms = { type: "hashlock_with_expiry", paymentHash: asPaymentHash(sha256(SECRET)), expiry: E };

/** Closes from some height on, and sees it through. */
function closing(from: number): Plan {
  return (one, height) => {
    if (height >= from) close(one, "initiator");
    finish(one);
  };
}

describe("disputes in which one party does anything", { timeout: 120_000 }, () => {
  it("[AP-2] hashlock with expiry: who has the secret is paid, if it shows it a few ticks before the expiry", () => {
    const plan: Plan = (one, height) => {
      if (height >= E - 2 * REACTION && height < E) attempt(() => one.resolve(secretEvidence(SECRET)));
      closing(E)(one, height);
    };
    const seen = outcomes(
      () => HASHLOCK,
      "responder",
      () => ({
        plan,
        tricks: () => [secretEvidence(new Uint8Array(32))],
        check: ({ responder }) => responder === 1_000n,
      }),
    );
    expect(seen.get("1000")).toBe(DISPUTES);
  });

  it("[AP-2] hashlock with expiry: who gave it has the stakes back, unless the secret was shown below the expiry", () => {
    const never = outcomes(
      () => HASHLOCK,
      "initiator",
      () => ({
        plan: closing(E),
        tricks: () => [secretEvidence(new Uint8Array(32))],
        check: ({ initiator }) => initiator === 1_000n,
      }),
    );
    expect(never.get("0")).toBe(DISPUTES);
    const late = outcomes(
      () => HASHLOCK,
      "initiator",
      () => ({
        plan: closing(E),
        tricks: (one) => (one.scene.height >= E ? [secretEvidence(SECRET)] : []),
        check: ({ initiator }) => initiator === 1_000n,
      }),
    );
    expect(late.get("0")).toBe(DISPUTES);
  });

  const arbiter = account(77);
  const decision = ({ id }: Dispute, amount: number) =>
    decisionEvidence(arbiter.sign(decisionMessage(id, amount)), amount);

  it("escrow: divided as decided, whatever the other tries", () => {
    const terms: Terms = { type: "escrow", arbiter: arbiter.id, expiry: E, otherwise: 1_000 };
    const decidedAt = 130;
    const plan: Plan = (one, height) => {
      if (height >= decidedAt) attempt(() => one.resolve(decision(one, 6_000)));
      closing(decidedAt)(one, height);
    };
    const tricks: Tricks = (one) => [
      decision({ ...one, id: new Uint8Array(32) }, 0),
      decisionEvidence(new Uint8Array(64), 0),
    ];
    const seen = outcomes(
      () => terms,
      "responder",
      () => ({ plan, tricks, check: ({ responder }) => responder === 600n }),
    );
    expect(seen.get("600")).toBe(DISPUTES);
    const undecided = outcomes(
      () => terms,
      "responder",
      () => ({ plan: closing(E), tricks, check: ({ responder }) => responder === 100n }),
    );
    expect(undecided.get("100")).toBe(DISPUTES);
  });

  const [payer, payee] = [account(71), account(72)];
  const STREAM: Terms = { type: "stream", payer: payer.id, payee: payee.id, expiry: E };
  const paid = ({ id }: Dispute, total: number) => totalEvidence(payer.sign(totalMessage(id, total)), total);
  const ended = ({ id }: Dispute, total: number) =>
    closeEvidence(payee.sign(closeMessage(id, total)), payer.sign(totalMessage(id, total)), total);

  it("stream: the payee gets the highest total that it has, whatever the payer shows", () => {
    const plan: Plan = (one, height) => {
      // It closes early enough, and shows what it has where that is not recorded yet; or it ends the stream.
      if (height >= E - 20) close(one, "responder");
      if (height >= E - 15 && height < E) attempt(() => one.resolve(paid(one, 7_000)));
      finish(one);
    };
    const tricks: Tricks = (one) => [1, 500, 6_999].map((total) => paid(one, total));
    const waiting = outcomes(
      () => STREAM,
      "responder",
      () => ({ plan, tricks, check: ({ responder }) => responder === 700n }),
    );
    expect(waiting.get("700")).toBe(DISPUTES);
    const ending: Plan = (one, height) => {
      if (height >= 130 && height < E) attempt(() => one.resolve(ended(one, 7_000)));
      closing(130)(one, height);
    };
    const quick = outcomes(
      () => STREAM,
      "responder",
      () => ({ plan: ending, tricks, check: ({ responder }) => responder === 700n }),
    );
    expect(quick.get("700")).toBe(DISPUTES);
  });

  it("stream: the payer never pays more than the highest total that it has signed", () => {
    const tricks: Tricks = (one) => [paid(one, 1), paid(one, 7_000), ended(one, 7_000), ended(one, 300)];
    const seen = outcomes(
      () => STREAM,
      "initiator",
      () => ({ plan: closing(E), tricks, check: ({ responder }) => responder <= 700n }),
    );
    for (const responder of ["0", "700"]) expect(seen.get(responder) ?? 0).toBeGreaterThan(0);
  });

  const BLINDING = new Uint8Array(32).fill(3);
  const GAME: GameTerms = {
    ...{ type: "game", one: PEOPLE.responder.id, two: PEOPLE.initiator.id },
    ...{ firstDeadline: 120, moveTime: 15, rounds: 1, draw: 5_000 },
  };
  const PARTY = { one: "responder", two: "initiator" } as const;

  /** A game as a party sees it: the state that the ledger's root stands for. */
  function table(choices: readonly Choice[]) {
    let known: readonly GameState[] = [newGame(GAME)];
    const moveIn = (state: GameState): Move => {
      const choice = choices[state.step] ?? 0;
      const kind = state.step % 3;
      if (kind === 0) return { type: "commit", commitment: commitmentTo(choices[state.step + 2] ?? 0, BLINDING) };
      return kind === 1 ? { type: "choose", choice } : { type: "reveal", choice, blinding: BLINDING };
    };
    return {
      moveIn,
      now(one: Dispute): GameState {
        const root = String(one.contract().leaf.root);
        const found = known.find((state) => String(gameRoot(state)) === root);
        if (found === undefined) throw new Error("a state that nobody meant");
        const next = afterMove(GAME, found, moveIn(found));
        if (next.ok) known = [...known, next.value];
        return found;
      },
      /** What the game comes to if all moves are made. */
      amount(): number {
        let state = newGame(GAME);
        for (let next = afterMove(GAME, state, moveIn(state)); next.ok; next = afterMove(GAME, state, moveIn(state))) {
          state = next.value;
        }
        return gameAmount(GAME, state) ?? -1;
      },
    };
  }

  const signed = ({ id }: Dispute, state: GameState, move: Move) =>
    moveEvidence(PEOPLE[PARTY[playerToMove(state)]].sign(moveMessage(id, state, move)), state, move);

  it.each(["one", "two"] as const)(
    "game: player %s, which moves in time, wins unless it has lost by the choices",
    (player) => {
      const honest = PARTY[player];
      const seen = { played: 0, stalled: 0 };
      for (let seed = 0; seed < GAMES; seed++) {
        const random = randomNumbers(1_000 + seed);
        const game = table(Array.from({ length: 3 }, () => random(3) as Choice));
        // From some move on the other one moves no more.
        const stallsAt = random(7);
        const plan: Plan = (one, height) => {
          finish(one);
          if (one.outcome() !== undefined) return;
          const state = game.now(one);
          if (playerToMove(state) === player) attempt(() => one.force(signed(one, state, game.moveIn(state)), honest));
          else if (height >= moveDeadline(GAME, state)) attempt(() => one.resolve(stalledEvidence(state), honest));
          if (height >= 120 + 3 * 15 - 10) close(one, honest);
        };
        const tricks: Tricks = (one) => {
          if (one.outcome() !== undefined) return [];
          const state = game.now(one);
          const own =
            playerToMove(state) === player || state.step >= stallsAt ? [] : [signed(one, state, game.moveIn(state))];
          return [stalledEvidence(state), ...own, ...own, ...own];
        };
        const { responder } = played(seed, GAME, honest, { plan, tricks, moods: [1, 2, 20] });
        const all = player === "one" ? 1_000n : 0n;
        const byChoices = divided(game.amount()).responder;
        if (responder !== all && responder !== byChoices) expect({ seed, responder, byChoices }).toBe("what is due");
        if (responder === byChoices && responder !== all) seen.played++;
        else seen.stalled++;
      }
      expect(seen.played).toBeGreaterThan(3);
      expect(seen.stalled).toBeGreaterThan(3);
    },
  );
});
