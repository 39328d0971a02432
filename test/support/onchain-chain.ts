// A chain reduced to what matters to one channel: its anchor, what spends that, and what spends the outputs of that. It judges by
// the locks and secrets that the scripts ask for, without signatures; what it says is compared with a real chain's (onchain-replay.ts).
import { equalBytes, toHex } from "../../src/core/base/index.ts";
import { parseTransaction, type Transaction, transactionId, virtualSize } from "../../src/core/bitcoin/index.ts";
import { sha256 } from "../../src/core/crypto/index.ts";

export type Player = "honest" | "cheat";

/** A transaction that spends the anchor, with what its outputs ask for. */
export type Published = {
  readonly type: "commitment" | "close";
  readonly holder: Player;
  readonly revoked: boolean;
  /** Blocks that the holder waits. */
  readonly delay: number;
  readonly revocationPreimage: Uint8Array | undefined;
  readonly raw: Uint8Array;
  readonly txid: string;
  readonly transaction: Transaction;
  readonly outputs: readonly PublishedOutput[];
};

export type PublishedOutput = {
  readonly index: number;
  readonly amountSat: bigint;
  /** As its holder sees it. */
  readonly kind: "to_self" | "to_other" | "offered" | "received";
  readonly script: Uint8Array;
  readonly htlc:
    | { readonly id: bigint; readonly expiry: number; readonly paymentHash: Uint8Array; readonly offerer: Player }
    | undefined;
};

export type ModelTransaction = {
  readonly raw: Uint8Array;
  readonly txid: string;
  readonly transaction: Transaction;
  readonly by: Player;
  /** Undefined for a claim of outputs. */
  readonly published: Published | undefined;
  readonly feeSat: bigint;
  readonly vbytes: number;
};

/** How an output was spent. */
export type Way = "delayed" | "preimage" | "revoked" | "timeout";
type Spent = { readonly by: Player; readonly way: Way; readonly height: number; readonly txid: string };

/** What happened on the chain, for replaying it on another. */
export type ChainEvent =
  | { readonly type: "submit"; readonly raw: Uint8Array; readonly admitted: boolean }
  | { readonly type: "mine"; readonly raws: readonly Uint8Array[] }
  /** `dropped`: some of what the blocks held does not wait any more. */
  | { readonly type: "reorganise"; readonly depth: number; readonly dropped: boolean };

export function otherPlayer(player: Player): Player {
  return player === "honest" ? "cheat" : "honest";
}

/** Who may spend an output in which way, and the lowest height of a block with it. By the table of seed 001 section 6.2. */
export function waysOf(
  { kind, htlc }: PublishedOutput,
  { holder, delay, revoked }: Published,
  confirmed: number,
): { readonly by: Player; readonly way: Way; readonly from: number }[] {
  const peer = otherPlayer(holder);
  const matured = confirmed + delay;
  const penalty = revoked ? [{ by: peer, way: "revoked" as const, from: confirmed }] : [];
  const afterExpiry = (htlc?.expiry ?? 0) + 1;
  switch (kind) {
    case "to_other":
      return [];
    case "to_self":
      return [{ by: holder, way: "delayed", from: matured }, ...penalty];
    case "offered":
      return [
        { by: holder, way: "timeout", from: Math.max(matured, afterExpiry) },
        { by: peer, way: "preimage", from: confirmed },
        ...penalty,
      ];
    case "received":
      return [
        { by: holder, way: "preimage", from: matured },
        { by: peer, way: "timeout", from: Math.max(confirmed, afterExpiry) },
        ...penalty,
      ];
  }
}

/** The way that a witness takes, or undefined where its script would not have it. */
function wayTaken(output: PublishedOutput, published: Published, witness: readonly Uint8Array[]): Way | undefined {
  const [, selector, script] = witness;
  if (witness.length !== 3 || selector === undefined || script === undefined) return undefined;
  const program = published.transaction.outputs[output.index]?.script.subarray(2);
  if (program === undefined || !equalBytes(sha256(script), program)) return undefined;
  const { revocationPreimage } = published;
  const revokes = revocationPreimage !== undefined && equalBytes(selector, revocationPreimage);
  if (output.htlc === undefined) return revokes ? "revoked" : selector.length === 0 ? "delayed" : undefined;
  if (selector.length !== 32) return undefined;
  if (equalBytes(sha256(selector), output.htlc.paymentHash)) return "preimage";
  return revokes ? "revoked" : "timeout";
}

