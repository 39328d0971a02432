import { fileURLToPath } from "node:url";
import type { NodeId } from "../../src/core/base/index.ts";
import type { NodeEvent } from "../../src/node/index.ts";
import { NodeProcess } from "./parent.ts";
import type { Methods, OpenOptions } from "./protocol.ts";

const PROGRAM = fileURLToPath(new URL("./node-process.js", import.meta.url));

/** What a call ends with because its process was killed, or because its chain was away when it started. */
const PASSING =
  /the process is gone|the node was stopped|can.t reach|cannot reach|cookie|too busy|still starting|broke off|gave no answer|does not accept the credentials/;

/** A node whose process is killed now and then, and started again by whoever looks after it: this. */
export class KilledNode {
  readonly name: string;
  private readonly options: OpenOptions;
  private readonly launcher: () => readonly string[];
  private readonly listeners: ((event: NodeEvent) => void)[] = [];
  private process: NodeProcess;
  private up: Promise<void>;
  private at: { nodeId: NodeId; port: number } | undefined;
  private wanted = true;
  /** Starts, the first included. */
  starts = 0;
  readonly troubles: string[] = [];

  constructor(name: string, options: OpenOptions, launcher: () => readonly string[] = () => []) {
    this.name = name;
    this.options = options;
    this.launcher = launcher;
    this.process = this.fork();
    this.up = this.launch();
  }

  get directory(): string {
    return this.options.directory;
  }

  get address(): { nodeId: NodeId; port: number } {
    if (this.at === undefined) throw new Error(`${this.name} was never up`);
    return this.at;
  }

  private fork(): NodeProcess {
    const forked = new NodeProcess(PROGRAM, this.launcher());
    forked.subscribe((event) => this.heard(event));
    return forked;
  }

  /** The first event for which this holds, of whichever process. */
  when<E extends NodeEvent>(match: (event: NodeEvent) => event is E): Promise<E> {
    return new Promise((resolve) => {
      this.listeners.push((event) => {
        if (match(event)) resolve(event);
      });
    });
  }

  private heard(event: NodeEvent): void {
    for (const listener of this.listeners) listener(event);
    const isTrouble = event.type === "channel_frozen" || event.type === "violation" || event.type === "halted";
    if (isTrouble || event.type === "channel_damaged")
      this.troubles.push(`${this.name}: ${JSON.stringify(event, plain)}`);
  }

  private async launch(): Promise<void> {
    for (;;) {
      this.starts++;
      try {
        const port = this.at?.port;
        this.at = await this.process.call("open", port === undefined ? this.options : { ...this.options, port });
        return;
      } catch (cause) {
        if (!(cause instanceof Error) || !PASSING.test(cause.message)) throw cause;
        await this.process.kill();
        this.process = this.fork();
      }
    }
  }

  /** kill -9, wherever the process is, its start included; a new one follows. */
  async kill(): Promise<void> {
    const { up } = this;
    await this.process.kill();
    // One that was starting starts again by itself.
    await up;
    if (this.process.isGone && this.wanted) {
      this.process = this.fork();
      this.up = this.launch();
    }
  }

  /** Calls until a process has answered. To be used for what may be asked twice. */
  async ask<M extends keyof Methods>(
    method: M,
    ...args: Parameters<Methods[M]>
  ): Promise<Awaited<ReturnType<Methods[M]>>> {
    for (;;) {
      await this.up;
      try {
        return await this.process.call(method, ...args);
      } catch (cause) {
        if (!(cause instanceof Error) || !PASSING.test(cause.message)) throw cause;
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    }
  }

  /** Calls the process that is up now, and no other. */
  async call<M extends keyof Methods>(
    method: M,
    ...args: Parameters<Methods[M]>
  ): Promise<Awaited<ReturnType<Methods[M]>>> {
    await this.up;
    return await this.process.call(method, ...args);
  }

  /** Resolves once `check` gives a value, looking now and after each event. */
  async until<T>(check: () => Promise<T | undefined>): Promise<T> {
    await this.up;
    return this.process.until(check);
  }

  /** Ends in good order, and stays down. */
  async stop(): Promise<void> {
    await this.up;
    this.wanted = false;
    await this.process.stop();
  }

  /** Ends, whatever it does. */
  async end(): Promise<void> {
    this.wanted = false;
    await this.up.catch(() => undefined);
    await this.process.kill();
  }

  /** Runs one call in processes of its own, until one of them has lived to its end: `prepare` comes before each. */
  async inItsPlace(prepare: () => void, call: (process: NodeProcess) => Promise<unknown>): Promise<void> {
    for (;;) {
      prepare();
      this.process = this.fork();
      try {
        await call(this.process);
        await this.process.kill();
        return;
      } catch (cause) {
        if (!(cause instanceof Error) || !PASSING.test(cause.message)) throw cause;
      }
    }
  }

  /** kill -9 of a process that `inItsPlace` runs. */
  killInPlace(): Promise<void> {
    return this.process.kill();
  }

  start(): Promise<void> {
    this.wanted = true;
    this.process = this.fork();
    this.up = this.launch();
    return this.up;
  }
}

export function plain(_: string, value: unknown): unknown {
  if (typeof value === "bigint") return value.toString();
  return value instanceof Uint8Array ? Buffer.from(value).toString("hex").slice(0, 16) : value;
}
