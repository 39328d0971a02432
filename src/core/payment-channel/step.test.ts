import { describe, expect, it } from "vitest";
import { ChannelPair, flipped, type Party, rowsOf, secret } from "../../../test/support/channel-pair.ts";
import type { Transaction } from "../bitcoin/index.ts";
import type { PktMessage } from "../wire/index.ts";
import type { ChannelError } from "./errors.ts";

const USER: ChannelError = { type: "failed_by_user", rule: "B2-43" };

function failing(error: ChannelError = USER, notify = true) {
  return { type: "fail" as const, error, notify };
}

/** The pair at each moment of opening, with the stage in which a failure leaves Alice and Bob. */
const MOMENTS: readonly [string, (pair: ChannelPair) => void, string, string][] = [
  ["both open_channel are said", () => {}, "abandoned", "abandoned"],
  ["open_anchor is under way", (pair) => pair.fund(), "abandoned", "abandoned"],
  [
    "open_commit_sig is under way",
    (pair) => {
      pair.fund();
      pair.deliver("alice");
    },
    "abandoned",
    "failed",
  ],
  [
    "the anchor is out",
    (pair) => {
      pair.fund();
      pair.settle();
    },
    "failed",
    "failed",
  ],
  [
    "the channel is open",
    (pair) => {
      pair.fund();
      pair.settle();
      pair.confirm();
    },
    "failed",
    "failed",
  ],
];

describe("failing a channel", () => {
  it.each(MOMENTS)(
    "[B2-43] when %s: nothing at stake is abandoned, else the newest commitment counts",
    (_, reach, a, b) => {
      const pair = new ChannelPair();
      pair.propose();
      pair.answer();
      pair.deliver("bob");
      reach(pair);
      const { alice, bob } = pair;
      const broadcasts = alice.broadcasts.length;
      alice.run(failing());
      bob.run(failing());
      expect([alice.channel.stage.stage, bob.channel.stage.stage]).toEqual([a, b]);
      expect(alice.broadcasts).toHaveLength(broadcasts + (a === "failed" ? 1 : 0));
      // Coins of an anchor that can't go out any more are free again.
      expect(alice.tells.filter(({ type }) => type === "release_funding")).toHaveLength(a === "abandoned" ? 1 : 0);
      expect(bob.tells.filter(({ type }) => type === "release_funding")).toHaveLength(0);
      expect(alice.channel.stage.failure).toBe("failed by user [B2-43]");
    },
  );

  it("[B2-42] tells the peer, and an error is not answered by an error", () => {
    const pair = new ChannelPair().open();
    const { alice, bob } = pair;
    alice.run(failing({ type: "bad_commitment_signature", rule: "B2-27", actual: 3 }));
    expect(pair.next("alice", "error").problem).toBe("bad commitment signature [B2-27], actual 3");
    expect(pair.deliver("alice")).toBeUndefined();
    expect(bob.channel.stage).toMatchObject({
      stage: "failed",
      failure: "the peer failed the channel: bad commitment signature [B2-27], actual 3",
    });
    expect(bob.saying()).toEqual([]);
  });

  it("[B2-42] [B2-4] is kept to ourselves where we are told to, or where nothing can be numbered", () => {
    const quiet = new ChannelPair().open();
    quiet.alice.run(failing(USER, false));
    expect(quiet.alice.saying()).toEqual([]);
    const away = new ChannelPair().open();
    away.alice.ready = false;
    away.alice.run(failing());
    expect(away.alice.channel.stage.stage).toBe("failed");
    expect(away.alice.saying()).toEqual([]);
  });

  it("[B2-42] of which the peer, being away, was not told is said once it is back, and once", () => {
    const pair = new ChannelPair().open();
    const { alice, bob } = pair;
    alice.ready = false;
    alice.run(failing());
    expect(alice.channel.stage).toMatchObject({ stage: "failed", errorDue: true });
    alice.state = alice.loaded(rowsOf(alice.channel));
    alice.flush();
    expect(alice.saying()).toEqual([]);
    alice.ready = true;
    alice.run({ type: "peer_ready" });
    alice.flush();
    expect(pair.next("alice", "error").problem).toBe("failed by user [B2-43]");
    expect(alice.channel.stage.errorDue).toBe(false);
    alice.run({ type: "peer_ready" });
    expect(alice.saying()).toEqual(["error"]);
    pair.deliver("alice");
    bob.ready = false;
    bob.ready = true;
    bob.run({ type: "peer_ready" });
    expect(bob.saying()).toEqual([]);
  });

  it("happens once; what the peer had already sent is neither acted on nor a violation", () => {
    const pair = new ChannelPair().open({ pushMsat: 400_000_000n });
    const { alice, bob } = pair;
    pair.offer("bob", 1, 1_000_000n);
    bob.flush();
    alice.run(failing());
    alice.run(failing({ ...USER, detail: "again" }));
    expect(alice.saying()).toEqual(["error"]);
    expect(alice.channel.stage.failure).toBe("failed by user [B2-43]");
    expect(pair.deliver("bob")).toBeUndefined();
    expect(pair.deliver("bob")).toBeUndefined();
    expect(alice.channel.htlcs.size).toBe(0);
    expect(alice.channel.commitments.local?.number).toBe(0);
    expect(alice.saying()).toEqual(["error"]);
  });

  it("[LS-24] [LS-12] keeps the HTLCs, and the peer's commitments that are not revoked", () => {
    const pair = new ChannelPair().open();
    pair.offer("alice", 1, 1_000_000n);
    pair.alice.flush();
    pair.alice.run(failing());
    const loaded = pair.alice.loaded(rowsOf(pair.alice.channel));
    expect([...loaded.htlcs.keys()]).toEqual([0n]);
    expect(loaded.commitments.remote.map(({ number }) => number)).toEqual([0, 1]);
  });

  it("[B2-29] signs nothing more", () => {
    const pair = new ChannelPair().open();
    pair.offer("alice", 1, 1_000_000n);
    pair.alice.run(failing());
    pair.alice.flush();
    expect(pair.alice.saying()).toEqual(["update_add_htlc", "error"]);
  });
});

