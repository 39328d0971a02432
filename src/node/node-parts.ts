import type { NodeId } from "../core/base/index.ts";
import { createCommitmentBuffer } from "../core/bitcoin/index.ts";
import { type KeyPaths, keyPaths, type Signer, seedSigner } from "../core/crypto/index.ts";
import { type ChannelPolicy, DEFAULT_POLICY } from "../core/payment-channel/index.ts";
import type { StoredNode } from "../ports/store.ts";
import { adoptStored } from "./adopt-stored.ts";
import { type Backup, type Snapshot, sealBackup, takeBackup } from "./backup.ts";
import { BackupWriter } from "./backup-writer.ts";
import { ChainDuties } from "./chain-duties.ts";
import { ChainFollower } from "./chain-follower.ts";
import { ChannelRecords } from "./channel-records.ts";
import type { Surroundings } from "./channel-runner.ts";
import { Channels } from "./channels.ts";
import { Copies } from "./copies.ts";
import { Events } from "./events.ts";
import { FeeSource } from "./fee-source.ts";
import { InputLog } from "./input-log.ts";
import { Journal } from "./journal.ts";
import { NodeHalted } from "./node-halted.ts";
import type { NodeOptions } from "./node-options.ts";
import { Payments } from "./payments.ts";
import { Peers } from "./peers.ts";
import { Records } from "./records.ts";
import { StallWatch } from "./stall-watch.ts";
import { Wallet } from "./wallet.ts";

/**
 * How long after a start a deadline waits for the peer's authenticate, which could prove that our data are an old copy. Well under
 * the blocks that deadlines leave for it.
 */
const PEERS_AWAITED_MS = 60_000;
/** They are read at once to be replayed. */
const MAX_REPLAY_INPUTS = 100_000;

/** The parts of a node, wired together, with what they ask of each other, their start and their end. */
export class NodeParts {
  readonly nodeId: NodeId;
  readonly options: NodeOptions;
  readonly signer: Signer;
  readonly keys: KeyPaths;
  private readonly policy: ChannelPolicy;
  readonly events = new Events();
  readonly journal: Journal;
  readonly wallet: Wallet;
  readonly payments: Payments;
  readonly channelSet: Channels;
  private readonly books: Records;
  /** What channels have done, page by page. Spec: LW-8. */
  readonly records: ChannelRecords;
  readonly peers: Peers;
  private readonly follower: ChainFollower;
  readonly duties: ChainDuties;
  readonly fees: FeeSource;
  readonly stalls: StallWatch;
  private readonly backups: BackupWriter | undefined;
  private readonly copies: Copies;
  private readonly buffer = createCommitmentBuffer();

  private unsubscribe = (): void => {};
  /** Peers have had little time since the start to say that our data are an old copy. */
  private peersAwaited = true;
  private stopWaiting = (): void => {};

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
    const copies = options.copies ?? { send: false, keep: false };
    if (options.writeBackup !== undefined || copies.send) this.backups = this.backupWriter();
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
    this.duties = new ChainDuties({
      chain,
      journal: this.journal,
      events,
      wallet: this.wallet,
      channels: () => this.channelSet,
      height: () => this.follower.height,
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
      broadcast: (batch, transaction) => this.duties.broadcast(batch, transaction),
      checkInputs: (check) => this.duties.checkInputs(check),
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
      height: () => this.follower.height,
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
          this.duties.renew();
          events.emit({ type: "block", height: block.height });
        });
      },
      onDisconnect: (batch, height) => {
        this.wallet.disconnectBlock(batch, height);
        this.channelSet.onChain.disconnectBlock(batch, height);
        batch.afterCommit(() => this.duties.tend(() => this.duties.settleDoubts()));
      },
      beforeNext: () => this.channelSet.onChain.lookUp(),
      onCaughtUp: (batch) => this.channelSet.touchAll(batch),
      onTrouble: (error) => events.emit({ type: "trouble", problem: error.message }),
    });
    adoptStored(stored, { peers: this.peers, channels: this.channelSet, signer });
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

  surroundings(): Surroundings {
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

  get height(): number {
    return this.follower.height;
  }

  private readonly pause = () => new Promise<void>((resolve) => this.options.clock.soon(resolve));

  private backupWriter(): BackupWriter {
    const { clock, seed, random, writeBackup } = this.options;
    const writer = new BackupWriter({
      clock,
      write: async () => {
        const backup = await this.takeBackup();
        await this.copies.renew(backup, this.pause);
        await writeBackup?.(await sealBackup(backup, seed, random, this.pause), backup.missing.length === 0);
      },
      onTrouble: (cause) => {
        const reason = cause instanceof Error ? cause.message : String(cause);
        this.events.emit({ type: "trouble", problem: `the backup could not be written: ${reason}` });
      },
    });
    this.events.subscribe(({ type }) => {
      if (type === "channel_stage" || type === "channel_stale") writer.urgent();
    });
    return writer;
  }

  /** The bytes of a backup as of now. */
  async backup(): Promise<Uint8Array> {
    const { seed, random } = this.options;
    return sealBackup(await this.takeBackup(), seed, random, this.pause);
  }

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
    await this.duties.rebroadcast();
    await this.duties.settleDoubts();
    this.unsubscribe = this.options.chain.subscribe((event) => {
      if (event.type === "mempool") this.duties.seen(event.transaction);
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

  /** A log for one channel. */
  private inputLog(): InputLog | undefined {
    const { replayInputs } = this.options;
    if (replayInputs === undefined) return undefined;
    const inputs = Math.min(Math.max(replayInputs, 1), MAX_REPLAY_INPUTS);
    return new InputLog({ inputs, nextBatch: () => this.journal.nextBatch });
  }
}
