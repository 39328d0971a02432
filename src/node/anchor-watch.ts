import { type Txid, toHex } from "../core/base/index.ts";
import type { Transaction } from "../core/bitcoin/index.ts";
import type { ChannelState, Input } from "../core/payment-channel/index.ts";
import type { Batch } from "./journal.ts";

/** As much of a channel's runner as concerns its anchor. */
type Watched = {
  readonly state: Pick<ChannelState, "funding" | "anchorSpend">;
  run(batch: Batch, input: Input): unknown;
};

/** A transaction that concerns a channel, in the block at `height` or in the mempool. */
type Seen = { readonly txid: Txid; readonly transaction: Transaction; readonly height: number | undefined };

/**
 * Finds what concerns channels among the transactions of blocks and mempool: anchors made, anchors spent, and claims of the
 * outputs of what spent them. Spec: B2-36, LW-3, LW-4.
 */
export class AnchorWatch<R extends Watched> {
  /** Channels by the transactions whose outputs they look after: the anchor's, and the one that spends it. */
  private readonly byTxid = new Map<string, Set<R>>();
  private readonly confirmed: (batch: Batch, runner: R, height: number, anchor: Transaction) => void;

  constructor(confirmed: (batch: Batch, runner: R, height: number, anchor: Transaction) => void) {
    this.confirmed = confirmed;
  }

  /** To be called whenever the channel's funding or its anchor's spend is another. */
  watch(runner: R): void {
    const { funding, anchorSpend } = runner.state;
    for (const row of [funding, anchorSpend]) {
      if (row === undefined) continue;
      const key = toHex(row.txid);
      const others = this.byTxid.get(key);
      if (others === undefined) this.byTxid.set(key, new Set([runner]));
      else others.add(runner);
    }
  }

  forget(runner: R): void {
    for (const [key, runners] of this.byTxid) {
      if (runners.delete(runner) && runners.size === 0) this.byTxid.delete(key);
    }
  }

  see(batch: Batch, seen: Seen): void {
    const { txid, transaction, height } = seen;
    if (height !== undefined) {
      for (const runner of this.byTxid.get(toHex(txid)) ?? []) {
        if (isSame(runner.state.funding?.txid, txid)) this.confirmed(batch, runner, height, transaction);
      }
    }
    transaction.inputs.forEach((input, inputIndex) => {
      for (const runner of [...(this.byTxid.get(toHex(input.txid)) ?? [])]) {
        this.spends(batch, runner, seen, inputIndex);
      }
    });
  }

  private spends(batch: Batch, runner: R, { transaction, height }: Seen, inputIndex: number): void {
    const input = transaction.inputs[inputIndex];
    const { funding, anchorSpend } = runner.state;
    if (input === undefined) return;
    if (isSame(funding?.txid, input.txid) && funding?.outputIndex === input.index) {
      runner.run(batch, { type: "anchor_spent", transaction, height });
    } else if (isSame(anchorSpend?.txid, input.txid)) {
      runner.run(batch, { type: "output_spent", index: input.index, transaction, inputIndex, height });
    }
  }
}

function isSame(a: Txid | undefined, b: Txid): boolean {
  return a !== undefined && toHex(a) === toHex(b);
}
