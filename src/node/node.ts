import {
  equalBytes,
  err,
  type Msat,
  type NodeId,
  ok,
  type PaymentHash,
  type Result,
  type Satoshi,
} from "../core/base/index.ts";
import type { InvoiceRow, PaymentRow } from "../core/payment/index.ts";
import { type ChannelError, type Explanation, explain } from "../core/payment-channel/index.ts";
import type { DamagedChannel } from "../ports/store.ts";
import { type PeerAddress, TransportError } from "../ports/transport.ts";
import type { ChannelRecords } from "./channel-records.ts";
import type { ChannelRunner } from "./channel-runner.ts";
import { type ChannelSummary, summary } from "./channel-summary.ts";
import type { OpenChannelRequest } from "./channels.ts";
import type { Listener, NodeEvent } from "./events.ts";
import type { Batch } from "./journal.ts";
import { NodeHalted } from "./node-halted.ts";
import type { NodeOptions } from "./node-options.ts";
import { NodeParts } from "./node-parts.ts";
import type { PayRequest } from "./payments.ts";
import { type Replay, type ReplayTo, replayed, toldReplay } from "./replay.ts";
import type { RequestError } from "./request-error.ts";
import { until } from "./until.ts";
import type { WalletBalance } from "./wallet.ts";
import type { Withdrawal } from "./withdrawals.ts";

/** Characters of a payment's id, and of an invoice's description: what BOLT 11 can carry. */
const MAX_PAYMENT_ID = 256;
const MAX_DESCRIPTION = 639;
/** Bytes of a reason that a peer is given, so that it fits everything that tells of it. */
const MAX_REASON_BYTES = 256;

/** A running node. Every promise of a change resolves once it is durable. */
export class SluiceNode {
  private readonly parts: NodeParts;
  /** The request that is being looked up or run for a payment's id. */
  private readonly paying = new Map<string, Promise<unknown>>();

  /** Use `startNode`. */
  constructor(parts: NodeParts) {
    this.parts = parts;
  }

  subscribe(listener: Listener): () => void {
    return this.parts.events.subscribe(listener);
  }

  get nodeId(): NodeId {
    return this.parts.nodeId;
  }

  /** What channels have done, page by page. Spec: LW-8. */
  get records(): ChannelRecords {
    return this.parts.records;
  }

  /** Of the newest block that was processed. */
  get height(): number {
    return this.parts.height;
  }

  /** Ends in an orderly way: connections, the batch under way, the store. */
  stop(): Promise<void> {
    return this.parts.stop();
  }

  /** The bytes of a backup as of now, for `openBackup` and `restoreNode`. Rejects with StoreError, or where the node has halted. */
  backup(): Promise<Uint8Array> {
    return this.parts.backup();
  }

  /** Accepts connections; resolves with the address in use. Rejects with TransportError. */
  listen(address: PeerAddress): Promise<PeerAddress> {
    return this.parts.peers.listen(address);
  }

  /**
   * Connects and authenticates. From then on the connection is made again whenever it is lost. Rejects with TransportError, also where the
   * peer breaks a rule before it has authenticated (`handshake_failed`).
   */
  async connect(peer: NodeId, address: PeerAddress): Promise<void> {
    await this.parts.peers.connect(peer, address);
    await this.ready(peer, (event) => this.refusal(peer, event));
  }

  /** Why there is nothing to wait for: trying again would come to the same. */
  private refusal(peer: NodeId, event: NodeEvent): TransportError | undefined {
    if (event.type === "violation" && equalBytes(event.peer, peer)) {
      return new TransportError("handshake_failed", event.problem);
    }
    const ended = event.type === "peer_disconnected" && equalBytes(event.peer, peer);
    if (!ended || this.parts.peers.session(peer)?.misfits !== true) return undefined;
    return new TransportError("handshake_failed", "what the peer has of our messages does not fit what we have");
  }

  /** Resolves once messages can be exchanged with the peer. */
  untilReady(peer: NodeId): Promise<void> {
    return this.ready(peer);
  }

