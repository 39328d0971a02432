import {
  equalBytes,
  err,
  invariant,
  type Msat,
  type NodeId,
  ok,
  type PaymentHash,
  type Result,
  type Satoshi,
  type Txid,
} from "../core/base/index.ts";
import {
  createCommitmentBuffer,
  type InsufficientFunds,
  parseTransaction,
  transactionId,
} from "../core/bitcoin/index.ts";
import { type KeyPaths, keyPaths, type Signer, seedSigner } from "../core/crypto/index.ts";
import type { InvoiceRow, PaymentRow } from "../core/payment/index.ts";
import {
  type ChannelError,
  type ChannelPolicy,
  type ChannelRows,
  DEFAULT_POLICY,
  type Explanation,
  explain,
  load as loadChannel,
  ownRevocationHash,
} from "../core/payment-channel/index.ts";
import type { BitcoinChain } from "../ports/bitcoin-chain.ts";
import type { Clock } from "../ports/clock.ts";
import type { Random } from "../ports/random.ts";
import type { DamagedChannel, Store, StoredNode } from "../ports/store.ts";
import { type PeerAddress, type Transport, TransportError } from "../ports/transport.ts";
import { type Backup, type Snapshot, sealBackup, takeBackup } from "./backup.ts";
import { BackupWriter } from "./backup-writer.ts";
import { ChainFollower } from "./chain-follower.ts";
import { ChannelRecords } from "./channel-records.ts";
import type { ChannelRunner, Surroundings } from "./channel-runner.ts";
import { type ChannelSummary, summary } from "./channel-summary.ts";
import { Channels, type InputCheck, type OpenChannelRequest } from "./channels.ts";
import { Copies, type CopyPolicy } from "./copies.ts";
import { Events, type Listener, type NodeEvent } from "./events.ts";
import { FeeSource } from "./fee-source.ts";
import { InputLog } from "./input-log.ts";
import { type Batch, Journal } from "./journal.ts";
import { Payments, type PayRequest } from "./payments.ts";
import { Peers } from "./peers.ts";
import { Records } from "./records.ts";
import { type Replay, type ReplayTo, replayed, toldReplay } from "./replay.ts";
import { StallWatch } from "./stall-watch.ts";
import { type AmountBelowDust, Wallet, type WalletBalance } from "./wallet.ts";
import type { Withdrawal } from "./withdrawals.ts";

export type NodeOptions = {
  readonly store: Store;
  readonly chain: BitcoinChain;
  /** Made for the node's own key: `keyPaths(coin).nodeKey()` of the same seed. */
  readonly transport: Transport;
  readonly clock: Clock;
  readonly random: Random;
  /** 64 bytes, as a seed phrase yields them. */
  readonly seed: Uint8Array;
  readonly policy?: Partial<ChannelPolicy>;
  /** Satoshi per 1000 virtual bytes, where the chain has no estimate. */
  readonly fallbackFeeRate?: number;
  /**
   * Takes the bytes of the newest backup, whole or not at all. Without it no backup is made. One that is not `isWhole` lacks channels whose
   * rows are damaged: it must not take the place of one that has them. See `openBackup`.
   */
  readonly writeBackup?: (bytes: Uint8Array, isWhole: boolean) => Promise<void>;
  /** Copies of the data with peers, and those of peers here. Absent: neither. */
  readonly copies?: CopyPolicy | undefined;
  /**
   * Keeps what channels are given, so that they can be replayed: at least so many of the newest inputs of each, 1 to 100,000. They take room
   * and time: see decision 0028. Absent: none are kept.
   */
  readonly replayInputs?: number | undefined;
  /** Called for each event from the start on, what is caught up with included; `subscribe` comes too late for those. */
  readonly listener?: Listener;
};

export type RequestError =
  | ChannelError
  | { readonly type: "unknown_peer" }
  | { readonly type: "unknown_channel" }
  /** Its rows can't be read: see `SluiceNode.damagedChannels`. */
  | { readonly type: "channel_damaged"; readonly problem: string }
  | { readonly type: "invoice_exists" }
  | AmountBelowDust
  | InsufficientFunds
  /** The chain's node refused a withdrawal, for this reason of its own: nothing came of it. */
  | { readonly type: "withdrawal_refused"; readonly reason: string }
  /** More characters than the field may have. */
  | {
      readonly type: "too_long";
      readonly field: "description" | "id" | "reason";
      readonly limit: number;
      readonly actual: number;
    };

