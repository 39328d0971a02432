import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  type FakeAnswer,
  type FakeBitcoind,
  fakeBitcoind,
  refusal,
  result,
} from "../../../test/support/fake-bitcoind.ts";
import { asTxid, InvariantBroken } from "../../core/base/index.ts";
import { virtualClock } from "../../testing/index.ts";
import { type BitcoindChain, type BitcoindOptions, bitcoindChain } from "./index.ts";

const HASH = `${"00".repeat(4)}${"ab".repeat(28)}`;
const INFO = { chain: "main", blocks: 800_000, bestblockhash: HASH, initialblockdownload: false };
const OUTPOINT = { txid: asTxid(Uint8Array.from({ length: 32 }, (_, i) => i)), index: 3 };

/** The first block of the regtest network and its hash: chainparams.cpp of Bitcoin Core. */
const BLOCK_HASH = "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206";
const BLOCK = `01000000${"00".repeat(32)}3ba3edfd7a7b12b27ac72c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4adae5494dffff7f200200000001${"01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff4d04ffff001d0104455468652054696d65732030332f4a616e2f32303039204368616e63656c6c6f72206f6e206272696e6b206f66207365636f6e64206261696c6f757420666f722062616e6b73ffffffff0100f2052a01000000434104678afdb0fe5548271967f1a67130b7105cd6a828e03909a67962e0ea1f61deb649f6bc3f4cef38c4f35504e51ec112de5c384df7ba0b8d578a4c702b6bf11d5fac00000000"}`;