  private ready(peer: NodeId, refuse?: (event: NodeEvent) => Error | undefined): Promise<void> {
    const isReady = (event: NodeEvent) => event.type === "peer_ready" && equalBytes(event.peer, peer);
    return until(
      this.parts.events,
      (event): event is Extract<NodeEvent, { type: "peer_ready" }> => isReady(event),
      () => this.parts.peers.session(peer)?.ready === true,
      refuse,
    );
  }

  /** Opens a channel that this node funds, alone or together with the peer. The value is the node's own number of the channel. Spec: B2-7. */
  openChannel(peer: NodeId, request: OpenChannelRequest): Promise<Result<number, RequestError>> {
    return this.parts.journal.submit("other", (batch) => {
      const session = this.parts.peers.session(peer);
      if (session === undefined) return err({ type: "unknown_peer" } as const);
      const opened = this.parts.channelSet.open(batch, session, request);
      return opened.ok ? ok(opened.value.index) : opened;
    });
  }

  /** Resolves with the channel once `ready` says so, looking each time that its stage changes. */
  async untilChannel(channel: number, ready: (channel: ChannelSummary) => boolean): Promise<ChannelSummary> {
    const found = () => this.channel(channel);
    const is = () => {
      const present = found();
      return present !== undefined && ready(present);
    };
    await until(
      this.parts.events,
      (event): event is Extract<NodeEvent, { type: "channel_stage" }> =>
        event.type === "channel_stage" && event.channel === channel,
      is,
    );
    const present = found();
    if (present === undefined) throw new NodeHalted(new Error(`channel ${channel} is gone`));
    return present;
  }

  channels(): ChannelSummary[] {
    return this.parts.channelSet.all().map(summary);
  }

  channel(channel: number): ChannelSummary | undefined {
    const runner = this.runner(channel);
    return runner === undefined ? undefined : summary(runner);
  }

  /**
   * Channels whose rows are damaged. The node runs without them: it can't update or defend them. What the peer's newest commitment pays to
   * us comes to the wallet. See decision 0045 for what can be done.
   */
  damagedChannels(): readonly DamagedChannel[] {
    return this.parts.channelSet.damaged.all();
  }

  private notFound(channel: number): Result<never, RequestError> {
    const damaged = this.parts.channelSet.damaged.numbered(channel);
    return err(damaged ? { type: "channel_damaged", problem: damaged.problem } : { type: "unknown_channel" });
  }

  /**
   * What the channel waits for, who has to act by when, what is stuck, and what ending it now would cost; undefined where there
   * is no such channel. It is data; `explanationLines` makes text of it.
   */
  explain(channel: number): Explanation | undefined {
    const runner = this.runner(channel);
    if (runner === undefined) return undefined;
    const { state, session } = runner;
    return explain(state, {
      ...this.parts.surroundings(),
      unacknowledged: session.unacknowledged,
      peerReady: session.ready,
      peerAwaySince: session.awaySince,
      patience: this.parts.stalls.patience(runner),
    });
  }

  /**
   * Replays a channel, live or ended, from the oldest checkpoint that is kept to a moment, or to the end: what it was given, what came of
   * it, and the channel explained as it was then. A difference means that this program makes something else of an input than the one did
   * that ran it. Undefined where nothing is kept up to then: see `replayInputs`. Rejects with StoreError.
   */
  async replay(channel: number, to?: ReplayTo): Promise<Replay | undefined> {
    const rows = await this.parts.options.store.replayRows(channel);
    const found = replayed(rows, { signer: this.parts.signer, keys: this.parts.keys, to });
    return found && toldReplay(found);
  }

  private runner(channel: number): ChannelRunner | undefined {
    return this.parts.channelSet.numbered(channel);
  }

