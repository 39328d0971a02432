import type { CommitmentRow } from "../../src/core/payment-channel/index.ts";
import { isRequested } from "../../src/core/payment-channel/rows.ts";
import { isAddedIn, isIn } from "../../src/core/payment-channel/state.ts";
import type { ChannelPair, Packet, PartyName } from "./channel-pair.ts";
import { type Choices, NodeExplorer, unanswered, undecided, Violation } from "./exploration-node.ts";
import {
  comparedNumbers,
  type ExploredNode,
  kindOf,
  type Move,
  numberOf,
  PacketBook,
  rank,
} from "./exploration-shapes.ts";
import { StateSet } from "./exploration-states.ts";

export type Configuration = {
  /** The channel has pre-staging. */
  readonly prestage?: boolean;
  readonly alice: Partial<Choices>;
  readonly bob: Partial<Choices>;
  /** How often the connection may go, and how often a process may die (which takes the connection with it). */
  readonly cuts?: number;
  readonly crashes?: number;
  /** Every batch holds one input: what a node does is committed and sent at once. */
  readonly smallBatches?: boolean;
  /** Every number tells states apart, which has to find the same shapes. */
  readonly exact?: boolean;
  /** A rule of the transport that is broken, to see that it matters. */
  readonly broken?: "acknowledge of the flush" | "acknowledge refreshed on resend";
};

export type Explored = {
  /** States that some rule can tell apart. */
  readonly states: number;
  /** States by every number, where `exact` asks for it. */
  readonly exactStates: number;
  readonly transitions: number;
  /** States in which nothing happens unless somebody decides something. */
  readonly atRest: number;
  /** Distinct states of one node, and production steps run: each node's step is made once per state and input. */
  readonly nodes: number;
  readonly nodeShapes: number;
  readonly steps: number;
};

/** Both nodes and what is between them. `out`: lists of a party's packets that the other's store has not got. */
type World = {
  readonly alice: ExploredNode;
  readonly bob: ExploredNode;
  readonly aliceOut: number;
  readonly bobOut: number;
  readonly connected: boolean;
  readonly cuts: number;
  readonly crashes: number;
};

type Step = { readonly what: string; readonly world: World; readonly choice: boolean };

const NAMES = ["alice", "bob"] as const;
const MAX_LISTS = 0xffff_ffff;

function other(name: PartyName): PartyName {
  return name === "alice" ? "bob" : "alice";
}

function outOf(world: World, name: PartyName): number {
  return name === "alice" ? world.aliceOut : world.bobOut;
}

function withOut(world: World, name: PartyName, list: number): World {
  return name === "alice" ? { ...world, aliceOut: list } : { ...world, bobOut: list };
}

/** How many of the peer's packets the node has for good. */
function storedCount(node: ExploredNode): number {
  return node.stored?.received ?? node.received;
}

function ensure(holds: boolean, what: () => string): void {
  if (!holds) throw new Violation(what());
}

/** Whether the HTLC stands in the newest commitment of its offerer, the only one that the offerer can broadcast. */
function standsAt(offerer: ExploredNode, id: bigint): boolean {
  const htlc = offerer.state.htlcs.get(id);
  const covered = offerer.state.commitments.local?.coverage;
  return htlc !== undefined && covered !== undefined && isIn(htlc, covered);
}

/** What has to hold before the receiver of an HTLC acts on it: nobody can broadcast a commitment that lacks it. */
function checkCleared(receiver: ExploredNode, offerer: ExploredNode, id: bigint): void {
  const htlc = receiver.state.htlcs.get(id);
  const { local, remote } = receiver.state.commitments;
  const isAdded = (row: CommitmentRow | undefined) =>
    htlc !== undefined && row !== undefined && isAddedIn(htlc, row.coverage);
  ensure(isAdded(local), () => `HTLC ${id} is acted on outside of the own commitment`);
  ensure(remote.every(isAdded), () => `HTLC ${id} is acted on while a commitment without it is not revoked`);
  ensure(standsAt(offerer, id), () => `HTLC ${id} is acted on while its offerer's commitment lacks it`);
}

/** All interleavings of what two honest parties of a channel can do within bounds, by the production code. */
class Exploration {
  private readonly configuration: Configuration;
  private readonly packets = new PacketBook();
  private readonly explorers: Record<PartyName, NodeExplorer>;
  private readonly lists: (readonly number[])[] = [];
  private readonly listIds = new Map<string, number>();
  private readonly listShapes = new Map<string, number>();
  private readonly shapes = new StateSet();
  private readonly seen = new StateSet();
  private readonly path: string[] = [];
  private transitions = 0;
  private atRest = 0;

