import { describe, expect, it } from "vitest";
import { asTxid, compareBytes, toHex } from "../core/base/index.ts";
import { serializeTransaction, transactionId } from "../core/bitcoin/index.ts";
import { type BitcoinChain, type Block, ChainError, type ChainEvent } from "../ports/bitcoin-chain.ts";
import type { ChainBlockRow, Store, StoreChange } from "../ports/store.ts";
import { virtualClock } from "../testing/index.ts";
import { BLOCKS_KEPT, ChainFollower, ReorganisationTooDeep } from "./chain-follower.ts";
import { Journal } from "./journal.ts";

function number32(value: number): Uint8Array {
  const bytes = new Uint8Array(32);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}

/** A transaction that no other equals. */
function transaction(serial: number): Uint8Array {
  return serializeTransaction(
    {
      version: 2,
      inputs: [{ txid: asTxid(number32(serial)), index: 0, script: new Uint8Array(0), sequence: 0, witness: [] }],
      outputs: [{ amountSat: 1n, script: Uint8Array.of(0x51) }],
      lockTime: 0,
    },
    { witness: true },
  );
}

/** A best chain that the test cuts and extends; `before` is called ahead of each answer and may throw. */
class FakeChain implements BitcoinChain {
  readonly network = "regtest";
  readonly blocks: Block[] = [];
  readonly listeners = new Set<(event: ChainEvent) => void>();
  before: (call: string) => void = () => {};
  private serial = 0;

  async connect(): Promise<void> {}

  constructor(length: number) {
    this.mine(length);
  }

  mine(count: number): void {
    for (let i = 0; i < count; i++) {
      const height = this.blocks.length;
      const serial = ++this.serial;
      this.blocks.push({
        height,
        hash: number32(serial),
        previousHash: this.blocks.at(-1)?.hash ?? new Uint8Array(32),
        time: 1_700_000_000 + serial,
        transactions: [transaction(serial)],
      });
    }
  }

  /** Replaces the blocks from `height` upward by `count` others. */
  reorganise(height: number, count: number): void {
    this.blocks.splice(height);
    this.mine(count);
  }

  announce(): void {
    for (const listener of this.listeners) listener({ type: "tip" });
  }

  async tip(): Promise<Block> {
    this.before("tip");
    const tip = this.blocks.at(-1);
    if (tip === undefined) throw new Error("an empty chain");
    return tip;
  }

  async block(height: number): Promise<Block | undefined> {
    this.before("block");
    return this.blocks[height];
  }

  subscribe(listener: (event: ChainEvent) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  async broadcast(): Promise<never> {
    throw new Error("not asked here");
  }
  unspent = this.broadcast;
  feeEstimate = this.broadcast;
  relayFee = this.broadcast;
  async close(): Promise<void> {}
}

/** Keeps the rows of blocks as a store would. */
class BlockRows {
  rows: ChainBlockRow[] = [];
  commits = 0;
  failing = false;

  commit(changes: readonly StoreChange[]): void {
    if (this.failing) throw new Error("disk full");
    this.commits++;
    for (const change of changes) {
      if (change.type === "block") this.rows = [...this.rows.filter((r) => r.height !== change.row.height), change.row];
      if (change.type === "blocks_removed") this.rows = this.rows.filter((row) => row.height < change.height);
      if (change.type === "blocks_pruned") this.rows = this.rows.filter((row) => row.height >= change.below);
    }
  }

