// A channel that may be given anything in any state it can come to. An input is a program: it picks a channel somewhere in its life, and
// then what happens to it, mostly what honest peers do, now and then something else: a message changed by a bit, made up, or sent
// twice; a transaction that nobody should have; another height, fee, connection. What is checked of each step stands in `Party.run`
// and below.
import assert from "node:assert/strict";
import { asChannelId, asNodeId } from "../../../src/core/base/index.ts";
import {
  anchorScript,
  parseTransaction,
  payToWitnessScriptHash,
  transactionId,
} from "../../../src/core/bitcoin/index.ts";
import { newestCommitment } from "../../../src/core/payment-channel/force-close.ts";
import {
  accept,
  acceptDual,
  awaited,
  type ChannelError,
  commitmentState,
  describeError,
  explain,
  explanationLines,
  feeShortfall,
  htlcStates,
  type Input,
  lastWord,
  reactionTo,
  unconfirmedSweeps,
} from "../../../src/core/payment-channel/index.ts";
import { decodePkt, encodePkt, type PktMessage } from "../../../src/core/wire/index.ts";
import { AnchorWatch } from "../../../src/node/anchor-watch.ts";
import { type ChannelPair, type Party, type PartyName, rowsOf } from "../../support/channel-pair.ts";
import { Choices, type Outcome, type Target } from "../target.ts";
import { alteredMessage, alteredTransaction, BIG } from "./alterations.ts";
import { answer, command, surroundings } from "./channel-inputs.ts";
import { copyOf, NAMES, SCENES } from "./channel-scenes.ts";
import { MESSAGE_TYPES, SAMPLES } from "./samples.ts";

/** So much happens in one input at the most. */
const MOST_ACTS = 50;

type Watched = { readonly state: Party["channel"]; run: (batch: unknown, input: Input) => unknown };

class World {
  readonly outcomes = new Set<string>();
  private readonly pair: ChannelPair;
  private readonly choices: Choices;
  /** Messages that were delivered once, by sender. */
  private readonly past: Record<PartyName, PktMessage[]> = { alice: [], bob: [] };
  /** Transactions that somebody could publish. */
  private readonly transactions: Uint8Array[] = [];
  /** Our own commitments that are among them, by the peer's signature. */
  private readonly published = new Set<Uint8Array>();
  private readonly watches: Record<PartyName, AnchorWatch<Watched>>;

  constructor(pair: ChannelPair, choices: Choices) {
    this.pair = pair;
    this.choices = choices;
    const watch = (name: PartyName) =>
      new AnchorWatch<Watched>((_, runner, height, anchor) => {
        const output = anchor.outputs[pair[name].channel.funding?.outputIndex ?? 0];
        runner.run(undefined, { type: "funding_confirmed", height, output });
      });
    this.watches = { alice: watch("alice"), bob: watch("bob") };
  }

  act(): void {
    const { choices, pair } = this;
    const name = choices.pick(NAMES);
    const kind = choices.below(40);
    const party = pair[name];
    if (party.state === undefined) this.begin(party);
    else if (kind < 10) this.deliver(name, false);
    else if (kind < 12) this.deliver(name, true);
    else if (kind < 18) this.run(party, { type: "commit" });
    else if (kind === 18) this.madeUp(name);
    else if (kind === 19) this.again(name);
    else if (kind < 29) this.run(party, command(party, choices));
    else if (kind < 32) this.run(party, answer(party, pair, choices));
    else if (kind === 32) this.run(party, surroundings(party, choices));
    else if (kind === 33) this.blocks(party, choices.below(3) === 0 ? choices.uint(2) % 2_500 : choices.below(30));
    else if (kind < 39) this.chain(name);
    // The process dies, and starts again with what it wrote.
    else party.state = party.loaded(rowsOf(party.channel));
    if (party.state !== undefined) this.look(party);
  }

  /** Bob is asked for a channel, with anything in the request. */
  private begin(party: Party): void {
    const packet = this.pair.alice.outgoing.shift();
    if (packet === undefined) return;
    const isAltered = this.choices.below(3) === 0;
    const message = isAltered ? alteredMessage(packet.pkt.message, this.choices) : packet.pkt.message;
    party.received = packet.number;
    const id = packet.pkt.channelId ?? asChannelId(new Uint8Array(32));
    const peer = asNodeId(new Uint8Array(33).fill(3));
    if (message?.type !== "open_channel" && message?.type !== "funding_request") return;
    const begun =
      message.type === "open_channel"
        ? accept(peer, 4, id, message, party.context())
        : acceptDual(peer, 4, id, message, party.context());
    this.note(message.type, "none", begun.ok ? undefined : begun.error);
    if (!begun.ok) return;
    party.state = begun.value.state;
    party.take(begun.value.changes, begun.value.effects);
  }