  constructor(pair: ChannelPair, configuration: Configuration) {
    this.configuration = configuration;
    const mortal = (configuration.crashes ?? 0) > 0;
    const none: Choices = {
      amountsMsat: [],
      feeRate: undefined,
      close: false,
      answer: false,
      withdraw: false,
      expire: false,
    };
    const explorer = (name: PartyName) =>
      new NodeExplorer(pair[name], { ...none, ...configuration[name] }, { packets: this.packets, mortal });
    this.explorers = { alice: explorer("alice"), bob: explorer("bob") };
  }

  run(): Explored {
    const { alice, bob } = this.explorers;
    const { cuts = 0, crashes = 0 } = this.configuration;
    const out = this.listOf([]);
    const first = { alice: alice.first, bob: bob.first, aliceOut: out, bobOut: out, connected: true, cuts, crashes };
    try {
      this.visit(first);
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      throw new Violation(`${error.message}\nafter: ${this.path.join(", ")}`, { cause: error });
    }
    return {
      states: this.shapes.size,
      exactStates: this.seen.size,
      transitions: this.transitions,
      atRest: this.atRest,
      nodes: alice.size + bob.size,
      nodeShapes: alice.shapeCount + bob.shapeCount,
      steps: alice.steps + bob.steps,
    };
  }

  nodes(name: PartyName): Iterable<ExploredNode> {
    return this.explorers[name].all();
  }

  private visit(world: World): void {
    const { alice, bob, aliceOut, bobOut, connected, cuts, crashes } = world;
    const flags = (connected ? 1 : 0) + 2 * cuts + 8 * crashes;
    const shapeIsNew = this.shapes.add(
      alice.shape * 32 + flags,
      bob.shape,
      this.listShape(aliceOut, bob),
      this.listShape(bobOut, alice),
    );
    if (this.configuration.exact === true) {
      if (!this.seen.add(alice.id * 32 + flags, bob.id, aliceOut, bobOut)) return;
    } else if (!shapeIsNew) return;
    const steps = this.stepsFrom(world);
    if (connected && steps.every(({ choice }) => choice)) this.checkAtRest(world);
    for (const step of steps) {
      this.transitions++;
      this.path.push(step.what);
      this.visit(step.world);
      this.path.pop();
    }
  }

  private listOf(packets: readonly number[]): number {
    const key = packets.join(" ");
    const known = this.listIds.get(key);
    if (known !== undefined) return known;
    ensure(this.lists.length < MAX_LISTS, () => "too many lists of packets");
    this.lists.push(packets);
    this.listIds.set(key, this.lists.length - 1);
    return this.lists.length - 1;
  }

  /** The packets as far as some rule can tell them apart: their acknowledges by the changes of the receiver that they cover. */
  private listShape(id: number, receiver: ExploredNode): number {
    const compared = comparedNumbers(receiver.state, "local");
    if (receiver.stored !== undefined) compared.push(...comparedNumbers(receiver.stored.state, "local"));
    let key = "";
    for (const each of this.list(id)) {
      const { pkt, acknowledge } = this.packets.packet(each);
      key += `${kindOf(pkt.message)},${rank(compared, acknowledge)} `;
    }
    return numberOf(this.listShapes, key);
  }

  private list(id: number): readonly number[] {
    return this.lists[id] ?? [];
  }

  /** The packet that comes next to a party. */
  private nextFor(world: World, name: PartyName): number | undefined {
    if (!world.connected) return undefined;
    const node = world[name];
    return this.list(outOf(world, other(name)))[node.received - storedCount(node)];
  }

  private stepsFrom(world: World): Step[] {
    const steps: Step[] = [];
    const faults = world.cuts + world.crashes > 0 || !world.connected;
    for (const name of NAMES) {
      const waits = this.nextFor(world, name);
      if (waits !== undefined) this.addDelivery(steps, world, name, waits);
      this.addMove(steps, world, name, "flush", this.explorers[name].flush(world[name]), false);
      if (world.connected) this.addChoices(steps, world, name);
    }
    if (faults) this.addFaults(steps, world);
    return steps;
  }