  private command(
    channel: number,
    run: (batch: Batch, runner: ChannelRunner) => ChannelError | undefined,
  ): Promise<Result<undefined, RequestError>> {
    return this.parts.journal.submit("other", (batch) => {
      const runner = this.runner(channel);
      if (runner === undefined) return this.notFound(channel);
      const error = run(batch, runner);
      return error === undefined ? ok(undefined) : err(error);
    });
  }

  /** Asks the peer to close; `script` is where our part goes. Spec: B2-32. */
  closeChannel(channel: number, script?: Uint8Array): Promise<Result<undefined, RequestError>> {
    return this.command(channel, (batch, runner) => runner.run(batch, { type: "close", script }));
  }

  /**
   * Accepts an HTLC that a peer requests on a channel with pre-staging, where the policy `prestageAdds` is `ask`: see the event
   * `htlc_requested`. Spec: LS-17.
   */
  acceptRequest(channel: number, id: bigint): Promise<Result<undefined, RequestError>> {
    return this.command(channel, (batch, runner) => runner.run(batch, { type: "accept_add", id }));
  }

  /** Turns such a request down. `reason` is for the payer. Spec: LS-17. */
  rejectRequest(channel: number, id: bigint, reason = ""): Promise<Result<undefined, RequestError>> {
    const bytes = new TextEncoder().encode(reason);
    const [limit, actual] = [MAX_REASON_BYTES, bytes.length];
    if (actual > limit) return Promise.resolve(err({ type: "too_long", field: "reason", limit, actual }));
    return this.command(channel, (batch, runner) => runner.run(batch, { type: "reject_add", id, reason: bytes }));
  }

  /**
   * Takes a payment back that the peer has not accepted, on a channel with pre-staging: `id` is its HTLC. It fails if this comes
   * before the peer's answer, and goes on if not.
   */
  withdrawRequest(channel: number, id: bigint): Promise<Result<undefined, RequestError>> {
    return this.command(channel, (batch, runner) => runner.run(batch, { type: "withdraw_add", id }));
  }

  /**
   * Gives up a channel that both fund and that is in no block yet. Before we have signed it simply ends; afterwards our
   * coins are spent back to the wallet, at a fee above that of the funding transaction, and the channel ends as abandoned
   * once that is buried. Should the funding transaction confirm first, the channel goes on. Of an opening that has failed, see
   * `failChannel`, it makes what spends our coins back dear enough to replace the funding transaction. Spec: LS-2, LS-5.
   */
  cancelFunding(channel: number): Promise<Result<undefined, RequestError>> {
    return this.command(channel, (batch, runner) => this.parts.channelSet.cancel(batch, runner));
  }

  /** Stages a fee rate for our own commitment, satoshi per 1000 bytes. Spec: B2-25. */
  setFeeRate(channel: number, feeRate: number): Promise<Result<undefined, RequestError>> {
    return this.command(channel, (batch, runner) => runner.run(batch, { type: "set_fee", feeRate }));
  }

  /**
   * Ends a channel without the peer's consent; its newest commitment is what counts. Where both fund it and only the peer can broadcast
   * the funding transaction yet, our coins are spent back besides: it ends by whichever confirms. Spec: B2-43, LS-5.
   */
  failChannel(channel: number): Promise<Result<undefined, RequestError>> {
    return this.command(channel, (batch, runner) => {
      if (runner.state.stage.stale) return { type: "data_too_old", rule: "B2-43" };
      runner.fail(batch, { type: "failed_by_user", rule: "B2-43" }, true);
      return undefined;
    });
  }

  /** Makes ready to receive. Whoever knows the payment hash can pay. */
  createInvoice(request: { amountMsat?: Msat; description?: string }): Promise<Result<InvoiceRow, RequestError>> {
    const { length } = request.description ?? "";
    if (length > MAX_DESCRIPTION) {
      return Promise.resolve(err({ type: "too_long", field: "description", limit: MAX_DESCRIPTION, actual: length }));
    }
    const preimage = this.parts.options.random.bytes(32);
    return this.parts.journal.submit("payment", (batch) =>
      this.parts.payments.invoice(batch, { ...request, preimage }),
    );
  }

