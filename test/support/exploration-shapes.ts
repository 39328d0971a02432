// What tells two states of the exploration apart: by every number (`keyOf`), and by what some rule can see (`shapeOf`).
import { toHex } from "../../src/core/base/index.ts";
import type { ChannelState, HtlcRow, Side } from "../../src/core/payment-channel/index.ts";
import { addedBy } from "../../src/core/payment-channel/rows.ts";
import { isLate } from "../../src/core/payment-channel/state.ts";
import type { PktMessage } from "../../src/core/wire/index.ts";
import type { Packet, PartyName } from "./channel-pair.ts";

/** One node at one moment. Nothing of it ever changes; nodes that are equal are one object. */
export type ExploredNode = {
  /** 1, 2, ...: equal numbers are equal nodes. */
  readonly id: number;
  /** 1, 2, ...: equal numbers are nodes that no rule can tell apart. See `shapeOf`. */
  readonly shape: number;
  readonly name: PartyName;
  readonly state: ChannelState;
  /** Packets of the peer processed; our packets numbered; the newest acknowledge of a packet of the peer. */
  readonly received: number;
  readonly sent: number;
  readonly acknowledged: number;
  /** Both authenticates are exchanged. */
  readonly ready: boolean;
  /** Something happened since the last commit of the store. */
  readonly inBatch: boolean;
  /** Numbers of packets that wait for the store. */
  readonly pending: readonly number[];
  /** The node as its store has it, where that differs and a crash may come. */
  readonly stored: ExploredNode | undefined;
  /** A crash may come. */
  readonly mortal: boolean;
  /** It has seen the block at which all HTLCs expire. */
  readonly late: boolean;
  /** The HTLCs whose request it has taken back. */
  readonly withdrawn: readonly bigint[];
  /** The HTLCs of the peer that it was told to decide about. */
  readonly told: readonly bigint[];
  /** How those that it offered ended. */
  readonly ends: ReadonlyMap<bigint, "fulfilled" | "failed">;
  /** What it signed for the peer's commitments that are not revoked: in the order of `state.commitments.remote`. */
  readonly signed: readonly string[];
  readonly broadcast: string | undefined;
  /** What its moves lead to: a step is a pure function, so that each is made once. */
  readonly moves: Map<string, Move | undefined>;
};

/** What a node's move leads to. */
export type Move = {
  readonly node: ExploredNode;
  /** Packets that leave with it. */
  readonly packets: readonly number[];
  /** HTLCs that it was told of: cleared, and failed for good. */
  readonly cleared: readonly bigint[];
  readonly failed: readonly bigint[];
};

/** A node in the making. */
export type Draft = { -readonly [K in keyof Omit<ExploredNode, "id" | "shape" | "moves">]: ExploredNode[K] };

/** A node of ours may give its own reason for failing an HTLC. */
function removalOf({ removal }: HtlcRow): string {
  return removal?.type === "failed" ? `failed ${removal.reason.length}` : (removal?.type ?? "");
}

/**
 * Everything of a node that can tell it from another one of the same run. What follows from it is left out: amounts and hashes
 * of an HTLC from its id, revocation hashes and preimages from their numbers, signatures from what they cover; views and indexes
 * from the rows, which `load` proves.
 */
export function keyOf(node: Draft): string {
  const { state } = node;
  const { totals, lastChange, clearing, commitments } = state;
  const parts: unknown[] = [
    node.name,
    node.received,
    node.sent,
    node.acknowledged,
    [node.ready, node.inBatch, node.mortal, node.late].map(Number).join(""),
    node.stored?.id ?? 0,
    state.stage.stage,
    totals.localMsat,
    totals.localLastId,
    totals.remoteLastId,
    totals.settledUpTo.local,
    totals.settledUpTo.remote,
    lastChange.local,
    lastChange.remote,
    lastChange.acknowledged,
    clearing.local && `${clearing.local.number}/${clearing.local.acknowledge}`,
    clearing.remote && `${clearing.remote.number}/${clearing.remote.acknowledge}`,
  ];
  for (const htlc of state.htlcs.values()) {
    parts.push(
      `h${htlc.id},${htlc.requestNumber},${htlc.addNumber},${removalOf(htlc)},${htlc.removedBy},${htlc.removeNumber}`,
    );
  }
  for (const { id, by, number, removal } of state.removalRequests.values()) {
    parts.push(`q${id},${by},${number},${removal.type}`);
  }
  for (const id of node.withdrawn) parts.push(`w${id}`);
  for (const { owner, number, feeRate } of state.fees) parts.push(`f${owner},${number},${feeRate}`);
  for (const row of [commitments.local, ...commitments.remote]) {
    if (row !== undefined) parts.push(`c${row.number},${row.coverage.local},${row.coverage.remote},${row.feeRate}`);
  }
  for (const number of state.revocationHashes.keys()) parts.push(`r${number}`);
  for (const { side, feeSat } of state.closeOffers) parts.push(`o${side},${feeSat}`);
  for (const { number } of state.unacknowledged) parts.push(`u${number}`);
  for (const packet of node.pending) parts.push(`p${packet}`);
  for (const id of node.told) parts.push(`t${id}`);
  for (const [id, end] of node.ends) parts.push(`e${id}${end}`);
  return parts.join(" ");
}

/** Up to which message of a side every commitment that counts covers its changes. */
function coveredByAll({ commitments }: ChannelState, side: Side): number {
  const rows = [commitments.local, ...commitments.remote];
  return Math.min(...rows.map((row) => row?.coverage[side] ?? 0));
}

/**
 * The numbers of a side's changes that some commitment or packet may still lack, and that its coverage or acknowledge is
 * therefore compared with.
 */
