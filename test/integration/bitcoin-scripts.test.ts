// What a real node says about our transactions: every path of every script, too early, with wrong preimages and in time.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { equalBytes, fromHex, toHex, txidFromDisplay, txidToDisplay } from "../../src/core/base/index.ts";
import {
  anchorScript,
  buildCommitment,
  type Claim,
  type Coin,
  type CommitmentHtlc,
  type CommitmentParams,
  claimSighash,
  claimTransaction,
  claimWitness,
  closeTransaction,
  commitmentOutputs,
  commitmentTransaction,
  isStandardCloseScript,
  p2wpkhSighash,
  p2wpkhWitness,
  parseTransaction,
  payToPublicKeyHash,
  payToWitnessPublicKeyHash,
  payToWitnessScriptHash,
  type Spend,
  scriptToAddress,
  selectCoins,
  serializeTransaction,
  type Transaction,
  transactionId,
  transactionWeight,
  unsignedTransaction,
  virtualSize,
  withAnchorWitness,
} from "../../src/core/bitcoin/index.ts";
import { secp256k1, sha256 } from "../../src/core/crypto/index.ts";
import { type Bitcoind, findBitcoind, startBitcoind } from "../support/bitcoind.ts";
import { ALICE, BOB, bytes32, commitmentOf, type KeyPair } from "../support/commitments.ts";

/** More than 16, so that the script pushes it as bytes. */
const DELAY = 20;
const REVOCATION = bytes32("revocation");
const FEE_RATE = 3000;
const destination = payToWitnessPublicKeyHash(ALICE.final.publicKey);

const payment = (id: number) => bytes32(`payment ${id}`);

type Verdict = { readonly allowed: boolean; readonly "reject-reason"?: string; readonly vsize?: number };

let node: Bitcoind;

function raw(transaction: Transaction): string {
  return toHex(serializeTransaction(transaction, { witness: true }));
}

/** "accepted" or the node's reason. */
async function verdict(transaction: Transaction): Promise<string> {
  const [result] = await node.rpc<Verdict[]>("testmempoolaccept", [[raw(transaction)], 0]);
  return result?.allowed === true ? "accepted" : (result?.["reject-reason"] ?? "no reason");
}

async function broadcast(transaction: Transaction): Promise<void> {
  expect(await node.rpc("sendrawtransaction", [raw(transaction), 0])).toBe(txidToDisplay(transactionId(transaction)));
}

async function height(): Promise<number> {
  return node.rpc<number>("getblockcount");
}

async function mineTo(tip: number): Promise<void> {
  await node.mine(tip - (await height()));
}

/** A coin paid to `key` by the node's wallet. */
async function coinOf(key: KeyPair, amountSat: bigint): Promise<Coin> {
  const script = payToWitnessPublicKeyHash(key.publicKey);
  const txid = txidFromDisplay(await node.send(scriptToAddress(script, "regtest") ?? "", amountSat));
  if (txid === undefined) throw new Error("no txid");
  const { hex } = await node.rpc<{ hex: string }>("gettransaction", [txidToDisplay(txid)]);
  const parsed = parseTransaction(fromHex(hex) ?? new Uint8Array(0));
  if (!parsed.ok) throw new Error(parsed.error.reason);
  expect(toHex(transactionId(parsed.value))).toBe(toHex(txid));
  return { txid, index: parsed.value.outputs.findIndex((output) => equalBytes(output.script, script)), amountSat };
}

/** Funds the channel of `contents` from coins of Alice's, as a wallet would, and gives its parameters with the true outpoint. */
async function fund(contents: Parameters<typeof commitmentOf>[0]): Promise<CommitmentParams> {
  const { amountSat, script } = commitmentOf(contents).funding;
  const wallet = ALICE.final;
  const coins = [await coinOf(wallet, amountSat / 2n), await coinOf(wallet, amountSat / 2n + 100_000n)];
  const anchor = { amountSat, script: payToWitnessScriptHash(script) };
  const selection = selectCoins({ coins, outputs: [anchor], feeRate: FEE_RATE, changeScript: destination });
  if (!selection.ok) throw new Error(selection.error.type);
  const { inputs, outputs, feeSat } = selection.value;
  const unsigned = unsignedTransaction(inputs, outputs);
  const witnesses = inputs.map((coin, i) => {
    const hash = p2wpkhSighash(unsigned, i, wallet.publicKey, coin.amountSat);
    return p2wpkhWitness(secp256k1.sign(hash, wallet.secret), wallet.publicKey);
  });
  const signed = {
    ...unsigned,
    inputs: unsigned.inputs.map((input, i) => ({ ...input, witness: witnesses[i] ?? [] })),
  };
  await broadcast(signed);
  const entry = await node.rpc<{ vsize: number; fees: { base: number } }>("getmempoolentry", [
    txidToDisplay(transactionId(signed)),
  ]);
  expect(entry.vsize).toBe(virtualSize(signed));
  expect(BigInt(Math.round(entry.fees.base * 1e8))).toBe(feeSat);
  const index = outputs.indexOf(anchor);
  return commitmentOf(contents, { txid: transactionId(signed), index });
}

