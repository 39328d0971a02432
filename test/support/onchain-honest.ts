// The honest party of an ending: the production steps, with blocks and transactions in place of packets.
import { equalBytes } from "../../src/core/base/index.ts";
import { type KeyPaths, type Signer, sha256 } from "../../src/core/crypto/index.ts";
import { lastWord } from "../../src/core/payment-channel/force-close.ts";
import {
  apply,
  type ChannelPolicy,
  type ChannelState,
  type Context,
  type HtlcRow,
  type Input,
  load,
  ownRevocationHash,
  step,
  type Tell,
  unconfirmedSweeps,
} from "../../src/core/payment-channel/index.ts";
import { FEES, rowsOf, secret } from "./channel-pair.ts";
import { copyOf } from "./exploration-node.ts";
import type { ExploredNode } from "./exploration-shapes.ts";
import type { ModelTransaction } from "./onchain-chain.ts";
import type { Signed } from "./onchain-positions.ts";

export type HonestParts = { readonly signer: Signer; readonly keys: KeyPaths; readonly policy: ChannelPolicy };

export class HonestParty {
  readonly state: ChannelState;
  readonly parts: HonestParts;
  height: number;
  caughtUp = true;
  /** What it wants from the chain, and what it told its payments, since somebody looked. */
  broadcasts: Uint8Array[] = [];
  tells: Tell[] = [];
  /** Something changed since it was loaded. */
  private changed = true;
  private readonly acknowledged: number;
  private readonly received: number;
  private sent: number;

  constructor(
    from: Pick<ExploredNode, "state" | "acknowledged" | "received" | "sent">,
    parts: HonestParts,
    height: number,
  ) {
    this.state = copyState(from.state);
    this.parts = parts;
    this.height = height;
    this.acknowledged = from.acknowledged;
    this.received = from.received;
    this.sent = from.sent;
  }

  fork(state: ChannelState = this.state): HonestParty {
    const { acknowledged, received, sent, parts, height } = this;
    const forked = new HonestParty({ state, acknowledged, received, sent }, parts, height);
    forked.caughtUp = this.caughtUp;
    forked.broadcasts = [...this.broadcasts];
    forked.tells = [...this.tells];
    forked.changed = this.changed;
    return forked;
  }

  private context(): Context {
    return {
      height: this.height,
      caughtUp: this.caughtUp,
      now: 1_700_000_000_000,
      fees: FEES,
      ...this.parts,
      nextPacketNumber: this.sent + 1,
      acknowledge: this.received,
      unacknowledged: 0,
      peerReady: false,
    };
  }

  /** Returns whether something changed; undefined where the step refuses the input. */
  run(input: Input): boolean | undefined {
    const result = step(this.state, input, this.context());
    if (!result.ok) return undefined;
    const { changes, effects } = result.value;
    apply(this.state, changes);
    if (changes.length > 0) this.changed = true;
    for (const effect of effects) {
      if (effect.type === "broadcast") this.broadcasts.push(effect.transaction);
      else if (effect.type === "tell") this.tells.push(effect.tell);
      else if (effect.type === "send") this.sent++;
    }
    return changes.length > 0;
  }

  /** The end of a batch. */
  flush(): void {
    while (this.run({ type: "defend" }) === true || this.run({ type: "commit" }) === true);
  }

  see({ transaction, published }: ModelTransaction, height: number | undefined, rows: readonly Signed[]): void {
    if (published !== undefined) {
      this.run({ type: "anchor_spent", transaction, height });
      this.answerLookUp(rows);
      return;
    }
    transaction.inputs.forEach(({ index, txid }, inputIndex) => {
      const { anchorSpend } = this.state;
      if (anchorSpend === undefined || !equalBytes(anchorSpend.txid, txid)) return;
      this.run({ type: "output_spent", index, transaction, inputIndex, height });
    });
  }

  /** What the store has of the commitments by a number, and every HTLC there ever was, as it ended. */
  private answerLookUp(rows: readonly Signed[]): void {
    const { anchorSpend } = this.state;
    if (anchorSpend?.kind !== "revoked" || anchorSpend.holder !== undefined) return;
    const { number } = anchorSpend;
    const htlcs = new Map<bigint, HtlcRow>();
    for (const { state } of rows) for (const htlc of state.htlcs.values()) htlcs.set(htlc.id, htlc);
    for (const htlc of this.state.htlcs.values()) htlcs.set(htlc.id, htlc);
    const commitments = rows.map(({ row }) => row).filter((row) => row.number === number);
    this.run({ type: "evidence", number, commitments, htlcs: [...htlcs.values()] });
  }

  connect(height: number, block: readonly ModelTransaction[], rows: readonly Signed[]): void {
    this.height = height;
    for (const one of block) this.see(one, height, rows);
    this.run({ type: "block" });
    this.flush();
  }

  disconnect(height: number): void {
    const { chainOutputs, anchorSpend } = this.state;
    for (const { index, spend } of [...chainOutputs.values()]) {
      if (spend?.height === height) this.run({ type: "output_unspent", index });
    }
    if (anchorSpend?.height === height) this.run({ type: "anchor_unspent" });
  }

  /** What a node gives to the network again with each block. */
  again(): Uint8Array[] {
    const { anchorSpend } = this.state;
    const word = anchorSpend?.height === undefined ? lastWord(this.state, this.parts) : undefined;
    return word === undefined ? unconfirmedSweeps(this.state) : [word];
  }

  /** The payments of the party hear of a preimage. Returns whether the channel took it. */
  learn(id: bigint): boolean {
    return this.run({ type: "fulfill", id, preimage: secret(Number(id)) }) !== undefined;
  }

  fail(): void {
    this.run({ type: "fail", error: { type: "failed_by_user", rule: "B2-43" }, notify: false });
  }

  /** The process dies and starts again. */
  restarted(): HonestParty {
    if (!this.changed) return this;
    const ownHash = (number: number) => ownRevocationHash(this.parts, this.state.channel.index, number);
    const state = load(rowsOf(this.state), this.acknowledged, ownHash);
    const restarted = this.fork(state);
    restarted.changed = false;
    return restarted;
  }
}

function copyState(state: ChannelState): ChannelState {
  const { chainOutputs, knownPreimages, sweeps } = state;
  return {
    ...copyOf(state),
    chainOutputs: new Map(chainOutputs),
    knownPreimages: new Map(knownPreimages),
    sweeps: [...sweeps],
  };
}

/** Whether a preimage is that of a hash. */
export function opens(preimage: Uint8Array, hash: Uint8Array): boolean {
  return equalBytes(sha256(preimage), hash);
}
