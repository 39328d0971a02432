import { invariant, toHex, txidToDisplay } from "../../core/base/index.ts";
import {
  type BitcoinChain,
  type BitcoinNetwork,
  type Block,
  type BlockRef,
  type BroadcastResult,
  ChainError,
  type Outpoint,
  type UnspentOutput,
} from "../../ports/bitcoin-chain.ts";
import type { Clock } from "../../ports/clock.ts";
import { bytesFromHex, readBlockHash, readFields } from "./answers.ts";
import { chainWatch, type ZmqEndpoints } from "./chain-watch.ts";
import { type JsonRpc, jsonRpc, RPC, type RpcRefusal } from "./json-rpc.ts";
import { parseBlock } from "./parse-block.ts";
import type { RpcAuth } from "./rpc-auth.ts";

export type BitcoindOptions = {
  /** `http://host:port`, without credentials. */
  readonly url: string;
  readonly auth: RpcAuth;
  readonly network: BitcoinNetwork;
  /** Saves work on `main`: without `rawTx` the whole mempool is listed at each poll. Polling goes on where ZMQ fails. */
  readonly zmq?: ZmqEndpoints;
  /** How often to look for news, in whole milliseconds above 0. */
  readonly pollMs: number;
  readonly requestTimeoutMs: number;
  readonly clock: Clock;
};

export type BitcoindChain = BitcoinChain & {
  /**
   * Checks that the node can be asked, is the right one and has caught up, then starts the events: until then there are none. To be
   * called again after a retryable ChainError. A wrong cookie or password is `unauthorized`, another network `wrong_network`.
   */
  connect(): Promise<void>;
};

/** The node reads heights as 32-bit integers. */
const MAX_HEIGHT = 2 ** 31 - 1;
/** The furthest target that estimatesmartfee knows, in blocks. */
const MAX_FEE_TARGET = 1008;

function refused(method: string, { code, message }: RpcRefusal): ChainError {
  return new ChainError("bad_response", `the node refused ${method}: ${message} (${code})`);
}

async function ask(rpc: JsonRpc, method: string, ...params: readonly (string | number | boolean)[]): Promise<unknown> {
  const answer = await rpc.call(method, params);
  if (!answer.ok) throw refused(method, answer.error);
  return answer.value;
}

/**
 * The tip, after a look at whether this is still the right node, as another may stand behind the same url one day. Until a node has
 * caught up it says `initialblockdownload`, and its height would let deadlines look far away. A regtest chain has no
 * pace by which to tell.
 */
async function readTip(rpc: JsonRpc, network: BitcoinNetwork): Promise<BlockRef> {
  const info = readFields("getblockchaininfo", await ask(rpc, "getblockchaininfo"));
  const chain = info.text("chain");
  if (chain !== network) throw new ChainError("wrong_network", `the node is on ${chain}, we are on ${network}`);
  const height = info.whole("blocks");
  if (network !== "regtest" && info.flag("initialblockdownload")) {
    throw new ChainError("node_syncing", `the node has not caught up: it is at block ${height}`);
  }
  return { height, hash: readBlockHash("getblockchaininfo", info.text("bestblockhash")) };
}

async function readBlock(rpc: JsonRpc, height: number): Promise<Block | undefined> {
  invariant(Number.isSafeInteger(height) && height >= 0, `not a height: ${height}`);
  if (height > MAX_HEIGHT) return undefined;
  const named = await rpc.call("getblockhash", [height]);
  if (!named.ok) {
    if (named.error.code === RPC.invalidParameter) return undefined;
    throw refused("getblockhash", named.error);
  }
  const displayed = String(named.value);
  const hash = readBlockHash("getblockhash", named.value);
  const bytes = bytesFromHex(await ask(rpc, "getblock", displayed, 0));
  const block = bytes === undefined ? undefined : parseBlock(bytes);
  if (block === undefined || !block.ok) {
    const at = block === undefined ? "" : ` at byte ${block.error.at}`;
    throw new ChainError("bad_response", `the node sent a malformed block ${displayed}${at}`);
  }
  if (toHex(block.value.hash) !== toHex(hash)) {
    throw new ChainError("bad_response", `the node sent another block than ${displayed}`);
  }
  return { height, ...block.value };
}

