// One position, played to every end: the peer decides, wherever a lock opens or closes, what it publishes and claims; the honest
// party does what production does. Checked at every block, and in money at the end.
import { equalBytes, toHex } from "../../src/core/base/index.ts";
import { parseTransaction } from "../../src/core/bitcoin/index.ts";
import { AMOUNT_SAT, FEES } from "./channel-pair.ts";
import { EXPIRY } from "./exploration-node.ts";
import { ModelChain, type ModelTransaction, type Published, type PublishedOutput, waysOf } from "./onchain-chain.ts";
import { cheatClaim, type Players, publishedClose, publishedCommitment } from "./onchain-cheat.ts";
import { type HonestParts, HonestParty } from "./onchain-honest.ts";
import { EndingError, ensure, Ledger, SETTLED_DEPTH } from "./onchain-ledger.ts";
import { contentsOf, misbuilt } from "./onchain-oracle.ts";
import type { Position, Signed } from "./onchain-positions.ts";

/** M of the design. */
const CLAIM_MARGIN = 18;

/** What besides the peer's own moves makes an ending hard. */
export type Hardship = {
  /** Blocks that a claim of the honest party waits in the mempool. */
  readonly lag: number;
  /** It starts anew after every block. */
  readonly restarts: boolean;
  /** It sees the peer's claims in the mempool before their block. */
  readonly gossip: boolean;
  /** How many times in an ending it is away, or the chain reorganises. */
  readonly incidents: number;
  /** The peer may also act a block before and after the locks open, and publish at more heights. */
  readonly fine: boolean;
};

export type Scene = {
  readonly players: Players;
  readonly parts: HonestParts;
  /** What all of its claims pay to. */
  readonly script: Uint8Array;
  /** What the party had when the exploration began. */
  readonly startMsat: bigint;
  readonly height: number;
  /** Called with each ending: the seams at which it is compared with a real chain. */
  readonly ended: (game: Game) => void;
  readonly known: Map<object, Published>;
  readonly claims: Map<string, ModelTransaction>;
};

type Incident =
  | { readonly type: "away"; readonly blocks: number }
  | { readonly type: "reorganise"; readonly depth: number; readonly other: boolean };

/** What happens before and in the next block. */
type Choice = {
  readonly what: string;
  readonly fails?: boolean;
  readonly learns?: bigint;
  readonly incident?: Incident;
  readonly publishes?: boolean;
  readonly claims?: readonly PublishedOutput[];
};

function subsets<T>(of: readonly T[]): T[][] {
  const sets: T[][] = [[]];
  for (const one of of) sets.push(...sets.map((set) => [...set, one]));
  return sets;
}

export class Game {
  readonly scene: Scene;
  readonly position: Position;
  readonly hardship: Hardship;
  readonly path: string[];
  readonly chain: ModelChain;
  honest: HonestParty;
  /** When the honest party is back; undefined while it is there. */
  private returns: number | undefined;
  private returned = 0;
  private incidents: number;
  private reorganised = false;
  private begun = false;
  /** The peer's other commitment is what it publishes from now on. */
  private otherNow = false;
  private readonly ledger: Ledger;
  /** The height at which it first asked for an output. */
  private readonly asked: Map<number | "anchor", number>;

  constructor(scene: Scene, position: Position, hardship: Hardship, from?: Game) {
    this.scene = scene;
    this.position = position;
    this.hardship = hardship;
    this.path = [...(from?.path ?? [])];
    const { node } = position;
    const height = node.late ? EXPIRY : scene.height;
    const anchor = toHex(node.state.funding?.txid ?? new Uint8Array(0));
    this.chain = new ModelChain(from?.chain ?? { anchor, height, relayRate: FEES.relay });
    this.honest = from?.honest.fork() ?? new HonestParty(node, scene.parts, height);
    this.returns = from?.returns;
    this.returned = from?.returned ?? 0;
    this.incidents = from?.incidents ?? hardship.incidents;
    this.reorganised = from?.reorganised ?? false;
    this.begun = from?.begun ?? false;
    this.otherNow = from?.otherNow ?? false;
    this.ledger = new Ledger(from?.ledger ?? { scene, position, lag: hardship.lag, goesAt: this.goesAt, height });
    this.asked = new Map(from?.asked);
  }

