import { err, invariant, ok, type Result, type Satoshi, sat, type Txid } from "../core/base/index.ts";
import {
  type Coin,
  type CoinSelection,
  DUST_LIMIT_SAT,
  type FundingInput,
  type FundingRole,
  type FundingShare,
  fundingSighash,
  type InsufficientFunds,
  isDust,
  p2wpkhSighash,
  p2wpkhWitness,
  scriptToAddress,
  selectCoins,
  selectShare,
  serializeTransaction,
  type Transaction,
  type TransactionOutput,
  transactionId,
  unsignedTransaction,
} from "../core/bitcoin/index.ts";
import type { KeyPaths, Signer } from "../core/crypto/index.ts";
import { MAX_FUNDING_INPUTS } from "../core/wire/index.ts";
import type { BitcoinNetwork, Outpoint } from "../ports/bitcoin-chain.ts";
import type { CoinRow, WalletKeysRow, WithdrawalRow } from "../ports/store.ts";
import type { ChainTransaction } from "./chain-follower.ts";
import type { Batch } from "./journal.ts";
import { type CoinState, WalletCoins, WITHDRAWAL } from "./wallet-coins.ts";
import { WalletKeys } from "./wallet-keys.ts";
import { type Withdrawal, Withdrawals } from "./withdrawals.ts";

/** A transaction with more inputs costs more than it is worth waiting for, and its limit lies not far above. */
const MAX_INPUTS = 500;

/**
 * What the wallet owns, in satoshi; the three add up to all of it. Coins that an unconfirmed transaction spends are not
 * counted, its change is. After a restart this holds again once such a transaction is noted or confirmed.
 */
export type WalletBalance = {
  readonly confirmedSat: bigint;
  /** Unconfirmed coins, and block rewards that are not 100 blocks deep. */
  readonly unconfirmedSat: bigint;
  /** Held for transactions that the network does not have. */
  readonly reservedSat: bigint;
};

export type WalletCoin = CoinRow & { readonly state: CoinState };

/** A node does not relay an output this small. */
export type AmountBelowDust = {
  readonly type: "amount_below_dust";
  readonly amountSat: bigint;
  readonly dustSat: bigint;
};

export type SignedTransaction = { readonly transaction: Uint8Array; readonly txid: Txid };

type Candidate = Coin & { readonly row: CoinRow };

/**
 * The node's on-chain money. Its working copies change only within journal works, together with the rows written to the
 * batch; it does no I/O. Coins are P2WPKH outputs to BIP 84 keys and to the final keys of channels, so that the
 * to-other outputs and cooperative closes of channels come to it by themselves.
 */
export class Wallet {
  readonly withdrawals: Withdrawals;
  private readonly keys: WalletKeys;
  private readonly held: WalletCoins;
  private readonly signer: Signer;
  private readonly network: BitcoinNetwork;
  private readonly now: () => number;

  /** `channelIndexes`: the final keys of channels 0 to `channelIndexes - 1` are watched. `height`: newest block processed. */
  constructor(options: {
    coins: readonly CoinRow[];
    withdrawals: readonly WithdrawalRow[];
    keys: WalletKeysRow;
    channelIndexes: number;
    signer: Signer;
    paths: KeyPaths;
    network: BitcoinNetwork;
    height: number;
    /** Milliseconds since 1970. */
    now: () => number;
    /** Called within a work when a withdrawal is in another state. */
    onWithdrawal: (batch: Batch, withdrawal: Withdrawal) => void;
  }) {
    const { coins, keys: row, channelIndexes, signer, paths, height } = options;
    this.signer = signer;
    this.network = options.network;
    this.now = options.now;
    this.keys = new WalletKeys({ row, channelIndexes, signer, paths });
    this.held = new WalletCoins({ coins, keys: this.keys, height });
    const { withdrawals: rows, onWithdrawal: onChange } = options;
    this.withdrawals = new Withdrawals({ rows, coins: this.held, onChange });
  }

  /** A receiving address that was not given out before. Source: BIP 84. */
  newAddress(batch: Batch): string {
    const key = this.keys.fresh("receive");
    this.keys.used(batch, key);
    const address = scriptToAddress(this.keys.script(key), this.network);
    invariant(address !== undefined, "P2WPKH has an address");
    return address;
  }

  balance(): WalletBalance {
    let [confirmedSat, unconfirmedSat, reservedSat] = [0n, 0n, 0n];
    for (const { state, amountSat } of this.coins()) {
      if (state === "confirmed") confirmedSat += amountSat;
      else if (state === "reserved") reservedSat += amountSat;
      else if (state !== "spending") unconfirmedSat += amountSat;
    }
    return { confirmedSat, unconfirmedSat, reservedSat };
  }

  /** What is stored of it, but for coins spent long ago. */
  rows(): { readonly coins: readonly CoinRow[]; readonly walletKeys: WalletKeysRow } {
    return { coins: this.held.rows(), walletKeys: this.keys.row };
  }

