import { deserialize, serialize } from "node:v8";
import { describe, expect, it } from "vitest";
import { memoryStore } from "../../src/adapters/store-memory/index.ts";
import { concatBytes } from "../../src/core/base/index.ts";
import { type KeyPaths, keyPaths, type Signer, seedSigner, sha256 } from "../../src/core/crypto/index.ts";
import { type ChannelRows, type ChannelState, load, ownRevocationHash } from "../../src/core/payment-channel/index.ts";
import { replayed } from "../../src/node/replay.ts";
import type { Store, StoredNode } from "../../src/ports/store.ts";
import { expectSame } from "../support/channel-pair.ts";
import { NodeSchedule } from "../support/node-schedule.ts";

/** Schedules tried; REPLAY_SCHEDULES asks for a longer campaign, REPLAY_SEED for the first seed. */
const { REPLAY_SCHEDULES, REPLAY_SEED } = process.env;
const SCHEDULES = Number(REPLAY_SCHEDULES ?? 3);
const FIRST_SEED = Number(REPLAY_SEED ?? 1);
const ACTS = 150;

/** What a node had committed, by the number of the batch. */
type Past = Map<number, StoredNode>;

/** A store that remembers what it held after each commit. */
function remembering(store: Store, past: Past): Store {
  return {
    ...store,
    commit: async (batch) => {
      try {
        await store.commit(batch);
      } finally {
        // Of a commit that failed it is not always known whether it is written.
        if ((await store.sequence()) === batch.sequence) past.set(batch.sequence, await store.load());
      }
    },
  };
}

/** A digest stands before each body. */
const SEAL_BYTES = 8;

function sealed(bytes: Uint8Array): Uint8Array {
  return concatBytes(sha256(bytes).slice(0, SEAL_BYTES), bytes);
}

function stateOf(stored: StoredNode, rows: ChannelRows, signer: Signer): ChannelState {
  const acknowledged = stored.streams[0]?.packetAcknowledge ?? 0;
  return load(rows, acknowledged, (number) => ownRevocationHash({ signer }, rows.channel.index, number));
}

/** What rows say, and nothing that is derived. */
function said(state: ChannelState): Partial<ChannelState> {
  const { view, acknowledgedView: _, unacknowledged: __, lastChange: ___, locks: ____, ...rest } = state;
  const { revocationLocks: _____, ...rows } = rest;
  // A store hands them back in order.
  const revocationSlots = [...rows.revocationSlots].sort((a, b) => a.slot - b.slot);
  return { ...rows, revocationSlots, view };
}

/** Compares the replay to each batch of a channel with what was committed then. Says how many there were. */
async function compare(store: Store, past: Past, keys: { signer: Signer; keys: KeyPaths }): Promise<number> {
  let compared = 0;
  for (const { channel } of (await store.load()).channels) {
    const rows = await store.replayRows(channel.index);
    const batches = new Set(rows.filter(({ place }) => place > 0).map(({ batch }) => batch));
    for (const batch of batches) {
      const stored = past.get(batch);
      const found = stored?.channels.find((one) => one.channel.index === channel.index);
      const replay = replayed(rows, { ...keys, to: { batch } });
      expect(replay?.difference).toBeUndefined();
      if (stored === undefined || found === undefined || replay === undefined) continue;
      expectSame(said(replay.state), said(stateOf(stored, found, keys.signer)));
      compared++;
    }
  }
  return compared;
}