export function comparedNumbers(state: ChannelState, side: Side): number[] {
  const covered = coveredByAll(state, side);
  const numbers: number[] = [];
  for (const htlc of state.htlcs.values()) {
    if (htlc.offerer === side && htlc.requestNumber > covered) numbers.push(htlc.requestNumber);
    if (addedBy(htlc) === side && htlc.addNumber > covered) numbers.push(htlc.addNumber);
    if (htlc.removedBy === side && htlc.removeNumber > covered) numbers.push(htlc.removeNumber);
  }
  for (const { owner, number } of state.fees) if (owner === side && number > covered) numbers.push(number);
  const clearing = state.clearing[side];
  if (clearing !== undefined && clearing.number > covered) numbers.push(clearing.number);
  return numbers;
}

/** How many of `numbers` are covered by `upTo`: what tells two values of it apart. */
export function rank(numbers: readonly number[], upTo: number): number {
  let covered = 0;
  for (const number of numbers) if (number <= upTo) covered++;
  return covered;
}

/**
 * A node's key with everything left out that no rule can tell apart. The rules compare the numbers of packets and of
 * commitments, and count on, nothing else: so a number is told by its place among those that it is compared with, and
 * commitments by their order. `exact` of the configuration shows that this loses nothing.
 */
export function shapeOf(node: Draft, storedShape: number): string {
  const { state, stored } = node;
  const { totals, lastChange, clearing, commitments } = state;
  const compared = { local: comparedNumbers(state, "local"), remote: comparedNumbers(state, "remote") };
  const place = (side: Side, number: number) => rank(compared[side], number);
  const ours = commitments.local?.coverage ?? { local: 0, remote: 0 };
  const newest = commitments.remote.at(-1)?.coverage ?? { local: 0, remote: 0 };
  const parts: unknown[] = [
    node.name,
    [node.ready, node.inBatch, node.mortal, node.late].map(Number).join(""),
    stored && `${storedShape},${stored.received - node.received}`,
    state.stage.stage,
    totals.localMsat,
    totals.localLastId,
    totals.remoteLastId,
    lastChange.local > newest.local,
    lastChange.remote > newest.remote,
    lastChange.remote > ours.remote,
    lastChange.acknowledged > ours.local,
    clearing.local && (ours.local >= clearing.local.number ? "covered" : place("local", clearing.local.number)),
    clearing.remote !== undefined,
  ];
  for (const htlc of state.htlcs.values()) {
    const { id, offerer, requestNumber, addNumber, removal, removedBy, removeNumber } = htlc;
    if (requestNumber > 0) parts.push(`a${place(offerer, requestNumber)},${addNumber > 0}`);
    parts.push(`h${id},${place(addedBy(htlc), htlc.addNumber)},${isLate(state, htlc)}`);
    if (removal !== undefined) parts.push(removal.type, removedBy, place(removedBy, removeNumber));
  }
  for (const { id, by, removal } of state.removalRequests.values()) parts.push(`q${id},${by},${removal.type}`);
  for (const id of node.withdrawn) parts.push(`w${id}`);
  for (const { owner, number, feeRate } of state.fees)
    parts.push(`f${owner},${number > 0},${place(owner, number)},${feeRate}`);
  for (const row of [commitments.local, ...commitments.remote]) {
    if (row === undefined) continue;
    parts.push(`c${place("local", row.coverage.local)},${place("remote", row.coverage.remote)},${row.feeRate}`);
  }
  for (const { side, feeSat } of state.closeOffers) parts.push(`o${side},${feeSat}`);
  for (const { number } of state.unacknowledged) parts.push(`u${place("local", number)}`);
  for (const id of node.told) parts.push(`t${id}`);
  for (const [id, end] of node.ends) parts.push(`e${id}${end}`);
  return parts.join(" ");
}

/** Every packet of a run, by a number: equal packets have equal numbers. */
export class PacketBook {
  private readonly packets: Packet[] = [];
  private readonly ids = new Map<string, number>();

  idOf(from: PartyName, packet: Packet): number {
    const { message } = packet.pkt;
    const key = `${from} ${packet.number} ${packet.acknowledge} ${contentOf(message)}`;
    const known = this.ids.get(key);
    if (known !== undefined) return known;
    this.packets.push(packet);
    this.ids.set(key, this.packets.length - 1);
    return this.packets.length - 1;
  }

  packet(id: number): Packet {
    const packet = this.packets[id];
    if (packet === undefined) throw new Error(`there is no packet ${id}`);
    return packet;
  }
}

/** 1, 2, ... in the order in which keys come up. */
export function numberOf(numbers: Map<string, number>, key: string): number {
  let number = numbers.get(key);
  if (number === undefined) {
    number = numbers.size + 1;
    numbers.set(key, number);
  }
  return number;
}

/**
 * What a message does, less what its sender's state tells: what a signature covers is in the sender's commitments until it
 * is revoked, and preimages and hashes follow from the number of the commitment.
 */
export function kindOf(message: PktMessage): string {
  switch (message.type) {
    case "update_add_htlc":
    case "update_fulfill_htlc":
    case "update_fail_htlc":
    case "add_request":
    case "add_accept":
    case "add_reject":
    case "add_withdraw":
    case "settle_request":
    case "settle_accept":
    case "timeout_request":
    case "timeout_accept":
      return `${message.type} ${message.id}`;
    case "update_fee":
      return `${message.type} ${message.feeRate}`;
    case "close_signature":
      return `${message.type} ${message.closeFeeSat}`;
    default:
      return message.type;
  }
}

function contentOf(message: PktMessage): string {
  return JSON.stringify(message, (_, value: unknown) => {
    if (value instanceof Uint8Array) return toHex(value);
    return typeof value === "bigint" ? value.toString() : value;
  });
}
