import assert from "node:assert/strict";
import { request } from "node:http";
import { Chain, type ChainServer, serveChain } from "../../../src/adapters/chain-embedded/index.ts";
import { runScript } from "../../../src/adapters/chain-embedded/interpreter.ts";
import type { SpendContext } from "../../../src/adapters/chain-embedded/machine.ts";
import { rpcMethods } from "../../../src/adapters/chain-embedded/rpc-methods.ts";
import { encodeJson, RpcError } from "../../../src/adapters/chain-embedded/rpc-values.ts";
import { isPushOnly, readOperation } from "../../../src/adapters/chain-embedded/script.ts";
import { systemClock } from "../../../src/adapters/system/index.ts";
import { concatBytes } from "../../../src/core/base/index.ts";
import {
  anchorScript,
  htlcOfferedScript,
  htlcReceivedScript,
  parseTransaction,
  payToWitnessScriptHash,
  serializeTransaction,
  toSelfScript,
} from "../../../src/core/bitcoin/index.ts";
import { hash160, secp256k1, sha256 } from "../../../src/core/crypto/index.ts";
import { bytesOf, Choices, type Outcome, type Target, textOf, words } from "../target.ts";

const KEY = (n: number) => secp256k1.publicKey(new Uint8Array(32).fill(n));
const HASH = new Uint8Array(20).fill(7);

/** Signatures are good by a rule that an input can meet. */
function contextOf(choices: Choices): SpendContext {
  const [lockTime, sequence] = [choices.uint(2), choices.uint(2)];
  return {
    checkSignature: (signature) => (signature[0] ?? 0) % 2 === 1,
    checkLockTime: (required) => required <= lockTime,
    checkSequence: (required) => required <= sequence,
  };
}

/** Any script over any stack: the stricter rules of the mempool refuse whatever those of blocks do. */
function scripts(input: Uint8Array): Outcome {
  const choices = new Choices(input);
  const context = contextOf(choices);
  const stack = Array.from({ length: choices.below(5) }, () => choices.take(choices.below(40)));
  const script = choices.rest();
  isPushOnly(script);
  const [lenient, strict] = [[...stack], [...stack]];
  const inBlock = runScript(script, lenient, "consensus", context);
  const inMempool = runScript(script, strict, "policy", context);
  if (inBlock !== undefined) assert.notEqual(inMempool, undefined, "policy is stricter than consensus");
  if (inMempool === undefined) assert.deepEqual(strict, lenient);
  assert.ok(lenient.length <= 1000);
  let at = 0;
  for (let operation = readOperation(script, 0); operation !== undefined && at < script.length; ) {
    assert.ok(operation.next > at);
    at = operation.next;
    operation = at < script.length ? readOperation(script, at) : undefined;
  }
  return `${inBlock} ${inMempool}`;
}

function scriptSeeds(): Uint8Array[] {
  const keys = { ownFinalKey: KEY(1), othFinalKey: KEY(2) };
  const terms = { ...keys, revocation: HASH, payment: hash160(HASH), expiry: 300, delay: 144 };
  const all = [anchorScript(KEY(1), KEY(2)), toSelfScript(terms), htlcOfferedScript(terms), htlcReceivedScript(terms)];
  return all.map((script) => concatBytes(Uint8Array.of(1, 44, 1, 44, 2, 3, 1, 2, 3, 0), script));
}

const CLOCK = { now: () => 1_700_000_000_000 };

function coinsOf(chain: Chain): bigint {
  let sum = 0n;
  for (let height = 0; height <= chain.tip.height; height++) {
    for (const { transaction, txid } of chain.blockAt(height)?.transactions ?? []) {
      transaction.outputs.forEach((_, index) => {
        sum += chain.unspent({ txid, index }, { mempool: false })?.amountSat ?? 0n;
      });
    }
  }
  return sum;
}

let template: { chain: Chain; raws: Uint8Array[] } | undefined;

/** A chain with a coin that only the script 1 guards, and a transaction that spends it. */
function funded(): { chain: Chain; raws: Uint8Array[] } {
  if (template !== undefined) return template;
  const chain = new Chain(CLOCK);
  chain.mine(110);
  const script = Uint8Array.of(0x51);
  const made = chain.fund(payToWitnessScriptHash(script), 100_000n);
  if (!made.ok) throw new Error("the faucet is empty");
  chain.mine(1);
  const { txid, index } = made.value;
  const spend = serializeTransaction(
    {
      version: 2,
      inputs: [{ txid, index, script: new Uint8Array(0), sequence: 0xffffffff, witness: [script] }],
      outputs: [{ amountSat: 90_000n, script: payToWitnessScriptHash(sha256(script)) }],
      lockTime: 0,
    },
    { witness: true },
  );
  const coinbase = chain.blockAt(1)?.transactions[0]?.raw ?? new Uint8Array(0);
  template = { chain, raws: [spend, coinbase] };
  return template;
}

