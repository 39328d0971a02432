import {
  asChannelId,
  type ChannelId,
  equalBytes,
  err,
  type Msat,
  ok,
  type Result,
  type Satoshi,
  sat,
  toHex,
} from "../core/base/index.ts";
import type { FundingInput, FundingShare, InsufficientFunds, Transaction } from "../core/bitcoin/index.ts";
import { FIRST_REVOCATION_INDEX } from "../core/crypto/index.ts";
import {
  accept,
  acceptDual,
  type Begun,
  begin,
  beginDual,
  type ChannelError,
  type ChannelEvent,
  type ChannelRows,
  type ChannelState,
  type Context,
  describeError,
  fundingFeeRate,
  type Input,
  type OpenRequest,
  reactionTo,
  rowsOf,
  type Side,
  type Tell,
} from "../core/payment-channel/index.ts";
import {
  type AuthenticateChannel,
  encodePkt,
  MAX_AUTHENTICATE_CHANNELS,
  type ReceivedPkt,
} from "../core/wire/index.ts";
import type { UnspentOutput } from "../ports/bitcoin-chain.ts";
import type { Random } from "../ports/random.ts";
import type { DamagedChannel, Store, StoredNode } from "../ports/store.ts";
import {
  type FirstMessage,
  guarded,
  isFirst,
  isLittleLoss,
  isUnconfirmed,
  isUnsigned,
  tooMany,
  unannounced,
} from "./channel-admission.ts";
import { ChannelRunner, type EffectHandlers, type Surroundings } from "./channel-runner.ts";
import { ChannelsOnChain } from "./channels-on-chain.ts";
import { DamagedChannels } from "./damaged-channels.ts";
import type { Events } from "./events.ts";
import type { InputLog } from "./input-log.ts";
import type { Batch } from "./journal.ts";
import type { Payments } from "./payments.ts";
import type { Records } from "./records.ts";
import { INDEXES_SKIPPED } from "./restore.ts";
import type { Session } from "./session.ts";
import type { Wallet } from "./wallet.ts";

export type OpenChannelRequest = {
  readonly amountSat: Satoshi;
  /** Given to the peer at the start. */
  readonly pushMsat?: Msat;
  /** Satoshi per 1000 bytes of commitment; by default twice the estimate. */
  readonly feeRate?: number;
  /** HTLCs are requested and accepted before they are added; by default they are not. Both sides must have it. Spec: LS-16. */
  readonly prestage?: boolean;
  /** Where our part of a cooperative close goes; by default to the channel's final key, which the wallet watches. */
  readonly closeScript?: Uint8Array;
  /** Asks the peer to fund the channel too; `amountSat` is our part then. Spec: LS-1. */
  readonly dual?: {
    /** What the peer is wished to contribute. It may contribute less. */
    readonly wishedContributionSat: Satoshi;
    /** With less than this of the peer's the channel is given up, with nothing at stake; by default with anything. */
    readonly leastContributionSat?: Satoshi;
  };
};

/**
 * Channels that peers began and that are not in a block yet, of one peer and of all. Each costs us rows and memory, and its
 * peer nothing.
 */
const MAX_UNCONFIRMED_OF_PEER = 20;
const MAX_UNCONFIRMED = 1_000;
/** Channels that have ended and are still shown, the newest. */
const ENDED_SHOWN = 100;

// Longer than other files: everything that reaches a channel, or comes of one, passes here, and each method is a few lines.
/** All channels of the node: finds the one that an input is for, and brings new ones into being. */
export class Channels {
  /** Those that are neither closed nor abandoned, by id. */
  private readonly runners = new Map<string, ChannelRunner>();
  private readonly bySession = new Map<Session, Set<ChannelRunner>>();
  private readonly ended: ChannelRunner[] = [];
  readonly damaged = new DamagedChannels();
  private nextIndex: number;
  /** The data are an old copy: one store holds all channels, so that what is proven for one goes for all. */
  private old = false;
  private readonly surroundings: () => Surroundings;
  private readonly wallet: Wallet;
  private readonly payments: Payments;
  private readonly events: Events;
  private readonly random: Random;
  private readonly records: Records;
  private readonly inputLog: () => InputLog | undefined;
  private readonly handlers: EffectHandlers;
  private readonly checkInputs: (check: InputCheck) => void;
  /** What they have to do with the chain. */
  readonly onChain: ChannelsOnChain;