export class ModelChain {
  readonly anchor: string;
  height: number;
  readonly events: ChainEvent[] = [];
  mempool: ModelTransaction[] = [];
  /** Blocks from the first height on. */
  private readonly first: number;
  private readonly blocks: (readonly ModelTransaction[])[];
  private readonly relayRate: number;
  private spender: { readonly published: Published; readonly height: number } | undefined;
  private readonly spent: Map<number, Spent>;

  constructor(from: { anchor: string; height: number; relayRate: number } | ModelChain) {
    this.anchor = from.anchor;
    this.height = from.height;
    if (from instanceof ModelChain) {
      this.first = from.first;
      this.blocks = [...from.blocks];
      this.mempool = [...from.mempool];
      this.events = [...from.events];
      this.relayRate = from.relayRate;
      this.spender = from.spender;
      this.spent = new Map(from.spent);
    } else {
      this.first = from.height + 1;
      this.blocks = [];
      this.relayRate = from.relayRate;
      this.spent = new Map();
    }
  }

  block(height: number): readonly ModelTransaction[] {
    return this.blocks[height - this.first] ?? [];
  }

  /** What spends the anchor in a block. */
  get published(): { readonly published: Published; readonly height: number } | undefined {
    return this.spender;
  }

  /** What spends an output of the published transaction in a block. */
  spentAt(index: number): Spent | undefined {
    return this.spent.get(index);
  }

  private connect(one: ModelTransaction, height: number): void {
    if (one.published !== undefined) {
      this.spender = { published: one.published, height };
      return;
    }
    for (const { index, witness } of one.transaction.inputs) {
      const output = this.spender?.published.outputs.find((each) => each.index === index);
      const way = this.spender && output && wayTaken(output, this.spender.published, witness);
      if (way !== undefined) this.spent.set(index, { by: one.by, way, height, txid: one.txid });
    }
  }

  /** Whether something that waits for a block spends an output of the published transaction. */
  isWaited(index: number, by: Player): boolean {
    return this.mempool.some(
      (one) => one.by === by && !one.published && one.transaction.inputs.some((i) => i.index === index),
    );
  }

  /** All claims in blocks. */
  claims(by: Player): ModelTransaction[] {
    return this.blocks.flat().filter((one) => one.by === by && one.published === undefined);
  }

  private problem(transaction: ModelTransaction, height: number): string | undefined {
    const spent = this.published;
    if (transaction.published !== undefined) return spent === undefined ? undefined : "the anchor is spent";
    if (spent === undefined) return "what it claims is in no block";
    const { lockTime, inputs, version } = transaction.transaction;
    if (lockTime >= height) return `its lock time is ${lockTime}`;
    for (const input of inputs) {
      if (toHex(input.txid) !== spent.published.txid) return "it claims what is not there";
      const output = spent.published.outputs.find(({ index }) => index === input.index);
      if (output === undefined || this.spentAt(input.index) !== undefined) return `output ${input.index} is spent`;
      const way = wayTaken(output, spent.published, input.witness);
      const found = waysOf(output, spent.published, spent.height).find(
        (one) => one.by === transaction.by && one.way === way,
      );
      if (found === undefined) return `output ${input.index} is not to be had by ${way}`;
      if (found.from > height) return `output ${input.index} is to be had from ${found.from} on, not ${height}`;
      // The delay, where it is what makes the holder wait.
      const waits = transaction.by === spent.published.holder;
      if (waits && (version < 2 || input.sequence !== spent.published.delay)) return "it states no delay";
      if (!waits && input.sequence < 0x8000_0000) return "it states a delay";
      if (way === "timeout" && lockTime < (output.htlc?.expiry ?? 0)) return "it states no expiry";
    }
    return undefined;
  }

