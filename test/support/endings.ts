import { expect } from "vitest";
import { equalBytes, type Msat } from "../../src/core/base/index.ts";
import {
  type Claim,
  claimSighash,
  claimTransaction,
  claimWitness,
  payToWitnessPublicKeyHash,
  type Spend,
  serializeTransaction,
  type Transaction,
  transactionId,
} from "../../src/core/bitcoin/index.ts";
import { outputsOf } from "../../src/core/payment-channel/chain-outputs.ts";
import { unconfirmedSweeps } from "../../src/core/payment-channel/enforcement.ts";
import { lastWord, newestCommitment } from "../../src/core/payment-channel/force-close.ts";
import type { ChainOutputRow } from "../../src/core/payment-channel/index.ts";
import { isAddedIn, isIn } from "../../src/core/payment-channel/state.ts";
import { type RandomNumbers, randomNumbers } from "../../src/testing/index.ts";
import { ChainPair } from "./chain-pair.ts";
import { hashOf, type PartyName, rowsOf, secret } from "./channel-pair.ts";
import { type Held, type Offered, other, parsed, rowsAsText, type Spender, sharesOf, sumOf } from "./endings-held.ts";
import { shares } from "./onchain-oracle.ts";

const NAMES = ["alice", "bob"] as const;
/** Blocks that a party may be away or a reorganisation may cost it, and still lose nothing: below every margin. */
const SLACK = 8;
const DEEPEST = 4;
/** M of the design: our commitment is on its way at the latest so many blocks before the delay before an expiry. */
const CLAIM_MARGIN = 18;

/**
 * A channel that lives a random life and comes to a random end on chain, in which one party may do whatever its signatures
 * allow. What is found at the end is counted from the transactions in blocks.
 */
export class Ending {
  readonly pair: ChainPair;
  readonly random: RandomNumbers;
  /** What was done, for a report. */
  readonly log: string[] = [];
  private readonly prestage: boolean;
  private readonly held: Held[] = [];
  private readonly offered = new Map<bigint, Offered>();
  /** Height at which the receiver of an HTLC knew its preimage and had told its channel. */
  private readonly knownAt = new Map<bigint, number>();
  private readonly backAt: Record<PartyName, number> = { alice: 0, bob: 0 };
  /** Who follows no rule, and what became of its engine's commitment. */
  private cheater: PartyName | undefined;
  /** When the cheater shows the preimage of an HTLC, by id. */
  private readonly showsAt = new Map<bigint, number>();
  /** HTLCs whose preimage their receiver has said in a message. */
  private readonly said = new Set<bigint>();
  /** How much each had been told at each reorganisation. */
  private readonly toldAt: Record<PartyName, number[]> = { alice: [], bob: [] };
  private secrets = 0;
  /** Decides which batches are lost; a source of its own, so that a number without losses means what it would mean with them. */
  private readonly loss: RandomNumbers | undefined;

  constructor(seed: number) {
    this.random = randomNumbers(seed);
    const delay = () => 12 + this.random(24);
    const prestageAdds = this.random(3) === 0 ? ("ask" as const) : ("accept" as const);
    this.prestage = this.random(2) === 0;
    this.pair = new ChainPair({
      alice: { delay: delay(), window: this.pick([2, 16]), prestageAdds },
      bob: { delay: delay(), window: this.pick([2, 16]), prestageAdds },
    }).openOnChain(this.pick([0n, 400_000_000n, 900_000_000n]), this.prestage);
    for (const name of NAMES) this.keep(name);
    // Every other one with a crash after each step, and every other pair of them with batches that are lost.
    for (const name of NAMES) this.pair[name].crashes = seed % 2 === 0;
    this.loss = seed % 4 < 2 ? undefined : randomNumbers(~seed);
    this.pair.losesBatch = (name) => name !== this.cheater && this.loses(10);
  }

  private loses(oneIn: number): boolean {
    return this.loss !== undefined && this.loss(oneIn) === 0;
  }

  private pick<T>(from: readonly T[]): T {
    const picked = from[this.random(from.length)];
    if (picked === undefined) throw new Error("nothing to pick from");
    return picked;
  }