function signedByBoth(transaction: Transaction, sighash: Uint8Array): Transaction {
  const sign = ({ commit }: typeof ALICE) => ({
    commitKey: commit.publicKey,
    signature: secp256k1.sign(sighash, commit.secret),
  });
  return withAnchorWitness(transaction, sign(ALICE), sign(BOB));
}

function signedCommitment(params: CommitmentParams): Transaction {
  return signedByBoth(commitmentTransaction(params), buildCommitment(params).sighash);
}

/** The claims in one transaction; `alter` changes it before it is signed, `spends` are the witnesses shown. */
function claimed(
  claims: readonly Claim[],
  key: KeyPair,
  alter: (unsigned: Transaction) => Transaction = (unsigned) => unsigned,
  spends: readonly Spend[] = claims.map(({ spend }) => spend),
): Transaction {
  const built = claimTransaction(claims, destination, FEE_RATE);
  if (!built.ok) throw new Error(built.error.type);
  const unsigned = alter(built.value);
  const witnesses = claims.map((claim, i) => {
    const signature = secp256k1.sign(claimSighash(unsigned, i, claim), key.secret);
    return claimWitness(spends[i] ?? claim.spend, signature);
  });
  return { ...unsigned, inputs: unsigned.inputs.map((input, i) => ({ ...input, witness: witnesses[i] ?? [] })) };
}

const contents = {
  ownMsat: 500_000_000n,
  othMsat: 300_000_000n,
  feeRate: FEE_RATE,
  delay: DELAY,
  number: 5n,
  revocationHash: sha256(REVOCATION),
};

function htlcs(count: number, direction: CommitmentHtlc["direction"], expiry: number, from = 0): CommitmentHtlc[] {
  return Array.from({ length: count }, (_, i) => {
    const id = from + i;
    return {
      direction,
      id: BigInt(id),
      amountMsat: 20_000_000n + BigInt(id),
      paymentHash: sha256(payment(id)),
      expiry,
    };
  });
}

/** A commitment of Alice's on the chain, and its outputs by kind. */
async function published(expiry: number, offered = 3, received = 3) {
  const all = [...htlcs(offered, "offered", expiry), ...htlcs(received, "received", expiry, offered)];
  const params = await fund({ ...contents, htlcs: all });
  await node.mine(1);
  const transaction = signedCommitment(params);
  expect(await verdict(transaction)).toBe("accepted");
  await broadcast(transaction);
  await node.mine(1);
  const outputs = commitmentOutputs(params);
  const txid = transactionId(transaction);
  function claim(find: (output: (typeof outputs)[number]) => boolean, spend: (script: Uint8Array) => Spend): Claim {
    const index = outputs.findIndex(find);
    const output = outputs[index];
    if (output === undefined) throw new Error("no such output");
    const script = output.type === "to_other" ? new Uint8Array(0) : output.witnessScript;
    return { txid, index, amountSat: output.amountSat, spend: spend(script) };
  }
  return {
    transaction,
    minedAt: await height(),
    toSelf: (spend: (script: Uint8Array) => Spend) => claim(({ type }) => type === "to_self", spend),
    toOther: () =>
      claim(
        ({ type }) => type === "to_other",
        () => ({ type: "to_other", publicKey: BOB.final.publicKey }),
      ),
    htlc: (id: number, spend: (script: Uint8Array) => Spend) =>
      claim((output) => output.type === "htlc" && output.htlcId === BigInt(id), spend),
  };
}

const SCRIPT_FAILED = /script-verify-flag-failed/;

