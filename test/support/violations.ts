// Every way in which a peer can break a rule that we have an error for, by the type of the error.
import { asPaymentHash, concatBytes, type Msat, type Satoshi } from "../../src/core/base/index.ts";
import { FIRST_REVOCATION_INDEX, sha256 } from "../../src/core/crypto/index.ts";
import type { ChannelErrorType } from "../../src/core/payment-channel/index.ts";
import { encodePkt, type PktMessage } from "../../src/core/wire/index.ts";
import type { RuleScene, VictimOptions } from "./rule-scene.ts";

/** One breach of a rule by the peer. */
export type Breach = {
  readonly by: string;
  readonly rule: string;
  /**
   * What ends: the channel, every channel with the peer, one that was to be opened by the peer or by us, or nothing but the
   * proposal.
   */
  readonly ends: "victim" | "all" | "newcomer" | "proposal";
  readonly victim?: VictimOptions;
  /** Everything before the message that breaks the rule. */
  readonly before?: (scene: RuleScene) => void | Promise<void>;
  readonly breach: (scene: RuleScene) => void | Promise<void>;
  /** False where nothing can be said to the peer, since no authenticate was exchanged. */
  readonly told?: boolean;
};

type Open = Extract<PktMessage, { type: "open_channel" }>;

const SIGNATURE = new Uint8Array(64).fill(7);
const NO_SCRIPT = Uint8Array.of(0x6a);
/** Field 60 of the outermost message, a number. */
const EVEN_FIELD = Uint8Array.of(0xe0, 0x03, 0x01);

function random(name: string): Uint8Array {
  return sha256(new TextEncoder().encode(name));
}

const SECRET = random("secret");

/** From now on the peer says what the test says, and nothing else. */
function deaf({ peer }: RuleScene): void {
  peer.obedient = false;
}

function tamper<T extends PktMessage["type"]>(
  { peer }: RuleScene,
  type: T,
  change: (message: Extract<PktMessage, { type: T }>) => PktMessage,
): void {
  peer.tamper = (message) => (message.type === type ? change(message as Extract<PktMessage, { type: T }>) : message);
}

/** The same terms are bad in either direction: proposed by the peer, or as its answer to ours. */
function terms(rule: string, what: string, change: (message: Open) => Open): readonly Breach[] {
  const before = (scene: RuleScene) => tamper(scene, "open_channel", change);
  return [
    {
      by: `proposing ${what}`,
      rule,
      ends: "proposal",
      before,
      breach: ({ peer, test }) => void peer.propose(test.nodeId),
    },
    { by: `answering with ${what}`, rule, ends: "newcomer", before, breach: (scene) => scene.nodeOpens() },
  ];
}

function inAnchor(rule: string, by: string, change: Partial<Extract<PktMessage, { type: "open_anchor" }>>): Breach {
  return {
    by,
    rule,
    ends: "newcomer",
    before: (scene) => tamper(scene, "open_anchor", (message) => ({ ...message, ...change })),
    breach: ({ peer, test }) => void peer.propose(test.nodeId),
  };
}

/** A single message, sent by a peer that says nothing else. */
function saying(rule: string, by: string, message: (scene: RuleScene) => PktMessage): Breach {
  return { by, rule, ends: "victim", before: deaf, breach: (scene) => void scene.peer.send(message(scene)) };
}

function closing(change: (message: Extract<PktMessage, { type: "close_signature" }>) => PktMessage) {
  return {
    ends: "victim" as const,
    before: (scene: RuleScene) => tamper(scene, "close_signature", change),
    breach: ({ peer, victim }: RuleScene) => {
      peer.run(victim, { type: "close", script: undefined });
      peer.flush(victim);
    },
  };
}

/** The node has offered an HTLC that stands in both commitments, and the peer listens no more. */
async function clearedHtlc(scene: RuleScene): Promise<void> {
  await scene.nodePays(SECRET);
  deaf(scene);
}

/** The node has offered an HTLC and signed for it, to a peer that says nothing. */
async function signedFor(scene: RuleScene): Promise<void> {
  deaf(scene);
  await scene.nodePays(SECRET);
}

function revocation(preimage: Uint8Array, nextRevocationHash = random("next hash")): PktMessage {
  return { type: "update_revocation", preimage, nextRevocationHash };
}

function ownPreimage({ peer, victim }: RuleScene, number: number): Uint8Array {
  return peer.signer.revocationPreimage(victim.state.channel.index, FIRST_REVOCATION_INDEX - BigInt(number));
}

