import assert from "node:assert/strict";
import { asPaymentHash, concatBytes, type Result } from "../../../src/core/base/index.ts";
import { decodeFields } from "../../../src/core/contract-channel/fields.ts";
import {
  checkSums,
  contractTree,
  decodeHeader,
  decodeLeaf,
  decodeRecord,
  decodeTransaction,
  encodeHeader,
  encodeLeaf,
  encodeProof,
  encodeRecord,
  encodeTransaction,
  HEADER_BYTES,
  isFinal,
  isProven,
  LEAF_BYTES,
  leafHash,
  type StateHeader,
  TREE_SLOTS,
} from "../../../src/core/contract-channel/index.ts";
import { type JsonCodec, readJson } from "../../../src/core/contract-channel/json-codec.ts";
import {
  accountJson,
  channelJson,
  contractRowsJson,
  descriptionJson,
  entryJson,
  eventsJson,
  markJson,
  recordJson,
  statusJson,
  submitResultJson,
  tipJson,
} from "../../../src/core/contract-channel/ledger-json.ts";
import { readTerms, readyMade } from "../../../src/core/contract-channel/ready-made/contracts.ts";
import type { Terms } from "../../../src/core/contract-channel/ready-made/terms.ts";
import { transactionBytes } from "../../../src/core/contract-channel/transaction-codec.ts";
import { readProof } from "../../../src/core/contract-channel/tree.ts";
import { bytesOf, Choices, type Outcome, type Target, textOf, words } from "../target.ts";

/** What decodes is written again as it was: one encoding for each value. */
function onlyOne<T>(
  input: Uint8Array,
  decoded: Result<T, { readonly what: string; readonly at: number }>,
  encode: (value: T) => Uint8Array,
): T | string {
  if (decoded.ok) {
    assert.deepEqual(encode(decoded.value), input, "there is one encoding");
    return decoded.value;
  }
  assert.ok(decoded.error.at <= input.length);
  return decoded.error.what;
}

/** A proof is for one leaf and one root. */
function proof(input: Uint8Array): Outcome {
  const read = onlyOne(input, decodeFields(input, readProof), encodeProof);
  if (typeof read === "string") return read;
  assert.ok(read.slot < TREE_SLOTS);
  const choices = new Choices(input);
  const leaf = choices.take(32).fill(1, 0, 1);
  const tree = contractTree([[read.slot, leaf]]);
  assert.ok(isProven(leaf, tree.proof(read.slot), tree.root()));
  const isOfTree = read.siblings.length === 0;
  assert.equal(isProven(leaf, read, tree.root()), isOfTree);
  return `${read.siblings.length}`;
}

const RECORDS = [
  (input: Uint8Array): Outcome => {
    const header = onlyOne<StateHeader>(input, decodeHeader(input), encodeHeader);
    return typeof header === "string" ? header : `sums ${checkSums(header).ok}`;
  },
  (input: Uint8Array): Outcome => {
    const leaf = onlyOne(input, decodeLeaf(input), encodeLeaf);
    return typeof leaf === "string" ? leaf : `leaf ${leaf.beneficiary} ${leafHash(leaf).length}`;
  },
  (input: Uint8Array): Outcome => {
    const record = onlyOne(input, decodeRecord(input), encodeRecord);
    return typeof record === "string" ? record : `record ${isFinal(record)}`;
  },
  proof,
] as const;

/** A transaction that anybody may give to the ledger. */
function transaction(input: Uint8Array): Outcome {
  const read = onlyOne(input, decodeTransaction(input), encodeTransaction);
  if (typeof read === "string") return read;
  assert.equal(transactionBytes(read), input.length);
  return read.action.type;
}

/** The bytes of one transaction of each kind, with zeros for most of what it has. */
function transactions(): Uint8Array[] {
  return Array.from({ length: 12 }, (_, kind) => {
    for (let length = 53; length < 900; length++) {
      const bytes = new Uint8Array(length).fill(kind, 0, 1);
      // Whatever has to be 1 at least.
      for (const one of [bytes, bytes.with(bytes.length - 65, 1)]) if (decodeTransaction(one).ok) return one;
    }
    return new Uint8Array(400).fill(kind, 0, 1);
  });
}