  private fork(): Game {
    return new Game(this.scene, this.position, this.hardship, this);
  }

  /** Says where a rule did not hold. */
  private checked<T>(make: () => T): T {
    try {
      return make();
    } catch (cause) {
      if (!(cause instanceof EndingError)) throw cause;
      throw new Error(`${cause.message}\nat ${this.chain.height}: ${this.path.join(", ")}`, { cause });
    }
  }

  /** Plays every ending from here. Returns how many. */
  play(): number {
    let endings = 0;
    const waiting: Game[] = [this];
    for (let game = waiting.pop(); game !== undefined; game = waiting.pop()) {
      for (;;) {
        const choices = game.choices();
        const [first, ...others] = choices;
        if (first === undefined) break;
        for (const choice of others) {
          const next = game.fork();
          next.checked(() => next.advance(choice));
          waiting.push(next);
        }
        game.checked(() => game.advance(first));
      }
      if (game.isVoid) continue;
      game.checked(() => game.ledger.check(game.chain));
      game.scene.ended(game);
      endings++;
    }
    return endings;
  }

  // What may happen next

  private get anchor(): { readonly published: Published; readonly height: number } | undefined {
    return this.chain.published;
  }

  /** The peer has let the honest party's own commitment come first: another position's ending. */
  private get isVoid(): boolean {
    return this.position.spender.type !== "own" && !this.reorganised && this.anchor?.published.holder === "honest";
  }

  private get isOver(): boolean {
    const { anchor, chain } = this;
    if (this.isVoid) return true;
    if (this.returns !== undefined) return false;
    const last = EXPIRY + 40 + 2 * this.hardship.lag;
    if (chain.height >= last) return true;
    if (anchor === undefined || chain.height - anchor.height + 1 < SETTLED_DEPTH) return false;
    return anchor.published.outputs.every((output) => {
      if (waysOf(output, anchor.published, anchor.height).length === 0) return true;
      const spent = chain.spentAt(output.index);
      return spent !== undefined && chain.height - spent.height + 1 >= SETTLED_DEPTH;
    });
  }

  private get delayOfHonest(): number {
    return this.honest.state.terms.remote?.delay ?? 0;
  }

  private get goesAt(): number {
    return EXPIRY - this.delayOfHonest - CLAIM_MARGIN;
  }

  private choices(): Choice[] {
    if (this.isOver) return [];
    if (!this.begun) return this.firstChoices();
    const { chain, anchor } = this;
    const next = chain.height + 1;
    const choices: Choice[] = this.claimChoices(next);
    if (anchor === undefined && this.publishes(next)) choices.push({ what: "publishes", publishes: true });
    for (const id of this.learnable()) {
      const now = anchor === undefined ? [this.goesAt - 1, this.goesAt] : [anchor.height, EXPIRY - 2];
      if (now.includes(chain.height)) choices.push({ what: `learns ${id}`, learns: id });
    }
    if (this.incidents > 0 && this.returns === undefined && this.isTense(next)) {
      for (const incident of this.possibleIncidents()) {
        choices.push({ what: JSON.stringify(incident), incident });
      }
    }
    return choices;
  }

  /** Whether the honest party goes to the chain at once, or knows a preimage from the start. */
  private firstChoices(): Choice[] {
    const choices: Choice[] = [{ what: "" }];
    choices.push({ what: "fails the channel", fails: true });
    for (const id of this.learnable()) choices.push({ what: `learns ${id}`, learns: id });
    return choices;
  }

  private learnable(): bigint[] {
    const { htlcs } = this.honest.state;
    const open = [...htlcs.values()].filter(
      ({ id, offerer, removal }) => offerer === "remote" && removal === undefined && !this.ledger.knownAt.has(id),
    );
    return this.returns === undefined ? open.map(({ id }) => id) : [];
  }

