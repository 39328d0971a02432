import { constants } from "node:os";
import { performance } from "node:perf_hooks";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
export type EndingSignal = (typeof SIGNALS)[number];

/** npm passes on a signal that the terminal has sent to us already, so the same press may arrive twice. */
const SAME_PRESS_MS = 1000;

/** The user, or the system, wants the command to end. */
export class Interrupted extends Error {
  readonly signal: EndingSignal;
  /** 128 and the signal's number. */
  readonly exitCode: number;
  constructor(signal: EndingSignal) {
    super(signal === "SIGINT" ? "Interrupted by Ctrl-C" : `Ended by ${signal}`);
    this.name = "Interrupted";
    this.signal = signal;
    this.exitCode = 128 + constants.signals[signal];
  }
}

export type Interruption = {
  /** The first ending signal; never rejects. */
  readonly came: Promise<Interrupted>;
  /** Signals have their usual effect again. */
  dispose(): void;
};

/** Takes the ending signals. One that comes a second after the first ends the process at once: something hangs. */
export function takeSignals(): Interruption {
  let firstAt: number | undefined;
  let arrived: (interrupted: Interrupted) => void = () => {};
  const came = new Promise<Interrupted>((resolve) => {
    arrived = resolve;
  });
  const take = (signal: NodeJS.Signals): void => {
    const known = SIGNALS.find((one) => one === signal);
    if (known === undefined) return;
    const interrupted = new Interrupted(known);
    if (firstAt === undefined) firstAt = performance.now();
    else if (performance.now() - firstAt > SAME_PRESS_MS) process.exit(interrupted.exitCode);
    arrived(interrupted);
  };
  for (const signal of SIGNALS) process.on(signal, take);
  return {
    came,
    dispose() {
      for (const signal of SIGNALS) process.off(signal, take);
    },
  };
}
