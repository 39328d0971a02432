import assert from "node:assert/strict";
import { Chain } from "../../src/adapters/chain-embedded/index.ts";
import { equalBytes, type Satoshi, type Txid } from "../../src/core/base/index.ts";
import {
  anchorScript,
  parseTransaction,
  payToWitnessPublicKeyHash,
  payToWitnessScriptHash,
  type Transaction,
  transactionId,
} from "../../src/core/bitcoin/index.ts";
import { newestCommitment } from "../../src/core/payment-channel/force-close.ts";
import type { ChannelPolicy, CommitmentRow, HtlcRow, Input, Tell } from "../../src/core/payment-channel/index.ts";
import { AnchorWatch } from "../../src/node/anchor-watch.ts";
import { AMOUNT_SAT, ChannelPair, type Party, type PartyName, rowsOf, secret } from "./channel-pair.ts";

const NAMES = ["alice", "bob"] as const;

function parsed(raw: Uint8Array): Transaction {
  const transaction = parseTransaction(raw);
  if (!transaction.ok) throw new Error(transaction.error.reason);
  return transaction.value;
}

export type PairBlock = {
  readonly hash: Uint8Array;
  readonly transactions: readonly { readonly txid: Txid; readonly transaction: Transaction }[];
};

type PairOutpoint = { readonly txid: Txid; readonly index: number };

/** What the two need of a chain: the embedded one has it, and a real node's can be made to. */
export type PairChain = {
  readonly tip: { readonly height: number };
  blockAt(height: number): PairBlock | undefined;
  submit(
    raw: Uint8Array,
  ): { readonly type: "admitted" | "already_known" } | { readonly type: "rejected"; readonly reason: string };
  mine(count: number, options?: { readonly transactions?: readonly Uint8Array[] }): { readonly ok: boolean };
  fund(
    script: Uint8Array,
    amountSat: bigint,
  ): { readonly ok: true; readonly value: PairOutpoint } | { readonly ok: false };
  invalidate(block: PairBlock): void;
  unspent(outpoint: PairOutpoint): { readonly amountSat: bigint } | undefined;
};

function embedded(): Chain {
  return new Chain({ now: () => 1_700_000_000_000 });
}

/**
 * A channel on the embedded chain or another, which judges every transaction as the network would. Each party sees every block and
 * every transaction of the mempool through the node's own watch, and what it broadcasts goes to the chain.
 */
export class ChainPair<C extends PairChain = Chain> extends ChannelPair {
  readonly chain: C;
  /** Parties that are away: they see no block and broadcast nothing until they are back. */
  readonly away = new Set<PartyName>();
  /** Whether a party's process ends before it has written what it just did about the chain. Then it does it again, or the mempool has it no more. */
  losesBatch: (name: PartyName) => boolean = () => false;
  /** Reasons for which the chain refused a broadcast. */
  readonly refused: string[] = [];
  private readonly runners = new Map<PartyName, Watched>();
  private readonly watches = new Map<PartyName, AnchorWatch<Watched>>();
  private readonly given = new Map<PartyName, number>();
  private opened = 0;

  constructor(policy: { alice?: Partial<ChannelPolicy>; bob?: Partial<ChannelPolicy> } = {}, chain?: C) {
    super(policy);
    this.chain = chain ?? (embedded() as PairChain as C);
    if (this.height < 150) this.chain.mine(150 - this.height);
    for (const name of NAMES) {
      this[name].height = this.height;
      this[name].checked = false;
      this[name].defends = true;
    }
  }

  get height(): number {
    return this.chain.tip.height;
  }

  /** An open channel whose anchor is in a block; Bob has `pushMsat` of it. */
  openOnChain(pushMsat = 400_000_000n, prestage = false, amountSat: bigint = AMOUNT_SAT): this {
    this.propose({ pushMsat, prestage, amountSat });
    this.answer();
    this.deliver("bob");
    this.makeAnchor(amountSat);
    this.settle();
    this.opened = this.height + 1;
    for (const name of NAMES) {
      this.newWatch(name);
      this.given.set(name, this[name].broadcasts.length);
    }
    this.mine(6);
    this.settle();
    assert.deepEqual(
      NAMES.map((name) => this[name].channel.stage.stage),
      ["open", "open"],
    );
    return this;
  }