  private publishes(next: number): boolean {
    const { type } = this.position.spender;
    if (type === "own" && !this.otherNow) return false;
    const first = (this.position.node.late ? EXPIRY : this.scene.height) + 1;
    const at = [first, this.goesAt + 1, EXPIRY - 1, EXPIRY + 4];
    if (this.hardship.fine) at.push(this.goesAt, EXPIRY + 1);
    return this.otherNow || at.includes(next);
  }

  /** Every set of outputs that the peer may take in the next block; at first none. */
  private claimChoices(next: number): Choice[] {
    const { anchor } = this;
    if (anchor === undefined) return [{ what: "" }];
    const { outputs } = anchor.published;
    const open = outputs.filter((output) => this.chain.spentAt(output.index) === undefined && this.opens(output, next));
    return subsets(open).map((claims) => ({
      what: claims.map(({ index, kind }) => `peer takes ${kind} ${index} at ${next}`).join(", "),
      claims,
    }));
  }

  /** Whether the next block is one at which it matters that the peer takes an output. */
  private opens(output: PublishedOutput, next: number): boolean {
    const { anchor, returned } = this;
    if (anchor === undefined) return false;
    const ways = waysOf(output, anchor.published, anchor.height);
    const its = ways.find(({ by }) => by === "cheat");
    if (its === undefined || its.from > next) return false;
    const { lag, fine } = this.hardship;
    const times = [its.from, returned + 1];
    if (fine) times.push(its.from + 1, returned);
    for (const { by, from } of ways) {
      if (by !== "honest") continue;
      times.push(from, from + lag);
      if (fine) times.push(from - 1, from + 1, from + lag + 1);
    }
    return times.includes(next);
  }

  /** Whether a lock opens about now. */
  private isTense(next: number): boolean {
    const { anchor } = this;
    if (anchor === undefined) return next === this.goesAt || next === this.goesAt + 1;
    const times = [anchor.height + 1, anchor.height + 3, anchor.height + SETTLED_DEPTH];
    for (const output of anchor.published.outputs) {
      for (const { from } of waysOf(output, anchor.published, anchor.height)) times.push(from - 1, from, from + 1);
    }
    return times.includes(next);
  }

  private possibleIncidents(): Incident[] {
    const incidents: Incident[] = [1, 8].map((blocks) => ({ type: "away", blocks }));
    const first = this.position.node.late ? EXPIRY : this.scene.height;
    for (const depth of [1, 3]) {
      if (this.chain.height - depth < first) continue;
      incidents.push({ type: "reorganise", depth, other: false });
      const undone = this.anchor !== undefined && this.anchor.height > this.chain.height - depth;
      if (undone && this.position.other !== undefined) incidents.push({ type: "reorganise", depth, other: true });
    }
    return incidents;
  }

  // What happens

  private advance(choice: Choice): void {
    const { chain, honest } = this;
    if (choice.what !== "") this.path.push(`${chain.height} ${choice.what}`);
    if (!this.begun) {
      this.begin(choice);
      return;
    }
    if (choice.learns !== undefined) this.learn(choice.learns);
    if (choice.incident !== undefined) this.meet(choice.incident);
    this.act();
    const chosen: ModelTransaction[] = [];
    if (choice.publishes === true || (this.otherNow && this.anchor === undefined)) chosen.push(this.toPublish());
    for (const output of choice.claims ?? []) chosen.push(this.claim(output));
    if (this.hardship.gossip && this.isHere) {
      for (const one of chosen) honest.see(one, undefined, this.rows());
      honest.flush();
      this.act();
    }
    chain.mine(chosen, (waiting) => this.isTaken(waiting));
    this.connect();
  }

  private get isHere(): boolean {
    return this.returns === undefined;
  }

  private begin(choice: Choice): void {
    this.begun = true;
    const { honest } = this;
    if (choice.fails === true) honest.fail();
    if (choice.learns !== undefined) this.learn(choice.learns);
    honest.connect(this.chain.height, [], []);
    this.act();
  }