  constructor(options: {
    nextIndex: number;
    surroundings: () => Surroundings;
    wallet: Wallet;
    payments: Payments;
    events: Events;
    random: Random;
    /** A log for a channel; none where inputs are not kept. */
    inputLog: () => InputLog | undefined;
    records: Records;
    broadcast: (batch: Batch, transaction: Uint8Array) => void;
    /** Asks the chain about inputs, and answers with `inputsChecked`. */
    checkInputs: (check: InputCheck) => void;
    published: Store["published"];
    /** Runs a work in the journal. */
    submit: (work: (batch: Batch) => void) => Promise<void>;
  }) {
    this.checkInputs = options.checkInputs;
    this.nextIndex = options.nextIndex;
    this.surroundings = options.surroundings;
    this.wallet = options.wallet;
    this.payments = options.payments;
    this.events = options.events;
    this.random = options.random;
    this.inputLog = options.inputLog;
    this.records = options.records;
    const { events, surroundings, published, submit } = options;
    this.onChain = new ChannelsOnChain({
      live: () => this.live(),
      runOrFail: (batch, runner, input) => this.runOrFail(batch, runner, input),
      surroundings,
      events,
      published,
      lostTo: (transaction) => this.wallet.lostTo(transaction),
      giveEvidence: (runner, number, rows) =>
        submit((batch) => void runner.run(batch, { type: "evidence", number, ...rows })),
    });
    this.handlers = {
      broadcast: options.broadcast,
      tell: (batch, runner, tell) => this.told(batch, runner, tell),
      event: (batch, runner, event) => this.happened(batch, runner, event),
      removed: (runner, id) => this.records.removed(runner.state, id),
      finished: (batch, runner) => this.records.note(batch, runner.state, runner.frozenBecause !== undefined),
      forgotten: (runner) => this.records.forget(runner.state),
      watch: (runner) => this.onChain.take(runner),
      frozen: (runner, why) =>
        this.events.emit({
          type: "channel_frozen",
          channel: runner.index,
          channelId: runner.id,
          peer: runner.peer,
          problem: why,
        }),
      feeUnaffordable: (batch, { index: channel }, shortfall) =>
        batch.afterCommit(() => this.events.emit({ type: "fee_unaffordable", channel, ...shortfall })),
    };
  }

  /** The channel of this number of ours; an ended one where it is among the newest. */
  numbered(index: number): ChannelRunner | undefined {
    for (const runner of this.runners.values()) if (runner.index === index) return runner;
    return this.ended.find((runner) => runner.index === index);
  }

  /** Those that are live, and the newest of those that have ended since the start. */
  all(): readonly ChannelRunner[] {
    return [...this.runners.values(), ...this.ended];
  }

  /** The number that the next channel gets, and the rows of those that are live. */
  rows(): { readonly nextChannelIndex: number; readonly channels: readonly ChannelRows[] } {
    return { nextChannelIndex: this.nextIndex, channels: this.live().map(({ state }) => rowsOf(state)) };
  }

  /** Those that are neither closed nor abandoned. */
  live(): readonly ChannelRunner[] {
    return [...this.runners.values()];
  }

  find(id: ChannelId): ChannelRunner | undefined {
    return this.runners.get(toHex(id));
  }

  /** The channel that a packet names. Who gives up before it has our keys knows its temporary id only. */
  private named(session: Session, id: ChannelId, message: ReceivedPkt["message"]): ChannelRunner | undefined {
    const found = this.find(id);
    if (found !== undefined || message.type !== "error") return found;
    return this.of(session).find(({ state }) => isUnsigned(state) && equalBytes(state.channel.temporaryId, id));
  }

