import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  asChannelId,
  asNodeId,
  asPaymentHash,
  asTxid,
  InvariantBroken,
  MAX_SATOSHI,
  msat,
  sat,
  toMsat,
} from "../../src/core/base/index.ts";
import type { HtlcRow, Removal, Side, TotalsRow } from "../../src/core/payment-channel/index.ts";
import type { HtlcOutcome, LifeRow, MomentRow, RecordRow, TallyRow } from "../../src/ports/record-rows.ts";
import type { Store, StoreChange, StoredNode } from "../../src/ports/store.ts";
import {
  bytes,
  chainOutputRow,
  channelRow,
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
  PAID_PREIMAGE,
  paymentRow,
  streamRow,
  sweepRow,
  totalsRow,
  withdrawalRow,
} from "./store-rows.ts";

/** What the suite needs of a store besides the port. */
export type StoreFixture = {
  readonly store: Store;
  /** Starts again on what was committed; the store before is not used any more. */
  reopen(): Promise<Store>;
  /** Frees what the fixture took. */
  end(): Promise<void>;
};

const EMPTY: StoredNode = {
  damaged: [],
  sequence: 0,
  nextChannelIndex: 0,
  peers: [],
  streams: [],
  outbox: [],
  channels: [],
  records: [],
  openInvoices: [],
  pendingPayments: [],
  coins: [],
  withdrawals: [],
  walletKeys: { nextReceive: 0, nextChange: 0 },
  blocks: [],
};

