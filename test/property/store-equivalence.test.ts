import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, it } from "vitest";
import { memoryStore } from "../../src/adapters/store-memory/index.ts";
import { openSqliteStore } from "../../src/adapters/store-sqlite/index.ts";
import { asChannelId, asNodeId, InvariantBroken, sat } from "../../src/core/base/index.ts";
import type { ChannelChange, Removal, Side, Stage, TotalsRow } from "../../src/core/payment-channel/index.ts";
import { HTLC_OUTCOMES } from "../../src/ports/record-rows.ts";
import type { Store, StoreChange } from "../../src/ports/store.ts";
import {
  bytes,
  coinRow,
  commitmentRow,
  createdChannel,
  fundingShareRow,
  htlcPreimage,
  htlcRow,
  invoiceRow,
  OPEN,
  ofChannel,
  outboxRow,
  paymentRow,
  streamRow,
  totalsRow,
  withdrawalRow,
} from "../support/store-rows.ts";

const KINDS = [
  ...[
    "create",
    "add",
    "add",
    "accept",
    "request",
    "remove",
    "remove",
    "fee",
    "commitment",
    "revoked",
    "hash",
    "settle",
    "life",
    "record",
    "replay",
    "replay",
    "forget",
  ],
  ...[
    "outbox",
    "outbox",
    "prune",
    "peer",
    "copy",
    "invoice",
    "payment",
    "coin",
    "withdrawal",
    "spend",
    "block",
    "unblock",
  ],
  ...["commit", "commit", "contradict", "restart"],
] as const;
const STAGES: readonly Stage[] = ["open", "awaiting_depth", "failed", "closed", "abandoned"];

type Op = { readonly kind: (typeof KINDS)[number]; readonly a: number; readonly b: number; readonly flag: boolean };

const ops = fc.array(
  fc.record({ kind: fc.constantFrom(...KINDS), a: fc.nat(1000), b: fc.nat(1000), flag: fc.boolean() }),
  { maxLength: 120 },
);

/** What a node knows of a channel: enough to write only what a real one would. */
type ChannelModel = {
  readonly lastId: Record<Side, bigint>;
  readonly packets: Record<Side, number>;
  readonly newest: Record<Side, number>;
  readonly prestage: boolean;
  readonly pending: bigint[];
  /** Of those pending, requested and not accepted. */
  readonly requested: bigint[];
  hashes: number;
  offers: number;
  moments: number;
  /** The batch of the newest row to be replayed. */
  replayed: number;
  totals: TotalsRow;
};

/** Turns operations into changes that follow from each other. */
class Writer {
  private readonly channels: ChannelModel[] = [];
  private sent = 0;
  private height = 0;
  private keys = 0;

  changes({ kind, a, b, flag }: Op): StoreChange[] {
    switch (kind) {
      case "create":
        return this.create(flag);
      case "outbox":
        this.sent++;
        return [
          { type: "outbox", row: outboxRow(a % 3, this.sent, b) },
          { type: "stream", row: streamRow(a % 3, { sent: this.sent }) },
        ];
      case "prune":
        return [{ type: "outbox_pruned", peer: a % 3, upTo: Math.max(0, this.sent - (b % 5)) }];
      case "peer": {
        const address = flag ? { host: `host${b}`, port: b } : undefined;
        return [{ type: "peer", row: { index: a % 3, nodeId: asNodeId(bytes(33, a)), address } }];
      }
      case "copy":
        if (b % 4 === 0) return [{ type: "peer_copy_removed", peer: a % 3 }];
        return [{ type: "peer_copy", row: { peer: a % 3, bytes: bytes(1 + (b % 90), a) } }];
      case "invoice":
        return [{ type: "invoice", row: invoiceRow(a % 9, { state: flag ? "open" : "settled", createdAt: b }) }];
      case "payment":
        return [
          { type: "payment", row: paymentRow(`p${a % 9}`, { state: flag ? "pending" : "failed", createdAt: b }) },
        ];
      case "coin":
        return [
          { type: "coin", row: coinRow(a % 9, { height: flag ? b : undefined, reservedFor: flag ? undefined : b }) },
        ];
      case "withdrawal":
        if (b % 4 === 0) return [{ type: "withdrawal_removed", txid: withdrawalRow(a % 9).txid }];
        return [{ type: "withdrawal", row: withdrawalRow(a % 9, flag ? { height: b } : { conflictHeight: b }) }];
      case "spend":
        if (flag) return [{ type: "coin_removed", txid: coinRow(a % 9).txid, outputIndex: 1 }];
        return [{ type: "coin", row: coinRow(a % 9, { spentHeight: b % (this.height + 1) }) }];
      case "block":
        this.height++;
        return [{ type: "block", row: { height: this.height, hash: bytes(32, a) } }];
      case "unblock":
        if (flag) return [{ type: "blocks_pruned", below: b % (this.height + 1) }];
        this.height = Math.max(0, this.height - (a % 3));
        this.keys++;
        return [
          { type: "blocks_removed", height: this.height + 1 },
          { type: "wallet_keys", row: { nextReceive: this.keys, nextChange: this.keys + 7 } },
        ];
      case "commit":
      case "contradict":
      case "restart":
        return [];
      default:
        return this.inChannel(a % Math.max(1, this.channels.length), { kind, a, b, flag });
    }
  }

