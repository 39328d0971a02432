// The greatest channel there can be: 1,150 HTLCs worth an output offered by each side at once. A real node says whether what
// both signed is a transaction that it relays and mines.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { equalBytes, fromHex, type Msat, toHex, txidFromDisplay } from "../../src/core/base/index.ts";
import {
  anchorScript,
  buildCommitment,
  commitmentFee,
  commitmentOutputs,
  commitmentTransaction,
  createCommitmentBuffer,
  numberMask,
  parseTransaction,
  scriptToAddress,
  serializeTransaction,
  splitFee,
  type Transaction,
  transactionWeight,
  withAnchorWitness,
} from "../../src/core/bitcoin/index.ts";
import type { PktMessage } from "../../src/core/wire/index.ts";
import { type Bitcoind, findBitcoind, startBitcoind } from "../support/bitcoind.ts";
import { ChannelPair, hashOf, type Party, type PartyName, secret } from "../support/channel-pair.ts";

const MOST = 1_150;
const AMOUNT_SAT = 4_294_967n;
const PUSH_MSAT = 2_000_000_000n;
const NAMES = ["alice", "bob"] as const;

let node: Bitcoind;

type Verdict = { readonly allowed: boolean; readonly "reject-reason"?: string };

function raw(transaction: Transaction): string {
  return toHex(serializeTransaction(transaction, { witness: true }));
}

async function verdict(hex: string): Promise<string> {
  const [result] = await node.rpc<Verdict[]>("testmempoolaccept", [[hex], 0]);
  return result?.allowed === true ? "accepted" : (result?.["reject-reason"] ?? "no reason");
}

/** Broadcasts, mines, and gives the number of outputs that the chain then has. */
async function mined(hex: string): Promise<number> {
  const txid = await node.rpc<string>("sendrawtransaction", [hex, 0]);
  const [block] = await node.mine(1);
  const { tx } = await node.rpc<{ tx: readonly { txid: string; vout: readonly unknown[] }[] }>("getblock", [block, 2]);
  return tx.find((transaction) => transaction.txid === txid)?.vout.length ?? 0;
}

/** Amounts above the dust limit, no two alike, with millisatoshi that no output can show. */
function amountOf(from: PartyName, n: number): bigint {
  return 546_000n + BigInt(n) * 1_001n + (from === "alice" ? 0n : 500n);
}

function secretOf(from: PartyName, n: number): number {
  return (from === "alice" ? 0 : MOST + 1) + n;
}

function sumOf(from: PartyName, which: (n: number) => boolean = () => true): bigint {
  let sum = 0n;
  for (let n = 0; n < MOST; n++) if (which(n)) sum += amountOf(from, n);
  return sum;
}

/** An open channel with an anchor in a block of the real chain. */
async function opened(): Promise<ChannelPair> {
  const policy = { maxHtlcs: MOST };
  const pair = new ChannelPair({ alice: policy, bob: policy });
  const { alice, bob } = pair;
  for (const party of [alice, bob]) {
    party.checked = false;
    party.buffer = createCommitmentBuffer();
    party.height = await node.rpc<number>("getblockcount");
  }
  pair.propose({ amountSat: AMOUNT_SAT, pushMsat: PUSH_MSAT });
  pair.answer();
  pair.deliver("bob");
  const [script] = alice.tells.flatMap((tell) => (tell.type === "fund" ? [tell.script] : []));
  if (script === undefined) throw new Error("nothing is to be funded");
  const displayed = await node.send(scriptToAddress(script, "regtest") ?? "", AMOUNT_SAT);
  const txid = txidFromDisplay(displayed);
  const { hex } = await node.rpc<{ hex: string }>("gettransaction", [displayed]);
  const transaction = fromHex(hex) ?? new Uint8Array(0);
  const parsed = parseTransaction(transaction);
  if (!parsed.ok || txid === undefined) throw new Error("the node's transaction is none");
  const outputIndex = parsed.value.outputs.findIndex((output) => equalBytes(output.script, script));
  expect(alice.run({ type: "funded", txid, outputIndex, transaction })).toBeUndefined();
  pair.settle();
  await node.mine(6);
  const height = await node.rpc<number>("getblockcount");
  const output = parsed.value.outputs[outputIndex];
  for (const party of [alice, bob]) {
    party.height = height;
    expect(party.run({ type: "funding_confirmed", height: height - 5, output })).toBeUndefined();
  }
  pair.settle();
  expect([alice.channel.stage.stage, bob.channel.stage.stage]).toEqual(["open", "open"]);
  return pair;
}

/** Both offer as many as they may, at once; then both commitments hold all of them. */
function fill(pair: ChannelPair): void {
  for (let n = 0; n < MOST; n++) {
    for (const from of NAMES) expect(offer(pair, from, n)).toBeUndefined();
  }
  pair.settle();
  for (const party of [pair.alice, pair.bob]) {
    expect(party.cleared()).toHaveLength(MOST);
    const { local, remote } = party.channel.view;
    expect([local.offeredNonDust, remote.offeredNonDust]).toEqual([MOST, MOST]);
  }
}

