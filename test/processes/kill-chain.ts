import { once } from "node:events";
import { createServer } from "node:net";
import { Chain, serveChain } from "../../src/adapters/chain-embedded/index.ts";
import { systemClock } from "../../src/adapters/system/index.ts";
import { fromHex } from "../../src/core/base/index.ts";
import { addressToScript } from "../../src/core/bitcoin/index.ts";
import { BitcoindRpcError, startBitcoind } from "../support/bitcoind.ts";
import type { OpenOptions } from "./protocol.ts";

/** bitcoind answers so until it has started. */
const IN_WARMUP = -28;

/** The chain under a campaign of kills. */
export type KillChain = {
  readonly access: OpenOptions["chain"];
  height(): Promise<number>;
  mine(blocks: number): Promise<void>;
  /** Pays `amountSat` to `address`; to be mined. The raw transaction. */
  fund(address: string, amountSat: bigint): Promise<Uint8Array>;
  transactionsAt(height: number): Promise<Uint8Array[]>;
  /** kill -9 of the process that has the chain, and a new one; absent where there is none. */
  readonly kill?: () => Promise<void>;
  close(): Promise<void>;
};

/** In this process, for other processes. */
export async function embeddedKillChain(): Promise<KillChain> {
  const clock = systemClock();
  const chain = new Chain(clock);
  chain.mine(110);
  const auth = { type: "password", user: "sluice", password: "kills" } as const;
  const server = await serveChain({ chain, clock, ...auth, port: 0 });
  return {
    access: { url: server.url, auth },
    height: async () => chain.tip.height,
    mine: async (blocks) => void chain.mine(blocks),
    async fund(address, amountSat) {
      const script = addressToScript(address, "regtest");
      if (!script.ok) throw new Error(script.error.type);
      const funded = chain.fund(script.value, amountSat);
      if (!funded.ok) throw new Error(funded.error.type);
      const raw = chain.waiting().at(-1)?.raw;
      if (raw === undefined) throw new Error("what was funded waits for a block");
      return raw;
    },
    transactionsAt: async (height) => (chain.blockAt(height)?.transactions ?? []).map(({ raw }) => raw),
    close: () => server.close(),
  };
}

async function freeEndpoint(): Promise<string> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no port");
  return `tcp://127.0.0.1:${address.port}`;
}

function bytes(hex: string): Uint8Array {
  const found = fromHex(hex);
  if (found === undefined) throw new Error("no hexadecimal");
  return found;
}

/** A real node, with ZMQ. What it was told before a kill it has afterwards, but for its mempool. */
export async function bitcoindKillChain(): Promise<KillChain> {
  const zmq = { hashBlock: await freeEndpoint(), rawTx: await freeEndpoint() };
  const node = await startBitcoind([
    `-zmqpubhashblock=${zmq.hashBlock}`,
    `-zmqpubrawtx=${zmq.rawTx}`,
    // The node's own wallet pays the parties only: what of it a kill undoes is no part of the campaign.
    "-walletbroadcast=1",
  ]);
  await node.mine(110);
  let up: Promise<void> = Promise.resolve();
  /** Asks until somebody answers: the node may be down for a moment. */
  async function asked<T>(method: string, params: readonly unknown[] = []): Promise<T> {
    for (;;) {
      await up;
      try {
        return await node.rpc<T>(method, params);
      } catch (cause) {
        // A refusal is an answer; all else is a node that has just been killed.
        if (cause instanceof BitcoindRpcError && cause.code !== IN_WARMUP) throw cause;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  }
  return {
    access: { url: node.rpcUrl, auth: { type: "cookie", file: node.cookieFile }, pollMs: 500, zmq },
    height: () => asked<number>("getblockcount"),
    async mine(blocks) {
      await asked("generatetoaddress", [blocks, await asked<string>("getnewaddress")]);
      // Flushes: a kill -9 would otherwise undo a hundred blocks, which is no fault that a node has to live with.
      await asked("gettxoutsetinfo");
    },
    async fund(address, amountSat) {
      const btc = `${amountSat / 100_000_000n}.${(amountSat % 100_000_000n).toString().padStart(8, "0")}`;
      const txid = await asked<string>("sendtoaddress", [address, btc]);
      return bytes(await asked<string>("getrawtransaction", [txid]));
    },
    async transactionsAt(height) {
      const hash = await asked<string>("getblockhash", [height]);
      const block = await asked<{ tx: readonly { readonly hex: string }[] }>("getblock", [hash, 2]);
      return block.tx.map(({ hex }) => bytes(hex));
    },
    kill() {
      // One after the other: what is starting can't be started.
      up = up.then(() => node.kill());
      return up;
    },
    close: () => node.stop(),
  };
}
