import fc from "fast-check";
import { expect, it } from "vitest";
import {
  coinbaseOf,
  ELSEWHERE,
  parse,
  transactionOf,
  WalletRows,
  walletPaths,
  walletSigner,
  withId,
} from "../../test/support/wallet-rows.ts";
import { type Txid, toHex } from "../core/base/index.ts";
import { payToWitnessPublicKeyHash } from "../core/bitcoin/index.ts";
import type { ChainTransaction } from "./chain-follower.ts";
import type { Wallet } from "./wallet.ts";

const START = 1000;
const FINAL_KEYS = 2;

/** Scripts that are the wallet's from the beginning. */
const OWN = [
  ...[0, 1, 2, 3].flatMap((index) => [walletPaths.walletKey(0, index), walletPaths.walletKey(1, index)]),
  ...Array.from({ length: FINAL_KEYS }, (_, channel) => walletPaths.finalKey(channel)),
].map((key) => payToWitnessPublicKeyHash(walletSigner.publicKey(key)));
/** All that may become the wallet's, change included. */
const EVERY_OWN = new Set(
  Array.from({ length: 80 }, (_, index) => [walletPaths.walletKey(0, index), walletPaths.walletKey(1, index)])
    .flat()
    .map((key) => toHex(payToWitnessPublicKeyHash(walletSigner.publicKey(key))))
    .concat(OWN.map(toHex)),
);

type Action =
  | { type: "receive"; to: number; amountSat: number; seen: boolean }
  | { type: "send"; amountSat: number }
  | { type: "fund"; amountSat: number; broadcast: boolean }
  | { type: "release"; pick: number }
  | { type: "conflict"; pick: number; own: boolean; seen: boolean }
  | { type: "note"; pick: number }
  | { type: "give" }
  | { type: "mine"; chosen: number; reward: boolean }
  | { type: "reorganise"; depth: number }
  | { type: "restart"; renoted: boolean };

const amount = fc.integer({ min: 600, max: 200_000 });
const pick = fc.nat(1000);
const action: fc.Arbitrary<Action> = fc.oneof(
  fc.record({ type: fc.constant("receive" as const), to: pick, amountSat: amount, seen: fc.boolean() }),
  fc.record({ type: fc.constant("send" as const), amountSat: amount }),
  fc.record({ type: fc.constant("fund" as const), amountSat: amount, broadcast: fc.boolean() }),
  fc.record({ type: fc.constant("release" as const), pick }),
  fc.record({ type: fc.constant("conflict" as const), pick, own: fc.boolean(), seen: fc.boolean() }),
  fc.record({ type: fc.constant("note" as const), pick }),
  fc.record({ type: fc.constant("give" as const) }),
  fc.record({ type: fc.constant("mine" as const), chosen: fc.nat(0xffff), reward: fc.boolean() }),
  fc.record({ type: fc.constant("reorganise" as const), depth: fc.integer({ min: 1, max: 6 }) }),
  fc.record({ type: fc.constant("restart" as const), renoted: fc.boolean() }),
);

function outpoint(txid: Txid, index: number): string {
  return `${toHex(txid)}:${index}`;
}

function inputs({ transaction }: ChainTransaction): string[] {
  return transaction.inputs.map(({ txid, index }) => outpoint(txid, index));
}

function isReward(tx: ChainTransaction): boolean {
  return tx.transaction.inputs[0]?.index === 0xffff_ffff;
}

/** Chain and mempool, each recomputed from scratch whenever something is asked of it. */
class World {
  readonly rows = new WalletRows();
  wallet: Wallet = this.rows.open(START, FINAL_KEYS);
  readonly blocks: ChainTransaction[][] = [];
  pool: ChainTransaction[] = [];
  readonly known: ChainTransaction[] = [];
  readonly held = new Map<number, string[]>();
  /** The wallet has seen all of the mempool. */
  exact = true;
  private channels = 0;
  private startedAt = START;

  get height(): number {
    return START + this.blocks.length;
  }

  spentIn(transactions: readonly ChainTransaction[]): Set<string> {
    return new Set(transactions.filter((tx) => !isReward(tx)).flatMap(inputs));
  }

  /** The wallet's outputs of these transactions, with amounts. */
  ours(transactions: readonly ChainTransaction[]): Map<string, bigint> {
    const found = new Map<string, bigint>();
    for (const { txid, transaction } of transactions) {
      transaction.outputs.forEach(({ script, amountSat }, index) => {
        if (EVERY_OWN.has(toHex(script))) found.set(outpoint(txid, index), amountSat);
      });
    }
    return found;
  }

  /** Whether everything that it spends is in `confirmed` or came from elsewhere, and is unspent there. */
  fits(tx: ChainTransaction, confirmed: readonly ChainTransaction[]): boolean {
    const spent = this.spentIn(confirmed);
    const exists = new Set(confirmed.map(({ txid }) => toHex(txid)));
    const made = new Set(this.known.map(({ txid }) => toHex(txid)));
    if (exists.has(toHex(tx.txid))) return false;
    return tx.transaction.inputs.every(({ txid, index }) => {
      const id = toHex(txid);
      return !spent.has(outpoint(txid, index)) && (exists.has(id) || !made.has(id));
    });
  }