/** A transaction with this id waits in the mempool, in these words of various versions. */
const KNOWN = /txn-already-in-mempool|txn-already-known|txn-same-nonwitness-data-in-mempool/;

/**
 * No limit to the fee rate is set (`maxfeerate` 0): the fee was decided where its reasons are known, and a refusal could cost a
 * deadline. Nothing that we send burns an amount, so `maxburnamount`, which old nodes lack, keeps its default 0.
 */
async function send(rpc: JsonRpc, transaction: Uint8Array): Promise<BroadcastResult> {
  const answer = await rpc.call("sendrawtransaction", [toHex(transaction), 0]);
  if (answer.ok) return { type: "accepted" };
  const { code, message } = answer.error;
  if (code === RPC.alreadyInUtxoSet || KNOWN.test(message)) return { type: "already_known" };
  if (code === RPC.deserialization || code === RPC.verifyError || code === RPC.verifyRejected) {
    return { type: "rejected", reason: message };
  }
  // Anything else (a full disk, a node that is closing) is no verdict on the transaction.
  throw refused("sendrawtransaction", answer.error);
}

async function readUnspent(rpc: JsonRpc, { txid, index }: Outpoint): Promise<UnspentOutput | undefined> {
  const answer = await ask(rpc, "gettxout", txidToDisplay(txid), index, true);
  if (answer === null) return undefined;
  const output = readFields("gettxout", answer);
  return {
    amountSat: output.amount("value"),
    script: output.fields("scriptPubKey").bytes("hex"),
    confirmations: output.whole("confirmations"),
    coinbase: output.flag("coinbase"),
  };
}

/** "conservative" by name, since the default differs between versions: a fee that is too low costs a channel more. */
async function estimateFee(rpc: JsonRpc, blocks: number): Promise<number | undefined> {
  const target = Math.min(Math.max(Math.floor(blocks), 1), MAX_FEE_TARGET);
  const answer = await ask(rpc, "estimatesmartfee", target, "conservative");
  if (typeof answer === "object" && answer !== null && !("feerate" in answer)) return undefined;
  const perKvb = readFields("estimatesmartfee", answer).amount("feerate");
  return perKvb === 0n ? undefined : Number(perKvb);
}

async function readRelayFee(rpc: JsonRpc): Promise<number> {
  const info = readFields("getmempoolinfo", await ask(rpc, "getmempoolinfo"));
  return Math.max(Number(info.amount("mempoolminfee")), Number(info.amount("minrelaytxfee")));
}

/** A chain seen through a node compatible with Bitcoin Core. Throws TypeError for an unusable url or endpoint. */
export function bitcoindChain(options: BitcoindOptions): BitcoindChain {
  const { network, pollMs, requestTimeoutMs, clock, zmq = {} } = options;
  invariant(Number.isSafeInteger(pollMs) && pollMs > 0, `not an interval to poll at: ${pollMs} ms`);
  const rpc = jsonRpc(options);
  const watch = chainWatch({ rpc, clock, pollMs, requestTimeoutMs, zmq });
  return {
    network,
    async connect() {
      await readTip(rpc, network);
      await watch.start();
    },
    tip: () => readTip(rpc, network),
    block: (height) => readBlock(rpc, height),
    broadcast: (transaction) => send(rpc, transaction),
    unspent: (outpoint) => readUnspent(rpc, outpoint),
    feeEstimate: (blocks) => estimateFee(rpc, blocks),
    relayFee: () => readRelayFee(rpc),
    subscribe: (listener) => watch.subscribe(listener),
    async close() {
      watch.close();
      rpc.close();
    },
  };
}
