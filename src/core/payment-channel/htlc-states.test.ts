import { describe, expect, it } from "vitest";
import { ChannelPair, type Party, secret } from "../../../test/support/channel-pair.ts";
import { commitmentState, htlcStates } from "./htlc-states.ts";

function states(party: Party, id = 0n): string {
  const htlc = party.channel.htlcs.get(id);
  if (htlc === undefined) return "gone";
  const { add, removal, inLocal, inRemote } = htlcStates(party.channel, htlc);
  const where = inLocal && inRemote ? "both" : inLocal ? "local" : inRemote ? "remote" : "none";
  return `${removal ?? add} in ${where}`;
}

function commitments(party: Party, holder: "local" | "remote"): (string | undefined)[] {
  return [0, 1, 2].map((number) => commitmentState(party.channel, holder, number));
}

/** Alice and Bob, and what both see after each message of one of them. */
class Story {
  readonly pair: ChannelPair;

  constructor(prestage: boolean) {
    this.pair = new ChannelPair({ bob: { prestageAdds: "ask" } }).open({ pushMsat: 500_000_000n, prestage });
  }

  see(): [string, string] {
    return [states(this.pair.alice), states(this.pair.bob)];
  }

  /** What both see when the next message of `from`, which is of this type, has arrived. */
  hears(from: "alice" | "bob", type: string): [string, string] {
    expect(this.pair[from].saying()[0]).toBe(type);
    this.pair.deliver(from);
    return this.see();
  }

  /** The end of a batch, in which somebody has something to say. */
  says(from: "alice" | "bob"): [string, string] {
    this.pair[from].flush();
    return this.see();
  }
}