  /** Removes from the pool what conflicts with `tx`, and what is built on that. */
  evict(tx: ChainTransaction): void {
    const spent = new Set(inputs(tx));
    const gone = new Set(this.pool.filter((one) => one.txid !== tx.txid && inputs(one).some((key) => spent.has(key))));
    for (const { txid } of gone) {
      for (const one of this.pool) if (one.transaction.inputs.some((i) => toHex(i.txid) === toHex(txid))) gone.add(one);
    }
    this.pool = this.pool.filter((one) => !gone.has(one));
  }

  admit(tx: ChainTransaction): void {
    if (this.pool.includes(tx)) return;
    this.evict(tx);
    this.pool.push(tx);
  }

  note(tx: ChainTransaction): void {
    const others = this.pool.filter((one) => !inputs(one).some((key) => inputs(tx).includes(key)));
    if (!this.fits(tx, [...this.blocks.flat(), ...others])) return;
    this.admit(tx);
    this.wallet.noteUnconfirmed(this.rows, tx);
  }

  add(tx: ChainTransaction, seen: boolean): void {
    this.known.push(tx);
    if (seen) this.note(tx);
  }

  /** What was selected can be spent: it exists, and nothing live spends it or holds it. */
  expectSpendable(tx: ChainTransaction): void {
    const live = [...this.blocks.flat(), ...this.pool];
    const exists = this.ours(live);
    const taken = this.exact ? this.spentIn(live) : this.spentIn(this.blocks.flat());
    const held = new Set([...this.held.values()].flat());
    for (const key of inputs(tx))
      expect([exists.has(key), taken.has(key), held.has(key)]).toEqual([true, false, false]);
  }

  run(step: Action): void {
    const { wallet, rows } = this;
    const wanted = { script: ELSEWHERE, feeRate: 1000 };
    if (step.type === "receive") {
      const script = OWN[step.to % OWN.length] ?? ELSEWHERE;
      this.add(withId(transactionOf([{ script, amountSat: BigInt(step.amountSat) }])), step.seen);
    } else if (step.type === "send") {
      const made = wallet.send(rows, { ...wanted, amountSat: BigInt(step.amountSat) });
      if (!made.ok) return;
      const tx = withId(parse(made.value.transaction));
      wallet.withdrawals.answered(tx.txid);
      this.expectSpendable(tx);
      this.known.push(tx);
      this.admit(tx);
    } else if (step.type === "give") this.give();
    else if (step.type === "fund") {
      const channel = this.channels++;
      const made = wallet.fund(rows, { ...wanted, channel, amountSat: BigInt(step.amountSat) });
      if (!made.ok) return;
      const tx = withId(parse(made.value.transaction));
      this.expectSpendable(tx);
      if (!step.broadcast) {
        this.held.set(channel, inputs(tx));
        return;
      }
      this.known.push(tx);
      this.admit(tx);
      wallet.broadcastNoted(rows, tx.transaction);
    } else if (step.type === "release") {
      const channel = [...this.held.keys()][step.pick % Math.max(1, this.held.size)];
      if (channel === undefined) return;
      wallet.release(rows, channel);
      this.held.delete(channel);
    } else if (step.type === "conflict") {
      const target = this.known[step.pick % Math.max(1, this.known.length)]?.transaction.inputs[0];
      if (target === undefined) return;
      const [script = ELSEWHERE] = step.own ? OWN : [];
      this.add(withId(transactionOf([{ script, amountSat: 5000n }], [target])), step.seen);
    } else if (step.type === "note") {
      const tx = this.known[step.pick % Math.max(1, this.known.length)];
      if (tx !== undefined) this.note(tx);
    } else if (step.type === "mine") this.mine(step.chosen, step.reward);
    else if (step.type === "reorganise") {
      for (let depth = 0; depth < step.depth; depth++) this.unmine();
    } else this.restart(step.renoted);
  }

  /** Withdrawals are given to the network again. */
  give(): void {
    const { withdrawals } = this.wallet;
    for (const txid of withdrawals.due()) {
      const tx = this.known.find((one) => toHex(one.txid) === toHex(txid));
      if (tx === undefined || withdrawals.dueBytes(txid) === undefined) continue;
      const others = this.pool.filter((one) => !inputs(one).some((key) => inputs(tx).includes(key)));
      const fits = this.fits(tx, [...this.blocks.flat(), ...others]);
      if (fits) this.admit(tx);
      const live = [...this.blocks.flat(), ...this.pool];
      for (const doubt of withdrawals.givenAgain(this.rows, txid, fits ? undefined : "refused")) {
        const key = outpoint(doubt.txid, doubt.index);
        const unspent = this.ours(live).has(key) && !this.spentIn(live).has(key);
        withdrawals.settleInput(this.rows, doubt, unspent, this.height);
      }
    }
  }

