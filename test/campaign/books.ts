// What every honest node has at the end, counted from the chain and from what was agreed to be paid: see `docs/reliability.md`.

import { equalBytes, type Msat, toHex } from "../../src/core/base/index.ts";
import {
  commitmentFee,
  isDust,
  payToWitnessPublicKeyHash,
  splitFee,
  type Transaction,
  transactionId,
  virtualSize,
} from "../../src/core/bitcoin/index.ts";
import { keyPaths, seedSigner } from "../../src/core/crypto/index.ts";
import type { AnchorSpendRow, CommitmentRow, HtlcRow } from "../../src/core/payment-channel/index.ts";
import { isIn } from "../../src/core/payment-channel/state.ts";
import type { ChannelSummary } from "../../src/node/channel-summary.ts";
import { Broken, type World, type WorldNode } from "../../src/testing/index.ts";
import type { Market } from "./market.ts";

type Spent = { readonly transaction: Transaction; readonly height: number };

/** The best chain's transactions, and who spends what. */
export class ChainBooks {
  readonly transactions = new Map<string, Spent>();
  private readonly spenders = new Map<string, Spent>();

  constructor({ chain }: World) {
    for (let height = 1; height <= chain.tip.height; height++) {
      for (const { transaction, txid } of chain.blockAt(height)?.transactions ?? []) {
        const spent = { transaction, height };
        this.transactions.set(toHex(txid), spent);
        for (const input of transaction.inputs) this.spenders.set(keyOf(input.txid, input.index), spent);
      }
    }
  }

  spender(txid: Uint8Array, index: number): Spent | undefined {
    return this.spenders.get(keyOf(txid, index));
  }

  /** What an input takes. */
  source({ txid, index }: { readonly txid: Uint8Array; readonly index: number }) {
    return this.transactions.get(toHex(txid))?.transaction.outputs[index];
  }
}

function keyOf(txid: Uint8Array, index: number): string {
  return `${toHex(txid)}:${index}`;
}

/** What one honest node owns and owes. */
export class NodeBooks {
  private readonly market: Market;
  private readonly chain: ChainBooks;
  private readonly node: WorldNode;
  /** Scripts of its wallet's keys and final keys, in hexadecimal. */
  private readonly scripts: ReadonlySet<string>;

  constructor(market: Market, chain: ChainBooks, node: WorldNode, scripts: ReadonlySet<string>) {
    this.market = market;
    this.chain = chain;
    this.node = node;
    this.scripts = scripts;
  }

  private isOurs(script: Uint8Array): boolean {
    return this.scripts.has(toHex(script));
  }

  private broken(problem: string): Broken {
    return new Broken("no honest node loses money", `${this.node.name}: ${problem}`);
  }

  /** The wallet knows exactly the coins that the chain has for its keys. */
  checkWallet(): void {
    let sum = 0n;
    for (const [txid, { transaction }] of this.chain.transactions) {
      transaction.outputs.forEach(({ script, amountSat }, index) => {
        if (this.isOurs(script) && this.chain.spender(fromHexKey(txid), index) === undefined) sum += amountSat;
      });
    }
    const { confirmedSat, unconfirmedSat, reservedSat } = this.node.node.balance();
    const told = confirmedSat + unconfirmedSat + reservedSat;
    if (told !== sum) throw this.broken(`the wallet says ${told}, the chain has ${sum} for its keys`);
  }

  /** What leaves the wallet goes into the node's channels, where its user sends it, back to it, or is a fee at a rate that was asked for. */
  checkSpends(anchors: ReadonlyMap<string, bigint>): void {
    for (const [txid, { transaction }] of this.chain.transactions) {
      const inputs = transaction.inputs.map((input) => this.chain.source(input));
      const taken = inputs.reduce(
        (sum, output) => sum + (output && this.isOurs(output.script) ? output.amountSat : 0n),
        0n,
      );
      if (taken === 0n) continue;
      const back = transaction.outputs.reduce(
        (sum, { script, amountSat }) => sum + (this.isOurs(script) ? amountSat : 0n),
        0n,
      );
      const locked = transaction.outputs.reduce((sum, _, index) => sum + (anchors.get(`${txid}:${index}`) ?? 0n), 0n);
      const sent = transaction.outputs.reduce(
        (sum, { script, amountSat }) => sum + (this.sentTo(script) === undefined ? 0n : amountSat),
        0n,
      );
      const fee = taken - back - locked - sent;
      const most = (BigInt(virtualSize(transaction)) * BigInt(this.market.highestEstimate) * 3n) / 1000n;
      if (fee < 0n || fee > most) throw this.broken(`pays ${fee} for ${txid}, which may cost ${most}`);
    }
  }

  private sentTo(script: Uint8Array) {
    return this.market.sent.find((sent) => sent.node === this.node && equalBytes(sent.script, script));
  }

