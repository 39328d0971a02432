import { type ChannelId, err, type NodeId, ok, type Result } from "../core/base/index.ts";
import {
  apply,
  type ChannelError,
  type ChannelState,
  type Context,
  type Effect,
  feeShortfall,
  type Input,
  type Step,
  step,
} from "../core/payment-channel/index.ts";
import { encodePkt } from "../core/wire/index.ts";
import type { InputLog } from "./input-log.ts";
import type { Batch } from "./journal.ts";
import type { Session } from "./session.ts";

/** What the rest of the node does with a channel's effects. */
export type EffectHandlers = {
  broadcast(batch: Batch, transaction: Uint8Array): void;
  tell(batch: Batch, runner: ChannelRunner, tell: Extract<Effect, { type: "tell" }>["tell"]): void;
  /** The anchor is known, or what spends it is. */
  watch(runner: ChannelRunner): void;
  event(batch: Batch, runner: ChannelRunner, event: Extract<Effect, { type: "event" }>["event"]): void;
  /** An HTLC was removed. */
  removed(runner: ChannelRunner, id: bigint): void;
  /** Nothing more is due in this batch. */
  finished(batch: Batch, runner: ChannelRunner): void;
  /** Nothing of the channel is kept. */
  forgotten(runner: ChannelRunner): void;
  /** Updates of the channel have stopped; called once it is settled that the batch is durable. */
  frozen(runner: ChannelRunner, why: string): void;
  /** Our commitment's fee rate is too low and we can't pay a better one: said once, until that has changed. */
  feeUnaffordable(batch: Batch, runner: ChannelRunner, shortfall: FeeShortfall): void;
};

/** Rates in satoshi per 1000 bytes of commitment. */
export type FeeShortfall = NonNullable<ReturnType<typeof feeShortfall>>;

/** A step that is applied to the working copy, and is yet to be written and performed. */
type Done = Step & { readonly packets: readonly Uint8Array[] };

/** The parts of a context that are the same for all channels at a moment. */
export type Surroundings = Pick<
  Context,
  "height" | "caughtUp" | "caughtUpAt" | "now" | "fees" | "policy" | "keys" | "signer" | "buffer" | "peerAwaited"
>;

/** Runs one channel: steps it, applies what comes of it, and hands rows and effects on. */
export class ChannelRunner {
  readonly state: ChannelState;
  readonly session: Session;
  private readonly surroundings: () => Surroundings;
  private readonly handlers: EffectHandlers;
  /** Why updates of this channel stopped: a property of our own code did not hold. */
  private frozen: string | undefined;
  private readonly log: InputLog | undefined;
  private isShort = false;
  private removed = false;

  constructor(options: {
    state: ChannelState;
    session: Session;
    surroundings: () => Surroundings;
    handlers: EffectHandlers;
    /** Where inputs are kept to be replayed. */
    log?: InputLog | undefined;
  }) {
    this.state = options.state;
    this.session = options.session;
    this.surroundings = options.surroundings;
    this.handlers = options.handlers;
    this.log = options.log;
    this.frozen = options.state.stage.frozen;
  }

  /** Our own number of the channel. */
  get index(): number {
    return this.state.channel.index;
  }

  get id(): ChannelId {
    return this.state.id;
  }

  get peer(): NodeId {
    return this.state.channel.peer;
  }

  get frozenBecause(): string | undefined {
    return this.frozen;
  }

  /** Runs one input. A returned error changed nothing; what is done about it is the caller's to say. */
  run(batch: Batch, input: Input): ChannelError | undefined {
    const result = this.stepOnce(batch, input);
    return result.ok ? undefined : result.error;
  }

  /** One step; the value says whether it changed anything. */
  private stepOnce(batch: Batch, input: Input): Result<boolean, ChannelError> {
    if (this.removed) return ok(false);
    if (this.frozen !== undefined && !isForFrozen(input, this.state)) return frozenError(this.frozen);
    const { totals } = this.state;
    const context = this.context();
    this.log?.before(batch, this.state);
    let done: Done;
    try {
      const result = step(this.state, input, context);
      if (!result.ok) return result;
      done = this.applied(result.value);
    } catch (cause) {
      // What this step did is not written, and what those before it did goes with their totals.
      this.state.totals = totals;
      const why = this.freeze(batch, cause);
      this.log?.ran(batch, this.index, input, context, why);
      return frozenError(why);
    }
    this.log?.ran(batch, this.index, input, context, done.changes);
    this.carryOut(batch, done);
    return ok(done.changes.length > 0);
  }

  /** Adopts the rows and effects with which the channel came to be. */
  begin(batch: Batch, begun: Step): void {
    this.carryOut(batch, this.applied(begun));
  }

  private applied({ changes, effects }: Step): Done {
    // Encoded first: a packet that can't be sent must not have been staged.
    const packets = effects.flatMap((effect) => (effect.type === "send" ? [encodePkt(effect.packet)] : []));
    apply(this.state, changes);
    return { changes, packets, effects };
  }

