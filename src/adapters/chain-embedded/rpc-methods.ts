import { asTxid, concatBytes, toHex } from "../../core/base/index.ts";
import { addressToScript } from "../../core/bitcoin/index.ts";
import type { BlockRef } from "../../ports/bitcoin-chain.ts";
import { encodeHeader } from "./block-header.ts";
import type { ChainBlock } from "./block-tree.ts";
import { type Chain, displayHash, type SubmitResult } from "./chain.ts";
import { parseChainTransaction } from "./chain-transaction.ts";
import { MIN_RELAY_FEE, rateOf } from "./policy.ts";
import {
  Amount,
  booleanAt,
  hashAt,
  hexAt,
  integerAt,
  numberAt,
  type Params,
  RPC_CODE,
  RpcError,
  type RpcValue,
  stringAt,
} from "./rpc-values.ts";

export type RpcMethod = (params: Params) => RpcValue | Promise<RpcValue>;

const MAX_BLOCKS_PER_CALL = 10_000;
const MAX_TARGET_BLOCKS = 1008;
/** In bitcoin per 1000 virtual bytes: what `sendrawtransaction` takes for a mistake unless told otherwise. */
const MAX_FEE_RATE = 0.1;

function compactSize(count: number): Uint8Array {
  if (count < 0xfd) return Uint8Array.of(count);
  return count <= 0xffff
    ? Uint8Array.of(0xfd, count & 0xff, count >> 8)
    : Uint8Array.of(0xfe, count & 0xff, (count >> 8) & 0xff, (count >> 16) & 0xff, count >>> 24);
}

function encodeBlock({ header, transactions }: ChainBlock): Uint8Array {
  return concatBytes(encodeHeader(header), compactSize(transactions.length), ...transactions.map(({ raw }) => raw));
}

function relayRate(satPerKvb: number): Amount {
  return new Amount(BigInt(satPerKvb));
}

/** Questions about blocks. */
function blockMethods(chain: Chain): Record<string, RpcMethod> {
  function blockNamed(params: Params): ChainBlock {
    const block = chain.block(hashAt(params, 0));
    if (block === undefined) throw new RpcError(RPC_CODE.notFound, "Block not found");
    return block;
  }

  function describeHeader(block: ChainBlock): { readonly [name: string]: RpcValue } {
    const { header, height } = block;
    const active = chain.isActive(block);
    const next = active ? chain.blockAt(height + 1) : undefined;
    return {
      hash: displayHash(block.hash),
      confirmations: active ? chain.tip.height + 1 - height : -1,
      height,
      version: header.version,
      versionHex: header.version.toString(16).padStart(8, "0"),
      merkleroot: displayHash(header.merkleRoot),
      time: header.time,
      mediantime: active ? chain.medianTime(height) : undefined,
      nonce: header.nonce,
      bits: header.bits.toString(16).padStart(8, "0"),
      nTx: block.transactions.length,
      previousblockhash: height === 0 ? undefined : displayHash(header.previousHash),
      nextblockhash: next && displayHash(next.hash),
    };
  }

  return {
    getblockchaininfo: () => {
      const { tip } = chain;
      return {
        chain: "regtest",
        blocks: tip.height,
        headers: tip.height,
        bestblockhash: displayHash(tip.hash),
        bits: tip.header.bits.toString(16),
        time: tip.header.time,
        mediantime: chain.medianTime(tip.height),
        verificationprogress: 1,
        initialblockdownload: false,
        pruned: false,
        warnings: [],
      };
    },
    getbestblockhash: () => displayHash(chain.tip.hash),
    getblockcount: () => chain.tip.height,
    getblockhash: (params) => {
      const block = chain.blockAt(integerAt(params, 0));
      if (block === undefined) throw new RpcError(RPC_CODE.invalidParameter, "Block height out of range");
      return displayHash(block.hash);
    },
    getblock: (params) => {
      const block = blockNamed(params);
      const verbosity = integerAt(params, 1, 1);
      if (verbosity === 0) return toHex(encodeBlock(block));
      if (verbosity !== 1) throw new RpcError(RPC_CODE.invalidParameter, "verbosity must be 0 or 1");
      return { ...describeHeader(block), tx: block.transactions.map(({ txid }) => displayHash(txid)) };
    },
    getblockheader: (params) => {
      const block = blockNamed(params);
      return booleanAt(params, 1, true) ? describeHeader(block) : toHex(encodeHeader(block.header));
    },
    invalidateblock: (params) => {
      const block = blockNamed(params);
      if (block.height === 0) throw new RpcError(RPC_CODE.invalidParameter, "the first block can't be invalidated");
      chain.invalidate(block);
      return null;
    },
    reconsiderblock: (params) => {
      chain.reconsider(blockNamed(params));
      return null;
    },
  };
}

