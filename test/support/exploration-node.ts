import { isDeepStrictEqual } from "node:util";
import { expect } from "vitest";
import { type Msat, toHex } from "../../src/core/base/index.ts";
import { keyPaths, type Signer, secp256k1 } from "../../src/core/crypto/index.ts";
import {
  apply,
  type ChannelError,
  type ChannelPolicy,
  type ChannelState,
  type CommitmentRow,
  type Context,
  type Effect,
  type Input,
  load,
  ownRevocationHash,
  type Side,
  step,
} from "../../src/core/payment-channel/index.ts";
import { addedBy, isRequested } from "../../src/core/payment-channel/rows.ts";
import { commitment } from "../../src/core/payment-channel/snapshot.ts";
import { FEES, hashOf, type Party, rowsOf, secret, text } from "./channel-pair.ts";
import { once, remembering } from "./exploration-memory.ts";
import {
  comparedNumbers,
  type Draft,
  type ExploredNode,
  keyOf,
  kindOf,
  type Move,
  numberOf,
  type PacketBook,
  rank,
  shapeOf,
} from "./exploration-shapes.ts";

/** What a node may do of its own accord. */
export type Choices = {
  /** Amounts of the HTLCs that it may offer, in this order. */
  readonly amountsMsat: readonly bigint[];
  /** A fee rate that it may ask for, once. */
  readonly feeRate: number | undefined;
  /** It may ask to close. */
  readonly close: boolean;
  /** With pre-staging: it answers requests itself, either way; it may take its own back; it may see everything expire. */
  readonly answer: boolean;
  readonly withdraw: boolean;
  readonly expire: boolean;
};

/** Something that an honest node must never meet. */
export class Violation extends Error {}

function ensure(holds: boolean, what: () => string): void {
  if (!holds) throw new Violation(what());
}

export function copyOf(state: ChannelState): ChannelState {
  return {
    ...state,
    terms: { ...state.terms },
    htlcs: new Map(state.htlcs),
    removalRequests: new Map(state.removalRequests),
    fees: [...state.fees],
    commitments: { local: state.commitments.local, remote: [...state.commitments.remote] },
    revocationHashes: new Map(state.revocationHashes),
    revocationSlots: [...state.revocationSlots],
    clearing: { ...state.clearing },
    closeOffers: [...state.closeOffers],
    unacknowledged: [...state.unacknowledged],
    lastChange: { ...state.lastChange },
    revocationLocks: new Set(state.revocationLocks),
    locks: new Map(state.locks),
  };
}

/** The peer's HTLCs that it could be deciding about. */
export function undecided(node: ExploredNode): bigint[] {
  const ids: bigint[] = [];
  for (const htlc of node.state.htlcs.values()) {
    if (htlc.offerer === "remote" && htlc.removal === undefined) ids.push(htlc.id);
  }
  return ids;
}

/** Whether the newest commitment of the peer covers a change that the one before it lacks. A fee rate of ours is none. */
function saysSomethingNew({ commitments, htlcs, fees }: ChannelState): boolean {
  const [before, newest] = commitments.remote.slice(-2);
  if (before === undefined || newest === undefined) return false;
  const isNew = (side: Side, number: number) => number > before.coverage[side] && number <= newest.coverage[side];
  for (const htlc of htlcs.values()) {
    if (isNew(addedBy(htlc), htlc.addNumber) || isNew(htlc.removedBy, htlc.removeNumber)) return true;
  }
  return fees.some(({ owner, number }) => owner === "remote" && isNew(owner, number));
}

function offersMade(state: ChannelState): number {
  return Math.floor(Number(state.totals.localLastId) / 2) + 1;
}

/** The height at which every HTLC expires. */
export const EXPIRY = 300;

/** Requests to add an HTLC without an answer, of one side. */
export function unanswered({ state }: ExploredNode, offerer: Side): bigint[] {
  const requested = [...state.htlcs.values()].filter((htlc) => htlc.offerer === offerer && isRequested(htlc));
  return requested.map(({ id }) => id);
}

