import { describe, expect, it } from "vitest";
import { asChannelId, concatBytes, type Msat } from "../../src/core/base/index.ts";
import { encodePing, encodePkt, encodeTransportMessage } from "../../src/core/wire/index.ts";
import type { ChannelSummary } from "../../src/node/index.ts";

import type { BadPeer } from "../support/bad-peer.ts";
import { bytesOf, EVEN_FIELD, ODD_FIELD, setScene } from "../support/bad-peer-scene.ts";

const scene = setScene();

describe("what concerns one channel does not touch another", () => {
  async function twoChannels(
    name: string,
  ): Promise<{ peer: BadPeer; channels: readonly [ChannelSummary, ChannelSummary] }> {
    const { peer } = await scene.withChannel(name);
    await scene.openChannel(peer);
    const [first, second] = scene.channelsWith(peer);
    if (first === undefined || second === undefined) throw new Error("there are no two channels");
    peer.obedient = false;
    return { peer, channels: [first, second] };
  }

  it("[B2-2] an undecodable packet fails the channel that it names", async () => {
    const { peer, channels } = await twoChannels("names one");
    const channelId = peer.channels[1]?.state.id;
    peer.sendPacket(concatBytes(encodePkt({ channelId, message: { type: "open_complete" } }), EVEN_FIELD));
    await scene.hasFailed(channels[1], await scene.violation(peer));
    expect(scene.node.channel(channels[0].channel)?.stage).toBe("open");
    await scene.paysFriend();
  });

  it("[B2-1] an undecodable packet that names no channel fails all with its sender", async () => {
    const { peer, channels } = await twoChannels("names none");
    peer.sendPacket(Uint8Array.of(0, 0xff));
    const told = await scene.violation(peer);
    for (const channel of channels) await scene.hasFailed(channel, told);
    await scene.paysFriend();
  });

  it("[B2-2] an undecodable packet that names somebody else's channel fails nothing", async () => {
    const [victim, { peer }] = [await scene.withChannel("victim"), await scene.withChannel("intruder")];
    const channelId = victim.kept.state.id;
    peer.obedient = false;
    peer.sendPacket(concatBytes(encodePkt({ channelId, message: { type: "open_complete" } }), EVEN_FIELD));
    peer.send({ type: "error", problem: "yours is broken" }, { channelId });
    peer.send(scene.add(peer), { channelId });
    await peer.until(() => peer.errors().length === 2);
    expect(peer.errors()).toEqual([
      "remote undecodable [B2-2], type unknown_even_field, message pkt, field 60",
      "unknown channel",
    ]);
    expect(scene.channelsWith(victim.peer).map(({ stage }) => stage)).toEqual(["open"]);
    expect(scene.channelsWith(peer).map(({ stage }) => stage)).toEqual(["open"]);
    await scene.paysFriend();
  });

  it("[B2-2] what is odd and unknown is counted and ignored", async () => {
    const { peer } = await scene.withChannel("odd");
    peer.obedient = false;
    const channelId = peer.channels[0]?.state.id;
    const odd = concatBytes(Uint8Array.of(0), ODD_FIELD);
    peer.sendPacket(odd);
    peer.sendPacket(concatBytes(encodePkt({ channelId, message: scene.add(peer) }), ODD_FIELD));
    peer.send(scene.add(peer, { id: 4n }));
    await peer.hangUp();
    await scene.connect(peer);
    expect(scene.violations(peer)).toEqual([]);
    expect(scene.channelsWith(peer).map(({ stage, htlcs }) => [stage, htlcs])).toEqual([["open", 2]]);
  });

  it("[B2-42] an error fails its channel, and is not answered with one", async () => {
    const { peer, channels } = await twoChannels("error");
    peer.send({ type: "error", problem: "I do not like you" });
    await scene.hasFailed(channels[0], "the peer failed the channel: I do not like you");
    // The answer to what comes after shows that nothing was said before.
    peer.send(scene.add(peer), { channelId: asChannelId(bytesOf("nothing", 32)) });
    await peer.until(() => peer.errors().length > 0);
    expect(peer.errors()).toEqual(["unknown channel"]);
    expect(scene.violations(peer)).toEqual([]);
    expect(scene.node.channel(channels[1].channel)?.stage).toBe("open");
    await scene.paysFriend();
  });
});