  /** Whatever the exception, it is of this channel alone: a step looks at nothing else. */
  private freeze(batch: Batch, cause: unknown): string {
    const why = cause instanceof Error ? cause.message : String(cause);
    if (this.frozen !== undefined) return this.frozen;
    this.frozen = why;
    this.state.stage = { ...this.state.stage, frozen: why };
    batch.change({ type: "channel", channel: this.index, change: { type: "stage", row: this.state.stage } });
    batch.afterCommit(() => this.handlers.frozen(this, why));
    return why;
  }

  /** Asks something of the channel while a batch runs. What that throws is of this channel alone, too. */
  look<T>(batch: Batch, at: (state: ChannelState) => T): T | undefined {
    try {
      return at(this.state);
    } catch (cause) {
      this.freeze(batch, cause);
      return undefined;
    }
  }

  /** Ends the channel for a peer's violation, telling the peer where that is due. Spec: B2-42. */
  fail(batch: Batch, error: ChannelError, notify: boolean): void {
    this.run(batch, { type: "fail", error, notify });
  }

  /** Has the end of the batch do what is due for this channel: sign, complete, close; and write its totals. */
  touch(batch: Batch): void {
    batch.atEnd(this, (end) => this.finish(end));
  }

  private finish(batch: Batch): void {
    for (const type of ["defend", "commit"] as const) {
      const result = this.stepOnce(batch, { type });
      // What changed something may have made more due: it is touched again, and comes back here.
      if (result.ok && result.value) return;
    }
    if (this.removed) return;
    if (isWorthNothing(this.state)) {
      this.removed = true;
      batch.change({ type: "channel_removed", channel: this.index });
      this.handlers.forgotten(this);
      return;
    }
    this.look(batch, () => this.lookAtFee(batch));
    batch.change({ type: "channel", channel: this.index, change: { type: "totals", row: this.state.totals } });
    this.look(batch, () => this.handlers.finished(batch, this));
  }

  private lookAtFee(batch: Batch): void {
    const shortfall = this.frozen === undefined ? feeShortfall(this.state, this.surroundings()) : undefined;
    if (shortfall !== undefined && !this.isShort) this.handlers.feeUnaffordable(batch, this, shortfall);
    this.isShort = shortfall !== undefined;
  }

  private context(): Context {
    const { session } = this;
    const around = this.surroundings();
    // Member by member: it is made for every message, and a spread takes several times as long.
    return {
      height: around.height,
      caughtUp: around.caughtUp,
      caughtUpAt: around.caughtUpAt ?? 0,
      now: around.now,
      fees: around.fees,
      policy: around.policy,
      keys: around.keys,
      signer: around.signer,
      nextPacketNumber: session.nextPacketNumber,
      acknowledge: session.acknowledge,
      unacknowledged: session.unacknowledged,
      peerReady: session.ready,
      peerAwaited: around.peerAwaited === true && !session.heard,
      buffer: around.buffer,
    };
  }

  private carryOut(batch: Batch, { changes, packets, effects }: Done): void {
    for (const change of changes) {
      batch.change({ type: "channel", channel: this.index, change });
      if (change.type === "htlc_removed") this.handlers.removed(this, change.id);
    }
    // The packets before the rest, which may bring about more: they have the numbers that the step counted on.
    for (const packet of packets) this.session.queue(batch, packet);
    for (const effect of effects) {
      if (effect.type === "broadcast") this.handlers.broadcast(batch, effect.transaction);
      else if (effect.type === "tell") this.handlers.tell(batch, this, effect.tell);
      else if (effect.type === "event") this.handlers.event(batch, this, effect.event);
    }
    if (changes.some(({ type }) => type === "funding" || type === "anchor_spend")) this.handlers.watch(this);
    if (changes.length > 0) this.touch(batch);
  }
}

/** A peer proposed it, and it ended before we had signed anything: whoever likes can make such channels without end. */
function isWorthNothing({ channel, stage, commitments }: ChannelState): boolean {
  return channel.initiator === "remote" && stage.stage === "abandoned" && commitments.remote.length === 0;
}

const FOR_FROZEN: ReadonlySet<Input["type"]> = new Set([
  "revocation_shown",
  "recover",
  "fail",
  "defend",
  "block",
  "funding_confirmed",
  "funding_unconfirmed",
  "funding_conflict",
  "cancel_funding",
  "anchor_spent",
  "anchor_unspent",
  "evidence",
  "output_spent",
  "output_unspent",
]);

/** What goes on when updates have stopped: the chain is watched, the money defended, and the channel may be given up. */
function isForFrozen(input: Input, { stage }: ChannelState): boolean {
  if (input.type === "peer_ready") return stage.errorDue;
  return FOR_FROZEN.has(input.type) || (input.type === "funding_signed" && input.purpose === "cancellation");
}

function frozenError(detail: string): Result<never, ChannelError> {
  return err({ type: "frozen", rule: "B2-13", detail });
}