  /** Takes up a channel that was loaded. */
  adopt(state: ChannelRunner["state"], session: Session, record?: StoredNode["records"][number]): void {
    this.records.open(state, record);
    this.old ||= state.stage.stale;
    this.add(this.runnerOf(state, session));
  }

  /** Shows a channel that can't be taken up. */
  adoptDamaged(damaged: DamagedChannel): void {
    this.damaged.add(damaged);
    this.old ||= damaged.stale;
    this.events.emit({ type: "channel_damaged", ...damaged });
  }

  private runnerOf(state: ChannelRunner["state"], session: Session): ChannelRunner {
    const { surroundings, handlers } = this;
    return new ChannelRunner({ state, session, surroundings, handlers, log: this.inputLog() });
  }

  private add(runner: ChannelRunner): ChannelRunner {
    const { session } = runner;
    this.runners.set(toHex(runner.id), runner);
    const others = this.bySession.get(session);
    if (others === undefined) this.bySession.set(session, new Set([runner]));
    else others.add(runner);
    this.onChain.take(runner);
    return runner;
  }

  private retire(runner: ChannelRunner): void {
    const { session } = runner;
    this.runners.delete(toHex(runner.id));
    this.onChain.forget(runner);
    const others = this.bySession.get(session);
    others?.delete(runner);
    if (others?.size === 0) this.bySession.delete(session);
    this.ended.push(runner);
    if (this.ended.length > ENDED_SHOWN) this.ended.shift();
  }

  /** The data are known to be an old copy. */
  get isOld(): boolean {
    return this.old;
  }

  /** Whether rows that were ours once say of what we did more than we know. */
  isBehind({ nextChannelIndex, channels }: ReturnType<Channels["rows"]>): boolean {
    if (nextChannelIndex > this.nextIndex) return true;
    return channels.some(({ id, commitments }) => {
      const state = this.find(id)?.state;
      return commitments.some(({ holder, number }) => number > (state ? (newestNumber(state, holder) ?? -1) : number));
    });
  }

  /** Whether a live channel with the peer has an anchor in a block. */
  isFunded(session: Session): boolean {
    return this.of(session).some(({ state }) => state.funding?.confirmedHeight !== undefined);
  }

  /** Whether any channel with the peer is live, or damaged. */
  has(session: Session): boolean {
    return this.bySession.has(session) || this.damaged.isWith(session.nodeId);
  }

  private begin(batch: Batch, session: Session, begun: Begun): ChannelRunner {
    const { state } = begun;
    batch.change({ type: "channel_index", next: this.nextIndex });
    this.wallet.watchFinalKey(state.channel.index);
    this.records.open(state);
    this.records.connected(state);
    const runner = this.add(this.runnerOf(state, session));
    const before = toHex(runner.id);
    runner.begin(batch, begun);
    this.runners.delete(before);
    return this.add(runner);
  }

  /** Opens a channel that we fund. */
  open(batch: Batch, session: Session, request: OpenChannelRequest): Result<ChannelRunner, ChannelError> {
    const { amountSat, feeRate, closeScript } = request;
    if (this.old) return err(TOO_OLD);
    const full = tooMany(MAX_AUTHENTICATE_CHANNELS, this.of(session).length + 1, "channels with this peer");
    if (full !== undefined) return err(full);
    if (request.prestage === true && session.ready && !session.peerHas("prestage")) {
      return err({ type: "prestage_unavailable", rule: "LS-16", detail: "the peer does not have it" });
    }
    const temporaryId = asChannelId(this.random.bytes(32));
    const context = {
      ...this.surroundings(),
      nextPacketNumber: session.nextPacketNumber,
      acknowledge: session.acknowledge,
      unacknowledged: session.unacknowledged,
      peerReady: session.ready,
    };
    const pushMsat = request.pushMsat ?? (0n as Msat);
    const asked = {
      peer: session.nodeId,
      index: this.nextIndex,
      temporaryId,
      pushMsat,
      prestage: request.prestage ?? false,
      ...(feeRate === undefined ? {} : { feeRate }),
      ...(closeScript === undefined ? {} : { closeScript }),
    };
    const begun =
      request.dual === undefined
        ? guarded(() => begin({ ...asked, amountSat }, context))
        : this.beginDual(batch, session, { ...asked, amountSat }, request.dual, context);
    if (!begun.ok) return begun;
    this.nextIndex++;
    return ok(this.begin(batch, session, begun.value));
  }