  /** Parses a claim. Its fee is what it leaves of what it claims. */
  claim(raw: Uint8Array, by: Player, published: Published): ModelTransaction {
    const parsed = parseTransaction(raw);
    if (!parsed.ok) throw new Error(parsed.error.reason);
    const transaction = parsed.value;
    let feeSat = 0n;
    for (const { index } of transaction.inputs) feeSat += published.transaction.outputs[index]?.amountSat ?? 0n;
    for (const { amountSat } of transaction.outputs) feeSat -= amountSat;
    return {
      raw,
      txid: toHex(transactionId(transaction)),
      transaction,
      by,
      published: undefined,
      feeSat,
      vbytes: virtualSize(transaction),
    };
  }

  /** Takes a transaction into the mempool. Returns why not. */
  submit(transaction: ModelTransaction): string | undefined {
    const known = this.mempool.some(({ txid }) => txid === transaction.txid);
    if (known || this.blocks.flat().some(({ txid }) => txid === transaction.txid)) return undefined;
    const problem = this.problem(transaction, this.height + 1) ?? this.replaces(transaction);
    this.events.push({ type: "submit", raw: transaction.raw, admitted: problem === undefined });
    if (problem !== undefined) return problem;
    this.mempool = [...this.mempool.filter((one) => !this.conflicts(one, transaction)), transaction];
    return undefined;
  }

  private replaces({ feeSat, vbytes, ...rest }: ModelTransaction): string | undefined {
    if (rest.published !== undefined) {
      return this.mempool.some((one) => one.published !== undefined) ? "another spends the anchor" : undefined;
    }
    const least = (size: number) => BigInt(Math.ceil((size * this.relayRate) / 1000));
    if (feeSat < least(vbytes)) return `its fee is ${feeSat}`;
    const replaced = this.mempool.filter((one) => this.conflicts(one, { feeSat, vbytes, ...rest }));
    const paid = replaced.reduce((sum, one) => sum + one.feeSat, 0n);
    if (replaced.length > 0 && feeSat < paid + least(vbytes)) return `its fee of ${feeSat} is too little for ${paid}`;
    return undefined;
  }

  private conflicts(a: ModelTransaction, b: ModelTransaction): boolean {
    if (a.published !== undefined || b.published !== undefined) return (a.published && b.published) !== undefined;
    return a.transaction.inputs.some((x) => b.transaction.inputs.some((y) => x.index === y.index));
  }

  /** A block with `chosen`, and with what waits and `takes` lets in. Returns it. */
  mine(
    chosen: readonly ModelTransaction[],
    takes: (waiting: ModelTransaction) => boolean,
  ): readonly ModelTransaction[] {
    const height = this.height + 1;
    const block: ModelTransaction[] = [];
    const waiting = this.mempool.filter((one) => takes(one) && !chosen.some(({ txid }) => txid === one.txid));
    for (const one of [...chosen, ...waiting]) {
      const problem = this.problem(one, height);
      if (problem === undefined) {
        block.push(one);
        this.connect(one, height);
      } else if (chosen.includes(one)) throw new Error(`the peer can't have that: ${problem}`);
    }
    this.blocks.push(block);
    this.height = height;
    this.mempool = this.mempool.filter(
      (one) => !block.includes(one) && !block.some((other) => this.conflicts(one, other)),
    );
    this.events.push({ type: "mine", raws: block.map(({ raw }) => raw) });
    return block;
  }

  /** The newest blocks are gone; what they held waits again, unless it is `unwanted`. */
  reorganise(depth: number, unwanted: (waiting: ModelTransaction) => boolean): void {
    const gone = this.blocks.splice(-depth).flat();
    this.height -= depth;
    this.spender = undefined;
    this.spent.clear();
    for (const [at, block] of this.blocks.entries()) for (const one of block) this.connect(one, this.first + at);
    const waiting = [...gone, ...this.mempool];
    this.mempool = waiting.filter((one) => !unwanted(one) && this.mayStay(one));
    this.events.push({ type: "reorganise", depth, dropped: this.mempool.length < waiting.length });
  }

  /** Whether the mempool keeps a transaction after a reorganisation: one whose locks are closed again goes. */
  private mayStay({ transaction, published }: ModelTransaction): boolean {
    if (published !== undefined) return true;
    const next = this.height + 1;
    const { lockTime, inputs } = transaction;
    const confirmed = this.spender?.height ?? next;
    return lockTime < next && inputs.every(({ sequence }) => sequence >= 0x8000_0000 || confirmed + sequence <= next);
  }
}
