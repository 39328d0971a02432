import { Session } from "node:inspector";

type Range = { readonly startOffset: number; readonly endOffset: number; readonly count: number };
type FunctionCoverage = {
  readonly functionName: string;
  readonly ranges: readonly Range[];
  readonly isBlockCoverage: boolean;
};
type ScriptCoverage = { readonly url: string; readonly functions: readonly FunctionCoverage[] };

/** Which parts of the program have run: what the engine says, by block, with one byte for each place in a function's text. */
export type Seen = Map<string, Uint8Array>;

/**
 * Asks V8 which blocks of the program's own code have run. Functions that were compiled before it was started tell nothing of their blocks,
 * so that what is to be measured is imported afterwards. To ask costs milliseconds: many inputs are run between two questions.
 */
export class Coverage {
  private readonly session = new Session();
  private readonly measured: (url: string) => boolean;

  constructor(measured: (url: string) => boolean) {
    this.measured = measured;
    this.session.connect();
    this.post("Profiler.enable");
    this.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
  }

  private post(method: string, parameters: object = {}): unknown {
    let answer: unknown;
    // Within one thread the answer comes before `post` returns.
    this.session.post(method, parameters, (error, value) => {
      if (error !== null) throw new Error(`${method}: ${JSON.stringify(error)}`);
      answer = value;
    });
    return answer;
  }

  /** Adds what has run since the last question to `seen`. The value: how many places of the text are new there. */
  take(seen: Seen): number {
    return this.ask(seen, true);
  }

  /** How many places `take` would add. */
  peek(seen: Seen): number {
    return this.ask(seen, false);
  }

  private ask(seen: Seen, keep: boolean): number {
    const { result } = this.post("Profiler.takePreciseCoverage") as { result: readonly ScriptCoverage[] };
    let added = 0;
    for (const { url, functions } of result) {
      if (!this.measured(url)) continue;
      for (const one of functions) added += addFunction(seen, url, one, keep);
    }
    return added;
  }

  /** Forgets what has run since the last question. */
  reset(): void {
    this.post("Profiler.takePreciseCoverage");
  }

  stop(): void {
    this.session.disconnect();
  }
}

let painted = new Uint8Array(1 << 16);

function addFunction(seen: Seen, url: string, reported: FunctionCoverage, keep: boolean): number {
  const { functionName, ranges, isBlockCoverage } = reported;
  const [whole] = ranges;
  if (whole === undefined || (ranges.length === 1 && whole.count === 0)) return 0;
  const key = `${url}:${whole.startOffset}:${functionName}`;
  const length = isBlockCoverage ? whole.endOffset - whole.startOffset : 1;
  const known = seen.get(key) ?? new Uint8Array(length);
  if (keep) seen.set(key, known);
  if (painted.length < length) painted = new Uint8Array(2 * length);
  // Inner ranges come after those around them, and count for themselves.
  for (const { startOffset, endOffset, count } of ranges) {
    const [from, to] = isBlockCoverage ? [startOffset - whole.startOffset, endOffset - whole.startOffset] : [0, 1];
    painted.fill(count > 0 ? 1 : 0, from, to);
  }
  let added = 0;
  for (let at = 0; at < known.length; at++) {
    if (painted[at] !== 1 || known[at] === 1) continue;
    if (keep) known[at] = 1;
    added++;
  }
  return added;
}