/** By type. One that is not here is to be named in a test beside the code: see the test that asks for it. */
export const VIOLATIONS: Partial<Record<ChannelErrorType, readonly Breach[]>> = {
  remote_undecodable: [
    {
      by: "an unknown even field",
      rule: "B2-2",
      ends: "victim",
      before: deaf,
      breach: (scene) => {
        const channelId = scene.victim.state.id;
        scene.peer.sendPacket(concatBytes(encodePkt({ channelId, message: scene.add() }), EVEN_FIELD));
      },
    },
    {
      by: "bytes that are no packet",
      rule: "B2-1",
      ends: "all",
      before: deaf,
      breach: ({ peer }) => peer.sendPacket(Uint8Array.of(0, 0xff)),
    },
  ],
  remote_acknowledge: [
    {
      by: "an acknowledge of what we never sent",
      rule: "B2-5",
      ends: "all",
      before: deaf,
      breach: (scene) => void scene.peer.send(scene.add(), { acknowledge: scene.peer.received + 1 }),
    },
    {
      by: "an acknowledge that falls",
      rule: "B2-5",
      ends: "all",
      before: deaf,
      breach: (scene) => void scene.peer.send(scene.add(), { acknowledge: 0 }),
    },
    {
      by: "an authenticate that acknowledges what we never sent",
      rule: "B2-5",
      ends: "all",
      told: false,
      before: async (scene) => {
        await scene.hangUp();
        await scene.connect({ silent: true });
      },
      breach: ({ peer }) => peer.authenticate({ acknowledge: peer.received + 1 }),
    },
  ],
  remote_digest: [
    {
      by: "another history",
      rule: "B2-6",
      ends: "all",
      told: false,
      before: async (scene) => {
        await scene.hangUp();
        await scene.connect({ silent: true });
      },
      breach: ({ peer }) => peer.authenticate({ digest: random("digest") }),
    },
  ],
  unexpected_message: [
    saying("B2-13", "open_complete again", () => ({ type: "open_complete" })),
    saying("B2-7", "open_commit_sig again", () => ({ type: "open_commit_sig", signature: SIGNATURE })),
    saying("B2-7", "open_anchor again", ({ victim }) => ({
      type: "open_anchor",
      txid: victim.state.funding?.txid ?? (random("txid") as never),
      outputIndex: 0,
      amountSat: 1_000_000n as Satoshi,
      commitSignature: SIGNATURE,
    })),
    saying("B2-33", "close_signature before close_clearing", () => ({
      type: "close_signature",
      closeFeeSat: 100n as Satoshi,
      signature: SIGNATURE,
    })),
    saying("B2-5", "authenticate for a channel", ({ peer }) => ({
      type: "authenticate",
      features: new Uint8Array(0),
      digest: peer.receivedDigest,
      channels: [],
    })),
    {
      by: "close_clearing twice",
      rule: "B2-32",
      ends: "victim",
      before: (scene) => {
        deaf(scene);
        scene.peer.send({ type: "close_clearing" });
      },
      breach: ({ peer }) => void peer.send({ type: "close_clearing" }),
    },
  ],
  remote_delay_unreasonable: terms("B2-8", "a delay of 1,009 blocks", (message) => ({ ...message, delay: 1_009 })),
  remote_min_depth_unreasonable: terms("B2-8", "a min_depth of 145", (message) => ({ ...message, minDepth: 145 })),
  remote_fee_rate_unreasonable: [
    ...terms("B2-8", "a fee rate above our highest", (message) => ({ ...message, initialFeeRate: 25_001 })),
    ...terms("B2-8", "a fee rate under our floor", (message) => ({ ...message, initialFeeRate: 1_349 })),
    saying("B2-25", "update_fee above our highest", () => ({ type: "update_fee", feeRate: 25_001 })),
  ],
  remote_reserve_unreasonable: [
    {
      by: "proposing a reserve above 5 % of the anchor",
      rule: "B2-8",
      ends: "newcomer",
      before: (scene) =>
        tamper(scene, "open_channel", (message) => ({ ...message, channelReserveSat: 50_001n as Satoshi })),
      breach: ({ peer, test }) => void peer.propose(test.nodeId),
    },
    {
      by: "answering with a reserve above 5 % of the anchor",
      rule: "B2-8",
      ends: "newcomer",
      before: (scene) =>
        tamper(scene, "open_channel", (message) => ({ ...message, channelReserveSat: 25_001n as Satoshi })),
      breach: (scene) => scene.nodeOpens(),
    },
  ],
  remote_terms_unacceptable: [
    {
      by: "proposing that nobody makes the anchor",
      rule: "B2-9",
      ends: "proposal",
      before: (scene) => tamper(scene, "open_channel", (message) => ({ ...message, anchor: "wont_create" })),
      breach: ({ peer, test }) => void peer.propose(test.nodeId),
    },
    {
      by: "answering that it makes the anchor too",
      rule: "B2-9",
      ends: "newcomer",
      before: (scene) => tamper(scene, "open_channel", (message) => ({ ...message, anchor: "will_create" })),
      breach: (scene) => scene.nodeOpens(),
    },
    {
      by: "answering with a gift out of our money",
      rule: "B2-9",
      ends: "newcomer",
      before: (scene) => tamper(scene, "open_channel", (message) => ({ ...message, pushMsat: 1n as Msat })),
      breach: (scene) => scene.nodeOpens(),
    },
  ],
  remote_close_script: [
    ...terms("B2-45", "a close script that no node relays", (message) => ({ ...message, closeScript: NO_SCRIPT })),
    saying("B2-45", "close_clearing to such a script", () => ({ type: "close_clearing", closeScript: NO_SCRIPT })),
  ],
  anchor_too_large: [inAnchor("B2-12", "an anchor of 4,294,968 satoshi", { amountSat: 4_294_968n as Satoshi })],
  anchor_too_small: [
    inAnchor("B2-46", "an anchor of 19,999 satoshi", { amountSat: 19_999n as Satoshi }),
    inAnchor("B2-12", "an anchor of no more than it gives away", { amountSat: 300_000n as Satoshi }),
  ],
  anchor_wrong_on_chain: [
    {
      by: "an anchor that holds one satoshi less than was said",
      rule: "B2-12",
      ends: "newcomer",
      before: async ({ peer, test, world }) => {
        peer.anchorLacksSat = 1n;
        peer.propose(test.nodeId);
        await world.quiet();
      },
      breach: ({ world }) => void world.chain.mine(1),
    },
  ],
  bad_commitment_signature: [
    inAnchor("B2-11", "open_anchor with a wrong signature", { commitSignature: SIGNATURE }),
    {
      by: "open_commit_sig with a wrong signature",
      rule: "B2-11",
      ends: "newcomer",
      before: (scene) => tamper(scene, "open_commit_sig", (message) => ({ ...message, signature: SIGNATURE })),
      breach: (scene) => scene.nodeOpens(),
    },
    {
      by: "update_commit with a wrong signature",
      rule: "B2-27",
      ends: "victim",
      before: (scene) => {
        deaf(scene);
        scene.peer.send(scene.add());
      },
      breach: ({ peer }) => void peer.send({ type: "update_commit", signature: SIGNATURE }),
    },
  ],
  bad_close_signature: [
    {
      by: "a close_signature of something else",
      rule: "B2-33",
      ...closing((message) => ({ ...message, signature: SIGNATURE })),
    },
  ],
  close_fee_out_of_range: [
    { by: "an odd fee", rule: "B2-33", ...closing((message) => ({ ...message, closeFeeSat: 101n as Satoshi })) },
    {
      by: "a fee above that of both commitments",
      rule: "B2-33",
      ...closing((message) => ({ ...message, closeFeeSat: 1_000_000n as Satoshi })),
    },
  ],
  remote_amount_zero: [saying("B2-17", "an HTLC of nothing", (scene) => scene.add({ amountMsat: 0n as Msat }))],
  remote_insufficient_balance: [
    saying("B2-18", "an HTLC of more than it has", (scene) => scene.add({ amountMsat: 0xffff_ffffn as Msat })),
    saying("B2-18", "an HTLC that leaves less than the reserve", (scene) =>
      scene.add({ amountMsat: (scene.victim.state.totals.localMsat - 9_999_000n) as Msat }),
    ),
  ],
  remote_too_many_htlcs: [
    {
      by: "HTLC number 1,151 worth an output",
      rule: "B2-19",
      ends: "victim",
      victim: { amountSat: 4_294_967n, pushMsat: 1_000_000_000n, used: false },
      before: (scene) => {
        deaf(scene);
        scene.adds(1_150, 546_000n);
      },
      breach: (scene) => scene.adds(1, 546_000n, 1_150),
    },
    {
      by: "HTLC number 1,501, be it dust",
      rule: "B2-19",
      ends: "victim",
      before: (scene) => {
        deaf(scene);
        scene.adds(1_500, 1n);
      },
      breach: (scene) => scene.adds(1, 1n, 1_500),
    },
  ],
  remote_dust_exposure: [
    {
      by: "dust of more than 10,000 satoshi",
      rule: "B2-17",
      ends: "victim",
      before: (scene) => {
        deaf(scene);
        scene.adds(18, 545_000n);
      },
      breach: (scene) => scene.adds(1, 545_000n, 18),
    },
  ],
  remote_htlc_id: [
    saying("LS-21", "an id of ours", (scene) => scene.add({ id: 1n })),
    saying("LS-21", "an id used before", (scene) => scene.add({ id: 0n })),
    saying("LS-21", "an id out of its turn", (scene) => scene.add({ id: 100n })),
  ],
  remote_hash_collision: [
    ...terms("B2-34", "one revocation hash twice", (message) => ({
      ...message,
      nextRevocationHash: message.revocationHash,
    })),
    saying("B2-34", "an HTLC whose hash is a revocation hash", (scene) => {
      const [hash] = scene.victim.state.revocationHashes.values();
      return scene.add({ paymentHash: asPaymentHash(hash ?? new Uint8Array(0)) });
    }),
    {
      by: "a revocation hash that is a live payment hash",
      rule: "B2-34",
      ends: "victim",
      victim: { used: false },
      before: signedFor,
      breach: (scene) => void scene.peer.send(revocation(ownPreimage(scene, 0), sha256(SECRET))),
    },
  ],
  remote_unknown_htlc: [
    saying("B2-23", "a removal of what is not there", () => ({
      type: "update_fail_htlc",
      id: 101n,
      reason: new Uint8Array(0),
    })),
    {
      by: "a removal of an HTLC of its own",
      rule: "B2-23",
      ends: "victim",
      before: (scene) => {
        deaf(scene);
        scene.peer.send(scene.add());
      },
      breach: (scene) => {
        const id = (scene.victim.state.totals.localLastId ?? 0n) + 2n;
        scene.peer.send({ type: "update_fulfill_htlc", id, preimage: SECRET });
      },
    },
  ],
  remote_htlc_not_cleared: [
    {
      by: "a removal of what it has not signed for",
      rule: "B2-23",
      ends: "victim",
      before: signedFor,
      breach: ({ peer }) => void peer.send({ type: "update_fulfill_htlc", id: 1n, preimage: SECRET }),
    },
  ],
  remote_already_removed: [
    {
      by: "a second fulfil",
      rule: "B2-23",
      ends: "victim",
      before: async (scene) => {
        await clearedHtlc(scene);
        scene.peer.send({ type: "update_fulfill_htlc", id: 1n, preimage: SECRET });
      },
      breach: ({ peer }) => void peer.send({ type: "update_fulfill_htlc", id: 1n, preimage: SECRET }),
    },
    {
      by: "a fulfil of what it has failed",
      rule: "B2-23",
      ends: "victim",
      before: async (scene) => {
        await clearedHtlc(scene);
        scene.peer.send({ type: "update_fail_htlc", id: 1n, reason: new Uint8Array(0) });
      },
      breach: ({ peer }) => void peer.send({ type: "update_fulfill_htlc", id: 1n, preimage: SECRET }),
    },
  ],
  remote_wrong_preimage: [
    {
      by: "another preimage",
      rule: "B2-23",
      ends: "victim",
      before: clearedHtlc,
      breach: ({ peer }) => void peer.send({ type: "update_fulfill_htlc", id: 1n, preimage: random("another") }),
    },
  ],
  remote_add_while_closing: [
    {
      by: "an add after its close_clearing",
      rule: "B2-32",
      ends: "victim",
      before: (scene) => {
        deaf(scene);
        scene.peer.send({ type: "close_clearing" });
      },
      breach: (scene) => void scene.peer.send(scene.add()),
    },
  ],
  remote_cannot_pay_fee: [
    {
      by: "update_fee of which it can't pay half",
      rule: "B2-25",
      ends: "victim",
      victim: { pushMsat: 988_000_000n, used: false },
      before: async (scene) => {
        for (let n = 0; n < 20; n++) await scene.nodePays(random(`payment ${n}`));
        deaf(scene);
      },
      breach: ({ peer }) => void peer.send({ type: "update_fee", feeRate: 25_000 }),
    },
  ],
  empty_commit: [
    saying("B2-26", "update_commit to nothing new", () => ({ type: "update_commit", signature: SIGNATURE })),
  ],
  wrong_revocation_preimage: [
    {
      by: "a preimage of another hash",
      rule: "B2-28",
      ends: "victim",
      before: signedFor,
      breach: ({ peer }) => void peer.send(revocation(random("no preimage"))),
    },
  ],
  revocation_not_derivable: [
    {
      by: "preimages that are not of one chain",
      rule: "B2-34",
      ends: "victim",
      // The hash of the second commitment is of a preimage that the third can't be derived from.
      victim: { used: false },
      before: async (scene) => {
        await signedFor(scene);
        scene.peer.send(revocation(ownPreimage(scene, 0)));
        await scene.nodePays(random("second"));
      },
      breach: ({ peer }) => void peer.send(revocation(random("not of the chain"))),
    },
  ],
  revocation_without_commit: [
    saying("B2-28", "a revocation of the only commitment", () => revocation(random("preimage"))),
  ],
};

/** For the breach that begins with the channel's opening. */
export function beforeOpening(scene: RuleScene, { by }: Breach): void {
  if (by !== "preimages that are not of one chain") return;
  let first = true;
  tamper(scene, "open_channel", (message) => {
    if (!first) return message;
    first = false;
    return { ...message, nextRevocationHash: sha256(random("not of the chain")) };
  });
}
