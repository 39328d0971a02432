import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fill, PEOPLE, signed, TERMS } from "../../../test/support/ledger-scene.ts";
import { asChannelId, concatBytes } from "../base/index.ts";
import {
  type Action,
  type ContractLeaf,
  channelIdOf,
  decodeTransaction,
  encodeTransaction,
  isCoSigned,
  MAX_TRANSACTION_BYTES,
  type StateHeader,
  type Transaction,
  type TreeProof,
  transactionDigest,
  type Units,
  units,
} from "./index.ts";
import { transactionBytes } from "./transaction-codec.ts";

const plain = { noNullPrototype: true } as const;
const bytes = (length: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: length, maxLength: length });
const id = bytes(32);
const amount = fc.bigInt(0n, 2n ** 63n - 1n).map((value): Units => units(value));
const small = fc.bigInt(0n, 2n ** 62n - 1n).map((value): Units => units(value));
const pairOf = <T>(one: fc.Arbitrary<T>) => fc.record({ initiator: one, responder: one }, plain);
const party = fc.constantFrom("initiator" as const, "responder" as const);
const channelId = id.map(asChannelId);
const gas = fc.nat(2 ** 32 - 1);

const header: fc.Arbitrary<StateHeader> = fc.record(
  {
    channelId,
    round: fc.bigInt(0n, 2n ** 62n - 1n),
    balances: pairOf(amount),
    deposited: pairOf(amount),
    withdrawn: pairOf(amount),
    locked: amount,
    root: id,
  },
  plain,
);
const leaf: fc.Arbitrary<ContractLeaf> = fc.record(
  {
    id,
    codeHash: id,
    key: id,
    root: id,
    stakes: pairOf(small),
    beneficiary: party,
    timeGas: gas,
    spaceGas: gas,
    prove: id,
  },
  plain,
);
const proof: fc.Arbitrary<TreeProof> = fc
  .tuple(fc.nat(4095), fc.array(fc.option(bytes(32), { nil: undefined }), { minLength: 12, maxLength: 12 }))
  .map(([slot, levels]) => ({
    slot,
    mask: levels.reduce<number>((bits, sibling, level) => (sibling === undefined ? bits : bits | (1 << level)), 0),
    siblings: levels.filter((sibling) => sibling !== undefined),
  }))
  // An all-zero sibling at the bottom is the one that is not shipped.
  .filter(({ siblings }) => siblings.every((sibling) => sibling.some((byte) => byte !== 0)));
const program = fc.record(
  {
    code: fc.uint8Array({ maxLength: 40 }),
    facts: fc.array(fc.uint8Array({ maxLength: 20 }), { maxLength: 16 }),
  },
  plain,
);
const contract = fc.record({ leaf, proof, program, evidence: fc.uint8Array({ maxLength: 40 }) }, plain);
const unpaid = fc.record({ leaf, proof, program: fc.option(program, { nil: undefined }) }, plain);
const state = fc.record({ header, signatures: fc.option(pairOf(bytes(64)), { nil: undefined }) }, plain);
const batch = <T>(one: fc.Arbitrary<T>) => fc.array(one, { minLength: 1, maxLength: 3 });
const flow = { channelId, party, amount, before: amount, state: header };
const parameters = fc.record(
  {
    accounts: pairOf(id),
    salt: id,
    amounts: pairOf(amount),
    reserve: amount,
    lockPeriod: fc.integer({ min: 1, max: 65_535 }),
    maxDelay: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
  },
  plain,
);

const action: fc.Arbitrary<Action> = fc.oneof(
  fc.record({ type: fc.constant("transfer" as const), to: id, amount }, plain),
  fc.record({ type: fc.constant("create" as const), parameters }, plain),
  fc.record({ type: fc.constant("deposit" as const), ...flow }, plain),
  fc.record({ type: fc.constant("withdraw" as const), ...flow, to: id }, plain),
  fc.record({ type: fc.constantFrom("snapshot_solo" as const, "close_solo", "slash"), channelId, state }, plain),
  fc.record({ type: fc.constant("resolve" as const), channelId, state, contracts: batch(contract) }, plain),
  fc.record({ type: fc.constant("force_progress" as const), channelId, state, contract }, plain),
  fc.record(
    {
      type: fc.constant("close_mutual" as const),
      channelId,
      round: fc.bigInt(0n, 2n ** 62n - 1n),
      shares: pairOf(amount),
    },
    plain,
  ),
  fc.record({ type: fc.constant("settle" as const), channelId }, plain),
  fc.record({ type: fc.constant("payout" as const), channelId, contracts: batch(unpaid) }, plain),
);

