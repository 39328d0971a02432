import { expect, it } from "vitest";
import { bitcoindChain } from "../../src/adapters/chain-bitcoind/index.ts";
import { systemClock } from "../../src/adapters/system/index.ts";
import { txidToDisplay } from "../../src/core/base/index.ts";
import { addressToScript } from "../../src/core/bitcoin/index.ts";
import { ChainFollower } from "../../src/node/chain-follower.ts";
import type { Batch } from "../../src/node/journal.ts";
import { findBitcoind, startBitcoind } from "../support/bitcoind.ts";
import { parse, unwrap, WalletRows } from "../support/wallet-rows.ts";

it.skipIf(findBitcoind() === undefined)(
  "[LW-3] receives, funds an anchor, builds on its change, withdraws all, and follows a reorganisation on a real node",
  async () => {
    const node = await startBitcoind();
    const clock = systemClock();
    const auth = { type: "cookie", file: node.cookieFile } as const;
    const options = { pollMs: 50, requestTimeoutMs: 10_000, clock, network: "regtest" } as const;
    const chain = bitcoindChain({ url: node.rpcUrl, auth, ...options });
    const rows = new WalletRows();
    const wallet = rows.open(101);
    const batch: Batch = {
      change: (change) => {
        if (!change.type.startsWith("block")) rows.change(change);
      },
      afterCommit: (action) => action(),
      atEnd: () => {},
    };
    let reached = (_hash: string): void => {};
    const follower = new ChainFollower({
      chain,
      clock,
      blocks: [],
      submit: async (work) => work(batch),
      onConnect: (to, { height, hash, transactions }) => {
        wallet.connectBlock(to, height, transactions);
        reached(Buffer.from(hash).reverse().toString("hex"));
      },
      onDisconnect: (from, height) => wallet.disconnectBlock(from, height),
      onTrouble: (error) => {
        throw error;
      },
    });
    /** Mines a block and resolves when it is processed. */
    async function mine(): Promise<string> {
      const connected = new Set<string>();
      let wanted: string | undefined;
      const done = new Promise<void>((resolve) => {
        reached = (hash) => {
          connected.add(hash);
          if (hash === wanted) resolve();
        };
        void node.mine(1).then(([hash = ""]) => {
          wanted = hash;
          if (connected.has(hash)) resolve();
        });
      });
      await done;
      return wanted ?? "";
    }
    async function publish(transaction: Uint8Array): Promise<void> {
      expect(await chain.broadcast(transaction)).toEqual({ type: "accepted" });
      wallet.broadcastNoted(batch, parse(transaction));
    }

    try {
      await node.mine(101);
      await chain.connect();
      await follower.start();
      expect(follower.height).toBe(101);

      await node.send(wallet.newAddress(batch), 300_000n);
      await node.send(wallet.newAddress(batch), 200_000n);
      await mine();
      expect(wallet.balance()).toEqual({ confirmedSat: 500_000n, unconfirmedSat: 0n, reservedSat: 0n });

      const script = unwrap(addressToScript(await node.rpc<string>("getnewaddress"), "regtest"));
      const anchor = { script, amountSat: 400_000n, feeRate: 1000 };
      const first = unwrap(wallet.fund(batch, { ...anchor, channel: 0 }));
      await publish(first.transaction);
      const second = unwrap(wallet.fund(batch, { ...anchor, channel: 1, amountSat: 50_000n }));
      await publish(second.transaction);
      expect(await chain.unspent({ txid: first.txid, index: first.outputIndex })).toMatchObject({
        amountSat: 400_000n,
      });
      const { unconfirmedSat } = wallet.balance();
      const block = await mine();
      expect(wallet.balance()).toEqual({ confirmedSat: unconfirmedSat, unconfirmedSat: 0n, reservedSat: 0n });

      const heightBefore = follower.height;
      await node.rpc("invalidateblock", [block]);
      await mine();
      expect(follower.height).toBe(heightBefore);
      expect(wallet.balance()).toEqual({ confirmedSat: unconfirmedSat, unconfirmedSat: 0n, reservedSat: 0n });

      const all = unwrap(wallet.send(batch, { script, amountSat: "all", feeRate: 1000 }));
      expect(await chain.broadcast(all.transaction)).toEqual({ type: "accepted" });
      await mine();
      expect(wallet.balance()).toEqual({ confirmedSat: 0n, unconfirmedSat: 0n, reservedSat: 0n });
      const known = await node.rpc<{ confirmations: number }>("gettransaction", [txidToDisplay(all.txid)]);
      expect(known.confirmations).toBe(1);
    } finally {
      follower.stop();
      await chain.close();
      await node.stop();
    }
  },
);
