import { describe, expect, it } from "vitest";
import { ChannelPair, hashOf, type Party, rowsOf, secret } from "../../../test/support/channel-pair.ts";
import { peerView } from "./adds.ts";
import { apply } from "./changes.ts";
import { hasUnsignedChanges } from "./commits.ts";
import { isCleared, isIn, isSettled, liveFees, lockOf } from "./state.ts";

/** The state as a store would give it back, with settled rows still in it and in no order. */
function reloaded(party: Party) {
  const rows = rowsOf(party.channel);
  return party.loaded({
    ...rows,
    terms: [...rows.terms].reverse(),
    htlcs: [...rows.htlcs].reverse(),
    fees: [...rows.fees, { owner: "remote" as const, number: 0, feeRate: 4_000 }].reverse(),
    commitments: [...rows.commitments].reverse(),
    closeOffers: [...rows.closeOffers].reverse(),
  });
}

describe("a state that is loaded", () => {
  it("[LW-5] is the one that was stored, at every step of a busy channel", () => {
    // The harness compares them at every step; here the rows come back shuffled and with too many fees.
    const pair = new ChannelPair().open({ pushMsat: 400_000_000n });
    const { alice, bob } = pair;
    pair.offer("alice", 1, 10_000_000n);
    pair.offer("alice", 2, 1n);
    bob.run({ type: "set_fee", feeRate: 5_000 });
    pair.offer("bob", 3, 20_000_000n);
    alice.flush();
    bob.flush();
    for (let delivered = 0; delivered < 12; delivered++) {
      pair.deliver(delivered % 2 === 0 ? "alice" : "bob");
      for (const party of [alice, bob]) {
        const again = reloaded(party);
        expect(again.view).toEqual(party.channel.view);
        expect(again.acknowledgedView).toEqual(party.channel.acknowledgedView);
        expect(again.unacknowledged).toEqual(party.channel.unacknowledged);
        expect(again.revocationLocks).toEqual(party.channel.revocationLocks);
        expect(again.locks).toEqual(party.channel.locks);
        expect(again.fees).toEqual(party.channel.fees);
        expect(hasUnsignedChanges(again)).toBe(hasUnsignedChanges(party.channel));
        party.flush();
      }
    }
  });

  it("[LS-14] is refused where it has given more hashes ahead than anybody may, which would take for ever to derive", () => {
    const { alice } = new ChannelPair().open();
    const rows = rowsOf(alice.channel);
    const terms = rows.terms.map((one) => ({ ...one, revocationHashes: 17 }));
    expect(() => alice.loaded({ ...rows, terms })).toThrow("at most 16 hashes ahead, got 17");
  });

  it("[B2-6] judges a packet that is sent again by the acknowledge it had, not by a newer one", () => {
    const pair = new ChannelPair().open();
    const { bob } = pair;
    pair.offer("alice", 1, 500_000_000n);
    pair.settle();
    const before = bob.sent;
    bob.run({ type: "fail_htlc", id: 0n, reason: new Uint8Array(1) });
    bob.state = bob.loaded(rowsOf(bob.channel));
    expect(peerView(bob.channel, before).remote.balanceMsat).toBe(500_000_000n);
    expect(peerView(bob.channel, bob.sent).remote.balanceMsat).toBe(1_000_000_000n);
  });

  it("goes on where it was: it signs, takes, revokes and closes", () => {
    const pair = new ChannelPair().open({ pushMsat: 400_000_000n });
    const { alice, bob } = pair;
    const restart = () => {
      for (const party of [alice, bob]) party.state = party.loaded(rowsOf(party.channel));
    };
    pair.offer("alice", 1, 10_000_000n);
    restart();
    pair.settle();
    restart();
    bob.run({ type: "fulfill", id: 0n, preimage: secret(1) });
    restart();
    pair.settle();
    restart();
    alice.run({ type: "close", script: undefined });
    restart();
    pair.settle();
    expect(alice.channel.stage.stage).toBe("close_agreed");
    expect(alice.broadcasts.at(-1)).toEqual(bob.broadcasts.at(-1));
  });
});

