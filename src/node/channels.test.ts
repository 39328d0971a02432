import { describe, expect, it } from "vitest";
import { AMOUNT_SAT, ChannelPair, FEES } from "../../test/support/channel-pair.ts";
import { DualPair } from "../../test/support/dual-funding.ts";
import { FakeConnection } from "../../test/support/fake-connection.ts";
import { memoryStore } from "../adapters/store-memory/index.ts";
import { asChannelId, asNodeId, asTxid, type ChannelId, txidToDisplay } from "../core/base/index.ts";
import { payToWitnessPublicKeyHash } from "../core/bitcoin/index.ts";
import { keyPaths, seedSigner } from "../core/crypto/index.ts";
import { describeError } from "../core/payment-channel/index.ts";
import {
  decodePkt,
  encodeFeatures,
  encodePkt,
  encodeTransportMessage,
  type Feature,
  type FundingRequest,
  type PktMessage,
} from "../core/wire/index.ts";
import type { CoinRow } from "../ports/store.ts";
import { virtualClock } from "../testing/index.ts";
import { Channels, type InputCheck } from "./channels.ts";
import { Events } from "./events.ts";
import { type Batch, Journal } from "./journal.ts";
import { Payments } from "./payments.ts";
import { Records } from "./records.ts";
import { newStream, Session } from "./session.ts";
import { Wallet } from "./wallet.ts";

function idOf(n: number): ChannelId {
  const bytes = new Uint8Array(32).fill(9);
  new DataView(bytes.buffer).setUint32(0, n);
  return asChannelId(bytes);
}

const CLOCK = virtualClock();
const SIGNER = seedSigner(new Uint8Array(64).fill(5), 1);

/** The channels of a node with sessions of which the test is the other end. */
class Desk {
  readonly violations: string[] = [];
  readonly channels: Channels;
  readonly connections = new Map<Session, FakeConnection>();
  /** What the chain is asked about, oldest first. */
  readonly checks: InputCheck[] = [];
  private readonly journal: Journal;
  private peers = 0;

  constructor(coins: readonly CoinRow[] = []) {
    // Channels are adopted here that no store knows.
    const store = { ...memoryStore(), commit: async () => undefined };
    const events = new Events();
    events.subscribe((event) => event.type === "violation" && this.violations.push(event.problem));
    this.journal = new Journal({
      store,
      clock: CLOCK,
      sequence: 0,
      onHalt: (cause) => this.violations.push(`${cause}`),
    });
    const keys = keyPaths(1);
    const wallet = new Wallet({
      coins,
      keys: { nextReceive: 0, nextChange: 0 },
      channelIndexes: 0,
      signer: SIGNER,
      paths: keys,
      network: "regtest",
      height: 100,
      withdrawals: [],
      now: () => 0,
      onWithdrawal: () => undefined,
    });
    const { policy } = new ChannelPair().alice;
    this.channels = new Channels({
      nextIndex: 0,
      surroundings: () => ({ height: 100, caughtUp: true, now: 0, fees: FEES, policy, keys, signer: SIGNER }),
      wallet,
      payments: new Payments({ openInvoices: [], pendingPayments: [], clock: CLOCK, events }),
      events,
      random: { bytes: (length) => new Uint8Array(length).fill(3) },
      records: new Records({ clock: CLOCK, journal: this.journal }),
      inputLog: () => undefined,
      broadcast: () => undefined,
      checkInputs: (check) => this.checks.push(check),
      published: () => Promise.resolve({ commitments: [], htlcs: [] }),
      submit: (work) => this.journal.submit("other", work),
    });
  }

  async run(work: (batch: Batch) => void): Promise<void> {
    this.journal.post("other", work);
    await CLOCK.run();
  }

  /** A peer that is connected, both authenticates exchanged. */
  async peer(known: readonly Feature[] = []): Promise<Session> {
    const index = this.peers++;
    const nodeId = asNodeId(new Uint8Array(33).fill(2));
    const { channels } = this;
    const session = new Session({
      peer: { index, nodeId, address: undefined },
      stream: newStream(index),
      outbox: [],
      stored: false,
      clock: CLOCK,
      handlers: {
        onPacket: (batch, from, packet, number, acknowledge) =>
          channels.receive(batch, from, packet, number, acknowledge),
        onViolation: (batch, from, error, channel) => channels.violated(batch, from, error, channel),
        onCopy: () => undefined,
        onAuthenticate: (batch, from, described) => channels.shown(batch, from, described),
        onReady: (batch, from) => channels.ready(batch, from),
        channels: (from) => channels.authentication(from),
        hasChannels: (from) => channels.has(from),
        features: [],
      },
    });
    const connection = new FakeConnection(nodeId);
    this.connections.set(session, connection);
    const message = {
      type: "authenticate",
      features: encodeFeatures(known),
      digest: new Uint8Array(32),
      channels: [],
    } as const;
    await this.run((batch) => session.connect(batch, connection));
    await this.hear(session, [{ channelId: undefined, message }]);
    connection.sent.splice(0);
    return session;
  }