describe("an anchor that is in no block", () => {
  function waiting(): ChannelPair {
    const pair = new ChannelPair();
    pair.propose();
    pair.answer();
    pair.deliver("bob");
    pair.fund();
    pair.settle();
    return pair;
  }

  it("[B2-48] is given up by its responder after 2,016 blocks, and never by who made it", () => {
    const { alice, bob } = waiting();
    for (const party of [alice, bob]) {
      party.height = 100 + 2015;
      party.flush();
      expect(party.channel.stage.stage).toBe("awaiting_depth");
      party.height = 100 + 2016;
      party.flush();
    }
    expect(alice.channel.stage.stage).toBe("awaiting_depth");
    const failure = "the anchor is in no block [B2-48], limit 2016, actual 2016";
    expect(bob.channel.stage).toMatchObject({ stage: "abandoned", failure });
    expect(bob.saying()).toEqual(["error"]);
  });

  it("[B2-48] is given up too where the channel has failed, quietly", () => {
    const { bob } = waiting();
    bob.run(failing(USER, false));
    bob.height = 100 + 2016;
    bob.flush();
    expect(bob.channel.stage.stage).toBe("abandoned");
    expect(bob.saying()).toEqual([]);
  });

  it("[B2-43] is waited for once it was in a block, whatever a reorganisation did to it", () => {
    const pair = waiting();
    pair.confirm();
    const { bob } = pair;
    bob.height = 100 + 5000;
    bob.run({ type: "funding_unconfirmed" });
    bob.flush();
    expect(bob.channel.stage.stage).toBe("open");
    bob.run(failing(USER, false));
    bob.flush();
    expect(bob.channel.stage.stage).toBe("failed");
  });
});
/** Something that spends the anchor of the party's channel. */
function spending(party: Party): Transaction {
  const { funding } = party.channel;
  if (funding === undefined) throw new Error("the channel is funded");
  const input = { txid: funding.txid, index: funding.outputIndex, script: new Uint8Array(0), sequence: 0, witness: [] };
  return { version: 2, inputs: [input], outputs: [], lockTime: 0 };
}

describe("a spend of the anchor", () => {
  it("[B2-36] fails the channel unless a close was agreed on", () => {
    const pair = new ChannelPair().open();
    pair.alice.run({ type: "anchor_spent", transaction: spending(pair.alice), height: 120 });
    expect(pair.alice.channel.stage).toMatchObject({
      stage: "failed",
      failure: expect.stringContaining("know nothing of"),
    });
    expect(pair.alice.channel.anchorSpend).toMatchObject({ kind: "unknown", height: 120 });
    expect(pair.alice.saying()).toEqual([]);
  });
});