  private any<T>(from: readonly T[]): T | undefined {
    return from.length === 0 ? undefined : this.pick(from);
  }

  private note(what: string): void {
    this.log.push(`${this.pair.height}: ${what}`);
  }

  /** Remembers the party's commitment where it is a new one. */
  private keep(name: PartyName): void {
    const { channel } = this.pair[name];
    const { local } = channel.commitments;
    if (local === undefined || this.held.some((one) => one.holder === name && one.number === local.number)) return;
    const raw = newestCommitment(channel, this.pair[name].context());
    if (raw === undefined) return;
    const peer = other(name);
    const added = new Set<bigint>();
    for (const [id, { from }] of this.offered) {
      const htlc = channel.htlcs.get(id);
      const lastId = from === name ? channel.totals.localLastId : channel.totals.remoteLastId;
      if (id <= lastId && (htlc === undefined || isAddedIn(htlc, local.coverage))) added.add(id);
    }
    this.held.push({
      holder: name,
      number: local.number,
      raw,
      state: this.pair[name].loaded(structuredClone(rowsOf(channel))),
      revocationHash: local.revocationHash,
      feeRate: local.feeRate,
      msat: { [name]: local.localMsat, [peer]: local.remoteMsat } as Record<PartyName, bigint>,
      htlcs: [...channel.htlcs.values()].filter((htlc) => isIn(htlc, local.coverage)),
      has: (id) => added.has(id),
    });
  }

  /** Random updates, in any order, with messages that wait. */
  live(): void {
    const actions = this.random(60);
    for (let n = 0; n < actions; n++) {
      const name = this.pick(NAMES);
      if (this.loses(4)) this.lose(name);
      this.update(name);
      this.remember();
    }
    if (this.random(3) === 0) this.wind();
  }

  /** What both can publish, and what they have said. */
  private remember(): void {
    for (const name of NAMES) {
      this.keep(name);
      for (const { pkt } of this.pair[name].outgoing) {
        const { message } = pkt;
        if (message.type === "update_fulfill_htlc" || message.type === "settle_request") this.said.add(message.id);
      }
    }
  }

  /** Towards a close: what stands is decided, and messages go to and fro until it is agreed, or somebody has had enough. */
  private wind(): void {
    this.note("somebody wants to close");
    this.pair[this.pick(NAMES)].run({ type: "close", script: undefined });
    // Three in four come to the end.
    const patience = this.random(4) === 0 ? this.random(60) : 400;
    for (let n = 0; n < patience && !NAMES.every((name) => this.hasAgreed(name)); n++) {
      const name = this.pick(NAMES);
      this.answer(name);
      this.decide(name, this.random(2) === 0);
      for (let waiting = this.pair[other(name)].outgoing.length; waiting > 0; waiting--) this.receive(name);
      this.pair[name].flush();
      this.remember();
    }
  }

  private hasAgreed(name: PartyName): boolean {
    return this.pair[name].channel.stage.stage === "close_agreed";
  }

  /** Payments that do not wait until an HTLC has cleared. No channel says the preimage then. */
  private hasten(name: PartyName): void {
    const party = this.pair[name];
    const cleared = new Set(party.cleared());
    const early = [...party.channel.htlcs.values()].filter(({ id, offerer, removal }) => {
      return offerer === "remote" && removal === undefined && !cleared.has(id);
    });
    const id = this.any(early)?.id;
    const offered = id === undefined ? undefined : this.offered.get(id);
    if (id === undefined || offered === undefined) return;
    if (party.run({ type: "fulfill", id, preimage: secret(offered.n) }) === undefined) {
      this.note(`${name} fulfils ${id}, which has not cleared`);
      this.knownAt.set(id, party.height);
    }
  }

