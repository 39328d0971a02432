// What becomes of every kind of output of every kind of transaction that may spend an anchor, on any chain. One scene has
// an HTLC of each kind; each test looks at one of them. `[case ...]` in a title names cells of docs/resolution.md:
// transaction / output / stage of the HTLC / whether its preimage is known, here with and without a restart at every block.
import { beforeAll, describe, expect, it } from "vitest";
import { expectWealth, type PairChain } from "./chain-pair.ts";
import { AMOUNT_SAT, type PartyName } from "./channel-pair.ts";
import {
  COST,
  DELAY,
  HTLCS,
  type HtlcName,
  LIFE,
  mineOne,
  opened,
  ResolutionScene,
  stale,
} from "./resolution-scene.ts";

/** What the scene is to come to; heights of blocks count from the commitment's, `c`, or from the expiry, `e`. */
type Row = readonly [title: string, name: HtlcName, by: "us" | "peer" | "none", at: string, told: string];

const LATE = "late";
const OURS: readonly Row[] = [
  ["[case ours/offered/standing/unknown +restart] waits for the expiry", "waiting", "us", "e+1", "htlc_failed"],
  [
    "[case ours/offered/standing/known +restart] goes to the peer, whose preimage we learn",
    "taken",
    "peer",
    "c+1",
    "htlc_fulfilled",
  ],
  [
    "[case ours/offered/fulfilling/known +restart] goes to the peer, as was said",
    "told",
    "peer",
    "c+1",
    "htlc_fulfilled",
  ],
  [
    "[case ours/offered/failing/unknown +restart] waits for the expiry all the same",
    "refused",
    "us",
    "e+1",
    "htlc_failed",
  ],
  [
    "[case ours/offered/absent/unknown +restart] counts as failed when the commitment is final",
    LATE,
    "none",
    "",
    "htlc_failed",
  ],
  [
    "[case ours/offered/dust/unknown +restart] counts as failed when the commitment is final",
    "dust",
    "none",
    "",
    "htlc_failed",
  ],
  [
    "[case ours/received/standing/unknown +restart] goes back to the peer after its expiry",
    "unknown",
    "peer",
    "e+1",
    "htlc_failed",
  ],
  ["[case ours/received/standing/known +restart] is claimed after the delay", "known", "us", "c+D", "htlc_fulfilled"],
  [
    "[case ours/received/fulfilling/known +restart] is claimed after the delay",
    "fulfilling",
    "us",
    "c+D",
    "htlc_fulfilled",
  ],
  [
    "[case ours/received/failing/unknown +restart] goes back to the peer after its expiry",
    "failing",
    "peer",
    "e+1",
    "htlc_failed",
  ],
  ["[case ours/received/dust/unknown +restart] has nothing to claim", "theirDust", "none", "", "htlc_failed"],
];
/** Which of several it is makes no difference. */
const PEERS: readonly Row[] = [
  [
    "[case peers,older/offered/standing/unknown +restart] is ours after its expiry",
    "waiting",
    "us",
    "e+1",
    "htlc_failed",
  ],
  [
    "[case peers,older/offered/standing/known +restart] goes to the peer after the delay, and we learn the preimage",
    "taken",
    "peer",
    "c+D",
    "htlc_fulfilled",
  ],
  [
    "[case peers,older/offered/fulfilling/known +restart] goes to the peer, as was said",
    "told",
    "peer",
    "c+D",
    "htlc_fulfilled",
  ],
  [
    "[case peers,older/offered/failing/unknown +restart] is ours after its expiry",
    "refused",
    "us",
    "e+1",
    "htlc_failed",
  ],
  [
    "[case peers,older/offered/absent/unknown +restart] counts as failed when the commitment is final",
    LATE,
    "none",
    "",
    "htlc_failed",
  ],
  [
    "[case peers,older/offered/dust/unknown +restart] counts as failed when the commitment is final",
    "dust",
    "none",
    "",
    "htlc_failed",
  ],
  [
    "[case peers,older/received/standing/unknown +restart] goes back to the peer",
    "unknown",
    "peer",
    "e+1",
    "htlc_failed",
  ],
  ["[case peers,older/received/standing/known +restart] is claimed at once", "known", "us", "c+1", "htlc_fulfilled"],
  [
    "[case peers,older/received/fulfilling/known +restart] is claimed at once",
    "fulfilling",
    "us",
    "c+1",
    "htlc_fulfilled",
  ],
  [
    "[case peers,older/received/failing/unknown +restart] goes back to the peer",
    "failing",
    "peer",
    "e+1",
    "htlc_failed",
  ],
  ["[case peers,older/received/dust/unknown +restart] has nothing to claim", "theirDust", "none", "", "htlc_failed"],
];
const NEWER: readonly Row[] = [
  ["[case newer/offered/standing/unknown +restart] is ours after its expiry", "waiting", "us", "e+1", "htlc_failed"],
  [
    "[case newer/offered/standing/unknown +restart] and so is the one that only this commitment has",
    LATE,
    "us",
    "e+1",
    "htlc_failed",
  ],
  [
    "[case newer/offered/standing/known +restart] goes to the peer after the delay, and we learn the preimage",
    "taken",
    "peer",
    "c+D",
    "htlc_fulfilled",
  ],
  ["[case newer/offered/absent/known +restart] is settled in this commitment", "told", "none", "", "htlc_fulfilled"],
  [
    "[case newer/offered/absent/unknown +restart] counts as failed when the commitment is final",
    "refused",
    "none",
    "",
    "htlc_failed",
  ],
  [
    "[case newer/offered/dust/unknown +restart] counts as failed when the commitment is final",
    "dust",
    "none",
    "",
    "htlc_failed",
  ],
  ["[case newer/received/standing/unknown +restart] goes back to the peer", "unknown", "peer", "e+1", "htlc_failed"],
  ["[case newer/received/standing/known +restart] is claimed at once", "known", "us", "c+1", "htlc_fulfilled"],
  [
    "[case newer/received/absent/known +restart] is settled in this commitment",
    "fulfilling",
    "none",
    "",
    "htlc_fulfilled",
  ],
  ["[case newer/received/absent/unknown +restart] is settled in this commitment", "failing", "none", "", "htlc_failed"],
  ["[case newer/received/dust/unknown +restart] has nothing to claim", "theirDust", "none", "", "htlc_failed"],
];
const REVOKED: readonly Row[] = [
  ["[case revoked/offered/standing/known +restart] is ours at once", "taken", "us", "c+1", "htlc_failed"],
  ["[case revoked/offered/standing/unknown +restart] is ours at once", "waiting", "us", "c+1", "htlc_failed"],
  [
    "[case revoked/offered/settled/known +restart] is ours at once, though it was paid since",
    "told",
    "us",
    "c+1",
    "htlc_fulfilled",
  ],
  [
    "[case revoked/offered/settled/unknown +restart] is ours at once, though it had failed since",
    "refused",
    "us",
    "c+1",
    "htlc_failed",
  ],
  [
    "[case revoked/offered/absent/unknown +restart] counts as failed when the commitment is final",
    LATE,
    "none",
    "",
    "htlc_failed",
  ],
  [
    "[case revoked/offered/dust/unknown +restart] counts as failed when the commitment is final",
    "dust",
    "none",
    "",
    "htlc_failed",
  ],
  ["[case revoked/received/standing/unknown +restart] is ours at once", "unknown", "us", "c+1", ""],
  ["[case revoked/received/standing/known +restart] is ours at once", "known", "us", "c+1", ""],
  [
    "[case revoked/received/settled/known +restart] is ours at once, though we were paid since",
    "fulfilling",
    "us",
    "c+1",
    "htlc_fulfilled",
  ],
  [
    "[case revoked/received/settled/unknown +restart] is ours at once, though it had failed since",
    "failing",
    "us",
    "c+1",
    "htlc_failed",
  ],
  ["[case revoked/received/dust/unknown +restart] has nothing to claim", "theirDust", "none", "", ""],
];

