import type { BitcoinChain, Block, BroadcastResult } from "../../ports/bitcoin-chain.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Chain } from "./chain.ts";

/**
 * A view of a chain of the same process as the port that nodes use. Several views of one chain may be open; `close` ends the
 * view's events and nothing else. Listeners are called in a later turn than the call that caused the event.
 */
export function embeddedChain(chain: Chain, clock: Pick<Clock, "soon">): BitcoinChain {
  const ends = new Set<() => void>();

  async function block(height: number): Promise<Block | undefined> {
    const found = chain.blockAt(height);
    if (found === undefined) return undefined;
    const { hash, header, transactions } = found;
    const raw = transactions.map((transaction) => transaction.raw.slice());
    return {
      height,
      hash: hash.slice(),
      previousHash: header.previousHash.slice(),
      time: header.time,
      transactions: raw,
    };
  }

  async function broadcast(transaction: Uint8Array): Promise<BroadcastResult> {
    const result = chain.submit(transaction);
    if (result.type === "rejected") return { type: "rejected", reason: result.reason };
    return { type: result.type === "admitted" ? "accepted" : "already_known" };
  }

  return {
    network: "regtest",
    connect: async () => {},
    tip: async () => ({ height: chain.tip.height, hash: chain.tip.hash.slice() }),
    block,
    broadcast,
    unspent: async (outpoint) => chain.unspent(outpoint),
    feeEstimate: async () => chain.feeEstimate,
    relayFee: async () => chain.mempoolMinimum,
    subscribe(listener) {
      let open = true;
      const unsubscribe = chain.subscribe((event) => {
        clock.soon(() => {
          if (!open) return;
          try {
            listener(event);
          } catch {
            // A listener's own fault must not end the process.
          }
        });
      });
      const end = (): void => {
        open = false;
        ends.delete(end);
        unsubscribe();
      };
      ends.add(end);
      return end;
    },
    async close() {
      for (const end of ends) end();
    },
  };
}