  /** A process begins with a new one. */
  private newWatch(name: PartyName): void {
    const watch = new AnchorWatch<Watched>((_, runner, height, anchor) => {
      const output = anchor.outputs[this[name].channel.funding?.outputIndex ?? 0];
      runner.run(undefined, { type: "funding_confirmed", height, output });
    });
    watch.watch(this.runner(name));
    this.watches.set(name, watch);
  }

  /** The party's process ends, and another begins with what it had written. */
  restart(name: PartyName): void {
    const party = this[name];
    party.state = party.loaded(rowsOf(party.channel));
    this.newWatch(name);
  }

  /** What the party does in a batch that may be lost. Returns whether it is. */
  private batch(name: PartyName, work: () => void): boolean {
    const lost = this.losesBatch(name);
    const goBack = lost ? this[name].committed() : undefined;
    work();
    goBack?.();
    if (lost) this.newWatch(name);
    return lost;
  }

  private makeAnchor(amountSat: bigint): void {
    const { terms } = this.alice.channel;
    const keys = [terms.local?.commitKey, terms.remote?.commitKey].filter((key) => key !== undefined);
    const [a, b] = keys;
    if (a === undefined || b === undefined) throw new Error("both keys are known");
    const made = this.chain.fund(payToWitnessScriptHash(anchorScript(a, b)), amountSat);
    if (!made.ok) throw new Error("the faucet is empty");
    const { txid, index: outputIndex } = made.value;
    const error = this.alice.run({ type: "funded", txid, outputIndex, transaction: new Uint8Array([1, 2, 3]) });
    assert.equal(error, undefined);
  }

  private runner(name: PartyName): Watched {
    const known = this.runners.get(name);
    if (known !== undefined) return known;
    const party = this[name];
    const runner: Watched = {
      // Another one after a restart.
      get state() {
        return party.channel;
      },
      run: (_, input) => party.run(input),
    };
    this.runners.set(name, runner);
    return runner;
  }

  /** What the parties broadcast since, given to the chain; both see what gets into the mempool. */
  give(): void {
    for (const name of NAMES) {
      if (this.away.has(name)) continue;
      const { broadcasts } = this[name];
      for (const raw of broadcasts.slice(this.given.get(name) ?? 0)) this.publish(raw);
      this.given.set(name, broadcasts.length);
    }
  }

  /** Gives any transaction to the chain. Returns why it is refused. */
  publish(raw: Uint8Array): string | undefined {
    const result = this.chain.submit(raw);
    if (result.type === "already_known") return undefined;
    if (result.type === "rejected") {
      this.refused.push(result.reason);
      return result.reason;
    }
    for (const name of this.here()) this.batch(name, () => this.see(name, parsed(raw), undefined));
    return undefined;
  }

  private here(): PartyName[] {
    return NAMES.filter((name) => !this.away.has(name));
  }

  private see(name: PartyName, transaction: Transaction, height: number | undefined): void {
    const watch = this.watches.get(name);
    watch?.see(NO_BATCH, { txid: transactionId(transaction), transaction, height });
    watch?.watch(this.runner(name));
    this.answerLookUp(name);
  }

  /** The rows of a revoked commitment, from everything that the party ever wrote. */
  private answerLookUp(name: PartyName): void {
    const party = this[name];
    const { anchorSpend } = party.channel;
    if (anchorSpend?.kind !== "revoked" || anchorSpend.holder !== undefined) return;
    const { number } = anchorSpend;
    const commitments: CommitmentRow[] = [];
    const htlcs = new Map<bigint, HtlcRow>();
    for (const change of party.changes) {
      if (change.type === "commitment" && change.row.number === number) commitments.push(change.row);
      if (change.type === "htlc_added") htlcs.set(change.row.id, change.row);
      if (change.type === "htlc_accepted") {
        const htlc = htlcs.get(change.id);
        if (htlc !== undefined) htlcs.set(change.id, { ...htlc, addNumber: change.addNumber });
      }
      if (change.type === "htlc_removed") {
        const { id, removal, removedBy, removeNumber } = change;
        const htlc = htlcs.get(id);
        if (htlc !== undefined) htlcs.set(id, { ...htlc, removal, removedBy, removeNumber });
      }
    }
    assert.equal(party.run({ type: "evidence", number, commitments, htlcs: [...htlcs.values()] }), undefined);
  }

  /** Mines block after block; everybody who is there sees each, and what he does about it reaches the chain. */
  mine(count: number): void {
    for (let n = 0; n < count; n++) {
      this.give();
      this.chain.mine(1);
      for (const name of this.here()) this.connect(name, this.height);
      this.give();
    }
  }