/** In satoshi, of the 500,000 that each has at first: what we got less what we paid, where the peer was not robbed. */
const OWED = 500_000n + HTLCS.known.sat + HTLCS.fulfilling.sat - HTLCS.taken.sat - HTLCS.told.sat;

/** The cases on the chain that `chain` gives; on a fresh embedded one where it gives none. */
export function resolutionSuite<C extends PairChain>(
  setups: readonly (readonly [we: PartyName, restarts: boolean])[],
  chain: () => C | undefined,
): void {
  describe.each(setups)("%s, with restarts: %s", (we, restarts) => {
    describe.each([
      [
        "ours",
        OURS,
        "[case ours/to-self +restart] is claimed after the delay, [case ours/to-other +restart] is the peer's at once",
      ],
      [
        "peers",
        PEERS,
        "[case peers/to-self +restart] is the peer's after the delay, [case peers/to-other +restart] is ours at once",
      ],
      [
        "older",
        PEERS,
        "[case older/to-self +restart] is the peer's after the delay, [case older/to-other +restart] is ours at once",
      ],
      [
        "newer",
        NEWER,
        "[case newer/to-self +restart] is the peer's after the delay, [case newer/to-other +restart] is ours at once",
      ],
      [
        "revoked",
        REVOKED,
        "[case revoked/to-self +restart] is ours at once, and so is [case revoked/to-other +restart]",
      ],
    ] as const)("%s", (published, rows, balances) => {
      let scene: ResolutionScene<C>;
      beforeAll(() => {
        scene = new ResolutionScene(we, restarts, chain()).publish(published);
      });

      it.each(rows)("%s", (_, name, by, at, told) => {
        const outcome = scene.outcome(name);
        if (by === "none") expect(outcome).toBeUndefined();
        else {
          const heights = new Map([
            ["c+1", scene.confirmed + 1],
            ["c+D", scene.confirmed + DELAY],
            ["e+1", scene.expiry + 1],
          ]);
          expect(outcome).toEqual({ by, height: heights.get(at) });
        }
        expect(scene.told(name)).toBe(told);
      });

      it(balances, () => {
        const holder = published === "ours" ? scene.we : scene.peer;
        const byWe = published === "ours" || published === "revoked";
        const height = scene.confirmed + (published === "revoked" ? 1 : DELAY);
        const outputs = [...(byWe ? scene.we : holder).channel.chainOutputs.values()];
        const toSelf = outputs.find(({ kind }) => kind === "to_self");
        expect(toSelf?.spend).toMatchObject({ ours: true, height });
        const other = published === "ours" ? scene.peer : scene.we;
        const toOther = [...other.channel.chainOutputs.values()].find(({ kind }) => kind === "to_other");
        expect(toOther).toMatchObject({ spend: undefined });
        // Nobody has to claim it.
        const { txid, index } = toOther ?? { txid: undefined, index: 0 };
        expect(txid && scene.pair.chain.unspent({ txid, index })?.amountSat).toBe(toOther?.amountSat);
      });

      it("everybody has what is his and no more, at fees that are bounded", () => {
        const { pair, peer } = scene;
        const all = published === "revoked";
        expectWealth(pair, we, all ? AMOUNT_SAT : OWED, COST);
        expectWealth(pair, peer.name, all ? 0n : AMOUNT_SAT - OWED, all ? 0n : COST);
        expect(pair.refused).toEqual([]);
        for (const party of [scene.we, peer]) {
          if (pair.away.has(party.name)) continue;
          expect(party.channel.stage.stage).toBe("closed");
          expect(party.channel.anchorSpend?.kind).toBe(all ? "revoked" : "commitment");
          for (const { feeSat, claims } of party.channel.sweeps) {
            const claimed = claims.map((index): bigint => party.channel.chainOutputs.get(index)?.amountSat ?? 0n);
            const sum = claimed.reduce((one, two) => one + two, 0n);
            expect(feeSat).toBeLessThanOrEqual(all ? (sum * 9n) / 10n : sum / 2n);
          }
        }
      });
    });

    it("[case close/to-self +restart] [case close/to-other +restart] are the wallets' at once", () => {
      const pair = opened(chain());
      expect(pair[we].run({ type: "close", script: undefined })).toBeUndefined();
      pair.settle();
      for (let n = 0; n < 6; n++) mineOne(pair, restarts);
      for (const party of [pair.alice, pair.bob]) {
        expect(party.channel).toMatchObject({ stage: { stage: "closed" }, anchorSpend: { kind: "close" } });
        expectWealth(pair, party.name, 500_000n, COST);
      }
      expect(pair.refused).toEqual([]);
    });

    it("[case unknown/to-other +restart] is ours at once, [case unknown/to-self +restart] is the peer's", () => {
      const pair = stale(opened(chain()), we, restarts, DELAY + 6);
      // 30,000 and 50,000 stand in HTLCs of ours; the peer has a preimage for the second, and 20,000 in one of its own.
      expectWealth(pair, we, 370_000n, COST);
      expectWealth(pair, pair.other(we).name, 530_000n, COST);
    });

    it("[case unknown/offered/standing/unknown +restart] [case unknown/received/standing/known +restart] are left", () => {
      const pair = stale(opened(chain()), we, restarts, LIFE + DELAY + 6);
      expectWealth(pair, we, 370_000n, COST);
      expect(pair[we].channel.sweeps).toEqual([]);
      expect(pair.tells(we, "htlc_failed")).toEqual([]);
    });
  });
}