  /** The requester's coins are reserved before it asks, and are free again where it can't. */
  private beginDual(
    batch: Batch,
    session: Session,
    request: OpenRequest,
    dual: NonNullable<OpenChannelRequest["dual"]>,
    context: Context,
  ): Result<Begun, ChannelError> {
    if (context.peerReady && !session.peerHas("dual_funding")) {
      return err({ type: "feature_not_negotiated", rule: "LS-1", detail: "the peer does not fund channels with us" });
    }
    const feeRate = fundingFeeRate(context);
    const { amountSat: contributionSat, index: channel } = request;
    const share = this.wallet.contribute(batch, { channel, role: "requester", contributionSat, feeRate });
    if (!share.ok) return err(insufficient(share.error));
    const asked = {
      ...request,
      share: share.value,
      fundingFeeRate: feeRate,
      wishedSat: dual.wishedContributionSat,
      leastSat: dual.leastContributionSat ?? (0n as Satoshi),
    };
    const begun = guarded(() => beginDual(asked, context));
    if (!begun.ok) this.wallet.release(batch, channel);
    return begun;
  }

  /** Gives up a channel that both fund: see `cancelFunding` of core. */
  cancel(batch: Batch, runner: ChannelRunner): ChannelError | undefined {
    return runner.run(batch, { type: "cancel_funding", script: this.wallet.changeScript(batch) });
  }

  /** A counted packet of a peer. */
  receive(batch: Batch, session: Session, packet: ReceivedPkt, number: number, acknowledge: number): void {
    const { channelId, message } = packet;
    if (message.type === "unknown_odd") return;
    const runner = channelId === undefined ? undefined : this.named(session, channelId, message);
    if (runner !== undefined && runner.session === session) {
      const error = runner.run(batch, { type: "packet", message, number, acknowledge });
      if (error !== undefined && reactionTo(error) === "fail_channel") this.fail(batch, runner, error);
      return;
    }
    if (channelId === undefined) {
      this.violated(
        batch,
        session,
        {
          type: "unexpected_message",
          rule: "B2-5",
          detail: `${message.type} for no channel`,
        },
        undefined,
      );
    } else if (isFirst(message) && runner === undefined) {
      this.accept(batch, session, channelId, message);
    } else if (message.type !== "error") {
      // What it says is lost to the channel, so that only the chain can settle it any more: with the peer's commitment.
      const isDamaged = this.damaged.has(channelId, session.nodeId);
      refuse(batch, session, channelId, isDamaged ? "the data of the channel are damaged" : "unknown channel");
    }
  }

  private accept(batch: Batch, session: Session, temporaryId: ChannelId, message: FirstMessage): void {
    const context = {
      ...this.surroundings(),
      nextPacketNumber: session.nextPacketNumber,
      acknowledge: session.acknowledge,
      unacknowledged: session.unacknowledged,
      peerReady: true,
    };
    const refused = this.old ? TOO_OLD : (this.fullFor(batch, session) ?? unannounced(session, message));
    const begun =
      refused === undefined ? guarded(() => this.answer(session, temporaryId, message, context)) : err(refused);
    if (begun.ok) {
      this.nextIndex++;
      this.begin(batch, session, begun.value);
      return;
    }
    refuse(batch, session, temporaryId, describeError(begun.error));
    this.tellViolation(batch, session, begun.error);
  }