  /** The party does much in a batch that is never written; what it got comes again. */
  private lose(name: PartyName): void {
    const { pair, loss } = this;
    if (loss === undefined) return;
    this.note(`${name} loses a batch`);
    const goBack = pair[name].committed();
    const waiting = [...pair[other(name)].outgoing];
    for (let n = loss(4); n > 0 && pair[other(name)].outgoing.length > 0; n--) this.receive(name);
    const undecided = pair[name].cleared().filter((id) => !this.knownAt.has(id) && pair[name].channel.htlcs.has(id));
    for (const id of undecided) {
      const { n } = this.offered.get(id) ?? { n: 0 };
      pair[name].run({ type: "fulfill", id, preimage: secret(n) });
    }
    if (loss(2) === 0) pair[name].flush();
    pair[other(name)].outgoing = waiting;
    goBack();
    pair.restart(name);
  }

  private update(name: PartyName): void {
    const { pair } = this;
    const party = pair[name];
    const what = this.random(100);
    if (what < 30) this.offer(name);
    else if (what < 60) {
      for (let n = this.random(5); n >= 0 && pair[other(name)].outgoing.length > 0; n--) this.receive(name);
      party.flush();
    } else if (what < 73) this.decide(name, this.random(3) > 0);
    else if (what < 75) this.hasten(name);
    else if (what < 80) this.answer(name);
    else if (what < 84) party.run({ type: "set_fee", feeRate: 2_000 + this.random(8_000) });
    else if (what < 92) party.flush();
    else if (what < 95) {
      party.flush();
      this.restart(name);
    } else if (what < 97) this.mine(1 + this.random(3));
    else if (what < 98) {
      pair.settle();
    } else if (what < 99) party.run({ type: "close", script: undefined });
  }

  private receive(name: PartyName): void {
    const type = this.pair[other(name)].outgoing[0]?.pkt.message.type;
    const error = this.pair.deliver(other(name));
    if (error === undefined) return;
    // What was sent before the other's failure was known.
    throw new Error(`${name} refuses ${type}: ${error.type} ${error.rule} ${error.detail ?? ""}`);
  }

  private offer(name: PartyName): void {
    const { pair, random } = this;
    const amountMsat = this.pick([300_000n, 546_000n, 900_000n, 5_000_000n, 5_000_001n, 20_000_999n, 60_000_000n]);
    const again = random(6) === 0 ? [...this.offered.values()].find(({ from }) => from === name) : undefined;
    const n = again?.n ?? ++this.secrets;
    const expiry = pair.height + 36 + random(70);
    const input = {
      type: "offer" as const,
      amountMsat: amountMsat as Msat,
      paymentHash: hashOf(n),
      expiry,
      route: new Uint8Array(0),
    };
    if (pair[name].run(input) !== undefined) return;
    const id = pair[name].channel.totals.localLastId;
    this.offered.set(id, { n, from: name, amountMsat, expiry });
    this.note(`${name} offers ${id} of ${amountMsat} until ${expiry}`);
  }

  private answer(name: PartyName): void {
    const party = this.pair[name];
    const id = this.any(party.requested());
    if (id === undefined) return;
    if (this.random(4) > 0) party.run({ type: "accept_add", id });
    else party.run({ type: "reject_add", id, reason: new Uint8Array([2]) });
  }

  /** The receiver of an HTLC gets to know its preimage, or gives up. */
  private decide(name: PartyName, fulfils: boolean): void {
    const party = this.pair[name];
    const undecided = party.cleared().filter((id) => !this.knownAt.has(id) && party.channel.htlcs.has(id));
    const id = this.any(undecided);
    const offered = id === undefined ? undefined : this.offered.get(id);
    if (id === undefined || offered === undefined) return;
    if (fulfils) {
      this.note(`${name} knows ${id}`);
      this.knownAt.set(id, party.height);
      const error = party.run({ type: "fulfill", id, preimage: secret(offered.n) });
      if (error?.type === "already_removed") this.knownAt.delete(id);
    } else if (party.run({ type: "fail_htlc", id, reason: new Uint8Array([1]) }) === undefined) {
      // It has said so: what it learns later it can't use.
      this.knownAt.set(id, Number.POSITIVE_INFINITY);
    }
  }

  private restart(name: PartyName): void {
    this.note(`${name} restarts`);
    this.pair.restart(name);
  }