describe.skipIf(findBitcoind() === undefined)("on a real node", () => {
  beforeAll(async () => {
    node = await startBitcoind();
    await node.mine(110);
  });
  afterAll(() => node?.stop());

  it("[B2-12] [B2-45] the other takes at once what is its own: to-other, and HTLCs offered to it with R", async () => {
    const commitment = await published((await height()) + 100);
    const toOther = commitment.toOther();
    const fulfilled = commitment.htlc(0, (script) => ({
      type: "offered_fulfilled",
      script,
      paymentPreimage: payment(0),
    }));
    const wrong: Spend = { ...fulfilled.spend, paymentPreimage: payment(1) } as Spend;
    expect(await verdict(claimed([fulfilled], BOB.final, undefined, [wrong]))).toMatch(SCRIPT_FAILED);
    expect(await verdict(claimed([fulfilled], ALICE.final))).toMatch(SCRIPT_FAILED);
    expect(await verdict(claimed([toOther], ALICE.final))).toMatch(SCRIPT_FAILED);
    await broadcast(claimed([toOther], BOB.final));
    await broadcast(claimed([fulfilled], BOB.final));
    await node.mine(1);
  });

  it("[B2-37] the other takes everything of a revoked commitment at once, in one transaction", async () => {
    const commitment = await published((await height()) + 100);
    const revocationPreimage = REVOCATION;
    const penalties = [
      commitment.toOther(),
      commitment.toSelf((script) => ({ type: "to_self_revoked", script, revocationPreimage })),
      ...[0, 1, 2].map((id) =>
        commitment.htlc(id, (script) => ({ type: "offered_revoked", script, revocationPreimage })),
      ),
      ...[3, 4, 5].map((id) =>
        commitment.htlc(id, (script) => ({ type: "received_revoked", script, revocationPreimage })),
      ),
    ];
    for (const claim of penalties.slice(1)) {
      const wrong = { ...claim.spend, revocationPreimage: payment(9) } as Spend;
      expect(await verdict(claimed([claim], BOB.final, undefined, [wrong]))).toMatch(SCRIPT_FAILED);
      expect(await verdict(claimed([claim], ALICE.final))).toMatch(SCRIPT_FAILED);
      expect(await verdict(claimed([claim], BOB.final))).toBe("accepted");
    }
    const penalty = claimed(penalties, BOB.final);
    expect(await verdict(penalty)).toBe("accepted");
    const size = serializeTransaction(penalty, { witness: true }).length;
    expect(virtualSize(penalty) / penalties.length).toBeLessThan(110);
    expect(size / penalties.length).toBeLessThan(290);
    await broadcast(penalty);
    await node.mine(1);
  });

  it("[B2-45] the holder waits: to-self and HTLCs received with R for the delay, to the block", async () => {
    const commitment = await published((await height()) + 100);
    const toSelf = commitment.toSelf((script) => ({ type: "to_self", script, delay: DELAY }));
    const received = commitment.htlc(3, (script) => ({
      type: "received_fulfilled",
      script,
      delay: DELAY,
      paymentPreimage: payment(3),
    }));
    const wrong = { ...received.spend, paymentPreimage: payment(4) } as Spend;
    const hurried = (unsigned: Transaction): Transaction => ({
      ...unsigned,
      inputs: unsigned.inputs.map((input) => ({ ...input, sequence: DELAY - 1 })),
    });
    await mineTo(commitment.minedAt + DELAY - 2);
    expect(await verdict(claimed([toSelf], ALICE.final))).toBe("non-BIP68-final");
    expect(await verdict(claimed([received], ALICE.final))).toBe("non-BIP68-final");
    expect(await verdict(claimed([toSelf], ALICE.final, hurried))).toMatch(SCRIPT_FAILED);
    expect(await verdict(claimed([received], ALICE.final, hurried))).toMatch(SCRIPT_FAILED);
    await node.mine(1);
    expect(await verdict(claimed([received], ALICE.final, undefined, [wrong]))).toMatch(SCRIPT_FAILED);
    expect(await verdict(claimed([received], BOB.final))).toMatch(SCRIPT_FAILED);
    expect(await verdict(claimed([toSelf], BOB.final))).toMatch(SCRIPT_FAILED);
    await broadcast(claimed([toSelf], ALICE.final));
    await broadcast(claimed([received], ALICE.final));
    await node.mine(1);
  });

  it("[B2-16] HTLCs go back at expiry: received ones to the other at once, offered ones to the holder after the delay too", async () => {
    const expiry = (await height()) + 10;
    const commitment = await published(expiry);
    const offered = commitment.htlc(0, (script) => ({ type: "offered_timeout", script, delay: DELAY, expiry }));
    const received = commitment.htlc(3, (script) => ({ type: "received_timeout", script, expiry }));
    const early = (unsigned: Transaction): Transaction => ({ ...unsigned, lockTime: expiry - 1 });
    const unlocked = (unsigned: Transaction): Transaction => ({
      ...unsigned,
      inputs: unsigned.inputs.map((input) => ({ ...input, sequence: 0xffff_ffff })),
    });
    await mineTo(expiry - 1);
    expect(await verdict(claimed([received], BOB.final))).toBe("non-final");
    expect(await verdict(claimed([received], BOB.final, early))).toMatch(SCRIPT_FAILED);
    expect(await verdict(claimed([received], BOB.final, unlocked))).toMatch(SCRIPT_FAILED);
    await node.mine(1);
    expect(await verdict(claimed([received], ALICE.final))).toMatch(SCRIPT_FAILED);
    await broadcast(claimed([received], BOB.final));
    expect(commitment.minedAt + DELAY).toBeGreaterThan(expiry + 2);
    expect(await verdict(claimed([offered], ALICE.final))).toBe("non-BIP68-final");
    await mineTo(commitment.minedAt + DELAY - 2);
    expect(await verdict(claimed([offered], ALICE.final))).toBe("non-BIP68-final");
    await node.mine(1);
    expect(await verdict(claimed([offered], BOB.final))).toMatch(SCRIPT_FAILED);
    await broadcast(claimed([offered], ALICE.final));
    await node.mine(1);
  });

  it("[B2-16] an offered HTLC whose delay is over still waits for its expiry", async () => {
    const expiry = (await height()) + DELAY + 10;
    const commitment = await published(expiry, 1, 0);
    const offered = commitment.htlc(0, (script) => ({ type: "offered_timeout", script, delay: DELAY, expiry }));
    await mineTo(expiry - 1);
    expect(await verdict(claimed([offered], ALICE.final))).toBe("non-final");
    await node.mine(1);
    await broadcast(claimed([offered], ALICE.final));
    await node.mine(1);
  });

  it("[B2-30] the largest commitment, 1,150 HTLCs each way, is relayed and has the size that we reckon", async () => {
    const expiry = (await height()) + 1000;
    const all = [...htlcs(1150, "offered", expiry), ...htlcs(1150, "received", expiry, 1150)];
    const params = await fund({ ...contents, htlcs: all });
    await node.mine(1);
    const transaction = signedCommitment(params);
    const weight = transactionWeight(transaction);
    expect(weight).toBeLessThanOrEqual(400_000);
    const decoded = await node.rpc<{ weight: number; vsize: number }>("decoderawtransaction", [raw(transaction)]);
    expect(decoded).toMatchObject({ weight, vsize: virtualSize(transaction) });
    expect(Math.abs(virtualSize(transaction) - (183 + 43 * 2300))).toBeLessThanOrEqual(6);
    await broadcast(transaction);
    await node.mine(1);
  });

  it("[B2-30] a commitment without HTLCs pays at least its nominal rate, and weighs what was said", async () => {
    const params = await fund({ ...contents, htlcs: [] });
    await node.mine(1);
    const transaction = signedCommitment(params);
    const [result] = await node.rpc<(Verdict & { fees: { base: number } })[]>("testmempoolaccept", [
      [raw(transaction)],
      0,
    ]);
    expect(result).toMatchObject({ allowed: true, vsize: virtualSize(transaction) });
    expect(BigInt(Math.round((result?.fees.base ?? 0) * 1e8))).toBe(buildCommitment(params).feeSat);
    expect(Math.abs(virtualSize(transaction) - 183)).toBeLessThanOrEqual(3);
  });

  it("[LW-1] [B2-45] a close to every kind of script that we allow is relayed, even at the dust limit", async () => {
    const params = await fund({ ...contents, htlcs: [] });
    await node.mine(1);
    const hash = bytes32("close").subarray(0, 20);
    const program = (opcode: number, length: number) =>
      Uint8Array.of(opcode, length, ...new Uint8Array(length).fill(3));
    const scripts = [
      payToWitnessPublicKeyHash(BOB.final.publicKey),
      payToWitnessScriptHash(anchorScript(ALICE.final.publicKey, BOB.final.publicKey)),
      payToPublicKeyHash(hash),
      Uint8Array.of(0xa9, 20, ...hash, 0x87),
      program(0x51, 32),
      program(0x51, 2),
      program(0x52, 2),
      program(0x60, 32),
    ];
    const total = params.funding.amountSat;
    for (const script of scripts) {
      expect(isStandardCloseScript(script)).toBe(true);
      const sides = { own: { script: destination, msat: (total - 1046n) * 1000n }, oth: { script, msat: 1_046_000n } };
      const close = closeTransaction({ funding: params.funding, ...sides, feeSat: 1000n });
      if (!close.ok) throw new Error(close.error.type);
      expect(close.value.transaction.outputs[0]?.amountSat).toBe(546n);
      expect(await verdict(signedByBoth(close.value.transaction, close.value.sighash))).toBe("accepted");
    }
  });
});
