// From which of its states a party can end up on chain, and how: every state of an exploration, with every transaction that may
// spend the anchor then, equal ones once. What the peer has is no matter: it can have all that the party ever signed, and no more.
import type { CommitmentRow, Coverage, HtlcRow } from "../../src/core/payment-channel/index.ts";
import { addedBy } from "../../src/core/payment-channel/rows.ts";
import { type ChannelState, isCleared, isSettled } from "../../src/core/payment-channel/state.ts";
import { type ExploredNode, numberOf } from "./exploration-shapes.ts";

/** A commitment, with the state of the party while it counted, and what HTLCs had brought that were gone by then, in millisatoshi. */
export type Signed = { readonly row: CommitmentRow; readonly state: ChannelState; readonly settledMsat: bigint };

/** What spends the anchor. */
export type AnchorSpender =
  /** Nobody but the party itself, with its newest commitment or the close that both agreed on. */
  | { readonly type: "own" }
  /** The peer publishes a commitment of its own. */
  | { readonly type: "theirs"; readonly signed: Signed; readonly revoked: boolean }
  /** A close for which the party gave its signature at this fee. */
  | { readonly type: "close"; readonly feeSat: bigint };

/** A state of the honest party, and how the peer ends it. */
export type Position = {
  readonly key: string;
  readonly node: ExploredNode;
  /** As in `Signed`, of the state. */
  readonly settledMsat: bigint;
  readonly spender: AnchorSpender;
  /** Another commitment of the peer's, for a reorganisation to bring. */
  readonly other: Signed | undefined;
  readonly otherRevoked: boolean;
};

/** By the letter of seed 001 section 3.5: what an HTLC is in a commitment that covers these messages. */
export function standingOf(htlc: HtlcRow, coverage: Coverage): "absent" | "standing" | "fulfilled" | "failed" {
  const { addNumber, removal, removedBy, removeNumber } = htlc;
  if (addNumber === 0 || addNumber > coverage[addedBy(htlc)]) return "absent";
  if (removal === undefined || removeNumber > coverage[removedBy]) return "standing";
  return removal.type;
}

function contentOf({ row, state }: Pick<Signed, "row" | "state">): string {
  let content = `${row.feeRate},${row.localMsat},${row.remoteMsat}`;
  for (const htlc of state.htlcs.values()) {
    if (standingOf(htlc, row.coverage) === "standing") content += `,${htlc.id}`;
  }
  return content;
}

/** Everything of a state that enforcement can see, by what it means. */
function stateKey({ state, late, ends }: ExploredNode): string {
  const { stage, commitments, clearing, closeOffers } = state;
  const parts: unknown[] = [stage.stage, late, clearing.local !== undefined, clearing.remote !== undefined];
  for (const { side, feeSat } of closeOffers) parts.push(`o${side}${feeSat}`);
  for (const htlc of state.htlcs.values()) {
    const { id, requestNumber, addNumber, removal, removedBy } = htlc;
    const flags = [addNumber > 0, requestNumber > 0, isCleared(state, htlc), isSettled(state, htlc)].map(Number);
    parts.push(`h${id},${flags.join("")},${removal && `${removal.type},${removedBy}`},${ends.get(id)}`);
  }
  for (const { id, by, removal } of state.removalRequests.values()) parts.push(`q${id},${by},${removal.type}`);
  if (commitments.local !== undefined) parts.push(contentOf({ row: commitments.local, state }));
  return parts.join(" ");
}

/** What led to a node: the commitments of the peer's that it has revoked, over all ways to there, and what HTLCs brought. */
type Past = { readonly revoked: Map<string, Signed>; readonly settledMsat: bigint };

function pastsOf(nodes: readonly ExploredNode[]): Map<ExploredNode, Past> {
  const pasts = new Map<ExploredNode, Past>();
  const first = nodes[0];
  if (first === undefined) return pasts;
  pasts.set(first, { revoked: new Map(), settledMsat: 0n });
  const waiting = [first];
  for (let at = 0; at < waiting.length; at++) {
    const node = waiting[at];
    const past = node && pasts.get(node);
    if (node === undefined || past === undefined) continue;
    for (const move of node.moves.values()) {
      if (move === undefined || move.node === node) continue;
      if (extend(pasts, past, node.state, move.node)) waiting.push(move.node);
    }
  }
  return pasts;
}