  private mine(count: number): void {
    for (let n = 0; n < count; n++) {
      this.pair.give();
      this.cheat();
      this.pair.mine(1);
      // As a node does: what should be there and is not is given again with each block.
      for (const name of NAMES) if (!this.pair.away.has(name)) this.rebroadcast(name);
    }
  }

  private rebroadcast(name: PartyName): void {
    const party = this.pair[name];
    const { anchorSpend } = party.channel;
    const mined = anchorSpend?.height !== undefined;
    for (const raw of mined ? unconfirmedSweeps(party.channel) : [lastWord(party.channel, party.context())]) {
      if (raw !== undefined) this.pair.publish(raw);
    }
  }

  /** Somebody goes to the chain, somehow. */
  end(): void {
    const { pair } = this;
    if (NAMES.some((name) => this.hasAgreed(name)) && this.random(3) > 0) {
      this.note("the close goes out");
      pair.give();
      return;
    }
    const ender = this.pick(NAMES);
    const honest = other(ender);
    const what = this.random(100);
    if (what < 20) {
      this.note(`${ender} fails the channel`);
      pair[ender].flush();
      pair.fail(ender);
    } else if (what < 35) {
      this.note("silence");
      for (const name of NAMES) pair[name].ready = false;
    } else {
      this.cheater = ender;
      pair.away.add(ender);
      pair[honest].ready = false;
      const own = this.held.filter(({ holder }) => holder === ender);
      // The last ones are not revoked, and what stands in them is the most fun.
      const held = this.random(2) === 0 ? this.pick(own) : this.pick(own.slice(-3));
      if (this.random(3) === 0) {
        this.note(`${honest} fails the channel`);
        pair.fail(honest);
        if (this.random(2) === 0) pair.give();
      }
      if (this.random(2) === 0) this.leave(honest, this.delayOf(ender) - 1 - SLACK);
      // Two that compete.
      if (this.random(4) === 0) this.publish(this.pick(own));
      if (what < 90) this.publish(held);
      else {
        this.note(`${ender} waits for ${honest}`);
        pair.fail(honest);
      }
    }
  }

  private publish(held: Held): void {
    const refused = this.pair.publish(held.raw);
    this.note(`${held.holder} publishes ${held.number}${refused === undefined ? "" : `, refused: ${refused}`}`);
  }

  /** Blocks that the holder of a commitment waits. */
  private delayOf(holder: PartyName): number {
    return this.pair[holder].channel.terms.remote?.delay ?? 0;
  }

  private returns: { name: PartyName; height: number } | undefined;

  private leave(name: PartyName, most: number): void {
    if (this.returns !== undefined || most < 1) return;
    const blocks = 1 + this.random(most);
    this.note(`${name} leaves for ${blocks}`);
    this.pair.away.add(name);
    this.returns = { name, height: this.pair.height + blocks };
  }

  /** Block after block until everything is over. */
  unwind(): void {
    const { pair, random } = this;
    const last = Math.max(pair.height, ...[...this.offered.values()].map(({ expiry }) => expiry));
    let end = last + 36 + 20;
    let away = false;
    for (let guard = 0; pair.height < end || this.returns !== undefined; guard++) {
      if (guard > 2_000) throw new Error("no end");
      this.mine(1);
      if (this.returns !== undefined && pair.height >= this.returns.height) {
        const { name } = this.returns;
        this.returns = undefined;
        if (random(2) === 0) this.restart(name);
        this.note(`${name} is back`);
        pair.back(name);
        this.backAt[name] = pair.height;
        this.rebroadcast(name);
      }
      const here = NAMES.filter((name) => !pair.away.has(name));
      for (const name of here) {
        if (random(10) === 0) this.restart(name);
        if (random(6) === 0) {
          this.decide(name, true);
          pair[name].flush();
        }
      }
      const idle = this.returns === undefined && pair.height < end - DEEPEST;
      if (idle && !away && random(40) === 0) {
        away = true;
        this.leave(this.pick(NAMES.filter((name) => name !== this.cheater)), SLACK - DEEPEST);
      } else if (idle && random(25) === 0) this.reorganise(1 + random(DEEPEST));
      if (pair.height >= end - 1 && this.spender() === undefined) {
        this.note("at last, alice fails the channel");
        pair.fail("alice");
        end = pair.height + 36 + 20;
      }
    }
  }