  hear(session: Session, packets: readonly { channelId: ChannelId | undefined; message: PktMessage }[]): Promise<void> {
    const connection = this.connections.get(session);
    if (connection === undefined) throw new Error("not a peer of this desk");
    const acknowledge = session.sent;
    return this.run((batch) => {
      for (const packet of packets) {
        session.receive(batch, connection, encodeTransportMessage(acknowledge, [encodePkt(packet)]));
      }
    });
  }

  /** The errors that a peer was sent. */
  errors(session: Session): string[] {
    const messages = this.connections.get(session)?.taken() ?? [];
    return messages.flatMap(({ packets }) =>
      packets.flatMap((bytes) => {
        const decoded = bytes.length === 0 ? undefined : decodePkt(bytes);
        return decoded?.ok && decoded.value.message.type === "error" ? [decoded.value.message.problem] : [];
      }),
    );
  }
}

/** What a peer proposes. */
function proposal(prestage = false): PktMessage {
  const pair = new ChannelPair();
  pair.propose({ prestage });
  const message = pair.alice.outgoing[0]?.pkt.message;
  if (message === undefined) throw new Error("no open_channel");
  return message;
}

const PROPOSAL = proposal();

function proposals(first: number, count: number): { channelId: ChannelId; message: PktMessage }[] {
  return Array.from({ length: count }, (_, n) => ({ channelId: idOf(first + n), message: PROPOSAL }));
}

describe("pre-staging", () => {
  it("[LS-16] is refused to a peer whose authenticate did not have it", async () => {
    const desk = new Desk();
    const message = proposal(true);
    const refusal = "remote terms unacceptable [LS-16], pre-staging that authenticate did not announce";
    const silent = await desk.peer();
    await desk.hear(silent, [{ channelId: idOf(0), message }]);
    expect(desk.errors(silent)).toEqual([refusal]);
    expect(desk.violations).toEqual([refusal]);
    const able = await desk.peer(["prestage"]);
    await desk.hear(able, [{ channelId: idOf(1), message }]);
    expect(desk.errors(able)).toEqual([]);
    expect(desk.channels.all().map(({ state }) => state.channel.prestage)).toEqual([true]);
  });
});

describe("how many channels a peer may have", () => {
  it("20 that are not in a block", async () => {
    const desk = new Desk();
    const peer = await desk.peer();
    await desk.hear(peer, proposals(0, 22));
    const refusal = "remote terms unacceptable [B2-8], unconfirmed channels of this peer, limit 20, actual 21";
    expect(desk.errors(peer)).toEqual([refusal, refusal]);
    expect(desk.violations).toEqual([refusal, refusal]);
    expect(desk.channels.all()).toHaveLength(20);
  });

  it("1,000 of all peers; then somebody who is gone, and at no loss, makes room", async () => {
    const desk = new Desk();
    const pair = new ChannelPair();
    pair.propose();
    pair.answer();
    const begun = pair.bob.channel;
    const peers: Session[] = [];
    for (let n = 0; n < 50; n++) {
      const peer = await desk.peer();
      peers.push(peer);
      for (let i = 0; i < 20; i++) desk.channels.adopt({ ...begun, id: idOf(20 * n + i) }, peer);
    }
    const late = await desk.peer();
    await desk.hear(late, proposals(2_000, 1));
    const refusal = "remote terms unacceptable [B2-8], unconfirmed channels of all peers, limit 1000, actual 1001";
    expect(desk.errors(late)).toEqual([refusal]);
    const gone = peers[7];
    const connection = gone && desk.connections.get(gone);
    if (gone === undefined || connection === undefined) throw new Error("there are 50 peers");
    gone.disconnect(connection);
    await desk.hear(late, proposals(3_000, 3));
    expect(desk.errors(late)).toEqual([]);
    const live = desk.channels.all().filter(({ state }) => state.stage.stage === "awaiting_open_anchor");
    expect(live).toHaveLength(1_000);
    expect(live.filter(({ session }) => session === late)).toHaveLength(3);
    expect(live.filter(({ session }) => session === gone)).toHaveLength(17);
  });

  it("[B2-5] as many as authenticate can name, whoever wants more", async () => {
    const desk = new Desk();
    const peer = await desk.peer();
    const { channel } = new ChannelPair().open().alice;
    for (let n = 0; n < 751; n++) desk.channels.adopt({ ...channel, id: idOf(n) }, peer);
    expect(desk.channels.authentication(peer)).toHaveLength(650);
    await desk.hear(peer, proposals(2_000, 1));
    expect(desk.errors(peer)).toEqual([
      "remote terms unacceptable [B2-8], channels with this peer, limit 650, actual 752",
    ]);
    await desk.run((batch) => {
      const opened = desk.channels.open(batch, peer, { amountSat: AMOUNT_SAT });
      expect(opened.ok).toBe(false);
      if (!opened.ok) expect(describeError(opened.error)).toContain("limit 650, actual 752");
    });
  });
});

