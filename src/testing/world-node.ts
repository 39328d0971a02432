import { type Chain, embeddedChain } from "../adapters/chain-embedded/index.ts";
import type { MemoryNetwork } from "../adapters/p2p-memory/index.ts";
import { type MemoryStore, memoryStore } from "../adapters/store-memory/index.ts";
import { concatBytes, type NodeId, toHex } from "../core/base/index.ts";
import { keyPaths, seedSigner, sha256 } from "../core/crypto/index.ts";
import type { ChannelPolicy } from "../core/payment-channel/index.ts";
import { type CopyPolicy, type NodeEvent, type SluiceNode, startNode } from "../node/index.ts";
import type { BitcoinChain } from "../ports/bitcoin-chain.ts";
import type { Store } from "../ports/store.ts";
import type { PeerAddress, Transport } from "../ports/transport.ts";
import { pick, type RandomNumbers, randomNumbers, subSeed } from "./random-numbers.ts";
import { type CommitTrouble, type SimulatedStore, simulatedStore } from "./simulated-store.ts";
import { type MessageTap, tappedTransport } from "./tapped-transport.ts";
import { plainText, type Trace } from "./trace.ts";
import type { VirtualClock } from "./virtual-clock.ts";

/** What is put in between a node and what it runs on. Each is asked for every life of every node. */
export type Taps = {
  /** The store of a node before its first life. */
  readonly newStore?: (name: string) => MemoryStore;
  readonly store?: (store: MemoryStore, node: WorldNode) => Store;
  readonly transport?: (transport: Transport, node: WorldNode) => Transport;
  readonly chain?: (chain: BitcoinChain, node: WorldNode) => BitcoinChain;
  /** Whether nodes keep backups. */
  readonly backups?: boolean;
  /** A backup is written, with all live channels or without some. */
  readonly onBackup?: (isWhole: boolean, node: WorldNode) => void;
  /** Whether nodes send copies to peers, and keep those of peers; absent: neither. */
  readonly copies?: (node: WorldNode) => CopyPolicy;
  /** So many inputs of each channel are kept to be replayed. */
  readonly replayInputs?: number;
  readonly policy?: (node: WorldNode) => Partial<ChannelPolicy>;
};

/** What goes wrong by itself, each a chance from 0 to 1; absent: never. The seed decides when. */
export type Faults = {
  /** At each commit: the machine goes, and the batch is written or not. */
  readonly crashAtCommit?: number;
  /** At each commit: the store refuses it, or can't say whether it was written. The node halts. */
  readonly failCommit?: number;
  /** At each message that arrives: the machine that it comes to goes. */
  readonly crashAtMessage?: number;
  /** At each message that arrives: it is lost with its connection. */
  readonly dropAtMessage?: number;
};

/** What a node needs of its world. */
type Surroundings = {
  readonly seed: number;
  readonly clock: VirtualClock;
  readonly network: MemoryNetwork;
  readonly chain: Chain;
  readonly taps: Taps;
  readonly faults: Faults;
  readonly commitMs: { readonly least: number; readonly most: number };
  readonly trace: Trace;
  readonly nodes: readonly WorldNode[];
};

/** What happens when a message arrives: it is lost with its connection, or the machine that it comes to goes. */
export type MessageTrouble = "drop" | "crash";

type Plan<T> = { left: number; readonly trouble: T };

