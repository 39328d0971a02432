import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import { deserialize, serialize } from "node:v8";
import {
  asChannelId,
  asNodeId,
  asPaymentHash,
  asTxid,
  compareBytes,
  type Msat,
  type Satoshi,
} from "../../src/core/base/index.ts";
import { anchorScript, type CommitmentBuffer, payToWitnessScriptHash } from "../../src/core/bitcoin/index.ts";
import { keyPaths, type Signer, seedSigner, sha256 } from "../../src/core/crypto/index.ts";
import {
  accept,
  apply,
  begin,
  type ChannelChange,
  type ChannelError,
  type ChannelPolicy,
  type ChannelRows,
  type ChannelState,
  type Context,
  DEFAULT_POLICY,
  type Effect,
  type FeeEstimate,
  type Input,
  load,
  ownRevocationHash,
  rowsOf,
  step,
  type Tell,
} from "../../src/core/payment-channel/index.ts";
import type { Pkt, PktMessage } from "../../src/core/wire/index.ts";

export { rowsOf };

/** A numbered packet under way, with the acknowledge that it got when it was created. */
export type Packet = { readonly pkt: Pkt; readonly number: number; readonly acknowledge: number };

export type PartyName = "alice" | "bob";

export const AMOUNT_SAT = 1_000_000n as Satoshi;
export const FEES: FeeEstimate = { nextBlock: 2_000, relay: 1_000, fallback: 2_000 };

/**
 * Has every party from now on crash after each step that changes something: what follows is done with what the rows say. Tests of other
 * files are run so for a second time.
 */
export function everyStepCrashes(): void {
  crashing.everywhere = true;
}

const crashing = { everywhere: false };

/** Rows in the order of their keys, as a store gives them. */
function inOrder(rows: ChannelRows): ChannelRows {
  return {
    ...rows,
    htlcs: byId(rows.htlcs),
    removalRequests: byId(rows.removalRequests),
    chainOutputs: rows.chainOutputs.toSorted((a, b) => a.index - b.index),
    sweeps: rows.sweeps.toSorted((a, b) => a.createdHeight - b.createdHeight || compareBytes(a.txid, b.txid)),
    knownPreimages: rows.knownPreimages.toSorted((a, b) => (a.htlcId < b.htlcId ? -1 : 1)),
  };
}

function byId<T extends { readonly id: bigint }>(rows: readonly T[]): T[] {
  return rows.toSorted((a, b) => (a.id < b.id ? -1 : 1));
}

/** Like `deepEqual`, which is slow on a state and tells well what differs. */
export function expectSame(actual: unknown, expected: unknown): void {
  if (!isDeepStrictEqual(actual, expected)) assert.deepEqual(actual, expected);
}

/** Deriving keys from a seed takes its time; a signer holds no state of a channel. */
const SIGNERS: Record<PartyName, Signer> = {
  alice: seedSigner(new Uint8Array(64).fill(0xa), 1),
  bob: seedSigner(new Uint8Array(64).fill(0xb), 1),
};

/** All money of a view: both balances and what stands in HTLCs. */
function total(state: ChannelState): bigint {
  let sum = state.view.local.balanceMsat + state.view.remote.balanceMsat;
  for (const htlc of state.htlcs.values()) if (htlc.removal === undefined) sum += htlc.amountMsat;
  return sum;
}

/** One end of a channel, driven by hand. Every step is checked: see `run`. */
export class Party {
  readonly name: PartyName;
  readonly signer: Signer;
  readonly keys = keyPaths(1);
  readonly policy: ChannelPolicy;
  state: ChannelState | undefined;
  /** Packets of the peer processed; our packets numbered; the newest acknowledge of a packet of the peer. */
  received = 0;
  sent = 0;
  packetAcknowledge = 0;
  height = 100;
  caughtUp = true;
  /** Whether the end of a batch looks after deadlines and claims. */
  defends = false;
  now = 1_700_000_000_000;
  fees = FEES;
  ready = true;
  /** Overrides the number of packets that the peer has not acknowledged. */
  unacknowledged: number | undefined;
  buffer: CommitmentBuffer | undefined;
  /** Under way to the peer. */
  outgoing: Packet[] = [];
  /** Whether each step is checked as `run` says, which is most of what a test costs. */
  checked = true;
  /** Whether the process ends after each step that changed something. */
  crashes = crashing.everywhere;
  private readonly ownHashes = new Map<number, Uint8Array>();
  readonly tells: Tell[] = [];
  readonly broadcasts: Uint8Array[] = [];
  readonly changes: ChannelChange[] = [];

