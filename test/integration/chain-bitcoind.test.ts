import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type BitcoindChain, type BitcoindOptions, bitcoindChain } from "../../src/adapters/chain-bitcoind/index.ts";
import { systemClock } from "../../src/adapters/system/index.ts";
import { toHex, txidFromDisplay } from "../../src/core/base/index.ts";
import { parseTransaction } from "../../src/core/bitcoin/index.ts";
import type { ChainEvent, Outpoint } from "../../src/ports/bitcoin-chain.ts";
import { type ChainFixture, describeBitcoinChain } from "../support/bitcoin-chain-suite.ts";
import { type Bitcoind, findBitcoind, startBitcoind } from "../support/bitcoind.ts";

type ZmqPorts = { readonly hashBlock: string; readonly rawTx: string };

async function freeEndpoint(): Promise<string> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  server.close();
  await once(server, "close");
  return `tcp://127.0.0.1:${address.port}`;
}

async function startWithZmq(): Promise<{ node: Bitcoind; zmq: ZmqPorts }> {
  const zmq = { hashBlock: await freeEndpoint(), rawTx: await freeEndpoint() };
  const node = await startBitcoind([`-zmqpubhashblock=${zmq.hashBlock}`, `-zmqpubrawtx=${zmq.rawTx}`]);
  // Many coins that can be spent at once, so that no test builds on the unconfirmed change of another.
  await node.mine(150);
  return { node, zmq };
}

function chainOf(node: Bitcoind, more: Partial<BitcoindOptions> = {}): BitcoindChain {
  return bitcoindChain({
    url: node.rpcUrl,
    auth: { type: "cookie", file: node.cookieFile },
    network: "regtest",
    pollMs: 100,
    requestTimeoutMs: 20_000,
    clock: systemClock(),
    ...more,
  });
}

async function fund(node: Bitcoind, script: Uint8Array, amountSat: bigint): Promise<Outpoint> {
  const { address } = await node.rpc<{ address: string }>("decodescript", [toHex(script)]);
  const displayed = await node.send(address, amountSat);
  const txid = txidFromDisplay(displayed);
  if (txid === undefined) throw new Error(`not a txid: ${displayed}`);
  const { vout } = await node.rpc<{ vout: { n: number; scriptPubKey: { hex: string } }[] }>("getrawtransaction", [
    displayed,
    true,
  ]);
  const index = vout.findIndex((output) => output.scriptPubKey.hex === toHex(script));
  return { txid, index };
}

/** What `invalidateblock` throws out returns to the mempool; `generateblock` with no transactions leaves it there. */
async function reorganise(node: Bitcoind, depth: number): Promise<void> {
  const height = await node.rpc<number>("getblockcount");
  await node.rpc("invalidateblock", [await node.rpc<string>("getblockhash", [height - depth + 1])]);
  const address = await node.rpc<string>("getnewaddress");
  for (let i = 0; i <= depth; i++) await node.rpc("generateblock", [address, []]);
}

function fixtureOf(node: Bitcoind, chain: BitcoindChain): ChainFixture {
  return {
    chain,
    mine: async (count) => void (await node.mine(count)),
    fund: (script, amountSat) => fund(node, script, amountSat),
    reorganise: (depth) => reorganise(node, depth),
    close: () => chain.close(),
  };
}

/** The next event of this type whose sending the caller's action brings about. */
function next(chain: BitcoindChain, wanted: (event: ChainEvent) => boolean): Promise<ChainEvent> {
  return new Promise((resolve) => {
    const end = chain.subscribe((event) => {
      if (!wanted(event)) return;
      end();
      resolve(event);
    });
  });
}

/** Its only input spends nothing: no transaction has that id. */
const isCoinbase = (raw: Uint8Array): boolean => {
  const parsed = parseTransaction(raw);
  return parsed.ok && parsed.value.inputs.every(({ txid }) => txid.every((byte) => byte === 0));
};

const isTip = (event: ChainEvent): boolean => event.type === "tip";

function readCookie(node: Bitcoind): string {
  return readFileSync(node.cookieFile, "utf8");
}

/** What a careful operator would allow us, and what the test itself needs. */
const ALLOWED = [
  ...["getblockchaininfo", "getbestblockhash", "getblockhash", "getblock", "getrawmempool", "getrawtransaction"],
  ...["createwallet", "getnewaddress", "generatetoaddress"],
];