  private connect(name: PartyName, height: number): void {
    const party = this[name];
    const connect = (): void => {
      party.height = height;
      for (const { transaction } of this.chain.blockAt(height)?.transactions ?? []) this.see(name, transaction, height);
      party.run({ type: "block" });
      party.flush();
    };
    while (this.batch(name, connect));
  }

  /** The party comes back and works on the blocks that it missed, one after the other. */
  back(name: PartyName): void {
    this.away.delete(name);
    const party = this[name];
    party.caughtUp = false;
    for (let height = party.height + 1; height <= this.height; height++) this.connect(name, height);
    party.caughtUp = true;
    party.flush();
    this.give();
  }

  /** The newest `depth` blocks are replaced by one more than they were; `keep`: with the same transactions in the mempool. */
  reorganise(depth: number): void {
    const first = this.height - depth + 1;
    const block = this.chain.blockAt(first);
    if (block === undefined) throw new Error("no such block");
    const old = this.height;
    this.chain.invalidate(block);
    for (let height = old; height >= first; height--) for (const name of this.here()) this.disconnect(name, height);
    for (const name of this.here()) this[name].height = this.height;
  }

  private disconnect(name: PartyName, height: number): void {
    const party = this[name];
    const { chainOutputs, anchorSpend, funding } = party.channel;
    for (const { index, spend } of [...chainOutputs.values()]) {
      if (spend?.height === height) party.run({ type: "output_unspent", index });
    }
    if (anchorSpend?.height === height) party.run({ type: "anchor_unspent" });
    if (funding?.confirmedHeight === height) party.run({ type: "funding_unconfirmed" });
  }

  /** The party's money on chain outside of the channel, in blocks. */
  wealth(name: PartyName): bigint {
    const { signer, keys, channel } = this[name];
    const script = payToWitnessPublicKeyHash(signer.publicKey(keys.finalKey(channel.channel.index)));
    let sum = 0n;
    for (let height = this.opened; height <= this.height; height++) {
      for (const { transaction, txid } of this.chain.blockAt(height)?.transactions ?? []) {
        transaction.outputs.forEach((output, index) => {
          if (equalBytes(output.script, script)) sum += this.chain.unspent({ txid, index })?.amountSat ?? 0n;
        });
      }
    }
    return sum;
  }

  /** Fees that transactions of the channel paid, found as what is missing of the anchor. */
  spentOnFees(): bigint {
    return AMOUNT_SAT - this.wealth("alice") - this.wealth("bob");
  }

  /** An HTLC that has cleared and waits for its receiver. Returns its id. */
  standing(from: PartyName, n: number, amountMsat: bigint, expiry: number): bigint {
    const refused = this.offer(from, n, amountMsat, expiry);
    if (refused !== undefined) throw new Error(JSON.stringify(refused, (_, v) => (typeof v === "bigint" ? `${v}` : v)));
    this.settle();
    const id = from === "alice" ? this.alice.channel.totals.localLastId : this.bob.channel.totals.localLastId;
    return id;
  }

  /** The party's newest commitment at this moment, signed: to be published when it pleases. */
  commitmentOf(name: PartyName): Uint8Array {
    const raw = newestCommitment(this[name].channel, this[name].context());
    if (raw === undefined) throw new Error("there is a commitment");
    return raw;
  }

  fulfill(name: PartyName, id: bigint, n: number): void {
    assert.equal(this[name].run({ type: "fulfill", id, preimage: secret(n) }), undefined);
  }

  fail(name: PartyName): void {
    this[name].run({ type: "fail", error: { type: "failed_by_user", rule: "B2-43" }, notify: false });
  }

  tells<T extends Tell["type"]>(name: PartyName, type: T): Extract<Tell, { type: T }>[] {
    return this[name].tells.filter((tell): tell is Extract<Tell, { type: T }> => tell.type === type);
  }
}

/** The channel's money less fees of at most `most`. */
export function expectWealth(
  pair: Pick<ChainPair, "wealth">,
  name: PartyName,
  owed: Satoshi | bigint,
  most: bigint,
): void {
  const has = pair.wealth(name);
  assert.ok(has <= owed && has >= owed - most, `${name} has ${has} of ${owed}`);
}

type Watched = {
  readonly state: Party["channel"];
  run(batch: unknown, input: Input): unknown;
};

/** The watch only hands a batch on. */
const NO_BATCH = {
  change: () => undefined,
  afterCommit: () => undefined,
  atEnd: () => undefined,
};