  /** Each withdrawal is there as it was reported: once, and whole; or not at all. */
  checkWithdrawals(): void {
    for (const { node, script, amountSat, said } of this.market.sent) {
      if (node !== this.node) continue;
      const paid = [...this.chain.transactions].flatMap(([txid, { transaction }]) =>
        transaction.outputs.filter((output) => equalBytes(output.script, script)).map((output) => ({ txid, output })),
      );
      const problem = (text: string) => this.broken(`its withdrawal of ${amountSat} sat ${text}`);
      if (paid.length > 1) throw problem(`is on the chain ${paid.length} times`);
      const [found] = paid;
      if (said === "refused" && found !== undefined) throw problem("was refused, and is on the chain");
      if (amountSat !== "all" && found !== undefined && found.output.amountSat !== amountSat) {
        throw problem(`pays ${found.output.amountSat}`);
      }
      if (typeof said === "string") continue;
      const txid = toHex(said.txid);
      if (found === undefined ? !this.toldConflict(txid) : found.txid !== txid)
        throw problem("was made, and is not there");
    }
  }

  private toldConflict(txid: string): boolean {
    const told = this.node.events.filter((event) => event.type === "withdrawal" && toHex(event.txid) === txid);
    return told.some((event) => event.type === "withdrawal" && event.state === "conflicted");
  }

  /** In a channel that has gone on: all, to the millisatoshi. */
  checkOpen({ channel, localMsat, liveHtlcs }: ChannelSummary, owed: bigint): void {
    if (localMsat === owed && liveHtlcs.length === 0) return;
    throw this.broken(`has ${localMsat} msat in channel ${channel} and ${liveHtlcs.length} HTLCs, is owed ${owed}`);
  }

  /** Of a channel that has ended on chain. */
  async checkEnded(seen: ChannelSummary, owed: bigint): Promise<void> {
    const { funding, channel, amountSat } = seen;
    const spent = funding && this.chain.spender(funding.txid, funding.outputIndex);
    if (spent === undefined) throw this.broken(`channel ${channel} is ${seen.stage}, and nothing has spent its anchor`);
    const end = await this.endOf(channel);
    if (end.kind === "close") this.checkClose(seen, spent.transaction, owed, amountSat * 1000n);
    else if (end.kind === "revoked") this.checkPunished(channel, spent.transaction);
    else if (end.kind === "commitment") await this.checkCommitment(channel, spent.transaction, end, owed);
    else throw this.broken(`channel ${channel} ended by something unknown`);
  }

  /** What the node itself takes the spend for: a wrong answer shows in the money. */
  private async endOf(channel: number): Promise<AnchorSpendRow> {
    const spend = (await this.node.store.history(channel))?.anchorSpend;
    if (spend === undefined) throw this.broken(`does not know what ended channel ${channel}`);
    return spend;
  }

  /** Half of the fee, parts of a satoshi, and a share that is dust. */
  private checkClose({ channel }: ChannelSummary, close: Transaction, owed: bigint, allMsat: bigint): void {
    const got = this.outputsOf(close);
    const paid = close.outputs.reduce((sum, { amountSat }) => sum + amountSat, 0n);
    const feeSat = allMsat / 1000n - paid;
    const theirs = paid - got;
    const dropped = got === 0n || theirs === 0n;
    // Whose share is missing can't be seen in the fee: it is below the dust limit and half of what the other side shows that it paid.
    const least = dropped
      ? got === 0n
        ? owed / 1000n - 546n - ((allMsat - owed) / 1000n - theirs) - 1n
        : owed / 1000n - feeSat
      : splitFee({ feeSat: feeSat - (feeSat % 2n), ownMsat: owed, othMsat: allMsat - owed }).ownSat;
    if ((dropped && got === 0n && least <= 0n) || got >= least) return;
    throw this.broken(
      `the close of channel ${channel} pays ${got} sat, owed are ${owed} msat and the fee is ${feeSat}`,
    );
  }

  private outputsOf({ outputs }: Transaction): bigint {
    return outputs.reduce((sum, { script, amountSat }) => sum + (this.isOurs(script) ? amountSat : 0n), 0n);
  }

  /** What came to this node of a commitment, what its own claims cost, and which outputs nobody has spent. */
  private takings(commitment: Transaction) {
    const txid = transactionId(commitment);
    let got = this.outputsOf(commitment);
    let fees = 0n;
    const seen = new Set<Spent>();
    const left: number[] = [];
    const lost: number[] = [];
    commitment.outputs.forEach(({ script }, index) => {
      const spent = this.chain.spender(txid, index);
      if (spent === undefined) {
        if (!this.isOurs(script)) left.push(index);
        return;
      }
      if (this.isOurs(script)) return;
      if (!spent.transaction.outputs.every((output) => this.isOurs(output.script))) {
        lost.push(index);
        return;
      }
      if (seen.has(spent)) return;
      seen.add(spent);
      const taken = spent.transaction.inputs.reduce(
        (sum, input) => sum + (this.chain.source(input)?.amountSat ?? 0n),
        0n,
      );
      const back = this.outputsOf(spent.transaction);
      got += back;
      fees += taken - back;
    });
    return { got, fees, left, lost };
  }