  private learn(id: bigint): void {
    if (this.honest.learn(id)) this.ledger.knownAt.set(id, this.chain.height);
    this.honest.flush();
    this.act();
  }

  private meet(incident: Incident): void {
    const { chain, honest } = this;
    this.incidents--;
    if (incident.type === "away") {
      this.returns = chain.height + incident.blocks;
      return;
    }
    const from = chain.height;
    chain.reorganise(
      incident.depth,
      ({ by, published }) => incident.other && (by === "cheat" || published === undefined),
    );
    for (let height = from; height > chain.height; height--) honest.disconnect(height);
    honest.height = chain.height;
    this.reorganised = true;
    this.ledger.reorganised = true;
    this.ledger.due.clear();
    if (incident.other) this.otherNow = true;
  }

  private connect(): void {
    const { chain } = this;
    if (this.returns !== undefined && chain.height < this.returns) return;
    if (this.returns !== undefined) {
      this.returns = undefined;
      this.returned = chain.height;
      this.honest.caughtUp = false;
    }
    const { honest } = this;
    for (let height = honest.height + 1; height <= chain.height; height++) {
      honest.caughtUp = height === chain.height;
      honest.connect(height, chain.block(height), this.rows());
      this.act();
    }
    if (this.hardship.restarts) this.honest = this.honest.restarted();
  }

  /** Gives what the honest party broadcasts to the chain, and looks at what it told. */
  private act(): void {
    if (!this.isHere) return;
    const { honest, chain } = this;
    const again = honest.caughtUp ? honest.again() : [];
    for (const raw of honest.broadcasts) this.broadcast(raw, true);
    // After a reorganisation, until the chain is as long as it was, what was due may not be.
    for (const raw of again) this.broadcast(raw, !this.reorganised);
    honest.broadcasts = [];
    for (const tell of honest.tells) this.ledger.hear(tell, chain, honest.height);
    honest.tells = [];
    if (honest.caughtUp) this.checkPrompt();
  }

  private broadcast(raw: Uint8Array, mustBeTaken: boolean): void {
    const { chain, anchor } = this;
    const parsed = parseTransaction(raw);
    const [input] = parsed.ok ? parsed.value.inputs : [];
    ensure(input !== undefined, () => "a transaction without inputs");
    const spendsAnchor = input !== undefined && toHex(input.txid) === chain.anchor;
    if (!spendsAnchor) {
      ensure(anchor !== undefined, () => "it claims what is in no block");
      if (anchor === undefined) return;
      const claim = chain.claim(raw, "honest", anchor.published);
      for (const { index } of claim.transaction.inputs) {
        if (!this.asked.has(index)) this.asked.set(index, chain.height);
      }
      const problem = chain.submit(claim);
      ensure(problem === undefined || !mustBeTaken, () => `the network refuses a claim: ${problem}`);
      return;
    }
    // A revoked one that the peer showed is worth being mined.
    for (const { row } of this.rows()) {
      const shown = this.scene.known.get(row);
      if (shown === undefined || !equalBytes(shown.raw, raw)) continue;
      chain.submit(this.spender(shown, "cheat"));
      return;
    }
    const published = this.ownWord(raw);
    if (!this.asked.has("anchor")) this.asked.set("anchor", chain.height);
    // Another may be there first; and who was away may not have seen it.
    chain.submit(this.spender(published, "honest"));
  }

  /** Our own commitment or the agreed close, as the network sees it. */
  private ownWord(raw: Uint8Array): Published {
    const { state } = this.honest;
    const { local } = state.commitments;
    const { players } = this.scene;
    const parsed = parseTransaction(raw);
    const lockTime = parsed.ok ? parsed.value.lockTime : 0;
    const of = this.position.node.state;
    const own =
      local !== undefined && lockTime !== 0 ? this.publishedOnce(of.commitments.local ?? local, false) : undefined;
    if (own !== undefined) {
      ensure(equalBytes(own.raw, raw), () => "it broadcasts another commitment than its newest");
      return own;
    }
    for (const { feeSat } of of.closeOffers) {
      const close = publishedClose(players, of, feeSat);
      if (equalBytes(close.raw, raw)) return close;
    }
    throw new EndingError("it broadcasts what nobody signed");
  }