/** Runs the production steps of one party, each once, and checks what holds of a node at every moment. */
export class NodeExplorer {
  readonly first: ExploredNode;
  /** Steps of the production code that were run. */
  steps = 0;
  private readonly signer: Signer;
  private readonly keys = keyPaths(1);
  private readonly policy: ChannelPolicy;
  private readonly height: number;
  private readonly choices: Choices;
  private readonly packets: PacketBook;
  private readonly nodes = new Map<string, ExploredNode>();
  private readonly shapes = new Map<string, number>();
  private readonly sighashes = once<string>();
  private readonly verified = new WeakMap<CommitmentRow, string>();

  constructor(party: Party, choices: Choices, options: { packets: PacketBook; mortal: boolean }) {
    this.signer = remembering(party.signer);
    this.policy = { ...party.policy, prestageAdds: choices.answer ? "ask" : "accept" };
    this.height = party.height;
    this.choices = choices;
    this.packets = options.packets;
    const { name, received, sent, packetAcknowledge: acknowledged } = party;
    const { htlcs, commitments } = party.channel;
    if (htlcs.size > 0 || party.outgoing.length > 0) throw new Error("the exploration begins with a channel at rest");
    this.first = this.interned({
      name,
      state: copyOf(party.channel),
      received,
      sent,
      acknowledged,
      ready: true,
      inBatch: false,
      pending: [],
      stored: undefined,
      mortal: options.mortal,
      late: false,
      withdrawn: [],
      told: [],
      ends: new Map(),
      signed: commitments.remote.map((row) => this.sighash(party.channel, row)),
      broadcast: undefined,
    });
  }

  get size(): number {
    return this.nodes.size;
  }

  /** Every node that was reached. */
  all(): Iterable<ExploredNode> {
    return this.nodes.values();
  }

  get shapeCount(): number {
    return this.shapes.size;
  }

  /** What `make` makes of a copy of the node, or what it made before. */
  private move(
    node: ExploredNode,
    key: string,
    make: (draft: Draft) => Pick<Move, "packets"> | undefined,
  ): Move | undefined {
    if (node.moves.has(key)) return node.moves.get(key);
    const { id: _, shape: __, moves: ___, ...rest } = node;
    const draft: Draft = { ...rest, state: copyOf(node.state) };
    const made = make(draft);
    const move = made && {
      packets: made.packets,
      node: this.interned(draft),
      cleared: draft.told.filter((id) => !node.told.includes(id)),
      failed: [...draft.ends].filter(([id, end]) => end === "failed" && !node.ends.has(id)).map(([id]) => id),
    };
    // A step reads the state and no more: now and then, that the node is what it was.
    if (this.steps % 64 === 0) ensure(this.nodes.get(keyOf(node)) === node, () => "a step changed its state");
    node.moves.set(key, move);
    return move;
  }

  private begin(draft: Draft, node: ExploredNode): void {
    if (!node.inBatch && node.mortal) draft.stored = node;
    draft.inBatch = true;
  }

  private context(draft: Draft): Context {
    return {
      height: draft.late ? EXPIRY : this.height,
      caughtUp: true,
      now: 1_700_000_000_000,
      fees: FEES,
      policy: this.policy,
      keys: this.keys,
      signer: this.signer,
      nextPacketNumber: draft.sent + 1,
      acknowledge: draft.received,
      unacknowledged: 0,
      peerReady: draft.ready,
    };
  }