  /** The step with all that is checked of it. A peer's breach ends the channel, as it does in a node. */
  private run(party: Party, input: Input | undefined, refused: () => void = () => undefined): void {
    if (input === undefined) return;
    const { stage } = party.channel.stage;
    const sent = party.outgoing.length;
    const broadcast = party.broadcasts.length;
    const error = party.run(input);
    for (const { pkt } of party.outgoing.slice(sent)) {
      const packet = encodePkt(pkt);
      const decoded = decodePkt(packet);
      assert.ok(decoded.ok && decoded.value.message.type === pkt.message.type, "what is sent can be read");
      assert.deepEqual(encodePkt({ ...pkt, message: decoded.value.message }), packet);
    }
    this.transactions.push(...party.broadcasts.slice(broadcast));
    this.note(input.type === "packet" ? input.message.type : input.type, stage, error);
    if (error === undefined) return;
    refused();
    assert.ok(describeError(error).length > 0);
    const isBreach = reactionTo(error) === "fail_channel" && input.type !== "fail";
    if (isBreach) this.run(party, { type: "fail", error, notify: true });
  }

  private note(what: string, stage: string, error: ChannelError | undefined): void {
    this.outcomes.add(`${what} ${stage} ${error?.type ?? "ok"}`);
  }

  /** What is asked of a channel between steps. */
  private look(party: Party): void {
    const state = party.channel;
    const context = party.context();
    const told = explain(state, { ...context, peerAwaySince: undefined, patience: undefined });
    assert.ok(explanationLines(told).length > 0);
    for (const htlc of state.htlcs.values()) htlcStates(state, htlc);
    for (const row of [state.commitments.local, ...state.commitments.remote]) {
      if (row !== undefined) commitmentState(state, row.holder, row.number);
    }
    awaited(state, context.height);
    feeShortfall(state, context);
    lastWord(state, context);
    unconfirmedSweeps(state);
    const { signature } = state.commitments.local ?? {};
    if (signature === undefined || this.published.has(signature)) return;
    this.published.add(signature);
    const newest = newestCommitment(state, context);
    assert.ok(newest !== undefined && parseTransaction(newest).ok, "what is signed can be published");
    this.transactions.push(newest);
  }

  private deliver(to: PartyName, isAltered: boolean): void {
    const from = to === "alice" ? "bob" : "alice";
    const packet = this.pair[from].outgoing.shift();
    if (packet === undefined) return;
    const { message } = packet.pkt;
    this.past[from].push(message);
    const given = isAltered ? alteredMessage(message, this.choices) : message;
    if (given !== undefined) this.receive(this.pair[to], given, packet.acknowledge);
  }

  private receive(party: Party, message: PktMessage, acknowledge: number): void {
    // What the session lets through: it never falls, and is never above what was sent.
    const covered = Math.min(party.sent, Math.max(party.packetAcknowledge, acknowledge));
    const { packetAcknowledge } = party;
    party.received++;
    party.packetAcknowledge = covered;
    const packet = { type: "packet", message, number: party.received, acknowledge: covered } as const;
    // A refused packet leaves the channel's view where it was; the session's goes on, and matters only to a channel that goes on.
    this.run(party, packet, () => {
      party.packetAcknowledge = packetAcknowledge;
    });
  }

  private anyAcknowledge(party: Party): number {
    return party.packetAcknowledge + this.choices.below(1 + Math.max(0, party.sent - party.packetAcknowledge));
  }

  /** Something that was sent already. */
  private again(to: PartyName): void {
    const past = this.past[to === "alice" ? "bob" : "alice"];
    const message = past[this.choices.below(256) % Math.max(1, past.length)];
    if (message !== undefined) this.receive(this.pair[to], message, this.anyAcknowledge(this.pair[to]));
  }