describe("a peer that wants to cost much", () => {
  it("has few channels that are not in a block", async () => {
    const peer = scene.peer("flood of open_channel");
    await scene.connect(peer);
    for (let n = 0; n < 60; n++) peer.propose(scene.node.nodeId);
    await peer.until(() => peer.errors().length === 40);
    expect(new Set(peer.errors())).toEqual(
      new Set(["remote terms unacceptable [B2-8], unconfirmed channels of this peer, limit 20, actual 21"]),
    );
    expect(scene.channelsWith(peer)).toHaveLength(20);
    await scene.paysFriend();
  });

  it("sends 10,000 packets in one message", async () => {
    const { peer } = await scene.withChannel("tiny packets");
    peer.obedient = false;
    const odd = concatBytes(Uint8Array.of(0), ODD_FIELD);
    const message = encodeTransportMessage(
      peer.received,
      Array.from({ length: 10_000 }, () => odd),
    );
    peer.sendMessages([message, message, message]);
    const heard = peer.heard.length;
    const ping = encodeTransportMessage(0, [encodePing(Uint8Array.of(1, 2, 3))]);
    peer.sendMessages([ping]);
    peer.send(scene.add(peer), { channelId: asChannelId(bytesOf("nothing", 32)) });
    await scene.paysFriend();
    await peer.until(() => peer.heard.length > heard);
    expect(peer.errors()).toEqual(["unknown channel"]);
    expect(scene.channelsWith(peer).map(({ stage }) => stage)).toEqual(["open"]);
  });

  it("[B2-6] does not acknowledge what it makes the node say", async () => {
    const { peer } = await scene.withChannel("never acknowledges");
    peer.obedient = false;
    const acknowledge = peer.received;
    const channelId = asChannelId(bytesOf("nothing", 32));
    const packet = encodePkt({ channelId, message: { type: "open_complete" } });
    const message = encodeTransportMessage(
      acknowledge,
      Array.from({ length: 1_000 }, () => packet),
    );
    for (let n = 0; n < 25; n++) peer.sendMessages([message]);
    await peer.until(() => !peer.connected);
    expect(peer.errors().length).toBeLessThanOrEqual(20_000);
    expect(scene.channelsWith(peer).map(({ stage }) => stage)).toEqual(["open"]);
    await scene.paysFriend();
  });

  it("claims as much as a message can hold", async () => {
    const { peer } = await scene.withChannel("claims");
    await peer.hangUp();
    await scene.connect(peer, { silent: true });
    const channels = Array.from({ length: 650 }, (_, n) => ({
      channelId: asChannelId(bytesOf(`${n}`, 32)),
      commitmentNumber: 0xffff_ffff_ffff_ffffn,
      lastRevocationPreimage: bytesOf("preimage", 32),
    }));
    peer.authenticate({ channels });
    peer.obedient = false;
    peer.send(scene.add(peer, { amountMsat: 1n as Msat, expiry: 499_999_999, route: new Uint8Array(4_096) }));
    await peer.hangUp();
    await scene.connect(peer);
    expect(scene.channelsWith(peer).map(({ stage, htlcs }) => [stage, htlcs])).toEqual([["open", 1]]);
    await scene.paysFriend();
  });

  it("[B2-41] is cut off and comes back, and may go on where it was", async () => {
    const { peer, kept } = await scene.withChannel("comes back");
    for (let n = 0; n < 20; n++) {
      await scene.connect(peer);
      await scene.connect(peer, { silent: true });
    }
    await scene.connect(peer);
    expect(peer.run(kept, { type: "close", script: undefined })).toBeUndefined();
    peer.flush(kept);
    await peer.until(() => kept.state.stage.stage === "close_agreed");
  });
});