  private run(draft: Draft, input: Input): ChannelError | undefined {
    this.steps++;
    const result = step(draft.state, input, this.context(draft));
    if (!result.ok) return result.error;
    apply(draft.state, result.value.changes);
    for (const change of result.value.changes) {
      if (change.type === "revoked") draft.signed = draft.signed.slice(1);
      if (change.type === "commitment" && change.row.holder === "remote") {
        draft.signed = [...draft.signed, this.sighash(draft.state, change.row)];
        ensure(saysSomethingNew(draft.state), () => `a commitment is signed that nothing changed in since the last`);
      }
    }
    for (const effect of result.value.effects) this.take(draft, effect);
    const { state } = draft;
    draft.told = draft.told.filter((id) => state.htlcs.has(id) && state.htlcs.get(id)?.removal === undefined);
    return undefined;
  }

  private take(draft: Draft, effect: Effect): void {
    if (effect.type === "send") {
      if (effect.packet.message.type === "close_signature") {
        const { htlcs, commitments } = draft.state;
        const drained = htlcs.size === 0 && commitments.remote.length === 1;
        ensure(drained, () => "a close is signed while another commitment than the newest counts");
      }
      draft.sent++;
      const packet = { pkt: effect.packet, number: draft.sent, acknowledge: draft.received };
      draft.pending = [...draft.pending, this.packets.idOf(draft.name, packet)];
    } else if (effect.type === "broadcast") draft.broadcast = toHex(effect.transaction);
    else if (effect.type === "tell") {
      const { tell } = effect;
      if (tell.type === "htlc_cleared" && !draft.told.includes(tell.htlc.id)) {
        draft.told = [...draft.told, tell.htlc.id];
      }
      if (tell.type !== "htlc_fulfilled" && tell.type !== "htlc_failed") return;
      const before = draft.ends.get(tell.id);
      ensure(before === undefined, () => `HTLC ${tell.id} ended before (${before}), now: ${tell.type}`);
      draft.ends = new Map(draft.ends).set(tell.id, tell.type === "htlc_fulfilled" ? "fulfilled" : "failed");
    }
  }

  /** Takes in a packet of the peer. An honest peer's is never refused. */
  receive(node: ExploredNode, id: number): Move {
    const packet = this.packets.packet(id);
    const { message } = packet.pkt;
    const moved = this.move(node, `receive ${id}`, (draft) => {
      this.begin(draft, node);
      const { number, acknowledge } = packet;
      ensure(number === node.received + 1, () => `packet ${number} comes after ${node.received}`);
      ensure(
        acknowledge >= node.acknowledged && acknowledge <= node.sent,
        () => `acknowledge ${acknowledge} after ${node.acknowledged}, of ${node.sent}`,
      );
      draft.received = number;
      draft.acknowledged = acknowledge;
      const error = this.run(draft, { type: "packet", message, number, acknowledge });
      ensure(error === undefined, () => `${node.name} refuses ${message.type}: ${JSON.stringify(error, text)}`);
      return { packets: [] };
    });
    if (moved === undefined) throw new Error("a packet is always taken in");
    return moved;
  }

  /** The end of a batch: signs, commits to the store, lets the packets go. */
  flush(node: ExploredNode): Move | undefined {
    if (!node.inBatch) return undefined;
    return this.move(node, "flush", (draft) => {
      for (let rounds = 0; ; rounds++) {
        const before = keyOf(draft);
        const error = this.run(draft, { type: "commit" });
        ensure(error === undefined, () => `${node.name} can't end a batch: ${JSON.stringify(error, text)}`);
        if (keyOf(draft) === before) break;
        ensure(rounds < 100, () => "a batch never ends");
      }
      const packets = draft.pending;
      draft.pending = [];
      draft.stored = undefined;
      draft.inBatch = false;
      return { packets };
    });
  }

  /** A step of the node's own accord; undefined where the node refuses it. */
  private choose(node: ExploredNode, key: string, input: () => Input): Move | undefined {
    return this.move(node, key, (draft) => {
      this.begin(draft, node);
      return this.run(draft, input()) === undefined ? { packets: [] } : undefined;
    });
  }

