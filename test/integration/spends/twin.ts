import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { expect } from "vitest";
import { displayHash } from "../../../src/adapters/chain-embedded/chain.ts";
import { Chain } from "../../../src/adapters/chain-embedded/index.ts";
import { rpcMethods } from "../../../src/adapters/chain-embedded/rpc-methods.ts";
import { toHex, txidToDisplay } from "../../../src/core/base/index.ts";
import { serializeTransaction, type Transaction, transactionId } from "../../../src/core/bitcoin/index.ts";
import { type Bitcoind, findBitcoind, startBitcoind } from "../../support/bitcoind.ts";
import { ANYBODY, type Lock, randomLocks } from "./locks.ts";
import type { Random } from "./random.ts";
import type { LockedCoin } from "./spend.ts";

type Answer = { readonly result: unknown; readonly error: { readonly code: number; readonly message: string } | null };

/** A real node and an embedded chain with the same blocks: the embedded one makes them. */
export type Twin = {
  readonly chain: Chain;
  readonly node: Bitcoind;
  /** Many calls in one request, answered in order. */
  batch(method: string, params: readonly (readonly unknown[])[]): Promise<Answer[]>;
  /** Mines in the embedded chain and gives the blocks to the node, which must take them. */
  mine(count: number, transactions?: readonly Uint8Array[]): Promise<void>;
};

const RELAY_OPTIONS = [
  "-acceptnonstdtxn=0",
  "-minrelaytxfee=0.00001",
  "-incrementalrelayfee=0.00001",
  "-dustrelayfee=0.00003",
];

/** Knots has relay rules of its own; this option gives it those of Core. */
function options(): string[] {
  const version = execFileSync(findBitcoind() ?? "", ["-version"], { encoding: "utf8" });
  return version.includes("Knots") ? [...RELAY_OPTIONS, "-corepolicy"] : RELAY_OPTIONS;
}

export async function startTwin(): Promise<Twin> {
  const node = await startBitcoind(options());
  const now = Date.now();
  const chain = new Chain({ now: () => now });
  const getblock = rpcMethods(chain).get("getblock");

  async function batch(method: string, params: readonly (readonly unknown[])[]): Promise<Answer[]> {
    const authorization = `Basic ${Buffer.from(readFileSync(node.cookieFile, "utf8")).toString("base64")}`;
    const calls = params.map((one, id) => ({ jsonrpc: "1.0", id, method, params: one }));
    const response = await fetch(node.rpcUrl, {
      method: "POST",
      headers: { authorization },
      body: JSON.stringify(calls),
    });
    return (await response.json()) as Answer[];
  }

  return {
    chain,
    node,
    batch,
    async mine(count, transactions) {
      const script = ANYBODY.output;
      const mined = chain.mine(count, transactions === undefined ? { script } : { script, transactions });
      if (!mined.ok) throw new Error(JSON.stringify(mined.error));
      const blocks = mined.value.map(({ hash }) => [getblock?.([toHex(hash.toReversed()), 0])]);
      for (const { result, error } of await batch("submitblock", blocks)) {
        if (result !== null || error !== null) throw new Error(`submitblock: ${JSON.stringify(error ?? result)}`);
      }
    },
  };
}

const FUNDED_PER_BLOCK = 150;

/** Outputs of every lock, some hundred a block over `blocks` blocks, each in both chains. */
export async function makeCoins(twin: Twin, random: Random, blocks: number): Promise<LockedCoin[]> {
  const coins: LockedCoin[] = [];
  for (let i = 0; i < blocks; i++) {
    const locks: Lock[] = [];
    while (locks.length < FUNDED_PER_BLOCK) locks.push(...randomLocks(random));
    const source = twin.chain.blockAt(i + 1)?.transactions[0];
    if (source === undefined) throw new Error("too few blocks");
    const outputs = locks.map(({ output }) => ({ amountSat: BigInt(20_000 + random.int(2_000_000)), script: output }));
    const witness = [Uint8Array.of(0x51)];
    const input = { txid: source.txid, index: 0, script: new Uint8Array(0), sequence: 0xfffffffd, witness };
    const transaction: Transaction = { version: 2, inputs: [input], outputs, lockTime: 0 };
    await twin.mine(1, [serializeTransaction(transaction, { witness: true })]);
    const txid = transactionId(transaction);
    const { height } = twin.chain.tip;
    for (const [index, lock] of locks.entries()) {
      coins.push({ txid, index, amountSat: outputs[index]?.amountSat ?? 0n, height, coinbase: false, lock });
    }
  }
  return coins;
}