describe("a channel that is replayed", () => {
  for (let seed = FIRST_SEED; seed < FIRST_SEED + SCHEDULES; seed++) {
    it(`was at every commit what its rows said, through crashes and reorganisations, REPLAY_SEED=${seed}`, async () => {
      const pasts = new Map<string, Past>();
      const schedule = new NodeSchedule(seed, ["alice", "bob"], {
        newStore: () => memoryStore(),
        store: (store, { name }) => {
          const past = pasts.get(name) ?? new Map();
          pasts.set(name, past);
          return remembering(store, past);
        },
        replayInputs: 120,
      });
      await schedule.begin();
      for (let n = 0; n < ACTS; n++) await schedule.act();
      await schedule.settle();
      await schedule.check();
      let compared = 0;
      for (const { name, store, seed } of schedule.world.nodes) {
        const signer = seedSigner(seed, 1);
        compared += await compare(store, pasts.get(name) ?? new Map(), { signer, keys: keyPaths(1) });
      }
      expect(compared).toBeGreaterThan(5);
      await schedule.world.stop();
    }, 120_000);
  }

  it("says where it differs from what was recorded, and what it was like before", async () => {
    const schedule = new NodeSchedule(1, ["alice", "bob"], { replayInputs: 10_000 });
    await schedule.begin();
    for (let n = 0; n < 100; n++) await schedule.act();
    await schedule.settle();
    const [alice] = schedule.world.nodes;
    if (alice === undefined) throw new Error("there is a node");
    const keys = { signer: seedSigner(alice.seed, 1), keys: keyPaths(1) };
    const rows = await alice.store.replayRows(0);
    const whole = replayed(rows, { ...keys, to: undefined });
    if (whole === undefined) throw new Error("there are inputs");
    expect(whole.difference).toBeUndefined();
    expect(whole.steps.length).toBeGreaterThan(10);

    const at = rows.findLastIndex(({ place }) => place > 0);
    const row = rows[at];
    if (row === undefined) throw new Error("there is an input");
    const { digest, ...logged } = deserialize(row.body.slice(SEAL_BYTES));
    const bent = (body: object) => rows.with(at, { ...row, body: sealed(serialize(body)) });
    const other = { ...logged, digest: (digest as Uint8Array).map((byte) => byte ^ 1) };
    const changes = replayed(bent(other), { ...keys, to: undefined });
    expect(changes?.difference).toEqual({ batch: row.batch, place: row.place, what: "changes", detail: undefined });
    expect(changes?.steps).toEqual(whole.steps.slice(0, -1));
    const offer = { type: "accept_add", id: 1234n };
    const refused = replayed(bent({ ...logged, digest, input: offer }), { ...keys, to: undefined });
    expect(refused?.difference).toMatchObject({ what: "outcome", detail: expect.stringContaining("refused: ") });
    const calm = replayed(bent({ ...logged, digest: undefined, threw: "a broken invariant" }), {
      ...keys,
      to: undefined,
    });
    expect(calm?.difference).toMatchObject({ what: "outcome", detail: "did not throw: a broken invariant" });

    // To a moment: a batch, or a time.
    const middle = whole.steps[5];
    if (middle === undefined) throw new Error("there are steps");
    const toBatch = await alice.node.replay(0, { batch: middle.batch });
    expect(toBatch?.steps.at(-1)?.batch).toBe(middle.batch);
    expect(toBatch?.explanation.height).toBe(middle.height);
    const toTime = await alice.node.replay(0, { time: middle.at });
    expect(toTime?.steps.at(-1)?.at).toBe(middle.at);
    expect(await alice.node.replay(0, { batch: 0 })).toBeUndefined();
    expect(await alice.node.replay(99)).toBeUndefined();
    const now = await alice.node.replay(0);
    const live = alice.node.explain(0);
    for (const field of ["stage", "localMsat", "remoteMsat", "htlcs", "deadline"] as const) {
      expect(now?.explanation[field]).toEqual(live?.[field]);
    }
    await schedule.world.stop();
  }, 60_000);

  it("keeps nothing unless asked, and about so much as it is asked for", async () => {
    const none = new NodeSchedule(2, ["alice", "bob"]);
    await none.begin();
    for (let n = 0; n < 30; n++) await none.act();
    await none.settle();
    for (const { store } of none.world.nodes) expect(await store.replayRows(0)).toEqual([]);
    await none.world.stop();
    const few = new NodeSchedule(4, ["alice", "bob"], { replayInputs: 9 });
    await few.begin();
    for (let n = 0; n < 60; n++) await few.act();
    await few.settle();
    for (const { store } of few.world.nodes) {
      const rows = await store.replayRows(0);
      expect(rows[0]?.place).toBe(0);
      expect(rows.length).toBeLessThan(100);
    }
    await few.world.stop();
  }, 60_000);
});
