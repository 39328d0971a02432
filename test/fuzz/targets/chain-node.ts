import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import {
  bytesFromHex,
  readBlockHash,
  readFields,
  satoshiFromBtc,
} from "../../../src/adapters/chain-bitcoind/answers.ts";
import { type BitcoindChain, bitcoindChain } from "../../../src/adapters/chain-bitcoind/index.ts";
import { type ZmtpItem, zmtpGreeting, zmtpReader } from "../../../src/adapters/chain-bitcoind/zmtp.ts";
import { systemClock } from "../../../src/adapters/system/index.ts";
import { asTxid, concatBytes, fromHex, toHex } from "../../../src/core/base/index.ts";
import { ChainError } from "../../../src/ports/bitcoin-chain.ts";
import { bytesOf, Choices, type Outcome, type Target, textOf, words } from "../target.ts";

function zmtpItems(pieces: readonly Uint8Array[]): { items: ZmtpItem[]; error: string | undefined } {
  const read = zmtpReader();
  const items: ZmtpItem[] = [];
  for (const piece of pieces) {
    const got = read(piece);
    if (!got.ok) return { items, error: got.error.type };
    items.push(...got.value);
  }
  return { items, error: undefined };
}

/** A publisher's bytes mean the same however they are cut. */
function zmtp(input: Uint8Array): Outcome {
  const choices = new Choices(input);
  const cuts = choices.below(16);
  const bytes = input.subarray(1);
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = cuts === 0 ? 1 : 1 + choices.below(cuts * 8);
    pieces.push(bytes.slice(at, at + length));
    at += length;
  }
  const [whole, cut] = [zmtpItems([bytes]), zmtpItems(pieces)];
  assert.equal(cut.error, whole.error);
  // Read in one piece, what stands before an error goes with it.
  if (whole.error === undefined) assert.deepEqual(cut.items, whole.items);
  return `${whole.error} ${[...new Set(cut.items.map(({ type }) => type))].join(" ")}`;
}

const FRAME = (flags: number, ...body: number[]) => Uint8Array.of(flags, body.length, ...body);
const READY = Uint8Array.of(4, 6, 5, 0x52, 0x45, 0x41, 0x44, 0x59);
const LONG_FRAME = concatBytes(Uint8Array.of(2, 0, 0, 0, 0, 0, 0, 1, 44), new Uint8Array(300));

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function onlyChainErrors(action: () => unknown): string {
  try {
    action();
    return "ok";
  } catch (cause) {
    if (cause instanceof ChainError) return cause.code;
    throw cause;
  }
}

/** The values within an answer, one by one. */
function fields(input: Uint8Array): Outcome {
  const value = parsedJson(textOf(input));
  const amount = satoshiFromBtc(value);
  if (amount !== undefined) {
    assert.ok(amount >= 0n && amount <= 2_100_000_000_000_000n);
    assert.ok(Number(amount) / 1e8 === value);
  }
  const bytes = bytesFromHex(value);
  if (bytes !== undefined) assert.equal(toHex(bytes), String(value).toLowerCase());
  const plain = typeof value === "string" ? fromHex(value) : undefined;
  if (plain !== undefined) assert.deepEqual(plain, bytes);
  const names = ["a", "b", "value", "__proto__", "constructor"];
  const kinds = names.flatMap((name) =>
    (["text", "whole", "flag", "amount", "bytes", "fields"] as const).map((kind) =>
      onlyChainErrors(() => readFields("method", value)[kind](name)),
    ),
  );
  return `${amount !== undefined} ${bytes !== undefined} ${onlyChainErrors(() => readBlockHash("method", value))} ${kinds.filter((kind) => kind === "ok").length}`;
}

/** A node whose answer to every call is what we say. */
class AnsweringNode {
  private readonly server: Server;
  private chain: BitcoindChain | undefined;
  status = 200;
  body: Uint8Array = new Uint8Array(0);

  constructor() {
    this.server = createServer((request, response) => {
      request.resume();
      request.on("end", () => {
        response.writeHead(this.status, { "content-length": this.body.length });
        response.end(this.body);
      });
    });
  }

