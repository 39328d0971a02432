// What an ending owes an honest party, and whether it got it.
import { equalBytes } from "../../src/core/base/index.ts";
import type { HtlcRow, Tell } from "../../src/core/payment-channel/index.ts";
import { AMOUNT_SAT } from "./channel-pair.ts";
import type { ModelChain, Published } from "./onchain-chain.ts";
import { opens } from "./onchain-honest.ts";
import { balanceIn, shares } from "./onchain-oracle.ts";
import type { Position } from "./onchain-positions.ts";

/** Confirmations after which something is final. */
export const SETTLED_DEPTH = 6;

/** A rule that an ending broke. */
export class EndingError extends Error {}

export function ensure(holds: boolean, what: () => string): void {
  if (!holds) throw new EndingError(what());
}

/** What an ending begins with. */
type Beginning = {
  readonly scene: {
    /** What all claims of the party pay to. */
    readonly script: Uint8Array;
    /** What it had when the exploration began. */
    readonly startMsat: bigint;
  };
  readonly position: Position;
  /** Blocks that a claim of the party waits in the mempool. */
  readonly lag: number;
  /** The height at which it goes to the chain for a preimage. */
  readonly goesAt: number;
  readonly height: number;
};

function knownFromStart({ position, height }: Beginning): [bigint, number][] {
  const { htlcs, removalRequests } = position.node.state;
  const known = [...htlcs.values()].filter(({ id, offerer, removal }) => {
    const said = removal ?? removalRequests.get(id)?.removal;
    return offerer === "remote" && said?.type === "fulfilled";
  });
  return known.map(({ id }) => [id, height]);
}

export class Ledger {
  /** How the HTLCs that the honest party offered ended, as it told. */
  readonly ends: Map<bigint, "fulfilled" | "failed">;
  /** Height at which it knew the preimage of an HTLC offered to it. */
  readonly knownAt: Map<bigint, number>;
  /** The first block that could have held its claim of an output. */
  readonly due: Map<number, number>;
  reorganised = false;
  private readonly from: Beginning;

  constructor(from: Beginning | Ledger) {
    if (from instanceof Ledger) {
      this.from = from.from;
      this.ends = new Map(from.ends);
      this.knownAt = new Map(from.knownAt);
      this.due = new Map(from.due);
      this.reorganised = from.reorganised;
      return;
    }
    this.from = from;
    this.ends = new Map(from.position.node.ends);
    this.knownAt = new Map(knownFromStart(from));
    this.due = new Map();
  }

  /** What the party tells its payments. */
  hear(tell: Tell, chain: ModelChain, height: number): void {
    if (tell.type !== "htlc_fulfilled" && tell.type !== "htlc_failed") return;
    const { id, paymentHash } = tell;
    const before = this.ends.get(id);
    if (tell.type === "htlc_fulfilled") {
      ensure(opens(tell.preimage, paymentHash), () => `HTLC ${id} is fulfilled by another preimage`);
      ensure(before === undefined, () => `HTLC ${id} is fulfilled, and was ${before} before`);
      this.ends.set(id, "fulfilled");
      return;
    }
    ensure(
      before === undefined || (before === "failed" && this.reorganised),
      () => `HTLC ${id} has failed, and was ${before} before`,
    );
    this.ends.set(id, "failed");
    const since = ownAgainAt(chain, id);
    ensure(
      since !== undefined && height - since + 1 >= SETTLED_DEPTH,
      () => `HTLC ${id} is told failed at ${height}, ours again: ${since}`,
    );
  }

  /** What has to hold at the end. */
  check(chain: ModelChain): void {
    const anchor = chain.published;
    const live = [...this.from.position.node.state.htlcs.values()];
    if (anchor === undefined) {
      const waits = live.find((htlc) => this.needsChain(htlc));
      ensure(waits === undefined, () => `nobody goes to the chain for HTLC ${waits?.id}`);
      return;
    }
    for (const { by, way, htlc, kind, index, height } of takings(chain)) {
      if (by === "honest") continue;
      const { revoked, holder } = anchor.published;
      let isLost = revoked || holder === "honest";
      if (htlc?.offerer === "honest") isLost = revoked || way !== "preimage" || this.ends.get(htlc.id) !== "fulfilled";
      else if (htlc !== undefined) isLost = revoked || this.wasOurs(htlc.id, index, height);
      ensure(!isLost, () => `the peer has output ${index} (${kind}), which was ours or is not passed on`);
    }
    if (anchor.published.type === "commitment") {
      for (const htlc of live) if (htlc.offerer === "local") this.checkEnd(htlc, chain);
    }
    this.checkWealth(anchor.published, chain);
  }

