// What the node gives to the chain's node and asks of it, of its own accord: at the start, with each block, and when a commit asks for it.

import type { Txid } from "../core/base/index.ts";
import { parseTransaction, transactionId } from "../core/bitcoin/index.ts";
import type { BitcoinChain } from "../ports/bitcoin-chain.ts";
import type { Channels, InputCheck } from "./channels.ts";
import type { Events } from "./events.ts";
import type { Batch, Journal } from "./journal.ts";
import type { Wallet } from "./wallet.ts";

type ChainDutiesOptions = {
  readonly chain: BitcoinChain;
  readonly journal: Journal;
  readonly events: Events;
  readonly wallet: Wallet;
  readonly channels: () => Channels;
  readonly height: () => number;
};

/** Broadcasts, once and again, and questions whose answers are worked in. None of it is awaited by a batch. */
export class ChainDuties {
  private readonly options: ChainDutiesOptions;

  constructor(options: ChainDutiesOptions) {
    this.options = options;
  }

  /** Does something; what goes wrong is told, and comes up again with the next block. */
  tend(work: () => Promise<void>): void {
    work().catch((cause: unknown) => this.toldTrouble(cause));
  }

  private toldTrouble(cause: unknown): undefined {
    this.options.events.emit({ type: "trouble", problem: cause instanceof Error ? cause.message : String(cause) });
  }

  /** What is not in a block yet, given to the network again, and what could not be asked when it was due, asked again. */
  renew(): void {
    this.tend(() => this.rebroadcast());
    for (const check of this.options.channels().inputChecks()) this.checkInputs(check);
  }

  /** Asks the chain whether inputs that a peer brings are there to be spent. */
  checkInputs(check: InputCheck): void {
    const { chain, journal, channels } = this.options;
    this.tend(async () => {
      const outputs = await Promise.all(check.inputs.map((input) => chain.unspent(input)));
      await journal.submit("other", (batch) => channels().inputsChecked(batch, check, outputs));
    });
  }

  /** Asks the chain what became of unconfirmed transactions, after a restart or a reorganisation. */
  async settleDoubts(): Promise<void> {
    const { chain, journal, wallet } = this.options;
    for (const outpoint of wallet.doubts()) {
      const unspent = (await chain.unspent(outpoint)) !== undefined;
      await journal.submit("other", (batch) => wallet.settleDoubt(batch, outpoint, unspent));
    }
  }

  /** A transaction entered the mempool: it may pay us, or concern a channel. */
  seen(raw: Uint8Array): void {
    const { journal, wallet, channels } = this.options;
    const parsed = parseTransaction(raw);
    if (!parsed.ok) return;
    const transaction = { txid: transactionId(parsed.value), transaction: parsed.value };
    journal.post("other", (batch) => {
      wallet.noteUnconfirmed(batch, transaction);
      channels().onChain.noteUnconfirmed(batch, transaction);
    });
  }

  /** Gives a channel's transaction to the network once the batch is durable. */
  broadcast(batch: Batch, transaction: Uint8Array): void {
    const parsed = parseTransaction(transaction);
    if (!parsed.ok) return;
    this.options.wallet.broadcastNoted(batch, parsed.value);
    batch.afterCommit(() => this.tend(async () => void (await this.give(transaction))));
  }

  /** Gives a transaction to the network; returns why it was refused. It is given again with each block: that may pass. */
  private async give(transaction: Uint8Array): Promise<string | undefined> {
    const result = await this.options.chain.broadcast(transaction);
    if (result.type !== "rejected") return undefined;
    this.options.events.emit({ type: "broadcast_rejected", reason: result.reason });
    return result.reason;
  }

  /** What should be on chain and is not, as far as we know. */
  async rebroadcast(): Promise<void> {
    const { journal, wallet, channels } = this.options;
    for (const transaction of channels().onChain.broadcasts()) {
      const parsed = parseTransaction(transaction);
      if (!parsed.ok) continue;
      await journal.submit("other", (batch) => wallet.broadcastNoted(batch, parsed.value));
      await this.give(transaction);
    }
    for (const txid of wallet.withdrawals.due()) await this.giveWithdrawalAgain(txid);
  }

  /**
   * Gives a new withdrawal to the network; returns why it was refused, which ends it. Where the network can't be asked, it is given
   * again with the others.
   */
  async giveWithdrawal(transaction: Uint8Array, txid: Txid): Promise<string | undefined> {
    const { journal, wallet, height } = this.options;
    const { withdrawals } = wallet;
    try {
      const refusal = await this.give(transaction).catch((cause: unknown) => this.toldTrouble(cause));
      if (refusal === undefined) return undefined;
      await journal.submit("other", (batch) => withdrawals.refused(batch, txid, height()));
      return refusal;
    } finally {
      withdrawals.answered(txid);
    }
  }

  private async giveWithdrawalAgain(txid: Txid): Promise<void> {
    const { chain, journal, wallet, height } = this.options;
    const { withdrawals } = wallet;
    const transaction = withdrawals.dueBytes(txid);
    if (transaction === undefined) return;
    const refusal = await this.give(transaction);
    const inputs = await journal.submit("other", (batch) => withdrawals.givenAgain(batch, txid, refusal));
    for (const input of inputs) {
      const unspent = (await chain.unspent(input)) !== undefined;
      await journal.submit("other", (batch) => withdrawals.settleInput(batch, input, unspent, height()));
    }
  }
}
