// Every ready-made contract played on the ledger's rules, each way it can end, at the heights where that changes.
import { describe, expect, it } from "vitest";
import { LOCK_PERIOD, MAX_DELAY, PEOPLE } from "../../../../test/support/ledger-scene.ts";
import { account } from "../../../../test/support/ready-made.ts";
import { type Dispute, dispute, divided, whyOf } from "../../../../test/support/ready-made-dispute.ts";
import { asPaymentHash } from "../../base/index.ts";
import { sha256 } from "../../crypto/index.ts";
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
import { afterMove, type Choice, commitmentTo, type GameState, type Move, newGame, playerToMove } from "./game.ts";
import { endOfGame, type GameTerms } from "./terms.ts";

const NOTHING = new Uint8Array(0);
const SECRET = new Uint8Array(32).fill(42);
const paymentHash = asPaymentHash(sha256(SECRET));
const secret = secretEvidence(SECRET);

// The channel is closed at 100, unless a test says so: its end is 120 then, and evidence ends at 140.
const CLOSED = 100;
const EVIDENCE_ENDS = CLOSED + 2 * LOCK_PERIOD;
const E = 150;

describe("a hashlock with expiry, disputed", () => {
  const closed = (expiry = E) => dispute({ type: "hashlock_with_expiry", paymentHash, expiry }).close();

  it.each([CLOSED, E - 2, E - 1])(
    "[AP-2] pays for the secret at %i, also after others have recorded nothing",
    (height) => {
      const one = closed();
      expect(one.resolve(NOTHING, "initiator")).toMatchObject({ record: { amount: 0, nonce: 1, until: E } });
      expect(one.at(height).resolve(secret)).toMatchObject({ record: { amount: 10_000, nonce: 2, until: height } });
      expect(whyOf(one.at(E + 1).resolve(NOTHING, "initiator"))).toBe("record_final");
      expect(one.settle().payout()).toEqual(divided(10_000));
    },
  );

  it.each([E, E + 1, 10 * E])("[AP-2] pays back at %i, whatever is shown then", (height) => {
    const shown = closed().at(height);
    expect(shown.resolve(secret)).toMatchObject({ record: { amount: 0, nonce: 1, until: height } });
    expect(shown.settle().payout()).toEqual(divided(0));
    const untouched = closed().at(height).settle();
    expect(untouched.payout()).toEqual(divided(0));
    const waiting = closed();
    waiting.resolve(NOTHING, "initiator");
    expect(whyOf(waiting.at(height).resolve(secret))).toBe("nonce_not_higher");
    expect(waiting.settle().payout()).toEqual(divided(0));
  });

  it("waits until the expiry, also where evidence of others has ended before", () => {
    const one = closed()
      .at(EVIDENCE_ENDS - 1)
      .settle();
    for (const height of [EVIDENCE_ENDS - 1, EVIDENCE_ENDS, E - 1])
      expect(one.at(height).payout()).toBe("still_waiting");
    expect(one.at(E).payout()).toEqual(divided(0));
  });

  it("keeps what was shown below an expiry that comes before the channel's end", () => {
    const expiry = CLOSED + 5;
    const paid = closed(expiry).at(expiry - 1);
    paid.resolve(secret);
    expect(
      paid
        .at(expiry + 50)
        .settle()
        .payout(),
    ).toEqual(divided(10_000));
    const late = closed(expiry).at(expiry);
    late.resolve(secret);
    expect(
      late
        .at(expiry + 50)
        .settle()
        .payout(),
    ).toEqual(divided(0));
  });

  it("can be resolved for good while the channel is open, and only for good", () => {
    const one = dispute({ type: "hashlock_with_expiry", paymentHash, expiry: E }).snapshot();
    expect(whyOf(one.resolve(NOTHING, "initiator"))).toBe("delay_while_open");
    expect(whyOf(one.at(E - 1).resolve(secret))).toBe("resolved");
    expect(
      one
        .at(E)
        .close()
        .at(E + LOCK_PERIOD)
        .settle()
        .payout(),
    ).toEqual(divided(10_000));
  });

  it("is not safe where its expiry is further away than the greatest delay: a waiting record counts before it", () => {
    const expiry = CLOSED + MAX_DELAY + 2;
    const one = closed(expiry);
    one.resolve(NOTHING, "initiator");
    expect(whyOf(one.at(expiry - 2).resolve(secret))).toBe("too_late");
    const just = closed(CLOSED + MAX_DELAY);
    just.resolve(NOTHING, "initiator");
    expect(whyOf(just.at(CLOSED + MAX_DELAY - 1).resolve(secret))).toBe("resolved");
  });

  it("[AP-13] loses nothing by a run that exhausts its gas: nothing is recorded, and the next evidence counts", () => {
    const one = closed();
    expect(one.resolve(new Uint8Array(990).fill(12), "initiator").type).toBe("run_failed");
    expect(whyOf(one.resolve(secret))).toBe("resolved");
    expect(one.at(E).settle().payout()).toEqual(divided(10_000));
  });
});