  private reorganise(depth: number): void {
    const { pair } = this;
    if (pair.height - depth < 160) return;
    this.note(`${depth} blocks are reorganised`);
    pair.reorganise(depth);
    for (const name of NAMES) this.toldAt[name].push(pair[name].tells.length);
    if (this.cheater !== undefined && this.random(2) === 0) {
      this.publish(this.pick(this.held.filter(({ holder }) => holder === this.cheater)));
    }
    this.mine(depth + 1);
  }

  /** The transaction in a block that spends the anchor. */
  private spender(): Spender | undefined {
    const { funding } = this.pair.alice.channel;
    if (funding === undefined) return undefined;
    return this.spendersOf(funding.txid, funding.outputIndex)[0];
  }

  private spendersOf(txid: Uint8Array, index?: number): Spender[] {
    const found: Spender[] = [];
    for (let height = 150; height <= this.pair.height; height++) {
      for (const { transaction } of this.pair.chain.blockAt(height)?.transactions ?? []) {
        const spends = transaction.inputs.some(
          (input) => equalBytes(input.txid, txid) && (index === undefined || input.index === index),
        );
        if (spends) found.push({ transaction, height });
      }
    }
    return found;
  }

  private heldAs(transaction: Transaction): Held | undefined {
    const txid = transactionId(transaction);
    return this.held.find(({ raw }) => equalBytes(transactionId(parsed(raw)), txid));
  }

  /** Everything that the cheater can take at this moment, at a fee that beats others. */
  private cheat(): void {
    const { cheater } = this;
    const spent = cheater === undefined ? undefined : this.spender();
    const held = spent && this.heldAs(spent.transaction);
    if (cheater === undefined || spent === undefined || held === undefined) return;
    const holder = held.holder === cheater ? "local" : "remote";
    const commitment = { holder, revoked: holder === "local", revocationHash: held.revocationHash } as const;
    const htlcs = held.htlcs.map((htlc) => ({
      ...htlc,
      offerer: this.offered.get(htlc.id)?.from === cheater ? ("local" as const) : ("remote" as const),
    }));
    const txid = transactionId(spent.transaction);
    for (const output of outputsOf(this.pair[cheater].channel, spent.transaction, { ...commitment, htlcs })) {
      const spend = this.wayOf(cheater, output, holder, spent.height);
      if (spend === undefined) continue;
      if (this.pair.chain.unspent({ txid, index: output.index }, { mempool: false }) === undefined) continue;
      this.take(cheater, output, spend);
    }
  }

  private wayOf(
    cheater: PartyName,
    { kind, htlcId, witnessScript: script }: ChainOutputRow,
    holder: "local" | "remote",
    confirmed: number,
  ): Spend | undefined {
    const next = this.pair.height + 1;
    const delay = this.delayOf(cheater);
    const offered = htlcId === undefined ? undefined : this.offered.get(htlcId);
    if (script === undefined) return undefined;
    const isMature = next >= confirmed + delay;
    if (kind === "to_self") return isMature ? { type: "to_self", script, delay } : undefined;
    if (offered === undefined || htlcId === undefined) return undefined;
    const { expiry } = offered;
    const shows = this.showsAt.get(htlcId) ?? this.pick([0, expiry - 1, expiry, expiry + 1, expiry + delay]);
    this.showsAt.set(htlcId, shows);
    const paymentPreimage = secret(offered.n);
    if (offered.from === cheater) {
      if (next <= expiry || (holder === "local" && !isMature)) return undefined;
      return holder === "local"
        ? { type: "offered_timeout", script, delay, expiry }
        : { type: "received_timeout", script, expiry };
    }
    if (next < shows) return undefined;
    if (holder === "remote") return { type: "offered_fulfilled", script, paymentPreimage };
    return isMature ? { type: "received_fulfilled", script, delay, paymentPreimage } : undefined;
  }