function offer(pair: ChannelPair, from: PartyName, n: number) {
  return pair.offer(from, secretOf(from, n), amountOf(from, n), pair.alice.height + 200 + (n % 7));
}

/** The newest commitment of a party, from its rows alone, with both signatures. All staged changes must be in it. */
function newestCommitment(party: Party, peer: Party): { transaction: Transaction; htlcs: number } {
  const { funding, terms, commitments, channel, htlcs, totals } = party.channel;
  const { local: own, remote: oth } = terms;
  const newest = commitments.local;
  if (funding === undefined || own === undefined || oth === undefined || newest?.signature === undefined) {
    throw new Error("there is no signed commitment");
  }
  const [initiator, responder] = channel.initiator === "local" ? [own, oth] : [oth, own];
  const params = {
    funding: { ...funding, script: anchorScript(own.commitKey, oth.commitKey) },
    numberMask: numberMask(initiator.commitKey, responder.commitKey),
    number: BigInt(newest.number),
    ownFinalKey: own.finalKey,
    othFinalKey: oth.finalKey,
    delay: oth.delay,
    revocationHash: newest.revocationHash,
    feeRate: newest.feeRate,
    ownMsat: totals.localMsat,
    othMsat: totals.remoteMsat,
    htlcs: [...htlcs.values()].map(({ offerer, ...htlc }) => ({
      ...htlc,
      direction: offerer === "local" ? ("offered" as const) : ("received" as const),
    })),
  };
  const { sighash } = buildCommitment(params);
  const ownSignature = party.signer.sign(party.keys.commitKey(channel.index), sighash);
  expect(peer.channel.terms.local?.commitKey).toEqual(oth.commitKey);
  const transaction = withAnchorWitness(
    commitmentTransaction(params),
    { commitKey: own.commitKey, signature: ownSignature },
    { commitKey: oth.commitKey, signature: newest.signature },
  );
  expect(transaction.inputs[0]?.witness).toHaveLength(4);
  return { transaction, htlcs: commitmentOutputs(params).filter(({ type }) => type === "htlc").length };
}

function add(id: bigint, amountMsat: bigint): Extract<PktMessage, { type: "update_add_htlc" }> {
  const [paymentHash, route] = [hashOf(60_000), new Uint8Array(0)];
  return { type: "update_add_htlc", id, amountMsat: amountMsat as Msat, paymentHash, expiry: 400, route };
}

