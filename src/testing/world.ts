import { Chain } from "../adapters/chain-embedded/index.ts";
import { type MemoryNetwork, memoryNetwork } from "../adapters/p2p-memory/index.ts";
import { addressToScript } from "../core/bitcoin/index.ts";
import type { OpenChannelRequest } from "../node/index.ts";
import { type RandomNumbers, randomNumbers, subSeed } from "./random-numbers.ts";
import { plainText, Trace } from "./trace.ts";
import { type VirtualClock, virtualClock } from "./virtual-clock.ts";
import { type Faults, type Taps, WorldNode } from "./world-node.ts";

export type WorldOptions = {
  readonly nodes: readonly string[];
  /** The same seed and the same calls: the same run, to the byte. */
  readonly seed?: number;
  /** Virtual milliseconds that a commit takes. By default none. */
  readonly commitMs?: { readonly least: number; readonly most: number };
  readonly faults?: Faults;
  readonly taps?: Taps;
  /** Keeps a line for everything that happens. */
  readonly keepTrace?: boolean;
  /** Blocks at the start: more than a coinbase needs to mature, so that no reorganisation takes the faucet its coins. */
  readonly blocks?: number;
};

/** Blocks until a channel is open, whatever its amount and policy by default. */
const DEPTH = 8;

/**
 * Nodes on the production code in one process, with a chain, a network, stores and a clock that are all in memory: whoever holds it
 * decides what happens next, and nothing happens otherwise. There is no randomness but that of the seed.
 */
export class World {
  readonly seed: number;
  readonly clock: VirtualClock = virtualClock();
  readonly network: MemoryNetwork = memoryNetwork({ clock: this.clock });
  readonly chain = new Chain(this.clock);
  readonly taps: Taps;
  readonly nodes: readonly WorldNode[];
  readonly trace: Trace;
  readonly commitMs: { readonly least: number; readonly most: number };
  /** From now on. */
  faults: Faults;
  private readonly deliveries: RandomNumbers;

  constructor(options: WorldOptions) {
    this.seed = options.seed ?? 0;
    this.taps = options.taps ?? {};
    this.faults = options.faults ?? {};
    this.commitMs = options.commitMs ?? { least: 0, most: 0 };
    this.trace = new Trace(options.keepTrace ?? false);
    this.deliveries = randomNumbers(subSeed(this.seed, "deliveries"));
    this.chain.mine(options.blocks ?? 150);
    this.chain.subscribe((event) => {
      const { tip } = this.chain;
      if (event.type === "tip") this.trace.note(`block ${tip.height}`, tip.hash);
      else this.trace.note("mempool", event.transaction);
    });
    this.nodes = options.nodes.map((name) => new WorldNode(this, name));
  }

  /** Throws where there is no node of that name. */
  node(name: string): WorldNode {
    const found = this.nodes.find((node) => node.name === name);
    if (found === undefined) throw new Error(`there is no node ${name}`);
    return found;
  }

  /** Starts the nodes that are down. */
  async start(): Promise<void> {
    for (const node of this.nodes) if (node.up === undefined) await node.start();
  }

  /** Stops the nodes that are up, in an orderly way. */
  async stop(): Promise<void> {
    for (const { up } of this.nodes) if (up !== undefined) await this.outcome(up.stop());
  }

  /** Nodes that are down come back. What goes wrong by chance may take them again, but not without end. */
  async revive(): Promise<void> {
    for (const node of this.nodes) {
      for (let tries = 0; !(await node.revive()); tries++) {
        if (tries > 100) throw new Error(`${node.name} does not come up`);
      }
    }
  }

  /** Delivers and runs until nothing is left; time stands still. */
  async quiet(): Promise<void> {
    do await this.clock.run();
    while (this.network.run() > 0);
  }

  /** Delivers up to so many messages, of connections chosen by the seed: between peers, any order. */
  async deliver(count: number): Promise<void> {
    for (let n = 0; n < count && this.network.deliverOne(this.deliveries(64)); n++);
    await this.clock.run();
  }

  /** Time passes, and what is sent arrives meanwhile as soon as it can. */
  async advance(ms: number): Promise<void> {
    const until = this.clock.now() + ms;
    await this.quiet();
    for (let next = this.nextDue(); next !== undefined && next <= until; next = this.nextDue()) {
      await this.clock.advance(next - this.clock.now());
      await this.quiet();
    }
    await this.clock.advance(until - this.clock.now());
    await this.quiet();
  }

