// What a channel was given, kept so that it can be replayed: from time to time a checkpoint of its state, and after it each input
// that changed something, with its context. Off unless asked for: see decision 0028. The bodies are opaque to the store.
//
// Inputs hold the preimages that messages revealed, as the channel's rows do; never a key, nor a revocation preimage of ours that is
// not revealed yet: the signer gives those again when the channel is replayed.

import { deserialize, serialize } from "node:v8";
import { concatBytes, equalBytes, toHex } from "../core/base/index.ts";
import { sha256 } from "../core/crypto/index.ts";
import type { ChannelChange, ChannelState, Context, Input } from "../core/payment-channel/index.ts";
import type { ReplayRow } from "../ports/store.ts";
import type { Batch } from "./journal.ts";

/** In how many parts a full log is: it goes part by part. */
const PARTS = 4;
/** Each start of the node makes one, of the whole state: starts without end must not fill the disk. */
const MOST_CHECKPOINTS = 16;
/** Changes with the shapes of states and inputs: what another program wrote is not replayed. */
const FORMAT = 2;
const DIGEST_BYTES = 8;

/** What changes seldom: written with the first input that has it. */
type Around = Pick<Context, "height" | "caughtUp" | "caughtUpAt" | "fees" | "policy">;

/** An input with its context. */
export type LoggedInput = Pick<Context, "now" | "nextPacketNumber" | "acknowledge" | "unacknowledged" | "peerReady"> & {
  readonly input: Input;
  /** Undefined where it is that of the input before. */
  readonly around: Around | undefined;
  /** Of the changes that it made; undefined where the step threw. */
  readonly digest: Uint8Array | undefined;
  /** Why the step threw, which froze the channel. */
  readonly threw: string | undefined;
};

/** Logs the inputs of one channel. */
export class InputLog {
  private readonly inputs: number;
  private readonly nextBatch: () => number;
  private batch = -1;
  private place = 0;
  /** Inputs since the newest checkpoint; undefined before the first one of this process. */
  private logged: number | undefined;
  private around: Around | undefined;

  /** `inputs`: so many at least can be replayed, once there were so many. `nextBatch`: the number of the batch under way. */
  constructor(options: { readonly inputs: number; readonly nextBatch: () => number }) {
    this.inputs = options.inputs;
    this.nextBatch = options.nextBatch;
  }

  /** Before a step: takes a checkpoint where one is due, which is in a new batch only. */
  before(batch: Batch, state: ChannelState): void {
    const number = this.nextBatch();
    if (number === this.batch) return;
    if (this.logged !== undefined && this.logged * PARTS < this.inputs) return;
    const { index: channel } = state.channel;
    this.begin(number);
    this.logged = 0;
    this.around = undefined;
    const body = sealed({ format: FORMAT, state });
    batch.change({ type: "replay_row", row: { channel, batch: number, place: 0, body } });
    batch.change({ type: "replay_pruned", channel, rows: this.inputs, checkpoints: MOST_CHECKPOINTS });
  }

  private begin(number: number): void {
    this.batch = number;
    this.place = 0;
  }

  /** After a step that changed something, or threw. */
  ran(batch: Batch, channel: number, input: Input, context: Context, outcome: readonly ChannelChange[] | string): void {
    if (outcome.length === 0) return;
    const number = this.nextBatch();
    if (number !== this.batch) this.begin(number);
    const { now, nextPacketNumber, acknowledge, unacknowledged, peerReady } = context;
    const threw = typeof outcome === "string" ? outcome : undefined;
    const digest = typeof outcome === "string" ? undefined : digestOf(outcome);
    const around = this.newAround(context);
    const logged: LoggedInput = {
      ...{ now, nextPacketNumber, acknowledge, unacknowledged, peerReady },
      ...{ input, around, digest, threw },
    };
    this.logged = (this.logged ?? 0) + 1;
    this.place++;
    batch.change({ type: "replay_row", row: { channel, batch: number, place: this.place, body: sealed(logged) } });
  }

  private newAround({ height, caughtUp, caughtUpAt = 0, fees, policy }: Context): Around | undefined {
    const { around } = this;
    const isSame =
      around?.height === height &&
      around.caughtUp === caughtUp &&
      around.caughtUpAt === caughtUpAt &&
      around.fees === fees &&
      around.policy === policy;
    if (isSame) return undefined;
    this.around = { height, caughtUp, caughtUpAt, fees, policy };
    return this.around;
  }
}

/** What tells apart changes that differ in anything. */
export function digestOf(changes: readonly ChannelChange[]): Uint8Array {
  return sha256(new TextEncoder().encode(JSON.stringify(changes, plain))).slice(0, DIGEST_BYTES);
}

/** `this` holds the value as it was before its own `toJSON`, which buffers have. */
function plain(this: Readonly<Record<string, unknown>>, name: string, value: unknown): unknown {
  const original = this[name];
  if (original instanceof Uint8Array) return toHex(original);
  return typeof value === "bigint" ? `${value}n` : value;
}

/** A body: a digest of what follows it, then that. What is read back damaged is not what a state can be made of. */
function sealed(value: object): Uint8Array {
  const bytes = serialize(value);
  return concatBytes(sha256(bytes).slice(0, DIGEST_BYTES), bytes);
}

function opened<T>(body: Uint8Array): T | undefined {
  const bytes = body.slice(DIGEST_BYTES);
  if (!equalBytes(body.slice(0, DIGEST_BYTES), sha256(bytes).slice(0, DIGEST_BYTES))) return undefined;
  return deserialize(bytes);
}

/** The state of a checkpoint; undefined where another program wrote it, or it is damaged. */
export function readCheckpoint({ body }: ReplayRow): ChannelState | undefined {
  const read = opened<{ readonly format: number; readonly state: ChannelState }>(body);
  return read?.format === FORMAT ? read.state : undefined;
}

/** Undefined where it is damaged. */
export function readInput({ body }: ReplayRow): LoggedInput | undefined {
  return opened<LoggedInput>(body);
}
