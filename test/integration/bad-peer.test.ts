import { describe, expect, it } from "vitest";
import { concatBytes, toHex } from "../../src/core/base/index.ts";
import { encodePkt, encodeTransportMessage } from "../../src/core/wire/index.ts";
import type { ChannelSummary } from "../../src/node/index.ts";

import type { BadPeer } from "../support/bad-peer.ts";
import { bytesOf, EVEN_FIELD, SIGNATURE, setScene } from "../support/bad-peer-scene.ts";

type Kept = BadPeer["channels"][number];

const scene = setScene();

type Case = {
  readonly name: string;
  readonly deviate: (peer: BadPeer, kept: Kept) => void | Promise<void>;
  /** What the node tells, and the peer where it can. */
  readonly problem: string | RegExp;
};

/** What is about bytes, numbers and connections; every other rule is in the table of violations. */
const afterOpen: readonly Case[] = [
  {
    name: "[B2-1] garbage in the place of a transport message",
    deviate: (peer) => peer.sendMessages([concatBytes(new Uint8Array(8), Uint8Array.of(0xff, 0xff, 0xff, 0xff, 1))]),
    problem: "remote undecodable [B2-1], type undecodable",
  },
  {
    name: "[B2-1] an acknowledge beyond all counts",
    deviate: (peer) => peer.sendMessages([concatBytes(new Uint8Array(8).fill(0xff), Uint8Array.of(0))]),
    problem:
      "remote undecodable [B2-1], type number_too_large, message transport_message, field acknowledge, limit 9007199254740991, actual 18446744073709551615",
  },
  {
    name: "[B2-1] a packet longer than any",
    deviate: (peer) =>
      peer.sendMessages([concatBytes(new Uint8Array(8), Uint8Array.of(0xe9, 0xfb, 0x03), new Uint8Array(100))]),
    problem: "remote undecodable [B2-1], type packet_too_long, limit 65000, actual 65001",
  },
  {
    name: "[B2-1] a packet of no family",
    deviate: (peer) => peer.sendPacket(Uint8Array.of(200, 1, 2, 3)),
    problem: "remote undecodable [B2-1], type unknown_family, family 200",
  },
  {
    name: "[B2-1] garbage in the place of a packet",
    deviate: (peer) => peer.sendPacket(concatBytes(Uint8Array.of(0), bytesOf("garbage", 500))),
    problem: "remote undecodable [B2-1], type undecodable",
  },
  {
    name: "[B2-2] an unknown even field",
    deviate: (peer) => {
      const channelId = peer.channels[0]?.state.id;
      peer.sendPacket(concatBytes(encodePkt({ channelId, message: scene.add(peer) }), EVEN_FIELD));
    },
    problem: "remote undecodable [B2-2], type unknown_even_field, message pkt, field 60",
  },
  {
    name: "[B2-1] a signature whose r is zero",
    deviate: (peer) =>
      void peer.send({ type: "update_commit", signature: concatBytes(new Uint8Array(32), SIGNATURE.slice(32)) }),
    problem: "remote undecodable [B2-1], type bad_signature, message update_commit, field sig",
  },
  {
    name: "[B2-27] a wrong signature",
    deviate: (peer) => {
      peer.send(scene.add(peer));
      peer.send({ type: "update_commit", signature: SIGNATURE });
    },
    problem: "bad commitment signature [B2-27], actual 3",
  },
  {
    name: "[B2-27] a signature whose r is not of the field",
    deviate: (peer) => {
      peer.send(scene.add(peer));
      const r = new Uint8Array(32).fill(0xff);
      peer.send({ type: "update_commit", signature: concatBytes(r, SIGNATURE.slice(32)) });
    },
    problem: "bad commitment signature [B2-27], actual 3",
  },
  {
    name: "[LS-21] a packet sent twice",
    deviate: (peer) => {
      const packet = peer.send(scene.add(peer));
      peer.sendPacket(packet);
    },
    problem: "remote htlc id [LS-21], limit 4, actual 2",
  },
  {
    name: "[LS-21] a transport message sent twice",
    deviate: (peer) => {
      const packet = encodePkt({ channelId: peer.channels[0]?.state.id, message: scene.add(peer) });
      const message = encodeTransportMessage(peer.received, [packet, Uint8Array.of(100, 1)]);
      peer.sendMessages([message, message]);
    },
    problem: "remote htlc id [LS-21], limit 4, actual 2",
  },
  {
    name: "[B2-6] a packet sent again after it was acknowledged",
    deviate: async (peer) => {
      const packet = peer.send(scene.add(peer));
      await peer.hangUp();
      await scene.connect(peer);
      peer.sendPacket(packet);
    },
    problem: "remote htlc id [LS-21], limit 4, actual 2",
  },
  {
    name: "[B2-5] an acknowledge of what was never sent",
    deviate: (peer) => void peer.send(scene.add(peer), { acknowledge: peer.received + 1 }),
    problem: /^remote acknowledge \[B2-5\], limit (\d+), actual \d+$/,
  },
  {
    name: "[B2-5] an acknowledge that falls",
    deviate: (peer) => {
      peer.send(scene.add(peer));
      peer.send(scene.add(peer, { id: 4n }), { acknowledge: peer.received - 1 });
    },
    problem: /^remote acknowledge \[B2-5\], limit \d+, actual \d+$/,
  },
  {
    name: "[B2-5] a second authenticate on a connection",
    deviate: (peer) => peer.authenticate(),
    problem: "unexpected message [B2-5], authenticate for no channel",
  },
  {
    name: "[B2-5] a message for no channel",
    deviate: (peer) => void peer.send(scene.add(peer), { channelId: undefined }),
    problem: "unexpected message [B2-5], update_add_htlc for no channel",
  },
];