/** The first output of a block's coinbase. */
export function coinbaseCoin({ chain }: Twin, height: number): LockedCoin {
  const transaction = chain.blockAt(height)?.transactions[0];
  if (transaction === undefined) throw new Error(`no block at ${height}`);
  const { amountSat = 0n } = transaction.transaction.outputs[0] ?? {};
  return { txid: transaction.txid, index: 0, amountSat, height, coinbase: true, lock: ANYBODY };
}

export type Verdict = { readonly allowed: boolean; readonly reason: string };

/** Reject reasons without what differs between versions and kinds of node. */
function normalReason(reason: string): string {
  if (/decode failed/i.test(reason)) return "decode";
  // A parser that knows the bounds of amounts doesn't tell which one was passed.
  if (/^bad-txns-vout-(?:negative|toolarge)/.test(reason)) return "amount";
  if (reason === "missing-inputs") return "bad-txns-inputs-missingorspent";
  if (reason.startsWith("bad-witness-")) return "bad-witness-nonstandard";
  // Newer versions name what older ones call unknown.
  if (/\(Script number overflowed/.test(reason)) return "script: unknown error";
  const script = /^(?:(?:non-)?mandatory|mempool)-script-verify-flag(?:-failed)? \((.*)\)/.exec(reason);
  return script === null ? (reason.split(",")[0] ?? reason) : `script: ${script[1]}`;
}

export async function nodeVerdicts(twin: Twin, raws: readonly Uint8Array[]): Promise<Verdict[]> {
  const answers = await twin.batch(
    "testmempoolaccept",
    raws.map((raw) => [[toHex(raw)], 0]),
  );
  return answers.map(({ result, error }) => {
    if (error !== null) return { allowed: false, reason: normalReason(error.message) };
    const [tested] = result as { allowed: boolean; "reject-reason"?: string }[];
    return { allowed: tested?.allowed === true, reason: normalReason(tested?.["reject-reason"] ?? "") };
  });
}

export function chainVerdict({ chain }: Twin, raw: Uint8Array): Verdict {
  const result = chain.test(raw);
  if (result.type === "admitted") return { allowed: true, reason: "" };
  if (result.type === "rejected") return { allowed: false, reason: normalReason(result.reason) };
  return { allowed: false, reason: result.where === "mempool" ? "txn-already-in-mempool" : "txn-already-known" };
}

/** Where the embedded chain says something else on purpose: its own word first. */
const OTHER_WORDS: readonly (readonly [RegExp, RegExp])[] = [
  // It has no script paths; these commit to nothing.
  [/Taproot script path/, /^script: (?:Witness program hash mismatch|Invalid Taproot control block size)$/],
  // It looks at amounts while it reads, a node afterwards.
  [/^amount$/, /^decode$/],
  // Knots has another word for some unknown hash types.
  [/Signature hash type missing or not understood/, /^script: Signature opts in to the hardfork/],
  // A node forgets a transaction once all of its outputs are spent.
  [/^txn-already-known$/, /^bad-txns-inputs-missingorspent$/],
];

export function agree(ours: Verdict, theirs: Verdict | undefined): boolean {
  if (theirs === undefined || ours.allowed !== theirs.allowed) return false;
  if (ours.reason === theirs.reason) return true;
  return OTHER_WORDS.some(([own, other]) => own.test(ours.reason) && other.test(theirs.reason));
}

/** Both chains have the same tip and the same transactions waiting. */
export async function expectTwins({ chain, node }: Twin): Promise<void> {
  expect(displayHash(chain.tip.hash)).toBe(await node.rpc("getbestblockhash"));
  const theirs = await node.rpc<string[]>("getrawmempool");
  const waiting = chain.waiting().map(({ txid }) => txidToDisplay(txid));
  expect(waiting.sort()).toEqual(theirs.sort());
}

/**
 * Sends the node what only the embedded chain kept through a reorganisation; it must take it. A node drops more than it has
 * to: it judges relative locks on what falls back into its mempool by heights noted one block earlier.
 */
export async function resend({ chain, node }: Twin): Promise<void> {
  const theirs = new Set(await node.rpc<string[]>("getrawmempool"));
  for (const { txid, raw } of chain.waiting()) {
    if (!theirs.has(txidToDisplay(txid))) await node.rpc("sendrawtransaction", [toHex(raw), 0]);
  }
}