const transaction: fc.Arbitrary<Transaction> = fc
  .record(
    {
      from: id,
      nonce: fc.bigInt(0n, 2n ** 64n - 1n),
      fee: amount,
      ttl: gas,
      action,
      seal: bytes(64),
      second: bytes(64),
    },
    plain,
  )
  .map(({ seal, second, ...rest }) => ({ ...rest, signatures: isCoSigned(rest.action) ? [seal, second] : [seal] }));

describe("a transaction's bytes", () => {
  it("decode to itself, and are as many as its fee is worked out of", () => {
    fc.assert(
      fc.property(transaction, (one) => {
        const encoded = encodeTransaction(one);
        expect(decodeTransaction(encoded)).toStrictEqual({ ok: true, value: one });
        expect(transactionBytes(one)).toBe(encoded.length);
      }),
      { numRuns: 300 },
    );
  });

  it("mean nothing else: with a byte more, less, or changed, they are another transaction or none", () => {
    fc.assert(
      fc.property(transaction, fc.nat(), fc.integer({ min: 1, max: 255 }), (one, where, change) => {
        const encoded = encodeTransaction(one);
        expect(decodeTransaction(encoded.subarray(1 + (where % encoded.length))).ok).toBe(false);
        expect(decodeTransaction(concatBytes(encoded, Uint8Array.of(0))).ok).toBe(false);
        const changed = encoded.slice();
        const at = where % encoded.length;
        changed[at] = (changed[at] ?? 0) ^ change;
        const decoded = decodeTransaction(changed);
        if (decoded.ok) expect(encodeTransaction(decoded.value)).toStrictEqual(changed);
      }),
      { numRuns: 300 },
    );
  });

  it("are bounded, and garbage is told as such", () => {
    expect(decodeTransaction(new Uint8Array(MAX_TRANSACTION_BYTES + 1))).toMatchObject({
      ok: false,
      error: { what: "a transaction of 1 MiB" },
    });
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), (garbage) => {
        const decoded = decodeTransaction(garbage);
        if (decoded.ok) expect(encodeTransaction(decoded.value)).toStrictEqual(garbage);
      }),
    );
    expect(decodeTransaction(Uint8Array.of(12))).toMatchObject({ error: { what: "action" } });
  });
});

describe("what is signed of a transaction", () => {
  it("changes with every field", () => {
    fc.assert(
      fc.property(transaction, transaction, (one, other) => {
        const [first, second] = [transactionDigest(TERMS.domain, one), transactionDigest(TERMS.domain, other)];
        const same = (a: Transaction): Uint8Array => encodeTransaction({ ...a, signatures: [] });
        expect(Buffer.compare(first, second) === 0).toBe(Buffer.compare(same(one), same(other)) === 0);
      }),
    );
    const transfer = { type: "transfer" as const, to: fill(1), amount: units(5) };
    const base = { from: PEOPLE.initiator.id, nonce: 1n, fee: units(2), ttl: 3, action: transfer };
    const variants = [
      base,
      { ...base, nonce: 2n },
      { ...base, fee: units(3) },
      { ...base, ttl: 4 },
      { ...base, from: fill(2) },
      { ...base, action: { ...transfer, amount: units(6) } },
      { ...base, action: { ...transfer, to: fill(3) } },
    ];
    const digests = variants.map((one) => transactionDigest(TERMS.domain, one).join());
    expect(new Set(digests).size).toBe(variants.length);
    expect(signed(TERMS.domain, base, [PEOPLE.initiator]).signatures).toHaveLength(1);
  });

  it("is for one ledger", () => {
    const one = {
      from: fill(1),
      nonce: 1n,
      fee: units(2),
      ttl: 3,
      action: { type: "settle" as const, channelId: asChannelId(fill(4)) },
    };
    const there = { ...TERMS.domain, ledgerId: fill(9) };
    expect(transactionDigest(there, one)).not.toStrictEqual(transactionDigest(TERMS.domain, one));
    const again = { ...TERMS.domain, chainHash: fill(9) };
    expect(transactionDigest(again, one)).not.toStrictEqual(transactionDigest(TERMS.domain, one));
  });

  it("names a channel by all that create fixes", () => {
    fc.assert(
      fc.property(parameters, parameters, (one, other) => {
        const create = (given: typeof one): Uint8Array =>
          encodeTransaction({
            from: fill(0),
            nonce: 0n,
            fee: units(0),
            ttl: 0,
            signatures: [],
            action: { type: "create", parameters: given },
          });
        const ids = [channelIdOf(TERMS.domain, one), channelIdOf(TERMS.domain, other)] as const;
        expect(Buffer.compare(...ids) === 0).toBe(Buffer.compare(create(one), create(other)) === 0);
      }),
    );
  });
});