describe("a peer that breaks a rule of an open channel", () => {
  it.each(afterOpen)("$name", async ({ name, deviate, problem }) => {
    const { peer, kept } = await scene.withChannel(name);
    const [before] = scene.channelsWith(peer);
    if (before === undefined) throw new Error("there is no channel");
    expect(before.localCommitment).toBe(2);
    peer.obedient = false;
    await deviate(peer, kept);
    const told = await scene.violation(peer);
    if (typeof problem === "string") expect(told).toBe(problem);
    else expect(told).toMatch(problem);
    await scene.hasFailed(before, told);
    expect((await peer.hears("error")).problem).toBe(told);
    await scene.paysFriend();
  });
});

const atAuthenticate: readonly Case[] = [
  {
    name: "[B2-5] what comes first is no authenticate",
    deviate: (peer) => void peer.send(scene.add(peer)),
    problem: "remote undecodable [B2-5], the first packet of a connection is authenticate",
  },
  {
    name: "[B2-5] an acknowledge above what was sent",
    deviate: (peer) => peer.authenticate({ acknowledge: 1_000_000 }),
    problem: /^remote acknowledge \[B2-5\], limit \d+, actual 1000000$/,
  },
  {
    name: "[B2-5] an acknowledge below one before",
    deviate: (peer) => peer.authenticate({ acknowledge: 1 }),
    problem: /^remote acknowledge \[B2-5\], limit \d+, actual 1$/,
  },
  {
    name: "[B2-6] a wrong digest",
    deviate: (peer) => peer.authenticate({ digest: bytesOf("digest", 32) }),
    problem: /^remote digest \[B2-6\], actual \d+$/,
  },
];

describe("a peer that breaks a rule at the start of a connection", () => {
  it.each(atAuthenticate)("$name", async ({ name, deviate, problem }) => {
    const { peer, kept } = await scene.withChannel(name);
    const [before] = scene.channelsWith(peer);
    if (before === undefined) throw new Error("there is no channel");
    await peer.hangUp();
    await scene.connect(peer, { silent: true });
    await deviate(peer, kept);
    const told = await scene.violation(peer);
    expect(told).toMatch(problem);
    await scene.hasFailed(before, told);
    await peer.until(() => !peer.connected);
    await scene.paysFriend();
  });
});

describe("afterwards", () => {
  it("[B2-43] [AC-4] the channels that failed are there with their newest commitments, and the node goes on", async () => {
    expect(scene.failed.length).toBeGreaterThan(15);
    const kept = (channel: ChannelSummary | undefined) =>
      channel && {
        channelId: toHex(channel.channelId),
        stage: channel.stage,
        failure: channel.failure,
        localCommitment: channel.localCommitment,
        remoteCommitment: channel.remoteCommitment,
      };
    await scene.restart();
    for (const channel of scene.failed) expect(kept(scene.node.channel(channel.channel))).toEqual(kept(channel));
    await scene.paysFriend();
  });
});