/** Characters of a payment's id, and of an invoice's description: what BOLT 11 can carry. */
const MAX_PAYMENT_ID = 256;
const MAX_DESCRIPTION = 639;
/**
 * How long after a start a deadline waits for the peer's authenticate, which could prove that our data are an old copy. Well under
 * the blocks that deadlines leave for it.
 */
const PEERS_AWAITED_MS = 60_000;
/** They are read at once to be replayed. */
const MAX_REPLAY_INPUTS = 100_000;
/** Bytes of a reason that a peer is given, so that it fits everything that tells of it. */
const MAX_REASON_BYTES = 256;

/** Why a node ended that nobody stopped. */
export class NodeHalted extends Error {
  constructor(cause: unknown) {
    super(`the node stopped: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    this.name = "NodeHalted";
  }
}

// Longer than other files: it is the whole of what an embedder can ask of a node, with the wiring of the parts that answer, and
// each method is a few lines.
/** A running node. Every promise of a change resolves once it is durable. */
export class SluiceNode {
  readonly nodeId: NodeId;
  private readonly options: NodeOptions;
  private readonly signer: Signer;
  private readonly keys: KeyPaths;
  private readonly policy: ChannelPolicy;
  private readonly events = new Events();
  private readonly journal: Journal;
  private readonly wallet: Wallet;
  private readonly payments: Payments;
  private readonly channelSet: Channels;
  private readonly books: Records;
  /** What channels have done, page by page. Spec: LW-8. */
  readonly records: ChannelRecords;
  private readonly peers: Peers;
  private readonly follower: ChainFollower;
  private readonly fees: FeeSource;
  private readonly stalls: StallWatch;
  private readonly backups: BackupWriter | undefined;
  private readonly copies: Copies;
  private readonly buffer = createCommitmentBuffer();
  /** The request that is being looked up or run for a payment's id. */
  private readonly paying = new Map<string, Promise<unknown>>();

  private unsubscribe = (): void => {};
  /** Peers have had little time since the start to say that our data are an old copy. */
  private peersAwaited = true;
  private stopWaiting = (): void => {};

  /** Use `startNode`. */
  constructor(options: NodeOptions, stored: StoredNode) {
    const { chain, clock, store, random, transport, seed } = options;
    const coin = chain.network === "main" ? 0 : 1;
    this.options = options;
    this.signer = seedSigner(options.seed, coin);
    this.keys = keyPaths(coin);
    this.policy = { ...DEFAULT_POLICY, ...options.policy };
    this.nodeId = this.signer.publicKey(this.keys.nodeKey()) as NodeId;
    const { events, signer } = this;
    if (options.listener !== undefined) events.subscribe(options.listener);
    const { writeBackup } = options;
    const copies = options.copies ?? { send: false, keep: false };
    if (writeBackup !== undefined || copies.send) {
      this.backups = new BackupWriter({
        clock,
        write: async () => {
          const backup = await this.takeBackup();
          await this.copies.renew(backup, this.pause);
          await writeBackup?.(await sealBackup(backup, seed, random, this.pause), backup.missing.length === 0);
        },
        onTrouble: (cause) => {
          const reason = cause instanceof Error ? cause.message : String(cause);
          events.emit({ type: "trouble", problem: `the backup could not be written: ${reason}` });
        },
      });
      events.subscribe(({ type }) => {
        if (type === "channel_stage" || type === "channel_stale") this.backups?.urgent();
      });
    }
    this.journal = new Journal({
      onCommit: () => this.backups?.touch(),
      store,
      clock,
      sequence: stored.sequence,
      onHalt: (cause) => void this.halt(cause),
    });
    this.fees = new FeeSource({
      chain,
      clock,
      fallback: options.fallbackFeeRate,
      onChange: () => this.journal.post("other", (batch) => this.channelSet.touchAll(batch)),
    });
    this.wallet = new Wallet({
      coins: stored.coins,
      keys: stored.walletKeys,
      channelIndexes: stored.nextChannelIndex,
      signer,
      paths: this.keys,
      network: chain.network,
      height: stored.blocks.at(-1)?.height ?? 0,
      withdrawals: stored.withdrawals,
      now: () => clock.now(),
      onWithdrawal: (batch, withdrawal) => batch.afterCommit(() => events.emit({ type: "withdrawal", ...withdrawal })),
    });
    const { openInvoices, pendingPayments } = stored;
    this.payments = new Payments({ openInvoices, pendingPayments, clock, events });
    this.books = new Records({ clock, journal: this.journal });
    this.records = new ChannelRecords({ store, records: this.books });
    this.channelSet = new Channels({
      nextIndex: stored.nextChannelIndex,
      surroundings: () => this.surroundings(),
      wallet: this.wallet,
      payments: this.payments,
      events,
      random,
      records: this.books,
      inputLog: () => this.inputLog(),
      broadcast: (batch, transaction) => this.broadcast(batch, transaction),
      checkInputs: (check) => this.tend(() => this.checkInputs(check)),
      published: (channel, number) => store.published(channel, number),
      submit: (work) => this.journal.submit("other", work),
    });
    this.peers = new Peers({
      nodeId: this.nodeId,
      transport,
      clock,
      journal: this.journal,
      events,
      handlers: this.sessionHandlers(),
    });
    this.copies = new Copies({
      policy: copies,
      ...{ store, clock, random, seed, events },
      journal: this.journal,
      sessions: () => this.peers.all(),
      isFunded: (session) => this.channelSet.isFunded(session),
      isOld: () => this.channelSet.isOld,
      isBehind: (copy) => this.channelSet.isBehind(copy),
      onOld: (batch) => this.channelSet.recover(batch),
      unknown: ({ channels }) => channels.filter(({ id }) => this.channelSet.find(id) === undefined).length,
    });
    this.stalls = new StallWatch({
      clock,
      journal: this.journal,
      runners: () => this.channelSet.live(),
      height: () => this.height,
    });
    this.follower = new ChainFollower({
      chain,
      clock,
      blocks: stored.blocks,
      submit: (work) => this.journal.submit("other", work),
      onConnect: (batch, block) => {
        this.wallet.connectBlock(batch, block.height, block.transactions);
        this.channelSet.onChain.connectBlock(batch, block);
        batch.afterCommit(() => {
          this.tend(() => this.rebroadcast());
          // What could not be asked when it was due is asked again.
          for (const check of this.channelSet.inputChecks()) this.tend(() => this.checkInputs(check));
          events.emit({ type: "block", height: block.height });
        });
      },
      onDisconnect: (batch, height) => {
        this.wallet.disconnectBlock(batch, height);
        this.channelSet.onChain.disconnectBlock(batch, height);
        batch.afterCommit(() => this.tend(() => this.settleDoubts()));
      },
      beforeNext: () => this.channelSet.onChain.lookUp(),
      onCaughtUp: (batch) => this.channelSet.touchAll(batch),
      onTrouble: (error) => events.emit({ type: "trouble", problem: error.message }),
    });
    this.adopt(stored);
  }

  private sessionHandlers(): ConstructorParameters<typeof Peers>[0]["handlers"] {
    return {
      onPacket: (batch, session, packet, number, acknowledge) =>
        this.channelSet.receive(batch, session, packet, number, acknowledge),
      onViolation: (batch, session, error, channel) => this.channelSet.violated(batch, session, error, channel),
      onAuthenticate: (batch, session, channels) => this.channelSet.shown(batch, session, channels),
      onCopy: (batch, session, family, packet) => this.copies.receive(batch, session, family, packet),
      onReady: (batch, session) => {
        this.channelSet.ready(batch, session);
        this.copies.ready(batch, session);
        batch.afterCommit(() => this.events.emit({ type: "peer_ready", peer: session.nodeId }));
      },
      channels: (session) => this.channelSet.authentication(session),
      hasChannels: (session) => this.channelSet.has(session),
      features: [
        "dual_funding",
        ...(this.policy.prestage ? (["prestage"] as const) : []),
        ...(this.options.copies?.keep === true ? (["keeps_copies"] as const) : []),
      ],
    };
  }

  private adopt(stored: StoredNode): void {
    for (const peer of stored.peers) {
      const stream = stored.streams.find((row) => row.peer === peer.index);
      const outbox = stored.outbox.filter((row) => row.peer === peer.index);
      this.peers.adopt(peer, stream, outbox);
    }
    for (const damaged of stored.damaged) this.channelSet.adoptDamaged(damaged);
    for (const [place, rows] of stored.channels.entries()) {
      try {
        this.adoptChannel(rows, stored.records[place]);
      } catch (cause) {
        const { index: channel, peer } = rows.channel;
        const problem = cause instanceof Error ? cause.message : String(cause);
        this.channelSet.adoptDamaged({ channel, channelId: rows.id, peer, stale: rows.stage.stale, problem });
      }
    }
  }

  private adoptChannel(rows: ChannelRows, record: StoredNode["records"][number] | undefined): void {
    const session = this.peers.all().find(({ nodeId }) => equalBytes(nodeId, rows.channel.peer));
    invariant(session !== undefined, "the peer of a channel is stored");
    const ownHash = (number: number) => ownRevocationHash({ signer: this.signer }, rows.channel.index, number);
    const state = loadChannel(rows, session.packetAcknowledge, ownHash);
    this.channelSet.adopt(state, session, record);
  }

  private surroundings(): Surroundings {
    return {
      height: this.follower.height,
      caughtUp: this.follower.isCaughtUp,
      caughtUpAt: this.follower.caughtUpAt,
      now: this.options.clock.now(),
      fees: this.fees.estimate,
      policy: this.policy,
      keys: this.keys,
      signer: this.signer,
      buffer: this.buffer,
      peerAwaited: this.peersAwaited,
    };
  }

  /** The bytes of a backup as of now, for `openBackup` and `restoreNode`. Rejects with StoreError, or where the node has halted. */
  async backup(): Promise<Uint8Array> {
    const { seed, random } = this.options;
    return sealBackup(await this.takeBackup(), seed, random, this.pause);
  }

  private readonly pause = () => new Promise<void>((resolve) => this.options.clock.soon(resolve));

  private async takeBackup(): Promise<Backup> {
    const { store, chain, clock } = this.options;
    const about = { network: chain.network, createdAt: clock.now() };
    return takeBackup(await this.snapshot(), store, about, this.pause);
  }

  /** What a backup has, from the working copies: reading it all from the store would take long where channels are many. */
  private snapshot(): Promise<Snapshot> {
    return this.journal.durable(() => ({
      sequence: this.journal.newest,
      ...this.channelSet.rows(),
      damaged: this.channelSet.damaged.all(),
      ...this.peers.rows(),
      ...this.payments.rows(),
      ...this.wallet.rows(),
      blocks: this.follower.known,
    }));
  }

  /** The chain first, then what should be on it, then the peers. Rejects with ChainError where the chain is away. */
  async start(): Promise<void> {
    await this.options.chain.connect();
    await this.fees.start();
    await this.follower.start();
    await this.rebroadcast();
    await this.settleDoubts();
    this.unsubscribe = this.options.chain.subscribe((event) => {
      if (event.type === "mempool") this.seen(event.transaction);
    });
    this.peers.start();
    this.stopWaiting = this.options.clock.after(PEERS_AWAITED_MS, () => {
      this.peersAwaited = false;
      this.journal.post("other", (batch) => this.channelSet.touchAll(batch));
    });
    this.stalls.start();
    this.copies.start();
    // What is stored may be newer than the newest backup.
    this.backups?.urgent();
  }

  /** A transaction entered the mempool: it may pay us, or concern a channel. */
  private seen(raw: Uint8Array): void {
    const parsed = parseTransaction(raw);
    if (!parsed.ok) return;
    const transaction = { txid: transactionId(parsed.value), transaction: parsed.value };
    this.journal.post("other", (batch) => {
      this.wallet.noteUnconfirmed(batch, transaction);
      this.channelSet.onChain.noteUnconfirmed(batch, transaction);
    });
  }

  /** Asks the chain whether inputs that a peer brings are there to be spent. */
  private async checkInputs(check: InputCheck): Promise<void> {
    const outputs = await Promise.all(check.inputs.map((input) => this.options.chain.unspent(input)));
    await this.journal.submit("other", (batch) => this.channelSet.inputsChecked(batch, check, outputs));
  }

  /** Asks the chain what became of unconfirmed transactions, after a restart or a reorganisation. */
  private async settleDoubts(): Promise<void> {
    for (const outpoint of this.wallet.doubts()) {
      const unspent = (await this.options.chain.unspent(outpoint)) !== undefined;
      await this.journal.submit("other", (batch) => this.wallet.settleDoubt(batch, outpoint, unspent));
    }
  }

  /** Ends in an orderly way: connections, the batch under way, the store. */
  async stop(): Promise<void> {
    this.unsubscribe();
    this.stopWaiting();
    this.follower.stop();
    this.fees.stop();
    this.stalls.stop();
    this.copies.stop();
    await this.peers.stop();
    await this.stopRecords();
    const stopped = new NodeHalted(new Error("the node was stopped"));
    await this.journal.stop(stopped);
    this.payments.abandonWaiting(stopped);
    this.events.emit({ type: "stopped" });
    await this.backups?.stop();
    try {
      await this.options.chain.close();
    } finally {
      await this.options.store.close();
    }
  }

  /** A journal that has halted leaves to the next start what is not written. */
  private async stopRecords(): Promise<void> {
    this.books.stop();
    await this.books.settled().catch(() => undefined);
  }

  private async halt(cause: unknown): Promise<void> {
    this.unsubscribe();
    this.stopWaiting();
    this.backups?.abandon();
    this.books.stop();
    this.follower.stop();
    this.fees.stop();
    this.stalls.stop();
    this.copies.stop();
    await this.peers.stop();
    this.payments.abandonWaiting(new NodeHalted(cause));
    this.events.emit({ type: "halted", cause });
  }

  /** Does something of the node's own accord; what goes wrong is told, and comes up again with the next block. */
  private tend(work: () => Promise<void>): void {
    work().catch((cause: unknown) => this.toldTrouble(cause));
  }

  private toldTrouble(cause: unknown): undefined {
    this.events.emit({ type: "trouble", problem: cause instanceof Error ? cause.message : String(cause) });
  }

  private broadcast(batch: Batch, transaction: Uint8Array): void {
    const parsed = parseTransaction(transaction);
    if (!parsed.ok) return;
    this.wallet.broadcastNoted(batch, parsed.value);
    batch.afterCommit(() => this.tend(async () => void (await this.give(transaction))));
  }

  /** Gives a transaction to the network; returns why it was refused. It is given again with each block: that may pass. */
  private async give(transaction: Uint8Array): Promise<string | undefined> {
    const result = await this.options.chain.broadcast(transaction);
    if (result.type !== "rejected") return undefined;
    this.events.emit({ type: "broadcast_rejected", reason: result.reason });
    return result.reason;
  }

  /** Gives a new withdrawal to the network. Where that can't be asked, it is given again with the others; one that is refused ends. */
  private async giveWithdrawal(transaction: Uint8Array, txid: Txid): Promise<string | undefined> {
    const { withdrawals } = this.wallet;
    try {
      const refusal = await this.give(transaction).catch((cause: unknown) => this.toldTrouble(cause));
      if (refusal === undefined) return undefined;
      await this.journal.submit("other", (batch) => withdrawals.refused(batch, txid, this.height));
      return refusal;
    } finally {
      withdrawals.answered(txid);
    }
  }

  private async giveWithdrawalAgain(txid: Txid): Promise<void> {
    const { withdrawals } = this.wallet;
    const transaction = withdrawals.dueBytes(txid);
    if (transaction === undefined) return;
    const refusal = await this.give(transaction);
    const inputs = await this.journal.submit("other", (batch) => withdrawals.givenAgain(batch, txid, refusal));
    for (const input of inputs) {
      const unspent = (await this.options.chain.unspent(input)) !== undefined;
      await this.journal.submit("other", (batch) => withdrawals.settleInput(batch, input, unspent, this.height));
    }
  }

  /** What should be on chain and is not, as far as we know. */
  private async rebroadcast(): Promise<void> {
    for (const transaction of this.channelSet.onChain.broadcasts()) {
      const parsed = parseTransaction(transaction);
      if (!parsed.ok) continue;
      await this.journal.submit("other", (batch) => this.wallet.broadcastNoted(batch, parsed.value));
      await this.give(transaction);
    }
    for (const txid of this.wallet.withdrawals.due()) await this.giveWithdrawalAgain(txid);
  }

  subscribe(listener: Listener): () => void {
    return this.events.subscribe(listener);
  }

  /**
   * Resolves with the first event for which `match` holds, now or later; `check` looks whether it already is so. Rejects with what `refuse`
   * makes of an event before.
   */
  private when<E extends NodeEvent>(
    match: (event: NodeEvent) => event is E,
    check: () => boolean,
    refuse: (event: NodeEvent) => Error | undefined = () => undefined,
  ): Promise<void> {
    if (check()) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const unsubscribe = this.events.subscribe((event) => {
        const refused = refuse(event);
        if (refused !== undefined) reject(refused);
        else if (event.type === "halted") reject(new NodeHalted(event.cause));
        else if (event.type === "stopped") reject(new NodeHalted(new Error("the node was stopped")));
        else if (!match(event) || !check()) return;
        else resolve();
        unsubscribe();
      });
    });
  }

  get height(): number {
    return this.follower.height;
  }

  /** Accepts connections; resolves with the address in use. Rejects with TransportError. */
  listen(address: PeerAddress): Promise<PeerAddress> {
    return this.peers.listen(address);
  }

  /**
   * Connects and authenticates. From then on the connection is made again whenever it is lost. Rejects with TransportError, also where the
   * peer breaks a rule before it has authenticated (`handshake_failed`).
   */
  async connect(peer: NodeId, address: PeerAddress): Promise<void> {
    await this.peers.connect(peer, address);
    await this.ready(peer, (event) => this.refusal(peer, event));
  }

  /** Why there is nothing to wait for: trying again would come to the same. */
  private refusal(peer: NodeId, event: NodeEvent): TransportError | undefined {
    if (event.type === "violation" && equalBytes(event.peer, peer)) {
      return new TransportError("handshake_failed", event.problem);
    }
    const ended = event.type === "peer_disconnected" && equalBytes(event.peer, peer);
    if (!ended || this.peers.session(peer)?.misfits !== true) return undefined;
    return new TransportError("handshake_failed", "what the peer has of our messages does not fit what we have");
  }

  /** Resolves once messages can be exchanged with the peer. */
  untilReady(peer: NodeId): Promise<void> {
    return this.ready(peer);
  }

  private ready(peer: NodeId, refuse?: (event: NodeEvent) => Error | undefined): Promise<void> {
    const isReady = (event: NodeEvent) => event.type === "peer_ready" && equalBytes(event.peer, peer);
    return this.when(
      (event): event is Extract<NodeEvent, { type: "peer_ready" }> => isReady(event),
      () => this.peers.session(peer)?.ready === true,
      refuse,
    );
  }

  /** Opens a channel that this node funds, alone or together with the peer. The value is the node's own number of the channel. Spec: B2-7. */
  openChannel(peer: NodeId, request: OpenChannelRequest): Promise<Result<number, RequestError>> {
    return this.journal.submit("other", (batch) => {
      const session = this.peers.session(peer);
      if (session === undefined) return err({ type: "unknown_peer" } as const);
      const opened = this.channelSet.open(batch, session, request);
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
    await this.when(
      (event): event is Extract<NodeEvent, { type: "channel_stage" }> =>
        event.type === "channel_stage" && event.channel === channel,
      is,
    );
    const present = found();
    if (present === undefined) throw new NodeHalted(new Error(`channel ${channel} is gone`));
    return present;
  }

  channels(): ChannelSummary[] {
    return this.channelSet.all().map(summary);
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
    return this.channelSet.damaged.all();
  }

  private notFound(channel: number): Result<never, RequestError> {
    const damaged = this.channelSet.damaged.numbered(channel);
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
      ...this.surroundings(),
      unacknowledged: session.unacknowledged,
      peerReady: session.ready,
      peerAwaySince: session.awaySince,
      patience: this.stalls.patience(runner),
    });
  }

  /** A log for one channel. */
  private inputLog(): InputLog | undefined {
    const { replayInputs } = this.options;
    if (replayInputs === undefined) return undefined;
    const inputs = Math.min(Math.max(replayInputs, 1), MAX_REPLAY_INPUTS);
    return new InputLog({ inputs, nextBatch: () => this.journal.nextBatch });
  }

  /**
   * Replays a channel, live or ended, from the oldest checkpoint that is kept to a moment, or to the end: what it was given, what came of
   * it, and the channel explained as it was then. A difference means that this program makes something else of an input than the one did
   * that ran it. Undefined where nothing is kept up to then: see `replayInputs`. Rejects with StoreError.
   */
  async replay(channel: number, to?: ReplayTo): Promise<Replay | undefined> {
    const rows = await this.options.store.replayRows(channel);
    const found = replayed(rows, { signer: this.signer, keys: this.keys, to });
    return found && toldReplay(found);
  }

  private runner(channel: number): ChannelRunner | undefined {
    return this.channelSet.numbered(channel);
  }

  private command(
    channel: number,
    run: (batch: Batch, runner: ChannelRunner) => ChannelError | undefined,
  ): Promise<Result<undefined, RequestError>> {
    return this.journal.submit("other", (batch) => {
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
    return this.command(channel, (batch, runner) => this.channelSet.cancel(batch, runner));
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
    const preimage = this.options.random.bytes(32);
    return this.journal.submit("payment", (batch) => this.payments.invoice(batch, { ...request, preimage }));
  }

  /** The invoice of a payment hash, whatever became of it. Its preimage is for the caller that made it. */
  invoice(paymentHash: PaymentHash): Promise<InvoiceRow | undefined> {
    return this.options.store.invoice(paymentHash);
  }

  /** Pays over one channel. A second call with an id pays nothing: it gives back the payment of the first. */
  async pay(channel: number, request: PayRequest): Promise<Result<PaymentRow, RequestError>> {
    const { length } = request.id;
    if (length > MAX_PAYMENT_ID) return err({ type: "too_long", field: "id", limit: MAX_PAYMENT_ID, actual: length });
    const before = this.paying.get(request.id);
    const run = (async () => {
      // One at a time for each id, so that none looks before another has written.
      await before?.catch(() => undefined);
      const stored = await this.options.store.payment(request.id);
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
    return this.journal.submit("payment", (batch) => {
      const runner = this.runner(channel);
      if (runner === undefined) return this.notFound(channel);
      return this.payments.pay(batch, runner, request, this.height);
    });
  }

  /** The payment of an id, as it is durable. */
  payment(id: string): Promise<PaymentRow | undefined> {
    return this.options.store.payment(id);
  }

  /**
   * Resolves when the payment has succeeded or failed; with undefined where there is none of that id. Rejects with NodeHalted
   * when the node ends before: ask again after its next start.
   */
  untilPaid(id: string): Promise<PaymentRow | undefined> {
    if (this.payments.pendingPayment(id) === undefined) return this.options.store.payment(id);
    return this.payments.ended(id);
  }

  /** A fresh address of the wallet. Spec: BIP 84. */
  newAddress(): Promise<string> {
    return this.journal.submit("other", (batch) => this.wallet.newAddress(batch));
  }

  balance(): WalletBalance {
    return this.wallet.balance();
  }

  /**
   * Sends from the wallet to a script on chain. The value is the transaction's id: it is durable then, and was taken by the chain's node or,
   * while that could not be asked, will be given to it with each block. Error `withdrawal_refused`: nothing came of it. Where the node ends
   * before the answer, `withdrawals` tells after the next start whether it was made. See decision 0046.
   */
  async withdraw(script: Uint8Array, amountSat: Satoshi | "all"): Promise<Result<Uint8Array, RequestError>> {
    const made = await this.journal.submit("other", (batch) => {
      const { nextBlock, fallback, relay } = this.fees.estimate;
      const feeRate = Math.max(nextBlock ?? fallback, relay);
      return this.wallet.send(batch, { script, amountSat, feeRate });
    });
    if (!made.ok) return made;
    const { transaction, txid } = made.value;
    const reason = await this.giveWithdrawal(transaction, txid);
    return reason === undefined ? ok(txid) : err({ type: "withdrawal_refused", reason });
  }

  /** Those that are not buried under 200 blocks, in the order in which they were made. */
  withdrawals(): readonly Withdrawal[] {
    return this.wallet.withdrawals.list();
  }
}

/**
 * Loads what is stored, catches up with the chain and starts. Rejects with StoreError, ChainError or TransportError; store,
 * chain and transport are closed then.
 */
export async function startNode(options: NodeOptions): Promise<SluiceNode> {
  const node = new SluiceNode(options, await options.store.load());
  try {
    await node.start();
  } catch (cause) {
    await node.stop();
    throw cause;
  }
  return node;
}