  private madeUp(to: PartyName): void {
    const message = alteredMessage(SAMPLES[this.choices.pick(MESSAGE_TYPES)], this.choices);
    if (message !== undefined) this.receive(this.pair[to], message, this.anyAcknowledge(this.pair[to]));
  }

  private blocks(party: Party, count: number): void {
    party.height += count;
    this.run(party, { type: "block" });
    this.run(party, { type: "defend" });
  }

  /** Blocks, reorganisations, and transactions that spend what the channel watches. */
  private chain(name: PartyName): void {
    const { choices } = this;
    const party = this.pair[name];
    const kind = choices.below(8);
    if (kind === 0) this.confirm(party);
    else if (kind === 1) this.run(party, { type: "funding_unconfirmed" });
    else if (kind === 2) this.run(party, { type: "anchor_unspent" });
    else if (kind === 3) this.run(party, { type: "output_unspent", index: choices.below(6) });
    else if (kind === 4) this.blocks(party, 1 + choices.below(8));
    else if (kind === 5) this.evidence(party);
    else this.publish(name);
  }

  private anyTransaction(): Uint8Array | undefined {
    return this.transactions[this.choices.below(Math.max(1, this.transactions.length))];
  }

  private confirm(party: Party): void {
    const { choices } = this;
    const { terms, funding } = party.channel;
    const [a, b] = [terms.local?.commitKey, terms.remote?.commitKey];
    if (a === undefined || b === undefined) return;
    const script = payToWitnessScriptHash(anchorScript(a, b));
    const amountSat = choices.below(10) === 0 ? choices.pick(BIG) : (funding?.amountSat ?? 0n);
    const output = choices.below(10) === 0 ? undefined : { amountSat, script };
    const transaction = choices.below(4) === 0 ? this.anyTransaction() : undefined;
    const height = Math.max(0, party.height - choices.below(8));
    const confirmed = { type: "funding_confirmed", height, output } as const;
    this.run(party, transaction === undefined ? confirmed : { ...confirmed, transaction });
  }

  /** The rows of a revoked commitment, as a store that lost nothing has them. */
  private evidence(party: Party): void {
    const { anchorSpend, htlcs } = party.channel;
    if (anchorSpend?.kind !== "revoked" || anchorSpend.holder !== undefined) return;
    const { number } = anchorSpend;
    const commitments = party.changes.flatMap((change) =>
      change.type === "commitment" && change.row.number === number ? [change.row] : [],
    );
    const rows = [...htlcs.values()].map(({ lock: _, ...row }) => row);
    this.run(party, { type: "evidence", number, commitments, htlcs: rows });
  }

  /** One of the transactions that somebody has, as it is or with something changed. */
  private publish(name: PartyName): void {
    const { choices } = this;
    const raw = this.anyTransaction();
    const parsed = raw === undefined ? undefined : parseTransaction(raw);
    if (parsed?.ok !== true) return;
    const transaction = choices.below(3) === 0 ? alteredTransaction(parsed.value, choices) : parsed.value;
    const party = this.pair[name];
    const height = choices.below(2) === 0 ? undefined : party.height;
    const watch = this.watches[name];
    watch.watch({ state: party.channel, run: (_, input) => this.run(party, input) });
    watch.see(NO_BATCH, { txid: transactionId(transaction), transaction, height });
  }
}

/** The watch only hands a batch on. */
const NO_BATCH = { change: () => undefined, afterCommit: () => undefined, atEnd: () => undefined };

function run(input: Uint8Array): Outcome {
  const choices = new Choices(input);
  const world = new World(copyOf(choices.pick(SCENES)), choices);
  for (let acts = 0; acts < MOST_ACTS && !choices.done; acts++) world.act();
  return [...world.outcomes];
}

/** For each scene, one program of all sorts, and one in which both do little but listen and sign. */
function seeds(): Uint8Array[] {
  return SCENES.flatMap((_, scene) => [
    Uint8Array.from({ length: 60 }, (__, i) => (i === 0 ? scene : (i * 73 + scene * 31) & 0xff)),
    Uint8Array.from({ length: 40 }, (__, i) => (i === 0 ? scene : i % 2 === 1 ? (i >> 1) & 1 : i % 8 === 0 ? 12 : 0)),
  ]);
}

export const STEP: readonly Target[] = [
  {
    name: "step",
    about: "a payment channel: what a peer, the chain, the wallet and the user may do to it, in any order",
    seeds,
    longest: 400,
    run,
  },
];