describe("after a reconnect", () => {
  it("[LS-19] tells again which HTLCs wait for a decision, and no others", () => {
    const pair = new ChannelPair().open();
    for (const n of [1, 2, 3]) pair.offer("alice", n, 1_000_000n);
    pair.settle();
    pair.bob.run({ type: "fulfill", id: 2n, preimage: secret(2) });
    pair.offer("alice", 4, 1_000_000n);
    pair.deliver("alice");
    pair.bob.tells.length = 0;
    pair.bob.state = pair.bob.loaded(rowsOf(pair.bob.channel));
    expect(pair.bob.run({ type: "peer_ready" })).toBeUndefined();
    expect(pair.bob.cleared()).toEqual([0n, 4n]);
  });

  it("[B2-4] signs for what was staged before, and for nothing while the peer is away", () => {
    const pair = new ChannelPair().open();
    const { alice } = pair;
    pair.offer("alice", 1, 1_000_000n);
    alice.ready = false;
    alice.flush();
    expect(alice.saying()).toEqual(["update_add_htlc"]);
    alice.ready = true;
    alice.flush();
    expect(alice.saying()).toEqual(["update_add_htlc", "update_commit"]);
  });
});

describe("one bit changed in any message on its way", () => {
  /** Every message between two parties that pay and close, as it is delivered. */
  function conversation(tamper: (index: number, message: PktMessage) => PktMessage): (ChannelError | undefined)[] {
    const pair = new ChannelPair();
    pair.alice.checked = false;
    pair.bob.checked = false;
    pair.open({ pushMsat: 400_000_000n });
    const errors: (ChannelError | undefined)[] = [];
    let index = 0;
    const pump = () => {
      for (let rounds = 0; rounds < 50; rounds++) {
        pair.alice.flush();
        pair.bob.flush();
        const from = (["alice", "bob"] as const).find((name) => pair[name].outgoing.length > 0);
        const packet = from === undefined ? undefined : pair[from].outgoing.shift();
        if (from === undefined || packet === undefined) return;
        const message = tamper(index++, packet.pkt.message);
        const receiver: Party = pair.other(from);
        const error = receiver.receive({ ...packet, pkt: { ...packet.pkt, message } });
        errors.push(error);
        if (error !== undefined) return;
      }
    };
    pair.offer("alice", 1, 10_000_000n);
    pair.offer("bob", 2, 10_000_000n);
    pump();
    if (errors.at(-1) !== undefined) return errors;
    pair.bob.run({ type: "fulfill", id: 0n, preimage: secret(1) });
    pair.alice.run({ type: "fail_htlc", id: 1n, reason: new Uint8Array([1]) });
    pump();
    if (errors.at(-1) !== undefined) return errors;
    pair.alice.run({ type: "close", script: undefined });
    pump();
    return errors;
  }

  const FIELDS = [
    "amountMsat",
    "paymentHash",
    "expiry",
    "id",
    "preimage",
    "signature",
    "closeFeeSat",
    "nextRevocationHash",
  ];

  function withBit(message: PktMessage, field: string): PktMessage | undefined {
    const value: unknown = Object.entries(message).find(([name]) => name === field)?.[1];
    if (value instanceof Uint8Array) return { ...message, [field]: flipped(value) };
    if (typeof value === "bigint") return { ...message, [field]: value ^ 2n };
    if (typeof value === "number") return { ...message, [field]: value ^ 2 };
    return undefined;
  }

  it("[B2-23] [B2-27] [B2-28] [B2-33] is noticed before it counts, by the receiver or by the next signature", () => {
    const all: PktMessage[] = [];
    const honest = conversation((_, message) => {
      all.push(message);
      return message;
    });
    expect(honest.every((error) => error === undefined)).toBe(true);
    let tampered = 0;
    for (const [index, message] of all.entries()) {
      for (const field of FIELDS) {
        const changed = withBit(message, field);
        if (changed === undefined) continue;
        // A wrong hash for a commitment far ahead shows when that commitment is revoked.
        if (field === "nextRevocationHash") continue;
        tampered++;
        const errors = conversation((at, original) => (at === index ? changed : original));
        expect([index, message.type, field, errors.at(-1)?.type]).toEqual([
          index,
          message.type,
          field,
          expect.any(String),
        ]);
      }
    }
    expect(tampered).toBeGreaterThan(15);
  });
});