/** What every Store must do. */
export function storeSuite(name: string, makeFixture: () => Promise<StoreFixture>): void {
  describe(`${name} as a Store`, () => {
    let fixture: StoreFixture;
    let store: Store;

    beforeEach(async () => {
      fixture = await makeFixture();
      store = fixture.store;
    });

    afterEach(() => fixture.end());

    async function commit(...changes: readonly StoreChange[]): Promise<void> {
      await store.commit({ sequence: (await store.sequence()) + 1, changes });
    }

    /** What is loaded after a new start. */
    async function reloaded(): Promise<StoredNode> {
      store = await fixture.reopen();
      return store.load();
    }

    async function reloadedChannel(): Promise<StoredNode["channels"][number]> {
      const { channels } = await reloaded();
      const [channel] = channels;
      if (channel === undefined || channels.length > 1) throw new Error(`${channels.length} channels`);
      return channel;
    }

    async function setTotals(totals: Partial<TotalsRow>): Promise<void> {
      await commit(...ofChannel(1, { type: "totals", row: totalsRow(totals) }));
    }

    it("is empty at first", async () => {
      expect(await store.load()).toStrictEqual(EMPTY);
      expect(await store.sequence()).toBe(0);
      expect(await reloaded()).toStrictEqual(EMPTY);
      expect(await store.payment("none")).toBeUndefined();
      expect(await store.invoice(invoiceRow(1).paymentHash)).toBeUndefined();
      expect(await store.history(1)).toBeUndefined();
      expect(await store.htlcs(1, { offerer: "local", before: undefined, limit: 10 })).toStrictEqual([]);
      expect(await store.commitments(1, { holder: "local", before: undefined, limit: 10 })).toStrictEqual([]);
      expect(await store.moments(1, { from: 0, limit: 10 })).toStrictEqual([]);
    });

    it("[AC-4] has every row of a channel again after a new start, as it was", async () => {
      const peer = asNodeId(bytes(33, 1));
      const row = channelRow(7, {
        peer,
        initiator: "remote",
        plannedAmountSat: undefined,
        pushMsat: toMsat(MAX_SATOSHI),
        prestage: true,
      });
      const terms = {
        delay: 144,
        minDepth: 3,
        commitKey: bytes(33, 3),
        finalKey: bytes(33, 4),
        initialFeeRate: 1500,
        revocationHashes: 2,
      };
      const rows = {
        terms: [
          { ...terms, side: "local", channelReserveSat: sat(10_000), closeScript: bytes(22, 5) },
          { ...terms, side: "remote", channelReserveSat: undefined, closeScript: undefined },
        ],
        stage: {
          ...OPEN,
          stage: "failed",
          failure: "bad_signature: number 3",
          errorDue: true,
          frozen: "x",
          stale: true,
        },
        funding: {
          txid: coinRow(1).txid,
          outputIndex: 2,
          amountSat: MAX_SATOSHI,
          transaction: bytes(300, 6),
          confirmedHeight: 5,
          conflictHeight: 7,
        },
        dualFunding: {
          feeRate: 2_000,
          wishedSat: 500_000n,
          leastSat: 1n,
          cancellation: bytes(200, 20),
        },
        fundingShares: [
          fundingShareRow("local", { signatures: [bytes(64, 21), bytes(64, 22)] }),
          fundingShareRow("remote", { changeScript: undefined, inputs: [], signatures: [] }),
        ],
        totals: totalsRow({
          localMsat: MAX_SATOSHI * 1000n,
          localLastId: 2n ** 64n - 1n,
          remoteLastId: 0n,
          localUnrevoked: 1,
          remoteUnrevoked: 2,
          settledUpTo: { local: 2 ** 53 - 1, remote: 1 },
        }),
        htlcs: [
          htlcRow(0n, { amountMsat: toMsat(MAX_SATOSHI), route: new Uint8Array(0) }),
          htlcRow(1n, { requestNumber: 9, addNumber: 0 }),
        ],
        removalRequests: [{ id: 0n, by: "remote", number: 8, removal: { type: "fulfilled", preimage: bytes(32, 15) } }],
        fees: [{ owner: "remote", number: 0, feeRate: 1500 }],
        commitments: [commitmentRow("local", 1), commitmentRow("remote", 2), commitmentRow("remote", 3)],
        revocationHashes: [{ number: 4, hash: bytes(32, 7) }],
        revocationSlots: [
          { slot: 0, index: 2n ** 64n - 2n, preimage: bytes(32, 8) },
          { slot: 64, index: 0n, preimage: bytes(32, 9) },
        ],
        clearings: [
          { side: "local", number: 5, acknowledge: 6, script: bytes(34, 10) },
          { side: "remote", number: 7, acknowledge: 8, script: bytes(34, 11) },
        ],
        closeOffers: [{ side: "remote", ordinal: 0, feeSat: sat(900), signature: bytes(64, 12) }],
        anchorSpend: {
          txid: asTxid(bytes(32, 20)),
          transaction: bytes(400, 21),
          kind: "revoked",
          holder: "remote",
          number: 3,
          height: 77,
        },
        chainOutputs: [
          chainOutputRow(0, { kind: "to_other", htlcId: undefined, witnessScript: undefined }),
          chainOutputRow(1, {
            htlcId: 2n ** 64n - 2n,
            spend: { txid: asTxid(bytes(32, 22)), height: undefined, ours: true },
          }),
          chainOutputRow(2, { spend: { txid: asTxid(bytes(32, 22)), height: 79, ours: false } }),
        ],
        sweeps: [sweepRow([0, 2], { createdHeight: 78 }), sweepRow([1], { createdHeight: 79 })],
        knownPreimages: [
          { htlcId: 0n, preimage: bytes(32, 24) },
          { htlcId: 1n, preimage: bytes(32, 25) },
        ],
      } as const;
      await commit(
        ...ofChannel(
          7,
          { type: "created", row, id: row.temporaryId },
          { type: "stage", row: rows.stage },
          { type: "totals", row: rows.totals },
          ...rows.terms.map((terms) => ({ type: "terms", row: terms }) as const),
          { type: "funding", row: { ...rows.funding, confirmedHeight: undefined, conflictHeight: undefined } },
          { type: "funding", row: rows.funding },
          { type: "dual_funding", row: { ...rows.dualFunding, cancellation: undefined } },
          { type: "dual_funding", row: rows.dualFunding },
          { type: "funding_share", row: { ...rows.fundingShares[0], signatures: undefined } },
          ...rows.fundingShares.map((share) => ({ type: "funding_share", row: share }) as const),
          ...rows.htlcs.map((htlc) => ({ type: "htlc_added", row: htlc }) as const),
          ...rows.removalRequests.map((request) => ({ type: "removal_requested", row: request }) as const),
          ...rows.fees.map((fee) => ({ type: "fee", row: fee }) as const),
          ...rows.commitments.map((commitment) => ({ type: "commitment", row: commitment }) as const),
          ...rows.revocationHashes.map((hash) => ({ type: "revocation_hash", row: hash }) as const),
          ...rows.revocationSlots.map((slot) => ({ type: "revoked", number: 1, slot }) as const),
          ...rows.clearings.map((clearing) => ({ type: "clearing", row: clearing }) as const),
          ...rows.closeOffers.map((offer) => ({ type: "close_offer", row: offer }) as const),
          { type: "anchor_spend", row: rows.anchorSpend },
          ...rows.chainOutputs.map((output) => ({ type: "chain_output", row: output }) as const),
          ...rows.sweeps.map((sweep) => ({ type: "sweep", row: sweep }) as const),
          ...rows.knownPreimages.map((known) => ({ type: "known_preimage", row: known }) as const),
          { type: "own_revocation_hash", hash: bytes(32, 13) },
          { type: "acknowledged", acknowledge: 3 },
        ),
      );
      const id = asChannelId(bytes(32, 14));
      await commit(...ofChannel(7, { type: "named", id }));
      expect(await reloadedChannel()).toStrictEqual({ channel: row, id, ...rows });
    });

    it("[B2-6] keeps peers, streams and the outbox bit for bit, in order of peer and number", async () => {
      const peers = [
        { index: 0, nodeId: asNodeId(bytes(33, 1)), address: { host: "example.org", port: 9745 } },
        { index: 1_048_575, nodeId: asNodeId(bytes(33, 2)), address: undefined },
      ];
      const outbox = [outboxRow(0, 1), outboxRow(0, 2, 3000), outboxRow(0, 2 ** 43 - 1), outboxRow(1_048_575, 0, 0)];
      await commit(
        ...peers.map((row) => ({ type: "peer", row }) as const),
        ...[...outbox].reverse().map((row) => ({ type: "outbox", row }) as const),
        { type: "stream", row: streamRow(1_048_575) },
        { type: "stream", row: streamRow(0, { received: 2 ** 53 - 1 }) },
      );
      const loaded = await reloaded();
      expect(loaded.peers).toStrictEqual(peers);
      expect(loaded.outbox).toStrictEqual(outbox);
      expect(loaded.streams).toStrictEqual([streamRow(0, { received: 2 ** 53 - 1 }), streamRow(1_048_575)]);
    });

    it("[B2-6] drops what the peer acknowledged from the outbox, of this peer alone", async () => {
      const rows = [outboxRow(1, 1), outboxRow(1, 2), outboxRow(1, 3), outboxRow(2, 1)];
      await commit(...rows.map((row) => ({ type: "outbox", row }) as const));
      await commit({ type: "outbox_pruned", peer: 1, upTo: 2 });
      expect((await reloaded()).outbox).toStrictEqual([outboxRow(1, 3), outboxRow(2, 1)]);
    });

    it("applies the changes of a batch in their order, the last of several for a key counting", async () => {
      await commit(
        ...createdChannel(1),
        { type: "outbox", row: outboxRow(1, 1) },
        { type: "outbox_pruned", peer: 1, upTo: 2 },
        { type: "outbox", row: outboxRow(1, 2) },
        { type: "stream", row: streamRow(1, { sent: 1 }) },
        { type: "stream", row: streamRow(1, { sent: 2 }) },
        ...ofChannel(1, { type: "totals", row: totalsRow({ localMsat: 1n }) }),
        ...ofChannel(1, { type: "htlc_added", row: htlcRow(0n) }),
        ...ofChannel(1, {
          type: "htlc_removed",
          id: 0n,
          removal: { type: "failed", reason: bytes(3, 1) },
          removedBy: "remote",
          removeNumber: 1,
        }),
        ...ofChannel(1, { type: "totals", row: totalsRow({ localMsat: 2n }) }),
        { type: "channel_index", next: 2 },
        { type: "channel_index", next: 3 },
      );
      const loaded = await reloaded();
      expect(loaded.outbox).toStrictEqual([outboxRow(1, 2)]);
      expect(loaded.streams).toStrictEqual([streamRow(1, { sent: 2 })]);
      expect(loaded.channels[0]?.totals).toStrictEqual(totalsRow({ localMsat: 2n }));
      expect(loaded.channels[0]?.htlcs).toStrictEqual([
        htlcRow(0n, { removal: { type: "failed", reason: bytes(3, 1) }, removeNumber: 1 }),
      ]);
      expect(loaded.nextChannelIndex).toBe(3);
    });

    it("[B2-14] loads an HTLC until the message that removed it is settled on the side that sent it", async () => {
      const preimage = htlcPreimage(0n);
      await commit(
        ...createdChannel(1),
        ...ofChannel(
          1,
          ...[0n, 1n, 2n, 3n].map((id) => ({ type: "htlc_added", row: htlcRow(id) }) as const),
          // The remote side removes what we offered, and the other way round.
          {
            type: "htlc_removed",
            id: 0n,
            removal: { type: "fulfilled", preimage },
            removedBy: "remote",
            removeNumber: 10,
          },
          {
            type: "htlc_removed",
            id: 1n,
            removal: { type: "failed", reason: new Uint8Array(0) },
            removedBy: "local",
            removeNumber: 20,
          },
        ),
      );
      const live = async () => (await reloadedChannel()).htlcs.map((htlc) => [htlc.id, htlc.removal?.type]);
      const all = [
        [0n, "fulfilled"],
        [1n, "failed"],
        [2n, undefined],
        [3n, undefined],
      ];
      await setTotals({ settledUpTo: { local: 19, remote: 9 } });
      expect(await live()).toStrictEqual(all);
      await setTotals({ settledUpTo: { local: 19, remote: 10 } });
      expect(await live()).toStrictEqual(all.slice(1));
      await setTotals({ settledUpTo: { local: 20, remote: 10 } });
      expect(await live()).toStrictEqual(all.slice(2));
      const past = async (offerer: "local" | "remote") =>
        (await store.htlcs(1, { offerer, before: undefined, limit: 10 })).map((htlc) => htlc.removal);
      await setTotals({ localLastId: 2n, remoteLastId: 3n });
      expect(await past("local")).toStrictEqual([undefined, { type: "fulfilled", preimage }]);
      expect(await past("remote")).toStrictEqual([undefined, { type: "failed", reason: new Uint8Array(0) }]);
    });

    it("[LS-17] [LS-23] keeps requests until they are accepted, with the numbers of whoever staged what they ask for", async () => {
      const failed = { type: "failed", reason: bytes(2, 1) } as const;
      await commit(
        ...createdChannel(1, OPEN, { prestage: true }),
        ...ofChannel(
          1,
          ...[0n, 2n, 4n].map(
            (id) => ({ type: "htlc_added", row: htlcRow(id, { requestNumber: 3, addNumber: 0 }) }) as const,
          ),
          { type: "htlc_accepted", id: 0n, addNumber: 7 },
          { type: "htlc_accepted", id: 2n, addNumber: 8 },
          { type: "removal_requested", row: { id: 0n, by: "local", number: 9, removal: failed } },
          { type: "removal_requested", row: { id: 0n, by: "remote", number: 10, removal: failed } },
          { type: "removal_requested", row: { id: 2n, by: "local", number: 11, removal: failed } },
          // The offerer accepts what its peer asks for.
          { type: "htlc_removed", id: 2n, removal: failed, removedBy: "local", removeNumber: 12 },
        ),
      );
      const added = htlcRow(0n, { requestNumber: 3, addNumber: 7 });
      const removed = htlcRow(2n, {
        requestNumber: 3,
        addNumber: 8,
        removal: failed,
        removedBy: "local",
        removeNumber: 12,
      });
      const asked = htlcRow(4n, { requestNumber: 3, addNumber: 0 });
      await setTotals({ settledUpTo: { local: 11, remote: 99 } });
      const before = await reloadedChannel();
      expect(before.htlcs).toStrictEqual([added, removed, asked]);
      expect(before.removalRequests).toStrictEqual([{ id: 0n, by: "remote", number: 10, removal: failed }]);
      await setTotals({ settledUpTo: { local: 12, remote: 0 } });
      expect((await reloadedChannel()).htlcs).toStrictEqual([added, asked]);
    });

    it("[LW-8] pages through the HTLCs of a side, the newest first, each id an unsigned 64 bit number", async () => {
      const ids = [0n, 1n, 2n, 3n, 2n ** 53n + 1n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 2n, 2n ** 64n - 1n];
      const rows = ids.map((id, i) => htlcRow(id, { addNumber: i + 1 }));
      await commit(
        ...createdChannel(1),
        ...createdChannel(2),
        ...[...rows].reverse().flatMap((row) => ofChannel(1, { type: "htlc_added", row })),
        ...ofChannel(2, { type: "htlc_added", row: htlcRow(0n) }),
      );
      await setTotals({ localLastId: 2n ** 64n - 2n, remoteLastId: 2n ** 64n - 1n });
      for (const offerer of ["local", "remote"] as const) {
        const newestFirst = rows.filter((row) => row.offerer === offerer).reverse();
        for (const before of [undefined, ...ids, 5n]) {
          for (const limit of [0, 1, 3, 100]) {
            const page = await store.htlcs(1, { offerer, before, limit });
            const wanted = newestFirst.filter((row) => before === undefined || row.id < before);
            expect(page).toStrictEqual(wanted.slice(0, limit));
          }
        }
      }
      expect((await reloaded()).channels[0]?.htlcs).toStrictEqual(rows);
    });

    it("[LW-8] keeps what is recorded of a channel, also after it has ended", async () => {
      const moment = (ordinal: number): MomentRow => ({
        channel: 1,
        ordinal,
        at: 1_700_000_000_000 + ordinal,
        staged: { local: 2 * ordinal, remote: 3 * ordinal },
        settled: { local: ordinal, remote: 0 },
        commitments: { local: -1, remote: ordinal },
      });
      const record: RecordRow = {
        channel: 1,
        countedUpTo: { local: 4, remote: 5 },
        connections: 3,
        lowestLocalMsat: 2n ** 50n,
        lowestRemoteMsat: 0n,
      };
      const life: LifeRow = {
        channel: 1,
        openedAt: 1_700_000_000_500,
        endedAt: undefined,
        fundingFeeSat: sat(153),
      };
      const tally = (offerer: "local" | "remote", outcome: HtlcOutcome, count: number): TallyRow => ({
        channel: 1,
        offerer,
        outcome,
        count,
        amountMsat: 2n ** 55n,
      });
      const tallies = [
        tally("local", "fulfilled", 7),
        tally("local", "failed_otherwise", 1),
        tally("remote", "expiry_too_close", 2),
      ];
      const moments = [0, 1, 2, 3].map(moment);
      await commit(
        ...createdChannel(1),
        { type: "record", row: { ...record, connections: 1 } },
        { type: "record", row: record },
        ...[tally("local", "fulfilled", 6), ...[...tallies].reverse()].map((row) => ({ type: "tally", row }) as const),
        { type: "life", row: life },
        ...moments.map((row) => ({ type: "moment", row }) as const),
        ...ofChannel(1, { type: "commitment", row: commitmentRow("local", 0) }),
        ...ofChannel(1, { type: "commitment", row: commitmentRow("local", 1) }),
        ...ofChannel(1, { type: "commitment", row: commitmentRow("remote", 0) }),
      );
      const kept = { record, life, tallies, lastMoment: moments[3] };
      expect((await reloaded()).records).toStrictEqual([{ channel: 1, ...kept, uncounted: [] }]);
      const ended = { ...life, endedAt: 1_700_000_001_000 };
      const closed = { ...OPEN, stage: "buried" } as const;
      await commit(...ofChannel(1, { type: "stage", row: closed }), { type: "life", row: ended });
      expect((await reloaded()).records).toStrictEqual([]);
      expect(await store.history(1)).toStrictEqual({
        channel: channelRow(1),
        id: asChannelId(bytes(32, 3001)),
        stage: closed,
        funding: undefined,
        anchorSpend: undefined,
        totals: totalsRow(),
        ...kept,
        life: ended,
      });
      expect(await store.moments(1, { from: 1, limit: 2 })).toStrictEqual(moments.slice(1, 3));
      const page = (before: number | undefined, limit: number) =>
        store.commitments(1, { holder: "local", before, limit });
      expect(await page(undefined, 1)).toStrictEqual([commitmentRow("local", 1)]);
      expect(await page(1, 9)).toStrictEqual([commitmentRow("local", 0)]);
      const again = { type: "moment", row: moments[3] ?? moment(3) } as const;
      await expect(commit(again)).rejects.toThrow(InvariantBroken);
    });

    it("[LW-9] loads the removals that the record does not count, settled or not", async () => {
      const failed = { type: "failed", reason: bytes(2, 7) } as const;
      const removed = (id: bigint, removal: Removal, removeNumber: number) =>
        ({
          type: "htlc_removed",
          id,
          removal,
          removedBy: id === 1n || id === 3n ? "local" : "remote",
          removeNumber,
        }) as const;
      await commit(
        ...createdChannel(1),
        ...ofChannel(
          1,
          ...[0n, 1n, 2n, 3n, 4n].map((id) => ({ type: "htlc_added", row: htlcRow(id) }) as const),
          removed(0n, { type: "fulfilled", preimage: htlcPreimage(0n) }, 10),
          removed(1n, failed, 20),
          removed(2n, failed, 11),
          removed(3n, { type: "fulfilled", preimage: htlcPreimage(3n) }, 21),
        ),
      );
      const uncounted = async () =>
        (await reloaded()).records.flatMap((one) =>
          one.uncounted.map((htlc) => [
            htlc.offerer,
            htlc.removedBy,
            htlc.removeNumber,
            htlc.amountMsat,
            htlc.failReason,
          ]),
        );
      const all = [
        ["local", "remote", 10, msat(123_456), undefined],
        ["local", "remote", 11, msat(123_456), failed.reason],
        ["remote", "local", 20, msat(123_456), failed.reason],
        ["remote", "local", 21, msat(123_456), undefined],
      ];
      await setTotals({ settledUpTo: { local: 100, remote: 100 } });
      expect((await uncounted()).sort()).toStrictEqual(all);
      const record = { channel: 1, connections: 1, lowestLocalMsat: 0n, lowestRemoteMsat: 0n };
      await commit({ type: "record", row: { ...record, countedUpTo: { local: 20, remote: 10 } } });
      expect((await uncounted()).sort()).toStrictEqual([all[1], all[3]]);
      await commit({ type: "record", row: { ...record, countedUpTo: { local: 21, remote: 11 } } });
      expect(await uncounted()).toStrictEqual([]);
    });

    it("[B2-14] loads the commitments that are not revoked, and keeps no hash that is used", async () => {
      await commit(
        ...createdChannel(1),
        ...[0, 1, 2, 3].flatMap((number) =>
          ofChannel(1, { type: "revocation_hash", row: { number, hash: bytes(32, number) } }),
        ),
        ...ofChannel(1, { type: "commitment", row: commitmentRow("local", 0) }),
        ...ofChannel(1, { type: "commitment", row: commitmentRow("remote", 0) }),
      );
      const first = await reloadedChannel();
      expect(first.commitments).toStrictEqual([commitmentRow("local", 0), commitmentRow("remote", 0)]);
      expect(first.revocationHashes.map((row) => row.number)).toStrictEqual([1, 2, 3]);
      await commit(
        ...ofChannel(
          1,
          { type: "commitment", row: commitmentRow("remote", 1) },
          { type: "commitment", row: commitmentRow("local", 1) },
          { type: "commitment", row: commitmentRow("remote", 2) },
          { type: "totals", row: totalsRow({ localUnrevoked: 1, remoteUnrevoked: 1 }) },
        ),
      );
      const second = await reloadedChannel();
      expect(second.commitments).toStrictEqual([
        commitmentRow("local", 1),
        commitmentRow("remote", 1),
        commitmentRow("remote", 2),
      ]);
      expect(second.revocationHashes).toStrictEqual([{ number: 3, hash: bytes(32, 3) }]);
    });

    it("loads for each side the newest fee that is settled, and those after it", async () => {
      const fee = (owner: "local" | "remote", number: number) => ({ owner, number, feeRate: 1000 + number });
      const fees = [fee("local", 0), fee("local", 5), fee("local", 9), fee("remote", 0), fee("remote", 6)];
      await commit(...createdChannel(1), ...fees.flatMap((row) => ofChannel(1, { type: "fee", row })));
      const live = async () => (await reloadedChannel()).fees;
      expect(await live()).toStrictEqual(fees);
      await setTotals({ settledUpTo: { local: 8, remote: 5 } });
      expect(await live()).toStrictEqual([fee("local", 5), fee("local", 9), fee("remote", 0), fee("remote", 6)]);
      await setTotals({ settledUpTo: { local: 9, remote: 6 } });
      expect(await live()).toStrictEqual([fee("local", 9), fee("remote", 6)]);
    });

    it("keeps one revocation secret for each slot", async () => {
      const revoked = (slot: number, index: bigint, seed: number) =>
        ({ type: "revoked", number: seed, slot: { slot, index, preimage: bytes(32, seed) } }) as const;
      await commit(...createdChannel(1), ...ofChannel(1, revoked(0, 2n ** 64n - 1n, 1), revoked(1, 2n ** 64n - 2n, 2)));
      await commit(...ofChannel(1, revoked(0, 2n ** 64n - 3n, 3)));
      expect((await reloadedChannel()).revocationSlots).toStrictEqual([
        { slot: 0, index: 2n ** 64n - 3n, preimage: bytes(32, 3) },
        { slot: 1, index: 2n ** 64n - 2n, preimage: bytes(32, 2) },
      ]);
    });

    it("[B2-36] knows nothing of the outputs of a transaction that another one took the place of", async () => {
      const spend = { txid: asTxid(bytes(32, 1)), transaction: bytes(9, 1), kind: "close", holder: undefined } as const;
      const row = { ...spend, number: -1, height: undefined };
      await commit(...createdChannel(1), ...ofChannel(1, { type: "anchor_spend", row }));
      const sweep = sweepRow([0]);
      await commit(
        ...ofChannel(1, { type: "chain_output", row: chainOutputRow(0) }, { type: "sweep", row: sweep }),
        ...ofChannel(1, { type: "anchor_spend", row: { ...row, height: 9 } }),
      );
      expect(await reloadedChannel()).toMatchObject({ chainOutputs: [chainOutputRow(0)], sweeps: [sweep] });
      await commit(...ofChannel(1, { type: "sweep_dropped", txid: sweep.txid }));
      expect(await reloadedChannel()).toMatchObject({ chainOutputs: [chainOutputRow(0)], sweeps: [] });
      await commit(...ofChannel(1, { type: "sweep", row: sweep }));
      const other = { ...row, txid: asTxid(bytes(32, 2)) };
      await commit(...ofChannel(1, { type: "anchor_spend", row: other }));
      expect(await reloadedChannel()).toMatchObject({ anchorSpend: other, chainOutputs: [], sweeps: [] });
    });

    it("[B2-14] [B2-37] finds the commitments of a number and the HTLCs that stood in them, however long ago", async () => {
      await commit(...createdChannel(1), ...createdChannel(2));
      const covering = (holder: Side, number: number, local: number, remote: number) =>
        ({ type: "commitment", row: { ...commitmentRow(holder, number), coverage: { local, remote } } }) as const;
      const added = (id: bigint, rest: Partial<HtlcRow>) => ({ type: "htlc_added", row: htlcRow(id, rest) }) as const;
      const removed = (id: bigint, removedBy: Side, removeNumber: number) =>
        ({
          type: "htlc_removed",
          id,
          removal: { type: "failed", reason: bytes(1, 1) },
          removedBy,
          removeNumber,
        }) as const;
      const parts = [
        covering("local", 4, 10, 20),
        covering("remote", 4, 12, 18),
        covering("remote", 5, 30, 40),
        added(0n, { offerer: "local", addNumber: 10 }),
        added(2n, { offerer: "local", addNumber: 11 }),
        added(4n, { offerer: "local", addNumber: 13 }),
        added(6n, { offerer: "local", addNumber: 1 }),
        removed(6n, "remote", 18),
        added(8n, { offerer: "local", addNumber: 1 }),
        removed(8n, "remote", 21),
        // Staged by the addressee's accept, or not at all.
        added(1n, { offerer: "remote", requestNumber: 1, addNumber: 12, removedBy: "local" }),
        added(3n, { offerer: "remote", requestNumber: 2, addNumber: 0, removedBy: "local" }),
        added(10n, { offerer: "local", requestNumber: 2, addNumber: 19 }),
      ] as const;
      await commit(...ofChannel(1, ...parts), ...ofChannel(2, ...parts.slice(3)));
      await reloaded();
      const found = await store.published(1, 4);
      expect(found.commitments.map(({ holder, number }) => [holder, number])).toStrictEqual([
        ["local", 4],
        ["remote", 4],
      ]);
      expect(found.htlcs.map(({ id }) => id)).toStrictEqual([0n, 1n, 2n, 8n, 10n]);
      expect(await store.published(2, 4)).toStrictEqual({ commitments: [], htlcs: [] });
    });

    it("loads channels until they are buried or abandoned, and keeps their HTLCs for the books", async () => {
      const stages = ["open", "failed", "close_agreed", "buried", "abandoned"] as const;
      await commit(
        ...stages.flatMap((_, i) => createdChannel(i)),
        ...ofChannel(
          3,
          { type: "htlc_added", row: htlcRow(0n) },
          { type: "totals", row: totalsRow({ localLastId: 0n }) },
        ),
      );
      await commit(...stages.flatMap((stage, i) => ofChannel(i, { type: "stage", row: { ...OPEN, stage } })));
      const { channels } = await reloaded();
      expect(channels.map(({ channel, stage }) => [channel.index, stage.stage])).toStrictEqual([
        [0, "open"],
        [1, "failed"],
        [2, "close_agreed"],
      ]);
      const page = await store.htlcs(3, { offerer: "local", before: undefined, limit: 5 });
      expect(page).toStrictEqual([htlcRow(0n)]);
    });

    it("keeps what a channel is replayed from, in order, and prunes it by checkpoints", async () => {
      const row = (batch: number, place: number, channel = 1) => {
        const body = bytes(40, 100 * batch + place);
        return { type: "replay_row", row: { channel, batch, place, body } } as const;
      };
      await commit(...createdChannel(1), ...createdChannel(2), row(9, 0), row(9, 1), row(9, 2), row(9, 0, 2));
      await commit(row(10, 1), row(100, 1), row(101, 0), row(101, 1));
      const prune = (checkpoints: number, rows = 100) =>
        ({ type: "replay_pruned", channel: 1, rows, checkpoints }) as const;
      await commit(prune(3), prune(3, 3));
      const places = async (channel = 1) =>
        (await store.replayRows(channel)).map(({ batch, place }) => [batch, place].join("."));
      expect(await places()).toEqual(["9.0", "9.1", "9.2", "10.1", "100.1", "101.0", "101.1"]);
      await commit(prune(2));
      expect(await places()).toHaveLength(7);
      await commit(row(102, 1), prune(2, 3));
      expect(await places()).toEqual(["101.0", "101.1", "102.1"]);
      await commit(row(103, 0), prune(1));
      expect(await store.replayRows(1)).toStrictEqual([row(103, 0).row]);
      expect(await places(2)).toEqual(["9.0"]);
      expect(await places(7)).toEqual([]);
      await commit({ type: "channel_removed", channel: 1 });
      expect(await places()).toEqual([]);
    });

    it("has nothing of a channel that was removed, in the batch that made it or later", async () => {
      const fresh = ofChannel(1, { type: "fee", row: { owner: "local", number: 0, feeRate: 1500 } });
      const removal = { type: "channel_removed", channel: 1 } as const;
      await commit(...createdChannel(1), ...fresh, removal, ...createdChannel(2));
      expect((await store.load()).channels.map(({ channel }) => channel.index)).toEqual([2]);
      const commitment = { type: "commitment", row: commitmentRow("local", 1) } as const;
      const htlc = { type: "htlc_added", row: htlcRow(2n) } as const;
      await commit(...createdChannel(1), ...fresh, ...ofChannel(1, commitment, htlc));
      const life = {
        channel: 1,
        openedAt: 1,
        endedAt: undefined,
        fundingFeeSat: undefined,
      };
      await commit({ type: "life", row: life });
      await commit(...ofChannel(1, { type: "totals", row: totalsRow() }), removal);
      expect((await store.load()).channels.map(({ channel }) => channel.index)).toEqual([2]);
      expect(await store.htlcs(1, { offerer: "local", before: undefined, limit: 10 })).toEqual([]);
      // Its number is as free as if it had never been used.
      await commit(...createdChannel(1), ...fresh);
      expect((await store.load()).channels).toHaveLength(2);
    });

    it("loads open invoices and pending payments, and finds the others by what names them", async () => {
      const settled = invoiceRow(1, { state: "settled", receivedMsat: msat(78), endedAt: 5 });
      const paid = paymentRow("a", { state: "succeeded", preimage: PAID_PREIMAGE, endedAt: 6 });
      const canceled = invoiceRow(4, { state: "canceled" });
      const failed = paymentRow("b", { state: "failed", failure: "no route", htlcId: 2n ** 64n - 1n });
      const any = invoiceRow(3, { amountMsat: undefined, description: "" });
      await commit(
        { type: "invoice", row: invoiceRow(1) },
        { type: "invoice", row: invoiceRow(2) },
        { type: "invoice", row: any },
        { type: "invoice", row: canceled },
        { type: "payment", row: paymentRow("a") },
        { type: "payment", row: paymentRow("b") },
        { type: "payment", row: paymentRow("ü") },
      );
      await commit({ type: "invoice", row: settled }, { type: "payment", row: paid }, { type: "payment", row: failed });
      const loaded = await reloaded();
      expect(loaded.openInvoices).toStrictEqual([invoiceRow(2), any]);
      expect(loaded.pendingPayments).toStrictEqual([paymentRow("ü")]);
      expect(await store.invoice(settled.paymentHash)).toStrictEqual(settled);
      expect(await store.invoice(invoiceRow(2).paymentHash)).toStrictEqual(invoiceRow(2));
      expect(await store.invoice(canceled.paymentHash)).toStrictEqual(canceled);
      // The same first bytes are not the same hash.
      const similar = asPaymentHash(Uint8Array.from([...settled.paymentHash.subarray(0, 31), 0]));
      expect(await store.invoice(similar)).toBeUndefined();
      expect(await store.payment("a")).toStrictEqual(paid);
      expect(await store.payment("b")).toStrictEqual(failed);
      expect(await store.payment("c")).toBeUndefined();
    });

    it("keeps the newest copy of each peer, until it is removed", async () => {
      const copy = (peer: number, seed: number) =>
        ({ type: "peer_copy", row: { peer, bytes: bytes(900, seed) } }) as const;
      await commit(copy(0, 1), copy(2, 2));
      await commit(copy(2, 3));
      await reloaded();
      expect(await store.peerCopy(0)).toStrictEqual(bytes(900, 1));
      expect(await store.peerCopy(2)).toStrictEqual(bytes(900, 3));
      await commit({ type: "peer_copy_removed", peer: 0 }, { type: "peer_copy_removed", peer: 7 });
      expect(await store.peerCopy(0)).toBeUndefined();
      expect(await store.peerCopy(2)).toStrictEqual(bytes(900, 3));
    });

    it("loads coins that are not spent, or spent in a block that it has", async () => {
      const coins = [
        coinRow(1),
        coinRow(2, { spentHeight: 9 }),
        coinRow(3, { spentHeight: 10, keyKind: "final" }),
        coinRow(4, { height: undefined, reservedFor: 3, coinbase: true, keyKind: "change" }),
        coinRow(5),
      ];
      const block = (height: number) => ({ height, hash: bytes(32, height) });
      await commit(
        ...coins.map((row) => ({ type: "coin", row }) as const),
        ...[8, 9, 10, 11, 12].map((height) => ({ type: "block", row: block(height) }) as const),
        { type: "wallet_keys", row: { nextReceive: 3, nextChange: 4 } },
      );
      await commit({ type: "coin_removed", txid: coinRow(5).txid, outputIndex: 1 });
      expect((await reloaded()).coins).toStrictEqual(coins.slice(0, 4));
      await commit(
        { type: "blocks_pruned", below: 10 },
        { type: "blocks_removed", height: 12 },
        { type: "coin", row: coinRow(1, { height: 2 }) },
      );
      const loaded = await reloaded();
      expect(loaded.blocks).toStrictEqual([block(10), block(11)]);
      expect(loaded.coins).toStrictEqual([coinRow(1, { height: 2 }), ...coins.slice(2, 4)]);
      expect(loaded.walletKeys).toStrictEqual({ nextReceive: 3, nextChange: 4 });
    });

    it("loads withdrawals as they were last written, until they are removed", async () => {
      const [one, two] = [withdrawalRow(1), withdrawalRow(2, { height: undefined, conflictHeight: 8 })];
      await commit(
        { type: "withdrawal", row: two },
        { type: "withdrawal", row: withdrawalRow(1, { height: undefined }) },
      );
      await commit({ type: "withdrawal", row: one });
      expect((await reloaded()).withdrawals).toStrictEqual([one, two]);
      await commit({ type: "withdrawal_removed", txid: one.txid });
      expect((await reloaded()).withdrawals).toStrictEqual([two]);
    });

    it("begins with any number from 1 on, as a store that is restored does", async () => {
      await expect(store.commit({ sequence: 0, changes: [] })).rejects.toMatchObject({ code: "out_of_order" });
      await store.commit({ sequence: 700, changes: [{ type: "channel_index", next: 3 }] });
      expect(await reloaded()).toStrictEqual({ ...EMPTY, sequence: 700, nextChannelIndex: 3 });
      for (const sequence of [1, 700, 702]) {
        await expect(store.commit({ sequence, changes: [] })).rejects.toMatchObject({ code: "out_of_order" });
      }
    });

    it("refuses a batch that does not follow the one before", async () => {
      await commit({ type: "channel_index", next: 1 });
      for (const sequence of [0, 1, 3]) {
        const batch = { sequence, changes: [{ type: "channel_index", next: 9 }] } as const;
        await expect(store.commit(batch)).rejects.toMatchObject({ code: "out_of_order", outcome: "refused" });
      }
      expect(await reloaded()).toStrictEqual({ ...EMPTY, sequence: 1, nextChannelIndex: 1 });
      await commit();
      expect(await store.sequence()).toBe(2);
    });

    it("[LW-5] writes nothing of a batch that contradicts the rows", async () => {
      await commit(
        ...createdChannel(1),
        ...ofChannel(
          1,
          { type: "htlc_added", row: htlcRow(0n) },
          { type: "commitment", row: commitmentRow("local", 0) },
        ),
        { type: "outbox", row: outboxRow(1, 1) },
        { type: "block", row: { height: 5, hash: bytes(32, 1) } },
        { type: "invoice", row: invoiceRow(1) },
      );
      const before = await store.load();
      const failed = { type: "failed", reason: bytes(1, 1) } as const;
      const wrong: readonly StoreChange[][] = [
        ofChannel(1, { type: "htlc_added", row: htlcRow(0n) }),
        ofChannel(1, { type: "htlc_removed", id: 2n, removal: failed, removedBy: "remote", removeNumber: 1 }),
        ofChannel(
          1,
          { type: "htlc_removed", id: 0n, removal: failed, removedBy: "remote", removeNumber: 1 },
          { type: "htlc_removed", id: 0n, removal: failed, removedBy: "remote", removeNumber: 2 },
        ),
        ofChannel(1, { type: "htlc_accepted", id: 0n, addNumber: 5 }),
        ofChannel(1, { type: "removal_requested", row: { id: 2n, by: "local", number: 5, removal: failed } }),
        ofChannel(
          1,
          { type: "htlc_removed", id: 0n, removal: failed, removedBy: "remote", removeNumber: 1 },
          { type: "removal_requested", row: { id: 0n, by: "local", number: 5, removal: failed } },
        ),
        ofChannel(1, { type: "commitment", row: commitmentRow("local", 0) }),
        ofChannel(2, { type: "htlc_added", row: htlcRow(2n) }),
        ofChannel(2, { type: "totals", row: totalsRow() }),
        ofChannel(2, { type: "named", id: channelRow(2).temporaryId }),
        ofChannel(2, { type: "created", row: channelRow(2), id: channelRow(2).temporaryId }),
        ofChannel(3, { type: "created", row: channelRow(4), id: channelRow(4).temporaryId }),
        createdChannel(1),
        [{ type: "outbox", row: outboxRow(1, 1) }],
        [{ type: "block", row: { height: 5, hash: bytes(32, 2) } }],
      ];
      for (const changes of wrong) {
        const attempt = commit(
          { type: "channel_index", next: 99 },
          { type: "invoice", row: invoiceRow(1, { state: "settled" }) },
          { type: "payment", row: paymentRow("x") },
          { type: "outbox_pruned", peer: 1, upTo: 0 },
          ...ofChannel(1, { type: "htlc_added", row: htlcRow(4n) }),
          ...changes,
        );
        await expect(attempt).rejects.toThrow(InvariantBroken);
        expect(await store.load()).toStrictEqual(before);
      }
      expect(await reloaded()).toStrictEqual(before);
      expect(await store.payment("x")).toBeUndefined();
    });

    it("shares no bytes with those who write and read", async () => {
      const row = htlcRow(0n);
      await commit(...createdChannel(1), ...ofChannel(1, { type: "htlc_added", row }));
      row.route.fill(0xee);
      const first = await store.load();
      first.channels[0]?.htlcs[0]?.route.fill(0xdd);
      expect((await store.load()).channels[0]?.htlcs).toStrictEqual([htlcRow(0n)]);
      await setTotals({ localLastId: 0n });
      (await store.htlcs(1, { offerer: "local", before: undefined, limit: 1 }))[0]?.route.fill(0xcc);
      expect((await reloadedChannel()).htlcs).toStrictEqual([htlcRow(0n)]);
    });

    it("commits without being waited for, in order", async () => {
      const commits = Array.from({ length: 20 }, (_, i) =>
        store.commit({ sequence: i + 1, changes: [{ type: "outbox", row: outboxRow(1, i) }] }),
      );
      await Promise.all(commits);
      expect((await reloaded()).outbox).toHaveLength(20);
    });

    it("refuses every call once it is closed; closing again does nothing", async () => {
      await commit({ type: "channel_index", next: 1 });
      await store.close();
      await store.close();
      await expect(store.load()).rejects.toThrow(InvariantBroken);
      await expect(store.sequence()).rejects.toThrow(InvariantBroken);
      await expect(store.commit({ sequence: 2, changes: [] })).rejects.toThrow(InvariantBroken);
      expect((await reloaded()).nextChannelIndex).toBe(1);
    });
  });
}
