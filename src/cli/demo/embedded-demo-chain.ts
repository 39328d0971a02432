import { addressToScript, Chain, embeddedChain, systemClock } from "../../node/index.ts";
import { BLOCKS_FOR_FAUCET, type DemoChain } from "./demo-chain.ts";

/** A chain in the memory of this process. */
export async function embeddedDemoChain(): Promise<DemoChain> {
  const clock = systemClock();
  const chain = new Chain(clock);
  chain.mine(BLOCKS_FOR_FAUCET);
  return {
    description: "embedded: a chain in this process that keeps Bitcoin's rules",
    view: async () => embeddedChain(chain, clock),
    async fund(address, amountSat) {
      const script = addressToScript(address, "regtest");
      if (!script.ok) throw new Error(`not a regtest address: ${address}`);
      const funded = chain.fund(script.value, amountSat);
      if (!funded.ok) throw new Error(`the faucet could not pay ${amountSat} sat: ${funded.error.type}`);
    },
    async mine(blocks) {
      chain.mine(blocks);
      return chain.tip.height;
    },
    async stop() {},
  };
}