describe.skipIf(findBitcoind() === undefined)("chain-bitcoind", () => {
  let node: Bitcoind;
  let zmq: ZmqPorts;

  beforeAll(async () => {
    ({ node, zmq } = await startWithZmq());
  });
  afterAll(() => node.stop());

  async function opened<T>(chain: BitcoindChain, use: (chain: BitcoindChain) => Promise<T>): Promise<T> {
    try {
      return await use(chain);
    } finally {
      await chain.close();
    }
  }

  describeBitcoinChain("bitcoind, polled", async () => {
    const chain = chainOf(node);
    await chain.connect();
    return fixtureOf(node, chain);
  });

  describeBitcoinChain("bitcoind, with ZMQ", async () => {
    const chain = chainOf(node, { zmq });
    await chain.connect();
    return fixtureOf(node, chain);
  });

  it("publishes at both endpoints, or the ZMQ tests would test nothing", async () => {
    const published = await node.rpc<{ type: string; address: string }[]>("getzmqnotifications");
    expect(published.map(({ type, address }) => [type, address])).toEqual(
      expect.arrayContaining([
        ["pubhashblock", zmq.hashBlock],
        ["pubrawtx", zmq.rawTx],
      ]),
    );
  });

  describe("where only one way leads to the news", () => {
    const never = 3_600_000;

    /** Mines until a first event shows that the way is open: a subscription takes effect some time after `connect`. */
    async function openWay(chain: BitcoindChain, wanted: (event: ChainEvent) => boolean): Promise<void> {
      let open = false;
      const heard = next(chain, wanted).then(() => {
        open = true;
      });
      while (!open) await node.mine(1);
      await heard;
    }

    it("hears of blocks by ZMQ alone", async () => {
      await opened(chainOf(node, { zmq: { hashBlock: zmq.hashBlock }, pollMs: never }), async (chain) => {
        await chain.connect();
        await openWay(chain, isTip);
        const before = await chain.tip();
        const heard = next(chain, isTip);
        await node.mine(1);
        await heard;
        expect((await chain.tip()).height).toBe(before.height + 1);
      });
    });

    it("hears of transactions by ZMQ alone", async () => {
      await opened(chainOf(node, { zmq: { rawTx: zmq.rawTx }, pollMs: never }), async (chain) => {
        await chain.connect();
        // A block's transactions are published as well.
        await openWay(chain, (event) => event.type === "mempool");
        const seen: string[] = [];
        const heard = new Promise<void>((resolve) => {
          chain.subscribe((event) => {
            // A block's transactions are published as well: the coinbase of one that opened the way may come late.
            if (event.type !== "mempool" || isCoinbase(event.transaction)) return;
            if (seen.push(toHex(event.transaction)) === 2) resolve();
          });
        });
        const raw: string[] = [];
        for (const amountSat of [20_000n, 30_000n]) {
          const txid = await node.send(await node.rpc<string>("getnewaddress"), amountSat);
          raw.push(await node.rpc<string>("getrawtransaction", [txid]));
        }
        await heard;
        expect(seen).toEqual(raw);
      });
    });

    it("hears of blocks by waitfornewblock alone, and of a tip that is taken back", async () => {
      // The wait's own limit, in the place of a timer: what falls between two waits is found when it runs out.
      await opened(chainOf(node, { pollMs: 1_000 }), async (chain) => {
        await chain.connect();
        // One block, so that what was heard of is the tip: of a second one, not seen before it was taken back, nobody would hear.
        const first = next(chain, isTip);
        await node.mine(1);
        await first;
        const heard = next(chain, isTip);
        const tip = await chain.tip();
        const hash = await node.rpc<string>("getbestblockhash");
        await node.rpc("invalidateblock", [hash]);
        await heard;
        expect((await chain.tip()).height).toBe(tip.height - 1);
        await node.rpc("reconsiderblock", [hash]);
      });
    });
  });

  it("follows a node over a restart, which changes its cookie, and says so", async () => {
    await opened(chainOf(node, { zmq }), async (chain) => {
      await chain.connect();
      await node.mine(1);
      const tip = await chain.tip();
      const before = readFileSync(node.cookieFile, "utf8");
      const back = new Promise<void>((resolve) => {
        chain.subscribe((event) => {
          if (event.type === "tip" && readCookie(node) !== before) resolve();
        });
      });
      await node.restart();
      expect(readCookie(node)).not.toBe(before);
      expect(await chain.tip()).toEqual(tip);
      await back;
      const heard = next(chain, (event) => event.type === "mempool");
      await node.send(await node.rpc<string>("getnewaddress"), 20_000n);
      await heard;
    });
  });

  describe("connect", () => {
    it("refuses a node of another network", async () => {
      await opened(chainOf(node, { network: "main" }), async (chain) => {
        const message = "the node is on regtest, we are on main";
        await expect(chain.connect()).rejects.toMatchObject({ code: "wrong_network", retryable: false, message });
      });
    });

    it("says that credentials are wrong, and does not repeat them", async () => {
      const auth = { type: "password", user: "someone", password: "not-the-password" } as const;
      await opened(chainOf(node, { auth }), async (chain) => {
        const error = await chain.connect().catch((thrown: unknown) => thrown);
        expect(error).toMatchObject({ code: "unauthorized", retryable: false });
        expect(String(error)).toContain(node.rpcUrl);
        expect(String(error)).not.toMatch(/someone|not-the-password/);
      });
    });

    it("takes the content of a cookie as a name and a password", async () => {
      const [user = "", password = ""] = readCookie(node).split(":");
      await opened(chainOf(node, { auth: { type: "password", user, password } }), (chain) => chain.connect());
    });

    it("works at a node that allows neither waiting for blocks nor ZMQ", async () => {
      const guarded = await startBitcoind(["-rpcwhitelistdefault=0", `-rpcwhitelist=__cookie__:${ALLOWED.join(",")}`]);
      try {
        await guarded.mine(101);
        await opened(chainOf(guarded), async (chain) => {
          await chain.connect();
          for (let i = 0; i < 2; i++) {
            const heard = next(chain, isTip);
            await guarded.mine(1);
            await heard;
          }
          await expect(guarded.rpc("waitfornewblock", [1])).rejects.toThrow();
        });
      } finally {
        await guarded.stop();
      }
    });
  });
});