describe("a plain hashlock, disputed", () => {
  const closed = () => dispute({ type: "hashlock", paymentHash }).close();

  it("[AP-2] pays for the secret at any height until it is given up, and 50 later if nothing was given", () => {
    const paid = closed().at(10_000);
    paid.resolve(secret);
    expect(paid.settle().payout()).toEqual(divided(10_000));
    const given = closed().at(130);
    expect(given.resolve(NOTHING, "initiator")).toMatchObject({ record: { amount: 0, nonce: 1, until: 180 } });
    expect(given.settle().at(179).payout()).toBe("still_waiting");
    expect(whyOf(given.resolve(secret))).toBe("resolved");
    const gone = closed().at(130);
    gone.resolve(NOTHING, "initiator");
    expect(whyOf(gone.at(180).resolve(secret))).toBe("too_late");
    expect(gone.settle().payout()).toEqual(divided(0));
  });

  it("never goes back by itself: who gave it has to record nothing before evidence ends", () => {
    const one = closed().at(EVIDENCE_ENDS).settle();
    expect(whyOf(one.resolve(NOTHING, "initiator"))).toBe("too_late");
    expect(one.at(1_000_000).payout()).toBe("still_waiting");
  });
});

describe("an escrow, disputed", () => {
  const arbiter = account(77);
  const closed = () => dispute({ type: "escrow", arbiter: arbiter.id, expiry: E, otherwise: 2_500 }).close();
  const decision = ({ id }: Dispute, amount: number) =>
    decisionEvidence(arbiter.sign(decisionMessage(id, amount)), amount);

  it.each([0, 6_000, 10_000])("is divided as the arbiter decides, %i, until just below the expiry", (amount) => {
    const one = closed();
    one.resolve(NOTHING, "initiator");
    expect(whyOf(one.at(E - 1).resolve(decision(one, amount)))).toBe("resolved");
    expect(one.settle().payout()).toEqual(divided(amount));
  });

  it("is divided as agreed before from the expiry on, and not a tick earlier", () => {
    const one = closed()
      .at(E - 1)
      .settle();
    expect(one.payout()).toBe("still_waiting");
    expect(one.at(E).payout()).toEqual(divided(2_500));
    const late = closed().at(E);
    expect(late.resolve(decision(late, 10_000))).toMatchObject({ record: { amount: 2_500 } });
    expect(late.settle().payout()).toEqual(divided(2_500));
  });

  it("counts the first of two decisions", () => {
    const one = closed();
    one.resolve(decision(one, 9_000));
    expect(whyOf(one.resolve(decision(one, 1), "initiator"))).toBe("record_final");
    expect(one.at(E).settle().payout()).toEqual(divided(9_000));
  });

  it("can't be stepped by force: its root stays empty", () => {
    const one = closed();
    expect(whyOf(one.force(decision(one, 10_000), "responder"))).toBe("root_unchanged");
    expect(whyOf(one.force(NOTHING, "initiator"))).toBe("root_unchanged");
  });
});