describe("where an HTLC stands", () => {
  it("[LS-10] [LS-16] [LS-22] follows from numbers: staged, in one, in both, removed, gone", () => {
    const pair = new ChannelPair().open();
    const { alice, bob } = pair;
    const facts = (party: Party) => {
      const htlc = party.channel.htlcs.get(0n);
      const { local, remote } = party.channel.commitments;
      if (htlc === undefined || local === undefined) return "none";
      const last = remote.at(-1);
      return [
        isIn(htlc, local.coverage) ? "local" : "",
        last !== undefined && isIn(htlc, last.coverage) ? "remote" : "",
        isCleared(party.channel, htlc) ? "cleared" : "",
        isSettled(party.channel, htlc) ? "settled" : "",
      ]
        .join(" ")
        .trim();
    };
    pair.offer("alice", 1, 1_000_000n);
    expect(facts(alice)).toBe("");
    alice.flush();
    expect(facts(alice)).toBe("remote");
    pair.deliver("alice");
    pair.deliver("alice");
    expect(facts(bob)).toBe("local");
    bob.flush();
    expect(facts(bob)).toBe("local remote");
    pair.deliver("bob");
    expect(facts(alice)).toBe("remote");
    pair.deliver("bob");
    expect(facts(alice)).toBe("local remote cleared");
    pair.deliver("alice");
    expect(facts(bob)).toBe("local remote cleared");
    bob.run({ type: "fail_htlc", id: 0n, reason: new Uint8Array(1) });
    bob.flush();
    expect(facts(bob)).toBe("local  cleared");
    pair.settle();
    expect(facts(alice)).toBe("none");
    expect(facts(bob)).toBe("none");
  });
});

describe("the rows that are kept", () => {
  it("of fees: the peer's newest, of ours the one in force and those after it", () => {
    const local = (number: number) => ({ owner: "local" as const, number, feeRate: number });
    const remote = (number: number) => ({ owner: "remote" as const, number, feeRate: number });
    const numbers = (fees: ReturnType<typeof liveFees>) => fees.map(({ owner, number }) => `${owner} ${number}`);
    const all = [local(0), remote(0), remote(3), local(4), local(6), remote(8), local(9)];
    expect(numbers(liveFees(all, 0))).toEqual(["remote 8", "local 0", "local 4", "local 6", "local 9"]);
    expect(numbers(liveFees(all, 7))).toEqual(["remote 8", "local 6", "local 9"]);
    expect(numbers(liveFees(all, 100))).toEqual(["remote 8", "local 9"]);
    expect(liveFees([], 5)).toEqual([]);
  });

  it("of HTLCs with one hash: its lock lasts as long as any of them", () => {
    const pair = new ChannelPair().open();
    const lock = lockOf(hashOf(1));
    pair.offer("alice", 1, 1_000_000n);
    pair.offer("alice", 1, 2_000_000n);
    pair.settle();
    expect(pair.bob.channel.locks.get(lock)).toBe(2);
    pair.bob.run({ type: "fail_htlc", id: 0n, reason: new Uint8Array(1) });
    pair.settle();
    expect(pair.bob.channel.locks.get(lock)).toBe(1);
    pair.bob.run({ type: "fulfill", id: 2n, preimage: secret(1) });
    pair.settle();
    expect(pair.bob.channel.locks.has(lock)).toBe(false);
  });

  it("[B2-14] hold the peer's unrevoked commitments, the HTLCs and the peer's signature on ours", () => {
    const pair = new ChannelPair().open();
    pair.offer("alice", 1, 1_000_000n);
    pair.settle();
    const { commitments, htlcs } = rowsOf(pair.bob.channel);
    expect(htlcs).toMatchObject([{ id: 0n, offerer: "remote", removal: undefined }]);
    const ours = commitments.filter(({ holder }) => holder === "local");
    expect(ours).toHaveLength(1);
    expect(ours[0]?.signature).toHaveLength(64);
    expect(commitments.filter(({ holder }) => holder === "remote")).toMatchObject([{ signature: undefined }]);
  });
});

describe("apply", () => {
  it("stops at what our own code never does", () => {
    const pair = new ChannelPair().open();
    pair.offer("alice", 1, 1_000_000n);
    const { channel } = pair.alice;
    const [row] = rowsOf(channel).htlcs;
    if (row === undefined) throw new Error("no HTLC");
    expect(() => apply(channel, [{ type: "htlc_added", row }])).toThrow("added once");
    const removal = { type: "failed" as const, reason: new Uint8Array(0) };
    expect(() =>
      apply(channel, [{ type: "htlc_removed", id: 8n, removal, removedBy: "local", removeNumber: 1 }]),
    ).toThrow("removed once");
    expect(() => apply(channel, [{ type: "totals", row: channel.totals }])).toThrow("while a channel opens");
  });
});
