import { bitcoindChain } from "../../src/adapters/chain-bitcoind/index.ts";
import { Chain, serveChain } from "../../src/adapters/chain-embedded/index.ts";
import { systemClock } from "../../src/adapters/system/index.ts";
import { type ChainFixture, describeBitcoinChain } from "../support/bitcoin-chain-suite.ts";

async function open(): Promise<ChainFixture> {
  const chain = new Chain(systemClock());
  chain.mine(101);
  const auth = { user: "sluice", password: "between processes" };
  const server = await serveChain({ chain, clock: systemClock(), ...auth, port: 0 });
  const client = bitcoindChain({
    url: server.url,
    auth: { type: "password", ...auth },
    network: "regtest",
    pollMs: 50,
    requestTimeoutMs: 10_000,
    clock: systemClock(),
  });
  await client.connect();
  return {
    chain: client,
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
    async close() {
      await client.close();
      await server.close();
    },
  };
}

describeBitcoinChain("the embedded chain, served and read as bitcoind is,", open);