/** Adds what a move from `state` to `next` leaves behind. Returns whether something is new. */
function extend(pasts: Map<ExploredNode, Past>, past: Past, state: ChannelState, next: ExploredNode): boolean {
  const settledMsat = past.settledMsat + settledBetween(state, next.state);
  const known = pasts.get(next);
  // Two ways to one state that disagree about what it is worth.
  if (known !== undefined && known.settledMsat !== settledMsat) throw new Error("a state is worth two amounts");
  const to: Past = known ?? { revoked: new Map(), settledMsat };
  pasts.set(next, to);
  const size = to.revoked.size;
  for (const [key, signed] of past.revoked) to.revoked.set(key, signed);
  const oldest = next.state.commitments.remote[0]?.number ?? 0;
  for (const row of state.commitments.remote) {
    if (row.number >= oldest) continue;
    const signed = { row, state, settledMsat: past.settledMsat };
    to.revoked.set(`${row.number} ${contentOf(signed)} ${numbersOf(signed)}`, signed);
  }
  return known === undefined || to.revoked.size > size;
}

/** What the HTLCs that are gone after a move brought the party, in millisatoshi. */
function settledBetween(from: ChannelState, to: ChannelState): bigint {
  let sum = 0n;
  for (const { id, offerer, removal, amountMsat } of from.htlcs.values()) {
    if (to.htlcs.has(id)) continue;
    // A crash takes back what was not stored: then it is as if it had never been.
    if (removal?.type === "fulfilled" && wasOffered(to, id)) sum += offerer === "local" ? -amountMsat : amountMsat;
  }
  return sum;
}

function wasOffered({ totals }: ChannelState, id: bigint): boolean {
  return id <= totals.localLastId || id <= totals.remoteLastId;
}

function numbersOf({ row, state }: Signed): string {
  let numbers = `${row.coverage.local}/${row.coverage.remote}`;
  for (const { id, addNumber, removeNumber } of state.htlcs.values()) numbers += ` ${id},${addNumber},${removeNumber}`;
  return numbers;
}

/** Every position that the nodes of one party come to, once. The first node is the one that the exploration began with. */
export function positionsOf(all: Iterable<ExploredNode>): Position[] {
  const nodes = [...all];
  const pasts = pastsOf(nodes);
  const positions = new Map<string, Position>();
  const states = new Map<string, number>();
  for (const node of nodes) {
    const past = pasts.get(node);
    if (past === undefined) throw new Error("a node that nothing leads to");
    for (const position of positionsAt(node, past, `${numberOf(states, stateKey(node))}`)) {
      if (!positions.has(position.key)) positions.set(position.key, position);
    }
  }
  return [...positions.values()];
}

function positionsAt(node: ExploredNode, { revoked, settledMsat }: Past, of: string): Position[] {
  const { state } = node;
  const unrevoked = state.commitments.remote.map((row): Signed => ({ row, state, settledMsat }));
  const former = [...revoked.values()].at(-1);
  const here = (what: string, spender: AnchorSpender, other: Signed | undefined): Position => {
    const otherRevoked = other !== undefined && other === former && !unrevoked.includes(other);
    return { key: `${of} ${what}`, node, settledMsat, spender, other, otherRevoked };
  };
  const positions = [here("own", { type: "own" }, unrevoked.at(-1))];
  for (const signed of unrevoked) {
    const other = unrevoked.length > 1 ? unrevoked.find((one) => one !== signed) : former;
    positions.push(here(`theirs ${contentOf(signed)}`, { type: "theirs", signed, revoked: false }, other));
  }
  for (const signed of revoked.values()) {
    positions.push(here(`revoked ${contentOf(signed)}`, { type: "theirs", signed, revoked: true }, unrevoked.at(-1)));
  }
  for (const { side, feeSat } of state.closeOffers) {
    if (side === "local") positions.push(here(`close ${feeSat}`, { type: "close", feeSat }, undefined));
  }
  return positions;
}