  constructor(name: PartyName, policy: Partial<ChannelPolicy>) {
    this.name = name;
    this.signer = SIGNERS[name];
    // By hand, unless a test wants it otherwise: rates that are no subject of a test stay what they are.
    this.policy = { ...DEFAULT_POLICY, automaticFees: false, ...policy };
  }

  get channel(): ChannelState {
    if (this.state === undefined) throw new Error(`${this.name} has no channel`);
    return this.state;
  }

  context(): Context {
    return {
      height: this.height,
      caughtUp: this.caughtUp,
      now: this.now,
      fees: this.fees,
      policy: this.policy,
      keys: this.keys,
      signer: this.signer,
      nextPacketNumber: this.sent + 1,
      acknowledge: this.received,
      unacknowledged: this.unacknowledged ?? this.outgoing.length,
      peerReady: this.ready,
      ...(this.buffer === undefined ? {} : { buffer: this.buffer }),
    };
  }

  /**
   * Runs one step as production does, and checks what holds of every step: the state is not touched by it, the same input
   * gives the same result, the state that rows describe is the state, and money is conserved to the millisatoshi.
   */
  run(input: Input): ChannelError | undefined {
    const state = this.channel;
    const before = this.checked ? serialize(state) : undefined;
    const result = step(state, input, this.context());
    if (before !== undefined) {
      const again = step(state, input, this.context());
      // Equal bytes say enough; a number may be held in two ways, so that unequal bytes do not.
      if (!serialize(state).equals(before)) expectSame(state, deserialize(before));
      expectSame(again, result);
    }
    if (!result.ok) return result.error;
    this.take(result.value.changes, result.value.effects);
    return undefined;
  }

  take(changes: readonly ChannelChange[], effects: readonly Effect[]): void {
    const state = this.channel;
    apply(state, changes);
    this.changes.push(...changes);
    this.check();
    if (this.crashes && changes.length > 0) this.crash();
    for (const effect of effects) {
      if (effect.type === "send") {
        this.sent++;
        this.outgoing.push({ pkt: effect.packet, number: this.sent, acknowledge: this.received });
      } else if (effect.type === "tell") this.tells.push(effect.tell);
      else if (effect.type === "broadcast") this.broadcasts.push(effect.transaction);
    }
  }

  private check(): void {
    const state = this.channel;
    if (!this.checked) return;
    const funded = state.commitments.local !== undefined && state.commitments.remote.length > 0;
    if (!funded && state.dualFunding === undefined) return;
    if (state.funding !== undefined) assert.equal(total(state), state.funding.amountSat * 1000n);
    const loaded = this.loaded(rowsOf(state));
    // What is settled leaves the indexes that only ever matter for what is newer.
    loaded.lastChange = state.lastChange;
    expectSame(loaded, state);
  }

  /**
   * Where the party stands now, as if the last commit was now. What it gives back brings the party back here: all since then was in a batch
   * that nobody wrote, and of which nothing was sent or broadcast.
   */
  committed(): () => void {
    const { sent, received, packetAcknowledge, height, caughtUp, tells, broadcasts, changes } = this;
    const rows = structuredClone(rowsOf(this.channel));
    const outgoing = [...this.outgoing];
    const lengths = [tells.length, broadcasts.length, changes.length] as const;
    return () => {
      Object.assign(this, { sent, received, packetAcknowledge, height, caughtUp, outgoing });
      [tells.length, broadcasts.length, changes.length] = lengths;
      this.state = this.loaded(rows);
    };
  }

  /** Another process takes the channel up. What it knows of it is what this one knew, and it goes on by itself. */
  private crash(): void {
    const { channel } = this;
    // Before the anchor is known, both sides' terms come one after the other in the same batch.
    if (channel.funding === undefined) return;
    const loaded = this.loaded(inOrder(structuredClone(rowsOf(channel))));
    expectSame({ ...loaded, lastChange: channel.lastChange }, channel);
    this.state = loaded;
  }

  /** The state that a store with these rows gives back. */
  loaded(rows: ChannelRows): ChannelState {
    const ownHash = (number: number) => {
      const hash = this.ownHashes.get(number) ?? ownRevocationHash(this, rows.channel.index, number);
      this.ownHashes.set(number, hash);
      return hash;
    };
    return load(rows, this.packetAcknowledge, ownHash);
  }

