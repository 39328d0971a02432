import { assertNever, sat } from "../../src/core/base/index.ts";
import {
  type MessageTrouble,
  pick,
  type RandomNumbers,
  type StepKind,
  type WorldNode,
} from "../../src/testing/index.ts";
import type { Market } from "./market.ts";
import { swallow, tamper } from "./mischief.ts";
import type { Setting } from "./setting.ts";
import { restoreBackup, restoreCopy } from "./stale.ts";
import { publishOld } from "./thief.ts";

type Kind = StepKind<Market>;

/** Blocks that a node may be away, or have something in the mempool wait, and lose nothing: below every margin. */
const SHORT_ABSENCE = 6;
const DEEPEST = 5;

function two(market: Market, random: RandomNumbers): readonly [WorldNode, WorldNode] {
  const { nodes } = market.world;
  const at = random(nodes.length);
  const [a, b] = [nodes[at], nodes[(at + 1 + random(nodes.length - 1)) % nodes.length]];
  if (a === undefined || b === undefined) throw new Error("there are two nodes");
  return [a, b];
}

/** Nodes that may be crashed: a machine that is gone is gone. */
function someone(market: Market, random: RandomNumbers): WorldNode {
  return pick(random, market.world.nodes);
}

/** Things that happen between honest nodes, to their machines, networks and chain, and that cost nobody anything. */
const TRANSPORT: Record<string, Kind> = {
  deliver: (market, random) => market.world.deliver(1 + random(24)),
  tick: (market, random) => market.world.clock.advance(random(2_000)),
  pass: async (market, random) => {
    await market.revive();
    await market.world.advance(random(10_000));
  },
  pay: async (market, random) => {
    for (let n = random(4); n >= 0; n--) market.payment(random);
    await market.world.clock.run();
  },
  drop: (market, random) => market.world.drop(...two(market, random)),
  cut: (market, random) => {
    const { world } = market;
    const [a, b] = two(market, random);
    world.cut(a, b);
    // Mostly short, now and then until the end.
    const ms = random(4) > 0 ? random(10_000) : random(1_000_000);
    world.clock.after(ms, () => world.mend(a, b));
  },
  mend: (market) => {
    for (const a of market.world.nodes) for (const b of market.world.nodes) market.world.mend(a, b);
  },
  delay: (market, random) => market.world.delay(...two(market, random), pick(random, [0, 20, 300, 3_000])),
  crash: (market, random) => {
    const node = someone(market, random);
    if (node.up !== undefined) node.crash();
  },
  planCommit: (market, random) => {
    const written = random(2) === 0;
    const trouble = pick(random, [
      { type: "crash", written } as const,
      { type: "refused" } as const,
      { type: "unknown", written } as const,
    ]);
    someone(market, random).planCommit(random(12), trouble);
  },
  planMessage: (market, random) => {
    someone(market, random).planMessage(random(12), pick<MessageTrouble>(random, ["drop", "crash"]));
  },
  revive: (market) => market.revive(),
  estimate: (market, random) => market.estimate(6_000 + random(3_001)),
  open: (market, random) => {
    market.open(...two(market, random), { dual: random(3) === 0, prestage: random(2) === 0 });
  },
  block: async (market, random) => {
    for (let n = random(2); n >= 0; n--) {
      market.world.chain.mine(1);
      await market.thieve?.();
    }
    await market.world.clock.run();
  },
  reorganise: async (market, random) => {
    const { chain, clock } = market.world;
    const depth = 1 + random(DEEPEST);
    const first = chain.blockAt(chain.tip.height - depth + 1);
    if (first === undefined) return;
    chain.invalidate(first);
    // Sometimes the new blocks come one by one, and hold what waits only from the second on.
    const isSlow = random(2) === 0;
    // Sometimes what the blocks held is forgotten: whoever needs it gives it to the network again. Nobody does for the faucet.
    if (random(2) === 0 && first.height > market.beganAt) chain.forgetWaiting();
    if (isSlow) chain.mine(1, { transactions: [] });
    await clock.run();
    chain.mine(depth + 1);
    // The faucet's coins are in a newer block now.
    if (first.height <= market.beganAt) market.beganAt = chain.tip.height;
    await clock.run();
  },
  setFee: (market, random) => {
    const seats = market.openSeats();
    if (seats.length === 0) return;
    const { node, channel } = pick(random, seats);
    node.up?.setFeeRate(channel.channel, 8_000 + random(15_000)).catch(() => undefined);
  },
  withdraw: (market, random) => {
    const amountSat = random(10) === 0 ? ("all" as const) : sat(5_000n + BigInt(random(300_000)));
    market.withdraw(someone(market, random), amountSat);
  },
  close: (market, random) => {
    const seats = market.openSeats();
    if (seats.length === 0) return;
    const { node, channel } = pick(random, seats);
    node.up?.closeChannel(channel.channel).catch(() => undefined);
  },
};