  mine(chosen: number, reward: boolean): void {
    const block = reward ? [withId(coinbaseOf(OWN[0] ?? ELSEWHERE, 50_000n))] : [];
    const before = this.blocks.flat();
    this.known.forEach((tx, position) => {
      if (((chosen >> (position % 16)) & 1) === 1 && this.fits(tx, [...before, ...block])) block.push(tx);
    });
    this.blocks.push(block);
    this.pool = this.pool.filter((tx) => !block.includes(tx));
    for (const tx of block) this.evict(tx);
    this.wallet.connectBlock(this.rows, this.height, block);
  }

  unmine(): void {
    const { height } = this;
    const block = this.blocks.pop();
    if (block === undefined) return;
    // What a block of before the start held besides our outputs, the wallet can't know.
    if (height <= this.startedAt && block.length > 0) this.exact = false;
    this.pool = [...block.filter((tx) => !isReward(tx)), ...this.pool];
    this.wallet.disconnectBlock(this.rows, height);
  }

  restart(renoted: boolean): void {
    this.wallet = this.rows.open(this.height, FINAL_KEYS);
    this.startedAt = this.height;
    const live = [...this.blocks.flat(), ...this.pool];
    const spent = this.spentIn(live);
    for (const doubt of this.wallet.doubts()) {
      const key = outpoint(doubt.txid, doubt.index);
      this.wallet.settleDoubt(this.rows, doubt, this.ours(live).has(key) && !spent.has(key));
    }
    if (!renoted) this.exact = false;
    else for (const tx of this.pool) this.wallet.noteUnconfirmed(this.rows, tx);
  }

  check(): void {
    const chain = this.blocks.flat();
    const coins = this.wallet.coins();
    const keyOf = (coin: { txid: Txid; outputIndex: number }): string => outpoint(coin.txid, coin.outputIndex);

    // The wallet's working copies are what the rows say.
    const unspentRows = [...this.rows.coins.values()].filter((row) => row.spentHeight === undefined);
    expect(new Map(coins.map(({ state: _, ...row }) => [keyOf(row), row]))).toEqual(
      new Map(unspentRows.map((row) => [keyOf(row), row])),
    );

    // Confirmed coins are what the blocks leave unspent, each at its height.
    const spent = this.spentIn(chain);
    const expected = new Map<string, [number, bigint]>();
    this.blocks.forEach((block, position) => {
      for (const [key, amountSat] of this.ours(block)) {
        if (!spent.has(key)) expected.set(key, [START + 1 + position, amountSat]);
      }
    });
    const confirmed = coins.filter((coin) => coin.height !== undefined);
    expect(new Map(confirmed.map((coin) => [keyOf(coin), [coin.height, coin.amountSat]]))).toEqual(expected);

    // A withdrawal is confirmed where it is in a block; where a block has something else that spends a coin of it, it is conflicted.
    for (const { txid, state, height } of this.wallet.withdrawals.list()) {
      const at = this.blocks.findIndex((block) => block.some((tx) => toHex(tx.txid) === toHex(txid)));
      const tx = this.known.find((one) => toHex(one.txid) === toHex(txid));
      const crossed = at < 0 && tx !== undefined && inputs(tx).some((key) => spent.has(key));
      if (at >= 0) expect([state, height]).toEqual(["confirmed", START + 1 + at]);
      else if (crossed) expect(state).toBe("conflicted");
      else expect(state).not.toBe("confirmed");
    }

    // A coin that is gone cannot be held: should it come back, it is a new one.
    for (const keys of this.held.values()) {
      const present = new Set(coins.map(keyOf));
      keys.splice(0, keys.length, ...keys.filter((key) => present.has(key)));
    }
    if (!this.exact) return;

    // Unconfirmed coins are what the mempool makes, and no value is counted twice or lost.
    const unconfirmed = new Set(coins.filter((coin) => coin.height === undefined).map(keyOf));
    expect(unconfirmed).toEqual(new Set(this.ours(this.pool).keys()));
    const all = new Map([...this.ours(chain), ...this.ours(this.pool)]);
    for (const key of [...spent, ...this.spentIn(this.pool)]) all.delete(key);
    const { confirmedSat, unconfirmedSat, reservedSat } = this.wallet.balance();
    expect(confirmedSat + unconfirmedSat + reservedSat).toBe([...all.values()].reduce((sum, sat) => sum + sat, 0n));
    const held = [...this.held.values()].flat().filter((key) => all.has(key));
    expect(new Set(coins.filter((coin) => coin.state === "reserved").map(keyOf))).toEqual(new Set(held));
  }
}

it("[LW-3] has exactly the coins of chain and mempool after any blocks, reorganisations, conflicts and restarts", () => {
  fc.assert(
    fc.property(fc.array(action, { minLength: 5, maxLength: 50 }), (actions) => {
      const world = new World();
      for (const step of actions) {
        world.run(step);
        world.check();
      }
    }),
    { numRuns: 150 },
  );
}, 60_000);