  private answer(
    session: Session,
    temporaryId: ChannelId,
    message: FirstMessage,
    context: Context,
  ): Result<Begun, ChannelError> {
    const { nodeId } = session;
    if (message.type === "open_channel") return accept(nodeId, this.nextIndex, temporaryId, message, context);
    if (session.peerHas("dual_funding")) return acceptDual(nodeId, this.nextIndex, temporaryId, message, context);
    return err({ type: "unexpected_message", rule: "B2-3", detail: "funding_request without its feature" });
  }

  /** Why this peer may begin no channel now. */
  private fullFor(batch: Batch, session: Session): ChannelError | undefined {
    const own = this.of(session);
    const unconfirmed = own.filter(isUnconfirmed).length + 1;
    const full =
      tooMany(MAX_AUTHENTICATE_CHANNELS, own.length + 1, "channels with this peer") ??
      tooMany(MAX_UNCONFIRMED_OF_PEER, unconfirmed, "unconfirmed channels of this peer");
    if (full !== undefined) return full;
    const all = [...this.runners.values()].filter(isUnconfirmed);
    if (all.length < MAX_UNCONFIRMED) return undefined;
    // Little is at stake before the anchor is in a block, so that somebody who is gone makes room.
    const { height } = this.surroundings();
    const gone = all.find((runner) => !runner.session.connected && isLittleLoss(runner, height));
    const error = tooMany(MAX_UNCONFIRMED, all.length + 1, "unconfirmed channels of all peers");
    if (gone === undefined || error === undefined) return error;
    gone.fail(batch, error, false);
    return undefined;
  }

  private fail(batch: Batch, runner: ChannelRunner, error: ChannelError): void {
    runner.fail(batch, error, true);
    this.tellViolation(batch, runner.session, error);
  }

  private tellViolation(batch: Batch, { nodeId }: Session, error: ChannelError): void {
    batch.afterCommit(() => this.events.emit({ type: "violation", peer: nodeId, problem: describeError(error) }));
  }

  /**
   * A violation fails the channel that it names, or every channel with that peer where it names none. One that names no
   * channel with that peer, as an open_channel does, is answered and fails nothing.
   */
  violated(batch: Batch, session: Session, error: ChannelError, channel: ChannelId | undefined): void {
    this.tellViolation(batch, session, error);
    if (channel === undefined) {
      for (const runner of this.of(session)) runner.fail(batch, error, true);
      return;
    }
    const named = this.find(channel);
    if (named !== undefined && named.session === session) named.fail(batch, error, true);
    else refuse(batch, session, channel, describeError(error));
  }

  private of(session: Session): readonly ChannelRunner[] {
    return [...(this.bySession.get(session) ?? [])];
  }

  /** Packets may be numbered for this peer again: what is due is sent, what waits is told again. */
  ready(batch: Batch, session: Session): void {
    for (const runner of this.of(session)) {
      runner.run(batch, { type: "peer_ready" });
      this.records.connected(runner.state);
      runner.touch(batch);
    }
  }

  /**
   * A peer shows what it has of us, before its numbers are judged. A valid preimage of ours that we never revealed, as far as we know,
   * proves that our data are an old copy.
   */
  shown(batch: Batch, session: Session, described: readonly AuthenticateChannel[]): "judge" | "ours_are_old" {
    for (const { channelId, lastRevocationPreimage: preimage, lastRevokedNumber: number } of described) {
      const runner = this.find(channelId);
      if (runner === undefined || runner.session !== session || preimage === undefined || number === undefined)
        continue;
      runner.run(batch, { type: "revocation_shown", number, preimage });
    }
    return this.old ? "ours_are_old" : "judge";
  }

  /** What authenticate says about the channels with a peer. */
  authentication(session: Session): AuthenticateChannel[] {
    const described: AuthenticateChannel[] = [];
    for (const { state } of this.of(session)) {
      const { local } = state.commitments;
      if (local === undefined || described.length === MAX_AUTHENTICATE_CHANNELS) continue;
      const last = state.revocationSlots.reduce<(typeof state.revocationSlots)[number] | undefined>(
        (lowest, slot) => (lowest === undefined || slot.index < lowest.index ? slot : lowest),
        undefined,
      );
      described.push({
        channelId: state.id,
        commitmentNumber: BigInt(local.number),
        ...(last === undefined
          ? {}
          : { lastRevocationPreimage: last.preimage, lastRevokedNumber: FIRST_REVOCATION_INDEX - last.index }),
      });
    }
    return described;
  }