  private nextDue(): number | undefined {
    const [timer, message] = [this.clock.nextDue(), this.network.nextDue()];
    if (timer === undefined || message === undefined) return timer ?? message;
    return Math.min(timer, message);
  }

  /** As `advance`, for as long as something is being written or is under way between nodes: nothing is left but to wait. */
  async settle(): Promise<void> {
    await this.quiet();
    while (this.isBusy()) await this.advance(Math.max(0, (this.nextDue() ?? 0) - this.clock.now()));
  }

  private isBusy(): boolean {
    return this.network.nextDue() !== undefined || this.nodes.some(({ isWriting }) => isWriting);
  }

  /** What a promise of a node comes to, once everything that can happen has: see `settle`. Throws where it comes to nothing. */
  async outcome<T>(promise: Promise<T>): Promise<T> {
    let settled: (() => T) | undefined;
    promise.then(
      (value) => {
        settled = () => value;
      },
      (cause: unknown) => {
        settled = () => {
          throw cause;
        };
      },
    );
    await this.quiet();
    while (settled === undefined && this.isBusy()) {
      await this.advance(Math.max(0, (this.nextDue() ?? 0) - this.clock.now()));
    }
    if (settled === undefined)
      throw new Error("nothing that happens now settles this: it waits for a block, or for time");
    return settled();
  }

  /** Blocks, one after the other; everybody sees each before the next. */
  async mine(blocks: number): Promise<void> {
    for (let n = 0; n < blocks; n++) {
      this.chain.mine(1);
      await this.settle();
    }
  }

  /** The newest `depth` blocks are replaced by as many others and one more. What they held waits again, and is taken again. */
  async reorganise(depth: number): Promise<void> {
    const first = this.chain.blockAt(this.chain.tip.height - depth + 1);
    if (first === undefined) return;
    this.chain.invalidate(first);
    this.chain.mine(depth + 1);
    await this.settle();
  }

  /** Stops what two nodes send each other, until `mend`. They notice nothing but silence. */
  cut(a: WorldNode, b: WorldNode): void {
    this.network.hold(a.nodeId, b.nodeId);
    this.network.hold(b.nodeId, a.nodeId);
  }

  mend(a: WorldNode, b: WorldNode): void {
    this.network.release(a.nodeId, b.nodeId);
    this.network.release(b.nodeId, a.nodeId);
  }

  /** Breaks the connections between two nodes: what is under way is lost, and both notice. */
  drop(a: WorldNode, b: WorldNode): void {
    this.network.drop(a.nodeId, b.nodeId);
  }

  /** What two nodes send each other from now on takes so many virtual milliseconds. */
  delay(a: WorldNode, b: WorldNode, ms: number): void {
    this.network.delay(a.nodeId, b.nodeId, ms);
    this.network.delay(b.nodeId, a.nodeId, ms);
  }

  /** Gives a node coins of `amountSat` each, in a block. */
  async fund(node: WorldNode, amountSat: bigint, coins = 1): Promise<void> {
    const script = addressToScript(await this.outcome(node.node.newAddress()), "regtest");
    if (!script.ok) throw new Error(script.error.type);
    for (let n = 0; n < coins; n++) {
      const given = this.chain.fund(script.value, amountSat);
      if (!given.ok) throw new Error(`the faucet gives nothing: ${plainText(given.error)}`);
    }
    await this.mine(1);
  }

  /** Connects two nodes: `a` dials. */
  async connect(a: WorldNode, b: WorldNode): Promise<void> {
    await this.outcome(a.node.connect(b.nodeId, b.address));
  }

  /** Opens a channel that `a` asks `b` for, as deep as it has to be. Returns its number at `a`. Throws where it is refused. */
  async openChannel(a: WorldNode, b: WorldNode, request: OpenChannelRequest): Promise<number> {
    await this.connect(a, b);
    const opened = await this.outcome(a.node.openChannel(b.nodeId, request));
    if (!opened.ok) throw new Error(`${a.name} can't open a channel: ${plainText(opened.error)}`);
    await this.mine(DEPTH);
    const channel = a.node.channel(opened.value);
    if (channel?.stage !== "open")
      throw new Error(`the channel is not open but ${channel?.stage}: ${channel?.failure}`);
    return opened.value;
  }
}
