// An ending of the model, played again on a chain that checks signatures and runs scripts: it has to say the same.
import type { Chain } from "../../src/adapters/chain-embedded/index.ts";
import { equalBytes } from "../../src/core/base/index.ts";
import type { ChainEvent } from "./onchain-chain.ts";

/** Plays the events of a model chain. Returns what the chain says otherwise than the model did, or has otherwise on `script`. */
export function replay(
  chain: Chain,
  events: readonly ChainEvent[],
  script: Uint8Array,
  wealth: bigint,
): string | undefined {
  const first = chain.tip.height;
  // What the model let go of still waits here, until a block has something else.
  let mempoolsDiffer = false;
  for (const event of events) {
    if (event.type === "reorganise") mempoolsDiffer = event.dropped;
    if (event.type === "mine") mempoolsDiffer = false;
    const problem = play(chain, event, mempoolsDiffer);
    if (problem !== undefined) return problem;
  }
  const has = balance(chain, first, script);
  return has === wealth ? undefined : `it has ${has}, not ${wealth}`;
}

function balance(chain: Chain, first: number, script: Uint8Array): bigint {
  let has = 0n;
  for (let height = first; height <= chain.tip.height; height++) {
    for (const { transaction, txid } of chain.blockAt(height)?.transactions ?? []) {
      for (const [index, output] of transaction.outputs.entries()) {
        if (!equalBytes(output.script, script)) continue;
        has += chain.unspent({ txid, index }, { mempool: false })?.amountSat ?? 0n;
      }
    }
  }
  return has;
}

function play(chain: Chain, event: ChainEvent, mempoolsDiffer: boolean): string | undefined {
  switch (event.type) {
    case "submit": {
      const result = chain.submit(event.raw);
      if (mempoolsDiffer || (result.type !== "rejected") === event.admitted) return undefined;
      return result.type === "rejected" ? `a transaction is refused: ${result.reason}` : "a transaction is taken";
    }
    case "mine": {
      const mined = chain.mine(1, { transactions: event.raws });
      return mined.ok ? undefined : `a block is refused: ${mined.error.reason}`;
    }
    case "reorganise": {
      const block = chain.blockAt(chain.tip.height - event.depth + 1);
      if (block === undefined) throw new Error("no such block");
      chain.invalidate(block);
      return undefined;
    }
  }
}