  /** Channels whose opening waits for what the chain says of the peer's inputs. */
  inputChecks(): InputCheck[] {
    return [...this.runners.values()].flatMap((runner) => {
      const { stage, fundingShares } = runner.state;
      if (stage.stage !== "awaiting_input_check" || fundingShares.remote === undefined) return [];
      return [{ runner, inputs: fundingShares.remote.inputs }];
    });
  }

  /** What the chain says of the inputs, in order. */
  inputsChecked(batch: Batch, { runner, inputs }: InputCheck, outputs: readonly (UnspentOutput | undefined)[]): void {
    const checked = inputs.map((input, at) => ({ output: outputs[at], ours: this.wallet.has(input) }));
    this.runOrFail(batch, runner, { type: "inputs_checked", inputs: checked });
  }

  /** The data are an old copy: every channel goes into recovery mode with the one that proved it. */
  recover(batch: Batch): void {
    if (this.old) return;
    this.old = true;
    for (const runner of this.live()) {
      runner.run(batch, { type: "recover" });
      // No opening goes on. Should its anchor confirm after all, the coins are spent, and the peer closes.
      const { stage, funding } = runner.state;
      if (stage.stale && funding?.confirmedHeight === undefined) this.wallet.release(batch, runner.index);
    }
    // What peers pay to channels that were opened after the copy was made comes to keys that are not used yet.
    for (const end = this.nextIndex + INDEXES_SKIPPED; this.nextIndex < end; this.nextIndex++) {
      this.wallet.watchFinalKey(this.nextIndex);
    }
    batch.change({ type: "channel_index", next: this.nextIndex });
  }

  private runOrFail(batch: Batch, runner: ChannelRunner, input: Input): void {
    const error = runner.run(batch, input);
    if (error !== undefined && reactionTo(error) === "fail_channel") this.fail(batch, runner, error);
  }

  /** Has everything looked at that may be due in any channel: there is another height, or another fee estimate. */
  touchAll(batch: Batch): void {
    for (const runner of this.runners.values()) runner.touch(batch);
  }

  private told(batch: Batch, runner: ChannelRunner, tell: Tell): void {
    if (tell.type === "fund") {
      const { script, amountSat, feeRate } = tell;
      const made = this.wallet.fund(batch, { channel: runner.index, script, amountSat, feeRate });
      if (made.ok) {
        const { feeSat, ...funded } = made.value;
        this.records.funded(runner.state, feeSat);
        runner.run(batch, { type: "funded", ...funded });
      } else {
        runner.run(batch, { type: "funding_failed", error: insufficient(made.error) });
      }
    } else if (tell.type === "release_funding") this.wallet.release(batch, runner.index);
    else if (tell.type === "add_requested") {
      const { id, amountMsat, paymentHash, expiry } = tell.htlc;
      const event = { channel: runner.index, id, amountMsat, paymentHash, expiry };
      batch.afterCommit(() => this.events.emit({ type: "htlc_requested", ...event }));
    } else if (tell.type === "check_inputs") {
      const check = { runner, inputs: tell.inputs };
      batch.afterCommit(() => this.checkInputs(check));
    } else if (tell.type === "contribute") this.contribute(batch, runner, tell);
    else if (tell.type === "sign_funding") this.signFunding(batch, runner, tell);
    else this.payments.told(batch, runner, tell, this.surroundings().height);
  }