  /** The end of a batch: everything that is due. */
  flush(): void {
    for (;;) {
      const before = this.changes.length;
      const error = (this.defends ? this.run({ type: "defend" }) : undefined) ?? this.run({ type: "commit" });
      if (error !== undefined) throw new Error(`${this.name} can't end a batch: ${JSON.stringify(error, text)}`);
      if (this.changes.length === before) return;
    }
  }

  /** A packet of the peer: counted, whatever it says. */
  receive(packet: Packet): ChannelError | undefined {
    this.received = packet.number;
    this.packetAcknowledge = Math.max(this.packetAcknowledge, packet.acknowledge);
    const { message } = packet.pkt;
    return this.run({ type: "packet", message, number: packet.number, acknowledge: packet.acknowledge });
  }

  /**
   * What would be said to a message that the peer sends next, whoever made it up. Nothing is applied. Its acknowledge covers
   * all that we sent unless said otherwise.
   */
  judge(message: PktMessage, acknowledge: number = this.sent): ChannelError | undefined {
    const before = serialize(this.channel);
    const number = this.received + 1;
    const context = { ...this.context(), acknowledge: number };
    const result = step(this.channel, { type: "packet", message, number, acknowledge }, context);
    if (!serialize(this.channel).equals(before)) expectSame(this.channel, deserialize(before));
    return result.ok ? undefined : result.error;
  }

  /** What a command would be answered. Nothing is applied. */
  ask(input: Input): ChannelError | undefined {
    const result = step(this.channel, input, this.context());
    return result.ok ? undefined : result.error;
  }

  /** The types of the messages under way. */
  saying(): string[] {
    return this.outgoing.map(({ pkt }) => pkt.message.type);
  }

  /** The peer's requests that we were told to answer. */
  requested(): bigint[] {
    return this.tells.flatMap((tell) => (tell.type === "add_requested" ? [tell.htlc.id] : []));
  }

  /** The HTLCs that wait for a decision of ours. */
  cleared(): bigint[] {
    return this.tells.flatMap((tell) => (tell.type === "htlc_cleared" ? [tell.htlc.id] : []));
  }
}

export function secret(n: number): Uint8Array {
  return sha256(new Uint8Array([n >> 8, n & 0xff]));
}

export function hashOf(n: number): ReturnType<typeof asPaymentHash> {
  return asPaymentHash(sha256(secret(n)));
}

export type Opening = { readonly pushMsat?: bigint; readonly amountSat?: bigint; readonly prestage?: boolean };

/** Alice and Bob, with a wire between them that delivers when told to. */
export class ChannelPair {
  readonly alice: Party;
  readonly bob: Party;

  constructor(policy: { alice?: Partial<ChannelPolicy>; bob?: Partial<ChannelPolicy> } = {}) {
    this.alice = new Party("alice", policy.alice ?? {});
    this.bob = new Party("bob", policy.bob ?? {});
  }

  other(name: PartyName): Party {
    return name === "alice" ? this.bob : this.alice;
  }

  /** Delivers the oldest packet of `from`, if any. An error is thrown unless the caller expects one. */
  deliver(from: PartyName): ChannelError | undefined {
    const packet = this[from].outgoing.shift();
    return packet === undefined ? undefined : this.other(from).receive(packet);
  }

  /** Delivers the oldest packet of `from` with its message changed on the way. */
  deliverAltered<T extends PktMessage["type"]>(
    from: PartyName,
    type: T,
    alter: (message: Extract<PktMessage, { type: T }>) => PktMessage,
  ): ChannelError | undefined {
    const packet = this[from].outgoing.shift();
    return packet === undefined
      ? undefined
      : this.other(from).receive({
          ...packet,
          pkt: { ...packet.pkt, message: alter(oneOf(packet.pkt.message, type)) },
        });
  }

  /** The message of `from` that is delivered next. */
  next<T extends PktMessage["type"]>(from: PartyName, type: T): Extract<PktMessage, { type: T }> {
    return oneOf(this[from].outgoing[0]?.pkt.message, type);
  }