describe("the chain through bitcoind", () => {
  let answers: Map<string, FakeAnswer>;
  let node: FakeBitcoind;
  let chains: BitcoindChain[];

  beforeEach(async () => {
    answers = new Map([
      ["getblockchaininfo", result(INFO)],
      ["getbestblockhash", result(HASH)],
      ["getrawmempool", result([])],
    ]);
    node = await fakeBitcoind(({ method }) => answers.get(method) ?? refusal(-32601, "Method not found"));
    chains = [];
  });
  afterEach(async () => {
    for (const chain of chains) await chain.close();
    await node.close();
  });

  function open(more: Partial<BitcoindOptions> = {}): BitcoindChain {
    const auth = { type: "password", user: "u", password: "p" } as const;
    const common = { url: node.url, auth, network: "main", pollMs: 1000, requestTimeoutMs: 5000 } as const;
    const chain = bitcoindChain({ ...common, clock: virtualClock(), ...more });
    chains.push(chain);
    return chain;
  }

  const params = (method: string) => node.calls.filter((call) => call.method === method).map((call) => call.params);
  const bad = { name: "ChainError", code: "bad_response", retryable: false };

  describe("connect and tip", () => {
    it("take a node that is on the network and has caught up", async () => {
      const chain = open();
      await chain.connect();
      const tip = await chain.tip();
      expect(tip.height).toBe(800_000);
      expect([tip.hash[0], tip.hash[31]]).toEqual([0xab, 0]);
    });

    it("refuse another network, also when the node is exchanged later", async () => {
      const chain = open();
      await chain.connect();
      answers.set("getblockchaininfo", result({ ...INFO, chain: "testnet4" }));
      const error = { code: "wrong_network", message: "the node is on testnet4, we are on main" };
      await expect(chain.tip()).rejects.toMatchObject(error);
      await expect(open().connect()).rejects.toMatchObject(error);
    });

    it("wait for a node that has not caught up, except on regtest, where it can't know", async () => {
      answers.set("getblockchaininfo", result({ ...INFO, initialblockdownload: true }));
      await expect(open().connect()).rejects.toMatchObject({ code: "node_syncing", retryable: true });
      await expect(open().tip()).rejects.toMatchObject({ code: "node_syncing" });
      answers.set("getblockchaininfo", result({ ...INFO, chain: "regtest", initialblockdownload: true }));
      await open({ network: "regtest" }).connect();
    });

    it("can be tried again", async () => {
      answers.set("getblockchaininfo", refusal(-28, "Verifying blocks"));
      const chain = open();
      await expect(chain.connect()).rejects.toMatchObject({ code: "node_syncing" });
      answers.set("getblockchaininfo", result(INFO));
      await chain.connect();
      await chain.connect();
      expect(params("getrawmempool")).toHaveLength(1);
    });

    it("refuse what is no answer", async () => {
      const values = [null, [], "x", {}, { ...INFO, chain: 1 }, { ...INFO, blocks: -1 }, { ...INFO, blocks: 1.5 }];
      values.push({ ...INFO, bestblockhash: "xy" }, { ...INFO, initialblockdownload: undefined });
      for (const value of values) {
        answers.set("getblockchaininfo", result(value));
        await expect(open().tip()).rejects.toMatchObject(bad);
      }
      answers.set("getblockchaininfo", refusal(-1, "no"));
      await expect(open().tip()).rejects.toMatchObject({ ...bad, message: expect.stringContaining("no (-1)") });
    });
  });

  describe("block", () => {
    beforeEach(() => {
      answers.set("getblockhash", result(BLOCK_HASH));
      answers.set("getblock", result(BLOCK));
    });

    it("asks for the hash at the height, then for the raw block", async () => {
      const block = await open().block(0);
      expect(block).toMatchObject({ height: 0, time: 1_296_688_602, previousHash: new Uint8Array(32) });
      expect(block?.transactions.map((transaction) => transaction.length)).toEqual([204]);
      expect(params("getblockhash")).toEqual([[0]]);
      expect(params("getblock")).toEqual([[BLOCK_HASH, 0]]);
    });

    it("is undefined above the tip, also beyond the heights that a node can read", async () => {
      answers.set("getblockhash", refusal(-8, "Block height out of range"));
      expect(await open().block(1)).toBeUndefined();
      expect(await open().block(2 ** 31)).toBeUndefined();
      expect(params("getblockhash")).toEqual([[1]]);
    });

    it("is not asked for at what is no height", async () => {
      for (const height of [-1, 0.5, Number.NaN]) await expect(open().block(height)).rejects.toThrow(InvariantBroken);
    });

    it("refuses malformed blocks, other blocks and refusals", async () => {
      for (const value of [
        BLOCK.slice(2),
        `${BLOCK}00`,
        BLOCK.replace("0200000001", "0300000001"),
        "xx",
        "",
        null,
        {},
      ]) {
        answers.set("getblock", result(value));
        await expect(open().block(0)).rejects.toMatchObject({
          ...bad,
          message: expect.stringMatching(/malformed|another/),
        });
      }
      answers.set("getblock", refusal(-1, "Block not available (pruned data)"));
      await expect(open().block(0)).rejects.toMatchObject({ ...bad, message: expect.stringContaining("pruned data") });
      for (const value of ["xx", null, 5]) {
        answers.set("getblockhash", result(value));
        await expect(open().block(0)).rejects.toMatchObject(bad);
      }
      answers.set("getblockhash", refusal(-1, "no"));
      await expect(open().block(0)).rejects.toMatchObject(bad);
    });
  });

  describe("broadcast", () => {
    const transaction = Uint8Array.of(1, 2, 0xff);

    it("sends the transaction in hexadecimal, without a limit to its fee", async () => {
      answers.set("sendrawtransaction", result(HASH));
      expect(await open().broadcast(transaction)).toEqual({ type: "accepted" });
      expect(params("sendrawtransaction")).toEqual([["0102ff", 0]]);
    });

    it.each([
      [-27, "Transaction outputs already in utxo set"],
      [-27, "Transaction already in block chain"],
      [-27, "txn-already-in-mempool"],
      [-26, "txn-already-in-mempool"],
      [-26, "txn-already-known"],
      [-26, "txn-same-nonwitness-data-in-mempool"],
      [-26, "257: txn-already-known"],
    ])("knows the transaction already: %i %s", async (code, message) => {
      answers.set("sendrawtransaction", refusal(code, message));
      expect(await open().broadcast(transaction)).toEqual({ type: "already_known" });
    });

    it.each([
      [-22, "TX decode failed. Make sure the tx has at least one input."],
      [-25, "bad-txns-inputs-missingorspent"],
      [-26, "min relay fee not met, 0 < 100"],
      [-26, "insufficient fee, rejecting replacement"],
      [-26, "non-BIP68-final"],
    ])("is rejected with the node's reason: %i %s", async (code, message) => {
      answers.set("sendrawtransaction", refusal(code, message));
      expect(await open().broadcast(transaction)).toEqual({ type: "rejected", reason: message });
    });

    it("takes other refusals for failures of the node, which say nothing about the transaction", async () => {
      for (const code of [-1, -7, -20, -31, -32601, -32603]) {
        answers.set("sendrawtransaction", refusal(code, "no"));
        await expect(open().broadcast(transaction)).rejects.toMatchObject(bad);
      }
    });
  });

  describe("unspent", () => {
    const OUTPUT = {
      bestblock: HASH,
      confirmations: 7,
      value: 0.12345678,
      scriptPubKey: { hex: "0014ab" },
      coinbase: true,
    };

    it("asks for the output with its displayed txid, the mempool included", async () => {
      answers.set("gettxout", result(OUTPUT));
      expect(await open().unspent(OUTPOINT)).toEqual({
        amountSat: 12_345_678n,
        script: Uint8Array.of(0, 0x14, 0xab),
        confirmations: 7,
        coinbase: true,
      });
      expect(params("gettxout")).toEqual([
        ["1f1e1d1c1b1a191817161514131211100f0e0d0c0b0a09080706050403020100", 3, true],
      ]);
    });

    it("is undefined where the node has none", async () => {
      answers.set("gettxout", result(null));
      expect(await open().unspent(OUTPOINT)).toBeUndefined();
    });

    it("refuses what is no output", async () => {
      const values: unknown[] = [
        1,
        {},
        { ...OUTPUT, value: "1.0" },
        { ...OUTPUT, value: 1e-9 },
        { ...OUTPUT, value: -1 },
      ];
      values.push(
        { ...OUTPUT, scriptPubKey: null },
        { ...OUTPUT, scriptPubKey: { hex: "0" } },
        { ...OUTPUT, coinbase: 1 },
      );
      for (const value of values) {
        answers.set("gettxout", result(value));
        await expect(open().unspent(OUTPOINT)).rejects.toMatchObject(bad);
      }
    });
  });

  describe("fees", () => {
    it("are estimated conservatively, in satoshi per 1000 virtual bytes", async () => {
      answers.set("estimatesmartfee", result({ feerate: 0.00012345, blocks: 6 }));
      expect(await open().feeEstimate(6)).toBe(12_345);
      expect(params("estimatesmartfee")).toEqual([[6, "conservative"]]);
    });

    it("are estimated for the nearest target that the node knows", async () => {
      answers.set("estimatesmartfee", result({ feerate: 0.00001, blocks: 2 }));
      for (const blocks of [0, -5, 2.5, 5000]) await open().feeEstimate(blocks);
      expect(params("estimatesmartfee").map(([target]) => target)).toEqual([1, 1, 2, 1008]);
    });

    it("are unknown where the node has no estimate", async () => {
      for (const value of [
        { errors: ["Insufficient data or no feerate found"], blocks: 2 },
        { feerate: 0, blocks: 2 },
      ]) {
        answers.set("estimatesmartfee", result(value));
        expect(await open().feeEstimate(2)).toBeUndefined();
      }
    });

    it("are refused where they are no rate", async () => {
      for (const value of [null, 1, { feerate: "0.1" }, { feerate: -1 }]) {
        answers.set("estimatesmartfee", result(value));
        await expect(open().feeEstimate(2)).rejects.toMatchObject(bad);
      }
    });

    it("for relaying are those of a full mempool, or else of the node's policy", async () => {
      answers.set("getmempoolinfo", result({ mempoolminfee: 0.00001, minrelaytxfee: 0.000012 }));
      expect(await open().relayFee()).toBe(1200);
      answers.set("getmempoolinfo", result({ mempoolminfee: 0.00005001, minrelaytxfee: 0.00001 }));
      expect(await open().relayFee()).toBe(5001);
      answers.set("getmempoolinfo", result({ mempoolminfee: 0.00005001 }));
      await expect(open().relayFee()).rejects.toMatchObject(bad);
    });
  });

  it("refuses options that can't work", () => {
    for (const pollMs of [0, -1, 0.5, Number.NaN]) expect(() => open({ pollMs })).toThrow(InvariantBroken);
    for (const endpoint of ["127.0.0.1:1", "tcp://127.0.0.1", "ipc:///tmp/x", "http://a:1", ""]) {
      expect(() => open({ zmq: { hashBlock: endpoint } })).toThrow(TypeError);
      expect(() => open({ zmq: { rawTx: endpoint } })).toThrow(TypeError);
    }
  });
});
