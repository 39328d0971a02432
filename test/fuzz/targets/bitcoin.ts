import assert from "node:assert/strict";
import { parseBlock } from "../../../src/adapters/chain-bitcoind/parse-block.ts";
import { asTxid, concatBytes, equalBytes } from "../../../src/core/base/index.ts";
import {
  type AddressNetwork,
  addressToScript,
  commitmentNumberOf,
  isStandardCloseScript,
  numberMask,
  parseTransaction,
  payToPublicKeyHash,
  payToWitnessPublicKeyHash,
  payToWitnessScriptHash,
  scriptToAddress,
  serializeTransaction,
  type Transaction,
  transactionId,
  transactionWeight,
  virtualSize,
  witnessProgramOf,
} from "../../../src/core/bitcoin/index.ts";
import { secp256k1 } from "../../../src/core/crypto/index.ts";
import { bytesOf, type Outcome, type Target, textOf, words } from "../target.ts";

const NETWORKS: readonly AddressNetwork[] = ["main", "test", "signet", "regtest"];
const KEY = secp256k1.publicKey(new Uint8Array(32).fill(1));
const MASK = numberMask(KEY, secp256k1.publicKey(new Uint8Array(32).fill(2)));

function transaction(input: Uint8Array): Outcome {
  const parsed = parseTransaction(input);
  if (!parsed.ok) {
    assert.ok(parsed.error.at <= input.length && parsed.error.length === input.length);
    return parsed.error.reason;
  }
  const { value } = parsed;
  assert.deepEqual(serializeTransaction(value, { witness: true }), input, "there is one encoding");
  const stripped = serializeTransaction(value, { witness: false });
  assert.equal(transactionWeight(value), 3 * stripped.length + input.length);
  assert.equal(virtualSize(value), Math.ceil(transactionWeight(value) / 4));
  assert.equal(transactionId(value).length, 32);
  const number = commitmentNumberOf(value.lockTime, value.inputs[0]?.sequence ?? 0, MASK);
  return `${value.inputs.some(({ witness }) => witness.length > 0)} ${number !== undefined}`;
}

function script(input: Uint8Array): Outcome {
  const program = witnessProgramOf(input);
  isStandardCloseScript(input);
  for (const network of NETWORKS) {
    const address = scriptToAddress(input, network);
    if (address === undefined) continue;
    const back = addressToScript(address, network);
    assert.ok(back.ok && equalBytes(back.value, input), `${address} stands for its script`);
  }
  return `${program?.version} ${isStandardCloseScript(input)} ${scriptToAddress(input, "main") !== undefined}`;
}

function address(input: Uint8Array): Outcome {
  const text = textOf(input);
  const outcomes = NETWORKS.map((network) => {
    const read = addressToScript(text, network);
    if (!read.ok) return read.error.reason;
    const back = scriptToAddress(read.value, network);
    assert.equal(back?.toLowerCase(), text.toLowerCase(), "one address for a script, but for its case");
    return network;
  });
  return outcomes.join(" ");
}

function block(input: Uint8Array): Outcome {
  const parsed = parseBlock(input);
  if (!parsed.ok) {
    assert.ok(parsed.error.at <= input.length);
    return parsed.error.type;
  }
  const { transactions } = parsed.value;
  const bytes = concatBytes(...transactions);
  assert.deepEqual(bytes, input.subarray(input.length - bytes.length), "the transactions are all that follows");
  return `${Math.min(3, transactions.length)} ${transactions.every((raw) => parseTransaction(raw).ok)}`;
}

const PLAIN: Transaction = {
  version: 2,
  inputs: [
    {
      txid: asTxid(new Uint8Array(32).fill(1)),
      index: 0,
      script: Uint8Array.of(1, 2),
      sequence: 0x80000001,
      witness: [],
    },
  ],
  outputs: [{ amountSat: 5_000n, script: payToWitnessPublicKeyHash(KEY) }],
  lockTime: 0x20000001,
};
const WITNESS: Transaction = {
  ...PLAIN,
  inputs: [...PLAIN.inputs, ...PLAIN.inputs].map((one) => ({
    ...one,
    witness: [new Uint8Array(3), new Uint8Array(0)],
  })),
  outputs: [...PLAIN.outputs, { amountSat: 0n, script: new Uint8Array(0) }],
};

function sampleTransactions(): Uint8Array[] {
  return [PLAIN, WITNESS].map((one) => serializeTransaction(one, { witness: true }));
}

export const BITCOIN: readonly Target[] = [
  {
    name: "transaction",
    about: "transactions of peers and of the chain",
    seeds: sampleTransactions,
    run: transaction,
  },
  {
    name: "script",
    about: "output scripts: witness programs, what a close may pay to, their addresses",
    seeds: () => [
      payToWitnessPublicKeyHash(KEY),
      payToWitnessScriptHash(KEY),
      payToPublicKeyHash(new Uint8Array(20)),
      Uint8Array.of(0x51, 0x20, ...new Uint8Array(32)),
      Uint8Array.of(0xa9, 0x14, ...new Uint8Array(20), 0x87),
    ],
    longest: 80,
    run: script,
  },
  {
    name: "address",
    about: "addresses that somebody typed",
    seeds: () => [
      ...NETWORKS.flatMap((network) =>
        [payToWitnessPublicKeyHash(KEY), payToPublicKeyHash(new Uint8Array(20).fill(3))].flatMap((one) => {
          const text = scriptToAddress(one, network);
          return text === undefined ? [] : [bytesOf(text)];
        }),
      ),
      bytesOf("bc1pw508d6qejxtdg4y5r3zarvary0c5xw7kw508d6qejxtdg4y5r3zarvary0c5xw7kt5nd6y"),
    ],
    dictionary: words("bc1q", "bc1p", "tb1q", "bcrt1q", "1"),
    longest: 120,
    run: address,
  },
  {
    name: "block",
    about: "blocks that a node hands out",
    seeds: () => [
      concatBytes(new Uint8Array(80), Uint8Array.of(1), sampleTransactions()[0] ?? new Uint8Array(0)),
      concatBytes(new Uint8Array(80), Uint8Array.of(2), ...sampleTransactions()),
      concatBytes(new Uint8Array(80), Uint8Array.of(0)),
    ],
    run: block,
  },
];