describe("a stream, disputed", () => {
  const [payer, payee] = [account(71), account(72)];
  const terms = { type: "stream", payer: payer.id, payee: payee.id, expiry: E } as const;
  const paid = ({ id }: Dispute, total: number) => totalEvidence(payer.sign(totalMessage(id, total)), total);
  const ended = ({ id }: Dispute, total: number) =>
    closeEvidence(payee.sign(closeMessage(id, total)), payer.sign(totalMessage(id, total)), total);

  it("pays the highest total that was shown below the expiry, whatever the payer has shown first", () => {
    const one = dispute(terms).close();
    expect(one.resolve(paid(one, 1), "initiator")).toMatchObject({ record: { amount: 1, nonce: 2, until: E } });
    expect(one.at(E - 1).resolve(paid(one, 7_000))).toMatchObject({ record: { amount: 7_000, until: E } });
    expect(whyOf(one.resolve(paid(one, 6_999), "initiator"))).toBe("nonce_not_higher");
    expect(one.settle().payout()).toBe("still_waiting");
    expect(whyOf(one.at(E).resolve(paid(one, 9_000)))).toBe("nonce_not_higher");
    expect(one.payout()).toEqual(divided(7_000));
  });

  it("goes back whole where nothing was shown below the expiry", () => {
    const one = dispute(terms).close().at(E);
    expect(one.resolve(paid(one, 9_000))).toMatchObject({ record: { amount: 0, until: E } });
    expect(one.settle().payout()).toEqual(divided(0));
    expect(dispute(terms).close().at(E).settle().payout()).toEqual(divided(0));
  });

  it("ends at once where the payee says so, over a record that waits, or while the channel is open", () => {
    const one = dispute(terms).close();
    one.resolve(paid(one, 10_000), "initiator");
    expect(one.resolve(ended(one, 400))).toMatchObject({ record: { amount: 400, nonce: 10_002, until: CLOSED } });
    expect(one.at(120).settle().payout()).toEqual(divided(400));
    const open = dispute(terms).snapshot();
    expect(whyOf(open.resolve(paid(open, 300)))).toBe("delay_while_open");
    expect(whyOf(open.resolve(ended(open, 300)))).toBe("resolved");
    expect(open.close().at(120).settle().payout()).toEqual(divided(300));
  });
});