  asStore(): Store {
    const unused = async (): Promise<never> => {
      throw new Error("not asked here");
    };
    return {
      load: unused,
      commit: async ({ changes }) => this.commit(changes),
      sequence: unused,
      payment: unused,
      invoice: unused,
      history: unused,
      htlcs: unused,
      commitments: unused,
      published: unused,
      moments: unused,
      peerCopy: unused,
      replayRows: unused,
      close: async () => {},
    };
  }
}

function setup(chain: FakeChain, table = new BlockRows()) {
  const clock = virtualClock();
  const halts: unknown[] = [];
  const journal = new Journal({ store: table.asStore(), clock, sequence: 0, onHalt: (cause) => halts.push(cause) });
  /** What the node made of the chain: hashes by height, which must always be the chain's own. */
  const seen: Uint8Array[] = [];
  const log: string[] = [];
  const troubles: ChainError[] = [];
  const follower = new ChainFollower({
    chain,
    clock,
    blocks: table.rows,
    submit: (work) => journal.submit("other", work),
    onConnect: (_batch, block) => {
      seen[block.height] = block.hash;
      log.push(`+${block.height}`);
      expect(follower.height).toBe(block.height);
      const raw = chain.blocks[block.height];
      if (raw !== undefined && compareBytes(raw.hash, block.hash) === 0) {
        expect(block.time).toBe(raw.time);
        const serialized = block.transactions.map((t) => serializeTransaction(t.transaction, { witness: true }));
        expect(serialized).toEqual(raw.transactions);
        for (const { txid, transaction } of block.transactions) expect(txid).toEqual(transactionId(transaction));
      }
    },
    onDisconnect: (_batch, height) => {
      expect(height).toBe(seen.length - 1);
      seen.pop();
      log.push(`-${height}`);
    },
    onTrouble: (error) => troubles.push(error),
  });
  /** Starts and waits; what the start came to. */
  async function start(): Promise<unknown> {
    let outcome: unknown = "pending";
    follower.start().then(
      () => {
        outcome = "done";
      },
      (error: unknown) => {
        outcome = error;
      },
    );
    await clock.run();
    const current = (): unknown => outcome;
    return current();
  }
  /** The rows kept are the end of the best chain. */
  function expectAtTip(): void {
    const tip = chain.blocks.at(-1);
    expect(follower.height).toBe(tip?.height);
    const rows = table.rows.toSorted((a, b) => a.height - b.height);
    const end = chain.blocks.slice(-rows.length);
    expect(rows.map((row) => toHex(row.hash))).toEqual(end.map((block) => toHex(block.hash)));
    expect(rows.length).toBeGreaterThan(0);
  }
  return { clock, journal, follower, seen, log, troubles, halts, table, start, expectAtTip };
}

function unreachable(): never {
  throw new ChainError("unreachable", "connection refused");
}

describe("starting", () => {
  it("begins a new node at the tip and looks at nothing older", async () => {
    const node = setup(new FakeChain(1000));
    expect(node.follower.height).toBe(0);
    expect(await node.start()).toBe("done");
    expect(node.log).toEqual([]);
    node.expectAtTip();
  });

  it("begins on a chain that has only its first block", async () => {
    const node = setup(new FakeChain(1));
    expect(await node.start()).toBe("done");
    expect(node.follower.height).toBe(0);
    node.expectAtTip();
  });

  it("begins at the tip even when that moves while it is asked for", async () => {
    const chain = new FakeChain(50);
    let calls = 0;
    chain.before = () => {
      calls++;
      if (calls === 4) chain.reorganise(45, 7);
    };
    const node = setup(chain);
    expect(await node.start()).toBe("done");
    expect(calls).toBeGreaterThan(4);
    node.expectAtTip();
  });

  it("processes what happened since the last stop, block by block, before start resolves", async () => {
    const chain = new FakeChain(100);
    const first = setup(chain);
    await first.start();
    first.follower.stop();
    chain.mine(25);
    const second = setup(chain, first.table);
    expect(second.follower.height).toBe(99);
    expect(await second.start()).toBe("done");
    expect(second.log).toEqual(Array.from({ length: 25 }, (_, i) => `+${100 + i}`));
    second.expectAtTip();
  });

  it("[LW-3] finds the fork of a reorganisation that happened while it was down", async () => {
    const chain = new FakeChain(100);
    const first = setup(chain);
    await first.start();
    chain.mine(5);
    chain.announce();
    await first.clock.run();
    first.follower.stop();
    chain.reorganise(102, 6);
    const second = setup(chain, first.table);
    second.seen.push(...chain.blocks.slice(0, 102).map((block) => block.hash), number32(0), number32(0), number32(0));
    expect(await second.start()).toBe("done");
    expect(second.log).toEqual(["-104", "-103", "-102", "+102", "+103", "+104", "+105", "+106", "+107"]);
    second.expectAtTip();
  });

  it("waits out an unreachable chain with growing delays", async () => {
    const chain = new FakeChain(10);
    const node = setup(chain);
    const asked: number[] = [];
    chain.before = () => {
      asked.push(node.clock.now());
      unreachable();
    };
    expect(await node.start()).toBe("pending");
    await node.clock.advance(200_000);
    expect(asked.slice(1).map((time, i) => time - (asked[i] ?? 0))).toEqual([
      1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000,
    ]);
    expect(node.troubles).toHaveLength(asked.length);
    chain.before = () => {};
    await node.clock.advance(60_000);
    node.expectAtTip();
  });

  it("rejects when waiting does not help", async () => {
    const chain = new FakeChain(10);
    chain.before = () => {
      throw new ChainError("unauthorized", "wrong password");
    };
    const node = setup(chain);
    expect(await node.start()).toMatchObject({ name: "ChainError", code: "unauthorized" });
    expect(node.troubles).toEqual([]);
    expect(chain.listeners.size).toBe(0);
  });

  it("rejects a chain whose blocks do not fit together", async () => {
    const chain = new FakeChain(10);
    const node = setup(chain);
    await node.start();
    node.follower.stop();
    chain.mine(1);
    const tip = chain.blocks.pop();
    if (tip === undefined) throw new Error("no block");
    chain.blocks.push({ ...tip, previousHash: number32(0xffff) });
    expect(await setup(chain, node.table).start()).toMatchObject({ code: "bad_response" });
  });

  it("rejects with numbers when a reorganisation is deeper than what is stored", async () => {
    const chain = new FakeChain(400);
    const first = setup(chain);
    await first.start();
    chain.mine(BLOCKS_KEPT + 50);
    chain.announce();
    await first.clock.run();
    first.follower.stop();
    expect(first.table.rows).toHaveLength(BLOCKS_KEPT);
    chain.reorganise(400, BLOCKS_KEPT + 60);
    const outcome = await setup(chain, first.table).start();
    expect(outcome).toBeInstanceOf(ReorganisationTooDeep);
    expect(outcome).toMatchObject({ oldestHeight: 450, newestHeight: 649, retryable: false });
  });

  it("rejects with the journal's reason when a work is refused", async () => {
    const table = new BlockRows();
    table.failing = true;
    const node = setup(new FakeChain(10), table);
    expect(await node.start()).toMatchObject({ message: "disk full" });
    expect(node.halts).toHaveLength(1);
  });

  it("resolves a start that is stopped while it waits", async () => {
    const chain = new FakeChain(10);
    chain.before = unreachable;
    const node = setup(chain);
    const started = node.follower.start();
    await node.clock.run();
    node.follower.stop();
    await expect(started).resolves.toBeUndefined();
    await node.clock.advance(1_000_000);
    expect(node.troubles).toHaveLength(1);
    expect(node.table.commits).toBe(0);
  });
});

describe("following", () => {
  async function started(length: number) {
    const chain = new FakeChain(length);
    const node = setup(chain);
    expect(await node.start()).toBe("done");
    node.seen.push(...chain.blocks.map((block) => block.hash));
    return { chain, ...node };
  }

  it("processes a block when the chain tells of it", async () => {
    const { chain, clock, log, expectAtTip } = await started(20);
    chain.mine(2);
    chain.announce();
    await clock.run();
    expect(log).toEqual(["+20", "+21"]);
    expectAtTip();
  });

  it("tells blocks that come from those that it catches up with", async () => {
    const { chain, clock, follower } = await started(5);
    expect(follower.caughtUpAt).toBe(4);
    for (const [count, height, caughtUpAt] of [
      [1, 5, 4],
      [1, 6, 4],
      [2, 8, 8],
      [1, 9, 8],
    ] as const) {
      chain.mine(count);
      chain.announce();
      await clock.run();
      expect([follower.height, follower.caughtUpAt]).toEqual([height, caughtUpAt]);
    }
  });

  it("notices a block without being told, by asking every 30 seconds", async () => {
    const { chain, clock, log } = await started(20);
    chain.mine(1);
    await clock.advance(29_000);
    expect(log).toEqual([]);
    await clock.advance(1_000);
    expect(log).toEqual(["+20"]);
    chain.mine(1);
    await clock.advance(30_000);
    expect(log).toEqual(["+20", "+21"]);
  });

  it("makes one round of many events", async () => {
    const { chain, clock, log } = await started(20);
    let tips = 0;
    chain.before = (call) => {
      if (call === "tip") tips++;
    };
    chain.mine(1);
    for (let i = 0; i < 50; i++) chain.announce();
    await clock.run();
    expect(log).toEqual(["+20"]);
    expect(tips).toBeLessThan(6);
  });

  it("does not lose an event that comes during a round", async () => {
    const { chain, clock, expectAtTip } = await started(20);
    let once = true;
    chain.before = (call) => {
      if (call !== "block" || !once) return;
      once = false;
      chain.mine(1);
      chain.announce();
    };
    chain.mine(1);
    chain.announce();
    await clock.run();
    expectAtTip();
  });

  it("[LW-3] undoes blocks newest first before it takes those of the other branch", async () => {
    const { chain, clock, log, seen, expectAtTip } = await started(20);
    chain.mine(3);
    chain.announce();
    await clock.run();
    log.length = 0;
    chain.reorganise(18, 6);
    chain.announce();
    await clock.run();
    expect(log).toEqual(["-22", "-21", "-20", "-19", "-18", "+18", "+19", "+20", "+21", "+22", "+23"]);
    expect(seen).toEqual(chain.blocks.map((block) => block.hash));
    expectAtTip();
  });

  it("follows a best chain that becomes shorter", async () => {
    const { chain, clock, log, expectAtTip } = await started(20);
    chain.reorganise(15, 0);
    chain.announce();
    await clock.run();
    expect(log).toEqual(["-19", "-18", "-17", "-16", "-15"]);
    expectAtTip();
  });

  it("copes with a second reorganisation in the middle of the first", async () => {
    for (let at = 1; at < 14; at++) {
      const { chain, clock, seen, expectAtTip } = await started(20);
      chain.reorganise(17, 5);
      let calls = 0;
      chain.before = () => {
        calls++;
        if (calls === at) chain.reorganise(15, 9);
      };
      chain.announce();
      await clock.run();
      await clock.advance(30_000);
      expect(seen).toEqual(chain.blocks.map((block) => block.hash));
      expectAtTip();
    }
  });

  it("keeps the newest blocks and no more", async () => {
    const { chain, clock, table, expectAtTip } = await started(20);
    chain.mine(BLOCKS_KEPT + 30);
    chain.announce();
    await clock.run();
    expect(table.rows).toHaveLength(BLOCKS_KEPT);
    expectAtTip();
  });

  it("follows a reorganisation as deep as what it keeps", async () => {
    const { chain, clock, troubles, expectAtTip } = await started(20);
    chain.mine(BLOCKS_KEPT);
    chain.announce();
    await clock.run();
    chain.reorganise(chain.blocks.length - BLOCKS_KEPT + 1, BLOCKS_KEPT + 5);
    chain.announce();
    await clock.run();
    expect(troubles).toEqual([]);
    expectAtTip();
  });

  it("ends and says so at a reorganisation deeper than that", async () => {
    const { chain, clock, troubles, log, table } = await started(20);
    const rows = table.rows;
    chain.reorganise(3, 30);
    chain.announce();
    await clock.advance(1_000_000);
    expect(troubles).toHaveLength(1);
    expect(troubles[0]).toMatchObject({ oldestHeight: 8, newestHeight: 19 });
    expect(log).toEqual([]);
    expect(table.rows).toEqual(rows);
    expect(chain.listeners.size).toBe(0);
  });

  it("tells of each failure, retries later and later, and goes on where it stood", async () => {
    const { chain, clock, troubles, log, expectAtTip } = await started(20);
    chain.mine(3);
    let blocks = 0;
    chain.before = (call) => {
      if (call === "block" && ++blocks > 1) unreachable();
    };
    chain.announce();
    await clock.run();
    expect(log).toEqual(["+20"]);
    expect(troubles.map((error) => error.code)).toEqual(["unreachable"]);
    await clock.advance(1_000);
    expect(troubles).toHaveLength(2);
    await clock.advance(1_999);
    expect(troubles).toHaveLength(2);
    chain.before = () => {};
    await clock.advance(1);
    expect(log).toEqual(["+20", "+21", "+22"]);
    expectAtTip();
  });

  it("goes on asking where a failure may need somebody's help", async () => {
    const { chain, clock, troubles, expectAtTip } = await started(20);
    chain.before = () => {
      throw new ChainError("unauthorized", "the password was changed");
    };
    chain.mine(1);
    chain.announce();
    await clock.advance(100_000);
    expect(troubles.length).toBeGreaterThan(2);
    chain.before = () => {};
    await clock.advance(60_000);
    expectAtTip();
  });

  it("calls an unreadable transaction a bad response and processes nothing of its block", async () => {
    const { chain, clock, troubles, log } = await started(20);
    chain.mine(1);
    const block = chain.blocks.pop();
    if (block === undefined) throw new Error("no block");
    chain.blocks.push({ ...block, transactions: [transaction(1), Uint8Array.of(1, 2, 3)] });
    chain.announce();
    await clock.run();
    expect(troubles).toMatchObject([{ code: "bad_response" }]);
    expect(troubles[0]?.message).toContain("transaction 1 of block 20");
    expect(log).toEqual([]);
  });

  it("reports an error of an unknown kind and goes on", async () => {
    const { chain, clock, troubles, expectAtTip } = await started(20);
    chain.before = () => {
      throw new TypeError("boom");
    };
    chain.mine(1);
    chain.announce();
    await clock.run();
    expect(troubles).toMatchObject([{ code: "bad_response", cause: { message: "boom" } }]);
    chain.before = () => {};
    await clock.advance(1_000);
    expectAtTip();
  });

  it("does nothing any more when the journal has halted or it was stopped", async () => {
    const halted = await started(20);
    halted.table.failing = true;
    halted.chain.mine(1);
    halted.chain.announce();
    await halted.clock.advance(100_000);
    expect(halted.halts).toHaveLength(1);
    expect(halted.chain.listeners.size).toBe(0);

    const stopped = await started(20);
    stopped.follower.stop();
    stopped.chain.mine(1);
    stopped.chain.announce();
    await stopped.clock.advance(100_000);
    expect(stopped.log).toEqual([]);
  });

  it("submits nothing when stopped while the chain answers", async () => {
    const { chain, clock, follower, log, table } = await started(20);
    const { commits } = table;
    chain.before = (call) => {
      if (call === "block") follower.stop();
    };
    chain.mine(3);
    chain.announce();
    await clock.run();
    expect(log).toEqual([]);
    expect(table.commits).toBe(commits);
  });
});
