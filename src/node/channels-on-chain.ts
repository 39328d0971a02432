import { equalBytes, type Txid, toHex } from "../core/base/index.ts";
import { parseTransaction, serializeTransaction, type Transaction } from "../core/bitcoin/index.ts";
import { type Input, lastWord, type Side, unconfirmedSweeps } from "../core/payment-channel/index.ts";
import type { Outpoint } from "../ports/bitcoin-chain.ts";
import { type Store, StoreError } from "../ports/store.ts";
import { AnchorWatch } from "./anchor-watch.ts";
import type { ChainTransaction, ConnectedBlock } from "./chain-follower.ts";
import type { ChannelRunner, Surroundings } from "./channel-runner.ts";
import type { Events } from "./events.ts";
import type { Batch } from "./journal.ts";

type PublishedRows = Awaited<ReturnType<Store["published"]>>;

/** So often rows are read that a failing disk does not give; the pauses between come to minutes. */
const READS_TRIED = 10;

/** What channels and the chain have to do with each other: blocks and the mempool for the one, transactions for the other. */
export class ChannelsOnChain {
  private readonly options: {
    readonly live: () => readonly ChannelRunner[];
    /** Runs an input, and fails the channel where the input breaks a rule of the peer's. */
    readonly runOrFail: (batch: Batch, runner: ChannelRunner, input: Input) => void;
    readonly surroundings: () => Surroundings;
    readonly events: Events;
    readonly published: Store["published"];
    /** The transaction of a block because of which an input of this one of ours can't come to be. The block is the wallet's already. */
    readonly lostTo: (transaction: Transaction) => Txid | undefined;
    /** Gives the rows of the revoked commitment of that number to the channel. */
    readonly giveEvidence: (runner: ChannelRunner, number: number, rows: PublishedRows) => Promise<void>;
  };
  private readonly watch = new AnchorWatch<ChannelRunner>((batch, runner, height, anchor) =>
    this.confirm(batch, runner, height, anchor),
  );

  /** How often the rows of a channel's revoked commitment could not be read. */
  private readonly failures = new Map<ChannelRunner, number>();

  constructor(options: ChannelsOnChain["options"]) {
    this.options = options;
  }

  take(runner: ChannelRunner): void {
    this.watch.watch(runner);
  }

  forget(runner: ChannelRunner): void {
    this.watch.forget(runner);
    this.failures.delete(runner);
  }

  /** Inputs that we know of funding transactions that are not in a block, by outpoint. */
  private fundingInputs(): Map<string, FundingClaim[]> {
    const claims = new Map<string, FundingClaim[]>();
    const add = (runner: ChannelRunner, side: Side, inputs: readonly Outpoint[]) => {
      for (const input of inputs) {
        const key = outpointKey(input);
        claims.set(key, [...(claims.get(key) ?? []), { runner, side }]);
      }
    };
    for (const runner of this.options.live()) {
      const { fundingShares, funding } = runner.state;
      if (funding?.confirmedHeight !== undefined) continue;
      add(runner, "local", fundingShares.local?.inputs ?? ownAnchor(runner)?.inputs ?? []);
      add(runner, "remote", fundingShares.remote?.inputs ?? []);
    }
    return claims;
  }

  /** Ends, in time, what a block took the ground from: anchors of our own that spend what nobody can make any more. */
  private seekLostOrigins(batch: Batch, height: number): void {
    for (const runner of this.options.live()) {
      const { funding } = runner.state;
      if (funding === undefined || funding.confirmedHeight !== undefined || funding.conflictHeight !== undefined)
        continue;
      const anchor = ownAnchor(runner);
      const txid = anchor && this.options.lostTo(anchor);
      if (txid === undefined) continue;
      runner.run(batch, { type: "funding_conflict", height });
      batch.afterCommit(() => this.tellConflict({ runner, side: "local" }, txid, height));
    }
  }

  private tellConflict({ runner, side }: FundingClaim, txid: Txid, height: number | undefined): void {
    this.options.events.emit({
      type: "funding_conflict",
      channel: runner.index,
      channelId: runner.id,
      txid,
      input: side,
      height,
    });
  }

  /** What a block has for channels; every channel may have something due at a new height. */
  connectBlock(batch: Batch, block: ConnectedBlock): void {
    const { height } = block;
    const inputs = this.fundingInputs();
    for (const seen of block.transactions) {
      this.watch.see(batch, { ...seen, height });
      for (const conflict of inputs.size === 0 ? [] : conflictsOf(seen, inputs)) {
        conflict.runner.run(batch, { type: "funding_conflict", height });
        batch.afterCommit(() => this.tellConflict(conflict, seen.txid, height));
      }
    }
    this.seekLostOrigins(batch, height);
    for (const runner of this.options.live()) {
      runner.run(batch, { type: "block" });
      runner.touch(batch);
    }
  }

  /** A transaction entered the mempool. */
  noteUnconfirmed(batch: Batch, seen: ChainTransaction): void {
    this.watch.see(batch, { ...seen, height: undefined });
    for (const conflict of conflictsOf(seen, this.fundingInputs())) {
      batch.afterCommit(() => this.tellConflict(conflict, seen.txid, undefined));
    }
  }

