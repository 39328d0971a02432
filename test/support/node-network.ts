import { Chain, embeddedChain } from "../../src/adapters/chain-embedded/index.ts";
import { type MemoryNetwork, memoryNetwork } from "../../src/adapters/p2p-memory/index.ts";
import { type MemoryStore, memoryStore } from "../../src/adapters/store-memory/index.ts";
import type { NodeId } from "../../src/core/base/index.ts";
import { addressToScript } from "../../src/core/bitcoin/index.ts";
import { keyPaths, seedSigner, sha256 } from "../../src/core/crypto/index.ts";
import type { ChannelPolicy } from "../../src/core/payment-channel/index.ts";
import type { NodeEvent } from "../../src/node/events.ts";
import { type SluiceNode, startNode } from "../../src/node/node.ts";
import type { BitcoinChain } from "../../src/ports/bitcoin-chain.ts";
import type { Store } from "../../src/ports/store.ts";
import type { PeerAddress, Transport } from "../../src/ports/transport.ts";
import { type VirtualClock, virtualClock } from "./virtual-clock.ts";

/** What a test puts in between a node and what it runs on. */
export type Taps = {
  /** The store of a node before its first life. */
  readonly newStore?: (name: string) => MemoryStore;
  readonly store?: (store: MemoryStore, node: TestNode) => Store;
  readonly transport?: (transport: Transport, node: TestNode) => Transport;
  readonly chain?: (chain: BitcoinChain, node: TestNode) => BitcoinChain;
  /** Whether nodes keep backups. */
  readonly backups?: boolean;
  /** A backup is written, with all live channels or without some. */
  readonly onBackup?: (isWhole: boolean, node: TestNode) => void;
  /** So many inputs of each channel are kept to be replayed. */
  readonly replayInputs?: number;
  readonly policy?: (node: TestNode) => Partial<ChannelPolicy>;
};

/** Deliveries are at most this far apart while time passes: well under what a silent connection is given. */
const STEP_MS = 10_000;

/** A node of a `NodeNetwork` that crashes and comes back. What happened to it is kept over all its lives. */
export class TestNode {
  readonly name: string;
  readonly nodeId: NodeId;
  readonly address: PeerAddress;
  readonly events: NodeEvent[] = [];
  store: MemoryStore;
  /** Of its next life. */
  policy: Partial<ChannelPolicy> = {};
  /** The newest that it wrote. */
  backup: Uint8Array | undefined;
  /** Throws to have writing it fail. */
  backupFault: (() => void) | undefined;
  private readonly world: NodeNetwork;
  readonly seed: Uint8Array;
  private live: SluiceNode | undefined;
  /** The last life, until it is put away. */
  private old: SluiceNode | undefined;
  private made = 0;
  private lives = 0;

  constructor(world: NodeNetwork, name: string) {
    this.world = world;
    this.name = name;
    this.store = world.taps.newStore?.(name) ?? memoryStore();
    this.seed = new Uint8Array(64).fill(name.charCodeAt(0));
    this.nodeId = seedSigner(this.seed, 1).publicKey(keyPaths(1).nodeKey()) as NodeId;
    this.address = { host: name, port: 9745 };
  }

  /** Undefined while it is down. */
  get up(): SluiceNode | undefined {
    return this.live;
  }

  get node(): SluiceNode {
    if (this.live === undefined) throw new Error(`${this.name} is down`);
    return this.live;
  }

  async start(): Promise<void> {
    const { clock, network, chain, taps } = this.world;
    const transport = network.transport(this.nodeId);
    const view = embeddedChain(chain, clock);
    const bytes = (length: number) => sha256(new TextEncoder().encode(`${this.name} ${this.made++}`)).slice(0, length);
    const life = ++this.lives;
    const starting = startNode({
      store: taps.store?.(this.store, this) ?? this.store,
      chain: taps.chain?.(view, this) ?? view,
      transport: taps.transport?.(transport, this) ?? transport,
      clock,
      random: { bytes },
      seed: this.seed,
      ...(taps.backups === true && {
        writeBackup: (bytes: Uint8Array, isWhole: boolean) => this.keep(life, bytes, isWhole),
      }),
      policy: { ...taps.policy?.(this), ...this.policy },
      replayInputs: taps.replayInputs,
      listener: (event) => {
        // What a crashed process still says, nobody hears.
        if (life !== this.lives) return;
        this.events.push(event);
        if (event.type === "halted") this.live = undefined;
      },
    });
    await clock.run();
    this.live = await starting;
    this.old = this.live;
    await this.live.listen(this.address);
  }

  private async keep(life: number, bytes: Uint8Array, isWhole: boolean): Promise<void> {
    this.backupFault?.();
    this.world.taps.onBackup?.(isWhole, this);
    if (life === this.lives) this.backup = bytes;
  }

  /** The machine goes: nothing of this life reaches the store or anybody any more. */
  crash(): void {
    this.live = undefined;
    this.lives++;
    this.store = this.store.reopen();
    for (const other of this.world.nodes) this.world.network.drop(this.nodeId, other.nodeId);
    // What is left of the process can't write; its listeners and timers are put away.
    this.old?.stop().catch(() => undefined);
    this.old = undefined;
  }
}

/** Whole nodes in one process and on one chain, where the test decides what happens next. */
export class NodeNetwork {
  readonly clock: VirtualClock = virtualClock();
  readonly network: MemoryNetwork = memoryNetwork({ clock: this.clock });
  readonly chain = new Chain(this.clock);
  readonly taps: Taps;
  readonly nodes: readonly TestNode[];

  /** Unless told otherwise, more blocks than a coinbase needs to mature: no reorganisation takes the faucet its coins. */
  constructor(names: readonly string[], taps: Taps = {}, blocks = 150) {
    this.taps = taps;
    this.chain.mine(blocks);
    this.nodes = names.map((name) => new TestNode(this, name));
  }

  /** Delivers and runs until nothing is left; time stands still. */
  async quiet(): Promise<void> {
    do await this.clock.run();
    while (this.network.run() > 0);
  }

  /** Time passes and what is sent arrives meanwhile, so that no node finds another silent. */
  async advance(ms: number): Promise<void> {
    for (let rest = ms; rest > 0; rest -= STEP_MS) {
      await this.clock.advance(Math.min(rest, STEP_MS));
      await this.quiet();
    }
  }

  /** What a promise of a node comes to, once everything that can happen at this moment has. */
  async outcome<T>(promise: Promise<T>): Promise<T> {
    const settled = promise.then(
      (value) => () => value,
      (cause: unknown) => () => {
        throw cause;
      },
    );
    await this.quiet();
    return (await settled)();
  }

  /** Gives a node coins of `amountSat` each. */
  async fund(node: TestNode, amountSat: bigint, coins: number): Promise<void> {
    const script = addressToScript(await this.outcome(node.node.newAddress()), "regtest");
    if (!script.ok) throw new Error(script.error.type);
    for (let n = 0; n < coins; n++) this.chain.fund(script.value, amountSat);
    this.chain.mine(1);
    await this.quiet();
  }

  async stop(): Promise<void> {
    for (const { up } of this.nodes) if (up !== undefined) await this.outcome(up.stop());
  }
}