describe("channels that have ended", () => {
  it("are forgotten but for the newest hundred, and their peer is a stranger again", async () => {
    const desk = new Desk();
    const peer = await desk.peer();
    for (let n = 0; n < 15; n++) {
      await desk.hear(peer, proposals(20 * n, 10));
      expect(desk.channels.has(peer)).toBe(true);
      const open = desk.channels.all().filter(({ state }) => state.stage.stage === "awaiting_open_anchor");
      const ends = open.map(({ id }) => ({ channelId: id, message: { type: "error" as const, problem: "no" } }));
      await desk.hear(peer, ends);
      expect(desk.channels.has(peer)).toBe(false);
    }
    const shown = desk.channels.all();
    expect(shown).toHaveLength(100);
    expect(shown.map(({ index }) => index)).toEqual(Array.from({ length: 100 }, (_, n) => 50 + n));
    const [one] = shown;
    expect(one && desk.channels.find(one.id)).toBeUndefined();
    expect(desk.violations).toEqual([]);
    // What is still on its way for one of them is answered.
    if (one !== undefined) await desk.hear(peer, [{ channelId: one.id, message: { type: "open_complete" } }]);
    expect(desk.errors(peer)).toEqual(["unknown channel"]);
  });
});

describe("the chain", () => {
  it("[LW-3] confirms an anchor, and takes it back with its block", async () => {
    const desk = new Desk();
    const peer = await desk.peer();
    const { channel } = new ChannelPair().open().alice;
    const funding = channel.funding;
    if (funding === undefined) throw new Error("the channel is open");
    desk.channels.adopt(channel, peer);
    await desk.run((batch) => desk.channels.onChain.disconnectBlock(batch, 100));
    expect(channel.funding?.confirmedHeight).toBe(101);
    await desk.run((batch) => desk.channels.onChain.disconnectBlock(batch, 101));
    expect(channel.funding?.confirmedHeight).toBeUndefined();
    // Not there, or not what it should be: the channel fails.
    const transaction = { version: 2, inputs: [], outputs: [], lockTime: 0 };
    const block = {
      height: 101,
      hash: new Uint8Array(32),
      time: 0,
      transactions: [{ txid: funding.txid, transaction }],
    };
    await desk.run((batch) => desk.channels.onChain.connectBlock(batch, block));
    expect(channel.stage).toMatchObject({
      stage: "failed",
      failure: "anchor wrong on chain [B2-12], limit 1000000, actual 0",
    });
  });

  it("[B2-36] ends a channel whose anchor is spent", async () => {
    const desk = new Desk();
    const peer = await desk.peer();
    const { channel } = new ChannelPair().open().alice;
    const funding = channel.funding;
    if (funding === undefined) throw new Error("the channel is open");
    desk.channels.adopt(channel, peer);
    const spend = (index: number) => {
      const input = { txid: funding.txid, index, script: new Uint8Array(0), sequence: 0, witness: [] };
      const transaction = { version: 2, inputs: [input], outputs: [], lockTime: 0 };
      const transactions = [{ txid: asTxid(new Uint8Array(32).fill(8)), transaction }];
      return { height: 102, hash: new Uint8Array(32), time: 0, transactions };
    };
    await desk.run((batch) => desk.channels.onChain.connectBlock(batch, spend(funding.outputIndex + 1)));
    expect(channel.stage.stage).toBe("open");
    await desk.run((batch) => desk.channels.onChain.connectBlock(batch, spend(funding.outputIndex)));
    expect(channel.stage.stage).toBe("failed");
    expect(channel.anchorSpend).toMatchObject({ kind: "unknown", height: 102 });
    await desk.run((batch) => desk.channels.onChain.disconnectBlock(batch, 102));
    expect(channel.anchorSpend).toMatchObject({ kind: "unknown", height: undefined });
  });
});