  private publishedOnce(row: Signed["row"], revoked: boolean, signed?: Signed): Published {
    const { known, players, startMsat } = this.scene;
    const of = signed ?? { row, state: this.position.node.state, settledMsat: this.position.settledMsat };
    const found = known.get(row);
    if (found !== undefined && found.revoked === revoked) return found;
    const published = publishedCommitment(players, of.state, row, revoked);
    known.set(row, published);
    const problem = misbuilt(published, contentsOf(startMsat, AMOUNT_SAT, of));
    ensure(problem === undefined, () => `a commitment is not what it should be: ${problem}`);
    return published;
  }

  private spender(published: Published, by: "honest" | "cheat"): ModelTransaction {
    const { raw, txid, transaction } = published;
    return { raw, txid, transaction, by, published, feeSat: 0n, vbytes: 0 };
  }

  private toPublish(): ModelTransaction {
    const { spender, other, otherRevoked, node } = this.position;
    const { players } = this.scene;
    if (this.otherNow && other !== undefined) {
      return this.spender(this.publishedOnce(other.row, otherRevoked, other), "cheat");
    }
    if (spender.type === "theirs") {
      return this.spender(this.publishedOnce(spender.signed.row, spender.revoked, spender.signed), "cheat");
    }
    if (spender.type === "own") throw new Error("nobody publishes");
    return this.spender(publishedClose(players, node.state, spender.feeSat), "cheat");
  }

  private rows(): Signed[] {
    const { spender, other } = this.position;
    const rows = spender.type === "theirs" ? [spender.signed] : [];
    return other === undefined ? rows : [...rows, other];
  }

  private claim(output: PublishedOutput): ModelTransaction {
    const { anchor, scene, chain } = this;
    if (anchor === undefined) throw new Error("nothing is published");
    const { published, height } = anchor;
    const way = waysOf(output, published, height).find(({ by }) => by === "cheat")?.way;
    if (way === undefined) throw new Error("the peer has no way");
    const key = `${published.txid} ${output.index}`;
    const made =
      scene.claims.get(key) ?? chain.claim(cheatClaim(scene.players, published, output, way), "cheat", published);
    scene.claims.set(key, made);
    return made;
  }

  /** Whether the next block takes what waits. */
  private isTaken({ by, published, transaction }: ModelTransaction): boolean {
    if (by === "cheat") return true;
    const keys = published === undefined ? transaction.inputs.map(({ index }) => index) : ["anchor" as const];
    return keys.every((key) => (this.asked.get(key) ?? 0) + this.hardship.lag <= this.chain.height);
  }

  // What must hold

  /** Everything that is the honest party's in the next block is asked for, now. */
  private checkPrompt(): void {
    const { anchor, chain } = this;
    if (anchor === undefined) return;
    const next = chain.height + 1;
    for (const output of anchor.published.outputs) {
      if (chain.spentAt(output.index) !== undefined || !this.mayClaim(output, next)) continue;
      if (!this.ledger.due.has(output.index)) this.ledger.due.set(output.index, next);
      const asks = chain.isWaited(output.index, "honest") || chain.isWaited(output.index, "cheat");
      ensure(asks, () => `output ${output.index} (${output.kind}) is not claimed for block ${next}`);
    }
  }

  private mayClaim(output: PublishedOutput, next: number): boolean {
    const { anchor } = this;
    if (anchor === undefined) return false;
    return waysOf(output, anchor.published, anchor.height).some(({ by, way, from }) => {
      if (by !== "honest" || from > next) return false;
      return way !== "preimage" || (output.htlc !== undefined && this.ledger.knownAt.has(output.htlc.id));
    });
  }

  /** What the honest party has on chain at the end. */
  get wealth(): bigint {
    return this.ledger.wealth(this.chain);
  }
}