  /** All coins that no block spends. */
  coins(): WalletCoin[] {
    return this.held.unspent().map((coin) => ({ ...coin, state: this.held.stateOf(coin) }));
  }

  /**
   * Makes a transaction that pays `amountSat` to `script`, reserving its coins for the channel. It is for the caller to
   * give it to the network, or to `release` it. Change is a coin only from `broadcastNoted` on. `feeRate` is in satoshi
   * per 1000 virtual bytes. Confirmed coins are taken where they suffice, else unconfirmed ones of our own making too.
   */
  fund(
    batch: Batch,
    wanted: {
      readonly channel: number;
      readonly script: Uint8Array;
      readonly amountSat: bigint;
      readonly feeRate: number;
    },
  ): Result<SignedTransaction & { readonly outputIndex: number; readonly feeSat: Satoshi }, InsufficientFunds> {
    const { channel, script, amountSat, feeRate } = wanted;
    const output = { amountSat, script };
    const selection = this.select(output, feeRate);
    if (!selection.ok) return selection;
    const signed = this.sign(batch, selection.value, channel);
    const { outputs, feeSat } = selection.value;
    return ok({ ...signed.raw, outputIndex: outputs.findIndex((one) => one.script === script), feeSat: sat(feeSat) });
  }

  /**
   * Reserves confirmed coins for the channel's share of a funding transaction of two: `contributionSat` and the fee that is
   * this party's. `release` frees them; a transaction that spends them is not made here. `feeRate` is in satoshi per 1000
   * virtual bytes. Spec: LS-1.
   */
  contribute(
    batch: Batch,
    wanted: {
      readonly channel: number;
      readonly role: FundingRole;
      readonly contributionSat: bigint;
      readonly feeRate: number;
    },
  ): Result<FundingShare, InsufficientFunds> {
    const { channel, contributionSat } = wanted;
    const selected = selectShare({ ...wanted, coins: this.candidates(false), most: MAX_FUNDING_INPUTS });
    if (!selected.ok) return selected;
    const inputs = selected.value.map(({ row, txid, index, amountSat }) => {
      this.held.reserve(batch, row, channel);
      return { txid, index, amountSat, publicKey: this.keys.publicKey(row) };
    });
    return ok({ contributionSat, inputs, changeScript: this.changeScript(batch) });
  }

  /** The output script of a fresh key for change. */
  changeScript(batch: Batch): Uint8Array {
    const key = this.keys.fresh("change");
    this.keys.used(batch, key);
    return this.keys.script(key);
  }

  /** Whether the output is one that the wallet knows as its own. */
  has({ txid, index }: Outpoint): boolean {
    return this.held.find(txid, index) !== undefined;
  }

  /**
   * Signs these inputs of a transaction and no others: each has to be a coin that is reserved for the channel. Undefined
   * where one is not, as after a reorganisation that took it away.
   */
  signShare(channel: number, transaction: Transaction, inputs: readonly FundingInput[]): Uint8Array[] | undefined {
    const signatures = inputs.map((input) => {
      const coin = this.held.find(input.txid, input.index);
      if (coin === undefined || coin.reservedFor !== channel || coin.amountSat !== input.amountSat) return undefined;
      const hash = fundingSighash(transaction, input);
      return hash === undefined ? undefined : this.signer.sign(this.keys.reference(coin), hash);
    });
    const known = signatures.filter((signature) => signature !== undefined);
    return known.length === inputs.length ? known : undefined;
  }

  /**
   * The transaction of a block because of which an input of this one can't come to be: it spends what the input was made of. Known of
   * what has come to pass since the start. Of an input that is spent itself, undefined.
   */
  lostTo(transaction: Transaction): Txid | undefined {
    return this.held.lostTo(transaction);
  }

  /** Frees the coins of an anchor that will never be given to the network. */
  release(batch: Batch, channel: number): void {
    this.held.release(batch, channel);
  }

  /**
   * Makes a transaction that pays to any script, "all" meaning what the coins that can be spent leave after the fee (of
   * at most 500 coins, the largest). It is kept as a withdrawal: the caller gives it to the network, and tells the answer.
   */
  send(
    batch: Batch,
    wanted: { readonly script: Uint8Array; readonly amountSat: bigint | "all"; readonly feeRate: number },
  ): Result<SignedTransaction, InsufficientFunds | AmountBelowDust> {
    const { script, feeRate } = wanted;
    const amount = wanted.amountSat === "all" ? this.all(script, feeRate) : ok(wanted.amountSat);
    if (!amount.ok) return amount;
    const amountSat = amount.value;
    if (isDust(amountSat)) return err({ type: "amount_below_dust", amountSat, dustSat: DUST_LIMIT_SAT });
    const selection = this.select({ amountSat, script }, feeRate);
    if (!selection.ok) return selection;
    const { raw, transaction } = this.sign(batch, selection.value, WITHDRAWAL);
    this.broadcastNoted(batch, transaction);
    const outputIndex = selection.value.outputs.findIndex((output) => output.script === script);
    const about = { outputIndex, feeSat: sat(selection.value.feeSat), createdAt: this.now() };
    this.withdrawals.add(batch, { ...raw, ...about, height: undefined, conflictHeight: undefined }, transaction);
    return ok(raw);
  }

