import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import type { NodeEvent } from "../../src/node/index.ts";
import type { Answer, Methods } from "./protocol.ts";

/** A forked node process, as its parent sees it. */
export class NodeProcess {
  private readonly child: ChildProcess;
  private readonly waiting = new Map<number, { resolve: (value: never) => void; reject: (cause: Error) => void }>();
  private readonly listeners = new Set<(event: NodeEvent) => void>();
  private nextId = 0;
  private gone = false;

  /** `program` is the compiled node-process.js; `launcher` is a command that runs the command which follows it. */
  constructor(program: string, launcher: readonly string[] = []) {
    const [execPath, ...execArgv] = [...launcher, process.execPath];
    this.child = fork(program, { serialization: "advanced", execPath, execArgv });
    this.child.on("message", (answer: Answer) => this.answered(answer));
    this.child.on("exit", () => {
      this.gone = true;
      for (const { reject } of this.waiting.values()) reject(new Error("the process is gone"));
      this.waiting.clear();
    });
  }

  get isGone(): boolean {
    return this.gone;
  }

  private answered(answer: Answer): void {
    if (answer.type === "event") {
      for (const listener of this.listeners) listener(answer.event);
      return;
    }
    const waiting = this.waiting.get(answer.id);
    this.waiting.delete(answer.id);
    if (answer.type === "result") waiting?.resolve(answer.value as never);
    else waiting?.reject(new Error(answer.message));
  }

  call<M extends keyof Methods>(method: M, ...args: Parameters<Methods[M]>): ReturnType<Methods[M]> {
    const id = this.nextId++;
    const answer = new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      // It may have been killed a moment ago, and its end not be known here yet.
      const failed = () => reject(new Error("the process is gone"));
      if (this.gone) failed();
      else this.child.send({ id, method, args }, (cause) => cause !== null && failed());
    });
    return answer as ReturnType<Methods[M]>;
  }

  subscribe(listener: (event: NodeEvent) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Resolves once `check` gives a value, looking now and after each event. */
  until<T>(check: () => Promise<T | undefined>): Promise<T> {
    return new Promise((resolve, reject) => {
      let ended = false;
      let looking = false;
      let again = false;
      const look = async (): Promise<void> => {
        again = true;
        if (looking) return;
        looking = true;
        while (again && !ended) {
          again = false;
          const value = await check();
          if (value === undefined) continue;
          ended = true;
          unsubscribe();
          resolve(value);
        }
        looking = false;
      };
      const unsubscribe = this.subscribe(() => void look().catch(reject));
      look().catch(reject);
    });
  }

  /** kill -9. */
  async kill(): Promise<void> {
    if (this.gone) return;
    this.child.kill("SIGKILL");
    await once(this.child, "exit");
  }

  async stop(): Promise<void> {
    const exit = once(this.child, "exit");
    await this.call("stop");
    await exit;
  }
}