/** A node of a world: it crashes and comes back. What happened to it is kept over all its lives. */
export class WorldNode {
  readonly name: string;
  readonly nodeId: NodeId;
  readonly address: PeerAddress;
  /** 64 bytes, from the world's seed and the node's name. */
  readonly seed: Uint8Array;
  /** What it told, over all its lives. */
  readonly events: NodeEvent[] = [];
  /** What is durable. Another one takes effect with the next life: an old copy of it, say. */
  store: MemoryStore;
  /** Of its next life, beside that of the world. */
  policy: Partial<ChannelPolicy> = {};
  /** What its own view of the chain makes of the fee estimate from now on: nodes of different owners never quite agree. */
  feeFactor = 1;
  /** The newest backup that it wrote, where the world has backups. */
  backup: Uint8Array | undefined;
  /** Throws to have writing a backup fail. */
  backupFault: (() => void) | undefined;
  /** Stands between it and its connections from the next connection on. */
  tap: MessageTap = {};
  private readonly world: Surroundings;
  private readonly faults: RandomNumbers;
  private readonly delays: RandomNumbers;
  private commitPlan: Plan<CommitTrouble> | undefined;
  private messagePlan: Plan<MessageTrouble> | undefined;
  private live: SluiceNode | undefined;
  /** The last life, until it is put away. */
  private old: SluiceNode | undefined;
  private writes: SimulatedStore | undefined;
  private made = 0;
  private lives = 0;
  /** The life that ended because it could not write. */
  private halted = 0;

  constructor(world: Surroundings, name: string) {
    this.world = world;
    this.name = name;
    this.store = world.taps.newStore?.(name) ?? memoryStore();
    const half = (n: number) => sha256(new TextEncoder().encode(`${world.seed} ${name} ${n}`));
    this.seed = concatBytes(half(1), half(2));
    this.nodeId = seedSigner(this.seed, 1).publicKey(keyPaths(1).nodeKey()) as NodeId;
    this.address = { host: name, port: 9745 };
    this.faults = randomNumbers(subSeed(world.seed, `${name} faults`));
    this.delays = randomNumbers(subSeed(world.seed, `${name} delays`));
  }

  /** Undefined while it is down. */
  get up(): SluiceNode | undefined {
    return this.live;
  }

  /** Throws while it is down. */
  get node(): SluiceNode {
    if (this.live === undefined) throw new Error(`${this.name} is down`);
    return this.live;
  }

  /** Whether a commit is under way. */
  get isWriting(): boolean {
    return this.writes?.isWriting() ?? false;
  }

  /** Starts it on what its store has, and listens. Rejects where it could not: something crashed it, say. */
  async start(): Promise<void> {
    const { clock, network, chain, taps } = this.world;
    const view = this.view(embeddedChain(chain, clock));
    const bytes = (length: number) => {
      return sha256(new TextEncoder().encode(`${this.world.seed} ${this.name} ${this.made++}`)).slice(0, length);
    };
    const life = ++this.lives;
    const transport = this.tapped(network.transport(this.nodeId), life);
    const starting = startNode({
      store: this.stored(life),
      chain: taps.chain?.(view, this) ?? view,
      transport: taps.transport?.(transport, this) ?? transport,
      clock,
      random: { bytes },
      seed: this.seed,
      copies: taps.copies?.(this),
      ...(taps.backups === true && {
        writeBackup: (sealed: Uint8Array, isWhole: boolean) => this.keep(life, sealed, isWhole),
      }),
      policy: { ...taps.policy?.(this), ...this.policy },
      replayInputs: taps.replayInputs,
      listener: (event) => this.heard(life, event),
    });
    // Nothing is delivered meanwhile: a start takes what is durable, and the chain.
    starting.catch(() => undefined);
    await clock.run();
    const started = await starting;
    if (life !== this.lives || life === this.halted) throw new Error(`${this.name} crashed while it started`);
    this.live = started;
    this.old = started;
    await started.listen(this.address);
  }

  private view(chain: BitcoinChain): BitcoinChain {
    return {
      ...chain,
      feeEstimate: async (blocks) => {
        const rate = await chain.feeEstimate(blocks);
        return rate === undefined ? undefined : Math.round(rate * this.feeFactor);
      },
    };
  }

  private heard(life: number, event: NodeEvent): void {
    // What a crashed process still says, nobody hears.
    if (life !== this.lives) return;
    this.events.push(event);
    this.world.trace.note(`${this.name}: ${plainText(event)}`);
    if (event.type !== "halted") return;
    this.live = undefined;
    this.halted = life;
  }

  private async keep(life: number, bytes: Uint8Array, isWhole: boolean): Promise<void> {
    this.backupFault?.();
    this.world.taps.onBackup?.(isWhole, this);
    if (life === this.lives) this.backup = bytes;
  }