/** Questions about transactions and what is spent. */
function transactionMethods(chain: Chain): Record<string, RpcMethod> {
  function rejected(result: Extract<SubmitResult, { type: "rejected" }>): RpcError {
    const { reason } = result;
    if (reason.startsWith("TX decode failed")) return new RpcError(RPC_CODE.deserialization, reason);
    const missing = reason === "bad-txns-inputs-missingorspent";
    return new RpcError(missing ? RPC_CODE.verify : RPC_CODE.rejected, reason);
  }

  /** The limit is in bitcoin per 1000 virtual bytes; 0 is none. */
  function tooExpensive(result: SubmitResult, limit: number): boolean {
    if (result.type !== "admitted" || limit === 0) return false;
    return rateOf(result.entry.feeSat, result.entry.virtualSize) > BigInt(Math.round(limit * 1e8));
  }

  function testAccept(raw: Uint8Array, limit: number): RpcValue {
    const parsed = parseChainTransaction(raw);
    const result = chain.test(raw);
    if (!parsed.ok && result.type === "rejected") throw rejected(result);
    const ids = parsed.ok && { txid: displayHash(parsed.value.txid), wtxid: displayHash(parsed.value.wtxid) };
    const reject = (reason: string): RpcValue => ({ ...ids, allowed: false, "reject-reason": reason });
    if (tooExpensive(result, limit)) return reject("max-fee-exceeded");
    switch (result.type) {
      case "rejected":
        // Core's own word here, unlike in `sendrawtransaction`.
        return reject(result.reason === "bad-txns-inputs-missingorspent" ? "missing-inputs" : result.reason);
      case "already_known":
        return reject(result.where === "mempool" ? "txn-already-in-mempool" : "txn-already-known");
      case "admitted":
        return {
          ...ids,
          allowed: true,
          vsize: result.entry.virtualSize,
          fees: { base: new Amount(result.entry.feeSat) },
        };
    }
  }

  return {
    sendrawtransaction: (params) => {
      const raw = hexAt(params, 0, RPC_CODE.deserialization);
      const limit = numberAt(params, 1, MAX_FEE_RATE);
      const tested = chain.test(raw);
      if (tooExpensive(tested, limit)) throw new RpcError(RPC_CODE.verify, "Fee exceeds maximum configured by user");
      const result = chain.submit(raw);
      if (result.type === "rejected") throw rejected(result);
      if (result.type === "already_known" && result.where === "block") {
        throw new RpcError(RPC_CODE.alreadyInChain, "Transaction outputs already in utxo set");
      }
      const parsed = parseChainTransaction(raw);
      return parsed.ok ? displayHash(parsed.value.txid) : null;
    },
    testmempoolaccept: (params) => {
      const [list] = params;
      if (!Array.isArray(list) || list.length !== 1) {
        throw new RpcError(RPC_CODE.invalidParameter, "exactly one transaction can be tested");
      }
      return [testAccept(hexAt(list, 0, RPC_CODE.deserialization), numberAt(params, 1, MAX_FEE_RATE))];
    },
    gettxout: (params) => {
      const outpoint = { txid: asTxid(hashAt(params, 0)), index: integerAt(params, 1) };
      const output = chain.unspent(outpoint, { mempool: booleanAt(params, 2, true) });
      if (output === undefined) return null;
      return {
        bestblock: displayHash(chain.tip.hash),
        confirmations: output.confirmations,
        value: new Amount(output.amountSat),
        scriptPubKey: { hex: toHex(output.script) },
        coinbase: output.coinbase,
      };
    },
    getrawtransaction: (params) => {
      const key = toHex(hashAt(params, 0));
      if (params[1] !== undefined && params[1] !== false && params[1] !== 0) {
        throw new RpcError(RPC_CODE.invalidParameter, "only the raw transaction can be given");
      }
      if (params[2] === undefined || params[2] === null) {
        const waiting = chain.waitingTransaction(key);
        if (waiting !== undefined) return toHex(waiting.raw);
        throw new RpcError(RPC_CODE.notFound, "No such mempool transaction. Provide a block hash to look in a block.");
      }
      const block = chain.block(hashAt(params, 2));
      if (block === undefined) throw new RpcError(RPC_CODE.notFound, "Block hash not found");
      const found = block.transactions.find((transaction) => transaction.key === key);
      if (found === undefined)
        throw new RpcError(RPC_CODE.notFound, "No such transaction found in the provided block.");
      return toHex(found.raw);
    },
    getrawmempool: (params) => {
      if (booleanAt(params, 0, false))
        throw new RpcError(RPC_CODE.invalidParameter, "only a list of txids can be given");
      return chain.waiting().map(({ txid }) => displayHash(txid));
    },
    getmempoolinfo: () => {
      const waiting = chain.waiting();
      return {
        loaded: true,
        size: waiting.length,
        bytes: waiting.reduce((sum, { virtualSize }) => sum + virtualSize, 0),
        mempoolminfee: relayRate(chain.mempoolMinimum),
        minrelaytxfee: relayRate(MIN_RELAY_FEE),
        incrementalrelayfee: relayRate(MIN_RELAY_FEE),
        fullrbf: true,
      };
    },
    getnetworkinfo: () => ({
      version: 290000,
      subversion: "/sluice-embedded/",
      connections: 0,
      networkactive: false,
      relayfee: relayRate(MIN_RELAY_FEE),
      incrementalfee: relayRate(MIN_RELAY_FEE),
      warnings: [],
    }),
    estimatesmartfee: (params) => {
      const blocks = integerAt(params, 0);
      if (blocks < 1 || blocks > MAX_TARGET_BLOCKS) {
        throw new RpcError(
          RPC_CODE.invalidParameter,
          `Invalid conf_target, must be between 1 and ${MAX_TARGET_BLOCKS}`,
        );
      }
      const rate = chain.feeEstimate;
      if (rate === undefined) return { errors: ["Insufficient data or no feerate found"], blocks };
      return { feerate: relayRate(rate), blocks };
    },
  };
}