  private create(isHigh: boolean): StoreChange[] {
    const index = this.channels.length;
    // Some channels begin right below the ids that are negative as signed numbers.
    const first = isHigh ? 2n ** 63n - 6n : 0n;
    this.channels.push({
      lastId: { local: first - 2n, remote: first - 1n },
      packets: { local: 0, remote: 0 },
      newest: { local: -1, remote: -1 },
      prestage: !isHigh,
      pending: [],
      requested: [],
      hashes: 0,
      offers: 0,
      moments: 0,
      replayed: 0,
      totals: totalsRow(),
    });
    return [...createdChannel(index, OPEN, { prestage: !isHigh }), { type: "channel_index", next: index + 1 }];
  }

  private recorded(channel: number, model: ChannelModel, { a, b, flag }: Op): StoreChange[] {
    const offerer: Side = flag ? "local" : "remote";
    const { packets, newest } = model;
    const outcome = HTLC_OUTCOMES[a % HTLC_OUTCOMES.length] ?? "fulfilled";
    const lowest = { lowestLocalMsat: BigInt(a), lowestRemoteMsat: BigInt(b) };
    const ends = { endedAt: flag ? b : undefined };
    const fees = { fundingFeeSat: flag ? undefined : sat(a) };
    return [
      {
        type: "moment",
        row: { channel, ordinal: model.moments++, at: b, staged: packets, settled: packets, commitments: newest },
      },
      { type: "tally", row: { channel, offerer, outcome, count: a, amountMsat: BigInt(b) } },
      { type: "record", row: { channel, countedUpTo: { local: b % 9, remote: a % 9 }, connections: a, ...lowest } },
      { type: "life", row: { channel, openedAt: a, ...ends, ...fees } },
    ];
  }

  private inChannel(index: number, op: Op): StoreChange[] {
    const model = this.channels[index];
    if (model === undefined) return [];
    if (op.kind === "record") return this.recorded(index, model, op);
    if (op.kind === "replay") return replayChanges(index, model, op);
    if (op.kind === "forget") {
      return [{ type: "replay_pruned", channel: index, rows: 1 + (op.a % 6), checkpoints: 1 + (op.b % 3) }];
    }
    const change = channelChange(model, op);
    if (change === undefined) return [];
    return ofChannel(index, change, { type: "totals", row: model.totals });
  }
}

/** A batch with a checkpoint, an input, or both. */
function replayChanges(channel: number, model: ChannelModel, { a, b, flag }: Op): StoreChange[] {
  model.replayed += 1 + (b % 3);
  const row = (place: number): StoreChange => {
    return { type: "replay_row", row: { channel, batch: model.replayed, place, body: bytes(b % 50, a) } };
  };
  return a % 3 === 0 ? [row(0), ...(flag ? [row(1)] : [])] : [row(1), ...(flag ? [row(2)] : [])];
}

function removalOf(id: bigint, a: number, b: number, fulfilled: boolean): Removal {
  return fulfilled ? { type: "fulfilled", preimage: htlcPreimage(id) } : { type: "failed", reason: bytes(b, a) };
}