  async client(): Promise<BitcoindChain> {
    if (this.chain !== undefined) return this.chain;
    await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    const { port } = this.server.address() as AddressInfo;
    const auth = { type: "password", user: "u", password: "p" } as const;
    this.chain = bitcoindChain({
      ...{ url: `http://127.0.0.1:${port}`, auth, network: "regtest" },
      ...{ pollMs: 1_000_000, requestTimeoutMs: 60_000, clock: systemClock() },
    });
    return this.chain;
  }

  async close(): Promise<void> {
    await this.chain?.close();
    this.server.closeAllConnections();
    this.server.close();
    this.chain = undefined;
  }
}

let node: AnsweringNode | undefined;

const STATUS = [200, 200, 200, 200, 500, 401, 403, 404, 503];

async function answers(input: Uint8Array): Promise<Outcome> {
  node ??= new AnsweringNode();
  const choices = new Choices(input);
  const which = choices.below(7);
  node.status = choices.pick(STATUS);
  node.body = choices.rest();
  const chain = await node.client();
  const calls = [
    () => chain.tip(),
    () => chain.block(5),
    () => chain.broadcast(Uint8Array.of(1)),
    () => chain.unspent({ txid: asTxid(new Uint8Array(32)), index: 1 }),
    () => chain.feeEstimate(2),
    () => chain.relayFee(),
    () => chain.block(2 ** 40),
  ] as const;
  try {
    const answer = await calls[which]?.();
    return `${which} ${typeof answer}`;
  } catch (cause) {
    if (!(cause instanceof ChainError)) throw cause;
    return `${which} ${cause.code}`;
  }
}

const HASH = "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206";

function answerSeeds(): Uint8Array[] {
  const results = [
    { chain: "regtest", blocks: 5, bestblockhash: HASH, initialblockdownload: false },
    HASH,
    HASH,
    { bestblock: HASH, confirmations: 3, value: 0.5, scriptPubKey: { hex: "0014" }, coinbase: false },
    { feerate: 0.00012, blocks: 2 },
    { mempoolminfee: 0.00001, minrelaytxfee: 0.00001 },
  ];
  return [
    ...results.map((result, n) =>
      concatBytes(Uint8Array.of(n, 0), bytesOf(JSON.stringify({ id: 0, result, error: null }))),
    ),
    ...[-8, -22, -25, -26, -27, -28].map((code) =>
      concatBytes(
        Uint8Array.of(2, 0),
        bytesOf(JSON.stringify({ id: 0, result: null, error: { code, message: "txn-already-known" } })),
      ),
    ),
    concatBytes(Uint8Array.of(0, 5), bytesOf("no")),
  ];
}

export const CHAIN_NODE: readonly Target[] = [
  {
    name: "zmtp",
    about: "what a ZeroMQ publisher sends, in pieces of any length",
    seeds: () => [
      concatBytes(Uint8Array.of(0), zmtpGreeting(), READY, FRAME(1, 104), FRAME(1, 1, 2), FRAME(0, 0, 0, 0, 0)),
      concatBytes(Uint8Array.of(3), zmtpGreeting(), READY, FRAME(1, 104), LONG_FRAME),
    ],
    longest: 2_000,
    run: zmtp,
  },
  {
    name: "node-answer-fields",
    about: "amounts, hashes and other fields of a node's JSON",
    seeds: () => [
      bytesOf("0.12345678"),
      bytesOf("20999999.9769"),
      bytesOf(`"${HASH}"`),
      bytesOf('{"a":"00ff","b":1,"value":0.1}'),
      bytesOf('{"a":true,"b":{"a":1}}'),
    ],
    dictionary: words("0.", "e-8", "1e308", "null", "true", '"', "[", "{", "-0", "__proto__", "00"),
    longest: 200,
    run: fields,
  },
  {
    name: "node-answers",
    about: "a node's HTTP answers, through the client that the node uses",
    seeds: answerSeeds,
    dictionary: words('"id":0', '"result":', '"error":', '"code":', '"message":', "null", "[", "{", "1e400"),
    longest: 2_000,
    run: answers,
    close: async () => {
      await node?.close();
      node = undefined;
    },
  },
];