  private addDelivery(steps: Step[], world: World, name: PartyName, packet: number): void {
    const { message } = this.packets.packet(packet).pkt;
    const move = this.attempt(`${name} receives ${message.type}`, () =>
      this.explorers[name].receive(world[name], packet),
    );
    for (const id of move.cleared) checkCleared(move.node, world[other(name)], id);
    for (const id of move.failed) {
      ensure(!standsAt(move.node, id), () => `HTLC ${id} is failed while the own commitment holds it`);
      const peer = world[other(name)];
      const held = peer.state.htlcs.get(id);
      ensure(
        held === undefined || !standsAt(peer, id),
        () => `HTLC ${id} is failed while the peer's commitment holds it`,
      );
    }
    this.addMove(steps, world, name, `receives ${message.type}`, move, false);
  }

  private addChoices(steps: Step[], world: World, name: PartyName): void {
    const explorer = this.explorers[name];
    const node = world[name];
    this.addMove(steps, world, name, "offers", explorer.offer(node), true);
    for (const id of undecided(node)) {
      for (const end of ["fulfill", "fail"] as const) {
        const move = explorer[end](node, id);
        if (move !== undefined) checkCleared(node, world[other(name)], id);
        this.addMove(steps, world, name, `${end}s ${id}`, move, true);
      }
    }
    for (const id of unanswered(node, "remote")) {
      if (this.configuration[name].answer !== true) continue;
      this.addMove(steps, world, name, `accepts ${id}`, explorer.accept(node, id), true);
      this.addMove(steps, world, name, `rejects ${id}`, explorer.reject(node, id), true);
    }
    for (const id of unanswered(node, "local")) {
      this.addMove(steps, world, name, `withdraws ${id}`, explorer.withdraw(node, id), true);
    }
    this.addMove(steps, world, name, "sees the expiry", explorer.expire(node), true);
    this.addMove(steps, world, name, "asks for a fee rate", explorer.setFee(node), true);
    this.addMove(steps, world, name, "closes", explorer.close(node), true);
  }

  private addMove(
    steps: Step[],
    world: World,
    name: PartyName,
    what: string,
    moved: Move | undefined,
    choice: boolean,
  ): void {
    if (moved === undefined) return;
    let { node } = moved;
    let { packets } = moved;
    if (this.configuration.smallBatches === true && what !== "flush") {
      const flushed = this.explorers[name].flush(node);
      if (flushed !== undefined) ({ node, packets } = flushed);
    }
    if (this.configuration.broken === "acknowledge of the flush") packets = this.stamped(name, packets, node.received);
    let next: World = { ...world, [name]: node };
    if (packets.length > 0) {
      next = withOut(next, name, this.listOf([...this.list(outOf(world, name)), ...packets]));
    }
    const had = storedCount(world[name]);
    const has = storedCount(node);
    if (has > had) next = withOut(next, other(name), this.listOf(this.list(outOf(next, other(name))).slice(has - had)));
    steps.push({ what: `${name} ${what}`, world: next, choice });
  }

  private addFaults(steps: Step[], world: World): void {
    const { alice, bob } = world;
    const parties = this.explorers;
    if (!world.connected) {
      if (!alice.inBatch && !bob.inBatch)
        steps.push({ what: "they connect", world: this.connected(world), choice: false });
    } else if (world.cuts > 0) {
      const apart = { ...world, alice: parties.alice.disconnect(alice), bob: parties.bob.disconnect(bob) };
      const next = { ...apart, connected: false, cuts: world.cuts - 1 };
      steps.push({ what: "the connection goes", world: next, choice: true });
    }
    if (world.crashes === 0) return;
    const crashes = world.crashes - 1;
    for (const name of NAMES) {
      let died = { ...world, connected: false, crashes };
      const peer = other(name);
      died = { ...died, [name]: parties[name].crash(world[name]), [peer]: parties[peer].disconnect(world[peer]) };
      if (crashes === 0) {
        // The stores have nothing more to give back: what they have not got is on its way no longer.
        for (const each of NAMES) {
          const node = parties[each].immortal(died[each]);
          const drop = storedCount(node) - storedCount(died[each]);
          const list = this.listOf(this.list(outOf(died, other(each))).slice(drop));
          died = withOut({ ...died, [each]: node }, other(each), list) as typeof died;
        }
      }
      steps.push({ what: `${name} crashes`, world: died, choice: true });
    }
  }

  private connected(world: World): World {
    let next: World = { ...world, connected: true };
    for (const name of NAMES) {
      next = { ...next, [name]: this.explorers[name].connect(world[name]) };
      if (this.configuration.broken !== "acknowledge refreshed on resend") continue;
      const list = this.list(outOf(world, name));
      next = withOut(next, name, this.listOf(this.stamped(name, list, world[name].received)));
    }
    return next;
  }