/** What users and miners may do besides. */
const ENDINGS: Record<string, Kind> = {
  fail: (market, random) => {
    const seats = market
      .seats(market.honest)
      .filter(({ channel: { stage } }) => stage === "open" || stage === "close_agreed");
    if (seats.length === 0) return;
    const { node, channel } = pick(random, seats);
    market.mayFail(channel.channelId, "its user fails it");
    node.up?.failChannel(channel.channel).catch(() => undefined);
  },
  leave: async (market, random) => {
    const node = someone(market, random);
    if (node.up === undefined || market.away.size > 0) return;
    const blocks = 1 + random(SHORT_ABSENCE);
    market.away.set(node, market.world.chain.tip.height + blocks);
    node.crash();
    await market.world.mine(blocks);
    await market.thieve?.();
  },
  blocks: async (market, random) => {
    for (let n = random(12); n >= 0; n--) {
      await market.revive();
      await market.world.mine(1);
      await market.thieve?.();
    }
    await market.world.advance(5_000);
  },
  storm: async (market, random) => {
    market.estimate(market.setting.estimate * 10);
    market.world.chain.mempoolMinimum = random(2) === 0 ? 0 : 3_000;
    for (let n = random(4); n >= 0; n--) await market.world.mine(1);
    await market.world.advance(60_000);
  },
  calm: async (market) => {
    market.estimate(market.setting.estimate);
    market.world.chain.mempoolMinimum = 0;
    await market.world.advance(60_000);
  },
};

const CHEATER: Record<string, Kind> = {
  publishOld,
  tamper,
  swallow,
};

const STALE: Record<string, Kind> = {
  keepCopy: async (market, random) => {
    const node = someone(market, random);
    if (market.old.size === 0 || market.old.has(node)) market.old.set(node, node.store.copy());
  },
  restoreCopy,
  restoreBackup,
};

export const KINDS: Readonly<Record<string, Kind>> = { ...TRANSPORT, ...ENDINGS, ...CHEATER, ...STALE };

const TRANSPORT_WEIGHTS = {
  deliver: 28,
  tick: 6,
  pass: 16,
  pay: 34,
  drop: 2,
  cut: 1,
  mend: 2,
  delay: 1,
  crash: 2,
  planCommit: 2,
  planMessage: 2,
  revive: 8,
  estimate: 1,
  open: 1,
  block: 6,
  reorganise: 1,
  setFee: 1,
  withdraw: 1,
  close: 1,
};

/** How often each kind of step comes in a world. */
export function weightsOf({ theme, cheat }: Setting): Readonly<Record<string, number>> {
  switch (theme) {
    case "transport":
      return TRANSPORT_WEIGHTS;
    case "endings":
      return { ...TRANSPORT_WEIGHTS, fail: 2, leave: 2, blocks: 3, storm: 1, calm: 2, reorganise: 2 };
    case "cheater":
      return {
        ...TRANSPORT_WEIGHTS,
        fail: 1,
        leave: 1,
        blocks: 3,
        ...(cheat !== "tamper" && { publishOld: 5 }),
        ...(cheat !== "publish" && { tamper: 2, swallow: 1 }),
      };
    case "stale":
      return { ...TRANSPORT_WEIGHTS, keepCopy: 4, restoreCopy: 2, restoreBackup: 1 };
    default:
      return assertNever(theme);
  }
}