/** A code says its terms only where it is the contract for these terms. */
function terms(input: Uint8Array): Outcome {
  const read = readTerms(input);
  if (read === undefined) return "none";
  const again = readyMade(read);
  assert.ok(again.ok);
  assert.deepEqual(again.value.program.code, input);
  return read.type;
}

const KEY = new Uint8Array(32).fill(7);
const TERMS: readonly Terms[] = [
  { type: "hashlock", paymentHash: asPaymentHash(KEY) },
  { type: "hashlock_with_expiry", paymentHash: asPaymentHash(KEY), expiry: 300 },
  { type: "escrow", arbiter: KEY, expiry: 300, otherwise: 5_000 },
  { type: "stream", payer: KEY, payee: KEY, expiry: 300 },
  { type: "game", one: KEY, two: KEY, firstDeadline: 300, moveTime: 10, rounds: 3, draw: 5_000 },
];

function codes(): Uint8Array[] {
  return TERMS.flatMap((one) => {
    const made = readyMade(one);
    return made.ok ? [made.value.program.code] : [];
  });
}

const CODECS: readonly JsonCodec<unknown>[] = [
  ...[accountJson, channelJson, recordJson, markJson, contractRowsJson, eventsJson],
  ...[entryJson, statusJson, submitResultJson, tipJson, descriptionJson],
] as readonly JsonCodec<unknown>[];

/** What a ledger says over HTTP, or its file. What is read is written again so that it reads the same. */
function json(input: Uint8Array): Outcome {
  let value: unknown;
  try {
    value = JSON.parse(textOf(input.subarray(1)));
  } catch {
    return "no JSON";
  }
  const codec = CODECS[(input[0] ?? 0) % CODECS.length];
  if (codec === undefined) return "none";
  const read = readJson(codec, value);
  if (!read.ok) return read.error.what.slice(0, 40);
  assert.deepEqual(readJson(codec, codec.to(read.value)), read);
  return `read ${(input[0] ?? 0) % CODECS.length}`;
}

function jsons(): Uint8Array[] {
  const id = "00".repeat(32);
  const texts = [
    '{"balance":"5","nonce":"1"}',
    `{"channel_id":"${id}","round":"1","nonce":1,"height":2,"until":3,"amount":4}`,
    `[{"type":"block","height":1,"id":"${id}"}]`,
    '{"type":"unknown"}',
    '{"type":"accepted"}',
    `{"height":1,"time":1,"hash":"${id}"}`,
  ];
  return CODECS.flatMap((_, kind) => texts.map((text) => concatBytes(Uint8Array.of(kind), bytesOf(text))));
}

function withKind(kind: number, length: number): Uint8Array {
  return new Uint8Array(1 + length).fill(kind, 0, 1);
}

export const CONTRACT_CHANNEL: readonly Target[] = [
  {
    name: "contract-records",
    about: "states, contracts, records of evidence and proofs of a contract channel",
    seeds: () => [withKind(0, HEADER_BYTES), withKind(1, LEAF_BYTES), withKind(2, 14), withKind(3, 4)],
    longest: 500,
    run: (input) => RECORDS[(input[0] ?? 0) % RECORDS.length]?.(input.subarray(1)) ?? "none",
  },
  {
    name: "ledger-transaction",
    about: "transactions for the ledger of contract channels",
    seeds: transactions,
    longest: 2_000,
    run: transaction,
  },
  {
    name: "ledger-json",
    about: "what a ledger answers over HTTP, and what stands in its file",
    seeds: jsons,
    dictionary: words('"type":', "null", '"0"', "[", "{", '"initiator":', '"responder":', '"round":', '"height":'),
    longest: 1_000,
    run: json,
  },
  {
    name: "contract-terms",
    about: "byte code that may be a ready-made contract",
    seeds: codes,
    longest: 4_000,
    run: terms,
  },
];