function channelChange(model: ChannelModel, { kind, a, b, flag }: Op): ChannelChange | undefined {
  const side: Side = flag ? "local" : "remote";
  switch (kind) {
    case "add": {
      model.lastId[side] += 2n;
      const id = model.lastId[side];
      model.pending.push(id);
      model.totals = { ...model.totals, [`${side}LastId`]: id };
      const number = ++model.packets[side];
      // Ids of channels that begin high are of plain channels, whose HTLCs nobody requests.
      const requested = model.prestage && b % 2 === 0;
      if (requested) model.requested.push(id);
      return {
        type: "htlc_added",
        row: htlcRow(id, {
          offerer: side,
          requestNumber: requested ? number : 0,
          addNumber: requested ? 0 : number,
          route: bytes(b, a),
        }),
      };
    }
    case "accept": {
      const [id] = model.requested.splice(a % Math.max(1, model.requested.length), 1);
      if (id === undefined || !model.pending.includes(id)) return undefined;
      return { type: "htlc_accepted", id, addNumber: ++model.packets[side] };
    }
    case "request": {
      const id = model.prestage ? model.pending[a % Math.max(1, model.pending.length)] : undefined;
      if (id === undefined) return undefined;
      const number = ++model.packets[side];
      return {
        type: "removal_requested",
        row: { id, by: side, number, removal: removalOf(id, a, b, (a + b) % 2 === 0) },
      };
    }
    case "remove": {
      const [id] = model.pending.splice(a % Math.max(1, model.pending.length), 1);
      if (id === undefined) return undefined;
      const removedBy = (id % 2n === 0n) !== (model.prestage && b % 3 === 0) ? "remote" : "local";
      const removal = removalOf(id, a, b, flag);
      return { type: "htlc_removed", id, removal, removedBy, removeNumber: ++model.packets[removedBy] };
    }
    case "fee":
      return { type: "fee", row: { owner: side, number: ++model.packets[side], feeRate: b } };
    case "commitment": {
      const number = ++model.newest[side];
      if (side === "local") model.totals = { ...model.totals, localUnrevoked: number };
      return { type: "commitment", row: commitmentRow(side, number) };
    }
    case "revoked": {
      const number = model.totals.remoteUnrevoked;
      if (number >= model.newest.remote) return undefined;
      model.totals = { ...model.totals, remoteUnrevoked: number + 1 };
      const slot = { slot: a % 65, index: 2n ** 64n - 1n - BigInt(number), preimage: bytes(32, b) };
      return { type: "revoked", number, slot };
    }
    case "hash":
      model.hashes = Math.max(model.hashes, model.newest.remote) + 1;
      return { type: "revocation_hash", row: { number: model.hashes, hash: bytes(32, b) } };
    case "settle": {
      const { settledUpTo } = model.totals;
      const advanced = Math.min(model.packets[side], settledUpTo[side] + (a % 4));
      model.totals = { ...model.totals, settledUpTo: { ...settledUpTo, [side]: advanced } };
      return { type: "totals", row: model.totals };
    }
    default:
      return lifeChange(model, side, a, b);
  }
}

function lifeChange(model: ChannelModel, side: Side, a: number, b: number): ChannelChange {
  const script = bytes(b % 40, a);
  switch (a % 8) {
    case 0:
      return { type: "named", id: asChannelId(bytes(32, b)) };
    case 1:
      // Most channels go on, or there would be little to load.
      return {
        type: "stage",
        row: { ...OPEN, stage: STAGES[b % 40] ?? "open", failure: b % 3 === 0 ? "why" : undefined },
      };
    case 2: {
      const { txid, outputIndex, amountSat } = coinRow(b);
      const transaction = b % 2 === 0 ? script : undefined;
      return {
        type: "funding",
        row: {
          ...{ txid, outputIndex, amountSat, transaction, confirmedHeight: b },
          conflictHeight: b % 2 === 0 ? b : undefined,
        },
      };
    }
    case 6:
      return {
        type: "dual_funding",
        row: {
          feeRate: a,
          wishedSat: BigInt(b),
          leastSat: 0n,
          cancellation: b % 3 === 0 ? script : undefined,
        },
      };
    case 7:
      return {
        type: "funding_share",
        row: fundingShareRow(side, {
          contributionSat: BigInt(a),
          changeScript: b % 2 === 0 ? script : undefined,
          signatures: b % 3 === 0 ? [bytes(64, a), bytes(64, b)] : undefined,
        }),
      };
    case 3:
      return { type: "clearing", row: { side, number: a, acknowledge: b, script } };
    case 4:
      return { type: "close_offer", row: { side, ordinal: model.offers++, feeSat: sat(b), signature: bytes(64, a) } };
    default: {
      const keys = { commitKey: bytes(33, a), finalKey: bytes(33, b) };
      const asked = {
        channelReserveSat: b % 2 === 0 ? sat(b) : undefined,
        closeScript: b % 3 === 0 ? script : undefined,
      };
      return {
        type: "terms",
        row: { side, delay: a, minDepth: b, ...keys, initialFeeRate: b, ...asked, revocationHashes: 2 },
      };
    }
  }
}