  /** The packets with another acknowledge than they were created with: against the rules. */
  private stamped(name: PartyName, packets: readonly number[], acknowledge: number): number[] {
    return packets.map((id) => this.packets.idOf(name, { ...this.packets.packet(id), acknowledge } satisfies Packet));
  }

  /** Names the move in which a violation showed. */
  private attempt<T>(what: string, make: () => T): T {
    this.path.push(what);
    const made = make();
    this.path.pop();
    return made;
  }

  /** Nothing is under way and no batch is open: all that was staged is settled, or waits for a decision. */
  private checkAtRest(world: World): void {
    this.atRest++;
    const { alice, bob } = world;
    ensure(alice.state.stage.stage === bob.state.stage.stage, () => `${alice.state.stage.stage} at one side only`);
    const live = [...alice.state.htlcs.keys()].sort().join();
    ensure(live === [...bob.state.htlcs.keys()].sort().join(), () => `HTLCs ${live} at one side only`);
    ensure(!alice.late || !bob.late || live === "", () => `HTLCs ${live} have expired for both, and stay`);
    for (const name of NAMES) this.checkNodeAtRest(world[name], world[other(name)]);
    const closing = alice.state.clearing.local !== undefined || bob.state.clearing.local !== undefined;
    if (!closing || live !== "") return;
    ensure(alice.state.stage.stage === "close_agreed", () => "a close that all HTLCs have drained for does not come");
    ensure(alice.broadcast !== undefined && alice.broadcast === bob.broadcast, () => "two different closes");
  }

  private checkNodeAtRest(node: ExploredNode, peer: ExploredNode): void {
    const { name, state, ends } = node;
    const { local } = state.commitments;
    const theirs = peer.state.commitments.remote;
    ensure(theirs.length === 1, () => `${name} has ${theirs.length} commitments that are not revoked`);
    ensure(local?.number === theirs[0]?.number, () => `${name} has not got the newest signature`);
    // One that crosses the first close_signature comes too late for a commitment, and the close does not ask for it.
    const closed = state.stage.stage === "close_agreed";
    ensure(closed || local?.feeRate === state.view.feeRate.local, () => `a fee rate of ${name} is not signed for`);
    const { balanceMsat } = state.view.local;
    ensure(balanceMsat === peer.state.view.remote.balanceMsat, () => `${name}'s balance has two values`);
    for (const htlc of state.htlcs.values()) {
      ensure(htlc.removal === undefined, () => `the removal of HTLC ${htlc.id} does not settle`);
      if (htlc.offerer === "local") continue;
      if (isRequested(htlc)) {
        const answers = [this.explorers[name].accept(node, htlc.id), this.explorers[name].reject(node, htlc.id)];
        const asked = this.configuration[name].answer === true;
        ensure(asked && !answers.includes(undefined), () => `HTLC ${htlc.id} is requested, and not answered`);
        continue;
      }
      ensure(node.told.includes(htlc.id), () => `nobody was told to decide about HTLC ${htlc.id}`);
      checkCleared(node, peer, htlc.id);
      ensure(this.explorers[name].fulfill(node, htlc.id) !== undefined, () => `HTLC ${htlc.id} can't be fulfilled`);
      ensure(this.explorers[name].fail(node, htlc.id) !== undefined, () => `HTLC ${htlc.id} can't be failed`);
    }
    const first = state.channel.initiator === "local" ? 0n : 1n;
    for (let id = first; id <= state.totals.localLastId; id += 2n) {
      ensure(ends.has(id) !== state.htlcs.has(id), () => `HTLC ${id} is lost, or ended twice`);
    }
  }
}

/** Explores all that two parties with an open channel at rest can do. Throws with the moves that lead to what must not be. */
export function explore(pair: ChannelPair, configuration: Configuration): Explored {
  return new Exploration(pair, configuration).run();
}

/** The nodes of either party that such an exploration reaches, with what leads from one to the next. */
export function reach(
  pair: ChannelPair,
  configuration: Configuration,
): { readonly explored: Explored; readonly nodes: Record<PartyName, Iterable<ExploredNode>> } {
  const exploration = new Exploration(pair, configuration);
  const explored = exploration.run();
  return { explored, nodes: { alice: exploration.nodes("alice"), bob: exploration.nodes("bob") } };
}
