import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { displayHash } from "../../src/adapters/chain-embedded/chain.ts";
import { toHex } from "../../src/core/base/index.ts";
import { findBitcoind } from "../support/bitcoind.ts";
import { validDraft } from "./spends/draft.ts";
import { type Family, family } from "./spends/mempool-life.ts";
import { MUTATIONS, type Surroundings } from "./spends/mutations.ts";
import { type Random, seededRandom } from "./spends/random.ts";
import { type LockedCoin, rawOf, signDraft } from "./spends/spend.ts";
import {
  agree,
  chainVerdict,
  coinbaseCoin,
  expectTwins,
  makeCoins,
  nodeVerdicts,
  resend,
  startTwin,
  type Twin,
} from "./spends/twin.ts";

const { DIFFERENTIAL_SEED, DIFFERENTIAL_SPENDS } = process.env;
const SEED = Number(DIFFERENTIAL_SEED ?? 20_260_101);
const SPENDS = Number(DIFFERENTIAL_SPENDS ?? 10_000);
const BATCH = 250;

type Generated = { readonly kind: string; readonly raw: Uint8Array };

function generate(around: Surroundings): Generated {
  const { random, coins, height } = around;
  const draft = validDraft(random, coins, height);
  const mutation = random.chance(0.4) ? undefined : random.pick(MUTATIONS);
  mutation?.before?.(draft, around);
  signDraft(draft);
  mutation?.after?.(draft, around);
  const raw = rawOf(draft);
  return { kind: mutation?.name ?? "nothing wrong", raw: mutation?.raw?.(raw, around) ?? raw };
}

describe.skipIf(findBitcoind() === undefined)("the embedded chain beside a real node", () => {
  let twin: Twin;
  let random: Random;
  let coins: LockedCoin[];

  beforeAll(async () => {
    random = seededRandom(SEED);
    twin = await startTwin();
    await twin.mine(120);
    coins = await makeCoins(twin, random, 14);
    await twin.mine(3);
  });
  afterAll(() => twin.node.stop());

  it(`gives the node's verdict on ${SPENDS} generated spends, about half of them valid`, async () => {
    const height = twin.chain.tip.height + 1;
    const around = { random, coins, height, immature: coinbaseCoin(twin, height - 50) };
    const counts = new Map<string, { allowed: number; refused: number }>();
    const reasons = new Map<string, number>();
    const disagreements: string[] = [];
    for (let done = 0; done < SPENDS; done += BATCH) {
      const spends = Array.from({ length: Math.min(BATCH, SPENDS - done) }, () => generate(around));
      const verdicts = await nodeVerdicts(
        twin,
        spends.map(({ raw }) => raw),
      );
      for (const [i, { kind, raw }] of spends.entries()) {
        const theirs = verdicts[i];
        const ours = chainVerdict(twin, raw);
        const count = counts.get(kind) ?? { allowed: 0, refused: 0 };
        count[ours.allowed ? "allowed" : "refused"] += 1;
        counts.set(kind, count);
        reasons.set(ours.reason, (reasons.get(ours.reason) ?? 0) + 1);
        if (!agree(ours, theirs)) {
          disagreements.push(
            `${kind}: node ${JSON.stringify(theirs)}, embedded ${JSON.stringify(ours)}: ${toHex(raw)}`,
          );
        }
      }
    }
    console.table(Object.fromEntries([...counts].sort()));
    console.table(Object.fromEntries([...reasons].sort()));
    const allowed = [...counts.values()].reduce((sum, one) => sum + one.allowed, 0);
    console.info(`seed ${SEED}: ${allowed} of ${SPENDS} allowed, ${disagreements.length} disagreements`);
    expect(disagreements.slice(0, 20)).toEqual([]);
    expect(allowed).toBeGreaterThan(0.45 * SPENDS);
    expect(allowed).toBeLessThan(0.6 * SPENDS);
  });

  /** Offers the next transaction of a family to both, which must take or refuse it for the same reason. */
  async function offer(relatives: Family, counts: Map<string, number>): Promise<void> {
    const { chain, node } = twin;
    const { raw, kind, settled } = relatives.next(chain.tip.height + 1);
    const ours = chainVerdict(twin, raw);
    const [theirs] = await nodeVerdicts(twin, [raw]);
    if (!agree(ours, theirs)) expect({ kind, ...ours }).toEqual({ kind, ...theirs });
    const outcome = `${kind}: ${ours.reason || "accepted"}`;
    counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
    if (ours.allowed) {
      chain.submit(raw);
      await node.rpc("sendrawtransaction", [toHex(raw), 0]);
    }
    settled(ours.allowed);
  }

  it("holds the same mempool through long chains, conflicts and blocks", async () => {
    const relatives = family(random, coins, true);
    const counts = new Map<string, number>();
    for (let step = 1; step <= 800; step++) {
      await offer(relatives, counts);
      if (step % 50 === 0) await expectTwins(twin);
      if (step % 130 === 0) await twin.mine(1 + random.int(2));
    }
    await twin.mine(1);
    await expectTwins(twin);
    console.table(Object.fromEntries([...counts].sort()));
  });

  it("holds the same mempool through reorganisations", async () => {
    const { chain, node } = twin;
    const relatives = family(random, coins, false);
    const counts = new Map<string, number>();
    for (let step = 1; step <= 800; step++) {
      await offer(relatives, counts);
      if (step % 10 === 0) await twin.mine(1);
      if (step % 40 !== 0) continue;
      const block = chain.blockAt(chain.tip.height - random.int(6));
      if (block === undefined) throw new Error("no such block");
      chain.invalidate(block);
      await node.rpc("invalidateblock", [displayHash(block.hash)]);
      await resend(twin);
      await expectTwins(twin);
      if (random.chance(0.7)) await twin.mine(1 + random.int(8), random.chance(0.3) ? [] : undefined);
      chain.reconsider(block);
      await node.rpc("reconsiderblock", [displayHash(block.hash)]);
      await resend(twin);
      await expectTwins(twin);
    }
    console.table(Object.fromEntries([...counts].sort()));
  });
});
