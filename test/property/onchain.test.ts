import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { payToWitnessPublicKeyHash } from "../../src/core/bitcoin/index.ts";
import { ChainPair } from "../support/chain-pair.ts";
import type { PartyName } from "../support/channel-pair.ts";
import { type Configuration, reach } from "../support/exploration.ts";
import { remembering, rememberVerifications } from "../support/exploration-memory.ts";
import { Game, type Hardship, type Scene } from "../support/onchain-game.ts";
import { type Position, positionsOf } from "../support/onchain-positions.ts";
import { replay } from "../support/onchain-replay.ts";

// As in exploration.test.ts: what is computed again and again is remembered, and real.
vi.mock("../../src/core/bitcoin/commitment-buffer.ts", async (original) => {
  const real = await original<typeof import("../../src/core/bitcoin/commitment-buffer.ts")>();
  const { rememberingBuilds } = await import("../support/exploration-memory.ts");
  return { ...real, buildCommitment: rememberingBuilds(real.buildCommitment) };
});

beforeAll(rememberVerifications);
afterAll(() => {
  vi.restoreAllMocks();
});

const START_MSAT = { alice: 600_000_000n, bob: 400_000_000n };
/** So far before the expiry of all HTLCs that either could go to the chain in time, and not much farther. */
const HEIGHT = 262;

function freshPair(prestage: boolean): ChainPair {
  const policies = { alice: { window: 2, delay: 14 }, bob: { window: 2, delay: 12 } };
  const pair = new ChainPair(policies).openOnChain(START_MSAT.bob, prestage);
  pair.mine(HEIGHT - pair.height);
  return pair;
}

const PLAIN: Hardship = { lag: 0, restarts: false, gossip: false, incidents: 0, fine: false };
const HARD: Hardship = { lag: 3, restarts: true, gossip: true, incidents: 0, fine: false };
const INCIDENT: Hardship = { ...PLAIN, incidents: 1 };

/** Every so many positions are played in each way. */
type Shares = { readonly plain: number; readonly hard: number; readonly incident: number };

type Tally = { positions: number; endings: number; replayed: number };

class Campaign {
  private readonly configuration: Configuration;
  /** One in so many endings is played on the real chain too. */
  private readonly replayEvery: number;
  readonly tally: Tally = { positions: 0, endings: 0, replayed: 0 };

  constructor(configuration: Configuration, replayEvery: number) {
    this.configuration = configuration;
    this.replayEvery = replayEvery;
  }

  run(shares: Shares): void {
    const prestage = this.configuration.prestage ?? false;
    const pair = freshPair(prestage);
    const { nodes } = reach(pair, this.configuration);
    for (const name of ["alice", "bob"] as const) {
      const scene = this.scene(pair, name);
      const positions = positionsOf(nodes[name]);
      this.tally.positions += positions.length;
      for (const [at, position] of positions.entries()) {
        if (at % shares.plain === 0) this.play(scene, position, full ? { ...PLAIN, fine: true } : PLAIN);
        if (at % shares.hard === 0) this.play(scene, position, HARD);
        if (at % shares.incident === 0) this.play(scene, position, INCIDENT);
      }
    }
  }

  private scene(pair: ChainPair, name: PartyName): Scene {
    const [honest, cheat] = name === "alice" ? [pair.alice, pair.bob] : [pair.bob, pair.alice];
    const signers = { honest: remembering(honest.signer), cheat: remembering(cheat.signer) };
    const { keys, policy, channel } = honest;
    const script = payToWitnessPublicKeyHash(honest.signer.publicKey(keys.finalKey(channel.channel.index)));
    return {
      players: { honest, cheat, signers },
      parts: { signer: signers.honest, keys, policy },
      script,
      startMsat: START_MSAT[name],
      height: HEIGHT,
      ended: (game) => this.ended(game, script),
      known: new Map(),
      claims: new Map(),
    };
  }

  private play(scene: Scene, position: Position, hardship: Hardship): void {
    try {
      new Game(scene, position, hardship).play();
    } catch (cause) {
      if (!(cause instanceof Error)) throw cause;
      const { spender, key } = position;
      const which = spender.type === "theirs" ? ` ${spender.signed.row.number}` : "";
      const what = `${scene.players.honest.name}, ${spender.type}${which}, position ${key}, ${JSON.stringify(hardship)}`;
      throw new Error(`${what}: ${cause.message}`, { cause });
    }
  }

  private ended(game: Game, script: Uint8Array): void {
    this.tally.endings++;
    // Those of states in which everything had expired begin later.
    if (this.tally.endings % this.replayEvery !== 0 || game.position.node.late) return;
    this.tally.replayed++;
    const { chain } = freshPair(this.configuration.prestage ?? false);
    const otherwise = replay(chain, game.chain.events, script, game.wealth);
    if (otherwise !== undefined) throw new Error(`on the real chain ${otherwise}\n${game.path.join(", ")}`);
  }
}

/** As in exploration.test.ts. */
const MOST = { alice: 600_000_000n - 10_740_000n, bob: 400_000_000n - 10_740_000n };
const ONE: Configuration = { alice: { amountsMsat: [MOST.alice] }, bob: { amountsMsat: [MOST.bob] } };
const CONFIGURATIONS: Record<string, { readonly configuration: Configuration; readonly shares: Shares }> = {
  "one HTLC a side": { configuration: ONE, shares: { plain: 3, hard: 29, incident: 173 } },
  "two HTLCs at once, of which one is dust, and another": {
    configuration: {
      alice: { amountsMsat: [20_000_000n, 545_999n] },
      bob: { amountsMsat: [30_000_000n] },
      smallBatches: true,
    },
    shares: { plain: 151, hard: 503, incident: 5003 },
  },
  "one HTLC a side, a higher fee rate": {
    configuration: { alice: { ...ONE.alice, feeRate: 5000 }, bob: ONE.bob, smallBatches: true },
    shares: { plain: 17, hard: 101, incident: 401 },
  },
  "one HTLC, each may close": {
    configuration: {
      alice: { amountsMsat: [MOST.alice], close: true },
      bob: { close: true },
      smallBatches: true,
    },
    shares: { plain: 5, hard: 31, incident: 101 },
  },
  "with pre-staging, one HTLC, answered and withdrawn, expiring": {
    configuration: {
      prestage: true,
      alice: { amountsMsat: [MOST.alice], withdraw: true, expire: true },
      bob: { answer: true, expire: true },
    },
    shares: { plain: 1, hard: 5, incident: 37 },
  },
};
const ALL: Shares = { plain: 1, hard: 1, incident: 5 };

const { EXPLORE } = process.env;
const full = EXPLORE === "full";
const TIMEOUT = full ? 24 * 3_600_000 : 300_000;

describe("every state of a bounded channel, ended on chain in every way", () => {
  for (const [name, { configuration, shares }] of Object.entries(CONFIGURATIONS)) {
    it(
      `[B2-36] [B2-37] [B2-39] [B2-40] [LS-24] [LW-2] costs an honest party nothing but its fees: ${name}`,
      () => {
        const begun = Date.now();
        const campaign = new Campaign(configuration, full ? 1009 : 503);
        campaign.run(full ? ALL : shares);
        const { positions, endings, replayed } = campaign.tally;
        const seconds = ((Date.now() - begun) / 1000).toFixed(1);
        console.info(`${name}: ${positions} positions, ${endings} endings, ${replayed} on a real chain, ${seconds} s`);
        expect(replayed).toBeGreaterThan(1);
      },
      TIMEOUT,
    );
  }
});
