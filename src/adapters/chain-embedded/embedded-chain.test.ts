import { type ChainFixture, describeBitcoinChain } from "../../../test/support/bitcoin-chain-suite.ts";
import { Chain } from "./chain.ts";
import { embeddedChain } from "./embedded-chain.ts";

const CLOCK = { now: () => 1_750_000_000_000, soon: (action: () => void) => void setImmediate(action) };

async function open(): Promise<ChainFixture> {
  const chain = new Chain(CLOCK);
  chain.mine(101);
  const view = embeddedChain(chain, CLOCK);
  return {
    chain: view,
    async mine(count) {
      chain.mine(count);
    },
    async fund(script, amountSat) {
      const funded = chain.fund(script, amountSat);
      if (!funded.ok) throw new Error(JSON.stringify(funded.error));
      return funded.value;
    },
    async reorganise(depth) {
      const block = chain.blockAt(chain.tip.height + 1 - depth);
      if (block === undefined) throw new Error("deeper than the chain");
      chain.invalidate(block);
      chain.mine(depth + 1, { transactions: [] });
    },
    close: () => view.close(),
  };
}

describeBitcoinChain("embeddedChain", open);