  /**
   * Looks up the rows of each revoked commitment on chain that wants them: to be done before another block is worked on, and again
   * until it succeeds. Rejects with StoreError.
   */
  async lookUp(): Promise<void> {
    let failure: { readonly cause: unknown } | undefined;
    for (const runner of this.options.live()) {
      const { anchorSpend } = runner.state;
      if (anchorSpend?.kind !== "revoked" || anchorSpend.holder !== undefined) continue;
      const { number } = anchorSpend;
      try {
        await this.options.giveEvidence(runner, number, await this.readPublished(runner, number));
      } catch (cause) {
        // The others are looked up all the same.
        failure ??= { cause };
      }
    }
    if (failure !== undefined) throw failure.cause;
  }

  /** What can't be read for good must not keep the node from the next block: without the rows the to-self is punished all the same. */
  private async readPublished(runner: ChannelRunner, number: number): Promise<PublishedRows> {
    try {
      return await this.options.published(runner.index, number);
    } catch (cause) {
      const failures = (this.failures.get(runner) ?? 0) + 1;
      this.failures.set(runner, failures);
      if (cause instanceof StoreError && cause.retryable && failures < READS_TRIED) throw cause;
      const why = cause instanceof Error ? cause.message : String(cause);
      const problem = `what channel ${runner.index} has of its revoked commitment ${number} can't be read: ${why}`;
      this.options.events.emit({ type: "trouble", problem });
      return { commitments: [], htlcs: [] };
    }
  }

  private confirm(batch: Batch, runner: ChannelRunner, height: number, transaction: Transaction): void {
    const output = transaction.outputs[runner.state.funding?.outputIndex ?? 0];
    const raw = serializeTransaction(transaction, { witness: true });
    this.options.runOrFail(batch, runner, { type: "funding_confirmed", height, output, transaction: raw });
  }

  /** The block at `height` is no longer part of the chain. */
  disconnectBlock(batch: Batch, height: number): void {
    for (const runner of this.options.live()) {
      const { funding, anchorSpend, chainOutputs } = runner.state;
      for (const { index, spend } of [...chainOutputs.values()]) {
        if (spend?.height === height) runner.run(batch, { type: "output_unspent", index });
      }
      if (anchorSpend?.height === height) runner.run(batch, { type: "anchor_unspent" });
      if (funding?.confirmedHeight === height) runner.run(batch, { type: "funding_unconfirmed" });
      if (funding?.conflictHeight === height) {
        runner.run(batch, { type: "funding_conflict", height: undefined });
      }
    }
  }

  /** Transactions that should be on chain and are not yet, as far as we know: broadcast at start and after a new block. */
  broadcasts(): Uint8Array[] {
    const surroundings = this.options.surroundings();
    return this.options.live().flatMap((runner) => {
      try {
        return broadcastsOf(runner.state, surroundings);
      } catch (cause) {
        const why = cause instanceof Error ? cause.message : String(cause);
        const problem = `nothing is broadcast for channel ${runner.index}: ${why}`;
        this.options.events.emit({ type: "trouble", problem });
        return [];
      }
    });
  }
}

function broadcastsOf(state: ChannelRunner["state"], context: Pick<Surroundings, "signer" | "keys">): Uint8Array[] {
  const { funding, anchorSpend } = state;
  const hasSignature = state.commitments.local?.signature !== undefined;
  const funds = state.dualFunding?.cancellation ?? funding?.transaction;
  const undecided = funding?.confirmedHeight === undefined && funding?.conflictHeight === undefined;
  const anchor = undecided && hasSignature && !state.stage.stale ? funds : undefined;
  const spent = anchorSpend?.height === undefined ? [lastWord(state, context)] : unconfirmedSweeps(state);
  return [anchor, ...spent].filter((transaction) => transaction !== undefined);
}

/** The transaction that funds the channel where it is not in a block and we alone made it. */
function ownAnchor({ state: { channel, dualFunding, funding } }: ChannelRunner): Transaction | undefined {
  if (channel.initiator !== "local" || dualFunding !== undefined || funding?.transaction === undefined)
    return undefined;
  const parsed = parseTransaction(funding.transaction);
  return parsed.ok ? parsed.value : undefined;
}

/** A channel that needs an output to be unspent, and whose input it is. */
type FundingClaim = { readonly runner: ChannelRunner; readonly side: Side };

function outpointKey({ txid, index }: Outpoint): string {
  return `${toHex(txid)}:${index}`;
}

/** The claims that the transaction crosses: once each channel, and none where it is the funding transaction itself. */
function conflictsOf(
  { txid, transaction }: ChainTransaction,
  watched: ReadonlyMap<string, readonly FundingClaim[]>,
): FundingClaim[] {
  const conflicts = new Map<ChannelRunner, FundingClaim>();
  for (const input of transaction.inputs) {
    for (const claim of watched.get(outpointKey(input)) ?? []) {
      const { funding } = claim.runner.state;
      if (funding === undefined || !equalBytes(funding.txid, txid)) conflicts.set(claim.runner, claim);
    }
  }
  return [...conflicts.values()];
}
