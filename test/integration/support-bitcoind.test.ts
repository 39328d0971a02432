import { existsSync } from "node:fs";
import { expect, it } from "vitest";
import { BitcoindRpcError, findBitcoind, startBitcoind } from "../support/bitcoind.ts";

it.skipIf(findBitcoind() === undefined)(
  "starts, mines, restarts with its wallet, and leaves nothing behind",
  async () => {
    const node = await startBitcoind();
    try {
      await node.mine(101);
      await expect(node.rpc("nosuchmethod")).rejects.toThrow(BitcoindRpcError);
      await node.restart();
      expect(await node.rpc<number>("getblockcount")).toBe(101);
      expect(await node.rpc<number>("getbalance")).toBe(50);
      const address = await node.rpc<string>("getnewaddress");
      expect(await node.send(address, 100_000n)).toMatch(/^[0-9a-f]{64}$/);
    } finally {
      await node.stop();
    }
    expect(existsSync(node.dir)).toBe(false);
  },
);