describe("a game, disputed", () => {
  // Moves below 130, 155 and 180; the end is 205. Player one is the responder, who is the beneficiary.
  const TERMS: GameTerms = {
    ...{ type: "game", one: PEOPLE.responder.id, two: PEOPLE.initiator.id },
    ...{ firstDeadline: 130, moveTime: 25, rounds: 1, draw: 5_000 },
  };
  const DEADLINES = [130, 155, 180] as const;
  const END = endOfGame(TERMS);
  const BLINDING = new Uint8Array(32).fill(3);
  const movesOf = (first: Choice, second: Choice): readonly [Move, Move, Move] => [
    { type: "commit", commitment: commitmentTo(first, BLINDING) },
    { type: "choose", choice: second },
    { type: "reveal", choice: first, blinding: BLINDING },
  ];
  const PARTY = { one: "responder", two: "initiator" } as const;

  function evidenceOf({ id }: Dispute, state: GameState, move: Move): Uint8Array {
    return moveEvidence(PEOPLE[PARTY[playerToMove(state)]].sign(moveMessage(id, state, move)), state, move);
  }

  function next(state: GameState, move: Move): GameState {
    const after = afterMove(TERMS, state, move);
    if (!after.ok) throw new Error(after.error.type);
    return after.value;
  }

  /** Forces moves, each at its height; gives the state that they lead to. */
  function forced(one: Dispute, moves: readonly Move[], heights: readonly number[]): GameState {
    let state = newGame(TERMS);
    for (const [i, move] of moves.entries()) {
      one.at(heights[i] ?? 0);
      expect(whyOf(one.force(evidenceOf(one, state, move), PARTY[playerToMove(state)]))).toBe("forced");
      state = next(state, move);
    }
    return state;
  }

  it.each([
    [1, 0, 10_000],
    [0, 1, 0],
    [2, 2, 5_000],
  ] as const)(
    "[AC-22] is played to its end by force, %i against %i: the balances have the stakes",
    (first, second, amount) => {
      const one = dispute(TERMS).snapshot();
      const before = one.scene.channel().header.balances;
      forced(one, movesOf(first, second), [129, 154, 179]);
      const { balances, locked } = one.scene.channel().header;
      expect(locked).toBe(0n);
      expect({
        initiator: balances.initiator - before.initiator,
        responder: balances.responder - before.responder,
      }).toEqual(divided(amount));
    },
  );

  it("[AC-22] is played to its end in a channel that is closed and settled meanwhile, and is paid at once", () => {
    const one = dispute(TERMS).close();
    const [commit, choose, reveal] = movesOf(1, 0);
    const committed = forced(one, [commit], [129]);
    one.settle();
    const money = () => [one.scene.balance(PEOPLE.initiator), one.scene.balance(PEOPLE.responder)] as const;
    const chosen = next(committed, choose);
    one.at(148).force(evidenceOf(one, committed, choose), "initiator");
    const before = money();
    const burned = one.scene.burned;
    expect(one.at(167).force(evidenceOf(one, chosen, reveal), "responder")).toMatchObject({
      type: "forced",
      root: undefined,
    });
    const after = money();
    expect(after[0] - before[0]).toBe(0n);
    expect(after[1] - before[1] + one.scene.burned - burned).toBe(1_000n);
  });

  it("lets either party show a move that the other has signed", () => {
    const one = dispute(TERMS).snapshot();
    const [commit, choose] = movesOf(1, 0);
    const committed = forced(one, [commit], [100]);
    expect(whyOf(one.force(evidenceOf(one, committed, choose), "responder"))).toBe("forced");
  });

  it.each([0, 1, 2])("is lost by who does not make move %i below its deadline", (step) => {
    const moves = movesOf(1, 0);
    const deadline = DEADLINES[step] ?? 0;
    for (const late of [0, 1, END - 1 - deadline]) {
      const one = dispute(TERMS).snapshot();
      const state = forced(one, moves.slice(0, step), [100, 101, 102]);
      const winner = playerToMove(state) === "two" ? 10_000 : 0;
      expect(one.at(deadline - 1).resolve(stalledEvidence(state)).type).toBe("run_failed");
      const move = moves[step] ?? moves[0];
      expect(whyOf(one.at(deadline + late).force(evidenceOf(one, state, move), "responder"))).toBe("root_unchanged");
      expect(one.resolve(stalledEvidence(state))).toMatchObject({ record: { amount: winner, nonce: 2 } });
      expect(
        one
          .close()
          .at(deadline + late + 100)
          .settle()
          .payout(),
      ).toEqual(divided(winner));
    }
  });

  it("is claimed over a record that waits, and after the channel has settled", () => {
    const one = dispute(TERMS).close();
    expect(one.resolve(NOTHING, "responder")).toMatchObject({ record: { amount: 5_000, until: END } });
    one.at(120).settle();
    expect(one.at(EVIDENCE_ENDS).payout()).toBe("still_waiting");
    expect(whyOf(one.at(END - 1).resolve(stalledEvidence(newGame(TERMS)), "initiator"))).toBe("resolved");
    expect(one.payout()).toEqual(divided(0));
  });

  it("is a draw from its end on where both have let the time pass", () => {
    for (const record of [true, false]) {
      const one = dispute(TERMS).close();
      if (record) one.resolve(NOTHING);
      one.at(END - 1).settle();
      expect(one.payout()).toBe("still_waiting");
      expect(one.at(END).payout()).toEqual(divided(5_000));
    }
    const late = dispute(TERMS).close().at(END);
    expect(late.resolve(stalledEvidence(newGame(TERMS)), "initiator")).toMatchObject({ record: { amount: 5_000 } });
    expect(late.settle().payout()).toEqual(divided(5_000));
  });

  it("gives a lock period for each move once the channel is closed, and until its end to who records that it waits", () => {
    const commitAt = 110;
    const start = () => {
      const one = dispute(TERMS).close();
      return { one, state: forced(one, [movesOf(1, 0)[0]], [commitAt]) };
    };
    const choose = movesOf(1, 0)[1];
    const late = start();
    const action = () => late.one.at(EVIDENCE_ENDS).force(evidenceOf(late.one, late.state, choose), "initiator");
    expect(action).toThrow("too_late");
    const waiting = start();
    waiting.one.at(EVIDENCE_ENDS - 1).resolve(NOTHING, "initiator");
    expect(whyOf(waiting.one.at(154).force(evidenceOf(waiting.one, waiting.state, choose), "initiator"))).toBe(
      "forced",
    );
  });

  it("does not step by a run that is no move", () => {
    const one = dispute(TERMS).snapshot();
    for (const height of [100, END]) expect(whyOf(one.at(height).force(NOTHING, "initiator"))).toBe("root_unchanged");
    const claim = stalledEvidence(newGame(TERMS));
    expect(whyOf(one.at(DEADLINES[0]).force(claim, "initiator"))).toBe("root_unchanged");
  });
});
