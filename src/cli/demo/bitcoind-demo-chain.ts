import { mkdirSync } from "node:fs";
import { bitcoindChain, systemClock } from "../../node/index.ts";
import { environmentFailure } from "../failure.ts";
import { findBitcoind, startBitcoind } from "./bitcoind-process.ts";
import { BLOCKS_FOR_FAUCET, type DemoChain } from "./demo-chain.ts";

/** Each look tells of new transactions in the mempool; blocks are told at once anyway. */
const POLL_MS = 50;
const REQUEST_TIMEOUT_MS = 30_000;

/** As the RPC reads it: a decimal fraction without loss. */
function bitcoins(amountSat: bigint): string {
  return `${amountSat / 100_000_000n}.${(amountSat % 100_000_000n).toString().padStart(8, "0")}`;
}

/** Bitcoin Core on a regtest chain of its own, whose wallet is the faucet. Throws Failure where it can't be used. */
export async function bitcoindDemoChain(directory: string): Promise<DemoChain> {
  const path = findBitcoind();
  mkdirSync(directory);
  const node = await startBitcoind(path, directory);
  const clock = systemClock();
  try {
    await node.rpc("createwallet", "faucet").catch((cause: unknown) => {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw environmentFailure("bitcoind_wallet", `${path} must be built with its wallet: ${why}`, cause);
    });
    const address = await node.rpc("getnewaddress");
    const info = await node.rpc("getnetworkinfo");
    const version = typeof info === "object" && info !== null && "subversion" in info ? info.subversion : "";
    const mine = async (blocks: number): Promise<number> => {
      await node.rpc("generatetoaddress", blocks, address);
      return Number(await node.rpc("getblockcount"));
    };
    await mine(BLOCKS_FOR_FAUCET);
    return {
      description: `${path} ${version}, on a regtest chain of its own`,
      async view() {
        const auth = { type: "cookie", file: node.cookieFile } as const;
        const common = { network: "regtest", pollMs: POLL_MS, requestTimeoutMs: REQUEST_TIMEOUT_MS, clock } as const;
        const chain = bitcoindChain({ url: node.url, auth, ...common });
        await chain.connect();
        return chain;
      },
      fund: async (to, amountSat) => void (await node.rpc("sendtoaddress", to, bitcoins(amountSat))),
      mine,
      stop: node.stop,
    };
  } catch (cause) {
    await node.stop();
    throw cause;
  }
}
