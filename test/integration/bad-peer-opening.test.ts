import { describe, expect, it } from "vitest";
import { concatBytes, type Satoshi } from "../../src/core/base/index.ts";
import type { PktMessage } from "../../src/core/wire/index.ts";

import type { BadPeer } from "../support/bad-peer.ts";
import { SIGNATURE, setScene } from "../support/bad-peer-scene.ts";

const scene = setScene();

type Proposal = Extract<PktMessage, { type: "open_channel" }>;

const atOpening: readonly { name: string; change: (message: Proposal) => PktMessage; problem: string }[] = [
  {
    name: "[B2-10] a key that is no point",
    change: (message) => ({ ...message, commitKey: concatBytes(Uint8Array.of(2), new Uint8Array(32).fill(0xff)) }),
    problem: "remote undecodable [B2-10], type bad_public_key, message open_channel, field commit_key",
  },
  {
    name: "[B2-8] an unreasonable delay",
    change: (message) => ({ ...message, delay: 1009 }),
    problem: "remote delay unreasonable [B2-8], limit 1008, actual 1009",
  },
  {
    name: "[B2-8] an unreasonable fee",
    change: (message) => ({ ...message, initialFeeRate: 25_001 }),
    problem: "remote fee rate unreasonable [B2-8], limit 25000, actual 25001",
  },
  {
    name: "[B2-8] an unreasonable depth",
    change: (message) => ({ ...message, minDepth: 145 }),
    problem: "remote min depth unreasonable [B2-8], limit 144, actual 145",
  },
  {
    name: "[B2-9] an anchor that nobody creates",
    change: (message) => ({ ...message, anchor: "wont_create" }),
    problem: "remote terms unacceptable [B2-9], the first open_channel must create the anchor",
  },
  {
    name: "[B2-34] a revocation hash that stands twice",
    change: (message) => ({ ...message, nextRevocationHash: message.revocationHash }),
    problem: "remote hash collision [B2-34], a revocation hash stands twice",
  },
];

function tamperProposal(peer: BadPeer, change: (message: Proposal) => PktMessage): void {
  peer.tamper = (message) => (message.type === "open_channel" ? change(message) : message);
}

describe("a peer that proposes what is against the rules", () => {
  it.each(atOpening)("$name: no channel comes of it, and the one it has goes on", async ({ name, change, problem }) => {
    const { peer } = await scene.withChannel(name);
    tamperProposal(peer, change);
    peer.propose(scene.node.nodeId);
    expect((await peer.hears("error")).problem).toBe(problem);
    expect(await scene.violation(peer)).toBe(problem);
    expect(scene.channelsWith(peer).map(({ stage }) => stage)).toEqual(["open"]);
    await scene.paysFriend();
  });

  it.each(atOpening)("$name: a stranger is told, and may do better", async ({ name, change, problem }) => {
    const peer = scene.peer(`stranger ${name}`);
    await scene.connect(peer);
    tamperProposal(peer, change);
    peer.propose(scene.node.nodeId);
    expect((await peer.hears("error")).problem).toBe(problem);
    expect(scene.channelsWith(peer)).toEqual([]);
    await peer.hangUp();
    await scene.connect(peer);
    peer.tamper = (message) => message;
    await scene.openChannel(peer);
    await scene.paysFriend();
  });

  const anchors: readonly {
    name: string;
    change: Partial<Extract<PktMessage, { type: "open_anchor" }>>;
    problem: RegExp;
  }[] = [
    {
      name: "[B2-12] is too large",
      change: { amountSat: 4_294_968n as Satoshi },
      problem: /^anchor too large \[B2-12\], limit 4294967, actual 4294968$/,
    },
    {
      name: "[B2-46] is too small",
      change: { amountSat: 19_999n as Satoshi },
      problem: /^anchor too small \[B2-46\], limit 20000, actual 19999$/,
    },
    {
      name: "[B2-12] holds less than it gives away",
      change: { amountSat: 300_000n as Satoshi },
      problem: /^anchor too small \[B2-12\], limit \d+, actual 300000$/,
    },
    {
      name: "[B2-11] comes with a wrong signature",
      change: { commitSignature: SIGNATURE },
      problem: /^bad commitment signature \[B2-11\], open_anchor, actual 0$/,
    },
  ];
  it.each(anchors)("an anchor that $name", async ({ name, change, problem }) => {
    const peer = scene.peer(name);
    await scene.connect(peer);
    peer.tamper = (message) => (message.type === "open_anchor" ? { ...message, ...change } : message);
    peer.propose(scene.node.nodeId);
    const told = await scene.violation(peer);
    expect(told).toMatch(problem);
    expect((await peer.hears("error")).problem).toBe(told);
    expect(scene.channelsWith(peer).map(({ stage, failure }) => [stage, failure])).toEqual([["abandoned", told]]);
    await scene.paysFriend();
  });

  it("[B2-12] an anchor that holds less than was said", async () => {
    const peer = scene.peer("short anchor");
    await scene.connect(peer);
    peer.anchorLacksSat = 1n;
    const kept = peer.propose(scene.node.nodeId);
    await peer.until(() => kept.state.stage.stage === "awaiting_depth");
    const [before] = scene.channelsWith(peer);
    scene.chain.mine(1);
    const told = await scene.violation(peer);
    expect(told).toBe("anchor wrong on chain [B2-12], limit 1000000, actual 999999");
    if (before !== undefined) await scene.hasFailed(before, told);
    expect((await peer.hears("error")).problem).toBe(told);
    await scene.paysFriend();
  });
});