  /** Whether only the chain can settle an HTLC, and does it. Dust is not worth the way where it is ours to get. */
  private needsChain({ id, offerer, amountMsat, requestNumber, addNumber, removal }: HtlcRow): boolean {
    if (requestNumber > 0 && addNumber === 0) return false;
    if (offerer === "local") return removal?.type !== "failed";
    return this.knownAt.has(id) && amountMsat >= 546_000n;
  }

  /** Whether an HTLC offered to the party that the peer took back at a height had been the party's by then. */
  private wasOurs(id: bigint, index: number, takenAt: number): boolean {
    const known = this.knownAt.get(id);
    if (known !== undefined && known <= this.from.goesAt) return true;
    const due = this.due.get(index);
    return due !== undefined && takenAt > due + this.from.lag;
  }

  private checkEnd({ id, requestNumber, addNumber, removal }: HtlcRow, chain: ModelChain): void {
    if (requestNumber > 0 && addNumber === 0 && removal !== undefined) return;
    const end = this.ends.get(id);
    ensure(end !== undefined, () => `HTLC ${id} does not end`);
    if (end !== "failed") return;
    const taken = takings(chain).find(({ htlc }) => htlc?.id === id);
    ensure(taken === undefined || taken.by === "honest", () => `HTLC ${id} has failed, and the peer has it`);
  }

  /** All that the party was owed has come to it, but for the fees of its claims. */
  private checkWealth(published: Published, chain: ModelChain): void {
    let fees = 0n;
    for (const { feeSat, transaction } of chain.claims("honest")) {
      fees += feeSat;
      const all = feeSat + this.paid(transaction.outputs);
      const most = published.revoked ? (all * 9n) / 10n : all / 2n;
      ensure(feeSat <= most, () => `a claim of ${all} pays ${feeSat}`);
    }
    const owed = this.owed(published, chain);
    const wealth = this.wealth(chain);
    ensure(wealth + fees >= owed, () => `it has ${wealth}, paid ${fees} and is owed ${owed}`);
  }

  /** What the honest party has on chain at the end. */
  wealth(chain: ModelChain): bigint {
    const anchor = chain.published;
    let wealth = anchor === undefined ? 0n : this.paid(anchor.published.transaction.outputs);
    for (const { transaction } of chain.claims("honest")) wealth += this.paid(transaction.outputs);
    return wealth;
  }

  private paid(outputs: readonly { readonly amountSat: bigint; readonly script: Uint8Array }[]): bigint {
    const { script } = this.from.scene;
    return outputs.reduce((sum, output) => (equalBytes(output.script, script) ? sum + output.amountSat : sum), 0n);
  }

  private owed(published: Published, chain: ModelChain): bigint {
    const { position, scene } = this.from;
    if (published.type === "close") {
      const out = published.transaction.outputs.reduce((sum, { amountSat }) => sum + amountSat, 0n);
      const { state } = position.node;
      const row = state.commitments.local;
      if (row === undefined) throw new Error("a close without a commitment");
      const own = balanceIn(scene.startMsat, state, position.settledMsat, row);
      return shares(own, AMOUNT_SAT * 1000n - own, AMOUNT_SAT - out).own;
    }
    if (published.revoked) return published.outputs.reduce((sum, { amountSat }) => sum + amountSat, 0n);
    let owed = 0n;
    for (const { kind, amountSat, htlc, index } of published.outputs) {
      if (htlc === undefined) owed += (kind === "to_self") === (published.holder === "honest") ? amountSat : 0n;
      else if (htlc.offerer === "honest") owed += this.ends.get(htlc.id) === "fulfilled" ? 0n : amountSat;
      else {
        const spent = chain.spentAt(index);
        const lost = spent?.by === "cheat" && !this.wasOurs(htlc.id, index, spent.height);
        owed += this.knownAt.has(htlc.id) && !lost ? amountSat : 0n;
      }
    }
    return owed;
  }
}

/** The block with which an HTLC that the party offered became its own again. */
function ownAgainAt(chain: ModelChain, id: bigint): number | undefined {
  const anchor = chain.published;
  if (anchor === undefined || anchor.published.type === "close") return undefined;
  const output = anchor.published.outputs.find(({ htlc }) => htlc?.id === id);
  if (output === undefined) return anchor.height;
  const spent = chain.spentAt(output.index);
  return spent?.by === "honest" ? spent.height : undefined;
}

/** The outputs that somebody took. */
function takings(chain: ModelChain) {
  return (chain.published?.published.outputs ?? []).flatMap((output) => {
    const spent = chain.spentAt(output.index);
    return spent === undefined ? [] : [{ ...output, ...spent }];
  });
}
