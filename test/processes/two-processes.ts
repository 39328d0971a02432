import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Chain, type ChainServer, serveChain } from "../../src/adapters/chain-embedded/index.ts";
import { systemClock } from "../../src/adapters/system/index.ts";
import type { Msat, NodeId, Satoshi } from "../../src/core/base/index.ts";
import { addressToScript } from "../../src/core/bitcoin/index.ts";
import type { ChannelPolicy } from "../../src/core/payment-channel/index.ts";
import { NodeProcess } from "./parent.ts";
import type { OpenOptions } from "./protocol.ts";

/** A chain that the two processes share. */
export type SharedChain = {
  readonly access: OpenOptions["chain"];
  /** Pays `amountSat` to `address` and buries it. */
  fund(address: string, amountSat: bigint): Promise<void>;
  mine(blocks: number): Promise<void>;
  height(): Promise<number>;
  close(): Promise<void>;
};

/** How long a start took, in milliseconds: openNode alone, and from the start of the process to a node that listens. */
export type Launch = { readonly openNodeMs: number; readonly processMs: number };

/** The embedded chain, served from this process. */
export async function embeddedSharedChain(): Promise<SharedChain> {
  const clock = systemClock();
  const chain = new Chain(clock);
  chain.mine(110);
  const auth = { type: "password", user: "sluice", password: "shared" } as const;
  const server: ChainServer = await serveChain({ chain, clock, ...auth, port: 0 });
  return {
    access: { url: server.url, auth },
    async fund(address, amountSat) {
      const script = addressToScript(address, "regtest");
      if (!script.ok) throw new Error(script.error.type);
      const funded = chain.fund(script.value, amountSat);
      if (!funded.ok) throw new Error(funded.error.type);
      chain.mine(1);
    },
    mine: async (blocks) => void chain.mine(blocks),
    height: async () => chain.tip.height,
    close: () => server.close(),
  };
}

/** Alice, who funds, and Bob: two node processes, and a channel between them once `openChannel` has run. */
export class TwoProcesses {
  readonly directory: string;
  readonly chain: SharedChain;
  private readonly policy: Partial<ChannelPolicy>;
  private readonly quiet: boolean;
  alice: NodeProcess;
  bob: NodeProcess;
  private bobAt: { nodeId: NodeId; port: number } | undefined;

  constructor(chain: SharedChain, policy: Partial<ChannelPolicy> = {}, quiet = false) {
    this.quiet = quiet;
    this.chain = chain;
    this.policy = policy;
    this.directory = mkdtempSync(join(tmpdir(), "sluice-processes-"));
    this.alice = this.fork();
    this.bob = this.fork();
  }

  private fork(): NodeProcess {
    return new NodeProcess(fileURLToPath(new URL("./node-process.js", import.meta.url)));
  }

  /** The value is what openNode took, in milliseconds. */
  async start(name: "alice" | "bob"): Promise<number> {
    const port = name === "bob" ? this.bobAt?.port : undefined;
    const at = await this[name].call("open", {
      directory: join(this.directory, name),
      chain: this.chain.access,
      policy: this.policy,
      quiet: this.quiet,
      ...(port === undefined ? {} : { port }),
    });
    if (name === "bob") this.bobAt = at;
    return at.openNodeMs;
  }

  async openChannel(options: { amountSat: bigint; pushMsat: bigint }): Promise<void> {
    const { alice, chain } = this;
    await this.start("alice");
    await this.start("bob");
    const { bobAt } = this;
    if (bobAt === undefined) throw new Error("bob is not open");
    await chain.fund(await alice.call("newAddress"), options.amountSat + 1_000_000n);
    await alice.until(async () => ((await alice.call("balance")).confirmedSat > 0n ? true : undefined));
    await alice.call("connect", bobAt.nodeId, bobAt.port);
    await alice.call("openChannel", bobAt.nodeId, {
      amountSat: options.amountSat as Satoshi,
      pushMsat: options.pushMsat as Msat,
    });
    await this.untilStage("awaiting_depth");
    await chain.mine(6);
    await this.untilStage("open");
  }

  /** Who Bob is, and where he listens. */
  get bobListens(): { readonly nodeId: NodeId; readonly port: number } {
    if (this.bobAt === undefined) throw new Error("bob is not open");
    return this.bobAt;
  }

  /** Alice's process on another directory. */
  async reopenAlice(directory: string): Promise<void> {
    this.alice = this.fork();
    await this.alice.call("open", { directory, chain: this.chain.access });
  }

  /** Resolves once both see the channel at `stage`. */
  async untilStage(stage: string): Promise<void> {
    for (const node of [this.alice, this.bob]) {
      await node.until(async () => ((await node.call("channels"))[0]?.stage === stage ? true : undefined));
    }
  }

  /** Resolves once messages can be exchanged over the channel. */
  async untilReady(): Promise<void> {
    for (const node of [this.alice, this.bob]) {
      await node.until(async () => ((await node.call("channels"))[0]?.peerReady === true ? true : undefined));
    }
  }

  /** kill -9, and a new process on the same directory. */
  async restart(name: "alice" | "bob"): Promise<Launch> {
    await this[name].kill();
    return this.launch(name);
  }

  /** Both end in an orderly way. */
  async stop(): Promise<void> {
    await Promise.all([this.alice.stop(), this.bob.stop()]);
  }

  /** A new process on the directory of one that has ended. */
  async launch(name: "alice" | "bob"): Promise<Launch> {
    const begun = performance.now();
    this[name] = this.fork();
    const openNodeMs = await this.start(name);
    return { openNodeMs, processMs: performance.now() - begun };
  }

  async close(): Promise<void> {
    await Promise.all([this.alice.kill(), this.bob.kill()]);
    rmSync(this.directory, { recursive: true, force: true });
  }
}