  private stored(life: number): Store {
    const { taps, clock, trace } = this.world;
    const { store } = this;
    const isMine = () => life === this.lives;
    this.writes = simulatedStore(taps.store?.(store, this) ?? store, {
      clock,
      // Time does not pass while a node starts.
      delayMs: () => (this.live === undefined ? 0 : this.commitMs()),
      trouble: () => (isMine() ? this.commitTrouble() : undefined),
      crash: () => (isMine() ? this.crash() : undefined),
      committed: ({ sequence, changes }) => trace.note(`${this.name} has written ${sequence}: ${changes.length}`),
      failNextCommit: (fault) => store.failNextCommit(fault),
    });
    return this.writes;
  }

  private commitMs(): number {
    const { least, most } = this.world.commitMs;
    return least === most ? least : least + this.delays(most - least + 1);
  }

  private tapped(transport: Transport, life: number): Transport {
    return tappedTransport(transport, {
      sending: (peer, message, send) => this.tap.sending?.(peer, message, send) ?? [message],
      receiving: (peer, message) => {
        if (life !== this.lives) return false;
        this.world.trace.note(`${toHex(peer).slice(0, 8)} > ${this.name} ${message.length}`, message);
        const trouble = this.messageTrouble();
        if (trouble === "crash") this.crash();
        if (trouble === "drop") this.world.network.drop(this.nodeId, peer);
        return trouble === undefined && this.tap.receiving?.(peer, message) !== false;
      },
    });
  }

  /** Has its commit after `commits` others go wrong, counted from now. One plan at a time. */
  planCommit(commits: number, trouble: CommitTrouble): void {
    this.commitPlan = { left: commits, trouble };
  }

  /** Has the arrival of a message after `messages` others go wrong, counted from now. One plan at a time. */
  planMessage(messages: number, trouble: MessageTrouble): void {
    this.messagePlan = { left: messages, trouble };
  }

  /** Forgets what is planned. */
  unplan(): void {
    this.commitPlan = undefined;
    this.messagePlan = undefined;
  }

  private happens(chance: number | undefined): boolean {
    return chance !== undefined && chance > 0 && this.faults(1_000_000) < chance * 1_000_000;
  }

  private commitTrouble(): CommitTrouble | undefined {
    const plan = this.commitPlan;
    if (plan !== undefined && plan.left-- === 0) {
      this.commitPlan = undefined;
      return plan.trouble;
    }
    const { crashAtCommit, failCommit } = this.world.faults;
    const written = () => this.faults(2) === 0;
    if (this.happens(crashAtCommit)) return { type: "crash", written: written() };
    if (!this.happens(failCommit)) return undefined;
    return pick(this.faults, [{ type: "refused" } as const, { type: "unknown", written: written() } as const]);
  }

  private messageTrouble(): MessageTrouble | undefined {
    const plan = this.messagePlan;
    if (plan !== undefined && plan.left-- === 0) {
      this.messagePlan = undefined;
      return plan.trouble;
    }
    const { crashAtMessage, dropAtMessage } = this.world.faults;
    if (this.happens(crashAtMessage)) return "crash";
    return this.happens(dropAtMessage) ? "drop" : undefined;
  }

  /**
   * The machine goes: nothing of this life reaches the store or anybody any more. A commit that is under way is there afterwards or not,
   * as the seed says where `written` does not.
   */
  crash(written?: boolean): void {
    this.world.trace.note(`${this.name} crashes`);
    this.live = undefined;
    this.lives++;
    if (this.isWriting) this.writes?.crash(written ?? this.faults(2) === 0);
    this.writes = undefined;
    this.store = this.store.reopen();
    for (const other of this.world.nodes) this.world.network.drop(this.nodeId, other.nodeId);
    // What is left of the process can't write; its listeners and timers are put away.
    this.old?.stop().catch(() => undefined);
    this.old = undefined;
  }

  /** Where it is down, it comes back. False where it went again while it started. */
  async revive(): Promise<boolean> {
    if (this.live !== undefined) return true;
    this.crash();
    return this.start().then(
      () => true,
      () => false,
    );
  }
}
