import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { account, CHANNEL, fill, PEOPLE, signed } from "../../../test/support/ledger-scene.ts";
import { encodeTransaction, transactionDigest, units } from "../../core/contract-channel/index.ts";
import { LedgerError } from "../../ports/ledger.ts";
import { virtualClock } from "../../testing/index.ts";
import { systemClock, systemRandom } from "../system/index.ts";
import { type EmbeddedLedger, openLedger } from "./index.ts";

let directory: string;
const opened: EmbeddedLedger[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "sluice-ledger-"));
});
afterEach(() => {
  for (const ledger of opened.splice(0)) ledger.close();
  rmSync(directory, { recursive: true });
});

function open(more: Partial<Parameters<typeof openLedger>[0]> = {}): EmbeddedLedger {
  const ledger = openLedger({ directory, clock: systemClock(), random: systemRandom(), ...more });
  opened.push(ledger);
  return ledger;
}

function failureOf(action: () => unknown): LedgerError {
  try {
    action();
  } catch (cause) {
    if (cause instanceof LedgerError) return cause;
    throw cause;
  }
  throw new Error("it did not fail");
}

function transfer(
  ledger: EmbeddedLedger,
  nonce: bigint,
  more: { amount?: bigint; from?: ReturnType<typeof account> } = {},
): Uint8Array {
  const { from = PEOPLE.initiator, amount = 1n } = more;
  const action = { type: "transfer" as const, to: fill(9), amount: units(amount) };
  const { domain } = ledger.description.terms;
  return encodeTransaction(signed(domain, { from: from.id, nonce, fee: units(10), ttl: 1_000_000, action }, [from]));
}

describe("the ledger's file", () => {
  it("is synced at every block, and nobody else's while it is open", () => {
    const ledger = open();
    const error = failureOf(() => open());
    expect(error).toMatchObject({ code: "locked", retryable: false });
    expect(error.message).toContain(directory);
    ledger.close();
    const sql = new Database(join(directory, "ledger.db"));
    expect(sql.pragma("journal_mode", { simple: true })).toBe("wal");
    sql.close();
    expect(open().tip().height).toBe(0);
  });

  it("is told from what is no ledger, and from a directory that is not there", () => {
    writeFileSync(
      join(directory, "ledger.db"),
      "this is no database, but it is long enough to be taken for one".repeat(99),
    );
    expect(failureOf(() => open()).code).toBe("corrupt");
    expect(failureOf(() => open({ directory: join(directory, "nowhere") })).code).toBe("io");
  });

  it("keeps blocks that were made, not what waits; every ledger is another", () => {
    const ledger = open();
    ledger.faucet(PEOPLE.initiator.id, 500n);
    ledger.mine();
    ledger.faucet(PEOPLE.initiator.id, 500n);
    const { description } = ledger;
    ledger.close();
    const again = open();
    expect(again.description).toStrictEqual(description);
    expect(again.account(PEOPLE.initiator.id).balance).toBe(500n);
    again.mine();
    expect(again.account(PEOPLE.initiator.id).balance).toBe(500n);
    const other = open({ directory: undefined });
    expect(other.description.terms.domain.chainHash).not.toStrictEqual(description.terms.domain.chainHash);
  });
});

describe("blocks", () => {
  it("come by a timer, whether or not something waits", async () => {
    const clock = virtualClock();
    const ledger = open({ directory: undefined, clock, blockEveryMs: 1_000 });
    await clock.advance(999);
    expect(ledger.tip().height).toBe(0);
    await clock.advance(2_001);
    expect(ledger.tip().height).toBe(3);
    ledger.close();
    await clock.advance(5_000);
  });

  it("stay once as many follow as may be taken back, also for a later start that would take back more", () => {
    const ledger = open({ retractable: 2 });
    ledger.mine(5);
    expect(failureOf(() => ledger.retract(3)).message).toMatch(/2 blocks were retracted/);
    expect(ledger.tip().height).toBe(3);
    ledger.close();
    const bolder = open({ retractable: 10 });
    expect(() => bolder.retract(1)).toThrow(LedgerError);
    bolder.mine(1);
    expect(bolder.retract(1).height).toBe(3);
    const never = open({ directory: undefined });
    never.mine();
    expect(() => never.retract(1)).toThrow(LedgerError);
  });

  it("that are taken back leave no trace in the rows", () => {
    const ledger = open({ retractable: 5 });
    ledger.faucet(PEOPLE.initiator.id, 500n);
    ledger.mine();
    const before = [ledger.account(PEOPLE.initiator.id), ledger.account(fill(9))];
    expect(ledger.submit(transfer(ledger, 0n))).toMatchObject({ type: "accepted" });
    expect(ledger.submit(transfer(ledger, 1n, { amount: 2n }))).toMatchObject({ type: "accepted" });
    ledger.mine(2);
    expect(ledger.account(fill(9)).balance).toBe(3n);
    ledger.retract(2);
    expect([ledger.account(PEOPLE.initiator.id), ledger.account(fill(9))]).toStrictEqual(before);
    // They wait again, in their order.
    ledger.mine();
    expect(ledger.account(fill(9)).balance).toBe(3n);
  });
});

describe("what waits", () => {
  it("is at most 64 transactions of one account", () => {
    const ledger = open({ directory: undefined });
    ledger.faucet(PEOPLE.initiator.id, 5_000n);
    ledger.mine();
    for (let nonce = 0n; nonce < 64n; nonce++) {
      expect(ledger.submit(transfer(ledger, nonce)).type).toBe("accepted");
    }
    expect(ledger.submit(transfer(ledger, 64n))).toStrictEqual({ type: "busy" });
    ledger.mine();
    expect(ledger.submit(transfer(ledger, 64n)).type).toBe("accepted");
    expect(ledger.account(fill(9)).balance).toBe(64n);
  });

  it("is judged as the next block would include it", () => {
    const ledger = open({ directory: undefined });
    ledger.faucet(PEOPLE.initiator.id, 100n);
    // The money is on its way.
    expect(ledger.submit(transfer(ledger, 0n, { amount: 60n })).type).toBe("accepted");
    expect(ledger.submit(transfer(ledger, 1n, { amount: 60n }))).toMatchObject({
      type: "refused",
      refusal: { type: "funds_missing", balance: 20n },
    });
  });
});

describe("the faucet", () => {
  it("gives what is asked for, within its limit", () => {
    const ledger = open({ directory: undefined });
    for (const amount of [0n, 10n ** 15n + 1n]) {
      expect(ledger.faucet(fill(1), amount)).toMatchObject({ type: "refused" });
    }
    expect(ledger.faucet(fill(1), 10n ** 15n).type).toBe("accepted");
    expect(ledger.faucet(fill(1), 7n).type).toBe("accepted");
    ledger.mine();
    expect(ledger.account(fill(1)).balance).toBe(10n ** 15n + 7n);
  });

  it("is nobody's to sign for", () => {
    const ledger = open({ directory: undefined });
    const thief = account(fill(66));
    expect(ledger.submit(transfer(ledger, 0n, { from: thief }))).toMatchObject({ refusal: { type: "funds_missing" } });
    const settle = {
      from: thief.id,
      nonce: 0n,
      fee: units(10),
      ttl: 9,
      action: { type: "settle" as const, channelId: CHANNEL },
    };
    expect(transactionDigest(ledger.description.terms.domain, settle)).toHaveLength(32);
  });
});