  /** Reserves our part of a channel that the peer asked for; without the money for it we fund nothing. */
  private contribute(batch: Batch, runner: ChannelRunner, tell: Extract<Tell, { type: "contribute" }>): void {
    const { amountSat: contributionSat, feeRate } = tell;
    // Who lets requests lie would otherwise hold all our coins.
    const held = this.of(runner.session).some(({ state }) => state.stage.stage === "awaiting_sign_accept");
    const wanted = { channel: runner.index, role: "responder", contributionSat, feeRate } as const;
    const share = held ? undefined : this.wallet.contribute(batch, wanted);
    const none = { contributionSat: 0n, inputs: [], changeScript: undefined };
    this.runOrFail(batch, runner, { type: "contributed", share: share?.ok === true ? share.value : none });
  }

  private signFunding(batch: Batch, runner: ChannelRunner, tell: Extract<Tell, { type: "sign_funding" }>): void {
    const { purpose, transaction, inputs } = tell;
    const signatures = this.wallet.signShare(runner.index, transaction, inputs);
    if (signatures === undefined) {
      runner.run(batch, { type: "funding_failed", error: { type: "own_input_gone", rule: "LS-4" } });
      return;
    }
    const share = runner.state.fundingShares.local;
    if (share !== undefined && purpose === "funding")
      this.records.funded(runner.state, ownFundingFee(share, transaction));
    runner.run(batch, { type: "funding_signed", purpose, transaction, signatures });
  }

  private happened(batch: Batch, runner: ChannelRunner, event: ChannelEvent): void {
    if (event.type === "renamed") {
      this.runners.delete(toHex(event.from));
      this.runners.set(toHex(event.to), runner);
      return;
    }
    if (event.type === "anchor_spent") {
      const { kind, holder, number } = event;
      const { index: channel, id: channelId, peer } = runner;
      batch.afterCommit(() =>
        this.events.emit({ type: "anchor_spent", channel, channelId, peer, kind, holder, number }),
      );
      return;
    }
    if (event.type === "stale") {
      const { index: channel, id: channelId, peer } = runner;
      batch.afterCommit(() => this.events.emit({ type: "channel_stale", channel, channelId, peer }));
      this.recover(batch);
      return;
    }
    const { stage, failure } = event;
    this.records.stage(runner.state, stage);
    if (stage === "buried" || stage === "abandoned") {
      this.retire(runner);
      const { session } = runner;
      if (!this.has(session)) batch.change({ type: "peer_copy_removed", peer: session.peer.index });
      this.records.close(batch, runner.state);
    }
    batch.afterCommit(() =>
      this.events.emit({
        type: "channel_stage",
        channel: runner.index,
        channelId: runner.id,
        peer: runner.peer,
        stage,
        failure,
      }),
    );
  }
}

/** A new channel would use the keys and revocation secrets of one that the old copy has forgotten. */
const TOO_OLD: ChannelError = {
  type: "data_too_old",
  rule: "B2-35",
  detail: "the node runs on an old copy of its data",
};

function newestNumber({ commitments: { local, remote } }: ChannelState, holder: Side): number | undefined {
  return holder === "local" ? local?.number : remote.at(-1)?.number;
}

/** Tells a peer that there is no such channel with it. */
function refuse(batch: Batch, session: Session, channelId: ChannelId, problem: string): void {
  session.queue(batch, encodePkt({ channelId, message: { type: "error", problem } }));
}

/** What our inputs hold over our contribution and our change. */
function ownFundingFee({ inputs, contributionSat, changeScript }: FundingShare, transaction: Transaction): Satoshi {
  const brought = inputs.reduce((sum, { amountSat }) => sum + amountSat, 0n);
  const change = transaction.outputs.find(
    ({ script }) => changeScript !== undefined && equalBytes(script, changeScript),
  );
  return sat(brought - contributionSat - (change?.amountSat ?? 0n));
}

/** Inputs that a peer brings, to be looked up on chain. */
export type InputCheck = { readonly runner: ChannelRunner; readonly inputs: readonly FundingInput[] };

function insufficient({ neededSat: limit, availableSat: actual }: InsufficientFunds): ChannelError {
  return { type: "insufficient_funds", rule: "B2-12", limit, actual };
}