  /** Delivers and flushes until nothing is under way. */
  settle(): void {
    for (let rounds = 0; rounds < 1000; rounds++) {
      this.alice.flush();
      this.bob.flush();
      if (this.alice.outgoing.length + this.bob.outgoing.length === 0) return;
      for (const from of ["alice", "bob"] as const) {
        while (this[from].outgoing.length > 0) {
          const error = this.deliver(from);
          if (error !== undefined) throw new Error(`${from}'s packet is refused: ${JSON.stringify(error, text)}`);
        }
      }
    }
    throw new Error("the channel does not settle");
  }

  /** Runs the opening up to Bob's answer; `change` alters what Alice sends. */
  propose(options: Opening = {}): void {
    const { alice, bob } = this;
    const begun = begin(
      {
        peer: asNodeId(new Uint8Array(33).fill(2)),
        index: 7,
        temporaryId: asChannelId(new Uint8Array(32).fill(9)),
        amountSat: (options.amountSat ?? AMOUNT_SAT) as Satoshi,
        pushMsat: (options.pushMsat ?? 0n) as Msat,
        prestage: options.prestage ?? false,
      },
      alice.context(),
    );
    if (!begun.ok) throw new Error(JSON.stringify(begun.error, text));
    alice.state = begun.value.state;
    alice.take(begun.value.changes, begun.value.effects);
    bob.state = undefined;
  }

  /** Bob's answer to the first open_channel. */
  answer(message?: Extract<PktMessage, { type: "open_channel" }>): ChannelError | undefined {
    const packet = this.alice.outgoing.shift();
    const received = message ?? oneOf(packet?.pkt.message, "open_channel");
    if (packet === undefined) throw new Error("no open_channel is under way");
    const { bob } = this;
    bob.received = packet.number;
    const id = packet.pkt.channelId ?? asChannelId(new Uint8Array(32));
    const begun = accept(asNodeId(new Uint8Array(33).fill(3)), 4, id, received, bob.context());
    if (!begun.ok) return begun.error;
    bob.state = begun.value.state;
    bob.take(begun.value.changes, begun.value.effects);
    return undefined;
  }

  /** The wallet's part: an anchor that exists only by name. */
  fund(): void {
    const { alice } = this;
    const transaction = new Uint8Array([1, 2, 3]);
    const txid = asTxid(sha256(transaction));
    const error = alice.run({ type: "funded", txid, outputIndex: 1, transaction });
    if (error !== undefined) throw new Error(JSON.stringify(error, text));
  }

  /** The anchor confirms for both, as deep as each asks. */
  confirm(): void {
    for (const party of [this.alice, this.bob]) {
      const { terms, funding } = party.channel;
      const keys = [terms.local?.commitKey, terms.remote?.commitKey].filter((key) => key !== undefined);
      const script = payToWitnessScriptHash(anchorScript(keys[0] ?? new Uint8Array(), keys[1] ?? new Uint8Array()));
      party.run({ type: "funding_confirmed", height: 101, output: { amountSat: funding?.amountSat ?? 0n, script } });
      party.height = 110;
    }
    this.settle();
  }

  /** An open channel: Alice funded it. */
  open(options: Opening = {}): this {
    this.propose(options);
    this.answer();
    this.deliver("bob");
    this.fund();
    this.settle();
    this.confirm();
    assert.equal(this.alice.channel.stage.stage, "open");
    assert.equal(this.bob.channel.stage.stage, "open");
    return this;
  }

  /** Offers an HTLC whose secret is `secret(n)`. */
  offer(from: PartyName, n: number, amountMsat: bigint, expiry = 300): ChannelError | undefined {
    const route = new Uint8Array(0);
    return this[from].run({ type: "offer", amountMsat: amountMsat as Msat, paymentHash: hashOf(n), expiry, route });
  }
}

function isOf<T extends PktMessage["type"]>(
  message: PktMessage | undefined,
  type: T,
): message is Extract<PktMessage, { type: T }> {
  return message?.type === type;
}

function oneOf<T extends PktMessage["type"]>(
  message: PktMessage | undefined,
  type: T,
): Extract<PktMessage, { type: T }> {
  if (!isOf(message, type)) throw new Error(`${message?.type ?? "nothing"} is under way, not ${type}`);
  return message;
}

/** The bytes with their lowest bit turned over. */
export function flipped<T extends Uint8Array>(bytes: T): T {
  const copy = bytes.slice() as T;
  const last = copy.length - 1;
  copy[last] = (copy[last] ?? 0) ^ 1;
  return copy;
}

export function text(_: string, value: unknown): unknown {
  return typeof value === "bigint" ? value.toString() : value;
}