it("[LW-8] an anchor that is spent for more than it was said to hold has no fee that we know, and harms nobody", async () => {
  const desk = new Desk();
  const { channel } = new ChannelPair().open().alice;
  const { funding } = channel;
  if (funding === undefined) throw new Error("the channel has an anchor");
  desk.channels.adopt(channel, await desk.peer());
  const { txid, outputIndex: index, amountSat } = funding;
  const script = new Uint8Array(0);
  const transaction = {
    version: 2,
    inputs: [{ txid, index, script, sequence: 0, witness: [] }],
    outputs: [{ amountSat: amountSat + 1n, script }],
    lockTime: 0,
  };
  const block = {
    height: 101,
    time: 0,
    hash: new Uint8Array(32),
    transactions: [{ txid: asTxid(new Uint8Array(32)), transaction }],
  };
  await desk.run((batch) => desk.channels.onChain.connectBlock(batch, block));
  expect(desk.violations).toEqual([]);
  expect(desk.channels.all()[0]?.state.anchorSpend?.height).toBe(101);
});

describe("a channel that both fund", () => {
  function request(): FundingRequest {
    const pair = new DualPair();
    pair.request();
    return pair.next("alice", "funding_request");
  }

  it("[B2-3] [LS-1] is neither asked for nor taken up where the peer has not said that it knows how", async () => {
    const desk = new Desk();
    const peer = await desk.peer();
    const asked = { amountSat: AMOUNT_SAT, dual: { wishedContributionSat: AMOUNT_SAT } };
    let opened: unknown;
    await desk.run((batch) => {
      opened = desk.channels.open(batch, peer, asked);
    });
    expect(opened).toMatchObject({ ok: false, error: { type: "feature_not_negotiated", rule: "LS-1" } });
    await desk.hear(peer, [{ channelId: idOf(1), message: request() }]);
    expect(desk.errors(peer)).toEqual(["unexpected message [B2-3], funding_request without its feature"]);
    expect(desk.channels.all()).toEqual([]);
    expect(desk.checks).toEqual([]);
  });

  it("[LS-1] ends where the peer lists a coin of our wallet, whatever the chain says of it", async () => {
    const message = request();
    const [input] = message.share.inputs;
    if (input === undefined) throw new Error("no input");
    const { txid, index: outputIndex, amountSat, publicKey } = input;
    const key = { keyKind: "receive", keyIndex: 0, coinbase: false } as const;
    const coin = { txid, outputIndex, amountSat, ...key, height: 5, reservedFor: undefined, spentHeight: undefined };
    const script = payToWitnessPublicKeyHash(publicKey);
    for (const [coins, problems] of [
      [[], []],
      [[coin], [`remote input is ours [LS-1], ${txidToDisplay(txid)}:${outputIndex}`]],
    ] as const) {
      const desk = new Desk(coins);
      const peer = await desk.peer(["dual_funding"]);
      await desk.hear(peer, [{ channelId: idOf(1), message }]);
      const [check] = desk.checks;
      expect(check?.inputs).toEqual(message.share.inputs);
      if (check === undefined) throw new Error("nothing was asked");
      const output = { amountSat, script, confirmations: 10, coinbase: false };
      await desk.run((batch) => desk.channels.inputsChecked(batch, check, [output]));
      expect(desk.violations).toEqual(problems);
      expect(desk.errors(peer)).toEqual(problems);
      expect(desk.channels.all().map(({ state }) => state.stage.stage)).toEqual([
        problems.length === 0 ? "awaiting_sign_accept" : "abandoned",
      ]);
    }
  });

  it("[LS-2] is given up by a requester that knows its temporary id only", async () => {
    const desk = new Desk();
    const peer = await desk.peer(["dual_funding"]);
    const message = request();
    await desk.hear(peer, [{ channelId: idOf(1), message }]);
    const [check] = desk.checks;
    const [input] = message.share.inputs;
    if (check === undefined || input === undefined) throw new Error("nothing was asked");
    const output = { amountSat: input.amountSat, script: payToWitnessPublicKeyHash(input.publicKey) };
    await desk.run((batch) =>
      desk.channels.inputsChecked(batch, check, [{ ...output, confirmations: 1, coinbase: false }]),
    );
    expect(desk.channels.find(idOf(1))).toBeUndefined();
    await desk.hear(peer, [{ channelId: idOf(1), message: { type: "error", problem: "too little" } }]);
    const [channel] = desk.channels.all();
    expect(channel?.state.stage).toMatchObject({
      stage: "abandoned",
      failure: "the peer failed the channel: too little",
    });
  });
});