  /** From now on P2WPKH outputs to the channel's final key are coins. */
  watchFinalKey(channelIndex: number): void {
    this.keys.watch({ keyKind: "final", keyIndex: channelIndex });
  }

  connectBlock(batch: Batch, height: number, transactions: readonly ChainTransaction[]): void {
    this.held.connectBlock(batch, height, transactions);
    this.withdrawals.connectBlock(batch, height, transactions);
  }

  /** Undoes the newest block. Its transactions are unconfirmed again, but for the coinbase. */
  disconnectBlock(batch: Batch, height: number): void {
    this.held.disconnectBlock(batch, height);
    this.withdrawals.disconnectBlock(batch, height);
  }

  /** A transaction of ours is given to the network. May be called again, as long as it is not buried. */
  broadcastNoted(batch: Batch, transaction: Transaction): void {
    this.held.noteUnconfirmed(batch, { txid: transactionId(transaction), transaction });
  }

  /** A transaction of whomever is in the mempool. */
  noteUnconfirmed(batch: Batch, transaction: ChainTransaction): void {
    this.held.noteUnconfirmed(batch, transaction);
  }

  /**
   * Outputs of which the wallet can't know, after a restart or a reorganisation, whether the mempool still has the
   * transaction that made them or a withdrawal that spends them: to be asked of the chain, and told to `settleDoubt`.
   */
  doubts(): Outpoint[] {
    return this.held.doubts();
  }

  /** `unspent`: whether `BitcoinChain.unspent` gave the output. A withdrawal that was lost is free again. */
  settleDoubt(batch: Batch, outpoint: Outpoint, unspent: boolean): void {
    this.held.settleDoubt(batch, outpoint, unspent);
  }

  private candidates(unconfirmed: boolean): Candidate[] {
    const rows = this.coins().filter(
      (coin) =>
        coin.state === "confirmed" || (unconfirmed && coin.state === "unconfirmed" && this.held.isOwnUnconfirmed(coin)),
    );
    rows.sort((a, b) => (a.amountSat === b.amountSat ? 0 : a.amountSat < b.amountSat ? 1 : -1));
    return rows.slice(0, MAX_INPUTS).map(({ state: _, ...row }) => ({
      txid: row.txid,
      index: row.outputIndex,
      amountSat: row.amountSat,
      row,
    }));
  }

  private select(output: TransactionOutput, feeRate: number): Result<CoinSelection<Candidate>, InsufficientFunds> {
    const changeScript = this.keys.script(this.keys.fresh("change"));
    const wanted = { outputs: [output], feeRate, changeScript };
    const confirmed = selectCoins({ ...wanted, coins: this.candidates(false) });
    return confirmed.ok ? confirmed : selectCoins({ ...wanted, coins: this.candidates(true) });
  }

  /** What a transaction of all coins that are worth their fee can pay to `script`. */
  private all(script: Uint8Array, feeRate: number): Result<bigint, InsufficientFunds> {
    const coins = this.candidates(true);
    const amountSat = coins.reduce((sum, coin) => sum + coin.amountSat, 0n);
    // Asking for the whole sum can't succeed, and tells what the fee of it all is.
    const asked = selectCoins({ coins, outputs: [{ amountSat, script }], feeRate, changeScript: script });
    if (asked.ok) return ok(amountSat);
    const { neededSat, availableSat } = asked.error;
    const payable = availableSat - (neededSat - amountSat);
    return isDust(payable) ? asked : ok(payable);
  }

  private sign(
    batch: Batch,
    selection: CoinSelection<Candidate>,
    reservedFor: number,
  ): { readonly raw: SignedTransaction; readonly transaction: Transaction } {
    if (selection.changeIndex !== undefined) this.keys.used(batch, this.keys.fresh("change"));
    const unsigned = unsignedTransaction(selection.inputs, selection.outputs);
    const witnesses = selection.inputs.map(({ row }, index) => {
      const publicKey = this.keys.publicKey(row);
      const hash = p2wpkhSighash(unsigned, index, publicKey, row.amountSat);
      return p2wpkhWitness(this.signer.sign(this.keys.reference(row), hash), publicKey);
    });
    for (const { row } of selection.inputs) this.held.reserve(batch, row, reservedFor);
    const inputs = unsigned.inputs.map((input, index) => ({ ...input, witness: witnesses[index] ?? [] }));
    const transaction = { ...unsigned, inputs };
    const raw = { transaction: serializeTransaction(transaction, { witness: true }), txid: transactionId(unsigned) };
    return { raw, transaction };
  }
}