  offer(node: ExploredNode): Move | undefined {
    const amountMsat = this.choices.amountsMsat[offersMade(node.state)];
    if (amountMsat === undefined) return undefined;
    return this.choose(node, "offer", () => {
      const { totals, channel } = node.state;
      const id = totals.localLastId < 0n ? (channel.initiator === "local" ? 0n : 1n) : totals.localLastId + 2n;
      const paymentHash = hashOf(Number(id));
      return { type: "offer", amountMsat: amountMsat as Msat, paymentHash, expiry: EXPIRY, route: new Uint8Array(0) };
    });
  }

  fulfill(node: ExploredNode, id: bigint): Move | undefined {
    return this.choose(node, `fulfill ${id}`, () => ({ type: "fulfill", id, preimage: secret(Number(id)) }));
  }

  fail(node: ExploredNode, id: bigint): Move | undefined {
    return this.choose(node, `fail ${id}`, () => ({ type: "fail_htlc", id, reason: new Uint8Array([1]) }));
  }

  accept(node: ExploredNode, id: bigint): Move | undefined {
    return this.choose(node, `accept ${id}`, () => ({ type: "accept_add", id }));
  }

  reject(node: ExploredNode, id: bigint): Move | undefined {
    return this.choose(node, `reject ${id}`, () => ({ type: "reject_add", id, reason: new Uint8Array([1]) }));
  }

  withdraw(node: ExploredNode, id: bigint): Move | undefined {
    if (!this.choices.withdraw || node.withdrawn.includes(id)) return undefined;
    return this.move(node, `withdraw ${id}`, (draft) => {
      this.begin(draft, node);
      draft.withdrawn = [...draft.withdrawn, id];
      return this.run(draft, { type: "withdraw_add", id }) === undefined ? { packets: [] } : undefined;
    });
  }

  /** The chain reaches the height at which every HTLC expires. */
  expire(node: ExploredNode): Move | undefined {
    if (!this.choices.expire || node.late) return undefined;
    return this.move(node, "expire", (draft) => {
      this.begin(draft, node);
      draft.late = true;
      return { packets: [] };
    });
  }

  setFee(node: ExploredNode): Move | undefined {
    const { feeRate } = this.choices;
    if (feeRate === undefined || node.state.fees.some(({ owner, number }) => owner === "local" && number > 0)) {
      return undefined;
    }
    return this.choose(node, "fee", () => ({ type: "set_fee", feeRate }));
  }

  close(node: ExploredNode): Move | undefined {
    if (!this.choices.close) return undefined;
    return this.choose(node, "close", () => ({ type: "close", script: undefined }));
  }

  /** The connection is gone. */
  disconnect(node: ExploredNode): ExploredNode {
    const move = this.move(node, "disconnect", (draft) => {
      draft.ready = false;
      return { packets: [] };
    });
    return move?.node ?? node;
  }

  /** Both authenticates are exchanged: what waits for a decision is told again. */
  connect(node: ExploredNode): ExploredNode {
    const move = this.move(node, "connect", (draft) => {
      this.begin(draft, node);
      draft.ready = true;
      const error = this.run(draft, { type: "peer_ready" });
      ensure(error === undefined, () => `peer_ready is refused: ${JSON.stringify(error, text)}`);
      return { packets: [] };
    });
    return move?.node ?? node;
  }

  /** The process dies and starts again: what the store has is all that there is. */
  crash(node: ExploredNode): ExploredNode {
    const stored = node.stored ?? node;
    const move = this.move(stored, "crash", (draft) => {
      draft.state = this.loaded(stored);
      draft.ready = false;
      draft.told = [];
      draft.broadcast = stored.broadcast;
      return { packets: [] };
    });
    return move?.node ?? node;
  }

  /** No crash will come any more: what the store has ceases to matter. */
  immortal(node: ExploredNode): ExploredNode {
    if (!node.mortal) return node;
    const move = this.move(node, "immortal", (draft) => {
      draft.mortal = false;
      draft.stored = undefined;
      return { packets: [] };
    });
    return move?.node ?? node;
  }

