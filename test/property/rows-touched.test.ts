import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openEngine, type SqlEngine } from "../../src/adapters/store-sqlite/engine.ts";
import { openOn } from "../../src/adapters/store-sqlite/open.ts";
import type { Msat, Satoshi } from "../../src/core/base/index.ts";
import type { Store } from "../../src/ports/store.ts";
import { NodeNetwork, type TestNode } from "../support/node-network.ts";

/** Rows that statements wrote, and rows that they gave back, by table. */
type Touched = { readonly written: Map<string, number>; readonly read: Map<string, number> };

function add(counts: Map<string, number>, sql: string, rows: number): void {
  const table = /(?:INSERT INTO|UPDATE|DELETE FROM|FROM) (\w+)/.exec(sql)?.[1] ?? sql;
  if (rows > 0) counts.set(table, (counts.get(table) ?? 0) + rows);
}

/** Tells what goes through an engine. */
function watched(engine: SqlEngine, touched: Touched): SqlEngine {
  return {
    ...engine,
    prepare: (sql) => {
      const statement = engine.prepare(sql);
      return {
        run: (...values) => {
          const result = statement.run(...values);
          if (/^(INSERT|UPDATE|DELETE)/.test(sql)) add(touched.written, sql, result.changes);
          return result;
        },
        get: (...values) => {
          const row = statement.get(...values);
          add(touched.read, sql, row === undefined ? 0 : 1);
          return row;
        },
        all: (...values) => {
          const rows = statement.all(...values);
          add(touched.read, sql, rows.length);
          return rows;
        },
      };
    },
  };
}

let directory: string;
let world: NodeNetwork;
let alice: TestNode;
let bob: TestNode;
let touched: Touched;
let store: Store;
let paid = 0;

function openStore(): Store {
  touched = { written: new Map(), read: new Map() };
  const file = join(directory, "sluice.db");
  return openOn(watched(openEngine(file), touched), file, join(directory, "sluice.pid"));
}

/** Alice on SQLite, with a channel to Bob. */
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "sluice-rows-"));
  world = new NodeNetwork(["alice", "bob"]);
  [alice, bob] = world.nodes as [TestNode, TestNode];
  store = openStore();
  alice.store = { ...alice.store, ...store };
  await alice.start();
  await bob.start();
  await world.fund(alice, 1_100_000n, 2);
  await world.outcome(alice.node.connect(bob.nodeId, bob.address));
  const amounts = { amountSat: 1_000_000n as Satoshi, pushMsat: 400_000_000n as Msat };
  await world.outcome(alice.node.openChannel(bob.nodeId, amounts));
  world.chain.mine(6);
  await world.quiet();
  await world.advance(5_000);
});

afterEach(async () => {
  await world.stop();
  rmSync(directory, { recursive: true });
});

async function pay(payer: TestNode, payee: TestNode): Promise<void> {
  const amountMsat = 600_000n as Msat;
  const invoice = await world.outcome(payee.node.createInvoice({ amountMsat }));
  if (!invoice.ok) throw new Error(invoice.error.type);
  const { paymentHash } = invoice.value;
  await world.outcome(payer.node.pay(0, { id: `${paid++}`, paymentHash, amountMsat }));
}

describe("the rows that a payment touches", () => {
  it("[LW-7] are narrow ones: nothing of what a channel is gets written again", async () => {
    touched.written.clear();
    await pay(alice, bob);
    await world.advance(2_000);
    const { written } = touched;
    const tables = [...written.keys()].sort();
    // Its own rows; what was signed and revoked; how far channel, peer and books have come; the packets.
    expect(tables).toEqual([
      ...["commitment", "counter", "htlc", "moment", "outbox", "payment", "record", "revocation_hash"],
      ...["revocation_slot", "stream", "tally", "totals"],
    ]);
    // Written by its offer, and updated by its end.
    expect([written.get("htlc"), written.get("payment")]).toEqual([2, 2]);
    expect(written.get("commitment")).toBe(4);
    touched.written.clear();
    await pay(bob, alice);
    expect([written.get("htlc"), written.get("invoice")]).toEqual([2, 2]);
    for (const table of ["channel", "terms", "stage", "funding", "life"]) expect(written.get(table)).toBeUndefined();
  }, 60_000);
});

describe("the rows that a start reads", () => {
  it("[LW-7] are those of what is live, after few payments and after many", async () => {
    const readAtStart = async (): Promise<Map<string, number>> => {
      await world.outcome(alice.node.stop());
      store = openStore();
      const stored = await store.load();
      expect(stored.channels).toHaveLength(1);
      const read = new Map(touched.read);
      alice.store = { ...alice.store, ...store };
      await alice.start();
      await world.advance(5_000);
      // One for each bit of the number of commitments that were ever revoked; what was under way when it stopped.
      for (const table of ["revocation_slot", "outbox"]) {
        expect(read.get(table) ?? 0).toBeLessThan(12);
        read.delete(table);
      }
      return read;
    };
    await pay(alice, bob);
    await pay(bob, alice);
    const few = await readAtStart();
    for (let n = 0; n < 24; n++) await pay(n % 2 === 0 ? alice : bob, n % 2 === 0 ? bob : alice);
    const many = await readAtStart();
    expect(many).toEqual(few);
    for (const table of ["htlc", "payment", "invoice"]) expect(many.get(table)).toBeUndefined();
    expect([many.get("commitment"), many.get("moment"), many.get("record")]).toEqual([2, 1, 1]);
  }, 60_000);
});