/** Transactions from anybody: admitted or refused for a reason, and never is there more money than was mined. */
function submitted(input: Uint8Array): Outcome {
  const { chain } = funded();
  const before = chain.tip;
  const result = chain.submit(input);
  if (result.type === "rejected") return result.reason.replaceAll(/\d+/g, "#");
  const parsed = parseTransaction(input);
  assert.ok(parsed.ok);
  chain.mine(1);
  const block = chain.tip;
  assert.ok(coinsOf(chain) <= 5_000_000_000n * BigInt(chain.tip.height));
  chain.invalidate(block);
  assert.equal(chain.tip, before);
  template = undefined;
  return result.type;
}

const METHODS = [...rpcMethods(new Chain(CLOCK)).keys()];

/** Calls of whoever has the password: answered, or refused in the way that the server knows. */
async function calls(input: Uint8Array): Promise<Outcome> {
  const chain = new Chain(CLOCK);
  const methods = rpcMethods(chain);
  const outcomes: string[] = [];
  for (const line of textOf(input).split("\n").slice(0, 6)) {
    const [name = "", ...rest] = line.split(" ");
    const method = methods.get(name);
    let params: unknown;
    try {
      params = JSON.parse(rest.join(" "));
    } catch {
      continue;
    }
    if (method === undefined || !Array.isArray(params)) continue;
    try {
      encodeJson(await method(params));
      outcomes.push(`${name} ok`);
    } catch (cause) {
      if (!(cause instanceof RpcError)) throw cause;
      outcomes.push(`${name} ${cause.code}`);
    }
  }
  return outcomes;
}

function callSeeds(): Uint8Array[] {
  const hash = '"0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206"';
  const address = '"bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"';
  const params: Record<string, string> = {
    getblockhash: "[0]",
    getblock: `[${hash},0]`,
    getblockheader: `[${hash},true]`,
    generatetoaddress: `[2,${address}]`,
    sendrawtransaction: '["00",0]',
    gettxout: `[${hash},0,true]`,
    estimatesmartfee: '[2,"conservative"]',
  };
  const lines = METHODS.map((name) => `${name} ${params[name] ?? "[]"}`);
  return [...lines, lines.slice(0, 6).join("\n")].map(bytesOf);
}

let server: Promise<ChainServer> | undefined;

/** One HTTP body to the server that other processes use. */
async function bodies(input: Uint8Array): Promise<Outcome> {
  const chain = new Chain(CLOCK);
  server ??= serveChain({ chain, clock: systemClock(), user: "u", password: "p", port: 0 });
  const { url } = await server;
  const { status, text } = await new Promise<{ status: number; text: string }>((resolve, reject) => {
    const call = request(url, { method: "POST", auth: "u:p" }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }));
      response.on("error", reject);
    });
    call.on("error", reject);
    call.end(input);
  });
  assert.doesNotThrow(() => JSON.parse(text), `the answer is JSON: ${text.slice(0, 100)}`);
  const body: unknown = JSON.parse(text);
  const isFault = status === 500 && typeof body === "object" && body !== null && "statusCode" in body;
  assert.ok(!isFault, `the server failed: ${text.slice(0, 200)}`);
  const code = /"code":(-?\d+)/.exec(text)?.[1];
  return `${status} ${code}`;
}

export const EMBEDDED_CHAIN: readonly Target[] = [
  {
    name: "script-interpreter",
    about: "scripts of the embedded chain, by the rules of blocks and of the mempool",
    seeds: scriptSeeds,
    longest: 1_000,
    run: scripts,
  },
  {
    name: "embedded-transaction",
    about: "transactions that are given to the embedded chain",
    seeds: () => funded().raws,
    longest: 1_000,
    run: submitted,
  },
  {
    name: "embedded-calls",
    about: "calls to the embedded chain's server, method by method",
    seeds: callSeeds,
    dictionary: words(...METHODS.map((name) => `${name} `), "[", "]", "null", "-1", "1e9", '"', "true", "\n"),
    longest: 600,
    run: calls,
  },
  {
    name: "embedded-bodies",
    about: "HTTP bodies to the embedded chain's server",
    seeds: () => [
      bytesOf('{"id":1,"method":"getblockcount","params":[]}'),
      bytesOf('{"jsonrpc":"2.0","id":"a","method":"getblockhash","params":[0]}'),
      bytesOf('[{"id":1,"method":"getblockcount"},{"id":2,"method":"no"}]'),
    ],
    dictionary: words('"id":', '"method":', '"params":', "getblockhash", "null", "{", "[", '"jsonrpc":"2.0"'),
    longest: 600,
    run: bodies,
    close: async () => {
      await (await server)?.close();
      server = undefined;
    },
  },
];
