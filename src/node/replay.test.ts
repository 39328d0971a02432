import { serialize } from "node:v8";
import { describe, expect, it } from "vitest";
import { ChannelPair, hashOf, type Party } from "../../test/support/channel-pair.ts";
import type { Msat } from "../core/base/index.ts";
import type { Input } from "../core/payment-channel/index.ts";
import type { ReplayRow, StoreChange } from "../ports/store.ts";
import { InputLog } from "./input-log.ts";
import { replayed } from "./replay.ts";

/** Runs inputs of a party as its runner does, each in a batch of its own. */
class Logged {
  readonly rows: ReplayRow[] = [];
  readonly party: Party;
  private batch = 10;
  private readonly log = new InputLog({ inputs: 100, nextBatch: () => this.batch });

  constructor(party: Party) {
    this.party = party;
  }

  private readonly into = {
    change: (change: StoreChange) => {
      if (change.type === "replay_row") this.rows.push(change.row);
    },
    afterCommit: () => undefined,
    atEnd: () => undefined,
  };

  run(input: Input): void {
    const { party } = this;
    this.batch++;
    this.log.before(this.into, party.channel);
    const context = party.context();
    const before = party.changes.length;
    try {
      party.run(input);
      this.log.ran(this.into, 7, input, context, party.changes.slice(before));
    } catch (cause) {
      this.log.ran(this.into, 7, input, context, cause instanceof Error ? cause.message : "");
    }
  }

  replay(rows: readonly ReplayRow[] = this.rows): ReturnType<typeof replayed> {
    return replayed(rows, { signer: this.party.signer, keys: this.party.keys, to: undefined });
  }
}

/** Alice has offered something and signs for it. */
function offered(): Logged {
  const { alice } = new ChannelPair().open({ pushMsat: 300_000_000n });
  alice.checked = false;
  const logged = new Logged(alice);
  const route = new Uint8Array(0);
  logged.run({ type: "offer", amountMsat: 5_000_000n as Msat, paymentHash: hashOf(1), expiry: 300, route });
  return logged;
}

describe("replaying a channel", () => {
  it("comes to the same state, step by step, and leaves out what changed nothing", () => {
    const logged = offered();
    logged.run({ type: "defend" });
    logged.run({ type: "commit" });
    const replay = logged.replay();
    expect(replay?.steps.map(({ batch, input, changed }) => ({ batch, input, changed }))).toEqual([
      { batch: 11, input: "offer", changed: ["htlc_added"] },
      { batch: 13, input: "commit", changed: ["commitment"] },
    ]);
    expect(replay?.state).toEqual(logged.party.channel);
    expect(replay?.difference).toBeUndefined();
  });

  it("freezes where the channel froze, and says where it would freeze now and did not", () => {
    const logged = offered();
    logged.party.channel.fees = [];
    const fresh = new Logged(logged.party);
    fresh.run({ type: "commit" });
    const replay = fresh.replay();
    expect(replay?.state.stage.frozen).toBe("a commitment has a fee rate");
    expect(replay?.difference).toBeUndefined();
    const checkpoints = fresh.rows.filter(({ place }) => place === 0);
    const calm = new Logged(offered().party);
    calm.run({ type: "commit" });
    const inputs = calm.rows.filter(({ place }) => place > 0);
    expect(calm.replay([...checkpoints, ...inputs])?.difference).toMatchObject({
      what: "outcome",
      detail: "threw: a commitment has a fee rate",
    });
  });

  it("goes as far as what was recorded can be read, and says where it is damaged", () => {
    const logged = offered();
    logged.run({ type: "commit" });
    const [checkpoint, offer, commit] = logged.rows;
    if (checkpoint === undefined || offer === undefined || commit === undefined) throw new Error("three rows");
    for (const at of [0, 7, 8, 40]) {
      const damaged = { ...commit, body: commit.body.map((byte, place) => (place === at ? byte ^ 1 : byte)) };
      const replay = logged.replay([checkpoint, offer, damaged]);
      expect(replay?.steps).toHaveLength(1);
      expect(replay?.difference).toMatchObject({ batch: commit.batch, place: commit.place, what: "unreadable" });
    }
    const lost = { ...checkpoint, body: new Uint8Array(0) };
    expect(logged.replay([lost, offer, commit])).toBeUndefined();
  });

  it("passes over what another program wrote", () => {
    const logged = offered();
    const foreign = { channel: 7, batch: 1, place: 0, body: serialize({ format: 0, state: "?" }) };
    const unread = { channel: 7, batch: 2, place: 1, body: serialize("?") };
    expect(logged.replay([foreign, unread])).toBeUndefined();
    expect(logged.replay([foreign, unread, ...logged.rows])?.steps).toHaveLength(1);
  });
});
