import { readFileSync } from "node:fs";
import { MessageChannel, receiveMessageOnPort, Worker } from "node:worker_threads";
import { fromHex, type Satoshi, type Txid, toHex } from "../../src/core/base/index.ts";
import { parseTransaction, scriptToAddress, type Transaction, transactionId } from "../../src/core/bitcoin/index.ts";
import { BitcoindRpcError } from "./bitcoind.ts";
import type { PairBlock, PairChain } from "./chain-pair.ts";

type Answer = { readonly result?: unknown; readonly code?: number; readonly message?: string };

/** Asks for the main thread, which waits: `flag` is 1 once the answer is there. */
const ASKER = `
const { workerData } = require("node:worker_threads");
const { port, flag, url, authorization } = workerData;
port.on("message", async ({ method, params }) => {
  let answer;
  try {
    const body = JSON.stringify({ jsonrpc: "1.0", id: method, method, params });
    const response = await fetch(url, { method: "POST", headers: { authorization }, body });
    const { result, error } = await response.json();
    answer = error ? { code: error.code, message: error.message } : { result };
  } catch (error) {
    answer = { code: 0, message: String(error) };
  }
  port.postMessage(answer);
  Atomics.store(flag, 0, 1);
  Atomics.notify(flag, 0);
});
`;

/** The chain of a real node, for tests that go step by step: each call returns when the node has answered. */
export class BlockingBitcoind implements PairChain {
  private readonly worker: Worker;
  private readonly port: MessageChannel["port1"];
  private readonly flag = new Int32Array(new SharedArrayBuffer(4));
  private readonly blocks = new Map<string, PairBlock>();
  /** Blocks, by hash, in which a transaction stands or stood. */
  private readonly mined = new Map<string, string[]>();
  private address: string;
  /** Hashes by height, as far as asked for: nobody else changes the chain. */
  private readonly hashes = new Map<number, string>();
  private height: number;

  constructor({ rpcUrl, cookieFile }: { readonly rpcUrl: string; readonly cookieFile: string }) {
    const { port1, port2 } = new MessageChannel();
    this.port = port1;
    const authorization = `Basic ${Buffer.from(readFileSync(cookieFile, "utf8")).toString("base64")}`;
    this.worker = new Worker(ASKER, {
      eval: true,
      workerData: { port: port2, flag: this.flag, url: rpcUrl, authorization },
      transferList: [port2],
    });
    this.address = this.rpc<string>("getnewaddress");
    this.height = this.rpc<number>("getblockcount");
  }

  rpc<T = unknown>(method: string, params: readonly unknown[] = []): T {
    Atomics.store(this.flag, 0, 0);
    this.port.postMessage({ method, params });
    Atomics.wait(this.flag, 0, 0);
    // The answer may take a moment longer to the port than the flag.
    for (;;) {
      const message = receiveMessageOnPort(this.port) as { message: Answer } | undefined;
      if (message === undefined) continue;
      const { result, code, message: text } = message.message;
      if (code !== undefined) throw new BitcoindRpcError(method, code, text ?? "");
      return result as T;
    }
  }

  async stop(): Promise<void> {
    this.port.close();
    await this.worker.terminate();
  }

  get tip(): { readonly height: number } {
    return { height: this.height };
  }

  blockAt(height: number): PairBlock | undefined {
    const hash = this.hashes.get(height) ?? this.rpc<string>("getblockhash", [height]);
    this.hashes.set(height, hash);
    const known = this.blocks.get(hash);
    if (known !== undefined) return known;
    const { tx } = this.rpc<{ tx: readonly { hex: string }[] }>("getblock", [hash, 2]);
    const block = { hash: fromHex(hash) ?? new Uint8Array(0), transactions: tx.map(({ hex }) => parsed(hex)) };
    for (const { txid } of block.transactions) {
      this.mined.set(toHex(txid), [...(this.mined.get(toHex(txid)) ?? []), hash]);
    }
    this.blocks.set(hash, block);
    return block;
  }

  submit(raw: Uint8Array): ReturnType<PairChain["submit"]> {
    try {
      this.rpc("sendrawtransaction", [toHex(raw), 0]);
      return { type: "admitted" };
    } catch (error) {
      if (!(error instanceof BitcoindRpcError)) throw error;
      const { txid } = parsed(toHex(raw));
      const isMined = (this.mined.get(toHex(txid)) ?? []).some(
        (hash) => this.rpc<{ confirmations: number }>("getblockheader", [hash]).confirmations > 0,
      );
      return isMined ? { type: "already_known" } : { type: "rejected", reason: error.message };
    }
  }

  mine(count: number, options: { readonly transactions?: readonly Uint8Array[] } = {}): { readonly ok: boolean } {
    const { transactions } = options;
    if (transactions === undefined) this.rpc("generatetoaddress", [count, this.address]);
    else {
      for (let n = 0; n < count; n++) {
        this.rpc("generateblock", [this.address, n === 0 ? transactions.map((raw) => toHex(raw)) : []]);
      }
    }
    // Read now, so that what is mined is known as such.
    for (let n = 0; n < count; n++) this.blockAt(++this.height);
    return { ok: true };
  }

  fund(script: Uint8Array, amountSat: bigint): ReturnType<PairChain["fund"]> {
    const address = scriptToAddress(script, "regtest");
    const displayed = this.rpc<string>("sendtoaddress", [address, Number(amountSat) / 1e8]);
    const { hex } = this.rpc<{ hex: string }>("gettransaction", [displayed]);
    const { txid, transaction } = parsed(hex);
    const index = transaction.outputs.findIndex((output) => toHex(output.script) === toHex(script));
    return { ok: true, value: { txid, index } };
  }

  invalidate({ hash }: PairBlock): void {
    this.rpc("invalidateblock", [toHex(hash)]);
    // The next block must not be the one that was just refused.
    this.address = this.rpc<string>("getnewaddress");
    this.height = this.rpc<number>("getblockcount");
    for (const height of [...this.hashes.keys()]) if (height > this.height) this.hashes.delete(height);
  }

  unspent({
    txid,
    index,
  }: {
    readonly txid: Txid;
    readonly index: number;
  }): { readonly amountSat: Satoshi } | undefined {
    const found = this.rpc<{ value: number } | null>("gettxout", [toHex(txid.toReversed()), index]);
    return found === null ? undefined : { amountSat: BigInt(Math.round(found.value * 1e8)) as Satoshi };
  }
}

function parsed(hex: string): { readonly txid: Txid; readonly transaction: Transaction } {
  const transaction = parseTransaction(fromHex(hex) ?? new Uint8Array(0));
  if (!transaction.ok) throw new Error(transaction.error.reason);
  return { txid: transactionId(transaction.value), transaction: transaction.value };
}