  private take(cheater: PartyName, { txid, index, amountSat }: ChainOutputRow, spend: Spend): void {
    const { signer, keys, channel } = this.pair[cheater];
    const key = keys.finalKey(channel.channel.index);
    const claim: Claim = { txid, index, amountSat, spend };
    const script = payToWitnessPublicKeyHash(signer.publicKey(key));
    const rate = Math.max(1_000, Math.min(30_000, Math.floor((Number(amountSat) * 1000) / 400)));
    const made = claimTransaction([claim], script, rate);
    if (!made.ok) return;
    const signature = signer.sign(key, claimSighash(made.value, 0, claim));
    const inputs = made.value.inputs.map((input) => ({ ...input, witness: claimWitness(spend, signature) }));
    const raw = serializeTransaction({ ...made.value, inputs }, { witness: true });
    if (this.pair.publish(raw) === undefined) this.note(`${cheater} claims ${index} as ${spend.type}`);
  }

  /** What has to hold when everything is over. */
  check(): void {
    const spent = this.spender();
    if (spent === undefined) throw new Error("nobody spent the anchor");
    this.checkConserved(spent);
    for (const name of NAMES) {
      if (name === this.cheater) continue;
      this.checkMoney(name, spent);
      this.checkEnds(name);
    }
  }

  private checkMoney(name: PartyName, spent: Spender): void {
    const owed = this.owed(name, spent);
    const has = this.pair.wealth(name);
    const fees = this.feesOf(name, spent);
    expect(has + fees, `${name} has ${has} and paid ${fees}, is owed ${owed}`).toBeGreaterThanOrEqual(owed);
  }

  /** What the claims of a party paid to miners: those that pay to nobody else. */
  private feesOf(name: PartyName, spent: Spender): bigint {
    const script = this.finalScript(name);
    let fees = 0n;
    for (const { transaction } of this.spendersOf(transactionId(spent.transaction))) {
      if (!transaction.outputs.every((output) => equalBytes(output.script, script))) continue;
      fees += transaction.inputs.reduce(
        (sum, { index }) => sum + (spent.transaction.outputs[index]?.amountSat ?? 0n),
        0n,
      );
      fees -= sumOf(transaction.outputs);
    }
    return fees;
  }

  /** The anchor, to the satoshi: what each has and paid for claims, what lies unclaimed, and what its spender paid. */
  private checkConserved(spent: Spender): void {
    const { transaction } = spent;
    const txid = transactionId(transaction);
    const scripts = NAMES.map((name) => this.finalScript(name));
    let sum = 0n;
    for (const name of NAMES) sum += this.pair.wealth(name) + this.feesOf(name, spent);
    for (const [index, { script, amountSat }] of transaction.outputs.entries()) {
      const isPaid = scripts.some((one) => equalBytes(one, script));
      const isUnspent = this.pair.chain.unspent({ txid, index }, { mempool: false }) !== undefined;
      if (!isPaid && isUnspent) sum += amountSat;
    }
    expect(sum, "what its spender leaves of the anchor").toBe(sumOf(transaction.outputs));
    expect(sumOf(transaction.outputs), "what its spender leaves of the anchor, by its rule").toBe(this.leaves(spent));
  }

  /** What the transaction that spends the anchor has to leave of it, from what it holds. */
  private leaves({ transaction }: Spender): bigint {
    const held = this.heldAs(transaction);
    if (held === undefined) {
      const { own, peer } = this.closeShares("alice", transaction);
      return own + peer;
    }
    const { own, peer, htlcs } = sharesOf(held, "alice");
    return htlcs.reduce((sum, { amountMsat }) => sum + amountMsat / 1000n, own + peer);
  }

  /** What a close gives to a party and its peer, at the one of the fees talked about that it pays. */
  private closeShares(name: PartyName, { outputs }: Transaction): { readonly own: bigint; readonly peer: bigint } {
    const { totals, closeOffers } = this.pair[name].channel;
    for (const { feeSat } of closeOffers) {
      const found = shares(totals.localMsat, totals.remoteMsat, feeSat);
      if (found.own + found.peer === sumOf(outputs)) return found;
    }
    throw new Error(`${name} never talked about a close of ${sumOf(outputs)}`);
  }

