import { isDeepStrictEqual } from "node:util";
import { equalBytes } from "../core/base/index.ts";
import type { KeyPaths, Signer } from "../core/crypto/index.ts";
import {
  apply,
  type ChannelState,
  type Context,
  describeError,
  type Explanation,
  explain,
  type Input,
  step,
} from "../core/payment-channel/index.ts";
import type { ReplayRow } from "../ports/store.ts";
import { digestOf, type LoggedInput, readCheckpoint, readInput } from "./input-log.ts";

/** How far to replay: with all of a batch of the journal, or with all that was run until a time (milliseconds since 1970). */
export type ReplayTo = { readonly batch: number } | { readonly time: number };

/** One input that changed the channel. */
export type ReplayedStep = {
  readonly batch: number;
  /** Milliseconds since 1970, and height of the chain. */
  readonly at: number;
  readonly height: number;
  readonly input: Input["type"];
  /** Of a packet: what it says, and its number in the peer's sequence. */
  readonly message: { readonly type: string; readonly number: number } | undefined;
  /** The kinds of rows that it changed. */
  readonly changed: readonly string[];
};

/** Where the replay does not come to what was recorded. Nothing after it is replayed. */
export type ReplayDifference = {
  readonly batch: number;
  readonly place: number;
  readonly what: /** A step made other changes than it had made. */
    | "changes"
    /** A step was refused, or threw, that had not been; or the other way round. */
    | "outcome"
    /** The state is not that of the next checkpoint. */
    | "checkpoint"
    /** What was recorded is damaged. */
    | "unreadable";
  readonly detail: string | undefined;
};

export type Replay = {
  readonly steps: readonly ReplayedStep[];
  /** The channel as it was after the last step; the times that a peer has are not part of it. */
  readonly explanation: Explanation;
  readonly difference: ReplayDifference | undefined;
};

/** The working copy besides. */
export type ReplayedChannel = Omit<Replay, "explanation"> & { readonly state: ChannelState; readonly last: Context };

/**
 * Runs the logged inputs from the oldest checkpoint on, and compares what comes of each with what came of it then. Undefined where
 * nothing is logged up to that moment. Rows in order.
 */
export function replayed(
  rows: readonly ReplayRow[],
  options: { readonly signer: Signer; readonly keys: KeyPaths; readonly to: ReplayTo | undefined },
): ReplayedChannel | undefined {
  const { to } = options;
  const steps: ReplayedStep[] = [];
  let state: ChannelState | undefined;
  let around: LoggedInput["around"];
  let last: Context | undefined;
  let difference: ReplayDifference | undefined;
  for (const row of rows) {
    if (to !== undefined && "batch" in to && row.batch > to.batch) break;
    if (row.place === 0) {
      const checkpoint = readCheckpoint(row);
      if (state !== undefined && checkpoint !== undefined && !isDeepStrictEqual(stored(state), stored(checkpoint))) {
        difference = { batch: row.batch, place: 0, what: "checkpoint", detail: undefined };
        break;
      }
      state = checkpoint;
      continue;
    }
    // What another program wrote.
    if (state === undefined) continue;
    const logged = readInput(row);
    if (logged === undefined) {
      difference = { batch: row.batch, place: row.place, what: "unreadable", detail: undefined };
      break;
    }
    if (to !== undefined && "time" in to && logged.now > to.time) break;
    around = logged.around ?? around;
    if (around === undefined) continue;
    const context = contextOf(logged, around, options);
    last = context;
    const ran = runLogged(state, logged, context);
    if (typeof ran !== "object") {
      difference = { batch: row.batch, place: row.place, what: ran === undefined ? "changes" : "outcome", detail: ran };
      break;
    }
    steps.push(stepOf(row, logged, context, ran));
  }
  return state === undefined || last === undefined ? undefined : { steps, state, last, difference };
}

/** What is stored of a state. The rest is derived, and a restart derives it anew. */
function stored(state: ChannelState): Partial<ChannelState> {
  const { view: _, acknowledgedView: __, unacknowledged: ___, lastChange: ____, ...rows } = state;
  const { revocationLocks: _____, locks: ______, nextDeadline: _______, ...rest } = rows;
  // A store hands them back in order.
  const revocationSlots = [...state.revocationSlots].sort((a, b) => a.slot - b.slot);
  return { ...rest, revocationSlots };
}

function contextOf(
  { now, nextPacketNumber, acknowledge, unacknowledged, peerReady }: LoggedInput,
  around: NonNullable<LoggedInput["around"]>,
  { signer, keys }: { readonly signer: Signer; readonly keys: KeyPaths },
): Context {
  return { ...around, now, nextPacketNumber, acknowledge, unacknowledged, peerReady, signer, keys };
}

/** The kinds of the changes; undefined where they are others than then, or in words what else is different. */
function runLogged(state: ChannelState, logged: LoggedInput, context: Context): string[] | string | undefined {
  let result: ReturnType<typeof step>;
  try {
    result = step(state, logged.input, context);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    if (logged.threw === undefined) return `threw: ${why}`;
    state.stage = { ...state.stage, frozen: logged.threw };
    return ["stage"];
  }
  if (logged.threw !== undefined) return `did not throw: ${logged.threw}`;
  if (!result.ok) return `refused: ${describeError(result.error)}`;
  const { changes } = result.value;
  if (logged.digest === undefined || !equalBytes(digestOf(changes), logged.digest)) return undefined;
  apply(state, changes);
  return changes.map(({ type }) => type);
}

function stepOf(
  { batch }: ReplayRow,
  { input, now }: LoggedInput,
  { height }: Context,
  changed: string[],
): ReplayedStep {
  const message = input.type === "packet" ? { type: input.message.type, number: input.number } : undefined;
  return { batch, at: now, height, input: input.type, message, changed };
}

/** The replay as it is told. */
export function toldReplay({ steps, difference, state, last }: ReplayedChannel): Replay {
  const explanation = explain(state, { ...last, peerAwaySince: undefined, patience: undefined });
  return { steps, difference, explanation };
}