function scriptOfAddress(address: string): Uint8Array {
  const script = addressToScript(address, "regtest");
  if (!script.ok) throw new RpcError(RPC_CODE.notFound, "Error: Invalid address");
  return script.value;
}

function miningMethods(chain: Chain): Record<string, RpcMethod> {
  function generate(params: Params, script: Uint8Array): RpcValue {
    const count = integerAt(params, 0);
    if (count < 0 || count > MAX_BLOCKS_PER_CALL) {
      throw new RpcError(RPC_CODE.invalidParameter, `at most ${MAX_BLOCKS_PER_CALL} blocks can be made at once`);
    }
    if (count === 0) return [];
    const mined = chain.mine(count, { script });
    if (!mined.ok) throw new RpcError(RPC_CODE.verify, mined.error.reason);
    return mined.value.map(({ hash }: BlockRef) => displayHash(hash));
  }

  return {
    generatetoaddress: (params) => generate(params, scriptOfAddress(stringAt(params, 1))),
    generatetoscript: (params) => generate(params, hexAt(params, 1)),
  };
}

/** All methods but the one that waits. Codes and reasons are those of Bitcoin Core, where it has the method. */
export function rpcMethods(chain: Chain): ReadonlyMap<string, RpcMethod> {
  return new Map(Object.entries({ ...blockMethods(chain), ...transactionMethods(chain), ...miningMethods(chain) }));
}