  private finalScript(name: PartyName): Uint8Array {
    const { signer, keys, channel } = this.pair[name];
    return payToWitnessPublicKeyHash(signer.publicKey(keys.finalKey(channel.channel.index)));
  }

  private owed(name: PartyName, { transaction, height }: Spender): bigint {
    const held = this.heldAs(transaction);
    if (held === undefined) return this.closeShares(name, transaction).own;
    // All that is there is ours where the cheater had revoked it, as we know.
    const oldest = this.pair[name].channel.commitments.remote[0]?.number ?? 0;
    if (held.holder === other(name) && held.number < oldest) return sumOf(transaction.outputs);
    const { own, htlcs } = sharesOf(held, name);
    let sum = own;
    for (const { id, amountMsat } of htlcs) if (this.isOwed(name, id, held, height)) sum += amountMsat / 1000n;
    // A preimage that was said is worth the HTLC, whatever is published.
    for (const id of this.said) {
      const offered = this.offered.get(id);
      if (offered !== undefined && offered.from !== name && !held.has(id)) sum += offered.amountMsat / 1000n;
    }
    return sum;
  }

  private isOwed(name: PartyName, id: bigint, held: Held, confirmed: number): boolean {
    const offered = this.offered.get(id);
    if (offered === undefined) throw new Error(`no HTLC ${id}`);
    const { expiry, from } = offered;
    if (from === name) return !this.pair.tells(name, "htlc_fulfilled").some((tell) => tell.id === id);
    const known = this.knownAt.get(id) ?? Number.POSITIVE_INFINITY;
    const delay = this.delayOf(held.holder);
    if (held.holder === name) {
      const inTime = known <= expiry - delay - CLAIM_MARGIN;
      return inTime || (known + SLACK <= expiry && confirmed + delay + SLACK <= expiry);
    }
    const acts = Math.max(known, confirmed, this.backAt[name]);
    return acts + SLACK <= Math.max(expiry + 1, confirmed + delay);
  }

  /**
   * Each HTLC that a party offered ends in one way. What a reorganisation undid may be told again, and a failure that is not final any
   * more may be followed by the preimage of another HTLC of that hash.
   */
  private checkEnds(name: PartyName): void {
    const ends = new Map<bigint, { readonly type: string; readonly at: number }>();
    for (const [at, tell] of this.pair[name].tells.entries()) {
      if (tell.type !== "htlc_fulfilled" && tell.type !== "htlc_failed") continue;
      const before = ends.get(tell.id);
      const undone = before !== undefined && this.toldAt[name].some((told) => told > before.at && told <= at);
      const same = before?.type === tell.type || (tell.type === "htlc_fulfilled" && this.hasTwin(tell.id));
      if (before !== undefined) expect(undone && same, `${name}'s HTLC ${tell.id} ends twice`).toBe(true);
      ends.set(tell.id, { type: tell.type, at });
    }
    for (const [id, { from }] of this.offered) {
      if (from === name) expect(ends.has(id), `${name}'s HTLC ${id} ends`).toBe(true);
    }
  }

  private hasTwin(id: bigint): boolean {
    const all = [...this.offered];
    return all.some(([other, { n }]) => other !== id && n === this.offered.get(id)?.n);
  }

  /** What ended it. */
  kind(): "close" | "current" | "revoked" {
    const spent = this.spender();
    const held = spent && this.heldAs(spent.transaction);
    if (held === undefined) return "close";
    return held.number < (this.pair[held.holder].channel.commitments.local?.number ?? 0) ? "revoked" : "current";
  }

  report(): string {
    const spent = this.spender();
    const held = spent && this.heldAs(spent.transaction);
    return [
      ...this.log,
      `published: ${held?.holder} ${held?.number} at ${spent?.height}`,
      ...NAMES.map((name) => `${name}: delay ${this.delayOf(name)} ${rowsAsText(this.pair[name])}`),
    ].join("\n");
  }
}
