import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Action, type ChannelRow, checkSums, payouts } from "../../src/core/contract-channel/index.ts";
import { actionOf, anyMove, newWorld, noteStep } from "../support/ledger-moves.ts";
import { LOCK, PLAY_CHANNEL, PLAY_FUNDS, PLAY_PARAMETERS } from "../support/ledger-play.ts";
import { moneyIn } from "../support/ledger-rows.ts";

/** What must hold of every channel, whatever was done to it. */
function checkChannel(row: ChannelRow): void {
  const paid = payouts(row.header, row);
  expect(paid.initiator >= 0n && paid.responder >= 0n).toBe(true);
  expect(checkSums(row.header)).toMatchObject({ ok: true });
  expect(row.header.round).toBe(row.base + BigInt(row.solo));
  expect(row.closing?.settled === true ? row.unpaid > 0n && row.unpaid <= row.header.locked : row.unpaid === 0n).toBe(
    true,
  );
}

/** What must hold between two moments: nothing that the table forbids lies between them. */
function checkStep(
  before: ChannelRow | undefined,
  after: ChannelRow | undefined,
  type: Action["type"],
  height: number,
): void {
  if (before === undefined) {
    if (after !== undefined) expect(type).toBe("create");
    return;
  }
  if (after === undefined) {
    const settles =
      before.closing?.settled !== true && type === "settle" && height >= (before.closing?.end ?? Infinity);
    const pays = before.closing?.settled === true && (type === "payout" || type === "force_progress");
    const mutual = before.closing?.settled !== true && type === "close_mutual";
    expect(settles || pays || mutual).toBe(true);
    return;
  }
  expect(after.base >= before.base).toBe(true);
  expect(after.base > before.base || after.solo >= before.solo).toBe(true);
  expect(
    after.deposited.initiator + after.deposited.responder >= before.deposited.initiator + before.deposited.responder,
  ).toBe(true);
  if (before.closing === undefined) {
    if (after.closing !== undefined) expect(type).toBe("close_solo");
    if (after.closing !== undefined) expect(after.closing.end).toBe(height + LOCK);
    return;
  }
  const { end, by, closedAt } = before.closing;
  expect(after.closing).toMatchObject({ end, by, closedAt });
  expect(after.closing?.forfeited === true || !before.closing.forfeited).toBe(true);
  expect(after.closing?.settled === true || !before.closing.settled).toBe(true);
  // From its end on, no co-signed state replaces the recorded one.
  if (height >= end) expect(after.base).toBe(before.base);
  if (height < end) expect(after.closing?.settled).toBe(false);
}

describe("the ledger", () => {
  it("conserves money, and reaches no state that its table forbids, whatever two parties sign and submit", () => {
    /** How often the rules allowed what, and refused for what: a property that reaches little says little. */
    const reached = new Map<string, number>();
    const count = (what: string): void => void reached.set(what, (reached.get(what) ?? 0) + 1);
    fc.assert(
      fc.property(fc.array(anyMove, { minLength: 20, maxLength: 60 }), (moves) => {
        const world = newWorld();
        const { game } = world;
        game.send({ type: "create", parameters: PLAY_PARAMETERS }, { from: "initiator" });
        for (const move of moves) {
          game.height += move.wait;
          const action = actionOf(world, move);
          if (action === undefined) continue;
          const before = game.rows.channel(PLAY_CHANNEL);
          const tooFew = move.twist === 5 ? { signers: [move.from] } : {};
          const sent = game.send(action, { from: move.from, ...tooFew });
          count(sent.ok ? action.type : sent.error.type);
          if (sent.ok) for (const event of sent.value.events) count(`event ${event.type}`);
          noteStep(world, action);
          const after = game.rows.channel(PLAY_CHANNEL);
          if (before !== undefined && before.solo > 0 && after?.solo === 0) count("steps erased");
          if (!sent.ok) expect(after).toBe(before);
          if (sent.ok) checkStep(before, after, action.type, game.height);
          if (after !== undefined) checkChannel(after);
          expect(moneyIn(game.rows) + game.burned.initiator + game.burned.responder).toBe(2n * PLAY_FUNDS);
        }
      }),
      { numRuns: 100 },
    );
    for (const type of [
      "deposit",
      "withdraw",
      "snapshot_solo",
      "close_solo",
      "slash",
      "resolve",
      "force_progress",
      "settle",
      "payout",
      "close_mutual",
    ]) {
      expect(reached.get(type) ?? 0, type).toBeGreaterThan(0);
    }
    expect(reached.get("steps erased") ?? 0).toBeGreaterThan(0);
    for (const event of ["forfeited", "resolved", "forced", "contract_paid"]) {
      expect(reached.get(`event ${event}`) ?? 0, event).toBeGreaterThan(0);
    }
  }, 60_000);
});