describe.skipIf(findBitcoind() === undefined)("1,150 HTLCs offered by each side at once", () => {
  beforeAll(async () => {
    node = await startBitcoind();
    await node.mine(110);
  });
  afterAll(() => node?.stop());

  it("[B2-19] [B2-30] [LS-32] both commitments are accepted, and all ends well: half settled, half failed, closed", async () => {
    const pair = await opened();
    fill(pair);
    for (const [party, peer] of [
      [pair.alice, pair.bob],
      [pair.bob, pair.alice],
    ] as const) {
      const { transaction, htlcs } = newestCommitment(party, peer);
      expect(htlcs).toBe(2 * MOST);
      expect(transactionWeight(transaction)).toBeLessThanOrEqual(400_000);
      expect(await verdict(raw(transaction))).toBe("accepted");
      // With one signature, or two of one party, it is nothing.
      const [input] = transaction.inputs;
      const [empty, first, , script] = input?.witness ?? [];
      if (input === undefined || empty === undefined || first === undefined || script === undefined) {
        throw new Error("the witness is no 2 of 2");
      }
      const twice = { ...transaction, inputs: [{ ...input, witness: [empty, first, first, script] }] };
      expect(await verdict(raw(twice))).toMatch(/script-verify-flag-failed/);
    }

    const isSettled = (n: number) => n % 2 === 0;
    for (const from of NAMES) {
      const receiver = pair.other(from);
      const firstId = from === "alice" ? 0n : 1n;
      for (let n = 0; n < MOST; n++) {
        const id = firstId + 2n * BigInt(n);
        const error = isSettled(n)
          ? receiver.run({ type: "fulfill", id, preimage: secret(secretOf(from, n)) })
          : receiver.run({ type: "fail_htlc", id, reason: new Uint8Array(1) });
        expect(error).toBeUndefined();
      }
    }
    pair.settle();
    const { alice, bob } = pair;
    const aliceMsat = AMOUNT_SAT * 1000n - PUSH_MSAT - sumOf("alice", isSettled) + sumOf("bob", isSettled);
    expect(alice.channel.totals).toMatchObject({ localMsat: aliceMsat, remoteMsat: AMOUNT_SAT * 1000n - aliceMsat });
    expect(bob.channel.totals).toMatchObject({ remoteMsat: aliceMsat, localMsat: AMOUNT_SAT * 1000n - aliceMsat });
    expect([alice.channel.htlcs.size, bob.channel.htlcs.size]).toEqual([0, 0]);
    for (const party of [alice, bob]) {
      expect(party.tells.filter(({ type }) => type === "htlc_fulfilled")).toHaveLength(MOST / 2);
      expect(party.tells.filter(({ type }) => type === "htlc_failed")).toHaveLength(MOST / 2);
    }

    expect(bob.run({ type: "close", script: undefined })).toBeUndefined();
    pair.settle();
    const close = alice.broadcasts.at(-1) ?? new Uint8Array(0);
    expect(bob.broadcasts.at(-1)).toEqual(close);
    const parsed = parseTransaction(close);
    if (!parsed.ok) throw new Error(parsed.error.reason);
    const feeSat = alice.channel.closeOffers.at(-1)?.feeSat ?? 0n;
    const { ownSat, othSat } = splitFee({
      feeSat,
      ownMsat: aliceMsat,
      othMsat: AMOUNT_SAT * 1000n - aliceMsat,
    });
    const amounts = parsed.value.outputs.map(({ amountSat }) => amountSat);
    expect(new Set(amounts)).toEqual(new Set([ownSat, othSat]));
    expect(await verdict(toHex(close))).toBe("accepted");
    expect(await mined(toHex(close))).toBe(2);
  });

  it.each(NAMES)("[B2-19] [LS-8] the commitment of %s is broadcast and mined", async (name) => {
    const pair = await opened();
    fill(pair);
    const { transaction } = newestCommitment(pair[name], pair.other(name));
    expect(await mined(raw(transaction))).toBe(2 * MOST + 2);
  });

  it("[B2-19] one more is neither offered nor taken, from either side", async () => {
    const pair = await opened();
    fill(pair);
    for (const from of NAMES) {
      const nextId = from === "alice" ? 2_300n : 2_301n;
      const receiver = pair.other(from);
      const numbers = { rule: "B2-19", limit: MOST, actual: MOST + 1 };
      const before = pair[from].changes.length;
      expect(offer(pair, from, MOST)).toEqual({ type: "too_many_htlcs", ...numbers });
      expect(pair[from].changes).toHaveLength(before);
      expect(pair[from].saying()).toEqual([]);
      expect(receiver.judge(add(nextId, 546_000n))).toEqual({ type: "remote_too_many_htlcs", ...numbers });
      expect(receiver.judge(add(nextId, 545_999n))).toBeUndefined();
    }
    // The rest up to 1,500 are dust: of one satoshi each, so that it is their number that counts.
    for (let n = MOST; n < 1_500; n++) {
      for (const from of NAMES) expect(pair.offer(from, 5_000 + n, 1_000n, pair.alice.height + 200)).toBeUndefined();
    }
    pair.settle();
    for (const from of NAMES) {
      const nextId = from === "alice" ? 3_000n : 3_001n;
      const numbers = { rule: "B2-19", limit: 1_500, actual: 1_501 };
      expect(pair.offer(from, 9_999, 1n, pair.alice.height + 200)).toEqual({ type: "too_many_htlcs", ...numbers });
      expect(pair.other(from).judge(add(nextId, 1n))).toEqual({ type: "remote_too_many_htlcs", ...numbers });
    }
    // Dust has no output: the transactions are as large as before, and the fee is the same.
    const { transaction, htlcs } = newestCommitment(pair.alice, pair.bob);
    expect(htlcs).toBe(2 * MOST);
    const paid = transaction.outputs.reduce((sum, { amountSat }) => sum + amountSat, 0n);
    const feeRate = pair.alice.channel.commitments.local?.feeRate ?? 0;
    expect(AMOUNT_SAT - paid).toBeGreaterThan(commitmentFee(feeRate, 2 * MOST));
    expect(await verdict(raw(transaction))).toBe("accepted");
  });

  it("[B2-17] [B2-19] dust of both sides together is capped at one hundredth of the anchor", async () => {
    const pair = await opened();
    fill(pair);
    const cap = AMOUNT_SAT / 100n;
    // 545 satoshi at a time, by turns, as long as there is room.
    let dust = 0n;
    for (let n = 0; dust + 545n <= cap; n++, dust += 545n) {
      const from = n % 2 === 0 ? "alice" : "bob";
      expect(pair.offer(from, 5_000 + n, 545_000n, pair.alice.height + 200)).toBeUndefined();
      pair.deliver(from);
    }
    pair.settle();
    const room = (cap - dust) * 1000n;
    for (const from of NAMES) {
      const numbers = { rule: "B2-17", limit: cap, actual: cap + 1n };
      expect(pair.offer(from, 9_999, room + 1n, pair.alice.height + 200)).toEqual({
        type: "dust_exposure",
        ...numbers,
      });
      const nextId = (pair[from].channel.totals.localLastId ?? 0n) + 2n;
      const receiver = pair.other(from);
      expect(receiver.judge(add(nextId, room + 1n))).toEqual({ type: "remote_dust_exposure", ...numbers });
      expect(receiver.judge(add(nextId, room))).toBeUndefined();
    }
  });
});