describe("the states of seed 000", () => {
  it("[LS-16] [LS-28] [LS-31] its example of adding one HTLC, message by message", () => {
    const story = new Story(true);
    const { alice, bob } = story.pair;
    // 1. The requester flags it as pre-staged, and sends an add request.
    story.pair.offer("alice", 1, 10_000_000n);
    expect(story.see()).toEqual(["add_prestage in none", "gone"]);
    expect(story.hears("alice", "add_request")).toEqual(["add_prestage in none", "add_prestage in none"]);
    // 2. The responder accepts. It is now marked as staged on both sides.
    bob.run({ type: "accept_add", id: 0n });
    expect(story.see()).toEqual(["add_prestage in none", "add_staged in none"]);
    expect(story.hears("bob", "add_accept")).toEqual(["add_staged in none", "add_staged in none"]);
    expect(commitments(alice, "remote")).toEqual(["commit_complete", "commit_staging", undefined]);
    // 3. The requester signs a new commitment; in the responder's it stands from then on.
    expect(story.says("alice")).toEqual(["add_signing_and_revoking in remote", "add_staged in none"]);
    expect(commitments(alice, "remote")).toEqual(["commit_complete", "commit_signed", undefined]);
    // 4. The responder revokes its old commitment, and is committed to the new one.
    expect(story.hears("alice", "update_commit")).toEqual([
      "add_signing_and_revoking in remote",
      "add_staged in local",
    ]);
    expect(commitments(bob, "local")).toEqual(["commit_deprecated", "commit_complete", undefined]);
    // 5. The requester marks it as complete. The responder waits until it has signed, too.
    expect(story.hears("bob", "update_revocation")).toEqual(["add_complete in remote", "add_staged in local"]);
    expect(commitments(alice, "remote")).toEqual(["commit_deprecated", "commit_complete", undefined]);
    expect(bob.cleared()).toEqual([]);
    expect(story.says("bob")).toEqual(["add_complete in remote", "add_signing_and_revoking in both"]);
    // 6. Both have the new commitments, and the old ones are revoked.
    expect(story.hears("bob", "update_commit")).toEqual(["add_cleared in both", "add_signing_and_revoking in both"]);
    expect(story.hears("alice", "update_revocation")).toEqual(["add_cleared in both", "add_cleared in both"]);
    expect(bob.cleared()).toEqual([0n]);
  });

  it("[LS-17] of what is rejected", () => {
    const story = new Story(true);
    story.pair.offer("alice", 1, 10_000_000n);
    story.pair.deliver("alice");
    story.pair.bob.run({ type: "reject_add", id: 0n, reason: new Uint8Array(0) });
    expect(story.see()).toEqual(["add_prestage in none", "add_rejected in none"]);
    expect(story.hears("bob", "add_reject")).toEqual(["add_rejected in none", "add_rejected in none"]);
    story.pair.settle();
    expect(story.see()).toEqual(["gone", "gone"]);
  });

  it.each([
    ["settle", "[LS-22] of a settlement", { type: "fulfill", id: 0n, preimage: secret(1) }],
    ["timeout", "[LS-23] of a refund", { type: "fail_htlc", id: 0n, reason: new Uint8Array([1]) }],
  ] as const)("%s: %s", (kind, _, removal) => {
    const story = new Story(true);
    const { bob } = story.pair;
    story.pair.offer("alice", 1, 10_000_000n);
    story.pair.deliver("alice");
    bob.run({ type: "accept_add", id: 0n });
    story.pair.settle();
    bob.run(removal);
    expect(story.see()).toEqual(["add_cleared in both", `${kind}_prestage in both`]);
    expect(story.hears("bob", `${kind}_request`)).toEqual([`${kind}_prestage in both`, `${kind}_prestage in both`]);
    expect(story.says("alice")).toEqual([`${kind}_signing_and_revoking in local`, `${kind}_prestage in both`]);
    expect(story.hears("alice", `${kind}_accept`)).toEqual([
      `${kind}_signing_and_revoking in local`,
      `${kind}_staged in both`,
    ]);
    expect(story.hears("alice", "update_commit")).toEqual([
      `${kind}_signing_and_revoking in local`,
      `${kind}_staged in remote`,
    ]);
    expect(story.says("bob")).toEqual([
      `${kind}_signing_and_revoking in local`,
      `${kind}_signing_and_revoking in none`,
    ]);
    story.hears("bob", "update_revocation");
    expect(story.hears("bob", "update_commit")).toEqual(["gone", `${kind}_signing_and_revoking in none`]);
    expect(story.hears("alice", "update_revocation")).toEqual(["gone", "gone"]);
  });

  it("[LS-22] complete is what history keeps", () => {
    const story = new Story(false);
    const { alice, bob } = story.pair;
    story.pair.offer("alice", 1, 10_000_000n);
    story.pair.settle();
    bob.run({ type: "fulfill", id: 0n, preimage: secret(1) });
    const removed = bob.channel.htlcs.get(0n);
    if (removed === undefined) throw new Error("no HTLC");
    story.pair.settle();
    const nowhere = { add: "add_cleared", inLocal: false, inRemote: false };
    expect(htlcStates(bob.channel, removed)).toEqual({ ...nowhere, removal: "settle_complete" });
    expect(states(alice)).toBe("gone");
  });

  it("[LS-16] of a plain HTLC begin with staged, at both", () => {
    const story = new Story(false);
    story.pair.offer("alice", 1, 10_000_000n);
    expect(story.see()).toEqual(["add_staged in none", "gone"]);
    expect(story.hears("alice", "update_add_htlc")).toEqual(["add_staged in none", "add_staged in none"]);
    story.pair.settle();
    expect(story.see()).toEqual(["add_cleared in both", "add_cleared in both"]);
    story.pair.bob.run({ type: "fulfill", id: 0n, preimage: secret(1) });
    expect(story.see()).toEqual(["add_cleared in both", "settle_staged in both"]);
  });

  it("[LS-12] of commitments that there are not", () => {
    const pair = new ChannelPair();
    pair.propose();
    expect(commitmentState(pair.alice.channel, "local", 0)).toBeUndefined();
  });
});