async function everything(store: Store): Promise<unknown> {
  const node = await store.load();
  const records = node.records.map(({ uncounted, ...rest }) => ({
    ...rest,
    uncounted: uncounted.toSorted((a, b) => a.offerer.localeCompare(b.offerer) || a.removeNumber - b.removeNumber),
  }));
  const indexes = Array.from({ length: node.nextChannelIndex }, (_, index) => index);
  return {
    node: { ...node, records },
    histories: await Promise.all(indexes.map((index) => store.history(index))),
    htlcs: await Promise.all(
      indexes.map((index) => store.htlcs(index, { offerer: "local", before: undefined, limit: 1000 })),
    ),
    page: await Promise.all(
      indexes.map((index) => store.htlcs(index, { offerer: "remote", before: 2n ** 63n + 3n, limit: 3 })),
    ),
    commitments: await Promise.all(
      indexes.map((index) => store.commitments(index, { holder: "remote", before: 20, limit: 9 })),
    ),
    replay: await Promise.all(indexes.map((index) => store.replayRows(index))),
    copies: await Promise.all([0, 1, 2].map((peer) => store.peerCopy(peer))),
    moments: await Promise.all(indexes.map((index) => store.moments(index, { from: 1, limit: 5 }))),
    invoices: await Promise.all([0, 1, 2, 3, 4, 5, 6, 7, 8].map((i) => store.invoice(invoiceRow(i).paymentHash))),
    payments: await Promise.all([0, 1, 2, 3, 4, 5, 6, 7, 8].map((i) => store.payment(`p${i}`))),
  };
}

it("[LW-5][B2-14] both stores give back the same after the same batches, restarts and refused batches", async () => {
  await fc.assert(
    fc.asyncProperty(ops, async (list) => {
      const directory = mkdtempSync(join(tmpdir(), "sluice-stores-"));
      let memory = memoryStore();
      let sqlite = await openSqliteStore({ directory });
      const writer = new Writer();
      let [sequence, waiting]: [number, StoreChange[]] = [0, []];
      const flush = async () => {
        const batch = { sequence: ++sequence, changes: waiting };
        waiting = [];
        await Promise.all([memory.commit(batch), sqlite.commit(batch)]);
      };
      for (const op of [{ kind: "create", a: 0, b: 0, flag: false } as const, ...list]) {
        waiting.push(...writer.changes(op));
        if (op.kind === "commit") await flush();
        if (op.kind === "contradict") {
          const nothing = {
            type: "htlc_removed",
            id: 12_345_678n,
            removal: { type: "failed", reason: bytes(1, 1) },
            removedBy: "local",
            removeNumber: 1,
          } as const;
          const batch = { sequence: sequence + 1, changes: [...waiting, ...ofChannel(0, nothing)] };
          await expect(memory.commit(batch)).rejects.toThrow(InvariantBroken);
          await expect(sqlite.commit(batch)).rejects.toThrow(InvariantBroken);
        }
        if (op.kind === "restart") {
          await flush();
          memory = memory.reopen();
          await sqlite.close();
          sqlite = await openSqliteStore({ directory });
          expect(await everything(sqlite)).toStrictEqual(await everything(memory));
        }
      }
      await flush();
      expect(await everything(sqlite)).toStrictEqual(await everything(memory));
      await sqlite.close();
      rmSync(directory, { recursive: true });
    }),
    { numRuns: 30 },
  );
}, 60_000);