  private loaded(node: Pick<ExploredNode, "state" | "acknowledged">): ChannelState {
    const { state } = node;
    const ownHash = (number: number) => ownRevocationHash({ signer: this.signer }, state.channel.index, number);
    return load(rowsOf(state), node.acknowledged, ownHash);
  }

  private interned(draft: Draft): ExploredNode {
    const key = keyOf(draft);
    const known = this.nodes.get(key);
    if (known !== undefined) {
      // That the key tells everything: now and then, equal keys are compared in full.
      if (this.steps % 64 === 0) ensure(isDeepStrictEqual(known.state, draft.state), () => "a key says too little");
      return known;
    }
    const node = { ...draft, id: this.nodes.size + 1, shape: this.shape(draft), moves: new Map() };
    this.check(node);
    this.nodes.set(key, node);
    return node;
  }

  private shape(draft: Draft): number {
    let key = shapeOf(draft, draft.stored?.shape ?? 0);
    for (const id of draft.pending) {
      const { pkt, acknowledge } = this.packets.packet(id);
      const covered = rank(comparedNumbers(draft.state, "remote"), acknowledge);
      key += ` p${kindOf(pkt.message)},${covered}`;
    }
    return numberOf(this.shapes, key);
  }

  /** What both sign of a commitment as the state describes it now. */
  private sighash(state: ChannelState, row: CommitmentRow): string {
    const { holder, number, coverage, feeRate } = row;
    let key = `${holder} ${number} ${coverage.local} ${coverage.remote} ${feeRate} ${state.totals.localMsat}`;
    for (const htlc of state.htlcs.values()) {
      key += ` ${htlc.id},${htlc.addNumber},${htlc.removal?.type ?? ""},${htlc.removedBy},${htlc.removeNumber}`;
    }
    return this.sighashes(key, () => toHex(commitment(state, row, undefined).sighash));
  }

  /** Whether the peer's signature, which was good when it came, still fits the commitment as the state describes it. */
  private isSigned(state: ChannelState, row: CommitmentRow): boolean {
    const sighash = this.sighash(state, row);
    if (this.verified.get(row) === sighash) return true;
    const key = state.terms.remote?.commitKey;
    const hash = commitment(state, row, undefined).sighash;
    if (row.signature === undefined || key === undefined || !secp256k1.verify(row.signature, hash, key)) return false;
    this.verified.set(row, sighash);
    return true;
  }

  /** What holds of one node at every moment. */
  private check(node: ExploredNode): void {
    const { state } = node;
    let sum = state.view.local.balanceMsat + state.view.remote.balanceMsat;
    for (const htlc of state.htlcs.values()) if (htlc.removal === undefined) sum += htlc.amountMsat;
    ensure(sum === (state.funding?.amountSat ?? 0n) * 1000n, () => `${sum} millisatoshi in the channel`);

    const { local, remote } = state.commitments;
    const given = state.terms.remote?.revocationHashes ?? 0;
    ensure(
      remote.length >= 1 && remote.length + state.revocationHashes.size === given,
      () => `${remote.length} commitments of the peer are not revoked, ${state.revocationHashes.size} hashes unused`,
    );
    ensure(local !== undefined, () => "no commitment of our own");
    if (local !== undefined) {
      ensure(this.isSigned(state, local), () => "the newest commitment is not the one that the peer signed");
    }
    // What enforcement would build, should the peer broadcast it.
    for (const [index, row] of remote.entries()) {
      const same = this.sighash(state, row) === node.signed[index];
      ensure(same, () => `commitment ${row.number} of the peer is not what was signed`);
    }
    if (node.inBatch) return;
    const loaded = this.loaded(node);
    // What is settled leaves the indexes that only ever matter for what is newer.
    loaded.lastChange = state.lastChange;
    if (!isDeepStrictEqual(loaded, state)) expect(loaded).toEqual(state);
  }
}