  /** Everything in it is ours, but what is less than it costs to claim. */
  private checkPunished(channel: number, commitment: Transaction): void {
    const all = commitment.outputs.reduce((sum, { amountSat }) => sum + amountSat, 0n);
    const { got, fees, left } = this.takings(commitment);
    const small = left.reduce((sum, index) => sum + this.tooSmall(commitment, index), 0n);
    if (got + fees + small >= all) return;
    throw this.broken(`got ${got} of the ${all} sat of a revoked commitment of channel ${channel}, at fees of ${fees}`);
  }

  /** The amount of an output that is not worth a claim of its own at the highest fee there was; 0 where it is. */
  private tooSmall(commitment: Transaction, index: number): bigint {
    const amountSat = commitment.outputs[index]?.amountSat ?? 0n;
    const most = (CLAIM_VBYTES * BigInt(this.market.highestEstimate)) / 1000n + 294n;
    return amountSat <= most ? amountSat : 0n;
  }

  private async checkCommitment(
    channel: number,
    commitment: Transaction,
    { holder, number }: { readonly holder: "local" | "remote" | undefined; readonly number: number },
    owed: bigint,
  ): Promise<void> {
    const { commitments, htlcs } = await this.node.store.published(channel, number);
    const row = commitments.find((one) => one.holder === holder);
    if (row === undefined) throw this.broken(`has no row of commitment ${number} of channel ${channel}`);
    const standing = htlcs.filter((htlc) => isIn(htlc, row.coverage));
    const allowance = await this.allowance(channel, row, standing);
    const { got, fees, left } = this.takings(commitment);
    const small = left.reduce((sum, index) => sum + this.tooSmall(commitment, index), 0n);
    if ((got + fees + small) * 1000n + allowance >= owed) return;
    throw this.broken(
      `got ${got} sat of commitment ${number} (${holder}) of channel ${channel} at fees of ${fees}, is owed ${owed} msat and may lack ${allowance}`,
    );
  }

  /** What the commitment itself keeps of ours: our part of its fee, what is dust in it, and parts of a satoshi. */
  private async allowance(channel: number, row: CommitmentRow, standing: readonly HtlcRow[]): Promise<bigint> {
    const built = standing.filter(({ amountMsat }) => !isDust(amountMsat / 1000n));
    const feeSat = commitmentFee(row.feeRate, built.length);
    const { ownSat } = splitFee({ feeSat, ownMsat: row.localMsat, othMsat: row.remoteMsat });
    let lacks = row.localMsat - (isDust(ownSat) ? 0n : ownSat * 1000n);
    for (const htlc of standing) {
      if (!(await this.isOwed(channel, htlc))) continue;
      lacks += isDust(htlc.amountMsat / 1000n) ? htlc.amountMsat : htlc.amountMsat % 1000n;
    }
    return lacks;
  }

  private async isOwed(channel: number, { id, offerer, paymentHash }: HtlcRow): Promise<boolean> {
    if (offerer === "remote") return (await this.node.store.invoice(paymentHash))?.state === "settled";
    for (const { payer, id: name } of this.market.attempts) {
      if (payer !== this.node) continue;
      const row = await this.node.store.payment(name);
      if (row?.channel === channel && row.htlcId === id) return row.state === "failed";
    }
    return false;
  }

  /** What the node began the channel with, less what it paid, with what it was paid over it. */
  async owed({ channel, channelId }: ChannelSummary, begun: bigint): Promise<bigint> {
    let sum = begun;
    for (const { payer, id } of this.market.attempts) {
      if (payer !== this.node) continue;
      const row = await this.node.store.payment(id);
      if (row?.channel === channel && row.state === "succeeded") sum -= row.amountMsat;
    }
    const key = toHex(channelId);
    for (const { owner, paymentHash } of this.market.invoices) {
      if (owner !== this.node) continue;
      const over = this.market.attempts.find((attempt) => equalBytes(attempt.paymentHash, paymentHash));
      if (over?.channelId !== key) continue;
      const row = await this.node.store.invoice(paymentHash);
      if (row?.state === "settled") sum += row.receivedMsat ?? (0n as Msat);
    }
    return sum;
  }
}

/** Virtual bytes of a claim of one output, the largest of them. */
const CLAIM_VBYTES = 200n;

function fromHexKey(txid: string): Uint8Array {
  return Uint8Array.from(Buffer.from(txid, "hex"));
}

/** Scripts of all keys that the node ever handed out, in hexadecimal. */
export async function scriptsOf(node: WorldNode): Promise<ReadonlySet<string>> {
  const { walletKeys, nextChannelIndex } = await node.store.load();
  const signer = seedSigner(node.seed, 1);
  const paths = keyPaths(1);
  const keys = [
    ...Array.from({ length: walletKeys.nextReceive }, (_, n) => paths.walletKey(0, n)),
    ...Array.from({ length: walletKeys.nextChange }, (_, n) => paths.walletKey(1, n)),
    ...Array.from({ length: nextChannelIndex }, (_, n) => paths.finalKey(n)),
  ];
  return new Set(keys.map((key) => toHex(payToWitnessPublicKeyHash(signer.publicKey(key)))));
}