  /** The invoice of a payment hash, whatever became of it. Its preimage is for the caller that made it. */
  invoice(paymentHash: PaymentHash): Promise<InvoiceRow | undefined> {
    return this.parts.options.store.invoice(paymentHash);
  }

  /** Pays over one channel. A second call with an id pays nothing: it gives back the payment of the first. */
  async pay(channel: number, request: PayRequest): Promise<Result<PaymentRow, RequestError>> {
    const { length } = request.id;
    if (length > MAX_PAYMENT_ID) return err({ type: "too_long", field: "id", limit: MAX_PAYMENT_ID, actual: length });
    const before = this.paying.get(request.id);
    const run = (async () => {
      // One at a time for each id, so that none looks before another has written.
      await before?.catch(() => undefined);
      const stored = await this.parts.options.store.payment(request.id);
      return stored === undefined ? this.offer(channel, request) : ok(stored);
    })();
    this.paying.set(request.id, run);
    try {
      return await run;
    } finally {
      if (this.paying.get(request.id) === run) this.paying.delete(request.id);
    }
  }

  private offer(channel: number, request: PayRequest): Promise<Result<PaymentRow, RequestError>> {
    return this.parts.journal.submit("payment", (batch) => {
      const runner = this.runner(channel);
      if (runner === undefined) return this.notFound(channel);
      return this.parts.payments.pay(batch, runner, request, this.parts.height);
    });
  }

  /** The payment of an id, as it is durable. */
  payment(id: string): Promise<PaymentRow | undefined> {
    return this.parts.options.store.payment(id);
  }

  /**
   * Resolves when the payment has succeeded or failed; with undefined where there is none of that id. Rejects with NodeHalted
   * when the node ends before: ask again after its next start.
   */
  untilPaid(id: string): Promise<PaymentRow | undefined> {
    if (this.parts.payments.pendingPayment(id) === undefined) return this.parts.options.store.payment(id);
    return this.parts.payments.ended(id);
  }

  /** A fresh address of the wallet. Spec: BIP 84. */
  newAddress(): Promise<string> {
    return this.parts.journal.submit("other", (batch) => this.parts.wallet.newAddress(batch));
  }

  balance(): WalletBalance {
    return this.parts.wallet.balance();
  }

  /**
   * Sends from the wallet to a script on chain. The value is the transaction's id: it is durable then, and was taken by the chain's node or,
   * while that could not be asked, will be given to it with each block. Error `withdrawal_refused`: nothing came of it. Where the node ends
   * before the answer, `withdrawals` tells after the next start whether it was made. See decision 0046.
   */
  async withdraw(script: Uint8Array, amountSat: Satoshi | "all"): Promise<Result<Uint8Array, RequestError>> {
    const made = await this.parts.journal.submit("other", (batch) => {
      const { nextBlock, fallback, relay } = this.parts.fees.estimate;
      const feeRate = Math.max(nextBlock ?? fallback, relay);
      return this.parts.wallet.send(batch, { script, amountSat, feeRate });
    });
    if (!made.ok) return made;
    const { transaction, txid } = made.value;
    const reason = await this.parts.duties.giveWithdrawal(transaction, txid);
    return reason === undefined ? ok(txid) : err({ type: "withdrawal_refused", reason });
  }

  /** Those that are not buried under 200 blocks, in the order in which they were made. */
  withdrawals(): readonly Withdrawal[] {
    return this.parts.wallet.withdrawals.list();
  }
}

/**
 * Loads what is stored, catches up with the chain and starts. Rejects with StoreError, ChainError or TransportError; store,
 * chain and transport are closed then.
 */
export async function startNode(options: NodeOptions): Promise<SluiceNode> {
  const parts = new NodeParts(options, await options.store.load());
  try {
    await parts.start();
  } catch (cause) {
    await parts.stop();
    throw cause;
  }
  return new SluiceNode(parts);
}
